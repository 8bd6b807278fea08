"""Directions and cotangents given by the user: one, or several at once.

Several have one more axis in front of each array, so that the number of axes tells which it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.core.containers import check_running
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import dense_passes
from dualdiff.drivers.run.seeds import Directions


def fitted(
    leaves: Sequence[Any], shapes: Sequence[tuple[int, ...]], dtypes: Sequence[Any], name: str
) -> tuple[list[Any], int | None]:
    """The leaves of one direction or of several, in the dtypes of their primals; and the number (None: one)."""
    if len(shapes) == 1:
        (t,) = leaves
        if type(t) is np.ndarray and t.shape == shapes[0] and t.dtype == dtypes[0]:
            return [t], None
    result: list[Any] = []
    counts: set[int | None] = set()
    for t, shape, dtype in zip(leaves, shapes, dtypes, strict=True):
        if isinstance(t, AnyDual):
            check_running(t)
        else:
            t = np.asarray(t)
            if t.dtype.kind not in "iufc":
                raise TypeError(f"{name} has dtype {t.dtype}, which is not numeric")
        if t.shape == shape:
            counts.add(None)
        elif t.ndim == len(shape) + 1 and t.shape[1:] == shape:
            counts.add(t.shape[0])
        else:
            several = ", ".join(map(str, ("k", *shape)))
            raise ValueError(
                f"{name} has shape {t.shape}, but shape {shape} is needed, or ({several}{',' * (not shape)}) for k at "
                "once"
            )
        if t.dtype.kind == "c" and dtype.kind != "c":
            raise TypeError(f"{name} is complex, but must be real")
        result.append(t if t.dtype == dtype else t.astype(dtype))
    if len(counts) > 1:
        shown = ", ".join(str(np.shape(t)) for t in result)
        raise ValueError(
            f"{name} has shapes {shown}, but {', '.join(map(str, shapes))} are needed, or these with one more axis of "
            "the same length in front of each, for several at once"
        )
    return result, counts.pop() if counts else None


def dense_along(inputs: Inputs, tangents: list[Any], count: int) -> tuple[Outputs, list[Any]]:
    """The outputs of f, and its derivatives along several directions, with the directions on the first axis."""
    flat = [np.reshape(t, (count, math.prod(shape))) for t, shape in zip(tangents, inputs.shapes, strict=True)]
    matrix = np.concatenate(flat, axis=1) if flat else np.zeros((count, 0))
    first: Any = None
    parts: list[list[Any]] = []
    for _, _, outputs in dense_passes(inputs, None, directions=Directions(count, lambda i, j: matrix[i:j])):
        first = outputs if first is None else first
        parts.append(outputs.derivatives)
    columns = [t[0] if len(t) == 1 else np.concatenate(t) for t in zip(*parts, strict=True)]
    return first, columns


def one_by_one(apply: Callable[[list[Any]], list[Any]], leaves: list[Any], count: int) -> list[Any]:
    """A linear function of leaves, applied to each of several, stacked on the first axis."""
    if not count:
        # Without directions the result still has its shapes.
        result = apply([np.zeros(np.shape(leaf)[1:], leaf.dtype)[()] for leaf in leaves])
        return [np.zeros((0, *np.shape(t)), np.asarray(t).dtype) for t in result]
    each = [apply([leaf[i] for leaf in leaves]) for i in range(count)]
    return [np.stack(t) for t in zip(*each, strict=True)]
