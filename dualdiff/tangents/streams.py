"""Power series whose coefficients are computed in order, each from those before it.

A *stream* has the coefficients 0 to n of a power series.  Sums, products and quotients of streams are streams; so is
the solution of ``r' = sum of p * x'``, whose partial derivatives p may depend on r: coefficient k of the solution needs
those of p up to k - 1 only.  A stream is *closed* once all its coefficients are known.  Streams that depend on a
solution under construction are *open*; they advance together, one order after the other, once the equations of all of
them are known.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.tangents.zeros import plain, product

#: Larger than the index of every equation: the stream is closed.
_CLOSED = 1 << 60


class Stream:
    """The coefficients 0 to n of a power series.

    ``c`` holds them: an array with a leading axis or, if coefficients are duals of an outer call, a list.  Those above
    ``degree`` are zero.  ``low`` is the index of the first equation that an open stream depends on.
    """

    __slots__ = ("c", "degree", "low", "n", "slopes", "step", "system")
    #: Operators of arrays leave the operation to this class.
    __array_ufunc__ = None

    c: Any

    def __init__(self, system: System, n: int, c: Any, low: int = _CLOSED, step: Any = None) -> None:
        self.system, self.n, self.c, self.low, self.step = system, n, c, low, step
        self.degree = n
        system.streams.append(self)
        #: The coefficients of the derivative, once they are asked for.
        self.slopes: Any = None

    @property
    def is_open(self) -> bool:
        """Whether later coefficients are not known yet."""
        return self.low < _CLOSED

    def advance(self, k: int) -> None:
        """Compute coefficient k from those before it."""
        if k <= self.n:
            c = self.c
            place = c[k] if type(c) is np.ndarray and c.ndim > 1 else None
            result = self.step(k, place)
            if result is not place or place is None:
                c[k] = result
            if self.slopes is not None:
                self.slopes[k - 1] = k * self.c[k]

    def derivative(self) -> Any:
        """The coefficients of the derivative; those of an open stream follow as it advances."""
        if self.slopes is None:
            if self.is_open:
                self.slopes = np.empty_like(self.c[1:]) if type(self.c) is np.ndarray else [None] * self.n
            elif type(self.c) is np.ndarray:
                self.slopes = np.zeros_like(self.c[1:])
                for k in range(1, self.degree + 1):
                    np.multiply(self.c[k], self.c.dtype.type(k), out=self.slopes[k - 1, ...])
            else:
                self.slopes = [k * c for k, c in enumerate(self.c[1:], 1)]
        return self.slopes

    def idle(self) -> Any:
        """Where all coefficients but the first are zero."""
        if self.is_open:
            return np.False_
        zero = np.True_
        for c in self.c[1:]:
            zero = zero & (plain(c) == 0)
        return zero

    def constant(self) -> Any:
        """Where the series, known to its end, is that of a constant: one that goes on may only seem to be."""
        return self.idle() if self.degree <= self.system.n else np.False_

    # -- arithmetic ----------------------------------------------------------------------------------------------------

    def __neg__(self) -> Stream:
        return self.system.mapped(operator.neg, self)

    def __add__(self, other: Any) -> Any:
        return self.system.added(self, other, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self.system.added(self, other, -1)

    def __rsub__(self, other: Any) -> Any:
        return self.system.added(-self, other, 1)

    def __mul__(self, other: Any) -> Any:
        return self.system.product(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self.system.quotient(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.system.quotient(other, self)

    def __pow__(self, other: Any) -> Any:
        return self.system.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return self.system.power(other, self)

    # -- by value ------------------------------------------------------------------------------------------------------

    def _compare(self, compare: Callable[[Any, Any], Any], other: Any) -> Any:
        return compare(plain(self.c[0]), plain(other.c[0] if type(other) is Stream else other))

    def __eq__(self, other: object) -> Any:
        return self._compare(operator.eq, other)

    def __ne__(self, other: object) -> Any:
        return self._compare(operator.ne, other)

    def __lt__(self, other: Any) -> Any:
        return self._compare(operator.lt, other)

    def __le__(self, other: Any) -> Any:
        return self._compare(operator.le, other)

    def __gt__(self, other: Any) -> Any:
        return self._compare(operator.gt, other)

    def __ge__(self, other: Any) -> Any:
        return self._compare(operator.ge, other)

    __hash__ = object.__hash__


#: The function that computes coefficient k of a stream; it may store it in the place given, an array or None.
Step = Callable[[int, Any], Any]
#: A partial derivative (a stream or a constant), the argument that it belongs to, and whether the conjugate of the
#: derivative of the argument is meant.
Term = tuple[Any, Stream, bool]


class System:
    """Streams that may depend on each other, and the order n up to which the one under construction is needed."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._pending: list[Stream] = []
        self._equations = 0
        self._made: dict[Any, tuple[Any, ...]] = {}
        self.streams: list[Stream] = []
        #: The functions that have no power series at the point, in order.
        self.singular: dict[str, None] = {}

    def let_go(self) -> None:
        """Forget all streams.

        They refer to each other, so that their memory would wait for Python's search of cycles.
        """
        for stream in self.streams:
            stream.step = stream.slopes = None
        self.streams.clear()
        self._made.clear()
        self._pending.clear()

    # -- making streams ------------------------------------------------------------------------------------------------

    def known(self, c: Any, degree: int) -> Stream:
        """The closed stream with these coefficients."""
        stream = Stream(self, len(c) - 1, c)
        stream.degree = degree
        return stream

    def _new(self, first: Any, step: Step, *operands: Any) -> Stream:
        """A stream with its first coefficient, and the function that computes the others from those of operands."""
        stream = Stream(self, self.n, _room(first, self.n, operands))
        return self._solved(stream, first, step, *operands)

    def once(self, key: tuple[Any, ...], make: Callable[[], Any], *operands: Any) -> Any:
        """What ``make`` returns, made once for equal keys and operands."""
        result = self.kept(key, operands)
        return self.keep(key, operands, make()) if result is None else result

    def kept(self, key: tuple[Any, ...], operands: Sequence[Any]) -> Any:
        """What was kept for an equal key and operands, if it has enough coefficients; else None."""
        entry = self._made.get((*key, *map(_key, operands)))
        if entry is None or (type(entry[0]) is Stream and entry[0].n < self.n):
            return None
        return entry[0]

    def keep(self, key: tuple[Any, ...], operands: Sequence[Any], made: Any) -> Any:
        """Keep a stream, and its operands, so that their identities stay theirs."""
        self._made[(*key, *map(_key, operands))] = made, *operands
        return made

    # -- arithmetic ----------------------------------------------------------------------------------------------------

    def mapped(self, function: Callable[[Any], Any], a: Stream) -> Stream:
        """A linear function of each coefficient."""

        def make() -> Stream:
            if not a.is_open and type(a.c) is np.ndarray:
                return self.known(function(a.c[: self.n + 1]), min(a.degree, self.n))
            return self._new(function(a.c[0]), lambda k, place: function(a.c[k]), a)

        return self.once((function,), make, a)  # type: ignore[no-any-return]

    def added(self, a: Stream, b: Any, sign: int) -> Stream:
        """``a + sign * b``."""

        def make() -> Stream:
            first = a.c[0] + sign * (b.c[0] if type(b) is Stream else b)
            if type(b) is not Stream:
                return self._limited(self._new(first, lambda k, place: a.c[k], a), a.degree)
            return self._limited(
                self._new(first, lambda k, place: a.c[k] + sign * b.c[k], a, b), max(a.degree, b.degree)
            )

        return self.once(("+", sign), make, a, b)  # type: ignore[no-any-return]

    def product(self, a: Any, b: Any) -> Any:
        """``a * b``."""
        if type(a) is not Stream:
            a, b = b, a

        def make() -> Stream:
            if type(b) is not Stream:
                return self._limited(self._new(a.c[0] * b, lambda k, place: a.c[k] * b, a), a.degree)
            if not (a.is_open or b.is_open) and type(a.c) is type(b.c) is np.ndarray and a.c.ndim == b.c.ndim == 1:
                c = np.convolve(a.c[: min(a.degree, self.n) + 1], b.c[: min(b.degree, self.n) + 1])[: self.n + 1]
                degree = len(c) - 1
                if degree < self.n:
                    c = np.concatenate([c, np.zeros(self.n - degree, c.dtype)])
                return self.known(c, degree)
            return self._limited(
                self._new(a.c[0] * b.c[0], lambda k, place: _cauchy(a.c, b.c, k, a.degree, b.degree, place), a, b),
                a.degree + b.degree,
            )

        return self.once(("*",), make, a, b)

    def quotient(self, a: Any, b: Any) -> Any:
        """``a / b``: from ``b * r = a``, coefficient by coefficient."""

        def make() -> Stream:
            if type(b) is not Stream:
                return self._limited(self._new(a.c[0] / b, lambda k, place: a.c[k] / b, a), a.degree)
            bottom = b.c[0]

            def step(k: int, place: Any) -> Any:
                last = min(k, b.degree)
                if not last:
                    return a.c[k] / bottom if type(a) is Stream else 0.0
                known = _total(b.c[1 : last + 1], r.c[k - last : k][::-1], place)
                if known is place is not None:
                    rest = (
                        np.negative(known, out=place)
                        if type(a) is not Stream
                        else np.subtract(a.c[k], known, out=place)
                    )
                    return np.divide(rest, bottom, out=place)
                return (-known if type(a) is not Stream else a.c[k] - known) / bottom

            top = a.c[0] if type(a) is Stream else a
            first = top / bottom
            r = Stream(self, self.n, _room(first, self.n, (a, b)))
            return self._solved(r, first, step, a, b)

        return self.once(("/",), make, a, b)

    def _solved(self, r: Stream, first: Any, step: Step, *operands: Any) -> Stream:
        """As `_new`, for a stream that its own step refers to."""
        r.c[0], r.step = first, step
        r.low = min((o.low for o in operands if type(o) is Stream), default=_CLOSED)
        if r.is_open:
            self._pending.append(r)
        else:
            for k in range(1, self.n + 1):
                r.advance(k)
        return r

    def call(self, function: Any, args: Sequence[Any]) -> Any:
        """A function of streams and constants; only a system that knows the rows has them."""
        # `rules.writing.recurrences` overrides it: the rows stand above this floor, and by itself a system has none.
        raise NotImplementedError(f"a system of streams without rows has no function {function}")

    def power(self, a: Any, b: Any) -> Any:
        """``a**b``, by products if b is a small nonnegative integer."""
        n = small_integer(b)
        if n is None:
            # `rules.writing.recurrences` takes such a power as a row, and leaves only the others to this method.
            raise NotImplementedError(f"a system of streams without rows has no power {b}")
        if n < 2:
            return a if n else np.ones_like(plain(a.c[0]))[()]
        half = self.product(*(self.power(a, n // 2),) * 2)
        return self.product(half, a) if n % 2 else half

    def chosen(self, condition: Any, a: Any, b: Any, later: Any = None) -> Any:
        """``where(condition, a, b)``, coefficient by coefficient; ``later`` replaces later coefficients of a constant.

        ``a`` or ``b`` may be a constant.
        """
        if type(a) is not Stream and type(b) is not Stream:
            return select(condition, a, b)

        def at(x: Any, k: int) -> Any:
            if type(x) is Stream:
                return x.c[k]
            return x if k == 0 else 0.0 if later is None else later

        def step(k: int, place: Any) -> Any:
            return select(condition, at(a, k), at(b, k))

        return self._new(step(0, None), step, a, b)

    @staticmethod
    def _limited(stream: Stream, degree: int) -> Stream:
        if not stream.is_open:
            stream.degree = min(degree, stream.n)
        return stream

    # -- equations -----------------------------------------------------------------------------------------------------

    def solve(
        self, firsts: Sequence[Any], args: Sequence[Any], partials: Callable[..., list[list[Term]]] | None = None
    ) -> list[Any]:
        """The solutions r of ``r' = sum of p * x'`` with these first coefficients.

        ``partials(*streams)`` is called with the solutions and returns the terms of each; at order 0 it is not needed.
        """
        n, index, start = self.n, self._equations, len(self._pending)
        self._equations += 1
        solutions = [Stream(self, n, _room(first, n, args), index) for first in firsts]
        for r, first in zip(solutions, firsts, strict=True):
            r.c[0] = first
        self._pending.extend(solutions)
        if n and partials is not None:
            self.n, low = n - 1, index
            equations = partials(*solutions)
            for r, terms in zip(solutions, equations, strict=True):
                r.step = self._equation(terms)
                for p, x, _ in terms:
                    x.derivative()
                    low = min(low, x.low, p.low if type(p) is Stream else _CLOSED)
            self.n = n
            if low < index:
                for r in solutions:
                    r.low = low
                return solutions
        group = self._pending[start:]
        del self._pending[start:]
        for k in range(1, n + 1):
            for stream in group:
                stream.advance(k)
        for stream in group:
            stream.low = _CLOSED
        return solutions

    def _equation(self, terms: Sequence[Term]) -> Step:
        """The function that gives coefficient k of the solution: ``k r_k = sum of j x_j p_(k-j)``."""
        parts = []
        for p, x, conjugated in terms:
            first = p.c[0] if type(p) is Stream else p
            if np.all(np.isfinite(plain(first))):
                parts.append((p, x, conjugated, None))
                continue
            # An argument that is constant contributes zero, whatever its partial is.
            idle = x.idle()
            if np.any(idle):
                p = self.chosen(idle, 0.0, p, later=0.0 if np.any(x.constant()) else np.nan)
            parts.append((p, x, conjugated, ~np.isfinite(plain(p.c[0] if type(p) is Stream else p))))

        def step(k: int, place: Any) -> Any:
            total: Any = None if parts else 0.0
            for p, x, conjugated, singular in parts:
                part = _slope(p, x, conjugated, k, singular, place if total is None else None)
                total = part if total is None else total + part
            if k == 1:
                return total
            return np.divide(total, k, out=place) if total is place is not None else total / k

        return step


def _slope(p: Any, x: Stream, conjugated: bool, k: int, singular: Any, place: Any) -> Any:
    """The sum of ``j x_j p_(k-j)``, stored in ``place`` if it fits there; NaN above order 1 where p is ``singular``."""
    slopes = x.slopes
    if conjugated:
        slopes = np.conjugate(slopes[:k]) if type(slopes) is np.ndarray else [np.conjugate(s) for s in slopes[:k]]
    if type(p) is not Stream:
        part = product(p, slopes[k - 1])
    elif k == 1:
        part = p.c[0] * slopes[0] if singular is None else product(p.c[0], slopes[0])
    else:
        last = min(k, x.degree)
        part = _total(slopes[:last], p.c[k - last : k][::-1], place)
    return part if singular is None or k == 1 else select(singular, np.nan, part)


def select(condition: Any, a: Any, b: Any) -> Any:
    """``np.where(condition, a, b)``; scalars stay scalars."""
    if not getattr(condition, "ndim", 0):
        return a if condition else b
    return np.where(condition, a, b)


def _room(first: Any, n: int, operands: Sequence[Any]) -> Any:
    """Room for n + 1 coefficients: an array, or a list if some are duals of an outer call."""
    if plain(first) is not first or any(type(o) is Stream and type(o.c) is list for o in operands):
        return [None] * (n + 1)
    dtypes = [o.c.dtype for o in operands if type(o) is Stream]
    return np.empty((n + 1, *getattr(first, "shape", ())), np.result_type(*dtypes, first))


def _total(a: Any, b: Any, place: Any = None) -> Any:
    """The sum of products of the entries of two sequences, stored in ``place`` if it has its shape."""
    if type(a) is np.ndarray and type(b) is np.ndarray:
        if a.ndim == 1 and b.ndim == 1:
            return a.dot(b)
        is_apart = place is not None and place.shape == a.shape[1:] == b.shape[1:] and place.dtype == a.dtype == b.dtype
        place = place if is_apart else None
        if len(a) == 1:
            return np.multiply(a[0], b[0], out=place)
        return np.einsum("k...,k...->...", a, b, out=place)
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total = total + x * y
    return total


def _cauchy(a: Any, b: Any, k: int, degree_a: int, degree_b: int, place: Any) -> Any:
    """Coefficient k of a product of series with these degrees."""
    first, last = max(0, k - degree_b), min(k, degree_a)
    if first > last:
        return 0.0
    stop = k - last
    return _total(a[first : last + 1], b[stop : k - first + 1][::-1], place)


def _key(x: Any) -> Any:
    return (type(x), x) if type(x) in (int, float, complex, np.float64) else id(x)


def small_integer(x: Any) -> int | None:
    """A constant exponent as an integer from 0 to 64; None if it is not one."""
    if not issubclass(type(x), (int, float, np.integer, np.floating)) or not 0 <= x <= 64:
        return None
    return int(x) if math.floor(x) == x else None
