"""Formulas read from text, as straight-line programs that the drivers can differentiate.

`read` converts a text such as ``x**3 + 2*sin(x)`` to a `Program`.  The text is never executed as Python.
First, `_Scanner` checks its tokens from left to right, so that every error is reported at its column.  Then
Python's parser builds the syntax tree, from which `_Compiler` accepts numbers, names, the operators and the
functions of the table, and nothing else.
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

import dualdiff
from dualdiff.rules.numpy.elementwise.table import ROWS

# Far more than anyone writes by hand, and far less than overflows the stack of Python's parser.
MAX_CHARACTERS = 10_000
MAX_OPERATIONS = 1_000
MAX_BRACKETS = 100
MAX_VARIABLES = 100

CONSTANTS = {"pi": math.pi, "π": math.pi, "e": math.e}
BINARY: dict[type[ast.operator], tuple[str, Callable[..., Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.Pow: ("**", operator.pow),
}

#: Common spellings from elsewhere, and the right ones.
MEANT = {
    "^": "**", "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "\u2013": "-", "²": "**2", "³": "**3",
    "[": "(", "]": ")", "{": "(", "}": ")", "|": "abs(x)", "√": "sqrt(x)",
    "%": "remainder(x, y)", "//": "floor_divide(x, y)",
    "max": "maximum", "min": "minimum", "sgn": "sign", "sec": "1/cos", "csc": "1/sin", "cot": "1/tan",
}  # fmt: skip


#: Module prefixes that are not needed before the names of functions.
MODULES = {"math", "np", "numpy", "dualdiff", "dd", "sp", "scipy"}


class Refusal(Exception):
    """A formula cannot be read or evaluated; the message is one line that names the column.

    ``column`` is an index into ``text``, from 0; the message counts columns from 1.
    """

    def __init__(self, problem: str, text: str = "", column: int | None = None, hint: str = "") -> None:
        if column is not None:
            problem = f"column {column + 1}: {problem} in {excerpt(text, column)}"
        super().__init__(f"{problem}; {hint}" if hint else problem)


def excerpt(text: str, column: int = 0, reach: int = 30) -> str:
    """The text in quotes, if it is long only the part around the column; control characters are escaped."""
    start, stop = max(0, column - reach), column + reach
    if len(text) <= 2 * reach:
        return repr(text)
    return repr("..."[: 3 * (start > 0)] + text[start:stop] + "..."[: 3 * (stop < len(text))])


def show(number: float) -> str:
    """The shortest text that represents a number exactly: 33, 0.1, 1e-09."""
    return repr(float(number) + 0.0).removesuffix(".0")  # adding 0.0 makes 0 of -0


# -- programs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A number or constant, with its text in the formula."""

    text: str
    number: float


@dataclass(frozen=True)
class Variable:
    """A variable, whose value is given later."""

    text: str


@dataclass(frozen=True, eq=False)
class Step:
    """One operation: ``text`` names its result, ``symbol`` is an operator or the name of a function.

    The operation is the part ``text[start:end]`` of the formula; ``column`` is where an error is reported.
    """

    text: str
    symbol: str
    compute: Callable[..., Any]
    operands: tuple[Operand, ...]
    column: int
    start: int
    end: int

    @property
    def formula(self) -> str:
        """The operation with the names of its operands: ``v1 + v2``, ``sin(x)``."""
        return self.written([operand.text for operand in self.operands])

    def written(self, operands: list[str]) -> str:
        """The operation on these operands."""
        if self.symbol.isidentifier():
            return f"{self.symbol}({', '.join(operands)})"
        bracketed = [f"({text})" if text.startswith("-") else text for text in operands]
        if len(bracketed) == 1:
            return self.symbol + bracketed[0]
        return (f" {self.symbol} " if self.symbol in "+-" else self.symbol).join(bracketed)


Operand = Number | Variable | Step


@dataclass(frozen=True)
class Program:
    """A formula as steps on earlier results; ``variables`` maps each variable to the column of its first occurrence."""

    text: str
    variables: dict[str, int]
    steps: list[Step]
    result: Operand

    def __call__(self, point: Mapping[str, Any]) -> Any:
        """The value of the formula at a point, a mapping from variables to floats or duals."""
        return self._find(self.result, self.run(point))

    def run(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the variables and of every step, by name and in order.

        Raises
        ------
        Refusal
            If Python's arithmetic raises, or a result is not real.
        """
        values = dict(point)
        for step in self.steps:
            operands = [self._find(operand, values) for operand in step.operands]
            try:
                result = step.compute(*operands)
            except ZeroDivisionError:
                self._refuse(step, operands, "is a division by zero")
            except OverflowError:
                self._refuse(step, operands, "is too large for a float")
            # A function returns NaN where Python's operators raise or return a complex number.
            if issubclass(type(result), complex) or (_is_nan(result) and not any(map(_is_nan, operands))):
                self._refuse(step, operands, "is not a real number")
            values[step.text] = result
        return values

    @staticmethod
    def _find(operand: Operand, values: Mapping[str, Any]) -> Any:
        return operand.number if isinstance(operand, Number) else values[operand.text]

    def _refuse(self, step: Step, operands: list[Any], problem: str) -> NoReturn:
        computed = step.written([show(dualdiff.value(operand)) for operand in operands])
        raise Refusal(f"{computed} {problem}", self.text, step.column) from None


def _is_nan(number: Any) -> bool:
    # By value: a trace would take the comparison for one of the formula.
    return bool((value := dualdiff.value(number)) != value)


# -- reading -----------------------------------------------------------------------------------------------


def function_row(name: str) -> str | None:
    """The name of the row of the table for a function name; None if there is none.

    NumPy's aliases (``abs``, ``asin``, ``pow``) and ``ln`` are accepted.
    """
    # getattr would load modules and warn of deprecated names.
    ufunc = vars(np).get("log" if name == "ln" else name)
    row = ROWS.get(name) or (ROWS.get(ufunc.__name__) if isinstance(ufunc, np.ufunc) else None)
    # All values are floats here, which excludes functions of integers: ldexp, and the rows for the k-th derivatives
    # of other rows.
    if row is None or row.name.endswith("_derivative"):
        return None
    floats = "d" * row.arity + "->"
    takes_floats = not isinstance(row.ufunc, np.ufunc) or any(t.startswith(floats) for t in row.ufunc.types)
    return row.name if takes_floats else None


def functions() -> list[str]:
    """The names of the functions that a formula may use."""
    return sorted(name for name in (*ROWS, "abs", "ln") if function_row(name) and not name.startswith("_"))


def read(text: str, start: int = 0) -> Program:
    """The program of a formula that begins at the character ``start`` of the text.

    Raises
    ------
    Refusal
        If the text is not a formula of numbers, variables, constants and functions of the table.

    Examples
    --------
    >>> program = read("x**2 + sin(x)")
    >>> [step.formula for step in program.steps]
    ['x**2', 'sin(x)', 'v1 + v2']
    >>> program({"x": 0.0})
    0.0
    """
    if len(text) > MAX_CHARACTERS:
        raise Refusal(f"{len(text)} characters are too many ({MAX_CHARACTERS} at most)", text, MAX_CHARACTERS)
    scanner = _Scanner(text, start)
    scanner.scan()
    first = scanner.first
    # Python treats line breaks and leading blanks specially; in a formula they are blanks.
    source = re.sub(r"\s", " ", text[first:]).rstrip()
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise Refusal("this cannot be read", text, first) from None
    return _Compiler(text, source, first).program(tree)


_DIGITS = r"[0-9](?:_?[0-9])*"
_TOKEN = re.compile(
    rf"(?P<number>(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?)"
    r"|(?P<name>\w+)|//|==|(?P<operator>\*\*|[-+*/])|(?P<bracket>[(),])|\S"
)


class _Scanner:
    """Checks the tokens of a formula and raises at the first that is not allowed at its position."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.tokens = list(_TOKEN.finditer(text, start))
        if not self.tokens:
            raise Refusal("nothing to read", text, start, "a formula is needed, such as 'x**3 + 2*x'")
        self.first = self.column = self.tokens[0].start()
        self.before = ""
        self.operand_due = True
        self.opens_call = False  # whether the previous token was the name of a function
        self.brackets: list[tuple[int, bool]] = []  # of each open bracket: its column, and whether it holds arguments
        self.operations = 0

    def scan(self) -> None:
        for token, following in zip(self.tokens, [*self.tokens[1:], None], strict=True):
            self.column = token.start()
            word = token[0]
            match token.lastgroup:
                case "number":
                    self.number(word)
                case "name":
                    self.name(word, following[0] if following else "")
                case "operator":
                    self.operator(word)
                case "bracket":
                    self.bracket(word)
                case _:
                    self.unknown(word)
            self.opens_call = self.opens_call and token.lastgroup == "name"
            self.before = word
        if self.operand_due and self.before != "(":
            self.refuse(f"something is missing after '{self.before}'")
        if self.brackets:
            self.column = self.brackets[-1][0]
            self.refuse("'(' is never closed")

    def number(self, word: str) -> None:
        if math.isinf(float(word)):
            self.refuse(f"{excerpt(word)} is too large for a float")
        if re.fullmatch(r"0[0-9_]*", word) and float(word):
            self.refuse(f"{excerpt(word)} begins with 0", f"did you mean {excerpt(word.lstrip('0_'))}?")
        self.operand(word)

    def name(self, word: str, following: str) -> None:
        # \w matches characters that Python's identifiers exclude: superscripts, foreign digits.
        for end in range(1, len(word) + 1):
            if not word[:end].isidentifier():
                self.column += end - 1
                self.unknown(word[end - 1])
        if keyword.iskeyword(word):
            hint = "a formula has no branches" if word in ("if", "else") else "choose another name"
            self.refuse(f"{word!r} is a word of Python, not a variable", hint)
        self.operand(word)
        is_function = function_row(word) is not None
        if following != "(":
            if is_function:
                call = f"{word}({following if following.isidentifier() else '...'})"
                self.refuse(f"{word!r} is a function and needs brackets", f"did you mean {excerpt(call)}?")
        elif is_function:
            self.operand_due = self.opens_call = True
            self.count()
        elif word not in CONSTANTS and len(word) > 1:
            hint = _meant(word) or _similar(word) or "dualdiff --help lists the functions"
            self.refuse(f"unknown function {excerpt(word)}", hint)
        # The remaining case is pi(...) or x(...), a product: the bracket will be refused.

    def operator(self, word: str) -> None:
        if self.operand_due and word not in "+-":
            self.refuse(f"something is missing before '{word}'")
        self.operand_due = True
        self.count()

    def bracket(self, word: str) -> None:
        if word == "(":
            if not self.opens_call:
                self.operand(word)
            self.brackets.append((self.column, self.opens_call))
            self.operand_due = True
            if len(self.brackets) > MAX_BRACKETS:
                self.refuse(f"brackets are more than {MAX_BRACKETS} deep")
            return
        holds_arguments = bool(self.brackets) and self.brackets[-1][1]
        if word == ")" and not self.brackets:
            self.refuse("')' closes a bracket that was never opened")
        if word == "," and not holds_arguments:
            self.refuse("',' is out of place", "it separates arguments; decimals are written with a point")
        # The number of arguments is checked later.
        if self.operand_due and not (word == ")" and self.before == "(" and holds_arguments):
            self.refuse(f"something is missing before '{word}'")
        if word == ")":
            self.brackets.pop()
        self.operand_due = word == ","

    def unknown(self, word: str) -> NoReturn:
        hint = "write only what is to be computed, without '='" if "=" in word else _meant(word)
        if word == "." and self.before in MODULES:
            hint = f"functions are written without '{self.before}.'"
        self.refuse(f"{word!r} is not understood", hint)

    def operand(self, word: str) -> None:
        if not self.operand_due:
            product = excerpt(f"{self.before}*{word}")
            self.refuse(f"an operator is missing before {excerpt(word)}", f"did you mean {product}?")
        self.operand_due = False

    def count(self) -> None:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            self.refuse(f"more than {MAX_OPERATIONS} operations")

    def refuse(self, problem: str, hint: str = "") -> NoReturn:
        raise Refusal(problem, self.text, self.column, hint)


def _meant(word: str) -> str:
    return f"did you mean {MEANT[word]!r}?" if word in MEANT else ""


def _similar(word: str) -> str:
    import difflib  # imported here for a fast start

    close = difflib.get_close_matches(word, functions(), 1)
    return f"did you mean {close[0]!r}?" if close else ""


class _Compiler:
    """Converts Python's syntax tree to a straight-line program."""

    def __init__(self, text: str, source: str, first: int) -> None:
        self.text, self.bytes, self.first = text, source.encode(), first
        self.variables: dict[str, int] = {}
        self.steps: list[Step] = []
        self.operands: dict[ast.expr, Operand] = {}
        self.prefix = "v"  # of the names of the steps, extended if variables have such names

    def program(self, tree: ast.expr) -> Program:
        nodes = list(_operands_first(tree))
        names = " ".join(node.id for node in nodes if isinstance(node, ast.Name))
        while re.search(rf"\b{self.prefix}\d+\b", names):
            self.prefix += "v"
        for node in nodes:
            self.operands[node] = self.operand(node)
        return Program(self.text, self.variables, self.steps, self.operands[tree])

    def operand(self, node: ast.expr) -> Operand:
        """The number, variable or step of a node whose children have been converted."""
        column = self.column(node.col_offset)
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return Number(self.text[column : self.end(node)], float(number))
            case ast.Name(id=name) if name in CONSTANTS:
                return Number(name, CONSTANTS[name])
            case ast.Name(id=name):
                self.variables.setdefault(name, column)
                if len(self.variables) > MAX_VARIABLES:
                    self.refuse(f"more than {MAX_VARIABLES} variables", column)
                return Variable(name)
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self.operands[inner]
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                operand = self.operands[inner]
                if isinstance(operand, Number) and not operand.text.startswith("-"):
                    return Number("-" + operand.text, -operand.number)
                return self.step("-", operator.neg, [inner], column, node)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                symbol, compute = BINARY[type(op)]
                # The tree has the ends of the operands; between them are blanks, brackets and the operator.
                return self.step(symbol, compute, [left, right], self.text.index(symbol, self.end(left)), node)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if row := function_row(name):
                arity = ROWS[row].arity
                if len(arguments) != arity:
                    plural = "s" if arity > 1 else ""
                    self.refuse(f"{name!r} takes {arity} argument{plural}, not {len(arguments)}", column)
                return self.step(name, getattr(dualdiff, row), arguments, column, node)
        self.refuse("this cannot be read", column)

    def step(
        self, symbol: str, compute: Callable[..., Any], operands: list[ast.expr], column: int, node: ast.expr
    ) -> Step:
        name = f"{self.prefix}{len(self.steps) + 1}"
        values = tuple(self.operands[operand] for operand in operands)
        step = Step(name, symbol, compute, values, column, self.column(node.col_offset), self.end(node))
        self.steps.append(step)
        return step

    def column(self, offset: int) -> int:
        """The column in the text of an offset in bytes, which the tree has."""
        return self.first + len(self.bytes[:offset].decode())

    def end(self, node: ast.expr) -> int:
        return self.column(node.end_col_offset or 0)

    def refuse(self, problem: str, column: int) -> NoReturn:
        raise Refusal(problem, self.text, column)


def _operands_first(tree: ast.expr) -> Iterator[ast.expr]:
    """The nodes in the order of evaluation; not recursive, because a sum of many terms is a deep tree."""
    order, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        order.append(node)
        match node:
            case ast.UnaryOp(operand=inner):
                waiting.append(inner)
            case ast.BinOp(left=left, right=right):
                waiting += [left, right]
            case ast.Call(args=arguments):
                waiting += arguments
    return reversed(order)
