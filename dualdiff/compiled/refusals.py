"""Errors where compiled code cannot be differentiated: one line instead of pages of Numba's typing trace."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

from numba.core.errors import NumbaTypeError
from numba.core.types import Set

from dualdiff.base import errors
from dualdiff.base.errors import LostDerivativeError, NoRuleError, lost

REMEDY = "pass f.py_func for NumPy's engine"

_MARKED = re.compile(r"<<(\w+): (.*?)>>", re.DOTALL)
_CALL = re.compile(r">>> (.+)")
_INTERNAL = re.compile(
    r"(\w+_(core|in|of|into|nan|array|values|rank)|_(derivative|gradient|jacobian|hessian|jvp|hvp)"
    r"|seed|direction|shaped|square|mirror)\("
)
_PLACE = re.compile(r"During: (?:typing of .+|lowering .+) at (.+) \((\d+)\)")
_STORE = re.compile(r"(setitem|i(add|sub|mul|truediv|floordiv|mod|pow))\((readonly )?array\((float|int|complex|bool)")
_CONVERSION = re.compile(r"(float|int|complex|<unknown function>)\((array\()?Dual")


def refusal(kind: type[Exception], text: str) -> NumbaTypeError:
    """An error to raise during Numba's typing, which dualdiff's operators turn into one of this kind."""
    return NumbaTypeError(f"<<{kind.__name__}: {text}>>")


def is_of_compiler(error: BaseException) -> bool:
    """Whether an error comes from compilation, and not from running the compiled code."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "_compile_for_args":
            return True
        trace = trace.tb_next
    return False


def explained(operator: str, f: Any, types: list[Any], error: Exception) -> Exception:
    """A one-line error for a failed compilation; Numba's own error if f does not compile for these types either."""
    if not f._can_compile:
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
    lines = [int(line) for file, line in _PLACE.findall(text) if file == code.co_filename]
    where = f"{operator} of the compiled function {f.py_func.__name__}"
    if lines:
        where += f", line {lines[0]}"
    if _is_of_a_set(error):
        return TypeError(f"{where}: {errors.UNHASHABLE}")
    marked = _MARKED.search(text)
    if marked:
        kind: type[Exception] = getattr(errors, marked[1], TypeError)
        return kind(f"{where}: {' '.join(marked[2].split())}")
    calls = [c for c in _CALL.findall(text) if "Dual(" in c and not _INTERNAL.match(c)]
    for call in calls:
        conversion = _CONVERSION.match(call)
        if conversion:
            name = "a scalar type of NumPy" if conversion[1][0] == "<" else f"{conversion[1]}(x)"
            return lost(f"{where}: {name}", "x itself")
        if _STORE.match(call):
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


def _is_of_a_set(error: Exception) -> bool:
    """Whether Numba refused to build the type of a set, which it does without a message."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and isinstance(trace.tb_frame.f_locals.get("self"), Set)


def readable(text: str) -> str:
    """A text with Numba's types shortened to what a user needs to know."""
    while (shorter := re.sub(r"\bDual\((?:[^()]|\([^()]*\))*\)", "Dual", text)) != text:
        text = shorter
    text = re.sub(r"Literal\[\w+\]\((.*?)\)", r"\1", text).replace("readonly ", "")
    return re.sub(r"array\((\w+), (\d)d, \w\)", r"array(\1, \2d)", text)
