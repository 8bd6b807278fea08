"""A row of the table as machine code: the value by Numba's own function, the partials by walking their texts."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from dualdiff.compiled.scalars import KERNELS
from dualdiff.compiled.special import COMPILED
from dualdiff.compiled.types import DualType, cast_partials, level_of, make, parts, zero_partials
from dualdiff.rules import elementwise_function
from dualdiff.rules.elementwise import CONSTANTS, ROWS
from dualdiff.rules.table import Row
from dualdiff.rules.texts import ARGUMENTS, expression

#: A number on its way into machine code: its type and its value.
Typed = tuple[Any, Any]

#: Tangents may be fused (a * b + c rounded once), values never.
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
    return ast.parse(expression(text), mode="eval").body


@cache
def public(name: str) -> Any:
    """The function of a row, ``dualdiff.sin``; those for partials alone have none that is public."""
    return elementwise_function(name) if name in ROWS and not name.startswith("_") else COMPILED[name].ufunc


@cache
def numba_function(name: str) -> Any:
    """The function under which Numba knows a row: NumPy's, or the public one of the row."""
    ufunc = COMPILED[name].ufunc
    return public(name) if name in KERNELS or not isinstance(ufunc, np.ufunc) else ufunc


class Code:
    """Where machine code is written."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder

    def call(self, function: Any, *arguments: Typed) -> Typed:
        """What Numba makes of a call of the function with numbers of these types."""
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

    def cast(self, number: Typed, t: Any) -> Any:
        """The number as one of type t."""
        kind, value = number
        if isinstance(kind, types.Literal) and not isinstance(value, ir.Value):
            kind = kind.literal_type
            value = self.context.get_constant(kind, value)
        return self.context.cast(self.builder, value, kind, t)

    def constant(self, t: Any, number: float) -> Typed:
        """A constant in the precision of t."""
        base = t.base if isinstance(t, DualType) else t
        base = base.underlying_float if isinstance(base, types.Complex) else base
        return base, self.context.get_constant(base, float(number))

    def function(self, name: str, *arguments: Typed) -> Typed:
        """The function of a row on these numbers, in the arithmetic of tangents."""
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
        """An operation on numbers, done to each partial."""
        if t.count == 1:
            return operation(*partials)
        model = self.context.data_model_manager[t.partials]
        result = ir.Constant(model.get_value_type(), ir.Undefined)
        for i in range(t.count):
            lane = operation(*(model.lane(self.builder, p, i) for p in partials))
            result = model.put(self.builder, result, lane, i)
        return result

    def _on_floats(self, t: DualType) -> bool:
        return isinstance(t.element, types.Float)

    def add(self, t: DualType, p: Any, q: Any) -> Any:
        """The sum of partials."""
        if self._on_floats(t):
            return self.builder.fadd(p, q, flags=FUSED)
        return self.lanes(t, lambda a, b: self.function("add", (t.element, a), (t.element, b))[1], p, q)

    def negative(self, t: DualType, p: Any) -> Any:
        """The partials with the opposite sign."""
        if self._on_floats(t):
            return self.builder.fneg(p)
        return self.lanes(t, lambda a: self.function("negative", (t.element, a))[1], p)

    def scale(self, t: DualType, p: Any, coefficient: Typed) -> Any:
        """The partials times a number; masked, what is zero stays zero."""
        builder, element = self.builder, t.element
        if self._on_floats(t):
            c = self.cast(coefficient, element)
            if t.count > 1:
                c = self.splat(t, c)
            product = builder.fmul(p, c, flags=FUSED)
            if not t.masked:
                return product
            zero = ir.Constant(p.type, None)
            return builder.select(builder.fcmp_ordered("==", p, zero), zero, product)

        def times(a: Any) -> Any:
            product = self.cast(self.function("multiply", (element, a), coefficient), element)
            return self._masked(element, a, product) if t.masked else product

        return self.lanes(t, times, p)

    def splat(self, t: DualType, c: Any) -> Any:
        """A vector with the number in every lane."""
        vector = ir.VectorType(c.type, t.count)
        single = self.builder.insert_element(ir.Constant(vector, ir.Undefined), c, ir.Constant(ir.IntType(32), 0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), t.count), None)
        return self.builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), lanes)

    def _masked(self, element: Any, a: Any, product: Any) -> Any:
        """The product, zero where the number is zero through all levels (lane by lane)."""
        builder = self.builder
        if not isinstance(element, DualType):
            return builder.select(self.is_zero(element, a), ir.Constant(product.type, None), product)
        value, p = parts(builder, a)
        product_value, product_partials = parts(builder, product)
        no_value = self.is_zero(element.element, value)
        no_partials = self.partials_are_zero(element, p)
        kept = builder.select(builder.and_(no_value, no_partials), ir.Constant(product_value.type, None), product_value)

        def lane(q: Any, r: Any) -> Any:
            idle = builder.and_(no_value, self.is_zero(element.element, q))
            return builder.select(idle, ir.Constant(r.type, None), r)

        return make(self.context, builder, element, kept, self.lanes(element, lane, p, product_partials))

    def is_zero(self, t: Any, a: Any) -> Any:
        """Whether a number is zero, with all of its tangents."""
        if isinstance(t, DualType):
            value, p = parts(self.builder, a)
            return self.builder.and_(self.is_zero(t.element, value), self.partials_are_zero(t, p))
        if isinstance(t, types.Complex):
            parted = self.context.make_complex(self.builder, t, value=a)
            return self.builder.and_(*(self.is_zero(t.underlying_float, x) for x in (parted.real, parted.imag)))
        return self.builder.fcmp_ordered("==", a, ir.Constant(a.type, 0.0))

    def partials_are_zero(self, t: DualType, p: Any) -> Any:
        """Whether all partials are zero."""
        if t.count == 1:
            return self.is_zero(t.element, p)
        model = self.context.data_model_manager[t.partials]
        result = ir.Constant(ir.IntType(1), 1)
        for i in range(t.count):
            result = self.builder.and_(result, self.is_zero(t.element, model.lane(self.builder, p, i)))
        return result

    def base_value(self, number: Typed) -> Typed:
        """The plain number inside of a dual."""
        t, value = number
        while isinstance(t, DualType):
            value, t = parts(self.builder, value)[0], t.element
        return t, value


class Partial:
    """A partial derivative at numbers of a type, written as code."""

    def __init__(self, code: Code, element: Any, names: dict[str, Typed]) -> None:
        self.code, self.element, self.names = code, element, names

    def evaluate(self, node: ast.expr) -> Typed:
        """The code of an expression."""
        code = self.code
        match node:
            case ast.Constant(value=bool(truth)):
                return types.boolean, ir.Constant(ir.IntType(1), truth)
            case ast.Constant(value=complex(number)):
                return self.element, code.context.get_constant_generic(code.builder, self.element, number)
            case ast.Constant(value=number):
                return code.constant(self.element, number)  # type: ignore[arg-type]
            case ast.Name(id=name):
                if name in CONSTANTS:
                    return code.constant(self.element, CONSTANTS[name])
                return self._number(*self.names[name])
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(_OPERATORS[type(op)], self.evaluate(left), self.evaluate(right))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=number)):
                return code.constant(self.element, -number)  # type: ignore[operator]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return code.function("negative", self.evaluate(operand))
            case ast.IfExp():
                return self._choice(node)
            case ast.Compare() | ast.BoolOp():
                return types.boolean, self.condition(node)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return code.function(name, *map(self.evaluate, arguments))
        raise NotImplementedError(f"{ast.unparse(node)} in the text of a partial derivative")

    def _number(self, t: Any, value: Any) -> Typed:
        """An argument; a constant stays one, so that nothing is multiplied by its zero tangent."""
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
        """The code of a truth value: by value at every level."""
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
        raise NotImplementedError(f"{ast.unparse(node)} as a condition in the text of a partial derivative")

    def _choice(self, node: ast.IfExp) -> Typed:
        builder, element = self.code.builder, self.element
        place = cgutils.alloca_once(builder, self.code.context.get_value_type(element))
        with builder.if_else(self.condition(node.test)) as (then, otherwise):
            with then:
                builder.store(self.code.cast(self.evaluate(node.body), element), place)
            with otherwise:
                builder.store(self.code.cast(self.evaluate(node.orelse), element), place)
        return element, builder.load(place)


def apply(context: Any, builder: Any, row: Row, function: Any, t: DualType, arguments: list[Typed]) -> Any:
    """A dual of type t: the function of a row on numbers and duals, at least one of which is of t's level."""
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
        if text == "1":
            term = p
        elif text == "-1":
            term = code.negative(t, p)
        else:
            term = code.scale(t, p, Partial(code, t.element, names).evaluate(parsed(text)))
        total = term if total is None else code.add(t, total, term)
    return make(context, builder, t, r, zero_partials(context, t) if total is None else total)
