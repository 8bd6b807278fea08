"""Memory that is freed stays with the process, so that large arrays are not paged in again and again."""

from __future__ import annotations

import os

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
