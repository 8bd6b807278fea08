"""The options of the operators: what refuses wrong values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from dualdiff.drivers.run.batches import check_batch_dims
from dualdiff.drivers.run.chunks import check_chunk_size
from dualdiff.drivers.run.inputs import check_argnum
from dualdiff.drivers.run.modes import check_mode

#: The argument that is differentiated, or several of them.
Argnum = int | tuple[int, ...]
Mode = Literal["auto", "forward", "reverse"]


FLAGS = frozenset({"check", "has_aux", "parallel"})

#: What refuses wrong values of the other options.
CHECKS: dict[str, Callable[[str, Any], None]] = {
    "argnum": check_argnum,
    "batch_dims": check_batch_dims,
    "chunk_size": check_chunk_size,
    "mode": check_mode,
}


def checked(operator: str, name: str, given: Any) -> Any:
    """The value of an option, if it is one."""
    if name in FLAGS:
        if not isinstance(given, (bool, np.bool_)):
            raise TypeError(f"{operator}: {name} must be True or False, not {given!r}")
        return bool(given)
    if name in CHECKS:
        CHECKS[name](operator, given)
    return given
