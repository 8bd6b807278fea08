"""``scipy.fft`` for duals: ``from dualdiff.scipy import fft``.

Values are SciPy's, bit for bit.  Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.fft.transforms import TRANSFORMS

__all__ = sorted(TRANSFORMS)
globals().update(TRANSFORMS)


__getattr__, __dir__ = rest_of_scipy(globals())
