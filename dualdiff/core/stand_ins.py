"""Stand-ins: plain arrays in the place of dual arrays (``np.asarray(x)``), updated when those are written.

For a plain array, ``np.asarray(x)`` is the array itself or a view of it; a stand-in must behave like one.  It is an
object array of the elements, or in adapted code, while no dual has been written into the dual array, its values.
"""

from __future__ import annotations

import warnings
import weakref
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from dualdiff.base.errors import ObjectArrayWarning, lost, plain_target
from dualdiff.base.internals import keeps_missing_values, stacklevel, wants_writeable
from dualdiff.tangents.zeros import plain

if TYPE_CHECKING:
    from dualdiff.core.array import DualArray

#: Object arrays of at most this many duals are created without a warning.
FEW = 16
#: For the ``id`` of a root array: the root and its views, each with weak references to its stand-ins.
IN_USE: dict[int, list[tuple[DualArray, weakref.ref[Any]]]] = {}


def objects(source: DualArray, caller: FrameType, copy: bool | None) -> Any:
    """The object array that a caller asks for, with a warning if it is large."""
    if source.size > FEW:
        warnings.warn(
            f"an array of {source.size} duals was converted to an object array (by np.asarray or similar): "
            "derivatives are correct, but computed slowly, element by element; remove the conversion "
            "(np.asanyarray does not help), or differentiate adapt(f) if f cannot be edited",
            ObjectArrayWarning,
            stacklevel=stacklevel(),
        )
    if wants_writeable(caller):
        # NumPy would copy the stand-in to make it writeable.
        raise lost("np.require(x, requirements='W')", "np.require(x, requirements='W', like=x)")
    if keeps_missing_values(caller) and np.any(missing := np.isnan(source)):
        return copied(source, missing)
    return copied(source) if copy else stand_in(source)


def copied(source: DualArray, missing: Any = None) -> Any:
    """An object array of the elements, in the memory order of the values: NumPy copies an array in another order.

    Where ``missing`` is set there is a plain NaN, which depends on nothing: pandas does not know a dual that is NaN.
    """
    array = np.empty_like(plain(source), object)
    for i in np.ndindex(source.shape):
        array[i] = source[i]
    if missing is not None:
        array[missing] = np.nan
    return array


def stand_in(source: DualArray) -> Any:
    """As `copied`, but updated when the source is written; it keeps the source alive."""
    return _kept(source, copied(source))


def values(source: DualArray, given: Any, dtype: Any) -> Any:
    """The values of a constant array, updated when that is written."""
    return _kept(source, np.array(given, dtype))


def _kept(source: DualArray, array: Any) -> Any:
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
            if array.dtype == object:
                for i in np.ndindex(source.shape):
                    array[i] = source[i]
            elif source.raw is None:
                array[...] = plain(source)
            else:
                raise plain_target("an array that was given away as plain values (np.asarray, compiled code)")
            array.flags.writeable = False
