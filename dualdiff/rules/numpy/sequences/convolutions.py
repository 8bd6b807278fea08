"""Convolution and correlation of sequences, bilinear in the two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import Application, implements
from dualdiff.tangents.linear import LinearMap, NamedMap
from dualdiff.tangents.space import TangentSpace


class Convolution(NamedMap):
    """A part of the full convolution with a constant sequence, along the last axis."""

    def __init__(self, v: Any, n: int, start: int, length: int) -> None:
        self.operands = (v,)
        self._start = start
        super().__init__("convolve", self._convolved, self._transposed, (n,), (length,))

    def _convolved(self, t: Any) -> Any:
        (v,), (length,), start = self.operands, self.out_shape, self._start
        return _by_rows(lambda row: np.convolve(row, v)[start : start + length], t, length)

    def _transposed(self, w: Any) -> Any:
        (v,), (n,), (length,), start = self.operands, self.in_shape, self.out_shape, self._start
        backwards = v[::-1]
        margins = start, n + len(v) - 1 - length - start
        return _by_rows(lambda row: np.convolve(np.pad(row, margins), backwards, "valid"), w, n)

    @property
    def transpose(self) -> LinearMap:
        transposed = NamedMap("convolve.T", self._transposed, self._convolved, self.out_shape, self.in_shape)
        transposed.operands = self.operands  # type: ignore[attr-defined]
        return transposed

    def lasting(self, copied: Callable[[Any], Any]) -> LinearMap:
        (n,), (length,) = self.in_shape, self.out_shape
        return Convolution(copied(self.operands[0]), n, self._start, length)

    def entries(self) -> tuple[Any, Any, Any]:
        (v,), (n,), (length,) = self.operands, self.in_shape, self.out_shape
        columns, taps = (i.ravel() for i in np.indices((n, len(v))))
        rows = columns + taps - self._start
        kept = (rows >= 0) & (rows < length)
        return rows[kept], columns[kept], v[taps[kept]]


def _by_rows(f: Callable[[Any], Any], t: Any, length: int) -> Any:
    """Apply a function of one row, whose result has this length, along the last axis."""
    if t.ndim == 1:
        return f(t)
    if not len(t):
        return np.zeros((*t.shape[:-1], length))
    return np.stack([_by_rows(f, part, length) for part in t])


def _bilinear(function: Callable[..., Any], a: Any, v: Any, later: int = 0) -> Any:
    """``function(a, v)``, the middle part of the full convolution; ``later`` is 1 for the later of two middles."""
    operands = Application(a, v, linear=True)
    value = function(*operands.values)
    product = _Convolved(function, operands.values, value.shape, later)
    space, active = operands.space, list(operands.active())
    if space is not None and space.order and len(active) > 1:
        return operands.result(value, [space.multiplied(product, operands.tangents, value)])
    return operands.result(value, [product.term(space, operands.tangents[i], i) for i in active])


class _Convolved:
    """The convolution of two sequences as a product of these factors (`tangents.space.Multilinear`)."""

    def __init__(self, function: Callable[..., Any], factors: Sequence[Any], shape: Any, later: int) -> None:
        self.function, self.factors, self.shape = function, factors, shape
        self.lengths = [len(factor) for factor in factors]
        self.start = (sum(self.lengths) - 1 - shape[0] + later) // 2

    def term(self, space: TangentSpace, t: Any, i: int) -> Any:
        """The convolution with factor i replaced by its tangent."""
        linear = Convolution(self.factors[1 - i], self.lengths[i], self.start, self.shape[0])
        return space.contract(t, linear, (self.lengths[i],), self.shape)

    def crossed(self, i: int, a: Any, j: int, b: Any) -> Any:
        """The sum of the convolutions of the rows of a and b, in the places of factors i < j."""
        return sum(map(self.function, a, b))


def _sequence(a: Any) -> Any:
    a = operand(a)
    return np.reshape(a, 1) if np.ndim(a) == 0 else a if hasattr(a, "shape") else np.asarray(a)


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """Bilinear."""
    return _bilinear(lambda a, v: np.convolve(a, v, mode), _sequence(a), _sequence(v))


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """The convolution with the other sequence reversed and conjugated."""
    a, v = _sequence(a), _sequence(v)
    backwards = np.conjugate(v[::-1])
    # An even length cut to an odd one has two middles, and NumPy exchanges the sequences if v is longer.
    return _bilinear(
        lambda a, w: np.correlate(a, np.conjugate(w[::-1]), mode), a, backwards, later=int(len(v) > len(a))
    )
