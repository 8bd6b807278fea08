"""Functions compiled by Numba, called on duals by the solvers of this package."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.core.application import Application
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.engines import engine_of
from dualdiff.rules.writing.array_rules import duals_in
from dualdiff.rules.writing.multilinear import Product


def on_duals(f: Any) -> Any:
    """The function so that it takes duals: itself, unless it is compiled."""
    return f if engine_of[type(f)] is None else CompiledFunction(f)


class Joined:
    """Arguments of a compiled function, those that are dual, and one more, joined in one vector."""

    __slots__ = ("f", "layout", "others", "vector")

    def __init__(self, f: Any, args: Sequence[Any], more: int = -1) -> None:
        places = tuple(i for i, x in enumerate(args) if isinstance(x, AnyDual) or i == more)
        parts = [args[i] for i in places]
        shapes = [x.shape for x in parts]
        ends = np.cumsum([0, *map(math.prod, shapes)]).tolist()
        self.layout = tuple(zip(ends, ends[1:], shapes, strict=False))
        self.others = tuple(x for i, x in enumerate(args) if i not in places)
        self.vector = np.concatenate([np.ravel(x) for x in parts])
        scalars = tuple(not shape for shape in shapes)
        self.f = engine_of[type(f)].joined_arguments.of_parts(f, places, scalars, len(args))


def is_joinable(args: Sequence[Any]) -> bool:
    """Whether the duals among arguments are floats and belong to one call, so that compiled code takes them."""
    duals = [x for x in args if isinstance(x, AnyDual)]
    spaces = {id(d.space) for d in duals}
    kinds = all(type(d.value) in (float, np.float64, np.ndarray) and d.dtype == np.float64 for d in duals)
    is_nested = len(duals_in(list(args))) != len(duals)
    return len(spaces) == 1 and kinds and not is_nested and not any(d.space.traces for d in duals)


class CompiledFunction:
    """A compiled function that takes duals.

    With those of one call its Jacobian is computed by compiled code; with those of several, or where Numba cannot
    compile it for duals, the function runs as it was written.
    """

    __slots__ = ("__wrapped__", "_written", "f")

    def __init__(self, f: Any) -> None:
        self.f = self.__wrapped__ = f
        self._written = engine_of[type(f)].uncompiled(f)

    def __call__(self, *args: Any) -> Any:
        if not duals_in(list(args)):
            return self.f(*args)
        if self._written is None or not is_joinable(args):
            return self._written(*args)
        parts = engine_of[type(self.f)].joined_arguments
        try:
            joined = Joined(self.f, args)
            vector = Application(joined.vector)
            value, partials = parts.value_and_partials(joined.f, vector.values[0], joined.layout, joined.others)
        except Exception as error:
            if not parts.is_of_compiler(error):
                raise
            return self._written(*args)
        value = np.asarray(value, dtype=np.float64)[()]
        axes = "abcdefgh"[: np.ndim(value)]
        product = Product([axes + "z", "z"], axes, [partials, vector.values[0]])
        return vector.result(value, [product.term(vector.space, t, 1) for t in vector.tangents if t is not None])
