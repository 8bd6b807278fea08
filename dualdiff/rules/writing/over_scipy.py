"""The decorator for rules of SciPy functions that do not dispatch."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from dualdiff.base.errors import lost, no_rule
from dualdiff.base.extras import load
from dualdiff.core.dual import leading_space
from dualdiff.rules.writing.array_rules import duals_in
from dualdiff.rules.writing.versions import deprecated, installed


def over_scipy(*arrays: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turn a rule for the function of ``scipy.linalg`` with its name into a function of plain arrays and duals.

    Plain arguments are passed to SciPy unchanged.  Duals are allowed only in the parameters ``arrays``.  With duals the
    rule is called, and its first argument is a function of these parameters that returns the value with the same
    options: SciPy's function, or the rule again if the values are duals of an outer call.  The signature is that of the
    installed SciPy, from the tables of `versions`.
    """

    def register(rule: Callable[..., Any]) -> Callable[..., Any]:
        name = rule.__name__
        full = inspect.Signature(list(inspect.signature(rule).parameters.values())[1:])
        signature, obsolete = installed(name, full), deprecated(name)
        defaults = {p.name: p.default for p in signature.parameters.values()}

        @functools.wraps(rule)
        def function(*args: Any, **kwargs: Any) -> Any:
            duals = duals_in([args, kwargs])
            if not duals:
                return getattr(_scipy(), name)(*args, **kwargs)
            given = signature.bind(*args, **kwargs).arguments
            for option, x in given.items():
                if option not in arrays and duals_in(x):
                    raise lost(f"a dual number as {option}= of dualdiff.scipy.linalg.{name}", "a plain value there")
            refuse(
                name, **{option: (given.pop(option, None) is not None, "deprecated by SciPy") for option in obsolete}
            )
            # SciPy gets only options that differ from their defaults.  Tangents need the original arrays, so nothing is
            # overwritten.
            options = {
                k: x
                for k, x in given.items()
                if k not in arrays and not k.startswith("overwrite_") and x is not defaults[k]
            }

            def value(*values: Any) -> Any:
                call = signature.bind_partial()
                call.arguments = {**dict(zip(arrays, values, strict=False)), **options}
                return function(*call.args, **call.kwargs)

            if signature != full:
                call = full.bind_partial()
                call.arguments = given
                args, kwargs = call.args, call.kwargs
            space = leading_space(duals)
            if space.traces:
                return space.call(name, lambda *a, **k: rule(value, *a, **k), args, kwargs)
            return rule(value, *args, **kwargs)

        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return register


def without_rule(module: Any, name: str) -> Any:
    """A SciPy function that has no rule, for plain arguments only; anything that is not a function, unchanged."""
    function = getattr(module, name)
    if not callable(function) or isinstance(function, type):
        return function

    @functools.wraps(function)
    def refusing(*args: Any, **kwargs: Any) -> Any:
        if duals_in([args, kwargs]):
            raise no_rule(f"{module.__name__}.{name}")
        return function(*args, **kwargs)

    return refusing


def _scipy() -> Any:
    return load("scipy.linalg", "scipy", "dualdiff.scipy.linalg")


def refuse(name: str, **options: Any) -> None:
    """Refuse options that a rule does not support."""
    for option, (given, reason) in options.items():
        if given:
            raise no_rule(f"dualdiff.scipy.linalg.{name} with {option}=", f" ({reason})")
