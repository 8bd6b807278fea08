"""NumPy functions that only move elements: views, joins, splits, rearrangements, choices."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import DualArray, operand, wrap
from dualdiff.core.dual import AnyDual, is_followed
from dualdiff.core.errors import plain_target
from dualdiff.rules.support import (
    Application,
    axes_of,
    axis_of,
    implements,
    into,
    no_duals,
    plain_values,
    rearranged,
    shape_of,
    structural,
)
from dualdiff.tangents.space import note_conjugate
from dualdiff.tangents.structure import Part, pulled_by, reduced

# Run once on an array of indices: functions of one array, whatever their options.
structural(
    np.diagflat,
    np.repeat,
    np.resize,
    np.rot90,
    np.tile,
    np.delete,
)


# -- views -----------------------------------------------------------------------------------------------------------
def _reshape(a: Any, shape: Any) -> Any:
    return a.reshape(shape)


def _reshape_between(a: Any, before: Any, shape: Any, after: Any) -> Any:
    return a.transpose(before).reshape(shape).transpose(after)


@implements(np.reshape)
def reshape(a: Any, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: bool | None = None) -> Any:
    shape = newshape if shape is None else shape
    a = operand(a)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    options = {"order": order} if copy is None else {"order": order, "copy": copy}
    return _read_in_order(a, shape, order, lambda v: np.reshape(v, shape, **options))


@implements(np.ravel)
def ravel(a: Any, order: Any = "C") -> Any:
    a = operand(a)
    return _read_in_order(a, (a.size,), order, lambda v: np.ravel(v, order))


def _read_in_order(a: Any, shape: Any, order: str, function: Any) -> Any:
    """``function(a)``, which reads the elements in an order and gives them a shape."""
    if -1 in shape:
        shape = function(plain_values(a)).shape
    if order == "C":
        return rearranged(_reshape, [a], {"shape": shape}, {"shape": "shape"}, value=function)
    layout = np.empty_like(plain_values(a), dtype=np.intp)
    before, after = tuple(range(a.ndim)), tuple(range(len(shape)))
    if order == "F" or (order == "A" and layout.flags.fnc):
        before, shape, after = before[::-1], shape[::-1], after[::-1]
    elif order == "K":
        before = tuple(int(i) for i in np.argsort(layout.strides, kind="stable")[::-1])
    params = {"before": before, "shape": shape, "after": after}
    roles = {"before": "permutation", "shape": "shape", "after": "permutation"}
    return rearranged(_reshape_between, [a], params, roles, value=function)


@implements(np.transpose, *([np.permute_dims] if hasattr(np, "permute_dims") else []))
def transpose(a: Any, axes: Any = None) -> Any:
    ndim = operand(a).ndim
    axes = tuple(range(ndim))[::-1] if axes is None else axes_of(tuple(axes), ndim)
    return rearranged(np.transpose, [a], {"axes": axes}, {"axes": "permutation"})


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    ndim = operand(a).ndim
    axes = {"axis1": axis_of(axis1, ndim), "axis2": axis_of(axis2, ndim)}
    return rearranged(np.swapaxes, [a], axes, {"axis1": "axis", "axis2": "axis"})


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    return swapaxes(x, -1, -2)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    ndim = operand(a).ndim
    axes = {"source": axes_of(source, ndim), "destination": axes_of(destination, ndim)}
    return rearranged(np.moveaxis, [a], axes, {"source": "axis", "destination": "axis"})


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    ndim = operand(a).ndim
    order = np.rollaxis(np.empty(tuple(range(2, 2 + ndim))), axis, start).shape
    return transpose(a, [length - 2 for length in order])


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    return reshape(a, np.expand_dims(plain_values(a), axis).shape)


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    shape = np.squeeze(plain_values(a), axis).shape
    return a if shape == shape_of(a) else reshape(a, shape)


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    return rearranged(_broadcast_to, [array], {"shape": shape}, {"shape": "shape"}, broadcasts=True)


def _broadcast_to(a: Any, shape: Any) -> Any:
    return np.broadcast_to(a, shape)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    arrays = [operand(a) for a in args]
    shape = np.broadcast_shapes(*map(shape_of, arrays))
    options = {"shape": shape}, {"shape": "shape"}
    return tuple(
        a if isinstance(a, np.ndarray | DualArray) and a.shape == shape else rearranged(_writeable, [a], *options, True)
        for a in arrays
    )


def _writeable(a: Any, shape: Any) -> Any:
    """What `broadcast_arrays` makes: a view that may still be written into, for which NumPy warns."""
    return np.broadcast_arrays(a, np.broadcast_to(0.0, shape))[0]


def _atleast(ndim: int) -> Any:
    def place(a: Any) -> Any:
        a = operand(a)
        shape = shape_of(a)
        if len(shape) >= ndim:
            return a
        if ndim < 3:
            return np.reshape(a, (1,) * (ndim - len(shape)) + shape)
        return np.reshape(a, {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}[len(shape)])

    def atleast(*arrays: Any) -> Any:
        placed = tuple(map(place, arrays))
        return placed[0] if len(placed) == 1 else placed

    return atleast


implements(np.atleast_1d)(_atleast(1))
implements(np.atleast_2d)(_atleast(2))
implements(np.atleast_3d)(_atleast(3))


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    ndim = operand(a).ndim
    params = {"offset": offset, "axis1": axis_of(axis1, ndim), "axis2": axis_of(axis2, ndim)}
    return rearranged(np.diagonal, [a], params, {"axis1": "axis", "axis2": "axis"})


@implements(np.linalg.diagonal)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return diagonal(x, offset, -2, -1)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    if operand(v).ndim == 2:
        return diagonal(v, k)
    return rearranged(np.diag, [v], {"k": k})


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    axes = axes_of(axis, operand(m).ndim)
    return rearranged(np.flip, [m], {"axis": axes}, {"axis": "axis"})


implements(np.fliplr)(lambda m: flip(m, 1))
implements(np.flipud)(lambda m: flip(m, 0))


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    no_duals("array_split", (indices_or_sections,), {})
    ary = operand(ary)
    axis = axis_of(axis, ary.ndim)
    numbers = np.array_split(np.arange(ary.shape[axis]), plain_values(indices_or_sections))
    lead = (slice(None),) * axis
    # The parts are runs of consecutive places: slices, and so views.
    return [ary[(*lead, slice(p[0], p[-1] + 1) if len(p) else slice(0, 0))] for p in numbers]


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


# -- copies ----------------------------------------------------------------------------------------------------------
@implements(np.copy)
def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    return Application(a).copied(np.copy(a.value, order=order)) if isinstance(a, DualArray) else a


@implements(np.astype)
def astype(
    x: Any,
    dtype: Any,
    /,
    order: Any = "K",
    casting: Any = "unsafe",
    subok: bool = True,
    copy: bool = True,
    *,
    device: Any = None,
) -> Any:
    """As ``ndarray.astype``, also the method."""
    dtype = np.dtype(dtype)
    if dtype.kind == "O":
        return np.array(x, dtype=object)
    if dtype.kind not in "fc":
        if dtype.kind == "b":
            return plain_values(x).astype(dtype)
        raise plain_target(f"an array of dtype {dtype}")
    if x.dtype.kind == "c" and dtype.kind != "c":
        note_conjugate(x.space, "astype of complex to real")
    v = x.value
    value = v.astype(dtype, order, casting, subok, copy) if hasattr(v, "astype") else dtype.type(v)
    return x if value is v else Application(x).copied(value)


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


def _stack(*arrays: Any, axis: int) -> Any:
    return np.stack(arrays, axis=axis)


@implements(np.stack)
def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    parts = [operand(a) for a in arrays]
    axis = axis_of(axis, len(shape_of(parts[0])) + 1)
    result = rearranged(_stack, parts, {"axis": axis}, {"axis": "axis"})
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


# -- rearrangements ----------------------------------------------------------------------------------------------------
@implements(np.take)
def take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> Any:
    a = operand(a)
    if axis is None:
        a, axis = np.ravel(a), 0
    params = {"indices": indices, "axis": axis_of(axis, a.ndim), "mode": mode}
    return into(out, rearranged(np.take, [a], params, {"axis": "axis"}))


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    no_duals("take_along_axis", (indices,), {})
    if axis is None:
        return np.ravel(arr)[indices]
    return rearranged(np.take_along_axis, [arr], {"indices": indices, "axis": axis})


@implements(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    return take(a, np.flatnonzero(plain_values(condition)), axis, out)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return take(np.ravel(arr), np.flatnonzero(plain_values(condition)))


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return rearranged(np.roll, [a], {"shift": shift})
    axes = axes_of(axis, operand(a).ndim) if isinstance(axis, tuple) else axis_of(axis, operand(a).ndim)
    return rearranged(np.roll, [a], {"shift": shift, "axis": axes}, {"axis": "axis"})


@implements(np.sort)
def sort(
    a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None, descending: Any = None
) -> Any:
    if axis is None:
        a, axis = np.ravel(a), -1
    axis = axis_of(axis, operand(a).ndim)
    # Of a NumPy that knows it.
    options = {} if descending is None else {"descending": descending}
    params = {"indices": np.argsort(plain_values(a), axis=axis, stable=True, **options), "axis": axis}
    options["stable"] = stable
    # Zeros of both signs are equal: how NumPy orders them depends on how it sorts.
    return rearranged(np.take_along_axis, [a], params, value=lambda v: np.sort(v, axis, kind, order, **options))


# -- choices -----------------------------------------------------------------------------------------------------------
def _where(a: Any, b: Any, condition: Any) -> Any:
    return np.where(condition, a, b)


@implements(np.where)
def where(condition: Any, *branches: Any) -> Any:
    condition = plain_values(operand(condition))
    if not branches:
        return np.where(condition)
    a, b = branches
    return rearranged(_where, [a, b], {"condition": condition}, {}, broadcasts=True)


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    return rearranged(
        _select, [*choicelist, default], {"condlist": [plain_values(c) for c in condlist]}, {}, broadcasts=True
    )


def _select(*choices: Any, condlist: Any) -> Any:
    return np.select(condlist, choices[:-1], choices[-1])


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: Any = "raise") -> Any:
    def pick(*choices: Any, a: Any) -> Any:
        return np.choose(a, choices, mode=mode)

    parts = [operand(c) for c in choices]
    return into(out, rearranged(pick, parts, {"a": plain_values(a)}, {}, broadcasts=True))


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    x = operand(x)
    x = x if shape_of(x) else np.atleast_1d(x).reshape(())
    if np.isscalar(condlist) or (x.ndim and not issubclass(type(condlist[0]), (list, np.ndarray))):
        condlist = [condlist]
    conditions = np.array(condlist, dtype=bool)
    if len(funclist) == len(conditions) + 1:
        conditions = np.concatenate([conditions, ~np.any(conditions, axis=0, keepdims=True)])
    elif len(funclist) != len(conditions):
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or one more functions are expected"
        )
    y = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            y[condition] = function
        elif np.any(condition):
            y[condition] = function(x[condition], *args, **kw)
    if is_followed(x):
        # At other values another function is called, of the same elements; whatever is not linear stands for it.
        with np.errstate(all="ignore"):
            return np.where(True, y, np.tanh(x))
    return y


# -- parts of complex numbers ------------------------------------------------------------------------------------------
def _part(name: str) -> Any:
    function = getattr(np, name)

    def implementation(val: Any) -> Any:
        value = function(val.value)
        if val.dtype.kind != "c":
            return val if name == "real" else wrap(value, None, val.space)
        note_conjugate(val.space, name)
        return Application(val).gathered(value, Part(function))

    return implementation


implements(np.real)(_part("real"))
implements(np.imag)(_part("imag"))


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    result = np.arctan2(np.imag(z), np.real(z))
    return result * (180 / np.pi) if deg else result


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    return a if np.iscomplexobj(np.real_if_close(plain_values(a), tol)) else np.real(a)


# -- transposes, where they are simpler than to count places -----------------------------------------------------------
def _triangular(function: Any) -> None:
    def implementation(m: Any, k: int = 0) -> Any:
        no_duals(function.__name__, (k,), {})
        m = operand(m)
        m = np.broadcast_to(m, m.shape * 2) if m.ndim == 1 else m
        # The last two axes are meant, whatever stands before them.
        return rearranged(function, [m], {"k": k}, {})

    implements(function)(implementation)
    pulled_by(function)(lambda w, shapes, wanted, k: [function(w, k)])


_triangular(np.tril)
_triangular(np.triu)


@pulled_by(_reshape)
def _pull_reshape(w: Any, shapes: Any, wanted: Any, shape: Any) -> list[Any]:
    return [np.reshape(w, shapes[0])]


@pulled_by(np.transpose)
def _pull_transpose(w: Any, shapes: Any, wanted: Any, axes: Any) -> list[Any]:
    return [np.transpose(w, np.argsort(axes))]


@pulled_by(np.swapaxes)
def _pull_swapaxes(w: Any, shapes: Any, wanted: Any, axis1: int, axis2: int) -> list[Any]:
    return [np.swapaxes(w, axis1, axis2)]


@pulled_by(np.moveaxis)
def _pull_moveaxis(w: Any, shapes: Any, wanted: Any, source: Any, destination: Any) -> list[Any]:
    return [np.moveaxis(w, destination, source)]


@pulled_by(np.flip)
def _pull_flip(w: Any, shapes: Any, wanted: Any, axis: Any) -> list[Any]:
    return [np.flip(w, axis)]


@pulled_by(np.roll)
def _pull_roll(w: Any, shapes: Any, wanted: Any, shift: Any, axis: Any = None) -> list[Any]:
    return [np.roll(w, np.multiply(shift, -1), axis)]


@pulled_by(np.broadcast_to)
@pulled_by(_broadcast_to)
@pulled_by(_writeable)
def _pull_broadcast(w: Any, shapes: Any, wanted: Any, shape: Any) -> list[Any]:
    return [reduced(w, shapes[0])]


@pulled_by(_where)
def _pull_where(w: Any, shapes: Any, wanted: Any, condition: Any) -> list[Any]:
    branches = (condition, w, 0.0), (condition, 0.0, w)
    return [
        reduced(np.where(*branch), shape) if is_wanted else None
        for branch, shape, is_wanted in zip(branches, shapes, wanted, strict=True)
    ]


@pulled_by(_concatenate)
def _pull_concatenate(w: Any, shapes: Any, wanted: Any, axis: int) -> list[Any]:
    ends = np.cumsum([shape[axis] for shape in shapes])
    lead = (slice(None),) * axis
    return [
        w[(*lead, slice(end - shape[axis], end))] if is_wanted else None
        for end, shape, is_wanted in zip(ends, shapes, wanted, strict=True)
    ]


@pulled_by(_stack)
def _pull_stack(w: Any, shapes: Any, wanted: Any, axis: int) -> list[Any]:
    lead = (slice(None),) * axis
    return [w[(*lead, i)] if is_wanted else None for i, is_wanted in enumerate(wanted)]
