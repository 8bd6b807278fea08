"""Inputs and outputs of differentiated functions: scalars and arrays, in nested containers.

Containers are dicts, tuples, dataclasses, namespaces, and lists that hold one of these or an array.  A list of scalars,
nested or not, is an array, as in NumPy and SciPy.  Objects in a container that are not numeric (None, a string, ...)
are constants: they stay where they are and are not leaves.
"""

from __future__ import annotations

import copy
import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from dualdiff.base import tags
from dualdiff.base.errors import LAZY, expired, is_computed_later
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.core.labels import Labels, labels_of
from dualdiff.core.neighbours import redefines_arithmetic
from dualdiff.core.non_numeric import is_constant, numbers_in

_SCALARS = frozenset({float, int, complex, np.float64})


# -- nestings ----------------------------------------------------------------------------------------------------------
class Nesting(ABC):
    """The nesting of a tree.  Called with other leaves, it returns the tree of those."""

    is_container: ClassVar[bool] = True
    #: Whether something in the tree is neither a leaf nor a container.
    has_constants = False

    def __call__(self, leaves: Iterable[Any]) -> Any:
        """The same tree of other leaves, built without running code of its classes."""
        return self.build(iter(leaves), False)

    def argument(self, leaves: Iterable[Any]) -> Any:
        """The same tree as an argument of f: dataclasses are built by their constructors."""
        return self.build(iter(leaves), True)

    @abstractmethod
    def build(self, leaves: Iterator[Any], is_argument: bool) -> Any:
        """The tree of the next leaves."""

    @abstractmethod
    def taken(self, tree: Any, name: str) -> list[Any]:
        """The leaves of a tree that must have the same nesting; ``name`` is for the error otherwise."""

    @abstractmethod
    def names(self, name: str) -> list[str]:
        """What Python calls each leaf of a tree of this name."""


class Leaf(Nesting):
    """A single leaf, not a container."""

    is_container = False

    def __call__(self, leaves: Iterable[Any]) -> Any:
        return next(iter(leaves))

    argument = __call__

    def build(self, leaves: Iterator[Any], is_argument: bool) -> Any:
        return next(leaves)

    def taken(self, tree: Any, name: str) -> list[Any]:
        kind = None if isinstance(tree, list) else _kind_of(tree)
        if kind is not None:
            raise ValueError(f"{name} must be a scalar or an array, not {kind.described(tree)}")
        return [tree]

    def names(self, name: str) -> list[str]:
        return [name]


class Labelled(Leaf):
    """An array with labels, such as a pandas Series."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels

    def __call__(self, leaves: Iterable[Any]) -> Any:
        return self.labels.put_on(next(iter(leaves)))

    argument = __call__

    def build(self, leaves: Iterator[Any], is_argument: bool) -> Any:
        return self.labels.put_on(next(leaves))

    def taken(self, tree: Any, name: str) -> list[Any]:
        given = labels_of(tree)
        if given is None:
            return super().taken(tree, name)
        if not self.labels.agree(given):
            raise ValueError(f"{name} has other labels than x: bring both into one order, or pass a plain array")
        return [given.values]


class Constant(Nesting):
    """An object without a derivative, which stays where it is."""

    has_constants = True

    def __init__(self, value: Any) -> None:
        self.value = value

    def build(self, leaves: Iterator[Any], is_argument: bool) -> Any:
        return self.value

    def taken(self, tree: Any, name: str) -> list[Any]:
        return []

    def names(self, name: str) -> list[str]:
        return []


class Branch(Nesting):
    """A container of one kind.  Subclasses define what it holds and how it is built."""

    def __init__(self, tree: Any, leaves: list[Any], is_argument: bool, takes_all: bool) -> None:
        self.tree, self.places = tree, self.places_in(tree, is_argument)
        self.parts = [_nesting(self.item(tree, place), leaves, is_argument, takes_all) for place in self.places]
        self.has_constants = any(part.has_constants for part in self.parts)

    @staticmethod
    @abstractmethod
    def places_in(tree: Any, is_argument: bool) -> Sequence[Any]:
        """The keys, indices or names of its items."""

    @staticmethod
    @abstractmethod
    def item(tree: Any, place: Any) -> Any:
        """One item."""

    @abstractmethod
    def joined(self, items: list[Any], is_argument: bool) -> Any:
        """The same container with other items."""

    @staticmethod
    @abstractmethod
    def described(tree: Any) -> str:
        """The container in words."""

    @staticmethod
    @abstractmethod
    def name(whole: str, place: Any) -> str:
        """What Python calls a place."""

    def build(self, leaves: Iterator[Any], is_argument: bool) -> Any:
        return self.joined([part.build(leaves, is_argument) for part in self.parts], is_argument)

    def taken(self, tree: Any, name: str) -> list[Any]:
        if not self.fits(tree):
            kind = _kind_of(tree)
            given = kind.described(tree) if kind else f"an object of type {type(tree).__name__}"
            raise ValueError(f"{name} must be {self.described(self.tree)}, not {given}")
        result = [part.taken(self.item(tree, p), name) for part, p in zip(self.parts, self.places, strict=True)]
        return [leaf for leaves in result for leaf in leaves]

    def fits(self, tree: Any) -> bool:
        """Whether a tree is a container with the same keys, indices or names."""
        return _kind_of(tree) is type(self) and self.places_in(tree, False) == self.places_in(self.tree, False)

    def names(self, name: str) -> list[str]:
        parts = zip(self.parts, self.places, strict=True)
        return [leaf for part, place in parts for leaf in part.names(self.name(name, place))]


class Keyed(Branch):
    """A dict."""

    @staticmethod
    def places_in(tree: Any, is_argument: bool) -> Sequence[Any]:
        return list(tree)

    @staticmethod
    def item(tree: Any, place: Any) -> Any:
        return tree[place]

    def joined(self, items: list[Any], is_argument: bool) -> Any:
        # A copy, because a defaultdict and the like take more than their items to make.
        result = copy.copy(self.tree)
        result.update(zip(self.places, items, strict=True))
        return result

    def fits(self, tree: Any) -> bool:
        return isinstance(tree, dict) and tree.keys() == self.tree.keys()

    @staticmethod
    def described(tree: Any) -> str:
        return f"a dict with the keys {list(tree)}"

    @staticmethod
    def name(whole: str, place: Any) -> str:
        return f"{whole}[{place!r}]"


class Listed(Branch):
    """A tuple, a named tuple, or a list that is not an array."""

    @staticmethod
    def places_in(tree: Any, is_argument: bool) -> Sequence[Any]:
        return range(len(tree))

    @staticmethod
    def item(tree: Any, place: Any) -> Any:
        return tree[place]

    def joined(self, items: list[Any], is_argument: bool) -> Any:
        kind = type(self.tree)
        return kind(*items) if hasattr(kind, "_fields") else kind(items)

    def fits(self, tree: Any) -> bool:
        # A list may stand for one of the other kind: that of scalars is a container where x has one.
        kind = list if isinstance(self.tree, list) else tuple
        return isinstance(tree, kind) and len(tree) == len(self.tree)

    @staticmethod
    def described(tree: Any) -> str:
        return f"a {'list' if isinstance(tree, list) else 'tuple'} of {len(tree)}"

    def names(self, name: str) -> list[str]:
        fields = getattr(self.tree, "_fields", None)
        if fields is None:
            return super().names(name)
        parts = zip(self.parts, fields, strict=True)
        return [leaf for part, field in parts for leaf in part.names(f"{name}.{field}")]

    @staticmethod
    def name(whole: str, place: Any) -> str:
        return f"{whole}[{place}]"


class Named(Branch):
    """A namespace, whose attributes are its items."""

    @staticmethod
    def places_in(tree: Any, is_argument: bool) -> Sequence[Any]:
        return sorted(vars(tree))

    @staticmethod
    def item(tree: Any, place: Any) -> Any:
        return getattr(tree, place)

    def joined(self, items: list[Any], is_argument: bool) -> Any:
        return type(self.tree)(**dict(zip(self.places, items, strict=True)))

    @staticmethod
    def described(tree: Any) -> str:
        return f"a {type(tree).__name__} with the attributes {sorted(vars(tree))}"

    @staticmethod
    def name(whole: str, place: Any) -> str:
        return f"{whole}.{place}"


class Record(Named):
    """A dataclass.

    As x it is rebuilt by its constructor, so that attributes computed from the fields carry derivatives.  In a result
    all attributes count, and a tree of derivatives is built field by field.
    """

    def __init__(self, tree: Any, leaves: list[Any], is_argument: bool, takes_all: bool) -> None:
        super().__init__(tree, leaves, is_argument, takes_all)
        fields = [f.name for f in _fields(tree)]
        self.others = [name for name in fields if name not in self.places]
        if self.others:
            made = type(tree)(**{name: getattr(tree, name) for name in self.places})
            for name in self.others:
                if _differ(getattr(made, name), getattr(tree, name)):
                    raise TypeError(
                        f"the field {name!r} of the {type(tree).__name__} was changed after its constructor had set "
                        "it: x is rebuilt by its constructor, which would lose that; make it an argument of the "
                        "constructor, or hand it to f as another argument"
                    )

    @staticmethod
    def places_in(tree: Any, is_argument: bool) -> Sequence[Any]:
        fields = [f.name for f in _fields(tree) if f.init or not is_argument]
        return fields if is_argument else list(dict.fromkeys([*fields, *getattr(tree, "__dict__", ())]))

    def joined(self, items: list[Any], is_argument: bool) -> Any:
        named = dict(zip(self.places, items, strict=True))
        if is_argument:
            return type(self.tree)(**named)
        made = object.__new__(type(self.tree))
        for name, item in [*named.items(), *((name, None) for name in self.others)]:
            object.__setattr__(made, name, item)
        return made

    def fits(self, tree: Any) -> bool:
        return type(tree) is type(self.tree) and all(hasattr(tree, place) for place in self.places)

    @staticmethod
    def described(tree: Any) -> str:
        return f"a {type(tree).__name__} with the fields {[f.name for f in _fields(tree)]}"


def _fields(tree: Any) -> list[Any]:
    """The fields that a dataclass has set."""
    # Whoever has a dataclass has loaded the module, and nobody else needs it.
    from dataclasses import fields

    return [f for f in fields(tree) if hasattr(tree, f.name)]


#: The nesting of a single leaf.
only = Leaf()


def flatten(tree: Any, is_argument: bool = False, takes_all: bool = False) -> tuple[list[Any], Nesting]:
    """The leaves of nested containers, and how they stand in them.

    ``is_argument`` says that f is to be called with them, ``takes_all`` that what would be a constant is a leaf.
    """
    if type(tree) in _SCALARS or type(tree) is np.ndarray or (type(tree) is list and _is_array(tree)):
        return [tree], only
    leaves: list[Any] = []
    kind = _kind_of(tree)
    if kind is not None:
        return leaves, kind(tree, leaves, is_argument, takes_all)
    return leaves, _leaf(tree, leaves)


def _nesting(tree: Any, leaves: list[Any], is_argument: bool, takes_all: bool) -> Nesting:
    """The nesting of what stands in a container, with its leaves behind those before."""
    if type(tree) in _SCALARS or (type(tree) is np.ndarray and tree.dtype.kind in "fc"):
        leaves.append(tree)
        return only
    kind = _kind_of(tree)
    if kind is not None:
        return kind(tree, leaves, is_argument, takes_all)
    return Constant(tree) if not takes_all and is_constant(tree) else _leaf(tree, leaves)


def _leaf(tree: Any, leaves: list[Any]) -> Nesting:
    labels = labels_of(tree)
    leaves.append(tree if labels is None else labels.values)
    return only if labels is None else Labelled(labels)


def aligned(tree: Any, like: Any, name: str) -> list[Any]:
    """The leaves of a tree that must have the nesting of another, in the order of the other's leaves."""
    return flatten(like)[1].taken(tree, name)


def _kind_of(tree: Any) -> type[Branch] | None:
    """The kind of a container; None of anything else."""
    if isinstance(tree, dict):
        return Keyed
    if isinstance(tree, (AnyDual, np.ndarray, np.generic)):
        return None
    if isinstance(tree, tuple) or (isinstance(tree, list) and not _is_array(tree)):
        return Listed
    if isinstance(tree, SimpleNamespace):
        return Named
    return Record if is_record(tree) else None


def is_container(x: Any) -> bool:
    """Whether something is a container: a dict, a tuple, a dataclass, a namespace, or a list that is not an array."""
    return _kind_of(x) is not None


def is_record(x: Any) -> bool:
    """Whether something is an instance of a dataclass."""
    return hasattr(type(x), "__dataclass_fields__")


def _is_array(items: list[Any]) -> bool:
    """Whether a list is read as an array: it holds scalars, or lists of scalars."""
    kinds = set(map(type, items))
    if kinds <= _SCALARS:
        return True
    for kind in kinds:
        if kind in _SCALARS:
            continue
        if issubclass(kind, list):
            if not all(_is_array(item) for item in items if type(item) is kind):
                return False
        elif issubclass(kind, (AnyDual, np.ndarray)):
            if any(item.shape for item in items if type(item) is kind):
                return False
        elif not issubclass(kind, (numbers.Number, np.bool_, range)) or issubclass(kind, np.timedelta64):
            return False
    return True


def _differ(a: Any, b: Any) -> bool:
    """Whether two attributes are certainly not the same; of arbitrary objects nothing is known."""
    try:
        return not np.array_equal(a, b, equal_nan=True)
    except TypeError:
        return type(a) is not type(b)


# -- leaves ------------------------------------------------------------------------------------------------------------
def input_leaf(x: Any, operator: str, alone: bool) -> Any:
    """A leaf of x, validated; integers become float64."""
    if isinstance(x, (list, range)):
        x = _from_list(x, operator)
    if isinstance(x, AnyDual):
        check_running(x)
        return _compact(x)
    if isinstance(x, (bool, np.bool_)) or getattr(x, "dtype", None) == np.bool_:
        raise TypeError(f"{operator}: x is boolean; pass floats, or float(x) if 0 and 1 are meant")
    if issubclass(type(x), (float, complex)):
        return x
    if isinstance(x, (int, np.integer)) and not isinstance(x, np.timedelta64):
        if not alone:
            raise TypeError(
                f"{operator}: x contains the integer {x!r}, which cannot be differentiated; write {float(x)!r}, or "
                "keep counts and sizes out of x and pass them to f as another argument"
            )
        return float(x)
    if issubclass(type(x), np.generic) and not isinstance(x, (np.str_, np.bytes_, np.void, np.object_)):
        if issubclass(type(x), np.inexact):
            return x
        raise TypeError(f"{operator}: x has the type {type(x).__name__}, which is not numeric")
    if x is None or isinstance(x, (str, bytes, set, frozenset)) or callable(x):
        raise TypeError(
            f"{operator}: x has the type {type(x).__name__}; it must be a scalar, an array, or a container of them"
        )
    if issubclass(type(x), np.ndarray) and redefines_arithmetic(type(x)):
        raise TypeError(
            f"{operator}: x is a {type(x).__name__}, whose arithmetic dual numbers do not implement; pass a plain "
            "array, such as np.asarray(x) if that arithmetic does not matter"
        )
    return _array_leaf(x, operator, alone)


def _array_leaf(x: Any, operator: str, alone: bool) -> Any:
    """A leaf that is an array or that NumPy converts to one."""
    array = np.asarray(x)
    if array.dtype == object:
        array = operand(array)
        if isinstance(array, AnyDual):
            check_running(array)
            return array
    if array.dtype.kind in "iu":
        if not alone:
            raise TypeError(
                f"{operator}: x contains an integer array of shape {array.shape}, which cannot be differentiated; use "
                ".astype(float), or pass it to f as another argument"
            )
        return array.astype(float)
    if array.dtype.kind not in "fc":
        raise TypeError(f"{operator}: x {_not_numeric(x, array)}")
    return _compact(array)


def _not_numeric(x: Any, array: Any) -> str:
    if array.dtype != object:
        return f"has the dtype {array.dtype}, which is not numeric"
    if array.shape:
        kinds = [type(e).__name__ for e in array.flat if not issubclass(type(e), numbers.Number)] or ["number"]
        return f"is an array of objects, one of them a {kinds[0]}: use a list, a tuple or a dict of them instead"
    if issubclass(type(x), numbers.Number):
        return f"has the type {type(x).__name__}; use float(x)"
    result = numbers_in(x)
    holding = f", whose attributes {', '.join(result)} hold numbers" if result else ""
    return (
        f"has the type {type(x).__name__}{holding}; use a dict, a tuple, a dataclass or a SimpleNamespace of numbers "
        "and make the object of it in f, or hand it to f as another argument"
    )


def _compact(x: Any) -> Any:
    """The array without gaps, in its memory order, so that f gets views and copies as it does without duals."""
    if type(x) is np.ndarray and x.dtype is not (dtype := np.dtype(x.dtype.char)) and x.dtype == dtype:
        # An array that was unpickled has a dtype of its own, with which fast paths would not meet.
        x = x.view(dtype)
    return x if not x.shape or x.flags.forc else np.copy(x)


def check_running(x: AnyDual) -> None:
    """Raise unless all calls that a dual input belongs to are still running (or it was constructed by the user)."""
    tell_outer(x)
    while isinstance(x, AnyDual):
        if x.space.tag != tags.MANUAL and not tags.is_live(x.space.tag):
            raise expired()
        x = x.value


def tell_outer(x: AnyDual) -> None:
    """Tell the outer calls of a dual input that the result of an inner call may be constant with respect to them."""
    while isinstance(x, AnyDual):
        x.space.may_be_constant = True
        x = x.value


def _from_list(x: Any, operator: str) -> Any:
    try:
        return operand(list(x))
    except ValueError as error:
        raise ValueError(
            f"{operator}: x is a list of lists of different lengths. A list of scalars, nested or not, is read as an "
            "array; write arrays, as in [np.array([1.0, 2.0]), np.array([3.0])], or a tuple or a dict of lists"
        ) from error


def output_leaf(y: Any, operator: str) -> Any:
    """A leaf of the result of f, as a float, a complex number, an array or a dual."""
    if isinstance(y, (AnyDual, float, complex)):
        return y
    if isinstance(y, (bool, int)):
        return float(y)
    original = y
    if issubclass(type(y), (list, np.ndarray)):
        y = operand(y)
        if isinstance(y, AnyDual):
            return y
    if (
        issubclass(type(y), np.ndarray)
        and y.dtype == object
        and all(issubclass(type(e), numbers.Number) for e in y.flat)
    ):
        y = np.array(y.tolist()).reshape(y.shape)
    if issubclass(type(y), (np.ndarray, np.generic)):
        if y.dtype.kind in "iub":
            return y.astype(float)
        if y.dtype.kind in "fc":
            return y
    raise TypeError(
        f"{operator}: f returned {_described(original)}; it must return scalars, arrays, or containers of them"
    )


def _described(y: Any) -> str:
    if y is None:
        return "None (is a return statement missing?)"
    if issubclass(type(y), np.ndarray):
        return f"an array of dtype {y.dtype}"
    if is_computed_later(type(y)):
        return f"a dask {type(y).__name__}, which is not computed yet: {LAZY}"
    return f"an object of type {type(y).__name__}"
