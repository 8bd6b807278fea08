"""Linear operators, known by their products, whose functions may hold duals."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in
from dualdiff.scipy.solving.equations import levels, revalued
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import Stripped, values_of
from dualdiff.scipy.sparse.dual_matrices import is_sparse

_scipy = load("scipy.sparse.linalg", "scipy", "dualdiff.scipy.sparse.linalg")


class LinearOperator(_scipy.LinearOperator):  # type: ignore[misc, name-defined]
    """A matrix that is known by its products, as ``scipy.sparse.linalg.LinearOperator``; its functions may hold duals.

    Parameters
    ----------
    shape : tuple
        The shape of the matrix.
    matvec : callable
        The product with a vector.
    rmatvec, matmat, rmatmat : callable, optional
        The product of the adjoint with a vector, and the products with columns.
    dtype : dtype, optional
        That of the matrix; float by default.

    Notes
    -----
    Products with duals, or of functions that close over duals, are what the functions return.  The iterative solvers
    of `dualdiff.scipy.sparse.linalg` take it, and differentiate in b and in the duals that it holds: each direction is
    solved by the same method, in reverse mode with ``rmatvec``.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.sparse.linalg import LinearOperator, cg
    >>> def solution(p):
    ...     return cg(LinearOperator((2, 2), lambda x: p * x), np.array([1.0, 2.0]))[0]
    >>> derivative(solution, 2.0).round(6)
    array([-0.25, -0.5 ])
    """

    def __init__(
        self, shape: Any, matvec: Any, rmatvec: Any = None, matmat: Any = None, dtype: Any = None, rmatmat: Any = None
    ) -> None:
        super().__init__(np.dtype(float if dtype is None else dtype), shape)
        given = {"matvec": matvec, "rmatvec": rmatvec, "matmat": matmat, "rmatmat": rmatmat}
        self.functions = {name: f for name, f in given.items() if f is not None}
        self.args = ()

    def held_duals(self) -> list[Any]:
        """Duals on which the products depend."""
        return duals_in(self.functions["matvec"](np.zeros(self.shape[1], self.dtype)))

    @property
    def plain(self) -> Any:
        """SciPy's operator, whose products are plain."""
        given = {name: Stripped(f).plain for name, f in self.functions.items()}
        return _scipy.LinearOperator(self.shape, dtype=self.dtype, **given)

    def _matvec(self, x: Any) -> Any:
        return self.functions["matvec"](x)

    def _vector(self, name: str, x: Any, count: int) -> Any:
        x = operand(x)
        if np.shape(x) not in ((count,), (count, 1)):
            raise ValueError("dimension mismatch")
        result = np.reshape(self.functions[name](np.reshape(x, (-1,))), (-1,))
        return np.reshape(result, (-1, 1)) if np.ndim(x) == 2 else result

    def matvec(self, x: Any) -> Any:
        """The product with a vector."""
        return self._vector("matvec", x, self.shape[1])

    def rmatvec(self, x: Any) -> Any:
        """The product of the adjoint with a vector."""
        return self._vector("rmatvec", x, self.shape[0]) if "rmatvec" in self.functions else super().rmatvec(x)

    def matmat(self, X: Any) -> Any:
        """The product with columns."""
        if "matmat" in self.functions:
            return self.functions["matmat"](operand(X))
        return np.stack([self.matvec(column) for column in np.transpose(operand(X))], axis=1)

    def rmatmat(self, X: Any) -> Any:
        """The product of the adjoint with columns."""
        if "rmatmat" in self.functions:
            return self.functions["rmatmat"](operand(X))
        return np.stack([self.rmatvec(column) for column in np.transpose(operand(X))], axis=1)

    def dot(self, x: Any) -> Any:
        """The product with a vector or with columns, or SciPy's with a number or an operator."""
        if hasattr(x, "matvec") or np.ndim(x) == 0:
            return super().dot(x)
        return self.matmat(x) if np.ndim(x) == 2 else self.matvec(x)

    def __matmul__(self, other: Any) -> Any:
        return self.dot(other)

    def __mul__(self, other: Any) -> Any:
        return self.dot(other)


@signed_as(_scipy.aslinearoperator)
def aslinearoperator(A: Any) -> Any:
    """A matrix, whose elements may be duals, as a linear operator; see `LinearOperator`."""
    if not is_sparse(A) and not (hasattr(A, "ndim") and hasattr(A, "dtype") and not hasattr(A, "matvec")):
        return _scipy.aslinearoperator(A)
    a = A if is_sparse(A) else operand(A)
    adjoint = a.conj().T if is_sparse(a) else np.conjugate(a).T
    return LinearOperator(a.shape, lambda x: a @ x, lambda x: adjoint @ x, dtype=a.dtype)


def solved_by_operator(a: Any, b: Any, x: Any, solve: Any) -> Any:
    """The dual solution with an operator that holds duals, from the plain one, a step for each order of derivatives."""

    def residual(x: Any) -> Any:
        return a.matvec(x) - b

    result, r = x, residual(x)
    for left in reversed(range(levels(r))):
        result = revalued(result - solve(r - values_of(r)), x)
        r = residual(result) if left else None
    return result
