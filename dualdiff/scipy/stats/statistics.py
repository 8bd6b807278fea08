"""The statistics of ``scipy.stats`` that are formulas.

Values are SciPy's; derivatives are those of the formulas below.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.rules.writing.compositions import evaluated
from dualdiff.scipy import special
from dualdiff.scipy.solving.equations import revalued
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import values_of
from dualdiff.scipy.stats.random_variables import Distribution

_scipy = load("scipy.stats", "scipy", "dualdiff.scipy.stats")

#: The functions of this module, by SciPy's names.
STATISTICS: dict[str, Any] = {}


def _statistic(composition: Callable[..., Any]) -> Any:
    """Register a composition for the SciPy function of its name; with duals, other options raise."""
    name = composition.__name__
    scipys = getattr(_scipy, name)

    @functools.wraps(composition)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not duals_in((args, kwargs)):
            return scipys(*args, **kwargs)
        policy = kwargs.pop("nan_policy", "propagate")
        if policy != "propagate":
            raise no_rule(f"scipy.stats.{name} with nan_policy={policy!r}")
        return evaluated(function, composition, *args, **kwargs)

    function.__signature__ = signed_as(scipys)(composition).__signature__  # type: ignore[attr-defined]
    function.__doc__ = f"As ``scipy.stats.{name}``, for duals in arrays and weights."
    STATISTICS[name] = function
    return function


def _mean(a: Any, axis: Any) -> Any:
    return np.mean(a, axis=axis, keepdims=True)


def _moment(a: Any, order: int, axis: Any) -> Any:
    """A central moment."""
    return np.mean((a - _mean(a, axis)) ** order, axis=axis)


def _raveled(a: Any, axis: Any) -> tuple[Any, int]:
    a = operand(a)
    return (np.ravel(a), 0) if axis is None else (a, axis)


@_statistic
def zscore(a: Any, axis: Any = 0, ddof: Any = 0) -> Any:
    shape = np.shape(a)
    a, axis = _raveled(a, axis)
    return np.reshape((a - _mean(a, axis)) / np.std(a, axis=axis, ddof=ddof, keepdims=True), shape)


@_statistic
def skew(a: Any, axis: Any = 0, bias: Any = True) -> Any:
    a, axis = _raveled(a, axis)
    n, result = a.shape[axis], _moment(a, 3, axis) / _moment(a, 2, axis) ** 1.5
    return result if bias or n < 3 else np.sqrt((n - 1.0) * n) / (n - 2.0) * result


@_statistic
def kurtosis(a: Any, axis: Any = 0, fisher: Any = True, bias: Any = True) -> Any:
    a, axis = _raveled(a, axis)
    n, result = a.shape[axis], _moment(a, 4, axis) / _moment(a, 2, axis) ** 2
    if not bias and n > 3:
        result = 1.0 / (n - 2) / (n - 3) * ((n**2 - 1.0) * result - 3 * (n - 1) ** 2.0) + 3.0
    return result - 3.0 if fisher else result


def _weighted(a: Any, axis: Any, weights: Any) -> Any:
    if weights is None:
        return np.mean(a, axis=axis)
    return np.average(a, axis=axis, weights=operand(weights))


@_statistic
def gmean(a: Any, axis: Any = 0, dtype: Any = None, weights: Any = None) -> Any:
    a, axis = _raveled(a, axis)
    return np.exp(_weighted(np.log(a), axis, weights))


@_statistic
def hmean(a: Any, axis: Any = 0, dtype: Any = None, *, weights: Any = None) -> Any:
    a, axis = _raveled(a, axis)
    return 1.0 / _weighted(1.0 / a, axis, weights)


@_statistic
def sem(a: Any, axis: Any = 0, ddof: Any = 1) -> Any:
    a, axis = _raveled(a, axis)
    return np.std(a, axis=axis, ddof=ddof) / np.sqrt(a.shape[axis])


@_statistic
def variation(a: Any, axis: Any = 0, ddof: Any = 0) -> Any:
    a, axis = _raveled(a, axis)
    return np.std(a, axis=axis, ddof=ddof) / np.mean(a, axis=axis)


@_statistic
def moment(a: Any, order: Any = 1, axis: Any = 0, *, center: Any = None) -> Any:
    a, axis = _raveled(a, axis)
    return np.mean((a - (_mean(a, axis) if center is None else center)) ** order, axis=axis)


@_statistic
def zmap(scores: Any, compare: Any, axis: Any = 0, ddof: Any = 0) -> Any:
    compare = operand(compare)
    return (operand(scores) - np.mean(compare, axis=axis, keepdims=True)) / np.std(
        compare, axis=axis, ddof=ddof, keepdims=True
    )


@_statistic
def gzscore(a: Any, *, axis: Any = 0, ddof: Any = 0) -> Any:
    shape = np.shape(a)
    a, axis = _raveled(a, axis)
    a = np.log(a)
    return np.reshape((a - _mean(a, axis)) / np.std(a, axis=axis, ddof=ddof, keepdims=True), shape)


@_statistic
def gstd(a: Any, axis: Any = 0, ddof: Any = 1) -> Any:
    a, axis = _raveled(a, axis)
    return np.exp(np.std(np.log(a), axis=axis, ddof=ddof))


@_statistic
def pmean(a: Any, p: Any, *, axis: Any = 0, dtype: Any = None, weights: Any = None) -> Any:
    a, axis = _raveled(a, axis)
    if plain_values(p) == 0:
        return np.exp(_weighted(np.log(a), axis, weights))
    return _weighted(a**p, axis, weights) ** (1.0 / p)


@_statistic
def entropy(pk: Any, qk: Any = None, base: Any = None, axis: Any = 0) -> Any:
    pk, axis = _raveled(pk, axis)
    pk = pk / np.sum(pk, axis=axis, keepdims=True)
    if qk is None:
        result = np.sum(special.entr(pk), axis=axis)
    else:
        qk = operand(qk)
        result = np.sum(special.rel_entr(pk, qk / np.sum(qk, axis=axis, keepdims=True)), axis=axis)
    return result if base is None else result / np.log(base)


# -- order statistics --------------------------------------------------------------------------------------------------
def _of_scale(scale: Any, normal: float) -> Any:
    return normal if isinstance(scale, str) else scale


@_statistic
def iqr(x: Any, axis: Any = None, rng: Any = (25, 75), scale: Any = 1.0, interpolation: Any = "linear") -> Any:
    low, high = np.percentile(operand(x), sorted(rng), axis=axis, method=interpolation)
    return (high - low) / _of_scale(scale, special.ndtri(0.75) - special.ndtri(0.25))


@_statistic
def median_abs_deviation(x: Any, axis: Any = 0, center: Any = None, scale: Any = 1.0) -> Any:
    x, axis = _raveled(x, axis)
    middle = np.expand_dims((center or np.median)(x, axis=axis), axis)
    return np.median(np.abs(x - middle), axis=axis) / _of_scale(scale, special.ndtri(0.75))


@_statistic
def trim_mean(a: Any, proportiontocut: Any, axis: Any = 0) -> Any:
    a, axis = _raveled(a, axis)
    a = np.moveaxis(np.sort(a, axis=axis), axis, -1)
    cut = int(proportiontocut * a.shape[-1])
    return np.mean(a[..., cut : a.shape[-1] - cut], axis=-1)


@_statistic
def differential_entropy(
    values: Any, *, window_length: Any = None, base: Any = None, axis: Any = 0, method: Any = "auto"
) -> Any:
    x = np.sort(np.moveaxis(operand(values), axis, -1), axis=-1)
    n = x.shape[-1]
    m = int(np.sqrt(n) + 0.5) if window_length is None else window_length
    method = method.lower()
    if method == "auto":
        method = "van es" if n <= 10 else "ebrahimi" if n <= 1000 else "vasicek"
    result = _spacings(x, n, m, method)
    return result if base is None else result / np.log(base)


def _spacings(x: Any, n: int, m: int, method: str) -> Any:
    """The estimates of the entropy from distances between order statistics."""
    if method == "van es":
        logs = np.log((n + 1) / m * (x[..., m:] - x[..., :-m]))
        return np.sum(logs, axis=-1) / (n - m) + np.sum(1.0 / np.arange(m, n + 1)) + np.log(m) - np.log(n + 1)
    i = np.arange(1, n + 1)
    padded = x[..., np.clip(np.arange(-m, n + m), 0, n - 1)]
    if method == "correa":
        offsets = np.arange(-m, m + 1)[:, None]
        near = padded[..., i + offsets + m - 1]
        near = near - np.mean(near, axis=-2, keepdims=True)
        slope = np.sum(near * offsets, axis=-2) / (n * np.sum(near * near, axis=-2))
        return -np.mean(np.log(slope), axis=-1)
    widths = np.full(n, 2.0)
    if method == "ebrahimi":
        widths = np.where(i <= m, 1.0 + (i - 1) / m, np.where(i >= n - m + 1, 1.0 + (n - i) / m, 2.0))
    return np.mean(np.log(n / (widths * m) * (padded[..., 2 * m :] - padded[..., : -2 * m])), axis=-1)


def _cumulative(values: Any, weights: Any, at: Any) -> Any:
    """The empirical distribution function at sorted points."""
    order = np.argsort(plain_values(values))
    counts = np.searchsorted(plain_values(values)[order], at, "right")
    if weights is None:
        return counts / len(order)
    sums = np.concatenate([[0.0], np.cumsum(operand(weights)[order])])
    return sums[counts] / sums[-1]


def _distance(u: Any, v: Any, u_weights: Any, v_weights: Any, power: int) -> Any:
    u, v = operand(u), operand(v)
    both = np.sort(np.concatenate([u, v]), kind="mergesort")
    at = plain_values(both)[:-1]
    apart = np.abs(_cumulative(u, u_weights, at) - _cumulative(v, v_weights, at))
    return np.sum(apart**power * np.diff(both)) ** (1.0 / power)


@_statistic
def wasserstein_distance(u_values: Any, v_values: Any, u_weights: Any = None, v_weights: Any = None) -> Any:
    return _distance(u_values, v_values, u_weights, v_weights, 1)


@_statistic
def energy_distance(u_values: Any, v_values: Any, u_weights: Any = None, v_weights: Any = None) -> Any:
    return np.sqrt(2.0) * _distance(u_values, v_values, u_weights, v_weights, 2)


# -- tests and regressions ---------------------------------------------------------------------------------------------
class TestResult(tuple[Any, ...]):
    """The result of a test: a pair with SciPy's names; other attributes of SciPy's result raise."""

    __test__ = False

    def __new__(cls, name: str, result: Any, statistic: Any, pvalue: Any, **more: Any) -> TestResult:
        return super().__new__(cls, (revalued(statistic, result.statistic), revalued(pvalue, result.pvalue)))

    def __init__(self, name: str, result: Any, statistic: Any, pvalue: Any, **more: Any) -> None:
        self._name, self._found = name, result
        self.statistic, self.pvalue = self
        for key, x in more.items():
            setattr(self, key, revalued(x, getattr(result, key)))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        getattr(self._found, name)
        raise no_rule(f"scipy.stats.{self._name}: {name}")


def _tail(distribution: Any, alternative: str, statistic: Any, *shapes: Any) -> Any:
    """The p-value of a statistic whose distribution is symmetric."""
    if alternative == "less":
        return distribution.cdf(statistic, *shapes)
    if alternative == "greater":
        return distribution.sf(statistic, *shapes)
    return 2.0 * distribution.sf(np.abs(statistic), *shapes)


def _test(formula: Callable[..., Any]) -> Any:
    """Register a t-test by a formula for the statistic and the degrees of freedom."""
    name = formula.__name__
    scipys = getattr(_scipy, name)

    @functools.wraps(formula)
    def function(*args: Any, **kwargs: Any) -> Any:
        result = scipys(*map(values_of, args), **{k: values_of(v) for k, v in kwargs.items()})
        if not duals_in((args, kwargs)):
            return result
        alternative = kwargs.pop("alternative", "two-sided")
        accepted = inspect.signature(formula).parameters
        options = {k: v for k, v in kwargs.items() if k not in accepted}
        if len(args) > len(accepted) or any(
            v is not None and v not in ("propagate", 0, False) for v in options.values()
        ):
            raise no_rule(f"scipy.stats.{name} with {', '.join(options) or 'options passed positionally'}")
        statistic, df = formula(*args, **{k: v for k, v in kwargs.items() if k in accepted})
        pvalue = _tail(Distribution(_scipy.t), alternative, statistic, df)
        return TestResult(name, result, statistic, pvalue, df=df)

    function.__signature__ = inspect.signature(scipys)  # type: ignore[attr-defined]
    function.__doc__ = f"As ``scipy.stats.{name}``, with derivatives of ``statistic``, ``pvalue`` and ``df``."
    STATISTICS[name] = function
    return function


def _mean_and_variance(a: Any, axis: Any) -> tuple[Any, Any, int]:
    a, axis = _raveled(a, axis)
    return np.mean(a, axis=axis), np.var(a, axis=axis, ddof=1), a.shape[axis]


@_test
def ttest_1samp(a: Any, popmean: Any, axis: Any = 0) -> Any:
    mean, variance, n = _mean_and_variance(a, axis)
    return (mean - popmean) / np.sqrt(variance / n), n - 1


@_test
def ttest_rel(a: Any, b: Any, axis: Any = 0) -> Any:
    mean, variance, n = _mean_and_variance(operand(a) - operand(b), axis)
    return mean / np.sqrt(variance / n), n - 1


@_test
def ttest_ind(a: Any, b: Any, axis: Any = 0, equal_var: Any = True) -> Any:
    (mean_a, var_a, n_a), (mean_b, var_b, n_b) = _mean_and_variance(a, axis), _mean_and_variance(b, axis)
    if equal_var:
        df: Any = n_a + n_b - 2.0
        error = ((n_a - 1) * var_a + (n_b - 1) * var_b) / df * (1.0 / n_a + 1.0 / n_b)
    else:
        part_a, part_b = var_a / n_a, var_b / n_b
        error = part_a + part_b
        df = error**2 / (part_a**2 / (n_a - 1) + part_b**2 / (n_b - 1))
    return (mean_a - mean_b) / np.sqrt(error), df


def _correlation(x: Any, y: Any) -> Any:
    x, y = operand(x), operand(y)
    dx, dy = x - np.mean(x), y - np.mean(y)
    return np.sum(dx * dy) / np.sqrt(np.sum(dx * dx) * np.sum(dy * dy))


def pearsonr(x: Any, y: Any, **options: Any) -> Any:
    """As ``scipy.stats.pearsonr``, with derivatives of ``statistic`` and ``pvalue``, for one-dimensional arrays.

    The p-value is that of the beta distribution.  Options raise `NoRuleError` for duals.
    """
    result = _scipy.pearsonr(values_of(x), values_of(y), **options)
    if not duals_in((x, y)):
        return result
    if options or np.ndim(x) != 1 or len(x) < 3:
        raise no_rule(
            "scipy.stats.pearsonr", " with options, or of other than one-dimensional arrays of three or more elements"
        )
    r = _correlation(x, y)
    half = len(x) / 2 - 1
    tail = Distribution(_scipy.beta).sf(np.abs(r), half, half, loc=-1.0, scale=2.0)
    return TestResult("pearsonr", result, r, 2 * tail, correlation=r)


def linregress(x: Any, y: Any, **options: Any) -> Any:
    """As ``scipy.stats.linregress``, with derivatives of all its results."""
    result = _scipy.linregress(values_of(x), values_of(y), **options)
    if not duals_in((x, y)):
        return result
    if options:
        raise no_rule("scipy.stats.linregress with options")
    x, y = operand(x), operand(y)
    n = len(plain_values(x))
    dx, dy = x - np.mean(x), y - np.mean(y)
    slope = np.sum(dx * dy) / np.sum(dx * dx)
    intercept = np.mean(y) - slope * np.mean(x)
    r = _correlation(x, y)
    rest = dy - slope * dx
    error = np.sqrt(np.sum(rest * rest) / (n - 2) / np.sum(dx * dx))
    at = error * np.sqrt(np.mean(x * x))
    tail = 2 * Distribution(_scipy.t).sf(np.abs(slope / error), n - 2)
    return type(result)(
        slope=revalued(slope, result.slope),
        intercept=revalued(intercept, result.intercept),
        rvalue=revalued(r, result.rvalue),
        pvalue=revalued(tail, result.pvalue),
        stderr=revalued(error, result.stderr),
        intercept_stderr=revalued(at, result.intercept_stderr),
    )


STATISTICS |= {"pearsonr": pearsonr, "linregress": linregress}
