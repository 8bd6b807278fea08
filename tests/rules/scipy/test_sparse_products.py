"""Products of duals with scipy.sparse matrices, compared with the same products with dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.base.errors import NoRuleError
from tests.support.versions import SPARSE_OF_MORE_AXES

sparse = pytest.importorskip("scipy.sparse")

DENSE = np.array([[2.0, 0, -1, 0], [0, 0, 0.5, 0], [0, 0, 0, 0], [1, 0, 0, 3], [0, -4, 0, 0]])
X = np.array([0.3, -1.2, 2.1, 0.7])
FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
KINDS = [(kind, name) for kind in ("array", "matrix") for name in FORMATS]


def made(kind, name, dense=DENSE):
    return getattr(sparse, f"{name}_{kind}")(dense)


def same(f, g, x):
    """Differentiate f in every mode, and compare with g, which uses dense matrices."""
    np.testing.assert_array_equal(dd.value_and_jacobian(f, x)[0], f(x))
    expected = dd.jacobian(g, x)
    for options in {"mode": "forward"}, {"mode": "forward", "chunk_size": 1}, {"mode": "reverse"}:
        found = dd.jacobian(f, x, **options)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
    flat = expected.reshape(-1, x.size)
    np.testing.assert_allclose(dd.jacobian(f, x, sparse=True).toarray(), flat, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(dd.jvp(f, x, np.cos(x))[1], dd.jvp(g, x, np.cos(x))[1], rtol=1e-13, atol=1e-13)
    w = np.sin(np.arange(np.size(f(x))) + 1.0).reshape(np.shape(f(x)))
    np.testing.assert_allclose(dd.vjp(f, x)[1](w), dd.vjp(g, x)[1](w), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_every_format(kind, name):
    a = made(kind, name)
    same(lambda x: a @ np.sin(x), lambda x: DENSE @ np.sin(x), X)
    same(lambda x: a.dot(x) * x[0], lambda x: DENSE @ x * x[0], X)
    same(lambda x: np.exp(x) @ a.T, lambda x: np.exp(x) @ DENSE.T, X)
    same(lambda x: a @ np.outer(x, x[:3] ** 2), lambda x: DENSE @ np.outer(x, x[:3] ** 2), X)
    same(lambda x: np.outer(x[:2] ** 2, x) @ a.T, lambda x: np.outer(x[:2] ** 2, x) @ DENSE.T, X)
    same(lambda x: a @ (x**2)[:, None], lambda x: DENSE @ (x**2)[:, None], X)


@pytest.mark.parametrize("name", FORMATS)
def test_star_of_a_matrix_is_the_matrix_product(name):
    a = made("matrix", name)
    same(lambda x: a * np.sin(x), lambda x: DENSE @ np.sin(x), X)
    same(lambda x: np.sin(x) * a.T, lambda x: np.sin(x) @ DENSE.T, X)


@pytest.mark.parametrize("dtype", [bool, int, np.float32, complex])
def test_every_dtype(dtype):
    dense = (DENSE * (1 + 2j) if dtype is complex else DENSE).astype(dtype)
    a = sparse.csr_array(dense)
    for x in X, X.astype(np.float32):
        f, g = (lambda x, m=m: np.abs(m @ np.sin(x)) ** 2 for m in (a, dense))
        np.testing.assert_allclose(dd.jacobian(f, x), dd.jacobian(g, x), rtol=1e-5)
    same(lambda x: (a @ x**2).real, lambda x: (dense @ x**2).real, X)
    z = X + 1j * X[::-1]
    np.testing.assert_allclose(dd.jacobian(lambda z: a @ z**2, z), dd.jacobian(lambda z: dense @ z**2, z), rtol=1e-13)


def test_a_sparse_vector():
    v = sparse.coo_array(np.array([1.0, 0, -2, 0.5]))
    dense = v.toarray()
    same(lambda x: v @ np.sin(x), lambda x: dense @ np.sin(x), X)
    same(lambda x: np.sin(x) @ v, lambda x: np.sin(x) @ dense, X)
    same(lambda x: v @ np.outer(x, x), lambda x: dense @ np.outer(x, x), X)


def test_nested_derivatives():
    a, b = sparse.csr_array(DENSE), DENSE
    f, g = (lambda x, m=m: np.sum(np.sin(m @ x**2) * (x @ m.T)) for m in (a, b))
    for mode in "forward", "reverse":
        np.testing.assert_allclose(dd.gradient(f, X, mode=mode), dd.gradient(g, X), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(dd.hessian(f, X, mode=mode), dd.hessian(g, X), rtol=1e-12, atol=1e-13)
    third = [dd.jacobian(dd.hessian(h), X) for h in (f, g)]
    np.testing.assert_allclose(third[0], third[1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dd.hvp(f, X, X[::-1]), dd.hvp(g, X, X[::-1]), rtol=1e-12, atol=1e-13)


def test_the_sparsity_pattern_is_that_of_the_matrix():
    a = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(6, 6))
    x = np.linspace(1, 2, 6)
    for f in (lambda x: a @ x**2), (lambda x: x**2 @ a):
        assert np.array_equal(dd.jacobian_sparsity(f, x).toarray(), a.toarray() != 0)


def test_a_matrix_that_changes_during_the_call():
    def f(x, wrapped):
        a = DENSE.copy()
        m = sparse.csr_array(a) if wrapped else a
        y = m @ x**2
        (m.data if wrapped else m)[...] *= 3.0
        return y + m @ x

    np.testing.assert_allclose(dd.jacobian(f, X, True, mode="reverse"), dd.jacobian(f, X, False), rtol=1e-13)


def test_a_heat_equation():
    n, dt = 40, 1e-4
    a = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n), format="csr") * n**2

    def energy(u, m):
        for _ in range(20):
            u = u + dt * (m @ u - u**3)
        return np.sum(u**2)

    u = np.sin(np.linspace(0, np.pi, n))
    expected = dd.gradient(energy, u, a.toarray())
    np.testing.assert_allclose(dd.gradient(energy, u, a), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dd.gradient(energy, u, a, mode="forward"), expected, rtol=1e-12, atol=1e-12)


def test_errors_of_scipy_are_kept():
    a = sparse.csr_array(DENSE)
    for f in (lambda x: a @ x[:2]), (lambda x: x @ a), (lambda x: a @ x[0]):
        with pytest.raises(ValueError, match=r"mismatch|Scalar operands") as plain:
            f(X)
        with pytest.raises(ValueError, match=r"mismatch|Scalar operands") as dual:
            dd.jacobian(f, X)
        assert str(dual.value) == str(plain.value)


@pytest.mark.skipif(not SPARSE_OF_MORE_AXES, reason="an older SciPy has none")
def test_arrays_with_more_axes_have_no_rule():
    a = sparse.coo_array(np.ones((2, 3, 4)))
    with pytest.raises(NoRuleError, match=r"scipy.sparse array of shape \(2, 3, 4\).*custom_derivative"):
        dd.jacobian(lambda x: a @ x, X)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, a: (a * x[0]) @ x,
        lambda x, a: (a / x[0]) @ x,
        lambda x, a: a @ np.array([x[0], x[1], x[2], x[3]]),
        lambda x, a: a.multiply(x).toarray(),
        lambda x, a: sparse.diags_array(x) @ x,
    ],
)
def test_duals_in_a_plain_matrix_are_refused_with_what_to_write(f):
    for name in "csr", "coo":
        with pytest.raises((TypeError, ValueError)) as error:
            dd.jacobian(f, X, made("array", name))
        said = "".join(getattr(error.value, "__notes__", [str(error.value)]))
        assert "write k * A for A * k" in said
        assert "the matrices that dualdiff.scipy.sparse makes of duals" in said
        assert "np.stack" in said
        assert "custom_derivative" in said
