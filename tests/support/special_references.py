"""The functions of ``scipy.special`` in mpmath, and where their derivatives are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import mpmath
import numpy as np
from mpmath import mp

COUNT = 8
rng = np.random.default_rng(0)


def draw(name, dtype):
    """The points at which a row is tested, one array for each argument: always the same, normal values of the dtype."""
    global rng
    rng = np.random.default_rng(crc32(name.encode()))
    case, limits = CASES[name], np.finfo(dtype)
    count = case.count if dtype is np.float64 else case.count // 3
    drawn = [np.asarray(domain(case.count))[:count] for domain in case.domains]
    with np.errstate(all="ignore"):
        drawn = [a.astype(dtype) if a.dtype.kind == "f" else a for a in drawn]
    sizes = [np.abs(a) for a in drawn if a.dtype.kind == "f"]
    normal = np.logical_and.reduce([(a > limits.tiny) & (a < limits.max) for a in sizes])
    return [a[normal] for a in drawn]


# -- points ------------------------------------------------------------------------------------------------------------
def log(low, high):
    """Values of all magnitudes between two bounds."""
    return lambda n: 10 ** rng.uniform(np.log10(low), np.log10(high), n)


def both(low, high):
    """The same with both signs."""
    return lambda n: log(low, high)(n) * rng.choice([-1, 1], n)


def lin(low, high):
    """Values between two bounds."""
    return lambda n: rng.uniform(low, high, n)


def whole(low, high):
    """Integers from one to another."""
    return lambda n: rng.integers(low, high + 1, n)


def unit(n):
    """Values between 0 and 1, including some near both ends."""
    near = 10 ** rng.uniform(-12, 0, n)
    return np.where(rng.random(n) < 0.3, 1 - near, np.where(rng.random(n) < 0.5, near, rng.random(n)))


def symmetric(n):
    """Values between -1 and 1, including some near the ends."""
    return unit(n) * rng.choice([-1, 1], n)


@dataclass(frozen=True)
class Case:
    """A function, or one for each result, with a domain for each argument.

    ``implicit`` says that it is zero at (arguments, result), ``slopes`` that it is not the function but its partial
    derivatives, one for each argument or None.
    """

    functions: tuple[Any, ...]
    domains: tuple[Any, ...]
    dps: int = 40
    implicit: bool = False
    slopes: bool = False
    count: int = COUNT


CASES: dict[str, Case] = {}


def case(name, function, *domains, **options):
    functions = function if isinstance(function, tuple) else (function,)
    CASES[name] = Case(functions, domains, **options)


def inverse(name, function, *domains, **options):
    """``function(*arguments, result)`` is zero."""
    case(name, function, *domains, implicit=True, **options)


def slopes(name, *functions, domains, **options):
    """A tuple of partial derivatives for each result."""
    CASES[name] = Case(functions, domains, slopes=True, **options)


# -- gamma -------------------------------------------------------------------------------------------------------------
def log_gamma(x):
    return mp.log(abs(mp.gamma(x)))


REAL = both(1e-3, 30)
case("gamma", mp.gamma, both(1e-6, 150))
case("gammaln", log_gamma, both(1e-6, 1e6))
case("loggamma", log_gamma, log(1e-100, 1e100))
case("psi", mp.digamma, both(1e-6, 100))
case("rgamma", mp.rgamma, both(1e-6, 150))
case("beta", mp.beta, log(1e-6, 1e6), log(1e-6, 1e2))
case("betaln", lambda a, b: log_gamma(a) + log_gamma(b) - log_gamma(a + b), log(1e-6, 1e8), log(1e-6, 1e8))
case("binom", mp.binomial, log(1, 60), log(0.1, 20))
case("poch", mp.rf, log(1e-3, 100), log(1e-3, 20))
case("_zeta", mp.zeta, log(1.1, 30), log(1e-3, 1e3))

# -- error functions ---------------------------------------------------------------------------------------------------
case("erf", mp.erf, both(1e-300, 26), dps=330)
case("erfc", mp.erfc, both(1e-300, 26), dps=330)
case(
    "erfcx",
    lambda x: mp.exp(x * x) * mp.erfc(x),
    lambda n: np.where(np.arange(n) < 5, log(1e-5, 1e4)(n), -lin(0, 25)(n)),
)
case("erfi", mp.erfi, both(1e-300, 26))
case("dawsn", lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), both(1e-10, 1e3))
case("ndtr", mp.ncdf, both(1e-10, 37), dps=330)
case("log_ndtr", lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2), both(1e-5, 37), dps=330)
inverse("erfinv", lambda x, r: mp.erf(r) - x, symmetric, dps=60)
inverse(
    "erfcinv", lambda x, r: mp.erfc(r) - x, lambda n: np.where(np.arange(n) < 4, log(1e-300, 1)(n), 1 + unit(n)), dps=60
)
inverse("ndtri", lambda p, r: mp.ncdf(r) - p, lambda n: np.where(np.arange(n) < 4, log(1e-30, 1)(n), unit(n)), dps=60)
inverse("ndtri_exp", lambda y, r: mp.log(mp.erfc(-r / mp.sqrt(2)) / 2) - y, lambda n: -log(1e-10, 1e6)(n), dps=60)
slopes(
    "fresnel",
    (lambda x: mp.sin(mp.pi * x * x / 2),),
    (lambda x: mp.cos(mp.pi * x * x / 2),),
    domains=(both(1e-5, 1e5),),
)


def k_plus(sign):
    def k(x):
        turn = mp.exp(-sign * 1j * mp.pi / 4)
        return mp.exp((x * turn) ** 2) * mp.erfc(x * turn) / 2

    return k


for _name, _sign in (("modfresnelp", 1), ("modfresnelm", -1)):
    slopes(
        _name,
        (lambda x, s=_sign: -mp.exp(s * 1j * x * x),),
        (lambda x, s=_sign: mp.diff(k_plus(s), x),),
        domains=(lin(0, 12),),
    )
case(
    "owens_t",
    lambda h, a: mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / (2 * mp.pi),
    lin(-5, 5),
    lin(-3, 3),
    count=2,
    dps=30,
)

# -- exponential integrals ---------------------------------------------------------------------------------------------
case("exp1", mp.e1, log(1e-300, 700), dps=330)
case("expi", mp.ei, both(1e-10, 700), dps=330)
case("expn", mp.expint, whole(0, 8), log(1e-3, 50))
case("shichi", (mp.shi, mp.chi), log(1e-5, 300), dps=60)
case("sici", (mp.si, mp.ci), log(1e-5, 1e3))
slopes("spence", (lambda x: mp.log(x) / (1 - x),), domains=(lambda n: 1 + both(1e-12, 0.9)(n),))
case("wrightomega", lambda x: mp.lambertw(mp.exp(x)), both(1e-3, 300), dps=200)

# -- elliptic ----------------------------------------------------------------------------------------------------------
BELOW_ONE = lambda n: np.where(np.arange(n) < 3, -log(1e-3, 1e5)(n), unit(n))
case("ellipk", mp.ellipk, BELOW_ONE)
case("ellipkm1", lambda p: mp.ellipk(1 - p), log(1e-100, 1), dps=140)
case("ellipe", mp.ellipe, BELOW_ONE)
case("ellipkinc", mp.ellipf, lin(-20, 20), lin(-3, 0.99))
case("ellipeinc", mp.ellipe, lin(-20, 20), lin(-3, 0.99))
POSITIVE = log(1e-6, 1e6)
case("elliprc", mp.elliprc, POSITIVE, POSITIVE)
case("elliprf", mp.elliprf, POSITIVE, POSITIVE, POSITIVE)
case("elliprd", mp.elliprd, POSITIVE, POSITIVE, POSITIVE, count=3)
case("elliprg", mp.elliprg, POSITIVE, POSITIVE, POSITIVE, count=3)
case("elliprj", mp.elliprj, log(1e-3, 1e3), log(1e-3, 1e3), log(1e-3, 1e3), log(1e-3, 1e3), count=3)
case(
    "ellipj",
    (
        *(lambda u, m, k=k: mp.ellipfun(k, u, m=m) for k in ("sn", "cn", "dn")),
        lambda u, m: mp.findroot(lambda a: mp.ellipf(a, m) - u, u),
    ),
    lin(-2.5, 2.5),
    lin(0.01, 0.95),
    count=3,
    dps=30,
)
case("agm", mp.agm, log(1e-100, 1e100), log(1e-100, 1e100))

# -- hypergeometric ----------------------------------------------------------------------------------------------------
case("hyp0f1", mp.hyp0f1, log(0.1, 20), both(1e-3, 50))
case("hyp1f1", mp.hyp1f1, log(0.1, 10), log(0.1, 10), both(1e-3, 30))
case("hyp2f1", mp.hyp2f1, log(0.1, 5), log(0.1, 5), log(0.1, 10), lin(-0.9, 0.9))
case("hyperu", mp.hyperu, log(0.1, 5), lin(0.1, 3), log(0.1, 30))


def wright(a, b, x):
    return mp.fsum(x**k / mp.factorial(k) * mp.rgamma(a * k + b) for k in range(150))


case("wright_bessel", wright, lin(0.1, 2), lin(0.1, 5), log(1e-3, 20), count=4)
case("log_wright_bessel", lambda a, b, x: mp.log(wright(a, b, x)), lin(0.1, 2), lin(0.5, 5), log(1e-3, 20), count=4)

# -- elementary --------------------------------------------------------------------------------------------------------
DEGREE = mp.pi / 180
case("exp10", lambda x: mp.mpf(10) ** x, both(1e-5, 300))
case("exp2", lambda x: mp.mpf(2) ** x, both(1e-5, 1000))
case("expm1", mp.expm1, both(1e-5, 700), dps=330)
case("log1p", mp.log1p, log(1e-300, 1e300))
case("cbrt", lambda x: mp.sign(x) * abs(x) ** (mp.mpf(1) / 3), both(1e-300, 1e300))
case("cosm1", lambda x: mp.cos(x) - 1, both(1e-8, 1e5))
case("exprel", lambda x: mp.expm1(x) / x, both(1e-5, 700))
case("powm1", lambda x, y: x**y - 1, log(1e-3, 1e3), both(1e-3, 20), dps=100)
case("sindg", lambda x: mp.sin(mp.pi * x / 180), both(1e-5, 1e4))
case("cosdg", lambda x: mp.cos(mp.pi * x / 180), both(1e-5, 1e4))
case("tandg", lambda x: mp.tan(mp.pi * x / 180), both(1e-5, 1e3))
case("cotdg", lambda x: mp.cot(mp.pi * x / 180), both(1e-5, 1e3))
case("radian", lambda d, m, s: mp.pi / 180 * (d + m / 60 + s / 3600), REAL, REAL, REAL, count=2)
case("expit", lambda x: 1 / (1 + mp.exp(-x)), both(1e-5, 700), dps=330)
case("logit", lambda x: mp.log(x / (1 - x)), unit)
case("log_expit", lambda x: -mp.log1p(mp.exp(-x)), both(1e-5, 700), dps=330)
case("xlogy", lambda x, y: x * mp.log(y), both(1e-100, 1e100), log(1e-100, 1e100))
case("xlog1py", lambda x, y: x * mp.log1p(y), both(1e-100, 1e100), log(1e-100, 1e100))
case("entr", lambda x: -x * mp.log(x), log(1e-300, 1e300))
case("rel_entr", lambda x, y: x * mp.log(x / y), log(1e-200, 1e200), log(1e-200, 1e200))
case("kl_div", lambda x, y: x * mp.log(x / y) - x + y, log(1e-2, 1e2), log(1e-2, 1e2))
case("huber", lambda d, x: x * x / 2 if abs(x) <= d else d * (abs(x) - d / 2), log(0.1, 10), both(0.1, 10))
case("pseudo_huber", lambda d, x: d * d * (mp.sqrt(1 + (x / d) ** 2) - 1), log(1e-3, 1e3), both(1e-3, 1e3))
case("boxcox", lambda x, y: (x**y - 1) / y, log(1e-3, 1e3), both(1e-3, 20), dps=100)
case("boxcox1p", lambda x, y: ((1 + x) ** y - 1) / y, log(1e-6, 1e3), both(1e-3, 20), dps=100)
case("inv_boxcox", lambda x, y: (1 + x * y) ** (1 / y), log(1e-2, 10), log(1e-3, 5))
case("inv_boxcox1p", lambda x, y: (1 + x * y) ** (1 / y) - 1, log(1e-2, 10), log(1e-3, 5))


def bessel_k(v, x):
    """The integral of exp(-x cosh t) cosh(v t) from 0 to infinity; mpmath takes a limit for whole orders, slowly."""
    h, terms, t = 1 / (12 * mp.sqrt(1 + x)), [mp.exp(-x) / 2], 0
    while terms[-1] > mp.eps**2 * terms[0]:
        t += h
        terms.append(mp.exp(-x * mp.cosh(t)) * mp.cosh(v * t))
    return h * mp.fsum(terms)


# -- Bessel ------------------------------------------------------------------------------------------------------------
WAVES = log(1e-3, 50)
for _name, _order, _function in (
    *(("j0", 0, mp.besselj), ("j1", 1, mp.besselj), ("y0", 0, mp.bessely), ("y1", 1, mp.bessely)),
    *(("i0", 0, mp.besseli), ("i1", 1, mp.besseli), ("k0", 0, bessel_k), ("k1", 1, bessel_k)),
):
    case(_name, lambda x, v=_order, f=_function: f(v, x), WAVES, count=3 if _name[0] in "yk" else COUNT)
for _name, _order in (("i0e", 0), ("i1e", 1)):
    case(_name, lambda x, v=_order: mp.exp(-abs(x)) * mp.besseli(v, x), both(1e-3, 1e3))
for _name, _order in (("k0e", 0), ("k1e", 1)):
    case(_name, lambda x, v=_order: mp.exp(x) * bessel_k(v, x), log(1e-3, 1e3), count=4)
ORDER = lin(0, 12)
case("jv", mp.besselj, ORDER, WAVES)
case("jve", mp.besselj, ORDER, WAVES)
case("yv", mp.bessely, ORDER, WAVES)
case("yve", mp.bessely, ORDER, WAVES)
case("yn", mp.bessely, whole(0, 9), WAVES)
case("iv", mp.besseli, ORDER, log(1e-3, 600))
case("ive", lambda v, x: mp.exp(-x) * mp.besseli(v, x), ORDER, log(1e-3, 1e4))
case("kv", mp.besselk, ORDER, log(1e-3, 600))
case("kn", mp.besselk, whole(0, 9), log(1e-3, 600), count=2)
case("kve", lambda v, x: mp.exp(x) * mp.besselk(v, x), ORDER, log(1e-3, 1e4))
case(
    "besselpoly",
    lambda a, p, v: mp.quad(lambda t: t**p * mp.besselj(v, 2 * a * t), [0, 1]),
    lin(0.1, 2),
    lin(1, 3),
    whole(0, 3),
    count=3,
    dps=25,
)
for _name, _function in (("jn", mp.besselj), ("yn", mp.bessely), ("in", mp.besseli), ("kn", mp.besselk)):

    def _spherical(n, x, f=_function):
        return mp.sqrt(mp.pi / (2 * x)) * f(n + mp.mpf(1) / 2, x)

    case(f"_spherical_{_name}", _spherical, whole(0, 6), log(1e-2, 30))
    slopes(
        f"_spherical_{_name}_d",
        (None, lambda n, x, f=_spherical: mp.diff(lambda t: f(n, t), x, 2)),
        domains=(whole(0, 6), log(1e-1, 30)),
    )
slopes("itj0y0", (lambda x: mp.besselj(0, x),), (lambda x: mp.bessely(0, x),), domains=(WAVES,))
slopes("iti0k0", (lambda x: mp.besseli(0, x),), (lambda x: mp.besselk(0, x),), domains=(WAVES,))
slopes("it2j0y0", (lambda x: (1 - mp.besselj(0, x)) / x,), (lambda x: -mp.bessely(0, x) / x,), domains=(WAVES,))
slopes("it2i0k0", (lambda x: (mp.besseli(0, x) - 1) / x,), (lambda x: -mp.besselk(0, x) / x,), domains=(WAVES,))

AIRY = lambda n: np.where(np.arange(n) < 5, log(1e-3, 30)(n), -lin(0, 10)(n))
case("airy", (mp.airyai, lambda x: mp.airyai(x, derivative=1), mp.airybi, lambda x: mp.airybi(x, derivative=1)), AIRY)


def growing(x):
    return mp.exp(2 * x * mp.sqrt(x) / 3)


case(
    "airye",
    (
        lambda x: mp.airyai(x) * growing(x),
        lambda x: mp.airyai(x, derivative=1) * growing(x),
        lambda x: mp.airybi(x) / growing(x),
        lambda x: mp.airybi(x, derivative=1) / growing(x),
    ),
    log(1e-3, 100),
)
slopes(
    "itairy",
    *(((lambda x, f=f, s=s: f(s * x)),) for s in (1, -1) for f in (mp.airyai, mp.airybi)),
    domains=(lin(-5, 5),),
)
case("struve", mp.struveh, lin(0, 5), WAVES)
case("modstruve", mp.struvel, lin(0, 5), WAVES)
slopes("itstruve0", (lambda x: mp.struveh(0, x),), domains=(WAVES,))
slopes("it2struve0", (lambda x: -mp.struveh(0, x) / x,), domains=(WAVES,))
slopes("itmodstruve0", (lambda x: mp.struvel(0, x),), domains=(WAVES,))
KELVIN = log(1e-3, 8)
for _name in ("ber", "bei", "ker", "kei"):
    _function = getattr(mp, _name)
    case(_name, lambda x, f=_function: f(0, x), KELVIN)
    slopes(_name + "p", (lambda x, f=_function: mp.diff(lambda t: f(0, t), x, 2),), domains=(KELVIN,), count=4)


def kelvin(first, second, order):
    return lambda x: mp.diff(lambda t: first(0, t) + 1j * second(0, t), x, order)


slopes(
    "kelvin",
    *((kelvin(*pair, order),) for order in (1, 2) for pair in ((mp.ber, mp.bei), (mp.ker, mp.kei))),
    domains=(KELVIN,),
    count=3,
)

# -- orthogonal polynomials --------------------------------------------------------------------------------------------
DEGREES = whole(0, 12)
case("eval_legendre", mp.legendre, DEGREES, symmetric)
case("eval_chebyt", mp.chebyt, DEGREES, symmetric)
case("eval_chebyu", mp.chebyu, DEGREES, symmetric)
case("eval_chebyc", lambda n, x: 2 * mp.chebyt(n, x / 2), DEGREES, lin(-2, 2))
case("eval_chebys", lambda n, x: mp.chebyu(n, x / 2), DEGREES, lin(-2, 2))
case("eval_sh_legendre", lambda n, x: mp.legendre(n, 2 * x - 1), DEGREES, lin(0, 1))
case("eval_sh_chebyt", lambda n, x: mp.chebyt(n, 2 * x - 1), DEGREES, lin(0, 1))
case("eval_sh_chebyu", lambda n, x: mp.chebyu(n, 2 * x - 1), DEGREES, lin(0, 1))
case("eval_hermite", mp.hermite, DEGREES, both(1e-2, 10))
case("eval_hermitenorm", lambda n, x: 2 ** (-mp.mpf(n) / 2) * mp.hermite(n, x / mp.sqrt(2)), DEGREES, both(1e-2, 10))
case("eval_laguerre", lambda n, x: mp.laguerre(n, 0, x), DEGREES, log(1e-3, 20))
case("eval_genlaguerre", mp.laguerre, DEGREES, lin(0, 3), log(1e-3, 20))
case("eval_gegenbauer", mp.gegenbauer, DEGREES, lin(0.3, 3), symmetric)
case("eval_jacobi", mp.jacobi, DEGREES, lin(0, 3), lin(0, 3), symmetric)
case(
    "eval_sh_jacobi",
    lambda n, p, q, x: mp.jacobi(n, p - q, q - 1, 2 * x - 1) / mp.binomial(2 * n + p - 1, n),
    *(whole(0, 8), lin(2, 4), lin(0.5, 1.9), lin(0, 1)),
)
case(
    "lpmv",
    lambda m, v, x: (-1) ** m * (1 - x * x) ** (m / mp.mpf(2)) * mp.fac2(2 * m - 1) * mp.gegenbauer(v - m, m + 0.5, x),
    *(whole(0, 3), whole(3, 8), lin(-0.95, 0.95)),
)
case("pbdv", (mp.pcfd, lambda v, x: mp.diff(lambda t: mp.pcfd(v, t), x)), lin(0, 5), lin(-3, 4), count=4)
case(
    "pbvv",
    (lambda v, x: mp.pcfv(-v - 0.5, x), lambda v, x: mp.diff(lambda t: mp.pcfv(-v - 0.5, t), x)),
    lin(0, 4),
    lin(0.1, 4),
    count=4,
)
# Where a and x are positive W falls, and SciPy's series lose up to six digits by cancellation.
case("pbwa", (mp.pcfw, lambda a, x: mp.diff(lambda t: mp.pcfw(a, t), x)), lin(-4, 4), lin(-4, 1), count=3, dps=20)


# -- distributions -----------------------------------------------------------------------------------------------------
def gamma_cdf(a, x):
    return mp.gammainc(a, 0, x, regularized=True)


def beta_cdf(a, b, x):
    return mp.betainc(a, b, 0, x, regularized=True)


def f_cdf(a, b, x):
    return beta_cdf(a / mp.mpf(2), b / mp.mpf(2), a * x / (b + a * x))


def t_cdf(v, t):
    tail = beta_cdf(v / mp.mpf(2), mp.mpf(1) / 2, v / (v + t * t)) / 2
    return tail if t < 0 else 1 - tail


def binomial_cdf(k, n, p):
    return beta_cdf(n - k, k + 1, 1 - p)


def poisson_mixture(function, nc):
    return mp.fsum(mp.exp(-nc / 2) * (nc / 2) ** j / mp.factorial(j) * function(j) for j in range(30))


def ncx2_cdf(x, v, nc):
    return poisson_mixture(lambda j: gamma_cdf(v / mp.mpf(2) + j, x / 2), nc)


def ncf_cdf(a, b, nc, x):
    return poisson_mixture(lambda j: beta_cdf(a / mp.mpf(2) + j, b / mp.mpf(2), a * x / (b + a * x)), nc)


def nct_cdf(v, nc, t):
    y, half = t * t / (v + t * t), nc * nc / 2
    total = mp.fsum(
        mp.exp(-half)
        * (
            half**j / mp.factorial(j) * beta_cdf(j + mp.mpf(1) / 2, v / mp.mpf(2), y)
            + nc / mp.sqrt(2) * half**j / mp.gamma(j + 1.5) * beta_cdf(j + 1, v / mp.mpf(2), y)
        )
        for j in range(30)
    )
    return mp.ncdf(-nc) + total / 2


SHAPE = log(0.1, 50)
X = log(1e-2, 50)
P = lin(0.01, 0.99)
case("gammainc", gamma_cdf, SHAPE, X)
case("gammaincc", lambda a, x: -gamma_cdf(a, x), SHAPE, X)
inverse("gammaincinv", lambda a, p, r: gamma_cdf(a, r) - p, SHAPE, P)
inverse("gammainccinv", lambda a, p, r: 1 - gamma_cdf(a, r) - p, SHAPE, P)
case("gdtr", lambda a, b, x: gamma_cdf(b, a * x), log(0.1, 3), SHAPE, X)
case("gdtrc", lambda a, b, x: -gamma_cdf(b, a * x), log(0.1, 3), SHAPE, X)
inverse("gdtria", lambda p, b, x, r: gamma_cdf(b, r * x) - p, P, lin(0.5, 10), log(0.1, 10), count=4)
inverse("gdtrix", lambda a, b, p, r: gamma_cdf(b, a * r) - p, log(0.1, 10), lin(0.5, 10), P, count=4)
case("pdtr", lambda k, m: -gamma_cdf(k + 1, m), whole(0, 20), X)
case("pdtrc", lambda k, m: gamma_cdf(k + 1, m), whole(0, 20), X)
inverse("pdtri", lambda k, p, r: 1 - gamma_cdf(k + 1, r) - p, whole(0, 20), P)
case("chdtr", lambda v, x: gamma_cdf(v / mp.mpf(2), x / 2), SHAPE, X)
case("chdtrc", lambda v, x: -gamma_cdf(v / mp.mpf(2), x / 2), SHAPE, X)
inverse("chdtri", lambda v, p, r: 1 - gamma_cdf(v / mp.mpf(2), r / 2) - p, lin(0.5, 20), P)
case("betainc", beta_cdf, SHAPE, SHAPE, P)
case("betaincc", lambda a, b, x: -beta_cdf(a, b, x), SHAPE, SHAPE, P)
inverse("betaincinv", lambda a, b, p, r: beta_cdf(a, b, r) - p, lin(0.5, 10), lin(0.5, 10), P)
inverse("betainccinv", lambda a, b, p, r: 1 - beta_cdf(a, b, r) - p, lin(0.5, 10), lin(0.5, 10), P)
case("bdtr", binomial_cdf, whole(0, 9), whole(10, 20), P)
case("bdtrc", lambda k, n, p: -binomial_cdf(k, n, p), whole(0, 9), whole(10, 20), P)
inverse("bdtri", lambda k, n, p, r: binomial_cdf(k, n, r) - p, whole(0, 9), whole(10, 20), P)
case("nbdtr", lambda k, n, p: beta_cdf(n, k + 1, p), whole(0, 9), whole(1, 20), P)
case("nbdtrc", lambda k, n, p: -beta_cdf(n, k + 1, p), whole(0, 9), whole(1, 20), P)
inverse("nbdtri", lambda k, n, p, r: beta_cdf(n, k + 1, r) - p, whole(0, 9), whole(1, 20), P)
case("fdtr", f_cdf, SHAPE, SHAPE, X)
case("fdtrc", lambda a, b, x: -f_cdf(a, b, x), SHAPE, SHAPE, X)
inverse("fdtri", lambda a, b, p, r: f_cdf(a, b, r) - p, lin(1, 10), lin(1, 10), P)
FEW = {"count": 3, "dps": 30}
inverse("gdtrib", lambda a, p, x, r: gamma_cdf(r, a * x) - p, lin(0.5, 2), P, lin(1, 4), **FEW)
inverse("pdtrik", lambda p, m, r: 1 - gamma_cdf(r + 1, m) - p, lin(0.3, 0.9), lin(3, 9), **FEW)
inverse("chdtriv", lambda p, x, r: gamma_cdf(r / 2, x / 2) - p, P, lin(1, 9), **FEW)
inverse("btdtria", lambda p, b, x, r: beta_cdf(r, b, x) - p, P, lin(0.5, 9), P, **FEW)
inverse("btdtrib", lambda a, p, x, r: beta_cdf(a, r, x) - p, lin(0.5, 9), P, P, **FEW)
inverse("bdtrik", lambda p, n, x, r: binomial_cdf(r, n, x) - p, lin(0.3, 0.7), whole(9, 15), lin(0.3, 0.6), **FEW)
inverse("bdtrin", lambda k, p, x, r: binomial_cdf(k, r, x) - p, whole(2, 5), lin(0.3, 0.7), lin(0.3, 0.6), **FEW)
inverse("nbdtrik", lambda p, n, x, r: beta_cdf(n, r + 1, x) - p, lin(0.3, 0.7), whole(3, 6), lin(0.3, 0.6), **FEW)
inverse("nbdtrin", lambda k, p, x, r: beta_cdf(r, k + 1, x) - p, whole(3, 6), lin(0.3, 0.7), lin(0.3, 0.6), **FEW)
inverse("fdtridfd", lambda a, p, x, r: f_cdf(a, r, x) - p, lin(3, 5), lin(0.57, 0.62), lin(1.15, 1.2), **FEW)
inverse("stdtridf", lambda p, t, r: t_cdf(r, t) - p, lin(0.8, 0.82), lin(0.97, 1.05), **FEW)
SOME = {"count": 1, "dps": 20}
case("chndtr", ncx2_cdf, log(0.5, 20), lin(0.5, 10), lin(0.5, 8), **SOME)
inverse("chndtrix", lambda p, v, nc, r: ncx2_cdf(r, v, nc) - p, P, lin(0.5, 10), lin(0.5, 8), **SOME)
inverse("chndtrinc", lambda x, v, p, r: ncx2_cdf(x, v, r) - p, lin(9, 15), lin(1, 4), lin(0.2, 0.6), **SOME)
case("ncfdtr", ncf_cdf, lin(1, 10), lin(1, 10), lin(0.5, 4), log(0.5, 5), **SOME)
inverse("ncfdtri", lambda a, b, nc, p, r: ncf_cdf(a, b, nc, r) - p, lin(2, 9), lin(3, 9), lin(0.5, 4), P, **SOME)
inverse(
    "ncfdtrinc", lambda a, b, p, x, r: ncf_cdf(a, b, r, x) - p, lin(2, 9), lin(3, 9), lin(0.2, 0.5), lin(3, 5), **SOME
)
case("nctdtr", nct_cdf, lin(1, 10), lin(-2, 2), log(0.5, 3), **SOME)
inverse("nctdtrit", lambda v, nc, p, r: nct_cdf(v, nc, r) - p, lin(2, 10), lin(0.2, 2), lin(0.5, 0.9), **SOME)
case("stdtr", t_cdf, SHAPE, both(1e-2, 1e2))
inverse("stdtrit", lambda v, p, r: t_cdf(v, r) - p, SHAPE, lin(0.05, 0.95))


def probit(p):
    return mp.sqrt(2) * mp.erfinv(2 * p - 1)


case("nrdtrimn", lambda p, s, x: x - s * probit(p), P, SHAPE, REAL, count=4)
case("nrdtrisd", lambda m, p, x: (x - m) / probit(p), lin(-1, 0), lin(0.6, 0.95), lin(1, 3), count=4)
inverse("tklmbda", lambda x, y, r: (r**y - (1 - r) ** y) / y - x, lin(-0.3, 0.3), both(1e-3, 2))


def voigt(x, s, g):
    z = (x + 1j * g) / (s * mp.sqrt(2))
    return mp.re(mp.exp(-z * z) * mp.erfc(-1j * z)) / (s * mp.sqrt(2 * mp.pi))


case("voigt_profile", voigt, lin(-5, 5), log(0.1, 3), log(0.1, 10))


def kolmogorov(x):
    return 2 * mp.fsum((-1) ** (k - 1) * mp.exp(-2 * k * k * x * x) for k in range(1, 80))


def smirnov(n, d):
    n = int(n)
    return d * mp.fsum(
        mp.binomial(n, j) * (d + mp.mpf(j) / n) ** (j - 1) * (1 - d - mp.mpf(j) / n) ** (n - j)
        for j in range(int(n * (1 - d)) + 1)
    )


case("kolmogorov", kolmogorov, log(0.2, 3))
case("_kolmogc", lambda x: 1 - kolmogorov(x), log(0.2, 3))
case("_kolmogp", lambda x: mp.diff(kolmogorov, x), log(0.2, 3))
inverse("kolmogi", lambda p, r: kolmogorov(r) - p, P)
case("smirnov", smirnov, whole(2, 15), lin(0.03, 0.97))
inverse("smirnovi", lambda n, p, r: smirnov(n, r) - p, whole(2, 15), P)


# -- derivatives -------------------------------------------------------------------------------------------------------
def partial(function, i, point, order=1):
    """The partial derivative in argument i, with steps in proportion to it."""
    x = point[i]
    if x == 0:
        return mp.diff(lambda t: function(*point[:i], t, *point[i + 1 :]), x, order)
    return mp.diff(lambda t: function(*point[:i], x * (1 + t), *point[i + 1 :]), 0, order) / x**order


def wanted(case, k, i, point, value):
    """The derivative of result k in argument i at a point, where the value is about this."""
    function = case.functions[k]
    if case.slopes:
        return function[i](*point)
    if not case.implicit:
        return partial(function, i, point)
    r = mpmath.mpmathify(value)
    for _ in range(2 if case.dps < 30 else 4 if case.dps < 100 else 6):
        r -= function(*point, r) / partial(function, len(point), (*point, r))
    return -partial(function, i, (*point, r)) / partial(function, len(point), (*point, r))
