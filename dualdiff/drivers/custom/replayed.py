"""Parts of a function whose record is not kept, but made once more when reverse mode comes to them (checkpointing)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from types import CellType, FunctionType
from typing import Any
from weakref import ref

import numpy as np

from dualdiff.base import tags
from dualdiff.core.application import dtype_of
from dualdiff.core.array import DualArray, wrap
from dualdiff.core.containers import flatten
from dualdiff.core.dual import AnyDual, leading_space
from dualdiff.tangents.nodes import Node, Replay, Result
from dualdiff.tangents.spaces.recorded import Recorded
from dualdiff.tangents.zeros import plain


def replayed(
    run: Callable[..., Any],
    *args: Any,
    name: str = "reverse mode",
    first: Callable[..., Any] | None = None,
    chain: list[ref[Part]] | None = None,
    is_settled: bool = True,
) -> Any:
    """``run(*args)``, in reverse mode without its record, for which it is called a second time.

    It must compute the same each time; reverse mode raises a RuntimeError if it does not.  ``first``, if given, is
    called instead of it the first time, with `Part.stripped`, and returns the same values.  A ``chain`` is the list of
    the parts that have computed the arguments of this one.  A record that serves several times holds the part if
    ``is_settled``, and otherwise calls ``run`` each time.
    """
    spaces = tags.spaces()
    recorded = [space for space in spaces if type(space) is Recorded]
    if not recorded:
        return run(*args)
    part = Part(name, run, first, args, recorded, recorded[-1] if spaces[-1] is recorded[-1] else None)
    result = part.computed(args)
    duals = _duals_in(result)
    space: Any = leading_space(duals) if duals else None
    if id(space) not in part.starts:
        return result
    if chain is not None:
        part.chain = chain
        # No cycle, so that a part is freed together with its node.
        chain.append(ref(part))
    return part.replaced(result, duals, space, is_settled)


class Part:
    """A part of a function: its arguments, and what is known of its first call."""

    def __init__(
        self,
        name: str,
        run: Callable[..., Any],
        first: Callable[..., Any] | None,
        args: tuple[Any, ...],
        recorded: list[Recorded],
        inner: Recorded | None,
    ) -> None:
        #: The innermost call, if it records.  Only its tangents are left out at first: what carries those of a call
        #: further inside would lose them.
        self.name, self.inner = name, inner
        # ``first`` is not bound to the part: a cycle would keep its arrays.
        self.run, self.first, self.again = run, first, settled(run, {})
        self.starts = {id(space): next(space._serials) for space in recorded}
        self.kept = [(space, {*space.kept}) for space in recorded]
        #: The arguments as they are now; None while they are not held.
        self.args: Any = each(args, partial(_protected, recorded[-1]))
        self._nodes = [d.raw for d in _duals_in(self.args)]
        #: The nodes that the arguments of the innermost call have, and those that the part uses beside them.
        self.found: dict[int, Node] = {
            d.raw.serial: d.raw for d in _duals_in(self.args) if d.space is self.inner and d.raw is not None
        }
        self.has_arguments = bool(self.found)
        #: The space of the arguments in the first call; see `computed`.
        self.bare: Recorded | None = None
        self.chain: list[ref[Part]] = []

    def computed(self, args: tuple[Any, ...]) -> Any:
        """The result of the first call, on arguments without tangents.

        They are duals of a call of their own, which ends with the part: what f stores elsewhere has no derivative, and
        raises an error where it is used.
        """
        if self.inner is None:
            return self.run(*args) if self.first is None else self.first(self, *args)
        tag = tags.start()
        try:
            self.bare = Recorded(tag, self.inner.conjugates)
            tags.running(self.bare)
            bare = each(args, self._stripped)
            result = self.run(*bare) if self.first is None else self.first(self, *bare)
            self._refuse_writes(bare)
            return each(result, self._returned)
        finally:
            tags.end(tag)
            for space, kept in self.kept:
                forget(space, kept)

    def _stripped(self, x: Any) -> Any:
        """A dual of the innermost call, or of this one, without its tangents in these."""
        if not isinstance(x, AnyDual) or x.space not in (self.inner, self.bare):
            return x
        value = x.value if x.space is self.inner else self._returned(x).value
        return wrap(value, None, self.bare)

    def _returned(self, x: Any) -> Any:
        """A dual of this call as one of the innermost call, with what it depends on there beside the arguments."""
        if not isinstance(x, AnyDual) or x.space is not self.bare:
            return x
        value = x.value
        is_one = isinstance(value, AnyDual) and value.space is self.inner
        return value if is_one else wrap(value, None, self.inner)

    def _refuse_writes(self, bare: Any) -> None:
        if any(isinstance(x, DualArray) and x.space is self.bare and x.version for x in _duals_in(bare)):
            raise ValueError(
                f"{self.name}: the function writes into its argument, which reverse mode needs as it was: write into "
                "a copy (y = y.copy()), and return that"
            )

    def stripped(self, tree: Any) -> Any:
        """The arguments of a further step of the first call, from the result of the step before."""
        if self.inner is None:
            return tree
        duals = map(self._returned, _duals_in(tree))
        self._note([d.raw for d in duals if d.space is self.inner], self.inner)
        return each(tree, self._stripped)

    def _note(self, nodes: Iterable[Node | None], space: Any) -> None:
        """Note the nodes outside of the part that these depend on."""
        for node in _nodes(nodes, self.starts[id(space)])[1]:
            self.found[node.serial] = node

    def replaced(self, result: Any, duals: list[Any], space: Any, is_settled: bool) -> Any:
        """The result of the first call with a node that stands for the whole part."""
        mine: list[Any] = [d for d in duals if d.space is space]
        if space is not self.inner:
            self.found = {}
        self._note([d.raw for d in mine], space)
        if not self.found:
            return result
        parents = tuple(self.found[serial] for serial in sorted(self.found))
        again = partial(self._again, space, {*self.found}, [fingerprint(d.value) for d in mine])
        replay = Replay(next(space._serials), parents, again, self, is_settled, _FLOAT64)
        places, serials = iter(range(len(mine))), space._serials
        depends = self.has_arguments and space is self.inner

        def as_result(d: Any) -> Any:
            if not isinstance(d, AnyDual) or d.space is not space:
                return d
            place = next(places)
            value = d.lasting() if isinstance(d, DualArray) else d.value
            dtype = dtype_of(value)
            if (d.raw is None and not depends) or dtype.kind not in "fc":
                return d
            shape = getattr(value, "shape", ())
            return wrap(value, Result(next(serials), replay, place, shape, dtype), space)

        return each(result, as_result)

    def _again(self, space: Any, known: set[int], marks: list[int]) -> tuple[list[Node | None], list[Node]]:
        """The part recorded once more: its last nodes, and all its nodes in order."""
        kept = {*space.kept}
        with tags.resumed(space):
            args = self._restored()
            start = next(space._serials)
            duals = [d for d in _duals_in(self.again(*each(args, _fresh))) if d.space is space]
            del args
        if [fingerprint(d.value) for d in duals] != marks:
            raise RuntimeError(
                f"{self.name} computes parts of a long solution a second time, and the function did not return the "
                "same values: it depends on something that has changed (a variable, an attribute, random numbers). "
                "Leave that unchanged, or use mode='forward'"
            )
        lasts = [d.raw for d in duals]
        nodes, outside = _nodes(lasts, start)
        if any(node.serial not in known for node in outside):
            raise RuntimeError(
                f"{self.name}: the function was computed a second time, and uses a variable that it did not use the "
                "first time: pass it as an argument"
            )
        forget(space, kept)
        return lasts, nodes

    def _restored(self) -> Any:
        """The arguments; those of later parts of the chain, which the way back has left behind, are freed.

        Those that were freed are computed again, by the parts before.
        """
        if not self.chain:
            return self.args
        parts: list[Any] = [part() for part in self.chain]
        place = parts.index(self)
        for part in parts[place + 1 :]:
            if part is not None:
                part.args = None
        last = place
        while parts[last].args is None:
            last -= 1
        for part, following in pairwise(parts[last : place + 1]):
            nodes = iter(following._nodes)
            computed = (part.computed(each(part.args, _fresh)),)
            following.args = each(computed, partial(_with_next, nodes))
        return self.args


def settled(thing: Any, seen: dict[int, Any]) -> Any:
    """A function with the variables that it closes over as they are now, for a call after they have changed."""
    if id(thing) in seen:
        return seen[id(thing)]
    if type(thing) is partial:
        args = [settled(item, seen) for item in thing.args]
        keywords = {name: settled(item, seen) for name, item in thing.keywords.items()}
        return partial(settled(thing.func, seen), *args, **keywords)
    if hasattr(type(thing), "_settled"):
        return thing._settled(seen)
    if type(thing) is not FunctionType or not thing.__closure__:
        return thing
    cells = [seen.setdefault(id(cell), CellType()) for cell in thing.__closure__]
    twin = FunctionType(thing.__code__, thing.__globals__, thing.__name__, thing.__defaults__, tuple(cells))
    twin.__kwdefaults__ = thing.__kwdefaults__
    twin.__dict__.update(thing.__dict__)
    seen[id(thing)] = twin
    for cell, now in zip(cells, thing.__closure__, strict=True):
        try:
            cell.cell_contents = settled(now.cell_contents, seen)
        except ValueError:
            # It has no content yet.
            continue
    return twin


def _with_next(nodes: Iterator[Any], x: Any) -> Any:
    """A dual with the next tangent."""
    return wrap(x.value, next(nodes), x.space) if isinstance(x, AnyDual) else x


_FLOAT64 = np.dtype(np.float64)
#: Arrays of this many elements count as large; of these only sums are compared.
_WIDTH = 1021


def fingerprint(value: Any) -> int:
    """An integer that two values share if they have the same bits; of large arrays it takes some sums."""
    a = np.asarray(plain(value))
    bits = np.ascontiguousarray(a).reshape(-1).view(np.uint8)
    words = bits[: bits.size // 8 * 8].view(np.uint64)
    count = words.size // _WIDTH * _WIDTH
    sums = words[:count].reshape(-1, _WIDTH).sum(axis=0) if count else words[:0]
    return hash((a.shape, a.dtype.str, sums.tobytes(), words[count:].tobytes(), bits[words.size * 8 :].tobytes()))


def forget(space: Recorded, but: set[int]) -> None:
    """Free what rules have kept (factorizations of matrices) since then."""
    for key in {*space.kept} - but:
        del space.kept[key]


def _protected(space: Recorded, x: Any) -> Any:
    """The present content of an array, as an argument for later calls."""
    return x.snapshot() if isinstance(x, DualArray) else x if isinstance(x, AnyDual) else space.lasting(x)


def _fresh(x: Any) -> Any:
    """A copy of an array, for a function that may write into it."""
    return x.snapshot() if isinstance(x, DualArray) else x if isinstance(x, AnyDual) else np.copy(x, order="K")


def each(tree: Any, change: Callable[[Any], Any]) -> Any:
    """Nested containers and lists, with their duals and arrays changed."""
    kind = type(tree)
    if isinstance(tree, AnyDual) or (kind is np.ndarray and not tree.dtype.hasobject):
        return change(tree)
    if kind is list or kind is tuple:
        return kind([each(item, change) for item in tree])
    if issubclass(kind, np.ndarray):
        if not tree.dtype.hasobject:
            return tree
        result = np.copy(tree)
        for i, item in enumerate(tree.flat):
            result.flat[i] = each(item, change)
        return result
    leaves, nesting = flatten(tree, takes_all=True)
    if len(leaves) == 1 and leaves[0] is tree:
        return tree
    return nesting([each(leaf, change) for leaf in leaves])


def _duals_in(tree: Any) -> list[Any]:
    """The duals in nested containers and lists, in the order in which `each` comes to them."""
    found: list[Any] = []

    def note(x: Any) -> Any:
        if isinstance(x, AnyDual):
            found.append(x)
        return x

    each(tree, note)
    return found


def _nodes(lasts: Iterable[Node | None], start: int) -> tuple[list[Node], list[Node]]:
    """The nodes up to the last ones that are not older than ``start``, in order, and the older ones that they need."""
    reached: dict[int, Node] = {node.serial: node for node in lasts if node is not None}
    todo = list(reached.values())
    for node in todo:
        if node.serial < start:
            continue
        for parent in node.parents:
            if parent is not None and parent.serial not in reached:
                reached[parent.serial] = parent
                todo.append(parent)
    serials = sorted(reached)
    return [reached[i] for i in serials if i >= start], [reached[i] for i in serials if i < start]
