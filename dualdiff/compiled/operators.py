"""The operators in compiled code: ``dualdiff.derivative(f, x)`` and its relatives called by an ``@njit`` function.

Compiled code has no closures that capture variables of a running function, so that outer variables are handed over as
arguments; and their types say to how many differentiations they belong, which is all that keeps nested ones apart.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba.core import errors, types
from numba.extending import overload, register_jitable

from dualdiff.compiled.intrinsics import any_nan, dual, partial_in, seeded, value_in
from dualdiff.compiled.types import DualType, level_of
from dualdiff.drivers.derivative import derivative, value_and_derivative
from dualdiff.drivers.gradient import gradient, value_and_gradient
from dualdiff.drivers.hessian import hessian, value_gradient_and_hessian
from dualdiff.drivers.jacobian import jacobian, value_and_jacobian
from dualdiff.drivers.products import hvp, jvp

#: Partials in one pass: two of the processor's vectors of float64.
WIDTH = 16 if llvm.get_host_cpu_features().get("avx512f") else 8


def outermost(*kinds: Any) -> Any:
    """The type that a dual of a new differentiation has as its element: all the arguments are constants to it."""
    found: Any = None
    for kind in kinds:
        if isinstance(kind, types.BaseTuple):
            kind = outermost(*kind)
        elif isinstance(kind, types.Array):
            kind = kind.dtype
        elif isinstance(kind, (types.Literal, types.Omitted)):
            continue
        if isinstance(kind, DualType) and (found is None or level_of(kind) > level_of(found)):
            found = kind
    return found


def element_for(x: Any, args: Any) -> Any:
    """The type of x, as a number among those of outer differentiations."""
    number = x.dtype if isinstance(x, types.Array) else x
    base = number.base if isinstance(number, DualType) else number
    if isinstance(base, types.Literal):
        base = base.literal_type
    if isinstance(base, types.Integer):
        base = types.float64
    if not isinstance(base, (types.Float, types.Complex)):
        raise errors.NumbaTypeError(f"dualdiff differentiates in numbers and arrays of numbers, not in {x}")
    outer = outermost(number, args)
    return base if outer is None else outer


# -- the operators, masked or not --------------------------------------------------------------------------------------
def derivative_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    """Value and derivative of f at a number, or at each number of an array."""
    raise NotImplementedError


def gradient_core(f: Any, x: Any, args: Any, width: Any, masked: Any) -> Any:
    """Value and gradient of f at an array."""
    raise NotImplementedError


def jacobian_core(f: Any, x: Any, args: Any, width: Any, masked: Any) -> Any:
    """Value and Jacobian of f at an array."""
    raise NotImplementedError


def hessian_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    """Value, gradient and Hessian of f at an array."""
    raise NotImplementedError


def jvp_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    """Value of f at x and derivative along v."""
    raise NotImplementedError


def hvp_core(f: Any, x: Any, v: Any, args: Any, width: Any, masked: Any) -> Any:
    """Derivative of f at x along v, and Hessian of f at x times v."""
    raise NotImplementedError


@overload(derivative_core, prefer_literal=True, strict=False)
def _derivative_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    if not isinstance(masked, types.Literal):
        return None
    t = DualType(element_for(x, args), 1, masked.literal_value)
    if not isinstance(x, types.Array):

        def at_number(f: Any, x: Any, args: Any, masked: Any) -> Any:
            y = f(seeded(x, 0, t), *args)
            return values_in(y, t), tangents_in(y, t)

        return at_number
    element = t.element

    def at_points(f: Any, x: Any, args: Any, masked: Any) -> Any:
        values, slopes = np.empty(x.shape, element), np.empty(x.shape, element)
        flat_values, flat_slopes = values.ravel(), slopes.ravel()
        for i, number in enumerate(x.flat):
            y = f(seeded(number, 0, t), *args)
            flat_values[i] = value_in(y, t)
            flat_slopes[i] = partial_in(y, 0, t)
        return values, slopes

    return at_points


@overload(gradient_core, prefer_literal=True, strict=False)
def _gradient_core(f: Any, x: Any, args: Any, width: Any, masked: Any) -> Any:
    if not isinstance(masked, types.Literal):
        return None
    count = width.literal_value
    t = DualType(element_for(x, args), count, masked.literal_value)
    element = t.element

    def of_array(f: Any, x: Any, args: Any, width: Any, masked: Any) -> Any:
        n = x.size
        flat = x.ravel()
        duals = np.empty(x.shape, t)
        slope = np.empty(x.shape, element)
        flat_duals, flat_slope = duals.ravel(), slope.ravel()
        for start in range(0, max(n, 1), count):
            for j in range(n):
                flat_duals[j] = seeded(flat[j], j - start, t)
            y = one_number(f(duals, *args))
            for i in range(min(count, n - start)):
                flat_slope[start + i] = partial_in(y, i, t)
        return value_in(y, t), slope

    return of_array


@overload(jacobian_core, prefer_literal=True, strict=False)
def _jacobian_core(f: Any, x: Any, args: Any, width: Any, masked: Any) -> Any:
    if not isinstance(masked, types.Literal):
        return None
    count = width.literal_value
    t = DualType(element_for(x, args), count, masked.literal_value)
    element = t.element

    def of_array(f: Any, x: Any, args: Any, width: Any, masked: Any) -> Any:
        n = x.size
        flat = x.ravel()
        duals = np.empty(x.shape, t)
        flat_duals = duals.ravel()
        for start in range(0, max(n, 1), count):
            for j in range(n):
                flat_duals[j] = seeded(flat[j], j - start, t)
            y = f(duals, *args)
            rows = as_array(y)
            if start == 0:
                matrix = np.empty((rows.size, n), element)
                value = values_in(y, t)
            columns_into(rows, matrix, start, t)
        return value, matrix.reshape(shape_of(y) + x.shape)

    return of_array


@overload(jvp_core, prefer_literal=True, strict=False)
def _jvp_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    if not isinstance(masked, types.Literal):
        return None
    t = DualType(element_for(x, types.Tuple((v, args))), 1, masked.literal_value)
    if not isinstance(x, types.Array):

        def at_number(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
            y = f(dual(x, v, t), *args)
            return values_in(y, t), tangents_in(y, t)

        return at_number

    def at_array(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
        duals = np.empty(x.shape, t)
        flat_duals, flat, along = duals.ravel(), x.ravel(), v.ravel()
        for j in range(x.size):
            flat_duals[j] = dual(flat[j], along[j], t)
        y = f(duals, *args)
        return values_in(y, t), tangents_in(y, t)

    return at_array


@overload(hessian_core, prefer_literal=True, strict=False)
def _hessian_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    if not isinstance(masked, types.Literal):
        return None
    # One vector of the processor's along the first axis, four of them along the second: more spill registers.
    rows, columns = 4, 8
    first = DualType(element_for(x, args), columns, masked.literal_value)
    second = DualType(first, rows, masked.literal_value)
    element = first.element

    def of_array(f: Any, x: Any, args: Any, masked: Any) -> Any:
        n = x.size
        flat = x.ravel()
        duals = np.empty(x.shape, second)
        flat_duals = duals.ravel()
        slope = np.empty(x.shape, element)
        matrix = np.empty((n, n), element)
        flat_slope = slope.ravel()
        for j0 in range(0, max(n, 1), columns):
            # What lies above the diagonal is found below it.
            for i0 in range(j0, max(n, 1), rows):
                for k in range(n):
                    flat_duals[k] = seeded(seeded(flat[k], k - j0, first), k - i0, second)
                y = one_number(f(duals, *args))
                for i in range(min(rows, n - i0)):
                    row = partial_in(y, i, second)
                    if j0 == 0:
                        flat_slope[i0 + i] = value_in(row, first)
                    for j in range(min(columns, n - j0)):
                        matrix[i0 + i, j0 + j] = partial_in(row, j, first)
        for i in range(n):
            for j in range(i + 1, n):
                matrix[i, j] = matrix[j, i]
        return value_in(value_in(y, second), first), slope, matrix.reshape(x.shape + x.shape)

    return of_array


@overload(hvp_core, prefer_literal=True, strict=False)
def _hvp_core(f: Any, x: Any, v: Any, args: Any, width: Any, masked: Any) -> Any:
    if not isinstance(masked, types.Literal):
        return None
    count = width.literal_value
    first = DualType(element_for(x, types.Tuple((v, args))), count, masked.literal_value)
    second = DualType(first, 1, masked.literal_value)
    element = first.element

    def of_array(f: Any, x: Any, v: Any, args: Any, width: Any, masked: Any) -> Any:
        n = x.size
        flat, along = x.ravel(), v.ravel()
        duals = np.empty(x.shape, second)
        product = np.empty(x.shape, element)
        flat_duals, flat_product = duals.ravel(), product.ravel()
        for start in range(0, max(n, 1), count):
            for k in range(n):
                flat_duals[k] = dual(seeded(flat[k], k - start, first), along[k], second)
            y = partial_in(one_number(f(duals, *args)), 0, second)
            for i in range(min(count, n - start)):
                flat_product[start + i] = partial_in(y, i, first)
        return value_in(y, first), product

    return of_array


def slope_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    """Value and derivative, at a number, of f to numbers."""
    raise NotImplementedError


def second_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    """Value, first and second derivative, at a number, of f to numbers."""
    raise NotImplementedError


def second_along_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    """Derivative along v, and second derivative times v, at a number."""
    raise NotImplementedError


@overload(slope_core, prefer_literal=True, strict=False)
def _slope_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    if not isinstance(masked, types.Literal):
        return None
    t = DualType(element_for(x, args), 1, masked.literal_value)

    def at_number(f: Any, x: Any, args: Any, masked: Any) -> Any:
        y = one_number(f(seeded(x, 0, t), *args))
        return value_in(y, t), partial_in(y, 0, t)

    return at_number


@overload(second_core, prefer_literal=True, strict=False)
def _second_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    if not isinstance(masked, types.Literal):
        return None
    first = DualType(element_for(x, args), 1, masked.literal_value)
    second = DualType(first, 1, masked.literal_value)

    def at_number(f: Any, x: Any, args: Any, masked: Any) -> Any:
        y = one_number(f(seeded(seeded(x, 0, first), 0, second), *args))
        slope = partial_in(y, 0, second)
        return value_in(value_in(y, second), first), value_in(slope, first), partial_in(slope, 0, first)

    return at_number


@overload(second_along_core, prefer_literal=True, strict=False)
def _second_along_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    def at_number(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
        _, slope, curvature = second_core(f, x, args, masked)
        return slope * v, curvature * v

    return at_number


# -- results ---------------------------------------------------------------------------------------------------------
def one_number(y: Any) -> Any:
    """The result of a function to numbers; an array of one number counts."""
    raise NotImplementedError


@overload(one_number, strict=False)
def _one_number(y: Any) -> Any:
    if isinstance(y, types.Array):

        def of_array(y: Any) -> Any:
            if y.size != 1:
                raise ValueError(
                    "gradient and hessian need an f that returns one number, and f returned an array: use "
                    "dualdiff.jacobian"
                )
            return y.flat[0]

        return of_array
    if isinstance(y, (types.Number, types.Boolean, DualType)):
        return lambda y: y
    raise errors.NumbaTypeError(
        f"gradient and hessian need an f that returns one number, and f returned {y}: use dualdiff.jacobian"
    )


def as_array(y: Any) -> Any:
    """The result as an array."""
    raise NotImplementedError


@overload(as_array, strict=False)
def _as_array(y: Any) -> Any:
    if isinstance(y, types.Array):
        return lambda y: y
    if isinstance(y, (types.Number, types.Boolean, DualType)):

        def of_number(y: Any) -> Any:
            array = np.empty(1, constant_type)
            array[0] = y
            return array

        constant_type = types.float64 if isinstance(y, (types.Integer, types.Boolean)) else y
        return of_number
    raise errors.NumbaTypeError(
        f"jacobian of a compiled function needs one that returns a number or an array, and f returned {y}"
    )


def shape_of(y: Any) -> Any:
    """The shape of a number or an array."""
    raise NotImplementedError


@overload(shape_of, strict=False)
def _shape_of(y: Any) -> Any:
    return (lambda y: y.shape) if isinstance(y, types.Array) else (lambda y: ())


def values_in(y: Any, kind: Any) -> Any:
    """The values of a result, a copy."""
    raise NotImplementedError


@overload(values_in, strict=False)
def _values_in(y: Any, kind: Any) -> Any:
    if not isinstance(y, types.Array):
        return lambda y, kind: value_in(y, kind)
    if level_of(y.dtype) < kind.instance_type.level:
        return lambda y, kind: y.copy()
    element = y.dtype.element

    def of_duals(y: Any, kind: Any) -> Any:
        values = np.empty(y.shape, element)
        flat = values.ravel()
        for i, number in enumerate(y.flat):
            flat[i] = value_in(number, kind)
        return values

    return of_duals


def tangents_in(y: Any, kind: Any) -> Any:
    """The tangents of a result along the only direction."""
    raise NotImplementedError


@overload(tangents_in, strict=False)
def _tangents_in(y: Any, kind: Any) -> Any:
    if not isinstance(y, types.Array):
        return lambda y, kind: partial_in(y, 0, kind)
    is_constant = level_of(y.dtype) < kind.instance_type.level
    element = kind.instance_type.element if is_constant else y.dtype.element

    def of_array(y: Any, kind: Any) -> Any:
        tangents = np.empty(y.shape, element)
        flat = tangents.ravel()
        for i, number in enumerate(y.flat):
            flat[i] = partial_in(number, 0, kind)
        return tangents

    return of_array


def columns_into(y: Any, matrix: Any, start: Any, kind: Any) -> Any:
    """The partials of a result into the columns of a matrix that belong to this pass."""
    raise NotImplementedError


@overload(columns_into, strict=False)
def _columns_into(y: Any, matrix: Any, start: Any, kind: Any) -> Any:
    count = kind.instance_type.count

    def of_array(y: Any, matrix: Any, start: Any, kind: Any) -> Any:
        stop = min(start + count, matrix.shape[1])
        for row, number in enumerate(y.flat):
            for j in range(stop - start):
                matrix[row, start + j] = partial_in(number, j, kind)

    return of_array


# -- by their public names ---------------------------------------------------------------------------------------------
# Each runs once without masks, and once more with them if a NaN comes out.
@register_jitable  # type: ignore[untyped-decorator]
def _derivative(f, x, args):  # type: ignore[no-untyped-def]
    found = derivative_core(f, x, args, False)
    return derivative_core(f, x, args, True) if any_nan(found[1]) else found


@register_jitable  # type: ignore[untyped-decorator]
def _gradient(f, x, args):  # type: ignore[no-untyped-def]
    found = gradient_core(f, x, args, WIDTH, False)
    return gradient_core(f, x, args, WIDTH, True) if any_nan(found[1]) else found


@register_jitable  # type: ignore[untyped-decorator]
def _jacobian(f, x, args):  # type: ignore[no-untyped-def]
    found = jacobian_core(f, x, args, WIDTH, False)
    return jacobian_core(f, x, args, WIDTH, True) if any_nan(found[1]) else found


@register_jitable  # type: ignore[untyped-decorator]
def _hessian(f, x, args):  # type: ignore[no-untyped-def]
    found = hessian_core(f, x, args, False)
    return hessian_core(f, x, args, True) if any_nan(found[2]) else found


@register_jitable  # type: ignore[untyped-decorator]
def _jvp(f, x, v, args):  # type: ignore[no-untyped-def]
    found = jvp_core(f, x, v, args, False)
    return jvp_core(f, x, v, args, True) if any_nan(found[1]) else found


@register_jitable  # type: ignore[untyped-decorator]
def _hvp(f, x, v, args):  # type: ignore[no-untyped-def]
    found = hvp_core(f, x, v, args, WIDTH, False)
    return hvp_core(f, x, v, args, WIDTH, True) if any_nan(found[1]) else found


def _operator(function: Any, implementation: Any) -> None:
    def choose(f: Any, *args: Any) -> Any:
        if not isinstance(f, types.Callable):
            raise errors.NumbaTypeError(f"{function.__name__} takes a function as its first argument, not {f}")
        return implementation

    overload(function, strict=False)(choose)


_operator(value_and_derivative, lambda f, x, *args: _derivative(f, x, args))
_operator(derivative, lambda f, x, *args: _derivative(f, x, args)[1])
_operator(value_and_gradient, lambda f, x, *args: _gradient(f, x, args))
_operator(gradient, lambda f, x, *args: _gradient(f, x, args)[1])
_operator(value_and_jacobian, lambda f, x, *args: _jacobian(f, x, args))
_operator(jacobian, lambda f, x, *args: _jacobian(f, x, args)[1])
_operator(value_gradient_and_hessian, lambda f, x, *args: _hessian(f, x, args))
_operator(hessian, lambda f, x, *args: _hessian(f, x, args)[2])
_operator(jvp, lambda f, x, v, *args: _jvp(f, x, v, args))
_operator(hvp, lambda f, x, v, *args: _hvp(f, x, v, args)[1])
