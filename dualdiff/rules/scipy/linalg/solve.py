"""scipy.linalg: solving and inverses; banded and Toeplitz matrices never become full ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.linalg.solve import inverted, solved
from dualdiff.rules.scipy.linalg.special_matrices import toeplitz
from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy, refuse
from dualdiff.rules.writing.terms import MatrixMap, hermitian_part, result, revalued, term_of

#: What else LAPACK takes for granted: the part of the matrix that it reads, as ``(lowest, highest diagonal)``.
_BANDS = {"diagonal": (0, 0), "tridiagonal": (-1, 1), "upper triangular": (0, None), "lower triangular": (None, 0)}


def _read(a: Any, assume_a: str | None, lower: bool) -> Any:
    """The matrix that LAPACK reads out of the array, of which it may leave out parts."""
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
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str | None = None,
    transposed: bool = False,
) -> Any:
    r"""The x with :math:`A x = b`, as ``scipy.linalg.solve``: :math:`A\,dx = db - dA\,x`.

    Parameters
    ----------
    a : (..., n, n) array_like
        The matrix.  With ``assume_a`` ("sym", "her", "pos", "diagonal", "tridiagonal", "upper triangular",
        "lower triangular") SciPy reads a part of it, and the derivative in all other elements is zero.
    b : (n,) or (..., n, k) array_like
        One right-hand side or several.
    lower, assume_a, transposed, check_finite
        As in SciPy.
    overwrite_a, overwrite_b
        Not made use of for duals.

    Returns
    -------
    array
        x, of the shape of b.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is singular.

    Notes
    -----
    The matrix is factored once more for all tangents together.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.solve(np.stack([[t, 1.0], [1.0, t]]), [1.0, 0.0], assume_a="sym"), 2.0).round(4)
    array([-0.5556,  0.4444])
    """
    x = value(*Application(a, b).values)
    a, b = operand(a), operand(b)
    if math.prod(shape_of(a)) == 1:
        # By a matrix of size one SciPy divides, whatever is assumed and however many rows b has.
        return revalued(lambda *_: x, lambda a, b: b / np.reshape(a, (1,) * max(1, len(shape_of(b)))), a, b)
    return solved(Application(_read(a, assume_a, lower), b), x, transposed)


@over_scipy("a")
def inv(
    value: Any,
    a: Any,
    overwrite_a: bool = False,
    check_finite: bool = True,
    *,
    assume_a: str | None = None,
    lower: bool = False,
) -> Any:
    r"""The inverse of a matrix, as ``scipy.linalg.inv``: :math:`dX = -X\,dA\,X`.

    Parameters
    ----------
    a : (..., n, n) array_like
        The matrix.
    assume_a, lower, check_finite
        As in SciPy, with the parts that are read as in `solve`.
    overwrite_a
        Not made use of for duals.

    Returns
    -------
    array
        The inverse, of the shape of a.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is singular.

    Notes
    -----
    Two products of matrices for each direction.

    Examples
    --------
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy import linalg
    >>> jacobian(linalg.inv, [[2.0]])
    array([[[[-0.25]]]])
    """
    refuse("inv", assume_a=(assume_a == "diagonal", "SciPy leaves what stands beside the diagonal as it was"))
    return inverted(Application(_read(operand(a), assume_a, lower)), value(*Application(a).values))


def _implicit(
    x: Any,
    residual: Callable[..., Any],
    solve: Callable[[Any], Any],
    solve_transposed: Callable[[Any], Any],
    *arrays: Any,
) -> Any:
    """The x at which ``residual(*arrays)``, b - A x, vanishes; the solutions take columns and the values of arrays."""
    operands = Application(*arrays)
    shape = shape_of(x)
    if 0 in shape:
        return result(operands, x)
    with np.errstate(all="ignore"):
        rest = residual(*operands.operands)
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
        found = np.reshape(solve(np.reshape(columns, (columns.shape[0], -1))), columns.shape)
        return np.moveaxis(found, 0, -ndim)

    return apply


# -- bands -------------------------------------------------------------------------------------------------------------
def _along_band(a: Any, shifts: Any) -> Any:
    """Row d of the array moved by ``shifts[d]`` places to the right; zero where nothing comes from."""
    rows, n = shape_of(a)[:2]
    pad = rows + 1
    padded = np.pad(a, [(0, 0), (pad, pad)] + [(0, 0)] * (len(shape_of(a)) - 2))
    return padded[np.arange(rows)[:, None], np.clip(np.arange(n) - shifts[:, None] + pad, 0, n + 2 * pad - 1)]


def _transposed_band(ab: Any, lower: int, upper: int) -> Any:
    return _along_band(ab[::-1], lower - np.arange(lower + upper + 1))


def _band_product(ab: Any, x: Any, upper: int) -> Any:
    """``a @ x``, for the a with ``ab[upper + i - j, j] == a[i, j]``."""
    products = ab * x if len(shape_of(x)) == 1 else ab[:, :, None] * x
    return np.sum(_along_band(products, np.arange(shape_of(ab)[0]) - upper), axis=0)


def _one_matrix(ab: Any, ndim: int, name: str) -> Any:
    ab = operand(ab)
    if len(shape_of(ab)) != ndim:
        raise ValueError(
            f"dualdiff.scipy.linalg.{name} of duals takes one matrix, and was given the shape {shape_of(ab)}"
        )
    return ab


@over_scipy("ab", "b")
def solve_banded(
    value: Any,
    l_and_u: Any,
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    r"""The x with :math:`A x = b` for a banded A, as ``scipy.linalg.solve_banded``: :math:`A\,dx = db - dA\,x`.

    Parameters
    ----------
    l_and_u : pair of ints
        How many diagonals there are below and above the main one.
    ab : (l + u + 1, n) array_like
        The diagonals, ``ab[u + i - j, j] == A[i, j]``; what lies outside of A is not read.
    b : (n,) or (n, k) array_like
        One right-hand side or several.
    check_finite
        As in SciPy.
    overwrite_ab, overwrite_b
        Not made use of for duals.

    Returns
    -------
    array
        x, of the shape of b.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is singular.

    Notes
    -----
    One banded solution with all directions as right-hand sides: O(n) for each.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.solve_banded((0, 0), [[t, t]], [1.0, 2.0]), 2.0)
    array([-0.25, -0.5 ])
    """
    lower, upper = l_and_u
    ab = _one_matrix(ab, 2, "solve_banded")
    values = Application(ab, b).values
    # A copy, which stays what it is when f writes into its matrix.
    x, inner = value(*values), np.copy(values[0])
    return _implicit(
        x,
        lambda ab, b: b - _band_product(ab, x, upper),
        lambda columns: solve_banded(l_and_u, inner, columns),
        lambda columns: solve_banded((upper, lower), _transposed_band(inner, lower, upper), columns),
        ab,
        b,
    )


@over_scipy("ab", "b")
def solveh_banded(
    value: Any,
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    lower: bool = False,
    check_finite: bool = True,
) -> Any:
    r"""The x with :math:`A x = b` for a banded, positive definite A, as ``scipy.linalg.solveh_banded``.

    Parameters
    ----------
    ab : (u + 1, n) array_like
        The main diagonal and those above it (or, with ``lower``, below it), in the order of `solve_banded`.
    b : (n,) or (n, k) array_like
        One right-hand side or several.
    lower, check_finite
        As in SciPy.
    overwrite_ab, overwrite_b
        Not made use of for duals.

    Returns
    -------
    array
        x, of the shape of b.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite.

    Notes
    -----
    As `solve_banded`.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.solveh_banded([[0.0, 0.0], [t, t]], [1.0, 2.0]), 2.0)
    array([-0.25, -0.5 ])
    """
    ab = _one_matrix(ab, 2, "solveh_banded")
    values = Application(ab, b).values
    x, inner = value(*values), np.copy(values[0])
    width = shape_of(ab)[0] - 1

    def residual(ab: Any, b: Any) -> Any:
        # The other half is the adjoint of this one.
        half = ab if lower else _transposed_band(np.conjugate(ab), 0, width)
        other = _transposed_band(np.conjugate(half[1:]), width, -1) if width else half[:0]
        return b - _band_product(np.concatenate([other, np.real(half[:1]), half[1:]]), x, width)

    return _implicit(
        x,
        residual,
        lambda columns: solveh_banded(inner, columns, lower=lower),
        lambda columns: np.conjugate(solveh_banded(inner, np.conjugate(columns), lower=lower)),
        ab,
        b,
    )


# -- Toeplitz's matrices -----------------------------------------------------------------------------------------------
@over_scipy("c_or_cr", "b")
def solve_toeplitz(value: Any, c_or_cr: Any, b: Any, check_finite: bool = True) -> Any:
    r"""The x with :math:`T x = b` for Toeplitz's matrix, as ``scipy.linalg.solve_toeplitz``.

    Parameters
    ----------
    c_or_cr : (n,) array_like, or tuple of two
        The first column, or the first column and the first row, as in `toeplitz`.
    b : (n,) or (n, k) array_like
        One right-hand side or several.
    check_finite
        As in SciPy.

    Returns
    -------
    array
        x, of the shape of b: :math:`T\,dx = db - dT\,x`.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a leading block of the matrix is singular.

    Notes
    -----
    One solution by Levinson's recursion for each direction.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.solve_toeplitz([t, 0.0], [1.0, 2.0]), 2.0)
    array([-0.25, -0.5 ])
    """
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    c = _one_matrix(c, 1, "solve_toeplitz")
    r = np.conjugate(c) if r is None else _one_matrix(r, 1, "solve_toeplitz")
    column, row, right = Application(c, r, b).values
    x = value((column, row), right)
    column, row = np.copy(column), np.copy(row)
    transposed = np.concatenate([column[:1], row[1:]])
    return _implicit(
        x,
        lambda c, r, b: b - toeplitz(c, r) @ x,
        lambda columns: solve_toeplitz((column, row), columns),
        lambda columns: solve_toeplitz((transposed, column), columns),
        c,
        r,
        b,
    )


# -- triangles ---------------------------------------------------------------------------------------------------------
@over_scipy("a", "b")
def solve_triangular(
    value: Any,
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    r"""The x with :math:`T x = b` for a triangle T, as ``scipy.linalg.solve_triangular``: :math:`T\,dx = db - dT\,x`.

    Parameters
    ----------
    a : (..., n, n) array_like
        The matrix; its other triangle is not read, and has derivative zero.
    b : (n,) or (..., n, k) array_like
        One right-hand side or several.
    trans : {0, 1, 2, "N", "T", "C"}
        Whether T, its transpose or its conjugate transpose is meant.
    lower, unit_diagonal, check_finite
        As in SciPy.
    overwrite_b
        Not made use of for duals.

    Returns
    -------
    array
        x, of the shape of b.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the triangle is singular.

    Notes
    -----
    One triangular solution for each direction.

    Examples
    --------
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy import linalg
    >>> jacobian(lambda b: linalg.solve_triangular([[1.0, 2.0], [0.0, 4.0]], b), [1.0, 1.0])
    array([[ 1.  , -0.5 ],
           [ 0.  ,  0.25]])
    """
    x = value(*Application(a, b).values)
    a = triangle_of(operand(a), lower, unit_diagonal)
    if trans in (2, "C"):
        a = np.conjugate(a)
    return solved(Application(a, b), x, trans not in (0, "N"), "lower" if lower else "upper")


def triangle_of(a: Any, lower: bool, unit_diagonal: bool = False) -> Any:
    """The lower or upper triangle of a square array, with ones as its diagonal if they are understood."""
    off = -1 if lower else 1
    triangle = (np.tril if lower else np.triu)(a, off * unit_diagonal)
    return triangle + np.eye(shape_of(a)[-1], dtype=plain_values(a).dtype) if unit_diagonal else triangle
