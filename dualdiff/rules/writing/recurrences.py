"""Rows on power series: the texts of the table as equations between streams (`dualdiff.tangents.streams`).

For ``r = f(x)`` with the partial derivative p(x, r), the chain rule ``r' = p(x, r) x'`` determines each coefficient of
r by earlier ones.  Functions that p names are rows too, so that they have equations of their own.  The system closes.
Order 0 needs no partial: a chain of derivatives without end stops there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.rules.writing.expressions import bind, lazily, names_in
from dualdiff.rules.writing.rows import ROW_OF, UNKNOWN, Row
from dualdiff.tangents.space import is_complex
from dualdiff.tangents.streams import Stream, System, Term, select, small_integer
from dualdiff.tangents.zeros import chosen_zero, plain


def expanded(row: Row, args: Sequence[Any], values: Any, n: int, singular: Callable[[str], None]) -> Any:
    """Coefficients of a row, from 0 to n or to the last that may be nonzero; None if they are those of a constant.

    ``args`` has a pair (coefficients, degree) for each argument that is a series, and the constants.  ``values`` is the
    value of the function, or the tuple of all of them.  ``singular`` is called with the label of the row if it has no
    power series at the point.
    """
    system = Recurrences(n)
    try:
        streams = [system.known(*a) if type(a) is tuple else a for a in args]
        arithmetic = _ARITHMETIC.get(row.ufunc)
        if arithmetic is not None and (result := arithmetic(system, *streams)) is not None:
            return result.c[: result.degree + 1]
        result = system.expanded(row, streams, values, singular)
        return result.c[: result.degree + 1] if type(result) is Stream else None
    finally:
        system.let_go()


class Recurrences(System):
    """The equations of rows."""

    def power(self, a: Any, b: Any) -> Any:
        if type(a) is Stream and small_integer(b) is not None:
            return super().power(a, b)
        return self.call(np.power, (a, b))

    def call(self, function: Any, args: Sequence[Any]) -> Any:
        """The function of streams and constants that a text names."""
        row = ROW_OF.get(function)
        if row is None:
            raise no_rule(getattr(function, "__name__", repr(function)), " that Taylor series could continue")
        if not row.partials:
            return _bound(row, row.definition)(*args, None)

        result = self.kept((function,), args)
        if result is not None:
            return result
        return self.expanded(row, args, function(*[a.c[0] if type(a) is Stream else a for a in args]))

    def expanded(self, row: Row, args: Sequence[Any], values: Any, singular: Any = None) -> Any:
        """The result of a row, whose value is given; of one of several results, given all values."""
        firsts = values if isinstance(values, tuple) else (values,)
        rows: Sequence[Row] = row.outputs if len(firsts) > 1 else (row,)
        if self.n == 0:
            # Only the value is needed: partials may be unknown.
            return self.solve(firsts, args)[rows.index(row)]
        texts = [_texts(r, args) for r in rows]
        if not any(t for pair in texts[rows.index(row)] for t in pair):
            return values

        def partials(*results: Stream) -> list[list[Term]]:
            # Texts may name the function itself.
            self.keep((row.ufunc,), args, results[rows.index(row)])
            r = results if len(firsts) > 1 else results[0]
            wide = [np.float64(a) if type(a) is float else a for a in args]
            equations = [
                [
                    (p, x, k == 1)
                    for x, pair in zip(args, result, strict=True)
                    for k, text in enumerate(pair)
                    if text is not None and (p := _bound(one, text)(*wide, r)) is not None
                ]
                for one, result in zip(rows, texts, strict=True)
            ]
            if singular is not None:
                for one, terms in zip(rows, equations, strict=True):
                    if one is row and any(_is_singular(*term) for term in terms):
                        singular(row.label)
            return equations

        return self.solve(firsts, args, partials)[rows.index(row)]


def _is_singular(p: Any, x: Stream, conjugated: bool) -> bool:
    """Whether a partial is infinite or NaN where its argument is not constant."""
    unbounded = ~np.isfinite(plain(p.c[0] if type(p) is Stream else p))
    return bool(np.any(unbounded) and np.any(unbounded & ~x.constant()))


def _texts(row: Row, args: Sequence[Any]) -> list[tuple[str | None, str | None]]:
    """For each argument the texts of its partial, and of that with respect to its conjugate; None for constants."""
    complex_values = any(is_complex(a.c[0] if type(a) is Stream else a) for a in args)
    partials = row.complex_partials if complex_values and row.complex_partials else row.partials
    result: list[tuple[str | None, str | None]] = []
    for i, a in enumerate(args):
        if type(a) is not Stream:
            result.append((None, None))
            continue
        if partials[i] is UNKNOWN:
            raise row.unknown(i)
        conjugate = row.conjugates[i] if row.conjugates is not None and is_complex(a.c[0]) else None
        result.append((partials[i], conjugate))
    return result


# -- what the names in texts mean for streams --------------------------------------------------------------------------
@cache
def _bound(row: Row, text: str) -> Callable[..., Any]:
    """A text as a function of streams."""
    names = {name: _named(row.names[name]) for name in names_in(text) if name in row.names}
    return bind(lazily(text), row.arity or row.ufunc.nin, names | _CHOICES)


def _named(thing: Any) -> Any:
    """What a name stands for: a constant, or a function that also takes streams."""
    if not callable(thing):
        return thing

    def function(*args: Any) -> Any:
        for a in args:
            if type(a) is Stream:
                return a.system.mapped(thing, a) if thing in _PARTS else a.system.call(thing, args)
        return thing(*args)

    return function


def _where(condition: Any, a: Any, b: Any) -> Any:
    """``where`` of values or of functions that compute them; only the sides that are chosen are evaluated."""
    if not getattr(condition, "ndim", 0):
        return _now(a if condition else b)
    if not condition.any():
        return _now(b)
    if condition.all():
        return _now(a)
    a, b = _now(a), _now(b)
    system = a.system if type(a) is Stream else b.system if type(b) is Stream else None
    return select(condition, a, b) if system is None else system.chosen(condition, a, b)


def _both(condition: Any, other: Any) -> Any:
    if not getattr(condition, "ndim", 0):
        return _now(other) if condition else False
    return condition & _now(other) if condition.any() else False


def _chosen(condition: Any, other: Any) -> Any:
    """Zero by convention where the condition holds: later coefficients are NaN there."""
    r = _now(other)
    if not np.any(condition):
        return r
    if type(r) is not Stream:
        return chosen_zero(condition, r)
    return r.system.chosen(condition, 0.0, r, later=np.nan)


def _now(x: Any) -> Any:
    return x() if callable(x) else x


_CHOICES: dict[str, Any] = {"where": _where, "both": _both, "chosen": _chosen}
#: Functions that apply to each coefficient.
_PARTS = {np.real, np.imag}


def _integer_power(system: System, x: Any, y: Any) -> Any:
    return system.power(x, y) if type(x) is Stream and small_integer(y) else None


#: The rows that are arithmetic of series.
_ARITHMETIC: dict[Any, Callable[..., Any]] = {
    np.multiply: System.product,
    np.divide: System.quotient,
    np.square: lambda system, x: system.product(x, x),
    np.power: _integer_power,
    np.float_power: _integer_power,
}
