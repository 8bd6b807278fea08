"""The polynomial through data: barycentric, by divided differences, and its coefficients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.drivers.jvp import jvp
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.interpolate.local_polynomials import as_floats
from dualdiff.scipy.solving.equations import revalued
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import values_of

_scipy = load("scipy.interpolate", "scipy", "dualdiff.scipy.interpolate")


class _Polynomial:
    """The polynomial through data."""

    _plain: Any
    xi: Any
    yi: Any
    _axis: int

    def _start(self, plain: Any, xi: Any, yi: Any, axis: int) -> None:
        self._plain, self.xi, self.yi, self._axis = plain, as_floats(xi), yi, axis

    def __call__(self, x: Any) -> Any:
        return self._of_duals(x, self._plain(values_of(x)), self._lagrange)

    def derivative(self, x: Any, der: int = 1) -> Any:
        """The derivative of order der at points."""
        return self._of_duals(x, self._plain.derivative(values_of(x), der), self._derivative(der))

    def derivatives(self, x: Any, der: Any = None) -> Any:
        """All derivatives up to an order, from the zeroth."""
        values = self._plain.derivatives(values_of(x), der)
        if not duals_in((x, self.xi, self.yi)):
            return values
        rows = [
            self._of_duals(x, v, self._derivative(order) if order else self._lagrange) for order, v in enumerate(values)
        ]
        return revalued(np.stack(rows), values)

    def _of_duals(self, x: Any, value: Any, formula: Callable[[Any], Any]) -> Any:
        if not duals_in((x, self.xi, self.yi)):
            return value
        points = plain_values(self.xi)
        if len(np.unique(points)) < len(points):
            raise no_rule(
                f"scipy.interpolate.{type(self).__name__} of duals with repeated abscissae",
                " (BPoly and CubicHermiteSpline have one)",
            )
        x = as_floats(x)
        with np.errstate(all="ignore"):
            result = formula(np.ravel(x))
            axis = self._axis % np.ndim(self.yi)
            axes = [*range(1, 1 + axis), 0, *range(1 + axis, np.ndim(result))]
            return revalued(np.reshape(np.transpose(result, axes), np.shape(value)), value)

    def _lagrange(self, x: Any) -> Any:
        yi = np.moveaxis(as_floats(self.yi), self._axis, 0)
        gaps = self.xi[:, None] - self.xi
        unit = np.eye(len(plain_values(self.xi)), dtype=bool)
        factors = np.where(unit, 1.0, (x[:, None] - self.xi)[:, None, :] / np.where(unit, 1.0, gaps))
        return np.tensordot(np.prod(factors, axis=-1), yi, 1)

    def _derivative(self, der: int) -> Callable[[Any], Any]:
        def derived(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
            return lambda x: jvp(f, x, np.ones(x.shape))[1]

        f: Callable[[Any], Any] = self._lagrange
        for _ in range(der):
            f = derived(f)
        return f


class BarycentricInterpolator(_Polynomial):
    """The polynomial through data, as ``scipy.interpolate.BarycentricInterpolator``; data and arguments may be duals.

    Parameters
    ----------
    xi, yi : array_like
        Abscissae and data.
    axis, options
        As in SciPy.

    Notes
    -----
    Derivatives are those of Lagrange's form: the square of the number of data for each argument.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import BarycentricInterpolator
    >>> gradient(lambda y: BarycentricInterpolator([0.0, 1.0, 2.0], y)(0.5), np.array([1.0, 2.0, 4.0]))
    array([ 0.375,  0.75 , -0.125])
    """

    def __init__(self, xi: Any, yi: Any = None, axis: int = 0, **options: Any) -> None:
        plain = _scipy.BarycentricInterpolator(values_of(xi), values_of(yi), axis, **options)
        self._start(plain, xi, yi, axis)

    def set_yi(self, yi: Any, axis: Any = None) -> None:
        """Other data for the same abscissae."""
        self._plain.set_yi(values_of(yi), axis)
        self.yi, self._axis = yi, self._axis if axis is None else axis

    def add_xi(self, xi: Any, yi: Any = None) -> None:
        """More data, which must be plain."""
        if duals_in((xi, yi, self.xi, self.yi)):
            raise no_rule("scipy.interpolate.BarycentricInterpolator.add_xi of duals")
        self._plain.add_xi(xi, yi)
        self.xi = self._plain.xi
        more = None if yi is None else np.asarray(yi, float)
        self.yi = None if self.yi is None or more is None else np.concatenate([np.asarray(self.yi), more], self._axis)


class KroghInterpolator(_Polynomial):
    """The polynomial through data, as ``scipy.interpolate.KroghInterpolator``; data and arguments may be duals.

    Parameters
    ----------
    xi, yi : array_like
        Abscissae and data.
    axis
        As in SciPy.

    Notes
    -----
    Derivatives are those of Lagrange's form: the square of the number of data for each argument.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import KroghInterpolator
    >>> gradient(lambda y: KroghInterpolator([0.0, 1.0, 2.0], y)(0.5), np.array([1.0, 2.0, 4.0]))
    array([ 0.375,  0.75 , -0.125])
    """

    def __init__(self, xi: Any, yi: Any, axis: int = 0) -> None:
        self._start(_scipy.KroghInterpolator(values_of(xi), values_of(yi), axis), xi, yi, axis)


def _by_order(interpolator: Any, x: Any, der: Any) -> Any:
    if isinstance(der, (int, np.integer)):
        return interpolator(x) if der == 0 else interpolator.derivative(x, der)
    return interpolator.derivatives(x, max(der) + 1)[list(der)]


@signed_as(_scipy.krogh_interpolate)
def krogh_interpolate(xi: Any, yi: Any, x: Any, der: Any = 0, axis: int = 0) -> Any:
    """Values or derivatives of `KroghInterpolator`, as ``scipy.interpolate.krogh_interpolate``."""
    if not duals_in((xi, yi, x)):
        return _scipy.krogh_interpolate(xi, yi, x, der, axis)
    return _by_order(KroghInterpolator(xi, yi, axis), x, der)


@signed_as(_scipy.barycentric_interpolate)
def barycentric_interpolate(xi: Any, yi: Any, x: Any, axis: int = 0, **options: Any) -> Any:
    """Values or derivatives of `BarycentricInterpolator`, as ``scipy.interpolate.barycentric_interpolate``."""
    if not duals_in((xi, yi, x)):
        return _scipy.barycentric_interpolate(xi, yi, x, axis, **options)
    der = options.pop("der", 0)
    return _by_order(BarycentricInterpolator(xi, yi, axis, **options), x, der)
