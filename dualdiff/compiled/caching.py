"""The on-disk cache of drivers: those of functions with ``cache=True`` are stored beside them for the next process.

The key covers everything that the machine code was built from: the function, the functions it calls, and dualdiff's
sources.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import njit

from dualdiff.compiled.operators.known import FunctionConstant
from dualdiff.compiled.patches import Dispatcher, cache_beside, extend_cache_keys

#: Libraries whose functions change only with a new version, and are not part of the key.
LIBRARIES = {"dualdiff", "numba", "numpy", "scipy", "math"}


@cache
def source_version() -> str:
    """A hash of the sources from which derivatives are compiled."""
    package = Path(__file__).parent.parent
    paths = sorted(path for part in ("compiled", "rules") for path in (package / part).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


class Sources:
    """What a function is compiled from: its code and that of the functions it calls, wherever they are defined."""

    def __init__(self, function: Any) -> None:
        self.texts: list[str] = []
        self.has_dualdiff = False
        self._seen: set[int] = set()
        self._add_code_of(function)

    def digest(self) -> str:
        """A hash that is the same in every process."""
        return hashlib.sha256("\n".join(self.texts).encode()).hexdigest()

    def _add(self, value: Any) -> None:
        if isinstance(value, FunctionConstant):
            value = value.dispatcher
        if isinstance(value, Dispatcher):
            self.texts.append(str(value.targetoptions))
            self._add_code_of(value.py_func)
            return
        module = str(getattr(value, "__module__", ""))
        library = module.partition(".")[0]
        self.has_dualdiff |= library == "dualdiff"
        if isinstance(value, FunctionType) and library not in LIBRARIES:
            self._add_code_of(value)
        elif isinstance(value, tuple):
            for item in value:
                self._add(item)
        elif issubclass(type(value), np.ndarray):
            self.texts.append(f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}")
        elif issubclass(type(value), (bool, int, float, complex, str, bytes, np.generic)):
            self.texts.append(repr(value))
        else:
            name = getattr(value, "__qualname__", type(value).__qualname__)
            self.texts.append(f"{module} {name} {getattr(value, '_fields', '')}")

    def _add_code_of(self, function: Any) -> None:
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        names: list[str] = []
        for code in _codes(function.__code__):
            constants = [c for c in code.co_consts if not isinstance(c, CodeType)]
            self.texts.append(f"{code.co_code.hex()} {constants} {code.co_names} {code.co_varnames}")
            names += code.co_names
        for cell in function.__closure__ or ():
            self._add(cell.cell_contents)
        # Names may be attributes: those of modules may be functions that are compiled in; others add nothing.
        spaces = [function.__globals__]
        for space in spaces:
            for name in names:
                value = space.get(name)
                if isinstance(value, ModuleType):
                    self.has_dualdiff |= value.__name__.partition(".")[0] == "dualdiff"
                    if not any(vars(value) is known for known in spaces):
                        spaces.append(vars(value))
                elif name in space:
                    self._add(value)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of the functions nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def compiled_beside(f: Any, arguments: str, body: str, names: dict[str, Any] | None = None, nogil: bool = False) -> Any:
    """A function that calls f, compiled from its text, and cached on disk if f is."""
    text = f"({arguments}):\n    {body}\n"
    namespace = {"f": FunctionConstant(f), **(names or {}), "__name__": __name__}
    exec(compile(f"def driver{text}", "<dualdiff>", "exec"), namespace)
    function = namespace["driver"]
    place = hashlib.sha256(f"{f.targetoptions} {nogil} {text}".encode()).hexdigest()[:16]
    # Numba's symbol names must differ from those of other functions that other processes cached.
    origin = f"{f.py_func.__module__} {f.py_func.__qualname__} {place} {Sources(function).digest()}"
    function.__name__ = function.__qualname__ = f"dualdiff_{hashlib.sha256(origin.encode()).hexdigest()[:16]}"
    driver = njit(nogil=nogil)(function)
    cache_beside(driver, f, place, source_version(), lambda function: Sources(function).digest())
    return driver


def _sources_if_derived(function: Any, sig: Any) -> tuple[str, ...]:
    """The rest of the key for a function that derivatives are compiled into."""
    sources = Sources(function)
    return (source_version(), sources.digest()) if sources.has_dualdiff or "Dual(" in str(sig) else ()


extend_cache_keys(_sources_if_derived)
