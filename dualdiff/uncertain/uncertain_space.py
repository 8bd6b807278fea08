"""The tangent space of random variables: one for the whole process, which outlives every call.

The tangent of a value says how it depends on the variables, so that correlations are kept through every function.  For
arrays it is a sparse matrix, for float scalars a linear combination that is expanded when it is read.  To a running
differentiation uncertain values are constants: its duals have values and tangents with uncertainties.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.tangents.pattern import Memory, Pattern
from dualdiff.tangents.space import Shape, Tangent
from dualdiff.tangents.spaces.sparse import Rows, Sparse
from dualdiff.tangents.structure import Structure
from dualdiff.uncertain.combinations import ZERO, Combination, of_total, row_of
from dualdiff.uncertain.spread_rows import Spread
from dualdiff.uncertain.variables import NOTHING

_FLOAT64 = np.dtype(np.float64)
#: The flat indices of arrays up to this size are kept.
_SMALL = 1 << 12


class _Forgetful(Memory):
    """Keeps no pattern alive: a pattern lives as long as a value that uses it."""

    def same(self, pattern: Pattern) -> Pattern:
        return pattern


class Uncertain(Sparse):
    """Tangents along all random variables at once, as sparse rows; of float scalars, as linear combinations."""

    __slots__ = ()

    follows = False
    zero = ZERO

    def __init__(self) -> None:
        super().__init__(tags.UNCERTAIN, 0, memory=_Forgetful())
        self.may_be_constant = True

    def __reduce__(self) -> Any:
        return _the_space, ()

    @property
    def kept(self) -> dict[int, Any]:
        """A new cache at every use: those of a call end with it, and there is none."""
        return {}

    def _flat_indices(self, shape: Shape) -> Any:
        size = math.prod(shape)
        return super()._flat_indices(shape) if size <= _SMALL else np.arange(size).reshape(shape)

    def empty(self, rows: int, dtype: Any) -> Spread:
        return Spread(Pattern.empty(rows, 0), np.zeros(0, dtype), NOTHING)

    def varying(self, value: Any) -> Any:
        return None

    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Rows:
        if structure.name == "stack" and not any(shapes):
            # An array of scalars with few variables each: no matrix for each of them.
            totals: list[Any] = [t.total() if isinstance(t, Combination) else t for t in sources]
            if not any(isinstance(t, Rows) for t in totals):
                return row_of(totals)
        return super().gather(sources, structure, shapes, out_shape)

    def floats(self, t: Tangent | None) -> Any:
        if t is None:
            return ZERO
        if isinstance(t, Combination):
            return t
        rows: Spread = t.settled()
        data = rows.data
        return of_total(rows) if type(data) is np.ndarray and data.dtype is _FLOAT64 else None

    def element(self, t: Tangent, index: Any, shape: Shape) -> Rows:
        if type(index) is int and len(shape) == 1:
            return t.row(index % shape[0])  # type: ignore[no-any-return]
        return super().element(t, index, shape)

    def travelling(self, t: Tangent | None) -> Tangent | None:
        return t if t is None or isinstance(t, Combination) else t.settled()


SPACE = Uncertain()


def _the_space() -> Uncertain:
    return SPACE
