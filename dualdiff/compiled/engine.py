"""The operators for functions that Numba compiled: called from Python, run compiled.

For each function and operator one driver is compiled, which seeds, runs f chunk by chunk, and reads the derivative off;
the drivers are kept with the function.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import jit, njit, typeof
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from dualdiff import compiled
from dualdiff.compiled import operators
from dualdiff.compiled.operators import WIDTH
from dualdiff.core.dual import AnyDual
from dualdiff.core.errors import NoRuleError, plain_target
from dualdiff.drivers.containers import input_leaf
from dualdiff.drivers.passes import check_chunk_size
from dualdiff.drivers.reverse import check_mode

compiled.init()

FLOAT64 = np.dtype(np.float64)

#: Partials in a pass where x has no more numbers.
NARROW = 4

#: The operators with a compiled driver, the number of arguments before f's others (x, or x and a direction), and
#: whether they run in chunks of a chosen width.
CORES: dict[str, tuple[Callable[..., Any], int, bool]] = {
    "derivative": (operators.derivative_core, 1, False),
    "gradient": (operators.gradient_core, 1, True),
    "slope": (operators.slope_core, 1, False),
    "second": (operators.second_core, 1, False),
    "second_along": (operators.second_along_core, 2, False),
    "jacobian": (operators.jacobian_core, 1, True),
    "hessian": (operators.hessian_core, 1, False),
    "jvp": (operators.jvp_core, 2, False),
    "hvp": (operators.hvp_core, 2, True),
}

#: What takes the place of a core at a number.
ON_NUMBERS = {"gradient": "slope", "jacobian": "derivative", "hessian": "second", "hvp": "second_along"}


def takes(f: Any) -> bool:
    """Whether this engine differentiates f."""
    return isinstance(f, Dispatcher)


def run(operator: str, core: str, f: Any, args: tuple[Any, ...], argnum: int, chunk_size: int | None = None) -> Any:
    """What the core of an operator finds, the derivative last."""
    before = CORES[core][1]
    x = args[0]
    kind = type(x)
    if (
        argnum
        or before == 2
        or not (kind is float or (kind is np.ndarray and x.dtype is FLOAT64 and x.flags.c_contiguous))
    ):
        args = _prepared(operator, args, argnum, before)
        argnum %= len(args) - before + 1
        x = args[0]
        kind = type(x)
    if chunk_size is not None:
        check_chunk_size(operator, chunk_size)
    if kind is not np.ndarray:
        width = 0
        core = ON_NUMBERS.get(core, core)
    else:
        width = chunk_size or (NARROW if x.size <= NARROW else WIDTH)
    try:
        return _evaluated(f, args, core, argnum, width)
    except NumbaError as error:
        explained = _explained(operator, f, args, argnum, before, error)
    raise explained


def _evaluated(f: Any, args: tuple[Any, ...], core: str, argnum: int, width: int) -> Any:
    try:
        driver = f._dualdiff[core, argnum, width, False]
    except (AttributeError, KeyError):
        driver = _driver(f, core, argnum, width, False)
    found, has_nan = driver(*args)
    if has_nan:
        # Once more with zero tangents contributing zero, which costs time and is seldom needed.
        found, _ = _driver(f, core, argnum, width, True)(*args)
    return found


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
    """A compiled function of x (and a direction) and f's other arguments; kept with f."""
    try:
        drivers = f._dualdiff
    except AttributeError:
        drivers = f._dualdiff = {}
    key = core, argnum, width, masked
    if key in drivers:
        return drivers[key]
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
    drivers[key] = njit(names["driver"])
    return drivers[key]


def _with_first(f: Any, argnum: int) -> Any:
    """f as a function whose first argument is the one that is differentiated, run by one thread."""
    if f.targetoptions.get("parallel"):
        # Numba's loops over several threads know its own numbers alone.
        f = jit(**{**f.targetoptions, "parallel": False})(f.py_func)
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
            raise NoRuleError(f"{operator}: {name}={given!r} is not supported for compiled functions; {REMEDY}")


REMEDY = "pass f.py_func for NumPy's engine"
_CALL = re.compile(r">>> (.+)")
_OWN = re.compile(r"\w+_(core|in|of|into|number)\(")
_PLACE = re.compile(r"During: (?:typing of .+|lowering .+) at (.+) \((\d+)\)")


def _explained(operator: str, f: Any, args: tuple[Any, ...], argnum: int, before: int, error: NumbaError) -> Exception:
    """One line for pages of typing trace; Numba's own words where f does not compile by itself."""
    given = list(args[before:])
    given.insert(argnum, args[0])
    try:
        f.compile(tuple(map(typeof, given)))
    except NumbaError as own:
        return own
    text = str(error)
    code = f.py_func.__code__
    lines = [line for file, line in _PLACE.findall(text) if file == code.co_filename]
    where = f"{operator} of the compiled function {f.py_func.__name__}" + (f", line {lines[0]}" if lines else "")
    calls = [c for c in _CALL.findall(text) if "Dual(" in c and not _OWN.match(c)]
    if any(call.startswith(("setitem(array(float", "setitem(array(int")) for call in calls):
        return plain_target(f"{where}: an array of plain numbers")
    if calls:
        return NoRuleError(f"{where}: there is no compiled rule for {calls[0]}; {REMEDY}")
    said = [line.strip() for line in text.splitlines() if "dualdiff." in line or "Dual" in line]
    return NoRuleError(f"{where}: {said[0] if said else 'the function cannot be compiled for duals'}; {REMEDY}")


# -- the operators -----------------------------------------------------------------------------------------------------
def derivative(f: Any, args: tuple[Any, ...], argnum: int, has_aux: bool) -> Any:
    """The derivative; at a float by the shortest way."""
    if argnum == 0 and not has_aux and type(args[0]) is float:
        try:
            driver = f._dualdiff_at_float
        except AttributeError:
            return _first_derivative(f, args)
        found = driver(*args)
        if found == found:
            return found
    refuse("derivative", has_aux=has_aux)
    return run("derivative", "derivative", f, args, argnum)[1]


def _first_derivative(f: Any, args: tuple[Any, ...]) -> Any:
    """The first derivative of f at a float; where it is a number, a driver is made that returns it and nothing else."""
    found = run("derivative", "derivative", f, args, 0)[1]
    if type(found) is float:
        names = {"f": _with_first(f, 0), "core": operators.derivative_core}
        exec("def driver(x, *args):\n    return core(f, x, args, False)[1]\n", names)
        f._dualdiff_at_float = njit(names["driver"])
    return found


def value_and_derivative(f: Any, args: tuple[Any, ...], argnum: int, has_aux: bool) -> Any:
    """Value and derivative."""
    refuse("value_and_derivative", has_aux=has_aux)
    return run("value_and_derivative", "derivative", f, args, argnum)


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
    if mode != "auto" or has_aux or batch_dims:
        check_mode(operator, mode)
        refuse(operator, mode=mode == "reverse" and mode, has_aux=has_aux, batch_dims=batch_dims)
    return run(operator, "gradient", f, args, argnum, chunk_size)


def jacobian(
    operator: str,
    f: Any,
    args: tuple[Any, ...],
    argnum: int,
    chunk_size: int | None,
    mode: str,
    sparse: Any,
    check: bool,
    has_aux: bool,
    batch_dims: int,
) -> Any:
    """Value and Jacobian."""
    if mode != "auto" or sparse is not False or check or has_aux or batch_dims:
        check_mode(operator, mode)
        refuse(
            operator,
            mode=mode == "reverse" and mode,
            sparse=sparse is not False and "...",
            check=check,
            has_aux=has_aux,
            batch_dims=batch_dims,
        )
    return run(operator, "jacobian", f, args, argnum, chunk_size)


def hessian(
    operator: str,
    f: Any,
    args: tuple[Any, ...],
    argnum: int,
    chunk_size: int | None,
    mode: str,
    sparse: Any,
    check: bool,
    has_aux: bool,
    batch_dims: int,
) -> Any:
    """Value, gradient and Hessian."""
    check_mode(operator, mode)
    refuse(
        operator,
        mode=mode == "reverse" and mode,
        sparse=sparse is not False and "...",
        check=check,
        has_aux=has_aux,
        batch_dims=batch_dims,
    )
    check_chunk_size(operator, chunk_size)
    return run(operator, "hessian", f, args, argnum)


def jvp(f: Any, args: tuple[Any, ...], argnum: int, has_aux: bool) -> Any:
    """Value and derivative along a direction."""
    refuse("jvp", has_aux=has_aux)
    return run("jvp", "jvp", f, args, argnum)


def hvp(f: Any, args: tuple[Any, ...], argnum: int, chunk_size: int | None, mode: str, has_aux: bool) -> Any:
    """Derivative along a direction, and Hessian times it."""
    check_mode("hvp", mode)
    refuse("hvp", mode=mode == "reverse" and mode, has_aux=has_aux)
    return run("hvp", "hvp", f, args, argnum, chunk_size)
