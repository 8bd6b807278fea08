"""Errors in units in the last place."""

from __future__ import annotations

import mpmath
import numpy as np

#: What a partial derivative may be off by where it is well conditioned.
BOUND = 8.0


def error(found, wanted, dtype, size=0.0):
    """The error in units in the last place of the expected value (or of a larger scale)."""
    limits = np.finfo(dtype)
    magnitude = abs(wanted)
    if magnitude > float(limits.max) * (1 - 1e-6):
        return 0.0 if abs(found) >= limits.max * (1 - 1e-6) and (found > 0) == (wanted > 0) else np.inf
    if magnitude < 2 * float(limits.tiny):
        return 0.0 if abs(found) <= 2.1 * float(limits.tiny) else np.inf
    if not np.isfinite(found):
        return np.inf
    unit = float(np.spacing(limits.dtype.type(max(float(magnitude), size))))
    return float(abs(mpmath.mpmathify(complex(found) if np.iscomplexobj(found) else float(found)) - wanted) / unit)
