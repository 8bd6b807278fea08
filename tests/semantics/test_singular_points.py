"""Law 5 at singular points: right, or NaN, never finite and wrong, the same in all spaces and modes."""

import numpy as np
import pytest

import dualdiff
from dualdiff import derivative, gradient, hessian, jacobian, jvp, linearize, value_and_gradient, vjp

ZERO = np.zeros(2)
AT_ONE = np.ones(2)


def nested_forward(f, x):
    return jacobian(lambda y: jacobian(f, y, mode="forward"), x, mode="forward")


def reverse_over(mode):
    return lambda f, x: jacobian(lambda y: gradient(f, y, mode=mode), x, mode="reverse")


FIRST = {
    "forward": lambda f, x: gradient(f, x, mode="forward"),
    "reverse": lambda f, x: gradient(f, x, mode="reverse"),
    "auto": gradient,
    "one direction": lambda f, x: np.array([jvp(f, x, e)[1] for e in np.eye(len(x))]),
    "rows": lambda f, x: jacobian(lambda y: np.stack([f(y), np.sum(y)]), x, mode="reverse")[0],
    "columns": lambda f, x: jacobian(f, x, mode="forward"),
    "sparse": lambda f, x: jacobian(lambda y: np.stack([f(y)]), x, sparse=True).toarray()[0],
    "pushed": lambda f, x: np.array([linearize(f, x)[1](e) for e in np.eye(len(x))]),
    "pulled": lambda f, x: vjp(f, x)[1](1.0),
    "large": lambda f, x: gradient(lambda y: np.sum(f(y) * np.ones(100)) / 100, x),
}
SECOND = {
    "forward over reverse": lambda f, x: hessian(f, x, mode="reverse"),
    "forward over forward": lambda f, x: hessian(f, x, mode="forward"),
    "auto": hessian,
    "nested jacobians": nested_forward,
    "reverse over reverse": reverse_over("reverse"),
    "reverse over forward": reverse_over("forward"),
    "sparse": lambda f, x: hessian(f, x, sparse=True).toarray(),
}

#: Functions of the first element at a point where its tangent becomes infinite, and their derivatives.
INFINITE = {
    "sqrt**2": (lambda x: np.sqrt(x) ** 2, 0.0, 1.0),
    "sqrt * sqrt": (lambda x: np.sqrt(x) * np.sqrt(x), 0.0, 1.0),
    "square of sqrt": (lambda x: np.square(np.sqrt(x)), 0.0, 1.0),
    "power and its inverse": (lambda x: (x**0.25) ** 4, 0.0, 1.0),
    "cbrt**3": (lambda x: np.cbrt(x) ** 3, 0.0, 1.0),
    "1 - cos(sqrt)": (lambda x: 1 - np.cos(np.sqrt(2 * x)), 0.0, 1.0),
    "arccos**2": (lambda x: np.arccos(1 - x) ** 2, 0.0, 2.0),
    "arcsin": (lambda x: (np.arcsin(1 - x) - np.pi / 2) ** 2, 0.0, 2.0),
    "arccosh**2": (lambda x: np.arccosh(1 + x) ** 2, 0.0, 2.0),
    "sqrt / by sqrt": (lambda x: np.sqrt(x) / (1 / (1 + np.sqrt(x))) - np.sqrt(x), 0.0, 1.0),
    "overflow": (lambda x: np.log(1 + np.exp(x)), 1000.0, 1.0),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), -800.0, 0.0),
}
#: Functions whose gradient at the point is an element of the subdifferential, and their Hessians.
CHOSEN = {
    "norm**2": (lambda x: np.linalg.norm(x) ** 2, ZERO, 2 * np.eye(2)),
    "norm, squared": (lambda x: np.square(np.linalg.norm(x)), ZERO, 2 * np.eye(2)),
    "norm * norm": (lambda x: np.linalg.norm(x) * np.linalg.norm(x), ZERO, 2 * np.eye(2)),
    "sqrt(x @ x)**2": (lambda x: np.sqrt(x @ x) ** 2, ZERO, 2 * np.eye(2)),
    "sqrt(sum)**2": (lambda x: np.sqrt(np.sum(x * x)) ** 2, ZERO, 2 * np.eye(2)),
    "sqrt(x*x) each": (lambda x: np.sum(np.sqrt(x * x) ** 2), ZERO, 2 * np.eye(2)),
    "power 0.5": (lambda x: ((x @ x) ** 0.5) ** 2, ZERO, 2 * np.eye(2)),
    "hypot**2": (lambda x: np.hypot(x[0], x[1]) ** 2, ZERO, 2 * np.eye(2)),
    "hypot, turned": (
        lambda x: np.hypot(x[0] + x[1], x[1]) ** 2,
        ZERO,
        np.array([[2.0, 2.0], [2.0, 4.0]]),
    ),
    "exp(-norm**2 / 2)": (lambda x: np.exp(-(np.linalg.norm(x) ** 2) / 2), ZERO, -np.eye(2)),
    "1 - cos(norm)": (lambda x: 1 - np.cos(np.linalg.norm(x)), ZERO, np.eye(2)),
    "cosh(norm)": (lambda x: np.cosh(np.linalg.norm(x)), ZERO, np.eye(2)),
    "sinc(norm)": (lambda x: np.sinc(np.linalg.norm(x)), ZERO, -(np.pi**2) / 3 * np.eye(2)),
    "i0(norm)": (lambda x: np.i0(np.linalg.norm(x)), ZERO, 0.5 * np.eye(2)),
    "kernel at equal points": (
        lambda x: np.exp(-(np.linalg.norm(x - np.ones(2)) ** 2)),
        AT_ONE,
        -2 * np.eye(2),
    ),
    "std**2": (lambda x: np.std(x) ** 2, AT_ONE, np.array([[0.5, -0.5], [-0.5, 0.5]])),
    "nanstd**2": (lambda x: np.nanstd(x) ** 2, AT_ONE, np.array([[0.5, -0.5], [-0.5, 0.5]])),
    "abs(fft)**2": (lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2), ZERO, 4 * np.eye(2)),
    "abs(fft)**2, one bin": (lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2), AT_ONE, 4 * np.eye(2)),
    "abs of complex": (lambda x: np.abs(x[0] + 1j * x[1]) ** 2, ZERO, 2 * np.eye(2)),
    "residuals that vanish": (
        lambda x: np.linalg.norm(np.stack([x[0] - 1, x[0] * x[1] - 1])) ** 2,
        AT_ONE,
        np.array([[4.0, 2.0], [2.0, 2.0]]),
    ),
    "3-norm**3": (lambda x: np.linalg.norm(x, 3) ** 3, ZERO, np.zeros((2, 2))),
    "sqrt of a fourth power": (lambda x: np.sum(np.sqrt(x**4)), ZERO, 2 * np.eye(2)),
    "norm of squares": (lambda x: np.linalg.norm(x**2) + x @ x, ZERO, None),
    "norm": (np.linalg.norm, ZERO, None),
    "hypot": (lambda x: np.hypot(x[0], x[1]), ZERO, None),
    "std": (np.std, AT_ONE, None),
    "abs(fft)": (lambda x: np.sum(np.abs(np.fft.fft(x))), ZERO, None),
}
#: What is not selected, is multiplied by a constant zero, or does not depend on x: exactly right, to second order.
IDLE = {
    "unselected": (lambda x: np.sum(np.where(x > 1, np.sqrt(x), 2 * x))),
    "unselected, infinite tangent through zero": (lambda x: np.sum(np.where(x > 1, np.sqrt(x) ** 2 + x**2, 2 * x))),
    "unselected norms": (lambda x: np.where(x[0] > 1, np.linalg.norm(x[:1]), 3 * x[0]) + x @ x),
    "a zero weight": (lambda x: np.array([0.0, 1.0]) @ np.sqrt(x)),
    "a zero weight by product": (lambda x: np.sum(np.array([0.0, 1.0]) * np.sqrt(x))),
    "a mask of booleans": (lambda x: np.sum(np.array([False, True]) * np.sqrt(x))),
    "the where of a sum": (lambda x: np.sum(np.sqrt(x), where=np.array([False, True]))),
    "the where of a ufunc": (lambda x: np.sum(np.sqrt(x, where=x > 1, out=2 * x))),
    "the greater": (lambda x: np.sum(np.maximum(np.sqrt(x), 1.0))),
    "clipped": (lambda x: np.sum(np.clip(np.sqrt(x), 1.0, 5.0))),
    "a root of what is cut off": (lambda x: np.sum(np.sqrt(np.maximum(x - 1, 0.0)) + x**2)),
    "a root of what is filled": (lambda x: np.sum(np.sqrt(np.where(x > 1, x, 0.0)) + x**2)),
    "a root of constants": (lambda x: np.sum(np.sqrt(np.concatenate([np.zeros(2), x + 1])))),
    "a root of squares of constants": (lambda x: np.sum(np.sqrt(np.concatenate([np.zeros(2), x + 1]) ** 2))),
    "a branch": (lambda x: sum(np.sqrt(v) if v > 1 else 2 * v for v in x)),
    "indexed": (lambda x: np.sqrt(x)[1] ** 3),
    "overwritten": (lambda x: overwritten(np.sqrt(x))),
}
EXPECTED_IDLE = {
    "unselected": ([2.0, 0.25], [0.0, -1 / 32]),
    "unselected, infinite tangent through zero": ([2.0, 9.0], [0.0, 2.0]),
    "unselected norms": ([3.0, 8.0], [2.0, 2.0]),
    "a zero weight": ([0.0, 0.25], [0.0, -1 / 32]),
    "a zero weight by product": ([0.0, 0.25], [0.0, -1 / 32]),
    "a mask of booleans": ([0.0, 0.25], [0.0, -1 / 32]),
    "the where of a sum": ([0.0, 0.25], [0.0, -1 / 32]),
    "the where of a ufunc": ([2.0, 0.25], [0.0, -1 / 32]),
    "the greater": ([0.0, 0.25], [0.0, -1 / 32]),
    "clipped": ([0.0, 0.25], [0.0, -1 / 32]),
    "a root of what is cut off": ([0.0, 8 + 0.5 / np.sqrt(3)], [2.0, 2 - 0.25 / 3**1.5]),
    "a root of what is filled": ([0.0, 8.25], [2.0, 2 - 1 / 32]),
    "a root of constants": ([0.5, 0.5 / np.sqrt(5)], [-0.25, -0.25 / 5**1.5]),
    "a root of squares of constants": ([1.0, 1.0], [0.0, 0.0]),
    "a branch": ([2.0, 0.25], [0.0, -1 / 32]),
    "indexed": ([0.0, 3.0], [0.0, 0.375]),
    "overwritten": ([0.0, 0.25], [0.0, -1 / 32]),
}


def overwritten(y):
    y[0] = 0.0
    return y[0] + y[1]


def right_or_nan(found, expected):
    """Whether each element is the expected one or NaN, and, where nothing is expected, NaN."""
    found = np.asarray(found)
    if expected is None:
        return bool(np.isnan(found).any())
    return bool(np.all(np.isnan(found) | np.isclose(found, expected, rtol=1e-12, atol=1e-12)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("take", FIRST)
@pytest.mark.parametrize("name", INFINITE)
def test_an_infinite_tangent_through_a_zero_partial(name, take):
    f, at, expected = INFINITE[name]
    found = FIRST[take](lambda x: f(x[0]) + x[1], np.array([at, 1.0]))
    assert right_or_nan(found, [expected, 1.0]), found
    assert found[1] == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", INFINITE)
def test_an_infinite_tangent_of_a_scalar_through_a_zero_partial(name):
    f, at, expected = INFINITE[name]
    for x in (np.float64(at), np.array([at, 0.5])):
        found = derivative(f, x)
        assert right_or_nan(np.ravel(found)[0], expected)
        assert np.isfinite(np.ravel(found)[1:]).all()
    assert right_or_nan(derivative(derivative(f), np.float64(at)), None)


def test_an_infinite_tangent_of_a_float_through_a_zero_partial():
    for f in (
        lambda x: dualdiff.sqrt(x) ** 2,
        lambda x: dualdiff.sqrt(x) * dualdiff.sqrt(x),
        lambda x: 1 - dualdiff.cos(dualdiff.sqrt(2 * x)),
    ):
        assert np.isnan(derivative(f, 0.0))
        assert np.isnan(gradient(lambda x, f=f: f(x[0]) + x[1], [0.0, 1.0])[0])


@pytest.mark.parametrize("take", FIRST)
@pytest.mark.parametrize("name", CHOSEN)
def test_gradients_by_convention_stay(name, take):
    f, at, _ = CHOSEN[name]
    expected = 4.0 if name == "abs(fft)**2, one bin" else 0.0
    assert FIRST[take](f, at) == pytest.approx(np.full(2, expected), abs=1e-12)


@pytest.mark.parametrize("take", SECOND)
@pytest.mark.parametrize("name", CHOSEN)
def test_second_derivatives_where_the_first_was_chosen(name, take):
    f, at, expected = CHOSEN[name]
    found = SECOND[take](f, at)
    assert right_or_nan(found, expected), found


@pytest.mark.parametrize("name", CHOSEN)
def test_value_and_gradient_stay_beside_an_unknown_hessian(name):
    f, at, _ = CHOSEN[name]
    value, slope = value_and_gradient(f, at)
    found = dualdiff.value_gradient_and_hessian(f, at)
    assert found[0] == value
    assert found[1] == pytest.approx(slope)


@pytest.mark.parametrize("take", FIRST)
@pytest.mark.parametrize("name", IDLE)
def test_what_is_idle_does_not_leak(name, take):
    assert FIRST[take](IDLE[name], np.array([0.0, 4.0])) == pytest.approx(np.array(EXPECTED_IDLE[name][0]), rel=1e-14)


@pytest.mark.parametrize("take", SECOND)
@pytest.mark.parametrize("name", IDLE)
def test_what_is_idle_does_not_leak_to_second_order(name, take):
    found = SECOND[take](IDLE[name], np.array([0.0, 4.0]))
    assert found == pytest.approx(np.diag(EXPECTED_IDLE[name][1]), rel=1e-14)


@pytest.mark.parametrize("take", SECOND)
def test_other_elements_keep_their_second_derivatives(take):
    found = SECOND[take](lambda x: np.linalg.norm(x[:1]) ** 2 + x[1] ** 3, np.array([0.0, 2.0]))
    assert found[1, 1] == 12.0
    assert right_or_nan(found, [[2.0, 0.0], [0.0, 12.0]])


def test_points_stay_apart():
    for f in (lambda x: np.sqrt(x * x) ** 2, lambda x: np.hypot(x, 0.0 * x) ** 2):
        found = derivative(derivative(f), np.array([0.0, 1.0, 2.0]))
        assert right_or_nan(found, 2.0)
        assert np.isfinite(found[1:]).all()


def test_third_derivatives_are_right_or_nan():
    third = jacobian(lambda x: hessian(lambda y: np.linalg.norm(y) ** 4, x), ZERO)
    assert right_or_nan(third, np.zeros((2, 2, 2)))


#: Functions that vanish to a high order inside of one with an infinite slope, and their derivatives of order 2 and 3.
VANISHING = {
    "sqrt(x**4)": (lambda x: np.sqrt(x**4), 2.0, 0.0),
    "cbrt(x**9)": (lambda x: np.cbrt(x**9), 0.0, 6.0),
    "(x**12)**0.25": (lambda x: (x**12) ** 0.25, 0.0, np.nan),
    "sum(x**4)**0.5": (lambda x: np.sum(np.stack([x, x]) ** 4) ** 0.5, 2 * np.sqrt(2.0), 0.0),
    "sqrt(sqrt(x**8))": (lambda x: np.sqrt(np.sqrt(x**8)), 2.0, 0.0),
    "arccos(1 - x**4)": (lambda x: np.arccos(1 - x**4), 2 * np.sqrt(2.0), 0.0),
    "arctan2(x**5, x**4)": (lambda x: np.arctan2(x**5, x**4), 0.0, -2.0),
    "hypot(x**3, x**4)": (lambda x: np.hypot(x**3, x**4), 0.0, np.nan),
}


@pytest.mark.filterwarnings("ignore::dualdiff.UndefinedDerivativeWarning")
@pytest.mark.parametrize("name", VANISHING)
def test_what_vanishes_to_a_high_order_is_not_constant(name):
    f, *exact = VANISHING[name]
    series = dualdiff.taylor(f, 0.0, 3) * [1, 1, 2, 6]
    assert right_or_nan(series[2:], np.array(exact))
    for order in (2, 3, 4):
        assert right_or_nan(dualdiff.taylor(f, 0.0, order)[2] * 2, exact[0])
    along = lambda f: lambda x: jvp(f, x, 1.0)[1]
    backward = lambda f: lambda x: gradient(f, x, mode="reverse")
    for first in (along, backward, derivative):
        for second in (along, backward, derivative):
            assert right_or_nan(second(first(f))(0.0), exact[0])
            for third in (along, backward, derivative):
                assert right_or_nan(third(second(first(f)))(0.0), exact[1])


def test_a_series_of_zeros_that_ends_is_constant():
    assert np.array_equal(dualdiff.taylor(lambda t: np.sqrt(t - t), 0.0, 3), np.zeros(4))
    assert np.array_equal(dualdiff.taylor(lambda t: np.sqrt(0.0 * t) * t, 0.0, 3), np.zeros(4))


def test_the_cost_of_a_convention():
    # The one price of the convention that keeps norm usable: 1 would be right.
    assert derivative(lambda x: np.cbrt(x**3), np.float64(0.0)) == 0.0
    assert np.isnan(derivative(derivative(lambda x: np.cbrt(x**3)), np.float64(0.0)))


def test_large_arrays_are_right_or_nan():
    x = np.concatenate([np.zeros(3), np.linspace(1, 2, 10**5)])
    for mode in ("reverse", "auto"):
        found = gradient(lambda x: np.sum(np.sqrt(x) ** 2), x, mode=mode)
        assert np.isnan(found[:3]).all()
        assert found[3:] == pytest.approx(np.ones(10**5))
        found = gradient(lambda x: np.sum(np.where(x > 0, np.sqrt(x) ** 2, 0.5 * x)), x, mode=mode)
        assert found == pytest.approx(np.where(x > 0, 1.0, 0.5))
    found = jvp(lambda x: np.sqrt(x) ** 2, x, np.ones(len(x)))[1]
    assert np.isnan(found[:3]).all()
    assert found[3:] == pytest.approx(np.ones(10**5))


def test_calls_of_f_at_a_singular_point():
    calls = []

    def f(x):
        calls.append(1)
        return np.sum(np.sqrt(x) ** 2)

    for mode in ("forward", "reverse", "auto"):
        calls.clear()
        gradient(f, ZERO, mode=mode)
        assert len(calls) == 1
