"""SciPy's functions that are NumPy inside, run on duals: copies in which the names of their modules are replaced.

Replaced are NumPy's creation functions, which make arrays that duals can be written into, SciPy's helpers that choose
between formulas element by element or convert arrays, and functions of SciPy that this package has for duals.
"""

from __future__ import annotations

import cmath
import functools
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from dualdiff.adapting.adapted_functions import MAKERS
from dualdiff.base import late
from dualdiff.base.errors import NoRuleError, lost, no_rule
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.numpy.creation import buffer
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.rules.writing.compositions import evaluated
from dualdiff.rules.writing.over_scipy import over_scipy

Function = Callable[..., Any]

_like: ContextVar[Any] = ContextVar("like")


@contextmanager
def accepting(likes: Any) -> Iterator[None]:
    """A context in which the copied functions create arrays that accept such duals."""
    token = _like.set(buffer(np.zeros(()), duals_in(likes)))
    try:
        yield
    finally:
        _like.reset(token)


class Instead(ModuleType):
    """A module with some of its names replaced."""

    def __init__(self, original: Any, replaced: Mapping[str, Any]) -> None:
        super().__init__(original.__name__)
        self._original = original
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def _made(name: str) -> Function:
    def maker(*args: Any, **kwargs: Any) -> Any:
        return MAKERS[name](getattr(np, name), _like.get(), *args, **kwargs)

    return maker


NUMPY_MAKERS = {name: _made(name) for name in MAKERS}
NUMPY = Instead(np, NUMPY_MAKERS)


# -- choosing between formulas -----------------------------------------------------------------------------------------
def _evaluated(shape: Any, parts: Any, fill: Any) -> Any:
    """An array assembled from (mask, elements) pairs; the remaining elements are filled."""
    likes = [x for _, x in parts]
    result = buffer(np.full(shape, np.nan if fill is None else fill, float), duals_in([*likes, _like.get()]))
    for mask, x in parts:
        result[mask] = x
    return result


def _apply_where(cond: Any, args: Any, f1: Any, f2: Any = None, /, *, fill_value: Any = None, **_: Any) -> Any:
    """As ``scipy._lib._array_api_extra.apply_where``."""
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


# -- helpers for arrays of other libraries -----------------------------------------------------------------------------
def _promoted(*args: Any, broadcast: bool = False, **_: Any) -> Any:
    """As ``scipy._lib._array_api.xp_promote``; only complex numbers need a common dtype."""
    if any(np.iscomplexobj(x) for x in args):
        args = tuple(x if x is None or np.iscomplexobj(x) else operand(x) + 0j for x in args)
    if broadcast:
        shape = np.broadcast_shapes(*(np.shape(operand(x)) for x in args if x is not None))
        args = tuple(x if x is None or np.shape(x) == shape else np.broadcast_to(operand(x), shape) for x in args)
    return args if len(args) > 1 else args[0]


class _At:
    """As ``scipy._lib._array_api_extra.at``."""

    def __init__(self, x: Any, key: Any = None) -> None:
        self._x, self._key = x, key

    def __getitem__(self, key: Any) -> _At:
        return _At(self._x, key)

    def __getattr__(self, name: str) -> Any:
        def update(y: Any, **options: Any) -> Any:
            x = np.copy(self._x) if options.get("copy") else self._x
            function = getattr(np, name, None)
            x[self._key] = y if name == "set" else function(x[self._key], y)  # type: ignore[misc]
            return x

        return update


def _atleast(x: Any, *, ndim: int, xp: Any = None) -> Any:
    return np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x)) if np.ndim(x) < ndim else x


def _padded(x: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0, xp: Any = None) -> Any:
    return np.pad(x, pad_width, mode, constant_values=constant_values)


#: Functions in the place of those of ``scipy._lib._array_api_extra``.
_EXTRA = {
    "apply_where": _apply_where,
    "at": _At,
    "atleast_nd": _atleast,
    "pad": _padded,
    "sinc": lambda x, xp=None: np.sinc(x),
}
#: Functions in the place of private ones of SciPy, by the names that its modules give them.
HELPERS: dict[str, Any] = {
    "_lazywhere": _lazywhere,
    "_lazyselect": _lazyselect,
    "xp_promote": _promoted,
    "array_namespace": lambda *_, **__: NUMPY,
    "_namespace": lambda xp: NUMPY,
    # What is for NumPy alone is for plain arrays.
    "is_numpy": lambda xp: False,
    "xp_size": np.size,
    "xp_copy": lambda x, **_: np.copy(x),
    "xp_swapaxes": lambda a, i, j, xp=None: np.swapaxes(a, i, j),
    "xp_device": lambda x: None,
    "xp_result_type": lambda *args, **_: np.result_type(float, *(x for x in args if x is not None)),
    "xp_float_to_complex": lambda x, xp=None: x + 0j,
}


def replaced_extra(original: Any) -> Any:
    """The module ``array_api_extra`` with functions that take duals."""
    return Instead(original, _EXTRA)


class _Math(ModuleType):
    """The module math or cmath, whose functions take duals where NumPy's do."""

    def __getattr__(self, name: str) -> Any:
        own, other = getattr({"math": math, "cmath": cmath}[self.__name__], name), getattr(np, name, None)
        if other is None or not callable(own):
            return own
        return lambda *args: other(*args) if duals_in(args) else own(*args)


class _Number(type):
    """The class of `_Float` and `_Complex`, which stand for float and complex in copies: duals pass."""

    plain: type
    dtype: np.dtype[Any]

    def __call__(cls, x: Any = 0.0, *imag: Any) -> Any:
        if cls.plain is int:
            # Rounded numbers do not change.
            return int(plain_values(x), *imag)
        if any(isinstance(part, AnyDual) for part in (x, *imag)):
            return x + 1j * sum(imag) if cls.plain is complex else x
        return cls.plain(x, *imag)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, cls.plain)


class _Float(metaclass=_Number):
    plain, dtype = float, np.dtype(float)


class _Int(metaclass=_Number):
    plain, dtype = int, np.dtype(int)


class _Complex(metaclass=_Number):
    plain, dtype = complex, np.dtype(complex)


# -- copies ------------------------------------------------------------------------------------------------------------
def copy_of(f: FunctionType, names: dict[str, Any]) -> FunctionType:
    """A function with other global names."""
    copy = FunctionType(f.__code__, names, f.__name__, f.__defaults__, f.__closure__)
    copy.__kwdefaults__ = f.__kwdefaults__
    return copy


class Copies:
    """Copies of the functions of a package of SciPy; its functions ``own``, by name, are called instead of copies.

    ``others`` replace further names of its modules.
    """

    def __init__(self, package: str, own: Mapping[str, Function], others: Mapping[str, Any] | None = None) -> None:
        self._package, self._own = package, own
        self._helpers = {**HELPERS, **(others or {})}
        self._names: dict[str, dict[str, Any]] = {}
        self._functions: dict[Any, Function] = {}
        self._classes: dict[type, type] = {}

    def function(self, f: Any) -> Function:
        """The copy of a function."""
        inner = inspect.unwrap(f)
        return copy_of(inner, self.names(inner.__module__))

    def _called(self, f: Any) -> Function:
        """What copies call for a function: the copy, or our own, only where duals are among the arguments."""
        inner = inspect.unwrap(f)
        if inner not in self._functions:
            copy = self.function(f)

            @functools.wraps(inner)
            def function(*args: Any, **kwargs: Any) -> Any:
                may_hold = duals_in((args, kwargs)) or any(callable(x) for x in (*args, *kwargs.values()))
                return (self._own.get(inner.__name__, copy) if may_hold else f)(*args, **kwargs)

            self._functions[inner] = function
        return self._functions[inner]

    def names(self, module: str) -> dict[str, Any]:
        """The global names of the copied functions of a module."""
        known = self._names.get(module)
        if known is None:
            original = dict(vars(sys.modules[module]))
            known = self._names[module] = dict(original)
            known.update({name: self._replaced(name, x) for name, x in original.items() if not name.startswith("__")})
            known.update(float=_Float, complex=_Complex, int=_Int)
        return known

    def _replaced(self, name: str, x: Any) -> Any:
        if name in self._helpers:
            return self._helpers[name]
        if isinstance(x, ModuleType):
            return self._module(x)
        if type(x) is dict:
            return {key: self._replaced("", item) for key, item in x.items()}
        if type(x) in (list, tuple):
            return type(x)(self._replaced("", item) for item in x)
        if isinstance(x, type):
            return self._class(x) if x.__module__.startswith(self._package) else x
        home = getattr(inspect.unwrap(x), "__module__", None) if callable(x) else None
        if home is None or not isinstance(home, str):
            return x
        if home.startswith(self._package) and isinstance(x, FunctionType):
            return self._called(x)
        for module in late.SCIPY:
            if home.startswith(f"scipy.{module}"):
                return getattr(late.of_scipy(module), x.__name__, x)
        maker = NUMPY_MAKERS.get(getattr(x, "__name__", ""))
        return maker if maker is not None and x is getattr(np, x.__name__, None) else x

    def _module(self, x: ModuleType) -> Any:
        name = x.__name__
        if name == "numpy" or name.endswith("array_api_compat.numpy"):
            return NUMPY
        if name in ("math", "cmath"):
            return _Math(name)
        if name.endswith("array_api_extra"):
            return replaced_extra(x)
        if name.startswith("scipy.") and name[6:] in late.SCIPY and not name.startswith(self._package):
            return late.of_scipy(name[6:])
        return _Namespace(self, name) if name.startswith(self._package) else x

    def _class(self, cls: type) -> type:
        """A copy of a class of the package, with copied methods."""
        known = self._classes.get(cls)
        if known is None:
            known = self._classes[cls] = type(cls.__name__, (cls,), {})
            for base in reversed([b for b in cls.__mro__ if b.__module__.startswith(self._package)]):
                names = self.names(base.__module__)
                for name, x in vars(base).items():
                    if isinstance(x, FunctionType):
                        setattr(known, name, copy_of(x, names))
                    elif isinstance(x, (classmethod, staticmethod)) and isinstance(x.__func__, FunctionType):
                        setattr(known, name, type(x)(copy_of(x.__func__, names)))
                    elif isinstance(x, property):
                        fget, fset, fdel = (f and copy_of(f, names) for f in (x.fget, x.fset, x.fdel))  # type: ignore[arg-type]
                        setattr(known, name, property(fget, fset, fdel))
        return known


class _Namespace(ModuleType):
    """A module of the package whose functions are copies."""

    def __init__(self, copies: Copies, name: str) -> None:
        super().__init__(name)
        self._copies = copies

    def __getattr__(self, name: str) -> Any:
        return self._copies.names(self.__name__)[name]


# -- functions for duals -----------------------------------------------------------------------------------------------
_DOC = """``{module}.{name}``, whose code is run on duals.

Args:
    {arrays}: The arguments with respect to which there is a derivative.
Returns:
    array, or a tuple as in SciPy: SciPy's results, with their derivatives.
Raises:
    ValueError: As SciPy does.
    dualdiff.LostDerivativeError: If another parameter is a dual.
Notes:
    SciPy's code runs twice: on values, and on duals.
"""


def by_copy(copies: Copies, module: str, name: str, arrays: str, prepared: Function | None = None) -> Function:
    """The function of SciPy for duals in these parameters, evaluated by its copy.

    ``prepared`` makes the arrays with which the copy is called: equal ones that take no branch that is only right for
    these values.
    """
    scipys = getattr(sys.modules[module], name)
    names = arrays.split()
    parameters = list(inspect.signature(scipys).parameters.values())
    defaults = {p.name: None if p.default is p.empty else p.default for p in parameters}
    signature = inspect.Signature(parameters)
    copy = copies.function(scipys)

    def rule(value: Any, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        options = {k: x for k, x in given.items() if k not in names}
        if issubclass(type(options.get("output")), (np.ndarray, AnyDual)):
            raise lost(f"an array of plain values as output= of dualdiff.{module}.{name}", "the result")
        found: list[Any] = []

        def composition(*values: Any) -> Any:
            values = tuple(_accepting(x, values) for x in values)
            values = values if prepared is None else prepared(*values)
            try:
                with accepting(values):
                    found.append(_arrayed(copy(**dict(zip(names, values, strict=True)), **options)))
            except NoRuleError:
                raise
            except Exception as error:
                # On plain values, SciPy's own has returned a result.
                raise no_rule(f"{module}.{name}", " for these arguments in the installed version of SciPy") from error
            return found[0]

        result = evaluated(value, composition, *[given.get(k, defaults[k]) for k in names])
        if found and not _agree(plain_values(result), plain_values(found[0])):
            raise no_rule(f"{module}.{name}", " for these arguments: SciPy's code gives other values for duals")
        return result

    rule.__name__ = rule.__qualname__ = name
    rule.__doc__ = _DOC.format(module=module, name=name, arrays=", ".join(names))
    own = inspect.Parameter("value", inspect.Parameter.POSITIONAL_ONLY)
    rule.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
    return over_scipy(*names, module=module)(rule)


def _accepting(x: Any, likes: Any) -> Any:
    """A plain array as one that duals can be written into; any other object unchanged."""
    if type(x) is list and not duals_in(x) and np.asarray(x).dtype.kind in "fc":
        x = np.asarray(x)
    return buffer(x, duals_in(likes)) if type(x) is np.ndarray and x.dtype.kind in "fc" else x


def _arrayed(result: Any) -> Any:
    """A result with object arrays of duals as dual arrays."""
    if isinstance(result, (list, tuple)):
        return type(result)(map(_arrayed, result))
    return operand(result) if type(result) is np.ndarray and result.dtype == object else result


def _agree(value: Any, other: Any) -> bool:
    """Whether two results are equal up to rounding."""
    if isinstance(value, (list, tuple)):
        return len(value) == len(other) and all(map(_agree, value, other))
    value, other = np.asarray(value), np.asarray(other)
    if value.dtype.kind not in "fc":
        return bool(np.array_equal(value, other))
    close = 1e-3 if value.dtype.itemsize < 8 else 1e-7
    size = np.max(np.abs(value), initial=0.0, where=np.isfinite(value))
    return value.shape == other.shape and bool(np.allclose(value, other, close, close * size, equal_nan=True))
