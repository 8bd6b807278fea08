"""What is compiled for functions with ``cache=True`` is kept on disk beside them, and loaded by the next process."""

from __future__ import annotations

import copy
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

from dualdiff.compiled.types import RULES


class CacheBeside(FunctionCache):  # type: ignore[misc]
    """The cache of a function that was written for another one; Numba's own needs a file with its text."""

    def __init__(self, py_func: Any, text: str, other: Any) -> None:
        self._name, self._py_func, self._text, self._other = repr(py_func), py_func, text, other
        # Numba's names for machine code have to differ from those of other drivers, which other processes cached.
        self._impl = copy.copy(other._impl)
        self._impl._filename_base = f"{other._impl.filename_base}-{py_func.__name__}"
        self._cache_path = other.cache_path
        stamp = other._impl.locator.get_source_stamp(), own_stamp()
        self._cache_file = IndexDataCacheFile(self._cache_path, self._impl.filename_base, stamp)
        self.enable()

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return self._text, self._other._index_key(sig, codegen)

    def _save_overload(self, sig: Any, data: Any) -> None:
        # What cannot be cached is compiled again, without the warning that it gives for functions of one's own.
        if not (data.lifted or data.library.has_dynamic_globals):
            super()._save_overload(sig, data)


@cache
def own_stamp() -> str:
    """What changes with the code and the rules that drivers are made of."""
    texts = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join([*texts, RULES.encode()])).hexdigest()


def compiled_beside(f: Any, arguments: str, body: str, names: dict[str, Any], nogil: bool = False) -> Any:
    """A function compiled from its text for another one, and cached if that is."""
    text = f"({arguments}):\n    {body}\n"
    function = f.py_func
    key = hashlib.sha256(f"{function.__module__} {function.__qualname__} {f.targetoptions} {nogil} {text}".encode())
    name = f"dualdiff_{key.hexdigest()[:16]}"
    namespace = {"__name__": __name__, **names}
    exec(compile(f"def {name}{text}", "<dualdiff>", "exec"), namespace)
    found = njit(nogil=nogil)(namespace[name])
    if isinstance(f._cache, FunctionCache):
        found._cache = CacheBeside(namespace[name], f"{name}{text}", f._cache)
    return found
