"""`custom_derivative`: functions with partial derivatives that are given; see test_custom_jvp.py for the other form."""

import math
import pickle

import numpy as np
import pytest

import dualdiff
from dualdiff import (
    check_derivative,
    custom_derivative,
    derivative,
    gradient,
    hessian,
    jacobian,
    jvp,
    nth_derivative,
)


def gauss(x):
    """The derivative of erf."""
    return 2 / math.sqrt(math.pi) * np.exp(-x * x)


erf = custom_derivative(math.erf, gauss)
product = custom_derivative(lambda x, y: x * y**2, lambda x, y: y**2, lambda x, y: 2 * x * y)


def test_plain_values_reach_f_unchanged():
    """Without duals the function is f itself, result and types included."""
    seen = []
    f = custom_derivative(lambda x: seen.append(x) or 7, lambda x: 1.0)
    argument = [1, 2]
    assert f(argument) == 7
    assert seen[0] is argument


def test_value_is_untouched():
    """The value under differentiation is the one that f gives, bit for bit."""
    value, slope = dualdiff.value_and_derivative(erf, 0.3)
    assert value == math.erf(0.3)
    assert slope == gauss(0.3)


def test_higher_derivatives_go_through_the_partial():
    """The second and third derivative of erf are those of its partial."""
    x = 0.7
    assert nth_derivative(erf, x, 2) == pytest.approx(-2 * x * gauss(x), rel=1e-14)
    assert nth_derivative(erf, x, 3) == pytest.approx((4 * x * x - 2) * gauss(x), rel=1e-14)


@pytest.mark.parametrize("inner", ["first", "second"])
def test_nested_calls_are_kept_apart(inner):
    """D_x [x D_y product(x, y)]: each level sees its own tangent in the one function."""
    order = (lambda x, y: product(x, y)) if inner == "first" else (lambda x, y: product(y, x))
    found = derivative(lambda x: x * derivative(lambda y: order(x, y), 3.0), 2.0)
    # x * 2 x y has slope 4 x y; with the arguments exchanged, x * x^2 has slope 3 x^2.
    assert found == (24.0 if inner == "first" else 12.0)


def test_several_arguments_and_broadcasting():
    """Jacobian and Hessian where arguments of different shapes meet."""
    x = np.array([1.0, 2.0, 3.0])
    expected = np.diag(x[::-1] ** 2) + np.fliplr(np.diag(2 * x * x[::-1]))
    np.testing.assert_array_equal(jacobian(lambda x: product(x, x[::-1]), x), expected)
    np.testing.assert_array_equal(gradient(lambda y: np.sum(product(x, y)), 2.0), 24.0)
    np.testing.assert_array_equal(hessian(lambda v: product(v[0], v[1]), [1.0, 2.0]), [[0.0, 4.0], [4.0, 2.0]])
    column = np.ones((2, 1))
    assert jacobian(lambda y: product(x, y), column).shape == (2, 3, 2, 1)


def test_object_arrays_and_lists_of_duals():
    """What np.asarray and lists make of duals keeps its derivative."""
    for together in (np.asarray, lambda x: [x[0], x[1]]):
        found = gradient(lambda x, together=together: np.sum(product(together(x), 2.0)), np.array([1.0, 2.0]))
        np.testing.assert_array_equal(found, [4.0, 4.0])


def test_reverse_mode_reads_the_same_rule():
    """The transposed map has the partials of the rule."""
    if not hasattr(dualdiff, "vjp"):
        pytest.skip("there is no reverse mode")
    value, pull = dualdiff.vjp(lambda v: product(v[0], v[1]), np.array([1.0, 2.0]))
    assert value == 4.0
    np.testing.assert_array_equal(pull(1.0), [4.0, 4.0])


def test_none_counts_as_constant():
    """An argument with the partial None has no derivative."""
    f = custom_derivative(lambda x, y: x * y, lambda x, y: y, None)
    assert derivative(f, 2.0, 3.0) == 3.0
    assert derivative(f, 2.0, 3.0, argnum=1) == 0.0


def test_keywords_go_to_f_and_the_partials():
    """Keywords are constants; one that carries a tangent is refused."""
    power = custom_derivative(lambda x, n=2: x**n, lambda x, n=2: n * x ** (n - 1))
    assert derivative(lambda x: power(x, n=3), 2.0) == 12.0
    assert derivative(power, 2.0) == 4.0
    with pytest.raises(TypeError, match=r"does not differentiate keyword arguments.*pass it positionally"):
        derivative(lambda n: power(2.0, n=n), 3.0)


def test_integer_result_does_not_truncate_the_derivative():
    """f returned an int: the tangent 0.5 must not become 0."""
    f = custom_derivative(lambda x: 1, lambda x: 0.5)
    assert derivative(f, 1.0) == 0.5
    g = custom_derivative(lambda x: np.ones(2, int), lambda x: np.full(2, 0.5))
    np.testing.assert_array_equal(jacobian(g, np.ones(2)), [[0.5, 0.0], [0.0, 0.5]])


def test_single_precision_is_kept():
    """Value and derivative of a float32 function at float32 are float32."""
    f = custom_derivative(np.sin, np.cos)
    value, slope = dualdiff.value_and_derivative(f, np.float32(0.5))
    assert value.dtype == slope.dtype == np.float32


def test_pickles_with_its_partials():
    """The function can be sent to another process, where it still knows its derivative."""
    copy = pickle.loads(pickle.dumps(erf))
    assert derivative(copy, 0.0) == derivative(erf, 0.0)
    assert repr(copy) == "<custom_derivative of erf>"


def test_check_derivative_accepts_it():
    """The rules of this file are right."""
    check_derivative(erf, 0.3)
    check_derivative(lambda v: product(v[0], v[1]), np.array([1.5, 2.5]), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.sin,), "takes a function and its partial derivatives"),
        ((3, np.cos), "takes a function and its partial derivatives"),
        ((np.sin, 2.0), "takes a function and its partial derivatives"),
    ],
)
def test_refused_when_made(arguments, message):
    """No partial, or something that is not a function."""
    with pytest.raises(TypeError, match=message):
        custom_derivative(*arguments)


def test_more_partials_than_arguments():
    for f in math.sin, np.sin, lambda x, *, scale=1.0: scale * x:
        with pytest.raises(TypeError, match="takes 1 positional argument, but 2 partials were given"):
            custom_derivative(f, np.cos, np.cos)
    scaled = custom_derivative(lambda x, a=2.0: a * x, lambda x, a=2.0: a, lambda x, a=2.0: x)
    assert derivative(scaled, 3.0) == 2.0
    assert derivative(custom_derivative(lambda *x: x[0] * x[1], lambda x, y: y, lambda x, y: x), 1.0, 4.0) == 4.0


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (custom_derivative(np.exp, lambda x: None), TypeError, "argument 0 returned None, which is not numeric"),
        (custom_derivative(np.exp, lambda x: "a"), TypeError, "argument 0 returned 'a', which is not numeric"),
        (custom_derivative(np.exp, lambda x: 1j), TypeError, "returned 1j, but exp itself is real"),
        (custom_derivative(np.exp, lambda x: np.ones(3)), ValueError, r"shape \(3,\), the argument \(\)"),
        (custom_derivative(lambda x: (x, x), lambda x: 1.0), TypeError, "returned a tuple"),
        (custom_derivative(lambda x: None, lambda x: 1.0), TypeError, "is a return statement missing"),
        (custom_derivative(lambda x: [x, x], lambda x: 1.0), ValueError, r"the result \(2,\)"),
    ],
)
def test_refused_when_called(f, error, message):
    """What the rule cannot use raises, and never counts as zero."""
    with pytest.raises(error, match=message):
        derivative(f, 1.0)


def test_function_that_combines_elements_is_refused():
    """A rule is elementwise: the gradient of a sum does not fit."""
    total = custom_derivative(lambda x: np.sum(x**2), lambda x: 2 * x)
    x = np.array([1.0, 2.0])
    for operator in (gradient, jacobian, lambda f, x: jvp(f, x, x)):
        with pytest.raises(ValueError, match=r"the result \(\): partial derivatives are for elementwise functions"):
            operator(total, x)


def test_argument_without_a_partial_is_refused():
    """An argument beyond the partials that carries a tangent raises; a plain one does not."""
    f = custom_derivative(lambda x, y: x * y, lambda x, y: y)
    assert derivative(f, 2.0, 3.0) == 3.0
    with pytest.raises(
        TypeError, match=r"argument 1 of .* carries a tangent, but custom_derivative was given 1 partials"
    ):
        derivative(f, 2.0, 3.0, argnum=1)
