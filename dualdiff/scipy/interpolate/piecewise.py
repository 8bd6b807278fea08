"""Piecewise polynomials of ``scipy.interpolate`` whose coefficients, breakpoints and arguments may be duals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.interpolate import local_polynomials as local
from dualdiff.scipy.interpolate.cubic_slopes import spline_coefficients
from dualdiff.scipy.interpolate.held_attributes import Held, hold
from dualdiff.scipy.interpolate.local_polynomials import as_floats
from dualdiff.scipy.solving.equations import implicit, revalued
from dualdiff.scipy.solving.stripped import values_of

_scipy = load("scipy.interpolate", "scipy", "dualdiff.scipy.interpolate")


class Piecewise:
    """What all piecewise polynomials share; a subclass is one of SciPy's too, with duals in its attributes c and x."""

    c: Any = Held()
    x: Any = Held()
    extrapolate: Any = Held()
    axis: Any = Held()
    #: SciPy's class of what has only coefficients and breakpoints; the formula of its values; the coefficients of
    #: derivatives and of antiderivatives, functions of coefficients, breakpoints and the order.
    general: Any
    formula: Any
    differentiated: Any
    integrated: Any

    def __init__(self, c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> None:
        if not duals_in((c, x)):
            super().__init__(c, x, extrapolate, axis)  # type: ignore[call-arg]
            return
        plain = self.general(values_of(c), values_of(x), extrapolate, axis)
        c, x = as_floats(c), as_floats(x)
        if axis:
            c = np.moveaxis(np.moveaxis(c, axis + 1, 0), axis + 1, 0)
        self._hold(revalued(c, plain.c), revalued(x, plain.x), plain.extrapolate, plain.axis)

    @classmethod
    def construct_fast(cls, c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> Any:
        """The object for these coefficients and breakpoints."""
        self = cls.__new__(cls)
        if duals_in((c, x)):
            self._hold(c, x, True if extrapolate is None else extrapolate, axis)
        else:
            # Not SciPy's construct_fast: that of BPoly makes a PPoly in SciPy 1.18.
            cls.general.__init__(self, c, x, extrapolate)
            self.axis = axis
        return self

    def _hold(self, c: Any, x: Any, extrapolate: Any, axis: int) -> None:
        """Store coefficients and breakpoints, of which some are duals."""
        hold(self, c=c, x=x, extrapolate=extrapolate, axis=axis)

    def _is_dual(self) -> bool:
        return isinstance(self.c, AnyDual) or isinstance(self.x, AnyDual)

    def _plain(self) -> Any:
        """SciPy's object with the plain values."""
        c, x = np.ascontiguousarray(plain_values(self.c)), plain_values(self.x)
        plain = self.general(c, x, self.extrapolate)
        plain.axis = self.axis
        return plain

    def _along_axis(self, result: Any, ndim: int) -> Any:
        """Move the interpolated axes of a result from the front to the interpolation axis."""
        if not self.axis:
            return result
        axes = list(range(np.ndim(result)))
        return np.transpose(result, axes[ndim : ndim + self.axis] + axes[:ndim] + axes[ndim + self.axis :])

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        if not self._is_dual() and not duals_in(x):
            return super().__call__(x, nu, extrapolate)  # type: ignore[misc]
        x = as_floats(x)
        value = self._plain()(plain_values(x), nu, extrapolate)
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        with np.errstate(all="ignore"):
            dual = self.formula(self.c, self.x, np.ravel(x), nu, extrapolate)
            dual = np.reshape(dual, x.shape + self.c.shape[2:])
            return revalued(self._along_axis(dual, x.ndim), value)

    def _transformed(self, method: str, nu: int, c: Any) -> Any:
        """The object whose coefficients SciPy's method finds, with the tangents of c."""
        c = revalued(c, getattr(self._plain(), method)(nu).c)
        return self.construct_fast(c, self.x, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> Any:
        """The continuous antiderivative of order nu that is zero at the first breakpoint."""
        if not self._is_dual():
            return super().antiderivative(nu)  # type: ignore[misc]
        if nu <= 0:
            return self.derivative(-nu)
        result = self._transformed("antiderivative", nu, self.integrated(self.c, self.x, nu))
        result.extrapolate = False if self.extrapolate == "periodic" else self.extrapolate
        return result

    def derivative(self, nu: int = 1) -> Any:
        """The derivative of order nu, a piecewise polynomial of lower degree."""
        if not self._is_dual():
            return super().derivative(nu)  # type: ignore[misc]
        if nu < 0:
            return self.antiderivative(-nu)
        return self._transformed("derivative", nu, self.differentiated(self.c, self.x, nu))

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        """The definite integral from a to b."""
        if not self._is_dual() and not duals_in((a, b)):
            return super().integrate(a, b, extrapolate)  # type: ignore[misc]
        value = self._plain().integrate(values_of(a), values_of(b), extrapolate)
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        whole = type(self).construct_fast(self.c, self.x, True, 0)
        primitive = whole.antiderivative()

        def up_to(t: Any) -> Any:
            if extrapolate != "periodic":
                return Piecewise.__call__(primitive, t, 0, bool(extrapolate))
            start, end = self.x[0], self.x[-1]
            count = np.floor((plain_values(t) - plain_values(start)) / plain_values(end - start))
            inside = t - count * (end - start)
            return count * Piecewise.__call__(primitive, end, 0, True) + Piecewise.__call__(primitive, inside, 0, True)

        with np.errstate(all="ignore"):
            result = up_to(b) - up_to(a)
            return revalued(np.reshape(self._along_axis(result, 0), np.shape(value)), value)

    def extend(self, c: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Add breakpoints and coefficients, which must be plain."""
        if self._is_dual() or duals_in((c, x)):
            raise no_rule(f"scipy.interpolate.{type(self).__name__}.extend of duals")
        return super().extend(c, x, *args, **kwargs)  # type: ignore[misc]


class PPoly(Piecewise, _scipy.PPoly):  # type: ignore[misc, name-defined]
    """A piecewise polynomial in the power basis, as ``scipy.interpolate.PPoly``; c, x and the arguments may be duals.

    Parameters
    ----------
    c : array_like, shape (k, m, ...)
        Coefficients: ``sum(c[j, i] * (t - x[i])**(k - 1 - j) for j in range(k))`` between ``x[i]`` and ``x[i + 1]``.
    x : array_like, shape (m + 1,)
        Breakpoints, in increasing or decreasing order.
    extrapolate, axis
        As in SciPy.

    Notes
    -----
    At a breakpoint the polynomial on its right is differentiated, as it is evaluated.  Where the result is NaN because
    nothing is extrapolated, the derivative is zero.  With a plain x and plain arguments, values are a product of a
    sparse matrix with c.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.interpolate import PPoly
    >>> derivative(lambda a: PPoly([[a, 1.0], [0.0, 2.0]], [0.0, 1.0, 3.0])(0.25), 2.0)
    array(0.25)
    """

    general = _scipy.PPoly
    formula = staticmethod(local.polynomial)
    differentiated = staticmethod(local.derivative)
    integrated = staticmethod(local.antiderivative)

    def solve(self, y: Any = 0.0, discontinuity: bool = True, extrapolate: Any = None) -> Any:
        """The points at which the value is y, with derivatives by the implicit function theorem."""
        if not self._is_dual() and not duals_in(y):
            return super().solve(y, discontinuity, extrapolate)
        if np.ndim(self.c) > 2:
            raise no_rule("scipy.interpolate.PPoly.solve of duals for several polynomials", " (for one it has one)")
        plain = self._plain()
        roots = plain.solve(values_of(y), discontinuity, extrapolate)
        return implicit(
            "scipy.interpolate.PPoly.solve",
            lambda r: Piecewise.__call__(self, r, 0, True if self.extrapolate != "periodic" else "periodic") - y,
            lambda r: Piecewise.__call__(PPoly.construct_fast(plain.c, plain.x), r) - values_of(y),
            roots,
            np.isfinite(roots),
        )

    def roots(self, discontinuity: bool = True, extrapolate: Any = None) -> Any:
        """The points at which the value is zero; see `solve`."""
        return self.solve(0, discontinuity, extrapolate)

    @classmethod
    def from_spline(cls, tck: Any, extrapolate: Any = None) -> Any:
        """The piecewise polynomial of a spline, whose coefficients may be duals."""
        t, c, k = (tck.t, tck.c, tck.k) if hasattr(tck, "t") else tck
        if not duals_in((t, c)):
            return super().from_spline(tck, extrapolate)
        if duals_in(t):
            raise no_rule("scipy.interpolate.PPoly.from_spline with knots that are duals")
        # SciPy rounds the one and the other in different ways.
        same = _scipy.BSpline.construct_fast if hasattr(tck, "t") else lambda *tck: tck
        plain = _scipy.PPoly.from_spline(same(t, plain_values(c), k), extrapolate)
        points, spline = plain.x[:-1], _scipy.BSpline(t, np.eye(len(t) - k - 1), k)
        # The knots of multiplicity have empty intervals, for which SciPy evaluates at the knot too.
        rows = np.stack([spline(points, j) / float(math.factorial(j)) for j in range(k, -1, -1)])
        taken = c[: len(t) - k - 1]
        return cls.construct_fast(revalued(np.tensordot(rows, taken, 1), plain.c), plain.x, plain.extrapolate)

    @classmethod
    def from_bernstein_basis(cls, bp: Any, extrapolate: Any = None) -> Any:
        """The same polynomial in the power basis."""
        if not duals_in((bp.c, bp.x)):
            return super().from_bernstein_basis(bp, extrapolate)
        plain = _scipy.PPoly.from_bernstein_basis(bp._plain(), extrapolate)
        degree = bp.c.shape[0] - 1
        widths = local.along(bp.x[1:] - bp.x[:-1], bp.c[0])
        rows, c = [], bp.c
        for j in range(degree + 1):
            rows.append(math.comb(degree, j) * c[0] / widths**j)
            c = c[1:] - c[:-1]
        return cls.construct_fast(revalued(np.stack(rows[::-1]), plain.c), bp.x, plain.extrapolate, bp.axis)


class BPoly(Piecewise, _scipy.BPoly):  # type: ignore[misc, name-defined]
    """A piecewise polynomial in the Bernstein basis, as ``scipy.interpolate.BPoly``; c, x and arguments may be duals.

    Parameters
    ----------
    c : array_like, shape (k, m, ...)
        Bernstein coefficients of degree k - 1 on each interval.
    x : array_like, shape (m + 1,)
        Breakpoints, in increasing or decreasing order.
    extrapolate, axis
        As in SciPy.

    Notes
    -----
    Derivatives are those of de Casteljau's algorithm.  `from_derivatives` and `extend` take plain values only.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.interpolate import BPoly
    >>> derivative(lambda a: BPoly([[1.0], [a], [3.0]], [0.0, 1.0])(0.5), 2.0)
    array(0.5)
    """

    general = _scipy.BPoly
    formula = staticmethod(local.bernstein)
    differentiated = staticmethod(local.bernstein_derivative)
    integrated = staticmethod(local.bernstein_antiderivative)

    @classmethod
    def from_power_basis(cls, pp: Any, extrapolate: Any = None) -> Any:
        """The same polynomial in the Bernstein basis."""
        if not duals_in((pp.c, pp.x)):
            return super().from_power_basis(pp, extrapolate)
        plain = _scipy.BPoly.from_power_basis(pp._plain(), extrapolate)
        degree = pp.c.shape[0] - 1
        widths = local.along(pp.x[1:] - pp.x[:-1], pp.c[0])
        scaled = [pp.c[degree - j] * widths**j / math.comb(degree, j) for j in range(degree + 1)]
        rows = [sum(math.comb(i, j) * scaled[j] for j in range(i + 1)) for i in range(degree + 1)]
        return cls.construct_fast(revalued(np.stack(rows), plain.c), pp.x, plain.extrapolate, pp.axis)

    @classmethod
    def from_derivatives(cls, xi: Any, yi: Any, orders: Any = None, extrapolate: Any = None) -> Any:
        """SciPy's, for plain values."""
        if duals_in((xi, yi)):
            raise no_rule("scipy.interpolate.BPoly.from_derivatives", " (CubicHermiteSpline has one)")
        return super().from_derivatives(xi, yi, orders, extrapolate)


# -- interpolants ------------------------------------------------------------------------------------------------------
def _interpolate(self: Any, plain: Any, x: Any, y: Any, axis: int, coefficients: Any) -> None:
    """The constructor of an interpolant from its coefficients, a function of x and y."""
    x, y = as_floats(x), np.moveaxis(as_floats(y), axis, 0)
    with np.errstate(all="ignore"):
        c = coefficients(x, y)
    # The interpolation axis of SciPy's coefficients is the first.
    self._hold(revalued(c, plain.c), revalued(x, plain.x), plain.extrapolate, plain.axis)


_INTERPOLANT = """{title}, as ``scipy.interpolate.{name}``; data and arguments may be duals.

    Parameters
    ----------
    x : array_like, shape (n,)
        Increasing abscissae.
    y : array_like
        The data, of length n along ``axis``.
    {others}
        As in SciPy.

    Notes
    -----
    {notes}

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import {name}
    >>> gradient(lambda y: {call}(1.5), np.array([0.0, 1.0, 3.0, 4.0])).round(3)
    array({result})
    """


class CubicHermiteSpline(PPoly, _scipy.CubicHermiteSpline):  # type: ignore[misc, name-defined]
    __doc__ = _INTERPOLANT.format(
        title="The piecewise cubic with given values and slopes",
        name="CubicHermiteSpline",
        others="dydx, axis, extrapolate",
        notes="The coefficients are linear in y and in the slopes.",
        call="CubicHermiteSpline(range(4), y, np.ones(4))",
        result="[0. , 0.5, 0.5, 0. ]",
    )

    def __init__(self, x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> None:
        if not duals_in((x, y, dydx)):
            super(Piecewise, self).__init__(x, y, dydx, axis, extrapolate)
            return
        plain = _scipy.CubicHermiteSpline(values_of(x), values_of(y), values_of(dydx), axis, extrapolate)
        _interpolate(self, plain, x, y, axis, lambda x, y: local.hermite(x, y, np.moveaxis(as_floats(dydx), axis, 0)))


class PchipInterpolator(PPoly, _scipy.PchipInterpolator):  # type: ignore[misc, name-defined]
    __doc__ = _INTERPOLANT.format(
        title="The piecewise cubic that is monotone where the data are",
        name="PchipInterpolator",
        others="axis, extrapolate",
        notes="The slopes are functions of the data, with kinks where secants change their sign or limits apply; the\n"
        "    branch that SciPy took is differentiated.",
        call="PchipInterpolator(range(4), y)",
        result="[-0.111,  0.611,  0.611, -0.111]",
    )

    def __init__(self, x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> None:
        if not duals_in((x, y)):
            super(Piecewise, self).__init__(x, y, axis, extrapolate)
            return
        plain = _scipy.PchipInterpolator(values_of(x), values_of(y), axis, extrapolate)
        _interpolate(self, plain, x, y, axis, lambda x, y: local.hermite(x, y, local.pchip_slopes(x, y)))


class Akima1DInterpolator(PPoly, _scipy.Akima1DInterpolator):  # type: ignore[misc, name-defined]
    __doc__ = _INTERPOLANT.format(
        title="Akima's piecewise cubic",
        name="Akima1DInterpolator",
        others="axis, method, extrapolate",
        notes="The slopes are functions of the data, with kinks where secants agree; the branch that SciPy took is\n"
        "    differentiated.",
        call="Akima1DInterpolator(range(4), y)",
        result="[0. , 0.5, 0.5, 0. ]",
    )

    def __init__(self, x: Any, y: Any, axis: int = 0, *, method: Any = "akima", extrapolate: Any = None) -> None:
        options = {"method": method} | ({} if extrapolate is None else {"extrapolate": extrapolate})
        if not duals_in((x, y)):
            super(Piecewise, self).__init__(x, y, axis, **options)
            return
        plain = _scipy.Akima1DInterpolator(values_of(x), values_of(y), axis, **options)
        _interpolate(self, plain, x, y, axis, lambda x, y: local.hermite(x, y, local.akima_slopes(x, y, method)))


class CubicSpline(PPoly, _scipy.CubicSpline):  # type: ignore[misc, name-defined]
    __doc__ = _INTERPOLANT.format(
        title="The twice differentiable cubic spline through data",
        name="CubicSpline",
        others="axis, bc_type, extrapolate",
        notes="The coefficients are linear in y: one banded solve for all directions.  x and the derivatives in\n"
        "    ``bc_type`` may be duals too.",
        call="CubicSpline(range(4), y)",
        result="[-0.062,  0.562,  0.562, -0.062]",
    )

    def __init__(self, x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> None:
        if not duals_in((x, y, bc_type)):
            super(Piecewise, self).__init__(x, y, axis, bc_type, extrapolate)
            return
        plain = _scipy.CubicSpline(values_of(x), values_of(y), axis, values_of(bc_type), extrapolate)
        ends = (bc_type, bc_type) if isinstance(bc_type, str) else bc_type
        _interpolate(self, plain, x, y, axis, lambda x, y: spline_coefficients(x, y, ends, plain.c))


def pchip_interpolate(xi: Any, yi: Any, x: Any, der: Any = 0, axis: int = 0) -> Any:
    """Values or derivatives of `PchipInterpolator`, as ``scipy.interpolate.pchip_interpolate``."""
    spline = PchipInterpolator(xi, yi, axis=axis)
    if der == 0:
        return spline(x)
    return spline.derivative(der)(x) if isinstance(der, int) else [spline.derivative(nu)(x) for nu in der]
