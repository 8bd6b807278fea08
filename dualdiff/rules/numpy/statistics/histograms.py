"""Histograms: each bin sums the weights of its values; the edges may depend on the data too.

The bin of a value is a step function of the data and of the edges, with derivative zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import Application, implements, no_duals, plain_values
from dualdiff.rules.writing.compositions import composed, evaluated
from dualdiff.tangents.structure import Structure


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """Weights are scattered into the bins."""
    no_duals("bincount", (x, minlength), {})
    operands = Application(weights, linear=True)
    value = np.bincount(x, operands.values[0], minlength)
    t = operands.tangents[0]
    terms = []
    if t is not None:
        terms.append(operands.space.scatter(t, Structure.getitem(np.asarray(x)), operands.shape(), value.shape))
    return operands.result(value, terms)


def _added(bins: Any, weights: Any, size: int) -> Any:
    """The weights summed by bin; the bin ``size`` is dropped."""
    total = np.zeros_like(weights, shape=size + 1)
    np.add.at(total, bins, weights)
    return total[:-1]


def _several(bins: Any) -> bool:
    """Whether bins are edges, or an entry for each dimension, rather than a count or the name of a method."""
    return hasattr(bins, "__len__") and getattr(bins, "ndim", 1) > 0 and not isinstance(bins, str)


def _edges(a: Any, bins: Any, limits: Any, count: Any = None) -> Any:
    """The edges of the bins; ``count`` is their number if ``bins`` names a method."""
    if _several(bins):
        return operand(bins)
    if limits is None:
        limits = (np.min(a), np.max(a)) if np.size(a) else (0.0, 1.0)
    first, last = limits
    if plain_values(first) == plain_values(last):
        first, last = first - 0.5, last + 0.5
    return np.linspace(first, last, (int(bins) if count is None else count) + 1)


def _bins(a: Any, edges: Any) -> Any:
    """The index of the bin of each value; for values outside, the number of bins."""
    a, edges = np.asarray(plain_values(a)), np.asarray(plain_values(edges))
    indices = np.searchsorted(edges, a, side="right") - 1
    count = len(edges) - 1
    indices[a == edges[-1]] = count - 1
    indices[indices < 0] = count
    return indices


@composed(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Evenly spaced from the smallest to the largest value; their number is a step function."""
    count = (
        len(np.histogram_bin_edges(plain_values(a), bins, plain_values(range))) - 1 if isinstance(bins, str) else None
    )
    return _edges(operand(a), bins, range, count)


@composed(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """The sum of the weights in each bin, and the edges."""
    edges = histogram_bin_edges(a, bins, range)
    indices = np.ravel(_bins(a, edges))
    counts = np.ones(np.size(a)) if weights is None else np.ravel(operand(weights))
    sums = _added(indices, counts, len(edges) - 1)
    if density:
        sums = sums / np.diff(edges) / np.sum(sums)
    return sums, edges


@implements(np.histogramdd)
def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """The histogram in several dimensions; a sequence has an item for each coordinate."""
    sample = operand(sample) if not isinstance(sample, (list, tuple)) else np.atleast_2d(operand(sample)).T
    if sample.ndim != 2:
        sample = np.atleast_2d(sample).T
    return evaluated(np.histogramdd, _histogramdd, sample, bins, range, density, weights)


def _histogramdd(sample: Any, bins: Any, range: Any, density: Any, weights: Any) -> Any:
    ndim = sample.shape[1]
    bins = bins if _several(bins) else [bins] * ndim
    range = [None] * ndim if range is None else range
    edges = [_edges(sample[:, i], bins[i], range[i]) for i, _ in enumerate(bins)]
    counts = tuple(len(e) - 1 for e in edges)
    indices = [_bins(sample[:, i], edge) for i, edge in enumerate(edges)]
    outside = np.any([p == n for p, n in zip(indices, counts, strict=True)], axis=0)
    size = math.prod(counts)
    inside = [np.where(outside, 0, p) for p in indices]
    joint = np.where(outside, size, np.ravel_multi_index(inside, counts))
    sums = _added(joint, np.ones(len(sample)) if weights is None else operand(weights), size).reshape(counts)
    if density:
        total = np.sum(sums)
        for i, edge in enumerate(edges):
            sums = sums / np.diff(edge).reshape((-1,) + (1,) * (ndim - 1 - i))
        sums = sums / total
    return sums, edges


@composed(np.histogram2d)
def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """The histogram in two dimensions."""
    if _several(bins) and len(bins) not in (1, 2):
        bins = [bins, bins]
    sums, edges = _histogramdd(np.stack([operand(x), operand(y)], axis=-1), bins, range, density, weights)
    return sums, edges[0], edges[1]
