"""For NLopt: objectives and constraints that fill in their exact gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dualdiff.drivers.gradient import value_and_gradient
from dualdiff.drivers.jacobian import value_and_jacobian

__all__ = ["constraints", "objective"]


def objective(f: Callable[..., Any]) -> Callable[[Any, Any], float]:
    r"""A scalar function in the form of ``set_min_objective``, ``add_inequality_constraint`` and their relatives.

    Parameters
    ----------
    f : callable
        A function of an array of shape (n,) that returns a scalar.

    Returns
    -------
    callable
        A function of (x, grad) that returns f(x) and writes :math:`\nabla f(x)` into grad, unless that is empty, as
        it is for algorithms without derivatives.

    Notes
    -----
    Costs what `dualdiff.value_and_gradient` does; without a gradient one call of f.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff.adapters.nlopt import objective
    >>> grad = np.empty(2)
    >>> objective(lambda x: x @ x)(np.array([1.0, 2.0]), grad), grad
    (5.0, array([2., 4.]))
    """

    def objective_and_gradient(x: Any, grad: Any) -> float:
        if not grad.size:
            return float(f(x))
        value, grad[:] = value_and_gradient(f, x)
        return float(value)

    return objective_and_gradient


def constraints(f: Callable[..., Any]) -> Callable[[Any, Any, Any], None]:
    r"""A vector function in the form of ``add_inequality_mconstraint`` and ``add_equality_mconstraint``.

    Parameters
    ----------
    f : callable
        A function of an array of shape (n,) that returns an array of shape (m,).

    Returns
    -------
    callable
        A function of (result, x, grad) that writes f(x) into result and the Jacobian, of shape (m, n), into grad,
        unless that is empty.

    Notes
    -----
    Costs what `dualdiff.value_and_jacobian` does; without a gradient one call of f.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff.adapters.nlopt import constraints
    >>> result, grad = np.empty(1), np.empty((1, 2))
    >>> constraints(lambda x: np.array([x[0] * x[1] - 1]))(result, np.array([2.0, 3.0]), grad)
    >>> result, grad
    (array([5.]), array([[3., 2.]]))
    """

    def constraints_and_jacobian(result: Any, x: Any, grad: Any) -> None:
        if grad.size:
            result[:], grad[:] = value_and_jacobian(f, x)
        else:
            result[:] = f(x)

    return constraints_and_jacobian
