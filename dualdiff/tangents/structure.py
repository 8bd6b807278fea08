"""Structural functions: NumPy functions that only move elements (slices, transposes, concatenation, ...).

A structure holds the NumPy function itself and says which of its parameters refer to axes, so that a space whose
tangents have a leading axis of directions can shift them, and gets a view where NumPy gives a view.  A space that needs
to know where each element goes applies the function to an array of indices.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

_INDEX = {"key": "index"}


class Structure:
    """``function(*arrays, **params)``, which only moves elements.

    ``roles`` says how a parameter changes when a leading axis is added: ``"axis"`` (an axis or a tuple of axes, counted
    from the front), ``"permutation"`` (all axes in a new order), ``"shape"`` (a shape), ``"index"`` (a key).  If it is
    ``None``, spaces fall back on indices.  ``broadcasts`` says that the sources broadcast against each other; each
    element of the result is then chosen from one of them, as in `where`.
    """

    __slots__ = ("_slices", "broadcasts", "function", "params", "roles")
    function: Callable[..., Any]
    params: Mapping[str, Any]
    roles: Mapping[str, str] | None
    broadcasts: bool

    def __init__(
        self,
        function: Callable[..., Any],
        params: Mapping[str, Any] | None = None,
        roles: Mapping[str, str] | None = None,
        broadcasts: bool = False,
    ) -> None:
        self.function = function
        self.params = params or {}
        self.roles = roles
        self.broadcasts = broadcasts
        self._slices: bool | None = None

    @property
    def name(self) -> str:
        return self.function.__name__.lstrip("_")

    def __call__(self, *arrays: Any) -> Any:
        return self.function(*arrays, **self.params)

    def carry(self, space: Any, t: Any, shape: tuple[int, ...], out_shape: tuple[int, ...]) -> Any:
        """The tangent of the result, given the tangent of the only source."""
        return space.gather([t], self, [shape], out_shape)

    def places(self, indices: Any) -> Any:
        """For each element of the result, the entry of ``indices`` (flat indices) of its element in the only source."""
        return self(indices)

    @staticmethod
    def getitem(key: Any) -> Structure:
        """The structure of ``a[key]``."""
        structure = Structure(_getitem, {"key": key}, _INDEX)
        if type(key) is slice or type(key) is int:
            structure._slices = True
        return structure

    def shifted(self, n: int) -> Structure | None:
        """The same function for arrays with an additional leading axis of length n; None if that is not possible."""
        if self.roles is None:
            return None
        params = dict(self.params)
        for name, role in self.roles.items():
            shifted = _SHIFT[role](params[name], n)
            if shifted is None:
                return None
            params[name] = shifted
        return Structure(self.function, params, self.roles, self.broadcasts)

    def lasting(self) -> Structure:
        """The same structure, with copies of the arrays among its parameters, which may be overwritten later."""
        if self.slices:
            return self
        params = {name: _lasting(p) for name, p in self.params.items()}
        if all(params[name] is p for name, p in self.params.items()):
            return self
        return Structure(self.function, params, self.roles, self.broadcasts)

    def index(self, shapes: Sequence[tuple[int, ...]]) -> Any:
        """For each element of the result, that of the sources (counted from 1, in sequence) it comes from; 0: none."""
        start, sources = 1, []
        for shape in shapes:
            size = math.prod(shape)
            sources.append(np.arange(start, start + size).reshape(shape))
            start += size
        return self(*sources)

    @staticmethod
    def of_elements() -> Structure:
        """The structure of an array of scalars."""
        return _OF_ELEMENTS

    @property
    def slices(self) -> bool:
        """Whether this is ``a[key]`` with a key of integers and slices, which selects no element twice."""
        if self._slices is None:
            self._slices = self.function is _getitem and _names_slices(self.params["key"])
        return self._slices

    def pull(self, w: Any, shapes: Sequence[tuple[int, ...]], wanted: Sequence[bool]) -> list[Any]:
        """The transpose: the cotangent of each wanted source, given the cotangent of the result."""
        pull = _PULLS.get(self.function)
        if pull is not None:
            return pull(w, shapes, wanted, **self.params)
        index = self.index(shapes)
        result, start = [], 1
        for shape, is_wanted in zip(shapes, wanted, strict=True):
            size = math.prod(shape)
            result.append(accumulated(index - start, w, shape) if is_wanted else None)
            start += size
        return result


Pull = Callable[..., list[Any]]
_PULLS: dict[Callable[..., Any], Pull] = {}


def pulled_by(function: Callable[..., Any]) -> Callable[[Pull], Pull]:
    """Register the transpose of a structural function, where that is simpler than the transpose by indices.

    It is called with the cotangent of the result, the shapes of the sources, which of them are wanted, and the
    parameters.
    """

    def register(pull: Pull) -> Pull:
        _PULLS[function] = pull
        return pull

    return register


def stack(*arrays: Any, axis: int) -> Any:
    """``np.stack`` as a function of each array."""
    return np.stack(arrays, axis=axis)


@pulled_by(stack)
def _pull_stack(w: Any, shapes: Any, wanted: Any, axis: int) -> list[Any]:
    lead = (slice(None),) * axis
    return [w[(*lead, i)] if is_wanted else None for i, is_wanted in enumerate(wanted)]


_OF_ELEMENTS = Structure(stack, {"axis": 0}, {"axis": "axis"})


def accumulated(places: Any, w: Any, shape: tuple[int, ...]) -> Any:
    """An array of ``shape`` with each element of w added at its flat index (ignored if that is out of bounds)."""
    size = math.prod(shape)
    places, inside = places.ravel(), (places.ravel() >= 0) & (places.ravel() < size)
    flat: Any = np.ravel(w)
    if not inside.all():
        places, flat = places[inside], flat[inside]
    # For empty arrays, bincount returns integers.
    if issubclass(type(flat), np.ndarray) and flat.dtype == np.float64 and flat.size:
        return np.bincount(places, flat, size).reshape(shape)
    total = np.zeros(size, flat.dtype)
    if not issubclass(type(flat), np.ndarray):
        total = flat.lift(total)
    np.add.at(total, places, flat)
    return total.reshape(shape)


def reduced(w: Any, shape: tuple[int, ...]) -> Any:
    """The transpose of broadcasting from ``shape``: the sum over the expanded axes."""
    expanded = getattr(w, "shape", ())
    if expanded == shape:
        return w
    extra = len(expanded) - len(shape)
    w = np.sum(w, axis=tuple(range(extra))) if extra else w
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and w.shape[i] != 1)
    return np.sum(w, axis=axes, keepdims=True) if axes else w


def _lasting(param: Any) -> Any:
    if issubclass(type(param), np.ndarray):
        return param.copy()
    if isinstance(param, list) or (
        isinstance(param, tuple) and any(issubclass(type(p), (np.ndarray, list)) for p in param)
    ):
        return type(param)(map(_lasting, param))
    return param


class Part(Structure):
    """The real or imaginary part of an array, which is a view of it, like a slice."""

    __slots__ = ()

    def carry(self, space: Any, t: Any, shape: tuple[int, ...], out_shape: tuple[int, ...]) -> Any:
        return space.conj(t, self.name, shape)

    def places(self, indices: Any) -> Any:
        return indices


def _getitem(a: Any, key: Any) -> Any:
    return operator.getitem(a, key)


def _names_slices(key: Any) -> bool:
    if type(key) is slice or type(key) is int:
        return True
    return all(
        k is None or k is Ellipsis or isinstance(k, slice) or (isinstance(k, (int, np.integer)) and k is not True)
        for k in (key if isinstance(key, tuple) else (key,))
    )


def _shift_axis(axis: Any, n: int) -> Any:
    if axis is None:
        return None
    return tuple(a + 1 for a in axis) if isinstance(axis, tuple) else axis + 1


def _shift_index(key: Any, n: int) -> Any:
    key = key if isinstance(key, tuple) else (key,)
    advanced = [i for i, k in enumerate(key) if not (k is None or k is Ellipsis or isinstance(k, slice))]
    # NumPy moves the axes of separated array indices to the front, even before the directions.
    if any(getattr(key[i], "shape", ()) or isinstance(key[i], (list, bool, np.bool_)) for i in advanced) and (
        advanced[-1] - advanced[0] + 1 != len(advanced)
    ):
        return None
    return (slice(None), *key)


_SHIFT: dict[str, Callable[[Any, int], Any]] = {
    "axis": _shift_axis,
    "permutation": lambda axes, n: (0, *(a + 1 for a in axes)),
    "shape": lambda shape, n: (n, *shape),
    "index": _shift_index,
}
