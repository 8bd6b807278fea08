"""Sparse derivatives as results: their form and nesting, errors, and use in SciPy."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.passes import dense_passes
from dualdiff.drivers.run.seeds import Directions
from dualdiff.tangents import pattern as patterns
from tests.drivers.sparse.test_sparse import X, point, program, sparse, tridiagonal


# -- the form of patterns and results ---------------------------------------------------------------------------------
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
    with pytest.raises(ValueError, match=r"\(2999, 3000\), but f returned 3000 elements"):
        dd.jacobian(f, x, sparse=pattern[:-1])
    more = dd.jacobian(f, x, sparse=sparse.vstack([pattern[:-1], sparse.csr_array(np.ones((1, 3000)))]))
    assert more.nnz == pattern.nnz + 2998
    assert (more != found).nnz == 0


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


@pytest.mark.filterwarnings("ignore::dualdiff.ConstantResultWarning")
def test_scalars_and_empty_arrays():
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


# -- errors ------------------------------------------------------------------------------------------------------------
def test_a_missing_entry_is_named():
    given = dd.jacobian_sparsity(tridiagonal, X).tolil()
    given[2, 3] = False
    given = sparse.csr_array(given)
    given.eliminate_zeros()
    for check in (True, False):
        match = r"lacks 1 entries.*row 2, column 3, where the derivative is 0\.76.*sparsity"
        with pytest.raises(dd.IncompletePatternError, match=match):
            dd.jacobian(tridiagonal, X, sparse=given, check=check)


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
        (lambda: dd.jacobian(tridiagonal, X, sparse=np.eye(5)), ValueError, r"shape \(5, 5\), but x has 6 elements"),
        (
            lambda: dd.jacobian(tridiagonal, X, sparse=np.ones((5, 6))),
            ValueError,
            r"\(5, 6\), but f returned 6 elements",
        ),
        (lambda: dd.jacobian(tridiagonal, sparse=np.ones(6)), TypeError, r"a pattern .* not an array of .* \(6,\)"),
        (lambda: dd.jacobian(tridiagonal, sparse="auto"), TypeError, "sparse must be True, False or a pattern"),
        (lambda: dd.jacobian(tridiagonal, X, sparse=None), TypeError, "sparse must be True, False or a pattern"),
        (lambda: dd.jacobian(tridiagonal, X, sparse=True, check=True), ValueError, "sparse=True is not a pattern"),
        (lambda: dd.jacobian(tridiagonal, X, check=True), ValueError, "sparse=False is not a pattern"),
        (lambda: dd.jacobian(tridiagonal, X, sparse=True, mode="reverse"), ValueError, "in forward mode"),
        (lambda: dd.jacobian(tridiagonal, X, sparse=True, batch_dims=1), ValueError, "exclude each other"),
        (lambda: dd.jacobian(tridiagonal, X, sparse=np.eye(6), chunk_size=0), ValueError, "positive integer"),
        (lambda: dd.hessian(np.sum, sparse=np.ones((5, 6))), ValueError, r"\(5, 6\), but a Hessian is square"),
        (lambda: dd.hessian(np.sum, X, sparse=np.eye(5)), ValueError, r"shape \(5, 5\), but x has 6 elements"),
        (lambda: dd.hessian(tridiagonal, X, sparse=True), ValueError, "a scalar.*use dualdiff.jacobian"),
        (lambda: dd.hessian(np.sum, X, sparse=True, mode="forward"), ValueError, "reverse-mode gradient"),
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
        "        assert 'pip install scipy' in str(error), error\n"
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


def test_half_precision_is_passed_to_scipy_in_single():
    x = np.array([0.5, 0.75], np.float16)
    value, J = dd.value_and_jacobian(lambda x: x * x, x, sparse=True)
    assert value.dtype == np.float16
    assert J.dtype == np.float32
    np.testing.assert_array_equal(J.toarray(), np.diag([1.0, 1.5]))
    pattern = dd.jacobian_sparsity(lambda x: x * x, x)
    np.testing.assert_array_equal(dd.jacobian(lambda x: x * x, x, sparse=pattern).toarray(), np.diag([1.0, 1.5]))
