"""Rules of ``scipy.special``: distribution functions and their inverses, by their densities.

SciPy rounds counts down, so that k has derivative zero.  The derivative of an inverse r is one over the density with
respect to the probability, and with respect to a parameter minus that of the distribution function over the density.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from dualdiff.rules.scipy.special import partials as integrals
from dualdiff.rules.scipy.special.special_table import define, first, own, refuse, row, ufunc
from dualdiff.rules.writing.rows import UNKNOWN


# -- densities ---------------------------------------------------------------------------------------------------------
@integrals.in_double
def gamma_density(a: Any, x: Any) -> Any:
    r""":math:`x^{a-1} e^{-x} / \Gamma(a)`."""
    edge = np.where(a == 1, 1.0, np.where(a < 1, np.inf, 0.0))
    positive = x > 0
    inner = ufunc("_igam_fac")(a, np.where(positive, x, 1.0)) / np.where(positive, x, 1.0)
    return np.where(positive, inner, np.where(x == 0, edge, 0.0))


def _beta_density(x: Any, a: Any, b: Any) -> Any:
    return np.exp(special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b))


@integrals.in_double
def beta_density(a: Any, b: Any, x: Any) -> Any:
    r""":math:`x^{a-1} (1-x)^{b-1} / B(a, b)`."""
    density = first("_beta_pdf", otherwise=_beta_density)(x, a, b)
    # SciPy's density is 0 if a * b underflows.
    return np.where(a * b < 1e-300, x ** (a - 1) * (1 - x) ** (b - 1) * (a / (a + b) * b), density)


@integrals.in_double
def f_density(a: Any, b: Any, x: Any) -> Any:
    """The density of the F distribution with a and b degrees of freedom."""
    w, rest = a * x / (b + a * x), b / (b + a * x)
    small = w < 0.5
    # Pass the smaller of the two: the beta density would subtract it from 1.
    density = beta_density(np.where(small, a, b) / 2, np.where(small, b, a) / 2, np.where(small, w, rest))
    return density * (a / b) * rest * rest


@integrals.in_double
def t_density(v: Any, t: Any) -> Any:
    """The density of Student's distribution with v degrees of freedom."""
    square = t * (t / v)
    power = np.where(square < 1, np.exp(-(v + 1) / 2 * np.log1p(square)), (1 + square) ** (-(v + 1) / 2))
    return power / (np.sqrt(v) * special.beta(0.5, v / 2))


def _ncx2_density(x: Any, v: Any, nc: Any) -> Any:
    bessel = special.ive(v / 2 - 1, np.sqrt(nc * x))
    return 0.5 * np.exp(-((np.sqrt(x) - np.sqrt(nc)) ** 2) / 2) * (x / nc) ** (v / 4 - 0.5) * bessel


@integrals.in_double
def ncx2_density(x: Any, v: Any, nc: Any) -> Any:
    """The density of the noncentral chi-square distribution."""
    return first("_ncx2_pdf", otherwise=_ncx2_density)(x, v, nc)


@integrals.in_double
def betainc_in_a(a: Any, b: Any, x: Any) -> Any:
    """The derivative of the incomplete beta function with respect to its first parameter."""
    return integrals.betainc_in_first(a, b, x, 1 - x, beta_density(a, b, x))


@integrals.in_double
def betainc_in_b(a: Any, b: Any, x: Any) -> Any:
    """The derivative of the incomplete beta function with respect to its second parameter."""
    return -integrals.betainc_in_first(b, a, 1 - x, x, beta_density(a, b, x))


own("gammainc_in_a", integrals.gammainc_in_a, UNKNOWN, "gamma_density(x, y) * (log(y) - psi(x))", of="gammainc")
_ACROSS = "beta_density(x, y, z) * (log(z) + psi_difference(x, y))"
own("betainc_in_a", betainc_in_a, UNKNOWN, UNKNOWN, _ACROSS, of="betainc")
_ACROSS = "beta_density(x, y, z) * (log1p(-z) + psi_difference(y, x))"
own("betainc_in_b", betainc_in_b, UNKNOWN, UNKNOWN, _ACROSS, of="betainc")
own("gamma_density", gamma_density, "r * (log(y) - psi(x))", "where(y == 0, 0.0 * x, r * (x - 1 - y) / y)")
own(
    "beta_density",
    beta_density,
    "r * (log(z) + psi_difference(x, y))",
    "r * (log1p(-z) + psi_difference(y, x))",
    "r * ((x - 1) / z - (y - 1) / (1 - z))",
)
own(
    "f_density",
    f_density,
    "0.5 * r * (1 + log(x * z / (y + x * z)) - (x + y) * z / (y + x * z) + psi_difference(0.5 * x, 0.5 * y))",
    "0.5 * r * (1 + log(y / (y + x * z)) - (x + y) / (y + x * z) + psi_difference(0.5 * y, 0.5 * x))",
    "r * ((0.5 * x - 1) / z - 0.5 * (x + y) * x / (y + x * z))",
)
own(
    "t_density",
    t_density,
    "0.5 * r * (psi_difference(0.5 * x, 0.5) - 1 / x - log1p(y * y / x) + (x + 1) * y * y / (x * (x + y * y)))",
    "-r * (x + 1) * y / (x + y * y)",
)
own(
    "ncx2_density",
    ncx2_density,
    "0.5 * (z / x * ncx2_density(x, y + 2, z) + ((y - 2) / x - 1) * r)",
    UNKNOWN,
    "0.5 * (ncx2_density(x, y + 2, z) - r)",
    of="chndtr",
)

# -- gamma and Poisson -------------------------------------------------------------------------------------------------
row("gammainc", "gammainc_in_a(x, y)", "gamma_density(x, y)")
row("gammaincc", "-gammainc_in_a(x, y)", "-gamma_density(x, y)")
row("gammaincinv", "-gammainc_in_a(x, r) / gamma_density(x, r)", "1 / gamma_density(x, r)")
row("gammainccinv", "-gammainc_in_a(x, r) / gamma_density(x, r)", "-1 / gamma_density(x, r)")
# At rate 0 the density is zero times that at 0, which may be infinite.
define("gdtr_slope", 3, "where(z == 0, 0.0, z * gamma_density(y, x * z))")
row("gdtr", "gdtr_slope(x, y, z)", "gammainc_in_a(y, x * z)", "gdtr_slope(z, y, x)")
row("gdtrc", "-gdtr_slope(x, y, z)", "-gammainc_in_a(y, x * z)", "-gdtr_slope(z, y, x)")
row(
    "gdtria",
    "1 / (z * gamma_density(y, r * z))",
    "-gammainc_in_a(y, r * z) / (z * gamma_density(y, r * z))",
    "-r / z",
)
row(
    "gdtrib",
    "-z * gamma_density(r, x * z) / gammainc_in_a(r, x * z)",
    "1 / gammainc_in_a(r, x * z)",
    "-x * gamma_density(r, x * z) / gammainc_in_a(r, x * z)",
)
row("gdtrix", "-r / x", "-gammainc_in_a(y, x * r) / (x * gamma_density(y, x * r))", "1 / (x * gamma_density(y, x * r))")
row("pdtr", None, "-gamma_density(floor(x) + 1, y)")
row("pdtrc", None, "gamma_density(floor(x) + 1, y)")
# If there is no solution k, SciPy returns the end of its search interval, which is constant.
row(
    "pdtrik",
    "where(r == 0, 0.0, -1 / gammainc_in_a(r + 1, y))",
    "where(r == 0, 0.0, -gamma_density(r + 1, y) / gammainc_in_a(r + 1, y))",
)
row("pdtri", None, "-1 / gamma_density(floor(x) + 1, r)")
row("chdtr", "0.5 * gammainc_in_a(0.5 * x, 0.5 * y)", "0.5 * gamma_density(0.5 * x, 0.5 * y)")
row("chdtrc", "-0.5 * gammainc_in_a(0.5 * x, 0.5 * y)", "-0.5 * gamma_density(0.5 * x, 0.5 * y)")
row(
    "chdtri",
    "-gammainc_in_a(0.5 * x, 0.5 * r) / gamma_density(0.5 * x, 0.5 * r)",
    "-2 / gamma_density(0.5 * x, 0.5 * r)",
)
row(
    "chdtriv",
    "2 / gammainc_in_a(0.5 * r, 0.5 * y)",
    "-gamma_density(0.5 * r, 0.5 * y) / gammainc_in_a(0.5 * r, 0.5 * y)",
)

# -- beta, binomial, F -------------------------------------------------------------------------------------------------
row("betainc", "betainc_in_a(x, y, z)", "betainc_in_b(x, y, z)", "beta_density(x, y, z)")
row("betaincc", "-betainc_in_a(x, y, z)", "-betainc_in_b(x, y, z)", "-beta_density(x, y, z)")
for _name, _sign in (("betaincinv", ""), ("betainccinv", "-")):
    row(
        _name,
        "-betainc_in_a(x, y, r) / beta_density(x, y, r)",
        "-betainc_in_b(x, y, r) / beta_density(x, y, r)",
        f"{_sign}1 / beta_density(x, y, r)",
    )
row(
    "btdtria",
    "1 / betainc_in_a(r, y, z)",
    "-betainc_in_b(r, y, z) / betainc_in_a(r, y, z)",
    "-beta_density(r, y, z) / betainc_in_a(r, y, z)",
)
row(
    "btdtrib",
    "-betainc_in_a(x, r, z) / betainc_in_b(x, r, z)",
    "1 / betainc_in_b(x, r, z)",
    "-beta_density(x, r, z) / betainc_in_b(x, r, z)",
)
# The binomial distribution is a beta distribution with parameters k + 1 and n - k, which both depend on k.
define("betainc_across", 3, "betainc_in_a(x, y, z) - betainc_in_b(x, y, z)")
row(
    "bdtrik",
    "where(r == 0, 0.0, -1 / betainc_across(r + 1, y - r, z))",
    "where(r == 0, 0.0, -betainc_in_b(r + 1, y - r, z) / betainc_across(r + 1, y - r, z))",
    "where(r == 0, 0.0, -beta_density(r + 1, y - r, z) / betainc_across(r + 1, y - r, z))",
)
row(
    "bdtrin",
    "-betainc_across(x + 1, r - x, z) / betainc_in_b(x + 1, r - x, z)",
    "-1 / betainc_in_b(x + 1, r - x, z)",
    "-beta_density(x + 1, r - x, z) / betainc_in_b(x + 1, r - x, z)",
)
row(
    "nbdtrik",
    "where(r == 0, 0.0, 1 / betainc_in_b(y, r + 1, z))",
    "where(r == 0, 0.0, -betainc_in_a(y, r + 1, z) / betainc_in_b(y, r + 1, z))",
    "where(r == 0, 0.0, -beta_density(y, r + 1, z) / betainc_in_b(y, r + 1, z))",
)
row(
    "nbdtrin",
    "-betainc_in_b(r, x + 1, z) / betainc_in_a(r, x + 1, z)",
    "1 / betainc_in_a(r, x + 1, z)",
    "-beta_density(r, x + 1, z) / betainc_in_a(r, x + 1, z)",
)
define(
    "binomial_slope",
    3,
    "where(floor(x) >= floor(y), 0.0 * z, beta_density(floor(x) + 1, floor(y) - floor(x), z))",
)
row("bdtr", None, UNKNOWN, "-binomial_slope(x, y, z)")
row("bdtrc", None, UNKNOWN, "where(x < 0, 0.0, binomial_slope(x, y, z))")
row("bdtri", None, UNKNOWN, "-1 / binomial_slope(x, y, r)")
row("nbdtr", None, UNKNOWN, "beta_density(floor(y), floor(x) + 1, z)")
row("nbdtrc", None, UNKNOWN, "-beta_density(floor(y), floor(x) + 1, z)")
row("nbdtri", None, UNKNOWN, "1 / beta_density(floor(y), floor(x) + 1, r)")
# By the smaller of the two arguments: betainc would subtract it from 1.
define(
    "f_in_a",
    3,
    "0.5 * where(x * z < y, betainc_in_a(0.5 * x, 0.5 * y, x * z / (y + x * z)),"
    " -betainc_in_b(0.5 * y, 0.5 * x, y / (y + x * z))) + z / x * f_density(x, y, z)",
)
define(
    "f_in_b",
    3,
    "0.5 * where(x * z < y, betainc_in_b(0.5 * x, 0.5 * y, x * z / (y + x * z)),"
    " -betainc_in_a(0.5 * y, 0.5 * x, y / (y + x * z))) - z / y * f_density(x, y, z)",
)
row("fdtr", "f_in_a(x, y, z)", "f_in_b(x, y, z)", "f_density(x, y, z)")
row("fdtrc", "-f_in_a(x, y, z)", "-f_in_b(x, y, z)", "-f_density(x, y, z)")
row(
    "fdtri",
    "-f_in_a(x, y, r) / f_density(x, y, r)",
    "-f_in_b(x, y, r) / f_density(x, y, r)",
    "1 / f_density(x, y, r)",
)
row(
    "fdtridfd",
    "where(r >= 1e10, 0.0, -f_in_a(x, r, z) / f_in_b(x, r, z))",
    "where(r >= 1e10, 0.0, 1 / f_in_b(x, r, z))",
    "where(r >= 1e10, 0.0, -f_density(x, r, z) / f_in_b(x, r, z))",
)

# -- noncentral distributions: Poisson mixtures, whose mean is half the noncentrality ----------------------------------
row("chndtr", "ncx2_density(x, y, z)", UNKNOWN, "-ncx2_density(x, y + 2, z)")
row("chndtrix", "1 / ncx2_density(r, y, z)", UNKNOWN, "ncx2_density(r, y + 2, z) / ncx2_density(r, y, z)")
row("chndtrinc", "ncx2_density(x, y, r) / ncx2_density(x, y + 2, r)", UNKNOWN, "-1 / ncx2_density(x, y + 2, r)")
row("_ncf_pdf", *(UNKNOWN,) * 4, of="ncfdtr")
row("_nct_pdf", *(UNKNOWN,) * 3, of="nctdtr")
define("ncf_in_nc", 4, "0.5 * (ncfdtr(x + 2, y, z, w * (x / (x + 2))) - ncfdtr(x, y, z, w))")
if ufunc("_ncf_pdf") is not None and ufunc("_nct_pdf") is not None:
    row("ncfdtr", UNKNOWN, UNKNOWN, "ncf_in_nc(x, y, z, w)", "_ncf_pdf(w, x, y, z)")
    row("ncfdtri", UNKNOWN, UNKNOWN, "-ncf_in_nc(x, y, z, r) / _ncf_pdf(r, x, y, z)", "1 / _ncf_pdf(r, x, y, z)")
    row("ncfdtrinc", UNKNOWN, UNKNOWN, "1 / ncf_in_nc(x, y, r, w)", "-_ncf_pdf(w, x, y, r) / ncf_in_nc(x, y, r, w)")
    row("nctdtr", UNKNOWN, UNKNOWN, "_nct_pdf(z, x, y)")
    row("nctdtrit", UNKNOWN, UNKNOWN, "1 / _nct_pdf(r, x, y)")
else:
    refuse("this version of SciPy lacks its density", "ncfdtr", "ncfdtri", "ncfdtrinc", "nctdtr", "nctdtrit")

# -- Student, normal, Tukey, Voigt -------------------------------------------------------------------------------------
define(
    "t_in_v",
    2,
    "where(y * y < x, copysign(0.25, y) * betainc_in_b(0.5, 0.5 * x, y * y / (x + y * y)),"
    " -copysign(0.25, y) * betainc_in_a(0.5 * x, 0.5, x / (x + y * y))) - 0.5 * y / x * t_density(x, y)",
)
row("stdtr", "t_in_v(x, y)", "t_density(x, y)")
row("stdtrit", "-t_in_v(x, r) / t_density(x, r)", "1 / t_density(x, r)")
row(
    "stdtridf",
    "where(absolute(r) >= 1e10, 0.0, 1 / t_in_v(r, y))",
    "where(absolute(r) >= 1e10, 0.0, -t_density(r, y) / t_in_v(r, y))",
)
row("nrdtrimn", "-y * slope_of_ndtri(x)", "-ndtri(x)", "1")
row("nrdtrisd", "-1 / ndtri(y)", "-r * slope_of_ndtri(y) / ndtri(y)", "1 / ndtri(y)")
# The quantile function is the difference of log p exprel(lam log p) at p and at 1 - p.
row(
    "tklmbda",
    "where((r <= 0) | (r >= 1), 0.0, 1 / (r**(y - 1) + (1 - r)**(y - 1)))",
    "where((r <= 0) | (r >= 1), 0.0, (log1p(-r)**2 * exprel_derivative(y * log1p(-r), 1)"
    " - log(r)**2 * exprel_derivative(y * log(r), 1)) / (r**(y - 1) + (1 - r)**(y - 1)))",
)
own(
    "voigt_derivative",
    integrals.voigt_derivative,
    "voigt_derivative(x, y, z, w + 1, a)",
    "y * voigt_derivative(x, y, z, w + 2, a)",
    "(2 * a - 1) * voigt_derivative(x, y, z, w + 1, 1 - a)",
    None,
    None,
)
row(
    "voigt_profile",
    "voigt_derivative(x, y, z, 1, 0)",
    "y * voigt_derivative(x, y, z, 2, 0)",
    "-voigt_derivative(x, y, z, 1, 1)",
)

# -- Kolmogorov and Smirnov --------------------------------------------------------------------------------------------
own("kolmogorov_derivative", integrals.kolmogorov_derivative, "kolmogorov_derivative(x, y + 1)", None)
row("kolmogorov", "kolmogorov_derivative(x, 1)")
row("kolmogi", "1 / kolmogorov_derivative(r, 1)")
row("_kolmogp", "kolmogorov_derivative(x, 2)", of="kolmogorov")
row("_kolmogc", "-kolmogorov_derivative(x, 1)", of="kolmogorov")
row("smirnov", UNKNOWN, "_smirnovp(x, y)")
row("smirnovi", UNKNOWN, "1 / _smirnovp(x, r)")
row("_smirnovp", UNKNOWN, UNKNOWN, of="smirnov")

refuse(
    "it solves for a parameter, and SciPy has no function for the derivative of the distribution function with respect"
    " to that parameter",
    *("chndtridf", "ncfdtridfd", "ncfdtridfn", "nctdtridf", "nctdtrinc"),
)
