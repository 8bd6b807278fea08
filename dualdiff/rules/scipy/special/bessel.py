"""Rules of ``scipy.special``: Bessel and related functions, orthogonal polynomials, Mathieu and spheroidal functions.

Of the orders only those of kv and kve are differentiated, at arguments near the positive half line: SciPy has no
function for the derivative with respect to an order.
"""

from __future__ import annotations

from dualdiff.rules.scipy.special import partials as integrals
from dualdiff.rules.scipy.special.special_table import define, own, refuse, row, several
from dualdiff.rules.writing.rows import UNKNOWN

# -- Bessel functions --------------------------------------------------------------------------------------------------
row("j0", "-j1(x)")
row("j1", "0.5 * (j0(x) - jv(2.0, x))")
row("y0", "-y1(x)")
row("y1", "0.5 * (y0(x) - yv(2.0, x))")
row("i0", "i1(x)")
row("i1", "0.5 * (i0(x) + iv(2.0, x))")
row("k0", "-k1(x)")
row("k1", "-0.5 * (k0(x) + kv(2.0, x))")
own("ive_derivative", integrals.ive_derivative, None, "ive_derivative(x, y, z + 1)", None)
own("kve_derivative", integrals.kve_derivative, "kve_in_order(x, y, z, 1)", "kve_derivative(x, y, z + 1)", None)
own("kve_in_order", integrals.kve_in_order, "kve_in_order(x, y, z, w + 1)", "kve_in_order(x, y, z + 1, w)", None, None)
row("i0e", "ive_derivative(0.0, x, 1)")
row("i1e", "ive_derivative(1.0, x, 1)")
row("k0e", "kve_derivative(0.0, x, 1)")
row("k1e", "kve_derivative(1.0, x, 1)")
row("jv", UNKNOWN, "0.5 * (jv(x - 1.0, y) - jv(x + 1.0, y))")
row("yv", UNKNOWN, "0.5 * (yv(x - 1.0, y) - yv(x + 1.0, y))")
# SciPy truncates the orders of yn and kn.
row("yn", UNKNOWN, "0.5 * (yv(trunc(x) - 1.0, y) - yv(trunc(x) + 1.0, y))")
row("iv", UNKNOWN, "0.5 * (iv(x - 1.0, y) + iv(x + 1.0, y))")
row("kv", "exp(-y) * kve_in_order(x, y, 0, 1)", "-0.5 * (kv(x - 1.0, y) + kv(x + 1.0, y))")
row("kn", UNKNOWN, "-0.5 * (kv(trunc(x) - 1.0, y) + kv(trunc(x) + 1.0, y))")
row("kve", "kve_in_order(x, y, 0, 1)", "kve_derivative(x, y, 1)")
for _name, _phase in (("hankel1", "1j"), ("hankel2", "-1j")):
    row(_name, UNKNOWN, f"0.5 * ({_name}(x - 1.0, y) - {_name}(x + 1.0, y))")
    row(f"{_name}e", UNKNOWN, f"0.5 * ({_name}e(x - 1.0, y) - {_name}e(x + 1.0, y)) - {_phase} * r")
# Scaled by exp(-abs(imag(y))), which has a partial with respect to the conjugate of y.
for _name in ("jve", "yve"):
    _slope = f"0.5 * ({_name}(x - 1.0, y) - {_name}(x + 1.0, y))"
    row(
        _name,
        UNKNOWN,
        _slope,
        complex_partials=(UNKNOWN, f"{_slope} + 0.5j * copysign(1, imag(y)) * r"),
        conjugates=(None, "-0.5j * copysign(1, imag(y)) * r"),
    )
row(
    "ive",
    UNKNOWN,
    "ive_derivative(x, y, 1)",
    complex_partials=(UNKNOWN, "0.5 * (ive(x - 1.0, y) + ive(x + 1.0, y)) - 0.5 * copysign(1, real(y)) * r"),
    conjugates=(None, "-0.5 * copysign(1, real(y)) * r"),
)
row("besselpoly", "besselpoly(x, y + 1, z - 1.0) - besselpoly(x, y + 1, z + 1.0)", UNKNOWN, UNKNOWN)

# -- spherical Bessel functions and their derivatives ------------------------------------------------------------------
# (2n + 1) f_n' = n f_(n-1) - (n + 1) f_(n+1), up to signs: SciPy's own f_n' suffers cancellation near 0.
_NEIGHBOURS = "({first}where(x == 0, 0.0, x * {f}(x - 1, y)) {second} (x + 1) * {f}(x + 1, y)) / (2.0 * x + 1)"
for _name, _first, _second in (("jn", "", "-"), ("yn", "", "-"), ("in", "", "+"), ("kn", "-", "-")):
    _f, _slope = f"_spherical_{_name}", f"spherical_{_name}_slope"
    define(_slope, 2, _NEIGHBOURS.format(first=_first, second=_second, f=_f))
    row(_f, None, f"{_slope}(x, y)")
    row(f"{_f}_d", None, _NEIGHBOURS.format(first=_first, second=_second, f=_slope))

# -- integrals of Bessel functions -------------------------------------------------------------------------------------
several("itj0y0", ("j0(x)",), ("y0(x)",))
several("iti0k0", ("i0(x)",), ("k0(x)",))
# Near 0 by series of Bessel functions, which avoid the quotient.
_TERMS = [(n, 1 / (n - 1) + 1 / (n + 1) if n > 1 else 0.5) for n in range(1, 19, 2)]
define("one_minus_j0", 1, " + ".join(f"{c!r} * jv({n}.0, x)" for n, c in _TERMS))
define("i0_minus_one", 1, " + ".join(f"{c * (-1) ** (n // 2)!r} * iv({n}.0, x)" for n, c in _TERMS))
several("it2j0y0", ("where(absolute(x) < 1.5, one_minus_j0(x), (1 - j0(x)) / x)",), ("-y0(x) / x",))
several("it2i0k0", ("where(absolute(x) < 1.5, i0_minus_one(x), (i0(x) - 1) / x)",), ("-k0(x) / x",))

# -- Airy functions ----------------------------------------------------------------------------------------------------
several("airy", ("r[1]",), ("x * r[0]",), ("r[3]",), ("x * r[2]",))
# Scaled; for large real x as modified Bessel functions of zeta, whose derivatives do not cancel.
define("zeta_of", 1, "2 / 3 * x * sqrt(x)")
define("airye_in_x", 1, "sqrt(x / 3) / pi * sqrt(x) * kve_derivative(1 / 3, zeta_of(x), 1)")
define("airyep_in_x", 1, "-x * sqrt(x / 3) / pi * kve_derivative(2 / 3, zeta_of(x), 1)")
define("biry_sum", 3, "ive_derivative(y, x, z) + ive_derivative(-y, x, z)")
define("birye_in_x", 1, "sqrt(x / 3) * sqrt(x) * biry_sum(zeta_of(x), 1 / 3, 1)")
define("biryep_in_x", 1, "x * sqrt(x / 3) * biry_sum(zeta_of(x), 2 / 3, 1)")
_ROOT, _SIDE = "sqrt(where(x > 0, x, 0.0))", "0.5 * copysign(1, real(x * sqrt(x)))"
several(
    "airye",
    (f"where(x > 0.3, 0.5 * r[0] / x + airye_in_x(x), r[1] + {_ROOT} * r[0])",),
    (f"where(x > 0.3, r[1] / x + airyep_in_x(x), x * r[0] + {_ROOT} * r[1])",),
    (f"where(x > 2, 0.5 * r[2] / x + birye_in_x(x), r[3] - {_ROOT} * r[2])",),
    (f"where(x > 2, r[3] / x + biryep_in_x(x), x * r[2] - {_ROOT} * r[3])",),
    complex_partials=(
        ("r[1] + sqrt(x) * r[0]",),
        ("x * r[0] + sqrt(x) * r[1]",),
        (f"r[3] - {_SIDE} * sqrt(x) * r[2]",),
        (f"x * r[2] - {_SIDE} * sqrt(x) * r[3]",),
    ),
    conjugates=(
        None,
        None,
        (f"-{_SIDE} * conjugate(sqrt(x)) * r[2]",),
        (f"-{_SIDE} * conjugate(sqrt(x)) * r[3]",),
    ),
)
several("itairy", ("airy(x)[0]",), ("airy(x)[2]",), ("airy(-x)[0]",), ("airy(-x)[2]",))

# -- Struve functions --------------------------------------------------------------------------------------------------
define("struve_edge", 2, "(0.5 * y)**x * rgamma(x + 1.5) / SQRT_PI")
row(
    "struve",
    UNKNOWN,
    "where(x == 0, 2 / pi - struve(1.0, y), where(absolute(y) < 2,"
    " 0.5 * (struve(x - 1.0, y) - struve(x + 1.0, y) + struve_edge(x, y)), struve(x - 1.0, y) - x * r / y))",
)
row(
    "modstruve",
    UNKNOWN,
    "where(x == 0, 2 / pi + modstruve(1.0, y),"
    " 0.5 * (modstruve(x - 1.0, y) + modstruve(x + 1.0, y) + struve_edge(x, y)))",
)
row("itstruve0", "struve(0.0, x)")
_TERMS = [(n, 1 / (n - 1) ** 2 + 1 / (n + 1) ** 2 if n else 1.0) for n in range(0, 12, 2)]
define("struve0_quotient", 1, "2 / pi * (" + " + ".join(f"{c!r} * jv({n}.0, x)" for n, c in _TERMS) + ")")
row("it2struve0", "-where(absolute(x) < 0.5, struve0_quotient(x), struve(0.0, x) / x)")
row("itmodstruve0", "modstruve(0.0, x)")

# -- Kelvin functions, with x w'' + w' = i x w -------------------------------------------------------------------------
row("ber", "berp(x)")
row("bei", "beip(x)")
row("ker", "kerp(x)")
row("kei", "keip(x)")
# Near 0 by Bessel functions of complex argument, which avoid the quotient.
define("kelvin_second", 1, "0.5j * (jv(0.0, (1j - 1) * SQRT_HALF * x) - jv(2.0, (1j - 1) * SQRT_HALF * x))")
row("berp", "where(absolute(x) < 0.5, real(kelvin_second(x)), -bei(x) - r / x)")
row("beip", "where(absolute(x) < 0.5, imag(kelvin_second(x)), ber(x) - r / x)")
row("kerp", "-kei(x) - r / x")
row("keip", "ker(x) - r / x")
several(
    "kelvin",
    ("r[2]",),
    ("r[3]",),
    ("where(absolute(x) < 0.5, kelvin_second(x), 1j * r[0] - r[2] / x)",),
    ("1j * r[1] - r[3] / x",),
)

# -- orthogonal polynomials of fixed degree: the derivative has the next lower degree, in another family ---------------
for _name, _lower in {
    "eval_legendre": "eval_gegenbauer(x - 1, 1.5, y)",
    "eval_chebyt": "x * eval_chebyu(x - 1, y)",
    "eval_chebyu": "2 * eval_gegenbauer(x - 1, 2.0, y)",
    "eval_chebyc": "x * eval_chebys(x - 1, y)",
    "eval_chebys": "eval_gegenbauer(x - 1, 2.0, 0.5 * y)",
    "eval_sh_legendre": "2 * eval_gegenbauer(x - 1, 1.5, 2 * y - 1)",
    "eval_sh_chebyt": "2 * x * eval_sh_chebyu(x - 1, y)",
    "eval_sh_chebyu": "4 * eval_gegenbauer(x - 1, 2.0, 2 * y - 1)",
    "eval_hermite": "2 * x * eval_hermite(x - 1, y)",
    "eval_hermitenorm": "x * eval_hermitenorm(x - 1, y)",
    "eval_laguerre": "-eval_genlaguerre(x - 1, 1.0, y)",
}.items():
    row(_name, UNKNOWN, f"where(x == 0, 0.0, {_lower})")
row("eval_genlaguerre", UNKNOWN, UNKNOWN, "where(x == 0, 0.0, -eval_genlaguerre(x - 1, y + 1.0, z))")
row("eval_gegenbauer", UNKNOWN, UNKNOWN, "where(x == 0, 0.0, 2 * y * eval_gegenbauer(x - 1, y + 1.0, z))")
row(
    "eval_jacobi",
    *(UNKNOWN,) * 3,
    "where(x == 0, 0.0, 0.5 * (x + y + z + 1) * eval_jacobi(x - 1, y + 1.0, z + 1.0, w))",
)
row("eval_sh_jacobi", *(UNKNOWN,) * 3, "where(x == 0, 0.0, x * eval_sh_jacobi(x - 1, y + 2.0, z + 1.0, w))")
# For order 0 the quotient is 0 / 0 at the ends of the interval, with a finite limit.
row(
    "lpmv",
    UNKNOWN,
    UNKNOWN,
    "where((x == 0) & (absolute(z) == 1), where(y == 0, 0.0, eval_gegenbauer(y - 1, 1.5, z)),"
    " 0.5 * ((y + x) * (y - x + 1) * lpmv(x - 1.0, y, z) - lpmv(x + 1.0, y, z)) / sqrt((1 - z) * (1 + z)))",
)
row(
    "sph_harm",
    UNKNOWN,
    UNKNOWN,
    "1j * x * r",
    "x * cos(w) / sin(w) * r + where(x == y, 0.0,"
    " sqrt((y - x) * (y + x + 1.0)) * exp(-1j * z) * sph_harm(x + 1, y, z, w))",
)

# -- parabolic cylinder functions: the outputs are a function and its derivative ---------------------------------------
for _name in ("pbdv", "pbvv"):
    several(_name, (UNKNOWN, "r[1]"), (UNKNOWN, "(0.25 * y * y - x - 0.5) * r[0]"))
several("pbwa", (UNKNOWN, "r[1]"), (UNKNOWN, "(x - 0.25 * y * y) * r[0]"))

# -- Mathieu functions, of an angle in degrees -------------------------------------------------------------------------
for _kind, _name in (("a", "cem"), ("b", "sem")):
    _value = f"mathieu_{_kind}"
    own(f"{_value}_slope", getattr(integrals, f"{_value}_slope"), None, UNKNOWN, of=_value)
    row(f"mathieu_{_kind}", UNKNOWN, f"mathieu_{_kind}_slope(x, y)")
    _form = f"(mathieu_{_kind}(x, y) - 2 * y * {{cos}}) * r[0]"
    _second = "-pi / 180 * " + _form.format(cos="cos(pi / 90 * z)")
    several(f"mathieu_{_name}", (UNKNOWN, UNKNOWN, "pi / 180 * r[1]"), (UNKNOWN, UNKNOWN, _second))
    for _number in ("1", "2"):
        _second = _form.format(cos="cosh(2 * z)")
        several(f"mathieu_mod{_name}{_number}", (UNKNOWN, UNKNOWN, "r[1]"), (UNKNOWN, UNKNOWN, _second))

# -- spheroidal wave functions: a function and its derivative ----------------------------------------------------------
_ANGULAR = "(2 * {x} * r[1] - ({cv} {sign} (z * {x})**2 - x * x / (1 - {x} * {x})) * r[0]) / (1 - {x} * {x})"
_RADIAL = "(({cv} - (z * {x})**2 {sign} x * x / ({x} * {x} {one})) * r[0] - 2 * {x} * r[1]) / ({x} * {x} {one})"
for _shape, _sign, _sign2, _one in (("pro", "-", "+", "- 1"), ("obl", "+", "-", "+ 1")):
    for _suffix, _x, _cv in (("", "w", f"{_shape}_cv(x, y, z)"), ("_cv", "a", "w")):
        _fixed = (UNKNOWN,) * (3 if _suffix == "" else 4)
        _second = _ANGULAR.format(x=_x, cv=_cv, sign=_sign)
        several(f"{_shape}_ang1{_suffix}", (*_fixed, "r[1]"), (*_fixed, _second))
        _second = _RADIAL.format(x=_x, cv=_cv, sign=_sign2, one=_one)
        for _number in ("1", "2"):
            several(f"{_shape}_rad{_number}{_suffix}", (*_fixed, "r[1]"), (*_fixed, _second))
refuse("SciPy has no function for its derivative", "pro_cv", "obl_cv")
