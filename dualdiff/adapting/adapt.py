"""Code as it is: run so that NumPy's creation functions make arrays that duals can be written into."""

from __future__ import annotations

import types
from functools import cached_property, partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from dualdiff.adapting.libraries import is_library
from dualdiff.adapting.places import PLACES, content
from dualdiff.adapting.work_arrays import Search, exchange, hand_back
from dualdiff.base import tags
from dualdiff.base.errors import plain_target
from dualdiff.base.internals import frame
from dualdiff.base.public import shown_in
from dualdiff.core.array import DualArray
from dualdiff.core.dual import AnyDual
from dualdiff.core.scope import SCOPE, WRAPPERS, is_adapted, owns
from dualdiff.rules.writing.array_rules import duals_in


class Scope:
    """Adapted code that runs in this thread or task."""

    __slots__ = ("_like", "_searched", "_space", "depth", "given", "has_ended", "token")

    def __init__(self, given: tuple[Any, ...]) -> None:
        # Where duals are looked for that came from another thread.
        self.given = given
        self._space: Any = None
        self._like: Any = None
        self._searched: Any = None
        self.token: Any = None
        self.depth = 0
        self.has_ended = False

    def is_new(self, space: Any) -> bool:
        """Whether a call is met for the first time."""
        before, self._searched = self._searched, space
        return before is not space

    def like(self) -> Any:
        """An array without axes that takes the duals of the innermost call that runs; None if none does."""
        spaces = tags.spaces()
        if spaces:
            space = spaces[-1]
        else:
            args, kwargs, cells = self.given or ((), {}, ())
            # The cells of adapted code may hold a namespace, in which anything may hold itself.
            held = [x for x in map(content, cells) if not (type(x) is dict and "__builtins__" in x)]
            result = duals_in((args, kwargs, held))
            if not result:
                return None
            space = max((x.space for x in result), key=lambda space: space.tag)
        if space is not self._space:
            self._space, self._like = space, space.array(np.zeros(()), None, space)
        return self._like


def _inside(f: Any) -> Any:
    """What an operator calls in the place of f: f adapted, where the operator is called in adapted code."""
    return adapt(f) if is_adapted() and callable(f) and not isinstance(f, type) else f


def begin(namespace: dict[str, Any], given: tuple[Any, ...]) -> Scope:
    """Begin to run adapted code; gives what `end` takes."""
    PLACES.enter(namespace)
    WRAPPERS.append(_inside)
    scope: Any = SCOPE.get()
    if scope is None or scope.has_ended:
        scope = Scope(given)
        scope.token = SCOPE.set(scope)
    else:
        scope.depth += 1
    result: Scope = scope
    return result


def end(scope: Scope) -> None:
    """End it."""
    scope.depth -= 1
    if scope.depth < 0:
        scope.has_ended = True
        SCOPE.reset(scope.token)
    WRAPPERS.pop()
    PLACES.leave()


class Adapting:
    """What ``adapt()`` gives: a context in which code runs adapted, and a decorator."""

    def __init__(self) -> None:
        self._tokens: list[Any] = []

    def __enter__(self) -> Adapting:
        self._tokens.append(begin(frame(1).f_globals, ()))
        return self

    def __exit__(self, *error: object) -> None:
        end(self._tokens.pop())

    def __call__(self, f: Any) -> Any:
        return adapt(f)


@shown_in("dualdiff")
def adapt(f: Any = None) -> Any:
    """The same function, for code as it is: in all that it runs, NumPy's arrays can take duals.

    For code that cannot be edited; in code that can be, ``dualdiff.zeros(n, like=x)`` says the same of one array.

    While f runs, NumPy's creation functions make arrays that duals can be written into.  This reaches all Python code
    that f calls, by whatever name that calls NumPy: methods, properties, ``__init__``, default factories, generators,
    functions of other modules, ``from numpy import zeros``.  Arrays that were there before and that the code writes
    into (work arrays on self, in global names, in closures, among the arguments) are dual until the differentiation
    ends, and then have the values that were written.  Functions of SciPy that this package has for duals are called in
    SciPy's place.  Other threads and tasks see none of this, and NumPy is as it was when f returns or raises.

    Parameters
    ----------
    f : callable or class, optional
        A function, a method, any other callable, or a class: of a class a subclass is returned, of which all methods
        are adapted.  Left out, ``with adapt():`` runs a block adapted, and ``@adapt()`` decorates.

    Returns
    -------
    function, class or context
        With the signature of f.

    Raises
    ------
    TypeError
        If f is not callable, or an asynchronous generator function.

    Notes
    -----
    Adapted are ``zeros``, ``ones``, ``empty``, ``full``, ``eye``, ``identity``, ``tri``, ``copy``, their forms ending
    in ``_like``, and ``array``, ``asarray``, ``asanyarray``, ``ascontiguousarray``, ``asfortranarray``, ``require`` and
    ``fromiter``: what they make of floating dtype is a dual array, which is constant until duals are written into it;
    integers and booleans stay plain, and so do arrays that ``asarray`` hands through, and the grids of ``arange`` and
    ``linspace`` between plain floats.  ``np.array`` of duals is a dual array, where NumPy would make an array of
    objects, and ``np.arange`` between duals a grid of them.  ``np.interp`` and ``np.piecewise`` find duals in lists and
    parameters, ``np.vectorize(f, otypes=[float])`` collects them, pandas' ``mean``, ``median``, ``std``, ``var`` and
    ``sem`` take them, and ``y += x`` turns a plain y that nothing else refers to into a dual one.

    An array that was there before is exchanged if the source of the code, which must be available, writes into a name
    that it has, and if all references to it were found: who else holds it would read it without the derivative.  If
    not, writing duals into it is the error that it is outside.

    Not reached are compiled code, and the code of libraries such as SciPy and pandas; they take the constants in dual
    arrays for the plain values that they are, and raise where they meet duals.  ``type(y) is np.ndarray`` is False.

    Costs about ten microseconds a call, and three more for each array that is exchanged.

    Examples
    --------
    >>> import dualdiff
    >>> import numpy as np
    >>> class Squares:
    ...     def __init__(self, n):
    ...         self.y = np.zeros(n)
    ...     def of(self, x):
    ...         for i in range(len(x)):
    ...             self.y[i] = x[i] ** 2
    ...         return self.y
    >>> dualdiff.jacobian(dualdiff.adapt(lambda x: Squares(2).of(x)), np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if f is None:
        return Adapting()
    if isinstance(f, type):
        return _subclass(f)
    if not callable(f) or isasyncgenfunction(f):
        raise TypeError(
            f"adapt takes a function, a method or a class, not {type(f).__name__}; a block runs adapted in "
            "'with dualdiff.adapt():'"
        )
    code: Any = f
    while isinstance(code, partial):
        code = code.func
    function = getattr(code, "__func__", code)
    if not isinstance(function, FunctionType):
        function = getattr(type(code).__call__, "__func__", type(code).__call__)
    namespace = getattr(function, "__globals__", None) or {}
    cells = getattr(function, "__closure__", None) or ()
    own = f.__self__ if isinstance(f, MethodType) else None

    def bound() -> Any:
        """f, with NumPy's functions in its own variables and defaults adapted."""
        if isinstance(f, partial):
            args, kwargs = PLACES.given(f.args, f.keywords)
            return partial(f.func, *args, **kwargs)
        if code is not f or not isinstance(function, FunctionType):
            return f
        copy = PLACES.copied(function)
        return f if copy is function else copy if own is None else MethodType(copy, own)

    def run(*args: Any, **kwargs: Any) -> Any:
        token = begin(namespace, (args, kwargs, cells))
        try:
            args, kwargs = PLACES.given(args, kwargs)
            spaces = tags.spaces()
            if not spaces or not token.is_new(spaces[-1]):
                return bound()(*args, **kwargs)
            with_duals, check = exchanged(f, args, kwargs, spaces)
            result = bound()(*with_duals, **kwargs)
            if check:
                check()
            return result
        finally:
            end(token)

    async def run_later(*args: Any, **kwargs: Any) -> Any:
        token = begin(namespace, (args, kwargs, cells))
        try:
            return await bound()(*args, **kwargs)
        finally:
            end(token)

    def generate(*args: Any, **kwargs: Any) -> Any:
        steps = bound()(*args, **kwargs)
        step, what = steps.send, None
        while True:
            token = begin(namespace, (args, kwargs, cells))
            try:
                reply = step(what)
            except StopIteration as stop:
                return stop.value
            finally:
                end(token)
            try:
                step, what = steps.send, (yield reply)
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:
                step, what = steps.throw, error

    kind = run_later if iscoroutinefunction(f) else generate if isgeneratorfunction(f) else run
    # The attributes of another callable would be second references to its work arrays.
    return wraps(f, updated=("__dict__",) if isinstance(f, FunctionType) else ())(kind)


def exchanged(f: Any, args: Any, kwargs: dict[str, Any], spaces: list[Any]) -> tuple[Any, Any]:
    """Exchange the arrays that f writes into for dual ones (see `work_arrays`); the arguments, and a check of them.

    An argument that f writes duals into would be read without them by the caller, unless that is an operator, and by f
    itself where it has another name there.
    """
    search = Search(is_library, spaces[-1].tag)
    code = f
    while isinstance(code, partial):
        for x in (*code.args, *code.keywords.values()):
            search.value(None, None, "", x)
        code = code.func
    search.value(None, None, "", code)
    held: dict[int, tuple[str, DualArray, Any]] = {}
    function = getattr(f, "__func__", f)
    if isinstance(function, FunctionType):
        names = function.__code__.co_varnames[function is not f :]
        for i, x in enumerate(args):
            name = names[i] if i < len(names) else ""
            if type(x) is np.ndarray and name in search.names and x.dtype.kind in "fc" and x.flags.writeable:
                held[i] = name, spaces[-1].array(x.copy("K"), None, spaces[-1]), x
            elif type(x) is not np.ndarray:
                search.value(None, None, name, x)
    for x in kwargs.values():
        if type(x) is not np.ndarray:
            search.value(None, None, "", x)
    if search.entries:
        exchange(search, spaces)
    if not held:
        return args, None
    by_operator = str(frame(2).f_globals.get("__name__")).startswith("dualdiff.")

    given = list(map(id, args))

    def check() -> None:
        for name, dual, x in held.values():
            if dual.raw is not None or isinstance(dual.value, AnyDual):
                is_alone = owns(x) and all(x is not entry[1] for entry in search.entries) and given.count(id(x)) == 1
                if not (by_operator and is_alone) or isinstance(dual.value, AnyDual):
                    raise plain_target(f"the argument {name} of {f.__name__}")
            hand_back(dual, x)

    return tuple(held[i][1] if i in held else x for i, x in enumerate(args)), check


#: Methods that make the class, or that are called before there is an instance.
_LEFT = frozenset({"__new__", "__init_subclass__", "__class_getitem__", "__getattribute__", "__set_name__", "__del__"})


def _subclass(cls: type) -> type:
    """A subclass of the same name whose methods are adapted."""
    body: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        for name, thing in vars(base).items():
            if isinstance(thing, FunctionType) and name not in _LEFT:
                body[name] = adapt(thing)
            elif isinstance(thing, (staticmethod, classmethod)) and isinstance(thing.__func__, FunctionType):
                if name not in _LEFT:
                    body[name] = type(thing)(adapt(thing.__func__))
            elif isinstance(thing, property):
                fget, fset, fdel = (g and adapt(g) for g in (thing.fget, thing.fset, thing.fdel))
                body[name] = property(fget, fset, fdel, thing.__doc__)
            elif isinstance(thing, cached_property):
                body[name] = cached_property(adapt(thing.func))
            else:
                body.pop(name, None)
    about = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    slots = {} if hasattr(cls, "__dict__") and cls.__dictoffset__ else {"__slots__": ()}
    return types.new_class(cls.__name__, (cls,), exec_body=lambda names: names.update(body | about | slots))
