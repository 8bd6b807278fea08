"""The statistics of ``dualdiff.scipy.stats`` that are formulas, against SciPy's values and differences."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import jacobian, value_and_jacobian
from dualdiff.base.errors import NoRuleError

scipy_stats = pytest.importorskip("scipy.stats")

from dualdiff.scipy import stats  # noqa: E402 - needs SciPy

A = np.array([1.0, 1.7, 2.4, 4.1, 3.0, 2.0, 0.7, 1.1])
X = np.linspace(0.0, 2.0, 8) ** 1.5

PROBES = {
    "zscore": (lambda m, p: m.zscore(p), A),
    "zscore, ddof": (lambda m, p: m.zscore(np.reshape(p, (2, 4)), axis=1, ddof=1), A),
    "zscore, all": (lambda m, p: m.zscore(np.reshape(p, (2, 4)), axis=None), A),
    "skew": (lambda m, p: m.skew(p), A),
    "skew, unbiased": (lambda m, p: m.skew(p, bias=False), A),
    "kurtosis": (lambda m, p: m.kurtosis(p), A),
    "kurtosis, unbiased": (lambda m, p: m.kurtosis(p, bias=False), A),
    "kurtosis, Pearson": (lambda m, p: m.kurtosis(np.reshape(p, (4, 2)), fisher=False), A),
    "gmean": (lambda m, p: m.gmean(p), A),
    "gmean, weights": (lambda m, p: m.gmean(A, weights=p), A),
    "hmean": (lambda m, p: m.hmean(p), A),
    "sem": (lambda m, p: m.sem(p), A),
    "variation": (lambda m, p: m.variation(p), A),
    "moment": (lambda m, p: m.moment(np.reshape(p, (2, 4)), 3, axis=1), A),
    "moment about a center": (lambda m, p: m.moment(p, 2, center=p[0]), A),
    "zmap": (lambda m, p: m.zmap(p[:3], p[2:]), A),
    "gzscore": (lambda m, p: m.gzscore(p), A),
    "gstd": (lambda m, p: m.gstd(p), A),
    "pmean": (lambda m, p: m.pmean(p, 2.5), A),
    "pmean, exponent": (lambda m, p: m.pmean(A, p[0]), A[1:2]),
    "entropy": (lambda m, p: m.entropy(p), A),
    "entropy, relative": (lambda m, p: m.entropy(A + 1.0, p, base=2), A),
    "iqr": (lambda m, p: m.iqr(p, rng=(20, 70)), A),
    "iqr, normal": (lambda m, p: m.iqr(p, scale="normal"), A),
    "median_abs_deviation": (lambda m, p: m.median_abs_deviation(p, scale="normal"), A**1.3),
    "median_abs_deviation, mean": (lambda m, p: m.median_abs_deviation(p, center=np.mean), A**1.3),
    "trim_mean": (lambda m, p: m.trim_mean(p, 0.2), A),
    **{
        f"differential_entropy, {method}": (lambda m, p, method=method: m.differential_entropy(p, method=method), A)
        for method in ("auto", "vasicek", "van es", "ebrahimi", "correa")
    },
    "wasserstein_distance": (lambda m, p: m.wasserstein_distance(p[:5], p[5:] + 0.05), A),
    "wasserstein_distance, weights": (lambda m, p: m.wasserstein_distance(A, X + 0.05, p, A), A),
    "energy_distance": (lambda m, p: m.energy_distance(p[:5], p[5:] + 0.05), A),
    **{
        f"{test}, {field}, {alternative}": (
            lambda m, p, f=f, field=field, alternative=alternative: getattr(f(m, p, alternative), field),
            A,
        )
        for test, f in {
            "ttest_1samp": lambda m, p, a: m.ttest_1samp(p, 1.5, alternative=a),
            "ttest_rel": lambda m, p, a: m.ttest_rel(p, X, alternative=a),
            "ttest_ind": lambda m, p, a: m.ttest_ind(p[:5], p[5:], alternative=a),
            "Welch": lambda m, p, a: m.ttest_ind(p[:5], p[5:], equal_var=False, alternative=a),
        }.items()
        for field, alternative in [
            ("statistic", "two-sided"),
            *(("pvalue", a) for a in ("two-sided", "less", "greater")),
        ]
    },
    "Welch, df": (lambda m, p: m.ttest_ind(p[:5], p[5:], equal_var=False).df, A),
    "ttest_ind along an axis": (
        lambda m, p: m.ttest_ind(np.reshape(p, (2, 4)), np.reshape(A**2, (2, 4)), axis=1)[1],
        A,
    ),
    "pearsonr": (lambda m, p: m.pearsonr(X, p).statistic, A),
    "pearsonr, p-value": (lambda m, p: m.pearsonr(p, X)[1], A),
    **{
        f"linregress {name}": (lambda m, p, name=name: getattr(m.linregress(X, p), name), A)
        for name in ("slope", "intercept", "rvalue", "pvalue", "stderr", "intercept_stderr")
    },
    "linregress in x": (lambda m, p: m.linregress(p, A).slope, X),
}


@pytest.mark.parametrize("name", PROBES)
def test_values_are_scipys_and_derivatives_those_of_differences(name):
    f, p = PROBES[name]
    value, found = value_and_jacobian(lambda p: f(stats, p), p)
    assert np.array_equal(value, f(scipy_stats, p))
    step = 1e-6 * np.eye(p.size)
    expected = np.stack([(f(scipy_stats, p + h) - f(scipy_stats, p - h)) / 2e-6 for h in step], -1)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(jacobian(lambda p: f(stats, p), p, mode="reverse"), found, rtol=1e-10, atol=1e-13)


def test_other_functions_refuse_duals_by_name():
    with pytest.raises(NoRuleError, match="kstest"):
        jacobian(lambda a: stats.kstest(a, "norm"), A)
    with pytest.raises(NoRuleError, match="nan_policy"):
        jacobian(lambda a: stats.skew(a, nan_policy="omit"), A)
