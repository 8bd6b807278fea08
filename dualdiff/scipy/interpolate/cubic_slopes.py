"""The coefficients of the twice differentiable cubic spline, as ``scipy.interpolate.CubicSpline`` finds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.scipy.linalg.solve import solve_banded
from dualdiff.rules.writing.array_rules import Application, duals_in
from dualdiff.scipy.interpolate.local_polynomials import along, hermite
from dualdiff.tangents.linear import NamedMap


def spline_coefficients(x: Any, y: Any, ends: Any, plain: Any) -> Any:
    """The coefficients, of which ``plain`` is the value; ``ends`` are two conditions as SciPy takes them in a pair."""
    if not duals_in((x, y, ends)):
        return plain
    is_linear = y.shape[0] > 3 and not duals_in((x, ends)) and "periodic" not in [e for e in ends if isinstance(e, str)]
    if not is_linear or not y.size:
        return hermite(x, y, spline_slopes(x, y, ends))
    operands = Application(np.reshape(y, (y.shape[0], -1)), linear=True)
    (values,), (t,) = operands.values, operands.tangents
    spline = _LinearSpline(x, ends, values.shape)
    value = spline_coefficients(x, np.reshape(values, y.shape), ends, plain)
    terms = [] if t is None else [operands.space.contract(t, spline.map, spline.map.in_shape, spline.map.out_shape)]
    columns = np.reshape(value, (4, len(x) - 1, -1))
    return np.reshape(operands.result(columns, terms), (4, len(x) - 1, *y.shape[1:]))


class _LinearSpline:
    """The coefficients as a linear function of the data, for plain knots; derivatives at the ends count as zero."""

    def __init__(self, x: Any, ends: Any, shape: tuple[int, int]) -> None:
        n, count = shape
        self.h = h = np.diff(x)[:, None]
        # In the equation of an end: its entries in the matrix, and the weights of the first two secants.
        first, last = (_linear_end(_condition(e), w) for e, w in zip(ends, (h[:2, 0], h[:-3:-1, 0]), strict=True))
        self.start, self.stop = first[2:], last[2:]
        upper, lower = np.append(first[1], h[:-1, 0]), np.append(h[1:, 0], last[1])
        diagonal = np.concatenate([[first[0]], 2 * (h[:-1, 0] + h[1:, 0]), [last[0]]])
        self.bands, self.transposed = _bands(upper, diagonal, lower), _bands(lower, diagonal, upper)
        self.map = NamedMap("CubicSpline", self._forward, self._backward, shape, (4, n - 1, count))

    def coefficients(self, y: Any) -> Any:
        """The coefficients for columns of data."""
        h, d = self.h, (y[1:] - y[:-1]) / self.h
        inner = 3 * (h[1:] * d[:-1] + h[:-1] * d[1:])
        first = self.start[0] * d[:1] + self.start[1] * d[1:2]
        last = self.stop[0] * d[-1:] + self.stop[1] * d[-2:-1]
        s = solve_banded((1, 1), self.bands, np.concatenate([first, inner, last]))
        t = (s[:-1] + s[1:] - 2 * d) / h
        return np.stack([t / h, (d - s[:-1]) / h - t, s[:-1], y[:-1]])

    def _forward(self, t: Any) -> Any:
        columns = np.moveaxis(t, -2, 0)
        c = self.coefficients(np.reshape(columns, (columns.shape[0], -1)))
        return np.moveaxis(np.reshape(c, (4, c.shape[1], *columns.shape[1:])), (0, 1), (-3, -2))

    def _backward(self, w: Any) -> Any:
        parts = np.moveaxis(w, (-3, -2), (0, 1))
        w0, w1, w2, w3 = np.reshape(parts, (4, parts.shape[1], -1))
        h, by_h = self.h, 1.0 / self.h
        of_t = w0 * by_h - w1
        of_d = (w1 - 2 * of_t) * by_h
        of_s, zero = of_t * by_h, 0.0 * w0[:1]
        g = np.concatenate([w2 - w1 * by_h + of_s, zero]) + np.concatenate([zero, of_s])
        g = solve_banded((1, 1), self.transposed, g)
        inner = 3 * g[1:-1]
        of_d = of_d + np.concatenate([h[1:] * inner, zero]) + np.concatenate([zero, h[:-1] * inner])
        first, last = (np.array(e)[:, None] for e in (self.start, self.stop[::-1]))
        of_d = np.concatenate([of_d[:2] + first * g[:1], of_d[2:]])
        of_d = np.concatenate([of_d[:-2], of_d[-2:] + last * g[-1:]]) * by_h
        y = np.concatenate([w3 - of_d, zero]) + np.concatenate([zero, of_d])
        return np.moveaxis(np.reshape(y, (y.shape[0], *parts.shape[2:])), 0, -2)


def _linear_end(end: Any, h: Any) -> tuple[float, float, float, float]:
    """The diagonal entry and the other one of the equation of an end, and the weights of the nearest two secants."""
    if isinstance(end, str):
        d = h[0] + h[1]
        return h[1], d, (h[0] + 2 * d) * h[1] / d, h[0] ** 2 / d
    return (1.0, 0.0, 0.0, 0.0) if end[0] == 1 else (2 * h[0], h[0], 3 * h[0], 0.0)


def spline_slopes(x: Any, y: Any, ends: Any) -> Any:
    """The slopes at the knots."""
    n, widths = y.shape[0], x[1:] - x[:-1]
    h = along(widths, y)
    secant = (y[1:] - y[:-1]) / h
    start, stop = (_condition(end) for end in ends)
    if n == 2:
        start, stop = (((1, secant[0]) if isinstance(end, str) else end) for end in (start, stop))
    if isinstance(start, str) and n == 3:
        if start == "periodic":
            slope = np.sum(secant / h, axis=0) / np.sum(1.0 / h, axis=0)
            return np.broadcast_to(slope, y.shape)
        if stop == "not-a-knot":
            # The parabola through three points.
            middle = (h[0] * secant[1] + h[1] * secant[0]) / (h[0] + h[1])
            return np.stack([2 * secant[0] - middle, middle, 2 * secant[1] - middle])
    inner = 3 * (h[1:] * secant[:-1] + h[:-1] * secant[1:])
    if isinstance(start, str) and start == "periodic":
        return _periodic(widths, h, secant, inner)
    first = _end_row(start, widths[:2], h[:2], secant[:2], y[:2], 1.0)
    last = _end_row(stop, widths[:-3:-1], h[:-3:-1], secant[:-3:-1], y[:-3:-1], -1.0)
    ab = _bands(
        np.concatenate([first[1], widths[:-1]]),
        np.concatenate([first[0], 2 * (widths[:-1] + widths[1:]), last[0]]),
        np.concatenate([widths[1:], last[1]]),
    )
    return _solved(ab, np.concatenate([first[2], inner, last[2]]))


def _condition(end: Any) -> Any:
    return {"clamped": (1, 0.0), "natural": (2, 0.0)}.get(end, end) if isinstance(end, str) else end


def _end_row(end: Any, widths: Any, h: Any, secant: Any, y: Any, sign: float) -> tuple[Any, Any, Any]:
    """The equation of an end: its diagonal entry and the other one, as arrays, and its right-hand side.

    At the other end the arrays run backwards, and the sign is -1.
    """
    if isinstance(end, str):
        h0, h1 = h[:1], h[1:2]
        d = h0 + h1
        side = ((h0 + 2 * d) * h1 * secant[:1] + h0**2 * secant[1:2]) / d
        return widths[1:2], widths[:1] + widths[1:2], side
    order, slope = end
    slope = np.broadcast_to(operand(slope), (1, *y.shape[1:]))
    if order == 1:
        return np.ones(1), np.zeros(1), slope
    return 2 * widths[:1], widths[:1], sign * (3 * (y[1:2] - y[:1]) - 0.5 * slope * h[:1] ** 2)


def _bands(upper: Any, diagonal: Any, lower: Any) -> Any:
    zero = np.zeros(1)
    return np.stack([np.concatenate([zero, upper]), diagonal, np.concatenate([lower, zero])])


def _solved(ab: Any, right: Any) -> Any:
    columns = right if np.ndim(right) <= 2 else np.reshape(right, (right.shape[0], -1))
    return np.reshape(solve_banded((1, 1), ab, columns), right.shape)


def _periodic(widths: Any, h: Any, secant: Any, inner: Any) -> Any:
    """The slopes of a periodic spline: the last unknown is eliminated from a system that is cyclic."""
    ab = _bands(
        np.concatenate([widths[-1:], widths[:-3]]),
        np.concatenate([2 * (widths[-1:] + widths[:1]), 2 * (widths[:-2] + widths[1:-1])]),
        widths[1:-1],
    )
    right = np.concatenate([3 * (h[:1] * secant[-1:] + h[-1:] * secant[:1]), inner[:-1]])
    last = 3 * (h[-1:] * secant[-2:-1] + h[-2:-1] * secant[-1:])
    count = right.shape[0]
    corner = np.concatenate([-widths[:1], np.zeros(count - 2), -widths[-3:-2]])
    first, second = _solved(ab, right), _solved(ab, corner)
    total = 2 * (widths[-1] + widths[-2]) + widths[-2] * second[0] + widths[-1] * second[-1]
    end = (last - widths[-2] * first[:1] - widths[-1] * first[-1:]) / total
    slopes = first + end * along(second, first)
    return np.concatenate([slopes, end, slopes[:1]])
