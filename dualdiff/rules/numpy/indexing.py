"""Elements read or written by index or condition: take, where, diagonal, put and related functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.errors import plain_target
from dualdiff.core.array import DualArray, operand
from dualdiff.core.dual import AnyDual
from dualdiff.core.reading import is_followed
from dualdiff.rules.writing.array_rules import axis_of, implements, into, no_duals, plain_values, rearranged, shape_of
from dualdiff.tangents.structure import pulled_by, reduced


# -- views -----------------------------------------------------------------------------------------------------------
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


# -- rearrangements ----------------------------------------------------------------------------------------------------
@implements(np.take)
def take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> Any:
    a = operand(a)
    if axis is None or not a.ndim:
        # NumPy takes a scalar as an array of one element.
        a, axis = np.ravel(a), axis or 0
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
            f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions are "
            f"expected, but {len(funclist)} were given"
        )
    y = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            y[condition] = function
        elif np.any(condition):
            y[condition] = function(x[condition], *args, **kw)
    if is_followed(x):
        # At other values another function is called on the same elements; a nonlinear function stands for it.
        with np.errstate(all="ignore"):
            return np.where(True, y, np.tanh(x))
    return y


# -- transposes that are simpler than scattering by index --------------------------------------------------------------
def _triangular(function: Any) -> None:
    def implementation(m: Any, k: int = 0) -> Any:
        no_duals(function.__name__, (k,), {})
        m = operand(m)
        m = np.broadcast_to(m, m.shape * 2) if m.ndim == 1 else m
        # The function acts on the last two axes; others may precede them.
        return rearranged(function, [m], {"k": k}, {})

    implements(function)(implementation)
    pulled_by(function)(lambda w, shapes, wanted, k: [function(w, k)])


_triangular(np.tril)
_triangular(np.triu)


@pulled_by(_where)
def _pull_where(w: Any, shapes: Any, wanted: Any, condition: Any) -> list[Any]:
    branches = (condition, w, 0.0), (condition, 0.0, w)
    return [
        reduced(np.where(*branch), shape) if is_wanted else None
        for branch, shape, is_wanted in zip(branches, shapes, wanted, strict=True)
    ]


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    if not isinstance(dst, DualArray):
        raise plain_target("the target of numpy.copyto (or of numpy.full_like)")
    src = operand(src)
    if not np.can_cast(np.result_type(plain_values(src)), dst.dtype, casting):
        raise TypeError(f"cannot copy into {dst.dtype} with casting rule {casting!r}")
    dst[...] = src if where is True else np.where(where, src, dst)


def _flat_indices(target: Any, name: str) -> Any:
    """The flat indices of the elements of an array that is written into."""
    if not isinstance(target, DualArray):
        raise plain_target(f"the target of numpy.{name}")
    return np.arange(target.size).reshape(target.shape)


def _write_cyclically(target: DualArray, indices: Any, values: Any, turns: Any) -> None:
    """Write at flat indices; ``turns`` counts the values, which repeat cyclically."""
    values = np.ravel(operand(values))
    if len(values):
        target.flat[indices] = values[turns % len(values)]


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    indices = np.ravel(np.take(_flat_indices(a, "put"), ind, mode=mode))
    _write_cyclically(a, indices, v, np.arange(len(indices)))


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    indices = np.extract(plain_values(mask), _flat_indices(arr, "place"))
    if len(indices) and not np.size(plain_values(operand(vals))):
        raise ValueError("Cannot insert from an empty array!")
    _write_cyclically(arr, indices, vals, np.arange(len(indices)))


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    mask = np.asarray(plain_values(operand(mask)), bool)
    positions = _flat_indices(a, "putmask")
    if mask.size != positions.size:
        raise ValueError(f"putmask: the mask has shape {mask.shape}, but the array has shape {positions.shape}")
    indices = positions.ravel()[mask.ravel()]
    _write_cyclically(a, indices, values, indices)


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    marks = np.zeros(_flat_indices(a, "fill_diagonal").shape, bool)
    np.fill_diagonal(marks, True, wrap)
    indices = np.flatnonzero(marks)
    _write_cyclically(a, indices, val, np.arange(len(indices)))


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    flat = np.take_along_axis(_flat_indices(arr, "put_along_axis"), indices, axis)
    arr.flat[np.ravel(flat)] = np.ravel(np.broadcast_to(operand(values), shape_of(flat)))


# -- grids and windows -------------------------------------------------------------------------------------------------
@implements(np.ix_)
def ix_(*args: Any) -> Any:
    """Each argument along its own axis."""
    arrays = [operand(a) for a in args]
    plain = np.ix_(*map(plain_values, arrays))
    return tuple(
        np.reshape(a, grid.shape) if isinstance(a, AnyDual) else grid for a, grid in zip(arrays, plain, strict=True)
    )
