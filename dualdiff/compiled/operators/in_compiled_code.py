"""The operators in compiled code: ``dualdiff.derivative(f, x)`` and its relatives, called from ``@njit`` functions.

Compiled code has no closures over variables of a running function, so outer variables are passed as arguments.  Their
types record the nesting level, which is all that keeps nested differentiations apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import errors, types
from numba.extending import overload, register_jitable

from dualdiff.base.errors import NoRuleError
from dualdiff.compiled.caching import Sources, changed, forget
from dualdiff.compiled.intrinsics import any_nan, dual, is_nan, lanes_of, partial_in, seeded, value_in
from dualdiff.compiled.operators.arguments import is_only_read, ordered, protected
from dualdiff.compiled.operators.known import FunctionConstant
from dualdiff.compiled.operators.results import as_array, scalar_of, shape_of, tangents_in, values_in
from dualdiff.compiled.operators.widths import HESSIAN_WIDTH, WIDTH
from dualdiff.compiled.patches import before_recompiling, forget_overloads, typing_context
from dualdiff.compiled.refusals import FORWARD, refusal
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.types import DualType, level_of
from dualdiff.drivers.derivative import derivative, value_and_derivative
from dualdiff.drivers.gradient import gradient, value_and_gradient
from dualdiff.drivers.hessian import hessian, value_gradient_and_hessian
from dualdiff.drivers.hvp import hvp
from dualdiff.drivers.jacobian import jacobian, value_and_jacobian
from dualdiff.drivers.jvp import jvp


def outermost(*kinds: Any) -> Any:
    """The element type for duals of a new differentiation, with respect to which all the arguments are constants."""
    result: Any = None
    for kind in kinds:
        if isinstance(kind, types.BaseTuple):
            kind = outermost(*kind)
        elif isinstance(kind, types.Array):
            kind = kind.dtype
        elif isinstance(kind, (types.Literal, types.Omitted)):
            continue
        if isinstance(kind, DualType) and (result is None or level_of(kind) > level_of(result)):
            result = kind
    return result


def element_for(x: Any, args: Any) -> Any:
    """The element type for duals of x, which includes the levels of outer differentiations."""
    scalar = x.dtype if isinstance(x, types.Array) else x
    base = scalar.base if isinstance(scalar, DualType) else scalar
    if isinstance(base, types.Literal):
        base = base.literal_type
    if isinstance(base, types.Integer):
        base = types.float64
    if not isinstance(base, (types.Float, types.Complex)):
        raise errors.NumbaTypeError(f"dualdiff differentiates with respect to scalars and arrays, not {x}")
    outer = outermost(scalar, args)
    if isinstance(outer, DualType) and outer.is_recorded:
        raise refusal(NoRuleError, f"an operator inside of f is not compiled in reverse mode; {FORWARD}")
    return base if outer is None else typing_context().unify_types(outer, base)


# -- the operators, masked or not --------------------------------------------------------------------------------------
# Those over arrays run along the directions from start to stop.  Element j of x is seeded in direction j, or places[j]
# unless places is None.
@register_jitable  # type: ignore[untyped-decorator]
def seed(duals, x, places, start, width, kind, again):  # type: ignore[no-untyped-def]
    """Fill an array with the duals of x for one pass; ``again`` if it holds those of the pass before."""
    flat_duals, flat = duals.ravel(), x.ravel()
    first, last = seeds_of_two_passes(places, start, width, flat.size) if again else (0, flat.size)
    for j in range(first, last):
        lane = direction(places, j) - start
        if not again or -width <= lane < width:
            flat_duals[j] = seeded(flat[j], lane, kind)


@only_compiled
def direction(places: Any, j: Any) -> Any:
    """The direction in which element j of x is seeded."""


@overload(direction, strict=False)
def _direction(places: Any, j: Any) -> Any:
    return (lambda places, j: places[j]) if isinstance(places, types.Array) else (lambda places, j: j)


@only_compiled
def seeds_of_two_passes(places: Any, start: Any, width: Any, size: Any) -> Any:
    """A range that holds the elements of x that are seeded in a pass or in the one before."""


@overload(seeds_of_two_passes, strict=False)
def _seeds_of_two_passes(places: Any, start: Any, width: Any, size: Any) -> Any:
    if isinstance(places, types.Array):
        return lambda places, start, width, size: (0, size)
    return lambda places, start, width, size: (max(start - width, 0), min(start + width, size))


@only_compiled
def derivative_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    """Value and derivative of f at a scalar, or at each element of an array."""


@only_compiled
def points_core(f: Any, x: Any, args: Any, values: Any, slopes: Any, masked: Any) -> Any:
    """Write values (unless None) and derivatives of f at a vector of points into arrays; NaN if a derivative is."""


@only_compiled
def gradient_core(f: Any, x: Any, args: Any, width: Any, masked: Any, start: Any, stop: Any) -> Any:
    """Value and flat gradient of f at an array."""


@only_compiled
def jacobian_core(f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, start: Any, stop: Any) -> Any:
    """Value of f at an array, and its derivatives along the directions, on the last axis."""


@only_compiled
def entries_core(
    f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, probe: Any, last: Any, pattern: Any, rounding: Any
) -> Any:
    """Value of f at an array, whether the pattern seems to lack entries, and the Jacobian's entries in the pattern.

    The pattern is the number of rows and, for each entry, its row, direction and column.  The last direction is the
    probe.  The entries stay zero if f returns more or fewer elements than there are rows.
    """


@only_compiled
def hessian_core(f: Any, x: Any, args: Any, masked: Any, start: Any, stop: Any) -> Any:
    """Value, flat gradient, and columns of the flat Hessian of f at an array, on and below the diagonal."""


@only_compiled
def jvp_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    """Value of f at x, and its derivative along v."""


@only_compiled
def hvp_core(f: Any, x: Any, v: Any, args: Any, width: Any, masked: Any) -> Any:
    """Derivative of f at x along v, and product of its Hessian with v."""


def register_core(core: Any) -> Any:
    """Register a function that builds the implementation of a core, given a literal ``masked``."""

    def register(make: Any) -> Any:
        place = make.__code__.co_varnames.index("masked")
        names = ", ".join(make.__code__.co_varnames[: make.__code__.co_argcount])

        def choose(*kinds: Any) -> Any:
            return make(*kinds) if isinstance(kinds[place], types.Literal) else None

        # Numba matches the names of the parameters.
        overload(core, prefer_literal=True, strict=False)(eval(f"lambda {names}: choose({names})", {"choose": choose}))
        return make

    return register


@register_core(derivative_core)
def _derivative_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    t = DualType(element_for(x, args), 1, masked.literal_value)
    if not isinstance(x, types.Array):

        def at_scalar(f: Any, x: Any, args: Any, masked: Any) -> Any:
            y = f(seeded(x, 0, t), *protected(f, x, args))
            return values_in(y, t), tangents_in(y, t)

        return at_scalar
    element, is_masked = t.element, t.masked

    def at_points(f: Any, x: Any, args: Any, masked: Any) -> Any:
        values, slopes = np.empty(x.shape, element), np.empty(x.shape, element)
        points_core(f, x.ravel(), args, values.ravel(), slopes.ravel(), is_masked)
        return values, slopes

    return at_points


@register_core(points_core)
def _points_core(f: Any, x: Any, args: Any, values: Any, slopes: Any, masked: Any) -> Any:
    t = DualType(element_for(x, args), 1, masked.literal_value)
    is_wanted = isinstance(values, types.Array)

    def at_points(f: Any, x: Any, args: Any, values: Any, slopes: Any, masked: Any) -> Any:
        result = 0.0
        for i in range(x.size):
            y = f(seeded(x[i], 0, t), *protected(f, x[i], args))
            if is_wanted:
                values[i] = value_in(y, t)
            slopes[i] = slope = partial_in(y, 0, t)
            if is_nan(slope):
                result = np.nan
        return result

    return at_points


@register_core(gradient_core)
def _gradient_core(f: Any, x: Any, args: Any, width: Any, masked: Any, start: Any, stop: Any) -> Any:
    count = width.literal_value
    t = DualType(element_for(x, args), count, masked.literal_value)
    element = t.element

    def of_array(f: Any, x: Any, args: Any, width: Any, masked: Any, start: Any, stop: Any) -> Any:
        duals = np.empty(x.shape, t)
        slope = np.empty(stop - start, element)
        for first in range(start, max(stop, start + 1), count):
            seed(duals, x, None, first, count, t, first > start and is_only_read(f, duals, x, args))
            y = scalar_of(f(ordered(f, duals, x, args), *protected(f, x, args)))
            for i in range(min(count, stop - first)):
                slope[first - start + i] = partial_in(y, i, t)
        return value_in(y, t), slope

    return of_array


@register_core(jacobian_core)
def _jacobian_core(f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, start: Any, stop: Any) -> Any:
    count = width.literal_value
    t = DualType(element_for(x, args), count, masked.literal_value)
    element = t.element

    def of_array(f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, start: Any, stop: Any) -> Any:
        duals = np.empty(x.shape, t)
        for first in range(start, max(stop, start + 1), count):
            seed(duals, x, places, first, count, t, first > start and is_only_read(f, duals, x, args))
            y = f(ordered(f, duals, x, args), *protected(f, x, args))
            rows = as_array(y)
            if first == start:
                matrix = np.empty((rows.size, stop - start), element)
                value = values_in(y, t)
            for row, entry in enumerate(rows.flat):
                for i in range(min(count, stop - first)):
                    matrix[row, first - start + i] = partial_in(entry, i, t)
        return value, matrix.reshape(shape_of(y, rows) + (stop - start,))  # noqa: RUF005  (for Numba)

    return of_array


@register_core(entries_core)
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
            seed(duals, x, places, first, count, t, first > 0 and is_only_read(f, duals, x, args))
            lane = last - first
            if lane < count:
                for j in range(probe.size):
                    lanes[j, 1 + lane] = probe[j]
            y = f(ordered(f, duals, x, args), *protected(f, x, args))
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
            # NaN and infinity are doubtful, too.
            if not (abs(left[i]) <= rounding * sizes[i] and abs(left[i]) < np.inf):
                is_doubtful = True
        return value, is_doubtful, entries

    return of_array


@register_core(jvp_core)
def _jvp_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    # Along a single direction, functions that are not holomorphic have a derivative, too.
    t = DualType(element_for(x, types.Tuple((v, args))), 1, masked.literal_value, is_real=True)
    if not isinstance(x, types.Array):

        def at_scalar(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
            y = f(dual(x, v, t), *protected(f, x, args))
            return values_in(y, t), tangents_in(y, t)

        return at_scalar

    def at_array(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
        duals = np.empty(x.shape, t)
        flat_duals, flat, along = duals.ravel(), x.ravel(), v.ravel()
        for j in range(x.size):
            flat_duals[j] = dual(flat[j], along[j], t)
        y = f(ordered(f, duals, x, args), *protected(f, x, args))
        return values_in(y, t), tangents_in(y, t)

    return at_array


@register_core(hessian_core)
def _hessian_core(f: Any, x: Any, args: Any, masked: Any, start: Any, stop: Any) -> Any:
    # One vector register along the first axis, four of them along the second: more would spill.
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
                y = scalar_of(f(ordered(f, duals, x, args), *protected(f, x, args)))
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
    """Copy the triangle below the diagonal to the one above."""
    for i in range(len(matrix)):
        for j in range(i + 1, len(matrix)):
            matrix[i, j] = matrix[j, i]


@register_jitable  # type: ignore[untyped-decorator]
def shaped(result, x):  # type: ignore[no-untyped-def]
    """Value and derivative, with the axes of x instead of the axis of directions."""
    value, derivative = result
    return value, derivative.reshape(derivative.shape[:-1] + x.shape)


@register_jitable  # type: ignore[untyped-decorator]
def square(result, x):  # type: ignore[no-untyped-def]
    """Value, gradient and full Hessian, with the axes of x."""
    value, slope, matrix = result
    mirror(matrix)
    return value, slope.reshape(x.shape), matrix.reshape(x.shape + x.shape)


@register_core(hvp_core)
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
            y = partial_in(scalar_of(f(ordered(f, duals, x, args), *protected(f, x, args))), 0, second)
            for i in range(min(count, n - start)):
                flat_product[start + i] = partial_in(y, i, first)
        return value_in(y, first), product

    return of_array


@only_compiled
def slope_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    """Value and derivative of a scalar-valued f at a scalar."""


@only_compiled
def second_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    """Value, first and second derivative of a scalar-valued f at a scalar."""


@only_compiled
def second_along_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    """Derivative times v, and second derivative times v, at a scalar."""


@register_core(slope_core)
def _slope_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    t = DualType(element_for(x, args), 1, masked.literal_value)

    def at_scalar(f: Any, x: Any, args: Any, masked: Any) -> Any:
        y = scalar_of(f(seeded(x, 0, t), *protected(f, x, args)))
        return value_in(y, t), partial_in(y, 0, t)

    return at_scalar


@register_core(second_core)
def _second_core(f: Any, x: Any, args: Any, masked: Any) -> Any:
    first = DualType(element_for(x, args), 1, masked.literal_value)
    second = DualType(first, 1, masked.literal_value)

    def at_scalar(f: Any, x: Any, args: Any, masked: Any) -> Any:
        y = scalar_of(f(seeded(seeded(x, 0, first), 0, second), *protected(f, x, args)))
        slope = partial_in(y, 0, second)
        return value_in(value_in(y, second), first), value_in(slope, first), partial_in(slope, 0, first)

    return at_scalar


@register_core(second_along_core)
def _second_along_core(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
    def at_scalar(f: Any, x: Any, v: Any, args: Any, masked: Any) -> Any:
        _, slope, curvature = second_core(f, x, args, masked)
        return slope * v, curvature * v

    return at_scalar


# -- by their public names ---------------------------------------------------------------------------------------------
# Each runs unmasked, and once more masked if the derivative has a NaN.
@register_jitable  # type: ignore[untyped-decorator]
def _derivative(f, x, args):  # type: ignore[no-untyped-def]
    result = derivative_core(f, x, args, False)
    return derivative_core(f, x, args, True) if any_nan(result[1]) else result


@register_jitable  # type: ignore[untyped-decorator]
def _gradient(f, x, args):  # type: ignore[no-untyped-def]
    result = gradient_core(f, x, args, WIDTH, False, 0, x.size)
    return shaped(gradient_core(f, x, args, WIDTH, True, 0, x.size) if any_nan(result[1]) else result, x)


@register_jitable  # type: ignore[untyped-decorator]
def _jacobian(f, x, args):  # type: ignore[no-untyped-def]
    result = jacobian_core(f, x, args, WIDTH, False, None, 0, x.size)
    return shaped(jacobian_core(f, x, args, WIDTH, True, None, 0, x.size) if any_nan(result[1]) else result, x)


@register_jitable  # type: ignore[untyped-decorator]
def _hessian(f, x, args):  # type: ignore[no-untyped-def]
    result = hessian_core(f, x, args, False, 0, x.size)
    return square(hessian_core(f, x, args, True, 0, x.size) if any_nan(result[2]) else result, x)


@register_jitable  # type: ignore[untyped-decorator]
def _jvp(f, x, v, args):  # type: ignore[no-untyped-def]
    result = jvp_core(f, x, v, args, False)
    return jvp_core(f, x, v, args, True) if any_nan(result[1]) else result


@register_jitable  # type: ignore[untyped-decorator]
def _hvp(f, x, v, args):  # type: ignore[no-untyped-def]
    result = hvp_core(f, x, v, args, WIDTH, False)
    return hvp_core(f, x, v, args, WIDTH, True) if any_nan(result[1]) else result


def _operator(function: Any, implementation: Any, item: int | None) -> None:
    def choose(f: Any, *args: Any) -> Any:
        if not isinstance(f, types.Callable):
            raise refusal(TypeError, f"{function.__name__} takes a function as its first argument, not {f}")
        if args and implementation not in (_derivative, _jvp) and not isinstance(args[0], types.Array):
            raise refusal(
                TypeError, f"{function.__name__} takes an array as x, not {args[0]}: use derivative for a scalar"
            )
        if not isinstance(f, types.Dispatcher):
            return written(None)
        if reason := changed(Sources(f.dispatcher)):
            raise refusal(TypeError, reason)
        return written(FunctionConstant(f.dispatcher))

    leading = "x, v" if implementation in (_jvp, _hvp) else "x"
    part = "" if item is None else f"[{item}]"

    def written(known: Any) -> Any:
        text = f"lambda f, {leading}, *args: run({'f' if known is None else 'known'}, {leading}, args){part}"
        return eval(text, {"run": implementation, "known": known})

    overload(function, strict=False)(choose)


#: Each operator, its implementation, and which of the results it returns (None: all).
OPERATORS = {
    value_and_derivative: (_derivative, None),
    derivative: (_derivative, 1),
    value_and_gradient: (_gradient, None),
    gradient: (_gradient, 1),
    value_and_jacobian: (_jacobian, None),
    jacobian: (_jacobian, 1),
    value_gradient_and_hessian: (_hessian, None),
    hessian: (_hessian, 2),
    jvp: (_jvp, None),
    hvp: (_hvp, 1),
}
for _function, (_implementation, _item) in OPERATORS.items():
    _operator(_function, _implementation, _item)


def _forget(f: Any) -> None:
    """Drop what embeds the code of a function that is recompiled."""
    forget(f)
    vars(f).pop("_dualdiff_sources", None)
    f._dualdiff_recompiled = getattr(f, "_dualdiff_recompiled", 0) + 1
    for operator in OPERATORS:
        forget_overloads(operator, f)
    # For duals it is compiled again when it is next differentiated, or refused then.
    for kinds in [kinds for kinds in f.overloads if "Dual(" in str(kinds)]:
        del f.overloads[kinds]


before_recompiling(_forget)
