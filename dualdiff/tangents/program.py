"""The linear program of a run of f.

Run forwards it is :math:`v \\mapsto J v`, run backwards, each verb transposed, :math:`w \\mapsto w J`: reverse mode is
the recorded forward pass, transposed.
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
    """The nodes between inputs and outputs, in the order in which they were made."""

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
        """This program, made ready to be run several times."""
        token = begin()
        try:
            for node in self.nodes:
                node.settle()
        finally:
            end(token)
        return self

    @cached_property
    def _spent(self) -> list[list[int]]:
        """For each node the tangents that nobody needs after it."""
        needed = {node.serial for node in self.outputs if node is not None}
        spent: list[list[int]] = []
        for node in reversed(self.nodes):
            last = {p.serial for p in node.parents if p is not None} - needed
            needed |= last
            spent.append(list(last))
        return spent[::-1]

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """The tangents of the outputs along a direction: J v (None: zero)."""
        found: dict[int, Any] = {node.serial: t for node, t in zip(self.inputs, tangents, strict=True)}
        with np.errstate(all="ignore"):
            for node, spent in zip(self.nodes, self._spent, strict=True):
                if node.parents:
                    arguments = [None if p is None else found.get(p.serial) for p in node.parents]
                    if any(t is not None for t in arguments):
                        found[node.serial] = node.push(arguments)
                    for serial in spent:
                        found.pop(serial, None)
        return [None if node is None else found.get(node.serial) for node in self.outputs]

    def pull(self, cotangents: Sequence[Any], consume: bool = False) -> list[Any]:
        """The cotangents of the inputs: w J (None: zero), arrays that share memory with nothing else.

        With ``consume`` the nodes are given up afterwards.
        """
        found, is_settled = self._pulled(cotangents)
        if not is_settled:
            found = [w for w, _ in self.pull_carefully(cotangents)]
        if consume:
            for node in self.nodes:
                # What else knows the node (a result, a dual that f stored away) keeps nothing else alive.
                node.parents = ()
            self.nodes, self.outputs = [], []
        return found

    def _pulled(self, cotangents: Sequence[Any]) -> tuple[list[Any], bool]:
        """The same, where zero times infinity is NaN, and whether there is no NaN."""
        found = Cotangents(self._is_complex)
        for node, w in zip(self.outputs, cotangents, strict=True):
            if node is not None and w is not None:
                found.add(node, w)
        values, ours = found.values, found.ours
        token = begin()
        try:
            for node in reversed(self.nodes):
                serial = node.serial
                if serial in values and node.parents:
                    node.pull_into(values.pop(serial), found, serial in ours)
            results = [found.given(node) for node in self.inputs]
            return results, not any(w is not None and may_have_nan(w) for w in results)
        finally:
            end(token)

    def pull_carefully(self, cotangents: Sequence[Any]) -> list[tuple[Any, Any]]:
        """The same, where zero times infinity is what it is forwards, with what of the inputs reaches no output."""
        found = Careful(self._is_complex)
        token = begin()
        try:
            for node, w in zip(self.outputs, cotangents, strict=True):
                if node is not None and w is not None:
                    found.add(node, w, np.where(zero_mask(w), 0.0, 1.0))
            for node in reversed(self.nodes):
                if node.serial in found.values and node.parents:
                    w, idle = found.taken(node)
                    node.pull_into_carefully(w, idle, found)
            return [found.taken(node) for node in self.inputs]
        finally:
            end(token)


class Cotangents:
    """Cotangents of nodes, added up as they come in."""

    __slots__ = ("is_complex", "ours", "values")

    def __init__(self, is_complex: bool) -> None:
        self.values: dict[int, Any] = {}
        #: The nodes whose array was made here, and so may be written into.
        self.ours: set[int] = set()
        self.is_complex = is_complex

    def add(self, node: Node, w: Any, spare: bool = False) -> None:
        """One more contribution; ``spare`` says that its array is ours from now on."""
        if self.is_complex:
            w = _fitting(w, node)
        serial, values = node.serial, self.values
        known = values.get(serial)
        if known is None:
            values[serial] = w
        elif serial in self.ours and not hasattr(w, "lift"):
            known += w
            return
        else:
            values[serial] = known = known + w
            spare = type(known) is np.ndarray
        if spare:
            self.ours.add(serial)

    def add_at(self, node: Any, key: Any, w: Any) -> None:
        """A contribution to some places, named by a key without repetitions."""
        if self.is_complex:
            w = _fitting(w, node)
        serial, values = node.serial, self.values
        if serial not in self.ours:
            known = values.get(serial)
            values[serial] = np.zeros(node.shape, node.dtype) if known is None else np.copy(known)
            self.ours.add(serial)
        ours = values[serial]
        if hasattr(w, "lift"):
            values[serial] = ours = w.lift(ours)
        part = ours[key]
        if getattr(part, "ndim", 0):
            part += w
        else:
            ours[key] = part + w

    def given(self, node: Node) -> Any:
        """What has been added up, in an array that shares memory with nothing else."""
        w: Any = self.values.get(node.serial)
        return w if node.serial in self.ours or not getattr(w, "shape", ()) else np.copy(w)


class Careful:
    """Cotangents of nodes, and marks of the elements that reach an output: they are not zero."""

    __slots__ = ("is_complex", "marks", "values")

    def __init__(self, is_complex: bool) -> None:
        self.values: dict[int, Any] = {}
        self.marks: dict[int, Any] = {}
        self.is_complex = is_complex

    def add(self, node: Node, w: Any, mark: Any) -> None:
        """One more contribution."""
        w = _fitting(w, node) if self.is_complex else w
        serial = node.serial
        mark = np.where(np.not_equal(mark, 0.0), 1.0, 0.0)
        if serial in self.values:
            w, mark = self.values[serial] + w, np.maximum(self.marks[serial], mark)
        self.values[serial], self.marks[serial] = w, mark

    def add_product(self, node: Node, w: Any, idle: Any, c: Any) -> None:
        """A cotangent that was multiplied by a coefficient, by c if that is constant (else None)."""
        mark = np.where(idle if c is None else idle | zero_mask(c), 0.0, 1.0)
        shape = getattr(w, "shape", ())
        if shape != node.shape:
            w, mark = reduced(w, node.shape), reduced(np.broadcast_to(mark, shape), node.shape)
        self.add(node, cast(w, node.dtype, node.shape), mark)

    def taken(self, node: Node) -> tuple[Any, Any]:
        """What has been added up (None: zero), and where nothing reaches an output."""
        w = self.values.pop(node.serial, None)
        if w is None:
            return None, True
        idle = self.marks.pop(node.serial) == 0
        return (np.copy(w) if getattr(w, "shape", ()) else w), idle


def _fitting(w: Any, node: Node) -> Any:
    """The cotangent of a node: real if the node is, and complex if the node is."""
    is_complex = np.iscomplexobj(w)
    if node.dtype.kind == "c":
        return w if is_complex else w + 0j
    return np.real(w) if is_complex else w
