"""NumPy's elementwise functions that are not ufuncs: clip, sinc, i0, nan_to_num, unwrap, and ``numpy.emath``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import lost
from dualdiff.base.internals import NO_VALUE as _NOT_GIVEN
from dualdiff.core.application import apply
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual, Dual
from dualdiff.rules.numpy.elementwise.table import ROWS
from dualdiff.rules.numpy.elementwise.ufuncs import CLIP
from dualdiff.rules.writing.array_rules import Application, implements, missing, plain_values


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = _NOT_GIVEN,
    a_max: Any = _NOT_GIVEN,
    out: Any = None,
    *,
    min: Any = _NOT_GIVEN,
    max: Any = _NOT_GIVEN,
    **options: Any,
) -> Any:
    """The ufunc behind np.clip; with only one bound, maximum or minimum."""
    if not (a_min is a_max is _NOT_GIVEN or min is max is _NOT_GIVEN):
        raise ValueError("numpy.clip takes either a_min and a_max or min and max")
    lower: Any = a_min if a_min is not _NOT_GIVEN else None if min is _NOT_GIVEN else min
    upper: Any = a_max if a_max is not _NOT_GIVEN else None if max is _NOT_GIVEN else max
    if lower is None and upper is None:
        return np.positive(a, out=out, **options)
    if lower is None:
        return np.minimum(a, upper, out=out, **options)
    if upper is None:
        return np.maximum(a, lower, out=out, **options)
    return CLIP(a, lower, upper, out=out, **options)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """Differentiated by its row."""
    return apply(ROWS["sinc"], np.sinc, x)


@implements(np.i0)
def i0(x: Any) -> Any:
    """Differentiated by its row."""
    return apply(ROWS["i0"], np.i0, x)


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Finite elements keep their tangents; the replacements of the others are constants, or duals if given as such."""
    x = operand(x)
    if np.iscomplexobj(x):
        options = {"nan": nan, "posinf": posinf, "neginf": neginf}
        result = nan_to_num(np.real(x), **options) + 1j * nan_to_num(np.imag(x), **options)
    else:
        largest = np.finfo(x.dtype).max
        result = np.where(missing(x, "nan_to_num"), nan, x)
        result = np.where(np.isposinf(x), largest if posinf is None else posinf, result)
        result = np.where(np.isneginf(x), -largest if neginf is None else neginf, result)
    result = result.astype(x.dtype)
    if not getattr(x, "shape", ()):
        # A scalar, also for a zero-dimensional array; a dual scalar has no x[()].
        return result if isinstance(result, Dual) else result[()]
    if copy:
        return result
    x[...] = result
    return x


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """The added multiples of the period are chosen by value."""
    if isinstance(period, AnyDual):
        raise lost("numpy.unwrap with a dual period", "np.unwrap(p / period, period=1.0) * period")
    operands = Application(p, linear=True)
    value = np.unwrap(operands.values[0], plain_values(discont), axis, period=period)
    return operands.result(value, [t for t in operands.tangents if t is not None])


# -- numpy.emath -----------------------------------------------------------------------------------------------------
def _extended(function: Callable[..., Any], ufunc: np.ufunc) -> Callable[..., Any]:
    """The ufunc, on complex arguments where NumPy leaves its real domain."""

    def implementation(*args: Any, **kwargs: Any) -> Any:
        operands = [operand(a) for a in inspect.signature(function).bind(*args, **kwargs).args]
        if np.iscomplexobj(function(*map(plain_values, operands))):
            operands = [a + 0j for a in operands]
        return ufunc(*operands)

    return implementation


for name in ("arccos", "arcsin", "arctanh", "log", "log2", "log10", "power", "sqrt"):
    implements(getattr(np.emath, name))(_extended(getattr(np.emath, name), getattr(np, name)))


@implements(np.emath.logn)
def logn(n: Any, x: Any) -> Any:
    """The quotient of logarithms that NumPy computes."""
    return np.emath.log(x) / np.emath.log(n)
