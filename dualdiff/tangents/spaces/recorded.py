"""Recorded tangents: a tangent is a node of the linear program of the run, with its verb and its parents."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.nodes import Add, Apply, Cast, Conj, Contract, Gather, Node, Put, Scale, Scatter, Sum, Unknown
from dualdiff.tangents.space import Rule, Shape, Tangent, TangentSpace, are_float64, is_complex, shape_of
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import plain

#: Types of immutable constants.
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
            return None if t is None else self.cast(t, np.result_type(plain(_first(result))), t.shape)
        keeps = row.keeps(tuple([t is not None for t in tangents]))
        if keeps is None:
            return None
        is_real = are_float64(values)
        # The same tangent twice, as in x * x: the coefficients are added, not the terms.
        is_twice = len(tangents) == 2 and tangents[0] is tangents[1] and shape_of(values[0]) == shape_of(values[1])
        if type(result) is np.ndarray:
            shape, dtype = result.shape, result.dtype
        else:
            value = _first(result)
            shape, dtype = getattr(value, "shape", ()), getattr(value, "dtype", None) or np.dtype(type(value))
        if is_real:
            if (shape or np.ndarray in map(type, values)) and (None in tangents or not all(keeps)):
                values = self._lasting_values(values, tangents, keeps)
            if not row.uses_result:
                result = None
        else:
            values = self._lasting_values(values, tangents, (True,) * len(values))
        coefficient = row.real_coefficient if is_real else row.coefficient
        if is_twice:
            tangents, coefficient = tangents[:1], _twice(row, coefficient)
        return Apply(next(self._serials), coefficient, tangents, values, result, shape, dtype)

    def _lasting_values(self, values: Sequence[Any], tangents: Sequence[Node | None], keeps: Sequence[bool]) -> Any:
        """The values that the partials use, protected from later writes; None for the others."""
        return [
            (v if t is not None or type(v) in _SCALARS else self.lasting(v)) if k else None
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

    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, constant: bool = False) -> Node:
        return Scale(next(self._serials), t, c, out_shape, constant)

    def add(self, terms: Sequence[Tangent], shape: Shape) -> Node:
        return Add(next(self._serials), tuple(terms), shape, _dtype_of(terms))

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Node:
        if structure._slices is not True:
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

    def travelling(self, t: Tangent | None) -> Tangent | None:
        if t is not None:
            self.__reduce__()
        return t

    def read(self, t: Tangent | None, value: Any, others: Sequence[Any] | None = None) -> Any:
        return t

    def lasting(self, c: Any) -> Any:
        """The current values of a constant, protected from later writes: copied if it is a writeable array."""
        if hasattr(type(c), "snapshot"):
            # An array of duals of an outer call is copied on write.
            return c.snapshot()
        if not issubclass(type(c), np.ndarray) or _is_constant(c):
            return c
        # A loop uses the same array in each iteration, mostly unchanged.
        owner, copy = (ref() for ref in self._copies.get(id(c), (_none, _none)))
        if owner is not c or copy is None or not same_bits(np.asarray(c), copy):
            copy = np.array(c, order="K")
            self._copies[id(c)] = weakref.ref(c), weakref.ref(copy)
        return copy

    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        # The tangent depends on directions that are not known yet.
        return np.zeros(shape, bool) if shape else False

    def unknown(self, t: Tangent, mask: Any, shape: Shape, value: Any = None) -> Node:
        return Unknown(next(self._serials), t, mask, value)

    def may_have_nan(self, t: Tangent) -> bool:
        # The reverse pass checks for NaN itself.
        return False


def _twice(row: Rule, coefficient: Callable[..., Any]) -> Callable[..., Any]:
    """The coefficient of a tangent that belongs to both arguments: the sum of the two."""

    def both(i: int, values: Sequence[Any], result: Any) -> Any:
        c, d = coefficient(0, values, result), coefficient(1, values, result)
        return d if c is None else c if d is None else c + d

    both.constancy = row.constancy  # type: ignore[attr-defined]
    return both


def _first(result: Any) -> Any:
    """The value of a function, or the first of several, which have the same shape and dtype."""
    return result[0] if type(result) is tuple else result


def _is_constant(a: Any) -> bool:
    """Whether neither an array nor its base can be written."""
    return not a.flags.writeable and (a.base is None or (type(a.base) is np.ndarray and not a.base.flags.writeable))


def same_bits(a: Any, b: Any) -> bool:
    """Whether two arrays hold the same bits; False where that is not simple to see."""
    if type(a) is not np.ndarray or a.dtype.hasobject:
        return False
    if not a.nbytes:
        return True
    size = a.dtype.itemsize
    # Integers as wide as fit compare bits, not values: NaN equals itself, and 0.0 differs from -0.0.
    bits = np.uint64 if size % 8 == 0 else np.uint32 if size % 4 == 0 else np.uint16 if size % 2 == 0 else np.uint8
    order: Any = "F" if a.flags.f_contiguous else "C"
    one, other = (np.ascontiguousarray(x.reshape(-1, order=order)).view(bits) for x in (a, b))
    return bool((one == other).all())


def _none() -> None:
    """Stands in for a dead weak reference."""


def _dtype_of(nodes: Sequence[Node | None]) -> Any:
    if len(nodes) == 1:
        return nodes[0].dtype  # type: ignore[union-attr]
    dtypes = {node.dtype for node in nodes if node is not None}
    return dtypes.pop() if len(dtypes) == 1 else np.result_type(*dtypes)
