"""scipy.linalg: singular values and vectors, with SciPy's values."""

from __future__ import annotations

from typing import Any

from dualdiff.rules.numpy.linalg.svd import singular, singular_values
from dualdiff.rules.writing.array_rules import Application
from dualdiff.rules.writing.over_scipy import over_scipy


@over_scipy("a")
def svd(
    value: Any,
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    r"""Singular values and vectors, :math:`A = U S V^*`, as ``scipy.linalg.svd``.

    Parameters
    ----------
    a : (..., m, n) array_like
        The matrix.
    full_matrices, compute_uv, check_finite, lapack_driver
        As in SciPy.
    overwrite_a
        Not made use of for duals.

    Returns
    -------
    tuple of arrays, or array
        U, the singular values and :math:`V^*`, or the singular values alone.  Vectors of repeated values, and further
        columns than the matrix decides on, have derivative NaN; the values themselves do not.

    Notes
    -----
    Three to six products for each direction.  See M. B. Giles (2008), and `polar` and `funmh` for what is right where
    values repeat.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> import numpy as np
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.svd([[t, 0.0], [0.0, 1.0]], compute_uv=False), 2.0)
    array([1., 0.])
    """
    operands = Application(a)
    found = value(*operands.values)
    if not compute_uv:
        return singular_values(operands, found, "dualdiff.scipy.linalg.svd")
    u, s, vh = found
    return singular(operands, u, s, vh, "dualdiff.scipy.linalg.svd")


@over_scipy("a")
def svdvals(value: Any, a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    r"""Singular values, as ``scipy.linalg.svdvals``: :math:`ds_i = \mathrm{Re}\, u_i^* dA\, v_i`.

    Parameters
    ----------
    a : (..., m, n) array_like
        The matrix.
    check_finite
        As in SciPy.
    overwrite_a
        Not made use of for duals.

    Returns
    -------
    array
        The singular values, from the largest on.

    Notes
    -----
    One decomposition for all directions, and one product for each.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> import numpy as np
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.svdvals([[t, 0.0], [0.0, 1.0]]), 2.0)
    array([1., 0.])
    """
    operands = Application(a)
    return singular_values(operands, value(*operands.values), "dualdiff.scipy.linalg.svdvals")
