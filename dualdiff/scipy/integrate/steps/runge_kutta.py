r"""Explicit Runge-Kutta steps on duals.

With the steps that SciPy accepted, whose sizes count as constants, the stages are repeated on duals: the derivative is
exactly that of the sums that SciPy computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import isqrt
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.application import Application
from dualdiff.drivers.custom.replayed import replayed
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.scipy.integrate.right_sides import RightSide
from dualdiff.scipy.integrate.steps.tangent_errors import IRREGULAR, Judge, unfit
from dualdiff.scipy.solving.equations import UNLIKE, revalued

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

#: With more elements of states than these (and `OVERHEAD` for each step), reverse mode records only a part at a time.
SHORT, OVERHEAD = 1 << 17, 100
#: Stage values that differ from those of SciPy by more than this part of their size are of another function.
SAME = 1e-6
#: The shortest part of a step.
SHORTEST = 2.0**-30
#: The number of steps that are judged at a time, for speed.
JUDGED = 16
#: The largest number of parts of a step, and of all steps together: for each of the solver's, and in addition.
MOST_PIECES, LONGER, LEAST_STEPS = 16, 32, 1 << 16
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


class Part:
    """Successive steps of the solver, and the steps that they became: times, and the states at the ends."""

    def __init__(self, records: Sequence[Any]) -> None:
        self.records = records
        self.steps: list[tuple[float, float, Any]] = []


class Explicit:
    """The solution by an explicit method, step after step.

    Where the estimated error of the tangents of a step is too large, the step is divided.
    """

    def __init__(self, method: Any, f: RightSide, records: Sequence[Any], start: float, y: Any, judge: Judge) -> None:
        self.method, self.f, self.records = method, f, records
        self.start, self.y, self.judge = start, y, judge
        self.sign = -1 if records[0].until < start else 1
        self._stages = [(method.A[s, :s], c) for s, c in enumerate(method.C.tolist()) if s]
        self._size = np.max(np.abs([record.y for record in records]), axis=0)
        self._left = LONGER * len(records) + LEAST_STEPS
        self._weights = error_weights(method, judge.allowed.resolved)
        #: Why there is no derivative, if there is none.
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
            solve = partial(self._solved, Part(self.records[part]), y, inside.tolist(), keep)
            result = solve() if length == count else replayed(solve)
            y = result[-1]
            self.judge.has_reached(y)
            rows.append(result[:-1])
        return np.concatenate(rows)[np.reshape(order, times.shape)]

    def at(self, times: Any) -> Any:
        """The states at plain times, along the first axis."""
        places = np.searchsorted([self.sign * step.t for step in self._kept], self.sign * times) - 1
        return np.stack([self._kept[max(i, 0)].at(t) for i, t in zip(places.tolist(), times.tolist(), strict=True)])

    def _solved(self, part: Part, y: Any, times: Sequence[float], keep: bool) -> Any:
        """The states at ordered times during steps from y, and the state at the end."""
        result, place = [], 0
        for step in self._repeated(part, y) if part.steps else self._judged(part, y):
            if keep:
                self._kept.append(step)
            while place < len(times) and self.sign * times[place] <= self.sign * step.until:
                t = times[place]
                result.append(step.y if t == step.t else step.end if t == step.until else step.at(t))
                place += 1
            y = step.end
        return np.stack([*result, y])

    def _repeated(self, part: Part, y: Any) -> Iterator[ExplicitStep]:
        """The steps as they were chosen before."""
        slope = self.f(part.steps[0][0], y)
        for t, until, end in part.steps:
            step = ExplicitStep(self, t, until, end, y, slope)
            yield step
            y, slope = step.end, step.slope

    def _judged(self, part: Part, y: Any) -> Iterator[ExplicitStep]:
        """Steps whose tangents are exact enough, those of the solver or parts of them; several are judged at a time."""
        todo = [(r.t, r.until, r.y, SHORTEST * abs(r.until - r.t)) for r in reversed(part.records)]
        slope, together = self.f(part.records[0].t, y), JUDGED
        while todo:
            steps, at, before = [], y, slope
            for t, until, end, _ in todo[: -together - 1 : -1]:
                step = ExplicitStep(self, t, until, end, at, before)
                at, before = step.end, step.slope
                steps.append(step)
            self._compare(steps, todo[: -together - 1 : -1])
            excess = self._excess(steps)
            is_long = (excess > 1.0) & ([abs(s.h) > least for s, (*_, least) in zip(steps, todo[::-1], strict=False)])
            good = steps[: np.argmax(is_long)] if np.any(is_long) and not self.failure else steps
            self.judge.accept(len(good))
            for step in good:
                todo.pop()
                part.steps.append((step.t, step.until, plain_values(step.end)))
                yield step
            if good:
                y, slope = good[-1].end, good[-1].slope
                self.judge.continues(y, slope)
            together = min(2 * together, JUDGED)
            if len(good) < len(steps):
                together = 1
                self._divide(todo, float(excess[len(good)]))

    def _divide(self, todo: list[Any], excess: float) -> None:
        """Divide the next step, the error of whose tangents is too large."""
        t, until, end, least = todo.pop()
        count = int(min(max(np.ceil(excess ** (1 / (self.method.order + 1))), 2), MOST_PIECES))
        self._left -= count
        if self._left < 0:
            self.failure = IRREGULAR
        times = np.linspace(t, until, count + 1).tolist()
        ends = [*[None] * (count - 1), end]
        todo += [(*piece, least) for piece in zip(times, times[1:], ends, strict=False)][::-1]

    def _compare(self, steps: Sequence[ExplicitStep], todo: Sequence[Any]) -> None:
        """Note whether f gave what it gave to SciPy, if these are SciPy's steps."""
        whole = [step for step, (*_, least) in zip(steps, todo, strict=True) if abs(step.h) * SHORTEST >= least]
        change = [step.again - plain_values(step.end) for step in whole]
        if change and not np.all(np.abs(np.array(change)) <= SAME * self._size):
            self.failure = UNLIKE

    def _excess(self, steps: Sequence[ExplicitStep]) -> Any:
        """The estimated error of the tangents of each step, in parts of what is allowed."""
        weights = self._weights
        ends, stages = [s.end for s in steps], [k for s in steps for k in s.stages[: len(weights[0])]]
        excess = self.judge.excess(ends, stages, [s.h for s in steps], weights)
        return unfit([one_estimate(*of_kinds) for of_kinds in excess])


class ExplicitStep:
    """One step, and the polynomial between its ends; ``end`` is the plain state there, if that is known."""

    __slots__ = ("_complete", "_solution", "again", "end", "h", "slope", "stages", "t", "until", "y")

    def __init__(self, solution: Explicit, t: float, until: float, end: Any, y: Any, slope: Any) -> None:
        self._solution = solution
        self.t, self.until, self.y, self.h = t, until, y, until - t
        method, f, h = solution.method, solution.f, self.h
        stages = self.stages = [slope]
        for weights, c in solution._stages:
            stages.append(f(t + c * h, combined(y, stages, weights, h)))
        result = combined(y, stages, method.B, h)
        #: The plain state at the end, computed again.
        self.again = plain_values(result)
        self.end = result if end is None else revalued(result, end)
        self.slope = f(until, self.end)
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


def error_weights(method: Any, resolved: float) -> list[Any]:
    """The weights of the stages in the estimates of the error of a step: the method's own, and a third difference.

    The first may be small by chance if the stages are nonsense; the latter hardly ever at the same time.
    """
    nodes = np.append(method.C, 1.0)
    below = np.vander(nodes, 3)
    signs = np.cos(np.pi * np.argsort(np.argsort(nodes, kind="stable")))
    third = signs - below @ np.linalg.lstsq(below, signs, rcond=None)[0]
    own = [method.E5, method.E3] if issubclass(method, _scipy.DOP853) else [method.E]
    return [*own, resolved * third / np.sum(np.abs(third))]


def one_estimate(excess: Any, *others: Any) -> Any:
    """The error of steps by several estimates, of which SciPy combines the first two of three."""
    *lower, third = others
    if lower:
        scale = np.hypot(excess, 0.1 * lower[0])
        excess = np.where(scale > 0.0, excess * (excess / np.where(scale > 0.0, scale, 1.0)), 0.0)
    return np.maximum(excess, third)


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
