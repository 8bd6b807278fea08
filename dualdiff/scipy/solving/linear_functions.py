"""Functions of SciPy that are linear in an argument, or in each of two: SciPy's own function is applied to tangents.

A rule adds the transpose, which is a function of SciPy again.  All are functions for duals: where a constant or an
element of a tangent is a dual of an outer call, they are differentiated themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.base.quiet import quietly
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.terms import is_complex_valued
from dualdiff.tangents.linear import LinearMap, NamedMap
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.zeros import may_have_nan, zero_mask

Function = Callable[..., Any]
_COMPLEX = np.zeros((), np.complex64)


class Applied(NamedMap):
    """The map ``t -> function(t, *constants)``, and its transpose ``w -> transposed(w, *constants)``.

    ``axes``, counted from the end, are those that it mixes; by default all.  With ``by_rows`` the functions take no
    leading axes, and are applied to one argument after the other.  ``coordinates`` computes the `entries` from the
    constants, where there are few.
    """

    def __init__(
        self,
        function: Function,
        transposed: Function,
        in_shape: Shape,
        out_shape: Shape,
        constants: Sequence[Any] = (),
        axes: tuple[int, ...] | None = None,
        by_rows: bool = True,
        becomes_complex: bool = False,
        coordinates: Function | None = None,
    ) -> None:
        self._made, self._coordinates = (function, transposed), coordinates
        self._options: dict[str, Any] = {"axes": axes, "by_rows": by_rows, "becomes_complex": becomes_complex}
        self._constants = constants
        self.operands = (*constants, *((_COMPLEX,) if becomes_complex else ()))

        def apply(t: Any) -> Any:
            return function(t, *constants)

        def apply_transposed(w: Any) -> Any:
            return transposed(w, *constants)

        pair = apply, apply_transposed
        if by_rows:
            pair = _by_rows(apply, in_shape, out_shape), _by_rows(apply_transposed, out_shape, in_shape)
        super().__init__("a linear function of SciPy", *pair, in_shape, out_shape, axes)

    @quietly
    def __call__(self, t: Any) -> Any:
        image = super().__call__(t)
        if may_have_nan(image):
            # A zero tangent stays zero, also where the function overflows.
            mask = zero_mask(t)
            lead = mask.shape[: mask.ndim - len(self.in_shape)]
            if self._axes is None:
                idle = np.all(mask.reshape((*lead, -1)), -1).reshape(lead + (1,) * len(self.out_shape))
            else:
                idle = np.all(mask, axis=self._axes, keepdims=True)
            image = np.where(idle, 0.0, image) if np.any(idle) else image
        return image

    @property
    def transpose(self) -> LinearMap:
        function, transposed = self._made
        return Applied(transposed, function, self.out_shape, self.in_shape, self._constants, **self._options)

    def lasting(self, copied: Callable[[Any], Any]) -> LinearMap:
        constants = [*map(copied, self._constants)]
        options = {**self._options, "coordinates": self._coordinates}
        return Applied(*self._made, self.in_shape, self.out_shape, constants, **options)

    def entries(self) -> tuple[Any, Any, Any]:
        return super().entries() if self._coordinates is None else self._coordinates(*self._constants)


def shifted(kernel: Any, in_shape: Shape, out_shape: Shape, sign: int, shifts: Sequence[int]) -> tuple[Any, Any, Any]:
    """The entries of a map that adds ``kernel[tap] * t[place]`` to the result at ``place + sign * tap + shift``."""
    places = np.indices(in_shape).reshape((len(in_shape), -1, 1))
    taps = np.indices(kernel.shape).reshape((len(in_shape), 1, -1))
    targets = places + sign * taps + np.reshape(np.asarray(shifts, dtype=int), (-1, 1, 1))
    ends = np.reshape(np.asarray(out_shape, dtype=int), (-1, 1, 1))
    column, tap = np.nonzero(np.all((targets >= 0) & (targets < ends), axis=0))
    rows = np.ravel_multi_index(tuple(targets[:, column, tap]), out_shape)
    return rows, column, np.ravel(kernel)[tap]


def _by_rows(f: Function, in_shape: Shape, out_shape: Shape) -> Function:
    def function(t: Any) -> Any:
        if t.ndim == len(in_shape):
            return f(t)
        lead = t.shape[: t.ndim - len(in_shape)]
        rows = t.reshape((-1, *in_shape))
        if not len(rows):
            return np.zeros((*lead, *out_shape), plain_values(t).dtype)
        return np.stack([f(row) for row in rows]).reshape((*lead, *out_shape))

    return function


def linear(
    function: Function,
    x: Any,
    transposed: Function,
    axes: tuple[int, ...] | None = None,
    constants: Sequence[Any] = (),
    by_rows: bool = False,
    value: Function | None = None,
) -> Any:
    """``function(x, *constants)``, which is linear in x; ``transposed`` and the rest are those of `Applied`.

    ``value`` is a function of x that computes the value, if that is another function: one with a constant term.
    """
    operands = Application(operand(x), linear=True)
    (x,), (t,) = operands.values, operands.tangents
    result = function(x, *constants) if value is None else value(x)
    if t is None:
        return operands.result(result)
    shapes = shape_of(x), shape_of(result)
    becomes = is_complex_valued(result) and not is_complex_valued(x)
    applied = Applied(function, transposed, *shapes, constants, axes, by_rows, becomes_complex=becomes)
    return operands.result(result, [operands.space.contract(t, applied, *shapes)])


class Bilinear:
    """``function(a, b)``, linear in each of its factors (`tangents.space.Multilinear`).

    ``transposes`` are the pullbacks of w to a, a function of w and b, and to b, of w and a; ``coordinates`` compute the
    `Applied.entries` for a, from b, and for b, from a.
    """

    def __init__(
        self,
        function: Function,
        factors: Sequence[Any],
        transposes: Sequence[Function],
        coordinates: Sequence[Function | None] = (None, None),
    ) -> None:
        self.function, self.factors, self.transposes, self.coordinates = function, factors, transposes, coordinates
        self.value: Any = None

    def term(self, space: TangentSpace, t: Tangent, i: int) -> Tangent:
        """The function with factor i replaced by its tangent."""
        other = self.factors[1 - i]
        shape, out_shape = shape_of(self.factors[i]), shape_of(self.value)
        function = self.function if i == 0 else lambda t, a: self.function(a, t)
        applied = Applied(function, self.transposes[i], shape, out_shape, [other], coordinates=self.coordinates[i])
        return space.contract(t, applied, shape, out_shape)

    def crossed(self, i: int, a: Any, j: int, b: Any) -> Any:
        """The sum of the functions of the rows of a and b, in the places of factors i < j."""
        return sum(map(self.function, a, b))

    def of(self, operands: Application, value: Any = None) -> Any:
        """The function of the operands; ``value`` is that of their values, if it is known."""
        self.value = value = self.function(*operands.values) if value is None else value
        space, active = operands.space, list(operands.active())
        if space is not None and space.order and len(active) > 1:
            return operands.result(value, [space.multiplied(self, operands.tangents, value)])
        return operands.result(value, [self.term(space, operands.tangents[i], i) for i in active])


def bilinear(function: Function, a: Any, b: Any, *transposes: Function) -> Any:
    """``function(a, b)``, linear in each; ``transposes`` are those of `Bilinear`."""
    operands = Application(operand(a), operand(b), linear=True)
    return Bilinear(function, operands.values, transposes).of(operands)
