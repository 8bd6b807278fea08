"""Functions that worker processes can import, and that differentiate there."""

from __future__ import annotations

import numpy as np

from dualdiff import derivative, gradient


def inner_slope(x):
    """d/dy of x y² at y = 2, which is 4 x: the tag of the inner call must not be that of the outer one."""
    return derivative(lambda y: x * y * y, 2.0)


def twisted(x):
    """x d/dy (x y) at y = 3, which is x²."""
    return x * derivative(lambda y: x * y, 3.0)


def field(x):
    """The gradient of sum(y² x) in y at 1, which is 2 x."""
    return gradient(lambda y: np.sum(y * y * x), np.ones(2))


def cube(x):
    """x³, and no derivative taken here."""
    return x * x * x


def third_slope(t):
    """The third derivative of y**4 at t, taken here alone."""
    return derivative(derivative(derivative(lambda y: y**4)), t)


def failing(x):
    """Raises in the middle of a derivative."""
    return derivative(lambda y: x * y / 0, 1.0)
