"""Rules of ``scipy.special``: gamma and error functions, exponential and elliptic integrals, elementary functions."""

from __future__ import annotations

from dualdiff.rules.scipy.special import partials as integrals
from dualdiff.rules.scipy.special.special_table import define, own, refuse, row, several, ufunc, zero
from dualdiff.rules.writing.rows import UNKNOWN

# -- k-th derivatives, and other functions that only partials use ------------------------------------------------------
own("exp_of_product", integrals.exp_of_product, "y * r", "x * r")
own("sin_of_square", integrals.sin_of_square, "pi * x * cos_of_square(x)")
own("cos_of_square", integrals.cos_of_square, "-pi * x * sin_of_square(x)")
for _name in ("erfcx_derivative", "dawsn_derivative", "sine_quotient", "sinh_quotient", "log1p_quotient"):
    own(_name, getattr(integrals, _name), f"{_name}(x, y + 1)", None)
own("polygamma", integrals.polygamma, None, "polygamma(x + 1, y)")
own("psi_difference", integrals.psi_difference, "psi_difference_in_a(x, y)", "polygamma(1, x + y)")
define("psi_difference_in_a", 2, "polygamma(1, x + y) - polygamma(1, x)")
define("sin_pi", 1, "pi * x * sinc(x)")
define("cos_pi", 1, "1 - 2 * sin_pi(0.5 * x)**2")

# -- the gamma function ------------------------------------------------------------------------------------------------
row("gamma", "r * psi(x)")
row("gammaln", "psi(x)")
row("loggamma", "psi(x)")
row("psi", "polygamma(1, x)")
# By reflection near its zeros, where psi is infinite.
define("rgamma_reflected", 1, "gamma(1 - x) * (cos_pi(x) - psi(1 - x) * x * sinc(x))")
define("rgamma_slope", 1, "where(x < 0.5, rgamma_reflected(x), -psi(x) * rgamma(x))")
row(
    "rgamma",
    "where(x < 0.5, rgamma_reflected(x), -psi(x) * r)",
    complex_partials=("where(r == 0, rgamma_reflected(x), -psi(x) * r)",),
)
zero("gammasgn")
row("beta", "-r * psi_difference(x, y)", "-r * psi_difference(y, x)")
row("betaln", "-psi_difference(x, y)", "-psi_difference(y, x)")
row(
    "binom",
    "where(r == 0, gamma(x + 1) * rgamma(y + 1) * rgamma_slope(x - y + 1), r * psi_difference(x - y + 1, y))",
    "where(r == 0,"
    " gamma(x + 1) * (rgamma_slope(y + 1) * rgamma(x - y + 1) - rgamma(y + 1) * rgamma_slope(x - y + 1)),"
    " r * psi_difference(y + 1, x - 2.0 * y))",
)
row(
    "poch",
    "where((x <= 0) & (x == rint(x)) & ((x + y > 0) | (y != rint(y))),"
    " gamma(x + y) * rgamma_slope(x), r * psi_difference(x, y))",
    "r * psi(x + y)",
)
row("_zeta", UNKNOWN, "-x * _zeta(x + 1.0, y)")
refuse("SciPy has no function for the derivative of the zeta function", "zetac", "_riemann_zeta")

# -- error functions ---------------------------------------------------------------------------------------------------
define("gauss", 1, "2 / SQRT_PI * exp_of_product(-x, x)")
define("normal_density", 1, "exp_of_product(-0.5 * x, x) / SQRT_2PI")
row("erf", "gauss(x)")
row("erfc", "-gauss(x)")
row("erfcx", "erfcx_derivative(x, 1)")
row("erfi", "2 / SQRT_PI * exp_of_product(x, x)")
row("dawsn", "dawsn_derivative(x, 1)")
row("wofz", "where(imag(x) > 0, -1j * erfcx_derivative(-1j * x, 1), 2j / SQRT_PI - 2 * x * r)")
row("ndtr", "normal_density(x)")
_TAIL = "2 / SQRT_2PI / erfcx(-SQRT_HALF * x)"
row("log_ndtr", f"where(x < 0, {_TAIL}, normal_density(x) / ndtr(x))", complex_partials=(_TAIL,))


# exp(r**2) would amplify the rounding error of r.
own("slope_of_erfinv", integrals.slope_of_erfinv, "2 * erfinv(x) * r * r")
own("slope_of_erfcinv", integrals.slope_of_erfcinv, "2 * erfcinv(x) * r * r")
own("slope_of_ndtri", integrals.slope_of_ndtri, "ndtri(x) * r * r")
own("slope_of_ndtri_exp", integrals.slope_of_ndtri_exp, "r * (1 + ndtri_exp(x) * r)")
row("erfinv", "slope_of_erfinv(x)")
row("erfcinv", "slope_of_erfcinv(x)")
row("ndtri", "slope_of_ndtri(x)")
row("ndtri_exp", "slope_of_ndtri_exp(x)")
several("fresnel", ("sin_of_square(x)",), ("cos_of_square(x)",))
for _name in ("modfresnelp", "modfresnelm"):
    # SciPy before 1.14 exchanges the two.
    _sign, _other = "+-" if ufunc(_name)(0.0)[0].imag > 0 else "-+"
    _phase = f"(SQRT_HALF {_other} 1j * SQRT_HALF)"
    several(_name, (f"-exp_of_product({_sign}1j * x, x)",), (f"0.5 * {_phase} * erfcx_derivative(x * {_phase}, 1)",))
row(
    "owens_t",
    "-0.5 * normal_density(x) * erf(SQRT_HALF * y * x)",
    "exp_of_product(-0.5 * x, x) * exp_of_product(-0.5 * x * y, x * y) / (2 * pi * (1 + y * y))",
)

# -- exponential and related integrals ---------------------------------------------------------------------------------
row("exp1", "-exp(-x) / x")
row("expi", "exp(x) / x")
# SciPy truncates the order.
row("expn", UNKNOWN, "-where(trunc(x) == 0, exp(-y) * (1 + y) / (y * y), expn(trunc(x) - 1, y))")
several("shichi", ("sinh_quotient(x, 0)",), ("cosh(x) / x",))
several("sici", ("sine_quotient(x, 0)",), ("cos(x) / x",))
row("spence", "-log1p_quotient(x - 1.0, 0)")
row("wrightomega", "r / (1 + r)")
row("_lambertw", "where(x == 0, exp(-r), r / x) / (1 + r)", None, None)

# -- elliptic integrals, by Carlson's forms, whose partials do not cancel ----------------------------------------------
own(
    "carlson",
    integrals.carlson,
    "-0.5 * a * carlson(x, y, z, w, a + 2, b, c, d)",
    "-0.5 * b * carlson(x, y, z, w, a, b + 2, c, d)",
    "-0.5 * c * carlson(x, y, z, w, a, b, c + 2, d)",
    "-0.5 * d * carlson(x, y, z, w, a, b, c, d + 2)",
    *(None,) * 4,
)
row(
    "elliprc",
    "where(y < 0, (r - 1 / sqrt(x)) / (2 * (y - x)), -elliprd(y, y, x) / 6)",
    "where(y < 0, (r - sqrt(x) / y) / (2 * (x - y)), -elliprd(x, y, y) / 3)",
    complex_partials=("-elliprd(y, y, x) / 6", "-elliprd(x, y, y) / 3"),
)
row("elliprf", "-elliprd(y, z, x) / 6", "-elliprd(x, z, y) / 6", "-elliprd(x, y, z) / 6")
row(
    "elliprd",
    "-0.75 * carlson(x, y, z, 1.0, 3, 1, 3, 0)",
    "-0.75 * carlson(x, y, z, 1.0, 1, 3, 3, 0)",
    "-2.25 * carlson(x, y, z, 1.0, 1, 1, 5, 0)",
)
define(
    "elliprg_in_x", 3, "where(x == 0, 0.25 * elliprf(x, y, z), 0.25 * (elliprf(x, y, z) - x * elliprd(y, z, x) / 3))"
)
row("elliprg", "elliprg_in_x(x, y, z)", "elliprg_in_x(y, x, z)", "elliprg_in_x(z, x, y)")
row(
    "elliprj",
    "elliprj_in_x(x, y, z, w)",
    "elliprj_in_x(y, x, z, w)",
    "elliprj_in_x(z, x, y, w)",
    "elliprj_in_w(x, y, z, w)",
)
define("principal_in_x", 4, "(elliprj(x, y, z, w) - elliprd(y, z, x)) / (2 * (w - x))")
define(
    "principal_in_w",
    4,
    "-(1.5 * elliprj(x, y, z, w) + x * principal_in_x(x, y, z, w)"
    " + y * principal_in_x(y, x, z, w) + z * principal_in_x(z, x, y, w)) / w",
)
define(
    "elliprj_in_x", 4, "where(w == absolute(w), -0.75 * carlson(x, y, z, w, 3, 1, 1, 2), principal_in_x(x, y, z, w))"
)
define("elliprj_in_w", 4, "where(w == absolute(w), -1.5 * carlson(x, y, z, w, 1, 1, 1, 4), principal_in_w(x, y, z, w))")
row("ellipk", "elliprd(0.0, 1.0, 1 - x) / 6")
row("ellipkm1", "-elliprd(0.0, 1.0, x) / 6")
row("ellipe", "-elliprd(0.0, 1 - x, 1.0) / 6")
define("delta_square", 2, "cos(x)**2 + (1 - y) * sin(x)**2")
define("half_phases", 1, "2 * rint(x / pi)")
define("odd_cube", 1, "sin(x - pi * rint(x / pi))**3")
define(
    "ellipkinc_in_m",
    2,
    "where(half_phases(x) == 0, 0.0, half_phases(x) * elliprd(0.0, 1.0, 1 - y) / 6)"
    " + odd_cube(x) * elliprd(cos(x)**2, 1.0, delta_square(x, y)) / 6",
)
define(
    "ellipeinc_in_m",
    2,
    "-where(half_phases(x) == 0, 0.0, half_phases(x) * elliprd(0.0, 1 - y, 1.0) / 6)"
    " - odd_cube(x) * elliprd(cos(x)**2, delta_square(x, y), 1.0) / 6",
)
row("ellipkinc", "1 / sqrt(delta_square(x, y))", "ellipkinc_in_m(x, y)")
row("ellipeinc", "sqrt(delta_square(x, y))", "ellipeinc_in_m(x, y)")
# By the implicit function theorem, with u = F(am, m) fixed, the derivative of am is -F_m / F_am.
_AM = "r[2] * ellipkinc_in_m(r[3], y)"
several(
    "ellipj",
    ("r[1] * r[2]", f"-r[1] * {_AM}"),
    ("-r[0] * r[2]", f"r[0] * {_AM}"),
    ("-y * r[0] * r[1]", f"r[0] * (2 * y * r[1] * {_AM} - r[0]) / (2 * r[2])"),
    ("r[2]", f"-{_AM}"),
)
row(
    "agm",
    "where(r == 0, where(x == y, nan, where(x == 0, inf, 0.0)), agm_in_x(x / r, y / r))",
    "where(r == 0, where(x == y, nan, where(y == 0, inf, 0.0)), agm_in_x(y / r, x / r))",
)
define("agm_in_x", 2, "2 / (3 * pi) * x * elliprd(0.0, y * y, x * x)")

# -- hypergeometric functions ------------------------------------------------------------------------------------------
row("hyp0f1", UNKNOWN, "hyp0f1(x + 1, y) / x")
row("hyp1f1", UNKNOWN, UNKNOWN, "x / y * hyp1f1(x + 1, y + 1, z)")
row("hyp2f1", UNKNOWN, UNKNOWN, UNKNOWN, "x * y / z * hyp2f1(x + 1, y + 1, z + 1, w)")
row("hyperu", UNKNOWN, UNKNOWN, "-x * hyperu(x + 1, y + 1, z)")
row("wright_bessel", UNKNOWN, UNKNOWN, "wright_bessel(x, x + y, z)")
row("log_wright_bessel", UNKNOWN, UNKNOWN, "exp(log_wright_bessel(x, x + y, z) - r)")

# -- elementary functions ----------------------------------------------------------------------------------------------
row("exp10", "LN10 * r")
row("exp2", "LN2 * r")
row("expm1", "exp(x)")
row("log1p", "1 / (1 + x)")
row("cbrt", "1 / (3 * r * r)")
row("cosm1", "-sin(x)")
row("exprel", "exprel_derivative(x, 1)")
row(
    "powm1",
    "where((x == 0) & (y == 0), 0.0, where(y <= 0.5, y * (x**y / x), y * x**(y - 1)))",
    "where((x == 0) & (y == y), where(y > 0, 0.0, -inf), x**y * log(x))",
)
row("sindg", "pi / 180 * cosdg(x)")
row("cosdg", "-pi / 180 * sindg(x)")
row("tandg", "pi / 180 / cosdg(x)**2")
row("cotdg", "-pi / 180 / sindg(x)**2")
row("radian", "pi / 180", "pi / 10800", "pi / 648000", kind="linear")
zero("round")

# -- information, probability, losses ----------------------------------------------------------------------------------
row("expit", "expit_slope(x, r)")
row("logit", "1 / (x * (1 - x))")
row("log_expit", "expit(-x)")
row("xlogy", "log(y)", "where((x == 0) & (y == 0), 0.0, x / y)")
row("xlog1py", "log1p(y)", "where((x == 0) & (y == -1), 0.0, x / (1 + y))")
row("entr", "-log(x) - 1")
define(
    "log_of_quotient",
    2,
    "where((x > 0.5 * y) & (x < 2 * y), log1p((x - y) / y),"
    " where((x / y == 0) | (x / y == inf), log(x) - log(y), log(x / y)))",
)
row("rel_entr", "1 + log_of_quotient(x, y)", "-x / y")
row("kl_div", "log_of_quotient(x, y)", "(y - x) / y")
row("huber", "where(absolute(y) <= x, 0.0, absolute(y) - x)", "where(absolute(y) <= x, y, x * copysign(1, y))")
define("pseudo_huber_root", 2, "hypot(1, y / x)")
row(
    "pseudo_huber",
    "x * ((y / x)**2 / (1 + pseudo_huber_root(x, y)))**2 / pseudo_huber_root(x, y)",
    "y / pseudo_huber_root(x, y)",
)
row(
    "boxcox",
    "where(y <= 0.5, x**y / x, x**(y - 1))",
    "where(x == 0, 1 / (y * y), log(x)**2 * exprel_derivative(y * log(x), 1))",
)
row(
    "boxcox1p",
    "where(absolute(x) < 0.5, exp(xlog1py(y - 1, x)), (1 + x)**(y - 1))",
    "where(x == -1, 1 / (y * y), log1p(x)**2 * exprel_derivative(y * log1p(x), 1))",
)
row("inv_boxcox", "r / (1 + x * y)", "r * x * x * log1p_quotient(x * y, 1)")
row("inv_boxcox1p", "(r + 1) / (1 + x * y)", "(r + 1) * x * x * log1p_quotient(x * y, 1)")
