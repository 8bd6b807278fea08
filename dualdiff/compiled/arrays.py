"""Array functions of duals that Numba writes for its own numbers alone.

Everything that only moves elements, and expressions of elementwise functions, work through Numba's own machinery.
Values are computed in the order in which Numba computes those of floats; matrix products and solutions of linear
systems are left to BLAS and LAPACK, the values by themselves and the tangents of all directions at once.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numba.core import types
from numba.core.typing import signature
from numba.core.typing.templates import AbstractTemplate
from numba.extending import lower_builtin, overload, overload_method

import dualdiff
from dualdiff.compiled.elementwise import known, over_arrays
from dualdiff.compiled.intrinsics import base_value, constant, lanes_of, with_value
from dualdiff.compiled.lowering import Code
from dualdiff.compiled.types import DualType, level_of


def of_duals(a: Any) -> bool:
    """Whether a type is that of arrays of duals."""
    return isinstance(a, types.Array) and isinstance(a.dtype, DualType)


# -- reductions, in Numba's order --------------------------------------------------------------------------------------
def _of_one_array(function: Any, method: str | None = None) -> Any:
    """Register what makes an implementation for arrays of duals."""

    def register(make: Any) -> Any:
        def choose(a: Any) -> Any:
            return make(a) if of_duals(a) else None

        overload(function, strict=False)(choose)
        if method:
            # The last method that is registered is the one for all arrays.
            overload_method(types.Array, method, strict=False)(lambda a: choose(a) or (lambda a: function(a)))
        return make

    return register


@_of_one_array(np.mean, "mean")
def _mean(a: Any) -> Any:
    t = a.dtype

    def mean(a: Any) -> Any:
        c = constant(0.0, t)
        for v in np.nditer(a):
            c += v.item()
        return c / a.size

    return mean


@_of_one_array(np.prod, "prod")
def _prod(a: Any) -> Any:
    t = a.dtype

    def prod(a: Any) -> Any:
        c = constant(1.0, t)
        for v in np.nditer(a):
            c *= v.item()
        return c

    return prod


@_of_one_array(np.cumprod, "cumprod")
def _cumprod(a: Any) -> Any:
    t = a.dtype

    def cumprod(a: Any) -> Any:
        out = np.empty(a.size, t)
        c = constant(1.0, t)
        for i, v in enumerate(a.flat):
            c *= v
            out[i] = c
        return out

    return cumprod


@overload(np.real, strict=False)
def _real(a: Any) -> Any:
    number = a.dtype if isinstance(a, types.Array) else a
    return (lambda a: a) if isinstance(number, DualType) and isinstance(number.base, types.Float) else None


@_of_one_array(np.linalg.norm)
def _norm(a: Any) -> Any:
    t = a.dtype
    if not isinstance(t.base, types.Float):
        return None

    def norm(a: Any) -> Any:
        c = constant(0.0, t)
        for v in np.nditer(a):
            c += v.item() * v.item()
        return with_value(np.sqrt(c), np.linalg.norm(values_of(a)))

    return norm


# -- choices -----------------------------------------------------------------------------------------------------------
class Choice(AbstractTemplate):  # type: ignore[misc]
    """``np.where(condition, x, y)``, where numbers give a number."""

    def generic(self, args: Any, kws: Any) -> Any:
        kinds = [a.dtype if isinstance(a, types.Array) else a for a in args]
        if kws or len(args) != 3 or not any(map(level_of, kinds[1:])):
            return None
        result = self.context.unify_types(*map(types.unliteral, kinds[1:]))
        if result is None:
            return None
        ndim = max((a.ndim for a in args if isinstance(a, types.Array)), default=0)
        return signature(types.Array(result, ndim, "C") if ndim else result, *args)


known(np.where, Choice)


@lower_builtin(Choice, types.VarArg(types.Any))  # type: ignore[untyped-decorator]
def _choose(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    if isinstance(sig.return_type, types.Array):
        return over_arrays(context, builder, np.where, sig, args)
    code = Code(context, builder)
    condition, x, y = zip(sig.args, args, strict=True)
    truth = context.cast(builder, condition[1], condition[0], types.boolean)
    return builder.select(truth, code.cast(x, sig.return_type), code.cast(y, sig.return_type))


# -- products and linear systems ---------------------------------------------------------------------------------------
def values_of(a: Any) -> Any:
    """The values of an array (in compiled code alone)."""
    raise NotImplementedError


@overload(values_of, strict=False)
def _values_of(a: Any) -> Any:
    return (lambda a: lanes_of(a)[..., 0].copy()) if of_duals(a) else (lambda a: a)


def _dual_of_both(a: Any, b: Any) -> Any:
    """The type of products of the elements of two arrays, one of which at least has duals."""
    if not (isinstance(a, types.Array) and isinstance(b, types.Array)) or not (of_duals(a) or of_duals(b)):
        return None
    duals = sorted((t for t in (a.dtype, b.dtype) if isinstance(t, DualType)), key=level_of)
    fits = level_of(duals[0]) < level_of(duals[-1]) or duals[0] == duals[-1]
    return duals[-1] if fits and all(isinstance(t.base, types.Float) for t in duals) else None


def _product(a: Any, b: Any) -> Any:
    t = _dual_of_both(a, b)
    if t is None:
        return None
    match a.ndim, b.ndim:
        case 1, 1:

            def product(a: Any, b: Any) -> Any:
                value = np.dot(values_of(a), values_of(b))
                c = constant(0.0, t)
                for k in range(a.size):
                    c += a[k] * b[k]
                return with_value(c, value)

        case 2, 1:

            def product(a: Any, b: Any) -> Any:
                values = np.dot(values_of(a), values_of(b))
                out = np.empty(a.shape[0], t)
                for i in range(a.shape[0]):
                    c = constant(0.0, t)
                    for k in range(a.shape[1]):
                        c += a[i, k] * b[k]
                    out[i] = with_value(c, values[i])
                return out

        case 1, 2:

            def product(a: Any, b: Any) -> Any:
                values = np.dot(values_of(a), values_of(b))
                out = np.zeros(b.shape[1], t)
                for k in range(a.size):
                    for j in range(b.shape[1]):
                        out[j] += a[k] * b[k, j]
                for j in range(b.shape[1]):
                    out[j] = with_value(out[j], values[j])
                return out

        case 2, 2:

            def product(a: Any, b: Any) -> Any:
                values = np.dot(values_of(a), values_of(b))
                out = np.zeros(values.shape, t)
                for i in range(a.shape[0]):
                    for k in range(a.shape[1]):
                        for j in range(b.shape[1]):
                            out[i, j] += a[i, k] * b[k, j]
                    for j in range(b.shape[1]):
                        out[i, j] = with_value(out[i, j], values[i, j])
                return out

        case _:
            return None
    return product


for _function in np.dot, operator.matmul, np.matmul:
    overload(_function, strict=False)(_product)


@overload(np.vdot, strict=False)
def _vdot(a: Any, b: Any) -> Any:
    return None if _dual_of_both(a, b) is None else lambda a, b: np.dot(a.ravel(), b.ravel())


@overload(np.linalg.solve, strict=False)
def _solve(a: Any, b: Any) -> Any:
    t = _dual_of_both(a, b)
    if t is None or a.ndim != 2 or b.ndim not in (1, 2):
        return None

    def solve(a: Any, b: Any) -> Any:
        matrix = values_of(a)
        values = np.linalg.solve(matrix, values_of(b))
        # d(a x) = db, so that the tangents of x solve the same system for db - da x.
        residual = np.empty(b.shape, t)
        residual[:] = b
        residual -= np.dot(a, values)
        lanes = lanes_of(residual)
        count = lanes.shape[lanes.ndim - 1] - 1
        tangents = np.linalg.solve(matrix, lanes[..., 1:].copy().reshape(a.shape[0], values.size // a.shape[0] * count))
        found = lanes_of(residual)
        found[..., 0] = values
        found[..., 1:] = tangents.reshape(lanes[..., 1:].shape)
        return residual

    return solve


# -- buffers -----------------------------------------------------------------------------------------------------------
def _dtype_like(like: Any) -> Any:
    dtype = like.dtype if isinstance(like, types.Array) else like
    return dtype if isinstance(dtype, (DualType, types.Float, types.Complex)) else types.float64


@overload(dualdiff.zeros, strict=False)
def _zeros(shape: Any, like: Any) -> Any:
    t = _dtype_like(like)
    return lambda shape, like: np.zeros(shape, t)


@overload(dualdiff.empty, strict=False)
def _empty(shape: Any, like: Any) -> Any:
    t = _dtype_like(like)
    return lambda shape, like: np.empty(shape, t)


@overload(dualdiff.ones, strict=False)
def _ones(shape: Any, like: Any) -> Any:
    t = _dtype_like(like)

    def ones(shape: Any, like: Any) -> Any:
        buffer = np.empty(shape, t)
        buffer[...] = constant(1.0, t)
        return buffer

    return ones


@overload(dualdiff.value, strict=False)
def _value(x: Any) -> Any:
    if of_duals(x):
        return lambda x: dualdiff.value(values_of(x))
    if isinstance(x, types.Array):
        return lambda x: x.copy()
    if isinstance(x, DualType):
        return lambda x: base_value(x)
    return (lambda x: x) if isinstance(x, (types.Number, types.Boolean)) else None
