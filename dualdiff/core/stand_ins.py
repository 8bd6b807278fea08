"""Stand-ins: object arrays of the elements of a dual array (``np.asarray(x)``), updated when that is written.

For a plain array, ``np.asarray(x)`` is the array itself or a view of it; a stand-in has to behave like one.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from dualdiff.tangents.zeros import plain

if TYPE_CHECKING:
    from dualdiff.core.array import DualArray

#: For the ``id`` of a root array: the root and its views, each with weak references to its stand-ins.
IN_USE: dict[int, list[tuple[DualArray, weakref.ref[Any]]]] = {}


def copied(source: DualArray) -> Any:
    """An object array of the elements, in the memory order of the values: NumPy copies an array in another order."""
    array = np.empty_like(plain(source), object)
    for i in np.ndindex(source.shape):
        array[i] = source[i]
    return array


def stand_in(source: DualArray) -> Any:
    """As `copied`, but updated when the source is written; it keeps the source alive."""
    array = copied(source)
    # Writes into the array would not reach the source.
    array.flags.writeable = False
    key = id(source.root())
    IN_USE.setdefault(key, []).append((source, weakref.ref(array, lambda _: _forget(key))))
    return array


def _forget(key: int) -> None:
    """Drop the entries whose stand-ins have been freed."""
    alive = [(source, reference) for source, reference in IN_USE.pop(key, ()) if reference() is not None]
    if alive:
        IN_USE[key] = alive


def update(root: DualArray) -> None:
    """Refresh the stand-ins of a root and its views after one of them was written."""
    for source, reference in IN_USE.get(id(root), ()):
        array = reference()
        if array is not None:
            array.flags.writeable = True
            for i in np.ndindex(source.shape):
                array[i] = source[i]
            array.flags.writeable = False
