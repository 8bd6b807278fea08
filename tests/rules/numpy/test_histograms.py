"""Histograms: bins are chosen by value, weights are summed, and edges follow the data."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import LostDerivativeError, gradient, jacobian, value_and_jacobian
from tests.support.against import assert_near, assert_same, check

X = np.array([0.31, -1.22, 2.13, 0.84, 1.75, 0.96, -0.47, -2.08, 0.12])
Y = np.array([1.4, 0.2, -0.6, 0.9, -1.3, 2.2, 1.1, -0.2, 0.5])
W = np.array([0.5, 1.5, 0.25, 1.0, 0.75, 2.0, 1.25, 0.3, 0.6])
EDGES = np.array([-1.5, -0.2, 0.55, 2.5])


def both(x):
    return x[:9], x[9:]


USES = {
    "weights": (W, lambda w: np.histogram(X, 4, weights=w**2)[0]),
    "weights, bins as an array": (W, lambda w: np.histogram(X, np.array(4), weights=w)[0]),
    "weights and edges": (W, lambda w: np.histogram(X, EDGES, weights=w)[0]),
    "weights in a range": (W, lambda w: np.histogram(X, 3, (-1.0, 1.0), weights=w)[0]),
    "weights, density": (W, lambda w: np.histogram(X, EDGES, density=True, weights=w)[0]),
    "weights of a matrix": (W.reshape(3, 3), lambda w: np.histogram(X.reshape(3, 3), 4, weights=w)[0]),
    "complex weights": (W, lambda w: np.abs(np.histogram(X, 4, weights=w * np.exp(1j * w))[0])),
    "edges": (X, lambda x: np.histogram(x, 4)[1] ** 2),
    "density": (X, lambda x: np.histogram(x, 4, density=True)[0]),
    "edges given": (EDGES, lambda e: np.histogram(X, e, density=True)[0]),
    "edges given back": (EDGES, lambda e: np.histogram(X, e)[1] ** 2),
    "range": (X, lambda x: np.histogram(x, 3, (x[1] - 0.1, x[2] + 0.3), density=True)[0]),
    "a rule for the number of bins": (X, lambda x: np.histogram(x, "sturges", density=True)[0]),
    "everything": (np.append(X, W), lambda z: np.concatenate(np.histogram(z[:9], 4, weights=z[9:], density=True))),
    "edges alone": (X, lambda x: np.histogram_bin_edges(x, 5)),
    "edges alone, in a range": (X, lambda x: np.histogram_bin_edges(x, 5, range=[x[1], x[0]])),
    "edges alone, by a rule": (X, lambda x: np.histogram_bin_edges(x, bins="fd")),
    "edges of equal numbers": (X[:1], lambda x: np.histogram_bin_edges(x, 2)),
    "in two dimensions": (
        np.append(X, Y),
        lambda z: np.concatenate([np.ravel(a) for a in np.histogram2d(*both(z), (2, 3), density=True)]),
    ),
    "in two dimensions, weights": (W, lambda w: np.histogram2d(X, Y, EDGES, weights=w)[0]),
    "in two dimensions, with edges": (W, lambda w: np.histogram2d(X, Y, [EDGES, 2], weights=w, density=True)[0]),
    "in two dimensions, in ranges": (W, lambda w: np.histogram2d(X, Y, 3, [(-1, 1), (0, 2)], weights=w)[0]),
    "in several dimensions": (
        np.stack([X, Y, W], axis=1),
        lambda z: np.concatenate([np.ravel(a) for a in np.histogramdd(z, (1, 2, 2), density=True)[1]]),
    ),
    "in several dimensions, weights": (W, lambda w: np.histogramdd((X, Y), 2, weights=w)[0]),
    "in several dimensions, edges": (W, lambda w: np.histogramdd((X, Y), (EDGES, [-1.0, 0.0, 1.0, 3.0]), weights=w)[0]),
    "in several dimensions, range": (
        W,
        lambda w: np.histogramdd([X, Y], 2, range=[None, (-1.0, 1.5)], weights=w, density=True)[0],
    ),
    "in one dimension of several": (W, lambda w: np.histogramdd(X, 3, weights=w)[0]),
    "counts": (W, lambda w: np.bincount([0, 3, 1, 1, 0, 5, 2, 2, 3], weights=w**2)),
    "counts, at least so many": (W, lambda w: np.bincount([0, 3, 1, 1, 0, 5, 2, 2, 3], w, 9)),
}


@pytest.mark.parametrize("name", USES)
def test_follows(name):
    x, f = USES[name]
    check(f, x)


def test_counts_are_integers_by_value():
    def f(x):
        counts, edges = np.histogram(x, 4)
        assert_same(counts, np.histogram(X, 4)[0])
        assert isinstance(counts, np.ndarray)
        return edges[0] * counts

    assert_near(jacobian(f, X), np.outer(np.histogram(X, 4)[0], np.arange(9) == np.argmin(X)))


def test_weights_on_the_edges_and_outside_fall_where_numpy_puts_them():
    x = np.array([-2.0, -1.0, 0.0, 0.0, 0.5, 1.0, 2.0, np.nan, np.inf])
    for edges in ([-1.0, 0.0, 1.0], [0.0, 0.5, 0.5, 1.0], [0.0, 2.0]):
        f = lambda w, edges=edges: np.histogram(x, edges, weights=w)[0]
        found, J = value_and_jacobian(f, W)
        assert_same(found, f(W))
        assert_same(J @ np.ones(9), f(np.ones(9)))
    for bins in (1, 2, 3, 7, 10):
        f = lambda w, bins=bins: np.histogram(x, bins, (-1.0, 1.0), weights=w)[0]
        assert_same(jacobian(f, W) @ np.ones(9), f(np.ones(9)))


def test_many_evenly_spaced_bins_agree_with_numpys_rounding():
    x = np.round(np.random.default_rng(31).uniform(0, 1, 2000), 2)
    f = lambda w: np.histogram(x, 100, (0.0, 1.0), weights=w)[0]
    for mode in ("forward", "reverse"):
        J = jacobian(f, np.ones(2000), mode=mode)
        assert_same(J.sum(axis=1), f(np.ones(2000)))


def test_single_precision():
    f = lambda w: np.histogram(X.astype(np.float32), 4, weights=w)[0]
    found, J = value_and_jacobian(f, W.astype(np.float32))
    assert_same(found, f(W.astype(np.float32)))
    assert J.dtype == found.dtype


@pytest.mark.parametrize("f", [lambda x: np.bincount(x), lambda x: np.bincount([0, 1], minlength=x[0])])
def test_places_are_no_duals(f):
    with pytest.raises((LostDerivativeError, TypeError)):
        gradient(f, X)
