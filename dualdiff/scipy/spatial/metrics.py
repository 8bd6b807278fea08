"""Distances between points as formulas on duals, along the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import plain_values

_rel_entr = load("scipy.special", "scipy", "dualdiff.scipy.spatial").rel_entr


def _weighted(terms: Any, w: Any) -> Any:
    return np.sum(terms if w is None else operand(w) * terms, axis=-1)


def sqeuclidean(u: Any, v: Any, w: Any = None) -> Any:
    return _weighted((u - v) ** 2, w)


def euclidean(u: Any, v: Any, w: Any = None) -> Any:
    # At coincident points the derivative is that of the norm at zero.
    return np.sqrt(sqeuclidean(u, v, w))


def cityblock(u: Any, v: Any, w: Any = None) -> Any:
    return _weighted(np.abs(u - v), w)


def chebyshev(u: Any, v: Any, w: Any = None) -> Any:
    difference = np.abs(u - v)
    return np.max(difference if w is None else difference * (plain_values(operand(w)) > 0), axis=-1)


def minkowski(u: Any, v: Any, p: Any = 2, w: Any = None) -> Any:
    plain = plain_values(p)
    if p is plain and plain in (1, 2, np.inf):
        return {1: cityblock, 2: euclidean}.get(plain, chebyshev)(u, v, w)
    return _weighted(np.abs(u - v) ** p, w) ** (1.0 / p)


def cosine(u: Any, v: Any, w: Any = None) -> Any:
    return 1.0 - _weighted(u * v, w) / np.sqrt(_weighted(u * u, w) * _weighted(v * v, w))


def correlation(u: Any, v: Any, w: Any = None, centered: bool = True) -> Any:
    if centered:
        total = np.sum(operand(w)) if w is not None else u.shape[-1]
        u, v = (x - np.expand_dims(_weighted(x, w) / total, -1) for x in (u, v))
    return cosine(u, v, w)


def canberra(u: Any, v: Any, w: Any = None) -> Any:
    sizes = np.abs(u) + np.abs(v)
    empty = plain_values(sizes) == 0
    return _weighted(np.where(empty, 0.0, np.abs(u - v) / np.where(empty, 1.0, sizes)), w)


def braycurtis(u: Any, v: Any, w: Any = None) -> Any:
    return _weighted(np.abs(u - v), w) / _weighted(np.abs(u + v), w)


def mahalanobis(u: Any, v: Any, VI: Any) -> Any:
    difference = u - v
    return np.sqrt(np.sum((difference @ operand(VI)) * difference, axis=-1))


def seuclidean(u: Any, v: Any, V: Any) -> Any:
    return np.sqrt(np.sum((u - v) ** 2 / operand(V), axis=-1))


def jensenshannon(p: Any, q: Any, base: Any = None) -> Any:
    p, q = (x / np.sum(x, axis=-1, keepdims=True) for x in (p, q))
    m = (p + q) / 2.0
    total = np.sum(_rel_entr(p, m), axis=-1) + np.sum(_rel_entr(q, m), axis=-1)
    return np.sqrt((total if base is None else total / np.log(base)) / 2.0)


METRICS = {
    f.__name__: f
    for f in (
        *(braycurtis, canberra, chebyshev, cityblock, correlation, cosine, euclidean, jensenshannon),
        *(mahalanobis, minkowski, seuclidean, sqeuclidean),
    )
}
#: SciPy's other names for them.
ALIASES = {
    **dict.fromkeys(("cb", "cblock", "cheby", "cheb", "ch"), "chebyshev"),
    **dict.fromkeys(("cityblock", "cblock", "cb", "c"), "cityblock"),
    **dict.fromkeys(("chebychev", "chebyshev", "cheby", "cheb", "ch"), "chebyshev"),
    **dict.fromkeys(("cosine", "cos"), "cosine"),
    **dict.fromkeys(("correlation", "co"), "correlation"),
    **dict.fromkeys(("euclidean", "euclid", "eu", "e"), "euclidean"),
    **dict.fromkeys(("jensenshannon", "js"), "jensenshannon"),
    **dict.fromkeys(("mahalanobis", "mahal", "mah"), "mahalanobis"),
    **dict.fromkeys(("minkowski", "mi", "m", "pnorm"), "minkowski"),
    **dict.fromkeys(("seuclidean", "se", "s"), "seuclidean"),
    **dict.fromkeys(("sqeuclidean", "sqe", "sqeuclid"), "sqeuclidean"),
}


def name_of(metric: Any) -> str | None:
    """The name of a metric with a derivative that SciPy's functions take for this argument; None if there is none."""
    name = metric.lower() if isinstance(metric, str) else getattr(metric, "__name__", "")
    name = ALIASES.get(name.removeprefix("test_"), name)
    return name if name in METRICS else None
