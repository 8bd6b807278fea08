"""Memory: what is freed stays with the process, what the machine has, and what an object holds."""

from __future__ import annotations

import os
from functools import partial
from types import CellType, FunctionType, MethodType, NoneType
from typing import Any

import numpy as np

#: Just below the largest block, 32 MiB, to which glibc adapts.
LARGEST = 2**25 - 2**16


def keep_freed_memory() -> None:
    """Allocate and free a large block once, without touching it.

    The C library of Linux takes blocks that are larger than any freed so far directly from the system, and returns
    memory to it as soon as twice as much as that is free.  Programs whose arrays take some hundred kilobytes then page
    in all of them at each call, which costs up to ten times as much as the arithmetic.  Once a block of this size was
    freed, as in any program with large arrays, up to 64 MiB stay with the process.  The variables
    MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ of the environment take precedence; with other C libraries this
    has no effect.
    """
    np.empty(LARGEST, np.uint8)


def physical_memory() -> int:
    """The bytes of memory of this machine; 4 GiB where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**32


def bytes_held(root: Any) -> int:
    """The memory of all arrays that an object of this package refers to, each counted once."""
    seen: dict[int, Any] = {}
    todo, total = [root], 0
    while todo:
        thing = todo.pop()
        kind = type(thing)
        if id(thing) in seen or kind in _WITHOUT:
            continue
        seen[id(thing)] = thing
        if issubclass(kind, np.ndarray):
            base = thing.base
            total += 0 if issubclass(type(base), np.ndarray) else thing.nbytes
            todo.append(base)
        elif issubclass(kind, (list, tuple, set)):
            todo.extend(thing)
        elif issubclass(kind, dict):
            todo.extend(thing.values())
        elif kind is FunctionType:
            todo.extend(cell.cell_contents for cell in thing.__closure__ or () if cell != _EMPTY)
        elif kind is MethodType:
            todo.append(thing.__self__)
        elif kind is partial:
            todo += [thing.func, thing.args, thing.keywords]
        elif kind.__module__.partition(".")[0] == "dualdiff":
            todo.append(getattr(thing, "__dict__", None))
            names = (name for base in kind.__mro__ for name in getattr(base, "__slots__", ()))
            todo.extend(getattr(thing, name, None) for name in names if name != "__weakref__")
    return total


def readable(size: float) -> str:
    """A number of bytes with a unit."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


_WITHOUT = frozenset({NoneType, int, float, complex, bool, str, np.dtype, type})
_EMPTY = CellType()
