"""scipy.linalg: Cholesky factors, and systems solved with them; SciPy's values."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.linalg.cholesky import cholesky_factor
from dualdiff.rules.scipy.linalg.solve import solve_triangular, triangle_of
from dualdiff.rules.writing.array_rules import Application, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy, refuse
from dualdiff.rules.writing.terms import revalued
from dualdiff.rules.writing.versions import CHO_FACTOR_CLEARS, scipy_version


@over_scipy("a")
def cholesky(value: Any, a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    r"""The triangle of Cholesky, :math:`A = L L^*` or :math:`A = R^* R`, as ``scipy.linalg.cholesky``.

    Parameters
    ----------
    a : (..., n, n) array_like
        A positive definite matrix, of which the lower triangle is read, or the upper one.
    lower : bool
        Whether L is wanted; R otherwise, as in SciPy.
    check_finite
        As in SciPy.
    overwrite_a
        Not made use of for duals.

    Returns
    -------
    array
        L or R: :math:`dL = L\,\Phi(L^{-1} dA\,L^{-*})`, where :math:`\Phi` takes the lower triangle and half of the
        diagonal.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite.

    Notes
    -----
    Two triangular solutions and a product for each direction.  See M. B. Giles, Collected matrix derivative results
    for forward and reverse mode algorithmic differentiation (2008).

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.cholesky([[t, 0.0], [0.0, 1.0]]), 4.0)
    array([[0.25, 0.  ],
           [0.  , 0.  ]])
    """
    operands = Application(a)
    return cholesky_factor(operands, value(*operands.values), not lower, "dualdiff.scipy.linalg.cholesky")


@over_scipy("a")
def cho_factor(value: Any, a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The triangle of Cholesky for `cho_solve`, as ``scipy.linalg.cho_factor``.

    Parameters
    ----------
    a : (n, n) array_like
        A positive definite matrix, of which one triangle is read.
    lower, check_finite
        As in SciPy.
    overwrite_a
        Not made use of for duals.

    Returns
    -------
    pair of array and bool
        The triangle, beside which stands what SciPy leaves there, and whether it is the lower one.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite.

    Notes
    -----
    As `cholesky`.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.cho_solve(linalg.cho_factor([[t]]), [1.0]), 2.0)
    array([-0.25])
    """
    operands = Application(a)
    found, is_lower = value(*operands.values)
    factor = cholesky_factor(operands, triangle_of(found, lower), not lower, "dualdiff.scipy.linalg.cho_factor")
    if scipy_version() < CHO_FACTOR_CLEARS:
        factor = factor + a - triangle_of(operand(a), lower)
    return revalued(lambda v: found, lambda a: factor, a), is_lower


@over_scipy("c_and_lower", "b")
def cho_solve(value: Any, c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """The x with ``a @ x = b``, given ``cho_factor(a)``, as ``scipy.linalg.cho_solve``.

    Parameters
    ----------
    c_and_lower : pair of array and bool
        What `cho_factor` gave, or a triangle of `cholesky` and whether it is the lower one.
    b : (n,) or (..., n, k) array_like
        One right-hand side or several.
    check_finite
        As in SciPy.
    overwrite_b
        Not made use of for duals.

    Returns
    -------
    array
        x, of the shape of b.

    Notes
    -----
    Two triangular solutions for each direction.

    Examples
    --------
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy import linalg
    >>> jacobian(lambda b: linalg.cho_solve(([[2.0]], True), b), [1.0])
    array([[0.25]])
    """
    c, which = c_and_lower
    lower = bool(np.all(which))
    # Of a stack `cho_factor` says it for each matrix.
    refuse("cho_solve", lower=(lower != bool(np.any(which)), "one stack of upper and of lower triangles"))

    def composed(c: Any, b: Any) -> Any:
        columns = b[:, None] if len(shape_of(b)) == 1 else b
        first = solve_triangular(c, columns, 0 if lower else 2, lower)
        x = solve_triangular(c, first, 2 if lower else 0, lower)
        return x[..., 0] if len(shape_of(b)) == 1 else x

    return revalued(lambda c, b: value((c, which), b), composed, c, b)
