"""What the checks of the exercises have in common: they read scalars, look for shortcuts, and compare."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from dualdiff.teaching.exercises import Wrong

Function = Callable[..., Any]

#: The operators of the library, which some exercises ask readers to do without.
OPERATORS = frozenset(
    {"derivative", "gradient", "jacobian", "hessian", "jvp", "vjp", "hvp", "linearize", "nth_derivative", "taylor"}
    | {"value_and_derivative", "value_and_gradient", "value_and_jacobian", "Dual", "DualArray", "Series"}
)


def scalar(answer: Any, what: str = "a scalar") -> float:
    """A finite real scalar; truth values, arrays and objects that only pretend to be one are refused."""
    kind = type(answer)
    if not issubclass(kind, (int, float, np.integer, np.floating)) or issubclass(kind, bool):
        is_array = issubclass(kind, np.ndarray) and answer.shape == () and answer.dtype.kind in "if"
        if not is_array:
            raise Wrong(f"The answer is {what}, such as 0.25.")
    if not math.isfinite(answer):
        raise Wrong(f"The answer is {what}, and a finite one.")
    return float(answer)


def array(answer: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """A finite array of floats with a shape."""
    kind = type(answer)
    if not issubclass(kind, (np.ndarray, list, tuple)):
        raise Wrong(f"The answer is {what}.")
    try:
        result = np.asarray(answer, float)
    except (TypeError, ValueError):
        raise Wrong(f"The answer is {what}, with real elements.") from None
    if result.shape != shape:
        raise Wrong(f"The answer is {what}: shape {shape}, but yours has shape {result.shape}.")
    if not np.all(np.isfinite(result)):
        raise Wrong("An element of your answer is not finite.")
    return result


def returned(value: Any, shape: tuple[int, ...] = ()) -> np.ndarray:
    """What a reader's function returned, as an array with a shape."""
    if value is None or value is ...:
        raise Wrong("Your function returns nothing: is a return statement missing?")
    try:
        result = np.asarray(value, complex)
    except Exception:
        raise Wrong("Your function should return a scalar or an array of floats.") from None
    if result.shape != shape:
        wanted = f"an array of shape {shape}" if shape else "a scalar"
        raise Wrong(f"Your function should return {wanted}, but it returned one of shape {result.shape}.")
    if np.any(result.imag):
        raise Wrong("Your function returned a complex result: take its real or imaginary part.")
    return result.real


def agree(given: Any, wanted: Any, tolerance: float = 1e-9) -> bool:
    """Whether two arrays agree within the tolerance, relative and absolute."""
    return bool(np.allclose(given, wanted, rtol=tolerance, atol=tolerance))


def words_in(f: Any, seen: set[Any] | None = None) -> set[str]:
    """The names that a function uses, and those that the reader's own functions use that it calls."""
    f = getattr(f, "py_func", f)
    f = getattr(f, "func", f)  # functools.partial
    if type(f) is not FunctionType:
        return {getattr(f, "__name__", "")}
    seen = set() if seen is None else seen
    if f in seen:
        return set()
    seen.add(f)
    found = {name for code in _codes(f.__code__) for name in code.co_names}
    for name in set(found):
        used = f.__globals__.get(name, getattr(builtins, name, None))
        if type(used) is FunctionType and used.__module__ == f.__module__:
            found |= words_in(used, seen)
        elif callable(used):
            found.add(getattr(used, "__name__", ""))  # imported under another name
    for cell in f.__closure__ or ():
        if callable(cell.cell_contents):
            found |= words_in(cell.cell_contents, seen)
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of those inside it."""
    yield code
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from _codes(constant)


def refuse(f: Any, names: Any, why: str) -> None:
    """Refuse an answer that takes a shortcut: one that uses any of these names."""
    used = sorted(words_in(f) & set(names))
    if used:
        raise Wrong(f"Your function uses `{used[0]}`. {why}")
