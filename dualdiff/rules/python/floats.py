"""The engine of Python floats: source of functions of float duals, generated from the texts of the table.

An operation costs a few Python instructions and allocates no array, along one direction or several.  The value is
computed exactly as Python (or a NumPy scalar) computes it.  `dualdiff.core.application` handles all other cases (other
spaces, nested duals, a partial that raises or is NaN).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from dualdiff.base import native
from dualdiff.core.application import apply, complete
from dualdiff.core.dual import AnyDual, FloatDual
from dualdiff.rules.numpy.elementwise.table import CONSTANTS, ROWS
from dualdiff.rules.writing.rows import NAMES, Row


def _quiet(function: Any) -> Callable[..., Any]:
    """A NumPy function of floats that returns a Python float, as those of ``math``, but never raises or warns."""

    def quiet(*args: float) -> float:
        with np.errstate(all="ignore"):
            return float(function(*args))

    return quiet


class _Functions(dict[str, Any]):
    """The functions that partials name, for Python floats; those of rows are looked up on first use."""

    def __missing__(self, name: str) -> Any:
        if name in ROWS:
            row = ROWS[name]
            self[name] = getattr(math, row.math) if row.math else _quiet(row.ufunc)
        else:
            self[name] = _of_definition(NAMES[name])
        return self[name]


def _of_definition(function: Callable[..., Any]) -> Callable[..., Any]:
    """A definition without partials, for Python floats, in NumPy's arithmetic: a negative base gives nan."""
    return _quiet(lambda *args: function(*map(np.float64, args)))


MATH = _Functions(CONSTANTS, absolute=abs)

_NAMES = {
    "AnyDual": AnyDual,
    "complete": complete,
    "float64": np.float64,
    **CONSTANTS,
}


def compiled(name: str, source: str, **names: Any) -> Callable[..., Any]:
    """The function named ``function`` in the source, which may use the functions of rows by name."""
    namespace = {**_NAMES, **names}
    exec(compile(source, f"<dualdiff {name}>", "exec"), namespace)
    function = namespace["function"]
    namespace |= {used: MATH[used] for used in function.__code__.co_names if used in NAMES and used not in namespace}
    return function  # type: ignore[no-any-return]


def _finish(
    row: Row, tangents: dict[str, str], numpy: set[str], result: str, operands: str, pad: str, lanes: int | None
) -> str:
    """Source that computes the tangent of a value r and returns the dual.

    ``tangents`` maps arguments to the source of their tangents.  ``numpy`` has those of x, y, r that are NumPy scalars:
    they are converted to Python floats, so that partials do not warn and stay fast.
    """
    from dualdiff.rules.writing.expressions import ARGUMENTS, expression, names_in, spelled_out

    factors, used = [], set()
    for argument, t in tangents.items():
        text = row.partials[ARGUMENTS.index(argument)]
        if text is not None:
            text = spelled_out(text, row.names)
            used |= names_in(text)
            factors.append((text, text if text.isidentifier() else f"({expression(text)})", t))
    if "r" in used & numpy:
        # The NumPy result itself is returned.
        factors = [(text, re.sub(r"\br\b", "s", factor), t) for text, factor, t in factors]
    before = [f"{name} = float({name})" for name in ("x", "y") if name in used & numpy]
    before += ["s = float(r)"] if "r" in used & numpy else []
    lines = [*before, *_tangent(factors, lanes)]
    fallback = f"complete(row, ({operands}), r)"
    if used - {"x", "y", "z", "r"} or any(sign in factor for _, factor, _ in factors for sign in ("/", "**")):
        lines = ["try:", *(f"    {line}" for line in lines), "except (ArithmeticError, ValueError):"]
        lines.append(f"    return {fallback}")
    made = (f"n = {result}()", "n.value = r", "n.raw = t", "n.space = space", "return n")
    lines += ["if z == z:" if lanes else "if t == t:", *(f"    {line}" for line in made), f"return {fallback}"]
    return "".join(f"{pad}{line}\n" for line in lines)


def _tangent(factors: list[tuple[str, str, str]], lanes: int | None) -> list[str]:
    """Source that computes the tangent t, and for several directions z, which is NaN if an element of t is."""
    if not lanes:
        terms = [{"1": t, "-1": f"-{t}"}.get(text) or f"{factor} * {t}" for text, factor, t in factors]
        return ["t = " + (" + ".join(terms) or ("space.zero" if lanes is None else "0.0"))]
    lines, sums = [], [""] * lanes
    for name, (text, factor, t) in zip("pqu", factors, strict=False):
        lines.append("".join(f"{name}{i}, " for i in range(lanes)) + f"= {t}")
        if text not in ("1", "-1"):
            lines.append(f"{name} = {factor}")
        for i in range(lanes):
            term = {"1": f"{name}{i}", "-1": f"-{name}{i}"}.get(text) or f"{name} * {name}{i}"
            sums[i] += f" + {term}" if sums[i] else term
    lines += [f"t{i} = {total or '0.0'}" for i, total in enumerate(sums)]
    lines.append("t = (" + "".join(f"t{i}, " for i in range(lanes)) + ")")
    return [*lines, "z = " + " + ".join(f"t{i}" for i in range(lanes))]


#: The tangents of the two operands, in source.
_MINE, _OTHERS = "self.raw", "other.raw"

#: The operands that a float dual may meet: a test, whether it is a dual, whether its value is a NumPy scalar.
_PARTNERS = (
    ("kind is {same} and other.space is space", True, None),
    ("kind is float or kind is int", False, False),
    ("kind is {other} and other.space is space", True, None),
    ("kind is float64", False, True),
)


class Scalars(NamedTuple):
    """The classes of duals of a Python float and of a float64.

    ``lanes`` is the number of directions; with 0 the tangent is a single float, with None an object that has sums and
    multiples.
    """

    FloatDual: type
    Float64Dual: type
    lanes: int | None


def binary(
    name: str, row: Row, general: Callable[..., Any], symbol: str, class_name: str, reflected: bool, scalars: Scalars
) -> Callable[..., Any]:
    """A binary operator of float duals of the class ``class_name``; if reflected, the other operand is on the left.

    ``general`` is the operator of all duals, for operands that are not floats.
    """
    self_numpy = class_name == "Float64Dual"
    classes = {"same": class_name, "other": "FloatDual" if self_numpy else "Float64Dual"}
    me, it = ("y", "x") if reflected else ("x", "y")
    operands = "other, self" if reflected else "self, other"
    body = ""
    for condition, is_dual, is_numpy in _PARTNERS:
        if is_dual and reflected:
            continue
        if is_numpy is None:
            is_numpy = self_numpy if "{same}" in condition else not self_numpy
        result_numpy = self_numpy or is_numpy
        body += f"    if {condition.format(**classes)}:\n"
        body += f"        {me} = self.value\n        {it} = other{'.value' if is_dual else ''}\n"
        body += f"        r = x {symbol} y\n"
        if symbol == "**":
            # Python returns a complex number for a negative base.
            expected = "float64" if result_numpy else "float"
            body += f"        if type(r) is not {expected}:\n            return complete(row, ({operands}), r)\n"
        tangents = {me: _MINE} | ({it: _OTHERS} if is_dual else {})
        numpy = ({me} if self_numpy else set()) | ({it} if is_numpy else set()) | ({"r"} if result_numpy else set())
        result = "Float64Dual" if result_numpy else "FloatDual"
        body += _finish(row, dict(sorted(tangents.items())), numpy, result, operands, " " * 8, scalars.lanes)
    source = (
        f"def function(self, other):\n    kind = type(other)\n    space = self.space\n{body}"
        "    return general(self, other)\n"
    )
    return compiled(name, source, row=row, general=general, **scalars._asdict())


def _of_one(row: Row, numpy: set[str], result: str, pad: str, lanes: int | None) -> str:
    """Source that computes the tangent of a function of the dual self and returns the result."""
    return _finish(row, {"x": _MINE}, numpy, result, "self,", pad, lanes)


def _unary_source(row: Row, numpy: set[str], result: str, lanes: int | None) -> str:
    source = "def function(self):\n    space = self.space\n    x = self.value\n    r = op(x)\n"
    return source + _of_one(row, numpy, result, "    ", lanes)


def unary(row: Row, op: Callable[..., Any], class_name: str, scalars: Scalars) -> Callable[..., Any]:
    """A unary operator of float duals of the class ``class_name``."""
    numpy = {"x", "r"} if class_name == "Float64Dual" else set()
    return compiled(row.name, _unary_source(row, numpy, class_name, scalars.lanes), row=row, op=op, **scalars._asdict())


def of_ufunc(row: Row, class_name: str, scalars: Scalars) -> Callable[..., Any]:
    """A unary ufunc of float duals of the class ``class_name``; NumPy computes the value."""
    source = _unary_source(row, {"x", "r"} if class_name == "Float64Dual" else {"r"}, "Float64Dual", scalars.lanes)
    return compiled(row.name, source, row=row, op=row.ufunc, **scalars._asdict(), **_named(row))


def _named(row: Row) -> dict[str, Any]:
    """The functions that the partial of a row of another table names, for Python floats."""
    if row.names is NAMES or row.kind == "zero":
        return {}
    from dualdiff.rules.writing.expressions import names_in, spelled_out

    used = names_in(spelled_out(row.partials[0] or "0", row.names))
    functions = {name: row.names[name] for name in used if name in row.names}
    return {name: _as_item(f) if callable(f) else f for name, f in functions.items()}


def _as_item(function: Any) -> Callable[..., Any]:
    """A function of scalars that returns a Python float or complex and never warns."""

    def quiet(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            result = function(*args)
        return result.item() if issubclass(type(result), (np.generic, np.ndarray)) else result

    return quiet


def comparison(name: str, symbol: str, scalars: Scalars) -> Callable[..., Any]:
    """A comparison operator of float duals, which compares values."""
    return compiled(
        name,
        "def function(self, other):\n"
        f"    return self.value {symbol} (other.value if isinstance(other, AnyDual) else other)\n",
    )


@cache
def public(name: str) -> Callable[..., Any]:
    """The public function of a row: ``math`` serves Python floats, NumPy arrays and duals."""
    row = ROWS[name]
    function = _public_unary(row) if row.arity == 1 and row.partials[0] is not None else _public(row)
    function.__name__ = function.__qualname__ = name
    function.__module__ = "dualdiff"
    arguments = ("x", "y", "z")[: row.arity]
    partials = "\n".join(f"    d/d{a} = {text or 0}" for a, text in zip(arguments, row.partials, strict=True))
    function.__doc__ = (
        f"``{name}({', '.join(arguments)})`` elementwise, for scalars, arrays and duals.\n\n"
        + (f"{row.definition}\n\n" if row.definition else "")
        + f"With r the result,\n\n{partials}\n\n"
        "Python floats use ``math``, and return inf or nan without a warning where ``math`` would raise;\n"
        "everything else uses NumPy."
    )
    return function


@cache
def value_of(name: str) -> Callable[..., Any]:
    """The value of a row's function: by ``math`` for Python scalars, otherwise by NumPy."""
    row = ROWS[name]
    quiet = _quiet(row.ufunc)
    value = quiet if row.math is None or row.name == "power" else MATH[row.name]

    def function(*args: Any) -> Any:
        if not all(type(a) is float or type(a) is int for a in args):
            # The values of nested duals come from ``math`` too.
            return apply(row, function, *args) if any(isinstance(a, AnyDual) for a in args) else row.ufunc(*args)
        try:
            return value(*args)
        except (ArithmeticError, ValueError):
            return quiet(*args)

    return function


def _public_unary(row: Row) -> Callable[..., Any]:
    """The public function of one argument: generated for floats, and for each class of float duals on first use."""
    op, either = MATH[row.name], value_of(row.name)
    of_duals: dict[type, Callable[..., Any]] = {}
    of_float = native.function(row.name)

    def general(x: Any) -> Any:
        kind = type(x)
        if hasattr(kind, "lanes") and x.space.float_dual is kind:
            scalars = Scalars(kind, x.space.float64_dual, kind.lanes)
            source = "def function(self):\n" + _of_float(row, "    ", scalars.lanes)
            of_duals[kind] = (native.is_compiled(kind) and of_float) or compiled(
                row.name, source, row=row, op=op, either=either, **scalars._asdict()
            )
            return of_duals[kind](x)
        return apply(row, either, x) if isinstance(x, AnyDual) else row.ufunc(x)

    source = (
        "def function(x, /):\n    kind = type(x)\n    if kind is FloatDual:\n"
        + ("        return of_float(x)\n" if of_float else "        self = x\n" + _of_float(row, " " * 8, 0))
        + "    if kind is float or kind is int:\n        try:\n            return op(x)\n"
        "        except (ArithmeticError, ValueError):\n            return either(x)\n"
        "    return of_duals.get(kind, general)(x)\n"
    )
    names = {"op": op, "either": either, "of_float": of_float, "of_duals": of_duals, "general": general}
    return compiled(row.name, source, row=row, FloatDual=FloatDual, **names)


def _of_float(row: Row, pad: str, lanes: int | None) -> str:
    """Source of the public function of a dual of a Python float, named self."""
    lines = ["space = self.space", "x = self.value", "try:", "    r = op(x)"]
    lines += ["except (ArithmeticError, ValueError):", "    r = either(x)"]
    return "".join(f"{pad}{line}\n" for line in lines) + _of_one(row, set(), "FloatDual", pad, lanes)


def _public(row: Row) -> Callable[..., Any]:
    either = value_of(row.name)

    def function(*args: Any) -> Any:
        if len(args) != row.arity:
            raise TypeError(f"{row.name}() takes {row.arity} arguments, {len(args)} given")
        return either(*args)

    return function
