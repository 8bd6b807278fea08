"""Functions of SciPy's solvers with closed forms, on which the derivatives in every mode are checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Probes(dict[str, tuple[Any, ...]]):
    """By name: a function of SciPy's module and of parameters, its closed form, the parameters, and a tolerance."""

    def __call__(
        self, name: str, closed: Callable[[Any], Any], p: Sequence[float], tolerance: float = 1e-9
    ) -> Callable[[Any], Any]:
        """Add the decorated function."""

        def add(f: Any) -> Any:
            self[name] = (f, closed, np.array(p), tolerance)
            return f

        return add
