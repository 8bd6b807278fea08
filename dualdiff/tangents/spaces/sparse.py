"""Sparse tangents: for each element of the value, the inputs that it depends on, with the partials.

The tangent of a value is a matrix in CSR form with a row for each element and a column for each input.  Entries are
never dropped, even if they are zero, so that the pattern does not depend on the values.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.base.quiet import quietly
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.pattern import FEW_PATTERNS, Memory, Pattern, Union, index_dtype, outline, scipy_sparse
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.structure import Structure, accumulated
from dualdiff.tangents.zeros import may_have_nan, plain, product, undefined, zero_mask

#: Matrix products with more multiplications than this are computed by SciPy.
MANY = 20000


class Rows:
    """The rows of a sparse matrix: a pattern and the value of each entry (None if only the pattern is needed).

    Immutable.
    """

    __slots__ = ("data", "pattern")

    def __init__(self, pattern: Pattern, data: Any) -> None:
        self.pattern, self.data = pattern, data

    def like(self, pattern: Pattern, data: Any) -> Rows:
        """Rows with another pattern and other values, over the same inputs."""
        return Rows(pattern, data)

    def with_data(self, data: Any) -> Rows:
        """Rows with the same pattern and other values."""
        return self.like(self.pattern, data)

    def settled(self) -> Rows:
        """These rows themselves; see `Buffer.settled`."""
        return self

    def row(self, i: int) -> Rows:
        """Row i alone."""
        pattern = self.pattern
        chosen = pattern.row(i)
        if self.data is None:
            return self.like(chosen, None)
        start = int(pattern.indptr[i])
        return self.like(chosen, self.data[start : start + chosen.size])

    def chosen(self, index: Any) -> Rows:
        """The rows with these indices; -1 is an empty row."""
        pattern, places = self.pattern.chosen(index)
        data = self.data
        if data is None:
            return self.like(pattern, None)
        if places is None:
            return self.like(pattern, data.reshape((self.pattern.rows, pattern.width))[index].reshape(-1))
        return self.like(pattern, data[places])

    @staticmethod
    def joined(parts: Sequence[Rows]) -> Rows:
        """The rows of several matrices, concatenated."""
        if len(parts) == 1:
            return parts[0]
        pattern = Pattern.joined([part.pattern for part in parts])
        data = [part.data for part in parts if part.pattern.size]
        if not data or data[0] is None:
            return parts[0].like(pattern, parts[0].data)
        return parts[0].like(pattern, data[0] if len(data) == 1 else np.concatenate(data))

    def plus(self, other: Rows) -> Rows:
        """The sum."""
        a, b = self.pattern, other.pattern
        if a is b:
            return self.like(a, None if self.data is None else self.data + other.data)
        union = a.union(b)
        pattern = union.pattern(a, b)
        if self.data is None:
            return self.like(pattern, None)
        if not issubclass(type(self.data), np.ndarray) or not issubclass(type(other.data), np.ndarray):
            return self.like(pattern, _placed(self, union, 1, pattern) + _placed(other, union, 2, pattern))
        base, more, of_base, of_more = (other, self, 2, 1) if pattern is b else (self, other, 1, 2)
        total = _placed(base, union, of_base, pattern, np.result_type(self.data, other.data))
        total[union.places(of_more)] += more.data
        return self.like(pattern, total)

    def within(self, pattern: Pattern) -> tuple[Any, Any]:
        """The values at the entries of another pattern, and which entries of these rows it lacks (None: none)."""
        here = self.pattern
        union = pattern.union(here)
        full = union.pattern(pattern, here)
        if full is not pattern:
            return _placed(self, union, 2, full)[union.places(1)], union.missing(2)
        return self.data if here.size == pattern.size else _placed(self, union, 2, full), None

    def collected(self, target: Any, rows: int) -> Rows:
        """A matrix of ``rows`` rows, with row i added into row ``target[i]``."""
        pattern = self.pattern
        total = _summed(target[pattern.row_of_entries()], pattern.indices, self.data, (rows, pattern.columns))
        return self.like(total.pattern, total.data)

    def as_array(self) -> Any:
        """A ``scipy.sparse.csr_array`` that shares memory with the rows; boolean if there is only a pattern."""
        pattern = self.pattern
        data = np.ones(pattern.size, bool) if self.data is None else self.data
        if not issubclass(type(data), np.ndarray):
            raise TypeError("a scipy.sparse array holds plain values and cannot store tangents of nested derivatives")
        return pattern.as_array(data)


class Buffer:
    """The rows of an array that is written in place, possibly one element at a time.

    Written rows are collected in a pool, with the index of the current row of each element; they are combined when the
    rows are read.
    """

    __slots__ = ("owner", "pool", "starts")

    def __init__(self, rows: Rows) -> None:
        self._start(rows)

    def _start(self, rows: Rows) -> None:
        self.pool = [rows]
        self.starts = [0]
        # For each element, the index of its row in the pool; -1: no dependence.
        self.owner: Any = np.arange(rows.pattern.rows)

    def write(self, places: Any, source: Rows | None, index: Any) -> None:
        """Set the elements at ``places`` to the rows ``index`` of the source (None: no dependence)."""
        if source is None:
            self.owner[places] = -1
            return
        start = self.starts[-1] + self.pool[-1].pattern.rows
        if start > 4 * len(self.owner) + 64:
            self.settled()
            start = len(self.owner)
        self.owner[places] = start + index
        self.pool.append(source)
        self.starts.append(start)

    def settled(self) -> Rows:
        """The current rows."""
        if len(self.pool) > 1 or (len(self.owner) and self.owner.min() < 0):
            self._start(type(self.pool[0]).joined(self.pool).chosen(self.owner))
        return self.pool[0]

    def row(self, i: int) -> Rows:
        """The current row i."""
        index = int(self.owner[i])
        if index < 0:
            first = self.pool[0]
            return first.like(Pattern.empty(1, first.pattern.columns), None if first.data is None else first.data[:0])
        which = bisect_right(self.starts, index) - 1
        return self.pool[which].row(index - self.starts[which])


class Sparse(TangentSpace):
    """Tangents along all inputs at once, as sparse rows.

    With ``pattern_only``, only patterns are computed, and no values.
    """

    __slots__ = ("_indices", "_memory", "columns", "pattern_only")

    follows = True

    def __init__(
        self,
        tag: int,
        columns: int,
        conjugates: str = "allowed",
        pattern_only: bool = False,
        memory: Memory | None = None,
    ) -> None:
        super().__init__(tag, conjugates)
        self.columns, self.pattern_only = columns, pattern_only
        self._memory = memory or Memory()
        self._indices: dict[Shape, Any] = {}

    def _arguments(self) -> tuple[Any, ...]:
        return self.tag, self.columns, self.conjugates, self.pattern_only

    def _flat_indices(self, shape: Shape) -> Any:
        """The flat indices of the elements of an array of this shape."""
        indices = self._indices.get(shape)
        if indices is None:
            if len(self._indices) >= FEW_PATTERNS:
                self._indices.clear()
            indices = self._indices[shape] = np.arange(math.prod(shape)).reshape(shape)
        return indices

    def _shared(self, rows: Rows) -> Rows:
        """The rows, with a known pattern if there is an equal one."""
        if rows.pattern.rows < 2:
            return rows
        pattern = self._memory.same(rows.pattern)
        return rows if pattern is rows.pattern else rows.like(pattern, rows.data)

    def seed(self, first: int, size: int, dtype: Any) -> Rows:
        """The tangent of the inputs ``first`` to ``first + size``."""
        indices = np.arange(first, first + size, dtype=index_dtype(self.columns))
        pattern = Pattern.regular(indices[:, None], self.columns)
        return self._shared(Rows(pattern, None if self.pattern_only else np.ones(size, dtype)))

    def empty(self, rows: int, dtype: Any) -> Rows:
        """The tangent of constants."""
        return Rows(Pattern.empty(rows, self.columns), None if self.pattern_only else np.zeros(0, dtype))

    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, constant: bool = False) -> Rows:
        rows: Rows = t.settled()
        if shape != out_shape:
            rows = self._shared(rows.chosen(np.broadcast_to(self._flat_indices(shape), out_shape).reshape(-1)))
        if rows.data is None:
            return rows
        if not getattr(c, "ndim", 0):
            return rows.with_data(product(c, rows.data, False, constant))
        c = (c if c.shape == out_shape else np.broadcast_to(c, out_shape)).reshape(-1)
        pattern = rows.pattern
        if pattern.width == 1:
            return rows.with_data(product(c, rows.data, False, constant))
        if pattern.width < 0:
            return rows.with_data(product(np.repeat(c, pattern.counts), rows.data, False, constant))
        table = rows.data.reshape((pattern.rows, pattern.width))
        return rows.with_data(product(c.reshape((-1, 1)), table, False, constant).reshape(-1))

    def add(self, terms: Sequence[Tangent], shape: Shape) -> Rows:
        total: Rows = terms[0].settled()
        for term in terms[1:]:
            total = self._shared(total.plus(term.settled()))
        return total

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Rows:
        if self.follows and structure.broadcasts and len(sources) > 1:
            return self._chosen(sources, structure, shapes, out_shape)
        parts = [
            self.empty(math.prod(shape), float) if t is None else t.settled()
            for t, shape in zip(sources, shapes, strict=True)
        ]
        rows = parts[0] if len(parts) == 1 else self._shared(type(parts[0]).joined(parts))
        index = np.reshape(structure.index(shapes), -1) - 1
        identity = self._flat_indices((rows.pattern.rows,))
        if outline(index) == outline(identity) and np.array_equal(index, identity):
            return rows
        return self._shared(rows.chosen(index))

    @quietly
    def _chosen(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Rows:
        """The sum of the sources, each times 1 where it was chosen and 0 elsewhere: another x may choose otherwise."""
        index, start, terms = structure.index(shapes), 1, []
        for t, shape in zip(sources, shapes, strict=True):
            stop = start + math.prod(shape)
            if t is not None:
                terms.append(self.scale(t, (index >= start) & (index < stop), shape, out_shape, True))
            start = stop
        return self.add(terms, out_shape)

    def scatter(self, t: Tangent, structure: Structure, shape: Shape, out_shape: Shape) -> Rows:
        rows: Rows = t.settled()
        return self._shared(rows.collected(np.reshape(structure.index([out_shape]), -1) - 1, math.prod(out_shape)))

    def put(
        self, target: Tangent | None, source: Tangent | None, key: Any, shape: Shape, source_shape: Shape, like: Any
    ) -> Buffer | None:
        if target is None:
            if source is None:
                return None
            target = self.own(None, like)
        places = self._flat_indices(shape)[key]
        index: Any = 0
        if source is not None and source_shape:
            # In NumPy the assigned array may have extra leading axes of length 1.
            extra = max(len(source_shape) - np.ndim(places), 0)
            index = np.broadcast_to(self._flat_indices(source_shape[extra:]), np.shape(places))
        target.write(places, None if source is None else source.settled(), index)
        return target

    def sum(self, t: Tangent, axes: Shape, shape: Shape, out_shape: Shape) -> Rows:
        rows: Rows = t.settled()
        kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
        if kept == shape:
            return rows
        pattern, size = rows.pattern, math.prod(out_shape)
        if pattern.alike:
            data = None
            if rows.data is not None:
                data = np.sum(rows.data.reshape((*shape, pattern.width)), axis=axes).reshape(-1)
            return rows.like(pattern.chosen(np.zeros(size, np.intp))[0], data)
        return self._shared(rows.collected(np.broadcast_to(self._flat_indices(kept), shape).reshape(-1), size))

    def contract(self, t: Tangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> Rows:
        rows: Rows = t.settled()
        pattern = rows.pattern
        if pattern.alike:
            data = None
            if rows.data is not None:
                columns = np.moveaxis(rows.data.reshape((*shape, pattern.width)), -1, 0)
                data = np.moveaxis(linear(columns), 0, -1).reshape(-1)
            return rows.like(pattern.chosen(np.zeros(math.prod(out_shape), np.intp))[0], data)
        result = _multiplied(linear.entries(), rows, math.prod(out_shape))
        return self._shared(rows.like(result.pattern, result.data))

    def conj(self, t: Tangent, part: str, shape: Shape) -> Rows:
        rows: Rows = t.settled()
        return rows if rows.data is None else rows.with_data(getattr(np, part)(rows.data))

    def cast(self, t: Tangent, dtype: Any, shape: Shape) -> Tangent:
        rows = t.settled()
        if rows.data is None or rows.data.dtype == dtype:
            return t
        data = rows.data
        if data.dtype.kind == "c" and np.dtype(dtype).kind != "c":
            data = np.real(data)
        return rows.with_data(data.astype(dtype))

    def read(self, t: Tangent | None, value: Any, others: Sequence[Any] | None = None) -> Any:
        size, dtype = math.prod(getattr(value, "shape", ())), getattr(plain(value), "dtype", float)
        return (self.empty(size, dtype) if t is None else t.settled()).as_array()

    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        rows: Rows = t.settled()
        pattern = rows.pattern
        mask = pattern.counts == 0
        if rows.data is not None and pattern.size:
            is_zero = np.broadcast_to(zero_mask(rows.data), pattern.size)
            mask = np.bincount(pattern.row_of_entries(), ~is_zero, pattern.rows) == 0
        return mask.reshape(shape) if shape else bool(mask[0])

    def unknown(self, t: Tangent, mask: Any, shape: Shape, value: Any = None) -> Rows:
        rows: Rows = t.settled()
        if rows.data is None:
            return rows
        return rows.with_data(undefined(np.reshape(mask, -1)[rows.pattern.row_of_entries()], rows.data))

    def may_have_nan(self, t: Tangent) -> bool:
        rows: Rows = t.settled()
        return rows.data is not None and may_have_nan(rows.data)

    def own(self, t: Tangent | None, like: Any) -> Buffer:
        like = plain(like)
        return Buffer(self.empty(like.size, like.dtype) if t is None else t.settled())

    def varying(self, value: Any) -> Any:
        value = plain(value)
        return self.empty(np.size(value), np.result_type(value))

    def aliases(self, t: Tangent, source: Tangent) -> bool:
        return t is source and isinstance(t, Buffer)

    def element(self, t: Tangent, index: Any, shape: Shape) -> Rows:
        return t.row(int(self._flat_indices(shape)[index]))  # type: ignore[no-any-return]


def _placed(rows: Rows, union: Union, which: int, pattern: Pattern, dtype: Any = None) -> Any:
    """A new array of the values of one operand of a union, zero where it has no entries."""
    data = rows.data
    if pattern is rows.pattern:
        return data if dtype is None else data.astype(dtype)
    array = np.zeros_like(data, dtype, shape=(pattern.size,))
    array[union.places(which)] = data
    return array


def _summed(rows: Any, columns: Any, data: Any, shape: tuple[int, int]) -> Rows:
    """The rows of a matrix given by entries in any order; repeated entries are added."""
    pattern, order, starts = Pattern.of_entries(rows, columns, shape)
    if data is None or not len(order):
        return Rows(pattern, data)
    data = data[order]
    if starts is None:
        return Rows(pattern, data)
    if issubclass(type(data), np.ndarray):
        return Rows(pattern, np.add.reduceat(data, starts))
    is_start = np.zeros(len(order), np.intp)
    is_start[starts[1:]] = 1
    return Rows(pattern, accumulated(np.cumsum(is_start), data, (len(starts),)))


def _multiplied(entries: tuple[Any, Any, Any], t: Rows, rows: int) -> Rows:
    """The product of a sparse matrix, given by the rows, columns and values of its entries, and a tangent."""
    of_row, of_column, c = entries
    pattern = t.pattern
    counts = pattern.counts[of_column]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    if total > MANY and (t.data is None or (issubclass(type(t.data), np.ndarray) and issubclass(type(c), np.ndarray))):
        return _multiplied_by_scipy(entries, t, rows)
    which = np.repeat(np.arange(len(of_column)), counts)
    places = np.arange(total) + np.repeat(pattern.indptr[of_column] - (ends - counts), counts)
    data = None if t.data is None else product(c[which], t.data[places])
    return _summed(of_row[which], pattern.indices[places], data, (rows, pattern.columns))


def _multiplied_by_scipy(entries: tuple[Any, Any, Any], t: Rows, rows: int) -> Rows:
    """The same for large matrices of plain values."""
    of_row, of_column, c = entries
    pattern = t.pattern
    shape = rows, pattern.rows
    # SciPy drops entries that cancel, so the pattern is computed by a product of ones.
    ones = Rows(pattern, np.ones(pattern.size, np.int64)).as_array()
    both = scipy_sparse().coo_array((np.ones(len(of_row), np.int64), (of_row, of_column)), shape=shape).tocsr() @ ones
    both.sort_indices()
    full = Pattern(both.indptr, both.indices, pattern.columns)
    if t.data is None:
        return Rows(full, None)
    matrix = scipy_sparse().coo_array((c, (of_row, of_column)), shape=shape).tocsr() @ t.as_array()
    matrix.sort_indices()
    if matrix.nnz == full.size:
        return Rows(full, matrix.data)
    data = np.zeros(full.size, matrix.dtype)
    data[full.union(Pattern(matrix.indptr, matrix.indices, pattern.columns)).places(2)] = matrix.data
    return Rows(full, data)
