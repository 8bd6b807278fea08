"""FITPACK's spline objects whose knots do not depend on the data: ``UnivariateSpline`` with s=0 and its relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.interpolate import spline_basis as basis
from dualdiff.scipy.interpolate.bsplines import fitpack_coefficients, splev, splint
from dualdiff.scipy.interpolate.local_polynomials import as_floats
from dualdiff.scipy.solving.equations import implicit, revalued
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import values_of

_scipy = load("scipy.interpolate", "scipy", "dualdiff.scipy.interpolate")
_EXTRAPOLATED = {"extrapolate": 0, "zeros": 1, "raise": 2, "const": 3}

_DOC = """{title}, as ``scipy.interpolate.{name}``; the data and the arguments of methods may be duals.

    Parameters
    ----------
    x : array_like
        Abscissae: plain values.
    y, w : array_like
        Data and weights, which may be duals.
    {others}
        As in SciPy.{restriction}

    Raises
    ------
    dualdiff.LostDerivativeError
        For abscissae that are duals.

    Notes
    -----
    The coefficients are linear in y: one sparse solve for all directions.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import {name}
    >>> gradient(lambda y: {call}(1.5), np.array([0.0, 1.0, 3.0, 4.0])).round(4)
    array({result})
    """


class _Spline:
    """A spline with FITPACK's knots, and coefficients that may be duals."""

    _plain: Any
    _c: Any
    _data: Any = None

    def _hold(self, plain: Any, c: Any, data: Any = None) -> None:
        self._plain, self._c, self._data = plain, c, data

    @property
    def _tck(self) -> Any:
        t, _, k = _triple(self._plain)
        return t, self._c, k

    def __call__(self, x: Any, nu: int = 0, ext: Any = None) -> Any:
        value = self._plain(values_of(x), nu, ext)
        if not duals_in((x, self._c)):
            return value
        mode = self._plain.ext if ext is None else _EXTRAPOLATED.get(ext, ext)
        return revalued(np.reshape(splev(x, self._tck, nu, mode), np.shape(value)), value)

    def get_knots(self) -> Any:
        """The interior knots and the ends."""
        return self._plain.get_knots()

    def get_coeffs(self) -> Any:
        """The coefficients."""
        t, c, k = self._tck
        return c[: len(t) - k - 1]

    def get_residual(self) -> Any:
        """The weighted sum of squared residuals."""
        value = self._plain.get_residual()
        if not isinstance(self._c, AnyDual):
            return value
        x, y, w = self._data
        return revalued(np.sum((w * (splev(x, self._tck) - y)) ** 2), value)

    def integral(self, a: Any, b: Any) -> Any:
        """The integral from a to b, where the spline is zero outside of its knots."""
        value = self._plain.integral(values_of(a), values_of(b))
        return revalued(splint(a, b, self._tck), value) if duals_in((a, b, self._c)) else value

    def derivatives(self, x: Any) -> Any:
        """All derivatives at a point, from the zeroth."""
        value = self._plain.derivatives(values_of(x))
        if not duals_in((x, self._c)):
            return value
        return revalued(np.stack([splev(x, self._tck, nu) for nu in range(len(value))]), value)

    def _changed(self, method: str, step: Any, n: int) -> Any:
        plain = getattr(self._plain, method)(n)
        t, c, k = self._tck
        for _ in range(n):
            t, c, k = step(t, c, k)
        made = UnivariateSpline.__new__(UnivariateSpline)
        is_dual = isinstance(c, AnyDual)
        last = _triple(plain)[1]
        made._hold(plain, revalued(basis.padded(c, len(last)), last) if is_dual else last)
        return made

    def derivative(self, n: int = 1) -> Any:
        """The derivative of order n, a spline."""
        return self._changed("derivative", basis.differentiated, n)

    def antiderivative(self, n: int = 1) -> Any:
        """The antiderivative of order n, a spline."""
        return self._changed("antiderivative", basis.integrated, n)

    def roots(self) -> Any:
        """The zeros of a cubic spline, with derivatives by the implicit function theorem."""
        roots = self._plain.roots()
        if not isinstance(self._c, AnyDual):
            return roots
        name = "scipy.interpolate.UnivariateSpline.roots"
        return implicit(name, lambda r: splev(r, self._tck), lambda r: splev(r, _triple(self._plain)), roots)

    def set_smoothing_factor(self, s: Any) -> None:
        """Another fit to the same data, which must be plain."""
        if duals_in((s, self._c)):
            raise no_rule("scipy.interpolate.UnivariateSpline.set_smoothing_factor of duals")
        self._plain.set_smoothing_factor(s)
        self._c = _triple(self._plain)[1]


def _triple(plain: Any) -> tuple[Any, Any, int]:
    """The knots, the coefficients and the degree of SciPy's spline, as FITPACK has them."""
    knots, c = plain.get_knots(), plain.get_coeffs()
    k = len(c) - len(knots) + 1
    t = np.concatenate([np.repeat(knots[0], k), knots, np.repeat(knots[-1], k)])
    return t, np.concatenate([c, np.zeros(k + 1)]), k


def _made(self: Any, name: str, x: Any, y: Any, w: Any, plain: Any, is_fit: bool) -> None:
    t, c, k = _triple(plain)
    if duals_in((x, y, w)):
        c = fitpack_coefficients(name, x, y, w, t, c, k, is_fit)
    self._hold(plain, c, (plain_values(as_floats(x)), y, 1.0 if w is None else w))


class UnivariateSpline(_Spline):
    __doc__ = _DOC.format(
        title="A spline through data, or a smoothing one",
        name="UnivariateSpline",
        others="bbox, k, s, ext, check_finite",
        restriction="  With duals, ``s=0``: where FITPACK chooses the knots by the data, duals are refused.",
        call="UnivariateSpline(range(4), y, s=0)",
        result="[-0.0625,  0.5625,  0.5625, -0.0625]",
    )

    @signed_as(_scipy.UnivariateSpline.__init__)
    def __init__(
        self,
        x: Any,
        y: Any,
        w: Any = None,
        bbox: Any = (None, None),
        k: int = 3,
        s: Any = None,
        ext: Any = 0,
        check_finite: bool = False,
    ) -> None:
        if duals_in((x, y, w)) and s != 0:
            raise no_rule(
                "scipy.interpolate.UnivariateSpline of duals", " unless s=0 (LSQUnivariateSpline with knots has one)"
            )
        plain = _scipy.UnivariateSpline(*map(values_of, (x, y, w)), list(bbox), k, s, ext, check_finite)
        _made(self, "UnivariateSpline", x, y, w, plain, False)


class InterpolatedUnivariateSpline(_Spline):
    __doc__ = _DOC.format(
        title="A spline through data",
        name="InterpolatedUnivariateSpline",
        others="bbox, k, ext, check_finite",
        restriction="",
        call="InterpolatedUnivariateSpline(range(4), y)",
        result="[-0.0625,  0.5625,  0.5625, -0.0625]",
    )

    @signed_as(_scipy.InterpolatedUnivariateSpline.__init__)
    def __init__(
        self,
        x: Any,
        y: Any,
        w: Any = None,
        bbox: Any = (None, None),
        k: int = 3,
        ext: Any = 0,
        check_finite: bool = False,
    ) -> None:
        plain = _scipy.InterpolatedUnivariateSpline(*map(values_of, (x, y, w)), list(bbox), k, ext, check_finite)
        _made(self, "InterpolatedUnivariateSpline", x, y, w, plain, False)


class LSQUnivariateSpline(_Spline):
    __doc__ = _DOC.format(
        title="The spline with given knots that fits data best",
        name="LSQUnivariateSpline",
        others="t, bbox, k, ext, check_finite",
        restriction="",
        call="LSQUnivariateSpline(range(4), y, [], k=1)",
        result="[0.25, 0.25, 0.25, 0.25]",
    )

    @signed_as(_scipy.LSQUnivariateSpline.__init__)
    def __init__(
        self,
        x: Any,
        y: Any,
        t: Any,
        w: Any = None,
        bbox: Any = (None, None),
        k: int = 3,
        ext: Any = 0,
        check_finite: bool = False,
    ) -> None:
        plain = _scipy.LSQUnivariateSpline(
            values_of(x), values_of(y), t, values_of(w), list(bbox), k, ext, check_finite
        )
        _made(self, "LSQUnivariateSpline", x, y, w, plain, True)
