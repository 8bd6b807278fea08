"""numpy.linalg: norms and condition numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.linalg.factorization import Factored
from dualdiff.rules.writing.array_rules import Application, axes_of, implements, plain_values, shape_of
from dualdiff.rules.writing.terms import is_complex_valued, result, revalued, terms
from dualdiff.tangents.space import note_conjugate
from dualdiff.tangents.zeros import chosen_zero


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    ndim = len(shape_of(operand(x)))
    axes = axes_of(axis, ndim)
    is_vector = len(axes) == 1 or ord in (None, "fro", "f")
    return _norm(lambda v: np.linalg.norm(v, ord, axis, keepdims), x, ord, axes, is_vector)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    axes = axes_of(axis, len(shape_of(operand(x))))
    return _norm(lambda v: np.linalg.vector_norm(v, axis=axis, keepdims=keepdims, ord=ord), x, ord, axes, True)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    axes = axes_of((-2, -1), len(shape_of(operand(x))))
    return _norm(
        lambda v: np.linalg.matrix_norm(v, keepdims=keepdims, ord=ord), x, ord, axes, ord in (None, "fro", "f")
    )


def _norm(function: Any, x: Any, ord: Any, axes: tuple[int, ...], is_vector: bool) -> Any:
    """``function(x)``, the norm of order ``ord`` along the axes."""
    x = operand(x)
    if not is_vector:
        return revalued(function, lambda y: _matrix_norm(np.moveaxis(y, axes, (-2, -1)), ord), x)
    if ord in (math.inf, -math.inf):
        extreme = np.max if ord > 0 else np.min
        return revalued(function, lambda y: extreme(np.abs(y), axis=axes), x)
    operands = Application(x)
    value = function(operands.values[0])
    (t,) = terms(operands, "numpy.linalg.norm")
    if t is None or ord == 0:
        return result(operands, value)
    v, shape = operands.values[0], operands.shape()
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    with np.errstate(all="ignore"):
        weights = _norm_weights(v, np.reshape(value, kept) if shape else value, ord)
        if is_complex_valued(v):
            note_conjugate(operands.space, t.name)
        scaled = operands.space.scale(t.tangent, weights, shape, shape)
        return operands.result(value, [operands.space.sum(scaled, axes, shape, shape_of(value))])


def _norm_weights(x: Any, length: Any, ord: Any) -> Any:
    """The partial derivatives of a vector norm; zero by convention at the zero vector for orders with a cusp there."""
    if ord in (None, 2, "fro", "f"):
        weights = np.conjugate(x) / length
    else:
        size = np.abs(x)
        if is_complex_valued(x):
            sign = np.where(size == 0, 0.0, np.conjugate(x) / size)
        else:
            sign = np.copysign(1.0, plain_values(x))
        if ord == 1:
            return sign
        weights = sign * (size / length) ** (ord - 1)
    return chosen_zero(np.broadcast_to(plain_values(length) == 0, shape_of(weights)), weights)


def _matrix_norm(x: Any, ord: Any) -> Any:
    if ord in (2, -2, "nuc"):
        s = np.linalg.svdvals(x)
        return np.sum(s, axis=-1) if ord == "nuc" else s[..., 0 if ord == 2 else -1]
    sums = np.sum(np.abs(x), axis=-2 if abs(ord) == 1 else -1)
    return (np.max if ord > 0 else np.min)(sums, axis=-1)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The quotient or product of norms that NumPy computes."""

    def composed(x: Any) -> Any:
        if p in (None, 2, -2):
            s = np.linalg.svdvals(x)
            return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
        axes = (-2, -1)
        return np.linalg.norm(x, p, axes) * np.linalg.norm(Factored(x).inverse, p, axes)

    return revalued(lambda v: np.linalg.cond(v, p), composed, x)
