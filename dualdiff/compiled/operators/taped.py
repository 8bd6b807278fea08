"""Reverse mode for compiled functions: when it is taken, how long a tape is, and what to do where it does not fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config

from dualdiff.base.errors import NoRuleError
from dualdiff.base.memory import physical_memory
from dualdiff.compiled.operators.drivers import driver_of, memoized
from dualdiff.compiled.operators.pulls import cotangents_of, tangents_along
from dualdiff.compiled.operators.widths import HESSIAN_WIDTH, WIDTH
from dualdiff.compiled.patches import is_of_compiler
from dualdiff.compiled.refusals import REMEDY
from dualdiff.core.containers import flatten
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.inputs import ALONG
from dualdiff.drivers.run.outputs import copied

#: The driver of each operator in reverse mode, and the bytes of an entry with its cotangent.
DRIVERS = {"gradient": "pull", "jacobian": "pull_rows", "hessian": "pull_hessian", "hvp": "pull_along"}
BYTES = {"gradient": 32, "jacobian": 32, "hvp": 56, "hessian": 32 + 24 * HESSIAN_WIDTH}

#: "auto" takes forward mode if the tape would need more than this for each element of x: then f takes many steps
#: between few elements, which forward mode does without memory.
BYTES_PER_ELEMENT = 2**20
#: "auto" takes forward mode for a gradient if this number of passes is enough.
PASSES = 2
#: Up to this number of elements, "auto" computes second derivatives forward over forward.
SECOND_FORWARD_UP_TO = 8
#: A sweep of the tape for one row of a Jacobian takes the time of forward passes for about this number of columns.
COLUMNS_PER_ROW = 48
#: Places are 32-bit integers.
PLACES = 2**31 - 1


class Length:
    """What is known about the length of the tapes of a function."""

    def __init__(self) -> None:
        self.per_element, self.longest = 8.0, 0
        #: The capacity for each size of x in earlier calls.
        self.known: dict[int, int] = {}

    def expected(self, size: int) -> int:
        """The capacity of the next tape."""
        if size not in self.known:
            if len(self.known) > 100:
                self.known.clear()
            self.known[size] = int(min(self.per_element * size, 4.0 * max(self.longest, 8 * size))) + 64
        return self.known[size]

    def note(self, entries: int, size: int) -> None:
        """Note the length of a tape."""
        self.known.clear()
        self.longest = max(self.longest, entries)
        self.per_element = max(self.per_element, 1.0625 * entries / max(size, 1))


@memoized
def length_of(f: Any, argnum: int) -> Length:
    """What is known about the tapes of a function."""
    return Length()


@memoized
def refused(f: Any, argnum: int) -> set[str]:
    """The operators that do not compile in reverse mode, by this function alone."""
    return set()


def takes_reverse(call: Any, name: str, mode: str, chunk_size: int | None, parallel: bool) -> bool:
    """Whether an operator takes reverse mode at an array: "auto" where that is faster."""
    if name not in DRIVERS or mode != "auto":
        return name in DRIVERS and mode == "reverse"
    size: int = call.x.size
    if chunk_size is not None or name in refused(call.f, call.argnum):
        return False
    if length_of(call.f, call.argnum).per_element * BYTES[name] > 1.0625 * BYTES_PER_ELEMENT:
        return False
    if name in ("hessian", "hvp"):
        return size > SECOND_FORWARD_UP_TO
    if name == "gradient":
        return size > PASSES * WIDTH * (config.NUMBA_NUM_THREADS if parallel else 1)
    return size > 2 * COLUMNS_PER_ROW and size > COLUMNS_PER_ROW * (1 + results_of(call))


def results_of(call: Any) -> int:
    """The number of elements of f(x)."""
    return sum(map(np.size, flatten(call.f(*map(copied, call.args)))[0]))


def evaluated(call: Any, name: str, mode: str) -> Any:
    """The results of an operator in reverse mode; None where forward mode must be taken."""
    try:
        return _evaluated(call, name, mode)
    except Exception as error:
        if mode == "reverse" or not is_of_compiler(error):
            raise
    refused(call.f, call.argnum).add(name)
    return None


def _evaluated(call: Any, name: str, mode: str) -> Any:
    size, leading = call.x.size, 2 if name in ALONG else 1
    most = min(physical_memory() // 2 // BYTES[name], PLACES - size)
    if mode == "auto":
        most = min(most, BYTES_PER_ELEMENT * size // BYTES[name])
    is_first = name in ("gradient", "jacobian")
    for masked in (False, True) if is_first else (False,):
        driver = driver_of(call.f, DRIVERS[name], call.argnum, 0, masked)
        answer = _with_room(driver, call.args[:leading], call.args[leading:], length_of(call.f, call.argnum), most)
        if type(answer) is int:
            if mode == "auto":
                return None
            raise _too_long(call, answer, most, BYTES[name])
        result, has_nan = answer
        if not has_nan:
            return result
    # Second derivatives at singular points are settled forward over forward.
    return result if is_first else None


def _with_room(driver: Any, leading: Any, others: Any, length: Length, most: int) -> Any:
    """The results of a driver on a tape that is long enough, and whether they have a NaN; the length if too long."""
    size = np.size(leading[0])
    while True:
        capacity = min(length.expected(size), most)
        result, has_nan, entries = driver(*leading, capacity, *others)
        if entries <= capacity:
            return result, has_nan
        length.note(entries, size)
        if entries > most:
            return entries


def _too_long(call: Any, entries: int, most: int, size: int) -> MemoryError:
    return MemoryError(
        f"{call.operator}: reverse mode records {entries:.3g} steps of {call.source.py_func.__name__}, "
        f"{entries * size / 2**30:.3g} GiB, but at most {most:.3g} steps have room (half of the memory): use "
        "mode='forward', which records nothing, or differentiate parts of f one after the other"
    )


class Tape:
    """A recorded run of a compiled function as a linear program, which `Linear` pushes and pulls."""

    def __init__(self, call: Any) -> None:
        most = min(physical_memory() // 2 // BYTES["gradient"], PLACES)
        driver = driver_of(call.f, "pull_map", call.argnum, 0, True)
        result = _with_room(driver, call.args[:1], call.args[1:], length_of(call.f, call.argnum), most)
        if type(result) is int:
            raise _too_long(call, result, most, BYTES["gradient"])
        (self.value, self.nodes, self._places, *self._outputs), _ = result
        self._shapes, self._size = call.shapes, int(np.size(call.x))
        leaves, self.rebuild = flatten(self.value)
        self.results = leaves

    def push(self, tangents: list[Any]) -> list[Any]:
        """The tangents of the results, given those of the inputs."""
        places, coefficients = self._outputs
        along = tangents_along(self._flat(tangents), self.nodes, self._places)
        result = np.where(places < 0, 0.0, along[places] if along.size else 0.0)
        with np.errstate(all="ignore"):
            return self._parts(np.where(result == 0, 0.0, result * coefficients), list(map(np.shape, self.results)))

    def pull(self, cotangents: list[Any]) -> list[Any]:
        """The cotangents of the inputs, given those of the results."""
        result = cotangents_of(self._flat(cotangents), *self._outputs, self.nodes, self._places, self._size)
        return self._parts(result, self._shapes)

    def _flat(self, leaves: list[Any]) -> Any:
        if any(isinstance(leaf, AnyDual) for leaf in leaves):
            raise NoRuleError(f"a linear map of a compiled function takes no dual numbers; {REMEDY}")
        return np.concatenate([np.empty(0), *(np.ravel(leaf) for leaf in leaves)])

    def _parts(self, flat: Any, shapes: list[Any]) -> list[Any]:
        ends = np.cumsum(list(map(math.prod, shapes)))[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)]


def quick(call: Any, name: str) -> Callable[..., Any]:
    """The driver for the fast path: like one of forward mode, where the tape fits and there is no NaN."""
    driver, length = driver_of(call.f, DRIVERS[name], 0, 0, False), length_of(call.f, 0)

    def run(x: Any, *others: Any) -> Any:
        capacity = length.expected(x.size)
        result, has_nan, entries = driver(x, capacity, *others)
        return result, has_nan or entries > capacity

    def run_along(x: Any, v: Any, *others: Any) -> Any:
        capacity = length.expected(x.size)
        result, has_nan, entries = driver(x, v, capacity, *others)
        return result, has_nan or entries > capacity

    return run_along if name in ALONG else run
