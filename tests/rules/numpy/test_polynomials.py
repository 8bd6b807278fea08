"""Polynomials: the functions of coefficients, poly1d, and the classes of numpy.polynomial."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial import Chebyshev, Hermite, HermiteE, Laguerre, Legendre, Polynomial, chebyshev, polynomial

from dualdiff import derivative, gradient, jacobian, jvp, value_and_jacobian
from tests.support.against import assert_near, assert_same, check, check_complex, difference_jacobian
from tests.support.versions import HANDED_ON

P = np.array([0.7, -1.1, 1.9, 0.4])
X = np.array([[0.31, -1.22, 0.84], [1.75, 0.96, -0.47]])
SQUARE = np.array([[1.1, -0.3, 0.5], [0.2, 1.7, -0.8], [0.6, 0.1, -1.3]])
POINTS = np.array([-1.7, -0.6, 0.2, 0.9, 1.8])
HEIGHTS = np.array([0.4, -0.3, 1.2, 0.7, -1.1])
BOTH = np.append(POINTS, HEIGHTS)

FUNCTIONS = {
    "value": (np.append(P, X), lambda z: np.polyval(z[:4], z[4:].reshape(2, 3))),
    "value at a number": (P, lambda p: np.polyval(p, p[0])),
    "value at a Python number": (P, lambda p: np.polyval(p, 2) * p),
    "value of constants": (X, lambda x: np.polyval([1, 2, 3], x)),
    "value of a list": (P, lambda p: np.polyval([p[0], 2.0, p[1]], p)),
    "value of a poly1d": (P, lambda p: np.polyval(np.poly1d(p), p)),
    "value at a poly1d": (P, lambda p: np.polyval(p, np.poly1d([1.0, 2.0])).coeffs),
    "from roots": (P, lambda r: np.poly(r)),
    "from no roots": (P, lambda r: np.poly(r[:0]) * r),
    "from conjugate roots": (P, lambda p: np.poly([p[0] + 1j * p[1], p[0] - 1j * p[1], p[2]])),
    "characteristic": (SQUARE, lambda a: np.poly(a)),
    "characteristic of a symmetric matrix": (SQUARE, lambda a: np.poly(a @ a.T)),
    "characteristic at repeated eigenvalues": (np.eye(3), lambda a: np.poly(a)),
    "roots": (P, lambda p: np.roots(p).real + np.roots(p).imag ** 2),
    "real roots": (np.array([1.0, -3.2, 2.1]), lambda p: np.roots(p)),
    "roots at zero": (P[:3], lambda p: np.roots(np.append(p, [0.0])).real),
    "roots with leading zeros": (P[:3], lambda p: np.roots(np.append([0.0, 0.0], p)).real),
    "root of a line": (P[:2], lambda p: np.roots(p)),
    "no roots": (P, lambda p: np.append(np.roots(p[:1]), p)),
    "fit": (BOTH, lambda z: np.polyfit(z[:5], z[5:], 2)),
    "fit of constants": (HEIGHTS, lambda y: np.polyfit(POINTS, y, 3)),
    "fit at integers": (HEIGHTS, lambda y: np.polyfit([1, 2, 3, 4, 6], y, 1)),
    "fit with weights": (BOTH, lambda z: np.polyfit(z[:5], z[5:], 1, w=np.exp(z[5:]))),
    "fit of several": (BOTH, lambda z: np.polyfit(z[:5], np.stack([z[5:], z[5:] ** 2], axis=1), 2, w=z[:5] + 3)),
    "fit in full": (BOTH, lambda z: np.concatenate(np.polyfit(z[:5], z[5:], 2, full=True)[:2])),
    "fit with covariance": (BOTH, lambda z: np.polyfit(z[:5], z[5:], 1, cov=True)[1]),
    "fit with covariances": (
        BOTH,
        lambda z: np.polyfit(z[:5], np.stack([z[5:], z[5:] ** 2], axis=1), 1, cov=True)[1],
    ),
    "fit with unscaled covariance": (BOTH, lambda z: np.polyfit(z[:5], z[5:], 1, None, cov="unscaled")[1]),
    "powers": (P, lambda x: np.vander(x)),
    "increasing powers": (P, lambda x: np.vander(x, 3, increasing=True)),
    "no powers": (P, lambda x: np.vander(x, 0).sum() + x),
    "powers of zero": (np.zeros(2), lambda x: np.vander(x, 3)),
    "sum": (P, lambda p: np.polyadd(p, p[1:]) * p),
    "sum, shorter first": (P, lambda p: np.polyadd([1.0, p[0]], p)),
    "sum with a number": (P, lambda p: np.polyadd(p, 1.5) * p),
    "difference": (P, lambda p: np.polysub(p[:2], p) * p),
    "product": (P, lambda p: np.polymul(p, p[:3])),
    "product with leading zeros": (P, lambda p: np.polymul(np.append([0.0, 0.0], p), [0.0, 1.0, 2.0])),
    "product with zero": (P, lambda p: np.polymul(p, [0.0, 0.0]) + p),
    "quotient": (P, lambda p: np.polydiv(p, p[:2])[0]),
    "remainder": (P, lambda p: np.polydiv(p, [1.5, p[0], -0.3])[1]),
    "quotient by something longer": (P, lambda p: np.polydiv(p[:2], p)[1]),
    "remainder that vanishes": (P, lambda p: np.append(np.polydiv(np.polymul(p[:2], p[2:]), p[:2])[1], p)),
    "derivative": (P, lambda p: np.polyder(p) ** 2),
    "second derivative": (P, lambda p: np.polyder(p, m=2)),
    "no derivative": (P, lambda p: np.polyder(p, 0) * p),
    "derivative beyond the degree": (P, lambda p: np.append(np.polyder(p, 5), p)),
    "integral": (P, lambda p: np.polyint(p) * np.append(p, 1.0)),
    "second integral": (P, lambda p: np.polyint(p, 2, p[0])),
    "integral with constants": (P, lambda p: np.polyint(p, m=2, k=[p[0], 3.0])),
    "no integral": (P, lambda p: np.polyint(p, 0) ** 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    x, f = FUNCTIONS[name]
    check(f, x)


HOLOMORPHIC = [
    *("value", "value of constants", "from roots", "characteristic", "root of a line", "powers", "sum", "difference"),
    *("product", "quotient", "remainder", "derivative", "second integral", "integral with constants"),
]


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_function_of_complex_numbers(name):
    x, f = FUNCTIONS[name]
    check_complex(f, x)


def test_a_root_moves_as_the_implicit_function_theorem_says():
    p = np.array([1.0, -6.0, 11.0, -6.0])
    r = np.roots(p)
    J = jacobian(np.roots, p)
    assert_near(J, -np.vander(r, 4) / np.polyval(np.polyder(p), r)[:, None], 1e-13)


def test_a_root_at_zero_moves_too():
    f = lambda p: np.roots(p)
    p = np.array([1.0, -3.0, 2.0, 0.0])
    assert_near(jacobian(f, p)[-1], np.array([0.0, 0.0, 0.0, -0.5]), 1e-14)


def test_the_derivative_of_a_root_that_repeats_is_infinite_or_large():
    with np.errstate(all="ignore"):
        J = jacobian(lambda p: np.roots(p).real, np.array([1.0, 0.0, 0.0]))
    assert not np.isfinite(J[:, 2]).any()


def test_a_remainder_ends_where_numpy_ends_it():
    p, q = np.array([1.0, 3.0, 2.0]), np.array([1.0, 1.0])
    (_, expected), found = np.polydiv(p, q), value_and_jacobian(lambda p: np.polydiv(p, q)[1], p)
    assert_same(found[0], expected)
    assert_near(found[1], np.array([[1.0, -1.0, 1.0]]), 1e-15)


# -- poly1d ------------------------------------------------------------------------------------------------------------
POLY1D = {
    "call": lambda p: np.poly1d(p)(0.7) * p,
    "call at an array": lambda p: np.poly1d([1.0, 2.0, 3.0])(p),
    "call at itself": lambda p: np.poly1d(p)(p),
    "sum": lambda p: (np.poly1d(p) + np.poly1d([1.0, 2.0])).coeffs,
    "product": lambda p: (np.poly1d(p) * np.poly1d(p)).coeffs,
    "power": lambda p: (np.poly1d(p) ** 2)(0.3) * p,
    "scaled": lambda p: (np.poly1d([1.0, 2.0]) * p[0] + p[1] - np.poly1d([3.0]) / p[2])(0.3) * p,
    "scaled from the left": lambda p: (p[0].item() * np.poly1d([1.0, 2.0]))(0.3) * p,
    "subtracted": lambda p: (p[0].item() - np.poly1d([1.0, 2.0]))(0.3) * p,
    "as the array of coefficients that NumPy's numbers make of it": lambda p: p[0] * np.poly1d([1.0, 2.0]),
    "derivative": lambda p: np.poly1d(p).deriv()(p[0]) * p,
    "integral": lambda p: np.poly1d(p).integ(k=1.5)(p[0]) * p,
    "roots": lambda p: np.poly1d(p).roots.real,
    "from roots": lambda p: np.poly1d(p, True).coeffs,
}


@pytest.mark.parametrize("name", POLY1D)
def test_poly1d(name):
    f = POLY1D[name]
    expected, (found, J) = f(P), value_and_jacobian(f, P)
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert_near(J, difference_jacobian(f, P))
    assert_near(jacobian(f, P, mode="reverse"), J, 1e-13)


# -- numpy.polynomial --------------------------------------------------------------------------------------------------
CLASSES = Polynomial, Chebyshev, Legendre, Laguerre, Hermite, HermiteE
OBJECTS = {
    "at duals": lambda kind: lambda x: kind([0.3, -0.2, 0.5, 0.1])(x),
    "at a dual": lambda kind: lambda x: kind([0.3, -0.2, 0.5, 0.1])(x[0]) * x,
    "with dual coefficients": lambda kind: lambda c: kind(c)(0.4) * np.ones(1),
    "with dual coefficients, at duals": lambda kind: lambda c: kind(c)(c[1]) * np.ones(1),
    "with dual coefficients, at an array": lambda kind: lambda c: kind(list(c))(POINTS),
    "with dual coefficients, at an array of duals": lambda kind: lambda c: kind(c)(c * 0.3),
    "on a domain": lambda kind: lambda c: kind(c, domain=[-2.0, 3.0])(c * 0.3),
    "sum": lambda kind: lambda c: (kind(c) + kind([1.0, 2.0]) - 0.5)(c[0]) * np.ones(1),
    "scaled": lambda kind: lambda c: (c[0] * kind([1.0, 2.0]) + c[1] - kind([3.0]) / c[2])(0.3) * np.ones(1),
    "subtracted": lambda kind: lambda c: (c[0] - kind([1.0, 2.0]) * c[1])(0.3) * np.ones(1),
    "divided": lambda kind: lambda c: (kind(c) % kind([1.0, c[1]]) + kind(c) // kind(c[:2]))(0.3) * np.ones(1),
    "product": lambda kind: lambda c: (kind(c) * kind(c[:2]))(0.6) * np.ones(1),
    "power": lambda kind: lambda c: (kind(c[:2]) ** 2)(c[2]) * np.ones(1),
    "in another series": lambda kind: lambda c: kind(c).convert(kind=Polynomial)(c[0]) * np.ones(1),
    "from roots": lambda kind: lambda c: kind.fromroots(c[:3])(0.3) * np.ones(1),
    "derivative": lambda kind: lambda c: kind(c).deriv()(c[0]) * np.ones(1),
    "integral": lambda kind: lambda c: kind(c).integ(k=[2.0])(c[0]) * np.ones(1),
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_series(kind, name):
    """The classes keep dual coefficients in object arrays, whose values are right up to rounding."""
    f = OBJECTS[name](kind)
    expected, (found, J) = f(P), value_and_jacobian(f, P)
    np.testing.assert_allclose(np.asarray(found, float), expected, rtol=1e-13)
    assert_near(J, difference_jacobian(f, P), 1e-8)
    assert_near(jacobian(f, P, mode="reverse"), J, 1e-12)
    bend = gradient(lambda c: np.sum(gradient(lambda c: np.sum(f(c)), c) ** 2), P)
    H = difference_jacobian(lambda c: gradient(lambda c: np.sum(f(c)), c), P)
    assert_near(bend, 2 * gradient(lambda c: np.sum(f(c)), P) @ H, 1e-7)


def test_series_with_many_coefficients_at_one_point():
    c = np.linspace(0.5, -0.5, 12)
    assert_near(gradient(lambda c: Chebyshev(c)(0.3), c), chebyshev.chebvander(0.3, 11).ravel(), 1e-14)
    assert_near(derivative(lambda x: Chebyshev(c)(x), 0.3), Chebyshev(c).deriv()(0.3), 1e-13)
    assert_near(derivative(Chebyshev(c), POINTS / 2), Chebyshev(c).deriv()(POINTS / 2), 1e-12)


@pytest.mark.parametrize("name", ["polyval", "chebval", "legval", "lagval", "hermval", "hermeval"])
def test_functions_of_series_at_duals(name):
    module = getattr(
        np.polynomial,
        {"pol": "polynomial", "che": "chebyshev", "leg": "legendre", "lag": "laguerre"}.get(
            name[:3], "hermite_e" if name == "hermeval" else "hermite"
        ),
    )
    f = lambda x: getattr(module, name)(x, [0.3, -0.2, 0.5, 0.1])
    check(f, X)


@pytest.mark.skipif("polyval2d" not in HANDED_ON, reason="an older NumPy does not hand them on")
def test_values_of_two_variables():
    c = np.arange(12.0).reshape(2, 3, 2) / 7 - 0.6
    for f in (polynomial.polyval2d, polynomial.polygrid2d):
        check(lambda z, f=f: f(z[0], z[1], c), X)
        check(lambda c, f=f: f([0.3, 0.1, 0.2], [0.5, -1.0, 2.0], c), c)
        check(lambda z, f=f: f(z[0], z[1], z), X)


@pytest.mark.skipif("polyvalnd" not in HANDED_ON, reason="of NumPy 2.5")
def test_values_of_several_variables():
    c = np.arange(24.0).reshape(2, 3, 2, 2) / 7 - 0.6
    points = [0.3, 0.1, 0.2], [0.5, -1.0, 2.0], [0.7, 0.2, -0.4]
    for n in (1, 2, 3, 4):
        check(lambda c, n=n: polynomial.polyvalnd((points * 2)[:n], c), c)
    check(lambda z: polynomial.polyvalnd([z, z**2, 1 - z], c), X)
    check(lambda z: polynomial.polyvalnd(z, c[..., 0]), np.array(points))
    # Fewer axes than variables, and scalars in place of arrays.
    check(lambda z: polynomial.polyvalnd(z[:3], z) + polynomial.polyvalnd((z[0], z[1]), c)[1, 0], X.ravel())
    with pytest.raises(ValueError, match="incompatible"):
        jvp(lambda z: polynomial.polyvalnd((z, z[:1]), c), X, X)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_series_refuse_what_needs_lapack(kind):
    """Object arrays support neither least squares nor eigenvalues: an error, and no lost derivative."""
    with pytest.raises(TypeError):
        jacobian(lambda y: kind.fit(POINTS, y, 2).coef, HEIGHTS)
    with pytest.raises(TypeError):
        jacobian(lambda c: kind(c).roots(), P)


def test_what_to_write_instead_of_a_fit_of_a_series():
    def fit(y):
        return np.linalg.lstsq(chebyshev.chebvander(POINTS / 2, 2), y)[0]

    check(fit, HEIGHTS)
    expected = Chebyshev.fit(POINTS, HEIGHTS, 2, domain=[-2, 2]).coef
    assert_near(fit(HEIGHTS), expected, 1e-14)
    _, slope = jvp(lambda y: Polynomial(fit(y))(0.3), HEIGHTS, HEIGHTS)
    assert_near(slope, Polynomial(expected)(0.3), 1e-13)
