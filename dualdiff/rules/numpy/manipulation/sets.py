"""Sets: elements are compared by value, and each keeps its tangent.

The first of several equal elements counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.reductions import picked
from dualdiff.rules.writing.array_rules import Application, axis_of, implements, plain_values
from dualdiff.tangents.structure import Structure


def _first_indices(values: Any, elements: Any) -> Any:
    """The index of the first of the values that equals each element."""
    values, elements = np.ravel(plain_values(values)), np.ravel(plain_values(elements))
    order = np.argsort(values, kind="stable")
    positions = np.searchsorted(values[order], elements)
    # Each NaN is a distinct element.
    missing = np.isnan(elements) if elements.dtype.kind in "fc" else np.zeros(elements.shape, bool)
    positions[missing] += np.arange(np.count_nonzero(missing))
    return order[positions]


def _from(elements: Any, arrays: list[Any], searched: int = 2) -> Any:
    """The dual of these elements: the first ones with their values in the first ``searched`` arrays."""
    if elements.dtype.kind not in "fc":
        return elements
    operands = Application(*map(np.ravel, arrays), linear=True)
    values = np.concatenate([plain_values(a) for a in operands.operands[:searched]])
    return picked(elements, _first_indices(values, elements), operands)


def _values(*arrays: Any) -> Any:
    """The operands and their values in the innermost call."""
    operands = Application(*arrays, linear=True)
    return operands.operands, operands.values


# -- distinct elements -------------------------------------------------------------------------------------------------
@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """The distinct elements (or slices); indices and counts by value."""
    ((ar,), (values,)) = _values(ar)
    options = {"equal_nan": equal_nan, **({} if sorted else {"sorted": False})}
    distinct = np.unique(values, return_index, return_inverse, return_counts, axis, **options)
    rest: tuple[Any, ...] = ()
    if isinstance(distinct, tuple):
        distinct, rest = distinct[0], distinct[1:]
    if axis is None or ar.ndim == 1:
        result = _from(distinct, [ar])
    else:
        indices = np.unique(plain_values(ar), return_index=True, axis=axis, equal_nan=equal_nan)[1]
        key = (*(slice(None),) * axis_of(axis, ar.ndim), indices)
        result = Application(ar, linear=True).gathered(distinct, Structure.getitem(key))
    return (result, *rest) if rest else result


def _standard(name: str) -> None:
    """Register a function of the array API standard: `unique` with some of its results."""
    function = getattr(np, name)

    def implementation(x: Any) -> Any:
        ((x,), (values,)) = _values(x)
        results: Any = function(values)
        return (
            results._replace(values=_from(results.values, [x])) if hasattr(results, "_fields") else _from(results, [x])
        )

    implements(function)(implementation)


for _name in ("unique_all", "unique_counts", "unique_inverse", "unique_values"):
    _standard(_name)


# -- two sets ----------------------------------------------------------------------------------------------------------
@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """The distinct elements of both."""
    return np.unique(np.concatenate((operand(ar1), operand(ar2)), axis=None))


@implements(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """The elements of the first that are also in the second."""
    arrays, values = _values(ar1, ar2)
    common = np.intersect1d(*values, assume_unique, return_indices)
    if return_indices:
        return (_from(common[0], arrays), *common[1:])
    return _from(common, arrays)


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The elements that are in exactly one of the two."""
    arrays, values = _values(ar1, ar2)
    return _from(np.setxor1d(*values, assume_unique), arrays)


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The elements of the first that are not in the second."""
    arrays, values = _values(ar1, ar2)
    return _from(np.setdiff1d(*values, assume_unique), arrays, searched=1)
