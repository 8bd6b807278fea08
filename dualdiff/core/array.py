"""Arrays of dual numbers: a NumPy array of values and one tangent for the whole array."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dualdiff.base.errors import LostDerivativeError, own_arithmetic, plain_target
from dualdiff.base.internals import SHUFFLED, frame, is_product_of_sparse
from dualdiff.core import stand_ins
from dualdiff.core.dual import HANDMADE, SCALARS, AnyDual, Dual, checked_array, joined, leading_space, make, same_call
from dualdiff.core.neighbours import redefines_arithmetic, taken_in
from dualdiff.core.scope import constant
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import plain

# After this warning NumPy continues with wrong values.
warnings.filterwarnings("error", SHUFFLED.pattern, UserWarning)

_PLAIN_SCALARS = {float, int, np.float64}
#: Arrays of at most this many elements are taken apart as a whole.
SHORT = 16


class DualArray(AnyDual):
    """An array of dual numbers, which replaces an array in NumPy code.

    Its value is a NumPy array and its tangent belongs to a tangent space.  Slices and other views share storage with
    their base as in NumPy: a write into one of them is visible in all.

    Parameters
    ----------
    value : array_like
        The primal values; integers become float64.
    tangent : array_like, optional
        The tangent along one direction, in the shape of the value; zero by default.

    Raises
    ------
    TypeError
        If the value is not numeric, or the tangent of real values is complex.
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> x = DualArray([1.0, 2.0], [1.0, 0.0])
    >>> x * x
    DualArray([1., 4.], tangent=[2., 0.])
    """

    # Ownership of storage:
    #
    # - `_view`: the array that this one is a view of, and how (None: not a view).  All writes go to the root, the array
    #   at the end of the chain of views, which counts them in `version`.  A view that has missed a write gathers its
    #   value and tangent again when they are read.
    # - `held`: someone else needs the current values of the root (a record for its coefficients, the caller, whose
    #   argument it is, or an outer call for its constants), so they are copied before they are written.
    # - `owned`: the storage of the root's tangent is owned exclusively by the root and its views, so it may be written
    #   in place; otherwise it is copied first.  `disown` clears the flag when a result shares the storage.
    #
    # Both flags are set where results are wrapped (`Application`, `finish`, `__getitem__`) and where a record or the
    # caller needs the values (`lasting`, `snapshot`, `as_dual`), and are read where arrays are written (`__setitem__`).
    __slots__ = ("_raw", "_value", "_view", "held", "owned", "space", "version")
    space: TangentSpace
    version: int
    held: bool
    owned: bool

    def __init__(self, value: Any, tangent: Tangent = None, space: TangentSpace | None = None) -> None:
        if space is None:
            value, tangent = checked_array(value, tangent)
            space = HANDMADE
        self._value = value
        self._raw = tangent
        self.space = space
        self._view: View | None = None
        self.version = 0
        self.held = self.owned = False

    # -- views -----------------------------------------------------------------------------------------------------

    @property
    def value(self) -> Any:
        """The primal values."""
        if self._view is not None:
            self._refresh(self._view)
        return self._value

    @property
    def raw(self) -> Tangent | None:
        """The tangent as its space represents it."""
        if self._view is not None:
            self._refresh(self._view)
        return self._raw

    # Writes change neither shape nor dtype, so a view need not be refreshed for these.

    @property
    def shape(self) -> Shape:
        return self._value.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self._value.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self._value.dtype

    @property
    def base(self) -> DualArray | None:
        """The root array that this one is a view of; None if it is not a view."""
        return None if self._view is None else self.root()

    def root(self) -> DualArray:
        """The array at the end of the chain of views."""
        array = self
        while array._view is not None:
            array = array._view.parent
        return array

    def view_of(self, parent: DualArray, structure: Structure) -> DualArray:
        """This array, marked as a view of ``parent``."""
        self._view = View(parent, structure, parent.version)
        return self

    def _refresh(self, view: View) -> None:
        parent = view.parent
        tangent = parent.raw
        if parent.version != view.seen:
            view.seen = parent.version
            self.version += 1
            self._value = view.structure(parent.value)
            self._raw = None if tangent is None else view.structure.carry(self.space, tangent, parent.shape, self.shape)

    def _places(self) -> Any:
        """For each element, its flat index in the root."""
        if self._view is None:
            return np.arange(self.size).reshape(self.shape)
        return self._view.structure.places(self._view.parent._places())

    # -- writing ---------------------------------------------------------------------------------------------------

    def __setitem__(self, key: Any, item: Any) -> None:
        t: Tangent | None = None
        if type(item) in SCALARS and item.space is self.space:
            t, item = item.raw, item.value
        else:
            item = operand(item)
        if isinstance(item, AnyDual):
            if leading_space((self, item)).tag != self.space.tag:
                raise plain_target("an array of an outer differentiation")
            if same_call(item.space, self.space):
                if item.space.order < self.space.order:
                    raise ValueError(
                        f"a series of order {item.space.order} cannot be stored in an array of order {self.space.order}"
                    )
                t, item = item.raw, item.value
            if isinstance(item, AnyDual):
                self.accept(item.space)
        shape = getattr(item, "shape", ())
        self._let_go()
        self.value[key] = item
        if t is not None:
            t = self.space.cast(t, self.dtype, shape)
            extra = len(shape) - np.ndim(plain(self)[key]) if shape[:1] == (1,) else 0
            if extra > 0:
                # In NumPy the assigned array may have extra leading axes of length 1.
                t = self.space.gather([t], Structure.getitem((0,) * extra), [shape], shape[extra:])
                shape = shape[extra:]
        self._put(key, t, shape)
        if stand_ins.IN_USE:
            stand_ins.update(self.root())

    def lasting(self) -> Any:
        """The current values, protected from later writes: copied on the next write; of a small view, copied now."""
        if self._view is None:
            self.held = True
            return self._value
        root, value = self.root(), self.value
        if 4 * value.size < root._value.size:
            return np.copy(value, order="K")
        root.held = True
        return value

    def snapshot(self) -> DualArray:
        """A copy of the array that shares storage until one of the two is written (copy on write)."""
        root = self.root()
        root.held, root.owned = True, False
        return new_array(self.value, self.raw, self.space, True)

    def _let_go(self) -> None:
        """Before a write: copy the values of the root if they are held."""
        root = self.root()
        if root.held and root.flags.writeable:
            root._value = np.copy(root._value, order="K")
            root.version += 1
            root.held = False

    def accept(self, space: TangentSpace) -> None:
        """Prepare the values to hold duals of an outer call."""
        root = self.root()
        lifted = lift(root._value, space)
        if lifted is not root._value:
            root._value = lifted
            root.version += 1

    def _put(self, key: Any, t: Tangent | None, shape: Shape) -> None:
        """Write the tangent ``t`` of an array of ``shape``, as ``self[key] = ...`` writes values."""
        root, space = self.root(), self.space
        if root._raw is None and t is None:
            return
        if not root.owned:
            root._raw = space.own(root._raw, root._value)
            root.version += 1
            root.owned = True
        if t is not None and root._raw is not None:
            ready = space.accepting(root._raw, t)
            if ready is not root._raw:
                root._raw = ready
                root.version += 1
        tangent = self.raw
        if self is root:
            root._raw = space.put(tangent, t, key, root.shape, shape, root._value)
        elif self._view.parent is root and self._view.structure.slices and key is Ellipsis:  # type: ignore[union-attr]
            key = self._view.structure.params["key"]  # type: ignore[union-attr]
            root._raw = space.put(root._raw, t, key, root.shape, shape, root._value)
        elif tangent is not None and space.aliases(tangent, root._raw):
            space.put(tangent, t, key, self.shape, shape, self.value)
        else:
            flat = self._places()[key]
            if root.shape:
                places = np.unravel_index(flat, root.shape)
            elif np.size(flat):
                # There is one element, and the last write wins.
                t = t if t is None else space.gather([t], Structure.getitem((-1,) * len(shape)), [shape], ())
                places, shape = (), ()
            else:
                return
            if self.dtype.kind != root.dtype.kind:
                shape, t = np.shape(places[0]) if places else (), self._completed(t, places, shape)
            root._raw = space.put(root._raw, t, places, root.shape, shape, root._value)
        # The tangents of other views need not share memory with that of the root.
        root.version += 1

    def _completed(self, t: Tangent | None, places: tuple[Any, ...], shape: Shape) -> Tangent:
        """The tangent of elements of the complex root, after t is written into their parts that this view shows."""
        root, space = self.root(), self.space
        array, out_shape, terms = self, np.shape(places[0]) if places else (), []
        view = array._view
        while view is not None and view.parent.dtype.kind != "c":
            array, view = view.parent, view.parent._view
        assert view is not None
        if root._raw is not None:
            old = space.gather([root._raw], Structure.getitem(places), [root.shape], out_shape)
            other = "imag" if view.structure.name == "real" else "real"
            terms.append((space.conj(old, other, out_shape), other, out_shape))
        if t is not None:
            terms.append((t, view.structure.name, shape))
        return space.add(
            [
                space.scale(space.cast(term, root.dtype, s), 1.0 if part == "real" else 1j, s, out_shape)
                for term, part, s in terms
            ],
            out_shape,
        )

    def rename(self, tangent: Tangent) -> None:
        """Replace the tangent by an equal one (used where a trace names it)."""
        self._raw = tangent
        self.version += 1

    # -- reading ---------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        value = self.value[key]
        tangent, space = self._raw, self.space
        kind = type(value)
        if kind is np.ndarray or kind in ARRAYS:
            structure = Structure.getitem(key)
            if tangent is not None:
                tangent = space.gather([tangent], structure, [self._value.shape], value.shape)
            result = new_array(value, tangent, space)
            if is_view(value, self._value):
                result._view = View(self, structure, self.version)
            else:
                result.held = space.lazy
                disown(self, self._raw, tangent)
            return result
        return make(value, None if tangent is None else space.element(tangent, key, self._value.shape), space)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        n = self.shape[0]
        return self._apart() if self.ndim == 1 and n <= SHORT and self.space.elements else (self[i] for i in range(n))

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self == item))

    @property
    def flat(self) -> Flat:
        """The elements in C order: an iterator that is also read and written by flat index."""
        return Flat(self)

    @flat.setter
    def flat(self, item: Any) -> None:
        item = operand(item)
        if isinstance(item, DualArray) and self.flags.f_contiguous and not item.flags.f_contiguous:
            # NumPy copies into the order of the target.
            item = np.copy(item)
        Flat(self)[...] = item

    @property
    def flags(self) -> Any:
        return plain(self).flags

    @property
    def strides(self) -> Any:
        return plain(self).strides

    def fill(self, item: Any) -> None:
        """Assign one scalar to all elements."""
        self[...] = item

    def item(self, *index: Any) -> Any:
        """One element, as a dual scalar."""
        if not index:
            if self.size != 1:
                raise ValueError("can only convert an array of size 1 to a scalar")
            index = (0,)
        key = index[0] if len(index) == 1 else index
        return (self[key] if isinstance(key, tuple) else self.flat[key]).item()

    def tolist(self) -> Any:
        """Nested lists of dual scalars."""
        return [e.tolist() for e in self] if self.shape else self.item()

    def conjugate(self, out: Any = None) -> Any:
        """The complex conjugate; for real values this array itself, as in NumPy."""
        return self if out is None and self.dtype.kind != "c" else np.conjugate(self, out=out)

    conj = conjugate

    def put(self, indices: Any, values: Any, mode: str = "raise") -> None:
        """Write at flat indices, as ``numpy.put``."""
        np.put(self, indices, values, mode)

    def sort(self, axis: int = -1, **options: Any) -> None:
        """Sort in place, by value."""
        self[...] = np.sort(self, axis, **options)

    def partition(self, kth: Any, axis: int = -1, **options: Any) -> None:
        """Partition in place, by value."""
        self[...] = np.partition(self, kth, axis, **options)

    def view(self, *args: Any, **kwargs: Any) -> Any:
        """A view of the whole array; raises for another dtype or class."""
        for kind in (*args, *kwargs.values()):
            if isinstance(kind, type) and issubclass(kind, np.ndarray):
                if redefines_arithmetic(kind):
                    raise own_arithmetic(kind)
            elif np.dtype(kind) != self.dtype:
                raise LostDerivativeError(
                    f"a dual array of dtype {self.dtype} cannot be viewed as {np.dtype(kind)}: use astype"
                )
        return self[...]

    # -- conversion, copying, printing -------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        caller = frame(1)
        if is_product_of_sparse(caller):
            # For scipy.sparse this is not an array, so it leaves the product to our operator.
            return np.array(None)
        if (values := constant(self, dtype)) is not None:
            return np.array(values, dtype) if copy else stand_ins.values(self, values, dtype)
        self.check_conversion(dtype)
        if copy is False:
            raise ValueError("a dual array cannot be converted to an object array without a copy")
        return stand_ins.objects(self, caller, copy)

    def __reduce__(self) -> Any:
        return DualArray, (self.value, self.space.travelling(self.raw), self.space)

    def __copy__(self) -> DualArray:
        return np.copy(self)  # type: ignore[return-value]

    def __deepcopy__(self, memo: Any) -> DualArray:
        return np.copy(self)  # type: ignore[return-value]

    def __repr__(self) -> str:
        values = np.array2string(plain(self), separator=", ", prefix="DualArray(")
        if self.raw is None:
            return f"DualArray({values}, tangent=0)"
        tangent = self.tangent
        if not issubclass(type(tangent), np.ndarray):
            return f"DualArray({values}, tangent={tangent!r})"
        shown = np.array2string(tangent, separator=", ", prefix=" " * 10 + "tangent=")
        gap = ",\n          " if "\n" in values or "\n" in shown else ", "
        return f"DualArray({values}{gap}tangent={shown})"

    def __format__(self, spec: str) -> str:
        if spec:
            raise TypeError("unsupported format string passed to DualArray.__format__")
        return repr(self)


class Flat:
    """The elements of a dual array in C order (``x.flat``)."""

    def __init__(self, array: DualArray) -> None:
        self.base: DualArray = array if array.ndim else array.reshape(1)

    def _key(self, key: Any) -> Any:
        flat = np.arange(self.base.size).reshape(self.base.shape).flat[key]
        return np.unravel_index(flat, self.base.shape)

    def __getitem__(self, key: Any) -> Any:
        return self.base[self._key(key)]

    def __setitem__(self, key: Any, item: Any) -> None:
        index = self._key(key)
        item = operand(item)
        length, shape = np.size(index[0]), getattr(item, "shape", ())
        overlaps = shape and item.dtype == self.base.dtype and np.may_share_memory(plain(item), plain(self.base))
        if overlaps and np.ndim(index[0]):
            # NumPy's flat iterator copies one element at a time, and may read an element that it has just written.
            for k, place in enumerate(zip(*index, strict=True)):
                self.base[place] = item[np.unravel_index(k % item.size, shape)]
            return
        if shape:
            # Like NumPy's flat iterator, repeat or truncate the items.
            item = np.resize(np.ravel(item), length) if np.size(item) != length else np.ravel(item)
        self.base[index] = item

    def __len__(self) -> int:
        return self.base.size

    def __iter__(self) -> Iterator[Any]:
        return (self.base[i] for i in np.ndindex(self.base.shape))

    def copy(self) -> Any:
        """A flat copy of the array."""
        return self.base.flatten()


class View:
    """The parent of a view, the structural function that gives the view, and the last version of the parent seen."""

    __slots__ = ("parent", "seen", "structure")
    parent: DualArray
    structure: Structure
    seen: int

    def __init__(self, parent: DualArray, structure: Structure, seen: int) -> None:
        self.parent, self.structure, self.seen = parent, structure, seen


_new = AnyDual.__new__
#: The classes of dual arrays.
ARRAYS: set[type] = {DualArray}
TangentSpace.array = DualArray


def new_array(value: Any, tangent: Tangent | None, space: TangentSpace, held: bool = False) -> DualArray:
    """A dual array of a value and a tangent that match, without the checks of the constructor."""
    array: DualArray = _new(space.array)
    array._value = value
    array._raw = tangent
    array.space = space
    array._view = None
    array.version = 0
    array.held = held
    array.owned = False
    return array


def wrap(value: Any, tangent: Tangent | None, space: TangentSpace) -> Any:
    """A dual scalar or a dual array, depending on the value."""
    if issubclass(type(value), (np.ndarray, DualArray)):
        return new_array(value, tangent, space, space.lazy)
    return make(value, tangent, space)


def disown(source: Any, t: Tangent | None, tangent: Tangent | None) -> None:
    """Record that another dual may share the storage of the tangent of ``source``, so that it is copied on write."""
    if isinstance(source, DualArray) and tangent is not None and t is not None:
        root = source if source._view is None else source.root()
        if root.owned and source.space.aliases(tangent, t):
            root.owned = False


def is_view(value: Any, of: Any) -> bool:
    """Whether NumPy returned a view of an array (or the array itself)."""
    if isinstance(value, DualArray):
        return isinstance(of, DualArray) and (value is of or value._view is not None) and value.root() is of.root()
    if not issubclass(type(value), np.ndarray) or not issubclass(type(of), np.ndarray):
        return False
    base = value.base
    if value is of or (base is not None and (base is of or base is of.base)):
        return True
    return base is not None and value.size > 0 and np.may_share_memory(value, of)


def lift(array: Any, space: TangentSpace) -> Any:
    """The array (plain, or dual in other calls), prepared to hold duals of ``space``."""
    if not isinstance(array, DualArray) or array.space.tag < space.tag:
        return space.array(array, None, space)
    if not same_call(array.space, space):
        array.accept(space)
    return array


# Declared in `dualdiff.core.dual`, which cannot import this module.
AnyDual.lift = lambda self, target: lift(target, self.space)
AnyDual.remade = lambda self, value, tangent: wrap(value, tangent, self.space)


def operand(x: Any, labels_matter: bool = False) -> Any:
    """An operand of a dual: lists and object arrays that contain duals become one dual array.

    A number or an array of another library becomes what it is beside floats (see `dualdiff.core.neighbours`).
    """
    if isinstance(x, (AnyDual, float, int)):
        return x
    if issubclass(type(x), np.ndarray):
        if type(x) is not np.ndarray:
            if redefines_arithmetic(type(x)):
                raise own_arithmetic(type(x))
            x = np.asarray(x)
        return combined(x.ravel().tolist(), x.shape, x) if x.dtype == object else x
    if isinstance(x, (list, tuple)):
        kinds = set(map(type, x)) - _PLAIN_SCALARS
        if kinds and kinds <= SCALARS:
            parts = joined(x)
            return np.stack(x) if parts is None else new_array(*parts)
        array = _nested(x)
        return combined(array.ravel().tolist(), array.shape, array) if array.dtype == object else array
    if isinstance(x, Flat):
        return np.ravel(x.base)
    result = taken_in(x, labels_matter)
    return result if result is x else operand(result)


def operands(xs: Iterable[Any], labels_matter: bool = False) -> list[Any]:
    """Several operands."""
    return [operand(x, labels_matter) for x in xs]


def _nested(x: Any) -> Any:
    """A list as an array; if it contains duals, an object array of scalars and scalar duals."""
    parts = [operand(e) for e in x]
    if any(isinstance(p, AnyDual) for p in parts):
        shapes = {getattr(p, "shape", ()) for p in parts}
        if len(shapes) > 1:
            raise ValueError(
                f"a list of duals has entries of different shapes {sorted(shapes)}: use a tuple or a dict for arrays "
                "of different shapes"
            )
        array = np.empty((len(parts), *shapes.pop()), object)
        for i, part in enumerate(parts):
            if isinstance(part, DualArray):
                for j in np.ndindex(part.shape):
                    array[(i, *j)] = part[j]
            else:
                array[i] = part
        return array
    return np.asarray(x)


def combined(elements: list[Any], shape: Shape, otherwise: Any = None) -> Any:
    """One array of scalar duals and plain scalars; ``otherwise`` if there are no duals but other objects."""
    if not any(isinstance(e, AnyDual) for e in elements):
        are_numbers = all(issubclass(type(e), (float, int, complex, np.number, np.bool_)) for e in elements)
        return np.array(elements).reshape(shape) if are_numbers else otherwise
    if any(getattr(e, "shape", ()) for e in elements):
        raise TypeError("an object array of dual arrays is not supported: use np.stack or np.concatenate")
    stacked = np.stack(elements)
    return stacked if stacked.shape == shape else stacked.reshape(shape)


__all__ = ["Dual", "DualArray", "combined", "disown", "lift", "operand", "wrap"]
