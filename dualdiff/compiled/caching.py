"""What compiled code was built from: the function, the functions it calls, the globals it uses, and dualdiff's sources.

That is the key of the drivers on disk: those of functions with ``cache=True`` are stored beside them for the next
process.  In the process it tells whether value and derivative are of one function, since Numba freezes functions and
globals in whatever it has compiled.
"""

from __future__ import annotations

import dis
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import njit

from dualdiff.compiled.operators.known import FunctionConstant
from dualdiff.compiled.patches import Dispatcher, before_compiling, cache_beside, extend_cache_keys
from dualdiff.compiled.refusals import refusal

#: Libraries whose functions change only with a new version, and are not part of the key.
LIBRARIES = {"dualdiff", "numba", "numpy", "scipy", "math"}
#: Numba refers to larger global arrays by their address, so that it sees later writes, and caches no such code.
FROZEN_BYTES = 10**6
#: What the names of the functions that this package compiles beside the user's begin with.
DRIVER = "dualdiff_"


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
        self.dispatchers: list[Any] = []
        self.has_dualdiff = self.has_draws = False
        self._seen: set[int] = set()
        if isinstance(function, FunctionType):
            self._add_code_of(function)
        else:
            self._add(function)

    def digest(self) -> str:
        """A hash that is the same in every process."""
        return hashlib.sha256("\n".join(self.texts).encode()).hexdigest()

    def _add(self, value: Any) -> None:
        if isinstance(value, FunctionConstant):
            value = value.dispatcher
        if isinstance(value, Dispatcher):
            self.dispatchers.append(value)
            self.texts.append(str(value.targetoptions))
            self._add_code_of(value.py_func)
            return
        module = str(getattr(value, "__module__", ""))
        # NumPy's own functions for draws are methods of a generator.
        self.has_draws |= "random" in f"{module} {type(getattr(value, '__self__', None)).__module__}"
        library = module.partition(".")[0]
        self.has_dualdiff |= library == "dualdiff"
        if isinstance(value, FunctionType) and library not in LIBRARIES:
            self._add_code_of(value)
        elif isinstance(value, tuple):
            for item in value:
                self._add(item)
        elif issubclass(type(value), np.ndarray):
            is_frozen = value.nbytes <= FROZEN_BYTES
            content = hashlib.sha256(value.tobytes()).hexdigest() if is_frozen else id(value)
            self.texts.append(f"{value.dtype} {value.shape} {content}")
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
        loaded: set[str] = set()
        for code in _codes(function.__code__):
            constants = [c for c in code.co_consts if not isinstance(c, CodeType)]
            self.texts.append(f"{code.co_code.hex()} {constants} {code.co_names} {code.co_varnames}")
            names += code.co_names
            loaded |= {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
        for cell in function.__closure__ or ():
            self._add(cell.cell_contents)
        self.has_draws |= "random" in names
        # Other names are attributes: those of modules may be functions that are compiled in; the rest add nothing.
        spaces = [function.__globals__]
        for space in spaces:
            for name in names if space is not function.__globals__ else filter(loaded.__contains__, names):
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


def _note_sources(dispatcher: Any, kinds: Any) -> None:
    """Note what a function is compiled from; refuse to compile it for duals from other sources than before."""
    if str(dispatcher.py_func.__module__).partition(".")[0] in LIBRARIES:
        return
    sources, known = Sources(dispatcher), vars(dispatcher).setdefault("_dualdiff_sources", set())
    # A function that it calls may be compiled already, from what is no longer there.
    known |= {
        sources.digest(),
        *(f"{d} as it was" for d in sources.dispatchers if d is not dispatcher and _is_stale(d)),
    }
    if len(known) > 1:
        forget(dispatcher)
    if "Dual(" in str(kinds) and (reason := changed(sources)):
        raise refusal(TypeError, reason)


def _is_stale(dispatcher: Any) -> bool:
    """Whether a function was compiled from other sources than there are now."""
    known = getattr(dispatcher, "_dualdiff_sources", None)
    return bool(known) and known != {Sources(dispatcher).digest()}


def changed(sources: Sources) -> str:
    """The reason not to compile derivatives if one of the functions was compiled from other sources than there are."""
    for dispatcher in reversed(sources.dispatchers):
        if _is_stale(dispatcher):
            name = dispatcher.py_func.__qualname__
            return (
                f"{name} was compiled before something in it changed (a function that it calls, a global variable), "
                "which Numba keeps as it was, so that the derivative would be that of another function; call "
                f"{name}.recompile()"
            )
    return ""


def forget(f: Any) -> None:
    """Drop the drivers of a function: they embed its code and that of the functions it calls."""
    for name in "_dualdiff", "_dualdiff_at_float":
        vars(f).pop(name, None)


def compiled_beside(f: Any, arguments: str, body: str, names: dict[str, Any] | None = None, nogil: bool = False) -> Any:
    """A function that calls f, compiled from its text, and cached on disk if f is."""
    text = f"({arguments}):\n    {body}\n"
    namespace = {"f": FunctionConstant(f), **(names or {}), "__name__": __name__}
    exec(compile(f"def driver{text}", "<dualdiff>", "exec"), namespace)
    function = namespace["driver"]
    sources = Sources(function)
    if reason := changed(sources):
        raise TypeError(reason)
    place = hashlib.sha256(f"{f.targetoptions} {nogil} {text}".encode()).hexdigest()[:16]
    # Numba's symbol names must differ from those of other functions that other processes cached.
    origin = f"{f.py_func.__module__} {f.py_func.__qualname__} {place} {sources.digest()}"
    function.__name__ = function.__qualname__ = f"{DRIVER}{hashlib.sha256(origin.encode()).hexdigest()[:16]}"
    driver = njit(nogil=nogil, no_cfunc_wrapper=True)(function)
    cache_beside(driver, f, place, source_version(), lambda function: Sources(function).digest())
    return driver


def _sources_if_derived(function: Any, sig: Any) -> tuple[str, ...]:
    """The rest of the key for a function that derivatives are compiled into."""
    sources = Sources(function)
    return (source_version(), sources.digest()) if sources.has_dualdiff or "Dual(" in str(sig) else ()


extend_cache_keys(_sources_if_derived)
before_compiling(_note_sources)
