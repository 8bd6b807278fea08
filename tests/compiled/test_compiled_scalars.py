"""Compiled duals beyond the real rows of the table: special functions, complex scalars, tuples, precisions, ranks."""

from __future__ import annotations

import math
from collections import namedtuple

import mpmath
import numpy as np
import pytest

import dualdiff
from dualdiff.rules import ROWS, elementwise_function
from dualdiff.rules.numpy.elementwise.table import own

numba = pytest.importorskip("numba")
njit = numba.njit

Pair = namedtuple("Pair", "a b")
X = np.array([1.0, 2.0, 3.0])


# -- functions of math that NumPy lacks --------------------------------------------------------------------------------
@njit
def special(x, k):
    return (math.erf(x), math.erfc(x), math.gamma(x), math.lgamma(x))[k]


@njit
def slope_of_special(x, k):
    return dualdiff.derivative(special, x, k)


def test_special_functions_of_math():
    def expected(k, x):
        if k < 2:
            density = 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-(mpmath.mpf(x) ** 2)) * (-1) ** k
            return density, -2 * x * density
        scale, psi = mpmath.gamma(x) if k == 2 else 1, mpmath.digamma(x)
        return scale * psi, scale * (mpmath.polygamma(1, x) + (psi**2 if k == 2 else 0))

    for k in range(4):
        for x in (0.0, 0.3, -5.9, 26.1) if k < 2 else (0.1, 1.7, -3.4, -25.3, 100.2, *([-1000.4, 1e20] * (k == 3))):
            value, slope = dualdiff.value_and_derivative(special, x, k)
            first, second = map(float, expected(k, x))
            assert value == special(x, k)
            assert slope == pytest.approx(first, rel=2e-15)
            assert dualdiff.derivative(slope_of_special, x, k) == pytest.approx(second, rel=4e-15)


def test_a_row_is_one_edit():
    own("_test_only_too", np.sinh, "cosh(x)")
    own("_test_only", np.arcsinh, "2 * _test_only_too(x)")
    try:
        f = elementwise_function("_test_only")
        assert dualdiff.derivative(f, 0.5) == 2 * math.sinh(0.5)
        assert f(0.5) == np.arcsinh(0.5)
    finally:
        del ROWS["_test_only"], ROWS["_test_only_too"]


# -- complex numbers ---------------------------------------------------------------------------------------------------
def through_complex_numbers(x):
    z = np.exp(1j * x) + x
    first = np.abs(x + 2j) + 2 * (np.conj(z) * z * 1j).imag - z.conjugate().imag + (z * z).real * abs(z)
    return first + np.abs(0 * z) + np.real(z) * np.imag(z) * x + np.angle(z + 2j) * x + (np.sqrt(x + 1j) / z).real


@njit
def through_complex_arrays(x):
    z = np.exp(1j * x) * x[0]
    parts = np.concatenate((np.abs(z), np.real(z), np.imag(z), np.angle(z)))
    return np.concatenate((parts, z.conj().sum().imag * x, np.linalg.norm(z) * x))


def test_complex_intermediate_results():
    f, x = njit(through_complex_numbers), np.float64(0.7)
    value, slope, curvature = dualdiff.value_gradient_and_hessian(f, 0.7)
    assert value == f(0.7)
    assert slope == pytest.approx(dualdiff.derivative(f.py_func, x), rel=1e-14)
    assert curvature == pytest.approx(dualdiff.hessian(f.py_func, x), rel=1e-14)
    f = through_complex_arrays
    for x, v in (X, X - 2), (X + 1j, X - 2j):
        value, along = dualdiff.jvp(f, x, v)
        np.testing.assert_array_equal(value, f(x))
        np.testing.assert_allclose(along, dualdiff.jvp(f.py_func, x, v)[1], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda z: abs(z) * z, "abs"),
        (lambda z: np.conj(z) * z, "conj"),
        (lambda z: z.real, "real"),
        (lambda z: np.imag(z) * z, "imag"),
        (lambda z: np.angle(z), "angle"),
    ],
)
def test_functions_that_are_not_holomorphic_have_no_complex_derivative(f, name):
    with pytest.raises(dualdiff.NotHolomorphicError, match=rf"not holomorphic \(it uses {name} .*jvp") as raised:
        dualdiff.derivative(njit(f), 0.7 + 0.2j)
    assert "\n" not in str(raised.value)


def test_norms_and_parts_of_complex_arrays():
    for f in (lambda z: np.linalg.norm(z), lambda z: np.real(z)[0]):
        with pytest.raises(dualdiff.NotHolomorphicError, match="jvp"):
            dualdiff.gradient(njit(f), X + 1j)
    with pytest.raises(dualdiff.NoRuleError, match=r"\.real of an array of dual numbers: write np\.real"):
        dualdiff.gradient(njit(lambda x: (x * 1j).real.sum()), X)


# -- tuples, precisions, ranks -----------------------------------------------------------------------------------------
@njit
def options(x, scale=2.0, more=None):
    return x * scale if more is None else x * scale * more


@njit
def of_tuples(x):
    total = 0.0 * x
    for v in (1.0, x):
        total += v * v
    total += max((x, 0.5)) + 2 * min((1.0, x, 5)) + np.array((x, 1.0))[0] ** 2 + np.array([x, 1.0]).sum()
    total += np.array(((x, 1.0), (2.0, x))).sum() + sum((x, 1.0)) + (1.0, x)[1] + {1: x}[1]
    pair = Pair(x * 2, 3.0)
    return total + pair.a * pair.b + options(x) + options(x, 3.0, x)


def test_tuples_of_scalars_and_duals():
    # In order: 2 x of the loop, max, 2 of min, 2 x of an array, sums and items, 6 + 2 + 6 x of the pair and options.
    assert dualdiff.value_and_derivative(of_tuples, 0.7) == (of_tuples(0.7), pytest.approx(10 * 0.7 + 17, rel=1e-14))


def test_single_precision_and_three_axes():
    @njit
    def f(x):
        a = x.reshape(2, 2, 1)
        b = a * a.transpose(0, 2, 1)
        b[1, :, 0] *= x[0]
        return x[:1] * b.sum() + a.T[0, 1, 1] * b[0, 1, 1] + np.ones((2, 1, 2), x.dtype)[1, 0, 1]

    x = np.array([1, 2, 3, 4], np.float32)
    value, along = dualdiff.jvp(f, x, x[::-1] / 2)
    assert value.dtype == along.dtype == np.float32
    assert value == f(x)
    assert along == pytest.approx(dualdiff.jvp(f.py_func, x, x[::-1] / 2)[1], rel=1e-6)


@pytest.mark.parametrize("f", [lambda x: hash(x) * x, lambda x: len({x}) * x, lambda x: len({x: 1}) * x])
def test_duals_are_not_keys(f):
    with pytest.raises(TypeError, match=r"dual numbers are unhashable.*dualdiff\.value\(x\) as the key") as raised:
        dualdiff.derivative(njit(f), 2.0)
    assert "\n" not in str(raised.value)
