"""scipy.linalg: structured matrices, whose elements are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.creation import zeros
from dualdiff.rules.writing.array_rules import plain_values, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.rules.writing.terms import revalued


def _vector(x: Any, name: str) -> Any:
    x = operand(x)
    if len(shape_of(x)) > 1:
        raise ValueError(f"dualdiff.scipy.linalg.{name} of duals takes vectors, not an array of shape {shape_of(x)}")
    return np.atleast_1d(x)


@over_scipy("c", "r")
def toeplitz(value: Any, c: Any, r: Any = None) -> Any:
    """The Toeplitz matrix, whose diagonals are constant.

    Args:
        c ((m,) array_like): The first column.
        r ((n,) array_like, optional): The first row, whose first element is ignored; by default the conjugate of
            c.
    Returns:
        (m, n) array: The matrix.
    Notes:
        One indexing operation, for values and tangents alike.
    Examples:
        >>> derivative(lambda t: linalg.toeplitz([1.0, t]), 2.0)
        array([[0., 1.],
               [1., 0.]])
    """
    c = _vector(c, "toeplitz")
    r = np.conjugate(c) if r is None else _vector(r, "toeplitz")
    m, n = len(c), len(r)
    return np.concatenate([c[::-1], r[1:]])[m - 1 - np.arange(m)[:, None] + np.arange(n)]


@over_scipy("c", "r")
def hankel(value: Any, c: Any, r: Any = None) -> Any:
    """The Hankel matrix, whose antidiagonals are constant.

    Args:
        c ((m,) array_like): The first column.
        r ((n,) array_like, optional): The last row, whose first element is ignored; by default zeros.
    Returns:
        (m, n) array: The matrix.
    Notes:
        The cost of `toeplitz`.
    Examples:
        >>> derivative(lambda t: linalg.hankel([1.0, t]), 2.0)
        array([[0., 1.],
               [1., 0.]])
    """
    c = _vector(c, "hankel")
    r = np.zeros_like(plain_values(c)) if r is None else _vector(r, "hankel")
    return np.concatenate([c, r[1:]])[np.arange(len(c))[:, None] + np.arange(len(r))]


@over_scipy("c")
def circulant(value: Any, c: Any) -> Any:
    """The circulant matrix, whose columns are rotations of the first one.

    Args:
        c ((..., n) array_like): The first column.
    Returns:
        (..., n, n) array: The matrix.
    Notes:
        The cost of `toeplitz`.
    Examples:
        >>> derivative(lambda t: linalg.circulant([1.0, t]), 2.0)
        array([[0., 1.],
               [1., 0.]])
    """
    c = np.atleast_1d(operand(c))
    indices = np.arange(shape_of(c)[-1])
    return c[..., (indices[:, None] - indices) % len(indices)]


@over_scipy("a")
def companion(value: Any, a: Any) -> Any:
    """The companion matrix of a polynomial.

    Args:
        a ((..., n) array_like): The coefficients of the polynomial, the leading one first and not zero.
    Returns:
        (..., n - 1, n - 1) array: The matrix, whose eigenvalues are the roots.
    Notes:
        One division per element.
    Examples:
        >>> derivative(lambda t: linalg.companion([1.0, t, 3.0]), 2.0)
        array([[-1.,  0.],
               [ 0.,  0.]])
    """

    def composed(a: Any) -> Any:
        first = -a[..., 1:] / a[..., :1]
        n = shape_of(first)[-1]
        rest = np.broadcast_to(np.eye(n - 1, n), (*shape_of(a)[:-1], n - 1, n))
        return np.concatenate([first[..., None, :], rest], axis=-2)

    return revalued(value, composed, a)


@over_scipy("arrs")
def block_diag(value: Any, *arrs: Any) -> Any:
    """The block diagonal matrix of the arrays.

    Args:
        *arrs (array_like): The blocks: scalars, rows or matrices.
    Returns:
        array: The matrix, zero outside of the blocks.
    Notes:
        The cost of `toeplitz`.
    Examples:
        >>> derivative(lambda t: linalg.block_diag(1.0, [[t]]), 2.0)
        array([[0., 0.],
               [0., 1.]])
    """
    blocks = [np.atleast_2d(operand(a)) for a in arrs]
    rows, columns = (np.cumsum([0, *(shape_of(b)[i] for b in blocks)]) for i in (-2, -1))
    stack = np.broadcast_shapes(*(shape_of(b)[:-2] for b in blocks))
    dtype = np.result_type(*map(plain_values, blocks))
    matrix = zeros((*stack, rows[-1], columns[-1]), like=tuple(blocks), dtype=dtype)
    for block, i, j in zip(blocks, rows, columns, strict=False):
        matrix[..., i : i + shape_of(block)[-2], j : j + shape_of(block)[-1]] = block
    return matrix


@over_scipy("a", "b")
def khatri_rao(value: Any, a: Any, b: Any) -> Any:
    """The Khatri-Rao product, the Kronecker product column by column.

    Args:
        a ((..., m, k) array_like): The first factor.
        b ((..., n, k) array_like): The second factor.
    Returns:
        (..., m n, k) array: The product.
    Notes:
        Two multiplications per element.
    Examples:
        >>> derivative(lambda t: linalg.khatri_rao([[t, 1.0]], [[3.0, 4.0]]), 2.0)
        array([[3., 0.]])
    """

    def composed(a: Any, b: Any) -> Any:
        product = a[..., :, None, :] * b[..., None, :, :]
        return np.reshape(product, (*product.shape[:-3], -1, product.shape[-1]))

    return revalued(value, composed, a, b)
