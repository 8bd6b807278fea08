"""One direction: a tangent is a float, or an array shaped like the value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.structure import Structure, accumulated
from dualdiff.tangents.zeros import may_have_nan, product, zero_mask


def shape_of(x: Any) -> Shape:
    """The shape of a number, an array or a dual."""
    return getattr(x, "shape", ())


def uniform(t: Any) -> Any:
    """The one number that an expanded tangent repeats, or None."""
    if isinstance(t, np.ndarray) and t.ndim and not any(t.strides) and t.size:
        return t[(0,) * t.ndim]
    return None


class Single(TangentSpace):
    """Tangents along one direction.

    A tangent that is the same everywhere (a unit seed) is kept as a read-only expanded view of one number until
    something has to be written into it.
    """

    __slots__ = ()
    scalar_floats = True

    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, spare: bool = False) -> Tangent:
        repeated = uniform(t)
        if repeated is not None:
            # The coefficients of a unit seed are the tangent: no pass over memory.
            r = c if repeated == 1 and isinstance(c, (np.ndarray, np.generic)) else product(c, repeated)
        else:
            r = product(c, t, spare)
        return r if shape_of(r) == out_shape else np.broadcast_to(r, out_shape)

    def add(self, terms: Sequence[Tangent], shape: Shape, spare: int | None = None) -> Tangent:
        return added(terms, spare)

    def subtract(self, a: Tangent, b: Tangent, shape: Shape) -> Tangent:
        return a - b

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Tangent:
        return structure(*(_as_array(t, shape) for t, shape in zip(sources, shapes, strict=True)))

    def scatter(self, t: Tangent, structure: Structure, shape: Shape, out_shape: Shape) -> Tangent:
        return accumulated(structure.index([out_shape]) - 1, t, out_shape)

    def put(
        self, target: Tangent | None, source: Tangent | None, key: Any, shape: Shape, source_shape: Shape, like: Any
    ) -> Tangent:
        if source is None:
            if target is not None:
                target[key] = 0.0
            return target
        target = accepting(self.own(None, like) if target is None else target, source)
        target[key] = source
        return target

    def sum(self, t: Tangent, axes: Shape, shape: Shape, out_shape: Shape) -> Tangent:
        return np.sum(t, axis=axes).reshape(out_shape) if shape else t

    def contract(self, t: Tangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> Tangent:
        return linear(_as_array(t, shape))

    def conj(self, t: Tangent, part: str, shape: Shape) -> Tangent:
        return getattr(np, part)(t)

    def cast(self, t: Tangent, dtype: Any, shape: Shape) -> Tangent:
        found = getattr(t, "dtype", None)
        found = np.dtype(type(t)) if found is None else found
        if found == dtype:
            return t
        if found.kind == "c" and np.dtype(dtype).kind != "c":
            t = np.real(t)
        return t.astype(dtype) if isinstance(getattr(t, "shape", None), tuple) else np.dtype(dtype).type(t)

    def read(self, t: Tangent | None, value: Any) -> Any:
        if t is None:
            value = plain(value)
            return np.zeros_like(value) if isinstance(value, np.ndarray) else type(value)(0)
        if hasattr(t, "value"):
            return np.copy(t)
        if isinstance(value, np.ndarray) or isinstance(t, np.ndarray):
            return np.array(t)
        return np.float64(t) if type(value) is np.float64 and type(t) is float else t

    def give(self, t: Tangent | None, value: Any, others: Sequence[Any]) -> Any:
        return t if is_alone(t, others) else self.read(t, value)

    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        return zero_mask(t)

    def may_have_nan(self, t: Tangent) -> bool:
        return may_have_nan(t)

    def holds(self, t: Tangent) -> bool:
        return uniform(t) is not None

    def own(self, t: Tangent | None, like: Any) -> Tangent:
        if t is not None and not isinstance(t, np.ndarray):
            return np.copy(t)
        copy = np.zeros_like(plain(like))
        if t is not None:
            copy[...] = t
        return copy

    def numbers(self, t: Tangent, like: Tangent) -> Any:
        return t

    def is_new(self, t: Tangent, c: Any) -> bool:
        return type(t) is np.ndarray and t.base is None and t is not c

    def accepting(self, target: Tangent, source: Tangent) -> Tangent:
        return accepting(target, source)

    def aliases(self, t: Tangent, source: Tangent) -> bool:
        return may_share_memory(t, source)


def _as_array(t: Tangent | None, shape: Shape) -> Any:
    """The tangent as what a structural function takes, whose methods it may call."""
    if t is None:
        return np.broadcast_to(0.0, shape)
    return np.asarray(t) if type(t) is float or type(t) is complex else t


def is_alone(t: Any, others: Sequence[Any]) -> bool:
    """Whether an array owns its memory and shares it with none of the others."""
    return (
        type(t) is np.ndarray
        and t.ndim > 0
        and t.base is None
        and t.flags.writeable
        and not any(may_share_memory(t, other) for other in others)
    )


def added(terms: Sequence[Any], spare: int | None) -> Any:
    """The sum of arrays, in the storage of the one that may be overwritten."""
    total, *rest = terms
    if spare is not None and len(rest) == 1:
        kept, other = terms[spare], terms[1 - spare]
        if type(other) is np.ndarray and kept.dtype == other.dtype:
            return np.add(total, rest[0], out=kept)
    for term in rest:
        total = total + term
    return total


def plain(a: Any) -> Any:
    """The NumPy array at the bottom of an array of nested duals."""
    while hasattr(a, "value"):
        a = a.value
    return a


def may_share_memory(a: Any, b: Any) -> bool:
    """Whether two arrays, plain or dual, may share memory."""
    a, b = plain(a), plain(b)
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)


def accepting(target: Any, source: Any) -> Any:
    """The target array, made ready to hold duals of outer calls if the source has them."""
    return source.lift(target) if hasattr(source, "lift") else target
