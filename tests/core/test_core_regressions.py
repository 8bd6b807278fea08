"""Regressions of the core: programs that once gave a wrong result, a warning or a crash."""

import pickle
import warnings
from fractions import Fraction

import numpy as np
import pytest

import dualdiff
from dualdiff import gradient, hessian, jacobian, jvp, linearize, value_and_gradient, vjp

MODES = ["auto", "forward", "reverse"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("view", [lambda v: v.reshape(2, 2), lambda v: v.reshape(2, 2).T, np.ravel, np.flip])
def test_writes_through_a_rearranged_view_of_a_small_view(mode, view):
    def f(x):
        y = x * 1.0
        view(y[:4])[...] = 0.0
        return np.sum(y * np.arange(20.0))

    value, slope = value_and_gradient(f, np.ones(20), mode=mode)
    assert value == f(np.ones(20))
    np.testing.assert_array_equal(slope, np.where(np.arange(20) < 4, 0, np.arange(20)))


def test_a_cotangent_is_not_overwritten_while_another_argument_needs_it():
    x, upper = np.linspace(-2, 2, 20000), np.ones(20000)
    slopes = gradient(lambda x, h: np.sum(2.0 * np.clip(x, -1.0, h)), x, upper, argnum=(0, 1), mode="reverse")
    np.testing.assert_array_equal(slopes[0], 2.0 * (abs(x) <= 1))
    np.testing.assert_array_equal(slopes[1], 2.0 * (x > 1))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_sums_of_parts_of_different_precision_are_in_the_higher_one(dtype):
    J = jacobian(lambda x: x[:1].astype(dtype) + 0.1 * x[1:2], np.ones(2), mode="forward")
    assert J[0, 1] == 0.1
    J = jacobian(lambda x: 0.1 * x[1:2] + x[:1].astype(dtype), np.ones(2), mode="forward")
    assert J[0, 1] == 0.1


def test_gradients_of_real_functions_are_real():
    slopes = gradient(lambda p: abs(p[0] + 1j * p[1]), (3.0, 4.0))
    assert [type(s) for s in slopes] == [np.float64, np.float64]
    np.testing.assert_allclose(slopes, (0.6, 0.8))
    found = gradient(lambda p: p[0] * Fraction(1, 3), np.array([1.0, 2.0]))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [1 / 3, 0])
    slopes = gradient(lambda p: Fraction(1, 3) * p[0] + p[1], (1.0, 2.0))
    assert [type(s) for s in slopes] == [np.float64, np.float64]
    np.testing.assert_allclose(gradient(lambda p: Fraction(1, 3) * p[0], (1.0, 2.0)), (1 / 3, 0))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "f", [lambda x: np.sqrt(x - x), lambda x: np.log(x / x - 1), lambda x: (x - x) ** 0.5], ids=["sqrt", "log", "power"]
)
def test_one_operand_used_twice_where_its_partials_cancel(mode, f):
    for n in 3, 40:
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(gradient(lambda x: np.sum(f(x)), np.ones(n), mode=mode), np.zeros(n))


@pytest.mark.parametrize("mode", MODES)
def test_constants_that_change_the_signs_of_their_zeros(mode):
    def f(x):
        c = np.zeros(3)
        y = np.copysign(x, c)
        c *= -1
        return np.sum(2 * y + np.copysign(x, c))

    np.testing.assert_array_equal(gradient(f, np.array([1.0, -2, 3]), mode=mode), [1, -1, 1])


@pytest.mark.parametrize("take", [vjp, linearize])
@pytest.mark.parametrize(
    "f", [lambda x: x * x, np.exp, lambda x: x[0] * x, lambda x: np.outer(x, x), np.sort, lambda x: x.sum() * x[1:]]
)
def test_a_linear_program_is_its_own(take, f):
    """Later writes of the caller into x or into the result do not change it."""
    x = np.array([1.0, 2.0, 3.0])
    y, linear = take(f, x)
    pull = linear if take is vjp else linear.T
    w = np.ones_like(y)
    before = pull(w)
    x[:] = 77.0
    y -= 5.0
    np.testing.assert_array_equal(pull(w), before)
    np.testing.assert_allclose(before, gradient(lambda x: np.sum(f(x)), np.array([1.0, 2.0, 3.0])))


@pytest.mark.parametrize("mode", ["auto", "reverse"])
def test_conditions_that_are_changed_after_use(mode):
    def f(x):
        m = np.array([True, False, True])
        y = np.select([m, ~m], [x, 2 * x])
        conditions = [m]
        z = np.select(conditions, [3 * x], default=x)
        m[:] = ~m
        return np.sum(y + z)

    np.testing.assert_array_equal(gradient(f, np.ones(3), mode=mode), [4, 3, 4])


@pytest.mark.parametrize("mode", MODES)
def test_a_memory_map_that_is_written_after_use(mode, tmp_path):
    c = np.memmap(tmp_path / "c", float, "w+", shape=3)

    def f(x):
        c[:] = 2.0
        y = np.sum(c * x)
        c[:] = 0.0
        return y

    np.testing.assert_array_equal(gradient(f, np.ones(3), mode=mode), [2, 2, 2])


@pytest.mark.parametrize("mode", MODES)
def test_absolute_values_of_complex_scalars(mode):
    np.testing.assert_allclose(gradient(lambda p: abs(p[0] + 1j), (1.0, 2.0), mode=mode), (0.5**0.5, 0))
    slopes = gradient(lambda p: abs(p[0] ** (1 / 3)), (-8.0, 1.0), mode=mode)
    np.testing.assert_allclose(slopes, (-1 / 12, 0), rtol=1e-12)
    assert vjp(lambda z: abs(z), 3 + 4j)[1](1.0) == pytest.approx(0.6 - 0.8j)


def test_partials_on_python_floats_in_a_record():
    f = dualdiff.custom_derivative(lambda x, y: x * y, lambda x, y: y, lambda x, y: x)
    assert gradient(lambda p: f(p[0], p[1]) * p[0], (2.0, 3.0), mode="reverse") == (12.0, 4.0)


def test_empty_arrays_among_few_inputs():
    empty, slope = gradient(lambda p: np.sum(p[0]) + p[1] ** 2, (np.zeros(0), 2.0))
    assert empty.shape == (0,)
    assert slope == 4.0
    g = gradient(lambda p: np.sum(p["a"]) + p["b"] @ p["b"], {"a": np.zeros((0, 2)), "b": np.ones(2)})
    assert g["a"].shape == (0, 2)
    np.testing.assert_array_equal(g["b"], [2, 2])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.sum(np.array([1.0, -1.0]) * np.sqrt(x[0] * np.ones(2))), [0.0, 1.0]),
        (lambda x: np.sum(np.array([1e100]) * (1e-300 / x[0])), [1e-250, 1.0]),
        (lambda x: np.dot(1e-300 / x, 1e-300 / x), [1e-300, 1.0]),
        (lambda x: (1e-300 / x) @ np.eye(2) @ np.ones(2), [1e-300, 1.0]),
        (lambda x: np.cumsum(1e-300 / x)[-1], [1e-300, 1.0]),
    ],
    ids=["sum", "product", "dot", "matmul", "cumsum"],
)
def test_derivatives_are_quiet_where_the_value_is(mode, f, x):
    x = np.array(x)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        f(x)
        gradient(f, x, mode=mode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jvp(f, x, np.ones(2))


def test_a_recorded_dual_says_why_it_cannot_be_pickled():
    with pytest.raises(TypeError, match="cannot be sent to another process: use mode='forward'"):
        gradient(lambda x: np.sum(pickle.loads(pickle.dumps(x * 2))), np.ones(3), mode="reverse")


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_coefficients_beyond_the_range_of_single_precision(mode):
    with np.errstate(over="ignore"):
        J = jacobian(lambda x: x * 1e40, np.ones(2, np.float32), mode=mode)
    np.testing.assert_array_equal(J, [[np.inf, 0], [0, np.inf]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("function", [lambda x, c: x * c, np.multiply, lambda x, c: c * x, np.power])
def test_constants_without_axes_that_are_written_after_use(mode, function):
    def f(x):
        c = np.array(2.0)
        y = function(x[0], c) + np.sum(function(x, c))
        c[...] = 0.0
        return y

    x = np.array([1.0, 3.0])
    expected = np.array([4.0, 2.0]) if function(3.0, 2.0) == 6 else np.array([4.0, 6.0])
    np.testing.assert_array_equal(gradient(f, x, mode=mode), expected)


def test_zeros_of_one_sign_do_not_stay_for_those_of_the_other():
    for sign in (-0.0, 0.0):
        found = gradient(lambda x, s=sign: np.sum(np.array([1.0, 2.0]) * (s * x[0])), np.ones(2), mode="forward")
        assert not np.signbit(found).any()


def test_one_operand_used_twice_in_a_large_array():
    def f(s, n):
        y = np.sqrt(s * np.ones(n))
        return np.sum(y - y)

    for n in 10, 70000:
        assert dualdiff.derivative(lambda s, n=n: f(s, n), 0.0) == 0.0
        _, slope = jvp(lambda x: x - x, np.ones(n), np.full(n, np.inf))
        np.testing.assert_array_equal(slope, np.zeros(n))


@pytest.mark.parametrize("mode", MODES)
def test_tangents_have_the_dtype_of_their_values(mode):
    seen = []

    def f(x):
        z = x + 1j
        seen.extend((z, abs(z), z.real))
        return np.sum(abs(z))

    gradient(f, np.ones(3), mode=mode)
    for y in seen if mode != "reverse" else ():
        assert y.tangent.dtype == y.dtype


@pytest.mark.parametrize("mode", MODES)
def test_an_iterator_sees_what_is_written_meanwhile(mode):
    def f(x):
        y = x * 1.0
        total = 0.0
        for i, e in enumerate(y):
            total = total + (i + 1) * e
            if i == 0:
                y[1] = 5.0 * x[0]
        return total

    np.testing.assert_array_equal(gradient(f, np.array([1.0, 2.0, 3.0]), mode=mode), [11.0, 0.0, 3.0])

    def through_a_view(x):
        y = x * 1.0
        iterator = iter(y[1:])
        first = next(iterator)
        y[2] = x[0] ** 2
        return first + next(iterator)

    np.testing.assert_array_equal(gradient(through_a_view, np.array([3.0, 2.0, 7.0]), mode=mode), [6.0, 1.0, 0.0])


@pytest.mark.parametrize("mode", MODES)
def test_lists_of_scalars_are_arrays(mode):
    lists = (
        lambda x: [x[0], 2.0, x[1] * x[2]],
        lambda x: (0.0 * x[0], x[1], -x[2], np.float64(3.0)),
        lambda x: [x[0] ** 2],
        lambda x: [x[0], np.sum(x), dualdiff.value(x[1])],
        lambda x: [x[0], 1, True, x[2]],
    )
    x = np.array([1.5, -0.5, 2.0])
    for f in lists:
        expected = jacobian(lambda x, f=f: np.stack([np.multiply(1.0, e) for e in f(x)]), x, mode=mode)
        np.testing.assert_array_equal(jacobian(lambda x, f=f: f(x), x, mode=mode), expected)
        weights = np.arange(1.0, 1.0 + len(f(x)))
        np.testing.assert_allclose(
            gradient(lambda x, f=f, w=weights: w @ np.add(f(x), 0 * x[0]), x), weights @ expected
        )
        squares = lambda x, g: np.sum(np.multiply(g(x), g(x))) + 0 * x[0]
        stacked = lambda x, f=f: np.stack([np.multiply(1.0, e) for e in f(x)])
        np.testing.assert_allclose(hessian(squares, x, f), hessian(squares, x, stacked))


def test_sums_of_many_terms_with_infinite_tangents():
    def f(x):
        roots = np.sqrt(x)
        return dualdiff.value(1.0) * (roots + 2.0 * x + 3.0 * x**2 + 4.0 * x**3)

    with np.errstate(all="ignore"):
        found = jacobian(f, np.array([0.0, 4.0, 1.0]), mode="forward")
    np.testing.assert_array_equal(np.diag(found), [np.inf, 0.25 + 2 + 24 + 192, 0.5 + 2 + 6 + 12])
