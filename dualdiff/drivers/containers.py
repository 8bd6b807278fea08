"""What is differentiated, and what a function returns: numbers, arrays, and nested dicts and tuples of them.

A list is an array, as NumPy and SciPy read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual

Rebuild = Callable[[Iterable[Any]], Any]


def flatten(tree: Any) -> tuple[list[Any], Rebuild]:
    """The leaves of nested dicts and tuples, and the function that puts others in their place."""
    if isinstance(tree, dict):
        keys = list(tree)
        parts = [flatten(tree[k]) for k in keys]
        mapping = type(tree)

        def rebuild_dict(leaves: Iterable[Any]) -> Any:
            items = dict(zip(keys, _rebuilt(parts, leaves), strict=True))
            return items if mapping is dict else mapping(items)

        return _leaves(parts), rebuild_dict
    if isinstance(tree, tuple):
        parts = [flatten(item) for item in tree]
        kind = type(tree)

        def rebuild_tuple(leaves: Iterable[Any]) -> Any:
            items = _rebuilt(parts, leaves)
            return kind(*items) if hasattr(kind, "_fields") else kind(items)

        return _leaves(parts), rebuild_tuple
    return [tree], lambda leaves: next(iter(leaves))


def _leaves(parts: list[tuple[list[Any], Rebuild]]) -> list[Any]:
    return [leaf for leaves, _ in parts for leaf in leaves]


def _rebuilt(parts: list[tuple[list[Any], Rebuild]], leaves: Iterable[Any]) -> list[Any]:
    leaves = iter(leaves)
    return [rebuild([next(leaves) for _ in found]) for found, rebuild in parts]


def input_leaf(x: Any, operator: str, alone: bool) -> Any:
    """A leaf of what is differentiated, as float64 if it was an integer; a copy if it is an array."""
    if isinstance(x, (list, range)):
        x = _from_list(x, operator)
    if isinstance(x, AnyDual):
        return np.copy(x) if x.shape else x  # type: ignore[call-overload]
    if isinstance(x, (bool, np.bool_)) or getattr(x, "dtype", None) == np.bool_:
        raise TypeError(f"{operator}: x is boolean; pass numbers, or float(x) if 0 and 1 are meant")
    if isinstance(x, (float, complex)):
        return x
    if isinstance(x, (int, np.integer)):
        if not alone:
            raise TypeError(
                f"{operator}: the integer {x!r} in a container cannot be differentiated; write {float(x)!r}, or keep "
                "counts and sizes out of x and hand them to f as another argument"
            )
        return float(x)
    if isinstance(x, np.generic) and not isinstance(x, (np.str_, np.bytes_, np.void, np.object_)):
        if isinstance(x, np.number):
            return x
        raise TypeError(f"{operator}: x has the type {type(x).__name__}, which is not a number")
    if x is None or isinstance(x, (str, bytes, set, frozenset)) or callable(x):
        raise TypeError(f"{operator}: x has the type {type(x).__name__}; numbers, arrays, tuples and dicts are needed")
    array = np.asarray(x)
    if array.dtype == object:
        array = operand(array)
        if isinstance(array, AnyDual):
            return array
    if array.dtype.kind in "iu":
        if not alone:
            raise TypeError(
                f"{operator}: an integer array of shape {array.shape} in a container cannot be differentiated; use "
                ".astype(float), or hand it to f as another argument"
            )
        return array.astype(float)
    if array.dtype.kind not in "fc":
        raise TypeError(f"{operator}: x has the dtype {array.dtype}, which is not numeric")
    # The order of the axes in memory decides in which order NumPy adds up: keep it.
    return np.array(array, order="K")


def _from_list(x: Any, operator: str) -> Any:
    try:
        return operand(list(x))
    except ValueError as error:
        raise ValueError(
            f"{operator}: x is a list whose entries have different shapes. A list is read as an array; use a tuple or "
            "a dict to keep arrays of different shapes together"
        ) from error


def output_leaf(y: Any, operator: str) -> Any:
    """A leaf of what a function returned, as a number, an array or a dual."""
    if isinstance(y, (AnyDual, float, complex)):
        return y
    if isinstance(y, (bool, int)):
        return float(y)
    original = y
    if isinstance(y, (list, np.ndarray)):
        y = operand(y)
        if isinstance(y, AnyDual):
            return y
    if isinstance(y, (np.ndarray, np.generic)):
        if y.dtype.kind in "iub":
            return y.astype(float)
        if y.dtype.kind in "fc":
            return y
    raise TypeError(
        f"{operator}: f returned {_described(original)}; it has to return numbers, arrays, or tuples and dicts of them"
    )


def _described(y: Any) -> str:
    if y is None:
        return "None (is a return statement missing?)"
    return f"an object of type {type(y).__name__}"
