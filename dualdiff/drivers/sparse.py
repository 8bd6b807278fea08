"""Sparse Jacobians and Hessians: in one sparse pass, or compressed by colours where the pattern is given."""

from __future__ import annotations

import itertools
import math
from functools import cached_property
from typing import Any

import numpy as np

from dualdiff.core.dual import AnyDual
from dualdiff.drivers.colouring import column_colours, star_colours
from dualdiff.drivers.run.chunks import chunks
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import dense_passes, sparse_pass
from dualdiff.drivers.run.seeds import Directions
from dualdiff.tangents.pattern import Memory, Pattern, index_dtype, scipy_sparse
from dualdiff.tangents.sparse import Rows

#: A pattern that takes more dense passes is left to a sparse pass that remembers the structures of earlier ones: it
#: takes 20 to 30 times as long as f, and three dense passes take longer.
PASSES = 2


class Repeated:
    """``sparse=True`` for many x: each pass looks up the structures of earlier ones, and works out numbers alone."""

    def __init__(self) -> None:
        self.memory = Memory(lasting=True)

    def __reduce__(self) -> Any:
        return Repeated, ()

    def __repr__(self) -> str:
        return "True"


class Compression:
    """A pattern with its colouring, and where each entry is found in the compressed derivative.

    Made once, used for many x; never changed, so that threads may share it.
    """

    def __init__(self, pattern: Pattern, symmetric: bool, thorough: bool = True) -> None:
        self.pattern, self.symmetric, self.repeated = pattern, symmetric, Repeated()
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

    @cached_property
    def entries(self) -> tuple[Any, Any]:
        """For each entry its row in the compressed derivative, and its colour."""
        colours, rows = np.divmod(self.places, max(self.pattern.rows, 1))
        return rows.astype(np.intp), colours.astype(np.intp)

    def decompressed(self, compressed: Any) -> Any:
        """The derivative as a ``csr_array``, with indices of its own."""
        return self.pattern.copy().as_array(compressed.reshape(-1).take(self.places))

    def __repr__(self) -> str:
        return f"<pattern {self.shape[0]} x {self.shape[1]}, {self.pattern.size} entries, {self.count} colours>"


def prepared(operator: str, sparse: Any, thorough: bool, symmetric: bool = False) -> Any:
    """What ``sparse=`` was given, ready to be used; thoroughly, if it is to be used for many x."""
    if sparse is True and thorough:
        return Repeated()
    if isinstance(sparse, (bool, Repeated)) or (isinstance(sparse, Compression) and sparse.symmetric == symmetric):
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
    if isinstance(sparse, tuple) and sparse:
        # Of several arguments, side by side.
        rows = sparse if isinstance(sparse[0], tuple) else (sparse,)
        sparse = module.block_array([[module.coo_array(block) for block in row] for row in rows])
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
    columns = matrix.shape[1]
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
    if inputs.batch.dims:
        raise ValueError(f"{operator}: sparse and batch_dims exclude each other; sparse finds by itself what is apart")
    _refuse_outer(inputs, inputs.leaves)
    conjugates = "refused" if inputs.is_complex else "allowed"
    if not isinstance(sparse, Compression):
        outputs, rows = _in_one_pass(inputs, conjugates, sparse)
        return outputs.value, column_blocks(inputs, rows.pattern.copy().as_array(rows.data)), outputs.aux
    if sparse.shape[1] != inputs.size:
        raise wrong_shape(operator, sparse, f"x has {inputs.size} numbers")
    if chunk_size is None and len(chunks(inputs, None, sparse.count)) > PASSES:
        outputs, rows = _in_one_pass(inputs, conjugates, sparse.repeated)
        data = check_pattern(operator, sparse, rows)
        return outputs.value, column_blocks(inputs, sparse.pattern.copy().as_array(data)), outputs.aux
    outputs, compressed = _compressed(inputs, sparse, chunk_size, conjugates)
    if check:
        check_pattern(operator, sparse, _in_one_pass(inputs, conjugates, sparse.repeated)[1])
    return outputs.value, column_blocks(inputs, sparse.decompressed(compressed)), outputs.aux


def column_blocks(inputs: Inputs, matrix: Any) -> Any:
    """The matrix, or for several arguments the tuple of their columns."""
    if type(inputs.argnum) is int:
        return matrix
    return tuple([matrix[:, start:stop] for start, stop in inputs.bounds()])


def row_blocks(blocks: Any) -> Any:
    """The rows that belong to each of several arguments, of square columns; a matrix of one argument as it is."""
    if not isinstance(blocks, tuple):
        return blocks
    ends = np.cumsum([0, *(block.shape[1] for block in blocks)]).tolist()
    return tuple([tuple([block[start:stop] for block in blocks]) for start, stop in itertools.pairwise(ends)])


def reverse_alone(operator: str, mode: str) -> str:
    """The mode of the gradient whose sparse Jacobian is a Hessian."""
    if mode == "forward":
        raise ValueError(f"{operator}: a sparse Hessian is the derivative of a reverse gradient; leave out mode")
    return "reverse"


def _in_one_pass(inputs: Inputs, conjugates: str, sparse: Any) -> tuple[Outputs, Rows]:
    memory = sparse.memory if isinstance(sparse, Repeated) else None
    outputs = sparse_pass(inputs, conjugates, memory=memory)
    _refuse_outer(inputs, outputs.values)
    rows = rows_of(outputs)
    return outputs, rows if memory is None else Rows(memory.same(rows.pattern), rows.data)


def rows_of(outputs: Outputs) -> Rows:
    """The tangents of all results of a sparse pass, one after the other."""
    space = outputs.space
    sizes = [math.prod(outputs.shape(i)) for i in range(len(outputs.values))]
    parts = [
        space.empty(size, np.result_type(value)) if t is None else t.settled()  # type: ignore[attr-defined]
        for t, value, size in zip(outputs.tangents, outputs.values, sizes, strict=True)
    ]
    return Rows.joined(parts) if parts else space.empty(0, float)  # type: ignore[attr-defined]


def _compressed(
    inputs: Inputs, compression: Compression, chunk_size: int | None, conjugates: str
) -> tuple[Outputs, Any]:
    """The outputs of the first pass, and the derivatives along the directions of the colours."""
    rows = compression.shape[0]
    first: Any = None
    compressed: Any = None
    for start, stop, outputs in dense_passes(inputs, chunk_size, conjugates, directions=compression.directions()):
        sizes = [math.prod(outputs.shape(i)) for i in range(len(outputs.values))]
        dtype = np.result_type(*outputs.values) if outputs.values else float
        _refuse_outer(inputs, [*outputs.values, *outputs.derivatives])
        if first is None:
            first = outputs
            if sum(sizes) != rows:
                raise wrong_shape(inputs.operator, compression, f"f returned {sum(sizes)} numbers")
            compressed = np.empty((compression.count, rows), dtype)
        place = 0
        for t, size in zip(outputs.derivatives, sizes, strict=True):
            compressed[start:stop, place : place + size] = t.reshape((stop - start, size))
            place += size
    return first, compressed


def check_pattern(operator: str, compression: Compression, rows: Rows) -> Any:
    """The numbers of the entries that the pattern has; refuse one that lacks an entry which the derivative has."""
    found = rows.pattern
    if found.rows != compression.shape[0]:
        raise wrong_shape(operator, compression, f"f returned {found.rows} numbers")
    data, missing = rows.within(compression.pattern)
    if missing is not None and (missing := missing & (rows.data != 0)).any():
        place = int(np.argmax(missing))
        row, column = int(found.row_of_entries()[place]), int(found.indices[place])
        raise ValueError(
            f"{operator}: the pattern given as sparse lacks {np.count_nonzero(missing)} entries that f has; the "
            f"first is in row {row}, column {column}, where the derivative is {rows.data[place]}. "
            f"dualdiff.{'hessian' if compression.symmetric else 'jacobian'}_sparsity(f, x) finds the pattern"
        )
    return data


def wrong_shape(operator: str, compression: Compression, found: str) -> ValueError:
    return ValueError(
        f"{operator}: the pattern given as sparse has the shape {compression.shape}, but {found}; it needs a "
        "row for each result of f and a column for each number of x"
    )


def _refuse_outer(inputs: Inputs, arrays: list[Any]) -> None:
    if any(isinstance(a, AnyDual) for a in arrays):
        raise TypeError(
            f"{inputs.operator}(sparse=...) inside another differentiation: a scipy.sparse array holds plain numbers "
            "and would lose the outer derivative; leave out sparse there"
        )
