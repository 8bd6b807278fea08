"""Duals passed between Python and compiled code: only those built by hand, ``Dual(3.0, 1.0)``."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import NativeValue, box, overload, unbox

from dualdiff.base import tags
from dualdiff.compiled.intrinsics import dual
from dualdiff.compiled.patches import refuse_boxing_of_arrays, typeof_first
from dualdiff.compiled.refusals import RUNNING
from dualdiff.compiled.types import HANDMADE, DualType, make, parts
from dualdiff.core.array import DualArray
from dualdiff.core.dual import AnyDual, Dual


def _typeof_dual(x: AnyDual) -> Any:
    # Compiled duals have no tag, so that those of several running calls could not be told apart.
    is_handmade = not isinstance(x, DualArray) and x.space.tag == tags.MANUAL and x.dtype == float
    return HANDMADE if is_handmade else RUNNING


typeof_first((float, complex, np.generic, np.ndarray), lambda x: isinstance(x, AnyDual), _typeof_dual)


@unbox(DualType)  # type: ignore[untyped-decorator]
def _unbox(t: DualType, obj: Any, c: Any) -> Any:
    if t != HANDMADE:
        c.pyapi.err_set_string("PyExc_TypeError", f"{t} of compiled code cannot be passed from Python")
        nothing = ir.Constant(c.context.get_value_type(t), None)
        return NativeValue(nothing, is_error=ir.Constant(ir.IntType(1), 1))
    components = []
    for name in "value", "raw":
        part = c.pyapi.object_getattr_string(obj, name)
        components.append(c.pyapi.float_as_double(part))
        c.pyapi.decref(part)
    return NativeValue(make(c.context, c.builder, t, *components), is_error=c.pyapi.c_api_error())


@box(DualType)  # type: ignore[untyped-decorator]
def _box(t: DualType, native: Any, c: Any) -> Any:
    if t != HANDMADE:
        c.pyapi.err_set_string("PyExc_TypeError", f"{t} of compiled code cannot be returned to Python")
        return c.pyapi.get_null_object()
    value, partial = (c.pyapi.float_from_double(part) for part in parts(c.builder, native))
    kind = c.pyapi.unserialize(c.pyapi.serialize_object(Dual))
    result = c.pyapi.call_function_objargs(kind, (value, partial))
    for obj in kind, value, partial:
        c.pyapi.decref(obj)
    return result


@overload(Dual, strict=False)
def _make(value: Any, tangent: Any) -> Any:
    if isinstance(value, types.Number) and isinstance(tangent, types.Number):
        return lambda value, tangent: dual(value, tangent, HANDMADE)
    return None


refuse_boxing_of_arrays(lambda t: isinstance(t, DualType), "arrays of compiled duals cannot be returned to Python")
