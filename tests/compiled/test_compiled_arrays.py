"""Ordinary compiled code on arrays of duals, one feature per line: Numba's values, the tangents of NumPy's engine."""

from __future__ import annotations

import math

import numpy as np
import pytest

import dualdiff

numba = pytest.importorskip("numba")

X = np.array([1.25, 2.5, -0.5, 3.0])
PLAIN = np.array([0.5, -1.0, 2.0, 1.5])
MATRIX = np.array([[2.0, 1.0, 0.25], [1.0, 3.0, 1.0], [0.25, 1.0, 4.0]])
NAMES = {"np": np, "math": math, "dualdiff": dualdiff, "PLAIN": PLAIN, "MATRIX": MATRIX}

VIEWS = """
    x[1:] - x[:-1]
    x[::2] * x[::-2]
    x.reshape(2, 2).T
    x.reshape(2, 2)[:, 0] * x.reshape((2, 2))[1]
    x.ravel() * x.flatten()
    x[np.array([2, 0, 2])] * x[1]
    x[x > 0] * 2
    x.copy() * np.copy(x)
    np.ascontiguousarray(x[::-1])
    np.broadcast_to(x, (2, 4)) * 1.0
    np.diag(x.reshape(2, 2))
    np.flip(x)
    np.take(x, np.array([0, 1]))
    np.concatenate((x, PLAIN, x))
    np.stack((x, x * 2))
    np.append(x, x[0])
    np.array([x[0], x[1] * x[2]])
    np.array([[x[0], 1.0], [2.0, x[1]]])
    np.full_like(x, x[1])
    np.zeros(x.shape) * x
    x.reshape(1, 2, 2)[0, 1]
    np.real(x) * np.conj(x)
"""

EXPRESSIONS = """
    x * PLAIN + PLAIN * x - 2 * x + x * 2 - 1 / x
    x * MATRIX[:, :1] + MATRIX[:, :1] / x
    x / 2 + 2 / x + x // 2 + x % 2
    x**2 + x**3.0 + x**-1
    2**x + 2.0**x
    -x + (+x)
    (x > 0) * x
    np.where(x > 0, x * x, -x)
    np.where(PLAIN > 0, x[0], x[1])
    np.where(x[0] > 0, x[0], 2.0)[()]
    np.where(x > 1, 1.0, x) + np.exp(x - np.max(x)) / np.sum(np.exp(x))
    np.clip(x, 0.0, 2.0)
    np.minimum(x, 1.0) * np.maximum(x, x[0])
    np.abs(x) * np.sign(x) * np.floor(x) + np.ceil(x) * x + np.trunc(x) * x
    np.sqrt(np.abs(x)) * np.exp(-x) + np.sin(x) * np.arctan(x)
    np.diff(x)
    np.linspace(x[0], x[1], 5)
    np.interp(1.5, np.array([0.0, 1.0, 2.0, 3.0]), x)
    np.convolve(x, PLAIN[:3], "same")
    np.correlate(PLAIN[:2], x, "same")
    np.searchsorted(np.sort(PLAIN), x[0]) * x
    np.round(x, 1)
"""

REDUCTIONS = """
    np.sum(x) * x.sum()
    x.reshape(2, 2).sum(axis=0)
    np.mean(x) * x.mean()
    np.prod(x) * x.prod()
    np.var(x) * x.var()
    np.std(x) * x.std()
    np.max(x) * x.max()
    np.min(x) * x.min()
    x[x.argmax()] * x[np.argmin(x)]
    np.cumsum(x) * x.cumsum()
    np.cumprod(x) * x.cumprod()
    np.any(x > 2) * x
    np.median(x)
    np.percentile(x, np.array([30.0, 75.0]))
    np.sort(x)
    np.nansum(x) + np.nanmean(x) + np.nanmax(x) + np.nanmin(x) + np.nanvar(x) + np.nanprod(x)
    np.trace(x.reshape(2, 2))
"""

ALGEBRA = """
    np.dot(x, x) * (x @ x)
    np.dot(x, PLAIN) * (PLAIN @ x) * x.dot(x)
    MATRIX @ x[:3]
    x[:3] @ MATRIX
    np.outer(x, x) @ np.outer(x, PLAIN)
    np.cross(x[:3], x[1:])
    np.linalg.norm(x)
    np.linalg.norm(x, 1) + np.linalg.norm(x, np.inf) + np.linalg.norm(x, 3)
    np.linalg.solve(MATRIX, x[:3])
    np.linalg.solve(x.reshape(2, 2), np.outer(x[:2], x[:3]))
    np.linalg.inv(x.reshape(2, 2))
    np.linalg.det(x.reshape(2, 2))
    np.linalg.slogdet(x.reshape(2, 2))[1]
    np.linalg.cholesky(MATRIX + np.outer(x[:3], x[:3]))
    np.linalg.matrix_power(x.reshape(2, 2), 3)
"""


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


def in_one(expressions):
    """A function that writes all expressions into one buffer, and the offset of each."""
    places, body, start = [], [], 0
    for expression in expressions:
        plain = np.asarray(eval(expression, NAMES, {"x": X}))
        stop = start + plain.size
        target = f"out[{start}:{stop}] = ({expression}).ravel()" if plain.ndim else f"out[{start}] = {expression}"
        body.append(f"    {target}")
        places.append(slice(start, stop))
        start = stop
    scope = dict(NAMES)
    head = f"def f(x):\n    out = dualdiff.zeros({start}, like=x)\n"
    exec(head + "\n".join(body) + "\n    return out", scope)
    return numba.njit(scope["f"]), places


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", ["VIEWS", "EXPRESSIONS", "REDUCTIONS", "ALGEBRA"])
def test_array_code(name, mode):
    expressions = lines(globals()[name])
    f, places = in_one(expressions)
    values, found = dualdiff.value_and_jacobian(f, X, mode=mode)
    np.testing.assert_array_equal(values, f(X))
    for expression, place in zip(expressions, places, strict=True):
        g = eval(f"lambda x: {expression}", NAMES)
        expected = np.reshape(dualdiff.jacobian(g, X), (-1, X.size))
        np.testing.assert_allclose(found[place], expected, rtol=1e-11, atol=1e-13, err_msg=expression)
