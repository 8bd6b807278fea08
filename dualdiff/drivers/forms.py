"""The two forms of every operator: ``op(f, x)`` evaluates, ``op(f)`` is the derivative as a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dualdiff.drivers.engines import engine_of
from dualdiff.drivers.run.inputs import no_function


class Derived:
    """An operator applied to a function, waiting for its arguments.

    It has f's signature (keywords go to f), can be pickled if f can, and says in its repr what it is.
    """

    def __init__(self, operator: Callable[..., Any], f: Callable[..., Any], options: dict[str, Any]) -> None:
        name = operator.__name__
        if not callable(f):
            raise no_function(name, f)
        self.operator, self.f, self.options = operator, f, options
        functools.update_wrapper(self, f, updated=())
        self.__name__ = f"{name}_of_{getattr(f, '__name__', type(f).__name__)}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not args:
            raise TypeError(
                f"{self!r} needs the arguments of f, the one that is differentiated among the positional ones"
            )
        f = self.f
        if kwargs and (engine := engine_of[type(f)]) is not None:
            args = engine.by_place(self.operator.__name__, f, args, kwargs)
        elif kwargs:
            f = functools.partial(f, **kwargs)
        return self.operator(f, *args, **self.options)

    def __reduce__(self) -> Any:
        return Derived, (self.operator, self.f, self.options)

    def __repr__(self) -> str:
        return f"<{self._expression()}: a function, waiting for its arguments>"

    def _expression(self) -> str:
        f = self.f._expression() if isinstance(self.f, Derived) else _name(self.f)
        options = "".join(f", {k}={v!r}" for k, v in self.options.items())
        return f"{self.operator.__name__}({f}{options})"


def derived(operator: Callable[..., Any], f: Callable[..., Any], **options: Any) -> Derived:
    """The function form, with the options that differ from their defaults."""
    defaults = getattr(operator, "__kwdefaults__", None) or {}
    return Derived(operator, f, {k: v for k, v in options.items() if v is not defaults.get(k)})


def _name(f: Any) -> str:
    """The name of a function; ufuncs of NumPy 2.0 have no qualified one."""
    return str(getattr(f, "__qualname__", None) or getattr(f, "__name__", None) or repr(f))
