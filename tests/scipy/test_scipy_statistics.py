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
