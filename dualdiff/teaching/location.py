"""Where in the user's source an operation stands: found from the frames that are running."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import NamedTuple

OWN = str(Path(__file__).parents[1]) + os.sep
#: Files below these are not the user's: this package, Python's library, and installed packages.
LIBRARIES = (
    OWN,
    *(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    "<fr",
)


class Location(NamedTuple):
    """An expression in a source: that of a code object, or a text.

    Lines count from 1, columns from 0: bytes in a code object, as Python's compiler counts, characters in a text.
    """

    source: CodeType | str
    line: int
    end_line: int
    column: int
    end_column: int


def running(caller: CodeType) -> Location | None:
    """The expression that the innermost function of the user evaluates; None if NumPy's own function is running.

    The functions of the user are those called by the function whose code is ``caller``, directly or not.  If all of
    them are part of an installed package, the outermost is taken.
    """
    frame = sys._getframe(1)
    outermost = None
    while frame.f_code is not caller:
        name = frame.f_code.co_filename
        if not name.startswith(OWN):
            outermost = frame
            if not name.startswith(LIBRARIES):
                break
        if frame.f_back is None:
            break
        frame = frame.f_back
    if outermost is None:
        return None
    code = outermost.f_code
    line, end_line, column, end_column = _positions(code)[outermost.f_lasti // 2]
    line = outermost.f_lineno if line is None else line
    if end_line is None or column is None or end_column is None:  # python -X no_debug_ranges
        return Location(code, line, line, 0, 0)
    return Location(code, line, end_line, column, end_column)


@lru_cache(maxsize=64)
def _positions(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())
