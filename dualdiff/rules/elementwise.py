"""The calculus of elementwise functions, one row each.

Kinks take one piece, chosen by value as NumPy took it, and forms are chosen so that partials neither overflow nor
cancel where the function itself does not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.rules.table import REALS, Interval, Kind, Row

#: Constants that partials may name.
CONSTANTS = {"pi": math.pi, "inf": math.inf, "LN2": math.log(2.0), "LN10": math.log(10.0)}

#: The table, by NumPy's names.
ROWS: dict[str, Row] = {}

POSITIVE: Interval = (1e-3, 10.0)
UNIT: Interval = (-0.99, 0.99)
ABOVE_ONE: Interval = (1.001, 10.0)
ABOVE_MINUS_ONE: Interval = (-0.99, 10.0)


def row(
    ufunc: Any,
    *partials: str | None,
    kind: Kind = "nonlinear",
    domain: Interval | tuple[Interval, ...] = REALS,
    name: str | None = None,
    **more: Any,
) -> None:
    """Add a row: a function, and its partial derivative in each argument."""
    intervals = domain if isinstance(domain[0], tuple) else (domain,) * len(partials)
    name = name or ufunc.__name__
    ROWS[name] = Row(name, ufunc, partials, kind, intervals, **more)


def zero(*ufuncs: Any, math: str | None = None) -> None:
    """Add rows of step functions: no argument has a derivative."""
    for ufunc in ufuncs:
        row(ufunc, *(None,) * ufunc.nin, kind="zero", math=math)


# -- arithmetic ------------------------------------------------------------------------------------------------------
row(np.add, "1", "1", kind="linear")
row(np.subtract, "1", "-1", kind="linear")
row(np.negative, "-1", kind="linear")
row(np.positive, "1", kind="linear")
row(np.multiply, "y", "x")
row(np.divide, "1 / y", "-r / y", domain=(REALS, POSITIVE))
row(np.reciprocal, "-r * r", domain=POSITIVE)
row(np.square, "2 * x")
row(np.sqrt, "0.5 / r", domain=POSITIVE, math="sqrt")
row(np.cbrt, "1 / (3 * r * r)", domain=POSITIVE, math="cbrt")
row(
    np.power,
    "where((x == 0) & (y == 0), 0.0, y * x**(y - 1))",
    "where((x == 0) & (y == y), where(y > 0, 0.0, -inf), r * log(x))",
    complex_partials=("where((x == 0) & (y == 0), 0.0, y * x**(y - 1))", "where(x == 0, 0.0, r * log(x + 0j))"),
    domain=(POSITIVE, (-3.0, 3.0)),
    math="pow",
)
row(
    np.float_power,
    "where((x == 0) & (y == 0), 0.0, y * float_power(x, y - 1))",
    "where((x == 0) & (y == y), where(y > 0, 0.0, -inf), r * log(x))",
    complex_partials=(
        "where((x == 0) & (y == 0), 0.0, y * float_power(x, y - 1))",
        "where(x == 0, 0.0, r * log(x + 0j))",
    ),
    domain=(POSITIVE, (-3.0, 3.0)),
)
row(np.remainder, "1", "-floor_divide(x, y)", domain=(REALS, POSITIVE))
row(np.fmod, "1", "-rint((x - r) / y)", domain=(REALS, POSITIVE), math="fmod")
row(np.hypot, "where(r == 0, 0.0, x / r)", "where(r == 0, 0.0, y / r)", math="hypot")

# -- exponentials and logarithms ---------------------------------------------------------------------------------------
row(np.exp, "r", math="exp")
row(np.exp2, "LN2 * r", math="exp2")
row(np.expm1, "exp(x)", math="expm1")
row(np.log, "1 / x", domain=POSITIVE, math="log")
row(np.log2, "1 / (LN2 * x)", domain=POSITIVE, math="log2")
row(np.log10, "1 / (LN10 * x)", domain=POSITIVE, math="log10")
row(np.log1p, "1 / (1 + x)", domain=ABOVE_MINUS_ONE, math="log1p")
row(
    np.logaddexp,
    "where(x >= y, 1 / (1 + exp(y - x)), exp(x - y) / (1 + exp(x - y)))",
    "where(y >= x, 1 / (1 + exp(x - y)), exp(y - x) / (1 + exp(y - x)))",
)
row(
    np.logaddexp2,
    "where(x >= y, 1 / (1 + exp2(y - x)), exp2(x - y) / (1 + exp2(x - y)))",
    "where(y >= x, 1 / (1 + exp2(x - y)), exp2(y - x) / (1 + exp2(y - x)))",
)

# -- trigonometric and hyperbolic --------------------------------------------------------------------------------------
row(np.sin, "cos(x)", math="sin")
row(np.cos, "-sin(x)", math="cos")
row(np.tan, "1 + r * r", domain=(-1.5, 1.5), math="tan")
row(np.arcsin, "1 / sqrt((1 - x) * (1 + x))", domain=UNIT, math="asin")
row(np.arccos, "-1 / sqrt((1 - x) * (1 + x))", domain=UNIT, math="acos")
row(np.arctan, "1 / (1 + x * x)", math="atan")
row(
    np.arctan2,
    "(y / hypot(x, y)) / hypot(x, y)",
    "-(x / hypot(x, y)) / hypot(x, y)",
    domain=(POSITIVE, REALS),
    math="atan2",
)
row(np.sinh, "cosh(x)", math="sinh")
row(np.cosh, "sinh(x)", math="cosh")
row(np.tanh, "(1 / cosh(x)) ** 2", math="tanh")
row(np.arcsinh, "1 / hypot(1, x)", complex_partials=("1 / sqrt(1 + x * x)",), math="asinh")
row(np.arccosh, "1 / (sqrt(x - 1) * sqrt(x + 1))", domain=ABOVE_ONE, math="acosh")
row(np.arctanh, "1 / ((1 - x) * (1 + x))", domain=UNIT, math="atanh")
row(np.deg2rad, "pi / 180", kind="linear")
row(np.radians, "pi / 180", kind="linear", math="radians")
row(np.rad2deg, "180 / pi", kind="linear")
row(np.degrees, "180 / pi", kind="linear", math="degrees")

# -- pieces, and parts of complex numbers ------------------------------------------------------------------------------
row(
    np.absolute,
    "copysign(1, x)",
    complex_partials=("where(r == 0, 0.0, 0.5 * conjugate(x) / r)",),
    conjugates=("where(r == 0, 0.0, 0.5 * x / r)",),
)
row(np.fabs, "copysign(1, x)", math="fabs")
row(np.copysign, "copysign(1, x) * copysign(1, y)", None, math="copysign")
row(np.maximum, "where((x >= y) | (x != x), 1.0, 0.0)", "where((x >= y) | (x != x), 0.0, 1.0)")
row(np.minimum, "where((x <= y) | (x != x), 1.0, 0.0)", "where((x <= y) | (x != x), 0.0, 1.0)")
row(np.fmax, "where((x >= y) | (y != y), 1.0, 0.0)", "where((x >= y) | (y != y), 0.0, 1.0)")
row(np.fmin, "where((x <= y) | (y != y), 1.0, 0.0)", "where((x <= y) | (y != y), 0.0, 1.0)")
row(
    np.clip,
    "where((x < y) | (x > z), 0.0, 1.0)",
    "where((x < y) & (y <= z), 1.0, 0.0)",
    "where((x > z) | (y > z), 1.0, 0.0)",
    domain=(REALS, (-2.0, 0.0), (0.0, 2.0)),
)
row(np.conjugate, "1", kind="linear", complex_partials=(None,), conjugates=("1",))
row(np.ldexp, "ldexp(1.0, y)", None)
row(np.heaviside, None, "where(x == 0, 1.0, 0.0)")
row(np.nextafter, "1", None, kind="linear", math="nextafter")

# -- steps -------------------------------------------------------------------------------------------------------------
zero(np.floor, np.ceil, np.trunc, np.rint, np.floor_divide, np.spacing)
row(
    np.sign,
    None,
    complex_partials=("where(x == 0, 0.0, 0.5 / absolute(x))",),
    conjugates=("where(x == 0, 0.0, -0.5 * r * r / absolute(x))",),
)
