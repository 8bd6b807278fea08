"""scipy.linalg: Cholesky factors, and linear systems solved with them."""

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
def cholesky(value: Any, a: Any, lower: bool = False, **options: Any) -> Any:
    r"""The Cholesky factor, :math:`A = L L^*` or :math:`A = R^* R`.

    Args:
        a ((..., n, n) array_like): A Hermitian positive definite matrix, of which one triangle is read.
        lower (bool): Whether to read the lower triangle and return L, rather than the upper triangle and R.
    Returns:
        array: L or R, with :math:`dL = L\,\Phi(L^{-1} dA\,L^{-*})`, where :math:`\Phi` takes the lower triangle and
            half the diagonal.
    Raises:
        numpy.linalg.LinAlgError: If the matrix is not positive definite.
    Notes:
        Two triangular solves and a product per direction.  See M. B. Giles, Collected matrix derivative
        results for forward and reverse mode algorithmic differentiation (2008).
    Examples:
        >>> derivative(lambda t: linalg.cholesky([[t, 0.0], [0.0, 1.0]]), 4.0)
        array([[0.25, 0.  ],
               [0.  , 0.  ]])
    """
    operands = Application(a)
    return cholesky_factor(operands, value(*operands.values), not lower, "dualdiff.scipy.linalg.cholesky")


@over_scipy("a")
def cho_factor(value: Any, a: Any, lower: bool = False, **options: Any) -> Any:
    """The Cholesky factor in the form that `cho_solve` takes.

    Args:
        a ((n, n) array_like): A Hermitian positive definite matrix, of which one triangle is read.
        lower (bool): Whether to read the lower triangle.
    Returns:
        pair of array and bool: The factor, with what SciPy leaves in the other triangle, and ``lower``.
    Raises:
        numpy.linalg.LinAlgError: If the matrix is not positive definite.
    Notes:
        The cost of `cholesky`.
    Examples:
        >>> derivative(lambda t: linalg.cho_solve(linalg.cho_factor([[t]]), [1.0]), 2.0)
        array([-0.25])
    """
    operands = Application(a)
    packed, is_lower = value(*operands.values)
    factor = cholesky_factor(operands, triangle_of(packed, lower), not lower, "dualdiff.scipy.linalg.cho_factor")
    if scipy_version() < CHO_FACTOR_CLEARS:
        factor = factor + a - triangle_of(operand(a), lower)
    return revalued(lambda v: packed, lambda a: factor, a), is_lower


@over_scipy("c_and_lower", "b")
def cho_solve(value: Any, c_and_lower: Any, b: Any, **options: Any) -> Any:
    """Solve ``a @ x = b``, given ``cho_factor(a)``.

    Args:
        c_and_lower (pair of array and bool): The result of `cho_factor`, or a factor from `cholesky` and its
            ``lower``.
        b ((n,) or (..., n, k) array_like): One right-hand side or several.
    Returns:
        array: x, shaped like b.
    Notes:
        Two triangular solves per direction.
    Examples:
        >>> jacobian(lambda b: linalg.cho_solve(([[2.0]], True), b), [1.0])
        array([[0.25]])
    """
    c, which = c_and_lower
    lower = bool(np.all(which))
    # For a stack, `cho_factor` returns one flag per matrix.
    refuse("cho_solve", lower=(lower != bool(np.any(which)), "upper and lower triangles in one stack"))

    def composed(c: Any, b: Any) -> Any:
        columns = b[:, None] if len(shape_of(b)) == 1 else b
        first = solve_triangular(c, columns, 0 if lower else 2, lower)
        x = solve_triangular(c, first, 2 if lower else 0, lower)
        return x[..., 0] if len(shape_of(b)) == 1 else x

    return revalued(lambda c, b: value((c, which), b), composed, c, b)
