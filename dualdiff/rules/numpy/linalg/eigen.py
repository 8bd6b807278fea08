"""numpy.linalg: eigenvalues and eigenvectors.

A decomposition is differentiable as far as the matrix determines it.  Repeated eigenvalues have derivatives, but their
eigenvectors do not, and are NaN.  A finite value would silently make the derivative of ``(v * f(w)) @ v.T`` wrong:
between the eigenvectors of a repeated eigenvalue it involves f'(w), which v and w alone do not determine
(`dualdiff.scipy.linalg.funmh` computes it).  The phase of a complex eigenvector is LAPACK's, which makes one of its
components real.

LAPACK reads one triangle of a Hermitian matrix.  The derivative with respect to the elements of the other triangle is
zero, as it is for NumPy's function; for Hermitian directions this makes no difference.

See M. B. Giles, Collected matrix derivative results for forward and reverse mode algorithmic differentiation (2008).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.core.array import DualArray
from dualdiff.rules.numpy.linalg.cholesky import read_triangle
from dualdiff.rules.numpy.linalg.factorization import factored
from dualdiff.rules.writing.array_rules import Application, implements, plain_values, shape_of
from dualdiff.rules.writing.terms import Term, adjoint, hadamard, result, rounding, terms


# -- eigenvalues of Hermitian matrices ---------------------------------------------------------------------------------
@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: Any = "L") -> Any:
    r""":math:`V^* dA V = d\Lambda + \Omega \Lambda - \Lambda \Omega` with :math:`dV = V \Omega`."""
    operands = Application(a)
    decomposition = np.linalg.eigh(operands.values[0], UPLO)
    return type(decomposition)(
        *hermitian_eigen(operands, decomposition[0], decomposition[1], UPLO.upper() == "U", "numpy.linalg.eigh")
    )


def hermitian_eigen(operands: Application, w: Any, v: Any, upper: bool, name: str) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors of a Hermitian matrix; w and v are their values."""
    (t,) = terms(operands, name)
    if t is None:
        return result(operands, w), result(operands, v)
    with np.errstate(all="ignore"):
        within = read_triangle(t, upper).left(adjoint(v)).right(v)
        change = within.map(hadamard(_over_gaps(w))).left(v)
        if change.is_complex:
            change -= turned_vectors(change, v) * v
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
        return result(operands, w, along_vectors(read_triangle(t, UPLO.upper() == "U"), adjoint(v), v).real)


#: Up to this number of elements, products with different vectors are kept apart where some have no derivative; the
#: second derivatives of larger matrices with repeated values are NaN in reverse mode.
APART = 1 << 24


def along_vectors(t: Term, rows: Any, columns: Any) -> Term:
    """The diagonal of ``rows @ t @ columns``."""
    is_small = math.prod(shape_of(rows)) * columns.shape[-2] <= APART
    if is_small and isinstance(rows, DualArray) and (rows.may_have_nan() or columns.may_have_nan()):
        # In an outer call: what does not depend on a vector without a derivative must not meet its NaN in a sum.
        products = rows[..., :, :, None] * np.swapaxes(columns, -1, -2)[..., :, None, :]
        one: Term = t.reshape((*t.shape[:-2], 1, *t.shape[-2:]))
        each: Term = one.broadcast(shape_of(products)) * products
        return each.sum(-1).sum(-1)
    both: Term = t.right(columns) * np.swapaxes(rows, -1, -2)
    return both.sum(-2)


def _over_gaps(w: Any, noise: Any = None) -> Any:
    """1 / (w_j - w_i); 0 on the diagonal, and NaN where two eigenvalues are equal up to rounding."""
    plain = plain_values(w)
    if noise is None:
        noise = plain.shape[-1] * rounding(plain) * np.max(np.abs(plain), axis=-1)[..., None, None]
    return reciprocal_gaps(w[..., None, :] - w[..., :, None], noise)


def reciprocal_gaps(gaps: Any, noise: Any) -> Any:
    repeated = ~(np.abs(plain_values(gaps)) > noise)
    diagonal = np.eye(shape_of(gaps)[-1], dtype=bool)
    return np.where(diagonal, 0.0, np.where(repeated, np.nan, 1 / np.where(repeated, 1.0, gaps)))


def turned_vectors(change: Term, vectors: Any) -> Term:
    """i times the phase rotation in the change of each vector, as a row, to be subtracted from it.

    It keeps the component real that LAPACK made real.
    """
    plain = plain_values(vectors)
    size, noise = np.abs(plain), plain.shape[-2] * rounding(plain)
    # Real exactly or, if LAPACK multiplied by a phase, up to rounding.
    is_real = (np.abs(plain.imag) <= noise * size) & (size > noise)
    # The first of several real components, so that the matrices of a stack agree.
    component = np.where(np.any(is_real, axis=-2), np.argmax(is_real, axis=-2), np.argmax(size, axis=-2))
    key = (*np.indices(component.shape, sparse=True)[:-1], component, np.arange(component.shape[-1]))
    relative: Term = change[key] * (1 / vectors[key])
    row = relative.imag * 1j
    return row.reshape((*row.shape[:-1], 1, row.shape[-1]))


# -- eigenvalues of general matrices -----------------------------------------------------------------------------------
@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    r""":math:`V^{-1} dA V = d\Lambda + \Omega \Lambda - \Lambda \Omega`, with eigenvectors of constant length."""
    operands = Application(a)
    decomposition = np.linalg.eig(operands.values[0])
    return type(decomposition)(*eigen(operands, decomposition[0], decomposition[1], "numpy.linalg.eig"))


def eigen(operands: Application, w: Any, v: Any, name: str) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors of a general matrix; w and v are their values."""
    (t,) = terms(operands, name + " (whose eigenvectors are normalized; eigvals has a derivative)")
    if t is None:
        return result(operands, w), result(operands, v)
    with np.errstate(all="ignore"):
        inverse, noise = _left_vectors(operands, w, v)
        within = t.left(inverse).right(v)
        change = within.map(hadamard(_over_gaps(w, noise))).left(v)
        along = (change * np.conjugate(v)).sum(-2).real
        along = along.reshape((*along.shape[:-1], 1, along.shape[-1]))
        if change.is_complex:
            along += turned_vectors(change, v)
        return result(operands, w, within.diagonal()), result(operands, v, change - along * v)


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    operands = Application(a)
    return eigenvalues(operands, np.linalg.eigvals(operands.values[0]))


def eigenvalues(operands: Application, w: Any) -> Any:
    """The eigenvalues of a general matrix; w are their values."""
    (t,) = terms(operands, "eigvals")
    if t is None:
        return result(operands, w)
    other, v = np.linalg.eig(operands.values[0])
    with np.errstate(all="ignore"):
        inverse, _ = _left_vectors(operands, other, v)
        change = along_vectors(t, inverse, v)
        # LAPACK may order the eigenvalues differently when it does not compute eigenvectors.
        distance = np.abs(plain_values(w)[..., :, None] - plain_values(other)[..., None, :])
        order = np.argmin(distance, axis=-1)
        identity = np.arange(order.shape[-1])
        order = np.where(np.all(np.sort(order, axis=-1) == identity, axis=-1, keepdims=True), order, identity)
        if np.any(order != identity):
            change = change[(*np.indices(order.shape, sparse=True)[:-1], order)]
        return result(operands, w, change)


def _left_vectors(operands: Application, w: Any, v: Any) -> tuple[Any, Any]:
    """The inverse of V, NaN in rows of defective eigenvalues, and the gap up to which eigenvalues count as equal."""
    inverse = factored(v, operands.space).inverse
    plain = plain_values(inverse)
    n, eps = plain.shape[-1], rounding(plain)
    # The condition number of each eigenvalue.
    condition = np.sqrt(np.sum(np.abs(plain) ** 2, axis=-1))
    defective = ~(condition * n * eps < 1)[..., None]
    if np.any(defective):
        inverse = np.where(defective, np.nan, inverse)
    size = np.max(np.abs(plain_values(w)), axis=-1)[..., None, None]
    return inverse, n * eps * size * np.maximum(condition[..., :, None], condition[..., None, :])
