"""Where the derivatives of ``scipy.special`` may be less accurate than elsewhere, by how much, and why."""

from __future__ import annotations

from dualdiff.rules.writing.expressions import ARGUMENTS

#: Partials that may be off by more, how much (in the units of the test), and why.  The bounds are some three times the
#: largest error of as many points, or of some more.  The reasons were found at the worst points: SciPy's function
#: itself is off by as much against mpmath, or our partial at SciPy's value is not.
EXCEPTIONS: dict[str, tuple[float, str]] = {}


def exceptions(reason, bound, *labels):
    EXCEPTIONS.update(dict.fromkeys(labels, (bound, reason)))


def arguments(name, *numbers):
    return [f"{name} in {ARGUMENTS[i]}" for i in numbers]


exceptions("SciPy's beta, where one argument is much the larger", 2e4, *arguments("beta", 0, 1))
exceptions("SciPy's binom", 100, *arguments("binom", 0, 1))
exceptions("SciPy's poch", 100, *arguments("poch", 0, 1))
exceptions("SciPy's erfcx of complex numbers", 60, "modfresnelp[1]", "modfresnelm[1]")
exceptions("SciPy's hyp0f1", 200, *arguments("hyp0f1", 1))
exceptions("SciPy's hyp1f1", 20, *arguments("hyp1f1", 2))
exceptions("SciPy's hyperu", 1e10, *arguments("hyperu", 2))
exceptions("SciPy's ellipj, the result dn", 20, *(f"ellipj[{k}] in x" for k in range(4)))
exceptions("two terms of opposite sign", 20, *arguments("elliprg", 0, 1, 2))
exceptions("the exponential of a difference of SciPy's logarithms", 20, *arguments("log_wright_bessel", 2))
exceptions("SciPy's ive of orders that are not whole", 150, *arguments("ive", 1))
exceptions("SciPy's spherical_jn", 30, *arguments("_spherical_jn", 1), *arguments("_spherical_jn_d", 1))
exceptions("SciPy's airye", 500, *(f"airye[{k}]" for k in range(4)))
exceptions("SciPy's modstruve of order 0", 150, "itmodstruve0")
exceptions("SciPy's Kelvin functions", 2000, "ker", "kei", "kerp", "keip", "kelvin[1]", "kelvin[3]")
exceptions(
    "SciPy's recurrence",
    120,
    *(*arguments("eval_chebyu", 1), *arguments("eval_gegenbauer", 2), *arguments("eval_genlaguerre", 2)),
)
exceptions(
    "SciPy's parabolic cylinder functions",
    5000,
    *(f"{name}[{k}] in y" for name in ("pbdv", "pbvv", "pbwa") for k in (0, 1)),
)
exceptions(
    "SciPy's density, or the value that SciPy solves for",
    80,
    *(*arguments("gammaincinv", 0, 1), *arguments("gammainccinv", 0), *arguments("chdtri", 0, 1)),
    *(*arguments("pdtri", 1), *arguments("bdtri", 2), *arguments("chdtriv", 0), *arguments("fdtri", 2)),
    *(*arguments("btdtria", 0, 1, 2), *arguments("btdtrib", 0, 1, 2), *arguments("ncfdtri", 2)),
)
exceptions("the value that SciPy solves for", 500, *arguments("gammainccinv", 0, 1), *arguments("stdtrit", 1))
exceptions(
    "the value that SciPy solves for, to twelve digits",
    3e4,
    *arguments("stdtridf", 0, 1),
    *(label for name in ("bdtrik", "bdtrin", "nbdtrik", "nbdtrin", "fdtridfd") for label in arguments(name, 0, 1, 2)),
)
exceptions("the value that SciPy solves for, whose distance from 1/2 matters", 2e4, *arguments("tklmbda", 0, 1))
exceptions("the value that SciPy solves for, to five digits", 3e11, *arguments("ncfdtrinc", 2, 3))
exceptions(
    "SciPy's factor of the density",
    60,
    *(label for name in ("gammainc", "gammaincc", "chdtr", "chdtrc") for label in arguments(name, 0)),
    *(label for name in ("gdtr", "gdtrc") for label in arguments(name, 1)),
    *(label for name in ("betainc", "betaincc") for label in arguments(name, 0, 1)),
)
exceptions(
    "two terms of opposite sign",
    500,
    *(label for name in ("fdtr", "fdtrc", "fdtri") for label in arguments(name, 0, 1)),
    *(*arguments("stdtr", 0), *arguments("stdtrit", 0)),
)
exceptions("the difference of two of SciPy's values", 50, *arguments("ncfdtr", 2))
exceptions("SciPy's densities of noncentral distributions", 50, *arguments("ncfdtr", 3), *arguments("nctdtr", 2))
exceptions("the smaller component of a complex number", 1000, *arguments("voigt_profile", 0, 1, 2))
exceptions("SciPy's density of the beta distribution", 20, *arguments("bdtrc", 2))
