"""numpy.linalg: the QR decomposition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.core.array import operand
from dualdiff.rules.numpy.linalg.factorization import Factored, factored, solving
from dualdiff.rules.writing.array_rules import Application, implements, plain_values, shape_of
from dualdiff.rules.writing.terms import MatrixMap, adjoint, result, revalued, terms
from dualdiff.tangents.space import Shape


@implements(np.linalg.qr)
def qr(a: Any, mode: Any = "reduced") -> Any:
    r""":math:`Q^* dA R^{-1} = Q^* dQ + dR R^{-1}`, an anti-Hermitian plus an upper triangular matrix."""
    if mode in ("raw", "e", "economic"):
        raise no_rule(f"numpy.linalg.qr with mode={mode!r}", " (its Householder vectors are internals of LAPACK)")
    a = operand(a)
    if mode == "complete" and shape_of(a)[-2] > shape_of(a)[-1]:
        factors = np.linalg.qr(Application(a).values[0], "complete")
        return type(factors)(*complete_orthogonal_triangular(a, *factors))
    operands = Application(a)
    factors = np.linalg.qr(operands.values[0], mode)
    if mode == "r":
        return orthogonal_triangular(operands, None, factors, "numpy.linalg.qr")[1]
    return type(factors)(*orthogonal_triangular(operands, factors[0], factors[1], "numpy.linalg.qr"))


def orthogonal_triangular(operands: Application, q: Any, given_r: Any, name: str) -> tuple[Any, Any]:
    """Q and R of the reduced mode, whose values are given; Q is None if only R is wanted."""
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
        change_r, change_q = (t.left(adjoint(q)) - turn.right(r)) * upper, turn.left(q)
        if t.shape[-2] > k:
            change_q += over_r - within.left(q)
        singular = np.any(plain_values(np.diagonal(r, axis1=-2, axis2=-1)) == 0, axis=-1)
        if np.any(singular):
            change_r += t.map(_undefined(singular, t.shape, change_r.shape))
            change_q += t.map(_undefined(singular, t.shape, change_q.shape))
        return result(operands, q, change_q), result(operands, given_r, change_r)


def _undefined(singular: Any, in_shape: Shape, out_shape: Shape) -> MatrixMap:
    """The map of the singular matrices of a stack to NaN, and of the others to zero."""
    values = np.where(singular, np.nan, 0.0)[..., None, None]

    def to(shape: Shape) -> Callable[[Any], Any]:
        return lambda t: np.broadcast_to(values, t.shape[:-2] + shape[-2:])

    return MatrixMap("a factor of a singular matrix", to(out_shape), to(in_shape), in_shape, out_shape)


def complete_orthogonal_triangular(a: Any, all_q: Any, padded: Any) -> tuple[Any, Any]:
    r"""The complete Q and R, whose values are given; Q is None if only R is wanted.

    Householder reflections determine the last columns of Q from the first ones: :math:`Q = I - V T V^*` with a
    trapezoidal V and a triangular T.  Both can be eliminated: the last columns are
    :math:`E_2 + (E_1 - Q_1) (I - Q_{11})^{-*} Q_{21}^*`, where E has the columns of the identity matrix.
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
