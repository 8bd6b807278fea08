"""Seeds: the leaves of x as duals, whose tangents are the directions to differentiate along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core.application import dtype_of
from dualdiff.core.array import DualArray
from dualdiff.core.dual import make
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.tangents.space import Tangent, TangentSpace
from dualdiff.tangents.spaces.dense import Dense


class Directions(NamedTuple):
    """Directions to differentiate along: how many there are, and those from start to stop as the rows of a matrix.

    With the last of them may go more, which cost no pass of their own.
    """

    total: int
    rows: Callable[[int, int], Any]


def unit_rows(size: int, start: int, stop: int) -> Any:
    """The unit directions from start to stop; i times each stands behind them all."""
    if stop <= size:
        seeds = np.zeros((stop - start, size))
        seeds.reshape(-1)[start :: size + 1] = 1.0
        return seeds
    seeds = np.zeros((stop - start, size), complex)
    which = np.arange(start, stop)
    seeds[which - start, which % size] = np.where(which < size, 1.0, 1j)
    return seeds


def as_dual(value: Any, t: Tangent, space: TangentSpace) -> Any:
    """A leaf of x with its tangent."""
    if isinstance(value, (np.ndarray, DualArray)):
        array = DualArray(value, t, space)
        # The values are the caller's: what f writes into its argument goes into a copy.
        array.held = True
        return array
    return make(value, t, space)


def seeded(inputs: Inputs, space: Dense, rows: Any, are_units: bool = False) -> list[Any]:
    """The leaves as duals along these directions, each a row of a matrix with a column for each element of x.

    ``are_units`` says that the rows are the identity.
    """
    leaves, offset, batch = [], 0, inputs.batch
    are_units = are_units and len(inputs.leaves) == 1 == len(inputs.shapes[0]) and not batch.dims
    for leaf, shape, core, size in zip(inputs.leaves, inputs.shapes, inputs.core_shapes, inputs.sizes, strict=True):
        part, dtype = rows[:, offset : offset + size], dtype_of(leaf)
        if part.dtype.kind == "c" and dtype.kind != "c":
            part = part.real
        offset += size
        seeds = part.astype(dtype, copy=False).reshape((len(rows), *(1,) * batch.dims, *core))
        if batch.dims:
            seeds = batch.watched(np.broadcast_to(seeds, (len(rows), *shape)), core)
        leaves.append(as_dual(leaf, space.seed(seeds, are_units), space))
    return leaves
