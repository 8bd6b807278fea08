"""Sparse Jacobians and Hessians: from one sparse pass, or compressed by a colouring if the pattern is given."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from dualdiff.base.errors import IncompletePatternError
from dualdiff.core.application import dtype_of
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import dense_passes, sparse_pass
from dualdiff.drivers.run.repeated_calls import expect_several_calls
from dualdiff.drivers.sparse.coloured_pattern import ColouredPattern, Compression, Repeated, compression_of, pattern_of
from dualdiff.tangents.spaces.sparse import Rows

#: Up to this number of elements in a compressed derivative, one dense pass is taken; beyond it the caches overflow, and
#: a sparse pass that reuses the structures of earlier ones is faster.
ELEMENTS = 2**18
#: The number of rows that an error names.
FEW_ROWS = 5


def prepared(operator: str, sparse: Any, thorough: bool, symmetric: bool = False) -> Any:
    """The value of ``sparse=``, with a pattern coloured; ``thorough`` if it serves many x."""
    if sparse is True and thorough:
        return Repeated()
    if isinstance(sparse, ColouredPattern):
        sparse = compression_of(sparse)
    if isinstance(sparse, (bool, Repeated)) or (isinstance(sparse, Compression) and sparse.symmetric == symmetric):
        return sparse
    pattern = sparse.pattern if isinstance(sparse, Compression) else pattern_of(operator, sparse)
    if symmetric and pattern.rows != pattern.columns:
        raise ValueError(
            f"{operator}: the pattern given as sparse has shape {(pattern.rows, pattern.columns)}, but a Hessian is "
            "square"
        )
    return Compression(pattern, symmetric, thorough=thorough)


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
    refuse_outer(inputs, inputs.leaves)
    conjugates = "refused" if inputs.is_complex else "allowed"
    if not isinstance(sparse, Compression):
        followed, rows = _in_one_pass(inputs, conjugates, sparse)
        return followed.value, column_blocks(inputs, rows.pattern.copy().as_array(rows.data)), followed.aux
    if sparse.shape[1] != inputs.size:
        raise wrong_shape(operator, sparse, f"x has {inputs.size} elements")
    # Whether a pattern is complete may take one more call of f.
    expect_several_calls(inputs)
    evaluated = None
    is_divided = inputs.workers is not None
    if chunk_size is None and not (inputs.is_complex or is_divided) and sparse.bidirectional is not None:
        evaluated = sparse.bidirectional.evaluated(inputs)
    elif chunk_size is not None or is_divided or (sparse.count + 1) * max(sparse.shape) <= ELEMENTS:
        together = None if is_divided else max(sparse.count, 1)
        evaluated = _compressed(inputs, sparse, chunk_size or together, conjugates)
    if evaluated is not None:
        outputs, data, along = evaluated
        check = check or not sparse.agrees(data, along, [data.dtype, *map(dtype_of, inputs.leaves)])
    if evaluated is None or check:
        followed, rows = _in_one_pass(inputs, conjugates, sparse.repeated)
        data = check_pattern(operator, sparse, rows)
        outputs = followed if evaluated is None else outputs
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
    refuse_outer(inputs, outputs.values)
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
    inputs: Inputs, coloured: Compression, chunk_size: int | None, conjugates: str
) -> tuple[Outputs, Any, Any]:
    """The outputs of the first pass, the values of the entries, and the derivative along the probe."""
    rows = coloured.shape[0]
    first: Any = None
    compressed: Any = None
    for start, _, outputs in dense_passes(inputs, chunk_size, conjugates, directions=coloured.directions()):
        sizes = [math.prod(outputs.shape(i)) for i in range(len(outputs.values))]
        dtype = np.result_type(*outputs.values) if outputs.values else float
        refuse_outer(inputs, [*outputs.values, *outputs.derivatives])
        if first is None:
            first = outputs
            if sum(sizes) != rows:
                raise wrong_shape(inputs.operator, coloured, f"f returned {sum(sizes)} elements")
            compressed = np.empty((coloured.count + 1, rows), dtype)
        place = 0
        for t, size in zip(outputs.derivatives, sizes, strict=True):
            compressed[start : start + len(t), place : place + size] = t.reshape((len(t), size))
            place += size
    return first, coloured.decompressed(compressed), compressed[-1]


def check_pattern(operator: str, coloured: Compression, rows: Rows) -> Any:
    """The values of the entries of the pattern; raise if it lacks an entry where the derivative is nonzero."""
    pattern = rows.pattern
    if pattern.rows != coloured.shape[0]:
        raise wrong_shape(operator, coloured, f"f returned {pattern.rows} elements")
    data, missing = rows.within(coloured.pattern)
    if missing is not None and (missing := missing & (rows.data != 0)).any():
        places = np.flatnonzero(missing)
        rows_with = np.unique(of_row := pattern.row_of_entries()[places])
        named = ", ".join(map(str, rows_with[:FEW_ROWS])) + (", ..." if len(rows_with) > FEW_ROWS else "")
        raise IncompletePatternError(
            f"{operator}: the pattern given as sparse lacks {len(places)} entries of the derivative, in "
            f"{len(rows_with)} rows ({named}); the first is in row {of_row[0]}, column {pattern.indices[places[0]]}, "
            f"where the derivative is {rows.data[places[0]]}. "
            f"dualdiff.{'hessian' if coloured.symmetric else 'jacobian'}_sparsity(f, x) detects the pattern at x: "
            "combine those of several x if f takes different branches there; sparse=True needs no pattern"
        )
    return data


def wrong_shape(operator: str, coloured: Compression, actual: str) -> ValueError:
    return ValueError(
        f"{operator}: the pattern given as sparse has shape {coloured.shape}, but {actual}; it needs a row "
        "for each element of f(x) and a column for each element of x"
    )


def refuse_outer(inputs: Inputs, arrays: list[Any]) -> None:
    """Raise for duals of an outer differentiation, of which a sparse array would lose the tangents."""
    if any(isinstance(a, AnyDual) for a in arrays):
        raise TypeError(
            f"{inputs.operator}(sparse=...) inside another differentiation: a scipy.sparse array holds plain values "
            "and would lose the outer derivative; omit sparse there"
        )
