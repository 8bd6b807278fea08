"""``scipy.signal`` for duals: ``from dualdiff.scipy import signal``.

Convolutions, filters, their design and their responses, spectra and windows.  Values are SciPy's, bit for bit.  Every
other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.signal import windows
from dualdiff.scipy.signal.numpy_code import FUNCTIONS

__all__ = sorted(FUNCTIONS)
globals().update(FUNCTIONS)
windows = windows


__getattr__, __dir__ = rest_of_scipy(globals())
