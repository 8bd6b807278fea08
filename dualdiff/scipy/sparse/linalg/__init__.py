"""``scipy.sparse.linalg`` for duals: linear systems, factorizations, eigenvalues and norms of sparse matrices.

Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.sparse.linalg.functions import eigsh, expm_multiply, lsmr, lsqr, norm
from dualdiff.scipy.sparse.linalg.linear_operators import LinearOperator, aslinearoperator
from dualdiff.scipy.sparse.linalg.solvers import ITERATIVE, factorized, splu, spsolve, spsolve_triangular

globals().update(ITERATIVE)

__all__ = ["LinearOperator", "aslinearoperator", "eigsh", "expm_multiply", "factorized", "lsmr", "lsqr", "norm"]
__all__ += ["splu", "spsolve", "spsolve_triangular"]
__all__ += sorted(ITERATIVE)

for _name in __all__:
    shown_in(__name__)(globals()[_name])


__getattr__, __dir__ = rest_of_scipy(globals())
