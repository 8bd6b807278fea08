"""How rules for functions of SciPy that do not dispatch are written."""

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
    """Make a rule for ``scipy.linalg``'s function of its name into a function that takes plain numbers and duals.

    Plain arguments go to SciPy as they are.  With duals, which are allowed in the parameters ``arrays`` alone, the rule
    is called, and gets before its other arguments a function of these parameters that gives the value: SciPy's own
    with the same options, or, where what is left are duals of an outer call, the rule's.  The signature is that of the
    installed SciPy, by the table of `versions`.
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
                    raise lost(f"a dual number as {option}= of dualdiff.scipy.linalg.{name}", "a plain number there")
            refuse(
                name, **{option: (given.pop(option, None) is not None, "deprecated by SciPy") for option in obsolete}
            )
            # SciPy is told of the options that are used.  Tangents need what the arrays were, so that they are not to
            # be overwritten.
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
    """A function of SciPy that has no rule, for plain arguments; what is no function as it is."""
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
    """Refuse options that a rule does not serve, by name."""
    for option, (given, reason) in options.items():
        if given:
            raise no_rule(f"dualdiff.scipy.linalg.{name} with {option}=", f" ({reason})")
