"""For PyTensor, and with it PyMC: a NumPy function as an operation with exact gradients of any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.drivers.vjp import vjp

pytensor = load("pytensor", "pytensor", "dualdiff.adapters.pytensor")
graph = load("pytensor.graph", "pytensor", "dualdiff.adapters.pytensor")
tensor = load("pytensor.tensor", "pytensor", "dualdiff.adapters.pytensor")

__all__ = ["Operation"]


class Operation(graph.Op):  # type: ignore[misc,name-defined]
    r"""The function f as an operation of PyTensor, whose gradient is the exact pullback :math:`w \mapsto w J`.

    Parameters
    ----------
    f : callable
        A function of scalars and arrays, in NumPy or Numba, that returns a scalar or an array.
    ndim : int
        The number of axes of what f returns.

    Notes
    -----
    ``Operation(f)(x, y)`` is a variable of PyTensor.  The gradient is an operation of the same kind, and costs one
    recorded call of f, see `dualdiff.vjp`.
    """

    __props__ = ("f", "ndims")

    def __init__(self, f: Callable[..., Any], ndim: int | tuple[int, ...] = 0) -> None:
        self.f = f
        self.ndims = ndim

    def make_node(self, *inputs: Any) -> Any:
        """The application to variables."""
        inputs = tuple(map(tensor.as_tensor_variable, inputs))
        ndims = self.ndims if isinstance(self.ndims, tuple) else (self.ndims,)
        return graph.Apply(self, inputs, [tensor.TensorType("float64", (None,) * ndim)() for ndim in ndims])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        """Evaluate f."""
        result = self.f(*(x if np.ndim(x) else x[()] for x in map(np.asarray, inputs)))
        for output, y in zip(outputs, result if isinstance(self.ndims, tuple) else (result,), strict=True):
            output[0] = np.array(y, float)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> Any:
        """The gradients in all inputs, as variables."""
        n = len(inputs)

        def pulled(*given: Any) -> tuple[Any, ...]:
            _, pull = vjp(self.f, *given[:n], argnum=tuple(range(n)))
            return tuple(pull(given[n:] if isinstance(self.ndims, tuple) else given[n]))

        results = Operation(pulled, tuple(x.ndim for x in inputs))(*inputs, *cotangents)
        return results if isinstance(results, list) else [results]

    # Before PyTensor 3 the method had this name.
    L_op = pullback
