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
from dualdiff.base.internals import stacklevel
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.tangents.space import TangentSpace


def warn_of_constant(inputs: Inputs, space: TangentSpace, leaves: Sequence[Any]) -> None:
    """Warn, once per call of an operator, if no leaf of the result was computed from x.

    There is no warning inside another differentiation, nor where a constant result is to be expected: a derivative (of
    a linear function), a result of rounding, counting or comparing, an empty result.
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
        "the derivative is zero. The derivative is lost, not zero, if the result comes from comparisons alone "
        "(bisection), from an earlier call (a cache), from dualdiff.value, from a branch that returns a constant (0.0 "
        f"if {argument} == 0), or from an iteration that stopped at its starting point: then compute it from "
        f"{argument}, for instance by a final Newton step, or define the derivative with dualdiff.custom_derivative. "
        f"If zero is right, add 0 * {argument} to the result, or use warnings.filterwarnings('ignore', "
        "category=dualdiff.ConstantResultWarning)",
        ConstantResultWarning,
        stacklevel=stacklevel(),
    )


def name_of(f: Any) -> str:
    """The name of a function; the ufuncs of NumPy 2.0 have no qualified name."""
    return str(getattr(f, "__qualname__", None) or getattr(f, "__name__", None) or repr(f))


def _argument(inputs: Inputs) -> str:
    """The name of the differentiated argument, or of the first of several."""
    index = inputs.argnum[0] if isinstance(inputs.argnum, tuple) else inputs.argnum
    try:
        names = list(inspect.signature(inputs.f).parameters.values())
    except (TypeError, ValueError):
        names = []
    return names[index].name if index < len(names) and names[index].kind is not names[index].VAR_POSITIONAL else "x"


def _is_count(leaf: Any) -> bool:
    kind = getattr(getattr(leaf, "dtype", None), "kind", "f")
    return isinstance(leaf, bool) or kind in "iub" or (kind == "O" and all(isinstance(e, int) for e in leaf.flat))


def _described(leaves: Sequence[Any]) -> str:
    if len(leaves) > 1:
        return f"{len(leaves)} results"
    shape = np.shape(leaves[0])
    return f"an array of shape {shape}" if shape else f"{leaves[0]!r}"
