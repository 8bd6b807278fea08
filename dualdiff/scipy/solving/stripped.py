"""The functions that SciPy calls: users' functions, with the duals that they close over replaced by plain values."""

from __future__ import annotations

import dis
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

from dualdiff.base.errors import NoRuleError
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.solving.compiled_functions import on_duals

_NONE = ()
_FLOAT64 = np.dtype(np.float64)
_PLAIN = frozenset({float, int, bool, complex, np.float64, np.complex128, type(None)})


class Stripped:
    """A user's function, and a version of it for SciPy that returns plain values.

    Duals in variables of enclosing functions, in defaults, in the arguments of `functools.partial` and in ``args`` are
    replaced by their values, so that SciPy calls the function at the speed of plain values.  Duals from elsewhere (a
    global, an attribute) are computed with, and the tangents of the result are dropped.
    """

    __slots__ = ("_copy", "args", "duals", "f", "plain", "plain_args")

    def __init__(self, f: Callable[..., Any], args: Any = ()) -> None:
        self.f = f
        self.args = args = args if isinstance(args, tuple) else (args,)
        self.plain_args = values_of(args)
        #: The duals that were removed, on which the results may depend.
        self.duals: list[AnyDual] = duals_in(args) if self.plain_args is not args else []
        self._copy = copy = without_duals(f, self.duals)

        def plain(*args: Any, **kwargs: Any) -> Any:
            result = copy(*args, **kwargs)
            kind = type(result)
            if kind in _PLAIN or (kind is np.ndarray and result.dtype is _FLOAT64):
                return result
            return self._values(result, duals_in(args))

        # SciPy inspects the signature.
        plain.__wrapped__ = copy  # type: ignore[attr-defined]
        #: What is passed to SciPy.
        self.plain = plain

    def sides(self, form: Callable[..., Any] | None = None) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """The function without ``args``, with duals and with plain values: f itself, or ``form(f, y)``."""
        f, copy = on_duals(self.f), on_duals(self._copy)
        if self.args:
            f, copy = partial(_called, f, self.args), partial(_called, copy, self.plain_args)
        return (f, copy) if form is None else (partial(form, f), partial(form, copy))

    def _values(self, result: Any, given: list[AnyDual]) -> Any:
        if type(result) is list and _PLAIN.issuperset(map(type, result)):
            return result
        hidden = duals_in(result)
        if given:
            # A solver that differentiates the function itself, as Taylor's method does.
            if not all(_is_of(x, given[0]) for x in hidden):
                raise NoRuleError(
                    f"{self.f!r} uses duals from a global variable or an attribute, and the solver, which expands it "
                    "in series, needs their values: pass them in args, or let the function close over them"
                )
            return result
        if hidden and not self.duals:
            self.duals.extend(hidden)
        return values_of(result) if hidden else result


def _is_of(x: AnyDual, other: AnyDual) -> bool:
    """Whether a dual belongs to the same call as another one, and to no other."""
    return x.space.tag == other.space.tag and not isinstance(x.value, AnyDual)


def _called(f: Callable[..., Any], args: Sequence[Any], *y: Any) -> Any:
    return f(*y, *args)


def stripped(f: Any) -> Any:
    """A function without duals, to be passed to SciPy; other objects unchanged."""
    return Stripped(f).plain if callable(f) and not isinstance(f, type) else f


def has_duals(x: Any) -> bool:
    """Whether there are duals in an argument, which may be nested."""
    return bool(duals_in(x))


def values_of(x: Any) -> Any:
    """The plain values of arguments, which may be nested; object arrays of duals become arrays."""
    if type(x) in _PLAIN or x is _NONE or not has_duals(x):
        return x
    if isinstance(x, dict):
        return {name: values_of(e) for name, e in x.items()}
    if isinstance(x, (tuple, list)) and not hasattr(x, "_fields"):
        return type(x)(map(values_of, x))
    return x.plain if hasattr(type(x), "held_duals") else plain_values(operand(x))


def without_duals(f: Any, met: list[AnyDual]) -> Any:
    """The function with values for the duals that it closes over, which are appended to ``met``; f itself if none."""
    if isinstance(f, partial):
        result = duals_in((f.args, f.keywords))
        met.extend(result)
        function = without_duals(f.func, met)
        if function is f.func and not result:
            return f
        return partial(function, *values_of(f.args), **values_of(f.keywords))
    if type(f) is not FunctionType:
        return f
    cells, defaults = f.__closure__ or (), (f.__defaults__, f.__kwdefaults__)
    kept = [_other(cell, f, met) for cell in cells]
    result = duals_in(defaults) if defaults != (None, None) else []
    if not result and all(a is b for a, b in zip(kept, cells, strict=True)):
        return f
    met.extend(result)
    copy = FunctionType(f.__code__, f.__globals__, f.__name__, values_of(f.__defaults__), tuple(kept))
    if f.__kwdefaults__:
        copy.__kwdefaults__ = values_of(f.__kwdefaults__)
    return copy


def _other(cell: CellType, f: FunctionType, met: list[AnyDual]) -> CellType:
    try:
        content = cell.cell_contents
    except ValueError:
        # The variable has no value yet.
        return cell
    if content is f:
        return cell
    if isinstance(content, (FunctionType, partial)):
        plain = without_duals(content, met)
    elif isinstance(content, AnyDual):
        met.append(content)
        plain = plain_values(content)
    elif isinstance(content, tuple):
        met.extend(duals_in(content))
        plain = values_of(content)
    else:
        # A copy of a list or an object would hide what is written into it later.
        return cell
    # A new cell would hide from others what f assigns to the variable.
    return cell if plain is content or _assigns(f.__code__) else CellType(plain)


@lru_cache(maxsize=1024)
def _assigns(code: CodeType) -> bool:
    """Whether a function, or one defined in it, assigns to variables of an enclosing function."""
    stores = {i.argval for i in dis.get_instructions(code) if i.opname in ("STORE_DEREF", "DELETE_DEREF")}
    return bool(stores & set(code.co_freevars)) or any(
        _assigns(c) for c in code.co_consts if isinstance(c, CodeType) and c.co_freevars
    )
