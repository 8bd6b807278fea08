"""Long work: several processes, a cluster, a thousand simulated workers, and reverse mode in bounded memory."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..harness import Call, Peer, Work, optional

# -- a function of about 10 ms -----------------------------------------------------------------------------------------
ELEMENTS, DIRECTIONS_AT_ONCE = 64, 4
POINT = np.linspace(0.0, 1.0, ELEMENTS)


def trajectory(x: Any) -> Any:
    """A thousand steps on small arrays."""
    y = x
    for _ in range(1000):
        y = y + 0.001 * np.sin(x * y)
    return y


@cache
def cluster() -> Any:
    """The executor of a local cluster of two processes."""
    distributed = optional("dask.distributed")
    local = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    return distributed.Client(local).get_executor()


def jacobian(workers: Any) -> Call:
    given = workers() if callable(workers) else workers
    call = partial(
        optional("dualdiff").jacobian, trajectory, POINT, chunk_size=DIRECTIONS_AT_ONCE, workers=given, mode="forward"
    )
    call()
    return call


def divided(name: str, workers: Any, bar: float) -> Work:
    return Work(
        f"Jacobian of a function of 10 ms, {ELEMENTS} directions, {name}",
        partial(jacobian, workers),
        [Peer("one process", partial(jacobian, 1), at_most=bar, read=None)],
        self_checked=True,
        rounds=7,
    )


# -- simulated workers, whose passes sleep -----------------------------------------------------------------------------
SIMULATED, PASSES, SECONDS, EFFICIENCY = 1000, 10_000, 1.0, 0.9


def sleeping(x: Any) -> Any:
    time.sleep(SECONDS)
    return x[0] * x[-1]


def simulated() -> Call:
    pool = ThreadPoolExecutor(SIMULATED)
    point = np.ones(PASSES)
    return lambda: optional("dualdiff").gradient(sleeping, point, mode="forward", chunk_size=1, workers=pool)


# -- checkpoints -------------------------------------------------------------------------------------------------------
STEPS, STATE = 300, np.linspace(0.0, 1.0, 100_000)


def step(y: Any) -> Any:
    return y - 0.01 * np.sin(y)


def whole(y: Any) -> Any:
    for _ in range(STEPS):
        y = step(y)
    return np.sum(y)


def in_parts(y: Any) -> Any:
    return np.sum(optional("dualdiff").checkpoint_loop(step, y, STEPS))


def reverse(f: Any) -> Call:
    return partial(optional("dualdiff").gradient, f, STATE, mode="reverse")


WORKS = [
    divided("two processes", 2, 0.55),
    *([divided("a dask cluster of two processes", cluster, 0.6)] if find_spec("distributed") else []),
    Work(
        f"{PASSES} passes of {SECONDS:g} s, {SIMULATED} simulated workers",
        simulated,
        [],
        at_most_seconds=PASSES / SIMULATED * SECONDS / EFFICIENCY,
        self_checked=True,
        rounds=2,
    ),
    Work(
        f"checkpoint_loop, {STEPS} steps of 0.8 MB",
        partial(reverse, in_parts),
        [
            Peer("the loop in reverse mode", partial(reverse, whole), at_most=2.2, read=None),
            Peer("the value of the loop", lambda: partial(whole, STATE), read=None),
        ],
        self_checked=True,
        rounds=7,
    ),
]
