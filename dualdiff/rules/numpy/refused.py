"""NumPy functions that no derivative passes through, and why."""

from __future__ import annotations

import numpy as np

from dualdiff.core.registry import REFUSED

_DATES = "it works on dates, which carry no derivative"
_INTEGERS = "it works on integers, which carry no derivative"
_FILES = "a file holds plain values only, so the derivative would be lost; write dualdiff.value(x)"

for _function, _reason in {
    np.busday_count: _DATES,
    np.busday_offset: _DATES,
    np.is_busday: _DATES,
    np.datetime_as_string: _DATES,
    np.packbits: _INTEGERS,
    np.unpackbits: _INTEGERS,
    np.ravel_multi_index: _INTEGERS,
    np.unravel_index: _INTEGERS,
    np.save: _FILES,
    np.savetxt: _FILES,
    np.savez: _FILES,
    np.savez_compressed: _FILES,
}.items():
    REFUSED[_function] = _reason

#: Whole modules, by name, so that they need not be imported.
REFUSED["numpy.lib.recfunctions"] = "it works on records, whose fields hold plain values"
REFUSED["numpy.char"] = REFUSED["numpy.strings"] = "it works on strings"
