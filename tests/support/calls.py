"""An example call of every array function that has a rule, for tests that walk the registry.

A call is a function of one or several arrays, all of which may be differentiated.  A new rule needs a line here.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import polynomial

from dualdiff.core.registry import REFUSED
from dualdiff.rules.numpy.elementwise.table import ROWS
from dualdiff.rules.numpy.elementwise.ufuncs import CLIP
from tests.support.versions import HANDED_ON


def _sequence() -> Iterator[float]:
    """Values between 0 and 1, consecutive ones well separated (multiples of the golden ratio)."""
    return (0.618033988749895 * k % 1.0 for k in itertools.count(1))


_golden = _sequence()


def _numbers(*shape: int) -> Any:
    """Values between -2 and 2, separated from each other and from multiples of 1/2, where some functions have kinks."""
    fitting = (x for x in (4 * t - 2 for t in _golden) if abs(2 * x - round(2 * x)) > 0.06)
    return np.array(list(itertools.islice(fitting, math.prod(shape)))).reshape(shape)


M, N, V, W = _numbers(2, 3), _numbers(2, 3), _numbers(4), _numbers(4)
T = _numbers(2, 3, 2)
#: A well-conditioned square matrix, and a stack of two.
S = _numbers(3, 3) + 4 * np.eye(3)
STACK = _numbers(2, 3, 3) + 4 * np.eye(3)
TALL = np.concatenate([S, _numbers(1, 3)])
K = 1.37
MASK = np.array([[True, False, True], [False, True, True]])


@dataclass(frozen=True)
class Call:
    """One call.

    ``real``: complex arguments make no sense to it, or its result is no smooth function of them.  ``writes``: into an
    array like its first argument, which must be a dual then.
    """

    function: Any
    call: Callable[..., Any]
    args: tuple[Any, ...]
    real: bool = False
    writes: bool = False

    def __call__(self, *args: Any) -> Any:
        """The floating parts of the result, as one array."""
        result = self.call(*args)
        if not isinstance(result, (tuple, list)):
            return result
        parts = [np.ravel(part) for part in result if np.result_type(part).kind in "fc"]
        return np.concatenate(parts)


CALLS: list[Call] = []
#: Functions whose answer is no derivative's business: what they say of a dual is what they say of its value.
BY_VALUE: list[Call] = []


def example(function: Any, call: Callable[..., Any], *args: Any, real: bool = False, writes: bool = False) -> None:
    """A call to be differentiated."""
    CALLS.append(Call(function, call, args, real, writes))


def writer(function: Any, write: Callable[..., Any], *args: Any) -> None:
    """A call that writes into an array: here into a copy of the first argument."""

    def call(x: Any, *others: Any) -> Any:
        y = np.copy(x)
        write(y, *others)
        return y

    example(function, call, *args, writes=True)


def by_value(function: Any, call: Callable[..., Any], *args: Any) -> None:
    """A call that sees values alone."""
    BY_VALUE.append(Call(function, call, args))


# -- views and rearrangements ------------------------------------------------------------------------------------------
example(np.reshape, lambda x: np.reshape(x, (3, -1), order="F"), M)
example(np.reshape, lambda x: np.reshape(x, (1, 2)) * x[0], V[:2])
example(np.ravel, lambda x: np.ravel(x, order="F"), M)
example(np.transpose, lambda x: np.transpose(x, (2, 0, 1)), T)
example(np.swapaxes, lambda x: np.swapaxes(x, 0, -1), T)
example(np.matrix_transpose, np.matrix_transpose, T)
example(np.linalg.matrix_transpose, np.linalg.matrix_transpose, T)
example(np.moveaxis, lambda x: np.moveaxis(x, (0, 1), (-1, 0)), T)
example(np.rollaxis, lambda x: np.rollaxis(x, 2), T)
example(np.expand_dims, lambda x: np.expand_dims(x, (0, 2)), M)
example(np.squeeze, lambda x: np.squeeze(x[:1]), M)
example(np.broadcast_to, lambda x: np.broadcast_to(x, (2, 2, 3)), M)
example(np.broadcast_arrays, lambda x, y: np.broadcast_arrays(x, y), M, V[:3])
example(np.atleast_1d, lambda x: np.atleast_1d(x[0]), V)
example(np.atleast_2d, lambda x, y: np.atleast_2d(x, y), V, M)
example(np.atleast_3d, np.atleast_3d, M)
example(np.diagonal, lambda x: np.diagonal(x, 1, -1, 0), T)
example(np.linalg.diagonal, lambda x: np.linalg.diagonal(x, offset=-1), STACK)
example(np.diag, np.diag, V)
example(np.diag, lambda x: np.diag(x, 1), M)
example(np.diagflat, lambda x: np.diagflat(x, -1), V)
example(np.flip, lambda x: np.flip(x, 1), M)
example(np.fliplr, np.fliplr, M)
example(np.flipud, np.flipud, M)
example(np.split, lambda x: np.split(x, 3, axis=1)[::2], M)
example(np.array_split, lambda x: np.array_split(x, 3), V)
example(np.hsplit, lambda x: np.hsplit(x, [1])[::-1], M)
example(np.vsplit, lambda x: np.vsplit(x, 2)[::-1], M)
example(np.dsplit, lambda x: np.dsplit(x, 2)[::-1], T)
if hasattr(np, "unstack"):
    example(np.unstack, lambda x: np.unstack(x, axis=1)[::-1], M)
example(np.copy, lambda x: np.copy(x), M)
example(np.astype, lambda x: np.astype(x, complex), M)
example(np.repeat, lambda x: np.repeat(x, [2, 0, 1], axis=1), M)
example(np.resize, lambda x: np.resize(x, (3, 5)), M)
example(np.rot90, np.rot90, M)
example(np.tile, lambda x: np.tile(x, (2, 2)), M)
example(np.tril, lambda x: np.tril(x, 1), M)
example(np.triu, np.triu, M)
example(np.delete, lambda x: np.delete(x, 1, axis=1), M)
example(np.roll, lambda x: np.roll(x, (1, 2), (0, 1)), M)
example(np.roll, lambda x: np.roll(x, 2), M)
example(np.pad, lambda x: np.pad(x, ((1, 0), (2, 1)), "reflect"), M)
example(np.pad, lambda x: np.pad(x, 1, constant_values=3.0), V)
example(np.take, lambda x: np.take(x, [2, 0, 2], axis=1), M)
example(np.take_along_axis, lambda x: np.take_along_axis(x, np.array([[2, 2, 0], [1, 0, 1]]), 1), M)
example(np.compress, lambda x: np.compress([True, False, True], x, axis=1), M)
example(np.extract, lambda x: np.extract(MASK, x), M)

# -- joins -----------------------------------------------------------------------------------------------------------
example(np.concatenate, lambda x, y: np.concatenate([x, y, x], axis=1), M, N)
example(np.stack, lambda x, y: np.stack([y, x], axis=1), M, N)
example(np.vstack, lambda x, y: np.vstack([x, y]), M, V[:3])
example(np.hstack, lambda x, y: np.hstack([x, y]), V, W)
example(np.dstack, lambda x, y: np.dstack([x, y]), M, N)
example(np.column_stack, lambda x, y: np.column_stack([x, y]), V, W)
example(np.block, lambda x, y: np.block([[x, y], [y, x]]), M, N)
example(np.append, lambda x, y: np.append(x, y), M, V)

# -- choices -----------------------------------------------------------------------------------------------------------
example(np.where, lambda x, y: np.where(MASK, x, y), M, V[:3])
example(np.select, lambda x, y: np.select([MASK, ~MASK[::-1]], [x, y], default=0.5), M, N)
example(np.choose, lambda x, y: np.choose(MASK.astype(int), [x, y]), M, V[:3])
example(np.piecewise, lambda x: np.piecewise(x, [x.real < 0, x.real > 1], [np.exp, 0.5, np.square]), M)
example(np.sort, lambda x: np.sort(x, axis=0), M, real=True)
for _function in (np.max, np.amax):
    example(_function, lambda x, f=_function: f(x, axis=1), M, real=True)
for _function in (np.min, np.amin):
    example(_function, lambda x, f=_function: f(x, axis=(0, 1), keepdims=True), M, real=True)
example(np.ptp, lambda x: np.ptp(x, axis=0), M, real=True)
example(np.clip, lambda x, low: np.clip(x, low, 0.9), M, np.array([-0.6]), real=True)
example(np.nan_to_num, np.nan_to_num, np.where(MASK, M, np.nan), real=True)
example(np.nan_to_num, np.nan_to_num, M)
example(np.unwrap, lambda x: np.unwrap(5 * x), M, real=True)

# -- sums and products -----------------------------------------------------------------------------------------------
example(np.sum, lambda x: np.sum(x, axis=1, keepdims=True, where=MASK), M)
example(np.mean, lambda x: np.mean(x, axis=0), M)
example(np.var, lambda x: np.var(x, axis=1, ddof=1), M)
example(np.std, lambda x: np.std(x, axis=0), M)
example(np.prod, lambda x: np.prod(x, axis=1), M)
example(np.prod, np.prod, np.array([2.0, 0.0, -1.0, 0.5]))
example(np.cumsum, lambda x: np.cumsum(x, axis=1), M)
example(np.cumprod, lambda x: np.cumprod(x, axis=1), M)
example(np.diff, lambda x, y: np.diff(x, 2, append=y), M, M[:, :1] + 0.3)
example(np.trace, lambda x: np.trace(x, 1), S)
example(np.linalg.trace, np.linalg.trace, STACK)
example(np.dot, lambda x, y: np.dot(x, y), M, S)
example(np.dot, lambda x, y: np.dot(x, y), T[0], V[:2])
example(np.inner, lambda x, y: np.inner(x, y), M, N)
example(np.outer, lambda x, y: np.outer(x, y), V, W)
example(np.linalg.outer, lambda x, y: np.linalg.outer(x, y), V, W)
example(np.vdot, lambda x, y: np.vdot(x, y), M, N)
example(np.linalg.vecdot, lambda x, y: np.linalg.vecdot(x, y), M, N)
example(np.linalg.matmul, lambda x, y: np.linalg.matmul(x, y), STACK, M.T)
example(np.tensordot, lambda x, y: np.tensordot(x, y, axes=((1, 0), (1, 0))), T, N)
example(np.linalg.tensordot, lambda x, y: np.linalg.tensordot(x, y, axes=1), M, S)
example(np.einsum, lambda x, y: np.einsum("ij,kj->ik", x, y), M, N)
example(np.einsum, lambda x, y: np.einsum("ii,jk->i", x, y), S, M)
example(np.einsum, lambda x, y, z: np.einsum("...j,ij,i", x, y, z), T[..., 0], M, V[:2])
example(np.kron, lambda x, y: np.kron(x, y), M, V[:2])
example(np.cross, lambda x, y: np.cross(x, y), M, N)
example(np.linalg.cross, lambda x, y: np.linalg.cross(x, y), M, N)

# -- elementwise functions that are not ufuncs, parts of complex numbers ----------------------------------------------
example(np.real, lambda z: np.real(z * (1 + 2j)), M)
example(np.imag, lambda z: np.imag(z * (1 + 2j)), M)
example(np.angle, lambda z: np.angle(z + 3j), M)
example(np.real_if_close, np.real_if_close, M)
example(np.sinc, np.sinc, M)
example(np.i0, np.i0, M, real=True)
example(np.round, np.round, M, real=True)
example(np.around, np.around, M, real=True)
example(np.fix, np.fix, M, real=True)
example(np.emath.sqrt, np.emath.sqrt, M)
example(np.emath.log, np.emath.log, M)
example(np.emath.log2, np.emath.log2, M)
example(np.emath.log10, np.emath.log10, M)
example(np.emath.logn, lambda x, y: np.emath.logn(x, y), V, M[0, :1])
example(np.emath.power, lambda x, y: np.emath.power(x, y), V, W)
example(np.emath.arccos, np.emath.arccos, 1.7 * M)
example(np.emath.arcsin, np.emath.arcsin, 1.7 * M)
example(np.emath.arctanh, np.emath.arctanh, 1.7 * M)


# -- arrays made and written -------------------------------------------------------------------------------------------
def _filled(y: Any, x: Any) -> Any:
    y[:1] = x[1:]
    return y


example(np.zeros_like, lambda x: _filled(np.zeros_like(x), x), M)
example(np.ones_like, lambda x: _filled(np.ones_like(x), x), M)
example(np.empty_like, lambda x: _filled(_filled(np.empty_like(x), x)[::-1], x), M)
example(np.full_like, lambda x, y: np.full_like(x, y), M, V[:3], writes=True)
writer(np.copyto, lambda x, y: np.copyto(x, y, where=MASK), M, N)
writer(np.put, lambda x, y: np.put(x, [4, 1, 4], y), M, V[:2])
writer(np.place, lambda x, y: np.place(x, MASK, y), M, V[:3])
writer(np.putmask, lambda x, y: np.putmask(x, MASK, y), M, V)
writer(np.fill_diagonal, lambda x, y: np.fill_diagonal(x, y), M, V[:2])
writer(np.put_along_axis, lambda x, y: np.put_along_axis(x, np.array([[2], [0]]), y, 1), M, V[:2, None])

# -- linear algebra --------------------------------------------------------------------------------------------------
example(np.linalg.solve, lambda a, b: np.linalg.solve(a, b), S, M.T)
example(np.linalg.inv, np.linalg.inv, STACK)
example(np.linalg.pinv, np.linalg.pinv, TALL)
example(np.linalg.lstsq, lambda a, b: np.linalg.lstsq(a, b), TALL, V)
example(np.linalg.tensorsolve, lambda a, b: np.linalg.tensorsolve(a.reshape(3, 1, 3), b[:, None]), S, V[:3])
example(np.linalg.tensorinv, lambda a: np.linalg.tensorinv(a.reshape(3, 1, 3)), S)
example(np.linalg.det, np.linalg.det, STACK)
example(np.linalg.slogdet, np.linalg.slogdet, S)
example(np.linalg.cholesky, lambda a: np.linalg.cholesky(a @ np.conj(a).T + np.eye(3)), S)
example(np.linalg.qr, np.linalg.qr, TALL, real=True)
example(np.linalg.eigh, lambda a: projectors(*np.linalg.eigh(a + np.conj(a).T)), S)
example(np.linalg.eigvalsh, lambda a: np.linalg.eigvalsh(a + np.conj(a).T), S)
example(np.linalg.eig, lambda a: np.linalg.eig(a)[0], np.diag([1.0, 2.0, 4.0]) + 0.1 * S)
example(np.linalg.eigvals, np.linalg.eigvals, np.diag([1.0, 2.0, 4.0]) + 0.1 * S)
example(np.linalg.svd, lambda a: np.linalg.svd(a, full_matrices=False)[1], TALL)
example(np.linalg.svd, lambda a: np.linalg.svd(a, full_matrices=False), TALL, real=True)
example(np.linalg.svdvals, np.linalg.svdvals, TALL)
example(np.linalg.matrix_power, lambda a: np.linalg.matrix_power(a, -3), S)
example(np.linalg.multi_dot, lambda a, b, c: np.linalg.multi_dot([a, b, c]), M, S, V[:3])
example(np.linalg.norm, lambda a: np.linalg.norm(a, axis=1), M)
example(np.linalg.norm, lambda a: np.linalg.norm(a, "nuc"), M)
example(np.linalg.matrix_norm, lambda a: np.linalg.matrix_norm(a, ord=2), STACK)
example(np.linalg.vector_norm, lambda a: np.linalg.vector_norm(a, ord=3), M)
example(np.linalg.cond, np.linalg.cond, S)


def projectors(values: Any, vectors: Any) -> Any:
    """A function of eigenvectors that does not depend on the choice of their phases."""
    return values, vectors[:, :1] @ np.conj(vectors[:, :1]).T


# -- choosing and moving by value ------------------------------------------------------------------------------------
example(np.partition, lambda x: np.partition(x, 1, axis=0), np.concatenate([M, N]), real=True)
example(np.sort_complex, np.sort_complex, V, real=True)
example(np.insert, lambda x, y: np.insert(x, [1, 2], y, axis=1), M, N[:, :2])
example(np.trim_zeros, lambda x: np.trim_zeros(np.concatenate([[0.0], x, [0.0, 0.0]])), V)
example(np.meshgrid, lambda x, y: np.meshgrid(x, y), V, M[0])
example(np.ix_, lambda x, y: np.ix_(x, y), V, M[0])
example(np.lib.stride_tricks.sliding_window_view, lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1), M)
example(np.apply_along_axis, lambda x: np.apply_along_axis(lambda r: np.outer(r, r), 0, x), M)
example(np.apply_over_axes, lambda x: np.apply_over_axes(np.sum, x, (0, 2)), T)
example(np.unique, lambda x: np.unique(np.concatenate([x, x])), V, real=True)
example(np.unique, lambda x: np.unique(np.concatenate([x, x]), axis=0), M, real=True)
for _function in (np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values):
    example(_function, lambda x, _function=_function: _function(np.concatenate([x, x])), V, real=True)
example(np.union1d, lambda x, y: np.union1d(x, y), V, W, real=True)
example(np.intersect1d, lambda x, y: np.intersect1d(x, np.concatenate([x[:2], y])), V, W, real=True)
example(np.setxor1d, lambda x, y: np.setxor1d(x, np.concatenate([x[:2], y])), V, W, real=True)
example(np.setdiff1d, lambda x, y: np.setdiff1d(x, np.concatenate([x[:2], y])), V, W, real=True)

# -- statistics ------------------------------------------------------------------------------------------------------
WEIGHTS = np.abs(V) + 0.5
KNOTS = np.array([-2.1, -0.3, 0.9, 2.3])
GAPS = np.array([[0.0, np.nan], [np.nan, 0.0], [0.0, 0.0]])
example(np.average, lambda x, w: np.average(x, 0, weights=w, returned=True), M, WEIGHTS[:2])
example(np.median, lambda x: np.median(x, axis=1), T, real=True)
example(np.quantile, lambda x, q: np.quantile(x, 0.5 + 0.1 * q, axis=1), M, V[:2], real=True)
example(np.percentile, lambda x, q: np.percentile(x, 50.0 + q, method="hazen"), M, V[:2], real=True)
example(np.nanmedian, lambda x: np.nanmedian(x + GAPS, axis=0), M.T, real=True)
example(np.nanquantile, lambda x: np.nanquantile(x + GAPS, [0.1, 0.7], axis=0), M.T, real=True)
example(np.nanpercentile, lambda x: np.nanpercentile(x + GAPS, 30.0, axis=0), M.T, real=True)
example(np.cov, lambda x, w: np.cov(x, aweights=w), M, WEIGHTS[:3], real=True)
example(np.cov, lambda x, y: np.cov(x, y, ddof=0), M, N[0])
example(np.corrcoef, lambda x, y: np.corrcoef(x, y), M, N[0])
for _function in (np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd):
    example(_function, lambda x, _function=_function: _function(x + GAPS, axis=0), M.T)
for _function in (np.nanmax, np.nanmin):
    example(_function, lambda x, _function=_function: _function(x + GAPS, axis=0), M.T, real=True)
for _function in (np.nancumsum, np.nancumprod):
    example(_function, lambda x, _function=_function: _function(x + GAPS, axis=0), M.T)
if hasattr(np, "cumulative_sum"):
    example(np.cumulative_sum, lambda x: np.cumulative_sum(x, axis=1, include_initial=True), M)
    example(np.cumulative_prod, lambda x: np.cumulative_prod(x, axis=1, include_initial=True), M)
example(np.bincount, lambda w: np.bincount([0, 2, 2, 1], w), V, real=True)
example(np.histogram, lambda x, w: np.histogram(x, 3, weights=w), V, W, real=True)
example(np.histogram, lambda x, w: np.histogram(x, 3, weights=w, density=True), V, WEIGHTS, real=True)
example(np.histogram_bin_edges, lambda x: np.histogram_bin_edges(x, 3), V, real=True)
example(np.histogram2d, lambda x, y, w: np.histogram2d(x, y, (2, 1), weights=w), KNOTS, W, WEIGHTS, real=True)
example(np.histogramdd, lambda x, w: _edges_joined(np.histogramdd(x, (2, 3), weights=w)), M.T, WEIGHTS[:3], real=True)


def _edges_joined(result: Any) -> Any:
    histogram, edges = result
    return (histogram, *edges)


# -- sequences and polynomials ---------------------------------------------------------------------------------------
example(np.interp, lambda x, f: np.interp(x, KNOTS, f), M, W, real=True)
example(np.interp, lambda x, xp, f: np.interp(x, xp, f, period=5.3), M, 1.3 * KNOTS, W, real=True)
example(np.linspace, lambda x, y: np.linspace(x, y, 4, axis=-1, retstep=True), M[0], N[0])
example(np.logspace, lambda x, y: np.logspace(0.3 * x, 0.3 * y, 4), M[0], N[0])
example(np.geomspace, lambda x, y: np.geomspace(x, y, 4), WEIGHTS[:2], WEIGHTS[2:])
example(np.gradient, lambda x, y: np.gradient(x, KNOTS[:3] + 0.1 * y, axis=1, edge_order=2), M, N[0])
example(np.trapezoid, lambda y, x: np.trapezoid(y, x), M, N[0])
example(np.ediff1d, lambda x, y: np.ediff1d(x, to_end=y, to_begin=1.0), V, W[:2])
example(np.convolve, lambda x, y: np.convolve(x, y), V, M[0])
example(np.convolve, lambda x, y: np.convolve(x, y, "same"), V[:2], N[0])
example(np.correlate, lambda x, y: np.correlate(x, y), V, M[0])
example(np.correlate, lambda x, y: np.correlate(x, y, "full"), V, M[0])
example(np.vander, lambda x: np.vander(x, 3), V)
example(np.poly, np.poly, V)
example(np.poly, np.poly, S)
example(np.polyval, lambda p, x: np.polyval(p, x), V, M)
example(np.roots, np.roots, np.array([1.1, -0.7, 2.3, 0.4]))
example(np.polyfit, lambda x, y: np.polyfit(x, y, 1), KNOTS, V)
example(np.polyadd, lambda p, q: np.polyadd(p, q), V, M[0])
example(np.polysub, lambda p, q: np.polysub(p, q), M[0], V)
example(np.polymul, lambda p, q: np.polymul(p, q), V, M[0])
example(np.polydiv, lambda p, q: np.polydiv(p, q), V, np.array([1.3, 0.4]))
example(np.polyder, lambda p: np.polyder(p, 2), V)
example(np.polyint, lambda p, k: np.polyint(p, 2, k), V, W[:2])
for _function in (polynomial.polyval2d, polynomial.polygrid2d):
    if _function.__name__ in HANDED_ON:
        example(_function, lambda x, y, c, _function=_function: _function(x, y, c), V, W, M)
if "polyvalnd" in HANDED_ON:
    example(polynomial.polyvalnd, lambda x, y, z, c: polynomial.polyvalnd([x, y, z], c), V, W, V + W, T)

# -- numpy.fft -------------------------------------------------------------------------------------------------------
example(np.fft.fft, lambda x: np.fft.fft(x, 5), M)
example(np.fft.ifft, lambda x: np.fft.ifft(x, axis=0, norm="ortho"), M)
example(np.fft.rfft, lambda x: np.fft.rfft(x, 5), M, real=True)
example(np.fft.irfft, lambda x: np.fft.irfft(x), M)
example(np.fft.hfft, lambda x: np.fft.hfft(x, 5, norm="forward"), M)
example(np.fft.ihfft, np.fft.ihfft, M, real=True)
for _function in (np.fft.fftn, np.fft.ifftn, np.fft.irfftn):
    example(_function, lambda x, _function=_function: _function(x, axes=(0, 1)), T)
for _function in (np.fft.fft2, np.fft.ifft2, np.fft.irfft2):
    example(_function, lambda x, _function=_function: _function(x, (2, 5)), M)
example(np.fft.rfftn, lambda x: np.fft.rfftn(x, axes=(2, 1)), T, real=True)
example(np.fft.rfft2, lambda x: np.fft.rfft2(x), M, real=True)
example(np.fft.fftshift, np.fft.fftshift, T)
example(np.fft.ifftshift, lambda x: np.fft.ifftshift(x, axes=1), T)

# -- by value --------------------------------------------------------------------------------------------------------
for _function in (
    *(np.all, np.any, np.argmax, np.argmin, np.argsort, np.argwhere, np.array2string, np.array_repr, np.array_str),
    *(np.common_type, np.count_nonzero, np.flatnonzero, np.iscomplex, np.iscomplexobj, np.isneginf),
    *(np.isposinf, np.isreal, np.isrealobj, np.min_scalar_type, np.nanargmax, np.nanargmin, np.ndim, np.nonzero),
    *(np.result_type, np.shape, np.size, np.linalg.matrix_rank, np.tril_indices_from, np.triu_indices_from),
):
    by_value(_function, _function, M)
by_value(np.can_cast, lambda x: np.can_cast(x.dtype, float) and np.can_cast(x[0, 0], complex), M)
by_value(np.argpartition, lambda x: np.argpartition(x, 1), M)
by_value(np.digitize, lambda x: np.digitize(x, [-1.0, 0.0, 1.0]), M)
by_value(np.diag_indices_from, np.diag_indices_from, S)
by_value(np.einsum_path, lambda x: np.einsum_path("ij,ij", x, x), M)
by_value(np.lexsort, lambda x, y: np.lexsort((x, y)), V, W)
by_value(np.searchsorted, lambda x, y: np.searchsorted(np.sort(x), y), V, W)
for _function in (
    *(np.allclose, np.array_equal, np.array_equiv, np.isclose, np.isin, np.may_share_memory, np.shares_memory),
):
    by_value(_function, _function, M, N)


def _in1d(x: Any, y: Any) -> Any:
    with warnings.catch_warnings(action="ignore"):
        return np.in1d(x, y)  # noqa: NPY201 (NumPy 2.0 has it still)


if hasattr(np, "in1d"):
    by_value(np.in1d, _in1d, M, N)  # noqa: NPY201

# -- ufuncs ------------------------------------------------------------------------------------------------------------
UFUNC_CALLS: list[Call] = []
#: Methods of ufuncs: reduce, accumulate, reduceat, outer, at.
METHOD_CALLS: list[Call] = []


def ufunc_example(ufunc: Any, method: str, call: Callable[..., Any], *args: Any, real: bool = True) -> None:
    """A call of a ufunc, or of a method of it."""
    calls = UFUNC_CALLS if method == "__call__" else METHOD_CALLS
    calls.append(Call((ufunc, method), call, args, real, writes=method == "at"))


ufunc_example(np.matmul, "__call__", lambda x, y: x @ y, STACK, M.T, real=False)
ufunc_example(np.matmul, "__call__", lambda x, y: x @ y, V, W, real=False)
ufunc_example(np.vecdot, "__call__", lambda x, y: np.vecdot(x, y), M, N, real=False)
if hasattr(np, "matvec"):
    ufunc_example(np.matvec, "__call__", lambda x, y: np.matvec(x, y), STACK, M, real=False)
    ufunc_example(np.vecmat, "__call__", lambda x, y: np.vecmat(x, y), M, STACK, real=False)
ufunc_example(np.divmod, "__call__", lambda x, y: np.divmod(x, y), M, N)
ufunc_example(np.divmod, "outer", lambda x, y: np.divmod.outer(x, y), V, np.array([0.43, 1.9, -3.1]))
ufunc_example(np.modf, "__call__", np.modf, M)
ufunc_example(np.frexp, "__call__", np.frexp, M)
ufunc_example(CLIP, "__call__", lambda x, low, high: CLIP(x, low, high), M, N - 2, N[0] + 1)


def _within(domain: tuple[float, float], *shape: int) -> Any:
    low, high = max(domain[0], -2.0), min(domain[1], 2.0)
    numbers = _numbers(*shape)
    return numbers if (low, high) == (-2.0, 2.0) else low + (high - low) * (numbers + 2.5) / 5.0


def _points(ufunc: Any, *domains: tuple[float, float]) -> list[Any]:
    """Arrays that broadcast, on which a ufunc has no kinks."""
    shapes = (2, 3), (3,), (2, 1)
    if ufunc in QUOTIENTS:
        return [V[:2, None] * [1.0, -1.0, 0.9], np.array([0.43, 1.9, -3.1])]
    return [_within(domain, *shape) for domain, shape in zip(domains, shapes, strict=False)]


#: Ufuncs that jump where the quotient of their arguments is an integer.
QUOTIENTS = (np.remainder, np.fmod, np.floor_divide)


def _methods(ufunc: Any, takes: int, domain: tuple[float, float]) -> Iterator[tuple[str, Callable[..., Any], Any]]:
    """The methods of a ufunc, with arguments in a domain."""
    x, y, z = (_within(domain, *shape) for shape in ((3, 2), (3,), (2,)))
    if ufunc in QUOTIENTS:
        x, y, z = (
            np.array([[9.3, -8.1], [1.9, 2.3], [0.77, 0.32]]),
            np.array([0.43, 1.9, -3.1]),
            np.array([0.71, -1.37]),
        )
    places = [2, 0, 2] if takes == 2 else [2, 0]
    if takes == 2:
        yield "reduce", lambda x: ufunc.reduce(x, axis=0), (x,)
        yield "accumulate", lambda x: ufunc.accumulate(x, axis=0), (x,)
        yield "reduceat", lambda x: ufunc.reduceat(x, [0, 2, 1]), (x,)
        yield "outer", ufunc.outer, (y, z)

    def at(x: Any, *others: Any) -> Any:
        x = np.copy(x)
        ufunc.at(x, places, *others)
        return x

    if takes < 3:
        yield "at", at, (x, y[:, None])[:takes]


for _row in ROWS.values():
    _ufunc = _row.ufunc
    # The second argument of ldexp is an integer.
    if not isinstance(_ufunc, np.ufunc) or _ufunc is np.ldexp:
        continue
    _complex = any("D" in types.split("->")[0] for types in _ufunc.types)
    ufunc_example(_ufunc, "__call__", _ufunc, *_points(_ufunc, *_row.domain), real=not _complex)
    _common = max(low for low, _ in _row.domain), min(high for _, high in _row.domain)
    for _method, _call, _arguments in _methods(_ufunc, _row.arity, _common):
        if (_ufunc, _method) in REFUSED:
            continue
        ufunc_example(_ufunc, _method, _call, *_arguments, real=not _complex)
ufunc_example(np.ldexp, "__call__", lambda x: np.ldexp(x, [3, -1, 0]), M)
ufunc_example(np.ldexp, "outer", lambda x: np.ldexp.outer(x, [3, -1, 0]), M)
ufunc_example(np.ldexp, "at", lambda x: np.copy(x), M)
