"""The multivariate distributions of ``scipy.stats`` for duals, and its kernel density estimate.

Values are SciPy's; derivatives are those of the formulas below.  Covariance and scale matrices are symmetrized.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy import special
from dualdiff.scipy.solving.equations import revalued
from dualdiff.scipy.solving.stripped import values_of
from dualdiff.scipy.stats.random_variables import scalar_of
from dualdiff.scipy.stats.series_formulas import log_sum

_scipy = load("scipy.stats", "scipy", "dualdiff.scipy.stats")

_LOG_2PI = math.log(2 * math.pi)
#: The formulas of each distribution, by method.
FORMULAS: dict[str, dict[str, Callable[..., Any]]] = {}


def _formula(distribution: str, method: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(formula: Callable[..., Any]) -> Callable[..., Any]:
        methods = FORMULAS.setdefault(distribution, {})
        methods[method] = formula
        if method in ("logpdf", "logpmf"):
            methods[method[3:]] = lambda *args, **kwargs: np.exp(formula(*args, **kwargs))
        return formula

    return register


# -- the objects -------------------------------------------------------------------------------------------------------
class Multivariate:
    """A multivariate distribution of SciPy with methods that take duals; everything else is SciPy's."""

    def __init__(self, name: str) -> None:
        self.name, self.scipys = name, getattr(_scipy, name)
        self.__doc__ = self.scipys.__doc__

    def __repr__(self) -> str:
        return f"<scipy.stats.{self.name} for duals>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        result = getattr(self.scipys, name)
        return functools.wraps(result)(functools.partial(self._call, name, result)) if callable(result) else result

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not duals_in((args, kwargs)):
            frozen = self.scipys(*args, **kwargs)
        else:
            frozen = self.scipys(*map(values_of, args), **{k: values_of(v) for k, v in kwargs.items()})
        given = inspect.signature(self.scipys.__call__).bind(*args, **kwargs).arguments
        return FrozenMultivariate(self, frozen, {k: v for k, v in given.items() if k != "seed"})

    def _call(self, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not duals_in((args, kwargs)):
            return method(*args, **kwargs)
        formula = FORMULAS.get(self.name, {}).get(name)
        if formula is None or kwargs.get("allow_singular"):
            option = "" if formula is None else " with allow_singular="
            raise no_rule(f"scipy.stats.{self.name}.{name}{option}")
        value = method(*map(values_of, args), **{k: values_of(v) for k, v in kwargs.items()})
        kwargs.pop("allow_singular", None)
        with np.errstate(all="ignore"):
            result = formula(*map(_array, args), **{k: _array(v) for k, v in kwargs.items()})
        return _valued(f"scipy.stats.{self.name}.{name}", result, value)


def _array(x: Any) -> Any:
    return operand(x) if isinstance(x, (list, tuple)) else x


def _valued(name: str, result: Any, value: Any) -> Any:
    """SciPy's value with the tangents of a formula; raises if the formula has another value."""
    finite, plain = np.isfinite(value), np.reshape(plain_values(result), np.shape(value))
    if not np.allclose(np.where(finite, plain, 0.0), np.where(finite, value, 0.0), 1e-6, 1e-9):
        raise no_rule(name)
    return revalued(scalar_of(np.reshape(result, np.shape(value))), value)


class FrozenMultivariate:
    """A multivariate distribution with its parameters, which may be duals."""

    def __init__(self, distribution: Multivariate, scipys: Any, parameters: dict[str, Any]) -> None:
        self.distribution, self.scipys, self.parameters = distribution, scipys, parameters

    def __repr__(self) -> str:
        return f"<scipy.stats.{self.distribution.name}({', '.join(self.parameters)}) for duals>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        method = getattr(self.distribution.scipys, name, None)
        if name not in FORMULAS.get(self.distribution.name, {}) or method is None:
            if duals_in(list(self.parameters.values())):
                raise no_rule(f"scipy.stats.{self.distribution.name}.{name}")
            return getattr(self.scipys, name)
        accepted = inspect.signature(method).parameters
        given = {k: v for k, v in self.parameters.items() if k in accepted}

        def call(*x: Any) -> Any:
            if not duals_in((x, list(given.values()))):
                return getattr(self.scipys, name)(*x)
            return getattr(self.distribution, name)(*x, **given)

        return call


# -- normal, t ---------------------------------------------------------------------------------------------------------
def _matrix(a: Any, n: int) -> Any:
    """A scale matrix of n dimensions, given as a scalar, a diagonal, a matrix or a `scipy.stats.Covariance`."""
    a = operand(getattr(a, "covariance", a))
    a = np.eye(n) * a if np.ndim(a) < 2 else a
    return 0.5 * (a + np.swapaxes(a, -1, -2))


def _log_det(a: Any) -> Any:
    return np.linalg.slogdet(a)[1]


def _dimension(mean: Any, cov: Any) -> int:
    cov = getattr(cov, "covariance", cov)
    return max(np.shape(cov)[-1] if np.ndim(cov) else 1, np.size(0.0 if mean is None else mean))


def _distances(x: Any, mean: Any, cov: Any) -> tuple[Any, Any, int]:
    """Mahalanobis distances squared, the logarithm of the determinant, and the dimension."""
    n = _dimension(mean, cov)
    cov, x = _matrix(cov, n), operand(x)
    x = np.reshape(x, (-1, n)) if np.ndim(x) < 2 else x
    rest = x - operand(0.0 if mean is None else mean)
    flat = np.reshape(rest, (-1, n))
    square = np.sum(flat * np.linalg.solve(cov, flat.T).T, axis=-1)
    return np.reshape(square, np.shape(rest)[:-1]), _log_det(cov), n


@_formula("multivariate_normal", "logpdf")
def _normal_logpdf(x: Any, mean: Any = None, cov: Any = 1) -> Any:
    square, log_det, n = _distances(x, mean, cov)
    return -0.5 * (n * _LOG_2PI + log_det + square)


@_formula("multivariate_normal", "entropy")
def _normal_entropy(mean: Any = None, cov: Any = 1) -> Any:
    n = _dimension(mean, cov)
    return 0.5 * (n * (_LOG_2PI + 1) + _log_det(_matrix(cov, n)))


@_formula("multivariate_t", "logpdf")
def _t_logpdf(x: Any, loc: Any = None, shape: Any = 1, df: Any = 1) -> Any:
    if np.all(np.isinf(plain_values(df))):
        return _normal_logpdf(x, loc, shape)
    square, log_det, n = _distances(x, loc, shape)
    half = 0.5 * (df + n)
    norm = special.gammaln(half) - special.gammaln(0.5 * df) - 0.5 * (n * np.log(df * np.pi) + log_det)
    return norm - half * np.log1p(square / df)


@_formula("multivariate_t", "entropy")
def _t_entropy(loc: Any = None, shape: Any = 1, df: Any = 1) -> Any:
    n = _dimension(loc, shape)
    half, whole = 0.5 * df, 0.5 * (df + n)
    spread = whole * (special.psi(whole) - special.psi(half)) + 0.5 * n * np.log(df * np.pi)
    return special.gammaln(half) - special.gammaln(whole) + spread + 0.5 * _log_det(_matrix(shape, n))


@_formula("matrix_normal", "logpdf")
def _matrix_normal_logpdf(X: Any, mean: Any = None, rowcov: Any = 1, colcov: Any = 1) -> Any:
    rest = operand(X) - operand(0.0 if mean is None else mean)
    n, p = np.shape(rest)[-2:]
    rows, columns = _matrix(rowcov, n), _matrix(colcov, p)
    left, right = np.linalg.inv(rows), np.linalg.inv(columns)
    square = np.sum((left @ rest @ right) * rest, axis=(-2, -1))
    return -0.5 * (n * p * _LOG_2PI + p * _log_det(rows) + n * _log_det(columns) + square)


# -- Wishart -----------------------------------------------------------------------------------------------------------
def _wishart_parts(x: Any, df: Any, scale: Any) -> tuple[Any, ...]:
    """The matrices along the first axis, the scale, the dimension and the common terms."""
    scale = operand(scale)
    p = np.shape(scale)[-1] if np.ndim(scale) else 1
    scale = np.reshape(scale, (1, 1)) if np.ndim(scale) == 0 else np.diag(scale) if np.ndim(scale) == 1 else scale
    scale = _matrix(scale, p)
    common = 0.5 * df * p * math.log(2) + special.multigammaln(0.5 * df, p)
    if x is None:
        return None, scale, p, common
    x = operand(x)
    if np.ndim(x) < 2:
        x = x * np.eye(p) if np.ndim(x) == 0 else np.reshape(x, (1, 1, -1)) if p == 1 else np.diag(x)
    x = np.moveaxis(x, -1, 0) if np.ndim(x) == 3 else np.reshape(x, (1, p, p))
    return 0.5 * (x + np.swapaxes(x, -1, -2)), scale, p, common


@_formula("wishart", "logpdf")
def _wishart_logpdf(x: Any, df: Any, scale: Any) -> Any:
    x, scale, p, common = _wishart_parts(x, df, scale)
    trace = np.sum(np.linalg.inv(scale) * x, axis=(-2, -1))
    return 0.5 * ((df - p - 1.0) * _log_det(x) - trace - df * _log_det(scale)) - common


@_formula("wishart", "entropy")
def _wishart_entropy(df: Any, scale: Any) -> Any:
    _, scale, p, _ = _wishart_parts(None, df, scale)
    digammas = sum(special.psi(0.5 * (df - i)) for i in range(p))
    constant = 0.5 * (p + 1) * (_log_det(scale) + p * math.log(2)) + special.multigammaln(0.5 * df, p)
    return constant - 0.5 * (df - p - 1.0) * digammas + 0.5 * df * p


@_formula("invwishart", "logpdf")
def _invwishart_logpdf(x: Any, df: Any, scale: Any) -> Any:
    x, scale, p, common = _wishart_parts(x, df, scale)
    trace = np.sum(np.linalg.inv(x) * scale, axis=(-2, -1))
    return 0.5 * (df * _log_det(scale) - trace - (df + p + 1.0) * _log_det(x)) - common


@_formula("invwishart", "entropy")
def _invwishart_entropy(df: Any, scale: Any) -> Any:
    _, scale, p, _ = _wishart_parts(None, df, scale)
    digammas = sum(special.psi(0.5 * (df - i)) for i in range(p))
    # SciPy has log(2) where p log(2) is right; its value is kept.
    constant = 0.5 * (p + 1) * (_log_det(scale) - math.log(2)) + special.multigammaln(0.5 * df, p)
    return constant - 0.5 * (df + p + 1.0) * digammas + 0.5 * df * p


# -- on the simplex and the sphere -------------------------------------------------------------------------------------
def _log_beta(alpha: Any) -> Any:
    return np.sum(special.gammaln(alpha), axis=-1) - special.gammaln(np.sum(alpha, axis=-1))


@_formula("dirichlet", "logpdf")
def _dirichlet_logpdf(x: Any, alpha: Any) -> Any:
    x, alpha = operand(x), operand(alpha)
    if np.shape(x)[0] == np.shape(alpha)[0] - 1:
        x = np.concatenate([x, 1.0 - np.sum(x, axis=0, keepdims=True)])
    return np.sum(special.xlogy(alpha - 1.0, x.T), axis=-1) - _log_beta(alpha)


@_formula("dirichlet", "entropy")
def _dirichlet_entropy(alpha: Any) -> Any:
    alpha = operand(alpha)
    total = np.sum(alpha)
    rest = np.sum((alpha - 1.0) * special.psi(alpha))
    return _log_beta(alpha) + (total - np.shape(alpha)[0]) * special.psi(total) - rest


@_formula("dirichlet", "mean")
def _dirichlet_mean(alpha: Any) -> Any:
    return operand(alpha) / np.sum(operand(alpha))


def _probabilities(p: Any) -> Any:
    """Those that SciPy takes: the last is one minus the others."""
    p = operand(p)
    return np.concatenate([p[..., :-1], 1.0 - np.sum(p[..., :-1], axis=-1, keepdims=True)], axis=-1)


@_formula("multinomial", "logpmf")
def _multinomial_logpmf(x: Any, n: Any, p: Any) -> Any:
    x, n, p = plain_values(operand(x)), plain_values(operand(n)), _probabilities(p)
    terms = special.xlogy(np.asarray(x, float), p) - special.gammaln(x + 1.0)
    return special.gammaln(n + 1.0) + np.sum(terms, axis=-1)


@_formula("multinomial", "entropy")
def _multinomial_entropy(n: Any, p: Any) -> Any:
    p, n = _probabilities(p), np.asarray(plain_values(operand(n)), float)
    whole = n * np.sum(special.entr(p), axis=-1) - special.gammaln(n + 1.0)
    # The expected logarithm of the factorial of each count, which has a binomial distribution.
    n, p = n[..., None, None], p[..., None]
    x = np.arange(1.0, np.max(n, initial=0.0) + 1.0)
    left = np.maximum(n - x, 0.0)
    ways = special.gammaln(n + 1.0) - special.gammaln(x + 1.0) - special.gammaln(left + 1.0)
    likely = np.where(x <= n, np.exp(ways + special.xlogy(x, p) + special.xlog1py(left, -p)), 0.0)
    return whole + np.sum(likely * special.gammaln(x + 1.0), axis=(-1, -2))


@_formula("dirichlet_multinomial", "logpmf")
def _dirichlet_multinomial_logpmf(x: Any, alpha: Any, n: Any) -> Any:
    x, n, alpha = plain_values(operand(x)), plain_values(operand(n)), operand(alpha)
    total = np.sum(alpha, axis=-1)
    terms = special.gammaln(x + alpha) - special.gammaln(alpha) - special.gammaln(x + 1.0)
    whole = special.gammaln(total) - special.gammaln(n + total) + special.gammaln(n + 1.0)
    return whole + np.sum(terms, axis=-1)


def _fisher_norm(dim: int, kappa: Any) -> Any:
    order = 0.5 * dim - 1.0
    return order * np.log(kappa) - 0.5 * dim * _LOG_2PI - np.log(special.ive(order, kappa)) - kappa


@_formula("vonmises_fisher", "logpdf")
def _fisher_logpdf(x: Any, mu: Any = None, kappa: Any = 1) -> Any:
    x, mu = operand(x), operand(mu)
    return _fisher_norm(np.shape(mu)[-1], kappa) + kappa * np.sum(x * mu, axis=-1)


@_formula("vonmises_fisher", "entropy")
def _fisher_entropy(mu: Any = None, kappa: Any = 1) -> Any:
    dim = np.shape(mu)[-1]
    ratio = special.ive(0.5 * dim, kappa) / special.ive(0.5 * dim - 1.0, kappa)
    return -_fisher_norm(dim, kappa) - kappa * ratio


#: The base class of the multivariate distributions.
_GENERIC: Any = type(_scipy.multivariate_normal).__base__
MULTIVARIATE: dict[str, Any] = {
    name: Multivariate(name) for name, x in vars(_scipy).items() if not name.startswith("_") and isinstance(x, _GENERIC)
}


# -- kernel density estimate -------------------------------------------------------------------------------------------
class gaussian_kde:
    """As ``scipy.stats.gaussian_kde``; the dataset, the weights and the points may be duals.

    ``evaluate`` (also as a call, and ``pdf``) and ``logpdf`` are differentiated, with a bandwidth that depends on the
    weights as SciPy's rules do.  Everything else is SciPy's, and refuses duals.
    """

    def __init__(self, dataset: Any, bw_method: Any = None, weights: Any = None) -> None:
        self._duals = (_array(dataset), bw_method, _array(weights))
        self.scipys = _scipy.gaussian_kde(values_of(dataset), values_of(bw_method), values_of(weights))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if duals_in(self._duals):
            raise no_rule(f"scipy.stats.gaussian_kde.{name}")
        return getattr(self.scipys, name)

    def __call__(self, points: Any) -> Any:
        return self.evaluate(points)

    def evaluate(self, points: Any) -> Any:
        """The estimated density at the points, of shape (d, m) or (m,)."""
        return self._evaluated("evaluate", points, np.exp)

    pdf = evaluate

    def logpdf(self, x: Any) -> Any:
        """Its logarithm."""
        return self._evaluated("logpdf", x, lambda result: result)

    def _evaluated(self, name: str, points: Any, of_log: Callable[[Any], Any]) -> Any:
        value = getattr(self.scipys, name)(values_of(points))
        if not duals_in((points, self._duals)):
            return value
        with np.errstate(all="ignore"):
            result = of_log(self._log_density(_array(points)))
        return _valued(f"scipy.stats.gaussian_kde.{name}", result, value)

    def _log_density(self, points: Any) -> Any:
        dataset, bw_method, weights = self._duals
        d, n = self.scipys.d, self.scipys.n
        data, points = np.reshape(operand(dataset), (d, n)), np.reshape(operand(points), (d, -1))
        weights = np.full(n, 1.0 / n) if weights is None else operand(weights) / np.sum(operand(weights))
        squares = np.sum(weights * weights)
        if bw_method is None or bw_method == "scott":
            factor = squares ** (1.0 / (d + 4))
        elif isinstance(bw_method, str):
            factor = (0.25 * (d + 2) / squares) ** (-1.0 / (d + 4))
        else:
            factor = self.scipys.factor if callable(bw_method) else bw_method
        centered = data - np.sum(data * weights, axis=1, keepdims=True)
        cov = (centered * weights) @ centered.T / (1.0 - squares) * factor * factor
        rest = points[:, :, None] - data[:, None, :]
        flat = np.reshape(rest, (d, -1))
        square = np.reshape(np.sum(flat * np.linalg.solve(cov, flat), axis=0), np.shape(rest)[1:])
        return log_sum(np.log(weights) - 0.5 * square) - 0.5 * (d * _LOG_2PI + _log_det(cov))


MULTIVARIATE["gaussian_kde"] = gaussian_kde
