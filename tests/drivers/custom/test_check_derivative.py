"""`check_derivative`: right derivatives pass, and what is wrong is found and named."""

import math
from typing import NamedTuple

import numpy as np
import pytest

from dualdiff import (
    DerivativeCheckError,
    check_derivative,
    custom_derivative,
    derivative,
    gradient,
)


class Pair(NamedTuple):
    """A named tuple among the containers."""

    left: float
    right: np.ndarray


def nested(p):
    """A function of containers, to containers."""
    return {"u": p["a"] @ p["b"].right, "v": (p["b"].left ** 2 * p["a"][0], 3.0)}


NESTED = {"a": np.arange(6.0).reshape(2, 3), "b": Pair(2.0, np.ones(3))}


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: x**3 + 2 * x, 3),
        (lambda x: np.sin(x) * np.exp(-x * x) / x, 0.7),
        (lambda x: x ** np.sum(x), np.array([1.0, 2.0, 3.0])),
        (lambda x: np.linalg.solve(x + 3 * np.eye(3), x[0]), np.arange(9.0).reshape(3, 3)),
        (lambda x: np.sort(x)[::-1] * x, np.linspace(1.0, 2.0, 40)),
        (lambda x: [x[0], x[1] ** 2], [1.0, 2.0]),
        (nested, NESTED),
        (gradient(lambda x: np.sum(x**2 * np.prod(x))), np.array([1.0, 2.0, 3.0])),
        (lambda x: 3.0, 2.0),
        (lambda x: 1e5 + 0 * x, np.zeros(3)),
        (lambda x: 2 * x, np.zeros((0, 3))),
    ],
)
def test_right_derivatives_pass(f, x):
    """Scalars, arrays, lists, containers, constants, empty x."""
    report = check_derivative(f, x)
    assert report.passed
    assert not report.failures.any()


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (abs, -0.3),
        (lambda x: np.maximum(x, 1.0), 1.01),
        (np.floor, 2.5),
        (lambda x: np.real(x) * x, 2.0),
    ],
)
def test_functions_that_are_not_analytic_pass(f, x):
    """The complex step of abs, maximum and the like is wrong, and is not believed."""
    assert check_derivative(f, x).passed


def test_real_functions_without_complex_step_pass():
    """math.log refuses complex arguments: only finite differences decide."""
    report = check_derivative(custom_derivative(math.log, lambda x: 1 / x), 2.0)
    assert np.isnan(report.complex_step).all()


def test_complex_arguments_pass():
    """Along the real and the imaginary direction, holomorphic or not."""
    z = np.array([1.0 + 2.0j, -0.5j])
    for f in (np.exp, lambda z: np.abs(z) ** 2 * z, lambda z: np.sum(np.abs(z))):
        report = check_derivative(f, z)
        assert report.directions == ("x[0]", "i x[0]", "x[1]", "i x[1]")


def test_complex_result_of_a_real_argument():
    """exp(ix) from real x."""
    check_derivative(lambda x: np.exp(1j * x), np.array([0.5, 1.5]))


def test_lower_precision_is_judged_by_its_own_unit():
    """float32 passes where float64 would need to be more accurate, and a real error in it is detected."""
    x = np.array([1.0, 2.0], np.float32)
    check_derivative(lambda x: np.exp(x) * x, x)
    with pytest.raises(DerivativeCheckError):
        check_derivative(custom_derivative(np.exp, lambda x: np.exp(x) * np.float32(1.001)), x)


def test_near_the_edge_of_the_domain():
    """Steps that leave the domain are left out, whether f returns NaN there or raises."""
    check_derivative(np.arccos, 0.9999)
    check_derivative(custom_derivative(math.acos, lambda x: -1 / math.sqrt(1 - x * x)), 0.9999)


def test_short_wave():
    """A function that changes much faster than x is large."""
    check_derivative(lambda x: np.sin(1000 * x), 1.3)


def test_parameters_of_different_size():
    """Each element has a step proportional to its magnitude."""
    pressure = np.linspace(70.0, 700.0, 14)
    check_derivative(lambda b: b[0] * (1 - np.exp(-b[1] * pressure)), np.array([500.0, 1e-4]), rtol=1e-9)


def test_other_arguments_and_argnum():
    """The argument that is checked, among others."""
    f = lambda n, x, y: x**n * y
    assert check_derivative(f, 3, 2.0, 5.0, argnum=1).dual == [[60.0]]
    np.testing.assert_array_equal(check_derivative(f, 3, 2.0, 5.0, argnum=(2, 1)).dual, [[8.0], [60.0]])


def test_analytic_functions_are_checked_to_rounding():
    """The complex step carries a demand of twelve digits; an error in the tenth is found by it."""
    check_derivative(np.tanh, 0.4, rtol=1e-12)
    wrong = custom_derivative(np.tanh, lambda x: (1 + 1e-10) / np.cosh(x) ** 2)
    with pytest.raises(DerivativeCheckError, match="1 of 1 derivatives do not agree"):
        check_derivative(wrong, 0.4, rtol=1e-12)


def test_x_is_left_alone():
    """f may write into its argument; the caller's array, and each next call, see the original."""
    x = np.array([1.0, 2.0])

    def f(x):
        x *= 3
        return np.sum(x * x)

    check_derivative(f, x)
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_large_arguments_take_random_directions():
    """Beyond ten elements, five directions, the same in each call; one wrong partial among a hundred is detected."""
    x = np.linspace(1.0, 2.0, 100)
    assert check_derivative(np.sum, x).directions == tuple(f"random direction {k}" for k in range(1, 6))
    first, second = (check_derivative(np.exp, x, directions=2) for _ in range(2))
    np.testing.assert_array_equal(first.dual, second.dual)
    assert first.dual.shape == (2, 100)
    square = custom_derivative(np.square, lambda x: 2 * x * (1 + 1e-3 * (np.arange(100) == 37)))
    with pytest.raises(DerivativeCheckError, match="5 of 5 derivatives"):
        check_derivative(lambda x: np.sum(square(x)), x)


def test_report_has_the_figures():
    """Rows are directions, columns are elements of f(x), both by name."""
    report = check_derivative(nested, NESTED)
    assert report.directions[:2] == ("x['a'][0, 0]", "x['a'][0, 1]")
    assert report.directions[-4:] == ("x['b'].left", "x['b'].right[0]", "x['b'].right[1]", "x['b'].right[2]")
    assert report.places == ("f(x)['u'][0]", "f(x)['u'][1]", *(f"f(x)['v'][0][{k}]" for k in range(3)), "f(x)['v'][1]")
    expected = np.zeros((10, 6))
    expected[range(6), [0, 0, 0, 1, 1, 1]] = 1.0
    expected[range(3), [2, 3, 4]] = 4.0
    expected[6, 2:5] = [0.0, 4.0, 8.0]
    expected[7:, :2] = [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    np.testing.assert_array_equal(report.dual, expected)
    for other in (report.finite_difference, report.complex_step):
        np.testing.assert_allclose(other, expected, atol=1e-11)
    assert np.all(report.error <= 1e-11)
    assert np.all(report.uncertainty < 1e-6)
    assert repr(report).startswith("<DerivativeCheck passed: 6 elements, 10 directions, largest error ")
    with pytest.raises(AttributeError):
        report.dual = 0


def test_wrong_partial_is_shown():
    """The error is an AssertionError that names the element and has the report."""
    power = custom_derivative(lambda x, y: x**y, lambda x, y: y * x ** (y - 1), lambda x, y: x**y)
    f = lambda v: np.stack([v["a"] * v["b"], power(v["a"], v["b"])])
    with pytest.raises(AssertionError) as caught:
        check_derivative(f, {"a": 3.0, "b": 2.0})
    assert str(caught.value) == (
        "1 of 4 derivatives do not agree, the worst is that of f(x)[1] along x['b']:\n"
        "  dualdiff           9\n"
        "  finite difference  9.887510598\n"
        "  complex step       9.887510598"
    )
    report = caught.value.report
    assert report.worst == (1, 1)
    assert repr(report).startswith("<DerivativeCheck failed: 2 elements, 2 directions, largest error 8.9e-01 ")


def test_wrong_second_derivative_is_shown():
    """A partial that is correct as a value, but not as a function."""
    right_once = custom_derivative(np.sin, lambda x: np.cos(x) + 0 * x)
    constant = custom_derivative(np.sin, lambda x: np.cos(float(np.real(getattr(x, "value", x)))))
    check_derivative(derivative(right_once), 1.0)
    check_derivative(constant, 1.0)
    with pytest.raises(DerivativeCheckError, match="along x"):
        check_derivative(derivative(constant), 1.0)


def test_kink_is_named():
    """Where f has no derivative, the one-sided derivatives are shown."""
    with pytest.raises(DerivativeCheckError, match=r"kink there: its one-sided derivatives are -1 and 1, and dualdiff"):
        check_derivative(lambda x: abs(x - 2.0), 2.0)


def test_step_function_below_the_steps_is_named():
    """round(x, 6) looks smooth to differences, and has derivative zero."""
    with pytest.raises(DerivativeCheckError, match=r"Either f has steps \(round, floor\)"):
        check_derivative(lambda x: np.round(x, 6) ** 2, 2.0)


def test_noise_is_named():
    """Differences that do not converge are reported as such, and atol tolerates them."""
    noisy = lambda x: x + 1e-6 * np.cos(1e12 * x * x)
    f = custom_derivative(noisy, lambda x: 1.0)
    with pytest.raises(DerivativeCheckError, match="The finite difference itself is uncertain by"):
        check_derivative(f, 1.0, rtol=1e-9)
    check_derivative(f, 1.0, atol=1e-2)


def test_edge_of_the_domain_is_named():
    """sqrt has no central difference at 0."""
    with pytest.raises(DerivativeCheckError, match="undefined or not finite on one side of x"):
        check_derivative(np.sqrt, 0.0)


def test_nan_fails():
    """A derivative of NaN does not agree."""
    with pytest.raises(DerivativeCheckError, match=r"dualdiff +nan"):
        check_derivative(custom_derivative(np.sin, lambda x: np.nan), 1.0)


def test_function_that_sees_through_duals_is_detected():
    """A value, or a shape, that depends on the type of x."""
    with pytest.raises(DerivativeCheckError, match=r"f\(x\) is 2.0 for plain x, but 4.0 with duals"):
        check_derivative(lambda x: x if type(x) is float else 2 * x, 2.0)
    with pytest.raises(DerivativeCheckError, match="returns 1 element for plain x, but a result of another structure"):
        check_derivative(lambda x: x if type(x) is float else np.stack([x, x]), 2.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: check_derivative(np.sin), TypeError, r"check_derivative\(f, x\) needs a point"),
        (lambda: check_derivative(3.0, 1.0), TypeError, "takes a function as its first argument"),
        (lambda: check_derivative(np.sin, 1.0, directions=0), ValueError, "directions must be a positive integer"),
        (lambda: check_derivative(np.sin, 1.0, argnum=1), ValueError, "argnum=1"),
        (lambda: check_derivative(lambda x: None, 1.0), TypeError, "is a return statement missing"),
        (lambda: check_derivative(np.sin, True), TypeError, "x is boolean"),
        (
            lambda: derivative(lambda x: check_derivative(np.sin, x).dual, 1.0),
            TypeError,
            "x contains duals: call it outside of other operators",
        ),
    ],
)
def test_refused(call, error, message):
    """Wrong calls."""
    with pytest.raises(error, match=message):
        call()
