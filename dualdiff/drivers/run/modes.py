"""Forward or reverse: what ``mode="auto"`` decides."""

from __future__ import annotations

from typing import Any

MODES = ("auto", "forward", "reverse")

#: Up to so many elements of x, one pass along all unit directions costs about as much as a recorded run and its
#: transpose.
FORWARD_UP_TO = 8


def check_mode(operator: str, mode: Any) -> None:
    """Refuse what is not a mode."""
    if mode not in MODES:
        raise ValueError(f"{operator}: mode must be one of {', '.join(map(repr, MODES))}, not {mode!r}")


def takes_reverse(mode: str, n: int, m: int | None = None) -> bool:
    """Whether a derivative in n elements of x is taken in reverse mode.

    A gradient is taken forwards up to `FORWARD_UP_TO` elements.  A Jacobian is taken forwards while that takes one
    pass; m is the number of its rows, which is asked about after the first of several passes: there are either n
    columns to go along, or m rows.
    """
    if mode == "auto":
        return n > (FORWARD_UP_TO if m is None else m)
    return mode == "reverse"
