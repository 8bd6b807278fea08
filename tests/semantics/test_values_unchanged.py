"""The value that a dual carries is what NumPy returns, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import (
    jvp,
    value_and_derivative,
    value_and_jacobian,
)

# -- the value is untouched, bit for bit -------------------------------------------------------------------------------
BITS = {
    "X.T.sum()": lambda x: x.T.sum(),
    "sum by rows": lambda x: x.sum(axis=0),
    "sum of a slice": lambda x: x[::3, ::-1].sum(),
    "mean": lambda x: np.mean(x, axis=1),
    "var": lambda x: np.var(x),
    "std": lambda x: np.std(x, axis=0),
    "prod": lambda x: np.prod(1 + x / 100),
    "cumsum": lambda x: np.cumsum(x.T),
    "cumprod": lambda x: np.cumprod(1 + x / 100, axis=1),
    "power": lambda x: np.abs(x) ** 2.7,
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "exp": np.exp,
    "sin": np.sin,
    "tanh": np.tanh,
    "matmul": lambda x: x @ x.T,
    "vector": lambda x: x @ x[0],
    "dot": lambda x: np.dot(x[0], x[1]),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "einsum of three": lambda x: np.einsum("ij,kj,kl->il", x, x, x, optimize=True),
    "max": lambda x: np.max(x, axis=0),
    "sort": lambda x: np.sort(x, axis=None),
    "trace": lambda x: np.trace(x @ x.T),
    "outer": lambda x: np.outer(x[0], x[1]),
    "kron": lambda x: np.kron(x[:2], x[:2]),
    "ravel": lambda x: x.ravel("K").sum(),
    "divide": lambda x: 1 / x + x / 3,
    "remainder": lambda x: x % 0.3 + np.fmod(x, 0.7),
    "signed zeros": lambda x: np.max(np.stack([x[0] * 0.0, -x[0] * 0.0]), axis=0),
    "nan": lambda x: np.max(np.where(x > 1, np.nan, x), axis=0),
    "inverse": lambda x: np.linalg.inv(x[:5, :5]),
    "solve": lambda x: np.linalg.solve(x[:5, :5], x[:5, 0]),
    "norm": lambda x: np.linalg.norm(x),
    "hypot": lambda x: np.hypot(x, 1.0),
    "in place": lambda x: x.__iadd__(0.1).sum(),
}
LAYOUTS = {
    "C": lambda x: x,
    "F": np.asfortranarray,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "reversed": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", BITS)
def test_value_is_bit_for_bit_that_of_f(name, layout, dtype):
    f, x = BITS[name], LAYOUTS[layout](np.random.default_rng(11).normal(size=(40, 37)).astype(dtype))
    # A copy in the order of x: NumPy adds up in the order of memory.
    expected = np.asarray(f(np.copy(x, order="K")))
    assert np.asarray(jvp(f, x, x)[0]).tobytes() == expected.tobytes()
    small = x[:6, :5]
    expected = np.asarray(f(np.copy(small, order="K")))
    found = value_and_jacobian(f, small, chunk_size=7)[0]
    assert np.asarray(found).tobytes() == expected.tobytes()
    found = jvp(lambda x: jvp(f, x, x)[0], small, small)[0]
    assert np.asarray(found).tobytes() == expected.tobytes()


SCALAR_BITS = {
    "power": lambda t: t**2.7 + t**3 + t**-1.5 + 2.7**t,
    "math": lambda t: dd.sin(t) * dd.exp(t) + dd.log(t) + dd.tanh(t) + dd.cbrt(t) + dd.power(t, 1.3),
    "numpy": lambda t: np.sin(t) * np.exp(t) + np.log(t) + np.tanh(t) + np.cbrt(t) + np.power(t, 1.3),
    "division": lambda t: t / 3 + 3 / t + t // 0.3 + t % 0.3 + 7 % t + 7 // t,
    "round": lambda t: round(t, 2) + round(t) + abs(-t) + t.real if hasattr(t, "real") else 0.0,
    "mixed": lambda t: t * np.float32(1.1) + np.float64(0.1) * t,
}


@pytest.mark.parametrize("x", [0.7, 1.3e-5, 123.456, np.float64(0.7), np.float32(0.7)])
@pytest.mark.parametrize("name", SCALAR_BITS)
def test_value_of_a_scalar_is_bit_for_bit_that_of_f(name, x):
    f = SCALAR_BITS[name]
    for found in (
        value_and_derivative(f, x)[0],
        jvp(f, x, 1.0)[0],
        dd.value_and_gradient(f, x)[0],
        value_and_derivative(lambda t: value_and_derivative(f, t)[0], x)[0],
    ):
        assert type(found) is type(f(x))
        assert found == f(x)
