"""How the operators run a function: seeds in, tangents out, one fresh tag for each call."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import tags
from dualdiff.core.array import DualArray
from dualdiff.core.dual import AnyDual, Dual, make
from dualdiff.core.errors import MixedPointsError, NotHolomorphicError, expired, explain
from dualdiff.drivers.containers import flatten, input_leaf, output_leaf
from dualdiff.drivers.forms import check_argnum, no_function
from dualdiff.tangents.dense import Dense
from dualdiff.tangents.pattern import Memory
from dualdiff.tangents.recorded import Program, Recorded
from dualdiff.tangents.single import Single, plain
from dualdiff.tangents.space import TangentSpace
from dualdiff.tangents.sparse import Sparse

#: A dense tangent has at most about this many numbers, unless `chunk_size` says otherwise.
CHUNK_ELEMENTS = 1 << 17
#: But a pass takes at least so many directions, because it computes the values once again.
CHUNK_AT_LEAST = 4


class Inputs:
    """The argument that is differentiated, as leaves, and the function of it alone."""

    def __init__(
        self,
        operator: str,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        argnum: int,
        has_aux: bool = False,
        batch_dims: int = 0,
    ) -> None:
        if not callable(f):
            raise no_function(operator, f)
        check_argnum(operator, argnum)
        if not -len(args) <= argnum < len(args):
            raise ValueError(
                f"{operator}: argnum={argnum}, but f was given {len(args)} positional argument"
                + ("s" if len(args) != 1 else "")
            )
        self.operator, self.f, self.args, self.argnum, self.has_aux = operator, f, args, argnum % len(args), has_aux
        leaves, self.rebuild = flatten(args[argnum])
        alone = not isinstance(args[argnum], (tuple, dict))
        self.leaves = [input_leaf(leaf, operator, alone) for leaf in leaves]
        self.shapes = [getattr(leaf, "shape", ()) for leaf in self.leaves]
        self.batch_dims = batch_dims
        self.batch_shape: tuple[int, ...] = ()
        if batch_dims:
            self._take_batch(batch_dims)
        self.core_shapes = [shape[batch_dims:] for shape in self.shapes]
        self.sizes = [math.prod(shape) for shape in self.core_shapes]
        self.size = sum(self.sizes)
        #: How many numbers the largest intermediate has, where that is known.
        self.largest = 0
        self.is_complex = any(dtype_of(leaf).kind == "c" for leaf in self.leaves)

    def _take_batch(self, batch_dims: int) -> None:
        if isinstance(batch_dims, bool) or not isinstance(batch_dims, int) or batch_dims < 0:
            raise ValueError(f"{self.operator}: batch_dims must be a number of leading axes, not {batch_dims!r}")
        found = {shape[:batch_dims] for shape in self.shapes}
        if any(len(shape) < batch_dims for shape in self.shapes) or len(found) > 1:
            raise ValueError(
                f"{self.operator}: batch_dims={batch_dims} needs every array of x to start with the same "
                f"{batch_dims} axes; the shapes are {self.shapes}"
            )
        self.batch_shape = found.pop() if found else ()

    def call(self, leaves: list[Any]) -> tuple[Any, Any]:
        """``f`` of these leaves, and aux."""
        args = [*self.args]
        args[self.argnum] = self.rebuild(leaves)
        try:
            result = self.f(*args)
        except Exception as error:
            explain(error)
            raise
        if not self.has_aux:
            return result, None
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{self.operator}: with has_aux=True, f has to return a pair (result, aux)")
        return result

    def chunks(self, chunk_size: int | None, directions: int) -> Iterator[tuple[int, int]]:
        """The ranges of directions of each pass; one empty pass if there are none."""
        if chunk_size is None:
            weight = max(self.largest, sum(map(_weight, self.leaves)))
            chunk_size = max(CHUNK_AT_LEAST, CHUNK_ELEMENTS // max(weight, 1))
            # Passes of even size cost the same number of calls and less memory.
            passes = -(-directions // chunk_size)
            chunk_size = max(1, -(-directions // max(passes, 1)))
        check_chunk_size(self.operator, chunk_size)
        for start in range(0, max(directions, 1), chunk_size):
            yield start, min(start + chunk_size, directions)

    def units(self, imaginary: bool = False) -> Directions:
        """The unit directions; with ``imaginary``, also i times each, at the end."""

        def rows(start: int, stop: int) -> Any:
            seeds = np.zeros((stop - start, self.size), complex if stop > self.size else float)
            numbers = np.arange(start, stop)
            values = np.where(numbers < self.size, 1.0, 1j) if stop > self.size else 1.0
            seeds[numbers - start, numbers % max(self.size, 1)] = values
            return seeds

        return Directions(self.size * (2 if imaginary else 1), rows)

    def seeded(self, space: Dense, seeds: Any) -> list[Any]:
        """The leaves as duals along these directions, each a row of a matrix with a column for each number of x."""
        leaves, offset = [], 0
        for leaf, shape, core, size in zip(self.leaves, self.shapes, self.core_shapes, self.sizes, strict=True):
            part, dtype = seeds[:, offset : offset + size], dtype_of(leaf)
            if part.dtype.kind == "c" and dtype.kind != "c":
                part = part.real
            offset += size
            raw = part.astype(dtype, copy=False).reshape((len(seeds), *(1,) * self.batch_dims, *core))
            if self.batch_dims:
                raw = np.broadcast_to(raw, (len(seeds), *shape))
                raw = np.concatenate([raw, *(self._alone(group, core, dtype) for group in self.groups())])
            leaves.append(_dual(leaf, raw, space))
        return leaves

    def groups(self) -> tuple[Any, ...]:
        """The points of a batch in up to four groups, as masks: what moves one group leaves the others where they are.

        Up to four points are all apart, and any two of more with probability 3/4, so that a function which mixes
        several of them is found out.  Without a batch, or with one point, there is nothing to mix.
        """
        count = math.prod(self.batch_shape)
        if not self.batch_dims or count < 2:
            return ()
        group = np.random.default_rng(0).permutation(count).reshape(self.batch_shape) % 4
        return tuple(group == k for k in range(min(count, 4)))

    def _alone(self, group: Any, core: tuple[int, ...], dtype: Any) -> Any:
        """A direction that moves one group of the points of a batch, all of their numbers differently."""
        weights = 0.5 + np.random.default_rng(1).random(core)
        return np.multiply.outer(group, weights)[None].astype(dtype)

    def check_apart(self, group: Any, moved: Any, ndim: int) -> None:
        """Refuse numbers that moved for points of other groups; the mask and all that moved start with the batch."""
        moved = plain(moved)
        with np.errstate(invalid="ignore"):
            if np.any(np.abs(moved) > 0, where=~group.reshape(group.shape + (1,) * (ndim - group.ndim))):
                raise MixedPointsError(
                    f"{self.operator} with batch_dims={self.batch_dims} needs an f that works on each of the points "
                    f"{self.batch_shape} by itself, and the result at some of them changes with others: have f keep to "
                    "the axes behind those of the batch (x[..., 0], axis=-1), or leave batch_dims out"
                )


class Directions(NamedTuple):
    """Directions to differentiate along: how many there are, and those from start to stop as the rows of a matrix."""

    total: int
    rows: Callable[[int, int], Any]


def directions_last(t: Any) -> Any:
    """The tangents with the axis of directions behind all others."""
    return t.transpose((*range(1, t.ndim), 0))


def check_chunk_size(operator: str, chunk_size: Any) -> None:
    """Refuse what is not a number of directions."""
    if chunk_size is None:
        return
    if isinstance(chunk_size, bool) or not isinstance(chunk_size, (int, np.integer)) or chunk_size < 1:
        raise ValueError(f"{operator}: chunk_size must be a positive integer, not {chunk_size!r}")


def dtype_of(x: Any) -> Any:
    """The dtype of a number, an array or a dual."""
    found = getattr(x, "dtype", None)
    return np.dtype(type(x)) if found is None else found


def _weight(x: Any) -> int:
    """How many numbers a value is, with the tangents of outer calls that it carries."""
    if isinstance(x, AnyDual):
        return _weight(x.value) * (1 + getattr(x.space, "directions", 1))
    return int(np.size(x))


def _dual(value: Any, raw: Any, space: TangentSpace) -> Any:
    if isinstance(value, (np.ndarray, DualArray)):
        array = DualArray(value, raw, space)
        # The values are the caller's: what f writes into its argument goes into a copy.
        array.held = True
        return array
    return Dual(value, raw, space)


class Outputs:
    """What a function returned: values, tangents as their space keeps them, and how the leaves stood together."""

    def __init__(self, inputs: Inputs, space: TangentSpace, result: Any, aux: Any) -> None:
        leaves, self.rebuild = flatten(result)
        self.values: list[Any] = []
        self.tangents: list[Any] = []
        for leaf in leaves:
            leaf = output_leaf(leaf, inputs.operator)
            value, t = leaf, None
            if isinstance(leaf, AnyDual):
                if leaf.space.tag == space.tag:
                    value, t = leaf.value, leaf.raw
                else:
                    check_outer(leaf, space)
            self.values.append(value)
            self.tangents.append(t)
        self.aux = strip(aux, space) if inputs.has_aux else None
        self.space = space

    @property
    def value(self) -> Any:
        """What f gives without differentiation."""
        return self.rebuild(self.values)

    def shape(self, i: int) -> tuple[int, ...]:
        """The shape of result i."""
        return getattr(self.values[i], "shape", ())

    def reads(self) -> list[Any]:
        """The tangents as numbers.  They are the caller's from now on, and share no memory with anything else."""
        reads: list[Any] = []
        for t, value in zip(self.tangents, self.values, strict=True):
            others = [*reads, *self.values] if self.aux is None else None
            reads.append(self.space.read(t, value) if others is None else self.space.give(t, value, others))
        return reads


def check_outer(x: AnyDual, space: TangentSpace) -> None:
    """A dual in a result, if not of this call, is a constant of a call that still runs outside; or else expired."""
    if x.space.tag > space.tag or (x.space.tag and not tags.is_live(x.space.tag)):
        raise expired()


def strip(tree: Any, space: TangentSpace) -> Any:
    """The same with the tangents of this call left out (what `has_aux` hands back)."""
    if isinstance(tree, AnyDual):
        if tree.space.tag == space.tag:
            return tree.value
        check_outer(tree, space)
        return tree
    if isinstance(tree, dict):
        return {k: strip(v, space) for k, v in tree.items()}
    if isinstance(tree, (tuple, list)):
        items = [strip(v, space) for v in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if isinstance(tree, np.ndarray) and tree.dtype == object:
        return strip(output_leaf(tree, "has_aux"), space) if any(isinstance(e, AnyDual) for e in tree.flat) else tree
    return tree


def single_pass(inputs: Inputs, tangents: list[Any], conjugates: str = "allowed") -> Outputs:
    """One call of f along one direction; a tangent None is zero."""
    tag = tags.start()
    try:
        space = Single(tag, conjugates)
        leaves = [
            make(leaf, t, space) if not isinstance(leaf, (np.ndarray, DualArray)) else _dual(leaf, t, space)
            for leaf, t in zip(inputs.leaves, tangents, strict=True)
        ]
        return Outputs(inputs, space, *inputs.call(leaves))
    finally:
        tags.end(tag)


def dense_passes(
    inputs: Inputs,
    chunk_size: int | None,
    conjugates: str = "allowed",
    imaginary: bool = False,
    directions: Directions | None = None,
) -> Iterator[tuple[int, int, Outputs]]:
    """One call of f for each chunk of directions: the unit directions unless others are given.

    With ``imaginary`` also along i times each unit direction, at the end.
    """
    are_units = directions is None
    directions = directions or inputs.units(imaginary)
    for start, stop in inputs.chunks(chunk_size, directions.total):
        tag = tags.start()
        groups = inputs.groups()
        try:
            space = Dense(tag, stop - start + len(groups), conjugates)
            leaves = inputs.seeded(space, directions.rows(start, stop))
            if are_units and (start, stop) == (0, inputs.size) and len(leaves) == 1 == len(inputs.shapes[0]):
                space.units = leaves[0].raw
            outputs = Outputs(inputs, space, *inputs.call(leaves))
        finally:
            tags.end(tag)
        for group in reversed(groups):
            for i, (t, value) in enumerate(zip(outputs.tangents, outputs.values, strict=True)):
                if t is None:
                    continue
                shape = getattr(value, "shape", ())
                if shape[: inputs.batch_dims] == inputs.batch_shape:
                    inputs.check_apart(group, t[-1], len(shape))
                outputs.tangents[i] = t[:-1]
            space.directions -= 1
        yield start, stop, outputs


def sparse_pass(
    inputs: Inputs, conjugates: str = "allowed", pattern_only: bool = False, memory: Memory | None = None
) -> Outputs:
    """One call of f along all unit directions at once; with ``pattern_only`` without the numbers.

    A lasting memory spares passes along the path of an earlier one the work on structures.
    """
    tag = tags.start()
    try:
        space = Sparse(tag, inputs.size, conjugates, pattern_only, memory)
        leaves, first = [], 0
        for leaf, size in zip(inputs.leaves, inputs.sizes, strict=True):
            leaves.append(_dual(leaf, space.seed(first, size, dtype_of(leaf)), space))
            first += size
        return Outputs(inputs, space, *inputs.call(leaves))
    finally:
        tags.end(tag)


def recorded_pass(inputs: Inputs, conjugates: str = "allowed") -> tuple[Outputs, Program]:
    """One call of f that records its linear program."""
    tag = tags.start()
    try:
        space = Recorded(tag, conjugates)
        seeds = [space.seed(shape, dtype_of(leaf)) for leaf, shape in zip(inputs.leaves, inputs.shapes, strict=True)]
        leaves = [_dual(leaf, seed, space) for leaf, seed in zip(inputs.leaves, seeds, strict=True)]
        outputs = Outputs(inputs, space, *inputs.call(leaves))
    finally:
        tags.end(tag)
    return outputs, Program(seeds, outputs.tangents)


def refuse_conjugates(operator: str) -> NotHolomorphicError:
    """The error for a complex result of a function that is not holomorphic."""
    return NotHolomorphicError(
        f"{operator}: f takes complex x to complex values and is not holomorphic (it uses conj, abs, real or imag); "
        "use dualdiff.jvp or dualdiff.vjp, which are right along any direction"
    )
