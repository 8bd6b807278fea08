"""The engine of Python floats: functions of float duals, written out from the texts of the table.

An operation costs a few Python instructions and makes no array.  The value is computed exactly as Python (or NumPy's
scalar) would; every case that is not plain (other spaces, nested duals, a partial that raises or is NaN) is left to
`dualdiff.core.elementwise`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from dualdiff.core.dual import AnyDual, Float64Dual, FloatDual
from dualdiff.core.elementwise import apply, complete
from dualdiff.rules.elementwise import CONSTANTS, ROWS
from dualdiff.rules.table import NAMES, Row


def _quiet(function: Any) -> Callable[..., Any]:
    """A NumPy function on floats as ``math`` has them, except that it never raises or warns."""

    def quiet(*args: float) -> float:
        with np.errstate(all="ignore"):
            return float(function(*args))

    return quiet


class _Functions(dict[str, Any]):
    """The functions that partials name, for Python floats; those of rows when they are first asked for."""

    def __missing__(self, name: str) -> Any:
        row = ROWS[name]
        self[name] = getattr(math, row.math) if row.math else _quiet(row.ufunc)
        return self[name]


MATH = _Functions(CONSTANTS, absolute=abs)

_NAMES = {
    "AnyDual": AnyDual,
    "Float64Dual": Float64Dual,
    "FloatDual": FloatDual,
    "apply": apply,
    "complete": complete,
    "float64": np.float64,
    **CONSTANTS,
}


def compiled(name: str, source: str, **names: Any) -> Callable[..., Any]:
    """The function called ``function`` in the source, with the functions of rows that it names."""
    found = {**_NAMES, **names}
    exec(compile(source, f"<dualdiff {name}>", "exec"), found)
    function = found["function"]
    found |= {used: MATH[used] for used in function.__code__.co_names if used in ROWS and used not in found}
    return function  # type: ignore[no-any-return]


def _finish(row: Row, tangents: dict[str, str], numpy: set[str], result: str, operands: str, pad: str) -> str:
    """Source for the tangent of a value r, and for the return.

    ``tangents`` says which tangent goes with which argument, ``numpy`` which of x, y, r are NumPy's and have to become
    Python floats, so that partials neither warn nor leave the fast arithmetic.
    """
    from dualdiff.rules.texts import ARGUMENTS, expression, names_in

    terms, used = [], set()
    for argument, t in tangents.items():
        text = row.partials[ARGUMENTS.index(argument)]
        if text is not None:
            used |= names_in(text)
            factor = text if text.isidentifier() else f"({expression(text)})"
            terms.append({"1": t, "-1": f"-{t}"}.get(text) or f"{factor} * {t}")
    lines = [f"{name} = float({name})" for name in ("x", "y") if name in used & numpy]
    if "r" in used & numpy:
        # The result is still needed as NumPy gave it.
        lines.append("s = float(r)")
        terms = [re.sub(r"\br\b", "s", term) for term in terms]
    lines.append("t = " + (" + ".join(terms) or "0.0"))
    fallback = f"complete(row, ({operands}), r)"
    if used - {"x", "y", "z", "r"} or any(sign in "".join(terms) for sign in ("/", "**")):
        lines = ["try:", *(f"    {line}" for line in lines), "except (ArithmeticError, ValueError):"]
        lines.append(f"    return {fallback}")
    made = (f"n = {result}()", "n.value = r", "n.raw = t", "n.space = space", "return n")
    lines += ["if t == t:", *(f"    {line}" for line in made), f"return {fallback}"]
    return "".join(f"{pad}{line}\n" for line in lines)


#: What a float dual meets: how it is told, whether it is a dual, whether its value is NumPy's.
_PARTNERS = (
    ("kind is {own} and other.space is space", True, None),
    ("kind is float or kind is int", False, False),
    ("kind is {other} and other.space is space", True, None),
    ("kind is float64", False, True),
)


def binary(
    name: str, row: Row, general: Callable[..., Any], symbol: str, own: type, reflected: bool
) -> Callable[..., Any]:
    """An operator of float duals of the class ``own``; reflected, the other operand stands on the left.

    ``general`` is the operator of all duals, for other operands than floats.
    """
    own_numpy = own is Float64Dual
    classes = {"own": own.__name__, "other": (FloatDual if own_numpy else Float64Dual).__name__}
    me, it = ("y", "x") if reflected else ("x", "y")
    operands = "other, self" if reflected else "self, other"
    body = ""
    for condition, is_dual, is_numpy in _PARTNERS:
        if is_dual and reflected:
            continue
        if is_numpy is None:
            is_numpy = own_numpy if "{own}" in condition else not own_numpy
        result_numpy = own_numpy or is_numpy
        body += f"    if {condition.format(**classes)}:\n"
        body += f"        {me} = self.value\n        {it} = other{'.value' if is_dual else ''}\n"
        body += f"        r = x {symbol} y\n"
        if symbol == "**":
            # Python gives a complex number for a negative base.
            expected = "float64" if result_numpy else "float"
            body += f"        if type(r) is not {expected}:\n            return complete(row, ({operands}), r)\n"
        tangents = {me: "self.raw"} | ({it: "other.raw"} if is_dual else {})
        numpy = ({me} if own_numpy else set()) | ({it} if is_numpy else set()) | ({"r"} if result_numpy else set())
        result = (Float64Dual if result_numpy else FloatDual).__name__
        body += _finish(row, dict(sorted(tangents.items())), numpy, result, operands, " " * 8)
    source = (
        f"def function(self, other):\n    kind = type(other)\n    space = self.space\n{body}"
        "    return general(self, other)\n"
    )
    return compiled(name, source, row=row, general=general)


def unary(row: Row, op: Callable[..., Any], own: type) -> Callable[..., Any]:
    """An operator of one float dual of the class ``own``."""
    numpy = {"x", "r"} if own is Float64Dual else set()
    source = "def function(d):\n    space = d.space\n    x = d.value\n    r = op(x)\n" + _finish(
        row, {"x": "d.raw"}, numpy, own.__name__, "d,", "    "
    )
    return compiled(row.name, source, row=row, op=op)


def of_ufunc(row: Row, own: type) -> Callable[..., Any]:
    """A unary ufunc of float duals of the class ``own``: NumPy gives the value."""
    numpy = {"x", "r"} if own is Float64Dual else {"r"}
    source = "def function(d):\n    space = d.space\n    x = d.value\n    r = op(x)\n" + _finish(
        row, {"x": "d.raw"}, numpy, "Float64Dual", "d,", "    "
    )
    return compiled(row.name, source, row=row, op=row.ufunc, **_named(row))


def _named(row: Row) -> dict[str, Any]:
    """What the partial of a row of another table names, for Python floats."""
    if row.names is NAMES or row.is_zero:
        return {}
    from dualdiff.rules.texts import names_in

    found = {name: row.names[name] for name in names_in(row.partials[0] or "0") if name in row.names}
    return {name: _as_item(f) if callable(f) else f for name, f in found.items()}


def _as_item(function: Any) -> Callable[..., Any]:
    """A function of numbers that returns one of Python's, real or complex, and never warns."""

    def quiet(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            found = function(*args)
        return found.item() if isinstance(found, (np.generic, np.ndarray)) else found

    return quiet


def comparison(name: str, symbol: str) -> Callable[..., Any]:
    """A comparison of a float dual by value."""
    return compiled(
        name,
        "def function(self, other):\n"
        f"    return self.value {symbol} (other.value if isinstance(other, AnyDual) else other)\n",
    )


@cache
def public(name: str) -> Callable[..., Any]:
    """The public function of a row: for floats through ``math``, for arrays and duals through NumPy."""
    row = ROWS[name]
    function = _public_unary(row) if row.arity == 1 and row.partials[0] is not None else _public(row)
    function.__name__ = function.__qualname__ = name
    function.__module__ = "dualdiff"
    arguments = ("x", "y", "z")[: row.arity]
    partials = "\n".join(f"    d/d{a} = {text or 0}" for a, text in zip(arguments, row.partials, strict=True))
    function.__doc__ = (
        f"``{name}({', '.join(arguments)})`` elementwise, for numbers, arrays and duals.\n\n"
        + (f"{row.definition}\n\n" if row.definition else "")
        + f"With r the result,\n\n{partials}\n\n"
        "Python floats go through ``math`` and give inf or nan, without a warning, where ``math`` would raise;\n"
        "everything else goes through NumPy."
    )
    return function


def _either(row: Row) -> Callable[..., Any]:
    """The value: through ``math`` for Python's numbers, else through NumPy."""
    quiet = _quiet(row.ufunc)
    value = quiet if row.math is None or row.name == "power" else MATH[row.name]

    def either(*args: Any) -> Any:
        if not all(type(a) is float or type(a) is int for a in args):
            # Duals of outer calls take their values from ``math`` too.
            return apply(row, either, *args) if any(isinstance(a, AnyDual) for a in args) else row.ufunc(*args)
        try:
            return value(*args)
        except (ArithmeticError, ValueError):
            return quiet(*args)

    return either


def _public_unary(row: Row) -> Callable[..., Any]:
    source = (
        "def function(x, /):\n    kind = type(x)\n"
        "    if kind is FloatDual:\n        d = x\n        space = d.space\n        x = d.value\n"
        "        try:\n            r = op(x)\n"
        "        except (ArithmeticError, ValueError):\n            r = either(x)\n"
        + _finish(row, {"x": "d.raw"}, set(), "FloatDual", "d,", " " * 8)
        + "    if kind is float or kind is int:\n        try:\n            return op(x)\n"
        "        except (ArithmeticError, ValueError):\n            return either(x)\n"
        "    if isinstance(x, AnyDual):\n        return apply(row, either, x)\n"
        "    return ufunc(x)\n"
    )
    return compiled(row.name, source, row=row, op=MATH[row.name], ufunc=row.ufunc, either=_either(row))


def _public(row: Row) -> Callable[..., Any]:
    either = _either(row)

    def function(*args: Any) -> Any:
        if len(args) != row.arity:
            raise TypeError(f"{row.name}() takes {row.arity} arguments, {len(args)} given")
        return either(*args)

    return function
