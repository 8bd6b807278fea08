"""The functions of ``numpy.polynomial`` that meet duals; the others compute with them, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import polynomial

from dualdiff.core.array import operand
from dualdiff.rules.writing.compositions import composed


def _powers(x: Any, n: int) -> Any:
    return np.power(np.reshape(x, (-1, 1)), np.arange(n))


def polyvalnd(pts: Any, c: Any) -> Any:
    """The sum of the terms, whose coefficients have an axis for the powers of each variable, and more."""
    pts, c = [operand(x) for x in pts], operand(c)
    n = len(pts)
    c = np.reshape(c, c.shape + (1,) * (n - c.ndim))
    found = np.reshape(c, (*c.shape[:n], -1))
    # One variable after the other: at first for all points, then for each its own.
    found = np.einsum("mi,i...->m...", _powers(pts[0], c.shape[0]), found)
    for x, length in zip(pts[1:], c.shape[1:n], strict=True):
        found = np.einsum("mi,mi...->m...", _powers(x, length), found)
    return np.reshape(np.moveaxis(found, 0, -1), c.shape[n:] + np.shape(pts[0]))


def polyval2d(x: Any, y: Any, c: Any) -> Any:
    """The same of two variables."""
    return polyvalnd((x, y), c)


def polygrid2d(x: Any, y: Any, c: Any) -> Any:
    """The same for each pair of an x and a y."""
    x, y = operand(x), operand(y)
    x, y = np.broadcast_arrays(np.reshape(x, np.shape(x) + (1,) * np.ndim(y)), y)
    return polyval2d(x, y, c)


for _function in (polyvalnd, polyval2d, polygrid2d):
    # NumPy has them, and hands them to other libraries, since a few versions only.
    _numpys = getattr(polynomial, _function.__name__, None)
    if hasattr(_numpys, "_implementation"):
        composed(_numpys)(_function)
