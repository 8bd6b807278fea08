"""Numbers of other libraries beside duals: fractions, decimal, mpmath, SymPy, gmpy2."""

from __future__ import annotations

import operator
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from dualdiff import derivative, gradient, hessian, jacobian, value, value_and_derivative

mpmath = pytest.importorskip("mpmath")
sympy = pytest.importorskip("sympy")

NUMBERS = {
    "Fraction": Fraction(5, 4),
    "a third": Fraction(1, 3),
    "mpf": mpmath.mpf("1.25"),
    "mpf of decimals": mpmath.mpf("1.3"),
    "sympy.Rational": sympy.Rational(5, 4),
    "sympy.Float": sympy.Float(1.3),
    "sympy.Integer": sympy.Integer(2),
}
try:
    import gmpy2
except ImportError:
    pass
else:
    NUMBERS |= {"mpz": gmpy2.mpz(2), "mpq": gmpy2.mpq(5, 4), "real of gmpy2": gmpy2.mpfr("1.3")}

#: Numbers that floats do not replace: what they would be, and why.
REFUSED = {
    "Decimal": Decimal("1.25"),
    "sympy.pi": sympy.pi,
    "a symbol": sympy.Symbol("s"),
    "an expression": sympy.sqrt(2) + 1,
}
OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "%": operator.mod,
    "//": operator.floordiv,
    "divmod": lambda a, b: divmod(a, b)[1],
}
COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge)
POINTS = {"float": 2.2, "float64": np.float64(2.2), "array": np.array([2.2, 0.7])}

every_number = pytest.mark.parametrize("name", NUMBERS)
every_operator = pytest.mark.parametrize("sign", OPERATORS)


@every_number
@every_operator
@pytest.mark.parametrize("point", POINTS)
def test_a_number_stands_for_its_float(name, sign, point):
    c, op, x = NUMBERS[name], OPERATORS[sign], POINTS[point]
    for f, g in ((lambda t: op(c, t), lambda t: op(float(c), t)), (lambda t: op(t, c), lambda t: op(t, float(c)))):
        if sign == "//" and "mpf" in name:
            # There is no mpf // float.
            with pytest.raises(TypeError):
                jacobian(f, x)
            continue
        np.testing.assert_array_equal(jacobian(f, x), jacobian(g, x))
        np.testing.assert_array_equal(jacobian(f, x, mode="reverse"), jacobian(g, x, mode="reverse"))
        of_f, of_g = hessian(lambda t, f=f: np.sum(f(t)), x), hessian(lambda t, g=g: np.sum(g(t)), x)
        np.testing.assert_array_equal(of_f, of_g)
        np.testing.assert_array_equal(derivative(f, x), derivative(g, x))


@every_number
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("function", [np.multiply, np.subtract, np.arctan2, np.hypot, np.maximum])
def test_a_number_in_a_function_of_numpy(name, point, function):
    c, x = NUMBERS[name], POINTS[point]
    for f, g in (
        (lambda t: function(t, c), lambda t: function(t, float(c))),
        (lambda t: function(c, t), lambda t: function(float(c), t)),
        (lambda t: np.where(t > 1, t, c), lambda t: np.where(t > 1, t, float(c))),
    ):
        np.testing.assert_array_equal(jacobian(f, x), jacobian(g, x))


@every_number
@pytest.mark.parametrize("compare", COMPARISONS)
def test_comparisons_are_by_value(name, compare):
    c = NUMBERS[name]
    for x in (2.2, np.float64(0.3)):
        assert derivative(lambda t: t if compare(c, t) else 2 * t, x) == (1 if compare(float(c), float(x)) else 2)
        assert derivative(lambda t: t if compare(t, c) else 2 * t, x) == (1 if compare(float(x), float(c)) else 2)
        assert derivative(lambda t: t if t == c else 2 * t, x) == 2


@pytest.mark.parametrize("op", [operator.add, operator.mul, operator.truediv, operator.pow])
@pytest.mark.parametrize("point", ["float", "float64"])
def test_the_value_is_what_python_makes_of_it(op, point):
    c, x = Fraction(1, 3), POINTS[point]
    for f in (lambda t: op(t, c), lambda t: op(c, t)):
        seen = []
        assert value_and_derivative(lambda t: (seen.append(value(f(t))), f(t))[1], x)[0] == f(x)  # noqa: B023
        assert type(seen[0]) is type(f(x))


def test_complex_numbers():
    c = mpmath.mpc(1, 2)
    np.testing.assert_array_equal(jacobian(lambda x: (c * x).imag, np.array([1.0])), [[2.0]])
    assert derivative(lambda z: z * c, 1 + 1j) == 1 + 2j


@every_operator
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("point", POINTS)
def test_numbers_that_floats_do_not_replace(name, sign, point):
    c, op, x = REFUSED[name], OPERATORS[sign], POINTS[point]
    for f in (lambda t: op(c, t), lambda t: op(t, c)):
        with pytest.raises(
            TypeError, match=r"was combined with dual numbers, which compute with floats: write float\(c\)"
        ):
            jacobian(f, x)


@pytest.mark.parametrize("name", ["Decimal", "sympy.pi", "an expression"])
def test_the_advice_works(name):
    c = REFUSED[name]
    assert gradient(lambda x: float(c) * x, 2.0) == float(c)


def test_numbers_of_more_digits_are_not_rounded_silently():
    with mpmath.workdps(50):
        for c in (mpmath.mpf("0.1"), mpmath.mpf(1) / 4):
            with pytest.raises(TypeError, match=r"mpf.*write float\(c\)"):
                derivative(lambda x: x * c, 2.0)  # noqa: B023
            with pytest.raises(TypeError, match=r"mpf.*write float\(c\)"):
                jacobian(lambda x: c - x, np.ones(2))  # noqa: B023
    with pytest.raises(TypeError, match=r"mpc.*write complex\(c\)"), mpmath.workdps(50):
        derivative(lambda x: x * mpmath.mpc(1, 2), 2.0)
    assert derivative(lambda x: x * mpmath.mpf("0.1"), 2.0) == 0.1
    assert np.isnan(value_and_derivative(lambda x: x * mpmath.nan, 2.0)[0])
    assert derivative(lambda x: x + mpmath.inf, 2.0) == 1


def test_functions_of_others_refuse():
    with pytest.raises(TypeError, match=r"make a function of the expression with sympy\.lambdify"):
        derivative(sympy.sympify, 2.0)
    for f in (sympy.sin, mpmath.sin, mpmath.mpf):
        with pytest.raises(TypeError):
            derivative(f, 2.0)
    s = sympy.Symbol("s")
    assert derivative(sympy.lambdify(s, sympy.sin(s) * sympy.pi), 0.0) == pytest.approx(np.pi, rel=1e-15)


@pytest.mark.parametrize("other", [None, "a", b"a", {}, object(), len, {1.0}], ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("point", ["float", "float64"])
def test_what_is_no_number_is_refused_as_beside_a_float(other, point):
    x = POINTS[point]
    for f in (lambda t: t * other, lambda t: other * t, lambda t: t - other, lambda t: other / t):
        with pytest.raises(TypeError):
            f(x)
        with pytest.raises(TypeError):
            derivative(f, x)
