r"""Explicit Runge-Kutta steps on duals.

With the steps that SciPy accepted, whose sizes count as constants, the stages are repeated on duals: the derivative is
exactly that of the sums that SciPy computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import isqrt
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.application import Application
from dualdiff.drivers.custom.replayed import replayed
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.scipy.integrate.right_sides import RightSide
from dualdiff.scipy.solving.equations import UNLIKE, revalued

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

#: With more elements of states than these (and `OVERHEAD` for each step), reverse mode records only a part at a time.
SHORT, OVERHEAD = 1 << 17, 100
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
        self.start, self.y = start, y
        self.sign = -1 if records[0].until < start else 1
        self._stages = [(method.A[s, :s], c) for s, c in enumerate(method.C.tolist()) if s]
        self._size = np.max(np.abs([record.y for record in records]), axis=0)
        #: What is wrong if f does not give what it gave to SciPy.
        self.failure = ""
        self._kept: list[ExplicitStep] = []

    def states(self, times: Any, keep: bool) -> Any:
        """The states at plain times, along the first axis; ``keep`` says that `at` will ask for others."""
        ends = self.sign * np.array([record.until for record in self.records])
        ordered, order = np.unique(self.sign * times, return_inverse=True)
        count = len(ends) if keep else int(np.searchsorted(ends, ordered[-1])) + 1 if times.size else 0
        is_short = keep or count * (self.y.size + OVERHEAD) <= SHORT
        length = count if is_short else isqrt(count)
        y, rows = self.y, [self.y[None][:0]]
        for first in range(0, count, max(length, 1)):
            part = slice(first, min(first + length, count))
            before = self.start * self.sign - 1 if first == 0 else ends[first - 1]
            inside = ordered[(ordered > before) & (ordered <= ends[part][-1])] * self.sign
            solve = partial(self._solved, self.records[part], y, inside.tolist(), keep)
            result = solve() if length == count else replayed(solve)
            y = result[-1]
            rows.append(result[:-1])
        return np.concatenate(rows)[np.reshape(order, times.shape)]

    def _solved(self, records: Sequence[Any], y: Any, times: Sequence[float], keep: bool) -> Any:
        """The states at ordered times during steps from y, and the state at the end."""
        result, place = [], 0
        slope = self.f(records[0].t, y)
        for record in records:
            step = ExplicitStep(self, record, y, slope)
            if keep:
                self._kept.append(step)
            while place < len(times) and self.sign * times[place] <= self.sign * record.until:
                t = times[place]
                result.append(y if t == record.t else step.end if t == record.until else step.at(t))
                place += 1
            y, slope = step.end, step.slope
            if not np.all(np.abs(step.again - record.y) <= SAME * self._size):
                self.failure = UNLIKE
        return np.stack([*result, y])

    def at(self, times: Any) -> Any:
        """The states at plain times, along the first axis."""
        places = np.searchsorted([self.sign * step.t for step in self._kept], self.sign * times) - 1
        return np.stack([self._kept[max(i, 0)].at(t) for i, t in zip(places.tolist(), times.tolist(), strict=True)])


class ExplicitStep:
    """One step, and the polynomial between its ends."""

    __slots__ = ("_complete", "_solution", "again", "end", "h", "slope", "stages", "t", "y")

    def __init__(self, solution: Explicit, record: Any, y: Any, slope: Any) -> None:
        self._solution = solution
        self.t, self.y, self.h = record.t, y, record.until - record.t
        method, f, h = solution.method, solution.f, self.h
        stages = self.stages = [slope]
        for weights, c in solution._stages:
            stages.append(f(self.t + c * h, combined(y, stages, weights, h)))
        end = combined(y, stages, method.B, h)
        #: The plain state at the end, computed again.
        self.again = plain_values(end)
        self.end = revalued(end, record.y)
        self.slope = f(record.until, self.end)
        stages.append(self.slope)
        self._complete = False

    def at(self, t: float) -> Any:
        """The state at a time."""
        method, h = self._solution.method, self.h
        if not self._complete:
            for a, c in zip(*extra_stages(method), strict=True):
                s = len(self.stages)
                self.stages.append(self._solution.f(self.t + c * h, combined(self.y, self.stages, a[:s], h)))
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
