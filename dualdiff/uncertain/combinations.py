"""The tangent of an uncertain scalar: a linear combination of variables, expanded when it is read.

Arithmetic on scalars only notes the coefficients; the chain of combinations that arises is collapsed from time to time,
at a cost that is proportional to its length on the whole.
"""

from __future__ import annotations

from threading import RLock
from typing import Any

import numpy as np

from dualdiff.tangents.pattern import Pattern, index_dtype
from dualdiff.uncertain.spread_rows import Spread
from dualdiff.uncertain.variables import Sources, Variables

Terms = dict[tuple[Variables, int], float]

#: The number of combinations after which a chain of them is collapsed.
LONG = 512
_lock = RLock()


class Combination:
    """A linear combination of variables, immutable.

    ``parts`` are a coefficient and another combination, or two of each, or the expanded terms: one attribute, so that a
    thread sees the old or the new form.  ``work`` counts the combinations since the last expansion.
    """

    __slots__ = ("parts", "work")
    __array_ufunc__ = None

    parts: Any
    work: int

    def __init__(self, terms: Terms) -> None:
        self.parts, self.work = terms, -len(terms)

    def __rmul__(self, c: Any) -> Any:
        if c - c != 0.0:
            # An infinite partial: the general chain rule decides what it is.
            return UNDEFINED
        result = _new(Combination)
        result.parts = c, self
        result.work = work = self.work + 1
        if work > LONG:
            result.terms()
        return result

    def __add__(self, other: Any) -> Any:
        if type(other) is not Combination:
            return UNDEFINED
        p, q = self.parts, other.parts
        result = _new(Combination)
        result.parts = (p if type(p) is tuple and len(p) == 2 else (1.0, self)) + (
            q if type(q) is tuple and len(q) == 2 else (1.0, other)
        )
        result.work = work = self.work + other.work + 1
        if work > LONG:
            result.terms()
        return result

    def __neg__(self) -> Any:
        return self.__rmul__(-1.0)

    def __reduce__(self) -> Any:
        return of_terms, (self.terms(),)

    def terms(self) -> Terms:
        """The coefficient of each variable."""
        if type(self.parts) is not dict:
            with _lock:
                if type(self.parts) is not dict:
                    terms = _expanded(self)
                    self.work = -len(terms)
                    self.parts = terms
        return self.parts

    def settled(self) -> Spread:
        """The combination as a row of a sparse matrix."""
        return row_of([self])


class Singular(Combination):
    """A combination with an infinite or undefined coefficient: the general chain rule takes it on."""

    __slots__ = ()

    def __rmul__(self, c: Any) -> Any:
        return UNDEFINED

    def __add__(self, other: Any) -> Any:
        return UNDEFINED

    def __neg__(self) -> Any:
        return UNDEFINED


class _Undefined:
    """What arithmetic of floats leaves to the general chain rule: unequal to itself, like NaN."""

    __slots__ = ()
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return False

    def __add__(self, other: Any) -> Any:
        return self

    __rmul__ = __radd__ = __add__

    def __neg__(self) -> Any:
        return self


_new = object.__new__
UNDEFINED = _Undefined()


def of_terms(terms: Terms) -> Combination:
    """The combination with these terms."""
    is_finite = all(c - c == 0.0 for c in terms.values())
    return Combination(terms) if is_finite else Singular(terms)


#: The tangent of a constant.
ZERO = Combination({})


def _expanded(combination: Combination) -> Terms:
    """The sum over all paths to expanded terms: each combination is visited once, after all that refer to it."""
    counts, stack = {id(combination): 0}, [combination]
    while stack:
        for child in stack.pop().parts[1::2]:
            if type(child.parts) is tuple:
                key = id(child)
                if key in counts:
                    counts[key] += 1
                else:
                    counts[key] = 1
                    stack.append(child)
    weights = dict.fromkeys(counts, 0.0)
    weights[id(combination)] = 1.0
    total: Terms = {}
    ready = [combination]
    while ready:
        node = ready.pop()
        w, parts = weights[id(node)], node.parts
        for c, child in zip(parts[::2], parts[1::2], strict=True):
            c = w * c
            if type(child.parts) is dict:
                for variable, d in child.parts.items():
                    total[variable] = total.get(variable, 0.0) + c * d
                continue
            key = id(child)
            weights[key] += c
            counts[key] -= 1
            if not counts[key]:
                ready.append(child)
    return total


def row_of(combinations: list[Combination | None]) -> Spread:
    """The combinations (None: a constant) as rows of a sparse matrix."""
    parts: list[Terms] = [{} if t is None else t.terms() for t in combinations]
    sources = Sources.of({group for terms in parts for group, _ in terms})
    starts = sources.start_of
    dtype = index_dtype(sources.columns)
    if len(parts) == 1:
        entries = sorted((starts[group] + i, c) for (group, i), c in parts[0].items())
        indices = np.array([i for i, _ in entries], dtype)
        return Spread(
            Pattern.regular(indices[None], sources.columns), np.array([c for _, c in entries], float), sources
        )
    counts = [len(terms) for terms in parts]
    rows = np.repeat(np.arange(len(parts)), counts)
    columns = np.fromiter((starts[group] + i for terms in parts for group, i in terms), np.int64, sum(counts))
    data = np.fromiter((c for terms in parts for c in terms.values()), float, sum(counts))
    pattern, order, _ = Pattern.of_entries(rows, columns, (len(parts), sources.columns))
    return Spread(pattern, data[order], sources)
