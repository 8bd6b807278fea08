"""The chain rule on large arrays, block by block, so that coefficients and terms stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.base.quiet import begin, end
from dualdiff.tangents.space import Rule, Tangent
from dualdiff.tangents.zeros import product

#: Arrays from this size on do not fit into the cache, but blocks do.
LARGE = 1 << 16
_BLOCK = 1 << 14


def in_blocks(row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any) -> Tangent | None:
    """The tangent of a large array along one direction; None if the arrays cannot be split into matching blocks."""
    active = [i for i, t in enumerate(tangents) if t is not None]
    if len(active) == 2 and tangents[active[0]] is tangents[active[1]]:
        # The same tangent twice, as in x - x: the coefficients are added, not the terms.
        return None
    arrays = [_flat(v, result) for v in (*values, result)]
    slopes = [None if t is None else _flat(t, result) for t in tangents]
    if any(a is None for a in arrays) or any(slopes[i] is None for i in active):
        return None
    if len(active) == 1 and not issubclass(type(slopes[active[0]]), np.ndarray):
        # Coefficients times a scalar tangent: there are no temporary arrays to save.
        return None
    total = np.empty(result.size)
    token = begin()
    try:
        is_zero = _fill(total, row, arrays, slopes, active)
    finally:
        end(token)
    return None if is_zero else total.reshape(result.shape)


def _fill(total: Any, row: Rule, arrays: Sequence[Any], slopes: Sequence[Any], active: Sequence[int]) -> bool:
    """Write the sum of the terms into ``total``; returns whether there are none."""
    is_first, is_alone = True, len(active) == 1
    for start in range(0, total.size, _BLOCK):
        piece = slice(start, start + _BLOCK)
        *local, r = (a[piece] if issubclass(type(a), np.ndarray) else a for a in arrays)
        out, is_first = total[piece], True
        for i in active:
            c, t = row.coefficient(i, local, r), slopes[i]
            if c is None:
                continue
            constant = row.constancy[i] + is_alone > 1
            term = product(c, t[piece] if issubclass(type(t), np.ndarray) else t, False, constant)
            if is_first:
                out[...] = term
            else:
                out += term
            is_first = False
    return is_first


def _flat(a: Any, result: Any) -> Any:
    """A flat view of an array with the memory layout of the result; a scalar unchanged; otherwise None."""
    if issubclass(type(a), (float, int)):
        return a
    if type(a) is not np.ndarray or a.dtype != np.float64 or a.shape != result.shape:
        return None
    if not any(a.strides):
        return float(a.flat[0])
    return a.reshape(-1) if a.flags.c_contiguous and result.flags.c_contiguous else None
