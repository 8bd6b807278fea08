r"""Likelihoods of samples: ``nnlf`` and ``fit`` of the distributions for duals, and the information at a fit.

A maximum likelihood estimate solves :math:`\partial_\theta L(\theta; x) = 0`, with L the negative log-likelihood, and
is differentiated by the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.drivers.gradient import gradient
from dualdiff.drivers.hessian import hessian
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.solving.equations import implicit, is_regular, no_derivative, revalued
from dualdiff.scipy.solving.stripped import values_of
from dualdiff.scipy.stats.random_variables import Distribution

_scipy = load("scipy.stats", "scipy", "dualdiff.scipy.stats")


def _names(distribution: Any) -> list[str]:
    """The parameters in the order of a fit."""
    shapes = distribution.shapes
    return [*(shapes.replace(" ", "").split(",") if shapes else ()), "loc", "scale"]


def _fixed(distribution: Any, keywords: dict[str, Any]) -> dict[int, Any]:
    """The parameters that SciPy's keywords for fits fix, by position."""
    result = {}
    for i, name in enumerate(_names(distribution)):
        for keyword in (f"f{name}", f"fix_{name}", f"f{i}"):
            if keywords.get(keyword) is not None and not (keyword == f"f{i}" and name in ("loc", "scale")):
                result[i] = keywords[keyword]
    return result


def _free_likelihood(self: Distribution, parameters: Sequence[Any], data: Any, free: list[int]) -> Callable[[Any], Any]:
    """The negative log-likelihood as a function of the free parameters."""

    def likelihood(theta: Any) -> Any:
        given = list(parameters)
        for place, i in enumerate(free):
            given[i] = theta[place]
        *shapes, loc, scale = given
        return -np.sum(self.logpdf(data, *shapes, loc=loc, scale=scale))

    return likelihood


def nnlf(self: Distribution, theta: Any, x: Any) -> Any:
    """As the method ``nnlf`` of SciPy's distributions: minus the log-likelihood; theta and x may be duals.

    ``theta`` holds the shape parameters, loc and scale, in this order.
    """
    value = self.scipys.nnlf(values_of(theta), values_of(x))
    if not duals_in((theta, x)):
        return value
    *shapes, loc, scale = theta
    if not np.isfinite(value):
        raise no_rule(f"scipy.stats.{self.scipys.name}.nnlf", f" where it is {value}: x or theta is out of range")
    return revalued(-np.sum(self.logpdf(x, *shapes, loc=loc, scale=scale)), value)


def fit(self: Distribution, data: Any, *args: Any, **kwds: Any) -> Any:
    """As the method ``fit`` of SciPy's distributions; the data, and fixed parameters, may be duals.

    The estimates are SciPy's.  Their derivatives are those of the exact maximum, by the implicit function theorem, and
    NaN with a warning where the gradient of the likelihood does not vanish at the estimates (a parameter at its bound,
    such as loc at the smallest observation).
    """
    result = self.scipys.fit(values_of(data), *map(values_of, args), **{k: values_of(v) for k, v in kwds.items()})
    if not duals_in((data, args, kwds)):
        return result
    name = f"scipy.stats.{self.scipys.name}.fit"
    if str(kwds.get("method", "MLE")).upper() != "MLE":
        raise no_rule(name, f" with method={kwds['method']!r}")
    fixed = _fixed(self.scipys, kwds)
    free = [i for i in range(len(result)) if i not in fixed]
    parameters = [fixed.get(i, v) for i, v in enumerate(result)]
    sides = [
        gradient(_free_likelihood(self, given, d, free))
        for given, d in ((parameters, operand(data)), (list(result), plain_values(operand(data))))
    ]
    duals = duals_in((data, kwds))
    solution = implicit(name, sides[0], sides[1], np.array([result[i] for i in free]), sources=duals)
    for place, i in enumerate(free):
        parameters[i] = revalued(solution[place], result[i])
    return type(result)(parameters)


for _method in (nnlf, fit):
    setattr(Distribution, _method.__name__, _method)


# -- information -------------------------------------------------------------------------------------------------------
def _information(dist: Any, params: Sequence[Any], data: Any, fixed: dict[str, Any]) -> tuple[Any, list[int], int]:
    """The Hessian of the negative log-likelihood in the free parameters, their positions, and the number of all."""
    distribution = dist if isinstance(dist, Distribution) else Distribution(dist)
    names = _names(distribution.scipys)
    if len(params) != len(names):
        raise ValueError(f"params must be ({', '.join(names)}), as fit returns them, but has {len(params)} elements")
    held = _fixed(distribution.scipys, fixed)
    free = [i for i in range(len(names)) if i not in held]
    likelihood = _free_likelihood(distribution, params, operand(data), free)
    return hessian(likelihood, operand([params[i] for i in free])), free, len(names)


def _embedded(matrix: Any, free: list[int], count: int) -> Any:
    """The matrix with zeros for the fixed parameters."""
    places = np.eye(count)[:, free]
    return places @ matrix @ places.T


def fit_information(dist: Any, params: Any, data: Any, **fixed: Any) -> Any:
    r"""The observed Fisher information of a sample: the Hessian of the negative log-likelihood.

    .. math:: J_{ij} = -\frac{\partial^2}{\partial \theta_i \partial \theta_j} \sum_k \log f(x_k; \theta)

    Parameters
    ----------
    dist : distribution
        A continuous distribution of ``dualdiff.scipy.stats`` or of ``scipy.stats``.
    params : tuple
        The shape parameters, loc and scale, as ``dist.fit`` returns them.
    data : array_like
        The sample.
    **fixed
        The keywords that fix parameters in ``dist.fit``: ``floc``, ``fscale``, ``f0``, ``fa``, ``fix_a``, ...

    Returns
    -------
    array
        One row and one column for each parameter; zeros for those that are fixed.

    Raises
    ------
    ValueError
        If params has not one element for each parameter.
    NoRuleError
        If the density has no second derivatives.

    Notes
    -----
    One evaluation of the log-density on second-order duals.

    Examples
    --------
    >>> from dualdiff.scipy import stats
    >>> stats.fit_information(stats.norm, (0.0, 2.0), [-2.0, -1.0, 0.0, 1.0, 2.0])
    array([[1.25 , 0.   ],
           [0.   , 0.625]])
    """
    information, free, count = _information(dist, params, data, fixed)
    return _embedded(information, free, count)


def fit_covariance(dist: Any, params: Any, data: Any, **fixed: Any) -> Any:
    r"""The covariance matrix of the parameters of a maximum likelihood fit: the inverse of the observed information.

    Parameters
    ----------
    dist : distribution
        A continuous distribution of ``dualdiff.scipy.stats`` or of ``scipy.stats``.
    params : tuple
        The shape parameters, loc and scale, as ``dist.fit`` returns them.
    data : array_like
        The sample.
    **fixed
        The keywords that fix parameters in ``dist.fit``: ``floc``, ``fscale``, ``f0``, ``fa``, ``fix_a``, ...

    Returns
    -------
    array
        One row and one column for each parameter; zeros for those that are fixed.  The square roots of the diagonal
        are the standard errors.

    Raises
    ------
    ValueError
        If params has not one element for each parameter.
    NoRuleError
        If the density has no second derivatives.

    Warns
    -----
    UndefinedDerivativeWarning
        Where the covariance is NaN: the information is not positive definite, so that params is no maximum of the
        likelihood, or the data do not determine the parameters.

    Notes
    -----
    One evaluation of the log-density on second-order duals.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff.scipy import stats
    >>> x = [0.3, 1.2, 2.2, 3.1, 0.9]
    >>> params = stats.gamma.fit(x, floc=0)
    >>> np.sqrt(np.diag(stats.fit_covariance(stats.gamma, params, x, floc=0))).round(2)
    array([1.16, 0.  , 0.52])
    """
    information, free, count = _information(dist, params, data, fixed)
    plain = plain_values(information)
    if not (is_regular(plain) and np.all(np.linalg.eigvalsh(plain) > 0)):
        no_derivative("the log-likelihood: its inverse", "the observed information is not positive definite")
        return _embedded(np.full(plain.shape, np.nan), free, count)
    return _embedded(np.linalg.inv(information), free, count)
