"""Arrays that were made before adapted code runs, and that it writes into: dual ones stand in their places meanwhile.

They are looked for where the code finds them: in the arguments, in attributes of objects, in global names, in variables
of enclosing functions, and in lists and dicts there.  A candidate has a name that the code writes into (see
`written_names`), and no reference to it may be anywhere else: who reads it there would read it without the derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary, getweakrefcount

import numpy as np

from dualdiff.adapting.written_names import written_names
from dualdiff.base import tags
from dualdiff.base.internals import is_written_in_python, references
from dualdiff.core.array import ARRAYS, DualArray
from dualdiff.core.scope import owns
from dualdiff.tangents.zeros import plain

#: Types without anything inside them that could be written into.
_LEAVES = frozenset({int, float, complex, bool, str, bytes, range, slice, BuiltinFunctionType, np.ufunc, ModuleType})
_CONTAINERS = (list, tuple, dict)


class Reach:
    """What a function, or a class, names: found once, and looked at in each call."""

    def __init__(self, is_library: Callable[[Any], bool]) -> None:
        self.is_library = is_library
        self.names: set[str] = set()
        #: Where arrays and objects stand: a container, a key, and the name.
        self.slots: list[tuple[Any, Any, str]] = []
        #: The names of the attributes in ``__slots__``.
        self.slot_names: list[str] = []
        self._seen: set[int] = set()

    def code(self, code: CodeType, namespace: dict[str, Any]) -> Reach:
        """With the global names in a code."""
        if id(code) in self._seen or self.is_library(namespace.get("__name__")):
            return self
        self._seen.add(id(code))
        self.names |= written_names(code.co_filename)
        names = names_in(code)
        for name in names:
            if name not in namespace:
                continue
            thing = namespace[name]
            if type(thing) is not ModuleType:
                self._thing(namespace, name, f"::{name}", thing)
            elif not self.is_library(thing.__name__):
                for inner in names:
                    if inner in vars(thing):
                        self._thing(vars(thing), inner, f".{inner}", vars(thing)[inner])
        return self

    def cls(self, cls: type) -> Reach:
        """With the attributes and the methods of a class."""
        for base in cls.__mro__[:-1]:
            slots = vars(base).get("__slots__", ())
            self.slot_names += [slots] if isinstance(slots, str) else slots
            if id(base) not in self._seen and not self.is_library(base.__module__):
                self._seen.add(id(base))
                for name, inner in list(vars(base).items()):
                    self._thing(base, name, f".{name}", inner)
        return self

    def _thing(self, container: Any, key: str, name: str, thing: Any) -> None:
        kind = type(thing)
        if kind in (property, staticmethod, classmethod, cached_property):
            thing = next(filter(None, (getattr(thing, part, None) for part in ("fget", "__func__", "func"))), None)
        if isinstance(thing, FunctionType):
            if id(thing) in self._seen:
                return
            self._seen.add(id(thing))
            self.code(thing.__code__, thing.__globals__)
            for free, cell in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True):
                if isinstance(content := getattr(cell, "cell_contents", None), FunctionType):
                    self._thing(cell, "cell_contents", free, content)
                else:
                    self.slots.append((cell, "cell_contents", free))
        elif isinstance(thing, type):
            self.cls(thing)
        elif kind not in _LEAVES:
            self.slots.append((container, key, name))


_reaches: WeakKeyDictionary[Any, Reach] = WeakKeyDictionary()


class Search:
    """The places of the arrays that a call of a function may write into."""

    def __init__(self, is_library: Callable[[Any], bool], tag: int) -> None:
        self.is_library = is_library
        #: The call whose duals are to be written.
        self.tag = tag
        self.names: set[str] = set()
        self._seen: set[int] = set()
        #: The arrays, with their names and places (a container and a key).
        self.entries: list[tuple[str, Any, Any, Any]] = []

    def function(self, function: FunctionType) -> None:
        """Look into what a function names: global names and variables of enclosing functions."""
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        code = function.__code__
        reach = _reaches.get(code)
        if reach is None:
            reach = _reaches[code] = Reach(self.is_library).code(code, function.__globals__)
        self._look(reach)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self.value(cell, "cell_contents", name, getattr(cell, "cell_contents", None))

    def _look(self, reach: Reach) -> None:
        if id(reach) not in self._seen:
            self._seen.add(id(reach))
            self.names |= reach.names
            for container, key, name in reach.slots:
                self.value(container, key, name, stands_at(container, key))

    def value(self, container: Any, key: Any, name: str, thing: Any) -> None:
        """Look at a thing that stands at a key of a container under a name."""
        kind = type(thing)
        if kind in _LEAVES or thing is None:
            return
        if kind is np.ndarray or kind in ARRAYS:
            if kind in ARRAYS and thing.space.tag >= self.tag:
                return
            self.entries.append((name, thing, container, key))
        elif kind is FunctionType:
            self.function(thing)
        elif kind is MethodType:
            self.value(None, None, "", thing.__self__)
            self.value(None, None, "", thing.__func__)
        elif kind in _CONTAINERS:
            self._container(thing, name)
        else:
            self.instance(thing)

    def _container(self, thing: Any, name: str) -> None:
        first = next(iter(thing.values() if type(thing) is dict else thing), None)
        if id(thing) in self._seen or type(first) in _LEAVES:
            return
        self._seen.add(id(thing))
        for key, item in list(thing.items() if type(thing) is dict else enumerate(thing)):
            self.value(thing, key, name, item)

    def instance(self, thing: Any) -> None:
        """Look into the attributes of an object of a class that is written in Python, and into its methods."""
        cls = thing if isinstance(thing, type) else type(thing)
        if id(thing) in self._seen or not is_written_in_python(cls) or self.is_library(cls.__module__):
            return
        self._seen.add(id(thing))
        reach = _reaches.get(cls)
        if reach is None:
            reach = _reaches[cls] = Reach(self.is_library).cls(cls)
        self._look(reach)
        if thing is cls:
            return
        names = getattr(thing, "__dict__", None)
        if names:
            for name, inner in list(names.items()):
                if type(inner) not in _LEAVES:
                    self.value(names, name, f".{name}", inner)
        for name in reach.slot_names:
            self.value(thing, name, f".{name}", getattr(thing, name, None))

    def alone(self) -> Iterator[tuple[Any, Collection[tuple[Any, Any]]]]:
        """The arrays that are written into, by their names, and to which there are no references from elsewhere."""
        groups: dict[int, list[tuple[str, Any, Any, Any]]] = {}
        for entry in self.entries:
            groups.setdefault(id(entry[1]), []).append(entry)
        for identity, entries in groups.items():
            if self.names.isdisjoint([entry[0] for entry in entries]):
                continue
            array = entries[0][1]
            places = {(id(container), key): (container, key) for _, _, container, key in entries}.values()
            count = len(entries) + len(places) + _OWN + (identity in _standing)
            if references(array) != count or getweakrefcount(array) or array.dtype.kind not in "fc":
                continue
            if owns(array) and array.flags.writeable and tuple not in [type(c) for c, _ in places]:
                yield array, places


def _own_references() -> int:
    """How many references `Search.alone` counts that are its own."""
    search, held = Search(bool, 0), {"y": np.zeros(1)}
    search.names = {"y"}
    search.value(held, "y", "y", held["y"])
    for count in range(10):
        globals()["_OWN"] = count
        if list(search.alone()):
            return count
    return 0


#: The dual arrays that stand for others, which hold one reference to them.
_standing: set[int] = set()
_OWN = 0
_OWN = _own_references()

_names: dict[CodeType, tuple[str, ...]] = {}


def names_in(code: CodeType) -> tuple[str, ...]:
    """The names that a code may look up, with those of the functions defined in it."""
    result = _names.get(code)
    if result is None:
        names = dict.fromkeys(code.co_names)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                names |= dict.fromkeys(names_in(constant))
        result = _names[code] = tuple(names)
    return result


def put(container: Any, key: Any, thing: Any) -> None:
    """Let a thing stand at a key of a container, or be an attribute of an object."""
    if type(container) is dict or type(container) is list:
        container[key] = thing
    elif isinstance(container, type):
        setattr(container, key, thing)
    else:
        object.__setattr__(container, key, thing)


def stands_at(container: Any, key: Any) -> Any:
    """What stands there."""
    if type(container) is dict:
        return container.get(key)
    if type(container) is list:
        return container[key] if key < len(container) else None
    return getattr(container, key, None)


def exchange(search: Search, spaces: list[Any]) -> None:
    """Let dual arrays stand in the places that were found, each until the call of its space ends."""
    exchanged = [(space, _exchanged(space.tag)) for space in spaces]
    for array, places in list(search.alone()):
        within = exchanged
        if type(array) in ARRAYS:
            if array.space not in spaces:
                # It belongs to a call of another thread.
                continue
            within = [pair for pair in exchanged if pair[0].tag > array.space.tag]
        dual = array
        for space, notes in within:
            # Of a copy: a record needs the values of its coefficients when the array is back and is written again.
            below, dual = dual, space.array(dual.copy("K"), None, space)
            notes.arrays[id(dual)] = dual, below
            notes.places += places
            _standing.add(id(dual))
        for container, key in places:
            put(container, key, dual)


def _exchanged(tag: int) -> Exchanged:
    result = tags.at_end.setdefault(tag, [])
    if not result:
        result.append(Exchanged())
    return result[0]  # type: ignore[return-value]


class Exchanged:
    """The arrays for which dual ones stand during a call; called when that ends, to put them back."""

    def __init__(self) -> None:
        #: For each dual array, by its id, what it stands for.
        self.arrays: dict[int, tuple[DualArray, Any]] = {}
        self.places: list[tuple[Any, Any]] = []

    def __call__(self) -> None:
        _standing.difference_update(self.arrays)
        for container, key in self.places:
            # The code may have let two of them change places.
            entry = self.arrays.get(id(stands_at(container, key)))
            if entry is not None:
                put(container, key, entry[1])
        for dual, array in self.arrays.values():
            hand_back(dual, array)


def hand_back(dual: DualArray, array: Any) -> None:
    """Write the values of a dual array that stood for another one into that."""
    array[...] = dual.value if type(array) in ARRAYS else plain(dual)
