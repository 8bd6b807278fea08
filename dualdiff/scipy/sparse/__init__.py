"""``scipy.sparse`` for duals: sparse arrays and matrices whose elements are duals, and linear systems with them.

The constructors and functions make SciPy's objects of plain values, and of duals `DualSparse`, which has the methods of
SciPy's.  `linalg` solves with such matrices.  Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import rest_of_scipy
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


__getattr__, __dir__ = rest_of_scipy(globals())
