"""Calls with ``out=``, ``where=`` and the other options of ufuncs, and storing results in existing arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.base.errors import lost, plain_target
from dualdiff.core.application import Application, apply, dtype_of, kind_of
from dualdiff.core.array import DualArray, lift
from dualdiff.core.dual import AnyDual, Dual, leading_space, same_call
from dualdiff.tangents.space import Rule, TangentSpace, shape_of


def call(row: Rule, function: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """``function(*inputs, **options)`` for a ufunc, with the tangent that the row defines."""
    if not options:
        return apply(row, function, *inputs)
    if "out" in options:
        return _into(row, function, inputs, options)
    application = Application(*inputs, row=row)
    value = _value(row, function, application.values, options)
    return application.elementwise(row, value, options.get("where", True))


def call_several(rows: Sequence[Rule], function: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """``function(*inputs, **options)`` for a ufunc with several results, with a row for each of them."""
    out = options.pop("out", (None,) * len(rows))
    where = options.get("where", True)
    application = Application(*inputs, linear=True)
    if where is not True:
        options["out"] = tuple(None if target is None else _aside(target, application) for target in out)
    values = _masked(function, application.values, options)
    duals = [application.elementwise(row, value, where, values) for row, value in zip(rows, values, strict=True)]
    return tuple(
        dual if target is None else _stored(dual, target, where) for dual, target in zip(duals, out, strict=True)
    )


def into(out: Any, result: Any, casting: Any = "same_kind") -> Any:
    """The result, stored in ``out`` if that is given."""
    if out is None:
        return result
    if isinstance(out, tuple):
        (out,) = out
    if isinstance(out, DualArray) and shape_of(result) != out.shape:
        raise ValueError(f"the array given as out has shape {out.shape}, but the result has shape {shape_of(result)}")
    if not isinstance(out, DualArray) and isinstance(result, AnyDual):
        raise plain_target("the array given as out")
    out[...] = _castable(result, out, casting) if isinstance(out, DualArray) else result
    return out


def _value(row: Rule, function: Callable[..., Any], values: list[Any], options: dict[str, Any]) -> Any:
    """The value of a call with options, which must not convert it to integers."""
    value = _masked(function, values, options)
    if row.kind != "zero" and kind_of(value) not in "fc":
        raise lost(f"dtype={dtype_of(value)} in {row.name}", "a floating dtype")
    return value


def _masked(function: Callable[..., Any], values: Sequence[Any], options: dict[str, Any]) -> Any:
    """A ufunc call with ``where=``: elements that the mask leaves out are replaced by the first that it selects.

    NumPy would skip the elements that are left out, but NumPy 2.4 then writes past the end of some results.
    """
    mask = np.asarray(options.get("where", True))
    if mask.all() or not mask.any():
        return function(*values, **options)
    rest = {name: option for name, option in options.items() if name not in ("where", "out")}
    shape = np.broadcast_shapes(mask.shape, *map(shape_of, values))
    mask = np.broadcast_to(mask, shape)
    first = tuple(int(i[0]) for i in np.nonzero(mask))
    # Scalars stay scalars: Python's scalars must not determine the dtype.
    spread = [np.broadcast_to(v, shape) if shape_of(v) else v for v in values]
    result = function(*(np.where(mask, v, v[first]) if shape_of(v) else v for v in spread), **rest)
    out = options.get("out")
    if out is None:
        return result
    if not isinstance(out, tuple):
        out, result = (out,), (result,)
    for target, part in zip(out, result, strict=True):
        if target is not None:
            np.copyto(target, part, where=mask)
    stored = tuple(part if target is None else target for target, part in zip(out, result, strict=True))
    return stored if isinstance(options["out"], tuple) else stored[0]


def _into(row: Rule, function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A call with ``out=``: computed first and then stored, so that inputs may overlap the output."""
    out = options.pop("out")
    target = out[0] if isinstance(out, tuple) else out
    if target is None:
        return call(row, function, *inputs, **options)
    where = options.get("where", True)
    if type(target) is np.ndarray and target.dtype == object:
        # The elements of an object array are duals; NumPy computes them by calls without options.
        np.copyto(target, np.asarray(apply(row, function, *inputs), dtype=object), where=where)
        return target
    if isinstance(target, Dual):
        raise TypeError(f"{row.label} stores its result in an array, but out is a dual scalar")
    application = Application(*inputs, row=row)
    if where is not True:
        options["out"] = _aside(target, application)
    value = _value(row, function, application.values, options)
    return _stored(application.elementwise(row, value, where), target, where)


def _aside(target: Any, application: Application) -> Any:
    """A copy of the values of the target, for the elements that ``where=`` leaves out."""
    space: TangentSpace | None = application.space
    while isinstance(target, DualArray) and (space is None or same_call(target.space, space)):
        target = target.value
    copy = np.copy(target)
    outer = leading_space(application.values)
    return copy if outer is None else lift(copy, outer)


def _stored(result: Any, target: Any, where: Any) -> Any:
    """Store the result in the target given as ``out``, and return the target."""
    if not isinstance(target, DualArray):
        while isinstance(result, AnyDual):
            if result.raw is not None:
                raise plain_target("the array given as out (or on the left of an in-place operator)")
            result = result.value
        np.copyto(target, result, where=where)
        return target
    if where is not True:
        result = np.where(where, result, target)
    if shape_of(result) != target.shape:
        result = np.broadcast_to(result, target.shape)
    target[...] = _castable(result, target, "same_kind")
    return target


def _castable(result: Any, target: DualArray, casting: Any) -> Any:
    if not np.can_cast(dtype_of(result), target.dtype, casting):
        raise TypeError(
            f"cannot cast the result from {dtype_of(result)} to {target.dtype} with casting rule {casting!r}"
        )
    return result
