"""Forward or reverse: what ``mode="auto"`` decides."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.application import dtype_of
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.tangents.spaces.dense import LANES

MODES = ("auto", "forward", "reverse")

#: Up to so many elements of x, mode="auto" does not take a gradient in reverse as a whole.
FORWARD_UP_TO = LANES


def check_mode(operator: str, mode: Any) -> None:
    """Refuse what is not a mode."""
    if mode not in MODES:
        raise ValueError(f"{operator}: mode must be one of {', '.join(map(repr, MODES))}, not {mode!r}")


def takes_mixed(mode: str, inputs: Inputs) -> bool:
    """Whether a gradient is taken in one mixed pass (see `Mixed`): of few float64 elements, without batch axes."""
    is_few = mode == "auto" and 0 < inputs.size <= FORWARD_UP_TO and not inputs.batch.dims
    return is_few and all(dtype_of(leaf) == np.float64 for leaf in inputs.leaves)


def takes_reverse(mode: str, n: int, m: int | None = None) -> bool:
    """Whether a derivative in n elements of x is taken in reverse mode.

    A gradient that takes no mixed pass is taken forwards up to `FORWARD_UP_TO` elements.  A Jacobian is taken forwards
    while that takes one pass; m is the number of its rows, which is asked about after the first of several passes:
    there are either n columns to go along, or m rows.
    """
    if mode == "auto":
        return n > (FORWARD_UP_TO if m is None else m)
    return mode == "reverse"
