"""Truncated power series: a tangent has the coefficients 1 to K of a series, and the value is coefficient 0.

What is linear acts on each coefficient, as it acts on each direction of `Dense`.  The rows of the table go through
their equations (`Rule.expanded`).  Other rules are evaluated on series of one order less: for ``r = f(x)``, coefficient
K of r is coefficient K - 1 of ``r' = J(x) x'``, divided by K (`Application` does this).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from dualdiff.base.quiet import begin, end, quietly
from dualdiff.tangents.space import Multilinear, Rule, Shape, Tangent, is_complex, note_conjugate, shape_of
from dualdiff.tangents.spaces.dense import Active, Dense
from dualdiff.tangents.spaces.single import Single
from dualdiff.tangents.zeros import plain

#: What is added to the tag of a call for the level of derivatives within it: an inner call, but no tag of any other.
LEVEL = 2
#: The number of coefficients of one series, at several points, that are computed together: several fit into the cache.
_BLOCK = 1 << 16


class Taylor(Dense):
    """Coefficients 1 to K of power series in one variable."""

    #: The functions that have no power series at a point that they were called at.
    singular: dict[str, None]

    def __init__(self, tag: int, order: int, conjugates: str = "allowed", singular: Any = None) -> None:
        super().__init__(tag, order, conjugates)
        self.order = order
        self.float_dual = self.float64_dual = None
        self.singular = {} if singular is None else singular

    def _arguments(self) -> tuple[Any, ...]:
        return self.tag, self.order, self.conjugates

    # -- the rows of the table -----------------------------------------------------------------------------------------

    def apply(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any, where: Any = True
    ) -> Tangent | None:
        active = [i for i, t in enumerate(tangents) if t is not None]
        if row.conjugates is None and all(row.constancy[i] + (len(active) == 1) > 1 for i in active):
            # Linear in all of them.
            return super().apply(row, values, tangents, result, where)
        for i in active:
            if row.conjugates is not None and row.conjugates[i] is not None and is_complex(values[i]):
                note_conjugate(self, row.name)
        token = begin()
        try:
            if where is not True:
                tangents = [
                    None if t is None else self._masked(t, v, where) for t, v in zip(tangents, values, strict=True)
                ]
            return self._expanded(row, values, tangents, result)
        finally:
            end(token)

    def _expanded(self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any) -> Any:
        if type(result) is np.ndarray and result.size * self.order > _BLOCK and _are_alike(values, tangents, result):
            return self._in_blocks(row, values, tangents, result)
        args = [v if t is None else self._series(v, t) for v, t in zip(values, tangents, strict=True)]
        c = row.expanded(args, result, self.order, self._note)
        if c is None or len(c) == 1:
            return None
        shape = shape_of(result[0] if type(result) is tuple else result)
        return Active(self.all[: len(c) - 1], c[1:] if type(c) is np.ndarray else _stacked(c[1:], shape))

    def _in_blocks(self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any) -> Any:
        """The same for many points: a block at a time, so that its coefficients stay in the cache."""
        coefficients = np.empty((0, result.size), result.dtype)
        flat = [v.reshape(-1) if shape_of(v) else v for v in values]
        rows = [None if t is None else Active(t.directions, t.array.reshape((len(t.array), -1))) for t in tangents]
        step = max(_BLOCK // (self.order + 1), 1)
        for start in range(0, result.size, step):
            block = slice(start, start + step)
            args = [
                v
                if not shape_of(v)
                else v[block]
                if t is None
                else self._series(v[block], Active(t.directions, t.array[:, block]))
                for v, t in zip(flat, rows, strict=True)
            ]
            c = row.expanded(args, result.reshape(-1)[block], self.order, self._note)
            count = 0 if c is None else len(c) - 1
            if count > len(coefficients):
                # The first block; later ones seldom have more coefficients.
                room = np.empty((count, result.size), result.dtype)
                room[: len(coefficients), :start], room[len(coefficients) :, :start] = coefficients[:, :start], 0.0
                coefficients = room
            if count:
                coefficients[:count, block] = c[1:]
            coefficients[count:, block] = 0.0
        count = len(coefficients)
        return Active(self.all[:count], coefficients.reshape((count, *result.shape))) if count else None

    def _note(self, label: str) -> None:
        self.singular[label] = None

    def _masked(self, t: Tangent, value: Any, where: Any) -> Tangent:
        shape = np.broadcast_shapes(shape_of(value), shape_of(where))
        weights = np.where(where, 1.0, 0.0).astype(plain(value).dtype)
        return self.scale(t, weights, shape_of(value), shape, True)

    def _series(self, value: Any, t: Tangent) -> tuple[Any, int]:
        """All coefficients, and the order of the last that may be nonzero."""
        shape = np.broadcast_shapes(shape_of(value), t.array.shape[1:])
        degree = t.directions[-1] + 1 if t.directions else 0
        if type(t.array) is not np.ndarray or plain(value) is not value:
            return [value, *self._spread(t, self.all, shape)], self.order
        c = np.zeros((self.order + 1, *shape), np.result_type(value, t.array))
        c[0] = value
        if degree == len(t.directions):
            c[1 : degree + 1] = t.array
        else:
            c[1:][list(t.directions)] = t.array
        return c, degree

    # -- coefficients --------------------------------------------------------------------------------------------------

    def coefficients(self, value: Any, t: Tangent) -> Any:
        """Those from order 0 to the last that may be nonzero."""
        c, degree = self._series(value, t)
        return c[: degree + 1]

    def of_coefficients(self, c: Sequence[Any]) -> Tangent:
        """The tangent of a series with these coefficients, from order 0 on."""
        return Active(self.all[: len(c) - 1], _stacked(c[1:], shape_of(c[0])))

    # -- products ------------------------------------------------------------------------------------------------------

    @quietly
    def multiplied(self, product: Multilinear, tangents: Sequence[Tangent | None], value: Any) -> Tangent:
        """The coefficients of a product, those of a Cauchy product."""
        function, factors = product.function, product.factors
        series = [[v] if t is None else self.coefficients(v, t) for v, t in zip(factors, tangents, strict=True)]
        result: list[Any] = [None] * (self.order + 1)
        self._sum_products(function, series, [], self.order, result)
        orders = [k for k in range(1, self.order + 1) if result[k] is not None]
        return Active(tuple(k - 1 for k in orders), _stacked([result[k] for k in orders], shape_of(value)))

    def _sum_products(
        self, function: Callable[..., Any], series: Sequence[Any], chosen: list[Any], left: int, result: list[Any]
    ) -> None:
        """Add the products that begin with the chosen coefficients, whose orders leave ``left`` for the others."""
        if len(chosen) == len(series):
            k = self.order - left
            if k:
                term = function(*chosen)
                result[k] = term if result[k] is None else result[k] + term
            return
        factor = series[len(chosen)]
        for k in range(min(left + 1, len(factor))):
            self._sum_products(function, series, [*chosen, factor[k]], left - k, result)

    # -- series of lower order -----------------------------------------------------------------------------------------

    @cached_property
    def lower(self) -> Taylor | None:
        """The space of the same call for series of one order less; None for values."""
        if self.order == 1:
            return None
        lower = Taylor(self.tag, self.order - 1, self.conjugates, self.singular)
        lower._kept = self.kept
        return lower

    def truncated(self, t: Tangent | None, order: int) -> Tangent | None:
        """The tangent without the coefficients above an order."""
        if t is None or not t.directions or t.directions[-1] < order:
            return t
        rows = [i for i, k in enumerate(t.directions) if k < order]
        return Active(tuple(t.directions[i] for i in rows), t.array[: len(rows)]) if rows else None

    def derivative(self, value: Any, t: Tangent) -> tuple[Any, Tangent | None]:
        """The derivative of a series with respect to its variable: its value, and coefficients up to K - 1."""
        shape = shape_of(value)
        first, later = None, []
        full = self._full(t, shape)
        orders = [k + 1 for k in full.directions]
        for k, c in zip(orders, full.array, strict=True):
            if k == 1:
                first = c
            else:
                later.append(c * full.array.dtype.type(k))
        if first is None:
            first = np.zeros_like(plain(value))
        directions = tuple(k - 2 for k in orders if k > 1)
        return first, Active(directions, _stacked(later, shape)) if later else None

    def coefficient(self, t: Tangent, order: int, shape: Shape) -> Any:
        """The coefficient of an order; None if it is zero."""
        if order - 1 not in t.directions:
            return None
        return self._full(t, shape).array[t.directions.index(order - 1)]

    def level(self) -> Single:
        """The space of one derivative of series of lower order."""
        level = Single(self.tag + LEVEL, self.conjugates)
        level._kept = self.kept
        return level

    def raised(self, t: Tangent | None, top: Any, shape: Shape) -> Tangent | None:
        """The tangent with the coefficients of ``t``, of lower order, and with coefficient K - 1 of r', ``top``."""
        if top is None:
            return t
        top = top * (1.0 / self.order)
        if t is None:
            return Active((self.order - 1,), _stacked([top], shape))
        below = self._full(t, shape)
        return Active((*below.directions, self.order - 1), _stacked([*below.array, top], shape))


def _are_alike(values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any) -> bool:
    """Whether all arguments are plain, and scalars or arrays of the shape of the result."""
    for v, t in zip(values, tangents, strict=True):
        if plain(v) is not v or (shape_of(v) and shape_of(v) != result.shape):
            return False
        if t is not None and (type(t.array) is not np.ndarray or t.array.shape[1:] != result.shape):
            return False
    return True


def _stacked(coefficients: Sequence[Any], shape: Shape) -> Any:
    return np.stack([np.broadcast_to(c, shape) if shape_of(c) != shape else c for c in coefficients])
