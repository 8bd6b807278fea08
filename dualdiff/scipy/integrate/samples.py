"""``scipy.integrate``: integrals of samples, as functions of the samples, their positions and their spacing.

Values are SciPy's; derivatives are those of the sums, written out here for the last axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.rules.writing.compositions import evaluated
from dualdiff.scipy.solving.signatures import signed_as

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

_DOC = """{title}, as ``scipy.integrate.{name}``.

    Parameters
    ----------
    y : array_like
        The samples.
    {others}
        As in SciPy, and may be duals.

    Returns
    -------
    array or float
        SciPy's value, bit for bit, with the derivative of the sum that it is.

    Raises
    ------
    as SciPy
        For invalid arguments.

    Notes
    -----
    The sum is computed twice, once on duals.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.integrate import {name}
    >>> gradient(lambda y: {shown}, np.ones(5)).round(3)
    array({result})
    """


def _sum(title: str, others: str, result: str) -> Callable[[Any], Any]:
    """Turn a composition into the function for duals with its name."""

    def decorate(composition: Any) -> Any:
        name = composition.__name__
        scipys = getattr(_scipy, name)

        def function(*args: Any, **kwargs: Any) -> Any:
            if not duals_in((args, kwargs)):
                return scipys(*args, **kwargs)
            return evaluated(function, composition, *args, **kwargs)

        function.__name__ = function.__qualname__ = name
        function.__doc__ = _DOC.format(
            title=title,
            name=name,
            others=others,
            shown=f"{name}(y)[-1]" if name.startswith("cumulative") else f"{name}(y)",
            result=result,
        )
        function.__signature__ = signed_as(scipys)(composition).__signature__  # type: ignore[attr-defined]
        return function

    return decorate


def _last(y: Any, x: Any, dx: Any, axis: int) -> tuple[Any, Any]:
    """The samples along the last axis, and the distances between them."""
    y = operand(y)
    y = np.moveaxis(y if y.dtype.kind in "fc" else y.astype(float), axis, -1)
    shape = (*y.shape[:-1], y.shape[-1] - 1)
    if x is None:
        dx = operand(dx)
        return y, np.broadcast_to(np.moveaxis(dx, axis, -1) if np.ndim(dx) else dx, shape)
    x = operand(x)
    return y, np.broadcast_to(np.diff(x if x.ndim == 1 else np.moveaxis(x, axis, -1)), shape)


def _ratio(a: Any, b: Any) -> Any:
    """The quotient; 0 where samples coincide."""
    zero = plain_values(b) == 0
    return np.where(zero, 0.0, a / np.where(zero, 1.0, b))


@_sum("The integral by the trapezoidal rule", "x, dx, axis", "[0.5, 1. , 1. , 1. , 0.5]")
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    y, d = _last(y, x, dx, axis)
    return np.sum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


@_sum("The running integral by the trapezoidal rule", "x, dx, axis, initial", "[0.5, 1. , 1. , 1. , 0.5]")
def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1, initial: Any = None) -> Any:
    y, d = _last(y, x, dx, axis)
    result = np.cumsum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    if initial is not None:
        result = np.concatenate([np.zeros((*result.shape[:-1], 1)), result], axis=-1)
    return np.moveaxis(result, -1, axis)


@_sum(
    "The integral by Simpson's rule",
    "x, dx, axis",
    "[0.333, 1.333, 0.667, 1.333, 0.333]",
)
def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: Any = -1) -> Any:
    y, d = _last(y, x, dx, axis)
    n = y.shape[-1]
    if n == 2:
        return 0.5 * d[..., 0] * (y[..., 0] + y[..., 1])
    end = n if n % 2 else n - 1
    h0, h1 = d[..., 0 : end - 1 : 2], d[..., 1 : end - 1 : 2]
    whole = h0 + h1
    sums = y[..., 0 : end - 2 : 2] * (2.0 - _ratio(h1, h0)) + y[..., 2:end:2] * (2.0 - _ratio(h0, h1))
    result = np.sum(whole / 6.0 * (sums + y[..., 1 : end - 1 : 2] * whole * _ratio(whole, h0 * h1)), axis=-1)
    if n % 2:
        return result
    # The last interval, after Cartwright: from the parabola through the last three points.
    h0, h1 = d[..., -2], d[..., -1]
    alpha = _ratio(2 * h1**2 + 3 * h0 * h1, 6 * (h1 + h0))
    beta = _ratio(h1**2 + 3.0 * h0 * h1, 6 * h0)
    eta = _ratio(h1**3, 6 * h0 * (h0 + h1))
    return result + alpha * y[..., -1] + beta * y[..., -2] - eta * y[..., -3]


@_sum(
    "The running integral by Simpson's rule",
    "x, dx, axis, initial",
    "[0.333, 1.333, 0.667, 1.333, 0.333]",
)
def cumulative_simpson(y: Any, *, x: Any = None, dx: Any = 1.0, axis: Any = -1, initial: Any = None) -> Any:
    y, d = _last(y, x, dx, axis)
    if y.shape[-1] < 3:
        result = np.cumsum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    else:
        first = _first_intervals(y, d)
        second = np.flip(_first_intervals(np.flip(y, -1), np.flip(d, -1)), -1)
        # Each interval from the parabola through it and the next point, or the point before, in turn.
        places = np.arange(d.shape[-1])
        odd = (places % 2 == 1) | (places == places[-1])
        here = np.concatenate([first, second[..., -1:]], axis=-1)
        before = np.concatenate([first[..., :1], second], axis=-1)
        result = np.cumsum(np.where(odd, before, here), axis=-1)
    if initial is not None:
        initial = operand(initial)
        initial = np.moveaxis(initial, axis, -1) if np.ndim(initial) else initial
        initial = np.broadcast_to(initial, (*result.shape[:-1], 1))
        result = np.concatenate([initial, result + initial], axis=-1)
    return np.moveaxis(result, -1, axis)


def _first_intervals(y: Any, d: Any) -> Any:
    """The integrals over the first of two intervals of the parabolas through three points."""
    h0, h1 = d[..., :-1], d[..., 1:]
    a, b = h0 / (h0 + h1), h0 / h1
    return h0 / 6 * ((3 - a) * y[..., :-2] + (3 + a * b + a) * y[..., 1:-1] - a * b * y[..., 2:])


@_sum(
    "The integral of $2^k + 1$ samples by Romberg's method".replace("$", "``"),
    "dx, axis, show",
    "[0.311, 1.422, 0.533, 1.422, 0.311]",
)
def romb(y: Any, dx: Any = 1.0, axis: Any = -1, show: Any = False) -> Any:
    y, _ = _last(y, None, 1.0, axis)
    steps = y.shape[-1] - 1
    row = [0.5 * steps * (y[..., 0] + y[..., -1])]
    step = steps
    while step > 1:
        half = step // 2
        refined = [0.5 * row[0] + half * np.sum(y[..., half::step], axis=-1)]
        for j, coarse in enumerate(row):
            refined.append(refined[j] + (refined[j] - coarse) / (4.0 ** (j + 1) - 1.0))
        row, step = refined, half
    return dx * row[-1]
