"""Object arrays of scalar duals keep the derivative, or the use of them raises."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing.overrides import get_overridable_numpy_ufuncs

from dualdiff import derivative, gradient, jacobian
from dualdiff.core.registry import UFUNCS
from tests.semantics.lost.test_dropped_silently import X, refused


# -- object arrays of scalar duals -------------------------------------------------------------------------------------
def objects(x):
    """An object array of scalar duals and numbers."""
    return np.array([x[0] ** 2, np.sin(x[1]), 3.0, x[2]])


def stacked(x):
    """The same as an array of duals."""
    return np.stack([x[0] ** 2, np.sin(x[1]), 3.0, x[2]])


M = np.arange(16.0).reshape(4, 4)
OBJECT_USES = {
    "arithmetic": lambda y: 2.0 * y + y / 3.0 - y * y + y**2 - (-y),
    "with an array": lambda y: y * np.arange(4.0) + M,
    "sum": lambda y: np.sum(y),
    "method sum": lambda y: y.sum(),
    "dot": lambda y: y @ y,
    "matmul": lambda y: M @ y,
    "plain.dot": lambda y: M.dot(y),
    "comparison": lambda y: y[y > 0.6],
    "where": lambda y: np.where(y > 0.6, y, 0.0),
    "hypot": lambda y: np.hypot(y[[0, 1]], y[[3, 2]]) + np.arctan2(y[[0, 1]], 2.0),
    "step": lambda y: np.rint(y[[0, 1, 3]]) + np.floor(y)[[0, 1, 3]] + y[[0, 1, 3]],
    "max": lambda y: np.max(y) + np.min(y),
    "cumsum": lambda y: np.cumsum(y),
    "prod": lambda y: np.prod(y),
    "sort": lambda y: np.sort(y),
    "concatenate": lambda y: np.concatenate([y, y[:1]]),
    "stack": lambda y: np.stack([y, y]),
    "reshape": lambda y: y.reshape(2, 2).T,
    "abs": lambda y: abs(y),
    "maximum": lambda y: np.maximum(y, 0.5),
}


@pytest.mark.parametrize("name", OBJECT_USES)
def test_object_arrays_of_scalar_duals(name):
    use = OBJECT_USES[name]
    found, expected = jacobian(lambda x: use(objects(x)), X), jacobian(lambda x: use(stacked(x)), X)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    found, expected = (jacobian(jacobian(lambda x, g=g: use(g(x))), X) for g in (objects, stacked))
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(
        derivative(lambda t: use(objects([t, 2 * t, t])), 0.7), derivative(lambda t: use(stacked([t, 2 * t, t])), 0.7)
    )


OBJECT_LOOPS = [
    ufunc
    for ufunc in get_overridable_numpy_ufuncs()
    if ufunc.nin == 1 and "O->O" in ufunc.types and (ufunc, "__call__") in UFUNCS
]


@pytest.mark.parametrize("ufunc", sorted(OBJECT_LOOPS, key=str), ids=lambda u: u.__name__)
def test_unary_ufunc_with_an_object_loop(ufunc):
    points = np.array([1.2, 1.7]) if ufunc is np.arccosh else np.array([0.3, 0.6])
    found = jacobian(lambda x: ufunc(np.array([x[0], x[1]])), points)
    np.testing.assert_allclose(found, jacobian(ufunc, points), rtol=1e-15)
    found = jacobian(jacobian(lambda x: ufunc(np.array([x[0], x[1]]))), points)
    np.testing.assert_allclose(found, jacobian(jacobian(ufunc), points), rtol=1e-15)


def test_an_object_array_beside_an_array_of_duals():
    def f(x):
        y = np.array([x[0], x[1], 2.0])
        return np.stack([x * y, y * x, x + y, np.hypot(x, y), np.maximum(y, x)])

    def g(x):
        y = np.stack([x[0], x[1], 2.0])
        return np.stack([x * y, y * x, x + y, np.hypot(x, y), np.maximum(y, x)])

    np.testing.assert_allclose(jacobian(f, X), jacobian(g, X))


def test_what_numpy_refuses_on_objects_raises():
    for use in (lambda y: np.linalg.solve(M, y), lambda y: np.fft.fft(y), lambda y: np.linalg.inv(y[:, None] * M)):
        with pytest.raises(TypeError):
            jacobian(lambda x, use=use: use(objects(x)), X)
    for ufunc in (np.sin, np.exp, np.sqrt):
        # NumPy asks each element for a method of that name, which floats lack.
        refused(TypeError, "no callable", jacobian, lambda x, ufunc=ufunc: ufunc(objects(x)), X)
    for use in (np.mean, np.var):
        np.testing.assert_allclose(jacobian(lambda x, use=use: use([x[0], x[1]]), X), [*jacobian(use, X[:2]), 0.0])


def test_results_that_are_lists_or_object_arrays():
    expected = jacobian(stacked, X)
    np.testing.assert_array_equal(jacobian(objects, X), expected)
    np.testing.assert_array_equal(jacobian(lambda x: [x[0] ** 2, np.sin(x[1]), 3, x[2]], X), expected)
    np.testing.assert_array_equal(jacobian(lambda x: [x**2, x], X), np.stack([np.diag(2 * X), np.eye(3)]))
    np.testing.assert_array_equal(jacobian(lambda x: [[x[0], 1.0], [x[1], x[2]]], X).shape, (2, 2, 3))
    np.testing.assert_array_equal(derivative(lambda t: [t, t**2, 4.0], 3.0), [1.0, 6.0, 0.0])
    np.testing.assert_array_equal(gradient(lambda x: [x[0] * x[1]], X), [X[1], X[0], 0.0])
    found = jacobian(lambda x: [x, x[:2]], X)
    np.testing.assert_array_equal(found[0], np.eye(3))
    np.testing.assert_array_equal(found[1], np.eye(3)[:2])
