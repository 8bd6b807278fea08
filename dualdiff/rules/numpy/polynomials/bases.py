"""The functions of ``numpy.polynomial`` that dispatch; the others work on duals element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import polynomial

from dualdiff.base.internals import is_dispatched
from dualdiff.core.array import operand
from dualdiff.rules.writing.compositions import composed


def _powers(x: Any, n: int) -> Any:
    return np.power(np.reshape(x, (-1, 1)), np.arange(n))


def polyvalnd(pts: Any, c: Any) -> Any:
    """The polynomial with coefficients c: an axis for the powers of each variable, and possibly further ones."""
    pts, c = [operand(x) for x in pts], operand(c)
    n = len(pts)
    c = np.reshape(c, c.shape + (1,) * (n - c.ndim))
    result = np.reshape(c, (*c.shape[:n], -1))
    # One variable after another; after the first, each point has coefficients of its own.
    result = np.einsum("mi,i...->m...", _powers(pts[0], c.shape[0]), result)
    for x, length in zip(pts[1:], c.shape[1:n], strict=True):
        result = np.einsum("mi,mi...->m...", _powers(x, length), result)
    return np.reshape(np.moveaxis(result, 0, -1), c.shape[n:] + np.shape(pts[0]))


def polyval2d(x: Any, y: Any, c: Any) -> Any:
    """A polynomial of two variables."""
    return polyvalnd((x, y), c)


def polygrid2d(x: Any, y: Any, c: Any) -> Any:
    """A polynomial of two variables at all pairs of an x and a y."""
    x, y = operand(x), operand(y)
    x, y = np.broadcast_arrays(np.reshape(x, np.shape(x) + (1,) * np.ndim(y)), y)
    return polyval2d(x, y, c)


for _function in (polyvalnd, polyval2d, polygrid2d):
    # Only recent versions of NumPy have these functions, and dispatch them.
    _numpys = getattr(polynomial, _function.__name__, None)
    if is_dispatched(_numpys):
        composed(_numpys)(_function)
