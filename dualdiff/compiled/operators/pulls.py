"""Reverse mode in compiled code: f runs once on recorded duals, and the tape is swept backwards.

The results of each core begin with the number of entries on the tape.  Where the tape was shorter, the derivatives are
zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import overload, register_jitable

from dualdiff.compiled.intrinsics import (
    accumulated,
    begin,
    coefficient_in,
    constant,
    dual,
    is_untouched,
    partial_in,
    place_in,
    seeded,
    seeded_on,
    untouched,
    value_in,
)
from dualdiff.compiled.operators.arguments import laid_out, protected
from dualdiff.compiled.operators.in_compiled_code import element_for, register_core
from dualdiff.compiled.operators.results import as_array, scalar_of, shape_of, size_of, values_in
from dualdiff.compiled.operators.widths import HESSIAN_WIDTH
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.tape import HEAD, NEXT, stored
from dualdiff.compiled.types import RECORDED, DualType

#: The type of numbers in linear maps, which treat zero times infinity by the fifth law.
MASKED = DualType(types.float64, RECORDED, masked=True)


@register_jitable  # type: ignore[untyped-decorator]
def new_tape(capacity, kind):  # type: ignore[no-untyped-def]
    """The head, the coefficients and the places of a tape."""
    return np.empty(HEAD, np.int64), np.empty((capacity, 2), kind), np.empty((capacity, 2), np.int32)


@register_jitable  # type: ignore[untyped-decorator]
def recorded_inputs(x, tape, kind):  # type: ignore[no-untyped-def]
    """The duals of x at the first places of a tape, which is emptied."""
    head, coefficients, places = tape
    begin(head, coefficients, places, x.size)
    duals = np.empty(x.shape, kind)
    flat_duals, flat = duals.ravel(), x.ravel()
    for j in range(x.size):
        flat_duals[j] = seeded_on(flat[j], j, head, kind)
    return laid_out(duals, x)


@register_jitable  # type: ignore[untyped-decorator]
def pulled(y, tape, n, kind):  # type: ignore[no-untyped-def]
    """The cotangents of the first n places, or of all that affect y, which is a scalar."""
    _, coefficients, places = tape
    last = place_in(y, kind)
    cotangents = np.empty(last + 1, coefficients.dtype)
    cotangents[:] = untouched(coefficients)
    if last >= 0:
        cotangents[last] = coefficient_in(y, kind)
    sweep(cotangents, coefficients, places, n, kind)
    return cotangents[:n]


@register_jitable  # type: ignore[untyped-decorator]
def sweep(cotangents, coefficients, places, n, kind):  # type: ignore[no-untyped-def]
    """Carry cotangents from the last place back to the first n."""
    for k in range(len(cotangents) - 1, n - 1, -1):
        w = cotangents[k]
        if not is_untouched(w):
            for side in (0, 1):
                place = places[k - n, side]
                cotangents[place] = accumulated(cotangents[place], w, coefficients[k - n, side], kind)


# -- gradients and Jacobians -------------------------------------------------------------------------------------------
@only_compiled
def pull_core(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
    """Entries, value of f at an array, and gradient."""


@register_core(pull_core)
def _pull_core(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
    t = DualType(element_for(x, args), RECORDED, masked.literal_value)
    element, of_tape = t.element, stored(t.element)

    def of_array(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
        tape = new_tape(capacity, of_tape)
        y = scalar_of(f(recorded_inputs(x, tape, t), *protected(f, x, args)))
        entries = tape[0][NEXT] - x.size
        slope = np.zeros(x.shape, element)
        if entries <= capacity:
            write_pulled(slope.ravel(), y, tape, t)
        return entries, value_in(y, t), slope

    return of_array


@only_compiled
def pull_rows_core(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
    """Entries, value of f at an array, and Jacobian."""


@register_core(pull_rows_core)
def _pull_rows_core(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
    t = DualType(element_for(x, args), RECORDED, masked.literal_value)
    element, of_tape = t.element, stored(t.element)

    def of_array(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
        tape = new_tape(capacity, of_tape)
        y = f(recorded_inputs(x, tape, t), *protected(f, x, args))
        rows = as_array(y)
        entries = tape[0][NEXT] - x.size
        matrix = np.zeros((rows.size, x.size), element)
        if entries <= capacity:
            for row, entry in enumerate(rows.flat):
                write_pulled(matrix[row], entry, tape, t)
        return entries, values_in(y, t), matrix.reshape(shape_of(y, rows) + x.shape)

    return of_array


@register_jitable  # type: ignore[untyped-decorator]
def write_pulled(slope, y, tape, kind):  # type: ignore[no-untyped-def]
    """Write the gradient of y into zeros."""
    for j, w in enumerate(pulled(y, tape, slope.size, kind)):
        if not is_untouched(w):
            slope[j] = constant(w, slope.dtype)


# -- linear maps -------------------------------------------------------------------------------------------------------
@only_compiled
def record_core(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
    """Entries, value of f, the coefficients and places of the tape, and those of the elements of the value."""


@register_core(record_core)
def _record_core(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
    t = DualType(element_for(x, args), RECORDED, masked.literal_value)
    of_tape = stored(t.element)

    def of_any(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
        tape = new_tape(capacity, of_tape)
        y = f(recorded_input(x, tape, t), *protected(f, x, args))
        rows = as_array(y)
        entries = tape[0][NEXT] - size_of(x)
        coefficients, places = np.zeros(rows.size, of_tape), np.empty(rows.size, np.int64)
        for row, entry in enumerate(rows.flat):
            coefficients[row], places[row] = coefficient_in(entry, t), place_in(entry, t)
        kept = min(entries, capacity)
        return entries, values_in(y, t), tape[1][:kept].copy(), tape[2][:kept].copy(), places, coefficients

    return of_any


@only_compiled
def recorded_input(x: Any, tape: Any, kind: Any) -> Any:
    """The duals of a scalar or an array on an empty tape."""


@overload(recorded_input, strict=False)
def _recorded_input(x: Any, tape: Any, kind: Any) -> Any:
    if isinstance(x, types.Array):
        return lambda x, tape, kind: recorded_inputs(x, tape, kind)

    def of_scalar(x: Any, tape: Any, kind: Any) -> Any:
        begin(tape[0], tape[1], tape[2], 1)
        return seeded_on(x, 0, tape[0], kind)

    return of_scalar


@njit
def tangents_along(v, coefficients, places):  # type: ignore[no-untyped-def]
    """The tangents at all places, given those of the inputs; a zero tangent stays zero."""
    n = v.size
    tangents = np.zeros(n + len(places))
    tangents[:n] = v
    for k in range(len(places)):
        for side in (0, 1):
            tangent = tangents[places[k, side]]
            if tangent != 0:
                tangents[n + k] += coefficients[k, side] * tangent
    return tangents


@njit
def cotangents_of(w, output_places, output_coefficients, coefficients, places, n):  # type: ignore[no-untyped-def]
    """The cotangents of the inputs, given those of the outputs; a zero cotangent gives zero."""
    cotangents = np.full(n + len(places), -0.0)
    for row in range(w.size):
        place = output_places[row]
        if place >= 0 and w[row] != 0:
            cotangents[place] = accumulated(cotangents[place], w[row], output_coefficients[row], MASKED)
    sweep(cotangents, coefficients, places, n, MASKED)
    return cotangents[:n] + 0.0


# -- second derivatives: forward along directions, over reverse --------------------------------------------------------
@only_compiled
def pull_along_core(f: Any, x: Any, v: Any, args: Any, capacity: Any, masked: Any) -> Any:
    """Entries, derivative of f at x along v, and product of its Hessian with v."""


@register_core(pull_along_core)
def _pull_along_core(f: Any, x: Any, v: Any, args: Any, capacity: Any, masked: Any) -> Any:
    first = DualType(element_for(x, types.Tuple((v, args))), 1)
    second = DualType(first, RECORDED)
    element, of_tape = first.element, stored(first)

    def of_array(f: Any, x: Any, v: Any, args: Any, capacity: Any, masked: Any) -> Any:
        tape = new_tape(capacity, of_tape)
        inputs = np.empty(x.shape, first)
        flat_inputs, flat, along = inputs.ravel(), x.ravel(), v.ravel()
        for j in range(x.size):
            flat_inputs[j] = dual(flat[j], along[j], first)
        y = scalar_of(f(recorded_inputs(laid_out(inputs, x), tape, second), *protected(f, x, args)))
        entries = tape[0][NEXT] - x.size
        product = np.zeros(x.shape, element)
        flat_product = product.ravel()
        if entries <= capacity:
            for j, w in enumerate(pulled(y, tape, x.size, second)):
                if not is_untouched(w):
                    flat_product[j] = constant(partial_in(w, 0, first), element)
        return entries, partial_in(value_in(y, second), 0, first), product

    return of_array


@only_compiled
def pull_hessian_core(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
    """Entries, value, gradient and Hessian of f at an array."""


@register_core(pull_hessian_core)
def _pull_hessian_core(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
    width = HESSIAN_WIDTH
    first = DualType(element_for(x, args), width)
    second = DualType(first, RECORDED)
    element, of_tape = first.element, stored(first)

    def of_array(f: Any, x: Any, args: Any, capacity: Any, masked: Any) -> Any:
        n, flat = x.size, x.ravel()
        tape = new_tape(capacity, of_tape)
        inputs = np.empty(x.shape, first)
        flat_inputs = inputs.ravel()
        slope, matrix = np.zeros(n, element), np.zeros((n, n), element)
        for start in range(0, max(n, 1), width):
            for j in range(n):
                flat_inputs[j] = seeded(flat[j], j - start, first)
            y = scalar_of(f(recorded_inputs(laid_out(inputs, x), tape, second), *protected(f, x, args)))
            entries = tape[0][NEXT] - n
            if entries > capacity:
                break
            for j, w in enumerate(pulled(y, tape, n, second)):
                if not is_untouched(w):
                    slope[j] = constant(value_in(w, first), element)
                    for i in range(min(width, n - start)):
                        matrix[j, start + i] = constant(partial_in(w, i, first), element)
        value = value_in(value_in(y, second), first)
        return entries, value, slope.reshape(x.shape), matrix.reshape(x.shape + x.shape)

    return of_array
