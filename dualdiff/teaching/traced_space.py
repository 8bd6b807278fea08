"""A tangent space that records f step by step, with a name for every operation that the user wrote.

The linear program of a run is cut at the results of these operations.  The part between two cuts is the local
derivative of one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core.array import DualArray
from dualdiff.core.dual import AnyDual
from dualdiff.tangents.nodes import Gather, Node
from dualdiff.tangents.program import Program
from dualdiff.tangents.space import Shape, Tangent
from dualdiff.tangents.spaces.recorded import Recorded
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import plain
from dualdiff.teaching.location import Location, running


class Note:
    """An operation: its value and its arguments, with notes in place of arguments that carry a tangent.

    ``node`` is its result as an input of the linear programs of later operations; ``inner`` is its result in its own
    program, None if the derivative is zero.  ``location`` is the expression in the source of the user.
    """

    __slots__ = ("arguments", "inner", "keywords", "location", "name", "node", "parents", "value")

    def __init__(
        self,
        name: str,
        arguments: Any,
        keywords: Any,
        value: Any,
        node: Node,
        inner: Node | None,
        location: Location | None,
    ) -> None:
        self.name, self.arguments, self.keywords, self.value = name, arguments, keywords, value
        self.node, self.inner, self.location = node, inner, location
        self.parents: list[Note] = []

    def push(self, tangents: Sequence[Any]) -> Any:
        """The tangent of the result from those of the parents (None: zero)."""
        if self.inner is None or all(t is None for t in tangents):
            return None
        return Program([p.node for p in self.parents], [self.inner]).push(tangents)[0]

    def pull(self, w: Any) -> list[Any]:
        """The cotangents of the parents from that of the result (None: zero)."""
        if self.inner is None or w is None:
            return [None] * len(self.parents)
        return Program([p.node for p in self.parents], [self.inner]).pull([w])


class Comparison(NamedTuple):
    """A comparison of values, on which a branch may depend: ``x < 1``, its answer, and where it stands."""

    symbol: str
    operands: Any
    answer: Any
    location: Location | None


class Traced(Recorded):
    """Tangents as nodes of a linear program, with a note for every operation up to a limit.

    ``caller`` is the code of the function that calls f: what it and its callers do is not the user's.
    """

    __slots__ = ("_depth", "_known", "caller", "comparisons", "left_out", "limit", "notes")
    traces = True

    def __init__(self, tag: int, limit: int, caller: CodeType) -> None:
        super().__init__(tag)
        self.limit, self.caller = limit, caller
        self.notes: list[Note] = []
        #: The number of operations beyond the limit.
        self.left_out = 0
        self.comparisons: list[Comparison] = []
        self._known: dict[Any, Note] = {}
        # The nesting depth of running NumPy functions: their internal operations are not the user's.
        self._depth = 0

    # -- notes -------------------------------------------------------------------------------------------------------

    def input(self, value: Any) -> Node:
        """The tangent of an input."""
        self.limit += 1
        return self._noted("input", (), {}, value, None).node

    def note(self, name: str, operands: Sequence[Any], value: Any, t: Tangent | None) -> Tangent | None:
        if self._depth:
            return t
        arguments = [self._referenced(x) for x in operands]
        lists = [i for i, a in enumerate(arguments) if not isinstance(a, Note) and any(notes_in(a))]
        if lists and t is not None:
            # A list of duals was first converted to an array, in a separate step.
            given = {id(a) for a in arguments}
            arrays = (note for note in self.ancestors(t) if id(note) not in given)
            for i, note in zip(lists, arrays, strict=False):
                arguments[i] = note
        return self._step(name, tuple(arguments), {}, value, t)

    def call(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        duals = list(_duals([args, kwargs]))
        if self._depth or any(d.space.tag > self.tag for d in duals):
            return function(*args, **kwargs)
        ours = [d for d in duals if d.space.tag == self.tag]
        before = {id(root): (root, root.raw) for d in ours if isinstance(d, DualArray) for root in [d.root()]}
        arguments, keywords = self._referenced(args), self._referenced(kwargs)
        self._depth += 1
        try:
            result = function(*args, **kwargs)
        finally:
            self._depth -= 1
        for root, tangent in before.values():
            if root.raw is not tangent and root.raw is not None:
                root.rename(self._step(name, arguments, keywords, root.value, root.raw))
        return self._result(result, name, arguments, keywords, ours)

    def compare(self, symbol: str, operands: Sequence[Any], answer: Any) -> Any:
        if not self._depth:
            compared = self._referenced(tuple(operands))
            self.comparisons.append(Comparison(symbol, compared, answer, running(self.caller)))
        return answer

    def find(self, x: AnyDual) -> Note | None:
        """The note of a dual; a new one if it did not result from an operation with a known name."""
        tangent = x.raw
        note = None if tangent is None else self._known.get(tangent.serial)
        if note is not None or tangent is None or self.is_full:
            return note
        note = self._noted(_verb(tangent), tuple(self.ancestors(tangent)), {}, x.value, tangent)
        if isinstance(x, DualArray):
            x.rename(note.node)
        else:
            x.raw = note.node
        return note

    def rest(self, x: AnyDual) -> Note:
        """One note for all operations that led to this dual and are not noted themselves."""
        return self._noted("rest", tuple(self.ancestors(x.raw)), {}, x.value, x.raw)

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return len(self.notes) >= self.limit

    def ancestors(self, tangent: Node) -> list[Note]:
        """The nearest notes on which a tangent depends, in order."""
        result: dict[int, Note] = {}
        seen, waiting = {tangent.serial}, [tangent]
        while waiting:
            node = waiting.pop()
            note = self._known.get(node.serial)
            if note is not None:
                result[node.serial] = note
                continue
            for parent in node.parents:
                if parent is not None and parent.serial not in seen:
                    seen.add(parent.serial)
                    waiting.append(parent)
        return [result[serial] for serial in sorted(result)]

    def _step(self, name: str, arguments: Any, keywords: Any, value: Any, tangent: Node | None) -> Node | None:
        if self.is_full:
            self.left_out += 1
            return tangent
        return self._noted(name, arguments, keywords, value, tangent).node

    def _noted(self, name: str, arguments: Any, keywords: Any, value: Any, tangent: Node | None) -> Note:
        value = plain(value)
        value = np.copy(value) if issubclass(type(value), np.ndarray) else value
        node = self.seed(np.shape(value), np.result_type(value))
        note = Note(name, arguments, keywords, value, node, tangent, running(self.caller))
        parents = dict.fromkeys(notes_in([arguments, keywords]))
        if tangent is not None:
            parents.update(dict.fromkeys(self.ancestors(tangent)))
        note.parents = list(parents)
        self.notes.append(note)
        self._known[node.serial] = note
        return note

    def _referenced(self, x: Any) -> Any:
        """The same with notes in place of duals of this call, and plain values in place of other duals."""
        if isinstance(x, AnyDual):
            note = self.find(x) if x.space.tag == self.tag else None
            return plain(x) if note is None else note
        if issubclass(type(x), np.ndarray):
            return self._referenced(x.tolist()) if x.dtype == object else x
        if isinstance(x, dict):
            return {k: self._referenced(v) for k, v in x.items()}
        if isinstance(x, (tuple, list)):
            items = [self._referenced(v) for v in x]
            return items if isinstance(x, list) else tuple(items)
        return x

    def _result(self, x: Any, name: str, arguments: Any, keywords: Any, given: list[AnyDual]) -> Any:
        """The result of a NumPy function, with a note for each dual in it."""
        if isinstance(x, (tuple, list)):
            items = [self._result(v, f"{name}[{i}]", arguments, keywords, given) for i, v in enumerate(x)]
            return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
        if not isinstance(x, AnyDual) or x.space.tag != self.tag or any(x is d for d in given):
            return x
        tangent = self._step(name, arguments, keywords, x.value, x.raw)
        if isinstance(x, DualArray):
            x.rename(tangent)
        else:
            x.raw = tangent
        return x

    # -- operations of the user, if no NumPy function is running -----------------------------------------------------

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Node:
        note = self._known.get(sources[0].serial) if len(sources) == 1 and sources[0] is not None else None
        if self._depth or structure.broadcasts or note is None:
            return super().gather(sources, structure, shapes, out_shape)
        key = (note.node.serial, repr(structure.params)) if structure.slices else None
        result = self._known.get(key)
        if result is not None:
            return result.node
        tangent = super().gather(sources, structure, shapes, out_shape)
        if self.is_full:
            self.left_out += 1
            return tangent
        params = structure.params if structure.name == "getitem" else {}
        result = self._noted(structure.name, (note,), params, structure(note.value), tangent)
        if key is not None:
            self._known[key] = result
        return result.node

    def put(
        self, target: Tangent | None, source: Tangent | None, key: Any, shape: Shape, source_shape: Shape, like: Any
    ) -> Node | None:
        tangent = super().put(target, source, key, shape, source_shape, like)
        if self._depth or tangent is None:
            return tangent
        into, given = (None if t is None else self._known.get(t.serial) for t in (target, source))
        if given is not None and key is Ellipsis and source_shape == shape:
            return given.node
        is_scalar = np.shape(np.empty(shape)[key]) == () and not source_shape
        written = given if given is not None else plain(like)[key] if is_scalar else "..."
        return self._step("put", (into, key, written), {}, like, tangent)


def _verb(tangent: Node) -> str:
    """The name of an operation of which only the tangent is known."""
    return tangent.structure.name if isinstance(tangent, Gather) else tangent.verb


def _duals(x: Any) -> Iterator[AnyDual]:
    """The duals in nested containers."""
    if isinstance(x, AnyDual):
        yield x
    elif isinstance(x, (tuple, list)):
        for item in x:
            yield from _duals(item)
    elif isinstance(x, dict):
        yield from _duals(list(x.values()))
    elif issubclass(type(x), np.ndarray) and x.dtype == object:
        yield from _duals(x.ravel().tolist())


def notes_in(x: Any) -> Iterator[Note]:
    """The notes in nested containers."""
    if isinstance(x, Note):
        yield x
    elif isinstance(x, (tuple, list)):
        for item in x:
            yield from notes_in(item)
    elif isinstance(x, dict):
        yield from notes_in(list(x.values()))
