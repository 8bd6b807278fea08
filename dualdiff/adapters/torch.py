"""For PyTorch: a NumPy function inside a PyTorch program, with exact gradients of any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.drivers.vjp import vjp

torch = load("torch", "torch", "dualdiff.adapters.torch")

__all__ = ["to_torch"]


def to_torch(f: Callable[..., Any]) -> Callable[..., Any]:
    r"""The function f of tensors, whose backward pass is the exact pullback :math:`w \mapsto w J`.

    Parameters
    ----------
    f : callable
        A function of scalars and arrays, in NumPy, that returns a scalar, an array, or a tuple of these.

    Returns
    -------
    callable
        A function of tensors on the CPU that works with ``backward``, ``torch.autograd.grad`` and
        ``create_graph=True``, to any order.  The result has the precision of the first tensor; f gets NumPy arrays of
        the precision of each.

    Notes
    -----
    The forward pass calls f once; a backward pass calls it once more, recorded, see `dualdiff.vjp`.
    """

    class OfTorch(torch.autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            ctx.save_for_backward(*tensors)
            result = f(*map(_plain, tensors))
            as_tensors = [torch.as_tensor(np.asarray(y), dtype=tensors[0].dtype) for y in _items(result)]
            return tuple(as_tensors) if isinstance(result, tuple) else as_tensors[0]

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            n = len(ctx.saved_tensors)
            return to_torch(lambda *given: _pulled(f, given[:n], given[n:]))(*ctx.saved_tensors, *cotangents)

    def on_tensors(*tensors: Any) -> Any:
        return OfTorch.apply(*map(torch.as_tensor, tensors))

    return on_tensors


def _pulled(f: Callable[..., Any], args: tuple[Any, ...], cotangents: tuple[Any, ...]) -> tuple[Any, ...]:
    """The cotangents of all arguments."""
    y, pull = vjp(f, *args, argnum=tuple(range(len(args))))
    pulled = pull(cotangents if isinstance(y, tuple) else cotangents[0])
    return tuple(pulled)


def _items(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _plain(tensor: Any) -> Any:
    array = tensor.detach().numpy()
    return array if array.ndim else array[()]
