"""Linear maps of tangents: contractions with constant operands, and named maps (solve, cumsum, ...).

A map acts on the trailing axes of its argument; leading axes index independent arguments.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np

from dualdiff.base.quiet import quietly
from dualdiff.tangents.zeros import may_have_nan, plain, zero_mask

Shape = tuple[int, ...]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class LinearMap(ABC):
    """A linear map from arrays of ``in_shape`` to arrays of ``out_shape``, with a name for messages."""

    name: str
    in_shape: Shape
    out_shape: Shape

    @abstractmethod
    def __call__(self, t: Any) -> Any:
        """Apply to an array of shape ``(..., *in_shape)``; the result is ``(..., *out_shape)``."""

    def matrix(self) -> Any:
        """The images of the unit vectors, along the first axis, if they are known without evaluation; else None."""
        return None

    @property
    @abstractmethod
    def transpose(self) -> LinearMap:
        """The transposed map (not conjugated)."""

    def pulled(self, w: Any, idle: Any) -> Any:
        """The pullback of w with zero times infinity as in forward mode; w is zero where ``idle`` is set."""
        return self.transpose(w)

    def reach(self, marks: Any) -> Any:
        """Marks (nonzero) of the elements that affect a marked element of the result; by default all, if any is."""
        return np.full(self.in_shape, 1.0 if np.any(marks) else 0.0)

    def of_arguments(self, numbers: Any, reduce: Callable[..., Any]) -> Any:
        """For each result, ``reduce`` (with a parameter axis) of the numbers of all arguments that it may depend on."""
        return np.full(self.out_shape, reduce(numbers, axis=None))

    @abstractmethod
    def entries(self) -> tuple[Any, Any, Any]:
        """The matrix of the map in coordinate form: rows, columns and values of its entries.

        Rows and columns are flat indices (in C order) of results and arguments.  Entries that are left out are zero for
        all values of the differentiated variable.
        """

    def lasting(self, copied: Callable[[Any], Any]) -> LinearMap:
        """The same map, with copies of operands that may be overwritten later; ``copied`` copies an array if needed."""
        return self


class NamedMap(LinearMap):
    """A linear map given by two functions: the map and its transpose.

    ``axes`` (counted from the end) are the axes that it mixes; it acts on each index of the others independently.  By
    default it mixes all axes.  ``pattern()`` is a boolean matrix: which results along the mixed axes (flattened) depend
    on which arguments; by default, all on all.
    """

    def __init__(
        self,
        name: str,
        apply: Callable[[Any], Any],
        apply_transposed: Callable[[Any], Any],
        in_shape: Shape,
        out_shape: Shape,
        axes: tuple[int, ...] | None = None,
        pattern: Callable[[], Any] | None = None,
    ) -> None:
        self.name, self.in_shape, self.out_shape = name, in_shape, out_shape
        self._apply, self._apply_transposed = apply, apply_transposed
        self._axes, self._pattern = axes, pattern

    def __call__(self, t: Any) -> Any:
        return self._apply(t)

    @property
    def transpose(self) -> LinearMap:
        return NamedMap(
            self.name + ".T",
            self._apply_transposed,
            self._apply,
            self.out_shape,
            self.in_shape,
            self._axes,
            None if self._pattern is None else lambda: np.transpose(self._pattern()),  # type: ignore[misc]
        )

    def entries(self) -> tuple[Any, Any, Any]:
        columns, rows = (self._mixed_last(_flat_indices(shape), shape) for shape in (self.in_shape, self.out_shape))
        # One direction for each index along the mixed axes, compressed over all indices along the others.
        others, count = columns.shape
        directions = np.zeros((count, others * count))
        directions[np.arange(count)[:, None], columns.T] = 1.0
        images = self(directions.reshape((count, *self.in_shape))).reshape((count, rows.size))
        values = images[np.arange(count), rows[:, :, None]]
        chosen = ... if self._pattern is None else (slice(None), self._pattern())
        rows, columns = np.broadcast_arrays(rows[:, :, None], columns[:, None, :])
        return tuple(np.ravel(a[chosen]) for a in (rows, columns, values))  # type: ignore[return-value]

    def reach(self, marks: Any) -> Any:
        columns, rows = (self._mixed_last(_flat_indices(shape), shape) for shape in (self.in_shape, self.out_shape))
        marked = np.ravel(marks)[rows]
        pattern = np.ones((rows.shape[1], columns.shape[1])) if self._pattern is None else self._pattern() * 1.0
        reached = np.empty(math.prod(self.in_shape))
        reached[columns] = marked @ pattern
        return reached.reshape(self.in_shape)

    def of_arguments(self, numbers: Any, reduce: Callable[..., Any]) -> Any:
        result = np.empty(math.prod(self.out_shape), numbers.dtype)
        rows = self._mixed_last(_flat_indices(self.out_shape), self.out_shape)
        result[rows] = reduce(self._mixed_last(numbers, self.in_shape), axis=1)[:, None]
        return result.reshape(self.out_shape)

    def _mixed_last(self, a: Any, shape: Shape) -> Any:
        """``a`` as a matrix: the mixed axes, flattened, are its last axis, and the others its first."""
        ndim = len(shape)
        mixed = range(ndim) if self._axes is None else sorted(axis % ndim for axis in self._axes)
        others = [i for i in range(ndim) if i not in mixed]
        counts = (math.prod(shape[i] for i in axes) for axes in (others, mixed))
        return a.transpose([*others, *mixed]).reshape(tuple(counts))


class Contraction(LinearMap):
    """Einstein summation of constant operands and of the argument of the map, which is the operand at ``position``.

    Subscripts have no ellipsis, and equal letters have equal lengths.  ``varying`` says which of the operands depend on
    the differentiated variable, so that their zeros are accidental; by default all of them.
    """

    name = "einsum"

    def __init__(
        self,
        inputs: list[str],
        output: str,
        operands: list[Any],
        position: int,
        in_shape: Shape,
        out_shape: Shape,
        varying: Sequence[bool] | None = None,
        is_transposed: bool = False,
    ) -> None:
        self.inputs, self.output, self.operands, self.position = inputs, output, operands, position
        self.in_shape, self.out_shape, self.varying = in_shape, out_shape, varying
        # In reverse mode zero times infinity is NaN, until `pulled` corrects it.
        self.is_transposed = is_transposed

    @quietly
    def __call__(self, t: Any) -> Any:
        total = self._contracted(t, self.operands)
        if self.is_transposed or not may_have_nan(total):
            return total
        # Where all infinities are multiplied by zero, the result is the contraction of the finite elements.  NaN stays
        # NaN: it may stand for a derivative that does not exist.
        marks = [1.0 - zero_mask(t) if i == self.position else self._marks(i) for i in range(len(self.inputs))]
        count = self._infinite(np.isinf(t), marks)
        return np.where(count == 0, self._contracted(_finite(t), [*map(_finite, self.operands)]), total)

    def pulled(self, w: Any, idle: Any) -> Any:
        transposed = self.transpose
        total = transposed(w)
        if not may_have_nan(total) or not isinstance(transposed, Contraction):
            return total
        infinite = ~np.isfinite(plain(w))
        marks = [
            np.where(idle, 0.0, 1.0) if i == self.position else self._marks(i) * (1.0 - (plain(o) == 0))
            for i, o in enumerate(self.operands)
        ]
        count = transposed._infinite(infinite, marks)
        finite = transposed._contracted(np.where(infinite, 0.0, w), [*map(_finite, self.operands)])
        total = np.where(count == 0, finite, total)
        # In forward mode an operand that is accidentally zero multiplies the tangent before an infinity does.
        return total if type(total) is np.ndarray else total.with_unknown_tangent(count == 0)

    def reach(self, marks: Any) -> Any:
        operands = [None if i == self.position else self._marks(i) for i in range(len(self.inputs))]
        constants = Contraction(self.inputs, self.output, operands, self.position, self.in_shape, self.out_shape)
        return constants.transpose(marks)

    def of_arguments(self, numbers: Any, reduce: Callable[..., Any]) -> Any:
        inner = self.inputs[self.position]
        letters = "".join(dict.fromkeys(inner))
        numbers = np.einsum(f"{inner}->{letters}", numbers)
        kept = [c for c in letters if c in self.output]
        numbers = reduce(numbers, axis=tuple(i for i, c in enumerate(letters) if c not in kept))
        numbers = numbers.transpose([kept.index(c) for c in self.output if c in kept])
        shape = tuple(n if c in kept else 1 for c, n in zip(self.output, self.out_shape, strict=True))
        return np.broadcast_to(numbers.reshape(shape), self.out_shape)

    def _marks(self, i: int) -> Any:
        """Where an operand is nonzero; everywhere if its zeros depend on the differentiated variable."""
        operand = self.operands[i]
        if self.varying is None or self.varying[i]:
            return np.ones(np.shape(operand))
        return 1.0 - zero_mask(operand)

    def _contracted(self, t: Any, others: Sequence[Any]) -> Any:
        subscripts, output, is_pair = _with_lead(
            tuple(self.inputs), self.output, self.position, t.ndim - len(self.in_shape)
        )
        operands = [*others]
        operands[self.position] = t
        if is_pair:
            return contract_pair(subscripts[0], operands[0], subscripts[1], operands[1], output)
        return np.einsum(",".join(subscripts) + "->" + output, *operands, optimize=len(operands) > 2)

    def _infinite(self, infinite: Any, marks: Sequence[Any]) -> Any:
        """The number of terms with an infinite factor and no zero factor."""
        count: Any = 0.0
        for i, operand in enumerate(self.operands):
            is_infinite = 1.0 * (infinite if i == self.position else np.isinf(plain(operand)))
            factors = [is_infinite if j == i else mark for j, mark in enumerate(marks)]
            count = count + self._contracted(factors[self.position], factors)
        return count

    def matrix(self) -> Any:
        letter, other = self.inputs[self.position], self.inputs[1 - self.position] if len(self.inputs) == 2 else ""
        if len(letter) != 1 or sorted(letter + self.output) != sorted(set(other)) or len(set(other)) < len(other):
            return None
        # A copy: the operand is not owned by this map.
        return np.copy(self.operands[1 - self.position].transpose([other.index(c) for c in letter + self.output]), "C")

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
            inputs,
            self.inputs[self.position],
            self.operands,
            self.position,
            self.out_shape,
            self.in_shape,
            self.varying,
            True,
        )

    def lasting(self, copied: Callable[[Any], Any]) -> LinearMap:
        # A varying operand is the value of a dual of the same call, which is copied before it is written.
        operands = [
            o if i == self.position or (self.varying and self.varying[i]) else copied(o)
            for i, o in enumerate(self.operands)
        ]
        return Contraction(
            self.inputs, self.output, operands, self.position, self.in_shape, self.out_shape, self.varying
        )

    def entries(self) -> tuple[Any, Any, Any]:
        inner = self.inputs[self.position]
        loops = "".join(dict.fromkeys(inner + self.output))
        lengths = dict(zip(inner + self.output, self.in_shape + self.out_shape, strict=True))
        others = [i for i in range(len(self.inputs)) if i != self.position]
        operands = [self.operands[i] for i in others]
        known = "".join(c for c in loops if any(c in self.inputs[i] for i in others))
        subscripts = ",".join(self.inputs[i] for i in others) + "->" + known
        shape = tuple(lengths[c] for c in loops)
        values: Any = 1.0
        if others:
            values = np.einsum(subscripts, *operands, optimize=len(others) > 1)
            values = values.reshape(tuple(lengths[c] if c in known else 1 for c in loops))
        values = np.ravel(np.broadcast_to(values, shape))
        rows, columns = (
            np.ravel(np.broadcast_to(_places(letters, loops, lengths), shape)) for letters in (self.output, inner)
        )
        if others and self.varying is not None and not all(self.varying[i] for i in others):
            marks = [
                np.ones(np.shape(a)) if self.varying[i] else 1.0 - zero_mask(a)
                for i, a in zip(others, operands, strict=True)
            ]
            counts = np.einsum(subscripts, *marks, optimize=len(others) > 1)
            counts = counts.reshape(tuple(lengths[c] if c in known else 1 for c in loops))
            kept = np.flatnonzero(np.broadcast_to(counts, shape))
            rows, columns, values = rows[kept], columns[kept], values[kept]
        return rows, columns, values

    def _transposed_by_index(self, w: Any) -> Any:
        # Repeated letters extract a diagonal and lone letters sum: transposed, they fill a diagonal and broadcast.
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


def _finite(a: Any) -> Any:
    """The array with its infinities replaced by zeros."""
    return None if a is None else np.where(np.isinf(a), 0.0, a)


def _flat_indices(shape: Shape) -> Any:
    return np.arange(math.prod(shape)).reshape(shape)


def _places(letters: str, loops: str, lengths: dict[str, int]) -> Any:
    """The flat index of the element of an array with axes ``letters`` at each iteration of the loops."""
    places: Any = 0
    stride = 1
    for letter in reversed(letters):
        shape = [lengths[letter] if c == letter else 1 for c in loops]
        places = places + stride * np.arange(lengths[letter]).reshape(shape)
        stride *= lengths[letter]
    return places


def contract_pair(sa: str, a: Any, sb: str, b: Any, out: str) -> Any:
    """``einsum(f"{sa},{sb}->{out}", a, b)`` by matmul, so that it runs in BLAS."""
    lone_a, lone_b, order_a, order_b, sizes, letters, swapped, order = _pair_plan(sa, sb, out)
    a = np.sum(a, axis=lone_a) if lone_a else a
    b = np.sum(b, axis=lone_b) if lone_b else b
    a, b = a.transpose(order_a), b.transpose(order_b)
    batch, left, inner = sizes
    batch_shape, left_shape = a.shape[:batch], a.shape[batch : batch + left]
    k = math.prod(a.shape[batch + left :])
    right_shape = b.shape[batch + inner :]
    a = a.reshape((*batch_shape, math.prod(left_shape), k))
    b = b.reshape((*batch_shape, k, math.prod(right_shape)))
    if swapped:
        a, b = b.swapaxes(-1, -2), a.swapaxes(-1, -2)
        left_shape, right_shape = right_shape, left_shape
    product = np.matmul(a, b).reshape(batch_shape + left_shape + right_shape)
    return product if letters == out else product.transpose(order)


@lru_cache(maxsize=1024)
def _with_lead(inputs: tuple[str, ...], output: str, position: int, n: int) -> tuple[list[str], str, bool]:
    """The subscripts with n leading axes added to the operand at ``position`` and to the result."""
    used = set("".join(inputs))
    lead = "".join(islice((c for c in _LETTERS if c not in used), n))
    subscripts = [lead + s if i == position else s for i, s in enumerate(inputs)]
    is_pair = len(subscripts) == 2 and all(len(set(s)) == len(s) for s in subscripts)
    return subscripts, lead + output, is_pair


@lru_cache(maxsize=1024)
def _pair_plan(sa: str, sb: str, out: str) -> tuple[Any, ...]:
    """The plan of `contract_pair` for these subscripts: sums, orders of axes, and whether the factors are swapped."""
    lone_a = tuple(i for i, c in enumerate(sa) if c not in sb + out)
    sa = "".join(c for c in sa if c in sb + out)
    lone_b = tuple(i for i, c in enumerate(sb) if c not in sa + out)
    sb = "".join(c for c in sb if c in sa + out)
    batch = [c for c in out if c in sa and c in sb]
    inner = [c for c in sa if c in sb and c not in out]
    left = [c for c in out if c in sa and c not in sb]
    right = [c for c in out if c in sb and c not in sa]
    # The factor whose axes come first in the result is the left one, so that the result needs no transposition.
    swapped = "".join(batch + right + left) == out
    letters = "".join(batch + right + left) if swapped else "".join(batch + left + right)
    order_a = [sa.index(c) for c in (*batch, *left, *inner)]
    order_b = [sb.index(c) for c in (*batch, *inner, *right)]
    sizes = len(batch), len(left), len(inner)
    return lone_a, lone_b, order_a, order_b, sizes, letters, swapped, [letters.index(c) for c in out]
