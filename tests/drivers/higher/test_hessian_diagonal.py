"""The diagonal of the Hessian, against the whole one and against SymPy."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import sympy

from dualdiff import MixedPointsError, derivative, gradient, hessian, hessian_diagonal, hvp

X = np.array([0.7, 1.9, -1.1])
OPTIONS = [{}, {"mode": "forward"}, {"mode": "reverse"}, {"mode": "forward", "chunk_size": 2}, {"chunk_size": 1}]


def energy(x):
    return np.sum(x[1:] * x[:-1] ** 3) + np.exp(x[0] * x[-1]) + np.prod(np.sin(x))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_against_sympy(options):
    symbols = a, b, c = sympy.symbols("a b c")
    f = b * a**3 + c * b**3 + sympy.exp(a * c) + sympy.sin(a) * sympy.sin(b) * sympy.sin(c)
    expected = [float(sympy.diff(f, s, 2).subs(dict(zip(symbols, X, strict=True)))) for s in symbols]
    np.testing.assert_allclose(hessian_diagonal(energy, X, **options), expected, rtol=1e-12)
    np.testing.assert_allclose(hessian_diagonal(energy, **options)(X), expected, rtol=1e-12)
    found, aux = hessian_diagonal(lambda x: (energy(x), "aux"), X, has_aux=True, **options)
    assert aux == "aux"
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("n", [0, 1, 32, 33, 70])
def test_of_any_size(n):
    x = np.linspace(0.1, 1.0, n)
    f = lambda x: np.sum(np.sin(x) ** 2) * np.sum(x**3) if n else np.sum(x)
    for options in OPTIONS:
        found = hessian_diagonal(f, x, **options)
        assert found.shape == (n,)
        np.testing.assert_allclose(found, np.diagonal(hessian(f, x)), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_shapes_containers_and_arguments(options):
    found = hessian_diagonal(lambda x: np.sum(x**3) + x[0, 0] * x[1, 1], np.ones((2, 2)), **options)
    np.testing.assert_array_equal(found, 6 * np.ones((2, 2)))
    assert hessian_diagonal(lambda x: x**3, 2.0, **options) == 12.0
    p = {"a": 2.0, "b": [X, (1.5, None)]}
    f = lambda p: p["a"] ** 2 * np.sum(p["b"][0] ** 3) * p["b"][1][0] ** 2
    found = hessian_diagonal(f, p, **options)
    np.testing.assert_allclose(found["a"], 2 * np.sum(X**3) * 1.5**2)
    np.testing.assert_allclose(found["b"][0], 4 * 6 * X * 1.5**2)
    np.testing.assert_allclose(found["b"][1][0], 4 * np.sum(X**3) * 2)
    assert found["b"][1][1] is None
    first, second = hessian_diagonal(lambda x, y: y**3 * np.sum(x**2), X, 2.0, argnum=(0, 1), **options)
    np.testing.assert_allclose(first, 16 * np.ones(3))
    assert second == pytest.approx(12 * np.sum(X**2))
    single = hessian_diagonal(lambda x: np.sum(x**3), X.astype(np.float32), **options)
    assert single.dtype == np.float32


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_of_functions_that_return_arrays(options):
    f = lambda x: np.stack([x[0] ** 3 * x[1], energy(x)])
    expected = np.diagonal(hessian(f, X), axis1=1, axis2=2)
    np.testing.assert_allclose(hessian_diagonal(f, X, **options), expected, rtol=1e-12, atol=1e-14)
    found = hessian_diagonal(lambda p: {"u": p[0] ** 3, "v": p[0] * p[1] ** 2}, (X, 2.0), **options)
    np.testing.assert_allclose(found["u"][0], np.diag(6 * X), atol=1e-14)
    np.testing.assert_allclose(found["v"][1], 2 * X)
    np.testing.assert_allclose(found["u"][1], np.zeros(3))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batches(options):
    points = np.array([[0.7, 1.9, -1.1], [1.0, 2.0, 3.0], [0.1, 0.2, 0.3]])
    f = lambda x: np.exp(x[..., 0] * x[..., 2]) * x[..., 1] ** 3
    expected = [np.diagonal(hessian(f, x)) for x in points]
    np.testing.assert_allclose(hessian_diagonal(f, points, batch_dims=1, **options), expected, rtol=1e-12)
    with pytest.raises(MixedPointsError):
        hessian_diagonal(lambda x: f(x) * np.sum(x), points, batch_dims=1, **options)


def test_sparse():
    pytest.importorskip("scipy.sparse")
    x = np.linspace(0.1, 1.0, 50)
    f = lambda x: np.sum(x[1:] * x[:-1] ** 3)
    expected = np.diagonal(hessian(f, x))
    pattern = np.abs(np.subtract.outer(np.arange(50), np.arange(50))) <= 1
    for sparse in (True, pattern):
        np.testing.assert_allclose(hessian_diagonal(f, x, sparse=sparse), expected, rtol=1e-13)
        np.testing.assert_allclose(hessian_diagonal(f, sparse=sparse)(x), expected, rtol=1e-13)
    first, second = hessian_diagonal(lambda x, y: f(x) * y**2, x, 2.0, argnum=(0, 1), sparse=True)
    np.testing.assert_allclose(first, 4 * expected, rtol=1e-13)
    assert second == pytest.approx(2 * f(x))
    found = hessian_diagonal(lambda p: f(p["x"]) * p["y"], {"x": x, "y": 3.0}, sparse=True)
    np.testing.assert_allclose(found["x"], 3 * expected, rtol=1e-13)
    with pytest.raises(ValueError, match="A sparse Hessian is that of a scalar"):
        hessian_diagonal(lambda x: x**2, x, sparse=True)


def test_nesting_complex_and_singular_points():
    g = lambda t: hessian_diagonal(energy, t * X)
    expected = derivative(lambda t: np.diagonal(hessian(energy, t * X)), 1.0)
    np.testing.assert_allclose(derivative(g, 1.0), expected, rtol=1e-11)
    slope = gradient(lambda x: np.sum(hessian_diagonal(lambda y: np.sum(y**4), x)), X)
    np.testing.assert_allclose(slope, 24 * X)
    z = np.array([1 + 2j, -0.5j])
    np.testing.assert_allclose(
        hessian_diagonal(lambda z: z[0] ** 3 * z[1] ** 2, z), [6 * z[0] * z[1] ** 2, 2 * z[0] ** 3]
    )
    for f in (lambda x: np.linalg.norm(x) ** 2, lambda x: np.linalg.norm(x), lambda x: np.sum(np.sqrt(x) ** 2)):
        for options in OPTIONS:
            expected = np.diagonal(hessian(f, np.zeros(3), **options))
            np.testing.assert_array_equal(hessian_diagonal(f, np.zeros(3), **options), expected)


def test_the_hessian_is_not_stored():
    n = 3000
    x = np.linspace(0.1, 1.0, n)
    f = lambda x: np.sum(x**3) * x[0]
    hessian_diagonal(f, x[:40])
    tracemalloc.start()
    found = hessian_diagonal(f, x)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_allclose(found[1:], 6 * x[1:] * x[0], rtol=1e-12)
    assert most < 8 * n * n / 2


def test_one_product_serves_where_the_elements_are_apart():
    """What the docstring says of sums."""
    np.testing.assert_array_equal(
        hvp(lambda x: np.sum(x**3), X, np.ones(3)), hessian_diagonal(lambda x: np.sum(x**3), X)
    )


def test_compiled_functions():
    numba = pytest.importorskip("numba")
    f = numba.njit(energy)
    np.testing.assert_allclose(hessian_diagonal(f, X), hessian_diagonal(energy, X), rtol=1e-12)
    g = numba.njit(lambda p: p[0] ** 3 * np.sum(p[1] ** 2))
    found = hessian_diagonal(g, (2.0, X))
    assert found[0] == pytest.approx(12 * np.sum(X**2))
    np.testing.assert_allclose(found[1], 16 * np.ones(3))
