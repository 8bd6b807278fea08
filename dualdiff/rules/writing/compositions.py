"""Functions that are compositions of others: the value is NumPy's, the tangent that of the composition.

The composition is evaluated on duals.  It must equal what NumPy computes, but need not take the same steps: it may find
indices (of bins, knots, order statistics) from the values alone, and sum in any order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from dualdiff.base.errors import lost
from dualdiff.core.application import Application, dtype_of
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, implements, into, shape_of

Function = Callable[..., Any]


def composed(*functions: Any) -> Callable[[Function], Function]:
    """Register the decorated composition, which has NumPy's signature, for the tangents of NumPy functions.

    Two of its parameters only complete the signature: the composition never sees ``out``, where the result is stored
    afterwards, and ``overwrite_input`` is ignored.
    """

    def register(composition: Function) -> Function:
        for function in functions:
            implements(function)(_implementation(function, composition))
        return composition

    return register


def _implementation(function: Any, composition: Function) -> Function:
    names = list(inspect.signature(composition).parameters)
    ignored = {name: names.index(name) for name in ("out", "overwrite_input") if name in names}

    @wraps(composition)
    def implementation(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        for name, i in ignored.items():
            kwargs.pop(name, None)
            if len(args) > i:
                out = args[i] if name == "out" else out
                args = (*args[:i], None, *args[i + 1 :])
        return into(out, evaluated(function, composition, *args, **kwargs))

    return implementation


def evaluated(function: Function, composition: Function, *args: Any, **kwargs: Any) -> Any:
    """The value of ``function(*args, **kwargs)`` with the tangent of ``composition(*args, **kwargs)``."""
    args = tuple(map(arrayed, args))
    kwargs = {name: arrayed(x) for name, x in kwargs.items()}
    duals = Application(*duals_in((args, kwargs)), linear=True)
    value = function(*(_value(x, duals) for x in args), **{name: _value(x, duals) for name, x in kwargs.items()})
    for source in duals.operands:
        if value is duals.value_of(source):
            # NumPy returned the array itself.
            return source
    dual = None
    if any(d.size for d, t in zip(duals.operands, duals.tangents, strict=True) if t is not None):
        with np.errstate(all="ignore"):
            dual = composition(*args, **kwargs)
    return _joined(f"{function.__module__}.{function.__name__}", value, dual, duals)


def arrayed(x: Any) -> Any:
    """A sequence that contains duals as a dual array; if its items differ in shape, as a list of dual arrays."""
    if not issubclass(type(x), (list, tuple, np.ndarray)) or not duals_in(x):
        return x
    try:
        return operand(x)
    except ValueError:
        return [arrayed(e) for e in x]


def _value(x: Any, duals: Application) -> Any:
    return [_value(e, duals) for e in x] if type(x) is list else duals.value_of(x)


def _joined(name: str, value: Any, dual: Any, duals: Application) -> Any:
    """The values of a result, which may be a tuple or a list, with the tangents of the composition, ``dual``."""
    if isinstance(value, (tuple, list)):
        parts = [None] * len(value) if dual is None else dual
        joined = [_joined(name, v, f, duals) for v, f in zip(value, parts, strict=True)]
        return type(value)(*joined) if hasattr(value, "_fields") else type(value)(joined)
    t = duals.tangent_of(dual)
    dtype = dtype_of(value) if hasattr(value, "dtype") else np.result_type(value)
    if dtype.kind not in "fc":
        if t is not None:
            raise lost(f"the dtype {dtype} in {name}", "a floating dtype")
        return value
    assert t is None or shape_of(dual) == shape_of(value), (name, shape_of(dual), shape_of(value))
    return duals.result(value, [] if t is None else [t])
