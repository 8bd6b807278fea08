"""Variables of compiled code that become duals on the way."""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff
from dualdiff import LostDerivativeError, NoRuleError, adapt, derivative, hessian, jacobian

njit = pytest.importorskip("numba").njit

X = np.array([0.3, 1.2, -0.7])

#: What is done with ``s``, which is 0.0 before a loop adds duals to it.
USES = {
    "product": "return s * np.ones(3)",
    "quotient": "return np.ones(3) / s",
    "difference": "return np.ones(3) - s",
    "power": "return np.abs(x) ** s",
    "array": "return np.array([s, 1.0])",
    "matrix": "return np.array([[s, 1.0], [0.0, s]])",
    "full": "return np.full(3, s)",
    "where": "return np.where(x > 0, s, 1.0)",
    "maximum": "return np.maximum(np.ones(3), s)",
    "sum": "return np.sum(np.arange(3.0) * s)",
    "function": "return np.exp(-s * np.arange(3.0))",
    "dot": "return np.dot(s * np.ones(3), np.ones(3))",
    "tuple": "t = (s, 1.0); return np.array(t) * 2.0",
    "list": "l = [s]; l.append(1.0); return np.array(l)",
    "choice": "z = np.ones(3) - s; return z if s > 0 else -z",
    "builtin": "return max(s, 0.5) * np.ones(2)",
    "element": "y = np.zeros(3); y[0] = s; return y",
    "elements": "y = np.empty(3); y[:] = s; return y",
    "slice": "y = np.zeros(3); y[:2] = x[1:] * 2; return y * s",
    "in place": "y = np.zeros(3); y += s; return y",
    "rebound": "y = np.ones(3); y = y * s; return y",
    "rebound in a loop": "w = np.ones(3)\n    for i in range(2):\n        w = w * s + i\n    return w",
    "row": "m = np.zeros((2, 3))\n    for i in range(2):\n        m[i][:] = s * x * i\n    return m.T",
    "list of zeros": "l = [0.0] * 3\n    for i in range(3):\n        l[i] = s * i\n    return l[1] + l[2] * l[1]",
    "tuple in a loop": (
        "q = (0.0, 1.0)\n    for a in x:\n        q = (q[0] + a, q[1] * a)\n    return q[0] * np.ones(2) + q[1]"
    ),
    "branches": (
        "w = 0.0\n    for i in range(2):\n        for a in x:\n            if a > 0:\n                w += s * a\n"
        "            else:\n                w -= a\n    return w * np.ones(3)"
    ),
}


def using(use):
    space = {"np": np}
    exec(f"def f(x):\n    s = 0.0\n    for a in x:\n        s += a * a\n    {USES[use]}", space)
    return space["f"]


@pytest.mark.parametrize("use", USES)
def test_a_float_that_becomes_dual(use):
    f = using(use)
    compiled = njit(f)
    value, matrix = dualdiff.value_and_jacobian(compiled, X)
    np.testing.assert_array_equal(value, compiled(X))
    np.testing.assert_allclose(matrix, jacobian(adapt(f), X), rtol=1e-13, atol=1e-15)


def test_second_order():
    f = njit(lambda x: using("function")(x))
    inner = njit(using("row"))
    f = njit(lambda x: np.sum(inner(x) ** 2))
    np.testing.assert_allclose(hessian(f, X), hessian(adapt(lambda x: np.sum(using("row")(x) ** 2)), X), rtol=1e-12)


@njit
def fill(out, u, k):
    for i in range(1, len(u) - 1):
        out[i] = k * (u[i + 1] - 2 * u[i] + u[i - 1])


@njit
def with_a_buffer_for_another_function(k, u):
    out = np.zeros_like(u)
    fill(out, u, k)
    return np.sum(out**2)


@njit
def marching(a, start):
    state = start
    for _ in range(3):
        state = state + a * state
    return state.sum()


@njit
def marching_with_a_buffer(a, start):
    state = start
    for _ in range(3):
        change = np.zeros_like(state)
        for i in range(len(state)):
            change[i] = a * state[i]
        state = state + change
    return state.sum()


@njit
def in_single_precision(x):
    out = np.zeros(3, np.float32)
    for i in range(3):
        out[i] = x[i] * x[i]
    return out


@njit
def complex_sum(t):
    s = 0.0
    for i in range(3):
        s = s + t * (1 + 2j) ** i
    return (s * np.ones(2)).sum().real


def test_buffers_that_another_function_writes():
    u = np.array([0.0, 1.0, 4.0, 9.0, 16.0])
    assert derivative(with_a_buffer_for_another_function, 2.0, u) == 48


@pytest.mark.parametrize("f", [marching, marching_with_a_buffer])
def test_a_state_that_starts_as_a_plain_argument(f):
    start = np.array([1.0, 2.0])
    assert derivative(f, 0.5, start) == pytest.approx(3 * 3 * 1.5**2, rel=1e-15)
    np.testing.assert_array_equal(start, [1.0, 2.0])


def test_precision_and_complex_sums():
    x = np.array([0.1, 0.2, 0.3])
    value, matrix = dualdiff.value_and_jacobian(in_single_precision, x)
    np.testing.assert_array_equal(value, in_single_precision(x))
    np.testing.assert_allclose(matrix, np.diag(2 * x), rtol=1e-6)
    assert derivative(complex_sum, 2.0) == pytest.approx(2 * sum((1 + 2j) ** i for i in range(3)).real, rel=1e-15)


@njit
def into_integers(x):
    out = np.zeros(3, np.int64)
    out[0] = x[0]
    return out[0] * x[0]


@njit
def into_an_argument(x, out):
    out[0] = x[0]
    return out[0]


@njit
def into_a_view_of_an_argument(x, out):
    view = out[1:]
    view[0] = x[0]
    return view[0]


@njit
def through_an_alias(x, start):
    other = start.copy()
    state = other[:]
    for i in range(2):
        other[0] = i
        state = state * x[0]
    return state.sum()


@pytest.mark.parametrize("f", [into_integers, into_an_argument, into_a_view_of_an_argument])
def test_where_a_dual_would_be_lost_it_stays_refused(f):
    with pytest.raises((LostDerivativeError, NoRuleError)):
        dualdiff.gradient(f, X, *([np.zeros(3)] if f is not into_integers else []))


def test_views_see_what_is_written():
    start = np.array([1.0, 2.0])
    value, slope = dualdiff.value_and_gradient(through_an_alias, X, start)
    assert value == through_an_alias(X, start)
    np.testing.assert_allclose(slope, dualdiff.gradient(adapt(through_an_alias.py_func), X, start), rtol=1e-14)
