"""Inputs and outputs of differentiated functions: scalars, arrays, and nested dicts and tuples of them.

A list counts as an array, as in NumPy and SciPy.
"""

from __future__ import annotations

import copy
import numbers
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.base.errors import expired
from dualdiff.core.array import PLAIN_ARRAYS, operand
from dualdiff.core.dual import AnyDual

Rebuild = Callable[[Iterable[Any]], Any]


def flatten(tree: Any) -> tuple[list[Any], Rebuild]:
    """The leaves of nested dicts and tuples, and a function that rebuilds the nesting with other leaves."""
    if isinstance(tree, dict):
        keys = list(tree)
        parts = [flatten(tree[k]) for k in keys]

        def rebuild_dict(leaves: Iterable[Any]) -> Any:
            # A copy, because the constructor of a defaultdict, for example, needs more than the items.
            items = copy.copy(tree)
            items.update(zip(keys, _rebuilt(parts, leaves), strict=True))
            return items

        return _leaves(parts), rebuild_dict
    if isinstance(tree, tuple):
        parts = [flatten(item) for item in tree]
        kind = type(tree)

        def rebuild_tuple(leaves: Iterable[Any]) -> Any:
            items = _rebuilt(parts, leaves)
            return kind(*items) if hasattr(kind, "_fields") else kind(items)

        return _leaves(parts), rebuild_tuple
    return [tree], only


def only(leaves: Iterable[Any]) -> Any:
    """The single leaf of an object that is not a container."""
    return next(iter(leaves))


def _leaves(parts: list[tuple[list[Any], Rebuild]]) -> list[Any]:
    return [leaf for leaves, _ in parts for leaf in leaves]


def _rebuilt(parts: list[tuple[list[Any], Rebuild]], leaves: Iterable[Any]) -> list[Any]:
    leaves = iter(leaves)
    return [rebuild([next(leaves) for _ in old]) for old, rebuild in parts]


def aligned(tree: Any, like: Any, name: str) -> list[Any]:
    """The leaves of ``tree``, which must have the nesting of ``like``, in the order of the leaves of ``like``."""
    if isinstance(like, dict):
        if not isinstance(tree, dict) or tree.keys() != like.keys():
            raise ValueError(f"{name} must be a dict with the keys {list(like)}, not {_nesting(tree)}")
        return [leaf for key, item in like.items() for leaf in aligned(tree[key], item, name)]
    if isinstance(like, tuple):
        if not isinstance(tree, tuple) or len(tree) != len(like):
            raise ValueError(f"{name} must be a tuple of {len(like)}, not {_nesting(tree)}")
        return [leaf for part, item in zip(tree, like, strict=True) for leaf in aligned(part, item, name)]
    if isinstance(tree, (dict, tuple)):
        raise ValueError(f"{name} must be a scalar or an array, not {_nesting(tree)}")
    return [tree]


def _nesting(tree: Any) -> str:
    if isinstance(tree, dict):
        return f"a dict with the keys {list(tree)}"
    if isinstance(tree, tuple):
        return f"a tuple of {len(tree)}"
    return f"an object of type {type(tree).__name__}"


def input_leaf(x: Any, operator: str, alone: bool) -> Any:
    """A leaf of x, validated; integers become float64."""
    if isinstance(x, (list, range)):
        x = _from_list(x, operator)
    if isinstance(x, AnyDual):
        check_running(x)
        return _compact(x)
    if isinstance(x, (bool, np.bool_)) or getattr(x, "dtype", None) == np.bool_:
        raise TypeError(f"{operator}: x is boolean; pass floats, or float(x) if 0 and 1 are meant")
    if issubclass(type(x), (float, complex)):
        return x
    if isinstance(x, (int, np.integer)) and not isinstance(x, np.timedelta64):
        if not alone:
            raise TypeError(
                f"{operator}: x contains the integer {x!r}, which cannot be differentiated; write {float(x)!r}, or "
                "keep counts and sizes out of x and pass them to f as another argument"
            )
        return float(x)
    if issubclass(type(x), np.generic) and not isinstance(x, (np.str_, np.bytes_, np.void, np.object_)):
        if issubclass(type(x), np.inexact):
            return x
        raise TypeError(f"{operator}: x has the type {type(x).__name__}, which is not numeric")
    if x is None or isinstance(x, (str, bytes, set, frozenset)) or callable(x):
        raise TypeError(
            f"{operator}: x has the type {type(x).__name__}; it must be a scalar, an array, or a tuple or dict of them"
        )
    if issubclass(type(x), np.ndarray) and type(x) not in PLAIN_ARRAYS:
        raise TypeError(
            f"{operator}: x is a {type(x).__name__}, whose arithmetic dual numbers do not implement; pass a plain "
            "array, such as np.asarray(x) if that arithmetic does not matter"
        )
    return _array_leaf(x, operator, alone)


def _array_leaf(x: Any, operator: str, alone: bool) -> Any:
    """A leaf that is an array or that NumPy converts to one."""
    array = np.asarray(x)
    if array.dtype == object:
        array = operand(array)
        if isinstance(array, AnyDual):
            check_running(array)
            return array
    if array.dtype.kind in "iu":
        if not alone:
            raise TypeError(
                f"{operator}: x contains an integer array of shape {array.shape}, which cannot be differentiated; use "
                ".astype(float), or pass it to f as another argument"
            )
        return array.astype(float)
    if array.dtype.kind not in "fc":
        raise TypeError(f"{operator}: x {_not_numeric(x, array)}")
    return _compact(array)


def _not_numeric(x: Any, array: Any) -> str:
    if array.dtype != object:
        return f"has the dtype {array.dtype}, which is not numeric"
    if array.shape:
        kinds = [type(e).__name__ for e in array.flat if not issubclass(type(e), numbers.Number)] or ["number"]
        return f"has an element of type {kinds[0]}; a list is converted to an array: use a tuple or a dict instead"
    if issubclass(type(x), numbers.Number):
        return f"has the type {type(x).__name__}; use float(x)"
    return f"has the type {type(x).__name__}; pass a tuple or a dict of floats, and construct the object in f"


def _compact(x: Any) -> Any:
    """The array without gaps, in its memory order, so that f gets views and copies as it does without duals."""
    return x if not x.shape or x.flags.forc else np.copy(x)


def check_running(x: AnyDual) -> None:
    """Raise unless all calls that a dual input belongs to are still running (or it was constructed by the user)."""
    tell_outer(x)
    while isinstance(x, AnyDual):
        if x.space.tag != tags.MANUAL and not tags.is_live(x.space.tag):
            raise expired()
        x = x.value


def tell_outer(x: AnyDual) -> None:
    """Tell the outer calls of a dual input that the result of an inner call may be constant with respect to them."""
    while isinstance(x, AnyDual):
        x.space.may_be_constant = True
        x = x.value


def _from_list(x: Any, operator: str) -> Any:
    try:
        return operand(list(x))
    except ValueError as error:
        raise ValueError(
            f"{operator}: x is a list whose entries have different shapes. A list is converted to an array; use a "
            "tuple or a dict for arrays of different shapes"
        ) from error


def output_leaf(y: Any, operator: str) -> Any:
    """A leaf of the result of f, as a float, a complex number, an array or a dual."""
    if isinstance(y, (AnyDual, float, complex)):
        return y
    if isinstance(y, (bool, int)):
        return float(y)
    original = y
    if issubclass(type(y), (list, np.ndarray)):
        y = operand(y)
        if isinstance(y, AnyDual):
            return y
    if (
        issubclass(type(y), np.ndarray)
        and y.dtype == object
        and all(issubclass(type(e), numbers.Number) for e in y.flat)
    ):
        y = np.array(y.tolist()).reshape(y.shape)
    if issubclass(type(y), (np.ndarray, np.generic)):
        if y.dtype.kind in "iub":
            return y.astype(float)
        if y.dtype.kind in "fc":
            return y
    raise TypeError(
        f"{operator}: f returned {_described(original)}; it must return scalars, arrays, or tuples and dicts of them"
    )


def _described(y: Any) -> str:
    if y is None:
        return "None (is a return statement missing?)"
    if issubclass(type(y), np.ndarray):
        return f"an array of dtype {y.dtype}"
    return f"an object of type {type(y).__name__}"
