"""Interpolation, ranges, differences, convolutions: functions of sequences with every keyword, in every space."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import LostDerivativeError, derivative, gradient, jacobian, jvp, value_and_jacobian
from tests.support.against import assert_near, assert_same, check, check_complex, check_float32

V = np.array([0.7, -1.1, 1.9, 0.4, -0.3])
X = np.array([[0.31, -1.22, 2.13, 0.84], [1.75, 0.96, -0.47, -2.08], [-0.69, 1.31, 0.12, -1.53]])
KNOTS = np.array([-7.0, -2.4, 1.5, 5.9, 9.0])
HEIGHTS = np.array([0.2, 1.7, -0.8, 0.5, 1.1])
POINTS = np.array([[-5.2, 0.1, 7.9], [2.5, -1.7, 4.3]])


def three(z):
    """Points, knots and values."""
    return z[:6].reshape(2, 3), z[6:11], z[11:]


ALL = np.concatenate([POINTS.ravel(), KNOTS, HEIGHTS])

INTERPOLATIONS = {
    "points": (POINTS, lambda x: np.interp(x, KNOTS, HEIGHTS) * x),
    "one point": (POINTS, lambda x: np.interp(x[0, 0], KNOTS, HEIGHTS)),
    "a point that is a Python float": (HEIGHTS, lambda f: np.interp(0.5, KNOTS, f) * f),
    "knots": (KNOTS, lambda xp: np.interp(POINTS, xp, HEIGHTS)),
    "heights": (HEIGHTS, lambda fp: np.interp(POINTS, KNOTS, fp) ** 2),
    "everything": (ALL, lambda z: np.interp(*three(z))),
    "beyond the ends": (ALL, lambda z: np.interp(2 * z[:6], z[6:11], z[11:])),
    "given ends": (ALL, lambda z: np.interp(2 * z[:6], KNOTS, HEIGHTS, left=z[0] ** 2, right=z[1])),
    "plain ends": (ALL, lambda z: np.interp(2 * z[:6], z[6:11], z[11:], -5.0, 7.0)),
    "a list of knots": (V, lambda x: np.interp(x, [x[1] - 1.0, 0.0, x[2] + 1], [1.0, x[0], 3.0])),
    "a period": (ALL, lambda z: np.interp(2 * z[:6], z[6:11] * 1.3, z[11:], period=21.7)),
    "a dual period": (ALL, lambda z: np.interp(2 * z[:6], z[6:11] * 1.3, z[11:], period=2 * z[8] + 22.5)),
    "complex heights": (ALL, lambda z: np.interp(z[:6], z[6:11], z[11:] * np.exp(1j * z[11:])).imag),
    "one knot": (V, lambda x: np.interp(x, [0.0], x[:1]) * x),
}


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_interpolation(name):
    x, f = INTERPOLATIONS[name]
    check(f, x)


def test_interpolation_at_a_scalar():
    for x in (0.5, np.float64(0.5), np.array(0.5)):
        assert derivative(lambda t: np.interp(t, [0.0, 1.0], [0.0, 3.0]), x) == 3.0


def test_interpolation_at_a_knot_takes_the_piece_after_it_and_at_the_last_one_the_piece_before():
    slopes = np.diff(HEIGHTS) / np.diff(KNOTS)
    assert_near(derivative(lambda x: np.interp(x, KNOTS, HEIGHTS), KNOTS), np.append(slopes, slopes[-1]), 1e-15)
    found = jacobian(lambda f: np.interp(KNOTS, KNOTS, f), HEIGHTS)
    assert_near(found, np.eye(5), 1e-15)


def test_interpolation_point_by_point():
    f = lambda x: np.interp(np.sin(x), KNOTS, HEIGHTS)
    found = derivative(f, POINTS)
    assert_near(found, np.diagonal(jacobian(f, POINTS.ravel())).reshape(POINTS.shape))


RANGES = {
    "numbers": (V, lambda x: np.linspace(x[0], x[1])),
    "arrays": (X, lambda x: np.linspace(x[0], x[1], 4)),
    "along the last axis": (X, lambda x: np.linspace(x[0], x, 3, axis=-1)),
    "without the end": (V, lambda x: np.linspace(x[0], 1.0, 4, False)),
    "with the step": (V, lambda x: np.append(*np.linspace(0.0, x[1] * x[0], 4, retstep=True))),
    "one": (V, lambda x: np.linspace(x[0], x[1], 1) ** 2),
    "none": (V, lambda x: np.linspace(x[0], x[1], 0)),
    "from a point to itself": (V, lambda x: np.linspace(x[0], x[0] * 1.0, 3)),
    "dtype": (V, lambda x: np.linspace(x[0], x[1], 3, dtype=np.float64)),
    "logarithmic": (V, lambda x: np.logspace(x[0], x[1], 4)),
    "logarithmic, arrays": (X / 4, lambda x: np.logspace(x[0], x[1], 3, endpoint=False, axis=1)),
    "logarithmic, base": (V, lambda x: np.logspace(x[0], x[1], 3, base=2.0)),
    "logarithmic, dual base": (V, lambda x: np.logspace(x[0], x[1], 3, base=x[2])),
    "logarithmic, bases": (X, lambda x: np.logspace(x[0, 0], x[1, 0], 3, base=np.exp(x[0]), dtype=np.float64)),
    "geometric": (V, lambda x: np.geomspace(x[0], x[2], 4)),
    "geometric, negative": (V, lambda x: np.geomspace(x[1], x[4], 4, endpoint=False)),
    "geometric, arrays": (X, lambda x: np.geomspace(x[0], 3 * x[0], 4, axis=1)),
    "geometric, one": (V, lambda x: np.geomspace(x[0], x[2], 1)),
}


@pytest.mark.parametrize("name", RANGES)
def test_range(name):
    x, f = RANGES[name]
    check(f, x)
    if "dtype" not in name and "base" not in name:
        check_complex(f, x)
    if "dtype" not in name and "bases" not in name:
        check_float32(f, x)


def test_ranges_of_integers_would_lose_the_derivative():
    with pytest.raises(LostDerivativeError, match=r"int64 in numpy\.linspace"):
        jacobian(lambda x: np.linspace(x[0], x[1], 3, dtype=np.int64), V)


def test_the_ends_of_a_range_are_exact():
    f = lambda x: np.linspace(x[0], x[1], 7)
    found = jacobian(f, np.array([1e-3, 1e9]))
    assert_same(found[[0, -1]], np.eye(2))


def uneven(y, x):
    return np.gradient(y, x[0] - 9 * np.arange(4), axis=1)


DIFFERENCES = {
    "one axis": (V, lambda x: np.gradient(x) * x),
    "all axes": (X, lambda x: np.stack(np.gradient(x))),
    "one of two axes": (X, lambda x: np.gradient(x, axis=1)),
    "a spacing": (X, lambda x: np.stack(np.gradient(x, 0.5))),
    "spacings": (X, lambda x: np.stack(np.gradient(x, 0.5, x[0, 0]))),
    "coordinates": (X, lambda x: uneven(x, x)),
    "coordinates of both": (X, lambda x: np.gradient(x, 0.5, [1.0, 1.5, 3.0, 7.0], axis=(0, 1))[1]),
    "second order": (V, lambda x: np.gradient(x, edge_order=2) * x),
    "second order, coordinates": (V, lambda x: np.gradient(x, np.arange(5) + 0.3 * x, edge_order=2)),
    "second order, spacing": (X, lambda x: np.stack(np.gradient(x, x[0, 0], edge_order=2))),
    "two points": (V, lambda x: np.gradient(x[:2], x[0]) * x[:2]),
    "plain values": (V, lambda x: np.gradient([1.0, 3.0, 2.0], x[0])),
    "area": (V, lambda y: np.trapezoid(y) * y[0]),
    "area, spacing": (X, lambda y: np.trapezoid(y, dx=y[0, 0], axis=0)),
    "area, coordinates": (X, lambda y: np.trapezoid(y, np.sort(V)[:4] * y[0, 0])),
    "area, many coordinates": (X, lambda y: np.trapezoid(y, np.cumsum(y**2, axis=1), axis=1)),
    "area, along the first axis": (X, lambda y: np.trapezoid(y, y[:, 0] ** 2, axis=0)),
    "area under plain values": (V, lambda x: np.trapezoid([1.0, 3.0, 2.0, 5.0, 4.0], x)),
    "neighbours": (X, lambda x: np.ediff1d(x) ** 2),
    "neighbours and ends": (X, lambda x: np.ediff1d(x, to_end=x[0], to_begin=[[1.0], [2.0]])),
    "neighbours of plain values and a dual end": (X, lambda x: np.ediff1d([1.0, 2.0], x[0, 0])),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differences(name):
    x, f = DIFFERENCES[name]
    check(f, x)
    # NumPy keeps the dtype of plain real values.
    if "plain" not in name:
        check_complex(f, x)


@pytest.mark.parametrize("name", [n for n in DIFFERENCES if "coordinates" not in n and "plain" not in n])
def test_differences_in_single_precision(name):
    x, f = DIFFERENCES[name]
    check_float32(f, x)


CONVOLUTIONS = {
    "full": (V, lambda x: np.convolve(x, x[:3])),
    "same": (V, lambda x: np.convolve(x, x[:2] ** 2, "same")),
    "same, shorter first": (V, lambda x: np.convolve(x[:2], x, mode="same")),
    "valid": (V, lambda x: np.convolve(x, x[:3], "valid")),
    "valid, shorter first": (V, lambda x: np.convolve(x[:2], x, "valid")),
    "with constants": (V, lambda x: np.convolve(x, [1.0, -2.0, 0.0, 1.0], "same") ** 2),
    "constants first": (V, lambda x: np.convolve([1.0, -2.0, 0.5], x)),
    "with a number": (V, lambda x: np.convolve(x, x[0])),
    "of an empty rest": (V, lambda x: np.convolve(x[:1], x[1:2])),
    "correlation": (V, lambda x: np.correlate(x, x[:3])),
    "correlation, shorter first": (V, lambda x: np.correlate(x[:3], x)),
    "correlation, full": (V, lambda x: np.correlate(x, x[:2] ** 2, "full")),
    "correlation, full, shorter first": (V, lambda x: np.correlate(x[:2] ** 2, x, "full")),
    "correlation, same": (V, lambda x: np.correlate(x, x[:2], "same")),
    "correlation, same, shorter first": (V, lambda x: np.correlate(x[:4], x, "same")),
    "correlation, same, shorter first, odd": (V, lambda x: np.correlate(x[:3], x, "same")),
    "correlation with complex constants": (V, lambda x: np.correlate(x, [1j, 2.0 + 1j], "same").imag),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name):
    x, f = CONVOLUTIONS[name]
    check(f, x)
    check_complex(f, x)
    if "constants" not in name:
        check_float32(f, x)


def test_convolution_follows_a_kernel_that_is_written_into_later():
    kernel = np.array([1.0, 2.0])

    def f(x):
        y = np.convolve(x, kernel)
        kernel[:] = 0.0
        return y

    for mode in ("forward", "reverse"):
        kernel[:] = 1.0, 2.0
        J = jacobian(f, V, mode=mode)
        assert_same(J @ np.ones(5), np.convolve(np.ones(5), [1.0, 2.0]))


def test_a_convolution_is_sparse():
    J = jacobian(lambda x: np.convolve(x, [1.0, 0.0, 2.0], "same"), np.ones(50), sparse=True)
    assert J.nnz <= 150
    assert_near(J.toarray(), jacobian(lambda x: np.convolve(x, [1.0, 0.0, 2.0], "same"), np.ones(50)))


def test_convolutions_with_nothing_to_differentiate():
    found, J = value_and_jacobian(lambda x: np.convolve([1.0, 2.0], [3.0]) + np.sum(x), np.zeros(0))
    assert_same(found, np.array([3.0, 6.0]))
    assert J.shape == (2, 0)
    _, slope = jvp(lambda x: np.convolve(np.append(x, 1.0), [2.0]), np.zeros(0), np.zeros(0))
    assert_same(slope, np.zeros(1))


def test_autocorrelation_is_symmetric_in_its_derivative():
    f = lambda x: np.correlate(x, x, "full")
    g = gradient(lambda x: f(x)[4], V)
    assert_near(g, 2 * V, 1e-15)
