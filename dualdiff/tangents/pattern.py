"""Sparsity patterns in CSR form: selection of rows, concatenation, union.

Tangents that depend on the same inputs share one `Pattern` object, so that their sum is the sum of their data arrays.
Patterns are compared by identity, and the results of operations on them are cached for as long as they are alive.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.base.extras import load

#: Below this number of entries, sorting keys is faster than a SciPy matrix with its overhead.
FEW = 4000
#: The number of patterns kept alive within a pass, and the number of entries kept alive between passes.
FEW_PATTERNS = 8
MANY_ENTRIES = 2**24


def scipy_sparse() -> Any:
    """SciPy's sparse arrays."""
    return load("scipy.sparse", "scipy", "a sparse derivative")


class Pattern:
    """The columns of the entries in each row i: ``indices[indptr[i]:indptr[i + 1]]``, sorted, without repetitions.

    Immutable.
    """

    __slots__ = ("__weakref__", "_alike", "_chosen", "_single", "_unions", "_width", "columns", "indices", "indptr")

    def __init__(self, indptr: Any, indices: Any, columns: int, width: int | None = None) -> None:
        self.indptr, self.indices, self.columns = indptr, indices, columns
        self._width = width
        self._alike: bool | None = None
        self._single: Any = None
        self._chosen: Any = None
        self._unions: Any = None

    @classmethod
    def regular(cls, indices: Any, columns: int) -> Pattern:
        """A pattern with the same number of entries in each row: row i of ``indices`` has the columns of row i."""
        rows, width = indices.shape
        dtype = index_dtype(max(columns, rows * width))
        indptr = np.arange(rows + 1, dtype=dtype) * dtype(width)
        return cls(indptr, indices.reshape(-1).astype(dtype, copy=False), columns, width)

    @classmethod
    def empty(cls, rows: int, columns: int) -> Pattern:
        """A pattern without entries."""
        return cls.regular(np.empty((rows, 0), index_dtype(columns)), columns)

    @classmethod
    def of_entries(cls, rows: Any, columns: Any, shape: tuple[int, int]) -> tuple[Pattern, Any, Any]:
        """The pattern of entries in any order, with repetitions; the order that sorts them; the start of each new one.

        The starts are None if no entry is repeated.
        """
        keys = np.asarray(rows, np.int64) * shape[1] + columns
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        is_new = np.empty(len(keys), bool)
        is_new[:1] = True
        np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
        starts = None
        if not is_new.all():
            starts = np.flatnonzero(is_new)
            keys = keys[starts]
        return cls.of_keys(keys, shape), order, starts

    @classmethod
    def of_keys(cls, keys: Any, shape: tuple[int, int]) -> Pattern:
        """The pattern of entries given by the keys ``row * columns + column``, sorted, without repetitions."""
        dtype = index_dtype(max(shape[1], len(keys)))
        if shape[0] == 1:
            return cls(np.array([0, len(keys)], dtype), keys.astype(dtype, copy=False), shape[1], len(keys))
        rows, indices = np.divmod(keys, max(shape[1], 1))
        indptr = np.zeros(shape[0] + 1, dtype)
        np.cumsum(np.bincount(rows, minlength=shape[0]), out=indptr[1:])
        return cls(indptr, indices.astype(dtype, copy=False), shape[1])

    def __reduce__(self) -> Any:
        return Pattern, (self.indptr, self.indices, self.columns, self._width)

    def copy(self) -> Pattern:
        """The same pattern with copies of its arrays."""
        return Pattern(self.indptr.copy(), self.indices.copy(), self.columns, self._width)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.indptr) - 1

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self.indices)

    @property
    def counts(self) -> Any:
        """The number of entries in each row."""
        return self.indptr[1:] - self.indptr[:-1]

    @property
    def width(self) -> int:
        """The number of entries that every row has; -1 if rows differ."""
        if self._width is None:
            counts = self.counts
            width = int(counts[0]) if len(counts) else 0
            self._width = width if self.size == width * len(counts) and (counts == width).all() else -1
        return self._width

    @property
    def alike(self) -> bool:
        """Whether all rows have the same columns, at least one."""
        if self._alike is None:
            width = self.width
            table = self.indices.reshape(-1, width) if width > 0 and self.rows else None
            self._alike = table is not None and np.array_equal(table[0], table[-1]) and bool((table == table[0]).all())
        return self._alike

    def row_of_entries(self) -> Any:
        """The row of each entry."""
        if self.width >= 0:
            return np.repeat(np.arange(self.rows), self.width)
        return np.repeat(np.arange(self.rows), self.counts)

    def by_columns(self) -> tuple[list[int], list[int]]:
        """The rows of the entries, column by column, and where each column starts (CSC form)."""
        order = np.argsort(self.indices, kind="stable")
        starts = np.searchsorted(self.indices[order], np.arange(self.columns + 1))
        return self.row_of_entries()[order].tolist(), starts.tolist()

    def keys(self) -> Any:
        """The entries as keys ``row * columns + column``, in increasing order."""
        if self.rows == 1:
            return self.indices
        return self.row_of_entries() * np.int64(self.columns) + self.indices

    def as_array(self, data: Any) -> Any:
        """A ``scipy.sparse.csr_array`` with this pattern and these data, which shares their memory."""
        if data.dtype == np.float16:
            # SciPy's sparse arrays do not support it.
            data = data.astype(np.float32)
        matrix = scipy_sparse().csr_array((data, self.indices, self.indptr), shape=(self.rows, self.columns))
        matrix.has_canonical_format = True
        return matrix

    # -- selecting rows --------------------------------------------------------------------------------------------

    def row(self, i: int) -> Pattern:
        """The pattern of row i: the same object for all callers, as long as one of them keeps it alive."""
        if self._single is None:
            self._single = weakref.WeakValueDictionary()
        row = self._single.get(i)
        if row is None:
            indices = self.indices[self.indptr[i] : self.indptr[i + 1]]
            row = self._single[i] = Pattern.regular(indices[None], self.columns)
        return row  # type: ignore[no-any-return]

    def chosen(self, index: Any) -> tuple[Pattern, Any]:
        """The pattern of the rows with these indices (-1: an empty row), and the places of its entries in this one.

        The places are None if all rows have the same number of entries, so that whole rows can be taken.
        """
        width = self.width
        missing = len(index) > 0 and index.min() < 0
        if width >= 0 and not missing:
            places = None
        else:
            starts = self.indptr[index]
            counts = self.indptr[index + 1] - starts
            if missing:
                counts[index < 0] = 0
            indptr = np.zeros(len(index) + 1, self.indptr.dtype)
            np.cumsum(counts, out=indptr[1:])
            places = np.repeat(starts - indptr[:-1], counts) + np.arange(indptr[-1])
        chosen = self._remembered(index)
        if chosen is None:
            if places is None:
                chosen = Pattern.regular(self.indices.reshape((self.rows, width))[index], self.columns)
            else:
                chosen = Pattern(indptr, self.indices[places], self.columns)
            self._remember(index, chosen)
        return chosen, places

    def _remembered(self, index: Any) -> Pattern | None:
        for known, reference in (self._chosen or {}).get(outline(index), ()):
            pattern = reference()
            if pattern is not None and np.array_equal(known, index):
                return pattern  # type: ignore[no-any-return]
        return None

    def _remember(self, index: Any, pattern: Pattern) -> None:
        if self._chosen is None:
            self._chosen = {}
        known = outline(index)
        alive = [pair for pair in self._chosen.get(known, ()) if pair[1]() is not None]
        self._chosen[known] = [*alive, (index, weakref.ref(pattern))]

    # -- combining patterns ------------------------------------------------------------------------------------------

    @staticmethod
    def joined(patterns: Sequence[Pattern]) -> Pattern:
        """The rows of several patterns, concatenated."""
        if len(patterns) == 1:
            return patterns[0]
        columns = patterns[0].columns
        size = sum(p.size for p in patterns)
        dtype = index_dtype(max(columns, size))
        starts = np.cumsum([0, *(p.size for p in patterns)])
        indptr = np.concatenate(
            [*(p.indptr[:-1] + s for p, s in zip(patterns, starts[:-1].tolist(), strict=True)), starts[-1:]]
        )
        indices = np.concatenate([p.indices for p in patterns])
        width = patterns[0].width if len({p.width for p in patterns}) == 1 and patterns[0].width >= 0 else None
        return Pattern(indptr.astype(dtype, copy=False), indices.astype(dtype, copy=False), columns, width)

    def union(self, other: Pattern) -> Union:
        """The union of the entries."""
        if self._unions is None:
            self._unions = weakref.WeakKeyDictionary()
        known = self._unions.get(other)
        if known is None:
            known = self._unions[other] = self._merged(other)
        return known  # type: ignore[no-any-return]

    def _merged(self, other: Pattern) -> Union:
        shape = self.rows, self.columns
        if self.size + other.size < FEW:
            keys = np.concatenate([self.keys(), other.keys()])
            marks = np.empty(len(keys), np.int8)
            marks[: self.size], marks[self.size :] = 1, 2
            order = keys.argsort(kind="stable")
            keys, marks = keys[order], marks[order]
            again = keys[1:] == keys[:-1]
            marks[:-1][again] = 3
            is_new = np.ones(len(keys), bool)
            np.logical_not(again, out=is_new[1:])
            return Union(self, other, Pattern.of_keys(keys[is_new], shape), marks[is_new])
        both = self.as_array(np.full(self.size, 1, np.int8)) + other.as_array(np.full(other.size, 2, np.int8))
        return Union(self, other, Pattern(both.indptr, both.indices, self.columns), both.data)


class Union:
    """The union of two patterns, and the places of the entries of each in it.

    If one of the two contains the other, the union is that same object, so that later additions hit the cache.
    """

    __slots__ = ("_marks", "_new", "_places")

    def __init__(self, a: Pattern, b: Pattern, union: Pattern, marks: Any) -> None:
        # The marks say which pattern has an entry: 1 only the first, 2 only the second, 3 both.  There is no reference
        # to the two patterns, because this object is cached in one of them.
        self._marks = marks
        self._new = None if union.size in (a.size, b.size) else union
        self._places: dict[int, Any] = {}

    def pattern(self, a: Pattern, b: Pattern) -> Pattern:
        """The union, given the same two patterns."""
        if self._new is not None:
            return self._new
        return a if len(self._marks) == a.size else b

    def places(self, which: int) -> Any:
        """The places of the entries of pattern 1 or 2 in the union."""
        places = self._places.get(which)
        if places is None:
            places = self._places[which] = np.flatnonzero(self._marks != 3 - which)
        return places

    def missing(self, which: int) -> Any:
        """Which entries of pattern 1 or 2 are missing in the other one."""
        return self._marks[self.places(which)] == which


class Memory:
    """Keeps patterns alive, and with them the results cached in them.

    Within one pass, the last few patterns are enough.  A ``lasting`` memory keeps all of them and identifies equal
    ones, so that another pass along the same path only looks up structures.
    """

    def __init__(self, lasting: bool = False) -> None:
        self._lasting = lasting
        self._recent: deque[Pattern] = deque(maxlen=FEW_PATTERNS)
        self._known: dict[tuple[int, ...], list[Pattern]] = {}
        self._entries = 0

    def same(self, pattern: Pattern) -> Pattern:
        """A known pattern equal to this one; otherwise this one, which is known from now on."""
        if not self._lasting:
            if pattern not in self._recent:
                self._recent.append(pattern)
            return pattern
        known = self._known.setdefault((pattern.rows, pattern.columns, *outline(pattern.indices)), [])
        for other in known:
            if other is pattern or (
                np.array_equal(other.indptr, pattern.indptr) and np.array_equal(other.indices, pattern.indices)
            ):
                return other
        if self._entries + pattern.size <= MANY_ENTRIES:
            self._entries += pattern.size
            known.append(pattern)
        return pattern


def outline(a: Any) -> tuple[int, ...]:
    """A cheap key for an array: its length and a few of its elements."""
    n = len(a)
    return (n, *a[[0, n // 3, n // 2, n - 1]].tolist()) if n else (0,)


def index_dtype(largest: int) -> Any:
    """The dtype of indices, chosen as in SciPy."""
    return np.int32 if largest < 2**31 - 1 else np.int64
