"""Names for what exists in compiled code alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn


def only_compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function without a body: Numba compiles, in its place, what is overloaded on it for the types at hand.

    Compiled code calls it by this name, and plain Python never does.
    """

    @wraps(function)
    def stub(*args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{function.__name__} is a function of compiled code: Python has none of this name to run")

    return stub
