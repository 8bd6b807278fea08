"""``scipy.signal`` for duals: ``from dualdiff.scipy import signal``.

Convolutions, filters, their design and their responses, spectra and windows.  Values are SciPy's, bit for bit.  Every
other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from typing import Any

from dualdiff.base.extras import load
from dualdiff.rules.writing.over_scipy import without_rule
from dualdiff.scipy.signal import windows
from dualdiff.scipy.signal.numpy_code import FUNCTIONS

__all__ = sorted(FUNCTIONS)
globals().update(FUNCTIONS)
windows = windows


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return without_rule(load("scipy.signal", "scipy", "dualdiff.scipy.signal"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(load("scipy.signal", "scipy", "dualdiff.scipy.signal"))})
