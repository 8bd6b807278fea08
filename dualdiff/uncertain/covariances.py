"""Standard deviations and covariances of uncertain values, from their dependence on the variables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.base.quiet import quietly
from dualdiff.core.application import Application
from dualdiff.core.array import operand
from dualdiff.core.containers import flatten
from dualdiff.core.dual import AnyDual
from dualdiff.tangents.linear import NamedMap
from dualdiff.tangents.pattern import Pattern
from dualdiff.tangents.space import shape_of
from dualdiff.tangents.zeros import may_have_nan, select_zero
from dualdiff.uncertain.combinations import Combination
from dualdiff.uncertain.spread_rows import Spread, aligned
from dualdiff.uncertain.uncertain_space import SPACE

#: Matrices with up to this number of elements are dense.
_DENSE = 1 << 24
#: Rows with up to this number of entries are reduced column by column.
_NARROW = 16
#: Between these, a sum of squares has lost nothing to underflow or overflow.
_TINY, _HUGE = 1e-280, 1e300


def rows_of(x: Any) -> Spread:
    """How the elements of x, in C order, depend on the variables."""
    if isinstance(x, AnyDual) and x.space.tag == tags.UNCERTAIN and x.raw is not None:
        rows: Spread = x.raw.settled()
        if rows.data.dtype.kind == "c":
            raise TypeError(
                "a complex value has no standard deviation: take those of its parts, x.real and x.imag, and "
                "covariance_matrix([x.real, x.imag])"
            )
        return rows
    if isinstance(x, AnyDual) and x.raw is not None:
        raise TypeError("duals of a running differentiation have no rows of variables")
    return SPACE.empty(np.size(x), float)


def _scaled(rows: Spread) -> Any:
    """The entries times the standard deviations of their variables: zero where these are zero."""
    std = rows.sources.std[rows.pattern.indices]
    return times_std(rows.data, std)


@quietly
def times_std(derivatives: Any, std: Any) -> Any:
    """The product: zero where the standard deviation is, even if the derivative is infinite."""
    parts = derivatives * std
    return select_zero(std == 0, parts) if may_have_nan(parts) else parts


def _reduced(ufunc: np.ufunc, data: Any, pattern: Pattern) -> Any:
    """The entries of each row, reduced; zero for an empty row."""
    width = pattern.width
    if 0 < width <= _NARROW:
        # NumPy's reductions along a short last axis are slow.
        columns = data.reshape((pattern.rows, width)).T
        total = columns[0].copy()
        for column in columns[1:]:
            ufunc(total, column, out=total)
        return total
    if width >= 0:
        return ufunc.reduce(data.reshape((pattern.rows, width)), axis=1, initial=0.0)
    total = np.zeros(pattern.rows, data.dtype)
    filled = np.flatnonzero(pattern.counts)
    total[filled] = ufunc.reduceat(data, pattern.indptr[filled])
    return total


@quietly
def _std(rows: Spread) -> Any:
    """The standard deviation of each row."""
    pattern = rows.pattern
    if rows.sources.correlated:
        return np.sqrt(np.maximum(_product_of_rows(rows, rows), 0.0))
    parts = _scaled(rows)
    if pattern.width == 1:
        return np.abs(parts)
    squares = _reduced(np.add, parts * parts, pattern)
    if ((squares > _TINY) & (squares < _HUGE)).all():
        return np.sqrt(squares)
    # Relative to the largest entry of each row, so that no square overflows or underflows.
    largest = _reduced(np.maximum, np.abs(parts), pattern)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    return unit * np.sqrt(_reduced(np.add, (parts / unit[pattern.row_of_entries()]) ** 2, pattern))


def _product_of_rows(a: Spread, b: Spread) -> Any:
    """The covariance of each row of a with the same row of b."""
    a, b = aligned([a, b])
    if a.pattern is not b.pattern:
        a, b = a.plus(b.with_data(0.0 * b.data)), b.plus(a.with_data(0.0 * a.data))  # type: ignore[assignment]
    pattern, total = a.pattern, 0.0
    products = _scaled(a) * _scaled(b)
    for columns, factor in a.sources.correlated:
        inside = (pattern.indices >= columns.start) & (pattern.indices < columns.stop)
        products[inside] = 0.0
        total = total + _within(a, b, inside, columns.start, factor)
    return total + _reduced(np.add, products, pattern)


def _within(a: Spread, b: Spread, inside: Any, start: int, factor: Any) -> Any:
    """The part of these covariances that comes from variables with one covariance matrix."""
    pattern, n = a.pattern, len(factor)
    total = np.zeros(pattern.rows)
    rows, columns = pattern.row_of_entries()[inside], pattern.indices[inside] - start
    p, q = a.data[inside], b.data[inside]
    counts = np.bincount(rows, minlength=pattern.rows)
    if counts.max(initial=0) <= 1:
        total[rows] = p * q * a.sources.std[columns + start] ** 2
        return total
    step = max(1, _DENSE // (8 * n))
    starts = np.concatenate([[0], np.cumsum(counts)])
    for first in range(0, pattern.rows, step):
        last = min(first + step, pattern.rows)
        part = slice(starts[first], starts[last])
        left, right = np.zeros((2, last - first, n))
        left[rows[part] - first, columns[part]] = p[part]
        right[rows[part] - first, columns[part]] = q[part]
        total[first:last] = np.sum((left @ factor) * (right @ factor), axis=1)
    return total


def std_of_terms(combination: Combination) -> float:
    """The standard deviation of a scalar."""
    total, parts = combination.total(), []
    if isinstance(total, Spread):
        return float(_std(total)[0])
    for (group, i), c in total.items():
        std = group.std
        if group.factor is not None:
            return float(_std(combination.settled())[0])
        if type(std) is not float:
            std = std[i]
        if std:
            parts.append(c * std)
    return math.hypot(*parts)


# -- of any values -----------------------------------------------------------------------------------------------------


def _read(name: str, x: Any, read: Callable[[Any], Any], linear: Callable[[Any], Callable[[Any], Any]]) -> Any:
    """``read(x)`` of an uncertain value; of a dual of a running differentiation, with its derivative.

    ``linear(value)`` is the derivative at a value: a linear function of uncertain tangents.
    """
    x = operand(x)
    if not isinstance(x, AnyDual) or x.space.tag == tags.UNCERTAIN:
        return read(x)
    application = Application(x)
    (value,), (t,) = application.values, application.tangents
    result = _read(name, value, read, linear)
    if t is None:
        return application.result(result)
    shape = shape_of(value)
    along = NamedMap(name, linear(value), _untransposed(name), shape, shape)
    return application.result(result, [application.space.contract(t, along, shape, shape)])


def _each(x: Any, read: Callable[[Any], Any]) -> Any:
    """A reading of all leaves of x, in its nesting."""
    leaves, rebuild = flatten(x)
    return rebuild(map(read, leaves))


def nominal_values(x: Any) -> Any:
    """The values without their uncertainties.

    Parameters
    ----------
    x : scalar, array, or nested containers of them

    Returns
    -------
    scalar or array, or nested containers of them
        With the nesting of x; arrays are copies.  A value without an uncertainty is its own nominal value.

    Examples
    --------
    >>> nominal_values(uarray([1.0, 2.0], 0.1))
    array([1., 2.])
    """

    def read(x: Any) -> Any:
        value = x.value if isinstance(x, AnyDual) else x
        return value.copy() if issubclass(type(value), np.ndarray) else value

    return _each(x, lambda leaf: _read("nominal_values", leaf, read, lambda value: nominal_values))


def std_devs(x: Any) -> Any:
    """The standard deviations: the square roots of ``sum of (dx/dv_i) (dx/dv_j) cov(v_i, v_j)`` over the variables.

    Parameters
    ----------
    x : scalar, array, or nested containers of them
        Also duals of a running differentiation whose values are uncertain: the result is a dual too, so that
        ``derivative(lambda t: std_devs(f(t)), t)`` is the derivative of an uncertainty.

    Returns
    -------
    scalar or array, or nested containers of them
        With the nesting of x; zero for values without uncertainties.

    Raises
    ------
    TypeError
        If x is complex, or in reverse mode.

    Examples
    --------
    >>> std_devs(uarray([1.0, 2.0], [0.1, 0.2]) * 2)
    array([0.2, 0.4])
    """

    def read(x: Any) -> Any:
        if isinstance(x, AnyDual) and type(x.raw) is Combination:
            return std_of_terms(x.raw)
        std = _std(rows_of(x))
        return std.reshape(np.shape(x)) if np.shape(x) else float(std[0])

    return _each(x, lambda leaf: _read("std_devs", leaf, read, _slope_of_std))


def _slope_of_std(value: Any) -> Callable[[Any], Any]:
    """The derivative of the standard deviation, ``cov(x, dx) / std(x)``; zero where both are zero."""

    def along(change: Any) -> Any:
        change = operand(change)
        shape = np.shape(change)
        base = np.broadcast_to(value, shape) if np.shape(value) != shape else value
        std, product = std_devs(base), _covariances(base, change)
        zero = np.asarray(std == 0)
        return np.where(zero, 0.0, product / np.where(zero, 1.0, std))

    return along


def _covariances(a: Any, b: Any) -> Any:
    """The covariance of each element of a with the same one of b, which has the same shape."""
    return _paired("the covariance", a, b, _of_pairs)


def _of_pairs(a: Any, b: Any) -> Any:
    shape = np.broadcast_shapes(np.shape(a), np.shape(b))
    rows = [rows_of(x if np.shape(x) == shape else np.broadcast_to(x, shape)) for x in (a, b)]
    return _product_of_rows(*rows).reshape(shape)


def _of_all(a: Any, b: Any) -> Any:
    """The covariances of the last axis of a with that of b; one of them may have leading axes."""
    x, y = rows_of(a), rows_of(b)
    result = covariance_of(x, y).reshape((*np.shape(a), *np.shape(b)))
    return np.moveaxis(result, 0, -2) if np.ndim(a) == 1 else result


def _paired(name: str, a: Any, b: Any, pair: Callable[[Any, Any], Any]) -> Any:
    """A bilinear function of uncertain values; of duals of a running differentiation, with its derivative."""
    application = Application(a, b)
    space = application.space
    if space is None or space.tag == tags.UNCERTAIN:
        return pair(a, b)
    p, q = application.values
    value = _paired(name, p, q, pair)
    shape, terms = np.shape(value), []
    for i in application.active():
        along = (lambda t: _paired(name, t, q, pair), lambda t: _paired(name, p, t, pair))[i]
        linear = NamedMap(name, along, _untransposed(name), application.shape(i), shape)
        terms.append(space.contract(application.tangents[i], linear, application.shape(i), shape))
    return application.result(value, terms)


def _untransposed(name: str) -> Callable[[Any], Any]:
    def refuse(w: Any) -> Any:
        raise TypeError(f"{name} has no derivative in reverse mode: use mode='forward'")

    return refuse


def _stacked(values: Any) -> Any:
    """All elements of some values, as an array with one axis."""
    parts = [np.reshape(operand(leaf), -1) if np.ndim(leaf) else operand(leaf) for leaf in flatten(values)[0]]
    if not any(map(np.ndim, parts)):
        return np.stack(parts) if parts else np.zeros(0)
    return np.concatenate([part if np.ndim(part) else np.stack([part]) for part in parts])


def covariance_matrix(values: Any) -> Any:
    """The covariance matrix of several values.

    It is ``J C J.T`` with the derivatives J of the values with respect to the variables and the covariance matrix C of
    the variables: exact to first order.

    Parameters
    ----------
    values : sequence of scalars and arrays, or an array
        Nested containers too.  Values without an uncertainty have covariance zero.

    Returns
    -------
    array
        Of shape (n, n) for n elements in all, in the order of ``np.ravel``.

    Raises
    ------
    TypeError
        If a value is complex.

    Examples
    --------
    >>> x = ufloat(1.0, 0.5)
    >>> covariance_matrix([x, 2 * x])
    array([[0.25, 0.5 ],
           [0.5 , 1.  ]])
    """
    stacked = _stacked(values)
    return _paired("the covariance matrix", stacked, stacked, _of_all)


def covariance_of(x: Spread, y: Spread) -> Any:
    """The covariances of the rows of x with the rows of y."""
    is_same = x is y
    x, y = aligned([x, y])
    sources = x.sources
    columns = np.unique(x.pattern.indices if is_same else np.concatenate([x.pattern.indices, y.pattern.indices]))
    if max(x.pattern.rows, y.pattern.rows) * len(columns) > _DENSE and not sources.correlated:
        return (scaled_array(x) @ scaled_array(y).T).toarray()
    left, right = _dense(x, columns), None if is_same else _dense(y, columns)
    right = left if right is None else right
    is_independent = np.ones(len(columns), bool)
    total = np.zeros((x.pattern.rows, y.pattern.rows))
    for block, factor in sources.correlated:
        inside = (columns >= block.start) & (columns < block.stop)
        is_independent[inside] = False
        of = columns[inside] - block.start
        total += (left[:, inside] @ factor[of]) @ (right[:, inside] @ factor[of]).T
    std = sources.std[columns[is_independent]]
    p, q = (times_std(m[:, is_independent], std) for m in (left, right))
    total += p @ q.T
    # Symmetric to the last bit.
    return (total + total.T) / 2 if is_same else total


def scaled_array(rows: Spread) -> Any:
    """The derivatives times the standard deviations of the variables, as a ``scipy.sparse.csr_array``."""
    return rows.pattern.as_array(_scaled(rows))


def _dense(rows: Spread, columns: Any) -> Any:
    """The rows as a dense matrix of some columns."""
    matrix = np.zeros((rows.pattern.rows, len(columns)))
    matrix[rows.pattern.row_of_entries(), np.searchsorted(columns, rows.pattern.indices)] = rows.data
    return matrix


def correlation_matrix(values: Any) -> Any:
    """The correlation matrix of several values: ``cov[i, j] / (std[i] * std[j])``.

    Parameters
    ----------
    values : sequence of scalars and arrays, or an array
        As for `covariance_matrix`.

    Returns
    -------
    array
        Of shape (n, n); NaN in rows and columns of values without an uncertainty.

    Examples
    --------
    >>> x, y = ufloat(1.0, 0.3), ufloat(2.0, 0.4)
    >>> correlation_matrix([x, x + y]).round(3)
    array([[1. , 0.6],
           [0.6, 1. ]])
    """
    stacked = _stacked(values)
    covariance, std = covariance_matrix(stacked), std_devs(stacked)
    size = nominal_values(std)
    inverse = np.where(size == 0, np.nan, 1.0) / np.where(size == 0, 1.0, std)
    result = inverse[:, None] * covariance * inverse
    # The correlation of a value with itself is one to the last bit.
    is_itself = np.eye(len(size), dtype=bool) & (size > 0) & np.isfinite(size)
    return np.where(is_itself, 1.0, result)
