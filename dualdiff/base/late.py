"""The list of everything that is imported lazily, on first use.

A program that differentiates everyday functions loads NumPy and about half of this package.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any

#: For each library, the package of rules that is imported when a function without a rule is called.  The rules of
#: NumPy's everyday functions are loaded with dualdiff.
RULES = {"numpy": "dualdiff.rules.numpy", "scipy.special": "dualdiff.rules.scipy.special"}

#: For the package that defines a function's class, the module that differentiates such functions.
ENGINES = {"numba": "dualdiff.compiled.operators.engine"}

#: For libraries whose ufuncs are made at run time, the module that knows the rules of these.
MAKERS = {"numba.np.ufunc": "dualdiff.compiled.from_python.vectorized"}

#: Public names of dualdiff, with the modules that define them (or that they are).
PUBLIC = {
    "ColouredPattern": "dualdiff.drivers.sparse.coloured_pattern",
    "DerivativeCheck": "dualdiff.drivers.custom.check",
    "DerivativeCheckError": "dualdiff.drivers.custom.check",
    "hessian_operator": "dualdiff.drivers.higher.hessian_operator",
    "checkpoint": "dualdiff.drivers.custom.checkpoint",
    "checkpoint_loop": "dualdiff.drivers.custom.checkpoint",
    "check_derivative": "dualdiff.drivers.custom.check",
    "adapt": "dualdiff.adapting.adapt",
    "scipy": "dualdiff.scipy",
    "uncertain": "dualdiff.uncertain",
}

#: Public modules of dualdiff.scipy.
SCIPY = (
    "fft",
    "integrate",
    "interpolate",
    "linalg",
    "ndimage",
    "optimize",
    "signal",
    "signal.windows",
    "sparse",
    "sparse.linalg",
    "spatial",
    "spatial.distance",
    "spatial.transform",
    "special",
    "stats",
)


def of_scipy(name: str) -> Any:
    """The module of dualdiff.scipy with a name; None if there is none."""
    return import_module(f"dualdiff.scipy.{name}") if name in SCIPY else None


def rule_of(ufunc: Any, method: str) -> Any:
    """The implementation for duals of a ufunc that a library has made at run time; None if there is none."""
    known = (import_module(module) for library, module in MAKERS.items() if library in sys.modules)
    return next((rule for m in known if (rule := m.rule_of(ufunc, method)) is not None), None)


def load_rules() -> None:
    """Import the remaining rules, for the libraries that the program has imported."""
    for library, package in RULES.items():
        if library in sys.modules:
            _load_all(package)


@cache
def _load_all(package: str) -> None:
    """Import all modules of a package."""
    import pkgutil

    for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        import_module(module.name)
