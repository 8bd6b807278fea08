"""``dualdiff.scipy.stats``: every distribution, in x, loc, scale and the shape parameters, against SciPy's values."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
from mpmath import mp

from dualdiff import derivative, gradient, hessian, jacobian
from dualdiff.base.errors import NoRuleError, UndefinedDerivativeWarning

scipy_stats = pytest.importorskip("scipy.stats")
parameters = pytest.importorskip("scipy.stats._distr_params")

from dualdiff.scipy import stats  # noqa: E402 - needs SciPy
from tests.scipy.stats.distributions import Probe, entries  # noqa: E402 - needs SciPy

ENTRIES = list(entries())

#: Each distribution with shape parameters away from whole numbers, at which some formulas are special.
SHAPES = {}
for _name, _shapes in parameters.distcont:
    # The shape parameter of some is a whole number.
    if _name not in SHAPES and _name not in ("erlang", "irwinhall", "ksone", "kstwo", "studentized_range"):
        _off = [float(s) + 0.0137 * (i + 1) for i, s in enumerate(_shapes)]
        _other = [float(s) - 0.0137 * (i + 1) for i, s in enumerate(_shapes)]
        SHAPES[_name] = _off if getattr(scipy_stats, _name)._argcheck(*_off) else _other

NAMES = sorted(SHAPES)
#: Those of which a function of the distribution is an integral, which takes long to test.
SLOW = {"gausshyper", "genhyperbolic", "geninvgauss", "levy_stable", "norminvgauss", "vonmises_line"}


def of_x(method, x, module, name, v):
    """A method at x, with loc, scale and shapes in one vector."""
    return getattr(getattr(module, name), method)(x + v[0], *v[3:], loc=v[1], scale=v[2])


def at(name):
    """A vector of parameters, and points in the middle of the distribution."""
    shapes = SHAPES[name]
    v = np.array([0.0, 0.3, 1.7, *shapes])
    with np.errstate(all="ignore"):
        return v, getattr(scipy_stats, name).ppf([0.23, 0.55, 0.81], *shapes, loc=0.3, scale=1.7)


def differences(f, v, step=1e-5):
    return np.stack([(f(v + h) - f(v - h)) / (2 * step) for h in step * np.eye(v.size)], -1)


def walked(methods, names=NAMES):
    # SciPy's own quantiles of a stable distribution take seconds.
    return [pytest.param(m, n, id=f"{n}-{m}") for n in names for m in methods if (n, m) != ("levy_stable", "isf")]


def quietly(test):
    @functools.wraps(test)
    def run(*args, **kwargs):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return test(*args, **kwargs)

    return run


@pytest.mark.parametrize(("method", "name"), walked(("logpdf", "pdf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf")))
@quietly
def test_in_x_and_all_parameters(method, name):
    v, x = at(name)
    if method in ("ppf", "isf"):
        x = np.array([0.23, 0.55, 0.81])
    found = jacobian(functools.partial(of_x, method, x, stats, name), v)
    expected = differences(functools.partial(of_x, method, x, scipy_stats, name), v)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)
    if name not in SLOW:
        reverse = jacobian(functools.partial(of_x, method, x, stats, name), v, mode="reverse")
        np.testing.assert_allclose(reverse, found, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("method", "name"), walked(("logpdf", "pdf", "cdf", "sf", "ppf")))
@quietly
def test_values_are_scipys(method, name):
    v, x = at(name)
    x = np.array([0.23, 0.55, 0.81]) if method == "ppf" else x if name in SLOW else np.append(x, [-1e3, 1e3])
    seen = []

    def f(v):
        seen.append(of_x(method, x, stats, name, v))
        return np.sum(np.where(np.isfinite(seen[-1]), seen[-1], 0.0))

    gradient(f, v, mode="forward")
    assert np.array_equal(seen[-1].value, of_x(method, x, scipy_stats, name, v), equal_nan=True)


#: Formulas of each kind: elementary, with special functions, chosen element by element, of another distribution.
KINDS = [
    *(
        "norm",
        "gamma",
        "beta",
        "expon",
        "weibull_min",
        "t",
        "lognorm",
        "logistic",
        "cauchy",
        "chi2",
        "f",
        "burr",
        "fisk",
    ),
    *("genpareto", "genextreme", "gumbel_r", "invgamma", "laplace", "triang", "exponnorm", "skewnorm", "vonmises"),
]


@pytest.mark.parametrize("name", KINDS)
@quietly
def test_second_derivatives_of_log_densities(name):
    v, x = at(name)
    f = functools.partial(of_x, "logpdf", x, stats, name)
    found = jacobian(jacobian(f), v)
    np.testing.assert_allclose(found, differences(lambda v: jacobian(f, v), v), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["norm", "gamma", "beta", "expon", "weibull_min", "t", "lognorm", "logistic"])
@pytest.mark.parametrize("method", ["cdf", "sf", "ppf", "isf"])
@quietly
def test_second_derivatives_of_distribution_functions_and_quantiles(method, name):
    v, x = at(name)
    x = np.array([0.23, 0.55, 0.81]) if method in ("ppf", "isf") else x
    v = v[:3]  # in shapes the derivatives of incomplete functions are of first order

    def f(v):
        return of_x(method, x, stats, name, np.concatenate([v, SHAPES[name]]) if SHAPES[name] else v)

    np.testing.assert_allclose(jacobian(jacobian(f), v), differences(lambda v: jacobian(f, v), v), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "shapes"), ENTRIES, ids=lambda x: x if isinstance(x, str) else str(x).strip("(),"))
@pytest.mark.parametrize("method", ["logpdf", "cdf", "ppf"])
@quietly
def test_at_scipys_own_shapes(method, name, shapes):
    if name in ("levy_stable", "studentized_range"):
        pytest.skip("SciPy's own values take minutes")
    assert Probe(name, shapes, method).verdict() in ("right", "without a reference")


@pytest.mark.parametrize(
    ("name", "shapes"),
    [("levy_stable", [1.8, -0.5]), ("levy_stable", [0.7, 0.5]), ("studentized_range", [3.5, 10.0])],
)
@quietly
def test_distributions_of_which_scipy_is_slow(name, shapes):
    p, shapes = np.array([0.23, 0.81]), np.array(shapes)
    distribution = getattr(stats, name)
    x = getattr(scipy_stats, name).ppf(p, *shapes)
    # The probability of a quantile does not depend on the shapes, and a density is the slope of the probability.
    back = jacobian(lambda s: distribution.cdf(distribution.ppf(p, *s), *s), shapes)
    np.testing.assert_allclose(back, 0.0, atol=1e-12)
    np.testing.assert_allclose(derivative(lambda x: distribution.cdf(x, *shapes), x), distribution.pdf(x, *shapes))
    for method in ("logpdf", "cdf"):
        f = getattr(distribution, method)
        found = jacobian(lambda s, f=f: f(x, *s), shapes)
        g = getattr(scipy_stats, name)
        expected = differences(lambda s, g=g, method=method: getattr(g, method)(x, *s), shapes, 1e-4)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    mixed = jacobian(lambda s: derivative(lambda x: distribution.cdf(x, *s), x), shapes)
    np.testing.assert_allclose(mixed, jacobian(lambda s: distribution.pdf(x, *s), shapes), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "shapes"), [("irwinhall", [3]), ("ksone", [30]), ("kstwo", [30])])
@quietly
def test_no_derivative_with_respect_to_an_integer(name, shapes):
    if not hasattr(scipy_stats, name):
        pytest.skip(f"this SciPy has no {name}")
    with pytest.raises(NoRuleError, match=rf"{name}\.cdf .* in n, which is an integer"):
        derivative(lambda n: getattr(stats, name).cdf(0.4, n), float(shapes[0]))


DISCRETE = {}
for _name, _shapes in parameters.distdiscrete:
    if isinstance(_name, str) and _name not in DISCRETE:
        DISCRETE[_name] = _shapes
#: The shape parameters that are no counts.
REAL_SHAPES = {
    "bernoulli": [0],
    "binom": [1],
    "betabinom": [1, 2],
    "boltzmann": [0],
    "dlaplace": [0],
    "geom": [0],
    "logser": [0],
    "nbinom": [1],
    "betanbinom": [1, 2],
    "planck": [0],
    "poisson": [0],
    "skellam": [0, 1],
    "yulesimon": [0],
    "zipf": [0],
    "zipfian": [0],
    "nchypergeom_fisher": [],
    "nchypergeom_wallenius": [],
}
DISCRETE_WITHOUT_FORMULA = {"skellam", "zipf", "zipfian", "nchypergeom_fisher", "nchypergeom_wallenius"}


@pytest.mark.parametrize("name", sorted((REAL_SHAPES.keys() & DISCRETE.keys()) - DISCRETE_WITHOUT_FORMULA))
@pytest.mark.parametrize("method", ["pmf", "logpmf", "cdf", "sf"])
@quietly
def test_discrete_distributions_in_their_parameters(method, name):
    shapes, places = [float(s) for s in DISCRETE[name]], REAL_SHAPES[name]
    k = getattr(scipy_stats, name).ppf([0.2, 0.5, 0.9], *shapes)

    def f(module, v):
        given = list(shapes)
        for i, place in enumerate(places):
            given[place] = v[i]
        return getattr(getattr(module, name), method)(k, *given)

    v = np.array([shapes[i] for i in places]) * 1.0137
    if not getattr(scipy_stats, name)._argcheck(*(v if len(places) == len(shapes) else shapes)):
        v = v / 1.0137**2
    found = jacobian(lambda v: f(stats, v), v)
    np.testing.assert_allclose(found, differences(lambda v: f(scipy_stats, v), v), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    "name", ["norm", "expon", "gamma", "beta", "weibull_min", "lognorm", "gumbel_r", "triang", "chi2"]
)
@pytest.mark.parametrize("method", ["mean", "var", "std", "entropy", "median"])
@quietly
def test_moments(method, name):
    def f(module, v):
        return getattr(getattr(module, name), method)(*v[2:], loc=v[0], scale=v[1])

    v = np.array([0.3, 1.7, *SHAPES[name]])
    assert np.array_equal(f(scipy_stats, v), derivative_value(lambda v: f(stats, v), v))
    expected = differences(lambda v: f(scipy_stats, v), v)
    np.testing.assert_allclose(jacobian(lambda v: f(stats, v), v), expected, rtol=1e-6, atol=1e-8)


def derivative_value(f, v):
    seen = []
    jacobian(lambda v: seen.append(f(v)) or seen[-1], v, mode="forward")
    return seen[-1].value


def test_frozen_distributions():
    assert derivative(stats.norm(1.0, 2.0).cdf, 0.0) == pytest.approx(scipy_stats.norm(1, 2).pdf(0.0))
    assert derivative(lambda m: stats.norm(loc=m, scale=2.0).logpdf(0.3), 1.0) == pytest.approx(-0.175)
    assert derivative(lambda a: stats.gamma(a, scale=2.0).mean(), 1.3) == pytest.approx(2.0)
    assert stats.norm(1.0, 2.0).rvs(3, random_state=1).shape == (3,)


def test_outside_the_support_the_value_is_constant():
    x = np.array([-1.0, 0.5, 2.0])
    assert jacobian(lambda s: stats.uniform.cdf(x, scale=s[0]), np.array([1.5])).ravel() == pytest.approx(
        [0.0, -0.5 / 1.5**2, 0.0]
    )
    found = jacobian(lambda a: stats.gamma.logpdf(x, a[0]), np.array([1.5])).ravel()
    assert found[0] == 0
    assert np.all(np.isfinite(found))


@pytest.mark.parametrize("method", ["logpdf", "cdf"])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@quietly
def test_a_formula_for_exactly_one_value_has_no_derivative(mode, method):
    with pytest.warns(UndefinedDerivativeWarning, match="separate formula at exactly"):
        found = jacobian(lambda c: getattr(stats.triang, method)(0.3, c[0]), np.array([0.0]), mode=mode)
    assert np.isnan(found)


#: Shapes at the end of their range, and where SciPy has a separate formula, with the order of differences there.
SPECIAL_SHAPES = [
    *(("skewnorm", [0.0], 0.3), ("ncx2", [3.3, 0.0], 2.0), ("ncf", [5.0, 7.0, 0.0], 1.3), ("nct", [5.0, 0.0], 1.0)),
    *(("vonmises", [0.0], 0.3), ("rice", [0.0], 0.3), ("trapezoid", [0.0, 1.0], 0.3), ("triang", [1.0], 0.3)),
    *(("skewcauchy", [0.0], 0.3), ("powernorm", [1.0], 0.3), ("genhyperbolic", [0.0, 1.0, 0.0], 0.3)),
    *(("laplace_asymmetric", [1.0], 0.3), ("kappa3", [1.0], 0.3), ("truncnorm", [0.0, 1.0], 0.3)),
    *(("beta", [1.0, 1.0], 0.3), ("gengamma", [1.0, 1.0], 0.3), ("exponpow", [1.0], 0.3)),
]


@pytest.mark.parametrize("method", ["logpdf", "cdf"])
@pytest.mark.parametrize(("name", "shapes", "x"), SPECIAL_SHAPES, ids=lambda p: p if isinstance(p, str) else "")
@quietly
def test_at_special_shapes(name, shapes, x, method):
    shapes, f = np.array(shapes), getattr(getattr(scipy_stats, name), method)
    found = jacobian(lambda s: getattr(getattr(stats, name), method)(x, *s), shapes)
    for i, slope in enumerate(np.ravel(found)):
        sides = []
        for h in (1e-4, -1e-4):
            near, far = shapes.copy(), shapes.copy()
            near[i], far[i] = shapes[i] + h, shapes[i] + 2 * h
            sides.append((4 * f(x, *near) - 3 * f(x, *shapes) - f(x, *far)) / (2 * h))
        np.testing.assert_allclose(slope, np.nanmean(sides), rtol=1e-5, atol=1e-6)


def kappa4_quantile(p, h, k):
    inner = -mp.expm1(h * mp.log(p)) / h if h else -mp.log(p)
    return (1 - inner**k) / k if k else -mp.log(inner)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("kappa4", kappa4_quantile),
        ("genpareto", lambda p, c: ((1 - p) ** -c - 1) / c if c else -mp.log(1 - p)),
        ("genextreme", lambda p, c: (1 - (-mp.log(p)) ** c) / c if c else -mp.log(-mp.log(p))),
        # By the expansion of Cornish and Fisher.
        ("pearson3", lambda p, s: (lambda z: z + (z * z - 1) * s / 6)(mp.sqrt(2) * mp.erfinv(2 * p - 1))),
    ],
)
def test_shapes_at_which_scipy_has_another_formula(name, exact, mode):
    count = getattr(scipy_stats, name).numargs
    p, zeros = np.array([0.23, 0.81]), np.zeros(count)
    found = jacobian(lambda s: getattr(stats, name).ppf(p, *s), zeros, mode=mode)
    with mp.workdps(50):
        h = mp.mpf(10) ** -16

        def slope(q, i):
            values = [exact(mp.mpf(q), *(s * h if j == i else 0 for j in range(count))) for s in (1, -1)]
            return float((values[0] - values[1]) / (2 * h))

        expected = [[slope(q, i) for i in range(count)] for q in p]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_information_of_a_sample():
    x = scipy_stats.gamma.rvs(2.3, scale=1.7, size=50, random_state=0)

    def likelihood(p):
        return -np.sum(stats.gamma.logpdf(x, p[0], scale=p[1]))

    p = np.array([2.3, 1.7])
    trigamma = scipy_stats._continuous_distns.sc.polygamma(1, p[0])
    expected = [
        [50 * trigamma, 50 / p[1]],
        [50 / p[1], 2 * np.sum(x) / p[1] ** 3 - 50 * p[0] / p[1] ** 2],
    ]
    np.testing.assert_allclose(hessian(likelihood, p), expected, rtol=1e-12)


def test_other_methods_refuse_duals_by_name():
    with pytest.raises(NoRuleError, match=r"gamma\.expect"):
        derivative(lambda a: stats.gamma(a).expect(), 2.0)
