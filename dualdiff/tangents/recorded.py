"""Recorded tangents: a tangent is a node of the linear program of the run, which says what verb made it from what."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from dualdiff.core.array import DualArray
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.nodes import Add, Apply, Cast, Conj, Contract, Gather, Node, Put, Scale, Scatter, Sum
from dualdiff.tangents.space import Rule, Shape, Tangent, TangentSpace, are_float64, is_complex
from dualdiff.tangents.structure import Structure

#: Constants that nobody can write into.
_SCALARS = frozenset({float, int, complex, np.float64})


class Recorded(TangentSpace):
    """Tangents as nodes of a linear program."""

    __slots__ = ("_copies", "_serials")
    lazy = True

    def __init__(self, tag: int, conjugates: str = "allowed") -> None:
        super().__init__(tag, conjugates)
        self._serials = count()
        self._copies: dict[int, Any] = {}

    def apply(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Node | None], result: Any, where: Any = True
    ) -> Node | None:
        if where is not True or not row.is_pure or (row.conjugates is not None and any(map(is_complex, values))):
            t = super().apply(row, values, tangents, result, where)
            return None if t is None else self.cast(t, _first(result).dtype, t.shape)
        keeps = row.keeps(tuple([t is not None for t in tangents]))
        if keeps is None:
            return None
        is_real = are_float64(values)
        kept = values if type(result) is np.float64 else self._lasting_values(values, tangents, keeps, is_real)
        value = result if type(result) is np.ndarray else _first(result)
        dtype = getattr(value, "dtype", None)
        if dtype is None:
            dtype = np.dtype(type(value))
        if is_real and not keeps[-1]:
            result = None
        shape = getattr(value, "shape", ())
        return Apply(next(self._serials), row, tangents, kept, result, shape, dtype, is_real)

    def _lasting_values(
        self, values: Sequence[Any], tangents: Sequence[Node | None], keeps: Sequence[bool], is_real: bool
    ) -> list[Any]:
        """The values that partials name, which will stay as they are; of other than float64 ones all."""
        return [
            None if not k and is_real else self.lasting(v) if t is None and type(v) not in _SCALARS else v
            for v, t, k in zip(values, tangents, keeps, strict=False)
        ]

    def __reduce__(self) -> Any:
        raise TypeError(
            "a dual number that is being recorded (reverse mode, linearize) cannot be sent to another process: use "
            "mode='forward', or take the derivative inside the process"
        )

    def seed(self, shape: Shape, dtype: Any) -> Node:
        """The tangent of an input."""
        return Node(next(self._serials), (), shape, np.dtype(dtype))

    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape) -> Node:
        return Scale(next(self._serials), t, c, out_shape)

    def add(self, terms: Sequence[Tangent], shape: Shape) -> Node:
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

    def read(self, t: Tangent | None, value: Any, others: Sequence[Any] | None = None) -> Any:
        return t

    def lasting(self, c: Any) -> Any:
        """A constant as it is now, whatever its owner writes into it later."""
        if type(c) is DualArray:
            return c.snapshot()
        if type(c) is not np.ndarray or _is_constant(c):
            return c
        # A loop uses the same array in each turn, mostly unchanged.
        owner, copy = (ref() for ref in self._copies.get(id(c), (_none, _none)))
        if owner is not c or copy is None or not np.array_equal(c, copy):
            copy = np.copy(c, order="K")
            self._copies[id(c)] = weakref.ref(c), weakref.ref(copy)
        return copy

    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        # A node is a function of a direction that is not known yet.
        return np.zeros(shape, bool) if shape else False

    def may_have_nan(self, t: Tangent) -> bool:
        # Its own pass backwards looks for NaN.
        return False


def _first(result: Any) -> Any:
    """The value of a function; of several the first, which the others are like."""
    return result[0] if type(result) is tuple else result


def _is_constant(a: Any) -> bool:
    """Whether nobody can write into an array, nor into that which it is a view of."""
    return not a.flags.writeable and (a.base is None or (type(a.base) is np.ndarray and not a.base.flags.writeable))


def _none() -> None:
    """A reference to nothing."""


def _dtype_of(nodes: Sequence[Node | None]) -> Any:
    if len(nodes) == 1:
        return nodes[0].dtype  # type: ignore[union-attr]
    dtypes = {node.dtype for node in nodes if node is not None}
    return dtypes.pop() if len(dtypes) == 1 else np.result_type(*dtypes)
