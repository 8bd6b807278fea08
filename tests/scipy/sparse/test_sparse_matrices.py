"""``dualdiff.scipy.sparse``: matrices whose elements are duals, against differences of SciPy's."""

# ruff: noqa: E402
from __future__ import annotations

import inspect
import operator
from functools import partial

import numpy as np
import pytest

ss = pytest.importorskip("scipy.sparse")

from dualdiff import LostDerivativeError, NoRuleError, adapt, derivative, gradient, jacobian, value_and_jacobian
from dualdiff.scipy import sparse
from dualdiff.scipy.sparse import dual_matrices, making
from tests.scipy.interpolate import cases
from tests.scipy.interpolate.cases import checked
from tests.support.versions import SCIPY_1_15

#: Older SciPy leaves the elements of products unsorted, and adds them up in that order.
compare = partial(cases.compare, rounding=0.0 if SCIPY_1_15 else 1e-13)

RNG = np.random.default_rng(0)
N = 5
ROWS = np.array([0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 2])
COLUMNS = np.array([0, 1, 2, 3, 4, 1, 2, 3, 4, 3, 0])
D = RNG.uniform(1.0, 3.0, len(ROWS))
B = RNG.standard_normal(N)
K = ss.csr_array(np.diag([1.0, 2, 3, 4, 5]) + np.diag([1.0, 0, 1, 1], 1))


@pytest.fixture(autouse=True)
def _formulas_have_the_values_of_scipy(monkeypatch):
    monkeypatch.setattr(dual_matrices, "revalued", checked(dual_matrices.revalued))


def matrix(m, d, kind="csr_array"):
    return getattr(m, kind)((d, (ROWS, COLUMNS)), shape=(N, N))


def twice(d):
    return np.concatenate([d, d * d]), (np.concatenate([ROWS, ROWS]), np.concatenate([COLUMNS, COLUMNS]))


OF_ELEMENTS = {
    **{
        f"{kind} {form}": lambda m, d, name=f"{form}_{kind}": matrix(m, d, name).toarray()
        for kind in ("array", "matrix")
        for form in ("csr", "csc", "coo")
    },
    "indptr": lambda m, d: m.csc_array((d, COLUMNS % 3, [0, 3, 7, 11]), shape=(3, 3)).toarray(),
    "bsr": lambda m, d: m.bsr_array((d[:8].reshape(2, 2, 2), [0, 1], [0, 1, 2])).toarray(),
    "dia": lambda m, d: m.dia_array((d[:10].reshape(2, 5), [0, -2]), shape=(N, N)).toarray(),
    "repeated": lambda m, d: m.coo_array(twice(d), shape=(N, N)).tocsr().toarray(),
    "repeated coo": lambda m, d: m.coo_array(twice(d), shape=(N, N)) @ B,
    "dense": lambda m, d: m.csr_array(d[:6].reshape(2, 3)).toarray(),
    "converted": lambda m, d: m.csc_array(matrix(m, d).tocoo()).todia().tocsr().toarray(),
    "product": lambda m, d: (matrix(m, d) @ matrix(m, d).T).toarray(),
    "power": lambda m, d: (matrix(m, d, "csr_matrix") ** 2).toarray(),
    "plain right": lambda m, d: (matrix(m, d) @ K).toarray(),
    "plain left": lambda m, d: (K @ matrix(m, d)).toarray(),
    "sum of matrices": lambda m, d: (matrix(m, d) + 2 * matrix(m, d).T - K).toarray(),
    "difference": lambda m, d: (K - matrix(m, d)).toarray(),
    "elementwise": lambda m, d: matrix(m, d).multiply(matrix(m, d).T).toarray(),
    "rows": lambda m, d: matrix(m, d).multiply(B).toarray(),
    "columns": lambda m, d: matrix(m, d).multiply(B[:, None]).toarray(),
    "functions": lambda m, d: (matrix(m, d).sin() + abs(-matrix(m, d)).power(3)).toarray(),
    "sum": lambda m, d: matrix(m, d).sum(),
    "sum 0": lambda m, d: matrix(m, d).sum(axis=0),
    "sum 1": lambda m, d: np.asarray(matrix(m, d).sum(axis=1)),
    "mean": lambda m, d: matrix(m, d).mean(axis=0),
    "diagonal": lambda m, d: matrix(m, d).diagonal(1),
    "trace": lambda m, d: matrix(m, d).trace(),
    "slice": lambda m, d: matrix(m, d)[1:3, [0, 2]].toarray(),
    "element": lambda m, d: matrix(m, d)[1, 1] * matrix(m, d)[4, 0] + matrix(m, d)[0, 3],
    "reshape": lambda m, d: matrix(m, d).tocoo().reshape((1, N * N)).toarray(),
    "tril": lambda m, d: m.tril(matrix(m, d)).toarray(),
    "hstack": lambda m, d: m.hstack([matrix(m, d), K]).toarray(),
    "bmat": lambda m, d: m.bmat([[matrix(m, d), None], [None, 2 * matrix(m, d)]]).toarray(),
    "block_diag": lambda m, d: m.block_diag([matrix(m, d), K, matrix(m, d).T]).toarray(),
    "kron": lambda m, d: m.kron(matrix(m, d)[:2, :2], matrix(m, d)[:3, :3]).toarray(),
    "kronsum": lambda m, d: m.kronsum(matrix(m, d)[:2, :2], matrix(m, d)[:3, :3]).toarray(),
    "diags": lambda m, d: m.diags([d[:5], d[5:9], d[:4]], [0, 1, -1]).toarray(),
    "diags_array": lambda m, d: m.diags_array([d[:5], 2 * d[:4]], offsets=[0, 1]).tocsr() @ B,
    "spdiags": lambda m, d: m.spdiags(d[:10].reshape(2, 5), [0, 1], N, N).toarray(),
}


@pytest.mark.parametrize("name", OF_ELEMENTS)
def test_elements(name):
    case = OF_ELEMENTS[name]
    compare(lambda d: case(sparse, d), lambda d: np.asarray(case(ss, d)), D)


OF_BOTH = {
    "A @ x": lambda m, d, b: matrix(m, d) @ b,
    "A @ X": lambda m, d, b: matrix(m, d) @ np.stack([b, b * b], 1),
    "x @ A": lambda m, d, b: b @ matrix(m, d),
    "X @ A": lambda m, d, b: np.stack([b, b * b]) @ matrix(m, d),
    "A * x": lambda m, d, b: matrix(m, d, "csc_matrix") * b,
    "dot": lambda m, d, b: matrix(m, d).dot(b),
}


@pytest.mark.parametrize("name", OF_BOTH)
def test_products_with_arrays(name):
    case = OF_BOTH[name]
    compare(lambda *a: case(sparse, *a), lambda *a: case(ss, *a), D, B)


OF_SCALARS = {
    "p * K": lambda p: (p[0] * K + p[1] * (K.T @ K)).toarray(),
    "K - p K": lambda p: (K - p[0] * K).toarray(),
    "p * matrix": lambda p: (p[0] * ss.csr_matrix(K)) @ p,
    "p A / q": lambda p: (p[0] * K / p[1] * p[2]).toarray(),
    "K + dense": lambda p: K + np.outer(p, p),
    "dense - K": lambda p: np.outer(p, p) - K,
    "A + dense": lambda p: p[0] * K + np.outer(p, p),
    "dense * A": lambda p: (np.outer(p, p) * (p[0] * K)).toarray(),
    "x @ A": lambda p: p @ (p[0] * K),
    "A.multiply": lambda p: (p[0] * K).multiply(p).toarray(),
    "np.sum": lambda p: np.sum(p[0] * K),
}


@pytest.mark.parametrize("name", OF_SCALARS)
def test_duals_beside_plain_matrices(name):
    case = OF_SCALARS[name]
    compare(case, lambda p: np.asarray(case(p)), B + 2.0)


def test_zeros_stay_stored():
    """An element that is zero by chance has a derivative."""
    one = ss.csr_array(np.ones((1, 1)))
    for zero in (
        lambda t: (t * one - one)[0, 0],
        lambda t: sparse.csr_array(np.stack([np.stack([t - 1.0])]))[0, 0],
        lambda t: ((t - 1.0) * one @ one).toarray()[0, 0],
        lambda t: sparse.diags([np.stack([t - 1.0])], [0]).tocsr().toarray()[0, 0],
    ):
        assert derivative(zero, 1.0) == 1.0


def test_plain_values_give_scipys_own():
    for name in making.CONSTRUCTORS:
        ours, scipys = getattr(sparse, name), getattr(ss, name)
        made = ours(np.eye(2))
        assert type(made) is scipys
        assert isinstance(made, ours)
    assert type(sparse.diags([1.0, 2.0])) is type(ss.diags([1.0, 2.0]))

    def f(t):
        a = sparse.csr_array(t * np.eye(2))
        assert isinstance(a, sparse.csr_array)
        assert not isinstance(a, sparse.csr_matrix)
        assert sparse.issparse(a)
        assert (a.shape, a.nnz, a.format, a.dtype, a.ndim) == ((2, 2), 4, "csr", np.dtype(float), 2)
        return a.data[0]

    assert derivative(f, 3.0) == 1.0


def test_the_order_of_scipys_elements_is_kept():
    """SciPy sorts indices in place, also those that it was given."""
    a = matrix(ss, D) @ matrix(ss, D).T
    assert not a.has_sorted_indices

    def f(d):
        b = matrix(sparse, d) @ matrix(sparse, d).T
        first = b @ B
        b.plain.sort_indices()
        np.testing.assert_array_equal(
            jacobian(lambda s: (b * s) @ B, 1.0), first.value if hasattr(first, "value") else first
        )
        return b @ B

    compare(f, lambda d: (matrix(ss, d) @ matrix(ss, d).T) @ B, D, second=False)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_every_method_has_a_derivative_or_refuses():
    a = {}

    def f(d):
        a["dual"] = matrix(sparse, d)
        for name in dir(ss.csr_array):
            if name.startswith("_") or hasattr(type(a["dual"]), name) or name in dual_matrices._OF_POSITIONS:
                continue
            if name in ("data",):
                continue
            with pytest.raises(NoRuleError, match=f"scipy.sparse.csr_array.{name} has no derivative rule"):
                getattr(a["dual"], name)
        return d[0]

    gradient(f, D)


def test_every_name_takes_duals_or_refuses_them():
    for name in ss.__all__:
        thing = getattr(sparse, name)
        if name in sparse.__all__ or inspect.ismodule(thing) or isinstance(thing, type):
            continue
        if name in ("eye", "eye_array", "identity", "rand", "random", "random_array"):
            continue

        def f(d, thing=thing):
            thing(matrix(sparse, d))
            return d[0]

        with pytest.raises(NoRuleError, match=f"scipy.sparse.{name} has no derivative rule"):
            gradient(f, D)


def test_what_cannot_carry_a_tangent_is_named():
    with pytest.raises(NoRuleError, match=r"scipy.sparse.lil_array of duals has no derivative rule"):
        derivative(lambda t: sparse.lil_array(t * np.eye(2)), 1.0)
    with pytest.raises(LostDerivativeError, match=r"the dtype int64 in scipy.sparse.csr_array"):
        derivative(lambda t: sparse.csr_array(t * np.eye(2), dtype=int), 1.0)
    with pytest.raises(LostDerivativeError, match="the exponent of a sparse matrix"):
        derivative(lambda t: (t * K).power(t), 1.0)
    with pytest.raises(TypeError):
        derivative(lambda t: K * t, 1.0)
    with pytest.raises(ValueError, match="axis 0 index 7 exceeds"):
        derivative(lambda t: sparse.coo_array((t * np.ones(1), ([7], [0])), shape=(2, 2)), 1.0)


def with_scipys_names(d):
    a = ss.csr_array((d, (ROWS, COLUMNS)), shape=(N, N)) + ss.diags(d[:N])
    assert isinstance(a, ss.csr_array)
    assert ss.issparse(a)
    return np.sum(np.asarray(a @ B) ** 2) if not hasattr(a, "plain") else np.sum((a @ B) ** 2)


def test_scipys_own_names_in_adapted_code():
    def ours(d):
        return np.sum(((matrix(sparse, d) + sparse.diags(d[:N])) @ B) ** 2)

    np.testing.assert_allclose(gradient(adapt(with_scipys_names), D), gradient(ours, D), rtol=1e-12)


# -- memory that matrices share ----------------------------------------------------------------------------------------
DERIVED = {
    **{f"to{form}": lambda m, a, form=form: getattr(a, f"to{form}")() for form in dual_matrices.STORED},
    **{f"as {form}": lambda m, a, form=form: a.asformat(form) for form in dual_matrices.STORED},
    **{f"{form}_array": lambda m, a, name=f"{form}_array": getattr(m, name)(a) for form in dual_matrices.STORED},
    "copied by constructor": lambda m, a: getattr(m, f"{a.format}_array")(a, copy=True),
    "copy": lambda m, a: a.copy(),
    "T": lambda m, a: a.T,
    "transposed copy": lambda m, a: a.transpose(copy=True),
    "reshape": lambda m, a: a.reshape(N, N),
    "plus zero": lambda m, a: a + 0,
    "twice": lambda m, a: 2 * a,
    "conj": lambda m, a: a.conj(copy=False),
    "real": lambda m, a: a.real,
    "astype": lambda m, a: a.astype(float, copy=False),
    "tril": lambda m, a: m.tril(a),
    "vstack": lambda m, a: m.vstack([a], format=a.format),
    "power": lambda m, a: a.power(1),
}
IN_PLACE = {
    "multiplied": lambda a, d: operator.imul(a, 2.0),
    "multiplied by a dual": lambda a, d: operator.imul(a, d[0]),
    "divided": lambda a, d: operator.itruediv(a, 4.0),
    "added": lambda a, d: operator.iadd(a, a),
    "subtracted": lambda a, d: operator.isub(a, 3.0 * a),
    "elements": lambda a, d: a.data.__imul__(3.0),
}


def matches_after_writing(form, write, derive=lambda m, a: a, repeat=False):
    def f(m, d):
        a = m.coo_array((1.0 * d, (ROWS, ROWS if repeat else COLUMNS)), shape=(N, N)).asformat(form)
        write(derive(m, a), d)
        return a @ B

    steps = [(f(ss, D + h) - f(ss, D - h)) / 2e-6 for h in 1e-6 * np.eye(len(D))]
    np.testing.assert_allclose(jacobian(lambda d: f(sparse, d), D), np.stack(steps, axis=-1), atol=1e-6)


@pytest.mark.parametrize("write", IN_PLACE)
@pytest.mark.parametrize("form", dual_matrices.STORED)
def test_another_name_sees_what_is_written_in_place_as_in_scipy(form, write):
    matches_after_writing(form, IN_PLACE[write])


@pytest.mark.parametrize("derived", DERIVED)
@pytest.mark.parametrize("form", dual_matrices.STORED)
def test_elements_are_shared_where_they_are_in_scipy(form, derived):
    matches_after_writing(form, IN_PLACE["elements"], DERIVED[derived])


@pytest.mark.parametrize("derived", DERIVED)
def test_repeated_elements_are_shared_where_they_are_in_scipy(derived):
    matches_after_writing("coo", IN_PLACE["elements"], DERIVED[derived], repeat=True)


def test_a_diagonal_is_a_view_where_it_is_in_scipy():
    def f(m, d):
        a = m.dia_array((1.0 * d[None, :N], [0]), shape=(N, N))
        diagonal = a.diagonal()
        diagonal[:2] = 0.0
        return a @ B

    expected = np.diag((f(ss, D) != 0.0) * B)
    np.testing.assert_array_equal(jacobian(lambda d: f(sparse, d), D)[:, :N], expected)


@pytest.mark.parametrize("kind", ["coo", "csr", "csc", "dia", "bsr"])
@pytest.mark.parametrize("copy", [False, True])
def test_a_constructor_copies_the_elements_if_it_is_asked_to(kind, copy):
    def f(m, d):
        data = 1.0 * (d[None, :N] if kind == "dia" else d[:N, None, None] if kind == "bsr" else d[:N])
        diagonal = np.arange(N)
        where = {"coo": ((diagonal, diagonal),), "dia": ([0],)}.get(kind, (diagonal, np.arange(N + 1)))
        a = getattr(m, f"{kind}_array")((data, *where), shape=(N, N), copy=copy)
        a *= 2.0
        return np.ravel(data)

    np.testing.assert_array_equal(jacobian(lambda d: f(sparse, d), D)[:, :N], np.diag(f(ss, D) / D[:N]))


def test_repeated_elements_of_plain_matrices_are_added_beside_duals():
    plain = ss.coo_array(twice(D), shape=(N, N))
    for joined in (
        lambda m, a: m.hstack([plain, a]),
        lambda m, a: m.block_diag([a, plain]),
        lambda m, a: m.kron(a, plain),
    ):
        exact = joined(ss, matrix(ss, D)).toarray()
        got = []
        jacobian(
            lambda d, joined=joined, got=got: got.append(joined(sparse, matrix(sparse, d)).plain.toarray()) or d, D
        )
        np.testing.assert_array_equal(got[0], exact)


@pytest.mark.skipif(not SCIPY_1_15, reason="older SciPy sums repeated elements elsewhere")
def test_repeated_elements_stay_where_scipy_keeps_them():
    def f(m, d):
        a = m.coo_array(twice(d), shape=(N, N))
        return np.concatenate([(2 * a).data, (-a).data, (a / 4).data, a.conj().data, a.real.data])

    np.testing.assert_array_equal(value_and_jacobian(lambda d: f(sparse, d), D)[0], f(ss, D))


def test_repeated_blocks_are_refused():
    with pytest.raises(NoRuleError, match="BSR"):
        gradient(lambda d: sparse.bsr_array((d[:4].reshape(2, 1, 2), [0, 0], [0, 2]), shape=(1, 4)).toarray().sum(), D)
