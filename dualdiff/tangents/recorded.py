"""The linear program of a run of f: a tangent is a node that says which verb made it, from which nodes.

Run forwards the program is :math:`v \\mapsto J v`, run backwards, each verb transposed, :math:`w \\mapsto w J`: reverse
mode is the recorded forward pass, transposed.

Cotangents pair with tangents as :math:`\\mathrm{Re} \\sum w t`, so that functions that are only real-linear (conj,
real, imag) have a transpose too.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import cached_property
from itertools import count
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
        (parent,) = self.parents
        assert parent is not None
        c = self.c
        w = product(w, c, True) if spare and type(c) is np.ndarray else product(c, w)
        if getattr(w, "shape", ()) != parent.shape:
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
            assert parent is not None
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
        kept = tuple(1 if i in self.axes else n for i, n in enumerate(parent.shape))
        return [expanded(np.reshape(w, kept), parent.shape)]


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
        waiting = [node for node in outputs if node is not None]
        reached = {node.serial: node for node in waiting}
        while waiting:
            for parent in waiting.pop().parents:
                if parent is not None and parent.serial not in reached:
                    reached[parent.serial] = parent
                    waiting.append(parent)
        self.nodes = sorted(reached.values(), key=_serial)

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
        """The cotangents of the inputs: w J (None: zero).

        With ``consume`` the nodes are given up on the way, so that memory is freed as the pass goes.
        """
        found = Cotangents(any(node.dtype.kind == "c" for node in self.nodes))
        for node, w in zip(self.outputs, cotangents, strict=True):
            if node is not None and w is not None:
                found.add(node, w)
        nodes = self.nodes
        if consume:
            self.nodes, self.outputs = [], []
        else:
            nodes = nodes.copy()
        with np.errstate(all="ignore"):
            while nodes:
                node = nodes.pop()
                if not node.parents:
                    continue
                w, spare = found.take(node)
                if w is not None:
                    node.hand_on(w, found, spare)
                if consume:
                    # What else knows this node (a result, a dual that f stored away) does not keep the others alive.
                    node.parents = ()
        return [found.take(node)[0] for node in self.inputs]


class Cotangents:
    """Cotangents of nodes, added up as they come in."""

    def __init__(self, is_complex: bool) -> None:
        self._found: dict[int, Any] = {}
        # The nodes whose array was made here, and so may be added into.
        self._ours: set[int] = set()
        self._is_complex = is_complex

    def add(self, node: Node, w: Any, spare: bool = False) -> None:
        """One more contribution; ``spare`` says that its array is ours from now on."""
        if self._is_complex:
            w = _fitting(w, node)
        serial = node.serial
        known = self._found.get(serial)
        if known is None:
            self._found[serial] = w
            if spare:
                self._ours.add(serial)
        elif serial in self._ours and not hasattr(w, "lift"):
            known += w
        else:
            self._found[serial] = known = known + w
            if isinstance(known, np.ndarray):
                self._ours.add(serial)

    def add_at(self, node: Any, key: Any, w: Any) -> None:
        """A contribution to some places, named by a key without repetitions."""
        if self._is_complex:
            w = _fitting(w, node)
        serial = node.serial
        if serial not in self._ours:
            known = self._found.get(serial)
            self._found[serial] = np.zeros(node.shape, node.dtype) if known is None else np.copy(known)
            self._ours.add(serial)
        ours = self._found[serial]
        if hasattr(w, "lift"):
            self._found[serial] = ours = w.lift(ours)
        part = ours[key]
        if getattr(part, "ndim", 0):
            part += w
        else:
            ours[key] = part + w

    def take(self, node: Node) -> tuple[Any, bool]:
        """What has been added up, given away, and whether it may be written over."""
        w = self._found.pop(node.serial, None)
        if node.serial in self._ours:
            self._ours.remove(node.serial)
            return w, True
        return w, False


def structure_of_tangents(structure: Structure, tangents: Sequence[Any], shapes: Sequence[Shape]) -> Any:
    """A structural function of plain tangents, zero where there is none."""
    return _numbers.gather(tangents, structure, shapes, ())


def _none() -> None:
    """A reference to nothing."""


def _serial(node: Node) -> int:
    return node.serial


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


def expanded(a: Any, shape: Shape) -> Any:
    """``np.broadcast_to`` for an array with axes of length 1 in the places of longer ones, in less time."""
    if type(a) is not np.ndarray or not a.flags.forc:
        return np.broadcast_to(a, shape)
    strides = tuple(0 if n == 1 else step for n, step in zip(a.shape, a.strides, strict=True))
    view = np.ndarray(shape, a.dtype, a, 0, strides)
    view.flags.writeable = False
    return view


def _expanded(t: Any, shape: Shape) -> Any:
    return t if getattr(t, "shape", ()) == shape else np.broadcast_to(t, shape)
