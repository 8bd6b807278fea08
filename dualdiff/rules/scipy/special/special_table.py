"""The table of ``scipy.special``: how its rows are written.

Ufuncs are looked up by name, in ``scipy.special`` and among the private ones behind its other functions, because an
older SciPy lacks some of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special
from scipy.special import _ufuncs

from dualdiff.core.registry import REFUSED
from dualdiff.rules.writing.rows import NAMES, Row, Table

#: The rows by SciPy's names.  Partials may use NumPy's names too; a name that both have refers to SciPy's function.
SPECIAL = Table(
    {
        **NAMES,
        "imag": np.imag,
        "real": np.real,
        "nan": math.nan,
        "LN10": math.log(10.0),
        "SQRT_PI": math.sqrt(math.pi),
        "SQRT_2PI": math.sqrt(2 * math.pi),
        "SQRT_HALF": math.sqrt(0.5),
    },
    "scipy.special",
    is_checked=False,
)
own, define = SPECIAL.own, SPECIAL.define

#: The ufuncs with several outputs, with a row for each output.
SEVERAL: dict[Any, tuple[Row, ...]] = {}

Partials = tuple[str | None, ...]


def ufunc(name: str) -> Any:
    """The ufunc of this name, or None."""
    result = getattr(special, name, None)
    return result if isinstance(result, np.ufunc) else getattr(_ufuncs, name, None)


def row(name: str, *partials: str | None, **more: Any) -> None:
    """Add the row of a ufunc, if SciPy has it."""
    function = ufunc(name)
    if function is not None:
        SPECIAL.row(function, *partials, name=name, **more)


def several(name: str, *results: Partials, **columns: tuple[Partials | None, ...]) -> None:
    """Add the rows of a ufunc with several outputs; every column has an entry for each output."""
    function = ufunc(name)
    if function is None:
        return
    SPECIAL.names[name] = function
    SEVERAL[function] = rows = tuple(
        Row(
            name,
            function,
            partials,
            names=SPECIAL.names,
            module=SPECIAL.module,
            **{column: entries[i] for column, entries in columns.items()},
        )
        for i, partials in enumerate(results)
    )
    for each in rows:
        each.outputs = rows


def zero(*names: str) -> None:
    """Add the rows of step functions."""
    for name in names:
        SPECIAL.zero(ufunc(name))


def refuse(reason: str, *names: str) -> None:
    """Refuse to differentiate ufuncs with respect to any argument."""
    for name in names:
        function = ufunc(name)
        if function is not None:
            REFUSED[function] = reason
            SPECIAL.names[name] = function


def first(*names: str, otherwise: Callable[..., Any]) -> Any:
    """The first of these ufuncs that SciPy has, or else a replacement."""
    return next((f for f in map(ufunc, names) if f is not None), otherwise)
