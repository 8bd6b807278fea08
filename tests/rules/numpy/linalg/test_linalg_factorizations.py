"""Each matrix is factored once, however many tangents are computed from it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import hessian, jacobian, jvp, vjp
from dualdiff.rules.numpy.linalg import factorization
from tests.support.against import assert_near, assert_same, central, check
from tests.support.matrices import RIGHT, SQUARE


# -- factored once -----------------------------------------------------------------------------------------------------
@pytest.fixture
def factorizations(monkeypatch):
    """The number of factorizations that tangents need."""
    made = []
    inverse, triangles = factorization._quiet_inverse, factorization.Factored._by_triangles

    def count_inverse(a):
        made.append("inverse")
        return inverse(a)

    def count_triangles(self, *args):
        if self._triangles is None:
            made.append("triangles")
        return triangles(self, *args)

    monkeypatch.setattr(factorization, "_quiet_inverse", count_inverse)
    monkeypatch.setattr(factorization.Factored, "_by_triangles", count_triangles)
    return made


@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize("scipy", [True, False])
def test_matrix_is_factored_once_in_a_pass(factorizations, monkeypatch, n, scipy):
    if scipy:
        pytest.importorskip("scipy")
    else:
        monkeypatch.setattr(factorization, "_lapack", lambda: None)
    a = np.random.default_rng(n).normal(size=(n, n)) + n * np.eye(n)
    b = np.ones(n)

    def f(t):
        x = t[0] * a
        return np.linalg.solve(x, b * t[1]) + np.linalg.solve(x, t) + np.linalg.slogdet(x)[1] + np.linalg.det(x / n)

    t = np.linspace(1.0, 2.0, n)
    J = jacobian(f, t)
    # One for x, one for x / n.
    assert len(factorizations) == 2
    assert_near(J @ b / 20, central(f, t, b / 20))
    factorizations.clear()
    _, pull = vjp(lambda t: np.linalg.solve(t[0] * a, t), t)
    for w in np.eye(n)[:4]:
        pull(w)
    assert len(factorizations) == 1
    factorizations.clear()
    jacobian(lambda t: np.linalg.solve(t[0] * a, t), t, chunk_size=-(-n // 2))
    assert len(factorizations) == 2


def test_matrix_is_factored_once_through_nested_passes(factorizations):
    hessian(lambda a: np.sum(np.linalg.solve(a, RIGHT) ** 2), SQUARE)
    assert len(factorizations) == 1


def test_matrix_without_tangent_is_factored_once(factorizations):
    jacobian(lambda b: np.linalg.solve(SQUARE, np.linalg.solve(SQUARE, b)), RIGHT)
    assert len(factorizations) == 1


def test_no_factorization_where_nothing_depends_on_it(factorizations):
    jacobian(lambda x: np.linalg.solve(dd.zeros((3, 3), like=x) + np.eye(3), np.ones(3)) + x, np.ones(3))
    assert not factorizations


def test_factors_are_not_kept_when_the_matrix_changes():
    def f(t):
        a = t[0] * SQUARE
        x = np.linalg.solve(a, t)
        a[0, 0] += 1.0
        y = np.linalg.solve(a, t)
        a *= 2.0
        return x + y + np.linalg.solve(a, t) + np.linalg.inv(a)[0]

    t = np.array([1.3, -0.4, 0.8])
    check(f, t)
    assert_near(jacobian(f, t, mode="reverse"), jacobian(f, t, mode="forward"), 1e-14)
    w = np.array([1.0, 2.0, 3.0])
    plain = SQUARE.copy()

    def g(t):
        x = np.linalg.solve(plain, t)
        plain[0, 0] += 1.0
        return x + np.linalg.solve(plain, t)

    _, pull = vjp(g, t)
    assert_near(pull(w), w @ (np.linalg.inv(SQUARE) + np.linalg.inv(SQUARE + np.diag([1.0, 0, 0]))), 1e-13)


def test_factors_go_with_their_matrix():
    spaces = []

    def f(t):
        for _ in range(50):
            x = np.linalg.solve(t[0] * SQUARE, t)
        spaces.append(x.space)
        return x

    jacobian(f, np.ones(3))
    assert len(spaces[0].kept) <= 3


@pytest.mark.parametrize("shape", [(40, 40), (2, 40, 40)])
@pytest.mark.parametrize("is_complex", [False, True])
def test_large_matrices(shape, is_complex):
    local = np.random.default_rng(11)
    a, v, b = local.normal(size=(3, *shape))
    a = a + 10 * np.eye(40)
    if is_complex:
        a, v = a + 1j * a[..., ::-1], v + 1j * v[..., ::-1]
    for f in (lambda a: np.linalg.solve(a, b), lambda a: np.linalg.slogdet(a)[1], lambda a: np.linalg.det(a / 10)):
        found, slope = jvp(f, a, v)
        assert_same(found, f(a))
        assert_near(slope, central(f, a, v), 1e-8)
    _, slope = jvp(lambda a: np.linalg.solve(a.astype(np.complex64 if is_complex else np.float32), b[..., :1]), a, v)
    assert slope.dtype == np.result_type(np.complex64 if is_complex else np.float32, b)


def test_scipy_is_not_loaded_for_small_matrices():
    code = (
        "import sys, numpy as np, dualdiff\n"
        "dualdiff.gradient(lambda a: np.sum(np.linalg.solve(a, np.ones(3))) + np.linalg.det(a), np.eye(3))\n"
        "assert 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
