"""The one path through the core: how every function is applied to duals.

An `Application` unpacks the operands into values and tangents with respect to the innermost call among them.  A rule
computes the value of the result, asks the tangent space for its tangent (the chain rule itself is
`TangentSpace.apply`), and lets the application wrap the two: it casts the tangent, tracks shared storage, notifies a
tracing space and returns a dual.  Only the fast paths of the operators (`rules/python/operators.py`,
`rules/python/floats.py`) and writes into arrays unpack duals themselves.

The ownership rules of arrays are in `dualdiff.core.array`; this module records which storage results share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from dualdiff.base.errors import lost
from dualdiff.core.array import ARRAYS, DualArray, disown, is_view, new_array, operands, wrap
from dualdiff.core.dual import SCALARS, AnyDual, leading_space, same_call
from dualdiff.tangents.space import Rule, Shape, Tangent, TangentSpace, are_float64, shape_of
from dualdiff.tangents.structure import Structure

_PLAIN_SCALARS = frozenset({float, int, complex, np.float64, np.float32, np.complex128})


_new = object.__new__


class Application:
    """The operands of a function, unpacked with respect to the innermost call among them.

    ``operands`` are the arguments, with lists of duals converted to dual arrays.  ``values`` and ``tangents`` (None:
    zero) are those in ``space``, for which duals of outer calls are constants.  Without duals, ``space`` is None.

    ``row`` is given for a row of the table, ``linear=True`` for a rule whose coefficients do not depend on the values
    of the operands, or that does not use them.  Other rules see power series as values and tangents of one order less.
    """

    __slots__ = ("operands", "series", "space", "tangents", "values")

    space: Any
    values: Sequence[Any]
    tangents: Sequence[Tangent | None]

    def __init__(self, *inputs: Any, row: Rule | None = None, linear: bool = False) -> None:
        space: Any = None
        values: list[Any] = []
        tangents: list[Tangent | None] = []
        has_array = False
        for x in inputs:
            kind = type(x)
            if kind is DualArray or kind in SCALARS:
                if space is None:
                    space = x.space
                elif x.space is not space:
                    break
                if kind is DualArray:
                    has_array = True
                values.append(x.value)
                tangents.append(x.raw)
            elif kind in _PLAIN_SCALARS or (kind is np.ndarray and x.dtype.char != "O"):
                values.append(x)
                tangents.append(None)
            else:
                break
        else:
            self.operands: Sequence[Any] = inputs
            self.space, self.values, self.tangents = space, values, tangents
            if has_array and space.lazy:
                self._hold(row)
            if row is None and not linear and space is not None and space.order:
                self._lower()
            return
        # The result of an elementwise function has the labels of the operands.
        self._unpack(inputs, row is not None)
        if self.space is not None and self.space.lazy:
            self._hold(row)
        if row is None and not linear and self.space is not None and self.space.order:
            self._lower()

    def _lower(self) -> None:
        """Present power series as values and tangents that are series of one order less."""
        self.__class__ = OfSeries
        self.lower()  # type: ignore[attr-defined]

    def _unpack(self, inputs: Iterable[Any], labels_matter: bool) -> None:
        """Unpack operands of any type and of several calls; the general case of ``__init__``."""
        self.operands = operands(inputs, labels_matter)
        self.space = space = leading_space(self.operands)
        values, tangents = list(self.operands), [None] * len(self.operands)
        for i, x in enumerate(self.operands):
            if isinstance(x, AnyDual) and same_call(x.space, space):
                values[i], tangents[i] = x.value, x.raw
        self.values, self.tangents = values, tangents
        if space is not None and space.order:
            # The result is known up to the lowest order among the operands.
            spaces = [x.space for x in self.operands if self._owns(x)]
            self.space = space = min(spaces, key=lambda s: s.order)
            self.tangents = [space.truncated(t, space.order) for t in tangents]

    def _hold(self, row: Rule | None) -> None:
        """Preserve the values that a record needs: all of them, or those that the partials of a row use."""
        keeps: Any = None
        values = list(self.values)
        if row is not None and row.is_pure and are_float64(values):
            keeps = row.keeps(tuple([t is not None for t in self.tangents])) or (False,) * len(values)
        for i, x in enumerate(self.operands):
            if isinstance(x, DualArray) and (keeps is None or keeps[i]) and self._owns(x):
                values[i] = x.lasting()
        self.values = values

    # -- operands ------------------------------------------------------------------------------------------------------

    def shape(self, i: int = 0) -> Shape:
        """The shape of operand i."""
        return shape_of(self.values[i])

    def coefficients(self, i: int) -> Any:
        """The coefficients of operand i as a power series, up to the last that may be nonzero."""
        t = self.tangents[i]
        return [self.values[i]] if t is None else self.space.coefficients(self.values[i], t)

    def active(self) -> Iterator[int]:
        """The positions of the operands that have a tangent."""
        return (i for i, t in enumerate(self.tangents) if t is not None)

    def value_of(self, x: Any) -> Any:
        """The value of a dual of this call; any other object unchanged."""
        return x.value if self._owns(x) else x

    def tangent_of(self, x: Any) -> Tangent | None:
        """The tangent of a dual of this call; None for any other object."""
        return x.raw if self._owns(x) else None

    def _owns(self, x: Any) -> bool:
        return isinstance(x, AnyDual) and same_call(x.space, self.space)

    # -- results -------------------------------------------------------------------------------------------------------

    def result(self, value: Any, terms: Sequence[Tangent] = ()) -> Any:
        """The dual with this value, whose tangent is the sum of the terms (zero if there are none)."""
        if self.space is None:
            return value
        if not terms:
            return self._wrapped(value, None)
        return self._wrapped(value, terms[0] if len(terms) == 1 else self.space.add(terms, shape_of(value)))

    def elementwise(self, row: Rule, value: Any, where: Any = True, all_values: Any = None) -> Any:
        """The dual with the value of a row's function; ``all_values`` are all results of a function with several."""
        space = self.space
        if space is None:
            return value
        tangent = None
        if row.kind != "zero":
            tangent = space.apply(row, self.values, self.tangents, value if all_values is None else all_values, where)
        elif kind_of(value) not in "fc":
            return value
        if space.traces:
            tangent = space.note(row.name, self.operands, value, tangent)
        dual = self._wrapped(value, tangent)
        if all_values is not None and type(dual) in ARRAYS:
            dual.held = True
        return dual

    def gathered(self, value: Any, structure: Structure) -> Any:
        """The result of a structural function of all operands, given NumPy's value: a view if that is a view."""
        space, tangents = self.space, self.tangents
        if space is None:
            return value
        tangent = None
        if any(t is not None for t in tangents):
            shapes = [shape_of(x) for x in self.operands]
            if len(tangents) == 1:
                tangent = structure.carry(space, tangents[0], shapes[0], shape_of(value))
            else:
                tangent = space.cast(
                    space.gather(tangents, structure, shapes, shape_of(value)), value.dtype, shape_of(value)
                )
        result = wrap(value, tangent, space)
        for source, t in zip(self.operands, tangents, strict=True):
            if type(result) is type(source) and type(source) in ARRAYS and self._owns(source):
                if is_view(value, source.value):
                    return result.view_of(source, structure)
                disown(source, t, tangent)
        return result

    def copied(self, value: Any) -> Any:
        """The only operand with this value, an independent copy: its tangent shares storage with no other dual."""
        space, (t,) = self.space, self.tangents
        if t is not None:
            cast = space.cast(t, dtype_of(value), shape_of(value))
            t = space.own(t, value) if cast is t and isinstance(value, (np.ndarray, DualArray)) else cast
        return wrap(value, t, space)

    def _wrapped(self, value: Any, tangent: Tangent | None) -> Any:
        """The dual with this value and tangent: casts the tangent and records storage shared with the operands."""
        space = self.space
        if tangent is not None:
            tangent = space.cast(tangent, floating_dtype(value), shape_of(value))
            if not space.lazy:
                for x, t in zip(self.operands, self.tangents, strict=True):
                    if t is not None and _may_share(x):
                        disown(x, t, tangent)
        if type(value) is not np.ndarray:
            return wrap(value, tangent, space)
        dual = new_array(value, tangent, space)
        # A record needs the current values; from a unit seed, the tangent may be the value array itself.
        dual.held = space.lazy or tangent is value
        return dual


class OfSeries(Application):
    """The operands of a rule that is not linear: power series, presented with one order less.

    A rule knows the derivative of its function, ``r' = J(x) x'``.  For series of order K it sees, as values, the series
    of order K - 1 and, as tangents, the derivatives of the series, which have order K - 1 too.  So it computes r up to
    order K - 1 (by the same way), and r' up to order K - 1, which has coefficient K of r.
    """

    __slots__ = ()

    def lower(self) -> None:
        """Present the operands as duals of one derivative, whose values and tangents are series."""
        self.series = self.space
        self.space = self.series.level()
        pairs = list(zip(self.values, self.tangents, strict=True))
        self.values = [v if t is None else self._value(v, t) for v, t in pairs]
        self.tangents = [None if t is None else self._slope(v, t) for v, t in pairs]
        self.operands = [
            x if t is None else wrap(v, t, self.space)
            for x, v, t in zip(self.operands, self.values, self.tangents, strict=True)
        ]

    def _number(self, value: Any, t: Tangent | None) -> Any:
        return value if t is None else wrap(value, t, self.series.lower)

    def _value(self, value: Any, t: Tangent) -> Any:
        return self._number(value, self.series.truncated(t, self.series.order - 1))

    def _slope(self, value: Any, t: Tangent) -> Any:
        return self._number(*self.series.derivative(value, t))

    def _is_series(self, x: Any, order: int) -> bool:
        if not isinstance(x, AnyDual) or not same_call(x.space, self.series) or x.raw is None:
            return False
        assert x.space.order == order, f"a series of order {x.space.order} was met where the order is {order}"
        return True

    def value_of(self, x: Any) -> Any:
        if self._owns(x):
            return x.value
        if isinstance(x, AnyDual) and same_call(x.space, self.series):
            return self._value(x.value, x.raw) if self._is_series(x, self.series.order) else x.value
        return x

    def tangent_of(self, x: Any) -> Tangent | None:
        if self._owns(x):
            return x.raw
        return self._slope(x.value, x.raw) if self._is_series(x, self.series.order) else None

    def result(self, value: Any, terms: Sequence[Tangent] = ()) -> Any:
        if not terms:
            return self._wrapped(value, None)
        return self._wrapped(value, terms[0] if len(terms) == 1 else self.space.add(terms, shape_of(value)))

    def _wrapped(self, value: Any, tangent: Tangent | None) -> Any:
        series, t = self.series, None
        shape = shape_of(value)
        below = series.order - 1
        if isinstance(value, AnyDual) and same_call(value.space, series):
            t = value.raw if self._is_series(value, below) else None
            value = value.value
        top: Any = tangent
        if below:
            top = top.space.coefficient(top.raw, below, shape) if self._is_series(top, below) else None
        raised = series.raised(t, top, shape)
        if raised is not None:
            raised = series.cast(raised, floating_dtype(value), shape)
        return wrap(value, raised, series)

    def elementwise(self, row: Rule, value: Any, where: Any = True, all_values: Any = None) -> Any:
        return self._wrapped(value, self.space.apply(row, self.values, self.tangents, value, where))

    def gathered(self, value: Any, structure: Any) -> NoReturn:
        raise AssertionError("moving elements is linear: Application(..., linear=True)")

    copied = gathered  # type: ignore[assignment]


def apply(row: Rule, function: Callable[..., Any], *inputs: Any) -> Any:
    """``function(*inputs)``, with the tangent that the row defines."""
    application = Application(*inputs, row=row)
    space, values = application.space, application.values
    value = function(*values)
    if space is None or space.traces or row.kind == "zero":
        return application.elementwise(row, value)
    return finish(row, space, application.operands, values, application.tangents, value)


def finish(
    row: Rule, space: TangentSpace, operands: Sequence[Any], values: Sequence[Any], tangents: Sequence[Any], value: Any
) -> Any:
    """The result of an elementwise function of unpacked operands that belong to one call."""
    tangent = space.apply(row, values, tangents, value)
    if space.lazy:
        # Tangents are never written, so they may be shared.
        tangent = None if tangent is None else space.cast(tangent, floating_dtype(value), shape_of(value))
        return new_array(value, tangent, space, True) if type(value) is np.ndarray else wrap(value, tangent, space)
    if tangent is not None and not any(map(_may_share, operands)):
        tangent = space.cast(tangent, floating_dtype(value), shape_of(value))
        if type(value) is np.ndarray:
            return new_array(value, tangent, space, tangent is value)
        return wrap(value, tangent, space)
    application = _new(Application)
    application.operands, application.space, application.values, application.tangents = (
        operands,
        space,
        values,
        tangents,
    )
    return application._wrapped(value, tangent)


def _may_share(x: Any) -> bool:
    """Whether the tangent of x may be written in place, so that results that share its storage must be recorded."""
    return type(x) in ARRAYS and (x.owned or x._view is not None)


def complete(row: Rule, inputs: tuple[Any, ...], value: Any) -> Any:
    """The dual with a value that is already computed."""
    return Application(*inputs, row=row).elementwise(row, value)


def rearranged(
    function: Callable[..., Any],
    sources: Sequence[Any],
    params: dict[str, Any] | None = None,
    roles: dict[str, str] | None = None,
    broadcasts: bool = False,
    value: Callable[..., Any] | None = None,
) -> Any:
    """``function(*sources, **params)`` for a function that only moves elements.

    ``value`` computes the value of the result if it has more than moved elements, such as constants to pad with.
    """
    application = Application(*sources, linear=True)
    structure = Structure(function, params, roles, broadcasts)
    values = application.values
    if application.space is not None and application.space.lazy:
        # Not the copies of small views that a record keeps: a view of a copy is not a view of the operand.
        values = [application.value_of(x) for x in application.operands]
    return application.gathered((value or structure)(*values), structure)


def carried(application: Application, value: Any, dual: Any) -> Any:
    """NumPy's value, with the tangent of a dual that was computed from the same operands by other means."""
    t = application.tangent_of(dual)
    if t is None:
        return application.result(value)
    shape = shape_of(value)
    if dual.shape != shape:
        dual = np.broadcast_to(dual, shape) if dual.size < np.size(value) else np.reshape(dual, shape)
        t = application.tangent_of(dual)
    return application.result(value, [t])


def broadcast(shape: Shape) -> Structure:
    """The structure of ``np.broadcast_to(a, shape)``."""
    return Structure(np.broadcast_to, {"shape": shape}, {"shape": "shape"}, broadcasts=True)


def dtype_of(x: Any) -> Any:
    """The dtype of a scalar, an array or a dual."""
    dtype = getattr(x, "dtype", None)
    return np.dtype(type(x)) if dtype is None else dtype


def kind_of(x: Any) -> str:
    """The kind of the dtype: "f" for real floats, "c" for complex values."""
    kind = type(x)
    return "f" if kind is float or kind is np.float64 else str(dtype_of(x).kind)


def floating_dtype(value: Any) -> Any:
    """The dtype of a value with a tangent; raises unless it is floating."""
    dtype = value.dtype if type(value) is np.ndarray else dtype_of(value)
    if dtype.kind not in "fc":
        floats = "a number of units, d / np.timedelta64(1, 's')" if dtype.kind == "m" else "a floating dtype"
        raise lost(f"a result of dtype {dtype}", floats)
    return dtype
