"""Scalars and arrays with uncertainties, and what makes them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from dualdiff.base.public import shown_in
from dualdiff.base.tags import UNCERTAIN
from dualdiff.core.array import ARRAYS, DualArray, new_array, operand, wrap
from dualdiff.core.dual import SCALARS, AnyDual, Dual, scalar_classes
from dualdiff.tangents.pattern import Pattern, index_dtype
from dualdiff.tangents.zeros import plain
from dualdiff.uncertain.combinations import Combination
from dualdiff.uncertain.covariances import std_devs, std_of_terms
from dualdiff.uncertain.formatting import formatted, formatted_array, parsed
from dualdiff.uncertain.spread_rows import Spread
from dualdiff.uncertain.uncertain_space import SPACE, Uncertain
from dualdiff.uncertain.variables import Sources, Variable, Variables


class Derivatives(dict[Variable, float]):
    """The derivatives of a value with respect to the variables; a value that is a variable is a key too."""

    def __missing__(self, key: Any) -> float:
        variable = variable_of(key)
        if variable is None:
            raise KeyError(key)
        return self.get(variable, 0.0)


class UncertainValue(AnyDual):
    """What uncertain scalars and arrays have in common."""

    __slots__ = ()

    @property
    def nominal_value(self) -> Any:
        """The value without its uncertainty."""
        return self.value.copy() if self.shape else self.value

    @property
    def std_dev(self) -> Any:
        """The standard deviation."""
        return std_of_terms(self.raw) if type(self.raw) is Combination else std_devs(self)

    n: Any = nominal_value
    nominal_values: Any = nominal_value
    s: Any = std_dev
    std_devs: Any = std_dev


@shown_in("dualdiff.uncertain")
class UFloat(UncertainValue, Dual):
    """A scalar with an uncertainty, made by `ufloat` and by every function of such scalars.

    It compares by value.  As the key of a dict or a set it stands for its value and its dependence on the variables.
    """

    __slots__ = ()

    def _terms(self) -> dict[tuple[Variables, int], Any]:
        t = self.raw
        if t is None:
            return {}
        if isinstance(t, Combination):
            return t.terms()
        rows: Spread = t.settled()
        columns, data = rows.pattern.indices.tolist(), rows.data.tolist()
        return {rows.sources.place(i): c for i, c in zip(columns, data, strict=True)}

    @property
    def derivatives(self) -> Derivatives:
        """The derivative with respect to each variable, in the order in which they were made: ``y.derivatives[x]``."""
        terms = sorted(self._terms().items(), key=lambda term: (term[0][0].key, term[0][1]))
        return Derivatives({Variable(group, i): c for (group, i), c in terms})

    def error_components(self) -> dict[Variable, float]:
        """For each variable the part of the uncertainty that comes from it, ``abs(derivative) * std_dev``.

        The square of the standard deviation is the sum of their squares, unless variables are correlated (see
        `budget`, which has their covariances).
        """
        return {v: abs(c) * v.std_dev for v, c in self.derivatives.items()}

    @property
    def tag(self) -> str | None:
        """The tag of a value that is a variable; None if it has none, or is a function of variables."""
        variable = variable_of(self)
        return None if variable is None else variable.tag

    def std_score(self, value: float) -> float:
        """The distance to a value, in standard deviations: ``(value - n) / s``."""
        return float((value - self.n) / self.s)

    def __hash__(self) -> int:  # type: ignore[override]
        terms = frozenset((group.key, i, c) for (group, i), c in self._terms().items() if c)
        return hash((plain(self.value), terms)) if terms else hash(plain(self.value))

    def __repr__(self) -> str:
        if self.dtype.kind == "c":
            return f"UFloat({self.value!r})"
        return f"{plain(self.value)!s}+/-{self.s!s}"

    def __str__(self) -> str:
        return repr(self) if self.dtype.kind == "c" else formatted(float(self.value), self.s, "")

    def __format__(self, spec: str) -> str:
        if self.dtype.kind == "c":
            return super().__format__(spec)
        return formatted(float(self.value), self.s, spec)

    def format(self, spec: str) -> str:
        """As ``format(x, spec)``."""
        return format(self, spec)


@shown_in("dualdiff.uncertain")
class UArray(UncertainValue, DualArray):
    """An array of values with uncertainties, made by `uarray` and by every function of such arrays."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        return wrap, (self.value, self.space.travelling(self.raw), self.space)

    def __repr__(self) -> str:
        if self.dtype.kind == "c":
            return f"UArray({np.array2string(self.value, separator=', ', prefix='UArray(')})"
        return f"UArray({formatted_array(self.value, self.s, ', ')})"

    def __str__(self) -> str:
        return format(self, "")

    def __format__(self, spec: str) -> str:
        return repr(self) if self.dtype.kind == "c" else formatted_array(self.value, self.s, " ", spec)


for _class in scalar_classes(None, UFloat):
    _class.__name__ = _class.__qualname__ = "UFloat"
    _class.__module__ = "dualdiff.uncertain"
SCALARS.add(UFloat)
ARRAYS.add(UArray)
Uncertain.scalar, Uncertain.array = UFloat, UArray
Uncertain.float_dual, Uncertain.float64_dual = scalar_classes(None, UFloat)


def variable_of(x: Any) -> Variable | None:
    """The variable that a value is; None if it is none, or a function of variables."""
    if type(x) is Variable:
        return x
    if not issubclass(type(x), UFloat):
        return None
    terms = x._terms()
    if len(terms) != 1:
        return None
    ((group, i), c), *_ = terms.items()
    return Variable(group, i) if c == 1.0 and group.item("nominal", i) == x.value else None


# -- what makes them ---------------------------------------------------------------------------------------------------


def ufloat(nominal_value: Any, std_dev: Any, tag: str | None = None, *, dof: float | None = None) -> Any:
    """A scalar with an uncertainty: a new random variable, independent of all others.

    Parameters
    ----------
    nominal_value : float
        The value.
    std_dev : float
        Its standard deviation, finite and not negative.
    tag : str, optional
        A name, shown by `budget`.
    dof : float, optional
        The degrees of freedom of the standard deviation (n - 1 for the mean of n readings); infinite by default.

    Returns
    -------
    UFloat
        With ``.nominal_value`` (``.n``), ``.std_dev`` (``.s``), ``.derivatives`` and ``.error_components()``.  All
        functions that take dual numbers take it, and keep correlations: ``x - x`` is 0 +/- 0.

    Raises
    ------
    TypeError
        If value or standard deviation is not a real scalar.
    ValueError
        If the standard deviation is negative, infinite or NaN, or the degrees of freedom are not positive.

    Examples
    --------
    >>> x = ufloat(1.2, 0.1)
    >>> print(2 * x + 1)
    3.40+/-0.20
    >>> x - x
    0.0+/-0.0
    """
    if type(nominal_value) is float and type(std_dev) is float and 0.0 <= std_dev < inf and dof is None:
        return _new_scalar(nominal_value, std_dev, tag, None)
    for name, part in (("nominal value", nominal_value), ("standard deviation", std_dev)):
        _refuse_uncertain("ufloat", name, part)
        kind = type(plain(part))
        if not issubclass(kind, (float, int, np.floating, np.integer)) or kind is bool or np.ndim(part):
            instead = ": use ufloat_fromstr" if kind is str else ": use uarray" if np.ndim(part) else ""
            raise TypeError(f"ufloat takes real scalars, but its {name} is {part!r} of type {kind.__name__}{instead}")
    value, std = float(plain(nominal_value)), float(plain(std_dev))
    check_std(np.asarray(std))
    # For the derivative of an uncertainty: variables do not depend on what is differentiated.
    if isinstance(std_dev, AnyDual):
        return nominal_value + std_dev * ufloat(0.0, 1.0, tag, dof=dof)
    if isinstance(nominal_value, AnyDual):
        return nominal_value + (ufloat(value, std, tag, dof=dof) - value)
    return _new_scalar(value, std, tag, _checked_dof(dof, ()))


def _new_scalar(value: float, std: float, tag: str | None, dof: Any) -> Any:
    group = Variables(value, std, None, tag, dof)
    x = _scalar()
    x.value, x.raw, x.space = value, Combination({(group, 0): 1.0}), SPACE
    return x


_scalar: Any = Uncertain.float_dual


def ufloat_fromstr(text: str, tag: str | None = None) -> Any:
    """A scalar with the uncertainty that a text states.

    Parameters
    ----------
    text : str
        ``"1.20(10)"``, ``"1.20+/-0.10"``, ``"1.20 ± 0.10e-3"``, ``"(1.20+/-0.10)e-3"``, ``"12.3(4.5)"``,
        ``"(1.20±0.10)×10⁻³"``, ``"(12+/-1)%"``.  Digits in parentheses without a point count in the last place; a
        value alone is uncertain by one in its last place.
    tag : str, optional
        A name.

    Returns
    -------
    UFloat

    Raises
    ------
    ValueError
        If the text states no such value.

    Examples
    --------
    >>> ufloat_fromstr("1.20(10)")
    1.2+/-0.1
    """
    return ufloat(*parsed(text), tag)


def uarray(nominal_values: Any, std_devs: Any = None, *, cov: Any = None, tag: Any = None, dof: Any = None) -> UArray:
    """An array of values with uncertainties: new random variables, independent or with a covariance matrix.

    Parameters
    ----------
    nominal_values : array_like
        The values.
    std_devs : array_like, optional
        The standard deviations of independent values, finite and not negative; they broadcast to the values.
    cov : array_like, optional
        The covariance matrix instead, of shape (n, n) for n values, or ``(*shape, *shape)``: symmetric and positive
        semidefinite.
    tag : str or array_like of str, optional
        A name, of which element i is shown as ``tag[i]``, or a name for each element.
    dof : array_like, optional
        The degrees of freedom of the standard deviations; infinite by default.

    Returns
    -------
    UArray
        All functions of NumPy, ``np.linalg`` and ``dualdiff.scipy`` take it.  It holds, besides the values, one array
        of standard deviations and one of indices; an elementwise function of it makes two new arrays.

    Raises
    ------
    TypeError
        If the values are not real.
    ValueError
        If shapes do not match, a standard deviation is negative, infinite or NaN, or the covariance matrix is not
        symmetric or has a negative eigenvalue (which the message gives).

    Examples
    --------
    >>> import numpy as np
    >>> x = uarray([1.0, 2.0], [0.1, 0.2])
    >>> print(np.sum(x**2))
    5.0+/-0.8
    >>> uarray([1.0, 2.0], cov=[[0.01, 0.01], [0.01, 0.04]]).std_devs
    array([0.1, 0.2])
    """
    if (std_devs is None) == (cov is None):
        raise ValueError("uarray takes either std_devs or cov, the covariance matrix")
    given: Any = operand(nominal_values)
    std_devs = operand(std_devs)
    for name, part in (("nominal values", given), ("standard deviations", std_devs)):
        _refuse_uncertain("uarray", name, part)
    values = _checked_values(plain(given))
    shape = values.shape
    if isinstance(std_devs, AnyDual):
        check_std(np.asarray(plain(std_devs)))
        standard: Any = uarray(np.zeros(shape), 1.0, tag=tag, dof=dof)
        return given + std_devs * standard  # type: ignore[no-any-return]
    if isinstance(given, AnyDual):
        return given + (uarray(values, std_devs, cov=cov, tag=tag, dof=dof) - values)  # type: ignore[no-any-return]
    if cov is None:
        std = np.array(std_devs, float)
        check_std(std)
        std = _broadcast("std_devs", std, shape)
        factor = None
    else:
        std, factor = checked_covariance(cov, shape)
    if tag is not None and not isinstance(tag, str):
        tag = np.array(tag, str)
        if tag.shape != shape:
            raise ValueError(f"tags of shape {tag.shape} were given for values of shape {shape}")
    return variables(values, std, factor, tag, _checked_dof(dof, shape))


def variables(values: Any, std: Any, factor: Any, tag: Any = None, dof: Any = None) -> UArray:
    """New variables with these values, standard deviations and the factor of their covariance matrix, if any."""
    group = Variables(values.reshape(-1), std.reshape(-1), factor, tag, dof, values.shape)
    ones = np.broadcast_to(values.dtype.type(1), values.size)
    # The variables keep the values, so they are copied before they are written.
    spread = Spread(_identity(values.size), ones, Sources.of([group]))
    return new_array(values, spread, SPACE, True)  # type: ignore[return-value]


def correlated_values(nominal_values: Sequence[float], cov: Any, tags: Sequence[str] | None = None) -> tuple[Any, ...]:
    """Scalars with a covariance matrix.

    Parameters
    ----------
    nominal_values : sequence of n floats
        The values.
    cov : array_like
        Their covariance matrix, of shape (n, n).
    tags : sequence of n str, optional
        Their names.

    Returns
    -------
    tuple of n UFloat

    Raises
    ------
    ValueError
        As `uarray`.

    Examples
    --------
    >>> x, y = correlated_values([1.0, 2.0], [[0.01, 0.01], [0.01, 0.02]])
    >>> round((x - y).s, 12)
    0.1
    """
    array: Any = uarray(nominal_values, cov=cov, tag=None if tags is None else list(tags))
    if array.ndim != 1:
        raise ValueError(f"correlated_values takes a sequence of values, not an array of shape {array.shape}")
    return tuple(x.item() for x in array)


def correlated_values_norm(
    values_with_std_dev: Sequence[Any], correlation_mat: Any, tags: Sequence[str] | None = None
) -> tuple[Any, ...]:
    """Scalars with standard deviations and a correlation matrix.

    Parameters
    ----------
    values_with_std_dev : sequence of n pairs
        Each value with its standard deviation, or uncertain scalars.
    correlation_mat : array_like
        Their correlation matrix, of shape (n, n).
    tags : sequence of n str, optional
        Their names.

    Returns
    -------
    tuple of n UFloat

    Raises
    ------
    ValueError
        As `uarray`.

    Examples
    --------
    >>> x, y = correlated_values_norm([(1.0, 0.1), (2.0, 0.1)], [[1, 1], [1, 1]])
    >>> (x - y).s
    0.0
    """
    pairs = [(p.n, p.s) if issubclass(type(p), UFloat) else tuple(p) for p in values_with_std_dev]
    values, std = np.array(pairs, float).T
    check_std(std)
    correlation = np.asarray(correlation_mat, float)
    if correlation.shape != (len(std), len(std)):
        raise ValueError(f"the correlation matrix of {len(std)} values has shape {correlation.shape}")
    return correlated_values(values, std[:, None] * correlation * std, tags)


def _refuse_uncertain(function: str, name: str, x: Any) -> None:
    """Raise if x has uncertainties already; duals of a running differentiation have none."""
    while isinstance(x, AnyDual):
        if x.space.tag == UNCERTAIN:
            has, new = ("has", "ufloat(0.0, std)") if function == "ufloat" else ("have", "uarray(np.zeros(n), std)")
            stacked = "; np.stack makes an array of uncertain scalars" if function == "uarray" else ""
            raise TypeError(
                f"the {name} of {function} {has} uncertainties already: add the new ones, x + {new}{stacked}"
            )
        x = x.value


def _checked_values(values: Any) -> Any:
    array = np.array(values)
    if array.dtype.kind not in "fiu":
        what = "complex: give the real and the imaginary parts" if array.dtype.kind == "c" else f"of {array.dtype}"
        raise TypeError(f"the values of uarray are {what}")
    return array if array.dtype.kind == "f" else array.astype(float)


def check_std(std: Any) -> None:
    """Raise unless all standard deviations are finite and not negative."""
    wrong = ~((std >= 0) & (std < np.inf))
    if wrong.any():
        where = np.unravel_index(int(np.argmax(wrong)), std.shape)
        what = "negative" if std[where] < 0 else "NaN" if std[where] != std[where] else "infinite"
        at = f" at index {tuple(map(int, where))}" if std.ndim else ""
        raise ValueError(f"a standard deviation is {what}: {std[where]}{at}")


def _broadcast(name: str, array: Any, shape: tuple[int, ...]) -> Any:
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"{name} of shape {array.shape} do not broadcast to values of shape {shape}") from None


def _checked_dof(dof: Any, shape: tuple[int, ...]) -> Any:
    if dof is None:
        return None
    array = np.asarray(dof, float)
    if not (array > 0).all():
        raise ValueError(f"degrees of freedom must be positive, not {dof!r}")
    return _broadcast("dof", array, shape).reshape(-1) if array.ndim else float(array)


def checked_covariance(cov: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The standard deviations and a factor L of the covariance matrix ``L @ L.T`` of an array of this shape.

    An error if it is not symmetric and positive semidefinite.
    """
    matrix = np.array(cov, float)
    size = int(np.prod(shape))
    if matrix.shape not in ((size, size), (*shape, *shape)):
        expected = f"({size}, {size})"
        raise ValueError(f"the covariance matrix of values of shape {shape} has shape {matrix.shape}, not {expected}")
    matrix = matrix.reshape((size, size))
    if not np.isfinite(matrix).all():
        raise ValueError("the covariance matrix has elements that are infinite or NaN")
    variances = np.diagonal(matrix)
    if (variances < 0).any():
        i = int(np.argmin(variances))
        raise ValueError(f"the covariance matrix has a negative variance: {variances[i]} at index {i}")
    scale = np.sqrt(np.outer(variances, variances))
    difference = np.abs(matrix - matrix.T)
    if (difference > 1e-8 * scale + 1e-14 * np.abs(matrix).max(initial=0.0)).any():
        i, j = divmod(int(np.argmax(difference)), size)
        raise ValueError(
            f"the covariance matrix is not symmetric: element ({i}, {j}) is {matrix[i, j]}, but ({j}, {i}) is "
            f"{matrix[j, i]}"
        )
    matrix = (matrix + matrix.T) / 2
    # Its scale is taken out: the variables may have different units.
    std = np.sqrt(variances)
    unit = np.where(variances > 0, std, 1.0)
    correlation = matrix / np.outer(unit, unit)
    try:
        factor = np.linalg.cholesky(correlation)
        if np.diagonal(factor).min(initial=1.0) > 1e-6:
            return std, unit[:, None] * factor
    except np.linalg.LinAlgError:
        pass
    # It is singular to rounding, or has a negative eigenvalue.
    eigenvalues, vectors = np.linalg.eigh(correlation)
    smallest = eigenvalues.min(initial=0.0)
    if smallest < -1e-9 * size:
        raise ValueError(
            "the covariance matrix is not positive semidefinite: the smallest eigenvalue of the correlation matrix is "
            f"{smallest:.3g}, that of the covariance matrix {np.linalg.eigvalsh(matrix).min():.3g}"
        )
    # Eigenvalues of the size of the rounding error are zero.
    kept = eigenvalues > 1e-15 * size
    return std, unit[:, None] * vectors[:, kept] * np.sqrt(eigenvalues[kept])


_identities: WeakValueDictionary[int, Pattern] = WeakValueDictionary()


def _identity(size: int) -> Pattern:
    """The pattern of an array of independent variables."""
    pattern = _identities.get(size)
    if pattern is None:
        # The column of each entry is where its row starts.
        starts = np.arange(size + 1, dtype=index_dtype(size + 1))
        pattern = _identities[size] = Pattern(starts, starts[:-1], size, 1)
    return pattern
