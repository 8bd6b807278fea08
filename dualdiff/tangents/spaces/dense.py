"""Several directions at a time: a tangent is an array with a leading axis for the active directions.

An intermediate value seldom depends on all inputs: a sum of three Gaussians has nine parameters, but each Gaussian
depends on three of them.  A tangent stores only the directions along which it may be nonzero, in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from dualdiff.base.quiet import begin, end, quietly
from dualdiff.tangents.fused import SMALL, fused
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.space import Rule, Shape, Tangent, TangentSpace, Term, shape_of
from dualdiff.tangents.spaces.single import accepting, as_dtype, is_alone, may_share_memory
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import may_have_nan, plain, product, undefined, zero_mask

#: Up to this number of directions, the tangent of a Python float (or `numpy.float64`) is a tuple of floats.
LANES = 32
#: Tangents of slices up to this size are checked for directions that have become inactive.
_SMALL = 1 << 10
#: A last axis up to this length is short.
_SHORT = 32
_FLOAT64 = np.dtype(np.float64)
_REALS = frozenset({float, int, np.float64})


class Active(NamedTuple):
    """A tangent along some of the directions, in order: an array of shape ``(len(directions), *shape)``.

    Axes of the shape along which the tangent is constant may have length 1.
    """

    directions: tuple[int, ...]
    array: Any


#: A tangent, its coefficient, and when that is constant (see `Rule.constancy`).
Part = tuple[Active, Any, int]


class Dense(TangentSpace):
    """Tangents along N directions, which are the first axis, before any batch axes."""

    __slots__ = ("all", "float64_dual", "float_dual", "units")

    #: Creates the dual classes of floats for a number of directions; set by `dualdiff.core.dual`.
    scalar_classes: Callable[[int], tuple[Any, Any]]

    def __init__(self, tag: int, directions: int, conjugates: str = "allowed") -> None:
        super().__init__(tag, conjugates)
        self.all = tuple(range(directions))
        self.float_dual, self.float64_dual = (
            Dense.scalar_classes(directions) if 0 < directions <= LANES else (None, None)
        )
        # The seed, if it consists of the unit vectors in order: its image under a linear map is `LinearMap.matrix`.
        self.units: Any = None

    def _arguments(self) -> tuple[Any, ...]:
        return self.tag, len(self.all), self.conjugates

    def seed(self, array: Any, are_units: bool = False) -> Active:
        """The tangent with these components along all directions; ``are_units``: the unit vectors, in order."""
        t = Active(self.all, array)
        if are_units:
            self.units = t
        return t

    @property
    def directions(self) -> int:
        """The number of directions."""
        return len(self.all)

    # -- representations of a tangent ----------------------------------------------------------------------------------

    def _full(self, t: Tangent, shape: Shape) -> Active:
        """The tangent with all axes at full length."""
        t = _block(t)
        full = (len(t.directions), *shape)
        return t if t.array.shape == full else Active(t.directions, np.broadcast_to(t.array, full))

    def _spread(self, t: Tangent | None, directions: tuple[int, ...], shape: Shape) -> Any:
        """The components along the given directions, which include the active ones."""
        if t is None:
            return np.broadcast_to(0.0, (len(directions), *shape))
        t = self._full(t, shape)
        if t.directions == directions:
            return t.array
        if type(t.array) is np.ndarray:
            spread = np.zeros((len(directions), *shape), t.array.dtype)
            spread[rows_of(t.directions, directions)] = t.array
            return spread
        # For duals of an outer call: inactive directions take an additional row of zeros.
        index = [t.directions.index(i) if i in t.directions else len(t.directions) for i in directions]
        return np.concatenate([t.array, np.zeros((1, *shape))])[index]

    # -- the verbs -----------------------------------------------------------------------------------------------------

    def apply(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any, where: Any = True
    ) -> Tangent | None:
        if where is not True or row.conjugates is not None or type(result) is not np.ndarray:
            return super().apply(row, values, tangents, result, where)
        # The general chain rule without the cases handled above.
        token = begin()
        try:
            if (total := _fused(row, values, tangents, result)) is not None:
                return total
            parts: list[Part] = []
            for i, t in enumerate(tangents):
                if t is not None and (c := row.coefficient(i, values, result)) is not None:
                    parts.append((aligned(t, result.ndim), c, row.constancy[i]))
            return _combined(parts, result.shape) if parts else None
        finally:
            end(token)

    def combine(self, terms: Sequence[Term], out_shape: Shape) -> Active:
        if len(terms) > 2 and (weighted := _weighted(terms, out_shape)) is not None:
            return weighted
        return _combined([(aligned(t, len(out_shape)), c, 2 * constant) for t, c, _, _, constant in terms], out_shape)

    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, constant: bool = False) -> Active:
        t = aligned(t, len(out_shape))
        return Active(t.directions, _times(c, t.array, constant))

    def add(self, terms: Sequence[Tangent], shape: Shape) -> Active:
        return self.combine([(t, 1, shape, False, True) for t in terms], shape)

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Active:
        if len(sources) == 1:
            t = self._full(sources[0], shapes[0])
            directions, arrays = t.directions, [t.array]
        elif structure.name == "stack" and all(type(t) is tuple for t in sources):
            # Scalars along all directions, without negative zeros.
            return Active(self.all, np.add(np.array(sources).T, 0.0, order="C"))
        else:
            directions = _union(tuple(_block(t).directions for t in sources if t is not None))
            arrays = [self._spread(t, directions, shape) for t, shape in zip(sources, shapes, strict=True)]
        n = len(directions)
        shifted = structure.shifted(n)
        if shifted is None:
            return Active(directions, _gather_by_index(arrays, structure, shapes, n))
        if structure.broadcasts:
            ndim = len(out_shape)
            arrays = [a.reshape((n, *(1,) * (ndim + 1 - a.ndim), *a.shape[1:])) for a in arrays]
        first = arrays[0]
        is_large = type(first) is np.ndarray and first.size > _SMALL
        if is_large and structure.name == "getitem" and not structure.slices:
            result = Active(directions, _taken(first, shifted.params["key"]))
        else:
            result = Active(directions, shifted(*arrays))
        if n > 1 and 2 * result.array.size <= arrays[0].size and result.array.size <= _SMALL:
            return _without_zeros(result)
        return result

    @quietly
    def scatter(self, t: Tangent, structure: Structure, shape: Shape, out_shape: Shape) -> Active:
        t = self._full(t, shape)
        n = len(t.directions)
        result = np.zeros_like(t.array, shape=(n, math.prod(out_shape)))
        places: Any = (slice(None), structure.index([out_shape]) - 1)
        np.add.at(result, places, t.array)
        return Active(t.directions, result.reshape((n, *out_shape)))

    def put(
        self, target: Tangent | None, source: Tangent | None, key: Any, shape: Shape, source_shape: Shape, like: Any
    ) -> Active | None:
        if target is None:
            if source is None:
                return None
            target = self.own(None, like)
        if type(source) is tuple and type(key) is int and type(target.array) is np.ndarray and len(shape) == 1:
            target.array[:, key] = source
            return target
        n = len(self.all)
        index = Structure.getitem(key).shifted(n)
        array = None
        if source is not None:
            array = self._spread(source, self.all, source_shape)
            target = Active(self.all, accepting(target.array, array))
        if index is not None:
            key = index.params["key"]
            ndim = target.array[key].ndim if source is not None else 0
        else:
            # The key mixes array indices and slices such that the axis of directions would move: use flat indices.
            places = np.arange(math.prod(shape)).reshape(shape)[key]
            key, ndim = (slice(None), *np.unravel_index(places, shape)), places.ndim + 1
        if array is not None and array.ndim < ndim:
            array = array.reshape((n, *(1,) * (ndim - array.ndim), *array.shape[1:]))
        target.array[key] = 0.0 if array is None else array
        return target

    @quietly
    def sum(self, t: Tangent, axes: Shape, shape: Shape, out_shape: Shape) -> Active:
        full = self._full(t, shape)
        if not shape:
            return full
        array = full.array
        if type(array) is not np.ndarray:
            total = np.sum(array, axis=tuple([a + 1 for a in axes]))
        elif axes == (len(shape) - 1,) and shape[-1] <= _SHORT and array.size > _SMALL:
            # NumPy's reductions along a short last axis are slow.
            total = array @ np.ones(shape[-1], array.dtype)
        else:
            total = np.add.reduce(array, axis=tuple([a + 1 for a in axes]))
        return Active(full.directions, total.reshape((len(full.directions), *out_shape)))

    @quietly
    def contract(self, t: Tangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> Active:
        matrix = linear.matrix() if t is self.units else None
        t = self._full(t, shape)
        return Active(t.directions, linear(t.array) if matrix is None else matrix)

    def conj(self, t: Tangent, part: str, shape: Shape) -> Active:
        t = _block(t)
        return Active(t.directions, getattr(np, part)(t.array))

    # -- housekeeping --------------------------------------------------------------------------------------------------

    def cast(self, t: Tangent, dtype: Any, shape: Shape) -> Tangent:
        if type(t) is tuple:
            if dtype == _FLOAT64:
                return t
            t = _block(t)
        array = t.array
        if array.dtype is dtype or array.dtype == dtype:
            return t
        if array.dtype.kind == "c" and np.dtype(dtype).kind != "c":
            array = np.real(array)
        return Active(t.directions, as_dtype(array, dtype))

    def read(self, t: Tangent | None, value: Any, others: Sequence[Any] | None = None) -> Any:
        shape = shape_of(value)
        if t is None:
            return np.zeros((len(self.all), *shape), np.result_type(plain(value)))
        array = self._spread(t, self.all, shape)
        if type(array) is not np.ndarray:
            return np.copy(array)
        stored = _block(t).array
        if not may_share_memory(array, stored) or (others is not None and is_alone(array, others)):
            return array
        return np.array(array)

    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        return np.all(zero_mask(self._full(t, shape).array), axis=0)

    def unknown(self, t: Tangent, mask: Any, shape: Shape, value: Any = None) -> Active:
        return Active(self.all, undefined(mask, self._spread(t, self.all, shape)))

    def may_have_nan(self, t: Tangent) -> bool:
        return may_have_nan(_block(t).array)

    def floats(self, t: Tangent | None) -> Any:
        if type(t) is tuple:
            return t
        floats = [0.0] * len(self.all)
        if t is not None:
            array = t.array
            if type(array) is not list:
                if type(array) is not np.ndarray or array.dtype.kind != "f":
                    return None
                array = array.tolist()
            for i, c in zip(t.directions, array, strict=True):
                floats[i] = c
        return tuple(floats)

    def own(self, t: Tangent | None, like: Any) -> Active:
        like = plain(like)
        if t is None:
            return Active(self.all, np.zeros((len(self.all), *shape_of(like)), like.dtype))
        array = self._spread(t, self.all, shape_of(like))
        return Active(self.all, np.array(array, order="C") if type(array) is np.ndarray else np.copy(array))

    def element(self, t: Tangent, index: Any, shape: Shape) -> Tangent:
        column: Any
        array = t.array
        is_short = type(index) is int and self.float_dual is not None and type(array) is np.ndarray
        if is_short and array.dtype is _FLOAT64 and array.shape[1:] == shape and len(shape) == 1:
            column = array[:, index].tolist()
            return tuple(column) if len(column) == len(self.all) else self.floats(Active(t.directions, column))
        if type(index) is int and len(shape) == 1 and t.array.shape[-1] == shape[0]:
            column = Active(t.directions, t.array[:, index].copy())
        else:
            column = super().element(t, index, shape)
            column = Active(column.directions, column.array.copy())
        return column if self.float_dual is not None else _without_zeros(column)

    def elements(self, t: Tangent, shape: Shape) -> Sequence[Tangent] | None:
        if self.float_dual is not None and type(t.array) is np.ndarray and t.array.dtype is _FLOAT64:
            return list(zip(*self._spread(t, self.all, shape).tolist(), strict=True))
        return None

    def accepting(self, target: Tangent, source: Tangent) -> Tangent:
        if type(source) is tuple:
            return target
        array = accepting(target.array, _block(source).array)
        return target if array is target.array else Active(target.directions, array)

    def aliases(self, t: Tangent, source: Tangent) -> bool:
        return type(t) is Active and type(source) is Active and may_share_memory(t.array, source.array)


def _block(t: Tangent) -> Active:
    """The tangent as `Active`: of a tuple of floats, the nonzero ones."""
    return _of_floats(t) if type(t) is tuple else t


@lru_cache(maxsize=256)
def _of_floats(t: tuple[float, ...]) -> Active:
    directions = [i for i, c in enumerate(t) if c] or [0]
    # Tuples that differ in the signs of zeros are the same key of the cache, so they must give the same result.
    array = np.array([t[i] or 0.0 for i in directions])
    array.flags.writeable = False
    return Active(tuple(directions), array)


def _taken(array: Any, key: Any) -> Any:
    """``array[key]`` of a key with arrays, with the axis of directions first in memory, where NumPy puts it last."""
    index = key[1] if type(key) is tuple and len(key) == 2 else None
    if type(index) is np.ndarray and index.dtype.kind in "iu" and key[0] == slice(None):
        return array.take(index, axis=1)
    return np.ascontiguousarray(array[key])


def aligned(t: Tangent, ndim: int) -> Active:
    """The tangent with value axes of length 1 added up to ``ndim``, so that it broadcasts like the value."""
    if type(t) is tuple:
        t = _of_floats(t)
    missing = ndim + 1 - t.array.ndim
    if missing <= 0:
        return t  # type: ignore[no-any-return]
    shape = t.array.shape
    return Active(t.directions, t.array.reshape((shape[0], *(1,) * missing, *shape[1:])))


def _fused(row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any) -> Active | None:
    """The chain rule on small arrays along the same directions; None if it is not this simple."""
    along: Any = None
    arrays: list[Any] = []
    active, bit = 0, 1
    for t in tangents:
        if t is not None:
            if type(t) is tuple:
                return None
            directions, array = t
            if along is None:
                along = directions
            elif array is arrays[0] and len(tangents) == 2:
                active = -1
                break
            elif array is arrays[0] or directions != along:
                return None
            if type(array) is not np.ndarray or array.dtype is not _FLOAT64 or array.size > SMALL:
                return None
            arrays.append(array if array.ndim > result.ndim else aligned(t, result.ndim).array)
            active += bit
        bit += bit
    total = fused(row, values, arrays, active, result)
    return None if total is None else Active(along, total)


def _combined(parts: Sequence[Part], out_shape: Shape) -> Active:
    """The sum of coefficients times aligned tangents."""
    t, c, constancy = parts[0]
    if len(parts) == 1:
        return Active(t.directions, _times(c, t.array, constancy > 0))
    if len(parts) == 2 and t is parts[1][0]:
        # The same tangent twice, as in x * x: the coefficients are added, not the terms.
        return Active(t.directions, _times(c + parts[1][1], t.array, min(constancy, parts[1][2]) > 1))
    directions, rows, is_split = _merged(tuple([t.directions for t, _, _ in parts]))
    if rows is not None:
        return Active(directions, _summed(parts, directions, rows, is_split, out_shape))
    total = _times(c, t.array, constancy > 1)
    for t, c, constancy in parts[1:]:
        total = total - t.array if type(c) is int and c == -1 else total + _times(c, t.array, constancy > 1)
    return Active(directions, total)


def _weighted(terms: Sequence[Term], shape: Shape) -> Active | None:
    """The sum of many small tangents of one shape, times scalars, as one product; None if they are something else."""
    first = terms[0][0]
    if type(first) is not Active or type(first.array) is not np.ndarray or first.array.size > _SMALL:
        return None
    directions = first.directions
    full = (len(directions), *shape)
    arrays, weights = [], []
    for t, c, _, _, _ in terms:
        if type(t) is not Active or type(c) not in _REALS or not c or c - c != 0.0:
            # A zero, or an infinite factor, may meet an infinite tangent.
            return None
        along, array = t
        if along != directions or type(array) is not np.ndarray or array.dtype is not _FLOAT64 or array.shape != full:
            return None
        arrays.append(array)
        weights.append(c)
    total = np.dot(np.array(weights, np.float64), np.array(arrays).reshape(len(arrays), -1))
    return Active(directions, total.reshape(full))


def _times(c: Any, array: Any, constant: bool) -> Any:
    """The coefficient times the components."""
    if type(c) is int and c == 1:
        return array
    return -array if type(c) is int and c == -1 else product(_widened(c, array), array, False, constant)


def _widened(c: Any, array: Any) -> Any:
    """The coefficient, repeated along a short last axis, over which NumPy's loops would be slow."""
    if type(c) is not np.ndarray or array.size <= _SMALL or not c.ndim or c.shape[-1] != 1 or c.ndim == array.ndim:
        return c
    return c.repeat(array.shape[-1], axis=-1) if 1 < array.shape[-1] <= _SHORT else c


def _summed(parts: Sequence[Part], directions: tuple[int, ...], rows: Any, is_split: bool, out_shape: Shape) -> Any:
    """The sum of coefficients times tangents with different active directions, along the union of these."""
    shape: Shape = (1,) * len(out_shape)
    dtype: Any = _FLOAT64
    for t, c, _ in parts:
        array, kind = t.array, type(c)
        if type(array) is not np.ndarray or not (kind is np.ndarray or kind in _REALS):
            return _summed_one_by_one(parts, directions)
        if array.dtype is not _FLOAT64 or (kind is np.ndarray and c.dtype is not _FLOAT64):
            dtype = None
        if array.size != len(t.directions) or kind is np.ndarray:
            shape = out_shape
    if dtype is None:
        dtype = np.result_type(*(x for t, c, _ in parts for x in (t.array, c)))
    make = np.empty if is_split else np.zeros
    total = make((len(directions), *shape), dtype)
    for (t, c, constancy), where in zip(parts, rows, strict=True):
        if not is_split:
            total[where] += _times(c, t.array, constancy > 1)
        elif type(c) is int or type(where) is list:
            total[where] = _times(c, t.array, constancy > 1)
        else:
            np.multiply(t.array, _widened(c, t.array), out=total[where])
    if is_split and may_have_nan(total):
        for (t, c, constancy), where in zip(parts, rows, strict=True):
            total[where] = _times(c, t.array, constancy > 1)
    return total


@lru_cache(maxsize=4096)
def _merged(several: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], Any, bool]:
    """The union of directions, the rows of each part in it (None: all are equal), and whether they are disjoint."""
    if all(directions == several[0] for directions in several):
        return several[0], None, False
    union = _union(several)
    return union, [rows_of(directions, union) for directions in several], sum(map(len, several)) == len(union)


def _summed_one_by_one(parts: Sequence[Part], directions: tuple[int, ...]) -> Any:
    """The same for coefficients of any type, such as complex scalars and duals of an outer call."""
    total: Any = None
    for t, c, constancy in parts:
        array = _times(c, t.array, constancy > 1)
        if t.directions != directions:
            index = [t.directions.index(i) if i in t.directions else len(t.directions) for i in directions]
            array = np.concatenate([array, np.zeros((1, *array.shape[1:]))])[index]
        total = array if total is None else total + array
    return total


@lru_cache(maxsize=4096)
def _union(several: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """The union of directions, in order."""
    return tuple(sorted({i for directions in several for i in directions}))


@lru_cache(maxsize=4096)
def rows_of(directions: tuple[int, ...], union: tuple[int, ...]) -> Any:
    """The rows of directions in a union, as a slice if they are contiguous."""
    rows = [union.index(i) for i in directions]
    return slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] + 1 == len(rows) else rows


def _without_zeros(t: Active) -> Active:
    """The tangent without the directions along which it is zero."""
    array = t.array
    if type(array) is not np.ndarray or len(t.directions) < 2:
        return t
    (live,) = (array if array.ndim == 1 else np.any(array, axis=tuple(range(1, array.ndim)))).nonzero()
    if len(live) == len(t.directions):
        return t
    if not len(live):
        live = np.zeros(1, np.intp)
    return Active(tuple(t.directions[i] for i in live.tolist()), array[live])


def _gather_by_index(arrays: Sequence[Any], structure: Structure, shapes: Sequence[Shape], n: int) -> Any:
    index = structure.index(shapes)
    flat = [a.reshape((n, math.prod(shape))) for a, shape in zip(arrays, shapes, strict=True)]
    everything = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)
    if index.size and index.min() > 0:
        # Not everything[:, index - 1], which is a view if the index is a scalar.
        return np.take(everything, index - 1, axis=1)
    places = index > 0
    result = accepting(np.zeros((n, *index.shape), everything.dtype), everything)
    result[:, places] = everything[:, index[places] - 1]
    return result
