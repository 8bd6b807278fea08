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
from dualdiff.scipy.solving.numeric_tangents import NumericTangents
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import Stripped, stripped, values_of
from dualdiff.tangents.linear import NamedMap

#: The tangents may leave of an equation what its values may, but not more than this part of its largest term.
RESOLVED = 0.03
#: Equations with smaller terms than this, relative to the others, are judged like those with larger ones.
SMALL = 1e-3
#: An interval is divided in four if it leaves more than this times what is allowed.
MUCH = 10.0
#: The nodes for the derivatives, unless SciPy may have more.
MOST_NODES = 8192
#: Newton's method on a mesh with more nodes: its iterations, and the relative change at which it stops.
ITERATIONS, CONVERGED = 10, 1e-13

IRREGULAR_EFFECT = "what it depends on acts on the solution too irregularly for the mesh that the solver chose"

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
        Where the derivative is NaN: the solver did not converge, the equations are singular at the solution, or what
        they depend on acts too irregularly.

    Notes
    -----
    fun and bc run on plain values, then once for the sparse Jacobian of all equations, which is factored once, and once
    on duals for each order of differentiation.  If the derivatives leave too much of the equation between the nodes,
    more nodes are added for them.

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
    n, has_p = len(result.y), result.p is not None
    given, matrices = operand(x), (S, values_of(S))
    read, plain, mesh, added = NumericTangents(duals), result.sol, result.x, 0
    z = np.concatenate([np.ravel(result.y), *([result.p] if has_p else [])])
    while True:
        nodes = revalued(np.interp(mesh, plain_values(given), given), mesh) if duals_in(x) else mesh
        system, quiet = (
            _System(f, b, at, matrix, n, has_p)
            for f, b, at, matrix in zip(function.sides(), condition.sides(), (nodes, mesh), matrices, strict=True)
        )
        z = _root(quiet, z) if added else z
        solution = _solved(system, quiet, z, result.success, result.message, duals)
        y, parameters = np.reshape(solution[: n * len(mesh)], (n, -1)), solution[n * len(mesh) :]
        yp = system.slopes(nodes, y, parameters)
        spline = Spline(plain, nodes, y, yp)
        pieces = _pieces(read, system, spline, nodes, parameters, tol)
        added = int(np.sum(pieces - 1))
        if not added:
            break
        if len(mesh) + added > max(MOST_NODES, max_nodes):
            no_derivative("solve_bvp", IRREGULAR_EFFECT)
            y, yp, parameters = (unknown(plain_values(v), *duals) for v in (y, yp, parameters))
            spline = Spline(plain, nodes, y, yp)
            break
        ends = zip(mesh, mesh[1:], pieces, strict=False)
        mesh = np.append(np.concatenate([np.linspace(a, b, k + 1)[:-1] for a, b, k in ends]), mesh[-1])
        z = np.concatenate([np.ravel(plain(mesh)), *([result.p] if has_p else [])])
    places = np.searchsorted(mesh, result.x)
    result.y, result.yp = revalued(y[:, places], result.y), revalued(yp[:, places], result.yp)
    if has_p:
        result.p = revalued(parameters, result.p)
    result.x = revalued(nodes[places], result.x) if duals_in(x) else result.x
    result.rms_residuals, result.sol = unknown(result.rms_residuals, *duals), spline
    return result


def _pieces(read: NumericTangents, system: _System, spline: Spline, nodes: Any, p: Any, tol: float) -> Any:
    """How many parts each interval of the mesh takes: more than one where the tangents leave too much of the equation.

    The solver chose the mesh by the values alone.
    """
    h = nodes[1:] - nodes[:-1]
    # Where SciPy looks as well: at the ends and in the middle nothing is left.
    places = 0.5 + np.sqrt(3 / 28) * np.array([-1.0, 1.0])
    points = np.ravel(nodes[:-1, None] + h[:, None] * places)
    slopes = system.slopes(points, spline.of_mesh(points), p)
    left, size = read([slopes - spline.of_mesh(points, 1)], [slopes])
    excess = np.zeros(len(h))
    with np.errstate(all="ignore"):
        for path, r in left.items():
            if path in size:
                scale = np.max(np.abs(size[path]), axis=3, keepdims=True)
                scale = min(tol, RESOLVED) * np.maximum(scale, SMALL * np.max(scale, axis=2, keepdims=True))
                part = np.max(np.where(scale > 0.0, np.abs(r) / scale, 0.0), axis=(0, 1, 2))
                excess = np.maximum(excess, np.max(np.reshape(part, (-1, 2)), axis=1))
    return np.where(excess > 1.0, np.where(excess > MUCH, 4, 2), 1)


def _root(quiet: _System, z: Any) -> Any:
    """The solution of the equations on a mesh with more nodes, near that of SciPy."""
    lu = _factored(plain_values(jacobian(quiet, z, sparse=True)))
    for _ in range(0 if lu is None else ITERATIONS):
        change = lu.solve(plain_values(quiet(z)))
        z = z - change
        if not np.max(np.abs(change)) > CONVERGED * np.max(np.abs(z)):
            break
    return z


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
        self.c = np.moveaxis(np.stack(parts), 1, -1)
        if self.c.shape == plain.c.shape:
            self.c = revalued(self.c, plain.c)

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        """The solution, or its derivative of order nu, at points, which may be duals."""
        x = operand(x)
        return revalued(self.of_mesh(x, nu), self._plain(plain_values(x), nu, extrapolate))

    def of_mesh(self, x: Any, nu: int = 0) -> Any:
        """The same with the values of this mesh, which may have more nodes than SciPy's."""
        at = plain_values(x)
        place = np.clip(np.searchsorted(plain_values(self.x), at, side="right") - 1, 0, len(self.x) - 2)
        s, total = x - self.x[place], 0.0
        s = s[..., None] if np.ndim(s) else s
        for power in range(nu, 4):
            factor = np.prod(np.arange(power - nu + 1, power + 1, dtype=float))
            total = total + factor * self.c[3 - power, place] * s ** (power - nu)
        return np.moveaxis(operand(total), -1, 0) if np.ndim(total) > 1 else total
