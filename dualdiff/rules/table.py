"""The form of the table of rules: a row is a function and its partial derivatives as plain mathematics.

Partials are texts in the arguments ``x``, ``y``, ``z`` and the result ``r``, with Python's operators and the names
of other rows; ``where(condition, a, b)`` chooses.  Every engine reads the same texts: Python floats through ``math``
(`expression` as source to build functions from), arrays and nested duals through NumPy (`Row.coefficient`), and
engines to come by binding the texts to functions of their own (`bind`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

ARGUMENTS = ("x", "y", "z")
Kind = Literal["zero", "linear", "nonlinear"]
Interval = tuple[float, float]
REALS: Interval = (-10.0, 10.0)


@dataclass(frozen=True)
class Row:
    """A rule.

    ``partials`` has a text for each argument, or None where the derivative is zero.  ``conjugates`` has the partials
    in the complex conjugates of the arguments, for functions that are not complex-differentiable; ``complex_partials``
    replaces the partials at complex arguments.  ``domain`` is an interval for each argument to test the row on.
    ``engines`` names what serves the function beside NumPy: its name in ``math``, if it has one.
    """

    name: str
    ufunc: Any
    partials: tuple[str | None, ...]
    kind: Kind = "nonlinear"
    domain: tuple[Interval, ...] = (REALS,)
    math: str | None = None
    complex_partials: tuple[str | None, ...] | None = None
    conjugates: tuple[str | None, ...] | None = None
    bound: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def arity(self) -> int:
        """The number of arguments."""
        return len(self.partials)

    @property
    def is_zero(self) -> bool:
        """Whether no argument has a derivative other than zero."""
        return self.kind == "zero"

    def text(self, i: int, is_complex: bool = False) -> str | None:
        """The partial in argument i."""
        texts = self.complex_partials if is_complex and self.complex_partials else self.partials
        return texts[i]

    def coefficient(self, i: int, values: list[Any], result: Any) -> Any:
        """The partial derivative in argument i, for numbers, arrays and duals of outer calls."""
        return self._evaluate("d", self.text(i, _is_complex(values[i])), i, values, result)

    def conjugate(self, i: int, values: list[Any], result: Any) -> Any:
        """The partial derivative in the conjugate of argument i at complex values, or None."""
        if self.conjugates is None:
            return None
        return self._evaluate("c", self.conjugates[i], i, values, result)

    def _evaluate(self, which: str, text: str | None, i: int, values: list[Any], result: Any) -> Any:
        if text is None:
            return None
        key = (which, i, text)
        function = self.bound.get(key)
        if function is None:
            function = self.bound[key] = _constant(text) or bind(text, self.arity, _general())
        if not callable(function):
            return function
        try:
            return function(*values, result)
        except (ZeroDivisionError, OverflowError):
            # Python's numbers raise where NumPy's give inf or nan, which is what a partial is to give.
            strong = [np.float64(v) if isinstance(v, (int, float)) else v for v in values]
            return function(*strong, np.float64(result) if isinstance(result, float) else result)


def _constant(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except ValueError:
        return None


def _is_complex(x: Any) -> bool:
    kind = type(x)
    if kind is float or kind is np.float64:
        return False
    return kind is complex or getattr(getattr(x, "dtype", None), "kind", "f") == "c"


def bind(text: str, arity: int, names: Mapping[str, Any]) -> Callable[..., Any]:
    """The partial as a function of the arguments and the result, in the functions of an engine."""
    arguments = ", ".join((*ARGUMENTS[:arity], "r"))
    function: Callable[..., Any] = eval(f"lambda {arguments}: {text}", dict(names))
    return function


class _Branches(ast.NodeTransformer):
    """``where(c, a, b)`` as ``a if c else b``: on numbers only the chosen side is to be computed."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "where":
            condition, a, b = node.args
            return ast.IfExp(condition, a, b)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.BitAnd):
            return ast.BoolOp(ast.And(), [node.left, node.right])
        if isinstance(node.op, ast.BitOr):
            return ast.BoolOp(ast.Or(), [node.left, node.right])
        return node


def expression(text: str) -> str:
    """The partial as source for plain numbers: choices become branches."""
    return ast.unparse(_Branches().visit(ast.parse(text, mode="eval")))


def names_in(text: str) -> set[str]:
    """The arguments, functions and constants that a partial names."""
    return {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}


_GENERAL: dict[str, Any] = {}


def _general() -> dict[str, Any]:
    """Names for numbers, arrays and duals alike: NumPy's functions, which dispatch."""
    if not _GENERAL:
        from dualdiff.rules.elementwise import CONSTANTS, ROWS

        _GENERAL.update({name: row.ufunc for name, row in ROWS.items()})
        _GENERAL.update(CONSTANTS)
        _GENERAL["where"] = _where
    return _GENERAL


def _where(condition: Any, a: Any, b: Any) -> Any:
    """``np.where`` that leaves numbers numbers."""
    if getattr(condition, "ndim", 0) == 0:
        return a if condition else b
    return np.where(condition, a, b)
