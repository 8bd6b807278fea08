"""The tangents of a function whose derivative along a direction is given, in every tangent space.

A rule ``jvp(primals, tangents)`` is linear in the tangents, and so is its own derivative in them.  Run on duals whose
tangents are those of the arguments, in whichever space these are (and whose values do not matter), it makes the
tangents of the result out of the verbs of that space.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.base.errors import MixedPointsError, NotHolomorphicError
from dualdiff.core.application import Application
from dualdiff.core.array import DualArray, operand, wrap
from dualdiff.core.containers import Rebuild, aligned, flatten
from dualdiff.core.dual import leading_space, make
from dualdiff.rules.writing.array_rules import plain_values, shape_of
from dualdiff.tangents.linear import NamedMap
from dualdiff.tangents.space import Shape, Tangent, note_conjugate
from dualdiff.tangents.spaces.single import Single
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import may_have_nan

#: A rule is held to be linear where its tangent along this multiple of a direction is this multiple.  A power of two,
#: by which floating-point numbers are multiplied exactly, so that not even an ill-conditioned rule looks otherwise.
FACTOR = -2.0
#: What is allowed for a rule that is computed approximately.
TOLERANCE = 1e-3


def own(x: Any) -> Any:
    """An array that is nobody else's; anything else as it is."""
    return np.copy(x, order="K") if isinstance(x, (np.ndarray, DualArray)) else x


def captured(name: str) -> TypeError:
    """The error for a dual that came in behind the arguments."""
    return TypeError(
        f"{name} or its rule uses a dual number that is not among its arguments, so that custom_derivative knows no "
        "derivative in it: hand it over as an argument"
    )


class JvpRule:
    """A call of a function with a rule: the leaves of its arguments, and their values in the innermost call.

    Without a rule (None) the function counts as constant.
    """

    def __init__(
        self, name: str, jvp: Callable[..., Any] | None, options: dict[str, Any], leaves: list[Any], rebuild: Rebuild
    ) -> None:
        self.name, self.jvp, self.options, self._rebuild = name, jvp, options, rebuild
        self.leaves = Application(*leaves)
        self.space, self.values, self.raws = self.leaves.space, self.leaves.values, self.leaves.tangents

    def applied(self, result: Any) -> Any:
        """The duals of what the function gave for the values."""
        self.results, nested = flatten(result)
        self._result = result
        raws: list[Tangent | None] = [None] * len(self.results)
        if self.jvp is not None and any(raw is not None for raw in self.raws):
            raws = self._tangents()
        return nested(
            y if raw is None and _dtype(y).kind not in "fc" else self.leaves.result(y, [] if raw is None else [raw])
            for y, raw in zip(self.results, raws, strict=True)
        )

    def _tangents(self) -> list[Tangent | None]:
        space = self.space
        raws = None
        if type(space) is Single and (space.conjugates == "allowed" or not self._is_complex):
            raws = self._along([None if t is None else space.read(t, v) for t, v in self._pairs()])
            if not any(raw is not None and may_have_nan(raw) for raw in raws):
                return raws
        # Once more, if it was NaN: in duals zero times infinity is zero.
        found = self._on_duals()
        if found is None:
            return self._by_hand() if raws is None else raws
        return [
            None if t is None else space.cast(t, _dtype(y), shape_of(y))
            for t, y in zip(map(self.leaves.tangent_of, found), self.results, strict=True)
        ]

    def _on_duals(self) -> list[Any] | None:
        """What the rule gives for the stand-ins; None where they do not pass through it with all of their tangents."""
        try:
            found = self._called(self._marked(), [self._stand_in(t, v) for t, v in self._pairs()])
            values, (scaled, slopes) = list(map(self.leaves.value_of, found)), self._elsewhere()
        except (MixedPointsError, NotHolomorphicError):
            raise
        except Exception:
            # External code may raise anything of its own.  If the rule is wrong, plain numbers will tell.
            return None
        self._check_linear(values, scaled)
        return found if all(map(_agree, values, slopes)) else None

    def _elsewhere(self) -> tuple[list[Any], list[Any]]:
        """The rule at `FACTOR` times the stand-ins, and its derivative there along them: what it gives at them."""
        tag = tags.start()
        try:
            inner = Single(tag)
            found = self._called(
                self._primals(), [None if p is None else wrap(FACTOR * p, own(p), inner) for p in self._points()]
            )
            mine = Application(*found, make(0.0, None, inner))
            return list(mine.values[:-1]), [
                inner.read(t, v) for t, v in zip(mine.tangents, mine.values[:-1], strict=False)
            ]
        finally:
            tags.end(tag)

    def _pairs(self) -> Iterable[tuple[Tangent | None, Any]]:
        return zip(self.raws, self.values, strict=True)

    @property
    def _is_complex(self) -> bool:
        return any(_dtype(v).kind == "c" for t, v in self._pairs() if t is not None)

    # -- the rule on numbers and on duals ------------------------------------------------------------------------------

    def _primals(self) -> list[Any]:
        return [own(v) for v in self.values]

    def _marked(self) -> list[Any]:
        """The primals; where structure is asked for, as duals whose zeros count as chance."""
        space = self.space
        marks = [None if t is None else space.varying(v) for t, v in self._pairs()]
        return [
            own(v) if mark is None else wrap(own(v), mark, space) for mark, v in zip(marks, self.values, strict=True)
        ]

    def _point(self, t: Tangent | None, v: Any) -> Any:
        """Numbers of either sign, away from zero, in the place of a tangent; None where there is none."""
        if t is None:
            return None
        k = np.arange(1, 1 + math.prod(shape_of(v)))
        numbers = np.where(k % 3, 1, -1) * (0.5 + 0.618033988749895 * k % 1.0)
        if _dtype(v).kind == "c":
            numbers = numbers - 0.7j * numbers[::-1]
        numbers = numbers.astype(_dtype(v)).reshape(shape_of(v))
        return numbers if isinstance(v, (np.ndarray, DualArray)) else numbers[()]

    def _points(self) -> list[Any]:
        return [self._point(t, v) for t, v in self._pairs()]

    def _stand_in(self, t: Tangent | None, v: Any) -> Any:
        return None if t is None else wrap(self._point(t, v), t, self.space)

    def _called(self, primals: list[Any], tangents: list[Any]) -> list[Any]:
        """The leaves of the tangent of the result; the arguments without a tangent (None) get zeros."""
        filled = [_zero(v) if t is None else t for t, v in zip(tangents, self.values, strict=True)]
        assert self.jvp is not None
        with np.errstate(all="ignore"):
            found = self.jvp(self._rebuild(primals), self._rebuild(filled), **self.options)
        leaves = aligned(found, self._result, f"what the jvp of {self.name} returns (the tangent of the result, alone)")
        return [self._checked(t, y) for t, y in zip(leaves, self.results, strict=True)]

    def _checked(self, t: Any, y: Any) -> Any:
        """A leaf of what the rule returned, which has to fit the result."""
        t = operand(t)
        kind = _dtype(t).kind
        if kind not in "iufc":
            raise TypeError(f"the jvp of {self.name} returned {t!r}, where numbers are needed")
        if kind == "c" and _dtype(y).kind != "c":
            raise TypeError(f"the jvp of {self.name} returned a complex tangent, and {self.name} itself is real")
        if np.shape(t) != shape_of(y):
            raise ValueError(
                f"the jvp of {self.name} returned a tangent of the shape {np.shape(t)} for a result of the shape "
                f"{shape_of(y)}"
            )
        return t

    def _along(self, tangents: list[Any]) -> list[Tangent]:
        """The rule along plain tangents, each in the dtype of its result."""
        found = self._called(self._primals(), tangents)
        inner = leading_space(found)
        if inner is not None and inner.tag >= self.space.tag:
            raise captured(self.name)
        return [_numbers.cast(own(t), _dtype(y), shape_of(y)) for t, y in zip(found, self.results, strict=True)]

    def _check_linear(self, found: list[Any], scaled: list[Any]) -> None:
        """Whether the second of two results of the rule, along a direction and `FACTOR` times it, is that multiple."""
        inner = leading_space(scaled)
        if inner is not None and inner.tag >= self.space.tag:
            raise captured(self.name)
        if not all(_agree(FACTOR * np.asarray(plain_values(a)), b) for a, b in zip(found, scaled, strict=True)):
            raise ValueError(
                f"the jvp of {self.name} is not linear in the tangents: what it multiplies them with may depend on the "
                "primals alone, and nothing may be added"
            )

    # -- a rule that duals do not pass through -------------------------------------------------------------------------

    def _by_hand(self) -> list[Tangent]:
        """The rule as a linear map of which nothing is known, from all tangents in a row to all of the result's."""
        # On plain numbers, where all that the rule raises is its own affair.
        at, elsewhere = (self._along([None if p is None else c * p for p in self._points()]) for c in (1.0, FACTOR))
        self._check_linear(at, elsewhere)
        space, whole = self.space, BlackBox(self)
        n, m = whole.in_shape, whole.out_shape
        shapes = [shape_of(self.values[i]) for i in whole.active]
        packed = space.gather([self.raws[i] for i in whole.active], Structure(_packed), shapes, n)
        if not self._is_complex:
            out = space.contract(packed, whole, n, m)
        else:
            if space.conjugates != "allowed" and not whole.is_holomorphic():
                note_conjugate(space, f"the jvp of {self.name}")
            out = space.contract(packed, BlackBox(self, "linear"), n, m)
            rest = space.contract(space.conj(packed, "conj", n), BlackBox(self, "antilinear"), n, m)
            out = space.add([out, rest], m)
        raws, start = [], 0
        for y in self.results:
            shape = shape_of(y)
            part = Structure(_part, {"start": start, "shape": shape})
            raws.append(space.cast(space.gather([out], part, [m], shape), _dtype(y), shape))
            start += math.prod(shape)
        return raws


class BlackBox(NamedMap):
    """A rule on plain tangents, called for one direction after the other; transposed by its matrix.

    Of complex tangents t it is the sum of a linear map of t and one of its conjugate (the antilinear part).
    """

    def __init__(self, rule: JvpRule, part: str = "whole") -> None:
        self.rule, self.part = rule, part
        self.active = [i for i, t in enumerate(rule.raws) if t is not None]
        self.likes = [rule.values[i] for i in self.active]
        n = sum(math.prod(shape_of(v)) for v in self.likes)
        m = sum(math.prod(shape_of(y)) for y in rule.results)
        dtypes = [_dtype(x) for x in (*self.likes, *rule.results)]
        #: What the dtype of the result depends on.
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
        start = 0
        for i, v in zip(self.active, self.likes, strict=True):
            stop = start + math.prod(shape_of(v))
            part = np.reshape(t[start:stop], shape_of(v))
            part = part if _dtype(v).kind == "c" or _dtype(part).kind != "c" else np.real(part)
            part = part.astype(_dtype(v))
            tangents[i] = part if isinstance(v, (np.ndarray, DualArray)) else part[()]
            start = stop
        return _packed(*self.rule._along(tangents))

    def _pulled(self, w: Any) -> Any:
        found = np.matmul(w, self._matrix)
        return np.real(found) if self.part == "whole" else found

    @cached_property
    def _matrix(self) -> Any:
        return np.swapaxes(self._pushed_part(np.eye(*self.in_shape * 2)), -1, -2)

    def is_holomorphic(self) -> bool:
        """Whether i times a direction gives i times the result."""
        direction = _packed(*(p for p in self.rule._points() if p is not None))
        a, b = (plain_values(self._pushed(c * direction)) for c in (1.0, 1j))
        return bool(np.allclose(1j * a, b, TOLERANCE, 0.0, equal_nan=True))


def _agree(a: Any, b: Any) -> bool:
    """Whether two results that should be equal are, where they are finite."""
    a, b = plain_values(a), plain_values(b)
    with np.errstate(all="ignore"):
        size = np.abs(a) + np.abs(b)
        wrong = np.abs(np.asarray(a) - b) > TOLERANCE * (size + TOLERANCE * np.max(size, initial=0.0))
    return not np.any(wrong & np.isfinite(size))


def _dtype(x: Any) -> Any:
    found = getattr(x, "dtype", None)
    return np.asarray(x).dtype if found is None else found


def _zero(v: Any) -> Any:
    """The tangent of an argument that carries none."""
    dtype = _dtype(v)
    if dtype.kind not in "biufc":
        return None
    return np.zeros(np.shape(v), dtype if dtype.kind in "fc" else float)[()]


def _packed(*arrays: Any) -> Any:
    return np.concatenate([np.ravel(a) for a in arrays])


def _part(a: Any, start: int, shape: Shape) -> Any:
    return np.reshape(a[start : start + math.prod(shape)], shape)


#: The verbs on plain tangents.
_numbers = Single(0)
