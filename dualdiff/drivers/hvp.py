"""Products of the Hessian with a direction, without forming the Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Unpack, overload

from numpy.typing import NDArray

from dualdiff.drivers import gradient
from dualdiff.drivers.jvp import evaluate_jvp
from dualdiff.drivers.run.operator import DerivedFunction, F, P, operator
from dualdiff.drivers.run.options import Argnum, OfHvp, PartOfHvp


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

    def gradient_and_aux(*args: Any) -> Any:
        _, g, aux = gradient.evaluate(
            operator, f, args, argnum=argnum, chunk_size=chunk_size, mode=mode, has_aux=has_aux
        )
        return g, aux

    return evaluate_jvp(operator, gradient_and_aux, args, argnum=argnum, has_aux=True)


@overload
def hvp(f: Callable[..., Any], /, **options: Unpack[OfHvp]) -> DerivedFunction[..., Any]: ...
@overload
def hvp(f: Callable[..., Any], x: NDArray[F], v: Any, /, *args: Any, **options: Unpack[PartOfHvp]) -> NDArray[F]: ...
@overload
def hvp(f: Callable[..., Any], x: Any, v: Any, /, *args: Any, **options: Unpack[OfHvp]) -> Any: ...
@overload
def hvp(f: Callable[Concatenate[Any, P], Any], x: Any, v: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate_hvp, compiled="hvp")
def hvp(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The Hessian times a direction, without forming the Hessian: ``hvp(f, x, v)`` is :math:`H v`.

    Parameters
    ----------
    f : callable
        As in `gradient`.
    *args
        x, the direction v with the nesting and shapes of x (or several directions, as in `jvp`), and the other
        arguments of f.
    argnum : int or tuple of int
        The index of x among the arguments of f, or a tuple of several, as in `jvp`.
    chunk_size : int, optional
        The number of directions in one call of f, if the gradient is computed in forward mode.
    mode : {"auto", "forward", "reverse"}
        The mode of the gradient, which is then differentiated along v; see `gradient`.  For an f compiled by Numba,
        "auto" is "reverse" from 9 elements on.
    has_aux : bool
        f returns a pair (result, aux), and the operator returns a pair (product, aux).

    Returns
    -------
    array, or the nesting of x
        Shaped like v.  ``hvp(f)`` is a function of (x, v, ...), as ``scipy.optimize.minimize(hessp=...)`` calls it.

    Raises
    ------
    ValueError
        If f returns an array, or v does not have the nesting and shapes of x.

    Notes
    -----
    The derivative of the gradient along v.  One call of f in forward-over-reverse mode; max(1, ceil(n / chunk_size))
    calls if the gradient is computed in forward mode.  See Pearlmutter, "Fast exact multiplication by the Hessian",
    Neural Computation 6 (1994).

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import hvp
    >>> hvp(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """
