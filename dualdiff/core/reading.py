"""What is read off duals: the public readers `value` and `tangent`, and whether they follow dependence."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.containers import flatten
from dualdiff.core.dual import AnyDual


def value(x: Any) -> Any:
    """The plain value of a dual, an array of duals, or nested containers of them.

    A plain scalar or array is its own value.  In nested differentiation the tangents of all levels are removed.

    Parameters
    ----------
    x : scalar, array or dual, or nested containers of them

    Returns
    -------
    scalar or array, or nested tuples and dicts of them
        The values of the leaves of x, with the same nesting; arrays are copies.

    Examples
    --------
    >>> from dualdiff import Dual, value
    >>> value(Dual(3.0, 1.0))
    3.0
    """
    leaves, rebuild = flatten(x)
    return rebuild(_value(leaf) for leaf in leaves)


def tangent(x: Any) -> Any:
    """The tangent of a dual, an array of duals, or nested containers of them.

    Parameters
    ----------
    x : scalar, array or dual, or nested containers of them

    Returns
    -------
    scalar or array, or nested tuples and dicts of them
        The tangents of the leaves of x, with the same nesting.  In a pass along several directions these are the
        leading axis, before the axes of the value.  A plain scalar or array has tangent zero.

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


def is_followed(*operands: Any) -> bool:
    """Whether a space of one of the operands, at any level of nesting, follows dependence (`TangentSpace.follows`)."""
    for x in operands:
        while isinstance(x, AnyDual):
            if x.space.follows:
                return True
            x = x.value
    return False
