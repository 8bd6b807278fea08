"""Linear interpolation, differentiated with respect to points, knots, values at the knots, and period."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.rules.writing.compositions import composed


def _array(x: Any) -> Any:
    x = operand(x)
    return x if isinstance(x, AnyDual) else np.asarray(x)


@composed(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """The line between two knots: at a knot the one on its right, at the last knot the one on its left."""
    x, xp, fp = map(_array, (x, xp, fp))
    if period is not None:
        period = np.abs(period)
        x, xp = x % period, xp % period
        order = np.argsort(plain_values(xp))
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    points, knots = plain_values(x), plain_values(xp)
    left = fp[0] if left is None else left
    right = fp[-1] if right is None else right
    result = np.broadcast_to(fp[0], np.shape(points))
    if len(knots) > 1:
        j = np.clip(np.searchsorted(knots, points, side="right") - 1, 0, len(knots) - 2)
        result = fp[j] + (fp[j + 1] - fp[j]) / (xp[j + 1] - xp[j]) * (x - xp[j])
    return np.where(points < knots[0], left, np.where(points > knots[-1], right, result))
