"""Dispatch tables: filled by the rules, read by the dual classes, which cannot import the rules."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from dualdiff.base import late
from dualdiff.base.errors import no_rule, public_name
from dualdiff.base.internals import UFUNC_MODULES

#: Implementations for duals of a NumPy ufunc and one of its methods ("__call__", "reduce", ...).
UFUNCS: dict[tuple[Any, str], Callable[..., Any]] = {}

#: The fast path of scalars: unary ufuncs for duals of Python floats, and of `numpy.float64`.
FLOAT_UFUNCS: dict[Any, Callable[[Any], Any]] = {}
FLOAT64_UFUNCS: dict[Any, Callable[[Any], Any]] = {}

#: Functions that install operators and unary ufuncs on a new class of duals of floats.  Called with the class that it
#: is modelled on, the new class, and its table of unary ufuncs.
SCALAR_INSTALLERS: list[Callable[[type, type, dict[Any, Any]], None]] = []

#: Implementations of NumPy's array functions for duals.
FUNCTIONS: dict[Any, Callable[..., Any]] = {}

#: Implementations of NumPy's creation functions with a dual as ``like=``, which becomes the first argument.
CREATORS: dict[Any, Callable[..., Any]] = {}


def entry_of(table: dict[Any, Any], key: Any) -> Any:
    """The entry of a table for a key, after importing the remaining rules if necessary; None if there is none."""
    entry = table.get(key)
    if entry is None:
        late.load_rules()
        entry = table.get(key)
    return late.rule_of(*key) if entry is None and table is UFUNCS else entry


#: The reason why a NumPy function, a pair of a ufunc and one of its methods, or all functions of a module are refused.
REFUSED: dict[Any, str] = {}


def refusal(function: Any, method: str = "__call__") -> str | None:
    """Why a NumPy function or a ufunc method is refused; None if it merely has no rule."""
    for key in ((function, method), function, getattr(function, "__module__", None)):
        if key in REFUSED:
            return REFUSED[key]
    types = getattr(function, "types", None)
    if types is not None and not any(set("efdgFDG").intersection(t.partition("->")[0]) for t in types):
        return "it does not accept floating-point arguments"
    return None


def no_ufunc(ufunc: Any, method: str) -> TypeError:
    """The error for a ufunc without a rule."""
    name, called = ufunc.__name__, "" if method == "__call__" else f".{method}"
    for module in UFUNC_MODULES:
        if getattr(sys.modules.get(module), name, None) is ufunc:
            reason = refusal(ufunc, method)
            public = f"numpy.{name}" if module.startswith("numpy") else f"scipy.special.{public_name(name)}"
            return no_rule(public + called, f" ({reason})" if reason else "")
    return no_rule(
        f"the ufunc {name}{called}",
        " (if numba.vectorize created it: only its calls have one)",
    )


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as the implementation of NumPy array functions."""

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            FUNCTIONS[function] = implementation
        return implementation

    return register
