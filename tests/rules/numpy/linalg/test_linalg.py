"""numpy.linalg: values bit for bit, derivatives against finite differences, identities and other spaces."""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import derivative, gradient, hessian, jacobian, jvp, vjp
from tests.support.against import along, assert_near, assert_same, central, check
from tests.support.matrices import CASES, RIGHT, SQUARE, STACK, TALL, WIDE, invariant, positive
from tests.support.versions import NUMPY_2_5

rng = np.random.default_rng(7)


@pytest.mark.parametrize("name", ["solve", "inv", "det", "eigvals", "matrix_power", "multi_dot", "tensorinv"])
def test_holomorphic_functions_have_a_complex_jacobian(name):
    for x, f in CASES[name][:2]:
        z = x + 0.2j * np.random.default_rng(4).normal(size=x.shape)
        v = np.random.default_rng(5).normal(size=(2, *x.shape)) @ np.eye(x.shape[-1])
        v = v[0] + 1j * v[1]
        assert_near(along(jacobian(f, z), v), central(f, z, v))


@pytest.mark.parametrize("name", ["slogdet", "cholesky", "qr", "eigh", "eig", "svd", "svdvals", "norm"])
def test_other_functions_have_none(name):
    x, f = CASES[name][0]
    with pytest.raises(TypeError, match=rf"{name}|conj.*not holomorphic.*jvp"):
        jacobian(f, x + 0.1j)


def test_gradient_of_a_real_function_of_a_complex_matrix():
    z = SQUARE + 0.3j * STACK[1]
    g = gradient(lambda a: np.linalg.slogdet(a)[1], z)
    v = RIGHT @ RIGHT.T + 1j * SQUARE
    assert np.isclose(np.sum(g * v).real, jvp(lambda a: np.linalg.slogdet(a)[1], z, v)[1])


# -- identities --------------------------------------------------------------------------------------------------------
def test_a_matrix_times_its_inverse():
    assert_near(jacobian(lambda a: a @ np.linalg.inv(a), SQUARE), np.zeros((3,) * 4), 1e-13)
    assert_near(jacobian(lambda a: np.linalg.solve(a, a), SQUARE), np.zeros((3,) * 4), 1e-13)
    assert_near(jacobian(jacobian(lambda a: a @ np.linalg.inv(a)), SQUARE), np.zeros((3,) * 6), 1e-12)


@pytest.mark.parametrize("x", [SQUARE, TALL, WIDE, STACK, SQUARE + 0.3j * RIGHT @ RIGHT.T, TALL + 0.2j * TALL[::-1]])
def test_decompositions_multiplied_out(x):
    """The product of the factors is the matrix, and so are the derivatives."""
    local = np.random.default_rng(6)
    v = local.normal(size=x.shape) + (1j * local.normal(size=x.shape) if np.iscomplexobj(x) else 0)

    def of_svd(x):
        u, s, vh = np.linalg.svd(x, full_matrices=False)
        return (u * s[..., None, :]) @ vh

    def of_qr(x):
        q, r = np.linalg.qr(x)
        return q @ r

    def of_all_qr(x):
        q, r = np.linalg.qr(x, "complete")
        return q @ r

    def of_cholesky(x):
        factor = np.linalg.cholesky(positive(x))
        return factor @ np.conj(np.swapaxes(factor, -1, -2))

    def of_eigh(x):
        w, u = np.linalg.eigh(positive(x))
        return (u * w[..., None, :]) @ np.conj(np.swapaxes(u, -1, -2))

    for f in (of_svd, of_qr, of_all_qr):
        assert_near(jvp(f, x, v)[1], v, 1e-12)
        assert_near(jvp(lambda x: jvp(f, x, v)[1], x, v)[1], 0 * v, 1e-10)  # noqa: B023
    assert_near(jvp(of_cholesky, x, v)[1], jvp(positive, x, v)[1], 1e-12)

    if x.shape[-1] == x.shape[-2]:
        assert_near(jvp(of_eigh, x, v)[1], jvp(positive, x, v)[1], 1e-12)

        def of_eig(x):
            w, u = np.linalg.eig(x)
            return (u * w[..., None, :]) @ np.linalg.inv(u)

        assert_near(jvp(of_eig, x, v)[1].real, v.real, 1e-12)


@pytest.mark.parametrize("x", [TALL, TALL + 0.2j * TALL[::-1]])
def test_columns_stay_orthonormal(x):
    v = x[::-1] * (1 + 0.5 * x)
    for f in (
        lambda x: np.linalg.qr(x).Q,
        lambda x: np.linalg.qr(x, "complete").Q,
        lambda x: np.linalg.svd(x, full_matrices=False).U,
        lambda x: np.linalg.eigh(positive(np.conj(x.T))).eigenvectors,
    ):
        q, dq = jvp(f, x, v)
        assert_near(np.conj(q.T) @ dq + np.conj(dq.T) @ q, np.zeros((q.shape[1],) * 2), 1e-12)


def test_triangles_stay_triangles():
    for f in (lambda a: np.linalg.cholesky(positive(a)).T, lambda a: np.linalg.qr(a).R, lambda a: np.linalg.qr(a, "r")):
        assert np.all(jacobian(f, SQUARE)[np.tril_indices(3, -1)] == 0)


def test_penrose_conditions():
    low_rank = np.outer([1.0, 2.0, -1.0], [0.5, 1.0]) @ np.array([[1.0, 0.3, 2.0], [0.2, -1.0, 0.4]])

    def on_the_way(t):
        a = np.outer([1.0, 2.0, -1.0], np.stack([0.5 + t, 1 - t, t * t]))
        return a @ np.linalg.pinv(a, rcond=1e-10) @ a - a

    assert np.linalg.matrix_rank(low_rank) == 1
    assert_near(derivative(on_the_way, 0.3), np.zeros((3, 3)), 1e-12)
    assert_near(derivative(derivative(on_the_way), 0.3), np.zeros((3, 3)), 1e-12)


@pytest.mark.parametrize("f", [lambda a: np.linalg.eigh(a)[0], np.linalg.eigvalsh, np.linalg.cholesky])
def test_one_triangle_is_read(f):
    a = positive(SQUARE)
    J = jacobian(f, a)
    assert np.all(J[..., *np.triu_indices(3, 1)] == 0)
    assert_near(along(J, SQUARE), central(f, a, SQUARE))


# -- the rows of the page on what every hard case gives ----------------------------------------------------------------
def test_gradient_of_a_determinant():
    a = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, np.pi, 3.0]])
    assert_near(gradient(np.linalg.det, a), np.array([[6, 0, 0], [0, 3, -np.pi], [0, 0, 2]]), 1e-15)


def by_minors(a):
    """The determinant without division, which is right for duals nested to any depth."""
    n = a.shape[0]
    if n == 1:
        return a[0, 0]
    return sum((-1) ** j * a[0, j] * by_minors(a[1:][:, [k for k in range(n) if k != j]]) for j in range(n))


def nth(f, a, v, order):
    """The derivatives of f along a line through a, of orders 1, 2, ..."""
    g, found = lambda t: f(a + t * v), []
    for _ in range(order):
        g = derivative(g)
        found.append(g(0.0))
    return np.array(found)


@pytest.mark.parametrize(("n", "rank"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (3, 3), (4, 2), (5, 3)])
def test_determinant_of_a_singular_matrix(n, rank):
    local = np.random.default_rng(n * 10 + rank)
    a = local.normal(size=(n, rank)) @ local.normal(size=(rank, n))
    v = local.normal(size=(n, n))
    found, expected = nth(np.linalg.det, a, v, 4), nth(by_minors, a, v, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * np.max(np.abs(expected)))
    assert_near(gradient(np.linalg.det, a), gradient(by_minors, a), 1e-13)
    assert_near(hessian(np.linalg.det, a, chunk_size=3), hessian(by_minors, a), 1e-12)


@pytest.mark.parametrize("sizes", [(1, 1e-9, 1e-9), (1, 1e-6, 1e-12), (1, 1e-17, 1e-17)])
def test_determinant_of_a_nearly_singular_matrix(sizes):
    local = np.random.default_rng(8)
    p, q = (np.linalg.qr(local.normal(size=(3, 3))).Q for _ in range(2))
    a, v = p @ np.diag(sizes) @ q, local.normal(size=(3, 3))
    found, expected = nth(np.linalg.det, a, v, 3), nth(by_minors, a, v, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-16 * max(sizes) ** 2)
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-6, atol=1e-12 * max(sizes))


def test_determinants_of_a_stack_with_singular_members():
    stack = np.stack([SQUARE, np.zeros((3, 3)), np.outer([1.0, 2.0, 3.0], [1.0, 0.0, 2.0]), SQUARE.T])
    alone = np.stack([gradient(np.linalg.det, a) for a in stack])
    assert_near(gradient(lambda x: np.sum(np.linalg.det(x)), stack), alone, 1e-14)
    assert_near(gradient(np.linalg.det, stack, batch_dims=1), alone, 1e-14)
    twice = np.stack([hessian(np.linalg.det, a) for a in stack])
    assert_near(hessian(np.linalg.det, stack, batch_dims=1), twice, 1e-14)
    assert_near(gradient(np.linalg.det, stack[1] + 0j), np.zeros((3, 3)) + 0j)


def test_logarithm_of_a_determinant():
    factor = np.linalg.cholesky([[1, 0.8], [0.8, 1]])
    expected = np.array([[1, -4 / 3], [0, 5 / 3]])
    assert_near(gradient(lambda a: np.log(np.linalg.det(a)), factor), expected, 1e-14)
    assert_near(gradient(lambda a: np.linalg.slogdet(a).logabsdet, factor), expected, 1e-14)


def test_inverse_times_the_matrix():
    def product(e):
        a = np.stack([np.stack([1 + 0 * e, e]), np.stack([2 * e, 2 + 0 * e])])
        return np.linalg.inv(a) @ a

    np.testing.assert_array_equal(derivative(product, 0.0), np.zeros((2, 2)))


def test_eigenvalues_of_an_outer_product():
    J = jacobian(lambda x: np.linalg.eigvalsh(np.outer(x, x)), np.array([1.0, 2.0]))
    assert_near(J, np.array([[0.0, 0.0], [2.0, 4.0]]), 1e-14)


ROTATION = np.linalg.qr(np.array([[1.0, 0.4, -0.2], [0.3, 1.0, 0.7], [-0.5, 0.2, 1.0]])).Q
SYMMETRIC = np.array([[0.4, 0.3, -1.0], [0.3, 1.2, 0.6], [-1.0, 0.6, -0.5]])


@pytest.mark.parametrize("values", [(1.0, 1.0, 3.0), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), (1.0, 1.0 + 1e-16, 3.0)])
@pytest.mark.parametrize("rotation", [np.eye(3), ROTATION])
def test_repeated_eigenvalues(values, rotation):
    a = rotation @ np.diag(values) @ rotation.T
    # Quantities that do not depend on the choice of eigenvectors are exact.
    for f in (np.sum, lambda w: np.sum(w**3), lambda w: np.prod(w + 1)):
        direct = gradient(lambda a: f(np.linalg.eigvalsh(a)), a)  # noqa: B023
        both = gradient(lambda a: f(np.linalg.eigh(a).eigenvalues), a)  # noqa: B023
        expected = central(lambda a: f(np.linalg.eigvalsh(a)), a, SYMMETRIC)  # noqa: B023
        assert_near(np.sum(direct * SYMMETRIC), expected)
        assert_near(both, direct, 1e-12)
    # The eigenvectors of the repeated eigenvalue have no derivative; the others do.
    _, slope = jvp(lambda a: np.linalg.eigh(a).eigenvectors, a, SYMMETRIC)
    assert np.all(np.isnan(slope[:, :2]))
    assert np.isnan(slope[:, 2]).all() == (values[2] == values[0])
    assert not np.isnan(jvp(lambda a: np.linalg.eigh(a).eigenvalues, a, SYMMETRIC)[1]).any()


def test_repeated_eigenvalues_and_no_change():
    """A zero tangent contributes zero, in forward and reverse mode."""
    _, vectors = jvp(lambda x: np.linalg.eigh(np.eye(3) + 0 * x)[1] + x, np.ones((3, 3)), np.ones((3, 3)))
    np.testing.assert_array_equal(vectors, np.ones((3, 3)))
    J = jacobian(lambda x: np.linalg.eigh(np.diag(np.stack([x[0], 1.0, 1.0, x[1] ** 2])))[1][:, 0], np.array([-1.0, 2]))
    assert_near(J, np.zeros((4, 2)))
    _, pull = vjp(lambda a: np.linalg.eigh(a).eigenvectors, np.diag([1.0, 1.0, 3.0]))
    w = np.zeros((3, 3))
    w[:, 2] = 1.0
    assert not np.isnan(pull(w)[:, 2]).any()
    np.testing.assert_array_equal(pull(np.zeros((3, 3))), np.zeros((3, 3)))


def test_projector_on_the_vector_of_a_simple_value_beside_a_repeated_one():
    a = ROTATION @ np.diag([1.0, 1.0, 3.0]) @ ROTATION.T

    def projector(a):
        u = np.linalg.eigh(a).eigenvectors[:, 2:]
        return u @ u.T

    assert_near(jvp(projector, a, SYMMETRIC)[1], central(projector, a, SYMMETRIC))
    left, right = np.linalg.svd(a)[0][:, :1], np.linalg.svd(a)[2][:1]
    assert_near(np.abs(left), np.abs(right.T))

    def leading(a):
        u, _, vh = np.linalg.svd(a)
        return u[:, :1] @ vh[:1]

    assert_near(jvp(leading, a, SQUARE)[1], central(leading, a, SQUARE))


@pytest.mark.parametrize("gap", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("is_complex", [False, True])
def test_matrix_function_by_eigenvectors(gap, is_complex):
    """V f(L) V* does not depend on the choice of the eigenvectors, and is as accurate as the gap allows."""
    a = ROTATION @ np.diag([1.0, 1.0 + gap, 3.0]) @ ROTATION.T
    v = SYMMETRIC.astype(complex if is_complex else float)
    if is_complex:
        v += 1j * (SQUARE - SQUARE.T)
        a = a + 0j

    def cube(a):
        w, u = np.linalg.eigh(a)
        return (u * w**3) @ np.conj(u.T)

    expected = a @ a @ v + a @ v @ a + v @ a @ a
    assert_near(jvp(cube, a, v)[1], expected, 1e-14 / gap)
    np.testing.assert_array_equal(np.isnan(jvp(cube, a, v)[1]), False)


def test_phase_of_complex_vectors_where_the_component_that_is_real_vanishes():
    a = np.diag([1.0, 2.0, 3.0]) + 0j
    v = SYMMETRIC + 1j * (SQUARE - SQUARE.T)

    def projectors(a):
        return invariant(np.linalg.eigh(a).eigenvectors)

    assert_near(jvp(projectors, a, v)[1], central(projectors, a, v))


def test_repeated_singular_values():
    local = np.random.default_rng(9)
    p, q = np.linalg.qr(local.normal(size=(4, 3))).Q, ROTATION
    a, v = p @ np.diag([2.0, 2.0, 0.5]) @ q.T, local.normal(size=(4, 3))
    for f in (lambda a: np.linalg.norm(a, "nuc"), lambda a: np.sum(np.linalg.svdvals(a) ** 3)):
        assert_near(jvp(f, a, v)[1], central(f, a, v))
    u, s, vh = jvp(lambda a: np.linalg.svd(a, full_matrices=False), a, v)[1]
    assert np.isnan(u[:, :2]).all()
    assert np.isnan(vh[:2]).all()
    assert not np.isnan(s).any()
    assert not np.isnan(u[:, 2]).any()
    assert not np.isnan(vh[2]).any()


def test_columns_of_a_full_svd_that_the_matrix_does_not_decide_on():
    u, s, vh = jvp(lambda a: np.linalg.svd(a), TALL, TALL[::-1])[1]
    assert np.isnan(u[:, 2:]).all()
    assert not any(np.isnan(part).any() for part in (u[:, :2], s, vh))
    _, _, vh = jvp(lambda a: np.linalg.svd(a), WIDE, WIDE[::-1])[1]
    assert np.isnan(vh[2:]).all()
    assert not np.isnan(hessian(lambda a: np.sum(np.linalg.svd(a)[1] ** 3), TALL)).any()


def test_singular_values_of_a_singular_matrix():
    """The vectors of a single zero have derivatives, unless U has further columns."""
    a = SQUARE.copy()
    a[2] = a[0] + a[1]
    u, s, vh = jvp(lambda a: np.linalg.svd(a), a, SYMMETRIC)[1]
    assert not any(np.isnan(part).any() for part in (u, s, vh))
    u, s, vh = jvp(lambda a: np.linalg.svd(a, full_matrices=False), np.vstack([a, a]), np.ones((6, 3)))[1]
    assert np.isnan(u[:, 2]).all()
    assert not any(np.isnan(part).any() for part in (u[:, :2], s, vh))


@pytest.mark.parametrize("a", [[[1.0, 1.0], [0.0, 1.0]], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]])
def test_defective_eigenvalues(a):
    """A perturbation of size e changes them by sqrt(e): there is no derivative."""
    v = np.ones(np.shape(a))
    w, u = jvp(lambda a: np.linalg.eig(a), a, v)[1]
    assert np.isnan(w).all()
    assert np.isnan(u).all()
    assert np.isnan(jvp(np.linalg.eigvals, a, v)[1]).all()


def test_eigenvalues_of_the_unit_matrix():
    w, u = jvp(lambda a: np.linalg.eig(a), np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]))[1]
    assert np.sum(w) == 5.0
    assert np.isnan(u).all()


# -- norms -------------------------------------------------------------------------------------------------------------
def test_norm_of_the_zero_vector():
    zero = np.zeros(3)
    for ord in (None, 2, 3, 1.5):
        np.testing.assert_array_equal(gradient(lambda x: np.linalg.norm(x, ord), zero), zero)  # noqa: B023
    np.testing.assert_array_equal(gradient(np.linalg.norm, np.zeros((2, 2))), np.zeros((2, 2)))
    np.testing.assert_array_equal(gradient(np.linalg.norm, zero + 0j), zero)
    assert np.isnan(hessian(np.linalg.norm, zero)).all()
    assert_near(hessian(lambda x: np.linalg.norm(x) ** 2, zero + 1), 2 * np.eye(3), 1e-14)
    signs = np.array([0.0, -0.0, 0.0])
    np.testing.assert_array_equal(gradient(lambda x: np.linalg.norm(x, 1), signs), [1.0, -1.0, 1.0])
    np.testing.assert_array_equal(gradient(lambda x: np.linalg.norm(x, np.inf), signs), [1.0, 0.0, 0.0])


def test_norm_takes_one_of_equal_pieces():
    x = np.array([1.0, -2.0, 2.0])
    np.testing.assert_array_equal(gradient(lambda x: np.linalg.norm(x, np.inf), x), [0.0, -1.0, 0.0])
    np.testing.assert_array_equal(
        gradient(lambda x: np.linalg.norm(x, 1), np.ones((2, 2))), np.array([[1.0, 0.0], [1.0, 0.0]])
    )


def test_norm_of_scalars_with_zeros_among_them():
    x = np.array([3.0, 0.0, -4.0])
    assert_near(gradient(np.linalg.norm, x), np.array([0.6, 0.0, -0.8]), 1e-15)
    assert_near(gradient(lambda x: np.linalg.norm(x, 3), x), np.array([9, 0, -16]) / 91 ** (2 / 3), 1e-15)
    assert np.linalg.norm(gradient(np.linalg.norm, np.array([3e-200, 4e-200]))) == 0.0
    assert_near(gradient(np.linalg.norm, np.array([3e150, 4e150])), np.array([0.6, 0.8]), 1e-15)


# -- singular and empty matrices ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("f", [np.linalg.inv, lambda a: np.linalg.solve(a, RIGHT)])
def test_singular_matrices_raise_as_in_numpy(f):
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        jacobian(f, np.ones((3, 3)))


def test_derivatives_that_do_not_exist_are_nan():
    value, slope = jvp(lambda a: np.linalg.slogdet(a)[1], np.ones((2, 2)), np.eye(2))
    assert value == -np.inf
    assert np.isnan(slope)
    assert np.isnan(jvp(np.linalg.qr, np.ones((3, 2)), TALL[:3])[1].Q).all()
    value, slope = jvp(lambda a: np.linalg.cond(a, 1), np.zeros((2, 2)), np.eye(2))
    assert value == np.inf
    assert np.isnan(slope)


def test_singular_matrix_without_change():
    np.testing.assert_array_equal(
        jacobian(lambda x: np.linalg.slogdet(np.ones((2, 2)) * x[:1, None])[1] + x, [1.0, 2.0])[:, 1], [0.0, 1.0]
    )


EMPTY = [
    (np.linalg.inv, (0, 0)),
    (np.linalg.inv, (0, 3, 3)),
    (np.linalg.det, (0, 0)),
    (np.linalg.det, (2, 0, 0)),
    (np.linalg.det, (0, 2, 2)),
    (lambda a: np.linalg.slogdet(a)[1], (0, 0)),
    (np.linalg.pinv, (0, 3)),
    (np.linalg.pinv, (3, 0)),
    (lambda a: np.linalg.qr(a)[0], (3, 0)),
    (lambda a: np.linalg.qr(a, "complete")[0], (3, 0)),
    (lambda a: np.linalg.svd(a)[0], (3, 0)),
    (lambda a: np.linalg.svd(a)[2], (0, 2)),
    (np.linalg.svdvals, (2, 0)),
    (lambda a: np.linalg.eigh(a)[1], (0, 0)),
    (np.linalg.eigvalsh, (0, 0)),
    (lambda a: np.linalg.eig(a)[1], (0, 0)),
    (np.linalg.eigvals, (0, 0)),
    (np.linalg.cholesky, (0, 0)),
    (np.linalg.norm, (0,)),
    (np.linalg.norm, (0, 2)),
    (lambda a: np.linalg.matrix_power(a, 3), (0, 0)),
    (lambda a: np.linalg.solve(a, np.ones((0, 2))), (0, 0)),
    (lambda b: np.linalg.solve(SQUARE, b), (3, 0)),
    (lambda b: np.linalg.solve(np.eye(40), b), (40, 0)),
    (lambda b: np.linalg.lstsq(TALL, b, rcond=None)[0], (4, 0)),
    (lambda a: np.linalg.lstsq(a, np.ones(3), rcond=None)[0], (3, 0)),
    (lambda a: np.linalg.lstsq(a, np.ones(0), rcond=None)[0], (0, 2)),
]


@pytest.mark.parametrize(("f", "shape"), EMPTY)
def test_empty(f, shape):
    x = np.zeros(shape)
    expected = f(x)
    for found, J in (dd.value_and_jacobian(f, x), dd.value_and_jacobian(f, x, chunk_size=1)):
        assert_same(found, expected)
        assert J.shape == np.shape(expected) + shape
        assert not J.any()


# -- what comes back ---------------------------------------------------------------------------------------------------
def test_results_have_the_names_of_numpy():
    seen = []

    def f(a):
        seen.append((np.linalg.eigh(a), np.linalg.eig(a), np.linalg.svd(a), np.linalg.qr(a), np.linalg.slogdet(a)))
        seen.append(np.linalg.matrix_rank(a))
        return a

    jacobian(f, SQUARE)
    results, rank = seen
    plain = (np.linalg.eigh, np.linalg.eig, np.linalg.svd, np.linalg.qr, np.linalg.slogdet)
    assert [type(r) for r in results] == [type(g(SQUARE)) for g in plain]
    assert rank == 3
    assert isinstance(rank, np.integer)


@pytest.mark.parametrize("mode", ["raw", "economic"])
def test_qr_without_a_rule(mode):
    with pytest.raises(TypeError, match=f"qr with mode='{mode}' has no derivative rule.*LAPACK"):
        jacobian(lambda a: np.linalg.qr(a, mode)[0], TALL)


def test_cross_products_of_what_numpy_takes():
    """Vectors of two components until NumPy 2.5, from when on linalg.cross takes axis=None."""
    for f, a in ((np.cross, TALL), (lambda a, b: np.cross(a, SQUARE[:2, :2], 1, 0), TALL[:2])):
        if NUMPY_2_5:
            with pytest.raises(ValueError, match="3-dimensional") as plain:
                f(a, a)
            with pytest.raises(ValueError, match="3-dimensional") as dual:
                jvp(lambda a: f(a, a**2), a, a)  # noqa: B023
            assert str(dual.value) == str(plain.value)
        else:
            with pytest.warns(DeprecationWarning, match="2-dimensional vectors"):
                check(lambda a: f(a, a**2), a)  # noqa: B023
    f = lambda a: np.linalg.cross(a, a**2, axis=None)
    if NUMPY_2_5:
        check(f, SQUARE)
    else:
        with pytest.raises(TypeError):
            jacobian(f, SQUARE)
    with pytest.raises(ValueError, match="3-dimensional"):
        np.linalg.cross(TALL, TALL)


def test_errors_of_numpy():
    with pytest.raises(np.linalg.LinAlgError, match="square"):
        jacobian(np.linalg.det, TALL)
    with pytest.raises(ValueError, match="Unrecognized mode"):
        jacobian(lambda a: np.linalg.qr(a, "what"), TALL)
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        jacobian(np.linalg.cholesky, -np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match="as many equations as unknowns"):
        jacobian(lambda a: np.linalg.tensorsolve(a, np.ones(3)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="3-dimensional"):
        jacobian(lambda a: np.linalg.cross(a, a), TALL)
    with pytest.raises(ValueError, match="norm order"):
        jacobian(lambda a: np.linalg.norm(a, 7), TALL)
    with pytest.raises(TypeError, match="integer"):
        jacobian(lambda a: np.linalg.matrix_power(a, 0.5), SQUARE)


def test_no_warning_but_those_of_numpy():
    with np.errstate(all="raise"):
        gradient(np.linalg.det, np.zeros((3, 3)))
        gradient(np.linalg.norm, np.zeros(3))
        jvp(lambda a: np.linalg.eigh(a).eigenvectors, np.eye(3), SYMMETRIC)
        jvp(lambda a: np.linalg.svd(a), np.ones((3, 3)), SYMMETRIC)


def test_lists_of_duals():
    def f(x):
        return np.linalg.solve([[x[0], 1.0], [x[1], x[0]]], x[::-1])

    x = np.array([1.5, -0.7])
    expected = jacobian(lambda x: np.linalg.solve(np.stack([np.stack([x[0], 1.0]), x[::-1]]), x[::-1]), x)
    assert_near(jacobian(f, x), expected, 1e-15)
