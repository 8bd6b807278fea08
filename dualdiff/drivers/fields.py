"""Derivatives of vector fields: divergence and curl."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Concatenate, Unpack, overload

import numpy as np

from dualdiff.core.containers import is_container
from dualdiff.drivers.jacobian import jacobian
from dualdiff.drivers.run.operator import DerivedFunction, P, operator
from dualdiff.drivers.run.options import Argnum, OfCurl, OfField


def evaluate_divergence(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    argnum: Argnum = 0,
    chunk_size: int | None = None,
    batch_dims: int = 0,
) -> tuple[None, Any, None]:
    """The trace of the Jacobian, without value and aux."""
    J = jacobian(f, *args, argnum=argnum, chunk_size=chunk_size, batch_dims=batch_dims)
    shape = _shape(args, argnum)
    if is_container(J) or np.shape(J) != shape + shape[batch_dims:]:
        given = "a container" if is_container(J) else f"a Jacobian of shape {np.shape(J)}"
        raise ValueError(f"{operator} needs f(x) shaped like x, one array; x has shape {shape} and f gave {given}")
    n = math.prod(shape[batch_dims:])
    return None, np.trace(np.reshape(J, (*shape[:batch_dims], n, n)), axis1=-2, axis2=-1), None


@overload
def divergence(f: Callable[P, Any], /, **options: Unpack[OfField]) -> DerivedFunction[P, Any]: ...
@overload
def divergence(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfField]) -> Any: ...
@overload
def divergence(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate_divergence, one_by_one=True)
def divergence(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The divergence :math:`\sum_i \partial f_i / \partial x_i` of a vector field.

    Parameters
    ----------
    f : callable
        A function of an array that returns an array of the same shape.
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple, in the same order.
    chunk_size, batch_dims
        As in `jacobian`.

    Returns
    -------
    scalar
        With ``batch_dims``, an array with a scalar for each point.  Without arguments, the divergence as a function.

    Raises
    ------
    ValueError
        If f(x) does not have the shape of x.

    Notes
    -----
    Costs a Jacobian: max(1, ceil(n / chunk_size)) calls of f.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import divergence
    >>> divergence(lambda x: x**2, np.array([1.0, 2.0, 3.0]))
    np.float64(12.0)
    """


def evaluate_curl(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0, batch_dims: int = 0
) -> tuple[None, Any, None]:
    """Differences of entries of the Jacobian, without value and aux."""
    J = jacobian(f, *args, argnum=argnum, batch_dims=batch_dims)
    shape = np.shape(J)[batch_dims:] if not is_container(J) else None
    if shape == (2, 2):
        return None, J[..., 1, 0] - J[..., 0, 1], None
    if shape == (3, 3):
        parts = [J[..., 2, 1] - J[..., 1, 2], J[..., 0, 2] - J[..., 2, 0], J[..., 1, 0] - J[..., 0, 1]]
        return None, np.stack(parts, axis=-1), None
    raise ValueError(
        f"curl needs a field with 3 (or 2) components and as many coordinates, but its Jacobian has shape {shape}"
    )


@overload
def curl(f: Callable[P, Any], /, **options: Unpack[OfCurl]) -> DerivedFunction[P, Any]: ...
@overload
def curl(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfCurl]) -> Any: ...
@overload
def curl(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate_curl, one_by_one=True)
def curl(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The curl :math:`\nabla \times f` of a vector field in three or two dimensions.

    Parameters
    ----------
    f : callable
        A function of an array of 3 (or 2) coordinates that returns an array of as many components.
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple, in the same order.
    batch_dims
        As in `jacobian`.

    Returns
    -------
    array of 3 components
        In two dimensions, the scalar :math:`\partial_1 f_2 - \partial_2 f_1`.  Without arguments, the curl as a
        function.

    Raises
    ------
    ValueError
        Unless x and f(x) are vectors with the same number of components, 2 or 3.

    Notes
    -----
    One call of f.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import curl
    >>> curl(lambda x: np.stack([x[2], x[0], x[1]]), np.array([1.0, 2.0, 3.0]))
    array([1., 1., 1.])
    """


def _shape(args: tuple[Any, ...], argnum: Any) -> tuple[int, ...]:
    """The shape of the differentiated argument."""
    return np.shape(args[argnum])
