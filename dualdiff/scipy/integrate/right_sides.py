"""The right-hand side of a differential equation on duals, and states a moment later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.drivers.jacobian import jacobian
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.scipy.solving.equations import levels, revalued
from dualdiff.scipy.solving.stripped import Stripped

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

Function = Callable[..., Any]


class RightSide:
    """``f(t, y)`` on duals and, in `plain`, on their values, with results in the shape and dtype of the state."""

    __slots__ = ("_side", "dtype", "function", "plain", "shape", "vectorized")

    def __init__(
        self, sides: tuple[Function, Function], y: Any, vectorized: Any = False, function: Stripped | None = None
    ) -> None:
        self._side, other = sides
        self.shape, self.dtype = y.shape, y.dtype
        self.vectorized = vectorized
        #: What the user gave, if it is called as this is.
        self.function = function
        #: The same on the values of the duals that f closes over.
        self.plain: RightSide = self if self._side is other else RightSide((other, other), y, vectorized, function)

    def __call__(self, t: Any, y: Any) -> Any:
        if self.vectorized:
            return self._formed(np.ravel(operand(self._side(t, y[:, None]))))
        return self._formed(operand(self._side(t, y)))

    def _formed(self, result: Any) -> Any:
        if getattr(result, "shape", None) != self.shape:
            result = np.broadcast_to(result, self.shape)
        return self._cast(result)

    def _cast(self, result: Any) -> Any:
        return result if result.dtype == self.dtype else result.astype(self.dtype)

    def at_points(self, times: Any, states: Any) -> Any:
        """``f`` at several times and states, along the first axis."""
        if self.vectorized or self.dtype.kind != "f":
            return np.stack([self(t, y) for t, y in zip(times, states, strict=True)])
        results = [self._side(t, y) for t, y in zip(times, states, strict=True)]
        if {*map(type, results)} <= {list, tuple}:
            # One array of all scalars costs less than an array for each point.
            joined = operand([x for result in results for x in result])
            if joined.shape == (len(results) * self.shape[0],):
                return self._cast(np.reshape(joined, (len(results), *self.shape)))
        return np.stack([self._formed(operand(result)) for result in results])

    def jacobians(self, times: Any, states: Any) -> Any:
        r"""The plain matrices of :math:`\partial f / \partial y` at plain values, along the first axis."""
        at_points = self.plain.at_points
        # A row of an array of duals would be a view of it, which costs more than a sum.
        result = jacobian(lambda change: at_points(times, [y + change for y in states]), np.zeros(states.shape[1]))
        return plain_values(result)


class InRealParts:
    """A complex system as one of real and imaginary parts, whose Jacobian exists whatever f is."""

    __slots__ = ("_f", "plain")

    def __init__(self, f: RightSide) -> None:
        self._f = f
        self.plain: InRealParts = self if f.plain is f else InRealParts(f.plain)

    def __call__(self, t: Any, parts: Any) -> Any:
        return in_parts(self._f(t, of_parts(parts)))

    def at_points(self, times: Any, states: Any) -> Any:
        return np.stack([self(t, y) for t, y in zip(times, states, strict=True)])

    jacobians = RightSide.jacobians


def in_parts(y: Any) -> Any:
    """Real and imaginary parts, one after the other."""
    return np.concatenate([np.real(y), np.imag(y)])


def of_parts(parts: Any) -> Any:
    """The complex array of these parts."""
    n = len(parts) // 2
    return parts[:n] + 1j * parts[n:]


#: Explicit methods: their orders, and the coefficients of their stages and results.
_METHODS = (
    (1, np.zeros((1, 1)), np.ones(1), np.zeros(1)),
    *((m.order, m.A, m.B, m.C) for m in (_scipy.RK23, _scipy.RK45, _scipy.DOP853)),
)


def moved(f: Function, t: Any, y: Any, step: Any) -> Any:
    """The solution through (t, y), after a step that is a dual of value zero.

    A Runge-Kutta step gives it exactly if the order of the method is at least that of the derivatives.
    """
    order = levels(step)
    if not order:
        return y
    method = next((m for m in _METHODS if m[0] >= order), None)
    if method is None:
        raise no_rule(f"times of differential equations that are differentiated {order} times")
    _, a, b, c = method
    stages: list[Any] = []
    for weights, node in zip(a, c, strict=True):
        within = y + step * sum(w * k for w, k in zip(weights, stages, strict=False)) if stages else y
        stages.append(f(t + node * step, within))
    return revalued(y + step * sum(w * k for w, k in zip(b, stages, strict=True)), plain_values(y))
