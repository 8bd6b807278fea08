r"""Solutions by implicit and by multistep methods on duals, by collocation.

On intervals of several steps of the solver, or of a part of one, the differential equation is solved once more, from
the solver's state at the start, at Radau points: :math:`Y_j = y + h \sum_l a_{jl} f(t + c_l h, Y_l)`, by Newton's
method from the dense output.  There the equations are differentiated.  The intervals are as long as the polynomial
through the points fits, both for the solution and for its response to a change of the initial state; so the error of
the derivatives is controlled along with that of the values, and f is called far less often than at each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from dualdiff.drivers.custom.replayed import replayed
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.scipy.integrate.right_sides import InRealParts, RightSide, in_parts, of_parts
from dualdiff.scipy.integrate.steps.tangent_errors import IRREGULAR, LEAST, Allowed, Judge, unfit
from dualdiff.scipy.solving.equations import MOVED, MOVED_ABSOLUTELY, UNLIKE, levels, revalued

#: The number of Radau points of an interval; the order is 2 * POINTS - 1.
POINTS = 9
#: The number of steps of the solver that an interval may span.
SPANNED = 32
#: By how much the terms that a polynomial leaves out are smaller than its last one.
RATIO = 0.1
#: More tolerances than these between the solver's states and the solution ask for another linearization.
COARSE = 30.0
#: The shortest interval, as a fraction of a step.
SHORTEST = 2.0**-30
#: An iteration of Newton's method has converged at this fraction of the tolerance, or stops after so many.
CONVERGED, ITERATIONS = 0.1, 6
#: With more intervals than these, reverse mode records only so many at a time.
TOGETHER = 64
#: The number of elements of the matrices that are held at a time.
HELD = 1 << 20
#: Where the error of derivatives is controlled, each interval may add this part of the tolerances.
PART = 0.01
#: An interval is divided into eight if the error of its tangents exceeds what is allowed by this factor.
MUCH = 1e5
#: The largest number of parts that are made for the tangents: for each step of the solver, and in addition.
LONGER, LEAST_STEPS = 32, 4096

UNCONTROLLED = (
    "the solution is too far from that of the equation, so that the error of its derivatives cannot be controlled: "
    "set smaller tolerances"
)


@cache
def radau(count: int) -> tuple[Any, Any]:
    """Radau's points in a step of length one, of which the last is its end, and the integrals of their polynomials."""
    series = np.zeros(count + 1)
    series[-2:] = -1.0, 1.0
    x = np.sort(np.real(np.polynomial.legendre.legroots(series)))
    x[-1] = 1.0
    legendre = np.polynomial.legendre.legvander(x, count)
    k = np.arange(1, count)
    below = np.concatenate([x[:, None] + 1.0, (legendre[:, k + 1] - legendre[:, k - 1]) / (2 * k + 1)], axis=1)
    return 0.5 * (x + 1.0), np.linalg.solve(legendre[:, :count].T, 0.5 * below.T).T


@cache
def series_of_points() -> Any:
    """The map from the values at the start and at the points to the Legendre coefficients of their polynomial."""
    return np.linalg.inv(np.polynomial.legendre.legvander(2 * _with_start() - 1, POINTS))


def _with_start() -> Any:
    return np.concatenate([[0.0], radau(POINTS)[0]])


@dataclass(slots=True)
class Interval:
    """An interval; ``a`` and ``b`` count the steps of the solver before its ends, in fractions where it divides one."""

    a: float
    b: float
    #: The start and the points in time, and the states there.
    times: Any
    start: Any
    states: Any
    #: The matrix of Newton's method, and how the states respond to the one at the start.
    matrix: Any = None
    response: Any = None
    #: By how many tolerances Newton's method changed the states; whether it converged, and to a solution nearby.
    change: float = np.inf
    converged: bool = False
    is_near: bool = False


class System:
    """The equations of several intervals."""

    def __init__(self, f: Any, intervals: Sequence[Interval]) -> None:
        self.f, self.intervals = f, intervals
        ends = np.array([i.times for i in intervals])
        self.times = ends[:, 1:]
        self.start = np.array([i.start for i in intervals])
        self.states = np.array([i.states for i in intervals])
        self.h = (ends[:, -1] - ends[:, 0])[:, None, None] * radau(POINTS)[1]
        self.size = (len(intervals), POINTS * self.start.shape[1])
        self.matrix: Any = None
        self.response: Any = None
        if intervals[0].matrix is not None:
            self.matrix = np.array([i.matrix for i in intervals])
            self.response = np.array([i.response for i in intervals])

    def linearize(self) -> None:
        """Compute the matrices of Newton's method, and the responses, at the states."""
        count, n = self.start.shape
        slopes = self.f.jacobians(np.ravel(self.times).tolist(), self.states.reshape((-1, n)))
        matrix = np.identity(POINTS)[:, None, :, None] * np.identity(n)[None, :, None, :]
        matrix = matrix - np.einsum("bjl,blmn->bjmln", self.h, slopes.reshape((count, POINTS, n, n)))
        self.matrix = matrix.reshape((*self.size, self.size[1]))
        unit = np.broadcast_to(np.tile(np.identity(n), (POINTS, 1)), (*self.size, n))
        try:
            response = np.linalg.solve(self.matrix, unit)
        except np.linalg.LinAlgError:
            response = np.full(unit.shape, np.nan)
        self.response = response.reshape((*self.states.shape, n))

    def kept(self) -> System:
        """This system, linearized; its intervals keep the matrices."""
        self.linearize()
        for b, interval in enumerate(self.intervals):
            interval.matrix, interval.response = self.matrix[b], self.response[b]
        return self

    def slopes(self, f: Any, states: Any) -> Any:
        """f at all points."""
        n = self.start.shape[1]
        return np.reshape(f.at_points(np.ravel(self.times).tolist(), np.reshape(states, (-1, n))), self.states.shape)

    def change(self, rest: Any) -> Any:
        """The change of the states, for one of what is left of their equations."""
        try:
            return np.reshape(np.linalg.solve(self.matrix, np.reshape(rest, (*self.size, 1))), self.states.shape)
        except np.linalg.LinAlgError:
            return np.nan * rest

    def joined(self, start: Any, states: Any, slopes: Any, plain: bool) -> tuple[Any, Any]:
        """A step of Newton's method towards states of which each interval begins where the one before ends.

        Unless ``plain``, only the tangents are changed.
        """
        rest = states - start[:, None] - np.matmul(self.h, slopes)
        gaps = states[:-1, -1] - start[1:]
        if not plain:
            rest, gaps = rest - plain_values(rest), gaps - plain_values(gaps)
        own = -self.change(rest)
        at_start = [np.zeros_like(self.start[0])]
        for response, sum_ in zip(self.response[:-1, -1], gaps + own[:-1, -1], strict=True):
            at_start.append(response @ at_start[-1] + sum_)
        carried = np.stack(at_start)
        return start + carried, states + own + np.einsum("bsij,bj->bsi", self.response, carried)


class Implicit:
    """The solution by any method that is not an explicit one."""

    def __init__(
        self,
        f: RightSide,
        records: Sequence[Any],
        start: float,
        y: Any,
        rtol: Any,
        atol: Any,
        longest: float,
        is_controlled: bool,
        duals: Sequence[Any],
    ) -> None:
        self.is_complex = f.dtype.kind == "c"
        self.f: Any = InRealParts(f) if self.is_complex else f
        self.y = in_parts(y) if self.is_complex else y
        self.records = records
        self.mesh = np.array([start, *(record.until for record in records)])
        self.sign = 1.0 if self.mesh[-1] >= self.mesh[0] else -1.0
        self._values = np.array([plain_values(y), *(record.y for record in records)])
        part = PART if is_controlled else 1.0
        self.rtol, self.atol = np.maximum(part * np.asarray(rtol), LEAST), part * np.asarray(atol)
        #: What is solved up to a number of steps, and the response to a change of the initial state there.
        self.solved = 0.0
        self._ends: list[float] = []
        self._pieces: list[tuple[Any, Any]] = []
        #: A change of the initial state by as much as the states themselves, which stands for all.
        size = np.max(np.abs(plain_values(self._parts(self._values))), axis=0, initial=0.0)
        self._probe = size * np.cos(1.0 + np.arange(size.size))
        self._largest = np.abs(self._probe)
        self._left, self._left_of_tangents = 2 * len(records) + 64, LONGER * len(records) + LEAST_STEPS
        limits = [np.tile(x, 2) if self.is_complex and np.ndim(x) else x for x in (self.rtol, self.atol)]
        self.judge = Judge(self.y, Allowed(size, *limits), duals)
        self.longest, self.is_controlled = longest, is_controlled
        #: Why there is no derivative, if there is none.
        self.failure = ""

    def states(self, times: Any, keep: bool) -> Any:
        """The states at plain times, along the first axis; ``keep`` says that `at` will ask for others."""
        last = self.mesh[-1] if keep else self.sign * np.max(self.sign * times, initial=self.sign * self.mesh[0])
        last = float(np.searchsorted(self.sign * self.mesh, self.sign * last))
        while self.solved < last:
            self._advance(last)
        return self.at(times)

    def at(self, times: Any) -> Any:
        """The states at plain times, along the first axis."""
        place = np.searchsorted(self._ends, self.sign * times)
        parts, order = [], []
        for i in np.unique(place):
            mine = np.flatnonzero(place == i)
            order.append(mine)
            parts.append(self._at(times[mine], *self._pieces[min(i, len(self._pieces) - 1)]))
        if not parts:
            return np.zeros((0, *self._values.shape[1:]), self._values.dtype)
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts)[np.argsort(np.concatenate(order))]
        return of_parts(joined.T).T if self.is_complex else joined

    def _at(self, t: Any, times: Any, states: Any) -> Any:
        b = np.minimum(np.searchsorted(self.sign * times[:, -1], self.sign * t), len(times) - 1)
        weights = _polynomials((t - times[b, 0]) / (times[b, -1] - times[b, 0]))
        return np.einsum("ti,tij->tj", weights, states[b])

    def _parts(self, y: Any) -> Any:
        return np.concatenate([np.real(y), np.imag(y)], axis=-1) if self.is_complex else y

    # -- plain values --------------------------------------------------------------------------------------------------

    def _time(self, place: float) -> float:
        i = int(place)
        if i == place:
            return float(self.mesh[i])
        return float(self.mesh[i] + (place - i) * (self.mesh[i + 1] - self.mesh[i]))

    def _interval(self, a: float, b: float) -> Interval:
        """An interval with the solver's states."""
        t, until = self._time(a), self._time(b)
        times = t + _with_start() * (until - t)
        times[-1] = until
        places = np.maximum(np.searchsorted(self.sign * self.mesh, self.sign * times) - 1, 0)
        states = np.empty((len(times), self._values.shape[1]), self._values.dtype)
        for i in np.unique(places):
            inside = places == i
            states[inside] = self.records[i].dense(times[inside]).T
        if a == int(a):
            states[0] = self._values[int(a)]
        if b == int(b):
            states[-1] = self._values[int(b)]
        states = self._parts(states)
        return Interval(a, b, times, states[0], states[1:])

    def _partition(self, first: float, last: float) -> list[Interval]:
        """Intervals on which polynomials fit the solver's states."""
        todo = [(a, min(a + SPANNED, last)) for a in np.arange(first, last, SPANNED).tolist()][::-1]
        result = []
        while todo:
            a, b = todo.pop()
            interval = self._interval(a, b)
            fits = abs(interval.times[-1] - interval.times[0]) <= self.longest
            if b - a <= 1 or (fits and self._tail(interval.start, interval.states, 0.0) <= 1.0):
                result.append(interval)
            else:
                middle = _middle(a, b)
                todo += [(middle, b), (a, middle)]
        return result

    def _scale(self, states: Any, least: Any) -> Any:
        size = np.maximum(np.max(np.abs(states), axis=0), least)
        if self.is_complex:
            size = np.tile(np.hypot(*np.split(size, 2)), 2)
            return np.maximum(np.tile(self.atol + self.rtol * size[: size.size // 2], 2), 1e-300)
        return np.maximum(self.atol + self.rtol * size, 1e-300)

    def _tail(self, start: Any, states: Any, least: Any) -> float:
        """The last term of the polynomial through the states, in tolerances."""
        tail = _left_out(np.concatenate([start[None], states]))
        return float(np.max(tail / self._scale(states, least), initial=0.0))

    def _solve(self, intervals: list[Interval]) -> None:
        """Solve the equations of each interval by Newton's method, with one matrix for all iterations."""
        system = System(self.f, intervals).kept()
        scale = np.array([self._scale(i.states, 0.0) for i in intervals])[:, None]
        states = guess = system.states
        for _ in range(ITERATIONS):
            slopes = plain_values(system.slopes(self.f.plain, states))
            change = system.change(states - system.start[:, None] - np.matmul(system.h, slopes))
            states = states - change
            left = np.max(np.abs(change) / scale, axis=(1, 2), initial=0.0)
            if not np.any(left > CONVERGED):
                break
        moved = np.max(np.abs(states - guess), axis=(1, 2), initial=0.0)
        near = moved <= MOVED * np.max(np.abs(guess), axis=(1, 2), initial=0.0) + MOVED_ABSOLUTELY
        total = np.max(np.abs(states - guess) / scale, axis=(1, 2), initial=0.0)
        for b, interval in enumerate(intervals):
            interval.states, interval.change = states[b], float(total[b])
            interval.converged, interval.is_near = bool(left[b] <= 1.0), bool(near[b])

    # -- duals ---------------------------------------------------------------------------------------------------------

    def _advance(self, last: float) -> None:
        """Solve on the next intervals."""
        held = max(HELD // (POINTS * self.y.size) ** 2, 1)
        with np.errstate(all="ignore"):
            intervals = self._refined(self._partition(self.solved, min(self.solved + held * SPANNED / 4, last))[:held])
            self.solved = intervals[-1].b
            if not all(i.is_near for i in intervals):
                self.failure = UNLIKE
            self._finish([], intervals)
            self._differentiate(intervals)

    def _finish(self, new: list[Interval], intervals: list[Interval]) -> None:
        """Prepare intervals for duals; the new ones among them are to be solved."""
        if new:
            self._solve(new)
        if self.is_controlled:
            self._join(intervals)
        coarse = [i for i in intervals if not i.change <= (1.0 if self.is_controlled else COARSE)]
        if coarse:
            System(self.f, coarse).kept()

    def _join(self, intervals: list[Interval]) -> None:
        """Solve the equations so that each interval begins where the one before ends, not at the solver's state."""
        system = System(self.f, intervals)
        start, states = system.start, system.states
        start[0] = plain_values(self.y)
        scale = np.array([self._scale(i.states, 0.0) for i in intervals])[:, None]
        left = np.inf
        for _ in range(ITERATIONS):
            before = states
            slopes = plain_values(system.slopes(self.f.plain, states))
            start, states = system.joined(start, states, slopes, True)
            left = np.max(np.abs(states - before) / scale, initial=0.0)
            if not left > CONVERGED:
                break
        if not left <= 1.0:
            self.failure = self.failure or UNCONTROLLED
        change = np.max(np.abs(states - system.states) / scale, axis=(1, 2), initial=0.0)
        for b, interval in enumerate(intervals):
            interval.start, interval.states, interval.change = start[b], states[b], interval.change + float(change[b])

    def _refined(self, intervals: list[Interval]) -> list[Interval]:
        """The intervals, divided until the equations are solved well."""
        new = intervals
        while True:
            self._solve(new)
            probe, largest, result, new = self._probe, self._largest, [], []
            for interval in intervals:
                response = interval.response @ probe
                fits = interval.converged and self._tail(probe, response, largest) <= 1.0
                fits = fits and self._tail(interval.start, interval.states, 0.0) <= 1.0
                if np.all(np.isfinite(response)):
                    probe = response[-1]
                    largest = np.maximum(largest, np.abs(probe))
                if fits or self._is_final(interval):
                    result.append(interval)
                    continue
                self._left -= 1
                parts = self._halves(interval)
                new += parts
                result += parts
            intervals = result
            if not new:
                self._probe, self._largest = probe, largest
                return intervals

    def _halves(self, interval: Interval) -> list[Interval]:
        middle = _middle(interval.a, interval.b)
        return [self._interval(interval.a, middle), self._interval(middle, interval.b)]

    def _is_final(self, interval: Interval) -> bool:
        if interval.b - interval.a > 1:
            return False
        return not interval.is_near or self._left <= 0 or interval.b - interval.a <= SHORTEST

    def _differentiate(self, intervals: list[Interval]) -> None:
        """Differentiate the equations of neighbouring intervals at their solutions, by Newton's method on duals."""
        is_short = len(intervals) <= TOGETHER and not self._pieces
        todo = intervals[::-1]
        while todo:
            part = todo[: -TOGETHER - 1 : -1]
            excess: list[Any] = []
            solve = partial(self._judged, part, self.y, excess)
            states = solve() if is_short else replayed(solve)
            is_long = (excess[0] > 1.0) & ([i.b - i.a > SHORTEST for i in part])
            if np.any(is_long) and not self.failure:
                todo[-len(part) :] = self._divided(part, np.where(is_long, excess[0], 0.0))[::-1]
                continue
            del todo[-len(part) :]
            self.judge.accept(len(part))
            for interval in part:
                interval.matrix = interval.response = None
            times = np.array([i.times for i in part])
            self._ends.append(self.sign * float(times[-1, -1]))
            self._pieces.append((times, states))
            self.y = states[-1, -1]
            self.judge.has_reached(self.y)

    def _judged(self, part: list[Interval], y: Any, excess: list[Any]) -> Any:
        """The states at the start and at the points of each interval; the first time, also how exact they are."""
        states = self._on_duals(part, y)
        if not excess:
            left_out = partial(_left_of_tangents, self.judge.allowed.resolved)
            excess.append(unfit(self.judge.excess_of_polynomials(states, left_out)[:, 0]))
            self.judge.continues(states[-1, -1])
        return states

    def _divided(self, part: list[Interval], excess: Any) -> list[Interval]:
        """The intervals, those divided that are too long for the tangents."""
        result, new = [], []
        for interval, of_it in zip(part, excess, strict=True):
            pieces = [interval]
            for _ in range(0 if not of_it > 1.0 else 1 if of_it < MUCH else 3):
                pieces = [half for piece in pieces for half in self._halves(piece)]
            new += pieces if len(pieces) > 1 else []
            result += pieces
        self._left_of_tangents -= len(new)
        if self._left_of_tangents < 0:
            self.failure = self.failure or IRREGULAR
            return part
        with np.errstate(all="ignore"):
            self._finish(new, result)
        return result

    def _on_duals(self, intervals: list[Interval], y: Any) -> Any:
        """The states at the start and at the points of each interval."""
        system = System(self.f, intervals)
        if system.matrix is None:
            # Reverse mode has come back here.
            with np.errstate(all="ignore"):
                system.linearize()
        states: Any = system.states
        start = np.concatenate([revalued(y, system.start[0])[None], system.start[1:]])
        slopes = system.slopes(self.f, states)
        left = max(levels(slopes), levels(start))
        while left:
            start, states = system.joined(start, states, slopes, False)
            start, states = revalued(start, system.start), revalued(states, system.states)
            left -= 1
            slopes = system.slopes(self.f, states) if left else None
        return np.concatenate([start[:, None], states], axis=1)


def _middle(a: float, b: float) -> float:
    """The middle of an interval, between two steps if it has several."""
    return float(round((a + b) / 2)) if b - a > 1 else (a + b) / 2


def _left_out(states: Any) -> Any:
    """The size of the terms that polynomials through states leave out; the points are the last axis but one."""
    tail = np.abs(series_of_points()[-2:] @ states)
    return RATIO * np.maximum(tail[..., 1, :], RATIO * tail[..., 0, :])


def _left_of_tangents(resolved: float, states: Any) -> Any:
    """The same for tangents, which may be nonsense; its last three terms are not all small by chance."""
    tail = np.max(np.abs(series_of_points()[-3:] @ states), axis=-2)
    return np.maximum(_left_out(states) / RATIO, resolved * tail)


def _polynomials(x: Any) -> Any:
    """The weights of the start and the points in the polynomial through them, at fractions of the interval."""
    weights = np.polynomial.legendre.legvander(2 * x - 1, POINTS) @ series_of_points()
    # Exactly, at the ends.
    weights[x == 0.0] = np.identity(POINTS + 1)[0]
    weights[x == 1.0] = np.identity(POINTS + 1)[-1]
    return weights
