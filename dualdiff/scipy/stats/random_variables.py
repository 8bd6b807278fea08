r"""The distributions of ``scipy.stats`` for duals, in x, loc, scale and the shape parameters.

Values are SciPy's.  Densities are differentiated through SciPy's own formulas (`dualdiff.scipy.stats.formulas`); in x a
distribution function changes by its density, :math:`dF = f\, dx + \partial_\theta F\, d\theta`, and a quantile is the
solution of :math:`F(q; \theta) = p`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.base.errors import LostDerivativeError, NoRuleError, no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import DualArray, operand
from dualdiff.drivers.jvp import jvp
from dualdiff.rules.numpy.creation import buffer
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.integrate.quadrature import quad
from dualdiff.scipy.solving.equations import levels, no_derivative, revalued, unknown
from dualdiff.scipy.solving.numpy_inside import accepting
from dualdiff.scipy.solving.stripped import values_of
from dualdiff.scipy.stats import integral_formulas, series_formulas  # noqa: F401 - they register formulas
from dualdiff.scipy.stats.formulas import copied, has_formula, is_further

_scipy = load("scipy.stats", "scipy", "dualdiff.scipy.stats")

#: What formulas raise that do not accept duals.
_FAILURES = (LostDerivativeError, NoRuleError, TypeError, ValueError, AttributeError, SystemError)
#: The largest difference, relative and absolute, between a formula and SciPy's value of the same function.
SAME = 1e-6


class Standard:
    """The formulas of a distribution with loc 0 and scale 1, on duals inside its support."""

    def __init__(self, distribution: Any) -> None:
        self.scipys, self.copy = distribution, copied(distribution)
        self.discrete = isinstance(distribution, _scipy.rv_discrete)
        self.density = "pmf" if self.discrete else "pdf"

    def formula(self, name: str, x: Any, shapes: Sequence[Any]) -> Any:
        """The value of a formula, or None if there is none that accepts duals."""
        if not has_formula(self.scipys, name):
            return None
        likes = duals_in((x, shapes))
        for is_buffered in (False, True):
            full: Any = (x, *shapes)
            try:
                with accepting(likes), np.errstate(all="ignore"):
                    if is_buffered:
                        full = [_buffered(a, likes) for a in np.broadcast_arrays(*map(operand, full))]
                    result = operand(getattr(self.copy, name)(*full))
                    plain = getattr(self.scipys, name)(*map(plain_values, (x, *shapes)))
            except _FAILURES:
                continue
            if np.allclose(plain_values(result), plain, SAME, SAME, equal_nan=True):
                return result
        return None

    def support(self, shapes: Sequence[Any]) -> Any:
        """The ends of the support."""
        with accepting(duals_in(shapes)):
            return self.copy._get_support(*shapes)

    def log_density(self, x: Any, shapes: Sequence[Any]) -> Any:
        """The logarithm of the density or mass function."""
        result = self.formula("_log" + self.density, x, shapes)
        if result is None:
            result = np.log(self._density(x, shapes))
        return result

    def density_of(self, x: Any, shapes: Sequence[Any]) -> Any:
        """The density or mass function."""
        result = self.formula("_" + self.density, x, shapes)
        if result is None:
            result = self.formula("_log" + self.density, x, shapes)
            if result is None:
                raise no_rule(f"scipy.stats.{self.scipys.name}.{self.density}", self._named(x, shapes))
            result = np.exp(result)
        return result

    _density = density_of

    def _named(self, x: Any, shapes: Sequence[Any]) -> str:
        names = ["x", *(self.scipys.shapes or "").replace(" ", "").split(",")]
        given = [n for n, a in zip(names, (x, *shapes), strict=False) if duals_in(a)]
        return f" in {', '.join(given)}"

    def cumulative(self, name: str, x: Any, shapes: Sequence[Any]) -> Any:
        """The distribution function "cdf", or the survival function "sf"."""
        at = plain_values(x)
        result = (
            self._in_shapes(name, at, shapes) if duals_in(shapes) else getattr(self.scipys, "_" + name)(at, *shapes)
        )
        change = x - at
        if self.discrete or not duals_in(x):
            return result + 0.0 * change
        sign = 1.0 if name == "cdf" else -1.0
        nodes, weights = np.polynomial.legendre.leggauss((levels(x) + max(map(levels, shapes), default=0) + 2) // 2)
        for node, weight in zip(nodes, weights, strict=True):
            density = self.density_of(at + 0.5 * (1.0 + node) * change, shapes)
            result = result + sign * 0.5 * weight * change * density
        return result

    def _in_shapes(self, name: str, at: Any, shapes: Sequence[Any]) -> Any:
        """The distribution function at plain x, by its formula, by that of its complement, or by integration."""
        result = self.formula("_" + name, at, shapes)
        if result is None:
            other = self.formula("_sf" if name == "cdf" else "_cdf", at, shapes)
            result = None if other is None else 1.0 - other
        if result is not None:
            return result
        at = np.atleast_1d(at)
        shape = np.broadcast_shapes(at.shape, *map(np.shape, shapes))
        full = [np.broadcast_to(a, shape).ravel() for a in (at, *shapes)]
        parts = [self._accumulated(*(a[i] for a in full)) for i in range(full[0].size)]
        result = np.reshape(np.stack(parts), shape)
        return result if name == "cdf" else 1.0 - result

    def _accumulated(self, x: Any, *shapes: Any) -> Any:
        """The distribution function at one point, from the density."""
        start, end = self.support(shapes)
        if self.discrete:
            first = float(plain_values(start))
            if not np.isfinite(first) or x - first > 1e5:
                raise no_rule(f"scipy.stats.{self.scipys.name}.cdf", self._named(0.0, shapes))
            return np.sum(self.density_of(np.arange(first, x + 1), shapes))

        def density(t: Any) -> Any:
            return scalar_of(np.reshape(self.density_of(np.reshape(t, (1,)), shapes), ()))

        # Integrate from the nearer end.
        if x <= float(self.scipys.median(*map(plain_values, shapes))):
            return quad(density, start, float(x))[0]
        return 1.0 - quad(density, float(x), end)[0]


def _buffered(a: Any, likes: Any) -> Any:
    """A copy of a that accepts assignment of duals."""
    a = operand(a)
    made = buffer(np.zeros(np.shape(a)), likes)
    made[...] = a
    return made


def scalar_of(x: Any) -> Any:
    """A zero-dimensional array as a scalar."""
    return x[()] if isinstance(x, (np.ndarray, DualArray)) and not x.shape else x


# -- methods -----------------------------------------------------------------------------------------------------------
def _log(x: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.log(x)


class Distribution:
    """A distribution of ``scipy.stats`` whose methods take duals; everything else is SciPy's."""

    def __init__(self, distribution: Any) -> None:
        self.scipys = distribution
        self.__doc__ = distribution.__doc__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        result = getattr(self.scipys, name)
        return _refusing(self.scipys.name, name, result) if callable(result) else result

    def __repr__(self) -> str:
        return f"<scipy.stats.{self.scipys.name} for duals>"

    def __call__(self, *args: Any, **kwargs: Any) -> Frozen:
        return Frozen(self, args, kwargs)

    freeze = __call__

    def standard(self) -> Standard:
        """Its formulas."""
        return _standard(self.scipys)


@functools.lru_cache(maxsize=512)
def _standard(distribution: Any) -> Standard:
    return Standard(distribution)


def _refusing(owner: str, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if duals_in((args, kwargs)):
            raise no_rule(f"scipy.stats.{owner}.{name}")
        return method(*args, **kwargs)

    return call


class Frozen:
    """A distribution with its parameters, which may be duals."""

    def __init__(self, dist: Distribution, args: Any, kwargs: Any) -> None:
        self.dist, self.args, self.kwds = dist, args, kwargs
        self.scipys = dist.scipys(*map(values_of, args), **{k: values_of(v) for k, v in kwargs.items()})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in METHODS or name in MOMENTS:
            return functools.partial(self._call, name)
        if duals_in((self.args, self.kwds)):
            raise no_rule(f"scipy.stats.{self.dist.scipys.name}.{name}")
        return getattr(self.scipys, name)

    def __repr__(self) -> str:
        parameters = ", ".join((*map(str, self.args), *(f"{name}={x}" for name, x in self.kwds.items())))
        return f"<scipy.stats.{self.dist.scipys.name}({parameters}) for duals>"

    def rvs(self, size: Any = None, random_state: Any = None) -> Any:
        """A sample, as `Distribution.rvs`."""
        return self.dist.rvs(*self.args, size=size, random_state=random_state, **self.kwds)

    def _call(self, name: str, *x: Any, **kwargs: Any) -> Any:
        return getattr(self.dist, name)(*x, *self.args, **kwargs, **self.kwds)


def _in_x(standard: Standard, name: str, y: Any, shapes: Sequence[Any], scale: Any) -> Any:
    """A function of the standardized x."""
    if name in ("logpdf", "logpmf"):
        return standard.log_density(y, shapes) - (_log(scale) if name == "logpdf" else 0.0)
    if name == "pdf":
        return standard.density_of(y, shapes) / scale
    if name == "pmf":
        return standard.density_of(y, shapes)
    result = standard.cumulative(name[-3:] if name.endswith("cdf") else "sf", y, shapes)
    return _log(result) if name.startswith("log") else result


def _quantile(standard: Standard, name: str, p: Any, shapes: Sequence[Any], at: Any) -> Any:
    """The solution of ``F(q) = p``, whose value is known."""
    if standard.discrete:
        return at + 0.0 * sum((s for s in (p, *shapes)), 0.0)
    with np.errstate(all="ignore"):
        slope = plain_values(standard.scipys._pdf(at, *map(plain_values, shapes)))
        upper = plain_values(p) > 0.5 if name == "ppf" else plain_values(p) <= 0.5
        below, above = (p, 1.0 - p) if name == "ppf" else (1.0 - p, p)

        def residual(x: Any) -> Any:
            if np.all(upper):
                return above - standard.cumulative("sf", x, shapes)
            r = standard.cumulative("cdf", x, shapes) - below
            return np.where(upper, above - standard.cumulative("sf", x, shapes), r) if np.any(upper) else r

        result, r = at, residual(at)
        for left in reversed(range(max(levels(r), 1))):
            result = revalued(result - (r - plain_values(r)) / slope, at)
            r = residual(result) if left else None
    return result


def _differentiated(self: Distribution, name: str, x: Any, args: Any, kwargs: Any) -> Any:
    """A method of x for duals: SciPy's value, with the tangent of the formula inside the support."""
    standard, scipys = self.standard(), self.scipys
    plain = {k: values_of(v) for k, v in kwargs.items()}
    value = getattr(scipys, name)(values_of(x), *map(values_of, args), **plain)
    shapes, loc, scale = scipys._parse_args(*args, **kwargs)
    x, loc, scale, *shapes = (_float(operand(a)) for a in (x, loc, scale, *shapes))
    _refuse_integers(self, name, shapes)
    plain_x, plain_parameters = plain_values(x), (loc, scale, *shapes)
    plain_shapes = list(map(plain_values, shapes))
    inverse = name in ("ppf", "isf")
    with np.errstate(all="ignore"):
        y = x if inverse else (x - loc) / scale if not standard.discrete else x - loc
        at = plain_values(y)
        good = np.asarray(scipys._argcheck(*plain_shapes), bool) & (plain_values(scale) > 0)
        if inverse:
            inside = good & (at > 0) & (at < 1)
        else:
            low, high = scipys._get_support(*plain_shapes)
            # The distribution function is constant from the end of the support on.
            steps = standard.discrete and "pmf" not in name
            inside = good & (low <= at) & (at < high if steps else at <= high)
            if "pmf" in name:
                inside = inside & (at == np.floor(at))
        x0 = (np.asarray(value) - plain_values(loc)) / plain_values(scale)
        shape = np.shape(value)

        def kernel(y: Any, shapes: Sequence[Any], loc: Any, scale: Any, x0: Any) -> Any:
            if inverse:
                return loc + scale * _quantile(standard, name, y, shapes, x0)
            return _in_x(standard, name, y, shapes, scale)

        if np.all(inside):
            result = kernel(np.atleast_1d(y), shapes, loc, scale, np.atleast_1d(x0))
        else:
            full = [np.broadcast_to(a, np.broadcast_shapes(shape, (1,))) for a in (y, loc, scale, inside, x0, *shapes)]
            kept = np.broadcast_to(inside, full[0].shape)
            y, loc, scale, _, x0, *shapes = (a[kept] for a in full)
            result = buffer(np.atleast_1d(np.array(value, float)), duals_in((y, loc, scale, shapes)))
            if np.any(kept):
                result[kept] = kernel(y, shapes, loc, scale, x0)
        result = np.broadcast_to(result, np.broadcast_shapes(np.shape(result), shape)) if shape else result
    result = np.reshape(result, shape)
    _check(self, name, result, value)
    if _chosen_by_branch(self, name, np.broadcast_to(inside, np.shape(value)), plain_x, plain_parameters):
        no_derivative(f"{scipys.name}.{name}", "SciPy has a separate formula at exactly this shape parameter")
        return unknown(value, *duals_in((args, kwargs)))
    return revalued(scalar_of(result), value)


def _refuse_integers(self: Distribution, name: str, shapes: Sequence[Any]) -> None:
    """Raise for a derivative with respect to a shape parameter that SciPy accepts at integers only."""
    if self.standard().discrete:
        return
    plain = list(map(plain_values, shapes))
    for i, s in enumerate(shapes):
        if duals_in(s) and np.all(plain[i] == np.floor(plain[i])) and np.all(self.scipys._argcheck(*plain)):
            beside = [[*plain[:i], plain[i] + step, *plain[i + 1 :]] for step in (-1e-6, 1e-6)]
            if not any(np.any(self.scipys._argcheck(*given)) for given in beside):
                parameter = self.scipys.shapes.replace(" ", "").split(",")[i]
                raise no_rule(f"scipy.stats.{self.scipys.name}.{name}", f" in {parameter}, which is an integer")


def _chosen_by_branch(self: Distribution, name: str, inside: Any, x: Any, parameters: Sequence[Any]) -> bool:
    """Whether SciPy has a separate formula for exactly these shape parameters, whose derivative would be wrong.

    Such values are integers and half-integers.  There the derivative of the formula is compared with differences of
    SciPy's values in a few elements.
    """
    if is_further(type(self.scipys), "_logpdf" if "pdf" in name else "_cdf"):
        return False
    loc, scale, *shapes = parameters
    special = [i for i, s in enumerate(shapes) if duals_in(s) and np.any(plain_values(s) * 2 % 1 == 0)]
    places = np.flatnonzero(np.ravel(inside))[:: max(1, int(np.sum(inside)) // 4)][:5]
    if not special or not places.size:
        return False
    full = [np.ravel(np.broadcast_to(plain_values(a), np.shape(inside)))[places] for a in (x, loc, scale, *shapes)]
    x, loc, scale, *plain = full
    method = getattr(self.scipys, name)
    for i in special:

        def value(s: Any, i: int = i) -> Any:
            return method(
                x, *plain[:i], s, *plain[i + 1 :], loc=loc, **({} if self.standard().discrete else {"scale": scale})
            )

        step = 1e-4 * (1.0 + np.abs(plain[i]))
        with np.errstate(all="ignore"):
            differences = _differences(value, plain[i], step)
            result = _slopes(self, name, full, i)
            wrong = np.abs(result - differences) > 1e-3 * (np.abs(differences) + np.abs(result)) + 1e-6
        if np.any(wrong & np.isfinite(differences)):
            return True
    return False


def _differences(value: Callable[[Any], Any], s: Any, step: Any) -> Any:
    """Differences of second order, central where both sides are defined."""
    result = (value(s + step) - value(s - step)) / (2 * step)
    for h in (step, -step):
        one_sided = (4.0 * value(s + h) - 3.0 * value(s) - value(s + 2 * h)) / (2 * h)
        result = np.where(np.isfinite(result), result, one_sided)
    return result


def _slopes(self: Distribution, name: str, full: Sequence[Any], i: int) -> Any:
    """The derivative of the formula with respect to one shape parameter, for plain values."""
    standard = self.standard()
    x, loc, scale, *shapes = full
    with np.errstate(all="ignore"):
        inverse = name in ("ppf", "isf")
        y = x if inverse else (x - loc) / scale if not standard.discrete else x - loc
        at = (getattr(self.scipys, name)(x, *shapes)) if inverse else None

        def along(s: Any) -> Any:
            given = [*shapes[:i], s, *shapes[i + 1 :]]
            if inverse:
                return loc + scale * _quantile(standard, name, y, given, at)
            return _in_x(standard, name, y, given, scale)

        return jvp(along, shapes[i], np.ones_like(shapes[i]))[1]


def _float(a: Any) -> Any:
    return (
        a
        if getattr(a, "dtype", None) is not None and a.dtype.kind == "f"
        else np.asarray(a, float)[()]
        if not duals_in(a)
        else a
    )


def _check(self: Distribution, name: str, result: Any, value: Any) -> None:
    """Raise if a formula has another value than SciPy's function."""
    plain = plain_values(result)
    finite = np.isfinite(value)
    if not np.allclose(np.where(finite, plain, 0.0), np.where(finite, value, 0.0), 1e-5, 1e-8):
        raise no_rule(f"scipy.stats.{self.scipys.name}.{name}")


METHODS = ("pdf", "logpdf", "pmf", "logpmf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf")


def _of_x(name: str) -> Callable[..., Any]:
    def method(self: Distribution, x: Any, *args: Any, **kwargs: Any) -> Any:
        if not duals_in((x, args, kwargs)):
            return getattr(self.scipys, name)(x, *args, **kwargs)
        return _differentiated(self, name, x, args, kwargs)

    method.__name__ = name
    method.__doc__ = f"As the method ``{name}`` of SciPy's distributions; all arguments may be duals."
    return method


for _name in METHODS:
    setattr(Distribution, _name, _of_x(_name))


# -- samples -----------------------------------------------------------------------------------------------------------
def rvs(self: Distribution, *args: Any, **kwds: Any) -> Any:
    r"""As the method ``rvs`` of SciPy's distributions: SciPy's sample, with derivatives in the parameters.

    A drawn x moves with the parameters so that its cumulative probability is constant (M. Figurnov, S. Mohamed and
    A. Mnih, Implicit reparameterization gradients, 2018): :math:`dx = -\partial_\theta F\, d\theta / f`.  However SciPy
    draws the sample, averages of functions of it have unbiased derivatives.  Samples of discrete distributions have
    none, and raise.
    """
    value = self.scipys.rvs(*map(values_of, args), **{k: values_of(v) for k, v in kwds.items()})
    if not duals_in((args, kwds)):
        return value
    scipys, standard = self.scipys, self.standard()
    if standard.discrete:
        raise no_rule(f"scipy.stats.{scipys.name}.rvs", ", as its values are integers")
    parameters = {k: v for k, v in kwds.items() if k not in ("size", "random_state")}
    shapes, loc, scale = scipys._parse_args(*args[: scipys.numargs + 2], **parameters)
    loc, scale, *shapes = (_float(operand(a)) for a in (loc, scale, *shapes))
    _refuse_integers(self, "rvs", shapes)
    with np.errstate(all="ignore"):
        z = np.atleast_1d((np.asarray(value) - plain_values(loc)) / plain_values(scale))
        if duals_in(shapes):
            full = [np.broadcast_to(s, z.shape).ravel() for s in shapes]
            z = z.ravel()
            p = scipys._cdf(z, *map(plain_values, full))
            z = _quantile(standard, "ppf", p, full, z)
        result = loc + scale * np.reshape(z, np.shape(value))
    return revalued(scalar_of(result), value)


Distribution.rvs = rvs  # type: ignore[attr-defined]


# -- moments -----------------------------------------------------------------------------------------------------------
MOMENTS = ("mean", "var", "std", "entropy", "median")


def _standard_moment(standard: Standard, name: str, shapes: Sequence[Any]) -> Any:
    """Mean, variance or entropy with loc 0 and scale 1: by the formula, or by an integral or a sum."""
    d, likes = standard.scipys, duals_in(shapes)
    plain = list(map(plain_values, shapes))
    if not likes:
        return d.entropy(*plain) if name == "entropy" else getattr(d, name)(*plain)
    expected = d.entropy(*plain) if name == "entropy" else getattr(d, name)(*plain)
    source = "_entropy" if name == "entropy" else "_stats"
    if has_formula(d, source):
        try:
            with accepting(likes), np.errstate(all="ignore"):
                result = getattr(standard.copy, source)(*shapes)
                result = result if name == "entropy" else result[0 if name == "mean" else 1]
            if result is not None and np.allclose(plain_values(operand(result)), expected, 1e-9, 0):
                return operand(result)
        except _FAILURES:
            pass
    if np.size(expected) > 1:
        raise no_rule(f"scipy.stats.{d.name}.{name}", " in arrays of shape parameters")
    scalars = [np.reshape(s, ()) if np.ndim(s) else s for s in shapes]
    return _expected(standard, name, scalars, expected)


def _expected(standard: Standard, name: str, shapes: Sequence[Any], expected: Any) -> Any:
    """A moment from the density."""
    mean = _standard_moment(standard, "mean", shapes) if name == "var" else 0.0

    def density(t: Any) -> Any:
        return scalar_of(np.reshape(standard.density_of(np.reshape(t, (1,)), shapes), ()))

    def weighted(t: Any) -> Any:
        f = density(t)
        if name == "entropy":
            return -f * np.log(f) if plain_values(f) > 0 else 0.0 * f
        return t * f if name == "mean" else (t - mean) ** 2 * f

    if standard.discrete:
        plain = list(map(plain_values, shapes))
        first, last = standard.scipys.ppf(1e-18, *plain), standard.scipys.isf(1e-18, *plain)
        if not last - first < 1e5:
            raise no_rule(f"scipy.stats.{standard.scipys.name}.{name}")
        return sum(weighted(k) for k in np.arange(first, last + 1))
    low, high = standard.support(shapes)
    middle = float(np.reshape(standard.scipys.median(*map(plain_values, shapes)), ()))
    return quad(weighted, low, middle, limit=200)[0] + quad(weighted, middle, high, limit=200)[0]


def _moment(name: str) -> Callable[..., Any]:
    def method(self: Distribution, *args: Any, **kwargs: Any) -> Any:
        if not duals_in((args, kwargs)):
            return getattr(self.scipys, name)(*args, **kwargs)
        if name == "median":
            return self.ppf(0.5, *args, **kwargs)
        if name == "std":
            return np.sqrt(method.variance(self, *args, **kwargs))  # type: ignore[attr-defined]
        plain = {k: values_of(v) for k, v in kwargs.items()}
        value = getattr(self.scipys, name)(*map(values_of, args), **plain)
        shapes, loc, scale = self.scipys._parse_args(*args, **kwargs)
        shapes = [_float(operand(s)) for s in shapes]
        if not np.all(np.isfinite(value)):
            no_derivative(f"{self.scipys.name}.{name}", f"it is {value}")
            return unknown(value, *duals_in((args, kwargs)))
        result = _standard_moment(self.standard(), name, shapes)
        if name == "mean":
            result = loc + scale * result
        elif name == "var":
            result = scale**2 * result
        elif not self.standard().discrete:
            result = result + np.log(scale)
        result = np.reshape(result, np.shape(value))
        _check(self, name, result, value)
        return revalued(scalar_of(result), value)

    method.__name__ = name
    method.__doc__ = f"As the method ``{name}`` of SciPy's distributions; all arguments may be duals."
    return method


for _name in MOMENTS:
    setattr(Distribution, _name, _moment(_name))
_std: Any = Distribution.std  # type: ignore[attr-defined]
_std.variance = Distribution.var  # type: ignore[attr-defined]
