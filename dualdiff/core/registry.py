"""What the numbers need from the floors above: filled by the rules, read by the numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dualdiff.base import late

#: A NumPy ufunc and a method of it ("__call__", "reduce", ...): what duals do with them.
UFUNCS: dict[tuple[Any, str], Callable[..., Any]] = {}

#: The unary ufuncs on duals of Python floats, and of NumPy's: the fast path of scalars.
FLOAT_UFUNCS: dict[Any, Callable[[Any], Any]] = {}
FLOAT64_UFUNCS: dict[Any, Callable[[Any], Any]] = {}

#: What puts operators and unary ufuncs on a new class of duals of floats: called with the class that it goes with, the
#: new class, and its table of unary ufuncs.
SCALAR_INSTALLERS: list[Callable[[type, type, dict[Any, Any]], None]] = []

#: NumPy's array functions: what duals do with them.
FUNCTIONS: dict[Any, Callable[..., Any]] = {}

#: NumPy's creation functions when they are called with ``like=`` a dual, which becomes the first argument.
CREATORS: dict[Any, Callable[..., Any]] = {}


def found(table: dict[Any, Any], key: Any) -> Any:
    """An entry of a table, which may have to be filled first; None if there is none."""
    entry = table.get(key)
    if entry is None:
        late.load_rules()
        entry = table.get(key)
    return entry


#: NumPy functions that are refused, ufuncs with one of their methods, or names of modules of such functions, with the
#: reason.
REFUSED: dict[Any, str] = {}


def refusal(function: Any, method: str = "__call__") -> str | None:
    """Why a NumPy function, or a method of a ufunc, is refused; None where there is no reason but a missing rule."""
    for key in ((function, method), function, getattr(function, "__module__", None)):
        if key in REFUSED:
            return REFUSED[key]
    types = getattr(function, "types", None)
    if types is not None and not any(set("efdgFDG").intersection(t.partition("->")[0]) for t in types):
        return "it takes no floating-point numbers"
    return None


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated implementation for NumPy array functions."""

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            FUNCTIONS[function] = implementation
        return implementation

    return register
