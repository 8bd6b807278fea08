"""The points of a batch: leading axes of x along which f works on each point by itself, and a check that it does."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from dualdiff.base.errors import MixedPointsError
from dualdiff.tangents.zeros import plain

#: The points are watched in at most so many groups.
GROUPS = 4


def check_batch_dims(operator: str, batch_dims: Any) -> None:
    """Refuse what does not count axes."""
    if isinstance(batch_dims, bool) or not isinstance(batch_dims, (int, np.integer)) or batch_dims < 0:
        raise ValueError(f"{operator}: batch_dims must be a number of leading axes, not {batch_dims!r}")


class Batch:
    """The leading axes that all arrays of x have in common."""

    def __init__(self, operator: str, dims: int, shapes: list[tuple[int, ...]]) -> None:
        check_batch_dims(operator, dims)
        starts = {shape[:dims] for shape in shapes}
        if any(len(shape) < dims for shape in shapes) or len(starts) > 1:
            raise ValueError(
                f"{operator}: batch_dims={dims} needs every array of x to start with the same {dims} axes; the shapes "
                f"are {shapes}"
            )
        self.operator, self.dims = operator, dims
        self.shape: tuple[int, ...] = starts.pop() if starts else ()

    @cached_property
    def groups(self) -> tuple[Any, ...]:
        """The points in up to four groups, as masks: what moves one group leaves the others where they are.

        Up to four points are all apart, and any two of more with probability 3/4, so that a function which mixes
        several of them is caught.  Without a batch, or with one point, there is nothing to mix.
        """
        count = math.prod(self.shape)
        if not self.dims or count < 2:
            return ()
        group = np.random.default_rng(0).permutation(count).reshape(self.shape) % GROUPS
        return tuple(group == k for k in range(min(count, GROUPS)))

    def watched(self, seeds: Any, core: tuple[int, ...]) -> Any:
        """The seeds of an array, and behind them for each group a direction that moves its points alone."""
        weights = 0.5 + np.random.default_rng(1).random(core)
        own = [np.multiply.outer(group, weights)[None].astype(seeds.dtype) for group in self.groups]
        return np.concatenate([seeds, *own])

    def unwatched(self, derivatives: list[Any]) -> list[Any]:
        """The derivatives without those along the directions of the groups, which are checked."""
        groups = self.groups
        for t in derivatives:
            if t.shape[1 : 1 + self.dims] == self.shape:
                for group, moved in zip(groups, t[len(t) - len(groups) :], strict=True):
                    self.check_apart(group, moved, t.ndim - 1)
        return [t[: len(t) - len(groups)] for t in derivatives]

    def check_apart(self, group: Any, moved: Any, ndim: int) -> None:
        """Refuse derivatives at points of other groups than the one that moved."""
        moved = plain(moved)
        with np.errstate(invalid="ignore"):
            if np.any(np.abs(moved) > 0, where=~group.reshape(group.shape + (1,) * (ndim - group.ndim))):
                raise MixedPointsError(
                    f"{self.operator} with batch_dims={self.dims} needs an f that works on each of the points "
                    f"{self.shape} by itself, and the result at some of them changes with others: have f keep to "
                    "the axes behind those of the batch (x[..., 0], axis=-1), or leave batch_dims out"
                )

    def check_results(self, values: list[Any]) -> None:
        """Refuse results that do not start with the axes of the batch."""
        for value in values:
            shape = getattr(value, "shape", ())
            if shape[: self.dims] != self.shape:
                raise ValueError(
                    f"{self.operator} with batch_dims={self.dims}: x starts with the axes {self.shape}, and so must "
                    f"f(x), which has the shape {shape}"
                )


#: Where there are no points to tell apart.
NO_BATCH = Batch("", 0, [])
