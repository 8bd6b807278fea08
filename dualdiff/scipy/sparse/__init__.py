"""``scipy.sparse`` for duals: sparse arrays and matrices whose elements are duals, and linear systems with them.

The constructors and functions make SciPy's objects of plain values, and of duals `DualSparse`, which has the methods of
SciPy's.  `linalg` solves with such matrices.  Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from typing import Any

from dualdiff.base.extras import load
from dualdiff.base.late import of_scipy
from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import without_rule
from dualdiff.scipy.sparse.dual_matrices import DualSparse
from dualdiff.scipy.sparse.making import (
    CONSTRUCTORS,
    DIAGONALS,
    MOVING,
    QUESTIONS,
    issparse,
    isspmatrix,
    kron,
    kronsum,
    spdiags,
)

globals().update(CONSTRUCTORS, **DIAGONALS, **MOVING, **QUESTIONS)

__all__ = ["DualSparse", "issparse", "isspmatrix", "kron", "kronsum", "spdiags"]
__all__ += sorted([*CONSTRUCTORS, *DIAGONALS, *MOVING, *QUESTIONS])

for _name in __all__:
    shown_in(__name__)(globals()[_name])


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return of_scipy(f"sparse.{name}") or without_rule(load("scipy.sparse", "scipy", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), "linalg", *dir(load("scipy.sparse", "scipy", __name__))})
