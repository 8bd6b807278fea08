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
from numba.core.inline_closurecall import RewriteArrayOfConsts
from numba.core.typing import signature
from numba.core.typing.templates import AbstractTemplate, builtin_registry
from numba.extending import lower_builtin, overload
from numba.np import arraymath, linalg

from dualdiff.compiled.elementwise import known, over_arrays
from dualdiff.compiled.intrinsics import base_value, constant, lanes_of, partial_in, with_value
from dualdiff.compiled.lowering import Code
from dualdiff.compiled.types import DualType, level_of
from dualdiff.drivers.reading import value
from dualdiff.rules import creation

# Their declarations are what is extended here.
_ = arraymath, linalg


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
            # Numba's method of an array is a call of the function that it was declared with.
            overload(_declaration(method), strict=False)(choose)
        return make

    return register


def _declaration(method: str) -> Any:
    for template in builtin_registry.attributes:
        if template.key is types.Array and getattr(template, "_attr", None) == method:
            return template._overload_func
    raise LookupError(f"Numba declares no method {method} of arrays")


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


def _norm(x: Any, ord: Any) -> Any:
    t = x.dtype
    if not isinstance(t.base, types.Float) or ord not in (None, types.none):
        return None

    def norm(x, ord=None):  # type: ignore[no-untyped-def]
        c = constant(0.0, t)
        for v in np.nditer(x):
            c += v.item() * v.item()
        return with_value(np.sqrt(c), np.linalg.norm(values_of(x)))

    return norm


def _before_its_own(function: Any, choose: Any) -> None:
    # The overload of Numba's would break down, instead of refusing, where NumPy has no name for the elements.
    (template,) = (template for f, t in builtin_registry.globals if f is function for template in t.templates)
    own = template._overload_func

    def either(x, ord=None):  # type: ignore[no-untyped-def]
        return choose(x, ord) if of_duals(x) else own(x, ord)

    template._overload_func = staticmethod(either)


_before_its_own(np.linalg.norm, _norm)


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
    if t is None or a.ndim != 2 or b.ndim != 1:
        return None
    element, count = t.element, t.count

    def solve(a: Any, b: Any) -> Any:
        matrix = values_of(a)
        values = np.linalg.solve(matrix, values_of(b))
        # d(a x) = db, so that the tangents of x solve the same system for db - da x.
        sides = np.empty((a.shape[0], count), element)
        for i in range(a.shape[0]):
            residual = constant(b[i], t)
            for k in range(a.shape[1]):
                residual -= a[i, k] * values[k]
            for lane in range(count):
                sides[i, lane] = partial_in(residual, lane, t)
        tangents = np.linalg.solve(matrix, sides)
        found = np.empty(b.shape, t)
        lanes = lanes_of(found)
        for i in range(a.shape[0]):
            lanes[i, 0] = values[i]
            for lane in range(count):
                lanes[i, lane + 1] = tangents[i, lane]
        return found

    return solve


# -- arrays of numbers given one by one --------------------------------------------------------------------------------
def _spare_lists_of_duals() -> None:
    # Numba writes the elements of a literal list straight into the array, whose dtype it looks up in NumPy by name.
    match = RewriteArrayOfConsts.match

    def match_numbers(self: Any, func_ir: Any, block: Any, typemap: Any, calltypes: Any) -> Any:
        if any(isinstance(t, types.List) and isinstance(t.dtype, DualType) for t in typemap.values()):
            return False
        return match(self, func_ir, block, typemap, calltypes)

    RewriteArrayOfConsts.match = match_numbers


_spare_lists_of_duals()


@overload(np.array, strict=False)
def _array(object: Any) -> Any:
    t = getattr(object, "dtype", None)
    if not isinstance(object, (types.List, types.ListType, types.UniTuple)):
        return None
    if isinstance(t, DualType):

        def of_numbers(object: Any) -> Any:
            out = np.empty(len(object), t)
            for i in range(len(object)):
                out[i] = object[i]
            return out

        return of_numbers
    element = getattr(t, "dtype", None)
    if isinstance(t, (types.List, types.ListType, types.UniTuple)) and isinstance(element, DualType):

        def of_rows(object: Any) -> Any:
            out = np.empty((len(object), len(object[0])), element)
            for i in range(len(object)):
                if len(object[i]) != out.shape[1]:
                    raise ValueError("incompatible sequence shape")
                for j in range(out.shape[1]):
                    out[i, j] = object[i][j]
            return out

        return of_rows
    return None


# -- buffers -----------------------------------------------------------------------------------------------------------
def _dtype_like(like: Any) -> Any:
    dtype = like.dtype if isinstance(like, types.Array) else like
    return dtype if isinstance(dtype, (DualType, types.Float, types.Complex)) else types.float64


@overload(creation.zeros, strict=False)
def _zeros(shape: Any, like: Any) -> Any:
    t = _dtype_like(like)
    return lambda shape, like: np.zeros(shape, t)


@overload(creation.empty, strict=False)
def _empty(shape: Any, like: Any) -> Any:
    t = _dtype_like(like)
    return lambda shape, like: np.empty(shape, t)


@overload(creation.ones, strict=False)
def _ones(shape: Any, like: Any) -> Any:
    t = _dtype_like(like)

    def ones(shape: Any, like: Any) -> Any:
        buffer = np.empty(shape, t)
        buffer[...] = constant(1.0, t)
        return buffer

    return ones


@overload(value, strict=False)
def _value(x: Any) -> Any:
    if of_duals(x):
        return lambda x: value(values_of(x))
    if isinstance(x, types.Array):
        return lambda x: x.copy()
    if isinstance(x, DualType):
        return lambda x: base_value(x)
    return (lambda x: x) if isinstance(x, (types.Number, types.Boolean)) else None
