"""Padding: with elements of the array, with constants, or with values computed from the array."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, implements, no_duals, rearranged
from dualdiff.rules.writing.compositions import evaluated

#: The modes that only move elements, and leave the others zero.
_MOVING = ("constant", "empty", "edge", "reflect", "symmetric", "wrap")
_STATISTICS = {"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """Structural in the modes that only move elements."""
    no_duals("pad", (pad_width,), {})
    if callable(mode):
        return _by_function(operand(array), pad_width, mode, kwargs)
    if mode not in _MOVING or kwargs.get("reflect_type") == "odd" or duals_in(kwargs):
        return evaluated(np.pad, _computed, array, pad_width, mode, **kwargs)
    moved = {k: v for k, v in kwargs.items() if k != "constant_values"}
    return rearranged(
        np.pad,
        [array],
        {"pad_width": pad_width, "mode": "constant" if mode == "empty" else mode, **moved},
        value=lambda a: np.pad(a, pad_width, mode, **kwargs),
    )


def _by_function(array: Any, pad_width: Any, function: Any, options: dict[str, Any]) -> Any:
    """Pad with zeros, into which the user's function writes, line by line along one axis after another."""
    widths = _pairs(pad_width, array.ndim)
    padded = np.pad(array, widths)
    for axis in range(array.ndim):
        lines = np.moveaxis(padded, axis, -1)
        for index in np.ndindex(lines.shape[:-1]):
            function(lines[(*index, ...)], widths[axis], axis, options)
    return padded


def _pairs(given: Any, ndim: int) -> Any:
    """A pair (before, after) for each axis."""
    if isinstance(given, dict):
        pairs = [(0, 0)] * ndim
        for axis, width in given.items():
            pairs[axis] = (width, width) if np.ndim(width) == 0 else tuple(width)
        return pairs
    return list(map(tuple, np.broadcast_to(operand(given), (ndim, 2))))


def _computed(array: Any, pad_width: Any, mode: str, **options: Any) -> Any:
    """Pad one axis after another; later axes include the padding of earlier ones."""
    array = operand(array)
    ndim = array.ndim
    values = _pairs(options.get("end_values" if mode == "linear_ramp" else "constant_values", 0), ndim)
    lengths = options.get("stat_length")
    for axis, (before, after) in enumerate(_pairs(pad_width, ndim)):
        a = np.moveaxis(array, axis, 0)
        if mode == "constant":
            ends = [np.broadcast_to(v, (n, *a.shape[1:])) for v, n in zip(values[axis], (before, after), strict=True)]
        elif mode == "linear_ramp":
            (first, last), edges = values[axis], (a[0], a[-1])
            ends = [
                np.linspace(first, edges[0], before, endpoint=False),
                np.linspace(last, edges[1], after, endpoint=False)[::-1],
            ]
        elif mode in _STATISTICS:
            length = (None, None) if lengths is None else _pairs(lengths, ndim)[axis]
            parts = a[: length[0]], a[len(a) - min(len(a) if length[1] is None else length[1], len(a)) :]
            statistic: Any = _STATISTICS[mode]
            statistics = [statistic(part, axis=0, keepdims=True) for part in parts]
            ends = [np.broadcast_to(s, (n, *a.shape[1:])) for s, n in zip(statistics, (before, after), strict=True)]
        else:
            ends = [_reflected(a, np.arange(-before, 0), mode), _reflected(a, len(a) + np.arange(after), mode)]
        array = np.moveaxis(np.concatenate([ends[0], a, ends[1]]), 0, axis)
    return array


def _reflected(a: Any, indices: Any, mode: str) -> Any:
    """The odd extension of a beyond its ends: each period adds twice the difference of the ends."""
    n = len(a)
    period = 2 * n if mode == "symmetric" else max(2 * n - 2, 1)
    turns, rest = np.divmod(indices, period)
    is_back = rest >= n
    there = np.where(is_back, (period - 1 if mode == "symmetric" else period) - rest, rest)
    column = (-1,) + (1,) * (a.ndim - 1)
    back, further = (np.reshape(c, column) for c in (is_back, 2.0 * turns))
    return np.where(back, 2.0 * a[-1:] - a[there], a[there]) + further * (a[-1:] - a[:1])
