"""``BSpline`` and the functions that make one, or FITPACK's triples (t, c, k), with coefficients that may be duals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import lost, no_rule
from dualdiff.base.extras import load
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import axis_of, duals_in, plain_values
from dualdiff.scipy.interpolate import spline_basis as basis
from dualdiff.scipy.interpolate.held_attributes import Held, hold
from dualdiff.scipy.interpolate.local_polynomials import as_floats
from dualdiff.scipy.solving.equations import implicit, revalued
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import values_of

_scipy = load("scipy.interpolate", "scipy", "dualdiff.scipy.interpolate")


def refuse_duals(name: str, **parameters: Any) -> None:
    """Refuse duals in parameters that may not carry a tangent."""
    for parameter, x in parameters.items():
        if duals_in(x):
            raise lost(f"a dual number as {parameter}= of dualdiff.scipy.interpolate.{name}", "a plain value there")


class BSpline(_scipy.BSpline):  # type: ignore[misc, name-defined]
    """A spline as a sum of B-splines, as ``scipy.interpolate.BSpline``; knots, coefficients and arguments may be duals.

    Parameters
    ----------
    t : array_like, shape (n + k + 1,)
        Knots.
    c : array_like, shape (>= n, ...)
        Coefficients.
    k : int
        Degree.
    extrapolate, axis
        As in SciPy.

    Notes
    -----
    With plain knots and arguments, values are a product of a sparse matrix with c.  At a knot the polynomial on its
    right is differentiated, as it is evaluated.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import BSpline
    >>> gradient(lambda c: BSpline([0, 0, 1, 2, 2], c, 1)(0.25), np.array([1.0, 2.0, 4.0]))
    array([0.75, 0.25, 0.  ])
    """

    t: Any = Held()
    c: Any = Held()
    k: Any = Held()
    extrapolate: Any = Held()
    axis: Any = Held()

    def __init__(self, t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0) -> None:
        if not duals_in((t, c)):
            super().__init__(t, c, k, extrapolate, axis)
            return
        plain = _scipy.BSpline(values_of(t), values_of(c), k, extrapolate, axis)
        t, c = as_floats(t), as_floats(c)
        self._hold(t, np.moveaxis(c, axis, 0) if axis else c, plain.k, plain.extrapolate, plain.axis)

    @classmethod
    def construct_fast(cls, t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0) -> Any:
        """The object for these knots and coefficients, which are not checked."""
        if not duals_in((t, c)):
            return super().construct_fast(t, c, k, extrapolate, axis)
        self = cls.__new__(cls)
        self._hold(t, c, k, extrapolate, axis)
        return self

    def _hold(self, t: Any, c: Any, k: int, extrapolate: Any, axis: int) -> None:
        hold(self, t=t, c=c, k=k, extrapolate=extrapolate, axis=axis)

    def _is_dual(self) -> bool:
        return isinstance(self.c, AnyDual) or isinstance(self.t, AnyDual)

    def _plain(self) -> Any:
        t, c = plain_values(self.t), np.ascontiguousarray(plain_values(self.c))
        return _scipy.BSpline.construct_fast(t, c, self.k, self.extrapolate, self.axis)

    def _along_axis(self, result: Any, ndim: int) -> Any:
        if not self.axis:
            return result
        axes = list(range(np.ndim(result)))
        return np.transpose(result, axes[ndim : ndim + self.axis] + axes[:ndim] + axes[ndim + self.axis :])

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        if not self._is_dual() and not duals_in(x):
            return super().__call__(x, nu, extrapolate)
        x = as_floats(x)
        value = self._plain()(plain_values(x), nu, extrapolate)
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        with np.errstate(all="ignore"):
            dual = basis.spline(self.t, self.c, self.k, np.ravel(x), nu, extrapolate)
            return revalued(self._along_axis(np.reshape(dual, x.shape + self.c.shape[1:]), x.ndim), value)

    def derivative(self, nu: int = 1) -> Any:
        """The derivative of order nu, a spline of lower degree."""
        return self._changed("derivative", basis.differentiated, nu)

    def antiderivative(self, nu: int = 1) -> Any:
        """The antiderivative of order nu that is zero at the first knot."""
        result = self._changed("antiderivative", basis.integrated, nu)
        result.extrapolate = False if self.extrapolate == "periodic" else self.extrapolate
        return result

    def _changed(self, method: str, step: Any, nu: int) -> Any:
        plain = getattr(_scipy.BSpline, method)(self._plain() if self._is_dual() else self, nu)
        if not self._is_dual():
            return type(self).construct_fast(plain.t, plain.c, plain.k, plain.extrapolate, plain.axis)
        t, c, k = self.t, self.c, self.k
        for _ in range(nu):
            t, c, k = step(t, c, k)
        c = basis.padded(c[: len(t) - k - 1], plain.c.shape[0], method == "antiderivative")
        return self.construct_fast(revalued(t, plain.t), revalued(c, plain.c), k, self.extrapolate, self.axis)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        """The definite integral from a to b."""
        if not self._is_dual() and not duals_in((a, b)):
            return super().integrate(a, b, extrapolate)
        value = self._plain().integrate(values_of(a), values_of(b), extrapolate)
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        primitive = basis.integrated(self.t, self.c, self.k)
        start, end = self.t[self.k], self.t[len(self.t) - self.k - 1]

        def at(x: Any) -> Any:
            return basis.spline(*primitive, as_floats(x)[None] if np.ndim(x) else np.stack([x]), 0, True)[0]

        def up_to(x: Any) -> Any:
            if extrapolate != "periodic":
                return at(x if extrapolate else np.clip(x, start, end))
            count = np.floor((plain_values(x) - plain_values(start)) / plain_values(end - start))
            return count * (at(end) - at(start)) + at(x - count * (end - start))

        with np.errstate(all="ignore"):
            result = up_to(b) - up_to(a)
            return revalued(np.reshape(self._along_axis(result, 0), np.shape(value)), value)

    @classmethod
    def from_power_basis(cls, pp: Any, bc_type: str = "not-a-knot") -> Any:
        """SciPy's, for plain values."""
        refuse_duals("BSpline.from_power_basis", pp=(pp.c, pp.x))
        return super().from_power_basis(pp, bc_type)

    def insert_knot(self, x: Any, m: int = 1) -> Any:
        """The same spline with a knot more."""
        refuse_duals("BSpline.insert_knot", x=x, t=self.t)
        if not self._is_dual():
            return super().insert_knot(x, m)
        plain = self._plain().insert_knot(x, m)
        # The new coefficients are linear in the old ones.
        count = self.c.shape[0]
        unit = _scipy.BSpline.construct_fast(self.t, np.eye(count), self.k, self.extrapolate, 0)
        c = np.tensordot(unit.insert_knot(x, m).c, self.c, 1)
        return self.construct_fast(plain.t, revalued(c, plain.c), self.k, self.extrapolate, self.axis)


def _ends(deriv: Any) -> list[tuple[int, Any]]:
    if isinstance(deriv, str):
        return [({"clamped": 1, "natural": 2}[deriv], 0.0)]
    return [] if deriv is None else list(deriv)


@signed_as(_scipy.make_interp_spline)
def make_interp_spline(
    x: Any, y: Any, k: int = 3, t: Any = None, bc_type: Any = None, axis: int = 0, check_finite: bool = True
) -> Any:
    """The interpolating spline of degree k, as ``scipy.interpolate.make_interp_spline``.

    Parameters
    ----------
    x, y : array_like
        Abscissae and data, which may be duals.
    k, axis, check_finite
        As in SciPy.
    t : array_like, optional
        Knots, which may be duals; chosen from x by default.
    bc_type : optional
        Conditions at the ends as in SciPy; derivatives given there may be duals.

    Returns
    -------
    BSpline
        The spline, whose coefficients are linear in y.

    Raises
    ------
    ValueError
        As SciPy's.
    dualdiff.NoRuleError
        For abscissae that are duals, with ``bc_type="periodic"``.

    Notes
    -----
    One sparse factorization, and one solve for all directions.  With respect to x and t by the implicit function
    theorem.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import make_interp_spline
    >>> gradient(lambda y: make_interp_spline(range(4), y)(1.5), np.array([0.0, 1.0, 3.0, 4.0])).round(4)
    array([-0.0625,  0.5625,  0.5625, -0.0625])
    """
    arguments = (x, y, k, t, bc_type, axis, check_finite)
    plain = _scipy.make_interp_spline(*map(values_of, arguments))
    if not duals_in(arguments):
        return BSpline.construct_fast(plain.t, plain.c, plain.k, plain.extrapolate, plain.axis)
    x, y = as_floats(x), as_floats(y)
    y = np.moveaxis(y, axis_of(axis, y.ndim), 0)
    is_periodic = isinstance(bc_type, str) and bc_type == "periodic"
    if is_periodic and duals_in((x, t)):
        raise no_rule('scipy.interpolate.make_interp_spline with abscissae that are duals and bc_type="periodic"')
    if bc_type is None or isinstance(bc_type, str):
        start = end = [] if bc_type in (None, "not-a-knot", "periodic") else _ends(bc_type)
    else:
        start, end = map(_ends, bc_type)
    with np.errstate(all="ignore"):
        if t is not None:
            knots = as_floats(t)
        elif isinstance(x, AnyDual) and k > 0:
            knots = basis.knots_of(x, k, bool(start or end))
        else:
            knots = np.concatenate([x, x[-1:]]) if k == 0 else plain.t
        if k == 0 or (k == 1 and t is None):
            c = y
        elif is_periodic:
            c = basis.periodic(x, y, plain.t, k)
        else:
            c = basis.interpolating(x, y, knots, k, start, end, plain.c)
        knots = revalued(knots, plain.t)
        return BSpline.construct_fast(knots, revalued(c, plain.c), plain.k, plain.extrapolate, plain.axis)


@signed_as(_scipy.make_lsq_spline)
def make_lsq_spline(
    x: Any, y: Any, t: Any, k: int = 3, w: Any = None, axis: int = 0, check_finite: bool = True, **options: Any
) -> Any:
    """The spline with given knots that fits data best, as ``scipy.interpolate.make_lsq_spline``.

    Parameters
    ----------
    x, t : array_like
        Abscissae and knots: plain values.
    y : array_like
        The data, which may be duals.
    w : array_like, optional
        Weights, which may be duals.
    k, axis, check_finite, method
        As in SciPy.

    Returns
    -------
    BSpline
        The spline, whose coefficients are linear in y.

    Raises
    ------
    dualdiff.LostDerivativeError
        For abscissae or knots that are duals.

    Notes
    -----
    Derivatives solve the normal equations with one sparse factorization.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import make_lsq_spline
    >>> gradient(lambda y: make_lsq_spline(range(4), y, [0, 0, 3, 3], 1)(0.0), np.arange(4.0)).round(3)
    array([ 0.7,  0.4,  0.1, -0.2])
    """
    refuse_duals("make_lsq_spline", x=x, t=t)
    plain = _scipy.make_lsq_spline(x, values_of(y), t, k, values_of(w), axis, check_finite, **options)
    if not duals_in((y, w)):
        return BSpline.construct_fast(plain.t, plain.c, plain.k, plain.extrapolate, plain.axis)
    y = as_floats(y)
    y = np.moveaxis(y, axis_of(axis, y.ndim), 0)
    w = np.ones(len(y)) if w is None else as_floats(w)
    c = basis.least_squares(as_floats(x), y, plain.t, plain.k, w)
    return BSpline.construct_fast(plain.t, revalued(c, plain.c), plain.k, plain.extrapolate, plain.axis)


# -- FITPACK -----------------------------------------------------------------------------------------------------------
def fitpack_coefficients(name: str, x: Any, y: Any, w: Any, t: Any, c: Any, k: int, is_fit: bool) -> Any:
    """FITPACK's coefficients c of an interpolating spline, or of a fit with given knots, with the tangents of y, w."""
    refuse_duals(name, x=x, t=t)
    count = len(t) - k - 1
    x, y = as_floats(x), as_floats(y)
    w = np.ones(len(x)) if w is None else as_floats(w)
    with np.errstate(all="ignore"):
        dual = basis.least_squares(x, y, t, k, w) if is_fit else basis.interpolating(x, y, t, k, [], [], c[:count])
        return revalued(basis.padded(dual, len(c)), c)


@signed_as(_scipy.splrep)
def splrep(
    x: Any,
    y: Any,
    w: Any = None,
    xb: Any = None,
    xe: Any = None,
    k: int = 3,
    task: int = 0,
    s: Any = None,
    t: Any = None,
    full_output: Any = 0,
    per: Any = 0,
    quiet: Any = 1,
) -> Any:
    """The spline through data, or with given knots the best fit, as ``scipy.interpolate.splrep``.

    Parameters
    ----------
    x, t : array_like
        Abscissae and interior knots: plain values.
    y, w : array_like
        Data and weights, which may be duals.
    xb, xe, k, task, s, full_output, per, quiet
        As in SciPy.  With duals the knots must not depend on the data: ``s=0``, or ``task=-1`` and t.

    Returns
    -------
    tuple
        Knots, coefficients (which are linear in y) and degree.

    Raises
    ------
    dualdiff.NoRuleError
        For duals with ``s > 0``, where FITPACK chooses knots by the data, with ``full_output`` or ``per``.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.interpolate import splev, splrep
    >>> gradient(lambda y: splev(1.5, splrep(range(4), y)), np.array([0.0, 1.0, 3.0, 4.0])).round(4)
    array([-0.0625,  0.5625,  0.5625, -0.0625])
    """
    arguments = (x, y, w, xb, xe, k, task, s, t, full_output, per, quiet)
    if not duals_in(arguments):
        return _scipy.splrep(*arguments)
    refuse_duals("splrep", x=x, xb=xb, xe=xe, t=t, s=s)
    is_fit = task == -1 or t is not None
    if (not is_fit and not (s == 0 or (s is None and w is None))) or full_output or per:
        raise no_rule("scipy.interpolate.splrep of duals", " unless s=0 or t is given, without full_output and per")
    knots, c, k = _scipy.splrep(*map(values_of, arguments))
    return knots, fitpack_coefficients("splrep", x, y, w, knots, c, k, is_fit), k


@signed_as(_scipy.splev)
def splev(x: Any, tck: Any, der: int = 0, ext: int = 0) -> Any:
    """The values of a spline or of its derivative, as ``scipy.interpolate.splev``.

    Parameters
    ----------
    x : array_like
        The points, which may be duals.
    tck : tuple or BSpline
        Knots, coefficients and degree; knots and coefficients may be duals.
    der, ext
        As in SciPy.

    Returns
    -------
    array
        The values.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.interpolate import splev
    >>> derivative(lambda x: splev(x, ([0, 0, 1, 1], [1.0, 3.0, 0, 0], 1)), 0.5)
    array(2.)
    """
    t, c, k = tck.tck if hasattr(tck, "tck") else tck
    if not duals_in((x, t, c)):
        return _scipy.splev(x, tck, der, ext)
    value = _scipy.splev(values_of(x), (values_of(t), values_of(c), k), der, ext)
    x, t = as_floats(x), as_floats(t)
    with np.errstate(all="ignore"):
        if isinstance(c, (list, tuple)) and len(c) and np.ndim(c[0]):
            return [revalued(_splev(x, t, as_floats(e), k, der, ext), v) for e, v in zip(c, value, strict=True)]
        return revalued(_splev(x, t, as_floats(c), k, der, ext), value)


def _splev(x: Any, t: Any, c: Any, k: int, der: int, ext: int) -> Any:
    start, end = t[k], t[-k - 1]
    at, first, last = plain_values(x), plain_values(start), plain_values(end)
    points = np.where(at < first, start, np.where(at > last, end, x)) if ext == 3 else x
    result = np.reshape(basis.spline(t, c, k, np.ravel(points), der, True), np.shape(at))
    return np.where((at < first) | (at > last), 0.0, result) if ext == 1 else result


def _tck_function(name: str, method: str) -> Any:
    scipys = getattr(_scipy, name)

    def function(tck: Any, n: int = 1) -> Any:
        t, c, k = tck.tck if hasattr(tck, "tck") else tck
        if not duals_in((t, c)):
            return scipys(tck, n)
        t, c = as_floats(t), as_floats(c)
        plain = scipys((plain_values(t), plain_values(c), k), n)
        spline = getattr(BSpline.construct_fast(t, c, k), method)(n)
        c = revalued(basis.padded(spline.c, len(plain[1]), method == "antiderivative"), plain[1])
        return BSpline.construct_fast(spline.t, c, plain[2]) if hasattr(tck, "tck") else (spline.t, c, plain[2])

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As ``scipy.interpolate.{name}``, of a spline whose knots or coefficients may be duals."
    return signed_as(scipys)(function)


splder: Callable[..., Any] = _tck_function("splder", "derivative")
splantider: Callable[..., Any] = _tck_function("splantider", "antiderivative")


@signed_as(_scipy.splint)
def splint(a: Any, b: Any, tck: Any, full_output: Any = 0) -> Any:
    """The integral of a spline, zero outside of its knots, as ``scipy.interpolate.splint``; all may be duals."""
    t, c, k = tck.tck if hasattr(tck, "tck") else tck
    if not duals_in((a, b, t, c)):
        return _scipy.splint(a, b, tck, full_output)
    if full_output:
        raise no_rule("scipy.interpolate.splint of duals with full_output")
    value = _scipy.splint(values_of(a), values_of(b), (values_of(t), values_of(c), k))
    return revalued(BSpline.construct_fast(as_floats(t), as_floats(c), k, False).integrate(a, b), value)


@signed_as(_scipy.sproot)
def sproot(tck: Any, mest: int = 10) -> Any:
    """The zeros of a cubic spline, as ``scipy.interpolate.sproot``; coefficients may be duals."""
    t, c, k = tck.tck if hasattr(tck, "tck") else tck
    if not duals_in((t, c)):
        return _scipy.sproot(tck, mest)
    t, c = as_floats(t), as_floats(c)
    plain = plain_values(t), plain_values(c), k
    roots = _scipy.sproot(plain, mest)
    return implicit("scipy.interpolate.sproot", lambda r: splev(r, (t, c, k)), lambda r: splev(r, plain), roots)
