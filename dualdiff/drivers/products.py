"""Derivatives along directions, without forming matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from dualdiff.core.application import dtype_of
from dualdiff.core.dual import AnyDual
from dualdiff.drivers import gradient
from dualdiff.drivers.containers import aligned, check_running
from dualdiff.drivers.operators import DerivedFunction, F, R, all_in_order, operator
from dualdiff.drivers.options import Argnum, OfHvp, OfJvp, PartOfHvp
from dualdiff.drivers.run.inputs import Inputs, with_direction
from dualdiff.drivers.run.passes import single_pass


def evaluate_jvp(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0, has_aux: bool = False
) -> tuple[Any, Any, Any]:
    """Value, derivative along the direction and aux."""
    given, v = with_direction(operator, args, argnum)
    inputs = Inputs(operator, f, given, argnum, has_aux)
    outputs = single_pass(inputs, _tangents(inputs, v))
    return outputs.value, outputs.rebuild(outputs.derivatives), outputs.aux


@overload
def jvp(f: Callable[..., R], /, *, argnum: Argnum = 0) -> DerivedFunction[..., tuple[R, R]]: ...
@overload
def jvp(f: Callable[..., Any], /, **options: Unpack[OfJvp]) -> DerivedFunction[..., Any]: ...
@overload
def jvp(f: Callable[..., R], x: Any, v: Any, /, *args: Any, argnum: Argnum = 0) -> tuple[R, R]: ...
@overload
def jvp(f: Callable[..., Any], x: Any, v: Any, /, *args: Any, **options: Unpack[OfJvp]) -> Any: ...
@operator(evaluate_jvp, all_in_order, compiled="jvp")
def jvp(f: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The value and the derivative along a direction: ``jvp(f, x, v)`` is :math:`(f(x), J v)`.

    Parameters
    ----------
    f : callable
        A function of a scalar, an array, or nested tuples and dicts of them.
    *args
        x, then the direction v with the nesting and shapes of x, then the other arguments of f.
    argnum : int or tuple of int
        The place of x among the arguments of f.  With several places, x is the tuple of these arguments and v the tuple
        of their directions: ``jvp(f, (a, b), (va, vb), argnum=(0, 1))``.
    has_aux : bool
        f returns a pair (result, aux); aux is the third item of the result.

    Returns
    -------
    tuple
        f(x) and J v, both with the nesting and shapes of f(x).  ``jvp(f)`` is a function of (x, v, ...).

    Raises
    ------
    ValueError
        If v does not have the nesting and shapes of x.

    Notes
    -----
    One call of f.  Right along any direction for complex x too, for functions that are not holomorphic.  See Griewank
    and Walther, *Evaluating Derivatives* (2008), section 3.1.

    Examples
    --------
    >>> from dualdiff import jvp
    >>> jvp(np.sin, np.array([0.0, 0.0]), np.array([1.0, 2.0]))
    (array([0., 0.]), array([1., 2.]))
    """


def evaluate_hvp(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    argnum: Argnum = 0,
    chunk_size: int | None = None,
    mode: str = "auto",
    has_aux: bool = False,
) -> tuple[Any, Any, Any]:
    """Gradient, Hessian-vector product and aux."""

    def slope(*args: Any) -> Any:
        _, slope, aux = gradient.evaluate(
            operator, f, args, argnum=argnum, chunk_size=chunk_size, mode=mode, has_aux=has_aux
        )
        return slope, aux

    return evaluate_jvp(operator, slope, args, argnum=argnum, has_aux=True)


@overload
def hvp(f: Callable[..., Any], /, **options: Unpack[OfHvp]) -> DerivedFunction[..., Any]: ...
@overload
def hvp(f: Callable[..., Any], x: NDArray[F], v: Any, /, *args: Any, **options: Unpack[PartOfHvp]) -> NDArray[F]: ...
@overload
def hvp(f: Callable[..., Any], x: Any, v: Any, /, *args: Any, **options: Unpack[OfHvp]) -> Any: ...
@operator(evaluate_hvp, compiled="hvp")
def hvp(f: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The Hessian times a direction, without forming it: ``hvp(f, x, v)`` is :math:`H v`.

    Parameters
    ----------
    f : callable
        As in `gradient`.
    *args
        x, then the direction v with the nesting and shapes of x, then the other arguments of f.
    argnum : int or tuple of int
        The place of x among the arguments of f, or several, as in `jvp`.
    chunk_size : int, optional
        Directions in one call of f, where the gradient is taken forwards.
    mode : {"auto", "forward", "reverse"}
        How the gradient is taken that is differentiated along v; see `gradient`.
    has_aux : bool
        f returns a pair (result, aux); the product is returned with aux.

    Returns
    -------
    array, or the nesting of x
        Shaped like x.  ``hvp(f)`` is a function of (x, v, ...), as ``scipy.optimize.minimize(hessp=...)`` calls it.

    Raises
    ------
    ValueError
        If f returns an array, or v does not have the nesting and shapes of x.

    Notes
    -----
    The derivative of the gradient along v: one call of f forward over reverse; max(1, ceil(n / chunk_size)) calls where
    the gradient is taken forwards.  See Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6
    (1994).

    Examples
    --------
    >>> from dualdiff import hvp
    >>> hvp(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """


def _tangents(inputs: Inputs, v: Any) -> list[Any]:
    """The direction as tangents of the leaves of x."""
    operator = inputs.operator
    leaves = aligned(v, inputs.rebuild(range(len(inputs.leaves))), f"{operator}: the direction v")
    tangents = []
    for t, leaf, shape in zip(leaves, inputs.leaves, inputs.shapes, strict=True):
        if not isinstance(t, AnyDual):
            t = np.asarray(t)
            if t.dtype.kind not in "iufc":
                raise TypeError(f"{operator}: the direction v has the dtype {t.dtype}, which is not numeric")
        if t.shape != shape:
            raise ValueError(f"{operator}: the direction v has the shape {t.shape}, and x has {shape}")
        dtype = dtype_of(leaf)
        if t.dtype.kind == "c" and dtype.kind != "c":
            raise TypeError(f"{operator}: the direction v is complex, and x is real")
        if isinstance(t, AnyDual):
            check_running(t)
            tangents.append(t if t.dtype == dtype else t.astype(dtype))
        else:
            t = t.astype(dtype)
            tangents.append(
                t if shape or issubclass(type(leaf), np.ndarray) else t.item() if dtype == np.float64 else t[()]
            )
    return tangents
