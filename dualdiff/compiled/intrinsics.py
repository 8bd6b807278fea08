"""Intrinsics of the compiled operators: seed duals, and read their values and partials."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from dualdiff.base.errors import NoRuleError
from dualdiff.compiled.lowering import Code
from dualdiff.compiled.patches import make_array
from dualdiff.compiled.refusals import REMEDY, refusal
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.tape import is_without_place, stored
from dualdiff.compiled.types import (
    BITS,
    DualType,
    bits_of,
    cast_partials,
    level_of,
    make,
    of_bits,
    parts,
    recorded,
    united,
    zero_partials,
    zero_tangent,
)


@intrinsic  # type: ignore[untyped-decorator]
def seeded(typingctx: Any, x: Any, lane: Any, kind: Any) -> Any:
    """The dual of x with partial 1 in one lane; a constant if the lane is out of range."""
    t = kind.instance_type

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = Code(context, builder)
        value = code.cast((x, args[0]), t.element)
        one, zero = code.cast(code.constant(t.element, 1.0), t.element), zero_tangent(context, t.element, t.masked)
        if t.count == 1:
            first = builder.icmp_signed("==", args[1], ir.Constant(args[1].type, 0))
            return make(context, builder, t, value, builder.select(first, one, zero))
        model = context.data_model_manager[t.partials]
        if model.is_vector:
            indices = ir.Constant(ir.VectorType(args[1].type, t.count), list(range(t.count)))
            mine = builder.icmp_signed("==", indices, code.splat(t, args[1]))
            units = ir.Constant(model.get_value_type(), [1.0] * t.count)
            partials = builder.select(mine, units, zero_partials(context, t))
        else:
            partials = ir.Constant(model.get_value_type(), ir.Undefined)
            for i in range(t.count):
                mine = builder.icmp_signed("==", args[1], ir.Constant(args[1].type, i))
                partials = model.put(builder, partials, builder.select(mine, one, zero), i)
        return make(context, builder, t, value, partials)

    return t(x, types.intp, kind), codegen


@intrinsic  # type: ignore[untyped-decorator]
def constant(typingctx: Any, x: Any, kind: Any) -> Any:
    """A scalar converted to another type, as a constant."""
    t = kind.dtype if isinstance(kind, types.DType) else kind.instance_type
    return t(x, kind), lambda context, builder, sig, args: Code(context, builder).cast((x, args[0]), t)


@intrinsic  # type: ignore[untyped-decorator]
def dual(typingctx: Any, value: Any, partial: Any, kind: Any) -> Any:
    """The dual of a value with one partial."""
    t = kind.instance_type

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = Code(context, builder)
        primal, tangent = (code.cast(n, t.element) for n in zip((value, partial), args, strict=False))
        if t.masked:
            if isinstance(partial, DualType):
                tangent = code.present(t, tangent)
            else:
                absent = zero_tangent(context, t.element, True)
                tangent = builder.select(code.is_zero(t.element, tangent), absent, tangent)
        return make(context, builder, t, primal, tangent)

    return t(value, partial, kind), codegen


def _check(y: Any) -> None:
    if not isinstance(types.unliteral(y), (types.Number, types.Boolean, DualType)):
        raise refusal(
            NoRuleError,
            f"f returned {y}, but compiled functions have to return scalars or arrays to be differentiated; {REMEDY}",
        )


@intrinsic  # type: ignore[untyped-decorator]
def value_in(typingctx: Any, y: Any, kind: Any) -> Any:
    """The value of a scalar in the differentiation with this dual type."""
    t = kind.instance_type
    _check(y)
    if level_of(y) < t.level:
        y = y.literal_type if isinstance(y, types.Literal) else y
        return y(y, kind), lambda context, builder, sig, args: args[0]
    return y.element(y, kind), lambda context, builder, sig, args: parts(builder, args[0])[0]


@intrinsic  # type: ignore[untyped-decorator]
def partial_in(typingctx: Any, y: Any, lane: Any, kind: Any) -> Any:
    """A partial of a scalar in the differentiation with this dual type; zero for a constant."""
    t = kind.instance_type
    _check(y)
    result = y.element if level_of(y) == t.level else t.element

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if level_of(y) < t.level:
            return ir.Constant(context.get_value_type(result), None)
        partials = parts(builder, args[0])[1]
        if y.count > 1 and not y.partials.is_vector:
            place = cgutils.alloca_once(builder, partials.type)
            builder.store(partials, place)
            zero = ir.Constant(ir.IntType(32), 0)
            partials = builder.load(builder.gep(place, [zero, args[1]], inbounds=True))
        elif y.count > 1:
            partials = builder.extract_element(partials, args[1])
        return Code(context, builder).present(y, partials) if y.masked else partials

    return result(y, types.intp, kind), codegen


@intrinsic  # type: ignore[untyped-decorator]
def lanes_of(typingctx: Any, y: Any) -> Any:
    """A view of an array of duals with an additional last axis: the value, then the partials (or what is recorded)."""
    t = y.dtype
    result = types.Array(t.element, y.ndim + 1, "A")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source = make_array(y)(context, builder, args[0])
        view = make_array(result)(context, builder)
        size = context.get_abi_sizeof(context.get_data_type(t.element))
        whole = context.get_abi_sizeof(context.get_data_type(t))
        count = context.get_constant(types.intp, whole // size)
        item = context.get_constant(types.intp, size)
        shape = builder.insert_value(ir.Constant(view.shape.type, ir.Undefined), count, y.ndim)
        strides = builder.insert_value(ir.Constant(view.strides.type, ir.Undefined), item, y.ndim)
        for axis in range(y.ndim):
            shape = builder.insert_value(shape, builder.extract_value(source.shape, axis), axis)
            strides = builder.insert_value(strides, builder.extract_value(source.strides, axis), axis)
        view.meminfo, view.parent, view.itemsize = source.meminfo, source.parent, item
        view.data = builder.bitcast(source.data, view.data.type)
        view.nitems, view.shape, view.strides = builder.mul(source.nitems, count), shape, strides
        context.nrt.incref(builder, result, view._getvalue())
        return view._getvalue()

    return result(y), codegen


@intrinsic  # type: ignore[untyped-decorator]
def also(typingctx: Any, y: Any, other: Any) -> Any:
    """The scalar y, in whose pattern is that of another scalar, which could have been chosen in its place."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not getattr(y, "follows", False) or not isinstance(other, DualType):
            return args[0]
        partials = cast_partials(context, builder, parts(builder, args[1])[1], other, y)
        return builder.insert_value(args[0], united(builder, parts(builder, args[0])[1], partials), 1)

    return y(y, other), codegen


@intrinsic  # type: ignore[untyped-decorator]
def marked(typingctx: Any, x: Any, bit: Any, kind: Any) -> Any:
    """The dual of x whose set has one element; none if that is out of range."""
    t = kind.instance_type

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = Code(context, builder)
        model = context.data_model_manager[t.partials]
        lane = builder.ashr(args[1], ir.Constant(args[1].type, BITS.bit_length() - 1))
        place = builder.trunc(builder.and_(args[1], ir.Constant(args[1].type, BITS - 1)), ir.IntType(BITS))
        one = of_bits(builder, builder.shl(ir.Constant(place.type, 1), place), model.element.get_value_type())
        indices = ir.Constant(ir.VectorType(lane.type, t.count), list(range(t.count)))
        mine = builder.icmp_signed("==", indices, code.splat(t, lane))
        partials = builder.select(mine, code.splat(t, one), zero_partials(context, t))
        return make(context, builder, t, code.cast((x, args[0]), t.element), partials)

    return t(x, types.intp, kind), codegen


@intrinsic  # type: ignore[untyped-decorator]
def marks_in(typingctx: Any, y: Any, lane: Any) -> Any:
    """The bits of one partial of a scalar: a part of the set of the variables on which it depends."""
    _check(y)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not isinstance(y, DualType):
            return ir.Constant(ir.IntType(BITS), 0)
        return bits_of(builder, builder.extract_element(parts(builder, args[0])[1], args[1]))

    return types.uint32(y, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator]
def with_value(typingctx: Any, y: Any, value: Any) -> Any:
    """The dual with its value replaced by the same quantity computed in another order."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.insert_value(args[0], Code(context, builder).cast((value, args[1]), y.element), 0)

    return y(y, value), codegen


@intrinsic  # type: ignore[untyped-decorator]
def base_value(typingctx: Any, y: Any) -> Any:
    """The value of a dual at the innermost level."""
    return y.base(y), lambda context, builder, sig, args: Code(context, builder).base_value((y, args[0]))[1]


@intrinsic  # type: ignore[untyped-decorator]
def is_nan(typingctx: Any, y: Any) -> Any:
    """Whether a scalar has a NaN, the tangents of outer differentiations included."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def check(t: Any, a: Any) -> Any:
            if isinstance(t, DualType):
                value, partials = parts(builder, a)
                result = check(t.element, value)
                if t.count == 1:
                    return builder.or_(result, check(t.element, partials))
                model = context.data_model_manager[t.partials]
                for i in range(t.count):
                    result = builder.or_(result, check(t.element, model.lane(builder, partials, i)))
                return result
            if isinstance(t, types.Complex):
                z = context.make_complex(builder, t, value=a)
                return builder.or_(check(t.underlying_float, z.real), check(t.underlying_float, z.imag))
            if isinstance(t, types.Float):
                return builder.fcmp_unordered("uno", a, a)
            return ir.Constant(ir.IntType(1), 0)

        return check(y, args[0])

    return types.boolean(y), codegen


@only_compiled
def any_nan(y: Any) -> Any:
    """Whether a scalar, an array or a tuple of them has a NaN."""


@overload(any_nan, strict=False)
def _any_nan(y: Any) -> Any:
    if isinstance(y, types.BaseTuple):
        items = " or ".join(f"any_nan(y[{i}])" for i in range(len(y)))
        return eval(f"lambda y: {items or False}", {"any_nan": any_nan})
    if not isinstance(y, types.Array):
        return lambda y: is_nan(y)

    def of_array(y: Any) -> Any:
        for v in np.nditer(y):  # noqa: SIM110  (Numba compiles no generators within any)
            if is_nan(v.item()):
                return True
        return False

    return of_array


# -- on a tape ---------------------------------------------------------------------------------------------------------
@intrinsic  # type: ignore[untyped-decorator]
def begin(typingctx: Any, head: Any, coefficients: Any, places: Any, inputs: Any) -> Any:
    """Set up the head of an empty tape."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        words, *arrays = (make_array(kind)(context, builder, a) for kind, a in zip(sig.args, args[:3], strict=False))
        capacity = builder.extract_value(arrays[0].shape, 0)
        contents = [args[3], builder.add(args[3], capacity)]
        for array in arrays:
            # One row for each place; the inputs have none.
            row = builder.extract_value(array.strides, 0)
            contents.append(builder.sub(builder.ptrtoint(array.data, args[3].type), builder.mul(args[3], row)))
        for i, word in enumerate(contents):
            builder.store(word, builder.gep(words.data, [ir.Constant(ir.IntType(32), i)]))
        return context.get_dummy_value()

    return types.none(head, coefficients, places, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator]
def seeded_on(typingctx: Any, x: Any, place: Any, head: Any, kind: Any) -> Any:
    """The recorded dual of x, at one of the first places of a tape."""
    t = kind.instance_type

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = Code(context, builder)
        one = code.cast(code.constant(t.element, 1.0), t.element)
        tape = builder.bitcast(make_array(head)(context, builder, args[2]).data, cgutils.voidptr_t)
        tangent = recorded(context, builder, t, one, args[1], tape)
        return make(context, builder, t, code.cast((x, args[0]), t.element), tangent)

    return t(x, types.intp, head, kind), codegen


@intrinsic  # type: ignore[untyped-decorator]
def place_in(typingctx: Any, y: Any, kind: Any) -> Any:
    """The place of a recorded dual on the tape; -1 for what does not depend on the inputs."""
    t = kind.instance_type
    _check(y)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        constant = ir.Constant(ir.IntType(64), -1)
        if level_of(y) < t.level:
            return constant
        coefficient, place, tape = (builder.extract_value(parts(builder, args[0])[1], i) for i in range(3))
        is_constant = is_without_place(Code(context, builder), y, coefficient, tape)
        return builder.select(is_constant, constant, place)

    return types.int64(y, kind), codegen


@intrinsic  # type: ignore[untyped-decorator]
def coefficient_in(typingctx: Any, y: Any, kind: Any) -> Any:
    """The coefficient of a recorded dual, as it would stand on the tape, but never -0.0; zero for a constant."""
    t = kind.instance_type
    result = stored(t.element)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = Code(context, builder)
        if level_of(y) < t.level:
            return code.cast(code.constant(result, 0.0), result)
        coefficient = code.cast((y.element, builder.extract_value(parts(builder, args[0])[1], 0)), result)
        return code.cast(code.function("add", (result, coefficient), code.constant(result, 0.0)), result)

    return result(y, kind), codegen


@intrinsic  # type: ignore[untyped-decorator]
def accumulated(typingctx: Any, total: Any, w: Any, c: Any, kind: Any) -> Any:
    """A cotangent to which another one times a coefficient is added, and which is never -0.0 then.

    If masked, a zero coefficient, which makes a tangent zero before it meets an infinite partial, gives zero.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = Code(context, builder)
        product = code.function("multiply", (total, args[1]), (total, args[2]))
        term = code.cast(code.function("add", product, code.constant(total, 0.0)), total)
        if kind.instance_type.masked:
            idle = builder.and_(code.is_zero(c, args[2]), builder.not_(code.is_finite((w, args[1]))))
            term = builder.select(idle, code.cast(code.constant(total, 0.0), total), term)
        return code.cast(code.function("add", (total, args[0]), (total, term)), total)

    return total(total, w, c, kind), codegen


@intrinsic  # type: ignore[untyped-decorator]
def untouched(typingctx: Any, like: Any) -> Any:
    """The cotangent of what has not been found to affect the result: -0.0, which no sum is."""
    t = like.dtype
    return t(like), lambda context, builder, sig, args: _untouched(context, t)


def _untouched(context: Any, t: Any) -> Any:
    if not isinstance(t, DualType):
        return zero_tangent(context, t, True)
    partials = [_untouched(context, t.element)] * t.count
    tangent = partials[0] if t.count == 1 else ir.Constant(context.get_value_type(t.partials), partials)
    return ir.Constant.literal_struct([_untouched(context, t.element), tangent])


@intrinsic  # type: ignore[untyped-decorator]
def is_untouched(typingctx: Any, w: Any) -> Any:
    """Whether a cotangent is still -0.0."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = Code(context, builder)

        def check(t: Any, a: Any) -> Any:
            if not isinstance(t, DualType):
                return code.is_absent(t, a)
            value, partials = parts(builder, a)
            model = context.data_model_manager[t.partials]
            lanes = [partials] if t.count == 1 else [model.lane(builder, partials, i) for i in range(t.count)]
            return functools.reduce(builder.and_, [check(t.element, part) for part in (value, *lanes)])

        return check(w, args[0])

    return types.boolean(w), codegen
