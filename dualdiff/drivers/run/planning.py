"""The plan of a derivative: forward or reverse mode, and the number of directions that one call of f carries."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.application import dtype_of
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.tangents.spaces.dense import LANES

MODES = ("auto", "forward", "reverse")

#: Up to this number of elements of x, mode="auto" does not compute the whole gradient in reverse mode.
FORWARD_UP_TO = LANES


def check_mode(operator: str, mode: Any) -> None:
    """Raise unless ``mode`` is one of `MODES`."""
    if mode not in MODES:
        raise ValueError(f"{operator}: mode must be one of {', '.join(map(repr, MODES))}, not {mode!r}")


def takes_mixed(mode: str, inputs: Inputs) -> bool:
    """Whether a gradient takes one mixed pass (see `Mixed`): with few float64 elements and no batch axes."""
    is_few = mode == "auto" and 0 < inputs.size <= FORWARD_UP_TO and not inputs.batch.dims
    return is_few and all(dtype_of(leaf) == np.float64 for leaf in inputs.leaves)


def takes_reverse(mode: str, n: int, m: int | None = None) -> bool:
    """Whether a derivative with respect to n elements of x takes reverse mode.

    A gradient that takes no mixed pass takes forward mode up to `FORWARD_UP_TO` elements.  A Jacobian takes forward
    mode if one pass is enough.  Otherwise its number of rows m, known after the first pass, is compared with its number
    of columns n: forward mode computes columns, reverse mode rows.
    """
    if mode == "auto":
        return n > (FORWARD_UP_TO if m is None else m)
    return mode == "reverse"


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
