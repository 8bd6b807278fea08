r"""Functions that are integrals of an exponential, with all their derivatives: sinc, exprel and i0.

The k-th derivative of an integral of :math:`e^{x t}` over :math:`t` has the additional factor :math:`t^k` under the
integral.  Each function here computes that integral for any k, accurately for all x.  The formulas of the quotient rule
would cancel near 0, and more so for higher orders.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def _floating(x: Any) -> Any:
    """x in at least double precision, so that a float32 result is rounded only once, at the end."""
    x = np.asarray(x)
    return x.astype(np.result_type(x, np.float64), copy=False)


def _returned(result: Any, x: Any) -> Any:
    """The result in the dtype of the argument; a scalar for a scalar."""
    dtype = np.asarray(x).dtype
    return result.astype(dtype if dtype.kind in "fc" else np.float64, copy=False)[()]


def moment(u: Any, k: int, zeroth: Any, boundary: Callable[[int], Any]) -> Any:
    """The term s(k) of the sequence with ``u * s(j) + j * s(j - 1) = boundary(j)`` and ``s(0) = zeroth``.

    The forward recurrence is stable for j < abs(u), the backward recurrence for j > abs(u), from any start far enough
    above k.
    """
    above = np.asarray(zeroth)
    large = np.abs(u) > k + 1
    if large.any():
        safe = np.where(large, u, 1.0)
        for j in range(1, k + 1):
            above = (boundary(j) - j * above) / safe
    if large.all():
        return above
    small = np.where(large, 0.0, u)
    below = np.zeros_like(u)
    for j in range(3 * k + 24, k, -1):
        below = (boundary(j) - small * below) / j
    return np.where(large, above, below)


def sinc_derivative(x: Any, k: int) -> Any:
    r"""The k-th derivative of :math:`\sin(\pi x) / (\pi x)` for an integer k, the second argument:

    .. math:: \pi^k \int_0^1 t^k \cos(\pi x t + k \pi / 2)\,dt
    """
    z = _floating(x)
    with np.errstate(all="ignore"):
        # The remainder is exact, so large x do not amplify the rounding error of pi * x.
        turn = z - 2.0 * np.round(z.real / 2.0)
        sine, cosine = _sine_pi(turn)
        u = np.pi * z
        cycle = (sine, cosine, -sine, -cosine)
        result = np.pi**k * moment(u, k, sine / np.where(u == 0, 1.0, u), lambda j: cycle[j % 4])
        if z.dtype.kind != "c":
            result = np.where(np.isinf(z), 0.0, result)
    return _returned(result, x)


def _sine_pi(turn: Any) -> tuple[Any, Any]:
    """Sine and cosine of pi times ``turn``, with real part from -1 to 1; exact at multiples of a half."""
    sine, cosine = np.sin(np.pi * turn), np.cos(np.pi * turn)
    if turn.dtype.kind == "c":
        return sine, cosine
    half = np.where(np.abs(turn) > 0.5, np.copysign(1.0, turn) - turn, turn)
    quarter = 0.5 - np.abs(turn)
    return np.sin(np.pi * half), np.where(np.abs(quarter) < 0.25, np.sin(np.pi * quarter), cosine)


def exprel_derivative(x: Any, k: int) -> Any:
    r"""The k-th derivative of :math:`(e^x - 1) / x` for an integer k, the second argument:

    .. math:: \int_0^1 t^k e^{x t}\,dt
    """
    z = _floating(x)
    with np.errstate(all="ignore"):
        positive = z.real > 0
        # For positive x, the moments without the factor exp(x), which may overflow before the result does.
        scale = np.where(positive, np.exp(np.where(positive, z, 0.0) / 2.0), 1.0)
        base = np.exp(np.where(positive, 0.0, z))
        zeroth = np.where(positive, -np.expm1(-z), np.expm1(z)) / np.where(z == 0, 1.0, z)
        result = scale * moment(z, k, zeroth, lambda j: base) * scale
        if z.dtype.kind != "c":
            result = np.where(z == -np.inf, 0.0, np.where(z == np.inf, np.inf, result))
    return _returned(result, x)


def exprel(x: Any) -> Any:
    """The relative error exponential ``(exp(x) - 1) / x``, 1 at 0 and accurate near 0."""
    return exprel_derivative(x, 0)


#: Above this, all derivatives of i0 overflow in float64.
_I0_OVERFLOWS = 720.0


def i0_derivative(x: Any, k: int) -> Any:
    r"""The k-th derivative of the modified Bessel function :math:`I_0` for an integer k, the second argument:

    .. math:: \frac{2}{\pi} \int_0^{\pi/2} \cos^k\theta \cosh(x \cos\theta)\,d\theta

    for even k, and with sinh for odd k.
    """
    z = _floating(x)
    with np.errstate(all="ignore"):
        size = np.abs(z)
        # The trapezoidal rule on a period converges like I_n(x) / I_0(x), which is below exp(-n**2 / 2x) for large x.
        # All of its terms are positive, so nothing cancels; the small ones are summed first.
        finite = np.where(size < _I0_OVERFLOWS, size, 0.0)
        nodes = 12 + k + int(3 * math.sqrt(np.max(finite, initial=0.0)))
        total = np.zeros_like(size)
        for i in range(nodes, -1, -1):
            angle = math.pi * i / (2 * nodes)
            c = math.cos(angle)
            both = -np.expm1(-2 * c * finite) if k % 2 else 1 + np.exp(-2 * c * finite)
            weight = c**k * (0.5 if i in (0, nodes) else 1.0)
            total += weight * np.exp(-2 * math.sin(angle / 2) ** 2 * finite) * both
        half = np.exp(finite / 2)
        result = half * (total / (2 * nodes)) * half
        result = np.where(size < _I0_OVERFLOWS, result, size * np.inf)
        if k % 2:
            result = np.copysign(result, z)
    return _returned(result, x)
