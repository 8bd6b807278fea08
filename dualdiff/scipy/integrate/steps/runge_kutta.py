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
from dualdiff.scipy.equations import UNLIKE, revalued
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
    """The solution by an explicit method, step after step."""

    def __init__(self, method: Any, f: RightSide, records: Sequence[Any], start: float, y: Any) -> None:
        self.method, self.f, self.records = method, f, records
        self.start = start
        self.backward = records[0].until < start
        self.y, self.slope = y, None
        self.kept: list[ExplicitStep] = []
        self._stages = [(method.A[s, :s], c) for s, c in enumerate(method.C.tolist()) if s]
        self._ends: list[Any] = []

    def states(self, times: Any, keep: bool) -> Any:
        """The states at plain times, along the first axis; ``keep`` says that `at` will ask for others."""
        left = sorted({*times.tolist()}, reverse=not self.backward)
        result = {}
        while left and left[-1] == self.start:
            result[left.pop()] = self.y
        for record in self.records:
            if not left and not keep:
                break
            step = self._step(record.t, record.until, record.y)
            if keep:
                self.kept.append(step)
            while left and (left[-1] >= record.until if self.backward else left[-1] <= record.until):
                t = left.pop()
                result[t] = step.end if t == record.until else step.at(t)
        return np.stack([result[t] for t in times.tolist()]) if times.size else np.zeros((0, *self.y.shape))

    def at(self, times: Any) -> Any:
        """The states at plain times, along the first axis."""
        sign = -1 if self.backward else 1
        places = np.searchsorted([sign * step.t for step in self.kept], sign * times) - 1
        return np.stack([self.kept[max(i, 0)].at(t) for i, t in zip(places.tolist(), times.tolist(), strict=True)])

    def _step(self, t: float, until: float, y_new: Any) -> ExplicitStep:
        """The next step, which SciPy ended at ``y_new``."""
        if self.slope is None:
            self.slope = self.f(t, self.y)
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
    def failure(self) -> str:
        """What is wrong if f did not give what it gave to SciPy."""
        again, before = np.transpose(self._ends, (1, 0, 2)) if self._ends else (np.zeros((0, 0)),) * 2
        is_same = np.all(np.abs(again - before) <= SAME * np.max(np.abs(before), axis=0, initial=0.0))
        return "" if is_same else UNLIKE


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
