"""scipy.linalg: linear systems and inverses; banded and Toeplitz matrices are never formed in full."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.numpy.linalg.solve import inverted, solved
from dualdiff.rules.scipy.linalg.special_matrices import toeplitz
from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy, refuse
from dualdiff.rules.writing.terms import MatrixMap, hermitian_part, result, revalued, solved_by_orders, term_of

#: The part of the matrix that LAPACK reads under an assumption, as ``(lowest, highest diagonal)``.
_BANDS = {"diagonal": (0, 0), "tridiagonal": (-1, 1), "upper triangular": (0, None), "lower triangular": (None, 0)}


def _read(a: Any, assume_a: str | None, lower: bool) -> Any:
    """The matrix that LAPACK sees: under some assumptions it reads only a part of the array."""
    if assume_a in _BANDS:
        lowest, highest = _BANDS[assume_a]
        a = a if lowest is None else np.triu(a, lowest)
        return a if highest is None else np.tril(a, highest)
    if assume_a in ("sym", "symmetric"):
        return _symmetric_part(a, lower)
    if assume_a in ("her", "hermitian", "pos", "positive definite"):
        return hermitian_part(a, not lower)
    return a


def _symmetric_part(a: Any, lower: bool) -> Any:
    triangle, rest = (np.tril(a), np.tril(a, -1)) if lower else (np.triu(a), np.triu(a, 1))
    return triangle + np.swapaxes(rest, -1, -2)


@over_scipy("a", "b")
def solve(
    value: Any,
    a: Any,
    b: Any,
    lower: bool = False,
    assume_a: str | None = None,
    transposed: bool = False,
    **options: Any,
) -> Any:
    r"""Solve :math:`A x = b`, with :math:`A\,dx = db - dA\,x`.

    Args:
        a ((..., n, n) array_like): The matrix.  With ``assume_a`` ("sym", "her", "pos", "diagonal", "tridiagonal",
            "upper triangular", "lower triangular") SciPy reads a part of it, and the derivative with respect to
            the other elements is zero.
        b ((n,) or (..., n, k) array_like): One right-hand side or several.
    Returns:
        array: x, shaped like b.
    Raises:
        numpy.linalg.LinAlgError: If the matrix is singular.
    Notes:
        A second factorization for all directions, and one solve per direction.
    Examples:
        >>> derivative(lambda t: linalg.solve(np.stack([[t, 1.0], [1.0, t]]), [1.0, 0.0], assume_a="sym"), 2.0).round(4)
        array([-0.5556,  0.4444])
    """
    x = value(*Application(a, b, linear=True).values)
    a, b = operand(a), operand(b)
    if math.prod(shape_of(a)) == 1:
        # SciPy divides by a matrix of size one, whatever is assumed and however many rows b has.
        return revalued(value, lambda a, b: b / np.reshape(a, (1,) * max(1, len(shape_of(b)))), a, b)
    return solved(Application(_read(a, assume_a, lower), b, linear=True), x, transposed)


@over_scipy("a")
def inv(value: Any, a: Any, *, assume_a: str | None = None, lower: bool = False, **options: Any) -> Any:
    r"""The inverse of a matrix, with :math:`dX = -X\,dA\,X`.

    Args:
        a ((..., n, n) array_like): The matrix.
        assume_a, lower: As in `solve`; ``assume_a="diagonal"`` is refused for dual arguments.
    Returns:
        array: The inverse, shaped like a.
    Raises:
        numpy.linalg.LinAlgError: If the matrix is singular.
        dualdiff.NoRuleError: If ``assume_a="diagonal"``.
    Notes:
        Two matrix products per direction.
    Examples:
        >>> jacobian(linalg.inv, [[2.0]])
        array([[[[-0.25]]]])
    """
    refuse("inv", assume_a=(assume_a == "diagonal", "SciPy leaves the off-diagonal elements as they were"))
    return inverted(Application(_read(operand(a), assume_a, lower)), value(*Application(a).values))


def by_residual(
    x: Any,
    residual: Callable[..., Any],
    solve: Callable[[Any], Any],
    solve_transposed: Callable[[Any], Any],
    *arrays: Any,
) -> Any:
    """The x at which ``residual(x, *arrays)``, b - A x, vanishes, by the implicit function theorem.

    Only the tangent of the residual is used: for a plain A that of b.  ``solve`` and ``solve_transposed`` solve with A
    for columns of right-hand sides.
    """
    operands = Application(*arrays, linear=True)
    shape = shape_of(x)
    if 0 in shape:
        return result(operands, x)
    with np.errstate(all="ignore"):
        if operands.space is not None and operands.space.order:
            return solved_by_orders(operands, x, residual, _of_columns(solve, len(shape)))
        rest = residual(x, *operands.operands)
        t = term_of(operands, rest)
        if t is None:
            return result(operands, x)
        linear = MatrixMap(
            "solve",
            _of_columns(solve, len(shape)),
            _of_columns(solve_transposed, len(shape)),
            shape,
            shape,
            [x],
            (-len(shape),),
        )
        return result(operands, x, t.map(linear))


def _of_columns(solve: Callable[[Any], Any], ndim: int) -> Callable[[Any], Any]:
    def apply(t: Any) -> Any:
        columns = np.moveaxis(t, -ndim, 0)
        solution = np.reshape(solve(np.reshape(columns, (columns.shape[0], -1))), columns.shape)
        return np.moveaxis(solution, 0, -ndim)

    return apply


# -- bands -------------------------------------------------------------------------------------------------------------
def _along_band(a: Any, shifts: Any) -> Any:
    """Shift row d of the array right by ``shifts[d]``, filling with zeros."""
    rows, n = shape_of(a)[:2]
    if type(a) is np.ndarray:
        result = np.zeros_like(a)
        for d, shift in enumerate(np.clip(shifts, -n, n).tolist()):
            result[d, max(shift, 0) : n + min(shift, 0)] = a[d, max(-shift, 0) : n - max(shift, 0)]
        return result
    pad = rows + 1
    padded = np.pad(a, [(0, 0), (pad, pad)] + [(0, 0)] * (len(shape_of(a)) - 2))
    return padded[np.arange(rows)[:, None], np.clip(np.arange(n) - shifts[:, None] + pad, 0, n + 2 * pad - 1)]


def _transposed_band(ab: Any, lower: int, upper: int) -> Any:
    return _along_band(ab[::-1], lower - np.arange(lower + upper + 1))


def _band_product(ab: Any, x: Any, upper: int) -> Any:
    """The product ``a @ x`` of the banded a with ``ab[upper + i - j, j] == a[i, j]``."""
    products = ab * x if len(shape_of(x)) == 1 else ab[:, :, None] * x
    return np.sum(_along_band(products, np.arange(shape_of(ab)[0]) - upper), axis=0)


def _one_matrix(ab: Any, ndim: int, name: str) -> Any:
    ab = operand(ab)
    if len(shape_of(ab)) != ndim:
        raise ValueError(
            f"dualdiff.scipy.linalg.{name} of duals takes one matrix, not a stack: got shape {shape_of(ab)}"
        )
    return ab


@over_scipy("ab", "b")
def solve_banded(value: Any, l_and_u: Any, ab: Any, b: Any, **options: Any) -> Any:
    r"""Solve :math:`A x = b` for a banded A, with :math:`A\,dx = db - dA\,x`.

    Args:
        l_and_u (pair of int): The numbers of diagonals below and above the main one.
        ab ((l + u + 1, n) array_like): The diagonals, ``ab[u + i - j, j] == A[i, j]``; elements outside of A are
            ignored.
        b ((n,) or (n, k) array_like): One right-hand side or several.
    Returns:
        array: x, shaped like b.
    Raises:
        numpy.linalg.LinAlgError: If the matrix is singular.
    Notes:
        One banded solve with all directions as right-hand sides: O(n) per direction.
    Examples:
        >>> derivative(lambda t: linalg.solve_banded((0, 0), [[t, t]], [1.0, 2.0]), 2.0)
        array([-0.25, -0.5 ])
    """
    lower, upper = l_and_u
    ab = _one_matrix(ab, 2, "solve_banded")
    values = Application(ab, b, linear=True).values
    # A copy, which stays unchanged if f later writes into its matrix.
    x, inner = value(*values), np.copy(values[0])
    return by_residual(
        x,
        lambda x, ab, b: b - _band_product(ab, x, upper) if isinstance(ab, AnyDual) else b,
        lambda columns: solve_banded(l_and_u, inner, columns),
        lambda columns: solve_banded((upper, lower), _transposed_band(inner, lower, upper), columns),
        ab,
        b,
    )


@over_scipy("ab", "b")
def solveh_banded(value: Any, ab: Any, b: Any, lower: bool = False, **options: Any) -> Any:
    r"""Solve :math:`A x = b` for a banded, Hermitian positive definite A, with :math:`A\,dx = db - dA\,x`.

    Args:
        ab ((u + 1, n) array_like): The main diagonal and those above it (or, with ``lower``, below it), stored
            as in `solve_banded`.
        b ((n,) or (n, k) array_like): One right-hand side or several.
    Returns:
        array: x, shaped like b.
    Raises:
        numpy.linalg.LinAlgError: If the matrix is not positive definite.
    Notes:
        The cost of `solve_banded`.
    Examples:
        >>> derivative(lambda t: linalg.solveh_banded([[0.0, 0.0], [t, t]], [1.0, 2.0]), 2.0)
        array([-0.25, -0.5 ])
    """
    ab = _one_matrix(ab, 2, "solveh_banded")
    values = Application(ab, b, linear=True).values
    x, inner = value(*values), np.copy(values[0])
    width = shape_of(ab)[0] - 1

    def residual(x: Any, ab: Any, b: Any) -> Any:
        # The other triangle is the adjoint of this one.
        half = ab if lower else _transposed_band(np.conjugate(ab), 0, width)
        other = _transposed_band(np.conjugate(half[1:]), width, -1) if width else half[:0]
        return b - _band_product(np.concatenate([other, np.real(half[:1]), half[1:]]), x, width)

    return by_residual(
        x,
        residual,
        lambda columns: solveh_banded(inner, columns, lower=lower),
        lambda columns: np.conjugate(solveh_banded(inner, np.conjugate(columns), lower=lower)),
        ab,
        b,
    )


# -- Toeplitz matrices -------------------------------------------------------------------------------------------------
@over_scipy("c_or_cr", "b")
def solve_toeplitz(value: Any, c_or_cr: Any, b: Any, **options: Any) -> Any:
    r"""Solve :math:`T x = b` for a Toeplitz matrix T, with :math:`T\,dx = db - dT\,x`.

    Args:
        c_or_cr ((n,) array_like, or tuple of two): The first column, or the first column and the first row, as in
            `toeplitz`.
        b ((n,) or (n, k) array_like): One right-hand side or several.
    Returns:
        array: x, shaped like b.
    Raises:
        numpy.linalg.LinAlgError: If a leading principal minor is zero.
    Notes:
        One Levinson recursion per direction.
    Examples:
        >>> derivative(lambda t: linalg.solve_toeplitz([t, 0.0], [1.0, 2.0]), 2.0)
        array([-0.25, -0.5 ])
    """
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    c = _one_matrix(c, 1, "solve_toeplitz")
    r = np.conjugate(c) if r is None else _one_matrix(r, 1, "solve_toeplitz")
    column, row, right = Application(c, r, b, linear=True).values
    x = value((column, row), right)
    column, row = np.copy(column), np.copy(row)
    transposed = np.concatenate([column[:1], row[1:]])
    return by_residual(
        x,
        lambda x, c, r, b: b - toeplitz(c, r) @ x,
        lambda columns: solve_toeplitz((column, row), columns),
        lambda columns: solve_toeplitz((transposed, column), columns),
        c,
        r,
        b,
    )


# -- triangular matrices -----------------------------------------------------------------------------------------------
@over_scipy("a", "b")
def solve_triangular(
    value: Any, a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, **options: Any
) -> Any:
    r"""Solve :math:`T x = b` for a triangular matrix T, with :math:`T\,dx = db - dT\,x`.

    Args:
        a ((..., n, n) array_like): The matrix; its other triangle is ignored, and the derivative with respect to it is
            zero.
        b ((n,) or (..., n, k) array_like): One right-hand side or several.
        trans ({0, 1, 2, "N", "T", "C"}): Solve with T, its transpose or its conjugate transpose.
    Returns:
        array: x, shaped like b.
    Raises:
        numpy.linalg.LinAlgError: If the matrix is singular.
    Notes:
        One triangular solve per direction.
    Examples:
        >>> jacobian(lambda b: linalg.solve_triangular([[1.0, 2.0], [0.0, 4.0]], b), [1.0, 1.0])
        array([[ 1.  , -0.5 ],
               [ 0.  ,  0.25]])
    """
    x = value(*Application(a, b, linear=True).values)
    a = triangle_of(operand(a), lower, unit_diagonal)
    if trans in (2, "C"):
        a = np.conjugate(a)
    return solved(Application(a, b, linear=True), x, trans not in (0, "N"), "lower" if lower else "upper")


def triangle_of(a: Any, lower: bool, unit_diagonal: bool = False) -> Any:
    """The lower or upper triangle of a square array, with ones on the diagonal if they are implicit."""
    off = -1 if lower else 1
    triangle = (np.tril if lower else np.triu)(a, off * unit_diagonal)
    return triangle + np.eye(shape_of(a)[-1], dtype=plain_values(a).dtype) if unit_diagonal else triangle
