"""Second derivatives of decompositions beside what has no derivative."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import gradient, hessian, jacobian, jvp
from dualdiff.rules.numpy.linalg import eigen

DEFICIENT = np.random.default_rng(5).standard_normal((5, 2)), np.random.default_rng(6).standard_normal((2, 4))


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto", "sparse", "through jvp"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.linalg.norm(DEFICIENT[0] @ x @ DEFICIENT[1], 2),
        lambda x: np.linalg.svdvals(np.pad(x, 1, mode="edge"))[1],
        lambda x: np.linalg.eigvalsh(DEFICIENT[0] @ (x + x.T) @ DEFICIENT[0].T)[-1],
    ],
    ids=["norm", "svdvals", "eigvalsh"],
)
def test_simple_values_beside_repeated_ones_have_second_derivatives(f, mode):
    x = np.array([[1.0, 0.3], [-0.2, 1.4]])
    step, g = 1e-5, gradient(f)
    differences = [(g(x + e) - g(x - e)) / (2 * step) for e in step * np.eye(4).reshape(4, 2, 2)]
    if mode == "through jvp":
        second = [jvp(g, x, e)[1] for e in np.eye(4).reshape(4, 2, 2)]
    elif mode == "sparse":
        second = hessian(f, x, sparse=np.ones((4, 4), bool)).toarray().reshape(4, 2, 2)
    else:
        second = np.reshape(hessian(f, x, mode=mode), (4, 2, 2))
    np.testing.assert_allclose(second, differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("a", [np.zeros((2, 2)), np.ones((2, 2)), np.ones((3, 2)), np.ones((2, 3))])
def test_the_factors_of_a_singular_matrix_have_no_derivative(a, mode):
    for i in range(2):
        J = jacobian(lambda a, i=i: np.linalg.qr(a)[i], a, mode=mode)
        assert np.isnan(J).all()


def test_regular_matrices_of_a_stack_keep_their_factors():
    stack = np.array([[[2.0, 1.0], [1.0, 3.0]], np.ones((2, 2))])
    for mode in ("forward", "reverse"):
        J = jacobian(lambda a: np.linalg.qr(a).R, stack, mode=mode)
        np.testing.assert_allclose(J[0, :, :, 0], jacobian(lambda a: np.linalg.qr(a).R, stack[0]), rtol=1e-12)
        assert not J[0, :, :, 1].any()


def test_large_matrices_are_right_or_nan_and_take_no_more_memory(monkeypatch):
    monkeypatch.setattr(eigen, "APART", 4)
    f = lambda x: np.linalg.norm(DEFICIENT[0] @ x @ DEFICIENT[1], 2)
    expected = hessian(f, np.eye(2), mode="forward")
    assert np.isfinite(expected).all()
    assert np.isnan(hessian(f, np.eye(2), mode="reverse")).all()
    monkeypatch.undo()
    np.testing.assert_allclose(hessian(f, np.eye(2), mode="reverse"), expected, rtol=1e-12)
