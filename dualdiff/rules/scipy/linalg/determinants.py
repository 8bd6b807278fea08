"""scipy.linalg: the determinant."""

from __future__ import annotations

from typing import Any

from dualdiff.rules.numpy.linalg.determinants import determinant
from dualdiff.rules.writing.array_rules import Application
from dualdiff.rules.writing.over_scipy import over_scipy


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
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> import numpy as np
    >>> from dualdiff.scipy import linalg
    >>> gradient(linalg.det, [[1.0, 2.0], [2.0, 4.0]])
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    operands = Application(a)
    return determinant(operands, value(*operands.values))
