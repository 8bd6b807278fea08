"""Rows of the table of rules: a row is a function and its partial derivatives, written as mathematics.

Partials are texts in the arguments ``x``, ``y``, ``z``, ``w``, ``a``, ... and the result ``r`` (``r[0]``, ``r[1]``, ...
if there are several).  They use Python's operators and the names of other rows.  ``where(condition, a, b)`` chooses.
``chosen(condition, a)`` is zero by convention where the condition holds, with the derivative NaN, and a elsewhere.
Every engine reads the same texts: Python floats through ``math``, as source of functions (`texts.expression`); arrays
and nested duals through NumPy (`Row.coefficient`); compiled code as syntax trees (`texts.branched`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from dualdiff.base.errors import no_rule, public_name
from dualdiff.core.application import apply
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual, Dual
from dualdiff.core.reading import is_followed
from dualdiff.tangents.space import are_float64, is_complex, shape_of
from dualdiff.tangents.zeros import chosen_zero

#: Partials that need no computation: an argument, the result or a constant.
PLAIN = frozenset({"x", "y", "z", "r", "1", "-1", "pi / 180", "180 / pi"})
Kind = Literal["zero", "linear", "nonlinear"]
Interval = tuple[float, float]
REALS: Interval = (-10.0, 10.0)
#: Stands for a partial that is not known: a tangent of that argument is an error.
UNKNOWN = "unknown"
_FLOAT64 = np.dtype(np.float64)


class Row:
    """A function and its partial derivatives.

    ``partials`` has a text for each argument, None where the derivative is zero, or `UNKNOWN`.  ``conjugates`` has the
    partials with respect to the complex conjugates of the arguments, for functions that are not holomorphic.
    ``complex_partials`` replaces the partials at complex arguments.  ``domain`` has an interval for each argument, on
    which tests evaluate the row; a single interval serves all.  ``math`` is the name of the function in ``math``, if it
    is there.  ``associative``: the function may fold many arguments in any order.  ``definition`` documents a function
    that NumPy does not have.  ``names`` has what the texts may name.  ``module`` is where users find the function.
    ``of`` is the public function whose partial derivative this one is, if it is only that.
    """

    def __init__(
        self,
        name: str,
        ufunc: Any,
        partials: tuple[str | None, ...],
        kind: Kind = "nonlinear",
        domain: Interval | tuple[Interval, ...] = REALS,
        math: str | None = None,
        complex_partials: tuple[str | None, ...] | None = None,
        conjugates: tuple[str | None, ...] | None = None,
        associative: bool = False,
        definition: str = "",
        names: dict[str, Any] | None = None,
        module: str = "numpy",
        of: str = "",
    ) -> None:
        self.name, self.ufunc, self.partials, self.kind = name, ufunc, partials, kind
        self.domain = domain if isinstance(domain[0], tuple) else (domain,) * len(partials)
        self.math, self.complex_partials, self.conjugates = math, complex_partials, conjugates
        self.associative, self.definition, self.module, self.of = associative, definition, module, of
        self.names = NAMES if names is None else names
        self.is_zero = kind == "zero"
        #: For each argument, whether its partial is computed, rather than an argument, the result or a constant.
        self.is_fresh = tuple(p is not None and p not in PLAIN for p in partials)
        self._bound: dict[tuple[str, bool, bool], Any] = {}
        #: Whether some partial names the result.
        self.uses_result = any(
            text is not None and re.search(r"\br\b", text)
            for texts in (partials, complex_partials, conjugates)
            for text in texts or ()
        )
        self._keeps: dict[tuple[bool, ...], tuple[bool, ...] | None] = {}
        self._chain_rules: dict[int, tuple[Callable[..., Any], bool] | None] = {}
        #: The rows of all results of the function.
        self.outputs: tuple[Row, ...] = (self,)

    @cached_property
    def constancy(self) -> tuple[int, ...]:
        """For each argument, whether the zeros of its partial depend on the input of the differentiation.

        2: never, the partial is piecewise constant.  1: not if this argument is the only active one.  0: they may.
        """
        from dualdiff.rules.writing.expressions import ARGUMENTS, is_stepwise, names_in

        def of(i: int, text: str | None) -> int:
            if text is None or text is UNKNOWN or is_stepwise(text, self.names):
                return 2
            return 0 if names_in(text) & {ARGUMENTS[i], "r"} else 1

        return tuple(of(i, text) for i, text in enumerate(self.partials))

    #: Partials depend on the values alone, so they may be computed later.
    is_pure = True

    def __repr__(self) -> str:
        return f"<row {self.name}: {', '.join(map(str, self.partials))}>"

    @property
    def label(self) -> str:
        """The public name of the function, for messages."""
        return f"the derivative of {self.module}.{self.of}" if self.of else f"{self.module}.{public_name(self.name)}"

    @property
    def arity(self) -> int:
        """The number of arguments."""
        return len(self.partials)

    def keeps(self, active: tuple[bool, ...]) -> tuple[bool, ...] | None:
        """Which arguments the partials with respect to the active ones name; None if those partials are all zero.

        Raises NoRuleError if the partial with respect to an active argument is not known.
        """
        try:
            return self._keeps[active]
        except KeyError:
            from dualdiff.rules.writing.expressions import ARGUMENTS, names_in

            names: set[str] | None = None
            for i, is_active in enumerate(active):
                for texts in (self.partials, self.complex_partials) if is_active else ():
                    if texts is None or texts[i] is None:
                        continue
                    if texts[i] is UNKNOWN:
                        raise self.unknown(i) from None
                    names = (names or set()) | names_in(texts[i])
            self._keeps[active] = None if names is None else tuple(a in names for a in ARGUMENTS[: len(active)])
            return self._keeps[active]

    def unknown(self, i: int) -> Exception:
        """The error for a tangent of argument i, with respect to which no derivative is known."""
        return no_rule(self.label, f" in its {_ORDINALS[i]} argument")

    def text(self, i: int, is_complex: bool = False) -> str | None:
        """The text of the partial with respect to argument i."""
        texts = self.complex_partials if is_complex and self.complex_partials else self.partials
        return texts[i]

    def coefficient(self, i: int, values: Sequence[Any], result: Any) -> Any:
        """The partial derivative with respect to argument i, of scalars, arrays and duals of outer calls."""
        return self.real_coefficient(i, values, result) if are_float64(values) else self._coefficient(i, values, result)

    def real_coefficient(self, i: int, values: Sequence[Any], result: Any) -> Any:
        """As `coefficient`, of float64 arguments; those that the partial does not name may be None."""
        partial = self._partials[i]
        if type(partial) is int:
            return partial
        if callable(partial):
            # Arithmetic of arrays raises only in corner cases that involve Python scalars.
            try:
                c = partial(*values, result)
            except (ArithmeticError, TypeError):
                return self._coefficient(i, values, result)
            if getattr(c, "dtype", None) is _FLOAT64:
                return c
        return self._coefficient(i, values, result)

    def chain_rule(self, active: int) -> tuple[Callable[..., Any], bool] | None:
        """The chain rule on float64 arrays as one function of the arguments, the result and the active tangents.

        For ``active`` see `expressions.chain_rule`.  The second value says whether the function multiplies, so that
        a NaN may be zero times infinity.  None if no such function is known.
        """
        try:
            return self._chain_rules[active]
        except KeyError:
            self._chain_rules[active] = rule = self._chain_rule(active)
            return rule

    def _chain_rule(self, active: int) -> tuple[Callable[..., Any], bool] | None:
        from dualdiff.rules.writing.expressions import ARGUMENTS, chain_rule, spelled_out

        if any(text is UNKNOWN and active >> i & 1 for i, text in enumerate(self.partials)):
            return None
        source = chain_rule([text and spelled_out(text, self.names) for text in self.partials], active)
        if source is None:
            return None
        tangents = ["dx"] if active < 0 else [f"d{x}" for i, x in enumerate(ARGUMENTS) if active >> i & 1]
        arguments = ", ".join((*ARGUMENTS[: self.arity], "r", *tangents))
        return eval(f"lambda {arguments}: {source}", dict(self.names)), "*" in source

    @cached_property
    def _partials(self) -> list[Any]:
        """For each argument the partial as a function, or as an integer if it is one."""
        return [text if text is None or text is UNKNOWN else self._function(text, True) for text in self.partials]

    def _function(self, text: str, is_plain: bool = False, follows: bool = False) -> Any:
        """A text as a function, or as a constant if it is one.

        ``is_plain``: the function is called with plain values only.  ``follows``: its arguments trace a pattern.
        """
        key = text, is_plain, follows
        function = self._bound.get(key)
        if function is None:
            # Importing Python's parser is slow, so texts are read only when they are needed.
            from dualdiff.rules.writing.expressions import constant, spelled_out

            source = spelled_out(text, self.names) if is_plain else text
            function = self._bound[key] = constant(text) or _bound(source, self.arity, self.names, follows)
        return function

    def _coefficient(self, i: int, values: Sequence[Any], result: Any) -> Any:
        if self.complex_partials is not None and any(map(is_complex, values)):
            return self._evaluate(self.complex_partials[i], values, result)
        text = self.partials[i]
        if text is UNKNOWN:
            raise self.unknown(i)
        return self._evaluate(text, values, result)

    def expanded(self, args: Sequence[Any], values: Any, n: int, singular: Callable[[str], None]) -> Any:
        """The coefficients 0 to n of the power series; see `recurrences.expanded`."""
        from dualdiff.rules.writing.recurrences import expanded

        return expanded(self, args, values, n, singular)

    def conjugate(self, i: int, values: list[Any], result: Any) -> Any:
        """The partial derivative with respect to the conjugate of argument i at complex values, or None."""
        if self.conjugates is None:
            return None
        return self._evaluate(self.conjugates[i], values, result)

    def _evaluate(self, text: str | None, values: list[Any], result: Any) -> Any:
        if text is None:
            return None
        function = self._function(text, False, "where" in text and is_followed(*values))
        if not callable(function):
            return function
        if len(values) > 1:
            values = _as_wide(values, result)
        # Partials follow NumPy's arithmetic.  Python's scalars raise where NumPy's give inf or nan or compare complex
        # values, and powers of negative ones are complex where NumPy's are nan.
        try:
            c = function(*values, result)
        except (ArithmeticError, TypeError):
            return function(*map(_strong, values), _strong(result))
        kind = type(c)
        if (kind is complex or kind is Dual) and is_complex(c) and not _any_complex(values, result):
            return function(*map(_strong, values), _strong(result))
        return c


def _bound(text: str, arity: int, names: dict[str, Any], follows: bool) -> Callable[..., Any]:
    """A text as a function; if it follows a pattern, both sides of each choice count."""
    from dualdiff.rules.writing.expressions import bind, lazily

    return bind(lazily(text), arity, {**names, "where": _both_sides} if follows else names)


def _as_wide(values: list[Any], result: Any) -> list[Any]:
    """The arguments in the precision of the result, if theirs is lower."""
    dtype = getattr(result[0] if isinstance(result, tuple) else result, "dtype", None)
    if dtype is None or dtype.char not in "dD":
        return values
    return [
        v.astype(np.result_type(v.dtype, np.float64)) if getattr(v, "dtype", dtype).char in "efF" else v for v in values
    ]


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def _any_complex(values: list[Any], result: Any) -> bool:
    results = result if isinstance(result, tuple) else (result,)
    return any(map(is_complex, (*values, *results)))


def _strong(x: Any) -> Any:
    """A Python scalar as a NumPy scalar, also inside a dual or a tuple of results."""
    if isinstance(x, tuple):
        return tuple(map(_strong, x))
    if issubclass(type(x), (int, float, complex)):
        return np.complex128(x) if issubclass(type(x), complex) else np.float64(x)
    return x.with_value(_strong(x.value)) if isinstance(x, Dual) else x


def _where(condition: Any, a: Any, b: Any) -> Any:
    """``np.where`` of values or of functions that compute them; scalars stay scalars."""
    if not getattr(condition, "ndim", 0):
        return _now(a if condition else b)
    if not condition.any():
        return _now(b)
    return np.where(condition, _now(a), _now(b))


def _both_sides(condition: Any, a: Any, b: Any) -> Any:
    """As `_where`, but depending on both sides: other values may choose the other one."""
    a, b = _now(a), _now(b)
    if isinstance(a, AnyDual) or isinstance(b, AnyDual):
        return np.where(condition, a, b)[()]
    return _where(condition, a, b)


def _both(condition: Any, other: Any) -> Any:
    """``condition & other``; the other is not evaluated if the condition never holds."""
    if not getattr(condition, "ndim", 0):
        return _now(other) if condition else False
    return condition & _now(other) if condition.any() else False


def _chosen(condition: Any, other: Any) -> Any:
    """``where(condition, 0.0, other)`` for zeros by convention: in outer calls their derivative is NaN."""
    if not getattr(condition, "ndim", 0) and not condition:
        return _now(other)
    r = _now(other)
    return chosen_zero(np.broadcast_to(condition, shape_of(r))[()], r)


def _now(x: Any) -> Any:
    return x() if callable(x) else x


#: What the names in partials mean for scalars, arrays and duals alike: NumPy's functions, which dispatch, and
#: constants.  Rows add themselves.
NAMES: dict[str, Any] = {"where": _where, "both": _both, "chosen": _chosen}


#: The rows of functions and definitions that texts name.
ROW_OF: dict[Any, Row] = {}


class Table(dict[str, Row]):
    """Rows by name, and the names that their texts may use.

    A row is checked when it is added: a ValueError says what is wrong with it.  The tables of the package set
    ``is_checked`` only after they are filled, because their rows name later ones and the parser is slow to import; a
    test checks their rows.
    """

    def __init__(self, names: dict[str, Any], module: str, is_checked: bool = True) -> None:
        super().__init__()
        self.names, self.module, self.is_checked = names, module, is_checked
        #: The rows of definitions that have partials; only partials name them.
        self.parts: dict[str, Row] = {}

    def row(
        self,
        ufunc: Any,
        *partials: str | None,
        kind: Kind = "nonlinear",
        domain: Interval | tuple[Interval, ...] = REALS,
        name: str | None = None,
        **more: Any,
    ) -> None:
        """Add a row: a function, and its partial derivative with respect to each argument.

        ``more`` are further arguments of `Row`.
        """
        name = name or ufunc.__name__
        row = Row(name, ufunc, partials, kind, domain, names=self.names, module=self.module, **more)
        if self.is_checked:
            from dualdiff.rules.writing.checks import check

            check(row)
        self[name] = ROW_OF[ufunc] = row
        self.names[name] = ufunc

    def own(self, name: str, implementation: Callable[..., Any], *partials: str | None, **more: Any) -> None:
        """Add a row for a function that NumPy does not have.

        ``implementation`` computes it for plain scalars and arrays; its warnings are silenced.  A name that begins with
        an underscore is for the partials of other rows only.
        """

        def function(*args: Any) -> Any:
            args = tuple(map(operand, args))
            if any(isinstance(a, AnyDual) for a in args):
                return apply(self[name], function, *args)
            with np.errstate(all="ignore"):
                result = implementation(*args)
            is_scalar = all(type(a) in (float, int, complex) for a in args)
            return result.item() if is_scalar and hasattr(result, "item") else result

        # The function has the signature of its implementation.
        function.__wrapped__ = implementation  # type: ignore[attr-defined]
        definition = inspect.cleandoc(implementation.__doc__ or "")
        self.row(function, *partials, name=name, definition=definition, **more)

    def define(self, name: str, arity: int, text: str, *partials: str | None) -> None:
        """Name a text that several partials share.

        With ``partials`` the definition has derivatives of its own, for higher orders: give them where those of the
        text would cancel, overflow or underflow.
        """
        bound: dict[bool, Callable[..., Any]] = {}

        def function(*args: Any) -> Any:
            if partials and any(isinstance(a, AnyDual) for a in args):
                return apply(self.parts[name], function, *args)
            follows = is_followed(*args)
            if follows not in bound:
                bound[follows] = _bound(text, arity, self.names, follows)
            return bound[follows](*args, None)

        function.nin = arity  # type: ignore[attr-defined]
        row = Row(name, function, partials, definition=text, names=self.names, module=self.module)
        if self.is_checked:
            from dualdiff.rules.writing.checks import check_definition

            check_definition(row, arity)
        self.names[name] = function
        ROW_OF[function] = row
        if partials:
            function.text = text  # type: ignore[attr-defined]
            self.parts[name] = row

    def zero(self, *ufuncs: Any, math: str | None = None) -> None:
        """Add rows of step functions, whose partials are all zero."""
        for ufunc in ufuncs:
            self.row(ufunc, *(None,) * ufunc.nin, kind="zero", math=math)
