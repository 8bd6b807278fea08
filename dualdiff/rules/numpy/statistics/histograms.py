"""Histograms: weights are added up in the bins that the values fall into; the edges depend on the data too.

What falls into which bin is a step function of the data and of the edges, with derivative zero.
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
    """The weights are scattered into the bins."""
    no_duals("bincount", (x, minlength), {})
    operands = Application(weights)
    value = np.bincount(x, operands.values[0], minlength)
    t = operands.tangents[0]
    terms = []
    if t is not None:
        terms.append(operands.space.scatter(t, Structure.getitem(np.asarray(x)), operands.shape(), value.shape))
    return operands.result(value, terms)


def _added(places: Any, weights: Any, size: int) -> Any:
    """The weights added up by place; number ``size`` is no place."""
    total = np.zeros_like(weights, shape=size + 1)
    np.add.at(total, places, weights)
    return total[:-1]


def _several(bins: Any) -> bool:
    """Whether edges are given, or something for each dimension: no number, and no name of a rule."""
    return hasattr(bins, "__len__") and getattr(bins, "ndim", 1) > 0 and not isinstance(bins, str)


def _edges(a: Any, bins: Any, limits: Any, number: Any = None) -> Any:
    """The edges of the bins; ``number`` is the number of them where bins do not tell."""
    if _several(bins):
        return operand(bins)
    if limits is None:
        limits = (np.min(a), np.max(a)) if np.size(a) else (0.0, 1.0)
    first, last = limits
    if plain_values(first) == plain_values(last):
        first, last = first - 0.5, last + 0.5
    return np.linspace(first, last, (int(bins) if number is None else number) + 1)


def _bins(a: Any, edges: Any) -> Any:
    """The number of the bin of each value; the number of bins for those outside."""
    a, edges = np.asarray(plain_values(a)), np.asarray(plain_values(edges))
    places = np.searchsorted(edges, a, side="right") - 1
    count = len(edges) - 1
    places[a == edges[-1]] = count - 1
    places[places < 0] = count
    return places


@composed(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Evenly spaced between the least and the largest value; how many there are is a step function."""
    number = (
        len(np.histogram_bin_edges(plain_values(a), bins, plain_values(range))) - 1 if isinstance(bins, str) else None
    )
    return _edges(operand(a), bins, range, number)


@composed(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """The sums of the weights of what is in each bin, and the edges."""
    edges = histogram_bin_edges(a, bins, range)
    places = np.ravel(_bins(a, edges))
    counts = np.ones(np.size(a)) if weights is None else np.ravel(operand(weights))
    found = _added(places, counts, len(edges) - 1)
    if density:
        found = found / np.diff(edges) / np.sum(found)
    return found, edges


@implements(np.histogramdd)
def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """The same in several dimensions; a sequence is one of coordinates."""
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
    places = [_bins(sample[:, i], edge) for i, edge in enumerate(edges)]
    outside = np.any([p == n for p, n in zip(places, counts, strict=True)], axis=0)
    size = math.prod(counts)
    inside = [np.where(outside, 0, p) for p in places]
    joint = np.where(outside, size, np.ravel_multi_index(inside, counts))
    found = _added(joint, np.ones(len(sample)) if weights is None else operand(weights), size).reshape(counts)
    if density:
        total = np.sum(found)
        for i, edge in enumerate(edges):
            found = found / np.diff(edge).reshape((-1,) + (1,) * (ndim - 1 - i))
        found = found / total
    return found, edges


@composed(np.histogram2d)
def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """In two dimensions."""
    if _several(bins) and len(bins) not in (1, 2):
        bins = [bins, bins]
    found, edges = _histogramdd(np.stack([operand(x), operand(y)], axis=-1), bins, range, density, weights)
    return found, edges[0], edges[1]
