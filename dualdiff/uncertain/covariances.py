"""Standard deviations and covariances of uncertain values, from their dependence on the variables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.core.application import Application
from dualdiff.core.array import operand
from dualdiff.core.containers import flatten
from dualdiff.core.dual import AnyDual
from dualdiff.tangents.linear import NamedMap
from dualdiff.tangents.pattern import Pattern, scipy_sparse
from dualdiff.tangents.space import shape_of
from dualdiff.uncertain.combinations import Combination
from dualdiff.uncertain.rows import Spread, aligned
from dualdiff.uncertain.uncertain_space import SPACE
from dualdiff.uncertain.variables import NOTHING, Sources

#: Matrices with up to this number of elements are dense.
_DENSE = 1 << 24


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
    return SPACE.empty(np.size(x), float)


def _scaled(rows: Spread) -> Any:
    """The entries times the standard deviations of their variables: zero where these are zero."""
    std = rows.sources.std[rows.pattern.indices]
    with np.errstate(all="ignore"):
        return np.where(std == 0, 0.0, rows.data * std)


def _reduced(ufunc: np.ufunc, data: Any, pattern: Pattern) -> Any:
    """The entries of each row, reduced; zero for an empty row."""
    if pattern.width >= 0:
        return ufunc.reduce(data.reshape((pattern.rows, pattern.width)), axis=1, initial=0.0)
    total = np.zeros(pattern.rows, data.dtype)
    filled = np.flatnonzero(pattern.counts)
    total[filled] = ufunc.reduceat(data, pattern.indptr[filled])
    return total


def _std(rows: Spread) -> Any:
    """The standard deviation of each row."""
    pattern = rows.pattern
    if rows.sources.correlated:
        return np.sqrt(np.maximum(_product_of_rows(rows, rows), 0.0))
    size = np.abs(_scaled(rows))
    if pattern.width == 1:
        return size
    # Relative to the largest entry, so that no square overflows or underflows.
    largest = _reduced(np.maximum, size, pattern)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    with np.errstate(all="ignore"):
        return unit * np.sqrt(_reduced(np.add, (size / unit[pattern.row_of_entries()]) ** 2, pattern))


def _product_of_rows(a: Spread, b: Spread) -> Any:
    """The covariance of each row of a with the same row of b."""
    a, b = aligned([a, b])
    if a.pattern is not b.pattern:
        a, b = a.plus(b.with_data(0.0 * b.data)), b.plus(a.with_data(0.0 * a.data))  # type: ignore[assignment]
    pattern, total = a.pattern, 0.0
    products = _scaled(a) * _scaled(b)
    for columns, cov in a.sources.correlated:
        inside = (pattern.indices >= columns.start) & (pattern.indices < columns.stop)
        products[inside] = 0.0
        total = total + _within(a, b, inside, columns.start, cov)
    return total + _reduced(np.add, products, pattern)


def _within(a: Spread, b: Spread, inside: Any, start: int, cov: Any) -> Any:
    """The part of these covariances that comes from variables with one covariance matrix."""
    pattern, n = a.pattern, len(cov)
    total = np.zeros(pattern.rows)
    rows, columns = pattern.row_of_entries()[inside], pattern.indices[inside] - start
    p, q = a.data[inside], b.data[inside]
    counts = np.bincount(rows, minlength=pattern.rows)
    if counts.max(initial=0) <= 1:
        total[rows] = p * q * cov[columns, columns]
        return total
    step = max(1, _DENSE // (8 * n))
    starts = np.concatenate([[0], np.cumsum(counts)])
    for first in range(0, pattern.rows, step):
        last = min(first + step, pattern.rows)
        part = slice(starts[first], starts[last])
        left, right = np.zeros((2, last - first, n))
        left[rows[part] - first, columns[part]] = p[part]
        right[rows[part] - first, columns[part]] = q[part]
        total[first:last] = np.sum((left @ cov) * right, axis=1)
    return total


def std_of_terms(combination: Combination) -> float:
    """The standard deviation of a scalar."""
    terms = combination.terms()
    if any(group.cov is not None for group, _ in terms):
        return float(_std(combination.settled())[0])
    return math.hypot(*[c * s for (group, i), c in terms.items() if (s := group.item("std", i))])


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

    def no_transpose(w: Any) -> Any:
        raise TypeError(f"{name} has no derivative in reverse mode: use mode='forward'")

    along = NamedMap(name, linear(value), no_transpose, shape, shape)
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
    """The covariance of each element of a with the same one of b."""
    return _product_of_rows(rows_of(a), rows_of(b)).reshape(np.shape(a))


def _stacked(values: Any) -> Spread:
    """The rows of all elements of some values."""
    leaves, _ = flatten(values)
    parts = [rows_of(operand(leaf)) for leaf in leaves]
    return Spread.joined(parts) if parts else SPACE.empty(0, float)  # type: ignore[return-value]


def _used(rows: Spread) -> tuple[Any, Any]:
    """The columns that have entries, and the rows as a dense matrix of these columns."""
    columns, places = np.unique(rows.pattern.indices, return_inverse=True)
    matrix = np.zeros((rows.pattern.rows, len(columns)))
    matrix[rows.pattern.row_of_entries(), places] = rows.data
    return columns, matrix


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
    rows = _stacked(values)
    return covariance_of(rows)


def covariance_of(rows: Spread) -> Any:
    """The covariance matrix of the rows."""
    pattern, sources = rows.pattern, rows.sources
    if pattern.rows * len(np.unique(pattern.indices)) > _DENSE and not sources.correlated:
        matrix = scipy_sparse().csr_array((_scaled(rows), pattern.indices, pattern.indptr), shape=(
            pattern.rows, sources.columns))
        return (matrix @ matrix.T).toarray()
    columns, matrix = _used(rows)
    # Independent variables first, then those with covariance matrices.
    is_independent = np.ones(len(columns), bool)
    total = np.zeros((pattern.rows, pattern.rows))
    for block, cov in sources.correlated:
        inside = (columns >= block.start) & (columns < block.stop)
        is_independent[inside] = False
        chosen, of = matrix[:, inside], columns[inside] - block.start
        total += chosen @ cov[np.ix_(of, of)] @ chosen.T
    std = sources.std[columns[is_independent]]
    scaled = np.where(std == 0, 0.0, matrix[:, is_independent] * std)
    total += scaled @ scaled.T
    # Symmetric to the last bit.
    return (total + total.T) / 2


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
    rows = _stacked(values)
    std = _std(rows)
    with np.errstate(all="ignore"):
        result = covariance_of(rows) / np.outer(std, std)
    result[std == 0, :] = result[:, std == 0] = np.nan
    np.fill_diagonal(result, np.where(std == 0, np.nan, 1.0))
    return result


__all__ = ["NOTHING", "Sources", "correlation_matrix", "covariance_matrix", "nominal_values", "std_devs"]
