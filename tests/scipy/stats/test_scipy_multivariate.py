"""The multivariate distributions of ``dualdiff.scipy.stats`` and its kernel density estimate."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import derivative, jacobian, value_and_jacobian
from dualdiff.base.errors import NoRuleError

scipy_stats = pytest.importorskip("scipy.stats")

from dualdiff.scipy import stats  # noqa: E402 - needs SciPy

A = np.array([1.0, 1.7, 2.4, 4.1, 3.0, 2.0, 0.7, 1.1])
COV = np.array([[2.0, 0.3], [0.3, 1.0]])
X = np.stack([COV, COV @ COV], axis=-1)
UNIT = np.array([0.6, 0.8, 0.0])


def spread(p):
    """A positive definite matrix."""
    return COV + np.eye(2) * p[0] + 0.1 * p[1] * np.array([[0.0, 1.0], [1.0, 0.0]])


def unit(p):
    return p / np.sqrt(np.sum(p * p))


def frozen(name, method, x, **fixed):
    """A method of a frozen distribution as a function of one parameter."""
    (key,) = [k for k, v in fixed.items() if callable(v)]
    return lambda m, p: getattr(getattr(m, name)(**{**fixed, key: fixed[key](p)}), method)(*x)


PROBES = {
    "normal x": (lambda m, p: m.multivariate_normal.logpdf(np.reshape(p, (4, 2)), [1.0, 2.0], COV), A),
    "normal x, more axes": (lambda m, p: m.multivariate_normal.pdf(np.reshape(p, (2, 2, 2)), [1.0, 2.0], COV), A),
    "normal mean": (lambda m, p: m.multivariate_normal.logpdf([0.3, 0.4], p, COV), A[:2]),
    "normal cov": (lambda m, p: m.multivariate_normal.logpdf([0.3, 0.4], [1.0, 2.0], spread(p)), A[:2]),
    "normal entropy": (lambda m, p: m.multivariate_normal.entropy(cov=spread(p)), A[:2]),
    "normal, one dimension": (lambda m, p: m.multivariate_normal.pdf(p, 0.3, 1.2), A),
    "normal frozen": (frozen("multivariate_normal", "logpdf", ([0.3, 0.4],), mean=lambda p: p, cov=COV), A[:2]),
    "t x": (lambda m, p: m.multivariate_t.logpdf(np.reshape(p, (4, 2)), [1.0, 2.0], COV, 3.3), A),
    "t df": (lambda m, p: m.multivariate_t.pdf([0.3, 0.4], [1.0, 2.0], COV, p[0]), A[:1]),
    "t shape": (lambda m, p: m.multivariate_t.logpdf([0.3, 0.4], [1.0, 2.0], spread(p), 3.3), A[:2]),
    "t entropy": (lambda m, p: m.multivariate_t.entropy(None, spread(p), p[1]), A[1:3]),
    "t frozen": (frozen("multivariate_t", "pdf", ([0.3, 0.4],), loc=[1.0, 2.0], shape=COV, df=lambda p: p[0]), A[:1]),
    "matrix normal": (lambda m, p: m.matrix_normal.logpdf(np.reshape(p, (2, 2, 2)), COV, COV, 0.7), A),
    "matrix normal cov": (lambda m, p: m.matrix_normal.logpdf(X[..., 1], None, spread(p), spread(2 * p)), A[:2]),
    "wishart x": (lambda m, p: m.wishart.logpdf(spread(p), 4.2, COV), A[:2]),
    "wishart parameters": (lambda m, p: m.wishart.logpdf(X, p[1] + 2.0, spread(p)), A[:2]),
    "wishart pdf": (lambda m, p: m.wishart.pdf(X, p[1] + 2.0, COV), A[:2]),
    "wishart entropy": (lambda m, p: m.wishart.entropy(p[1] + 2.0, spread(p)), A[:2]),
    "wishart frozen": (frozen("wishart", "logpdf", (COV,), df=4.0, scale=spread), A[:2]),
    "invwishart x": (lambda m, p: m.invwishart.logpdf(spread(p), 4.2, COV), A[:2]),
    "invwishart parameters": (lambda m, p: m.invwishart.pdf(X, p[1] + 2.0, spread(p)), A[:2]),
    "invwishart entropy": (lambda m, p: m.invwishart.entropy(p[1] + 2.0, spread(p)), A[:2]),
    "dirichlet": (lambda m, p: m.dirichlet.logpdf([0.2, 0.3, 0.5], p), A[:3]),
    "dirichlet x": (lambda m, p: m.dirichlet.logpdf(p / 10, [1.3, 2.0, 0.4]), A[:2]),
    "dirichlet entropy": (lambda m, p: m.dirichlet.entropy(p), A[:3]),
    "dirichlet mean": (lambda m, p: m.dirichlet(p).mean(), A[:3]),
    "multinomial": (lambda m, p: m.multinomial.logpmf([[1, 2, 3], [0, 6, 0]], 6, p / np.sum(p)), A[:3]),
    "multinomial pmf": (lambda m, p: m.multinomial.pmf([1, 2, 3], 6, p / np.sum(p)), A[:3]),
    "multinomial entropy": (lambda m, p: m.multinomial.entropy(6, p / np.sum(p)), A[:3]),
    "multinomial entropy, several": (lambda m, p: m.multinomial.entropy([1, 4], np.stack([p, 2 - p], -1) / 2), A[:2]),
    "multinomial entropy, frozen": (lambda m, p: m.multinomial(5, p / np.sum(p)).entropy(), A[:3]),
    "dirichlet multinomial": (lambda m, p: m.dirichlet_multinomial.logpmf([1, 2, 3], p, 6), A[:3]),
    "vonmises_fisher kappa": (lambda m, p: m.vonmises_fisher.logpdf(UNIT, unit(A[:3]), p[0]), A[:1]),
    "vonmises_fisher x": (lambda m, p: m.vonmises_fisher.pdf(unit(p), UNIT, 1.3), A[:3]),
    "vonmises_fisher entropy": (lambda m, p: m.vonmises_fisher.entropy(UNIT, p[0]), A[:1]),
    "kde points": (lambda m, p: m.gaussian_kde(A)(p), A[:3] + 0.1),
    "kde points, two dimensions": (lambda m, p: m.gaussian_kde(A.reshape(2, 4) ** 1.5)(np.reshape(p, (2, 2))), A[:4]),
    "kde dataset": (lambda m, p: m.gaussian_kde(p).logpdf([1.0, 2.0]), A),
    "kde dataset, Silverman": (lambda m, p: m.gaussian_kde(p, "silverman").pdf([1.0, 2.0]), A),
    "kde weights": (lambda m, p: m.gaussian_kde(A**2, weights=p).evaluate([1.0, 2.0]), A),
    "kde bandwidth": (lambda m, p: m.gaussian_kde(A, p[0]).evaluate([1.0, 2.0]), A[:1]),
}


@pytest.mark.parametrize("name", PROBES)
def test_values_are_scipys_and_derivatives_those_of_differences(name):
    f, p = PROBES[name]
    found_value, found = value_and_jacobian(lambda p: f(stats, p), p)
    assert np.array_equal(found_value, f(scipy_stats, p))
    step = 1e-5 * np.eye(p.size)
    expected = np.stack([(f(scipy_stats, p + h) - f(scipy_stats, p - h)) / 2e-5 for h in step], -1)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(jacobian(lambda p: f(stats, p), p, mode="reverse"), found, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "name", ["normal cov", "t df", "wishart parameters", "dirichlet", "multinomial entropy", "kde dataset"]
)
def test_second_derivatives(name):
    f, p = PROBES[name]
    slope = lambda p: jacobian(lambda p: f(stats, p), p)
    step = 1e-5 * np.eye(p.size)
    expected = np.stack([(slope(p + h) - slope(p - h)) / 2e-5 for h in step], -1)
    np.testing.assert_allclose(jacobian(slope, p), expected, rtol=1e-6, atol=1e-7)


def test_others_are_scipys_and_refuse_duals_by_name():
    assert stats.multivariate_normal([0.0, 0.0], COV).rvs(3, random_state=1).shape == (3, 2)
    assert stats.ortho_group.rvs(3, random_state=1).shape == (3, 3)
    assert stats.multivariate_hypergeom.pmf([1, 1], [3, 3], 2) == scipy_stats.multivariate_hypergeom.pmf(
        [1, 1], [3, 3], 2
    )
    assert stats.gaussian_kde(A).integrate_box_1d(0.0, 1.0) == scipy_stats.gaussian_kde(A).integrate_box_1d(0.0, 1.0)
    with pytest.raises(NoRuleError, match=r"multivariate_hypergeom\.pmf"):
        jacobian(lambda p: stats.multivariate_hypergeom.pmf([1, 1], p, 2), np.array([3.0, 3.0]))
    with pytest.raises(NoRuleError, match=r"multivariate_normal\.cdf"):
        jacobian(lambda a: stats.multivariate_normal.cdf(a, cov=COV), A[:2])
    with pytest.raises(NoRuleError, match=r"multivariate_normal\.rvs"):
        derivative(lambda s: stats.multivariate_normal([0.0, 0.0], s * COV).rvs(), 1.0)
    with pytest.raises(NoRuleError, match="allow_singular"):
        jacobian(lambda a: stats.multivariate_normal.logpdf(a, cov=COV, allow_singular=True), A[:2])
    with pytest.raises(NoRuleError, match=r"gaussian_kde\.integrate_box_1d"):
        jacobian(lambda a: stats.gaussian_kde(a).integrate_box_1d(0.0, 1.0), A)
