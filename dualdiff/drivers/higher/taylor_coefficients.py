"""Taylor coefficients along a direction, from one call of f on power series."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Concatenate, Unpack, overload

import numpy as np

from dualdiff.base import tags
from dualdiff.base.errors import UndefinedDerivativeWarning
from dualdiff.base.internals import stacklevel
from dualdiff.core.application import dtype_of
from dualdiff.drivers.run.directions import fitted
from dualdiff.drivers.run.engines import refuse_compiled
from dualdiff.drivers.run.inputs import Inputs, no_function
from dualdiff.drivers.run.operator import DerivedFunction, P, operator
from dualdiff.drivers.run.options import Argnum, OfTaylor
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import series_pass
from dualdiff.tangents.spaces.taylor import Taylor
from dualdiff.tangents.zeros import plain


def evaluate(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    argnum: Argnum = 0,
    order: int | None = None,
    has_aux: bool = False,
) -> tuple[None, Any, Any]:
    """The coefficients and aux, without a value."""
    if not callable(f):
        raise no_function(operator, f)
    v = None
    if order is None:
        args, order, v = split_order(operator, args)
    refuse_compiled(operator, f)
    inputs = Inputs(operator, f, args, argnum, has_aux)
    if order == 0:
        result, aux = inputs.call([np.copy(leaf) if np.ndim(leaf) else leaf for leaf in inputs.leaves])
        outputs = Outputs(inputs, _silent(), result, aux)
        return None, outputs.rebuild(np.stack([np.asarray(y)]) for y in outputs.values), outputs.aux
    outputs = series_pass(inputs, _directions(inputs, v), order)
    coefficients = [outputs.series(i) for i in range(len(outputs.values))]
    _warn_of_poles(inputs, outputs, coefficients)
    return None, outputs.rebuild(coefficients), outputs.aux


def checked_order(operator: str, given: Any, is_lasting: bool = False) -> int:
    """The order of a series, checked."""
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, np.integer)) or given < 0:
        raise ValueError(f"{operator}: the order must be 0, 1, 2, ..., not {given!r}")
    return int(given)


def split_order(operator: str, args: tuple[Any, ...], takes_direction: bool = True) -> tuple[tuple[Any, ...], int, Any]:
    """The arguments of f, the order, and the direction, which may follow it."""

    def is_order(x: Any) -> bool:
        return isinstance(x, (int, np.integer)) and not isinstance(x, bool)

    v = None
    if takes_direction and len(args) > 2 and is_order(args[-2]) and not is_order(args[-1]):
        *args_of_f, order, v = args
    elif len(args) > 1:
        *args_of_f, order = args
    else:
        raise ValueError(f"{operator}(f, x, order) needs an order after the arguments of f, but got a single argument")
    return tuple(args_of_f), checked_order(operator, order), v


def _directions(inputs: Inputs, v: Any) -> list[Any]:
    """For each leaf of x its component of the direction: ones, or those of v."""
    dtypes = [dtype_of(leaf) for leaf in inputs.leaves]
    if v is None:
        return [np.broadcast_to(dtype.type(1), shape) for dtype, shape in zip(dtypes, inputs.shapes, strict=True)]
    name = f"{inputs.operator}: the direction v"
    directions, count = fitted(inputs.rebuild.taken(v, name), inputs.shapes, dtypes, name)
    if count is not None:
        raise ValueError(f"{name} has one axis more than x: give one direction at a time")
    return directions


def _silent() -> Any:
    """The space of a call of f on plain values."""
    space = Taylor(tags.MANUAL, 1)
    space.may_be_constant = True
    return space


def _warn_of_poles(inputs: Inputs, outputs: Outputs, coefficients: list[Any]) -> None:
    """Warn, once, of coefficients that are infinite or NaN although the value is not."""
    for value, c in zip(outputs.values, coefficients, strict=True):
        lost = ~np.isfinite(plain(c)) & np.isfinite(plain(value))
        if not np.any(lost):
            continue
        order = int(np.argmax(np.any(lost.reshape((len(lost), -1)), axis=1)))
        names = ", ".join(outputs.space.singular)  # type: ignore[attr-defined]
        if names:
            reason = f"{names} has no power series at the point where it was called"
        else:
            reason = "they exceed the range of floating-point numbers; a shorter direction v makes them smaller"
        warnings.warn(
            f"{inputs.operator}: coefficients from order {order} on are infinite or NaN: {reason}",
            UndefinedDerivativeWarning,
            stacklevel=stacklevel(),
        )
        return


@overload
def taylor(f: Callable[P, Any], /, **options: Unpack[OfTaylor]) -> DerivedFunction[P, Any]: ...
@overload
def taylor(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfTaylor]) -> Any: ...
@overload
def taylor(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate, order=checked_order)
def taylor(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The Taylor coefficients :math:`c_k = \frac{1}{k!} \frac{d^k}{dt^k} f(x + t v)` at t = 0, for k up to an order.

    They are the coefficients of :math:`f(x + t v) = c_0 + c_1 t + c_2 t^2 + \dots`; for a scalar x the k-th derivative
    of f is :math:`k!\, c_k`.

    Parameters
    ----------
    f : callable
        As in `jvp`: a function of a scalar, an array, or nested containers of these.
    *args
        The arguments of f, followed by the order and, if it is not 1 in every component, the direction v, which has the
        nesting and shapes of x: ``taylor(f, x, order, v)``.  An integer in the last place is the order.
    argnum : int or tuple of int
        The index of x among the arguments of f.  With a tuple, these arguments move together, and v is the tuple of
        their directions.
    order : int
        The highest order, at least 0.  If it is given by name, there is no direction among the arguments.
    has_aux : bool
        f returns a pair (result, aux), and the operator returns a pair (coefficients, aux).

    Returns
    -------
    array, or the nesting of f(x)
        The coefficients along the first axis: shape ``(order + 1,) + f(x).shape``.  ``taylor(f, order=8)`` is a
        function of the arguments of f.

    Raises
    ------
    ValueError
        If the order is missing, negative or not an integer, or v does not have the shapes of x.
    NoRuleError
        If f calls a function whose derivatives of the orders needed are not known; it is named.

    Warns
    -----
    UndefinedDerivativeWarning
        If a function that f calls has no power series at the point, such as the square root at 0 (coefficients from
        there on are NaN), or if coefficients overflow.

    Notes
    -----
    One call of f on power series.  Sums cost O(order) and products and elementary functions O(order**2), where nested
    derivatives cost O(2**order).  See Griewank and Walther, *Evaluating Derivatives* (2008), chapter 13.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import taylor
    >>> taylor(np.exp, 0.0, 4)
    array([1.        , 1.        , 0.5       , 0.16666667, 0.04166667])
    >>> taylor(lambda x: x[0] * x[1], np.array([1.0, 2.0]), 3, np.array([1.0, 10.0]))
    array([ 2., 12., 10.,  0.])
    """
