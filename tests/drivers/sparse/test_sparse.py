"""Sparse Jacobians and Hessians against dense ones, and patterns that hold whatever the values are."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.base import tags
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.passes import sparse_pass
from dualdiff.drivers.sparse.compression import rows_of
from dualdiff.rules.numpy.elementwise.table import ROWS
from dualdiff.tangents import pattern as patterns
from dualdiff.tangents.spaces import sparse as spaces
from tests.rules.numpy.test_array_functions import ALL

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


def tridiagonal(x):
    y = -2.0 * x
    y[1:] += x[:-1] ** 2
    y[:-1] += np.sin(x[1:])
    return y


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
    """A random function of twelve elements that reads, joins, multiplies and overwrites arrays and views of them."""

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
def test_sparse_tangents_of_values_that_are_duals_of_an_outer_call(seed, outer):
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


def test_choices_depend_on_both_sides_and_orders_on_what_they_chose():
    diagonal = np.eye(6, dtype=bool)
    assert np.array_equal(pattern(lambda x: np.where(x > 0, x, 1.0), X), diagonal)
    for choose in (lambda x: np.where(x > 0, x, x[::-1]), lambda x: np.maximum(x, x[::-1])):
        assert np.array_equal(pattern(choose, X), diagonal | diagonal[::-1])
    assert np.array_equal(pattern(lambda x: np.clip(x, -1, 1), X), diagonal)
    assert np.array_equal(pattern(np.max, X), [np.arange(6) == np.argmax(X)])
    assert np.array_equal(pattern(np.sort, X), diagonal[np.argsort(X)])


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


def test_loops_over_scalars():
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


def test_real_values_through_complex_ones():
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
    with pytest.raises(TypeError, match=r"inside another differentiation.*omit sparse"):
        dd.derivative(lambda t: dd.jacobian(tridiagonal, t * X, sparse=given).sum(), 2.0)
    with pytest.raises(TypeError, match=r"inside another differentiation.*omit sparse"):
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

    live = set(tags.live)
    with pytest.raises(KeyError, match="mine"):
        dd.jacobian(f, X, sparse=True)
    assert set(tags.live) == live
