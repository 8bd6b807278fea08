"""Zero times anything is zero (law 5), for numbers, arrays and duals of outer calls alike."""

from __future__ import annotations

from math import isfinite
from threading import local
from typing import Any

import numpy as np

_LARGE = 1 << 14
# For longer vectors BLAS starts threads, which wait for one another for milliseconds where the processors are busy.
_UNTHREADED = 10_000
_FLOAT64 = np.dtype(np.float64)
_REALS = frozenset({int, float, np.float64})
_PLAIN = (np.ndarray, np.generic, float, int, complex)


def plain(a: Any) -> Any:
    """The NumPy array at the bottom of an array of nested duals."""
    while hasattr(a, "value"):
        a = a.value
    return a


def zero_mask(x: Any) -> Any:
    """Where x is zero, in its value and in every tangent it carries."""
    return x == 0 if issubclass(type(x), _PLAIN) else x.zero_mask()


def may_have_nan(x: Any) -> bool:
    """Whether x has a NaN, in its value or in a tangent it carries (or may have one)."""
    if issubclass(type(x), np.ndarray):
        if x.size == 0 or x.dtype.kind not in "fc":
            return False
        if x.dtype.char == "d" and x.size <= _UNTHREADED and x.flags.c_contiguous:
            # Squares are no less than zero, so that they add up to NaN only if there is one among them.
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
    """``c * t``, the coefficient times the tangent, where zero times infinity is what law 5 says.

    Zero times anything is zero if it is the tangent that is zero, or a coefficient that does not depend on what is
    differentiated (``constant``).  A partial that happens to be zero times an infinite tangent is NaN.  ``spare`` says
    that c, if it is an array, may be overwritten.
    """
    if type(c) in _REALS:
        if c and isfinite(c) and getattr(t, "dtype", _FLOAT64) is _FLOAT64:
            # Finite and not zero: nothing to correct.
            return c * t
    elif type(t) in _REALS:
        if t and isfinite(t) and getattr(c, "dtype", None) is _FLOAT64:
            return np.multiply(c, t, out=c) if spare and type(c) is np.ndarray else c * t
    elif spare and type(c) is np.ndarray and c.size >= _LARGE and _same_kind(c, t) and _finite(c) and _finite(t):
        # New memory is what costs most in large arrays.
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
    # The zero is a choice unless the tangent is zero all around, which a dual of an outer call does not tell.
    if np.any(zero_mask(t) & ~zero):
        _doubts.count += 1
    return chosen_zero((plain(t) == 0) & ~zero & ~np.isfinite(plain(c)), r)


class _Doubts(local):
    """How often a zero of an outer call met infinity in this thread, and was taken for chance."""

    count = 0


_doubts = _Doubts()


def doubts() -> int:
    """How often a zero was in doubt in this thread: forwards, that it may be chance is all that is known of it.

    Reverse mode knows what depends on what, and is in no doubt.
    """
    return _doubts.count


def settled(before: int) -> bool:
    """Whether there was no doubt since; if there was, whoever asks settles it in reverse mode."""
    is_settled, _doubts.count = _doubts.count == before, before
    return is_settled


def pulled(w: Any, c: Any, idle: Any, constant: bool) -> Any:
    """``w * c``, the cotangent times the coefficient, where zero times infinity is what `product` makes of it forwards.

    Nothing reaches the result from where ``idle`` is set: zero there.  Elsewhere a zero coefficient makes the tangent
    zero before the infinities that w comes from multiply it, and a zero cotangent is a partial that happens to be zero.
    """
    r = w * c
    if not may_have_nan(r):
        return r
    zero = idle | zero_mask(c) if constant else idle
    r = select_zero(zero, r)
    return chosen_zero((plain(c) == 0) & ~np.isfinite(plain(w)) & ~zero, r)


def chosen_zero(mask: Any, r: Any) -> Any:
    """``r`` with zeros where the mask is set, by convention: in outer calls the derivative of these zeros is NaN."""
    if not np.any(mask):
        return r
    return select_zero(mask, r) if issubclass(type(r), _PLAIN) else r.with_chosen_zeros(mask)


def _is_small_beside(c: Any, t: Any) -> bool:
    """Whether to look at coefficients costs next to nothing: there are many directions for each."""
    return type(c) is type(t) is np.ndarray and t.size >= _LARGE and 4 * c.size <= t.size


def _finite(x: Any) -> bool:
    # The sum tells without an array of booleans; if it overflows, the answer is on the safe side.
    return isfinite(np.add.reduce(x, axis=None))


def _same_kind(c: Any, t: Any) -> bool:
    return type(c) is type(t) is np.ndarray and c.shape == t.shape and c.dtype == t.dtype == np.float64


def select_zero(mask: Any, r: Any) -> Any:
    """``r`` with zeros where the mask is set."""
    if getattr(mask, "ndim", 0) == 0 and getattr(r, "ndim", 0) == 0:
        return 0.0 if mask else r
    return np.where(mask, 0.0, r) if np.any(mask) else r
