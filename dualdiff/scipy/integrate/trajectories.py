"""Solutions of initial value problems: the steps of SciPy's solvers, followed on duals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.integrate.right_sides import RightSide, moved
from dualdiff.scipy.integrate.steps.collocation import Implicit
from dualdiff.scipy.integrate.steps.compiled_steps import compiled_states
from dualdiff.scipy.integrate.steps.runge_kutta import Explicit
from dualdiff.scipy.integrate.steps.tangent_errors import Allowed, Judge
from dualdiff.scipy.solving.equations import revalued, unknown

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

#: The solvers whose dense output is that of the step that begins at a time, not of the one that ends there.
ALTERNATE = (_scipy.BDF, _scipy.LSODA)
METHODS = {name: getattr(_scipy, name) for name in ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")}


class Record(NamedTuple):
    """A step that a solver accepted; ``dense`` is its dense output, which explicit methods do not need."""

    t: float
    until: float
    y: Any
    dense: Any


def is_explicit(method: Any) -> bool:
    """Whether a class of solvers is one of explicit Runge-Kutta methods."""
    return issubclass(method, _scipy.RK45.__base__)


def recording(method: Any, records: list[Record], needs_output: bool = True) -> Any:
    """The class of solvers, with a note of each step that it accepts."""

    def step(self: Any) -> Any:
        message = method.step(self)
        if self.status != "failed" and self.t_old != self.t and self.n:
            dense = self.dense_output() if needs_output else None
            records.append(Record(float(self.t_old), float(self.t), np.array(self.y), dense))
        return message

    return type(method.__name__, (method,), {"step": step})


class Trajectory:
    """The solution on duals.

    ``start`` is the initial time, which may be a dual, y the state there.  ``is_repeated`` says whether the steps of
    the solver are repeated on duals, which takes an explicit method; otherwise the equation is solved once more, on
    intervals that are not longer than ``longest`` or a step.
    """

    def __init__(
        self,
        f: RightSide,
        method: Any,
        records: Sequence[Record],
        start: Any,
        y: Any,
        rtol: Any,
        atol: Any,
        longest: float = np.inf,
        is_repeated: bool = False,
        is_controlled: bool = False,
        duals: Sequence[Any] = (),
    ) -> None:
        self.f, self.method, self.records = f, method, records
        self.start = float(plain_values(start))
        self.is_repeated = is_repeated
        #: The state at the plain initial time.
        self.y = moved(f, start, y, self.start - start)
        self._steps: Any = None
        if records and is_repeated:
            size = np.max(np.abs([plain_values(self.y), *(record.y for record in records)]), axis=0)
            judge = Judge(self.y, Allowed(size, rtol, atol), duals)
            self._steps = Explicit(method, f, records, self.start, self.y, judge)
        elif records:
            self._steps = Implicit(f, records, self.start, self.y, rtol, atol, longest, is_controlled, duals)

    def states(self, times: Any, keep: bool) -> Any:
        """The states at plain times, along the first axis; ``keep`` says that `at` will ask for others."""
        times = np.asarray(times, dtype=float)
        if self._steps is None:
            return np.stack([self.y] * len(times)) if times.size else self.y[None][:0]
        if self.is_repeated and not keep:
            result = compiled_states(self._steps, times)
            if result is not None:
                return result
        return self._steps.states(times, keep)

    def at(self, t: float) -> Any:
        """The state at a plain time, if the steps were kept."""
        return self.y if self._steps is None else self._steps.at(np.array([t]))[0]

    @property
    def failure(self) -> str:
        """Why there is no derivative, if there is none."""
        return "" if self._steps is None else str(self._steps.failure)


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
