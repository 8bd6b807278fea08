"""The statistics of ``scipy.stats`` that are formulas.

Values are SciPy's; derivatives are those of the formulas, written out here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.rules.writing.compositions import evaluated
from dualdiff.scipy.equations import revalued
from dualdiff.scipy.signatures import signed_as
from dualdiff.scipy.stats.random_variables import Distribution
from dualdiff.scipy.stripped import values_of

_scipy = load("scipy.stats", "scipy", "dualdiff.scipy.stats")

#: The functions of this module, by SciPy's names.
STATISTICS: dict[str, Any] = {}


def _statistic(composition: Callable[..., Any]) -> Any:
    """Register a composition for the function of its name; options that it does not know are refused beside duals."""
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
    n, found = a.shape[axis], _moment(a, 3, axis) / _moment(a, 2, axis) ** 1.5
    return found if bias or n < 3 else np.sqrt((n - 1.0) * n) / (n - 2.0) * found


@_statistic
def kurtosis(a: Any, axis: Any = 0, fisher: Any = True, bias: Any = True) -> Any:
    a, axis = _raveled(a, axis)
    n, found = a.shape[axis], _moment(a, 4, axis) / _moment(a, 2, axis) ** 2
    if not bias and n > 3:
        found = 1.0 / (n - 2) / (n - 3) * ((n**2 - 1.0) * found - 3 * (n - 1) ** 2.0) + 3.0
    return found - 3.0 if fisher else found


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


def _correlation(x: Any, y: Any) -> Any:
    x, y = operand(x), operand(y)
    dx, dy = x - np.mean(x), y - np.mean(y)
    return np.sum(dx * dy) / np.sqrt(np.sum(dx * dx) * np.sum(dy * dy))


def pearsonr(x: Any, y: Any, **options: Any) -> Any:
    """As ``scipy.stats.pearsonr``, with derivatives in ``statistic`` and ``pvalue``, of arrays of one dimension.

    The p-value is that of the beta distribution.  For options beside duals a `NoRuleError` is raised.
    """
    found = _scipy.pearsonr(values_of(x), values_of(y), **options)
    if not duals_in((x, y)):
        return found
    if options or np.ndim(x) != 1 or len(x) < 3:
        raise no_rule("scipy.stats.pearsonr", " with options, or of other than arrays of three or more numbers")
    r = _correlation(x, y)
    half = len(x) / 2 - 1
    tail = Distribution(_scipy.beta).sf(np.abs(r), half, half, loc=-1.0, scale=2.0)
    return _Correlation(revalued(r, found.statistic), revalued(2 * tail, found.pvalue), found)


class _Correlation(tuple[Any, ...]):
    """The result of `pearsonr`: a pair with SciPy's names, and what else SciPy's has."""

    def __new__(cls, statistic: Any, pvalue: Any, found: Any) -> _Correlation:
        return super().__new__(cls, (statistic, pvalue))

    def __init__(self, statistic: Any, pvalue: Any, found: Any) -> None:
        self.statistic = self.correlation = statistic
        self.pvalue, self._found = pvalue, found

    def confidence_interval(self, *args: Any, **kwargs: Any) -> Any:
        raise no_rule("scipy.stats.pearsonr: confidence_interval")


def linregress(x: Any, y: Any, **options: Any) -> Any:
    """As ``scipy.stats.linregress``, with derivatives in all of its numbers."""
    found = _scipy.linregress(values_of(x), values_of(y), **options)
    if not duals_in((x, y)):
        return found
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
    return type(found)(
        slope=revalued(slope, found.slope),
        intercept=revalued(intercept, found.intercept),
        rvalue=revalued(r, found.rvalue),
        pvalue=revalued(tail, found.pvalue),
        stderr=revalued(error, found.stderr),
        intercept_stderr=revalued(at, found.intercept_stderr),
    )


STATISTICS |= {"pearsonr": pearsonr, "linregress": linregress}
