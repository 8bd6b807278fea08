"""Checks of a row when it is registered, so that an error in it does not wait until a partial is evaluated."""

from __future__ import annotations

import ast
import inspect
import keyword
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from dualdiff.rules.writing.expressions import ARGUMENTS
from dualdiff.rules.writing.rows import UNKNOWN, Kind, Row

#: The functions that are part of the grammar, with their numbers of arguments.
_FORMS = {"where": 3, "chosen": 2}
_RESERVED = {*ARGUMENTS, "r", "both", *_FORMS}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.BitAnd, ast.BitOr, ast.USub, ast.UAdd)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Eq, ast.NotEq, ast.Gt, ast.GtE)
#: What to write instead of Python syntax that fails for arrays or that some engine does not read.
_INSTEAD: dict[type[ast.AST], str] = {
    ast.IfExp: "write where(condition, a, b) instead of a if condition else b",
    ast.BoolOp: "write (x > 0) & (y > 0) instead of and, | instead of or",
    ast.Not: "write the opposite comparison instead of not",
    ast.Invert: "write the opposite comparison instead of ~",
    ast.Compare: "write (0 < x) & (x < 1) instead of 0 < x < 1",
    ast.Attribute: "name the function alone, sin(x), as its row in the table does",
    ast.Mod: "write remainder(x, y) instead of x % y",
    ast.FloorDiv: "write floor_divide(x, y) instead of x // y",
}


def check(row: Row) -> None:
    """Raise ValueError, with the name of the row, unless it is complete and every engine can read its partials.

    A partial may name the row itself, and whatever is in the table already.
    """
    if not row.name.isidentifier() or keyword.iskeyword(row.name) or row.name in _RESERVED:
        raise _error(row, "partials cannot use that name: give the row another one, name=...")
    _check_counts(row)
    if row.kind not in get_args(Kind):
        raise _error(row, f"its kind is {row.kind!r}, which is none of {', '.join(get_args(Kind))}")
    if row.kind == "zero" and any(row.partials):
        raise _error(row, f"its kind is 'zero', but it has the partials {row.partials}")
    results = getattr(row.ufunc, "nout", 1)
    for column in (row.partials, row.complex_partials or (), row.conjugates or ()):
        for text in column:
            if text is not None and text is not UNKNOWN:
                _Reader(row, text, row.arity, results).visit(_parsed(row, text))


def check_definition(row: Row, arity: int) -> None:
    """As `check`, for a definition: its text, and its partials if it has any."""
    text = row.definition
    _Reader(row, text, arity, 0).visit(_parsed(row, text))
    if row.partials:
        check(row)


def _error(row: Row, what: str) -> ValueError:
    return ValueError(f"the row {row.name!r} of {row.module}: {what}")


def _check_counts(row: Row) -> None:
    """Check the number of arguments, and that each column has an entry for each of them."""
    n = row.arity
    given = f"{n} partial{'s' * (n != 1)} {row.partials} given"
    if not 0 < n <= len(ARGUMENTS):
        raise _error(row, f"{given}; a row has one for each argument of its function, {len(ARGUMENTS)} at most")
    expected = _arguments(row.ufunc, n)
    if expected is not None:
        raise _error(
            row,
            f"its function takes {expected}, but {given}: write one for each argument, None for a partial that is zero",
        )
    columns: dict[str, Sequence[Any] | None] = {
        "complex_partials": row.complex_partials,
        "conjugates": row.conjugates,
        "domain": row.domain,
    }
    for name, column in columns.items():
        if column is not None and len(column) != n:
            raise _error(row, f"{name}={column} has {len(column)} entries for {n} argument{'s' * (n != 1)}")


def _arguments(function: Callable[..., Any], n: int) -> str | None:
    """How many arguments a function takes, in words; None if it accepts n of them, or does not say."""
    nin = getattr(function, "nin", None)
    if nin is not None:
        return None if nin == n else _counted(nin)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*(None,) * n)
    except TypeError:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return _counted(sum(p.kind in kinds for p in signature.parameters.values()))
    return None


def _counted(n: int) -> str:
    return f"{n} argument{'s' * (n != 1)}"


def _parsed(row: Row, text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise _error(row, f"the text {text!r} is not an expression of Python ({error.msg})") from None


class _Reader(ast.NodeVisitor):
    """Checks the text of a partial.  ``results`` is the number of results of the function, 0 if the text has no r."""

    def __init__(self, row: Row, text: str, arity: int, results: int) -> None:
        self.row, self.text, self.results = row, text, results
        self.arguments = ARGUMENTS[:arity]
        self.names: Mapping[str, Any] = row.names

    def error(self, what: str) -> ValueError:
        """The error for this text."""
        return _error(self.row, f"in {self.text!r}, {what}")

    def generic_visit(self, node: ast.AST) -> None:
        """Refuse what the grammar does not have."""
        instead = _INSTEAD.get(type(node), "partials consist of numbers, names, operators, comparisons and calls")
        raise self.error(f"{ast.unparse(node)!r} is not in the grammar of partials: {instead}")

    def visit_Constant(self, node: ast.Constant) -> None:
        if type(node.value) not in (int, float, complex):
            self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self._operator(node, node.op)
        self.visit(node.operand)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._operator(node, node.op)
        self.visit(node.left)
        self.visit(node.right)

    def _operator(self, node: ast.AST, op: ast.AST) -> None:
        if not isinstance(op, _OPERATORS):
            instead = _INSTEAD.get(type(op), "write + - * / ** and, between conditions, & |")
            raise self.error(f"{ast.unparse(node)!r} has an operator that partials do not have: {instead}")

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) > 1 or not isinstance(node.ops[0], _COMPARISONS):
            self.generic_visit(node)
        self.visit(node.left)
        self.visit(node.comparators[0])

    def visit_Name(self, node: ast.Name) -> None:
        name = node.id
        if (name == "r" and self.results == 1) or name in self.arguments:
            return
        if name == "r" and self.results > 1:
            raise self.error(f"r is {self.results} results: write r[0], r[1], ...")
        if name in _RESERVED or name not in self.names:
            raise self._unknown(name)
        if callable(self.names[name]):
            raise self.error(f"{name} is a function: write {name}(...)")

    def visit_Subscript(self, node: ast.Subscript) -> None:
        results = 1
        match node.value:
            case ast.Name(id="r"):
                results = self.results
            case ast.Call(func=ast.Name(id=name)):
                results = getattr(self.names.get(name), "nout", 1)
                self.visit(node.value)
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if not (type(index) is int and index < results > 1):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if not isinstance(node.func, ast.Name):
            self.visit(node.func)
            self.generic_visit(node)
        name = getattr(node.func, "id", "")
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise self.error(f"{ast.unparse(node)!r} has arguments that are not positional")
        count = len(node.args)
        if name in _FORMS:
            expected = None if count == _FORMS[name] else _counted(_FORMS[name])
        elif name == self.row.name:
            expected = None if count == len(self.arguments) else _counted(len(self.arguments))
        else:
            if name in _RESERVED or name not in self.names:
                raise self._unknown(name)
            if not callable(self.names[name]):
                raise self.error(f"{name} is a constant, not a function")
            expected = _arguments(self.names[name], count)
        if expected is not None:
            raise self.error(f"{name} takes {expected}, {count} given")
        for argument in node.args:
            self.visit(argument)

    def _unknown(self, name: str) -> ValueError:
        return self.error(
            f"the name {name} is unknown: partials name the arguments ({', '.join(self.arguments)}), the result r, and "
            "the functions and constants of their table"
        )
