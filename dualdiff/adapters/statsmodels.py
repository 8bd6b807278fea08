"""For statsmodels: the exact score and Hessian of a likelihood that is written as a function."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.drivers.gradient import gradient
from dualdiff.drivers.hessian import hessian
from dualdiff.drivers.jacobian import jacobian

__all__ = ["ExactDerivatives"]


class ExactDerivatives:
    r"""Put before ``GenericLikelihoodModel`` among the bases of a model, exact derivatives replace differences.

    The model defines ``loglike`` or ``loglikeobs`` (or ``nloglikeobs``), in NumPy's functions or those of
    `dualdiff.scipy`.  The optimiser then follows exact gradients, and the standard errors come from the exact Hessian.

    Examples
    --------
    >>> from dualdiff.scipy import stats
    >>> class Likelihood:                    # in a program: GenericLikelihoodModel of statsmodels
    ...     def __init__(self, endog):
    ...         self.endog = endog
    >>> class Exponential(ExactDerivatives, Likelihood):
    ...     def loglikeobs(self, params):
    ...         return stats.expon.logpdf(self.endog, scale=params[0])
    ...     def loglike(self, params):
    ...         return np.sum(self.loglikeobs(params))
    >>> model = Exponential(np.array([1.0, 2.0, 3.0]))
    >>> model.score([2.0]), model.hessian([2.0])
    (array([0.]), array([[-0.75]]))
    >>> model.score_obs([2.0])
    array([[-0.25],
           [ 0.  ],
           [ 0.25]])
    """

    def score(self, params: Any) -> Any:
        r"""The gradient :math:`\nabla \log L`, of shape (n,)."""
        return gradient(self.loglike, np.asarray(params, float))  # type: ignore[attr-defined]

    def score_obs(self, params: Any, **kwds: Any) -> Any:
        r"""The gradient of each observation's log-likelihood, of shape (m, n)."""
        return jacobian(self.loglikeobs, np.asarray(params, float))  # type: ignore[attr-defined]

    def hessian(self, params: Any) -> Any:
        r"""The Hessian :math:`\nabla^2 \log L`, of shape (n, n)."""
        return hessian(self.loglike, np.asarray(params, float))  # type: ignore[attr-defined]
