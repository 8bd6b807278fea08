"""What dualdiff raises and warns, and the sentences that many places share."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator


class LostDerivativeError(TypeError):
    """A plain number was asked for where a dual number would lose its tangent."""


class NoRuleError(TypeError):
    """A NumPy function has no derivative rule for the duals it was given."""


class ExpiredDualError(RuntimeError):
    """A dual outlived the differentiation that made it and met another one."""


class MixedPointsError(ValueError):
    """A function that was differentiated point by point combines its points."""


class IncompletePatternError(ValueError):
    """A pattern given as ``sparse=`` lacks entries that the derivative has."""


class NotHolomorphicError(TypeError):
    """A complex derivative was asked of a function that has none (it uses conj, abs, real, ...)."""


class ObjectArrayWarning(UserWarning):
    """An array of duals was turned into an object array: right, but element by element and slow."""


class SingularPointWarning(UserWarning):
    """A NaN that was computed from x was replaced by a constant, and the derivative there is the constant's: zero."""

    __module__ = "dualdiff"


class ConstantResultWarning(UserWarning):
    """A function that is differentiated returned what was not computed from the argument at all: zero, or lost.

    Lost where the result depends on the argument by comparisons alone (bisection), through a value that was kept, or
    elsewhere than at this point.  Where zero is right, ``warnings.filterwarnings("ignore", category=...)`` or a result
    ``3.0 + 0 * x`` says so.  Not emitted inside another differentiation, for the derivatives of linear functions, for
    what was rounded, counted or compared, or for functions that Numba compiled.
    """

    __module__ = "dualdiff"


_COLLECT = "collect the elements in a list and np.stack it, or make the buffer with dualdiff.zeros(shape, like=x)"

UNHASHABLE = (
    "dual numbers are unhashable: a set, dict or cache would hand out stale derivatives; "
    "use dualdiff.value(x) as the key"
)


def lost(what: str, instead: str) -> LostDerivativeError:
    """The error for a conversion that would drop the tangent."""
    return LostDerivativeError(
        f"{what} would lose the derivative of a dual number: use {instead}, or dualdiff.value(x) if the plain value "
        "is meant"
    )


def lost_number(conversion: str, instead: str) -> LostDerivativeError:
    """The error for a plain Python number made of a dual, by name or by storing it in a buffer."""
    return lost(
        f"{conversion} (a function of the math module, or writing into an array of plain numbers)",
        f"{instead}; {_COLLECT}",
    )


def plain_target(what: str) -> LostDerivativeError:
    """The error for writing duals into an array of plain numbers."""
    return LostDerivativeError(f"{what} holds plain numbers and cannot take the derivative of a dual: {_COLLECT}")


def own_arithmetic(kind: type) -> TypeError:
    """The error for an array of a class that gives the operators another meaning."""
    return TypeError(
        f"a {kind.__name__} stands beside dual numbers, which do not know its own rules of arithmetic; pass a plain "
        "array, such as np.asarray(x) if they do not matter"
    )


def public_name(name: str) -> str:
    """The name under which users call a ufunc, of one that stands behind a function of SciPy."""
    return {"_riemann_zeta": "zeta"}.get(name, name.removeprefix("_"))


def no_rule(name: str, detail: str = "") -> NoRuleError:
    """The error for a function that duals cannot pass through."""
    return NoRuleError(
        f"{name} has no derivative rule{detail}: write it with functions that have one, give it one with "
        "dualdiff.custom_derivative, or pass dualdiff.value(x) if its result counts as constant"
    )


def expired() -> ExpiredDualError:
    """The error for a dual that was kept after its call ended."""
    return ExpiredDualError(
        "a dual number was used after the differentiation that made it had ended, together with numbers of another "
        "one: do not store duals outside the function that is differentiated; store dualdiff.value(x), or return "
        "the quantity with has_aux=True"
    )


#: How NumPy and SciPy say that they do not take an array of objects.
_OBJECT_ARRAY = re.compile(
    r"dtype\('O'\)|dtype object|object array|no callable \w+ method|not supported for the input types|"
    r"not a proper array of floats|not of a type supported by SuperLU"
)
_OBJECT_ARRAY_NOTE = (
    "dualdiff: if these are dual numbers, np.array([...]) of numbers, np.asarray or a library made an object array of "
    "them, which few functions take. Write np.stack([...]), or np.block([[...], [...]]) for a matrix, instead of "
    "np.array; run code that cannot be edited as dualdiff.dual_buffers(f); for SciPy's functions take "
    "dualdiff.scipy.linalg and dualdiff.scipy.special; give any other function its derivative with "
    "dualdiff.custom_derivative"
)
#: How scipy.sparse says the same, and where it is.
_SPARSE = re.compile(r"no supported conversion for types|unsupported data types in input")
_SPARSE_NOTE = (
    "dualdiff: matrices of scipy.sparse hold plain numbers. A @ u has a derivative for an array of duals u: write "
    "k * (A @ u) instead of (k * A) @ u, and np.stack([...]) instead of np.array([...]) for u; give another function "
    "its derivative, dualdiff.custom_derivative(f, jvp=lambda primals, tangents: ...)"
)
#: What NumPy warns of, as an error, when it shuffles an array of several axes and takes it for a list of its rows.
SHUFFLED = "you are shuffling a 'DualArray' object"
_SHUFFLED_NOTE = (
    "dualdiff: shuffling in place would give some rows of a dual array twice, because rows are views. Write "
    "y[...] = y[rng.permutation(len(y))], which draws the same arrangement as rng.shuffle(y)"
)
_LIBRARY_NOTE = (
    "dualdiff: the plain number was asked for in {name}, code of a library: where that fills arrays of its own, run it "
    "as dualdiff.dual_buffers(function); give any other function its derivative with dualdiff.custom_derivative"
)


def explain(error: Exception) -> None:
    """Add to an error that came out of a function of duals what to write instead, where that is not said yet."""
    note = None
    if isinstance(error, (LostDerivativeError, SystemError)):
        # Compiled code that overlooks our error goes on, and fails with a SystemError.
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
    """The function of a library that an error came out of, if it did, or ``everywhere`` on its way."""
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
