r"""The derivatives of optima, as solutions of the KKT conditions.

At a constrained minimum of f, the gradient of the Lagrangian :math:`f(x) - \lambda^T (c(x) - b)` of the active
constraints is zero, and c(x) = b (Karush-Kuhn-Tucker).  These equations for x and the multipliers are differentiated by
the implicit function theorem (`dualdiff.scipy.solving.equations`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.drivers.gradient import gradient
from dualdiff.drivers.jacobian import jacobian
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.scipy.solving.equations import implicit, no_derivative, unknown
from dualdiff.scipy.solving.stripped import has_duals, values_of

#: The tolerance, relative and absolute, within which a constraint is active.
ACTIVE = 1e-6
#: A constraint with a smaller multiplier, relative to the gradient, is weakly active.
WEAK = 1e-6

WEAKLY_ACTIVE = (
    "a constraint is weakly active: its multiplier is zero, and a change of the data in one direction makes it inactive"
)

Sides = tuple[Callable[[Any], Any], Callable[[Any], Any]]


class Constraint:
    """``lower <= c(x) <= upper``: c for duals and for plain values, and limits, which may be duals."""

    def __init__(self, sides: Sides, lower: Any, upper: Any) -> None:
        self.sides = sides
        self.lower, self.upper = operand(lower), operand(upper)

    def active(self, x: Any) -> Active | None:
        """The components that are active at x; None if there are none."""
        c = np.atleast_1d(plain_values(operand(self.sides[1](x))))
        lower, upper = (np.broadcast_to(plain_values(b), c.shape) for b in (self.lower, self.upper))
        at_lower, at_upper = (np.isfinite(b) & np.isclose(c, b, ACTIVE, ACTIVE) for b in (lower, upper))
        signs = np.where(at_lower & at_upper, 0, np.where(at_lower, 1, np.where(at_upper, -1, 2)))
        rows = np.flatnonzero(signs != 2)
        if not rows.size:
            return None
        lower, upper = (np.broadcast_to(b, c.shape)[rows] for b in (self.lower, self.upper))
        return Active(self.sides, rows, signs[rows], np.where(signs[rows] < 0, upper, lower))


class Active:
    """The active components of a constraint; ``signs`` are those of their multipliers, zero for equations."""

    def __init__(self, sides: Sides, rows: Any, signs: Any, target: Any) -> None:
        self.sides, self.rows, self.signs, self.target = sides, rows, signs, target

    def rest(self, side: int, x: Any) -> Any:
        """``c(x) - b`` of the active components, for duals (side 0) or plain values (side 1)."""
        target = plain_values(self.target) if side else self.target
        return np.atleast_1d(operand(self.sides[side](x)))[self.rows] - target


def minimum(
    name: str,
    objective: Sides,
    x: Any,
    constraints: Sequence[Constraint] = (),
    converged: Any = True,
    sources: Sequence[Any] = (),
) -> tuple[Any, bool]:
    """The dual minimum whose plain value is known, and whether constraints are active there."""
    active = [a for c in constraints if (a := c.active(x)) is not None]
    if not active:
        return implicit(name, gradient(objective[0]), gradient(objective[1]), x, converged, sources), False
    n = x.size
    slope = plain_values(gradient(objective[1], x))
    rows = np.concatenate([np.reshape(plain_values(jacobian(partial(a.rest, 1), x)), (-1, n)) for a in active])
    signs = np.concatenate([a.signs for a in active])
    multipliers = np.linalg.lstsq(rows.T, slope)[0]
    force = multipliers * np.max(np.abs(rows), axis=1)
    if np.any((signs != 0) & (signs * force <= WEAK * max(1.0, float(np.max(np.abs(slope)))))):
        no_derivative(
            name,
            WEAKLY_ACTIVE,
        )
        return unknown(x, *sources), True
    size = max(1.0, float(np.max(np.abs(multipliers))))

    def conditions(side: int, z: Any) -> Any:
        x, m = z[:n], z[n:] * size

        def lagrange(x: Any) -> Any:
            rest = np.concatenate([a.rest(side, x) for a in active])
            return np.reshape(objective[side](x), ()) - np.sum(m * rest)

        return np.concatenate([gradient(lagrange, x), *(a.rest(side, x) for a in active)])

    z = np.concatenate([x, multipliers / size])
    result = implicit(name, partial(conditions, 0), partial(conditions, 1), z, converged, sources)
    return result[:n], True


# -- bounds ------------------------------------------------------------------------------------------------------------
def identity(x: Any) -> Any:
    """The function x, to which bounds apply."""
    return x


def limits_of(bounds: Any) -> tuple[Any, Any]:
    """Lower and upper limits, from ``Bounds`` or a pair of arrays."""
    return (
        (operand(bounds.lb), operand(bounds.ub)) if hasattr(bounds, "lb") else (operand(bounds[0]), operand(bounds[1]))
    )


def limits_of_pairs(bounds: Any) -> tuple[Any, Any]:
    """Lower and upper limits, from ``Bounds`` or a pair for each variable."""
    if hasattr(bounds, "lb"):
        return limits_of(bounds)
    lower, upper = (
        np.stack([nothing if pair[i] is None else pair[i] for pair in bounds])
        for i, nothing in ((0, -np.inf), (1, np.inf))
    )
    return lower, upper


def plain_bounds(bounds: Any) -> Any:
    """Bounds of plain values."""
    if not hasattr(bounds, "lb"):
        return values_of(bounds)
    if not has_duals((bounds.lb, bounds.ub)):
        return bounds
    return type(bounds)(values_of(bounds.lb), values_of(bounds.ub), bounds.keep_feasible)
