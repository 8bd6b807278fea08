"""Hessians and Laplacians of functions that return arrays or containers."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import dualdiff as dd
from dualdiff import MixedPointsError, derivative, gradient, hessian, jacobian, laplacian, value_gradient_and_hessian

X = np.array([0.7, 1.9, -1.1])
OPTIONS = [{}, {"mode": "forward"}, {"mode": "reverse"}, {"mode": "forward", "chunk_size": 2}]


def field(x):
    return np.stack([x[0] ** 2 * x[1], np.sin(x[1] * x[2]), np.exp(x[0]) / x[2], x[1]])


def by_sympy(x):
    """The Hessians of the field, by symbolic differentiation."""
    a, b, c = symbols = sympy.symbols("a b c")
    components = [a**2 * b, sympy.sin(b * c), sympy.exp(a) / c, b]
    found = [sympy.lambdify(symbols, sympy.hessian(f, symbols))(*x) for f in components]
    return np.array(found, float)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_of_a_vector(options):
    expected = by_sympy(X)
    np.testing.assert_allclose(hessian(field, X, **options), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(hessian(field, **options)(X), expected, rtol=1e-12, atol=1e-14)
    value, J, H = value_gradient_and_hessian(field, X, **options)
    np.testing.assert_array_equal(value, field(X))
    np.testing.assert_allclose(J, jacobian(field, X), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(H, expected, rtol=1e-12, atol=1e-14)
    H, aux = hessian(lambda x: (field(x), "aux"), X, has_aux=True, **options)
    assert aux == "aux"
    np.testing.assert_allclose(H, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(
    ("shape", "shape_out"), [((), (2,)), ((2,), (3, 2)), ((2, 2), (2,)), ((1,), (2,)), ((2,), (0,)), ((0,), (2,))]
)
def test_shapes(shape, shape_out, options):
    x = np.ones(shape) if shape else 1.0
    found = hessian(lambda x: np.sum(x * x) * np.ones(shape_out), x, **options)
    assert found.shape == (*shape_out, *shape, *shape)
    one = np.eye(np.size(x)).reshape(shape + shape)
    np.testing.assert_array_equal(found, np.broadcast_to(2 * one, found.shape))


def test_one_element_is_a_scalar_as_for_the_gradient():
    for options in OPTIONS:
        assert hessian(lambda x: np.sum(x**2, keepdims=True), X, **options).shape == (3, 3)
        assert hessian(lambda x: np.ones(2), X, **options).shape == (2, 3, 3)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_containers_and_several_arguments(options):
    f = lambda p: {"y": p["a"] ** 2 * p["b"], "s": np.sum(p["b"] ** 2)}
    H = hessian(f, {"a": 2.0, "b": X}, **options)
    np.testing.assert_allclose(H["y"]["a"]["a"], 2 * X)
    np.testing.assert_allclose(H["y"]["a"]["b"], 4 * np.eye(3))
    np.testing.assert_allclose(H["y"]["b"]["a"], 4 * np.eye(3))
    np.testing.assert_allclose(H["s"]["b"]["b"], 2 * np.eye(3))
    H = hessian(lambda a, b: a**2 * b, 2.0, X, argnum=(0, 1), **options)
    np.testing.assert_allclose(H[0][1], 4 * np.eye(3))
    np.testing.assert_allclose(H[1][0], 4 * np.eye(3))
    np.testing.assert_allclose(H[1][1], np.zeros((3, 3, 3)))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batches(options):
    points = np.array([[0.7, 1.9, -1.1], [1.0, 2.0, 3.0]])
    f = lambda x: np.moveaxis(field(np.moveaxis(x, -1, 0)), 0, -1)
    found = hessian(f, points, batch_dims=1, **options)
    np.testing.assert_allclose(found, [by_sympy(x) for x in points], rtol=1e-12, atol=1e-14)
    with pytest.raises(MixedPointsError):
        hessian(lambda x: f(x) * np.sum(x), points, batch_dims=1, **options)
    with pytest.raises(ValueError, match=r"must start with the batch axes of x, \(2,\)"):
        hessian(lambda x: f(x)[0], points, batch_dims=1, **options)


def test_nesting_and_complex_x():
    third = jacobian(hessian(field), X)
    np.testing.assert_allclose(third[0, 0, 0, 1], 2.0)
    slope = derivative(lambda t: hessian(field, t * X)[0], 1.0)
    np.testing.assert_allclose(slope, [[2 * X[1], 2 * X[0], 0], [2 * X[0], 0, 0], [0, 0, 0]], atol=1e-14)
    z = np.array([1 + 2j, -0.5j])
    found = hessian(lambda z: np.stack([z[0] ** 2 * z[1], z[1] ** 3]), z)
    np.testing.assert_allclose(found, [[[2 * z[1], 2 * z[0]], [2 * z[0], 0]], [[0, 0], [0, 6 * z[1]]]])


def test_laplacians():
    np.testing.assert_allclose(laplacian(field, X), np.trace(by_sympy(X), axis1=1, axis2=2), rtol=1e-12, atol=1e-14)
    assert laplacian(lambda x: np.sum(x**3), X) == pytest.approx(6 * np.sum(X))
    np.testing.assert_allclose(laplacian(lambda x: x**2, np.ones((2, 2))), 2 * np.ones((2, 2)))
    with pytest.raises(ValueError, match="laplacian needs one array x and one result"):
        laplacian(lambda x: (x[0], x[1]), X)
    with pytest.raises(ValueError, match=r"divergence needs f\(x\) shaped like x"):
        dd.divergence(field, X)


def test_sparse_is_refused_with_a_remedy():
    pattern = np.eye(3, dtype=bool)
    for sparse in (True, pattern):
        with pytest.raises(ValueError, match=r"A sparse Hessian is that of a scalar.*lambda x: f\(x\)\[0\]"):
            hessian(lambda x: x**2, X, sparse=sparse)
        # What the error advises.
        found = hessian(lambda x: (x**2)[0], X, sparse=sparse)
        np.testing.assert_array_equal(found.toarray(), np.diag([2.0, 0.0, 0.0]))


def test_compiled_functions_name_what_serves():
    numba = pytest.importorskip("numba")
    f = numba.njit(lambda x: x**2)
    with pytest.raises((ValueError, TypeError), match=r"pass f\.py_func to hessian"):
        hessian(f, X)
    assert hessian(f.py_func, X).shape == (3, 3, 3)


def test_an_error_of_an_inner_gradient_is_its_own():
    """The gradient of an array inside f is no reason to take f for a vector."""
    calls = []

    def f(x):
        calls.append(1)
        return np.sum(gradient(lambda y: y * x, x))

    with pytest.raises(ValueError, match=r"gradient needs an f that returns a scalar"):
        hessian(f, X)
    assert len(calls) <= 2
