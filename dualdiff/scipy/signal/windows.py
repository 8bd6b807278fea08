"""``scipy.signal.windows`` for duals: windows as functions of their parameters.

Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from typing import Any

from dualdiff.base.extras import load
from dualdiff.rules.writing.over_scipy import without_rule
from dualdiff.scipy.signal.numpy_code import WINDOWS

__all__ = sorted(WINDOWS)
globals().update(WINDOWS)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return without_rule(load("scipy.signal.windows", "scipy", "dualdiff.scipy.signal.windows"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(load("scipy.signal.windows", "scipy", "dualdiff.scipy.signal.windows"))})
