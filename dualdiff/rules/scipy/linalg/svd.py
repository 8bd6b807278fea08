"""scipy.linalg: singular values and vectors."""

from __future__ import annotations

from typing import Any

from dualdiff.rules.numpy.linalg.svd import singular, singular_values
from dualdiff.rules.writing.array_rules import Application
from dualdiff.rules.writing.over_scipy import over_scipy


@over_scipy("a")
def svd(value: Any, a: Any, full_matrices: bool = True, compute_uv: bool = True, **options: Any) -> Any:
    r"""The singular value decomposition, :math:`A = U S V^*`.

    Args:
        a ((..., m, n) array_like): The matrix.
    Returns:
        tuple of arrays, or array: U, the singular values and :math:`V^*`, or the singular values alone.  The
            derivatives of vectors to repeated singular values, and of columns that A does not determine, are NaN; those
            of the singular values are not.
    Notes:
        Three to six products per direction.  See M. B. Giles, Collected matrix derivative results for forward and
        reverse mode algorithmic differentiation (2008).  `polar` and `funmh` are differentiable at repeated values.
    Examples:
        >>> derivative(lambda t: linalg.svd([[t, 0.0], [0.0, 1.0]], compute_uv=False), 2.0)
        array([1., 0.])
    """
    operands = Application(a)
    outputs = value(*operands.values)
    if not compute_uv:
        return singular_values(operands, outputs, "dualdiff.scipy.linalg.svd")
    u, s, vh = outputs
    return singular(operands, u, s, vh, "dualdiff.scipy.linalg.svd")


@over_scipy("a")
def svdvals(value: Any, a: Any, **options: Any) -> Any:
    r"""The singular values of a matrix, with :math:`ds_i = \mathrm{Re}\, u_i^* dA\, v_i`.

    Args:
        a ((..., m, n) array_like): The matrix.
    Returns:
        array: The singular values, in descending order.
    Notes:
        One decomposition for all directions, and one product per direction.
    Examples:
        >>> derivative(lambda t: linalg.svdvals([[t, 0.0], [0.0, 1.0]]), 2.0)
        array([1., 0.])
    """
    operands = Application(a)
    return singular_values(operands, value(*operands.values), "dualdiff.scipy.linalg.svdvals")
