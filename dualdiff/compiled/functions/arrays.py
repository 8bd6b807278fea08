"""Arrays of duals: np.where, arrays built from lists and tuples, buffers.

Operations that only move elements, and expressions of elementwise functions, work by Numba's own implementations.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.extending import infer, intrinsic, lower_builtin, overload, register_jitable

from dualdiff.base.errors import NoRuleError
from dualdiff.compiled.functions.array_functions import instead, of_duals, scalar_type, values_of, with_signature
from dualdiff.compiled.functions.table_rows import is_scalar, over_arrays
from dualdiff.compiled.intrinsics import also, base_value, constant
from dualdiff.compiled.patches import (
    AbstractTemplate,
    add_template,
    impl_ret_borrowed,
    make_array,
    overload_of,
    refuse_real_and_imag,
    signature,
    spare_literal_lists,
    typing_context,
)
from dualdiff.compiled.refusals import refusal
from dualdiff.compiled.types import DualType, level_of
from dualdiff.core.reading import value
from dualdiff.rules.numpy import creation

refuse_real_and_imag(
    of_duals,
    lambda attr: refusal(NoRuleError, f"the attribute .{attr} of an array of dual numbers: write np.{attr}(...)"),
)


@overload(np.asarray, strict=False)
def _asarray(a: Any) -> Any:
    if not isinstance(a, DualType):
        return None
    t = a

    def of_scalar(a: Any) -> Any:
        out = np.empty((), t)
        out[()] = a
        return out

    return of_scalar


@overload(np.append, strict=False)
def _append(arr: Any, values: Any, axis: Any = None) -> Any:
    if not isinstance(arr, types.Array) or not isinstance(values, DualType) or axis not in (None, types.none):
        return None
    return lambda arr, values, axis=None: np.concatenate((arr.ravel(), np.asarray(values).ravel()))


# -- np.where ----------------------------------------------------------------------------------------------------------
class Choice(AbstractTemplate):  # type: ignore[misc]
    """``np.where(condition, x, y)``; scalars give an array without axes, as in Numba."""

    def generic(self, args: Any, kws: Any) -> Any:
        kinds = list(map(scalar_type, args))
        if kws or len(args) != 3 or not any(map(level_of, kinds[1:])):
            return None
        result = self.context.unify_types(*map(types.unliteral, kinds[1:]))
        if result is None:
            return None
        ndim = max((a.ndim for a in args if isinstance(a, types.Array)), default=0)
        return signature(types.Array(result, ndim, "C"), *args)


add_template(np.where, Choice)


@lower_builtin(Choice, types.VarArg(types.Any))  # type: ignore[untyped-decorator]
def _choose(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    t = sig.return_type.dtype
    if not sig.return_type.ndim:

        def of_scalars(condition: Any, x: Any, y: Any) -> Any:
            out = np.empty((), t)
            out[()] = also(constant(x, t), y) if condition else also(constant(y, t), x)
            return out

        return context.compile_internal(builder, of_scalars, sig, args)

    def chosen(code: Any, condition: Any, x: Any, y: Any) -> Any:
        return t, code.choice(t, code.cast(condition, types.boolean), code.cast(x, t), code.cast(y, t))

    return over_arrays(context, builder, chosen, sig, args, 3)


# -- tuples of scalars and duals ---------------------------------------------------------------------------------------
def _of_one_type(context: Any, t: Any) -> Any:
    """The homogeneous tuple type for a (nested) tuple of plain scalars and duals; None for other types."""
    if not isinstance(t, types.Tuple) or isinstance(t, types.BaseNamedTuple):
        return None
    items = [_of_one_type(context, item) or types.unliteral(item) for item in t.types]
    if not any(level_of(_innermost(item)) for item in items):
        return None
    one = items[0] if len(set(items)) == 1 else context.unify_types(*items) if all(map(is_scalar, items)) else None
    return None if one is None else types.UniTuple(one, len(items))


def _innermost(t: Any) -> Any:
    return _innermost(t.dtype) if isinstance(t, types.UniTuple) else t


@intrinsic  # type: ignore[untyped-decorator]
def of_one_type(typingctx: Any, items: Any) -> Any:
    """Convert a tuple of plain scalars and duals to a homogeneous tuple of duals."""
    t = _of_one_type(typingctx, items)
    return None if t is None else (t(items), lambda context, builder, sig, a: context.cast(builder, a[0], items, t))


@infer
class IterateMixed(AbstractTemplate):  # type: ignore[misc]
    """Iteration over tuples of plain scalars and duals, which are converted to homogeneous tuples."""

    key = "getiter"

    def generic(self, args: Any, kws: Any) -> Any:
        t = _of_one_type(self.context, args[0])
        return None if t is None else signature(t.iterator_type, t)


def _through_one_type(function: Any) -> None:
    # Numba's own overload takes tuples of its own scalar types only.
    def choose(*x: Any) -> Any:
        if len(x) == 1 and _of_one_type(typing_context(), x[0]) is not None:
            return lambda *x: function(of_one_type(x[0]))
        return None

    overload(function, strict=False)(choose)


_through_one_type(max)
_through_one_type(min)


# -- arrays built from lists and tuples --------------------------------------------------------------------------------
spare_literal_lists(lambda t: isinstance(t, DualType))


@overload(np.array, strict=False)
def _array(object: Any) -> Any:
    t = getattr(object, "dtype", None)
    if _of_one_type(typing_context(), object) is not None:
        return lambda object: np.array(of_one_type(object))
    if not isinstance(object, (types.List, types.ListType, types.UniTuple)):
        return None
    if isinstance(t, DualType):

        def of_scalars(object: Any) -> Any:
            out = np.empty(len(object), t)
            for i in range(len(object)):
                out[i] = object[i]
            return out

        return of_scalars
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
@intrinsic  # type: ignore[untyped-decorator]
def cleared(typingctx: Any, a: Any) -> Any:
    """A new array, filled with zero bytes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array = make_array(a)(context, builder, args[0])
        cgutils.memset(builder, array.data, builder.mul(array.itemsize, array.nitems), 0)
        return impl_ret_borrowed(context, builder, a, args[0])

    return a(a), codegen


def _cleared_if_recorded(function: Any) -> None:
    """Let new arrays of recorded duals hold constants: what is computed from elements not yet written is unused, but
    the tapes that they seem to have are wild pointers.
    """
    own = overload_of(function)
    names = ", ".join(inspect.signature(own).parameters)

    def choose(*kinds: Any) -> Any:
        made = own(*kinds)
        if made is None or not any(getattr(scalar_type(kind), "is_recorded", False) for kind in kinds):
            return made
        return with_signature(own, f"cleared(made({names}))", {"cleared": cleared, "made": register_jitable(made)})

    instead(function, choose)


for _function in np.empty, np.empty_like:
    _cleared_if_recorded(_function)


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
    if getattr(t, "is_recorded", False):
        return lambda shape, like: np.zeros(shape, t)
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
        t = x.dtype
        return lambda x: value(values_of(x, t))
    if isinstance(x, types.Array):
        return lambda x: x.copy()
    if isinstance(x, DualType):
        return lambda x: base_value(x)
    return (lambda x: x) if isinstance(x, (types.Number, types.Boolean)) else None
