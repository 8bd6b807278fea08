"""The operators for functions that Numba compiled: called from Python, run compiled.

For each function and operator one driver is compiled, which seeds, runs f chunk by chunk, and reads the derivative off;
the drivers are kept with the function.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from dualdiff import compiled
from dualdiff.compiled import operators
from dualdiff.compiled.operators import WIDTH
from dualdiff.core.dual import AnyDual
from dualdiff.core.errors import NoRuleError
from dualdiff.drivers.containers import input_leaf
from dualdiff.drivers.passes import check_chunk_size

compiled.init()

#: Partials in a pass where x has no more numbers.
NARROW = 4

#: The operators with a compiled driver, the number of arguments before f's others (x, or x and a direction), and
#: whether they run in chunks of a chosen width.
CORES: dict[str, tuple[Callable[..., Any], int, bool]] = {
    "derivative": (operators.derivative_core, 1, False),
    "gradient": (operators.gradient_core, 1, True),
    "jacobian": (operators.jacobian_core, 1, True),
    "hessian": (operators.hessian_core, 1, False),
    "jvp": (operators.jvp_core, 2, False),
    "hvp": (operators.hvp_core, 2, True),
}


def takes(f: Any) -> bool:
    """Whether this engine differentiates f."""
    return isinstance(f, Dispatcher)


def run(operator: str, core: str, f: Any, args: tuple[Any, ...], argnum: int, chunk_size: int | None = None) -> Any:
    """What the core of an operator finds, the derivative last."""
    before = CORES[core][1]
    x = args[0] if argnum == 0 else None
    if not (argnum == 0 and type(x) is np.ndarray and x.dtype is FLOAT64 and x.flags.c_contiguous and before == 1):
        args = _prepared(operator, args, argnum, before)
        argnum %= len(args) - before + 1
        x = args[0]
    if type(x) is np.ndarray:
        width = chunk_size or (NARROW if x.size <= NARROW else WIDTH)
    elif core == "gradient" or core == "jacobian":
        core, width = "derivative", 0
    else:
        width = 0
    if chunk_size is not None:
        check_chunk_size(operator, chunk_size)
    try:
        drivers = f._dualdiff
    except AttributeError:
        drivers = f._dualdiff = {}
    try:
        key = core, argnum, width, False
        try:
            driver = drivers[key]
        except KeyError:
            driver = drivers[key] = _driver(f, *key)
        found, has_nan = driver(*args)
        if has_nan:
            # Once more with zero tangents contributing zero, which costs time and is seldom needed.
            key = core, argnum, width, True
            if key not in drivers:
                drivers[key] = _driver(f, *key)
            found, _ = drivers[key](*args)
    except NumbaError as error:
        explained = _explained(operator, f, error)
    else:
        return found
    raise explained


FLOAT64 = np.dtype(np.float64)


def _prepared(operator: str, args: tuple[Any, ...], argnum: int, before: int) -> tuple[Any, ...]:
    """x (and the direction) as compiled code takes them, before the other arguments."""
    given = list(args)
    if before == 1:
        if isinstance(argnum, bool) or not isinstance(argnum, (int, np.integer)):
            raise TypeError(f"{operator}: argnum must be an integer, not {argnum!r}")
        if not -len(given) <= argnum < len(given):
            raise ValueError(f"{operator}: argnum={argnum}, but f was given {len(given)} positional arguments")
        leading = [given.pop(argnum)]
    else:
        if len(given) < 2:
            raise TypeError(f"{operator}(f, x, v, ...) needs a direction v after x")
        if not -len(given) + 1 <= argnum < len(given) - 1:
            raise ValueError(f"{operator}: argnum={argnum}, but f takes {len(given) - 1} positional arguments")
        leading, given = given[:2], given[2:]
    ready = []
    for x in leading:
        if isinstance(x, (tuple, dict)):
            raise NoRuleError(
                f"{operator}: x is a {type(x).__name__}, and compiled functions are differentiated in a number or an "
                "array; pass f.py_func for NumPy's engine"
            )
        x = input_leaf(x, operator, True)
        if isinstance(x, AnyDual):
            raise NoRuleError(
                f"{operator} of a compiled function inside another differentiation: pass f.py_func, or write the outer "
                "function with @njit too and call dualdiff's operators in it"
            )
        ready.append(np.ascontiguousarray(x) if getattr(x, "shape", ()) else x[()] if isinstance(x, np.ndarray) else x)
    if before == 2:
        x, v = ready
        if getattr(v, "shape", ()) != getattr(x, "shape", ()):
            raise ValueError(
                f"{operator}: the direction v has the shape {getattr(v, 'shape', ())}, and x has "
                f"{getattr(x, 'shape', ())}"
            )
    return (*ready, *given)


def _driver(f: Any, core: str, argnum: int, width: int, masked: bool) -> Any:
    """A compiled function of x (and a direction) and f's other arguments."""
    function, before, is_wide = CORES[core]
    leading = ", ".join("xv"[:before])
    options = f"{width}, {masked}" if is_wide else f"{masked}"
    source = (
        f"def driver({leading}, *args):\n"
        f"    found = core(f, {leading}, args, {options})\n"
        f"    return found, {'False' if masked else 'any_nan(found[-1])'}\n"
    )
    names = {"core": function, "f": _with_first(f, argnum), "any_nan": operators.any_nan}
    exec(compile(source, f"<dualdiff {core}>", "exec"), names)
    return njit(names["driver"])


def _with_first(f: Any, argnum: int) -> Any:
    """f as a function whose first argument is the one that is differentiated."""
    if argnum == 0:
        return f
    others = "".join(f"a{i}, " for i in range(argnum))
    names = {"f": f}
    exec(compile(f"def moved(x, {others}*rest):\n    return f({others}x, *rest)\n", "<dualdiff>", "exec"), names)
    return njit(names["moved"])


def refuse(operator: str, **options: Any) -> None:
    """Refuse options that compiled drivers have not."""
    for name, given in options.items():
        if given:
            raise NoRuleError(
                f"{operator}: {name}={given!r} is not supported for compiled functions; pass f.py_func for NumPy's engine"
            )


_CALL = re.compile(r">>> (.+)")
_PLACE = re.compile(r"During: (?:typing of .+|lowering .+) at (.+) \((\d+)\)")


def _explained(operator: str, f: Any, error: NumbaError) -> Exception:
    """One line for pages of typing trace."""
    text = str(error)
    calls = [c for c in _CALL.findall(text) if "Dual(" in c and "_core(" not in c]
    places = [(file, line) for file, line in _PLACE.findall(text) if "dualdiff/compiled" not in file]
    place = ""
    for file, line in places:
        if f.py_func.__code__.co_filename.endswith(file.lstrip("./")) or file == f.py_func.__code__.co_filename:
            place = f", line {line}"
            break
    remedy = "pass f.py_func for NumPy's engine"
    name = getattr(f.py_func, "__name__", "f")
    if not calls:
        for line in text.splitlines():
            if "Dual" in line or "dualdiff" in line or "need" in line:
                return NoRuleError(f"{operator} of the compiled function {name}{place}: {line.strip()}; {remedy}")
        return error
    call = calls[-1]
    if call.startswith(("setitem(array(float", "setitem(array(int")):
        return NoRuleError(
            f"{operator} of the compiled function {name}{place}: an array of plain numbers cannot take the derivative of "
            "a dual; make the buffer with np.empty_like(x), np.zeros(n, x.dtype) or dualdiff.zeros(n, like=x)"
        )
    return NoRuleError(
        f"{operator} of the compiled function {name}{place}: there is no compiled rule for {call}; {remedy}"
    )


# -- the operators -----------------------------------------------------------------------------------------------------
def derivative(operator: str, f: Any, args: tuple[Any, ...], argnum: int, has_aux: bool) -> Any:
    """Value and derivative."""
    refuse(operator, has_aux=has_aux)
    return run(operator, "derivative", f, args, argnum)


def gradient(
    operator: str,
    f: Any,
    args: tuple[Any, ...],
    argnum: int,
    chunk_size: int | None,
    mode: str,
    has_aux: bool,
    batch_dims: int,
) -> Any:
    """Value and gradient."""
    refuse(operator, mode=mode if mode != "auto" and mode != "forward" else None, has_aux=has_aux, batch_dims=batch_dims)
    return run(operator, "gradient", f, args, argnum, chunk_size)
