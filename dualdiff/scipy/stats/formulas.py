"""Evaluates the private formulas of SciPy's distributions on duals; no other module depends on SciPy's internals here.

A distribution of SciPy keeps its mathematics in methods such as ``_logpdf`` and ``_cdf``, of which most are NumPy.  A
copy of it runs them with the names of its module replaced where they make arrays that duals cannot be written into:
NumPy's creation functions, and SciPy's own functions that choose between formulas element by element.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from importlib.metadata import version
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from dualdiff.adapting.adapted_functions import MAKERS
from dualdiff.base.extras import load
from dualdiff.base.internals import DISTRIBUTIONS
from dualdiff.core.array import operand
from dualdiff.rules.numpy.creation import buffer
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy import special

_scipy = load("scipy.stats", "scipy", "dualdiff.scipy.stats")
_special = load("scipy.special", "scipy", "dualdiff.scipy.stats")

_like: ContextVar[Any] = ContextVar("like")


@contextmanager
def accepting(likes: Any) -> Iterator[None]:
    """A context in which the copied formulas create arrays that accept such duals."""
    token = _like.set(buffer(np.zeros(()), duals_in(likes)))
    try:
        yield
    finally:
        _like.reset(token)


class OtherNumPy(ModuleType):
    """The module numpy with creation functions replaced."""

    def __init__(self, makers: dict[str, Any]) -> None:
        super().__init__("numpy")
        self.__dict__.update(makers)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _made(name: str) -> Callable[..., Any]:
    def maker(*args: Any, **kwargs: Any) -> Any:
        return MAKERS[name](getattr(np, name), _like.get(), *args, **kwargs)

    return maker


# -- choosing between formulas -----------------------------------------------------------------------------------------
def _evaluated(shape: Any, parts: Any, fill: Any) -> Any:
    """An array assembled from (mask, elements) pairs; the remaining elements are filled."""
    likes = [x for _, x in parts]
    result = buffer(np.full(shape, np.nan if fill is None else fill, float), duals_in([*likes, _like.get()]))
    for mask, x in parts:
        result[mask] = x
    return result


def _apply_where(cond: Any, args: Any, f1: Any, f2: Any = None, /, *, fill_value: Any = None, **_: Any) -> Any:
    """As ``scipy._lib.array_api_extra.apply_where``."""
    args = tuple(map(operand, args if isinstance(args, (tuple, list)) else (args,)))
    cond = np.asarray(plain_values(cond))
    shape = np.broadcast_shapes(cond.shape, *(np.shape(a) for a in args))
    cond = np.broadcast_to(cond, shape)
    if np.all(cond) and cond.size:
        return f1(*args)
    full = [np.broadcast_to(a, shape) for a in args]
    parts = []
    if np.any(cond):
        parts.append((cond, f1(*(a[cond] for a in full))))
    if f2 is not None:
        parts.append((~cond, f2(*(a[~cond] for a in full))))
    fill: Any = fill_value
    if duals_in(fill) or np.ndim(fill):
        parts.append((~cond, np.broadcast_to(fill, shape)[~cond]))
        fill = None
    result = _evaluated(shape, parts, fill)
    return result if shape else result[()]


def _lazywhere(cond: Any, arrays: Any, f: Any, fillvalue: Any = None, f2: Any = None) -> Any:
    """As ``scipy._lib._util._lazywhere``, which older versions have."""
    return _apply_where(cond, arrays, f, f2, fill_value=fillvalue)


def _lazyselect(condlist: Any, choicelist: Any, arrays: Any, default: Any = 0) -> Any:
    """As ``scipy._lib._util._lazyselect``."""
    arrays = np.broadcast_arrays(*map(operand, arrays))
    shape = np.shape(arrays[0])
    parts, taken = [], np.zeros(shape, bool)
    for cond, choice in zip(condlist, choicelist, strict=True):
        mask = np.broadcast_to(np.asarray(plain_values(cond)), shape) & ~taken
        taken = taken | mask
        if np.any(mask):
            parts.append((mask, choice(*(a[mask] for a in arrays))))
    return _evaluated(shape, parts, default)


class _ArrayApiExtra(ModuleType):
    """The module of that name with a function that takes duals."""

    def __init__(self, original: Any) -> None:
        super().__init__(original.__name__)
        self.original = original
        self.apply_where = _apply_where

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


def _promoted(*args: Any, **_: Any) -> Any:
    result = tuple(args)
    return result if len(result) > 1 else result[0]


#: Replacements of private SciPy functions, by their names in the modules of distributions.
_BY_NAME: dict[str, Any] = {"_lazywhere": _lazywhere, "_lazyselect": _lazyselect, "xp_promote": _promoted}


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
    makers = {name: _made(name) for name in MAKERS}
    others: dict[int, Any] = {id(getattr(np, name)): maker for name, maker in makers.items()}
    others |= {id(getattr(_special, name)): getattr(special, name) for name in special.__all__}
    others |= {id(np): OtherNumPy(makers), id(_special): special}
    for name, x in original.items():
        if name in _BY_NAME:
            names[name] = _BY_NAME[name]
        elif name == "xpx":
            names[name] = _ArrayApiExtra(x)
        elif id(x) in others:
            names[name] = others[id(x)]
        elif isinstance(x, FunctionType) and x.__module__ == module:
            names[name] = _copied(x, names)
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


def _copied(f: FunctionType, names: dict[str, Any]) -> FunctionType:
    copy = FunctionType(f.__code__, names, f.__name__, f.__defaults__, f.__closure__)
    copy.__kwdefaults__ = f.__kwdefaults__
    return copy


@cache
def _copied_class(kind: type) -> type:
    """A subclass with copied formulas."""
    body: dict[str, Any] = {}
    for cls in reversed(kind.__mro__):
        if cls.__module__ in DISTRIBUTIONS:
            names = _names(cls.__module__)
            body |= {name: _copied(x, names) for name, x in vars(cls).items() if isinstance(x, FunctionType)}
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
