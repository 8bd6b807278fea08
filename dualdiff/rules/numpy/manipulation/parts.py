"""Insertion and trimming of elements, windows, and functions applied to parts of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.errors import plain_target
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.numpy.reductions import picked
from dualdiff.rules.writing.array_rules import (
    Application,
    axes_of,
    axis_of,
    implements,
    no_duals,
    plain_values,
    rearranged,
    shape_of,
)


# -- more or fewer elements --------------------------------------------------------------------------------------------
@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """The values, cast to the dtype of the array, between its elements."""
    no_duals("insert", (obj,), {})
    arr, values = (np.asarray(x) if not isinstance(x, AnyDual) else x for x in (operand(arr), operand(values)))
    if arr.dtype.kind not in "fc" and isinstance(values, AnyDual):
        raise plain_target(f"an array of dtype {arr.dtype}, the first argument of numpy.insert,")
    operands = Application(arr, values, linear=True)
    value = np.insert(operands.values[0], obj, operands.values[1], axis)
    split = arr.size
    mine, theirs = (np.arange(x.size).reshape(x.shape) for x in (arr, values))
    return picked(value, np.insert(mine, obj, theirs + split, axis), operands)


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """The slice from the first to the last nonzero value."""
    filt = operand(filt)
    np.trim_zeros(plain_values(filt), trim, **({} if axis is None else {"axis": axis}))
    nonzero = np.argwhere(plain_values(filt))
    axes = axes_of(axis, filt.ndim)
    first, last = (nonzero.min(axis=0), nonzero.max(axis=0) + 1) if len(nonzero) else ([0] * filt.ndim,) * 2
    front, back = "f" in trim.lower() or not len(nonzero), "b" in trim.lower() or not len(nonzero)
    key = tuple(
        slice(int(first[i]) if front else None, int(last[i]) if back else None) if i in axes else slice(None)
        for i in range(filt.ndim)
    )
    return filt[key] if axes else filt


# -- grids and windows -------------------------------------------------------------------------------------------------
@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """All windows, as views."""
    x = operand(x)
    window = (window_shape,) if isinstance(window_shape, (int, np.integer)) else tuple(window_shape)
    axis = (axis,) if isinstance(axis, (int, np.integer)) else range(x.ndim) if axis is None else axis
    params = {"window_shape": window, "axis": tuple(axis_of(i, x.ndim) for i in axis), "writeable": writeable}
    return rearranged(np.lib.stride_tricks.sliding_window_view, [x], params, {"axis": "axis"})


# -- functions applied to parts ----------------------------------------------------------------------------------------
@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """The results stacked; their axes replace the axis of the argument."""
    arr = operand(arr)
    axis = axis_of(axis, arr.ndim)
    rows = np.moveaxis(arr, axis, -1)
    lead = rows.shape[:-1]
    if 0 in lead:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    results = [operand(func1d(rows[(*index, ...)], *args, **kwargs)) for index in np.ndindex(lead)]
    dtype = results[0].dtype if hasattr(results[0], "dtype") else np.result_type(results[0])
    stacked = np.stack(results)
    result = np.reshape(stacked if stacked.dtype == dtype else stacked.astype(dtype), lead + shape_of(stacked)[1:])
    first = tuple(range(axis, len(lead)))
    return np.moveaxis(result, first, tuple(i - len(lead) for i in first))


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """The function along one axis after another, each kept with length 1."""
    value = operand(a)
    ndim = value.ndim
    for axis in (axes,) if np.ndim(axes) == 0 else axes:
        axis = axis_of(axis, ndim)
        reduced = func(value, axis)
        if len(shape_of(reduced)) != ndim:
            reduced = np.expand_dims(reduced, axis)
        if len(shape_of(reduced)) != ndim:
            raise ValueError("function is not returning an array of the correct shape")
        value = reduced
    return value
