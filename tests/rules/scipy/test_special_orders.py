"""Derivatives of second and third order of every row of ``scipy.special``: right, or refused with a message for users.

tests/rules/scipy/test_special_accuracy.py tests first derivatives.  Here functions that mpmath has are compared with it
at the same points, and all others with differences of the order below.
"""

from __future__ import annotations

import itertools
import re

import mpmath
import numpy as np
import pytest
from mpmath import mp

from tests.support.versions import HAS_NONCENTRAL_DENSITIES, ROUGH

pytest.importorskip("scipy.special")

from scipy import special

from dualdiff import NoRuleError, hessian, jvp, nth_derivative
from dualdiff.rules.scipy.special import SEVERAL, SPECIAL, special_table
from dualdiff.rules.writing.expressions import ARGUMENTS
from dualdiff.rules.writing.rows import UNKNOWN
from tests.rules.scipy.test_special import KNOWN, arguments_of, named, result
from tests.rules.scipy.test_special import ROUGH as SOLVED
from tests.support.special_references import CASES, draw

#: The digits of the references, and those to which the derivatives must agree.
DIGITS, TOLERANCE = 100, 1e-6


def along(f, order):
    """The derivative of this order of an elementwise function."""
    if order == 0:
        return f
    lower = along(f, order - 1)
    return lambda x: jvp(lower, x, np.ones_like(x))[1]


def unless_refused(run):
    """The result, or None if it is refused with the names of a public function of SciPy and an argument."""
    try:
        return run()
    except NoRuleError as refusal:
        error = str(refusal)
    found = re.match(r"(?:the derivative of )?scipy\.special\.(\w+) has no derivative rule in its \w+ argument", error)
    assert found is not None, error
    assert hasattr(special, found[1]), error
    return None


DIFFERENTIATED = [
    (ufunc, k, i)
    for ufunc, k, i in KNOWN
    if (SEVERAL[ufunc] if ufunc in SEVERAL else (SPECIAL[ufunc.__name__],))[k].partials[i] is not None
]


def case_id(x):
    return x if isinstance(x, int) else named(x)


@pytest.mark.parametrize(("ufunc", "k", "i"), DIFFERENTIATED, ids=case_id)
def test_third_derivatives(ufunc, k, i):
    arguments = arguments_of(ufunc)
    x = arguments[i]
    if x.dtype.kind == "i":
        return

    def f(x):
        return result(ufunc, k, *arguments[:i], x, *arguments[i + 1 :])

    third = unless_refused(lambda: along(f, 3)(x))
    if third is None:
        return
    bend, h = along(f, 2), 1e-3 * np.maximum(np.abs(x), 0.1)
    central = [(bend(x + s * h) - bend(x - s * h)) / (2 * s * h) for s in (0.5, 1.0)]
    size = np.abs(bend(x)).max() / h.min()
    tolerance = 1e-3 if ufunc.__name__ in SOLVED else 1e-5
    np.testing.assert_allclose(third, (4 * central[0] - central[1]) / 3, rtol=tolerance, atol=1e-9 * size)


@pytest.mark.parametrize(("ufunc", "k", "i"), DIFFERENTIATED, ids=case_id)
def test_mixed_second_derivatives_are_right_or_refused_in_the_users_terms(ufunc, k, i):
    arguments = [a[0].item() for a in arguments_of(ufunc)]
    for j in range(len(arguments)):
        if i == j or isinstance(arguments[j], int):
            continue

        def slope(t, i=i, j=j):
            at = [t if n == j else a for n, a in enumerate(arguments)]
            return jvp(lambda s: result(ufunc, k, *at[:i], s, *at[i + 1 :]), at[i], 1.0)[1]

        mixed = unless_refused(lambda j=j, slope=slope: jvp(slope, arguments[j], 1.0)[1])
        assert mixed is None or np.isfinite(mixed)


#: mpmath is slow for these, or has few digits.
SLOW = {"pbwa", "pbdv", "besselpoly", "y1", "owens_t", "elliprj", "fresnel"}
#: Their points differ so much in size that second derivatives overflow midway, to infinity of the right sign.
FAR = {"agm"}
JUDGED = [
    name
    for name, case in CASES.items()
    if special_table.ufunc(name) is not None and not case.implicit and not case.slopes
    if name not in ROUGH | SLOW | FAR and (HAS_NONCENTRAL_DENSITIES or not name.startswith(("ncfdtr", "nctdtr")))
]


@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_against_mpmath(name):
    case, ufunc = CASES[name], special_table.ufunc(name)
    rows = SEVERAL[ufunc] if ufunc in SEVERAL else (SPECIAL[name],)
    arguments = [a[:1] for a in draw(name, np.float64)]
    for (k, row), i, order in itertools.product(enumerate(rows), range(ufunc.nin), (2, 3)):
        if row.partials[i] in (None, UNKNOWN) or arguments[i].dtype.kind == "i":
            continue

        def f(x, k=k, i=i):
            return result(ufunc, k, *arguments[:i], x, *arguments[i + 1 :])

        found = unless_refused(lambda f=f, order=order, x=arguments[i]: along(f, order)(x))
        for j, got in enumerate(() if found is None else found):
            point = [int(a[j]) if a.dtype.kind == "i" else mp.mpf(float(a[j])) for a in arguments]
            wanted, size = reference(case.functions[k], i, point, order)
            if wanted is None or not np.isfinite(got):
                # Overflow midway; never finite and wrong.
                assert wanted is None or order == 3 or abs(wanted) > 1e250
                continue
            label = f"{name} in {ARGUMENTS[i]}, order {order}, at {[mpmath.nstr(p) for p in point]}"
            assert abs(got - wanted) <= TOLERANCE * (abs(wanted) + size) + 1e-250, f"{label}: {got} for {wanted}"


def reference(function, i, point, order):
    """The derivative by mpmath, and its rounding error; None if it has no correct digits."""
    found = []
    for exponent in (-15, -16):
        with mp.workdps(DIGITS):
            h = (abs(point[i]) or 1) * mp.mpf(10) ** exponent
            found.append(mp.re(mp.diff(lambda x: function(*point[:i], x, *point[i + 1 :]), point[i], order, h=h)))
    size = abs(found[0] - found[1])
    return (None, 0) if size > TOLERANCE * abs(found[1]) else (found[1], size)


# -- single functions --------------------------------------------------------------------------------------------------
def voigt(x, s, g):
    z = (x + 1j * g) / (s * mp.sqrt(2))
    return mp.re(mp.exp(-z * z) * mp.erfc(-1j * z)) / (s * mp.sqrt(2 * mp.pi))


@pytest.mark.parametrize(
    "point", [(1.0, 1.0, 0.5), (3.0, 0.2, 0.1), (20.0, 1.0, 1e-3), (-4.0, 0.1, 2.0), (0.0, 1.0, 1.0), (6.0, 1.0, 0.1)]
)
def test_the_hessian_of_the_voigt_profile(point):
    found = hessian(lambda p: special.voigt_profile(*p), np.array(point))
    with mp.workdps(40):
        orders = [[tuple((i == n) + (j == n) for n in range(3)) for j in range(3)] for i in range(3)]
        wanted = [[float(mp.diff(voigt, tuple(map(mp.mpf, point)), n)) for n in row] for row in orders]
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-16)


def test_the_hessian_of_the_voigt_profile_at_its_edges():
    # Zero Lorentzian or Gaussian width: the one-sided limits.
    for edge, inside in [((1.0, 2.0, 0.0), (1.0, 2.0, 1e-9)), ((1.0, 0.0, 2.0), (1.0, 1e-9, 2.0))]:
        found, wanted = (hessian(lambda p: special.voigt_profile(*p), np.array(p)) for p in (edge, inside))
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-8)


@pytest.mark.filterwarnings("ignore:floating point number truncated:RuntimeWarning")
@pytest.mark.parametrize("n", [0, 0.0, 0.5, 0.99, 1, 1.5, 2, 7.3])
def test_expn_truncates_its_order(n):
    # SciPy truncates the order.
    for order in (1, 2, 3):
        with mp.workdps(30):
            wanted = float(mp.diff(lambda x: mp.expint(int(n), x), 1.5, order))
        np.testing.assert_allclose(nth_derivative(lambda x: special.expn(n, x), 1.5, order), wanted, rtol=1e-13)
