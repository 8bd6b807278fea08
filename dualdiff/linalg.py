"""scipy.linalg for dual numbers: its functions, which do not see duals by themselves, with their derivatives.

Each function has the signature and, bit for bit, the value of SciPy's function of its name; plain arguments go to SciPy
as they are.  Derivatives pass through to every order, forwards and backwards, for stacks of matrices where SciPy takes
them, real and complex.  What numpy.linalg offers needs nothing of this: ``np.linalg.solve(a, b)`` takes duals itself.

The other functions of ``scipy.linalg`` are here too, and refuse duals.  Beyond SciPy there is `funmh`, a function of a
Hermitian matrix that is right where its eigenvalues repeat.

The functions need the extra ``scipy``, and load it when they are first called.
"""

from __future__ import annotations

from typing import Any

from dualdiff.core.extras import load
from dualdiff.rules.matrix_equations import (
    solve_continuous_are,
    solve_continuous_lyapunov,
    solve_discrete_are,
    solve_discrete_lyapunov,
    solve_lyapunov,
    solve_sylvester,
)
from dualdiff.rules.matrix_functions import (
    coshm,
    cosm,
    expm,
    expm_frechet,
    fractional_matrix_power,
    logm,
    polar,
    signm,
    sinhm,
    sinm,
    sqrtm,
    tanhm,
    tanm,
)
from dualdiff.rules.over_scipy import without_rule
from dualdiff.rules.scipy_decompositions import eig, eigh, eigvals, eigvalsh, qr, svd, svdvals
from dualdiff.rules.scipy_factors import (
    cho_factor,
    cho_solve,
    cholesky,
    lu,
    lu_factor,
    lu_solve,
    solve_triangular,
)
from dualdiff.rules.scipy_solvers import det, inv, lstsq, norm, pinv, pinvh, solve
from dualdiff.rules.special_matrices import block_diag, circulant, companion, hankel, khatri_rao, toeplitz
from dualdiff.rules.spectral import funm, funmh
from dualdiff.rules.structured_solvers import solve_banded, solve_toeplitz, solveh_banded

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "circulant",
    "companion",
    "coshm",
    "cosm",
    "det",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "expm_frechet",
    "fractional_matrix_power",
    "funm",
    "funmh",
    "hankel",
    "inv",
    "khatri_rao",
    "logm",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "norm",
    "pinv",
    "pinvh",
    "polar",
    "qr",
    "signm",
    "sinhm",
    "sinm",
    "solve",
    "solve_banded",
    "solve_continuous_are",
    "solve_continuous_lyapunov",
    "solve_discrete_are",
    "solve_discrete_lyapunov",
    "solve_lyapunov",
    "solve_sylvester",
    "solve_toeplitz",
    "solve_triangular",
    "solveh_banded",
    "sqrtm",
    "svd",
    "svdvals",
    "tanhm",
    "tanm",
    "toeplitz",
]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return without_rule(load("scipy.linalg", "scipy", "dualdiff.linalg"), name)
