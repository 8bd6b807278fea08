"""The tangents of duals as plain arrays, whatever their kind, so that a solver can judge how exact they are.

Dense tangents are read.  A recorded tangent depends on directions that are not known yet: its record is run forward
along one direction that stands for all, random and of the size of what is differentiated.  Sparse tangents are
combined along such a direction as well, and so are those of mixed mode if there is a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.tangents.nodes import Node
from dualdiff.tangents.spaces.dense import Dense
from dualdiff.tangents.spaces.mixed import Mixed
from dualdiff.tangents.spaces.recorded import Recorded
from dualdiff.tangents.spaces.sparse import Sparse

#: The levels of nesting and kinds of derivatives that an array belongs to: the tags of their calls.
Path = tuple[int, ...]
_SERIAL = attrgetter("serial")


class NumericTangents:
    """A reader of tangents; ``duals`` are what they depend on, as far as that is known."""

    def __init__(self, duals: Iterable[AnyDual] = ()) -> None:
        self._random = np.random.default_rng(0)
        #: The first nodes that are created from now on, by the ids of their spaces.
        self._firsts = {id(s): next(s._serials) for s in tags.spaces() if issubclass(type(s), Recorded)}
        #: The tangents of nodes along the direction: of older ones, of those to `keep`, and of others until `forget`.
        self._kept: dict[tuple[int, int], Any] = {}
        self._recent: dict[tuple[int, int], Any] = {}
        self._directions: dict[int, Any] = {}
        for dual in duals:
            if isinstance(dual.raw, Node):
                size = np.abs(plain_values(dual))
                self._seed(dual.space, dual.raw, np.where(size > 0.0, size, 1.0))

    def __call__(self, *lists: Sequence[Any]) -> list[dict[Path, Any]]:
        """The tangents of arrays of one shape, of each kind: along the first axis the directions, then the arrays.

        Those of several lists are along the same directions.
        """
        joined = [_joined(duals) for duals in lists]
        return joined if None not in joined else [self.along_one(np.stack(duals)) for duals in lists]  # type: ignore[return-value]

    def along_one(self, x: Any) -> dict[Path, Any]:
        """The tangents of one array; those of mixed mode along one direction."""
        result: dict[Path, Any] = {}
        with np.errstate(all="ignore"):
            self._collect(x, (), result)
        return {path: np.reshape(a, (-1, *np.shape(x))) for path, a in result.items() if path}

    def keep(self, x: Any) -> None:
        """Keep the tangents of a dual that others will depend on."""
        while isinstance(x, AnyDual):
            if isinstance(x.raw, Node):
                self._kept[id(x.space), x.raw.serial] = self._pushed(x.space, x.raw)
            x = x.value

    def same(self, x: Any, as_: Any) -> None:
        """Say that a dual has the tangents of another one."""
        while isinstance(x, AnyDual) and isinstance(as_, AnyDual):
            if isinstance(x.raw, Node) and isinstance(as_.raw, Node):
                self._kept[id(x.space), x.raw.serial] = self._pushed(as_.space, as_.raw)
            x, as_ = x.value, as_.value

    def forget(self) -> None:
        """Free what was computed and not kept."""
        self._recent.clear()

    def _collect(self, x: Any, path: Path, result: dict[Path, Any]) -> None:
        if not isinstance(x, AnyDual):
            result[path] = x
            return
        self._collect(x.value, path, result)
        space, t, path = x.space, x.raw, (*path, x.space.tag)
        if t is None:
            return
        if isinstance(t, Node):
            t = self._pushed(space, t)
        elif issubclass(type(space), Sparse):
            self._collect_rows(t.settled(), space, path, result, np.shape(x))
            return
        else:
            t = space.read(t, x.value)
            if issubclass(type(space), Mixed):
                t = np.tensordot(self._direction(space, len(t)), t, 1)
        if t is not None:
            self._collect(t, path, result)

    def _collect_rows(self, rows: Any, space: Any, path: Path, result: dict[Path, Any], shape: tuple[int, ...]) -> None:
        """`_collect` for sparse tangents; a mere pattern has none."""
        if rows.data is None:
            return
        pattern = rows.pattern
        entries: dict[Path, Any] = {}
        self._collect(rows.data, path, entries)
        along = self._direction(space, pattern.columns)[pattern.indices]
        for key, data in entries.items():
            summed = np.zeros((data.size // pattern.size if pattern.size else 0, pattern.rows), data.dtype)
            places: Any = (slice(None), pattern.row_of_entries())
            np.add.at(summed, places, np.reshape(data, (-1, pattern.size)) * along)
            result[key] = np.reshape(summed, (-1, *shape))

    def _direction(self, space: Any, count: int) -> Any:
        """The direction that stands for all in a space of so many."""
        if id(space) not in self._directions:
            self._directions[id(space)] = self._random.standard_normal(count)
        return self._directions[id(space)]

    # -- records -------------------------------------------------------------------------------------------------------

    def _seed(self, space: Any, node: Node, size: Any) -> Any:
        """The tangent of an older node along the direction."""
        leaf = next((dense for n, dense in getattr(space, "_leaves", {}).values() if n is node), None)
        if leaf is not None:
            rows = space._dense.read(leaf, np.zeros(node.shape))
            result = np.tensordot(self._direction(space, len(rows)), rows, 1)
        else:
            result = np.multiply(size, self._random.standard_normal(node.shape))
            if node.dtype.kind == "c":
                result = result + 1j * size * self._random.standard_normal(node.shape)
        result = result if node.shape else result[()]
        self._kept[id(space), node.serial] = result
        return result

    def _pushed(self, space: Any, last: Node) -> Any:
        """The tangent of a node along the direction."""
        first, of_space, kept, recent = self._firsts.get(id(space), 0), id(space), self._kept, self._recent
        reached, todo, new = {last.serial}, [last], []
        for node in todo:
            key = of_space, node.serial
            if key in kept or key in recent:
                continue
            if node.serial < first or not node.parents:
                self._seed(space, node, 1.0)
                continue
            new.append(node)
            for parent in node.parents:
                if parent is not None and parent.serial not in reached:
                    reached.add(parent.serial)
                    todo.append(parent)
        new.sort(key=_SERIAL)
        for node in new:
            arguments = [
                None
                if p is None
                else recent[of_space, p.serial]
                if (of_space, p.serial) in recent
                else kept[of_space, p.serial]
                for p in node.parents
            ]
            recent[of_space, node.serial] = None if all(t is None for t in arguments) else node.push(arguments)
        key = of_space, last.serial
        return recent[key] if key in recent else kept[key]


def _joined(duals: Sequence[Any]) -> dict[Path, Any] | None:
    """The dense tangents of one call; None if there are others."""
    first = duals[0]
    if not isinstance(first, AnyDual) or type(first.space) not in (Dense, Mixed):
        return None
    space: Any = first.space
    dense = space._dense if type(space) is Mixed else space
    arrays = []
    for x in duals:
        if getattr(x, "space", None) is not space or type(x.value) is not np.ndarray or isinstance(x.raw, Node):
            return None
        array = dense._spread(x.raw, dense.all, x.shape)
        if type(array) is not np.ndarray:
            return None
        arrays.append(array)
    return {(space.tag,): np.stack(arrays, axis=1)}
