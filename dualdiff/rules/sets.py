"""Sets of numbers: which elements there are is decided by value, and each comes with its tangent.

Of equal elements the first one counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import gathered, operand
from dualdiff.rules.support import Operands, axis_of, implements, plain_values
from dualdiff.tangents.structure import Structure


def _chosen(values: Any, numbers: Any) -> Any:
    return np.ravel(values)[numbers]


def chosen(value: Any, x: Any, numbers: Any) -> Any:
    """The elements of x with these numbers, which have this value."""
    operands = Operands(x)
    return gathered(value, operands.space, operands.operands, Structure(_chosen, {"numbers": numbers}))


def _first_places(values: Any, found: Any) -> Any:
    """Where each of the distinct elements found, in whatever order, stands first among the values."""
    values, found = np.ravel(values), np.ravel(found)
    order = np.argsort(values, kind="stable")
    places = np.searchsorted(values[order], found)
    return order[np.minimum(places, len(order) - 1)] if len(order) else places


# -- unique ------------------------------------------------------------------------------------------------------------
@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    **options: Any,
) -> Any:
    """The distinct elements (or slices), and by value where they are and how many."""
    ar = operand(ar)
    operands = Operands(ar)
    found = np.unique(
        operands.values[0], return_index, return_inverse, return_counts, axis, **plain_values_of(options)
    )
    rest: tuple[Any, ...] = ()
    if isinstance(found, tuple):
        found, *rest = found  # type: ignore[assignment]
    if axis is None or operands.values[0].ndim == 1:
        result = chosen(found, ar, _first_places(plain_values(ar), plain_values(found)))
    else:
        numbers = np.unique(plain_values(ar), return_index=True, axis=axis)[1]
        lead = (slice(None),) * axis_of(axis, ar.ndim)
        result = gathered(found, operands.space, operands.operands, Structure.getitem((*lead, numbers)))
    return (result, *rest) if rest else result


def plain_values_of(options: dict[str, Any]) -> dict[str, Any]:
    """Options by value."""
    return {name: plain_values(x) for name, x in options.items()}


def _named(name: str) -> None:
    """One of the functions of the array standard."""
    function = getattr(np, name)

    def implementation(x: Any) -> Any:
        found = function(plain_values(operand(x)))
        values = found if isinstance(found, np.ndarray) else found.values
        return values

    implements(function)(implementation)
