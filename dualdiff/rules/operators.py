"""Python's operators on duals, and the elementwise functions for numbers, built from the rows of the table.

Float duals get functions of their own, written out from the texts of the partials, so that an operation costs a few
Python instructions and no array is made.  They compute the value exactly as Python would, and leave every case that
is not plain (other spaces, nested duals, a partial that raises or a NaN) to `dualdiff.core.elementwise.apply`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.core.array import DualArray
from dualdiff.core.dual import AnyDual, Dual, FloatDual
from dualdiff.core.elementwise import apply
from dualdiff.core.registry import FLOAT_UFUNCS, UFUNCS
from dualdiff.rules.elementwise import CONSTANTS, ROWS
from dualdiff.rules.table import Row, expression, names_in

#: Which row serves which operator.
BINARY: dict[str, tuple[str, Callable[..., Any]]] = {
    "add": ("add", operator.add),
    "sub": ("subtract", operator.sub),
    "mul": ("multiply", operator.mul),
    "truediv": ("divide", operator.truediv),
    "pow": ("power", operator.pow),
    "mod": ("remainder", operator.mod),
    "floordiv": ("floor_divide", operator.floordiv),
}
UNARY: dict[str, tuple[str, Callable[..., Any]]] = {
    "neg": ("negative", operator.neg),
    "pos": ("positive", operator.pos),
    "abs": ("absolute", operator.abs),
}
COMPARISONS = ("lt", "le", "eq", "ne", "gt", "ge")
SYMBOLS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "pow": "**",
    "mod": "%",
    "floordiv": "//",
    "neg": "-x",
    "pos": "+x",
    "abs": "abs(x)",
}


def _quiet(ufunc: Any) -> Callable[..., Any]:
    """A NumPy function on floats as ``math`` has them, except that it never raises or warns."""

    def function(*args: float) -> float:
        with np.errstate(all="ignore"):
            return float(ufunc(*args))

    return function


def _math_names() -> dict[str, Any]:
    """The functions that partials name, for Python floats."""
    names: dict[str, Any] = {name: _quiet(row.ufunc) for name, row in ROWS.items()}
    names.update({name: getattr(math, row.math) for name, row in ROWS.items() if row.math})
    names.update(CONSTANTS, absolute=abs)
    return names


_MATH = _math_names()


def _compile(name: str, source: str, extra: dict[str, Any]) -> Callable[..., Any]:
    names = {**_MATH, **extra, "FloatDual": FloatDual, "apply": apply, "float64": np.float64}
    exec(compile(source, f"<dualdiff {name}>", "exec"), names)
    return names["function"]  # type: ignore[no-any-return]


def _tangent_source(row: Row, tangents: dict[int, str], indent: str, fallback: str) -> str:
    """Statements that compute the tangent t from x, y (as found) and r, or return the fallback."""
    terms, used = [], set()
    for i, t in tangents.items():
        text = row.text(i)
        if text is None:
            continue
        used |= names_in(text)
        terms.append({"1": t, "-1": f"-{t}"}.get(text) or f"({expression(text)}) * {t}")
    lines = [f"{name} = float({name})" for name in ("x", "y", "r") if name in used]
    lines.append("t = " + (" + ".join(terms) or "0.0"))
    text = " ".join(terms)
    if (any(mark in text for mark in ("/", "**", "(x", "(y", "(r")) and any(c in text for c in "/*")) or "(" in text:
        body = "".join(f"{indent}    {line}\n" for line in lines)
        return f"{indent}try:\n{body}{indent}except (ArithmeticError, ValueError):\n{indent}    return {fallback}\n"
    return "".join(f"{indent}{line}\n" for line in lines)


def _binary(name: str, row: Row, symbol: str, reflected: bool) -> Callable[..., Any]:
    fallback = "apply(row, op, other, self)" if reflected else "apply(row, op, self, other)"
    value = f"other {symbol} self.value" if reflected else f"self.value {symbol} other"
    one = {1: "self.raw"} if reflected else {0: "self.raw"}
    x, y = ("other", "self.value") if reflected else ("self.value", "other")
    is_float = "        kind = type(r)\n        if kind is not float and kind is not float64:\n            return "
    guard = is_float + fallback + "\n" if symbol == "**" else ""
    both = ""
    if not reflected:
        both = (
            "    if kind is FloatDual and other.space is self.space:\n"
            "        x = self.value\n        y = other.value\n"
            f"        r = x {symbol} y\n"
            + guard
            + _tangent_source(row, {0: "self.raw", 1: "other.raw"}, " " * 8, fallback)
            + "        if t == t:\n            return FloatDual(r, t, self.space)\n"
            f"        return {fallback}\n"
        )
    source = (
        "def function(self, other):\n"
        "    kind = type(other)\n" + both + "    if kind is float or kind is int or kind is float64:\n"
        f"        r = {value}\n"
        + guard
        + f"        x = {x}\n        y = {y}\n"
        + _tangent_source(row, one, " " * 8, fallback)
        + "        if t == t:\n            return FloatDual(r, t, self.space)\n"
        f"    return {fallback}\n"
    )
    return _compile(name, source, {"row": row, "op": BINARY[name.strip("_").removeprefix("r")][1]})


def _unary_source(row: Row, value: str, fallback: str, indent: str = "    ") -> str:
    return (
        f"{indent}r = {value}\n"
        + _tangent_source(row, {0: "d.raw"}, indent, fallback)
        + f"{indent}if t == t:\n{indent}    return FloatDual(r, t, d.space)\n{indent}return {fallback}\n"
    )


def _unary_operator(row: Row, op: Callable[..., Any]) -> Callable[..., Any]:
    source = "def function(d):\n    x = d.value\n" + _unary_source(row, "op(x)", "apply(row, op, d)")
    return _compile(row.name, source, {"row": row, "op": op})


def _unary_ufunc(row: Row) -> Callable[..., Any]:
    source = "def function(d):\n    x = d.value\n" + _unary_source(row, "op(x)", "apply(row, op, d)")
    return _compile(row.name, source, {"row": row, "op": row.ufunc})


def _public_unary(row: Row) -> Callable[..., Any]:
    value = _MATH[row.name]
    source = (
        "def function(d, /):\n"
        "    kind = type(d)\n"
        "    if kind is FloatDual and type(d.value) is float:\n"
        "        x = d.value\n"
        "        try:\n            r = op(x)\n"
        "        except (ArithmeticError, ValueError):\n            r = quiet(x)\n"
        + _unary_source(row, "r", "apply(row, either, d)", " " * 8).split("\n", 1)[1]
        + "    if kind is float or kind is int:\n"
        "        try:\n            return op(d)\n"
        "        except (ArithmeticError, ValueError):\n            return quiet(d)\n"
        "    return ufunc(d)\n"
    )
    quiet = _quiet(row.ufunc)

    def either(x: Any) -> Any:
        if type(x) is not float:
            return row.ufunc(x)
        try:
            return value(x)
        except (ArithmeticError, ValueError):
            return quiet(x)

    return _compile(row.name, source, {"row": row, "op": value, "quiet": quiet, "ufunc": row.ufunc, "either": either})


def _public(row: Row) -> Callable[..., Any]:
    quiet = _quiet(row.ufunc)
    value = _MATH[row.name] if row.math and row.name != "power" else quiet

    def either(*args: Any) -> Any:
        if all(type(a) is float or type(a) is int for a in args):
            try:
                return value(*args)
            except (ArithmeticError, ValueError):
                return quiet(*args)
        return row.ufunc(*args)

    def function(*args: Any) -> Any:
        if len(args) != row.arity:
            raise TypeError(f"{row.name}() takes {row.arity} arguments, {len(args)} given")
        if any(isinstance(a, Dual) for a in args):
            return apply(row, either, *args)
        return either(*args)

    return function


def elementwise_function(name: str) -> Callable[..., Any]:
    """The public function of a row: for floats through ``math``, for arrays and duals through NumPy."""
    row = ROWS[name]
    is_step = row.is_zero or row.text(0) is None
    function = _public(row) if row.arity > 1 or is_step else _public_unary(row)
    function.__name__ = function.__qualname__ = name
    function.__module__ = "dualdiff"
    arguments = ("x", "y", "z")[: row.arity]
    partials = "\n".join(f"    d/d{a} = {text or 0}" for a, text in zip(arguments, row.partials, strict=True))
    function.__doc__ = (
        f"``{name}({', '.join(arguments)})`` elementwise, for numbers, arrays and duals.\n\n"
        f"With r the result,\n\n{partials}\n\n"
        "Python floats go through ``math`` and give inf or nan, without a warning, where ``math`` would raise;\n"
        "everything else goes through NumPy."
    )
    return function


def _general_binary(row: Row, op: Callable[..., Any], reflected: bool) -> Callable[..., Any]:
    if reflected:
        return lambda self, other: apply(row, op, other, self)
    return lambda self, other: apply(row, op, self, other)


def _in_place(row: Row, op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: apply(row, op, self, other, out=self)


def _matmul(reflected: bool) -> Callable[..., Any]:
    if reflected:
        return lambda self, other: np.matmul(other, self)
    return lambda self, other: np.matmul(self, other)


def _comparison(name: str) -> Callable[..., Any]:
    op = getattr(operator, name)

    def method(self: AnyDual, other: Any) -> Any:
        if isinstance(other, AnyDual):
            other = other.value
        elif isinstance(other, (str, bytes, type(None))) or callable(other):
            return NotImplemented
        return op(self.value, other)

    return method


def _float_comparison(name: str) -> Callable[..., Any]:
    symbol = {"lt": "<", "le": "<=", "eq": "==", "ne": "!=", "gt": ">", "ge": ">="}[name]
    source = (
        "def function(self, other):\n"
        f"    return self.value {symbol} (other.value if isinstance(other, AnyDual) else other)\n"
    )
    return _compile(name, source, {"AnyDual": AnyDual})


def _ufunc_call(row: Row) -> Callable[..., Any]:
    return partial(apply, row, row.ufunc)


def install() -> None:
    """Put the operators on the classes, and the rows under their ufuncs."""
    for name, row in ROWS.items():
        if isinstance(row.ufunc, np.ufunc):
            UFUNCS[row.ufunc, "__call__"] = _ufunc_call(row)
            if row.arity == 1 and name != "sign":
                FLOAT_UFUNCS[row.ufunc] = _Lazy(row)
    for name, (row_name, op) in BINARY.items():
        row = ROWS[row_name]
        setattr(AnyDual, f"__{name}__", _general_binary(row, op, False))
        setattr(AnyDual, f"__r{name}__", _general_binary(row, op, True))
        setattr(DualArray, f"__i{name}__", _in_place(row, op))
        setattr(FloatDual, f"__{name}__", _binary(name, row, SYMBOLS[name], False))
        setattr(FloatDual, f"__r{name}__", _binary("r" + name, row, SYMBOLS[name], True))
    for prefix in "", "r":
        setattr(AnyDual, f"__{prefix}matmul__", _matmul(bool(prefix)))
    DualArray.__imatmul__ = lambda self, other: np.matmul(self, other, out=self)  # type: ignore[attr-defined]
    for name, (row_name, op) in UNARY.items():
        row = ROWS[row_name]
        setattr(AnyDual, f"__{name}__", partial_method(row, op))
        setattr(FloatDual, f"__{name}__", _unary_operator(row, op))
    for name in COMPARISONS:
        setattr(AnyDual, f"__{name}__", _comparison(name))
        setattr(FloatDual, f"__{name}__", _float_comparison(name))


def partial_method(row: Row, op: Callable[..., Any]) -> Callable[..., Any]:
    """A unary operator for duals in general."""
    return lambda self: apply(row, op, self)


class _Lazy:
    """The fast function of a unary ufunc, built when it is first called."""

    def __init__(self, row: Row) -> None:
        self.row = row

    def __call__(self, d: FloatDual) -> Any:
        fast = FLOAT_UFUNCS[self.row.ufunc] = _unary_ufunc(self.row)
        return fast(d)
