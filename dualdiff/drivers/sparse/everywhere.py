"""Sparsity patterns that hold for every x: what f decides by values is refused, since other values decide otherwise.

Choices by NumPy's functions (``np.where``, ``np.maximum``, masks that are multiplied) have both sides in every pattern.
Here the results of comparisons are no booleans but `Undecided`, which these functions take, and ``if`` does not.
"""

from __future__ import annotations

import linecache
import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from dualdiff.base.internals import place_of_caller
from dualdiff.core.array import wrap
from dualdiff.core.registry import FUNCTIONS
from dualdiff.rules.numpy.by_value import PLAIN
from dualdiff.rules.writing.array_rules import VALUE_ONLY
from dualdiff.tangents.space import Tangent
from dualdiff.tangents.spaces.sparse import Sparse

#: Functions of booleans, or of values, that return booleans.
BOOLEAN = {
    *(ufunc.__name__ for ufunc in PLAIN),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "invert", "all", "any", "allclose", "array_equal", "array_equiv"),
    *("isclose", "isneginf", "isposinf"),
}
#: Functions that have both sides of their conditions.
CHOOSING = {"where", "select", "choose"}
#: Functions that look only at shapes and dtypes, or write a text.
OF_SHAPES = {
    *("array2string", "array_repr", "array_str", "can_cast", "common_type", "diag_indices_from", "einsum_path"),
    *("iscomplexobj", "isrealobj", "may_share_memory", "min_scalar_type", "ndim", "result_type", "shape"),
    *("shares_memory", "size", "tril_indices_from", "triu_indices_from"),
}
#: Functions that select or order elements by value, beside those that return indices.
SELECTING = {
    *("sort", "sort_complex", "partition", "median", "quantile", "percentile", "unique", "unique_all", "unique_counts"),
    *("unique_inverse", "unique_values", "union1d", "intersect1d", "setdiff1d", "setxor1d", "trim_zeros", "interp"),
    *("nanmedian", "nanquantile", "nanpercentile", "nanmax", "nanmin", "nansum", "nanprod", "nanmean", "nanvar"),
    *("nanstd", "nancumsum", "nancumprod", "nan_to_num", "histogram", "histogram2d", "histogramdd", "bincount"),
    *("histogram_bin_edges", "maximum.accumulate", "minimum.accumulate", "fmax.accumulate", "fmin.accumulate"),
    *("roots", "poly", "polydiv", "unwrap", "extract", "compress", "place", "putmask", "copyto", "lstsq", "pinv"),
    *("piecewise", "maximum.reduceat", "minimum.reduceat"),
}
#: Functions that return one of the elements along an axis.
EXTREMES = {"max", "min", "amax", "amin", "ptp", "maximum.reduce", "minimum.reduce"}


class Everywhere(Sparse):
    """Sparse tangents that refuse decisions by the values of x."""

    __slots__ = ("_depth",)
    traces = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # The number of NumPy's functions that are running: what they decide by values, their rules know.
        self._depth = 0

    def note(self, name: str, operands: Sequence[Any], value: Any, t: Tangent | None) -> Tangent | None:
        return t

    def compare(self, symbol: str, operands: Sequence[Any], answer: Any) -> Any:
        return answer if self._depth else Undecided(answer, f"the comparison ({symbol})", self)

    def call(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if self._depth:
            return function(*args, **kwargs)
        if name in SELECTING or name in _DECIDING or (name == "where" and len(args) == 1):
            refuse(f"np.{name}")
        returns_booleans = name in BOOLEAN
        args = _taken(args, returns_booleans or name in CHOOSING)
        self._depth += 1
        try:
            result = function(*args, **_taken(kwargs, returns_booleans))
            if name in EXTREMES:
                # Any of the elements may be chosen.
                options = {key: given for key, given in kwargs.items() if key in ("axis", "keepdims")}
                result = result + 0 * np.sum(*args[:2], **options)
        finally:
            self._depth -= 1
        return Undecided(result, f"np.{name}", self) if returns_booleans else result


_DECIDING = {function.__name__ for function in VALUE_ONLY} - BOOLEAN - OF_SHAPES


class Undecided:
    """Booleans that other values of x may change: np.where takes them, and so do products, but not ``if``."""

    # Operators of arrays and duals leave the result to those here.
    __array_priority__ = 1000.0

    def __init__(self, value: Any, origin: str, space: Everywhere) -> None:
        self.value, self.origin, self.space = value, origin, space

    def as_dual(self, *args: Any, **kwargs: Any) -> Any:
        """Ones and zeros, whose derivative is zero."""
        return wrap(np.asarray(self.value, float)[()], None, self.space)

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse(self.origin)

    __bool__ = __index__ = __int__ = __float__ = __array__ = __iter__ = __len__ = __contains__ = _refuse
    __getitem__ = __setitem__ = nonzero = argmax = argmin = tolist = item = _refuse
    astype = as_dual

    @property
    def shape(self) -> Any:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        return np.ndim(self.value)

    @property
    def size(self) -> int:
        return int(np.size(self.value))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.as_dual(), name)

    def all(self, *args: Any, **kwargs: Any) -> Undecided:
        return Undecided(np.all(self.value, *args, **kwargs), self.origin, self.space)

    def any(self, *args: Any, **kwargs: Any) -> Undecided:
        return Undecided(np.any(self.value, *args, **kwargs), self.origin, self.space)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = getattr(ufunc, method)
        if ufunc.__name__ in BOOLEAN:
            return Undecided(function(*_taken(inputs, True), **kwargs), self.origin, self.space)
        return function(*_taken(inputs, False), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        if name in BOOLEAN:
            return Undecided(function(*_taken(args, True), **kwargs), self.origin, self.space)
        if name in CHOOSING and len(args) > 1:
            # What is chosen among constants is no constant.
            args = (args[0], *(self._lifted(part) for part in args[1:]))
            return self.space.call(name, FUNCTIONS[function], args, kwargs)
        refuse(f"np.{name} of {self.origin}")

    def _lifted(self, part: Any) -> Any:
        if isinstance(part, (list, tuple)):
            return [self._lifted(item) for item in part]
        is_plain = issubclass(type(part), (int, float, np.ndarray, np.generic))
        return wrap(np.asarray(part, float)[()], None, self.space) if is_plain else part


def _operator(name: str) -> Callable[..., Any]:
    op = getattr(operator, f"__{name}__")

    def method(self: Undecided, *others: Any) -> Any:
        return op(self.as_dual(), *_taken(others, False))

    return method


def _reflected(name: str) -> Callable[..., Any]:
    op = getattr(operator, f"__{name}__")
    return lambda self, other: op(*_taken((other, self), False))


def _logical(name: str) -> Callable[..., Any]:
    op = getattr(operator, f"__{name}__")
    return lambda self, *others: Undecided(op(self.value, *_taken(others, True)), self.origin, self.space)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(Undecided, f"__{_name}__", _operator(_name))
    setattr(Undecided, f"__r{_name}__", _reflected(_name))
for _name in ("neg", "pos", "abs", "eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Undecided, f"__{_name}__", _operator(_name))
for _name in ("and", "or", "xor", "invert"):
    setattr(Undecided, f"__{_name}__", _logical(_name))
    if _name != "invert":
        setattr(Undecided, f"__r{_name}__", _logical(_name))


def _taken(part: Any, as_booleans: bool) -> Any:
    """Arguments with what is undecided in them as booleans, or as duals."""
    if isinstance(part, Undecided):
        return part.value if as_booleans else part.as_dual()
    if type(part) in (list, tuple):
        return type(part)([_taken(item, as_booleans) for item in part])
    if type(part) is dict:
        return {key: _taken(item, as_booleans) for key, item in part.items()}
    return part


def refuse(what: str) -> NoReturn:
    """Raise for a decision by the values of x."""
    file, line = place_of_caller()
    text = linecache.getline(file, line).strip()
    raise TypeError(
        f"everywhere=True: f decides by {what}, in line {line} of {file}" + (f", `{text}`" if text else "") + ": at "
        "another x the pattern may be another. Write the decision with np.where, np.maximum, np.minimum, np.clip or "
        "np.select, of which a pattern has both sides; or leave out everywhere=True, for the pattern of the branch "
        "that f takes at x"
    )
