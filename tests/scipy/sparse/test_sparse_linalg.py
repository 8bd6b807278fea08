"""``dualdiff.scipy.sparse.linalg``: systems, factorizations, eigenvalues and norms against differences of SciPy's."""

# ruff: noqa: E402
from __future__ import annotations

import inspect

import numpy as np
import pytest

ss = pytest.importorskip("scipy.sparse")
import scipy.sparse.linalg as sl

from dualdiff import (
    LostDerivativeError,
    NoRuleError,
    UndefinedDerivativeWarning,
    gradient,
    hessian,
    jacobian,
    jvp,
    taylor,
    vjp,
)
from dualdiff.scipy import sparse
from dualdiff.scipy.sparse.linalg import functions
from tests.scipy.interpolate.cases import checked
from tests.scipy.sparse.test_sparse_matrices import COLUMNS, ROWS, D, N, compare, matrix

L = {ss: sl, sparse: sparse.linalg}
B = np.array([0.3, -1.2, 0.7, 0.4, 1.1])
SHIFT = 9.0 * ss.eye_array(N, format="csr")


@pytest.fixture(autouse=True)
def _formulas_have_the_values_of_scipy(monkeypatch):
    monkeypatch.setattr(functions, "revalued", checked(functions.revalued))


def definite(m, d):
    return matrix(m, d) @ matrix(m, d).T + SHIFT


def symmetric(m, d):
    return matrix(m, d) + matrix(m, d).T


def tall(m, d):
    return matrix(m, d).tocsc()[:, :3]


EXACT = {"atol": 1e-15, "btol": 1e-15}
DIRECT = {
    "spsolve csr": lambda m, d, b: L[m].spsolve(matrix(m, d), b),
    "spsolve csc": lambda m, d, b: L[m].spsolve(matrix(m, d).tocsc(), b, permc_spec="NATURAL"),
    "spsolve columns": lambda m, d, b: L[m].spsolve(matrix(m, d).tocsc(), np.stack([b, b * b], 1)),
    "spsolve rows": lambda m, d, b: L[m].spsolve(matrix(m, d), np.stack([b, b * b], 1)),
    "splu": lambda m, d, b: L[m].splu(matrix(m, d).tocsc()).solve(b),
    "splu transposed": lambda m, d, b: L[m].splu(matrix(m, d).tocsc()).solve(b, "T"),
    "splu adjoint": lambda m, d, b: L[m].splu(matrix(m, d).tocsc()).solve(b, "H"),
    "factorized": lambda m, d, b: L[m].factorized(matrix(m, d).tocsc())(b),
    "triangular": lambda m, d, b: L[m].spsolve_triangular(m.tril(matrix(m, d)).tocsr(), b),
    "expm_multiply": lambda m, d, b: L[m].expm_multiply(matrix(m, d) * 0.2, b),
}
LEAST_SQUARES = {
    "lsqr": lambda m, d, b: L[m].lsqr(tall(m, d), b, **EXACT)[0],
    "lsqr, damped": lambda m, d, b: L[m].lsqr(tall(m, d), b, 0.5, **EXACT)[0],
    "lsqr, residual": lambda m, d, b: L[m].lsqr(tall(m, d), b, 0.5, **EXACT)[3],
    "lsqr, both": lambda m, d, b: L[m].lsqr(tall(m, d), b, 0.5, **EXACT)[4],
    "lsqr, norm": lambda m, d, b: L[m].lsqr(tall(m, d), b, 0.5, **EXACT)[8],
    "lsmr": lambda m, d, b: L[m].lsmr(tall(m, d), b, **EXACT)[0],
    "lsmr, both": lambda m, d, b: L[m].lsmr(tall(m, d), b, 0.5, **EXACT)[3],
}


@pytest.mark.parametrize("name", [*DIRECT, *LEAST_SQUARES])
def test_elements_and_right_sides(name):
    case = {**DIRECT, **LEAST_SQUARES}[name]
    tolerance = 1e-7 if name in DIRECT else 1e-6
    compare(lambda *a: case(sparse, *a), lambda *a: case(ss, *a), D, B, tolerance=tolerance)


ITERATIVE = ["bicg", "bicgstab", "cg", "cgs", "gcrotmk", "gmres", "lgmres", "minres", "qmr", "tfqmr"]


@pytest.mark.parametrize("name", ITERATIVE)
def test_iterative_solvers(name):
    options = {"rtol": 1e-14} if name == "minres" else {"rtol": 1e-14, "atol": 0.0}

    def f(m, d, b):
        return getattr(L[m], name)(definite(m, d), b, **options)[0]

    compare(lambda *a: f(sparse, *a), lambda *a: f(ss, *a), D, B, tolerance=1e-6, second=name == "cg")


def test_an_operator():
    """The matrix is known by its products only."""
    a = definite(ss, D)
    known = sl.LinearOperator(a.shape, matvec=lambda x: a @ x, rmatvec=lambda x: a.T @ x, dtype=float)
    for name in ("cg", "bicg"):
        slopes = jacobian(lambda b, name=name: getattr(sparse.linalg, name)(known, b, rtol=1e-13)[0], B)
        np.testing.assert_allclose(slopes, np.linalg.inv(a.toarray()), rtol=1e-8)
        back = vjp(lambda b, name=name: getattr(sparse.linalg, name)(known, b, rtol=1e-13)[0], B)[1](B)
        np.testing.assert_allclose(back, np.linalg.solve(a.toarray(), B), rtol=1e-8)


def operator_of(m, d):
    """The matrix by its products, which depend on d."""
    a = definite(m, d)
    return L[m].LinearOperator((N, N), matvec=lambda x: a @ x, rmatvec=lambda x: a.T @ x, dtype=float)


@pytest.mark.parametrize("name", ["cg", "bicg"])
def test_an_operator_that_holds_duals(name):
    def held(d, b):
        c = d[:N]
        known = sparse.linalg.LinearOperator((N, N), lambda x: 3 * c * x + SHIFT @ x, lambda x: 3 * c * x + SHIFT @ x)
        return getattr(sparse.linalg, name)(known, b, rtol=1e-14, atol=0.0)[0]

    def plain(d, b):
        return b / (3 * d[:N] + 9.0)

    for i, x in enumerate((D, B)):
        for mode in "forward", "reverse":
            ours, expected = (jacobian(f, D, B, argnum=i, mode=mode) for f in (held, plain))
            np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)
        ours, expected = (hessian(lambda *a, f=f: np.sum(f(*a) ** 2), D, B, argnum=i) for f in (held, plain))
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-12)
        assert x.size


@pytest.mark.parametrize("name", sorted(set(ITERATIVE) - {"cg", "minres"}))
def test_a_direction_in_which_a_method_breaks_down(name):
    # The direction of one element is a unit vector, at which the methods that compare with the adjoint stop.
    d, b = np.array([4.0, 5.0, 6.0, 0.1, -0.3]), np.array([1.0, -2.0, 0.5])
    where = ([0, 1, 2, 0, 1], [0, 1, 2, 1, 2])

    def held(d):
        a = sparse.linalg.aslinearoperator(sparse.coo_array((d, where), shape=(3, 3)).tocsr())
        return getattr(sparse.linalg, name)(a, b, rtol=1e-12, atol=0.0)[0]

    exact = jacobian(lambda d: sparse.linalg.spsolve(sparse.coo_array((d, where), shape=(3, 3)).tocsc(), b), d)
    for mode in "forward", "reverse":
        np.testing.assert_allclose(jacobian(held, d, mode=mode), exact, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ITERATIVE)
def test_a_direction_that_no_method_finds_is_unknown(name):
    """The matrix is singular: b is among its images, and its direction is not."""
    known = sl.aslinearoperator(np.diag([1.0, 1.0, 0.0]))
    options = {} if name == "minres" else {"atol": 0.0}
    solve = lambda b: getattr(sparse.linalg, name)(known, b, **options)[0]
    with pytest.warns(UndefinedDerivativeWarning, match=name):
        slope = jvp(solve, np.array([1.0, 2.0, 0.0]), np.eye(3)[2])[1]
    assert np.isnan(slope).any()


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_exponential_of_a_complex_matrix_times_a_real_vector(mode):
    a = ss.csr_array(np.array([[0.3 + 0.2j, 0.5], [0.0, -0.4j]]))
    parts = lambda y: np.stack([np.real(y), np.imag(y)])
    exact = parts(np.stack([sl.expm_multiply(a, e) for e in np.eye(2)], axis=-1))
    found = jacobian(lambda b: parts(sparse.linalg.expm_multiply(a, b)), np.ones(2), mode=mode)
    np.testing.assert_allclose(found, exact, rtol=1e-12)


def test_products_of_operators():
    case = lambda m, d, b: operator_of(m, d) @ b + operator_of(m, d).matvec(b) + operator_of(m, d).rmatvec(b)
    many = lambda m, d, b: operator_of(m, d) @ np.stack([b, b * b], 1)
    made = lambda m, d, b: L[m].aslinearoperator(definite(m, d)).matvec(b)
    for f in (case, many, made):
        compare(lambda *a, f=f: f(sparse, *a), lambda *a, f=f: f(ss, *a), D, B)


OF_ELEMENTS = {
    "eigsh": lambda m, d: L[m].eigsh(symmetric(m, d), 2, v0=np.ones(N))[0],
    "eigsh, values": lambda m, d: L[m].eigsh(symmetric(m, d), 2, v0=np.ones(N), return_eigenvectors=False),
    "eigsh, vectors": lambda m, d: L[m].eigsh(symmetric(m, d), 2, v0=np.ones(N))[1],
    "norm": lambda m, d: L[m].norm(matrix(m, d)),
    "norm 1": lambda m, d: L[m].norm(matrix(m, d, "csr_matrix"), 1),
    "norm of rows": lambda m, d: L[m].norm(matrix(m, d), axis=1),
}


@pytest.mark.parametrize("name", OF_ELEMENTS)
def test_elements(name):
    case = OF_ELEMENTS[name]
    compare(lambda d: case(sparse, d), lambda d: np.asarray(case(ss, d)), D, tolerance=1e-6)


def test_other_spaces():
    """The sparse space, complex numbers, series; against the dense solution."""
    f = lambda d: sparse.linalg.spsolve(matrix(sparse, d), B)
    np.testing.assert_allclose(jacobian(f, D, sparse=True).toarray(), jacobian(f, D), rtol=1e-10)

    def scaled(m, t):
        return m.csr_array((D * (1 + t * t), (ROWS, COLUMNS)), shape=(N, N))

    series = taylor(lambda t: sparse.linalg.spsolve(scaled(sparse, t), B * np.exp(t)), 0.3, 4)
    expected = taylor(lambda t: np.linalg.solve(scaled(sparse, t).toarray(), B * np.exp(t)), 0.3, 4)
    np.testing.assert_allclose(np.stack(list(series)), np.stack(list(expected)), rtol=1e-9, atol=1e-12)
    z = D * (1 + 0.3j)
    slopes = jacobian(lambda d: sparse.linalg.spsolve(matrix(sparse, d), B), z)
    np.testing.assert_allclose(
        slopes, jacobian(lambda d: np.linalg.solve(matrix(sparse, d).toarray(), B), z), rtol=1e-9
    )
    mixed = jacobian(lambda b: sparse.linalg.splu(matrix(ss, D).tocsc()).solve(b), B)
    np.testing.assert_allclose(mixed, np.linalg.inv(matrix(ss, D).toarray()), rtol=1e-10, atol=1e-12)


def test_one_factorization(monkeypatch):
    """For the value, all directions and the adjoint, to second order."""
    calls = []
    original = sl.splu
    monkeypatch.setattr(sl, "splu", lambda *a, **k: calls.append(1) or original(*a, **k))

    def cost(d):
        x = sparse.linalg.spsolve(matrix(sparse, d), B)
        return x @ x

    for operator in (jacobian, gradient, hessian):
        calls.clear()
        operator(cost, D)
        assert len(calls) == 1
    calls.clear()
    gradient(cost, D, mode="reverse")
    assert len(calls) == 1


def test_where_there_is_no_derivative():
    def singular(d):
        return sparse.linalg.spsolve(sparse.diags([d], [0]).tocsc(), np.ones(2))

    with pytest.warns(UndefinedDerivativeWarning, match="singular"), pytest.warns(sl.MatrixRankWarning):
        assert np.all(np.isnan(jacobian(singular, np.array([1.0, 0.0]))))
    with pytest.warns(UndefinedDerivativeWarning, match="did not converge"):
        assert np.all(np.isnan(jacobian(lambda d: sparse.linalg.cg(definite(sparse, d), B, maxiter=1)[0], D)))
    with pytest.warns(UndefinedDerivativeWarning, match="repeated"):
        repeated = gradient(lambda d: sparse.linalg.eigsh(sparse.diags([d], [0]), 1)[0][0], np.array([1.0, 2.0, 2.0]))
    assert np.all(np.isnan(repeated))


def test_errors_are_those_of_scipy():
    for bad in (
        lambda m, d: L[m].spsolve(matrix(m, d)[:2], B),
        lambda m, d: L[m].spsolve(matrix(m, d), B[:2]),
        lambda m, d: L[m].cg(matrix(m, d), B[:2]),
    ):
        with pytest.raises(ValueError) as scipys:  # noqa: PT011
            bad(ss, D)
        with pytest.raises(ValueError) as ours:  # noqa: PT011
            gradient(lambda d, bad=bad: bad(sparse, d), D)
        assert str(ours.value) == str(scipys.value)


def test_what_cannot_carry_a_tangent_is_named():
    with pytest.raises(NoRuleError, match=r"spsolve of duals with a sparse b"):
        gradient(lambda d: sparse.linalg.spsolve(matrix(sparse, d), matrix(ss, D)), D)
    with pytest.raises(NoRuleError, match="rtol="):
        gradient(lambda b: sparse.linalg.cg(definite(ss, D), B, rtol=b[0])[0], B)
    with pytest.raises(LostDerivativeError, match="v0="):
        gradient(lambda b: sparse.linalg.eigsh(symmetric(ss, D), 1, v0=b)[0][0], B)
    with pytest.raises(NoRuleError, match=r"SuperLU\.L has no derivative rule"):
        gradient(lambda d: sparse.linalg.splu(matrix(sparse, d).tocsc()).L, D)


#: Names that are no functions of a matrix.
OTHERS = {"SuperLU", "use_solver", "LaplacianNd"}


def test_every_name_takes_duals_or_refuses_them():
    for name in sl.__all__:
        thing = getattr(sparse.linalg, name)
        if name in sparse.linalg.__all__ or name in OTHERS or inspect.ismodule(thing):
            continue
        if isinstance(thing, type) and issubclass(thing, Exception):
            continue
        for f in (lambda d, thing=thing: thing(matrix(sparse, d), B), lambda d, thing=thing: thing(matrix(sparse, d))):
            with pytest.raises((TypeError, ValueError, AttributeError)):
                gradient(f, D)
