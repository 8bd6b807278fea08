"""numpy.linalg: the decompositions of matrices (Cholesky, QR, eigenvalues, singular values).

A decomposition changes with its matrix as far as the matrix decides on it.  The eigenvalues of a repeated value keep
their derivative, its eigenvectors have none, and NaN says so: any finite number would make ``(v * f(w)) @ v.T`` wrong
without a sign of it, since its derivative between the vectors of one value is f'(w), which the vectors and the values
by themselves do not hold (`dualdiff.linalg.funmh` does).  The phase of a complex vector is the one that LAPACK chose,
which makes a component of it real.

Of a Hermitian matrix LAPACK reads one triangle, and the derivative in the elements of the other is zero: that is what
the function that NumPy offers does with them, and for all directions that are Hermitian it makes no difference.

See M. B. Giles, Collected matrix derivative results for forward and reverse mode algorithmic differentiation (2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.errors import no_rule
from dualdiff.rules.factorization import Factored, factored, solving
from dualdiff.rules.support import Application, implements, plain_values, shape_of
from dualdiff.rules.terms import (
    Term,
    adjoint,
    hadamard,
    result,
    revalued,
    rounding,
    terms,
    triangle,
    undefined,
)


# -- Cholesky and QR ---------------------------------------------------------------------------------------------------
@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    r""":math:`L^{-1} dA L^{-*} = L^{-1} dL + (L^{-1} dL)^*`, the sum of a lower triangle and its adjoint."""
    operands = Application(a)
    return cholesky_factor(
        operands, np.linalg.cholesky(operands.values[0], upper=upper), upper, "numpy.linalg.cholesky"
    )


def cholesky_factor(operands: Application, factor: Any, upper: bool, name: str) -> Any:
    """The lower or upper factor, whose value is found already."""
    (t,) = terms(operands, name)
    if t is None:
        return result(operands, factor)
    with np.errstate(all="ignore"):
        lower = adjoint(factor) if upper else factor
        by_lower = solving(Factored(lower, "lower"), t.shape)
        both = _read_triangle(t, upper).map(by_lower).H.map(by_lower)
        change = (both * triangle(factor)).left(lower)
        return result(operands, factor, change.H if upper else change)


def _read_triangle(t: Term, upper: bool = False) -> Term:
    """The change of the Hermitian matrix of which LAPACK reads one triangle."""
    n = t.shape[-1]
    half: Term = t * triangle(np.empty((n, n)), upper)
    return half + half.H


@implements(np.linalg.qr)
def qr(a: Any, mode: Any = "reduced") -> Any:
    r""":math:`Q^* dA R^{-1} = Q^* dQ + dR R^{-1}`, an anti-Hermitian matrix and an upper triangle."""
    if mode in ("raw", "e", "economic"):
        raise no_rule(f"numpy.linalg.qr with mode={mode!r}", " (its Householder vectors are internals of LAPACK)")
    a = operand(a)
    if mode == "complete" and shape_of(a)[-2] > shape_of(a)[-1]:
        found = np.linalg.qr(Application(a).values[0], "complete")
        return type(found)(*complete_orthogonal_triangular(a, *found))
    operands = Application(a)
    found = np.linalg.qr(operands.values[0], mode)
    if mode == "r":
        return orthogonal_triangular(operands, None, found, "numpy.linalg.qr")[1]
    return type(found)(*orthogonal_triangular(operands, found[0], found[1], "numpy.linalg.qr"))


def orthogonal_triangular(operands: Application, q: Any, given_r: Any, name: str) -> tuple[Any, Any]:
    """Q and R of the reduced kind, whose values are found already; Q is None where only R is wanted."""
    (t,) = terms(operands, name)
    if t is None:
        return q if q is None else result(operands, q), result(operands, given_r)
    r = given_r
    if q is None:
        q, r = np.linalg.qr(operands.values[0])
    k = min(t.shape[-2:])
    with np.errstate(all="ignore"):
        unit = np.tri(k, k, dtype=plain_values(r).real.dtype)
        square = factored(r[..., :k], operands.space)
        over_r = t[..., :k].mT
        over_r = over_r.map(solving(square, over_r.shape, transposed=True)).mT
        within = over_r.left(adjoint(q))
        below = within * (unit - unit * unit.T)
        turn = below - below.H
        if turn.is_complex:
            # The diagonal of R is real.
            turn += (within * (unit * unit.T)).imag * 1j
        upper = np.tri(*r.shape[-2:][::-1], dtype=unit.dtype).T
        of_r = result(operands, given_r, (t.left(adjoint(q)) - turn.right(r)) * upper)
        of_q = turn.left(q)
        if t.shape[-2] > k:
            of_q += over_r - within.left(q)
        return result(operands, q, of_q), of_r


def complete_orthogonal_triangular(a: Any, all_q: Any, padded: Any) -> tuple[Any, Any]:
    r"""All of Q, whose last columns the first ones decide on, as Householder's reflections make them, and all of R.

    These are :math:`Q = 1 - V T V^*` with a trapezoidal V and a triangle T.  Both can be eliminated: the last columns
    are :math:`E_2 + (E_1 - Q_1) (1 - Q_{11})^{-*} Q_{21}^*`, E being the columns of the unit matrix.  The values are
    found already; Q is None where only R is wanted.
    """
    m, n = shape_of(a)[-2:]

    def all_columns(a: Any) -> Any:
        q = np.linalg.qr(a).Q
        unit = np.eye(m, dtype=plain_values(q).dtype)
        factor = Factored(adjoint(unit[:n, :n] - q[..., :n, :]))
        rest = unit[:, n:] + (unit[:, :n] - q) @ factor.solve(adjoint(q[..., n:, :]))
        return np.concatenate([q, rest], axis=-1)

    def padded_r(a: Any) -> Any:
        r = np.linalg.qr(a, "r")
        return np.concatenate([r, np.zeros((*shape_of(r)[:-2], m - n, n), plain_values(r).dtype)], axis=-2)

    q = all_q if all_q is None else revalued(lambda v: all_q, all_columns, a)
    return q, revalued(lambda v: padded, padded_r, a)


# -- eigenvalues of Hermitian matrices ---------------------------------------------------------------------------------
@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: Any = "L") -> Any:
    r""":math:`V^* dA V = d\Lambda + \Omega \Lambda - \Lambda \Omega` with :math:`dV = V \Omega`."""
    operands = Application(a)
    found = np.linalg.eigh(operands.values[0], UPLO)
    return type(found)(*hermitian_eigen(operands, found[0], found[1], UPLO.upper() == "U", "numpy.linalg.eigh"))


def hermitian_eigen(operands: Application, w: Any, v: Any, upper: bool, name: str) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors of a Hermitian matrix, whose values are found already."""
    (t,) = terms(operands, name)
    if t is None:
        return result(operands, w), result(operands, v)
    with np.errstate(all="ignore"):
        within = _read_triangle(t, upper).left(adjoint(v)).right(v)
        change = within.map(hadamard(_over_gaps(w))).left(v)
        if change.is_complex:
            change -= _turned(change, v) * v
        return result(operands, w, within.diagonal().real), result(operands, v, change)


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: Any = "L") -> Any:
    operands = Application(a)
    w = np.linalg.eigvalsh(operands.values[0], UPLO)
    (t,) = terms(operands, "numpy.linalg.eigvalsh")
    if t is None:
        return result(operands, w)
    v = np.linalg.eigh(operands.values[0], UPLO)[1]
    with np.errstate(all="ignore"):
        return result(operands, w, _along(_read_triangle(t, UPLO.upper() == "U"), adjoint(v), v).real)


def _along(t: Term, rows: Any, columns: Any) -> Term:
    """The diagonal of ``rows @ t @ columns``."""
    both: Term = t.right(columns) * np.swapaxes(rows, -1, -2)
    return both.sum(-2)


def _over_gaps(w: Any, noise: Any = None) -> Any:
    """1 / (w_j - w_i); 0 on the diagonal, and NaN where two values are equal up to rounding."""
    plain = plain_values(w)
    if noise is None:
        noise = plain.shape[-1] * rounding(plain) * np.max(np.abs(plain), axis=-1)[..., None, None]
    return _reciprocal(w[..., None, :] - w[..., :, None], noise)


def _reciprocal(gaps: Any, noise: Any) -> Any:
    repeated = ~(np.abs(plain_values(gaps)) > noise)
    diagonal = np.eye(shape_of(gaps)[-1], dtype=bool)
    return np.where(diagonal, 0.0, np.where(repeated, np.nan, 1 / np.where(repeated, 1.0, gaps)))


def _turned(change: Term, vectors: Any) -> Term:
    """By how much vectors that change so would turn in phase; i times that, as a row.

    The component that LAPACK made real, whichever it is, stays real.
    """
    plain = plain_values(vectors)
    size, noise = np.abs(plain), plain.shape[-2] * rounding(plain)
    # Exactly or, where LAPACK multiplied by a phase, up to rounding.
    is_real = (np.abs(plain.imag) <= noise * size) & (size > noise)
    # Of several real components the first: a decomposition of a stack has it in one place.
    place = np.where(np.any(is_real, axis=-2), np.argmax(is_real, axis=-2), np.argmax(size, axis=-2))
    key = (*np.indices(place.shape, sparse=True)[:-1], place, np.arange(place.shape[-1]))
    relative: Term = change[key] * (1 / vectors[key])
    row = relative.imag * 1j
    return row.reshape((*row.shape[:-1], 1, row.shape[-1]))


# -- eigenvalues of general matrices -----------------------------------------------------------------------------------
@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    r""":math:`V^{-1} dA V = d\Lambda + \Omega \Lambda - \Lambda \Omega`, and vectors that keep their length."""
    operands = Application(a)
    found = np.linalg.eig(operands.values[0])
    return type(found)(*eigen(operands, found[0], found[1], "numpy.linalg.eig"))


def eigen(operands: Application, w: Any, v: Any, name: str) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors of a general matrix, whose values are found already."""
    (t,) = terms(operands, name + " (of its normalized vectors; eigvals has a derivative)")
    if t is None:
        return result(operands, w), result(operands, v)
    with np.errstate(all="ignore"):
        inverse, noise = _left_vectors(operands, w, v)
        within = t.left(inverse).right(v)
        change = within.map(hadamard(_over_gaps(w, noise))).left(v)
        along = (change * np.conjugate(v)).sum(-2).real
        along = along.reshape((*along.shape[:-1], 1, along.shape[-1]))
        if change.is_complex:
            along += _turned(change, v)
        return result(operands, w, within.diagonal()), result(operands, v, change - along * v)


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    operands = Application(a)
    return eigenvalues(operands, np.linalg.eigvals(operands.values[0]))


def eigenvalues(operands: Application, w: Any) -> Any:
    """The eigenvalues of a general matrix, whose values are found already."""
    (t,) = terms(operands, "eigvals")
    if t is None:
        return result(operands, w)
    other, v = np.linalg.eig(operands.values[0])
    with np.errstate(all="ignore"):
        inverse, _ = _left_vectors(operands, other, v)
        change = _along(t, inverse, v)
        # LAPACK may find the values in another order where it is not asked for vectors.
        distance = np.abs(plain_values(w)[..., :, None] - plain_values(other)[..., None, :])
        order = np.argmin(distance, axis=-1)
        places = np.arange(order.shape[-1])
        order = np.where(np.all(np.sort(order, axis=-1) == places, axis=-1, keepdims=True), order, places)
        if np.any(order != places):
            change = change[(*np.indices(order.shape, sparse=True)[:-1], order)]
        return result(operands, w, change)


def _left_vectors(operands: Application, w: Any, v: Any) -> tuple[Any, Any]:
    """The inverse of V, NaN in the rows of a defective value, and the gap below which values count as one."""
    inverse = factored(v, operands.space).inverse
    plain = plain_values(inverse)
    n, eps = plain.shape[-1], rounding(plain)
    # How many times a change of the matrix each value changes.
    condition = np.sqrt(np.sum(np.abs(plain) ** 2, axis=-1))
    defective = ~(condition * n * eps < 1)[..., None]
    if np.any(defective):
        inverse = np.where(defective, np.nan, inverse)
    size = np.max(np.abs(plain_values(w)), axis=-1)[..., None, None]
    return inverse, n * eps * size * np.maximum(condition[..., :, None], condition[..., None, :])


# -- singular values ---------------------------------------------------------------------------------------------------
@implements(np.linalg.svd)
def svd(a: Any, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False) -> Any:
    r""":math:`U^* dA V = \Omega S + dS - S \Psi` with :math:`U^* dU = \Omega`, :math:`V^* dV = \Psi`.

    What lies outside of the first columns of U and V is decided on up to a rotation only: there is no derivative where
    more than one column is missing.
    """
    operands = Application(a)
    if hermitian:
        found = np.linalg.svd(operands.values[0], full_matrices, compute_uv, True)
        if not compute_uv:
            return revalued(lambda v: found, lambda x: _hermitian_svd(x)[1], a)
        return type(found)(
            *(revalued(lambda v, i=i: found[i], lambda x, i=i: _hermitian_svd(x)[i], a) for i in range(3))
        )
    if not compute_uv:
        return singular_values(operands, np.linalg.svd(operands.values[0], full_matrices, False), "numpy.linalg.svd")
    found = np.linalg.svd(operands.values[0], full_matrices)
    return type(found)(*singular(operands, found[0], found[1], found[2], "numpy.linalg.svd"))


def singular(operands: Application, all_u: Any, s: Any, all_vh: Any, name: str) -> tuple[Any, Any, Any]:
    """Singular values and vectors, whose values are found already."""
    (t,) = terms(operands, name)
    if t is None:
        return result(operands, all_u), result(operands, s), result(operands, all_vh)
    m, n = t.shape[-2:]
    k = min(m, n)
    u, v = all_u[..., :k], adjoint(all_vh[..., :k, :])
    with np.errstate(all="ignore"):
        noise = max(m, n) * rounding(s) * np.max(plain_values(s), axis=-1)[..., None, None]
        row, column = s[..., None, :], s[..., :, None]
        # The difference of the squares, as a product, does not cancel.
        differ = np.abs(plain_values(row - column)) > noise
        over_gaps = _reciprocal(np.where(differ, (row - column) * (row + column), 0.0), 0.0)
        # NaN even where a value is 0, and its products with what changes are.
        by_row, by_column = hadamard(over_gaps * row), hadamard(over_gaps * column)
        inverse = np.where(plain_values(row) > noise, 1 / row, np.nan)
        within = t.left(adjoint(u)).right(v)
        back = within.H
        change_u = within.map(by_row) + back.map(by_column)
        change_v = within.map(by_column) + back.map(by_row)
        if within.is_complex:
            unit = np.eye(k, dtype=plain_values(s).dtype)
            change_u += (within.imag * unit).map(hadamard(np.where(unit == 0, 0.0, inverse * unit))) * 1j
        change_u, change_v = change_u.left(u), change_v.left(v)
        if m > k:
            change_u += _outside(t.right(v), u).map(hadamard(np.broadcast_to(inverse, shape_of(u))))
        if n > k:
            change_v += _outside(t.H.right(u), v).map(hadamard(np.broadcast_to(inverse, shape_of(v))))
        if within.is_complex:
            # U and V turn together.
            turned = _turned(change_v, v) if m >= n else _turned(change_u, u)
            change_u, change_v = change_u - turned * u, change_v - turned * v
        change_u = _completed(t, change_u, all_u)
        change_v = _completed(t.mT, change_v, adjoint(all_vh))
        return (
            result(operands, all_u, change_u),
            result(operands, s, within.diagonal().real),
            result(operands, all_vh, change_v.H),
        )


def _outside(t: Term, u: Any) -> Term:
    """The part of the columns that is orthogonal to those of u."""
    return t - t.left(adjoint(u)).left(u)


def _completed(t: Term, change: Term, columns: Any) -> Term:
    """The change of all columns of a unitary matrix, of which that of the first is given."""
    size, k = columns.shape[-1], change.shape[-1]
    if size == k:
        return change
    known, rest = columns[..., :k], columns[..., k:]
    others = -change.left(adjoint(rest)).H.left(known)
    if size - k > 1 or t.is_complex:
        others += t.map(undefined(t.shape, others.shape))
    return change.beside(others)


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    operands = Application(x)
    return singular_values(operands, np.linalg.svdvals(operands.values[0]), "numpy.linalg.svdvals")


def singular_values(operands: Application, s: Any, name: str) -> Any:
    """Singular values, whose values are found already."""
    (t,) = terms(operands, name)
    if t is None:
        return result(operands, s)
    u, _, vh = np.linalg.svd(operands.values[0], full_matrices=False)
    with np.errstate(all="ignore"):
        return result(operands, s, _along(t, adjoint(u), adjoint(vh)).real)


def _hermitian_svd(a: Any) -> tuple[Any, Any, Any]:
    """U, S and V* from eigenvalues and eigenvectors, as NumPy puts them together."""
    w, v = np.linalg.eigh(a)
    plain = plain_values(w)
    order = np.argsort(np.abs(plain))[..., ::-1]
    sign = np.take_along_axis(np.copysign(1.0, plain), order, axis=-1)
    s = np.take_along_axis(w, order, axis=-1) * sign
    u = np.take_along_axis(v, order[..., None, :], axis=-1)
    return u, s, adjoint(u * sign[..., None, :])
