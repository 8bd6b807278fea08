"""Sets of numbers: which elements there are is decided by value, and each comes with its tangent.

Of equal elements the first one counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.reductions import picked
from dualdiff.rules.writing.array_rules import Application, axis_of, implements, plain_values
from dualdiff.tangents.structure import Structure


def _first_places(values: Any, found: Any) -> Any:
    """Where each of the elements found, in whatever order, stands first among the values."""
    values, found = np.ravel(plain_values(values)), np.ravel(plain_values(found))
    order = np.argsort(values, kind="stable")
    places = np.searchsorted(values[order], found)
    # Several NaN are different elements.
    missing = np.isnan(found) if found.dtype.kind in "fc" else np.zeros(found.shape, bool)
    places[missing] += np.arange(np.count_nonzero(missing))
    return order[places]


def _from(found: Any, arrays: list[Any], searched: int = 2) -> Any:
    """The elements found, as the first ones with these values in as many of the arrays as are to be searched."""
    if found.dtype.kind not in "fc":
        return found
    operands = Application(*map(np.ravel, arrays))
    values = np.concatenate([plain_values(a) for a in operands.operands[:searched]])
    return picked(found, _first_places(values, found), operands)


def _values(*arrays: Any) -> Any:
    """The operands, and their values in the innermost call."""
    operands = Application(*arrays)
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
    """The distinct elements (or slices), and by value where they are and how many."""
    ((ar,), (values,)) = _values(ar)
    options = {"equal_nan": equal_nan, **({} if sorted else {"sorted": False})}
    found = np.unique(values, return_index, return_inverse, return_counts, axis, **options)
    rest: tuple[Any, ...] = ()
    if isinstance(found, tuple):
        found, rest = found[0], found[1:]
    if axis is None or ar.ndim == 1:
        result = _from(found, [ar])
    else:
        numbers = np.unique(plain_values(ar), return_index=True, axis=axis, equal_nan=equal_nan)[1]
        key = (*(slice(None),) * axis_of(axis, ar.ndim), numbers)
        result = Application(ar).gathered(found, Structure.getitem(key))
    return (result, *rest) if rest else result


def _standard(name: str) -> None:
    """The same, as the array standard names it."""
    function = getattr(np, name)

    def implementation(x: Any) -> Any:
        ((x,), (values,)) = _values(x)
        found: Any = function(values)
        return found._replace(values=_from(found.values, [x])) if hasattr(found, "_fields") else _from(found, [x])

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
    """The elements of the first that are in the second too."""
    arrays, values = _values(ar1, ar2)
    found = np.intersect1d(*values, assume_unique, return_indices)
    if return_indices:
        return (_from(found[0], arrays), *found[1:])
    return _from(found, arrays)


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The elements that are in one of the two alone."""
    arrays, values = _values(ar1, ar2)
    return _from(np.setxor1d(*values, assume_unique), arrays)


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The elements of the first that are not in the second."""
    arrays, values = _values(ar1, ar2)
    return _from(np.setdiff1d(*values, assume_unique), arrays, searched=1)
