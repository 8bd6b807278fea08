"""A row of the table as machine code: the value by Numba's own function, the partials from their expressions."""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from dualdiff.compiled.functions.kernels import KERNELS
from dualdiff.compiled.functions.math_rows import COMPILED
from dualdiff.compiled.tape import merged
from dualdiff.compiled.types import (
    DualType,
    cast_partials,
    level_of,
    make,
    parts,
    recorded,
    united,
    zero_partials,
    zero_tangent,
)
from dualdiff.rules import elementwise_function
from dualdiff.rules.numpy.elementwise.table import CONSTANTS, ROWS
from dualdiff.rules.writing.expressions import ARGUMENTS, CHOSEN, branched, names_in
from dualdiff.rules.writing.rows import Row

#: A scalar in code generation: its Numba type and its LLVM value.
Typed = tuple[Any, Any]

#: Tangents may use fused multiply-add, values never.
FUSED = ("contract",)

_OPERATORS: dict[type, str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.FloorDiv: "floor_divide",
    ast.USub: "negative",
}
_ON_FLOATS = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
_COMPARISONS: dict[type, str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


@cache
def parsed(text: str) -> ast.expr:
    """The syntax tree of a partial."""
    return branched(text)


@cache
def public(name: str) -> Any:
    """The public function of a row, ``dualdiff.sin``; rows that only partials use have none."""
    return elementwise_function(name) if name in ROWS and not name.startswith("_") else COMPILED[name].ufunc


@cache
def numba_function(name: str) -> Any:
    """The function as which Numba knows a row: NumPy's, or the public one of the row."""
    ufunc = COMPILED[name].ufunc
    return public(name) if name in KERNELS or not isinstance(ufunc, np.ufunc) else ufunc


class Code:
    """Generates machine code at the position of an LLVM builder."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder

    def call(self, function: Any, *arguments: Typed) -> Typed:
        """A call of the function, as Numba resolves it for scalars of these types."""
        context, typing = self.context, self.context.typing_context
        kinds = tuple(t for t, _ in arguments)
        resolved = typing.resolve_value_type(function)
        signature = resolved.get_call_type(typing, kinds, {})
        implementation = context.get_function(resolved, signature)
        context.add_linking_libs(getattr(implementation, "libs", ()))
        given = [
            v if isinstance(s, types.Literal) else self.cast((t, v), s)
            for (t, v), s in zip(arguments, signature.args, strict=True)
        ]
        return signature.return_type, implementation(self.builder, given)

    def cast(self, scalar: Typed, t: Any) -> Any:
        """The scalar converted to type t."""
        kind, value = scalar
        if isinstance(kind, types.Literal) and not isinstance(value, ir.Value):
            kind = kind.literal_type
            value = self.context.get_constant(kind, value)
        return self.context.cast(self.builder, value, kind, t)

    def constant(self, t: Any, value: float) -> Typed:
        """A constant in the precision of t."""
        base = t.base if isinstance(t, DualType) else t
        base = base.underlying_float if isinstance(base, types.Complex) else base
        return base, self.context.get_constant(base, float(value))

    def function(self, name: str, *arguments: Typed) -> Typed:
        """The function of a row on these scalars, in the arithmetic of tangents."""
        kinds = {t for t, _ in arguments}
        if len(kinds) == 1 and isinstance(arguments[0][0], types.Float):
            if name in _ON_FLOATS:
                operation = getattr(self.builder, _ON_FLOATS[name])
                return arguments[0][0], operation(*(v for _, v in arguments), flags=FUSED)
            if name == "negative":
                return arguments[0][0], self.builder.fneg(arguments[0][1])
        return self.call(numba_function(name), *arguments)

    # -- partials ----------------------------------------------------------------------------------------------------
    def lanes(self, t: DualType, operation: Callable[..., Any], *partials: Any) -> Any:
        """An operation on scalars, applied to each partial."""
        if t.count == 1:
            return operation(*partials)
        if t.is_recorded:
            return self._on_coefficient(t, operation, *partials)
        model = self.context.data_model_manager[t.partials]
        result = ir.Constant(model.get_value_type(), ir.Undefined)
        for i in range(t.count):
            lane = operation(*(model.lane(self.builder, p, i) for p in partials))
            result = model.put(self.builder, result, lane, i)
        return result

    def _on_coefficient(self, t: DualType, operation: Callable[..., Any], p: Any) -> Any:
        """An operation on the coefficient of a recorded tangent."""
        coefficient, place, tape = (self.builder.extract_value(p, i) for i in range(3))
        return recorded(self.context, self.builder, t, operation(coefficient), place, tape)

    def _on_floats(self, t: DualType) -> bool:
        return isinstance(t.element, types.Float)

    def add(self, t: DualType, p: Any, q: Any) -> Any:
        """The sum of partials."""
        if t.is_recorded:
            return merged(self, t, p, q)
        if t.follows:
            return united(self.builder, p, q)
        if self._on_floats(t):
            return self.builder.fadd(p, q, flags=FUSED)
        return self.lanes(t, lambda a, b: self.function("add", (t.element, a), (t.element, b))[1], p, q)

    def negative(self, t: DualType, p: Any) -> Any:
        """The partials with the opposite sign."""
        if t.follows:
            return p
        if t.masked:
            return self.scale(t, p, self.constant(t.element, -1.0))
        if self._on_floats(t) and not t.is_recorded:
            return self.builder.fneg(p)
        return self.lanes(t, lambda a: self.function("negative", (t.element, a))[1], p)

    def scale(self, t: DualType, p: Any, coefficient: Typed, is_constant: bool = False) -> Any:
        """The partials times a coefficient; if masked, zero times infinity depends on whether that is constant."""
        if t.is_recorded:
            return self._on_coefficient(t, lambda a: self.scale(t.single, a, coefficient, is_constant), p)
        element = t.element
        if t.follows:
            return p
        if self._on_floats(t):
            c = self.cast(coefficient, element)
            if t.count > 1:
                c = self.splat(t, c)
            product = self.builder.fmul(p, c, flags=FUSED)
            return self._masked_product(p, c, product, is_constant) if t.masked else product

        def times(a: Any) -> Any:
            if t.masked:
                return self.product(element, a, coefficient, is_constant)
            return self.cast(self.function("multiply", (element, a), coefficient), element)

        return self.lanes(t, times, p)

    def choice(self, t: Any, condition: Any, a: Any, b: Any) -> Any:
        """One of two scalars of one type; a pattern has both."""
        builder, chosen = self.builder, self.builder.select(condition, a, b)
        if not getattr(t, "follows", False):
            return chosen
        return builder.insert_value(chosen, united(builder, parts(builder, a)[1], parts(builder, b)[1]), 1)

    def splat(self, t: DualType, c: Any) -> Any:
        """A vector with the scalar in every lane."""
        vector = ir.VectorType(c.type, t.count)
        single = self.builder.insert_element(ir.Constant(vector, ir.Undefined), c, ir.Constant(ir.IntType(32), 0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), t.count), None)
        return self.builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), lanes)

    # -- zero times infinity -----------------------------------------------------------------------------------------
    def _masked_product(self, p: Any, c: Any, product: Any, is_constant: bool) -> Any:
        """A product of floats or vectors: zero for a zero tangent, and for a zero coefficient that is constant."""
        builder, zero = self.builder, ir.Constant(p.type, None)
        # Products must not be -0.0, which marks results that do not depend on the variable.
        result = builder.select(builder.fcmp_ordered("==", p, zero), p, builder.fadd(product, zero))
        if is_constant:
            absent = ir.Constant(p.type, [-0.0] * p.type.count if isinstance(p.type, ir.VectorType) else -0.0)
            result = builder.select(builder.fcmp_ordered("==", c, zero), absent, result)
        return result

    def product(self, element: Any, a: Any, coefficient: Typed, is_constant: bool) -> Any:
        """A masked tangent times a coefficient, at all levels.

        Where a zero tangent times an infinite coefficient is set to zero, the tangents of outer differentiations are
        unknown: NaN, unless neither factor depends on the variable.
        """
        builder = self.builder
        if isinstance(element, types.Float):
            c = self.cast(coefficient, element)
            return self._masked_product(a, c, builder.fmul(a, c), is_constant)
        if not isinstance(element, DualType):
            return self._complex_product(element, a, coefficient, is_constant)
        if level_of(coefficient[0]) == element.level:
            c, q = parts(builder, self.cast(coefficient, element))
            outer = element.element, c
        else:
            outer, q = coefficient, None
        value, p = parts(builder, a)
        is_absent = self.is_absent(element.element, value)
        is_idle = self.is_zero(element.element, value)
        is_singular = builder.and_(is_idle, builder.not_(self.is_finite(outer)))
        unknown = self.unknown(element.element)

        def lane(r: Any, s: Any = None) -> Any:
            result = self.product(element.element, r, outer, q is None)
            no_part = self.lane_is_absent(element, r)
            if s is not None:
                # Where the tangent is zero and the coefficient finite, an infinite slope of the latter does not count.
                slope = self.product(element.element, s, (element.element, value), False)
                steep = builder.not_(self.is_finite((element.element, s)))
                slope = builder.select(builder.and_(is_idle, steep), self.conventional_zero(element.element), slope)
                result = self._sum(element.element, result, slope)
                no_part = builder.and_(no_part, self.lane_is_absent(element, s))
            return builder.select(builder.and_(is_singular, builder.not_(no_part)), unknown, result)

        lanes = self.lanes(element, lane, *((p,) if q is None else (p, q)))
        result = self.product(element.element, value, outer, is_constant)
        result = make(self.context, builder, element, result, lanes)
        return builder.select(is_absent, zero_tangent(self.context, element, True), result)

    def _sum(self, t: Any, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b) if isinstance(t, types.Float) else self.function("add", (t, a), (t, b))[1]

    def _complex_product(self, t: Any, a: Any, coefficient: Typed, is_constant: bool) -> Any:
        builder, c = self.builder, self.cast(coefficient, t)
        z = self.context.make_complex(builder, t, value=self.function("multiply", (t, a), (t, c))[1])
        z.real = builder.fadd(z.real, ir.Constant(z.real.type, 0.0))
        result = builder.select(self.is_zero(t, a), a, z._getvalue())
        if is_constant:
            result = builder.select(self.is_zero(t, c), zero_tangent(self.context, t, True), result)
        return result

    def is_zero(self, t: Any, a: Any) -> Any:
        """Whether the value of a scalar is zero."""
        t, a = self.base_value((t, a))
        if isinstance(t, types.Complex):
            z = self.context.make_complex(self.builder, t, value=a)
            return self.builder.and_(*(self.is_zero(t.underlying_float, x) for x in (z.real, z.imag)))
        return self.builder.fcmp_ordered("==", a, ir.Constant(a.type, 0.0))

    def is_finite(self, scalar: Typed) -> Any:
        """Whether the value of a scalar is finite."""
        t, a = self.base_value(scalar)
        if isinstance(t, types.Complex):
            z = self.context.make_complex(self.builder, t, value=a)
            return self.builder.and_(*(self.is_finite((t.underlying_float, x)) for x in (z.real, z.imag)))
        if not isinstance(t, types.Float):
            return ir.Constant(ir.IntType(1), 1)
        return self.builder.fcmp_ordered("==", self.builder.fsub(a, a), ir.Constant(a.type, 0.0))

    def is_absent(self, t: Any, tangent: Any) -> Any:
        """Whether a tangent of a masked dual marks it as independent of the variable."""
        builder, (t, a) = self.builder, self.base_value((t, tangent))
        is_zero = self.is_zero(t, a)
        if isinstance(t, types.Complex):
            a = self.context.make_complex(builder, t, value=a).real
        bits = ir.IntType(64 if isinstance(a.type, ir.DoubleType) else 32)
        return builder.and_(is_zero, builder.icmp_signed("<", builder.bitcast(a, bits), ir.Constant(bits, 0)))

    def lane_is_absent(self, t: DualType, tangent: Any) -> Any:
        """The same for a partial of a dual; False if the dual is not masked."""
        return self.is_absent(t.element, tangent) if t.masked else ir.Constant(ir.IntType(1), 0)

    def present(self, t: DualType, tangent: Any) -> Any:
        """A tangent of a masked dual as an ordinary scalar, without the mark -0.0."""
        return self.cast(self.function("add", (t.element, tangent), self.constant(t.element, 0.0)), t.element)

    def unknown(self, t: Any) -> Any:
        """A scalar of which nothing is known: NaN at every level."""
        return self._filled(t, math.nan)

    def conventional_zero(self, t: Any) -> Any:
        """Zero by convention, with unknown tangents."""
        return self._filled(t, 0.0)

    def _filled(self, t: Any, value: float) -> Any:
        """A scalar of this value with unknown tangents."""
        if not isinstance(t, DualType):
            return self.context.get_constant_generic(self.builder, t, value)
        unknown = self.unknown(t.element)
        model, inner = self.context.data_model_manager[t.partials], self._filled(t.element, value)
        partials = unknown if t.count == 1 else ir.Constant(model.get_value_type(), [unknown] * t.count)
        return ir.Constant.literal_struct([inner, partials])

    def base_value(self, scalar: Typed) -> Typed:
        """The value of a dual at the innermost level."""
        t, value = scalar
        while isinstance(t, DualType):
            value, t = parts(self.builder, value)[0], t.element
        return t, value


class Partial:
    """Generates code for a partial derivative at scalars of an element type."""

    def __init__(self, code: Code, element: Any, names: dict[str, Typed]) -> None:
        self.code, self.element, self.names = code, element, names

    def evaluate(self, node: ast.expr) -> Typed:
        """Generate the code of an expression."""
        code = self.code
        match node:
            case ast.Constant(value=bool(truth)):
                return types.boolean, ir.Constant(ir.IntType(1), truth)
            case ast.Constant(value=complex(constant)):
                return self.element, code.context.get_constant_generic(code.builder, self.element, constant)
            case ast.Constant(value=constant):
                return code.constant(self.element, constant)  # type: ignore[arg-type]
            case ast.Name(id=name):
                if name in CONSTANTS:
                    return code.constant(self.element, CONSTANTS[name])
                return self._argument(*self.names[name])
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(_OPERATORS[type(op)], self.evaluate(left), self.evaluate(right))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=constant)):
                return code.constant(self.element, -constant)  # type: ignore[operator]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return code.function("negative", self.evaluate(operand))
            case ast.IfExp():
                return self._choice(node)
            case ast.Compare() | ast.BoolOp():
                return types.boolean, self.condition(node)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return code.function(name, *map(self.evaluate, arguments))
        # `rules.writing.checks` refuses such a partial when its row is registered, except indices of several results,
        # which Numba's functions do not have.
        raise NotImplementedError(f"{ast.unparse(node)} in the expression of a partial derivative")

    def _argument(self, t: Any, value: Any) -> Typed:
        """An argument; a constant stays plain, so that no code multiplies by its zero tangent."""
        if level_of(t) == level_of(self.element):
            target = self.element
        elif isinstance(t, (DualType, types.Complex)):
            target = t
        else:
            target = self.code.constant(self.element, 0.0)[0]
        return target, self.code.cast((t, value), target)

    def _binary(self, name: str, a: Typed, b: Typed) -> Typed:
        if name == "power" and isinstance(b[1], ir.Constant) and b[1].constant == 2.0:
            return self.code.function("multiply", a, a)
        return self.code.function(name, a, b)

    def condition(self, node: ast.expr) -> Any:
        """Generate the code of a condition, on values only at every level."""
        builder = self.code.builder
        match node:
            case ast.BoolOp(op=op, values=values):
                result = self.condition(values[0])
                for other in values[1:]:
                    join = builder.and_ if isinstance(op, ast.And) else builder.or_
                    result = join(result, self.condition(other))
                return result
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                (t, a), (_, b) = (self.code.base_value(self.evaluate(side)) for side in (left, right))
                symbol = _COMPARISONS[type(op)]
                if isinstance(t, types.Complex):
                    ufunc = {"==": np.equal, "!=": np.not_equal}[symbol]
                    return self.code.call(ufunc, (t, a), (_, b))[1]
                compare = builder.fcmp_unordered if symbol == "!=" else builder.fcmp_ordered
                return compare(symbol, a, b)
        # Comparisons and their combinations are all that the grammar allows as conditions.
        raise NotImplementedError(f"{ast.unparse(node)} as a condition in the expression of a partial derivative")

    def _zero_by_convention(self) -> Typed:
        """Zero, with unknown tangents wherever an argument has one."""
        code, t = self.code, self.element
        if not isinstance(t, DualType):
            return code.constant(t, 0.0)
        given = [parts(code.builder, code.cast(n, t))[1] for n in self.names.values() if level_of(n[0]) == t.level]

        def lane(*tangents: Any) -> Any:
            absent = [code.lane_is_absent(t, a) for a in tangents]
            constant = zero_tangent(code.context, t.element, t.masked)
            return code.builder.select(functools.reduce(code.builder.and_, absent), constant, code.unknown(t.element))

        return t, make(code.context, code.builder, t, code.conventional_zero(t.element), code.lanes(t, lane, *given))

    def _choice(self, node: ast.IfExp) -> Typed:
        is_chosen = isinstance(node.body, ast.Constant) and node.body.kind == CHOSEN
        builder, element = self.code.builder, self.element
        place = cgutils.alloca_once(builder, self.code.context.get_value_type(element))
        with builder.if_else(self.condition(node.test)) as (then, otherwise):
            with then:
                zero_or_other = self._zero_by_convention() if is_chosen else self.evaluate(node.body)
                builder.store(self.code.cast(zero_or_other, element), place)
            with otherwise:
                builder.store(self.code.cast(self.evaluate(node.orelse), element), place)
        return element, builder.load(place)


def apply(context: Any, builder: Any, row: Row, function: Any, t: DualType, arguments: list[Typed]) -> Any:
    """The function of a row as a dual of type t, given scalars and duals, at least one of them at the level of t."""
    code = Code(context, builder)
    values: list[Typed] = []
    active: list[tuple[int, Any]] = []
    for i, (kind, argument) in enumerate(arguments):
        if isinstance(kind, DualType) and kind.level == t.level:
            value, p = parts(builder, argument)
            values.append((kind.element, value))
            active.append((i, cast_partials(context, builder, p, kind, t)))
        else:
            values.append((kind, argument))
    result = code.call(function, *values)
    r = code.cast(result, t.element)
    names = {**dict(zip(ARGUMENTS, values, strict=False)), "r": (t.element, r)}
    is_complex = isinstance(t.base, types.Complex)
    total = None
    for i, p in active:
        text = row.text(i, is_complex)
        if text is None:
            continue
        if text == "1" or t.follows:
            term = p
        elif text == "-1":
            term = code.negative(t, p)
        else:
            # The result depends on every active argument.
            is_constant = not names_in(text) & {"r", *(ARGUMENTS[j] for j, _ in active)}
            term = code.scale(t, p, Partial(code, t.element, names).evaluate(parsed(text)), is_constant)
        total = term if total is None else code.add(t, total, term)
    return make(context, builder, t, r, zero_partials(context, t) if total is None else total)
