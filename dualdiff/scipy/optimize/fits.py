"""``scipy.optimize``: nonlinear least-squares fits, as functions of the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.drivers.gradient import gradient
from dualdiff.drivers.jacobian import jacobian
from dualdiff.rules.scipy.linalg.cholesky import cholesky
from dualdiff.rules.scipy.linalg.solve import solve_triangular
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.optimize.optima import Constraint, identity, limits_of, minimum, plain_bounds
from dualdiff.scipy.solving.equations import revalued, unknown
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import Stripped, stripped, values_of

_scipy = load("scipy.optimize", "scipy", "dualdiff.scipy.optimize")

#: The loss functions of `least_squares`, of squared residuals.
LOSSES: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "soft_l1": lambda z: 2 * ((1 + z) ** 0.5 - 1),
    "huber": lambda z: np.where(z <= 1, z, 2 * np.where(z <= 1, 1.0, z) ** 0.5 - 1),
    "cauchy": np.log1p,
    "arctan": np.arctan,
}


def _cost(residuals: Callable[[Any], Any], loss: Any, f_scale: Any, x: Any) -> Any:
    """Half the sum of squared residuals, or of their losses."""
    r = np.ravel(operand(residuals(x)))
    if loss == "linear":
        return 0.5 * np.sum(r * r)
    z = (r / f_scale) ** 2
    return 0.5 * f_scale**2 * np.sum(loss(z)[0] if callable(loss) else LOSSES[loss](z))


@signed_as(_scipy.least_squares)
def least_squares(
    fun: Any,
    x0: Any,
    jac: Any = "2-point",
    bounds: Any = (-np.inf, np.inf),
    method: Any = "trf",
    ftol: Any = 1e-8,
    xtol: Any = 1e-8,
    gtol: Any = 1e-8,
    x_scale: Any = None,
    loss: Any = "linear",
    f_scale: Any = 1.0,
    diff_step: Any = None,
    tr_solver: Any = None,
    tr_options: Any = None,
    jac_sparsity: Any = None,
    max_nfev: Any = None,
    verbose: Any = 0,
    args: Any = (),
    kwargs: Any = None,
    **options: Any,
) -> Any:
    r"""A fit by nonlinear least squares, as ``scipy.optimize.least_squares``, as a function of the data.

    The solution is differentiated as the minimum of :math:`\frac12 \sum_i \rho(f_i^2)` subject to the active bounds,
    with the exact Hessian, not the Gauss-Newton approximation.

    Parameters
    ----------
    fun : callable
        The residuals; they may depend on duals through ``args``, ``kwargs`` or variables that fun closes over.
    x0, jac, method, ...
        As in SciPy.
    bounds : pair of arrays, or Bounds
        May hold duals.
    loss : str or callable
        A callable may depend on duals too.

    Returns
    -------
    OptimizeResult
        SciPy's, bit for bit, with derivatives in ``x``, ``cost``, ``fun`` and ``grad``, and in ``jac`` for the linear
        loss; for others the derivative of ``jac`` is NaN.

    Raises
    ------
    as SciPy
        For invalid arguments.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: the method did not converge, the Hessian is singular, or a bound is active with
        multiplier zero.

    Notes
    -----
    fun runs on plain values until the solution is found; the Hessian and the derivative of the gradient are computed
    there by nested calls.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy.optimize import least_squares
    >>> t = np.array([0.0, 1.0, 2.0])
    >>> slope_of = lambda y: least_squares(lambda p: p[0] + p[1] * t - y, [0.0, 0.0]).x[1]
    >>> jacobian(slope_of, np.array([1.0, 2.0, 2.5])).round(6) + 0.0
    array([-0.5,  0. ,  0.5])
    """
    calls = partial(fun, **kwargs) if kwargs and callable(fun) else fun
    function = Stripped(calls, args)
    result = _scipy.least_squares(
        function.plain,
        values_of(x0),
        stripped(jac),
        plain_bounds(bounds),
        method,
        ftol,
        xtol,
        gtol,
        x_scale,
        stripped(loss),
        f_scale,
        diff_step,
        tr_solver,
        tr_options,
        jac_sparsity,
        max_nfev,
        verbose,
        function.plain_args,
        **options,
    )
    limits = limits_of(bounds)
    duals = [*function.duals, *duals_in(limits), *(Stripped(loss).duals if callable(loss) else ())]
    if duals:
        sides = function.sides()
        costs = partial(_cost, sides[0], loss, f_scale), partial(_cost, sides[1], loss, f_scale)
        x = result.x
        result.x, _ = minimum(
            "least_squares", costs, x, [Constraint((identity, identity), *limits)], result.success, duals
        )
        result.cost = revalued(costs[0](result.x), result.cost)
        result.fun = revalued(np.atleast_1d(operand(sides[0](result.x))), result.fun)
        result.grad = revalued(gradient(costs[0], result.x), result.grad)
        if issubclass(type(result.jac), np.ndarray):
            plain = result.jac
            linear = loss == "linear"
            result.jac = (
                revalued(np.reshape(jacobian(_flat(sides[0]), result.x), plain.shape), plain)
                if linear
                else unknown(plain, result.x)
            )
    return result


def _flat(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: np.ravel(operand(f(x)))


@signed_as(_scipy.curve_fit)
def curve_fit(
    f: Any,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: Any = False,
    check_finite: Any = None,
    bounds: Any = (-np.inf, np.inf),
    method: Any = None,
    jac: Any = None,
    *,
    full_output: Any = False,
    nan_policy: Any = None,
    **kwargs: Any,
) -> Any:
    r"""The fitted parameters of a model, as ``scipy.optimize.curve_fit``, as functions of the data.

    The parameters are differentiated as the minimum of :math:`\frac12 \sum_i ((f(x_i; p) - y_i) / \sigma_i)^2`.

    Parameters
    ----------
    f : callable
        The model, ``f(x, p1, p2, ...)``, which may close over duals.
    xdata, ydata : array_like
        The data, which may be duals.
    p0, absolute_sigma, check_finite, method, jac, full_output, nan_policy, **kwargs
        As in SciPy.
    sigma : array_like, optional
        Standard deviations, or the covariance matrix, of ydata, which may be duals.
    bounds : pair of arrays, or Bounds
        May hold duals.

    Returns
    -------
    popt, pcov : arrays
        SciPy's, bit for bit, with their derivatives; that of pcov is NaN unless the loss is linear.  With
        ``full_output`` also SciPy's further results.

    Raises
    ------
    as SciPy
        For invalid arguments, and if the fit does not converge.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: the Hessian is singular, or a bound is active with multiplier zero.

    Notes
    -----
    f runs on plain values until the solution is found; the Hessian and the derivative of the gradient are computed
    there by nested calls.  For few parameters and many data points, ``mode="reverse"`` is the cheap mode.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy.optimize import curve_fit
    >>> t = np.array([0.0, 1.0, 2.0])
    >>> slope_of = lambda y: curve_fit(lambda t, a, b: a + b * t, t, y)[0][1]
    >>> jacobian(slope_of, np.array([1.0, 2.0, 2.5])).round(6) + 0.0
    array([-0.5,  0. ,  0.5])
    """
    function = Stripped(f)
    plain_jac = stripped(jac)
    result = _scipy.curve_fit(
        function.plain,
        values_of(xdata),
        values_of(ydata),
        values_of(p0),
        values_of(sigma),
        absolute_sigma,
        check_finite,
        plain_bounds(bounds),
        method,
        plain_jac,
        full_output=full_output,
        nan_policy=nan_policy,
        **kwargs,
    )
    data = [operand(x) if issubclass(type(x), (list, tuple, np.ndarray)) else x for x in (xdata, ydata, sigma)]
    limits = limits_of(bounds)
    duals = [*function.duals, *duals_in((data, limits))]
    if not duals:
        return result
    popt, pcov = result[:2]
    data = _without_nan(*data) if nan_policy == "omit" and not check_finite else data
    residuals = [partial(_misfit, f, *data), partial(_misfit, function.sides()[1], *values_of(data))]
    loss = kwargs.get("loss", "linear")
    scale = kwargs.get("f_scale", 1.0)
    costs = partial(_cost, residuals[0], loss, scale), partial(_cost, residuals[1], loss, scale)
    p, _ = minimum("curve_fit", costs, popt, [Constraint((identity, identity), *limits)], True, duals)
    return p, _covariance(residuals[0], p, pcov, absolute_sigma, loss), *result[2:]


def _without_nan(x: Any, y: Any, sigma: Any) -> list[Any]:
    """The data without the points that contain NaN."""
    kept = ~np.isnan(plain_values(x))
    kept = kept.all(axis=tuple(range(kept.ndim - 1))) & ~np.isnan(plain_values(y))
    if np.ndim(sigma):
        sigma = sigma[kept] if np.ndim(sigma) == 1 else sigma[kept][:, kept]
    return [x[..., kept], y[kept], sigma]


def _misfit(f: Callable[..., Any], x: Any, y: Any, sigma: Any, p: Any) -> Any:
    """The weighted residuals of a model."""
    x, y = (a.astype(float) if getattr(a, "dtype", np.dtype(float)).kind in "iub" else a for a in (x, y))
    r = operand(f(x, *p)) - y
    if sigma is None:
        return r
    if np.ndim(sigma) == 2 and np.size(sigma) > 1:
        return solve_triangular(cholesky(sigma, lower=True), r, lower=True)
    return r / sigma


def _covariance(residuals: Callable[[Any], Any], p: Any, pcov: Any, absolute_sigma: Any, loss: Any) -> Any:
    """The covariance of the parameters, with its derivative."""
    if not np.all(np.isfinite(pcov)):
        return pcov
    if loss != "linear":
        return unknown(pcov, p)
    r, j = operand(residuals(p)), jacobian(residuals, p)
    r, j = np.ravel(r), np.reshape(j, (-1, np.size(p)))
    covariance = np.linalg.inv(j.T @ j)
    if not absolute_sigma:
        covariance = covariance * (np.sum(r * r) / (np.size(r) - np.size(p)))
    return revalued(covariance, pcov)
