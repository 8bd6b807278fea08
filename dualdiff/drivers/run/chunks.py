"""Chunks: the number of directions that one call of f carries."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.inputs import Inputs

#: A dense tangent has at most about this many elements, unless `chunk_size` says otherwise.
CHUNK_ELEMENTS = 1 << 17
#: A pass takes at least this number of directions, because each pass recomputes the values.
CHUNK_AT_LEAST = 4


def check_chunk_size(operator: str, chunk_size: Any) -> None:
    """Raise unless ``chunk_size`` is a positive integer or None."""
    if chunk_size is None:
        return
    if isinstance(chunk_size, bool) or not isinstance(chunk_size, (int, np.integer)) or chunk_size < 1:
        raise ValueError(f"{operator}: chunk_size must be a positive integer, not {chunk_size!r}")


def chunks(inputs: Inputs, chunk_size: int | None, directions: int) -> list[tuple[int, int]]:
    """The range of directions of each pass; a single empty range if there are no directions."""
    if chunk_size is None:
        weight = max(inputs.largest, sum(map(_weight, inputs.leaves)), 1)
        chunk_size = max(CHUNK_AT_LEAST, CHUNK_ELEMENTS // weight)
        # Passes of equal size take the same number of calls and less memory.
        passes = -(-directions // chunk_size)
        chunk_size = max(1, -(-directions // max(passes, 1)))
    if directions <= chunk_size:
        return [(0, directions)]
    return [(start, min(start + chunk_size, directions)) for start in range(0, directions, chunk_size)]


def _weight(x: Any) -> int:
    """The number of elements of a value, including the tangents of outer calls that it carries."""
    if type(x) is np.ndarray:
        return x.size
    if isinstance(x, AnyDual):
        return _weight(x.value) * (1 + getattr(x.space, "directions", 1))
    return int(np.size(x))
