"""Works, the peers that do them, and how they are timed and compared.

All contenders of a work take turns in one run, a short sample each, for many rounds: whatever disturbs the
machine disturbs them alike.  A time is the median of the samples, a ratio the median of its rounds.
"""

from __future__ import annotations

import gc
import importlib
import os
import random
import statistics
import timeit
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: What is timed: one call of it does the work once.
Call = Callable[[], Any]


def derivative_itself(result: Any) -> Any:
    """How to read the derivative off the result of a call that returns it and nothing else."""
    return result


def second_of_pair(result: Any) -> Any:
    """How to read the derivative off a pair of value and derivative."""
    return result[1]


@dataclass(frozen=True)
class Peer:
    """One contender: `prepare` imports what it needs and returns the call to be timed."""

    name: str
    prepare: Callable[[], Call]
    #: The bar: dualdiff's time must be at most this many times the peer's.
    at_most: float | None = None
    #: Reads the derivative off the result, to be checked; None where the call computes something else.
    read: Callable[[Any], Any] | None = derivative_itself


@dataclass(frozen=True)
class Work:
    """Something to do, by dualdiff and by its peers."""

    name: str
    dualdiff: Callable[[], Call]
    peers: Sequence[Peer]
    #: The derivative that everybody must find, where the work is a derivative.
    expected: Any = None
    #: The bar for dualdiff alone, in seconds.
    at_most_seconds: float | None = None
    #: Whether a call measures itself and returns seconds, as one that starts an interpreter must.
    self_timed: bool = False
    #: Whether what prepares the work has checked its result already.
    self_checked: bool = False
    rounds: int = 31

    def contenders(self) -> Iterator[Peer]:
        """dualdiff first, then its peers."""
        reads = None if self.self_timed or self.self_checked else derivative_itself
        yield Peer("dualdiff", self.dualdiff, read=reads)
        yield from self.peers


@dataclass(frozen=True)
class Timing:
    """What one contender took, in seconds, round by round; no samples where it is not installed."""

    peer: Peer
    samples: list[float] = field(default_factory=list)

    def median(self) -> float:
        return statistics.median(self.samples)

    def spread(self) -> float:
        """Half the distance between the quartiles, relative to the median."""
        low, median, high = statistics.quantiles(self.samples, n=4)
        return (high - low) / (2 * median)


def jax() -> Any:
    """JAX as it serves NumPy code: double precision, on the processor."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    module = importlib.import_module("jax")
    module.config.update("jax_enable_x64", True)
    return module


def optional(name: str) -> Any:
    """A module that may be missing; its ImportError becomes a dash in the table."""
    return importlib.import_module(name)


def measure(work: Work, sample_seconds: float = 0.01) -> list[Timing]:
    """Check every contender of a work, then time them in turns."""
    timings, samplers = [], []
    for peer in work.contenders():
        timings.append(timing := Timing(peer))
        try:
            call = peer.prepare()
        except ImportError:
            if peer.prepare is work.dualdiff:
                raise
            continue
        if peer.read is not None:
            np.testing.assert_allclose(
                peer.read(call()), work.expected, rtol=1e-9, err_msg=f"{work.name}: {peer.name} is wrong"
            )
        samplers.append((timing, call if work.self_timed else _repeated(call, sample_seconds)))

    order = random.Random(0)
    gc.collect()
    gc.freeze()  # what the imports made need not be walked again in each round
    try:
        for _ in range(work.rounds):
            order.shuffle(samplers)  # nobody always follows the one who empties the caches
            for timing, sample in samplers:
                timing.samples.append(sample())
            gc.collect()  # each round starts from a clean heap; `timeit` turns collection off within a sample
    finally:
        gc.unfreeze()
    return timings


def _repeated(call: Call, sample_seconds: float) -> Callable[[], float]:
    """A sampler that loops over the call for about the given time; it returns seconds for one call."""
    timer = timeit.Timer(call)
    loops = 1
    # The shortest of three: a busy machine would make one call seem long, and samples short and cold.
    while (took := min(timer.repeat(3, loops))) < sample_seconds / 2:
        loops *= 2
    loops = max(1, round(loops * sample_seconds / took))
    return lambda: timer.timeit(loops) / loops


HEADER = "| work | peer | median | dualdiff / peer | bar | met? |\n| --- | --- | ---: | ---: | ---: | --- |"


def rows(work: Work, timings: Sequence[Timing]) -> Iterator[str]:
    """The lines of the table for one work, dualdiff first."""
    own, *peers = timings
    seconds = own.median() if own.samples else None
    yield _row(work.name, own, "", _bar(seconds, work.at_most_seconds, duration))
    for timing in peers:
        ratio = _ratio(own, timing)
        shown = "-" if ratio is None else times(ratio)
        yield _row("", timing, shown, _bar(ratio, timing.peer.at_most, times))


def _row(title: str, timing: Timing, ratio: str, bar: str) -> str:
    median = f"{duration(timing.median())} ± {timing.spread():.0%}" if timing.samples else "-"
    return f"| {title} | {timing.peer.name} | {median} | {ratio} | {bar} |"


def _ratio(own: Timing, other: Timing) -> float | None:
    if not own.samples or not other.samples:
        return None
    return statistics.median(a / b for a, b in zip(own.samples, other.samples, strict=True))


def _bar(measured: float | None, limit: float | None, show: Callable[[float], str]) -> str:
    """The cells for a bar and whether it is met."""
    if limit is None:
        return " | "
    verdict = "-" if measured is None else "yes" if measured <= limit else "NO"
    return f"≤ {show(limit)} | {verdict}"


def duration(seconds: float) -> str:
    """Seconds with three digits and a unit."""
    for unit, size in ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6):
        if seconds >= size:
            return f"{_digits(seconds / size)} {unit}"
    return f"{_digits(seconds / 1e-9)} ns"


def times(ratio: float) -> str:
    """A ratio, as a fraction where it is small: 1.46, 1/25."""
    return _digits(ratio) if ratio > 0.2 else f"1/{_digits(1 / ratio)}"


def _digits(number: float) -> str:
    """Three digits, never an exponent."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"
