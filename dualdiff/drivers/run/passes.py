"""Passes: each is one call of f on seeded duals under a fresh tag, and returns the tangents of the result."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dualdiff.base import tags
from dualdiff.base.errors import NotHolomorphicError
from dualdiff.base.memory import keep_freed_memory
from dualdiff.base.workers import count_of, refuse_inside
from dualdiff.core.application import dtype_of
from dualdiff.core.array import DualArray
from dualdiff.core.dual import make
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.outputs import Outputs, copied
from dualdiff.drivers.run.planning import chunks
from dualdiff.drivers.run.repeated_calls import Kept, expect_several_calls
from dualdiff.drivers.run.seeds import Directions, as_dual, seeded, unit_rows
from dualdiff.tangents.pattern import Memory
from dualdiff.tangents.program import Program
from dualdiff.tangents.spaces.dense import Active, Dense
from dualdiff.tangents.spaces.mixed import Mixed
from dualdiff.tangents.spaces.recorded import Recorded
from dualdiff.tangents.spaces.single import Single
from dualdiff.tangents.spaces.sparse import Sparse
from dualdiff.tangents.spaces.taylor import Taylor

keep_freed_memory()


def single_pass(inputs: Inputs, tangents: list[Any], conjugates: str = "allowed") -> Outputs:
    """One call of f along one direction, given as the tangents of the leaves (None for zero)."""
    tag = tags.start()
    try:
        space = Single(tag, conjugates)
        leaves = [
            make(leaf, t, space) if not isinstance(leaf, (np.ndarray, DualArray)) else as_dual(leaf, t, space)
            for leaf, t in zip(inputs.leaves, tangents, strict=True)
        ]
        outputs = Outputs(inputs, space, *inputs.call(leaves, space))
    finally:
        tags.end(tag)
    outputs.derivatives = outputs.read()
    return outputs


def series_pass(inputs: Inputs, directions: list[Any], order: int) -> Outputs:
    """One call of f on the series ``x + t v``, truncated after an order of at least 1."""
    tag = tags.start()
    try:
        space = Taylor(tag, order, "refused" if inputs.is_complex else "allowed")
        leaves = [
            as_dual(leaf, Active((0,), np.reshape(v, (1, *shape))), space)
            for leaf, v, shape in zip(inputs.leaves, directions, inputs.shapes, strict=True)
        ]
        return Outputs(inputs, space, *inputs.call(leaves, space))
    finally:
        tags.end(tag)


def dense_passes(
    inputs: Inputs,
    chunk_size: int | None,
    conjugates: str = "allowed",
    imaginary: bool = False,
    directions: Directions | None = None,
    space_of: Callable[[int, int, str], Dense] | None = None,
) -> Iterator[tuple[int, int, Outputs]]:
    """One call of f for each chunk of directions, by default the unit directions.

    With ``imaginary``, i times each unit direction follows after them.  ``space_of(tag, count, conjugates)`` makes the
    space, if it is not `Dense`.
    """
    total = inputs.size * (2 if imaginary else 1) if directions is None else directions.total
    ranges = chunks(inputs, chunk_size, total)
    if inputs.workers is not None and chunk_size is None and len(ranges) < (count := count_of(inputs.workers)):
        ranges = chunks(inputs, max(1, -(-total // count)), total)
    one_pass = partial(dense_pass, inputs, conjugates, directions, space_of)
    if inputs.workers is None:
        if len(ranges) > 1:
            expect_several_calls(inputs)
        for start, stop in ranges:
            yield start, stop, one_pass(start, stop)
            inputs.progress(stop, total)
    else:
        yield from divided_passes(inputs, ranges, conjugates, directions)


def dense_pass(
    inputs: Inputs,
    conjugates: str,
    directions: Directions | None,
    space_of: Callable[[int, int, str], Dense] | None,
    start: int,
    stop: int,
) -> Outputs:
    """One call of f along the directions from start to stop."""
    groups = inputs.batch.groups
    rows = unit_rows(inputs.size, start, stop) if directions is None else directions.rows(start, stop)
    tag = tags.start()
    try:
        space = (space_of or Dense)(tag, len(rows) + len(groups), conjugates)
        is_identity = directions is None and start == 0 and stop == inputs.size
        leaves = seeded(inputs, space, rows, is_identity)
        outputs = Outputs(inputs, space, *inputs.call(leaves, space))
    finally:
        tags.end(tag)
    outputs.derivatives = outputs.read()
    if groups:
        outputs.derivatives = inputs.batch.without_probes(outputs.derivatives)
    return outputs


class Chunk(NamedTuple):
    """Directions that one call of f carries; they travel as their numbers."""

    start: int
    stop: int
    total: int

    def __str__(self) -> str:
        if self.stop - self.start == 1:
            return f"direction {self.start} of {self.total} (counted from 0)"
        return f"directions {self.start} to {self.stop - 1} of {self.total} (counted from 0)"


def divided_passes(
    inputs: Inputs, ranges: list[tuple[int, int]], conjugates: str, directions: Directions | None
) -> Iterator[tuple[int, int, Outputs]]:
    """The same passes, computed by workers."""
    from dualdiff.base.pools import Job, results

    refuse_inside(inputs.operator)
    total = ranges[-1][1]
    data = (inputs.operator, inputs.f, inputs.args, inputs.argnum, inputs.has_aux, inputs.batch.dims)
    job = Job(inputs.operator, _passes_of, os.getpid(), data, conjugates, directions)
    kept, ended = Kept(inputs.others()), Counter[str]()

    def done(chunk: Chunk) -> None:
        ended["directions"] += chunk.stop - chunk.start
        inputs.progress(ended["directions"], total)

    pieces = [Chunk(start, stop, total) for start, stop in ranges]
    for piece, outputs in zip(pieces, results(inputs.workers, job, pieces, done), strict=True):
        # The workers have said it.
        inputs.constant_is_said = True
        yield piece.start, piece.stop, outputs
    kept.refuse_changes(inputs.operator)


def _passes_of(
    home: int, data: tuple[Any, ...], conjugates: str, directions: Directions | None
) -> Callable[[Chunk], Outputs]:
    """The passes of a worker."""
    inputs = Inputs(*data)
    if os.getpid() != home:
        # Threads share the arguments, which may not be changed.
        expect_several_calls(inputs)

    def one_pass(chunk: Chunk) -> Outputs:
        outputs = dense_pass(inputs, conjugates, directions, None, chunk.start, chunk.stop)
        return outputs.travelling(chunk.start == 0)

    return one_pass


def sparse_pass(
    inputs: Inputs,
    conjugates: str = "allowed",
    pattern_only: bool = False,
    memory: Memory | None = None,
    kind: type[Sparse] = Sparse,
) -> Outputs:
    """One call of f along all unit directions; with ``pattern_only``, without the values of the entries.

    With a lasting memory, a pass that takes the same path as an earlier one reuses its structures.
    """
    tag = tags.start()
    try:
        space = kind(tag, inputs.size, conjugates, pattern_only, memory)
        leaves, first = [], 0
        for leaf, size in zip(inputs.leaves, inputs.sizes, strict=True):
            leaves.append(as_dual(leaf, space.seed(first, size, dtype_of(leaf)), space))
            first += size
        return Outputs(inputs, space, *inputs.call(leaves, space))
    finally:
        tags.end(tag)


def mixed_pass(inputs: Inputs) -> tuple[Outputs, Mixed]:
    """One call of f along all unit directions of a few real inputs: small arrays forward, large arrays recorded."""
    tag = tags.start()
    try:
        space = Mixed(tag, inputs.size)
        leaves, first = [], 0
        for leaf, shape, size in zip(inputs.leaves, inputs.shapes, inputs.sizes, strict=True):
            leaves.append(as_dual(leaf, space.unit_seed(first, shape, dtype_of(leaf)), space))
            first += size
        return Outputs(inputs, space, *inputs.call(leaves, space)), space
    finally:
        tags.end(tag)


def recorded_pass(inputs: Inputs, conjugates: str = "allowed", once: bool = False) -> tuple[Outputs, Program]:
    """One call of f that records its linear program; ``once`` says that the program is transposed only once."""
    tag = tags.start()
    try:
        space = Recorded(tag, conjugates)
        seeds = [space.seed(shape, dtype_of(leaf)) for leaf, shape in zip(inputs.leaves, inputs.shapes, strict=True)]
        # Later writes by the caller, into x or into a result, must not change the record.
        values = inputs.leaves if once else copied(inputs.leaves)
        leaves = [as_dual(leaf, seed, space) for leaf, seed in zip(values, seeds, strict=True)]
        outputs = Outputs(inputs, space, *inputs.call(leaves, space))
    finally:
        tags.end(tag)
    program = Program(seeds, outputs.tangents)
    if once:
        return outputs, program
    outputs.values, outputs.aux = copied(outputs.values), copied(outputs.aux)
    return outputs, program.settle()


def directions_last(t: Any) -> Any:
    """The derivatives with the axis of directions moved to the end."""
    return t.transpose((*range(1, t.ndim), 0))


def refuse_conjugates(operator: str) -> NotHolomorphicError:
    """The error for a complex derivative of a function that is not holomorphic."""
    return NotHolomorphicError(
        f"{operator}: f is complex-valued and not holomorphic (it uses conj, abs, real or imag), so that it has no "
        "complex derivative; use dualdiff.jvp or dualdiff.vjp, which are real-linear and correct along any direction"
    )
