"""Dual numbers: a value and a tangent.

`AnyDual` is the common base of scalars and arrays, `Dual` a scalar in any tangent space.  `FloatDual` and `Float64Dual`
are the fast path: a Python float or a `numpy.float64` whose tangent is a Python float, or (in the classes of
`scalar_classes`) a tuple of floats.  The rules, which know the derivatives, install the operators on these classes
(`dualdiff.rules.python.operators`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from dualdiff.base import native, tags
from dualdiff.base.errors import (
    OwnArithmeticError,
    expired,
    lost,
    no_rule,
)
from dualdiff.base.internals import METHODS_OF_ARRAYS, frame
from dualdiff.core.asked_by_others import AskedByOthers
from dualdiff.core.registry import (
    CREATORS,
    FLOAT64_UFUNCS,
    FLOAT_UFUNCS,
    FUNCTIONS,
    SCALAR_INSTALLERS,
    UFUNCS,
    entry_of,
    no_ufunc,
    refusal,
)
from dualdiff.core.scope import SCOPE, constant, in_place
from dualdiff.tangents.space import TangentSpace
from dualdiff.tangents.spaces.dense import Dense
from dualdiff.tangents.spaces.single import Single
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import chosen_zero, may_have_nan, plain, zero_mask

if TYPE_CHECKING:
    from dualdiff.tangents.space import Tangent

#: The space of duals that users construct.
HANDMADE = Single(tags.MANUAL)

#: The dtype of a dual as an element of an object array.
_OBJECT = np.dtype(object)


def _method(function: Any) -> Callable[..., Any]:
    """A method that calls a NumPy function, like the methods of arrays."""

    def method(self: AnyDual, *args: Any, **kwargs: Any) -> Any:
        rule = FUNCTIONS.get(function)
        if rule is None or self.space.traces:
            return function(self, *args, **kwargs)
        return rule(self, *args, **kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"As ``numpy.{function.__name__}``."
    return method


@native.compiled
class AnyDual(AskedByOthers):
    """A scalar or an array with a tangent: the common base of all duals."""

    __slots__ = ()

    value: Any
    #: The tangent as its space represents it; `tangent` is the same as plain scalars and arrays.
    raw: Tangent
    space: TangentSpace
    #: ``x.lift(target)`` is the target array, prepared to hold duals of this call.
    lift: Callable[..., Any]
    #: ``x.remade(value, tangent)`` is a dual of the same call with another value and tangent.
    remade: Callable[..., Any]

    # -- NumPy's protocols -------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        rule = entry_of(UFUNCS, (ufunc, method))
        if rule is None:
            raise no_ufunc(ufunc, method)
        if kwargs and SCOPE.get() is not None and (target := in_place(self, inputs, kwargs)) is not None:
            # Nobody else sees the plain array on the left of ``y += x``: a dual one takes its place.
            other = self.lift(np.array(target))
            inputs, kwargs["out"] = (other, *inputs[1:]), (other,)
        try:
            if self.space.traces:
                name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
                return self.space.call(name, rule, inputs, kwargs)
            return rule(*inputs, **kwargs)
        except OwnArithmeticError as error:
            from dualdiff.core.neighbours import beside

            return beside(ufunc, method, inputs, kwargs, error)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in CREATORS:
            return CREATORS[function](self, *args, **kwargs)
        rule = entry_of(FUNCTIONS, function)
        if rule is None:
            module = function.__module__
            reason = refusal(function)
            raise no_rule(f"{module}.{function.__name__}", f" ({reason})" if reason else "")
        if self.space.traces:
            return self.space.call(function.__name__, rule, args, kwargs)
        return rule(*args, **kwargs)

    # -- by value --------------------------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        answer = bool(self.value)
        return bool(self.space.compare("!=", (self, 0), answer)) if self.space.traces else answer

    @property
    def tangent(self) -> Any:
        """The tangent as a plain scalar or array: shaped like the value, after a leading axis of directions, if any."""
        return self.space.read(self.raw, self.value)

    @property
    def shape(self) -> tuple[int, ...]:
        return getattr(self.value, "shape", ())

    @property
    def dtype(self) -> Any:
        if frame(1).f_globals.get("__name__") == METHODS_OF_ARRAYS:
            # mean, var and std of an object array convert its sum, which is a dual, to this dtype.
            return _OBJECT
        dtype = getattr(self.value, "dtype", None)
        return np.dtype(type(self.value)) if dtype is None else dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return int(self.size * self.dtype.itemsize)

    @property
    def itemsize(self) -> int:
        return int(self.dtype.itemsize)

    def _apart(self) -> Iterator[Any]:
        """The elements of an array with one axis, in a space that has `elements`."""
        array: Any = self
        tangent, space, root = array.raw, array.space, array.root()
        version = root.version
        is_plain = tangent is not None and type(array.value) is np.ndarray
        tangents = space.elements(tangent, array.shape) if is_plain else None
        for i in range(array.shape[0]):
            # Like NumPy's, the iterator sees what is written meanwhile.
            if tangents is None or root.version != version:
                yield array[i]
            else:
                yield make(array.value[i], tangents[i], space)

    # -- used by the tangent spaces of inner calls -----------------------------------------------------------------

    def zero_mask(self) -> Any:
        """Where both the value and the tangent are zero."""
        mask = zero_mask(self.value)
        return mask if self.raw is None else mask & self.space.zero_mask(self.raw, self.shape)

    def with_value(self, value: Any) -> Any:
        """The same tangent with an equal value of another type."""
        return self.remade(value, self.raw)

    def with_chosen_zeros(self, mask: Any) -> Any:
        """Zero by convention where the mask is set, so that the derivative there is NaN."""
        return self._unknown(chosen_zero(mask, self.value), mask)

    def with_unknown_tangent(self, mask: Any) -> Any:
        """The same value, with a NaN derivative where the mask is set."""
        return self._unknown(
            self.value.with_unknown_tangent(mask) if isinstance(self.value, AnyDual) else self.value, mask
        )

    def _unknown(self, value: Any, mask: Any) -> Any:
        raw = self.raw
        return self.remade(value, None if raw is None else self.space.unknown(raw, mask, self.shape, self.value))

    def may_have_nan(self) -> bool:
        """Whether the value or the tangent may contain a NaN."""
        return may_have_nan(self.value) or (self.raw is not None and self.space.may_have_nan(self.raw))

    # -- methods that NumPy's arrays and scalars share -----------------------------------------------------------

    all: Callable[..., Any] = _method(np.all)
    any: Callable[..., Any] = _method(np.any)
    argmax: Callable[..., Any] = _method(np.argmax)
    argmin: Callable[..., Any] = _method(np.argmin)
    argpartition: Callable[..., Any] = _method(np.argpartition)
    argsort: Callable[..., Any] = _method(np.argsort)
    clip: Callable[..., Any] = _method(np.clip)
    compress: Callable[..., Any] = _method(
        lambda a, condition, axis=None, out=None: np.compress(condition, a, axis, out)
    )
    conj: Callable[..., Any] = _method(np.conjugate)
    conjugate: Callable[..., Any] = _method(np.conjugate)
    cumprod: Callable[..., Any] = _method(np.cumprod)
    cumsum: Callable[..., Any] = _method(np.cumsum)
    diagonal: Callable[..., Any] = _method(np.diagonal)
    dot: Callable[..., Any] = _method(np.dot)
    max: Callable[..., Any] = _method(np.max)
    mean: Callable[..., Any] = _method(np.mean)
    min: Callable[..., Any] = _method(np.min)
    nonzero: Callable[..., Any] = _method(np.nonzero)
    prod: Callable[..., Any] = _method(np.prod)
    ptp: Callable[..., Any] = _method(np.ptp)
    ravel: Callable[..., Any] = _method(np.ravel)
    repeat: Callable[..., Any] = _method(np.repeat)
    round: Callable[..., Any] = _method(np.round)
    searchsorted: Callable[..., Any] = _method(np.searchsorted)
    squeeze: Callable[..., Any] = _method(np.squeeze)
    std: Callable[..., Any] = _method(np.std)
    sum: Callable[..., Any] = _method(np.sum)
    swapaxes: Callable[..., Any] = _method(np.swapaxes)
    take: Callable[..., Any] = _method(np.take)
    trace: Callable[..., Any] = _method(np.trace)
    var: Callable[..., Any] = _method(np.var)

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """As ``numpy.reshape``; the shape may be given as several integers."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order)

    def transpose(self, *axes: Any) -> Any:
        """As ``numpy.transpose``; the axes may be given as several integers."""
        order: Any = (axes[0] if len(axes) == 1 else axes) if axes else None
        return FUNCTIONS[np.transpose](self, order)

    def copy(self, order: Any = "C") -> Any:
        """A copy, by default in C order (``numpy.copy`` keeps the order)."""
        return np.copy(self, order or "C")

    def flatten(self, order: str = "C") -> Any:
        """A flat copy."""
        return np.copy(np.ravel(self, order))

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """As ``ndarray.astype`` for floating dtypes; raises for integer dtypes, which would drop the tangent."""
        return FUNCTIONS[np.astype](self, dtype, *args, **kwargs)

    @property
    def T(self) -> Any:
        return FUNCTIONS[np.transpose](self)

    @property
    def mT(self) -> Any:
        return np.swapaxes(self, -1, -2)

    @property
    def real(self) -> Any:
        return np.real(self)

    @real.setter
    def real(self, item: Any) -> None:
        self.real[...] = item

    @property
    def imag(self) -> Any:
        return np.imag(self)

    @imag.setter
    def imag(self, item: Any) -> None:
        self.imag[...] = item


@native.compiled
class Dual(AnyDual):
    """A dual number: ``value + tangent * e`` with ``e * e = 0``.

    ``Dual(3.0, 1.0)`` has one direction; inside `derivative` and its relatives the library constructs the duals.  A
    function f maps it to ``Dual(f(value), f'(value) * tangent)``.

    Parameters
    ----------
    value : int, float, complex or NumPy scalar
        The primal value; integers become floats.
    tangent : scalar
        The tangent; converted to the type of the value.

    Raises
    ------
    TypeError
        If value or tangent is not a scalar, or the tangent of a real value is complex.

    Examples
    --------
    >>> x = Dual(3.0, 1.0)
    >>> x**3 + 2*x
    Dual(33.0, 29.0)
    """

    __slots__ = ("raw", "space", "value")
    value: Any
    raw: Any
    space: TangentSpace

    def __init__(self, value: Any, tangent: Tangent = 0.0, space: TangentSpace | None = None) -> None:
        if space is None:
            value, tangent = _checked(value, tangent)
            space = HANDMADE
        self.value = value
        self.raw = tangent
        self.space = space

    def __reduce__(self) -> Any:
        return make, (self.value, self.space.travelling(self.raw), self.space)

    def __copy__(self) -> Dual:
        return self

    def __deepcopy__(self, memo: Any) -> Dual:
        return self

    def __repr__(self) -> str:
        return f"Dual({_plain_repr(self.value)}, {_plain_repr(self.tangent)})"

    def __format__(self, spec: str) -> str:
        if not spec:
            return repr(self)
        return f"Dual({self.value:{spec}}, {_format(self.tangent, spec)})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        plain = constant(self, dtype)
        if plain is not None:
            return np.array(plain, dtype)
        self.check_conversion(dtype)
        array = np.empty((), object)
        array[()] = self
        return array

    # No __getitem__, not even for x[()]: NumPy would treat the dual as a sequence, and raise its own error for
    # ``buf[0] = x`` instead of ours.

    def __round__(self, ndigits: int | None = None) -> Any:
        return self._stepped(round(self.value, ndigits))

    def __trunc__(self) -> Any:
        return self._stepped(math.trunc(self.value))

    def __floor__(self) -> Any:
        return self._stepped(math.floor(self.value))

    def __ceil__(self) -> Any:
        return self._stepped(math.ceil(self.value))

    def _stepped(self, rounded: Any) -> Any:
        if not isinstance(rounded, int):
            return make(rounded, None, self.space)
        self.space.may_be_constant = True
        return rounded

    @property
    def item(self) -> Callable[[], Dual]:
        """``x.item()`` is the dual with its value as a Python scalar; Python's scalars themselves have no such method.

        Code that asks for the item of the item would never end.
        """
        value_of = self.value.item

        def item() -> Dual:
            value = value_of()
            tangent = None if self.raw is None else self.space.cast(self.raw, np.result_type(plain(value)), ())
            return make(value, tangent, self.space)

        return item

    tolist = item

    def conjugate(self) -> Any:
        """The complex conjugate; for a real value, the dual itself."""
        return self if self.dtype.kind == "f" else np.conjugate(self)

    conj = conjugate

    def as_integer_ratio(self) -> NoReturn:
        raise lost("a fraction (x.as_integer_ratio())", "x itself")

    def is_integer(self) -> bool:
        """Whether the value is an integer."""
        return bool(self.value.is_integer())


#: What NumPy calls for ``c * x`` if c is a `numpy.float64`, and the operator that it stands for.  Not the power, which
#: NumPy's scalars and ufuncs may round differently.
_SWAPPED = {np.add: "__radd__", np.subtract: "__rsub__", np.multiply: "__rmul__", np.true_divide: "__rtruediv__"}


def _with_fast_unary(table: dict[Any, Callable[[Any], Any]]) -> Callable[..., Any]:
    """An ``__array_ufunc__`` that looks up calls with one argument in a table, and calls operators for float64s."""

    def method(self: Dual, ufunc: Any, method: str, x: Any, *more: Any, **options: Any) -> Any:
        if more or options or method != "__call__":
            if type(x) is np.float64 and ufunc in _SWAPPED and len(more) == 1 and not options and method == "__call__":
                return getattr(self, _SWAPPED[ufunc])(x)
            return AnyDual.__array_ufunc__(self, ufunc, method, x, *more, **options)
        try:
            fast = table[ufunc]
        except KeyError:
            return AnyDual.__array_ufunc__(self, ufunc, method, x)
        return fast(x)

    return method


@native.compiled
class FloatDual(Dual):
    """A dual whose value and tangent are Python floats, in a space of one direction."""

    __slots__ = ()
    #: The length of the tangent, if it is a tuple of floats; 0: it is a single float.
    lanes: ClassVar[int] = 0

    value: float
    raw: Any

    # Created empty and filled by the caller: a constructor in Python would be half the cost of an operation.
    __init__ = object.__init__

    __array_ufunc__ = _with_fast_unary(FLOAT_UFUNCS)


@native.compiled
class Float64Dual(Dual):
    """A dual whose value is a `numpy.float64` and whose tangent is a Python float.

    Not a subclass of `FloatDual`: Python would try its reflected operators first.
    """

    __slots__ = ()
    lanes: ClassVar[int] = 0

    value: np.float64
    raw: Any

    __init__ = object.__init__
    __array_ufunc__ = _with_fast_unary(FLOAT64_UFUNCS)


_FLOATS = frozenset({float, np.float64})
#: The classes of dual scalars, and of arrays that have no fast path of their own.
SCALARS: set[type] = {Dual, FloatDual, Float64Dual}


@cache
def scalar_classes(lanes: int | None, parent: type[Dual] = Dual) -> tuple[type[Dual], type[Dual]]:
    """The dual classes of a Python float and of a `numpy.float64` whose tangent is a tuple of ``lanes`` floats.

    With None, a tangent is any object that has sums and multiples, and the zero is ``space.zero``.
    """
    classes = []
    for base in (FloatDual, Float64Dual):
        table: dict[Any, Callable[[Any], Any]] = {}
        body = {"__slots__": (), "lanes": lanes, "__init__": object.__init__, "__module__": __name__}
        cls = type(base.__name__, (parent,), body | {"__array_ufunc__": _with_fast_unary(table)})
        classes.append(cls if lanes is None else native.compiled(cls))
        SCALARS.add(classes[-1])
        for install in SCALAR_INSTALLERS:
            install(base, classes[-1], table)
    return classes[0], classes[1]


TangentSpace.scalar = Dual
Single.float_dual, Single.float64_dual = FloatDual, Float64Dual
Dense.scalar_classes = staticmethod(scalar_classes)


def make(value: Any, tangent: Tangent, space: TangentSpace) -> Dual:
    """A dual scalar of the fastest class for this value and tangent."""
    kind = type(value)
    cls = space.float64_dual if kind is np.float64 else space.float_dual if kind is float else None
    if cls is not None:
        floats = space.floats(tangent)
        if floats is not None:
            x: Dual = cls()
            x.value, x.raw, x.space = value, floats, space
            return x
    if issubclass(type(tangent), np.ndarray) and tangent.ndim == 0:
        tangent = tangent[()]
    return space.scalar(value, tangent, space)  # type: ignore[no-any-return]


def joined(elements: Iterable[Any]) -> tuple[Any, ...] | None:
    """The parts of the dual array of float scalars, of which the duals belong to one call; None for anything else."""
    space: Any = None
    values, tangents = [], []
    for e in elements:
        kind = type(e)
        if kind in SCALARS:
            if space is None:
                space = e.space
            if e.space is not space or type(e.value) not in _FLOATS:
                return None
            values.append(e.value)
            tangents.append(e.raw)
        elif kind in _FLOATS:
            values.append(e)
            tangents.append(None)
        else:
            return None
    if space is None or space.traces:
        return None
    count = len(values)
    tangent = None
    if any(t is not None for t in tangents):
        tangent = space.gather(tangents, Structure.of_elements(), [()] * count, (count,))
    return np.array(values), tangent, space, space.lazy


def _checked(value: Any, tangent: Any) -> tuple[Any, Any]:
    """Value and tangent of a dual that a user constructs, validated."""
    for name, x in (("value", value), ("tangent", tangent)):
        if issubclass(type(x), (np.ndarray, list, tuple)) or np.ndim(x):
            raise TypeError(f"Dual takes scalars, but its {name} is an array: use DualArray(value, tangent)")
        if isinstance(x, AnyDual):
            raise TypeError(f"Dual takes plain scalars, but its {name} is a dual: nest dualdiff.derivative instead")
        if isinstance(x, (bool, np.bool_)) or not issubclass(type(x), (int, float, complex, np.number)):
            raise TypeError(f"Dual takes scalars, but its {name} is {x!r} of type {type(x).__name__}")
    if isinstance(value, (int, np.integer)):
        value = float(value)
    if np.iscomplexobj(tangent) and not np.iscomplexobj(value):
        raise TypeError(f"the tangent {tangent!r} of the real value {value!r} cannot be complex")
    return value, type(value)(tangent)


def checked_array(value: Any, tangent: Any) -> tuple[Any, Any]:
    """Value and tangent of a dual array that a user constructs, validated."""
    array = np.array(value)
    if array.dtype.kind in "iu":
        array = array.astype(float)
    if array.dtype.kind not in "fc":
        raise TypeError(f"DualArray takes numeric values, not an array of dtype {array.dtype}")
    if tangent is None:
        return array, None
    t = np.array(tangent)
    if t.shape != array.shape:
        raise ValueError(f"the tangent has shape {t.shape}, but the value has shape {array.shape}")
    if t.dtype.kind == "c" and array.dtype.kind != "c":
        raise TypeError("the tangent of real values cannot be complex")
    return array, t.astype(array.dtype)


def same_call(a: TangentSpace, b: TangentSpace) -> bool:
    """Whether two spaces belong to the same call (unpickling a dual creates a new space)."""
    return a is b or a.tag == b.tag


def leading_space(operands: Any) -> Any:
    """The space of the innermost call among the operands, for which duals of outer calls are constants."""
    leading: Any = None
    mixed = False
    for x in operands:
        if isinstance(x, AnyDual):
            space = x.space
            if leading is None:
                leading = space
            elif space is not leading and space.tag != leading.tag:
                mixed = True
                if space.tag > leading.tag:
                    leading = space
    if mixed and not all(tags.is_live(x.space.tag) for x in operands if isinstance(x, AnyDual) and x.space.tag):
        raise expired()
    return leading


def _plain_repr(x: Any) -> str:
    """The repr without the name of a NumPy type, which would obscure value and tangent."""
    return repr(x.item()) if issubclass(type(x), (np.float64, np.complex128)) else repr(x)


def _format(x: Any, spec: str) -> str:
    if issubclass(type(x), np.ndarray):
        return "[" + ", ".join(_format(e, spec) for e in x) + "]"
    try:
        return format(x, spec)
    except TypeError:
        # A node of a linear program, or a row of a sparse matrix.
        return repr(x)
