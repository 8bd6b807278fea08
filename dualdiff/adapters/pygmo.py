"""For pygmo: a problem with exact gradients and Hessians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.drivers.hessian import hessian
from dualdiff.drivers.jacobian import jacobian

__all__ = ["Problem"]


class Problem:
    r"""Minimise f(x) subject to bounds, g(x) = 0 and h(x) <= 0, as ``pygmo.problem`` takes it.

    Parameters
    ----------
    f : callable
        The objective, a function of an array of shape (n,) that returns a scalar.
    bounds : pair of array_like
        The lower and the upper bounds, of shape (n,) each.
    equalities, inequalities : callable, optional
        g and h: functions of x that return an array.

    Notes
    -----
    ``gradient`` is the Jacobian of all components of the fitness, by `dualdiff.jacobian`; ``hessians`` are the lower
    triangles of their Hessians, by `dualdiff.hessian`.

    Examples
    --------
    >>> from dualdiff.adapters.pygmo import Problem
    >>> problem = Problem(lambda x: x @ x, ([-1, -1], [1, 1]), equalities=lambda x: np.array([x[0] * x[1] - 1]))
    >>> problem.fitness([2.0, 3.0])
    array([13.,  5.])
    >>> problem.gradient([2.0, 3.0])
    array([4., 6., 3., 2.])
    """

    def __init__(
        self,
        f: Callable[..., Any],
        bounds: tuple[Any, Any],
        equalities: Callable[..., Any] | None = None,
        inequalities: Callable[..., Any] | None = None,
    ) -> None:
        self.f, self.bounds = f, bounds
        self.equalities, self.inequalities = equalities, inequalities

    def _fitness(self, x: Any) -> Any:
        constraints = [g(x) for g in (self.equalities, self.inequalities) if g is not None]
        return np.concatenate([np.ravel(y) for y in (self.f(x), *constraints)])

    def fitness(self, x: Any) -> Any:
        """The objective, the equalities and the inequalities, in one array."""
        return self._fitness(np.asarray(x, float))

    def gradient(self, x: Any) -> Any:
        """The Jacobian of the fitness, row by row in one array."""
        return jacobian(self._fitness, np.asarray(x, float)).ravel()

    def hessians(self, x: Any) -> list[Any]:
        """The lower triangle of the Hessian of each component of the fitness, row by row."""
        all_of_them = hessian(self._fitness, np.asarray(x, float))
        return [H[np.tril_indices(len(H))] for H in all_of_them]

    def get_bounds(self) -> tuple[Any, Any]:
        """The lower and the upper bounds."""
        return self.bounds

    def _count(self, constraints: Callable[..., Any] | None) -> int:
        lower, upper = (np.asarray(bound, float) for bound in self.bounds)
        inside = np.where(np.isfinite(lower + upper), (lower + upper) / 2, 1.0)
        return 0 if constraints is None else np.size(constraints(inside))

    def get_nec(self) -> int:
        """The number of equalities."""
        return self._count(self.equalities)

    def get_nic(self) -> int:
        """The number of inequalities."""
        return self._count(self.inequalities)
