"""``scipy.ndimage`` for duals: ``from dualdiff.scipy import ndimage``.

Filters, with respect to images and weights; interpolation, with respect to images and coordinates; measurements.
Values are SciPy's, bit for bit.  Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.ndimage.image_functions import FUNCTIONS

__all__ = sorted(FUNCTIONS)
globals().update(FUNCTIONS)


__getattr__, __dir__ = rest_of_scipy(globals())
