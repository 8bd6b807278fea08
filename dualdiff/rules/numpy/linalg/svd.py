"""numpy.linalg: singular values and vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.rules.numpy.linalg.eigen import along_vectors, reciprocal_gaps, turned_vectors
from dualdiff.rules.writing.array_rules import Application, implements, plain_values, shape_of
from dualdiff.rules.writing.terms import Term, adjoint, hadamard, result, revalued, rounding, terms, undefined


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False) -> Any:
    r""":math:`U^* dA V = \Omega S + dS - S \Psi` with :math:`U^* dU = \Omega`, :math:`V^* dV = \Psi`.

    The matrix determines the additional columns of a full U or V only up to a rotation: if there are several, they have
    no derivative.
    """
    operands = Application(a)
    if hermitian:
        decomposition = np.linalg.svd(operands.values[0], full_matrices, compute_uv, True)
        if not compute_uv:
            return revalued(lambda v: decomposition, lambda x: _hermitian_svd(x)[1], a)
        return type(decomposition)(
            *(revalued(lambda v, i=i: decomposition[i], lambda x, i=i: _hermitian_svd(x)[i], a) for i in range(3))
        )
    if not compute_uv:
        return singular_values(operands, np.linalg.svd(operands.values[0], full_matrices, False), "numpy.linalg.svd")
    decomposition = np.linalg.svd(operands.values[0], full_matrices)
    return type(decomposition)(
        *singular(operands, decomposition[0], decomposition[1], decomposition[2], "numpy.linalg.svd")
    )


def singular(operands: Application, all_u: Any, s: Any, all_vh: Any, name: str) -> tuple[Any, Any, Any]:
    """Singular values and vectors; the arguments are their values."""
    (t,) = terms(operands, name)
    if t is None:
        return result(operands, all_u), result(operands, s), result(operands, all_vh)
    m, n = t.shape[-2:]
    k = min(m, n)
    u, v = all_u[..., :k], adjoint(all_vh[..., :k, :])
    with np.errstate(all="ignore"):
        noise = max(m, n) * rounding(s) * np.max(plain_values(s), axis=-1)[..., None, None]
        row, column = s[..., None, :], s[..., :, None]
        # As a product, the difference of the squares does not cancel.
        differ = np.abs(plain_values(row - column)) > noise
        over_gaps = reciprocal_gaps(np.where(differ, (row - column) * (row + column), 0.0), 0.0)
        # The NaN also reaches products with a singular value that is 0.
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
            # U and V have a common phase.
            turned = turned_vectors(change_v, v) if m >= n else turned_vectors(change_u, u)
            change_u, change_v = change_u - turned * u, change_v - turned * v
        change_u = _completed(t, change_u, all_u)
        change_v = _completed(t.mT, change_v, adjoint(all_vh))
        return (
            result(operands, all_u, change_u),
            result(operands, s, within.diagonal().real),
            result(operands, all_vh, change_v.H),
        )


def _outside(t: Term, u: Any) -> Term:
    """The part of the columns that is orthogonal to the columns of u."""
    return t - t.left(adjoint(u)).left(u)


def _completed(t: Term, change: Term, columns: Any) -> Term:
    """The tangent of all columns of a unitary matrix, from that of the first ones."""
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
    """The singular values; s are their values."""
    (t,) = terms(operands, name)
    if t is None:
        return result(operands, s)
    u, _, vh = np.linalg.svd(operands.values[0], full_matrices=False)
    with np.errstate(all="ignore"):
        return result(operands, s, along_vectors(t, adjoint(u), adjoint(vh)).real)


def _hermitian_svd(a: Any) -> tuple[Any, Any, Any]:
    """U, S and V* from eigenvalues and eigenvectors, composed as in NumPy."""
    w, v = np.linalg.eigh(a)
    plain = plain_values(w)
    order = np.argsort(np.abs(plain))[..., ::-1]
    sign = np.take_along_axis(np.copysign(1.0, plain), order, axis=-1)
    s = np.take_along_axis(w, order, axis=-1) * sign
    u = np.take_along_axis(v, order[..., None, :], axis=-1)
    return u, s, adjoint(u * sign[..., None, :])
