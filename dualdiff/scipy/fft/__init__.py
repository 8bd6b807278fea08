"""``scipy.fft`` for duals: ``from dualdiff.scipy import fft``.

Values are SciPy's, bit for bit.  Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from typing import Any

from dualdiff.base.extras import load
from dualdiff.rules.writing.over_scipy import without_rule
from dualdiff.scipy.fft.transforms import TRANSFORMS

__all__ = sorted(TRANSFORMS)
globals().update(TRANSFORMS)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return without_rule(load("scipy.fft", "scipy", "dualdiff.scipy.fft"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(load("scipy.fft", "scipy", "dualdiff.scipy.fft"))})
