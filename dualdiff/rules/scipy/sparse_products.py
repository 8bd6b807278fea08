"""Products of a constant scipy.sparse matrix and duals: ``A @ u``, ``u @ A``, and ``*`` if it is a matrix product."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import Application, shape_of
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.space import Shape


class SparseProduct(LinearMap):
    """The product of a sparse matrix along one axis of an array, given the numbers of elements before and after it."""

    name = "a product with a scipy.sparse matrix"

    def __init__(self, matrix: Any, before: int, after: int, in_shape: Shape, out_shape: Shape) -> None:
        self.sparse, self.in_shape, self.out_shape = matrix, in_shape, out_shape
        self._before, self._after = before, after

    def __call__(self, t: Any) -> Any:
        lead = t.shape[: t.ndim - len(self.in_shape)]
        rows, columns = self.sparse.shape
        before = math.prod(lead) * self._before
        first = np.moveaxis(t.reshape((before, columns, self._after)), 1, 0).reshape((columns, before * self._after))
        product = np.moveaxis((self.sparse @ first).reshape((rows, before, self._after)), 0, 1)
        return product.reshape(lead + self.out_shape)

    def matrix(self) -> Any:
        return self.sparse.T.toarray("C") if len(self.in_shape) == 1 == len(self.out_shape) else None

    @property
    def transpose(self) -> LinearMap:
        return SparseProduct(self.sparse.T, self._before, self._after, self.out_shape, self.in_shape)

    def of_arguments(self, numbers: Any, reduce: Callable[..., Any]) -> Any:
        rows, columns = self.sparse.shape
        result = reduce(numbers.reshape((self._before, columns, self._after)), axis=1)[:, None]
        return np.broadcast_to(result, (self._before, rows, self._after)).reshape(self.out_shape)

    def entries(self) -> tuple[Any, Any, Any]:
        entries = self.sparse.tocoo()
        i, j = np.arange(self._before)[:, None, None], np.arange(self._after)
        rows, columns = (
            ((i * n + indices.astype(np.intp)[:, None]) * self._after + j).ravel()
            for n, indices in zip(self.sparse.shape, (entries.row, entries.col), strict=True)
        )
        data = entries.data * 1.0 if entries.dtype.kind == "b" else entries.data
        data = np.broadcast_to(data[:, None], (self._before, len(data), self._after))
        return rows, columns, data.ravel()

    def lasting(self, copied: Callable[[Any], Any]) -> LinearMap:
        matrix = self.sparse.tocsr()
        if matrix is self.sparse:
            arrays = tuple(copied(a) for a in (matrix.data, matrix.indices, matrix.indptr))
            matrix = type(matrix)(arrays, shape=matrix.shape)
        return SparseProduct(matrix, self._before, self._after, self.in_shape, self.out_shape)


def is_sparse(x: Any) -> bool:
    """Whether x is a scipy.sparse array or matrix.  If scipy.sparse is not loaded, there is none."""
    module = sys.modules.get("scipy.sparse")
    return module is not None and module.issparse(x)


def multiplies_as_matrix(x: Any) -> bool:
    """Whether ``*`` with x is the matrix product."""
    module = sys.modules.get("scipy.sparse")
    return module is not None and module.isspmatrix(x)


def sparse_matmul(a: Any, b: Any) -> Any:
    """``a @ b``, where one is a sparse matrix and the other a dual array."""
    space = (a if isinstance(a, AnyDual) else b).space
    return space.call("matmul", _product, (a, b), {}) if space.traces else _product(a, b)


def _product(a: Any, b: Any) -> Any:
    from_right = isinstance(a, AnyDual)
    x, matrix = (a, b) if from_right else (b, a)
    if matrix.ndim > 2 or matrix.dtype == object:
        raise no_rule(
            f"a product with a scipy.sparse array of shape {matrix.shape} and dtype {matrix.dtype}",
            " (a matrix of numeric dtype has one)",
        )
    operands = Application(x, linear=True)
    value = operands.values[0] @ matrix if from_right else matrix @ operands.values[0]
    if operands.tangents[0] is None:
        return operands.result(value, [])
    shape, out_shape = operands.shape(), shape_of(value)
    axis = len(shape) - 1 if from_right or len(shape) == 1 else len(shape) - 2
    if matrix.ndim == 1:
        matrix = matrix.reshape((1, -1))
    elif from_right:
        matrix = matrix.T
    linear = SparseProduct(matrix, math.prod(shape[:axis]), math.prod(shape[axis + 1 :]), shape, out_shape)
    return operands.result(value, [operands.space.contract(operands.tangents[0], linear, shape, out_shape)])
