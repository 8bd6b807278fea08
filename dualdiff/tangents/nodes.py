"""The nodes of a linear program: each verb with the data that its pushforward and pullback need.

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
from dualdiff.tangents.zeros import product, pulled, select_zero, undefined

if TYPE_CHECKING:
    from dualdiff.tangents.program import Careful, Cotangents

_FLOAT64 = np.dtype(np.float64)
#: The verbs on plain tangents, for running a program forward.
_single = Single(0)
cast = _single.cast


class Node:
    """A step of the linear program: the tangent that results from a verb."""

    __slots__ = ("dtype", "parents", "serial", "shape")

    verb = "seed"

    def __init__(self, serial: int, parents: tuple[Node | None, ...], shape: Shape, dtype: Any) -> None:
        self.serial, self.parents, self.shape, self.dtype = serial, parents, shape, dtype

    if sys.version_info >= (3, 13):
        # Python 3.13 frees a chain of nodes recursively, thousands of calls deep, which overflows a small stack.
        def __del__(self) -> None:
            if getattr(self, "parents", ()):
                nodes = _orphaned.nodes
                nodes.append(self.parents)
                self.parents = ()
                # In a nested call (a node freed by `let_go`), the outer `let_go` also frees these parents.
                if len(nodes) == 1:
                    _orphaned.let_go()

    def __repr__(self) -> str:
        return f"<step {self.serial} of a record: {self.verb}>"

    def settle(self) -> None:
        """Precompute what every run of the program needs."""

    def push(self, tangents: list[Any]) -> Any:
        """The tangent of this node, given those of its parents (None: zero)."""
        raise AssertionError("a seed is given, not computed")

    def pull(self, w: Any) -> list[Any]:
        """The cotangents of the parents, given that of this node (None: zero)."""
        return []

    def pull_into(self, w: Any, sums: Cotangents, spare: bool) -> None:
        """Add to the cotangents of the parents in ``sums``; with ``spare``, w may be overwritten.

        Zero times infinity is NaN here; see `pull_into_carefully`.
        """
        for parent, p in zip(self.parents, self.pull(w), strict=True):
            if parent is not None and p is not None:
                sums.add(parent, p)

    def pull_into_carefully(self, w: Any, idle: Any, sums: Careful) -> None:
        """The same, with zero times infinity as in forward mode.

        ``idle`` marks the elements that do not affect the outputs; the marks of the parents are computed along with
        their cotangents.
        """
        marks = self.reach(np.where(idle, 0.0, 1.0))
        for parent, p, mark in zip(self.parents, self.pull(w), marks, strict=True):
            if parent is not None and p is not None:
                sums.add(parent, p, mark)

    def reach(self, w: Any) -> list[Any]:
        """Marks of the elements of the parents that affect the outputs (nonzero), given those of this node."""
        return self.pull(w)


class _Orphaned(local):
    """The parents of freed nodes, for each thread."""

    def __init__(self) -> None:
        self.nodes: deque[tuple[Node | None, ...]] = deque()

    def let_go(self) -> None:
        """Free the parents one by one, with the nodes that this orphans."""
        try:
            while self.nodes:
                self.nodes[0] = ()
                self.nodes.popleft()
        finally:
            self.nodes.clear()


_orphaned = _Orphaned()


class Apply(Node):
    """An elementwise function, whose partials are computed from the values of its arguments on demand."""

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
        #: The coefficients, if `settle` has computed them for repeated use.
        self.known: list[Any] | None = None

    def coefficient(self, i: int) -> Any:
        """The partial with respect to argument i."""
        return self.coefficient_of(i, self.values, self.result) if self.known is None else self.known[i]

    def settle(self) -> None:
        """Compute the coefficients now, and release the values."""
        if self.known is None:
            self.known = [None if p is None else self.coefficient(i) for i, p in enumerate(self.parents)]
            self.values = self.result = None

    def is_constant(self, i: int) -> bool:
        """Whether the zeros of the partial with respect to argument i do not depend on the differentiated variable."""
        row = getattr(self.coefficient_of, "__self__", None)
        if row is None:
            # One tangent for two arguments, as in x * x.
            return bool(min(self.coefficient_of.constancy) > 1)  # type: ignore[attr-defined]
        is_alone = len(self.parents) - self.parents.count(None) == 1
        return bool(row.constancy[i] + is_alone > 1)

    def push(self, tangents: list[Any]) -> Any:
        total = None
        for i, t in enumerate(tangents):
            if t is not None and (c := self.coefficient(i)) is not None:
                term = product(c, t, False, self.is_constant(i))
                total = term if total is None else total + term
        return None if total is None else _single.cast(_expanded(total, self.shape), self.dtype, self.shape)

    def pull_into(self, w: Any, sums: Cotangents, spare: bool) -> None:
        known = self.known
        if known is None:
            coefficient, values, result = self.coefficient_of, self.values, self.result
        # w may be overwritten only if no other parent needs it.
        spare = spare and len(self.parents) - self.parents.count(None) == 1
        cotangents = sums.values
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
                term = _single.cast(term, parent.dtype, shape)
            elif parent.serial not in cotangents and not sums.is_complex:
                cotangents[parent.serial] = term
                if new:
                    sums.owned.add(parent.serial)
                continue
            sums.add(parent, term, new)

    def pull_into_carefully(self, w: Any, idle: Any, sums: Careful) -> None:
        for i, parent in enumerate(self.parents):
            c = None if parent is None else self.coefficient(i)
            if parent is not None and c is not None:
                constant = self.is_constant(i)
                sums.add_product(parent, pulled(w, c, idle, constant), idle, c if constant else None)


class Scale(Node):
    """Coefficients times a tangent."""

    __slots__ = ("c", "constant")
    verb = "scale"

    def __init__(self, serial: int, t: Node, c: Any, shape: Shape, constant: bool) -> None:
        dtype = t.dtype
        of_c = getattr(c, "dtype", dtype)
        if of_c is not dtype or type(c) is complex:
            dtype = np.result_type(dtype, complex if type(c) is complex else of_c)
        self.serial, self.parents, self.shape, self.dtype = serial, (t,), shape, dtype
        self.c, self.constant = c, constant

    def push(self, tangents: list[Any]) -> Any:
        return _expanded(product(self.c, tangents[0], False, self.constant), self.shape)

    def pull_into(self, w: Any, sums: Cotangents, spare: bool) -> None:
        parent: Any = self.parents[0]
        w = _times(w, self.c, spare)
        if parent.shape != self.shape:
            w = reduced(w, parent.shape)
        sums.add(parent, w, type(w) is np.ndarray)

    def pull_into_carefully(self, w: Any, idle: Any, sums: Careful) -> None:
        parent: Any = self.parents[0]
        w = pulled(w, self.c, idle, self.constant)
        sums.add_product(parent, w, idle, self.c if self.constant else None)


class Unknown(Node):
    """A tangent with NaN along all directions where a mask is set."""

    __slots__ = ("mask", "outer")
    verb = "unknown"

    def __init__(self, serial: int, t: Node, mask: Any, value: Any) -> None:
        super().__init__(serial, (t,), t.shape, t.dtype)
        self.mask = mask
        # The NaN depends on what the value depends on in outer calls.
        self.outer = np.sum(value) if hasattr(value, "value") else 0.0

    def push(self, tangents: list[Any]) -> Any:
        return undefined(self.mask, tangents[0])

    def pull(self, w: Any) -> list[Any]:
        return [undefined(self.mask, w)]

    def pull_into_carefully(self, w: Any, idle: Any, sums: Careful) -> None:
        (parent,) = self.parents
        assert parent is not None
        sums.add(parent, select_zero(self.mask, w), np.where(self.mask | idle, 0.0, 1.0))
        if np.any(self.mask & ~idle):
            total = np.sum(w) + self.outer
            for seed in _seeds(parent):
                sums.add(seed, undefined(np.True_, np.broadcast_to(total, seed.shape)[()]), 1.0)


def _seeds(node: Node) -> list[Node]:
    """The inputs that a node depends on."""
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
        return _single.gather(tangents, self.structure, self.shapes, ())

    def pull(self, w: Any) -> list[Any]:
        return self.structure.pull(w, self.shapes, [parent is not None for parent in self.parents])

    def pull_into(self, w: Any, sums: Cotangents, spare: bool) -> None:
        if self.structure.slices:
            sums.add_at(self.parents[0], self.structure.params["key"], w)
        else:
            super().pull_into(w, sums, spare)


class Scatter(Node):
    """The elements of a tangent, added into a larger one."""

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
    """A tangent after some of its elements were overwritten."""

    __slots__ = ("structure",)
    verb = "put"

    def __init__(
        self, serial: int, target: Node | None, source: Node | None, structure: Structure, shape: Shape, dtype: Any
    ) -> None:
        super().__init__(serial, (target, source), shape, dtype)
        self.structure = structure

    @property
    def key(self) -> Any:
        """The key that selects the overwritten elements."""
        return self.structure.params["key"]

    def push(self, tangents: list[Any]) -> Any:
        target, source = tangents
        like = np.empty(self.shape, self.dtype)
        owned = _single.own(target, like)
        return _single.put(owned, source, self.key, self.shape, getattr(source, "shape", ()), like)

    def pull(self, w: Any, spare: bool = False) -> list[Any]:
        target, source = self.parents
        if not self.shape:
            # A key of a 0-d array selects its element or, as a mask, does not.
            is_selected = bool(np.size(np.zeros(())[self.key]))
            written = np.reshape(w, source.shape) if is_selected and source is not None else None
            return [None if is_selected else w, written]
        written = None
        if source is not None:
            written = reduced(self._surviving(w[self.key].copy()), source.shape)
        if target is not None:
            w = w if spare else np.copy(w)
            w[self.key] = 0.0
        return [w, written]

    def pull_into(self, w: Any, sums: Cotangents, spare: bool) -> None:
        target, source = self.parents
        w, written = self.pull(w, spare)
        if source is not None and written is not None:
            sums.add(source, written)
        if target is not None and w is not None:
            sums.add(target, w, spare=bool(self.shape))

    def _surviving(self, w: Any) -> Any:
        """The cotangents of the written elements; zero where the key repeats an element, so that a later write won."""
        if self.structure.slices:
            return w
        order = np.arange(w.size).reshape(w.shape)
        last = np.zeros(self.shape, np.intp)
        last[self.key] = order
        return np.where(last[self.key] == order, w, 0.0)


class Sum(Node):
    """A tangent summed along axes."""

    __slots__ = ("axes",)
    verb = "sum"

    def __init__(self, serial: int, t: Node, axes: Shape, shape: Shape) -> None:
        super().__init__(serial, (t,), shape, t.dtype)
        self.axes = axes

    def push(self, tangents: list[Any]) -> Any:
        return _single.sum(tangents[0], self.axes, np.shape(tangents[0]), self.shape)

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
    """A linear map of a tangent, such as a matrix product."""

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

    def pull_into_carefully(self, w: Any, idle: Any, sums: Careful) -> None:
        (parent,) = self.parents
        assert parent is not None
        w = select_zero(idle, w)
        w = np.asarray(w) if issubclass(type(w), (float, complex)) else w
        sums.add(parent, self.linear.pulled(w, idle), self.linear.reach(np.where(idle, 0.0, 1.0)))


class Conj(Node):
    """The complex conjugate, the real part or the imaginary part."""

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
        return _single.cast(tangents[0], self.dtype, self.shape)

    def pull(self, w: Any) -> list[Any]:
        (parent,) = self.parents
        assert parent is not None
        return [_single.cast(w, parent.dtype, self.shape)]

    def reach(self, w: Any) -> list[Any]:
        return [w]


def _times(w: Any, c: Any, spare: bool) -> Any:
    """``w * c``; with ``spare``, w may be overwritten if it is an array."""
    if spare and type(c) is type(w) is np.ndarray and c.shape == w.shape and c.dtype is w.dtype is _FLOAT64:
        return np.multiply(w, c, out=w)
    return w * c


def repeated(w: Any, shape: Shape) -> Any:
    """A scalar, expanded to a shape."""
    if hasattr(w, "lift"):
        return np.broadcast_to(np.reshape(w, ()), shape)
    w = np.asarray(w)
    # Like np.broadcast_to, which takes as long as the rest of the step.
    view = np.ndarray(shape, w.dtype, w, 0, (0,) * len(shape))
    view.flags.writeable = False
    return view


def _expanded(t: Any, shape: Shape) -> Any:
    return t if getattr(t, "shape", ()) == shape else np.broadcast_to(t, shape)


class Replay(Node):
    """A part of a record that is not kept: `again` records it once more when it is needed.

    ``again()`` returns the last nodes of the part, one for each of its results (None: no tangent), and its nodes in
    order; their parents outside of the part are among the parents of this node.  Its own tangent is the list of the
    tangents of the results, its cotangent a dict of theirs; `Result` passes them on.
    """

    __slots__ = ("again", "arguments", "is_settled")
    verb = "replay"

    def __init__(
        self,
        serial: int,
        parents: tuple[Node, ...],
        again: Callable[[], tuple[list[Node | None], list[Node]]],
        arguments: Any,
        is_settled: bool,
        dtype: Any,
    ) -> None:
        super().__init__(serial, parents, (), dtype)
        #: What the part is recorded from, which is all that is held; and whether a settled program holds its record.
        self.again, self.arguments, self.is_settled = again, arguments, is_settled

    def settle(self) -> None:
        if self.is_settled:
            lasts, nodes = self.again()
            for node in nodes:
                node.settle()
            self.arguments = nodes
            self.again = lambda: (lasts, [*nodes])

    def push(self, tangents: list[Any]) -> Any:
        lasts, nodes = self.again()
        known = {node.serial: t for node, t in zip(self.parents, tangents, strict=True) if node is not None}
        for node in nodes:
            arguments = [None if p is None else known.get(p.serial) for p in node.parents]
            if any(t is not None for t in arguments):
                known[node.serial] = node.push(arguments)
        return [None if last is None else known.get(last.serial) for last in lasts]

    def pull_into(self, w: Any, sums: Cotangents, spare: bool) -> None:
        self._pull(w, sums, lambda node: node.pull_into(*_popped(sums, node)))

    def pull_into_carefully(self, w: Any, idle: Any, sums: Careful) -> None:
        self._pull(w, sums, lambda node: node.pull_into_carefully(*sums.taken(node), sums))

    def _pull(self, w: Any, sums: Any, pull: Callable[[Node], None]) -> None:
        """Record the part, add the cotangents of its results, and pull one node after the other."""
        lasts, nodes = self.again()
        outer = sums.is_complex
        sums.is_complex = outer or any(node.dtype.kind == "c" for node in nodes)
        for place, given in w.items():
            if (last := lasts[place]) is not None:
                sums.add(last, *given)
        # What has been pulled is freed, with all that it holds.
        del lasts, last
        w.clear()
        while nodes:
            node = nodes.pop()
            if node.serial in sums.values:
                pull(node)
        sums.is_complex = outer


def _popped(sums: Cotangents, node: Node) -> tuple[Any, Cotangents, bool]:
    is_owned = node.serial in sums.owned
    # A long loop has many nodes, of which few exist at a time.
    sums.owned.discard(node.serial)
    return sums.values.pop(node.serial), sums, is_owned


class Result(Node):
    """One of the results of a part that is not kept."""

    __slots__ = ("place",)
    verb = "result"

    def __init__(self, serial: int, part: Replay, place: int, shape: Shape, dtype: Any) -> None:
        super().__init__(serial, (part,), shape, dtype)
        self.place = place

    def push(self, tangents: list[Any]) -> Any:
        return tangents[0][self.place]

    def pull_into(self, w: Any, sums: Cotangents, spare: bool) -> None:
        (part,) = self.parents
        assert part is not None
        sums.values.setdefault(part.serial, {})[self.place] = w, spare

    def pull_into_carefully(self, w: Any, idle: Any, sums: Careful) -> None:
        (part,) = self.parents
        assert part is not None
        sums.values.setdefault(part.serial, {})[self.place] = w, np.where(idle, 0.0, 1.0)
        sums.marks[part.serial] = 1.0
