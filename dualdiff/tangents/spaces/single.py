"""One direction: a tangent is a float, or an array shaped like the value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.base.quiet import quietly
from dualdiff.tangents.blocks import LARGE, in_blocks
from dualdiff.tangents.fused import SMALL, fused
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.space import Rule, Shape, Tangent, TangentSpace, Term, shape_of
from dualdiff.tangents.structure import Structure, accumulated
from dualdiff.tangents.zeros import may_have_nan, plain, product, undefined, zero_mask

_FLOAT64 = np.dtype(np.float64)


def uniform(t: Any) -> Any:
    """The scalar that an expanded tangent repeats; None if it is not expanded."""
    if type(t) is np.ndarray and t.ndim and not any(t.strides) and t.size:
        return t[(0,) * t.ndim]
    return None


class Single(TangentSpace):
    """Tangents along one direction.

    A tangent with all elements equal (a unit seed) is stored as a read-only expanded view of one scalar, until it is
    written.
    """

    __slots__ = ()

    def apply(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any, where: Any = True
    ) -> Tangent | None:
        if where is True and type(result) is np.ndarray and result.dtype is _FLOAT64:
            t = None
            if result.size >= LARGE:
                t = in_blocks(row, values, tangents, result)
            elif result.size <= SMALL:
                t = _fused(row, values, tangents, result)
            if t is not None:
                return t
        return super().apply(row, values, tangents, result, where)

    def combine(self, terms: Sequence[Term], out_shape: Shape) -> Tangent:
        if len(terms) == 2 and terms[0][0] is terms[1][0] and terms[0][2] == terms[1][2]:
            # The same tangent twice, as in x * x: the coefficients are added, not the terms.
            (t, c, shape, _, constant), (_, d, _, _, too) = terms
            terms = [(t, c + d, shape, False, constant and too)]
        total, owned = None, False
        for t, c, _, fresh, constant in terms:
            if total is not None and type(c) is int and c == -1:
                total, owned = total - t, False
                continue
            term, new = _scaled(t, c, fresh, constant)
            if total is None:
                total, owned = term, new
            elif owned and type(total) is type(term) is np.ndarray and _alike(total, term):
                np.add(total, term, out=total)
            elif new and type(total) is type(term) is np.ndarray and _alike(total, term):
                total, owned = np.add(total, term, out=term), True
            else:
                total, owned = total + term, False
        return total if shape_of(total) == out_shape else np.broadcast_to(total, out_shape)

    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, constant: bool = False) -> Tangent:
        r, _ = _scaled(t, c, False, constant)
        return r if shape_of(r) == out_shape else np.broadcast_to(r, out_shape)

    def add(self, terms: Sequence[Tangent], shape: Shape) -> Tangent:
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Tangent:
        return structure(*(_as_array(t, shape) for t, shape in zip(sources, shapes, strict=True)))

    def element(self, t: Tangent, index: Any, shape: Shape) -> Tangent:
        return _as_array(t, shape)[index]

    @quietly
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

    @quietly
    def sum(self, t: Tangent, axes: Shape, shape: Shape, out_shape: Shape) -> Tangent:
        return np.sum(t, axis=axes).reshape(out_shape) if shape else t

    @quietly
    def contract(self, t: Tangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> Tangent:
        return linear(_as_array(t, shape))

    def conj(self, t: Tangent, part: str, shape: Shape) -> Tangent:
        return getattr(np, part)(t)

    def cast(self, t: Tangent, dtype: Any, shape: Shape) -> Tangent:
        present = getattr(t, "dtype", None)
        present = np.dtype(type(t)) if present is None else present
        if present == dtype:
            return t
        if present.kind == "c" and np.dtype(dtype).kind != "c":
            t = np.real(t)
        return as_dtype(t, dtype)

    def read(self, t: Tangent | None, value: Any, others: Sequence[Any] | None = None) -> Any:
        if others is not None and is_alone(t, others):
            return t
        if t is None:
            value = plain(value)
            return np.zeros_like(value) if issubclass(type(value), np.ndarray) else type(value)(0)
        if hasattr(t, "value"):
            return np.copy(t)
        if issubclass(type(value), np.ndarray) or issubclass(type(t), np.ndarray):
            return np.array(t)
        return np.float64(t) if type(value) is np.float64 and type(t) is float else t

    def floats(self, t: Tangent | None) -> Any:
        if type(t) is float:
            return t
        if t is None:
            return 0.0
        return float(t) if issubclass(type(t), (float, int)) or type(t) is np.ndarray else None

    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        return zero_mask(t)

    def unknown(self, t: Tangent, mask: Any, shape: Shape, value: Any = None) -> Tangent:
        return undefined(mask, t)

    def may_have_nan(self, t: Tangent) -> bool:
        return may_have_nan(t)

    def own(self, t: Tangent | None, like: Any) -> Tangent:
        if t is not None and type(t) is not np.ndarray:
            return np.copy(t)
        copy = np.zeros_like(plain(like))
        if t is not None:
            copy[...] = t
        return copy

    def accepting(self, target: Tangent, source: Tangent) -> Tangent:
        return accepting(target, source)

    def aliases(self, t: Tangent, source: Tangent) -> bool:
        return may_share_memory(t, source)


@quietly
def as_dtype(t: Any, dtype: Any) -> Any:
    return t.astype(dtype) if isinstance(getattr(t, "shape", None), tuple) else np.dtype(dtype).type(t)


def _as_array(t: Tangent | None, shape: Shape) -> Any:
    """The tangent as an array, because a structural function may call its methods."""
    if t is None:
        return np.broadcast_to(0.0, shape)
    return np.asarray(t) if type(t) is float or type(t) is complex else t


def is_alone(t: Any, others: Sequence[Any]) -> bool:
    """Whether t is an array that owns its memory and shares it with none of the others."""
    return (
        type(t) is np.ndarray
        and t.ndim > 0
        and t.base is None
        and t.flags.writeable
        and not any(may_share_memory(t, other) for other in others)
    )


@quietly
def _fused(row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any) -> Tangent | None:
    """The chain rule on small arrays; None if it is not this simple."""
    slopes: list[Any] = []
    active, bit = 0, 1
    for t in tangents:
        if t is not None:
            if slopes and t is slopes[0]:
                if len(tangents) > 2:
                    return None
                active = -1
                break
            if type(t) is not float and (type(t) is not np.ndarray or t.dtype is not _FLOAT64):
                return None
            slopes.append(t)
            active += bit
        bit += bit
    total = fused(row, values, slopes, active, result)
    return total if total is None or total.shape == result.shape else np.broadcast_to(total, result.shape)


def _scaled(t: Any, c: Any, fresh: bool, constant: bool) -> tuple[Any, bool]:
    """The coefficient times the tangent, and whether that is a new array; ``fresh`` says whether c is one."""
    if type(c) is int and c == 1:
        return t, False
    repeated = uniform(t)
    if repeated is None:
        r = product(c, t, fresh, constant)
    elif repeated == 1 and fresh and issubclass(type(c), (np.ndarray, np.generic)):
        # For a unit seed the coefficients are the tangent, without a pass over memory.
        r = c
    else:
        r = product(c, repeated, constant=constant)
    return r, type(r) is np.ndarray and r.base is None


def _alike(a: Any, b: Any) -> bool:
    return bool(a.shape == b.shape and a.dtype == b.dtype)


def may_share_memory(a: Any, b: Any) -> bool:
    """Whether two arrays, plain or dual, may share memory."""
    a, b = plain(a), plain(b)
    return issubclass(type(a), np.ndarray) and issubclass(type(b), np.ndarray) and np.may_share_memory(a, b)


def accepting(target: Any, source: Any) -> Any:
    """The target array, prepared to hold duals of outer calls if the source contains them."""
    return source.lift(target) if hasattr(source, "lift") else target
