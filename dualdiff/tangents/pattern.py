"""Which entries the rows of a sparse matrix have (CSR form), and how patterns are joined, chosen from and merged.

Tangents that depend on the same inputs share one `Pattern` object, so that adding them is adding their numbers:
whether two patterns are the same is asked by identity, and what was worked out for two patterns (or a pattern and a
choice of rows) is kept with them as long as they live.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.base.extras import load

#: Below so many entries sorting keys is faster than the overhead of a SciPy matrix.
FEW = 4000
#: So many patterns are kept alive within a pass, and so many entries from pass to pass.
FEW_PATTERNS = 8
MANY_ENTRIES = 2**24


def scipy_sparse() -> Any:
    """SciPy's sparse arrays."""
    return load("scipy.sparse", "scipy", "a sparse derivative")


class Pattern:
    """The columns of each row: ``indices[indptr[i]:indptr[i + 1]]``, sorted and each once.

    Never changed once it is made.
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
        """A pattern with as many entries in every row: ``indices`` has a row for each."""
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
        """The pattern of entries in any order, with repetitions; the order that sorts them; where each new one starts.

        The starts are None where no entry is repeated.
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
        """The pattern of entries known by ``row * columns + column``, sorted and each once."""
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
        """The same pattern on memory of its own."""
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
        """How many entries each row has."""
        return self.indptr[1:] - self.indptr[:-1]

    @property
    def width(self) -> int:
        """How many entries every row has; -1 if they differ."""
        if self._width is None:
            counts = self.counts
            width = int(counts[0]) if len(counts) else 0
            self._width = width if self.size == width * len(counts) and (counts == width).all() else -1
        return self._width

    @property
    def alike(self) -> bool:
        """Whether all rows have the same columns, and some."""
        if self._alike is None:
            width = self.width
            table = self.indices.reshape(-1, width) if width > 0 and self.rows else None
            self._alike = table is not None and np.array_equal(table[0], table[-1]) and bool((table == table[0]).all())
        return self._alike

    def row_of_entries(self) -> Any:
        """The row that each entry is in."""
        if self.width >= 0:
            return np.repeat(np.arange(self.rows), self.width)
        return np.repeat(np.arange(self.rows), self.counts)

    def by_columns(self) -> tuple[list[int], list[int]]:
        """The rows of each column, one column after the other, and where each begins."""
        order = np.argsort(self.indices, kind="stable")
        starts = np.searchsorted(self.indices[order], np.arange(self.columns + 1))
        return self.row_of_entries()[order].tolist(), starts.tolist()

    def keys(self) -> Any:
        """The entries as numbers ``row * columns + column``, in increasing order."""
        if self.rows == 1:
            return self.indices
        return self.row_of_entries() * np.int64(self.columns) + self.indices

    def as_array(self, data: Any) -> Any:
        """A ``scipy.sparse.csr_array`` with this pattern and these numbers, on the same memory."""
        if data.dtype == np.float16:
            # SciPy's sparse arrays do not compute with it.
            data = data.astype(np.float32)
        matrix = scipy_sparse().csr_array((data, self.indices, self.indptr), shape=(self.rows, self.columns))
        matrix.has_canonical_format = True
        return matrix

    # -- choosing rows ---------------------------------------------------------------------------------------------

    def row(self, i: int) -> Pattern:
        """Row i alone: the same object for each who asks, as long as one has it."""
        if self._single is None:
            self._single = weakref.WeakValueDictionary()
        found = self._single.get(i)
        if found is None:
            indices = self.indices[self.indptr[i] : self.indptr[i + 1]]
            found = self._single[i] = Pattern.regular(indices[None], self.columns)
        return found  # type: ignore[no-any-return]

    def chosen(self, index: Any) -> tuple[Pattern, Any]:
        """The pattern of the rows with these numbers (-1: an empty row), and where their entries are in this one.

        The places are None where every row has as many entries, so that whole rows can be taken.
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
        found = self._remembered(index)
        if found is None:
            if places is None:
                found = Pattern.regular(self.indices.reshape((self.rows, width))[index], self.columns)
            else:
                found = Pattern(indptr, self.indices[places], self.columns)
            self._remember(index, found)
        return found, places

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

    # -- putting patterns together -----------------------------------------------------------------------------------

    @staticmethod
    def joined(patterns: Sequence[Pattern]) -> Pattern:
        """The rows of several patterns, one after the other."""
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
        """The entries of both."""
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
    """The union of two patterns, and where the entries of each are in it.

    If one of the two has all entries of the other it is the union itself, so that the next addition meets it again.
    """

    __slots__ = ("_found", "_marks", "_places")

    def __init__(self, a: Pattern, b: Pattern, found: Pattern, marks: Any) -> None:
        # The marks say whose each entry is: 1 of the first alone, 2 of the second alone, 3 of both.  The two patterns
        # themselves are not kept: the cache lives in one of them.
        self._marks = marks
        self._found = None if found.size in (a.size, b.size) else found
        self._places: dict[int, Any] = {}

    def pattern(self, a: Pattern, b: Pattern) -> Pattern:
        """The union, given the two patterns again."""
        if self._found is not None:
            return self._found
        return a if len(self._marks) == a.size else b

    def places(self, which: int) -> Any:
        """The places of the entries of pattern 1 or 2."""
        found = self._places.get(which)
        if found is None:
            found = self._places[which] = np.flatnonzero(self._marks != 3 - which)
        return found

    def missing(self, which: int) -> Any:
        """Which entries of pattern 1 or 2 the other one lacks."""
        return self._marks[self.places(which)] == which


class Memory:
    """Keeps patterns alive, so that what was worked out for them is found again.

    In one pass it is enough to keep the last few.  A ``lasting`` memory keeps all, and tells which are alike, so that
    another pass along the same path only has to look structures up.
    """

    def __init__(self, lasting: bool = False) -> None:
        self._lasting = lasting
        self._recent: deque[Pattern] = deque(maxlen=FEW_PATTERNS)
        self._known: dict[tuple[int, ...], list[Pattern]] = {}
        self._entries = 0

    def same(self, pattern: Pattern) -> Pattern:
        """A known pattern like this one, or this one, known from now on."""
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
    """A few numbers that tell most arrays apart."""
    n = len(a)
    return (n, *a[[0, n // 3, n // 2, n - 1]].tolist()) if n else (0,)


def index_dtype(largest: int) -> Any:
    """The dtype of indices: what SciPy would take."""
    return np.int32 if largest < 2**31 - 1 else np.int64
