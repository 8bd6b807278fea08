"""Engines of their own for functions that NumPy's protocols do not reach: those that another package compiled."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

#: By the package that a function's class comes from: the module that differentiates it, loaded when one is met.
ENGINES = {"numba": "dualdiff.compiled.engine"}

#: What was found for the classes of those packages.
_found: dict[type, Any] = {}


def engine_for(f: Callable[..., Any]) -> Any:
    """The engine that takes this function, or None: duals go through it as through any function."""
    kind = type(f)
    if kind in _found:
        return _found[kind]
    module = ENGINES.get(kind.__module__.partition(".")[0])
    if module is None:
        return None
    engine = importlib.import_module(module)
    _found[kind] = engine if engine.takes(f) else None
    return _found[kind]
