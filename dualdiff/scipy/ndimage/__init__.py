"""``scipy.ndimage`` for duals: ``from dualdiff.scipy import ndimage``.

Filters, with respect to images and weights; interpolation, with respect to images and coordinates; measurements.
Values are SciPy's, bit for bit.  Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from typing import Any

from dualdiff.base.extras import load
from dualdiff.rules.writing.over_scipy import without_rule
from dualdiff.scipy.ndimage.image_functions import FUNCTIONS

__all__ = sorted(FUNCTIONS)
globals().update(FUNCTIONS)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return without_rule(load("scipy.ndimage", "scipy", "dualdiff.scipy.ndimage"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(load("scipy.ndimage", "scipy", "dualdiff.scipy.ndimage"))})
