"""The compiled drivers of a function: built on first use, stored with the function, run on one or several threads.

A driver seeds, runs f chunk by chunk, and extracts the derivative.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import config

from dualdiff.compiled.caching import compiled_beside
from dualdiff.compiled.operators import in_compiled_code, pulls

#: The parameters of each driver before f's other arguments, and the expression it returns, the derivative last.
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
    "pull": ("x, capacity", "pull_core(f, x, args, capacity, {masked})"),
    "pull_rows": ("x, capacity", "pull_rows_core(f, x, args, capacity, {masked})"),
    "pull_map": ("x, capacity", "record_core(f, x, args, capacity, {masked})"),
    "pull_along": ("x, v, capacity", "pull_along_core(f, x, v, args, capacity, {masked})"),
    "pull_hessian": ("x, capacity", "pull_hessian_core(f, x, args, capacity, {masked})"),
}


def memoized(make: Callable[..., Any]) -> Callable[..., Any]:
    """Memoize what is compiled for a function and a key, in an attribute of the function."""

    def find(f: Any, *key: Any) -> Any:
        try:
            return f._dualdiff[make.__name__, *key]
        except AttributeError:
            f._dualdiff = {}
        except KeyError:
            pass
        result = f._dualdiff[make.__name__, *key] = make(f, *key)
        return result

    return find


@memoized
def driver_of(f: Any, name: str, argnum: int, width: int, masked: bool, nogil: bool = False) -> Any:
    """The compiled driver, a function of its parameters and f's other arguments, which also reports a NaN.

    In reverse mode it reports the number of entries on the tape, too.
    """
    arguments, expression = DRIVERS[name]
    call = expression.format(width=width, masked=masked)
    has_nan = False if masked else "any_nan(result[-1])"
    body = f"result = {call}; return result, {has_nan}"
    if name.startswith("pull"):
        body = f"result = {call}; return result[1:], {has_nan}, result[0]"
    cores = vars(pulls if name.startswith("pull") else in_compiled_code)
    names = {"any_nan": in_compiled_code.any_nan, **cores}
    return compiled_beside(with_first(f, argnum), f"{arguments}, *args", body, names, nogil)


@memoized
def slope_of(f: Any) -> Any:
    """A driver that returns only the derivative of a scalar-valued f at a float."""
    names = {"core": in_compiled_code.derivative_core}
    return compiled_beside(with_first(f, 0), "x, *args", "return core(f, x, args, False)[1]", names)


def reorders(f: Any) -> bool:
    """Whether Numba may reorder the arithmetic of f, which it does not do with duals."""
    return bool(f.targetoptions.get("parallel") or f.targetoptions.get("fastmath"))


@memoized
def with_first(f: Any, argnum: int) -> Any:
    """f with the differentiated argument first."""
    if argnum == 0:
        return f
    others = "".join(f"a{i}, " for i in range(argnum))
    return compiled_beside(f, f"x, {others}*rest", f"return f({others}x, *rest)")


@memoized
def of_tuple(f: Any, places: tuple[int, ...]) -> Any:
    """f with the tuple of the arguments at these positions as its first argument."""
    arguments = [f"a{i}" for i in range(max(places) + 1) if i not in places]
    given = iter(arguments)
    parts = [f"x[{places.index(i)}]" if i in places else next(given) for i in range(max(places) + 1)]
    body = f"return f({', '.join(parts)}, *rest)"
    return compiled_beside(with_first(f, 0), ", ".join(["x", *arguments, "*rest"]), body)


@memoized
def without_aux(f: Any) -> Any:
    """f without aux: the first item of the pair that it returns."""
    return compiled_beside(f, "*args", "return f(*args)[0]")


@memoized
def of_flat(f: Any, argnum: int, nesting: str, kinds: tuple[type, ...]) -> Any:
    """f as a function of a flat array, the layout of its parts, and f's other arguments."""
    names = {"np": np, **{f"kind{i}": kind for i, kind in enumerate(kinds)}}
    return compiled_beside(with_first(f, argnum), "x, layout, *rest", f"return f({nesting}, *rest)", names)


@memoized
def derivative_as_function(f: Any, argnum: int) -> Any:
    """The derivative as a compiled function of f's arguments, the differentiated one first."""
    names = {"derivative": in_compiled_code._derivative}
    result = compiled_beside(with_first(f, argnum), "x, *args", "return derivative(f, x, args)[1]", names)
    result.py_func.__name__ = f.py_func.__name__  # for messages
    return result


def evaluated(f: Any, name: str, argnum: int, width: int, args: tuple[Any, ...]) -> Any:
    """The results of a driver."""
    result, has_nan = driver_of(f, name, argnum, width, False)(*args)
    if has_nan:
        # The masked driver lets zero tangents contribute zero; it is slower and seldom needed.
        result, _ = driver_of(f, name, argnum, width, True)(*args)
    return result


def spread(f: Any, name: str, argnum: int, width: int, pieces: list[tuple[Any, ...]]) -> list[Any]:
    """The results of a driver for each of the pieces, one thread per piece."""

    def run(masked: bool) -> list[Any]:
        driver = driver_of(f, name, argnum, width, masked, True)
        if len(pieces) == 1:
            return [driver(*pieces[0])]
        # A pool for this call: unlike Numba's threads, it works when several threads call, and after a fork.
        with ThreadPoolExecutor(len(pieces)) as pool:
            others = [pool.submit(driver, *piece) for piece in pieces[1:]]
            return [driver(*pieces[0]), *(other.result() for other in others)]

    pairs = run(False)
    if any(has_nan for _, has_nan in pairs):
        pairs = run(True)
    return [result for result, _ in pairs]


def ranges(total: int, step: int, triangular: bool = False) -> list[tuple[int, int]]:
    """A range split among the threads in multiples of the step; columns of a triangle into parts of equal area."""
    steps, threads = -(-total // step), config.NUMBA_NUM_THREADS
    shares = [k / threads for k in range(threads + 1)]
    bounds = [min(total, step * round(steps * (1 - math.sqrt(1 - s) if triangular else s))) for s in shares]
    return [(start, stop) for start, stop in itertools.pairwise(bounds) if start < stop]
