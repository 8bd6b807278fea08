"""Mixed mode, for gradients with respect to few inputs: small arrays in forward mode, large ones in reverse mode.

Loops over Python floats and operations on small arrays are cheapest along all directions at once; operations on large
arrays are cheapest recorded and transposed.  Which of them a function uses is known only while it runs.  So a tangent
is dense until it meets a large array.  There it becomes an input of the linear program, and the gradient is the sum of
cotangent times dense tangent over these inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from dualdiff.base.quiet import quietly
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.nodes import Node
from dualdiff.tangents.program import Program
from dualdiff.tangents.space import Rule, Shape, Tangent, rebuild, shape_of
from dualdiff.tangents.spaces.dense import Dense
from dualdiff.tangents.spaces.recorded import Recorded
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import may_have_nan, product, select_zero

#: Operations with larger results than this are recorded.
SMALL = 64


class Mixed(Recorded):
    """Tangents in their cheapest form: dense for scalars and small arrays, nodes for large arrays."""

    __slots__ = ("__weakref__", "_dense", "_leaves", "float64_dual", "float_dual")

    def __init__(self, tag: int, directions: int) -> None:
        super().__init__(tag)
        self._dense = Dense(tag, directions)
        self.float_dual, self.float64_dual = self._dense.float_dual, self._dense.float64_dual
        # The inputs of the program with the dense tangents that they represent, by the ``id`` of the latter.
        self._leaves: dict[int, tuple[Node, Tangent]] = {}
        _live[tag] = self

    def unit_seed(self, first: int, shape: Shape, dtype: Any) -> Tangent:
        """The tangent of an input of this shape, whose elements are the inputs from ``first`` on, in C order."""
        units = np.zeros((len(self._dense.all), math.prod(shape)), dtype)
        units[np.arange(first, first + units.shape[1]), np.arange(units.shape[1])] = 1.0
        return self._dense.seed(units.reshape((len(units), *shape)))

    @quietly
    def gradient(self, t: Tangent | None, shape: Shape) -> Any:
        """The gradient, as a vector, of a result with this tangent (and a shape of one element)."""
        if not isinstance(t, Node):
            return np.reshape(self._dense.read(t, np.zeros(shape)), len(self._dense.all))
        program = Program([node for node, _ in self._leaves.values()], [t])
        one = [np.ones(t.shape, t.dtype) if t.shape else 1.0]
        total = self._collected([(w, False) for w in program.pull(one)])
        return self._collected(program.pull_carefully(one)) if may_have_nan(total) else total

    @quietly
    def _collected(self, cotangents: Sequence[tuple[Any, Any]]) -> Any:
        """The sum of cotangent times dense tangent over the inputs of the program."""
        total: Any = np.zeros(len(self._dense.all))
        for (node, dense), (w, idle) in zip(self._leaves.values(), cotangents, strict=True):
            if w is not None:
                terms = select_zero(idle, product(w, self._dense.read(dense, np.zeros(node.shape))))
                # The pairing of cotangents and tangents is the real part of their product.
                terms = np.real(terms) if np.iscomplexobj(terms) else terms
                total = total + (np.sum(np.reshape(terms, (len(total), -1)), axis=1) if node.shape else terms)
        return total

    def __reduce__(self) -> Any:
        return _here, (self.tag, len(self._dense.all))

    # -- the two forms -------------------------------------------------------------------------------------------------

    def _is_dense(self, tangents: Sequence[Tangent | None], out_shape: Shape) -> bool:
        """Whether a verb on these tangents is evaluated along all directions, not recorded."""
        for t in tangents:
            if isinstance(t, Node):
                return False
        return not out_shape or math.prod(out_shape) <= SMALL

    def _node(self, t: Tangent | None, shape: Shape) -> Node | None:
        """The tangent of a value of this shape as a node of the program."""
        if t is None or isinstance(t, Node):
            return t
        if id(t) not in self._leaves:
            dtype = np.dtype(np.float64) if type(t) is tuple else t.array.dtype
            self._leaves[id(t)] = self.seed(shape, dtype), t
        return self._leaves[id(t)][0]

    def travelling(self, t: Tangent | None) -> Tangent | None:
        """The tangent as a dense one: the program of a node is run forward along one direction after the other."""
        if not isinstance(t, Node):
            return t
        program = Program([node for node, _ in self._leaves.values()], [t])
        tangents = [self._dense.read(dense, np.zeros(node.shape)) for node, dense in self._leaves.values()]
        along = [program.push([rows[i] for rows in tangents])[0] for i in self._dense.all]
        zero = np.zeros(t.shape, t.dtype)
        return self._dense.seed(np.stack([zero if a is None else a for a in along]))

    # -- the verbs -----------------------------------------------------------------------------------------------------

    def apply(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any, where: Any = True
    ) -> Tangent | None:
        if self._is_dense(tangents, shape_of(result[0] if type(result) is tuple else result)):
            return self._dense.apply(row, values, tangents, result, where)
        nodes = [self._node(t, shape_of(v)) for t, v in zip(tangents, values, strict=True)]
        return super().apply(row, values, nodes, result, where)

    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, constant: bool = False) -> Tangent:
        if self._is_dense([t], out_shape):
            return self._dense.scale(t, c, shape, out_shape, constant)
        return super().scale(self._node(t, shape), c, shape, out_shape, constant)

    def add(self, terms: Sequence[Tangent], shape: Shape) -> Tangent:
        if self._is_dense(terms, shape):
            return self._dense.add(terms, shape)
        return super().add([self._node(t, shape) for t in terms], shape)

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Tangent:
        if self._is_dense(sources, out_shape):
            return self._dense.gather(sources, structure, shapes, out_shape)
        nodes = [self._node(t, shape) for t, shape in zip(sources, shapes, strict=True)]
        return super().gather(nodes, structure, shapes, out_shape)

    def scatter(self, t: Tangent, structure: Structure, shape: Shape, out_shape: Shape) -> Tangent:
        if self._is_dense([t], out_shape):
            return self._dense.scatter(t, structure, shape, out_shape)
        return super().scatter(self._node(t, shape), structure, shape, out_shape)

    def put(
        self, target: Tangent | None, source: Tangent | None, key: Any, shape: Shape, source_shape: Shape, like: Any
    ) -> Tangent | None:
        # Nodes are never written in place, so arrays may share one.
        return super().put(self._node(target, shape), self._node(source, source_shape), key, shape, source_shape, like)

    def sum(self, t: Tangent, axes: Shape, shape: Shape, out_shape: Shape) -> Tangent:
        if self._is_dense([t], out_shape):
            return self._dense.sum(t, axes, shape, out_shape)
        return super().sum(self._node(t, shape), axes, shape, out_shape)

    def contract(self, t: Tangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> Tangent:
        if self._is_dense([t], out_shape):
            return self._dense.contract(t, linear, shape, out_shape)
        return super().contract(self._node(t, shape), linear, shape, out_shape)

    def conj(self, t: Tangent, part: str, shape: Shape) -> Tangent:
        return super().conj(t, part, shape) if isinstance(t, Node) else self._dense.conj(t, part, shape)

    def cast(self, t: Tangent, dtype: Any, shape: Shape) -> Tangent:
        return super().cast(t, dtype, shape) if isinstance(t, Node) else self._dense.cast(t, dtype, shape)

    # -- housekeeping --------------------------------------------------------------------------------------------------

    def read(self, t: Tangent | None, value: Any, others: Sequence[Any] | None = None) -> Any:
        return self._dense.read(self.travelling(t), value, others)

    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        return super().zero_mask(t, shape) if isinstance(t, Node) else self._dense.zero_mask(t, shape)

    def unknown(self, t: Tangent, mask: Any, shape: Shape, value: Any = None) -> Tangent:
        return super().unknown(t, mask, shape, value) if isinstance(t, Node) else self._dense.unknown(t, mask, shape)

    def may_have_nan(self, t: Tangent) -> bool:
        return super().may_have_nan(t) if isinstance(t, Node) else self._dense.may_have_nan(t)

    def floats(self, t: Tangent | None) -> Any:
        return None if isinstance(t, Node) else self._dense.floats(t)

    def own(self, t: Tangent | None, like: Any) -> Tangent | None:
        return self._node(t, shape_of(like))

    def element(self, t: Tangent, index: Any, shape: Shape) -> Tangent:
        return super().element(t, index, shape) if isinstance(t, Node) else self._dense.element(t, index, shape)


#: The spaces of this process by tag, for duals that return from another process.
_live: WeakValueDictionary[int, Mixed] = WeakValueDictionary()


def _here(tag: int, directions: int) -> Any:
    """The space of an unpickled dual: that of its call, in the process where it runs; otherwise a dense one."""
    space = _live.get(tag)
    return rebuild(Dense, (tag, directions)) if space is None else space
