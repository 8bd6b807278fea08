"""All uses of private parts of NumPy, SciPy and CPython: what is imported, who calls, what errors say.

What they document is used wherever it is needed.  Everything that may change without notice between releases stands
here, and each entry of `RELIANCES` gives the reason, the parts with their signatures, and the versions in which they
were seen.  ``tests/base/test_internals.py`` compares all of them with what is installed.  Numba has a file of its own,
`dualdiff.compiled.patches`.

SciPy is not imported: its parts are named.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from opcode import opmap
from types import CodeType, FrameType
from typing import Any, TypeVar

import numpy as np

PYTHON = ("Python 3.11", "Python 3.13")
NUMPY = ("NumPy 2.0", "NumPy 2.4", "NumPy 2.5")
SCIPY = ("SciPy 1.13", "SciPy 1.17", "SciPy 1.18")

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Reliance:
    """Why private parts of a library are used, which, and in which versions they were seen.

    A part is a dotted path, with the signature that it is called or replaced with; no parts: texts of errors.
    """

    reason: str
    parts: tuple[str, ...]
    seen: tuple[str, ...]


#: By the names of this file.
RELIANCES: dict[str, Reliance] = {}


def recorder(reliances: dict[str, Reliance], versions: tuple[str, ...]) -> Callable[..., Callable[[Thing], Thing]]:
    """A decorator that records the parts that a function uses; its docstring has the reason."""

    def relies_on(*parts: str, seen: tuple[str, ...] = versions) -> Callable[[Thing], Thing]:
        def record(function: Thing) -> Thing:
            reliances[function.__name__] = Reliance(inspect.getdoc(function) or "", parts, seen)  # type: ignore[attr-defined]
            return function

        return record

    return relies_on


relies_on = recorder(RELIANCES, PYTHON)


def _is(name: str, thing: Thing, reason: str, *parts: str, seen: tuple[str, ...] = PYTHON) -> Thing:
    """Record a thing that is used as it is, under its name in this file."""
    RELIANCES[name] = Reliance(reason, parts, seen)
    return thing


# -- CPython: frames ---------------------------------------------------------------------------------------------------
#: Bound once, and called directly where numbers ask who calls: the frame is that of the caller, which costs nothing.
frame = _is("frame", sys._getframe, "numbers answer some callers otherwise", "sys._getframe(depth=0, /)")


@relies_on("sys._getframe(depth=0, /)")
def stacklevel() -> int:
    """The ``stacklevel`` with which a warning names the first caller outside this package and NumPy.

    ``skip_file_prefixes`` of `warnings.warn` does so from Python 3.12 on.
    """
    level, caller = 2, frame(2)
    while caller.f_back is not None and caller.f_globals.get("__name__", "").partition(".")[0] in ("dualdiff", "numpy"):
        caller = caller.f_back
        level += 1
    return level


@relies_on("sys._getframe(depth=0, /)")
def place_of_caller() -> tuple[str, int]:
    """The file and the line of the first caller outside this package and NumPy."""
    caller = frame(1)
    while caller.f_back is not None and caller.f_globals.get("__name__", "").partition(".")[0] in ("dualdiff", "numpy"):
        caller = caller.f_back
    return caller.f_code.co_filename, caller.f_lineno


@relies_on("sys._getframe(depth=0, /)")
def is_running(function: str, variable: str, thing: Any) -> bool:
    """Whether a function of this name, with this thing in a variable, is among the callers.

    That costs the function itself nothing, where noting its thread would take too long.
    """
    caller: FrameType | None = frame(2)
    while caller is not None:
        if caller.f_code.co_name == function and caller.f_locals.get(variable) is thing:
            return True
        caller = caller.f_back
    return False


@relies_on("sys._getframe(depth=0, /)")
def is_computing_ufunc(caller: FrameType) -> bool:
    """Whether a method ``__array_ufunc__`` is among the next callers, as that of astropy, which asks in a helper.

    It reads ``value`` of what has no ``unit``, and takes a TypeError for what it does not know.
    """
    step: FrameType | None = caller
    for _ in range(4):
        if step is None or step.f_code.co_name == "__array_ufunc__":
            break
        step = step.f_back
    return step is not None and step.f_code.co_name == "__array_ufunc__"


@relies_on("sys._getframe(depth=0, /)")
def namespace_of_arrays(caller: FrameType) -> tuple[Callable[..., Any] | None, dict[str, Any]]:
    """The function ``array_namespace`` of array_api_compat that calls ``__array_namespace__``, and its options.

    For arrays of NumPy it gives a module of its own, and it refuses two different modules.
    """
    names = ("use_compat",) if "use_compat" in caller.f_locals else ()
    return caller.f_globals.get("array_namespace"), {name: caller.f_locals[name] for name in names}


_BINARY_OP = opmap["BINARY_OP"]
#: The operators that work in place have the numbers of the others, and this added.
_IN_PLACE = 13


@relies_on("opcode.opmap", "sys._getframe(depth=0, /)")
def is_in_place(caller: FrameType) -> bool:
    """Whether a frame runs ``y op= x`` now: NumPy calls the ufunc with the same arguments for ``np.add(y, x, out=y)``.

    Only the statement gives the name y to the result, so that another array may take its place.
    """
    code, place = caller.f_code.co_code, caller.f_lasti
    return code[place] == _BINARY_OP and _IN_PLACE <= code[place + 1] < 2 * _IN_PLACE


# -- CPython: objects --------------------------------------------------------------------------------------------------
#: What a count of references should be is counted once at import, never written down: versions differ.
references = _is(
    "references",
    sys.getrefcount,
    "another array may take the place of one only where nothing else refers to it",
    "sys.getrefcount(object, /)",
)

_HEAP_TYPE = 1 << 9


@relies_on("builtins.type.__flags__")
def is_written_in_python(cls: type) -> bool:
    """Whether a class is made at run time, as those written in Python are (``Py_TPFLAGS_HEAPTYPE``).

    Only these hold arrays in attributes that their methods write.
    """
    return bool(cls.__flags__ & _HEAP_TYPE)


# -- CPython: errors ---------------------------------------------------------------------------------------------------
@relies_on("types.TracebackType.tb_lasti", "types.TracebackType.tb_frame", "types.TracebackType.tb_next")
def steps(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """The frames that an error went through, the innermost last, with where in their code.

    The advice about an error depends on who raised it, and on the call in the user's source.
    """
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame, step.tb_lasti
        step = step.tb_next


@lru_cache(maxsize=64)
@relies_on("types.CodeType.co_positions")
def positions(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    """The lines and columns of the instructions of a code object, as (line, last line, column, last column)."""
    return list(code.co_positions())


@relies_on("types.FrameType.f_lasti")
def position(caller: FrameType, place: int | None = None) -> tuple[int, int, int, int] | None:
    """The lines and columns of the instruction at a place in the code of a frame; None if they are unknown.

    Without a place, those of the instruction that runs.  Positions are listed by instruction, of two bytes each.
    """
    start, stop, column, end = positions(caller.f_code)[(caller.f_lasti if place is None else place) // 2]
    if start is None or stop is None or column is None or end is None:
        return None
    return start, stop, column, end


# -- NumPy -------------------------------------------------------------------------------------------------------------
NO_VALUE = _is(
    "NO_VALUE",
    np._NoValue,
    "the default of NumPy's parameters for which None has a meaning",
    "numpy._NoValue",
    seen=NUMPY,
)

#: The context variable of the floating-point error state; None if NumPy has moved it: `numpy.errstate` is used then.
error_state: ContextVar[Any] | None = None
with contextlib.suppress(ImportError):
    from numpy._core.umath import _extobj_contextvar as error_state
_is(
    "error_state",
    error_state,
    "setting it directly takes 0.3 microseconds, where numpy.errstate takes 1.4",
    "numpy._core.umath._extobj_contextvar",
    seen=NUMPY,
)

#: Compared with the module of the caller in the property `dtype`.
METHODS_OF_ARRAYS = _is(
    "METHODS_OF_ARRAYS",
    "numpy._core._methods",
    "mean, var and std of an object array convert its sum, which is a dual, to the dtype of the sum",
    "numpy._core._methods._mean",
    "numpy._core._methods._var",
    seen=NUMPY,
)

#: Compared with the module of the caller that converts a dual.
ASSERTIONS = _is(
    "ASSERTIONS",
    "numpy.testing.",
    "the assertions of numpy.testing convert what they compare, and comparisons are by value",
    "numpy.testing._private.utils.assert_array_compare",
    seen=NUMPY,
)

VECTORIZE = _is(
    "VECTORIZE",
    "_vectorize_call",
    "the method of numpy.vectorize that makes an array of the results",
    "numpy.vectorize._vectorize_call(self, func, args)",
    seen=NUMPY,
)


@relies_on("numpy.sum._implementation", seen=NUMPY)
def is_dispatched(function: Any) -> bool:
    """Whether a function of NumPy asks its arguments for an implementation: it says so by this attribute alone.

    Which ones do depends on the version, and so what can be registered.
    """
    return hasattr(function, "_implementation")


@relies_on("numpy.require(a, dtype=None, requirements=None, *, like=None)", seen=NUMPY)
def wants_writeable(caller: FrameType) -> bool:
    """Whether `numpy.require` converts an argument in order to make it writeable: it would copy what is read-only.

    It does not pass the requirements on to ``__array__``.
    """
    return caller.f_code.co_name == "require" and "W" in (caller.f_locals["requirements"] or ())


@relies_on("sys._getframe(depth=0, /)")
def keeps_missing_values(caller: FrameType) -> bool:
    """Whether pandas asks for the elements of an array: it knows a missing value by a plain NaN only."""
    return str(caller.f_globals.get("__name__")).startswith("pandas.")


#: Methods that are exchanged in adapted code.
COLUMNS_OF_PANDAS = _is(
    "COLUMNS_OF_PANDAS",
    ("_get_numeric_data", "select_dtypes"),
    "methods of pandas with numeric_only=True ask them for their columns, and those of duals are columns of objects",
    "pandas.DataFrame._get_numeric_data(self)",
    *(
        f"pandas.api.typing.DataFrameGroupBy.{name}"
        for name in ("_get_data_to_aggregate", "_gotitem", "_obj_with_exclusions")
    ),
    seen=("pandas 3.0", "pandas 3.1"),
)


# -- SciPy -------------------------------------------------------------------------------------------------------------
#: Compared with the module of the caller in the property `__class__`.
CONVERTERS = _is(
    "CONVERTERS",
    ("fractions", "mpmath.", "pandas.", "scipy.sparse.", "sympy."),
    "packages that convert floats and arrays to their own types, and may silently fall back if that fails: for them "
    "isinstance tells the truth about duals",
    "scipy.sparse._base",
    seen=SCIPY,
)


@relies_on("scipy.sparse._base._spbase._matmul_dispatch(self, other)", seen=SCIPY)
def is_product_of_sparse(caller: FrameType) -> bool:
    """Whether scipy.sparse converts the right operand of ``A @ x``; what is not an array then, it leaves to x.

    It does not ask for ``__array_ufunc__`` or ``__array_priority__``.
    """
    is_named = caller.f_code.co_name == "_matmul_dispatch"
    return is_named and str(caller.f_globals["__name__"]).startswith("scipy.sparse.")


#: By the names of their code.
READING_MEMORY = _is(
    "READING_MEMORY",
    {
        "as_strided": ("numpy.lib.stride_tricks.as_strided", " (sliding_window_view has one)"),
        "squareform": (
            "scipy.spatial.distance.squareform",
            " (D[i, j] = x; D[j, i] = x with i, j = np.triu_indices(n, 1) and D = dualdiff.zeros((n, n), like=x) does "
            "it)",
        ),
    },
    "functions that would read the memory of the object array as that of the array of values, with what to write "
    "instead",
    "numpy.lib.stride_tricks.as_strided",
    "scipy.spatial.distance.squareform",
    seen=(*NUMPY, *SCIPY),
)

SPARSE_INTERNALS = _is(
    "SPARSE_INTERNALS",
    "scipy.sparse._",
    "operators of sparse matrices have no public name to be called by in an error",
    "scipy.sparse._base",
    "scipy.sparse._compressed",
    seen=SCIPY,
)

#: In adapted code this module makes arrays of duals, unlike other code of libraries.
ARRAY_API = _is(
    "ARRAY_API",
    "scipy._lib._array_api",
    "functions of SciPy that are written in Python convert their arguments there, and then run on duals",
    "scipy._lib._array_api.array_namespace",
    seen=SCIPY,
)

UFUNC_MODULES = _is(
    "UFUNC_MODULES",
    ("numpy._core.umath", "scipy.special", "scipy.special._ufuncs"),
    "a ufunc does not say where it is defined, and an error names the function that the user called",
    "numpy._core.umath",
    "scipy.special._ufuncs",
    seen=(*NUMPY, *SCIPY),
)

#: The rows that are written for them, or that use them, are left out where SciPy lacks them.
SPECIAL_UFUNCS = _is(
    "SPECIAL_UFUNCS",
    (
        *("_igam_fac", "_beta_pdf", "_kolmogc", "_kolmogp", "_lambertw", "_ncf_pdf", "_nct_pdf", "_ncx2_pdf"),
        *("_riemann_zeta", "_smirnovp", "_zeta"),
    ),
    "ufuncs behind the functions of scipy.special, and the densities that their distribution functions integrate",
    *(f"scipy.special._ufuncs.{name}" for name in ("_igam_fac", "_kolmogc", "_kolmogp", "_lambertw")),
    *(f"scipy.special._ufuncs.{name}" for name in ("_riemann_zeta", "_smirnovp", "_zeta")),
    seen=SCIPY,
)

#: The compiled modules of scipy.ndimage; the second is missing in older versions.
COMPILED_OF_NDIMAGE = _is(
    "COMPILED_OF_NDIMAGE",
    ("scipy.ndimage._nd_image", "scipy.ndimage._rank_filter_1d"),
    "the functions of images, which run on duals, leave these parts to compiled code",
    *(
        f"scipy.ndimage._nd_image.{name}"
        for name in (
            *("correlate", "correlate1d", "uniform_filter1d", "rank_filter", "min_or_max_filter"),
            *("min_or_max_filter1d", "spline_filter1d", "geometric_transform", "zoom_shift"),
            *("fourier_filter", "fourier_shift"),
        )
    ),
    seen=SCIPY,
)

#: The modules whose formulas run on duals.
DISTRIBUTIONS = _is(
    "DISTRIBUTIONS",
    ("scipy.stats._continuous_distns", "scipy.stats._discrete_distns"),
    "the formulas of the distributions stand in these methods, and the public ones check and convert the arguments",
    *("scipy.stats._continuous_distns.norm", "scipy.stats._discrete_distns.poisson"),
    *(f"scipy.stats.rv_continuous.{name}(self, x, *args)" for name in ("_pdf", "_logpdf", "_cdf", "_logcdf", "_sf")),
    *(f"scipy.stats.rv_discrete.{name}(self, k, *args)" for name in ("_pmf", "_logpmf")),
    "scipy.stats.rv_discrete._cdf(self, x, *args)",
    "scipy.stats.rv_continuous._get_support(self, *args, **kwargs)",
    "scipy.stats.rv_continuous._argcheck(self, *args)",
    "scipy.stats.rv_continuous._entropy(self, *args)",
    "scipy.stats.rv_continuous._stats(self, *args, **kwds)",
    "scipy.stats.norm._parse_args(loc=0, scale=1)",
    seen=SCIPY,
)


# -- texts of errors ---------------------------------------------------------------------------------------------------
def _text(name: str, reason: str, pattern: str, seen: tuple[str, ...]) -> re.Pattern[str]:
    return _is(name, re.compile(pattern), reason, seen=seen)


OBJECT_ARRAY = _text(
    "OBJECT_ARRAY",
    "NumPy and SciPy do not take an array of objects",
    r"dtype\('O'\)|dtype object|object array|no callable \w+ method|not supported for the input types",
    (*NUMPY, *SCIPY),
)
SPARSE = _text(
    "SPARSE",
    "scipy.sparse does not take an array of objects",
    r"no supported conversion for types|unsupported data types in input|scipy.sparse does not support|"
    r"object dtype is not supported by sparse",
    SCIPY,
)
FLAT = _text("FLAT", "a dual was written into x.flat", r"Error setting single item of array", NUMPY)
SHUFFLED = _text(
    "SHUFFLED",
    "NumPy warns where it shuffles an array of several axes as if it were a list of rows, and goes on with wrong "
    "values: the warning is made an error",
    r"you are shuffling a 'DualArray' object",
    NUMPY,
)
