"""Functions of SciPy with their data as arguments: a spline, distances, a sparse system; beside their values alone."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

from ..harness import Call, Peer, Work, optional

_random = np.random.default_rng(0)

# -- a cubic spline ----------------------------------------------------------------------------------------------------
COUNT = 10_000
X, Q = np.sort(_random.random((2, COUNT)))
Y = _random.standard_normal(COUNT)


def spline_gradient() -> Call:
    dualdiff = optional("dualdiff")
    spline = optional("dualdiff.scipy.interpolate").CubicSpline
    return partial(dualdiff.gradient, lambda y: np.sum(spline(X, y)(Q)), Y, mode="reverse")


def spline_value() -> Call:
    spline = optional("scipy.interpolate").CubicSpline
    return lambda: spline(X, Y)(Q)


def spline_slopes() -> Any:
    """By the transposed system for the coefficients of B-splines, with the same knots."""
    basis, linalg = optional("scipy.interpolate").BSpline, optional("scipy.sparse.linalg")
    knots = np.concatenate([[X[0]] * 4, X[2:-2], [X[-1]] * 4])
    at_knots, at_points = (basis.design_matrix(x, knots, 3, extrapolate=True) for x in (X, Q))
    return linalg.splu(at_knots.tocsc()).solve(at_points.sum(axis=0), "T")


# -- distances ---------------------------------------------------------------------------------------------------------
POINTS, OTHERS = _random.random((2, 500, 3))


def distances_gradient() -> Call:
    dualdiff = optional("dualdiff")
    cdist = optional("dualdiff.scipy.spatial.distance").cdist
    return partial(dualdiff.gradient, lambda x: np.sum(cdist(x, OTHERS)), POINTS, mode="reverse")


def distances_value() -> Call:
    return partial(optional("scipy.spatial.distance").cdist, POINTS, OTHERS)


def distances_by_hand() -> Any:
    difference = POINTS[:, None] - OTHERS
    return np.sum(difference / np.linalg.norm(difference, axis=-1, keepdims=True), axis=1)


# -- a sparse system ---------------------------------------------------------------------------------------------------
SIDE = 316


@cache
def laplacian() -> Any:
    sparse = optional("scipy.sparse")
    line = sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(SIDE, SIDE))
    unit = sparse.eye_array(SIDE)
    return (sparse.kron(line, unit) + sparse.kron(unit, line)).tocsc()


HEAT = np.ones(SIDE * SIDE)


def compliance_gradient() -> Call:
    dualdiff, sparse = optional("dualdiff"), optional("dualdiff.scipy.sparse")
    spsolve, a = optional("dualdiff.scipy.sparse.linalg").spsolve, laplacian()

    def compliance(data: Any) -> Any:
        return HEAT @ spsolve(sparse.csc_array((data, a.indices, a.indptr), shape=a.shape), HEAT)

    return partial(dualdiff.gradient, compliance, a.data, mode="reverse")


def compliance_value() -> Call:
    splu, a = optional("scipy.sparse.linalg").splu, laplacian()
    return lambda: splu(a).solve(HEAT)


def compliance_by_hand() -> Any:
    """By sines, which are the eigenvectors."""
    fft, places = optional("scipy.fft"), laplacian().tocoo()
    line = 4 * np.sin(np.pi * np.arange(1, SIDE + 1) / (2 * SIDE + 2)) ** 2
    u = fft.idstn(fft.dstn(HEAT.reshape(SIDE, SIDE), 1) / (line[:, None] + line), 1).ravel()
    return -u[places.row] * u[places.col]


def works() -> list[Work]:
    """The works, whose expected derivatives need SciPy."""
    try:
        optional("scipy.interpolate")
    except ImportError:
        return []
    return [
        Work(
            f"gradient of a sum of values of CubicSpline(x, y) in y, {COUNT} knots and points",
            spline_gradient,
            [Peer("the value alone", spline_value, at_most=5.0, read=None)],
            expected=spline_slopes(),
        ),
        Work(
            "gradient of the sum of cdist, 500 x 500 points in 3 dimensions",
            distances_gradient,
            [Peer("the value alone, scipy.spatial.distance.cdist", distances_value, at_most=6.0, read=None)],
            expected=distances_by_hand(),
        ),
        Work(
            f"gradient of f @ spsolve(K, f) in the elements of K, a Laplacian of {SIDE**2} unknowns",
            compliance_gradient,
            [Peer("the value alone, splu(K).solve(f)", compliance_value, at_most=1.6, read=None)],
            expected=compliance_by_hand(),
            rounds=7,
        ),
    ]


WORKS = works()
