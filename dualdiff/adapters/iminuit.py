"""For iminuit: exact gradients of cost functions, and of the models inside iminuit's own cost functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.drivers.gradient import gradient
from dualdiff.drivers.jacobian import jacobian

__all__ = ["cost_gradient", "model_gradient"]


def cost_gradient(cost: Callable[..., Any]) -> Callable[..., Any]:
    r"""The gradient :math:`\partial f / \partial p_j` of a cost function, as ``Minuit(cost, ..., grad=)`` takes it.

    Parameters
    ----------
    cost : callable
        ``cost(p1, p2, ...)``, or ``cost(p)`` of an array, which returns a scalar.

    Returns
    -------
    callable
        A function of the arguments of the cost function that returns an array of shape (n,), for n parameters.

    Notes
    -----
    One call of the cost function in forward mode, or one recorded call, whichever `dualdiff.gradient` chooses.

    Examples
    --------
    >>> from dualdiff.adapters.iminuit import cost_gradient
    >>> cost_gradient(lambda a, b: (a - 1) ** 2 + 3 * a * b)(2.0, 5.0)
    array([17.,  6.])
    """

    def gradient_of_cost(*parameters: Any) -> Any:
        if len(parameters) == 1 and np.ndim(parameters[0]) == 1:
            return gradient(cost, parameters[0])
        return gradient(lambda p: cost(*p), np.asarray(parameters, float))

    return gradient_of_cost


def model_gradient(model: Callable[..., Any]) -> Callable[..., Any]:
    r"""The gradient :math:`\partial f(x_i; p) / \partial p_j` of a model, for the cost functions of ``iminuit.cost``.

    They take it as ``grad``: ``LeastSquares(x, y, yerror, model, grad=model_gradient(model))``.

    Parameters
    ----------
    model : callable
        ``model(x, p1, p2, ...)``, which returns one element for each point x.

    Returns
    -------
    callable
        A function of the arguments of the model that returns an array of shape (n, m), for n parameters and m points:
        the transpose of what `dualdiff.scipy.optimize.fit_jacobian` returns.

    Notes
    -----
    One call of the model for all parameters.

    Examples
    --------
    >>> from dualdiff.adapters.iminuit import model_gradient
    >>> model_gradient(lambda x, a, b: a * x + b)(np.array([1.0, 2.0, 3.0]), 0.5, 0.1)
    array([[1., 2., 3.],
           [1., 1., 1.]])
    """

    def gradient_of_model(x: Any, *parameters: Any) -> Any:
        return np.moveaxis(jacobian(lambda p: model(x, *p), np.asarray(parameters, float)), -1, 0)

    return gradient_of_model
