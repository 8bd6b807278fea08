"""Names for functions that exist only in compiled code."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn


def only_compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function without a body, for which Numba compiles the overload for the types of the arguments.

    Compiled code calls it by this name; Python never does.
    """

    @wraps(function)
    def stub(*args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{function.__name__} exists only in compiled code and cannot be called from Python")

    return stub
