"""Numbers and arrays of other libraries beside duals.

What such an object has decides, not which library it is from: a number is what its arithmetic with a float gives; an
array that leaves arithmetic to NumPy is read; one with its own ``__array_ufunc__`` (labels, units) is asked first.
"""

from __future__ import annotations

import numbers
from functools import cache
from typing import Any

import numpy as np

from dualdiff.base.errors import foreign_number, own_arithmetic
from dualdiff.core.dual import AnyDual
from dualdiff.core.labels import labels_of

_OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_ARITHMETIC = (
    *(f"__{prefix}{name}__" for name in _OPERATORS for prefix in ("", "r", "i")),
    *("__array_ufunc__", "__array_function__"),
)


@cache
def redefines_arithmetic(kind: type) -> bool:
    """Whether a class of arrays has operators, or answers to NumPy's functions, that are not those of arrays."""
    return any(getattr(kind, name, None) is not getattr(np.ndarray, name) for name in _ARITHMETIC)


@cache
def answers_ufuncs(kind: type) -> bool:
    """Whether a class that is not of duals has its own way to compute ufuncs."""
    own = getattr(kind, "__array_ufunc__", None)
    return own not in (None, np.ndarray.__array_ufunc__) and not issubclass(kind, AnyDual)


def taken_in(x: Any, labels_matter: bool = False) -> Any:
    """An operand that is neither a dual nor NumPy's, as a float or an array; unchanged if it is neither of these.

    With ``labels_matter``, an array with labels raises: the result would not have them.
    """
    kind = type(x)
    if issubclass(kind, (np.generic, complex, str)) or x is None:
        return x
    if hasattr(kind, "__array__"):
        labels = labels_of(x)
        if labels is not None and not labels_matter:
            return labels.values
        if labels is not None or answers_ufuncs(kind) or hasattr(kind, "__array_function__"):
            raise own_arithmetic(kind)
        return np.asarray(x)
    return number(x) if is_number(x) else x


def is_number(x: Any) -> bool:
    """Whether an object that does not convert to an array is a number."""
    return hasattr(type(x), "__float__") or issubclass(type(x), numbers.Number)


def number(x: Any) -> Any:
    """A number of another library as the float or complex number that it is beside floats.

    Its arithmetic with floats may keep more digits than a float has, as that of ``mpmath`` at a higher precision does;
    results would differ from those without duals.  It may also be refused, as that of `decimal.Decimal` is.
    """
    for to in (float, complex):
        try:
            third = 1.0 * x / 3.0
            rounded = to(third)
        except TypeError:
            continue
        if rounded == third or rounded != rounded:
            return to(x)
        raise foreign_number(x, to.__name__)
    raise foreign_number(x, "float")


def beside(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any], error: TypeError) -> Any:
    """A call of a ufunc with duals and arrays that have their own way to compute it."""
    others = [x for x in inputs if answers_ufuncs(type(x))]
    # What is an array itself may hold the elements of an array of objects as it holds floats.
    objects = [np.asarray(x, object) if issubclass(type(x), AnyDual) else x for x in inputs]
    for x in others:
        given = objects if issubclass(type(x), np.ndarray) else inputs
        answer = x.__array_ufunc__(ufunc, method, *given, **kwargs)
        if answer is not NotImplemented:
            return answer
    labels = [found for found in map(labels_of, others) if found is not None]
    if not labels or len(labels) < len(others) or not all(labels[0].agree(other) for other in labels):
        raise error
    bare = [x if (held := labels_of(x)) is None else held.values for x in inputs]
    result, put_on = getattr(ufunc, method)(*bare, **kwargs), labels[0].put_on_result
    return tuple(map(put_on, result)) if isinstance(result, tuple) else put_on(result)
