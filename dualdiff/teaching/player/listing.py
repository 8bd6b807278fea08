"""The sources that a page shows: of f and of every function of the user in which a step stands."""

from __future__ import annotations

import ast
import linecache
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from dualdiff.base.internals import positions
from dualdiff.teaching.location import Location
from dualdiff.teaching.trace import Trace


@dataclass
class _Listing:
    """Some lines of a file, or of a text; ``indent`` is what was cut off at the left, in characters."""

    file: str
    name: str
    first: int
    full: list[str]
    indent: int

    @property
    def last(self) -> int:
        return self.first + len(self.full) - 1


class Listings:
    """The sources of some traces, in the order in which they first run; ``shown`` is what the page needs of each."""

    def __init__(self, function: Any, traces: Sequence[Trace]) -> None:
        self._listings: list[_Listing] = []
        sources = [getattr(function, "__code__", None)]
        for trace in traces:
            sources += [s.location.source for s in trace.steps if s.location is not None]
        # A function inside another is shown with it: the outer one comes first.
        codes = {source for source in sources if type(source) is CodeType}
        for source in dict.fromkeys(sources):
            if type(source) is str:
                self._add(_Listing(source, "Formula", 1, [re.sub(r"\s", " ", source)], 0))
            elif source in codes:
                self._add(_read(source))

    def _add(self, listing: _Listing | None) -> None:
        if listing is None:
            return
        for i, other in enumerate(self._listings):
            if other.file == listing.file and other.first <= listing.first and listing.last <= other.last:
                return
            if other.file == listing.file and listing.first <= other.first and other.last <= listing.last:
                self._listings[i] = listing
                return
        self._listings.append(listing)

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The sources for the page."""
        return [
            {"name": x.name, "first": x.first, "lines": [line[x.indent :] for line in x.full]} for x in self._listings
        ]

    def find(self, location: Location | None) -> list[int] | None:
        """A location on the page: source, line, column, last line, its column; columns in characters."""
        if location is None:
            return None
        source = location.source
        file = source if type(source) is str else source.co_filename  # type: ignore[union-attr]
        for i, x in enumerate(self._listings):
            if x.file == file and x.first <= location.line and location.end_line <= x.last:
                first, last = location.line - x.first, location.end_line - x.first
                start, end = location.column, location.end_column
                if type(source) is not str:
                    start, end = _characters(x.full[first], start), _characters(x.full[last], end)
                start, end = start - x.indent, end - x.indent
                return [i, first, max(start, 0), last, max(end, 0)]
        return None


def _read(code: CodeType) -> _Listing | None:
    """The lines of a function, from its first to the last that it evaluates."""
    first = code.co_firstlineno
    last = max((line for part in _codes(code) for _, line, *_ in positions(part) if line is not None), default=0)
    try:
        file = linecache.getlines(code.co_filename)
    except IndexError:  # doctest's replacement, for the example of another test of the same name
        return None
    lines = [line.rstrip("\n") for line in file[first - 1 : last]]
    if len(lines) < last - first + 1 or not _is_in("".join(file), code):
        return None
    text = textwrap.dedent("\n".join(lines))
    indent = len(lines[0]) - len(text.split("\n")[0])
    return _Listing(code.co_filename, code.co_name, first, lines, indent)


def _is_in(text: str, code: CodeType) -> bool:
    """Whether a function is where it was in its file, which may have changed since."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # IPython's magic commands, for example
        return True
    if code.co_name == "<lambda>":
        return any(node.lineno == code.co_firstlineno for node in ast.walk(tree) if isinstance(node, ast.Lambda))
    names = (ast.FunctionDef, ast.AsyncFunctionDef)
    return not code.co_name.isidentifier() or any(
        node.name == code.co_name
        and min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) == code.co_firstlineno
        for node in ast.walk(tree)
        if isinstance(node, names)
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of those inside it."""
    yield code
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from _codes(constant)


def _characters(line: str, column: int) -> int:
    return len(line.encode()[:column].decode(errors="ignore"))


def written(trace: Trace, name: str) -> list[str]:
    """The steps as a program, for a function whose source is not available: ``v1 = log(x)``."""
    head = f"def {name}({', '.join(step.name for step in trace.inputs)}):"
    body = [f"    {step.name} = {step.formula}" for step in trace.operations]
    return [head, *body, *(f"    return {step.name}" for step in trace.results[:1])]
