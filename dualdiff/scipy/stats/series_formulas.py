"""Formulas for distributions that SciPy evaluates in compiled code or by branches: series and removable singularities.

The range of a sum depends on the values alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.drivers.derivative import derivative
from dualdiff.rules.scipy.special import SPECIAL
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.scipy import special
from dualdiff.scipy.stats.formulas import further

_log1p_quotient = SPECIAL.names["log1p_quotient"]
#: A sum over a Poisson distribution extends this many standard deviations, plus so many counts, to both sides.
DEVIATIONS, COUNTS = 9.0, 30.0
#: The largest number of terms.
MANY_TERMS = 200_000


def column(a: Any) -> Any:
    """The array with a new last axis, to sum over."""
    a = operand(a)
    return np.reshape(a, (*np.shape(a), 1))


def log_sum(exponents: Any) -> Any:
    """The logarithm of the sum of exponentials along the last axis."""
    largest = np.max(plain_values(exponents), axis=-1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    return np.log(np.sum(np.exp(exponents - largest), axis=-1)) + largest[..., 0]


# -- Poisson mixtures --------------------------------------------------------------------------------------------------
def _counts(first: Any, last: Any, deviation: Any) -> Any:
    """The counts from first to last and around them whose terms are not negligible."""
    width = DEVIATIONS * deviation + COUNTS
    low = np.floor(np.maximum(first - width, 0.0))
    size = np.max(last + width - low, initial=0.0)
    if not size < MANY_TERMS:
        raise ValueError("too many terms")
    return low[..., None] + np.arange(int(size) + 1.0)


def _poisson(j: Any, mean: Any) -> Any:
    """The logarithm of the Poisson distribution, with a derivative in the mean at 0 too."""
    mean = mean + 1e-290
    return special.xlogy(j, mean) - mean - special.gammaln(j + 1.0)


def _ncx2_counts(x: Any, df: Any, nc: Any) -> tuple[Any, Any, Any]:
    """The mode of the terms of the density, the Poisson mean, and a bound of the standard deviation of both."""
    x, df, nc = map(plain_values, (x, df, nc))
    mode = 0.5 * (np.sqrt((0.5 * df) ** 2 + nc * x) - 0.5 * df)
    spread = np.maximum(mode, 0.5 * nc)
    return mode, 0.5 * nc + 0.0 * mode, np.sqrt(spread)


@further("ncx2_gen", "_logpdf")
def _ncx2_logpdf(x: Any, df: Any, nc: Any) -> Any:
    mode, _, deviation = _ncx2_counts(x, df, nc)
    j = _counts(mode, mode, deviation)
    x, half, mean = column(x), column(df) / 2.0 + j, column(nc) / 2.0
    return log_sum(_poisson(j, mean) + special.xlogy(half - 1.0, x / 2.0) - x / 2.0 - special.gammaln(half)) - math.log(
        2
    )


def _ncx2_sum(of_gamma: Callable[..., Any]) -> Callable[..., Any]:
    def method(x: Any, df: Any, nc: Any) -> Any:
        mode, mean, deviation = _ncx2_counts(x, df, nc)
        j = _counts(np.minimum(mode, mean), np.maximum(mode, mean), deviation)
        return np.sum(np.exp(_poisson(j, column(nc) / 2.0)) * of_gamma(column(df) / 2.0 + j, column(x) / 2.0), axis=-1)

    return method


further("ncx2_gen", "_cdf")(_ncx2_sum(special.gammainc))
further("ncx2_gen", "_sf")(_ncx2_sum(special.gammaincc))


def _ncf_counts(u: Any, a: Any, b: Any, mean: Any) -> tuple[Any, Any]:
    """The mode of the terms of the density, and a bound of their standard deviation."""
    u, a, b, mean = map(plain_values, (u, a, b, mean))
    root = a - mean * u
    mode = 0.5 * (np.sqrt(root**2 + 4 * mean * u * (a + b)) - root)
    return mode, np.sqrt(np.maximum(mode, mean) * (1.0 + np.maximum(mode, mean) / (a + b)))


def _ncf_parts(x: Any, dfn: Any, dfd: Any, nc: Any) -> tuple[Any, ...]:
    x, dfn, dfd, nc = map(operand, (x, dfn, dfd, nc))
    whole = dfd + dfn * x
    return dfn * x / whole, dfd / whole, dfn / 2.0, dfd / 2.0, nc / 2.0


@further("ncf_gen", "_logpdf")
def _ncf_logpdf(x: Any, dfn: Any, dfd: Any, nc: Any) -> Any:
    u, v, a, b, mean = _ncf_parts(x, dfn, dfd, nc)
    mode, deviation = _ncf_counts(u, a, b, mean)
    j = _counts(mode, mode, deviation)
    power, last = column(a) + j, column(b)
    betas = special.xlogy(power - 1.0, column(u)) - special.betaln(power, last)
    return log_sum(_poisson(j, column(mean)) + betas) + (b + 1.0) * np.log(v) + np.log(dfn / dfd)


def _ncf_sum(of_beta: Callable[..., Any]) -> Callable[..., Any]:
    def method(x: Any, dfn: Any, dfd: Any, nc: Any) -> Any:
        u, _, a, b, mean = _ncf_parts(x, dfn, dfd, nc)
        mode, deviation = _ncf_counts(u, a, b, mean)
        center = plain_values(mean) + 0.0 * mode
        j = _counts(np.minimum(mode, center), np.maximum(mode, center), deviation)
        return np.sum(np.exp(_poisson(j, column(mean))) * of_beta(column(a) + j, column(b), column(u)), axis=-1)

    return method


further("ncf_gen", "_cdf")(_ncf_sum(special.betainc))
further("ncf_gen", "_sf")(_ncf_sum(special.betaincc))


# -- limits of the shape parameters at zero ----------------------------------------------------------------------------
def _log1p_over(c: Any, x: Any) -> Any:
    """``log(1 + c x) / c``, regular at c = 0."""
    return x * _log1p_quotient(c * x, 0)


@further("genpareto_gen", "_logpdf")
def _genpareto_logpdf(x: Any, c: Any) -> Any:
    return -(c + 1.0) * _log1p_over(c, x)


@further("genextreme_gen", "_logpdf")
def _genextreme_logpdf(x: Any, c: Any) -> Any:
    y = -_log1p_over(-c, x)
    return y - np.exp(y) - np.log1p(-c * x)


@further("genextreme_gen", "_cdf")
def _genextreme_cdf(x: Any, c: Any) -> Any:
    return np.exp(-np.exp(-_log1p_over(-c, x)))


@further("genextreme_gen", "_sf")
def _genextreme_sf(x: Any, c: Any) -> Any:
    return -np.expm1(-np.exp(-_log1p_over(-c, x)))


def _kappa4(x: Any, h: Any, k: Any) -> tuple[Any, Any, Any]:
    """The logarithms of ``(1 - k x)**(1 / k)`` and of the distribution function, and ``h (1 - k x)**(1 / k)``."""
    inner = -_log1p_over(-k, x)
    power = np.exp(inner)
    return inner, -_log1p_over(-h, power), h * power


@further("kappa4_gen", "_logpdf")
def _kappa4_logpdf(x: Any, h: Any, k: Any) -> Any:
    inner, log_cdf, product = _kappa4(x, h, k)
    return inner - np.log1p(-k * x) + log_cdf - np.log1p(-product)


@further("kappa4_gen", "_cdf")
def _kappa4_cdf(x: Any, h: Any, k: Any) -> Any:
    return np.exp(_kappa4(x, h, k)[1])


@further("kappa4_gen", "_sf")
def _kappa4_sf(x: Any, h: Any, k: Any) -> Any:
    return -np.expm1(_kappa4(x, h, k)[1])


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_HALVES = 0.5 * (1.0 + _NODES)


def _second_log1p_quotient(w: Any) -> Any:
    """``(log(1 + w) - w) / w**2``, regular at 0: minus the integral of ``t / (1 + w t)`` from 0 to 1."""
    small = np.abs(plain_values(w)) < 0.3
    near = -np.sum(0.5 * _WEIGHTS * _HALVES / (1.0 + column(np.where(small, w, 0.0)) * _HALVES), axis=-1)
    far = np.where(small, 1.0, w)
    return np.where(small, near, (_log1p_quotient(far, 0) - 1.0) / far)


def _stirling_remainder(inverse: Any) -> Any:
    """The remainder of Stirling's formula for gammaln(1 / inverse)."""
    small = plain_values(inverse) < 0.02
    q = np.where(small, inverse, 0.0)
    series = q * (1 / 12 + q * q * (-1 / 360 + q * q * (1 / 1260 + q * q * (-1 / 1680 + q * q / 1188))))
    a = 1.0 / np.where(small, 1.0, inverse)
    rest = special.gammaln(a) - (a - 0.5) * np.log(a) + a - 0.5 * math.log(2 * math.pi)
    return np.where(small, series, rest)


@further("pearson3_gen", "_logpdf")
def pearson3_logpdf(x: Any, skew: Any) -> Any:
    w = 0.5 * skew * x
    inside = plain_values(w) > -1.0
    w, x = np.where(inside, w, 0.0), np.where(inside, x, 0.0)
    result = x * x * _second_log1p_quotient(w) - np.log1p(w) - _stirling_remainder(0.25 * skew * skew)
    return np.where(inside, result - 0.5 * math.log(2 * math.pi), -np.inf)


_LOG_2PI = math.log(2 * math.pi)


@further("skewnorm_gen", "_logpdf")
def _skewnorm_logpdf(x: Any, a: Any) -> Any:
    return math.log(2) - 0.5 * (_LOG_2PI + x * x) + special.log_ndtr(a * x)


@further("skewnorm_gen", "_cdf")
def _skewnorm_cdf(x: Any, a: Any) -> Any:
    return special.ndtr(x) - 2.0 * special.owens_t(x, a)


@further("skewnorm_gen", "_sf")
def _skewnorm_sf(x: Any, a: Any) -> Any:
    return special.ndtr(-x) + 2.0 * special.owens_t(x, a)


# -- piecewise polynomials, whose shape parameter is an integer --------------------------------------------------------
def _integer(n: Any) -> int:
    """The shape parameter, which must be the same for all elements."""
    n = np.unique(plain_values(n))
    if n.size != 1:
        raise ValueError("several integers")
    return int(n[0])


def _b_spline(x: Any, n: int) -> Any:
    """The density of the sum of n uniform variables, by the recurrence of B-splines."""
    plain = plain_values(x)
    pieces: list[Any] = [np.where((plain >= i) & (plain < i + 1), 1.0, 0.0) for i in range(n)]
    for k in range(2, n + 1):
        pieces = [((x - i) * pieces[i] + (k + i - x) * pieces[i + 1]) / (k - 1) for i in range(n - k + 1)]
    return pieces[0]


@further("irwinhall_gen", "_pdf")
def _irwinhall_pdf(x: Any, n: Any) -> Any:
    return _b_spline(x, _integer(n))


@further("irwinhall_gen", "_cdf")
def _irwinhall_cdf(x: Any, n: Any) -> Any:
    n = _integer(n)
    return sum(_b_spline(x - k, n + 1) for k in range(n + 1))


@further("irwinhall_gen", "_sf")
def _irwinhall_sf(x: Any, n: Any) -> Any:
    return _irwinhall_cdf(_integer(n) - x, n)


@further("ksone_gen", "_pdf")
def _ksone_pdf(x: Any, n: Any) -> Any:
    n = _integer(n)
    j = np.arange(float(n))
    x = column(x)
    rest = 1.0 - x - j / n
    inside = plain_values(rest) > 0
    rest, first = np.where(inside, rest, 1.0), x + j / n
    binomial = special.gammaln(n + 1.0) - special.gammaln(j + 1.0) - special.gammaln(n - j + 1.0)
    term = np.exp(binomial + (j - 1.0) * np.log(first) + (n - j) * np.log(rest))
    slope = x * ((n - j) / rest - (j - 1.0) / first) - 1.0
    return np.sum(np.where(inside, term * slope, 0.0), axis=-1)


def _two_sided(d: Any, n: int) -> Any:
    """The distribution function of the two-sided statistic: a matrix power (Durbin; Marsaglia, Tsang and Wang 2003)."""
    k = math.ceil(n * plain_values(d))
    m, h = 2 * k - 1, k - n * d
    orders = np.arange(1.0, m + 1)
    factorials = special.gamma(orders + 1.0)
    below = np.arange(m)[:, None] - np.arange(m) + 1.0
    matrix = np.where(below >= 0, 1.0 / special.gamma(np.maximum(below, 0.0) + 1.0), 0.0)
    edge = h**orders / factorials
    corner = np.maximum(2.0 * h - 1.0, 0.0) ** m / factorials[-1]
    first, last = np.eye(m)[0], np.eye(m)[-1]
    matrix = matrix - edge[:, None] * first - last[:, None] * edge[::-1] + corner * last[:, None] * first
    power = np.linalg.matrix_power(matrix, n)[k - 1, k - 1]
    return power * math.exp(math.lgamma(n + 1.0) - n * math.log(n))


@further("kstwo_gen", "_pdf")
def _kstwo_pdf(x: Any, n: Any) -> Any:
    n, x = _integer(n), operand(x)
    if n > 300:
        raise ValueError("too large a matrix power")
    return np.stack([derivative(lambda d: _two_sided(d, n), x[i]) for i in range(len(x))])


# -- a Fourier series --------------------------------------------------------------------------------------------------
@further("vonmises_gen", "_cdf")
def _vonmises_cdf(x: Any, kappa: Any) -> Any:
    largest = np.max(plain_values(kappa), initial=0.0)
    if largest > 1e6:
        raise ValueError("too many terms")
    j = np.arange(1.0, 40.0 + 9.0 * math.sqrt(largest))
    ratios = special.ive(j, column(kappa)) / special.i0e(column(kappa))
    return 0.5 + (x + 2.0 * np.sum(ratios * np.sin(j * column(x)) / j, axis=-1)) / (2 * np.pi)
