"""Operators on functions with uncertain constants, the lifetime of variables, and the memory of arrays."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dualdiff as dd
from dualdiff.uncertain import covariance_matrix, nominal_values, std_devs, uarray, ufloat
from dualdiff.uncertain.variables import _known

RNG = np.random.default_rng(0)
N = 70
NOMINAL, X = RNG.random((2, N)) + 0.5
COV = (lambda a: a @ a.T / 7000)(RNG.normal(size=(N, N)))


def f(x, a):
    return np.sum(np.sin(x * a) * x) + (x @ a) ** 2


#: Each takes the uncertain constants; with more than 64 elements, mixed mode records them.
OPERATORS = {
    "gradient, forward": lambda a: dd.gradient(lambda x: f(x, a), X, mode="forward"),
    "gradient, reverse": lambda a: dd.gradient(lambda x: f(x, a), X, mode="reverse"),
    "gradient, few": lambda a: dd.gradient(lambda x: f(x, a[:5]), X[:5]),
    "gradient, mixed": lambda a: dd.gradient(lambda x: np.sum(np.sin(x[0] * a) * x[1]), X[:2]),
    "hessian": lambda a: dd.hessian(lambda x: f(x, a[:5]), X[:5]),
    "hessian, reverse": lambda a: dd.hessian(lambda x: f(x, a[:5]), X[:5], mode="reverse"),
    "hessian_diagonal": lambda a: dd.hessian_diagonal(lambda x: f(x, a[:5]), X[:5]),
    "laplacian": lambda a: dd.laplacian(lambda x: f(x, a[:5]), X[:5]),
    "jacobian, forward": lambda a: dd.jacobian(lambda x: np.cumsum(x * a)[:4], X, mode="forward"),
    "jacobian, reverse": lambda a: dd.jacobian(lambda x: np.cumsum(x * a)[:4], X, mode="reverse"),
    "jacobian, batch": lambda a: dd.jacobian(lambda x: x * a[:35, None], X.reshape(35, 2), batch_dims=1),
    "jvp": lambda a: dd.jvp(lambda x: f(x, a), X, X)[1],
    "vjp": lambda a: dd.vjp(lambda x: x * a, X)[1](X),
    "linearize": lambda a: dd.linearize(lambda x: np.exp(x) * a, X)[1](X),
    "hvp": lambda a: dd.hvp(lambda x: f(x, a), X, X),
    "derivative at points": lambda a: dd.derivative(lambda x: np.sin(x) * a, X),
    "derivative of scalars": lambda a: dd.derivative(lambda x: sum(e * x**2 for e in a), 2.0),
    "nth_derivative": lambda a: dd.nth_derivative(lambda x: np.sin(x * a[0]) * a[1], 1.0, 3),
    "taylor": lambda a: dd.taylor(lambda x: np.sin(x * a[0]) * a[1], 1.0, 3),
    "with respect to them": lambda a: dd.gradient(lambda b: f(X, b), a),
    "with respect to them, reverse": lambda a: dd.gradient(lambda b: f(X, b), a, mode="reverse"),
    "hessian with respect to them": lambda a: dd.hessian(lambda b: f(X[:5], b), a[:5]),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_takes_uncertain_constants(name):
    """The standard deviation of a derivative, from its derivative with respect to the constants."""
    operator = OPERATORS[name]
    y = operator(uarray(NOMINAL, cov=COV))
    slopes = np.reshape(dd.jacobian(operator, NOMINAL), (-1, N))
    expected = np.sqrt(np.einsum("ki,ij,kj->k", slopes, COV, slopes))
    assert_allclose(np.ravel(std_devs(y)), expected, rtol=1e-10, atol=1e-13)
    assert_allclose(nominal_values(y), operator(NOMINAL), rtol=1e-14)


def with_scipy():
    """Functions of three values through solvers of SciPy."""
    pytest.importorskip("scipy")
    from dualdiff.scipy import integrate, interpolate, linalg, optimize

    at = np.linspace(0.0, 1.0, 3)

    def oscillation(p):
        def slope(t, y):
            return np.stack([-p[0] * y[0] + p[1], p[2] * y[0] - y[1]])

        return integrate.solve_ivp(slope, (0, 1), [1.0, 0.0], rtol=1e-6).y[:, -1]

    return {
        "solve_ivp": oscillation,
        "quad": lambda p: integrate.quad(lambda x: np.exp(-p[0] * x) * p[1], 0, p[2])[0],
        "root": lambda p: optimize.root(lambda x: np.stack([x[0] ** 2 - p[0] * p[1], x[1] + x[0] - p[2]]), [1, 1]).x,
        "curve_fit": lambda p: optimize.curve_fit(lambda x, a, b: a * np.exp(b * x), at, p, [1.0, 0.1])[0],
        "expm": lambda p: linalg.expm(np.outer(p, p) / 5),
        "CubicSpline": lambda p: interpolate.CubicSpline(at, p)(0.3),
    }


@pytest.mark.parametrize("name", ["solve_ivp", "quad", "root", "curve_fit", "expm", "CubicSpline"])
def test_solvers_of_scipy_take_uncertain_values(name):
    f, nominal, cov = with_scipy()[name], np.array([1.2, 0.7, 2.1]), np.diag([0.01, 0.04, 0.02]) + 0.004
    slopes = np.reshape(dd.jacobian(f, nominal), (-1, 3))
    found = covariance_matrix(f(uarray(nominal, cov=cov)))
    assert_allclose(found, slopes @ cov @ slopes.T, rtol=1e-9, atol=1e-12)


def test_variables_live_as_long_as_values_that_depend_on_them():
    x, a = ufloat(1.0, 0.1), uarray(np.ones(3), 0.1)
    gc.collect()
    before = len(_known)
    for _ in range(20):
        y = x * ufloat(2.0, 0.1)
        z = y + x + a * uarray(np.ones(3), 0.1) * y
        covariance_matrix([z + a, x - y])
    del y, z
    gc.collect()
    assert len(_known) == before
    group = next(iter(x.derivatives)).group
    alive, y = weakref.ref(group), x * 2
    del x, group
    assert next(iter(y.derivatives)).nominal_value == 1.0
    del y
    gc.collect()
    assert alive() is None


def test_independent_values_fit_in_three_arrays():
    n = 100_000
    values, std = np.ones(n), np.full(n, 0.1)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        x = uarray(values, std)
        made = tracemalloc.get_traced_memory()[0]
        y = np.sin(x)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert made - before < 3.01 * values.nbytes
    assert held - made < 2.01 * values.nbytes
    assert y.s[0] == pytest.approx(0.1 * np.cos(1.0))


def test_compiled_functions_take_uncertain_values():
    numba = pytest.importorskip("numba")

    @numba.njit
    def square(x):
        return x * x + 1

    x, a = ufloat(1.0, 0.1), uarray([1.0, 2.0], 0.1)
    assert square(x).s == pytest.approx(0.2)
    assert_allclose(square(a).s, [0.2, 0.4])
    assert (square(x) - x**2).s == 0
