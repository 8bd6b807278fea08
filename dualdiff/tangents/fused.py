"""The chain rule on small arrays in one expression, where calls of Python functions dominate the cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.tangents.space import Rule, are_float64
from dualdiff.tangents.zeros import may_have_nan

#: Tangents up to this size are checked for NaN after the sum, not term by term.
SMALL = 1 << 14
_FLOAT64 = np.dtype(np.float64)


def fused(row: Rule, values: Sequence[Any], arrays: Sequence[Any], active: int, result: Any) -> Any:
    """The components of the tangent, given those of the active arguments; see `Rule.chain_rule` for ``active``.

    None if the terms must be computed one by one: for other types than float64, and where a NaN may be zero times
    infinity (law 5).
    """
    if not (row.is_pure and are_float64(values)):
        return None
    rule = row.chain_rule(active)
    if rule is None:
        return None
    function, multiplies = rule
    try:
        total = function(*values, result, *arrays)
    except (ArithmeticError, TypeError):
        # Python's scalars raise where NumPy's give inf or nan.
        return None
    if type(total) is not np.ndarray or total.dtype is not _FLOAT64 or (multiplies and may_have_nan(total)):
        return None
    return total
