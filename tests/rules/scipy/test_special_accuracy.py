"""The rounding error of every partial derivative of ``scipy.special``, in units in the last place, against mpmath.

A partial may be off by 8 units, times the change in units if the arguments are rounded, if that is more than one, but
never by half of its digits: ill-conditioning does not excuse a wrong formula.  If a function of SciPy is itself less
accurate, the row is among the exceptions, with its bound.
The table of the largest errors is printed by ``pytest tests/rules/scipy/test_special_accuracy.py --accuracy-table``.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath import mp

from tests.support.ulps import BOUND, error
from tests.support.versions import HAS_NONCENTRAL_DENSITIES, ROUGH, SCIPY_1_17

pytest.importorskip("scipy.special")

from scipy import special

from dualdiff import derivative, jvp
from dualdiff.rules.scipy.special import SEVERAL, SPECIAL, special_table
from dualdiff.rules.writing.expressions import ARGUMENTS
from dualdiff.rules.writing.rows import UNKNOWN
from tests.support.special_exceptions import EXCEPTIONS
from tests.support.special_references import CASES, draw, wanted

ENGINES = ("float64", "float32")


def rows_of(name):
    """The rows of a ufunc, one for each output."""
    ufunc = special_table.ufunc(name)
    return SEVERAL[ufunc] if ufunc in SEVERAL else (SPECIAL[name],)


def condition(case, k, i, point, value, exact):
    """By how many units the derivative changes if the arguments change by one."""
    step = mpmath.mpf(2) ** -30
    changes = (
        abs(wanted(case, k, i, (*point[:j], point[j] * (1 + step), *point[j + 1 :]), value) - exact)
        for j in range(len(point))
        if not isinstance(point[j], int)
    )
    return float(sum(changes) / (step * abs(exact)))


#: Refused by versions of SciPy that lack their density.
JUDGED = [
    name
    for name in CASES
    if special_table.ufunc(name) is not None
    and name not in ROUGH
    and (HAS_NONCENTRAL_DENSITIES or not name.startswith(("ncfdtr", "nctdtr")))
]


@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_partials_are_accurate(name, judged):
    case, rows, ufunc = CASES[name], rows_of(name), special_table.ufunc(name)
    for engine in ENGINES:
        arguments = draw(name, getattr(np, engine))
        if not len(arguments[0]):
            continue
        values = ufunc(*arguments)
        values = values if isinstance(values, tuple) else (values,)
        for k, row in enumerate(rows):
            for i, text in enumerate(row.partials):
                if text is None or text is UNKNOWN:
                    continue
                label = name + (f"[{k}]" if len(rows) > 1 else "") + (f" in {ARGUMENTS[i]}" if row.arity > 1 else "")
                bound, reason = EXCEPTIONS.get(label, (BOUND, ""))

                def f(x, i=i, k=k, arguments=arguments):
                    found = ufunc(*arguments[:i], x, *arguments[i + 1 :])
                    return found[k] if isinstance(found, tuple) else found

                slope = jvp(f, arguments[i], np.ones_like(arguments[i]))[1]
                assert slope.dtype == values[k].dtype
                real = slope.real.dtype
                worst = 0.0
                with mp.workdps(case.dps):
                    for j, found in enumerate(slope):
                        if not np.isfinite(values[k][j]):
                            continue
                        point = tuple(int(a[j]) if a.dtype.kind == "i" else mpmath.mpf(float(a[j])) for a in arguments)
                        exact = wanted(case, k, i, point, values[k][j].item())
                        off = error(found, exact, real)
                        if bound < off < np.finfo(real).eps ** -0.5:
                            off /= max(1.0, condition(case, k, i, point, values[k][j].item(), exact))
                        assert off <= bound, f"{label} at {point} in {engine}: {found!r} for {mpmath.nstr(exact, 20)}"
                        worst = max(worst, off)
                judged(f"special.{label}", engine, worst, reason)


def test_every_partial_has_a_reference():
    rows = [row for row in SPECIAL.values() if isinstance(row.ufunc, np.ufunc)]
    rows += [row for several in SEVERAL.values() for row in several]
    with_partials = {row.name for row in rows if any(text not in (None, UNKNOWN) for text in row.partials)}
    assert with_partials - set(CASES) == WITHOUT_REFERENCE | (set() if SCIPY_1_17 else {"sph_harm"})


#: mpmath has no such function, or not for real arguments: test_special.py tests these by differences and identities.
WITHOUT_REFERENCE = {
    *("hankel1", "hankel1e", "hankel2", "hankel2e", "wofz", "_lambertw"),
    *("mathieu_a", "mathieu_b", "mathieu_cem", "mathieu_sem"),
    *("mathieu_modcem1", "mathieu_modcem2", "mathieu_modsem1", "mathieu_modsem2"),
    *(
        f"{shape}_{kind}{suffix}"
        for shape in ("pro", "obl")
        for kind in ("ang1", "rad1", "rad2")
        for suffix in ("", "_cv")
    ),
}


def test_exceptions_are_needed():
    known = {label.split("[")[0].split(" in ")[0] for label in EXCEPTIONS}
    assert known <= set(CASES)
    for bound, reason in EXCEPTIONS.values():
        assert bound > BOUND
        assert reason


# -- incomplete gamma and beta functions with respect to their parameters, outside of the range of draw() --------------
def gammainc_in_a(a, x):
    """By the series of positive terms, with spare digits for those lost in the tail near 1."""
    total, term, digamma, k = mp.zero, x**a * mp.exp(-x) * mp.rgamma(a + 1), mp.digamma(a + 1), 0
    while k <= x or term > mp.eps**0.9:
        total += term * (mp.log(x) - digamma)
        k += 1
        term, digamma = term * x / (a + k), digamma + 1 / (a + k)
    return total


def betainc_in_parameters(a, b, x):
    """The same with respect to a and b."""
    if x > 0.5:
        in_a, in_b = betainc_in_parameters(b, a, 1 - x)
        return -in_b, -in_a
    term, total = x**a * (1 - x) ** b / (a * mp.beta(a, b)), mp.digamma(a + b)
    in_a, in_b, k = mp.zero, mp.zero, 0
    left, right = mp.log(x) - 1 / a - mp.digamma(a) + total, mp.log(1 - x) - mp.digamma(b) + total
    while (b - 1) * x > k or term > mp.eps**0.9:
        in_a, in_b = in_a + term * left, in_b + term * right
        left, right = left + 1 / (a + b + k) - 1 / (a + 1 + k), right + 1 / (a + b + k)
        term *= (a + b + k) / (a + 1 + k) * x
        k += 1
    return in_a, in_b


@pytest.mark.parametrize(
    ("a", "x"),
    [
        *((1e-300, 0.01), (3e-280, 90.7), (1e-12, 0.3), (1e-5, 1e-3), (1e-3, 1e-200), (0.01, 0.5), (0.01, 0.499)),
        *((0.2, 60.0), (1.0, 0.7), (2.0, 1.5), (30.0, 4.0), (30.0, 99.0), (870.0, 445.0), (1150.0, 1736.0)),
    ],
)
def test_gammainc_with_respect_to_its_parameter_at_the_edges(a, x):
    with mp.workdps(200):
        exact = gammainc_in_a(mpmath.mpf(a), mpmath.mpf(x))
    np.testing.assert_allclose(derivative(special.gammainc, float(a), x, argnum=0), float(exact), rtol=4e-12)


@pytest.mark.parametrize(
    ("a", "b", "x"),
    [
        *((1e-30, 0.2, 1e-4), (1e-16, 1.0, 0.08), (1e-250, 1e-280, 0.6), (1e-20, 1e-102, 0.65), (1e-8, 30.0, 0.02)),
        *((0.013, 0.0016, 0.67), (0.5, 0.5, 1e-300), (5.0, 300.0, 0.2), (300.0, 0.6, 0.84), (0.01, 311.0, 0.157)),
        *((0.5, 2.0, 0.25), (2.0, 0.5, 0.249), (2.3, 12.0, 1e-20), (40.0, 40.0, 0.99), (140.0, 330.0, 0.9)),
    ],
)
def test_betainc_with_respect_to_its_parameters_at_the_edges(a, b, x):
    with mp.workdps(330):
        exact = betainc_in_parameters(mpmath.mpf(a), mpmath.mpf(b), mpmath.mpf(x))
    for i in range(2):
        found = derivative(special.betainc, a, b, x, argnum=i)
        np.testing.assert_allclose(found, float(exact[i]), rtol=1e-12)


@pytest.mark.skipif(not SCIPY_1_17, reason="an older SciPy's betainc loses all digits there")
def test_incomplete_functions_of_huge_parameters():
    # The normal distributions in the limit.
    a = 10.0 ** np.arange(10, 16)
    np.testing.assert_allclose(derivative(special.gammainc, a, a, argnum=0), -1 / np.sqrt(2 * np.pi * a), rtol=1e-5)
    for argnum, sign in ((0, -1), (1, 1)):
        found = derivative(special.betainc, a, a, 0.5, argnum=argnum)
        np.testing.assert_allclose(found, sign / (2 * np.sqrt(np.pi * a)), rtol=1e-5)


def test_incomplete_functions_at_the_ends_of_their_domain():
    assert derivative(special.gammainc, 2.0, 0.0, argnum=0) == 0.0
    assert derivative(special.gammainc, 2.0, np.inf, argnum=0) == 0.0
    for argnum, end in [(0, 0.0), (0, 1.0), (1, 0.0), (1, 1.0)]:
        assert derivative(special.betainc, 0.5, 0.5, end, argnum=argnum) == 0.0
    # gammainc(0, x) is 1, with the derivative of 1 - a E1(x).
    np.testing.assert_allclose(derivative(special.gammainc, 0.0, 0.3, argnum=0), -special.exp1(0.3))
