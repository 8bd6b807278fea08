"""scipy.linalg: solving, inverses, determinants and norms, with the derivatives of `dualdiff.rules.linalg`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.linalg import determinant, inverted, solved
from dualdiff.rules.over_scipy import over_scipy, refuse
from dualdiff.rules.support import Application, plain_values, shape_of
from dualdiff.rules.terms import hermitian_part, revalued, rounding

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
    >>> from dualdiff import derivative, linalg
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
    >>> from dualdiff import jacobian, linalg
    >>> jacobian(linalg.inv, [[2.0]])
    array([[[[-0.25]]]])
    """
    refuse("inv", assume_a=(assume_a == "diagonal", "SciPy leaves what stands beside the diagonal as it was"))
    return inverted(Application(_read(operand(a), assume_a, lower)), value(*Application(a).values))


@over_scipy("a")
def det(value: Any, a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    r"""The determinant, as ``scipy.linalg.det``: :math:`d\det A = \mathrm{tr}(\mathrm{adj}(A)\,dA)`.

    Parameters
    ----------
    a : (..., n, n) array_like
        The matrix; it may be singular.
    check_finite
        As in SciPy.
    overwrite_a
        Not made use of for duals.

    Returns
    -------
    number or array
        The determinant.

    Notes
    -----
    One inverse; an elimination with complete pivoting where the matrix is nearly singular.

    Examples
    --------
    >>> from dualdiff import gradient, linalg
    >>> gradient(linalg.det, [[1.0, 2.0], [2.0, 4.0]])
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    operands = Application(a)
    return determinant(operands, value(*operands.values))


@over_scipy("a")
def pinv(
    value: Any, a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, check_finite: bool = True
) -> Any:
    r"""The pseudoinverse, as ``scipy.linalg.pinv``, differentiated at constant rank.

    Parameters
    ----------
    a : (..., m, n) array_like
        The matrix.
    atol, rtol, return_rank, check_finite
        As in SciPy; the rank is an integer, and has no derivative.

    Returns
    -------
    array, or pair of array and int
        The pseudoinverse, and with ``return_rank`` the rank.

    Notes
    -----
    See G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973), and `dualdiff.rules.linalg`.

    Examples
    --------
    >>> from dualdiff import jacobian, linalg
    >>> jacobian(linalg.pinv, [[2.0], [0.0]])[0, 0].round(12)
    array([[-0.25],
           [ 0.  ]])
    """
    found = value(*Application(a).values)
    p, rank = found if return_rank else (found, None)
    p = revalued(lambda v: p, lambda x: np.linalg.pinv(x, rtol=_relative(x, atol, rtol)), a)
    return (p, rank) if return_rank else p


def _relative(a: Any, atol: Any, rtol: Any, largest: Any = None) -> Any:
    """SciPy's bound for singular values, relative to the largest."""
    plain = plain_values(a)
    if rtol is None:
        rtol = max(plain.shape[-2:]) * rounding(plain)
    if not atol:
        return rtol
    largest = np.max(np.linalg.svdvals(plain), axis=-1, initial=0.0)
    return rtol + atol / np.where(largest == 0, 1.0, largest)


@over_scipy("a")
def pinvh(
    value: Any,
    a: Any,
    atol: Any = None,
    rtol: Any = None,
    lower: bool = True,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    r"""The pseudoinverse of a Hermitian matrix, as ``scipy.linalg.pinvh``, differentiated at constant rank.

    Parameters
    ----------
    a : (..., n, n) array_like
        The matrix, of which one triangle is read.
    atol, rtol, lower, return_rank, check_finite
        As in SciPy.

    Returns
    -------
    array, or pair of array and int
        The pseudoinverse, and with ``return_rank`` the rank.

    Notes
    -----
    As `pinv`.

    Examples
    --------
    >>> from dualdiff import jacobian, linalg
    >>> jacobian(linalg.pinvh, [[2.0]])
    array([[[[-0.25]]]])
    """
    found = value(*Application(a).values)
    p, rank = found if return_rank else (found, None)
    composed = lambda x: np.linalg.pinv(hermitian_part(x, not lower), rtol=_relative(x, atol, rtol))  # noqa: E731
    p = revalued(lambda v: p, composed, a)
    return (p, rank) if return_rank else p


@over_scipy("a", "b")
def lstsq(
    value: Any,
    a: Any,
    b: Any,
    cond: Any = None,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    lapack_driver: str | None = None,
) -> Any:
    r"""Least squares, as ``scipy.linalg.lstsq``, differentiated at constant rank.

    Parameters
    ----------
    a : (..., m, n) array_like
        The matrix.
    b : (m,) or (..., m, k) array_like
        One right-hand side or several.
    cond, check_finite, lapack_driver
        As in SciPy.
    overwrite_a, overwrite_b
        Not made use of for duals.

    Returns
    -------
    tuple
        The solution, the squares of the residuals, the rank (an integer) and the singular values, which the driver
        "gelsy" does not give.

    Notes
    -----
    See G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973), and `dualdiff.rules.linalg`.

    Examples
    --------
    >>> from dualdiff import jacobian, linalg
    >>> jacobian(lambda b: linalg.lstsq([[1.0], [1.0]], b)[0], [1.0, 3.0])
    array([[0.5, 0.5]])
    """
    x, squares, rank, s = value(*Application(a, b).values)
    cond = rounding(x) if cond is None else cond
    # Of a stack the driver "gelsy" gives None for each matrix.
    has_values = s is not None and plain_values(s).dtype.kind != "O"

    def of_stack(a: Any, b: Any, cond: Any) -> tuple[Any, Any, Any, Any]:
        columns = b[:, None] if len(shape_of(b)) == 1 else b
        x = np.linalg.pinv(a, cond) @ columns
        squares = np.sum(np.abs(columns - a @ x) ** 2, axis=-2)
        if len(shape_of(b)) == 1:
            x, squares = x[..., 0], squares[..., 0]
        return x, squares, rank, np.broadcast_to(np.linalg.svdvals(a), shape_of(s)) if has_values else s

    def part(i: int, found: Any) -> Any:
        composed = of_stack if np.ndim(rank) else np.linalg.lstsq
        return revalued(lambda a, b: found, lambda a, b: composed(a, b, cond)[i], a, b)

    return part(0, x), part(1, squares), rank, part(3, s) if has_values else s


@over_scipy("a")
def norm(
    value: Any, a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True
) -> Any:
    """The norm of a vector or a matrix, as ``scipy.linalg.norm``.

    Parameters
    ----------
    a : array_like
        The array.
    ord, axis, keepdims, check_finite
        As in SciPy.

    Returns
    -------
    number or array
        The norm; its derivative at zero is zero.

    Notes
    -----
    As ``numpy.linalg.norm`` of duals.

    Examples
    --------
    >>> from dualdiff import gradient, linalg
    >>> gradient(linalg.norm, [3.0, 4.0])
    array([0.6, 0.8])
    """
    return revalued(value, lambda x: np.linalg.norm(x, ord, axis, keepdims), a)
