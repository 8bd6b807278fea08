"""Sparse rows over random variables, which grow columns where rows over different variables meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dualdiff.tangents.pattern import Pattern
from dualdiff.tangents.spaces.sparse import Rows
from dualdiff.uncertain.variables import NOTHING, Sources


class Spread(Rows):
    """Sparse rows with a column for each variable among the sources.

    An array of independent values, and any elementwise function of it, has one entry in each row.
    """

    __slots__ = ("sources",)

    def __init__(self, pattern: Pattern, data: Any, sources: Sources) -> None:
        super().__init__(pattern, data)
        self.sources = sources

    def __reduce__(self) -> Any:
        return Spread, (self.pattern, self.data, self.sources)

    def like(self, pattern: Pattern, data: Any) -> Spread:
        return Spread(pattern, data, self.sources)

    def over(self, sources: Sources) -> Spread:
        """The same rows over more variables."""
        if sources is self.sources:
            return self
        return Spread(self.sources.moved(self.pattern, sources), self.data, sources)

    @staticmethod
    def joined(parts: Sequence[Rows]) -> Rows:
        return Rows.joined(aligned(parts))

    def plus(self, other: Rows) -> Rows:
        a, b = aligned([self, other])
        return Rows.plus(a, b)


def aligned(parts: Sequence[Any]) -> list[Spread]:
    """The rows over the variables of all of them."""
    first = parts[0].sources
    if all(part.sources is first for part in parts):
        return list(parts)
    sources = NOTHING
    if len(parts) == 2:
        sources = first.merged(parts[1].sources)
    else:
        sources = Sources.of({group for part in parts for group in part.sources.groups})
    return [part.over(sources) for part in parts]
