"""Outputs: the result of f as leaves, values and tangents, and its nesting."""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.base.errors import expired
from dualdiff.core.array import DualArray
from dualdiff.core.containers import Nesting, flatten, is_record, only, output_leaf, tell_outer
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.constants import warn_of_constant
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.tangents.space import TangentSpace


class Outputs:
    """The leaves of a result: values, and tangents in the representation of their space."""

    def __init__(self, inputs: Inputs, space: TangentSpace, result: Any, aux: Any) -> None:
        self.rebuild: Nesting
        leaves, self.rebuild = ([result], only) if isinstance(result, AnyDual) else flatten(result)
        self.values: list[Any] = []
        self.tangents: list[Any] = []
        #: The tangents as exclusively owned arrays, after a pass along one direction or several.
        self.derivatives: list[Any] = []
        is_constant = True
        for leaf in leaves:
            value, t = leaf if isinstance(leaf, AnyDual) else output_leaf(leaf, inputs.operator), None
            if isinstance(value, AnyDual):
                if value.space.tag == space.tag:
                    value, t, is_constant = value.value, value.raw, False
                else:
                    check_outer(value, space)
            if isinstance(value, AnyDual):
                tell_outer(value)
            self.values.append(value)
            self.tangents.append(t)
        if is_constant:
            warn_of_constant(inputs, space, leaves)
        self.aux = strip(aux, space) if inputs.has_aux else None
        self.space = space

    @property
    def value(self) -> Any:
        """The value of f(x), with its nesting."""
        return self.rebuild(self.values)

    def travelling(self, is_first: bool) -> Outputs:
        """The derivatives and what belongs to them, to be sent to another process."""
        other = copy(self)
        other.tangents = []
        other.space = SimpleNamespace(conjugates=self.space.conjugates)  # type: ignore[assignment]
        other.aux = self.aux if is_first else None
        return other

    def shape(self, i: int) -> tuple[int, ...]:
        """The shape of leaf i."""
        return getattr(self.values[i], "shape", ())

    def series(self, i: int) -> Any:
        """The Taylor coefficients of leaf i, along a first axis, after a pass on power series."""
        later = self.space.read(self.tangents[i], self.values[i])
        return np.concatenate([np.reshape(self.values[i], (1, *np.shape(later)[1:])), later])

    def read(self) -> list[Any]:
        """The tangents as arrays that share no memory with anything else: they are passed to the caller."""
        reads: list[Any] = []
        for t, value in zip(self.tangents, self.values, strict=True):
            reads.append(self.space.read(t, value, [*reads, *self.values] if self.aux is None else None))
        return reads


def check_outer(x: AnyDual, space: TangentSpace) -> None:
    """Raise unless a dual of another call belongs to an outer call that is still running, and so is a constant here."""
    if x.space.tag > space.tag or (x.space.tag and not tags.is_live(x.space.tag)):
        raise expired()


def copied(tree: Any) -> Any:
    """A copy of a container, with copies of its arrays."""
    if isinstance(tree, (np.ndarray, DualArray)):
        return np.copy(tree, order="K")
    if is_record(tree):
        leaves, nesting = flatten(tree)
        return nesting(map(copied, leaves))
    if isinstance(tree, dict):
        return {k: copied(v) for k, v in tree.items()}
    if isinstance(tree, (tuple, list)):
        items = [copied(v) for v in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return tree


def strip(tree: Any, space: TangentSpace) -> Any:
    """The aux of ``has_aux`` without the tangents of this call."""
    if isinstance(tree, AnyDual):
        if tree.space.tag == space.tag:
            return tree.value
        check_outer(tree, space)
        return tree
    if is_record(tree):
        leaves, nesting = flatten(tree)
        return nesting([strip(leaf, space) for leaf in leaves])
    if isinstance(tree, dict):
        return {k: strip(v, space) for k, v in tree.items()}
    if isinstance(tree, (tuple, list)):
        items = [strip(v, space) for v in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if issubclass(type(tree), np.ndarray) and tree.dtype == object:
        return strip(output_leaf(tree, "has_aux"), space) if any(isinstance(e, AnyDual) for e in tree.flat) else tree
    return tree
