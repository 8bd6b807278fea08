"""The rows of the table, registered with Numba under every name by which compiled code calls them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import lower_builtin, overload

from dualdiff.compiled.functions.complex_numbers import PARTS, is_complex, type_of_part
from dualdiff.compiled.functions.kernels import KERNELS
from dualdiff.compiled.functions.math_rows import COMPILED
from dualdiff.compiled.lowering import Code, apply, public
from dualdiff.compiled.patches import (
    AbstractTemplate,
    accept_scalars_in_loops,
    add_template,
    decline_in_place,
    loop_over_arrays,
    signature,
)
from dualdiff.compiled.types import DualType, level_of
from dualdiff.rules.python.operators import BINARY, UNARY
from dualdiff.rules.writing.rows import Row

#: Functions that depend only on values.
BY_VALUE: tuple[Any, ...] = (
    *(getattr(operator, name) for name in ("lt", "le", "eq", "ne", "gt", "ge")),
    *(getattr(np, name) for name in ("less", "less_equal", "equal", "not_equal", "greater", "greater_equal")),
    *(getattr(np, name) for name in ("isnan", "isinf", "isfinite", "signbit")),
    *(getattr(np, name) for name in ("logical_not", "logical_and", "logical_or")),
    *(getattr(math, name) for name in ("isnan", "isinf", "isfinite", "floor", "ceil", "trunc")),
    operator.not_,
    operator.truth,
    round,
    bool,
)


_BUILTINS: dict[str, tuple[Any, ...]] = {
    "power": (pow,),
    "absolute": (abs,),
    "fabs": (math.fabs,),
    "ldexp": (math.ldexp,),
}


#: Operators that write into their left operand if it is an array.
IN_PLACE = {getattr(operator, f"i{name}") for name in BINARY}


def names(row: Row) -> Iterator[Any]:
    """The functions that call a row: NumPy's, those of ``math``, the operators, and dualdiff's own."""
    if getattr(np, row.name, None) is row.ufunc:
        yield row.ufunc
    if row.math:
        yield getattr(math, row.math)
    yield public(row.name)
    for name, (row_name, function) in {**BINARY, **UNARY}.items():
        if row_name == row.name:
            yield function
            if name in BINARY:
                yield getattr(operator, f"i{name}")
    yield from _BUILTINS.get(row.name, ())


def top(kinds: tuple[Any, ...]) -> DualType | None:
    """The dual type of the innermost differentiation among the types; None if there is none, or if several differ."""
    level = max(map(level_of, kinds), default=0)
    duals = {(t.count, t.masked): t for t in kinds if level and level_of(t) == level}
    return next(iter(duals.values())) if len(duals) == 1 else None


def is_scalar(t: Any) -> bool:
    """Whether a type is that of plain scalars or duals."""
    return isinstance(t, (types.Number, types.Boolean, types.Literal, DualType))


def _scalar_result(context: Any, row: Row, function: Any, kinds: tuple[Any, ...]) -> Any:
    """The type of the result, or None if the row does not accept these types."""
    t = top(kinds)
    if t is None or not all(map(is_scalar, kinds)):
        return None
    values = tuple(k.element if level_of(k) == t.level else k for k in kinds)
    if row.conjugates is not None and isinstance(t.base, types.Complex):
        return type_of_part(row.name, *kinds)
    resolved = context.resolve_function_type(function, values, {})
    if resolved is None:
        return None
    result = resolved.return_type
    if row.is_zero or not isinstance(result, (types.Float, types.Complex, DualType)):
        return result
    return t.of(result)


def _elementwise(row: Row, key: Any) -> None:
    # The value is computed by Numba's own function, if there is one.
    function = public(row.name) if row.name in KERNELS else key

    class Elementwise(AbstractTemplate):  # type: ignore[misc]
        # Numba expands powers with a literal exponent into products; the values here must agree to the bit.
        prefer_literal = row.name == "power"

        def generic(self, args: Any, kws: Any) -> Any:
            has_out = key is row.ufunc and len(args) == row.arity + 1 and isinstance(args[-1], types.Array)
            if kws or len(args) != row.arity + has_out:
                return None
            kinds = tuple(a.dtype if isinstance(a, types.Array) else a for a in args)
            result = _scalar_result(self.context, row, function, kinds[: row.arity])
            if result is None:
                return None
            arrays = [a for a in args if isinstance(a, types.Array)]
            target = args[-1] if has_out else args[0] if key in IN_PLACE else None
            if isinstance(target, types.Array):
                return signature(target, *args) if self.context.can_convert(result, target.dtype) else None
            if any(a.ndim for a in arrays):
                layouts = {a.layout for a in arrays}
                layout = "F" if "F" in layouts and "C" not in layouts else "C"
                result = types.Array(result, max(a.ndim for a in arrays), layout)
            return signature(result, *args)

    add_template(key, Elementwise)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if any(isinstance(a, types.Array) for a in sig.args):
            if key in IN_PLACE and isinstance(sig.args[0], types.Array):
                sig, args = signature(sig.return_type, *sig.args, sig.args[0]), (*args, args[0])
            return over_arrays(context, builder, calling(key), sig, args, row.arity)
        arguments = list(zip(sig.args, args, strict=True))
        t = top(sig.args)
        if row.conjugates is not None and is_complex(t):
            return Code(context, builder).call(PARTS[row.name], *arguments)[1]
        if isinstance(sig.return_type, DualType) and sig.return_type.level == level_of(t):
            return apply(context, builder, row, function, sig.return_type, arguments)
        return _of_values(context, builder, function, sig, arguments)

    lower_builtin(Elementwise, types.VarArg(types.Any))(lower)


def calling(key: Any) -> Any:
    """Computes one element of an array by calling the function."""
    return lambda code, *scalars: code.call(key, *scalars)


def over_arrays(context: Any, builder: Any, compute: Any, sig: Any, args: Any, inputs: int) -> Any:
    """The loop over arrays, with broadcasting, where Numba has not fused it with others.

    An argument after the inputs is the output array.
    """

    code = Code(context, builder)
    return loop_over_arrays(context, builder, lambda *scalars: compute(code, *scalars), sig, args, inputs)


accept_scalars_in_loops(lambda t: isinstance(t, DualType))
decline_in_place(lambda a: level_of(getattr(a, "dtype", a)) > 0)


def _of_values(context: Any, builder: Any, key: Any, sig: Any, arguments: Any) -> Any:
    """The function applied to the values at the innermost level."""
    code = Code(context, builder)
    result = code.call(key, *map(code.base_value, arguments))
    return code.cast(result, sig.return_type)


def _by_value(key: Any) -> None:
    class ByValue(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            kinds = tuple(a.dtype if isinstance(a, types.Array) else a for a in args)
            if kws or not any(map(level_of, kinds)) or not all(map(is_scalar, kinds)):
                return None
            base = tuple(k.base if isinstance(k, DualType) else k for k in kinds)
            resolved = self.context.resolve_function_type(key, base, {})
            if resolved is None:
                return None
            ndim = max((a.ndim for a in args if isinstance(a, types.Array)), default=0)
            return signature(types.Array(resolved.return_type, ndim, "C") if ndim else resolved.return_type, *args)

    add_template(key, ByValue)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if any(isinstance(a, types.Array) for a in sig.args):
            return over_arrays(context, builder, calling(key), sig, args, len(args))
        return _of_values(context, builder, key, sig, list(zip(sig.args, args, strict=True)))

    lower_builtin(ByValue, types.VarArg(types.Any))(lower)


def _largest(key: Any, better: Any) -> None:
    class Largest(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            if kws or len(args) < 2 or not any(map(level_of, args)) or not all(map(is_scalar, args)):
                return None
            unified = self.context.unify_types(*args)
            return None if unified is None else signature(unified, *args)

    add_template(key, Largest)

    @lower_builtin(Largest, types.VarArg(types.Any))  # type: ignore[untyped-decorator]
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code, t = Code(context, builder), sig.return_type
        best, *others = [code.cast(scalar, t) for scalar in zip(sig.args, args, strict=True)]
        for other in others:
            _, is_better = code.call(better, (t, other), (t, best))
            best = code.choice(t, is_better, other, best)
        return best


def _plain_function(name: str, row: Row) -> None:
    """Register dualdiff's own function for plain scalars in compiled code."""
    kernel: Callable[..., Any] = KERNELS.get(name) or _forward(row)

    def implementation(*kinds: Any) -> Any:
        return kernel if all(isinstance(k, (types.Number, types.Boolean)) for k in kinds) else None

    arguments = ", ".join(kernel.__code__.co_varnames[: row.arity])
    choose = eval(f"lambda {arguments}: implementation({arguments})", {"implementation": implementation})
    overload(public(name), inline="never")(choose)


def _forward(row: Row) -> Callable[..., Any]:
    arguments = ", ".join("xyz"[: row.arity])
    forward: Callable[..., Any] = eval(f"lambda {arguments}: ufunc({arguments})", {"ufunc": row.ufunc})
    return forward


def _register() -> None:
    """Register every row of the table with Numba."""
    for name, row in COMPILED.items():
        if public(name) is not getattr(math, name, None):
            _plain_function(name, row)
        for key in dict.fromkeys(names(row)):
            _elementwise(row, key)
    for key in BY_VALUE:
        _by_value(key)
    _largest(max, operator.gt)
    _largest(min, operator.lt)


_register()
