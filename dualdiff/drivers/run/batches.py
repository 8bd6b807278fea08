"""Batches: leading axes of x that index independent points, and a check that f does not mix the points."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from dualdiff.base.errors import MixedPointsError, is_computed_later
from dualdiff.base.extras import load
from dualdiff.base.progress import shown
from dualdiff.base.workers import count_of, refuse_inside
from dualdiff.core.containers import flatten
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


class Points(NamedTuple):
    """Points along the first axis of x; they travel as their numbers."""

    start: int
    stop: int
    total: int

    def __str__(self) -> str:
        return f"points {self.start} to {self.stop - 1} of {self.total} (counted from 0)"


def by_points(
    evaluate: Callable[..., Any],
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    workers: Any,
    progress: Any,
    argnum: Any,
    has_aux: bool,
    options: dict[str, Any],
) -> tuple[Any, ...]:
    """What an operator evaluates at independent points, divided among workers along their first axis."""
    if is_lazy(args, argnum):
        dims = options.get("batch_dims", args[argnum].ndim)
        return lazily(evaluate, operator, f, args, argnum % len(args), has_aux, dims, options)
    from dualdiff.base.pools import Job, results

    refuse_inside(operator)
    if has_aux:
        raise ValueError(f"{operator}: workers divide the points, and the aux of each part belongs to its points alone")
    places = [i % len(args) for i in (argnum if isinstance(argnum, tuple) else (argnum,))]
    counts = {np.shape(leaf)[:1] for i in places for leaf in flatten(args[i], is_argument=True)[0]}
    if len(counts) != 1 or () in counts:
        raise ValueError(f"{operator}: all arrays in x need the same first axis, of points, for workers to divide it")
    ((count,),) = counts
    for i, other in enumerate(args):
        if i not in places and any(np.shape(leaf)[:1] == (count,) for leaf in flatten(other, takes_all=True)[0]):
            raise ValueError(
                f"{operator}: workers divide the {count} points, and argument {i} has as many rows: if these belong to "
                "the points, make them a part of x; otherwise let f close over it"
            )
    # A single point would broadcast with anything.
    parts = max(1, min(count_of(workers), count // 2))
    ends = [count * i // parts for i in range(parts + 1)]
    pieces = [Points(start, stop, count) for start, stop in itertools.pairwise(ends)]
    job = Job(operator, _points_of, evaluate, operator, f, args, places, argnum, options)
    tell, ended = shown(operator, progress, "points"), Counter[str]()

    def done(piece: Points) -> None:
        ended["points"] += piece.stop - piece.start
        tell(ended["points"], count)

    found = list(results(workers, job, pieces, done))
    _, nesting = flatten(tuple(found[0]))
    columns = zip(*(flatten(tuple(trees))[0] for trees in found), strict=True)
    return *nesting([np.concatenate(column) for column in columns]), None


def _points_of(
    evaluate: Callable[..., Any],
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    places: list[int],
    argnum: Any,
    options: dict[str, Any],
) -> Callable[[Points], Any]:
    """The points of a worker."""

    def one_part(piece: Points) -> Any:
        given = _part(args, places, slice(piece.start, piece.stop))
        *trees, _ = evaluate(operator, f, given, argnum=argnum, **options)
        length = piece.stop - piece.start
        for leaf in flatten(tuple(trees))[0]:
            if np.shape(leaf)[:1] != (length,):
                raise ValueError(
                    f"{operator}: with workers, the result must have the points on its first axis; at {length} points "
                    f"it has shape {np.shape(leaf)}"
                )
        _refuse_positions(operator, f, _part(given, places, slice(-2, None)), trees[0])
        return trees

    return one_part


def _part(args: tuple[Any, ...], places: list[int], points: slice) -> tuple[Any, ...]:
    """The arguments with some of the points."""
    given = list(args)
    for i in places:
        leaves, nesting = flatten(args[i], is_argument=True)
        given[i] = nesting.argument([np.array(leaf)[points] for leaf in leaves])
    return tuple(given)


def _refuse_positions(operator: str, f: Callable[..., Any], last: tuple[Any, ...], value: Any) -> None:
    """Raise unless f has the same values at the last points alone: it may not depend on the number of a point."""
    for alone, among in zip(flatten(f(*last))[0], flatten(value)[0], strict=True):
        among = np.asarray(among)[-2:]
        if np.shape(alone) != among.shape or not np.allclose(alone, among, rtol=1e-6, atol=1e-300, equal_nan=True):
            raise MixedPointsError(
                f"{operator}: f has other values at some points alone than among others, so that its points cannot be "
                "divided: it uses their number or their positions (len(x), np.arange, an array with a value for each "
                "point); make what belongs to the points a part of x, or omit workers"
            )


def is_lazy(args: tuple[Any, ...], argnum: Any) -> bool:
    """Whether an argument is an array that is computed later, such as a dask array."""
    is_place = isinstance(argnum, int) and -len(args) <= argnum < len(args)
    return is_place and is_computed_later(type(args[argnum]))


def lazily(
    evaluate: Callable[..., Any],
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    argnum: int,
    has_aux: bool,
    dims: int,
    options: dict[str, Any],
) -> tuple[Any, ...]:
    """What an operator evaluates at the points of a dask array: dask arrays that are computed block after block.

    f is called at a point of ones now, for the shape of its result.
    """
    if has_aux or any(is_lazy(args, i) for i in range(len(args)) if i != argnum):
        raise ValueError(f"{operator}: with x as a dask array, f takes no other dask array, and returns no aux")
    dask, arrays = load("dask", "dask", operator), load("dask.array", "dask[array]", operator)
    x = args[argnum].rechunk(dict.fromkeys(range(dims, args[argnum].ndim), -1))
    of_block = partial(_of_block, evaluate, operator, f, args[:argnum], args[argnum + 1 :])
    of_block = partial(of_block, argnum=argnum, **options)
    with np.errstate(all="ignore"):
        samples = of_block(np.ones((1,) * dims + x.shape[dims:], x.dtype))
    if not all(issubclass(type(sample), np.ndarray) for sample in samples):
        raise TypeError(f"{operator}: with x as a dask array, f must return one array")
    blocks = x.to_delayed()
    parts = {place: dask.delayed(of_block, nout=len(samples))(blocks[place]) for place in np.ndindex(blocks.shape)}

    def joined(i: int, place: tuple[int, ...] = ()) -> Any:
        axis = len(place)
        if axis < dims:
            return arrays.concatenate([joined(i, (*place, k)) for k in range(blocks.shape[axis])], axis=axis)
        points = tuple([x.chunks[a][k] for a, k in enumerate(place)])
        part = parts[(*place, *(0,) * (blocks.ndim - dims))][i]
        return arrays.from_delayed(part, points + samples[i].shape[dims:], meta=samples[i][:0])

    return *(joined(i) for i in range(len(samples))), None


def _of_block(
    evaluate: Callable[..., Any],
    operator: str,
    f: Callable[..., Any],
    before: tuple[Any, ...],
    after: tuple[Any, ...],
    x: Any,
    **options: Any,
) -> Any:
    """What an operator evaluates at the points of a block."""
    args = (*before, np.asarray(x), *after)
    *results, _ = evaluate(operator, f, args, **options)
    if x.size:
        _refuse_positions(operator, f, _part(args, [len(before)], slice(-2, None)), results[0])
    return tuple(results)


#: For operators without batch axes.
NO_BATCH = Batch("", 0, [])
