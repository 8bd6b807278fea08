"""What is imported when it is first needed, and not before: the one list of it.

A program that takes derivatives of everyday functions loads NumPy and about half of this package.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module

#: Rules for the functions of a package: all modules of ours that are imported when a function without a rule is met.
#: Of NumPy's, those of everyday functions are there before.
RULES = {"numpy": "dualdiff.rules.numpy", "scipy.special": "dualdiff.rules.scipy.special"}

#: By the package that a function's class comes from: the module that differentiates it, loaded when one is met.
ENGINES = {"numba": "dualdiff.compiled.operators.engine"}

#: Public names of dualdiff: modules, and what a module of them holds.
PUBLIC = {
    "DerivativeCheck": "dualdiff.drivers.custom.check",
    "DerivativeCheckError": "dualdiff.drivers.custom.check",
    "check_derivative": "dualdiff.drivers.custom.check",
    "dual_buffers": "dualdiff.drivers.buffers",
    "scipy": "dualdiff.scipy",
}

#: Public modules of dualdiff.scipy, some of which need SciPy.
SCIPY = ("integrate", "linalg", "optimize", "special")


def load_rules() -> None:
    """Import the rules that wait: of a package only if the program has imported it."""
    for library, package in RULES.items():
        if library in sys.modules:
            _load_all(package)


@cache
def _load_all(package: str) -> None:
    """Import all modules of a package."""
    import pkgutil

    for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        import_module(module.name)
