"""Seeds: the leaves of x as duals whose tangents are the directions of differentiation."""

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
    """Directions of differentiation: their number, and a function of start and stop that gives them as rows.

    After the last direction it may give further rows, which cost no additional pass.
    """

    total: int
    rows: Callable[[int, int], Any]


def unit_rows(size: int, start: int, stop: int) -> Any:
    """The unit directions from start to stop; from index ``size`` on, i times each unit direction."""
    if stop <= size:
        seeds = np.zeros((stop - start, size))
        seeds.reshape(-1)[start :: size + 1] = 1.0
        return seeds
    seeds = np.zeros((stop - start, size), complex)
    index = np.arange(start, stop)
    seeds[index - start, index % size] = np.where(index < size, 1.0, 1j)
    return seeds


def as_dual(value: Any, t: Tangent, space: TangentSpace) -> Any:
    """A leaf of x as a dual with this tangent."""
    if isinstance(value, (np.ndarray, DualArray)):
        array = space.array(value, t, space)
        # The caller owns the values: when f writes into its argument, it writes into a copy.
        array.held = True
        return array
    return make(value, t, space)


def seeded(inputs: Inputs, space: Dense, rows: Any, are_units: bool = False) -> list[Any]:
    """The leaves as duals along directions, the rows of a matrix with a column for each element of x.

    ``are_units`` says that the matrix is the identity.
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
            seeds = batch.with_probes(np.broadcast_to(seeds, (len(rows), *shape)), core)
        leaves.append(as_dual(leaf, space.seed(seeds, are_units), space))
    return leaves
