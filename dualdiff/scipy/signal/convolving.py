"""``scipy.signal``: convolutions and correlations, linear in each of two arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import Application, axes_of, axis_of, shape_of
from dualdiff.rules.writing.compositions import evaluated
from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.scipy.solving.linear_functions import Bilinear, shifted

_MODULE = "scipy.signal"
_DOC = """{title}, linear in each array: :math:`d(a * b) = da * b + a * db`.

Args:
    {arrays} (array_like): The arrays, real or complex.
Returns:
    array: SciPy's result, with its derivative.
Raises:
    ValueError: As SciPy does, for shapes that do not fit.
    dualdiff.LostDerivativeError: If another parameter is a dual.
Notes:
    For each direction one convolution for each array that depends on it; backward, one for each array.
"""


def _documented(title: str, arrays: str = "in1, in2") -> Callable[[Any], Any]:
    def document(rule: Any) -> Any:
        rule.__doc__ = _DOC.format(title=title, arrays=arrays)
        return over_scipy(*arrays.split(", "), module=_MODULE)(rule)

    return document


def _flipped(a: Any, axes: Sequence[int]) -> Any:
    """The array reversed along axes, which are counted from the end."""
    key: list[Any] = [slice(None)] * np.ndim(a)
    for axis in axes:
        key[axis] = slice(None, None, -1)
    return a[tuple(key)]


def _mirrored(a: Any, axes: Sequence[int] | None = None) -> Any:
    """The array reversed and conjugated: a correlation with it is a convolution."""
    return np.conjugate(_flipped(a, range(-np.ndim(a), 0) if axes is None else axes))


def _starts(mode: str, first: Sequence[int], second: Sequence[int], later: int) -> list[int]:
    """Where the result of a mode begins in the full convolution of arrays of two shapes, along each axis.

    ``later`` is 1 if "same" takes the later of two middles.
    """
    if mode == "full":
        return [0] * len(first)
    if mode == "same":
        return [(n - 1 + later) // 2 for n in second]
    return [min(n, m) - 1 for n, m in zip(first, second, strict=True)]


def _convolved(
    value: Callable[..., Any],
    a: Any,
    b: Any,
    mode: str,
    axes: Sequence[int],
    full: Callable[..., Any],
    exact: Any = None,
    later: int = 0,
) -> Any:
    """``value(a, b)``, the part of a mode of the convolution along axes, with its derivatives.

    ``full(a, b, mode)`` is a convolution of SciPy for pullbacks; ``exact`` is the value, if it is known.
    """
    operands = Application(a, b, linear=True)
    product = Bilinear(value, operands.values, [])
    first, second = (operands.shape(i) for i in (0, 1))
    offsets = dict(zip(axes, _starts(mode, [first[i] for i in axes], [second[i] for i in axes], later), strict=True))

    def pulled(w: Any, other: Any) -> Any:
        widths = [(0, 0)] * w.ndim
        for axis, start in offsets.items():
            widths[axis] = start, first[axis] + second[axis] - 1 - start - w.shape[axis]
        return full(np.pad(w, widths), _flipped(other, axes), "valid")

    def placed(i: int) -> Callable[[Any], Any]:
        shifts = [-offsets[axis] for axis in axes]
        return lambda other: shifted(other, operands.shape(i), shape_of(product.value), 1, shifts)

    product.transposes = [pulled, pulled]
    if len(axes) == len(first):
        product.coordinates = [placed(0), placed(1)]
    if 0 in first or 0 in second:
        return operands.result(value(*operands.values))
    return product.of(operands, exact)


@_documented("The convolution of two arrays")
def convolve(value: Any, in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    a, b = operand(in1), operand(in2)
    if np.ndim(a) != np.ndim(b) or np.ndim(a) == 0:
        return evaluated(value, np.multiply, a, b)
    return _convolved(value, a, b, mode, range(-a.ndim, 0), lambda a, b, mode: convolve(a, b, mode, method))


@_documented("The correlation of two arrays")
def correlate(value: Any, in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    a, b = operand(in1), operand(in2)
    if np.ndim(a) != np.ndim(b) or np.ndim(a) == 0:
        return evaluated(value, lambda a, b: a * np.conjugate(b), a, b)
    return _correlated(value, a, b, mode, lambda a, b, mode: convolve(a, b, mode, method))


def _correlated(value: Any, a: Any, b: Any, mode: str, full: Callable[..., Any], later: int = 0) -> Any:
    exact = value(*Application(a, b, linear=True).values)
    axes = range(-a.ndim, 0)
    return _convolved(lambda a, b: value(a, _mirrored(b)), a, _mirrored(b), mode, axes, full, exact, later)


def _along_axes(name: str, title: str) -> Callable[..., Any]:
    def rule(value: Any, in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
        a, b = operand(in1), operand(in2)
        if np.ndim(a) != np.ndim(b) or np.ndim(a) == 0:
            return evaluated(value, np.multiply, a, b)
        places = [axis - a.ndim for axis in axes_of(axes, a.ndim)]
        exact = value(*Application(a, b, linear=True).values)
        # Along the other axes, lengths of one broadcast.
        shape = np.broadcast_shapes(
            *([1 if i - a.ndim in places else n for i, n in enumerate(x.shape)] for x in (a, b))
        )
        if mode == "same" and any(i - a.ndim not in places and n != shape[i] for i, n in enumerate(a.shape)):
            raise no_rule(f"scipy.signal.{name} with mode='same', which cuts axes along which in1 is broadcast,")
        a, b = (
            np.broadcast_to(x, [n if i - a.ndim in places else shape[i] for i, n in enumerate(x.shape)]) for x in (a, b)
        )

        def full(a: Any, b: Any, mode: str) -> Any:
            return function(a, b, mode, axes)

        return _convolved(lambda a, b: full(a, b, mode), a, b, mode, places, full, exact)

    rule.__name__ = rule.__qualname__ = name
    function: Callable[..., Any] = _documented(title)(rule)
    return function


fftconvolve = _along_axes("fftconvolve", "The convolution of two arrays by Fourier transforms")
oaconvolve = _along_axes("oaconvolve", "The convolution of two arrays, by parts of the longer one")


# -- images ------------------------------------------------------------------------------------------------------------
#: The modes of `numpy.pad` for the boundaries of an image.
_BOUNDARIES = {"fill": "constant", "pad": "constant", "wrap": "wrap", "circular": "wrap"} | dict.fromkeys(
    ("symm", "symmetric"), "symmetric"
)


def _full(a: Any, b: Any, mode: str) -> Any:
    return convolve2d(a, b, mode)


@_documented("The convolution of two matrices")
def convolve2d(value: Any, in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    a, b = operand(in1), operand(in2)
    if _is_bounded(boundary, fillvalue, mode, a, b):
        return evaluated(value, lambda a, b: _bounded(a, b, mode, boundary, fillvalue), a, b)
    return _convolved(value, a, b, mode, (-2, -1), _full)


@_documented("The correlation of two matrices")
def correlate2d(value: Any, in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    a, b = operand(in1), operand(in2)
    if _is_bounded(boundary, fillvalue, mode, a, b):
        return evaluated(value, lambda a, b: _bounded(a, _mirrored(b), mode, boundary, fillvalue, 1), a, b)
    if mode == "valid" and a.shape != b.shape and all(n <= m for n, m in zip(a.shape, b.shape, strict=True)):
        # As SciPy does, which so conjugates the first.
        return correlate2d(b, a, mode)[::-1, ::-1]
    return _correlated(value, a, b, mode, _full, 1)


def _is_bounded(boundary: str, fillvalue: Any, mode: str, a: Any, b: Any) -> bool:
    """Whether elements beyond the boundaries matter, other than zeros."""
    if boundary not in _BOUNDARIES:
        raise no_rule(f"scipy.signal.convolve2d with boundary={boundary!r}")
    return mode != "valid" and (_BOUNDARIES[boundary] != "constant" or bool(np.any(fillvalue)))


def _bounded(a: Any, b: Any, mode: str, boundary: str, fillvalue: Any, later: int = 0) -> Any:
    """The convolution with an image continued beyond its boundaries."""
    pad = _BOUNDARIES[boundary]
    options = {"constant_values": fillvalue} if pad == "constant" else {}
    wide = np.pad(a, [(n - 1, n - 1) for n in b.shape], pad, **options)  # type: ignore[call-overload]
    result = convolve2d(wide, b, "valid")
    if mode == "full":
        return result
    key = tuple(slice(i, i + n) for i, n in zip(_starts(mode, a.shape, b.shape, later), a.shape, strict=True))
    return result[key]


# -- upsampling, filtering, downsampling -------------------------------------------------------------------------------
_EXTENSIONS: dict[str, dict[str, Any]] = {
    "edge": {"mode": "edge"},
    "wrap": {"mode": "wrap"},
    "symmetric": {"mode": "symmetric"},
    "reflect": {"mode": "reflect"},
    "antireflect": {"mode": "reflect", "reflect_type": "odd"},
}


@_documented("Upsampling, filtering and downsampling", "h, x")
def upfirdn(
    value: Any, h: Any, x: Any, up: int = 1, down: int = 1, axis: int = -1, mode: str = "constant", cval: Any = 0
) -> Any:
    h, x = operand(h), operand(x)
    axis = axis_of(axis, x.ndim)
    if mode in _EXTENSIONS:
        return evaluated(value, lambda h, x: _extended(h, x, up, down, axis, mode), h, x)
    if mode != "constant" or np.any(cval):
        raise no_rule(f"scipy.signal.upfirdn with mode={mode!r}, cval={cval!r}")
    operands = Application(h, x, linear=True)
    (taps,), n = operands.shape(0), operands.shape(1)[axis]

    def of_filter(w: Any, x: Any) -> Any:
        x, w = np.moveaxis(x, axis, 0), np.moveaxis(w, axis, 0)
        result = []
        for j in range(taps):
            # The pairs of a sample and a result that this coefficient connects: result * down = sample * up + j.
            samples = np.arange(n)
            samples = samples[(samples * up + j) % down == 0]
            results = (samples * up + j) // down
            samples, results = samples[results < w.shape[0]], results[results < w.shape[0]]
            result.append(np.sum(x[samples] * w[results]))
        return np.stack(result)

    def of_samples(w: Any, h: Any) -> Any:
        before = (1 - taps) % up
        backwards = np.concatenate([np.zeros(before), h[::-1]])
        result = np.moveaxis(upfirdn(backwards, w, down, up, axis), axis, 0)
        result = result[(taps - 1 + before) // up :][:n]
        missing = n - result.shape[0]
        return np.moveaxis(np.pad(result, [(0, missing)] + [(0, 0)] * (result.ndim - 1)), 0, axis)

    return Bilinear(value, operands.values, [of_filter, of_samples]).of(operands)


def _extended(h: Any, x: Any, up: int, down: int, axis: int, mode: str) -> Any:
    """The filter of a signal that is continued beyond its ends."""
    reach = -(-(h.shape[0] - 1) // up) + 1
    reach += -reach % down
    widths = [(0, 0)] * x.ndim
    widths[axis] = reach, reach
    length = -(-((x.shape[axis] - 1) * up + h.shape[0]) // down)
    result = upfirdn(h, np.pad(x, widths, **_EXTENSIONS[mode]), up, down, axis)
    key: list[Any] = [slice(None)] * x.ndim
    key[axis] = slice(reach * up // down, reach * up // down + length)
    return result[tuple(key)]


CONVOLUTIONS = {f.__name__: f for f in (convolve, correlate, fftconvolve, oaconvolve, convolve2d, correlate2d, upfirdn)}
