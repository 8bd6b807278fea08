"""Linear systems with sparse matrices: direct and iterative solvers, factorizations.

The solution x of A x = b has A dx = db - dA x.  The matrix is factored once, for the value, all directions, the adjoint
and all orders.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.scipy.sparse_solving import Factors, by_superlu, sparse_solution
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.solving.equations import UNCONVERGED, no_derivative, unknown
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import values_of
from dualdiff.scipy.sparse.dual_matrices import DualSparse, canonical, data_of, entries_of, is_sparse
from dualdiff.scipy.sparse.linalg.linear_operators import LinearOperator, solved_by_operator
from dualdiff.scipy.sparse.making import CONSTRUCTORS, MOVING

_scipy = load("scipy.sparse.linalg", "scipy", "dualdiff.scipy.sparse.linalg")
_sparse = load("scipy.sparse", "scipy", "dualdiff.scipy.sparse.linalg")

SINGULAR = "the matrix is singular"


def square(a: Any) -> Any:
    """A matrix, plain or of duals, with elements at coordinates that are not repeated."""
    if not is_sparse(a):
        a = CONSTRUCTORS["csc_array"](operand(a))
    return canonical(a if a.format in ("csr", "csc") else a.tocsc())


def plain_of(a: Any) -> Any:
    """SciPy's matrix, or what else is given, with plain values."""
    return a.plain if hasattr(type(a), "held_duals") else values_of(a)


def entries(a: Any) -> Any:
    """The positions of the elements of a matrix in the format CSR or CSC."""
    return a.entries if type(a) is DualSparse else entries_of(a)


def factors(a: Any, plain: Any, **options: Any) -> Factors:
    """The factors as spsolve has them: of the transpose, if the matrix has the format CSR."""
    is_rows = plain.format == "csr"
    values = plain if plain.dtype.kind in "fc" else plain.astype(float)
    lu = _scipy.splu(values.T.tocsc() if is_rows else values, **options)
    solve = by_superlu(lu)
    turned = (lambda b, transposed: solve(b, not transposed)) if is_rows else solve
    return Factors(entries(a), values.dtype, turned)


def solved(a: Any, b: Any, factored: Factors, value: Any = None) -> Any:
    """The dual solution for a matrix in the format CSR or CSC."""
    return sparse_solution(factored, data_of(a), operand(b), value=value)


def _has_umfpack() -> bool:
    from importlib.util import find_spec

    try:
        return find_spec("scikits.umfpack") is not None
    except ModuleNotFoundError:
        return False


@signed_as(_scipy.spsolve)
def spsolve(A: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True) -> Any:
    r"""Solve :math:`A x = b` for a sparse A, as ``scipy.sparse.linalg.spsolve``: :math:`A\,dx = db - dA\,x`.

    Parameters
    ----------
    A : sparse matrix
        Its elements may be duals.
    b : array_like
        One right-hand side, or columns of several; may be duals.
    permc_spec, use_umfpack
        As in SciPy.

    Returns
    -------
    array
        SciPy's solution.

    Raises
    ------
    ValueError
        As SciPy's.
    dualdiff.NoRuleError
        For a sparse b beside duals.

    Notes
    -----
    One factorization and one solve give the value; each direction, and the adjoint of all, costs one solve more.  Where
    the matrix is singular, the derivative is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.sparse import diags
    >>> from dualdiff.scipy.sparse.linalg import spsolve
    >>> gradient(lambda d: np.sum(spsolve(diags(d).tocsc(), np.array([1.0, 3.0]))), np.array([1.0, 2.0]))
    array([-1.  , -0.75])
    """
    if not duals_in([A, b]):
        return _scipy.spsolve(A, b, permc_spec, use_umfpack)
    if is_sparse(b):
        raise no_rule("scipy.sparse.linalg.spsolve of duals with a sparse b", " (b.toarray() has one)")
    b = operand(b)
    a = square(A)
    plain = plain_of(a)
    options = {} if permc_spec is None else {"permc_spec": permc_spec}
    if not np.shape(b) or plain.shape[0] != plain.shape[1] or np.shape(b)[0] != plain.shape[0]:
        # SciPy's own error.
        return _scipy.spsolve(plain, plain_values(b))
    try:
        factored = factors(a, plain, **options)
    except RuntimeError:
        value = _scipy.spsolve(plain, plain_values(b), permc_spec, use_umfpack)
        no_derivative("scipy.sparse.linalg.spsolve", SINGULAR)
        return unknown(value, data_of(a), b)
    is_column = np.ndim(b) == 2 and np.shape(b)[1] == 1
    right = np.reshape(b, (-1,)) if is_column else b
    value = _scipy.spsolve(plain, plain_values(b), permc_spec) if use_umfpack and _has_umfpack() else None
    return solved(a, right, factored, value)


class Factorization:
    """A factored matrix, as the object that ``scipy.sparse.linalg.splu`` returns; see `splu`."""

    def __init__(self, a: Any, lu: Any) -> None:
        self._a, self._lu = a, lu
        dtype = np.dtype(complex if plain_of(a).dtype.kind == "c" else float)
        self._factors = Factors(entries(a), dtype, by_superlu(lu))
        self.shape, self.nnz = lu.shape, lu.nnz

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._lu, name)
        if type(self._a) is DualSparse and name in ("L", "U"):
            raise no_rule(f"scipy.sparse.linalg.SuperLU.{name}", " (solve has one)")
        return found

    def solve(self, rhs: Any, trans: str = "N") -> Any:
        """The solution for a right-hand side or for columns, of the system, or of the transposed or adjoint one."""
        if not duals_in([self._a, rhs]):
            return self._lu.solve(np.asarray(rhs), trans)
        value = self._lu.solve(np.asarray(plain_values(operand(rhs))), trans)
        b, data = operand(rhs), data_of(self._a)
        if trans == "H":
            return np.conjugate(sparse_solution(self._factors, data, np.conjugate(b), True, np.conjugate(value)))
        return sparse_solution(self._factors, data, b, trans == "T", value)


@signed_as(_scipy.splu)
def splu(A: Any, *args: Any, **options: Any) -> Any:
    """The LU factorization of a sparse matrix, as ``scipy.sparse.linalg.splu``; elements may be duals.

    Parameters
    ----------
    A : sparse matrix
        Its elements may be duals.
    permc_spec, diag_pivot_thresh, relax, panel_size, options
        As in SciPy.

    Returns
    -------
    object
        With SciPy's method ``solve(rhs, trans='N')``, for right-hand sides that may be duals.

    Notes
    -----
    Each direction, and the adjoint of all, costs one solve.  ``L`` and ``U`` have no derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.sparse import csc_array
    >>> from dualdiff.scipy.sparse.linalg import splu
    >>> solve = splu(csc_array([[2.0, 0.0], [0.0, 4.0]])).solve
    >>> gradient(lambda b: np.sum(solve(b)), np.ones(2))
    array([0.5 , 0.25])
    """
    a = square(A) if duals_in([A]) else A
    if is_sparse(a):
        a = a.tocsc()
        a = a if type(a) is DualSparse else _summed(a)
    else:
        a = _sparse.csc_array(a)
    lu = _scipy.splu(plain_of(a) if type(a) is DualSparse else A, *args, **options)
    return Factorization(a, lu)


def _summed(a: Any) -> Any:
    a = a.copy()
    a.sum_duplicates()
    return a


@signed_as(_scipy.factorized)
def factorized(A: Any) -> Any:
    """A function that solves with a sparse matrix, as ``scipy.sparse.linalg.factorized``; elements may be duals."""
    if not duals_in([A]):
        given = _scipy.factorized(A)
        plain = splu(_sparse.csc_array(A))
        return lambda b: plain.solve(b) if duals_in(b) else given(b)
    return splu(A).solve


@signed_as(_scipy.spsolve_triangular)
def spsolve_triangular(A: Any, b: Any, lower: bool = True, *args: Any, **options: Any) -> Any:
    """Solve with a triangular sparse matrix, as ``scipy.sparse.linalg.spsolve_triangular``; all may be duals."""
    if not duals_in([A, b]):
        return _scipy.spsolve_triangular(A, b, lower, *args, **options)
    given = inspect.signature(_scipy.spsolve_triangular).bind(A, b, lower, *args, **options).arguments
    is_unit = given.get("unit_diagonal", False)
    a = square(A).tocsc()
    right = np.array(plain_values(operand(b)))
    value = _scipy.spsolve_triangular(plain_of(a).tocsr(), right, lower, unit_diagonal=is_unit)
    cut = MOVING["tril" if lower else "triu"]
    a = cut(a, k=(-1 if lower else 1) if is_unit else 0)
    if is_unit:
        a = a + _sparse.eye_array(a.shape[0], format="csc")
    a = square(a).tocsc()
    plain = plain_of(a)
    factored = Factors(entries(a), plain.dtype, by_superlu(_scipy.splu(plain)))
    return solved(a, b, factored, value)


_ITERATIVE = """Solve :math:`A x = b` iteratively, as ``scipy.sparse.linalg.{name}``; A and b may be duals.

    Parameters
    ----------
    A : sparse matrix, array or LinearOperator
        The elements of a matrix may be duals.
    b : array_like
        The right-hand side, which may be duals.
    others
        As in SciPy: plain values.

    Returns
    -------
    x : array
        SciPy's approximate solution.
    info : int
        As in SciPy.

    Notes
    -----
    Derivatives are those of the exact solution, at the x that was found: A is factored once for all of them.  With a
    `LinearOperator`, which may hold duals, each direction is solved by the same method.  Where SciPy's did not
    converge, the derivative is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.sparse import diags
    >>> from dualdiff.scipy.sparse.linalg import {name}
    >>> gradient(lambda d: np.sum({name}(diags(d), np.array([1.0, 3.0]){atol})[0]), np.array([1.0, 2.0])).round(6)
    array([-1.  , -0.75])
    """
#: The methods, and whether they are for symmetric matrices.
_METHODS = {
    **dict.fromkeys(("bicg", "bicgstab", "cgs", "gcrotmk", "gmres", "lgmres", "qmr", "tfqmr"), False),
    **dict.fromkeys(("cg", "minres"), True),
}


def _iterative(name: str, symmetric: bool) -> Any:
    scipys = getattr(_scipy, name)

    def function(A: Any, b: Any, *args: Any, **options: Any) -> Any:
        if not duals_in([A, b, list(args), options]):
            return scipys(A, b, *args, **options)
        for option, x in inspect.signature(scipys).bind(A, b, *args, **options).arguments.items():
            if option not in ("A", "b") and duals_in(x):
                raise no_rule(f"scipy.sparse.linalg.{name} with a dual number as {option}=", " (a plain one has one)")
        b = operand(b)
        x, info = scipys(plain_of(A), plain_values(b), *args, **options)
        if info:
            no_derivative(f"scipy.sparse.linalg.{name}", UNCONVERGED)
            return unknown(x, *duals_in([A, b])), info
        if not hasattr(A, "matvec"):
            a = square(A)
            right = np.reshape(b, (-1,))
            try:
                factored = factors(a, plain_of(a))
            except RuntimeError:
                no_derivative(f"scipy.sparse.linalg.{name}", SINGULAR)
                return unknown(x, data_of(a), b), info
            return np.reshape(solved(a, right, factored, np.ravel(x)), np.shape(x)), info
        if type(A) is LinearOperator:
            flat = np.ravel(x)
            solve = partial(_by_method, scipys, symmetric, A)
            return np.reshape(solved_by_operator(A, np.reshape(b, (-1,)), flat, solve), np.shape(x)), info
        return _by_method(scipys, symmetric, A, b, x), info

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _ITERATIVE.format(name=name, atol="" if name == "minres" else ", atol=0.0")
    return signed_as(scipys)(function)


def _by_method(scipys: Any, symmetric: bool, a: Any, b: Any, x: Any = None) -> Any:
    """The solution with an operator that is plain, each direction by the method itself."""
    plain = _scipy.aslinearoperator(plain_of(a))

    def solve(columns: Any, transposed: bool) -> Any:
        used = plain.T if transposed and not symmetric else plain
        if np.ndim(columns) == 1:
            return _direction(scipys, used, columns)
        return np.stack([_direction(scipys, used, column) for column in columns.T], axis=1)

    no_entries = entries_of(_sparse.coo_array((1, 1)))
    factored = Factors(no_entries, np.dtype(plain.dtype or float), solve)
    value = None if x is None else np.ravel(x)
    result = sparse_solution(factored, np.zeros(0), np.reshape(b, (-1,)), value=value)
    return result if x is None else np.reshape(result, np.shape(x))


#: Of a direction; without ``atol`` old versions of SciPy warn.
_TIGHT = {"rtol": 1e-12, "atol": 0.0}


def _direction(scipys: Any, plain: Any, b: Any) -> Any:
    """The solution for one direction: by GMRES where the method breaks down, NaN where that does not converge."""
    for method in (scipys, _scipy.gmres) if np.all(np.isfinite(b)) else ():
        with np.errstate(all="ignore"):
            tolerances = {name: x for name, x in _TIGHT.items() if name in inspect.signature(method).parameters}
            x = method(plain, b, **tolerances)[0]
            # What the methods return is no measure of the residual; SciPy 1.13 gives a function where BiCG breaks down.
            if not callable(x) and np.linalg.norm(plain @ x - b) <= 1e-8 * np.linalg.norm(b):
                return x
    no_derivative(f"scipy.sparse.linalg.{scipys.__name__}", UNCONVERGED)
    return np.full(b.shape, np.nan, np.result_type(b, plain.dtype))


ITERATIVE = {name: _iterative(name, symmetric) for name, symmetric in _METHODS.items()}
