"""Tags: one integer for each call of an operator, larger for calls that start later.

An inner call starts after the outer one, so its tag is larger, and wherever duals of two calls meet the larger tag
is the outermost layer.  The low bits of a tag are a salt drawn for each process, so that duals that travel between
processes by pickle never pass for duals of the receiver.
"""

from __future__ import annotations

import itertools
import os
import threading

_STEP = 1 << 24
# A call that another thread begins while `receive` moves the counter may still count from the old one.
_MARGIN = 1 << 12
_lock = threading.Lock()
_tags = itertools.count()
_live: set[int] = set()
_salt = 0

#: The tag of duals that a user builds by hand: below every call, never ended.
MANUAL = 0


def _draw_salt() -> None:
    global _salt, _lock, _tags
    # A forked child must not inherit a lock that another thread of its parent held.
    _lock = threading.Lock()
    last, _salt = next(_tags) // _STEP, int.from_bytes(os.urandom(3), "little") | 1
    _tags = itertools.count((last + 1) * _STEP + _salt, _STEP)


_draw_salt()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_draw_salt)


def start() -> int:
    """Begin a call: a tag larger than every tag this process has given or received."""
    tag = next(_tags)
    _live.add(tag)
    return tag


#: End the call of this tag; its duals are expired from here on.
end = _live.discard


def receive(tag: int) -> None:
    """Move beyond the tag of a dual that came from another process (or an earlier life of this one)."""
    global _tags
    with _lock:
        if tag >= next(_tags):
            _tags = itertools.count((tag // _STEP + _MARGIN) * _STEP + _salt, _STEP)


def is_only(tag: int) -> bool:
    """Whether no call but that of this tag is running."""
    return len(_live) <= (tag in _live)


def is_live(tag: int) -> bool:
    """Whether the call of this tag may still be running: foreign tags cannot be known to have ended."""
    return tag in _live or tag % _STEP != _salt
