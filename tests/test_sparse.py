"""Sparse Jacobians and Hessians against dense ones, and patterns that hold whatever the values are."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_array_functions import ALL

import dualdiff as dd
from dualdiff.core import tags
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.passes import dense_passes, sparse_pass
from dualdiff.drivers.run.seeds import Directions
from dualdiff.drivers.sparse import rows_of
from dualdiff.rules.elementwise import ROWS
from dualdiff.tangents import pattern as patterns
from dualdiff.tangents import sparse as spaces

sparse = pytest.importorskip("scipy.sparse")

X = np.array([0.3, -1.2, 2.1, 0.7, 1.3, -0.4])


def check(f, x, exact=False):
    """The sparse Jacobian in one pass and compressed, and the pattern, against the dense Jacobian."""
    expected = dd.jacobian(f, x, mode="forward").reshape(-1, np.size(x))
    found = dd.jacobian(f, x, sparse=True)
    assert isinstance(found, sparse.csr_array)
    assert found.has_canonical_format
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-11, atol=1e-11)
    pattern = dd.jacobian_sparsity(f, x)
    assert pattern.dtype == bool
    assert np.array_equal(pattern.indptr, found.indptr)
    assert np.array_equal(pattern.indices, found.indices)
    if exact:
        assert np.array_equal(pattern.toarray(), expected != 0)
    compressed = dd.jacobian(f, x, sparse=pattern, check=True)
    assert compressed.dtype == expected.dtype
    np.testing.assert_allclose(compressed.toarray(), expected, rtol=1e-11, atol=1e-11)
    return pattern.toarray()


# -- against dense Jacobians -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("x", "f"), ALL)
def test_every_array_function(x, f):
    check(f, x)


@pytest.mark.parametrize("row", [r for r in ROWS.values() if isinstance(r.ufunc, np.ufunc)], ids=lambda r: r.name)
def test_every_elementwise_function(row):
    rng = np.random.default_rng(0)
    x = np.stack([rng.uniform(*interval, 4) for interval in row.domain])
    try:
        row.ufunc(*x)
    except TypeError:
        pytest.skip("takes integers")
    with np.errstate(all="ignore"):
        found = check(lambda x: row.ufunc(*x) * 1.0, x)
    allowed = np.tile(np.eye(4, dtype=bool), (1, row.arity))
    assert not (found & ~allowed).any()
    assert found.any() == any(row.partials)


def program(seed, steps=12):
    """A random function of twelve numbers that reads, joins, multiplies and overwrites arrays and views of them."""

    def step(x, pool, rng):
        a, b = (pool[rng.integers(len(pool))] for _ in range(2))
        flat_a, flat_b = np.ravel(a), np.ravel(b)
        match rng.integers(16):
            case 0:
                return np.sin(a)
            case 1:
                return a * a.sum() * 0.1
            case 2:
                return a + flat_b[0]
            case 3:
                return np.roll(a, 1) - 0.5 * a
            case 4:
                return a[::2]
            case 5:
                return a.T
            case 6:
                return np.concatenate([flat_a[:5], flat_b[:3] * 0.0 + 1])
            case 7:
                r = np.copy(a)
                r[0] = flat_b[1]
                v = r[1:]
                v *= 0.3
                return r
            case 8:
                r = np.zeros_like(x, shape=(5,))
                for i in range(5):
                    r[i] = flat_a[i % a.size] * flat_b[(2 * i) % b.size]
                r[1] = r[0] + r[2]
                return r
            case 9:
                return np.where(rng.random(a.shape) < 0.5, a, 0.2)
            case 10:
                return np.cumsum(a, axis=0) * 0.3
            case 11:
                return (rng.normal(size=(3, a.shape[0])) * (rng.random((3, a.shape[0])) < 0.5)) @ a
            case 12:
                return np.maximum(a, 0.1)
            case 13:
                return np.tensordot(np.atleast_2d(a), np.atleast_2d(a), ([0], [0])) * 0.2
            case 14:
                return np.outer(flat_a[:4], flat_b[:3])
            case _:
                w = flat_a * 1.0
                u = w.reshape(-1, 1)
                w[1:3] = w[0]
                w[[0, 0, 1]] = flat_b[:3]
                return u + 1

    def f(x):
        rng = np.random.default_rng(seed)
        pool = [x.reshape(3, 4), x[:6] * 1.0, x]
        for _ in range(steps):
            r = step(x, pool, rng)
            r = np.tanh(r) if np.max(np.abs(dd.value(r))) > 3 else r
            if 3 <= r.size <= 64:
                pool.append(r)
        return np.concatenate([np.ravel(p) for p in pool[2:]])

    return f


def point(seed):
    return np.random.default_rng(seed + 1000).normal(size=12)


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed):
    check(program(seed), point(seed))


@pytest.mark.parametrize("seed", range(60, 80))
def test_hessians_of_random_programs(seed):
    f, x = program(seed, 8), point(seed)

    def total(x):
        return np.sum(f(x) ** 2)

    expected = dd.hessian(total, x)
    found = dd.hessian(total, x, sparse=True)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-9, atol=1e-9)
    pattern = dd.hessian_sparsity(total, x)
    assert (pattern != pattern.T).nnz == 0
    compressed = dd.hessian(total, x, sparse=pattern, check=True)
    np.testing.assert_allclose(compressed.toarray(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(80, 95))
@pytest.mark.parametrize("outer", ["single", "dense"])
def test_sparse_tangents_of_numbers_that_are_duals_of_an_outer_call(seed, outer):
    f, x = program(seed, 8), point(seed)

    def sparse_jacobian(x):
        rows = rows_of(sparse_pass(Inputs("test", f, (x,), 0)))
        full = dd.zeros((rows.pattern.rows, rows.pattern.columns), like=x)
        full[rows.pattern.row_of_entries(), rows.pattern.indices] = rows.data
        return full

    if outer == "dense":
        found, expected = (dd.jacobian(j, x) for j in (sparse_jacobian, dd.jacobian(f, mode="forward")))
    else:
        v = np.random.default_rng(seed).normal(size=12)
        found, expected = (dd.jvp(j, x, v)[1] for j in (sparse_jacobian, dd.jacobian(f, mode="forward")))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_large_arrays_go_through_scipy_and_give_the_same(seed, monkeypatch):
    f, x = program(seed), point(seed)
    expected = dd.jacobian(f, x, sparse=True)
    pattern = dd.jacobian_sparsity(f, x)
    monkeypatch.setattr(patterns, "FEW", 0)
    monkeypatch.setattr(spaces, "MANY", 0)
    found = dd.jacobian(f, x, sparse=True)
    assert np.array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-11, atol=1e-11)
    assert (dd.jacobian_sparsity(f, x) != pattern).nnz == 0


def test_products_that_cancel_stay_in_the_pattern(monkeypatch):
    monkeypatch.setattr(spaces, "MANY", 0)
    matrix = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, 2.0]])
    x = np.array([[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]])

    def f(x):
        return matrix @ np.stack([x[0, 0] + x[1], x[0, 0] - x[1], x[2]])

    found = dd.jacobian(f, x, sparse=True)
    assert found.toarray()[0, 0] == 0
    assert dd.jacobian_sparsity(f, x).toarray()[0, 0]
    np.testing.assert_array_equal(found.toarray(), dd.jacobian(f, x).reshape(4, 6))


# -- patterns ----------------------------------------------------------------------------------------------------------
def pattern(f, x):
    return dd.jacobian_sparsity(f, x).toarray()


def test_the_pattern_does_not_depend_on_the_values():
    def f(x):
        return np.concatenate(
            [x[1:] * x[:-1], x**2, x**3, np.sin(x) * x[::-1], [np.prod(x), x @ x], np.cumprod(x), x - x, 0 * x, x * 0.0]
        )

    expected = pattern(f, X)
    for x in (np.zeros(6), np.ones(6), -X, np.full(6, 1e200)):
        with np.errstate(all="ignore"):
            assert np.array_equal(pattern(f, x), expected)
            assert np.array_equal(dd.jacobian(f, x, sparse=True).indices, dd.jacobian_sparsity(f, x).indices)


def test_the_pattern_of_a_hessian_does_not_depend_on_the_values():
    def f(x):
        return np.sum(x[1:] * x[:-1] ** 2) + np.sin(x[0]) * np.exp(x[3]) + np.sum(x) + np.prod(x[4:]) + np.abs(x[2])

    expected = dd.hessian_sparsity(f, X).toarray()
    assert np.array_equal(expected, dd.hessian(f, X) != 0)
    for x in (np.zeros(6), np.ones(6), -X):
        assert np.array_equal(dd.hessian_sparsity(f, x).toarray(), expected)


@pytest.mark.parametrize("name", ["sign", "floor", "ceil", "rint", "trunc", "round", "heaviside"])
def test_step_functions_depend_on_nothing(name):
    step = {"heaviside": lambda x: np.heaviside(x, 0.5)}.get(name, getattr(np, name))
    assert not pattern(step, X).any()
    assert np.array_equal(pattern(lambda x: step(x) * x, X), np.eye(6))


def test_choices_depend_on_what_they_chose():
    diagonal = np.eye(6, dtype=bool)
    positive = X > 0
    assert np.array_equal(pattern(lambda x: np.where(x > 0, x, 1.0), X), diagonal & positive)
    assert np.array_equal(
        pattern(lambda x: np.where(x > 0, x, x[::-1]), X), np.where(positive[:, None], diagonal, diagonal[::-1])
    )
    assert np.array_equal(pattern(np.max, X), [np.arange(6) == np.argmax(X)])
    assert np.array_equal(pattern(np.sort, X), diagonal[np.argsort(X)])
    # Both sides of maximum, minimum and clip count.
    assert np.array_equal(pattern(lambda x: np.maximum(x, x[::-1]), X), diagonal | diagonal[::-1])
    assert np.array_equal(pattern(lambda x: np.clip(x, -1, 1), X), diagonal)


def test_a_branch_shows_the_side_that_was_taken():
    def f(x):
        return x[:2] if x[0] > 0 else x[2:4]

    assert np.array_equal(pattern(f, X), np.eye(6)[:2])
    assert np.array_equal(pattern(f, -X), np.eye(6)[2:4])


def test_zeros_of_a_constant_matrix_count_and_zeros_of_a_varying_one_do_not():
    matrix = np.eye(6, k=1) - np.eye(6)
    assert np.array_equal(pattern(lambda x: matrix @ x, X), matrix != 0)
    assert np.array_equal(pattern(lambda x: np.einsum("ij,j->i", matrix, np.sin(x)), X), matrix != 0)
    assert np.array_equal(pattern(lambda x: np.sum(matrix @ x), X), [matrix.any(axis=0)])
    # Here the zeros of x are chance.
    assert pattern(lambda x: np.outer(x, x) @ x, np.zeros(6)).all()
    assert np.array_equal(pattern(lambda x: x @ x, np.zeros(6)), [[True] * 6])


def test_batches_of_products_stay_apart():
    a = np.random.default_rng(0).normal(size=(3, 2, 2))
    blocks = np.kron(np.eye(3), np.ones((2, 2)))
    assert np.array_equal(pattern(lambda x: a @ x.reshape(3, 2, 1), X), blocks)
    assert np.array_equal(pattern(lambda x: np.einsum("bi,bi->b", x.reshape(3, 2), x.reshape(3, 2)), X), blocks[::2])


def test_cumulative_sums_depend_on_what_came_before():
    assert np.array_equal(pattern(np.cumsum, X), np.tri(6))
    assert np.array_equal(pattern(lambda x: np.cumsum(x.reshape(2, 3), axis=1), X), np.kron(np.eye(2), np.tri(3)))
    assert np.array_equal(pattern(lambda x: np.cumsum(x.reshape(2, 3), axis=0), X), np.kron(np.tri(2), np.eye(3)))


def test_loops_over_numbers():
    def f(x):
        y = dd.zeros(len(x), like=x)
        y[0] = x[0]
        for i in range(1, len(x)):
            y[i] = 0.5 * y[i - 1] + x[i] ** 2 if i != 3 else x[i]
        return y

    expected = np.tri(6)
    expected[3:, :3] = 0
    assert np.array_equal(check(f, X), expected)


def test_writing_into_views_and_reading_through_them():
    def f(x):
        y = np.copy(x)
        column = y.reshape(3, 2)[:, 1]
        column[:] = x[0]
        y[2:4] += 1
        y[5] = 7.0
        first = y[:2]
        first[0] = first[1] * x[4]
        return np.concatenate([y, column])

    found = check(f, X)
    expected = np.zeros((9, 6))
    expected[[0, 1, 3, 6, 7], 0] = 1
    expected[[0, 4], 4] = expected[2, 2] = 1
    assert np.array_equal(found, expected)


def test_many_writes_and_reads_in_turn():
    n = 300

    def f(x):
        y = np.zeros_like(x)
        for _ in range(3):
            for i in range(n):
                y[i] = x[i] * x[(i + 1) % n] + y[i]
        y[: n // 2] = y[n // 2 :]
        return y

    x = np.linspace(-1, 1, n)
    found = dd.jacobian(f, x, sparse=True)
    np.testing.assert_allclose(found.toarray(), dd.jacobian(f, x), rtol=1e-12, atol=1e-14)
    assert found.nnz == 2 * n


# -- the cost of structure ---------------------------------------------------------------------------------------------
@pytest.fixture
def merges(monkeypatch):
    count = []
    merged = patterns.Pattern._merged
    monkeypatch.setattr(patterns.Pattern, "_merged", lambda a, b: count.append(1) or merged(a, b))
    return count


def test_additions_of_equal_structure_do_not_merge(merges):
    dd.jacobian(lambda x: np.sin(x) + x * np.exp(x) - 3 * x + np.sqrt(x * x + 1), X, sparse=True)
    assert not merges
    dd.jacobian(lambda x: (x[1:] + x[:-1]) * (x[1:] - x[:-1]) + np.sin(x[1:]) * np.cos(x[:-1]), X, sparse=True)
    assert len(merges) == 1


def test_a_pattern_that_holds_the_other_is_kept(merges):
    def f(x):
        y = np.roll(x, 1) + x
        for _ in range(20):
            y = np.tanh(y) + x - 0.5 * y
        return y

    dd.jacobian(f, X, sparse=True)
    assert len(merges) == 2


def test_memory_grows_with_the_number_of_entries():
    def f(y):
        u, v = y[: y.size // 2], y[y.size // 2 :]
        w = u * u * v
        return np.concatenate([np.roll(u, 1) - 2 * u + np.roll(u, -1) + w, np.roll(v, 1) - 2 * v + np.roll(v, -1) - w])

    def peak(derivative, n):
        x = np.linspace(0, 1, n)
        derivative(x)
        tracemalloc.start()
        derivative(x)
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found / n

    prepared = {n: dd.jacobian(f, sparse=dd.jacobian_sparsity(f, np.zeros(n))) for n in (4000, 16000)}
    for derivative in (
        lambda x: dd.jacobian(f, x, sparse=True),
        dd.jacobian(f, sparse=True),
        dd.jacobian_sparsity(f),
        lambda x: prepared[len(x)](x),
        dd.hessian(lambda x: np.sum(f(x) ** 2), sparse=True),
        dd.hessian_sparsity(lambda x: np.sum(f(x) ** 2)),
    ):
        few, many = peak(derivative, 4000), peak(derivative, 16000)
        assert many < 1.3 * few
        assert many < 2000


def test_a_prepared_pattern_costs_one_call_for_each_chunk_of_colours():
    calls = []

    def f(x):
        calls.append(1)
        return x[1:] * x[:-1]

    x = np.linspace(0, 1, 50)
    prepared = dd.jacobian(f, sparse=dd.jacobian_sparsity(f, x))
    calls.clear()
    prepared(x)
    assert len(calls) == 1
    dd.jacobian(f, x, sparse=dd.jacobian_sparsity(f, x), chunk_size=1)
    assert len(calls) == 1 + 1 + 2
    calls.clear()
    dd.jacobian(f, x, sparse=True)
    assert len(calls) == 1


# -- what is handed over and handed back -------------------------------------------------------------------------------
def tridiagonal(x):
    y = -2.0 * x
    y[1:] += x[:-1] ** 2
    y[:-1] += np.sin(x[1:])
    return y


def test_the_prepared_form_says_what_it_is_and_can_be_pickled():
    prepared = dd.jacobian(tridiagonal, sparse=dd.jacobian_sparsity(tridiagonal, X))
    assert repr(prepared) == (
        "<jacobian of tridiagonal with respect to argument 0, sparse=<pattern 6 x 6, 16 entries, 3 colours>>"
    )
    for given in (prepared, dd.jacobian(tridiagonal, sparse=True)):
        expected = given(X)
        copy = pickle.loads(pickle.dumps(given))
        assert repr(copy) == repr(given)
        assert (copy(X) != expected).nnz == 0


def test_the_prepared_form_is_shared_by_threads():
    x = np.linspace(-1, 1, 400)
    points = [x * k for k in range(24)]
    expected = [dd.jacobian(tridiagonal, p) for p in points]
    for given in (True, dd.jacobian_sparsity(tridiagonal, x)):
        prepared = dd.jacobian(tridiagonal, sparse=given)
        with ThreadPoolExecutor(4) as pool:
            for found, J in zip(pool.map(prepared, points), expected, strict=True):
                np.testing.assert_allclose(found.toarray(), J, rtol=1e-13)


def test_results_share_nothing():
    prepared = dd.jacobian(tridiagonal, sparse=dd.jacobian_sparsity(tridiagonal, X))
    one = prepared(X)
    one.data[:] = 0
    one.eliminate_zeros()
    one.indices[:] = 0
    np.testing.assert_allclose(prepared(X).toarray(), dd.jacobian(tridiagonal, X))
    whole = dd.jacobian(lambda x: x, X, sparse=True)
    whole.data[:] = 5
    assert (dd.jacobian(lambda x: x, X, sparse=True).data == 1).all()


def test_a_pattern_with_entries_too_many():
    found = dd.jacobian(tridiagonal, X, sparse=np.ones((6, 6)))
    assert found.nnz == 36
    np.testing.assert_allclose(found.toarray(), dd.jacobian(tridiagonal, X))


def test_a_full_row_takes_one_sparse_pass():
    calls = []

    def f(x):
        calls.append(1)
        return np.concatenate([[np.sum(x**2)], x[1:] * x[:-1]])

    x = np.linspace(1, 2, 3000)
    pattern = dd.jacobian_sparsity(f, x)
    prepared = dd.jacobian(f, sparse=pattern)
    assert "3000 colours" in repr(prepared)
    for _ in range(2):
        calls.clear()
        found = prepared(x)
        assert len(calls) == 1
        assert (found != dd.jacobian(f, x, sparse=True)).nnz == 0
    wider = pattern.copy()
    wider.indices[-2:] = [0, 1]
    assert np.array_equal(np.flatnonzero(wider.toarray()[-1]), [0, 1])
    with pytest.raises(ValueError, match=r"lacks 2 entries.*row 2999, column 2998"):
        dd.jacobian(f, x, sparse=wider)
    with pytest.raises(ValueError, match=r"\(2999, 3000\), but f returned 3000 numbers"):
        dd.jacobian(f, x, sparse=pattern[:-1])
    more = dd.jacobian(f, x, sparse=sparse.vstack([pattern[:-1], sparse.csr_array(np.ones((1, 3000)))]))
    assert more.nnz == pattern.nnz + 2998
    assert (more != found).nnz == 0


def test_passes_after_the_first_look_structures_up(merges):
    def f(x):
        y = np.concatenate([[1.0], x, [x[0]]])
        y = y[2:] - 2 * y[1:-1] + y[:-2] + np.sin(np.roll(x, 3)) * x
        if x[0] < 0:
            y = y + x[::-1]
        return np.cumsum(y.reshape(-1, 2), axis=1).ravel()

    prepared = dd.jacobian(f, sparse=True)
    expected = repr(prepared)
    for k, x in enumerate([X, -X, X + 0.1, -X * 2, X]):
        merges.clear()
        found = prepared(x)
        np.testing.assert_allclose(found.toarray(), dd.jacobian(f, x), rtol=1e-13)
        found.indices[:] = 0
        found.data[:] = 7
        assert bool(merges) == (k < 2)
    assert repr(prepared) == expected
    assert expected.startswith("<jacobian of ")
    assert expected.endswith(", sparse=True>")


def test_a_memory_that_is_full_forgets_nothing_but_time(monkeypatch):
    monkeypatch.setattr(patterns, "MANY_ENTRIES", 30)
    for seed in range(5):
        prepared = dd.jacobian(program(seed), sparse=True)
        for x in (point(seed), point(seed + 1), point(seed)):
            np.testing.assert_allclose(prepared(x).toarray(), dd.jacobian(program(seed), x), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_again_and_again(seed):
    f = program(seed)
    prepared = dd.jacobian(f, sparse=True)
    for x in (point(seed), point(seed + 1), point(seed)):
        np.testing.assert_allclose(prepared(x).toarray(), dd.jacobian(f, x), rtol=1e-10, atol=1e-11)


def test_value_and_aux_come_along():
    def f(x):
        return tridiagonal(x), np.sum(x)

    pattern = dd.jacobian_sparsity(tridiagonal, X)
    for given in (True, pattern):
        J, aux = dd.jacobian(f, X, sparse=given, has_aux=True)
        assert aux == np.sum(X)
        value, J = dd.value_and_jacobian(tridiagonal, X, sparse=given)
        np.testing.assert_array_equal(value, tridiagonal(X))
        np.testing.assert_allclose(J.toarray(), dd.jacobian(tridiagonal, X))


def test_value_gradient_and_sparse_hessian():
    def f(x):
        return np.sum(tridiagonal(x) ** 2)

    expected = dd.value_gradient_and_hessian(f, X)
    for given in (True, dd.hessian_sparsity(f, X)):
        value, slope, H = dd.value_gradient_and_hessian(f, X, sparse=given)
        assert value == expected[0]
        np.testing.assert_allclose(slope, expected[1], rtol=1e-13)
        np.testing.assert_allclose(H.toarray(), expected[2], rtol=1e-12, atol=1e-12)


def test_containers_are_flattened_leaf_by_leaf():
    x = {"a": np.array([[1.0, 2.0], [3.0, 4.0]]), "b": (5.0, np.array([6.0]))}

    def f(x):
        return x["a"][0] * x["b"][0], {"c": x["b"][1] ** 2, "d": 3.0, "e": x["a"].T}

    found = dd.jacobian(f, x, sparse=True).toarray()
    expected = np.zeros((8, 6))
    expected[0, [0, 4]] = 5, 1
    expected[1, [1, 4]] = 5, 2
    expected[2, 5] = 12
    expected[[4, 5, 6, 7], [0, 2, 1, 3]] = 1
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(dd.jacobian_sparsity(f, x).toarray(), expected != 0)
    np.testing.assert_array_equal(dd.jacobian(f, x, sparse=expected).toarray(), expected)


def test_numbers_and_arrays_without_elements():
    assert dd.jacobian(lambda x: x**2, 3.0, sparse=True).toarray() == 6
    assert dd.jacobian(lambda x: x**2, 3.0, sparse=[[True]]).toarray() == 6
    assert dd.jacobian(lambda x: np.sum(x**2), [1.0, 2.0], sparse=True).toarray().tolist() == [[2, 4]]
    for sparsity in (True, np.zeros((0, 0))):
        assert dd.jacobian(np.sin, np.zeros(0), sparse=sparsity).shape == (0, 0)
    assert dd.jacobian(lambda x: np.zeros(3), X, sparse=True).nnz == 0
    assert dd.jacobian(lambda x: np.zeros(3), X, sparse=np.zeros((3, 6))).shape == (3, 6)
    assert dd.jacobian(lambda x: x[:0], X, sparse=True).shape == (0, 6)
    assert dd.jacobian_sparsity(lambda x: 1.0, X).shape == (1, 6)
    assert dd.hessian(lambda x: x**3, 2.0, sparse=True).toarray() == 12
    assert dd.hessian(lambda x: np.sum(x), X, sparse=True).nnz == 0


def test_single_precision_stays():
    x = X.astype(np.float32)
    for given in (True, dd.jacobian_sparsity(tridiagonal, X)):
        assert dd.jacobian(tridiagonal, x, sparse=given).dtype == np.float32


def test_the_other_arguments_of_f():
    def f(t, y, scale):
        return scale * tridiagonal(y) + t

    pattern = dd.jacobian_sparsity(f, 0.5, X, 2.0, argnum=1)
    for given in (True, pattern):
        found = dd.jacobian(f, argnum=1, sparse=given)(0.5, X, 2.0)
        np.testing.assert_allclose(found.toarray(), 2 * dd.jacobian(tridiagonal, X))
        np.testing.assert_allclose(dd.jacobian(f, argnum=1, sparse=given)(0.5, X, scale=2.0).toarray(), found.toarray())


# -- complex numbers ---------------------------------------------------------------------------------------------------
def test_holomorphic_functions():
    z = X[:3] + 1j * X[3:]

    def f(z):
        return np.concatenate([z**2 * z[::-1], [np.exp(z[0]) + 1j]])

    for given in (True, dd.jacobian_sparsity(f, z)):
        np.testing.assert_allclose(dd.jacobian(f, z, sparse=given).toarray(), dd.jacobian(f, z))


def test_functions_that_are_not_holomorphic_are_refused():
    z = X + 1j
    for given in (True, np.eye(6)):
        with pytest.raises(dd.NotHolomorphicError, match="conj"):
            dd.jacobian(np.conj, z, sparse=given)
    assert np.array_equal(pattern(lambda z: np.abs(z) * z.imag[::-1], z), np.eye(6) + np.eye(6)[::-1])


def test_real_numbers_through_complex_ones():
    def f(x):
        z = x[:3] + 1j * x[3:]
        return np.concatenate([np.abs(z) ** 2, (z * z[::-1]).imag, np.real(np.exp(1j * x))])

    check(f, X)


# -- nesting -----------------------------------------------------------------------------------------------------------
def test_a_sparse_jacobian_of_derivatives():
    def energy(x):
        return np.sum((x[1:] - x[:-1] ** 2) ** 2)

    expected = dd.hessian(energy, X)
    for mode in ("forward", "reverse"):
        slope = dd.gradient(energy, mode=mode)
        np.testing.assert_allclose(dd.jacobian(slope, X, sparse=True).toarray(), expected, atol=1e-12)
    assert np.array_equal(pattern(dd.gradient(energy, mode="reverse"), X), expected != 0)
    pointwise = dd.derivative(lambda x: x**3)
    assert np.array_equal(check(pointwise, X), np.eye(6))


def test_a_pattern_inside_a_derivative():
    def f(t):
        found = dd.jacobian_sparsity(lambda x: t * tridiagonal(x), t * X)
        return t**2 * found.nnz

    assert dd.derivative(f, 3.0) == 6 * 16


@pytest.mark.parametrize("given", [True, np.ones((6, 6))], ids=["one pass", "pattern"])
def test_a_sparse_jacobian_inside_a_derivative_is_refused(given):
    with pytest.raises(TypeError, match=r"inside another differentiation.*leave out sparse"):
        dd.derivative(lambda t: dd.jacobian(tridiagonal, t * X, sparse=given).sum(), 2.0)
    with pytest.raises(TypeError, match=r"inside another differentiation.*leave out sparse"):
        dd.derivative(lambda t: dd.jacobian(lambda x: t * tridiagonal(x), X, sparse=given).sum(), 2.0)


def test_the_tangent_of_a_dual_is_a_sparse_array():
    def f(x):
        assert isinstance(x.tangent, sparse.csr_array)
        assert np.array_equal(dd.tangent(2 * x).toarray(), 2 * np.eye(6))
        assert "sparse" in repr(x)
        assert dd.tangent(x[1]).shape == (1, 6)
        assert dd.tangent(np.zeros_like(x)).nnz == 0
        return x

    dd.jacobian(f, X, sparse=True)


def test_an_exception_in_f_leaves_nothing_behind():
    def f(x):
        raise KeyError("mine")

    live = set(tags._live)
    with pytest.raises(KeyError, match="mine"):
        dd.jacobian(f, X, sparse=True)
    assert set(tags._live) == live


# -- errors ------------------------------------------------------------------------------------------------------------
def test_a_missing_entry_is_named():
    given = dd.jacobian_sparsity(tridiagonal, X).tolil()
    given[2, 3] = False
    given = sparse.csr_array(given)
    given.eliminate_zeros()
    with pytest.raises(ValueError, match=r"lacks 1 entries.*row 2, column 3, where the derivative is 0\.76.*sparsity"):
        dd.jacobian(tridiagonal, X, sparse=given, check=True)
    dd.jacobian(tridiagonal, X, sparse=given)


def test_a_missing_entry_of_a_hessian_is_named():
    def f(x):
        return np.sum(x[1:] * x[:-1] ** 2)

    with pytest.raises(ValueError, match="row 0, column 1"):
        dd.hessian(f, X, sparse=np.eye(6), check=True)


def test_an_entry_that_is_zero_may_be_missing():
    dd.jacobian(lambda x: x + 0 * x[::-1], X, sparse=np.eye(6), check=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dd.jacobian(tridiagonal, X, sparse=np.eye(5)), ValueError, r"shape \(5, 5\), but x has 6 numbers"),
        (
            lambda: dd.jacobian(tridiagonal, X, sparse=np.ones((5, 6))),
            ValueError,
            r"\(5, 6\), but f returned 6 numbers",
        ),
        (lambda: dd.jacobian(tridiagonal, sparse=np.ones(6)), TypeError, r"a pattern .* not an array of .* \(6,\)"),
        (lambda: dd.jacobian(tridiagonal, sparse="auto"), TypeError, "sparse is True, False or a pattern"),
        (lambda: dd.jacobian(tridiagonal, X, sparse=None), TypeError, "sparse is True, False or a pattern"),
        (lambda: dd.jacobian(tridiagonal, X, sparse=True, check=True), ValueError, "sparse=True is no pattern"),
        (lambda: dd.jacobian(tridiagonal, X, check=True), ValueError, "sparse=False is no pattern"),
        (lambda: dd.jacobian(tridiagonal, X, sparse=True, mode="reverse"), ValueError, "taken forwards"),
        (lambda: dd.jacobian(tridiagonal, X, sparse=True, batch_dims=1), ValueError, "exclude each other"),
        (lambda: dd.jacobian(tridiagonal, X, sparse=np.eye(6), chunk_size=0), ValueError, "positive integer"),
        (lambda: dd.hessian(np.sum, sparse=np.ones((5, 6))), ValueError, r"\(5, 6\); that of a Hessian is square"),
        (lambda: dd.hessian(np.sum, X, sparse=np.eye(5)), ValueError, r"shape \(5, 5\), but x has 6 numbers"),
        (lambda: dd.hessian(tridiagonal, X, sparse=True), ValueError, "a scalar.*use dualdiff.jacobian"),
        (lambda: dd.hessian(np.sum, X, sparse=True, mode="forward"), ValueError, "reverse gradient"),
        (lambda: dd.hessian_sparsity(tridiagonal, X), ValueError, "a scalar"),
        (lambda: dd.jacobian_sparsity(tridiagonal, "x"), TypeError, "x has the type str"),
        (lambda: dd.jacobian_sparsity(3, X), TypeError, "takes a function"),
        (lambda: dd.jacobian_sparsity(tridiagonal, X, argnum=1), ValueError, "argnum=1"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_scipy_is_loaded_when_it_is_needed():
    program = (
        "import sys, numpy as np, dualdiff\n"
        "dualdiff.jacobian(np.sin, np.ones(3)); dualdiff.hessian(np.sum, np.ones(3))\n"
        "assert not any(m.startswith('scipy') for m in sys.modules), 'loaded'\n"
        "sys.modules['scipy'] = sys.modules['scipy.sparse'] = None\n"
        "for call in (lambda: dualdiff.jacobian(np.sin, np.ones(3), sparse=True),\n"
        "             lambda: dualdiff.jacobian(np.sin, sparse=np.eye(3)),\n"
        "             lambda: dualdiff.hessian(np.sum, np.ones(3), sparse=True),\n"
        "             lambda: dualdiff.jacobian_sparsity(np.sin, np.ones(3)),\n"
        "             lambda: dualdiff.hessian_sparsity(np.sum, np.ones(3))):\n"
        "    try:\n"
        "        call()\n"
        "    except ImportError as error:\n"
        "        assert \"pip install 'dualdiff[scipy]'\" in str(error), error\n"
        "    else:\n"
        "        raise AssertionError('no error')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- in SciPy ----------------------------------------------------------------------------------------------------------
def brusselator(t, y):
    u, v = y[::2], y[1::2]
    ends = np.concatenate([[1.0], u, [1.0]]), np.concatenate([[3.0], v, [3.0]])
    du, dv = (20.0 * (w[2:] - 2 * w[1:-1] + w[:-2]) for w in ends)
    return np.stack([1 + u * u * v - 4 * u + du, 3 * u - u * u * v + dv], axis=1).ravel()


@pytest.mark.parametrize("method", ["BDF", "Radau"])
def test_solve_ivp_takes_it_as_it_is(method):
    integrate = pytest.importorskip("scipy.integrate")
    n = 20
    x = np.arange(1, n + 1) / (n + 1)
    start = np.stack([1 + np.sin(2 * np.pi * x), np.full(n, 3.0)], axis=1).ravel()
    reference = integrate.solve_ivp(brusselator, (0, 1), start, method, rtol=1e-9, atol=1e-10)
    sparsity = dd.jacobian_sparsity(brusselator, 0.0, start, argnum=1)
    assert np.array_equal(sparsity.toarray(), dd.jacobian(brusselator, 0.0, start, argnum=1) != 0)
    for given in (True, sparsity):
        jac = dd.jacobian(brusselator, argnum=1, sparse=given)
        solved = integrate.solve_ivp(brusselator, (0, 1), start, method, jac=jac, rtol=1e-6, atol=1e-8)
        assert solved.success
        assert solved.nlu > 0
        np.testing.assert_allclose(solved.y[:, -1], reference.y[:, -1], rtol=1e-4)


def test_least_squares_takes_it_as_it_is():
    optimize = pytest.importorskip("scipy.optimize")
    n = 50

    def residuals(x):
        return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])

    start = np.full(n, 0.8)
    for given in (True, dd.jacobian_sparsity(residuals, start)):
        found = optimize.least_squares(residuals, start, jac=dd.jacobian(residuals, sparse=given), xtol=1e-12)
        np.testing.assert_allclose(found.x, 1.0, atol=1e-6)


def test_a_sparse_hessian_in_newton_steps():
    linalg = pytest.importorskip("scipy.sparse.linalg")

    def energy(x):
        return np.sum(np.cosh(x[1:] - x[:-1])) + np.sum((x - 1) ** 4 + (x - 1) ** 2)

    x = np.linspace(0, 2, 200)
    hessian = dd.hessian(energy, sparse=dd.hessian_sparsity(energy, x))
    for _ in range(20):
        x = x - linalg.spsolve(hessian(x).tocsc(), dd.gradient(energy, x))
    np.testing.assert_allclose(x, 1.0, atol=1e-12)


def test_directions_may_be_any_matrix():
    seeds = np.random.default_rng(0).normal(size=(5, 6))
    inputs = Inputs("test", tridiagonal, (X,), 0)
    passes = list(dense_passes(inputs, 2, directions=Directions(5, lambda start, stop: seeds[start:stop])))
    found = np.concatenate([outputs.derivatives[0] for _, _, outputs in passes])
    np.testing.assert_allclose(found, seeds @ dd.jacobian(tridiagonal, X).T, rtol=1e-13)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2)])
def test_maps_along_an_axis_without_elements(shape):
    for axis in range(len(shape)):
        f = lambda x, axis=axis: np.cumsum(x, axis=axis)
        assert dd.jacobian(f, np.zeros(shape), sparse=True).shape == (0, 0)


def test_half_precision_is_handed_to_scipy_in_single():
    x = np.array([0.5, 0.75], np.float16)
    value, J = dd.value_and_jacobian(lambda x: x * x, x, sparse=True)
    assert value.dtype == np.float16
    assert J.dtype == np.float32
    np.testing.assert_array_equal(J.toarray(), np.diag([1.0, 1.5]))
    pattern = dd.jacobian_sparsity(lambda x: x * x, x)
    np.testing.assert_array_equal(dd.jacobian(lambda x: x * x, x, sparse=pattern).toarray(), np.diag([1.0, 1.5]))
