"""The linear program of a run of f: a tangent is a node that says which verb made it, from which nodes.

Run forwards the program is :math:`v \\mapsto J v`, run backwards, each verb transposed, :math:`w \\mapsto w J`: reverse
mode is the recorded forward pass, transposed.

Cotangents pair with tangents as :math:`\\mathrm{Re} \\sum w t`, so that functions that are only real-linear (conj,
real, imag) have a transpose too.
"""

from __future__ import annotations

import sys
import weakref
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from itertools import count
from math import isfinite
from operator import attrgetter
from threading import local
from typing import Any

import numpy as np

from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.single import Single
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.structure import Structure, reduced
from dualdiff.tangents.zeros import product


class Node:
    """A step of the linear program: the tangent that a verb made."""

    __slots__ = ("dtype", "parents", "serial", "shape")

    verb = "seed"

    def __init__(self, serial: int, parents: tuple[Node | None, ...], shape: Shape, dtype: Any) -> None:
        self.serial, self.parents, self.shape, self.dtype = serial, parents, shape, dtype

    if sys.version_info >= (3, 13):
        # There a chain of nodes is freed by recursion, thousands of calls deep, which overflows a small stack.
        def __del__(self) -> None:
            if getattr(self, "parents", ()):
                nodes = _orphaned.nodes
                nodes.append(self.parents)
                self.parents = ()
                # What is called from within another one, by a node that is freed there, leaves its parents to that.
                if len(nodes) == 1:
                    _orphaned.let_go()

    def __repr__(self) -> str:
        return f"<step {self.serial} of a record: {self.verb}>"

    def push(self, tangents: list[Any]) -> Any:
        """The tangent of this node from those of its parents (None: zero)."""
        raise AssertionError("a seed is given, not computed")

    def pull(self, w: Any) -> list[Any]:
        """The cotangents of the parents from that of this node (None: zero)."""
        return []

    def hand_on(self, w: Any, found: Cotangents, spare: bool) -> None:
        """Add to the cotangents of the parents; ``spare`` says that w may be written over."""
        for parent, p in zip(self.parents, self.pull(w), strict=True):
            if parent is not None and p is not None:
                found.add(parent, p)


class _Orphaned(local):
    """The parents of nodes that are gone, in each thread."""

    def __init__(self) -> None:
        self.nodes: deque[tuple[Node | None, ...]] = deque()

    def let_go(self) -> None:
        """Let go of one after the other, and of what is orphaned by that."""
        try:
            while self.nodes:
                self.nodes[0] = ()
                self.nodes.popleft()
        finally:
            self.nodes.clear()


_orphaned = _Orphaned()


class Scale(Node):
    """Coefficients times a tangent."""

    __slots__ = ("c",)
    verb = "scale"

    def __init__(self, serial: int, t: Node, c: Any, shape: Shape) -> None:
        dtype = t.dtype
        found = getattr(c, "dtype", dtype)
        if found is not dtype or type(c) is complex:
            dtype = np.result_type(dtype, complex if type(c) is complex else found)
        self.serial, self.parents, self.shape, self.dtype, self.c = serial, (t,), shape, dtype, c

    def push(self, tangents: list[Any]) -> Any:
        return _expanded(product(self.c, tangents[0]), self.shape)

    def hand_on(self, w: Any, found: Cotangents, spare: bool) -> None:
        parent: Any = self.parents[0]
        c = self.c
        kind = type(c)
        if spare and (kind is int or kind is float) and c and isfinite(c):
            w *= c
        else:
            w = product(w, c, True) if spare and kind is np.ndarray else product(c, w)
        if parent.shape != self.shape:
            w = reduced(w, parent.shape)
        found.add(parent, w, type(w) is np.ndarray)


class Add(Node):
    """The sum of tangents of one shape."""

    __slots__ = ()
    verb = "add"

    def push(self, tangents: list[Any]) -> Any:
        total = None
        for t in tangents:
            total = t if total is None else total if t is None else total + t
        return total

    def hand_on(self, w: Any, found: Cotangents, spare: bool) -> None:
        for parent in self.parents:
            found.add(parent, w)


class Gather(Node):
    """Rearranged elements of one or several tangents."""

    __slots__ = ("shapes", "structure")
    verb = "gather"

    def __init__(
        self,
        serial: int,
        sources: tuple[Node | None, ...],
        structure: Structure,
        shapes: Sequence[Shape],
        shape: Shape,
        dtype: Any,
    ) -> None:
        self.serial, self.parents, self.shape, self.dtype = serial, sources, shape, dtype
        self.structure, self.shapes = structure, shapes

    def push(self, tangents: list[Any]) -> Any:
        return structure_of_tangents(self.structure, tangents, self.shapes)

    def pull(self, w: Any) -> list[Any]:
        return self.structure.pull(w, self.shapes, [parent is not None for parent in self.parents])

    def hand_on(self, w: Any, found: Cotangents, spare: bool) -> None:
        if self.structure.slices:
            found.add_at(self.parents[0], self.structure.params["key"], w)
        else:
            super().hand_on(w, found, spare)


class Scatter(Node):
    """Elements added into places of a larger tangent."""

    __slots__ = ("structure",)
    verb = "scatter"

    def __init__(self, serial: int, t: Node, structure: Structure, shape: Shape) -> None:
        super().__init__(serial, (t,), shape, t.dtype)
        self.structure = structure

    def push(self, tangents: list[Any]) -> Any:
        return self.structure.pull(tangents[0], [self.shape], [True])[0]

    def pull(self, w: Any) -> list[Any]:
        return [self.structure(w)]


class Put(Node):
    """A tangent after some of its places were overwritten."""

    __slots__ = ("structure",)
    verb = "put"

    def __init__(
        self, serial: int, target: Node | None, source: Node | None, structure: Structure, shape: Shape, dtype: Any
    ) -> None:
        super().__init__(serial, (target, source), shape, dtype)
        self.structure = structure

    @property
    def key(self) -> Any:
        """Which places."""
        return self.structure.params["key"]

    def push(self, tangents: list[Any]) -> Any:
        target, source = tangents
        like = np.empty(self.shape, self.dtype)
        owned = _numbers.own(target, like)
        return _numbers.put(owned, source, self.key, self.shape, getattr(source, "shape", ()), like)

    def hand_on(self, w: Any, found: Cotangents, spare: bool) -> None:
        target, source = self.parents
        if not self.shape:
            # A key of one number names it or, as a mask, does not.
            if not np.size(np.zeros(())[self.key]):
                source = target
            if source is not None:
                found.add(source, np.reshape(w, source.shape))
            return
        if source is not None:
            found.add(source, reduced(self._surviving(w[self.key].copy()), source.shape))
        if target is not None:
            if not spare:
                w = np.copy(w)
            w[self.key] = 0.0
            found.add(target, w, spare=True)

    def _surviving(self, w: Any) -> Any:
        """The cotangents of what was written, zero where the key names a place again and so it was written over."""
        if self.structure.slices:
            return w
        number = np.arange(w.size).reshape(w.shape)
        last = np.zeros(self.shape, np.intp)
        last[self.key] = number
        return np.where(last[self.key] == number, w, 0.0)


class Sum(Node):
    """A tangent added up along axes."""

    __slots__ = ("axes",)
    verb = "sum"

    def __init__(self, serial: int, t: Node, axes: Shape, shape: Shape) -> None:
        super().__init__(serial, (t,), shape, t.dtype)
        self.axes = axes

    def push(self, tangents: list[Any]) -> Any:
        return _numbers.sum(tangents[0], self.axes, np.shape(tangents[0]), self.shape)

    def pull(self, w: Any) -> list[Any]:
        (parent,) = self.parents
        assert parent is not None
        if not parent.shape:
            return [w]
        if len(self.axes) == len(parent.shape):
            return [repeated(w, parent.shape)]
        kept = tuple(1 if i in self.axes else n for i, n in enumerate(parent.shape))
        return [np.broadcast_to(np.reshape(w, kept), parent.shape)]


class Contract(Node):
    """A linear map of a function's own."""

    __slots__ = ("linear",)
    verb = "contract"

    def __init__(self, serial: int, t: Node, linear: LinearMap, shape: Shape) -> None:
        dtypes = [o.dtype for o in getattr(linear, "operands", ()) if hasattr(o, "dtype")]
        super().__init__(serial, (t,), shape, np.result_type(t.dtype, *dtypes))
        self.linear = linear

    def push(self, tangents: list[Any]) -> Any:
        return self.linear(tangents[0])

    def pull(self, w: Any) -> list[Any]:
        return [self.linear.transpose(np.asarray(w) if isinstance(w, (float, complex)) else w)]


class Conj(Node):
    """The conjugate, real or imaginary part."""

    __slots__ = ("part",)
    verb = "conj"

    def __init__(self, serial: int, t: Node, part: str) -> None:
        dtype = t.dtype if part == "conj" else np.empty(0, t.dtype).real.dtype
        super().__init__(serial, (t,), t.shape, dtype)
        self.part = part

    def push(self, tangents: list[Any]) -> Any:
        return getattr(np, self.part)(tangents[0])

    def pull(self, w: Any) -> list[Any]:
        if self.part == "conj":
            return [np.conjugate(w)]
        return [np.real(w) if self.part == "real" else -1j * np.real(w)]


class Cast(Node):
    """A tangent in another dtype."""

    __slots__ = ()
    verb = "cast"

    def push(self, tangents: list[Any]) -> Any:
        return _numbers.cast(tangents[0], self.dtype, self.shape)

    def pull(self, w: Any) -> list[Any]:
        (parent,) = self.parents
        assert parent is not None
        return [_numbers.cast(w, parent.dtype, self.shape)]


_SERIAL = attrgetter("serial")
#: The verbs on plain tangents, for running a program forwards.
_numbers = Single(0)


class Recorded(TangentSpace):
    """Tangents as nodes of a linear program."""

    __slots__ = ("_copies", "_serials")
    lazy = True

    def __init__(self, tag: int, conjugates: str = "allowed") -> None:
        super().__init__(tag, conjugates)
        self._serials = count()
        self._copies: dict[int, Any] = {}

    def __reduce__(self) -> Any:
        raise TypeError(
            "a dual number that is being recorded (reverse mode, linearize) cannot be sent to another process: use "
            "mode='forward', or take the derivative inside the process"
        )

    def seed(self, shape: Shape, dtype: Any) -> Node:
        """The tangent of an input."""
        return Node(next(self._serials), (), shape, np.dtype(dtype))

    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, spare: bool = False) -> Node:
        return Scale(next(self._serials), t, c, out_shape)

    def add(self, terms: Sequence[Tangent], shape: Shape, spare: int | None = None) -> Node:
        return Add(next(self._serials), tuple(terms), shape, _dtype_of(terms))

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Node:
        structure = structure.lasting()
        return Gather(next(self._serials), tuple(sources), structure, shapes, out_shape, _dtype_of(sources))

    def scatter(self, t: Tangent, structure: Structure, shape: Shape, out_shape: Shape) -> Node:
        return Scatter(next(self._serials), t, structure.lasting(), out_shape)

    def put(
        self, target: Tangent | None, source: Tangent | None, key: Any, shape: Shape, source_shape: Shape, like: Any
    ) -> Node | None:
        if target is None and source is None:
            return None
        return Put(next(self._serials), target, source, Structure.getitem(key).lasting(), shape, like.dtype)

    def sum(self, t: Tangent, axes: Shape, shape: Shape, out_shape: Shape) -> Node:
        return Sum(next(self._serials), t, axes, out_shape)

    def contract(self, t: Tangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> Node:
        return Contract(next(self._serials), t, linear.lasting(self.lasting), out_shape)

    def conj(self, t: Tangent, part: str, shape: Shape) -> Node:
        return Conj(next(self._serials), t, part)

    def cast(self, t: Tangent, dtype: Any, shape: Shape) -> Node:
        return t if t.dtype is dtype or t.dtype == dtype else Cast(next(self._serials), (t,), shape, np.dtype(dtype))

    def read(self, t: Tangent | None, value: Any) -> Any:
        return t

    def lasting(self, c: Any) -> Any:
        if type(c) is not np.ndarray:
            return super().lasting(c)
        # A loop uses the same array in each turn, mostly unchanged.
        owner, copy = (ref() for ref in self._copies.get(id(c), (_none, _none)))
        if owner is not c or copy is None or not np.array_equal(c, copy):
            copy = super().lasting(c)
            self._copies[id(c)] = weakref.ref(c), weakref.ref(copy)
        return copy

    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        # A node is a function of a direction that is not known yet.
        return np.zeros(shape, bool) if shape else False

    def may_have_nan(self, t: Tangent) -> bool:
        return True


class Program:
    """The nodes between inputs and outputs, in the order in which they were made."""

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node | None]) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        reached: set[Any] = {None, *outputs}
        waiting = list(reached)
        waiting.remove(None)
        while waiting:
            for parent in waiting.pop().parents:
                if parent not in reached:
                    reached.add(parent)
                    waiting.append(parent)
        reached.remove(None)
        self.nodes: list[Node] = sorted(reached, key=_SERIAL)
        self._is_complex = any(dtype.kind == "c" for dtype in {node.dtype for node in self.nodes})

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
        """The cotangents of the inputs: w J (None: zero), arrays that are nobody else's.

        With ``consume`` the nodes are given up on the way, so that memory is freed as the pass goes.
        """
        found = Cotangents(self._is_complex)
        for node, w in zip(self.outputs, cotangents, strict=True):
            if node is not None and w is not None:
                found.add(node, w)
        nodes = self.nodes
        if consume:
            self.nodes, self.outputs = [], []
        else:
            nodes = nodes.copy()
        values, ours = found.values, found.ours
        with np.errstate(all="ignore"):
            while nodes:
                node = nodes.pop()
                serial = node.serial
                w = values.get(serial)
                if w is not None and node.parents:
                    del values[serial]
                    node.hand_on(w, found, serial in ours)
                    if consume:
                        # What else knows the node (a result, a dual that f stored away) does not keep others alive.
                        node.parents = ()
        return [found.given(node) for node in self.inputs]


class Cotangents:
    """Cotangents of nodes, added up as they come in."""

    __slots__ = ("_is_complex", "ours", "values")

    def __init__(self, is_complex: bool) -> None:
        self.values: dict[int, Any] = {}
        #: The nodes whose array was made here, and so may be written into.
        self.ours: set[int] = set()
        self._is_complex = is_complex

    def add(self, node: Node, w: Any, spare: bool = False) -> None:
        """One more contribution; ``spare`` says that its array is ours from now on."""
        if self._is_complex:
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
        if self._is_complex:
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
        """What has been added up, in an array that is nobody else's."""
        w: Any = self.values.get(node.serial)
        return w if node.serial in self.ours or not getattr(w, "shape", ()) else np.copy(w)


def structure_of_tangents(structure: Structure, tangents: Sequence[Any], shapes: Sequence[Shape]) -> Any:
    """A structural function of plain tangents, zero where there is none."""
    return _numbers.gather(tangents, structure, shapes, ())


def _none() -> None:
    """A reference to nothing."""


def _dtype_of(nodes: Sequence[Node | None]) -> Any:
    if len(nodes) == 1:
        return nodes[0].dtype  # type: ignore[union-attr]
    dtypes = {node.dtype for node in nodes if node is not None}
    return dtypes.pop() if len(dtypes) == 1 else np.result_type(*dtypes)


def _fitting(w: Any, node: Node) -> Any:
    """The cotangent of a node: real if the node is, and complex if the node is."""
    is_complex = np.iscomplexobj(w)
    if node.dtype.kind == "c":
        return w if is_complex else w + 0j
    return np.real(w) if is_complex else w


def repeated(w: Any, shape: Shape) -> Any:
    """One number in all places of a shape."""
    if hasattr(w, "lift"):
        return np.broadcast_to(np.reshape(w, ()), shape)
    w = np.asarray(w)
    # As np.broadcast_to, which takes as long as all the rest of the step.
    view = np.ndarray(shape, w.dtype, w, 0, (0,) * len(shape))
    view.flags.writeable = False
    return view


def _expanded(t: Any, shape: Shape) -> Any:
    return t if getattr(t, "shape", ()) == shape else np.broadcast_to(t, shape)
