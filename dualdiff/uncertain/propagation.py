"""Propagation of uncertainties through a function: value and covariance of f(x), and checks of its linearity."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dualdiff.base.internals import stacklevel
from dualdiff.base.public import shown_in
from dualdiff.core.application import dtype_of
from dualdiff.core.array import operand
from dualdiff.core.containers import Nesting, aligned, flatten
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.hessian import hessian
from dualdiff.drivers.jacobian import jacobian
from dualdiff.uncertain.covariances import covariance_of, rows_of, scaled_array, times_std
from dualdiff.uncertain.values import check_std, checked_covariance, variables

#: With more elements than this in both x and f(x), the derivative is traced as sparse rows.
MANY = 256
#: The number of random draws between two checks of their spread (GUM supplement 1, 7.9.4).
DRAWS = 10_000

METHODS = ("linear", "unscented", "montecarlo")


@shown_in("dualdiff.uncertain")
class NonlinearityWarning(UserWarning):
    """The first-order uncertainty of f(x) differs from what a method without linearization gives."""


@shown_in("dualdiff.uncertain")
class Propagated:
    """The result of `propagate`: the value and the covariance matrix of f(x), as which it unpacks.

    Attributes
    ----------
    value : scalar, array, or nested containers of them
        f(x); with ``order=2``, "unscented" and "montecarlo" the mean.
    cov : array
        The covariance matrix of all elements of f(x), flattened in C order, leaf by leaf; a ``csr_array`` with
        ``sparse=True``.
    std : scalar, array, or nested containers of them
        The standard deviations, with the nesting of f(x).
    linear : Propagated or None
        The first-order result that a result of another method was compared with.
    report : str
        Where the two disagree; empty if they agree, or if nothing was compared.
    interval : tuple or None
        Of "montecarlo": the lower and the upper end of the 95 % interval, with the nesting of f(x).
    draws : int
        Of "montecarlo": the number of random draws.
    """

    def __init__(self, flat: Any, cov: Any, outputs: Any, linear: Propagated | None = None) -> None:
        self._flat, self._outputs = flat, outputs
        self.cov: Any = cov
        self.linear: Propagated | None = linear
        self.report = ""
        self.interval: tuple[Any, Any] | None = None
        self.draws = 0

    @property
    def value(self) -> Any:
        return self._outputs.built(self._flat)

    @property
    def std(self) -> Any:
        return self._outputs.built(self._std)

    @property
    def _std(self) -> Any:
        return np.sqrt(np.maximum(self.cov.diagonal(), 0.0))

    def __iter__(self) -> Iterator[Any]:
        return iter((self.value, self.cov))

    def __repr__(self) -> str:
        return f"Propagated(value={self.value!r}, std={self.std!r})"


class _Outputs:
    """The shapes and the nesting of f(x)."""

    def __init__(self, result: Any) -> None:
        leaves, self.rebuild = flatten(result)
        self.shapes = [np.shape(operand(leaf)) for leaf in leaves]

    def built(self, flat: Any) -> Any:
        """The elements in the nesting of f(x)."""
        ends = np.cumsum([0, *map(math.prod, self.shapes)]).tolist()
        return self.rebuild(
            flat[start:stop].reshape(shape) if shape else float(flat[start])
            for shape, start, stop in zip(self.shapes, ends, ends[1:], strict=False)
        )


class _Function:
    """f as a function of all elements of x, flattened, that returns all elements of f(x), flattened."""

    def __init__(self, f: Callable[..., Any], x: Any) -> None:
        if not callable(f):
            raise TypeError(f"propagate takes a function as its first argument, not {type(f).__name__}")
        self.f = f
        self.outputs: Any = None
        self.rebuild: Nesting
        leaves, self.rebuild = flatten(x, is_argument=True)
        if any(isinstance(operand(leaf), AnyDual) for leaf in leaves):
            raise TypeError("propagate takes plain values x: call f(x) if x has uncertainties or tangents already")
        if any(map(np.iscomplexobj, leaves)):
            raise TypeError("propagate takes real values x: give the real and the imaginary parts")
        self.leaves = [np.asarray(leaf, float) if np.ndim(leaf) else float(leaf) for leaf in leaves]
        self.x = np.concatenate([np.ravel(leaf) for leaf in self.leaves]) if leaves else np.zeros(0)

    def __call__(self, flat: Any) -> Any:
        parts, start = [], 0
        for leaf in self.leaves:
            size = np.size(leaf)
            part = flat[start : start + size]
            parts.append(part.reshape(np.shape(leaf)) if np.ndim(leaf) else part[0].item())
            start += size
        result = self.f(self.rebuild.argument(parts))
        if self.outputs is None:
            self.outputs = _Outputs(result)
        leaves = _real_leaves(result)
        if not any(map(np.ndim, leaves)):
            return np.stack(leaves)
        return np.concatenate([np.reshape(leaf, -1) if np.ndim(leaf) else np.stack([leaf]) for leaf in leaves])


def _real_leaves(result: Any) -> list[Any]:
    leaves = [operand(leaf) for leaf in flatten(result)[0]]
    if any(dtype_of(leaf).kind == "c" for leaf in leaves):
        raise TypeError(
            "propagate: f returned complex values, which have no standard deviation: return [y.real, y.imag]"
        )
    return leaves


def propagate(
    f: Callable[..., Any],
    x: Any,
    cov: Any = None,
    *,
    std_devs: Any = None,
    order: int = 1,
    method: str = "linear",
    mode: str = "auto",
    sparse: bool = False,
    digits: int = 2,
    seed: Any = 0,
    vectorized: bool = False,
) -> Propagated:
    r"""The value and the covariance of f(x) for an uncertain x.

    To first order, :math:`\mathrm{cov}(f) = J C J^\mathsf{T}` with the exact Jacobian J.  With ``order=2`` and normal
    x, the mean is :math:`f_k + \frac12 \mathrm{tr}(H_k C)` and the covariance has the additional terms
    :math:`\frac12 \mathrm{tr}(H_k C H_l C)`, with the exact Hessians.

    Parameters
    ----------
    f : callable
        A function of x that returns a scalar, an array or nested containers of them.
    x : scalar, array, or nested containers of them
        The nominal values.
    cov : array_like
        The covariance matrix of all elements of x, flattened in C order, leaf by leaf.
    std_devs : scalar, array, or nested containers of them
        Instead of ``cov``, the standard deviations of independent elements, with the nesting of x, or one for all.
    order : 1 or 2
        The order of the expansion; 2 takes the Hessian.
    method : {"linear", "unscented", "montecarlo"}
        "unscented": from f at 2 n + 1 points (Julier and Uhlmann).  "montecarlo": from f at normal random x, whose
        number grows until the mean and the standard deviations are stable to ``digits`` significant digits of the
        standard deviation (the adaptive procedure of the GUM's supplement 1, 7.9).
    mode : {"auto", "forward", "reverse", "sparse"}
        How the Jacobian is computed.  "sparse" calls f once with uncertain values that note which elements of x they
        depend on; "auto" takes it if x and f(x) both have more than 256 elements, otherwise the cheaper of the others.
    sparse : bool
        The covariance matrix as a ``scipy.sparse.csr_array``, for independent x.
    digits : int
        The significant digits of the standard deviation that count, in comparisons and for "montecarlo".
    seed : int or numpy.random.Generator
        The seed of "montecarlo"; the same seed gives the same result.
    vectorized : bool
        For "montecarlo": f takes each leaf of x with one more leading axis, over the draws, and returns results with
        this axis.

    Returns
    -------
    Propagated
        Unpacks as ``value, cov``; has ``std``, and for methods other than the first-order one ``linear`` and
        ``report``.

    Raises
    ------
    TypeError
        If x has uncertainties or tangents already, x or f(x) is complex, or an argument has the wrong type.
    ValueError
        As `uarray` for the covariances, and for unknown options.

    Warns
    -----
    NonlinearityWarning
        If the mean or a standard deviation of another method differs from the first-order one by more than half a unit
        of the last of its ``digits`` significant digits.

    Examples
    --------
    >>> import numpy as np
    >>> value, cov = propagate(lambda x: np.prod(x), [2.0, 3.0], [[0.01, 0.0], [0.0, 0.04]])
    >>> print(value, cov)
    6.0 [[0.25]]
    >>> propagate(np.exp, 0.0, std_devs=0.1).std
    0.1
    """
    if method not in METHODS:
        raise ValueError(f"propagate: method must be one of {', '.join(map(repr, METHODS))}, not {method!r}")
    if order not in (1, 2) or (order == 2 and method != "linear"):
        raise ValueError(f"propagate: order must be 1, or 2 with method='linear', not {order!r} with {method!r}")
    if mode not in ("auto", "forward", "reverse", "sparse"):
        raise ValueError(f"propagate: mode must be 'auto', 'forward', 'reverse' or 'sparse', not {mode!r}")
    if isinstance(digits, bool) or digits not in range(1, 5):
        raise ValueError(f"propagate: digits must be 1, 2, 3 or 4, not {digits!r}")
    g = _Function(f, x)
    std, factor = _given(g, x, cov, std_devs)
    if sparse and (factor is not None or order != 1 or method != "linear"):
        raise ValueError("propagate: sparse=True takes std_devs of independent values, order=1 and method='linear'")
    linear = _linear(g, std, factor, "sparse" if sparse else mode, sparse)
    if order == 1 and method == "linear":
        return linear
    factor = np.diag(std) if factor is None else factor
    if order == 2:
        result = _second_order(g, linear, factor)
    elif method == "unscented":
        result = _unscented(g, linear, factor)
    else:
        result = _monte_carlo(g, linear, factor, digits, np.random.default_rng(seed), vectorized)
    result.report = _report(linear, result, digits)
    if result.report:
        warnings.warn(result.report, NonlinearityWarning, stacklevel=stacklevel())
    return result


def _given(g: _Function, x: Any, cov: Any, std_devs: Any) -> tuple[Any, Any]:
    """The standard deviations and a factor of the covariance matrix (None: independent)."""
    if (cov is None) == (std_devs is None):
        raise ValueError("propagate takes either cov, the covariance matrix, or std_devs")
    if cov is not None:
        return checked_covariance(cov, g.x.shape)
    if np.ndim(std_devs) == 0 and not isinstance(std_devs, dict):
        std = np.full(g.x.shape, float(std_devs))
    else:
        parts = aligned(std_devs, x, "propagate: std_devs")
        for part, leaf in zip(parts, g.leaves, strict=True):
            if np.shape(part) != np.shape(leaf):
                raise ValueError(f"propagate: std_devs of shape {np.shape(part)} for values of shape {np.shape(leaf)}")
        std = np.concatenate([np.ravel(np.asarray(part, float)) for part in parts])
    check_std(std)
    return std, None


def _linear(g: _Function, std: Any, factor: Any, mode: str, sparse: bool) -> Propagated:
    """The first-order result."""
    value = np.asarray(g(g.x), float)
    if mode == "sparse" or (mode == "auto" and min(g.x.size, value.size) > MANY):
        rows = rows_of(g(variables(g.x, std, factor)))
        if sparse:
            scaled = scaled_array(rows)
            return Propagated(value, (scaled @ scaled.T).tocsr(), g.outputs)
        return Propagated(value, covariance_of(rows, rows), g.outputs)
    slopes: Any = jacobian(g, g.x, mode=mode)  # type: ignore[call-overload]
    scaled = times_std(slopes, std) if factor is None else slopes @ factor
    return Propagated(value, scaled @ scaled.T, g.outputs)


def _second_order(g: _Function, linear: Propagated, factor: Any) -> Propagated:
    n = len(factor)
    curvatures = np.reshape(hessian(g, g.x), (len(linear._flat), n, n))
    scaled = np.einsum("kij,ia,jb->kab", curvatures, factor, factor, optimize=True)
    mean = linear._flat + np.trace(scaled, axis1=1, axis2=2) / 2
    inner = scaled.reshape((len(mean), -1))
    return Propagated(mean, linear.cov + inner @ inner.T / 2, linear._outputs, linear)


def _unscented(g: _Function, linear: Propagated, factor: Any) -> Propagated:
    n = factor.shape[1]
    spare = max(3.0 - n, 0.0)
    steps = factor.T * math.sqrt(n + spare)
    points = np.concatenate([g.x[None], g.x + steps, g.x - steps])
    weights = np.full(2 * n + 1, 0.5 / (n + spare))
    weights[0] = spare / (n + spare)
    values = np.stack([np.asarray(g(point), float) for point in points])
    mean = weights @ values
    return Propagated(mean, (weights * (values - mean).T) @ (values - mean), linear._outputs, linear)


def _tolerance(std: Any, digits: int) -> Any:
    """Half a unit of the last of the significant digits of the standard deviations."""
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log10(np.where(std > 0, std, 1.0)))
    return np.where(std > 0, 0.5 * 10.0 ** (exponent - digits + 1), 0.0)


def _monte_carlo(
    g: _Function, linear: Propagated, factor: Any, digits: int, random: np.random.Generator, vectorized: bool
) -> Propagated:
    """The adaptive procedure of the GUM's supplement 1, 7.9."""
    blocks: list[Any] = []
    while True:
        draws = g.x + random.standard_normal((DRAWS, factor.shape[1])) @ factor.T
        blocks.append(_values_at(g, draws, vectorized))
        if len(blocks) > 1:
            means, deviations = np.mean(blocks, axis=1), np.std(blocks, axis=1, ddof=1)
            spread = np.stack([np.std(a, axis=0, ddof=1) for a in (means, deviations)]) / math.sqrt(len(blocks))
            is_stable = np.all(2 * spread <= _tolerance(deviations.mean(axis=0), digits))
            if is_stable or len(blocks) >= _MOST or not np.isfinite(spread).all():
                break
    values = np.concatenate(blocks)
    cov = np.atleast_2d(np.cov(values, rowvar=False))
    result = Propagated(values.mean(axis=0), cov, linear._outputs, linear)
    low, high = np.quantile(values, [0.025, 0.975], axis=0)
    result.interval = linear._outputs.built(low), linear._outputs.built(high)
    result.draws = len(values)
    return result


#: The most blocks of draws.
_MOST = 100


def _values_at(g: _Function, draws: Any, vectorized: bool) -> Any:
    if not vectorized:
        return np.stack([np.asarray(g(draw), float) for draw in draws])
    parts, start = [], 0
    for leaf in g.leaves:
        part = draws[:, start : start + np.size(leaf)]
        parts.append(part.reshape((len(draws), *np.shape(leaf))))
        start += np.size(leaf)
    leaves = _real_leaves(g.f(g.rebuild.argument(parts)))
    wrong = [np.shape(leaf) for leaf in leaves if np.shape(leaf)[:1] != (len(draws),)]
    if wrong:
        raise ValueError(
            f"propagate: with vectorized=True, f returned an array of shape {wrong[0]} for {len(draws)} draws, which "
            "must be its first axis"
        )
    return np.concatenate([np.reshape(leaf, (len(draws), -1)) for leaf in leaves], axis=1)


def _report(linear: Propagated, other: Propagated, digits: int = 2) -> str:
    """The elements whose mean or standard deviation differs from the first-order one."""
    first, second = linear._std, other._std
    allowed = _tolerance(np.maximum(first, second), digits)
    shift, change = other._flat - linear._flat, second - first
    differs = (np.abs(shift) > allowed) | (np.abs(change) > allowed)
    if not differs.any():
        return ""
    places = np.flatnonzero(differs)
    lines = [
        f"element {i}: {linear._flat[i]:.6g} +/- {first[i]:.3g} to first order, "
        f"{other._flat[i]:.6g} +/- {second[i]:.3g} without linearization"
        for i in places[:5].tolist()
    ]
    more = f"; and {len(places) - 5} more" if len(places) > 5 else ""
    return f"f is not linear within the uncertainty of x, in {len(places)} of {len(first)} elements: " + (
        "; ".join(lines) + more
    )
