"""Patterns that lack entries raise, whatever they lack, at every size and in every engine; others never do."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.drivers.sparse.coloured_pattern import Compression, pattern_of
from tests.drivers.sparse.test_sparse import X, tridiagonal

sparse = pytest.importorskip("scipy.sparse")

SIZES = [10, 40, 400, 4000, 100_000]


# -- functions whose patterns are easily got wrong ---------------------------------------------------------------------
def point(n):
    return np.random.default_rng(n).normal(size=n)


def laplacian(x):
    return np.roll(x, 1) - 2 * x + np.roll(x, -1) + x**3


def upwind(x):
    left, right = np.roll(x, 1), np.roll(x, -1)
    r = np.zeros_like(x)
    mask = dd.value(x) > 0
    r[mask] = (x * (x - left))[mask]
    r[~mask] = (x * (right - x))[~mask]
    return r


def minmod(x):
    a, b = x - np.roll(x, 1), np.roll(x, -1) - x
    va, vb = dd.value(a), dd.value(b)
    slope = np.zeros_like(x)
    left, right = (va * vb > 0) & (abs(va) < abs(vb)), (va * vb > 0) & (abs(va) >= abs(vb))
    slope[left] = a[left]
    slope[right] = b[right]
    return -(x + 0.5 * slope - np.roll(x + 0.5 * slope, 1))


def branching(x):
    return x * np.roll(x, 1) if dd.value(x)[0] > 0 else x * np.roll(x, -2)


def sorting(x):
    return np.sort(x) * x


def energy(x):
    return np.sum((x[1:] - x[:-1] ** 2) ** 2) + np.sum(np.cos(x))


def of_pairs(x):
    return np.sum(x[1:] * x[:-1]) + np.sum(x[2:] * x[:-2] ** 2)


def band(n, *offsets):
    """The pattern of a ring: row i has the columns i + offset."""
    # A diagonal that is not the main one goes on at the other side.
    places = {k % n - side for k in offsets for side in (0, n) if k % n or not side}
    return sum(sparse.eye_array(n, k=k) for k in places).tocsr()


def without(pattern, row, column):
    kept = pattern.tocoo()
    keep = (kept.row != row) | (kept.col != column)
    return sparse.coo_array((kept.data[keep], (kept.row[keep], kept.col[keep])), shape=kept.shape)


# Kind: the operator, f, the incomplete pattern for size n, and where f is evaluated.
INCOMPLETE = {
    "a diagonal for a tridiagonal matrix": ("jacobian", laplacian, lambda n: band(n, 0), point),
    "a triangle for a tridiagonal matrix": ("jacobian", laplacian, lambda n: band(n, 0, 1), point),
    "no diagonal": ("jacobian", laplacian, lambda n: band(n, -1, 1), point),
    "one entry is missing": ("jacobian", laplacian, lambda n: without(band(n, -1, 0, 1), n // 2, n // 2 + 1), point),
    "no entries at all": ("jacobian", laplacian, lambda n: sparse.csr_array((n, n)), point),
    "another column": ("jacobian", laplacian, lambda n: band(n, -1, 0, 2), point),
    "upwind at a constant state": (
        "jacobian",
        upwind,
        lambda n: dd.jacobian_sparsity(upwind, np.ones(n)),
        lambda n: point(n) * 1e-3,
    ),
    "minmod at a constant state": ("jacobian", minmod, lambda n: dd.jacobian_sparsity(minmod, np.ones(n)), point),
    "another branch": (
        "jacobian",
        branching,
        lambda n: dd.jacobian_sparsity(branching, np.ones(n)),
        lambda n: -abs(point(n)),
    ),
    "another order": ("jacobian", sorting, lambda n: dd.jacobian_sparsity(sorting, np.arange(n) + 1.0), point),
    "a diagonal for a Hessian": ("hessian", energy, lambda n: band(n, 0), point),
    "a Hessian that lacks a diagonal": ("hessian", of_pairs, lambda n: band(n, -1, 0, 1), point),
}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", INCOMPLETE)
def test_no_incomplete_pattern_passes_in_silence(kind, n):
    name, f, pattern, x = INCOMPLETE[kind]
    operator, given, x = getattr(dd, name), pattern(n), x(n)
    for evaluate in (lambda: operator(f, x, sparse=given), lambda: operator(f, x, sparse=given, chunk_size=2)):
        with pytest.raises(dd.IncompletePatternError, match=rf"^{name}: the pattern given as sparse lacks \d+ entries"):
            evaluate()


@pytest.mark.parametrize("kind", INCOMPLETE)
def test_prepared_patterns_are_checked_at_every_point(kind):
    name, f, pattern, x = INCOMPLETE[kind]
    prepared = getattr(dd, name)(f, sparse=pattern(20))
    for derivative in (prepared, pickle.loads(pickle.dumps(prepared)) if name == "jacobian" else prepared):
        with pytest.raises(dd.IncompletePatternError):
            derivative(x(20))
    with pytest.raises(dd.IncompletePatternError):
        getattr(dd, {"jacobian": "value_and_jacobian", "hessian": "value_gradient_and_hessian"}[name])(
            f, x(20), sparse=pattern(20)
        )


def test_a_pattern_that_was_right_at_one_point_is_refused_at_another():
    prepared = dd.jacobian(branching, sparse=dd.jacobian_sparsity(branching, np.ones(9)))
    np.testing.assert_array_equal(prepared(np.arange(1.0, 10)).toarray(), dd.jacobian(branching, np.arange(1.0, 10)))
    with pytest.raises(dd.IncompletePatternError, match=r"combine those of several x if f takes different branches"):
        prepared(-np.arange(1.0, 10))


def test_the_error_names_rows_and_the_first_entry():
    with pytest.raises(
        dd.IncompletePatternError,
        match=r"lacks 10 entries of the derivative, in 6 rows \(0, 1, 2, 3, 4, \.\.\.\); "
        r"the first is in row 0, column 1, where the derivative is 0\.36.*dualdiff\.jacobian_sparsity\(f, x\).*"
        r"sparse=True needs no pattern",
    ):
        dd.jacobian(tridiagonal, X, sparse=np.eye(6))


# -- what agrees, and what cannot be told ------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64, np.complex128, np.longdouble])
@pytest.mark.parametrize("n", [1, 7, 300])
def test_complete_patterns_are_never_refused(dtype, n):
    x = (point(n) / 3).astype(dtype)
    if x.dtype.kind == "c":
        x = x + 1j * x[::-1]

    def f(x):
        for _ in range(20):
            x = x + np.tanh(x - np.roll(x, 1)) / 7
        return x[::-1]

    given = dd.jacobian_sparsity(f, x)
    found = dd.jacobian(f, x, sparse=given)
    tolerance = 20 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(found.toarray(), dd.jacobian(f, x, mode="forward"), rtol=tolerance, atol=tolerance)


def test_results_that_are_constant_integers_agree():
    found = dd.jacobian(lambda x: np.arange(3), X, sparse=np.eye(3, 6))
    assert found.shape == (3, 6)
    assert not found.toarray().any()


def count_passes(f):
    calls = []

    def counted(x):
        calls.append(1)
        return f(x)

    return counted, calls


@pytest.mark.parametrize("f", [laplacian, upwind, minmod, tridiagonal, lambda x: np.cumsum(x)[::-1] * x])
def test_the_probe_takes_no_call_of_f(f):
    x = point(40)
    counted, calls = count_passes(f)
    prepared = dd.jacobian(counted, sparse=dd.jacobian_sparsity(f, x))
    for k in range(20):
        calls.clear()
        prepared(x * 10.0**k)
        assert len(calls) == 1


def test_sums_that_cancel_are_no_missing_entries():
    """The tangent along the probe has lost digits that those along the colours kept."""

    def f(x):
        return (1e9 * (x / 3 + np.roll(x, 1) / 7) + x**2) - 1e9 * (x / 3 + np.roll(x, 1) / 7)

    x = point(30)
    found = dd.jacobian(f, x, sparse=band(30, -1, 0))
    np.testing.assert_allclose(found.toarray(), np.diag(2 * x), atol=1e-6)


def test_entries_that_are_not_finite_hide_no_missing_ones():
    def f(x):
        return np.sqrt(x) + np.roll(x, 1) * x

    x = np.array([0.0, 1.0, 4.0, 0.0, 2.0])
    expected = dd.jacobian(f, x)
    assert np.isinf(expected).sum() == 2
    np.testing.assert_array_equal(dd.jacobian(f, x, sparse=expected != 0).toarray(), expected)
    with pytest.raises(dd.IncompletePatternError, match="row 1, column 0"):
        dd.jacobian(f, x, sparse=np.eye(5))
    with pytest.raises(
        dd.IncompletePatternError, match=r"lacks 2 entries.*row 0, column 0, where the derivative is inf"
    ):
        dd.jacobian(f, x, sparse=(expected != 0) & np.isfinite(expected))

    def has_nan(x):
        return np.where(np.arange(5) == 2, np.nan, 1.0) * x * np.roll(x, 1)

    x = point(5)
    expected = dd.jacobian(has_nan, x)
    np.testing.assert_array_equal(dd.jacobian(has_nan, x, sparse=band(5, -1, 0)).toarray(), expected)
    with pytest.raises(dd.IncompletePatternError, match="lacks 5 entries"):
        dd.jacobian(has_nan, x, sparse=np.eye(5))


def test_the_probe_makes_no_noise_and_touches_no_state():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    with np.errstate(all="raise"):
        x = np.full(5, 1e300)
        found = dd.jacobian(lambda x: 1e8 * x + np.roll(x, 1), x, sparse=band(5, -1, 0))
    assert found.nnz == 10
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    one, other = (Compression(pattern_of("", np.eye(50))).probe for _ in range(2))
    assert np.array_equal(one, other)
    assert len(set(one.tolist())) == 50
    assert np.array_equal(one, one.astype(np.float32))


def test_several_arguments_and_containers_are_checked():
    def f(a, b):
        return {"sum": a + b, "product": a * b[::-1]}

    a, b = point(4), point(4) + 1
    eye = np.eye(4)
    full = (np.vstack([eye, eye]), np.vstack([eye, eye[::-1]]))
    found = dd.jacobian(f, a, b, argnum=(0, 1), sparse=full)
    np.testing.assert_allclose(found[1].toarray(), np.vstack([eye, eye[::-1] * a[:, None]]))
    with pytest.raises(dd.IncompletePatternError, match="row 4, column 7"):
        dd.jacobian(f, a, b, argnum=(0, 1), sparse=(full[0], full[0]))


# -- compiled functions ------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def compiled():
    njit = pytest.importorskip("numba").njit

    @njit
    def ring(x):
        y = np.empty_like(x)
        n = x.size
        for i in range(n):
            y[i] = x[i] ** 2 - 2 * x[i - 1] + np.sin(x[(i + 1) % n])
        return y

    @njit
    def filled(y, x):
        for i in range(x.size):
            y[i] = x[i] * x[i - 1]
        return y

    @njit
    def buffer(x):
        return filled(np.zeros(x.size, x.dtype), x)

    @njit
    def cancels(x):
        return filled(np.zeros(x.size, x.dtype), x) + (1e9 * (x / 3 + x[0] / 7) - 1e9 * (x / 3 + x[0] / 7))

    return {"ring": ring, "buffer": buffer, "cancels": cancels}


@pytest.mark.parametrize("n", [10, 400, 3000])
@pytest.mark.parametrize("offsets", [(0,), (0, 1), (-1, 1), (-1, 0, 2), ()])
def test_compiled_functions_are_checked_too(compiled, n, offsets):
    given = band(n, *offsets) if offsets else sparse.csr_array((n, n))
    for chunk_size in None, 2:
        with pytest.raises(dd.IncompletePatternError, match="lacks"):
            dd.jacobian(compiled["ring"], point(n), sparse=given, chunk_size=chunk_size)


@pytest.mark.parametrize("colours", range(1, 20))
def test_the_probe_of_a_compiled_function_stands_in_any_lane(compiled, colours):
    n, x = 40, point(40)
    wide = (band(n, -1, 0, 1).toarray() != 0) | np.tri(n, n, -n + colours, dtype=bool)
    expected = dd.jacobian(compiled["ring"].py_func, x)
    np.testing.assert_allclose(dd.jacobian(compiled["ring"], x, sparse=wide).toarray(), expected, rtol=1e-14)
    with pytest.raises(dd.IncompletePatternError, match=r"lacks 1 entries.*row 3, column 4"):
        dd.jacobian(compiled["ring"], x, sparse=without(sparse.csr_array(wide), 3, 4))


def test_compiled_functions_that_numpy_does_not_follow_are_checked_by_their_columns(compiled):
    x = point(40)
    expected = dd.jacobian(compiled["buffer"], x)
    found = dd.jacobian(compiled["buffer"], x, sparse=expected != 0)
    np.testing.assert_allclose(found.toarray(), expected)
    found = dd.jacobian(compiled["buffer"], x, sparse=expected != 0, check=True)
    np.testing.assert_allclose(found.toarray(), expected)
    with pytest.raises(dd.IncompletePatternError, match=r"lacks 40 entries.*in 40 rows.*row 0, column 39"):
        dd.jacobian(compiled["buffer"], x, sparse=np.eye(40))
    wide = (expected != 0) | (np.arange(40) == 0)
    np.testing.assert_allclose(dd.jacobian(compiled["cancels"], x, sparse=wide).toarray(), expected, atol=1e-6)
