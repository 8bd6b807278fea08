r"""Equations are differentiated at their solution.

A solver of SciPy finds the y with :math:`F(y; \theta) = 0` for plain values.  Then F is called at the solution, with
the duals that it closes over, and what comes back carries the change of the residual.  By the implicit function theorem
:math:`dy = -(\partial F / \partial y)^{-1} dF`, which is a step of Newton's method on duals.  With the matrix of the
plain values each step adds one order: as many steps as there are nested calls give all derivatives.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
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

#: A solution that Newton's method would move by more than this part of its size is none.
MOVED = 1e-2
#: The same, absolutely, for solutions near zero.
MOVED_ABSOLUTELY = 1e-4
#: A scaled matrix whose condition is larger is singular.
SINGULAR = 1e13
#: For more unknowns than these it pays to see whether each equation stands for itself.
MANY = 64

UNCONVERGED = "the solver did not converge"
IRREGULAR = "the Jacobian of the equations (of a minimum: the Hessian) is singular at the solution"
UNSOLVED = "the equations do not hold at what the solver found: a jump, a kink, or too large a tolerance"


def revalued(dual: Any, value: Any) -> Any:
    """The plain value with the tangents of a dual, in all calls that it belongs to."""
    return dual.with_value(revalued(dual.value, value)) if isinstance(dual, AnyDual) else value


def levels(x: Any) -> int:
    """The number of calls that a dual belongs to."""
    count = 0
    while isinstance(x, AnyDual):
        count, x = count + 1, x.value
    return count


def unknown(value: Any, *sources: Any) -> Any:
    """The plain value with a derivative of NaN along everything that the sources depend on."""
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
    """The dual solution of an equation, of which the plain one is known.

    ``residual`` is F as a function of y alone, ``quiet`` the same without the duals that F depends on, as far as that
    can be had.  ``converged`` may be an array like y, where each equation stands for itself.  ``sources`` are duals
    that y may depend on, also where the residual does not show it.
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
        else:
            found = y
            for left in reversed(range(count)):
                found = revalued(found - (r - rest) / slope, y)
                r = residual(found) if left else None
            return found
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
        if not np.all(good):
            no_derivative(name, reason)
            if solved is _solved or not count:
                return unknown(y, r, *sources)
        found = y
        for left in reversed(range(count)):
            change = solved(matrix, r - rest)
            change = change if np.all(good) else np.where(good, change, np.nan * (r - rest))
            found = revalued(found - change, y)
            r = residual(found) if left else None
    return found


def _matrix(quiet: Callable[[Any], Any], y: Any, elementwise: bool) -> Any:
    """The plain Jacobian of the residual; where each element depends on one of y, only the diagonal."""
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
    """Which elements are solutions at which there is a derivative, and why the others are not."""
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
