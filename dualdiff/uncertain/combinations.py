"""The tangent of an uncertain scalar: a linear combination of variables, expanded when it is read.

Arithmetic on scalars only notes the coefficients; the chain of combinations that arises is collapsed from time to time,
at a cost that is proportional to its length on the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import Any

import numpy as np

from dualdiff.tangents.pattern import Pattern, index_dtype
from dualdiff.uncertain.spread_rows import Spread
from dualdiff.uncertain.variables import Sources, Variables

Terms = dict[tuple[Variables, int], float]

#: The number of combinations after which a chain of them is collapsed.
LONG = 512
#: Sums of more terms than this remain rows of sparse matrices.
MANY = 100
_lock = RLock()


class Combination:
    """A linear combination of variables, immutable.

    ``parts`` are a coefficient and another combination, or two of each, or the sum of all: its terms, or a row of a
    sparse matrix if it has many.  This is one attribute, so that a thread sees the old or the new form.  ``work``
    counts the combinations since the last expansion.
    """

    __slots__ = ("parts", "work")
    __array_ufunc__ = None

    parts: Any
    work: int

    def __init__(self, total: Terms | Spread) -> None:
        self.parts, self.work = total, -_size(total)

    def __rmul__(self, c: Any) -> Any:
        if c - c != 0.0:
            # An infinite partial: the general chain rule decides what it is.
            return UNDEFINED
        result = _new(Combination)
        result.parts = c, self
        result.work = work = self.work + 1
        if work > LONG:
            result.total()
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
            result.total()
        return result

    def __neg__(self) -> Any:
        return self.__rmul__(-1.0)

    def __reduce__(self) -> Any:
        return of_total, (self.total(),)

    def total(self) -> Terms | Spread:
        """The sum, expanded."""
        if type(self.parts) is tuple:
            with _lock:
                if type(self.parts) is tuple:
                    total = _expanded(self)
                    self.work = -_size(total)
                    self.parts = total
        return self.parts  # type: ignore[no-any-return]

    def terms(self) -> Terms:
        """The coefficient of each variable."""
        total = self.total()
        if isinstance(total, dict):
            return total
        columns, data = total.pattern.indices.tolist(), total.data.tolist()
        return {total.sources.place(i): c for i, c in zip(columns, data, strict=True)}

    def settled(self) -> Spread:
        """The combination as a row of a sparse matrix."""
        total = self.total()
        return total if isinstance(total, Spread) else row_of([total])


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


def of_total(total: Terms | Spread) -> Combination:
    """The combination with this expanded sum."""
    if isinstance(total, Spread):
        if total.pattern.size > MANY:
            return (Combination if np.isfinite(total.data).all() else Singular)(total)
        total = Combination(total).terms()
    is_finite = all(c - c == 0.0 for c in total.values())
    return Combination(total) if is_finite else Singular(total)


def _size(total: Terms | Spread) -> int:
    return len(total) if isinstance(total, dict) else total.pattern.size


#: The tangent of a constant.
ZERO = Combination({})


def _expanded(combination: Combination) -> Terms | Spread:
    """The sum over all paths: each combination is visited once, after all that refer to it."""
    if len(combination.parts) == 2 and isinstance(combination.parts[1].parts, dict):
        # One multiple of expanded terms, the most common case.
        c, child = combination.parts
        return {variable: c * d for variable, d in child.parts.items()}
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
    terms: Terms = {}
    rows: dict[int, tuple[Spread, float]] = {}
    ready = [combination]
    while ready:
        node = ready.pop()
        w, parts = weights[id(node)], node.parts
        for c, child in zip(parts[::2], parts[1::2], strict=True):
            c = w * c
            total = child.parts
            if isinstance(total, dict):
                for variable, d in total.items():
                    terms[variable] = terms.get(variable, 0.0) + c * d
            elif isinstance(total, Spread):
                rows[id(total)] = total, rows.get(id(total), (total, 0.0))[1] + c
            else:
                key = id(child)
                weights[key] += c
                counts[key] -= 1
                if not counts[key]:
                    ready.append(child)
    if not rows:
        return terms
    scaled: list[Spread] = [row.with_data(c * row.data) for row, c in rows.values()]  # type: ignore[misc]
    if terms:
        scaled.append(row_of([terms]))
    result = scaled[0]
    for row in scaled[1:]:
        result = result.plus(row)  # type: ignore[assignment]
    return result


def row_of(totals: Sequence[Terms | None]) -> Spread:
    """Sums of terms (None: a constant) as rows of a sparse matrix."""
    parts: list[Terms] = [{} if terms is None else terms for terms in totals]
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
