"""scipy.linalg: the QR decomposition, with SciPy's values."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.linalg.qr import complete_orthogonal_triangular, orthogonal_triangular
from dualdiff.rules.writing.array_rules import Application, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy, refuse


@over_scipy("a")
def qr(
    value: Any,
    a: Any,
    overwrite_a: bool = False,
    lwork: int | None = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    r"""The orthogonal and the triangular factor, :math:`A = Q R`, as ``scipy.linalg.qr``.

    Parameters
    ----------
    a : (..., m, n) array_like
        The matrix, whose first min(m, n) columns (with ``pivoting``, those that come first) have to be independent;
        elsewhere the derivatives are NaN.
    mode : {"full", "r", "economic"}
        As in SciPy; "raw" is refused for duals.
    pivoting, lwork, check_finite
        As in SciPy.
    overwrite_a
        Not made use of for duals.

    Returns
    -------
    tuple of arrays
        Q (unless ``mode="r"``), R and, with ``pivoting``, the order of the columns:
        :math:`Q^* dA\,R^{-1} = Q^* dQ + dR\,R^{-1}`, an anti-Hermitian matrix and an upper triangle.

    Raises
    ------
    dualdiff.NoRuleError
        With ``mode="raw"``.

    Notes
    -----
    One triangular solution and three products for each direction.  See S. F. Walter and L. Lehmann, Algorithmic
    differentiation of linear algebra functions with application in optimum experimental design (2010).

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.qr([[1.0, t], [0.0, 1.0]])[1], 1.0).round(12)
    array([[0., 1.],
           [0., 0.]])
    """
    refuse("qr", mode=(mode == "raw", "its Householder vectors are internals of LAPACK"))
    found = value(*Application(a).values)
    if not isinstance(found, (tuple, list)):
        # R alone, of a stack.
        return _orthogonal_triangular(operand(a), None, found)[1]
    order = found[-1:] if pivoting else ()
    q, r = (None, found[0]) if mode == "r" else found[:2]
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
