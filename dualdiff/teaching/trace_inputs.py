"""The inputs of a trace: their names, their leaves, and the directions of the tangents."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.core.containers import Nesting
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.inputs import input_leaves

#: With more elements than these, a table of unit directions would be unreadable.
FEW = 6


def chosen(who: str, argnum: int | Sequence[int] | None, x: tuple[Any, ...]) -> list[int]:
    """The positions of the arguments that are inputs."""
    n = len(x)
    if argnum is None:
        # An integer among other arguments is taken as a count or a size.
        return [i for i, part in enumerate(x) if not isinstance(part, (int, np.integer))] or list(range(n))
    chosen = [argnum] if isinstance(argnum, (int, np.integer)) else list(argnum)
    for i in chosen:
        if isinstance(i, bool) or not isinstance(i, (int, np.integer)) or not -n <= i < n:
            raise ValueError(f"{who}: argnum={argnum!r}, but f was given {n} positional argument" + "s" * (n != 1))
    return [int(i) % n for i in chosen]


def parameters_of(f: Callable[..., Any], n: int) -> list[str]:
    """The names of the first n arguments of f."""
    plain = ["x"] if n == 1 else [f"x{i + 1}" for i in range(n)]
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return plain
    names: list[str] = []
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            rest = n - len(names)
            names += [p.name] if rest == 1 else [f"{p.name}{i + 1}" for i in range(rest)]
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            names.append(p.name)
    return names[:n] if len(names) >= n and len(set(names)) == len(names) else plain


class Inputs:
    """The inputs as leaves with names."""

    def __init__(self, who: str, given: list[tuple[str, Any]]) -> None:
        self._who = who
        self.names: list[str] = []
        self.leaves: list[Any] = []
        self._rebuild: list[tuple[int, Nesting]] = []
        for name, x in given:
            leaves, rebuild = input_leaves(who, x, False)
            if any(isinstance(leaf, AnyDual) for leaf in leaves):
                raise TypeError(f"{who} takes plain values, but was given duals: pass dualdiff.value(x)")
            self.leaves += leaves
            self.names += rebuild.names(name)
            self._rebuild.append((len(leaves), rebuild))

    def rebuilt(self, leaves: list[Any]) -> list[Any]:
        """The inputs with their leaves replaced."""
        leaves_left = iter(leaves)
        return [rebuild.argument([next(leaves_left) for _ in range(n)]) for n, rebuild in self._rebuild]

    def directions(self, given: Sequence[Any] | None) -> tuple[list[str], list[list[Any]], list[str]]:
        """The headings of the columns of tangents, the directions, and a remark if there are none."""
        if given is not None:
            seeds = [self._direction(direction) for direction in given]
            heads = ["tangent"] if len(seeds) == 1 else [f"tangent {i + 1}" for i in range(len(seeds))]
            return heads, seeds, []
        size = sum(np.size(leaf) for leaf in self.leaves)
        if size > FEW:
            remark = (
                f"the tangents are omitted because the inputs have {size} elements: pass directions=[...] to see some"
            )
            return [], [], [remark]
        heads, seeds = [], []
        for i, (name, leaf) in enumerate(zip(self.names, self.leaves, strict=True)):
            for index in np.ndindex(np.shape(leaf)):
                heads.append(f"d/d{name}" + (f"[{', '.join(map(str, index))}]" if index else ""))
                seed = [np.zeros_like(other) for other in self.leaves]
                seed[i][index] = 1.0
                seeds.append([part[()] for part in seed])
        return ["tangent"] if size == 1 else heads, seeds, []

    def _direction(self, direction: Any) -> list[Any]:
        """A direction, checked to fit the inputs."""
        n = len(self.leaves)
        parts = [direction] if n == 1 and not (isinstance(direction, tuple) and len(direction) == 1) else direction
        if not issubclass(type(parts), (list, tuple, np.ndarray)) or len(parts) != n:
            raise ValueError(
                f"{self._who}: a direction needs an entry for each of the inputs {', '.join(self.names)}, "
                f"not {direction!r}"
            )
        for name, leaf, part in zip(self.names, self.leaves, parts, strict=True):
            if np.shape(part) != np.shape(leaf):
                raise ValueError(
                    f"{self._who}: the direction of {name} has shape {np.shape(part)}, "
                    f"but {name} has shape {np.shape(leaf)}"
                )
        return [np.asarray(part, np.result_type(leaf))[()] for leaf, part in zip(self.leaves, parts, strict=True)]
