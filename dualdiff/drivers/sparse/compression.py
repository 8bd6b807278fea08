"""Sparse Jacobians and Hessians: in one sparse pass, or compressed by colours where the pattern is given."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from dualdiff.base.errors import IncompletePatternError
from dualdiff.core.application import dtype_of
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.chunks import chunks
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import dense_passes, sparse_pass
from dualdiff.drivers.run.repeated_calls import expect_several_calls
from dualdiff.drivers.run.seeds import Directions
from dualdiff.drivers.sparse.colouring import column_colours, star_colours
from dualdiff.tangents.pattern import Memory, Pattern, index_dtype, scipy_sparse
from dualdiff.tangents.spaces.sparse import Rows

#: A pattern that takes more dense passes is left to a sparse pass that remembers the structures of earlier ones: it
#: takes 20 to 30 times as long as f, and three dense passes take longer.
PASSES = 2
#: Up to so many times the rounding error of one operation two ways to compute a derivative are taken to agree.
ROUNDING = 256
#: An error names so many rows.
FEW_ROWS = 5


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

    Made once, used for many x; never changed, so that threads may share it.  Behind the directions of the colours
    stands a random one, the probe, which tells whether the pattern lacks entries.
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

    @cached_property
    def probe(self) -> Any:
        """A direction that shows every column, the same in each process.

        Numbers of 24 bits: simple programs multiply them, and single precision takes them, without rounding.
        """
        return (0.5 + np.random.default_rng(0).random(self.pattern.columns, np.float32)).astype(float)

    def directions(self) -> Directions:
        """For each colour the sum of the unit directions of its columns; with the last of them goes the probe."""

        def rows(start: int, stop: int) -> Any:
            seeds = np.empty((stop - start + (stop == self.count), self.pattern.columns))
            for colour in range(start, stop):
                np.equal(self.colours, colour, out=seeds[colour - start], casting="unsafe")
            if stop == self.count:
                seeds[-1] = self.probe
            return seeds

        return Directions(self.count, rows)

    @cached_property
    def entries(self) -> tuple[Any, Any]:
        """For each entry its row in the compressed derivative, and its colour."""
        colours, rows = np.divmod(self.places, max(self.pattern.rows, 1))
        return rows.astype(np.intp), colours.astype(np.intp)

    def agrees(self, data: Any, along: Any, dtypes: Sequence[Any]) -> bool:
        """Whether the numbers of the entries give the derivative along the probe, but for rounding in these dtypes.

        With an entry that is no finite number it cannot be told.
        """
        with np.errstate(all="ignore"):
            terms = data * self.probe.take(self.pattern.indices)
            error = abs(self._sums(terms) - along)
            return bool(((error <= rounding(dtypes) * self._sums(abs(terms))) & (error < np.inf)).all())

    def _sums(self, terms: Any) -> Any:
        """The sum of each row."""
        starts = self.pattern.indptr[:-1]
        if self.pattern.counts.all():
            return np.add.reduceat(terms, starts)
        sums, some = np.zeros(self.pattern.rows, terms.dtype), self.pattern.counts > 0
        sums[some] = np.add.reduceat(terms, starts[some])
        return sums

    def decompressed(self, compressed: Any) -> Any:
        """The numbers of the entries."""
        return compressed.reshape(-1).take(self.places)

    def as_array(self, data: Any) -> Any:
        """The derivative with these numbers as a ``csr_array``, with indices of its own."""
        return self.pattern.copy().as_array(data)

    def __repr__(self) -> str:
        return f"<pattern {self.shape[0]} x {self.shape[1]}, {self.pattern.size} entries, {self.count} colours>"


def rounding(dtypes: Sequence[Any]) -> float:
    """How far two sums may differ in these dtypes, as a part of the sum of the sizes of their terms."""
    return ROUNDING * max(float(np.finfo(np.result_type(dtype, np.float16)).eps) for dtype in dtypes)


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
        followed, rows = _in_one_pass(inputs, conjugates, sparse)
        return followed.value, column_blocks(inputs, rows.pattern.copy().as_array(rows.data)), followed.aux
    if sparse.shape[1] != inputs.size:
        raise wrong_shape(operator, sparse, f"x has {inputs.size} numbers")
    outputs: Outputs | None = None
    if chunk_size is not None or len(chunks(inputs, None, sparse.count)) <= PASSES:
        # The check of the pattern may call f once more.
        expect_several_calls(inputs)
        outputs, compressed = _compressed(inputs, sparse, chunk_size, conjugates)
        data = sparse.decompressed(compressed)
        check = check or not sparse.agrees(data, compressed[-1], [data.dtype, *map(dtype_of, inputs.leaves)])
    if outputs is None or check:
        followed, rows = _in_one_pass(inputs, conjugates, sparse.repeated)
        data = check_pattern(operator, sparse, rows)
        outputs = followed if outputs is None else outputs
    return outputs.value, column_blocks(inputs, sparse.as_array(data)), outputs.aux


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
    """The outputs of the first pass, and the derivatives along the directions of the colours and the probe."""
    rows = compression.shape[0]
    first: Any = None
    compressed: Any = None
    for start, _, outputs in dense_passes(inputs, chunk_size, conjugates, directions=compression.directions()):
        sizes = [math.prod(outputs.shape(i)) for i in range(len(outputs.values))]
        dtype = np.result_type(*outputs.values) if outputs.values else float
        _refuse_outer(inputs, [*outputs.values, *outputs.derivatives])
        if first is None:
            first = outputs
            if sum(sizes) != rows:
                raise wrong_shape(inputs.operator, compression, f"f returned {sum(sizes)} numbers")
            compressed = np.empty((compression.count + 1, rows), dtype)
        place = 0
        for t, size in zip(outputs.derivatives, sizes, strict=True):
            compressed[start : start + len(t), place : place + size] = t.reshape((len(t), size))
            place += size
    return first, compressed


def check_pattern(operator: str, compression: Compression, rows: Rows) -> Any:
    """The numbers of the pattern's entries; refuse a pattern that lacks an entry where the derivative is not zero."""
    found = rows.pattern
    if found.rows != compression.shape[0]:
        raise wrong_shape(operator, compression, f"f returned {found.rows} numbers")
    data, missing = rows.within(compression.pattern)
    if missing is not None and (missing := missing & (rows.data != 0)).any():
        places = np.flatnonzero(missing)
        rows_with = np.unique(of_row := found.row_of_entries()[places])
        named = ", ".join(map(str, rows_with[:FEW_ROWS])) + (", ..." if len(rows_with) > FEW_ROWS else "")
        raise IncompletePatternError(
            f"{operator}: the pattern given as sparse lacks {len(places)} entries that f has, in {len(rows_with)} rows "
            f"({named}); the first is in row {of_row[0]}, column {found.indices[places[0]]}, where the derivative is "
            f"{rows.data[places[0]]}. dualdiff.{'hessian' if compression.symmetric else 'jacobian'}_sparsity(f, x) "
            "finds the pattern at x: add those of several x if f takes other branches there; sparse=True needs none"
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
