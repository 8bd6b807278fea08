"""Vector-Jacobian products, from one recorded call of f."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Unpack, overload

from dualdiff.drivers.linearize import Linear, recorded_map
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.operator import DerivedFunction, P, R, all_in_order, operator
from dualdiff.drivers.run.options import Argnum, OfJvp


def evaluate_vjp(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0, has_aux: bool = False
) -> tuple[Any, Linear, Any]:
    """Value, pullback as a linear map, and aux."""
    value, linear, aux = recorded_map(Inputs(operator, f, args, argnum, has_aux), "allowed")
    return value, linear.T, aux


@overload
def vjp(f: Callable[P, R], /, *, argnum: Argnum = 0) -> DerivedFunction[P, tuple[R, Linear]]: ...
@overload
def vjp(f: Callable[P, Any], /, **options: Unpack[OfJvp]) -> DerivedFunction[P, Any]: ...
@overload
def vjp(f: Callable[..., R], x: Any, /, *args: Any, argnum: Argnum = 0) -> tuple[R, Linear]: ...
@overload
def vjp(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfJvp]) -> Any: ...
@overload
def vjp(f: Callable[Concatenate[Any, P], R], x: Any, /, *args: P.args, **keywords: P.kwargs) -> tuple[R, Linear]: ...
@operator(evaluate_vjp, all_in_order, compiled="vjp")
def vjp(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The value and the pullback: ``vjp(f, x)`` is f(x) and a function pull, where ``pull(w)`` is :math:`w J`.

    Parameters
    ----------
    f : callable
        As in `linearize`.
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum, has_aux
        As in `linearize`.

    Returns
    -------
    tuple
        f(x) and the pullback, which takes a cotangent with the nesting and shapes of f(x) to a cotangent with those of
        x.  Several cotangents at once have one more axis in front, as the directions of `jvp`, and so have the results:
        ``pull(np.eye(m))`` gives the rows of J.  For complex arrays,
        :math:`\mathrm{Re} \sum \mathrm{pull}(w)\, v = \mathrm{Re} \sum w\, (J v)`.  Without arguments, a
        function of the arguments of f.

    Raises
    ------
    ValueError
        From pull, if w does not have the nesting and shapes of f(x).

    Notes
    -----
    One call of f; each pull costs a small multiple of the arithmetic of f.  See Griewank and Walther, *Evaluating
    Derivatives* (2008), section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import vjp
    >>> y, pull = vjp(lambda x: np.sum(x**2), np.array([1.0, 2.0]))
    >>> pull(1.0)
    array([2., 4.])
    >>> pull(np.array([1.0, 10.0]))
    array([[ 2.,  4.],
           [20., 40.]])
    """
