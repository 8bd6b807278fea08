"""The options of the drivers: argnum, has_aux, batch_dims, chunk_size."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import (
    MixedPointsError,
    derivative,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_derivative,
    value_and_gradient,
    value_gradient_and_hessian,
)
from dualdiff.drivers.jacobian import Columns
from tests.drivers.test_drivers import X, counted, energy, flow


# -- argnum ------------------------------------------------------------------------------------------------------------
def test_argnum():
    f = lambda a, x, b: a * np.sum(x**2) + b
    assert gradient(f, 2.0, X, 3.0) == np.sum(X**2)
    np.testing.assert_array_equal(gradient(f, 2.0, X, 3.0, argnum=1), 4 * X)
    np.testing.assert_array_equal(gradient(f, 2.0, X, 3.0, argnum=-2), 4 * X)
    assert gradient(f, 2.0, X, 3.0, argnum=2) == 1.0
    assert gradient(f, 2.0, X, 3.0, argnum=np.int64(2)) == 1.0
    np.testing.assert_array_equal(jvp(f, X, X, 2.0, 3.0, argnum=1)[1], 4 * np.sum(X**2))
    np.testing.assert_array_equal(hvp(f, X, X, 2.0, 3.0, argnum=1), 4 * X)
    np.testing.assert_array_equal(hessian(f, 2.0, X, 3.0, argnum=1), 4 * np.eye(3))
    np.testing.assert_array_equal(jacobian(gradient(f), 2.0, X, 3.0, argnum=1), 2 * X)


def test_other_arguments_may_be_anything():
    f = lambda x, how, table, *rest: x**2 if how == "square" else x * table["a"] * len(rest)
    assert derivative(f, 3.0, "square", None) == 6.0
    assert derivative(f, 3.0, "linear", {"a": 2}, None, "b") == 4.0
    assert gradient(f, 3, "square", {1, 2}) == 6.0


# -- has_aux -----------------------------------------------------------------------------------------------------------
def test_has_aux():
    aux = {"plain": 3, "text": "a", "array": np.arange(3), "none": None}

    def f(x):
        return np.sum(x**2), {**aux, "dual": x * 2, "list": [x[0], 1], "pair": (x[1],)}

    def check(found):
        np.testing.assert_array_equal(found["dual"], 2 * X)
        assert type(found["dual"]) is np.ndarray
        assert found["list"] == [X[0], 1]
        assert found["pair"] == (X[1],)
        assert {k: found[k] for k in ("plain", "text", "none")} == {"plain": 3, "text": "a", "none": None}
        np.testing.assert_array_equal(found["array"], np.arange(3))

    for options in ({}, {"mode": "reverse"}, {"chunk_size": 1, "mode": "forward"}):
        g, found = gradient(f, X, has_aux=True, **options)
        np.testing.assert_array_equal(g, 2 * X)
        check(found)
        H, found = hessian(f, X, has_aux=True, **options)
        np.testing.assert_array_equal(H, 2 * np.eye(3))
        check(found)
        J, found = jacobian(lambda x: (x**2, f(x)[1]), X, has_aux=True, **options)
        np.testing.assert_array_equal(J, np.diag(2 * X))
        check(found)
        (value, found), g = value_and_gradient(f, X, has_aux=True, **options)
        assert value == np.sum(X**2)
        check(found)
        (value, found), g, H = value_gradient_and_hessian(f, X, has_aux=True, **options)
        check(found)
    value, slope, found = jvp(f, X, X, has_aux=True)
    assert slope == 2 * np.sum(X**2)
    check(found)
    product, found = hvp(f, X, X, has_aux=True)
    np.testing.assert_array_equal(product, 2 * X)
    check(found)
    slope, found = derivative(lambda t: (t**2, {"t": t}), 3.0, has_aux=True)
    assert (slope, found) == (6.0, {"t": 3.0})
    (value, found), slope = value_and_derivative(lambda t: (t**2, t), 3.0, has_aux=True)
    assert (value, found, slope) == (9.0, 3.0, 6.0)
    g, found = gradient(f, has_aux=True)(X)
    check(found)
    for wrong in (lambda x: np.sum(x), lambda x: (np.sum(x),), lambda x: [np.sum(x), 1], lambda x: (1.0, 2, 3)):
        with pytest.raises(TypeError, match=r"with has_aux=True, f must return a pair \(result, aux\)"):
            gradient(wrong, X, has_aux=True)


# -- batch_dims --------------------------------------------------------------------------------------------------------
def test_batch_dims():
    points = np.linspace(-1, 1, 24).reshape(4, 2, 3)
    f = lambda x: np.sum(np.sin(x) * x[..., ::-1] ** 2, axis=-1)
    g = lambda x: np.stack([x[..., 0] * x[..., 1], x[..., 2] ** 2], axis=-1)
    flat = points.reshape(8, 3)
    for options in ({}, {"chunk_size": 1, "mode": "forward"}, {"chunk_size": 2}, {"mode": "reverse"}):
        found = gradient(f, points, batch_dims=2, **options)
        np.testing.assert_allclose(found.reshape(8, 3), [gradient(f, p) for p in flat])
        found = jacobian(g, points, batch_dims=2, **options)
        np.testing.assert_allclose(found.reshape(8, 2, 3), [jacobian(g, p) for p in flat], atol=1e-15)
        found = hessian(f, points, batch_dims=2, **options)
        np.testing.assert_allclose(found.reshape(8, 3, 3), [hessian(f, p) for p in flat], atol=1e-15)
        value, found = value_and_gradient(f, points, batch_dims=2, **options)
        np.testing.assert_array_equal(value, f(points))
    found = jacobian(lambda x: np.sum(x**2, axis=(-1, -2)), points, batch_dims=1)
    np.testing.assert_allclose(found, 2 * points)
    f2, calls = counted(f)
    gradient(f2, points, batch_dims=2, mode="forward")
    assert len(calls) == 1
    pair = (points, points[..., 0])
    h = lambda p: np.sum(p[0] ** 2, axis=-1) * p[1]
    by_points, by_numbers = gradient(h, pair, batch_dims=2)
    np.testing.assert_allclose(by_points, 2 * points * points[..., :1])
    np.testing.assert_allclose(by_numbers, np.sum(points**2, axis=-1))
    for wrong, match in (
        (-1, "number of leading batch axes"),
        (1.0, "number of leading batch axes"),
        (True, "number of leading"),
    ):
        with pytest.raises(ValueError, match=match):
            gradient(f, points, batch_dims=wrong)
    with pytest.raises(ValueError, match="requires all arrays in x to have the same first 4 axes"):
        gradient(f, points, batch_dims=4)
    with pytest.raises(ValueError, match="requires all arrays in x to have the same first 1 axes"):
        gradient(h, (points, points[0]), batch_dims=1)
    with pytest.raises(ValueError, match=r"needs a scalar for each point, shape \(4, 2\), but f returned shape \(\)"):
        gradient(np.sum, points, batch_dims=2)
    with pytest.raises(ValueError, match=r"f\(x\) must start with the batch axes of x, \(4, 2\), and has shape"):
        jacobian(np.sum, points, batch_dims=2)


@pytest.mark.parametrize("op", [gradient, jacobian, hessian])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_batch_whose_points_are_mixed(op, mode):
    points = np.linspace(-1, 1, 12).reshape(4, 3)
    for mixing in (
        lambda x: x[:, 0] ** 2 - np.mean(x**3),
        lambda x: np.sum(x**2, axis=1) * x[::-1, 0],
        lambda x: np.cumsum(x[:, 0]) * x[:, 1] ** 2,
        lambda x: np.stack([x[0, 0] ** 2] * 4),
    ):
        with pytest.raises(MixedPointsError, match=r"with batch_dims=1 requires an f that treats the points"):
            op(mixing, points, batch_dims=1, mode=mode)
        one = points[:1] * 1.0
        assert np.all(np.isfinite(op(lambda x: x[:, 0] ** 2 - np.mean(x**3), one, batch_dims=1, mode=mode)))
    # A half of the points that is not finite has no part in the other.
    points[1] = np.inf
    found = gradient(lambda x: np.sum(x**2, axis=-1), points, batch_dims=1, mode=mode)
    np.testing.assert_array_equal(found, 2 * points)


# -- chunk_size --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("wrong", [0, -1, 2.0, "3", True, np.float64(2.0)])
def test_wrong_chunk_size(wrong):
    for op, f in ((gradient, energy), (jacobian, flow), (hessian, energy)):
        with pytest.raises(ValueError, match="chunk_size must be a positive integer, not"):
            op(f, X, chunk_size=wrong, mode="forward")
    with pytest.raises(ValueError, match="chunk_size must be a positive integer, not"):
        hvp(energy, X, X, chunk_size=wrong, mode="forward")


def test_chunk_size_may_be_a_numpy_integer():
    np.testing.assert_array_equal(jacobian(flow, X, chunk_size=np.int64(2)), jacobian(flow, X))


def test_results_do_not_depend_on_chunks():
    x = np.linspace(0.1, 1, 9)
    f = lambda x: np.cumsum(np.outer(x, np.sin(x)) @ x) / np.sum(x)
    expected = jacobian(f, x, mode="forward")
    for chunk_size in range(1, 11):
        np.testing.assert_array_equal(jacobian(f, x, chunk_size=chunk_size, mode="forward"), expected)


def test_the_first_pass_of_complex_directions_alone_is_along_unit_directions():
    A = np.arange(9.0).reshape(3, 3) / 5 + np.eye(3)
    z = np.array([1.0 + 2j, 0.5 - 1j, 2j])
    f = lambda z: np.sum(np.abs(A @ z) ** 2)
    for chunk_size in (3, 2, None):
        np.testing.assert_allclose(
            gradient(f, z, mode="forward", chunk_size=chunk_size), gradient(f, z, mode="reverse"), rtol=1e-13
        )


@pytest.mark.parametrize("first", [0, 1, 2])
def test_columns_of_which_a_later_one_is_a_dual(first):
    plain = np.arange(6.0).reshape(2, 3)

    def joined(a):
        columns = Columns(3)
        for k in range(3):
            part = plain[:, k : k + 1]
            columns.add(k, k + 1, part * a if k == first else part)
        return columns.all()

    np.testing.assert_array_equal(joined(2.0), plain * np.where(np.arange(3) == first, 2.0, 1.0))
    np.testing.assert_array_equal(derivative(joined, 2.0), plain * (np.arange(3) == first))
