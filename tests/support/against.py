"""Derivatives judged by finite differences and by closed forms, and values by NumPy's own, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff import jacobian, jvp, value_and_jacobian

STEP = 1e-3

#: How a Jacobian is found: all directions at once, some at a time, transposed.
WAYS = ({"mode": "forward"}, {"mode": "forward", "chunk_size": 4}, {"mode": "reverse"})


def central(f, x, v):
    """The derivative of f along v by differences of fourth order."""
    with np.errstate(all="ignore"):
        near, far = f(x + STEP * v) - f(x - STEP * v), f(x + 2 * STEP * v) - f(x - 2 * STEP * v)
    return (8 * near - far) / (12 * STEP)


def difference_jacobian(f, x):
    """The Jacobian of f by differences; f(x).shape + x.shape."""
    columns = []
    for i in np.ndindex(np.shape(x)):
        v = np.zeros(np.shape(x))
        v[i] = 1.0
        columns.append(np.asarray(central(f, x, v)))
    if not columns:
        return np.zeros((*np.shape(f(x)), *np.shape(x)))
    return np.stack(columns, axis=-1).reshape((*columns[0].shape, *np.shape(x)))


def assert_same(found, expected):
    """Equal bit for bit, with the same shape and dtype."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(np.signbit(found.real), np.signbit(expected.real))
    np.testing.assert_array_equal(found, expected)


def assert_near(found, expected, tolerance=1e-9):
    """Equal up to a tolerance relative to the largest magnitude."""
    assert np.shape(found) == np.shape(expected)
    scale = 1 + np.max(np.abs(expected), initial=0.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def along(J, v):
    """A Jacobian applied to a direction."""
    return np.tensordot(J, v, np.ndim(v))


def check(f, x, second=True):
    """A function of a real array in every space: value, first and second derivatives."""
    expected = f(np.array(x, order="K"))
    expected_J = difference_jacobian(f, x)
    for options in WAYS:
        found, J = value_and_jacobian(f, x, **options)
        assert_same(found, expected)
        assert type(found) is type(expected)
        assert J.dtype == np.asarray(expected).dtype
        assert_near(J, expected_J)
    rng = np.random.default_rng(1)
    v, w = rng.normal(size=(2, *np.shape(x)))
    found, slope = jvp(f, x, v)
    assert_same(found, expected)
    assert_near(slope, along(J, v))
    if second:
        bend = central(lambda x: jvp(f, x, v)[1], x, w)
        _, found = jvp(lambda x: jvp(f, x, v)[1], x, w)
        assert_near(found, bend)
        assert_near(along(along(jacobian(jacobian(f), x, chunk_size=4), w), v), found)


def check_float32(f, x):
    """Single precision in, single precision out, for values and tangents alike."""
    x32 = np.asarray(x, np.float32, copy=True)
    expected = f(x32.copy("K"))
    found, J = value_and_jacobian(f, x32)
    assert_same(found, expected)
    assert J.dtype == found.dtype
    assert_near(J, jacobian(f, x32.astype(float)), 1e-4)


def check_complex(f, x):
    """Complex arguments along a complex direction, which is correct also for functions that are not holomorphic."""
    rng = np.random.default_rng(2)
    z = x + 1j * rng.normal(size=np.shape(x))
    v = rng.normal(size=np.shape(x)) + 1j * rng.normal(size=np.shape(x))
    found, slope = jvp(f, z, v)
    assert_same(found, f(z.copy("K")))
    assert_near(slope, central(f, z, v))


class Probes(dict[str, tuple[Any, ...]]):
    """By name: a function of SciPy's module and of parameters, its closed form, the parameters, and a tolerance."""

    def __call__(
        self, name: str, closed: Callable[[Any], Any], p: Sequence[float], tolerance: float = 1e-9
    ) -> Callable[[Any], Any]:
        """Add the decorated function."""

        def add(f: Any) -> Any:
            self[name] = (f, closed, np.array(p), tolerance)
            return f

        return add
