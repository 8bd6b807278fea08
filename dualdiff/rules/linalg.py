"""numpy.linalg: solving, inverses, determinants, powers and norms.

Values come from NumPy's own calls; derivatives are formulas of matrix calculus, or those of the functions that a
function is composed of.  See M. B. Giles, Collected matrix derivative results for forward and reverse mode algorithmic
differentiation (2008).  Decompositions are in `dualdiff.rules.decompositions`.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.factorization import Factored, adjugate, factored, solution, solving
from dualdiff.rules.products import multilinear
from dualdiff.rules.support import Application, axes_of, by_value, implements, into, plain_values, shape_of
from dualdiff.rules.terms import Term, adjoint, hermitian_part, is_complex_valued, result, revalued, rounding, terms
from dualdiff.rules.versions import CROSS_WITHOUT_AXIS
from dualdiff.tangents.space import note_conjugate
from dualdiff.tangents.zeros import chosen_zero

by_value(np.linalg.matrix_rank)


# -- solving -----------------------------------------------------------------------------------------------------------
@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """From a x = b: a dx = db - da x, with the matrix factored once for all tangents."""
    operands = Application(a, b)
    return solved(operands, np.linalg.solve(*operands.values))


def solved(operands: Application, x: Any, transposed: bool = False, triangle: str | None = None) -> Any:
    """The x with ``a @ x = b`` for the operands a and b, whose value is found already."""
    of_a, of_b = terms(operands, "solve")
    if of_a is None and of_b is None:
        return result(operands, x)
    columns = x
    if len(operands.shape(1)) == 1:
        columns = x[..., None]
        of_b = of_b and of_b.reshape((*of_b.shape, 1))
    with np.errstate(all="ignore"):
        a = factored(operands.values[0], operands.space, triangle)
        change = solution(a, columns, of_a, of_b, transposed)
        return result(operands, x, change and change.reshape(shape_of(x)))


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """From a x = 1: dx = -x da x."""
    operands = Application(a)
    return inverted(operands, np.linalg.inv(operands.values[0]))


def inverted(operands: Application, x: Any) -> Any:
    """The inverse, whose value is found already."""
    (t,) = terms(operands, "inv")
    with np.errstate(all="ignore"):
        return result(operands, x, t and t.left(x).right(-x))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = operand(a), operand(b)
    if axes is not None:
        last = axes_of(tuple(axes), a.ndim)
        a = np.transpose(a, [i for i in range(a.ndim) if i not in last] + list(last))
    shape = a.shape[-(a.ndim - b.ndim) :]
    size = math.prod(shape)
    if a.size != size**2:
        raise np.linalg.LinAlgError(
            f"tensorsolve of the shapes {a.shape} and {b.shape}: the axes of a after those of b have to be as many "
            "equations as unknowns"
        )
    return np.reshape(np.linalg.solve(np.reshape(a, (size, size)), np.ravel(b)), shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    a = operand(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = a.shape[ind:] + a.shape[:ind]
    return np.reshape(np.linalg.inv(np.reshape(a, (math.prod(a.shape[ind:]), -1))), shape)


# -- pseudoinverses ----------------------------------------------------------------------------------------------------
@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, **options: Any) -> Any:
    """At constant rank: dp = -p da p + p p* da* (1 - a p) + (1 - p a) da* p* p.

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
        return revalued(lambda v: p, lambda x: _truncated_inverse(x, large), operands.operands[0])
    rank = np.sum(large, axis=-1)
    with np.errstate(all="ignore"):
        change = t.left(p).right(-p)
        if np.any(rank < plain.shape[-2]):
            change += t.H.left(p @ adjoint(p)) - t.H.left(p @ adjoint(p)).right(v @ p)
        if np.any(rank < plain.shape[-1]):
            change += t.H.right(adjoint(p) @ p) - t.H.right(adjoint(p) @ p).left(p @ v)
        return result(operands, p, change)


def _cuts_off(s: Any, large: Any, a: Any) -> bool:
    """Whether singular values count as zero that are more than rounding errors of zero."""
    noise = 100 * max(a.shape[-2:]) * rounding(a) * np.max(s, axis=-1, keepdims=True)
    return bool(np.any(~large & (s > noise)))


def _truncated_inverse(a: Any, large: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    inverse = np.where(large, 1 / np.where(large, s, 1.0), 0.0)
    return (adjoint(vh) * inverse[..., None, :]) @ adjoint(u)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """x = pinv(a) b; the squared residuals and the singular values have their derivatives too."""
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
            solved = revalued(lambda v, w: x, lambda v, w: _truncated_inverse(v, large) @ w, *operands.operands)
        else:
            p = np.linalg.pinv(va, rcond=_between(singular, int(rank)))
            change = off.left(p)
            if of_a is not None and rank < m:
                change += of_a.H.right(rest).left(p @ adjoint(p))
            if of_a is not None and rank < n:
                through = of_a.H.right(adjoint(p) @ columns)
                change += through - through.left(va).left(p)
            solved = result(operands, x, change.reshape(shape_of(x)))
        values = revalued(lambda v: s, np.linalg.svdvals, operands.operands[0])
        return solved, result(operands, residuals, squares), rank, values


def _minus(a: Term | None, b: Term | None) -> Term | None:
    if a is None:
        return None if b is None else -b
    return a - b


def _between(s: Any, rank: int) -> float:
    """A relative bound between the singular values that count and those that do not."""
    if rank == 0:
        return 2.0
    return float(0.5 * (s[rank - 1] + (s[rank] if rank < len(s) else 0.0)) / (s[0] or 1.0))


# -- determinants ------------------------------------------------------------------------------------------------------
@implements(np.linalg.det)
def det(a: Any) -> Any:
    """The cofactors are the partial derivatives, of singular matrices too."""
    operands = Application(a)
    return determinant(operands, np.linalg.det(operands.values[0]))


def determinant(operands: Application, value: Any) -> Any:
    """The determinant, whose value is found already."""
    (t,) = terms(operands, "det")
    if t is None:
        return result(operands, value)
    with np.errstate(all="ignore"):
        return result(operands, value, t.einsum("ij,ji->", adjugate(operands.values[0], operands.space)))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """The logarithm changes by the real part of the trace of inv(a) da, the sign turns by the imaginary part."""
    operands = Application(a)
    found = np.linalg.slogdet(operands.values[0])
    (t,) = terms(operands, "numpy.linalg.slogdet")
    if t is None:
        return type(found)(*(result(operands, value) for value in found))
    with np.errstate(all="ignore"):
        matrix = factored(operands.values[0], operands.space)
        inverse = matrix.inverse
        if np.all(np.isfinite(plain_values(inverse))):
            ratio = t.einsum("ij,ji->", inverse)
        else:
            # Singular: the way that keeps a zero tangent zero.
            ratio = t.map(solving(matrix, t.shape)).diagonal().sum(-1)
        turn = ratio.imag * (1j * found[0]) if ratio.is_complex else None
        return type(found)(result(operands, found[0], turn), result(operands, found[1], ratio.real))


# -- powers and products -----------------------------------------------------------------------------------------------
@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    """The products that NumPy forms, in its order."""
    a, n = operand(a), operator.index(n)
    if n == 0 or shape_of(a)[-2:-1] != shape_of(a)[-1:]:
        # Of matrices that are not square NumPy says so.
        operands = Application(a)
        return result(operands, np.linalg.matrix_power(operands.values[0], n))
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 1:
        return a
    if n == 3:
        return (a @ a) @ a
    square, product = None, None
    while n:
        square = a if square is None else square @ square
        n, odd = divmod(n, 2)
        if odd:
            product = square if product is None else product @ square
    return product


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    arrays = [operand(a) for a in arrays]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    inputs = [letters[i : i + 2] for i in range(len(arrays))]
    first, last = inputs[0][0], inputs[-1][1]
    if arrays[0].ndim == 1:
        inputs[0], first = inputs[0][1:], ""
    if arrays[-1].ndim == 1:
        inputs[-1], last = inputs[-1][:1], ""
    return into(out, multilinear(lambda *values: np.linalg.multi_dot(values), arrays, inputs, first + last))


#: e_ijk.
_PERMUTATION = np.zeros((3, 3, 3))
_PERMUTATION[[0, 1, 2], [1, 2, 0], [2, 0, 1]] = 1.0
_PERMUTATION[[0, 2, 1], [2, 1, 0], [1, 0, 2]] = -1.0


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(operand(a), axisa, -1), np.moveaxis(operand(b), axisb, -1)
    signs = _PERMUTATION[: a.shape[-1], : b.shape[-1]]
    flat = signs.shape[:2] == (2, 2)
    batch = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: max(a.ndim, b.ndim) - 1]
    inputs = [batch[len(batch) - (a.ndim - 1) :] + "i", batch[len(batch) - (b.ndim - 1) :] + "j"]
    found = multilinear(
        lambda x, y, e: np.cross(x, y),
        (a, b, signs[..., 2] if flat else signs),
        (*inputs, "ij" if flat else "ijk"),
        batch + ("" if flat else "k"),
    )
    return found if flat else np.moveaxis(found, -1, axisc)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = operand(x1), operand(x2)
    if not CROSS_WITHOUT_AXIS and (x1.shape[axis] != 3 or x2.shape[axis] != 3):
        raise ValueError(
            f"Both input arrays must be (arrays of) 3-dimensional vectors, but they are {x1.shape[axis]} and "
            f"{x2.shape[axis]} dimensional instead."
        )
    return np.cross(x1, x2, axis=axis)


# -- norms -------------------------------------------------------------------------------------------------------------
@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    ndim = len(shape_of(operand(x)))
    axes = axes_of(axis, ndim)
    is_vector = len(axes) == 1 or ord in (None, "fro", "f")
    return _norm(lambda v: np.linalg.norm(v, ord, axis, keepdims), x, ord, axes, is_vector)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    axes = axes_of(axis, len(shape_of(operand(x))))
    return _norm(lambda v: np.linalg.vector_norm(v, axis=axis, keepdims=keepdims, ord=ord), x, ord, axes, True)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    axes = axes_of((-2, -1), len(shape_of(operand(x))))
    return _norm(
        lambda v: np.linalg.matrix_norm(v, keepdims=keepdims, ord=ord), x, ord, axes, ord in (None, "fro", "f")
    )


def _norm(function: Any, x: Any, ord: Any, axes: tuple[int, ...], is_vector: bool) -> Any:
    """``function(x)``, the norm of that order along the axes."""
    x = operand(x)
    if not is_vector:
        return revalued(function, lambda y: _matrix_norm(np.moveaxis(y, axes, (-2, -1)), ord), x)
    if ord in (math.inf, -math.inf):
        extreme = np.max if ord > 0 else np.min
        return revalued(function, lambda y: extreme(np.abs(y), axis=axes), x)
    operands = Application(x)
    value = function(operands.values[0])
    (t,) = terms(operands, "numpy.linalg.norm")
    if t is None or ord == 0:
        return result(operands, value)
    v, shape = operands.values[0], operands.shape()
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    with np.errstate(all="ignore"):
        weights = _norm_weights(v, np.reshape(value, kept) if shape else value, ord)
        if is_complex_valued(v):
            note_conjugate(operands.space, t.name)
        scaled = operands.space.scale(t.tangent, weights, shape, shape)
        return operands.result(value, [operands.space.sum(scaled, axes, shape, shape_of(value))])


def _norm_weights(x: Any, length: Any, ord: Any) -> Any:
    """The partial derivatives of a vector norm; zero at the zero vector for the orders that have a cusp there."""
    if ord in (None, 2, "fro", "f"):
        weights = np.conjugate(x) / length
    else:
        size = np.abs(x)
        if is_complex_valued(x):
            sign = np.where(size == 0, 0.0, np.conjugate(x) / size)
        else:
            sign = np.copysign(1.0, plain_values(x))
        if ord == 1:
            return sign
        weights = sign * (size / length) ** (ord - 1)
    return chosen_zero(np.broadcast_to(plain_values(length) == 0, shape_of(weights)), weights)


def _matrix_norm(x: Any, ord: Any) -> Any:
    if ord in (2, -2, "nuc"):
        s = np.linalg.svdvals(x)
        return np.sum(s, axis=-1) if ord == "nuc" else s[..., 0 if ord == 2 else -1]
    sums = np.sum(np.abs(x), axis=-2 if abs(ord) == 1 else -1)
    return (np.max if ord > 0 else np.min)(sums, axis=-1)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The quotient, or product, of norms that NumPy forms."""

    def composed(x: Any) -> Any:
        if p in (None, 2, -2):
            s = np.linalg.svdvals(x)
            return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
        axes = (-2, -1)
        return np.linalg.norm(x, p, axes) * np.linalg.norm(Factored(x).inverse, p, axes)

    return revalued(lambda v: np.linalg.cond(v, p), composed, x)
