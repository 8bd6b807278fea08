"""The steps of a linear program: each verb with what it needs to run forwards, and transposed.

Cotangents pair with tangents as :math:`\\mathrm{Re} \\sum w t`, so that functions that are only real-linear (conj,
real, imag) have a transpose too.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from threading import local
from typing import TYPE_CHECKING, Any

import numpy as np

from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.space import Shape
from dualdiff.tangents.spaces.single import Single
from dualdiff.tangents.structure import Structure, reduced
from dualdiff.tangents.zeros import product, pulled, select_zero

if TYPE_CHECKING:
    from dualdiff.tangents.program import Careful, Cotangents

_FLOAT64 = np.dtype(np.float64)
#: The verbs on plain tangents, for running a program forwards.
_numbers = Single(0)
cast = _numbers.cast


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
                # A call from within another one (a node freed while parents are let go) leaves its parents to that.
                if len(nodes) == 1:
                    _orphaned.let_go()

    def __repr__(self) -> str:
        return f"<step {self.serial} of a record: {self.verb}>"

    def settle(self) -> None:
        """Compute what is needed each time that the program is run."""

    def push(self, tangents: list[Any]) -> Any:
        """The tangent of this node from those of its parents (None: zero)."""
        raise AssertionError("a seed is given, not computed")

    def pull(self, w: Any) -> list[Any]:
        """The cotangents of the parents from that of this node (None: zero)."""
        return []

    def pull_into(self, w: Any, found: Cotangents, spare: bool) -> None:
        """Add to the cotangents of the parents; ``spare`` says that w may be written over.

        Here zero times infinity is NaN: see `pull_into_carefully`.
        """
        for parent, p in zip(self.parents, self.pull(w), strict=True):
            if parent is not None and p is not None:
                found.add(parent, p)

    def pull_into_carefully(self, w: Any, idle: Any, found: Careful) -> None:
        """The same where zero times infinity is what it is forwards.

        ``idle`` is set where nothing reaches the results; the marks of the parents go by the same way.
        """
        marks = self.reach(np.where(idle, 0.0, 1.0))
        for parent, p, mark in zip(self.parents, self.pull(w), marks, strict=True):
            if parent is not None and p is not None:
                found.add(parent, p, mark)

    def reach(self, w: Any) -> list[Any]:
        """What of the parents reaches the results (not zero), from what of this node does."""
        return self.pull(w)


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


class Apply(Node):
    """An elementwise function: its partials are computed from the values of its arguments when they are needed."""

    __slots__ = ("coefficient_of", "known", "result", "values")
    verb = "apply"

    def __init__(
        self,
        serial: int,
        coefficient_of: Callable[..., Any],
        parents: Any,
        values: Any,
        result: Any,
        shape: Shape,
        dtype: Any,
    ) -> None:
        self.serial, self.parents, self.shape, self.dtype = serial, parents, shape, dtype
        self.values, self.result = values, result
        self.coefficient_of = coefficient_of
        #: The coefficients, once they are computed to be used again.
        self.known: list[Any] | None = None

    def coefficient(self, i: int) -> Any:
        """The partial in argument i."""
        return self.coefficient_of(i, self.values, self.result) if self.known is None else self.known[i]

    def settle(self) -> None:
        """Compute the coefficients now, and let go of the values."""
        if self.known is None:
            self.known = [None if p is None else self.coefficient(i) for i, p in enumerate(self.parents)]
            self.values = self.result = None

    def is_constant(self, i: int) -> bool:
        """Whether the zeros of the partial in argument i do not depend on what is differentiated."""
        row = getattr(self.coefficient_of, "__self__", None)
        if row is None:
            # Two arguments that are one.
            return bool(min(self.coefficient_of.constancy) > 1)  # type: ignore[attr-defined]
        is_alone = len(self.parents) - self.parents.count(None) == 1
        return bool(row.constancy[i] + is_alone > 1)

    def push(self, tangents: list[Any]) -> Any:
        total = None
        for i, t in enumerate(tangents):
            if t is not None and (c := self.coefficient(i)) is not None:
                term = product(c, t, False, self.is_constant(i))
                total = term if total is None else total + term
        return None if total is None else _numbers.cast(_expanded(total, self.shape), self.dtype, self.shape)

    def pull_into(self, w: Any, found: Cotangents, spare: bool) -> None:
        known = self.known
        if known is None:
            coefficient, values, result = self.coefficient_of, self.values, self.result
        # What is overwritten has to be needed no more.
        spare = spare and len(self.parents) - self.parents.count(None) == 1
        cotangents = found.values
        for i, parent in enumerate(self.parents):
            if parent is None:
                continue
            c = coefficient(i, values, result) if known is None else known[i]
            if c is None:
                continue
            if type(c) is int and c == 1:
                term, new = w, False
            else:
                term = _times(w, c, spare)
                new = type(term) is np.ndarray
            shape = parent.shape
            if getattr(term, "shape", ()) != shape:
                term, new = reduced(term, shape), False
            if parent.dtype is not _FLOAT64:
                term = _numbers.cast(term, parent.dtype, shape)
            elif parent.serial not in cotangents and not found.is_complex:
                cotangents[parent.serial] = term
                if new:
                    found.ours.add(parent.serial)
                continue
            found.add(parent, term, new)

    def pull_into_carefully(self, w: Any, idle: Any, found: Careful) -> None:
        for i, parent in enumerate(self.parents):
            c = None if parent is None else self.coefficient(i)
            if parent is not None and c is not None:
                constant = self.is_constant(i)
                found.add_product(parent, pulled(w, c, idle, constant), idle, c if constant else None)


class Scale(Node):
    """Coefficients times a tangent."""

    __slots__ = ("c", "constant")
    verb = "scale"

    def __init__(self, serial: int, t: Node, c: Any, shape: Shape, constant: bool) -> None:
        dtype = t.dtype
        found = getattr(c, "dtype", dtype)
        if found is not dtype or type(c) is complex:
            dtype = np.result_type(dtype, complex if type(c) is complex else found)
        self.serial, self.parents, self.shape, self.dtype = serial, (t,), shape, dtype
        self.c, self.constant = c, constant

    def push(self, tangents: list[Any]) -> Any:
        return _expanded(product(self.c, tangents[0], False, self.constant), self.shape)

    def pull_into(self, w: Any, found: Cotangents, spare: bool) -> None:
        parent: Any = self.parents[0]
        w = _times(w, self.c, spare)
        if parent.shape != self.shape:
            w = reduced(w, parent.shape)
        found.add(parent, w, type(w) is np.ndarray)

    def pull_into_carefully(self, w: Any, idle: Any, found: Careful) -> None:
        parent: Any = self.parents[0]
        w = pulled(w, self.c, idle, self.constant)
        found.add_product(parent, w, idle, self.c if self.constant else None)


class Unknown(Node):
    """A tangent that is NaN along all directions where a mask is set."""

    __slots__ = ("mask",)
    verb = "unknown"

    def __init__(self, serial: int, t: Node, mask: Any) -> None:
        super().__init__(serial, (t,), t.shape, t.dtype)
        self.mask = mask

    def push(self, tangents: list[Any]) -> Any:
        return np.where(self.mask, np.nan, tangents[0])

    def pull(self, w: Any) -> list[Any]:
        return [np.where(self.mask, np.nan, w)]

    def pull_into_carefully(self, w: Any, idle: Any, found: Careful) -> None:
        (parent,) = self.parents
        assert parent is not None
        found.add(parent, select_zero(self.mask, w), np.where(self.mask | idle, 0.0, 1.0))
        if np.any(self.mask & ~idle):
            for seed in _seeds(parent):
                found.add(seed, np.full(seed.shape, np.nan)[()], 1.0)


def _seeds(node: Node) -> list[Node]:
    """The inputs that a node comes from."""
    known: dict[int, Node] = {node.serial: node}
    nodes = [node]
    for node in nodes:
        for parent in node.parents:
            if parent is not None and parent.serial not in known:
                known[parent.serial] = parent
                nodes.append(parent)
    return [node for node in nodes if not node.parents]


class Add(Node):
    """The sum of tangents of one shape."""

    __slots__ = ()
    verb = "add"

    def push(self, tangents: list[Any]) -> Any:
        total = None
        for t in tangents:
            total = t if total is None else total if t is None else total + t
        return total

    def pull(self, w: Any) -> list[Any]:
        return [w] * len(self.parents)


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
        return _numbers.gather(tangents, self.structure, self.shapes, ())

    def pull(self, w: Any) -> list[Any]:
        return self.structure.pull(w, self.shapes, [parent is not None for parent in self.parents])

    def pull_into(self, w: Any, found: Cotangents, spare: bool) -> None:
        if self.structure.slices:
            found.add_at(self.parents[0], self.structure.params["key"], w)
        else:
            super().pull_into(w, found, spare)


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

    def pull(self, w: Any, spare: bool = False) -> list[Any]:
        target, source = self.parents
        if not self.shape:
            # A key of one number names it or, as a mask, does not.
            is_named = bool(np.size(np.zeros(())[self.key]))
            return [None if is_named else w, np.reshape(w, source.shape) if is_named and source is not None else None]
        written = None
        if source is not None:
            written = reduced(self._surviving(w[self.key].copy()), source.shape)
        if target is not None:
            w = w if spare else np.copy(w)
            w[self.key] = 0.0
        return [w, written]

    def pull_into(self, w: Any, found: Cotangents, spare: bool) -> None:
        target, source = self.parents
        w, written = self.pull(w, spare)
        if source is not None and written is not None:
            found.add(source, written)
        if target is not None and w is not None:
            found.add(target, w, spare=bool(self.shape))

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
        return [self.linear.transpose(np.asarray(w) if issubclass(type(w), (float, complex)) else w)]

    def pull_into_carefully(self, w: Any, idle: Any, found: Careful) -> None:
        (parent,) = self.parents
        assert parent is not None
        w = select_zero(idle, w)
        w = np.asarray(w) if issubclass(type(w), (float, complex)) else w
        found.add(parent, self.linear.pulled(w, idle), self.linear.reach(np.where(idle, 0.0, 1.0)))


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

    def reach(self, w: Any) -> list[Any]:
        return [w]


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

    def reach(self, w: Any) -> list[Any]:
        return [w]


def _times(w: Any, c: Any, spare: bool) -> Any:
    """``w * c``; ``spare`` says that w, if it is an array, may be overwritten."""
    if spare and type(c) is type(w) is np.ndarray and c.shape == w.shape and c.dtype is w.dtype is _FLOAT64:
        return np.multiply(w, c, out=w)
    return w * c


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
