"""``scipy.integrate.solve_bvp``: solutions of boundary value problems, differentiated as roots of their equations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.application import Application
from dualdiff.core.array import operand
from dualdiff.drivers.jacobian import jacobian
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.solving.equations import (
    IRREGULAR,
    MOVED,
    MOVED_ABSOLUTELY,
    UNSOLVED,
    levels,
    no_derivative,
    revalued,
    unknown,
)
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import Stripped, stripped, values_of
from dualdiff.tangents.linear import NamedMap

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")


@signed_as(_scipy.solve_bvp)
def solve_bvp(
    fun: Any,
    bc: Any,
    x: Any,
    y: Any,
    p: Any = None,
    S: Any = None,
    fun_jac: Any = None,
    bc_jac: Any = None,
    tol: Any = 1e-3,
    max_nodes: Any = 1000,
    verbose: Any = 0,
    bc_tol: Any = None,
) -> Any:
    r"""The solution of a boundary value problem, as ``scipy.integrate.solve_bvp``.

    On the final mesh the solution is the root of collocation equations and boundary conditions, and is differentiated
    as such.

    Parameters
    ----------
    fun, bc : callable
        As in SciPy; they may close over duals.
    x : array_like
        The initial mesh.  Duals move the nodes that the solver adds between them along with them.
    y, p : array_like
        An initial guess, which does not affect the derivatives.
    S : array_like, optional
        The matrix of the singular term, which may be dual.
    fun_jac, bc_jac, tol, max_nodes, verbose, bc_tol
        As in SciPy.

    Returns
    -------
    BVPResult
        SciPy's, bit for bit, with derivatives in ``y``, ``p``, ``yp`` and ``sol``, and in ``x`` if that is dual; of
        ``rms_residuals`` it is NaN.

    Raises
    ------
    as SciPy
        For invalid arguments.

    Warns
    -----
    UndefinedDerivativeWarning
        Where the derivative is NaN: the solver did not converge, or the equations are singular at the solution.

    Notes
    -----
    fun and bc run on plain values, then once for the sparse Jacobian of all equations, which is factored once, and once
    on duals for each order of differentiation.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import solve_bvp
    >>> def in_the_middle(k):
    ...     fun = lambda x, y: np.stack([y[1], -k * y[0]])
    ...     bc = lambda ya, yb: np.stack([ya[0], yb[0] - 1.0])
    ...     return solve_bvp(fun, bc, np.linspace(0.0, 1.0, 11), np.ones((2, 11)), tol=1e-9).sol(0.5)[0]
    >>> print(round(derivative(in_the_middle, 1.0), 7))
    0.0778135
    """
    function, condition = Stripped(fun), Stripped(bc)
    result = _scipy.solve_bvp(
        function.plain,
        condition.plain,
        *map(values_of, (x, y, p, S)),
        *(stripped(fun_jac), stripped(bc_jac), tol, max_nodes, verbose, bc_tol),
    )
    duals = [*function.duals, *condition.duals, *duals_in((x, S))]
    if not duals:
        return result
    n, m = result.y.shape
    nodes, z = result.x, np.ravel(result.y)
    if duals_in(x):
        nodes = revalued(np.interp(result.x, plain_values(operand(x)), operand(x)), result.x)
    if result.p is not None:
        z = np.concatenate([z, result.p])
    systems = [
        _System(f, b, nodes if side == 0 else result.x, S if side == 0 else values_of(S), n, result.p is not None)
        for side, (f, b) in enumerate(zip(function.sides(), condition.sides(), strict=True))
    ]
    solution = _solved(systems[0], systems[1], z, result.success, result.message, duals)
    result.y = np.reshape(solution[: n * m], (n, m))
    parameters = solution[n * m :]
    if result.p is not None:
        result.p = parameters
    result.yp = revalued(systems[0].slopes(nodes, result.y, parameters), result.yp)
    result.x, result.rms_residuals = nodes, unknown(result.rms_residuals, *duals)
    result.sol = Spline(result.sol, nodes, result.y, result.yp)
    return result


class _System:
    """The equations of a boundary value problem on a mesh."""

    def __init__(self, f: Callable[..., Any], bc: Callable[..., Any], x: Any, S: Any, n: int, has_p: bool) -> None:
        self.f, self.bc, self.x, self.n, self.has_p = f, bc, x, n, has_p
        self.singular: Any = None if S is None else operand(S)
        if S is not None:
            self.at_start = np.linalg.pinv(np.identity(n) - operand(S))

    def slopes(self, x: Any, y: Any, p: Any) -> Any:
        """The right-hand side at points of the mesh, or between them."""
        f = operand(self.f(x, y, p) if self.has_p else self.f(x, y))
        if self.singular is None:
            return f
        start = self.x[0]
        if x[0] == start:
            first = self.at_start @ f[:, :1]
            return np.concatenate([first, f[:, 1:] + self.singular @ y[:, 1:] / (x[1:] - start)], axis=1)
        return f + self.singular @ y / (x - start)

    def __call__(self, z: Any) -> Any:
        """What is left of the equations."""
        n, x = self.n, self.x
        m = len(x)
        h = x[1:] - x[:-1]
        y, p = np.reshape(z[: n * m], (n, m)), z[n * m :]
        f = self.slopes(x, y, p)
        middle = 0.5 * (y[:, 1:] + y[:, :-1]) - 0.125 * h * (f[:, 1:] - f[:, :-1])
        f_middle = self.slopes(x[:-1] + 0.5 * h, middle, p)
        inside = y[:, 1:] - y[:, :-1] - h / 6 * (f[:, :-1] + f[:, 1:] + 4 * f_middle)
        ends = (y[:, 0], y[:, -1], p) if self.has_p else (y[:, 0], y[:, -1])
        return np.concatenate([np.ravel(inside), operand(self.bc(*ends))])


def _solved(system: _System, quiet: _System, z: Any, converged: bool, message: str, duals: list[Any]) -> Any:
    """The dual solution of the equations, of which the plain one is known."""
    r = system(z)
    left, rest = levels(r), plain_values(r)
    reason = "" if converged else message
    if not reason:
        lu = _factored(plain_values(jacobian(quiet, z, sparse=True)))
        if lu is None:
            reason = IRREGULAR
        elif not np.max(np.abs(lu.solve(rest))) <= MOVED * np.max(np.abs(z)) + MOVED_ABSOLUTELY:
            reason = UNSOLVED
    if reason:
        no_derivative("solve_bvp", reason)
        return unknown(z, *duals)
    result = z
    while left:
        result = revalued(result - by_factors(lu, "N", r - rest), z)
        left -= 1
        r = system(result) if left else None
    return result


def _factored(matrix: Any) -> Any:
    """The sparse factorization of a matrix; None if it is singular."""
    try:
        return load("scipy.sparse.linalg", "scipy", "dualdiff.scipy.integrate").splu(matrix.tocsc())
    except RuntimeError:
        return None


def by_factors(lu: Any, way: str, r: Any) -> Any:
    """The solutions of a factored system, or of the transposed one, for right-hand sides along the last axis."""
    systems = Application(r)
    (value,) = systems.values
    shape = value.shape
    if systems.space is None:
        return lu.solve(np.ascontiguousarray(value.reshape((-1, shape[-1])).T), way).T.reshape(shape)
    other = "T" if way == "N" else "N"
    linear = NamedMap("splu.solve", partial(by_factors, lu, way), partial(by_factors, lu, other), shape, shape, (-1,))
    return systems.result(
        by_factors(lu, way, value),
        [systems.space.contract(t, linear, shape, shape) for t in systems.tangents if t is not None],
    )


class Spline:
    """The solution between the nodes: SciPy's cubic spline, with derivatives.

    ``x`` are the nodes and ``c`` the coefficients, as of ``scipy.interpolate.PPoly``.
    """

    def __init__(self, plain: Any, x: Any, y: Any, slopes: Any) -> None:
        self._plain, self.x = plain, x
        h = x[1:] - x[:-1]
        mean = (y[:, 1:] - y[:, :-1]) / h
        t = (slopes[:, :-1] + slopes[:, 1:] - 2 * mean) / h
        parts = [t / h, (mean - slopes[:, :-1]) / h - t, slopes[:, :-1], y[:, :-1]]
        self.c = revalued(np.moveaxis(np.stack(parts), 1, -1), plain.c)

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        """The solution, or its derivative of order nu, at points, which may be duals."""
        x = operand(x)
        at = plain_values(x)
        value = self._plain(at, nu, extrapolate)
        place = np.clip(np.searchsorted(plain_values(self.x), at, side="right") - 1, 0, len(self.x) - 2)
        s, total = x - self.x[place], 0.0
        s = s[..., None] if np.ndim(s) else s
        for power in range(nu, 4):
            factor = np.prod(np.arange(power - nu + 1, power + 1, dtype=float))
            total = total + factor * self.c[3 - power, place] * s ** (power - nu)
        total = np.moveaxis(operand(total), -1, 0) if np.ndim(total) > 1 else total
        return revalued(total, value)
