"""Functions of ``numba.vectorize`` and ``numba.guvectorize`` called with duals."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import LostDerivativeError, NoRuleError, derivative, gradient, hessian, jacobian

numba = pytest.importorskip("numba")
float64 = numba.float64

X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def scalar(a, b):
    return a * b + np.sin(a)


def weighted(x, k, out):
    s = 0.0
    for i in range(len(x)):
        s += x[i] ** 2 * k
    out[0] = s


def scaled(x, k, out):
    for i in range(len(x)):
        out[i] = x[i] ** 2 * k


ELEMENTWISE = {
    "dynamic": numba.vectorize(scalar),
    "with signatures": numba.vectorize([float64(float64, float64)])(scalar),
}
WEIGHTED = numba.guvectorize(["void(float64[:], float64, float64[:])"], "(n),()->()")(weighted)
SCALED = numba.guvectorize("(n),()->(n)")(scaled)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_functions(name):
    f = ELEMENTWISE[name]
    np.testing.assert_array_equal(derivative(lambda k: f(X, k), 2.0), X)
    np.testing.assert_allclose(derivative(lambda x: f(x, x), X), 2 * X + np.cos(X), rtol=1e-14)
    for options in {}, {"mode": "reverse"}, {"sparse": True}:
        matrix = jacobian(lambda x: f(x, 2.0), X[0], **options)
        matrix = matrix.toarray() if "sparse" in options else matrix
        np.testing.assert_allclose(matrix, np.diag(2 + np.cos(X[0])), rtol=1e-14)
    np.testing.assert_allclose(
        hessian(lambda x: np.sum(f(x, x[0])) ** 2, X[0]),
        hessian(lambda x: np.sum(scalar(x, x[0])) ** 2, X[0]),
        rtol=1e-12,
    )
    assert derivative(lambda k: f(3.0, k), 2.0) == 3


def test_functions_with_core_dimensions():
    np.testing.assert_array_equal(derivative(lambda k: WEIGHTED(X, k), 2.0), np.sum(X**2, -1))
    expected = jacobian(lambda x: np.sum(x**2, -1) * x[0, 0], X)
    for mode in "forward", "reverse":
        np.testing.assert_allclose(jacobian(lambda x: WEIGHTED(x, x[0, 0]), X, mode=mode), expected, rtol=1e-14)
    np.testing.assert_allclose(
        hessian(lambda x: WEIGHTED(x, x[0]), X[0]), hessian(lambda x: np.sum(x**2) * x[0], X[0]), rtol=1e-14
    )


def test_functions_that_are_given_their_output():
    def f(x):
        out = np.zeros_like(x)
        SCALED(x, x[0], out)
        return out

    np.testing.assert_allclose(jacobian(f, X[0]), jacobian(lambda x: x**2 * x[0], X[0]), rtol=1e-14)
    np.testing.assert_array_equal(f(X[0]), X[0] ** 2)


REFUSED = {
    "plain output": (lambda x: SCALED(x, 1.0, np.zeros(3)), LostDerivativeError, "the output array holds plain values"),
    "out": (lambda x: ELEMENTWISE["dynamic"](x, x, out=np.zeros(3)), NoRuleError, "takes no out"),
    "where": (lambda x: ELEMENTWISE["dynamic"](x, x, where=x > 1), NoRuleError, "takes no where"),
    "method": (lambda x: ELEMENTWISE["dynamic"].reduce(x), NoRuleError, "only its calls have one"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_differentiated_is_refused(case):
    f, kind, words = REFUSED[case]
    with pytest.raises(kind, match=words):
        gradient(lambda x: np.sum(f(x)), X[0])
