"""Functions that are compositions of others: NumPy's own value, and the tangent of the composition.

The composition is written out in duals.  It need not be the one that NumPy computes, only equal to it, so that it may
take places (of bins, knots, order statistics) from the values alone, and sums in any order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from dualdiff.core.array import disown, operand, wrap
from dualdiff.core.dual import AnyDual, leading_space, same_call
from dualdiff.core.errors import lost
from dualdiff.rules.support import duals_in, implements, into, shape_of
from dualdiff.tangents.space import TangentSpace

Function = Callable[..., Any]


def composed(*functions: Any) -> Callable[[Function], Function]:
    """Register the decorated composition, which has NumPy's signature, for the tangents of NumPy functions.

    Some of its parameters are only there for the signature: the result is stored in ``out`` when it is complete, and
    no input is overwritten.
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
        for name, place in ignored.items():
            kwargs.pop(name, None)
            if len(args) > place:
                out = args[place] if name == "out" else out
                args = (*args[:place], None, *args[place + 1 :])
        return into(out, evaluated(function, composition, *args, **kwargs))

    return implementation


def evaluated(function: Function, composition: Function, *args: Any, **kwargs: Any) -> Any:
    """The value of ``function(*args, **kwargs)`` with the tangent of ``composition(*args, **kwargs)``."""
    args = tuple(map(arrayed, args))
    kwargs = {name: arrayed(x) for name, x in kwargs.items()}
    duals = duals_in((args, kwargs))
    space = leading_space(duals)
    own = [d for d in duals if same_call(d.space, space)]
    value = function(*(_value(x, space) for x in args), **{name: _value(x, space) for name, x in kwargs.items()})
    found = None
    if any(d.raw is not None and d.size for d in own):
        with np.errstate(all="ignore"):
            found = composition(*args, **kwargs)
    return _joined(f"{function.__module__}.{function.__name__}", value, found, space, own)


def arrayed(x: Any) -> Any:
    """Sequences of numbers with duals among them as dual arrays; of arrays of different lengths, each by itself."""
    if not isinstance(x, (list, tuple, np.ndarray)) or not duals_in(x):
        return x
    try:
        return operand(x)
    except ValueError:
        return [arrayed(e) for e in x]


def _value(x: Any, space: TangentSpace) -> Any:
    if isinstance(x, AnyDual):
        return x.value if same_call(x.space, space) else x
    return [_value(e, space) for e in x] if type(x) is list else x


def _joined(name: str, value: Any, found: Any, space: TangentSpace, own: list[AnyDual]) -> Any:
    """The values of a result, which may be a tuple or a list, with the tangents found."""
    if isinstance(value, (tuple, list)):
        parts = [None] * len(value) if found is None else found
        joined = [_joined(name, v, f, space, own) for v, f in zip(value, parts, strict=True)]
        return type(value)(*joined) if hasattr(value, "_fields") else type(value)(joined)
    raw = found.raw if isinstance(found, AnyDual) and same_call(found.space, space) else None
    dtype = value.dtype if hasattr(value, "dtype") else np.result_type(value)
    if dtype.kind not in "fc":
        if raw is not None:
            raise lost(f"the dtype {dtype} in {name}", "a floating dtype")
        return value
    if space is None:
        return value
    if raw is not None:
        shape = shape_of(value)
        assert found.shape == shape, (name, found.shape, shape)
        raw = space.cast(raw, dtype, shape)
        for dual in own:
            disown(dual, dual.raw, raw)
    return wrap(value, raw, space)
