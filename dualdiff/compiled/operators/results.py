"""The results of f in compiled code: scalars, arrays, and tuples of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import errors, types
from numba.extending import overload

from dualdiff.compiled.intrinsics import partial_in, value_in
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.types import DualType, level_of


@only_compiled
def scalar_of(y: Any) -> Any:
    """The result of a scalar-valued f; an array with one element counts as a scalar."""


@overload(scalar_of, strict=False)
def _scalar_of(y: Any) -> Any:
    if isinstance(y, types.Array):

        def of_array(y: Any) -> Any:
            if y.size != 1:
                raise ValueError(
                    "gradient and hessian need an f that returns a scalar, but f returned an array: use "
                    "dualdiff.jacobian, or pass f.py_func to hessian"
                )
            return y.flat[0]

        return of_array
    if isinstance(y, (types.Number, types.Boolean, DualType)):
        return lambda y: y
    raise errors.NumbaTypeError(
        f"gradient and hessian need an f that returns a scalar, but f returned {y}: use dualdiff.jacobian, or pass "
        "f.py_func to hessian"
    )


@only_compiled
def as_array(y: Any) -> Any:
    """The result as an array; a tuple is flattened into one vector."""


@overload(as_array, strict=False)
def _as_array(y: Any) -> Any:
    if isinstance(y, types.Array):
        return lambda y: y
    leaves = _scalar_types(y)
    t = types.float64
    for kind in leaves:
        if isinstance(kind, (types.Float, types.Complex, DualType)):
            t = kind if level_of(kind) > level_of(t) or not level_of(t) else t

    if not isinstance(y, types.BaseTuple):

        def of_scalar(y: Any) -> Any:
            array = np.empty(1, t)
            array[0] = y
            return array

        return of_scalar

    def of_tuple(y: Any) -> Any:
        array = np.empty(size_of(y), t)
        put_into(array, 0, y)
        return array

    return of_tuple


def _scalar_types(y: Any) -> list[Any]:
    """The scalar types in a result."""
    if isinstance(y, types.BaseTuple):
        return [kind for item in y for kind in _scalar_types(item)]
    scalar = y.dtype if isinstance(y, types.Array) else y
    if isinstance(scalar, (types.Number, types.Boolean, DualType)):
        return [scalar]
    raise errors.NumbaTypeError(
        f"compiled functions have to return scalars, arrays or tuples of them to be differentiated, but f returned {y}"
    )


def _of_items(function: Any, y: Any, arguments: str, combine: str = "") -> Any:
    """The implementation of a function for tuples, which calls it for each item."""
    calls = [f"function(y[{i}]{arguments})" for i in range(len(y))]
    made = getattr(y, "instance_class", None)
    body = f" {combine} ".join(calls) if combine else f"{'made' if made else ''}({', '.join(calls)},)"
    return eval(f"lambda y{arguments}: {body}", {"function": function, "made": made})


@only_compiled
def size_of(y: Any) -> Any:
    """The number of elements of a result."""


@overload(size_of, strict=False)
def _size_of(y: Any) -> Any:
    if isinstance(y, types.BaseTuple):
        return _of_items(size_of, y, "", "+") if len(y) else lambda y: 0
    return (lambda y: y.size) if isinstance(y, types.Array) else (lambda y: 1)


@only_compiled
def put_into(array: Any, offset: Any, y: Any) -> Any:
    """Write the elements of a result into an array from an offset on; return the offset after them."""


@overload(put_into, strict=False)
def _put_into(array: Any, offset: Any, y: Any) -> Any:
    if isinstance(y, types.BaseTuple):
        body = "offset"
        for i in range(len(y)):
            body = f"put(array, {body}, y[{i}])"
        return eval(f"lambda array, offset, y: {body}", {"put": put_into})
    if isinstance(y, types.Array):

        def of_array(array: Any, offset: Any, y: Any) -> Any:
            for i, element in enumerate(y.flat):
                array[offset + i] = element
            return offset + y.size

        return of_array

    def of_scalar(array: Any, offset: Any, y: Any) -> Any:
        array[offset] = y
        return offset + 1

    return of_scalar


@only_compiled
def shape_of(y: Any, rows: Any) -> Any:
    """The shape of a scalar or an array; of a tuple, that of its flattened elements."""


@overload(shape_of, strict=False)
def _shape_of(y: Any, rows: Any) -> Any:
    if isinstance(y, (types.Array, types.BaseTuple)):
        return (lambda y, rows: y.shape) if isinstance(y, types.Array) else (lambda y, rows: rows.shape)
    return lambda y, rows: ()


@only_compiled
def values_in(y: Any, kind: Any) -> Any:
    """The values of a result, as a copy."""


@overload(values_in, strict=False)
def _values_in(y: Any, kind: Any) -> Any:
    if isinstance(y, types.BaseTuple):
        return _of_items(values_in, y, ", kind")
    if not isinstance(y, types.Array):
        return lambda y, kind: value_in(y, kind)
    if level_of(y.dtype) < kind.instance_type.level:
        return lambda y, kind: y.copy()
    element = y.dtype.element

    def of_duals(y: Any, kind: Any) -> Any:
        values = np.empty(y.shape, element)
        flat = values.ravel()
        for i, entry in enumerate(y.flat):
            flat[i] = value_in(entry, kind)
        return values

    return of_duals


@only_compiled
def tangents_in(y: Any, kind: Any) -> Any:
    """The tangents of a result along the single direction."""


@overload(tangents_in, strict=False)
def _tangents_in(y: Any, kind: Any) -> Any:
    if isinstance(y, types.BaseTuple):
        return _of_items(tangents_in, y, ", kind")
    if not isinstance(y, types.Array):
        return lambda y, kind: partial_in(y, 0, kind)
    is_constant = level_of(y.dtype) < kind.instance_type.level
    element = kind.instance_type.element if is_constant else y.dtype.element

    def of_array(y: Any, kind: Any) -> Any:
        tangents = np.empty(y.shape, element)
        flat = tangents.ravel()
        for i, entry in enumerate(y.flat):
            flat[i] = partial_in(entry, 0, kind)
        return tangents

    return of_array


@only_compiled
def tangent_matrix(rows: Any, count: Any, kind: Any) -> Any:
    """A matrix for the tangents of a vector of results along several directions."""


@overload(tangent_matrix, strict=False)
def _tangent_matrix(rows: Any, count: Any, kind: Any) -> Any:
    element = rows.dtype.element if level_of(rows.dtype) == kind.instance_type.level else kind.instance_type.element
    return lambda rows, count, kind: np.empty((rows.size, count), element)
