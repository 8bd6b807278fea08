"""Differences between the supported versions of NumPy and SciPy."""

from __future__ import annotations

import sys
from functools import cache

import numpy as np


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


@cache
def scipy_version() -> tuple[int, int]:
    """The version of the installed SciPy, without importing it; a version above all others if there is none."""
    if "scipy" in sys.modules:
        return _version(sys.modules["scipy"].__version__)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return _version(version("scipy"))
    except PackageNotFoundError:
        return sys.maxsize, 0


NUMPY = _version(np.__version__)

#: Whether np.linalg.cross leaves the check of its arguments to np.cross, and so accepts axis=None.
CROSS_WITHOUT_AXIS = NUMPY >= (2, 5)
#: The SciPy from which cho_factor sets the other triangle to zero; before, it kept the entries of the matrix there.
CHO_FACTOR_CLEARS = (1, 18)
