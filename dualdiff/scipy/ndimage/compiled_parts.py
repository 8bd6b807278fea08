"""What compiled code computes inside ``scipy.ndimage``, for duals: the functions of its private module ``_nd_image``.

They store their results in an array ``output``.  Values only need to be right up to rounding: those that users see are
SciPy's.  A tangent beyond the border of an image is that of the element that continues it there.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.base.internals import COMPILED_OF_NDIMAGE
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import Application, axis_of, duals_in, plain_values
from dualdiff.scipy.solving.linear_functions import Bilinear, linear, shifted

_scipy = load("scipy.ndimage", "scipy", "dualdiff.scipy.ndimage")

#: The modes of `numpy.pad` for SciPy's codes of modes.
_PADS = {0: "edge", 1: "wrap", 2: "symmetric", 3: "reflect", 4: "constant", 5: "wrap", 6: "constant"}
_NEAREST, _WRAP, _REFLECT, _MIRROR, _CONSTANT, _GRID_WRAP, _GRID_CONSTANT = range(7)


def _continued(x: Any, sizes: Sequence[int], mode: int, cval: Any) -> Any:
    """The image continued beyond its border, by the size of the filter along each axis."""
    options = {"constant_values": cval} if _PADS[mode] == "constant" else {}
    return np.pad(x, [(n, n) if n > 1 else (0, 0) for n in sizes], _PADS[mode], **options)  # type: ignore[call-overload]


def _windows(x: Any, sizes: Sequence[int], mode: int, cval: Any, origins: Sequence[int], places: Any) -> list[Any]:
    """For each place in the filter, the image moved so that each element finds its neighbour at that place."""
    wide = _continued(x, sizes, mode, cval)
    result = []
    for place in places:
        starts = [(n if n > 1 else 0) + j - n // 2 - o for n, j, o in zip(sizes, place, origins, strict=True)]
        result.append(wide[tuple(slice(i, i + n) for i, n in zip(starts, x.shape, strict=True))])
    return result


# -- linear filters ----------------------------------------------------------------------------------------------------
def _correlated(x: Any, weights: Any, origins: Sequence[int]) -> Any:
    """The correlation with a filter, zero beyond the border."""
    sizes = weights.shape

    def function(x: Any, weights: Any) -> Any:
        if duals_in((x, weights)):
            return _correlated(x, weights, origins)
        long = [axis for axis, n in enumerate(sizes) if n > 1]
        if len(long) != 1:
            return _scipy.correlate(x, weights, mode="constant", origin=list(origins))
        (axis,) = long
        return _scipy.correlate1d(x, weights.ravel(), axis, mode="constant", origin=origins[axis])

    def of_image(w: Any, weights: Any) -> Any:
        flipped = np.flip(weights)
        return _correlated(w, flipped, [-o - (n % 2 == 0) for o, n in zip(origins, sizes, strict=True)])

    def of_weights(w: Any, x: Any) -> Any:
        places = list(np.ndindex(*sizes))
        moved = _windows(x, sizes, _CONSTANT, 0.0, origins, places)
        return np.reshape(np.stack([np.sum(w * part) for part in moved]), sizes)

    def of_neighbours(weights: Any) -> Any:
        return shifted(weights, x.shape, x.shape, -1, [n // 2 + o for n, o in zip(sizes, origins, strict=True)])

    operands = Application(operand(x), operand(weights), linear=True)
    return Bilinear(function, operands.values, [of_image, of_weights], [of_neighbours, None]).of(operands)


def correlate(x: Any, weights: Any, output: Any, mode: int, cval: Any, origins: Sequence[int]) -> None:
    """The correlation of an image with a filter."""
    weights = operand(weights)
    sizes = weights.shape
    if _PADS[mode] == "constant" and not np.any(cval):
        output[...] = _correlated(x, weights, origins)
        return
    wide = _correlated(_continued(x, sizes, mode, cval), weights, origins)
    inner = tuple(slice(n, n + m) if n > 1 else slice(None) for n, m in zip(sizes, x.shape, strict=True))
    output[...] = wide[inner]


def correlate1d(x: Any, weights: Any, axis: int, output: Any, mode: int, cval: Any, origin: int) -> None:
    """The correlation of the lines along an axis with a filter."""
    weights, axis = operand(weights), axis_of(axis, x.ndim)
    shape = [len(weights) if i == axis else 1 for i in range(x.ndim)]
    correlate(x, np.reshape(weights, shape), output, mode, cval, [origin if i == axis else 0 for i in range(x.ndim)])


def uniform_filter1d(x: Any, size: int, axis: int, output: Any, mode: int, cval: Any, origin: int) -> None:
    """The mean of neighbours along an axis."""
    correlate1d(x, np.full(size, 1.0 / size), axis, output, mode, cval, origin)


# -- order statistics --------------------------------------------------------------------------------------------------
def rank_filter(x: Any, rank: int, footprint: Any, output: Any, mode: int, cval: Any, origins: Sequence[int]) -> None:
    """The neighbour of a rank: the derivative is that of the element that the values select."""
    places = np.argwhere(np.asarray(footprint))
    moved = np.stack(_windows(x, np.shape(footprint), mode, cval, origins, places))
    output[...] = np.sort(moved, axis=0)[rank]


def rank_filter_1d(x: Any, rank: int, size: int, output: Any, mode: int, cval: Any, origin: int) -> None:
    """`rank_filter` along the only axis."""
    rank_filter(x, rank, np.ones(size, bool), output, mode, cval, [origin])


def min_or_max_filter(
    x: Any, footprint: Any, structure: Any, output: Any, mode: int, cval: Any, origins: Sequence[int], minimum: Any
) -> None:
    """The smallest or largest neighbour, with a structure subtracted from or added to the neighbours."""
    places = np.argwhere(np.asarray(footprint))
    moved = np.stack(_windows(x, np.shape(footprint), mode, cval, origins, places))
    if structure is not None:
        heights = operand(structure)[tuple(places.T)].reshape((-1,) + (1,) * x.ndim)
        moved = moved - heights if minimum else moved + heights
    output[...] = np.min(moved, axis=0) if minimum else np.max(moved, axis=0)


def min_or_max_filter1d(
    x: Any, size: int, axis: int, output: Any, mode: int, cval: Any, origin: int, minimum: Any
) -> None:
    """The smallest or largest neighbour along an axis."""
    axis = axis_of(axis, x.ndim)
    footprint = np.ones([size if i == axis else 1 for i in range(x.ndim)], bool)
    min_or_max_filter(x, footprint, None, output, mode, cval, [origin * (i == axis) for i in range(x.ndim)], minimum)


# -- splines -----------------------------------------------------------------------------------------------------------
#: Longer lines have a symmetric matrix, up to rounding: what SciPy neglects at the border decays by half per element.
_LONG = 64


def _ends(t: Any, axis: int, factor: float) -> Any:
    """The array with the ends along an axis multiplied by a factor."""
    weights = np.ones(t.shape[axis])
    weights[[0, -1]] = factor
    return t * weights.reshape((-1,) + (1,) * (-1 - axis))


_NAMES = {_NEAREST: "nearest", _WRAP: "wrap", _REFLECT: "reflect", _MIRROR: "mirror"}
_NAMES |= {_CONSTANT: "constant", _GRID_WRAP: "grid-wrap", _GRID_CONSTANT: "grid-constant"}


def spline_coefficients(x: Any, order: int, axis: int, mode: int) -> Any:
    """The coefficients of the splines along an axis, which is counted from the end."""

    def function(t: Any) -> Any:
        if duals_in(t):
            return spline_coefficients(t, order, axis, mode)
        return _scipy.spline_filter1d(t, order, axis, mode=_NAMES[mode])

    def transposed(w: Any) -> Any:
        n = w.shape[axis]
        if n < _LONG:
            matrix = _scipy.spline_filter1d(np.eye(n), order, 0, mode=_NAMES[mode])
            return np.moveaxis(np.moveaxis(w, axis, -1) @ matrix, -1, axis)
        # The matrix of values at the nodes is symmetric; with mirrors in the end points, after halving the ends.
        if mode in (_REFLECT, _GRID_WRAP, _NEAREST):
            return function(w)
        return _ends(function(_ends(w, axis, 2.0)), axis, 0.5)

    return linear(function, x, transposed, (axis,))


def spline_filter1d(x: Any, order: int, axis: int, output: Any, mode: int) -> None:
    """`spline_coefficients`, stored in an array."""
    output[...] = spline_coefficients(x, order, axis_of(axis, x.ndim) - x.ndim, mode)


def _basis(u: Any, order: int) -> Any:
    """The B-spline of an order, of unit spacing and centred at zero."""
    if order == 0:
        return np.ones(np.shape(u))
    total: Any = 0.0
    for k in range(order + 2):
        above = u + ((order + 1) / 2 - k)
        term = np.where(plain_values(above) > 0, above, 0.0) ** order
        total = total + (-1) ** k * math.comb(order + 1, k) / math.factorial(order) * term
    return total


def _folded(c: Any, n: int, mode: int) -> tuple[Any, Any, Any]:
    """A coordinate within the image that has the same value, the sign of its change, and whether there is one."""
    inside = np.ones(np.shape(c), bool)
    if mode == _CONSTANT:
        inside = (c >= 0) & (c <= n - 1)
        return np.where(inside, c, 0.0), np.ones(np.shape(c)), inside
    if mode == _GRID_CONSTANT:
        return c, np.ones(np.shape(c)), inside
    out = (c < 0) | (c > n - 1)
    if mode == _NEAREST:
        return np.clip(c, 0, n - 1), np.where(out, 0.0, 1.0), inside
    if n <= 1:
        return np.zeros(np.shape(c)), np.zeros(np.shape(c)), inside
    if mode in (_WRAP, _GRID_WRAP):
        period = n - 1 if mode == _WRAP else n
        return np.where(out, c % period, c), np.ones(np.shape(c)), inside
    half = n - 1 if mode == _MIRROR else n
    shift = 0.0 if mode == _MIRROR else 0.5
    turned = (c + shift) % (2 * half)
    falls = turned > half
    folded = np.where(falls, 2 * half - turned, turned) - shift
    return np.where(out, folded, c), np.where(out & falls, -1.0, 1.0), inside


def _indices(i: Any, n: int, mode: int) -> Any:
    """The nodes that continue the splines beyond the border."""
    if mode == _GRID_CONSTANT:
        return np.clip(i, 0, n - 1)
    if mode == _GRID_WRAP:
        return i % n
    if n == 1:
        return np.zeros_like(i)
    if mode in (_REFLECT, _NEAREST):
        i = i % (2 * n)
        return np.where(i >= n, 2 * n - 1 - i, i)
    i = i % (2 * n - 2)
    return np.where(i >= n, 2 * n - 2 - i, i)


def _interpolated(x: Any, coordinates: Sequence[Any], order: int, mode: int, cval: Any, before: int) -> Any:
    """The spline with coefficients x at coordinates, one array for each axis."""
    inside: Any = True
    factors = []
    for c, n in zip(coordinates, x.shape, strict=True):
        c = c + float(before)
        plain = np.asarray(plain_values(c), dtype=float)
        folded, sign, within = _folded(plain, n, mode)
        inside = inside & within
        c = folded + sign * (c - plain) if duals_in(c) else folded
        start = (np.floor(folded) if order % 2 else np.floor(folded + 0.5)).astype(int) - order // 2
        along = []
        for j in range(order + 1):
            beyond = (start + j < 0) | (start + j > n - 1) if mode == _GRID_CONSTANT else np.zeros((), bool)
            along.append((_indices(start + j, n, mode), _basis(c - (start + j), order), beyond))
        factors.append(along)
    result: Any = 0.0
    for parts in itertools.product(*factors):
        places, weights, beyond_each = zip(*parts, strict=True)
        term = x[tuple(np.broadcast_arrays(*places))]
        beyond = functools.reduce(np.logical_or, beyond_each)
        term = np.where(beyond, cval, term) if np.any(beyond) else term
        result = result + functools.reduce(operator.mul, weights, term)
    return result if np.all(inside) else np.where(inside, result, cval)


def geometric_transform(
    x: Any,
    mapping: Any,
    coordinates: Any,
    matrix: Any,
    shift: Any,
    output: Any,
    order: int,
    mode: int,
    cval: Any,
    before: int,
    *_: Any,
) -> None:
    """The image at coordinates that are given, or affine functions of the indices."""
    if mapping is not None:
        raise TypeError("a mapping written in Python is called for one point after the other, on plain values")
    if coordinates is None:
        grid = np.indices(output.shape, dtype=float)
        matrix, shift = operand(matrix), operand(shift)
        coordinates = [
            sum(matrix[i, j] * grid[j] for j in range(len(grid))) + shift[i]
            for i in range(plain_values(matrix).shape[0])
        ]
    output[...] = _interpolated(x, [c + 0.0 for c in coordinates], order, mode, cval, before)


def zoom_shift(
    x: Any,
    zoom: Any,
    shift: Any,
    output: Any,
    order: int,
    mode: int,
    cval: Any,
    before: int,
    grid_mode: Any,
) -> None:
    """The image at shifted and scaled indices."""
    coordinates = []
    for axis, c in enumerate(np.indices(output.shape, dtype=float)):
        if shift is not None:
            c = c + shift[axis]
        if zoom is not None:
            c = (c + 0.5) * zoom[axis] - 0.5 if grid_mode else c * zoom[axis]
        coordinates.append(c)
    output[...] = _interpolated(x, coordinates, order, mode, cval, before)


# -- Fourier filters ---------------------------------------------------------------------------------------------------
def _of_ones(name: str) -> Callable[..., None]:
    own = getattr(sys.modules[COMPILED_OF_NDIMAGE[0]], name)

    def multiplied(x: Any, parameters: Any, n: int, axis: int, output: Any, *kind: Any) -> None:
        factors = np.empty(x.shape, complex)
        ones, plain = np.ones(x.shape, complex), np.asarray(plain_values(parameters), float)
        own(ones, plain, n, axis, factors, *kind)
        is_real = np.asarray(plain_values(output)).dtype.kind != "c"
        output[...] = x * (factors.real if is_real else factors)

    return multiplied


#: The functions by their names in ``_nd_image``.
COMPILED: dict[str, Callable[..., None]] = {
    "correlate": correlate,
    "correlate1d": correlate1d,
    "uniform_filter1d": uniform_filter1d,
    "rank_filter": rank_filter,
    "min_or_max_filter": min_or_max_filter,
    "min_or_max_filter1d": min_or_max_filter1d,
    "spline_filter1d": spline_filter1d,
    "geometric_transform": geometric_transform,
    "zoom_shift": zoom_shift,
    "fourier_filter": _of_ones("fourier_filter"),
    "fourier_shift": _of_ones("fourier_shift"),
}
