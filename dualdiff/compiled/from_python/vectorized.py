"""Functions made by ``numba.vectorize`` and ``numba.guvectorize``, called from Python with duals."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types, vectorize

from dualdiff.base.errors import NoRuleError, plain_target
from dualdiff.compiled.caching import compiled_beside
from dualdiff.compiled.operators import in_compiled_code
from dualdiff.compiled.patches import DUFunc, GUFunc, answer_gufuncs, declared_types, python_function
from dualdiff.core.application import Application, carried
from dualdiff.core.array import DualArray, operand
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.custom.custom_derivative import custom_derivative

_RULES: dict[Any, Callable[..., Any]] = {}
#: Ufuncs of others, which are not searched for a second time.
_OTHERS: set[np.ufunc] = set()


def rule_of(ufunc: Any, method: str) -> Callable[..., Any] | None:
    """The implementation for duals of a function made by Numba; None for any other ufunc."""
    if isinstance(ufunc, np.ufunc):
        if ufunc.signature is None or ufunc in _OTHERS:
            return None
        # What NumPy passes to duals is not the function that the user calls, and does not know it.
        owners = [r for r in gc.get_referrers(ufunc) if type(r) is GUFunc]
        if not owners:
            _OTHERS.add(ufunc)
            return None
        ufunc = owners[0]
    elif not isinstance(ufunc, (DUFunc, GUFunc)):
        return None
    if method != "__call__":
        return None
    if ufunc not in _RULES:
        _RULES[ufunc] = _elementwise(ufunc) if isinstance(ufunc, DUFunc) else Generalized(ufunc)
    return _without_options(ufunc, _RULES[ufunc])


def _without_options(ufunc: Any, rule: Callable[..., Any]) -> Callable[..., Any]:
    def implementation(*args: Any, **options: Any) -> Any:
        if set(options) - ({"out"} if isinstance(ufunc, GUFunc) else set()):
            raise NoRuleError(
                f"{ufunc.__name__}: with dual numbers it takes no {', '.join(options)}: apply np.where, or write into "
                "an array of duals, outside of it"
            )
        return rule(*args, **options)

    return implementation


# -- elementwise -------------------------------------------------------------------------------------------------------
def _elementwise(ufunc: Any) -> Callable[..., Any]:
    """A function of ``numba.vectorize``, whose partials are functions of ``numba.vectorize``."""
    scalar = njit(python_function(ufunc))
    return custom_derivative(ufunc, *(_partial(scalar, i, ufunc.nin) for i in range(ufunc.nin)))


def _partial(scalar: Any, place: int, count: int) -> Any:
    """The partial derivative with respect to one argument, made when it is needed."""
    made: list[Any] = []

    def partial(*args: Any) -> Any:
        if not made:
            names = [f"a{i}" for i in range(count)]
            others = [name for name in names if name != names[place]]
            first = compiled_beside(scalar, ", ".join([names[place], *others]), f"return f({', '.join(names)})")
            space = {"derivative": in_compiled_code.derivative, "f": first, "__name__": __name__}
            call = f"derivative(f, {', '.join([names[place], *others])})"
            exec(f"def partial({', '.join(names)}): return {call}", space)
            made.append(vectorize(_named(space["partial"], scalar.py_func.__name__)))
        return made[0](*args)

    return partial


def _named(function: Any, name: str) -> Any:
    """The function under the name that errors give it; that of a lambda function cannot be written."""
    function.__name__ = function.__qualname__ = name
    return function


# -- with core dimensions ----------------------------------------------------------------------------------------------
class Generalized:
    """A function of ``numba.guvectorize``: a compiled loop over the points, differentiated as any compiled function."""

    def __init__(self, gufunc: Any) -> None:
        self.gufunc, self.name = gufunc, gufunc.__name__
        builder = gufunc.gufunc_builder
        self.cores, self.results = gufunc.expected_ndims()
        if builder.writable_args or len(self.results) != 1:
            raise NoRuleError(
                f"{self.name}: a function of numba.guvectorize with several results or writable arguments is not "
                "differentiated: compile its Python function with numba.njit"
            )
        kinds = declared_types(gufunc)
        items = []
        for i, core in enumerate(self.cores):
            is_array = not core and i < len(kinds) and isinstance(kinds[i], types.Array)
            items.append(f"x{i}[i : i + 1]" if is_array else f"x{i}[i]")
        names = ", ".join(f"x{i}" for i in range(len(self.cores)))
        space = {"core": njit(builder.py_func), "__name__": builder.py_func.__module__}
        text = f"def loop({names}, out):\n    for i in range(len(out)):\n        core({', '.join(items)}, out[i])\n"
        exec(text, space)
        self.loop = njit(_named(space["loop"], self.name))

    def __call__(self, *args: Any, out: Any = None) -> Any:
        if len(args) > len(self.cores):
            *args, out = args
        target = out[0] if type(out) is tuple else out
        if target is None:
            return self._result(None, *map(operand, args))
        if not isinstance(target, DualArray):
            raise plain_target("the output array")
        target[...] = self._result(target, *map(operand, args))
        return target

    def _result(self, target: Any, *args: Any) -> Any:
        """The result, for an output array that is not written."""
        application = Application(*args)
        if application.space is None:
            if target is None or not self.gufunc.is_dynamic:
                return self.gufunc(*args)
            # Such a function is compiled for the type of its output.
            result = np.zeros(target.shape, target.dtype)
            self.gufunc(*args, result)
            return result
        value = self._result(target, *application.values)
        shape = np.shape(value)
        points = shape[: len(shape) - self.results[0]]
        given = []
        for a, n in zip(args, self.cores, strict=True):
            core = np.shape(a)[np.ndim(a) - n :]
            given.append(np.reshape(np.broadcast_to(a, (*points, *core)), (-1, *core)))
        like = next(a for a in args if isinstance(a, AnyDual))
        out = np.zeros((int(np.prod(points)), *(shape[len(points) :] or (1,))), like=like)
        self.loop(*given, out)
        return carried(application, value, np.reshape(out, shape))


def answer(gufunc: Any, args: Any, kwargs: Any) -> Any:
    """The result of a call with duals."""
    return rule_of(gufunc, "__call__")(*args, **kwargs)  # type: ignore[misc]


answer_gufuncs(lambda x: isinstance(x, AnyDual), answer)
