"""scipy.linalg for duals: arrays that SciPy may overwrite, integers, and matrices of size one and zero."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import derivative, hessian, jacobian, jvp, vjp
from dualdiff.scipy import linalg
from tests.support.against import assert_near, assert_same, central
from tests.support.matrices import RIGHT, SQUARE, STACK, TALLS, positive
from tests.support.versions import BATCHES, SCIPY_1_18

pytest.importorskip("scipy")

OVERWRITING = {
    "solve": lambda a, b, **options: linalg.solve(a, b, **options),
    "lu_solve": lambda a, b, overwrite_a, overwrite_b: linalg.lu_solve(
        linalg.lu_factor(a, overwrite_a), b, overwrite_b=overwrite_b
    ),
    "cho_solve": lambda a, b, overwrite_a, overwrite_b: linalg.cho_solve(
        linalg.cho_factor(a, overwrite_a=overwrite_a), b, overwrite_b=overwrite_b
    ),
    "lstsq": lambda a, b, **options: linalg.lstsq(a, b, **options)[0],
    "eigh": lambda a, b, **options: linalg.eigh(b @ b.T, a, eigvals_only=True, **options),
}


@pytest.mark.parametrize("name", OVERWRITING)
@pytest.mark.parametrize("argnum", [0, 1])
def test_arrays_that_scipy_might_overwrite(name, argnum):
    """Tangents need the original arrays; SciPy would overwrite Fortran-ordered ones with its factors."""
    f, arguments = OVERWRITING[name], [positive(SQUARE), RIGHT @ RIGHT.T + SQUARE]

    def solved(x, overwrite):
        given = [np.asfortranarray(a) for a in arguments]
        given[argnum] = 1.0 * x
        return f(*given, overwrite_a=overwrite, overwrite_b=overwrite)

    x = np.asfortranarray(arguments[argnum])
    for options in ({"mode": "forward"}, {"mode": "reverse"}):
        J = jacobian(lambda x: solved(x, True), x, **options)
        assert_near(J, jacobian(lambda x: solved(x, False), x, **options), 1e-14)


BESIDE_INTEGERS = {
    "solve": lambda a, b: linalg.solve(a, b, assume_a="pos"),
    "solve_triangular": lambda a, b: linalg.solve_triangular(a, b, "T", unit_diagonal=True),
    "cho_solve": lambda a, b: linalg.cho_solve(linalg.cho_factor(np.asarray(a) if SCIPY_1_18 else a), b),
    "lu_solve": lambda a, b: linalg.lu_solve((a, [0, 1]), b),
    "lstsq": lambda a, b: linalg.lstsq(a, b)[0],
    "numpy.linalg.lstsq": lambda a, b: np.linalg.lstsq(np.array(a), b, rcond=None)[0],
    "eigvalsh": lambda a, b: linalg.eigvalsh(a, np.diag(b)),
    "solve_sylvester": lambda a, b: linalg.solve_sylvester(a, a, np.stack([b, b])),
    "solve_continuous_are": lambda a, b: linalg.solve_continuous_are(a, a, np.diag(b), a),
    "expm_frechet": lambda a, b: linalg.expm_frechet(a, np.stack([b, b]))[1],
    "fractional_matrix_power": lambda a, b: linalg.fractional_matrix_power(a, b[1]),
    "solveh_banded": lambda a, b: linalg.solveh_banded(a, b, lower=True),
    "solve_toeplitz": lambda a, b: linalg.solve_toeplitz(a[0], b),
}


@pytest.mark.parametrize("name", BESIDE_INTEGERS)
def test_matrices_of_integers_beside_duals(name):
    """Halves of elements, rounding errors and powers are computed in floating point."""
    f, b = BESIDE_INTEGERS[name], np.array([1.5, 2.0])
    expected = hessian(lambda b: np.sum(f([[5.0, 1.0], [1.0, 4.0]], b) ** 2), b)
    for a in ([[5, 1], [1, 4]], np.array([[5, 1], [1, 4]]), np.array([[5, 1], [1, 4]], np.int32)):
        J = jacobian(lambda b, a=a: f(a, b), b)
        assert J.dtype == float
        assert_near(J, jacobian(lambda b: f([[5.0, 1.0], [1.0, 4.0]], b), b), 1e-14)
        assert_near(hessian(lambda b, a=a: np.sum(f(a, b) ** 2), b), expected, 1e-12)


def test_function_of_a_matrix_of_integers():
    a = [[2, 1], [1, 3]]
    assert_same(linalg.funmh(a, np.exp), linalg.funmh(np.array(a, float), np.exp))
    slope = derivative(lambda t: linalg.funmh(a, lambda w: w**t), 1.7)
    assert_near(slope, derivative(lambda t: linalg.funmh(np.array(a, float), lambda w: w**t), 1.7), 1e-14)


@pytest.mark.skipif(not BATCHES, reason="an older SciPy looks at their shape first")
def test_matrices_of_size_one():
    """SciPy divides by them, whatever is assumed and however many rows the right-hand side has."""
    z, v, b = np.array([[0.6 + 0.8j]]), np.array([[0.3 - 1.1j]]), np.array([1.0, 2.0j, 3.0])
    for kind in (None, "her", "pos"):
        f = lambda a, kind=kind: linalg.solve(a, b, assume_a=kind)
        assert_same(jvp(f, z, v)[0], f(z))
        assert_near(jvp(f, z, v)[1], -b * v[0] / z[0] ** 2, 1e-14)
        assert_near(jvp(lambda b, kind=kind: linalg.solve(z, b, assume_a=kind), b, b)[1], b / z[0], 1e-14)


def test_factors_of_an_empty_matrix():
    for as_indices in (False, True):
        factors = derivative(lambda t, p=as_indices: linalg.lu(t * np.zeros((0, 0)), p_indices=p)[1:], 1.0)
        assert [x.shape for x in factors] == [(0, 0), (0, 0)]


BY_STACKS = {
    "cho_solve": lambda a, b: linalg.cho_solve(linalg.cho_factor(positive(a)), b),
    "least squares": lambda a, b: linalg.lstsq(a, b)[0],
    "residuals": lambda a, b: linalg.lstsq(a, b)[1],
    "singular values": lambda a, b: linalg.lstsq(a, b)[3],
    "gelsy": lambda a, b: linalg.lstsq(a, b, lapack_driver="gelsy")[0],
}


@pytest.mark.skipif(not BATCHES, reason="SciPy takes stacks from 1.17 on")
@pytest.mark.parametrize("name", BY_STACKS)
@pytest.mark.parametrize("columns", [(), (2,), (3, 1, 2)])
def test_right_hand_sides_of_stacks(name, columns):
    """One right-hand side for all matrices (even if there are as many matrices as unknowns), several, and a stack."""
    f, a = BY_STACKS[name], np.concatenate([STACK, 0.5 * STACK[:1] ** 2]) if name == "cho_solve" else TALLS
    b = np.random.default_rng(6).normal(size=(*columns[:-1], a.shape[-2], *columns[-1:]))
    v, w = np.random.default_rng(7).normal(size=a.shape), np.random.default_rng(8).normal(size=b.shape)
    found, slope = jvp(lambda t: f(a + t * v, b + t * w), 0.0, 1.0)
    assert_same(found, f(a, b))
    assert_near(slope, central(lambda t: f(a + t * v, b + t * w), 0.0, 1.0), 1e-7)
    cotangent = np.random.default_rng(9).normal(size=np.shape(found))
    pulled = vjp(lambda a: f(a, b), a)[1](cotangent)
    assert np.isclose(np.sum(pulled * v), np.sum(cotangent * jvp(lambda a: f(a, b), a, v)[1]), rtol=1e-9)
