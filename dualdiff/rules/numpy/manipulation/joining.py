"""Joining and splitting: concatenate, stack, block, append, split and related functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import axis_of, implements, into, no_duals, plain_values, rearranged, shape_of
from dualdiff.tangents.structure import pulled_by
from dualdiff.tangents.structure import stack as stack_of


# -- views -----------------------------------------------------------------------------------------------------------
@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    no_duals("array_split", (indices_or_sections,), {})
    ary = operand(ary)
    axis = axis_of(axis, ary.ndim)
    parts = np.array_split(np.arange(ary.shape[axis]), plain_values(indices_or_sections))
    lead = (slice(None),) * axis
    # The parts are consecutive: slices, and therefore views.
    return [ary[(*lead, slice(p[0], p[-1] + 1) if len(p) else slice(0, 0))] for p in parts]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    no_duals("split", (indices_or_sections,), {})
    ary = operand(ary)
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    return split(ary, indices_or_sections, 1 if operand(ary).ndim > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    if operand(ary).ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    if operand(ary).ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


def unstack(x: Any, /, *, axis: int = 0) -> Any:
    return tuple(np.moveaxis(operand(x), axis, 0))


if hasattr(np, "unstack"):
    implements(np.unstack)(unstack)


# -- joins -----------------------------------------------------------------------------------------------------------
def _concatenate(*arrays: Any, axis: int) -> Any:
    return np.concatenate(arrays, axis=axis)


@implements(np.concatenate, *([np.concat] if hasattr(np, "concat") else []))
def concatenate(
    arrays: Any, /, axis: int | None = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    parts = [operand(a) for a in arrays]
    if axis is None:
        parts, axis = [np.ravel(p) for p in parts], 0
    parts = [np.asarray(p) if not isinstance(p, AnyDual) else p for p in parts]
    ndim = len(shape_of(parts[0]))
    if ndim == 0:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    result = rearranged(_concatenate, parts, {"axis": axis_of(axis, ndim)}, {"axis": "axis"})
    return into(out, result if dtype is None else result.astype(dtype, casting=casting), casting)


def _of_scalars(*scalars: Any) -> Any:
    """The same for scalars, in less time."""
    has_duals = any(issubclass(type(x), AnyDual) for x in scalars)
    return np.stack(scalars) if has_duals else np.array(scalars)


@implements(np.stack)
def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    parts = [operand(a) for a in arrays]
    axis = axis_of(axis, len(shape_of(parts[0])) + 1)
    value = None if any(map(shape_of, parts)) else _of_scalars
    result = rearranged(stack_of, parts, {"axis": axis}, {"axis": "axis"}, value=value)
    return into(out, result if dtype is None else result.astype(dtype, casting=casting), casting)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    return concatenate([np.atleast_2d(operand(a)) for a in tup], 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    parts = [np.atleast_1d(operand(a)) for a in tup]
    return concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    return concatenate([np.atleast_3d(operand(a)) for a in tup], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    parts = [operand(a) for a in tup]
    return concatenate([np.reshape(p, (np.size(p), 1)) if np.ndim(p) < 2 else p for p in parts], 1)


@implements(np.block)
def block(arrays: Any) -> Any:
    def depth(a: Any) -> int:
        return 1 + max(map(depth, a)) if isinstance(a, list) else 0

    def join(a: Any, axis: int, ndim: int) -> Any:
        if not isinstance(a, list):
            a = operand(a)
            return np.reshape(a, (1,) * (ndim - len(shape_of(a))) + shape_of(a))
        return np.concatenate([join(e, axis + 1, ndim) for e in a], axis=axis)

    def ndims(a: Any) -> int:
        return max(map(ndims, a)) if isinstance(a, list) else len(shape_of(operand(a)))

    levels = depth(arrays)
    ndim = max(levels, ndims(arrays))
    joined = join(arrays, ndim - levels, ndim)
    return joined if levels else np.copy(joined, order="C")


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    return (
        np.concatenate([operand(arr), operand(values)], axis=axis)
        if axis is not None
        else concatenate([np.ravel(operand(arr)), np.ravel(operand(values))])
    )


# -- transposes that are simpler than scattering by index --------------------------------------------------------------
@pulled_by(_concatenate)
def _pull_concatenate(w: Any, shapes: Any, wanted: Any, axis: int) -> list[Any]:
    ends = np.cumsum([shape[axis] for shape in shapes])
    lead = (slice(None),) * axis
    return [
        w[(*lead, slice(end - shape[axis], end))] if is_wanted else None
        for end, shape, is_wanted in zip(ends, shapes, wanted, strict=True)
    ]
