"""Sparse arrays and matrices whose stored elements are duals, at positions that are fixed.

The positions are those of one of SciPy's objects.  What only moves elements is done by SciPy's own functions, on a
matrix of the numbers of the elements; what adds them up is a product with a sparse matrix of ones.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import lost, no_rule
from dualdiff.base.extras import load
from dualdiff.base.public import shown_in
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.scipy.sparse_solving import Entries
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.solving.equations import revalued

_scipy = load("scipy.sparse", "scipy", "dualdiff.scipy.sparse")
#: The formats whose elements are stored in one array.
STORED = ("csr", "csc", "coo", "dia", "bsr")


def with_data(plain: Any, data: Any) -> Any:
    """SciPy's matrix with the positions of another and with these elements."""
    if plain.format == "coo":
        return type(plain)((data, plain.coords), shape=plain.shape)
    if plain.format == "dia":
        return type(plain)((data, plain.offsets), shape=plain.shape)
    # SciPy sorts indices that are not in order, and the data with them, in place.
    is_sorted = plain.has_sorted_indices if plain.format == "bsr" else plain.has_canonical_format
    return type(plain)((data, plain.indices, plain.indptr), shape=plain.shape, copy=not is_sorted)


def entries_of(plain: Any) -> Entries:
    """The positions of the elements of a matrix in the order in which they are stored."""
    coordinates = plain.tocoo(copy=False)
    return Entries(coordinates.row, coordinates.col, plain.shape)


@shown_in("dualdiff.scipy.sparse")
class DualSparse:
    """A sparse array or matrix whose elements are duals; the functions of ``dualdiff.scipy.sparse`` make it.

    It has the attributes and methods of SciPy's object with the same positions, as far as they have derivatives.
    Elements that are zero stay stored, because their derivatives may not vanish.
    """

    __slots__ = ("_entries", "_positions", "data")

    #: Leave operators with arrays to this class.
    __array_ufunc__ = None
    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, positions: Any, data: Any) -> None:
        self._positions, self.data = positions, data
        self._entries: Entries | None = None

    @classmethod
    def of(cls, plain: Any) -> DualSparse:
        """The matrix with the positions and elements of SciPy's."""
        stored = plain if plain.format in STORED else plain.tocsr()
        return cls(stored, data_of(stored))

    def held_duals(self) -> list[AnyDual]:
        """The array of its elements, if these are duals."""
        return [self.data] if isinstance(self.data, AnyDual) else []

    @property
    def plain(self) -> Any:
        """SciPy's object with the plain values."""
        return with_data(self._positions, plain_values(self.data))

    @property
    def entries(self) -> Entries:
        """The positions of the elements, of a matrix in a format where these are coordinates."""
        if self._entries is None:
            self._entries = entries_of(with_data(self._positions, np.ones(self.data.shape)))
        return self._entries

    def __repr__(self) -> str:
        return f"<{type(self._positions).__name__} of duals, shape {self.shape}, {self.nnz} stored elements>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(self._positions, name):
            raise AttributeError(f"a {type(self._positions).__name__} of duals has no attribute {name!r}")
        if name in _OF_POSITIONS:
            return getattr(self._positions, name)
        raise no_rule(f"scipy.sparse.{type(self._positions).__name__}.{name}", " (that of toarray() may have one)")

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    @property
    def is_matrix(self) -> bool:
        """Whether ``*`` is the matrix product."""
        return bool(_scipy.isspmatrix(self._positions))

    def __len__(self) -> int:
        raise TypeError("sparse array length is ambiguous; use getnnz()")

    def __bool__(self) -> bool:
        return bool(self.plain)

    # -- what moves elements -----------------------------------------------------------------------------------------
    def asformat(self, format: Any, copy: bool = False) -> Any:
        """The same matrix in another format."""
        return self.copy() if format is None and copy else structurally(lambda a: a.asformat(format, copy), self)

    def tobsr(self, *args: Any, **options: Any) -> Any:
        return structurally(lambda a: a.tobsr(*args, **options), self)

    def tocoo(self, *args: Any, **options: Any) -> Any:
        return structurally(lambda a: a.tocoo(*args, **options), self)

    def tocsc(self, *args: Any, **options: Any) -> Any:
        return structurally(lambda a: a.tocsc(*args, **options), self)

    def tocsr(self, *args: Any, **options: Any) -> Any:
        return structurally(lambda a: a.tocsr(*args, **options), self)

    def todia(self, *args: Any, **options: Any) -> Any:
        return structurally(lambda a: a.todia(*args, **options), self)

    def copy(self) -> Any:
        return DualSparse(self._positions.copy(), np.copy(self.data))

    def transpose(self, axes: Any = None, copy: bool = False) -> Any:
        """The transposed matrix."""
        return structurally(lambda a: a.transpose(axes, copy), self)

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def mT(self) -> Any:
        return self.transpose()

    def reshape(self, *shape: Any, **options: Any) -> Any:
        return structurally(lambda a: a.reshape(*shape, **options), self)

    def __getitem__(self, key: Any) -> Any:
        return structurally(lambda a: a[key], self.asformat("csr") if self.format in ("coo", "dia", "bsr") else self)

    def toarray(self, order: Any = None, out: Any = None) -> Any:
        """The dense array."""
        if out is not None:
            raise no_rule("scipy.sparse: toarray of duals with out=")
        return revalued(structurally(lambda a: a.toarray(), self), self.plain.toarray())

    def todense(self, order: Any = None, out: Any = None) -> Any:
        """The dense array, also of a matrix."""
        return self.toarray(order, out)

    def diagonal(self, k: int = 0) -> Any:
        """The elements of a diagonal."""
        return structurally(lambda a: a.diagonal(k), self)

    def sum_duplicates(self) -> None:
        """Add up the elements that stand in one place."""
        summed = canonical(self)
        self._positions, self.data, self._entries = summed._positions, summed.data, None

    # -- what acts on each element -----------------------------------------------------------------------------------
    def _mapped(self, function: Callable[[Any], Any]) -> Any:
        """The matrix with a function of its elements, which is zero at zero."""
        a = canonical(self)
        result = DualSparse(a._positions, function(a.data))
        result._entries = a._entries
        return result

    def _linear(self, function: Callable[[Any], Any]) -> Any:
        """The matrix with a function of its elements that may be taken before they are added up."""
        return DualSparse(self._positions.copy(), function(self.data))

    def __neg__(self) -> Any:
        return self._linear(operator.neg)

    def __abs__(self) -> Any:
        return self._mapped(np.abs)

    def conj(self, copy: bool = True) -> Any:
        return self._linear(np.conjugate) if copy or self.dtype.kind == "c" else self

    conjugate = conj

    @property
    def H(self) -> Any:
        return self.conj().transpose()

    @property
    def real(self) -> Any:
        return self._linear(np.real)

    @property
    def imag(self) -> Any:
        return self._linear(np.imag)

    def astype(self, dtype: Any, casting: Any = "unsafe", copy: bool = True) -> Any:
        return self._mapped(lambda data: data.astype(dtype)) if copy or np.dtype(dtype) != self.dtype else self

    def power(self, n: Any, dtype: Any = None) -> Any:
        """The elements to a plain, nonzero power."""
        if duals_in(n):
            raise lost("a dual number as the exponent of a sparse matrix", "a plain value there")
        if n == 0:
            return self.plain.power(n, dtype)
        return self._mapped(lambda data: data**n)

    def __pow__(self, n: Any) -> Any:
        if not self.is_matrix:
            return self.power(n)
        result: Any = _scipy.identity(self.shape[0], format="csr")
        for _ in range(operator.index(n)):
            result = self @ result
        return result

    def __mul__(self, other: Any) -> Any:
        if np.ndim(other) == 0 and not is_sparse(other):
            return self._linear(lambda data: data * other)
        return self @ other if self.is_matrix else self.multiply(other)

    def __imul__(self, other: Any) -> Any:
        if np.ndim(other) or is_sparse(other):
            return NotImplemented
        self.data *= other
        return self

    def __rmul__(self, other: Any) -> Any:
        if np.ndim(other) == 0 and not is_sparse(other):
            return self._linear(lambda data: other * data)
        is_product = self.is_matrix or (is_sparse(other) and _scipy.isspmatrix(other))
        return self.__rmatmul__(other) if is_product else self.multiply(other)

    def __truediv__(self, other: Any) -> Any:
        if np.ndim(other) == 0 and not is_sparse(other):
            # As SciPy divides.
            return self._linear(lambda data: data * (1.0 / other))
        return self.multiply(1.0 / operand(other)) if not is_sparse(other) else self.toarray() / dense(other)

    def __itruediv__(self, other: Any) -> Any:
        return NotImplemented if np.ndim(other) or is_sparse(other) else self.__imul__(1.0 / other)

    def multiply(self, other: Any) -> Any:
        """The elementwise product with a scalar, an array that broadcasts, or a sparse matrix."""
        if is_sparse(other):
            return _intersection(self, other)
        if np.ndim(other) == 0:
            return self._mapped(lambda data: data * other)
        a, array = canonical(self.tocoo()), operand(other)
        if np.broadcast_shapes(a.shape, array.shape) != a.shape:
            return self.toarray() * array
        spread = np.broadcast_to(array, a.shape)
        return DualSparse(a._positions, a.data * spread[a.entries.rows, a.entries.columns])

    # -- sums and products -------------------------------------------------------------------------------------------
    def __add__(self, other: Any) -> Any:
        return _added(self, other, 1.0)

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __sub__(self, other: Any) -> Any:
        return _added(self, other, -1.0)

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __matmul__(self, other: Any) -> Any:
        return product(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        if is_sparse(other):
            return product(other, self)
        other = operand(other)
        if np.ndim(other) == 1:
            return product(self.T, other)
        return np.transpose(product(self.T, np.transpose(other)))

    def dot(self, other: Any) -> Any:
        """The product with a scalar, an array or a sparse matrix."""
        return self * other if np.ndim(other) == 0 and not is_sparse(other) else self @ other

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        """The sum of all elements, or along an axis."""
        if out is not None:
            raise no_rule("scipy.sparse: sum of duals with out=")
        value = self.plain.sum(axis, dtype)
        a = self if self.format in ("csr", "csc", "coo") else self.tocoo()
        if axis is None or np.ndim(value) == 0:
            return revalued(np.sum(a.data), value)
        along_rows = axis in (0, -2)
        ones = np.ones(a.shape[0 if along_rows else 1])
        return revalued(np.reshape(a.entries.product(a.data, ones, along_rows), np.shape(value)), value)

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        """The mean of all elements, or along an axis."""
        total = self.sum(axis, dtype, out)
        return revalued(total * np.size(plain_values(total)) / np.prod(self.shape), self.plain.mean(axis, dtype))

    def trace(self, offset: int = 0) -> Any:
        """The sum of a diagonal."""
        return revalued(np.sum(self.diagonal(offset)), self.plain.trace(offset))


#: What belongs to the positions alone.
_OF_POSITIONS = frozenset(
    {"coords", "row", "col", "indices", "indptr", "offsets", "blocksize", "shape", "ndim", "format", "nnz", "size"}
    | {"getnnz", "has_canonical_format", "has_sorted_indices", "get_shape", "getformat", "maxprint"}
)
for _method in ("tan", "sin", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "expm1", "log1p", "sqrt"):
    _ufunc = getattr(np, _method)
    setattr(DualSparse, _method, lambda self, _ufunc=_ufunc: self._mapped(_ufunc))
for _method in ("rad2deg", "deg2rad", "sign", "rint", "floor", "ceil", "trunc"):
    _ufunc = getattr(np, _method)
    setattr(DualSparse, _method, lambda self, _ufunc=_ufunc: self._mapped(_ufunc))


def is_sparse(x: Any) -> bool:
    """Whether x is a sparse array or matrix, plain or of duals."""
    return type(x) is DualSparse or bool(_scipy.issparse(x))


def dense(x: Any) -> Any:
    """The array of a sparse matrix, or of anything else that is one."""
    return x.toarray() if is_sparse(x) else operand(x)


def data_of(a: Any) -> Any:
    """The elements of a sparse matrix, as floats."""
    data = a.data
    return data if isinstance(data, AnyDual) or data.dtype.kind in "fc" else data.astype(float)


def _number_of(a: Any) -> int:
    return int(np.size(plain_values(a.data)))


def canonical(a: Any) -> Any:
    """The matrix with the elements that stand in one place added up."""
    if type(a) is not DualSparse:
        return a if a.format not in STORED[:3] or a.has_canonical_format else _coo(a).asformat(a.format)
    if a.format == "dia":
        return a
    entries = a.entries
    places = entries.rows.astype(np.int64) * a.shape[-1] + entries.columns
    unique, to = np.unique(places, return_inverse=True)
    if len(unique) == len(places):
        return a
    if a.format == "bsr" or a.ndim == 1:
        raise no_rule("scipy.sparse: elements of duals in one place, in the format BSR or with one axis,")
    coordinates = (unique // a.shape[1], unique % a.shape[1])
    kind = _scipy.coo_matrix if a.is_matrix else _scipy.coo_array
    summing = Entries(to, np.zeros(len(to), int), (len(unique), 1))
    data = summing.product(a.data, np.ones(1))
    value = a.plain.tocsr()
    value.sum_duplicates()
    value = value.tocoo()
    order = np.argsort(value.row.astype(np.int64) * a.shape[1] + value.col)
    coo = kind((value.data[order], coordinates), shape=a.shape)
    return DualSparse(coo, revalued(data, value.data[order])).asformat(a.format)


def structurally(function: Callable[..., Any], *matrices: Any) -> Any:
    """The result of a function of sparse matrices that only moves their elements: sparse, dense or scalar.

    It shares memory with a matrix where SciPy's does.
    """
    stored = [a if type(a) is DualSparse or not is_sparse(a) or a.format in STORED else a.tocoo() for a in matrices]
    numbered, moved = _moved(function, stored)
    elements = moved.data if _scipy.issparse(moved) else np.asarray(moved)
    for a, numbers in zip(stored, numbered, strict=True):
        if moved is numbers:
            return a
        if is_sparse(a) and np.may_share_memory(elements, numbers.data):
            part = _part(a.data, elements - np.min(numbers.data))
            if part is not None:
                return DualSparse(moved, part) if _scipy.issparse(moved) else part
    summed = [canonical(a) if is_sparse(a) else a for a in stored]
    if any(a is not b for a, b in zip(summed, stored, strict=True)):
        _, moved = _moved(function, summed)
    parts = [np.ravel(data_of(a)) for a in summed if is_sparse(a)]
    data = np.concatenate([np.zeros(1, plain_values(parts[0]).dtype), *parts])
    if not _scipy.issparse(moved):
        return data[np.asarray(moved).astype(np.intp)] if np.ndim(moved) else data[int(moved)]
    if moved.format not in STORED:
        moved = moved.tocsr()
    return DualSparse(moved, data[moved.data.astype(np.intp)])


def _moved(function: Callable[..., Any], stored: Any) -> tuple[list[Any], Any]:
    """Matrices of the numbers of the elements, from 1, and the function of them."""
    numbered, count = [], 1
    for a in stored:
        if is_sparse(a):
            positions = a._positions if type(a) is DualSparse else a
            size = _number_of(a)
            numbered.append(with_data(positions, np.arange(count, count + size, dtype=float).reshape(a.data.shape)))
            count += size
        else:
            numbered.append(a)
    return numbered, function(*numbered)


def _part(data: Any, numbers: Any) -> Any:
    """The elements of these numbers as a view, if they follow each other at one distance."""
    flat = np.ravel(numbers).astype(np.intp)
    step = int(flat[1] - flat[0]) if len(flat) > 1 else 1
    if not len(flat) or step < 1 or np.any(np.diff(flat) != step):
        return None
    data = np.reshape(data, (-1,)) if np.ndim(data) > 1 else data
    return np.reshape(data[flat[0] : flat[-1] + 1 : step], numbers.shape)


def _coo(a: Any) -> Any:
    """A matrix, plain or of duals, by coordinates that are not repeated."""
    if type(a) is DualSparse:
        return canonical(a.tocoo())
    a = a.tocoo(copy=True)
    a.sum_duplicates()
    return a


def _collected(rows: Any, columns: Any, terms: Any, shape: Any, value: Any) -> Any:
    """The sum of terms at positions; ``value`` is SciPy's, which may lack elements that are zero."""
    keys = rows.astype(np.int64) * shape[1] + columns
    unique, to = np.unique(keys, return_inverse=True)
    data = Entries(to, np.zeros(len(to), int), (len(unique), 1)).product(terms, np.ones(1))
    stored = value if value.format in STORED[:3] else value.tocsr()
    places = entries_of(stored)
    found = places.rows.astype(np.int64) * shape[1] + places.columns
    if len(found) == len(unique):
        # In the order in which SciPy stores them, on which sums depend.
        return DualSparse(stored, revalued(data[np.searchsorted(unique, found)], data_of(stored)))
    known = _coo(value)
    order = np.argsort(known.row.astype(np.int64) * shape[1] + known.col)
    found = (known.row.astype(np.int64) * shape[1] + known.col)[order]
    values = np.zeros(len(unique), known.dtype)
    values[np.searchsorted(unique, found)] = known.data[order]
    kind = _scipy.coo_matrix if _scipy.isspmatrix(value) else _scipy.coo_array
    coo = kind((values, (unique // shape[1], unique % shape[1])), shape=shape)
    result = DualSparse(coo, revalued(data, values))
    return result.asformat(value.format if value.format in STORED else "csr")


def _plain(a: Any) -> Any:
    return a.plain if type(a) is DualSparse else a


def _added(a: Any, b: Any, sign: float) -> Any:
    if not is_sparse(b):
        if np.ndim(b) == 0 and not duals_in(b):
            # SciPy refuses scalars that are not zero.
            (_plain(a) + b)
            return a.copy()
        return a.toarray() + sign * operand(b)
    value = _plain(a) + _plain(b) if sign > 0 else _plain(a) - _plain(b)
    left, right = _coo(a), _coo(b)
    rows, columns = (np.concatenate([getattr(m, name) for m in (left, right)]) for name in ("row", "col"))
    return _collected(rows, columns, np.concatenate([data_of(left), sign * data_of(right)]), a.shape, value)


def _intersection(a: Any, b: Any) -> Any:
    if a.shape != b.shape:
        return a.toarray() * dense(b)
    value = _plain(a).multiply(_plain(b))
    left, right = _coo(a), _coo(b)
    keys: Any = [m.row.astype(np.int64) * a.shape[1] + m.col for m in (left, right)]
    both, i, j = np.intersect1d(keys[0], keys[1], assume_unique=True, return_indices=True)
    terms = data_of(left)[i] * data_of(right)[j]
    return _collected(both // a.shape[1], both % a.shape[1], terms, a.shape, value)


def product(a: Any, b: Any) -> Any:
    """The matrix product of a sparse matrix, plain or of duals, with an array or a sparse matrix."""
    if not is_sparse(b):
        b = operand(b)
        value = _plain(a) @ plain_values(b)
        a = a if a.format in ("csr", "csc", "coo") else a.tocoo()
        return revalued(a.entries.product(a.data, b), value)
    value = _plain(a) @ _plain(b)
    left, right = _coo(a), _coo(b)
    # For each element of a, the elements of b in the row that is its column.
    order = np.argsort(right.row, kind="stable")
    starts = np.searchsorted(right.row[order], np.arange(b.shape[0] + 1))
    counts = (starts[1:] - starts[:-1])[left.col]
    i = np.repeat(np.arange(len(counts)), counts)
    j = order[np.arange(len(i)) - np.repeat(np.cumsum(counts) - counts, counts) + starts[left.col][i]]
    terms = data_of(left)[i] * data_of(right)[j]
    return _collected(left.row[i], right.col[j], terms, value.shape, value)
