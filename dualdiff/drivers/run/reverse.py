"""Reverse mode: f runs once and is recorded, and the recorded linear program is transposed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dualdiff.base.quiet import quietly
from dualdiff.core.application import dtype_of
from dualdiff.core.array import DualArray
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import dense_passes, recorded_pass, refuse_conjugates
from dualdiff.tangents.program import Program
from dualdiff.tangents.zeros import may_have_nan


def pulled(inputs: Inputs, conjugates: str, check: Callable[[Inputs, Outputs], Any]) -> tuple[Outputs, list[Any]]:
    """The outputs, and the gradient of the scalar result (or of the scalar at each point of a batch) as leaves of x."""
    outputs, program = recorded_pass(inputs, conjugates, once=True)
    check(inputs, outputs)
    value, t = outputs.values[0], outputs.tangents[0]
    shape, dtype = outputs.shape(0), dtype_of(value)
    is_complex = dtype.kind == "c"
    if is_complex and outputs.space.conjugates == "used":
        raise refuse_conjugates(inputs.operator)
    if t is None:
        return outputs, filled(inputs, [None] * len(inputs.leaves))
    one = np.ones(shape, dtype) if shape else dtype.type(1)
    groups = inputs.batch.groups
    if groups:
        gradients = [None] * len(inputs.leaves)
        for group in groups:
            # The gradient of one group is zero at the points of the others, and zeros change no bit of the sum.
            parts = program.pull([one * group])
            for i, part in enumerate(parts):
                if part is not None:
                    inputs.batch.check_apart(group, part, np.ndim(part))
                    gradients[i] = part if gradients[i] is None else gradients[i] + part
    else:
        gradients = program.pull([one], consume=not is_complex)
    if is_complex and not all(dtype_of(leaf).kind == "c" for leaf in inputs.leaves):
        # The pairing with a cotangent is real; for real x, a second pull gives the imaginary part of the gradient.
        gradients = _combined(inputs, gradients, program.pull([-1j * one]))
    return outputs, [in_precision_of(leaf, g) for leaf, g in zip(inputs.leaves, filled(inputs, gradients), strict=True)]


def in_precision_of(x: Any, derivative: Any) -> Any:
    """A derivative in the precision of x; it stays real or complex."""
    if type(x) is np.ndarray and x.dtype is derivative.dtype:
        return derivative
    dtype, dtype_now = dtype_of(x), dtype_of(derivative)
    if dtype_now.kind != dtype.kind:
        dtype = _real(dtype) if dtype.kind == "c" else np.result_type(dtype, np.complex64)
    return derivative if dtype_now == dtype else derivative.astype(dtype)


def _combined(inputs: Inputs, real: list[Any], imaginary: list[Any]) -> list[Any]:
    return [
        a if dtype_of(leaf).kind == "c" or (a is None and b is None) else (0 if a is None else a) + 1j * b
        for leaf, a, b in zip(inputs.leaves, real, imaginary, strict=True)
    ]


def filled(inputs: Inputs, leaves: list[Any]) -> list[Any]:
    """Cotangents of the leaves as exclusively owned arrays, zero where there is none."""
    result = []
    for part, leaf, shape in zip(leaves, inputs.leaves, inputs.shapes, strict=True):
        dtype = dtype_of(leaf)
        if part is None:
            part = np.zeros(shape, dtype)[()]
        if getattr(part, "shape", ()) != shape:
            part = np.broadcast_to(part, shape)
        if issubclass(type(part), np.ndarray):
            if not isinstance(leaf, (np.ndarray, DualArray)):
                part = part[()]
            elif part.dtype != dtype or not part.flags.writeable:
                part = np.array(part, np.result_type(part, dtype))
        elif issubclass(type(leaf), np.ndarray) and not isinstance(part, AnyDual):
            part = np.asarray(part)
        elif issubclass(type(part), float):
            part = dtype.type(part)
        result.append(part)
    return result


def pulled_rows(inputs: Inputs, outputs: Outputs, program: Program, chunk_size: int | None) -> list[list[Any]]:
    """The Jacobian of each result of f with respect to each leaf of x, as the forward Jacobian of the linear pull."""

    def pull(*weights: Any, by: complex = 1) -> list[Any]:
        cotangents = [
            w * by if dtype_of(value).kind == "c" else w for w, value in zip(weights, outputs.values, strict=True)
        ]
        return filled(inputs, program.pull(cotangents))

    largest = max((math.prod(node.shape) for node in program.nodes), default=0)
    real = _rows(inputs, outputs, pull, chunk_size, largest)
    if any(dtype_of(value).kind == "c" for value in outputs.values) and not all(
        dtype_of(leaf).kind == "c" for leaf in inputs.leaves
    ):
        imaginary = _rows(inputs, outputs, lambda *w: pull(*w, by=-1j), chunk_size, largest)
        for blocks, others, value in zip(real, imaginary, outputs.values, strict=True):
            for i, leaf in enumerate(inputs.leaves):
                if dtype_of(value).kind == "c" and dtype_of(leaf).kind != "c":
                    blocks[i] = blocks[i] + 1j * others[i]
    return real


def _rows(inputs: Inputs, outputs: Outputs, pull: Any, chunk_size: int | None, largest: int) -> list[list[Any]]:
    """The Jacobian of the pull with respect to real cotangents, with the axes of f(x) before those of x."""
    zeros = tuple(np.zeros(outputs.shape(j), _real(dtype_of(v))) for j, v in enumerate(outputs.values))
    weights = Inputs(inputs.operator, lambda w: tuple(pull(*w)), (zeros,), 0, batch_dims=inputs.batch.dims)
    weights.largest, weights.constant_is_said = largest, True
    columns = _at_once(weights, chunk_size)
    if columns is None:
        columns = [np.stack(parts) for parts in zip(*_one_by_one(weights, pull), strict=True)]
    batch = inputs.batch.dims
    rows: list[list[Any]] = [[] for _ in outputs.values]
    for full, leaf, core in zip(columns, inputs.leaves, inputs.core_shapes, strict=True):
        full = np.moveaxis(full, 0, batch)
        offset = 0
        for row, value, size, shape in zip(rows, outputs.values, weights.sizes, weights.core_shapes, strict=True):
            block = full[(slice(None),) * batch + (slice(offset, offset + size),)]
            block = in_precision_of(value, np.reshape(block, (*inputs.batch.shape, *shape, *core)))
            row.append(block if block.shape or isinstance(leaf, (np.ndarray, DualArray)) else block[()])
            offset += size
    return rows


def row_chunks(
    inputs: Inputs, outputs: Outputs, program: Program, chunk_size: int | None
) -> Iterator[tuple[int, int, Any]]:
    """Rows of the Jacobian of a real array, one chunk after the other, for a single leaf of x."""

    def pull(w: Any) -> tuple[Any, ...]:
        return tuple(filled(inputs, program.pull([w])))

    (value,) = outputs.values
    weights = Inputs(inputs.operator, pull, (np.zeros(outputs.shape(0), dtype_of(value)),), 0)
    weights.largest = max((math.prod(node.shape) for node in program.nodes), default=0)
    weights.constant_is_said, weights.progress = True, inputs.progress
    for start, stop, pulled in dense_passes(weights, chunk_size):
        rows = pulled.derivatives[0]
        if any(map(may_have_nan, (*pulled.values, rows))):
            # Accidental zeros differ from structural ones.
            rows = np.stack([pull(unit)[0] for unit in _units(weights.leaves[0], start, stop)])
        yield start, stop, in_precision_of(value, rows)


def _units(zeros: Any, start: int, stop: int) -> Iterator[Any]:
    for k in range(start, stop):
        unit = np.zeros_like(zeros)
        unit.reshape(-1)[k] = 1.0
        yield unit if unit.shape else unit[()]


@quietly
def _at_once(weights: Inputs, chunk_size: int | None) -> list[Any] | None:
    """The pull of all unit cotangents; None if NaN occurs, since accidental zeros then differ from structural ones."""
    parts: list[list[Any]] = []
    for _, _, outputs in dense_passes(weights, chunk_size):
        if any(map(may_have_nan, (*outputs.values, *outputs.derivatives))):
            return None
        parts.append(outputs.derivatives)
    return [t[0] if len(t) == 1 else np.concatenate(t) for t in zip(*parts, strict=True)]


def _one_by_one(weights: Inputs, pull: Any) -> Iterator[list[Any]]:
    """The pull of one unit cotangent after the other."""
    for j, size in enumerate(weights.sizes):
        for k in range(size):
            units = [np.zeros_like(zeros) for zeros in weights.leaves]
            units[j].reshape((*weights.batch.shape, -1))[..., k] = 1.0
            yield pull(*(unit if unit.shape else unit[()] for unit in units))


def _real(dtype: Any) -> Any:
    return np.empty(0, dtype).real.dtype
