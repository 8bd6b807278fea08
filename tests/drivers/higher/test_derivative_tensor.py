"""All partial derivatives of one order."""

import numpy as np
import pytest

from dualdiff import derivative_tensor, gradient, hessian, jacobian

X = np.array([0.3, 0.7, 1.1])


def f(x):
    return np.stack([np.prod(x) * np.sin(x @ x), np.exp(x[0] * x[1]) / x[2]])


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_agrees_with_nested_jacobians(order):
    nested = f
    for _ in range(order):
        nested = jacobian(nested)
    wanted = nested(X)
    found = derivative_tensor(f, X, order)
    assert found.shape == (2, *(3,) * order)
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12 * np.max(np.abs(wanted)))


def test_forms():
    np.testing.assert_allclose(derivative_tensor(f, order=2)(X), derivative_tensor(f, X, 2))
    np.testing.assert_allclose(derivative_tensor(f, X, 0), f(X))
    assert derivative_tensor(np.sin, 0.3, 3) == pytest.approx(-np.cos(0.3))
    M = np.arange(1.0, 5.0).reshape(2, 2)
    np.testing.assert_allclose(derivative_tensor(np.linalg.det, M, 2), hessian(np.linalg.det, M), atol=1e-13)
    first, second = derivative_tensor(lambda x, y: np.sum(x**3 * y), X, X, 2, argnum=(0, 1))
    np.testing.assert_allclose(first, np.diag(6 * X * X), atol=1e-12)
    np.testing.assert_allclose(second, np.zeros((3, 3)), atol=1e-12)
    tensor, aux = derivative_tensor(lambda x: (x @ x, "aux"), X, 2, has_aux=True)
    np.testing.assert_allclose(tensor, 2 * np.eye(3), atol=1e-14)
    assert aux == "aux"


def test_bad_input():
    for order in (-1, 1.5, "2"):
        with pytest.raises(ValueError, match="the order must be 0, 1, 2"):
            derivative_tensor(f, X, order)
    with pytest.raises(TypeError, match="x is a container"):
        derivative_tensor(lambda x: x["a"], {"a": X}, 2)


def test_inside_another_differentiation():
    found = gradient(lambda a: np.sum(derivative_tensor(lambda x: np.sum(np.sin(a * x)), X, 3)), X)
    # The derivative of -a**3 cos(a x) with respect to a.
    np.testing.assert_allclose(found, -3 * X**2 * np.cos(X * X) + X**4 * np.sin(X * X), rtol=1e-10)
