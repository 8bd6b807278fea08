"""The Numba types: a dual number is a value of type ``element`` and N partials of the same type.

The element is a scalar, or a dual of an outer differentiation: the nesting level serves as the tag.  The partials of a
float are one SIMD vector.  In reverse mode, a dual has a place on a tape instead of partials; see `tape`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, errors, types
from numba.extending import lower_cast, models, register_model

from dualdiff.base.errors import NoRuleError
from dualdiff.compiled.caching import source_version
from dualdiff.compiled.patches import Conversion, change_options, lower_constant, mark_as_internal
from dualdiff.compiled.refusals import FORWARD, refusal

#: The bits of a partial that is part of a set: those of a single-precision float, so that conversions keep them.
BITS = 32


class PartialsType(types.Type):
    """N partials of one scalar."""

    def __init__(self, element: Any, count: int) -> None:
        self.element, self.count = element, count
        super().__init__(f"Partials({element}, {count})")

    @property
    def is_vector(self) -> bool:
        """Whether the partials are one SIMD vector of floats."""
        return isinstance(self.element, types.Float)


#: In place of the number of partials: the directions are not known before f has run, and its run is recorded.
RECORDED = 0


class RecordedType(types.Type):
    """A tangent in reverse mode: a coefficient times the tangent at a place on a tape; without a tape, a constant."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(f"Recorded({element})")


class DualType(types.Type):
    """A dual number with ``count`` partials, or recorded.

    ``masked`` duals treat zero times infinity by the fifth law; they are slower, and needed only where an unmasked pass
    gives a NaN.  A partial of such a dual is -0.0 if the dual does not depend on the variable at all, and 0.0 if it
    depends on it with slope zero: IEEE sums keep the two apart.  ``is_real`` says that the partials are derivatives
    along real directions, so that those of complex values can be conjugated; along complex directions only holomorphic
    functions have a derivative.

    Duals that ``follows`` find sparsity patterns: the bits of their partials, `BITS` in each, are the set of the
    variables on which the dual depends, with both sides of each choice.
    """

    mutable = False

    def __init__(
        self, element: Any, count: int, masked: bool = False, is_real: bool | None = None, follows: bool = False
    ) -> None:
        self.element, self.count, self.masked, self.follows = element, count, masked, follows
        if getattr(element, "follows", False) or (follows and not isinstance(element, types.Float)):
            raise errors.NumbaTypeError(f"compiled code does not find the pattern of duals of {element}")
        self.is_recorded = count == RECORDED
        if self.is_recorded:
            _check_recorded(element)
            self.partials: Any = RecordedType(element)
        else:
            self.partials = element if count == 1 else PartialsType(element, count)
        self.level: int = 1 + level_of(element)
        self.base: Any = element.base if isinstance(element, DualType) else element
        has_real = not isinstance(self.base, types.Complex)
        self.is_real = has_real if is_real is None else is_real
        marks = (", masked" if masked else "") + (", real" if self.is_real > has_real else "") + ", follows" * follows
        super().__init__(f"Dual({element}, {'recorded' if self.is_recorded else count}{marks})")

    @property
    def key(self) -> Any:
        """Identifies the type; with the sources, so that functions cached on disk are recompiled for new rules."""
        return self.name, source_version()

    def of(self, element: Any) -> DualType:
        """The same dual type with another element."""
        if element == self.element:
            return self
        return DualType(element, self.count, self.masked, self.is_real, self.follows)

    def is_alike(self, other: DualType) -> bool:
        """Whether another dual type has the same partials of another element."""
        return (other.count, other.masked, other.follows) == (self.count, self.masked, self.follows)

    @property
    def single(self) -> DualType:
        """The dual type with one partial, which is what the coefficient of a recorded tangent is."""
        return DualType(self.element, 1, self.masked, self.is_real)

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        """Scalars, and duals of outer differentiations, convert to constants."""
        if isinstance(other, DualType) and other.level == self.level:
            if not self.is_alike(other):
                return None
            return _no_better_than_safe(typingctx.can_convert(other.element, self.element))
        if isinstance(other, types.Literal):
            other = other.literal_type
        if isinstance(other, (types.Number, types.Boolean, DualType)):
            return _no_better_than_safe(typingctx.can_convert(other, self.element))
        return None

    def unify(self, typingctx: Any, other: Any) -> Any:
        """The dual type that both convert to."""
        if isinstance(other, DualType):
            if other.level > self.level:
                return None
            if other.level == self.level:
                if not self.is_alike(other):
                    return None
                other = other.element
        elif not isinstance(other, (types.Number, types.Boolean)):
            return None
        element = typingctx.unify_types(self.element, other if level_of(other) < self.level else other.element)
        return None if element is None else self.of(element)


mark_as_internal(DualType)


def _check_recorded(element: Any) -> None:
    """Refuse what a tape cannot hold."""
    base = element.base if isinstance(element, DualType) else element
    if isinstance(base, types.Complex):
        raise refusal(NoRuleError, f"complex numbers are not compiled in reverse mode; {FORWARD}")


def _no_better_than_safe(conversion: Any) -> Any:
    """Never an exact match: a call with floats must not select code compiled for duals."""
    return conversion and max(conversion, Conversion.safe)


def level_of(t: Any) -> int:
    """The nesting level of differentiation of a scalar type; 0 for plain scalars."""
    return t.level if isinstance(t, DualType) else 0


def dual_in(t: Any) -> Any:
    """The dual type of the highest level in a type; None if there is none."""
    if isinstance(t, types.BaseTuple):
        return max(map(dual_in, t), key=level_of, default=None)
    t = getattr(t, "dtype", t)
    return t if isinstance(t, DualType) else None


#: The type of a dual built by hand, the only one that Python passes: a float with one partial.
HANDMADE = DualType(types.float64, 1)


def _is_never_from_python(t: Any) -> bool:
    dual = dual_in(t)
    return dual is not None and (dual != HANDMADE or isinstance(t, types.Array))


# Numba's parallel loops support only its own scalar types, and fastmath assumes that there are no NaNs.
change_options({"parallel": False, "fastmath": False}, lambda _, kinds: any(dual_in(t) is not None for t in kinds))
change_options(
    {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}, lambda _, kinds: any(map(_is_never_from_python, kinds))
)


@register_model(PartialsType)
class PartialsModel(models.DataModel):  # type: ignore[misc]
    """A vector of floats (an array of other elements) in registers, an array in memory."""

    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type)
        self.element, self.count, self.is_vector = dmm.lookup(fe_type.element), fe_type.count, fe_type.is_vector

    def get_value_type(self) -> Any:
        kind = ir.VectorType if self.is_vector else ir.ArrayType
        return kind(self.element.get_value_type(), self.count)

    def get_data_type(self) -> Any:
        if self.is_vector:
            # Packed, a vector needs only the alignment of its elements, and is stored in one instruction.
            return ir.LiteralStructType([self.get_value_type()], packed=True)
        return ir.ArrayType(self.element.get_data_type(), self.count)

    def as_data(self, builder: Any, value: Any) -> Any:
        data = ir.Constant(self.get_data_type(), ir.Undefined)
        if self.is_vector:
            return builder.insert_value(data, value, 0)
        for i in range(self.count):
            data = builder.insert_value(data, self.element.as_data(builder, self.lane(builder, value, i)), i)
        return data

    def from_data(self, builder: Any, data: Any) -> Any:
        if self.is_vector:
            return builder.extract_value(data, 0)
        value = ir.Constant(self.get_value_type(), ir.Undefined)
        for i in range(self.count):
            value = self.put(builder, value, self.element.from_data(builder, builder.extract_value(data, i)), i)
        return value

    def load_from_data_pointer(self, builder: Any, ptr: Any, align: Any = None) -> Any:
        if self.is_vector:
            lane = self.element.get_value_type().intrinsic_name
            pointer = builder.bitcast(ptr, self.get_value_type().as_pointer())
            return builder.load(pointer, align=align or int(lane[1:]) // 8)
        value = ir.Constant(self.get_value_type(), ir.Undefined)
        for i in range(self.count):
            entry = self.element.load_from_data_pointer(builder, cgutils.gep_inbounds(builder, ptr, 0, i), align)
            value = builder.insert_value(value, entry, i)
        return value

    def lane(self, builder: Any, value: Any, i: int) -> Any:
        """Partial i."""
        if self.is_vector:
            return builder.extract_element(value, ir.Constant(ir.IntType(32), i))
        return builder.extract_value(value, i)

    def put(self, builder: Any, value: Any, lane: Any, i: int) -> Any:
        """The partials with partial i replaced."""
        if self.is_vector:
            return builder.insert_element(value, lane, ir.Constant(ir.IntType(32), i))
        return builder.insert_value(value, lane, i)

    def get_argument_type(self) -> Any:
        return self.get_value_type()

    def as_argument(self, builder: Any, value: Any) -> Any:
        return value

    def from_argument(self, builder: Any, value: Any) -> Any:
        return value

    def get_return_type(self) -> Any:
        return self.get_data_type()

    def as_return(self, builder: Any, value: Any) -> Any:
        return self.as_data(builder, value)

    def from_return(self, builder: Any, value: Any) -> Any:
        return self.from_data(builder, value)


@register_model(RecordedType)
class RecordedModel(models.StructModel):  # type: ignore[misc]
    """The tape is a null pointer for a constant: zeroed memory holds constants."""

    def __init__(self, dmm: Any, fe_type: Any) -> None:
        members = [("coefficient", fe_type.element), ("place", types.int64), ("tape", types.voidptr)]
        super().__init__(dmm, fe_type, members)


@register_model(DualType)
class DualModel(models.StructModel):  # type: ignore[misc]
    """A struct of the value and the partials."""

    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, [("value", fe_type.element), ("partials", fe_type.partials)])


def parts(builder: Any, dual: Any) -> tuple[Any, Any]:
    """Value and partials."""
    return builder.extract_value(dual, 0), builder.extract_value(dual, 1)


def zero_partials(context: Any, t: DualType) -> Any:
    """The partials of a constant."""
    zero = zero_tangent(context, t.element, t.masked)
    if t.is_recorded:
        place, tape = (ir.Constant(context.get_value_type(kind), None) for kind in (types.int64, types.voidptr))
        return ir.Constant.literal_struct([zero, place, tape])
    return _repeated(context, t, zero)


def zero_tangent(context: Any, element: Any, masked: bool) -> Any:
    """The tangent of a constant along one direction."""
    if isinstance(element, DualType):
        value = zero_tangent(context, element.element, masked)
        return ir.Constant.literal_struct([value, zero_partials(context, element)])
    kind = context.get_value_type(element)
    if not masked or isinstance(element, types.Integer):
        return ir.Constant(kind, None)
    return ir.Constant(kind, [-0.0, 0.0] if isinstance(element, types.Complex) else -0.0)


def _repeated(context: Any, t: DualType, partial: Any) -> Any:
    """Partials that are all equal."""
    return partial if t.count == 1 else ir.Constant(context.get_value_type(t.partials), [partial] * t.count)


def make(context: Any, builder: Any, t: DualType, value: Any, partials: Any = None) -> Any:
    """The dual with this value and these partials; a constant without partials."""
    dual = ir.Constant(context.get_value_type(t), ir.Undefined)
    dual = builder.insert_value(dual, value, 0)
    return builder.insert_value(dual, zero_partials(context, t) if partials is None else partials, 1)


def recorded(context: Any, builder: Any, t: DualType, coefficient: Any, place: Any, tape: Any) -> Any:
    """The tangent with this coefficient at this place on a tape."""
    tangent = ir.Constant(context.get_value_type(t.partials), ir.Undefined)
    for i, part in enumerate((coefficient, place, tape)):
        tangent = builder.insert_value(tangent, part, i)
    return tangent


@lower_cast(types.Number, DualType)
@lower_cast(types.Boolean, DualType)
@lower_cast(types.IntegerLiteral, DualType)
@lower_cast(types.BooleanLiteral, DualType)
def _constant(context: Any, builder: Any, fromty: Any, toty: Any, val: Any) -> Any:
    if isinstance(fromty, types.Literal):
        fromty, plain = fromty.literal_type, val
        val = val if isinstance(val, ir.Value) else context.get_constant(fromty, plain)
    return make(context, builder, toty, context.cast(builder, val, fromty, toty.element))


@lower_constant(DualType)  # type: ignore[untyped-decorator]
def _of_python_scalar(context: Any, builder: Any, t: DualType, scalar: Any) -> Any:
    value = context.get_constant_generic(builder, t.element, scalar)
    return ir.Constant.literal_struct([value, zero_partials(context, t)])


@lower_cast(DualType, DualType)
def _convert(context: Any, builder: Any, fromty: Any, toty: Any, val: Any) -> Any:
    if fromty.level < toty.level:
        return make(context, builder, toty, context.cast(builder, val, fromty, toty.element))
    value, partials = parts(builder, val)
    value = context.cast(builder, value, fromty.element, toty.element)
    return make(context, builder, toty, value, cast_partials(context, builder, partials, fromty, toty))


def cast_partials(context: Any, builder: Any, partials: Any, fromty: DualType, toty: DualType) -> Any:
    """The partials converted to the precision of another type."""
    if fromty.element == toty.element:
        return partials
    if toty.is_recorded:
        cast = context.cast(builder, builder.extract_value(partials, 0), fromty.element, toty.element)
        places = [builder.extract_value(partials, i) for i in (1, 2)]
        return recorded(context, builder, toty, cast, *places)
    if toty.count == 1:
        return context.cast(builder, partials, fromty.element, toty.element)
    source = context.data_model_manager[fromty.partials]
    target = context.data_model_manager[toty.partials]
    result = ir.Constant(target.get_value_type(), ir.Undefined)
    for i in range(toty.count):
        lane = source.lane(builder, partials, i)
        if toty.follows:
            lane = of_bits(builder, bits_of(builder, lane), target.element.get_value_type())
        else:
            lane = context.cast(builder, lane, fromty.element, toty.element)
        result = target.put(builder, result, lane, i)
    return result


def bits_of(builder: Any, lane: Any) -> Any:
    """The bits of a partial that is part of a set."""
    wide = builder.bitcast(lane, ir.IntType(64 if isinstance(lane.type, ir.DoubleType) else 32))
    return builder.trunc(wide, ir.IntType(BITS)) if wide.type.width > BITS else wide


def of_bits(builder: Any, bits: Any, kind: Any) -> Any:
    """The partial of this floating-point type with these bits."""
    is_double = isinstance(kind, ir.DoubleType)
    return builder.bitcast(builder.zext(bits, ir.IntType(64)) if is_double else bits, kind)


def united(builder: Any, p: Any, q: Any) -> Any:
    """The union of two sets."""
    words = ir.VectorType(ir.IntType(64 if isinstance(p.type.element, ir.DoubleType) else 32), p.type.count)
    return builder.bitcast(builder.or_(builder.bitcast(p, words), builder.bitcast(q, words)), p.type)
