"""A call leaves no cycles of references behind: its memory does not wait until Python searches for them."""

from __future__ import annotations

import gc
from collections import Counter

import numpy as np
import pytest

import dualdiff as dd

X = np.array([0.7, 1.2, 1.9])


def f(x):
    return np.sin(x) * np.exp(-(x**2)) + np.log(1 + x**2) * x**3 / (2 + x)


def scalar(x):
    return np.sum(f(x) * np.linalg.solve(np.diag(x) + 1.0, x))


CALLS = {
    "derivative": lambda: dd.derivative(f, X),
    "gradient, forward": lambda: dd.gradient(scalar, X, mode="forward"),
    "gradient, reverse": lambda: dd.gradient(scalar, X, mode="reverse"),
    "gradient": lambda: dd.gradient(scalar, X),
    "jacobian": lambda: dd.jacobian(f, X),
    "sparse": lambda: dd.jacobian(f, X, sparse=True),
    "hessian": lambda: dd.hessian(scalar, X),
    "hvp": lambda: dd.hvp(scalar, X, X),
    "linearize": lambda: dd.linearize(f, X)[1](X),
    "laplacian": lambda: dd.laplacian(lambda x: np.sum(f(x)), X),
    "taylor": lambda: dd.taylor(f, X, 6),
    "nth_derivative": lambda: dd.nth_derivative(f, X, 4),
    "derivative_tensor": lambda: dd.derivative_tensor(lambda x: np.sum(f(x)), X, 3),
    "the gradient of a coefficient": lambda: dd.gradient(lambda x: np.sum(dd.taylor(f, x, 3)[3]), X),
    "adapt": lambda: dd.gradient(dd.adapt(scalar), X),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_no_cycles(name):
    for _ in range(2):
        CALLS[name]()
    gc.collect()
    gc.disable()
    try:
        gc.set_debug(gc.DEBUG_SAVEALL)
        CALLS[name]()
        gc.collect()
        left = Counter(type(x).__name__ for x in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not left
