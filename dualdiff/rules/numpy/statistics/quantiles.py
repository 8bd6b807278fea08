"""Medians, quantiles and percentiles, by all methods.

NumPy itself determines between which two sorted elements a quantile lies, and how far from the lower one: its
position is the quantile of 0, 1, 2, ... in place of the sorted elements.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from dualdiff.base.internals import NO_VALUE as _NO
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.numpy.statistics.averages import along
from dualdiff.rules.writing.array_rules import axes_of, missing, plain_values, shape_of
from dualdiff.rules.writing.compositions import composed

#: Continuous methods: the q-quantile of n elements has the position ``n q + alpha + q (1 - alpha - beta) - 1``.
_CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}


def _at_end(a: Any, axes: tuple[int, ...]) -> Any:
    """The array with these axes merged into one, the last."""
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    return np.reshape(np.transpose(a, rest + axes), (*(a.shape[i] for i in rest), -1))


def _between(
    a: Any,
    axis: Any,
    keepdims: Any,
    function: Any,
    q: Any = None,
    scale: float = 1.0,
    weights: Any = None,
    **options: Any,
) -> Any:
    """The values at the positions that ``function`` finds among the sorted elements; q is a fraction of ``scale``."""
    a = operand(a)
    axes = axes_of(axis, a.ndim)
    if weights is not None:
        weights = _at_end(np.broadcast_to(plain_values(along(weights, a.shape, axis)), a.shape), axes)
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    a = _at_end(a, axes)
    rest, count = a.shape[:-1], a.shape[-1]
    order = np.argsort(plain_values(a), axis=-1, kind="stable")
    ranks: Any = np.arange(float(count))
    if function in (np.nanmedian, np.nanquantile, np.nanpercentile):
        absent = np.take_along_axis(missing(a, function.__name__), order, -1)
        # If all elements are NaN, so is the result, whatever the derivative.
        absent &= ~np.all(absent, axis=-1, keepdims=True)
        ranks = np.where(absent, np.nan, ranks)
        count = count - np.sum(absent, axis=-1)
    if weights is not None:
        options["weights"] = np.take_along_axis(weights, order, -1)
        ranks = np.broadcast_to(ranks, order.shape)
    values = () if q is None else (_rounded_as_by_numpy(plain_values(q), a.dtype),)
    positions = np.asarray(function(ranks, *values, axis=-1, **options))
    several = np.shape(q) if q is not None else ()
    if positions.ndim < len(several + rest):
        positions = np.broadcast_to(positions.reshape(several + (1,) * len(rest)), several + rest)
    # At the upper end, the interval below.
    lower = np.clip(np.floor(positions).astype(np.intp), 0, np.maximum(count - 2, 0))
    gamma = positions - lower
    if isinstance(q, AnyDual) and options["method"] in _CONTINUOUS:
        gamma = gamma + _moved(np.divide(q, scale), count, *_CONTINUOUS[options["method"]], len(rest))
    low, high = (_taken(a, order, p) for p in (lower, np.minimum(lower + 1, order.shape[-1] - 1)))
    result = low + gamma * (high - low)
    return np.reshape(result, several + kept) if keepdims and keepdims is not _NO else result


def _rounded_as_by_numpy(q: Any, dtype: Any) -> Any:
    """q; older versions of NumPy round a Python scalar to the dtype of the array."""
    return dtype.type(q) if type(q) in (int, float) and dtype.kind == "f" and _rounds_q() else q


@cache
def _rounds_q() -> bool:
    # In float32, 0.33333333 is rounded to above 1/3.
    return bool(np.quantile(np.arange(4, dtype=np.float32), 0.33333333, method="lower") == 1)


def _moved(q: Any, count: Any, alpha: float, beta: float, ndim: int) -> Any:
    """Zero, with the tangent of the position of the q-quantile; without a tangent beyond the ends."""
    q = np.reshape(q, shape_of(q) + (1,) * ndim)
    slope = count + 1 - alpha - beta
    position = slope * plain_values(q) + alpha - 1
    return np.where((position >= 0) & (position <= count - 1), slope, 0.0) * (q - plain_values(q))


def _taken(a: Any, order: Any, positions: Any) -> Any:
    """The elements at these positions in the order along the last axis; positions may have further leading axes."""
    extra, rest = positions.ndim - a.ndim + 1, a.shape[:-1]
    front, back = tuple(range(extra)), tuple(range(-extra, 0))
    last = np.reshape(np.moveaxis(positions, front, back), (*rest, -1))
    taken = np.take_along_axis(a, np.take_along_axis(order, last, -1), -1)
    return np.moveaxis(np.reshape(taken, rest + positions.shape[:extra]), back, front)


def _quantile(name: str, scale: float, kept: Any) -> None:
    """Register a quantile or percentile."""
    function = getattr(np, name)

    def composition(
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = kept,
        *,
        weights: Any = None,
        interpolation: Any = None,
    ) -> Any:
        return _between(a, axis, keepdims, function, q, scale, weights, method=interpolation or method)

    composed(function)(composition)


_quantile("quantile", 1.0, False)
_quantile("percentile", 100.0, False)
_quantile("nanquantile", 1.0, _NO)
_quantile("nanpercentile", 100.0, _NO)


@composed(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle element, or the mean of the two in the middle."""
    return _between(a, axis, keepdims, np.median)


@composed(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = _NO) -> Any:
    """The median of the elements that are not NaN."""
    return _between(a, axis, keepdims, np.nanmedian)
