"""Complex values and tangents: holomorphic functions, and errors for other functions."""

from __future__ import annotations

import fractions

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import (
    derivative,
    gradient,
    hessian,
    jacobian,
    jvp,
    value_and_derivative,
    value_and_jacobian,
)
from tests.core.test_scalars import X, Z
from tests.support.against import difference_jacobian


# -- complex numbers ---------------------------------------------------------------------------------------------------
def test_complex_derivative_of_a_holomorphic_function():
    assert derivative(lambda z: z**3, 1 + 2j) == 3 * (1 + 2j) ** 2
    np.testing.assert_allclose(derivative(np.exp, Z), np.exp(Z))
    np.testing.assert_allclose(jacobian(lambda z: z * z[::-1], Z), [[Z[1], Z[0]], [Z[1], Z[0]]])
    np.testing.assert_allclose(gradient(lambda z: np.sum(np.sin(z)), Z), np.cos(Z))
    np.testing.assert_allclose(hessian(lambda z: np.sum(z**3), Z), np.diag(6 * Z))
    np.testing.assert_allclose(derivative(derivative(np.sin), Z), -np.sin(Z))
    np.testing.assert_allclose(jacobian(lambda z: np.linalg.inv(z * np.eye(2)), Z)[0, 0], [-1 / Z[0] ** 2, 0])


NOT_HOLOMORPHIC = {
    "abs": abs,
    "np.abs": np.abs,
    "conj": np.conj,
    "method conj": lambda z: z.conj(),
    "method conjugate": lambda z: z.conjugate(),
    "real": np.real,
    "attribute real": lambda z: z.real,
    "imag": np.imag,
    "attribute imag": lambda z: z.imag * 2,
    "angle": np.angle,
    "var": lambda z: np.var(z) * z,
    "astype": lambda z: np.asarray([1.0]) * z.astype(float) if hasattr(z, "astype") else z.real,
    "vdot": lambda z: np.vdot(z, z) * z,
    "sign": np.sign,
}


@pytest.mark.parametrize("name", NOT_HOLOMORPHIC)
def test_complex_derivative_of_what_is_not_holomorphic(name):
    f = NOT_HOLOMORPHIC[name]
    match = r"no complex derivative: f is not holomorphic\. Use dualdiff\.jvp or dualdiff\.vjp"
    for op in (lambda: jacobian(f, Z), lambda: derivative(f, 1 + 2j), lambda: dd.linearize(f, Z)):
        with pytest.raises(dd.NotHolomorphicError, match=match):
            op()
    if name not in ("var", "vdot"):
        with pytest.raises(dd.NotHolomorphicError, match=match):
            derivative(f, Z)


def test_gradient_of_a_real_function_of_complex_numbers():
    w = 1e-7 * np.array([1 - 2j, 0.5 + 1j])
    for f in (
        lambda z: np.sum(np.abs(z) ** 2),
        lambda z: np.sum(z**3).real,
        lambda z: np.abs(np.sum(z * z)),
        lambda z: np.linalg.norm(z),
        lambda z: np.vdot(z, z).imag + np.angle(z[0]),
        lambda z: np.sum(np.sin(z).imag * z.real),
    ):
        g = gradient(f, Z)
        np.testing.assert_allclose(np.sum(g * w).real, (f(Z + w) - f(Z - w)) / 2, rtol=1e-6)
        np.testing.assert_allclose(gradient(f, Z, chunk_size=1), g, rtol=1e-14)
    with pytest.raises(dd.NotHolomorphicError, match="is complex-valued and not holomorphic"):
        gradient(lambda z: np.sum(z * np.conj(z)), Z)


def test_jvp_is_right_along_any_complex_direction():
    h = 1e-6
    for f in (np.abs, np.conj, np.real, np.imag, np.angle, np.sign, np.var, lambda z: z * np.conj(z), lambda z: z**2):
        for v in (np.ones(2), 1j * np.ones(2), Z * (2 - 1j)):
            expected = (f(Z + h * v) - f(Z - h * v)) / (2 * h)
            np.testing.assert_allclose(jvp(f, Z, v)[1], expected, rtol=1e-8, atol=1e-8)
    value, slope = jvp(abs, 3 + 4j, 1j)
    assert (value, slope) == (5.0, 0.8)


def test_real_x_through_complex_intermediates():
    f = lambda x: np.abs(np.exp(1j * x) * x) + np.real((x + 2j) ** 3) + np.imag(np.sqrt(x + 0j))
    real = lambda x: np.abs(x) + x**3 - 12 * x + np.where(x < 0, np.sqrt(np.abs(x)), 0.0)
    np.testing.assert_allclose(jacobian(f, X), jacobian(real, X), atol=1e-14)
    np.testing.assert_allclose(jacobian(jacobian(f), X), jacobian(jacobian(real), X), atol=1e-13)
    for x in X:
        np.testing.assert_allclose(derivative(f, x), derivative(real, x))
    assert derivative(lambda t: t * 1j, 0.5) == 1j


def test_real_and_imaginary_parts_are_views():
    def f(x):
        z = x * (1 + 2j)
        part = z.real
        z.imag = 3 * x
        z.real[1:] = x[:-1] ** 2
        z *= 1j
        return np.stack([part, z.real, z.imag])

    def plain(x):
        real = np.concatenate([x[:1], x[:-1] ** 2])
        return np.stack([-3 * x, -3 * x, real])

    np.testing.assert_array_equal(f(X), plain(X))
    np.testing.assert_array_equal(value_and_jacobian(f, X)[0], plain(X))
    np.testing.assert_allclose(jacobian(f, X), jacobian(plain, X))
    np.testing.assert_allclose(jacobian(jacobian(f), X), jacobian(jacobian(plain), X))
    np.testing.assert_allclose(jvp(f, X, X)[1], jvp(plain, X, X)[1])


PARTS = {
    "all of the imaginary part": lambda z, x: setattr(z, "imag", x**2),
    "one place": lambda z, x: z.real.__setitem__(0, x[1] ** 2),
    "places by number": lambda z, x: z.imag.__setitem__([0, 2], x[:2]),
    "a number": lambda z, x: z.imag.__setitem__(2, 5.0),
    "a part of a slice, in place": lambda z, x: z[1:].imag[:1].__imul__(x[0]),
    "a slice of a part": lambda z, x: z.real[::-1][:2].__setitem__(..., 3 * x[:2]),
    "a part seen before": lambda z, x: (z.real, z.__imul__(1j))[0].__iadd__(x[0]),
    "flat": lambda z, x: z.real.flat.__setitem__(1, x[2]),
}


@pytest.mark.parametrize("name", PARTS)
def test_real_and_imaginary_parts_are_views_in_every_space(name):
    def f(x):
        for z in (x * (1 + 2j), np.zeros_like(x, dtype=complex)):
            PARTS[name](z, x)
            yield from (z.real * x, z.imag)

    def g(x):
        return np.concatenate(list(f(x)))

    J = difference_jacobian(g, X)
    for options in ({}, {"chunk_size": 1}, {"mode": "reverse"}):
        y, found = value_and_jacobian(g, X, **{"mode": "forward", **options})
        np.testing.assert_array_equal(y, g(X))
        np.testing.assert_allclose(found, J, atol=1e-8)
    np.testing.assert_allclose(jacobian(g, X, sparse=True).toarray(), J, atol=1e-8)
    np.testing.assert_allclose(jvp(g, X, X)[1], J @ X, atol=1e-8)
    np.testing.assert_allclose(
        jacobian(jacobian(g, mode="reverse"), X, mode="reverse"),
        jacobian(jacobian(g, mode="forward"), X, mode="forward"),
        atol=1e-12,
    )


def test_extremes_of_complex_numbers_by_their_real_parts_first():
    for x in (0.5 + 1j, np.complex128(0.5 + 1j), np.array([0.5 + 1j])):
        v = np.ones_like(x)[()]
        assert jvp(lambda z: 3 * np.maximum(z, 0.2 + 9j), x, v)[1] == 3
        assert jvp(lambda z: np.minimum(0.2 + 9j, z), x, v)[1] == 0
        assert jvp(lambda z: np.clip(z, 0.2, 0.4), x, v)[1] == 0
    assert jvp(lambda t: np.maximum(t, 0.2 + 9j), 0.5, 1.0)[1] == 1


def test_nan_to_num_of_one_complex_number():
    assert jvp(np.nan_to_num, 1 + 2j, 1.0) == (1 + 2j, 1.0)
    assert jvp(np.nan_to_num, complex(np.nan, 2), 1 + 1j) == (2j, 1j)
    assert jvp(np.nan_to_num, np.array(1j), np.array(1.0)) == (1j, 1.0)


def test_methods_of_scalars_leave_python_scalars_as_they_are():
    # (-8.0)**(1/3) is complex, np.float64(-8.0)**(1/3) is nan.
    for take in (lambda t: t.conjugate(), lambda t: t.real, lambda t: t + fractions.Fraction(0)):
        for x in (-8.0, np.float64(-8.0)):
            with np.errstate(invalid="ignore"):
                value, slope = value_and_derivative(lambda t, take=take: take(t) ** (1 / 3), x)
                expected = take(x) ** (1 / 3)
            assert type(value) is type(expected)
            np.testing.assert_array_equal(value, expected)
            np.testing.assert_allclose(slope, expected / -24)
