"""Taylor coefficients: forms of the operator, directions, bad input, nesting."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import (
    LostDerivativeError,
    NoRuleError,
    UndefinedDerivativeWarning,
    custom_derivative,
    derivative,
    gradient,
    hessian,
    nth_derivative,
    taylor,
)

FACTORIALS = np.array([math.factorial(k) for k in range(31)], float)
X = np.array([0.3, 0.7])


def test_a_scalar():
    np.testing.assert_allclose(taylor(np.exp, 0.0, 30) * FACTORIALS, np.ones(31), rtol=1e-14)
    assert taylor(lambda x: x**3 + 2 * x, 3, 5).tolist() == [33.0, 29.0, 9.0, 1.0, 0.0, 0.0]


def test_along_a_direction():
    f = lambda x: np.sin(x[0]) * np.exp(x[1])
    v = np.array([2.0, -1.0])
    by_hand = taylor(lambda t: f(X + t * v), 0.0, 6)
    np.testing.assert_allclose(taylor(f, X, 6, v), by_hand, rtol=1e-14)
    np.testing.assert_allclose(taylor(f, X, 6), taylor(lambda t: f(X + t), 0.0, 6), rtol=1e-14)
    np.testing.assert_allclose(taylor(np.sin, 0.3, 4, 2.0), taylor(np.sin, 0.3, 4) * 2.0 ** np.arange(5), rtol=1e-14)


def test_many_points_at_once():
    x = np.linspace(0.1, 2.0, 50_000)
    found = taylor(lambda x: np.sin(x) * np.exp(-(x**2)) / (1 + x), x, 5)
    assert found.shape == (6, 50_000)
    for i in (0, 17, 40_000, 49_999):
        one = taylor(lambda x: np.sin(x) * np.exp(-(x**2)) / (1 + x), x[i], 5)
        np.testing.assert_allclose(found[:, i], one, rtol=1e-12, atol=1e-14)


def test_forms():
    assert taylor(np.exp, 0.0, order=2).tolist() == taylor(np.exp, order=2)(0.0).tolist() == [1.0, 1.0, 0.5]
    assert taylor(np.exp)(0.0, 2).tolist() == [1.0, 1.0, 0.5]
    assert taylor(lambda a, x: a * x**2, 3.0, 2.0, 2, argnum=1).tolist() == [12.0, 12.0, 3.0]
    assert taylor(lambda x, y: x * y, 1.0, 2.0, 3, argnum=(0, 1)).tolist() == [2.0, 3.0, 1.0, 0.0]
    found, aux = taylor(lambda x: (x**2, x), 3.0, 2, has_aux=True)
    assert (found.tolist(), aux) == ([9.0, 6.0, 1.0], 3.0)
    nested = taylor(lambda p: {"s": p["a"] * p["b"], "t": (p["a"], 2.0)}, {"a": X, "b": 2.0}, 2)
    np.testing.assert_array_equal(nested["s"], [X * 2.0, X + 2.0, np.ones(2)])
    np.testing.assert_array_equal(nested["t"][1], [2.0, 0.0, 0.0])


def test_order_zero_is_the_value():
    assert taylor(np.sin, 0.3, 0).tolist() == [np.sin(0.3)]


@pytest.mark.parametrize("order", [-1, 2.5, True, "3", None])
def test_orders_that_are_none(order):
    with pytest.raises(ValueError, match="the order must be 0, 1, 2"):
        taylor(np.sin, 0.3, order)
    with pytest.raises(ValueError, match="needs an order after the arguments"):
        taylor(np.sin)(0.3)


def test_a_direction_of_another_shape():
    with pytest.raises(ValueError, match="the direction v has shape"):
        taylor(np.sum, X, 2, np.ones(3))


def test_what_loses_the_series():
    with pytest.raises(LostDerivativeError):
        taylor(lambda x: math.sin(x), 0.3, 3)
    with pytest.raises(LostDerivativeError):
        taylor(lambda x: np.array([float(x)]), 0.3, 3)


def test_a_branch_point_is_named_once():
    with pytest.warns(UndefinedDerivativeWarning, match="from order 1 on .* numpy.sqrt has no power series") as found:
        c = taylor(lambda x: np.sqrt(x) + np.exp(x), 0.0, 4)
    assert len(found) == 1
    assert c[0] == 1.0
    assert c[1] == np.inf
    assert np.isnan(c[2:]).all()


def test_overflow_is_said_once():
    with pytest.warns(UndefinedDerivativeWarning, match="exceed the range") as found:
        taylor(lambda x: np.exp(200 * x) ** 3, 1.0, 300)
    assert len(found) == 1


def test_no_other_noise():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(taylor(lambda x: np.where(x > 0, np.sqrt(np.abs(x)), x), 0.0, 3)).all()
        taylor(lambda x: np.sqrt(x * x + 1) + np.log(x + 1), 0.0, 9)


def test_zeros_that_do_not_depend_on_x_stop_infinite_partials():
    weights = np.array([0.0, 1.0])
    found = taylor(lambda x: np.sum(weights * np.sqrt(x)), np.array([0.0, 1.0]), 3)
    np.testing.assert_allclose(found, taylor(np.sqrt, 1.0, 3), rtol=1e-14)
    x, v = np.array([0.0, 1.0]), np.array([0.0, 1.0])
    np.testing.assert_allclose(taylor(np.sqrt, x, 3, v)[:, 0], np.zeros(4))


def test_views_and_writes():
    def f(x):
        y = np.exp(x)
        tail = y[1:]
        before = tail * 1.0
        tail *= x[0]
        y[0] = np.sin(x[1])
        z = dd.zeros(2, like=x)
        z[0], z[1] = y[1], before[0]
        return np.concatenate([y, z])

    wanted = [nested(lambda t: f(X + t), k) for k in range(4)]
    np.testing.assert_allclose(taylor(f, X, 3), wanted, rtol=1e-13)


def nested(f, k):
    """The Taylor coefficient of order k at 0 by nested duals."""
    for _ in range(k):
        f = derivative(f)
    return f(0.0) / math.factorial(k)


def test_complex_numbers():
    z = 0.3 + 0.4j
    np.testing.assert_allclose(taylor(np.exp, z, 5) * FACTORIALS[:6], np.full(6, np.exp(z)), rtol=1e-14)
    size = taylor(lambda t: np.abs(np.exp((1 + 2j) * t) + t), 0.3, 4)
    wanted = [nested(lambda t: np.abs(np.exp((1 + 2j) * (0.3 + t)) + 0.3 + t), k) for k in range(5)]
    np.testing.assert_allclose(size, wanted, rtol=1e-12)
    with pytest.raises(dd.NotHolomorphicError):
        taylor(np.abs, z, 2)


def test_single_precision_stays():
    found = taylor(lambda x: np.sin(x) * x, np.array([0.5, 0.7], np.float32), 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, taylor(lambda x: np.sin(x) * x, np.array([0.5, 0.7]), 4), rtol=1e-5)


def test_custom_rules():
    erf = custom_derivative(math.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x))
    special = pytest.importorskip("scipy.special")
    np.testing.assert_allclose(taylor(erf, 0.3, 8), taylor(special.erf, 0.3, 8), rtol=1e-13)

    def jvp(primals, tangents):
        (x,), (t,) = primals, tangents
        return np.cos(x) * t

    sine = custom_derivative(lambda x: np.sin(x), jvp=jvp)
    np.testing.assert_allclose(taylor(sine, X, 6), taylor(np.sin, X, 6), rtol=1e-13)


def test_a_row_that_cannot_go_on_is_named():
    special = pytest.importorskip("scipy.special")
    assert taylor(lambda a: special.gammainc(a, 2.0), 1.5, 1).shape == (2,)
    with pytest.raises(NoRuleError, match=r"the derivative of scipy.special.gammainc"):
        taylor(lambda a: special.gammainc(a, 2.0), 1.5, 2)


# -- beside other operators --------------------------------------------------------------------------------------------
def test_the_gradient_of_a_coefficient():
    f = lambda a: lambda x: np.exp(a @ a * x) * np.linalg.norm(x * a) + np.prod(a + x)
    wanted = gradient(lambda a: nested(lambda t: f(a)(0.3 + t), 3), X)
    for mode in ("forward", "reverse"):
        found = gradient(lambda a: taylor(f(a), 0.3, 3)[3], X, mode=mode)
        np.testing.assert_allclose(found, wanted, rtol=1e-11)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_series_of_a_gradient_and_of_a_hessian(mode):
    for inner in (gradient, hessian):
        f = lambda t: inner(lambda y: np.sum(np.sin(t * y) * y[0]) ** 2, X + 1, mode=mode)  # noqa: B023
        wanted = [nested(lambda t: f(0.4 + t), k) for k in range(4)]  # noqa: B023
        np.testing.assert_allclose(taylor(f, 0.4, 3), wanted, rtol=1e-11, atol=1e-12)


def test_series_of_series():
    found = taylor(lambda x: taylor(lambda y: np.exp(x * y), 0.2, 3)[3], 0.5, 3)[3]
    wanted = nested(lambda s: nested(lambda t: np.exp((0.5 + s) * (0.2 + t)), 3), 3)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


# -- higher derivatives ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [3, 5, 12, 30])
def test_nth_derivatives_go_through_series(n):
    assert nth_derivative(np.exp, 0.5, n) == pytest.approx(math.exp(0.5), rel=1e-13)
    f = lambda x: x * np.sin(x)
    wanted = 0.4 * np.sin(0.4 + n * np.pi / 2) + n * np.sin(0.4 + (n - 1) * np.pi / 2)
    assert nth_derivative(f, 0.4, n) == pytest.approx(wanted, rel=1e-11)


def test_nth_derivatives_keep_the_type_and_check_the_points():
    assert type(nth_derivative(lambda x: x**4, 1.0, 3)) is float
    assert nth_derivative(lambda x: x**4, np.float32(1), 3).dtype == np.float32
    with pytest.raises(dd.MixedPointsError):
        nth_derivative(lambda x: x * np.sum(x), X, 3)
    with pytest.raises(TypeError, match="with respect to a scalar"):
        nth_derivative(lambda x: x["a"], {"a": 1.0}, 3)
