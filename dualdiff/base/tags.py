"""Tags: one integer for each call of an operator, larger for calls that start later.

An inner call starts after the outer one, so its tag is larger: where duals of two calls meet, the larger tag is the
outermost layer.  The low bits of a tag are a salt drawn for each process, so that a dual pickled in one process is
never mistaken for a dual of the process that unpickles it.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from dualdiff.base.internals import is_running

_STEP = 1 << 24
# A call that another thread starts while `receive` replaces the counter may still draw its tag from the old one.
_MARGIN = 1 << 12
_lock = threading.Lock()
#: The next tags.  `receive` replaces the counter: do not import it by name.
fresh = itertools.count()
#: The running calls: the tangent space of each, once it exists, and its thread; the space alone where asking for the
#: thread would take too long.
live: dict[int, Any] = {}
_salt = 0

#: The tag of duals that a user constructs: smaller than that of every call, and never ended.
MANUAL = 0

#: The tag of values with uncertainties, which outlive every call: for all calls these are constants.  It is even,
#: unlike every salt, so it never belongs to a call of this process that has ended.
UNCERTAIN = 2


def _draw_salt() -> None:
    global _salt, _lock, fresh
    # A forked child must not inherit a lock that another thread of its parent holds.
    _lock = threading.Lock()
    last, _salt = next(fresh) // _STEP, int.from_bytes(os.urandom(3), "little") | 1
    fresh = itertools.count((last + 1) * _STEP + _salt, _STEP)


_draw_salt()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_draw_salt)


def start() -> int:
    """Begin a call: returns a tag larger than every tag that this process has drawn or received."""
    tag = next(fresh)
    live[tag] = None
    return tag


def running(space: Any) -> None:
    """Note the tangent space of a call that has begun."""
    live[space.tag] = space, get_ident()


@contextmanager
def resumed(space: Any) -> Iterator[None]:
    """The call of a tangent space, resumed after its end, to repeat a part of it."""
    is_over = space.tag not in live
    if is_over:
        running(space)
    try:
        yield
    finally:
        if is_over:
            end(space.tag)


#: Callbacks to run when the call of a tag has ended.
at_end: dict[int, list[Callable[[], None]]] = {}


def end(tag: int) -> None:
    """End the call with this tag; its duals are expired from here on."""
    del live[tag]
    if at_end:
        restore(tag)


def restore(tag: int) -> None:
    """Run the callbacks for the end of the call with this tag."""
    for done in at_end.pop(tag, ()):
        done()


def spaces() -> list[Any]:
    """The tangent spaces of the calls that this thread is in, the outermost first."""
    result, thread = [], get_ident() if live else 0
    for tag, entry in list(live.items()):
        # A call of `derivative` does not note its thread: that is among the frames of the thread.
        if type(entry) is not tuple and entry is not None and is_running("derivative", "space", entry):
            entry = live[tag] = entry, thread
        if type(entry) is tuple and entry[1] == thread:
            result.append(entry[0])
    return result


def receive(tag: int) -> None:
    """Make later tags larger than that of a dual pickled by another process (or by an earlier run of this one)."""
    global fresh
    with _lock:
        if tag >= next(fresh):
            fresh = itertools.count((tag // _STEP + _MARGIN) * _STEP + _salt, _STEP)


def is_only(tag: int) -> bool:
    """Whether no call other than the one with this tag is running."""
    return len(live) <= (tag in live)


def is_live(tag: int) -> bool:
    """Whether the call with this tag may still be running; for tags of other processes this is unknown, so True."""
    return tag in live or tag % _STEP != _salt
