"""Averages, covariances, and the functions that omit NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.base.internals import NO_VALUE as _NO
from dualdiff.core.array import operand
from dualdiff.rules.numpy.reductions import cumprod, cumsum, present
from dualdiff.rules.writing.array_rules import axes_of, no_duals, plain_values, shape_of
from dualdiff.rules.writing.compositions import composed


# -- averages ----------------------------------------------------------------------------------------------------------
def along(weights: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Weights of the elements along some axes, in the given order of axes, reshaped to broadcast."""
    weights = operand(weights)
    if shape_of(weights) == shape or axis is None:
        return weights
    axes = axes_of(axis, len(shape))
    weights = np.transpose(weights, np.argsort(axes))
    return np.reshape(weights, tuple(n if i in axes else 1 for i, n in enumerate(shape)))


@composed(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = _NO) -> Any:
    """The weighted sum divided by the sum of the weights."""
    a = operand(a)
    kept = {} if keepdims is _NO else {"keepdims": keepdims}
    if weights is None:
        mean = np.mean(a, axis, **kept)
        total: Any = np.size(a) / max(np.size(mean), 1)
    else:
        weights = along(weights, shape_of(a), axis)
        total = np.sum(np.broadcast_to(weights, shape_of(a)), axis, **kept)
        mean = np.sum(a * weights, axis, **kept) / total
    if returned:
        return mean, np.broadcast_to(total, shape_of(mean))
    return mean


def _variables(m: Any, rowvar: bool, dtype: Any) -> Any:
    """The observations, with a row for each variable."""
    m = operand(m).astype(dtype)
    if m.ndim < 2:
        return np.reshape(m, (1, -1))
    return m if rowvar or (len(m) == 1 and _keeps_single_rows()) else m.T


def _keeps_single_rows() -> bool:
    """Whether this NumPy treats a matrix of one row as one variable even if columns are variables."""
    return np.ndim(np.cov(np.zeros((1, 2)), rowvar=False, ddof=0)) == 0


@composed(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """The averaged products of the deviations from the mean."""
    no_duals("cov", (ddof, fweights), {})
    if dtype is None:
        dtype = np.result_type(*(plain_values(operand(a)) for a in (m, y) if a is not None), np.float64)
    x = _variables(m, rowvar, dtype)
    if y is not None:
        x = np.concatenate([x, _variables(y, rowvar or len(y) == 1, dtype)])
    if ddof is None:
        ddof = 0 if bias else 1
    weights: Any = np.ones(x.shape[1]) if fweights is None else np.asarray(fweights, float)
    counted: Any = 1.0
    if aweights is not None:
        counted = operand(aweights)
        weights = weights * counted
    total = np.sum(weights)
    free = total - ddof * np.sum(weights * counted) / total if ddof else total
    x = x - np.reshape(np.sum(x * weights, axis=1) / total, (-1, 1))
    # NumPy divides by zero then.
    free = free if plain_values(free) > 0 else 0.0
    return np.squeeze(np.dot(x * weights, np.conjugate(x.T)) / free)


@composed(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, bias: Any = _NO, ddof: Any = _NO, *, dtype: Any = None) -> Any:
    """The covariances divided by the standard deviations; ``bias`` and ``ddof`` have no effect."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not shape_of(c):
        return c / c
    spread = np.sqrt(np.real(np.diagonal(c)))
    return c / np.reshape(spread, (-1, 1)) / spread


# -- without NaN -------------------------------------------------------------------------------------------------------
def _kept(keepdims: Any) -> dict[str, Any]:
    return {} if keepdims is _NO else {"keepdims": keepdims}


def _nan_reduction(name: str, initial: Any) -> None:
    """Register a reduction of the elements that are not NaN; ``initial`` is its value for none."""
    reduction = getattr(np, name)
    missing = {} if initial is None else {"initial": initial}

    def composition(
        a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NO, initial: Any = _NO, where: Any = _NO
    ) -> Any:
        a = operand(a)
        options = missing if initial is _NO else {"initial": initial}
        return reduction(a, axis=axis, **_kept(keepdims), **options, where=present(a, where, "nan" + name))

    def composition_with_dtype(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = _NO,
        initial: Any = _NO,
        where: Any = _NO,
    ) -> Any:
        return composition(a, axis, None, keepdims, initial, where)

    composed(getattr(np, "nan" + name))(composition if missing else composition_with_dtype)


_nan_reduction("sum", None)
_nan_reduction("prod", None)
_nan_reduction("max", -math.inf)
_nan_reduction("min", math.inf)


def _total(a: Any, there: Any, axis: Any, keepdims: Any) -> Any:
    return np.sum(np.where(there, a, 0.0), axis=axis, **_kept(keepdims))


@composed(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NO, *, where: Any = _NO
) -> Any:
    """The mean of the elements that are not NaN."""
    a = operand(a)
    there = present(a, where, "nanmean")
    return _total(a, there, axis, keepdims) / np.sum(there, axis=axis, **_kept(keepdims))


@composed(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """NaN counts as 0."""
    a = operand(a)
    return cumsum(np.where(present(a, None, "nancumsum"), a, 0.0), axis)


@composed(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """NaN counts as 1."""
    a = operand(a)
    return cumprod(np.where(present(a, None, "nancumprod"), a, 1.0), axis)


# -- cumulative sums and products of the array API standard ------------------------------------------------------------
def _cumulative(name: str, function: Any, first: float) -> None:
    def composition(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        axis = 0 if axis is None else axis
        result = function(x, axis)
        if include_initial:
            shape = tuple(1 if i == axis % result.ndim else n for i, n in enumerate(result.shape))
            result = np.concatenate([np.full(shape, first), result], axis=axis)
        return result

    if hasattr(np, name):
        composed(getattr(np, name))(composition)


_cumulative("cumulative_sum", cumsum, 0.0)
_cumulative("cumulative_prod", cumprod, 1.0)
