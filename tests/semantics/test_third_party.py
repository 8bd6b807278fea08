"""Code of others that was written for NumPy arrays: what goes through it, and what says that it does not."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.optimize
import scipy.sparse.linalg
import scipy.special
import scipy.stats

from dualdiff import derivative, gradient, hessian, jacobian, jvp

X = np.array([1.3, 0.7, 0.8, 1.9, 1.2])


# -- what goes through -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [{}, {"chunk_size": 2, "mode": "forward"}, {"mode": "reverse"}])
def test_rosen_against_its_own_derivatives(options):
    rosen, der, hess = scipy.optimize.rosen, scipy.optimize.rosen_der, scipy.optimize.rosen_hess
    np.testing.assert_allclose(gradient(rosen, X, **options), der(X), rtol=1e-13, atol=1e-11)
    np.testing.assert_allclose(hessian(rosen, X, **options), hess(X), rtol=1e-13, atol=1e-11)
    np.testing.assert_allclose(jvp(rosen, X, X)[1], der(X) @ X)
    zero = np.zeros(5)
    np.testing.assert_array_equal(gradient(rosen, zero, **options), der(zero))
    np.testing.assert_array_equal(hessian(rosen, zero, **options), hess(zero))


def test_rosen_der_against_rosen_hess():
    hess = scipy.optimize.rosen_hess
    np.testing.assert_allclose(jacobian(scipy.optimize.rosen_der, X), hess(X), rtol=1e-13, atol=1e-11)


def test_rosen_of_many_variables_warns_that_it_is_slow():
    x = np.linspace(0.5, 1.5, 40)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        g = gradient(scipy.optimize.rosen, x, mode="forward")
    np.testing.assert_allclose(g, scipy.optimize.rosen_der(x), atol=1e-11)
    assert {w.category.__name__ for w in found} == {"ObjectArrayWarning"}


def test_vectorize():
    f = np.vectorize(lambda t, a: t**2 if t > a else t)
    np.testing.assert_array_equal(jacobian(lambda x: f(x, 1.0), X), np.diag(np.where(X > 1, 2 * X, 1.0)))
    np.testing.assert_array_equal(derivative(lambda x: f(x, 1.0), X), np.where(X > 1, 2 * X, 1.0))
    assert derivative(lambda t: f(t, 1.0), 3.0) == 6.0
    g = np.vectorize(lambda row: row @ row, signature="(n)->()")
    np.testing.assert_array_equal(gradient(lambda x: g(np.stack([x, x])).sum(), X), 4 * X)


def test_full():
    np.testing.assert_array_equal(jacobian(lambda x: np.full(2, x[0]), X), [[1, 0, 0, 0, 0]] * 2)
    np.testing.assert_array_equal(jacobian(lambda x: np.full(5, x), X), np.eye(5))
    assert derivative(lambda t: np.full((2, 2), t).sum(), 3.0) == 4.0


def test_plain_dot():
    A = np.arange(10.0).reshape(2, 5)
    np.testing.assert_array_equal(jacobian(lambda x: A.dot(x), X), A)
    np.testing.assert_array_equal(jacobian(lambda x: A.dot(x * x), X), 2 * A * X)
    np.testing.assert_array_equal(jacobian(jacobian(lambda x: A.dot(x * x)), X)[1], np.diag(2 * A[1]))


OTHER = {
    "np.r_": (lambda x: np.r_[1.0, x, 2.0], lambda x: np.concatenate([[1.0], x, [2.0]])),
    "np.c_": (lambda x: np.c_[x, x**2], lambda x: np.stack([x, x**2], axis=-1)),
    "np.ix_ of places": (lambda x: np.outer(x, x)[np.ix_([0, 1], [2, 3])], lambda x: np.outer(x[:2], x[2:4])),
    "enumerate": (lambda x: sum(i * e for i, e in enumerate(x)), lambda x: np.arange(5) @ x),
    "np.ndenumerate": (lambda x: sum(i * e for (i,), e in np.ndenumerate(x)), lambda x: np.arange(5) @ x),
    "sum": (lambda x: sum(x), np.sum),
    "max": (lambda x: max(x) * min(x), lambda x: np.max(x) * np.min(x)),
    "sorted": (lambda x: np.stack(sorted(x)), np.sort),
    "zip": (lambda x: sum(a * b for a, b in itertools.pairwise(x)), lambda x: x[1:] @ x[:-1]),
    "abs and pow": (lambda x: abs(-x) ** 2 + pow(x, 2), lambda x: 2 * x * x),
    "a list comprehension": (lambda x: np.array([np.sin(e) for e in x]), np.sin),
    "np.fromiter of objects": (lambda x: np.fromiter((e * e for e in x), object), lambda x: x * x),
    "unpacking": (lambda x: (lambda a, b, *rest: a * b + len(rest))(*x), lambda x: x[0] * x[1] + 3),
    "reversed": (lambda x: np.stack(list(reversed(x))), lambda x: x[::-1]),
    "np.nditer": (lambda x: sum(e.item() ** 2 for e in np.nditer(x, flags=["refs_ok"])), lambda x: x @ x),
    "a class": (lambda x: Quadratic(x).value(2.0), lambda x: x[0] * 4 + x[1] * 2 + x[2]),
}


class Quadratic:
    """Code that stores its coefficients."""

    def __init__(self, c):
        self.c = list(c)

    def value(self, t):
        return self.c[0] * t**2 + self.c[1] * t + self.c[2]


@pytest.mark.parametrize("name", OTHER)
def test_other_ways_to_write_it(name):
    f, g = OTHER[name]
    np.testing.assert_allclose(jacobian(f, X), jacobian(g, X), rtol=1e-14)
    np.testing.assert_allclose(jacobian(jacobian(f), X), jacobian(jacobian(g), X), rtol=1e-14)


def test_a_quadrature_and_an_integrator_in_plain_python():
    def trapezoids(f, a, b, n):
        h = (b - a) / n
        return h * (0.5 * f(a) + sum(f(a + i * h) for i in range(1, n)) + 0.5 * f(b))

    slope = derivative(lambda b: trapezoids(lambda t: t**2, 0.0, b, 200), 2.0)
    assert slope == pytest.approx(4.0, rel=1e-4)

    def runge_kutta(k):
        y, h = 1.0, 0.01
        for _ in range(100):
            a = -k * y
            b = -k * (y + h / 2 * a)
            c = -k * (y + h / 2 * b)
            d = -k * (y + h * c)
            y += h / 6 * (a + 2 * b + 2 * c + d)
        return y

    assert derivative(runge_kutta, 0.7) == pytest.approx(-np.exp(-0.7), rel=1e-9)
    assert derivative(derivative(runge_kutta), 0.7) == pytest.approx(np.exp(-0.7), rel=1e-9)


# -- what does not -----------------------------------------------------------------------------------------------------
M = np.diag([1.0, 2.0, 3.0])
REFUSING = {
    "scipy.linalg.solve": lambda x: scipy.linalg.solve(M, x),
    "scipy.linalg.expm": lambda x: scipy.linalg.expm(np.outer(x, x)),
    "scipy.linalg.det": lambda x: scipy.linalg.det(M * x),
    "interp1d": lambda x: scipy.interpolate.interp1d(X[:3], X[:3], fill_value="extrapolate")(x),
    "CubicSpline values": lambda x: scipy.interpolate.CubicSpline(np.arange(3.0), x)(0.5),
    "CubicSpline points": lambda x: scipy.interpolate.CubicSpline(np.arange(5.0), X)(x),
    "norm.pdf": lambda x: scipy.stats.norm.pdf(x),
    "random": lambda x: np.random.default_rng(0).normal(x),
    "savetxt": lambda x: np.savetxt("nowhere", x),
    "minimize": lambda x: scipy.optimize.minimize(lambda y: np.sum((y - 1) ** 2), x).x,
}


@pytest.mark.filterwarnings("ignore:.*dtype=object.* is deprecated in SciPy 1.18:DeprecationWarning")
@pytest.mark.parametrize("name", REFUSING)
def test_what_needs_floats_raises(name):
    with pytest.raises((TypeError, ValueError, NotImplementedError)):
        jacobian(REFUSING[name], X[:3])
    np.testing.assert_array_equal(gradient(lambda x: np.sum(x**2), X), 2 * X)


@pytest.mark.parametrize("function", [np.mean, np.var, np.std, np.median, np.ptp, np.average], ids=lambda f: f.__name__)
def test_statistics_of_a_list_of_floats(function):
    # numpy._core._methods makes the result from the dtype of the sum, which is an element of an object array here.
    def of_list(x):
        return function([v**2 for v in x])

    def of_array(x):
        return function(np.stack([v**2 for v in x]))

    for operator in gradient, hessian:
        for options in {}, {"mode": "reverse"}:
            np.testing.assert_allclose(operator(of_list, X, **options), operator(of_array, X, **options), atol=1e-14)
    np.testing.assert_allclose(derivative(lambda t: of_list(t * X), 2.0), derivative(lambda t: of_array(t * X), 2.0))
    method = getattr(np.ndarray, function.__name__, None)
    if callable(method):  # NumPy 2.0 has ptp as an attribute that only says where it went
        np.testing.assert_allclose(gradient(lambda x: method(np.asarray(x)), X), gradient(function, X), atol=1e-14)
        assert np.shape(gradient(lambda x: method(np.asarray(x), keepdims=True)[0], X)) == (5,)
