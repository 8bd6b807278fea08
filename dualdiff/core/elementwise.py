"""How a row of the table of elementwise functions is applied to duals in any tangent space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from dualdiff.core.array import DualArray, disown, lift, operands, wrap
from dualdiff.core.dual import AnyDual, Dual, Float64Dual, FloatDual, leading_space, same_call
from dualdiff.core.errors import lost, plain_target
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import product

# From this size on arrays do not fit into the cache, and pieces of this size do.
_LARGE = 1 << 16
_BLOCK = 1 << 14
_DUALS = frozenset({Dual, FloatDual, Float64Dual, DualArray})
_NUMBERS = frozenset({float, int, complex, np.float64, np.float32, np.complex128})


class Rule(Protocol):
    """What is needed of a row."""

    @property
    def name(self) -> str:
        """The name of the function."""

    @property
    def label(self) -> str:
        """The function as users know it, for messages."""

    @property
    def is_zero(self) -> bool:
        """Whether the derivative is zero in every argument."""

    @property
    def is_plain(self) -> bool:
        """Whether every coefficient is a constant or an argument, so that nothing is computed for it."""

    @property
    def conjugates(self) -> Any:
        """Whether there are partials in the conjugates of complex arguments."""

    def coefficient(self, i: int, values: list[Any], result: Any) -> Any:
        """The partial derivative in argument i; None where it is zero everywhere."""

    def conjugate(self, i: int, values: list[Any], result: Any) -> Any:
        """The partial derivative in the conjugate of argument i."""


def apply(rule: Rule, function: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """``function(*inputs, **options)``, with its tangent by the rule.

    Options are those of a ufunc call: ``out``, ``where``, ``dtype`` and so on.
    """
    if options:
        return _apply_options(rule, function, inputs, options)
    space, values, tangents = _taken_apart(inputs)
    result = function(*values)
    return _finished(rule, space, inputs, values, tangents, result, True)


def apply_several(rules: Sequence[Rule], function: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """``function(*inputs, **options)`` of several results, with a rule for each of them."""
    out = options.pop("out", (None,) * len(rules))
    where = options.get("where", True)
    space, values, tangents = _taken_apart(inputs)
    if where is not True:
        options["out"] = tuple(None if target is None else _aside(target, space, values) for target in out)
    results = function(*values, **options)
    if space is not None:
        results = tuple(
            _finished(rule, space, inputs, values, tangents, result, where, results)
            for rule, result in zip(rules, results, strict=True)
        )
    return tuple(
        result if target is None else _stored(result, target, where)
        for result, target in zip(results, out, strict=True)
    )


def complete(rule: Rule, inputs: tuple[Any, ...], result: Any) -> Any:
    """The dual of a value that has been computed already."""
    space, values, tangents = _taken_apart(inputs)
    return _finished(rule, space, inputs, values, tangents, result, True)


def _taken_apart(inputs: tuple[Any, ...]) -> tuple[TangentSpace, list[Any], list[Tangent | None]]:
    """The space of the innermost call, and values and tangents of the inputs in it."""
    space: Any = None
    values: list[Any] = []
    tangents: list[Tangent | None] = []
    for x in inputs:
        kind = type(x)
        if kind in _DUALS:
            if space is None:
                space = x.space
            elif x.space is not space:
                break
            values.append(x.value)
            tangents.append(x.raw)
        elif kind in _NUMBERS or (kind is np.ndarray and x.dtype.char != "O"):
            values.append(x)
            tangents.append(None)
        else:
            break
    else:
        return space, values, tangents
    values = operands(inputs)
    space = leading_space(values)
    tangents = [None] * len(values)
    for i, x in enumerate(values):
        if isinstance(x, AnyDual) and same_call(x.space, space):
            values[i], tangents[i] = x.value, x.raw
    return space, values, tangents


def _finished(
    rule: Rule,
    space: TangentSpace,
    inputs: tuple[Any, ...],
    values: list[Any],
    tangents: list[Tangent | None],
    result: Any,
    where: Any,
    results: Any = None,
) -> Any:
    """The dual of this value; ``results`` are all of them, if the function has several."""
    if rule.is_zero:
        if _kind(result) not in "fc":
            return result
        return wrap(result, space.note(rule.name, inputs, result, None) if space.traces else None, space)
    if rule.is_plain and space.lazy:
        raw = _tangent(rule, space, inputs, values, tangents, result, where, results)
    else:
        with np.errstate(all="ignore"):
            raw = _tangent(rule, space, inputs, values, tangents, result, where, results)
    if raw is not None:
        for x, t in zip(inputs, tangents, strict=True):
            if t is not None and type(x) is DualArray:
                disown(x, t, raw)
    if space.traces:
        raw = space.note(rule.name, inputs, result, raw)
    dual = wrap(result, raw, space)
    if (space.lazy or raw is result or results is not None) and type(dual) is DualArray:
        dual.held = True
    return dual


def _tangent(
    rule: Rule,
    space: TangentSpace,
    inputs: tuple[Any, ...],
    values: list[Any],
    tangents: list[Tangent | None],
    result: Any,
    where: Any,
    results: Any = None,
) -> Tangent | None:
    """The sum of the terms of the arguments that carry a tangent."""
    out_shape = getattr(result, "shape", ())
    r = result if results is None else results
    if _is_square(rule, values, tangents) and where is True:
        # One tangent, twice: the coefficients are added, not the terms.
        c, d = rule.coefficient(0, values, r), rule.coefficient(1, values, r)
        if c is not None and d is not None:
            with np.errstate(all="ignore"):
                c = c + d
            raw = space.scale(tangents[0], c, getattr(values[0], "shape", ()), out_shape)
            return space.cast(raw, _dtype(result), out_shape)
    if where is True and r is result and type(r) is np.ndarray and r.size >= _LARGE and r.dtype == np.float64:
        raw = _in_blocks(rule, space, values, tangents, result)
        if raw is not None:
            return raw
    terms: list[Tangent] = []
    spare = None
    for i, t in enumerate(tangents):
        if t is None:
            continue
        shape = getattr(values[i], "shape", ())
        if rule.conjugates is not None and _kind(values[i]) == "c":
            conjugate = rule.conjugate(i, values, r)
            if conjugate is not None:
                space.note_conjugate(rule.name)
                terms.append(space.scale(space.conj(t, "conj", shape), _masked(conjugate, where), shape, out_shape))
        c = rule.coefficient(i, values, r)
        if c is None:
            continue
        if where is not True:
            c = _masked(c, where)
        elif (type(c) is np.ndarray or type(c) is DualArray) and space.holds(t):
            c = _lasting(c, space, inputs, values)
        if type(c) is int and c == 1:
            if shape != out_shape:
                t = space.gather([t], broadcast(out_shape), [shape], out_shape)
            terms.append(t)
            continue
        if type(c) is int and c == -1 and len(terms) == 1 and shape == out_shape:
            terms[0], spare = space.subtract(terms[0], t, shape), None
            continue
        made_here = type(c) is np.ndarray and c.base is None and not any(c is v for v in (*values, *(results or (r,))))
        terms.append(space.scale(t, c, shape, out_shape, made_here))
        if space.is_new(terms[-1], None if made_here else c):
            spare = len(terms) - 1
    if not terms:
        return None
    raw = terms[0] if len(terms) == 1 else space.add(terms, out_shape, spare)
    return space.cast(raw, _dtype(result), out_shape)


def _in_blocks(
    rule: Rule, space: TangentSpace, values: list[Any], tangents: list[Tangent | None], result: Any
) -> Tangent | None:
    """The tangent of a large array, computed piece by piece, so that coefficients and terms stay in the cache.

    None where it does not apply: the pieces have to be the same of every array.
    """
    like = next((t for t in tangents if t is not None), None)
    if like is None:
        return None
    arrays = [_flat(v, result) for v in (*values, result)]
    slopes = [None if t is None else _flat(space.numbers(t, like), result) for t in tangents]
    active = [i for i, t in enumerate(tangents) if t is not None]
    if any(a is None for a in arrays) or any(slopes[i] is None for i in active):
        return None
    if len(active) == 1 and not isinstance(slopes[active[0]], np.ndarray):
        # Coefficients times a number: there is nothing to keep small.
        return None
    total = np.empty(result.size)
    for start in range(0, result.size, _BLOCK):
        piece = slice(start, start + _BLOCK)
        *local, r = (a[piece] if isinstance(a, np.ndarray) else a for a in arrays)
        out, is_first = total[piece], True
        for i in active:
            c, t = rule.coefficient(i, local, r), slopes[i]
            if c is None:
                continue
            t = t[piece] if isinstance(t, np.ndarray) else t
            if is_first:
                out[...] = product(c, t)
                is_first = False
            else:
                out += product(c, t)
        if is_first:
            return None
    return space.with_numbers(like, total.reshape(result.shape))


def _flat(a: Any, result: Any) -> Any:
    """An array in one dimension if it lies in memory as the result does, a number as it is, else None."""
    if isinstance(a, (float, int)):
        return a
    if type(a) is not np.ndarray or a.dtype != np.float64 or a.shape != result.shape:
        return None
    if not any(a.strides):
        return float(a.flat[0])
    return a.reshape(-1) if a.flags.c_contiguous and result.flags.c_contiguous else None


def _is_square(rule: Rule, values: list[Any], tangents: list[Tangent | None]) -> bool:
    """Whether both arguments are one number or array, as in ``x * x``."""
    same = len(tangents) == 2 and values[0] is values[1] and tangents[0] is tangents[1]
    return same and tangents[0] is not None and rule.conjugates is None


def _lasting(c: Any, space: TangentSpace, inputs: tuple[Any, ...], values: list[Any]) -> Any:
    """Coefficients that stay as they are when the argument is written into that they may be."""
    for x, v in zip(inputs, values, strict=True):
        if v is c:
            if type(x) is not DualArray or not same_call(x.space, space):
                return space.lasting(c)
            x.hold()
    return c


def broadcast(shape: Shape) -> Structure:
    """The structure of ``np.broadcast_to(a, shape)``."""
    return Structure(np.broadcast_to, {"shape": shape}, {"shape": "shape"}, broadcasts=True)


def _masked(c: Any, where: Any) -> Any:
    return c if where is True else np.where(where, c, 0.0)


def _apply_options(rule: Rule, function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The call with options of a ufunc."""
    if "out" in options:
        return _apply_out(rule, function, inputs, options)
    space, values, tangents = _taken_apart(inputs)
    result = _value(rule, function, values, options)
    return _finished(rule, space, inputs, values, tangents, result, options.get("where", True))


def _value(rule: Rule, function: Callable[..., Any], values: list[Any], options: dict[str, Any]) -> Any:
    """The value of a call with options, which must not turn it into integers."""
    result = function(*values, **options)
    if not rule.is_zero and _kind(result) not in "fc":
        raise lost(f"dtype={_dtype(result)} in {rule.name}", "a floating dtype")
    return result


def _apply_out(rule: Rule, function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The call with ``out=``: computed aside, then stored, so that inputs may overlap the output."""
    out = options.pop("out")
    target = out[0] if isinstance(out, tuple) else out
    if target is None:
        return apply(rule, function, *inputs, **options)
    where = options.get("where", True)
    if type(target) is np.ndarray and target.dtype == object:
        # The elements of an object array are duals themselves; NumPy makes them by calls without options.
        np.copyto(target, np.asarray(apply(rule, function, *inputs), dtype=object), where=where)
        return target
    if isinstance(target, Dual):
        raise TypeError(f"{rule.label} stores its result in arrays, and out is a dual number")
    space, values, tangents = _taken_apart(inputs)
    if where is not True:
        options["out"] = _aside(target, space, values)
    result = _value(rule, function, values, options)
    if space is not None:
        result = _finished(rule, space, inputs, values, tangents, result, where)
    return _stored(result, target, where)


def _aside(target: Any, space: TangentSpace | None, values: list[Any]) -> Any:
    """A copy of the values of the target, for the places that ``where=`` leaves out."""
    while isinstance(target, DualArray) and (space is None or same_call(target.space, space)):
        target = target.value
    copy = np.copy(target)
    outer = leading_space(values)
    return copy if outer is None else lift(copy, outer)


def _stored(result: Any, target: Any, where: Any) -> Any:
    """The target given as ``out``, after the result is written into it."""
    if not isinstance(target, DualArray):
        while isinstance(result, AnyDual):
            if result.raw is not None:
                raise plain_target("the array given as out (or on the left of an in-place operator)")
            result = result.value
        np.copyto(target, result, where=where)
        return target
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
