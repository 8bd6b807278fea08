"""The functions of ``numpy.polynomial`` that meet duals; the others compute with them, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import polynomial

from dualdiff.core.array import operand
from dualdiff.rules.composed import composed


def _powers(x: Any, n: int) -> Any:
    return np.power(np.reshape(x, (-1, 1)), np.arange(n))


def polyval2d(x: Any, y: Any, c: Any) -> Any:
    """The sum of the terms, whose coefficients have an axis for the powers of x, one for those of y, and more."""
    x, y, c = operand(x), operand(y), operand(c)
    sets = np.reshape(c, (*c.shape[:2], -1))
    found = np.einsum("mi,mj,ijk->km", _powers(x, c.shape[0]), _powers(y, c.shape[1]), sets)
    return np.reshape(found, c.shape[2:] + np.shape(x))


def polygrid2d(x: Any, y: Any, c: Any) -> Any:
    """The same for each pair of an x and a y."""
    x, y = operand(x), operand(y)
    x, y = np.broadcast_arrays(np.reshape(x, np.shape(x) + (1,) * np.ndim(y)), y)
    return polyval2d(x, y, c)


for _function in (polyval2d, polygrid2d):
    _name = _function.__name__
    # NumPy hands them to other libraries since a few versions only.
    if hasattr(getattr(polynomial, _name), "_implementation"):
        composed(getattr(polynomial, _name))(_function)
