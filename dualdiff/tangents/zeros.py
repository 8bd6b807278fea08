"""Zero times anything is zero (law 5), for scalars, arrays and duals of outer calls."""

from __future__ import annotations

from math import isfinite
from threading import local
from typing import Any

import numpy as np

_LARGE = 1 << 14
# For longer vectors BLAS starts threads, which may wait for each other for milliseconds on a busy machine.
_UNTHREADED = 10_000
_FLOAT64 = np.dtype(np.float64)
_REALS = frozenset({int, float, np.float64})
_PLAIN = (np.ndarray, np.generic, float, int, complex)


def plain(a: Any) -> Any:
    """The plain scalar or NumPy array inside (nested) duals."""
    while hasattr(a, "value"):
        a = a.value
    return a


def zero_mask(x: Any) -> Any:
    """Where x is zero, together with its tangents at all levels."""
    return x == 0 if issubclass(type(x), _PLAIN) else x.zero_mask()


def may_have_nan(x: Any) -> bool:
    """Whether x contains, or may contain, a NaN, in its value or in a tangent at any level."""
    if issubclass(type(x), np.ndarray):
        if x.size == 0 or x.dtype.kind not in "fc":
            return False
        if x.dtype.char == "d" and x.size <= _UNTHREADED and x.flags.c_contiguous:
            # Squares are not negative, so their sum is NaN only if one of them is.
            x = x.reshape(-1)
            squares = x.dot(x)
            return bool(squares != squares)
        # The minimum propagates NaN, at a fraction of the cost of a boolean array.
        smallest = np.minimum.reduce(x, axis=None)
        return bool(smallest != smallest)
    if issubclass(type(x), _PLAIN):
        return bool(x != x)
    return bool(x.may_have_nan())


def product(c: Any, t: Any, spare: bool = False, constant: bool = False) -> Any:
    """``c * t``, the coefficient times the tangent, with zero times infinity as law 5 defines it.

    A zero tangent stays zero.  A zero coefficient gives zero if it is ``constant``, that is, does not depend on the
    differentiated variable; otherwise zero times an infinite tangent is NaN.  With ``spare``, c may be overwritten if
    it is an array.
    """
    if type(c) in _REALS:
        if c and isfinite(c) and getattr(t, "dtype", _FLOAT64) is _FLOAT64:
            # Finite and nonzero: nothing to correct.
            return c * t
    elif type(t) in _REALS:
        if t and isfinite(t) and getattr(c, "dtype", None) is _FLOAT64:
            return np.multiply(c, t, out=c) if spare and type(c) is np.ndarray else c * t
    elif spare and type(c) is np.ndarray and c.size >= _LARGE and _same_kind(c, t) and _finite(c) and _finite(t):
        # For large arrays, allocating memory dominates the cost.
        return np.multiply(c, t, out=c)
    r = c * t
    if type(r) is np.ndarray and r.ndim == 1 and r.size <= _UNTHREADED and r.dtype.char == "d":
        squares = r.dot(r)
        if squares == squares:
            return r
    elif (_is_small_beside(c, t) and c.dtype == np.float64 and c.all() and _finite(c)) or not may_have_nan(r):
        return r
    is_plain = issubclass(type(t), _PLAIN)
    zero = t == 0 if is_plain else np.False_
    if constant:
        zero = zero | zero_mask(c)
    r = select_zero(zero, r)
    if is_plain:
        return r
    # The zero is a convention unless the tangent is identically zero, which a dual of an outer call does not reveal.
    doubtful = zero_mask(t) & ~zero
    if np.any(doubtful):
        doubts.count += 1
        if doubts.are_settled:
            zero, r = zero | doubtful, select_zero(doubtful, r)
    return chosen_zero((plain(t) == 0) & ~zero & ~np.isfinite(plain(c)), r)


class _Doubts(local):
    """How often in this thread a zero of an outer call was multiplied by infinity: it may be accidental.

    Forward mode cannot tell.  Reverse mode knows which values depend on which, so it is never in doubt.
    """

    count = 0
    #: Whether a caller settles the doubts in reverse mode, and meanwhile takes such zeros for structural ones.
    are_settled = False


doubts = _Doubts()


def pulled(w: Any, c: Any, idle: Any, constant: bool) -> Any:
    """``w * c``, the cotangent times the coefficient, with zero times infinity as in `product` (forward mode).

    Elements marked ``idle`` do not affect the result: zero there.  Elsewhere, a zero coefficient makes the tangent zero
    before the infinite partials in w multiply it, and a zero cotangent is an accidentally zero partial.
    """
    r = w * c
    if not may_have_nan(r):
        return r
    zero = idle | zero_mask(c) if constant else idle
    r = select_zero(zero, r)
    return chosen_zero((plain(c) == 0) & ~np.isfinite(plain(w)) & ~zero, r)


def chosen_zero(mask: Any, r: Any) -> Any:
    """``r`` with zeros by convention where the mask is set: their derivative in outer calls is NaN."""
    if not np.any(mask):
        return r
    return select_zero(mask, r) if issubclass(type(r), _PLAIN) else r.with_chosen_zeros(mask)


def undefined(mask: Any, r: Any) -> Any:
    """``r`` with NaN where the mask is set, at all levels: no derivative of a NaN is zero."""
    if not issubclass(type(r), _PLAIN):
        r = r + np.where(mask, np.nan, 0.0).astype(getattr(plain(r), "dtype", float))[()]
        return r.with_unknown_tangent(np.broadcast_to(mask, r.shape))
    if getattr(mask, "ndim", 0) == 0 and getattr(r, "ndim", 0) == 0:
        return np.nan if mask else r
    return np.where(mask, np.nan, r)


def _is_small_beside(c: Any, t: Any) -> bool:
    """Whether inspecting the coefficients is cheap, because each one multiplies many directions."""
    return type(c) is type(t) is np.ndarray and t.size >= _LARGE and 4 * c.size <= t.size


def _finite(x: Any) -> bool:
    # The sum needs no boolean array; if it overflows, the answer is conservative.
    return isfinite(np.add.reduce(x, axis=None))


def _same_kind(c: Any, t: Any) -> bool:
    return type(c) is type(t) is np.ndarray and c.shape == t.shape and c.dtype == t.dtype == np.float64


def select_zero(mask: Any, r: Any) -> Any:
    """``r`` with zeros where the mask is set."""
    if getattr(mask, "ndim", 0) == 0 and getattr(r, "ndim", 0) == 0:
        return 0.0 if mask else r
    return np.where(mask, 0.0, r) if np.any(mask) else r
