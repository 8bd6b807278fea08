"""``scipy.linalg`` for dual numbers: its differentiable functions, which themselves do not dispatch on duals.

Each function has the signature of SciPy's function of its name and returns its value bit for bit; plain arguments go to
SciPy unchanged.  Derivatives of every order, forward and reverse, work for real and complex matrices, and for stacks of
them if SciPy takes stacks.  The functions of numpy.linalg take duals themselves, as in ``np.linalg.solve(a, b)``.

The other functions of ``scipy.linalg`` are here too, and refuse duals.  Beyond SciPy there is `funmh`, a function of a
Hermitian matrix that is differentiable at repeated eigenvalues.

The functions need the extra ``scipy``, and load it at the first call.
"""

from __future__ import annotations

from dualdiff.rules.scipy.linalg.cholesky import cho_factor, cho_solve, cholesky
from dualdiff.rules.scipy.linalg.determinants import det
from dualdiff.rules.scipy.linalg.eigen import eig, eigh, eigvals, eigvalsh
from dualdiff.rules.scipy.linalg.funm import funm, funmh
from dualdiff.rules.scipy.linalg.least_squares import lstsq, pinv, pinvh
from dualdiff.rules.scipy.linalg.lu import lu, lu_factor, lu_solve
from dualdiff.rules.scipy.linalg.matrix_equations import (
    solve_continuous_are,
    solve_continuous_lyapunov,
    solve_discrete_are,
    solve_discrete_lyapunov,
    solve_lyapunov,
    solve_sylvester,
)
from dualdiff.rules.scipy.linalg.matrix_functions import (
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
from dualdiff.rules.scipy.linalg.norms import norm
from dualdiff.rules.scipy.linalg.qr import qr
from dualdiff.rules.scipy.linalg.solve import inv, solve, solve_banded, solve_toeplitz, solve_triangular, solveh_banded
from dualdiff.rules.scipy.linalg.special_matrices import block_diag, circulant, companion, hankel, khatri_rao, toeplitz
from dualdiff.rules.scipy.linalg.svd import svd, svdvals
from dualdiff.rules.writing.over_scipy import rest_of_scipy

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


__getattr__, __dir__ = rest_of_scipy(globals())
