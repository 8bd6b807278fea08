"""Engines of their own for functions that NumPy's protocols do not reach: those that another package compiled."""

from __future__ import annotations

import importlib
from types import FunctionType, MethodType
from typing import Any

from dualdiff.base.errors import NoRuleError
from dualdiff.base.late import ENGINES


class _Engines(dict[type, Any]):
    """By the class of a function its engine, or None: duals go through it as through any function."""

    def __missing__(self, kind: type) -> Any:
        module = ENGINES.get(kind.__module__.partition(".")[0])
        if module is None:
            return None
        engine = importlib.import_module(module)
        self[kind] = engine if engine.takes(kind) else None
        return self[kind]


engine_of = _Engines({FunctionType: None, MethodType: None})


def refuse_parallel(operator: str) -> None:
    """Refuse to spread over cores what NumPy differentiates."""
    raise TypeError(
        f"{operator}: parallel=True spreads functions that numba.njit compiled over the cores, and f is not one; "
        "decorate f with @njit, or leave out parallel"
    )


def uncompiled(f: Any) -> Any:
    """The function that NumPy's engine can follow, of one that is compiled."""
    engine = engine_of[type(f)]
    return f if engine is None else engine.uncompiled(f)


def refuse_compiled(operator: str, f: Any) -> None:
    """Refuse a compiled function where NumPy's engine alone has the operator."""
    if engine_of[type(f)] is not None:
        raise NoRuleError(f"{operator} is not compiled, and f is: pass f.py_func for NumPy's engine")
