r"""Steps of implicit and of multistep methods on duals, by collocation.

Over each step that SciPy accepted the differential equation holds at Radau points, to within its tolerances.  These are
equations :math:`Y_j = y + h \sum_l a_{jl} f(t + c_l h, Y_l)` for the states at the points, known on plain values: for
Radau's method its own stages, for others the values of its dense output.  They are differentiated at their solution,
by steps of Newton's method on duals.  That is the derivative of Radau's method, and for the others one with an error
below that of their steps: as many points are taken as the plain values ask for.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.scipy.equations import MOVED, MOVED_ABSOLUTELY, levels, revalued
from dualdiff.scipy.integrate.right_sides import InRealParts, RightSide, in_parts, of_parts

#: How many points are tried; with s of them the order is 2 s - 1.  The solvers have orders up to 5, LSODA up to 12.
POINTS = (3, 5, 7)


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


class Implicit:
    """The steps of any other method, one after the other."""

    def __init__(self, f: RightSide, y: Any, rtol: Any, atol: Any) -> None:
        self.is_complex = f.dtype.kind == "c"
        self.f: Any = InRealParts(f) if self.is_complex else f
        self.y = y
        self.rtol, self.atol = rtol, atol
        self.first = 0
        #: Whether the equations held.
        self.is_same = True

    def step(self, t: float, until: float, y_new: Any, dense: Any) -> ImplicitStep:
        """The next step, which SciPy ended at ``y_new``."""
        result = ImplicitStep(self, t, until, self.y, y_new, dense)
        self.y = result.end
        return result

    def solved(self, t: float, until: float, y: Any, states: Any) -> Any:
        """The state at the end of a step from (t, y); ``states`` gives the plain ones at any times."""
        result, before = None, np.inf
        for i in range(self.first, len(POINTS)):
            attempt, change = self._collocated(POINTS[i], t, until, y, states)
            if before < 2 * change and i > self.first:
                # What is left is the error of the solver's step.
                break
            result, before = attempt, change
            self.first = i
            if change <= 1.0:
                break
        if before == np.inf:
            self.is_same = False
        return result

    def _collocated(self, count: int, t: float, until: float, y: Any, states: Any) -> tuple[Any, float]:
        """The same with a number of points, and by how many tolerances the plain values do not fit."""
        nodes, weights = radau(count)
        h = until - t
        times = (t + nodes * h).tolist()
        times[-1] = until
        plain = states(np.array(times)).T
        start = y
        if self.is_complex:
            plain, start = np.concatenate([plain.real, plain.imag], axis=1), in_parts(y)
        n = plain.shape[1]
        result = plain
        r = self._rest(result, start, h * weights, times)
        left = levels(r)
        if not left:
            return plain_values(of_parts(result[-1]) if self.is_complex else result[-1]), 0.0
        slopes = np.stack([self.f.jacobian(time, state) for time, state in zip(times, plain, strict=True)])
        blocks = np.identity(count)[:, None, :, None] * np.identity(n)[None, :, None, :]
        matrix = blocks - h * np.einsum("jl,lab->jalb", weights, slopes)
        matrix = matrix.reshape((count * n, count * n))
        rest = plain_values(r)
        with np.errstate(all="ignore"):
            try:
                change = self._tolerances(_solved(matrix, rest)[-1], plain[-1])
            except np.linalg.LinAlgError:
                return y, np.inf
            while left:
                result = revalued(result - _solved(matrix, r - rest), plain)
                left -= 1
                r = self._rest(result, start, h * weights, times) if left else None
        return of_parts(result[-1]) if self.is_complex else result[-1], change

    def _rest(self, result: Any, start: Any, weights: Any, times: Any) -> Any:
        """What is left of the equations."""
        slopes = np.stack([self.f(t, y) for t, y in zip(times, result, strict=True)])
        return result - start - weights @ slopes

    def _tolerances(self, change: Any, y: Any) -> float:
        """The size of a change of a state, in tolerances; infinite if the state does not solve the equations."""
        if not np.max(np.abs(change)) <= MOVED * np.max(np.abs(y)) + MOVED_ABSOLUTELY:
            return np.inf
        if self.is_complex:
            change, y = of_parts(change), of_parts(y)
        scaled = np.abs(change) / (self.atol + self.rtol * np.abs(y))
        return float(np.sqrt(np.mean(scaled**2)))


def _solved(matrix: Any, r: Any) -> Any:
    return np.reshape(np.linalg.solve(matrix, np.ravel(r)), r.shape)


class ImplicitStep:
    """One step."""

    __slots__ = ("_states", "_steps", "end", "t", "y")

    def __init__(self, steps: Implicit, t: float, until: float, y: Any, y_new: Any, states: Any) -> None:
        self._steps, self._states = steps, states
        self.t, self.y = t, y
        self.end = revalued(steps.solved(t, until, y, states), y_new)

    def at(self, t: float) -> Any:
        """The state at a time: the end of a shorter step."""
        if t == self.t:
            return self.y
        return self._steps.solved(self.t, t, self.y, self._states)
