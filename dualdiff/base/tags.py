"""Tags: one integer for each call of an operator, larger for calls that start later.

An inner call starts after the outer one, so its tag is larger: where duals of two calls meet, the larger tag is the
outermost layer.  The low bits of a tag are a salt drawn for each process, so that a dual pickled in one process is
never mistaken for a dual of the process that unpickles it.
"""

from __future__ import annotations

import itertools
import os
import threading

_STEP = 1 << 24
# A call that another thread starts while `receive` replaces the counter may still draw its tag from the old one.
_MARGIN = 1 << 12
_lock = threading.Lock()
_tags = itertools.count()
_live: set[int] = set()
_salt = 0

#: The tag of duals that a user constructs: smaller than that of every call, and never ended.
MANUAL = 0


def _draw_salt() -> None:
    global _salt, _lock, _tags
    # A forked child must not inherit a lock that another thread of its parent holds.
    _lock = threading.Lock()
    last, _salt = next(_tags) // _STEP, int.from_bytes(os.urandom(3), "little") | 1
    _tags = itertools.count((last + 1) * _STEP + _salt, _STEP)


_draw_salt()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_draw_salt)


def start() -> int:
    """Begin a call: returns a tag larger than every tag that this process has drawn or received."""
    tag = next(_tags)
    _live.add(tag)
    return tag


#: End the call with this tag; its duals are expired from here on.
end = _live.discard


def receive(tag: int) -> None:
    """Make later tags larger than that of a dual pickled by another process (or by an earlier run of this one)."""
    global _tags
    with _lock:
        if tag >= next(_tags):
            _tags = itertools.count((tag // _STEP + _MARGIN) * _STEP + _salt, _STEP)


def is_only(tag: int) -> bool:
    """Whether no call other than the one with this tag is running."""
    return len(_live) <= (tag in _live)


def is_live(tag: int) -> bool:
    """Whether the call with this tag may still be running; for tags of other processes this is unknown, so True."""
    return tag in _live or tag % _STEP != _salt
