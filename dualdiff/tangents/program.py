"""The linear program of a run of f.

Run forward it is the pushforward :math:`v \\mapsto J v`.  Run backward, with each verb transposed, it is the pullback
:math:`w \\mapsto w J`: reverse mode is the recorded forward pass, transposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np

from dualdiff.base.quiet import begin, end
from dualdiff.tangents.nodes import Node, cast
from dualdiff.tangents.structure import reduced
from dualdiff.tangents.zeros import may_have_nan, zero_mask

_SERIAL = attrgetter("serial")
_DTYPE = attrgetter("dtype")


class Program:
    """The nodes between inputs and outputs, in the order of their creation."""

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node | None]) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        reached: set[Any] = {None, *outputs}
        nodes: list[Any] = [node for node in reached if node is not None]
        for node in nodes:
            for parent in node.parents:
                if parent not in reached:
                    reached.add(parent)
                    nodes.append(parent)
        nodes.sort(key=_SERIAL)
        self.nodes: list[Node] = nodes
        self._is_complex = any(dtype.kind == "c" for dtype in set(map(_DTYPE, self.nodes)))

    def settle(self) -> Program:
        """This program, prepared to run several times."""
        token = begin()
        try:
            for node in self.nodes:
                node.settle()
        finally:
            end(token)
        return self

    @cached_property
    def _spent(self) -> list[list[int]]:
        """For each node, the serial numbers of the tangents that are no longer needed after it."""
        needed = {node.serial for node in self.outputs if node is not None}
        spent: list[list[int]] = []
        for node in reversed(self.nodes):
            last = {p.serial for p in node.parents if p is not None} - needed
            needed |= last
            spent.append(list(last))
        return spent[::-1]

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """The pushforward: the tangents J v of the outputs, given those of the inputs (None: zero)."""
        known: dict[int, Any] = {node.serial: t for node, t in zip(self.inputs, tangents, strict=True)}
        with np.errstate(all="ignore"):
            for node, spent in zip(self.nodes, self._spent, strict=True):
                if node.parents:
                    arguments = [None if p is None else known.get(p.serial) for p in node.parents]
                    if any(t is not None for t in arguments):
                        known[node.serial] = node.push(arguments)
                    for serial in spent:
                        known.pop(serial, None)
        return [None if node is None else known.get(node.serial) for node in self.outputs]

    def pull(self, cotangents: Sequence[Any], consume: bool = False) -> list[Any]:
        """The pullback: the cotangents w J of the inputs, given those of the outputs (None: zero).

        Arrays among them share memory with no other array.  ``consume`` frees the nodes afterwards.
        """
        pulled, is_settled = self._pulled(cotangents)
        if not is_settled:
            pulled = [w for w, _ in self.pull_carefully(cotangents)]
        if consume:
            for node in self.nodes:
                # A result, or a dual that f has stored, may keep the node alive, but must not keep its parents alive.
                node.parents = ()
            self.nodes, self.outputs = [], []
        return pulled

    def _pulled(self, cotangents: Sequence[Any]) -> tuple[list[Any], bool]:
        """The pullback with zero times infinity equal to NaN, and whether it contains no NaN."""
        sums = Cotangents(self._is_complex)
        for node, w in zip(self.outputs, cotangents, strict=True):
            if node is not None and w is not None:
                sums.add(node, w)
        values, owned = sums.values, sums.owned
        token = begin()
        try:
            for node in reversed(self.nodes):
                serial = node.serial
                if serial in values and node.parents:
                    node.pull_into(values.pop(serial), sums, serial in owned)
            results = [sums.given(node) for node in self.inputs]
            for w in results:
                if w is not None and may_have_nan(w):
                    return results, False
            return results, True
        finally:
            end(token)

    def pull_carefully(self, cotangents: Sequence[Any]) -> list[tuple[Any, Any]]:
        """The pullback with zero times infinity as in forward mode, and where the inputs do not affect an output."""
        sums = Careful(self._is_complex)
        token = begin()
        try:
            for node, w in zip(self.outputs, cotangents, strict=True):
                if node is not None and w is not None:
                    sums.add(node, w, np.where(zero_mask(w), 0.0, 1.0))
            for node in reversed(self.nodes):
                if node.serial in sums.values and node.parents:
                    w, idle = sums.taken(node)
                    node.pull_into_carefully(w, idle, sums)
            return [sums.taken(node) for node in self.inputs]
        finally:
            end(token)


class Cotangents:
    """The cotangents of nodes, accumulated."""

    __slots__ = ("is_complex", "owned", "values")

    def __init__(self, is_complex: bool) -> None:
        self.values: dict[int, Any] = {}
        #: The nodes whose arrays are owned exclusively by this object, so that they may be written.
        self.owned: set[int] = set()
        self.is_complex = is_complex

    def add(self, node: Node, w: Any, spare: bool = False) -> None:
        """Add a contribution; with ``spare``, its array is owned by this object from now on."""
        if self.is_complex:
            w = _fitting(w, node)
        serial, values = node.serial, self.values
        known = values.get(serial)
        if known is None:
            values[serial] = w
        elif serial in self.owned and not hasattr(w, "lift"):
            known += w
            return
        else:
            values[serial] = known = known + w
            spare = type(known) is np.ndarray
        if spare:
            self.owned.add(serial)

    def add_at(self, node: Any, key: Any, w: Any) -> None:
        """Add a contribution to the elements that a key (without repetitions) selects."""
        if self.is_complex:
            w = _fitting(w, node)
        serial, values = node.serial, self.values
        if serial not in self.owned:
            known = values.get(serial)
            values[serial] = np.zeros(node.shape, node.dtype) if known is None else np.copy(known)
            self.owned.add(serial)
        total = values[serial]
        if hasattr(w, "lift"):
            values[serial] = total = w.lift(total)
        part = total[key]
        if getattr(part, "ndim", 0):
            part += w
        else:
            total[key] = part + w

    def given(self, node: Node) -> Any:
        """The accumulated cotangent, in an array that shares memory with no other."""
        w: Any = self.values.get(node.serial)
        return w if node.serial in self.owned or not getattr(w, "shape", ()) else w.copy()


class Careful:
    """The cotangents of nodes, accumulated, with marks: nonzero where an element affects an output."""

    __slots__ = ("is_complex", "marks", "values")

    def __init__(self, is_complex: bool) -> None:
        self.values: dict[int, Any] = {}
        self.marks: dict[int, Any] = {}
        self.is_complex = is_complex

    def add(self, node: Node, w: Any, mark: Any) -> None:
        """Add a contribution."""
        w = _fitting(w, node) if self.is_complex else w
        serial = node.serial
        mark = np.where(np.not_equal(mark, 0.0), 1.0, 0.0)
        if serial in self.values:
            w, mark = self.values[serial] + w, np.maximum(self.marks[serial], mark)
        self.values[serial], self.marks[serial] = w, mark

    def add_product(self, node: Node, w: Any, idle: Any, c: Any) -> None:
        """Add a cotangent multiplied by a coefficient: by c if that is constant, otherwise c is None."""
        mark = np.where(idle if c is None else idle | zero_mask(c), 0.0, 1.0)
        shape = getattr(w, "shape", ())
        if shape != node.shape:
            w, mark = reduced(w, node.shape), reduced(np.broadcast_to(mark, shape), node.shape)
        self.add(node, cast(w, node.dtype, node.shape), mark)

    def taken(self, node: Node) -> tuple[Any, Any]:
        """The accumulated cotangent (None: zero), and where the node does not affect an output."""
        w = self.values.pop(node.serial, None)
        if w is None:
            return None, True
        idle = self.marks.pop(node.serial) == 0
        return (np.copy(w) if getattr(w, "shape", ()) else w), idle


def _fitting(w: Any, node: Node) -> Any:
    """The cotangent of a node, real or complex like the node."""
    is_complex = np.iscomplexobj(w)
    if node.dtype.kind == "c":
        return w if is_complex else w + 0j
    return np.real(w) if is_complex else w
