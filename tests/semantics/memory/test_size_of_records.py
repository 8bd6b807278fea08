"""What a record holds grows with the work: neither each write into an array nor each use of a part copies all of it."""

from __future__ import annotations

import tracemalloc

import numpy as np

import dualdiff
from dualdiff import gradient


def peak(f, x):
    """The most memory that a gradient in reverse mode holds at a time, in bytes, and the gradient."""
    tracemalloc.start()
    try:
        g = gradient(f, x, mode="reverse")
        return tracemalloc.get_traced_memory()[1], g
    finally:
        tracemalloc.stop()


def test_rows_computed_from_rows():
    steps, x = 500, np.full(100, 0.999)

    def f(x):
        u = dualdiff.zeros((steps, x.size), like=x)
        u[0] = x
        for k in range(steps - 1):
            u[k + 1] = u[k] * x
        return np.sum(u[-1])

    held, g = peak(f, x)
    np.testing.assert_allclose(g, steps * x ** (steps - 1), rtol=1e-11)
    # A copy of u for each row that is read would take 500 times as much.
    assert held < 8 * steps * x.nbytes


def test_a_stencil_in_place():
    x = np.random.default_rng(0).standard_normal((500, 500))

    def f(x):
        u = x.copy()
        for _ in range(20):
            change = 0.1 * (u[2:, 1:-1] + u[:-2, 1:-1] - 2 * u[1:-1, 1:-1])
            u[1:-1, 1:-1] += change
        return np.sum(u**2)

    held, g = peak(f, x)
    assert held < 6 * x.nbytes
    e = np.zeros_like(x)
    # f is quadratic, so that central differences are exact for any step.
    e[150, 150] = 100.0
    np.testing.assert_allclose(g[150, 150], (f(x + e) - f(x - e)) / 200, rtol=1e-9)
