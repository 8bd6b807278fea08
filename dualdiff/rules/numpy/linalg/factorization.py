"""Square matrices, factored once for all tangents of a pass: solving, inverses, adjugates."""

from __future__ import annotations

import weakref
from functools import cache
from typing import Any

import numpy as np

from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.terms import MatrixMap, Term, result, rounding, terms
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.space import TangentSpace

#: The number of rows from which triangular factors pay; below it, the inverse costs less than a call of SciPy.
LARGE = 32


class Factored:
    """A square matrix, or a stack of matrices, with a factorization for solving, computed on first use.

    The matrix is copied, because f may write into the original.  ``triangle`` is "lower" or "upper" if the matrix is
    triangular.
    """

    __slots__ = ("__weakref__", "_inner", "_inverse", "_triangles", "matrix", "owner", "triangle")

    def __init__(self, matrix: Any, triangle: str | None = None) -> None:
        #: A weak reference to the original array.
        self.owner: Any = weakref.ref(matrix) if issubclass(type(matrix), np.ndarray) else None
        self.matrix = np.copy(matrix)
        self.triangle = triangle
        self._inner = factored(matrix.value, matrix.space, triangle) if isinstance(matrix, AnyDual) else None
        self._inverse: Any = None
        self._triangles: Any = None

    def solve(self, b: Any, transposed: bool = False) -> Any:
        """The solution x of ``a @ x = b``; b may have batch axes.  NaN where the matrix is singular."""
        operands = Application(self.matrix, b, linear=True)
        if operands.space is None:
            return self._solve_plain(b, transposed)
        inner = self if operands.values[0] is self.matrix else self._inner
        assert inner is not None
        x = inner.solve(operands.values[1], transposed)
        if operands.space.order and operands.tangents[0] is not None:
            return operands.result(x, [solution_of_series(operands, inner, x, transposed)])
        of_a, of_b = terms(operands, "numpy.linalg.solve")
        with np.errstate(all="ignore"):
            return result(operands, x, solution(inner, x, of_a, of_b, transposed))

    def _solve_plain(self, b: Any, transposed: bool) -> Any:
        if self._large and b.size:
            # Each row is a right-hand side, which is LAPACK's order: no further copy is made.
            rows = np.swapaxes(b, -1, -2).reshape((-1, len(self.matrix)))
            x = self._by_triangles(rows.T, transposed).T
            return np.swapaxes(x.reshape((*b.shape[:-2], b.shape[-1], -1)), -1, -2)
        inverse = np.swapaxes(self.inverse, -1, -2) if transposed else self.inverse
        if inverse.ndim > 2 or b.ndim == 2:
            return np.matmul(inverse, b)
        # All directions are columns of one product.
        return np.moveaxis(np.tensordot(inverse, b, (1, -2)), 0, -2)

    @property
    def _large(self) -> bool:
        return self.matrix.ndim == 2 and len(self.matrix) >= LARGE and _lapack() is not None

    def _by_triangles(self, columns: Any, transposed: bool) -> Any:
        if self.triangle is not None:
            (trtrs,) = _lapack()(("trtrs",), (self.matrix, columns))
            # The transpose of the matrix has LAPACK's order without a copy.
            x, info = trtrs(self.matrix.T, columns, lower=self.triangle == "upper", trans=int(not transposed))
            return x if info == 0 else np.full_like(x, np.nan)
        if self._triangles is None:
            (getrf,) = _lapack()(("getrf",), (self.matrix,))
            lu, pivots, info = getrf(self.matrix)
            self._triangles = np.full_like(lu, np.nan) if info > 0 else lu, pivots
        lu, pivots = self._triangles
        (getrs,) = _lapack()(("getrs",), (lu, columns))
        return getrs(lu, pivots, columns, trans=int(transposed))[0]

    @property
    def inverse(self) -> Any:
        """The inverse; NaN where the matrix is singular."""
        if self._inverse is None:
            if isinstance(self.matrix, AnyDual) or self._large:
                self._inverse = self.solve(np.eye(self.matrix.shape[-1], dtype=self.matrix.dtype))
            else:
                self._inverse = _quiet_inverse(self.matrix)
        return self._inverse


@cache
def _lapack() -> Any:
    """SciPy's access to LAPACK, or None if SciPy is not installed."""
    try:
        from scipy.linalg import get_lapack_funcs
    except ImportError:
        return None
    return get_lapack_funcs


def _quiet_inverse(a: Any) -> Any:
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        if a.ndim == 2:
            return np.full(a.shape, np.nan, np.result_type(a, np.float32))
        return np.stack([_quiet_inverse(matrix) for matrix in a])


def factored(matrix: Any, space: TangentSpace, triangle: str | None = None) -> Factored:
    """The factored matrix: cached as long as the call and the matrix live."""
    if not issubclass(type(matrix), np.ndarray) or triangle is not None:
        return Factored(matrix, triangle)
    kept, key = space.kept, id(matrix)
    entry: Factored | None = kept.get(key)
    if entry is None or entry.owner() is not matrix or not _same(entry.matrix, matrix):
        for gone in [k for k, other in list(kept.items()) if other.owner() is None]:
            del kept[gone]
        entry = kept[key] = Factored(matrix)
    return entry


def _same(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b)


def solution(
    a: Factored, x: Any, change_of_a: Term | None, change_of_b: Term | None, transposed: bool = False
) -> Term | None:
    """The tangent of the solution x of ``a @ x = b``: the solution for the right-hand side db - da @ x."""
    rest = None if change_of_b is None else change_of_b.broadcast(shape_of(x))
    if change_of_a is not None:
        change = (change_of_a.mT if transposed else change_of_a).right(x)
        rest = -change if rest is None else rest - change
    return None if rest is None else rest.map(solving(a, shape_of(x), transposed))


def solution_of_series(operands: Application, a: Factored, x: Any, transposed: bool = False) -> Any:
    """The power series of the solution of ``a @ x = b``, from ``a_0 x_k = b_k - sum of a_j x_(k-j)``.

    x is the solution for coefficients 0, with its columns as matrices.
    """
    of_a, of_b = operands.coefficients(0), operands.coefficients(1)
    result = [x]
    for k in range(1, operands.space.order + 1):
        rest = of_b[k] if k < len(of_b) else np.zeros_like(plain_values(x))
        for j in range(1, min(k, len(of_a) - 1) + 1):
            rest = rest - (np.swapaxes(of_a[j], -1, -2) if transposed else of_a[j]) @ result[k - j]
        result.append(a.solve(rest, transposed))
    return operands.space.of_coefficients(result)


def solving(a: Factored, shape: tuple[int, ...], transposed: bool = False) -> LinearMap:
    """The linear map from b, of this shape, to the solution x of ``a @ x = b``."""
    return MatrixMap(
        "solve",
        lambda t: a.solve(t, transposed),
        lambda w: a.solve(w, not transposed),
        shape,
        shape,
        [a.matrix],
        (-2,),
    )


# -- adjugates ---------------------------------------------------------------------------------------------------------
def adjugate(a: Any, space: TangentSpace) -> Any:
    """The adjugate (the transpose of the cofactor matrix), of singular matrices too, differentiable to any order.

    For well-conditioned matrices it is the determinant times the inverse.  A rank-revealing factorization
    computes it accurately for all others; see G. W. Stewart, On the adjugate matrix, Linear Algebra Appl. 283 (1998).
    """
    plain = plain_values(a)
    if not plain.size:
        return np.zeros_like(plain)
    inverse = factored(plain, space).inverse
    condition = _norm(plain) * _norm(inverse)
    # A comparison that is false for NaN.
    regular = condition < rounding(plain) ** -0.4
    if np.all(regular):
        return _regular(a, inverse if a is plain else None)[1]
    if plain.ndim == 2:
        return _eliminated(a)[1]
    shape = plain.shape
    a, regular = a.reshape((-1, *shape[-2:])), np.ravel(np.broadcast_to(regular, shape[:-2]))
    order = np.argsort(np.concatenate([np.flatnonzero(regular), np.flatnonzero(~regular)]))
    parts = [np.stack([_eliminated(a[i])[1] for i in np.flatnonzero(~regular)])]
    if np.any(regular):
        parts.insert(0, _regular(a[regular])[1])
    return np.concatenate(parts)[order].reshape(shape)


def _norm(a: Any) -> Any:
    return np.abs(a).sum(axis=-2).max(axis=-1)


def _regular(a: Any, inverse: Any = None) -> tuple[Any, Any]:
    """Determinant and adjugate of well-conditioned matrices."""
    inverse = np.linalg.inv(a) if inverse is None else inverse
    operands = Application(a)
    if operands.space is None:
        determinant = np.linalg.det(a)
    else:
        (t,) = terms(operands, "numpy.linalg.det")
        determinant, cofactors = _regular(operands.values[0], operands.value_of(inverse))
        determinant = result(operands, determinant, t and t.einsum("ij,ji->", cofactors))
    return determinant, determinant[..., None, None] * inverse if a.ndim > 2 else determinant * inverse


def _eliminated(a: Any, negligible: float | None = None) -> tuple[Any, Any]:
    r"""Determinant and adjugate of a matrix, by block elimination with complete pivoting.

    With rows and columns in the order of the pivots,
    :math:`\begin{pmatrix} B & C \\ D & E \end{pmatrix} = \begin{pmatrix} I & 0 \\ D B^{-1} & I \end{pmatrix}
    \begin{pmatrix} B & 0 \\ 0 & S \end{pmatrix} \begin{pmatrix} I & B^{-1} C \\ 0 & I \end{pmatrix}`,
    where B is well-conditioned and has the large pivots, and the Schur complement S is small.  The adjugate of a
    product is the product of the adjugates in reverse order.
    """
    plain = plain_values(a)
    n = len(plain)
    largest = float(np.max(np.abs(plain), initial=0.0))
    if negligible is None:
        negligible = n * rounding(plain) * largest
    if not largest > negligible:
        return _division_free(a)
    rows, columns, rank = _pivots(plain, rounding(plain) ** 0.25)
    sign = _parity(rows) * _parity(columns)
    ordered = a[rows][:, columns]
    b, c, d, e = ordered[:rank, :rank], ordered[:rank, rank:], ordered[rank:, :rank], ordered[rank:, rank:]
    inverse = np.linalg.inv(b)
    # Without division where that is cheap: derivatives of orders above the size of b vanish exactly then.
    det_b, adj_b = _division_free(b) if rank <= 4 else _regular(b, inverse)
    if rank == n:
        det_s, adjugate = 1.0, adj_b
    else:
        lower, upper = d @ inverse, inverse @ c
        det_s, adj_s = _eliminated(e - d @ upper, negligible)
        corner = det_b * adj_s
        top = np.concatenate([det_s * adj_b + upper @ corner @ lower, -(upper @ corner)], axis=1)
        bottom = np.concatenate([-(corner @ lower), corner], axis=1)
        adjugate = np.concatenate([top, bottom])
    return sign * det_b * det_s, sign * adjugate[np.argsort(columns)][:, np.argsort(rows)]


def _pivots(a: Any, threshold: float) -> tuple[Any, Any, int]:
    """Rows and columns in the order of complete pivoting, and the number of pivots not small relative to the first."""
    a = np.array(a, np.result_type(a, np.float64))
    n = len(a)
    rows: Any = np.arange(n)
    columns: Any = np.arange(n)
    first = 0.0
    for k in range(n):
        rest = np.abs(a[k:, k:])
        i, j = np.unravel_index(np.argmax(rest), rest.shape)
        size = float(rest[i, j])
        first = first or size
        if not size > threshold * first:
            return rows, columns, k
        for order, at, moved in ((rows, i + k, a), (columns, j + k, a.T)):
            order[[k, at]] = order[[at, k]]
            moved[[k, at]] = moved[[at, k]]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k] / a[k, k], a[k, k + 1 :])
    return rows, columns, n


def _parity(order: Any) -> float:
    """The sign of a permutation."""
    sign = 1.0
    seen: set[int] = set()
    for start in range(len(order)):
        i, length = start, 0
        while i not in seen:
            seen.add(i)
            i, length = int(order[i]), length + 1
        if length and length % 2 == 0:
            sign = -sign
    return sign


def _division_free(a: Any) -> tuple[Any, Any]:
    """Determinant and adjugate by the Faddeev-LeVerrier algorithm, for matrices that are small, or zero.

    It divides by integers only, so derivatives of every order are right even if the matrix is zero.
    """
    n = a.shape[-1]
    unit = np.eye(n, dtype=a.dtype)
    power, coefficient = unit, -np.trace(a)
    for k in range(2, n + 1):
        power = a @ power + coefficient * unit
        coefficient = -np.trace(a @ power) / k
    sign = 1.0 if n % 2 else -1.0
    return -sign * coefficient, sign * power
