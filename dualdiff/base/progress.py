"""Progress: how many of the directions of a long derivative are done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from dualdiff.base.extras import installed

#: Seconds between two lines of a bar without tqdm.
EVERY = 0.2
#: Seconds after which progress is shown by itself, where it is.
PATIENCE = 2.0


def check_progress(operator: str, progress: Any) -> None:
    """Raise unless ``progress`` is True, False or callable."""
    if not isinstance(progress, bool) and not callable(progress):
        raise TypeError(
            f"{operator}: progress must be True, False or a function of (done, total), not {type(progress).__name__}"
        )


def shown(operator: str, progress: Any, noun: str = "directions", after: float = 0.0) -> Callable[[int, int], None]:
    """The function that is told how many are done, of how many; True is a bar, shown ``after`` some seconds."""
    return progress if callable(progress) else Bar(operator, noun, after) if progress else silent


def silent(done: int, total: int) -> None:
    """Shows nothing."""


class Bar:
    """A bar by tqdm if that is installed, and otherwise a line on a terminal; nothing in a file."""

    def __init__(self, operator: str, noun: str, after: float = 0.0) -> None:
        self.operator, self.noun, self.after = operator, noun, after
        self.start = self.last = time.monotonic()
        self._bar: Any = None
        self._width = 0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._bar is None and not self._width:
            if self.after and (now - self.start < self.after or done >= total):
                return
            self._bar = self._by_tqdm(total)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
            if done >= total:
                self._bar.close()
        elif sys.stderr is not None and sys.stderr.isatty() and (now - self.last >= EVERY or done >= total):
            self.last = now
            self._line(done, total, now - self.start)

    def _by_tqdm(self, total: int) -> Any:
        if (tqdm := installed("tqdm.auto")) is None:
            return None
        # Outside of notebooks, a bar is for a terminal.
        is_off = False if "ipykernel" in sys.modules else None
        bar = tqdm.tqdm(total=total, desc=self.operator, unit=f" {self.noun}", disable=is_off)
        bar.start_t = time.time() - (time.monotonic() - self.start)
        return bar

    def _line(self, done: int, total: int, seconds: float) -> None:
        rate = done / seconds if seconds > 0 else 0.0
        left = (total - done) / rate if rate else 0.0
        text = f"{self.operator}: {done} of {total} {self.noun}, {rate:.3g} per second, {_time(left)} left"
        end = "\n" if done >= total else ""
        sys.stderr.write("\r" + text.ljust(self._width) + end)
        sys.stderr.flush()
        self._width = max(self._width, len(text))


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
