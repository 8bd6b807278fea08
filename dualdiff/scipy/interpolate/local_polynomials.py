"""The formulas of piecewise polynomials, on duals: coefficients, values, integrals; SciPy's are the values.

Coefficients have the shape (degree + 1, number of intervals, ...), the highest power first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.scipy.sparse_products import sparse_matmul
from dualdiff.rules.writing.array_rules import duals_in, plain_values

_sparse = load("scipy.sparse", "scipy", "dualdiff.scipy.interpolate")


def as_floats(x: Any) -> Any:
    """An array or a dual array, of a floating dtype."""
    x = operand(x)
    x = x if isinstance(x, AnyDual) else np.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(float)


def along(x: Any, like: Any) -> Any:
    """A vector with as many trailing axes of length 1 as broadcast it along the first axis of an array."""
    return x if np.ndim(like) == 1 else np.reshape(x, (-1,) + (1,) * (np.ndim(like) - 1))


def intervals(knots: Any, points: Any) -> Any:
    """The interval of each point: that on the right of a knot, except at the last knot."""
    if knots[-1] < knots[0]:
        knots, points = -knots, -points
    return np.clip(np.searchsorted(knots, points, side="right") - 1, 0, len(knots) - 2)


def wrapped(points: Any, knots: Any) -> Any:
    """The points moved into the period between the first and the last knot."""
    return knots[0] + (points - knots[0]) % (knots[-1] - knots[0])


def chosen(weights: Any, places: Any, coefficients: Any, inside: Any) -> Any:
    """For each point, the sum of weights times coefficients at places along the first axis; zero where not inside.

    Weights and places have the shape (number of points, number of terms); the weights are plain.
    """
    count, terms = weights.shape
    size = coefficients.shape[0]
    if not np.all(inside):
        weights = np.where(inside[:, None], weights, 0.0)
    starts = np.arange(0, count * terms + 1, terms, dtype=places.dtype)
    matrix = _sparse.csr_array((np.ravel(weights), np.ravel(places), starts), shape=(count, size))
    columns = np.reshape(coefficients, (size, -1))
    result = sparse_matmul(matrix, columns) if isinstance(coefficients, AnyDual) else matrix @ columns
    return np.reshape(result, (count, *coefficients.shape[1:]))


def combination(weights: Sequence[Any], places: Any, coefficients: Any, inside: Any) -> Any:
    """As `chosen`, for a list of weights, which may be duals."""
    if not duals_in(list(weights)):
        return chosen(np.stack(weights, axis=1), places, coefficients, inside)
    result = sum(along(w, coefficients) * coefficients[places[:, j]] for j, w in enumerate(weights))
    return np.where(along(inside, result), result, 0.0)


def polynomial(c: Any, knots: Any, points: Any, nu: int, extrapolate: Any) -> Any:
    """The value, or a derivative of order nu, of a piecewise polynomial; constant where it is not extrapolated."""
    if extrapolate == "periodic":
        points, extrapolate = wrapped(points, knots), False
    at, edges = plain_values(points), plain_values(knots)
    inside = ~np.isnan(at)
    if not extrapolate:
        inside &= (at >= min(edges[0], edges[-1])) & (at <= max(edges[0], edges[-1]))
    places = intervals(edges, at if np.all(inside) else np.where(inside, at, edges[0]))
    h: Any = points - knots[places]
    count, pieces = c.shape[:2]
    falling = [math.perm(count - 1 - j, nu) for j in range(count)]
    if not duals_in(h):
        powers = count - nu
        if powers <= 0:
            return np.zeros((len(at), *c.shape[2:]))
        weights = np.empty((len(at), powers))
        weights[:, -1] = 1.0
        for j in range(powers - 2, -1, -1):
            weights[:, j] = weights[:, j + 1] * h
        if nu:
            weights *= falling[:powers]
        rows = places.astype(np.int32)[:, None] + pieces * np.arange(powers, dtype=np.int32)
        return chosen(weights, rows, np.reshape(c, (count * pieces, *c.shape[2:])), inside)
    result: Any = np.zeros((len(at), *c.shape[2:]))
    h = along(np.where(inside, h, 0.0), result)
    for j in range(count - nu):
        result = (result * h if j else 0.0) + falling[j] * c[j][places]
    return np.where(along(inside, result), result, 0.0)


def derivative(c: Any, knots: Any, nu: int) -> Any:
    """The coefficients of the derivative of order nu, which do not depend on the knots."""
    count = c.shape[0]
    if nu >= count:
        return 0.0 * c[:1]
    factors = np.array([float(math.perm(count - 1 - j, nu)) for j in range(count - nu)])
    return c[: count - nu] * along(factors, c)


def antiderivative(c: Any, knots: Any, nu: int) -> Any:
    """The coefficients of the continuous antiderivative of order nu that is zero at the first knot."""
    widths = knots[1:] - knots[:-1]
    for _ in range(nu):
        count = c.shape[0]
        c = c / along(np.arange(count, 0.0, -1.0), c)
        h = along(widths, c[0])
        total: Any = 0.0
        for j in range(count):
            total = (total + c[j]) * h
        start = np.concatenate([0.0 * total[:1], np.cumsum(total, axis=0)[:-1]])
        c = np.concatenate([c, start[None]])
    return c


def hermite(x: Any, y: Any, slopes: Any) -> Any:
    """The cubic coefficients for values and slopes at the points x."""
    h = along(x[1:] - x[:-1], y)
    secant = (y[1:] - y[:-1]) / h
    t = (slopes[:-1] + slopes[1:] - 2 * secant) / h
    return np.stack([t / h, (secant - slopes[:-1]) / h - t, slopes[:-1], y[:-1]])


# -- Bernstein polynomials ---------------------------------------------------------------------------------------------
def bernstein(c: Any, knots: Any, points: Any, nu: int, extrapolate: Any) -> Any:
    """As `polynomial`, for coefficients in the Bernstein basis of each interval."""
    c = bernstein_derivative(c, knots, nu)
    if extrapolate == "periodic":
        points, extrapolate = wrapped(points, knots), False
    at, edges = plain_values(points), plain_values(knots)
    inside = ~np.isnan(at)
    if not extrapolate:
        inside &= (at >= min(edges[0], edges[-1])) & (at <= max(edges[0], edges[-1]))
    places = intervals(edges, np.where(inside, at, edges[0]))
    s = (points - knots[places]) / (knots[places + 1] - knots[places])
    # De Casteljau's algorithm.
    rows = [c[j][places] for j in range(c.shape[0])]
    s = along(np.where(inside, s, 0.0), rows[0])
    while len(rows) > 1:
        rows = [a + s * (b - a) for a, b in pairwise(rows)]
    return np.where(along(inside, rows[0]), rows[0], 0.0)


def bernstein_derivative(c: Any, knots: Any, nu: int) -> Any:
    """The Bernstein coefficients of the derivative of order nu."""
    for _ in range(nu):
        degree = c.shape[0] - 1
        c = degree * (c[1:] - c[:-1]) / along(knots[1:] - knots[:-1], c[0]) if degree else 0.0 * c
    return c


def bernstein_antiderivative(c: Any, knots: Any, nu: int) -> Any:
    """The Bernstein coefficients of the continuous antiderivative of order nu that is zero at the first knot."""
    for _ in range(nu):
        widths = along(knots[1:] - knots[:-1], c[0])
        c = np.concatenate([0.0 * c[:1], np.cumsum(c, axis=0)]) / c.shape[0] * widths
        ends = np.cumsum(c[-1], axis=0)
        c = c + np.concatenate([0.0 * ends[:1], ends[:-1]])
    return c


# -- slopes of interpolants --------------------------------------------------------------------------------------------
def pchip_slopes(x: Any, y: Any) -> Any:
    """The slopes of Fritsch and Butland's monotone cubic interpolant."""
    h = along(x[1:] - x[:-1], y)
    secant = (y[1:] - y[:-1]) / h
    if y.shape[0] == 2:
        return np.concatenate([secant, secant])
    signs = np.sign(plain_values(secant))
    flat = (signs[1:] != signs[:-1]) | (signs[1:] == 0)
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    left, right = np.where(flat, 1.0, secant[:-1]), np.where(flat, 1.0, secant[1:])
    inner = np.where(flat, 0.0, (w1 + w2) / (w1 / left + w2 / right))
    first = _end_slope(h[:1], h[1:2], secant[:1], secant[1:2])
    return np.concatenate([first, inner, _end_slope(h[-1:], h[-2:-1], secant[-1:], secant[-2:-1])])


def _end_slope(h0: Any, h1: Any, m0: Any, m1: Any) -> Any:
    """The one-sided estimate from three points, limited where it would not keep the shape."""
    d = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    slope, first, second = plain_values(d), plain_values(m0), plain_values(m1)
    turned = np.sign(slope) != np.sign(first)
    steep = (np.sign(first) != np.sign(second)) & (np.abs(slope) > 3.0 * np.abs(first))
    return np.where(turned, 0.0, np.where(steep, 3.0 * m0, d))


def akima_slopes(x: Any, y: Any, method: str) -> Any:
    """Akima's slopes, or those of his modified method."""
    secant = (y[1:] - y[:-1]) / along(x[1:] - x[:-1], y)
    if y.shape[0] == 2:
        return np.concatenate([secant, secant])
    first, last = secant[:1], secant[-1:]
    before, after = 2.0 * first - secant[1:2], 2.0 * last - secant[-2:-1]
    m = np.concatenate([2.0 * before - first, before, secant, after, 2.0 * after - last])
    change = np.abs(m[1:] - m[:-1])
    f1, f2 = change[2:], change[:-2]
    if method == "makima":
        mean = np.abs(m[1:] + m[:-1])
        f1, f2 = f1 + 0.5 * mean[2:], f2 + 0.5 * mean[:-2]
    total = f1 + f2
    sizes = plain_values(total)
    known = sizes > 1.0e-9 * np.max(sizes, initial=-np.inf)
    share = f2 / np.where(known, total, 1.0)
    return np.where(known, m[1:-2] + share * (m[2:-1] - m[1:-2]), 0.5 * (m[3:] + m[:-3]))
