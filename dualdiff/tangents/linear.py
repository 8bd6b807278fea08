"""Linear maps that a function brings along: contractions with constant operands, and named ones (solve, cumsum, ...).

A map acts on the trailing axes of what it is given; any axes before them are carried along.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np

Shape = tuple[int, ...]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class LinearMap(ABC):
    """A linear map from arrays of ``in_shape`` to arrays of ``out_shape``, known by name."""

    name: str
    in_shape: Shape
    out_shape: Shape

    @abstractmethod
    def __call__(self, t: Any) -> Any:
        """Apply to an array of shape ``(..., *in_shape)``; the result is ``(..., *out_shape)``."""

    @property
    @abstractmethod
    def transpose(self) -> LinearMap:
        """The transposed map (not conjugated)."""


class NamedMap(LinearMap):
    """A linear map given by two functions, one for each direction."""

    def __init__(
        self,
        name: str,
        apply: Callable[[Any], Any],
        apply_transposed: Callable[[Any], Any],
        in_shape: Shape,
        out_shape: Shape,
    ) -> None:
        self.name, self.in_shape, self.out_shape = name, in_shape, out_shape
        self._apply, self._apply_transposed = apply, apply_transposed

    def __call__(self, t: Any) -> Any:
        return self._apply(t)

    @property
    def transpose(self) -> LinearMap:
        return NamedMap(self.name + ".T", self._apply_transposed, self._apply, self.out_shape, self.in_shape)


class Contraction(LinearMap):
    """Einstein summation over constant operands and the one at ``position`` that the map acts on.

    Letters are plain (no ellipsis), and equal letters have equal lengths.
    """

    name = "einsum"

    def __init__(
        self, inputs: list[str], output: str, operands: list[Any], position: int, in_shape: Shape, out_shape: Shape
    ) -> None:
        self.inputs, self.output, self.operands, self.position = inputs, output, operands, position
        self.in_shape, self.out_shape = in_shape, out_shape

    def __call__(self, t: Any) -> Any:
        inputs, position = self.inputs, self.position
        used = set("".join(inputs))
        lead = "".join(islice((c for c in _LETTERS if c not in used), t.ndim - len(self.in_shape)))
        subscripts = [*inputs]
        subscripts[position] = lead + inputs[position]
        operands = [*self.operands]
        operands[position] = t
        if len(operands) == 2 and all(len(set(s)) == len(s) for s in subscripts):
            return contract_pair(subscripts[0], operands[0], subscripts[1], operands[1], lead + self.output)
        return np.einsum(",".join(subscripts) + "->" + lead + self.output, *operands, optimize=len(operands) > 2)

    @property
    def transpose(self) -> LinearMap:
        missing = set(self.inputs[self.position]) - set(self.output).union(
            *(s for i, s in enumerate(self.inputs) if i != self.position)
        )
        if missing or len(set(self.inputs[self.position])) < len(self.inputs[self.position]):
            return NamedMap(self.name + ".T", self._transposed_by_index, self, self.out_shape, self.in_shape)
        inputs = [*self.inputs]
        inputs[self.position] = self.output
        return Contraction(
            inputs, self.inputs[self.position], self.operands, self.position, self.out_shape, self.in_shape
        )

    def _transposed_by_index(self, w: Any) -> Any:
        # Repeated letters read a diagonal and lone letters sum: transposed, they write a diagonal and broadcast.
        inner = self.inputs[self.position]
        unique = "".join(dict.fromkeys(inner))
        lengths = dict(zip(inner, self.in_shape, strict=True))
        others = [s for i, s in enumerate(self.inputs) if i != self.position]
        constants = [a for i, a in enumerate(self.operands) if i != self.position]
        known = "".join(c for c in unique if c in self.output or any(c in s for s in others))
        lead_shape = w.shape[: w.ndim - len(self.out_shape)]
        used = set("".join(self.inputs))
        lead = "".join(islice((c for c in _LETTERS if c not in used), len(lead_shape)))
        dense = np.einsum(",".join([lead + self.output, *others]) + "->" + lead + known, w, *constants)
        shape = tuple(lengths[c] if c in known else 1 for c in unique)
        dense = np.broadcast_to(
            dense.reshape(lead_shape + shape), lead_shape + tuple(lengths[c] for c in unique)
        ).reshape((*lead_shape, -1))
        places = np.einsum(inner + "->" + unique, np.arange(math.prod(self.in_shape)).reshape(self.in_shape))
        result = np.zeros_like(dense, shape=(*lead_shape, math.prod(self.in_shape)))
        result[..., places.ravel()] = dense
        return result.reshape(lead_shape + self.in_shape)


def contract_pair(sa: str, a: Any, sb: str, b: Any, out: str) -> Any:
    """``einsum(f"{sa},{sb}->{out}", a, b)`` through matmul, so that BLAS does the work."""
    sa, a = _drop(sa, a, sb + out)
    sb, b = _drop(sb, b, sa + out)
    batch = [c for c in out if c in sa and c in sb]
    inner = [c for c in sa if c in sb and c not in out]
    left = [c for c in out if c in sa and c not in sb]
    right = [c for c in out if c in sb and c not in sa]
    lengths = dict(zip(sa + sb, a.shape + b.shape, strict=True))
    a = a.transpose([sa.index(c) for c in (*batch, *left, *inner)])
    b = b.transpose([sb.index(c) for c in (*batch, *inner, *right)])
    batch_shape = tuple(lengths[c] for c in batch)
    k = _count(inner, lengths)
    product = np.matmul(
        a.reshape((*batch_shape, _count(left, lengths), k)), b.reshape((*batch_shape, k, _count(right, lengths)))
    )
    found = "".join(batch + left + right)
    product = product.reshape(tuple(lengths[c] for c in found))
    return product if found == out else product.transpose([found.index(c) for c in out])


def _drop(subscript: str, a: Any, kept: str) -> tuple[str, Any]:
    lone = tuple(i for i, c in enumerate(subscript) if c not in kept)
    if not lone:
        return subscript, a
    return "".join(c for c in subscript if c in kept), np.sum(a, axis=lone)


def _count(letters: list[str], lengths: dict[str, int]) -> int:
    n = 1
    for c in letters:
        n *= lengths[c]
    return n
