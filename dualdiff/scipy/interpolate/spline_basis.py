"""Splines as sums of B-splines, on duals: values, derivatives, integrals, and the coefficients of interpolants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.scipy.sparse_solving import of_plain
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.interpolate.local_polynomials import along, combination
from dualdiff.scipy.solving.equations import levels, revalued

_sparse = load("scipy.sparse", "scipy", "dualdiff.scipy.interpolate")


def basis(t: Any, k: int, points: Any) -> tuple[Any, list[Any]]:
    """The first of the k + 1 B-splines that are nonzero in the interval of each point, and their values."""
    count = len(t) - k - 1
    at = np.searchsorted(plain_values(t), plain_values(points), side="right") - 1
    at = np.clip(at, k, count - 1)
    left = [points - t[at + 1 - j] for j in range(1, k + 1)]
    right = [t[at + j] - points for j in range(1, k + 1)]
    result: list[Any] = [np.ones(len(at))]
    # As in SciPy, B-splines over an interval without points are zero.
    is_empty = np.any(plain_values(t)[at] == plain_values(t)[at + 1]) and not duals_in(t)
    for j in range(1, k + 1):
        saved: Any = 0.0
        for r in range(j):
            width = right[r] + left[j - r - 1]
            if is_empty:
                width = np.where(t[at + r + 1] == t[at + 1 + r - j], np.inf, width)
            share = result[r] / width
            result[r] = saved + right[r] * share
            saved = left[j - r - 1] * share
        result.append(saved)
    return at - k, result


def spline(t: Any, c: Any, k: int, points: Any, nu: int, extrapolate: Any) -> Any:
    """The value, or a derivative, of a spline at a vector of points; constant where it is not extrapolated."""
    count = len(t) - k - 1
    c = c[:count]
    if extrapolate == "periodic":
        points, extrapolate = t[k] + (points - t[k]) % (t[count] - t[k]), False
    at, edges = plain_values(points), plain_values(t)
    inside = ~np.isnan(at)
    if not extrapolate:
        inside &= (at >= edges[k]) & (at <= edges[count])
    if nu > k:
        return np.zeros((len(at), *c.shape[1:]))
    for _ in range(nu):
        t, c, k = differentiated(t, c, k)
    points = points if np.all(inside) else np.where(inside, points, edges[k])
    first, values = basis(t, k, points)
    return combination(values, first[:, None] + np.arange(k + 1), c, inside)


def differentiated(t: Any, c: Any, k: int) -> tuple[Any, Any, int]:
    """The knots, coefficients and degree of the derivative."""
    count = len(t) - k - 1
    widths = t[k + 1 : k + count] - t[1:count]
    empty = plain_values(widths) == 0
    scale = np.where(empty, 0.0, k / np.where(empty, 1.0, widths))
    return t[1:-1], (c[1:count] - c[: count - 1]) * along(scale, c), k - 1


def integrated(t: Any, c: Any, k: int) -> tuple[Any, Any, int]:
    """The knots, coefficients and degree of the antiderivative that is zero at the first knot."""
    count = len(t) - k - 1
    c = np.cumsum(c[:count] * along(t[k + 1 :] - t[: -k - 1], c), axis=0) / (k + 1)
    c = np.concatenate([0.0 * c[:1], c])
    return np.concatenate([t[:1], t, t[-1:]]), c, k + 1


def padded(c: Any, size: int, by_last: bool = False) -> Any:
    """Coefficients with zeros behind them, as FITPACK has them, or with copies of the last."""
    missing = size - c.shape[0]
    if missing <= 0:
        return c
    more = np.broadcast_to(c[-1:], (missing, *c.shape[1:])) if by_last else np.zeros((missing, *c.shape[1:]))
    return np.concatenate([c, more])


def knots_of(x: Any, k: int, augmented: bool) -> Any:
    """The knots that SciPy chooses for data at x: all points, or those that are left by not-a-knot conditions."""
    if augmented or k == 1:
        return np.concatenate([*[x[:1]] * k, x, *[x[-1:]] * k])
    inner = x if k % 2 else (x[1:] + x[:-1]) / 2
    half = (k + 1) // 2
    return np.concatenate([*[x[:1]] * (k + 1), inner[half:-half], *[x[-1:]] * (k + 1)])


# -- interpolation -----------------------------------------------------------------------------------------------------
Conditions = Sequence[tuple[int, Any]]


def _matrix(t: Any, k: int, x: Any) -> Any:
    """The values of all B-splines at the points x, which are plain, as a sparse matrix."""
    count = len(t) - k - 1
    first, values = basis(t, k, x)
    columns = first[:, None] + np.arange(k + 1)
    starts = np.arange(0, len(x) * (k + 1) + 1, k + 1)
    return _sparse.csr_array((np.ravel(np.stack(values, axis=1)), np.ravel(columns), starts), shape=(len(x), count))


def _row(t: Any, k: int, x: float, nu: int) -> Any:
    """The derivatives of order nu of all B-splines at a point."""
    count = len(t) - k - 1
    factor = _sparse.eye(count, format="csr")
    for _ in range(nu):
        n = len(t) - k - 1
        widths = t[k + 1 : k + n] - t[1:n]
        scale = np.where(widths == 0, 0.0, k / np.where(widths == 0, 1.0, widths))
        difference = _sparse.diags([-scale, scale], [0, 1], shape=(n - 1, n))
        factor, t, k = difference @ factor, t[1:-1], k - 1
    return _sparse.csr_array(_matrix(t, k, np.array([x])) @ factor)


def interpolating(x: Any, y: Any, t: Any, k: int, start: Conditions, end: Conditions, c: Any) -> Any:
    """The coefficients of the spline with values y at x, and derivatives at both ends; c is their plain value."""
    edges, points = plain_values(t), plain_values(x)
    matrix = _sparse.vstack(
        [
            *(_row(edges, k, points[0], nu) for nu, _ in start),
            _matrix(edges, k, points),
            *(_row(edges, k, points[-1], nu) for nu, _ in end),
        ]
    )
    sides = [[np.broadcast_to(operand(v), (1, *y.shape[1:])) for _, v in conditions] for conditions in (start, end)]
    right = np.concatenate([*sides[0], y, *sides[1]])
    if not duals_in((x, t)):
        return solved_columns(matrix, right)

    def residual(c: Any) -> Any:
        rows = [spline(t, c, k, x[:1], nu, True) for nu, _ in start]
        rows += [spline(t, c, k, x, 0, True)]
        rows += [spline(t, c, k, x[-1:], nu, True) for nu, _ in end]
        return np.concatenate(rows) - right

    return newton(residual, lambda r: solved_columns(matrix, r), c)


def periodic(x: Any, y: Any, t: Any, k: int) -> Any:
    """The coefficients of the periodic spline with values y at plain points x."""
    matrix = _matrix(t, k, x[:-1])
    n = len(x) - 1
    wrap = _sparse.csr_array((np.ones(n + k), (np.arange(n + k), np.arange(n + k) % n)), shape=(n + k, n))
    return solved_columns(matrix @ wrap, y[:-1])[np.arange(n + k) % n]


def newton(residual: Callable[[Any], Any], solve: Callable[[Any], Any], c: Any) -> Any:
    """The dual solution of equations from their plain solution, by one step for each order of derivatives."""
    result, r = c, residual(c)
    for left in reversed(range(levels(r))):
        result = revalued(result - solve(r - plain_values(r)), c)
        r = residual(result) if left else None
    return result


def solved_columns(matrix: Any, right: Any) -> Any:
    """The solution for a plain sparse matrix and right-hand sides along further axes."""
    if np.ndim(right) <= 2:
        return of_plain(matrix, right)
    return np.reshape(of_plain(matrix, np.reshape(right, (right.shape[0], -1))), right.shape)


def least_squares(x: Any, y: Any, t: Any, k: int, w: Any) -> Any:
    """The coefficients of the spline that fits y at plain points x best; the weights w may be duals."""
    matrix = _matrix(t, k, x)
    plain = plain_values(w)
    normal = _sparse.csc_array(matrix.T @ (_sparse.diags(plain**2) @ matrix))
    if not duals_in(w):
        return solved_columns(normal, _applied(matrix.T, y * along(plain**2, y)))
    start = solved_columns(normal, _applied(matrix.T, plain_values(y) * along(plain**2, y)))

    def residual(c: Any) -> Any:
        return _applied(matrix.T, along(w**2, y) * (_applied(matrix, c) - y))

    return newton(residual, lambda r: solved_columns(normal, r), start)


def _applied(matrix: Any, a: Any) -> Any:
    """The product of a sparse matrix with the first axis of an array."""
    columns = np.reshape(a, (a.shape[0], -1))
    return np.reshape(matrix @ columns, (matrix.shape[0], *a.shape[1:]))
