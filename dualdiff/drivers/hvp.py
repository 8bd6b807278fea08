"""The Hessian times a direction, without forming it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack, overload

from numpy.typing import NDArray

from dualdiff.drivers import gradient
from dualdiff.drivers.jvp import evaluate_jvp
from dualdiff.drivers.run.operator import DerivedFunction, F, operator
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
    >>> import numpy as np
    >>> from dualdiff import hvp
    >>> hvp(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """
