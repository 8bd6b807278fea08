"""Batches: leading axes of x that index independent points, and a check that f does not mix the points."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from dualdiff.base.errors import MixedPointsError
from dualdiff.tangents.zeros import plain

#: The points are divided into at most this number of groups to see whether f mixes them.
GROUPS = 4


def check_batch_dims(operator: str, batch_dims: Any) -> None:
    """Raise unless ``batch_dims`` is a number of axes."""
    if isinstance(batch_dims, bool) or not isinstance(batch_dims, (int, np.integer)) or batch_dims < 0:
        raise ValueError(f"{operator}: batch_dims must be the number of leading batch axes, not {batch_dims!r}")


class Batch:
    """The batch axes, which come first in the shape of every array in x."""

    def __init__(self, operator: str, dims: int, shapes: list[tuple[int, ...]]) -> None:
        check_batch_dims(operator, dims)
        starts = {shape[:dims] for shape in shapes}
        if any(len(shape) < dims for shape in shapes) or len(starts) > 1:
            raise ValueError(
                f"{operator}: batch_dims={dims} requires all arrays in x to have the same first {dims} axes; their "
                f"shapes are {shapes}"
            )
        self.operator, self.dims = operator, dims
        self.shape: tuple[int, ...] = starts.pop() if starts else ()

    @cached_property
    def groups(self) -> tuple[Any, ...]:
        """Masks that divide the points into up to four groups: perturbing one group must not affect the others.

        Up to four points are each in a group of their own.  Of more, any two are in different groups with probability
        3/4, so that a function that mixes several points is caught.  Without a batch, or with one point, there is
        nothing to mix.
        """
        count = math.prod(self.shape)
        if not self.dims or count < 2:
            return ()
        group = np.random.default_rng(0).permutation(count).reshape(self.shape) % GROUPS
        return tuple(group == k for k in range(min(count, GROUPS)))

    def with_probes(self, seeds: Any, core: tuple[int, ...]) -> Any:
        """The seeds of an array, followed by one probe per group: a direction that perturbs only its points."""
        weights = 0.5 + np.random.default_rng(1).random(core)
        probes = [np.multiply.outer(group, weights)[None].astype(seeds.dtype) for group in self.groups]
        return np.concatenate([seeds, *probes])

    def without_probes(self, derivatives: list[Any]) -> list[Any]:
        """The derivatives along the seeds; those along the probes are checked and removed."""
        groups = self.groups
        for t in derivatives:
            if t.shape[1 : 1 + self.dims] == self.shape:
                for group, along_probe in zip(groups, t[len(t) - len(groups) :], strict=True):
                    self.check_apart(group, along_probe, t.ndim - 1)
        return [t[: len(t) - len(groups)] for t in derivatives]

    def check_apart(self, group: Any, derivative: Any, ndim: int) -> None:
        """Raise if the derivative along the probe of a group is nonzero at the points of other groups."""
        derivative = plain(derivative)
        with np.errstate(invalid="ignore"):
            if np.any(np.abs(derivative) > 0, where=~group.reshape(group.shape + (1,) * (ndim - group.ndim))):
                raise MixedPointsError(
                    f"{self.operator} with batch_dims={self.dims} requires an f that treats the points, batch shape "
                    f"{self.shape}, independently, but the result at some points depends on others: operate only on "
                    "the axes after the batch axes (x[..., 0], axis=-1), or omit batch_dims"
                )

    def check_results(self, values: list[Any]) -> None:
        """Raise if a result does not start with the batch axes."""
        for value in values:
            shape = getattr(value, "shape", ())
            if shape[: self.dims] != self.shape:
                raise ValueError(
                    f"{self.operator} with batch_dims={self.dims}: f(x) must start with the batch axes of x, "
                    f"{self.shape}, and has shape {shape}"
                )


#: For operators without batch axes.
NO_BATCH = Batch("", 0, [])
