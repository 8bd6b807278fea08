"""scipy.linalg: linear and quadratic matrix equations (Sylvester, Lyapunov, Stein, Riccati).

Differentiating the equation gives the tangent: for A X + X B = Q, dX solves the same equation with the right-hand side
dQ - dA X - X dB.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy, refuse
from dualdiff.rules.writing.terms import MatrixMap, Term, adjoint, result, revalued, solved_by_orders, terms
from dualdiff.tangents.linear import LinearMap


class Sylvester:
    """The coefficients of ``a @ x + x @ b = q``, reduced to Schur form once for all q; a and b may be stacks.

    It keeps copies, which stay unchanged if f later writes into its matrices.
    """

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = np.copy(a), np.copy(b)
        self._inner: Sylvester | None = None
        self._forms: list[Any] | None = None

    def solve(self, q: Any, transposed: bool = False) -> Any:
        """Solve for x; q may have further leading axes.  Transposed, solve ``a.T @ x + x @ b.T = q``."""
        operands = Application(self.a, self.b, q, linear=True)
        if operands.space is None:
            return self._solve_plain(q, transposed)
        a, b, right = operands.values
        if operands.tangents[0] is None and operands.tangents[1] is None:
            inner = self
        else:
            inner = self._inner = self._inner or Sylvester(a, b)
        x = inner.solve(right, transposed)
        return with_tangent(operands, x, inner, transposed)

    def _solve_plain(self, q: Any, transposed: bool) -> Any:
        if transposed:
            # The transposed equation, b @ x.T + x.T @ a = q.T, uses the same Schur forms.
            return np.swapaxes(self._solve(np.swapaxes(q, -1, -2), 1), -1, -2)
        return self._solve(q, 0)

    def _solve(self, q: Any, first: int) -> Any:
        from scipy.linalg import get_lapack_funcs, schur

        stack = np.broadcast_shapes(self.a.shape[:-2], self.b.shape[:-2])
        matrices = [np.broadcast_to(m, stack + m.shape[-2:]) for m in (self.a, self.b)]
        if not all(np.isfinite(m).all() for m in matrices):
            return np.full(q.shape, np.nan, np.result_type(*matrices, q))
        if self._forms is None:
            kind = "complex" if any(map(np.iscomplexobj, matrices)) else "real"
            self._forms = [[schur(m[i], kind) for m in matrices] for i in np.ndindex(stack)]
        dtype = np.result_type(*matrices, q)
        x = np.empty(q.shape, dtype)
        q = np.asarray(q, dtype)
        with np.errstate(all="ignore"):
            for i, forms in zip(np.ndindex(stack), self._forms, strict=True):
                (r, u), (s, v) = forms[first], forms[1 - first]
                (trsyl,) = get_lapack_funcs(("trsyl",), (r, s, q))
                at = (..., *i, slice(None), slice(None))
                parts = (np.conj(u.T) @ q[at] @ v).reshape((-1, *q.shape[-2:]))
                solved = np.empty(parts.shape, np.result_type(r, s, parts))
                for k, part in enumerate(parts):
                    y, scale, info = trsyl(r, s, part)
                    solved[k] = y / scale if info == 0 else np.nan
                x[at] = (u @ solved @ np.conj(v.T)).reshape(q[at].shape)
        return x


def solving_sylvester(equation: Sylvester, shape: tuple[int, ...]) -> LinearMap:
    """The linear map from q of this shape to the solution x of ``a @ x + x @ b = q``."""
    return MatrixMap(
        "sylvester",
        equation.solve,
        lambda w: equation.solve(w, transposed=True),
        shape,
        shape,
        [equation.a, equation.b],
    )


def with_tangent(operands: Application, x: Any, equation: Sylvester, transposed: bool = False) -> Any:
    """The solution as a dual, given its value x and the operands a, b and q."""
    of_a, of_b, rhs = terms(operands, "solve_sylvester")
    if operands.space is not None and operands.space.order and (of_a or of_b):
        return _by_orders(operands, x, equation, transposed)
    with np.errstate(all="ignore"):
        if rhs is not None:
            rhs = rhs.broadcast(shape_of(x))
        for t, sided in ((of_a, "right"), (of_b, "left")):
            if t is not None:
                product: Term = getattr(t.mT if transposed else t, sided)(x)
                rhs = -product if rhs is None else rhs - product
        if rhs is None:
            return result(operands, x)
        solution = solving_sylvester(equation, shape_of(x))
        return result(operands, x, rhs.map(solution.transpose if transposed else solution))


def _by_orders(operands: Application, x: Any, equation: Sylvester, transposed: bool) -> Any:
    def residual(x: Any, a: Any, b: Any, q: Any) -> Any:
        if transposed:
            a, b = np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)
        return q - a @ x - x @ b

    with np.errstate(all="ignore"):
        return solved_by_orders(operands, x, residual, lambda rest: equation.solve(rest, transposed))


@over_scipy("a", "b", "q")
def solve_sylvester(value: Any, a: Any, b: Any, q: Any) -> Any:
    r"""Solve the Sylvester equation :math:`A X + X B = Q`.

    Args:
        a ((..., m, m) array_like): The left coefficient.
        b ((..., n, n) array_like): The right coefficient, which shares no eigenvalue with -a.
        q ((..., m, n) array_like): The right-hand side.
    Returns:
        array: X, shaped like q, with :math:`A\,dX + dX\,B = dQ - dA\,X - X\,dB`.
    Raises:
        numpy.linalg.LinAlgError: If the equation has no solution.
    Notes:
        A second pair of Schur factorizations for all directions, and one triangular Sylvester equation per direction.
        See R. H. Bartels and G. W. Stewart, Comm. ACM 15 (1972).
    Examples:
        >>> derivative(lambda t: linalg.solve_sylvester([[t]], [[1.0]], [[1.0]]), 1.0)
        array([[-0.25]])
    """
    operands = Application(a, b, q, linear=True)
    x = value(*operands.values)
    return with_tangent(operands, x, Sylvester(*operands.values[:2]))


@over_scipy("a", "q")
def solve_continuous_lyapunov(value: Any, a: Any, q: Any) -> Any:
    r"""Solve the continuous Lyapunov equation :math:`A X + X A^* = Q`.

    Args:
        a ((..., n, n) array_like): The matrix.
        q ((..., n, n) array_like): The right-hand side.
    Returns:
        array: X, with :math:`A\,dX + dX\,A^* = dQ - dA\,X - X\,dA^*`.
    Notes:
        The cost of `solve_sylvester`.
    Examples:
        >>> derivative(lambda t: linalg.solve_continuous_lyapunov([[t]], [[1.0]]), 1.0)
        array([[-0.5]])
    """
    return revalued(value, lambda a, q: solve_sylvester(a, adjoint(a), q), a, q)


@over_scipy("a", "q")
def solve_lyapunov(value: Any, a: Any, q: Any) -> Any:
    """Another name for `solve_continuous_lyapunov`.

    Returns:
        array: X.
    Notes:
        The cost of `solve_sylvester`.
    Examples:
        >>> derivative(lambda t: linalg.solve_lyapunov([[t]], [[1.0]]), 1.0)
        array([[-0.5]])
    """
    return revalued(value, lambda a, q: solve_sylvester(a, adjoint(a), q), a, q)


@over_scipy("a", "q")
def solve_discrete_lyapunov(value: Any, a: Any, q: Any, **options: Any) -> Any:
    r"""Solve the discrete Lyapunov (Stein) equation :math:`A X A^* - X + Q = 0`.

    Args:
        a ((..., n, n) array_like): The matrix.
        q ((..., n, n) array_like): The right-hand side.
    Returns:
        array: X.  Its tangents come from the bilinear transform: with :math:`B = (A - 1) (A + 1)^{-1}` it solves
            :math:`B X + X B^* = -2 (A + 1)^{-1} Q (A + 1)^{-*}`.
    Notes:
        The cost of `solve_sylvester`.
    Examples:
        >>> derivative(lambda t: linalg.solve_discrete_lyapunov([[t]], [[1.0]]), 0.5).round(6)
        array([[1.777778]])
    """

    def composed(a: Any, q: Any) -> Any:
        unit = np.eye(shape_of(a)[-1], dtype=plain_values(a).dtype)
        inverse = np.linalg.inv(a + unit)
        b = (a - unit) @ inverse
        return solve_sylvester(b, adjoint(b), -2 * inverse @ q @ adjoint(inverse))

    return revalued(value, composed, a, q)


# -- algebraic Riccati equations ---------------------------------------------------------------------------------------
@over_scipy("a", "b", "q", "r")
def solve_continuous_are(
    value: Any, a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, **options: Any
) -> Any:
    r"""The stabilizing solution of :math:`A^* X + X A - X B R^{-1} B^* X + Q = 0`.

    Args:
        a ((..., n, n) array_like): The system matrix.
        b ((..., n, k) array_like): The input matrix.
        q ((..., n, n) array_like): The Hermitian cost of the state.
        r ((..., k, k) array_like): The Hermitian cost of the input.
        e, s: Refused for dual arguments.
    Returns:
        array: X.  Its tangent solves the Lyapunov equation of the closed loop :math:`A - B R^{-1} B^* X`.
    Raises:
        dualdiff.NoRuleError: If e or s is given.
    Notes:
        The cost of `solve_sylvester`.  On the value, see A. J. Laub, A Schur method for solving algebraic Riccati
        equations, IEEE Trans. Automat. Control 24 (1979).
    Examples:
        >>> derivative(lambda t: linalg.solve_continuous_are([[0.0]], [[1.0]], [[t]], [[1.0]]), 4.0).round(12)
        array([[0.25]])
    """
    reason = "the generalized equation"
    refuse("solve_continuous_are", e=(e is not None, reason), s=(s is not None, reason))
    values = Application(a, b, q, r).values
    x = value(*values)

    def gain(b: Any, r: Any) -> Any:
        return np.linalg.solve(r, adjoint(b) @ x)

    def composed(a: Any, b: Any, q: Any, r: Any) -> Any:
        residual = adjoint(a) @ x + x @ a - x @ b @ gain(b, r) + q
        loop = values[0] - values[1] @ gain(values[1], values[3])
        return x - solve_sylvester(adjoint(loop), loop, residual)

    return revalued(lambda *values: x, composed, a, b, q, r)


@over_scipy("a", "b", "q", "r")
def solve_discrete_are(value: Any, a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, **options: Any) -> Any:
    r"""The stabilizing solution of :math:`A^* X A - X - A^* X B (R + B^* X B)^{-1} B^* X A + Q = 0`.

    Args:
        a, b, q, r, e, s: As in `solve_continuous_are`.
    Returns:
        array: X.  Its tangent solves the discrete Lyapunov equation of the closed loop.
    Raises:
        dualdiff.NoRuleError: If e or s is given.
    Notes:
        The cost of `solve_continuous_are`.
    Examples:
        >>> derivative(lambda t: linalg.solve_discrete_are([[0.0]], [[1.0]], [[t]], [[1.0]]), 4.0).round(12)
        array([[1.]])
    """
    reason = "the generalized equation"
    refuse("solve_discrete_are", e=(e is not None, reason), s=(s is not None, reason))
    values = Application(a, b, q, r).values
    x = value(*values)

    def gain(a: Any, b: Any, r: Any) -> Any:
        return np.linalg.solve(r + adjoint(b) @ x @ b, adjoint(b) @ x @ a)

    def composed(a: Any, b: Any, q: Any, r: Any) -> Any:
        residual = adjoint(a) @ x @ a - x - adjoint(a) @ x @ b @ gain(a, b, r) + q
        loop = values[0] - values[1] @ gain(values[0], values[1], values[3])
        return x + solve_discrete_lyapunov(adjoint(loop), residual)

    return revalued(lambda *values: x, composed, a, b, q, r)
