"""numpy.fft: transforms along one axis are linear maps; all others are compositions of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import Application, axis_of, implements, into, plain_values
from dualdiff.rules.writing.compositions import composed
from dualdiff.tangents.linear import LinearMap, NamedMap
from dualdiff.tangents.space import Shape


class Transform(NamedMap):
    """A discrete Fourier transform along one axis, whose input is truncated or zero-padded to its length.

    Its matrix is symmetric, so the transpose is the same transform, with truncation and padding exchanged.  ``rfft`` is
    the first half of the transform.
    """

    # The result is complex, in the precision of the argument.
    operands = (np.zeros((), np.complex64),)

    def __init__(self, name: str, n: int, norm: Any, axis: int, in_shape: Shape, out_shape: Shape, length: int) -> None:
        self._options = name, n, norm, axis, length
        super().__init__(name, self._transform, self._transform, in_shape, out_shape, (axis,))

    def _transform(self, t: Any) -> Any:
        name, n, norm, axis, length = self._options
        return fitted(getattr(np.fft, name)(t, n, axis, norm), length, axis)

    @property
    def transpose(self) -> LinearMap:
        name, n, norm, axis, _ = self._options
        name = "fft" if name == "rfft" else name
        return Transform(name, n, norm, axis, self.out_shape, self.in_shape, self.in_shape[axis])


def fitted(a: Any, length: int, axis: int) -> Any:
    """The array truncated or zero-padded to a length along an axis, which is counted from the end."""
    n = a.shape[axis]
    if n == length:
        return a
    rest = (slice(None),) * (-1 - axis)
    if n > length:
        return a[(..., slice(length), *rest)]
    zeros = np.zeros((*a.shape[:axis], length - n, *a.shape[len(a.shape) + axis + 1 :]), plain_values(a).dtype)
    return np.concatenate([a, zeros], axis=axis)


def _linear(name: str) -> None:
    function = getattr(np.fft, name)

    def implementation(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        operands = Application(a, linear=True)
        x, t = operands.values[0], operands.tangents[0]
        value = function(x, n, axis, norm)
        terms = []
        if t is not None:
            axis = axis_of(axis, x.ndim) - x.ndim
            n = x.shape[axis] if n is None else n
            linear = Transform(name, n, norm, axis, x.shape, value.shape, value.shape[axis])
            terms = [operands.space.contract(t, linear, x.shape, value.shape)]
        return into(out, operands.result(value, terms))

    implements(function)(implementation)


for _name in ("fft", "ifft", "rfft"):
    _linear(_name)


@composed(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """The real part of the inverse transform of the given half, in which all elements but the ends count twice."""
    a = operand(a)
    axis = axis_of(axis, a.ndim) - a.ndim
    n = 2 * (a.shape[axis] - 1) if n is None else n
    half = fitted(a, min(a.shape[axis], n // 2 + 1), axis)
    weights = np.full(half.shape[axis], 2.0, plain_values(a).real.dtype)
    weights[0] = 1.0
    weights[n // 2 + n % 2 :] = 1.0
    half = half * weights.reshape((-1,) + (1,) * (-1 - axis))
    return np.real(np.fft.ifft(half, n, axis, norm))


_SWAPPED = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


@composed(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """The formula that NumPy uses."""
    a = operand(a)
    return np.fft.irfft(np.conjugate(a), 2 * (a.shape[axis] - 1) if n is None else n, axis, _SWAPPED[norm])


@composed(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """The formula that NumPy uses."""
    return np.conjugate(np.fft.rfft(a, n, axis, _SWAPPED[norm]))


def _lengths(a: Any, s: Any, axes: Any, last: Any = None) -> list[tuple[Any, int]]:
    """The length and axis of each transform; ``last``: the last is an irfft, whose default length is twice as long."""
    if s is None:
        axes = range(-a.ndim, 0) if axes is None else axes
        lengths: Sequence[Any] = [a.shape[axis] for axis in axes]
        if last is not None:
            lengths = [*lengths[:-1], 2 * (lengths[-1] - 1)]
    else:
        axes = range(-len(s), 0) if axes is None else axes
        lengths = [a.shape[axis] if length == -1 else length for length, axis in zip(s, axes, strict=True)]
    return list(zip(lengths, axes, strict=True))


def _several(name: str, inner: str, first: str | None = None, last: str | None = None, axes: Any = None) -> None:
    """Register a transform along several axes; along the last one, ``first`` or ``last`` replaces ``inner``."""

    def composition(a: Any, s: Any = None, axes: Any = axes, norm: Any = None, out: Any = None) -> Any:
        a = operand(a)
        steps = _lengths(a, s, axes, last)
        if first is not None:
            n, axis = steps.pop()
            a = getattr(np.fft, first)(a, n, axis, norm)
        ends = [steps.pop()] if last is not None else []
        for n, axis in reversed(steps):
            a = getattr(np.fft, inner)(a, n, axis, norm)
        for n, axis in ends:
            a = getattr(np.fft, last or inner)(a, n, axis, norm)
        return a

    composed(getattr(np.fft, name))(composition)


for _suffix, _axes in (("n", None), ("2", (-2, -1))):
    _several("fft" + _suffix, "fft", axes=_axes)
    _several("ifft" + _suffix, "ifft", axes=_axes)
    _several("rfft" + _suffix, "fft", first="rfft", axes=_axes)
    _several("irfft" + _suffix, "ifft", last="irfft", axes=_axes)


def _shift(name: str, sign: int) -> None:
    def implementation(x: Any, axes: Any = None) -> Any:
        x = operand(x)
        axes = tuple(range(x.ndim)) if axes is None else (axes,) if isinstance(axes, (int, np.integer)) else tuple(axes)
        shifts = [x.shape[axis] // 2 for axis in axes]
        return np.roll(x, tuple(s if sign > 0 else -s for s in shifts), axes)

    implements(getattr(np.fft, name))(implementation)


_shift("fftshift", 1)
_shift("ifftshift", -1)
