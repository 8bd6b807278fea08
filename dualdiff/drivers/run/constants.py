"""The warning that a result does not depend on x."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.base.errors import ConstantResultWarning
from dualdiff.core.dual import AnyDual, stacklevel
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.tangents.space import TangentSpace


def warn_of_constant(inputs: Inputs, space: TangentSpace, leaves: Sequence[Any]) -> None:
    """Warn that none of the leaves of a result was computed from x, once for each call of an operator.

    Nothing is said inside another differentiation, nor where the result may well be constant: a derivative (of a linear
    function), what was rounded, counted or compared, and what has no elements.
    """
    is_inner = not tags.is_only(space.tag) or any(isinstance(leaf, AnyDual) for leaf in inputs.leaves)
    if inputs.constant_is_said or is_inner or getattr(space, "may_be_constant", False) or all(map(_is_count, leaves)):
        return
    if not any(map(math.prod, inputs.shapes)) or not any(map(np.size, leaves)):
        return
    inputs.constant_is_said = True
    argument = _argument(inputs)
    warnings.warn(
        f"{inputs.operator}: {name_of(inputs.f)} returned {_described(leaves)}, not computed from {argument}, so that "
        "the derivative is zero. It is lost, not zero, if the result came about by comparisons alone "
        "(bisection), was kept from an earlier call or made with dualdiff.value, stands in a branch (0.0 if "
        f"{argument} == 0), or is where an iteration started and took no step: then compute it from {argument}, by a "
        "last Newton step for instance, or state the derivative with dualdiff.custom_derivative. If zero is right, add "
        f"0 * {argument} to the result, or use warnings.filterwarnings('ignore', "
        "category=dualdiff.ConstantResultWarning)",
        ConstantResultWarning,
        stacklevel=stacklevel(),
    )


def name_of(f: Any) -> str:
    """The name of a function; ufuncs of NumPy 2.0 have no qualified one."""
    return str(getattr(f, "__qualname__", None) or getattr(f, "__name__", None) or repr(f))


def _argument(inputs: Inputs) -> str:
    """The name of the argument that is differentiated, or of the first of several."""
    place = inputs.argnum[0] if isinstance(inputs.argnum, tuple) else inputs.argnum
    try:
        names = list(inspect.signature(inputs.f).parameters.values())
    except (TypeError, ValueError):
        names = []
    return names[place].name if place < len(names) and names[place].kind is not names[place].VAR_POSITIONAL else "x"


def _is_count(leaf: Any) -> bool:
    kind = getattr(getattr(leaf, "dtype", None), "kind", "f")
    return isinstance(leaf, bool) or kind in "iub" or (kind == "O" and all(isinstance(e, int) for e in leaf.flat))


def _described(leaves: Sequence[Any]) -> str:
    if len(leaves) > 1:
        return f"{len(leaves)} results"
    shape = np.shape(leaves[0])
    return f"an array of shape {shape}" if shape else f"{leaves[0]!r}"
