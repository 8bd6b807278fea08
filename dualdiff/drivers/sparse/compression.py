"""Sparse Jacobians and Hessians: from one sparse pass, or compressed by a colouring if the pattern is given."""

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
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import dense_passes, sparse_pass
from dualdiff.drivers.run.planning import chunks
from dualdiff.drivers.run.repeated_calls import expect_several_calls
from dualdiff.drivers.run.seeds import Directions
from dualdiff.drivers.sparse.colouring import column_colours, star_colours
from dualdiff.tangents.pattern import Memory, Pattern, index_dtype, scipy_sparse
from dualdiff.tangents.spaces.sparse import Rows

#: If a pattern takes more dense passes than this, one sparse pass that reuses the structures of earlier ones is faster:
#: it takes 20 to 30 times as long as f.
PASSES = 2
#: Two ways to compute a derivative agree if they differ by at most this multiple of the unit roundoff.
ROUNDING = 256
#: The number of rows that an error names.
FEW_ROWS = 5


class Repeated:
    """``sparse=True`` for many x: each pass reuses the structures of earlier ones and computes only the values."""

    def __init__(self) -> None:
        self.memory = Memory(lasting=True)

    def __reduce__(self) -> Any:
        return Repeated, ()

    def __repr__(self) -> str:
        return "True"


class Compression:
    """A pattern with its colouring, and the position of each entry in the compressed derivative.

    It is made once for many x and never changed, so that threads may share it.  After the directions of the colours
    follows a random one, the probe, which detects missing entries of the pattern.
    """

    def __init__(self, pattern: Pattern, symmetric: bool, thorough: bool = True) -> None:
        self.pattern, self.symmetric, self.repeated = pattern, symmetric, Repeated()
        colours = (star_colours if symmetric else column_colours)(pattern, thorough)
        self.count = int(colours.max()) + 1 if len(colours) else 0
        self.colours = colours.astype(np.min_scalar_type(self.count))
        rows, columns = pattern.row_of_entries(), pattern.indices
        colour_of_entry = colours[columns]
        if symmetric:
            # Two entries of a row with one colour cannot be told apart: they are read off from their mirror images.
            _, which, shared = np.unique(
                rows * np.int64(max(self.count, 1)) + colour_of_entry, return_inverse=True, return_counts=True
            )
            mirrored = shared[which] > 1
            rows, colour_of_entry = (
                np.where(mirrored, columns, rows),
                np.where(mirrored, colours[rows], colour_of_entry),
            )
        #: The flat index of each entry in the compressed derivative, which has a row for each colour.
        self.places = colour_of_entry * pattern.rows + rows

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the derivative as a matrix."""
        return self.pattern.rows, self.pattern.columns

    @cached_property
    def probe(self) -> Any:
        """A direction in which every column counts, the same in each process.

        Its components have 24 bits, so that simple programs multiply them without rounding, and single precision
        represents them exactly.
        """
        return (0.5 + np.random.default_rng(0).random(self.pattern.columns, np.float32)).astype(float)

    def directions(self) -> Directions:
        """For each colour the sum of the unit directions of its columns; the probe follows the last of them."""

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
        """For each entry, its row in the compressed derivative and its colour."""
        colours, rows = np.divmod(self.places, max(self.pattern.rows, 1))
        return rows.astype(np.intp), colours.astype(np.intp)

    def agrees(self, data: Any, along: Any, dtypes: Sequence[Any]) -> bool:
        """Whether the values of the entries give the derivative along the probe, up to rounding in these dtypes.

        False also if a value is not finite, because then it cannot be decided.
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
        """The values of the entries."""
        return compressed.reshape(-1).take(self.places)

    def as_array(self, data: Any) -> Any:
        """The derivative with these values as a ``csr_array``, with indices that share no memory."""
        return self.pattern.copy().as_array(data)

    def __repr__(self) -> str:
        return f"<pattern {self.shape[0]} x {self.shape[1]}, {self.pattern.size} entries, {self.count} colours>"


def rounding(dtypes: Sequence[Any]) -> float:
    """The tolerated difference of two sums in these dtypes, relative to the sum of the magnitudes of their terms."""
    return ROUNDING * max(float(np.finfo(np.result_type(dtype, np.float16)).eps) for dtype in dtypes)


def prepared(operator: str, sparse: Any, thorough: bool, symmetric: bool = False) -> Any:
    """The value of ``sparse=``, with a pattern coloured; ``thorough`` if it serves many x."""
    if sparse is True and thorough:
        return Repeated()
    if isinstance(sparse, (bool, Repeated)) or (isinstance(sparse, Compression) and sparse.symmetric == symmetric):
        return sparse
    pattern = sparse.pattern if isinstance(sparse, Compression) else pattern_of(operator, sparse)
    if symmetric:
        if pattern.rows != pattern.columns:
            raise ValueError(
                f"{operator}: the pattern given as sparse has shape {(pattern.rows, pattern.columns)}, but a "
                "Hessian is square"
            )
        pattern = symmetrised(pattern)
    return Compression(pattern, symmetric, thorough)


def pattern_of(operator: str, sparse: Any) -> Pattern:
    """A pattern from a SciPy sparse matrix (its stored entries) or an array-like (its nonzero elements)."""
    module = scipy_sparse()
    if isinstance(sparse, tuple) and sparse:
        # The blocks of several arguments, side by side.
        rows = sparse if isinstance(sparse[0], tuple) else (sparse,)
        sparse = module.block_array([[module.coo_array(block) for block in row] for row in rows])
    if not module.issparse(sparse):
        sparse = np.asarray(sparse)
        if sparse.dtype.kind not in "biufc" or sparse.ndim != 2:
            raise TypeError(
                f"{operator}: sparse must be True, False or a pattern (a scipy.sparse array or a boolean matrix), not "
                f"an array of dtype {sparse.dtype} and shape {sparse.shape}"
            )
    elif sparse.ndim != 2:
        raise TypeError(f"{operator}: the pattern given as sparse has shape {sparse.shape}, but must be a matrix")
    # Stored zeros are entries too, hence the values are replaced by True.
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
        raise ValueError(f"{operator}: check=True compares a pattern with f, but sparse={sparse} is not a pattern")
    if mode == "reverse":
        raise ValueError(f"{operator}: a sparse Jacobian is computed in forward mode; omit mode, or sparse")
    if inputs.batch.dims:
        raise ValueError(
            f"{operator}: sparse and batch_dims exclude each other; sparse detects independent points by itself"
        )
    _refuse_outer(inputs, inputs.leaves)
    conjugates = "refused" if inputs.is_complex else "allowed"
    if not isinstance(sparse, Compression):
        followed, rows = _in_one_pass(inputs, conjugates, sparse)
        return followed.value, column_blocks(inputs, rows.pattern.copy().as_array(rows.data)), followed.aux
    if sparse.shape[1] != inputs.size:
        raise wrong_shape(operator, sparse, f"x has {inputs.size} elements")
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
    """The matrix, or for several arguments the tuple of their column blocks."""
    if type(inputs.argnum) is int:
        return matrix
    return tuple([matrix[:, start:stop] for start, stop in inputs.bounds()])


def row_blocks(blocks: Any) -> Any:
    """The column blocks of a square matrix split into the row blocks of each argument; a single matrix unchanged."""
    if not isinstance(blocks, tuple):
        return blocks
    ends = np.cumsum([0, *(block.shape[1] for block in blocks)]).tolist()
    return tuple([tuple([block[start:stop] for block in blocks]) for start, stop in itertools.pairwise(ends)])


def reverse_alone(operator: str, mode: str) -> str:
    """The mode of the gradient whose sparse Jacobian is a Hessian."""
    if mode == "forward":
        raise ValueError(f"{operator}: a sparse Hessian is computed from a reverse-mode gradient; omit mode")
    return "reverse"


def _in_one_pass(inputs: Inputs, conjugates: str, sparse: Any) -> tuple[Outputs, Rows]:
    memory = sparse.memory if isinstance(sparse, Repeated) else None
    outputs = sparse_pass(inputs, conjugates, memory=memory)
    _refuse_outer(inputs, outputs.values)
    rows = rows_of(outputs)
    return outputs, rows if memory is None else Rows(memory.same(rows.pattern), rows.data)


def rows_of(outputs: Outputs) -> Rows:
    """The tangents of all leaves of the result of a sparse pass, concatenated."""
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
                raise wrong_shape(inputs.operator, compression, f"f returned {sum(sizes)} elements")
            compressed = np.empty((compression.count + 1, rows), dtype)
        place = 0
        for t, size in zip(outputs.derivatives, sizes, strict=True):
            compressed[start : start + len(t), place : place + size] = t.reshape((len(t), size))
            place += size
    return first, compressed


def check_pattern(operator: str, compression: Compression, rows: Rows) -> Any:
    """The values of the entries of the pattern; raise if it lacks an entry where the derivative is nonzero."""
    pattern = rows.pattern
    if pattern.rows != compression.shape[0]:
        raise wrong_shape(operator, compression, f"f returned {pattern.rows} elements")
    data, missing = rows.within(compression.pattern)
    if missing is not None and (missing := missing & (rows.data != 0)).any():
        places = np.flatnonzero(missing)
        rows_with = np.unique(of_row := pattern.row_of_entries()[places])
        named = ", ".join(map(str, rows_with[:FEW_ROWS])) + (", ..." if len(rows_with) > FEW_ROWS else "")
        raise IncompletePatternError(
            f"{operator}: the pattern given as sparse lacks {len(places)} entries of the derivative, in "
            f"{len(rows_with)} rows ({named}); the first is in row {of_row[0]}, column {pattern.indices[places[0]]}, "
            f"where the derivative is {rows.data[places[0]]}. "
            f"dualdiff.{'hessian' if compression.symmetric else 'jacobian'}_sparsity(f, x) detects the pattern at x: "
            "combine those of several x if f takes different branches there; sparse=True needs no pattern"
        )
    return data


def wrong_shape(operator: str, compression: Compression, actual: str) -> ValueError:
    return ValueError(
        f"{operator}: the pattern given as sparse has shape {compression.shape}, but {actual}; it needs a row "
        "for each element of f(x) and a column for each element of x"
    )


def _refuse_outer(inputs: Inputs, arrays: list[Any]) -> None:
    if any(isinstance(a, AnyDual) for a in arrays):
        raise TypeError(
            f"{inputs.operator}(sparse=...) inside another differentiation: a scipy.sparse array holds plain values "
            "and would lose the outer derivative; omit sparse there"
        )
