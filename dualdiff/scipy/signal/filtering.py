r"""``scipy.signal``: digital filters, as functions of their coefficients, signals and initial states.

A filter solves :math:`A y = B x + a_0 z`, where A and B convolve with the coefficients and z begins with the initial
state.  So :math:`A\,dy = dB\,x + B\,dx - dA\,y + d(a_0 z)`: each direction is the signal filtered by 1/A, shifted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.quiet import quietly
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import Application, axis_of, plain_values, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.scipy.solving.equations import revalued
from dualdiff.scipy.solving.linear_functions import Applied

_MODULE = "scipy.signal"
_ONE = np.ones(1)


@over_scipy("b", "a", "x", "zi", module=_MODULE)
def lfilter(value: Any, b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    r"""A filter by its coefficients, :math:`\sum_k a_k y_{n-k} = \sum_k b_k x_{n-k}`.

    Args:
        b, a ((k,) array_like): The coefficients of numerator and denominator.
        x (array_like): The signal.
        zi (array_like): The initial state, along ``axis``.
    Returns:
        array, or a pair of arrays with ``zi``: The filtered signal, and the final state.
    Raises:
        ValueError: As SciPy does, for shapes that do not fit.
    Notes:
        The signal and the result are filtered by 1/a once; then each coefficient costs a product per sample and
        direction.
    Examples:
        >>> x = np.array([1.0, 2.0, 3.0])
        >>> derivative(lambda pole: signal.lfilter([1.0], np.stack([1.0, -pole]), x)[1:], 0.5)
        array([1., 3.])
    """
    arrays = [np.atleast_1d(operand(b)), np.atleast_1d(operand(a)), operand(x)]
    axis = axis_of(axis, arrays[2].ndim) - arrays[2].ndim
    if zi is not None:
        zi, shape = operand(zi), list(arrays[2].shape)
        shape[axis] = max(len(arrays[0]), len(arrays[1])) - 1
        arrays.append(zi if zi.shape == tuple(shape) or zi.ndim != len(shape) else np.broadcast_to(zi, shape))
    operands = Application(*arrays)
    result = value(*operands.values)
    y = result if zi is None else result[0]
    y = operands.result(y, _terms(operands, axis, y) if np.size(y) else [])
    return y if zi is None else (y, revalued(_final_state(arrays, y, axis), plain_values(result[1])))


@quietly
def _terms(operands: Application, axis: int, y: Any) -> list[Any]:
    """The tangents of the result: one for each operand that has a tangent."""
    space, (b, a, x, *initial) = operands.space, operands.values
    active = set(operands.active())
    steady = _padded(initial[0], axis, x.shape[axis]) if initial else None

    def by_poles(u: Any, a: Any) -> Any:
        return lfilter(_ONE, a, u, axis)

    def convolved(t: Any, u: Any) -> Any:
        return lfilter(t, _ONE, u, axis)

    def correlated(w: Any, u: Any, count: int) -> Any:
        n = u.shape[axis]
        w, u = np.moveaxis(w, axis, 0), np.moveaxis(u, axis, 0)
        return np.stack([np.dot(w[k:].ravel(), u[: max(0, n - k)].ravel()) for k in range(count)])

    def term(i: int, applied: Applied) -> Any:
        return space.contract(operands.tangents[i], applied, operands.shape(i), y.shape)

    terms = []
    if 0 in active:
        count, constants = len(b), [by_poles(x, a)]
        terms.append(term(0, Applied(convolved, lambda w, u: correlated(w, u, count), b.shape, y.shape, constants)))
    if 1 in active:
        taps = len(a)

        def to_poles(t: Any, u: Any, *start: Any) -> Any:
            result = -convolved(t, u)
            return result + t[0] * start[0] if start else result

        def from_poles(w: Any, u: Any, *start: Any) -> Any:
            result = -correlated(w, u, taps)
            if not start:
                return result
            return result + np.concatenate([np.reshape(np.sum(w * start[0]), 1), np.zeros(taps - 1)])

        constants = [by_poles(y, a), *([] if steady is None else [by_poles(steady, a)])]
        terms.append(term(1, Applied(to_poles, from_poles, a.shape, y.shape, constants)))
    if 2 in active:

        def backwards(w: Any, b: Any, a: Any) -> Any:
            return np.flip(lfilter(b, a, np.flip(w, axis), axis), axis)

        filtered = Applied(
            lambda t, b, a: lfilter(b, a, t, axis), backwards, x.shape, y.shape, [b, a], (axis,), by_rows=False
        )
        terms.append(term(2, filtered))
    if 3 in active:
        n, order = x.shape[axis], initial[0].shape[axis]
        started = Applied(
            lambda t, a: a[0] * by_poles(_padded(t, axis, n), a),
            lambda w, a: a[0] * _padded(np.flip(by_poles(np.flip(w, axis), a), axis), axis, order),
            initial[0].shape,
            y.shape,
            [a],
            (axis,),
            by_rows=False,
        )
        terms.append(term(3, started))
    return terms


def _padded(t: Any, axis: int, n: int) -> Any:
    """The array with zeros appended, or cut, to a length."""
    t = np.moveaxis(t, axis, -1)[..., :n]
    return np.moveaxis(np.pad(t, [(0, 0)] * (t.ndim - 1) + [(0, n - t.shape[-1])]), -1, axis)


@quietly
def _final_state(arrays: list[Any], y: Any, axis: int) -> Any:
    """The state after the last sample: the terms of later results that are known already."""
    b, a, x, zi = arrays
    order, n = shape_of(zi)[axis], shape_of(x)[axis]
    b, a = b / a[0], a / a[0]
    x, y, zi = (np.moveaxis(u, axis, 0) for u in (x, y, zi))
    states = []
    for m in range(order):
        state = zi[m + n] if m + n < order else np.zeros(shape_of(y)[1:])
        for j in range(min(order - m, n)):
            if m + 1 + j < len(b):
                state = state + b[m + 1 + j] * x[n - 1 - j]
            if m + 1 + j < len(a):
                state = state - a[m + 1 + j] * y[n - 1 - j]
        states.append(state)
    return np.moveaxis(np.stack(states), 0, axis) if states else np.moveaxis(zi, 0, axis)


@over_scipy("sos", "x", "zi", module=_MODULE)
def sosfilt(value: Any, sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """A filter by sections of second order, one after the other.

    Args:
        sos ((k, 6) array_like): The coefficients of each section.
        x (array_like): The signal.
        zi (array_like): The initial states, along ``axis``, of each section.
    Returns:
        array, or a pair of arrays with ``zi``: The filtered signal, and the final states.
    Raises:
        ValueError: As SciPy does, for shapes that do not fit.
    Notes:
        As `lfilter` for each section.
    Examples:
        >>> sos = np.array([[1.0, 0.0, 0.0, 1.0, -0.5, 0.0]])
        >>> jacobian(lambda x: signal.sosfilt(sos, x), np.zeros(2))
        array([[1. , 0. ],
               [0.5, 1. ]])
    """
    sos, y = operand(sos), operand(x)
    states = []
    zi = None if zi is None else operand(zi)
    for i in range(shape_of(sos)[0]):
        y = lfilter(sos[i, :3], sos[i, 3:], y, axis, None if zi is None else zi[i])
        if zi is not None:
            y, state = y
            states.append(state)
    arrays = [sos, x] if zi is None else [sos, x, zi]
    result = value(*map(plain_values, arrays))
    if zi is None:
        return revalued(y, result)
    return revalued(y, result[0]), revalued(np.stack(states), result[1])


FILTERS = {"lfilter": lfilter, "sosfilt": sosfilt}
