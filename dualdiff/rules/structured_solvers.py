"""scipy.linalg: systems with banded matrices and with Toeplitz's, which never become full ones.

The solution changes by the solution of the same system for what is left over: b - A x with the tangents of A and b.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.over_scipy import over_scipy
from dualdiff.rules.special_matrices import toeplitz
from dualdiff.rules.support import Application, shape_of
from dualdiff.rules.terms import MatrixMap, result, term_of


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
        raise ValueError(f"dualdiff.linalg.{name} of duals takes one matrix, and was given the shape {shape_of(ab)}")
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
    >>> from dualdiff import derivative, linalg
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
    >>> from dualdiff import derivative, linalg
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
    >>> from dualdiff import derivative, linalg
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
