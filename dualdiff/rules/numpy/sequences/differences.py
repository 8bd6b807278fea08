"""Differences and sums of neighbours: gradient, trapezoid, ediff1d."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import axes_of, axis_of, shape_of
from dualdiff.rules.writing.compositions import composed


@composed(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Second-order differences in the interior, differences of order ``edge_order`` at the ends."""
    f = operand(f)
    axes = axes_of(axis, f.ndim)
    distances = [1.0] * len(axes) if not varargs else list(varargs)
    if len(distances) == 1:
        distances = distances * len(axes)
    derivatives = tuple(_along(f, operand(d), i, edge_order) for d, i in zip(distances, axes, strict=True))
    return derivatives[0] if len(derivatives) == 1 else derivatives


def _along(f: Any, distances: Any, axis: int, edge_order: int) -> Any:
    """The derivative along one axis; ``distances`` is a scalar spacing or the coordinates."""
    n = f.shape[axis]
    f = np.moveaxis(f, axis, 0)
    h = np.diff(distances) if shape_of(distances) else np.ones(n - 1) * distances
    h = np.reshape(h, (-1,) + (1,) * (f.ndim - 1))
    slopes = (f[1:] - f[:-1]) / h
    # The parabola through three points has the slope of each chord at its midpoint.
    bend = (slopes[1:] - slopes[:-1]) / (h[1:] + h[:-1])
    inside = slopes[:-1] + bend * h[:-1]
    first, last = slopes[:1], slopes[-1:]
    if edge_order == 2:
        first, last = first - bend[:1] * h[:1], last + bend[-1:] * h[-1:]
    return np.moveaxis(np.concatenate([first, inside, last]), 0, axis)


@composed(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The sum of the means of neighbours times their distances."""
    y = operand(y)
    along = axis_of(axis, y.ndim)
    distances = dx
    if x is not None:
        distances = np.diff(operand(x), axis=axis if np.ndim(x) > 1 else 0)
        if np.ndim(x) == 1:
            distances = np.reshape(distances, tuple(-1 if i == along else 1 for i in range(y.ndim)))
    lead = (slice(None),) * along
    return np.sum(distances * (y[(*lead, slice(1, None))] + y[(*lead, slice(-1))]) / 2.0, axis=axis)


@composed(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences, between ``to_begin`` and ``to_end``."""
    parts = [np.ravel(operand(end)) if end is not None else None for end in (to_begin, to_end)]
    parts.insert(1, np.diff(np.ravel(operand(ary))))
    return np.concatenate([p for p in parts if p is not None])
