"""Python's operators on duals, put on their classes from the rows of the table."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.core.array import DualArray
from dualdiff.core.dual import AnyDual, Dual, Float64Dual, FloatDual
from dualdiff.core.elementwise import apply
from dualdiff.core.registry import FLOAT64_UFUNCS, FLOAT_UFUNCS, UFUNCS
from dualdiff.rules import floats
from dualdiff.rules.elementwise import ROWS
from dualdiff.rules.sparse_products import is_sparse, multiplies_as_matrix, sparse_matmul
from dualdiff.rules.table import Row, Table
from dualdiff.tangents.single import plain

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


#: What the rules take as an operand.
_OPERANDS = (AnyDual, np.ndarray, np.generic, float, int, complex, list, tuple, str, bytes, numbers.Number)


def _general_binary(name: str, row: Row, op: Callable[..., Any], reflected: bool) -> Callable[..., Any]:
    counterpart = f"__{name}__" if reflected else f"__r{name}__"

    def method(self: AnyDual, other: Any) -> Any:
        if isinstance(other, (list, tuple)) and isinstance(self, Dual):
            # Not every number takes lists: one that does not says so.
            op(plain(self), type(other)())
        if not isinstance(other, _OPERANDS):
            if name == "mul" and self.shape and multiplies_as_matrix(other):
                return sparse_matmul(other, self) if reflected else sparse_matmul(self, other)
            if hasattr(type(other), counterpart) and _defers(self, other):
                return NotImplemented
            if hasattr(other, "__array__"):
                other = np.asarray(other)
        return apply(row, op, other, self) if reflected else apply(row, op, self, other)

    return method


def _defers(x: AnyDual, other: Any) -> bool:
    """Whether an operator is left to an object that is no number, as numbers of Python do, and NumPy's if it asks."""
    return (
        not isinstance(plain(x), (np.ndarray, np.generic))
        or not hasattr(other, "__array__")
        or getattr(other, "__array_ufunc__", other) is None
        or getattr(other, "__array_priority__", 0.0) > 0.0
    )


def _in_place(row: Row, op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: apply(row, op, self, other, out=self)


def _matmul(reflected: bool) -> Callable[..., Any]:
    def method(self: AnyDual, other: Any) -> Any:
        product = sparse_matmul if self.shape and is_sparse(other) else np.matmul
        return product(other, self) if reflected else product(self, other)

    return method


def _comparison(name: str) -> Callable[..., Any]:
    op = getattr(operator, name)

    def method(self: AnyDual, other: Any) -> Any:
        if isinstance(other, AnyDual):
            other = other.value
        elif isinstance(other, (str, bytes, type(None))) or callable(other):
            return NotImplemented
        answer = op(self.value, other)
        return self.space.compare(COMPARISONS[name], (self, other), answer) if self.space.traces else answer

    return method


def _ufunc_call(row: Row) -> Callable[..., Any]:
    return partial(apply, row, row.ufunc)


def install_calls(rows: Table) -> None:
    """Put the rows of a table under their ufuncs."""
    for name, row in rows.items():
        if isinstance(row.ufunc, np.ufunc):
            UFUNCS[row.ufunc, "__call__"] = _ufunc_call(row)
            if "d->d" in row.ufunc.types and name != "sign":
                for own, table in zip(FLOATS, (FLOAT_UFUNCS, FLOAT64_UFUNCS), strict=True):
                    table[row.ufunc] = _Lazy(row, own, table)


def install() -> None:
    """Put the operators on the classes, and the rows under their ufuncs."""
    install_calls(ROWS)
    for name, row in ROWS.items():
        if {"O->O", "OO->O"} & set(getattr(row.ufunc, "types", ())) and not hasattr(Dual, name):
            setattr(Dual, name, _object_loop(row.ufunc))
    for name, (row_name, op) in BINARY.items():
        row = ROWS[row_name]
        setattr(DualArray, f"__i{name}__", _in_place(row, op))
        for reflected in False, True:
            method = f"__{'r' if reflected else ''}{name}__"
            general = _general_binary(name, row, op, reflected)
            setattr(AnyDual, method, general)
            for own in FLOATS:
                build = partial(floats.binary, name, row, general, SYMBOLS[name], own, reflected)
                _built_on_first_use(own, method, build)
    for prefix in "", "r":
        setattr(AnyDual, f"__{prefix}matmul__", _matmul(bool(prefix)))
        _built_on_first_use(AnyDual, f"__{prefix}divmod__", partial(_divmod, bool(prefix)))
    DualArray.__imatmul__ = lambda self, other: np.matmul(self, other, out=self)  # type: ignore[attr-defined]
    for name, (row_name, op) in UNARY.items():
        row = ROWS[row_name]
        setattr(AnyDual, f"__{name}__", partial_method(row, op))
        for own in FLOATS:
            _built_on_first_use(own, f"__{name}__", partial(floats.unary, row, op, own))
    for name, symbol in COMPARISONS.items():
        setattr(AnyDual, f"__{name}__", _comparison(name))
        for own in FLOATS:
            _built_on_first_use(own, f"__{name}__", partial(floats.comparison, name, symbol))


def _built_on_first_use(cls: type, name: str, build: Callable[[], Callable[..., Any]]) -> None:
    """A method that writes itself out when it is first called: most programs need few of them."""

    def method(*args: Any) -> Any:
        built = build()
        setattr(cls, name, built)
        return built(*args)

    setattr(cls, name, method)


def _divmod(reflected: bool) -> Callable[..., Any]:
    from dualdiff.rules.ufuncs import divmod_operator

    return divmod_operator(reflected)


def _object_loop(ufunc: np.ufunc) -> Callable[..., Any]:
    """The method of scalars that a ufunc calls for each element of an object array."""
    return lambda *args: ufunc(*args)


def partial_method(row: Row, op: Callable[..., Any]) -> Callable[..., Any]:
    """A unary operator for duals in general."""
    return lambda self: apply(row, op, self)


class _Lazy:
    """The fast function of a unary ufunc, built when it is first called."""

    def __init__(self, row: Row, own: type, table: dict[Any, Callable[..., Any]]) -> None:
        self.row, self.own, self.table = row, own, table

    def __call__(self, d: Any) -> Any:
        fast = self.table[self.row.ufunc] = floats.of_ufunc(self.row, self.own)
        return fast(d)
