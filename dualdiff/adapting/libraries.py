"""Code that is not the user's: which it is, what its functions are called, and what stands in for them with duals."""

from __future__ import annotations

import inspect
import sys
from functools import cache
from types import FrameType, FunctionType
from typing import Any

from dualdiff.base import late
from dualdiff.base.internals import ARRAY_API

#: Packages whose own code goes on with plain arrays in adapted code: what is compiled in them takes no others.
LIBRARIES = frozenset(
    {
        *("numpy", "scipy", "dualdiff", "numba", "llvmlite", "pandas", "sklearn", "matplotlib", "sympy", "mpmath"),
        *("jax", "torch", "astropy", "xarray", "h5py", "IPython", "pytest", "_pytest", "hypothesis"),
        *(sys.stdlib_module_names - {"__main__", "builtins"}),
    }
)
#: SciPy's modules that may have such functions.
SCIPY = (
    *("special", "linalg", "stats", "integrate", "optimize", "interpolate", "fft", "signal", "ndimage", "spatial"),
    *("sparse", "sparse.linalg", "spatial.distance", "spatial.transform", "signal.windows"),
)

_is_library: dict[Any, bool] = {ARRAY_API: False}


def is_library(module: Any) -> bool:
    """Whether a module, by its name, is code of a library that is not adapted."""
    result = _is_library.get(module)
    if result is None:
        result = _is_library[module] = str(module).partition(".")[0] in LIBRARIES
    return result


def is_library_code(namespace: dict[str, Any]) -> bool:
    """Whether code with these global names is of a library; the examples in its docstrings have a copy of them."""
    name = namespace.get("__name__")
    return is_library(name) and (name not in sys.modules or vars(sys.modules[name]) is namespace)


def is_foreign(frame: FrameType) -> bool:
    """Whether a frame runs code that is installed, and not this package."""
    module, path = str(frame.f_globals.get("__name__")), frame.f_code.co_filename
    is_installed = "site-packages" in path or "dist-packages" in path
    return module.partition(".")[0] != "dualdiff" and (is_installed or is_library(module))


def public_name(frame: FrameType) -> tuple[str, str] | None:
    """The module and the name under which users call what a frame runs; None if it is internal."""
    parts = str(frame.f_globals.get("__name__")).split(".")
    private = next((i for i, part in enumerate(parts) if part.startswith("_")), len(parts))
    # That of a compiled function has the module before it.
    whole: str = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
    qualified = whole.removeprefix(f"{frame.f_globals.get('__name__')}.").split(".")
    method = "" if qualified[-1] in ("__init__", "__call__", "__new__") else f".{qualified[-1]}"
    this = frame.f_locals.get("self")
    classes = type(this).__mro__[:-1] if this is not None else ()
    # From the shortest: "scipy.stats" stands before "scipy.stats.distributions".
    for module in (".".join(parts[:length]) for length in range(1, private + 1)):
        names = {k: x for k, x in vars(sys.modules.get(module, sys)).items() if not k.startswith("_") and callable(x)}
        if module in sys.modules and qualified[-1] in names and len(qualified) == 1:
            return module, qualified[-1]
        # A frozen distribution has a copy of its own.
        held = [key for key, x in names.items() if x is this or (type(x) is type(this) and type(x) is not type)]
        held += [cls.__name__ for cls in classes if names.get(cls.__name__) is cls]
        held += [name for name in qualified[:-1] if isinstance(names.get(name), type)]
        if module in sys.modules and held:
            return module, held[0] + method
    return _decorated(frame)


def _decorated(frame: FrameType) -> tuple[str, str] | None:
    """The same of the wrapper that a decorator put around a public function; None of anything else."""
    for name in frame.f_code.co_freevars:
        function = frame.f_locals.get(name)
        if type(function) is not FunctionType:
            continue
        parts = function.__module__.split(".")
        for module in (".".join(parts[:length]) for length in range(1, len(parts) + 1)):
            public: Any = getattr(sys.modules.get(module), function.__name__, None)
            if inspect.unwrap(public) is inspect.unwrap(function) and "._" not in module:
                return module, function.__name__
    return None


@cache
def counterparts(module: str) -> dict[str, Any]:
    """The functions of a module of SciPy for dual numbers, by name."""
    result = late.of_scipy(module.removeprefix("scipy."))
    return {} if result is None else {name: getattr(result, name) for name in result.__all__}


def counterpart(module: str, name: str) -> str | None:
    """Where the function of SciPy is found that takes duals; None if there is none."""
    function, _, method = name.partition(".")
    other = counterparts(module).get(function)
    holder = other if isinstance(other, type) else type(other)
    takes_duals = other is not None and (not method or hasattr(holder, method))
    return f"dualdiff.{module}.{name}" if takes_duals else None
