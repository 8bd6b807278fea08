"""Ufuncs beyond the plain call: several results, and the methods reduce, accumulate, outer, reduceat and at.

NumPy's own method computes the value.  The tangent comes from folding the ufunc over duals one at a time, in NumPy's
order.  If its row is marked associative, the ufunc is folded as a tree, or scanned by doubling, in a number of calls
that is logarithmic in the length.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.base.errors import lost, plain_target
from dualdiff.base.internals import NO_VALUE as _NOT_GIVEN
from dualdiff.core.application import Application, broadcast, carried
from dualdiff.core.array import DualArray, lift, operand
from dualdiff.core.dual import AnyDual
from dualdiff.core.out import call, call_several
from dualdiff.core.registry import REFUSED, UFUNCS
from dualdiff.rules.numpy.by_value import PLAIN
from dualdiff.rules.numpy.elementwise.table import ROWS, SEVERAL
from dualdiff.rules.writing.array_rules import axes_of, axis_of, into, no_duals, plain_values, shape_of
from dualdiff.rules.writing.rows import Row, Table
from dualdiff.tangents.structure import Structure


def _single(out: Any) -> Any:
    return out[0] if isinstance(out, tuple) else out


def _check_floating(ufunc: np.ufunc, value: Any) -> None:
    if np.result_type(plain_values(value)).kind not in "fc":
        raise lost(f"an integer dtype in numpy.{ufunc.__name__}", "a floating dtype")


def _in_front(a: Any, axes: tuple[int, ...]) -> Any:
    """The array with these axes merged into one, the first."""
    rest = tuple(i for i in range(len(a.shape)) if i not in axes)
    length = int(np.prod([a.shape[i] for i in axes], dtype=np.intp))
    return np.reshape(np.transpose(a, axes + rest), (length, *(a.shape[i] for i in rest)))


# -- outer -----------------------------------------------------------------------------------------------------------
def _outer(ufunc: np.ufunc) -> Callable[..., Any]:
    def outer(a: Any, b: Any, **options: Any) -> Any:
        a, b = operand(a), operand(b)
        spread = np.reshape(a, shape_of(a) + (1,) * len(shape_of(b))) if shape_of(a) else a
        return ufunc(spread, b, **options)

    return outer


# -- reduce ----------------------------------------------------------------------------------------------------------
def _folded(f: Callable[..., Any], items: Any, start: Any, masks: Any, associative: bool) -> Any:
    """``f(f(f(start, items[0]), items[1]), ...)``, skipping items where their masks (if any) are false."""
    if associative and masks is None:
        while len(items) > 1:
            even = len(items) - len(items) % 2
            pairs = f(items[0:even:2], items[1:even:2])
            items = pairs if even == len(items) else np.concatenate([pairs, items[even:]])
        return items[0] if start is None else f(start, items[0])
    first = 0
    if start is None:
        start, first = items[0], 1
    for i in range(first, len(items)):
        folded = f(start, items[i])
        start = folded if masks is None else np.where(masks[i], folded, start)
    return start


def _reduce(row: Row) -> Callable[..., Any]:
    ufunc = row.ufunc
    identity = ufunc.identity if row.associative else None

    def reduce(
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = _NOT_GIVEN,
        where: Any = True,
    ) -> Any:
        where = plain_values(where)
        start = None if initial is _NOT_GIVEN else initial
        operands = Application(array, 0.0 if start is None else start, linear=True)
        options: dict[str, Any] = {"axis": axis, "dtype": dtype, "keepdims": keepdims, "where": where}
        if initial is not _NOT_GIVEN:
            options["initial"] = None if start is None else operands.values[1]
        value = ufunc.reduce(operands.values[0], **options)
        _check_floating(ufunc, value)
        shape = operands.shape()
        axes = axes_of(axis, len(shape)) if shape else ()
        items = _in_front(operands.operands[0], axes)
        if not len(items):
            return into(_single(out), carried(operands, value, start))
        masks = None
        if where is not True:
            masks = _in_front(np.broadcast_to(where, shape), axes)
            if identity is not None:
                items, masks = np.where(masks, items, identity), None
        f = ufunc if dtype is None else partial(ufunc, dtype=dtype)
        with np.errstate(all="ignore"):
            folded = _folded(f, items, start, masks, row.associative)
            if initial is _NOT_GIVEN and identity is not None:
                # NumPy starts from the identity: hypot.reduce([-3.0]) is 3.
                folded = f(folded, identity)
        return into(_single(out), carried(operands, value, folded))

    return reduce


# -- accumulate ------------------------------------------------------------------------------------------------------
def _scanned(f: Callable[..., Any], items: Any, associative: bool) -> Any:
    """All partial folds of the items: a scan."""
    if associative:
        step = 1
        while step < len(items):
            items = np.concatenate([items[:step], f(items[:-step], items[step:])])
            step *= 2
        return items
    parts = [items[0]]
    for i in range(1, len(items)):
        parts.append(f(parts[-1], items[i]))
    return np.stack(parts)


def _accumulate(row: Row) -> Callable[..., Any]:
    ufunc = row.ufunc

    def accumulate(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        operands = Application(array, linear=True)
        value = ufunc.accumulate(operands.values[0], axis=axis, dtype=dtype)
        _check_floating(ufunc, value)
        if not value.size:
            return into(_single(out), operands.result(value, []))
        f = ufunc if dtype is None else partial(ufunc, dtype=dtype)
        with np.errstate(all="ignore"):
            scanned = np.moveaxis(_scanned(f, np.moveaxis(operands.operands[0], axis, 0), row.associative), 0, axis)
        return into(_single(out), carried(operands, value, scanned))

    return accumulate


# -- reduceat --------------------------------------------------------------------------------------------------------
def _reduceat(ufunc: np.ufunc) -> Callable[..., Any]:
    def reduceat(array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        no_duals(ufunc.__name__ + ".reduceat", (indices,), {})
        operands = Application(array, linear=True)
        value = ufunc.reduceat(operands.values[0], indices, axis=axis, dtype=dtype)
        _check_floating(ufunc, value)
        if not value.size:
            return into(_single(out), operands.result(value, []))
        items = np.moveaxis(operands.operands[0], axis, 0)
        starts = np.asarray(indices).tolist()
        with np.errstate(all="ignore"):
            parts = [
                ufunc.reduce(items[i:j], axis=0, dtype=dtype) if i < j else items[i]
                for i, j in zip(starts, [*starts[1:], len(items)], strict=True)
            ]
        return into(_single(out), carried(operands, value, np.moveaxis(np.stack(parts), 0, axis)))

    return reduceat


def _add_reduceat(array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    """Sums of segments: tangents are gathered segment by segment and scattered into the results."""
    no_duals("add.reduceat", (indices,), {})
    operands = Application(array, linear=True)
    (shape, t, space) = operands.shape(), operands.tangents[0], operands.space
    value = np.add.reduceat(operands.values[0], indices, axis=axis, dtype=dtype)
    _check_floating(np.add, value)
    if t is None:
        return into(_single(out), operands.result(value, []))
    axis = axis_of(axis, len(shape))
    starts = np.asarray(indices)
    lengths = np.maximum(np.diff(starts, append=shape[axis]), 1)
    segments = np.repeat(np.arange(len(starts)), lengths)
    items = np.arange(len(segments)) + (starts - np.cumsum(lengths) + lengths)[segments]
    lead = (slice(None),) * axis
    taken = (*shape[:axis], len(items), *shape[axis + 1 :])
    t = space.gather([t], Structure.getitem((*lead, items)), [shape], taken)
    t = space.scatter(t, Structure.getitem((*lead, segments)), taken, value.shape)
    return into(_single(out), operands.result(value, [t]))


# -- at --------------------------------------------------------------------------------------------------------------
def _at(ufunc: np.ufunc) -> Callable[..., Any]:
    def at(a: Any, indices: Any, *b: Any) -> None:
        """Repeated indices are processed one after another: round k has the k-th occurrence of each index."""
        _check_target(ufunc, a, indices)
        flat = np.arange(a.size).reshape(a.shape)[indices]
        others = [np.ravel(np.broadcast_to(operand(x), flat.shape)) for x in b]
        flat = flat.ravel()
        order = np.argsort(flat, kind="stable")
        grouped = flat[order]
        is_first = np.concatenate([[True], grouped[1:] != grouped[:-1]])[: len(flat)]
        occurrence = np.empty(len(flat), np.intp)
        occurrence[order] = np.arange(len(flat)) - np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
        for k in range(int(np.max(occurrence, initial=-1)) + 1):
            chosen = np.flatnonzero(occurrence == k)
            key = np.unravel_index(flat[chosen], a.shape)
            part = a[key]
            a[key] = ufunc(part, *(x[chosen] for x in others), out=part)

    return at


def _check_target(ufunc: np.ufunc, a: Any, indices: Any) -> None:
    no_duals(ufunc.__name__ + ".at", (indices,), {})
    if not isinstance(a, DualArray):
        raise plain_target(f"the first argument of numpy.{ufunc.__name__}.at")


def _add_at(a: Any, indices: Any, b: Any) -> None:
    """Linear, so repeated indices may be added in any order: the tangent is scattered."""
    _check_target(np.add, a, indices)
    operands = Application(a, b, linear=True)
    space = operands.space
    if operands.value_of(a) is a:
        raise plain_target("an array of an outer differentiation")
    other, t = operands.values[1], operands.tangents[1]
    structure = Structure.getitem(indices)
    shape = structure.index([a.shape]).shape
    value = np.copy(a.value)
    if isinstance(other, AnyDual):
        value = lift(value, other.space)
    # Broadcast here: NumPy (at least up to 2.4) reads out of bounds when it broadcasts to indices with two axes.
    spread = np.broadcast_to(other, shape)
    np.add.at(value, indices, spread)
    terms = [] if operands.tangents[0] is None else [operands.tangents[0]]
    if t is not None:
        if shape_of(other) != shape:
            t = space.gather([t], broadcast(shape), [shape_of(other)], shape)
        terms.append(space.scatter(t, structure, shape, a.shape))
    a[...] = operands.result(value, terms)


# -- several results -------------------------------------------------------------------------------------------------


def _refuse(ufunc: np.ufunc, reason: str, *methods: str) -> None:
    for method in methods:
        REFUSED[ufunc, method] = reason


class _Revealing:
    """An argument that reveals which ufunc a NumPy function calls."""

    def __array_ufunc__(self, ufunc: np.ufunc, *args: Any, **kwargs: Any) -> Any:
        return ufunc


#: NumPy has no public name for the ufunc behind ``np.clip`` and the method ``clip`` of arrays.
CLIP: Any = np.zeros(()).clip(_Revealing(), _Revealing())


def install() -> None:
    """Register the methods of ufuncs, and ufuncs of several results."""
    UFUNCS[CLIP, "__call__"] = partial(call, ROWS["clip"], CLIP)
    for ufunc, rows in SEVERAL.items():
        UFUNCS[ufunc, "__call__"] = partial(call_several, rows, ufunc)
    UFUNCS[np.divmod, "outer"] = _outer(np.divmod)
    UFUNCS[np.add, "reduceat"] = _add_reduceat
    UFUNCS[np.add, "at"] = _add_at
    UFUNCS[np.subtract, "at"] = lambda a, indices, b: _add_at(a, indices, -operand(b))
    for ufunc in (np.power, np.arctan2):
        reason = "NumPy ignores all elements between the first and the last on processors with AVX-512"
        _refuse(ufunc, reason, "reduce", "reduceat")
    _refuse(np.ldexp, "its second argument is an integer", "reduce", "accumulate", "reduceat")
    for ufunc in PLAIN:
        _refuse(ufunc, "it would write booleans into an array of duals", "at")
    install_methods(ROWS)


def install_methods(rows: Table) -> None:
    """Register the methods of the ufuncs of a table."""
    for row in rows.values():
        ufunc = row.ufunc
        if not isinstance(ufunc, np.ufunc):
            continue
        methods: dict[str, Callable[..., Any]] = {"at": _at(ufunc)} if ufunc.nin < 3 else {}
        if ufunc.nin == 2:
            methods["reduce"], methods["accumulate"] = _reduce(row), _accumulate(row)
            methods["reduceat"], methods["outer"] = _reduceat(ufunc), _outer(ufunc)
        for method, rule in methods.items():
            if (ufunc, method) not in REFUSED:
                UFUNCS.setdefault((ufunc, method), rule)


install()
