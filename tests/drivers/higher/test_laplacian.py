"""The Laplacian and the biharmonic operator, against SymPy and the trace of the Hessian."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from dualdiff import (
    MixedPointsError,
    NotHolomorphicError,
    biharmonic,
    derivative,
    derivative_tensor,
    gradient,
    hessian,
    jacobian,
    laplacian,
)

X = np.array([0.7, 1.9, -1.1])
SYMBOLS = sympy.symbols("a b c")
OPERATORS = {laplacian: 1, biharmonic: 2}
OPTIONS = [{}, {"chunk_size": 1}, {"chunk_size": 2}]


def energy(x):
    return np.sum(x[1:] * x[:-1] ** 3) + np.exp(x[0] * x[-1]) + np.sin(x[0]) * np.sin(x[1]) / (2 + np.cos(x[2]))


def by_sympy(operator, f, at):
    """The operator applied to an expression of the symbols."""
    for _ in range(OPERATORS[operator]):
        f = sum(sympy.diff(f, s, 2) for s in SYMBOLS)
    return float(f.subs(dict(zip(SYMBOLS, at, strict=True))))


def field(x):
    return np.stack([x[0] ** 3 * x[1], energy(x)])


A, B, C = SYMBOLS
FORMULA = B * A**3 + C * B**3 + sympy.exp(A * C) + sympy.sin(A) * sympy.sin(B) / (2 + sympy.cos(C))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda op: op.__name__)
def test_against_sympy(operator, options):
    expected = by_sympy(operator, FORMULA, X)
    for found in (operator(energy, X, **options), operator(energy, **options)(X)):
        assert type(found) is np.float64
        assert found == pytest.approx(expected, rel=1e-11)
    found, aux = operator(lambda x: (energy(x), "aux"), X, has_aux=True, **options)
    assert (aux, found) == ("aux", pytest.approx(expected, rel=1e-11))
    both = operator(field, X, **options)
    np.testing.assert_allclose(both, [by_sympy(operator, A**3 * B, X), expected], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda op: op.__name__)
def test_arguments_methods_and_keywords(operator):
    class Field:
        k = 2.0

        def at(self, x, y=1.0):
            return self.k * y * np.sum(x**4)

        slope = operator(at)

    wanted = {laplacian: 2 * 12 * np.sum(X**2), biharmonic: 2 * 24 * 3}[operator]
    assert operator(Field().at, X) == pytest.approx(wanted)
    assert Field().slope(X) == pytest.approx(wanted)
    assert operator(Field().at, X, y=3.0) == pytest.approx(3 * wanted)
    first, second = operator(lambda x, y: y**4 * np.sum(x**4), X, 2.0, argnum=(0, 1))
    assert first == pytest.approx(16 * wanted / 2)
    assert second == pytest.approx(np.sum(X**4) * {laplacian: 48, biharmonic: 24}[operator])


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda op: op.__name__)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batches(operator, options):
    points = np.array([[0.7, 1.9, -1.1], [1.0, 2.0, 3.0], [0.1, 0.2, 0.3]])
    f = lambda x: np.exp(x[..., 0] * x[..., 2]) * np.sin(x[..., 1])
    found = operator(f, points, batch_dims=1, **options)
    np.testing.assert_allclose(found, [operator(f, x) for x in points], rtol=1e-12)
    np.testing.assert_allclose(
        operator(f, points.reshape(3, 1, 3), batch_dims=2, **options), found[:, None], rtol=1e-12
    )
    fields = operator(lambda x: np.stack([f(x), f(x) ** 2], -1), points, batch_dims=1, **options)
    np.testing.assert_allclose(fields[:, 0], found, rtol=1e-12)
    with pytest.raises(MixedPointsError):
        operator(lambda x: f(x) * np.sum(x), points, batch_dims=1, **options)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda op: op.__name__)
def test_values_of_other_kinds(operator):
    assert operator(lambda t: t**4, 2.0) == {laplacian: 48, biharmonic: 24}[operator]
    assert operator(lambda x: np.sum(x**4), X.astype(np.float32)).dtype == np.float32
    assert operator(lambda x: np.sum(x) if x.size else 0.0, np.zeros(0)) == 0.0
    np.testing.assert_array_equal(operator(lambda x: x, X), np.zeros(3))
    assert operator(lambda x: 1.0, X) == 0.0
    z = X + 0.5j
    np.testing.assert_allclose(operator(lambda x: np.sum(x**4), z), {laplacian: 12 * z @ z, biharmonic: 72}[operator])
    with pytest.raises(NotHolomorphicError):
        operator(lambda x: np.sum(abs(x) ** 2), z)
    with pytest.raises(ValueError, match=rf"{operator.__name__} needs one array x and one result f\(x\)"):
        operator(lambda x: (x, x), X)
    with pytest.raises(ValueError, match=rf"{operator.__name__} needs one array x and one result f\(x\)"):
        operator(lambda p: p["a"], {"a": X})


@pytest.mark.parametrize("n", [1, 31, 33, 70])
def test_of_any_size(n):
    x = np.linspace(0.1, 1.0, n)
    f = lambda x: np.sum(np.sin(x) ** 2) * np.sum(x**3)
    for options in OPTIONS:
        assert laplacian(f, x, **options) == pytest.approx(np.trace(hessian(f, x)), rel=1e-11)
    sphere = lambda x: np.sum(x**2) ** 2
    assert biharmonic(sphere, x) == pytest.approx(8 * n * (n + 2), rel=1e-11)


def test_of_all_fourth_derivatives():
    f = lambda x: np.sin(x[0] * x[1]) * np.exp(x[2]) * np.tanh(x[0])
    tensor = derivative_tensor(f, X, 4)
    assert biharmonic(f, X) == pytest.approx(np.einsum("iijj", tensor), rel=1e-10)


def test_calls_of_f():
    calls = []
    laplacian(lambda x: calls.append(1) or energy(x), X)
    assert len(calls) == 1
    biharmonic(lambda x: calls.append(1) or energy(x), X)
    assert len(calls) == 2
    laplacian(lambda x: calls.append(1) or energy(x), X, chunk_size=2)
    assert len(calls) == 4


def test_a_function_that_needs_the_hessian_sees_its_arguments_unchanged():
    def f(x, data):
        data += 1
        return np.linalg.norm(x * data) ** 3

    data = np.ones(3)
    wanted = np.trace(hessian(lambda x: np.linalg.norm(2 * x) ** 3, X))
    assert laplacian(f, X, data) == pytest.approx(wanted)
    np.testing.assert_array_equal(data, 2 * np.ones(3))


def test_inside_other_derivatives():
    """Residuals of a differential equation, differentiated with respect to the parameters of a network."""
    W = np.cos(np.arange(12.0).reshape(4, 3))

    def residual(W, v):
        return laplacian(lambda x: v @ np.tanh(W @ x), X) - 1.0

    v = np.array([0.3, -0.7, 1.1, 0.2])
    by_hessian = lambda W, v: np.trace(hessian(lambda x: v @ np.tanh(W @ x), X)) - 1.0
    for i, mode in ((0, "forward"), (0, "reverse"), (1, "forward"), (1, "reverse")):
        found = gradient(lambda W, v: residual(W, v) ** 2, W, v, argnum=i, mode=mode)
        wanted = gradient(lambda W, v: by_hessian(W, v) ** 2, W, v, argnum=i, mode=mode)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-13)
    found = jacobian(lambda x: laplacian(energy, x), X)
    np.testing.assert_allclose(found, np.einsum("iij", derivative_tensor(energy, X, 3)), rtol=1e-10)
    assert derivative(lambda t: laplacian(lambda x: np.sum(np.sin(t * x)), X), 0.3) == pytest.approx(
        np.sum(-2 * 0.3 * np.sin(0.3 * X) - 0.3**2 * X * np.cos(0.3 * X)), rel=1e-12
    )
    inner = laplacian(lambda x: laplacian(energy, x) * derivative(lambda t: t**2 * x[0], 1.0), X)
    wanted = laplacian(lambda x: np.trace(hessian(energy, x)) * 2 * x[0], X)
    assert inner == pytest.approx(wanted, rel=1e-10)


def test_of_compiled_functions():
    numba = pytest.importorskip("numba")
    f = numba.njit(lambda x: np.sum(x**4))
    assert laplacian(f, X) == pytest.approx(12 * X @ X)
