"""The calculus of elementwise functions, one row each.

At a kink, partials are those of one piece, the one that NumPy evaluated.  Partials neither overflow nor cancel where
the function itself does not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.rules.numpy.elementwise import moments
from dualdiff.rules.writing.rows import NAMES, REALS, Interval, Row, Table

#: Constants that partials may name.
CONSTANTS = {
    "pi": math.pi,
    "inf": math.inf,
    "LN2": math.log(2.0),
    "LOG2E": 1 / math.log(2.0),
    "LOG10E": 1 / math.log(10.0),
}

NAMES.update(CONSTANTS)

#: The table, by the names of NumPy's functions.
ROWS = Table(NAMES, "numpy", is_checked=False)
row, own, define, zero = ROWS.row, ROWS.own, ROWS.define, ROWS.zero

POSITIVE: Interval = (1e-3, 10.0)
UNIT: Interval = (-0.99, 0.99)
ABOVE_ONE: Interval = (1.001, 10.0)
ABOVE_MINUS_ONE: Interval = (-0.99, 10.0)


# -- arithmetic ------------------------------------------------------------------------------------------------------
row(np.add, "1", "1", kind="linear", associative=True)
row(np.subtract, "1", "-1", kind="linear")
row(np.negative, "-1", kind="linear")
row(np.positive, "1", kind="linear")
row(np.multiply, "y", "x", associative=True)
row(np.divide, "1 / y", "-r / y", domain=(REALS, POSITIVE))
row(np.reciprocal, "-r * r", domain=POSITIVE)
row(np.square, "2 * x")
row(np.sqrt, "0.5 / r", domain=POSITIVE, math="sqrt")
row(np.cbrt, "1 / (3 * r * r)", domain=POSITIVE, math="cbrt")
# For y up to 0.5 the rounding of y - 1 would matter, so x**(y - 1) is computed as r / x.
_POWER = (
    "where(y <= 0.5,"
    " where((x == 0) | (x == inf), where((y == 0) & (x == 0), 0.0, y * {power}), y * z / x), y * {power})"
)
_COMPLEX_POWER = "where((y == 0) & (x == 0), 0.0, y * {power})"
_IN_EXPONENT = "where((x == 0) & (y == y), where(y > 0, 0.0, -inf), r * log(x))"
_IN_COMPLEX_EXPONENT = "where(x == 0, 0.0, r * log(x + 0j))"
for _ufunc, _power, _math in ((np.power, "x**(y - 1)", "pow"), (np.float_power, "float_power(x, y - 1)", None)):
    _slope = f"{_ufunc.__name__}_slope"
    # A function of x, y and the result.
    define(
        _slope,
        3,
        _POWER.format(power=_power),
        "where((y <= 1.5) & (x != 0) & (x != inf), (y - 1) * (r / x), where((y == 0) & (x == 0), 0.0,"
        f" y * {_slope}(x, y - 1, {_power})))",
        f"where(x == 0, {_power} + where(y > 1, 0.0, -inf), where(y <= 0.5, z / x, {_power}) + r * log(x))",
        None,
    )
    row(
        _ufunc,
        f"{_slope}(x, y, r)",
        _IN_EXPONENT,
        complex_partials=(_COMPLEX_POWER.format(power=_power), _IN_COMPLEX_EXPONENT),
        domain=(POSITIVE, (-3.0, 3.0)),
        math=_math,
    )
row(np.remainder, "1", "-floor_divide(x, y)", domain=(REALS, POSITIVE))
row(np.fmod, "1", "-rint((x - r) / y)", domain=(REALS, POSITIVE), math="fmod")
# A function of x, y and their hypotenuse.
define(
    "over_hypot", 3, "x / z", "over_hypot(y, x, z) * (over_hypot(y, x, z) / z)", "-over_hypot(y, x, z) * (r / z)", None
)
row(
    np.hypot,
    "chosen(r == 0, over_hypot(x, y, r))",
    "chosen(r == 0, over_hypot(y, x, r))",
    math="hypot",
    associative=True,
)

# -- exponentials and logarithms -------------------------------------------------------------------------------------
row(np.exp, "r", math="exp")
row(np.exp2, "LN2 * r", math="exp2")
row(np.expm1, "exp(x)", math="expm1")
row(np.log, "1 / x", domain=POSITIVE, math="log")
row(np.log2, "LOG2E / x", domain=POSITIVE, math="log2")
row(np.log10, "LOG10E / x", domain=POSITIVE, math="log10")
row(np.log1p, "1 / (1 + x)", domain=ABOVE_MINUS_ONE, math="log1p")


def _lost_in(d: Any, x: Any, y: Any) -> Any:
    """The rounding error of the difference d of x and y (Knuth, TAOCP 2, 4.2.2, theorem B).

    It is zero where the exponential of d is 0 or infinite.
    """
    back = d - x
    lost = (x - (d - back)) - (y + back)
    return np.where(np.abs(d) < 1100, lost, np.zeros_like(lost))[()]


def _exp_of_difference(x: Any, y: Any) -> Any:
    """``exp(x - y)`` without the rounding error of the difference."""
    d = x - y
    return np.exp(d) * (1 + _lost_in(d, x, y))


def _exp2_of_difference(x: Any, y: Any) -> Any:
    """``2**(x - y)`` without the rounding error of the difference."""
    d = x - y
    return np.exp2(d) * (1 + CONSTANTS["LN2"] * _lost_in(d, x, y))


own("_exp_of_difference", _exp_of_difference, "r", "-r", domain=((-5.0, 5.0), (-5.0, 5.0)))
own("_exp2_of_difference", _exp2_of_difference, "LN2 * r", "-LN2 * r", domain=((-5.0, 5.0), (-5.0, 5.0)))
_LOGADDEXP = (
    "where((x == y) & ((x == inf) | (x == -inf)), 1.0,"
    " where(x >= y, 1 / (1 + {exp}(y, x)), {exp}(x, y) / (1 + {exp}(x, y))))",
    "where((x == y) & ((x == inf) | (x == -inf)), 0.0,"
    " where(y >= x, 1 / (1 + {exp}(x, y)), {exp}(y, x) / (1 + {exp}(y, x))))",
)
row(np.logaddexp, *(text.format(exp="_exp_of_difference") for text in _LOGADDEXP), associative=True)
row(np.logaddexp2, *(text.format(exp="_exp2_of_difference") for text in _LOGADDEXP), associative=True)

# -- trigonometric and hyperbolic ------------------------------------------------------------------------------------
row(np.sin, "cos(x)", math="sin")
row(np.cos, "-sin(x)", math="cos")
row(np.tan, "1 + r * r", domain=(-1.5, 1.5), math="tan")
# For complex arguments, the result shows on which side of the branch cut it lies.
define("one_minus_square", 1, "(1 - x) * (1 + x)", "-2 * x")
row(np.arcsin, "1 / sqrt(one_minus_square(x))", complex_partials=("1 / cos(r)",), domain=UNIT, math="asin")
row(np.arccos, "-1 / sqrt(one_minus_square(x))", complex_partials=("-1 / sin(r)",), domain=UNIT, math="acos")
define(
    "arctan_slope", 1, "where(absolute(x) > 1e150, 1 / x / x, 1 / (1 + x * x))", "where(r == 0, 0.0, -2 * (x * r) * r)"
)
row(np.arctan, "arctan_slope(x)", complex_partials=("1 / (1 + x * x)",), math="atan")
define(
    "arctan2_slope",
    2,
    "(y / hypot(x, y)) / hypot(x, y)",
    "-2 * (x / hypot(x, y) * r) / hypot(x, y)",
    "(x / hypot(x, y) - y / hypot(x, y)) * (x / hypot(x, y) + y / hypot(x, y)) / hypot(x, y) / hypot(x, y)",
)
row(np.arctan2, "arctan2_slope(x, y)", "-arctan2_slope(y, x)", domain=(POSITIVE, REALS), math="atan2")
row(np.sinh, "cosh(x)", math="sinh")
row(np.cosh, "sinh(x)", math="cosh")
define("tanh_slope", 1, "(1 / cosh(x)) ** 2", "-2 * r * tanh(x)")
row(np.tanh, "tanh_slope(x)", math="tanh")
row(np.arcsinh, "1 / hypot(1, x)", complex_partials=("1 / cosh(r)",), math="asinh")
row(
    np.arccosh,
    "1 / (sqrt(x - 1) * sqrt(x + 1))",
    complex_partials=("1 / sinh(r)",),
    domain=ABOVE_ONE,
    math="acosh",
)
row(np.arctanh, "1 / one_minus_square(x)", domain=UNIT, math="atanh")
row(np.deg2rad, "pi / 180", kind="linear")
row(np.radians, "pi / 180", kind="linear", math="radians")
row(np.rad2deg, "180 / pi", kind="linear")
row(np.degrees, "180 / pi", kind="linear", math="degrees")

# -- piecewise functions, parts of complex ----------------------------------------------------------------------------
row(
    np.absolute,
    "copysign(1, x)",
    complex_partials=("chosen(r == 0, 0.5 * conjugate(x) / r)",),
    conjugates=("chosen(r == 0, 0.5 * x / r)",),
)
row(np.fabs, "copysign(1, x)", math="fabs")
row(np.copysign, "copysign(1, x) * copysign(1, y)", None, math="copysign")
row(
    np.maximum,
    "where((x >= y) | (x != x), 1.0, 0.0)",
    "where((x >= y) | (x != x), 0.0, 1.0)",
    associative=True,
)
row(
    np.minimum,
    "where((x <= y) | (x != x), 1.0, 0.0)",
    "where((x <= y) | (x != x), 0.0, 1.0)",
    associative=True,
)
row(
    np.fmax,
    "where((x >= y) | (y != y), 1.0, 0.0)",
    "where((x >= y) | (y != y), 0.0, 1.0)",
    associative=True,
)
row(
    np.fmin,
    "where((x <= y) | (y != y), 1.0, 0.0)",
    "where((x <= y) | (y != y), 0.0, 1.0)",
    associative=True,
)
row(
    np.clip,
    "where((x < y) | (x > z), 0.0, 1.0)",
    "where((x < y) & (y <= z), 1.0, 0.0)",
    "where((x > z) | (y > z), 1.0, 0.0)",
    domain=(REALS, (-2.0, 0.0), (0.0, 2.0)),
)
row(np.conjugate, "1", kind="linear", complex_partials=(None,), conjugates=("1",))
row(np.ldexp, "ldexp(1.0, y)", None, kind="linear", domain=(REALS, (-8.0, 8.0)))
row(np.heaviside, None, "where(x == 0, 1.0, 0.0)")
row(np.nextafter, "1", None, kind="linear", math="nextafter")

# -- steps -----------------------------------------------------------------------------------------------------------
zero(np.floor, np.ceil, np.trunc, np.rint, np.floor_divide, np.spacing)
row(
    np.sign,
    None,
    complex_partials=("chosen(x == 0, 0.5 / absolute(x))",),
    conjugates=("chosen(x == 0, -0.5 * r * r / absolute(x))",),
)

# -- functions whose k-th derivative has a row of its own ------------------------------------------------------------
own("sinc_derivative", moments.sinc_derivative, "sinc_derivative(x, y + 1)", None, domain=(REALS, (0.0, 6.0)))
own("exprel_derivative", moments.exprel_derivative, "exprel_derivative(x, y + 1)", None, domain=(REALS, (0.0, 6.0)))
own("i0_derivative", moments.i0_derivative, "i0_derivative(x, y + 1)", None, domain=(REALS, (0.0, 6.0)))
own("exprel", moments.exprel, "exprel_derivative(x, 1)")
row(np.sinc, "sinc_derivative(x, 1)")
row(np.i0, "i0_derivative(x, 1)")


# -- functions of probability and information ------------------------------------------------------------------------
def _expit(x: Any) -> Any:
    """The logistic function ``1 / (1 + exp(-x))``."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small)[()] / (1 + small)


def _xlogy(x: Any, y: Any) -> Any:
    """``x * log(y)``, and 0 where x is 0."""
    return np.where((x == 0) & (y == y), 0.0, x * np.log(y))[()]


def _xlog1py(x: Any, y: Any) -> Any:
    """``x * log(1 + y)``, accurate for small y, and 0 where x is 0."""
    return np.where((x == 0) & (y == y), 0.0, x * np.log1p(y))[()]


define("expit_slope", 2, "y * expit(-x)", "-r * tanh(0.5 * x)", None)
own("expit", _expit, "expit_slope(x, r)")
own("xlogy", _xlogy, "log(y)", "where((x == 0) & (y == 0), 0.0, x / y)", domain=(REALS, POSITIVE))
own("xlog1py", _xlog1py, "log1p(y)", "where((x == 0) & (y == -1), 0.0, x / (1 + y))", domain=(REALS, ABOVE_MINUS_ONE))

# Rows added from here on are checked.
ROWS.is_checked = True

#: Ufuncs of several results, with a row for each result.
SEVERAL: dict[Any, tuple[Row, ...]] = {
    np.divmod: (ROWS["floor_divide"], ROWS["remainder"]),
    np.modf: (Row("modf", np.modf, ("1",), "linear"), ROWS["trunc"]),
    np.frexp: (
        Row("frexp", np.frexp, ("where(x == 0, 1.0, r[0] / x)",)),
        Row("frexp", np.frexp, (None,), "zero"),
    ),
}
for _row in SEVERAL[np.frexp]:
    _row.outputs = SEVERAL[np.frexp]
