"""The decorator for rules of SciPy functions that do not dispatch."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dualdiff.base.errors import lost, no_rule
from dualdiff.base.extras import load
from dualdiff.base.late import of_scipy
from dualdiff.base.public import shown_in
from dualdiff.core.dual import leading_space
from dualdiff.rules.writing.array_rules import duals_in
from dualdiff.rules.writing.scipy_docs import completed

#: Options that say how SciPy computes, not what.
HOW = {"balanced", "check_finite", "driver", "lapack_driver", "lwork", "method", "workers"}


def over_scipy(*arrays: str, module: str = "scipy.linalg") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turn a rule for the SciPy function with its name into a function of plain arrays and duals.

    Plain arguments are passed to SciPy unchanged.  Duals are allowed only in the parameters ``arrays``.  With duals the
    rule is called, and its first argument is a function of these parameters that returns the value with the same
    options: SciPy's function, or the rule again if the values are duals of an outer call.  The signature is that of the
    installed SciPy.  A rule names the options that it reads or that change the result; ``**options`` in its signature
    admits those of SciPy that do not.  An option unknown to the rule is refused.  `scipy_docs` completes the docstring.
    """

    def register(rule: Callable[..., Any]) -> Callable[..., Any]:
        name = rule.__name__
        own = inspect.Signature(list(inspect.signature(rule).parameters.values())[1:])
        takes_options = any(p.kind is p.VAR_KEYWORD for p in own.parameters.values())
        signature = _Installed(module, name, own)

        @functools.wraps(rule)
        def function(*args: Any, **kwargs: Any) -> Any:
            duals = duals_in([args, kwargs])
            if not duals:
                return getattr(_scipy(module), name)(*args, **kwargs)
            given = signature.bind(*args, **kwargs).arguments
            for option, x in given.items():
                if option not in arrays and duals_in(x):
                    raise lost(f"a dual number as {option}= of dualdiff.{module}.{name}", "a plain value there")
            known = {k: x for k, x in given.items() if k in own.parameters}
            for option in [k for k in given if k not in known]:
                is_harmless = option in HOW or option.startswith("overwrite_")
                if not (takes_options and is_harmless) and given.pop(option) is not None:
                    reason = " (deprecated by SciPy, or newer than the rule)"
                    raise no_rule(f"dualdiff.{module}.{name} with {option}=", reason)
            # SciPy gets only options that differ from their defaults.  Tangents need the original arrays, so nothing is
            # overwritten.
            parameters = signature.parameters
            options = {
                k: x
                for k, x in given.items()
                if k not in arrays and not k.startswith("overwrite_") and x is not parameters[k].default
            }

            def value(*values: Any) -> Any:
                call = inspect.BoundArguments(signature, {**dict(zip(arrays, values, strict=False)), **options})
                return function(*call.args, **call.kwargs)

            value.__name__, value.__module__ = name, f"dualdiff.{module}"
            call = inspect.BoundArguments(own, known)
            space = leading_space(duals)
            if space.traces:
                return space.call(name, lambda *a, **k: rule(value, *a, **k), call.args, call.kwargs)
            return rule(value, *call.args, **call.kwargs)

        shown_in(f"dualdiff.{module}")(function)
        function.__signature__ = signature  # type: ignore[attr-defined]
        function.__doc__ = completed(rule.__doc__ or "", module, name, own)
        return function

    return register


class _Installed(inspect.Signature):
    """The signature of a function of the installed SciPy, which is loaded when someone asks for a parameter."""

    __slots__ = ("_module", "_name")

    def __init__(self, module: str, name: str, rule: inspect.Signature) -> None:
        super().__init__(list(rule.parameters.values()))
        self._module, self._name = module, name

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:  # type: ignore[override]
        try:
            return _parameters(self._module, self._name)
        except ImportError:
            # Without SciPy, help() shows what the rule reads.
            return super().parameters

    def replace(self, **changes: Any) -> inspect.Signature:  # type: ignore[override]
        return inspect.Signature(list(self.parameters.values())).replace(**changes)


@functools.cache
def _parameters(module: str, name: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(getattr(_scipy(module), name)).parameters


@functools.cache
def without_rule(module: Any, name: str) -> Any:
    """A SciPy function that has no rule, for plain arguments only; anything that is not a function, unchanged."""
    function = getattr(module, name)
    if not (callable(function) and hasattr(function, "__name__")) or isinstance(function, type):
        return function

    @functools.wraps(function)
    def refusing(*args: Any, **kwargs: Any) -> Any:
        if duals_in([args, kwargs]):
            raise no_rule(f"{module.__name__}.{name}")
        return function(*args, **kwargs)

    # Some of SciPy's have another name inside, or none that pickle could find them by.
    refusing.__name__ = refusing.__qualname__ = name
    return shown_in(f"dualdiff.{module.__name__}")(refusing)


def rest_of_scipy(names: dict[str, Any]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a module that bears SciPy's name: what it lacks is SciPy's, and refuses duals.

    ``names`` are the global names of the module.
    """
    module: str = names["__name__"]
    path = module.removeprefix("dualdiff.")

    def __getattr__(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return of_scipy(f"{path}.{name}".removeprefix("scipy.")) or without_rule(_scipy(path), name)

    def __dir__() -> list[str]:
        return sorted({*names, *dir(_scipy(path))})

    return __getattr__, __dir__


def _scipy(module: str) -> Any:
    return load(module, "scipy", f"dualdiff.{module}")


def refuse(name: str, **options: Any) -> None:
    """Refuse options that a rule does not support."""
    for option, (given, reason) in options.items():
        if given:
            raise no_rule(f"dualdiff.scipy.linalg.{name} with {option}=", f" ({reason})")
