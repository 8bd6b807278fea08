"""numpy.linalg: pseudoinverses and least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.rules.writing.array_rules import Application, implements, plain_values, shape_of
from dualdiff.rules.writing.terms import Term, adjoint, hermitian_part, result, revalued, rounding, terms


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, **options: Any) -> Any:
    """At constant rank: dp = -p da p + p p* da* (I - a p) + (I - p a) da* p* p.

    See G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate, SIAM J. Numer. Anal. 10 (1973).
    """
    rcond = plain_values(rcond)
    if hermitian:
        return revalued(
            lambda v: np.linalg.pinv(v, rcond, hermitian, **options),
            lambda x: np.linalg.pinv(hermitian_part(x), rcond, **options),
            a,
        )
    operands = Application(a)
    v = operands.values[0]
    p = np.linalg.pinv(v, rcond, **options)
    (t,) = terms(operands, "numpy.linalg.pinv")
    if t is None:
        return result(operands, p)
    plain = plain_values(v)
    if rcond is None:
        rtol = options.get("rtol", 1e-15)
        rcond = max(plain.shape[-2:]) * rounding(plain) if rtol is None else rtol
    s = np.linalg.svdvals(plain)
    large = s > np.asarray(rcond)[..., None] * np.max(s, axis=-1, keepdims=True)
    if _cuts_off(s, large, plain):
        return revalued(lambda v: p, lambda x: _truncated_inverse(x, large), a)
    rank = np.sum(large, axis=-1)
    with np.errstate(all="ignore"):
        change = t.left(p).right(-p)
        if np.any(rank < plain.shape[-2]):
            change += t.H.left(p @ adjoint(p)) - t.H.left(p @ adjoint(p)).right(v @ p)
        if np.any(rank < plain.shape[-1]):
            change += t.H.right(adjoint(p) @ p) - t.H.right(adjoint(p) @ p).left(p @ v)
        return result(operands, p, change)


def _cuts_off(s: Any, large: Any, a: Any) -> bool:
    """Whether singular values are treated as zero that are larger than rounding errors."""
    noise = 100 * max(a.shape[-2:]) * rounding(a) * np.max(s, axis=-1, keepdims=True)
    return bool(np.any(~large & (s > noise)))


def _truncated_inverse(a: Any, large: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    inverse = np.where(large, 1 / np.where(large, s, 1.0), 0.0)
    return (adjoint(vh) * inverse[..., None, :]) @ adjoint(u)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """x = pinv(a) b; the squared residuals and the singular values are differentiated too."""
    operands = Application(a, b)
    va, vb = operands.values
    x, residuals, rank, s = np.linalg.lstsq(va, vb, plain_values(rcond))
    of_a, of_b = terms(operands, "numpy.linalg.lstsq")
    m, n = shape_of(va)
    if (of_a is None and of_b is None) or not m * n:
        return result(operands, x), result(operands, residuals), rank, result(operands, s)
    plain, large = plain_values(va), np.arange(min(m, n)) < rank
    singular = plain_values(s)
    with np.errstate(all="ignore"):
        columns, right = (x[:, None], vb[:, None]) if len(operands.shape(1)) == 1 else (x, vb)
        of_b = of_b and of_b.reshape(shape_of(right))
        rest = right - va @ columns
        off = _minus(of_b, of_a and of_a.right(columns))
        assert off is not None
        squares = None if 0 in shape_of(residuals) else (off * (2.0 * np.conjugate(rest))).sum(-2).real
        if _cuts_off(singular, large, plain):
            solved = revalued(lambda v, w: x, lambda v, w: _truncated_inverse(v, large) @ w, a, b)
        else:
            p = np.linalg.pinv(va, rcond=_between(singular, int(rank)))
            change = off.left(p)
            if of_a is not None and rank < m:
                change += of_a.H.right(rest).left(p @ adjoint(p))
            if of_a is not None and rank < n:
                through = of_a.H.right(adjoint(p) @ columns)
                change += through - through.left(va).left(p)
            solved = result(operands, x, change.reshape(shape_of(x)))
        values = revalued(lambda v: s, np.linalg.svdvals, a)
        return solved, result(operands, residuals, squares), rank, values


def _minus(a: Term | None, b: Term | None) -> Term | None:
    if a is None:
        return None if b is None else -b
    return a - b


def _between(s: Any, rank: int) -> float:
    """A relative threshold between the singular values that count and those that do not."""
    if rank == 0:
        return 2.0
    return float(0.5 * (s[rank - 1] + (s[rank] if rank < len(s) else 0.0)) / (s[0] or 1.0))
