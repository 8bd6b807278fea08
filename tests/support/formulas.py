"""The elementwise functions as SymPy knows them: what the table is judged by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

x, y, z = sympy.symbols("x y z", real=True)
k = sympy.Symbol("k", integer=True, nonnegative=True)


class Step(sympy.Function):  # type: ignore[misc]
    """The floor function, whose derivative is zero wherever it exists."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.Integer(0)


def _largest(a: Any, b: Any) -> Any:
    return sympy.Piecewise((a, a >= b), (b, True))


def _smallest(a: Any, b: Any) -> Any:
    return sympy.Piecewise((a, a <= b), (b, True))


def _logaddexp(a: Any, b: Any) -> Any:
    return sympy.log(sympy.exp(a) + sympy.exp(b))


#: Each smooth row as a formula of its arguments; rows with integer arguments take them as constants.
FORMULAS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "negative": lambda x: -x,
    "positive": lambda x: x,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "reciprocal": lambda x: 1 / x,
    "square": lambda x: x**2,
    "sqrt": sympy.sqrt,
    "cbrt": lambda x: sympy.Piecewise((x ** sympy.Rational(1, 3), x >= 0), (-((-x) ** sympy.Rational(1, 3)), True)),
    "power": lambda x, y: x**y,
    "float_power": lambda x, y: x**y,
    "remainder": lambda x, y: x - y * Step(x / y),
    "fmod": lambda x, y: x - y * sympy.Piecewise((Step(x / y), x * y >= 0), (-Step(-x / y), True)),
    "hypot": lambda x, y: sympy.sqrt(x**2 + y**2),
    "exp": sympy.exp,
    "exp2": lambda x: 2**x,
    "expm1": lambda x: sympy.exp(x) - 1,
    "log": sympy.log,
    "log2": lambda x: sympy.log(x) / sympy.log(2),
    "log10": lambda x: sympy.log(x) / sympy.log(10),
    "log1p": lambda x: sympy.log(1 + x),
    "logaddexp": _logaddexp,
    "logaddexp2": lambda x, y: _logaddexp(x * sympy.log(2), y * sympy.log(2)) / sympy.log(2),
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "arctan2": sympy.atan2,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "arcsinh": sympy.asinh,
    "arccosh": sympy.acosh,
    "arctanh": sympy.atanh,
    "deg2rad": lambda x: x * sympy.pi / 180,
    "radians": lambda x: x * sympy.pi / 180,
    "rad2deg": lambda x: x * 180 / sympy.pi,
    "degrees": lambda x: x * 180 / sympy.pi,
    "absolute": lambda x: _largest(x, -x),
    "fabs": lambda x: _largest(x, -x),
    "copysign": lambda x, y: sympy.Piecewise((_largest(x, -x), y >= 0), (-_largest(x, -x), True)),
    "maximum": _largest,
    "minimum": _smallest,
    "fmax": _largest,
    "fmin": _smallest,
    "clip": lambda x, y, z: _smallest(_largest(x, y), z),
    "conjugate": lambda x: x,
    "ldexp": lambda x, y: x * 2**y,
    "heaviside": lambda x, y: sympy.Piecewise((0, x < 0), (y, sympy.Eq(x, 0)), (1, True)),
    "nextafter": lambda x, y: x,
    "sinc": lambda x: sympy.sin(sympy.pi * x) / (sympy.pi * x),
    "i0": lambda x: sympy.besseli(0, x),
    "exprel": lambda x: (sympy.exp(x) - 1) / x,
    "_exp_of_difference": lambda x, y: sympy.exp(x - y),
    "_exp2_of_difference": lambda x, y: 2 ** (x - y),
    "expit": lambda x: 1 / (1 + sympy.exp(-x)),
    "xlogy": lambda x, y: x * sympy.log(y),
    "xlog1py": lambda x, y: x * sympy.log(1 + y),
}


def formula(name: str, *arguments: Any) -> Any:
    """The row of this name as a formula."""
    for base in ("sinc", "i0", "exprel"):
        if name == f"{base}_derivative":
            argument, order = arguments
            return sympy.diff(FORMULAS[base](argument), argument, int(order))
    return FORMULAS[name](*arguments)
