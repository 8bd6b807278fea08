"""Where in the user's source an operation stands: found from the frames that are running."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from dualdiff.base.internals import frame, position

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
    at, outermost = frame(1), None
    while at.f_code is not caller:
        name = at.f_code.co_filename
        if not name.startswith(OWN):
            outermost = at
            if not name.startswith(LIBRARIES):
                break
        if at.f_back is None:
            break
        at = at.f_back
    if outermost is None:
        return None
    place = position(outermost)
    if place is None:  # python -X no_debug_ranges
        return Location(outermost.f_code, outermost.f_lineno, outermost.f_lineno, 0, 0)
    return Location(outermost.f_code, *place)
