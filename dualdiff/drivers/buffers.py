"""Code that cannot be edited and fills arrays of zeros: run with creation functions whose arrays accept duals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.core.registry import CREATORS, FUNCTIONS
from dualdiff.rules.numpy.creation import buffer
from dualdiff.rules.writing.array_rules import duals_in


def dual_buffers(f: Callable[..., Any] | None = None, *, module: bool = False) -> Callable[..., Any]:
    """The same function, in which ``np.zeros(n)`` and its like make arrays that duals can be written into.

    For code that cannot be edited; in code that can be, ``dualdiff.zeros(n, like=x)`` says the same.  Where duals are
    among the arguments, f runs with a copy of its global names in which NumPy's creation functions, as ``np.zeros``
    or as ``zeros`` imported by name, are others.  Nothing is changed for anybody else: not NumPy, not the module
    that f is from, not calls of f in other threads.  Without duals f itself is called.

    Parameters
    ----------
    f : function or method
        Written in Python.  Left out, the decorator with the given options is returned.
    module : bool
        False: the creation functions are replaced in the body of f (with the functions defined in it) alone.
        True: also in the functions of f's module that f calls by name, in those that they call, and so on.  Methods
        are never reached, nor are functions of other modules, such as what a decorator from elsewhere returns.

    Returns
    -------
    function
        With the signature of f.

    Raises
    ------
    TypeError
        If f is not a Python function or a method.

    Notes
    -----
    Replaced are ``zeros``, ``ones``, ``empty``, ``full``, ``eye``, ``identity``, ``tri``, ``copy``, their forms ending
    in ``_like``, and ``array``, ``asarray``, ``asanyarray``, ``ascontiguousarray``, ``asfortranarray``; also where they
    are the default of a parameter.  What they make of floating dtype is a dual array, which is constant until duals are
    written into it; integers and booleans stay plain, and so do arrays that ``asarray`` hands through, and the grids of
    ``arange`` and ``linspace``, which are rather read than written.  ``np.array`` and ``np.asarray`` of duals give dual
    arrays, where NumPy would make arrays of objects.

    Duals are found among the arguments, in tuples, lists and dicts too, and among the variables of enclosing functions
    that f uses.  What f assigns to global names is lost when it returns; ``import numpy`` inside f is not seen.

    Costs one copy of the dictionary of global names for each call.

    Examples
    --------
    >>> import dualdiff
    >>> def squares(x):
    ...     y = np.zeros(len(x))
    ...     for i in range(len(x)):
    ...         y[i] = x[i] ** 2
    ...     return y
    >>> dualdiff.jacobian(dualdiff.dual_buffers(squares), np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if f is None:
        return partial(dual_buffers, module=module)
    function = f.__func__ if isinstance(f, MethodType) else f
    if not isinstance(function, FunctionType):
        raise TypeError(
            f"dual_buffers takes a function or a method written in Python, not {type(f).__name__}; wrap the function "
            "whose body makes the arrays"
        )

    @wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        duals = duals_in((args, kwargs, [_content(cell) for cell in function.__closure__ or ()]))
        if not duals:
            return f(*args, **kwargs)
        copy = _Copy(function, duals, module).function
        return copy(f.__self__, *args, **kwargs) if isinstance(f, MethodType) else copy(*args, **kwargs)

    return run


class _Copy:
    """A function with other creation functions, for one call."""

    def __init__(self, function: FunctionType, duals: list[AnyDual], module: bool) -> None:
        like = buffer(np.zeros(()), duals)
        makers = {name: partial(make, name, like) for name, make in _MAKERS.items()}
        # By identity: some callables of NumPy, such as poly1d objects, have no hash.
        self.others: dict[int, Any] = {id(getattr(np, name)): maker for name, maker in makers.items()}
        self.others[id(np)] = _NumPy(makers)
        self.module = module
        self.names = function.__globals__
        self.copied_names = dict(self.names)
        self.copies: dict[FunctionType, FunctionType] = {}
        self.function = self._copied(function)

    def _copied(self, function: FunctionType) -> FunctionType:
        cells = tuple(CellType(self._other(_content(c))) if self._differs(c) else c for c in function.__closure__ or ())
        copy = FunctionType(function.__code__, self.copied_names, function.__name__, None, cells)
        copy.__qualname__ = function.__qualname__
        self.copies[function] = copy
        copy.__defaults__ = tuple(map(self._other, function.__defaults__ or ()))
        copy.__kwdefaults__ = {name: self._other(x) for name, x in (function.__kwdefaults__ or {}).items()}
        for name in _names(function.__code__) & self.names.keys():
            self.copied_names[name] = self._other(self.names[name])
        return copy

    def _differs(self, cell: CellType) -> bool:
        content = _content(cell)
        return self._other(content) is not content

    def _other(self, x: Any) -> Any:
        """What stands in the place of x."""
        if isinstance(x, FunctionType):
            if x in self.copies:
                return self.copies[x]
            if self.module and x.__globals__ is self.names:
                return self._copied(x)
        return self.others.get(id(x), x)


class _NumPy(ModuleType):
    """The module numpy with other creation functions."""

    def __init__(self, makers: dict[str, Any]) -> None:
        super().__init__("numpy")
        self.__dict__.update(makers)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        # The variable has no value yet.
        return None


def _names(code: CodeType) -> set[str]:
    """The names that a code may look up, with those of the functions defined in it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


# -- creation functions ------------------------------------------------------------------------------------------------
def _new(name: str, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    if kwargs.get("like") is not None:
        return getattr(np, name)(*args, **kwargs)
    return CREATORS[getattr(np, name)](like, *args, **kwargs)


def _similar(name: str, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    made = FUNCTIONS[getattr(np, name)](*args, **kwargs)
    return made if isinstance(made, AnyDual) or made.dtype.kind not in "fc" else buffer(made, [like])


def _copied(name: str, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    made = np.copy(*args, **kwargs)
    return made if isinstance(made, AnyDual) or made.dtype.kind not in "fc" else buffer(made, [like])


def _converted(name: str, like: Any, /, a: Any, *args: Any, **kwargs: Any) -> Any:
    if issubclass(type(a), np.ndarray) and not isinstance(operand(a), AnyDual):
        return getattr(np, name)(a, *args, **kwargs)
    return _new(name, like, a, *args, **kwargs)


_MAKERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("zeros", "ones", "empty", "full", "eye", "identity", "tri", "array"), _new),
    "copy": _copied,
    **dict.fromkeys(("zeros_like", "ones_like", "empty_like", "full_like"), _similar),
    **dict.fromkeys(("asarray", "asanyarray", "ascontiguousarray", "asfortranarray"), _converted),
}
