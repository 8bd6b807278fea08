"""scipy.linalg: the QR factorization."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.linalg.qr import complete_orthogonal_triangular, orthogonal_triangular
from dualdiff.rules.writing.array_rules import Application, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy, refuse


@over_scipy("a")
def qr(value: Any, a: Any, mode: str = "full", pivoting: bool = False, **options: Any) -> Any:
    r"""The QR factorization, :math:`A = Q R`.

    Args:
        a ((..., m, n) array_like): The matrix, whose first min(m, n) columns (after ``pivoting``) must be linearly
            independent; otherwise the derivatives are NaN.
        mode ({"full", "r", "economic"}): As in SciPy; "raw" is refused for duals.
    Returns:
        tuple of arrays: Q (unless ``mode="r"``), R and, with ``pivoting``, the order of the columns, with :math:`Q^*
            dA\,R^{-1} = Q^* dQ + dR\,R^{-1}`, the sum of an anti-Hermitian and an upper triangular matrix.
    Raises:
        dualdiff.NoRuleError: If ``mode="raw"``.
    Notes:
        One triangular solve and three products per direction.  See S. F. Walter and L. Lehmann, Algorithmic
        differentiation of linear algebra functions with application in optimum experimental design (2010).
    Examples:
        >>> derivative(lambda t: linalg.qr([[1.0, t], [0.0, 1.0]])[1], 1.0).round(12)
        array([[0., 1.],
               [0., 0.]])
    """
    refuse("qr", mode=(mode == "raw", "its Householder vectors are LAPACK internals"))
    outputs = value(*Application(a).values)
    if not isinstance(outputs, (tuple, list)):
        # SciPy returns R of a stack alone, without a tuple.
        return _orthogonal_triangular(operand(a), None, outputs)[1]
    order = outputs[-1:] if pivoting else ()
    q, r = (None, outputs[0]) if mode == "r" else outputs[:2]
    a = operand(a)
    if pivoting:
        a = np.take_along_axis(a, order[0][..., None, :].astype(np.intp), axis=-1)
    q, r = _orthogonal_triangular(a, q, r)
    return (r, *order) if mode == "r" else (q, r, *order)


def _orthogonal_triangular(a: Any, q: Any, r: Any) -> tuple[Any, Any]:
    m, n = shape_of(a)[-2:]
    if m <= n or shape_of(r)[-2] == n:
        return orthogonal_triangular(Application(a), q, r, "dualdiff.scipy.linalg.qr")
    return complete_orthogonal_triangular(a, q, r)
