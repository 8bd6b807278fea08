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


def drawing(x):
    return x * np.random.normal()  # noqa: NPY002  (as compiled code may have it)


ELEMENTWISE = {
    "dynamic": numba.vectorize(scalar),
    "with signatures": numba.vectorize([float64(float64, float64)])(scalar),
}
WEIGHTED = numba.guvectorize(["void(float64[:], float64, float64[:])"], "(n),()->()")(weighted)
WRITING = numba.guvectorize(["void(float64[:], float64[:], float64[:])"], "(n),(n)->(n)", writable_args=("k",))(
    lambda x, k, out: None
)
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


def moments(x, total, powers):
    s = 0.0
    for i in range(len(x)):
        s += x[i] ** 2
        powers[i] = x[i] ** 3
    total[0] = s


def by_numpy(x):
    return np.sum(x**2, -1), x**3


#: Functions of several results: one of signatures, and one that is compiled for its outputs.
MOMENTS = numba.guvectorize(["void(float64[:], float64[:], float64[:])"], "(n)->(),(n)")(moments)
OF_OUTPUTS = numba.guvectorize("(n)->(),(n)")(moments)


@pytest.mark.parametrize("options", [{}, {"mode": "reverse"}])
def test_functions_of_several_results(options):
    for f in (
        lambda f, x: f(x)[0],
        lambda f, x: f(x)[1],
        lambda f, x: f(x)[1] * f(x)[0][..., None] + x[0],
        lambda f, x: f(np.stack([x, x[::-1]]))[1],
    ):
        found = jacobian(lambda x: f(MOMENTS, x), X, **options)  # noqa: B023
        np.testing.assert_allclose(found, jacobian(lambda x: f(by_numpy, x), X), rtol=1e-14)  # noqa: B023
    values = MOMENTS(X)
    with_duals = []
    jacobian(lambda x: (with_duals.extend(MOMENTS(x)), x)[1], X, **options)
    for value, one in zip(values, with_duals, strict=True):
        np.testing.assert_array_equal(one.value, value)
    found = hessian(lambda x: np.sum(MOMENTS(x)[1]) * MOMENTS(x)[0], X[0])
    np.testing.assert_allclose(found, hessian(lambda x: np.sum(x**3) * np.sum(x**2), X[0]), rtol=1e-13)


@pytest.mark.parametrize("f", [MOMENTS, OF_OUTPUTS], ids=["signatures", "dynamic"])
def test_several_results_into_their_outputs(f):
    def into(x):
        total, powers = np.zeros_like(x[..., 0]), np.zeros_like(x)
        given = f(x, total, powers)
        assert given is None or (given[0] is total and given[1] is powers)
        return total[..., None] * powers

    def by_name(x):
        total, powers = np.zeros_like(x[..., 0]), np.zeros_like(x)
        f(x, out=(total, powers))
        return total[..., None] * powers

    wanted = jacobian(lambda x: np.sum(x**2, -1)[..., None] * x**3, X)
    np.testing.assert_allclose(jacobian(into, X), wanted, rtol=1e-14)
    if f is MOMENTS:
        np.testing.assert_allclose(jacobian(by_name, X), wanted, rtol=1e-14)
    with pytest.raises(LostDerivativeError, match="the output array holds plain values"):
        jacobian(lambda x: f(x, np.zeros(2), np.zeros((2, 3))), X)


REFUSED = {
    "plain output": (lambda x: SCALED(x, 1.0, np.zeros(3)), LostDerivativeError, "the output array holds plain values"),
    "out": (lambda x: ELEMENTWISE["dynamic"](x, x, out=np.zeros(3)), NoRuleError, "takes no out"),
    "where": (lambda x: ELEMENTWISE["dynamic"](x, x, where=x > 1), NoRuleError, "takes no where"),
    "draws": (numba.vectorize(drawing), NoRuleError, "it draws random numbers"),
    "writable": (lambda x: WRITING(x, np.zeros(3)), NoRuleError, "with writable arguments is not differentiated"),
    "method": (lambda x: ELEMENTWISE["dynamic"].reduce(x), NoRuleError, "only its calls have one"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_differentiated_is_refused(case):
    f, kind, words = REFUSED[case]
    with pytest.raises(kind, match=words):
        gradient(lambda x: np.sum(f(x)), X[0])
