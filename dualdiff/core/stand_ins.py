"""Object arrays that stand in for dual arrays (``np.asarray(x)``): they see what is written into those.

NumPy gives the array itself, or a view of it, where it makes a stand-in here.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from dualdiff.tangents.zeros import plain

if TYPE_CHECKING:
    from dualdiff.core.array import DualArray

#: For the number (``id``) of an array that is no view: it and its views, with the stand-ins that are in use.
IN_USE: dict[int, list[tuple[DualArray, weakref.ref[Any]]]] = {}


def copied(source: DualArray) -> Any:
    """An object array of the elements, in the order of the values: NumPy copies what is not in the order it wants."""
    array = np.empty_like(plain(source), object)
    for i in np.ndindex(source.shape):
        array[i] = source[i]
    return array


def stand_in(source: DualArray) -> Any:
    """The same, which sees what is written into the source; that is kept as long as the array is."""
    array = copied(source)
    # What is written into the array would be missing in the source.
    array.flags.writeable = False
    number = id(source.root())
    IN_USE.setdefault(number, []).append((source, weakref.ref(array, lambda _: _forget(number))))
    return array


def _forget(number: int) -> None:
    """Drop what is no longer in use."""
    kept = [(source, reference) for source, reference in IN_USE.pop(number, ()) if reference() is not None]
    if kept:
        IN_USE[number] = kept


def update(root: DualArray) -> None:
    """Take the elements anew after the root or a view of it was written into."""
    for source, reference in IN_USE.get(id(root), ()):
        array = reference()
        if array is not None:
            array.flags.writeable = True
            for i in np.ndindex(source.shape):
                array[i] = source[i]
            array.flags.writeable = False
