"""Inputs: the differentiated argument or arguments of f as leaves, and f as a function of these leaves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.adapting.remedies import explain
from dualdiff.base import tags
from dualdiff.base.progress import shown, silent
from dualdiff.core.application import dtype_of
from dualdiff.core.array import DualArray
from dualdiff.core.containers import Nesting, flatten, input_leaf, only
from dualdiff.core.scope import WRAPPERS
from dualdiff.drivers.run.batches import NO_BATCH, Batch
from dualdiff.tangents.space import TangentSpace

FLOAT64 = np.dtype(np.float64)
#: The operators that take a direction after x.
ALONG = frozenset({"jvp", "hvp"})


def no_function(operator: str, f: Any) -> TypeError:
    """The error for a first argument that is not callable."""
    return TypeError(f"{operator} takes a function as its first argument, not {type(f).__name__}")


def check_argnum(operator: str, argnum: Any) -> None:
    """Raise unless ``argnum`` is an integer or a nonempty tuple of integers."""
    parts = argnum if isinstance(argnum, tuple) else (argnum,)
    if not all(isinstance(i, (int, np.integer)) and not isinstance(i, bool) for i in parts):
        remedy = f"; write argnum={tuple(argnum)!r}" if isinstance(argnum, list) else ""
        if any(isinstance(i, str) for i in parts):
            remedy = "; give the position of the differentiated argument, counted from 0"
        raise TypeError(f"{operator}: argnum must be an integer or a tuple of integers, not {argnum!r}{remedy}")
    if not parts:
        raise ValueError(f"{operator}: argnum=() selects no argument; omit argnum for the first argument")


def resolve_argnum(operator: str, argnum: Any, count: int) -> Any:
    """``argnum`` checked against the number of arguments, with negative indices resolved."""
    check_argnum(operator, argnum)
    parts = argnum if isinstance(argnum, tuple) else (argnum,)
    if not all(-count <= i < count for i in parts):
        raise ValueError(
            f"{operator}: argnum={argnum}, but f was given {count} positional argument{'s' if count != 1 else ''}"
        )
    if not isinstance(argnum, tuple):
        return int(argnum) % count
    places = tuple(int(i) % count for i in argnum)
    if len(set(places)) < len(places):
        raise ValueError(f"{operator}: argnum={argnum} selects an argument twice")
    return places


def with_direction(operator: str, args: tuple[Any, ...], argnum: Any) -> tuple[tuple[Any, ...], Any]:
    """The arguments of f and the direction, from the arguments x, v, ... of the operator."""
    if len(args) < 2:
        raise TypeError(f"{operator}(f, x, v, ...) requires a direction v after x")
    x, v, *rest = args
    if not isinstance(argnum, tuple):
        rest.insert(resolve_argnum(operator, argnum, len(rest) + 1), x)
        return tuple(rest), v
    places = resolve_argnum(operator, argnum, len(rest) + len(argnum))
    if not isinstance(x, tuple) or len(x) != len(places):
        raise ValueError(
            f"{operator}: with argnum={argnum}, x must be the tuple of these {len(places)} arguments and v the tuple "
            f"of their directions: {operator}(f, (a, b), (va, vb), ..., argnum=(0, 1))"
        )
    for place, part in sorted(zip(places, x, strict=True), key=lambda pair: pair[0]):
        rest.insert(place, part)
    return tuple(rest), v


def input_leaves(operator: str, x: Any, is_several: bool) -> tuple[list[Any], Nesting]:
    """The leaves of x (of each part, if x is a tuple of several arguments), and its nesting.

    An integer that is an argument itself, not part of a container, is converted to a float.
    """
    if not is_several:
        leaves, rebuild = flatten(x, is_argument=True)
        if not leaves and rebuild.has_constants:
            raise TypeError(f"{operator}: x has no numbers in it that could be differentiated, only constants: {x!r}")
        return [input_leaf(leaf, operator, not rebuild.is_container) for leaf in leaves], rebuild
    parts = [leaf for part in x for leaf in input_leaves(operator, part, False)[0]]
    return parts, flatten(x, is_argument=True)[1]


class Inputs:
    """The leaves with respect to which f is differentiated, and f as a function of them."""

    #: Who computes the passes; see `dualdiff.base.workers`.
    workers: Any = None
    #: What is told how many directions are done.
    progress: Callable[[int, int], None] = staticmethod(silent)

    def __init__(
        self,
        operator: str,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        argnum: Any = 0,
        has_aux: bool = False,
        batch_dims: int = 0,
    ) -> None:
        if not callable(f):
            raise no_function(operator, f)
        if type(argnum) is not int or not 0 <= argnum < len(args):
            argnum = resolve_argnum(operator, argnum, len(args))
        self.operator, self.f, self.args, self.argnum, self.has_aux = operator, f, args, argnum, has_aux
        is_several = type(argnum) is tuple
        x = tuple([args[i] for i in argnum]) if is_several else args[argnum]
        self.rebuild: Nesting
        if type(x) is np.ndarray and x.dtype is FLOAT64 and x.flags.forc:
            self.leaves, self.rebuild, self.is_complex = [x], only, False
            shape = x.shape
            self.shapes, self.sizes, self.size = [shape], [x.size], x.size
        else:
            self.leaves, self.rebuild = input_leaves(operator, x, is_several)
            self.shapes = [getattr(leaf, "shape", ()) for leaf in self.leaves]
            self.sizes = [math.prod(shape) for shape in self.shapes]
            self.size = sum(self.sizes)
            self.is_complex = any(dtype_of(leaf).kind == "c" for leaf in self.leaves)
        self.core_shapes, self.batch = self.shapes, NO_BATCH
        #: What restores the other arguments before each of several calls of f; see `expect_several_calls`.
        self.kept: Any = None
        #: Whether the warning of a constant result has been issued, or is not to be.
        self.constant_is_said = False
        #: The number of elements of the largest intermediate, if known.
        self.largest = 0
        if batch_dims:
            self.batch = Batch(operator, batch_dims, self.shapes)
            self.core_shapes = [shape[batch_dims:] for shape in self.shapes]
            self.sizes = [math.prod(shape) for shape in self.core_shapes]
            self.size = sum(self.sizes)

    def hold(self) -> None:
        """Copy x, which the caller may change before f is called again."""
        self.leaves = [leaf.copy() if issubclass(type(leaf), np.ndarray) else leaf for leaf in self.leaves]
        if type(self.argnum) is int:
            place = self.argnum
            self.args = (*self.args[:place], self.rebuild.argument(self.leaves), *self.args[place + 1 :])

    def call(self, leaves: list[Any], space: TangentSpace | None = None) -> tuple[Any, Any]:
        """The result of f at these leaves (duals in ``space``, if given), and aux."""
        if space is not None:
            tags.running(space)
        args, x = [*self.args], self.rebuild.argument(leaves)
        if type(self.argnum) is int:
            args[self.argnum] = x
        else:
            for place, part in zip(self.argnum, x, strict=True):
                args[place] = part
        f = WRAPPERS[-1](self.f) if WRAPPERS else self.f
        try:
            result = f(*args) if self.kept is None else self.kept.call(f, *args)
        except Exception as error:
            explain(error)
            raise
        if not self.has_aux:
            return result, None
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{self.operator}: with has_aux=True, f must return a pair (result, aux)")
        return result

    def long(self, workers: Any, progress: Any) -> Inputs:
        """The same inputs, for passes that are divided among workers or show how many are done."""
        if workers is not None:
            self.workers = workers
        if progress is not False:
            self.progress = shown(self.operator, progress)
        return self

    def others(self) -> list[Any]:
        """The arguments that are not differentiated."""
        places = self.argnum if isinstance(self.argnum, tuple) else (self.argnum,)
        return [arg for i, arg in enumerate(self.args) if i not in places]

    def split(self, flat: Any, lead: tuple[int, ...] = ()) -> list[Any]:
        """Split the last axis, which runs over all elements of x, into the leaves; ``lead`` are the axes of f(x)."""
        leaves, offset = [], 0
        for leaf, core, size in zip(self.leaves, self.core_shapes, self.sizes, strict=True):
            part = flat[..., offset : offset + size].reshape((*self.batch.shape, *lead, *core))
            offset += size
            is_array = getattr(part, "shape", ()) or isinstance(leaf, (np.ndarray, DualArray))
            leaves.append(part if is_array else part[()])
        return leaves

    def bounds(self) -> list[tuple[int, int]]:
        """For each of several arguments, the range of its elements among those of all arguments."""
        ends = [0]
        for i in self.argnum:
            leaves, _ = flatten(self.args[i], is_argument=True)
            ends.append(ends[-1] + sum(np.size(leaf) for leaf in leaves))
        return list(itertools.pairwise(ends))
