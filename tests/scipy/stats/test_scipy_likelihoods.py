"""``dualdiff.scipy.stats``: samples, likelihoods and fits as functions of parameters and data."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from dualdiff import derivative, gradient, hessian, jacobian, value_and_jacobian
from dualdiff.base.errors import NoRuleError, UndefinedDerivativeWarning

scipy_stats = pytest.importorskip("scipy.stats")

from dualdiff.scipy import stats  # noqa: E402 - needs SciPy

SAMPLE = scipy_stats.gamma.rvs(2.3, scale=1.7, size=60, random_state=0)


# -- samples -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "shapes"),
    [("norm", []), ("gamma", [2.3]), ("beta", [2.1, 0.7]), ("t", [3.3]), ("vonmises", [2.0]), ("genextreme", [0.1])],
)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_samples_keep_their_probability(name, shapes, mode):
    v = np.array([*shapes, 0.3, 1.7])

    def draw(module, v):
        return getattr(module, name).rvs(*v[:-2], loc=v[-2], scale=v[-1], size=(2, 3), random_state=1)

    value, found = value_and_jacobian(functools.partial(draw, stats), v, mode=mode)
    assert np.array_equal(value, draw(scipy_stats, v))
    d = getattr(stats, name)
    along = jacobian(lambda v: d.cdf(value, *v[:-2], loc=v[-2], scale=v[-1]), v)
    density = d.pdf(value, *shapes, loc=0.3, scale=1.7)[..., None]
    np.testing.assert_allclose(found, -along / density, rtol=1e-9, atol=1e-10)


def test_samples_of_frozen_distributions_and_with_a_positional_size():
    found = derivative(lambda s: stats.norm(loc=1.0, scale=s).rvs(size=3, random_state=1), 2.0)
    np.testing.assert_allclose(found, scipy_stats.norm.rvs(size=3, random_state=1))
    found = derivative(lambda m: stats.norm.rvs(m, 2.0, 3, random_state=1), 0.5)
    np.testing.assert_allclose(found, np.ones(3))


def test_second_derivatives_of_samples():
    def draw(v):
        return stats.weibull_min.rvs(v[0], scale=v[1], size=4, random_state=2)

    v = np.array([1.3, 2.0])
    u = scipy_stats.weibull_min.cdf(scipy_stats.weibull_min.rvs(1.3, scale=2.0, size=4, random_state=2), 1.3, scale=2.0)
    expected = hessian(lambda v: v[1] * (-np.log1p(-u)) ** (1 / v[0]), v)
    np.testing.assert_allclose(hessian(draw, v), expected, rtol=1e-8)


def test_discrete_samples_refuse():
    with pytest.raises(NoRuleError, match=r"poisson\.rvs .*integers"):
        derivative(lambda mu: np.sum(stats.poisson.rvs(mu, size=3)), 2.0)


# -- likelihoods -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_negative_log_likelihood(mode):
    theta = np.array([2.3, 0.0, 1.7])
    value, found = value_and_jacobian(lambda t: stats.gamma.nnlf(t, SAMPLE), theta, mode=mode)
    assert value == scipy_stats.gamma.nnlf(theta, SAMPLE)
    h = 1e-6 * np.eye(3)
    expected = [
        (scipy_stats.gamma.nnlf(theta + e, SAMPLE) - scipy_stats.gamma.nnlf(theta - e, SAMPLE)) / 2e-6 for e in h
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with pytest.raises(NoRuleError, match=r"gamma\.nnlf .* inf"):
        gradient(lambda t: stats.gamma.nnlf(t, SAMPLE), np.array([2.3, 5.0, 1.7]))


FITS = {
    "norm": {},
    "gamma": {"floc": 0.0},
    "weibull_min": {"floc": 0.0},
    "lognorm": {"floc": 0.0},
    "gumbel_r": {},
    "logistic": {},
    "t": {"f0": 5.0},
}


@pytest.mark.parametrize("name", FITS)
def test_fits_as_functions_of_the_data(name):
    distribution, options, x = getattr(stats, name), FITS[name], SAMPLE
    values = getattr(scipy_stats, name).fit(x, **options)
    seen = distribution.fit(x, **options)
    assert seen == values

    def fitted(x):
        found = distribution.fit(x, **options)
        assert tuple(float(f.value) if hasattr(f, "value") else f for f in found) == values
        return np.stack([f + 0.0 * x[0] for f in found])

    found = jacobian(fitted, x)
    fixed = {"loc": "floc" in options, "scale": False}
    free = [i for i, n in enumerate([*(distribution.shapes or "").split(","), "loc", "scale"][-len(values) :])
            if not fixed.get(n, "f0" in options)]  # fmt: skip
    theta = np.array(values)
    matrix = hessian(lambda t: distribution.nnlf(t, x), theta)[np.ix_(free, free)]
    mixed = jacobian(lambda x: gradient(lambda t: distribution.nnlf(t, x), theta), x)[free]
    np.testing.assert_allclose(found[free], -np.linalg.solve(matrix, mixed), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.delete(found, free, axis=0), 0.0)


def test_the_fit_of_a_normal_distribution_is_mean_and_deviation():
    found = jacobian(lambda x: np.stack(stats.norm.fit(x)), SAMPLE)
    expected = jacobian(lambda x: np.stack([np.mean(x), np.std(x)]), SAMPLE)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_fit_at_a_bound_has_no_derivative():
    with pytest.warns(UndefinedDerivativeWarning, match=r"expon\.fit"):
        found = jacobian(lambda x: np.stack(stats.expon.fit(x)), SAMPLE)
    assert np.all(np.isnan(found))
    with pytest.raises(NoRuleError, match="method='MM'"):
        jacobian(lambda x: np.stack(stats.gamma.fit(x, method="MM")), SAMPLE)


# -- information -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("distribution", [stats.gamma, scipy_stats.gamma])
def test_information_and_covariance_at_a_fit(distribution):
    params = scipy_stats.gamma.fit(SAMPLE, floc=0)
    information = stats.fit_information(distribution, params, SAMPLE, floc=0)
    a, _, scale = params
    n, trigamma = len(SAMPLE), scipy_stats._continuous_distns.sc.polygamma(1, a)
    expected = np.zeros((3, 3))
    expected[np.ix_([0, 2], [0, 2])] = [
        [n * trigamma, n / scale],
        [n / scale, 2 * np.sum(SAMPLE) / scale**3 - n * a / scale**2],
    ]
    np.testing.assert_allclose(information, expected, rtol=1e-12)
    covariance = stats.fit_covariance(distribution, params, SAMPLE, floc=0)
    np.testing.assert_allclose(covariance, np.linalg.pinv(expected), rtol=1e-9, atol=1e-15)


def test_the_covariance_away_from_a_maximum_is_nan():
    with pytest.warns(UndefinedDerivativeWarning, match="not positive definite"):
        assert np.all(np.isnan(stats.fit_covariance(stats.cauchy, (30.0, 0.1), SAMPLE)))
    with pytest.raises(ValueError, match=r"params must be \(a, loc, scale\)"):
        stats.fit_covariance(stats.gamma, (1.0, 2.0), SAMPLE)


def test_standard_errors_as_functions_of_the_data():
    def error(x):
        mean, deviation = stats.norm.fit(x)
        return np.sqrt(stats.fit_covariance(stats.norm, (mean, deviation), x)[0, 0])

    expected = gradient(lambda x: np.std(x) / np.sqrt(len(SAMPLE)), SAMPLE)
    np.testing.assert_allclose(gradient(error, SAMPLE), expected, rtol=1e-8, atol=1e-12)
