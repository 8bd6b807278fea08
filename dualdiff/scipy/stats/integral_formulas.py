r"""Formulas, as integrals, for distributions that SciPy evaluates in compiled code or by quadrature.

The trapezoidal rule converges exponentially for an analytic integrand that decays at both ends.  Its nodes depend on
the values alone, and the integral does not depend on the nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.scipy import special
from dualdiff.scipy.stats.formulas import further
from dualdiff.scipy.stats.series_formulas import column, log_sum, pearson3_logpdf

_LOG_2PI = math.log(2 * math.pi)
#: The decrease of the exponent after which an integrand is negligible.
FALL = 40.0
#: The largest number of nodes.
MANY_NODES = 20_000


def _nodes(left: Any, right: Any, width: Any) -> tuple[Any, Any]:
    """Equidistant nodes from left to right along the last axis, no farther apart than ``width``, and the step."""
    count = np.max((right - left) / width, initial=1.0)
    if not count < MANY_NODES:
        raise ValueError("too many nodes")
    step = (right - left) / math.ceil(count)
    return left[..., None] + step[..., None] * np.arange(math.ceil(count) + 1.0), step[..., None]


# -- noncentral t: mixtures over the logarithm of the estimated deviation ----------------------------------------------
def _log_deviation(u: Any, df: Any) -> Any:
    """The log-density of half the logarithm of a chi-square variable over df."""
    half = 0.5 * df
    return df * u - half * np.exp(2.0 * u) + math.log(2) + half * np.log(half) - special.gammaln(half)


def _deviations(x: Any, df: Any, nc: Any) -> tuple[Any, Any]:
    """Nodes for integrals over u, with or without the factor exp(-(x exp(u) - nc)**2 / 2), and the step."""
    x, df, nc = np.broadcast_arrays(*map(plain_values, (x, df, nc)))
    power, square = df + 1.0, x * x + df
    mode = np.log((x * nc + np.sqrt((x * nc) ** 2 + 4 * square * power)) / (2 * square))
    curvature = square * np.exp(2 * mode) + power
    widths = np.stack([curvature**-0.5, (2 * df) ** -0.5])
    modes, powers = np.stack([mode, 0.0 * mode]), np.stack([power, df])
    left = np.min(modes - np.maximum(10 * widths, FALL / powers), axis=0)
    right = np.max(modes + np.minimum(10 * widths, 4.0 + 0.5 * np.log1p(1.0 / powers)), axis=0)
    return _nodes(left, right, np.minimum(np.min(widths, axis=0), 0.5) / 4)


@further("nct_gen", "_logpdf")
def _nct_logpdf(x: Any, df: Any, nc: Any) -> Any:
    u, step = _deviations(x, df, nc)
    residual = column(x) * np.exp(u) - column(nc)
    return log_sum(_log_deviation(u, column(df)) + u - 0.5 * residual * residual + np.log(step)) - 0.5 * _LOG_2PI


def _nct_tail(sign: float) -> Callable[..., Any]:
    def method(x: Any, df: Any, nc: Any) -> Any:
        u, step = _deviations(x, df, nc)
        tail = special.ndtr(sign * (column(x) * np.exp(u) - column(nc)))
        return np.sum(np.exp(_log_deviation(u, column(df))) * tail * step, axis=-1)

    return method


further("nct_gen", "_cdf")(_nct_tail(1.0))
further("nct_gen", "_sf")(_nct_tail(-1.0))


# -- Bessel functions of the second kind, and mixtures over them -------------------------------------------------------
def _log_kv(order: Any, x: Any) -> Any:
    return np.log(special.kve(order, x)) - x


@further("genhyperbolic_gen", "_logpdf")
def _genhyperbolic_logpdf(x: Any, p: Any, a: Any, b: Any) -> Any:
    x = operand(x)
    root, distance = np.sqrt((a - b) * (a + b)), np.hypot(1.0, x)
    norm = p * np.log(root) - (p - 0.5) * np.log(a) - _log_kv(p, root) - 0.5 * _LOG_2PI
    return norm + b * x + _log_kv(p - 0.5, a * distance) + (p - 0.5) * np.log(distance)


def _mixing(p: Any, root: Any) -> Any:
    """Nodes in the logarithm of a generalized inverse Gaussian variable, and their weights."""
    order, size = np.broadcast_arrays(*map(plain_values, (p, root)))
    # The exponent decreases like a hyperbolic cosine around the mode, asinh(order / size).
    mode, steepness = np.arcsinh(order / size), np.hypot(order, size)
    left, right = mode - _fall(np.minimum(size, steepness)), mode + _fall(np.minimum(size, steepness))
    u, step = _nodes(left, right, np.minimum(0.1, 0.5 / np.sqrt(steepness)))
    exponent = column(p) * u - column(root) * np.cosh(u)
    return u, np.exp(exponent - plain_values(exponent).max(-1, keepdims=True)) * step


def _fall(size: Any) -> Any:
    """The distance at which an exponent of ``-size * cosh`` is negligible."""
    return np.arccosh(1.0 + 2 * FALL / size)


def _genhyperbolic_tail(sign: float) -> Callable[..., Any]:
    def method(x: Any, p: Any, a: Any, b: Any) -> Any:
        # A mixture of normal distributions, of mean b w and variance w.
        root = np.sqrt((a - b) * (a + b))
        u, weights = _mixing(p, root)
        w = np.exp(u) / column(root)
        tail = special.ndtr(sign * (column(x) - column(b) * w) / np.sqrt(w))
        return np.sum(weights * tail, axis=-1) / np.sum(weights, axis=-1)

    return method


for _sign, _method in ((1.0, "_cdf"), (-1.0, "_sf")):
    _tail = further("genhyperbolic_gen", _method)(_genhyperbolic_tail(_sign))
    further("norminvgauss_gen", _method)(lambda x, a, b, tail=_tail: tail(x, -0.5, a, b))


@further("geninvgauss_gen", "_logpdf")
def _geninvgauss_logpdf(x: Any, p: Any, b: Any) -> Any:
    return (p - 1.0) * np.log(x) - 0.5 * b * (x + 1.0 / x) - math.log(2) - _log_kv(p, b)


# -- incomplete integrals, by a Gauss rule -----------------------------------------
_POINTS, _GAUSS = np.polynomial.legendre.leggauss(80)
_DISTANCES = np.geomspace(1e-3, 1e3, 120)


def _part(log_kernel: Callable[[Any], Any], plain_kernel: Callable[[Any], Any], start: Any, sign: float) -> Any:
    """The integral of exp(kernel - top) from start to minus or plus infinity, and top, the largest exponent."""
    at = plain_values(start)[..., None]
    exponents = plain_kernel(at + sign * _DISTANCES)
    largest = np.maximum.accumulate(exponents, axis=-1)
    fallen = exponents < largest - FALL
    reach = _DISTANCES[np.where(fallen.any(-1), fallen.argmax(-1), -1)][..., None]
    nodes = column(start) + sign * reach * 0.5 * (1.0 + _POINTS)
    top = largest[..., -1:]
    return np.sum(np.exp(log_kernel(nodes) - top) * _GAUSS * 0.5 * reach, axis=-1), top[..., 0]


def _fraction(kernel: Callable[..., Any], start: Any, shapes: Any, sign: float) -> Any:
    """The fraction of the whole integral below start (sign -1) or above it (sign 1)."""
    full, plain = [column(s) for s in shapes], [np.asarray(plain_values(s))[..., None] for s in shapes]
    parts = [_part(lambda u: kernel(u, *full), lambda u: kernel(u, *plain), start, side) for side in (sign, -sign)]
    (this, top), (other, other_top) = parts
    return this / (this + other * np.exp(other_top - top))


def _log_geninvgauss(u: Any, p: Any, b: Any) -> Any:
    return p * u - b * np.cosh(u)


def _log_gausshyper(u: Any, a: Any, b: Any, c: Any, z: Any) -> Any:
    return a * special.log_expit(u) + b * special.log_expit(-u) - special.xlog1py(c, z * special.expit(u))


for _sign, _method in ((-1.0, "_cdf"), (1.0, "_sf")):
    further("geninvgauss_gen", _method)(
        lambda x, *shapes, sign=_sign: _fraction(_log_geninvgauss, np.log(x), shapes, sign)
    )
    further("gausshyper_gen", _method)(
        lambda x, *shapes, sign=_sign: _fraction(_log_gausshyper, special.logit(x), shapes, sign)
    )


def _pearson3_tail(sign: float, below: Any, above: Any) -> Callable[..., Any]:
    def method(x: Any, skew: Any) -> Any:
        # A gamma distribution; for a small skewness its shape parameter is too large for the rule of gammainc.
        small = np.abs(plain_values(skew)) < 0.02
        far = np.where(small, 1.0, skew)
        a = 4.0 / (far * far)
        z = a * (1.0 + 0.5 * far * x)
        z = np.where(plain_values(z) > 0, z, 0.0)
        result = np.where(plain_values(skew) > 0, below(a, z), above(a, z))
        if not np.any(small):
            return result
        near, plain = column(np.where(small, skew, 0.0)), np.where(small, plain_values(skew), 0.0)[..., None]
        part, top = _part(lambda t: pearson3_logpdf(t, near), lambda t: pearson3_logpdf(t, plain), operand(x), sign)
        return np.where(small, part * np.exp(top), result)

    return method


further("pearson3_gen", "_cdf")(_pearson3_tail(-1.0, special.gammainc, special.gammaincc))
further("pearson3_gen", "_sf")(_pearson3_tail(1.0, special.gammaincc, special.gammainc))


@further("gausshyper_gen", "_logpdf")
def _gausshyper_logpdf(x: Any, a: Any, b: Any, c: Any, z: Any) -> Any:
    full, plain = [column(s) for s in (a, b, c, z)], [np.asarray(plain_values(s))[..., None] for s in (a, b, c, z)]
    middle = np.log(plain[0] / plain[1])[..., 0]
    parts = [
        _part(lambda u: _log_gausshyper(u, *full), lambda u: _log_gausshyper(u, *plain), middle, side)
        for side in (-1.0, 1.0)
    ]
    norm = log_sum(np.stack([np.log(part) + top for part, top in parts], axis=-1))
    rest = 1.0 - operand(x)
    return special.xlogy(a - 1.0, x) + special.xlogy(b - 1.0, rest) - special.xlog1py(c, z * x) - norm


# -- stable distributions: Fourier's integral along a ray --------------------------------------------------------------
@further("landau_gen", "_pdf")
def _landau_pdf(x: Any) -> Any:
    # SciPy's Landau distribution is the stable distribution of scale 1; Landau's has the scale pi / 2.
    return 0.5 * np.pi * _landau(0.5 * np.pi * x + math.log(0.5 * np.pi))


def _landau(x: Any) -> Any:
    r""":math:`\int e^{s \log s + x s} ds / (2 \pi i)` upwards through the saddle point, or around the branch cut."""
    at = plain_values(x)
    # The density underflows.
    vanishes = at < -8.0
    x = np.where(vanishes, 0.0, x)
    at = plain_values(x)
    near = at < 0.2
    saddle = np.exp(-1.0 - np.where(near, at, 0.0))
    # Far up, the real part of the exponent decreases linearly; near the saddle, with curvature 1 / saddle.
    reach = np.maximum(10.0 * np.sqrt(saddle), FALL)
    u, step = _nodes(-reach, reach, np.minimum(0.25 * np.sqrt(saddle), 0.15 * saddle))
    s = saddle[..., None] + 1j * u
    center = saddle * np.log(saddle) + np.where(near, at, 0.0) * saddle
    upwards = np.sum(
        np.exp(s * np.log(s) + column(np.where(near, x, 0.0)) * s - center[..., None]).real * step, axis=-1
    )
    upwards = upwards * np.exp(center) / (2 * np.pi)
    y, step = _nodes(np.full_like(at, -45.0), np.full_like(at, math.log(60.0)), np.full_like(at, 0.05))
    t = np.exp(y) / np.where(near, 0.2, at)[..., None]
    around = np.sum(np.exp(-t * np.log(t) - column(np.where(near, 0.2, x)) * t) * np.sin(np.pi * t) * t * step, axis=-1)
    return np.where(vanishes, 0.0, np.where(near, upwards, around / np.pi))


def _stable_ray(x: Any, alpha: Any, beta: Any) -> tuple[Any, Any, Any, Any]:
    r"""The characteristic function times :math:`e^{-i x t}` along a ray of complex t on which it decays.

    Returned are the nodes in the logarithm of the distance from 0, their distance, the values, and the ray's angle.
    """
    at, order, skew = np.broadcast_arrays(*map(plain_values, (x, alpha, beta)))
    if np.any((np.abs(order - 1.0) < 0.006) | (order < 0.2)):
        raise ValueError("too close to the exponent at which the formula is another one")
    lag = np.arctan(skew * np.tan(0.5 * np.pi * order))
    # Rotate into the half plane where exp(-i x t) decays, as far as the characteristic function still decays.
    side = np.where(at < 0, -1.0, 1.0)
    turned = np.maximum(1.2 - side * lag, 0.5 * np.maximum(1.5 - side * lag, 0.0))
    turned = np.minimum(turned / order, 1.3)
    angle = np.where(at == 0, lag / order, -side * turned)
    size = np.hypot(1.0, np.tan(lag))
    first = np.cos(order * angle - lag) * size
    second = np.abs(np.sin(angle) * at)
    # Beyond this distance, one of the factors is below exp(-50).
    slowest = np.minimum((50.0 / np.maximum(first, 1e-300)) ** (1.0 / order), 50.0 / np.maximum(second, 1e-300))
    right = np.log(slowest)
    left = np.minimum(right, 0.0) - FALL / np.minimum(order, 1.0)
    y, step = _nodes(left, right, np.full_like(right, 0.02))
    log_t = y + 1j * angle[..., None]
    alpha, beta = column(alpha), column(beta)
    factor = 1.0 - 1j * beta * np.tan(0.5 * np.pi * alpha)
    return log_t, step, np.exp(-np.exp(alpha * log_t) * factor - 1j * column(x) * np.exp(log_t)), angle


@further("levy_stable_gen", "_pdf")
def _levy_stable_pdf(x: Any, alpha: Any, beta: Any) -> Any:
    log_t, step, value, _ = _stable_ray(x, alpha, beta)
    return np.sum((value * np.exp(log_t)).real * step, axis=-1) / np.pi


@further("levy_stable_gen", "_cdf")
def _levy_stable_cdf(x: Any, alpha: Any, beta: Any) -> Any:
    _, step, value, angle = _stable_ray(x, alpha, beta)
    return 0.5 - (angle + np.sum(value.imag * step, axis=-1)) / np.pi


# -- the studentized range ---------------------------------------------------------------------------------------------
_Z = np.linspace(-8.5, 8.5, 137)
_NORMAL = np.exp(-0.5 * _Z * _Z) / math.sqrt(2 * np.pi) * (_Z[1] - _Z[0])


def _between(w: Any) -> Any:
    """The normal probability from z - w to z, for each z."""
    low = _Z - w
    is_upper = plain_values(_Z + low) > 0
    return np.where(is_upper, special.ndtr(-low) - special.ndtr(-_Z), special.ndtr(_Z) - special.ndtr(low))


def _range_cdf(w: Any, k: Any) -> Any:
    """The distribution function of the range of k normal variables."""
    power = np.exp((k - 1.0) * np.log(np.maximum(_between(w), 1e-300)))
    return k * np.sum(_NORMAL * power, axis=-1)


def _range_pdf(w: Any, k: Any) -> Any:
    """Its density."""
    power = np.exp((k - 2.0) * np.log(np.maximum(_between(w), 1e-300)))
    low = _Z - w
    return k * (k - 1.0) * np.sum(_NORMAL * np.exp(-0.5 * low * low) * power, axis=-1) / math.sqrt(2 * np.pi)


def _studentized(of_range: Callable[..., Any], power: float) -> Callable[..., Any]:
    def one(x: Any, k: Any, df: Any) -> Any:
        at, degrees = np.asarray(plain_values(x)), np.asarray(plain_values(df))
        width = (2.0 * degrees) ** -0.5
        left = -np.maximum(10.0 * width, FALL / (degrees + plain_values(k)))
        u, step = _nodes(
            left, np.minimum(10.0 * width, 4.0 + 0.5 * np.log1p(1.0 / degrees)), np.minimum(width, 0.5) / 4
        )
        values = of_range(x * np.exp(u)[:, None] + 0.0 * at, k)
        return np.sum(np.exp(_log_deviation(u, df) + power * u) * values * step)

    def method(x: Any, k: Any, df: Any) -> Any:
        full = np.broadcast_arrays(*map(operand, (x, k, df)))
        return np.stack([one(*(a[i] for a in full)) for i in range(len(full[0]))])

    return method


further("studentized_range_gen", "_cdf")(_studentized(_range_cdf, 0.0))
further("studentized_range_gen", "_pdf")(_studentized(_range_pdf, 1.0))
