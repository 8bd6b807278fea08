"""scipy.linalg: LU factorizations, and linear systems solved with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.linalg.factorization import Factored, solving
from dualdiff.rules.scipy.linalg.solve import solve_triangular
from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.rules.writing.terms import Term, result, revalued, terms


@over_scipy("a")
def lu(value: Any, a: Any, permute_l: bool = False, p_indices: bool = False, **options: Any) -> Any:
    r"""The LU factorization with partial pivoting, :math:`A = P L U`.

    Args:
        a ((..., m, n) array_like): The matrix, whose leading square block must be nonsingular after the row
            exchanges.
    Returns:
        tuple of arrays: P, L and U, or ``P @ L`` and U with ``permute_l``.  P is constant, and :math:`L^{-1} P^T
            dA\,U^{-1} = L^{-1} dL + dU\,U^{-1}`, the sum of a strictly lower and an upper triangular matrix.  The
            derivatives are NaN if a pivot is zero.
    Notes:
        Two triangular solves and two products per direction.  See F. de Hoog, R. Anderssen and M. Lukas,
        Differentiation of matrix functionals using triangular factorization, Math. Comp. 80 (2011).
    Examples:
        >>> P, L, U = derivative(lambda t: linalg.lu([[2.0, t], [t, 1.0]]), 1.0)
        >>> L
        array([[0. , 0. ],
               [0.5, 0. ]])
        >>> U
        array([[ 0.,  1.],
               [ 0., -1.]])
    """
    operands = Application(a)
    outputs = value(*operands.values)
    if not permute_l:
        permutation, lower, upper = outputs
        order = permutation if p_indices else permutation @ np.arange(shape_of(permutation)[-1])
        return permutation, *_eliminated(operands, np.argsort(order, axis=-1), lower, upper)
    permuted, upper = outputs
    # P L is a row permutation of L, and the values determine which.
    order = lu(plain_values(operand(a)), p_indices=True)[0]
    rows = np.argsort(order, axis=-1)
    lower, upper = _eliminated(operands, rows, _rows_of(permuted, rows), upper)
    return revalued(lambda v: permuted, lambda a: _rows_of(lower, order), a), upper


def _rows_of(a: Any, rows: Any) -> Any:
    """Permute the rows of a matrix, or of each matrix of a stack."""
    return a[(*np.indices(rows.shape, sparse=True)[:-1], rows)]


def _eliminated(operands: Application, rows: Any, lower: Any, upper: Any) -> tuple[Any, Any]:
    """L and U as duals, given their values: the factors of the matrix with its rows in this order."""
    (t,) = terms(operands, "lu")
    if t is None:
        return result(operands, lower), result(operands, upper)
    t = _rows_of(t, rows)
    m, n = t.shape[-2:]
    k = min(m, n)
    leading_l, leading_u = lower[..., :k, :], upper[..., :k]
    by_l, by_u = Factored(leading_l, "lower"), Factored(leading_u, "upper")

    def solved_from_right(t: Term) -> Term:
        return t.mT.map(solving(by_u, t.mT.shape, transposed=True)).mT

    with np.errstate(all="ignore"):
        within = solved_from_right(t[..., :k, :k].map(solving(by_l, (*t.shape[:-2], k, k))))
        strict = np.tri(k, k, -1, dtype=plain_values(upper).real.dtype)
        dl, du = (within * strict).left(leading_l), (within * (1 - strict)).right(leading_u)
        if n > k:
            rest = t[..., k:] - dl.right(upper[..., k:])
            du = du.beside(rest.map(solving(by_l, rest.shape)))
        if m > k:
            rest = solved_from_right(t[..., k:, :] - du.left(lower[..., k:, :]))
            dl = dl.mT.beside(rest.mT).mT
        return result(operands, lower, dl), result(operands, upper, du)


@over_scipy("a")
def lu_factor(value: Any, a: Any, **options: Any) -> Any:
    """The LU factorization packed into one array, for `lu_solve`.

    Args:
        a ((..., m, n) array_like): The matrix.
    Returns:
        pair of arrays: U, with L below its diagonal, and the pivots: row i was exchanged with row ``piv[i]``.
    Notes:
        The cost of `lu`.
    Examples:
        >>> derivative(lambda t: linalg.lu_solve(linalg.lu_factor([[t]]), [1.0]), 2.0)
        array([-0.25])
    """
    operands = Application(a)
    packed, exchanges = value(*operands.values)
    m, n = shape_of(packed)[-2:]
    k = min(m, n)
    unit = np.eye(m, k, dtype=plain_values(packed).dtype)
    rows = _order(exchanges, m)
    lower, upper = _eliminated(operands, rows, np.tril(packed[..., :k], -1) + unit, np.triu(packed[..., :k, :]))

    def composed(a: Any) -> Any:
        square = np.tril(lower[..., :k, :], -1) + upper[..., :k]
        return np.concatenate([square, lower[..., k:, :] if m > n else upper[..., k:]], axis=-2 if m > n else -1)

    return revalued(lambda v: packed, composed, a), exchanges


def _order(exchanges: Any, m: int) -> Any:
    """The permutation of the rows that results from successive exchanges."""
    rows = np.broadcast_to(np.arange(m), (*exchanges.shape[:-1], m)).copy()
    for i in range(exchanges.shape[-1]):
        other = exchanges[..., i, None]
        moved = np.take_along_axis(rows, other, axis=-1)
        np.put_along_axis(rows, other, rows[..., i, None], axis=-1)
        rows[..., i] = moved[..., 0]
    return rows


@over_scipy("lu_and_piv", "b")
def lu_solve(value: Any, lu_and_piv: Any, b: Any, trans: int = 0, **options: Any) -> Any:
    """Solve ``a @ x = b``, given ``lu_factor(a)``.

    Args:
        lu_and_piv (pair of arrays): The result of `lu_factor`.
        b ((n,) or (..., n, k) array_like): One right-hand side or several.
        trans ({0, 1, 2}): Solve with a, its transpose or its conjugate transpose.
    Returns:
        array: x, shaped like b.
    Notes:
        Two triangular solves per direction.
    Examples:
        >>> factors = linalg.lu_factor(np.array([[0.0, 2.0], [4.0, 0.0]]))
        >>> jacobian(lambda b: linalg.lu_solve(factors, b), [1.0, 1.0])
        array([[0.  , 0.25],
               [0.5 , 0.  ]])
    """
    packed, exchanges = operand(lu_and_piv[0]), lu_and_piv[1]
    rows = _order(np.asarray(exchanges), shape_of(packed)[-2])

    def composed(packed: Any, b: Any) -> Any:
        columns = b[:, None] if len(shape_of(b)) == 1 else b
        stack = np.broadcast_shapes(rows.shape[:-1], columns.shape[:-2])
        columns = np.broadcast_to(columns, (*stack, *columns.shape[-2:]))
        order = np.broadcast_to(rows, columns.shape[:-1])
        if trans == 0:
            x = solve_triangular(packed, _rows_of(columns, order), lower=True, unit_diagonal=True)
            x = solve_triangular(packed, x)
        else:
            x = solve_triangular(packed, columns, trans)
            x = solve_triangular(packed, x, trans, lower=True, unit_diagonal=True)
            x = _rows_of(x, np.argsort(order, axis=-1))
        return x[..., 0] if len(shape_of(b)) == 1 else x

    return revalued(lambda v, b: value((v, exchanges), b), composed, packed, b)
