"""Evaluates the private formulas of SciPy's distributions on duals; no other module depends on SciPy's internals here.

A distribution of SciPy keeps its mathematics in methods such as ``_logpdf`` and ``_cdf``, of which most are NumPy.  A
copy of it runs them with the names of its module replaced where they make arrays that duals cannot be written into:
NumPy's creation functions, and SciPy's own functions that choose between formulas element by element.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from types import FunctionType
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.base.internals import DISTRIBUTIONS
from dualdiff.scipy import special
from dualdiff.scipy.solving.numpy_inside import HELPERS, NUMPY, NUMPY_MAKERS, copy_of, replaced_extra

_scipy = load("scipy.stats", "scipy", "dualdiff.scipy.stats")
_special = load("scipy.special", "scipy", "dualdiff.scipy.stats")

# -- formulas of our own -----------------------------------------------------------------------------------------------
#: Formulas that replace SciPy's, by the class of the distribution and the name of the method.
_FURTHER: dict[str, dict[str, Callable[..., Any]]] = {}


def further(kind: str, method: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a formula, a function of x and the shape parameters, for a method of a SciPy class."""

    def register(formula: Callable[..., Any]) -> Callable[..., Any]:
        _FURTHER.setdefault(kind, {})[method] = formula
        return formula

    return register


def _further_of(cls: type) -> dict[str, Callable[..., Any]]:
    """The formulas registered for a SciPy class, as methods."""
    if not cls.__module__.startswith("scipy.stats."):
        return {}

    def method(formula: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, *args: formula(*args)

    return {name: method(formula) for name, formula in _FURTHER.get(cls.__name__, {}).items()}


def is_further(cls: type, name: str) -> bool:
    """Whether a formula is registered here for a method of a class."""
    return name in _further_of(cls)


# -- copies ------------------------------------------------------------------------------------------------------------
@cache
def _names(module: str) -> dict[str, Any]:
    """The global namespace of the copied functions of a module of distributions."""
    original = vars(sys.modules[module])
    names = dict(original)
    others: dict[int, Any] = {id(getattr(np, name)): maker for name, maker in NUMPY_MAKERS.items()}
    others |= {id(getattr(_special, name)): getattr(special, name) for name in special.__all__}
    others |= {id(np): NUMPY, id(_special): special}
    for name, x in original.items():
        if name in HELPERS:
            names[name] = HELPERS[name]
        elif name == "xpx":
            names[name] = replaced_extra(x)
        elif id(x) in others:
            names[name] = others[id(x)]
        elif isinstance(x, FunctionType) and x.__module__ == module:
            names[name] = copy_of(x, names)
        elif isinstance(x, type) and issubclass(x, _scipy.rv_continuous | _scipy.rv_discrete):
            names[name] = _Methods(partial(_copied_class, x))
        elif isinstance(x, (_scipy.rv_continuous, _scipy.rv_discrete)):
            names[name] = _Methods(partial(copied, x))
    return names


class _Methods:
    """The copied methods of another distribution, for formulas that call them."""

    def __init__(self, source: Callable[[], Any]) -> None:
        self.source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source(), name)


@cache
def _copied_class(kind: type) -> type:
    """A subclass with copied formulas."""
    body: dict[str, Any] = {}
    for cls in reversed(kind.__mro__):
        if cls.__module__ in DISTRIBUTIONS:
            names = _names(cls.__module__)
            body |= {name: copy_of(x, names) for name, x in vars(cls).items() if isinstance(x, FunctionType)}
        body |= _further_of(cls)
    body.pop("__init__", None)
    # SciPy inspects the signatures when a distribution is constructed; instances of this class are never constructed.
    return type(kind.__name__, (kind,), body)


def copied(distribution: Any) -> Any:
    """The distribution with formulas that accept duals (within `accepting`)."""
    kind: Any = type(distribution)
    copy: Any = object.__new__(_copied_class(kind))
    copy.__dict__.update(distribution.__dict__)
    return copy


def has_formula(distribution: Any, name: str) -> bool:
    """Whether a distribution defines a formula, instead of inheriting a generic sum or quadrature."""
    for cls in type(distribution).__mro__:
        if is_further(cls, name):
            return True
        if name in vars(cls):
            return getattr(vars(cls)[name], "__module__", "") in DISTRIBUTIONS
    return False


def checked_version() -> None:
    """Raise if this version of SciPy defines its formulas elsewhere."""
    missing = [m for m in DISTRIBUTIONS if m not in sys.modules]
    if missing or not hasattr(_scipy.rv_continuous, "_logpdf"):
        raise ImportError(
            f"dualdiff.scipy.stats does not know how SciPy {version('scipy')} keeps its distributions "
            f"(it looked for {', '.join(missing) or 'rv_continuous._logpdf'}); versions from 1.13 to 1.17 are tested"
        )


checked_version()
