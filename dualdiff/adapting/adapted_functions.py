"""NumPy's functions as adapted code finds them: what they make takes duals, and duals in lists are found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.core.registry import CREATORS, FUNCTIONS, entry_of
from dualdiff.rules.numpy.creation import buffer
from dualdiff.rules.writing.array_rules import duals_in

#: A function in adapted code: called with NumPy's own function, an array without axes that takes the duals of all calls
#: that run, and the arguments.
Maker = Callable[..., Any]


def accepting(made: Any, like: Any) -> Any:
    """What NumPy made, so that duals can be written into it; integers and booleans stay plain."""
    if type(made) is np.ndarray and made.dtype.kind in "fc":
        return buffer(made, [like])
    return made


def _new(own: Any, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    return CREATORS[own](like, *args, **kwargs)


def _similar(own: Any, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    return accepting(entry_of(FUNCTIONS, own)(*args, **kwargs), like)


def _copied(own: Any, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    return accepting(own(*args, **kwargs), like)


def _converted(own: Any, like: Any, /, a: Any, *args: Any, **kwargs: Any) -> Any:
    if issubclass(type(a), np.ndarray) and not isinstance(operand(a), AnyDual):
        return own(a, *args, **kwargs)
    return CREATORS[own](like, a, *args, **kwargs)


def _with_duals_in_lists(own: Any, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    return (entry_of(FUNCTIONS, own) if duals_in((args, kwargs)) else own)(*args, **kwargs)


def _grid(own: Any, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    return CREATORS[own](like, *args, **kwargs) if duals_in((args, kwargs)) else own(*args, **kwargs)


def _piecewise(own: Any, like: Any, /, x: Any, *args: Any, **kwargs: Any) -> Any:
    """The result has the dtype of x, and is a buffer that the functions' values are written into."""
    given = operand(x)
    if not isinstance(given, AnyDual):
        given = np.array(given)
        if given.dtype.kind not in "fc":
            return own(x, *args, **kwargs)
        given = buffer(given, [like])
    return entry_of(FUNCTIONS, own)(given, *args, **kwargs)


MAKERS: dict[str, Maker] = {
    **dict.fromkeys(("zeros", "ones", "empty", "full", "eye", "identity", "tri", "array", "fromiter"), _new),
    "copy": _copied,
    **dict.fromkeys(("zeros_like", "ones_like", "empty_like", "full_like"), _similar),
    **dict.fromkeys(("asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "require"), _converted),
    "arange": _grid,
    "interp": _with_duals_in_lists,
    "piecewise": _piecewise,
}


def vectorized(own: Any, like: Any, /, self: Any, func: Any, args: Any) -> Any:
    """``np.vectorize(f, otypes=[float])`` called: the results are collected as objects, which hold duals."""
    if self.otypes is None:
        return own(self, func, args)
    twin = copy.copy(self)
    twin.otypes = "O" * len(self.otypes)
    made = own(twin, func, args)
    results = (made,) if len(self.otypes) == 1 else made
    typed = [_converted(np.asanyarray, like, x, dtype=t) for x, t in zip(results, self.otypes, strict=True)]
    return typed[0] if len(typed) == 1 else tuple(typed)


def replaced(other: Any, own: Any, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    """A call of what stands in the place of SciPy's, whatever the arguments are."""
    return other(*args, **kwargs)


def routed(other: Any, own: Any, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    """A call of SciPy's function: the one for dual numbers, where these are arguments or may be captured by some.

    An instance of SciPy's class may be given some later, so that it is always one of the class for dual numbers.
    """
    if isinstance(other, type):
        return replaced(other, own, like, *args, **kwargs)
    may_hold = duals_in((args, kwargs)) or any(callable(x) for x in (*args, *kwargs.values()))
    return (other if may_hold else own)(*args, **kwargs)
