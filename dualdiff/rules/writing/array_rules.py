"""Building blocks of the rules of array functions: unpack operands, transform their tangents, return a dual."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from dualdiff.base.errors import SingularPointWarning, lost
from dualdiff.base.internals import stacklevel
from dualdiff.core.application import Application, rearranged
from dualdiff.core.dual import AnyDual
from dualdiff.core.out import into
from dualdiff.core.registry import FUNCTIONS, implements
from dualdiff.tangents.singular import is_singular
from dualdiff.tangents.space import shape_of

__all__ = [
    "FUNCTIONS",
    "Application",
    "axes_of",
    "axis_of",
    "by_value",
    "duals_in",
    "implements",
    "into",
    "missing",
    "plain_values",
    "rearranged",
    "shape_of",
    "structural",
]


def axis_of(axis: int, ndim: int) -> int:
    """An axis counted from the front."""
    return int(normalize_axis_index(axis, ndim))


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front; all of them for None."""
    return tuple(range(ndim)) if axis is None else tuple(normalize_axis_tuple(axis, ndim))


def structural(*functions: Any) -> None:
    """Register functions of one array that only move its elements, whatever their other arguments are."""
    for function in functions:
        implements(function)(_structural(function))


def leading(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """The first argument of a call, passed positionally or by keyword, and the other positional arguments."""
    return (args[0], args[1:]) if args else (kwargs.pop(next(iter(inspect.signature(function).parameters))), ())


def _structural(function: Any) -> Callable[..., Any]:
    def implementation(*args: Any, **kwargs: Any) -> Any:
        a, args = leading(function, args, kwargs)
        out = kwargs.pop("out", None)
        no_duals(function.__name__, args, kwargs)

        return into(out, rearranged(move, [a], {"args": args, **kwargs}))

    def move(a: Any, args: Any, **kwargs: Any) -> Any:
        return function(a, *args, **kwargs)

    move.__name__ = function.__name__
    return implementation


def no_duals(name: str, args: Any, kwargs: Any) -> None:
    """Refuse duals as counts, indices and other options."""
    for x in (*args, *kwargs.values()):
        if isinstance(x, AnyDual) or (isinstance(x, (tuple, list)) and any(isinstance(e, AnyDual) for e in x)):
            raise lost(f"a dual number as an option of numpy.{name}", "a plain value there")


#: The functions that use only the values of duals.
VALUE_ONLY: set[Any] = set()


def by_value(*functions: Any) -> None:
    """Register functions that use only values: they return booleans, indices, counts or strings."""
    VALUE_ONLY.update(functions)
    for function in functions:
        implements(function)(_by_value(function))


def _by_value(function: Any) -> Callable[..., Any]:
    def implementation(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out", args[2] if function in _OUT_THIRD and len(args) > 2 else None)
        if isinstance(out, AnyDual):
            raise TypeError(
                f"numpy.{function.__name__} returns booleans or integers, which out, an array of duals, cannot hold"
            )
        return function(*map(plain_values, args), **{k: plain_values(v) for k, v in kwargs.items()})

    return implementation


#: Functions whose third argument is ``out``.
_OUT_THIRD = {np.all, np.any, np.argmax, np.argmin, np.nanargmax, np.nanargmin}


def plain_values(x: Any) -> Any:
    """The value of a dual at the innermost level of nesting, also inside lists and tuples."""
    if isinstance(x, AnyDual):
        return plain_values(x.value)
    if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
        return type(x)(plain_values(e) for e in x)
    return x


def missing(a: Any, name: str) -> Any:
    """Where an array is NaN, for a function that omits those elements; warns if a NaN was computed from x.

    A computed NaN has an infinite or NaN tangent.  A NaN in x itself, or in data, does not, and loses no derivative.
    """
    is_nan = np.isnan(plain_values(a))
    if isinstance(a, AnyDual) and np.any(is_nan) and _was_computed(a, is_nan):
        warnings.warn(
            f"numpy.{name} replaces or omits NaN that was computed from x, such as 0/0 at a singular point: its "
            "derivative counts as zero, that of a constant",
            SingularPointWarning,
            stacklevel=stacklevel(),
        )
    return is_nan


def _was_computed(a: Any, mask: Any) -> bool:
    operands = Application(a, linear=True)
    while operands.space is not None:
        (t,), shape = operands.tangents, operands.shape()
        if t is not None and is_singular(operands.space, t, mask, shape):
            return True
        operands = Application(operands.values[0], linear=True)
    return False


def duals_in(x: Any) -> list[AnyDual]:
    """The duals in an argument: nested tuples, lists and dicts, or an object that says which it holds."""
    if isinstance(x, AnyDual):
        return [x]
    if isinstance(x, dict):
        return [d for item in x.values() for d in duals_in(item)]
    if isinstance(x, (tuple, list)):
        return [d for item in x for d in duals_in(item)]
    if issubclass(type(x), np.ndarray) and x.dtype == object:
        return [d for item in np.asarray(x).flat for d in duals_in(item)]
    held = getattr(type(x), "held_duals", None)
    return [] if held is None else held(x)
