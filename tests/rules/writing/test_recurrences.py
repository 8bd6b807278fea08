"""The rows of the table on power series, against Taylor coefficients that mpmath computes with 60 digits."""

import zlib

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import taylor
from dualdiff.rules import ROWS

mpmath = pytest.importorskip("mpmath")
sympy = pytest.importorskip("sympy")
from tests.support.formulas import formula  # noqa: E402

ORDER = 20
#: Rows with steps, which SymPy does not evaluate with mpmath.
STEPS = {"remainder", "fmod"}
SMOOTH = [
    name for name, row in ROWS.items() if row.kind == "nonlinear" and not name.startswith("_") and name not in STEPS
]


def point(row):
    """Values in the domain of a row: always the same; counts are whole."""
    rng = np.random.default_rng(zlib.crc32(row.name.encode()))
    values = [float(rng.uniform(low, high)) for low, high in row.domain]
    return [min(int(v), 3) if i and row.name.endswith("_derivative") else v for i, v in enumerate(values)]


def wanted(name, values, i, order):
    """The coefficients with respect to argument i."""
    t = sympy.Symbol("t", real=True)
    expression = formula(
        name, *(t if j == i else sympy.Float(v, 60) if isinstance(v, float) else v for j, v in enumerate(values))
    )
    f = sympy.lambdify(t, expression, "mpmath")
    with mpmath.workdps(60):
        return np.array([float(c) for c in mpmath.taylor(f, mpmath.mpf(values[i]), order)])


@pytest.mark.parametrize("name", SMOOTH)
def test_coefficients(name):
    row = ROWS[name]
    values = point(row)
    for i, text in enumerate(row.partials):
        if text is None:
            continue
        f = lambda t: getattr(dd, name)(*(t if j == i else v for j, v in enumerate(values)))  # noqa: B023
        found, exact = taylor(f, values[i], ORDER), wanted(name, values, i, ORDER)
        assert np.max(np.abs(found - exact)) <= 1e-12 * np.max(np.abs(exact)), (name, i)


#: Functions of scipy.special, at a point, in one argument, and their formula for mpmath.
SPECIAL = {
    "gamma": ((2.3,), 0, mpmath.gamma),
    "gammaln": ((2.3,), 0, mpmath.loggamma),
    "psi": ((2.3,), 0, mpmath.digamma),
    "rgamma": ((-0.3,), 0, mpmath.rgamma),
    "erf": ((0.4,), 0, mpmath.erf),
    "erfcx": ((0.4,), 0, lambda x: mpmath.exp(x * x) * mpmath.erfc(x)),
    "ndtr": ((0.4,), 0, mpmath.ncdf),
    "expit": ((0.4,), 0, lambda x: 1 / (1 + mpmath.exp(-x))),
    "exp1": ((1.4,), 0, mpmath.e1),
    "j0": ((1.4,), 0, lambda x: mpmath.besselj(0, x)),
    "jv": ((1.5, 1.4), 1, mpmath.besselj),
    "kv": ((1.5, 1.4), 1, mpmath.besselk),
    "ive": ((1.5, 1.4), 1, lambda v, x: mpmath.besseli(v, x) * mpmath.exp(-abs(x))),
    "hyp2f1": ((0.5, 1.5, 2.5, 0.2), 3, mpmath.hyp2f1),
    "ellipk": ((0.3,), 0, mpmath.ellipk),
    "xlogy": ((1.2, 0.7), 1, lambda x, y: x * mpmath.log(y)),
    "gammainc": ((1.7, 0.9), 1, lambda a, x: mpmath.gammainc(a, 0, x, regularized=True)),
    "betainc": ((1.7, 0.9, 0.4), 2, lambda a, b, x: mpmath.betainc(a, b, 0, x, regularized=True)),
    "wrightomega": ((0.7,), 0, lambda x: mpmath.lambertw(mpmath.exp(x))),
}


#: The errors of those that are larger than 1e-12, relative to the largest coefficient.
LARGER = {"ellipk": (1e-11, "Carlson's integrals are summed with a fixed step, and sharpen with the order")}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_functions(name):
    special = pytest.importorskip("scipy.special")
    values, i, exact = SPECIAL[name]
    found = taylor(lambda t: getattr(special, name)(*values[:i], t, *values[i + 1 :]), values[i], ORDER)
    with mpmath.workdps(60):
        f = lambda t: mpmath.re(exact(*values[:i], t, *values[i + 1 :]))
        coefficients = np.array([float(c) for c in mpmath.taylor(f, mpmath.mpf(values[i]), ORDER)])
    limit, _ = LARGER.get(name, (1e-12, ""))
    assert np.max(np.abs(found - coefficients)) <= limit * np.max(np.abs(coefficients))


def test_inverse_functions_undo_their_functions():
    special = pytest.importorskip("scipy.special")
    identity = [0.3, 1.0, *np.zeros(ORDER - 1)]
    for inverse, function in ((special.erfinv, special.erf), (special.ndtri, special.ndtr), (special.logit, dd.expit)):
        found = taylor(lambda t: function(inverse(t)), 0.3, ORDER)  # noqa: B023
        series = taylor(inverse, 0.3, ORDER)
        np.testing.assert_allclose(found, identity, atol=1e-12 * np.max(np.abs(series)))


def test_several_results():
    special = pytest.importorskip("scipy.special")
    sn, cn, dn, am = taylor(lambda u: special.ellipj(u, 0.3), 0.4, 12)
    with mpmath.workdps(60):
        exact = [float(c) for c in mpmath.taylor(lambda u: mpmath.ellipfun("sn", u, m=0.3), 0.4, 12)]
    np.testing.assert_allclose(sn, exact, rtol=1e-11)
    squares = taylor(lambda u: special.ellipj(u, 0.3)[0] ** 2 + special.ellipj(u, 0.3)[1] ** 2, 0.4, 12)
    np.testing.assert_allclose(squares, [1, *np.zeros(12)], atol=1e-14)
    np.testing.assert_allclose(taylor(lambda u: np.sin(special.ellipj(u, 0.3)[3]), 0.4, 12), sn, atol=1e-14)
    assert len(cn) == len(dn) == len(am) == 13


@pytest.mark.parametrize("x", [0.0, 1.5, -2.0])
def test_integer_powers_are_polynomials(x):
    for n in (0, 1, 2, 3, 7):
        exact = np.polynomial.Polynomial([0.0] * n + [1.0])(np.polynomial.Polynomial([x, 1.0])).coef if n else [1.0]
        for power in (n, float(n)):
            found = taylor(lambda t: t**power + 0 * t, x, 9)  # noqa: B023
            np.testing.assert_allclose(found, np.pad(exact, (0, 10 - len(exact))), atol=1e-12)
