"""Taylor's method for ordinary differential equations."""

import numpy as np
import pytest

integrate = pytest.importorskip("scipy.integrate")
from dualdiff.scipy.integrate import Taylor  # noqa: E402


def solve(f, span, y0, **options):
    return integrate.solve_ivp(f, span, y0, method=Taylor, **options)


def test_to_rounding():
    found = solve(lambda t, y: [t * y[0]], (0, 3), [1.0], t_eval=[1, 2, 3])
    np.testing.assert_allclose(found.y[0], np.exp(np.array([1, 4, 9]) / 2), rtol=2e-15)
    circle = solve(lambda t, y: np.stack([y[1], -y[0]]), (0, 2 * np.pi), [0.0, 1.0])
    np.testing.assert_allclose(circle.y[:, -1], [0.0, 1.0], atol=2e-15)


def test_an_invariant_of_lotka_and_volterra():
    def f(t, y):
        a, b = y
        return np.stack([1.5 * a - a * b, -3 * b + a * b])

    found = solve(f, (0, 3), [10.0, 5.0], dense_output=True)
    invariant = lambda y: y[0] - 3 * np.log(y[0]) + y[1] - 1.5 * np.log(y[1])
    times = np.linspace(0, 3, 7)
    np.testing.assert_allclose(invariant(found.sol(times)), np.full(7, invariant(np.array([10.0, 5.0]))), rtol=1e-14)


def test_backwards_complex_constant_and_events():
    np.testing.assert_allclose(solve(lambda t, y: [-(y[0] ** 2)], (0, -0.9), [1.0]).y[0, -1], 10.0, rtol=1e-14)
    np.testing.assert_allclose(solve(lambda t, y: 1j * y, (0, 2), [1 + 0j]).y[0, -1], np.exp(2j), rtol=1e-14)
    np.testing.assert_array_equal(solve(lambda t, y: [2.0], (0, 2), [1.0]).y, [[1.0, 5.0]])
    found = solve(lambda t, y: [y[0]], (0, 2), [1.0], events=lambda t, y: y[0] - 2)
    np.testing.assert_allclose(found.t_events[0], np.log(2), rtol=1e-14)


def test_a_pole_is_approached_and_its_distance_known():
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
