"""The partials of rows, written as expressions: as functions of an engine, or as source to build functions from."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Marks the zero of ``chosen(condition, a)`` in a syntax tree.
CHOSEN = "chosen"
ARGUMENTS = ("x", "y", "z", "w", "a", "b", "c", "d")


def constant(text: str) -> Any:
    """The constant that a text is, or None."""
    try:
        return ast.literal_eval(text)
    except ValueError:
        return None


def bind(text: str, arity: int, names: Mapping[str, Any]) -> Callable[..., Any]:
    """The partial as a function of the arguments and the result, evaluated with the functions of an engine."""
    arguments = ", ".join((*ARGUMENTS[:arity], "r"))
    function: Callable[..., Any] = eval(f"lambda {arguments}: {text}", dict(names))
    return function


def chain_rule(partials: Sequence[str | None], active: int) -> str | None:
    """The chain rule on arrays as source: the sum of partials times ``dx``, ``dy``, ...; None if all of them are zero.

    Bit i of ``active`` says that argument i has a tangent; -1 says that both arguments have the same one, ``dx``.
    """
    known = [(text, ARGUMENTS[i]) for i, text in enumerate(partials) if text is not None and active >> i & 1]
    if not known:
        return None
    if active < 0:
        return f"({' + '.join(f'({text})' for text, _ in known)}) * dx"
    terms = [{"1": f" + d{x}", "-1": f" - d{x}"}.get(text, f" + ({text}) * d{x}") for text, x in known]
    return "".join(terms).removeprefix(" + ").lstrip()


class _SpelledOut(ast.NodeTransformer):
    """Replaces definitions that have partials (`Table.define`) by their texts, which is all that plain floats need."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        text = isinstance(node.func, ast.Name) and getattr(self.names.get(node.func.id), "text", None)
        if not text:
            return node
        arguments = dict(zip(ARGUMENTS, node.args, strict=False))
        spelled_out: ast.AST = _Substituted(arguments).visit(self.visit(ast.parse(text, mode="eval").body))
        return spelled_out


class _Substituted(ast.NodeTransformer):
    def __init__(self, arguments: dict[str, ast.expr]) -> None:
        self.arguments = arguments

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return copy.deepcopy(self.arguments.get(node.id, node))


def spelled_out(text: str, names: Mapping[str, Any]) -> str:
    """The partial with the texts of definitions in their place."""
    return ast.unparse(_SpelledOut(names).visit(ast.parse(text, mode="eval")))


class _Lazily(ast.NodeTransformer):
    """Makes operands of ``where(c, a, b)`` and ``c & d`` functions, to evaluate only those that are needed."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "where":
            condition, a, b = node.args
            node.args = [condition, _later(a), _later(b)]
        if isinstance(node.func, ast.Name) and node.func.id == "chosen":
            condition, a = node.args
            node.args = [condition, _later(a)]
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.BitAnd):
            return ast.Call(ast.Name("both", ast.Load()), [node.left, _later(node.right)], [])
        return node


def _later(node: ast.expr) -> ast.expr:
    none = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return node if isinstance(node, ast.Constant) else ast.Lambda(none, node)


def lazily(text: str) -> str:
    """The partial as source in which `where` and ``&`` evaluate only the operands they need."""
    return ast.unparse(_Lazily().visit(ast.parse(text, mode="eval")))


class _Branches(ast.NodeTransformer):
    """Turns ``where(c, a, b)`` into ``a if c else b``, so that scalars evaluate only the side that is chosen."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "where":
            condition, a, b = node.args
            return ast.IfExp(condition, a, b)
        if isinstance(node.func, ast.Name) and node.func.id == "chosen":
            condition, a = node.args
            return ast.IfExp(condition, ast.Constant(0.0, CHOSEN), a)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.BitAnd):
            return ast.BoolOp(ast.And(), [node.left, node.right])
        if isinstance(node.op, ast.BitOr):
            return ast.BoolOp(ast.Or(), [node.left, node.right])
        return node


def branched(text: str) -> ast.expr:
    """The syntax tree of a partial for plain scalars: choices become branches, and zeros by convention are marked."""
    tree: ast.Expression = _Branches().visit(ast.parse(text, mode="eval"))
    return tree.body


def expression(text: str) -> str:
    """The partial for plain scalars, as source; see `branched`."""
    return ast.unparse(branched(text))


def is_stepwise(text: str, names: Mapping[str, Any]) -> bool:
    """Whether a partial is piecewise constant, such as the choice of one argument or another."""

    def of(node: ast.expr) -> bool:
        match node:
            case ast.Constant():
                return True
            case ast.Name(id=name):
                return type(names.get(name)) is float
            case ast.UnaryOp(operand=operand):
                return of(operand)
            case ast.BinOp(left=left, right=right):
                return of(left) and of(right)
            case ast.Call(func=ast.Name(id="where"), args=[_, a, b]):
                return of(a) and of(b)
            case ast.Call(func=ast.Name(id="copysign"), args=[a, _]):
                return of(a)
            case ast.Call(func=ast.Name(id=name)):
                return name in ("floor_divide", "rint")
        return False

    return of(ast.parse(text, mode="eval").body)


def names_in(text: str) -> set[str]:
    """The arguments, functions and constants that a partial names."""
    return {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}
