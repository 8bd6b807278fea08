"""Sorted and partitioned arrays, ordered by value."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.reductions import picked
from dualdiff.rules.writing.array_rules import Application, axis_of, implements, no_duals, plain_values, rearranged
from dualdiff.rules.writing.compositions import composed


# -- rearrangements ----------------------------------------------------------------------------------------------------
@implements(np.sort)
def sort(
    a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None, descending: Any = None
) -> Any:
    if axis is None:
        a, axis = np.ravel(a), -1
    axis = axis_of(axis, operand(a).ndim)
    # A parameter of newer versions of NumPy.
    options = {} if descending is None else {"descending": descending}
    params = {"indices": np.argsort(plain_values(a), axis=axis, stable=True, **options), "axis": axis}
    options["stable"] = stable
    # NumPy's value: zeros of both signs are equal, and their order depends on the algorithm.
    return rearranged(np.take_along_axis, [a], params, value=lambda v: np.sort(v, axis, kind, order, **options))


# -- order -------------------------------------------------------------------------------------------------------------
@implements(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """NumPy's arrangement; tangents of equal elements keep their order."""
    no_duals("partition", (kth,), {})
    a = operand(a)
    if axis is None:
        a, axis = np.ravel(a), -1
    operands = Application(a, linear=True)
    value = np.partition(operands.values[0], kth, axis, kind, order)
    before, after = (np.argsort(plain_values(x), axis=axis, kind="stable") for x in (a, value))
    source = np.empty_like(before)
    np.put_along_axis(source, after, before, axis)
    indices = np.take_along_axis(np.arange(source.size).reshape(source.shape), source, axis)
    return picked(value, indices, operands)


@composed(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """Sorted along the last axis; the value is complex."""
    return np.sort(operand(a), axis=-1)
