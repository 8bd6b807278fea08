"""Which objects in a container hold nothing that could be differentiated, so that they are constants."""

from __future__ import annotations

import enum
import numbers
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from dualdiff.core.dual import AnyDual
from dualdiff.core.labels import labels_of

_NEVER_NUMBERS = (
    type(None),
    str,
    bytes,
    type,
    FunctionType,
    BuiltinFunctionType,
    MethodType,
    ModuleType,
    np.ufunc,
    np.dtype,
    enum.Enum,
)
#: So many levels of attributes are searched for numbers.
_DEEP = 6


def is_constant(x: Any) -> bool:
    """Whether an object in a container has nothing that could be differentiated, so that it stays as it is."""
    if isinstance(x, AnyDual):
        return False
    if isinstance(x, _NEVER_NUMBERS):
        return True
    labels = labels_of(x)
    x = x if labels is None else labels.values
    if issubclass(type(x), (np.ndarray, np.generic)):
        return type(x) is not np.ma.MaskedArray and _has_no_numbers(x)
    if issubclass(type(x), numbers.Number) or isinstance(x, (list, Iterator)):
        return False
    if any(hasattr(type(x), name) for name in ("__array__", "__float__", "__complex__", "__index__")):
        return False
    return not numbers_in(x)


def _has_no_numbers(x: Any) -> bool:
    """Whether an array holds text, dates, or objects that are constants."""
    if x.dtype != object:
        return x.dtype.kind in "USMm"
    return x.size > 0 and all(not issubclass(type(e), np.ndarray) and is_constant(e) for e in x.flat)


def numbers_in(x: Any) -> list[str]:
    """The attributes (or "its elements") of an object that hold numbers with a decimal point, or arrays of them."""
    if isinstance(x, (set, frozenset)):
        return ["its elements"] if _has_floats(x) else []
    return [name for name, item in _attributes(x).items() if _has_floats(item)]


def _attributes(x: Any) -> dict[str, Any]:
    slots = [s for kind in type(x).__mro__ for s in getattr(kind, "__slots__", ()) if hasattr(x, s)]
    return {**getattr(x, "__dict__", {}), **{name: getattr(x, name) for name in slots}}


def _has_floats(x: Any) -> bool:
    """Whether there is a number with a decimal point in an object, in its attributes, in theirs, and so on."""
    items, seen = [x], {id(x)}
    for _ in range(_DEEP):
        inner: list[Any] = []
        for item in items:
            if _is_floating(item):
                return True
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, (tuple, list, set, frozenset)):
                inner += item
            elif issubclass(type(item), np.ndarray):
                inner += item.flat if item.dtype == object else ()
            elif not isinstance(item, (*_NEVER_NUMBERS, AnyDual)):
                inner += _attributes(item).values()
        items = [item for item in inner if id(item) not in seen]
        seen.update(map(id, items))
    return False


def _is_floating(x: Any) -> bool:
    return isinstance(x, (AnyDual, float, complex)) or getattr(getattr(x, "dtype", None), "kind", "") in ("f", "c")
