r"""Functions that occur in partials of ``scipy.special``, and that SciPy lacks or computes too inaccurately.

Some partials are small differences of large terms, such as that of :math:`e^{x^2} \operatorname{erfc} x` for large x.
These are computed without cancellation, by an integral with a positive integrand, a continued fraction or a series, for
derivatives of every order k.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from scipy import special
from scipy.special import _ufuncs

from dualdiff.rules.numpy.elementwise.moments import moment

_SPLITTER = 2.0**27 + 1
#: Bernoulli numbers B2, B4, ...
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def in_double(function: Callable[..., Any]) -> Callable[..., Any]:
    """Evaluate the function in float64 or complex128, and round the result once to the dtype of the arguments."""

    @wraps(function)
    def wide(*args: Any) -> Any:
        dtype = np.result_type(*args)
        raised = [np.asarray(a) for a in args]
        raised = [a.astype(np.result_type(a, np.float64), copy=False) for a in raised]
        result = np.asarray(function(*raised))
        if dtype.kind not in "fc":
            return result[()]
        return result.astype(np.result_type(dtype, np.complex64) if result.dtype.kind == "c" else dtype, copy=False)[()]

    return wide


def _order(k: Any) -> int:
    """The order of the derivative, which is the same for all elements."""
    return int(np.max(k, initial=0))


def _exact_product(x: Any, y: Any) -> tuple[Any, Any]:
    """The rounded product of real arguments, and its rounding error (Dekker)."""
    p = x * y
    a, b = x * _SPLITTER, y * _SPLITTER
    x1, y1 = a - (a - x), b - (b - y)
    x2, y2 = x - x1, y - y1
    return p, ((x1 * y1 - p) + x1 * y2 + x2 * y1) + x2 * y2


@in_double
def exp_of_product(x: Any, y: Any) -> Any:
    """``exp(x * y)`` without the rounding error of the product."""
    p = x * y
    if p.dtype.kind == "c":
        return np.exp(p)
    p, lost = _exact_product(x, y)
    return np.exp(p) * (1 + np.where(np.abs(p) < 800, lost, 0.0))


def _half_turns(x: Any) -> Any:
    """``x**2`` modulo 4."""
    if x.dtype.kind == "c":
        return x * x
    p, lost = _exact_product(x, x)
    return np.fmod(p, 4.0) + lost


@in_double
def sin_of_square(x: Any) -> Any:
    r""":math:`\sin(\pi x^2 / 2)`, accurate for large x."""
    return np.sin(np.pi / 2 * _half_turns(x))


@in_double
def cos_of_square(x: Any) -> Any:
    r""":math:`\cos(\pi x^2 / 2)`, accurate for large x."""
    return np.cos(np.pi / 2 * _half_turns(x))


# -- the error functions -----------------------------------------------------------------------------------------------
@in_double
def erfcx_derivative(x: Any, k: Any) -> Any:
    r"""The k-th derivative of :math:`e^{x^2} \operatorname{erfc} x`:

    .. math:: \frac{2}{\sqrt\pi} \int_0^\infty (-2t)^k e^{-t^2 - 2 x t}\,dt
    """
    k, zeroth = _order(k), special.erfcx(x)
    if k == 0:
        return zeroth
    # The recurrence of the integrals is stable upwards for x < 0, and downwards, as a continued fraction, for x > 0.
    reach = np.maximum(x.real, np.where(x.real > 0, np.abs(x) / 6.5, 0.0))
    large = reach >= 1
    before, result = zeroth, 2 * x * zeroth - 2 / math.sqrt(math.pi)
    for j in range(1, k):
        before, result = result, 2 * (x * result + j * before)
    if np.any(large):
        safe = np.where(large, x, 1.0)
        ratio = np.zeros_like(safe)
        fraction = zeroth
        for j in range(k + 40 + int(220 / np.min(np.where(large, reach, np.inf)) ** 2), 0, -1):
            ratio = j / (2 * safe + 2 * ratio)
            if j <= k:
                fraction = fraction * (-2 * ratio)
        result = np.where(large, fraction, result)
    return result


@in_double
def dawsn_derivative(x: Any, k: Any) -> Any:
    r"""The k-th derivative of Dawson's integral.

    For large x by Rybicki's sum (Computers in Physics 3, 1989, 85),

    .. math:: F(x) = \pi^{-1/2} \sum_{n\ \mathrm{odd}} e^{-(x - n h)^2} / n,

    differentiated, without the terms that vanish because Hermite polynomials are orthogonal to lower powers.
    """
    k, zeroth = _order(k), special.dawsn(x)
    if k == 0:
        return zeroth
    before, result = zeroth, 1 - 2 * x * zeroth
    for j in range(1, k):
        before, result = result, -2 * (x * result + j * before)
    large = np.abs(x) > 1.5
    if x.dtype.kind == "c" or not np.any(large):
        return result
    z, h = np.where(large & (np.abs(x) < 1e8), x, 2.0), 0.25
    middle = 2 * np.rint((z / h - 1) / 2) + 1
    total = np.zeros_like(z)
    for j in range(-14, 15):
        n = middle + 2 * j
        u = z - n * h
        polynomial, lower = 2 * u, np.ones_like(u)
        for i in range(1, k):
            polynomial, lower = 2 * u * polynomial - 2 * i * lower, polynomial
        total += polynomial * u**k * np.exp(-u * u) / n
    far = math.factorial(k) / (2 * x) / x**k
    series = np.where(np.abs(x) < 1e8, total / math.sqrt(math.pi) / z**k, far) * (-1) ** k
    return np.where(large, series, result)


@in_double
def voigt_derivative(x: Any, sigma: Any, gamma: Any, k: Any, part: Any) -> Any:
    r"""The k-th derivative with respect to x of the Voigt profile (part 0), or of its Hilbert transform (part 1).

    They are the real and imaginary parts of a function that is analytic in :math:`x + i \gamma` and solves the heat
    equation in :math:`\sigma^2 / 2`, so that these derivatives give all others:

    .. math:: \operatorname{erfcx}(z) / (\sigma \sqrt{2\pi}), \quad z = (\gamma - i x) / (\sigma \sqrt 2)
    """
    k, is_real = _order(k), _order(part) == 0
    gauss, lorentz = (gamma == 0) & (sigma > 0), (sigma == 0) & (gamma > 0)
    width = np.where(lorentz, 1.0, sigma) * math.sqrt(2.0)
    size = width ** -(k + 1) / math.sqrt(math.pi)
    result = (-1j) ** k * size * erfcx_derivative((gamma - 1j * x) / width, k)
    if np.any(lorentz):
        sharp = 1j * math.factorial(k) / math.pi / (x + 1j * np.where(lorentz, gamma, 1.0))
        for _ in range(k):
            sharp = -sharp / (x + 1j * gamma)
        result = np.where(lorentz, sharp, result)
    if not np.any(gauss):
        return result.real if is_real else result.imag
    u = x / width
    if not is_real:
        return np.where(gauss, 2 / math.sqrt(math.pi) * size * dawsn_derivative(u, k), result.imag)
    hermite = size * (-1) ** k * special.eval_hermite(k, u) * np.exp(-u * u)
    return np.where(gauss, hermite, result.real)


# Inverse functions by the scaled function: exp(r**2) would amplify the rounding error of r.
@in_double
def slope_of_erfinv(x: Any) -> Any:
    r"""The derivative of erfinv: with r its value, :math:`e^{-r^2} = (1 - |x|) / \operatorname{erfcx} |r|`."""
    return 0.5 * math.sqrt(math.pi) * special.erfcx(np.abs(special.erfinv(x))) / (1 - np.abs(x))


@in_double
def slope_of_erfcinv(x: Any) -> Any:
    """The derivative of erfcinv."""
    return -0.5 * math.sqrt(math.pi) * special.erfcx(np.abs(special.erfcinv(x))) / np.minimum(x, 2 - x)


def _scaled_tail(r: Any) -> Any:
    """The derivative of ndtri times the smaller of the two tail probabilities at r."""
    return math.sqrt(math.pi / 2) * special.erfcx(np.abs(r) * math.sqrt(0.5))


@in_double
def slope_of_ndtri(x: Any) -> Any:
    """The derivative of ndtri."""
    return _scaled_tail(special.ndtri(x)) / np.minimum(x, 1 - x)


@in_double
def slope_of_ndtri_exp(x: Any) -> Any:
    """The derivative of ndtri_exp, the inverse of log_ndtr."""
    r = special.ndtri_exp(x)
    return _scaled_tail(r) * np.where(r < 0, 1.0, np.exp(x) / -np.expm1(x))


# -- quotients that are regular at 0 -----------------------------------------------------------------------------------
@in_double
def sine_quotient(x: Any, k: Any) -> Any:
    r"""The k-th derivative of :math:`\sin(x) / x`."""
    s, c = np.sin(x), np.cos(x)
    cycle = (s, c, -s, -c)
    return moment(x, _order(k), np.where(x == 0, 1.0, s / np.where(x == 0, 1.0, x)), lambda j: cycle[j % 4])


@in_double
def sinh_quotient(x: Any, k: Any) -> Any:
    r"""The k-th derivative of :math:`\sinh(x) / x`."""
    cycle = np.sinh(x), np.cosh(x)
    return moment(x, _order(k), np.where(x == 0, 1.0, cycle[0] / np.where(x == 0, 1.0, x)), lambda j: cycle[j % 2])


@in_double
def log1p_quotient(x: Any, k: Any) -> Any:
    r"""The k-th derivative of :math:`\log(1 + x) / x`:

    .. math:: (-1)^k k! \int_0^1 t^k (1 + x t)^{-k-1}\,dt
    """
    k = _order(k)
    small = np.abs(x) < 0.75 * np.abs(1 + x)
    safe = np.where(small, 1.0, x)
    above = np.log1p(x) / safe
    for j in range(1, k + 1):
        above = (-((-1 / (1 + x)) ** j) / j - above) / safe
    near = np.where(small, x, 0.0)
    below = np.zeros_like(near)
    for j in range(k + 140, k, -1):
        below = -((-1 / (1 + near)) ** j) / j - near * below
    return math.factorial(k) * np.where(small, below, above)


# -- the gamma function ------------------------------------------------------------------------------------------------
@in_double
def polygamma(k: Any, x: Any) -> Any:
    """The k-th derivative of the digamma function, k > 0."""
    if x.dtype.kind != "c":
        return (-1.0) ** (k + 1) * special.gamma(k + 1.0) * special.zeta(k + 1.0, x)
    k = _order(k)
    sign = (-1) ** (k + 1)
    total = np.zeros_like(x)
    for _ in range(max(0, int(16 + k - np.min(x.real, initial=16.0 + k)))):
        near = x.real < 16 + k
        total = total + np.where(near, math.factorial(k) * np.where(near, x, 1.0) ** (-k - 1), 0.0)
        x = np.where(near, x + 1, x)
    far = math.factorial(k - 1) / x**k + math.factorial(k) / (2 * x ** (k + 1))
    for j, b in enumerate(_BERNOULLI, 1):
        far = far + b * math.factorial(2 * j + k - 1) / math.factorial(2 * j) / x ** (2 * j + k)
    return sign * (total + far)


@in_double
def psi_difference(a: Any, b: Any) -> Any:
    """``psi(a + b) - psi(a)``, also where the two are nearly equal."""
    # Left of 0 by reflection, if the arguments differ by an integer.
    mirrored = (np.minimum(a, a + b) < 0) & (b == np.rint(b))
    sign = np.where(mirrored, -1.0, 1.0)
    a, plain = np.where(mirrored, 1 - a - b, a), special.psi(a + b) - special.psi(a)
    total = np.zeros_like(a + b)
    smaller = np.minimum(a, a + b)
    regular = smaller >= 0
    n = np.where(regular & (smaller < 12), np.ceil(12 - smaller), 0.0)
    for j in range(int(np.max(n, initial=0.0))):
        total = total + np.where(j < n, b / (a + j) / (a + b + j), 0.0)
    a = a + n
    logarithm = np.log1p(b / a)
    far = logarithm + b / (2 * a * (a + b))
    for j, bernoulli in enumerate(_BERNOULLI, 1):
        far = far - bernoulli / (2 * j) * a ** (-2.0 * j) * np.expm1(-2 * j * logarithm)
    return np.where(regular, sign * (total + far), plain)


# -- the Kolmogorov distribution ---------------------------------------------------------------------------------------
@in_double
def kolmogorov_derivative(x: Any, k: Any) -> Any:
    r"""The k-th derivative, k > 0, of

    .. math:: 2 \sum_{j \ge 1} (-1)^{j-1} e^{-2 j^2 x^2}
        = 1 - \frac{\sqrt{2\pi}}{x} \sum_{j\ \mathrm{odd}} e^{-j^2 \pi^2 / 8 x^2}
    """
    k = _order(k)
    large = x > 1
    z, t = np.where(large, x, 1.0), 1 / np.where(large, 1.0, x)
    right, left = np.zeros_like(z), np.zeros_like(z)
    for j in range(6, 0, -1):
        u = math.sqrt(2.0) * j * z
        hermite = np.polynomial.hermite.hermval(u, [0.0] * k + [1.0])
        right -= 2 * (-1) ** j * (-math.sqrt(2.0) * j) ** k * hermite * np.exp(-u * u)
        b = ((2 * j - 1) * math.pi) ** 2 / 8
        polynomial = np.polynomial.Polynomial([0.0, 1.0])
        for _ in range(k):
            # In t = 1 / x: d/dx = -t**2 d/dt.
            polynomial = np.polynomial.Polynomial([0.0, 0.0, -1.0]) * (
                polynomial.deriv() - np.polynomial.Polynomial([0.0, 2 * b]) * polynomial
            )
        exponential = np.exp(-b * t * t)
        left -= np.where(exponential == 0, 0.0, math.sqrt(2 * math.pi) * polynomial(t) * exponential)
    return np.where(x <= 0, 0.0, np.where(large, right, left))


# -- elliptic integrals ------------------------------------------------------------------------------------------------
@in_double
def carlson(x: Any, y: Any, z: Any, w: Any, i: Any, j: Any, k: Any, m: Any) -> Any:
    r"""Carlson's integral

    .. math:: \int_0^\infty (t+x)^{-i/2} (t+y)^{-j/2} (t+z)^{-k/2} (t+w)^{-m/2}\,dt

    by the trapezoidal rule in :math:`\log t`, which converges exponentially and sums positive terms.
    """
    points, powers = list(np.broadcast_arrays(x, y, z, w)), [float(np.max(p)) / 2 for p in (i, j, k, m)]
    sizes = [np.abs(p) for p in points]
    largest = np.maximum.reduce(sizes)
    smallest = np.minimum.reduce([np.where(s == 0, largest, s) for s in sizes])
    points = [p / largest for p in points]
    step = 0.45 if np.result_type(*points).kind != "c" else 0.2
    start = np.log(smallest / largest) - 80
    finite = np.where(np.isfinite(start), start, -80.0)
    total = np.zeros_like(points[0])
    for n in range(int((40 - np.min(finite, initial=-80.0)) / step), -1, -1):
        t = np.exp(finite + n * step)
        term = t
        for p, power in zip(points, powers, strict=True):
            if power:
                term = term * (t + p) ** -power
        total = total + term
    singular = sum(np.where(p == 0, power, 0.0) for p, power in zip(points, powers, strict=True)) >= 1
    result = np.where(singular, np.inf, step * total * largest ** (1 - sum(powers)))
    valid = np.isfinite(start)
    if result.dtype.kind != "c":
        valid &= np.minimum.reduce(points) >= 0
    return np.where(valid, result, np.nan)


# -- modified Bessel functions, scaled ---------------------------------------------------------------------------------
def _differences(function: Callable[..., Any], v: Any, x: Any, k: int) -> Any:
    """The central difference of order 2k with respect to v."""
    return sum((-1) ** i * math.comb(2 * k, i) * function(v + (i - k), x) for i in range(2 * k + 1)) / 2**k


def _asymptotic(v: Any, x: Any, k: int, sign: int) -> Any:
    """The k-th derivative of Hankel's asymptotic series, for large x."""
    term = x ** (-0.5 - k)
    total = np.zeros_like(term)
    rising = math.prod(0.5 + i for i in range(k))
    for j in range(40):
        total = total + term * rising
        term = term * sign * (4 * v * v - (2 * j + 1) ** 2) / (8 * (j + 1) * x)
        rising *= (j + 0.5 + k) / (j + 0.5)
    return (-1) ** k * total


@in_double
def kve_derivative(v: Any, x: Any, k: Any) -> Any:
    r"""The k-th derivative of :math:`e^x K_v(x)`:

    .. math:: \int_0^\infty e^{-x (\cosh t - 1)} (1 - \cosh t)^k \cosh(v t)\,dt
    """
    k = _order(k)
    if k == 0:
        return special.kve(v, x)
    direct = (-1) ** k * _differences(special.kve, v, x, k)
    size = np.abs(v)
    if x.dtype.kind == "c":
        far = np.abs(x) > 30 + size**2
        return np.where(far, math.sqrt(math.pi / 2) * _asymptotic(v, np.where(far, x, 1.0), k, 1), direct)
    large = x > 0.5
    return np.where(large, _bessel_integral(v, np.where(large, x, 1.0), k, 0), direct)


@in_double
def kve_in_order(v: Any, x: Any, k: Any, j: Any) -> Any:
    r"""The k-th derivative with respect to x, and the j-th with respect to v, of :math:`e^x K_v(x)`.

    Known for positive x, and for complex x not farther from them than 45 degrees; NaN elsewhere.
    """
    known = x.real > np.abs(x.imag)
    result = _bessel_integral(v, np.where(known, x, 1.0), _order(k), _order(j))
    return np.where(known, result, np.nan)


def _bessel_integral(v: Any, x: Any, k: int, j: int) -> Any:
    r""":math:`\int_0^\infty e^{-x (\cosh t - 1)} (1 - \cosh t)^k \partial_v^j \cosh(v t)\,dt`, trapezoidal rule."""
    size = np.abs(v)
    reach = np.zeros_like(size + x.real)
    for _ in range(5):
        # arccosh(1 + y / x), beyond which the exponential is below exp(-50).
        reach = 2 * np.arcsinh(np.sqrt((50 + size * reach) / (2 * x.real)))
    nodes = 48 + int(np.max(reach, initial=0.0) / 0.1)
    total = np.zeros_like(size + x)
    for n in range(nodes, 0, -1):
        t = reach * (n / nodes)
        c = 2 * np.sinh(t / 2) ** 2
        total = total + c**k * t**j * (np.exp(size * t - x * c) + (-1) ** j * np.exp(-size * t - x * c))
    if j % 2:
        total = total * np.sign(v)
    if j == k == 0:
        total = total + 1.0
    return (-1) ** k * total * reach / (2 * nodes)


@in_double
def ive_derivative(v: Any, x: Any, k: Any) -> Any:
    r"""The k-th derivative of :math:`e^{-|x|} I_v(x)` at real x.

    For orders 30 to 300 the differences of orders lose up to six digits, where x is about the order squared over 10.
    """
    k = _order(k)
    if k == 0:
        return special.ive(v, x)
    z = np.abs(x)
    far = z > 30 + v * v / 4
    result = np.where(
        far,
        _asymptotic(v, np.where(far, z, 1.0), k, -1) / math.sqrt(2 * math.pi),
        _differences(special.ive, v, z, k),
    )
    near = (z > 1) & ~far & (v > -1) & (v != -0.5) & (v < 30)
    if k == 1 and np.any(near):
        # By Kummer's function, as a sum of terms that are not much larger than the result.
        order, u = np.where(near, v, 0.0), np.where(near, z, 1.0)
        kummer = (0.5 * u) ** order * special.rgamma(order + 1) * special.hyp1f1(order + 1.5, 2 * order + 1, -2 * u)
        # Before SciPy 1.14 it overflows although the result is finite.
        near &= np.isfinite(kummer)
        result = np.where(near, ((v + 0.5) * kummer - 0.5 * special.ive(v, z)) / u, result)
    # Odd functions of x; at the kink of exp(-abs(x)) by the sign of the zero.
    return np.where(np.mod(v + k, 2) == 1, np.copysign(1.0, x) * result, result)


# -- Mathieu's equation ------------------------------------------------------------------------------------------------
def _mathieu_slope(function: Callable[..., Any]) -> Callable[..., Any]:
    @in_double
    def slope(m: Any, q: Any) -> Any:
        r"""The derivative of the characteristic value with respect to q:

        .. math:: \frac{1}{\pi} \int_0^{2\pi} 2 \cos(2t)\, y(t)^2\,dt
        """
        reach = np.max(np.abs(m), initial=0.0) + math.sqrt(np.max(np.abs(q), initial=0.0))
        nodes = 64 + 8 * int(reach if np.isfinite(reach) else 0)
        angles = 360.0 * np.arange(nodes) / nodes
        squares = (function(m, q, angle)[0] ** 2 * (2 * math.cos(math.radians(2 * angle))) for angle in angles)
        return sum(squares) * (2 / nodes)

    return slope


mathieu_a_slope = _mathieu_slope(special.mathieu_cem)
mathieu_b_slope = _mathieu_slope(special.mathieu_sem)


# -- incomplete gamma and beta functions with respect to their parameters ----------------------------------------------
def _half_line(integrand: Callable[[Any], Any], scale: Any) -> Any:
    """The integral from 0 to infinity of a function that decays at this scale, by the double exponential formula."""
    total = np.zeros_like(scale)
    for n in range(100, -41, -1):
        u = n / 10
        s = scale * math.exp(u - math.exp(-u))
        total = total + integrand(s) * s * (1 + math.exp(-u))
    return total / 10


def _decay(slope: Any, curvature: Any) -> Any:
    """The point where a quadratic with this slope and curvature at 0 reaches 1."""
    return 2 / (slope + np.sqrt(slope * slope + 2 * np.maximum(curvature, 0.0)))


@in_double
def gammainc_in_a(a: Any, x: Any) -> Any:
    r"""The derivative of the incomplete gamma function with respect to a, to a dozen digits even if it is about 1e-300:

    .. math:: \frac{1}{\Gamma(a)} \int_0^x (\log t - \psi(a))\, t^{a-1} e^{-t}\,dt

    or minus the integral from x to infinity, whichever does not cancel.  For small x by the series of the integral in
    powers of x, whose terms do not cancel either.
    """
    a, x = np.broadcast_arrays(a, x)
    small = x < 0.5
    z = np.where(small, 1.0, x)
    rest = np.log(z) - special.psi(a)
    below = _half_line(lambda s: (rest - s) * np.exp(-a * s - z * np.expm1(-s)), _decay(np.abs(a - z), z))

    def above_at(t: Any) -> Any:
        growth = np.log1p(t / z)
        return (rest + growth) * np.exp((a - 1) * growth - t) / z

    above = _half_line(above_at, _decay(np.maximum(1 - (a - 1) / z, 0.0), (a - 1) / z**2))
    factor = _ufuncs._igam_fac(a, x)
    result = factor * np.where(rest < 0, below, -above)
    # The integral is x**a / a * (1 + a * s).
    s = slope = np.zeros_like(a)
    for k in range(15, 0, -1):
        term = (np.where(small, -x, 0.0)) ** k / math.factorial(k)
        s, slope = s + term / (a + k), slope + k * term / (a + k) ** 2
    series = (np.log(x) - special.psi(a + 1)) * (1 + a * s) + slope
    result = np.where(small, np.exp(x) * factor / a * series, result)
    result = np.where((x == 0) | np.isinf(x) | (factor == 0), 0.0, result)
    return np.where((a >= 0) & (x >= 0), np.where(a < 1e-20, -special.exp1(x), result), np.nan)


def betainc_in_first(a: Any, b: Any, x: Any, y: Any, density: Any) -> Any:
    r"""The derivative of the incomplete beta function with respect to a at x = 1 - y, given the density there:

    .. math:: \frac{1}{B(a, b)} \int_0^x (\log t + \psi(a + b) - \psi(a))\, t^{a-1} (1-t)^{b-1}\,dt

    or minus the integral from x to 1, whichever does not cancel.
    """
    a, b, x, y = np.broadcast_arrays(a, b, x, y)
    # Near the ends the integral has two scales, but there is a series that does not cancel.
    left, right = np.maximum(b, 1.0) * x <= 0.5, np.maximum(a, 1.0) * y <= 0.5
    with np.errstate(all="ignore"):
        rest = np.log(x) + psi_difference(a, b)
        ratio = x / y
        below = _half_line(
            lambda s: (rest - s) * np.exp(-a * s + (b - 1) * np.log1p(-ratio * np.expm1(-s))),
            _decay(np.maximum(a - (b - 1) * ratio, 0.0), (b - 1) * ratio * (1 + ratio)),
        )

        def above_at(s: Any) -> Any:
            growth = np.log1p(-np.expm1(-s) / ratio)
            return (rest + growth) * np.exp(-b * s + (a - 1) * growth)

        slope, curvature = b - (a - 1) / ratio, (a - 1) / ratio * (1 + 1 / ratio)
        above = _half_line(above_at, _decay(np.maximum(slope, 0.0), curvature))
        result = density * np.where(rest < 0, x * below, -y * above)
        from_left = density * x * np.exp((1 - b) * np.log1p(-x)) / a * _left_series(a, b, np.where(left, x, 0.0))
        from_right = density * y * np.exp((1 - a) * np.log1p(-y)) / b * _right_series(a, b, np.where(right, y, 0.0))
    result = np.where(left, from_left, np.where(right, -from_right, result))
    return np.where(((x == 0) | (y == 0)) & (a > 0) & (b > 0), 0.0, result)


def _left_series(a: Any, b: Any, x: Any) -> Any:
    r"""The derivative with respect to a of the integral from 0 to x, over :math:`x^a / (a B(a, b))`."""
    value, slope, term = np.ones_like(x), np.zeros_like(x), np.ones_like(x)
    for k in range(1, 54):
        term = term * (k - b) / k * x
        value, slope = value + a * term / (a + k), slope + k * term / (a + k) ** 2
    return (np.log(x) + psi_difference(a + 1, b) - 1 / (a + b)) * value + slope


def _right_series(a: Any, b: Any, y: Any) -> Any:
    r"""The derivative with respect to a of the integral from 1 - y to 1, over :math:`y^b / (b B(a, b))`."""
    value, slope, term, term_slope = np.ones_like(y), np.zeros_like(y), np.ones_like(y), np.zeros_like(y)
    for k in range(1, 54):
        term, term_slope = term * (k - a) / k * y, (term_slope * (k - a) - term) / k * y
        value, slope = value + b * term / (b + k), slope + b * term_slope / (b + k)
    return psi_difference(a, b) * value + slope
