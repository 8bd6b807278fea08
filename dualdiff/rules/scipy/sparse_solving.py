"""Linear systems with a sparse matrix whose entries may be duals, at positions that are fixed.

The matrix is factored once, for all directions, for the transposed system and for derivatives of every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.dual import AnyDual
from dualdiff.rules.scipy.linalg.solve import by_residual
from dualdiff.rules.scipy.sparse_products import sparse_matmul
from dualdiff.rules.writing.array_rules import Application, plain_values
from dualdiff.rules.writing.terms import is_complex_valued


def _sparse() -> Any:
    return load("scipy.sparse", "scipy", "dualdiff.scipy.sparse")


class Entries:
    """The positions of the entries of a sparse matrix: repeated ones are added."""

    __slots__ = ("_sums", "columns", "rows", "shape")

    def __init__(self, rows: Any, columns: Any, shape: tuple[int, int]) -> None:
        self.rows, self.columns, self.shape = rows, columns, shape
        self._sums: dict[bool, Any] = {}

    def _summing(self, transposed: bool) -> Any:
        """The matrix that adds up, for each row, the entries that stand in it."""
        if transposed not in self._sums:
            rows, count = (self.columns, self.shape[1]) if transposed else (self.rows, self.shape[0])
            order = np.argsort(rows, kind="stable")
            starts = np.searchsorted(rows[order], np.arange(count + 1))
            ones = np.ones(len(rows))
            self._sums[transposed] = _sparse().csr_array((ones, order, starts), shape=(count, len(rows)))
        return self._sums[transposed]

    def product(self, data: Any, x: Any, transposed: bool = False) -> Any:
        """The product of the matrix with these entries, or of its transpose, with a vector or with columns."""
        taken = x[self.rows if transposed else self.columns]
        products = data * taken if np.ndim(x) == 1 else np.reshape(data, (-1, 1)) * taken
        summing = self._summing(transposed)
        return sparse_matmul(summing, products) if type(products) is not np.ndarray else summing @ products


class Factors:
    """A factorization of the plain matrix: ``solve(b, transposed)`` for vectors or columns of its dtype."""

    __slots__ = ("dtype", "entries", "solve")

    def __init__(self, entries: Entries, dtype: Any, solve: Any) -> None:
        self.entries, self.dtype, self.solve = entries, dtype, solve

    def solution(self, b: Any, transposed: bool) -> Any:
        """The solution for plain right-hand sides of any dtype."""
        if is_complex_valued(b) and self.dtype.kind != "c":
            return self.solution(b.real, transposed) + 1j * self.solution(b.imag, transposed)
        return self.solve(np.ascontiguousarray(b, self.dtype), transposed)


def by_superlu(lu: Any) -> Any:
    """``solve`` of `Factors`, with the factors of SuperLU."""
    return lambda b, transposed: lu.solve(b, "T" if transposed else "N") if b.size else b


def sparse_solution(factors: Factors, data: Any, b: Any, transposed: bool = False, value: Any = None) -> Any:
    """The solution x of ``A @ x = b``, where A has the entries ``data``, with A dx = db - dA x.

    ``value`` is the plain solution, if it is known.
    """
    operands = Application(data, b, linear=True)
    if operands.space is None:
        return factors.solution(b, transposed) if value is None else value
    inner_data, inner_b = operands.values
    x = sparse_solution(factors, inner_data, inner_b, transposed, value)
    inner = np.copy(inner_data)

    def residual(x: Any, data: Any, b: Any) -> Any:
        return b - factors.entries.product(data, x, transposed) if isinstance(data, AnyDual) else b

    return by_residual(
        x,
        residual,
        lambda columns: sparse_solution(factors, inner, columns, transposed),
        lambda columns: sparse_solution(factors, inner, columns, not transposed),
        data,
        b,
    )


def of_plain(matrix: Any, b: Any) -> Any:
    """The solution for a plain sparse matrix and right-hand sides that may be duals."""
    from scipy.sparse.linalg import splu

    matrix = matrix.tocoo()
    entries = Entries(matrix.row, matrix.col, matrix.shape)
    factors = Factors(entries, np.dtype(float), by_superlu(splu(matrix.tocsc())))
    return sparse_solution(factors, plain_values(matrix.data), b)
