"""scipy.linalg: norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.rules.writing.terms import revalued


@over_scipy("a")
def norm(value: Any, a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    """The norm of a vector or a matrix.

    Args:
        a (array_like): The array.
    Returns:
        float or array: The norm.  Its derivative at zero is zero.
    Notes:
        The cost of ``numpy.linalg.norm``.
    Examples:
        >>> gradient(linalg.norm, [3.0, 4.0])
        array([0.6, 0.8])
    """
    return revalued(value, lambda x: np.linalg.norm(x, ord, axis, keepdims), a)
