"""Bidirectional compression: the dense rows of a Jacobian by pullbacks, all other rows by pushforwards.

A dense row makes all its columns differ in colour.  Without it, few colours may be enough, and the row itself is one
pullback.  Dense columns need no such care: each takes a colour of its own.  See Coleman and Verma, "The efficient
computation of sparse Jacobian matrices using automatic differentiation", SIAM J. Sci. Comput. 19 (1998).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.core.application import dtype_of
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import recorded_pass
from dualdiff.drivers.sparse.coloured_pattern import Compression
from dualdiff.drivers.sparse.colouring import column_colours
from dualdiff.drivers.sparse.compression import refuse_outer, wrong_shape
from dualdiff.tangents.pattern import Pattern

#: Up to this number of colours, columns alone are fast.
FEW = 16
#: The cost of a pullback in pushforwards, and that of recording f.
PULL, RECORD = 2, 8
#: Pushforwards go one by one: beyond this cost, a sparse pass is faster.
MOST = 40


class TwoSided(Compression):
    """A pattern whose rows are divided: those with a row colour come from pullbacks, the others from pushforwards."""

    def __init__(self, pattern: Pattern, colours: Any, row_colours: Any) -> None:
        super().__init__(pattern, colours=colours)
        self.row_colours = row_colours
        self.pulls = int(row_colours.max(initial=-1)) + 1
        of_entries = row_colours[pattern.row_of_entries()]
        #: The entries that come from pullbacks, and their flat indices among the results of these.
        self.by_row = np.flatnonzero(of_entries >= 0)
        self.pulled_places = of_entries[self.by_row] * pattern.columns + pattern.indices[self.by_row]

    def evaluated(self, inputs: Inputs) -> tuple[Outputs, Any, Any] | None:
        """The outputs of f, the values of the entries, and the derivative along the probe; from one recorded call.

        None if f is complex.
        """
        outputs, program = recorded_pass(inputs)
        refuse_outer(inputs, outputs.values)
        if any(dtype_of(value).kind == "c" for value in outputs.values):
            return None
        shapes = [outputs.shape(i) for i in range(len(outputs.values))]
        rows = sum(map(math.prod, shapes))
        if rows != self.shape[0]:
            raise wrong_shape(inputs.operator, self, f"f returned {rows} elements")
        dtypes = list(map(dtype_of, outputs.values))

        def flat(parts: Any, shapes: Any, dtypes: Any) -> Any:
            return np.concatenate(
                [
                    np.broadcast_to(np.zeros((), dtype) if part is None else part, shape).reshape(-1)
                    for part, shape, dtype in zip(parts, shapes, dtypes, strict=True)
                ]
            )

        inner = list(map(dtype_of, inputs.leaves))
        seeds = self.directions().rows(0, self.count)
        pushed = np.stack([flat(program.push(_divided(seed, inputs.shapes, inner)), shapes, dtypes) for seed in seeds])
        data = self.decompressed(pushed)
        if self.by_row.size:
            weights = np.arange(self.pulls)[:, None] == self.row_colours
            pulled = [flat(program.pull(_divided(w, shapes, dtypes)), inputs.shapes, inner) for w in weights]
            data[self.by_row] = np.stack(pulled).reshape(-1).take(self.pulled_places)
        return outputs, data, pushed[-1]


def _divided(vector: Any, shapes: Any, dtypes: Any) -> list[Any]:
    """A vector as arrays of these shapes and dtypes."""
    parts, start = [], 0
    for shape, dtype in zip(shapes, dtypes, strict=True):
        size = math.prod(shape)
        parts.append(vector[start : start + size].astype(dtype).reshape(shape)[()])
        start += size
    return parts


def two_sided(coloured: Compression) -> TwoSided | None:
    """The bidirectional compression of a Jacobian; None if columns alone cost less."""
    pattern, columns = coloured.pattern, coloured.count
    if columns <= FEW or coloured.symmetric:
        return None
    dense = _dense_rows(pattern)
    if not dense.any():
        return None
    row_colours = np.full(pattern.rows, -1)
    row_colours[dense] = column_colours(_transposed(pattern, np.flatnonzero(dense)))
    sparse_rows, _ = pattern.chosen(np.where(dense, -1, np.arange(pattern.rows)))
    colours = column_colours(sparse_rows)
    result = TwoSided(pattern, colours, row_colours)
    return result if RECORD + PULL * result.pulls + result.count < min(columns, MOST) else None


def _dense_rows(pattern: Pattern) -> Any:
    """The rows with the most entries, as many as make the estimated cost least."""
    counts = pattern.counts
    order = np.argsort(-counts, kind="stable")
    # Of the first k rows in this order: the number of entries of the fullest column.
    places = np.empty(pattern.rows, np.intp)
    places[order] = np.arange(pattern.rows)
    fullest = np.zeros(pattern.rows + 1, np.intp)
    by_place = np.argsort(places[pattern.row_of_entries()], kind="stable")
    columns = pattern.indices[by_place]
    # The rank of each entry among those of its column.
    in_columns = np.argsort(columns, kind="stable")
    starts = np.searchsorted(columns[in_columns], np.arange(pattern.columns + 1))
    ranks = np.empty(pattern.size, np.intp)
    ranks[in_columns] = np.arange(pattern.size) - np.repeat(starts[:-1], np.diff(starts)) + 1
    np.maximum.at(fullest, places[pattern.row_of_entries()[by_place]] + 1, ranks)
    pulls = np.maximum.accumulate(fullest)
    pushes = np.append(counts[order], 0)
    best = int(np.argmin(pushes + np.where(pulls > 0, RECORD + PULL * pulls, 0)))
    dense = np.zeros(pattern.rows, bool)
    dense[order[:best]] = True
    return dense


def _transposed(pattern: Pattern, rows: Any) -> Pattern:
    """The transpose of some rows."""
    chosen, _ = pattern.chosen(rows)
    return Pattern.of_entries(chosen.indices, chosen.row_of_entries(), (pattern.columns, len(rows)))[0]
