"""The results of hard cases in compiled code: the rows of the table of semantics, several in one function."""

from __future__ import annotations

import math

import numpy as np
import pytest

import dualdiff

numba = pytest.importorskip("numba")
njit = numba.njit

X = np.array([1.0, 2.0, -0.5, 3.0])
MATRIX = np.array([[3.0, 1.0], [1.0, 2.0]])


# -- nothing is dropped silently ---------------------------------------------------------------------------------------
def stored_in_a_buffer(x):
    buffer = np.zeros(3, np.int64)
    buffer[0] = x[0]
    return buffer[0]


def stored_in_a_slice(x):
    buffer = np.zeros(4, np.int64)
    buffer[:] = x
    return buffer[0]


@pytest.mark.parametrize(
    ("f", "kind", "message"),
    [
        (lambda x: float(x[0]) * 2, dualdiff.LostDerivativeError, r"float\(x\) would lose .* dualdiff\.value"),
        (lambda x: int(x[0]) * x[1], dualdiff.LostDerivativeError, r"int\(x\) would lose"),
        (lambda x: x.astype(np.float32).sum(), dualdiff.LostDerivativeError, "astype would lose"),
        (lambda x: x.view(np.int64).sum(), dualdiff.LostDerivativeError, "view.* would read the memory of dual"),
        (
            stored_in_a_buffer,
            dualdiff.LostDerivativeError,
            r"array of plain floats cannot hold the derivative.*dualdiff\.zeros\(shape, like=x\)",
        ),
        (
            stored_in_a_slice,
            dualdiff.LostDerivativeError,
            r"array of plain floats cannot hold the derivative.*dualdiff\.zeros\(shape, like=x\)",
        ),
        (
            lambda x: np.linalg.svd(x.reshape(2, 2))[1][0],
            dualdiff.NoRuleError,
            r"rule for svd\(array\(Dual, 2d\)",
        ),
        (
            lambda x: np.histogram(x)[1][0],
            dualdiff.NoRuleError,
            r"rule for histogram\(array\(Dual, 1d\).*py_func",
        ),
        (lambda x: [x[0], x[1]], dualdiff.NoRuleError, r"returned list.*scalars|needs? .*a scalar"),
    ],
)
def test_a_lost_derivative_is_an_error_of_one_line(f, kind, message):
    with pytest.raises(kind, match=message) as raised:
        dualdiff.gradient(njit(f), X)
    assert "\n" not in str(raised.value)
    assert "line" in str(raised.value) or "returned" in str(raised.value)


# -- scalars -----------------------------------------------------------------------------------------------------------
def test_step_functions_comparisons_and_mutation():
    @njit
    def f(x):
        x[3] = 0.0
        x *= 2.0
        steps = np.floor(x[1]) + np.sign(x[0]) + round(x[1]) + (x[0] > 1) + (1.0 < x[0] < 5.0)
        chosen = x[1] if x[0] > 0 and not x[2] > 0 else x[2]
        return steps * x[0] + chosen

    x = X.copy()
    value, slope = dualdiff.value_and_gradient(f, x)
    assert value == f(X.copy()) == 26.0
    np.testing.assert_array_equal(slope, [22.0, 2.0, 0.0, 0.0])
    np.testing.assert_array_equal(x, X)


def test_an_error_in_f_leaves_no_state():
    @njit
    def f(x, fail):
        if fail:
            raise ValueError("on purpose")
        return x * x

    with pytest.raises(ValueError, match="on purpose"):
        dualdiff.derivative(f, 3.0, True)
    assert dualdiff.derivative(f, 3.0, False) == 6.0


# -- kinks and powers, many in one function ----------------------------------------------------------------------------
POINTS = {
    "abs(t)": [0.0, -0.0, 2.0],
    "max(t, 0.0) + min(t, 0.0) * 2": [0.0],
    "np.maximum(t, 0.0) * 2 + np.minimum(0.0, t)": [0.0],
    "np.sqrt(t)": [0.0],
    "np.sqrt(t * t)": [0.0],
    "np.cbrt(t)": [0.0],
    "np.mod(t, 0.7) + np.fmod(t, 0.7) * 2 + t // 0.7": [1.5],
    "np.mod(5.0, t) + np.fmod(-5.0, t) * 3": [1.5],
    "t**0 + t**1": [0.0],
    "t**0.5": [0.0],
    "t**1.5": [0.0],
    "t**np.nan": [2.0],
    "(-2.0) ** (t - t + 2.0)": [1.0],
    "np.power(0.0, t)": [-0.5, 0.0, 0.5, 1.5],
    "1.0**t + t**t": [1.0],
    "dualdiff.xlogy(0.0, t) + dualdiff.xlogy(t, 2.0)": [1.0],
    "np.hypot(t, 1e200 * t) / 1e200": [1.0],
    "np.logaddexp(t, 700.0)": [700.0, 1e3],
    "np.tanh(t)": [20.0, 700.0],
    "np.arcsinh(t) + np.arctan2(t, 1e200)": [1e200],
    "np.sinc(t)": [0.0, 1e-9],
    "np.expm1(t) + np.log1p(t)": [1e-200],
    "np.where(np.array([t]) > 0, np.sqrt(np.array([t])), 2 * np.array([t]))[0]": [0.0],
    "np.prod(np.array([t, t + 1.0, 0.0 * t]))": [0.0],
}


def test_kinks_and_powers():
    cases = [(text, t) for text, points in POINTS.items() for t in points]
    names = {"np": np, "dualdiff": dualdiff}
    body = "\n".join(f"    {'if' if i == 0 else 'elif'} k == {i}: y = {text}" for i, text in enumerate(POINTS))
    exec(f"def f(t, k):\n    y = 0.0 * t\n{body}\n    return y", names)
    f = njit(error_model="numpy")(names["f"])
    for text, t in cases:
        k = list(POINTS).index(text)
        value, slope = dualdiff.value_and_derivative(f, t, k)
        with np.errstate(all="ignore"):
            g = (
                eval(f"lambda t: {text}", names)
                if "array" not in text
                else eval(f"lambda t: {text.replace('np.array', 'np.stack')}", names)
            )
            expected = dualdiff.derivative(g, np.float64(t))
        np.testing.assert_equal(value, f(t, k), err_msg=f"{text} at {t}")
        np.testing.assert_allclose(slope, expected, rtol=1e-13, err_msg=f"{text} at {t}")


def test_zero_tangents_in_some_lanes():
    f = njit(error_model="numpy")(lambda x: np.log(0 * x[0] + x[1]) + np.sqrt(x[2] * x[2]) + x[3])
    x = np.array([1.0, 0.0, 0.0, 2.0])
    np.testing.assert_array_equal(dualdiff.gradient(f, x), [0.0, math.inf, 0.0, 1.0])
    exploding = njit(lambda x: x[0] * np.exp(-x[1]))
    np.testing.assert_array_equal(dualdiff.gradient(exploding, np.array([1.0, -1000.0])), [math.inf, -math.inf])
    # The infinite branch is not chosen and does not leak.
    unused = njit(lambda x: np.where(x > 0, np.sqrt(np.abs(x)), x).sum())
    np.testing.assert_array_equal(dualdiff.gradient(unused, np.zeros(2)), [1.0, 1.0])


# -- nesting -----------------------------------------------------------------------------------------------------------
@njit
def bilinear(t, x):
    y = np.ones(2) * t
    return np.dot(y, x * x) + np.linalg.norm(y - y)


def test_outer_variables_keep_their_tangents_in_products():
    # The value of the inner differentiation carries the tangents of the outer one.
    f = njit(lambda x: dualdiff.value_and_derivative(bilinear, x[0], x)[0])
    x, v = np.array([1.0, 2.0]), np.array([0.5, -3.0])
    assert dualdiff.jvp(f, x, v) == (5.0, pytest.approx(7.0 * v[0] + 4.0 * v[1], rel=1e-15))


def test_second_derivatives_through_determinants_and_systems():
    def f(x):
        a = x.reshape(2, 2)
        return np.linalg.det(a) * np.linalg.solve(MATRIX, x[:2])[0]

    compiled = njit(f)
    along = njit(lambda t, x, v: compiled(x + t * v))
    v = np.array([0.3, -1.1, 0.7, 2.0])
    # Singular, where division gives no derivative.
    for x in np.array([1.0, 2.0, 2.0, 4.0]), np.zeros(4):
        expected = v @ dualdiff.hessian(f, x) @ v
        assert dualdiff.hessian(along, 0.0, x, v) == pytest.approx(expected, rel=1e-12, abs=1e-12)
