"""Where code finds the functions of NumPy and SciPy, and what stands there while adapted code runs.

While adapted code runs, other functions stand in the place of NumPy's: in the module numpy, and wherever Python code
holds them (``from numpy import zeros``, the default of a parameter, a closure).  They ask whether the thread or task
that calls them is in adapted code, and whether the caller is a library; if not, they are NumPy's own.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from types import CellType, FunctionType
from typing import Any

import numpy as np

from dualdiff.adapting.adapted_functions import MAKERS, Maker, replaced, routed, vectorized
from dualdiff.adapting.libraries import SCIPY, counterparts, is_library, is_library_code
from dualdiff.adapting.pandas_averages import averages
from dualdiff.base.internals import ARRAY_API, VECTORIZE, frame
from dualdiff.core.scope import SCOPE
from dualdiff.rules.writing.array_rules import duals_in


class Adapted:
    """What stands in the place of a function of NumPy or SciPy while adapted code runs."""

    __slots__ = ("make", "own")

    def __init__(self, own: Any, make: Maker) -> None:
        self.own, self.make = own, make

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        scope: Any = SCOPE.get()
        if scope is None or scope.has_ended or "like" in kwargs:
            return self.own(*args, **kwargs)
        caller = frame(1).f_globals
        # A rule passes plain values to SciPy's function, and needs its plain result.
        if is_library_code(caller) or (caller.get("__name__") == ARRAY_API and not duals_in(args)):
            return self.own(*args, **kwargs)
        like = scope.like()
        return self.own(*args, **kwargs) if like is None else self.make(self.own, like, *args, **kwargs)

    # In all else it is NumPy's function: in tables of functions, by attribute, pickled, as a type.
    def __eq__(self, other: Any) -> bool:
        return other is self.own or (isinstance(other, Adapted) and other.own is self.own)

    def __hash__(self) -> int:
        return hash(self.own)

    def __getattr__(self, name: str) -> Any:
        found = getattr(object.__getattribute__(self, "own"), name)
        others: Any = getattr(object.__getattribute__(self, "make"), "args", ())
        if name.startswith("_") or not callable(found) or not any(isinstance(x, type) for x in others):
            return found
        # What is made by methods of a class is of the class for dual numbers too.
        other = getattr(others[0], name, None)
        return found if other is None else Adapted(found, partial(replaced, other))

    def __repr__(self) -> str:
        return repr(self.own)

    def __instancecheck__(self, instance: Any) -> bool:
        # An instance may be of the class for dual numbers, which does not derive from it.
        others = getattr(self.make, "args", ())
        return isinstance(instance, (self.own, *(x for x in others if isinstance(x, type))))

    def __subclasscheck__(self, kind: Any) -> bool:
        return issubclass(kind, self.own)

    def __mro_entries__(self, bases: Any) -> tuple[Any, ...]:
        return (self.own,)

    def __reduce__(self) -> Any:
        return _by_name, (self.own.__module__, self.own.__name__)


class AdaptedBuiltin(Adapted):
    """The same for a function that weak references may refer to: Numba keeps such functions by weak references."""

    __slots__ = ("__weakref__",)


class AdaptedObject(AdaptedBuiltin):
    """The same for an object with methods, as SciPy's distributions are."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.own)

    def __getattr__(self, name: str) -> Any:
        own, make = object.__getattribute__(self, "own"), object.__getattribute__(self, "make")
        method, (other,) = getattr(own, name), make.args
        if name.startswith("_") or not callable(method) or not hasattr(type(other), name):
            return method
        return Adapted(method, partial(routed, getattr(other, name)))

    def __reduce__(self) -> Any:
        return _itself, (self.own,)


# Modules that are imported meanwhile may read the docstrings of NumPy's functions.
for _class in (Adapted, AdaptedBuiltin, AdaptedObject):
    _class.__doc__ = property(lambda self: self.own.__doc__)  # type: ignore[assignment]


def adapted(own: Any, make: Maker) -> Adapted:
    """What stands in the place of a function, and is found in the same tables."""
    if not hasattr(own, "__name__"):
        return AdaptedObject(own, make)
    try:
        weakref.ref(own)
    except TypeError:
        return Adapted(own, make)
    return AdaptedBuiltin(own, make)


def _itself(own: Any) -> Any:
    return own


def _by_name(module: str, name: str) -> Any:
    return getattr(sys.modules[module], name)


class AdaptedMethod:
    """The same in the place of a method of a class, which is called on an instance."""

    def __init__(self, own: Any, make: Maker) -> None:
        self.own, self.make = own, make

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self.own if instance is None else partial(self._call, instance)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        scope: Any = SCOPE.get()
        like = None if scope is None or scope.has_ended else scope.like()
        return self.own(*args, **kwargs) if like is None else self.make(self.own, like, *args, **kwargs)


# -- where NumPy's functions are found ---------------------------------------------------------------------------------
class Place:
    """Names that hold functions of NumPy: a namespace, a class, a cell, the defaults of a function."""

    __slots__ = ("names", "other", "own")

    def __init__(self, names: Any, other: dict[str, Any], own: dict[str, Any]) -> None:
        self.names, self.other, self.own = names, other, own

    def put(self, things: dict[str, Any]) -> None:
        if type(self.names) is dict:
            self.names.update(things)
        else:
            for name, thing in things.items():
                setattr(self.names, name, thing)


class Places:
    """All places in the code that is loaded; while adapted code runs anywhere they hold what is adapted."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.running = 0
        self.adapted = {id(getattr(np, name)): adapted(getattr(np, name), make) for name, make in MAKERS.items()}
        own = {name: getattr(np, name) for name in MAKERS}
        self.places = [Place(np.__dict__, {name: self.adapted[id(own[name])] for name in own}, own)]
        method = VECTORIZE
        given = getattr(np.vectorize, method)
        self.places.append(Place(np.vectorize, {method: AdaptedMethod(given, vectorized)}, {method: given}))
        #: The modules that have been searched, and how many names they had.
        self.known: dict[str, int] = {}
        self.modules = 0

    def enter(self, namespace: dict[str, Any]) -> None:
        """Begin to run adapted code whose global names are in a namespace."""
        with self.lock:
            self.search(namespace)
            self.running += 1
            if self.running == 1:
                for place in self.places:
                    place.put(place.other)

    def leave(self) -> None:
        """End it."""
        with self.lock:
            self.running -= 1
            if self.running:
                return
            for place in self.places:
                place.put(place.own)
            if len(sys.modules) != self.modules:
                self._release()

    def search(self, namespace: dict[str, Any]) -> None:
        """Find the places in modules that are new, and in the namespace if it has new names."""
        if len(sys.modules) != self.modules:
            self._add_scipy()
            self._add_pandas()
            for key, module in list(sys.modules.items()):
                names = getattr(module, "__dict__", None)
                if key not in self.known and not is_library(key) and type(names) is dict:
                    self.known[key] = len(names)
                    self._search(names)
            self.modules = len(sys.modules)
        key = str(namespace.get("__name__"))
        if getattr(sys.modules.get(key), "__dict__", None) is not namespace:
            self._search(namespace)
        elif self.known.get(key) != len(namespace) and not is_library(key):
            self.known[key] = len(namespace)
            self._search(namespace)

    def _add_scipy(self) -> None:
        """Take the functions of SciPy for dual numbers into account, of its modules that are loaded."""
        for name in SCIPY:
            module = sys.modules.get(f"scipy.{name}")
            if module is None or module.__name__ in self.known:
                continue
            self.known[module.__name__] = 0
            for key, other in counterparts(module.__name__).items():
                own = getattr(module, key, None)
                if own is not None and own is not other:
                    self.adapted[id(own)] = adapted(own, partial(routed, other))
            # Modules that were searched before may hold these too.
            self.known = {key: n for key, n in self.known.items() if is_library(key)}
            self._search(vars(module))

    def _add_pandas(self) -> None:
        """Take the averages of pandas into account, if it is loaded."""
        if hasattr(sys.modules.get("pandas"), "DataFrame") and "pandas" not in self.known:
            self.known["pandas"] = 0
            for cls, makers in averages():
                own = {name: getattr(cls, name) for name in makers}
                self._add([Place(cls, {name: AdaptedMethod(own[name], makers[name]) for name in own}, own)])

    def _search(self, names: dict[str, Any]) -> None:
        self._add(list(_found(names, self.other)))

    def _add(self, result: list[Place]) -> None:
        new = {id(place.names) for place in result}
        self.places = [place for place in self.places if id(place.names) not in new] + result
        if self.running:
            for place in result:
                place.put(place.other)

    def other(self, thing: Any) -> Any:
        """What stands in the place of a thing in adapted code; None if it stays."""
        if issubclass(type(thing), Adapted):
            return thing
        if type(thing) is partial:
            function = self.other(thing.func)
            return None if function is None else partial(function, *thing.args, **thing.keywords)
        return self.adapted.get(id(thing))

    def given(self, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Arguments, with adapted functions for NumPy's."""
        if any(id(x) in self.adapted for x in (*args, *kwargs.values())):
            args = tuple(self.adapted.get(id(x), x) for x in args)
            kwargs = {name: self.adapted.get(id(x), x) for name, x in kwargs.items()}
        return args, kwargs

    def _new(self, thing: Any) -> Any:
        return None if issubclass(type(thing), Adapted) else self.other(thing)

    def copied(self, function: FunctionType) -> FunctionType:
        """A function whose variables of enclosing functions and defaults hold NumPy's functions, with the adapted ones.

        The function itself may be one of many that a call made, so that its places are not worth keeping.
        """
        if not (function.__closure__ or function.__defaults__ or function.__kwdefaults__):
            return function
        cells = [(cell, self._new(content(cell))) for cell in function.__closure__ or ()]
        defaults = [(x, self._new(x)) for x in function.__defaults__ or ()]
        keywords = {name: (x, self._new(x)) for name, x in (function.__kwdefaults__ or {}).items()}
        if all(other is None for _, other in (*cells, *defaults, *keywords.values())):
            return function
        closure = tuple(cell if other is None else CellType(other) for cell, other in cells)
        copy = FunctionType(function.__code__, function.__globals__, function.__name__, None, closure)
        copy.__qualname__ = function.__qualname__
        copy.__defaults__ = tuple(x if other is None else other for x, other in defaults)
        copy.__kwdefaults__ = {name: x if other is None else other for name, (x, other) in keywords.items()}
        return copy

    def _release(self) -> None:
        """Give NumPy's own functions to modules that were imported by adapted code, and so took ours."""
        for module in list(sys.modules.values()):
            names = getattr(module, "__dict__", None)
            if type(names) is dict:
                for name, thing in list(names.items()):
                    if issubclass(type(thing), Adapted):
                        names[name] = thing.own


def _found(names: dict[str, Any], other: Callable[[Any], Any]) -> Iterator[Place]:
    """The places in a namespace, and in the functions and classes that are defined there."""
    yield from _of_names(names, dict(names), other)
    for thing in list(names.values()):
        if isinstance(thing, (FunctionType, type)) and getattr(thing, "__module__", None) == names.get("__name__"):
            yield from _inside(thing, other)


def _inside(thing: Any, other: Callable[[Any], Any]) -> Iterator[Place]:
    if isinstance(thing, type):
        yield from _of_names(thing, dict(vars(thing)), other)
        for inner in list(vars(thing).values()):
            # Not by asking for attributes, at which lazy objects import what they stand for.
            kind = type(inner)
            function = inner.__func__ if issubclass(kind, (staticmethod, classmethod)) else inner
            function = inner.fget if issubclass(kind, property) else function
            if type(function) is FunctionType:
                yield from _inside(function, other)
        return
    defaults = thing.__defaults__ or ()
    result = [other(x) for x in defaults]
    if any(y is not None for y in result):
        replaced = tuple(x if y is None else y for x, y in zip(defaults, result, strict=True))
        yield Place(thing, {"__defaults__": replaced}, {"__defaults__": tuple(map(_own, defaults))})
    keywords = thing.__kwdefaults__ or {}
    yield from _of_names(keywords, dict(keywords), other)
    for cell in thing.__closure__ or ():
        yield from _of_names(cell, {"cell_contents": content(cell)}, other)


def _of_names(names: Any, held: dict[str, Any], other: Callable[[Any], Any]) -> Iterator[Place]:
    result = {name: y for name, x in held.items() if (y := other(x)) is not None}
    if result:
        yield Place(names, result, {name: _own(held[name]) for name in result})


def _own(thing: Any) -> Any:
    function: Any = thing.func if type(thing) is partial else None
    if issubclass(type(function), Adapted):
        return partial(function.own, *thing.args, **thing.keywords)
    return thing.own if issubclass(type(thing), Adapted) else thing


def content(cell: CellType) -> Any:
    """What a variable of an enclosing function holds; None if it has no value yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


PLACES = Places()
