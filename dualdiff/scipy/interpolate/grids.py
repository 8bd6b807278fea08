"""``interp1d``, and interpolation on grids, with data and points that may be duals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.interpolate import local_polynomials as local
from dualdiff.scipy.interpolate import spline_basis as basis
from dualdiff.scipy.interpolate.bsplines import make_interp_spline, refuse_duals
from dualdiff.scipy.interpolate.local_polynomials import along, as_floats, combination
from dualdiff.scipy.solving.equations import revalued
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import values_of

_scipy = load("scipy.interpolate", "scipy", "dualdiff.scipy.interpolate")
_DEGREES = {"slinear": 1, "cubic": 3, "quintic": 5}


class interp1d:
    """Interpolation of data at increasing abscissae, as ``scipy.interpolate.interp1d``.

    Parameters
    ----------
    x, y : array_like
        Abscissae and data, which may be duals.
    kind, axis, copy, bounds_error, assume_sorted
        As in SciPy.
    fill_value : optional
        As in SciPy; values given here may be duals.

    Notes
    -----
    The arguments of the call may be duals too.  At a knot the piece that SciPy takes is differentiated; "nearest",
    "previous" and "next" have derivative zero in the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import interp1d
    >>> gradient(lambda y: interp1d([0.0, 1.0, 2.0], y)(1.25), np.array([1.0, 3.0, 2.0]))
    array([0.  , 0.75, 0.25])
    """

    @signed_as(_scipy.interp1d.__init__)
    def __init__(
        self,
        x: Any,
        y: Any,
        kind: Any = "linear",
        axis: int = -1,
        copy: bool = True,
        bounds_error: Any = None,
        fill_value: Any = np.nan,
        assume_sorted: bool = False,
    ) -> None:
        self._plain = plain = _scipy.interp1d(
            values_of(x), values_of(y), kind, axis, copy, bounds_error, values_of(fill_value), assume_sorted
        )
        self.axis, self.bounds_error, self._kind, self.fill_value = plain.axis, plain.bounds_error, kind, fill_value
        x, y = as_floats(x), as_floats(y)
        if not assume_sorted:
            order = np.argsort(plain_values(x), kind="mergesort")
            x, y = x[order], np.take(y, order, axis=axis)
        self.x, self.y = x, y

    def __call__(self, x: Any) -> Any:
        value = self._plain(values_of(x))
        if not duals_in((x, self.x, self.y, self.fill_value)):
            return value
        x = as_floats(x)
        y = np.moveaxis(self.y, self.axis, 0)
        with np.errstate(all="ignore"):
            dual = self._filled(self._interpolated(np.ravel(x), y), np.ravel(plain_values(x)))
            axes = list(range(x.ndim, x.ndim + self.axis)) + list(range(x.ndim))
            dual = np.reshape(dual, x.shape + y.shape[1:])
            dual = np.transpose(dual, axes + list(range(x.ndim + self.axis, dual.ndim)))
            return revalued(dual, value)

    def _interpolated(self, points: Any, y: Any) -> Any:
        at, knots, kind = plain_values(points), plain_values(self.x), self._kind
        last = len(knots) - 1
        if kind in ("nearest", "nearest-up"):
            half = knots / 2.0
            side: Any = "left" if kind == "nearest" else "right"
            return y[np.clip(np.searchsorted(half[1:] + half[:-1], at, side=side), 0, last)]
        if kind == "previous":
            return y[np.clip(np.searchsorted(knots, at, side="right") - 1, 0, last)]
        if kind == "next":
            return y[np.clip(np.searchsorted(knots, at, side="left"), 0, last)]
        if kind != "linear":
            order = {"zero": 0, "slinear": 1, "quadratic": 2, "cubic": 3}.get(kind, kind)
            return make_interp_spline(self.x, y, k=order, check_finite=False)(points)
        is_by_numpy = y.ndim == 1 and y.dtype == float and not self._extrapolates()
        above = np.searchsorted(knots, at, side="right" if is_by_numpy else "left")
        lower = np.clip(above, 1, max(last, 1)) - 1
        upper = np.minimum(lower + 1, last)
        known = ~np.isnan(at)
        share = (points - self.x[lower]) / (self.x[upper] - self.x[lower])
        return combination([1.0 - share, share], np.stack([lower, upper], axis=1), y, known)

    def _extrapolates(self) -> bool:
        return isinstance(self.fill_value, str) and self.fill_value == "extrapolate"

    def _filled(self, result: Any, at: Any) -> Any:
        knots = plain_values(self.x)
        if self._extrapolates():
            outside = (self._kind == "previous") & (at < knots[0]) | (self._kind == "next") & (at > knots[-1])
            return np.where(along(outside, result), 0.0, result) if np.any(outside) else result
        below, above = self.fill_value if isinstance(self.fill_value, tuple) else (self.fill_value, self.fill_value)
        result = np.where(along(at < knots[0], result), operand(below), result)
        return np.where(along(at > knots[-1], result), operand(above), result)


class RegularGridInterpolator:
    """Interpolation on a regular grid, as ``scipy.interpolate.RegularGridInterpolator``.

    Parameters
    ----------
    points : tuple of array_like
        The coordinates of the grid: plain values.
    values : array_like
        The data, which may be duals.
    method, bounds_error, fill_value, solver, solver_args
        As in SciPy.

    Raises
    ------
    dualdiff.LostDerivativeError
        For a grid, or a fill_value, of duals.

    Notes
    -----
    The points of the call may be duals too.  All methods have derivatives; at a grid line the cell that SciPy takes is
    differentiated.  With plain points the result is the product of a sparse matrix with the data.  SciPy solves for
    the coefficients of cubic and quintic splines iteratively, and derivatives are those of the exact ones.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import RegularGridInterpolator
    >>> table = RegularGridInterpolator(([0.0, 1.0], [0.0, 2.0]), np.array([[1.0, 2.0], [3.0, 6.0]]))
    >>> gradient(lambda p: table(p)[0], np.array([0.5, 1.0]))
    array([3., 1.])
    """

    @signed_as(_scipy.RegularGridInterpolator.__init__)
    def __init__(
        self,
        points: Any,
        values: Any,
        method: str = "linear",
        bounds_error: bool = True,
        fill_value: Any = np.nan,
        **options: Any,
    ) -> None:
        refuse_duals("RegularGridInterpolator", points=points, fill_value=fill_value)
        self._plain = _scipy.RegularGridInterpolator(
            points, values_of(values), method, bounds_error, fill_value, **options
        )
        self.method, self.bounds_error, self.fill_value = method, bounds_error, self._plain.fill_value
        self.grid = self._plain.grid
        self.values = self._plain.values
        if duals_in(values):
            values = as_floats(values)
            turned = [i for i, p in enumerate(points) if len(p) > 1 and p[0] > p[1]]
            self.values = np.flip(values, axis=tuple(turned)) if turned else values

    def __call__(self, xi: Any, method: Any = None, *, nu: Any = None) -> Any:
        options = {} if nu is None else {"nu": nu}
        value = self._plain(values_of(xi), method, **options)
        if not duals_in((xi, self.values)):
            return value
        count = len(self.grid)
        xi = _coordinates(xi, count)
        points = np.reshape(xi, (-1, count))
        with np.errstate(all="ignore"):
            dual = _on_grid(self.grid, self.values, points, method or self.method, nu or (0,) * count)
            inside = ~np.any(np.isnan(plain_values(points)), axis=1)
            if not self.bounds_error and self.fill_value is not None:
                for p, x in zip(self.grid, plain_values(points).T, strict=True):
                    inside &= (x >= p[0]) & (x <= p[-1])
            dual = np.where(along(inside, dual), dual, 0.0)
            return revalued(np.reshape(dual, np.shape(value)), value)


def _coordinates(xi: Any, count: int) -> Any:
    """Points as SciPy takes them: an array whose last axis are coordinates, or a tuple of arrays that broadcast."""
    if isinstance(xi, tuple) and len(xi) == 1 and np.ndim(xi[0]) > 1:
        xi = xi[0]
    if isinstance(xi, tuple):
        parts = [as_floats(x) for x in xi]
        shape = np.broadcast_shapes(*(p.shape for p in parts))
        return np.stack([np.broadcast_to(p, shape) for p in parts], axis=-1)
    xi = as_floats(xi)
    return xi if xi.ndim != 1 else np.reshape(xi, (-1, 1) if count == 1 else (1, -1))


def _on_grid(grid: Any, values: Any, points: Any, method: str, nu: Any) -> Any:
    """The interpolated values at points, an array with a row for each."""
    axes = range(len(grid))
    columns = [points[:, i] for i in axes]
    if method == "pchip":
        return _pchip(grid, values, columns)
    degree = _DEGREES.get(method.removesuffix("_legacy"), 0)
    parts = []
    for i, (p, x) in enumerate(zip(grid, columns, strict=True)):
        at = plain_values(x)
        if degree:
            values, part = _splines(p, values, x, degree, nu[i], i)
        elif len(p) == 1:
            part = np.zeros((len(at), 1), int), [np.ones(len(at))]
        else:
            place = local.intervals(p, np.where(np.isnan(at), p[0], at))
            share = (x - p[place]) / (p[place + 1] - p[place])
            part = place[:, None] + np.arange(2), [1.0 - share, share]
            if method == "nearest":
                part = (place + (plain_values(share) > 0.5))[:, None], [np.ones(len(at))]
        parts.append(part)
    shape = np.shape(values)[: len(grid)]
    terms = list(itertools.product(*(range(len(weights)) for _, weights in parts)))
    places = np.stack(
        [
            np.ravel_multi_index([place[:, j] for (place, _), j in zip(parts, term, strict=True)], shape)
            for term in terms
        ],
        axis=1,
    )
    weights = []
    for term in terms:
        weight = parts[0][1][term[0]]
        for (_, others), j in zip(parts[1:], term[1:], strict=True):
            weight = weight * others[j]
        weights.append(weight)
    flat = np.reshape(values, (-1, *np.shape(values)[len(grid) :]))
    return combination(weights, places, flat, np.ones(len(points), bool))


def _splines(p: Any, values: Any, x: Any, degree: int, nu: int, axis: int) -> tuple[Any, Any]:
    """The spline coefficients of the values along an axis; their places and weights for each point."""
    knots = basis.knots_of(p, degree, False)
    columns = np.moveaxis(values, axis, 0)
    c, t, k = basis.interpolating(p, columns, knots, degree, [], [], None), knots, degree
    for _ in range(nu):
        if k == 0:
            return np.moveaxis(0.0 * c, 0, axis), (np.zeros((len(x), 1), int), [np.ones(len(x))])
        t, c, k = basis.differentiated(t, c, k)
    at = plain_values(x)
    first, weights = basis.basis(t, k, np.where(np.isnan(at), p[0], x) if np.any(np.isnan(at)) else x)
    return np.moveaxis(c, 0, axis), (first[:, None] + np.arange(k + 1), weights)


def _pchip(grid: Any, values: Any, columns: Any) -> Any:
    """Monotone interpolation along the last axis of the grid, then along those before it."""
    count, rows = len(grid), np.arange(len(columns[0]))
    values = np.transpose(values, [*range(count)[::-1], *range(count, np.ndim(values))])
    values = np.broadcast_to(values[..., None], (*values.shape, len(rows)))
    for p, x in zip(grid[::-1], columns[::-1], strict=True):
        c = local.hermite(p, values, local.pchip_slopes(p, values))
        at = plain_values(x)
        place = local.intervals(p, np.where(np.isnan(at), p[0], at))
        h = x - p[place]
        c = np.moveaxis(c, -1, 2)[:, place, rows]
        c = np.moveaxis(c, 1, -1)
        values = ((c[0] * h + c[1]) * h + c[2]) * h + c[3]
    return np.moveaxis(values, -1, 0)


@signed_as(_scipy.interpn)
def interpn(
    points: Any, values: Any, xi: Any, method: str = "linear", bounds_error: bool = True, fill_value: Any = np.nan
) -> Any:
    """Interpolation on a regular grid, as ``scipy.interpolate.interpn``; see `RegularGridInterpolator`.

    Parameters
    ----------
    points : tuple of array_like
        The coordinates of the grid: plain values.
    values, xi : array_like
        Data and points, which may be duals.
    method, bounds_error, fill_value
        As in SciPy.

    Returns
    -------
    array
        The interpolated values.

    Raises
    ------
    dualdiff.NoRuleError
        For duals with ``method="splinef2d"``.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.interpolate import interpn
    >>> float(derivative(lambda x: interpn(([0.0, 1.0],), np.array([1.0, 3.0]), np.stack([x]))[0], 0.5))
    2.0
    """
    if not duals_in((points, values, xi, fill_value)):
        return _scipy.interpn(points, values, xi, method, bounds_error, fill_value)
    if method == "splinef2d":
        raise no_rule('scipy.interpolate.interpn with method="splinef2d"', ' (method="cubic" has one)')
    refuse_duals("interpn", points=points, fill_value=fill_value)
    # SciPy's own checks of the arguments, and its shape.
    value = _scipy.interpn(points, values_of(values), values_of(xi), method, bounds_error, fill_value)
    table = RegularGridInterpolator(points, values, method=method, bounds_error=bounds_error, fill_value=fill_value)
    return revalued(np.reshape(table(xi), np.shape(value)), value)
