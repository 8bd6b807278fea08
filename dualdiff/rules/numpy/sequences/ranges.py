"""Evenly spaced values between ends that may be duals, and grids of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import implements, plain_values, shape_of
from dualdiff.rules.writing.compositions import composed


def _parts(num: int, endpoint: bool, ndim: int) -> Any:
    """The fractions from 0 to 1, along the first axis."""
    parts = np.arange(num) / max(num - 1 if endpoint else num, 1)
    return parts.reshape((-1,) + (1,) * ndim)


def _ndim(*ends: Any) -> int:
    return len(np.broadcast_shapes(*map(shape_of, ends)))


@composed(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """The means of the ends with these fractions as weights."""
    start, stop = operand(start), operand(stop)
    parts = _parts(num, endpoint, _ndim(start, stop))
    result = np.moveaxis((1.0 - parts) * start + parts * stop, 0, axis)
    if not retstep:
        return result
    steps = num - 1 if endpoint else num
    return result, (stop - start) / steps if steps > 0 else None


@composed(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Powers of the base."""
    start, stop, base = operand(start), operand(stop), operand(base)
    if shape_of(base):
        ndim = _ndim(start, stop, base)
        start, stop, base = (np.reshape(a, (1,) * (ndim - np.ndim(a)) + shape_of(a)) for a in (start, stop, base))
        base = np.expand_dims(base, axis)
    return np.power(base, linspace(start, stop, num, endpoint, axis=axis))


@composed(np.geomspace)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """The start times powers of the ratio of the ends."""
    start, stop = operand(start), operand(stop)
    if dtype is not None and np.dtype(dtype).kind == "c" and not np.iscomplexobj(plain_values(start)):
        start = start + 0j
    parts = _parts(num, endpoint, _ndim(start, stop))
    return np.moveaxis(start * (stop / start) ** parts, 0, axis)


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Each argument along its own axis, repeated along the others."""
    np.meshgrid(*(np.empty(np.size(x)) for x in xi), copy=False, sparse=True, indexing=indexing)
    axes = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        axes[:2] = 1, 0
    grids = [
        np.reshape(operand(x), tuple(-1 if i == axis else 1 for i in range(len(xi))))
        for x, axis in zip(xi, axes, strict=True)
    ]
    if not sparse:
        grids = list(np.broadcast_arrays(*grids))
    elif not copy:
        return grids
    return tuple(np.copy(g, order="C") for g in grids) if copy else tuple(grids)
