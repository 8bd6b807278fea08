"""The Laplacian and the biharmonic operator, by second derivatives that are summed over the directions on the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, Unpack, overload

import numpy as np

from dualdiff.core.containers import is_container
from dualdiff.drivers.higher import hessian_diagonal
from dualdiff.drivers.run.engines import engine_of
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.operator import DerivedFunction, P, operator
from dualdiff.drivers.run.options import Argnum, OfLaplacian
from dualdiff.drivers.run.passes import dense_passes
from dualdiff.drivers.run.repeated_calls import expect_several_calls
from dualdiff.drivers.run.seeds import Directions, unit_rows
from dualdiff.tangents.space import shape_of
from dualdiff.tangents.spaces.collapsed import Collapsed, NotCollapsedError
from dualdiff.tangents.zeros import may_have_nan, plain


def evaluate(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    argnum: Argnum = 0,
    chunk_size: int | None = None,
    has_aux: bool = False,
    batch_dims: int = 0,
) -> tuple[Any, Any, Any]:
    """Value, Laplacian and aux."""
    inputs = Inputs(operator, f, args, argnum, has_aux, batch_dims)
    if inputs.rebuild.is_container:
        raise _container(operator)
    by_hessian = partial(_by_hessian, inputs, chunk_size)
    if engine_of[type(f)] is not None:
        return by_hessian()
    # A function that is linear has a constant derivative.
    inputs.constant_is_said = True
    expect_several_calls(inputs)
    collapsed = _collapsed(inputs, chunk_size)
    return inputs.kept.call(by_hessian) if collapsed is None else collapsed


def _collapsed(inputs: Inputs, chunk_size: int | None) -> tuple[Any, Any, Any] | None:
    """Value, Laplacian and aux from collapsed series; None if f needs more than these, or is singular at x."""
    probes = len(inputs.batch.groups)
    made: list[Collapsed] = []
    value: Any = None
    aux: Any = None
    total: Any = None

    def space_of(tag: int, directions: int, conjugates: str) -> Collapsed:
        made.append(Collapsed(tag, directions, conjugates, probes))
        return made[-1]

    def rows(start: int, stop: int) -> Any:
        units = unit_rows(inputs.size, start, stop)
        return np.concatenate([units, np.zeros_like(units, shape=(1, inputs.size))])

    conjugates = "refused" if inputs.is_complex else "allowed"
    directions = Directions(inputs.size, rows)
    try:
        for start, _, outputs in dense_passes(inputs, chunk_size, conjugates, False, directions, space_of):
            if len(outputs.values) != 1 or outputs.rebuild.is_container:
                raise _container(inputs.operator)
            part = outputs.derivatives[0][-1]
            if start == 0:
                value, aux, total = outputs.value, outputs.aux, part
            else:
                total = total + part
    except NotCollapsedError:
        return None
    is_regular = np.all(np.isfinite(plain(total))) and not may_have_nan(total)
    return (value, total, aux) if is_regular and not any(space.is_refused for space in made) else None


def _by_hessian(inputs: Inputs, chunk_size: int | None) -> tuple[Any, Any, Any]:
    """Value, Laplacian and aux from the diagonal of the Hessian."""
    batch_dims = inputs.batch.dims
    value, diagonal, aux = hessian_diagonal.evaluate(
        inputs.operator,
        inputs.f,
        inputs.args,
        argnum=inputs.argnum,
        chunk_size=chunk_size,
        has_aux=inputs.has_aux,
        batch_dims=batch_dims,
    )
    if is_container(diagonal):
        raise _container(inputs.operator)
    (core,) = inputs.core_shapes
    total = np.sum(diagonal, axis=tuple(range(-len(core), 0)))
    # A scalar f may return an array of one element.
    return value, total if shape_of(total) == shape_of(value) else np.reshape(total, shape_of(value)), aux


def _container(operator: str) -> ValueError:
    return ValueError(f"{operator} needs one array x and one result f(x), but got a container")


@overload
def laplacian(f: Callable[P, Any], /, **options: Unpack[OfLaplacian]) -> DerivedFunction[P, Any]: ...
@overload
def laplacian(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfLaplacian]) -> Any: ...
@overload
def laplacian(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate, one_by_one=True)
def laplacian(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The Laplacian :math:`\Delta f = \sum_i \partial^2 f / \partial x_i^2` of a scalar, or of each component.

    Parameters
    ----------
    f : callable
        As in `gradient`; it may also return an array.
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple, in the same order.
    chunk_size : int, optional
        The number of directions in one call of f.
    has_aux : bool
        f returns a pair (result, aux), and the operator returns a pair (Laplacian, aux).
    batch_dims : int
        Number of leading axes of x, and of f(x), that index independent points.

    Returns
    -------
    scalar or array
        Shaped like f(x); with ``batch_dims``, a scalar for each point.  Without arguments, the Laplacian as a function.

    Raises
    ------
    ValueError
        If x or f(x) is a container.
    MixedPointsError
        With ``batch_dims``, if f combines the points.

    Notes
    -----
    Along each of the n axes, f is expanded to second order, and the second derivatives are summed in every step of f:
    n + 2 numbers for each intermediate value, in ceil(n / chunk_size) calls of f, where the Hessian takes n**2.  See
    F. Dangel et al., *Collapsing Taylor mode automatic differentiation* (2025).  If f calls nonlinear functions other
    than elementwise ones and products (``solve``, ``norm``, ``eigvalsh``, ...), or is singular at x, the result is the
    sum of `hessian_diagonal`, from further calls of f.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import laplacian
    >>> laplacian(lambda x: np.sum(x**3), np.array([1.0, 2.0]))
    np.float64(18.0)
    """


def evaluate_biharmonic(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    argnum: Argnum = 0,
    chunk_size: int | None = None,
    has_aux: bool = False,
    batch_dims: int = 0,
) -> tuple[None, Any, Any]:
    """The Laplacian of the Laplacian and aux, without a value."""
    options: Any = {"argnum": argnum, "chunk_size": chunk_size, "batch_dims": batch_dims}

    def inner(*args: Any) -> Any:
        return evaluate(operator, f, args, has_aux=has_aux, **options)[1:]

    _, result, aux = evaluate(operator, inner, args, has_aux=True, **options)
    return None, result, aux


@overload
def biharmonic(f: Callable[P, Any], /, **options: Unpack[OfLaplacian]) -> DerivedFunction[P, Any]: ...
@overload
def biharmonic(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfLaplacian]) -> Any: ...
@overload
def biharmonic(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate_biharmonic, one_by_one=True)
def biharmonic(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The biharmonic operator :math:`\Delta^2 f = \sum_{ij} \partial^4 f / \partial x_i^2 \partial x_j^2`.

    Parameters
    ----------
    f : callable
        As in `laplacian`: a scalar function of an array, or one that returns an array.
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum, chunk_size, has_aux, batch_dims
        As in `laplacian`.

    Returns
    -------
    scalar or array
        Shaped like f(x); with ``batch_dims``, a scalar for each point.  Without arguments, the operator applied to f,
        as a function.

    Raises
    ------
    ValueError
        If x or f(x) is a container.
    MixedPointsError
        With ``batch_dims``, if f combines the points.

    Notes
    -----
    The Laplacian of the Laplacian: (n + 2)**2 numbers for each intermediate value, where the tensor of fourth
    derivatives takes n**4.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import biharmonic
    >>> biharmonic(lambda x: np.sum(x**2) ** 2, np.array([1.0, 2.0, 3.0]))
    np.float64(120.0)
    """
