"""Python's operators on duals, installed on their classes from the rows of the table."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.base import native
from dualdiff.base.errors import LostDerivativeError, OwnArithmeticError
from dualdiff.base.late import of_scipy
from dualdiff.core.application import apply, complete, finish
from dualdiff.core.array import DualArray
from dualdiff.core.dual import SCALARS, AnyDual, Dual, Float64Dual, FloatDual
from dualdiff.core.neighbours import answers_ufuncs, is_number, number
from dualdiff.core.out import call, call_several
from dualdiff.core.registry import FLOAT64_UFUNCS, FLOAT_UFUNCS, SCALAR_INSTALLERS, UFUNCS
from dualdiff.rules.numpy.elementwise.table import ROWS, SEVERAL
from dualdiff.rules.python import floats
from dualdiff.rules.scipy.sparse_products import is_sparse, multiplies_as_matrix, sparse_matmul
from dualdiff.rules.writing.rows import Row, Table
from dualdiff.tangents.space import are_float64
from dualdiff.tangents.zeros import plain

#: The row of each operator.
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
SYMBOLS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "pow": "**",
    "mod": "%",
    "floordiv": "//",
}


_FLOAT64 = np.dtype(np.float64)
#: The classes that the rules accept as operands.
_OPERANDS = (AnyDual, np.ndarray, np.generic, float, int, complex, list, tuple, str, bytes)


def _general_binary(name: str, row: Row, op: Callable[..., Any], reflected: bool) -> Callable[..., Any]:
    method_of_other = "" if reflected else f"__r{name}__"

    def method(self: AnyDual, other: Any) -> Any:
        if issubclass(type(other), (list, tuple)) and isinstance(self, Dual):
            # A Python float refuses lists, with an error of its own; a NumPy scalar accepts them.
            op(plain(self), type(other)())
        if not isinstance(other, _OPERANDS):
            if name == "mul" and self.shape and multiplies_as_matrix(other):
                return sparse_matmul(other, self) if reflected else sparse_matmul(self, other)
            if name in ("add", "sub", "mul", "truediv") and is_sparse(other):
                matrix = of_scipy("sparse").DualSparse.of(other)
                return getattr(matrix, f"__{'' if reflected else 'r'}{name}__")(self)
            theirs = getattr(type(other), method_of_other, None)
            leaves = theirs is not None and not issubclass(type(other), numbers.Number) and _defers(self, other)
            result = _left_to(theirs, other, self) if leaves else NotImplemented
            if result is not NotImplemented:
                return result
            if is_number(other) and not hasattr(other, "__array__"):
                c, x = number(other), self
                shown = op(other, plain(self)) if reflected else op(plain(self), other)
                if type(shown) is float and hasattr(self, "item"):
                    # It makes Python's floats of NumPy's.
                    x = self.item()
                return op(c, x) if reflected else op(x, c)
            if not hasattr(other, "__array__"):
                # It may be a unit, which makes an array with a unit of a float.
                one = op(other, 1.0) if reflected else op(1.0, other)
                if name not in ("mul", "truediv") or not answers_ufuncs(type(one)):
                    return NotImplemented
                return np.divide(one, self) if reflected and name == "truediv" else np.multiply(self, one)
        try:
            return apply(row, op, other, self) if reflected else apply(row, op, self, other)
        except OwnArithmeticError:
            return row.ufunc(other, self) if reflected else row.ufunc(self, other)

    return method


def _array_binary(row: Row, op: Callable[..., Any], general: Callable[..., Any], reflected: bool) -> Callable[..., Any]:
    """The operator of dual arrays: a fast path for the most common operands, ``general`` for all others."""
    square = ROWS["square"] if row.name == "power" and not reflected else None
    # Whether a record needs the values of this array and of the other, by whether the other has no tangent.
    needs: dict[bool, tuple[bool, ...]] = {}

    def method(self: DualArray, other: Any) -> Any:
        kind, space, u = type(other), self.space, None
        if space.traces:
            return general(self, other)
        if kind is DualArray:
            if other.space is not space:
                return general(self, other)
            y, u = other._value if other._view is None else other.value, other._raw
        elif kind is float or kind is int or (kind is np.ndarray and other.dtype is _FLOAT64):
            y = other
        elif kind in SCALARS and other.space is space:
            y, u = other.value, other.raw
        else:
            return general(self, other)
        x, t = self._value if self._view is None else self.value, self._raw
        if space.lazy:
            # The record needs values that later writes do not change.
            keeps = needs.get(u is None)
            if keeps is None:
                active = (True, u is not None)
                keeps = needs[u is None] = (
                    (row.keeps(active[::-1]) or (False, False))[1::-1]
                    if reflected
                    else (row.keeps(active) or (False, False))
                )
            is_real = are_float64((x, y))
            if keeps[0] or not is_real:
                x = self.lasting()
            if kind is DualArray and (keeps[1] or not is_real):
                y = other.lasting()
        if square is not None and kind is int and other == 2:
            return finish(square, space, (self,), (x,), (t,), op(x, y))
        if reflected:
            return finish(row, space, (other, self), (y, x), (u, t), op(y, x))
        return finish(row, space, (self, other), (x, y), (t, u), op(x, y))

    return method


def _scalar_binary(
    row: Row, op: Callable[..., Any], general: Callable[..., Any], reflected: bool
) -> Callable[..., Any]:
    """The operator of dual scalars: a fast path for floats and duals of the same call, ``general`` for all others."""

    def method(self: Dual, other: Any) -> Any:
        kind, space, u = type(other), self.space, None
        if kind in SCALARS and other.space is space:
            y, u = other.value, other.raw
        elif kind is float or kind is int or kind is np.float64:
            y = other
        else:
            return general(self, other)
        x, t = self.value, self.raw
        if type(x) is not np.float64 or space.traces:
            return general(self, other)
        if reflected:
            return finish(row, space, (other, self), (y, x), (u, t), op(y, x))
        return finish(row, space, (self, other), (x, y), (t, u), op(x, y))

    return method


def _left_to(theirs: Callable[[Any, Any], Any], other: Any, x: AnyDual) -> Any:
    """The result of another object's operator; NotImplemented if it takes plain values alone."""
    try:
        return theirs(other, x)
    except LostDerivativeError:
        return NotImplemented


def _defers(x: AnyDual, other: Any) -> bool:
    """Whether the operator is left to another object: Python scalars always defer, NumPy's only if it asks for it."""
    return (
        not issubclass(type(plain(x)), (np.ndarray, np.generic))
        or not hasattr(other, "__array__")
        or getattr(other, "__array_ufunc__", other) is None
        or getattr(other, "__array_priority__", 0.0) > 0.0
    )


def _in_place(row: Row, op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: call(row, op, self, other, out=self)


def _matmul(reflected: bool) -> Callable[..., Any]:
    def method(self: AnyDual, other: Any) -> Any:
        if getattr(type(other), "__array_ufunc__", True) is None:
            # As for arrays: the other class has the operator.
            return NotImplemented
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
    return partial(call, row, row.ufunc)


def install_calls(rows: Table) -> None:
    """Register the rows of a table for their ufuncs."""
    for name, row in rows.items():
        if isinstance(row.ufunc, np.ufunc):
            UFUNCS[row.ufunc, "__call__"] = _ufunc_call(row)
            if "d->d" in row.ufunc.types and name != "sign":
                UNARY_UFUNCS.append(row)
                for table in (FLOAT_UFUNCS, FLOAT64_UFUNCS):
                    table[row.ufunc] = partial(_build_ufunc, row, table)


def install() -> None:
    """Install the operators on the classes of duals, and register the rows for their ufuncs."""
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
            if row.kind != "zero":
                setattr(DualArray, method, _array_binary(row, op, general, reflected))
                setattr(Dual, method, _scalar_binary(row, op, general, reflected))
    for prefix in "", "r":
        setattr(AnyDual, f"__{prefix}matmul__", _matmul(bool(prefix)))
        setattr(AnyDual, f"__{prefix}divmod__", _divmod(bool(prefix)))
    DualArray.__imatmul__ = lambda self, other: np.matmul(self, other, out=self)  # type: ignore[attr-defined]
    for name, (row_name, op) in UNARY.items():
        row = ROWS[row_name]
        setattr(AnyDual, f"__{name}__", partial_method(row, op))
    for name in COMPARISONS:
        setattr(AnyDual, f"__{name}__", _comparison(name))
    methods = {f"{r}{name}": getattr(AnyDual, f"__{r}{name}__") for name in BINARY for r in ("", "r")}
    native.provide(complete=complete, rows=ROWS, functions=floats.MATH, either=floats.value_of, general=methods)
    _install_scalar(FloatDual, FloatDual, FLOAT_UFUNCS)
    _install_scalar(Float64Dual, Float64Dual, FLOAT64_UFUNCS)
    SCALAR_INSTALLERS.append(_install_scalar)


#: The rows of unary ufuncs for which dual scalars have a fast path.
UNARY_UFUNCS: list[Row] = []


def _scalars(x: Any) -> floats.Scalars:
    """The classes of float duals in the space of x."""
    return floats.Scalars(x.space.float_dual, x.space.float64_dual, type(x).lanes)


def _build_ufunc(row: Row, table: dict[Any, Any], x: Any) -> Any:
    """Generate the fast function of a unary ufunc on its first call, and call it."""
    scalars = _scalars(x)
    class_name = "FloatDual" if type(x) is scalars.FloatDual else "Float64Dual"
    table[row.ufunc] = floats.of_ufunc(row, class_name, scalars)
    return table[row.ufunc](x)


def _install_scalar(base: type, cls: type, table: dict[Any, Any]) -> None:
    """Install operators and unary ufuncs on a class of float duals; each is generated on first use."""
    class_name = base.__name__
    if cls is not base:
        for row in UNARY_UFUNCS:
            table[row.ufunc] = partial(_build_ufunc, row, table)
    if native.is_compiled(cls):
        table |= native.SCALARS.UFUNCS
        return
    for name, (row_name, _) in BINARY.items():
        for reflected in False, True:
            method = f"__{'r' if reflected else ''}{name}__"
            general = getattr(AnyDual, method)
            build = partial(floats.binary, name, ROWS[row_name], general, SYMBOLS[name], class_name, reflected)
            _built_on_first_use(cls, method, build)
    for name, (row_name, op) in UNARY.items():
        _built_on_first_use(cls, f"__{name}__", partial(floats.unary, ROWS[row_name], op, class_name))
    for name, symbol in COMPARISONS.items():
        _built_on_first_use(cls, f"__{name}__", partial(floats.comparison, name, symbol))


def _built_on_first_use(cls: type, name: str, build: Callable[[floats.Scalars], Callable[..., Any]]) -> None:
    """Install a method that generates itself on its first call, because most programs need few of them."""

    def method(*args: Any) -> Any:
        built = build(_scalars(args[0]))
        setattr(cls, name, built)
        return built(*args)

    setattr(cls, name, method)


def _divmod(reflected: bool) -> Callable[..., Any]:
    def method(self: AnyDual, other: Any) -> Any:
        operands = (other, self) if reflected else (self, other)
        return call_several(SEVERAL[np.divmod], divmod, *operands)

    return method


def _object_loop(ufunc: np.ufunc) -> Callable[..., Any]:
    """The method of dual scalars that a ufunc calls for each element of an object array."""
    return lambda *args: ufunc(*args)


def partial_method(row: Row, op: Callable[..., Any]) -> Callable[..., Any]:
    """A unary operator of all duals."""
    return lambda self: apply(row, op, self)
