"""Shapes and axes: reshape, transpose, squeeze, broadcast, flip, roll; copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.errors import plain_target
from dualdiff.core.array import DualArray, operand
from dualdiff.rules.writing.array_rules import (
    Application,
    axes_of,
    axis_of,
    implements,
    plain_values,
    rearranged,
    shape_of,
    structural,
)
from dualdiff.tangents.space import note_conjugate
from dualdiff.tangents.structure import pulled_by, reduced

# Functions of one array that are run once on an array of indices, whatever their options.
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
    """``function(a)``, which reads the elements in an order and arranges them in a shape."""
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
    axes = tuple(range(ndim))[::-1] if axes is None else axes_of(axes, ndim)
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
    """The view that `broadcast_arrays` returns; writing into it is possible, with a warning of NumPy."""
    return np.broadcast_arrays(a, np.broadcast_to(0.0, shape))[0]


def _atleast(ndim: int) -> Any:
    def reshaped(a: Any) -> Any:
        a = operand(a)
        shape = shape_of(a)
        if len(shape) >= ndim:
            return a
        if ndim < 3:
            return np.reshape(a, (1,) * (ndim - len(shape)) + shape)
        return np.reshape(a, {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}[len(shape)])

    def atleast(*arrays: Any) -> Any:
        results = tuple(map(reshaped, arrays))
        return results[0] if len(results) == 1 else results

    return atleast


implements(np.atleast_1d)(_atleast(1))
implements(np.atleast_2d)(_atleast(2))
implements(np.atleast_3d)(_atleast(3))


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    axes = axes_of(axis, operand(m).ndim)
    return rearranged(np.flip, [m], {"axis": axes}, {"axis": "axis"})


implements(np.fliplr)(lambda m: flip(m, 1))
implements(np.flipud)(lambda m: flip(m, 0))


# -- copies ----------------------------------------------------------------------------------------------------------
@implements(np.copy)
def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    return Application(a, linear=True).copied(np.copy(a.value, order=order)) if isinstance(a, DualArray) else a


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
    """As ``ndarray.astype``; also the method of duals."""
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
    return x if value is v else Application(x, linear=True).copied(value)


# -- rearrangements ----------------------------------------------------------------------------------------------------
@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return rearranged(np.roll, [a], {"shift": shift})
    axes = axes_of(axis, operand(a).ndim) if isinstance(axis, tuple) else axis_of(axis, operand(a).ndim)
    return rearranged(np.roll, [a], {"shift": shift, "axis": axes}, {"axis": "axis"})


# -- transposes that are simpler than scattering by index --------------------------------------------------------------
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
