"""Interpolation of scattered data: radial basis functions, triangulations, nearest neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.interpolate.bsplines import refuse_duals
from dualdiff.scipy.interpolate.grids import interp1d
from dualdiff.scipy.interpolate.local_polynomials import as_floats, combination
from dualdiff.scipy.solving.equations import revalued
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import values_of

_scipy = load("scipy.interpolate", "scipy", "dualdiff.scipy.interpolate")
_xlogy = load("scipy.special", "scipy", "dualdiff.scipy.interpolate").xlogy

#: As functions of the squared distance.
_KERNELS: dict[str, Any] = {
    "linear": lambda s: -np.sqrt(s),
    "thin_plate_spline": lambda s: 0.5 * _xlogy(s, s),
    "cubic": lambda s: s**1.5,
    "quintic": lambda s: -(s**2.5),
    "multiquadric": lambda s: -np.sqrt(1.0 + s),
    "inverse_multiquadric": lambda s: 1.0 / np.sqrt(1.0 + s),
    "inverse_quadratic": lambda s: 1.0 / (1.0 + s),
    "gaussian": lambda s: np.exp(-s),
}
#: The degree of the polynomial that is added by default.
_LEAST = {"multiquadric": 0, "linear": 0, "thin_plate_spline": 1, "cubic": 1, "quintic": 2}


class RBFInterpolator:
    """Interpolation by radial basis functions, as ``scipy.interpolate.RBFInterpolator``.

    Parameters
    ----------
    y, d : array_like
        The points and the data, which may be duals.
    smoothing, epsilon : float
        As in SciPy, and may be duals.
    neighbors, kernel, degree
        As in SciPy.  With ``neighbors``, duals are refused.

    Notes
    -----
    One dense solve for all directions.  The points of the call may be duals too.  Where they coincide with data points,
    second derivatives of kernels that have none there ("linear", "thin_plate_spline", "cubic") are NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import RBFInterpolator
    >>> points = np.array([[0.0], [1.0], [2.0]])
    >>> gradient(lambda d: RBFInterpolator(points, d, kernel="linear")([[0.25]])[0], np.zeros(3))
    array([0.75, 0.25, 0.  ])
    """

    @signed_as(_scipy.RBFInterpolator.__init__)
    def __init__(
        self,
        y: Any,
        d: Any,
        neighbors: Any = None,
        smoothing: Any = 0.0,
        kernel: str = "thin_plate_spline",
        epsilon: Any = None,
        degree: Any = None,
    ) -> None:
        self._plain = plain = _scipy.RBFInterpolator(
            *map(values_of, (y, d)), neighbors, np.asarray(values_of(smoothing))[()], kernel, values_of(epsilon), degree
        )
        self.y, self.d, self.smoothing = y, d, smoothing
        self.kernel, self.neighbors = plain.kernel, plain.neighbors
        self.epsilon = 1.0 if epsilon is None else epsilon
        self._degree = max(_LEAST.get(self.kernel, -1), 0) if degree is None else int(degree)

    def _monomials(self, x: Any) -> Any:
        """The monomials up to the degree, in coordinates of the size of the data."""
        points = np.asarray(self._plain.y)
        centre = (points.max(axis=0) + points.min(axis=0)) / 2
        half = (points.max(axis=0) - points.min(axis=0)) / 2
        x = (x - centre) / np.where(half == 0.0, 1.0, half)
        columns: list[Any] = []
        for total in range(self._degree + 1):
            for chosen in itertools.combinations_with_replacement(range(points.shape[1]), total):
                column = np.ones(len(plain_values(x)))
                for i in chosen:
                    column = column * x[:, i]
                columns.append(column)
        return np.stack(columns, axis=1) if columns else np.zeros((len(plain_values(x)), 0))

    def _kernel(self, x: Any, y: Any, same: bool) -> Any:
        s = np.sum((x[:, None, :] - y[None, :, :]) ** 2, axis=-1) * self.epsilon**2
        if same:
            # The distance of a point to itself is zero whatever it depends on.
            unit = np.eye(y.shape[0], dtype=bool)
            return np.where(unit, _KERNELS[self.kernel](0.0), _KERNELS[self.kernel](np.where(unit, 1.0, s)))
        return _KERNELS[self.kernel](s)

    def __call__(self, x: Any) -> Any:
        given = (x, self.y, self.d, self.smoothing, self.epsilon)
        value = self._plain(values_of(x))
        if not duals_in(given):
            return value
        if self.neighbors is not None:
            raise no_rule("scipy.interpolate.RBFInterpolator of duals with neighbors=", " (neighbors=None has one)")
        x, y, d = map(as_floats, (x, self.y, self.d))
        with np.errstate(all="ignore"):
            count = y.shape[0]
            matrix = self._kernel(y, y, True) + np.eye(count) * self.smoothing
            columns = self._monomials(y)
            extra = columns.shape[1]
            top = np.concatenate([matrix, columns], axis=1)
            bottom = np.concatenate([np.transpose(columns), np.zeros((extra, extra))], axis=1)
            data = np.reshape(d, (count, -1))
            right = np.concatenate([data, np.zeros((extra, data.shape[1]))])
            weights = np.linalg.solve(np.concatenate([top, bottom]), right)
            rows = np.concatenate([self._kernel(x, y, False), self._monomials(x)], axis=1)
            return revalued(np.reshape(rows @ weights, np.shape(value)), value)


def _points(x: Any, count: int) -> Any:
    """Points as SciPy takes them: rows of an array, or a tuple of arrays of coordinates."""
    if isinstance(x, tuple):
        parts = [as_floats(e) for e in x]
        shape = np.broadcast_shapes(*(p.shape for p in parts))
        return np.stack([np.broadcast_to(p, shape) for p in parts], axis=-1)
    x = as_floats(x)
    return np.reshape(x, (*x.shape, 1)) if x.ndim == 1 and count == 1 else x


class _Scattered:
    """What the interpolants of scattered data share."""

    values: Any
    _plain: Any
    _count: int
    #: The interpolation at the rows of an array.
    _interpolated: Callable[[Any], Any]

    def __call__(self, *args: Any) -> Any:
        value = self._plain(*map(values_of, args))
        if not duals_in((args, self.values, getattr(self, "points", None))):
            return value
        x = _points(args if len(args) > 1 else args[0], self._count)
        with np.errstate(all="ignore"):
            dual = self._interpolated(np.reshape(x, (-1, self._count)))
            return revalued(np.reshape(dual, np.shape(value)), value)


class LinearNDInterpolator(_Scattered):
    """Linear interpolation on triangles or simplices, as ``scipy.interpolate.LinearNDInterpolator``.

    Parameters
    ----------
    points, values : array_like
        The points and the data, which may be duals.  The triangulation is that of the values of the points.
    fill_value, rescale
        As in SciPy.

    Notes
    -----
    The arguments of the call may be duals too; outside of the convex hull the derivative is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import LinearNDInterpolator
    >>> corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> gradient(lambda v: LinearNDInterpolator(corners, v)(0.25, 0.25), np.array([1.0, 2.0, 4.0]))
    array([0.5 , 0.25, 0.25])
    """

    @signed_as(_scipy.LinearNDInterpolator.__init__)
    def __init__(self, points: Any, values: Any, fill_value: Any = np.nan, rescale: bool = False) -> None:
        refuse_duals("LinearNDInterpolator", fill_value=fill_value)
        self._plain = _scipy.LinearNDInterpolator(values_of(points), values_of(values), fill_value, rescale)
        self.points, self.values, self.fill_value = points, values, fill_value
        self._count = self._plain.tri.points.shape[1]
        self._rescale = rescale

    def _interpolated(self, x: Any) -> Any:
        values, tri = as_floats(self.values), self._plain.tri
        points = _points(self.points, self._count) if not hasattr(self.points, "simplices") else self.points.points
        at = plain_values(x)
        if self._rescale:
            given = plain_values(points)
            at = (at - given.mean(axis=0)) / np.where((size := np.ptp(given, axis=0)) > 0, size, 1.0)
        found = tri.find_simplex(at)
        corners = tri.simplices[found]
        origin = points[corners[:, -1]]
        edges = points[corners[:, :-1]] - origin[:, None, :]
        shares = np.linalg.solve(np.swapaxes(edges, 1, 2), (x - origin)[..., None])[..., 0]
        weights = [shares[:, j] for j in range(self._count)]
        weights.append(1.0 - np.sum(shares, axis=1))
        return combination(weights, corners, values, found >= 0)


class NearestNDInterpolator(_Scattered):
    """The value at the nearest data point, as ``scipy.interpolate.NearestNDInterpolator``.

    Parameters
    ----------
    x : array_like
        The points: they only choose a value, so that their derivative is zero.
    y : array_like
        The data, which may be duals.
    rescale, tree_options
        As in SciPy.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import NearestNDInterpolator
    >>> gradient(lambda y: NearestNDInterpolator([[0.0, 0.0], [1.0, 1.0]], y)(0.9, 0.9), np.array([1.0, 2.0]))
    array([0., 1.])
    """

    @signed_as(_scipy.NearestNDInterpolator.__init__)
    def __init__(self, x: Any, y: Any, rescale: bool = False, tree_options: Any = None) -> None:
        self._plain = _scipy.NearestNDInterpolator(values_of(x), values_of(y), rescale, tree_options)
        self.points, self.values = self._plain.points, y
        self._count = self._plain.points.shape[1]
        numbers = np.arange(np.shape(self._plain.values)[0])
        self._numbers = _scipy.NearestNDInterpolator(values_of(x), numbers, rescale, tree_options)

    def _interpolated(self, x: Any) -> Any:
        return as_floats(self.values)[np.asarray(self._numbers(plain_values(x)), int)]


@signed_as(_scipy.griddata)
def griddata(
    points: Any, values: Any, xi: Any, method: str = "linear", fill_value: Any = np.nan, rescale: bool = False
) -> Any:
    """Interpolation of scattered data, as ``scipy.interpolate.griddata``.

    Parameters
    ----------
    points, values, xi : array_like
        The points, the data and where to interpolate; all may be duals.
    method, fill_value, rescale
        As in SciPy; "cubic" in two dimensions is refused for duals.

    Returns
    -------
    array
        The interpolated values.

    Raises
    ------
    dualdiff.NoRuleError
        For duals with ``method="cubic"`` in two dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import griddata
    >>> corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> gradient(lambda v: griddata(corners, v, (0.25, 0.25)), np.array([1.0, 2.0, 4.0]))
    array([0.5 , 0.25, 0.25])
    """
    value = _scipy.griddata(*map(values_of, (points, values, xi)), method, fill_value, rescale)
    if not duals_in((points, values, xi)):
        return value
    count = len(points) if isinstance(points, tuple) else (1 if np.ndim(points) < 2 else np.shape(points)[-1])
    if count == 1:
        points = np.ravel(as_floats(points[0] if isinstance(points, tuple) else points))
        xi = as_floats(xi[0] if isinstance(xi, tuple) else xi)
        fill = "extrapolate" if method == "nearest" else fill_value
        dual = interp1d(points, values, kind=method, axis=0, bounds_error=False, fill_value=fill)(xi)
        return revalued(np.reshape(dual, np.shape(value)), value)
    if method == "cubic":
        raise no_rule('scipy.interpolate.griddata of duals with method="cubic"', ' ("linear" has one)')
    if method == "nearest":
        return revalued(np.reshape(NearestNDInterpolator(points, values, rescale)(xi), np.shape(value)), value)
    dual = LinearNDInterpolator(points, values, fill_value, rescale)(xi)
    return revalued(np.reshape(dual, np.shape(value)), value)
