"""Patterns that hold for every x: both sides of choices, and no decision by values."""

import itertools
import warnings

import numpy as np
import pytest

import dualdiff as dd
from tests.support.calls import CALLS, METHOD_CALLS, UFUNC_CALLS

pytest.importorskip("scipy.sparse")

X = np.array([0.3, 0.7, 0.2, 0.9])


def chain(x):
    y = np.zeros_like(x)
    for i in range(x.size):
        y[i] = x[i] * x[i - 1]
    return y


def assigned(x):
    y = 2 * x
    y[1:] *= x[0]
    y[0] = 1.0
    return y


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.where(x > 0.5, x, x[::-1]),
        lambda x: np.where((x > 0.1) & ~(x > 0.5) | (x < 0.2), x, x[::-1]),
        lambda x: np.where(np.logical_and(x > 0.1, np.isfinite(x)), 1.0, 2.0) * x[0],
        lambda x: np.where(np.isnan(x), 0.0, x),
        lambda x: np.select([x > 0.5, x < 0.1], [x, x[::-1]], x[0]),
        lambda x: np.maximum(x, x[::-1]),
        lambda x: (x > 0.5) * x[::-1] + x * (x[0] <= x),
        lambda x: np.ones(4) * (x > 0.5) * x[1],
        lambda x: (x > 0.5).astype(float) * x,
        lambda x: np.clip(x, 0.1, x[0]),
        lambda x: np.abs(x) + np.sign(x) + np.floor(x),
        chain,
        assigned,
        lambda x: x.reshape(2, 2) @ x[:2],
        lambda x: np.stack([x[0] * x[1], x[2]]),
        lambda x: x[np.array([0, 2])] if x.shape[0] > 2 and x.ndim == 1 and len(x) == 4 else x,
        lambda x: {"a": x[:2], "b": (x[2] * x[3], 1.0)},
    ],
)
def test_where_no_value_decides_the_pattern_is_that_at_x(f):
    found = dd.jacobian_sparsity(f, X, everywhere=True)
    assert np.array_equal(found.toarray(), dd.jacobian_sparsity(f, X).toarray())


@pytest.mark.parametrize("reduce", [np.max, np.min, np.maximum.reduce, lambda x: x.max(), lambda x: x.min(axis=0)])
def test_an_extreme_may_be_any_element(reduce):
    found = dd.jacobian_sparsity(lambda x: reduce(x[:3]) * x[3], X, everywhere=True)
    assert found.toarray().tolist() == [[True] * 4]
    rows = dd.jacobian_sparsity(lambda x: np.max(x.reshape(2, 2), axis=1, keepdims=True), X, everywhere=True)
    assert rows.toarray().tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]


def by_if(x):
    if x[0] > 0.5:
        return x
    return 2 * x


def by_loop(x):
    while np.sum(x) > 1:
        x = x / 2
    return x


def by_truth(x):
    return x if x[0] else x[::-1]


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (by_if, "if x[0] > 0.5:"),
        (by_loop, "while np.sum(x) > 1:"),
        (by_truth, "return x if x[0] else x[::-1]"),
        (lambda x: x if (x > 0).all() else -x, "comparison"),
        (lambda x: x if np.any(x > 0) else -x, "comparison"),
        (lambda x: x if np.all(x) else -x, "np.all"),
        (lambda x: x if np.isnan(x[0]) else -x, "np.isnan"),
        (lambda x: x if np.allclose(x, 0) else -x, "np.allclose"),
        (lambda x: x if ((x > 0) * 1.0)[0] > 0.5 else -x, "comparison"),
        (lambda x: x if np.where(x > 0, 1.0, 2.0)[0] > 1.5 else -x, "comparison"),
        (lambda x: x if (x > 0) == (x < 1) else -x, "comparison"),
        (lambda x: max(x[0], x[1]) * x, "max(x[0], x[1])"),
        (lambda x: sorted(x)[0] * x, "sorted(x)"),
        (lambda x: x[x > 0.5], "x[x > 0.5]"),
        (lambda x: np.arange(4.0)[x > 0.5] * x[0], "comparison"),
        (lambda x: chain(x)[np.argsort(x)], "np.argsort"),
        (lambda x: x[np.argmax(x)], "np.argmax"),
        (lambda x: x[x.argmin()], "np.argmin"),
        (lambda x: np.sort(x), "np.sort"),
        (lambda x: np.median(x), "np.median"),
        (lambda x: np.interp(x, np.arange(3.0), x[:3]), "np.interp"),
        (lambda x: x[np.nonzero(x > 0)], "comparison"),
        (lambda x: x[np.where(x > 0)], "where"),
        (lambda x: x[np.flatnonzero(x)], "np.flatnonzero"),
        (lambda x: np.count_nonzero(x > 0) * x, "count_nonzero"),
        (lambda x: np.piecewise(x, [x > 0.5], [np.sin, np.cos]), "np.piecewise"),
    ],
)
def test_decisions_by_values_are_refused_and_named(f, words):
    with pytest.raises(
        TypeError, match=r"everywhere=True: f decides by .* in line \d+ of .*test_everywhere.py"
    ) as error:
        dd.jacobian_sparsity(f, X, everywhere=True)
    assert words in str(error.value)
    assert "np.where" in str(error.value)


def test_the_operator_as_a_function_and_later_calls():
    with pytest.raises(TypeError, match="decides"):
        dd.jacobian_sparsity(by_if, everywhere=True)(X)
    assert dd.jacobian_sparsity(by_if, X).nnz == 4
    assert dd.jacobian_sparsity(by_if, X, everywhere=False).nnz == 4


def test_hessians():
    def f(x):
        return np.sum(np.where(x > 0.5, x * x, x * x[::-1]))

    found = dd.hessian_sparsity(f, X, everywhere=True)
    assert np.array_equal(found.toarray(), dd.hessian_sparsity(f, X).toarray())
    with pytest.raises(TypeError, match="decides by the comparison"):
        dd.hessian_sparsity(lambda x: x[0] * x[1] if x[0] > 0 else x[2], X, everywhere=True)


def test_compiled_functions_are_followed_as_they_are_written():
    njit = pytest.importorskip("numba").njit
    assert dd.jacobian_sparsity(njit(lambda x: np.where(x > 0.5, x, x[::-1])), X, everywhere=True).nnz == 8
    with pytest.raises(TypeError, match=r"if x\[0\] > 0.5:"):
        dd.jacobian_sparsity(njit(by_if), X, everywhere=True)


def name(call):
    return (
        call.function.__name__ if callable(call.function) else " ".join((call.function[0].__name__, call.function[1]))
    )


@pytest.mark.parametrize("call", [*CALLS, *UFUNC_CALLS, *METHOD_CALLS], ids=name)
def test_no_function_of_numpy_has_another_pattern_elsewhere(call):
    """At other values each function has the same pattern, or is refused."""
    sizes = [np.size(a) for a in call.args]
    ends = np.cumsum([0, *sizes])
    x = np.concatenate([np.ravel(a) for a in call.args]).astype(float)

    def f(x):
        parts = [np.reshape(x[i:j], np.shape(a)) for i, j, a in zip(ends, ends[1:], call.args, strict=False)]
        return call.call(*parts)

    rng, patterns = np.random.default_rng(0), []
    for k in range(4):
        pairs = itertools.pairwise(ends)
        order = np.concatenate([i + (rng.permutation(j - i) if k else np.arange(j - i)) for i, j in pairs])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                patterns.append(dd.jacobian_sparsity(f, x[order], everywhere=True).toarray())
            except TypeError:
                # A function that f may not call at all fails at the first x.
                assert not patterns
                return
            except (ValueError, np.linalg.LinAlgError):
                continue
    for pattern in patterns:
        assert np.array_equal(pattern, patterns[0])
