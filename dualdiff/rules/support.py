"""How rules for array functions are written: operands in, verbs on their tangents, a dual out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from dualdiff.core.array import DualArray, disown, gathered, wrap
from dualdiff.core.array import operands as operands_of
from dualdiff.core.dual import AnyDual, leading_space, same_call
from dualdiff.core.errors import NoRuleError, lost, plain_target
from dualdiff.core.registry import FUNCTIONS, implements
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.structure import Structure

__all__ = [
    "FUNCTIONS",
    "Operands",
    "axes_of",
    "axis_of",
    "by_value",
    "duals_in",
    "implements",
    "into",
    "plain_values",
    "rearranged",
    "shape_of",
    "structural",
]


def shape_of(x: Any) -> Shape:
    """The shape of a number, an array or a dual."""
    return getattr(x, "shape", ())


class Operands:
    """The array arguments of a call: their values and tangents in the innermost call among them."""

    def __init__(self, *operands: Any) -> None:
        self.operands = operands_of(operands)
        self.space: TangentSpace = leading_space(self.operands)
        self.values = list(self.operands)
        self.tangents: list[Tangent | None] = [None] * len(self.operands)
        space = self.space
        if space is None:
            return
        for i, x in enumerate(self.operands):
            if isinstance(x, AnyDual) and same_call(x.space, space):
                self.values[i], self.tangents[i] = x.value, x.raw
                if space.lazy and isinstance(x, DualArray):
                    x.hold()

    def shape(self, i: int = 0) -> Shape:
        """The shape of operand i."""
        return shape_of(self.values[i])

    def active(self) -> Iterable[int]:
        """The numbers of the operands that carry a tangent."""
        return (i for i, t in enumerate(self.tangents) if t is not None)

    def result(self, value: Any, terms: Sequence[Tangent]) -> Any:
        """The dual of this value whose tangent is the sum of the terms (none: zero)."""
        if self.space is None:
            return value
        raw = None
        if terms:
            shape = shape_of(value)
            raw = terms[0] if len(terms) == 1 else self.space.add(terms, shape)
            dtype = value.dtype if hasattr(value, "dtype") else np.result_type(value)
            if dtype.kind not in "fc":
                raise lost(f"a result of dtype {dtype}", "a floating dtype")
            raw = self.space.cast(raw, dtype, shape)
            for x, t in zip(self.operands, self.tangents, strict=True):
                if t is not None:
                    disown(x, t, raw)
        dual = wrap(value, raw, self.space)
        if self.space.lazy and isinstance(dual, DualArray):
            dual.hold()
        return dual


def axis_of(axis: int, ndim: int) -> int:
    """An axis counted from the front."""
    return int(normalize_axis_index(axis, ndim))


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front; all of them for None."""
    return tuple(range(ndim)) if axis is None else tuple(normalize_axis_tuple(axis, ndim))


def rearranged(
    function: Callable[..., Any],
    sources: Sequence[Any],
    params: dict[str, Any] | None = None,
    roles: dict[str, str] | None = None,
    broadcasts: bool = False,
    value: Callable[..., Any] | None = None,
) -> Any:
    """``function(*sources, **params)`` for a function that only moves elements.

    ``value`` gives the value where it has more to it than moved elements, such as a constant beside them.
    """
    operands = Operands(*sources)
    structure = Structure(function, params, roles, broadcasts)
    return gathered((value or structure)(*operands.values), operands.space, operands.operands, structure)


def structural(*functions: Any) -> None:
    """Register functions of one array that only move its elements, whatever their other arguments say."""
    for function in functions:
        implements(function)(_structural(function))


def leading(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """The first argument of a call, taken out of the positional arguments or of the keywords, and the rest."""
    return (args[0], args[1:]) if args else (kwargs.pop(next(iter(inspect.signature(function).parameters))), ())


def _structural(function: Any) -> Callable[..., Any]:
    def implementation(*args: Any, **kwargs: Any) -> Any:
        a, args = leading(function, args, kwargs)
        out = kwargs.pop("out", None)
        no_duals(function.__name__, args, kwargs)

        return into(out, rearranged(move, [a], {"args": args, **kwargs}))

    def move(a: Any, args: Any, **kwargs: Any) -> Any:
        return function(a, *args, **kwargs)

    move.__name__ = function.__name__
    return implementation


def no_duals(name: str, args: Any, kwargs: Any) -> None:
    """Refuse duals among arguments that count or choose."""
    for x in (*args, *kwargs.values()):
        if isinstance(x, AnyDual) or (isinstance(x, (tuple, list)) and any(isinstance(e, AnyDual) for e in x)):
            raise lost(f"a dual number as an option of numpy.{name}", "a plain number there")


#: The functions that see values alone.
VALUE_ONLY: set[Any] = set()


def by_value(*functions: Any) -> None:
    """Register functions that see values alone: they answer with booleans, places, counts, texts."""
    VALUE_ONLY.update(functions)
    for function in functions:
        implements(function)(_by_value(function))


def _by_value(function: Any) -> Callable[..., Any]:
    def implementation(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out", args[2] if function in _OUT_THIRD and len(args) > 2 else None)
        if isinstance(out, AnyDual):
            raise TypeError(f"numpy.{function.__name__} gives no numbers for an array of duals, as out is")
        return function(*map(plain_values, args), **{k: plain_values(v) for k, v in kwargs.items()})

    return implementation


#: Functions whose third argument is ``out``.
_OUT_THIRD = {np.all, np.any, np.argmax, np.argmin, np.nanargmax, np.nanargmin}


def plain_values(x: Any) -> Any:
    """The values alone, of every nesting."""
    if isinstance(x, AnyDual):
        return plain_values(x.value)
    if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
        return type(x)(plain_values(e) for e in x)
    return x


def duals_in(x: Any) -> list[AnyDual]:
    """The duals in an argument, which may be nested tuples, lists and dicts."""
    if isinstance(x, AnyDual):
        return [x]
    if isinstance(x, dict):
        return [d for item in x.values() for d in duals_in(item)]
    if isinstance(x, (tuple, list)):
        return [d for item in x for d in duals_in(item)]
    if isinstance(x, np.ndarray) and x.dtype == object:
        return [d for item in x.flat for d in duals_in(item)]
    return []


def into(out: Any, result: Any, casting: Any = "same_kind") -> Any:
    """The result, written to ``out`` if there is one."""
    if out is None:
        return result
    if isinstance(out, tuple):
        (out,) = out
    if not isinstance(out, DualArray):
        if isinstance(result, AnyDual):
            raise plain_target("the array given as out")
        out[...] = result
        return out
    if shape_of(result) != out.shape:
        raise ValueError(f"the array given as out has shape {out.shape}, and the result {shape_of(result)}")
    if not np.can_cast(np.result_type(plain_values(result)), out.dtype, casting):
        raise TypeError(f"cannot cast the result to {out.dtype} with casting rule {casting!r}")
    out[...] = result
    return out


def refuse_option(name: str, **options: Any) -> None:
    """Refuse keywords that a rule does not honour."""
    for option, given in options.items():
        if given:
            raise NoRuleError(f"numpy.{name} of duals does not support {option}=")
