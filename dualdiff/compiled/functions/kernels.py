"""Scalar versions, for Numba to compile, of the functions that the table defines for NumPy's arrays.

What they compute and why in this way is explained in `dualdiff.rules.numpy.elementwise.moments` and
`dualdiff.rules.numpy.elementwise.table`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import register_jitable

from dualdiff.rules.numpy.elementwise.table import CONSTANTS, ROWS
from dualdiff.rules.writing.expressions import ARGUMENTS, expression

LN2 = math.log(2.0)
TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)

#: The Bernoulli numbers of index 2, 4, 6, ...
BERNOULLI = (
    *(1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66),
    *(-691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330),
)

#: The kernels by the names of their rows.
KERNELS: dict[str, Callable[..., Any]] = {}


def _kernel(function: Any) -> Any:
    KERNELS[function.__name__] = function
    return register_jitable(function)


@register_jitable  # type: ignore[untyped-decorator]
def _lost_in(d, x, y):  # type: ignore[no-untyped-def]
    """The rounding error of the difference d of x and y."""
    back = d - x
    return (x - (d - back)) - (y + back) if abs(d) < 1100 else 0.0


@_kernel
def _exp_of_difference(x, y):  # type: ignore[no-untyped-def]
    """``exp(x - y)`` without the rounding of the difference."""
    d = x - y
    return np.exp(d) * (1 + _lost_in(d, x, y))


@_kernel
def _exp2_of_difference(x, y):  # type: ignore[no-untyped-def]
    """``2**(x - y)`` without the rounding of the difference."""
    d = x - y
    return np.exp2(d) * (1 + LN2 * _lost_in(d, x, y))


@_kernel
def expit(x):  # type: ignore[no-untyped-def]
    """``1 / (1 + exp(-x))``."""
    small = np.exp(-np.abs(x))
    return (1.0 if x >= 0 else small) / (1 + small)


@_kernel
def xlogy(x, y):  # type: ignore[no-untyped-def]
    """``x log(y)``, and 0 where x is 0."""
    return 0.0 if x == 0 and y == y else x * np.log(y)


@_kernel
def xlog1py(x, y):  # type: ignore[no-untyped-def]
    """``x log(1 + y)``, and 0 where x is 0."""
    return 0.0 if x == 0 and y == y else x * np.log1p(y)


@_kernel
def sinc_derivative(x, k):  # type: ignore[no-untyped-def]
    """The k-th derivative of ``sin(pi x) / (pi x)``."""
    if np.isinf(x):
        return 0.0
    k = int(k)
    turn = x - 2.0 * np.rint(x / 2.0)
    half = math.copysign(1.0, turn) - turn if abs(turn) > 0.5 else turn
    quarter = 0.5 - abs(turn)
    sine = math.sin(math.pi * half)
    cosine = math.sin(math.pi * quarter) if abs(quarter) < 0.25 else math.cos(math.pi * turn)
    u = math.pi * x
    cycle = (sine, cosine, -sine, -cosine)
    if abs(u) > k + 1:
        s = sine / u
        for j in range(1, k + 1):
            s = (cycle[j % 4] - j * s) / u
    else:
        s = 0.0
        for j in range(3 * k + 24, k, -1):
            s = (cycle[j % 4] - u * s) / j
    return math.pi**k * s


@_kernel
def exprel_derivative(x, k):  # type: ignore[no-untyped-def]
    """The k-th derivative of ``(exp(x) - 1) / x``."""
    k = int(k)
    if np.isinf(x):
        return np.inf if x > 0 else 0.0
    scale = np.exp(x / 2.0) if x > 0 else 1.0
    base = 1.0 if x > 0 else np.exp(x)
    if abs(x) > k + 1:
        s = (-np.expm1(-x) if x > 0 else np.expm1(x)) / x
        for j in range(1, k + 1):
            s = (base - j * s) / x
    else:
        s = 0.0
        for j in range(3 * k + 24, k, -1):
            s = (base - x * s) / j
    return scale * s * scale


@_kernel
def exprel(x):  # type: ignore[no-untyped-def]
    """``(exp(x) - 1) / x``."""
    return exprel_derivative(x, 0)


@_kernel
def i0_derivative(x, k):  # type: ignore[no-untyped-def]
    """The k-th derivative of the modified Bessel function of order 0."""
    k = int(k)
    odd = k % 2 == 1
    size = abs(x)
    if not size < 720.0:
        result = size * np.inf
    else:
        nodes = 12 + k + int(3 * math.sqrt(size))
        total = 0.0
        for i in range(nodes, -1, -1):
            angle = math.pi * i / (2 * nodes)
            c = math.cos(angle)
            both = -np.expm1(-2 * c * size) if odd else 1 + np.exp(-2 * c * size)
            weight = c**k * (0.5 if i in (0, nodes) else 1.0)
            total += weight * np.exp(-2 * math.sin(angle / 2) ** 2 * size) * both
        half = np.exp(size / 2)
        result = half * (total / (2 * nodes)) * half
    return math.copysign(result, x) if odd else result


@_kernel
def i0(x):  # type: ignore[no-untyped-def]
    """The modified Bessel function of order 0."""
    return i0_derivative(x, 0)


@_kernel
def gauss(x):  # type: ignore[no-untyped-def]
    """``2 / sqrt(pi) * exp(-x * x)``, with the square split into an exact part and a small remainder."""
    if abs(x) > 30:
        return 0.0
    near = np.trunc(16.0 * x) / 16.0
    return TWO_OVER_SQRT_PI * np.exp(-near * near) * np.exp(-(x - near) * (x + near))


@_kernel
def digamma_derivative(x, k):  # type: ignore[no-untyped-def]
    """The k-th derivative of the digamma function (DLMF 5.15).

    By reflection for large negative x, by the recurrence near 0, and by the asymptotic series for large x.
    """
    k = int(k)
    if x <= 0 and x == np.floor(x):
        return np.nan
    sign = 1.0 if k % 2 else -1.0
    if x < -20:
        return -sign * digamma_derivative_asymptotic(1.0 - x, k) - math.pi * cotangent_derivative(x, k)
    factorial = math.gamma(k + 1.0)
    total = 0.0
    while x < 12 + k:
        total += factorial / x ** (k + 1)
        x = x + 1.0
    return sign * total + digamma_derivative_asymptotic(x, k)


@register_jitable  # type: ignore[untyped-decorator]
def digamma_derivative_asymptotic(x, k):  # type: ignore[no-untyped-def]
    """The asymptotic series (DLMF 5.11.2), differentiated k times."""
    sign = 1.0 if k % 2 else -1.0
    far = math.log(x) if k == 0 else sign * math.gamma(float(k)) / x**k
    last = math.gamma(k + 1.0) / (2 * x ** (k + 1))
    for j in range(len(BERNOULLI)):
        n = 2 * (j + 1)
        last += BERNOULLI[j] * math.gamma(float(n + k)) / math.gamma(n + 1.0) / x ** (n + k)
    return far + sign * last


@register_jitable  # type: ignore[untyped-decorator]
def cotangent_derivative(x, k):  # type: ignore[no-untyped-def]
    """The k-th derivative of ``cot(pi * x)``, by polynomials in the cotangent."""
    c = 1.0 / math.tan(math.pi * (x - np.rint(x)))
    p = np.zeros(k + 3)
    p[1] = 1.0
    for j in range(k):
        q = np.zeros(k + 3)
        for i in range(1, j + 2):
            q[i - 1] -= i * math.pi * p[i]
            q[i + 1] -= i * math.pi * p[i]
        p = q
    total = 0.0
    for i in range(k + 1, -1, -1):
        total = total * c + p[i]
    return total


@_kernel
def clip(x, y, z):  # type: ignore[no-untyped-def]
    """``numpy.clip`` of scalars."""
    return np.minimum(np.maximum(x, y), z)


@_kernel
def heaviside(x, y):  # type: ignore[no-untyped-def]
    """``numpy.heaviside`` of scalars."""
    if x == 0:
        return y * 1.0
    return x if x != x else (1.0 if x > 0 else 0.0)


@_kernel
def ldexp(x, y):  # type: ignore[no-untyped-def]
    """``x * 2**y`` with an integral y of any type."""
    return math.ldexp(x, int(y))


def _shared_part(text: str, arity: int) -> Any:
    """A subexpression shared by several partials, compiled from its text."""
    names = {**vars(np), **KERNELS, **CONSTANTS}
    return eval(f"lambda {', '.join(ARGUMENTS[:arity])}: {expression(text)}", names)


for _name, _row in ROWS.parts.items():
    KERNELS[_name] = register_jitable(_shared_part(_row.definition, _row.arity))
