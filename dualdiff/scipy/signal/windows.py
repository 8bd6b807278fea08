"""``scipy.signal.windows`` for duals: windows as functions of their parameters.

Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.signal.numpy_code import WINDOWS

__all__ = sorted(WINDOWS)
globals().update(WINDOWS)


__getattr__, __dir__ = rest_of_scipy(globals())
