"""For cyipopt: a nonlinear program with exact sparse derivatives and their structures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.drivers.gradient import gradient
from dualdiff.drivers.hessian import hessian
from dualdiff.drivers.jacobian import jacobian
from dualdiff.drivers.sparse.sparsity import hessian_sparsity, jacobian_sparsity

__all__ = ["Problem"]


class Problem:
    r"""Minimise f(x) subject to lower <= x <= upper and bounds on g(x), as ``cyipopt.Problem(problem_obj=)`` takes it.

    Parameters
    ----------
    f : callable
        The objective, a function of an array of shape (n,) that returns a scalar.
    x : array_like
        A point of shape (n,) at which the sparsity patterns are found, such as the start.
    g : callable, optional
        The constraints, a function of x that returns an array of shape (m,).

    Notes
    -----
    The Jacobian of g and the Hessian of the Lagrangian :math:`\sigma f + \lambda \cdot g` are compressed by colouring,
    see `dualdiff.jacobian_sparsity` and `dualdiff.hessian_sparsity`.

    Examples
    --------
    >>> from dualdiff.adapters.cyipopt import Problem
    >>> problem = Problem(lambda x: x[0] * x[3] + x[2], np.ones(4), lambda x: np.stack([x[0] * x[1], x[3] ** 2]))
    >>> problem.jacobianstructure()
    (array([0, 0, 1]), array([0, 1, 3]))
    >>> problem.jacobian(np.array([1.0, 2.0, 3.0, 4.0]))
    array([2., 1., 8.])
    >>> problem.hessianstructure()
    (array([1, 3, 3]), array([0, 0, 3]))
    >>> problem.hessian(np.ones(4), np.array([10.0, 100.0]), 1.0)
    array([ 10.,   1., 200.])
    """

    def __init__(self, f: Callable[..., Any], x: Any, g: Callable[..., Any] | None = None) -> None:
        x = np.asarray(x, float)
        self._f, self._g = f, g
        self._lagrangian_pattern = hessian_sparsity(self._lagrangian, x, *self._multipliers(x)).tocsr()
        self._pattern = None if g is None else jacobian_sparsity(g, x).tocsr()

    def _multipliers(self, x: Any) -> tuple[Any, float]:
        return np.ones(0 if self._g is None else np.size(self._g(x))), 1.0

    def _lagrangian(self, x: Any, multipliers: Any, factor: Any) -> Any:
        weighted = factor * self._f(x)
        return weighted if self._g is None else weighted + np.ravel(self._g(x)) @ multipliers

    def objective(self, x: Any) -> Any:
        """The objective f(x)."""
        return self._f(x)

    def gradient(self, x: Any) -> Any:
        """Its gradient, of shape (n,)."""
        return gradient(self._f, x)

    def constraints(self, x: Any) -> Any:
        """The constraints g(x), of shape (m,)."""
        return np.empty(0) if self._g is None else np.ravel(self._g(x))

    def jacobianstructure(self) -> tuple[Any, Any]:
        """Row and column indices of the Jacobian of g."""
        if self._pattern is None:
            return np.empty(0, int), np.empty(0, int)
        return _indices(self._pattern)

    def jacobian(self, x: Any) -> Any:
        """The elements of the Jacobian of g there."""
        if self._pattern is None:
            return np.empty(0)
        return _elements(jacobian(self.constraints, x, sparse=self._pattern), self.jacobianstructure())

    def hessianstructure(self) -> tuple[Any, Any]:
        """Row and column indices of the lower triangle of the Hessian of the Lagrangian."""
        rows, columns = _indices(self._lagrangian_pattern)
        is_lower = rows >= columns
        return rows[is_lower], columns[is_lower]

    def hessian(self, x: Any, lagrange: Any, obj_factor: float) -> Any:
        """The elements of the Hessian of the Lagrangian there."""
        H = hessian(self._lagrangian, x, lagrange, obj_factor, sparse=self._lagrangian_pattern)
        return _elements(H, self.hessianstructure())


def _indices(pattern: Any) -> tuple[Any, Any]:
    rows, columns = pattern.nonzero()
    order = np.lexsort((columns, rows))
    return rows[order].astype(np.intp), columns[order].astype(np.intp)


def _elements(matrix: Any, indices: tuple[Any, Any]) -> Any:
    return np.asarray(matrix.tocsr()[indices]).ravel()
