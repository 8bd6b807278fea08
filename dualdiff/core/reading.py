"""Reading duals: the value and the tangent of what they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.containers import flatten
from dualdiff.core.dual import AnyDual


def value(x: Any) -> Any:
    """The plain value of a dual, an array of duals, or nested tuples and dicts of them.

    A plain number or array is its own value.  Inside nested differentiation all levels are taken off.

    Parameters
    ----------
    x : number, array or dual, or nested tuples and dicts of them

    Returns
    -------
    The same without tangents.

    Examples
    --------
    >>> from dualdiff import Dual, value
    >>> value(Dual(3.0, 1.0))
    3.0
    """
    leaves, rebuild = flatten(x)
    return rebuild(_value(leaf) for leaf in leaves)


def tangent(x: Any) -> Any:
    """The tangent of a dual, an array of duals, or nested tuples and dicts of them.

    Parameters
    ----------
    x : number, array or dual, or nested tuples and dicts of them

    Returns
    -------
    number or array
        Shaped like x, after one axis for the directions in a pass along several.  A plain number has tangent zero.

    Examples
    --------
    >>> from dualdiff import Dual, tangent
    >>> tangent(Dual(3.0, 1.0) ** 2)
    6.0
    """
    leaves, rebuild = flatten(x)
    return rebuild(_tangent(leaf) for leaf in leaves)


def _value(x: Any) -> Any:
    x = operand(x)
    while isinstance(x, AnyDual):
        x = x.value
    return x.copy() if issubclass(type(x), np.ndarray) else x


def _tangent(x: Any) -> Any:
    x = operand(x)
    if isinstance(x, AnyDual):
        return x.tangent
    return np.zeros_like(x) if issubclass(type(x), np.ndarray) else 0.0
