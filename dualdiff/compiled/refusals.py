"""Errors where compiled code cannot be differentiated: one line instead of pages of Numba's typing trace."""

from __future__ import annotations

import re
from typing import Any

from numba.core.errors import NumbaTypeError

from dualdiff.base import errors
from dualdiff.base.errors import LostDerivativeError, NoRuleError, lost
from dualdiff.compiled import patches

REMEDY = "pass f.py_func for NumPy's engine"


def refusal(kind: type[Exception], text: str) -> NumbaTypeError:
    """An error to raise during Numba's typing, which dualdiff's operators turn into one of this kind."""
    return NumbaTypeError(f"<<{kind.__name__}: {text}>>")


def explained(operator: str, f: Any, types: list[Any], error: Exception) -> Exception:
    """A one-line error for a failed compilation; Numba's own error if f does not compile for these types either."""
    if not patches.takes_more_types(f):
        return NoRuleError(
            f"{operator}: {f.py_func.__name__} is compiled only for the signatures given to @njit, but duals need "
            f"another one: write @njit without signatures, or {REMEDY}"
        )
    try:
        f.compile(tuple(types))
    except TypeError:
        # Functions with *args cannot be compiled for a list of argument types.
        pass
    except Exception as numba_error:  # of many kinds
        return numba_error
    text = str(error)
    code = f.py_func.__code__
    lines = [int(line) for file, line in patches.PLACE.findall(text) if file == code.co_filename]
    where = f"{operator} of the compiled function {f.py_func.__name__}"
    if lines:
        where += f", line {lines[0]}"
    if patches.is_of_a_set(error):
        return TypeError(f"{where}: {errors.UNHASHABLE}")
    marked = patches.MARKED.search(text)
    if marked:
        kind: type[Exception] = getattr(errors, marked[1], TypeError)
        return kind(f"{where}: {' '.join(marked[2].split())}")
    calls = [c for c in patches.CALL.findall(text) if "Dual(" in c and not patches.INTERNAL.match(c)]
    for call in calls:
        conversion = patches.CONVERSION.match(call)
        if conversion:
            name = "a scalar type of NumPy" if conversion[1][0] == "<" else f"{conversion[1]}(x)"
            return lost(f"{where}: {name}", "x itself")
        if patches.STORE.match(call):
            return LostDerivativeError(
                f"{where}: an array of plain floats cannot hold the derivative of a dual: make it with "
                "np.zeros(n, x.dtype), np.zeros_like(x) or dualdiff.zeros(shape, like=x)"
            )
    if not calls and "astype(" in text:
        return lost(f"{where}: astype", "x itself")
    if calls:
        return NoRuleError(f"{where}: there is no compiled rule for {readable(calls[0])}; {REMEDY}")
    prose = [line.strip() for line in text.splitlines() if ">>>" not in line]
    reasons = [s for s in prose if "dualdiff." in s] or [s for s in prose if "Dual" in s]
    reason = readable(reasons[0]) if reasons else "it cannot be compiled for dual numbers"
    return NoRuleError(f"{where}: {reason}; {REMEDY}")


def readable(text: str) -> str:
    """A text with Numba's types shortened to what a user needs to know."""
    while (shorter := re.sub(r"\bDual\((?:[^()]|\([^()]*\))*\)", "Dual", text)) != text:
        text = shorter
    text = patches.LITERAL.sub(r"\1", text).replace("readonly ", "")
    return patches.ARRAY.sub(r"array(\1, \2d)", text)
