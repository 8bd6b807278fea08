"""What an operator differentiates: one argument of f, as leaves, and f as a function of them alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core.array import DualArray
from dualdiff.core.errors import explain
from dualdiff.drivers.containers import Rebuild, flatten, input_leaf, only
from dualdiff.drivers.run.batches import NO_BATCH, Batch

FLOAT64 = np.dtype(np.float64)


def no_function(operator: str, f: Any) -> TypeError:
    """The error for something else where the function belongs."""
    return TypeError(f"{operator} takes a function as its first argument, not {type(f).__name__}")


def check_argnum(operator: str, argnum: Any) -> None:
    """Refuse what is not the number of one argument."""
    if isinstance(argnum, bool) or not isinstance(argnum, (int, np.integer)):
        several = "; several arguments go into one tuple: f(x) with x = (a, b)" * isinstance(argnum, (tuple, list))
        raise TypeError(f"{operator}: argnum must be an integer, not {argnum!r}{several}")


def resolve_argnum(operator: str, argnum: Any, count: int) -> int:
    """``argnum`` among so many arguments, checked and counted from the first."""
    check_argnum(operator, argnum)
    if not -count <= argnum < count:
        raise ValueError(
            f"{operator}: argnum={argnum}, but f was given {count} positional argument{'s' if count != 1 else ''}"
        )
    return int(argnum) % count


def dtype_of(x: Any) -> Any:
    """The dtype of a scalar, an array or a dual."""
    dtype = getattr(x, "dtype", None)
    return np.dtype(type(x)) if dtype is None else dtype


class Inputs:
    """What is differentiated, as leaves, and the function of them alone."""

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
        self.rebuild: Rebuild
        x = args[argnum]
        if type(x) is np.ndarray and x.dtype is FLOAT64 and x.flags.forc:
            self.leaves, self.rebuild, self.is_complex = [x], only, False
            shape = x.shape
            self.shapes, self.sizes, self.size = [shape], [x.size], x.size
        else:
            leaves, self.rebuild = flatten(x)
            alone = not isinstance(x, (tuple, dict))
            self.leaves = [input_leaf(leaf, operator, alone) for leaf in leaves]
            self.shapes = [getattr(leaf, "shape", ()) for leaf in self.leaves]
            self.sizes = [math.prod(shape) for shape in self.shapes]
            self.size = sum(self.sizes)
            self.is_complex = any(dtype_of(leaf).kind == "c" for leaf in self.leaves)
        self.core_shapes, self.batch = self.shapes, NO_BATCH
        #: How many elements the largest intermediate has, where that is known.
        self.largest = 0
        if batch_dims:
            self.batch = Batch(operator, batch_dims, self.shapes)
            self.core_shapes = [shape[batch_dims:] for shape in self.shapes]
            self.sizes = [math.prod(shape) for shape in self.core_shapes]
            self.size = sum(self.sizes)

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

    def split(self, flat: Any, lead: tuple[int, ...] = ()) -> list[Any]:
        """The last axis, over all elements of x, as the leaves of x; ``lead`` are the axes of the result of f."""
        leaves, offset = [], 0
        for leaf, core, size in zip(self.leaves, self.core_shapes, self.sizes, strict=True):
            part = flat[..., offset : offset + size].reshape((*self.batch.shape, *lead, *core))
            offset += size
            is_array = getattr(part, "shape", ()) or isinstance(leaf, (np.ndarray, DualArray))
            leaves.append(part if is_array else part[()])
        return leaves
