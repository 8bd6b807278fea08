"""Medians, quantiles and percentiles, by all methods.

Between which two elements a quantile lies, and how far from the lower one, NumPy itself tells: it is the quantile of
the numbers 0, 1, 2, ... in place of the sorted elements.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.numpy.statistics.averages import along
from dualdiff.rules.writing.array_rules import axes_of, missing, plain_values, shape_of
from dualdiff.rules.writing.compositions import composed

_NO = np._NoValue

#: The continuous methods, in which the q-quantile of n numbers lies at ``n q + alpha + q (1 - alpha - beta) - 1``.
_CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}


def _at_end(a: Any, axes: tuple[int, ...]) -> Any:
    """The array with these axes joined, as the last."""
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
    """What lies at the places that ``function`` finds among the sorted elements; q is a part of ``scale``."""
    a = operand(a)
    axes = axes_of(axis, a.ndim)
    if weights is not None:
        weights = _at_end(np.broadcast_to(plain_values(along(weights, a.shape, axis)), a.shape), axes)
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    a = _at_end(a, axes)
    rest, count = a.shape[:-1], a.shape[-1]
    order = np.argsort(plain_values(a), axis=-1, kind="stable")
    numbers: Any = np.arange(float(count))
    if function in (np.nanmedian, np.nanquantile, np.nanpercentile):
        absent = np.take_along_axis(missing(a, function.__name__), order, -1)
        # Where nothing is there the result is NaN, whatever the derivative.
        absent &= ~np.all(absent, axis=-1, keepdims=True)
        numbers = np.where(absent, np.nan, numbers)
        count = count - np.sum(absent, axis=-1)
    if weights is not None:
        options["weights"] = np.take_along_axis(weights, order, -1)
        numbers = np.broadcast_to(numbers, order.shape)
    values = () if q is None else (_as_numpy_reads_it(plain_values(q), a.dtype),)
    places = np.asarray(function(numbers, *values, axis=-1, **options))
    several = np.shape(q) if q is not None else ()
    if places.ndim < len(several + rest):
        places = np.broadcast_to(places.reshape(several + (1,) * len(rest)), several + rest)
    # At the upper end the piece below.
    lower = np.clip(np.floor(places).astype(np.intp), 0, np.maximum(count - 2, 0))
    gamma = places - lower
    if isinstance(q, AnyDual) and options["method"] in _CONTINUOUS:
        gamma = gamma + _moved(np.divide(q, scale), count, *_CONTINUOUS[options["method"]], len(rest))
    low, high = (_taken(a, order, p) for p in (lower, np.minimum(lower + 1, order.shape[-1] - 1)))
    found = low + gamma * (high - low)
    return np.reshape(found, several + kept) if keepdims and keepdims is not _NO else found


def _as_numpy_reads_it(q: Any, dtype: Any) -> Any:
    """A Python number as q, which older NumPy rounds to the dtype of the array."""
    return dtype.type(q) if type(q) in (int, float) and dtype.kind == "f" and _rounds_q() else q


@cache
def _rounds_q() -> bool:
    # A third of 3 elements, if it is rounded to float32.
    return bool(np.quantile(np.arange(4, dtype=np.float32), 0.33333333, method="lower") == 1)


def _moved(q: Any, count: Any, alpha: float, beta: float, ndim: int) -> Any:
    """How the place of the q-quantile follows q: zero, with a tangent, and without one beyond the ends."""
    q = np.reshape(q, shape_of(q) + (1,) * ndim)
    slope = count + 1 - alpha - beta
    place = slope * plain_values(q) + alpha - 1
    return np.where((place >= 0) & (place <= count - 1), slope, 0.0) * (q - plain_values(q))


def _taken(a: Any, order: Any, places: Any) -> Any:
    """The elements at these places in the order along the last axis; the first axes of the places are more of them."""
    extra, rest = places.ndim - a.ndim + 1, a.shape[:-1]
    front, back = tuple(range(extra)), tuple(range(-extra, 0))
    last = np.reshape(np.moveaxis(places, front, back), (*rest, -1))
    found = np.take_along_axis(a, np.take_along_axis(order, last, -1), -1)
    return np.moveaxis(np.reshape(found, rest + places.shape[:extra]), back, front)


def _quantile(name: str, scale: float, kept: Any) -> None:
    """A quantile or percentile."""
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
    """The mean of the two elements in the middle, or the one."""
    return _between(a, axis, keepdims, np.median)


@composed(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = _NO) -> Any:
    """The median of what is there."""
    return _between(a, axis, keepdims, np.nanmedian)
