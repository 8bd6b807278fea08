"""SciPy for dual numbers, under SciPy's own names: ``from dualdiff.scipy import linalg, special``.

Functions of SciPy that accept duals themselves (the ufuncs of ``scipy.special``) are SciPy's own.
"""

from __future__ import annotations

from typing import Any

from dualdiff.base.late import SCIPY, of_scipy

__all__ = [
    "fft",
    "integrate",
    "interpolate",
    "linalg",
    "ndimage",
    "optimize",
    "signal",
    "sparse",
    "spatial",
    "special",
    "stats",
]


def __getattr__(name: str) -> Any:
    module = of_scipy(name)
    if module is None:
        raise AttributeError(f"module 'dualdiff.scipy' has no attribute {name!r}")
    return module


def __dir__() -> list[str]:
    return sorted({*globals(), *(name for name in SCIPY if "." not in name)})
