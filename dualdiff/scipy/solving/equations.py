r"""The derivatives of solutions of equations, by the implicit function theorem.

A solver of SciPy finds the y with :math:`F(y; \theta) = 0` for plain values.  Then F is called at the solution, with
the duals that it closes over, and its result carries the tangent of the residual.  By the implicit function theorem
:math:`dy = -(\partial F / \partial y)^{-1} dF`, which is one Newton step on duals.  With the Jacobian of the plain
values each step adds one order: one step for each nested call, or each order of a power series, gives all
derivatives.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dualdiff.base.errors import MixedPointsError, UndefinedDerivativeWarning
from dualdiff.base.internals import stacklevel
from dualdiff.base.quiet import begin, end
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.derivative import derivative
from dualdiff.drivers.jacobian import jacobian
from dualdiff.rules.writing.array_rules import plain_values

#: A point that a Newton step moves by more than this fraction of its size is not a solution.
MOVED = 1e-2
#: The absolute tolerance, for solutions near zero.
MOVED_ABSOLUTELY = 1e-4
#: A scaled matrix with a larger condition number counts as singular.
SINGULAR = 1e13
#: With more unknowns than these it pays to test whether the system is diagonal: each equation has its own unknown.
MANY = 64

#: How far from a solution its slope is tested: relative to it, and in changes that Newton's method still makes.
NEAR, STEPS = 1e-6, 16.0
#: Where a function changes by more than this times what its slope tells, the slope is that of a multiple root.
STEEP = 2.0
#: Rounding errors of a function, relative to its terms.
ROUNDING = 1e-14

UNCONVERGED = "the solver did not converge"
IRREGULAR = "the Jacobian of the equations (of a minimum: the Hessian) is singular at the solution"
MULTIPLE = "the solution is a multiple one, as far as the solver can tell: the slope is zero there, but for its error"
UNSOLVED = (
    "the solver did not return a solution: the function has a jump or a kink there, or the tolerance is too large"
)
#: Of a differential equation.
UNLIKE = (
    "evaluated again at the same arguments, the right-hand side returned other values, or it is discontinuous: solve "
    "the equation piecewise, from one discontinuity to the next"
)


def revalued(dual: Any, value: Any) -> Any:
    """A dual with the given plain value and the tangents of another dual, at every level of nesting."""
    return dual.with_value(revalued(dual.value, value)) if isinstance(dual, AnyDual) else value


def levels(x: Any) -> int:
    """The order of the derivatives that a dual carries: one for each nested call, or that of a power series."""
    count = 0
    while isinstance(x, AnyDual):
        count, x = count + max(1, x.space.order), x.value
    return count


def unknown(value: Any, *sources: Any) -> Any:
    """A dual with the given plain value, whose derivative with respect to all that the sources depend on is NaN."""
    with np.errstate(all="ignore"):
        changes = [np.sum(np.nan * (np.real(x) - np.real(plain_values(x)))) for x in sources if isinstance(x, AnyDual)]
        return revalued(value + sum(changes), value) if changes else value


def no_derivative(name: str, reason: str) -> None:
    """Warn that a derivative is NaN."""
    warnings.warn(f"the derivative of {name} is NaN: {reason}", UndefinedDerivativeWarning, stacklevel=stacklevel())


def implicit(
    name: str,
    residual: Callable[[Any], Any],
    quiet: Callable[[Any], Any],
    y: Any,
    converged: Any = True,
    sources: Sequence[Any] = (),
) -> Any:
    """The dual solution of an equation whose plain solution is known.

    ``residual`` is F as a function of y alone, ``quiet`` the same on plain values, as far as duals could be removed
    from it.  ``converged`` may be an array like y, for equations that are solved element by element.  ``sources`` are
    duals that y may depend on, even if the residual does not.
    """
    if np.ndim(y) and np.size(y):
        return _system(name, lambda y: operand(residual(y)), lambda y: operand(quiet(y)), y, converged, sources)
    r = residual(y)
    count = levels(r)
    if np.size(y) == 0:
        return y
    token = begin()
    try:
        slope, rest = plain_values(derivative(quiet, y)), plain_values(r)
        if not converged:
            reason = UNCONVERGED
        elif slope == 0 or slope != slope:
            reason = IRREGULAR
        elif not abs(rest) <= abs(slope) * (MOVED * abs(y) + MOVED_ABSOLUTELY):
            reason = UNSOLVED
        elif _is_multiple(quiet, y, rest, slope):
            reason = MULTIPLE
        else:
            result = y
            for left in reversed(range(count)):
                result = revalued(result - (r - rest) / slope, y)
                r = residual(result) if left else None
            return result
    finally:
        end(token)
    no_derivative(name, reason)
    return unknown(y, r, *sources)


def _system(
    name: str,
    residual: Callable[[Any], Any],
    quiet: Callable[[Any], Any],
    y: Any,
    converged: Any,
    sources: Sequence[Any],
) -> Any:
    """`implicit` for arrays."""
    r = residual(y)
    count = levels(r)
    with np.errstate(all="ignore"):
        rest = plain_values(r)
        matrix = _matrix(quiet, y, np.ndim(converged) > 0)
        solved = _divided if matrix.ndim == np.ndim(y) and matrix.shape == np.shape(y) else _solved
        good, reason = _judged(converged, matrix, rest, y, solved)
        if np.all(good):
            good, reason = _simple(quiet, matrix, rest, y, solved), MULTIPLE
        if not np.all(good):
            no_derivative(name, reason)
            if solved is _solved or not count:
                return unknown(y, r, *sources)
        result = y
        for left in reversed(range(count)):
            change = solved(matrix, r - rest)
            change = change if np.all(good) else np.where(good, change, np.nan * (r - rest))
            result = revalued(result - change, y)
            r = residual(result) if left else None
    return result


def _matrix(quiet: Callable[[Any], Any], y: Any, elementwise: bool) -> Any:
    """The plain Jacobian of the residual; only the diagonal, if it is diagonal."""
    n = np.size(y)
    if elementwise or n > MANY:
        try:
            return plain_values(derivative(quiet, y))
        except MixedPointsError:
            if elementwise:
                raise
    return np.reshape(plain_values(jacobian(quiet, y)), (n, n))


def _divided(matrix: Any, r: Any) -> Any:
    return r / matrix


def _solved(matrix: Any, r: Any) -> Any:
    return np.reshape(np.linalg.solve(matrix, np.ravel(r)), np.shape(r))


def _judged(converged: Any, matrix: Any, rest: Any, y: Any, solved: Callable[[Any, Any], Any]) -> tuple[Any, str]:
    """Which elements are regular solutions, and why the others are not."""
    if solved is _divided:
        regular, size = (matrix != 0) & ~np.isnan(matrix), np.abs(y)
    else:
        regular, size = np.asarray(is_regular(matrix)), np.max(np.abs(y), initial=0.0)
    if not np.all(converged):
        return np.asarray(converged) & regular, UNCONVERGED
    if solved is _solved and not regular:
        return regular, IRREGULAR
    still = np.abs(solved(matrix, rest)) <= MOVED * size + MOVED_ABSOLUTELY
    still = still if solved is _divided else np.asarray(np.all(still))
    return regular & still, UNSOLVED if np.all(regular) else IRREGULAR


def _simple(quiet: Callable[[Any], Any], matrix: Any, rest: Any, y: Any, solved: Callable[[Any, Any], Any]) -> Any:
    """Which elements are simple solutions."""
    step = np.abs(solved(matrix, rest))
    if solved is _divided:
        return _is_simple(quiet, y, rest, matrix, NEAR * np.abs(y) + STEPS * step, 0.0)
    # What a nearly singular matrix hides is largest along what its inverse amplifies.
    change = solved(matrix, np.reshape(np.cos(1.0 + np.arange(np.size(y))), np.shape(y)))
    size = np.max(np.abs(y), initial=0.0)
    change = change / np.max(np.abs(change)) * (NEAR * size + STEPS * np.max(step))
    slope = np.max(np.abs(matrix @ np.ravel(change)))
    steep = partial(_largest, quiet, rest)
    return np.asarray(_is_simple(steep, y, 0.0, slope, change, ROUNDING * size * np.max(np.abs(matrix))))


def _largest(quiet: Callable[[Any], Any], rest: Any, y: Any) -> Any:
    """The largest difference of the residual from what is left of it at the solution."""
    return np.max(np.abs(plain_values(quiet(y)) - rest))


def _is_simple(f: Callable[[Any], Any], y: Any, rest: Any, slope: Any, change: Any, noise: Any) -> Any:
    """Whether f changes as its slope tells, on one side at least: it does not near a multiple root.

    ``slope`` is its derivative, or its whole change if y is a vector.
    """
    linear = STEEP * np.abs(slope if np.ndim(slope) < np.ndim(y) else slope * change) + noise
    sides = [np.abs(plain_values(f(y + side)) - rest) > linear for side in (change, -change)]
    return ~(sides[0] & sides[1])


def _is_multiple(f: Callable[[Any], Any], y: Any, rest: Any, slope: Any) -> bool:
    """The contrary of `_is_simple`, for a scalar."""
    change = NEAR * abs(y) + STEPS * abs(rest / slope)
    linear = STEEP * abs(slope * change)
    return all(bool(abs(plain_values(f(y + side)) - rest) > linear) for side in (change, -change))


def is_regular(matrix: Any) -> bool:
    """Whether a square matrix is regular to working precision, whatever the units of its rows and columns."""
    if not np.all(np.isfinite(matrix)):
        return False
    with np.errstate(all="ignore"):
        scaled = matrix / np.max(np.abs(matrix), axis=1, keepdims=True, initial=0.0)
        scaled = scaled / np.max(np.abs(scaled), axis=0, keepdims=True, initial=0.0)
        if not np.all(np.isfinite(scaled)):
            return False
        try:
            return bool(np.linalg.cond(scaled, 1) < SINGULAR) if matrix.size else True
        except np.linalg.LinAlgError:
            return False
