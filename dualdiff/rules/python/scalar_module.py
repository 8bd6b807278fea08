"""The source of the compiled scalar core, ``dualdiff.base.scalars``, written from the table.

``python -m dualdiff.rules.python.scalar_module`` prints it.  A build with ``DUALDIFF_COMPILE=1`` compiles it by mypyc;
without it, `dualdiff.rules.python.floats` generates functions with the same results when they are first called.

A rule computes the value r and the partials as C doubles, and leaves the tangents to two methods of the classes,
``chained`` and ``chained_twice``.  These return None if a tangent is NaN.  That case, partials that raise, and operands
of other types are left to the interpreted core.
"""

from __future__ import annotations

import ast
from hashlib import sha256

from dualdiff.rules.numpy.elementwise.table import CONSTANTS, ROWS
from dualdiff.rules.python.operators import BINARY, COMPARISONS, SYMBOLS, UNARY, UNARY_UFUNCS
from dualdiff.rules.writing.expressions import branched, spelled_out
from dualdiff.rules.writing.rows import Row

#: Up to this number of directions there are compiled classes.
WIDTHS = 8

_HEADER = '''\
"""The compiled scalar core, written by `dualdiff.rules.python.scalar_module`: change that, or the table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr

float64: Final[Any] = np.float64
#: The smallest normal float: NumPy reports underflow only below it.
TINY: Final = 2.2250738585072014e-308
#: Integers up to this size are floats without rounding.
EXACT: Final = 9007199254740992
'''

_CLASSES = '''

class Core:
    """What the interpreted core provides; it sets these when it is imported."""

    class_of: Any = None
    unhashable: Any = None
    complete: Any = None
    rows: Any = None
    general: Any = None
    either: Any = None
    functions: Any = None


core: Final = Core()


def is_normal(r: float) -> bool:
    """Whether NumPy has nothing to report about a product or quotient."""
    return TINY <= r <= 1.7976931348623157e308 or -TINY >= r >= -1.7976931348623157e308


def is_finite(r: float) -> bool:
    return -1.7976931348623157e308 <= r <= 1.7976931348623157e308


def usual_power(x: float, y: float) -> float:
    """``x**y`` as Python computes it; 0 where that is special, or not a normal float."""
    if not is_finite(x) or not is_finite(y) or x == 0.0 or (x < 0.0 and y != math.floor(y)):
        return 0.0
    try:
        r = math.pow(abs(x), y)
    except (ArithmeticError, ValueError):
        return 0.0
    if not is_normal(r):
        return 0.0
    return -r if x < 0.0 and y % 2.0 == 1.0 else r


def power(x: Any, y: Any) -> float:
    """``x**y``; raises what Python raises, and TypeError where the power is complex."""
    r = usual_power(x, y)
    return x**y if r == 0.0 else r


def completed(name: str, operands: Any, r: float, is_wide: bool) -> Any:
    """The dual of value r, by the interpreted core."""
    return core.complete(core.rows[name], operands, float64(r) if is_wide else r)


@mypyc_attr(allow_interpreted_subclasses=True)
class AnyDual:
    """The base of all duals; `dualdiff.core.dual` adds its methods."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return core.class_of(self)

    def __neg__(self) -> Any:
        """Makes room for operators, which are added to the class later."""
        # A native class has slots for operators only if it is compiled with one; `base.native` takes this one away.
        raise NotImplementedError("the operators of duals are those of dualdiff.core.dual")


@mypyc_attr(allow_interpreted_subclasses=True)
class Dual(AnyDual):
    """A dual scalar of any tangent space."""

    _value: Any = None
    _raw: Any = None
    space: Any = None

    def __neg__(self) -> Any:
        """As that of the base."""
        # Taken away in the same way: slots are not inherited.
        raise NotImplementedError("the operators of duals are those of dualdiff.core.dual")

    @property
    def value(self) -> Any:
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value = value

    @property
    def raw(self) -> Any:
        return self._raw

    @raw.setter
    def raw(self, raw: Any) -> None:
        self._raw = raw


class Scalar(Dual):
    """A dual of a float whose tangent is made of floats.

    The value is ``v``; ``is_wide`` says whether it is a `numpy.float64`.  Objects are made of value and tangent when
    somebody asks for them, and kept: a tangent that is the same object twice is known to be the same.
    """

    v: float = 0.0
    is_wide: bool = False

    @property
    def value(self) -> Any:
        if self._value is None:
            self._value = float64(self.v) if self.is_wide else self.v
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self.v = float(value)
        self._value = value

    def __hash__(self) -> int:
        raise TypeError(core.unhashable)

    def chained(self, r: float, c: float, is_wide: bool) -> Any:
        """The dual of value r and tangent c times mine; None if that is NaN."""
        # Abstract, for the type checker that mypyc compiles with: each class below defines it for its directions.
        raise NotImplementedError("chained")

    def chained_twice(self, r: float, c: float, other: Any, d: float, is_wide: bool) -> Any:
        """The dual of value r and tangent c times mine plus d times the other's; None if that is NaN."""
        # As `chained`.
        raise NotImplementedError("chained_twice")

    def constant(self, r: float, is_wide: bool) -> Any:
        """The dual of value r and tangent zero."""
        # As `chained`.
        raise NotImplementedError("constant")

'''


def source() -> str:
    """The module."""
    used: set[str] = set()
    parts = [_HEADER + "".join(f"{name}: Final = {_literal(value)}\n" for name, value in CONSTANTS.items()) + _CLASSES]
    for name, (row_name, _) in BINARY.items():
        parts += [_binary(name, ROWS[row_name], used), _reflected(name, ROWS[row_name], used)]
    parts += [_operator(name, ROWS[row_name]) for name, (row_name, _) in UNARY.items()]
    parts += [_comparison(name, symbol) for name, symbol in COMPARISONS.items()]
    parts += [_classes(n) for n in range(WIDTHS + 1)]
    public = [row for row in ROWS.values() if row.arity == 1 and row.partials[0] is not None]
    ufuncs = [row for row in UNARY_UFUNCS if ROWS.get(row.name) is row]
    parts += [_function(row, used) for row in {row.name: row for row in (*public, *ufuncs)}.values()]
    parts += [*map(_public, public), *map(_ufunc, ufuncs), _tables(public, ufuncs)]
    text = "\n".join(parts)
    digest = sha256(text.encode()).hexdigest()[:16]
    return f'{text}#: Tells a module that was compiled from an older table.\nDIGEST: Final = "{digest}"\n'


def _literal(value: float) -> str:
    return "math.inf" if value == float("inf") else repr(value)


def _indented(text: str, by: int = 4) -> str:
    pad = " " * by
    return "".join(f"{pad}{line}\n" for line in text.splitlines())


class _Typed(ast.NodeTransformer):
    """Turns a partial for scalars into an expression of C doubles."""

    def __init__(self, used: set[str]) -> None:
        self.used = used

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(float(node.value))

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow):
            return ast.Call(ast.Name("power"), [node.left, node.right], [])
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = ast.unparse(node.func)
        called = "abs" if name == "absolute" else _called(ROWS[name], self.used)
        # Functions that ``math`` does not have may take integers, such as the order of a derivative.
        is_number = called.startswith(("abs", "math."))
        args = [a if isinstance(a, ast.Constant) and not is_number else self.visit(a) for a in node.args]
        return ast.Call(ast.Name(called), args, [])


def _partial(row: Row, argument: str, used: set[str]) -> str:
    """A partial as an expression of floats; the functions that ``math`` does not have are added to ``used``."""
    text = row.partials["xy".index(argument)] or "0"
    return ast.unparse(_Typed(used).visit(branched(spelled_out(text, row.names))))


def _called(row: Row, used: set[str]) -> str:
    """How a function of floats is called."""
    if row.math:
        return f"math.{row.math}"
    used.add(row.name)
    return f"core.functions[{row.name!r}]"


#: For each operator the source of the value r of floats x and y, and what to check if it is NumPy's.
_VALUES = {
    "add": ("r = x + y", "not is_finite(r)"),
    "sub": ("r = x - y", "not is_finite(r)"),
    "mul": ("r = x * y", "not (is_normal(r) or x == 0.0 == r or y == 0.0 == r)"),
    "truediv": ("r = x / y", "not (is_normal(r) or x == 0.0 == r)"),
}


def _value(name: str, mine: str, theirs: str, fallback: str) -> str:
    """Source that computes the value r as Python, or NumPy if ``is_wide``, computes it."""
    symbol = SYMBOLS[name]
    again = f"{mine} {symbol} {theirs}"
    if name in _VALUES:
        value, suspicious = _VALUES[name]
        check = f"if is_wide and {suspicious}:\n    # With NumPy's warnings.\n    r = float({again})\n"
        return (f"if y == 0.0:\n    return {fallback}\n" if name == "truediv" else "") + f"{value}\n{check}"
    check = f"value = {again}\nif type(value) is not (float64 if is_wide else float):\n"
    check += f"    return {fallback}\nr = float(value)\n"
    if name != "pow":
        return check
    return f"r = 0.0 if is_wide else usual_power(x, y)\nif r == 0.0:\n{_indented(check)}"


def _assigned(partials: dict[str, str], fallback: str) -> str:
    """Source that assigns the partials, and calls the interpreted core if one of them raises."""
    lines = "".join(f"{name} = {source}\n" for name, source in partials.items())
    if not any(sign in source for source in partials.values() for sign in ("/", "**", "(")):
        return lines
    return f"try:\n{_indented(lines)}except (ArithmeticError, ValueError, TypeError):\n    return {fallback}\n"


def _chained(row: Row, active: str, used: set[str], fallback: str) -> str:
    """Source that computes the dual from r; ``active`` names the arguments with a tangent, that of self first."""
    if row.kind == "zero" or all(row.partials["xy".index(a)] is None for a in active):
        return "return self.constant(r, is_wide)\n"
    names = dict(zip("cd", (_partial(row, a, used) for a in active), strict=False))
    call = "self.chained_twice(r, c, it, d, is_wide)" if len(active) == 2 else "self.chained(r, c, is_wide)"
    return _assigned(names, fallback) + f"result = {call}\nreturn {fallback} if result is None else result\n"


_FLOATS = "x: float\ny: float\nc: float\nd: float\n"
_RESULT = "r: float\nvalue: Any\n"


def _plain(variable: str, name: str, general: str) -> str:
    """Source that converts an operand that is not a dual to a float."""
    # Most partials are of floats in any case; ``1 / y``, ``y - 1`` and the logarithm of x are not.
    is_converted = name in ("add", "sub", "mul") or (variable == "x" and name != "pow")
    check = "" if is_converted else f"    if not -EXACT <= n <= EXACT:\n        return {general}\n"
    return (
        f"kind = type(other)\nif kind is float:\n    {variable} = other\nelif kind is int:\n    n: int = other\n"
        f"{check}    {variable} = float(n)\n"
        f"elif kind is float64:\n    {variable} = float(other)\n    is_wide = True\nelse:\n    return {general}\n"
    )


def _binary(name: str, row: Row, used: set[str]) -> str:
    """The operator with self on the left."""
    general = f'core.general["{name}"](self, other)'
    fallback = f'completed("{row.name}", (self, other), r, is_wide)'
    raising = general if name in ("truediv", "pow", "mod", "floordiv") else fallback
    two = _value(name, "self.value", "it.value", raising) + _chained(row, "xy", used, fallback)
    one = _value(name, "self.value", "other", raising) + _chained(row, "x", used, fallback)
    body = (
        f"{_FLOATS}{_RESULT}x = self.v\nis_wide = self.is_wide\nif isinstance(other, Scalar):\n    it: Scalar = other\n"
        f"    if it.space is not self.space:\n        return {general}\n    y = it.v\n"
        f"    is_wide = is_wide or it.is_wide\n{_indented(two)}{_plain('y', name, general)}{one}"
    )
    return f"    def __{name}__(self, other: Any) -> Any:\n{_indented(body, 8)}"


def _reflected(name: str, row: Row, used: set[str]) -> str:
    """The operator with self on the right of an operand that is not a dual."""
    general = f'core.general["r{name}"](self, other)'
    fallback = f'completed("{row.name}", (other, self), r, is_wide)'
    value = _value(name, "other", "self.value", general)
    body = f"{_FLOATS}{_RESULT}y = self.v\nis_wide = self.is_wide\n{_plain('x', name, general)}{value}"
    body += _chained(row, "y", used, fallback)
    return f"    def __r{name}__(self, other: Any) -> Any:\n{_indented(body, 8)}"


def _operator(name: str, row: Row) -> str:
    """An operator of one operand."""
    value = {"neg": "-x", "pos": "x", "abs": "abs(x)"}[name]
    fallback = f'completed("{row.name}", (self,), r, is_wide)'
    body = f"{_FLOATS}{_RESULT}x = self.v\nis_wide = self.is_wide\nr = {value}\n" + _chained(row, "x", set(), fallback)
    return f"    def __{name}__(self) -> Any:\n{_indented(body, 8)}"


def _comparison(name: str, symbol: str) -> str:
    body = (
        "if not self.is_wide:\n    if isinstance(other, Scalar):\n        it: Scalar = other\n"
        f"        if not it.is_wide:\n            return self.v {symbol} it.v\n"
        f"    elif type(other) is float:\n        y: float = other\n        return self.v {symbol} y\n"
        f'return self.value {symbol} (getattr(other, "value") if isinstance(other, AnyDual) else other)\n'
    )
    return f"    def __{name}__(self, other: Any) -> Any:\n{_indented(body, 8)}"


def _classes(lanes: int) -> str:
    """The classes of a number of directions; 0: one direction, whose tangent is a float."""
    count, suffix = max(lanes, 1), str(lanes or "")
    each = [f"t{i}" for i in range(count)]
    fields = "".join(f"    {t}: float = 0.0\n" for t in each)
    raw = "(" + "".join(f"self.{t}, " for t in each) + ")" if lanes else "self.t0"
    store = (
        "".join(f"        self.{t} = float(raw[{i}])\n" for i, t in enumerate(each))
        if lanes
        else "        self.t0 = float(raw)\n"
    )
    filled = "".join(f"        n.{t} = {t}\n" for t in each)
    is_nan = f"{' + '.join(each)} " + "!= " + " + ".join(each)

    def method(signature: str, before: str, tangents: str, check: bool) -> str:
        body = before + "".join("        " + tangents.format(t=t) + "\n" for t in each)
        if check:
            body += f"        if {is_nan}:\n            return None\n"
        return (
            f"    def {signature} -> Any:\n{body}"
            f"        n: Lanes{suffix} = Float64Dual{suffix}() if is_wide else FloatDual{suffix}()\n"
            f"        n.v = r\n        n.space = self.space\n{filled}        return n\n"
        )

    methods = [
        method("chained(self, r: float, c: float, is_wide: bool)", "", "{t} = c * self.{t}", True),
        method(
            "chained_twice(self, r: float, c: float, other: Any, d: float, is_wide: bool)",
            f"        it: Lanes{suffix} = other\n",
            "{t} = c * self.{t} + d * it.{t}",
            True,
        ),
        method("constant(self, r: float, is_wide: bool)", "", "{t} = 0.0", False),
    ]
    return f'''
class Lanes{suffix}(Scalar):
    """{f"{lanes} directions" if lanes else "One direction"}."""

{fields}
    @property
    def raw(self) -> Any:
        if self._raw is None:
            self._raw = {raw}
        return self._raw

    @raw.setter
    def raw(self, raw: Any) -> None:
{store}        self._raw = raw

{chr(10).join(methods)}

@final
@mypyc_attr(free_list_len=1)
class FloatDual{suffix}(Lanes{suffix}):
    """A dual of a Python float."""


@final
@mypyc_attr(free_list_len=1)
class Float64Dual{suffix}(Lanes{suffix}):
    """A dual of a `numpy.float64`."""

    is_wide: bool = True

'''


def _function(row: Row, used: set[str]) -> str:
    """The chain rule of a function of one argument."""
    fallback = f'completed("{row.name}", (self,), r, is_wide)'
    body = f"{_FLOATS}x = self.v\n" + _chained(row, "x", used, fallback)
    return f"def of_{row.name}(self: Scalar, r: float, is_wide: bool) -> Any:\n{_indented(body)}\n"


def _public(row: Row) -> str:
    """The public function of a dual of a Python float."""
    value = f"math.{row.math}(self.v)" if row.math else f'core.functions["{row.name}"](self.v)'
    return (
        f"def {row.name}(self: Scalar) -> Any:\n    r: float\n    try:\n        r = {value}\n"
        f'    except (ArithmeticError, ValueError):\n        r = core.either("{row.name}")(self.v)\n'
        f"    return of_{row.name}(self, r, False)\n\n"
    )


def _ufunc(row: Row) -> str:
    """The ufunc of a dual; NumPy computes the value."""
    return (
        f"def np_{row.name}(self: Scalar) -> Any:\n    r = float(np.{row.name}(self.v))\n"
        f"    return of_{row.name}(self, r, True)\n\n"
    )


def _tables(public: list[Row], ufuncs: list[Row]) -> str:
    functions = "".join(f'    "{row.name}": {row.name},\n' for row in public)
    of_ufuncs = "".join(f"    np.{row.name}: np_{row.name},\n" for row in ufuncs)
    classes = "".join(
        f'    ("{name}", {n}): {name}{n or ""},\n' for n in range(WIDTHS + 1) for name in ("FloatDual", "Float64Dual")
    )
    return (
        f"#: The public functions of duals of Python floats.\nFUNCTIONS: Final[dict[str, Any]] = {{\n{functions}}}\n"
        f"#: Ufuncs of duals of floats.\nUFUNCS: Final[dict[Any, Any]] = {{\n{of_ufuncs}}}\n"
        "#: The classes by name and number of directions; 0: one direction, whose tangent is a float.\n"
        "CLASSES: Final[dict[tuple[str, int], Any]] = {\n"
        f'    ("AnyDual", 0): AnyDual,\n    ("Dual", 0): Dual,\n{classes}}}\n'
    )


if __name__ == "__main__":
    print(source(), end="")
