"""Errors where compiled code cannot be differentiated: one line instead of pages of Numba's typing trace."""

from __future__ import annotations

import linecache
import re
from typing import Any

from numba.core import types
from numba.core.errors import NumbaTypeError

from dualdiff.base import errors
from dualdiff.base.errors import LostDerivativeError, NoRuleError, lost
from dualdiff.compiled import patches
from dualdiff.rules.writing.array_rules import duals_in

#: The type of the duals of a differentiation that is running in Python.  No code is compiled for it.
RUNNING = types.Opaque("dual number of a differentiation that is running in Python")

REMEDY = "pass f.py_func for NumPy's engine"
#: The remedy for what only reverse mode does not support.
FORWARD = "take forward mode, or pass f.py_func for NumPy's engine"


def refusal(kind: type[Exception], text: str) -> NumbaTypeError:
    """An error to raise during Numba's typing, which dualdiff's operators turn into one of this kind."""
    return NumbaTypeError(f"<<{kind.__name__}: {text}>>")


def explained(operator: str, f: Any, types: list[Any], error: Exception, remedy: str = REMEDY) -> Exception:
    """A one-line error for a failed compilation; Numba's own error if f does not compile for these types either."""
    if not patches.takes_more_types(f):
        return NoRuleError(
            f"{operator}: {f.py_func.__name__} is compiled only for the signatures given to @njit, but duals need "
            f"another one: write @njit without signatures, or {remedy}"
        )
    try:
        f.compile(tuple(types))
    except TypeError:
        # Functions with *args cannot be compiled for a list of argument types.
        pass
    except Exception as numba_error:  # of many kinds
        return numba_error
    return reason(f"{operator} of the compiled function {f.py_func.__name__}", f, error, remedy)


#: The operators that compiled code knows, and what x is for those that take only one kind.
IN_COMPILED_CODE = (
    *("derivative", "value_and_derivative", "gradient", "value_and_gradient", "jacobian", "value_and_jacobian"),
    *("hessian", "value_gradient_and_hessian", "jvp", "hvp"),
)


def shortened(f: Any, args: tuple[Any, ...], error: Exception) -> Exception | None:
    """A one-line error where duals are what a compiled function fails for, or an operator in it; otherwise None."""
    if str(f.py_func.__module__).partition(".")[0] == "dualdiff":
        # Of a driver: the engine explains it.
        return None
    text = str(error)
    place = f"the compiled function {f.py_func.__name__}"
    lines = _lines(f, text)
    place += f", line {lines[-1]}" if lines else ""
    if RUNNING.name in text:
        return NoRuleError(
            f"{place} uses a dual number of the function around it, or of a global name: pass it as an argument"
        )
    if duals_in(args):
        return TypeError(f"{place}: it cannot take an array or a list of objects: make an array with np.stack")
    if unknown := patches.UNKNOWN.search(text):
        return NoRuleError(
            f"{place}: compiled code has no dualdiff.{unknown[1]}, only {', '.join(IN_COMPILED_CODE)}: call it from "
            "Python, which takes compiled functions, too"
        )
    if (captured := patches.CAPTURED.search(text)) and not {"dualdiff", *IN_COMPILED_CODE}.isdisjoint(
        f.__code__.co_names
    ):
        return NoRuleError(
            f"{place}: a function in compiled code cannot use the variable {captured[1]} of the function around it: "
            f"pass it as an argument, gradient(g, x, {captured[1]})"
        )
    operator = patches.OPERATOR.search(text)
    if not operator or operator[1] not in IN_COMPILED_CODE:
        return None
    if keyword := patches.KEYWORD.search(text):
        return NoRuleError(
            f"{place}: {operator[1]} in compiled code takes no option, but was given {keyword[1]}: leave it out, or "
            f"call {operator[1]} from Python"
        )
    return reason(
        f"{operator[1]} in the compiled function {f.py_func.__name__}", f, error, "call it from Python with f.py_func"
    )


def _lines(f: Any, text: str) -> list[int]:
    """The lines of f that Numba's message names, the innermost first."""
    return [int(line) for file, line in patches.PLACE.findall(text) if file == f.py_func.__code__.co_filename]


def reason(where: str, f: Any, error: Exception, remedy: str) -> Exception:
    """A one-line error for something that duals cannot pass through."""
    text = str(error)
    if lines := _lines(f, text):
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
        return NoRuleError(f"{where}: there is no compiled rule for {readable(calls[0])}; {remedy}")
    source = {line.strip() for line in linecache.getlines(f.py_func.__code__.co_filename)}
    prose = [s for line in text.splitlines() if ">>>" not in line and (s := line.strip()) not in source]
    reasons = [s for s in prose if "dualdiff." in s] or [s for s in prose if "Dual" in s]
    result = readable(reasons[0]) if reasons else "it cannot be compiled for dual numbers"
    return NoRuleError(f"{where}: {result}; {remedy}")


def readable(text: str) -> str:
    """A text with Numba's types shortened to what a user needs to know, without LLVM's instructions."""
    text = text.partition(": %")[0]
    while (shorter := re.sub(r"\bDual\((?:[^()]|\([^()]*\))*\)", "Dual", text)) != text:
        text = shorter
    text = patches.LITERAL.sub(r"\1", text).replace("readonly ", "")
    return patches.ARRAY.sub(r"array(\1, \2d)", text)


patches.shorten_errors(shortened)
