"""Taylor's method for ordinary differential equations."""

from functools import partial

import numpy as np
import pytest

integrate = pytest.importorskip("scipy.integrate")
from dualdiff import NoRuleError, derivative, hessian, jacobian  # noqa: E402
from dualdiff.scipy.integrate import Taylor, solve_ivp  # noqa: E402


@pytest.fixture(params=[integrate.solve_ivp, solve_ivp], ids=["scipy", "dualdiff"])
def solve(request):
    """Taylor's method in SciPy's function, and in ours."""
    return partial(request.param, method=Taylor)


def test_to_rounding(solve):
    found = solve(lambda t, y: [t * y[0]], (0, 3), [1.0], t_eval=[1, 2, 3])
    np.testing.assert_allclose(found.y[0], np.exp(np.array([1, 4, 9]) / 2), rtol=2e-15)
    circle = solve(lambda t, y: np.stack([y[1], -y[0]]), (0, 2 * np.pi), [0.0, 1.0])
    np.testing.assert_allclose(circle.y[:, -1], [0.0, 1.0], atol=2e-15)


def test_an_invariant_of_lotka_and_volterra(solve):
    def f(t, y):
        a, b = y
        return np.stack([1.5 * a - a * b, -3 * b + a * b])

    found = solve(f, (0, 3), [10.0, 5.0], dense_output=True)
    invariant = lambda y: y[0] - 3 * np.log(y[0]) + y[1] - 1.5 * np.log(y[1])
    times = np.linspace(0, 3, 7)
    np.testing.assert_allclose(invariant(found.sol(times)), np.full(7, invariant(np.array([10.0, 5.0]))), rtol=1e-14)


def test_backwards_complex_constant_and_events(solve):
    np.testing.assert_allclose(solve(lambda t, y: [-(y[0] ** 2)], (0, -0.9), [1.0]).y[0, -1], 10.0, rtol=1e-14)
    np.testing.assert_allclose(solve(lambda t, y: 1j * y, (0, 2), [1 + 0j]).y[0, -1], np.exp(2j), rtol=1e-14)
    np.testing.assert_array_equal(solve(lambda t, y: [2.0], (0, 2), [1.0]).y, [[1.0, 5.0]])
    found = solve(lambda t, y: [y[0]], (0, 2), [1.0], events=lambda t, y: y[0] - 2)
    np.testing.assert_allclose(found.t_events[0], np.log(2), rtol=1e-14)


def test_a_pole_is_approached_and_its_distance_known(solve):
    found = solve(lambda t, y: [y[0] ** 2], (0, 2), [1.0])
    assert found.status == -1
    assert abs(found.t[-1] - 1) < 1e-10
    solver = Taylor(lambda t, y: [y[0] ** 2], 0.0, [1.0], 2.0)
    solver.step()
    assert solver.radius == pytest.approx(1.0, rel=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="an order of at least 2"):
        Taylor(lambda t, y: y, 0.0, [1.0], 1.0, order=1)
    with pytest.raises(TypeError, match="no options jac"):
        Taylor(lambda t, y: y, 0.0, [1.0], 1.0, jac=None)


def volterra(p, **options):
    """The state at the end, as a function of the parameters and the initial state."""

    def f(t, y):
        return [p[0] * y[0] - p[1] * y[0] * y[1], p[3] * y[0] * y[1] - p[2] * y[1]]

    return solve_ivp(f, (0.0, 3.0), p[4:], **options).y[:, -1]


P = np.array([1.1, 0.4, 0.4, 0.1, 10.0, 5.0])


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_solution_is_a_function_of_parameters_and_initial_states(mode):
    tight = {"rtol": 1e-13, "atol": 1e-13}
    expected = jacobian(lambda p: volterra(p, method="DOP853", **tight), P)
    np.testing.assert_allclose(jacobian(lambda p: volterra(p, method=Taylor), P, mode=mode), expected, rtol=1e-10)


def test_second_order_arguments_and_dense_output():
    end = lambda k: solve_ivp(lambda t, y, k: [k * y[0]], (0, 2.0), [1.0], Taylor, args=(k,)).y[0, -1]
    np.testing.assert_allclose(hessian(end, 0.3), 4 * np.exp(0.6), rtol=1e-12)
    at = lambda k: solve_ivp(lambda t, y: [k * y[0]], (0, 2.0), [1.0], Taylor, dense_output=True).sol(0.7)[0]
    np.testing.assert_allclose(derivative(at, 0.3), 0.7 * np.exp(0.21), rtol=1e-12)


def test_parameters_that_cannot_be_taken_out_of_the_function_raise():
    class Model:
        def f(self, t, y):
            return [self.k * y[0]]

    def end(k):
        model.k = k
        return solve_ivp(model.f, (0.0, 1.0), [1.0], method=Taylor).y[0, -1]

    model = Model()
    with pytest.raises(NoRuleError, match="pass them in args"):
        derivative(end, 0.3)
