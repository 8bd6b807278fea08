"""Polynomials given by coefficients, highest degree first: ``numpy.poly`` and related functions, with ``poly1d``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.registry import FUNCTIONS
from dualdiff.rules.writing.array_rules import implements, plain_values
from dualdiff.rules.writing.compositions import composed


def _coefficients(p: Any) -> Any:
    """The coefficients of an array or a ``poly1d``."""
    return np.atleast_1d(operand(p.coeffs if isinstance(p, np.poly1d) else p))


def _of_poly1d(*functions: Any) -> None:
    """Let functions of coefficients accept ``poly1d``, and return it then."""
    for function in functions:
        implements(function)(_with_poly1d(FUNCTIONS[function]))


def _with_poly1d(implementation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(implementation)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(a, np.poly1d) for a in (*args, *kwargs.values())):
            return implementation(*args, **kwargs)
        args = tuple(_coefficients(a) if isinstance(a, np.poly1d) else a for a in args)
        kwargs = {k: _coefficients(a) if isinstance(a, np.poly1d) else a for k, a in kwargs.items()}
        result = implementation(*args, **kwargs)
        return tuple(map(np.poly1d, result)) if isinstance(result, tuple) else np.poly1d(result)

    return function


# -- values and roots --------------------------------------------------------------------------------------------------
@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Horner's method, as in NumPy."""
    p = _coefficients(p)
    x = x if isinstance(x, np.poly1d) else operand(x)
    y: Any = 0 if isinstance(x, np.poly1d) else np.zeros_like(x)
    for coefficient in p:
        y = y * x + coefficient
    return y


@composed(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """The product of the linear factors; for a matrix, the characteristic polynomial."""
    zeros = np.atleast_1d(operand(seq_of_zeros))
    if zeros.ndim == 2:
        return _characteristic(zeros)
    product: Any = np.ones(1)
    for zero in zeros:
        product = np.concatenate([product, np.zeros(1)]) - zero * np.concatenate([np.zeros(1), product])
    values = plain_values(zeros)
    if np.iscomplexobj(values) and np.all(np.sort(values) == np.sort(np.conjugate(values))):
        return np.real(product)
    return product


def _characteristic(a: Any) -> Any:
    """The characteristic polynomial by the Faddeev-LeVerrier algorithm, which allows repeated eigenvalues."""
    unit = np.eye(len(a))
    coefficients: list[Any] = [1.0]
    powers: Any = unit
    for k in range(1, len(a) + 1):
        powers = np.matmul(a, powers)
        coefficients.append(-np.trace(powers) / k)
        powers = powers + coefficients[-1] * unit
    return np.stack(coefficients)


@composed(np.roots)
def roots(p: Any) -> Any:
    r"""A root changes by :math:`-\delta p(r) / p'(r)`: a step of Newton's method for each order of the derivative."""
    p = _coefficients(p)
    constant = p.value
    r = np.roots(constant)
    slope = np.polyval(np.polyder(constant), r)
    for _ in range(max(1, p.space.order)):
        r = r - np.polyval(p, r) / slope
    return r


@composed(np.polyfit)
def polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """Least squares in the powers of x, normalized to length 1."""
    x, y = operand(x) + 0.0, operand(y) + 0.0
    powers = vander(x, int(deg) + 1)
    if w is not None:
        w = operand(w)
        powers = powers * w[:, None]
        y = y * (w[:, None] if y.ndim == 2 else w)
    scale = np.sqrt(np.sum(powers * powers, axis=0))
    scaled = powers / scale
    rcond = len(x) * np.finfo(x.dtype).eps if rcond is None else rcond
    c, residuals, rank, singular = np.linalg.lstsq(scaled, y, rcond)
    c = (c.T / scale).T
    if full:
        return c, residuals, rank, singular, rcond
    if not cov:
        return c
    base = np.linalg.inv(np.dot(scaled.T, scaled)) / np.outer(scale, scale)
    factor: Any = 1.0 if isinstance(cov, str) and cov == "unscaled" else residuals / (len(x) - len(scale))
    return c, (base if y.ndim == 1 else base[:, :, None]) * factor


@composed(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """The powers of each element."""
    x = operand(x)
    exponents = np.arange(len(x) if N is None else N)
    return np.power(x[:, None], exponents if increasing else exponents[::-1])


# -- arithmetic --------------------------------------------------------------------------------------------------------
def _aligned(a1: Any, a2: Any) -> tuple[Any, Any]:
    """The coefficients of both, padded with leading zeros to one length."""
    a1, a2 = _coefficients(a1), _coefficients(a2)
    n = max(len(a1), len(a2))
    return _filled(a1, n), _filled(a2, n)


def _filled(a: Any, n: int) -> Any:
    return np.concatenate([np.zeros(n - len(a), a.dtype), a]) if len(a) < n else a


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum, coefficient by coefficient."""
    a1, a2 = _aligned(a1, a2)
    return a1 + a2


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """The difference, coefficient by coefficient."""
    a1, a2 = _aligned(a1, a2)
    return a1 - a2


@composed(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """The convolution of the coefficients without leading zeros."""
    return np.convolve(*(_trimmed(_coefficients(a)) for a in (a1, a2)))


def _trimmed(p: Any) -> Any:
    """The coefficients without leading zeros, by value, but at least one."""
    nonzero = np.flatnonzero(plain_values(p))
    return p[int(nonzero[0]) if len(nonzero) else len(p) - 1 :]


@composed(np.polydiv)
def polydiv(u: Any, v: Any) -> Any:
    """Long division; the remainder has the length that NumPy gives it, without leading zeros."""
    u, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    n = len(v)
    steps = len(u) - n + 1
    remainder, quotient = u, []
    for k in range(steps):
        quotient.append(remainder[k] / v[0])
        parts = remainder[:k], remainder[k : k + n] - quotient[-1] * v, remainder[k + n :]
        remainder = np.concatenate(parts)
    left = len(np.polydiv(plain_values(u), plain_values(v))[1])
    return np.stack(quotient) if quotient else np.zeros(1), remainder[len(u) - left :]


@composed(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """Each coefficient times its power."""
    p = _coefficients(p)
    for _ in range(int(m)):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


@composed(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Each coefficient divided by its power, followed by the constants of integration."""
    p = _coefficients(p)
    constants = np.zeros(int(m)) if k is None else np.atleast_1d(operand(k))
    if len(constants) == 1:
        constants = np.broadcast_to(constants, (int(m),))
    for i in range(int(m)):
        p = np.concatenate([p / np.arange(len(p), 0, -1), constants[i : i + 1]])
    return p


_of_poly1d(np.polyadd, np.polysub, np.polymul, np.polydiv, np.polyder, np.polyint)
