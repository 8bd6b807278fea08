"""Engines for functions that NumPy's protocols do not reach because another package compiled them."""

from __future__ import annotations

import importlib
from types import FunctionType, MethodType
from typing import Any

from dualdiff.base.errors import NoRuleError
from dualdiff.base.late import ENGINES


class LeftToNumPy(Exception):
    """Raised by an engine for what it leaves to NumPy's engine, such as duals of an outer differentiation."""


class _Engines(dict[type, Any]):
    """The engine for each class of functions, or None if duals pass through the function itself."""

    def __missing__(self, kind: type) -> Any:
        module = ENGINES.get(kind.__module__.partition(".")[0])
        if module is None:
            return None
        engine = importlib.import_module(module)
        self[kind] = engine if engine.takes(kind) else None
        return self[kind]


engine_of = _Engines({FunctionType: None, MethodType: None})


def refuse_parallel(operator: str) -> None:
    """Raise because the NumPy engine runs on one core."""
    raise TypeError(
        f"{operator}: parallel=True uses several cores for functions compiled by numba.njit, and f is not compiled; "
        "decorate f with @njit, or omit parallel"
    )


def divided_if_compiled(operator: str, f: Any, options: dict[str, Any]) -> None:
    """Turn a number of workers into threads for a compiled function, which needs no processes and no bar."""
    if engine_of[type(f)] is None:
        return
    options.pop("progress", None)
    if "out" in options:
        raise TypeError(f"{operator}: out is for functions that are not compiled: pass f.py_func")
    if (workers := options.pop("workers", None)) is not None:
        if not isinstance(workers, int):
            raise TypeError(
                f"{operator}: f is compiled and runs in threads of its own: give workers=-1, or parallel=True, or pass "
                "f.py_func to use an executor"
            )
        options["parallel"] = True


def uncompiled(f: Any) -> Any:
    """The Python function behind a compiled one; any other function unchanged."""
    engine = engine_of[type(f)]
    return f if engine is None else engine.uncompiled(f)


def refuse_compiled(operator: str, f: Any) -> None:
    """Raise for a compiled function if only the NumPy engine has the operator."""
    if engine_of[type(f)] is not None:
        raise NoRuleError(f"{operator} does not take compiled functions: pass f.py_func to use the NumPy engine")
