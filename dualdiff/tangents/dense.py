"""Several directions at a time: a tangent is an array with one leading axis of N directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.single import accepting, added, is_alone, may_share_memory, plain, shape_of
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import may_have_nan, product, zero_mask


class Dense(TangentSpace):
    """Tangents along N directions, which stand on the first axis, before batch axes too."""

    __slots__ = ("directions", "units")

    def __init__(self, tag: int, directions: int, conjugates: str = "allowed") -> None:
        super().__init__(tag, conjugates)
        self.directions = directions
        # The seeds, if they are all unit directions of one vector, in order: what a linear map makes of them is known.
        self.units: Any = None

    def _arguments(self) -> tuple[Any, ...]:
        return self.tag, self.directions, self.conjugates

    def seed(self, seeds: Any, are_units: bool = False) -> Tangent:
        """A tangent of its parts along all directions; ``are_units`` says that they are the identity."""
        if are_units:
            self.units = seeds
        return seeds

    def _aligned(self, t: Tangent, shape: Shape, ndim: int) -> Tangent:
        """The tangent with its value axes as the last of ``ndim``, so that it broadcasts as the value does."""
        missing = ndim - len(shape)
        return t.reshape((self.directions, *(1,) * missing, *shape)) if missing > 0 else t

    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, spare: bool = False) -> Tangent:
        r = product(c, self._aligned(t, shape, len(out_shape)))
        full = (self.directions, *out_shape)
        return r if r.shape == full else np.broadcast_to(r, full)

    def add(self, terms: Sequence[Tangent], shape: Shape, spare: int | None = None) -> Tangent:
        return added(terms, spare)

    def subtract(self, a: Tangent, b: Tangent, shape: Shape) -> Tangent:
        return a - b

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Tangent:
        n = self.directions
        shifted = structure.shifted(n)
        if shifted is None:
            return self._gather_by_index(sources, structure, shapes, out_shape)
        ndim = len(out_shape) if structure.broadcasts else 0
        return shifted(
            *(
                self._aligned(np.broadcast_to(0.0, (n, *shape)) if t is None else t, shape, ndim)
                for t, shape in zip(sources, shapes, strict=True)
            )
        )

    def _gather_by_index(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Tangent:
        n = self.directions
        index = structure.index(shapes)
        flat = [
            np.broadcast_to(0.0, (n, math.prod(shape))) if t is None else t.reshape((n, int(np.prod(shape))))
            for t, shape in zip(sources, shapes, strict=True)
        ]
        everything = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)
        if index.size and index.min() > 0:
            # Not everything[:, index - 1], which is a view where the index is one number.
            return np.take(everything, index - 1, axis=1)
        places = index > 0
        result = np.zeros((n, *index.shape), everything.dtype)
        result = accepting(result, everything)
        result[:, places] = everything[:, index[places] - 1]
        return result

    def scatter(self, t: Tangent, structure: Structure, shape: Shape, out_shape: Shape) -> Tangent:
        result = np.zeros_like(t, shape=(self.directions, math.prod(out_shape)))
        places: Any = (slice(None), structure.index([out_shape]) - 1)
        np.add.at(result, places, t)
        return result.reshape((self.directions, *out_shape))

    def put(
        self, target: Tangent | None, source: Tangent | None, key: Any, shape: Shape, source_shape: Shape, like: Any
    ) -> Tangent:
        if target is None:
            if source is None:
                return None
            target = self.own(None, like)
        n = self.directions
        index = Structure.getitem(key).shifted(n)
        if source is not None:
            target = accepting(target, source)
        if index is not None:
            key = index.params["key"]
            if source is not None:
                source = self._aligned(source, source_shape, target[key].ndim - 1)
        else:
            # The key mixes array indices and slices in a way that would move the directions: count the places.
            places = np.arange(math.prod(shape)).reshape(shape)[key]
            key = (slice(None), *np.unravel_index(places, shape))
            if source is not None:
                source = self._aligned(source, source_shape, places.ndim)
        target[key] = 0.0 if source is None else source
        return target

    def sum(self, t: Tangent, axes: Shape, shape: Shape, out_shape: Shape) -> Tangent:
        if not shape:
            return t
        return np.sum(t, axis=tuple(a + 1 for a in axes)).reshape((self.directions, *out_shape))

    def contract(self, t: Tangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> Tangent:
        found = linear.matrix() if t is self.units else None
        return linear(t) if found is None else found

    def conj(self, t: Tangent, part: str, shape: Shape) -> Tangent:
        return getattr(np, part)(t)

    def cast(self, t: Tangent, dtype: Any, shape: Shape) -> Tangent:
        if t.dtype == dtype:
            return t
        if t.dtype.kind == "c" and np.dtype(dtype).kind != "c":
            t = np.real(t)
        return t.astype(dtype)

    def read(self, t: Tangent | None, value: Any) -> Any:
        if t is None:
            return np.zeros((self.directions, *shape_of(value)), np.result_type(plain(value)))
        return np.array(t) if isinstance(t, np.ndarray) else np.copy(t)

    def give(self, t: Tangent | None, value: Any, others: Sequence[Any]) -> Any:
        return t if is_alone(t, others) else self.read(t, value)

    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        return np.all(zero_mask(t), axis=0)

    def may_have_nan(self, t: Tangent) -> bool:
        return may_have_nan(t)

    def own(self, t: Tangent | None, like: Any) -> Tangent:
        if t is None:
            like = plain(like)
            return np.zeros((self.directions, *like.shape), like.dtype)
        return np.array(t, order="C") if isinstance(t, np.ndarray) else np.copy(t)

    def element(self, t: Tangent, index: Any, shape: Shape) -> Tangent:
        return super().element(t, index, shape).copy()

    def is_new(self, t: Tangent, c: Any) -> bool:
        return type(t) is np.ndarray and t.base is None and t is not c

    def accepting(self, target: Tangent, source: Tangent) -> Tangent:
        return accepting(target, source)

    def aliases(self, t: Tangent, source: Tangent) -> bool:
        return may_share_memory(t, source)
