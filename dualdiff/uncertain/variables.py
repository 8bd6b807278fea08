"""Random variables: the inputs of uncertain values, with their standard deviations or their covariance matrix.

`Variables` are the elements of one array that was given with its uncertainties; `Sources` are the variables that a
tangent refers to, as the columns of a sparse matrix.
"""

from __future__ import annotations

import itertools
import os
from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np

from dualdiff.tangents.pattern import Pattern

_serials = itertools.count()
_salt = 0


def _draw_salt() -> None:
    """Draw what distinguishes the variables of this process from those of all others."""
    global _salt
    _salt = int.from_bytes(os.urandom(8), "little")


_draw_salt()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_draw_salt)


class Variables:
    """Random variables, independent (``factor`` is None) or with the covariance matrix ``factor @ factor.T``.

    A variance computed as a sum of squares loses nothing where contributions cancel.  They are the same variables in
    every process: ``key`` identifies them.  All arrays are flat.
    """

    __slots__ = ("__weakref__", "dof", "factor", "key", "nominal", "shape", "size", "std", "tags")
    nominal: Any
    std: Any
    factor: Any
    tags: Any
    dof: Any
    shape: tuple[int, ...]
    size: int
    key: Any

    def __init__(
        self,
        nominal: Any,
        std: Any,
        factor: Any = None,
        tags: Any = None,
        dof: Any = None,
        shape: tuple[int, ...] = (),
        key: Any = None,
    ) -> None:
        self.nominal, self.std, self.factor, self.tags, self.dof, self.shape = nominal, std, factor, tags, dof, shape
        self.size = 1 if type(std) is float else len(std)
        self.key = key or (next(_serials), _salt)
        _known[self.key] = self

    def __reduce__(self) -> Any:
        return _received, (self.nominal, self.std, self.factor, self.tags, self.dof, self.shape, self.key)

    def item(self, name: str, i: int) -> Any:
        """The nominal value, standard deviation or degrees of freedom of variable i."""
        items = getattr(self, name)
        return items if items is None or not getattr(items, "shape", ()) else items[i]

    def tag(self, i: int) -> str | None:
        """The tag of variable i; None if it has none."""
        if self.tags is None or not self.shape:
            return self.tags  # type: ignore[no-any-return]
        index = np.unravel_index(i, self.shape)
        if isinstance(self.tags, str):
            return f"{self.tags}[{', '.join(map(str, index))}]"
        return str(self.tags[index])


_known: WeakValueDictionary[Any, Variables] = WeakValueDictionary()


def _received(*parts: Any) -> Variables:
    """The variables of another process, or the same ones if this process knows them."""
    return _known.get(parts[-1]) or Variables(*parts)


class Variable:
    """One random variable: the key of ``derivatives`` and ``error_components()``.

    It is equal to itself in every process, and to nothing else.
    """

    __slots__ = ("group", "index")
    group: Variables
    index: int

    def __init__(self, group: Variables, index: int) -> None:
        self.group, self.index = group, index

    def __eq__(self, other: object) -> bool:
        return type(other) is Variable and other.group is self.group and other.index == self.index

    def __hash__(self) -> int:
        return hash((self.group.key, self.index))

    def __reduce__(self) -> Any:
        return Variable, (self.group, self.index)

    @property
    def nominal_value(self) -> float:
        """The value that it was given."""
        return float(self.group.item("nominal", self.index))

    @property
    def std_dev(self) -> float:
        """Its standard deviation."""
        return float(self.group.item("std", self.index))

    @property
    def tag(self) -> str | None:
        """Its name, or None."""
        return self.group.tag(self.index)

    @property
    def dof(self) -> float:
        """The degrees of freedom of its standard deviation; infinite unless given."""
        dof = self.group.item("dof", self.index)
        return float("inf") if dof is None else float(dof)

    def __repr__(self) -> str:
        tag = "" if self.tag is None else f"{self.tag} = "
        return f"<{tag}{self.nominal_value:.6g}+/-{self.std_dev:.2g}>"


class Sources:
    """The variables that tangents refer to, as columns: a sequence of `Variables`, in the order of their keys.

    There is one object for each sequence, so that they are compared by identity.
    """

    def __init__(self, groups: tuple[Variables, ...]) -> None:
        self.groups = groups
        ends = list(itertools.accumulate((g.size for g in groups), initial=0))
        self.starts, self.columns = ends[:-1], ends[-1]
        self._merged: WeakKeyDictionary[Sources, Sources] = WeakKeyDictionary()
        self._moved: WeakKeyDictionary[Sources, WeakKeyDictionary[Pattern, Pattern]] = WeakKeyDictionary()

    @staticmethod
    def of(groups: Iterable[Variables]) -> Sources:
        """The sources that have these variables."""
        ordered = tuple(sorted(groups, key=lambda g: g.key))
        ids = tuple(map(id, ordered))
        sources = _sources.get(ids)
        if sources is None:
            sources = _sources[ids] = Sources(ordered)
        return sources

    def __reduce__(self) -> Any:
        return _of, self.groups

    @cached_property
    def std(self) -> Any:
        """The standard deviations of all variables."""
        return np.concatenate([np.broadcast_to(g.std, g.size) for g in self.groups]) if self.groups else np.zeros(0)

    @cached_property
    def start_of(self) -> dict[Variables, int]:
        """The first column of the variables of each array."""
        return dict(zip(self.groups, self.starts, strict=True))

    @cached_property
    def correlated(self) -> list[tuple[slice, Any]]:
        """The columns of variables with a covariance matrix, and the factors of these matrices."""
        return [
            (slice(start, start + g.size), g.factor)
            for start, g in zip(self.starts, self.groups, strict=True)
            if g.factor is not None
        ]

    def place(self, column: int) -> tuple[Variables, int]:
        """The variable of a column."""
        i = bisect_right(self.starts, column) - 1
        return self.groups[i], column - self.starts[i]

    def merged(self, other: Sources) -> Sources:
        """The variables of both."""
        if other is self or not other.groups:
            return self
        if not self.groups:
            return other
        found = self._merged.get(other)
        if found is None:
            found = Sources.of({*self.groups, *other.groups})
            if found is not other:
                # Otherwise the value would keep its own key alive.
                self._merged[other] = found
        return found

    def moved(self, pattern: Pattern, to: Sources) -> Pattern:
        """A pattern over these variables as one over others, which include them."""
        known = self._moved.get(to)
        if known is None:
            known = self._moved[to] = WeakKeyDictionary()
        moved = known.get(pattern)
        if moved is None:
            shifts = [to.start_of[g] - start for g, start in zip(self.groups, self.starts, strict=True)]
            indices = pattern.indices
            if len(set(shifts)) == 1:
                indices = indices + indices.dtype.type(shifts[0]) if shifts[0] else indices
            elif shifts:
                groups = np.searchsorted(self.starts, indices, side="right") - 1
                indices = indices + np.asarray(shifts, indices.dtype)[groups]
            moved = known[pattern] = Pattern(pattern.indptr, indices, to.columns, pattern.width)
        return moved


_sources: WeakValueDictionary[tuple[int, ...], Sources] = WeakValueDictionary()


def _of(*groups: Variables) -> Sources:
    return Sources.of(groups)


#: The sources of constants.
NOTHING = Sources.of(())
