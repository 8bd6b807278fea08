"""The public class `Series`: power series for work by hand, and the duals of Taylor mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import ARRAYS, DualArray, wrap
from dualdiff.core.dual import SCALARS, AnyDual, Dual
from dualdiff.tangents.spaces.dense import Active
from dualdiff.tangents.spaces.taylor import LEVEL, Taylor
from dualdiff.tangents.zeros import plain

#: The tag of series that a user constructs: even, so that neither it nor its level is the tag of a call.
_BY_HAND = -2 * LEVEL


class Series(AnyDual):
    r"""A truncated power series :math:`c_0 + c_1 t + \dots + c_K t^K + O(t^{K+1})`, of scalars or of arrays.

    It passes through NumPy code as a dual does; inside `taylor` the library constructs the series.  Operations of
    series of different orders are known to the lower one.

    Parameters
    ----------
    coefficients : array_like
        The coefficients along the first axis, at least one.
    order : int, optional
        The order K: further coefficients are zero, and those above it are dropped.  By default that of the last
        coefficient.

    Attributes
    ----------
    order : int
        The order K.
    coefficients : array
        The coefficients, of shape ``(K + 1,) + shape``.

    Raises
    ------
    ValueError
        If the order is less than 1, or not an integer.
    TypeError
        If the coefficients are not numeric.

    Notes
    -----
    Sums cost O(K), products and elementwise functions O(K**2).

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import Series
    >>> x = Series([0.0, 1.0], order=3)
    >>> np.exp(x) * (1 + x)
    Series([1.        , 2.        , 1.5       , 0.66666667])
    >>> print(np.log(1 + x))
    t - 0.5 t^2 + 0.333333 t^3 + O(t^4)
    >>> print(round(np.exp(x).at(0.1), 12))
    1.105166666667
    """

    __slots__ = ()

    def __new__(cls, coefficients: Any, order: Any = None, *_: Any) -> Series:
        if cls is not Series:
            return super().__new__(cls)
        c = np.array(coefficients)
        if c.dtype.kind in "iu":
            c = c.astype(float)
        if c.dtype.kind not in "fc":
            raise TypeError(f"Series takes numeric coefficients, not an array of dtype {c.dtype}")
        c = np.atleast_1d(c)
        order = len(c) - 1 if order is None else order
        if isinstance(order, (bool, np.bool_)) or not isinstance(order, (int, np.integer)) or order < 1:
            raise ValueError(f"Series takes an order of 1, 2, 3, ..., and coefficients from order 0 on; got {order!r}")
        later = c[1 : order + 1]
        return wrap(  # type: ignore[no-any-return]
            c[0], Active(tuple(range(len(later))), later) if len(later) else None, Taylor(_BY_HAND, int(order))
        )

    @property
    def order(self) -> int:
        """The order of the last coefficient that is known."""
        return self.space.order

    @property
    def coefficients(self) -> Any:
        """The coefficients from order 0 on, along a first axis."""
        later = self.space.read(self.raw, self.value)
        return np.concatenate([np.reshape(self.value, (1, *np.shape(later)[1:])), later])

    def at(self, h: Any) -> Any:
        """The polynomial at a displacement h, a scalar or an array that broadcasts with the coefficients.

        For a series h whose coefficient 0 is zero, this is the composition, a series in the variable of h.
        """
        if isinstance(h, Series) and np.any(plain(h.value) != 0):
            raise ValueError("Series.at of a series needs one whose coefficient 0 is zero, a displacement")
        *lower, total = self.coefficients
        for c in reversed(lower):
            total = total * h + c
        return total

    def derivative(self) -> Any:
        """The derivative with respect to t, a series of one order less."""
        c = self.coefficients
        orders = np.arange(1, len(c)).reshape((-1,) + (1,) * (c.ndim - 1))
        return Series(c[1:] * orders)

    def antiderivative(self, constant: Any = 0.0) -> Any:
        """The antiderivative whose coefficient 0 is the constant, a series of one order more."""
        c = self.coefficients
        orders = np.arange(1, len(c) + 1).reshape((-1,) + (1,) * (c.ndim - 1))
        return Series(np.concatenate([np.broadcast_to(constant, c[:1].shape), c / orders]))

    def __repr__(self) -> str:
        if isinstance(self.value, AnyDual):
            return f"Series of order {self.order} with the coefficient {self.value!r}"
        shown = np.array2string(self.coefficients, separator=", ", prefix="Series(")
        return f"Series({shown})"

    def __str__(self) -> str:
        if self.shape or isinstance(self.value, AnyDual):
            return repr(self)
        text = ""
        for k, c in enumerate(self.coefficients):
            if c == 0:
                continue
            power = "" if k == 0 else " t" if k == 1 else f" t^{k}"
            number = f"({c:g})" if self.dtype.kind == "c" else f"{abs(c):g}"
            number = power.lstrip() if number == "1" and power else number + power
            minus = self.dtype.kind != "c" and c < 0
            text += (" - " if minus else " + ") + number if text else ("-" if minus else "") + number
        return f"{text} + O(t^{self.order + 1})" if text else f"O(t^{self.order + 1})"


class _SeriesNumber(Series, Dual):
    """A series of scalars."""

    __slots__ = ()

    def __init__(self, value: Any, tangent: Any = None, space: Any = None, order: Any = None) -> None:
        # Without a space, `Series` has made it.
        if space is not None:
            super().__init__(value, tangent, space)


class _SeriesArray(Series, DualArray):
    """A series of arrays."""

    __slots__ = ()

    def __init__(self, value: Any, tangent: Any = None, space: Any = None, order: Any = None) -> None:
        if space is not None:
            super().__init__(value, tangent, space)

    def __reduce__(self) -> Any:
        return wrap, (self.value, self.space.travelling(self.raw), self.space)


for _class in (_SeriesNumber, _SeriesArray):
    _class.__name__ = _class.__qualname__ = "Series"
    _class.__module__ = "dualdiff"
    SCALARS.add(_class)
ARRAYS.add(_SeriesArray)
Taylor.scalar, Taylor.array = _SeriesNumber, _SeriesArray
