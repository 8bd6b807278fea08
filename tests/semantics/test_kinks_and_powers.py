"""Singular points and ties: what each case gives, for numbers and arrays, at every order."""

from __future__ import annotations

import math

import numpy as np
import pytest

import dualdiff
from dualdiff import derivative, gradient, hessian, jacobian, jvp, nth_derivative, value_and_derivative
from dualdiff.core.registry import FUNCTIONS
from tests.support.against import assert_same

inf, nan = math.inf, math.nan


def of_floats(f, x, order=1):
    """The derivative at a Python float."""
    return nth_derivative(f, float(x), order)


def of_numpy_floats(f, x, order=1):
    """The derivative at a float of NumPy's."""
    return nth_derivative(f, np.float64(x), order)


def of_arrays(f, x, order=1):
    """The derivative at an array of points, which are all the same."""
    first, second = nth_derivative(f, np.array([x, x], float), order)
    assert_same(first, second)
    return first


FORMS = [of_floats, of_numpy_floats, of_arrays]
#: Where plain floats of Python raise.
INFINITE = [of_numpy_floats, of_arrays]
forms = pytest.mark.parametrize("take", FORMS)
infinite = pytest.mark.parametrize("take", INFINITE)


def partials(f, *point):
    """The derivatives in each argument, of NumPy's numbers and of arrays, which have to agree."""
    found = [derivative(f, *map(np.float64, point), argnum=i) for i in range(len(point))]
    of_array = [derivative(f, *(np.array([a]) for a in point), argnum=i)[0] for i in range(len(point))]
    along = gradient(lambda p: f(*p), np.array(point, float))
    np.testing.assert_array_equal(of_array, found)
    np.testing.assert_array_equal(along, found)
    return tuple(float(a) for a in found)


# -- kinks -----------------------------------------------------------------------------------------------------------
@forms
@pytest.mark.parametrize("f", [abs, np.abs, np.fabs, dualdiff.absolute])
def test_abs_at_zero_follows_the_sign_bit(take, f):
    assert take(f, 0.0) == 1.0
    assert take(f, -0.0) == -1.0
    assert take(f, -3.0) == -1.0
    for order in (2, 3):
        assert take(f, 0.0, order) == 0.0


@forms
def test_second_derivative_of_a_squared_abs_at_zero(take):
    for zero in (0.0, -0.0):
        assert take(lambda t: abs(t) ** 2, zero, 2) == 2.0
        assert take(lambda t: np.abs(t) * np.abs(t), zero, 2) == 2.0
        assert take(lambda t: abs(t) ** 2, zero, 1) == 0.0
        assert take(lambda t: abs(t) ** 2, zero, 3) == 0.0


@forms
def test_second_derivative_of_abs_of_a_negated_square_at_zero(take):
    assert take(lambda x: abs(-(x**2)), 0.0, 2) == 2.0
    assert take(lambda x: abs(x**2), 0.0, 2) == 2.0
    assert take(lambda x: abs(-x * x), 0.0, 2) == 2.0


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_ties_go_to_the_first_argument(name):
    for f in (getattr(np, name), getattr(dualdiff, name)):
        assert partials(f, 1.0, 1.0) == (1.0, 0.0)
        assert partials(f, 0.0, -0.0) == (1.0, 0.0)
        assert partials(f, inf, inf) == (1.0, 0.0)
        # The piece that was taken is the same at every order.
        assert derivative(derivative(lambda t, f=f: f(t * t, 2 * t - 1)), 1.0) == 2.0
        assert derivative(derivative(lambda t, f=f: f(2 * t - 1, t * t)), 1.0) == 0.0


def test_extremes_of_scalars_and_nan():
    assert partials(np.maximum, nan, 1.0) == (1.0, 0.0)
    assert partials(np.maximum, 1.0, nan) == (0.0, 1.0)
    assert partials(np.minimum, nan, 1.0) == (1.0, 0.0)
    assert partials(np.minimum, 1.0, nan) == (0.0, 1.0)
    assert partials(np.fmax, nan, 1.0) == (0.0, 1.0)
    assert partials(np.fmax, 1.0, nan) == (1.0, 0.0)
    assert partials(np.fmin, nan, 1.0) == (0.0, 1.0)
    assert partials(np.fmin, 1.0, nan) == (1.0, 0.0)


def test_max_and_min_of_equals_go_to_the_first():
    x = np.array([[1.0, 3.0, 3.0], [3.0, 0.0, 0.0]])
    assert_same(gradient(np.max, x), np.array([[0.0, 1, 0], [0, 0, 0]]))
    assert_same(gradient(np.min, x), np.array([[0.0, 0, 0], [0, 1, 0]]))
    assert_same(jacobian(lambda x: np.max(x, axis=1), x)[1], np.array([[0.0, 0, 0], [1, 0, 0]]))
    assert_same(jacobian(lambda x: x.min(axis=0), x)[2], np.array([[0.0, 0, 0], [0, 0, 1]]))
    assert gradient(lambda x: max(x), np.array([2.0, 2.0])).tolist() == [1.0, 0.0]
    assert gradient(lambda x: np.maximum.reduce(x), np.array([2.0, 2.0])).tolist() == [1.0, 0.0]


def test_sort_and_what_rests_on_it_take_equals_in_their_order():
    x = np.array([2.0, 1.0, 2.0, 1.0])
    assert_same(jacobian(np.sort, x), np.eye(4)[[1, 3, 0, 2]])


@pytest.mark.skipif(np.median not in FUNCTIONS, reason="statistics of order have no rules yet")
def test_median_and_quantile_take_equals_in_their_order():
    x = np.array([2.0, 1.0, 2.0, 1.0])
    assert_same(gradient(np.median, x), np.array([0.5, 0, 0, 0.5]))
    assert_same(gradient(lambda x: np.quantile(x, 1 / 3), x), np.array([0.0, 0, 0, 1]))


def test_clip_at_a_bound_is_the_interior_piece():
    assert partials(np.clip, 1.0, 1.0, 2.0) == (1.0, 0.0, 0.0)
    assert partials(np.clip, 2.0, 1.0, 2.0) == (1.0, 0.0, 0.0)
    assert partials(np.clip, 1.5, 1.0, 2.0) == (1.0, 0.0, 0.0)
    assert partials(np.clip, 0.5, 1.0, 2.0) == (0.0, 1.0, 0.0)
    assert partials(np.clip, 2.5, 1.0, 2.0) == (0.0, 0.0, 1.0)
    # With bounds in the wrong order NumPy takes the upper one.
    assert partials(np.clip, 1.5, 2.0, 1.0) == (0.0, 0.0, 1.0)
    for bounds in [(1.0, None), (None, 1.0), (1.0, 1.0)]:
        assert derivative(lambda x, bounds=bounds: np.clip(x, *bounds), 1.0) == 1.0
    assert derivative(derivative(lambda x: np.clip(x**3, 1.0, 2.0)), 1.0) == 6.0


@forms
def test_where_takes_the_chosen_branch_alone(take):
    with np.errstate(all="ignore"):
        assert take(lambda x: np.where(x > 0, np.log(x), 2 * x), 0.0) == 2.0
        assert take(lambda x: np.where(x == 0, 3 * x, np.sin(x) / x), 0.0) == 3.0
        assert take(lambda x: np.where(x == 0, 1.0 + x, np.sqrt(x) * np.log(x)), 0.0, 2) == 0.0
        assert take(lambda x: np.select([x > 0, x <= 0], [np.log(x), 2 * x]), 0.0) == 2.0
        assert take(lambda x: np.choose(0, [5 * x, np.log(x)]), 0.0) == 5.0


def test_piecewise_takes_the_chosen_branch_alone():
    def f(x):
        return np.piecewise(x, [x < 0, x >= 0], [lambda x: 1 / x, lambda x: x**2])

    assert_same(derivative(f, np.array([-2.0, 0.0, 3.0])), np.array([-0.25, 0.0, 6.0]))


@infinite
def test_roots_at_zero_have_infinite_slope(take):
    assert take(np.sqrt, 0.0) == inf
    assert take(np.cbrt, 0.0) == inf
    assert take(dualdiff.sqrt, 0.0) == inf
    assert take(dualdiff.cbrt, 0.0) == inf


@forms
def test_roots_of_what_has_no_tangent_at_zero(take):
    assert take(lambda x: np.sqrt(x * x), 0.0) == 0.0
    assert take(lambda x: np.sqrt(0 * x), 0.0) == 0.0
    assert take(lambda x: np.cbrt(x**2), 0.0) == 0.0


def test_norm_at_zero():
    for norm in (np.linalg.norm, lambda x: np.sqrt(np.sum(x**2)), lambda x: np.sqrt(x @ x)):
        assert_same(gradient(norm, np.zeros(3)), np.zeros(3))
    assert partials(np.hypot, 0.0, 0.0) == (0.0, 0.0)


@forms
@pytest.mark.parametrize(("x", "y"), [(7.3, 2.0), (-7.3, 2.0), (7.3, -2.0), (-7.3, -2.0), (6.0, 2.0), (0.0, 2.0)])
def test_remainders(take, x, y):
    for f in (lambda x, y: x % y, np.remainder, np.mod, dualdiff.remainder):
        assert take(lambda t, f=f: f(t, y), x) == 1.0
        assert take(lambda t, f=f: f(x, t), y) == -(x // y)
        assert take(lambda t, f=f: f(x, t), y, 2) == 0.0
    for f in (np.fmod, dualdiff.fmod):
        assert take(lambda t, f=f: f(t, y), x) == 1.0
        assert take(lambda t, f=f: f(x, t), y) == -math.trunc(x / y)
    for f in (lambda x, y: x // y, np.floor_divide, dualdiff.floor_divide):
        assert take(lambda t, f=f: f(t, y), x) == 0.0
        assert take(lambda t, f=f: f(x, t), y) == 0.0


@forms
def test_fmod_takes_the_quotient_that_it_took(take):
    # 0.3 / 0.1 rounds to 3, but fmod goes twice.
    assert take(lambda y: np.fmod(0.3, y), 0.1) == -2.0
    assert take(lambda y: np.remainder(0.3, y), 0.1) == -2.0
    assert take(lambda y: np.fmod(1e17, y), 3.0) == -(1e17 // 3)


@forms
def test_sharp_bits_where_no_choice_can_be_right(take):
    # The right answers would be 2, 2, 1 and 2; NaN says that it is not known.
    assert take(lambda x: abs(0 - x**2), 0.0, 2) == -2.0
    assert take(lambda x: np.maximum(-(x**2), x**2), 0.0, 2) == -2.0
    assert take(lambda x: np.cbrt(x**3), 0.0) == 0.0
    assert np.isnan(take(lambda x: np.sqrt(x**4), 0.0, 2))


# -- powers ----------------------------------------------------------------------------------------------------------
@forms
def test_power_of_zero_exponents(take):
    for zero in (0, 0.0, np.float64(0.0)):
        for f in (lambda x, n: x**n, np.power, np.float_power, dualdiff.power):
            assert take(lambda x, f=f, n=zero: f(x, n), 0.0, 0) == 1.0
            for order in (1, 2, 3):
                assert take(lambda x, f=f, n=zero: f(x, n), 0.0, order) == 0.0
                assert take(lambda x, f=f, n=zero: f(x, n), 2.5, order) == 0.0


@forms
@pytest.mark.parametrize("convert", [int, float, np.float64])
def test_whole_powers_at_zero_are_products(take, convert):
    one, two, three, four = map(convert, (1, 2, 3, 4))
    wanted = {
        one: (lambda x: x * 1.0, [0.0, 1.0, 0.0, 0.0, 0.0]),
        two: (lambda x: x * x, [0.0, 0.0, 2.0, 0.0, 0.0]),
        three: (lambda x: x * x * x, [0.0, 0.0, 0.0, 6.0, 0.0]),
        four: (lambda x: x * x * x * x, [0.0, 0.0, 0.0, 0.0, 24.0]),
    }
    for n, (product, numbers) in wanted.items():
        for order, number in enumerate(numbers):
            assert take(product, 0.0, order) == number
            for f in (lambda x, n=n: x**n, lambda x, n=n: np.power(x, n), lambda x, n=n: np.float_power(x, n)):
                assert take(f, 0.0, order) == number
                # Away from zero: no rounding is left in derivatives that vanish.
                assert take(f, 3.0, order) == take(product, 3.0, order)


@forms
def test_negative_base(take):
    for f in (lambda x, y: x**y, np.power, dualdiff.power):
        assert take(lambda x, f=f: f(x, 2.0), -2.0) == -4.0
        assert take(lambda x, f=f: f(x, 3), -2.0) == 12.0
        assert take(lambda x, f=f: f(x, -1), -2.0) == -0.25
        assert take(lambda x, f=f: f(x, -2.0), -2.0) == 0.25
        assert math.isnan(take(lambda y, f=f: f(-2.0, y), 2.0))
        # Only if y carries a tangent.
        assert take(lambda x, f=f: f(x, 2.0 + 0 * x), -2.0) == -4.0


@infinite
def test_zero_base_in_the_exponent(take):
    for f in (np.power, lambda x, y: np.float64(x) ** y, np.float_power, dualdiff.power):
        with np.errstate(all="ignore"):
            slopes = [take(lambda y, f=f: f(0.0, y), y) for y in (-0.5, 0.0, 0.5, 1.5)]
        assert slopes == [-inf, -inf, 0.0, 0.0]


def test_power_at_its_singular_points():
    for f in (np.power, lambda x, y: x**y, np.float_power, dualdiff.power):
        assert partials(f, 0.0, 0.5) == (inf, 0.0)
        assert partials(f, 0.0, 1.5) == (0.0, 0.0)
        assert partials(f, 1.0, 1.0) == (1.0, 0.0)
        assert partials(f, 0.0, 1.0) == (1.0, 0.0)
        assert partials(f, inf, 0.25) == (0.0, inf)
        assert partials(f, inf, 2.0) == (inf, inf)


def test_python_floats_raise_as_they_do():
    for f, x in [(lambda x: x**-0.5, 0.0), (lambda x: 1 / x, 0.0), (lambda x: x % 0.0, 1.0), (lambda x: x // 0, 1.0)]:
        with pytest.raises(ZeroDivisionError):
            derivative(f, x)
    with pytest.raises(OverflowError):
        derivative(lambda x: x**1000.0, 1e10)
    # All functions of a name, and all partials, give infinity instead.
    assert derivative(dualdiff.log, 0.0) == inf
    assert derivative(dualdiff.sqrt, 0.0) == inf
    assert derivative(lambda x: x**0.5, 0.0) == inf
    assert value_and_derivative(dualdiff.reciprocal, 0.0) == (inf, -inf)
    assert derivative(dualdiff.exp, 1000.0) == inf


@infinite
def test_power_of_nan(take):
    for f in (lambda x, y: x**y, np.power, dualdiff.power):
        assert math.isnan(take(lambda x, f=f: f(x, nan), 2.0))
        assert math.isnan(take(lambda y, f=f: f(nan, y), 2.0))
        assert math.isnan(take(lambda x, f=f: f(x, 2.0), nan))
        assert take(lambda x, f=f: f(x, nan), 1.0, 0) == 1.0
        assert math.isnan(take(lambda x, f=f: f(x, nan), 1.0))


def test_fractional_powers_of_a_negative_base_are_pythons_complex_numbers():
    found, slope = value_and_derivative(lambda x: x**0.5, -4.0)
    assert found == (-4.0) ** 0.5
    assert type(found) is complex
    assert slope == pytest.approx(0.5 * (-4.0) ** -0.5)
    with np.errstate(invalid="ignore"):
        assert math.isnan(derivative(lambda x: np.power(x, 0.5), -4.0))


def test_mixed_derivatives_of_power_at_exponent_zero():
    # d2/dx dy x**y at y = 0 is 1/x, also where the exponent zero makes x**y constant in x.
    def mixed(x, y):
        return derivative(lambda y: derivative(lambda x: x**y, x), y)

    assert mixed(2.0, 0.0) == 0.5
    assert mixed(np.float64(2.0), np.float64(0.0)) == 0.5
    assert_same(mixed(np.array([2.0, 4.0]), np.zeros(2)), np.array([0.5, 0.25]))


# -- zero tangents beside infinite partials --------------------------------------------------------------------------
def test_log_at_a_zero_tangent():
    def f(x):
        with np.errstate(divide="ignore"):
            return np.log(0 * x[0] + x[1])

    assert_same(gradient(f, np.array([1.0, 0.0])), np.array([0.0, inf]))
    assert_same(jacobian(f, np.array([1.0, 0.0]), mode="forward"), np.array([0.0, inf]))
    assert_same(gradient(lambda x: dualdiff.log(0 * x[0] + x[1]), (1.0, 0.0)), np.array([0.0, inf]))


def test_overflowing_exponential():
    def f(x):
        with np.errstate(over="ignore"):
            return x[0] * np.exp(-x[1])

    assert_same(gradient(f, np.array([1.0, -1000.0])), np.array([inf, -inf]))
    assert gradient(lambda x: x[0] * dualdiff.exp(-x[1]), (1.0, -1000.0)) == (inf, -inf)


@infinite
def test_zero_times_infinity_is_zero_for_tangents(take):
    with np.errstate(all="ignore"):
        assert take(lambda x: np.log(x * 0.0 + 0.0), 1.0) == 0.0
        assert take(lambda x: np.sqrt(x - x), 1.0) == 0.0
        assert take(lambda x: np.power(0.0 * x, -0.5), 1.0) == 0.0
        assert take(lambda x: 1 / (x * 0.0), 1.0) == 0.0
        # A zero partial beside an infinite tangent.
        assert take(lambda x: 0.0 * np.sqrt(x), 0.0) == 0.0
        assert take(lambda x: np.sin(np.sqrt(x)) * 0.0, 0.0) == 0.0
    # Nested: the inner tangent is zero only in its value.
    assert take(lambda x: np.sqrt(x * x), 0.0) == 0.0


def test_xlogy_at_zero():
    for f in (dualdiff.xlogy,):
        assert partials(f, 0.0, 0.0) == (-inf, 0.0)
        assert partials(f, 0.0, 2.0) == (math.log(2.0), 0.0)
        assert partials(f, 0.0, inf) == (inf, 0.0)
        assert derivative(lambda y, f=f: derivative(lambda x: f(x, y), 0.0), 2.0) == 0.5
        assert derivative(lambda x, f=f: derivative(lambda y: f(x, y), 2.0), 0.0) == 0.5
    assert partials(dualdiff.xlog1py, 0.0, -1.0) == (-inf, 0.0)
    assert derivative(lambda x: derivative(lambda y: dualdiff.xlog1py(x, y), 1.0), 0.0) == 0.5


def test_entropy_of_a_distribution_with_zeros():
    p = np.array([0.5, 0.0, 0.5])
    found = jvp(lambda p: -np.sum(dualdiff.xlogy(p, p)), p, np.array([1.0, 0.0, -1.0]))
    assert found == (math.log(2.0), 0.0)


# -- products with zeros ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("zeros", [(), (1,), (1, 3), (0, 1, 3)])
def test_products_with_zeros_are_exact_at_every_order(zeros):
    x = np.array([2.0, 3.0, -1.5, 4.0])
    x[list(zeros)] = 0.0

    def by_hand(x):
        return x[0] * x[1] * x[2] * x[3]

    for f in (np.prod, lambda x: np.multiply.reduce(x), lambda x: np.cumprod(x)[-1], lambda x: x.prod()):
        np.testing.assert_array_equal(gradient(f, x), gradient(by_hand, x))
        np.testing.assert_array_equal(hessian(f, x), hessian(by_hand, x))
        np.testing.assert_array_equal(jacobian(hessian(f), x), jacobian(hessian(by_hand), x))
    J = jacobian(np.cumprod, x)
    for k in range(4):
        np.testing.assert_array_equal(J[k], gradient(lambda x, k=k: np.prod(x[: k + 1]), x))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_product_of_no_factors_is_one(mode):
    for f in (lambda x: np.prod(x[:, :0], axis=1), lambda x: np.prod(x[:0], axis=1), lambda x: np.prod(x[:0])):
        x = np.ones((2, 3))
        np.testing.assert_array_equal(jacobian(f, x, mode=mode), np.zeros((*f(x).shape, 2, 3)))


# -- whole ranges ----------------------------------------------------------------------------------------------------
def close(found, wanted):
    """Equal to within four units in the last place."""
    return abs(found - wanted) <= 4 * math.ulp(wanted)


@forms
def test_hypot_over_its_whole_range(take):
    for size in (1e-200, 1.0, 1e200, 1e-300, 1e300):
        assert close(take(lambda x, s=size: np.hypot(x, 4 * s), 3 * size), 0.6)
        assert close(take(lambda x, s=size: dualdiff.hypot(4 * s, x), 3 * size), 0.6)
    assert take(lambda x: np.hypot(x, 1e200), 1e-200) == 0.0
    assert take(lambda x: np.hypot(x, 1e-200), 1e200) == 1.0


@forms
def test_logaddexp_over_its_whole_range(take):
    for x in (0.0, 700.0, -700.0, 1e200, -1e200, 1e-200):
        assert take(lambda t, x=x: np.logaddexp(t, x), x) == 0.5
        assert take(lambda t, x=x: np.logaddexp(t, x), x, 2) == 0.25
    assert close(take(lambda t: np.logaddexp(t, 20.0), 0.0), math.exp(-20) / (1 + math.exp(-20)))
    assert close(take(lambda t: np.logaddexp(t, 700.0), 0.0), math.exp(-700))
    assert close(take(lambda t: np.logaddexp(t, 400.0), 0.0, 2), math.exp(-400))
    assert take(lambda t: np.logaddexp(t, 0.0), 1e200) == 1.0
    assert take(lambda t: np.logaddexp2(t, 0.0), -20.0) == 2.0**-20 / (1 + 2.0**-20)


def test_logaddexp_of_infinities():
    assert partials(np.logaddexp, -inf, 0.0) == (0.0, 1.0)
    assert partials(np.logaddexp, inf, 0.0) == (1.0, 0.0)
    assert partials(np.logaddexp, -inf, -inf) == (1.0, 0.0)
    assert partials(np.logaddexp2, inf, inf) == (1.0, 0.0)


def test_arctan2_over_its_whole_range():
    for size in (1e-200, 1.0, 1e200):
        in_y, in_x = partials(np.arctan2, 3 * size, 4 * size)
        assert close(in_y, 4 / (25 * size))
        assert close(in_x, -3 / (25 * size))
    assert partials(np.arctan2, 0.0, -1.0) == (-1.0, 0.0)
    assert partials(np.arctan2, 1.0, 0.0) == (0.0, -1.0)
    assert partials(np.arctan2, 1e-200, 1e200) == (1e-200, 0.0)


@forms
def test_inverse_hyperbolic_functions_over_their_whole_ranges(take):
    assert take(np.arcsinh, 1e-200) == 1.0
    assert take(np.arcsinh, 1e200) == 1e-200
    assert take(np.arcsinh, -1e200) == 1e-200
    assert close(take(np.arccosh, 1e200), 1e-200)
    assert close(take(np.arccosh, 1.0 + 2.0**-40), 1 / math.sqrt(2.0**-40 * (2 + 2.0**-40)))
    assert close(take(np.arctanh, 1.0 - 2.0**-50), 2.0**50 / (2 - 2.0**-50))
    assert take(np.arctan, 1e200) == 0.0


@forms
def test_hyperbolic_tangent_does_not_cancel(take):
    for x in (20.0, -20.0):
        assert close(take(np.tanh, x), 4 * math.exp(-40) / (1 + math.exp(-40)) ** 2)
    assert close(take(np.tanh, 300.0), 4 * math.exp(-600))
    assert take(np.tanh, 700.0) == 0.0
    assert take(np.tanh, 1e200) == 0.0
    assert take(np.tanh, 1e-200) == 1.0
    assert close(take(dualdiff.tanh, 20.0), 4 * math.exp(-40) / (1 + math.exp(-40)) ** 2)
    assert take(dualdiff.tanh, 1e5) == 0.0


# -- functions that quotients would spoil near zero ------------------------------------------------------------------
@forms
@pytest.mark.parametrize("f", [np.sinc, dualdiff.sinc])
def test_sinc_at_zero_and_near_it_at_every_order(take, f):
    at_zero = [1.0, 0.0, -(math.pi**2) / 3, 0.0, math.pi**4 / 5, 0.0]
    for order, wanted in enumerate(at_zero):
        assert take(f, 0.0, order) == pytest.approx(wanted, rel=1e-15)
        # By Taylor's theorem the derivatives are continuous.
        for x in (1e-300, 1e-20, 1e-9, -1e-9, 1e-5):
            slope = -(math.pi ** (order + 1)) * math.sin(order * math.pi / 2) / (order + 2) if order % 2 else 0.0
            near = wanted + x * slope
            assert take(f, x, order) == pytest.approx(near, rel=1e-8 if order % 2 else 1e-9)


@forms
def test_expm1_log1p_and_exprel_near_zero(take):
    for x in (0.0, 1e-300, 1e-20, 1e-9, -1e-9):
        for order in (1, 2, 3):
            assert close(take(np.expm1, x, order), math.exp(x))
            sign, factorial = (-1) ** (order - 1), math.factorial(order - 1)
            assert close(take(np.log1p, x, order), sign * factorial * (1 - order * x))
        for order in range(4):
            k = order + 1
            assert take(dualdiff.exprel, x, order) == pytest.approx(1 / k + x / (k + 1), rel=1e-15)


# -- no noise --------------------------------------------------------------------------------------------------------
@forms
def test_singular_partials_are_silent(take):
    # Warnings are errors here, and none of these functions warns of its value.
    assert take(np.sqrt, 0.0) == inf
    assert take(np.cbrt, 0.0) == inf
    assert take(np.arcsin, 1.0) == inf
    assert take(np.arccos, -1.0) == -inf
    assert take(np.arccosh, 1.0) == inf
    assert take(lambda x: 1 / x, 1e-200) == -inf
    assert take(np.tanh, 1e308) == 0.0
    assert take(lambda x: x**0.5, 0.0) == inf
