"""scipy.linalg: the determinant."""

from __future__ import annotations

from typing import Any

from dualdiff.rules.numpy.linalg.determinants import determinant
from dualdiff.rules.writing.array_rules import Application
from dualdiff.rules.writing.over_scipy import over_scipy


@over_scipy("a")
def det(value: Any, a: Any, **options: Any) -> Any:
    r"""The determinant: :math:`d\det A = \mathrm{tr}(\mathrm{adj}(A)\,dA)`.

    Args:
        a ((..., n, n) array_like): The matrix; it may be singular.
    Returns:
        float or array: The determinant.
    Notes:
        One inverse, or Gaussian elimination with complete pivoting if the matrix is nearly singular.
    Examples:
        >>> gradient(linalg.det, [[1.0, 2.0], [2.0, 4.0]])
        array([[ 4., -2.],
               [-2.,  1.]])
    """
    operands = Application(a)
    return determinant(operands, value(*operands.values))
