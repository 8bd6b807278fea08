"""Singular points in compiled code: first and second derivatives are right or NaN, never finite and wrong."""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff

numba = pytest.importorskip("numba")

NAN = np.nan
UNKNOWN = [[NAN, NAN], [NAN, NAN]]

#: For each f of two variables: the point, the gradient, the Hessian.  NaN where the derivative does not exist or is
#: unknown; entries that do not depend on the singular part are exact.
FORMS = {
    "np.linalg.norm(x)": ([0.0, 0.0], [0.0, 0.0], UNKNOWN),
    "np.linalg.norm(x)**2": ([0.0, 0.0], [0.0, 0.0], UNKNOWN),
    "1 - np.cos(np.linalg.norm(x))": ([0.0, 0.0], [0.0, 0.0], UNKNOWN),
    "np.std(x)**2": ([1.0, 1.0], [0.0, 0.0], UNKNOWN),
    "np.hypot(x[0], x[1])**2": ([0.0, 0.0], [0.0, 0.0], UNKNOWN),
    "np.abs(x[0] + 1j * x[1])**2": ([0.0, 0.0], [0.0, 0.0], UNKNOWN),
    "(x[0]**2 + x[1]**2)**0.5 * x[1]": ([0.0, 0.0], [0.0, 0.0], UNKNOWN),
    "np.sqrt(x[0] * x[0]) + x[1]**2": ([0.0, 1.0], [0.0, 2.0], [[NAN, 0.0], [0.0, 2.0]]),
    "np.hypot(x[0], 0.0) + x[1]**2": ([0.0, 1.0], [0.0, 2.0], [[NAN, 0.0], [0.0, 2.0]]),
    "np.sqrt(x[0]**4) + x[1]": ([0.0, 0.0], [0.0, 1.0], [[NAN, 0.0], [0.0, 0.0]]),
    "np.sqrt(x[0])**2": ([0.0, 0.0], [NAN, 0.0], [[NAN, 0.0], [0.0, 0.0]]),
    "np.sqrt(x[0]) * np.sqrt(x[0])": ([0.0, 0.0], [NAN, 0.0], [[NAN, 0.0], [0.0, 0.0]]),
    "np.cbrt(x[0])**3": ([0.0, 0.0], [NAN, 0.0], [[NAN, 0.0], [0.0, 0.0]]),
    "1 - np.cos(np.sqrt(2 * x[0]))": ([0.0, 0.0], [NAN, 0.0], [[NAN, 0.0], [0.0, 0.0]]),
    "np.arccos(1 - x[0])**2": ([0.0, 0.0], [NAN, 0.0], [[NAN, 0.0], [0.0, 0.0]]),
    "1 / (1 + np.exp(-x[0]))": ([-800.0, 0.0], [NAN, 0.0], [[NAN, 0.0], [0.0, 0.0]]),
    "(np.array([0.0, 1.0]) * np.sqrt(x)).sum()": ([0.0, 1.0], [0.0, 0.5], [[0.0, 0.0], [0.0, -0.25]]),
    "0.0 * np.log(x[0]) + x[1]**2": ([0.0, 1.0], [0.0, 2.0], [[0.0, 0.0], [0.0, 2.0]]),
    "np.where(x > 0, np.sqrt(x), 0 * x).sum()": ([0.0, 1.0], [0.0, 0.5], [[0.0, 0.0], [0.0, -0.25]]),
    "(np.sqrt(x[0]) if x[0] > 0 else 0 * x[0]) + x[1]**2": ([0.0, 1.0], [0.0, 2.0], [[0.0, 0.0], [0.0, 2.0]]),
    "-((np.sqrt(x[0]) + x[1]) ** 2)": ([0.0, 0.0], [NAN, 0.0], [[NAN, -np.inf], [-np.inf, -2.0]]),
    "np.exp(0 * x[1]) - (np.sqrt(x[0] + x[1]) + x[1]) ** 2": ([0.0, 0.0], [NAN, NAN], UNKNOWN),
    "np.sqrt(x).sum()": ([0.0, 1.0], [np.inf, 0.5], [[-np.inf, 0.0], [0.0, -0.25]]),
    "(x**1.5).sum()": ([0.0, 1.0], [0.0, 1.5], [[np.inf, 0.0], [0.0, 0.75]]),
}


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("text", FORMS)
def test_right_or_nan(text, mode):
    point, slope, matrix = FORMS[text]
    f = numba.njit(error_model="numpy")(eval(f"lambda x: {text}", {"np": np}))
    x = np.array(point)
    if mode == "reverse" and "1j" in text:
        with pytest.raises(dualdiff.NoRuleError, match="complex numbers are not compiled in reverse mode"):
            dualdiff.gradient(f, x, mode=mode)
        return
    result = dualdiff.gradient(f, x, mode=mode)
    np.testing.assert_array_equal(result, slope)
    np.testing.assert_array_equal(dualdiff.hessian(f, x, mode=mode), matrix)
    # Zeros carry no mark of masked partials, -0.0.
    assert not np.any(np.signbit(result[result == 0]))


@pytest.mark.parametrize("text", [text for text in FORMS if "1j" not in text])
def test_linear_maps_are_right_or_nan(text):
    point, slope, _ = FORMS[text]
    f = numba.njit(error_model="numpy")(eval(f"lambda x: {text}", {"np": np}))
    _, linear = dualdiff.linearize(f, np.array(point))
    np.testing.assert_array_equal(linear.T(1.0), slope)
    np.testing.assert_array_equal(linear.T(0.0), [0.0, 0.0])
    np.testing.assert_array_equal(linear(np.eye(2)), slope)
    np.testing.assert_array_equal(linear(np.zeros(2)), 0.0)
