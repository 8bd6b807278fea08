"""Contractions as linear maps of each of their factors: `Product`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from dualdiff.rules.writing.array_rules import Application
from dualdiff.tangents.linear import Contraction, contract_pair
from dualdiff.tangents.space import Tangent, TangentSpace
from dualdiff.tangents.structure import Structure, pulled_by

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Product:
    """``einsum("inputs->output", *factors)`` as a linear map in each of its factors.

    Axes of length 1 broadcast against axes of the same letter.  ``function`` computes it from the factors.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        output: str,
        factors: Sequence[Any],
        varying: Sequence[bool] | None = None,
        function: Callable[..., Any] | None = None,
    ) -> None:
        self.varying, self.function = varying, function
        self.factors = factors = [factor if hasattr(factor, "shape") else np.asarray(factor) for factor in factors]
        self.shapes = tuple(factor.shape for factor in factors)
        plan = _plan(tuple(inputs), output, self.shapes)
        self.subscripts, self.core_shapes, self.output, self.core_shape, self.out_shape = plan
        self.constants = [
            factor if shape == core else factor.reshape(core)
            for factor, shape, core in zip(factors, self.shapes, self.core_shapes, strict=True)
        ]

    def term(self, space: TangentSpace, t: Tangent, i: int) -> Tangent:
        """The product with factor i replaced by its tangent."""
        shape, core = self.shapes[i], self.core_shapes[i]
        if shape != core:
            t = space.gather([t], reshaping(core), [shape], core)
        others: list[Any] = [*self.constants]
        others[i] = None
        linear = Contraction(self.subscripts, self.output, others, i, core, self.core_shape, self.varying)
        t = space.contract(t, linear, core, self.core_shape)
        if self.core_shape != self.out_shape:
            t = space.gather([t], reshaping(self.out_shape), [self.core_shape], self.out_shape)
        return t

    def crossed(self, i: int, a: Any, j: int, b: Any) -> Any:
        """The sum of the products with factors i and j replaced by the rows of a and b."""
        lead = next(c for c in _LETTERS if not any(c in letters for letters in self.subscripts))
        factors, subscripts = [*self.constants], [*self.subscripts]
        for k, rows in ((i, a), (j, b)):
            factors[k], subscripts[k] = rows.reshape((len(rows), *self.core_shapes[k])), lead + subscripts[k]
        if len(factors) == 2 and all(len(set(letters)) == len(letters) for letters in subscripts):
            total = contract_pair(subscripts[0], factors[0], subscripts[1], factors[1], self.output)
        else:
            total = np.einsum(",".join(subscripts) + "->" + self.output, *factors, optimize=len(factors) > 2)
        return total.reshape(self.out_shape)


@lru_cache(maxsize=1024)
def _plan(inputs: tuple[str, ...], output: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[Any, ...]:
    """Subscripts and shapes without axes of length 1 that broadcast, and the output letters that are left."""
    lengths: dict[str, int] = {}
    for letters, shape in zip(inputs, shapes, strict=True):
        for letter, length in zip(letters, shape, strict=True):
            lengths[letter] = length if lengths.get(letter, 1) == 1 else lengths[letter]
    subscripts, cores = [], []
    for letters, shape in zip(inputs, shapes, strict=True):
        kept = [i for i, c in enumerate(letters) if shape[i] == lengths[c]]
        subscripts.append("".join(letters[i] for i in kept))
        cores.append(tuple(shape[i] for i in kept))
    core_output = "".join(c for c in output if any(c in s for s in subscripts))
    return subscripts, cores, core_output, tuple(lengths[c] for c in core_output), tuple(lengths[c] for c in output)


def multilinear(function: Callable[..., Any], operands: Sequence[Any], inputs: Sequence[str], output: str) -> Any:
    """``function(*operands)``, which is ``einsum("inputs->output", *operands)``; see `Product`."""
    factors = Application(*operands, linear=True)
    value = function(*factors.values)
    product = Product(inputs, output, factors.values, [t is not None for t in factors.tangents], function)
    if factors.space is not None and factors.space.order and len(list(factors.active())) > 1:
        return factors.result(value, [factors.space.multiplied(product, factors.tangents, value)])
    return factors.result(value, [product.term(factors.space, factors.tangents[i], i) for i in factors.active()])


def reshaping(shape: tuple[int, ...]) -> Structure:
    """The structure of ``a.reshape(shape)``."""
    return Structure(_reshaped, {"shape": shape}, {"shape": "shape"})


def _reshaped(a: Any, shape: Any) -> Any:
    return a.reshape(shape)


@pulled_by(_reshaped)
def _pull_reshaped(w: Any, shapes: Any, wanted: Any, shape: Any) -> list[Any]:
    return [np.reshape(w, shapes[0])]
