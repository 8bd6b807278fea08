"""The choice between forward and reverse mode by ``mode="auto"``."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.application import dtype_of
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
