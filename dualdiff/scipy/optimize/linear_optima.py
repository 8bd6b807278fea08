"""``scipy.optimize``: linear least squares and linear programs, by their active constraints.

Once the active constraints are known, the solution is that of linear equations, which have derivatives of every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.optimize.optima import WEAKLY_ACTIVE, limits_of, plain_bounds
from dualdiff.scipy.solving.equations import is_regular, no_derivative, revalued, unknown
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import values_of

_scipy = load("scipy.optimize", "scipy", "dualdiff.scipy.optimize")

#: A smaller multiplier or distance, relative to the largest, counts as zero.
SMALL = 1e-9
#: A recomputed solution that differs more from SciPy's, relatively, is a different one.
FAR = 1e-3


def _dense(name: str, a: Any) -> Any:
    """A matrix as an array; a LinearOperator has no entries."""
    if hasattr(a, "toarray"):
        return a.toarray()
    if hasattr(a, "matvec"):
        raise no_rule(f"scipy.optimize.{name} with a LinearOperator")
    return operand(a)


def _bounded(name: str, a: Any, b: Any, x: Any, limits: tuple[Any, Any], mask: Any, sources: list[Any]) -> Any:
    """The dual x that minimizes the norm of ``a @ x - b``; its plain value and its active bounds are known."""
    a, b = a + 0.0, b + 0.0
    free, held = np.flatnonzero(mask == 0), np.flatnonzero(mask != 0)
    plain_a = plain_values(a)
    slope = plain_a.T @ (plain_a @ x - plain_values(b))
    size = np.max(np.abs(plain_a), axis=0, initial=0.0) * np.max(np.abs(plain_values(b)), initial=0.0) * len(plain_a)
    if np.any(-mask[held] * slope[held] <= SMALL * size[held]):
        no_derivative(name, WEAKLY_ACTIVE)
        return unknown(x, *sources)
    if held.size and np.linalg.matrix_rank(plain_a[:, free]) < free.size:
        no_derivative(name, "the solution is not unique")
        return unknown(x, *sources)
    lower, upper = (np.broadcast_to(limit, x.shape) for limit in limits)
    at = np.where(mask[held] < 0, lower[held], upper[held])
    rest = b - a[:, held] @ at if held.size else b
    within = np.linalg.lstsq(a[:, free], rest)[0]
    order = np.argsort(np.concatenate([free, held]))
    return _confirmed(name, np.concatenate([within, at])[order], x, sources)


def _confirmed(name: str, result: Any, x: Any, sources: list[Any]) -> Any:
    """SciPy's solution with the derivative of the recomputed one, if they agree."""
    far = np.abs(plain_values(result) - x) > FAR * (FAR + np.max(np.abs(x), initial=0.0))
    if np.any(far):
        no_derivative(name, "the solver did not converge, or the solution is not unique")
        return unknown(x, *sources)
    return revalued(result, x)


@signed_as(_scipy.lsq_linear)
def lsq_linear(A: Any, b: Any, bounds: Any = (-np.inf, np.inf), *args: Any, **options: Any) -> Any:
    r"""Linear least squares with bounds, as ``scipy.optimize.lsq_linear``.

    The free variables solve an unconstrained least-squares problem.

    Parameters
    ----------
    A, b : array_like
        The matrix and the right-hand side; A may be sparse, with plain values.
    bounds : pair of arrays, or Bounds
        May hold duals.
    *args, **options
        As in SciPy.

    Returns
    -------
    OptimizeResult
        SciPy's, bit for bit, with derivatives in ``x``, ``fun`` and ``cost``.

    Raises
    ------
    NoRuleError
        If A is a ``LinearOperator`` and b is a dual.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: a bound is active with multiplier zero, or the solution is not unique.

    Notes
    -----
    The cost of one more least-squares problem, and of its derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy.optimize import lsq_linear
    >>> a = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> limits = ([-np.inf, -np.inf], [np.inf, 0.6])
    >>> jacobian(lambda b: lsq_linear(a, b, limits).x, np.array([1.0, 2.0, 2.5])).round(3) + 0.0
    array([[0.333, 0.333, 0.333],
           [0.   , 0.   , 0.   ]])
    """
    duals = duals_in((A, b, limits_of(bounds)))
    result = _scipy.lsq_linear(values_of(A), values_of(b), plain_bounds(bounds), *args, **options)
    if not duals:
        return result
    a, b = _dense("lsq_linear", A), operand(b)
    x = result.x
    if not result.success:
        no_derivative("lsq_linear", "the solver did not converge")
        result.x = unknown(x, *duals)
    else:
        # The default method approaches bounds from inside; this one reaches them.
        exact = _scipy.lsq_linear(plain_values(a), plain_values(b), plain_bounds(bounds), method="bvls")
        mask = np.asarray(exact.active_mask)
        lower, upper = (np.broadcast_to(plain_values(limit), x.shape) for limit in limits_of(bounds))
        if np.any((mask == 0) & (np.isclose(exact.x, lower, SMALL) | np.isclose(exact.x, upper, SMALL))):
            no_derivative("lsq_linear", WEAKLY_ACTIVE)
            result.x = unknown(x, *duals)
        else:
            result.x = _bounded("lsq_linear", a, b, x, limits_of(bounds), mask, duals)
    r = a @ result.x - b
    result.fun, result.cost = revalued(r, result.fun), revalued(0.5 * np.sum(r * r), result.cost)
    return result


@signed_as(_scipy.nnls)
def nnls(A: Any, b: Any, *args: Any, **options: Any) -> Any:
    r"""Linear least squares for nonnegative variables, as ``scipy.optimize.nnls``.

    Parameters
    ----------
    A, b : array_like
        The matrix and the right-hand side.
    *args, **options
        As in SciPy.

    Returns
    -------
    x, rnorm : array and float
        SciPy's, bit for bit, with their derivatives.

    Raises
    ------
    as SciPy
        If the method does not converge.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: a variable is zero with multiplier zero, or the solution is not unique.

    Notes
    -----
    The cost of one more least-squares problem, and of its derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy.optimize import nnls
    >>> jacobian(lambda b: nnls(np.array([[1.0, 0.5], [0.0, 1.0]]), b)[0], np.array([2.0, -1.0]))
    array([[1., 0.],
           [0., 0.]])
    """
    result = _scipy.nnls(values_of(A), values_of(b), *args, **options)
    duals = duals_in((A, b))
    if not duals:
        return result
    x, rnorm = result
    a, b = operand(A), operand(b)
    x = _bounded("nnls", a, b, x, (0.0, np.inf), np.where(x == 0, -1, 0), duals)
    return x, revalued(np.linalg.norm(a @ x - b), rnorm)


@signed_as(_scipy.linprog)
def linprog(
    c: Any,
    A_ub: Any = None,
    b_ub: Any = None,
    A_eq: Any = None,
    b_eq: Any = None,
    bounds: Any = (0, None),
    method: Any = "highs",
    callback: Any = None,
    options: Any = None,
    x0: Any = None,
    integrality: Any = None,
) -> Any:
    r"""A linear program, as ``scipy.optimize.linprog``: its value, and its solution if that is unique.

    The solution is the vertex at which the active constraints meet.  Integer variables have derivative zero.

    Parameters
    ----------
    c, A_ub, b_ub, A_eq, b_eq : array_like
        The program, with or without duals; sparse matrices hold plain values.
    bounds : pair, or sequence of pairs
        May hold duals.
    method, callback, options, x0, integrality
        As in SciPy.

    Returns
    -------
    OptimizeResult
        SciPy's, bit for bit, with derivatives in ``x``, ``fun``, ``slack`` and ``con``.

    Raises
    ------
    as SciPy
        For invalid arguments.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: there is no solution, it is not unique, or it is degenerate (more than n constraints
        are active).

    Notes
    -----
    The cost of one more linear system, and of its derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.optimize import linprog
    >>> gradient(lambda b: linprog([-1.0, -2.0], [[1.0, 1.0], [1.0, 3.0]], b).fun, np.array([4.0, 6.0]))
    array([-0.5, -0.5])
    """
    program = (c, A_ub, b_ub, A_eq, b_eq, bounds)
    result = _scipy.linprog(*map(values_of, program), method, callback, options, x0, integrality)
    duals = duals_in(program)
    if not duals or result.x is None:
        return result
    x = result.x
    n = x.size
    c = operand(c) + 0.0
    a_ub, a_eq = (np.zeros((0, n)) if a is None else _dense("linprog", a) for a in (A_ub, A_eq))
    b_ub, b_eq = (np.zeros(0) if b is None else np.ravel(operand(b)) for b in (b_ub, b_eq))
    if not result.success:
        no_derivative("linprog", "the solver did not converge")
        result.x = unknown(x, *duals)
    else:
        result.x = _vertex(c, x, (a_ub, b_ub), (a_eq, b_eq), _pairs(bounds, n), integrality, duals)
    result.fun = revalued(c @ result.x, result.fun)
    result.slack = revalued(b_ub - a_ub @ result.x, result.slack)
    result.con = revalued(b_eq - a_eq @ result.x, result.con)
    for part in ("ineqlin", "eqlin", "lower", "upper"):
        if part in result and np.size(result[part].marginals):
            result[part].marginals = unknown(result[part].marginals, result.x)
    return result


def _pairs(bounds: Any, n: int) -> list[tuple[Any, Any]]:
    """A pair of limits for each variable."""
    if bounds is None:
        bounds = (0, None)
    pairs = bounds if np.ndim(plain_values(bounds[0])) or isinstance(bounds[0], (tuple, list)) else [bounds]
    pairs = list(pairs) * (n if len(pairs) == 1 else 1)
    return [(-np.inf if low is None else low, np.inf if high is None else high) for low, high in pairs]


def _vertex(
    c: Any, x: Any, ub: tuple[Any, Any], eq: tuple[Any, Any], pairs: Any, integrality: Any, sources: list[Any]
) -> Any:
    """The dual solution of a linear program whose plain solution is known."""
    name, n = "linprog", x.size
    unit = np.eye(n)
    whole = np.broadcast_to(0 if integrality is None else integrality, (n,)) != 0
    rows, targets, signs = [*eq[0]], [*eq[1]], [0] * len(eq[1])
    for a, b in zip(*ub, strict=True):
        if _meets(plain_values(a) @ x, plain_values(b)):
            rows, targets, signs = [*rows, a], [*targets, b], [*signs, -1]
    for i, (low, high) in enumerate(pairs):
        low_meets, high_meets = (_meets(x[i], plain_values(b)) for b in (low, high))
        if whole[i] or low_meets or high_meets:
            target = x[i] if whole[i] else low if low_meets else high
            rows, targets = [*rows, unit[i]], [*targets, target]
            signs.append(0 if whole[i] or (low_meets and high_meets) else 1 if low_meets else -1)
    if len(rows) != n or not is_regular(plain_values(np.stack(rows))):
        what = (
            "the solution is not unique"
            if len(rows) < n
            else "the solution is degenerate: more than n constraints are active"
        )
        no_derivative(name, what)
        return unknown(x, *sources)
    matrix, target, kinds = np.stack(rows), np.stack(targets), np.array(signs)
    multipliers = np.linalg.solve(plain_values(matrix).T, plain_values(c))
    size = np.max(np.abs(plain_values(c)), initial=0.0)
    if np.any((kinds != 0) & (kinds * multipliers * np.max(np.abs(plain_values(matrix)), axis=1) <= SMALL * size)):
        no_derivative(name, "the solution is not unique")
        return unknown(x, *sources)
    return _confirmed(name, np.linalg.solve(matrix, target), x, sources)


def _meets(value: Any, limit: Any) -> bool:
    return bool(np.isfinite(limit) and abs(value - limit) <= 1e-7 * (1.0 + abs(limit)))
