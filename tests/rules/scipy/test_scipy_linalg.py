"""dualdiff.scipy.linalg: SciPy's values bit for bit, derivatives against differences, identities and other spaces."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from dualdiff import NoRuleError, derivative, gradient, hessian, jacobian, jvp, nth_derivative, teaching, vjp
from dualdiff.scipy import linalg
from tests.support.against import along, assert_near, assert_same, central, check, check_complex, check_float32
from tests.support.versions import BATCHES, SCIPY_1_18, SQRTM_WARNS

sl = pytest.importorskip("scipy.linalg")

SQUARE = np.array([[2.1, -0.3, 0.5], [0.4, 1.7, 0.9], [-0.6, 0.2, 3.2]])
STACK = np.stack([SQUARE, SQUARE.T + np.diag([0.1, 0.7, -0.35])])
TALL = np.array([[1.9, -0.4], [0.3, 1.1], [-0.7, 0.6], [0.2, -1.3]])
WIDE = TALL.T.copy()
RIGHT = np.array([[0.7, -1.2], [0.4, 0.9], [-1.5, 0.3]])
VECTOR = np.array([0.7, -1.2, 0.4])
BAND = np.array([[0.3, -0.7, 0.5], [9.1, 8.0, 7.2], [0.4, 0.9, -0.6]])
SMALL = np.array([[1.5, 0.3], [-0.2, 2.0]])


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def hermitian(x):
    return x + adjoint(x)


def positive(x):
    return x @ adjoint(x) + 0.5 * np.eye(x.shape[-1])


def projectors(v):
    """The projectors on the columns, which do not depend on their signs."""
    return v[..., :, None, :] * np.conj(v[..., None, :, :])


def low_rank(x):
    return np.stack([x[0], x[1], x[0] - 2 * x[1]])


def parts(function, *which):
    """The function, restricted to each of its results."""
    return [lambda a, i=i: function(a)[i] for i in which or (0, 1)]


#: Functions of a square matrix or of a stack of them.
SQUARES = {
    "solve": [
        *(
            lambda a, kind=kind, lower=lower: linalg.solve(positive(a), RIGHT, assume_a=kind, lower=lower)
            for kind, lower in (("sym", False), ("her", True), ("pos", False), ("pos", True), ("gen", False))
        ),
        lambda a: linalg.solve(a, a[..., :2] ** 2),
        lambda a: linalg.solve(a, VECTOR),
    ],
    "inv": [linalg.inv],
    "det": [linalg.det],
    "pinv": [linalg.pinv],
    "pinvh": [lambda a: linalg.pinvh(positive(a)), lambda a: linalg.pinvh(positive(a), lower=False)],
    "norm": [lambda a: linalg.norm(a, "nuc", axis=(-2, -1)), lambda a: linalg.norm(a, 3, axis=-1, keepdims=True)],
    "cholesky": [lambda a: linalg.cholesky(positive(a)), lambda a: linalg.cholesky(positive(a), lower=True)],
    "cho_factor": [lambda a, lower=lower: linalg.cho_factor(positive(a), lower)[0] for lower in (False, True)],
    "solve_triangular": [
        lambda a, trans=trans, lower=lower, unit=unit: linalg.solve_triangular(a, a[..., :2] ** 2, trans, lower, unit)
        for trans, lower, unit in (
            (0, False, False),
            (0, True, True),
            ("T", False, True),
            ("T", True, False),
            (2, True, False),
        )
    ],
    "lu": [*parts(linalg.lu, 1, 2), *parts(lambda a: linalg.lu(a, permute_l=True))],
    "lu_factor": parts(linalg.lu_factor, 0),
    "lu_solve": [
        *(lambda a, trans=trans: linalg.lu_solve(linalg.lu_factor(a), RIGHT, trans) for trans in (0, 1, 2)),
        lambda a: linalg.lu_solve(linalg.lu_factor(a), VECTOR),
    ],
    "qr": [
        *parts(linalg.qr),
        *parts(lambda a: linalg.qr(a, pivoting=True)),
    ],
    "svd": [lambda a: linalg.svd(a)[1], lambda a: projectors(linalg.svd(a, lapack_driver="gesvd")[0])],
    "svdvals": [linalg.svdvals],
    "eigh": [
        lambda a: linalg.eigh(hermitian(a), eigvals_only=True),
        lambda a: projectors(linalg.eigh(hermitian(a), lower=False)[1]),
        lambda a: projectors(linalg.eigh(hermitian(a), subset_by_index=[1, 2])[1]),
        *(
            lambda a, kind=kind, lower=lower: linalg.eigh(hermitian(a), positive(a), type=kind, lower=lower)[1] ** 2
            for kind, lower in ((1, False), (2, True), (3, False), (3, True))
        ),
        lambda a: linalg.eigh(hermitian(a), positive(a), subset_by_index=[0, 1])[0],
    ],
    "eigvalsh": [lambda a: linalg.eigvalsh(hermitian(a)), lambda a: linalg.eigvalsh(hermitian(a), positive(a))],
    "eig": [lambda a: projectors(linalg.eig(a)[1])],
    "eigvals": [linalg.eigvals],
    "polar": [*parts(linalg.polar), *parts(lambda a: linalg.polar(a, "left"))],
    "expm": [linalg.expm, lambda a: linalg.expm(5 * a)],
    "expm_frechet": [lambda a: linalg.expm_frechet(a, a @ a, compute_expm=False)],
    "logm": [linalg.logm],
    "sqrtm": [linalg.sqrtm],
    "signm": [lambda a: linalg.signm(a - 2 * np.eye(3))],
    "fractional_matrix_power": [lambda a: linalg.fractional_matrix_power(a, -2)],
    **{name: [getattr(linalg, name)] for name in ("cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm")},
    "funm": [lambda a: linalg.funm(a, lambda z: z**3 + z, False)[0]],
    "funmh": [lambda a: linalg.funmh(hermitian(a), np.sin)],
    "solve_sylvester": [
        lambda a: linalg.solve_sylvester(a, SMALL, a[..., :2]),
        lambda a: linalg.solve_sylvester(SQUARE + 0 * a, positive(a), a @ a),
    ],
    "solve_continuous_lyapunov": [lambda a: linalg.solve_continuous_lyapunov(a, a @ a)],
    "solve_lyapunov": [lambda a: linalg.solve_lyapunov(a, a @ a)],
    "solve_discrete_lyapunov": [
        lambda a, method=method: linalg.solve_discrete_lyapunov(a / 7, a @ a, method)
        for method in ("direct", "bilinear")
    ],
    "khatri_rao": [lambda a: linalg.khatri_rao(a, a**2)],
}
#: Functions of other arguments, and the arguments.
OTHERS = {
    "solve": [
        (SQUARE, lambda a: linalg.solve(a, RIGHT, transposed=True)),
        *(
            (SQUARE, lambda a, k=k: linalg.solve(a, RIGHT, assume_a=k))
            for k in ("upper triangular", "lower triangular")
            if BATCHES
        ),
    ],
    "pinv": [
        *((x, linalg.pinv) for x in (TALL, WIDE)),
        (TALL, lambda a: linalg.pinv(a, atol=0.1, rtol=1e-3, return_rank=True)[0]),
        (SQUARE, lambda a: linalg.pinv(low_rank(a), rtol=1e-10)),
    ],
    "lstsq": [
        *((TALL, lambda a, i=i: linalg.lstsq(a, np.arange(8.0).reshape(4, 2))[i]) for i in (0, 1, 3)),
        (TALL, lambda a: linalg.lstsq(a, a[:, 0] + 1, lapack_driver="gelsy")[0]),
        (WIDE, lambda a: linalg.lstsq(a, RIGHT[:2])[0]),
    ],
    "lu": [(x, f) for x in (TALL, WIDE) for f in parts(lambda a: linalg.lu(a, p_indices=True), 1, 2)],
    "lu_factor": [(x, lambda a: linalg.lu_factor(a)[0]) for x in (TALL, WIDE)],
    "cho_solve": [
        (SQUARE, lambda a: linalg.cho_solve(linalg.cho_factor(positive(a)), RIGHT)),
        (SQUARE, lambda a: linalg.cho_solve((linalg.cholesky(positive(a), lower=True), True), VECTOR)),
        (RIGHT, lambda b: linalg.cho_solve(linalg.cho_factor(positive(SQUARE)), b**2)),
    ],
    "qr": [
        *((x, f) for x in (TALL, WIDE) for f in parts(linalg.qr)),
        *((x, f) for x in (TALL, WIDE) for f in parts(lambda a: linalg.qr(a, mode="economic", pivoting=True))),
        *((x, lambda a: linalg.qr(a, mode="r")[0]) for x in (TALL, WIDE)),
    ],
    "svd": [(TALL, lambda a: linalg.svd(a, full_matrices=False)[2] ** 2)],
    "eigh": [(SQUARE, lambda a: linalg.eigh(hermitian(a), subset_by_value=[3.5, 9])[0])],
    "polar": [
        (x, f) for x in (TALL, WIDE) for s in ("right", "left") for f in parts(lambda a, s=s: linalg.polar(a, s))
    ],
    "fractional_matrix_power": [
        (SMALL, lambda a: linalg.fractional_matrix_power(a, 0.7)),
        (np.float64(0.7), lambda t: linalg.fractional_matrix_power(SMALL, t)),
    ],
    "logm": [(SMALL, lambda a: linalg.logm(9 * a))],
    "solve_continuous_are": [(SMALL, lambda a: linalg.solve_continuous_are(a, 3 * a[:, :2], positive(a), positive(a)))],
    "solve_discrete_are": [(SMALL, lambda a: linalg.solve_discrete_are(a / 2, 3 * a[:, :2], positive(a), positive(a)))],
    "solve_banded": [
        (BAND, lambda ab: linalg.solve_banded((1, 1), ab, ab[0] * 2)),
        (BAND, lambda ab: linalg.solve_banded((0, 2), ab[[1, 2, 0]], RIGHT)),
    ],
    "solveh_banded": [
        (BAND, lambda ab: linalg.solveh_banded(ab[:2], RIGHT)),
        (BAND, lambda ab: linalg.solveh_banded(ab[1:], ab[0], lower=True)),
        (BAND, lambda ab: linalg.solveh_banded(ab[[1, 0, 2]], RIGHT, lower=True)),
        (BAND, lambda ab: linalg.solveh_banded(ab[[0, 2, 1]], VECTOR)),
    ],
    "solve_toeplitz": [
        (np.array([5.0, 0.3, -0.4]), lambda c: linalg.solve_toeplitz(c, RIGHT)),
        (BAND, lambda a: linalg.solve_toeplitz((a[1], a[0]), a[2])),
    ],
    "toeplitz": [(VECTOR, linalg.toeplitz), (VECTOR, lambda c: linalg.toeplitz(c, c[:2] ** 2))],
    "hankel": [(VECTOR, linalg.hankel), (VECTOR, lambda c: linalg.hankel(c, c[1:] ** 2))],
    "circulant": [(VECTOR, linalg.circulant)],
    "companion": [(VECTOR, linalg.companion)],
    "block_diag": [(VECTOR, lambda c: linalg.block_diag(c[0], c[1:], 2.0, c[:, None] * c))],
}
CASES = {
    name: [(SQUARE, f) for f in SQUARES.get(name, ())] + OTHERS.get(name, []) for name in sorted({*SQUARES, *OTHERS})
}
ALL = [(name, i) for name, cases in CASES.items() for i in range(len(cases))]
#: Cases for real arguments only: SciPy has no complex exponents, and refuses transposed complex systems.
REAL = {("solve", len(SQUARES["solve"])), ("fractional_matrix_power", 2)}


def test_every_name_is_tested_and_is_scipys():
    assert set(CASES) == set(linalg.__all__)
    assert sorted(linalg.__all__) == list(linalg.__all__)
    assert set(linalg.__all__) - {"funmh"} <= set(sl.__all__)


@pytest.mark.parametrize(("name", "i"), ALL)
def test_function(name, i):
    x, f = CASES[name][i]
    check(f, x, second=False)
    if not np.shape(x):
        return
    v, w = np.random.default_rng(1).normal(size=(2, *np.shape(x)))
    slope = lambda x: jvp(f, x, v)[1]
    assert_near(jvp(slope, x, w)[1], central(slope, x, w))


@pytest.mark.parametrize("name", ["expm", "polar", "lu", "solve_triangular", "solve_sylvester", "funmh", "lu_solve"])
def test_nested_jacobians(name):
    f = SQUARES[name][0]
    v, w = np.random.default_rng(2).normal(size=(2, 3, 3))
    expected = jvp(lambda x: jvp(f, x, v)[1], SQUARE, w)[1]
    for inner, outer in (
        ({"chunk_size": 4}, {}),
        ({"mode": "reverse"}, {"mode": "forward"}),
        ({}, {"mode": "reverse"}),
    ):
        J = jacobian(jacobian(f, **inner), SQUARE, **outer)
        assert_near(along(along(J, w), v), expected, 1e-12)


@pytest.mark.parametrize(("name", "i"), [case for case in ALL if case not in REAL])
def test_complex(name, i):
    x, f = CASES[name][i]
    check_complex(f, 3 * x if name in ("logm", "sqrtm") else x)


@pytest.mark.skipif(not BATCHES, reason="SciPy takes stacks from 1.17 on")
@pytest.mark.parametrize("name", sorted(SQUARES))
def test_stacks(name):
    """A stack gives what its matrices give one by one."""
    for f in SQUARES[name]:
        v = np.random.default_rng(4).normal(size=STACK.shape)
        if name == "signm":
            continue
        found, slope = jvp(f, STACK, v)
        alone = [jvp(f, a, b) for a, b in zip(STACK, v, strict=True)]
        assert_near(found, np.stack([y for y, _ in alone]), 1e-13)
        assert_near(slope, np.stack([t for _, t in alone]), 1e-11)
        w = np.random.default_rng(5).normal(size=np.shape(slope))
        assert np.isclose(np.sum(w * slope).real, np.sum(vjp(f, STACK)[1](w) * v).real, rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_other_spaces(name):
    """Sparse and traced tangents agree, and so does the transposed map along complex directions."""
    x, f = CASES[name][0]
    expected = jacobian(f, x)
    found = jacobian(f, x, sparse=True)
    found = found.toarray() if hasattr(found, "toarray") else found
    assert_near(np.reshape(found, expected.shape), expected, 1e-11)
    assert_near(jacobian(f, x, chunk_size=1), expected, 1e-11)
    local = np.random.default_rng(3)
    z = x + 0.1j * local.normal(size=np.shape(x))
    v = local.normal(size=np.shape(x)) + 1j * local.normal(size=np.shape(x))
    _, slope = jvp(f, z, v)
    w = local.normal(size=np.shape(slope)) + (1j if np.iscomplexobj(slope) else 0) * local.normal(size=np.shape(slope))
    assert np.isclose(np.sum(w * slope).real, np.sum(vjp(f, z)[1](w) * v).real, rtol=1e-8)


SINGLE = sorted(set(CASES) - {"logm", "solve_continuous_are", "solve_discrete_are", "signm", "fractional_matrix_power"})


@pytest.mark.parametrize("name", SINGLE)
def test_single_precision(name):
    x, f = CASES[name][0]
    if f(x.astype(np.float32)).dtype in (np.float32, np.complex64):
        check_float32(f, x)


def test_plain_arguments_go_to_scipy_unchanged():
    assert_same(linalg.expm([[1, 2], [3, 4]]), sl.expm([[1, 2], [3, 4]]))
    with pytest.raises(TypeError):
        linalg.expm()
    with pytest.raises(np.linalg.LinAlgError):
        linalg.inv(np.ones((2, 2)))


def test_steps_are_traced_by_name():
    trace = teaching.trace(lambda t: np.sum(linalg.expm(np.stack([[t, 1.0], [0.0, t]]))), 0.5)
    assert "expm" in repr(trace)


# -- functions of matrices ---------------------------------------------------------------------------------------------
def test_derivatives_of_the_exponential_by_blocks():
    """exp of a block triangular matrix contains the derivative (Higham, theorem 3.6), even if large or defective."""
    local = np.random.default_rng(1)
    for a in (30 * SQUARE / 4, np.triu(np.ones((3, 3))), np.zeros((3, 3)), 1e-9 * SQUARE):
        e = local.normal(size=(3, 3))
        block = sl.expm(np.block([[a, e], [np.zeros((3, 3)), a]]))[:3, 3:]
        assert_near(jvp(linalg.expm, a, e)[1] / np.abs(block).max(), block / np.abs(block).max(), 1e-12)
    commuting = nth_derivative(lambda t: linalg.expm(t * SQUARE), 0.3, 4)
    assert_near(commuting, np.linalg.matrix_power(SQUARE, 4) @ sl.expm(0.3 * SQUARE), 1e-13)


def test_inverse_functions():
    v = STACK[1]
    for there, back in (
        (linalg.logm, linalg.expm),
        (linalg.expm, linalg.logm),
        (linalg.sqrtm, lambda x: x @ x),
        (lambda a: linalg.fractional_matrix_power(a, 1 / 3), lambda x: x @ x @ x),
    ):
        assert_near(jvp(lambda a: back(there(a / 3)), SQUARE, v)[1], v / 3, 1e-12)  # noqa: B023
        assert_near(jvp(lambda a: jvp(lambda a: back(there(a / 3)), a, v)[1], SQUARE, v)[1], 0 * v, 1e-10)  # noqa: B023


def test_trigonometric_identities():
    one = lambda a: linalg.cosm(a) @ linalg.cosm(a) + linalg.sinm(a) @ linalg.sinm(a)
    assert_near(jacobian(one, SQUARE), np.zeros((3,) * 4), 1e-12)
    one = lambda a: linalg.coshm(a) @ linalg.coshm(a) - linalg.sinhm(a) @ linalg.sinhm(a)
    assert_near(jacobian(one, SQUARE / 3), np.zeros((3,) * 4), 1e-12)


def test_logarithm_and_root_without_a_derivative():
    with pytest.warns(sl.LinAlgWarning) if SQRTM_WARNS else nullcontext():
        found = jvp(linalg.sqrtm, np.array([[0.0, 1.0], [0.0, 0.0]]), np.eye(2))[1]
    assert not np.isfinite(found).all()


ROTATION = np.linalg.qr(np.array([[1.0, 0.4, -0.2], [0.3, 1.0, 0.7], [-0.5, 0.2, 1.0]])).Q
DIRECTION = np.array([[0.4, 0.3, -1.0], [0.3, 1.2, 0.6], [-1.0, 0.6, -0.5]])


def composed(a):
    """exp(a) by the eigenvectors, as it is often written."""
    w, v = np.linalg.eigh(a)
    return (v * np.exp(w)) @ v.T


@pytest.mark.parametrize("values", [(1, 1, 1), (1, 1, 3), (0, 0, 0), (1, 1 + 1e-13, 1 + 1e-6), (1, 1 + 1e-3, 5)])
@pytest.mark.parametrize("is_complex", [False, True])
def test_function_of_a_matrix_with_repeated_eigenvalues(values, is_complex):
    """At points where V f(L) V* by eigh is NaN, funmh is exact to every order."""
    a, v = ROTATION @ np.diag(np.array(values, float)) @ ROTATION.T, DIRECTION
    if values[:2] == (1, 1):
        assert np.isnan(jvp(composed, a, v)[1]).any()
    if is_complex:
        a, v = a + 0j, v + 1j * (SQUARE - SQUARE.T)
    cube = lambda a: linalg.funmh(a, lambda w: w**3)
    assert_near(jvp(cube, a, v)[1], a @ a @ v + a @ v @ a + v @ a @ a, 1e-12)
    twice = lambda a: jvp(cube, a, v)[1]
    assert_near(jvp(twice, a, v)[1], 2 * (a @ v @ v + v @ a @ v + v @ v @ a), 1e-9)
    assert_near(nth_derivative(lambda t: cube(a + t * v), 0.0, 3), 6 * v @ v @ v, 1e-6)
    assert_near(jvp(lambda a: linalg.funmh(a, np.exp), a, v)[1], jvp(linalg.expm, a, v)[1], 1e-12)
    assert_near(
        jvp(lambda a: jvp(lambda a: linalg.funmh(a, np.exp), a, v)[1], a, v)[1],
        jvp(lambda a: jvp(linalg.expm, a, v)[1], a, v)[1],
        1e-9,
    )


def test_projector_on_a_cluster_of_repeated_eigenvalues():
    """V[:, :2] V[:, :2]' by eigh is NaN inside the block; a step function of the eigenvalues is exact."""
    a = ROTATION @ np.diag([1.0, 1.0, 3.0]) @ ROTATION.T
    assert np.isnan(jvp(lambda a: np.linalg.eigh(a)[1][:, :2] @ np.linalg.eigh(a)[1][:, :2].T, a, DIRECTION)[1]).any()
    projector = lambda a: linalg.funmh(a, lambda w: w < 2)
    assert_near(jvp(projector, a, DIRECTION)[1], central(projector, a, DIRECTION))
    bend = central(lambda a: jvp(projector, a, DIRECTION)[1], a, DIRECTION)
    assert_near(jvp(lambda a: jvp(projector, a, DIRECTION)[1], a, DIRECTION)[1], bend)
    for gap in (1e-3, 1e-6):
        near = ROTATION @ np.diag([1.0, 1.0 + gap, 3.0]) @ ROTATION.T
        found = jvp(lambda a: linalg.funmh(a, lambda w: w < 1 + gap / 2), near, DIRECTION)[1]  # noqa: B023
        u = np.linalg.eigh(near).eigenvectors
        within = u.T @ DIRECTION @ u
        steps = np.array([[0, -1 / gap, -0.5], [-1 / gap, 0, 0], [-0.5, 0, 0]])
        assert_near(found * gap, u @ (within * steps) @ u.T * gap, 1e-7)


def test_function_with_a_parameter_that_is_differentiated():
    """The function may depend on duals of outer calls; duals of the call that differentiates the matrix are refused."""
    a = np.diag([1.0, 1.0, 2.0])
    f = lambda beta: linalg.funmh(a, lambda w: np.exp(beta * w))
    assert_near(derivative(f, 0.5), a @ f(0.5), 1e-13)
    g = lambda beta: jvp(lambda a: linalg.funmh(a, lambda w: np.exp(beta * w)), a, DIRECTION)[1]
    assert_near(derivative(g, 0.5), central(g, 0.5, 1.0))
    with pytest.raises(TypeError, match=r"duals of the differentiation of A.*a sum or product"):
        derivative(lambda t: linalg.funmh(t * a, lambda w: np.exp(t * w)), 0.5)


def test_functions_of_eigenvalues_are_elementwise():
    for f in (lambda w: w / np.sum(w), lambda w: w[..., ::-1], lambda w: w[..., :1]):
        with pytest.raises(ValueError, match=r"elementwise|points"):
            jvp(lambda a: linalg.funmh(a, f), DIRECTION, SQUARE)  # noqa: B023
    with pytest.raises(TypeError, match="not holomorphic"):
        jvp(lambda a: linalg.funm(a, np.conj), SQUARE, SQUARE)


def test_defective_matrices_have_no_function_by_eigenvectors():
    found = jvp(lambda a: linalg.funm(a, np.exp, False)[0], np.array([[1.0, 1.0], [0.0, 1.0]]), np.ones((2, 2)))[1]
    assert np.isnan(found).all()


def test_polar_decomposition_with_repeated_singular_values():
    a = 2 * ROTATION
    u, p = jvp(linalg.polar, a, SQUARE)[1]
    within = ROTATION.T @ SQUARE
    assert_near(u, ROTATION @ (within - within.T) / 4, 1e-13)
    assert_near(p, (within + within.T) / 2, 1e-13)


# -- identities --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("f", [
    lambda a: np.einsum("ij,jk,kl->il", *linalg.lu(a)),
    lambda a: np.matmul(*linalg.lu(a, permute_l=True)),
    lambda a: np.matmul(*linalg.qr(a)),
    lambda a: np.matmul(*linalg.polar(a)),
    lambda a: linalg.inv(linalg.inv(a)),
    lambda a: linalg.lu_solve(linalg.lu_factor(a), a @ a),
    lambda a: a @ linalg.solve(a, a),
])  # fmt: skip
def test_factors_reproduce_the_matrix(f):
    assert_near(jvp(f, SQUARE, STACK[1])[1], STACK[1], 1e-12)
    assert_near(jvp(lambda a: jvp(f, a, STACK[1])[1], SQUARE, STACK[1])[1], 0 * SQUARE, 1e-11)


def test_differentiated_equations_hold():
    a, b, q, r = SMALL, SMALL[:, :1], positive(SMALL), np.array([[2.0]])

    def continuous(t):
        x = linalg.solve_continuous_are(a * t, b * t, q + t, r * t)
        return adjoint(a * t) @ x + x @ (a * t) - x @ (b * t) @ (b * t).T @ x / (r * t) + q + t

    def discrete(t):
        x = linalg.solve_discrete_are(a * t, b, q, r)
        gain = np.linalg.solve(r + b.T @ x @ b, b.T @ x @ (a * t))
        return adjoint(a * t) @ x @ (a * t) - x - adjoint(a * t) @ x @ b @ gain + q

    for f in (continuous, discrete):
        for g in (f, derivative(f), derivative(derivative(f))):
            assert_near(g(1.3), np.zeros((2, 2)), 1e-9)


def test_gaussian_process():
    """Gradient and Hessian of the likelihood by the Cholesky factor agree with those by inverse and determinant."""
    points, y = np.linspace(0, 1, 6), np.sin(np.arange(6.0))

    def covariance(p):
        return np.exp(p[0] - (points[:, None] - points) ** 2 * np.exp(p[1])) + np.exp(p[2]) * np.eye(6)

    def by_factor(p):
        factor = linalg.cho_factor(covariance(p), lower=True)
        return y @ linalg.cho_solve(factor, y) / 2 + np.sum(np.log(np.diagonal(factor[0])))

    def by_inverse(p):
        return y @ np.linalg.inv(covariance(p)) @ y / 2 + np.linalg.slogdet(covariance(p))[1] / 2

    p = np.array([0.2, 1.0, -1.5])
    for options in ({"mode": "forward"}, {"mode": "reverse"}):
        assert_near(gradient(by_factor, p, **options), gradient(by_inverse, p), 1e-11)
    assert_near(hessian(by_factor, p), hessian(by_inverse, p), 1e-10)


def test_one_triangle_is_read():
    a = positive(SQUARE)
    for f, unread in (
        (linalg.cholesky, np.tril_indices(3, -1)),
        (lambda a: linalg.cholesky(a, lower=True), np.triu_indices(3, 1)),
        (linalg.eigvalsh, np.triu_indices(3, 1)),
        (lambda a: linalg.funmh(a, np.exp), np.triu_indices(3, 1)),
        (lambda a: linalg.solve(a, RIGHT, assume_a="pos"), np.tril_indices(3, -1)),
        (lambda a: linalg.solve_triangular(a, RIGHT), np.tril_indices(3, -1)),
    ):
        J = jacobian(f, a)
        assert not J[..., *unread].any()
        assert_near(along(J, SQUARE), central(f, a, SQUARE))


@pytest.mark.parametrize("f", [
    lambda a, b: linalg.solve_sylvester(a, SQUARE, b),
    lambda a, b: linalg.solve_banded((1, 1), a, b),
    lambda a, b: linalg.solveh_banded(a[1:], b, lower=True),
    lambda a, b: linalg.solve_toeplitz((a[1], a[0]), b),
    lambda a, b: linalg.solve_triangular(a, b),
    lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b),
    lambda a, b: linalg.solve(a, b),
])  # fmt: skip
def test_matrices_that_are_overwritten_later(f):
    """Reverse mode needs them as they were, even if they are plain arrays or views."""

    def overwriting(b):
        a = BAND.copy()
        x = f(a, b)
        a[...] = 7.0
        return x

    w = STACK[1]
    assert_near(vjp(overwriting, SQUARE)[1](w), vjp(lambda b: f(BAND, b), SQUARE)[1](w), 1e-14)

    def both(a):
        a = 1.0 * a
        x = f(a, a @ a)
        a[...] = 7.0
        return x

    assert_near(vjp(both, BAND)[1](w), vjp(lambda a: f(1.0 * a, a @ a), BAND)[1](w), 1e-13)


def test_structure_that_scipy_detects_does_not_restrict_the_derivative():
    a = np.diag([2.0, 3.0])
    J = jacobian(lambda a: linalg.solve(a, np.ones(2)), a)
    assert_near(J, jacobian(lambda a: np.linalg.solve(a, np.ones(2)), a), 1e-15)


# -- what is refused ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("f", "message"), [
    (lambda a: linalg.eig(a, a), r"linalg\.eig with b= .*solve\(b, a\)"),
    (lambda a: linalg.eig(a, left=True), r"with left="),
    (lambda a: linalg.eigvals(a, homogeneous_eigvals=True), r"linalg\.eigvals with homogeneous_eigvals="),
    (lambda a: linalg.qr(a, mode="raw"), r"with mode= .*Householder"),
    *(
        [(lambda a: linalg.inv(a, assume_a="diagonal"), r"with assume_a= .*off-diagonal")] if BATCHES else []
    ),
    (
        lambda a: linalg.sqrtm(a, disp=False),
        r"unexpected keyword argument 'disp'" if SCIPY_1_18 else r"linalg\.sqrtm with disp= .*deprecated",
    ),
    (lambda a: linalg.solve_continuous_are(a, a, a, a, e=np.eye(3)), r"with e= "),
])  # fmt: skip
def test_refused(f, message):
    with pytest.raises(TypeError, match=message):
        jvp(f, SQUARE, SQUARE)


def test_duals_as_options():
    with pytest.raises(TypeError, match=r"a dual number as cond= of dualdiff\.scipy\.linalg\.lstsq"):
        derivative(lambda t: linalg.lstsq(TALL, TALL, cond=t)[0], 0.1)
    with pytest.raises(ValueError, match=r"toeplitz of duals takes vectors.*\(3, 3\)"):
        jvp(linalg.toeplitz, SQUARE, SQUARE)
    with pytest.raises(ValueError, match=r"solveh_banded of duals takes one matrix.*\(2, 3, 3\)"):
        jvp(lambda a: linalg.solveh_banded(a, VECTOR), STACK, STACK)


@pytest.mark.parametrize("name", ["schur", "null_space", "orth", "ldl", "hessenberg"])
def test_other_functions_of_scipy_take_plain_matrices_and_refuse_duals(name):
    import scipy.linalg

    found, expected = (getattr(module, name)(SQUARE) for module in (linalg, scipy.linalg))
    for part, plain in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, plain)
    with pytest.raises(NoRuleError, match=rf"^scipy\.linalg\.{name} has no derivative rule.*custom_derivative"):
        jacobian(lambda a: getattr(linalg, name)(a)[0], SQUARE)


def test_a_name_that_scipy_lacks():
    with pytest.raises(AttributeError, match="inverse_of_nobody"):
        linalg.inverse_of_nobody  # noqa: B018 - the case
    assert linalg.LinAlgError is np.linalg.LinAlgError


def test_expm_takes_one_element_as_a_matrix():
    for x in (0.7, np.array([0.7])):
        found, slope = jvp(linalg.expm, x, np.ones_like(x))
        assert_same(found, linalg.expm(x))
        assert_near(slope, np.exp([[0.7]]), 1e-14)
