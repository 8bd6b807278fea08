"""Sparse tangents: for each element of the value, which inputs it depends on and how strongly.

The tangent of a value is a matrix in CSR form with a row for each element and a column for each input.  An entry, once
there, stays, also where its number is zero, so that the pattern does not depend on the values at hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.pattern import Pattern, scipy_sparse
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import may_have_nan, product, zero_mask


class Rows:
    """A pattern and the number in each entry; without numbers (None) where the pattern is all that is asked for.

    Never changed once it is made.
    """

    __slots__ = ("data", "pattern")

    def __init__(self, pattern: Pattern, data: Any) -> None:
        self.pattern, self.data = pattern, data

    def with_data(self, data: Any) -> Rows:
        """Other numbers in the same pattern."""
        return Rows(self.pattern, data)

    def settled(self) -> Rows:
        """These rows; see `Buffer`."""
        return self

    def row(self, i: int) -> Rows:
        """Row i."""
        pattern = self.pattern
        chosen = pattern.row(i)
        if self.data is None:
            return Rows(chosen, None)
        start = int(pattern.indptr[i])
        return Rows(chosen, self.data[start : start + chosen.size])

    def chosen(self, index: Any) -> Rows:
        """The rows with these numbers; -1 is an empty row."""
        pattern, places = self.pattern.chosen(index)
        data = self.data
        if data is None:
            return Rows(pattern, None)
        if places is None:
            return Rows(pattern, data.reshape((self.pattern.rows, pattern.width))[index].reshape(-1))
        return Rows(pattern, data[places])

    @staticmethod
    def joined(parts: Sequence[Rows]) -> Rows:
        """The rows of several, one after the other."""
        if len(parts) == 1:
            return parts[0]
        pattern = Pattern.joined([part.pattern for part in parts])
        data = [part.data for part in parts if part.pattern.size]
        if not data or data[0] is None:
            return Rows(pattern, parts[0].data)
        return Rows(pattern, data[0] if len(data) == 1 else np.concatenate(data))

    def plus(self, other: Rows) -> Rows:
        """The sum."""
        pattern, here, there = self.pattern, None, None
        if other.pattern is not pattern:
            pattern, here, there = pattern.union(other.pattern)
        if self.data is None:
            return Rows(pattern, None)
        if here is None and there is None:
            return Rows(pattern, self.data + other.data)
        return Rows(pattern, _placed(self.data, here, pattern.size) + _placed(other.data, there, pattern.size))
