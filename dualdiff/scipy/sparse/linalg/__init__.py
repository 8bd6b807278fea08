"""``scipy.sparse.linalg`` for duals: linear systems, factorizations, eigenvalues and norms of sparse matrices.

Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from typing import Any

from dualdiff.base.extras import load
from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import without_rule
from dualdiff.scipy.sparse.linalg.functions import eigsh, expm_multiply, lsmr, lsqr, norm
from dualdiff.scipy.sparse.linalg.linear_operators import LinearOperator, aslinearoperator
from dualdiff.scipy.sparse.linalg.solvers import ITERATIVE, factorized, splu, spsolve, spsolve_triangular

globals().update(ITERATIVE)

__all__ = ["LinearOperator", "aslinearoperator", "eigsh", "expm_multiply", "factorized", "lsmr", "lsqr", "norm"]
__all__ += ["splu", "spsolve", "spsolve_triangular"]
__all__ += sorted(ITERATIVE)

for _name in __all__:
    shown_in(__name__)(globals()[_name])


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return without_rule(load("scipy.sparse.linalg", "scipy", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(load("scipy.sparse.linalg", "scipy", __name__))})
