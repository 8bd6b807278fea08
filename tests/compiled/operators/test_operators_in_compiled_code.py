"""Operators called in compiled code: of functions compiled with options, and what is said where they fail."""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff
from dualdiff import LostDerivativeError, NoRuleError

numba = pytest.importorskip("numba")
njit, prange = numba.njit, numba.prange

X = np.array([0.3, 1.2, -0.7])


@njit(parallel=True)
def reduced(x):
    return np.sum(x**2)


@njit(parallel=True)
def looped(x):
    y = np.zeros(len(x))
    for i in prange(len(x)):
        y[i] = x[i] * x[i]
    return y


@njit(fastmath=True)
def fast(x):
    return np.sum(x**3)


@njit
def gradients(x):
    return dualdiff.gradient(reduced, x), dualdiff.gradient(fast, x), dualdiff.jacobian(looped, x)


@njit
def calling(x):
    return reduced(x) * x[0] + fast(x) + looped(x).sum()


def test_functions_compiled_in_parallel():
    slope, other, matrix = gradients(X)
    np.testing.assert_allclose(slope, 2 * X, rtol=1e-15)
    np.testing.assert_allclose(other, 3 * X**2, rtol=1e-15)
    np.testing.assert_allclose(matrix, np.diag(2 * X), rtol=1e-15)


def test_functions_compiled_in_parallel_that_f_calls():
    expected = 2 * X * X[0] + 3 * X**2 + 2 * X + np.sum(X**2) * np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(dualdiff.gradient(calling, X), expected, rtol=1e-14)


@njit
def eigenvalue(x):
    return np.linalg.eigvals(x.reshape(1, -1) * x.reshape(-1, 1))[0]


@njit
def losing(x):
    return float(x[0]) * 2


@njit
def of_eigenvalue(x):
    return dualdiff.gradient(eigenvalue, x)


#: Compiled functions, and the error that they raise: one line, with the line of the function and what to write.
REFUSED = {
    "no rule": (of_eigenvalue, NoRuleError, r"line \d+: there is no compiled rule for eigvals.*; call it from Python"),
    "further out": (njit(lambda x: of_eigenvalue(x) * 2), NoRuleError, "there is no compiled rule for eigvals"),
    "lost": (njit(lambda x: dualdiff.gradient(losing, x)), LostDerivativeError, r"float\(x\) would lose"),
    "no function": (njit(lambda x: dualdiff.gradient(3.0, x)), TypeError, "gradient takes a function as its first"),
    "arguments": (njit(lambda x: dualdiff.gradient(fast, x, 1.0)), NoRuleError, "too many positional arguments"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_errors_are_one_line(case):
    f, kind, words = REFUSED[case]
    with pytest.raises(kind, match=words) as raised:
        f(X)
    assert "\n" not in str(raised.value)


def test_other_errors_are_those_of_numba():
    with pytest.raises(numba.TypingError, match="nowhere"):
        njit(lambda x: dualdiff.gradient(nowhere, x))(X)  # noqa: F821
