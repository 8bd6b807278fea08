"""Functions made by ``numba.vectorize`` and ``numba.guvectorize``, called from Python with duals."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types, vectorize

from dualdiff.base.errors import NoRuleError, plain_target
from dualdiff.compiled.caching import compiled_beside
from dualdiff.compiled.from_python.kernel_calls import draws, random_draws
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
    if draws(scalar):
        raise random_draws(ufunc.__name__)
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
        if builder.writable_args:
            raise NoRuleError(
                f"{self.name}: a function of numba.guvectorize with writable arguments is not differentiated: let it "
                "write into a result, or compile its Python function with numba.njit"
            )
        kinds = declared_types(gufunc)
        items = []
        for i, core in enumerate(self.cores):
            is_array = not core and i < len(kinds) and isinstance(kinds[i], types.Array)
            items.append(f"x{i}[i : i + 1]" if is_array else f"x{i}[i]")
        outs = [f"out{i}" for i in range(len(self.results))]
        names = ", ".join([*(f"x{i}" for i in range(len(self.cores))), *outs])
        items += [f"{out}[i]" for out in outs]
        space = {"core": njit(builder.py_func), "__name__": builder.py_func.__module__}
        text = f"def loop({names}):\n    for i in range(len(out0)):\n        core({', '.join(items)})\n"
        exec(text, space)
        self.loop = njit(_named(space["loop"], self.name))

    def __call__(self, *args: Any, out: Any = None) -> Any:
        count = len(self.cores)
        targets = args[count:] or (out if type(out) is tuple else (out,))
        targets += (None,) * (len(self.results) - len(targets))
        if not all(target is None or isinstance(target, DualArray) for target in targets):
            raise plain_target("the output array")
        results = self._results(targets, *map(operand, args[:count]))
        for target, one in zip(targets, results, strict=True):
            if target is not None:
                target[...] = one
        results = tuple(one if target is None else target for target, one in zip(targets, results, strict=True))
        return results if len(results) > 1 else results[0]

    def _results(self, targets: tuple[Any, ...], *args: Any) -> tuple[Any, ...]:
        """The results, for output arrays that are not written."""
        application = Application(*args)
        if application.space is None:
            if all(target is None for target in targets) or not self.gufunc.is_dynamic:
                results = self.gufunc(*args)
                return results if type(results) is tuple else (results,)
            # Such a function is compiled for the types of its outputs, which are all given.
            results = tuple(np.zeros(target.shape, target.dtype) for target in targets)
            self.gufunc(*args, *results)
            return results
        values = self._results(targets, *application.values)
        shapes = [np.shape(value) for value in values]
        points = shapes[0][: len(shapes[0]) - self.results[0]]
        given = []
        for a, n in zip(args, self.cores, strict=True):
            core = np.shape(a)[np.ndim(a) - n :]
            given.append(np.reshape(np.broadcast_to(a, (*points, *core)), (-1, *core)))
        like = next(a for a in args if isinstance(a, AnyDual))
        outs = [np.zeros((int(np.prod(points)), *(shape[len(points) :] or (1,))), like=like) for shape in shapes]
        self.loop(*given, *outs)
        return tuple(
            carried(application, value, np.reshape(out, shape))
            for value, out, shape in zip(values, outs, shapes, strict=True)
        )


def answer(gufunc: Any, args: Any, kwargs: Any) -> Any:
    """The result of a call with duals."""
    return rule_of(gufunc, "__call__")(*args, **kwargs)  # type: ignore[misc]


answer_gufuncs(lambda x: isinstance(x, AnyDual), answer)
