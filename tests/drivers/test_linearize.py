"""linearize and vjp: the recorded run as a linear map, applied forwards and transposed, and in SciPy's solvers."""

from __future__ import annotations

import pickle
from typing import NamedTuple

import numpy as np
import pytest

from dualdiff import NotHolomorphicError, gradient, jacobian, jvp, linearize, vjp

X = np.array([0.3, -1.2, 2.1])


def counted(f):
    """The function with a count of its calls."""

    def g(x):
        g.calls += 1
        return f(x)

    g.calls = 0
    return g


def bent(x):
    """A map of three elements to four."""
    return np.stack([np.sin(x[0]) * x[1], x[2] ** 2, np.exp(x[0] - x[2]), x[1] / x[2]])


def bent_jacobian(x):
    a, b, c = x
    e = np.exp(a - c)
    return np.array([[np.cos(a) * b, np.sin(a), 0], [0, 0, 2 * c], [e, 0, -e], [0, 1 / c, -b / c**2]])


# -- linearize ---------------------------------------------------------------------------------------------------------
def test_linearize_runs_f_once_and_serves_many_products():
    f = counted(bent)
    y, L = linearize(f, X)
    np.testing.assert_array_equal(y, bent(X))
    J, rng = bent_jacobian(X), np.random.default_rng(0)
    for _ in range(5):
        v, w = rng.normal(size=3), rng.normal(size=4)
        np.testing.assert_allclose(L(v), J @ v, rtol=1e-14)
        np.testing.assert_allclose(L.T(w), w @ J, rtol=1e-14)
        np.testing.assert_allclose(w @ L(v), L.T(w) @ v, rtol=1e-13)
    assert f.calls == 1


def test_transposed_and_transposed_again():
    _, L = linearize(bent, X)
    assert L.shape == (4, 3)
    assert L.T.shape == (3, 4)
    np.testing.assert_array_equal(L.T.T(X), L(X))
    assert repr(L).startswith("<linear map of shape (4, 3), recorded in ")


class Pair(NamedTuple):
    first: object
    second: object


def test_linearize_of_containers():
    A = np.arange(6.0).reshape(2, 3)

    def f(p):
        return {"sum": p["scale"] * np.sum(p["pair"].first), "product": (A @ p["pair"].second,)}

    x = {"scale": 2.0, "pair": Pair(np.ones((2, 2)), X)}
    y, L = linearize(f, x)
    assert y["sum"] == 8.0
    v = {"scale": 1.0, "pair": Pair(np.zeros((2, 2)), np.array([0.0, 1.0, 0.0]))}
    slope = L(v)
    assert slope["sum"] == 4.0
    np.testing.assert_array_equal(slope["product"][0], A[:, 1])
    pulled = L.T({"sum": 1.0, "product": (np.array([0.0, 1.0]),)})
    assert pulled["scale"] == 4.0
    assert type(pulled["pair"]) is Pair
    np.testing.assert_array_equal(pulled["pair"].first, np.full((2, 2), 2.0))
    np.testing.assert_array_equal(pulled["pair"].second, A[1])
    assert L.shape == (3, 8)
    operator = L.as_linear_operator()
    np.testing.assert_array_equal(operator @ np.arange(8.0), [2 * 10 + 0, *(A @ [5.0, 6.0, 7.0])])
    np.testing.assert_array_equal(operator.T @ [1.0, 0.0, 1.0], [4, 2, 2, 2, 2, *A[1]])


def test_linearize_of_scalars():
    y, L = linearize(lambda x: x**3, 2.0)
    assert (y, L(2.0), L.T(3.0)) == (8.0, 24.0, 36.0)
    _, L = linearize(lambda x: x * X, 2.0)
    np.testing.assert_array_equal(L(1.0), X)
    assert L.T(X) == np.sum(X * X)


def test_linearize_in_single_precision():
    x = X.astype(np.float32)
    y, L = linearize(bent, x)
    assert y.dtype == L(X).dtype == L.T(np.ones(4)).dtype == np.float32
    np.testing.assert_allclose(L(X), bent_jacobian(X) @ X, rtol=1e-6, atol=1e-6)


def test_linearize_of_a_holomorphic_function():
    z, v = np.array([1 + 2j, 0.5 - 1j]), np.array([1j, 2.0])
    _, L = linearize(lambda z: z**3 * np.sum(z), z)
    J = np.diag(3 * z**2 * np.sum(z)) + (z**3)[:, None]
    np.testing.assert_allclose(L(v), J @ v, rtol=1e-14)
    np.testing.assert_allclose(L.T(v), v @ J, rtol=1e-14)
    with pytest.raises(NotHolomorphicError, match=r"dualdiff\.jvp or dualdiff\.vjp"):
        linearize(np.abs, z)


def test_linearize_with_aux_and_as_a_function():
    y, L, aux = linearize(lambda x, k: (k * x, {"seen": x}), X, 2.0, has_aux=True)
    np.testing.assert_array_equal(aux["seen"], X)
    np.testing.assert_array_equal(L(X), 2 * X)
    y, L = linearize(lambda k, x: k * x, argnum=1)(3.0, X)
    np.testing.assert_array_equal(y, 3 * X)
    np.testing.assert_array_equal(L.T(X), 3 * X)


def test_what_the_products_return_is_the_callers_own():
    v = np.ones(3)
    _, L = linearize(lambda x: x, X)
    for linear in (L, L.T):
        linear(v)[0] = 7.0
        np.testing.assert_array_equal(linear(v), np.ones(3))
    np.testing.assert_array_equal(v, np.ones(3))


def test_gradients_of_several_arrays_do_not_share_memory():
    def f(p):
        a, b = p
        return np.sum((a + b) ** 2)

    for nested in (lambda f, p: gradient(f, p, mode="reverse"), lambda f, p: linearize(f, p)[1].T(1.0)):
        of_a, of_b = nested(f, (X, X))
        of_a[0] = 7.0
        np.testing.assert_array_equal(of_b, 4 * X)

    def g(x):
        of_a, of_b = gradient(f, (x, x), mode="reverse")
        of_a[:] = 0.0
        return of_b

    np.testing.assert_array_equal(jacobian(g, X), 4 * np.eye(3))


def test_wrong_directions_are_refused():
    _, L = linearize(bent, X)
    with pytest.raises(ValueError, match=r"direction v has shape \(4,\), but shape \(3,\) is needed"):
        L(np.ones(4))
    with pytest.raises(ValueError, match=r"cotangent w has shape \(3,\), but shape \(4,\) is needed"):
        L.T(np.ones(3))
    with pytest.raises(TypeError, match="complex, but must be real"):
        L(1j * X)
    with pytest.raises(TypeError, match="not numeric"):
        L(np.array(["a", "b", "c"]))
    with pytest.raises((TypeError, ValueError), match="direction v"):
        L((X,))


@pytest.mark.filterwarnings("ignore::dualdiff.ConstantResultWarning")
def test_a_constant_function_has_zero_products():
    _, L = linearize(lambda x: np.array([1.0, 2.0]), X)
    np.testing.assert_array_equal(L(X), np.zeros(2))
    np.testing.assert_array_equal(L.T(np.ones(2)), np.zeros(3))
    assert linearize(lambda x: 3.0, X)[1](X) == 0.0


def test_linearize_inside_another_differentiation():
    def norm_of_product(x, v):
        _, L = linearize(bent, x)
        return np.sum(L(v) ** 2)

    expected = jacobian(lambda x: np.sum(jvp(bent, x, X)[1] ** 2), X)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(gradient(norm_of_product, X, X, mode=mode), expected, rtol=1e-13)
        along = gradient(norm_of_product, X, X, argnum=1, mode=mode)
        np.testing.assert_allclose(along, 2 * bent_jacobian(X).T @ bent_jacobian(X) @ X, rtol=1e-13)


def test_a_linear_map_cannot_be_pickled():
    with pytest.raises(TypeError, match="call linearize in the process that uses it"):
        pickle.dumps(linearize(bent, X)[1])


# -- the linear operator in SciPy's solvers ----------------------------------------------------------------------------
def test_linear_operator_solves():
    linalg = pytest.importorskip("scipy.sparse.linalg")
    rng = np.random.default_rng(1)
    A, b = rng.normal(size=(6, 6)) / 6 + np.eye(6), rng.normal(size=6)

    def f(x):
        return A @ x + 0.1 * x**3

    x = rng.normal(size=6)
    J = A + np.diag(0.3 * x**2)
    operator = linearize(f, x)[1].as_linear_operator()
    assert operator.dtype == np.float64
    np.testing.assert_allclose(linalg.gmres(operator, b, rtol=1e-12)[0], np.linalg.solve(J, b), rtol=1e-9)
    np.testing.assert_allclose(linalg.lsqr(operator, b, atol=1e-13, btol=1e-13)[0], np.linalg.solve(J, b), rtol=1e-8)
    found = linalg.eigs(operator, k=2, v0=b, return_eigenvectors=False)
    largest = sorted(np.linalg.eigvals(J), key=abs)[-2:]
    np.testing.assert_allclose(sorted(abs(found)), sorted(map(abs, largest)), rtol=1e-9)
    np.testing.assert_allclose(linalg.svds(operator, k=1, v0=b)[1], np.linalg.svdvals(J)[:1], rtol=1e-9)


C = np.array([[1 + 1j, 2.0], [0.5j, -1.0], [2.0, 1 - 1j]])
R = np.array([[1.0, -2.0]])
OPERATORS = {
    "real": (lambda x: R @ x, X[:2], R),
    "complex": (lambda x: C @ x, X[:2] + 1j, C),
    "real to complex": (lambda x: C @ x, X[:2], C),
    "real to both": (lambda x: (C @ x, R @ x), X[:2], np.concatenate([C, R])),
    "both to complex": (lambda p: C @ p[0] + C @ p[1], (X[:2], 1j * X[:2]), np.concatenate([C, C], axis=1)),
    "both to both": (lambda p: (C @ p[1], R @ p[0]), (X[:2], 1j * X[:2]), np.block([[0 * C, C], [R, 0 * R]])),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_linear_operator_is_the_matrix(name):
    pytest.importorskip("scipy.sparse.linalg")
    f, x, J = OPERATORS[name]
    _, L = linearize(f, x)
    rng = np.random.default_rng(2)
    for operator, matrix in ((L.as_linear_operator(), J), (L.T.as_linear_operator(), J.T)):
        assert operator.shape == matrix.shape
        assert operator.dtype == matrix.dtype
        m, n = matrix.shape
        for unit in 0.0, 1j:
            v, w = rng.normal(size=(2, n)), rng.normal(size=(2, m))
            v, w = (v[0] + unit * v[1], w[0] + unit * w[1])
            np.testing.assert_allclose(operator @ v, matrix @ v, rtol=1e-13)
            np.testing.assert_allclose(operator.T @ w, matrix.T @ w, rtol=1e-13, atol=1e-15)
            np.testing.assert_allclose(operator.H @ w, matrix.conj().T @ w, rtol=1e-13, atol=1e-15)
            np.testing.assert_allclose(operator @ ((1 + unit) * np.eye(n)), (1 + unit) * matrix, rtol=1e-13)


# -- vjp ---------------------------------------------------------------------------------------------------------------
def test_vjp():
    f = counted(bent)
    y, pull = vjp(f, X)
    np.testing.assert_array_equal(y, bent(X))
    for w in np.eye(4):
        np.testing.assert_allclose(pull(w), w @ bent_jacobian(X), rtol=1e-14)
    assert f.calls == 1
    y, pull, aux = vjp(lambda x: (x[0], x), X, has_aux=True)
    np.testing.assert_array_equal(aux, X)
    np.testing.assert_array_equal(pull(2.0), [2.0, 0.0, 0.0])


def test_vjp_of_a_function_that_is_not_holomorphic():
    z = np.array([1 + 2j, 0.5 - 1j])
    w, v = np.array([0.3 - 1j, 2j]), np.array([1 - 1j, 0.2])

    def f(z):
        return np.conj(z) * np.abs(z) + np.real(z) * np.imag(z[::-1]) + 1j * z.real**2

    _, pull = vjp(f, z)
    np.testing.assert_allclose(np.sum(pull(w) * v).real, np.sum(w * jvp(f, z, v)[1]).real, rtol=1e-13)


def test_real_cotangents_of_a_complex_number_add_up_with_complex_ones():
    # The first two contributions to the cotangent of z are real, the third is not.
    def f(x):
        z = x * (1 + 1j)
        return np.sum(np.imag(z * z) + np.real(z) + 3 * np.real(z))

    np.testing.assert_allclose(gradient(f, X, mode="reverse"), gradient(f, X, mode="forward"), rtol=1e-14)
