"""Solutions of initial value problems: the steps of SciPy's solvers, followed on duals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.equations import revalued, unknown
from dualdiff.scipy.integrate.right_sides import RightSide, moved
from dualdiff.scipy.integrate.steps.collocation import Implicit
from dualdiff.scipy.integrate.steps.compiled_steps import compiled_states
from dualdiff.scipy.integrate.steps.runge_kutta import Explicit

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

#: The solvers whose dense output is that of the step that begins at a time, not of the one that ends there.
ALTERNATE = (_scipy.BDF, _scipy.LSODA)
METHODS = {name: getattr(_scipy, name) for name in ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")}


UNLIKE = (
    "evaluated again at the same arguments, the right-hand side returned other values, or it is discontinuous: solve "
    "the equation piecewise, from one discontinuity to the next"
)


class Record(NamedTuple):
    """A step that a solver accepted; ``dense`` is its dense output, which explicit methods do not need."""

    t: float
    until: float
    y: Any
    dense: Any


def is_explicit(method: Any) -> bool:
    """Whether a class of solvers is one of explicit Runge-Kutta methods."""
    return issubclass(method, _scipy.RK45.__base__)


def recording(method: Any, records: list[Record]) -> Any:
    """The class of solvers, with a note of each step that it accepts."""
    needs_output = not is_explicit(method)

    def step(self: Any) -> Any:
        message = method.step(self)
        if self.status != "failed" and self.t_old != self.t and self.n:
            dense = self.dense_output() if needs_output else None
            records.append(Record(float(self.t_old), float(self.t), np.array(self.y), dense))
        return message

    return type(method.__name__, (method,), {"step": step})


class Trajectory:
    """The solution on duals.

    ``start`` is the initial time, which may be a dual, y the state there.
    """

    def __init__(
        self, f: RightSide, method: Any, records: Sequence[Record], start: Any, y: Any, rtol: Any, atol: Any
    ) -> None:
        self.f, self.method, self.records = f, method, records
        self.start = float(plain_values(start))
        self.backward = bool(records) and records[0].until < self.start
        self.kept: list[Any] = []
        #: The state at the plain initial time.
        self.y = moved(f, start, y, self.start - start)
        self._steps: Any = (
            Explicit(method, f, self.start, self.y) if is_explicit(method) else Implicit(f, self.y, rtol, atol)
        )

    def states(self, times: Iterable[float], keep: bool) -> dict[float, Any]:
        """The states at plain times; ``keep`` the steps for other times."""
        left = sorted(set(times), reverse=not self.backward)
        if is_explicit(self.method) and not keep:
            compiled = compiled_states(self.f, self.method, self.records, self.start, self.y, left[::-1])
            if compiled is not None:
                return compiled
        result = {}
        while left and left[-1] == self.start:
            result[left.pop()] = self.y
        for record in self.records:
            if not left and not keep:
                break
            step = self._steps.step(*record)
            if keep:
                self.kept.append(step)
            while left and (left[-1] >= record.until if self.backward else left[-1] <= record.until):
                t = left.pop()
                result[t] = step.end if t == record.until else step.at(t)
        return result

    def at(self, t: float) -> Any:
        """The state at a plain time, if the steps were kept."""
        if not self.kept:
            return self.y
        starts = np.array([step.t for step in self.kept])
        place = np.searchsorted(-starts, -t) if self.backward else np.searchsorted(starts, t)
        return self.kept[max(int(place) - 1, 0)].at(t)

    @property
    def is_same(self) -> bool:
        """Whether the steps are those of the solver."""
        return bool(self._steps.is_same)


_Base: Any = _scipy.OdeSolution


class DualSolution(_Base):  # type: ignore[misc]
    """The dense output of a solver: a function of time, which may be a dual, that carries derivatives."""

    def __init__(
        self, plain: Any, f: RightSide, trajectory: Trajectory | None = None, unknown_from: Sequence[Any] = ()
    ) -> None:
        self.__dict__.update(plain.__dict__)
        self._f, self._trajectory, self._unknown_from = f, trajectory, unknown_from

    def __call__(self, t: Any) -> Any:
        """The state at a time, or at each of several along the last axis."""
        t = operand(t)
        value = super().__call__(plain_values(t))
        if self._unknown_from:
            return unknown(value, *self._unknown_from, t)
        if self._trajectory is None and not duals_in(t):
            return value
        result = [self._state(x) for x in np.atleast_1d(t)]
        return revalued(np.stack(result, axis=-1) if np.ndim(t) else result[0], value)

    def _state(self, t: Any) -> Any:
        time = float(plain_values(t))
        y = super().__call__(time) if self._trajectory is None else self._trajectory.at(time)
        return moved(self._f, time, y, t - time)
