"""Sums, products, extrema and cumulative forms along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.base.errors import lost
from dualdiff.base.internals import NO_VALUE as _NO
from dualdiff.core.array import operand
from dualdiff.core.registry import UFUNCS
from dualdiff.rules.writing.array_rules import (
    Application,
    axes_of,
    axis_of,
    implements,
    into,
    missing,
    plain_values,
    shape_of,
)
from dualdiff.tangents.linear import NamedMap
from dualdiff.tangents.space import Shape, note_conjugate
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import chosen_zero


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given: NumPy distinguishes them from defaults."""
    return {k: v for k, v in options.items() if v is not _NO and v is not None}


def _floating(name: str, dtype: Any) -> None:
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise lost(f"numpy.{name} with dtype={np.dtype(dtype)}", "a floating dtype there")


def _kept(shape: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _reduced(axis: Any, ndim: int) -> Shape:
    """The axes of a reduction; none for a scalar, for which NumPy accepts axis 0."""
    return axes_of(axis, ndim) if ndim else ()


@implements(np.sum)
def sum_(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _NO,
    initial: Any = _NO,
    where: Any = _NO,
) -> Any:
    """Linear: tangents are summed along the same axes."""
    if dtype is out is None and keepdims is initial is where is _NO:
        operands = Application(a, linear=True)
        (x,), (t,), space = operands.values, operands.tangents, operands.space
        value = np.sum(x, axis=axis)
        if t is None:
            return operands.result(value)
        shape = shape_of(x)
        axes = tuple(range(len(shape))) if axis is None else _reduced(axis, len(shape))
        return operands.result(value, [space.sum(t, axes, shape, shape_of(value))])
    _floating("sum", dtype)
    operands = Application(a, None if initial is _NO else initial, linear=True)
    x, first = operands.values
    value = np.sum(x, axis=axis, **_given(dtype=dtype, keepdims=keepdims, initial=first, where=where))
    terms = _summed(operands, axis, shape_of(value), where) + _started(operands, 1.0, shape_of(value))
    return into(out, operands.result(value, terms))


def _summed(operands: Application, axis: Any, out_shape: Shape, where: Any = _NO, weights: Any = None) -> list[Any]:
    """The tangent of operand 0, weighted, masked and summed."""
    t, shape, space = operands.tangents[0], operands.shape(), operands.space
    if t is None:
        return []
    if weights is None and where is _NO:
        return [space.sum(t, _reduced(axis, len(shape)), shape, out_shape)]
    with np.errstate(all="ignore"):
        is_number = issubclass(type(weights), float)
        if weights is not None and not is_number:
            t = space.scale(t, weights, shape, shape)
        if where is not _NO and where is not None and where is not True:
            t = space.scale(t, np.broadcast_to(plain_values(where), shape) * 1.0, shape, shape, True)
        t = space.sum(t, _reduced(axis, len(shape)), shape, out_shape)
        return [space.scale(t, weights, out_shape, out_shape, True) if is_number else t]


def _started(operands: Application, weights: Any, out_shape: Shape) -> list[Any]:
    """The tangent of operand 1, the initial value of a reduction, weighted."""
    t = operands.tangents[1]
    return [] if t is None else [operands.space.scale(t, weights, (), out_shape)]


def _count(shape: Shape, axis: Any, where: Any) -> Any:
    """The number of elements reduced into each element of the result (with the axes kept)."""
    axes = _reduced(axis, len(shape))
    if where is _NO or where is None or where is True:
        return np.float64(math.prod(shape[i] for i in axes))
    return np.sum(np.broadcast_to(plain_values(where), shape), axis=axes, keepdims=True).astype(float)


@implements(np.mean)
def mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NO, *, where: Any = _NO) -> Any:
    _floating("mean", dtype)
    operands = Application(a, linear=True)
    value = np.mean(operands.values[0], axis=axis, **_given(dtype=dtype, keepdims=keepdims, where=where))
    with np.errstate(all="ignore"):
        weights = _weak(1.0 / _count(operands.shape(), axis, where), operands.values[0])
    return into(out, operands.result(value, _summed(operands, axis, shape_of(value), where, weights)))


def _weak(weights: Any, like: Any) -> Any:
    """Weights that do not change the dtype."""
    return float(weights) if np.ndim(weights) == 0 else weights.astype(plain_values(like).real.dtype)


def _spread(name: str) -> Any:
    function = getattr(np, name)

    def implementation(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = _NO,
        *,
        where: Any = _NO,
        mean: Any = _NO,
        correction: Any = _NO,
    ) -> Any:
        _floating(name, dtype)
        mean = _NO if mean is None else mean
        operands = Application(a, mean)
        x, given = operands.values
        # The deviations from a given mean need not sum to zero.
        moved = operands if mean is _NO else Application(operands.operands[0] - operands.operands[1])
        options = _given(dtype=dtype, where=where, mean=given, correction=correction)
        if ddof:
            options["ddof"] = ddof
        value = function(x, axis=axis, **options, **_given(keepdims=keepdims))
        chosen = present(operands.operands[0], where, name) if name.startswith("nan") else where
        with np.errstate(all="ignore"):
            kept = _given(where=chosen)
            count = _count(operands.shape(), axis, chosen)
            centred = moved.values[0]
            if mean is _NO:
                # Not np.mean, which warns about empty slices.
                centred = x - np.sum(x, axis=axis, keepdims=True, **kept) / _weak(count, x)
            count = _weak(count - (ddof if correction is _NO else correction), x)
            if name.endswith("var"):
                weights = 2.0 * np.conjugate(centred) / count
            else:
                spread = np.sqrt(np.sum(np.abs(centred) ** 2, axis=axis, keepdims=True, **kept) / count)
                weights = np.conjugate(centred) / (count * spread)
                is_flat = plain_values(spread) == 0
                # A single element does not deviate from its mean.
                is_one = is_flat & (_count(operands.shape(), axis, chosen) < 2) & (mean is _NO)
                weights = np.where(is_one, 0.0, weights)
                weights = chosen_zero(np.broadcast_to(is_flat & ~is_one, shape_of(weights)), weights)
        if np.iscomplexobj(plain_values(centred)) and moved.tangents[0] is not None:
            note_conjugate(operands.space, name)
        return into(out, operands.result(value, _summed(moved, axis, shape_of(value), chosen, weights)))

    return implementation


def present(a: Any, where: Any, name: str) -> Any:
    """The mask of the elements that count: those that are not NaN, where ``where`` holds."""
    is_present = ~missing(a, name)
    return is_present if where is _NO or where is None else is_present & plain_values(where)


for _name in ("var", "std", "nanvar", "nanstd"):
    implements(getattr(np, _name))(_spread(_name))


@implements(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _NO,
    initial: Any = _NO,
    where: Any = _NO,
) -> Any:
    """The partial with respect to each factor is the product of the others, computed without division."""
    _floating("prod", dtype)
    operands = Application(a, initial)
    x, first = operands.values
    value = np.prod(x, axis=axis, **_given(dtype=dtype, keepdims=keepdims, initial=first, where=where))
    with np.errstate(all="ignore"):
        if where is not _NO and where is not None and where is not True:
            x = np.where(plain_values(where), x, 1.0)
        weights = _others(x, _reduced(axis, len(operands.shape())))
        if first is not _NO and first is not None:
            weights = weights * first
        rest = None if operands.tangents[1] is None else np.prod(x, axis=axis, **_given(keepdims=keepdims))
    terms = _summed(operands, axis, shape_of(value), where, weights) + _started(operands, rest, shape_of(value))
    return into(out, operands.result(value, terms))


def _others(x: Any, axes: tuple[int, ...]) -> Any:
    """For each element, the product of all others along the axes."""
    if not axes or not x.size:
        return np.ones_like(plain_values(x))
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    order = rest + axes
    moved = np.transpose(x, order)
    flat = moved.reshape((*(x.shape[i] for i in rest), math.prod(x.shape[i] for i in axes)))
    ones = np.ones_like(plain_values(flat)[..., :1])
    before = np.cumprod(np.concatenate([ones, flat[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, flat[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    inverse = np.argsort(order)
    return np.transpose((before * after).reshape(moved.shape), inverse)


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    _floating("cumsum", dtype)
    if axis is None or not shape_of(operand(a)):
        a, axis = np.ravel(a), 0 if axis is None else axis
    operands = Application(a, linear=True)
    x, t = operands.values[0], operands.tangents[0]
    value = np.cumsum(x, axis=axis, **_given(dtype=dtype))
    last = axis_of(axis, x.ndim) - x.ndim
    linear = NamedMap(
        "cumsum",
        lambda t: np.cumsum(t, axis=last),
        lambda w: np.flip(np.cumsum(np.flip(w, last), axis=last), last),
        x.shape,
        x.shape,
        axes=(last,),
        pattern=lambda: np.tri(x.shape[last], dtype=bool),
    )
    terms = [] if t is None else [operands.space.contract(t, linear, x.shape, x.shape)]
    return into(out, operands.result(value, terms))


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Multiplied one factor at a time, as NumPy does: exact at zeros, to every order."""
    _floating("cumprod", dtype)
    if axis is None or not shape_of(operand(a)):
        a, axis = np.ravel(a), 0 if axis is None else axis
    operands = Application(a, linear=True)
    value = np.cumprod(operands.values[0], axis=axis, **_given(dtype=dtype))
    moved = np.moveaxis(operand(a), axis, 0)
    parts: list[Any] = list(moved[:1])
    for factor in moved[1:]:
        parts.append(parts[-1] * factor)
    joined: Any = np.moveaxis(np.stack(parts), 0, axis) if parts else value
    tangent = operands.tangent_of(joined)
    return into(out, operands.result(value, [] if tangent is None else [tangent]))


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = _NO, append: Any = _NO) -> Any:
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    a = operand(a)
    axis = axis_of(axis, a.ndim)
    ends = []
    for end in (prepend, append):
        if end is not _NO:
            end = operand(end)
            if not shape_of(end):
                end = np.broadcast_to(end, tuple(1 if i == axis else m for i, m in enumerate(a.shape)))
        ends.append(end)
    parts = [p for p in (ends[0], a, ends[1]) if p is not _NO]
    a = np.concatenate(parts, axis=axis) if len(parts) > 1 else a
    lead = (slice(None),) * axis
    for _ in range(n):
        a = a[(*lead, slice(1, None))] - a[(*lead, slice(None, -1))]
    return a


# -- extrema -----------------------------------------------------------------------------------------------------------
def _extreme(name: str) -> Any:
    function, argument = getattr(np, name), getattr(np, "arg" + name)
    lowest = -np.inf if name == "max" else np.inf

    def implementation(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = _NO,
        initial: Any = _NO,
        where: Any = _NO,
    ) -> Any:
        """The element at NumPy's argmax (or argmin), or ``initial`` where it is larger (or smaller)."""
        operands = Application(a, initial, linear=True)
        x, first = operands.values
        value = function(x, axis=axis, **_given(keepdims=keepdims, initial=first, where=where))
        shape, x = shape_of(x), np.asarray(plain_values(x))
        indices = np.arange(x.size).reshape(shape)
        if where is not _NO and where is not None:
            x, indices = np.where(plain_values(where), x, lowest), np.where(plain_values(where), indices, -1)
        x, indices = (_at_end(b, _reduced(axis, x.ndim)) for b in (x, indices))
        sources = Application(operands.operands[0], linear=True)
        if first is not _NO and first is not None:
            # One more candidate, the last element of all sources: index -1.
            sources, more = operands, ((0, 0),) * (x.ndim - 1) + ((0, 1),)
            x = np.pad(x, more, constant_values=plain_values(first))
            indices = np.pad(indices, more, constant_values=-1)
        positions = np.expand_dims(argument(x, axis=-1), -1)
        indices = np.take_along_axis(indices, positions, -1).reshape(shape_of(value))
        return into(out, picked(value, indices, sources))

    return implementation


def _at_end(a: Any, axes: Shape) -> Any:
    """The array with these axes merged into one, the last."""
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    return a.transpose(rest + axes).reshape((*(a.shape[i] for i in rest), math.prod(a.shape[i] for i in axes)))


def picked(value: Any, indices: Any, sources: Application) -> Any:
    """The dual of this value: the elements at these flat indices into all sources, one after the other."""
    return sources.gathered(value, Structure(_picked, {"indices": indices}))


def _picked(*arrays: Any, indices: Any) -> Any:
    flat = [np.ravel(a) for a in arrays]
    return (flat[0] if len(flat) == 1 else np.concatenate(flat))[indices]


maximum_reduce = implements(np.max, np.amax)(_extreme("max"))
minimum_reduce = implements(np.min, np.amin)(_extreme("min"))


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NO) -> Any:
    return into(out, np.max(a, axis, None, keepdims) - np.min(a, axis, None, keepdims))


# -- methods of ufuncs -------------------------------------------------------------------------------------------------
def _reduce(function: Any, takes_dtype: bool) -> Any:
    def implementation(
        array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False, **options: Any
    ) -> Any:
        if isinstance(out, tuple):
            (out,) = out
        if takes_dtype:
            options["dtype"] = dtype
        array = operand(array)
        if not shape_of(array):
            axis = None
        return function(array, axis=axis, out=out, keepdims=keepdims or _NO, **options)

    return implementation


def _accumulate(function: Any) -> Any:
    def implementation(array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        if not shape_of(operand(array)):
            raise TypeError("cannot accumulate on a scalar")
        return function(array, axis=axis, dtype=dtype, out=out[0] if isinstance(out, tuple) else out)

    return implementation


UFUNCS[np.add, "reduce"] = _reduce(sum_, True)
UFUNCS[np.multiply, "reduce"] = _reduce(prod, True)
UFUNCS[np.maximum, "reduce"] = _reduce(maximum_reduce, False)
UFUNCS[np.minimum, "reduce"] = _reduce(minimum_reduce, False)
UFUNCS[np.add, "accumulate"] = _accumulate(cumsum)
UFUNCS[np.multiply, "accumulate"] = _accumulate(cumprod)
