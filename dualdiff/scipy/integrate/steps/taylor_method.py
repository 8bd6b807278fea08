"""Taylor's method for ordinary differential equations: a solver class for ``scipy.integrate.solve_ivp``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual, make
from dualdiff.tangents.spaces.dense import Active
from dualdiff.tangents.spaces.taylor import Taylor as Space

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")
_EPS = float(np.finfo(float).eps)


def solution_coefficients(fun: Callable[[Any, Any], Any], t0: float, y0: Any, order: int) -> Any:
    r"""The Taylor coefficients at t0 of the solution of :math:`y' = f(t, y)`, along the first axis.

    ``k y_k`` is coefficient k - 1 of f, which depends on y up to order k - 1: one call of f for each order.
    """
    c = np.zeros((order + 1, *np.shape(y0)), np.result_type(y0, float))
    c[0] = y0
    tag = tags.start()
    try:
        for k in range(order):
            c[k + 1] = _coefficient(fun, t0, c[: k + 1], tag) / (k + 1)
    finally:
        tags.end(tag)
    return c


def _coefficient(fun: Callable[[Any, Any], Any], t0: float, c: Any, tag: int) -> Any:
    """The last coefficient of f along the series of y."""
    k = len(c) - 1
    if k == 0:
        return np.asarray(fun(t0, c[0].copy()), c.dtype)
    space = Space(tag, k)
    tags.running(space)
    y = space.array(c[0].copy(), Active(space.all, c[1:].copy()), space)
    y.held = True
    slope = operand(fun(make(float(t0), Active((0,), np.ones(1)), space), y))
    if not isinstance(slope, AnyDual):
        # Constant in t and y.
        return np.zeros_like(c[0])
    if slope.shape != y.shape:
        raise ValueError(f"y has shape {y.shape}, but f(t, y) has shape {slope.shape}")
    return space.read(slope.raw, slope.value)[-1]


class Taylor(_scipy.OdeSolver):  # type: ignore[misc,name-defined]
    r"""Taylor's method with adaptive order and step, for ``solve_ivp(..., method=Taylor)``.

    Each step sums the Taylor series of the solution, whose coefficients come from the equation itself.  It is meant for
    smooth, nonstiff systems that are wanted to nearly the precision of floating-point numbers.

    Parameters
    ----------
    fun : callable
        ``fun(t, y)``, the right-hand side, written for NumPy; it is called on power series.
    t0, y0, t_bound
        The initial time, the initial state and the final time.
    max_step : float
        The largest step.
    rtol, atol : float or array_like
        The error of a step is kept below ``atol + rtol * abs(y)`` in each component.
    vectorized : bool
        As in SciPy.
    order : int, optional
        The order of the series; by default the one that costs least for the tolerance.

    Attributes
    ----------
    radius : float
        The estimated radius of convergence at the start of the last step: the distance to the nearest singularity of
        the solution in the complex plane.

    Raises
    ------
    ValueError
        If the order is less than 2, or ``fun`` returns another shape than that of y.

    Notes
    -----
    With order K, a step costs K calls of ``fun`` on series, about ``K**3 / 3`` multiplications for each one in ``fun``.
    Order and step follow À. Jorba and M. Zou, A software package for the numerical integration of ODEs by means of
    high-order Taylor methods, Experimental Mathematics 14 (2005).

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.integrate import solve_ivp
    >>> from dualdiff.scipy.integrate import Taylor
    >>> solution = solve_ivp(lambda t, y: np.stack([y[1], -y[0]]), (0.0, np.pi), [0.0, 1.0], method=Taylor)
    >>> solution.y[:, -1].round(14) + 0.0
    array([ 0., -1.])
    """

    t: Any
    y: Any

    def __init__(
        self,
        fun: Callable[[Any, Any], Any],
        t0: float,
        y0: Any,
        t_bound: float,
        max_step: float = math.inf,
        rtol: Any = 1e-15,
        atol: Any = 1e-15,
        vectorized: bool = False,
        order: int | None = None,
        **extraneous: Any,
    ) -> None:
        if extraneous:
            raise TypeError(f"Taylor has no options {', '.join(extraneous)}")
        super().__init__(fun, t0, y0, t_bound, vectorized, support_complex=True)
        self._equation, self.max_step = fun, float(max_step)
        self.rtol, self.atol = np.maximum(rtol, _EPS / 2), atol
        if order is None:
            order = max(4, math.ceil(1 - 0.5 * math.log(np.min(self.rtol))))
        if order < 2:
            raise ValueError(f"Taylor needs an order of at least 2, not {order!r}")
        self.order, self.radius = int(order), math.inf
        self.coefficients: Any = None

    def _step_impl(self) -> tuple[bool, str | None]:
        with np.errstate(all="ignore"):
            c = solution_coefficients(self._equation, self.t, self.y, self.order)
        self.nfev += self.order
        if not np.all(np.isfinite(c)):
            return False, "a Taylor coefficient of the solution is infinite or NaN"
        step = min(self._step(c), self.max_step, abs(self.t_bound - self.t))
        if not step > abs(np.spacing(self.t)):
            return False, self.TOO_SMALL_STEP
        t = self.t + self.direction * step
        if self.direction * (t - self.t_bound) > 0 or step == abs(self.t_bound - self.t):
            t = self.t_bound
        self.coefficients = c
        self.y = _polynomial(c, t - self.t)
        self.t = t
        return True, None

    def _step(self, c: Any) -> float:
        """The step at which the last two terms of the series are at the tolerance."""
        scale = self.atol + self.rtol * np.abs(c[0])
        k = self.order
        sizes = [float(np.max(np.abs(c[i]) / scale)) for i in (k - 1, k)]
        at = [size ** (-1 / i) if size > 0 else math.inf for i, size in zip((k - 1, k), sizes, strict=True)]
        relative = [float(np.max(np.abs(c[i]))) / max(float(np.max(np.abs(c[0]))), _EPS) for i in (k - 1, k)]
        self.radius = min(s ** (-1 / i) if s > 0 else math.inf for i, s in zip((k - 1, k), relative, strict=True))
        return 0.9 * min(at)

    def _dense_output_impl(self) -> _Polynomial:
        return _Polynomial(self.t_old, self.t, self.coefficients)


class _Polynomial(_scipy.DenseOutput):  # type: ignore[misc,name-defined]
    """The Taylor polynomial of a step."""

    def __init__(self, t_old: float, t: float, coefficients: Any) -> None:
        super().__init__(t_old, t)
        self.coefficients = coefficients

    def _call_impl(self, t: Any) -> Any:
        return _polynomial(self.coefficients[(..., *(None,) * np.ndim(t))], t - self.t_old)


def _polynomial(c: Any, h: Any) -> Any:
    total = c[-1]
    for coefficient in c[-2::-1]:
        total = total * h + coefficient
    return total
