"""The ufuncs of ``scipy.special``: each has a test, and those that test_special_accuracy.py does not cover are here."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest

import dualdiff
from dualdiff import (
    DualArray,
    NoRuleError,
    derivative,
    gradient,
    hessian,
    jacobian,
    jvp,
    linearize,
    nth_derivative,
    vjp,
)
from tests.support.against import assert_same
from tests.support.versions import CRASHING, HYP1F1_IS_RIGHT, MISNAMED

special = pytest.importorskip("scipy.special")
# SciPy 1.15 and 1.16 still have it.
pytestmark = pytest.mark.filterwarnings(r"ignore:(.|\n)*sph_harm:DeprecationWarning")

import dualdiff.rules  # noqa: E402 - after SciPy, whose rules it loads

dualdiff.base.late.load_rules()

from dualdiff.core.registry import REFUSED, UFUNCS  # noqa: E402
from dualdiff.rules.scipy.special import SEVERAL, SPECIAL  # noqa: E402
from dualdiff.rules.writing.expressions import ARGUMENTS, names_in  # noqa: E402
from dualdiff.rules.writing.rows import UNKNOWN  # noqa: E402

SURFACE = sorted(
    {f for f in map(special.__dict__.get, dir(special)) if isinstance(f, np.ufunc)}, key=lambda f: f.__name__
)
ROWS = {row.ufunc: (row,) for row in SPECIAL.values() if isinstance(row.ufunc, np.ufunc)} | SEVERAL


def named(ufunc):
    return ufunc.__name__


# -- totality ----------------------------------------------------------------------------------------------------------
def sets_of(ufunc):
    """The names of the sets that contain a ufunc."""
    found = [] if ufunc not in ROWS else ["a step" if all(row.is_zero for row in ROWS[ufunc]) else "differentiated"]
    return found + ["refused"] * (ufunc in REFUSED)


def test_scipy_has_no_other_ufunc():
    """A ufunc that a new SciPy adds makes this test fail by name, and no other test."""
    assert [ufunc.__name__ for ufunc in SURFACE if not sets_of(ufunc)] == []


@pytest.mark.parametrize("ufunc", [f for f in SURFACE if sets_of(f)], ids=named)
def test_every_ufunc_is_in_exactly_one_set(ufunc):
    assert len(sets_of(ufunc)) == 1
    assert ((ufunc, "__call__") in UFUNCS) == (ufunc in ROWS)


@pytest.mark.parametrize("ufunc", list(ROWS), ids=named)
def test_rows_fit_their_ufuncs(ufunc):
    rows = ROWS[ufunc]
    assert len(rows) == ufunc.nout
    for row in rows:
        for column in (row.partials, row.complex_partials, row.conjugates):
            assert column is None or len(column) == ufunc.nin
        known = {*SPECIAL.names, "r", *ARGUMENTS[: ufunc.nin]}
        for text in (*row.partials, *(row.complex_partials or ()), *(row.conjugates or ())):
            assert text is None or text is UNKNOWN or names_in(text) <= known, text
        # A ufunc without any known partial is refused, with a reason.
        assert any(text is not UNKNOWN for text in row.partials) or ufunc.__name__.startswith("_")


@pytest.mark.parametrize("ufunc", [f for f in SURFACE if f in REFUSED and f.__name__ not in MISNAMED], ids=named)
def test_refusals_name_the_function_and_the_reason(ufunc):
    with pytest.raises(NoRuleError) as error:
        ufunc(*[DualArray([0.5], [1.0])] * ufunc.nin)
    assert str(error.value).startswith(f"scipy.special.{ufunc.__name__} has no derivative rule ({REFUSED[ufunc]})")


WITH_UNKNOWN = [
    (ufunc, i)
    for ufunc, rows in ROWS.items()
    for i in range(ufunc.nin)
    if rows[0].partials[i] is UNKNOWN and any(t[i] in "dD" for t in ufunc.types) and ufunc.__name__[0] != "_"
    if ufunc.__name__ not in CRASHING
]


@pytest.mark.filterwarnings("ignore:non-integer arg n:DeprecationWarning")
@pytest.mark.parametrize(("ufunc", "i"), WITH_UNKNOWN, ids=lambda x: x if isinstance(x, int) else named(x))
def test_an_unknown_argument_raises_if_it_carries_a_tangent_and_is_a_constant_otherwise(ufunc, i):
    arguments = [a[:1] for a in arguments_of(ufunc)]
    value = arguments[i].astype(float)
    with pytest.raises(NoRuleError, match=f"scipy.special.{ufunc.__name__} has no derivative rule in its") as error:
        ufunc(*arguments[:i], DualArray(value, [1.0]), *arguments[i + 1 :])
    assert ("first", "second", "third", "fourth", "fifth")[i] + " argument" in str(error.value)
    assert "dualdiff.custom_derivative" in str(error.value)
    # A dual without a tangent.
    found = ufunc(*arguments[:i], np.floor(DualArray(value, [1.0])) * 0.0 + value, *arguments[i + 1 :])
    for part in found if isinstance(found, tuple) else (found,):
        assert_same(part.tangent, np.zeros(1, part.dtype))


# -- found on first use ------------------------------------------------------------------------------------------------
def in_a_fresh_interpreter(code):
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


def test_scipy_is_never_imported_before_the_user_does():
    in_a_fresh_interpreter(
        "import sys, numpy as np, dualdiff as dd\n"
        "dd.derivative(np.sin, 1.0)\n"
        "try: dd.derivative(np.frompyfunc(abs, 1, 1), np.ones(2))\n"
        "except Exception: pass\n"
        "assert not any(m.partition('.')[0] == 'scipy' for m in sys.modules)\n"
        "from scipy import special\n"
        "assert abs(dd.derivative(special.erf, 0.0) - 1.1283791670955126) < 1e-15\n"
        "assert abs(dd.derivative(special.erf, np.float64(0.0)) - 1.1283791670955126) < 1e-15\n"
    )


@pytest.mark.parametrize("use", ["dualdiff.scipy.special.erf", "dualdiff.scipy.special.logsumexp"])
def test_the_module_is_imported_when_it_is_asked_for(use):
    in_a_fresh_interpreter(f"import sys, dualdiff; assert 'scipy' not in sys.modules; {use}")


def test_without_scipy_the_package_is_named():
    in_a_fresh_interpreter(
        "import sys, dualdiff\n"
        "sys.modules['scipy'] = sys.modules['scipy.special'] = None\n"
        "try:\n    from dualdiff.scipy import special\n"
        "except ImportError as error:\n"
        "    assert str(error) == 'dualdiff.scipy.special needs scipy: pip install scipy', error\n"
        "else:\n    raise AssertionError\n"
    )


# -- values, spaces, scalars -------------------------------------------------------------------------------------------
def arguments_of(ufunc, n=3):
    """A few points inside the domain, which names a kind of argument for each position."""
    special_points = {
        "pdtrik": [[0.3, 0.5, 0.7], [3.0, 5.0, 7.0]],
        "bdtrik": [[0.3, 0.5, 0.7], [9.0, 10.0, 12.0], [0.3, 0.4, 0.5]],
        "bdtrin": [[2.0, 3.0, 4.0], [0.3, 0.5, 0.7], [0.3, 0.4, 0.5]],
        "nbdtrik": [[0.3, 0.5, 0.7], [3.0, 4.0, 5.0], [0.3, 0.4, 0.5]],
        "nbdtrin": [[3.0, 4.0, 5.0], [0.3, 0.5, 0.7], [0.3, 0.4, 0.5]],
        "fdtridfd": [[3.0, 4.0, 5.0], [0.55, 0.6, 0.7], [1.1, 1.2, 1.4]],
        "stdtridf": [[0.8, 0.82, 0.85], [0.95, 1.0, 1.15]],
        "airye": [[0.2, 0.7, 3.0]],
        "erfcinv": [[0.2, 0.7, 1.3]],
        "ndtri_exp": [[-0.2, -0.7, -3.0]],
        "bdtr": [[1.2, 2.2, 3.2], [5, 6, 7], [0.2, 0.5, 0.7]],
        "_zeta": [[1.2, 2.5, 3.7], [0.2, 0.5, 0.7]],
        "chndtrinc": [[9.0, 11.0, 13.0], [2.0, 3.0, 4.0], [0.2, 0.4, 0.5]],
        "ncfdtrinc": [[2.0, 3.0, 4.0], [4.0, 5.0, 6.0], [0.3, 0.4, 0.5], [3.0, 3.5, 4.0]],
        "nctdtrit": [[2.0, 3.0, 4.0], [0.2, 0.4, 0.5], [0.5, 0.6, 0.7]],
        "tklmbda": [[0.1, -0.1, 0.2], [0.2, 0.4, 0.5]],
        "binom": [[5.3, 6.2, 7.1], [1.2, 2.1, 3.3]],
        "kn": [[1, 2, 3], [0.2, 0.5, 0.7]],
        "yn": [[1, 2, 3], [0.2, 0.5, 0.7]],
        "lpmv": [[1.0, 2.0, 0.0], [3.0, 2.0, 4.0], [0.2, 0.5, 0.7]],
        "eval_sh_jacobi": [[1, 2, 3], [2.2, 2.5, 2.7], [1.2, 1.5, 1.7], [0.2, 0.5, 0.7]],
        "sph_harm": [[1, 2, 0], [3, 2, 4], [0.2, 0.5, 0.7], [0.3, 0.4, 0.6]],
        "nrdtrisd": [[-0.2, -0.5, -0.7], [0.6, 0.7, 0.8], [0.3, 0.5, 0.7]],
    }
    name = ufunc.__name__
    special_points |= dict.fromkeys(("bdtrc", "bdtri"), special_points["bdtr"])
    if name in special_points:
        return [np.array(a) for a in special_points[name]]
    if name.startswith(("mathieu", "pro_", "obl_")):
        spheroidal = name[:3] in ("pro", "obl")
        # Radial functions, where SciPy's results agree with each other.
        radial = "rad" in name
        last = [2.0, 2.5, 3.0] if radial else [0.2, 0.5, 0.7]
        c = [2.0, 3.0, 4.0] if radial else [0.4, 0.6, 0.8]
        orders = [[0, 1, 1]] * spheroidal + [[1, 2, 3]]
        cv = [getattr(special, name[:4] + "cv")(*orders, c)] if name.endswith("_cv") else []
        return [np.array(a) for a in (*orders, c, *cv, last)][: ufunc.nin]
    whole = ufunc.types[0].startswith(("l", "ll")) or name.startswith(("_spherical", "smirnov", "_smirnov"))
    rng = np.random.default_rng(sum(map(ord, name)))
    found = [rng.uniform(0.2, 0.8, n) for _ in range(ufunc.nin)]
    if whole:
        found[0] = np.array([1, 2, 3])
    if ufunc.types[0].startswith("ll"):
        found[1] = np.array([4, 5, 6])
    return found


#: SciPy solves for ncfdtrinc to four digits; lambertw has a separate test.
NOT_BY_DIFFERENCES = {"ncfdtrinc", "_lambertw"}
KNOWN = [
    (ufunc, k, i)
    for ufunc, rows in ROWS.items()
    for k, row in enumerate(rows)
    for i, text in enumerate(row.partials)
    if text is not UNKNOWN and ufunc.__name__ not in NOT_BY_DIFFERENCES | CRASHING
]


def case_id(x):
    return x if isinstance(x, int) else named(x)


def result(ufunc, k, *arguments):
    found = ufunc(*arguments)
    return found[k] if isinstance(found, tuple) else found


#: SciPy's values are too inaccurate for differences: solved to a tolerance, or by formulas with few digits.
ROUGH = {
    "chndtrinc",
    "tklmbda",
    "obl_rad2",
    "pro_rad2",
    "mathieu_modcem2",
    "mathieu_modsem2",
    "nctdtrit",
    *("bdtrik", "bdtrin", "nbdtrik", "nbdtrin", "fdtridfd", "stdtridf"),
}


@pytest.mark.parametrize(("ufunc", "k", "i"), KNOWN, ids=case_id)
def test_against_differences_in_every_space(ufunc, k, i):
    arguments = arguments_of(ufunc)
    x = np.asarray(arguments[i], float)
    if ufunc.signature or arguments[i].dtype.kind == "i":
        return

    def f(x):
        return result(ufunc, k, *arguments[:i], x, *arguments[i + 1 :])

    value, slope = jvp(f, x, np.ones_like(x))
    assert_same(value, f(x))
    assert np.isfinite(slope).all()
    h = 1e-3 * np.maximum(np.abs(x), 0.1)
    central = [(f(x + s * h) - f(x - s * h)) / (2 * s * h) for s in (0.5, 1.0)]
    size = np.abs(f(x)).max() / h.min()
    tolerance = 1e-4 if ufunc.__name__ in ROUGH else 1e-6
    np.testing.assert_allclose(slope, (4 * central[0] - central[1]) / 3, rtol=tolerance, atol=1e-10 * size)
    # The other spaces, and scalars.
    if slope.dtype.kind == "f":
        assert_same(derivative(f, x), slope)
        assert_same(np.diag(jacobian(f, x, mode="forward")), slope)
        assert_same(np.diag(jacobian(f, x, mode="reverse")), slope)
        assert_same(jacobian(f, x, sparse=True).toarray(), np.diag(slope))
        scalars = [a[0].item() for a in arguments]
        found = derivative(lambda t: result(ufunc, k, *scalars[:i], t, *scalars[i + 1 :]), scalars[i])
        np.testing.assert_allclose(found, slope[0], rtol=1e-13)


IN_PARAMETERS = re.compile("inc_in_|inc_across|f_in_|t_in_")
SMOOTH = [(ufunc, k, i) for ufunc, k, i in KNOWN if ROWS[ufunc][k].partials[i] is not None]
#: SciPy has no derivative of their densities.
ONCE = {
    *(("smirnov", 1), ("smirnovi", 1), ("ncfdtr", 3), ("ncfdtri", 2), ("ncfdtri", 3), ("ncfdtrinc", 3)),
    *(("nctdtr", 2), ("nctdtrit", 2), ("mathieu_a", 1), ("mathieu_b", 1)),
}


@pytest.mark.parametrize(("ufunc", "k", "i"), SMOOTH, ids=case_id)
def test_second_derivatives(ufunc, k, i):
    name, arguments = ufunc.__name__, arguments_of(ufunc)
    x = arguments[i]
    if x.dtype.kind == "i":
        return

    def f(x):
        return result(ufunc, k, *arguments[:i], x, *arguments[i + 1 :])

    def slope(x):
        return jvp(f, x, np.ones_like(x))[1]

    if (name, i) in ONCE:
        with pytest.raises(NoRuleError):
            jvp(slope, x, np.ones_like(x))
        return
    try:
        bend = jvp(slope, x, np.ones_like(x))[1]
    except NoRuleError:
        # Derivatives with respect to parameters are integrals, which are not differentiated again.
        assert IN_PARAMETERS.search(ROWS[ufunc][k].partials[i])
        return
    h = 1e-3 * np.maximum(np.abs(x), 0.1)
    central = [(slope(x + s * h) - slope(x - s * h)) / (2 * s * h) for s in (0.5, 1.0)]
    size = np.abs(slope(x)).max() / h.min()
    tolerance = 1e-4 if name in ROUGH else 2e-6
    np.testing.assert_allclose(bend, (4 * central[0] - central[1]) / 3, rtol=tolerance, atol=1e-10 * size)


MIXED = [
    (ufunc, k, i, j)
    for (ufunc, k, i), (other, n, j) in itertools.product(SMOOTH, SMOOTH)
    if other is ufunc and k == n and i < j and not {(ufunc.__name__, i), (ufunc.__name__, j)} & ONCE
]


@pytest.mark.parametrize(("ufunc", "k", "i", "j"), MIXED, ids=case_id)
def test_mixed_derivatives_are_symmetric(ufunc, k, i, j):
    arguments = [a[0].item() for a in arguments_of(ufunc)]
    if any(IN_PARAMETERS.search(ROWS[ufunc][k].partials[n]) for n in (i, j)):
        return

    def slope(*args, argnum):
        return derivative(lambda *args: result(ufunc, k, *args), *args, argnum=argnum)

    one = derivative(lambda t: slope(*arguments[:j], t, *arguments[j + 1 :], argnum=i), arguments[j])
    other = derivative(lambda t: slope(*arguments[:i], t, *arguments[i + 1 :], argnum=j), arguments[i])
    np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)


# -- complex numbers ---------------------------------------------------------------------------------------------------
COMPLEX = [
    (ufunc, k, i)
    for ufunc, k, i in SMOOTH
    if ufunc.types[-1].split("->")[0][i] in "DF" or any(t.split("->")[0][i] == "D" for t in ufunc.types)
    if ufunc is not special.hyp1f1 or HYP1F1_IS_RIGHT
]


@pytest.mark.parametrize(("ufunc", "k", "i"), COMPLEX, ids=case_id)
def test_complex_arguments(ufunc, k, i):
    arguments = arguments_of(ufunc)
    if all(letter == "D" for letter in next(t for t in ufunc.types if "D" in t).split("->")[0]):
        arguments = [a + 0.3j for a in arguments]
    z = arguments[i] + np.array([0.4j, -0.3j, 0.2j])

    def f(z):
        return result(ufunc, k, *arguments[:i], z, *arguments[i + 1 :])

    # Along both axes, which shows a derivative with respect to the conjugate.
    for direction in (1.0, 1j):
        h = 1e-3 * direction
        value, slope = jvp(f, z, np.full_like(z, direction))
        assert_same(value, f(z))
        central = [(f(z + s * h) - f(z - s * h)) / (2e-3 * s) for s in (0.5, 1.0)]
        np.testing.assert_allclose(slope, (4 * central[0] - central[1]) / 3, rtol=1e-7, atol=1e-8)


def test_lambertw_on_its_branches():
    for k, z in ((0, 0.3), (0, 0.0), (0, 2 + 1j), (1, 0.4j), (-1, -0.2), (-1, -1e-300)):
        w = special.lambertw(z, k)
        wanted = 1.0 if z == 0 else w / (z * (1 + w))
        np.testing.assert_allclose(jvp(lambda z, k=k: special.lambertw(z, k), z, type(z)(1))[1], wanted, rtol=1e-14)
    # The series is x - x**2 + 3/2 x**3.
    assert [nth_derivative(lambda x: special.lambertw(x).real, 0.0, n) for n in (1, 2, 3)] == [1.0, -2.0, 9.0]


# -- edges and kinks ---------------------------------------------------------------------------------------------------
def test_xlogy_at_zero():
    assert derivative(special.xlogy, 0.0, 0.0, argnum=1) == 0.0
    assert derivative(special.xlog1py, 0.0, -1.0, argnum=1) == 0.0
    assert derivative(special.rel_entr, 0.0, 1.0, argnum=1) == 0.0


def test_rgamma_at_its_zeros():
    # (-1)^n n!, and so are the higher derivatives.
    np.testing.assert_allclose(derivative(special.rgamma, -np.arange(5.0)), [1, -1, 2, -6, 24], rtol=1e-14)
    np.testing.assert_allclose(nth_derivative(special.rgamma, 0.0, 2), 2 * np.euler_gamma, rtol=1e-13)


def test_poch_and_binom_where_a_factor_is_zero():
    # (z)_3 = z (z + 1) (z + 2)
    z = np.array([0.0, -1.0, -2.0, -5.0])
    np.testing.assert_allclose(derivative(special.poch, z, 3.0), 3 * z**2 + 6 * z + 2, rtol=1e-13)
    # binom(n, 2) = n (n - 1) / 2
    np.testing.assert_allclose(derivative(special.binom, np.array([0.0, 1.0, 5.0]), 2.0), [-0.5, 0.5, 4.5], rtol=1e-13)


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (lambda x: special.sici(x)[0], [1.0, 0.0, -1 / 3, 0.0, 1 / 5]),
        (lambda x: special.shichi(x)[0], [1.0, 0.0, 1 / 3, 0.0, 1 / 5]),
        (lambda x: special.spence(1 + x), [-1.0, 1 / 2, -2 / 3, 6 / 4, -24 / 5]),
        (special.exprel, [1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6]),
        (special.j1, [1 / 2, 0.0, -3 / 8, 0.0, 5 / 16]),
        (special.bei, [0.0, 1 / 2, 0.0, 0.0, 0.0]),
        (special.ber, [0.0, 0.0, 0.0, -3 / 8, 0.0]),
        (lambda x: special.struve(0, x), [2 / np.pi, 0.0, -4 / (3 * np.pi)]),
        (lambda x: special.modstruve(0, x), [2 / np.pi, 0.0, 4 / (3 * np.pi)]),
        (lambda x: special.it2j0y0(x)[0], [0.0, 1 / 4, 0.0, -3 / 32]),
        (lambda x: special.it2i0k0(x)[0], [0.0, 1 / 4, 0.0, 3 / 32]),
        (special.it2struve0, [-2 / np.pi, 0.0, 4 / (9 * np.pi)]),
        (lambda x: special.eval_legendre(3, x), [-1.5, 0.0, 15.0, 0.0]),
        (lambda x: special.ellipk(x), [np.pi / 8, np.pi / 2 * 9 / 32, np.pi / 2 * 6 * 25 / 256]),
    ],
)
def test_derivatives_at_zero_are_regular_at_every_order(f, wanted):
    for order, expected in enumerate(wanted, 1):
        np.testing.assert_allclose(nth_derivative(f, 0.0, order), expected, rtol=1e-11, atol=1e-13)


def test_a_zero_tangent_contributes_zero():
    assert_same(gradient(lambda x: special.y0(0 * x[0] + x[1] * 0), [1.0, 2.0]), np.zeros(2))
    assert derivative(lambda x: special.ellipk(1 + 0 * x), 2.0) == 0.0


def test_huber_at_its_kink_is_the_parabola():
    assert derivative(special.huber, 1.0, 1.0, argnum=0) == 0.0
    assert derivative(special.huber, 1.0, 1.0, argnum=1) == 1.0
    assert derivative(special.huber, 1.0, -3.0, argnum=1) == -1.0


def test_counts_are_steps():
    assert derivative(special.pdtr, 2.5, 1.0) == 0.0
    assert derivative(special.bdtr, 2.0, 5, 0.3) == 0.0
    assert derivative(special.round, 2.4) == derivative(special.gammasgn, 2.4) == 0.0


@pytest.mark.parametrize("name", ["kn", "yn", "bdtr", "bdtrc", "bdtri", "nbdtr", "nbdtrc", "nbdtri"])
def test_fractions_of_counts_are_ignored(name):
    # SciPy truncates them, with a warning that may crash the interpreter later: not called here.
    whole, broken = ([2.0, 1.3], [2.5, 1.3]) if name in ("kn", "yn") else ([2.0, 5.0, 0.4], [2.5, 5.7, 0.4])
    row, i = SPECIAL[name], len(whole) - 1
    assert row.coefficient(i, broken, 0.45) == row.coefficient(i, whole, 0.45) != 0


def test_results_at_the_end_of_scipys_search_interval_are_constant():
    for f, arguments in [
        (special.pdtrik, (0.38, 0.58)),
        (special.bdtrik, (0.42, 0.02, 0.22)),
        (special.nbdtrik, (0.44, 0.18, 0.05)),
        (special.fdtridfd, (3.8, 0.98, 0.87)),
        (special.stdtridf, (0.31, 2.0)),
    ]:
        if f(*arguments) in (0.0, 1e10, 1e100, -1e100):
            for i in range(len(arguments)):
                assert derivative(f, *arguments, argnum=i) == 0.0


def test_scaled_bessel_functions_at_their_kink():
    # exp(-abs(x)) has the slope of the side that the sign bit names, as abs has, also in the densities made of it.
    assert derivative(special.i0e, 0.0) == -1.0
    assert derivative(special.i0e, -0.0) == 1.0
    assert derivative(special.i1e, 0.0) == 0.5
    assert nth_derivative(special.i0e, 0.0, 2) == 1.5


def test_poch_where_only_the_denominator_is_infinite():
    # 1 / gamma(-2 + e) is 2 e, so that the derivative is 2 gamma(y - 2).
    np.testing.assert_allclose(derivative(special.poch, -2.0, 0.7), 2 * special.gamma(-1.3), rtol=1e-14)


def test_gamma_distributions_of_rate_zero():
    assert derivative(special.gdtr, 0.1, 0.5, 0.0) == 0.0
    assert derivative(special.gdtrc, 0.0, 0.5, 0.3, argnum=2) == 0.0


def test_unsigned_degrees_do_not_wrap_around():
    n = np.arange(3, dtype=np.uint8)
    np.testing.assert_allclose(jvp(lambda x: special.eval_legendre(n, x), 0.5, 1.0)[1], [0.0, 1.0, 1.5])
    np.testing.assert_allclose(jvp(lambda x: special.jv(n, x), 0.5, 1.0)[1], special.jvp(n.astype(float), 0.5))


def test_scaled_functions_keep_their_derivative_far_away():
    # Differences of neighbouring orders, which suffer cancellation in SciPy's form.
    x = np.array([1e3, 1e6, 1e100])
    leading = 1 / np.sqrt(2 * np.pi * x)
    np.testing.assert_allclose(derivative(special.i0e, x), -leading / (2 * x), rtol=1e-3)
    np.testing.assert_allclose(derivative(special.k1e, x), -np.pi * leading / (2 * x), rtol=2e-3)
    np.testing.assert_allclose(derivative(special.erfcx, x), -1 / (np.sqrt(np.pi) * x**2), rtol=1e-5)
    np.testing.assert_allclose(derivative(special.dawsn, x), -1 / (2 * x**2), rtol=1e-5)
    np.testing.assert_allclose(derivative(special.log_ndtr, -x), x, rtol=1e-5)


@pytest.mark.parametrize(
    ("v", "x"),
    [(1 / 3, 9.5), (-2 / 3, 14.0), (0.0, 20.0), (12.0, 100.0), (29.0, 200.0), (100.0, 6000.0), (250.0, 200.0)],
)
def test_scaled_bessel_functions_of_every_order(v, x):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        i, above = mpmath.besseli(v, x), mpmath.besseli(v + 1, x)
        wanted = float(mpmath.exp(-x) * (above + i * v / x - i))
    # Without hyp1f1 the derivative comes from differences of orders.
    rtol = 1e-12 if HYP1F1_IS_RIGHT else 1e-9
    np.testing.assert_allclose(derivative(special.ive, v, x, argnum=1), wanted, rtol=rtol)


def test_precisions_that_differ_are_computed_in_the_wider():
    x = np.float32([0.3, 0.4])
    n = np.array([3.0, 4.0])
    found = jvp(lambda x: special.lpmv(0.0, n, x), x, np.ones(2, np.float32))[1]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, derivative(lambda x: special.lpmv(0.0, n, x), x.astype(float)), rtol=1e-14)
    power = derivative(lambda y: np.power(np.float32(2.1), y), np.float64(3.3))
    np.testing.assert_allclose(power, derivative(lambda y: np.power(float(np.float32(2.1)), y), 3.3), rtol=1e-14)


def test_single_precision_stays():
    for name in ("erf", "gamma", "j0", "ellipk", "i0e", "ndtri"):
        assert derivative(getattr(special, name), np.float32(0.4)).dtype == np.float32


# -- other forms of calls ----------------------------------------------------------------------------------------------
def test_out_where_and_methods():
    x = np.array([0.5, 1.0, 2.0])

    def f(x):
        buffer = np.zeros_like(x)
        special.erf(x, out=buffer, where=np.array([True, False, True]))
        return buffer

    assert_same(jacobian(f, x), np.diag(derivative(special.erf, x) * [1, 0, 1]))
    outer = jacobian(lambda x: special.xlogy.outer(np.ones(2), x), x)
    assert outer.shape == (2, 3, 3)
    np.testing.assert_allclose(outer[0], np.diag(1 / x))

    def pair(x):
        first, second = np.zeros_like(x), np.zeros_like(x)
        special.sici(x, out=(first, second))
        return first + 2 * second

    np.testing.assert_allclose(derivative(pair, x), (np.sin(x) + 2 * np.cos(x)) / x, rtol=1e-14)


def test_outputs_may_be_overwritten():
    # The derivative of one output is another output: writing into that must not change the tangent.
    def f(x):
        ai, aip, _, _ = special.airy(x)
        aip[...] = 0.0
        return ai + aip

    x = np.array([0.3, 0.7])
    wanted = special.airy(x)[1]
    for slope in (
        derivative(f, x),
        np.diag(jacobian(f, x, mode="forward")),
        np.diag(jacobian(f, x, mode="reverse")),
        vjp(f, x)[1](np.ones(2)),
        linearize(f, x)[1](np.ones(2)),
    ):
        assert_same(np.asarray(slope), wanted)


def test_hessian_and_reverse_of_a_likelihood():
    data = np.array([0.3, 1.2, 2.5, 0.8])

    def likelihood(p):
        a, b = p
        return np.sum(a * np.log(b) - special.gammaln(a) + (a - 1) * np.log(data) - b * data)

    p = np.array([1.7, 1.3])
    np.testing.assert_allclose(
        hessian(likelihood, p),
        4 * np.array([[-special.polygamma(1, 1.7), 1 / 1.3], [1 / 1.3, -1.7 / 1.3**2]]),
        rtol=1e-13,
    )


def test_duals_of_outer_and_inner_calls():
    assert derivative(lambda x: x * derivative(lambda y: special.erf(x * y), 1.0), 0.5) == pytest.approx(
        nth_derivative(lambda x: x, 0.5, 1) * 2 * 0.5 * 2 / np.sqrt(np.pi) * np.exp(-0.25) * (1 - 0.25), rel=1e-14
    )
