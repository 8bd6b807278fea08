"""How a row of the table of elementwise functions is applied to duals in any tangent space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from dualdiff.core.array import DualArray, disown, operand, wrap
from dualdiff.core.dual import AnyDual, leading_space, same_call
from dualdiff.core.errors import NoRuleError, plain_target
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.structure import Structure


class Rule(Protocol):
    """What is needed of a row."""

    @property
    def name(self) -> str:
        """The name of the function, for messages."""

    @property
    def is_zero(self) -> bool:
        """Whether the derivative is zero in every argument."""

    def coefficient(self, i: int, values: list[Any], result: Any) -> Any:
        """The partial derivative in argument i; None where it is zero everywhere."""

    def conjugate(self, i: int, values: list[Any], result: Any) -> Any:
        """The partial derivative in the conjugate of argument i; None for complex-differentiable functions."""


def apply(rule: Rule, function: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """``function(*inputs, **options)``, with its tangent by the rule.

    Options are those of a ufunc call: ``out``, ``where``, ``dtype`` and so on.
    """
    inputs = tuple(map(operand, inputs))
    if "out" in options:
        return _apply_out(rule, function, inputs, options)
    where = options.get("where", True)
    space = leading_space(inputs)
    active = [i for i, x in enumerate(inputs) if isinstance(x, AnyDual) and same_call(x.space, space)]
    values: list[Any] = list(inputs)
    for i in active:
        values[i] = inputs[i].value
    result = function(*values, **options)
    if rule.is_zero:
        return result if _kind(result) not in "fc" else wrap(result, None, space)
    terms = tangents(rule, space, inputs, active, values, result, where)
    if not terms:
        return wrap(result, None, space)
    raw = terms[0] if len(terms) == 1 else space.add(terms, _shape(result))
    raw = space.cast(raw, _dtype(result), _shape(result))
    for i in active:
        disown(inputs[i], inputs[i].raw, raw)
    return wrap(result, raw, space)


def tangents(
    rule: Rule,
    space: TangentSpace,
    inputs: tuple[Any, ...],
    active: list[int],
    values: list[Any],
    result: Any,
    where: Any = True,
) -> list[Tangent]:
    """One term for each argument that carries a tangent."""
    terms = []
    out_shape = _shape(result)
    with np.errstate(all="ignore"):
        for i in active:
            t = inputs[i].raw
            if t is None:
                continue
            shape = _shape(values[i])
            conjugate = rule.conjugate(i, values, result) if _kind(values[i]) == "c" else None
            if conjugate is not None:
                space.note_conjugate(rule.name)
                terms.append(space.scale(space.conj(t, "conj", shape), _masked(conjugate, where), shape, out_shape))
            c = rule.coefficient(i, values, result)
            if c is not None:
                terms.append(_scaled(space, t, _masked(c, where), shape, out_shape))
    return terms


def _scaled(space: TangentSpace, t: Tangent, c: Any, shape: Shape, out_shape: Shape) -> Tangent:
    if type(c) is int and c == 1:
        if shape == out_shape:
            return t
        return space.gather([t], broadcast(out_shape), [shape], out_shape)
    return space.scale(t, c, shape, out_shape)


def broadcast(shape: Shape) -> Structure:
    """The structure of ``np.broadcast_to(a, shape)``."""
    return Structure(np.broadcast_to, {"shape": shape}, {"shape": "shape"}, broadcasts=True)


def _masked(c: Any, where: Any) -> Any:
    return c if where is True else np.where(where, c, 0.0)


def _apply_out(rule: Rule, function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The call with ``out=``: computed aside, then stored, so that inputs may overlap the output."""
    out = options.pop("out")
    target = out[0] if isinstance(out, tuple) else out
    if target is None:
        return apply(rule, function, *inputs, **options)
    if isinstance(out, tuple) and len(out) > 1:
        raise NoRuleError(f"out= of several arrays is not supported by duals in {rule.name}")
    if not any(isinstance(x, AnyDual) for x in inputs):
        result = function(*inputs, **options)
    else:
        result = apply(rule, function, *inputs, **options)
    if not isinstance(target, DualArray):
        while isinstance(result, AnyDual):
            if result.raw is not None:
                raise plain_target("the array given as out (or on the left of an in-place operator)")
            result = result.value
        target[...] = result
        return target
    where = options.get("where", True)
    if where is not True:
        result = np.where(where, result, target)
    if _shape(result) != target.shape:
        result = np.broadcast_to(result, target.shape)
    target[...] = _same_kind(result, target)
    return target


def _same_kind(result: Any, target: DualArray) -> Any:
    if not np.can_cast(_dtype(result), target.dtype, "same_kind"):
        raise TypeError(f"cannot cast the result from {_dtype(result)} to {target.dtype} with casting rule 'same_kind'")
    return result


def _shape(x: Any) -> Shape:
    return getattr(x, "shape", ())


def _dtype(x: Any) -> Any:
    found = getattr(x, "dtype", None)
    return np.dtype(type(x)) if found is None else found


def _kind(x: Any) -> str:
    kind = type(x)
    if kind is float or kind is np.float64:
        return "f"
    return str(_dtype(x).kind)
