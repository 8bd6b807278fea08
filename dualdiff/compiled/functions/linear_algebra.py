"""Linear algebra of duals: values by BLAS and LAPACK, tangents along all directions at once."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload, register_jitable

from dualdiff.compiled.functions.array_functions import hide_from_duals, of_duals, scalar_type, values_of, written
from dualdiff.compiled.functions.table_rows import top
from dualdiff.compiled.intrinsics import constant, lanes_of, partial_in, with_value
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.types import DualType
from dualdiff.core.reading import value


# -- products ----------------------------------------------------------------------------------------------------------
def _dual_of_both(a: Any, b: Any) -> Any:
    """The dual type of products of elements of two arrays, at least one of which has duals; None for others."""
    if not (isinstance(a, types.Array) and isinstance(b, types.Array)):
        return None
    t = top((a.dtype, b.dtype))
    return t if t is not None and isinstance(t.base, types.Float) else None


@only_compiled
def product(x: Any, y: Any) -> Any:
    """The product of elements of two arrays; a pattern has no entries where one of them is a constant zero."""


@overload(product, strict=False)
def _product(x: Any, y: Any) -> Any:
    t = top((x, y))
    if t is None or not t.follows or (isinstance(x, DualType) and isinstance(y, DualType)):
        return lambda x, y: x * y
    if isinstance(x, DualType):
        return lambda x, y: x * y if y != 0 else constant(0.0, t)
    return lambda x, y: x * y if x != 0 else constant(0.0, t)


def _dot(a: Any, b: Any) -> Any:
    t = _dual_of_both(a, b)
    if t is None:
        return None
    match a.ndim, b.ndim:
        case 1, 1:

            def dot(a: Any, b: Any) -> Any:
                result = np.dot(values_of(a, t), values_of(b, t))
                c = constant(0.0, t)
                for k in range(a.size):
                    c += product(a[k], b[k])
                return with_value(c, result)

        case 2, 1:

            def dot(a: Any, b: Any) -> Any:
                values = np.dot(values_of(a, t), values_of(b, t))
                out = np.empty(a.shape[0], t)
                for i in range(a.shape[0]):
                    c = constant(0.0, t)
                    for k in range(a.shape[1]):
                        c += product(a[i, k], b[k])
                    out[i] = with_value(c, values[i])
                return out

        case 1, 2:

            def dot(a: Any, b: Any) -> Any:
                values = np.dot(values_of(a, t), values_of(b, t))
                out = np.zeros(b.shape[1], t)
                for k in range(a.size):
                    for j in range(b.shape[1]):
                        out[j] += product(a[k], b[k, j])
                for j in range(b.shape[1]):
                    out[j] = with_value(out[j], values[j])
                return out

        case 2, 2:

            def dot(a: Any, b: Any) -> Any:
                values = np.dot(values_of(a, t), values_of(b, t))
                out = np.zeros(values.shape, t)
                for i in range(a.shape[0]):
                    for k in range(a.shape[1]):
                        for j in range(b.shape[1]):
                            out[i, j] += product(a[i, k], b[k, j])
                    for j in range(b.shape[1]):
                        out[i, j] = with_value(out[i, j], values[i, j])
                return out

        case _:
            return None
    return dot


for _function in np.dot, operator.matmul, np.matmul:
    hide_from_duals(_function)
    overload(_function, strict=False)(_dot)


@overload(np.vdot, strict=False)
def _vdot(a: Any, b: Any) -> Any:
    return None if _dual_of_both(a, b) is None else lambda a, b: np.dot(a.ravel(), b.ravel())


# -- norms -------------------------------------------------------------------------------------------------------------
@written(np.linalg.norm)
def norm(x, ord=None):  # type: ignore[no-untyped-def]
    return norm_of_kind(x, ord)


@only_compiled
def norm_of_kind(x: Any, ord: Any) -> Any:
    """The norm of a vector, or the Frobenius norm of a matrix."""


@overload(norm_of_kind, strict=False)
def _norm_of_kind(x: Any, ord: Any) -> Any:
    if isinstance(x.dtype.base, types.Complex):
        return lambda x, ord: norm_of_kind(np.abs(x), ord)
    if ord in (None, types.none) or isinstance(ord, types.Omitted):

        def length(x: Any, ord: Any) -> Any:
            c = constant(0.0, x.dtype)
            for v in np.nditer(x):
                c += v.item() * v.item()
            return np.sqrt(c)

        return length
    if x.ndim != 1 or not isinstance(ord, (types.Number, types.Literal)):
        return None

    def of_vector(x: Any, ord: Any) -> Any:
        c = constant(0.0, x.dtype)
        if ord == np.inf:
            return np.max(np.abs(x))
        if ord == -np.inf:
            return np.min(np.abs(x))
        if ord == 0:
            return c
        for v in x:
            c += np.abs(v) if ord == 1 else np.abs(v) ** ord
        return c if ord == 1 else c ** (1.0 / ord)

    return of_vector


# -- systems, inverses and determinants --------------------------------------------------------------------------------
for _function in np.linalg.solve, np.linalg.slogdet:
    hide_from_duals(_function)


@overload(np.linalg.solve, strict=False)
def _solve(a: Any, b: Any) -> Any:
    t = _dual_of_both(a, b)
    if t is None or a.ndim != 2:
        return None
    if b.ndim == 1:
        return lambda a, b: np.linalg.solve(a, b.copy().reshape(b.size, 1))[:, 0]
    if t.is_recorded:
        return _solve_recorded(t)
    if t.follows:

        def all_of_all(a: Any, b: Any) -> Any:
            values = np.linalg.solve(values_of(a, t), values_of(b, t))
            result = np.empty(b.shape, t)
            for j in range(b.shape[1]):
                everything = constant(0.0, t)
                for i in range(b.shape[0]):
                    everything += b[i, j]
                    for k in range(b.shape[0]):
                        everything += a[i, k]
                for i in range(b.shape[0]):
                    result[i, j] = with_value(everything, values[i, j])
            return result

        return all_of_all

    element, count = t.element, t.count

    def solve(a: Any, b: Any) -> Any:
        matrix = values_of(a, t)
        values = np.linalg.solve(matrix, values_of(b, t))
        # d(a x) = db, so the tangents of x solve the same system for db - da x.
        n, m = b.shape
        sides = np.empty((n, m * count), element)
        for i in range(n):
            for j in range(m):
                residual = constant(b[i, j], t)
                for k in range(n):
                    residual -= a[i, k] * values[k, j]
                for lane in range(count):
                    sides[i, j * count + lane] = partial_in(residual, lane, t)
        tangents = np.linalg.solve(matrix, sides)
        result = np.empty(b.shape, t)
        lanes = lanes_of(result)
        for i in range(n):
            for j in range(m):
                lanes[i, j, 0] = values[i, j]
                for lane in range(count):
                    lanes[i, j, lane + 1] = tangents[i, j * count + lane] + 0.0
        return result

    return solve


def _solve_recorded(t: Any) -> Any:
    """The same where the directions are not known yet: the inverse multiplies ``db - da x``."""

    def solve(a: Any, b: Any) -> Any:
        matrix = values_of(a, t)
        values, inverse = np.linalg.solve(matrix, values_of(b, t)), np.linalg.inv(matrix)
        n, m = b.shape
        residuals, result = np.empty(n, t), np.empty(b.shape, t)
        for j in range(m):
            for i in range(n):
                residuals[i] = b[i, j]
                for k in range(n):
                    residuals[i] -= a[i, k] * values[k, j]
            for i in range(n):
                tangent = constant(0.0, t)
                for k in range(n):
                    tangent += inverse[i, k] * residuals[k]
                result[i, j] = with_value(tangent, values[i, j])
        return result

    return solve


@written(np.linalg.inv)
def inv(a):  # type: ignore[no-untyped-def]
    return np.linalg.solve(a, np.eye(a.shape[0]))


@register_jitable  # type: ignore[untyped-decorator]
def eliminated(a):  # type: ignore[no-untyped-def]
    """LU factorization with complete pivoting, up to the first zero pivot: the matrix, the sign of the row and column
    exchanges, and the rank.
    """
    u = a.copy()
    n = len(u)
    sign = 1.0
    for k in range(n):
        best = np.argmax(np.abs(value(u[k:, k:])))
        i, j = k + best // (n - k), k + best % (n - k)
        if value(u[i, j]) == 0:
            return u, sign, k
        if i != k:
            sign = -sign
            row = u[i].copy()
            u[i] = u[k]
            u[k] = row
        if j != k:
            sign = -sign
            column = u[:, j].copy()
            u[:, j] = u[:, k]
            u[:, k] = column
        for i in range(k + 1, n):
            factor = u[i, k] / u[k, k]
            for j in range(k + 1, n):
                u[i, j] -= factor * u[k, j]
    return u, sign, n


@only_compiled
def started(scalar: Any, a: Any) -> Any:
    """A scalar computed from a matrix, before its elements are used; its pattern has all of them."""


@overload(started, strict=False)
def _started(scalar: Any, a: Any) -> Any:
    t = a.dtype
    if not t.follows:
        return lambda scalar, a: constant(scalar, t)
    return lambda scalar, a: with_value(np.sum(a), scalar)


@written(np.linalg.det)
def det(a):  # type: ignore[no-untyped-def]
    u, sign, rank = eliminated(a)
    result = started(sign, a)
    for k in range(rank):
        result *= u[k, k]
    # The remaining block is zero in value; its determinant vanishes with all derivatives of order below its size.
    left = len(u) - rank
    if left == 1:
        result *= u[rank, rank]
    elif left == 2:
        result *= u[rank, rank] * u[rank + 1, rank + 1] - u[rank, rank + 1] * u[rank + 1, rank]
    elif left > 2:
        if depth(a) > 2:
            raise ValueError("third derivatives of np.linalg.det at a matrix of corank three or more")
        result *= 0.0
    return result


@only_compiled
def depth(a: Any) -> Any:
    """The nesting level of the elements of an array."""


@overload(depth, strict=False)
def _depth(a: Any) -> Any:
    level = a.dtype.level
    return lambda a: level


@overload(np.linalg.slogdet, strict=False)
def _slogdet(a: Any) -> Any:
    t = scalar_type(a)
    if not of_duals(a) or not isinstance(t.base, types.Float):
        return None

    def slogdet(a: Any) -> Any:
        sign, result = np.linalg.slogdet(values_of(a, t))
        u, _, rank = eliminated(a)
        size = started(0.0, a)
        for k in range(rank):
            size += np.log(np.abs(u[k, k]))
        return sign, with_value(size, result)

    return slogdet


@written(np.linalg.cholesky)
def cholesky(a):  # type: ignore[no-untyped-def]
    out = np.zeros(a.shape, a.dtype)
    for j in range(a.shape[0]):
        d = a[j, j]
        for k in range(j):
            d -= out[j, k] * out[j, k]
        d = np.sqrt(d)
        out[j, j] = d
        for i in range(j + 1, a.shape[0]):
            s = a[i, j]
            for k in range(j):
                s -= out[i, k] * out[j, k]
            out[i, j] = s / d
    return out


@written(np.linalg.matrix_power)
def matrix_power(a, n):  # type: ignore[no-untyped-def]
    power = np.linalg.inv(a) if n < 0 else a.copy()
    result = np.zeros(a.shape, a.dtype)
    for i in range(a.shape[0]):
        result[i, i] = 1.0
    for _ in range(abs(n)):
        result = np.dot(result, power)
    return result
