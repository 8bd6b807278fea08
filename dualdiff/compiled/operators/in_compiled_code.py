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

from dualdiff.compiled.intrinsics import any_nan, dual, is_nan, lanes_of, partial_in, seeded, value_in
from dualdiff.compiled.operators.arguments import ordered, protected
from dualdiff.compiled.operators.known import FunctionConstant
from dualdiff.compiled.operators.results import as_array, one_number, shape_of, tangents_in, values_in
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.types import DualType, level_of
from dualdiff.drivers.derivative import derivative, value_and_derivative
from dualdiff.drivers.gradient import gradient, value_and_gradient
from dualdiff.drivers.hessian import hessian, value_gradient_and_hessian
from dualdiff.drivers.hvp import hvp
from dualdiff.drivers.jacobian import jacobian, value_and_jacobian
from dualdiff.drivers.jvp import jvp

#: Partials in one pass: as many as four of the processor's vectors hold, or two long ones.  More spill registers;
#: fewer compute values more often.
WIDTH = 16 if llvm.get_host_cpu_features().get("avx") else 8

#: Columns of a Hessian in one pass.
HESSIAN_WIDTH = 8


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
# Those over arrays run along the directions from start to stop.  The direction of the j-th number of x is j, or stands
# in places, if those are not None.
@register_jitable  # type: ignore[untyped-decorator]
def seed(duals, x, places, start, kind):  # type: ignore[no-untyped-def]
    """Fill an array with the duals of x for one pass."""
    flat_duals, flat = duals.ravel(), x.ravel()
    for j in range(flat.size):
        flat_duals[j] = seeded(flat[j], direction(places, j) - start, kind)


@only_compiled
def direction(places: Any, j: Any) -> Any:
    """The direction of a number of x."""


@overload(direction, strict=False)
def _direction(places: Any, j: Any) -> Any:
    return (lambda places, j: places[j]) if isinstance(places, types.Array) else (lambda places, j: j)


@only_compiled
def derivative_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    """Value and derivative of f at a number, or at each number of an array."""


@only_compiled
def points_core(f: Any, x: Any, args: Any, values: Any, slopes: Any, masked: Any) -> Any:
    """Values (unless they are None) and derivatives of f at a row of numbers, into arrays; NaN if one of these is."""


@only_compiled
def gradient_core(f: Any, x: Any, args: Any, width: Any, masked: Any, start: Any, stop: Any) -> Any:
    """Value and gradient of f at an array, flat."""


@only_compiled
def jacobian_core(f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, start: Any, stop: Any) -> Any:
    """Value of f at an array, and its derivatives along the directions, which are the last axis."""


@only_compiled
def entries_core(
    f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, probe: Any, last: Any, pattern: Any, rounding: Any
) -> Any:
    """Value of f at an array, whether it shows that entries are missing, and those of its derivatives in a pattern.

    The pattern is the number of rows, and for each entry its row, its direction and its column.  The last direction is
    the probe.  The entries are left zero if f returns another number of results than there are rows.
    """


@only_compiled
def hessian_core(f: Any, x: Any, args: Any, masked: Any, start: Any, stop: Any) -> Any:
    """Value, gradient and Hessian of f at an array, flat; of the Hessian these columns, from the diagonal down."""


@only_compiled
def jvp_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    """Value of f at x and derivative along v."""


@only_compiled
def hvp_core(f: Any, x: Any, v: Any, args: Any, width: Any, masked: Any) -> Any:
    """Derivative of f at x along v, and Hessian of f at x times v."""


def _core(core: Any) -> Any:
    """Register what makes an implementation of a core, once it is told literally whether to mask."""

    def register(make: Any) -> Any:
        place = make.__code__.co_varnames.index("masked")
        names = ", ".join(make.__code__.co_varnames[: make.__code__.co_argcount])

        def choose(*kinds: Any) -> Any:
            return make(*kinds) if isinstance(kinds[place], types.Literal) else None

        # Numba reads the names of the arguments.
        overload(core, prefer_literal=True, strict=False)(eval(f"lambda {names}: choose({names})", {"choose": choose}))
        return make

    return register


@_core(derivative_core)
def _derivative_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    t = DualType(element_for(x, args), 1, masked.literal_value)
    if not isinstance(x, types.Array):

        def at_number(f: Any, x: Any, args: Any, masked: Any) -> Any:
            y = f(seeded(x, 0, t), *protected(f, x, args))
            return values_in(y, t), tangents_in(y, t)

        return at_number
    element, is_masked = t.element, t.masked

    def at_points(f: Any, x: Any, args: Any, masked: Any) -> Any:
        values, slopes = np.empty(x.shape, element), np.empty(x.shape, element)
        points_core(f, x.ravel(), args, values.ravel(), slopes.ravel(), is_masked)
        return values, slopes

    return at_points


@_core(points_core)
def _points_core(f: Any, x: Any, args: Any, values: Any, slopes: Any, masked: Any) -> Any:
    t = DualType(element_for(x, args), 1, masked.literal_value)
    is_wanted = isinstance(values, types.Array)

    def at_points(f: Any, x: Any, args: Any, values: Any, slopes: Any, masked: Any) -> Any:
        found = 0.0
        for i in range(x.size):
            y = f(seeded(x[i], 0, t), *protected(f, x[i], args))
            if is_wanted:
                values[i] = value_in(y, t)
            slopes[i] = slope = partial_in(y, 0, t)
            if is_nan(slope):
                found = np.nan
        return found

    return at_points


@_core(gradient_core)
def _gradient_core(f: Any, x: Any, args: Any, width: Any, masked: Any, start: Any, stop: Any) -> Any:
    count = width.literal_value
    t = DualType(element_for(x, args), count, masked.literal_value)
    element = t.element

    def of_array(f: Any, x: Any, args: Any, width: Any, masked: Any, start: Any, stop: Any) -> Any:
        duals = np.empty(x.shape, t)
        slope = np.empty(stop - start, element)
        for first in range(start, max(stop, start + 1), count):
            seed(duals, x, None, first, t)
            y = one_number(f(ordered(duals, x), *protected(f, x, args)))
            for i in range(min(count, stop - first)):
                slope[first - start + i] = partial_in(y, i, t)
        return value_in(y, t), slope

    return of_array


@_core(jacobian_core)
def _jacobian_core(f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, start: Any, stop: Any) -> Any:
    count = width.literal_value
    t = DualType(element_for(x, args), count, masked.literal_value)
    element = t.element

    def of_array(f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, start: Any, stop: Any) -> Any:
        duals = np.empty(x.shape, t)
        for first in range(start, max(stop, start + 1), count):
            seed(duals, x, places, first, t)
            y = f(ordered(duals, x), *protected(f, x, args))
            rows = as_array(y)
            if first == start:
                matrix = np.empty((rows.size, stop - start), element)
                value = values_in(y, t)
            for row, number in enumerate(rows.flat):
                for i in range(min(count, stop - first)):
                    matrix[row, first - start + i] = partial_in(number, i, t)
        return value, matrix.reshape(shape_of(y, rows) + (stop - start,))  # noqa: RUF005  (for Numba)

    return of_array


@_core(entries_core)
def _entries_core(
    f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, probe: Any, last: Any, pattern: Any, rounding: Any
) -> Any:
    count = width.literal_value
    t = DualType(element_for(x, args), count, masked.literal_value)
    element = t.element

    def of_array(
        f: Any,
        x: Any,
        args: Any,
        width: Any,
        masked: Any,
        places: Any,
        probe: Any,
        last: Any,
        pattern: Any,
        rounding: Any,
    ) -> Any:
        size, rows, directions, columns = pattern
        duals = np.empty(x.shape, t)
        lanes = lanes_of(duals.ravel())
        entries, left, sizes = np.zeros(rows.size, element), np.zeros(size, element), np.zeros(size)
        for first in range(0, last + 1, count):
            seed(duals, x, places, first, t)
            lane = last - first
            if lane < count:
                for j in range(probe.size):
                    lanes[j, 1 + lane] = probe[j]
            y = f(ordered(duals, x), *protected(f, x, args))
            results = as_array(y).ravel()
            if first == 0:
                value = values_in(y, t)
            if results.size == size:
                for k in range(rows.size):
                    if 0 <= directions[k] - first < count:
                        entries[k] = entry = partial_in(results[rows[k]], directions[k] - first, t)
                        term = entry * probe[columns[k]]
                        left[rows[k]] -= term
                        sizes[rows[k]] += abs(term)
                if lane < count:
                    for i in range(size):
                        left[i] += partial_in(results[i], lane, t)
        is_doubtful = False
        for i in range(size):
            # What is not finite is doubtful, too.
            if not (abs(left[i]) <= rounding * sizes[i] and abs(left[i]) < np.inf):
                is_doubtful = True
        return value, is_doubtful, entries

    return of_array


@_core(jvp_core)
def _jvp_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    # Along one direction everything has a derivative, whatever it does to complex numbers.
    t = DualType(element_for(x, types.Tuple((v, args))), 1, masked.literal_value, is_real=True)
    if not isinstance(x, types.Array):

        def at_number(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
            y = f(dual(x, v, t), *protected(f, x, args))
            return values_in(y, t), tangents_in(y, t)

        return at_number

    def at_array(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
        duals = np.empty(x.shape, t)
        flat_duals, flat, along = duals.ravel(), x.ravel(), v.ravel()
        for j in range(x.size):
            flat_duals[j] = dual(flat[j], along[j], t)
        y = f(ordered(duals, x), *protected(f, x, args))
        return values_in(y, t), tangents_in(y, t)

    return at_array


@_core(hessian_core)
def _hessian_core(f: Any, x: Any, args: Any, masked: Any, start: Any, stop: Any) -> Any:
    # One vector of the processor's along the first axis, four of them along the second: more spill registers.
    rows, columns = 4, HESSIAN_WIDTH
    first = DualType(element_for(x, args), columns, masked.literal_value)
    second = DualType(first, rows, masked.literal_value)
    element = first.element

    def of_array(f: Any, x: Any, args: Any, masked: Any, start: Any, stop: Any) -> Any:
        n = x.size
        flat = x.ravel()
        duals = np.empty(x.shape, second)
        flat_duals = duals.ravel()
        slope = np.empty(n, element)
        matrix = np.zeros((n, stop - start), element)
        for j0 in range(start, max(stop, start + 1), columns):
            for i0 in range(j0, max(n, 1), rows):
                for k in range(n):
                    flat_duals[k] = seeded(seeded(flat[k], k - j0, first), k - i0, second)
                y = one_number(f(ordered(duals, x), *protected(f, x, args)))
                for i in range(min(rows, n - i0)):
                    row = partial_in(y, i, second)
                    if j0 == 0:
                        slope[i0 + i] = value_in(row, first)
                    for j in range(min(columns, stop - j0)):
                        matrix[i0 + i, j0 - start + j] = partial_in(row, j, first)
        return value_in(value_in(y, second), first), slope, matrix

    return of_array


@register_jitable  # type: ignore[untyped-decorator]
def mirror(matrix):  # type: ignore[no-untyped-def]
    """Fill in above the diagonal what stands below it."""
    for i in range(len(matrix)):
        for j in range(i + 1, len(matrix)):
            matrix[i, j] = matrix[j, i]


@register_jitable  # type: ignore[untyped-decorator]
def shaped(found, x):  # type: ignore[no-untyped-def]
    """Value and derivative with the axes of x in place of that of directions."""
    value, derivative = found
    return value, derivative.reshape(derivative.shape[:-1] + x.shape)


@register_jitable  # type: ignore[untyped-decorator]
def square(found, x):  # type: ignore[no-untyped-def]
    """Value, gradient and the entire Hessian, with the axes of x."""
    value, slope, matrix = found
    mirror(matrix)
    return value, slope.reshape(x.shape), matrix.reshape(x.shape + x.shape)


@_core(hvp_core)
def _hvp_core(f: Any, x: Any, v: Any, args: Any, width: Any, masked: Any) -> Any:
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
            y = partial_in(one_number(f(ordered(duals, x), *protected(f, x, args))), 0, second)
            for i in range(min(count, n - start)):
                flat_product[start + i] = partial_in(y, i, first)
        return value_in(y, first), product

    return of_array


@only_compiled
def slope_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    """Value and derivative, at a number, of f to numbers."""


@only_compiled
def second_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    """Value, first and second derivative, at a number, of f to numbers."""


@only_compiled
def second_along_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    """Derivative along v, and second derivative times v, at a number."""


@_core(slope_core)
def _slope_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    t = DualType(element_for(x, args), 1, masked.literal_value)

    def at_number(f: Any, x: Any, args: Any, masked: Any) -> Any:
        y = one_number(f(seeded(x, 0, t), *protected(f, x, args)))
        return value_in(y, t), partial_in(y, 0, t)

    return at_number


@_core(second_core)
def _second_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    first = DualType(element_for(x, args), 1, masked.literal_value)
    second = DualType(first, 1, masked.literal_value)

    def at_number(f: Any, x: Any, args: Any, masked: Any) -> Any:
        y = one_number(f(seeded(seeded(x, 0, first), 0, second), *protected(f, x, args)))
        slope = partial_in(y, 0, second)
        return value_in(value_in(y, second), first), value_in(slope, first), partial_in(slope, 0, first)

    return at_number


@_core(second_along_core)
def _second_along_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    def at_number(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
        _, slope, curvature = second_core(f, x, args, masked)
        return slope * v, curvature * v

    return at_number


# -- by their public names ---------------------------------------------------------------------------------------------
# Each runs once without masks, and once more with them if a NaN comes out.
@register_jitable  # type: ignore[untyped-decorator]
def _derivative(f, x, args):  # type: ignore[no-untyped-def]
    found = derivative_core(f, x, args, False)
    return derivative_core(f, x, args, True) if any_nan(found[1]) else found


@register_jitable  # type: ignore[untyped-decorator]
def _gradient(f, x, args):  # type: ignore[no-untyped-def]
    found = gradient_core(f, x, args, WIDTH, False, 0, x.size)
    return shaped(gradient_core(f, x, args, WIDTH, True, 0, x.size) if any_nan(found[1]) else found, x)


@register_jitable  # type: ignore[untyped-decorator]
def _jacobian(f, x, args):  # type: ignore[no-untyped-def]
    found = jacobian_core(f, x, args, WIDTH, False, None, 0, x.size)
    return shaped(jacobian_core(f, x, args, WIDTH, True, None, 0, x.size) if any_nan(found[1]) else found, x)


@register_jitable  # type: ignore[untyped-decorator]
def _hessian(f, x, args):  # type: ignore[no-untyped-def]
    found = hessian_core(f, x, args, False, 0, x.size)
    return square(hessian_core(f, x, args, True, 0, x.size) if any_nan(found[2]) else found, x)


@register_jitable  # type: ignore[untyped-decorator]
def _jvp(f, x, v, args):  # type: ignore[no-untyped-def]
    found = jvp_core(f, x, v, args, False)
    return jvp_core(f, x, v, args, True) if any_nan(found[1]) else found


@register_jitable  # type: ignore[untyped-decorator]
def _hvp(f, x, v, args):  # type: ignore[no-untyped-def]
    found = hvp_core(f, x, v, args, WIDTH, False)
    return hvp_core(f, x, v, args, WIDTH, True) if any_nan(found[1]) else found


def _operator(function: Any, implementation: Any, item: int | None = None) -> None:
    def choose(f: Any, *args: Any) -> Any:
        if not isinstance(f, types.Callable):
            raise errors.NumbaTypeError(f"{function.__name__} takes a function as its first argument, not {f}")
        return written(FunctionConstant(f.dispatcher) if isinstance(f, types.Dispatcher) else None)

    leading = "x, v" if implementation in (_jvp, _hvp) else "x"
    part = "" if item is None else f"[{item}]"

    def written(known: Any) -> Any:
        text = f"lambda f, {leading}, *args: run({'f' if known is None else 'known'}, {leading}, args){part}"
        return eval(text, {"run": implementation, "known": known})

    overload(function, strict=False)(choose)


_operator(value_and_derivative, _derivative)
_operator(derivative, _derivative, 1)
_operator(value_and_gradient, _gradient)
_operator(gradient, _gradient, 1)
_operator(value_and_jacobian, _jacobian)
_operator(jacobian, _jacobian, 1)
_operator(value_gradient_and_hessian, _hessian)
_operator(hessian, _hessian, 2)
_operator(jvp, _jvp)
_operator(hvp, _hvp, 1)
