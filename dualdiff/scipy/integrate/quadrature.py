r"""``scipy.integrate``: integrals of functions, as functions of their limits and of what the integrand closes over.

The value is SciPy's.  Its tangent is :math:`\int df\, dx + f(b)\, db - f(a)\, da`, where the integral is computed on
the intervals that SciPy's adaptive quadrature ended with.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.integrate.double_exponential import Interval, integrated
from dualdiff.scipy.solving.equations import levels, no_derivative, revalued, unknown
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import Stripped, values_of

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

#: The required accuracy of the tangents of an integral, relative to the largest.
EXACT = 1e-6

Function = Callable[[Any], Any]


# -- infinite intervals ------------------------------------------------------------------------------------------------
def _finite(f: Function, a: float, b: float) -> tuple[Function, Interval]:
    """The integrand and the interval after QUADPACK's substitution for infinite limits."""
    if math.isfinite(a) and math.isfinite(b):
        return f, (a, b)
    if math.isfinite(a) or math.isfinite(b):
        start, sign = (a, 1.0) if math.isfinite(a) else (b, -1.0)
        return (lambda t: f(start + sign * (1.0 - t) / t) * t**-2.0), (0.0, 1.0)

    def both(t: Any) -> Any:
        x = (1.0 - t) / t
        return (f(x) + f(-x)) * t**-2.0

    return both, (0.0, 1.0)


def _rest(f: Function, limit: Any, inside: float, order: int) -> Any:
    """The integral of f from the value of a dual to the dual itself.

    The interval is infinitesimal, so a Gauss rule exact to the order of differentiation gives it exactly.
    """
    start = plain_values(limit)
    if not math.isfinite(start):
        return 0.0
    change = limit - start
    nodes, weights = np.polynomial.legendre.leggauss((order + 1) // 2)
    return sum(0.5 * w * change * f(inside + 0.5 * (1.0 + x) * change) for x, w in zip(nodes, weights, strict=True))


def moving(f: Function, a: Any, b: Any, points: Sequence[Any]) -> Any:
    """The contribution of limits, and of points at which the integrand may jump, that are duals."""
    order = max(levels(x) for x in (f(_inside(a, b)), a, b, *points)) + 1
    result: Any = 0.0
    if levels(b):
        result = result + _rest(f, b, plain_values(b), order)
    if levels(a):
        result = result - _rest(f, a, plain_values(a), order)
    for p in points:
        if levels(p):
            at = float(plain_values(p))
            result = (
                result + _rest(f, p, np.nextafter(at, -np.inf), order) - _rest(f, p, np.nextafter(at, np.inf), order)
            )
    return result


def _inside(a: Any, b: Any) -> float:
    """A point between the limits."""
    low, high = float(plain_values(a)), float(plain_values(b))
    if math.isfinite(low) and math.isfinite(high):
        return 0.5 * (low + high)
    return low + 1.0 if math.isfinite(low) else high - 1.0 if math.isfinite(high) else 0.0


def integral_of(
    name: str, value: Any, f: Function, a: Any, b: Any, points: Sequence[Any], intervals: Any, error: Any, duals: Any
) -> Any:
    """SciPy's value of an integral with its derivative."""
    low, high = float(plain_values(a)), float(plain_values(b))
    sign = 1.0 if low <= high else -1.0
    g, whole = _finite(f, min(low, high), max(low, high))
    inner, change = integrated(g, [whole] if intervals is None else intervals, duals)
    result = sign * inner + moving(f, a, b, points)
    allowed = 100 * (np.max(np.abs(error)) + EXACT * np.max(np.abs(value), initial=0.0))
    if not np.all(np.abs(plain_values(result) - value) <= allowed) or change > EXACT:
        no_derivative(name, "the integrand, or its derivative, is too irregular for the intervals that SciPy found")
        return unknown(value, *duals)
    return revalued(operand(result), value)


# -- one integral ------------------------------------------------------------------------------------------------------
@signed_as(_scipy.quad)
def quad(
    func: Any,
    a: Any,
    b: Any,
    args: Any = (),
    full_output: Any = 0,
    epsabs: Any = 1.49e-8,
    epsrel: Any = 1.49e-8,
    limit: Any = 50,
    points: Any = None,
    weight: Any = None,
    wvar: Any = None,
    wopts: Any = None,
    maxp1: Any = 50,
    limlst: Any = 50,
    complex_func: Any = False,
) -> Any:
    r"""The integral of a function between limits, as ``scipy.integrate.quad``.

    .. math:: d \int_a^b f\, dx = \int_a^b df\, dx + f(b)\, db - f(a)\, da

    Parameters
    ----------
    func : callable
        The integrand; it may depend on duals through ``args`` or variables that it closes over.
    a, b : float
        The limits, which may be duals, or infinite.
    points : sequence of float
        Where the integrand is irregular.  Jumps whose positions depend on what is differentiated must be given here, as
        duals: nothing else shows that they move.
    full_output, epsabs, epsrel, limit, ...
        As in SciPy.

    Returns
    -------
    y, abserr, ... : tuple
        As SciPy's; y with its derivative.

    Raises
    ------
    NoRuleError
        With ``weight=``: write the weight into the integrand.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: SciPy reports a difficulty, or the derivative of the integrand is too irregular.

    Notes
    -----
    SciPy evaluates the integrand on plain values; then it is evaluated on duals at about 50 points in each of the
    intervals that SciPy ended with, by a rule that tolerates singularities at their ends.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import quad
    >>> print(round(derivative(lambda a: quad(lambda x: np.exp(-a * x), 0.0, np.inf)[0], 2.0), 9))
    -0.25
    """
    options = (epsabs, epsrel, limit, values_of(points), weight, values_of(wvar), wopts, maxp1, limlst, complex_func)
    limits = values_of(a), values_of(b)
    if not callable(func):
        return _scipy.quad(func, *limits, args, full_output, *options)
    function = Stripped(func, args)
    result = _scipy.quad(function.plain, *limits, function.plain_args, full_output, *options)
    duals = [*function.duals, *duals_in((a, b, points, wvar))]
    if not duals:
        return result
    if weight is not None:
        raise no_rule("scipy.integrate.quad with weight=")
    return _differentiated(function, result, a, b, points, options, duals), *result[1:]


def _differentiated(
    function: Stripped, result: Any, a: Any, b: Any, points: Any, options: tuple[Any, ...], duals: list[Any]
) -> Any:
    """SciPy's value with its derivative."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = _scipy.quad(function.plain, values_of(a), values_of(b), function.plain_args, 1, *options)
    intervals, reports = _intervals(told, complex_func=options[-1])
    if reports:
        no_derivative("quad", f"SciPy reports that {reports}")
        return unknown(result[0], *duals)
    points = () if points is None else points
    return integral_of("quad", result[0], function.sides()[0], a, b, points, intervals, result[1], duals)


def _intervals(told: Any, complex_func: bool) -> tuple[Any, str]:
    """The intervals that QUADPACK ended with, and what it reports."""
    if complex_func:
        parts = [_intervals((None, None, *told[2][key]), False) for key in ("real", "imag")]
        return max((p[0] for p in parts), key=len), parts[0][1] or parts[1][1]
    info, n = told[2], told[2]["last"]
    result = sorted(zip(info["alist"][:n].tolist(), info["blist"][:n].tolist(), strict=True))
    return result, " ".join(str(told[3]).split()) if len(told) > 3 else ""


@signed_as(_scipy.quad_vec)
def quad_vec(
    f: Any,
    a: Any,
    b: Any,
    epsabs: Any = 1e-200,
    epsrel: Any = 1e-8,
    norm: Any = "2",
    cache_size: Any = 100e6,
    limit: Any = 10000,
    workers: Any = 1,
    points: Any = None,
    quadrature: Any = None,
    full_output: Any = False,
    *,
    args: Any = (),
) -> Any:
    r"""The integral of an array-valued function, as ``scipy.integrate.quad_vec``.

    Parameters
    ----------
    f : callable
        The integrand; it may depend on duals through ``args`` or variables that it closes over.
    a, b : float
        The limits, which may be duals, or infinite.
    points : sequence of float
        Where the integrand is irregular; duals for jumps whose positions depend on what is differentiated.
    epsabs, epsrel, norm, ...
        As in SciPy.

    Returns
    -------
    res, err, ... : tuple
        As SciPy's; the first with its derivative.

    Raises
    ------
    as SciPy
        For invalid arguments.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: SciPy did not converge, or the derivative of the integrand is too irregular.

    Notes
    -----
    As for `quad`, for all elements together.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import quad_vec
    >>> derivative(lambda a: quad_vec(lambda x: np.array([1.0, 2.0]) * x**2, 0.0, a)[0], 2.0).round(9)
    array([4., 8.])
    """
    function = Stripped(f, args)
    keywords = {"args": function.plain_args} if function.args else {}
    limits, plain_points = (values_of(a), values_of(b)), values_of(points)
    result = _scipy.quad_vec(
        function.plain,
        *limits,
        epsabs,
        epsrel,
        norm,
        cache_size,
        limit,
        workers,
        plain_points,
        quadrature,
        True,
        **keywords,
    )
    duals = [*function.duals, *duals_in((a, b, points))]
    value, error, info = result
    if duals:
        if not info.success:
            no_derivative("quad_vec", f"SciPy reports {info.message}")
            value = unknown(value, *duals)
        else:
            intervals = [tuple(pair) for pair in np.sort(info.intervals).tolist()]
            if not all(map(math.isfinite, limits)):
                intervals = [(0.0, 1.0)]
            points = () if points is None else points
            side = function.sides()[0]
            value = integral_of("quad_vec", value, lambda x: operand(side(x)), a, b, points, intervals, error, duals)
    return (value, error, info) if full_output else (value, error)


# -- several integrals -------------------------------------------------------------------------------------------------
@signed_as(_scipy.nquad)
def nquad(func: Any, ranges: Any, args: Any = None, opts: Any = None, full_output: Any = False) -> Any:
    r"""An iterated integral over several variables, as ``scipy.integrate.nquad``.

    Parameters
    ----------
    func : callable
        The integrand ``f(x0, ..., xn, *args)``, of which x0 is the innermost.
    ranges : sequence of pairs, or of functions that return them
        The limits, which may be duals, depend on duals and on the outer variables.
    args : tuple
        Further arguments of func and of the functions in ranges.
    opts, full_output
        As in SciPy.

    Returns
    -------
    result, abserr, ... : tuple
        As SciPy's; the first with its derivative.

    Raises
    ------
    as SciPy, and as `quad`
        For invalid arguments, and for weights.

    Warns
    -----
    UndefinedDerivativeWarning
        As `quad`.

    Notes
    -----
    For the derivative func is evaluated on duals at about 50 points in each variable.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import nquad
    >>> print(round(derivative(lambda a: nquad(lambda x, y: a * x * y, [(0.0, 1.0), (0.0, a)])[0], 2.0), 6))
    3.0
    """
    args = () if args is None else args
    function = Stripped(func, args)
    pairs = [Stripped(r) if callable(r) else r for r in ranges]
    plain_ranges = [r.plain if isinstance(r, Stripped) else values_of(r) for r in pairs]
    result = _scipy.nquad(function.plain, plain_ranges, function.plain_args, opts, full_output)
    duals = [*function.duals, *duals_in(args)]
    for r in pairs:
        duals.extend(r.duals if isinstance(r, Stripped) else duals_in(r))
    if not duals:
        return result
    depth = len(ranges)
    options = [opts or {}] * depth if opts is None or isinstance(opts, dict) else list(opts)

    whole = _Nested(function, pairs, options, duals)
    return revalued(whole.integral(depth - 1, ()), result[0]), *result[1:]


class _Nested:
    """Iterated integrals, for duals and for plain values."""

    def __init__(self, function: Stripped, ranges: Sequence[Any], options: Sequence[Any], duals: list[Any]) -> None:
        self.function, self.ranges, self.options, self.duals = function, ranges, options, duals

    def _asked(self, level: int, outer: tuple[Any, ...]) -> tuple[Any, Any, dict[str, Any]]:
        """The limits of a variable, and the options of its integral."""
        limits, option, args = self.ranges[level], self.options[level], self.function.args
        limits = limits.f(*outer, *args) if isinstance(limits, Stripped) else limits
        option = dict(option(*outer, *args) if callable(option) else option)
        if "points" in option:
            low, high = values_of(tuple(limits))
            option["points"] = [x for x in option["points"] if low <= plain_values(x) <= high]
        return *limits, option

    def plain(self, level: int, outer: tuple[Any, ...]) -> Any:
        """The integral over the variables up to a level, for given outer ones, as SciPy computes it."""
        args = self.function.plain_args
        if level < 0:
            return self.function.plain(*outer, *args)
        a, b, option = self._asked(level, outer)
        option = {name: values_of(x) for name, x in option.items()}
        return _scipy.quad(partial(self._plain_at, level - 1, outer), values_of(a), values_of(b), **option)[0]

    def _plain_at(self, level: int, outer: tuple[Any, ...], x: Any) -> Any:
        return self.plain(level, (x, *outer))

    def integral(self, level: int, outer: tuple[Any, ...]) -> Any:
        """The same for duals."""
        if level < 0:
            return self.function.f(*outer, *self.function.args)
        a, b, option = self._asked(level, outer)
        plain_outer = tuple(map(plain_values, outer))
        function = Stripped(lambda x: self.integral(level - 1, (x, *outer)))
        function.plain = partial(self._plain_at, level - 1, plain_outer)
        call = _QUAD.bind(None, a, b, **option)
        call.apply_defaults()
        if call.arguments["weight"] is not None:
            raise no_rule("scipy.integrate.nquad with weight=")
        order = ("epsabs", "epsrel", "limit", "points", "weight", "wvar", "wopts", "maxp1", "limlst", "complex_func")
        options = tuple(values_of(call.arguments[name]) for name in order)
        result = _scipy.quad(function.plain, values_of(a), values_of(b), (), 0, *options)
        return _differentiated(function, result, a, b, call.arguments["points"], options, self.duals)


_QUAD = inspect.signature(_scipy.quad)


@signed_as(_scipy.dblquad)
def dblquad(
    func: Any, a: Any, b: Any, gfun: Any, hfun: Any, args: Any = (), epsabs: Any = 1.49e-8, epsrel: Any = 1.49e-8
) -> Any:
    r"""The integral of ``func(y, x)`` for x from a to b and y from g(x) to h(x), as ``scipy.integrate.dblquad``.

    Parameters
    ----------
    func : callable
        The integrand; the inner variable comes first.
    a, b : float
        The limits of x, which may be duals.
    gfun, hfun : callable or float
        The limits of y.
    args : tuple
        Further arguments of func.
    epsabs, epsrel
        As in SciPy.

    Returns
    -------
    y, abserr : float
        As SciPy's; the first with its derivative.

    Raises
    ------
    as `nquad`

    Warns
    -----
    UndefinedDerivativeWarning
        As `quad`.

    Notes
    -----
    As `nquad`.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import dblquad
    >>> area = lambda r: dblquad(lambda y, x: 1.0, 0.0, 1.0, 0.0, lambda x: r * x)[0]
    >>> print(round(derivative(area, 2.0), 9))
    0.5
    """
    return nquad(func, [_limits(gfun, hfun, 1), [a, b]], args, {"epsabs": epsabs, "epsrel": epsrel})


@signed_as(_scipy.tplquad)
def tplquad(
    func: Any,
    a: Any,
    b: Any,
    gfun: Any,
    hfun: Any,
    qfun: Any,
    rfun: Any,
    args: Any = (),
    epsabs: Any = 1.49e-8,
    epsrel: Any = 1.49e-8,
) -> Any:
    r"""The integral of ``func(z, y, x)`` over x, y between g(x) and h(x), and z between q(x, y) and r(x, y).

    Parameters
    ----------
    func : callable
        The integrand; the innermost variable comes first.
    a, b : float
        The limits of x, which may be duals.
    gfun, hfun, qfun, rfun : callable or float
        The limits of y and of z.
    args : tuple
        Further arguments of func.
    epsabs, epsrel
        As in SciPy.

    Returns
    -------
    y, abserr : float
        As those of ``scipy.integrate.tplquad``; the first with its derivative.

    Raises
    ------
    as `nquad`

    Warns
    -----
    UndefinedDerivativeWarning
        As `quad`.

    Notes
    -----
    As `nquad`.

    Examples
    --------
    >>> from dualdiff.scipy.integrate import tplquad
    >>> round(tplquad(lambda z, y, x: x * y * z, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0)[0], 9)
    0.125
    """
    ranges = [_limits(qfun, rfun, 2), _limits(gfun, hfun, 1), [a, b]]
    return nquad(func, ranges, args, {"epsabs": epsabs, "epsrel": epsrel})


def _limits(low: Any, high: Any, count: int) -> Callable[..., Any]:
    """The limits of an inner variable, from those of functions of the outer ones in the order from outside."""

    def limits(*outer: Any) -> list[Any]:
        given = outer[:count][::-1]
        return [bound(*given) if callable(bound) else bound for bound in (low, high)]

    return limits


@signed_as(_scipy.fixed_quad)
def fixed_quad(func: Any, a: Any, b: Any, args: Any = (), n: Any = 5) -> Any:
    r"""The integral of a function by Gauss-Legendre quadrature of order n, as ``scipy.integrate.fixed_quad``.

    Parameters
    ----------
    func : callable
        The integrand, of arrays of points.
    a, b : float
        The finite limits, which may be duals.
    args : tuple
        Further arguments of func.
    n : int
        The order.

    Returns
    -------
    val, None
        As SciPy's; the first with the derivative of the sum that it is.

    Raises
    ------
    as SciPy
        For infinite limits.

    Notes
    -----
    One more call of func, on duals.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import fixed_quad
    >>> print(round(derivative(lambda a: fixed_quad(lambda x: a * x**2, 0.0, a)[0], 3.0), 9))
    36.0
    """
    function = Stripped(func, args)
    value, none = _scipy.fixed_quad(function.plain, values_of(a), values_of(b), function.plain_args, n)
    if not function.duals and not duals_in((a, b)):
        return value, none
    x, w = np.polynomial.legendre.leggauss(n)
    y = (b - a) * (x + 1) / 2.0 + a
    return revalued((b - a) / 2.0 * np.sum(w * operand(function.sides()[0](y)), axis=-1), value), none
