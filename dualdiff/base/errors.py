"""The exceptions and warnings of dualdiff, and the messages that several modules share."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator


class LostDerivativeError(TypeError):
    """A dual number was converted to a plain value, which would drop its tangent."""


class NoRuleError(TypeError):
    """A function was called with duals and has no derivative rule for them."""


class ExpiredDualError(RuntimeError):
    """A dual outlived the differentiation that created it and was used in another one."""


class MixedPointsError(ValueError):
    """A function that is differentiated at independent points combines several of them."""


class IncompletePatternError(ValueError):
    """A sparsity pattern given as ``sparse=`` lacks nonzero entries of the derivative."""


class NotHolomorphicError(TypeError):
    """A complex derivative was requested of a function that is not holomorphic (it uses conj, abs, real, ...)."""


class ObjectArrayWarning(UserWarning):
    """An array of duals was converted to an object array: results are correct, but computed slowly, by element."""


class SingularPointWarning(UserWarning):
    """A NaN computed from x was replaced by a constant, so the derivative there is that of the constant: zero."""

    __module__ = "dualdiff"


class ConstantResultWarning(UserWarning):
    """The result of a differentiated function was not computed from its argument: the derivative is zero, or lost.

    It is lost if the result depends on the argument through comparisons only (bisection), through a stored value, or
    at other points only.  If zero is correct, filter the warning with ``warnings.filterwarnings("ignore",
    category=...)`` or return ``3.0 + 0 * x``.  Not emitted inside another differentiation, for derivatives of linear
    functions, for rounded, counted or compared values, or for functions compiled by Numba.
    """

    __module__ = "dualdiff"


_COLLECT = "collect the elements in a list and np.stack it, or make the buffer with dualdiff.zeros(shape, like=x)"

UNHASHABLE = (
    "dual numbers are unhashable: a set, dict or cache would return stale derivatives; use dualdiff.value(x) as the key"
)


def lost(what: str, instead: str) -> LostDerivativeError:
    """The error for a conversion that would drop a tangent."""
    return LostDerivativeError(
        f"{what} would lose the derivative of a dual number: use {instead}, or dualdiff.value(x) if the plain value "
        "is meant"
    )


def lost_number(conversion: str, instead: str) -> LostDerivativeError:
    """The error for converting a dual to a plain Python scalar, explicitly or by storing it in a buffer."""
    return lost(
        f"{conversion} (a function of the math module, or writing into an array of plain floats)",
        f"{instead}; {_COLLECT}",
    )


def plain_target(what: str) -> LostDerivativeError:
    """The error for writing duals into an array of plain values."""
    return LostDerivativeError(f"{what} holds plain values and cannot store the derivative of a dual: {_COLLECT}")


def own_arithmetic(kind: type) -> TypeError:
    """The error for an instance of an array class that redefines the operators."""
    return TypeError(
        f"a {kind.__name__} was combined with dual numbers, which do not implement its arithmetic; pass a plain "
        "array, such as np.asarray(x) if that arithmetic does not matter"
    )


def public_name(name: str) -> str:
    """The public name of a ufunc, which may be the private implementation of a SciPy function."""
    return {"_riemann_zeta": "zeta"}.get(name, name.removeprefix("_"))


def no_rule(name: str, detail: str = "") -> NoRuleError:
    """The error for a function without a derivative rule."""
    return NoRuleError(
        f"{name} has no derivative rule{detail}: write it with functions that have one, define one with "
        "dualdiff.custom_derivative, or pass dualdiff.value(x) if its result counts as constant"
    )


def expired() -> ExpiredDualError:
    """The error for a dual that is used after its call has ended."""
    return ExpiredDualError(
        "a dual number was used after the differentiation that created it had ended, together with duals of another "
        "one: do not store duals outside the differentiated function; store dualdiff.value(x), or return "
        "the quantity with has_aux=True"
    )


#: The messages with which NumPy and SciPy reject an object array.
_OBJECT_ARRAY = re.compile(
    r"dtype\('O'\)|dtype object|object array|no callable \w+ method|not supported for the input types|"
    r"not a proper array of floats|not of a type supported by SuperLU"
)
_OBJECT_ARRAY_NOTE = (
    "dualdiff: if these are dual numbers, np.array([...]) of scalars, np.asarray or a library converted them to an "
    "object array, which few functions accept. Write np.stack([...]), or np.block([[...], [...]]) for a matrix, "
    "instead of np.array; wrap code that cannot be edited as dualdiff.dual_buffers(f); for SciPy's functions use "
    "dualdiff.scipy.linalg and dualdiff.scipy.special; define the derivative of any other function with "
    "dualdiff.custom_derivative"
)
#: The messages of scipy.sparse for the same case.
_SPARSE = re.compile(r"no supported conversion for types|unsupported data types in input")
_SPARSE_NOTE = (
    "dualdiff: matrices of scipy.sparse hold plain values. A @ u has a derivative for an array of duals u: write "
    "k * (A @ u) instead of (k * A) @ u, and np.stack([...]) instead of np.array([...]) for u; define the derivative "
    "of any other function with dualdiff.custom_derivative(f, jvp=lambda primals, tangents: ...)"
)
#: NumPy's warning, turned into an error, when it shuffles an array of several axes as if it were a list of rows.
SHUFFLED = "you are shuffling a 'DualArray' object"
_SHUFFLED_NOTE = (
    "dualdiff: shuffling in place would duplicate some rows of a dual array, because rows are views. Write "
    "y[...] = y[rng.permutation(len(y))], which draws the same permutation as rng.shuffle(y)"
)
_LIBRARY_NOTE = (
    "dualdiff: the conversion to a plain value is in {name}, in a library: if it fills buffers that it allocates "
    "itself, wrap it as dualdiff.dual_buffers(function); define the derivative of any other function with "
    "dualdiff.custom_derivative"
)


def explain(error: Exception) -> None:
    """Add a note to an error raised by a function of duals that says what to write instead, unless it has one."""
    note = None
    if isinstance(error, (LostDerivativeError, SystemError)):
        # Compiled code that ignores our exception continues, and fails with a SystemError.
        if any(isinstance(e, LostDerivativeError) for e in _chain(error)):
            name = _library(error, everywhere=isinstance(error, SystemError))
            note = name and (_SPARSE_NOTE if name.startswith("scipy.sparse._") else _LIBRARY_NOTE.format(name=name))
    elif str(error).startswith(SHUFFLED):
        note = _SHUFFLED_NOTE
    elif _SPARSE.search(str(error)):
        note = _SPARSE_NOTE
    elif not isinstance(error, NoRuleError) and _OBJECT_ARRAY.search(str(error)):
        note = _OBJECT_ARRAY_NOTE
    if note is not None and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _chain(error: BaseException) -> Iterator[BaseException]:
    step: BaseException | None = error
    while step is not None:
        yield step
        step = step.__cause__ or step.__context__


def _library(error: BaseException, everywhere: bool) -> str | None:
    """The library function that raised an error, or with ``everywhere`` the first one in its traceback; else None."""
    name, step = None, error.__traceback__
    while step is not None:
        frame, step = step.tb_frame, step.tb_next
        module = str(frame.f_globals.get("__name__"))
        package, path = module.partition(".")[0], frame.f_code.co_filename
        if "site-packages" in path or "dist-packages" in path or package in sys.stdlib_module_names - {"__main__"}:
            name = name or f"{module}.{frame.f_code.co_name}"
        elif package != "dualdiff" and not everywhere:
            name = None
    return name
