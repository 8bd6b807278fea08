r"""Integrals of functions with dual values, over intervals on which the primal integrand is well resolved.

If two Gauss rules agree, in the value and in the tangents, their result is the integral.  Otherwise the
double-exponential rule :math:`x = \tanh(\frac{\pi}{2} \sinh t)` takes over: it converges fast for integrands that are
analytic inside an interval, whatever singularity the value or a tangent has at its ends.  An interval on which it does
not converge has a kink inside, and is bisected.  See H. Takahasi and M. Mori, Double exponential formulas for numerical
integration (1974).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

import numpy as np

from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.scipy.solving.numeric_tangents import NumericTangents, Path
from dualdiff.tangents.nodes import Node
from dualdiff.tangents.spaces.sparse import Sparse

Function = Callable[[Any], Any]
Interval = tuple[float, float]

#: The orders of the Gauss rules.
ORDERS = 10, 15
#: Steps in t: the first is STEP, and each level halves it.
STEP, LEVELS = 0.25, 4
#: The largest t, unless terms vanish before.
FARTHEST = 5.5
#: Two results that agree to this, relative to the whole integral, agree to rounding after the next step.
AGREED = 1e-8
#: A smaller term, relative to the largest, is negligible.
NEGLIGIBLE = 1e-18
#: A smaller integral, relative to that of the absolute value, is one that cancels.
CANCELLED = 1e-6
#: A narrower interval, relative to the whole, is not bisected, nor is any once there are MANY.
NARROW, MANY = 1e-12, 200


class Sizes:
    """The largest absolute value, and the largest tangent of each order and along each direction.

    ``duals`` are what integrands depend on, as far as that is known.
    """

    def __init__(self, duals: Iterable[Any]) -> None:
        self._read = NumericTangents(duals)
        self._places: dict[Path, int] = {}
        #: Whether a record was met; from then on all are read along one direction.
        self._is_recorded = False

    def __call__(self, x: Any) -> list[float]:
        self._is_recorded = self._is_recorded or not _is_readable(x)
        if not (self._is_recorded and isinstance(x, AnyDual)):
            return list(_numbers(x))
        result = [float(np.max(np.abs(plain_values(x)), initial=0.0))]
        for path, t in self._read.along_one(x).items():
            place = self._places.setdefault(path, len(self._places) + 1)
            result += [0.0] * (place + 1 - len(result))
            result[place] = float(np.max(np.abs(t), initial=0.0))
        return result


def _numbers(x: Any) -> Iterator[Any]:
    if isinstance(x, AnyDual):
        yield from _numbers(x.value)
        t = x.tangent
        if issubclass(type(t), np.ndarray) and t.ndim > np.ndim(x.value):
            yield from np.max(np.abs(t), axis=tuple(range(1, t.ndim)), initial=0.0).tolist()
        else:
            yield from _numbers(t)
    elif issubclass(type(x), (float, int, complex, np.number)):
        yield abs(x)
    elif issubclass(type(x), np.ndarray):
        yield float(np.max(np.abs(x), initial=0.0))


def exceeds(result: Sequence[float], factor: float, scale: Sequence[float]) -> bool:
    """Whether a size exceeds a fraction of its scale, or is NaN."""
    # Written so that NaN exceeds.
    return any(not a <= factor * b for a, b in zip_longest(result, scale, fillvalue=0.0))


def _largest(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [max(x, y) for x, y in zip_longest(a, b, fillvalue=0.0)]


def _is_readable(x: Any) -> bool:
    """Whether the tangents of a dual are plain values, not recorded, at every level."""
    if isinstance(x, AnyDual):
        is_plain = x.raw is None or not (isinstance(x.raw, Node) or issubclass(type(x.space), Sparse))
        return is_plain and _is_readable(x.value) and (x.raw is None or _is_readable(x.tangent))
    return issubclass(type(x), (float, int, complex, np.number, np.ndarray))


@cache
def _nodes(level: int) -> list[tuple[float, float]]:
    """The nodes that a level adds, from the middle outwards, for length 2: distances from an end, and weights."""
    step = STEP / 2**level
    result = []
    for k in range(1, int(FARTHEST / step) + 1, 1 if level == 0 else 2):
        t = k * step
        u = math.pi / 2 * math.sinh(t)
        # 1 - tanh(u), exact near the end; 1 / cosh(u)**2 is its derivative.
        distance = 2.0 / (math.exp(2 * u) + 1.0)
        result.append((distance, math.pi / 2 * math.cosh(t) * distance * (2.0 - distance)))
    return result


class Piece:
    """The integral over one interval, refined step by step; ``change`` is the change by the last refinement."""

    def __init__(self, f: Function, interval: Interval, sizes: Sizes) -> None:
        self.f, (self.a, self.b), self.sizes = f, interval, sizes
        self.half = 0.5 * (self.b - self.a)
        self.level = -1
        self._middle = f(self.a + self.half)
        #: The size of the integral of the absolute value.
        self.own = [2 * self.half * size for size in sizes(self._middle)]
        coarse, fine = (self._gauss(order) for order in ORDERS)
        self.integral, self.change = fine, sizes(fine - coarse)

    def _gauss(self, order: int) -> Any:
        result: Any = 0.0
        for x, w in _gauss_rule(order):
            y = self.f(self.a + self.half * (1.0 + x))
            if order == ORDERS[0]:
                self.own = _largest(self.own, [2 * self.half * size for size in self.sizes(y)])
            result = result + (self.half * w) * y
        return result

    def refine(self) -> None:
        """Halve the step of the double-exponential rule, or start with it."""
        self.level += 1
        step = STEP / 2**self.level
        if self.level == 0:
            self.sum: Any = self.half * (math.pi / 2) * self._middle
            self._terms(step)
            self.integral = step * self.sum
            # There is no error estimate before the second level.
            self.refine()
            return
        before = self.integral
        self._terms(step)
        self.integral = step * self.sum
        self.change = self.sizes(self.integral - before)

    def _terms(self, step: float) -> None:
        """Add the terms of a level on both sides, until they vanish or the end is reached."""
        last = int(FARTHEST / step)
        last = last if self.level == 0 else (last + 1) // 2
        for end, toward in ((self.a, self.half), (self.b, -self.half)):
            vanished = 0
            for distance, weight in _nodes(self.level)[:last]:
                x = end + toward * distance
                if x == end or vanished > 1:
                    break
                term = (self.half * weight) * self.f(x)
                result = self.sizes(term)
                if not all(map(math.isfinite, result)):
                    break
                self.sum = self.sum + term
                self.own = _largest(self.own, result)
                vanished = vanished + 1 if not exceeds(result, NEGLIGIBLE, self.own) else 0

    def halves(self) -> list[Piece]:
        """The two halves of the interval."""
        middle = self.a + self.half
        return [Piece(self.f, ends, self.sizes) for ends in ((self.a, middle), (middle, self.b))]


@cache
def _gauss_rule(order: int) -> list[tuple[float, float]]:
    x, w = np.polynomial.legendre.leggauss(order)
    return list(zip(x.tolist(), w.tolist(), strict=True))


def integrated(f: Function, intervals: Sequence[Interval], duals: Iterable[Any]) -> tuple[Any, float]:
    """The integral over all intervals, and its error relative to the size of each tangent.

    ``duals`` are what f depends on, as far as that is known.
    """
    with np.errstate(all="ignore"):
        sizes = Sizes(duals)
        pieces = [Piece(f, interval, sizes) for interval in intervals if interval[0] != interval[1]]
        if not pieces:
            return 0.0, 0.0
        width = sum(2 * p.half for p in pieces)
        while True:
            own = [CANCELLED * sum(column) for column in zip_longest(*(p.own for p in pieces), fillvalue=0.0)]
            scale = _largest(sizes(total(pieces)), own)
            narrow = NARROW * width if len(pieces) < MANY else math.inf
            unsettled = [p for p in pieces if exceeds(p.change, AGREED, scale)]
            unsettled = [p for p in unsettled if p.level < LEVELS or 2 * p.half > narrow]
            if not unsettled:
                break
            for piece in unsettled:
                if piece.level < LEVELS:
                    piece.refine()
                else:
                    pieces.remove(piece)
                    pieces.extend(piece.halves())
        errors = [sum(column) for column in zip_longest(*(p.change for p in pieces), fillvalue=0.0)]
        parts = [e / s if s else math.inf for e, s in zip_longest(errors, scale, fillvalue=0.0) if e]
        return total(pieces), max(parts[1:], default=0.0)


def total(pieces: Sequence[Piece]) -> Any:
    """The integral over several pieces."""
    result = pieces[0].integral
    for piece in pieces[1:]:
        result = result + piece.integral
    return result
