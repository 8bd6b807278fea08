r"""Explicit Runge-Kutta steps on duals.

With the steps that SciPy accepted, whose sizes count as constants, the stages are repeated on duals: the derivative is
exactly that of the sums that SciPy computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.application import Application
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.scipy.equations import revalued
from dualdiff.scipy.integrate.right_sides import RightSide

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

#: Stage values that differ from those of SciPy by more than this part of their size are of another function.
SAME = 1e-6
_PLAIN = {np.ndarray}


def combined(y: Any, stages: Sequence[Any], weights: Any, h: float) -> Any:
    """``y + h * sum(weights * stages)``, in SciPy's order, as one linear function of duals."""
    terms = Application(y, *stages)
    space, (first, *others) = terms.space, terms.values
    if {*map(type, terms.values)} == _PLAIN:
        value = first + np.dot(np.array(others).T, weights) * h
    else:
        value = combined(first, others, weights, h)
    if space is None:
        return value
    shape, factors = value.shape, (weights * h).tolist()
    active = [
        (t, c, shape, False, True) for t, c in zip(terms.tangents[1:], factors, strict=True) if c and t is not None
    ]
    if terms.tangents[0] is not None:
        active.append((terms.tangents[0], 1, shape, False, True))
    return terms.result(value, [space.combine(active, shape)] if active else ())


class Explicit:
    """The steps of an explicit method, one after the other."""

    def __init__(self, method: Any, f: RightSide, t: Any, y: Any) -> None:
        self.method, self.f = method, f
        self.y, self.slope = y, f(t, y)
        self._stages = [(method.A[s, :s], c) for s, c in enumerate(method.C.tolist()) if s]
        self._ends: list[Any] = []

    def step(self, t: float, until: float, y_new: Any, dense: Any) -> ExplicitStep:
        """The next step, which SciPy ended at ``y_new``."""
        method, f, y, h = self.method, self.f, self.y, until - t
        stages = [self.slope]
        for weights, c in self._stages:
            stages.append(f(t + c * h, combined(y, stages, weights, h)))
        result = combined(y, stages, method.B, h)
        self._ends.append((plain_values(result), y_new))
        self.y = revalued(result, y_new)
        self.slope = f(until, self.y)
        return ExplicitStep(self, t, h, y, [*stages, self.slope], self.y)

    @property
    def is_same(self) -> bool:
        """Whether f gave what it gave to SciPy."""
        again, before = np.transpose(self._ends, (1, 0, 2)) if self._ends else (np.zeros((0, 0)),) * 2
        return bool(np.all(np.abs(again - before) <= SAME * np.max(np.abs(before), axis=0, initial=0.0)))


class ExplicitStep:
    """One step, and the polynomial between its ends."""

    __slots__ = ("_complete", "_steps", "end", "h", "stages", "t", "y")

    def __init__(self, steps: Explicit, t: float, h: float, y: Any, stages: list[Any], end: Any) -> None:
        self._steps = steps
        self.t, self.h, self.y, self.stages, self.end = t, h, y, stages, end
        self._complete = False

    def at(self, t: float) -> Any:
        """The state at a time."""
        method, h = self._steps.method, self.h
        if not self._complete:
            for a, c in zip(*extra_stages(method), strict=True):
                s = len(self.stages)
                self.stages.append(self._steps.f(self.t + c * h, combined(self.y, self.stages, a[:s], h)))
            self._complete = True
        return combined(self.y, self.stages, weights_at(method, (t - self.t) / h), h)


def extra_stages(method: Any) -> tuple[Any, Any]:
    """The coefficients of stages that only the polynomial between the ends of a step needs."""
    if issubclass(method, _scipy.DOP853):
        return method.A_EXTRA, method.C_EXTRA
    return np.zeros((0, 0)), np.zeros(0)


def weights_at(method: Any, x: float) -> Any:
    """The weights of the stages in the polynomial of a step, at a part of the step."""
    if not issubclass(method, _scipy.DOP853):
        return method.P @ np.cumprod(np.tile(x, method.P.shape[1]))
    stages = np.identity(method.D.shape[1])
    whole = method.B @ stages[: len(method.B)]
    first, last = stages[0], stages[len(method.B)]
    parts = [whole, first - whole, 2 * whole - (last + first), *(method.D @ stages)]
    weights = np.zeros(len(stages))
    for i, part in enumerate(reversed(parts)):
        weights = (weights + part) * (x if i % 2 == 0 else 1 - x)
    return weights
