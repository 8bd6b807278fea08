"""The signatures of the installed SciPy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def signed_as(function: Any) -> Callable[[Any], Any]:
    """Decorate a function to have the defaults and the signature of SciPy's."""
    signature = inspect.signature(function)

    def decorate(ours: Any) -> Any:
        defaults = {p.name: p.default for p in signature.parameters.values() if p.default is not p.empty}
        named = [p for p in inspect.signature(ours).parameters.values() if p.default is not p.empty]
        first = [p for p in named if p.kind is not p.KEYWORD_ONLY]
        ours.__defaults__ = tuple(defaults.get(p.name, p.default) for p in first)
        ours.__kwdefaults__ = {p.name: defaults.get(p.name, p.default) for p in named if p not in first}
        ours.__signature__ = signature
        return ours

    return decorate
