"""Scalars forwards, arrays backwards: the gradient in few inputs, whatever f is made of.

A loop over Python floats is cheapest along all directions at once, where the tangent of a scalar is a tuple of floats;
operations on arrays are cheapest recorded and transposed.  Which of the two a function is shows only while it runs.
Here a scalar that was computed from scalars has a dense tangent, and what was computed from an array a node.  Where a
scalar meets an array its tangent becomes an input of the linear program, and the gradient is the sum over these inputs
of cotangent times tangent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from dualdiff.core.quiet import quietly
from dualdiff.tangents.dense import LANES, Dense
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.nodes import Gather, Node
from dualdiff.tangents.program import Program
from dualdiff.tangents.recorded import Recorded
from dualdiff.tangents.space import Rule, Shape, Tangent, _rebuild
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import product

__all__ = ["LANES", "Mixed"]


class Mixed(Recorded):
    """Tangents in the form that they are cheapest in: dense for scalars, a node for arrays."""

    __slots__ = ("__weakref__", "_dense", "_leaves", "_numbers", "_seeds", "float64_dual", "float_dual")

    def __init__(self, tag: int, directions: int, conjugates: str = "allowed") -> None:
        super().__init__(tag, conjugates)
        self._dense = Dense(tag, directions, conjugates)
        self.float_dual, self.float64_dual = self._dense.float_dual, self._dense.float64_dual
        # Inputs of the program that are arrays of inputs of f, and those that are scalars with a tangent of their own.
        self._seeds: list[tuple[Node, int]] = []
        self._leaves: list[tuple[Node, Tangent]] = []
        # For each node that only moves inputs of f, which of them its elements are.
        self._numbers: dict[int, Any] = {}
        _live[tag] = self

    def seed_inputs(self, first: int, shape: Shape, dtype: Any) -> Tangent:
        """The tangent of the inputs from a number on, in C order."""
        if not shape:
            return self._unit(first)
        node = self.seed(shape, dtype)
        self._seeds.append((node, first))
        self._numbers[node.serial] = np.arange(first, first + math.prod(shape)).reshape(shape)
        return node

    def _unit(self, i: int) -> tuple[float, ...]:
        return tuple([1.0 if j == i else 0.0 for j in self._dense.all])

    def gradient(self, t: Tangent | None) -> Any:
        """The derivatives of a scalar with this tangent with respect to all inputs, in a row."""
        if not isinstance(t, Node):
            return np.reshape(self._dense.read(t, np.zeros(_shape(t))), len(self._dense.all))
        program = Program([node for node, _ in (*self._seeds, *self._leaves)], [t])
        cotangents = program.pull([np.ones(t.shape, t.dtype) if t.shape else 1.0], consume=True)
        return self._collected(cotangents)

    @quietly
    def _collected(self, cotangents: Sequence[Any]) -> Any:
        """The sum over the inputs of the program of cotangent times tangent."""
        total: Any = np.zeros(len(self._dense.all))
        for (node, first), w in zip(self._seeds, cotangents, strict=False):
            if w is not None:
                last = len(total) - first - math.prod(node.shape)
                total = total + np.concatenate([np.zeros(first), np.ravel(w), np.zeros(last)])
        for (node, dense), w in zip(self._leaves, cotangents[len(self._seeds) :], strict=True):
            if w is not None:
                terms = product(self._dense.read(dense, np.zeros(node.shape)), w)
                # Cotangents pair with tangents as the real part of their product.
                terms = np.real(terms) if np.iscomplexobj(terms) else terms
                total = total + (np.sum(np.reshape(terms, (len(total), -1)), axis=1) if node.shape else terms)
        return total

    def __reduce__(self) -> Any:
        return _here, (self.tag, len(self._dense.all), self.conjugates)

    # -- the two forms -------------------------------------------------------------------------------------------------

    def _node(self, t: Tangent | None) -> Node | None:
        """The tangent as a node of the program."""
        if t is None or isinstance(t, Node):
            return t
        node = self.seed(_shape(t), np.dtype(np.float64) if type(t) is tuple else t.array.dtype)
        self._leaves.append((node, t))
        return node

    def travelling(self, t: Tangent | None) -> Tangent | None:
        """The tangent along all directions: what a node has recorded is run forwards, along one after the other."""
        if not isinstance(t, Node):
            return t
        inputs = [*((node, None) for node, _ in self._seeds), *self._leaves]
        program = Program([node for node, _ in inputs], [t])
        zero, found = np.zeros(t.shape, t.dtype), []
        for i in self._dense.all:
            directions = [
                (self._numbers[node.serial] == i) * 1.0
                if dense is None
                else self._dense.read(dense, np.zeros(node.shape))[i]
                for node, dense in inputs
            ]
            (along,) = program.push(directions)
            found.append(zero if along is None else along)
        return self._dense.seed(np.stack(found))

    # -- the verbs -----------------------------------------------------------------------------------------------------

    def apply(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any, where: Any = True
    ) -> Tangent | None:
        is_scalar = not getattr(result[0] if type(result) is tuple else result, "shape", ())
        if is_scalar and not any(isinstance(t, Node) for t in tangents):
            t = self._dense.apply(row, values, tangents, result, where)
            floats = self._dense.floats(t)
            return t if t is None or floats is None else floats
        return super().apply(row, values, [self._node(t) for t in tangents], result, where)

    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape) -> Node:
        return super().scale(self._node(t), c, shape, out_shape)

    def add(self, terms: Sequence[Tangent], shape: Shape) -> Node:
        return super().add([self._node(t) for t in terms], shape)

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Node:
        return super().gather([self._node(t) for t in sources], structure, shapes, out_shape)

    def scatter(self, t: Tangent, structure: Structure, shape: Shape, out_shape: Shape) -> Node:
        return super().scatter(self._node(t), structure, shape, out_shape)

    def put(
        self, target: Tangent | None, source: Tangent | None, key: Any, shape: Shape, source_shape: Shape, like: Any
    ) -> Node | None:
        return super().put(self._node(target), self._node(source), key, shape, source_shape, like)

    def sum(self, t: Tangent, axes: Shape, shape: Shape, out_shape: Shape) -> Node:
        return super().sum(self._node(t), axes, shape, out_shape)

    def contract(self, t: Tangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> Node:
        return super().contract(self._node(t), linear, shape, out_shape)

    def conj(self, t: Tangent, part: str, shape: Shape) -> Node:
        return super().conj(self._node(t), part, shape)

    def cast(self, t: Tangent, dtype: Any, shape: Shape) -> Tangent:
        return super().cast(t, dtype, shape) if isinstance(t, Node) else self._dense.cast(t, dtype, shape)

    # -- housekeeping --------------------------------------------------------------------------------------------------

    def read(self, t: Tangent | None, value: Any, others: Sequence[Any] | None = None) -> Any:
        return self._dense.read(self.travelling(t), value, others)

    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        return super().zero_mask(t, shape) if isinstance(t, Node) else self._dense.zero_mask(t, shape)

    def may_have_nan(self, t: Tangent) -> bool:
        return super().may_have_nan(t) if isinstance(t, Node) else self._dense.may_have_nan(t)

    def floats(self, t: Tangent | None) -> Any:
        return None if isinstance(t, Node) else self._dense.floats(t)

    def own(self, t: Tangent | None, like: Any) -> Tangent | None:
        return self._node(t)

    def element(self, t: Tangent, index: Any, shape: Shape) -> Tangent:
        numbers = self._inputs(t)
        if numbers is None:
            return super().element(t, index, shape)
        return self._unit(int(numbers[index]))

    def _inputs(self, t: Tangent) -> Any:
        """Which inputs of f the elements of an array are; None where they are something else."""
        if not isinstance(t, Node):
            return None
        numbers = self._numbers.get(t.serial)
        if numbers is None and type(t) is Gather and len(t.parents) == 1 and t.structure.slices:
            parent = self._inputs(t.parents[0])
            if parent is not None:
                numbers = self._numbers[t.serial] = t.structure(parent)
        return numbers


#: The spaces of this process by their tags, for duals that come back from another one.
_live: WeakValueDictionary[int, Mixed] = WeakValueDictionary()


def _here(tag: int, directions: int, conjugates: str) -> Any:
    """The space of a dual that travelled: that of the call where it is known, and a dense one in another process."""
    found = _live.get(tag)
    return _rebuild(Dense, (tag, directions, conjugates)) if found is None else found


def _shape(t: Tangent | None) -> Shape:
    return () if t is None or type(t) is tuple else tuple(t.array.shape[1:])
