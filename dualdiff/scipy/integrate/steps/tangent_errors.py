"""The error of the tangents of steps, which the solver did not see when it chose them.

It saw the values alone.  A parameter may act faster than the solution changes, such as p in ``-y + p * sin(100 * t)``
at p = 0; then the steps that fit the solution are too long for its derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dualdiff.scipy.solving.numeric_tangents import NumericTangents, Path

#: The tangents of a step may have an error of so many tolerances: those of an ordinary equation have a few, and as many
#: add up at its end.  With large tolerances they may have less, for an estimate that is relative to nonsense is small.
LOOSE, LEAST_LOOSE, COARSE = 100.0, 3.0, 1e-3
#: Differences of third order, or the last terms of a polynomial, of this size relative to the tangents are nonsense.
RESOLVED = 0.03
#: The floor of relative tolerances, as in SciPy.
LEAST = 100 * float(np.finfo(float).eps)

IRREGULAR = (
    "what it depends on acts on the solution too irregularly for the steps that the solver chose, and for parts of them"
)


class Allowed:
    """What is allowed to the tangents of a solution of a size: ``rtol`` of the largest so far, and ``atol``.

    The latter is meant for states of that ``size``, and applies to tangents in proportion to their size.
    """

    def __init__(self, size: Any, rtol: Any, atol: Any) -> None:
        rtol = np.maximum(rtol, LEAST)
        loose = np.clip(COARSE / rtol, LEAST_LOOSE, LOOSE)
        self.rtol, self.atol = loose * rtol, loose * np.asarray(atol)
        #: By how much smaller errors are where the tangents are just resolved.
        self.resolved = float(np.max(self.rtol)) / RESOLVED
        self.size = np.where(size > 0.0, size, np.inf if np.any(size > 0.0) else 1.0)


class Judge:
    """What is wrong with the tangents of steps, of each kind and direction."""

    def __init__(self, y: Any, allowed: Allowed, duals: Iterable[Any]) -> None:
        self.read = NumericTangents(duals)
        self.allowed = allowed
        self.read.keep(y)
        self._largest: dict[Path, Any] = {path: np.abs(t[:, 0]) for path, t in self.read([y])[0].items()}
        self._next: dict[Path, Any] = {}
        self._end = y

    def excess(self, ends: Sequence[Any], stages: Sequence[Any], h: Sequence[float], weights: Sequence[Any]) -> Any:
        """The errors of the tangents of steps, in parts of what is allowed, by each of the weights of their stages.

        They are given twice: relative to the tangents so far, and to the largest of all these steps.
        """
        (at_ends, slopes), result, self._next = self.read(ends, stages), np.zeros((2, len(weights), len(ends))), {}
        with np.errstate(all="ignore"):
            for path, t in at_ends.items():
                allowed = self._allowed(path, np.abs(t))
                if path in slopes:
                    k = slopes[path].reshape((len(t), len(ends), -1, t.shape[-1]))
                    _raise(result, np.abs(np.matmul(np.array(weights), k)).swapaxes(1, 2), allowed[:, None])
        return result * np.abs(h)

    def excess_of_polynomials(self, states: Any, error: Callable[[Any], Any]) -> Any:
        """The same for intervals with states at several points, to whose tangents ``error`` is applied."""
        count, points, n = states.shape
        result, self._next = np.zeros((2, 1, count)), {}
        with np.errstate(all="ignore"):
            for path, t in self.read.along_one(np.reshape(states, (-1, n))).items():
                of_points = t.reshape((len(t), count, points, n))
                allowed = self._allowed(path, np.max(np.abs(of_points), axis=2))
                _raise(result, error(of_points)[:, None], allowed[:, None])
        return result

    def _allowed(self, path: Path, size: Any) -> Any:
        """What is allowed to the tangents of a kind: directions, steps, elements."""
        largest = np.maximum.accumulate(size, axis=1)
        before = self._largest.get(path)
        # In mixed mode, a record may begin along the way.
        if before is not None and len(before) == len(largest):
            largest = np.maximum(largest, before[:, None])
        self._next[path] = largest
        limits = self.allowed
        unit = np.max(largest / limits.size, axis=-1, keepdims=True)
        return np.maximum(limits.rtol * largest + limits.atol * unit, 1e-300)

    def accept(self, count: int) -> None:
        """Go on after so many of the steps."""
        if count:
            for path, largest in self._next.items():
                self._largest[path] = largest[:, count - 1]

    def continues(self, *ends: Any) -> None:
        """Say what the next steps depend on."""
        for x in ends:
            self.read.keep(x)
        self._end = ends[0]
        self.read.forget()

    def has_reached(self, y: Any) -> None:
        """Say that y is the end of the last step, whose record is not kept."""
        self.read.same(y, self._end)


def _raise(excess: Any, errors: Any, allowed: Any) -> None:
    """Raise the excess to that of these errors: directions, weights, steps, elements."""
    for total, limit in zip(excess, (allowed, allowed[:, :, -1:]), strict=True):
        np.maximum(total, np.max(errors / limit, axis=(0, 3)), out=total)


def unfit(excess: Any) -> Any:
    """The excess of steps that are to be judged together; see `Judge.excess`.

    At the start, where tangents are zero, no step is large next to those that follow, unless these are nonsense.
    """
    so_far, of_all = excess
    return so_far if np.any(of_all > 1.0) else of_all
