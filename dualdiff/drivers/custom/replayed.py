"""Parts of a function whose record is not kept, but made once more when reverse mode comes to them (checkpointing)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.core.array import wrap
from dualdiff.core.dual import AnyDual
from dualdiff.tangents.nodes import Node, Replay
from dualdiff.tangents.spaces.recorded import Recorded, same_bits
from dualdiff.tangents.zeros import plain


def replayed(run: Callable[[], Any]) -> Any:
    """The dual that ``run()`` returns; in reverse mode without its record, for which it is called a second time.

    It must compute the same each time; reverse mode raises a RuntimeError if it does not.
    """
    spaces = [space for space in tags.spaces() if type(space) is Recorded]
    firsts = {id(space): next(space._serials) for space in spaces}
    kept = {id(space): {*space.kept} for space in spaces}
    result = run()
    if not isinstance(result, AnyDual) or result.raw is None or id(result.space) not in firsts:
        return result
    space: Any = result.space
    last, _, parents = _part(result.raw, firsts[id(space)])
    _forget(space, kept[id(space)])
    value = result.value
    bits = np.array(plain(value))

    def again() -> tuple[Node, list[Node]]:
        kept = {*space.kept}
        with tags.resumed(space):
            first = next(space._serials)
            second = run()
            if not same_bits(np.array(plain(second)), bits):
                raise RuntimeError(
                    "reverse mode computes parts of a long solution a second time, and the function did not return the "
                    "same values: it depends on something that has changed (a variable, an attribute, random numbers). "
                    "Leave that unchanged, or use mode='forward'"
                )
            part = _part(second.raw, first)[:2]
        _forget(space, kept)
        return part

    return wrap(value, Replay(next(space._serials), tuple(parents), again, last), space)


def _forget(space: Recorded, but: set[int]) -> None:
    """Free what rules have kept (factorizations of matrices) since then."""
    for key in {*space.kept} - but:
        del space.kept[key]


def _part(last: Node, first: int) -> tuple[Node, list[Node], list[Node]]:
    """The nodes before ``last`` that are not older than ``first``, in order, and the older ones that they need."""
    reached: dict[int, Node] = {last.serial: last}
    todo = [last]
    for node in todo:
        if node.serial < first:
            continue
        for parent in node.parents:
            if parent is not None and parent.serial not in reached:
                reached[parent.serial] = parent
                todo.append(parent)
    nodes = sorted(reached)
    return last, [reached[i] for i in nodes if i >= first], [reached[i] for i in nodes if i < first]
