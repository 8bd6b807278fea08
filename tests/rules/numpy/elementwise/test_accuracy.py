"""The rounding error of every partial derivative, over its whole domain, in units in the last place.

References are SymPy's derivatives evaluated by mpmath.  A partial may be off by 8 units where the derivative is a
normal number; where it overflows or underflows, the partial must be infinite or negligible.  The table of the largest
errors is printed by ``pytest tests/rules/numpy/elementwise/test_accuracy.py --accuracy-table``, or
``=FILE.md`` to keep it.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy

import dualdiff
from dualdiff import derivative
from dualdiff.rules import ROWS
from dualdiff.rules.python.operators import BINARY
from tests.support.formulas import formula, x, y
from tests.support.ulps import BOUND, error

ENGINES = ("float64", "float32", "float")

#: Rows without an error, because their partials are constants, arguments, or chosen from them.
EXACT = {
    *("absolute", "fabs", "copysign", "maximum", "minimum", "fmax", "fmin", "clip", "heaviside", "sign"),
    *("multiply", "ldexp", "nextafter", "add", "subtract", "negative", "positive", "conjugate"),
    *("deg2rad", "radians", "rad2deg", "degrees"),
}
#: Rows of k-th derivatives; test_table.py checks them for k up to 30.
FAMILIES = {"sinc_derivative", "exprel_derivative", "i0_derivative"}
#: Rows that are not in the table of errors, or are measured differently, and why.
EXCEPTIONS = {
    "exact, the partials being constants, arguments, or one of them": EXACT,
    "k-th derivatives, judged for k up to 30 in tests/rules/numpy/elementwise/test_table.py": FAMILIES,
    "zero everywhere": {name for name, row in ROWS.items() if row.is_zero},
    "measured by the size of its terms, since the zeros of its derivative are not floating-point numbers": {"sinc"},
}
NAMES = [name for name, row in ROWS.items() if not row.is_zero and name not in EXACT | FAMILIES]

#: Where the derivative is small compared with its terms, the error is relative to their size: near the zeros of the
#: derivative of sinc, which are not floating-point numbers.
SIZES = {"sinc": lambda x: 0.1 / max(abs(x), 1.0) if abs(x) > 0.5 else 0.0}

#: Precision, in bits, of references whose formulas cancel more than most near 0.
BITS = {"sinc": 2400, "exprel": 2400}

rng = np.random.default_rng(0)
MAGNITUDES = np.concatenate(
    [
        *(
            10.0 ** rng.uniform(low, high, n)
            for low, high, n in [(-300, -20, 8), (-20, -1, 16), (3, 20, 8), (20, 300, 8)]
        ),
        10.0 ** rng.uniform(-1, 3, 50),
        [1e-200, 0.5, 1.0, 2.0, 20.0, 700.0, 1e200],
    ]
)
BOTH_SIGNS = np.concatenate([MAGNITUDES, -MAGNITUDES, np.pi / 2 * np.arange(-5, 6)])
CLOSE = 2.0 ** -rng.uniform(1, 53, 25)
DOMAINS = {
    "all": BOTH_SIGNS,
    "positive": MAGNITUDES,
    "exponents": BOTH_SIGNS[np.abs(BOTH_SIGNS) < 745],
    "unit": np.concatenate([rng.uniform(-1, 1, 30), 1 - CLOSE, CLOSE - 1, BOTH_SIGNS[np.abs(BOTH_SIGNS) < 1]]),
    "above one": np.concatenate([1 + CLOSE, MAGNITUDES[MAGNITUDES > 1]]),
    "above minus one": np.concatenate([CLOSE - 1, MAGNITUDES, -MAGNITUDES[MAGNITUDES < 1]]),
}
WHERE = {
    **dict.fromkeys(("sqrt", "log", "log2", "log10"), ("positive",)),
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), ("unit",)),
    **dict.fromkeys(("logaddexp", "logaddexp2"), ("exponents", "exponents")),
    **dict.fromkeys(("power", "float_power"), ("positive", "exponents")),
    "log1p": ("above minus one",),
    "arccosh": ("above one",),
    "xlogy": ("all", "positive"),
    "xlog1py": ("all", "above minus one"),
}


def arguments_of(name, dtype):
    """Points of the domain that are normal numbers of the dtype, one array for each argument."""
    draw = np.random.default_rng(1)
    row = ROWS[name]
    domains = [DOMAINS[where] for where in WHERE.get(name, ("all",) * row.arity)]
    drawn = domains if row.arity == 1 else [draw.choice(domain, 200) for domain in domains]
    with np.errstate(all="ignore"):
        drawn = [a.astype(dtype) for a in drawn]
    limits = np.finfo(dtype)
    normal = np.logical_and.reduce([(np.abs(a) >= limits.tiny) & (np.abs(a) <= limits.max) for a in drawn])
    if name in ("arcsin", "arccos", "arctanh"):
        normal &= np.abs(drawn[0]) < 1
    if name in ("log1p", "xlog1py", "arccosh"):
        normal &= drawn[-1] > (1 if name == "arccosh" else -1)
    return [a[normal] for a in drawn]


def partials(name, i, engine, arguments):
    """The partial derivatives that an engine computes."""
    if engine != "float":
        return derivative(ROWS[name].ufunc, *arguments, argnum=i)
    operators = dict(BINARY.values())
    f = operators.get(name, getattr(dualdiff, name))
    found = []
    for point in zip(*(a.tolist() for a in arguments), strict=True):
        try:
            found.append(derivative(f, *point, argnum=i))
        except OverflowError:
            # Python's power raises where NumPy's is infinite.
            found.append(np.nan)
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_partials_are_accurate_over_the_whole_domain(name, judged):
    row = ROWS[name]
    symbols = (x, y)[: row.arity]
    for i, engine in [(i, e) for i, text in enumerate(row.partials) if text is not None for e in ENGINES]:
        dtype = np.float32 if engine == "float32" else np.float64
        arguments = arguments_of(name, dtype)
        reference = sympy.lambdify(
            symbols, sympy.diff(formula(name, *symbols), symbols[i]), [{"Step": mpmath.floor}, "mpmath"]
        )
        label = name if row.arity == 1 else f"{name} in {symbols[i]}"
        worst = 0.0
        found = partials(name, i, engine, arguments)
        with mpmath.workprec(BITS.get(name, 1300)):
            for point in zip(*(a.tolist() for a in arguments), found, strict=True):
                wanted = mpmath.mpmathify(reference(*map(mpmath.mpf, point[:-1])))
                size = SIZES[name](point[0]) if name in SIZES else 0.0
                if engine == "float" and np.isnan(point[-1]):
                    continue
                off = error(point[-1], wanted, dtype, size)
                assert off <= BOUND, f"{label} at {point[:-1]} in {engine}: {point[-1]!r} for {mpmath.nstr(wanted, 20)}"
                worst = max(worst, off)
        judged(label, engine, worst)
