"""The option `workers`: who computes the pieces of a job, and how many of them at the same time."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from dualdiff.base import tags

#: Set in worker processes, whose own work is not divided further.
IS_WORKER = "DUALDIFF_IS_A_WORKER"


def check_workers(operator: str, workers: Any) -> None:
    """Raise unless ``workers`` is a number of workers, an executor, or callable."""
    if workers is None or is_executor(workers) or callable(workers):
        return
    is_count = hasattr(type(workers), "__index__") and not isinstance(workers, bool)
    if not is_count or (workers < 1 and workers != -1):
        raise (ValueError if is_count else TypeError)(
            f"{operator}: workers must be a positive integer, -1 for all cores, an executor, or a callable like map, "
            f"not {workers!r}"
        )


def is_executor(workers: Any) -> bool:
    """Whether something has the form of `concurrent.futures.Executor`."""
    return callable(getattr(workers, "submit", None)) and callable(getattr(workers, "map", None))


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def several(workers: Any) -> Any:
    """The workers; None if that is one, which is this process."""
    if workers is None or is_executor(workers) or not hasattr(type(workers), "__index__"):
        return workers
    count = cores() if workers == -1 else int(workers)
    return None if count == 1 or IS_WORKER in os.environ else count


def count_of(workers: Any) -> int:
    """How many pieces are computed at the same time, as far as can be known."""
    if isinstance(workers, int):
        return workers
    for name in ("_max_workers", "num_workers"):
        count = getattr(workers, name, None)
        if isinstance(count, int) and count > 0:
            return count
    for client in (getattr(workers, name, None) for name in ("client", "_client")):
        with suppress(Exception):
            return max(1, sum(client.nthreads().values()))  # type: ignore[union-attr]
    return max(2, cores())


def refuse_inside(operator: str) -> None:
    """Raise inside another differentiation, whose duals belong to this thread."""
    if tags.spaces():
        raise TypeError(
            f"{operator}: workers inside another differentiation would have to share its dual numbers: give workers to "
            "the outermost operator"
        )
