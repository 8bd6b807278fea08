"""One direction at many points in one pass: the derivative of a function that treats points independently.

All points are seeded with one in the same pass, so a result that combines two points would get the sum of their
derivatives.  Therefore each tangent tracks the point that each of its elements belongs to, and a verb that would mix
points raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dualdiff.base.errors import MixedPointsError
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.space import Rule, Shape, TangentSpace, shape_of
from dualdiff.tangents.spaces.single import Single, may_share_memory
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import plain

_NOWHERE = np.iinfo(np.intp).max
_highest = partial(np.max, initial=0)
_lowest = partial(np.min, initial=_NOWHERE)


class PointTangent(NamedTuple):
    """A tangent along the one direction, and the index of the point that each of its elements belongs to.

    Points are counted from 1; index 0 marks a constant, for example an element that a structural function pads.
    ``points`` is None for all points in their own order and shape.
    """

    tangent: Any
    points: Any


class Pointwise(TangentSpace):
    """As `Single`, but raises `MixedPointsError` where points are mixed."""

    __slots__ = ("shape", "single")

    def __init__(self, tag: int, shape: Shape, conjugates: str = "allowed") -> None:
        super().__init__(tag, conjugates)
        self.shape = shape
        self.single = Single(tag, conjugates)

    def _arguments(self) -> tuple[Any, ...]:
        return self.tag, self.shape, self.conjugates

    def seed(self, ones: Any) -> PointTangent:
        """The tangent of x, the array of points."""
        return PointTangent(ones, None)

    def points(self, t: PointTangent) -> Any:
        """The point of each element."""
        if t.points is not None:
            return t.points
        return self.point_numbers

    @property
    def point_numbers(self) -> Any:
        """The indices of the points, in their own order and shape."""
        return np.arange(1, 1 + math.prod(self.shape)).reshape(self.shape)

    def slope(self, x: Any) -> Any:
        """The derivative of an array with the shape of x; None if an element depends on the point of another one."""
        if x.raw is None:
            return np.zeros(x.shape, x.dtype)
        points = x.raw.points
        if points is not None and np.any((points != 0) & (points != self.point_numbers)):
            return None
        return x.raw.tangent + np.zeros(x.shape)

    def refused(self, what: str) -> MixedPointsError:
        """The error for an f that mixes points, or seems to."""
        return MixedPointsError(
            f"derivative(f, x) over an array of points {self.shape} needs an f that works on each point independently, "
            f"but f {what}: use dualdiff.gradient(f, x) or dualdiff.jacobian(f, x). If each result depends on its own "
            f"point alone, use dualdiff.jacobian(f, x, batch_dims={len(self.shape)}), which checks it, or "
            "dualdiff.jvp(f, x, np.ones_like(x)), which does not"
        )

    def apply(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Any], result: Any, where: Any = True
    ) -> PointTangent | None:
        known = [(t, shape_of(v)) for t, v in zip(tangents, values, strict=True) if t is not None]
        if not known:
            return None
        points, shape = known[0][0].points, shape_of(result)
        if row.conjugates is not None or any(t.points is not points or s != shape for t, s in known):
            return super().apply(row, values, tangents, result, where)
        # All tangents belong to the same points, element by element.
        plain_tangents = [None if t is None else t.tangent for t in tangents]
        tangent = self.single.apply(row, values, plain_tangents, result, where)
        return None if tangent is None else PointTangent(tangent, points)

    def scale(self, t: PointTangent, c: Any, shape: Shape, out_shape: Shape, constant: bool = False) -> PointTangent:
        tangent = self.single.scale(t.tangent, c, shape, out_shape, constant)
        return PointTangent(tangent, t.points if shape == out_shape else np.broadcast_to(self.points(t), out_shape))

    def add(self, terms: Sequence[PointTangent], shape: Shape) -> PointTangent:
        points = terms[0].points
        for term in terms[1:]:
            if term.points is not points:
                points = self._common(points, term)
        return PointTangent(self.single.add([term.tangent for term in terms], shape), points)

    def _common(self, points: Any, term: PointTangent) -> Any:
        a, b = self.points(PointTangent(None, points)), self.points(term)
        if np.any((a != b) & (a > 0) & (b > 0)):
            raise self.refused("combines different points")
        return np.maximum(a, b)

    def gather(
        self,
        sources: Sequence[PointTangent | None],
        structure: Structure,
        shapes: Sequence[Shape],
        out_shape: Shape,
    ) -> PointTangent:
        points = [
            np.broadcast_to(0, shape) if t is None else self.points(t) for t, shape in zip(sources, shapes, strict=True)
        ]
        tangents = [None if t is None else t.tangent for t in sources]
        return PointTangent(self.single.gather(tangents, structure, shapes, out_shape), structure(*points))

    def scatter(self, t: PointTangent, structure: Structure, shape: Shape, out_shape: Shape) -> PointTangent:
        raise self.refused("adds elements into an array by index")

    def put(
        self,
        target: PointTangent | None,
        source: PointTangent | None,
        key: Any,
        shape: Shape,
        source_shape: Shape,
        like: Any,
    ) -> PointTangent | None:
        if target is None:
            if source is None:
                return None
            target = self.own(None, like)
        tangent = self.single.put(
            target.tangent, None if source is None else source.tangent, key, shape, source_shape, like
        )
        points = target.points
        points[key] = 0 if source is None else self.points(source)
        return target if tangent is target.tangent else PointTangent(tangent, points)

    def sum(self, t: PointTangent, axes: Shape, shape: Shape, out_shape: Shape) -> PointTangent:
        if not axes or not shape:
            return t
        points = self._common_point(lambda numbers, reduce: reduce(numbers, axis=axes), t, "sums over the points")
        return PointTangent(self.single.sum(t.tangent, axes, shape, out_shape), points.reshape(out_shape))

    def contract(self, t: PointTangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> PointTangent:
        points = self._common_point(linear.of_arguments, t, f"uses {linear.name} along the points")
        return PointTangent(self.single.contract(t.tangent, linear, shape, out_shape), points)

    def _common_point(self, reduced: Callable[..., Any], t: PointTangent, what: str) -> Any:
        """The point of each result, of whose arguments ``reduced`` takes the highest or the lowest number."""
        points = self.points(t)
        highest = reduced(points, _highest)
        lowest = reduced(np.where(points == 0, _NOWHERE, points), _lowest)
        if np.any((highest > 0) & (lowest != highest)):
            raise self.refused(what)
        return highest

    def conj(self, t: PointTangent, part: str, shape: Shape) -> PointTangent:
        return PointTangent(self.single.conj(t.tangent, part, shape), t.points)

    def cast(self, t: PointTangent, dtype: Any, shape: Shape) -> PointTangent:
        return PointTangent(self.single.cast(t.tangent, dtype, shape), t.points)

    def read(self, t: PointTangent | None, value: Any, others: Sequence[Any] | None = None) -> Any:
        return self.single.read(None if t is None else t.tangent, value, others)

    def zero_mask(self, t: PointTangent, shape: Shape) -> Any:
        return self.single.zero_mask(t.tangent, shape)

    def unknown(self, t: PointTangent, mask: Any, shape: Shape, value: Any = None) -> PointTangent:
        return PointTangent(self.single.unknown(t.tangent, mask, shape), t.points)

    def may_have_nan(self, t: PointTangent) -> bool:
        return self.single.may_have_nan(t.tangent)

    def own(self, t: PointTangent | None, like: Any) -> PointTangent:
        # With the memory layout of the tangent, so that a structure gives views of both or of neither.
        points = np.zeros_like(plain(like), dtype=np.intp)
        if t is not None:
            points[...] = self.points(t)
        return PointTangent(self.single.own(None if t is None else t.tangent, like), points)

    def accepting(self, target: PointTangent, source: PointTangent) -> PointTangent:
        tangent = self.single.accepting(target.tangent, source.tangent)
        return target if tangent is target.tangent else PointTangent(tangent, target.points)

    def aliases(self, t: PointTangent, source: PointTangent) -> bool:
        return self.single.aliases(t.tangent, source.tangent) or may_share_memory(t.points, source.points)
