"""The compiled drivers of a function: made when they are first needed, kept with it, run by one thread or several.

A driver seeds, runs f chunk by chunk, and reads the derivative off.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any

import numpy as np
from numba import config, jit
from numba.core.dispatcher import Dispatcher

from dualdiff.compiled.caching import compiled_beside
from dualdiff.compiled.operators import in_compiled_code
from dualdiff.compiled.operators.known import FunctionConstant

#: What compiled drivers take before f's other arguments, and what they return, the derivative last.
DRIVERS = {
    "derivative": ("x", "derivative_core(f, x, args, {masked})"),
    "points": ("x, values, slopes", "(points_core(f, x, args, values, slopes, {masked}),)"),
    "gradient": ("x", "shaped(gradient_core(f, x, args, {width}, {masked}, 0, x.size), x)"),
    "gradient_part": ("x, start, stop", "gradient_core(f, x, args, {width}, {masked}, start, stop)"),
    "jacobian": ("x", "shaped(jacobian_core(f, x, args, {width}, {masked}, None, 0, x.size), x)"),
    "jacobian_part": ("x, start, stop", "jacobian_core(f, x, args, {width}, {masked}, None, start, stop)"),
    "along": ("x, places, stop", "jacobian_core(f, x, args, {width}, {masked}, places, 0, stop)"),
    "entries": (
        "x, places, probe, last, pattern, rounding",
        "entries_core(f, x, args, {width}, {masked}, places, probe, last, pattern, rounding)",
    ),
    "hessian": ("x", "square(hessian_core(f, x, args, {masked}, 0, x.size), x)"),
    "hessian_part": ("x, start, stop", "hessian_core(f, x, args, {masked}, start, stop)"),
    "jvp": ("x, v", "jvp_core(f, x, v, args, {masked})"),
    "hvp": ("x, v", "hvp_core(f, x, v, args, {width}, {masked})"),
    "slope": ("x", "slope_core(f, x, args, {masked})"),
    "second": ("x", "second_core(f, x, args, {masked})"),
    "second_along": ("x, v", "second_along_core(f, x, v, args, {masked})"),
}


def kept(make: Callable[..., Any]) -> Callable[..., Any]:
    """What is compiled for a function and these other arguments, kept with the function."""

    def find(f: Any, *key: Any) -> Any:
        try:
            return f._dualdiff[make.__name__, *key]
        except AttributeError:
            f._dualdiff = {}
        except KeyError:
            pass
        found = f._dualdiff[make.__name__, *key] = make(f, *key)
        return found

    return find


def _forget_when_recompiled() -> None:
    # Drivers hold the code that f had when they were made, with that of the functions it calls.
    recompile = Dispatcher.recompile

    @wraps(recompile)
    def recompile_without_drivers(self: Any) -> None:
        for name in "_dualdiff", "_dualdiff_at_float":
            vars(self).pop(name, None)
        self._dualdiff_recompiled = getattr(self, "_dualdiff_recompiled", 0) + 1
        recompile(self)

    Dispatcher.recompile = recompile_without_drivers


_forget_when_recompiled()


@kept
def driver_of(f: Any, name: str, argnum: int, width: int, masked: bool, nogil: bool = False) -> Any:
    """A compiled function of what the driver takes and f's other arguments; it also says whether there is a NaN."""
    arguments, expression = DRIVERS[name]
    found = expression.format(width=width, masked=masked)
    has_nan = False if masked else "any_nan(found[-1])"
    body = f"found = {found}; return found, {has_nan}"
    return compiled_beside(with_first(f, argnum), f"{arguments}, *args", body, vars(in_compiled_code), nogil)


@kept
def slope_of(f: Any) -> Any:
    """The derivative at a float alone, where it is a number."""
    names = {"core": in_compiled_code.derivative_core}
    return compiled_beside(with_first(f, 0), "x, *args", "return core(f, x, args, False)[1]", names)


def reorders(f: Any) -> bool:
    """Whether f may compute in another order than it is written in, which duals do not."""
    return bool(f.targetoptions.get("parallel") or f.targetoptions.get("fastmath"))


@kept
def with_first(f: Any, argnum: int) -> Any:
    """f as a function whose first argument is the one that is differentiated, run by one thread."""
    names = {}
    if reorders(f):
        # Numba's loops over several threads know its own numbers alone, and fast ones know no NaN.
        names["f"] = FunctionConstant(jit(**{**f.targetoptions, "parallel": False, "fastmath": False})(f.py_func))
    elif argnum == 0:
        return f
    others = "".join(f"a{i}, " for i in range(argnum))
    return compiled_beside(f, f"x, {others}*rest", f"return f({others}x, *rest)", names)


@kept
def of_tuple(f: Any, places: tuple[int, ...]) -> Any:
    """f as a function whose first argument is the tuple of those at these places."""
    arguments = [f"a{i}" for i in range(max(places) + 1) if i not in places]
    given = iter(arguments)
    parts = [f"x[{places.index(i)}]" if i in places else next(given) for i in range(max(places) + 1)]
    body = f"return f({', '.join(parts)}, *rest)"
    return compiled_beside(with_first(f, 0), ", ".join(["x", *arguments, "*rest"]), body)


@kept
def without_aux(f: Any) -> Any:
    """The first of the pair that f returns."""
    return compiled_beside(f, "*args", "return f(*args)[0]")


@kept
def of_flat(f: Any, argnum: int, nesting: str, kinds: tuple[type, ...]) -> Any:
    """f of a flat array, of where its parts are, and of f's other arguments."""
    names = {"np": np, **{f"kind{i}": kind for i, kind in enumerate(kinds)}}
    return compiled_beside(with_first(f, argnum), "x, layout, *rest", f"return f({nesting}, *rest)", names)


@kept
def derivative_as_function(f: Any, argnum: int) -> Any:
    """The derivative as a compiled function with f's arguments, the one that is differentiated first."""
    names = {"derivative": in_compiled_code._derivative}
    found = compiled_beside(with_first(f, argnum), "x, *args", "return derivative(f, x, args)[1]", names)
    found.py_func.__name__ = f.py_func.__name__  # for messages
    return found


def evaluated(f: Any, name: str, argnum: int, width: int, args: tuple[Any, ...]) -> Any:
    """What a driver finds."""
    found, has_nan = driver_of(f, name, argnum, width, False)(*args)
    if has_nan:
        # Once more with zero tangents contributing zero, which costs time and is seldom needed.
        found, _ = driver_of(f, name, argnum, width, True)(*args)
    return found


def spread(f: Any, name: str, argnum: int, width: int, pieces: list[tuple[Any, ...]]) -> list[Any]:
    """What a driver finds for each of the pieces, one for each thread."""

    def run(masked: bool) -> list[Any]:
        driver = driver_of(f, name, argnum, width, masked, True)
        if len(pieces) == 1:
            return [driver(*pieces[0])]
        # Threads of this call alone: unlike Numba's, they may be used by several threads, and after a fork.
        with ThreadPoolExecutor(len(pieces)) as pool:
            others = [pool.submit(driver, *piece) for piece in pieces[1:]]
            return [driver(*pieces[0]), *(other.result() for other in others)]

    found = run(False)
    if any(has_nan for _, has_nan in found):
        found = run(True)
    return [result for result, _ in found]


def ranges(total: int, step: int, triangular: bool = False) -> list[tuple[int, int]]:
    """Parts of a range for each thread to take, in whole steps; of a triangle's columns such as are equally large."""
    steps, threads = -(-total // step), config.NUMBA_NUM_THREADS
    shares = [k / threads for k in range(threads + 1)]
    bounds = [min(total, step * round(steps * (1 - math.sqrt(1 - s) if triangular else s))) for s in shares]
    return [(start, stop) for start, stop in itertools.pairwise(bounds) if start < stop]
