"""Compiled functions: the same operators and derivatives, and the values of the plain compiled function."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

import dualdiff

numba = pytest.importorskip("numba")
njit = numba.njit

from dualdiff.compiled.operators import engine  # noqa: E402  (needs Numba)

X = np.array([1.0, 2.0, -0.5, 3.0])


@njit
def scalar(x):
    return np.sin(x) * np.exp(-(x**2)) + np.log(1 + x * x) * x**3


@njit
def rosenbrock(x):
    total = 0.0
    for i in range(x.size - 1):
        total += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


# -- operators ---------------------------------------------------------------------------------------------------------
def test_derivative_at_a_scalar_and_at_points():
    f = scalar.py_func
    assert dualdiff.value_and_derivative(scalar, 0.7) == (scalar(0.7), pytest.approx(dualdiff.derivative(f, 0.7)))
    assert dualdiff.derivative(scalar, 2) == pytest.approx(dualdiff.derivative(f, 2.0), rel=1e-15)
    points = np.linspace(-2, 2, 7).reshape(7, 1)
    values, slopes = dualdiff.value_and_derivative(scalar, points)
    np.testing.assert_array_equal(values, scalar(points))
    np.testing.assert_allclose(slopes, dualdiff.derivative(f, points), rtol=1e-13)
    assert dualdiff.derivative(scalar)(0.7) == dualdiff.derivative(scalar, 0.7)


# With one element the loop is empty and f is constant, which NumPy's engine warns of.
@pytest.mark.filterwarnings("ignore:.* rosenbrock returned 0.0:dualdiff.ConstantResultWarning")
@pytest.mark.parametrize("n", [1, 3, 12, 40])
def test_gradient_and_hessian_of_a_loop(n):
    x = np.linspace(0.5, 1.5, n)
    value, slope = dualdiff.value_and_gradient(rosenbrock, x)
    assert value == rosenbrock(x)
    np.testing.assert_allclose(slope, dualdiff.gradient(rosenbrock.py_func, x), rtol=1e-12, atol=1e-12)
    value, slope, matrix = dualdiff.value_gradient_and_hessian(rosenbrock, x)
    assert value == rosenbrock(x)
    np.testing.assert_allclose(slope, dualdiff.gradient(rosenbrock.py_func, x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(matrix, dualdiff.hessian(rosenbrock.py_func, x), rtol=1e-12, atol=1e-9)


def test_products_along_a_direction():
    v = np.cos(X)
    f = rosenbrock.py_func
    np.testing.assert_allclose(dualdiff.hvp(rosenbrock, X, v), dualdiff.hvp(f, X, v), rtol=1e-12)
    value, slope = dualdiff.jvp(rosenbrock, X, v)
    assert value == rosenbrock(X)
    assert slope == pytest.approx(dualdiff.jvp(f, X, v)[1], rel=1e-13)


def test_argnum_and_other_arguments():
    @njit
    def power(a, x, b):
        return a * x**b

    assert dualdiff.derivative(power, 2.0, 3.0, 4, argnum=1) == 2 * 4 * 27
    assert dualdiff.derivative(power, 2.0, 3.0, 2.0, argnum=-1) == pytest.approx(18 * math.log(3))


def test_results_of_every_kind():
    assert dualdiff.derivative(njit(lambda x: 3.0), 2.0) == 0
    np.testing.assert_array_equal(dualdiff.jacobian(njit(lambda x: np.ones(2)), X[:3]), np.zeros((2, 3)))
    np.testing.assert_array_equal(dualdiff.gradient(njit(lambda x: 1), np.zeros(0)), np.zeros(0))
    np.testing.assert_array_equal(dualdiff.gradient(njit(lambda x: x[:1] * x[1]), X[:3]), [2.0, 1.0, 0.0])
    matrix = np.arange(6.0).reshape(2, 3)
    found = dualdiff.jacobian(njit(lambda x: x.T * 2), matrix)
    np.testing.assert_array_equal(found, dualdiff.jacobian(lambda x: x.T * 2, matrix))


def test_precisions_of_x():
    square = njit(lambda x: np.sum(x * x))
    assert dualdiff.gradient(square, np.ones(3, np.float32)).dtype == np.float32
    np.testing.assert_array_equal(dualdiff.gradient(square, [1, 2]), [2.0, 4.0])
    holomorphic = njit(lambda z: np.exp(z) * z**2 + np.sin(z) / z)
    expected = dualdiff.derivative(holomorphic.py_func, 1 + 2j)
    assert dualdiff.derivative(holomorphic, 1 + 2j) == pytest.approx(expected, rel=1e-14)


def test_x_is_left_alone():
    @njit
    def spoil(x):
        x[0] = 7.0
        x *= 2.0
        return np.sum(x * x)

    x = X.copy()
    np.testing.assert_array_equal(dualdiff.gradient(spoil, x), dualdiff.gradient(spoil.py_func, X))
    np.testing.assert_array_equal(x, X)


# -- arrays ------------------------------------------------------------------------------------------------------------
def expressions(x):
    y = 2 * np.sin(x) * x[0] + x**2 - x / (1 + x * x)
    z = np.zeros_like(x)
    z[1:] += x[:-1]
    z *= x[0]
    w = np.zeros((2, x.size), x.dtype)
    w[0] = x
    w[1] = np.maximum(x, 0.6)
    return np.concatenate((y, z, (w.T.copy() * 2).ravel(), x[::-1][1:], np.abs(x)[x > 0], x * (x > 0)))


def test_arrays_that_are_written_into():
    compiled = njit(expressions)
    value, found = dualdiff.value_and_jacobian(compiled, X)
    np.testing.assert_array_equal(value, compiled(X))
    np.testing.assert_allclose(found, dualdiff.jacobian(expressions_for_numpy, X), rtol=1e-11, atol=1e-13)


def expressions_for_numpy(x):
    """The same with a buffer that accepts duals in NumPy."""
    y = 2 * np.sin(x) * x[0] + x**2 - x / (1 + x * x)
    z = np.zeros_like(x)
    z[1:] += x[:-1]
    z *= x[0]
    w = np.stack((x, np.maximum(x, 0.6)))
    return np.concatenate((y, z, (w.T.copy() * 2).ravel(), x[::-1][1:], np.abs(x)[x > 0], x * (x > 0)))


# -- laws --------------------------------------------------------------------------------------------------------------
def test_a_zero_tangent_contributes_zero():
    assert dualdiff.derivative(njit(lambda x: np.sqrt(x * x)), 0.0) == 0
    assert list(dualdiff.gradient(njit(lambda x: np.log(0 * x[0] + x[1])), np.array([1.0, 0.0]))) == [0, math.inf]
    norm = njit(lambda x: np.linalg.norm(x))
    np.testing.assert_array_equal(dualdiff.gradient(norm, np.zeros(3)), np.zeros(3))
    root = njit(lambda x: dualdiff.derivative(inner_root, x))
    assert root(0.0) == 0


@njit
def inner_root(x):
    return np.sqrt(x * x)


def test_powers_and_kinks():
    power = njit(lambda x, y: x**y)
    for x, y, slope in (0.0, 0.0, 0.0), (0.0, 1.0, 1.0), (0.0, 0.5, math.inf), (0.0, 1.5, 0.0), (-2.0, 2.0, -4.0):
        assert dualdiff.derivative(power, x, y) == slope
    for y, slope in (-0.5, -math.inf), (0.0, -math.inf), (0.5, 0.0):
        assert dualdiff.derivative(njit(lambda x, y: np.power(x, y)), 0.0, y, argnum=1) == slope
    assert dualdiff.hessian(njit(lambda x: abs(-(x**2))), 0.0) == 2
    assert dualdiff.hessian(njit(lambda x: abs(x) ** 2), 0.0) == 2
    assert dualdiff.derivative(njit(lambda x: max(x, 1.0) + min(1.0, x)), 1.0) == 1
    assert dualdiff.derivative(njit(lambda x: math.floor(x) * x), 2.5) == 2


def test_branches_loops_tuples_and_other_functions():
    @njit
    def halving(x):
        steps = 0
        pair = (x, scalar(x))
        while x > 1 and steps < 50:
            if not steps % 2:
                x = x / 2
            else:
                x -= 0.5
            steps += 1
        return x * pair[1] + steps

    def step_by_step(x):
        # 5, 2.5, 2, 1, so f(x) is ((x / 2 - 0.5) / 2) times the other argument.
        return (x / 2 - 0.5) / 2 * scalar.py_func(x)

    assert dualdiff.derivative(halving, 5.0) == pytest.approx(dualdiff.derivative(step_by_step, 5.0), rel=1e-14)


# -- inside compiled code ----------------------------------------------------------------------------------------------
@njit
def residual(x, a):
    return x * x - a


@njit
def newton(a):
    x = 1.0
    for _ in range(6):
        x -= residual(x, a) / dualdiff.derivative(residual, x, a)
    return x


def test_newton_in_one_compiled_function_and_its_own_derivative():
    assert newton(2.0) == pytest.approx(math.sqrt(2), rel=1e-15)
    assert dualdiff.derivative(newton, 2.0) == pytest.approx(0.5 / math.sqrt(2), rel=1e-14)


@njit
def plus(y, x):
    return x + y


@njit
def times(y, x):
    return x * y


@njit
def outer_alone(y, x):
    return x


def test_no_perturbation_confusion():
    @njit
    def confusing(x, k):
        if k == 0:
            return x * dualdiff.derivative(plus, 1.0, x)
        if k == 1:
            return x * dualdiff.derivative(times, 3.0, x)
        if k == 2:
            return x * dualdiff.derivative(times, x, x)
        return dualdiff.derivative(outer_alone, x, x)

    for k, (x, expected) in enumerate([(1.0, 1), (1.0, 2), (3.0, 6), (1.0, 0)]):
        assert dualdiff.derivative(confusing, x, k) == expected


def test_operators_on_arrays_in_compiled_code():
    @njit
    def everything(x):
        g = dualdiff.gradient(rosenbrock, x)
        j = dualdiff.jacobian(squares, x)
        h = dualdiff.hessian(rosenbrock, x)
        value, along = dualdiff.jvp(squares, x, g)
        return h @ g + j @ g + value - along

    f = rosenbrock.py_func
    g, h = dualdiff.gradient(f, X), dualdiff.hessian(f, X)
    np.testing.assert_allclose(everything(X), h @ g + X**2, rtol=1e-10)


@njit
def squares(x):
    return x * x


def test_duals_built_by_hand_pass_in_and_out():
    found = njit(lambda x: x * x + 1)(dualdiff.Dual(3.0, 1.0))
    assert (dualdiff.value(found), dualdiff.tangent(found)) == (10, 6)
    made = njit(lambda x: dualdiff.Dual(x, 2.0) * dualdiff.value(x))(2.0)
    assert (made.value, made.tangent) == (4, 4)


def test_options_of_the_users_decorator():
    assert dualdiff.derivative(njit(error_model="numpy")(lambda x: 1 / x), 0.0) == -math.inf
    parallel = njit(parallel=True)(lambda x: np.sum(x * x))
    np.testing.assert_array_equal(dualdiff.gradient(parallel, X), 2 * X)


# -- errors ------------------------------------------------------------------------------------------------------------
def one_line(raised):
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_an_operation_without_a_rule_is_named():
    f = njit(lambda x: np.kaiser(3, x)[1] * x)
    with pytest.raises(
        dualdiff.NoRuleError, match=r"derivative of the compiled function <lambda>.*kaiser\(3, Dual.*py_func"
    ) as raised:
        dualdiff.derivative(f, 2.0)
    one_line(raised)
    with pytest.raises(dualdiff.NoRuleError, match=r"derivative of .*kaiser\(3, Dual"):
        dualdiff.derivative(f, np.ones(2))


def test_a_buffer_of_floats_becomes_one_of_duals_unless_the_caller_holds_it():
    @njit
    def buffer(x):
        result = np.zeros(x.size)
        result[0] = x[0]
        return result[0]

    np.testing.assert_array_equal(dualdiff.gradient(buffer, X), np.eye(X.size)[0])

    @njit
    def held(x, result):
        result[0] = x[0]
        return result[0]

    with pytest.raises(dualdiff.LostDerivativeError, match=r"dualdiff\.zeros") as raised:
        dualdiff.gradient(held, X, np.zeros(X.size))
    one_line(raised)


def test_errors_of_f_stay_its_own():
    with pytest.raises(ZeroDivisionError):
        dualdiff.derivative(njit(lambda x: 1 / x), 0.0)
    with pytest.raises(numba.TypingError, match="unicode_type"):
        dualdiff.derivative(njit(lambda x: x + "a"), 1.0)


def test_what_compiled_drivers_do_not_do_is_refused():
    for refused in (
        lambda: dualdiff.hessian(rosenbrock, X, sparse=True),
        lambda: dualdiff.taylor(scalar, 1.0, 1.0, order=2),
    ):
        with pytest.raises(dualdiff.NoRuleError, match="py_func") as raised:
            refused()
        one_line(raised)
    with pytest.raises(ValueError, match=r"dualdiff\.jacobian"):
        dualdiff.gradient(squares, X)
    with pytest.raises(TypeError, match="boolean"):
        dualdiff.derivative(scalar, True)


# -- loading -----------------------------------------------------------------------------------------------------------
def test_dualdiff_does_not_import_numba_and_numba_alone_is_enough():
    code = (
        "import sys, dualdiff; dualdiff.derivative(lambda x: x * x, 2.0); assert 'numba' not in sys.modules\n"
        "import numba; f = numba.njit(lambda x: x * x); assert dualdiff.derivative(f, 3.0) == 6\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_driver_is_compiled_once_for_each_function():
    f = njit(lambda x: np.sum(x * x))
    for n in 7, 9, 23:
        dualdiff.gradient(f, np.ones(n))
    assert [key[0] for key in f._dualdiff].count("driver_of") == 1
    assert engine.takes(type(f))
