"""``scipy.optimize``: minima of functions, differentiated by the optimality conditions."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.drivers.derivative import derivative
from dualdiff.drivers.gradient import gradient
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.optimize.optima import Constraint, identity, limits_of_pairs, minimum, plain_bounds
from dualdiff.scipy.solving.equations import MOVED, implicit, revalued, unknown
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import Stripped, stripped, values_of

_scipy = load("scipy.optimize", "scipy", "dualdiff.scipy.optimize")


def _scalar(f: Callable[[Any], Any], x: Any) -> Any:
    """The value, as a scalar, of a function that may return its gradient as well."""
    result = f(x)
    result = result[0] if isinstance(result, tuple) else result
    return result if np.ndim(result) == 0 else np.reshape(operand(result), ())


@signed_as(_scipy.minimize_scalar)
def minimize_scalar(
    fun: Any,
    bracket: Any = None,
    bounds: Any = None,
    args: Any = (),
    method: Any = None,
    tol: Any = None,
    options: Any = None,
) -> Any:
    r"""The minimum of a function of one variable, as ``scipy.optimize.minimize_scalar``.

    .. math:: dx = -\frac{d f'(x)}{f''(x)}

    Parameters
    ----------
    fun : callable
        The function; it may depend on duals through ``args`` or variables that it closes over.
    bracket, bounds, method, tol, options
        As in SciPy.  The derivative of a minimum at a bound is that of the bound.
    args : tuple
        Further arguments of fun.

    Returns
    -------
    OptimizeResult
        SciPy's, bit for bit, with derivatives in ``x`` and ``fun``.

    Raises
    ------
    as SciPy
        For invalid arguments.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: the method did not converge, or the second derivative is zero.

    Notes
    -----
    fun runs on plain values until the minimum is found; the second derivative and the derivative of the first one are
    computed there by nested calls.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.optimize import minimize_scalar
    >>> print(round(derivative(lambda a: minimize_scalar(lambda y: np.cosh(y - a) + y).x, 1.0), 6))
    1.0
    """
    function = Stripped(fun, args)
    result = _scipy.minimize_scalar(
        function.plain, values_of(bracket), values_of(bounds), function.plain_args, method, tol, options
    )
    duals = [*function.duals, *duals_in(bounds)]
    if not duals:
        return result
    sides = function.sides(_scalar)
    slopes = [partial(_slope, f) for f in sides]
    x = np.asarray(result.x)[()]
    bound = _at_bound(x, slopes[1], bounds)
    if bound is not None:
        x = revalued(bound, x)
    else:
        x = implicit("minimize_scalar", slopes[0], slopes[1], x, result.success, duals)
    result.x, result.fun = x, revalued(sides[0](x), result.fun)
    return result


def _slope(f: Callable[[Any], Any], x: Any) -> Any:
    return derivative(f, x)


def _at_bound(x: Any, slope: Callable[[Any], Any], bounds: Any) -> Any:
    """The bound that a bounded minimum lies at, which the method only approaches; None if it lies inside."""
    if bounds is None:
        return None
    lower, upper = bounds
    width = plain_values(upper) - plain_values(lower)
    s, bend = plain_values(slope(x)), plain_values(derivative(slope, x))
    for bound, sign in ((lower, 1.0), (upper, -1.0)):
        gap = abs(x - plain_values(bound))
        # A Newton step leads far out of the interval.
        if gap <= MOVED * 1e-2 * width and sign * s > 0 and not sign * s < bend * 10 * gap:
            return bound
    return None


def _constraint(c: Any, duals: list[Any]) -> tuple[Any, Constraint]:
    """A constraint as it is passed to SciPy, and as the KKT conditions need it; its duals are appended to ``duals``."""
    if isinstance(c, dict):
        function = Stripped(c["fun"], c.get("args", ()))
        plain: Any = {**c, "fun": function.plain, "args": function.plain_args}
        if "jac" in c:
            plain["jac"] = stripped(c["jac"])
        limits = (0.0, 0.0) if str(c.get("type")).lower() == "eq" else (0.0, np.inf)
        duals.extend(function.duals)
        return plain, Constraint(function.sides(), *limits)
    if isinstance(c, _scipy.LinearConstraint):
        matrix = c.A
        return c, Constraint((lambda x: matrix @ x,) * 2, c.lb, c.ub)
    function = Stripped(c.fun)
    plain = copy.copy(c)
    plain.fun, plain.jac, plain.hess = function.plain, stripped(c.jac), stripped(c.hess)
    plain.lb, plain.ub = values_of(c.lb), values_of(c.ub)
    duals.extend(function.duals)
    duals.extend(duals_in((c.lb, c.ub)))
    return plain, Constraint(function.sides(), c.lb, c.ub)


@signed_as(_scipy.minimize)
def minimize(
    fun: Any,
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: Any = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    r"""A minimum of a function of several variables, as ``scipy.optimize.minimize``, as a function of the data.

    Without active constraints :math:`dx = -(\nabla^2 f)^{-1}\, d\nabla f`; with them the KKT conditions are
    differentiated, for the solution and the multipliers together.

    Parameters
    ----------
    fun : callable
        The objective, smooth near the minimum; it may depend on duals through ``args`` or variables that it closes
        over.
    x0, method, jac, hess, hessp, tol, callback, options
        As in SciPy.  The derivative does not depend on the starting point.
    args : tuple
        Further arguments of fun.
    bounds : sequence of pairs, or Bounds
        May hold duals.
    constraints : dict, LinearConstraint, NonlinearConstraint, or sequence of them
        Their functions may close over duals, and the limits of a ``NonlinearConstraint`` may be duals.

    Returns
    -------
    OptimizeResult
        SciPy's, bit for bit, with derivatives in ``x``, ``fun`` and ``jac``.  Those of ``hess_inv``, ``hess`` and
        ``multipliers``, which the method estimates, are NaN.

    Raises
    ------
    as SciPy
        For invalid arguments.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: the method did not converge, the Hessian (on the active constraints) is singular,
        or a constraint is active with multiplier zero.

    Notes
    -----
    fun runs on plain values until the minimum is found; its Hessian and the derivative of its gradient are computed
    there by nested calls.  The derivative is as accurate as the minimum: the default tolerance of 1e-5 on the gradient
    gives about five digits.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy.optimize import minimize
    >>> def nearest(a):    # on the unit circle
    ...     circle = {"type": "eq", "fun": lambda x: x @ x - 1}
    ...     return minimize(lambda x: np.sum((x - a) ** 2), [1.0, 1.0], constraints=circle, method="SLSQP").x
    >>> abs(jacobian(nearest, np.array([3.0, 4.0])).round(4))
    array([[0.128, 0.096],
           [0.096, 0.072]])
    """
    function = Stripped(fun, args)
    duals = function.duals
    found_constraints = []
    if isinstance(constraints, (dict, _scipy.LinearConstraint, _scipy.NonlinearConstraint)):
        constraints = [constraints]
    if all(isinstance(c, (dict, _scipy.LinearConstraint, _scipy.NonlinearConstraint)) for c in constraints):
        pairs = [_constraint(c, duals) for c in constraints]
        constraints, found_constraints = [p for p, _ in pairs], [c for _, c in pairs]
    result = _scipy.minimize(
        function.plain,
        values_of(x0),
        function.plain_args,
        method,
        stripped(jac),
        stripped(hess),
        stripped(hessp),
        plain_bounds(bounds),
        constraints,
        tol,
        callback,
        options,
    )
    if bounds is not None:
        limits = limits_of_pairs(bounds)
        duals.extend(duals_in(limits))
        found_constraints.append(Constraint((identity, identity), *limits))
    if not duals:
        return result
    sides = function.sides(_scalar)
    value, plain = result.x, result.fun
    result.x, constrained = minimum("minimize", sides, value, found_constraints, result.success, duals)
    result.fun = revalued(sides[0](result.x), plain)
    if constrained and "jac" in result and np.shape(result.jac) == np.shape(value):
        result.jac = revalued(gradient(sides[0], result.x), result.jac)
    for key in ("hess_inv", "hess", "multipliers"):
        if issubclass(type(result.get(key)), np.ndarray):
            result[key] = unknown(result[key], result.x)
    return result
