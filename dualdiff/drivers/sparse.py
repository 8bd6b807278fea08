"""Sparse Jacobians and Hessians: in one sparse pass, or compressed by colours where the pattern is given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.core.dual import AnyDual
from dualdiff.drivers.colouring import column_colours, star_colours
from dualdiff.drivers.passes import Directions, Inputs, Outputs, check_chunk_size, dense_passes, sparse_pass
from dualdiff.tangents.pattern import Pattern, index_dtype, scipy_sparse
from dualdiff.tangents.sparse import Rows


class Compression:
    """A pattern with its colouring, and where each entry is found in the compressed derivative.

    Made once, used for many x; never changed, so that threads may share it.
    """

    def __init__(self, pattern: Pattern, symmetric: bool, thorough: bool = True) -> None:
        self.pattern, self.symmetric = pattern, symmetric
        colours = (star_colours if symmetric else column_colours)(pattern, thorough)
        self.count = int(colours.max()) + 1 if len(colours) else 0
        self.colours = colours.astype(np.min_scalar_type(self.count))
        rows, columns = pattern.row_of_entries(), pattern.indices
        found_in = colours[columns]
        if symmetric:
            # An entry that shares its place with another of its row is found in the mirrored place.
            _, which, shared = np.unique(
                rows * np.int64(max(self.count, 1)) + found_in, return_inverse=True, return_counts=True
            )
            mirrored = shared[which] > 1
            rows, found_in = np.where(mirrored, columns, rows), np.where(mirrored, colours[rows], found_in)
        #: For each entry its place in the compressed derivative, which has a row for each colour.
        self.places = found_in * pattern.rows + rows

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the derivative as a matrix."""
        return self.pattern.rows, self.pattern.columns

    def directions(self) -> Directions:
        """For each colour the sum of the unit directions of its columns."""

        def rows(start: int, stop: int) -> Any:
            seeds = np.empty((stop - start, len(self.colours)))
            for colour in range(start, stop):
                np.equal(self.colours, colour, out=seeds[colour - start], casting="unsafe")
            return seeds

        return Directions(self.count, rows)

    def decompressed(self, compressed: Any) -> Any:
        """The derivative as a ``csr_array``, with indices of its own."""
        pattern = self.pattern
        data = compressed.reshape(-1).take(self.places)
        own = Pattern(pattern.indptr.copy(), pattern.indices.copy(), pattern.columns)
        return own.as_array(data)

    def __repr__(self) -> str:
        return f"<pattern {self.shape[0]} x {self.shape[1]}, {self.pattern.size} entries, {self.count} colours>"


def prepared(operator: str, sparse: Any, thorough: bool, symmetric: bool = False) -> Any:
    """What ``sparse=`` was given, with a pattern coloured."""
    if sparse is True or sparse is False:
        return sparse
    if isinstance(sparse, Compression) and sparse.symmetric == symmetric:
        return sparse
    pattern = sparse.pattern if isinstance(sparse, Compression) else pattern_of(operator, sparse)
    if symmetric:
        if pattern.rows != pattern.columns:
            raise ValueError(
                f"{operator}: the pattern given as sparse has the shape {(pattern.rows, pattern.columns)}; that of a "
                "Hessian is square"
            )
        pattern = symmetrised(pattern)
    return Compression(pattern, symmetric, thorough)


def pattern_of(operator: str, sparse: Any) -> Pattern:
    """A pattern from a SciPy sparse matrix (its stored entries) or anything like a matrix (what is not zero)."""
    module = scipy_sparse()
    if not module.issparse(sparse):
        sparse = np.asarray(sparse)
        if sparse.dtype.kind not in "biufc" or sparse.ndim != 2:
            raise TypeError(
                f"{operator}: sparse is True, False or a pattern (a scipy.sparse array or a matrix of booleans), not "
                f"an array of dtype {sparse.dtype} and shape {sparse.shape}"
            )
    elif sparse.ndim != 2:
        raise TypeError(f"{operator}: the pattern given as sparse has the shape {sparse.shape}, and is no matrix")
    # Stored zeros are entries: marks take the place of the numbers.
    matrix = module.coo_array(sparse)
    marked = module.coo_array((np.ones(matrix.nnz, bool), matrix.coords), shape=matrix.shape).tocsr()
    return as_pattern(marked)


def as_pattern(matrix: Any) -> Pattern:
    """The pattern of a ``csr_array``."""
    matrix.sum_duplicates()
    rows, columns = matrix.shape
    dtype = index_dtype(max(columns, matrix.nnz))
    return Pattern(matrix.indptr.astype(dtype), matrix.indices.astype(dtype), columns)


def symmetrised(pattern: Pattern) -> Pattern:
    """The entries of a square pattern and their mirror images."""
    rows, columns = pattern.row_of_entries(), pattern.indices
    keys = np.concatenate([pattern.keys(), columns * np.int64(pattern.columns) + rows])
    return Pattern.of_keys(np.unique(keys), (pattern.rows, pattern.columns))


def sparsely(inputs: Inputs, sparse: Any, check: bool, chunk_size: int | None, mode: str) -> tuple[Any, Any, Any]:
    """Value, derivative as a ``csr_array`` of shape (f(x).size, x.size), and aux."""
    operator = inputs.operator
    if check and not isinstance(sparse, Compression):
        raise ValueError(f"{operator}: check=True compares a pattern with f, and sparse={sparse} is no pattern")
    if mode == "reverse":
        raise ValueError(f"{operator}: a sparse Jacobian is taken forwards; leave out mode, or sparse")
    if inputs.batch_dims:
        raise ValueError(f"{operator}: sparse and batch_dims exclude each other; sparse finds by itself what is apart")
    check_chunk_size(operator, chunk_size)
    _refuse_outer(inputs, inputs.leaves)
    conjugates = "refused" if inputs.is_complex else "allowed"
    if sparse is True:
        outputs = sparse_pass(inputs, conjugates)
        _refuse_outer(inputs, outputs.values)
        return outputs.value, rows_of(outputs).as_array(), outputs.aux
    outputs, compressed = _compressed(inputs, sparse, chunk_size, conjugates)
    if check:
        _check(inputs, sparse.pattern, rows_of(sparse_pass(inputs, conjugates)))
    return outputs.value, sparse.decompressed(compressed), outputs.aux


def reverse_alone(operator: str, mode: str) -> str:
    """The mode of the gradient whose sparse Jacobian is a Hessian."""
    if mode == "forward":
        raise ValueError(f"{operator}: a sparse Hessian is the derivative of a reverse gradient; leave out mode")
    return "reverse"


def rows_of(outputs: Outputs) -> Rows:
    """The tangents of all results of a sparse pass, one after the other."""
    space = outputs.space
    sizes = [math.prod(outputs.shape(i)) for i in range(len(outputs.values))]
    parts = [
        space.empty(size, np.result_type(value)) if t is None else t.settled()  # type: ignore[attr-defined]
        for t, value, size in zip(outputs.tangents, outputs.values, sizes, strict=True)
    ]
    return Rows.joined(parts) if parts else space.empty(0, float)  # type: ignore[attr-defined, no-any-return]


def _compressed(
    inputs: Inputs, compression: Compression, chunk_size: int | None, conjugates: str
) -> tuple[Outputs, Any]:
    """The outputs of the first pass, and the derivatives along the directions of the colours."""
    rows, columns = compression.shape
    if columns != inputs.size:
        raise _wrong_shape(inputs, compression, f"x has {inputs.size} numbers")
    first: Any = None
    compressed: Any = None
    for start, stop, outputs in dense_passes(inputs, chunk_size, conjugates, directions=compression.directions()):
        sizes = [math.prod(outputs.shape(i)) for i in range(len(outputs.values))]
        dtype = np.result_type(*outputs.values) if outputs.values else float
        _refuse_outer(inputs, [*outputs.values, *outputs.tangents])
        if first is None:
            first = outputs
            if sum(sizes) != rows:
                raise _wrong_shape(inputs, compression, f"f returned {sum(sizes)} numbers")
            compressed = np.empty((compression.count, rows), dtype)
        place = 0
        for t, size in zip(outputs.tangents, sizes, strict=True):
            compressed[start:stop, place : place + size] = 0 if t is None else t.reshape((stop - start, size))
            place += size
    return first, compressed


def _check(inputs: Inputs, pattern: Pattern, rows: Rows) -> None:
    """Refuse a pattern that lacks an entry which the derivative has."""
    missing = ~np.isin(rows.pattern.keys(), pattern.keys()) & (rows.data != 0)
    if missing.any():
        place = int(np.argmax(missing))
        row, column = int(rows.pattern.row_of_entries()[place]), int(rows.pattern.indices[place])
        raise ValueError(
            f"{inputs.operator}: the pattern given as sparse lacks {np.count_nonzero(missing)} entries that f has; the "
            f"first is in row {row}, column {column}, where the derivative is {rows.data[place]}. "
            f"dualdiff.{'hessian' if inputs.operator.endswith('hessian') else 'jacobian'}_sparsity(f, x) finds the "
            "pattern"
        )


def _wrong_shape(inputs: Inputs, compression: Compression, found: str) -> ValueError:
    return ValueError(
        f"{inputs.operator}: the pattern given as sparse has the shape {compression.shape}, but {found}; it needs a row "
        "for each result of f and a column for each number of x"
    )


def _refuse_outer(inputs: Inputs, arrays: list[Any]) -> None:
    if any(isinstance(a, AnyDual) for a in arrays):
        raise TypeError(
            f"{inputs.operator}(sparse=...) inside another differentiation: a scipy.sparse array holds plain numbers "
            "and would lose the outer derivative; leave out sparse there"
        )
