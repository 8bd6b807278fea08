"""Second derivatives summed over directions: a tangent has the first derivatives and, as one row more, that sum.

Along directions v_1, ..., v_m, the second derivative of ``r = f(x)`` is linear in that of x, plus a quadratic form of
the first derivatives.  So the sum over the directions is propagated as a whole, like one more direction, and each step
adds to it ``sum of p_ij * (sum of x_i' * x_j')``.  See F. Dangel, T. Siebert, M. Zeinhofer and A. Walther, *Collapsing
Taylor mode automatic differentiation* (2025).
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from dualdiff.base.quiet import begin, end, quietly
from dualdiff.tangents.space import Multilinear, Rule, Shape, Tangent, is_complex, shape_of
from dualdiff.tangents.spaces.dense import Active, Dense, aligned, rows_of
from dualdiff.tangents.spaces.single import Single, may_share_memory, uniform
from dualdiff.tangents.zeros import plain


class NotCollapsedError(BaseException):
    """A function was met whose second derivatives this space does not know; f must not catch it."""


class Collapsed(Dense):
    """First derivatives along some directions, the sum of the second derivatives along them, and then probes.

    Probes are directions that do not take part in the sum.
    """

    order = 2

    def __init__(self, tag: int, directions: int, conjugates: str = "allowed", probes: int = 0) -> None:
        super().__init__(tag, directions, conjugates)
        self.float_dual = self.float64_dual = None
        self.probes = probes
        #: The row of the sum.
        self.top = directions - probes - 1
        #: Whether a function was met that needs another space, also if f has caught the error.
        self.is_refused = False

    def _arguments(self) -> tuple[Any, ...]:
        return self.tag, len(self.all), self.conjugates, self.probes

    # -- the rows of the table -----------------------------------------------------------------------------------------

    def apply(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any, where: Any = True
    ) -> Tangent | None:
        active = [i for i, t in enumerate(tangents) if t is not None]
        if row.conjugates is not None and any(is_complex(values[i]) for i in active):
            self._refuse()
        t = super().apply(row, values, tangents, result, where)
        if t is None or all(row.constancy[i] + (len(active) == 1) > 1 for i in active):
            # Linear in all of them.
            return t
        shape = shape_of(result[0] if type(result) is tuple else result)
        token = begin()
        try:
            bend = self._bend(row, values, tangents, result, active, len(shape))
            if bend is not None and where is not True:
                bend = np.where(where, bend, 0.0)
            return self._with_top(t, bend, shape, tangents)
        finally:
            end(token)

    def _bend(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Any], result: Any, active: list[int], ndim: int
    ) -> Any:
        """The sum of the second partials times sums of products of first derivatives; None if it is zero."""
        total: Any = None
        rows = {i: aligned(tangents[i], ndim) for i in active}
        for j in active:
            slope = row.coefficient(j, values, result)
            if slope is None:
                continue
            level = Single(self.tag)
            duals = [*values]
            duals[j] = _moving(level, values[j], np.ones((), plain(values[j]).dtype if ndim else float)[()])
            moved = result
            if row.uses_result:
                is_one = type(result) is not tuple
                moved = _moving(level, result, slope) if is_one else row.ufunc(*duals)  # type: ignore[attr-defined]
            for i in active[: active.index(j) + 1]:
                second = _slope(level, row.coefficient(i, duals, moved))
                pair = None if second is None else self._common(rows[i], rows[j])
                if pair is not None:
                    part = second * np.einsum("d...,d...->...", *pair) * (1 if i == j else 2)
                    total = part if total is None else total + part
            if not np.all(regular := np.isfinite(plain(slope))):
                # A zero tangent is zero by convention there, and what follows is unknown.
                total = np.where(regular, 0.0 if total is None else total, np.nan)
        return total

    def _common(self, a: Active, b: Active) -> tuple[Any, Any] | None:
        """The first derivatives along the directions that two tangents share; None if they share none."""
        if a.directions == b.directions:
            count = bisect_left(a.directions, self.top)
            return (a.array[:count], b.array[:count]) if count else None
        common = tuple([d for d in a.directions if d < self.top and d in b.directions])
        return (a.array[rows_of(common, a.directions)], b.array[rows_of(common, b.directions)]) if common else None

    def _with_top(self, t: Active, top: Any, shape: Shape, sources: Sequence[Tangent | None]) -> Active:
        """The tangent with a term added to the sum of second derivatives; it is overwritten if it is no source's."""
        if top is None:
            return t
        directions = t.directions if self.top in t.directions else tuple(sorted((*t.directions, self.top)))
        array, k = self._spread(t, directions, shape), directions.index(self.top)
        if type(array) is not np.ndarray or plain(top) is not top:
            return Active(directions, np.concatenate([array[:k], array[k : k + 1] + top, array[k + 1 :]]))
        if not array.flags.writeable or any(s is not None and may_share_memory(array, s.array) for s in sources):
            array = np.array(array)
        array[k] += top
        return Active(directions, array)

    # -- products ------------------------------------------------------------------------------------------------------

    @quietly
    def multiplied(self, product: Multilinear, tangents: Sequence[Tangent | None], value: Any) -> Tangent:
        """The tangent of a product of several factors that have tangents."""
        shape = shape_of(value)
        full = {i: t for i, t in enumerate(tangents) if t is not None}
        t = self.add([product.term(self, s, i) for i, s in full.items()], shape)
        top: Any = None
        for (i, a), (j, b) in itertools.combinations(full.items(), 2):
            pair = self._common(
                self._full(a, shape_of(product.factors[i])), self._full(b, shape_of(product.factors[j]))
            )
            if pair is not None:
                part = 2 * product.crossed(i, pair[0], j, pair[1])
                top = part if top is None else top + part
        return self._with_top(t, top, shape, tangents)

    # -- what needs another space --------------------------------------------------------------------------------------

    def truncated(self, t: Tangent | None, order: int) -> Tangent | None:
        """The tangent: all duals of this call have the same order."""
        return t

    def _refuse(self, *_: Any) -> NoReturn:
        self.is_refused = True
        raise NotCollapsedError

    level = lower = coefficients = of_coefficients = coefficient = derivative = raised = _refuse


def _moving(level: Single, value: Any, t: Any) -> Any:
    """A dual of one direction, with this tangent at every element."""
    shape = shape_of(value)
    if not shape:
        return level.scalar(value, t, level)
    return level.array(value, np.broadcast_to(t, shape) if shape_of(t) != shape else t, level)


def _slope(level: Single, c: Any) -> Any:
    """The tangent of a coefficient; None if it is constant."""
    t = c.raw if getattr(c, "space", None) is level else None
    return t if (repeated := uniform(t)) is None else repeated
