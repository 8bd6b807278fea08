"""`custom_derivative` of functions compiled by Numba."""

import numpy as np
import pytest

from dualdiff import custom_derivative, derivative, gradient, jacobian

njit = pytest.importorskip("numba").njit
TypingError = pytest.importorskip("numba.core.errors").TypingError

X = np.array([0.7, -1.3, 0.4, 2.1])


def test_compiled_functions():
    """Compiled functions are external code that duals do not pass through, both as f and as a rule."""
    square = njit(lambda x: x * x)
    rule = njit(lambda primals, tangents: 2 * primals[0] * tangents[0])
    f = custom_derivative(square, jvp=rule)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(jacobian(f, X, mode=mode), np.diag(2 * X), rtol=1e-15)
    g = custom_derivative(square, jvp=lambda p, t: 2 * p[0] * t[0])
    np.testing.assert_array_equal(jacobian(gradient(lambda x: np.sum(g(x))), X), 2 * np.eye(4))


def test_compiled_partials_have_derivatives():
    f = custom_derivative(njit(lambda x: x * x), njit(lambda x: 2 * x))
    assert derivative(f, 3.0) == 6.0
    assert derivative(derivative(f), 3.0) == 2.0


def test_inside_compiled_code_it_is_unknown():
    """Numba compiles neither the function nor its rule, and says so for a plain call of f, too."""
    f = custom_derivative(np.sin, np.cos)

    @njit
    def g(x):
        return 2 * f(x)

    for call in (lambda: g(1.0), lambda: derivative(g, 1.0)):
        with pytest.raises(TypingError, match=r"Cannot determine Numba type of .*custom_derivative\.Custom"):
            call()
