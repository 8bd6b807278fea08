"""``derivative`` over points, through products that keep the points apart."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import MixedPointsError, derivative, gradient, jacobian, jvp

RNG = np.random.default_rng(2)
X = np.linspace(0.1, 1.3, 5)
W, B, V = RNG.normal(size=(3, 4))
A = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
SPD = A @ A.T

#: Functions of points that combine elements, but never those of two points.
APART = {
    "outer": lambda x: np.tanh(np.outer(x, W) + B) @ V,
    "x[:, None] * w @ v": lambda x: np.tanh(x[:, None] * W + B) @ V,
    "v @ (points last)": lambda x: V @ np.tanh(W[:, None] * x),
    "matmul": lambda x: np.tanh(x[:, None] @ W[None] + B) @ V,
    "stacked matmul": lambda x: ((A * x[:, None, None]) @ (A + x[:, None, None]))[:, 0, 1],
    "matvec of a stack": lambda x: np.matmul(A * x[:, None, None], np.ones((3, 1)))[..., 0, 0] ** 2,
    "einsum": lambda x: np.einsum("ij,j->i", np.tanh(np.einsum("i,j->ij", x, W) + B), V),
    "einsum, three operands": lambda x: np.einsum(
        "ij,ik,jk->i", x[:, None] * W, np.sin(np.outer(x, W)), np.outer(V, B)
    ),
    "einsum, a diagonal": lambda x: np.einsum("nii->n", np.sin(x[:, None, None] * A)),
    "dot": lambda x: np.dot(np.tanh(x[:, None] * W + B), V),
    "inner": lambda x: np.inner(np.tanh(x[:, None] * W + B), V),
    "vdot of parts": lambda x: np.stack([np.vdot(V, t * W) for t in x]),
    "tensordot": lambda x: np.tensordot(V, np.outer(W, np.exp(x)), axes=(0, 0)),
    "kron": lambda x: np.kron(np.sin(x), np.ones(1)),
    "cross": lambda x: np.cross(np.outer(x**2, [1.0, 2.0, 3.0]), [0.5, 0.2, -1.0])[:, 1],
    "cumsum": lambda x: np.cumsum(np.outer(x, W), axis=1)[:, 2] ** 2,
    "cumprod": lambda x: np.cumprod(1 + np.outer(x, W), axis=1)[:, -1],
    "trapezoid": lambda x: np.trapezoid(np.exp(np.outer(x, W)), B, axis=1),
    "diff": lambda x: np.diff(np.outer(x**2, W), axis=1)[:, 1],
    "fft": lambda x: np.real(np.fft.fft(np.outer(np.sin(x), W), axis=1))[:, 1],
    "det": lambda x: np.linalg.det(A + x[:, None, None] * np.eye(3)),
    "slogdet": lambda x: np.linalg.slogdet(SPD + x[:, None, None] * np.eye(3))[1],
    "inv": lambda x: np.linalg.inv(A + x[:, None, None] * np.eye(3))[:, 0, 1],
    "solve": lambda x: np.linalg.solve(A * x[:, None, None] + A.T, np.ones((5, 3, 1)))[:, 2, 0],
    "solve, several columns": lambda x: np.linalg.solve(A, np.outer(V[:3], np.sin(x)))[1],
    "eigvalsh": lambda x: np.linalg.eigvalsh(SPD + np.diag([1.0, 2.0, 4.0]) * x[:, None, None])[:, 0],
    "cholesky": lambda x: np.linalg.cholesky(SPD + x[:, None, None] * np.eye(3))[:, 2, 1],
    "norm": lambda x: np.linalg.norm(np.outer(x, W) + B, axis=1),
    "points in a matrix": lambda x: np.einsum("ijk,k->ij", np.sin(x.reshape(5, 1)[:, :, None] * W), V).ravel(),
}


@pytest.mark.parametrize("name", APART)
def test_products_that_keep_points_apart(name):
    f = APART[name]
    expected = np.diagonal(jacobian(f, X))
    np.testing.assert_allclose(derivative(f, X), expected, rtol=1e-12, atol=1e-14)
    rows = derivative(lambda x: f(x)[:, None] * V, X)
    np.testing.assert_allclose(rows, expected[:, None] * V, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", APART)
def test_second_derivatives_through_products(name):
    f = APART[name]
    expected = np.array([jacobian(jacobian(f), X)[i, i, i] for i in range(5)])
    np.testing.assert_allclose(derivative(derivative(f), X), expected, rtol=1e-10, atol=1e-12)


SUBSCRIPTS = ["i,j->ij", "i,j->i", "i,ij->i", "i,ij->j", "ij,j->i", "i,i->i", "i,jk->ijk", "ij,jk->ik", "ij,kj->ik"]
C = RNG.normal(size=(3, 3))


@pytest.mark.parametrize("which", ["first", "second", "both"])
@pytest.mark.parametrize("subscripts", SUBSCRIPTS)
def test_a_product_is_right_or_refused(subscripts, which):
    """Where the whole Jacobian shows that points are met, there is an error, and never a number."""
    x = X[:3]
    letters = subscripts.split("->")[0].split(",")

    def f(x):
        points, constants = {1: x, 2: np.outer(np.sin(x), C[0])}, {1: C[1], 2: C}
        kinds = {"first": (points, constants), "second": (constants, points), "both": (points, points)}[which]
        return np.einsum(subscripts, *(kind[len(s)] for kind, s in zip(kinds, letters, strict=True)))

    J = jacobian(f, x)
    try:
        found = derivative(f, x)
    except MixedPointsError:
        return
    for k in range(found.ndim):
        rows = np.moveaxis(J, k, 0)
        own = np.stack([rows[i][..., i] for i in range(3)])
        if np.count_nonzero(rows) == np.count_nonzero(own) and np.allclose(np.moveaxis(found, k, 0), own, rtol=1e-12):
            return
    pytest.fail(f"{found} is not the derivative at each point: {J}")


def test_sparse_products_keep_columns_apart():
    sparse = pytest.importorskip("scipy.sparse")
    S = sparse.csr_array(np.triu(A))
    f = lambda x: (S @ np.outer(V[:3], np.sin(x)))[1]
    np.testing.assert_allclose(derivative(f, X), np.diagonal(jacobian(f, X)), rtol=1e-13)
    with pytest.raises(MixedPointsError, match=r"uses a product with a scipy\.sparse matrix along the points"):
        derivative(lambda x: S @ x, X[:3])


def test_points_in_a_matrix():
    points = X[:4].reshape(2, 2)
    f = lambda x: np.tanh(x[..., None] * W) @ V
    np.testing.assert_allclose(derivative(f, points), derivative(f, X[:4]).reshape(2, 2), rtol=1e-14)
    with pytest.raises(MixedPointsError, match=r"points \(2, 2\).*einsum along the points.*batch_dims=2"):
        derivative(lambda x: x @ A[:2, :2], points)


def test_gradients_of_a_loss_with_derivatives_in_it():
    """u'' + u of a small network, by hand and in every mode."""
    p = {"w": W, "b": B, "v": V}
    net = lambda p, x: np.tanh(np.outer(x, p["w"]) + p["b"]) @ p["v"]

    def loss(p):
        u = lambda t: net(p, t)
        return np.mean((derivative(derivative(u))(X) + u(X)) ** 2)

    def by_hand(p):
        t = np.tanh(np.outer(X, p["w"]) + p["b"])
        return np.mean(((-2 * t * (1 - t**2) * p["w"] ** 2) @ p["v"] + t @ p["v"]) ** 2)

    np.testing.assert_allclose(loss(p), by_hand(p), rtol=1e-13)
    for mode in ("auto", "forward", "reverse"):
        found, expected = gradient(loss, p, mode=mode), gradient(by_hand, p)
        for key in p:
            np.testing.assert_allclose(found[key], expected[key], rtol=1e-10, atol=1e-13)


#: Functions of each point by itself whose products could mix points, for all that their shapes tell.
UNSEEN = {
    "an identity matrix": lambda x: np.eye(5) @ x**2,
    "a diagonal matrix": lambda x: np.diag(W[[0, 1, 2, 3, 0]]) @ np.sin(x),
    "undone": lambda x: np.flip(np.eye(5)[::-1] @ x),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_the_advice_on_mixed_points_works(name):
    f = UNSEEN[name]
    with pytest.raises(MixedPointsError, match=r"jacobian\(f, x, batch_dims=1\).*jvp\(f, x, np.ones_like\(x\)\)"):
        derivative(f, X)
    expected = np.diagonal(jacobian(f, X))
    np.testing.assert_allclose(jacobian(f, X, batch_dims=1), expected, rtol=1e-14)
    np.testing.assert_allclose(jvp(f, X, np.ones_like(X))[1], expected, rtol=1e-14)
    with pytest.raises(MixedPointsError, match=r"treats the points, .*, independently"):
        jacobian(lambda x: x - x.mean(), X, batch_dims=1)
