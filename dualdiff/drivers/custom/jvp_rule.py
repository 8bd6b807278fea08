"""A function whose derivative along a direction is given, in every tangent space.

A rule ``jvp(primals, tangents)`` is linear in the tangents, so that it equals its own derivative with respect to them.
Called on duals whose tangents are those of the arguments, in any space (and whose values do not matter), it computes
the tangents of the result by the verbs of that space.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.base.errors import MixedPointsError, NotHolomorphicError
from dualdiff.core.application import Application
from dualdiff.core.array import DualArray, operand, wrap
from dualdiff.core.containers import Nesting, aligned, flatten
from dualdiff.core.dual import leading_space, make
from dualdiff.rules.writing.array_rules import plain_values, shape_of
from dualdiff.tangents.linear import NamedMap
from dualdiff.tangents.space import Shape, Tangent, note_conjugate
from dualdiff.tangents.spaces.single import Single
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import may_have_nan

#: A rule counts as linear if its tangent along this multiple of a direction is this multiple of the tangent.  Products
#: with a power of two are exact, so that even an ill-conditioned rule passes.
FACTOR = -2.0
#: The relative error that a rule may have if it is computed approximately.
TOLERANCE = 1e-3


def exclusive_copy(x: Any) -> Any:
    """An exclusively owned copy of an array; anything else unchanged."""
    return np.copy(x, order="K") if isinstance(x, (np.ndarray, DualArray)) else x


def captured(name: str) -> TypeError:
    """The error for a dual that is not among the arguments."""
    return TypeError(
        f"{name} or its rule uses a dual number that is not among its arguments, so that custom_derivative cannot "
        "differentiate with respect to it: pass it as an argument"
    )


class JvpRule:
    """A call of a function with a rule: the leaves of its arguments, and their values in the innermost call.

    If the rule is None, the function counts as constant.
    """

    def __init__(
        self, name: str, jvp: Callable[..., Any] | None, options: dict[str, Any], leaves: list[Any], rebuild: Nesting
    ) -> None:
        self.name, self.jvp, self.options, self._rebuild = name, jvp, options, rebuild
        self.leaves = Application(*leaves)
        self.space, self.values, self.tangents = self.leaves.space, self.leaves.values, self.leaves.tangents

    def applied(self, result: Any) -> Any:
        """The result of the function for the values, as duals."""
        self.results, nested = flatten(result)
        self._result = result
        tangents: list[Tangent | None] = [None] * len(self.results)
        if self.jvp is not None and any(t is not None for t in self.tangents):
            tangents = self._tangents_of_results()
        return nested(
            y if t is None and _dtype(y).kind not in "fc" else self.leaves.result(y, [] if t is None else [t])
            for y, t in zip(self.results, tangents, strict=True)
        )

    def _tangents_of_results(self) -> list[Tangent | None]:
        space = self.space
        tangents = None
        if type(space) is Single and (space.conjugates == "allowed" or not self._is_complex):
            tangents = self._along([None if t is None else space.read(t, v) for t, v in self._pairs()])
            if not any(t is not None and may_have_nan(t) for t in tangents):
                return tangents
        # NaN may be zero times infinity, which is zero for duals.
        returned = self._on_duals()
        if returned is None:
            return self._by_hand() if tangents is None else tangents
        return [
            None if t is None else space.cast(t, _dtype(y), shape_of(y))
            for t, y in zip(map(self.leaves.tangent_of, returned), self.results, strict=True)
        ]

    def _on_duals(self) -> list[Any] | None:
        """The rule at the stand-ins; None if they do not pass through it, or lose tangents."""
        try:
            returned = self._called(self._marked(), [self._stand_in(t, v) for t, v in self._pairs()])
            values, (scaled, slopes) = list(map(self.leaves.value_of, returned)), self._elsewhere()
        except (MixedPointsError, NotHolomorphicError):
            raise
        except Exception:
            # External code may raise anything for duals.  If the rule is wrong, it raises for plain values too.
            return None
        self._check_linear(values, scaled)
        return returned if all(map(_agree, values, slopes)) else None

    def _elsewhere(self) -> tuple[list[Any], list[Any]]:
        """The rule at `FACTOR` times the stand-ins, and its derivative there along them, which is the rule at them."""
        tag = tags.start()
        try:
            inner = Single(tag)
            returned = self._called(
                self._primals(),
                [None if p is None else wrap(FACTOR * p, exclusive_copy(p), inner) for p in self._points()],
            )
            mine = Application(*returned, make(0.0, None, inner))
            return list(mine.values[:-1]), [
                inner.read(t, v) for t, v in zip(mine.tangents, mine.values[:-1], strict=False)
            ]
        finally:
            tags.end(tag)

    def _pairs(self) -> Iterable[tuple[Tangent | None, Any]]:
        return zip(self.tangents, self.values, strict=True)

    @property
    def _is_complex(self) -> bool:
        return any(_dtype(v).kind == "c" for t, v in self._pairs() if t is not None)

    # -- the rule on plain values and on duals -------------------------------------------------------------------------

    def _primals(self) -> list[Any]:
        return [exclusive_copy(v) for v in self.values]

    def _marked(self) -> list[Any]:
        """The primals; in a space that traces structure, as duals whose zeros count as accidental."""
        space = self.space
        marks = [None if t is None else space.varying(v) for t, v in self._pairs()]
        return [
            exclusive_copy(v) if mark is None else wrap(exclusive_copy(v), mark, space)
            for mark, v in zip(marks, self.values, strict=True)
        ]

    def _point(self, t: Tangent | None, v: Any) -> Any:
        """Values of either sign, away from zero, that stand in for a tangent; None if there is none."""
        if t is None:
            return None
        k = np.arange(1, 1 + math.prod(shape_of(v)))
        point = np.where(k % 3, 1, -1) * (0.5 + 0.618033988749895 * k % 1.0)
        if _dtype(v).kind == "c":
            point = point - 0.7j * point[::-1]
        point = point.astype(_dtype(v)).reshape(shape_of(v))
        return point if isinstance(v, (np.ndarray, DualArray)) else point[()]

    def _points(self) -> list[Any]:
        return [self._point(t, v) for t, v in self._pairs()]

    def _stand_in(self, t: Tangent | None, v: Any) -> Any:
        return None if t is None else wrap(self._point(t, v), t, self.space)

    def _called(self, primals: list[Any], tangents: list[Any]) -> list[Any]:
        """The leaves of the tangent that the rule returns; a tangent None is passed as zeros."""
        filled = [_zero(v) if t is None else t for t, v in zip(tangents, self.values, strict=True)]
        assert self.jvp is not None
        with np.errstate(all="ignore"):
            returned = self.jvp(self._rebuild(primals), self._rebuild(filled), **self.options)
        leaves = aligned(
            returned, self._result, f"what the jvp of {self.name} returns (only the tangent of the result)"
        )
        return [self._checked(t, y) for t, y in zip(leaves, self.results, strict=True)]

    def _checked(self, t: Any, y: Any) -> Any:
        """A leaf of the tangent that the rule returned, checked against the result."""
        t = operand(t)
        kind = _dtype(t).kind
        if kind not in "iufc":
            raise TypeError(f"the jvp of {self.name} returned {t!r}, which is not numeric")
        if kind == "c" and _dtype(y).kind != "c":
            raise TypeError(f"the jvp of {self.name} returned a complex tangent, but {self.name} itself is real")
        if np.shape(t) != shape_of(y):
            raise ValueError(
                f"the jvp of {self.name} returned a tangent of shape {np.shape(t)} for a result of shape {shape_of(y)}"
            )
        return t

    def _along(self, tangents: list[Any]) -> list[Tangent]:
        """The tangents that the rule returns for plain tangents, in the dtypes of the results."""
        returned = self._called(self._primals(), tangents)
        inner = leading_space(returned)
        if inner is not None and inner.tag >= self.space.tag:
            raise captured(self.name)
        return [
            _plain_space.cast(exclusive_copy(t), _dtype(y), shape_of(y))
            for t, y in zip(returned, self.results, strict=True)
        ]

    def _check_linear(self, returned: list[Any], scaled: list[Any]) -> None:
        """Raise unless the rule along `FACTOR` times a direction gives that multiple of the rule along it."""
        inner = leading_space(scaled)
        if inner is not None and inner.tag >= self.space.tag:
            raise captured(self.name)
        if not all(_agree(FACTOR * np.asarray(plain_values(a)), b) for a, b in zip(returned, scaled, strict=True)):
            raise ValueError(
                f"the jvp of {self.name} is not linear in the tangents: it may multiply them only by functions of the "
                "primals, and must not add a constant"
            )

    # -- a rule that duals do not pass through -------------------------------------------------------------------------

    def _by_hand(self) -> list[Tangent | None]:
        """The rule as an opaque linear map, from the packed tangents of the arguments to those of the result."""
        # Exceptions that the rule raises for plain values reach the caller.
        at, elsewhere = (self._along([None if p is None else c * p for p in self._points()]) for c in (1.0, FACTOR))
        self._check_linear(at, elsewhere)
        return self._mapped(BlackBox)

    def _mapped(self, opaque: type[BlackBox]) -> list[Tangent | None]:
        """The tangents of the results by an opaque linear map of those of the arguments."""
        space, whole = self.space, opaque(self)
        n, m = whole.in_shape, whole.out_shape
        shapes = [shape_of(self.values[i]) for i in whole.active]
        packed = space.gather([self.tangents[i] for i in whole.active], Structure(_packed), shapes, n)
        if not self._is_complex:
            out = space.contract(packed, whole, n, m)
        else:
            if space.conjugates != "allowed" and not whole.is_holomorphic():
                note_conjugate(space, f"the jvp of {self.name}")
            out = space.contract(packed, opaque(self, "linear"), n, m)
            rest = space.contract(space.conj(packed, "conj", n), opaque(self, "antilinear"), n, m)
            out = space.add([out, rest], m)
        tangents: list[Tangent | None] = []
        start = 0
        for y in self.results:
            shape = shape_of(y)
            part = Structure(_part, {"start": start, "shape": shape})
            is_floating = _dtype(y).kind in "fc"
            tangents.append(
                space.cast(space.gather([out], part, [m], shape), _dtype(y), shape) if is_floating else None
            )
            start += math.prod(shape)
        return tangents


class BlackBox(NamedMap):
    """A rule as a map of plain tangents, called for one direction after the other; its matrix gives the transpose.

    For complex tangents t it is the sum of a linear map of t and a linear map of the conjugate (the antilinear part).
    """

    def __init__(self, rule: JvpRule, part: str = "whole") -> None:
        self.rule, self.part = rule, part
        self.active = [i for i, t in enumerate(rule.tangents) if t is not None]
        self.likes = [rule.values[i] for i in self.active]
        n = sum(math.prod(shape_of(v)) for v in self.likes)
        m = sum(math.prod(shape_of(y)) for y in rule.results)
        dtypes = [_dtype(x) for x in (*self.likes, *rule.results)]
        #: The operands that determine the dtype of the result.
        self.operands = (np.zeros((), np.result_type(*dtypes)),)
        super().__init__(rule.name, self._pushed_part, self._pulled, (n,), (m,))

    def _pushed_part(self, t: Any) -> Any:
        if self.part == "whole":
            return self._pushed(t)
        if self.part == "linear":
            return 0.5 * (self._pushed(t) - 1j * self._pushed(1j * t))
        t = np.conj(t)
        return 0.5 * (self._pushed(t) + 1j * self._pushed(1j * t))

    def _pushed(self, t: Any) -> Any:
        if t.ndim > 1:
            parts = [self._pushed(part) for part in t]
            return np.stack(parts) if parts else np.zeros((*t.shape[:-1], *self.out_shape), self.operands[0].dtype)
        tangents: list[Any] = [None] * len(self.rule.values)
        for i, v, part in self.divided(t):
            part = np.reshape(part, shape_of(v))
            tangents[i] = part if isinstance(v, (np.ndarray, DualArray)) else part[()]
        return _packed(*self.rule._along(tangents))

    def divided(self, t: Any) -> Iterator[tuple[int, Any, Any]]:
        """The arguments with their positions and their parts of packed tangents, which are on the last axis."""
        start = 0
        for i, v in zip(self.active, self.likes, strict=True):
            stop = start + math.prod(shape_of(v))
            part = t[..., start:stop]
            part = part if _dtype(v).kind == "c" or _dtype(part).kind != "c" else np.real(part)
            yield i, v, part.astype(_dtype(v))
            start = stop

    def _pulled(self, w: Any) -> Any:
        pulled = np.matmul(w, self._matrix)
        return np.real(pulled) if self.part == "whole" else pulled

    @cached_property
    def _matrix(self) -> Any:
        return np.swapaxes(self._pushed_part(np.eye(*self.in_shape * 2)), -1, -2)

    def is_holomorphic(self) -> bool:
        """Whether the rule maps i times a direction to i times the tangent."""
        direction = _packed(*(p for p in self.rule._points() if p is not None))
        a, b = (plain_values(self._pushed(c * direction)) for c in (1.0, 1j))
        return bool(np.allclose(1j * a, b, TOLERANCE, 0.0, equal_nan=True))


def _agree(a: Any, b: Any) -> bool:
    """Whether two results are equal up to `TOLERANCE` where they are finite."""
    a, b = plain_values(a), plain_values(b)
    with np.errstate(all="ignore"):
        size = np.abs(a) + np.abs(b)
        wrong = np.abs(np.asarray(a) - b) > TOLERANCE * (size + TOLERANCE * np.max(size, initial=0.0))
    return not np.any(wrong & np.isfinite(size))


def _dtype(x: Any) -> Any:
    dtype = getattr(x, "dtype", None)
    return np.asarray(x).dtype if dtype is None else dtype


def _zero(v: Any) -> Any:
    """The zero tangent of an argument that carries none; None if the argument is not numeric."""
    dtype = _dtype(v)
    if dtype.kind not in "biufc":
        return None
    return np.zeros(np.shape(v), dtype if dtype.kind in "fc" else float)[()]


def _packed(*arrays: Any) -> Any:
    return np.concatenate([np.ravel(a) for a in arrays])


def _part(a: Any, start: int, shape: Shape) -> Any:
    return np.reshape(a[start : start + math.prod(shape)], shape)


#: The space whose verbs act on plain tangents.
_plain_space = Single(0)
