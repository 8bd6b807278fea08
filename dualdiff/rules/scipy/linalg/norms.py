"""scipy.linalg: norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.rules.writing.terms import revalued


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
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy import linalg
    >>> gradient(linalg.norm, [3.0, 4.0])
    array([0.6, 0.8])
    """
    return revalued(value, lambda x: np.linalg.norm(x, ord, axis, keepdims), a)
