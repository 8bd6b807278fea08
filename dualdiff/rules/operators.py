"""Python's operators on duals, put on their classes from the rows of the table."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.core.array import DualArray
from dualdiff.core.dual import AnyDual, Dual, Float64Dual, FloatDual
from dualdiff.core.elementwise import apply
from dualdiff.core.registry import FLOAT_UFUNCS, UFUNCS
from dualdiff.rules import floats
from dualdiff.rules.elementwise import ROWS
from dualdiff.rules.table import Row

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
COMPARISONS = {"lt": "<", "le": "<=", "eq": "==", "ne": "!=", "gt": ">", "ge": ">="}
FLOATS = (FloatDual, Float64Dual)
SYMBOLS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "pow": "**",
    "mod": "%",
    "floordiv": "//",
}


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


def _ufunc_call(row: Row) -> Callable[..., Any]:
    return partial(apply, row, row.ufunc)


def install() -> None:
    """Put the operators on the classes, and the rows under their ufuncs."""
    for name, row in ROWS.items():
        if isinstance(row.ufunc, np.ufunc):
            UFUNCS[row.ufunc, "__call__"] = _ufunc_call(row)
            if row.arity == 1 and name != "sign":
                FLOAT_UFUNCS[row.ufunc] = _Lazy(row)
            if {"O->O", "OO->O"} & set(row.ufunc.types) and not hasattr(Dual, name):
                setattr(Dual, name, _object_loop(row.ufunc))
    for name, (row_name, op) in BINARY.items():
        row = ROWS[row_name]
        setattr(AnyDual, f"__{name}__", _general_binary(row, op, False))
        setattr(AnyDual, f"__r{name}__", _general_binary(row, op, True))
        setattr(DualArray, f"__i{name}__", _in_place(row, op))
        for own in FLOATS:
            setattr(own, f"__{name}__", floats.binary(name, row, op, SYMBOLS[name], own, False))
            setattr(own, f"__r{name}__", floats.binary(name, row, op, SYMBOLS[name], own, True))
    for prefix in "", "r":
        setattr(AnyDual, f"__{prefix}matmul__", _matmul(bool(prefix)))
    DualArray.__imatmul__ = lambda self, other: np.matmul(self, other, out=self)  # type: ignore[attr-defined]
    for name, (row_name, op) in UNARY.items():
        row = ROWS[row_name]
        setattr(AnyDual, f"__{name}__", partial_method(row, op))
        for own in FLOATS:
            setattr(own, f"__{name}__", floats.unary(row, op, own))
    for name, symbol in COMPARISONS.items():
        setattr(AnyDual, f"__{name}__", _comparison(name))
        for own in FLOATS:
            setattr(own, f"__{name}__", floats.comparison(name, symbol))


def _object_loop(ufunc: np.ufunc) -> Callable[..., Any]:
    """The method of scalars that a ufunc calls for each element of an object array."""
    return lambda *args: ufunc(*args)


def partial_method(row: Row, op: Callable[..., Any]) -> Callable[..., Any]:
    """A unary operator for duals in general."""
    return lambda self: apply(row, op, self)


class _Lazy:
    """The fast function of a unary ufunc, built when it is first called."""

    def __init__(self, row: Row) -> None:
        self.row = row

    def __call__(self, d: FloatDual) -> Any:
        fast = FLOAT_UFUNCS[self.row.ufunc] = floats.of_ufunc(self.row)
        return fast(d)
