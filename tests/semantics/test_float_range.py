"""First and second derivatives of every elementwise row over the whole range of floating-point numbers.

A finite result is right; an infinite one stands for a derivative beyond the range, and zero for one below it.  NaN is
allowed where two terms that overflow cancel, and nowhere else.  References are SymPy's derivatives in mpmath.
"""

from __future__ import annotations

import math
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import sympy

from dualdiff import derivative, nth_derivative
from dualdiff.rules import ROWS
from tests.support.formulas import formula, x, y

LIMITS = np.finfo(np.float64)

#: Rows of constants and steps, and of the k-th derivatives, judged in tests/rules/numpy/elementwise/test_table.py.
OTHERS = {
    *("absolute", "fabs", "copysign", "maximum", "minimum", "fmax", "fmin", "clip", "heaviside", "sign"),
    *("ldexp", "nextafter", "conjugate", "sinc_derivative", "exprel_derivative", "i0_derivative"),
}
NAMES = [name for name, row in ROWS.items() if not row.is_zero and name not in OTHERS]

#: Every 50 decades, and where squares, cubes and exponentials overflow, or a sum with 1 loses a term.
MAGNITUDES = np.concatenate(
    [
        3.0 * 10.0 ** np.arange(-300, 301, 50),
        [2.3e-308, 1e-160, 1e-154, 1e-103, 1e-16, 1e-8, 1e-3, 0.5, 2.0, 20.0, 400.0, 700.0],
        [1e5, 1e8, 1e16, 1e77, 1e103, 1e154, 1e160, 1e307, 1.7e308],
    ]
)
GRID = np.sort(np.concatenate([MAGNITUDES, -MAGNITUDES]))
#: Of rows of two arguments, drawn in pairs; only moderate exponents are of interest.
EXPONENTS = np.array(
    [-700.0, -3.0, -1.5, -1.0, -0.5, -1e-3, -1e-300, 1e-300, 1e-3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 700.0]
)
MODERATE = GRID[np.abs(GRID) < 1e17]
PAIRS = {
    **dict.fromkeys(("power", "float_power"), (MAGNITUDES, EXPONENTS)),
    **dict.fromkeys(("logaddexp", "logaddexp2", "_exp_of_difference", "_exp2_of_difference"), (MODERATE, MODERATE)),
}
#: Digits for the references: a sum of 1 and 1e-308 must be exact to second order.
BITS = 4500
TOLERANCE = 1e-11


def points(name):
    if ROWS[name].arity == 1:
        return [GRID]
    first, second = PAIRS.get(name, (GRID, GRID))
    pairs = np.array(np.meshgrid(first, second)).reshape(2, -1)
    return list(pairs[:, np.random.default_rng(0).permutation(pairs.shape[1])[:150]])


def orders(name):
    return [(1,), (2,)] if ROWS[name].arity == 1 else [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]


def found(name, order, arguments):
    f = ROWS[name].ufunc
    if order == (1, 1):
        a, b = arguments
        return derivative(lambda t: derivative(lambda s: f(s, t), a), b)
    i = next(i for i, n in enumerate(order) if n)
    return nth_derivative(lambda t: f(*arguments[:i], t, *arguments[i + 1 :]), arguments[i], order[i])


def size_of_terms(name, order, point):
    """What the rounding of a derivative is measured by where it is a difference of larger terms."""
    if name in ("power", "float_power"):
        a, b = point
        w = a ** (b - sum(order)) if order != (0, 2) else 0
        return abs(w * (1 + abs(b) + abs(b * mpmath.log(a))))
    return {"sinc": lambda: 10 / max(1, abs(point[0]))}.get(name, lambda: 0)()


def is_right(got, wanted, size):
    if not mpmath.isfinite(wanted) or abs(wanted) > float(LIMITS.max):
        return (abs(got) > 0.99 * LIMITS.max and (got > 0) == (wanted > 0)) or (math.isnan(got) and size > LIMITS.max)
    if not math.isfinite(got):
        return math.isnan(got) and size > LIMITS.max
    return abs(got - wanted) <= TOLERANCE * max(abs(wanted), size) + 4 * float(LIMITS.tiny)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_derivatives_over_the_whole_range(name):
    arguments = points(name)
    symbols = (x, y)[: len(arguments)]
    values = ROWS[name].ufunc(*arguments)
    for order in orders(name):
        expression = formula(name, *symbols)
        for symbol, n in zip(symbols, order, strict=True):
            expression = sympy.diff(expression, symbol, n) if n else expression
        reference = sympy.lambdify(symbols, expression, [{"Step": mpmath.floor}, "mpmath"])
        slopes = found(name, order, arguments)
        with mpmath.workprec(BITS):
            for *point, value, got in zip(
                *(a.tolist() for a in arguments), values.tolist(), slopes.tolist(), strict=True
            ):
                if not math.isfinite(value):
                    continue
                exact = [mpmath.mpf(p) for p in point]
                wanted = mpmath.mpmathify(reference(*exact))
                size = size_of_terms(name, order, exact)
                assert is_right(got, wanted, size), f"{name}{order} at {point}: {got!r} for {mpmath.nstr(wanted, 20)}"


def test_grid_has_every_scale():
    """No two neighbours are further apart than 50 decades."""
    assert max(b / a for a, b in pairwise(np.sort(np.log10(MAGNITUDES)) + 400)) < 2
    assert LIMITS.tiny < MAGNITUDES.min() < 1e-307
    assert MAGNITUDES.max() > 1e308
