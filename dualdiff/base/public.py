"""The modules that users import from, in the place of those where things are defined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Thing = TypeVar("Thing")


def shown_in(module: str) -> Callable[[Thing], Thing]:
    """Let tracebacks, pickles and reprs of a function or class show the public module, and no inner path."""

    def show(thing: Any) -> Any:
        thing.__module__ = module
        return thing

    return show
