"""Parameters that act where the solver did not look: right all the same, or NaN with a warning."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from dualdiff import derivative, gradient, hessian, jacobian, jvp, taylor
from dualdiff.base.errors import UndefinedDerivativeWarning

pytest.importorskip("scipy.integrate")

from dualdiff.scipy import integrate

METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
SOME = ("RK45", "DOP853", "LSODA")
#: What `fast` gives, and twice the second derivative of `fast_at_second_order`.
SLOPE = (100 * np.exp(-1.0) + np.sin(100.0) - 100 * np.cos(100.0)) / 10001


def end(f, method, start=(1.0,), span=(0.0, 1.0), **options):
    return integrate.solve_ivp(f, span, list(start), method, **{"rtol": 1e-6, "atol": 1e-9, **options}).y


def fast(p, method, **options):
    """At p = 0 the steps follow a slow decay."""
    return end(lambda t, y: -y + p * np.sin(100 * t), method, **options)[0, -1]


@pytest.mark.parametrize("controlled", [False, True])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("method", METHODS)
def test_a_parameter_that_acts_faster_than_the_solution_changes(method, mode, controlled):
    options = {"control_sensitivities": controlled}
    found = gradient(lambda p: fast(p[0], method, **options), np.zeros(1), mode=mode)
    np.testing.assert_allclose(found, SLOPE, rtol=2e-3 if method == "RK23" and not controlled else 1e-4)


@pytest.mark.parametrize("method", SOME)
@pytest.mark.parametrize("rtol", [1e-3, 1e-4])
def test_with_large_tolerances(method, rtol):
    assert derivative(lambda p: fast(p, method, rtol=rtol, atol=1e-6), 0.0) == pytest.approx(SLOPE, rel=0.03)


@pytest.mark.parametrize("method", SOME)
def test_each_parameter_by_itself(method):
    """One acts slowly and much, the other one fast and little."""

    def of_both(p):
        return end(lambda t, y: -y + 1e4 * p[0] + p[1] * np.sin(100 * t), method)[0, -1]

    found = jacobian(of_both, np.zeros(2))
    np.testing.assert_allclose(found, [1e4 * (1 - np.exp(-1.0)), SLOPE], rtol=1e-4)


@pytest.mark.parametrize("method", SOME)
def test_second_and_higher_orders(method):
    """The first derivative is zero, and does not show how fast the second one is."""
    square = lambda p: fast(p[0] ** 2, method)
    zero = np.zeros(1)
    expected = pytest.approx(2 * SLOPE, rel=1e-4)
    assert hessian(square, zero)[0, 0] == expected
    assert jacobian(lambda p: gradient(square, p, mode="reverse"), zero)[0, 0] == expected
    assert gradient(lambda p: jvp(square, p, np.ones(1))[1], zero, mode="reverse")[0] == expected
    assert 2 * taylor(lambda p: fast(p**2, method), 0.0, order=2)[2] == expected


@pytest.mark.parametrize("method", SOME)
def test_sparse_hidden_backward_and_complex(method):
    def both(p):
        return end(lambda t, y: -y + p * np.sin(100 * t), method, (1.0, 2.0))[:, -1]

    found = jacobian(both, np.zeros(2), sparse=True)
    np.testing.assert_allclose(found.toarray(), SLOPE * np.eye(2), rtol=1e-4)

    model = SimpleNamespace(p=0.0)

    def hidden(p):
        model.p = p[0]
        return end(lambda t, y: [-y[0] + model.p * np.sin(100 * t)], method)[0, -1]

    for mode in ("forward", "reverse"):
        assert gradient(hidden, np.zeros(1), mode=mode)[0] == pytest.approx(SLOPE, rel=1e-4)

    back = derivative(lambda p: end(lambda t, y: y + p * np.sin(100 * t), method, span=(0.0, -1.0))[0, -1], 0.0)
    assert back == pytest.approx(SLOPE, rel=1e-4)
    if method != "LSODA":
        turned = derivative(lambda p: fast(p, method, start=(1.0 + 1.0j,)), 0.0)
        assert turned == pytest.approx(SLOPE, rel=1e-4)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("method", SOME)
def test_dense_output_and_odeint(method, mode):
    def inside(p):
        f = lambda t, y: -y + p[0] * np.sin(100 * t)
        return integrate.solve_ivp(f, (0.0, 1.5), [1.0], method, dense_output=True, rtol=1e-6, atol=1e-9).sol(1.0)[0]

    assert gradient(inside, np.zeros(1), mode=mode)[0] == pytest.approx(SLOPE, rel=1e-4)
    older = lambda p: integrate.odeint(lambda y, t: -y + p[0] * np.sin(100 * t), [1.0], [0.0, 1.0])[-1, 0]
    assert gradient(older, np.zeros(1), mode=mode)[0] == pytest.approx(SLOPE, rel=1e-4)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("method", SOME)
def test_a_parameter_that_is_switched_on(method, mode):
    f = lambda p: end(lambda t, y: -y + p[0] * (t > 0.3217), method, rtol=1e-8, atol=1e-11)[0, -1]
    found = gradient(f, np.zeros(1), mode=mode)
    np.testing.assert_allclose(found, 1 - np.exp(0.3217 - 1.0), rtol=1e-4)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("method", SOME)
def test_nan_where_no_step_is_short_enough(method, mode, monkeypatch):
    from dualdiff.scipy.integrate.steps import collocation, runge_kutta

    for module in (collocation, runge_kutta):
        monkeypatch.setattr(module, "LEAST_STEPS", 64)
        monkeypatch.setattr(module, "LONGER", 1)
    f = lambda p: end(lambda t, y: -y + p[0] * np.sin(1e6 * t), method)[0, -1]
    with pytest.warns(UndefinedDerivativeWarning, match="too irregularly"):
        assert np.isnan(gradient(f, np.zeros(1), mode=mode)[0])


@pytest.mark.parametrize("method", ["RK45", "DOP853"])
def test_compiled(method):
    numba = pytest.importorskip("numba")
    f = numba.njit(lambda t, y, p: -y + p * np.sin(100 * t))
    for mode in ("forward", "reverse"):
        found = gradient(lambda p: end(f, method, args=(p[0],))[0, -1], np.zeros(1), mode=mode)
        assert found[0] == pytest.approx(SLOPE, rel=1e-4)


# -- integrals and boundary values -------------------------------------------------------------------------------------
def peak(width):
    return width * np.sqrt(np.pi)


#: Derivatives of integrands that the values at p = 0 do not show, and their integrals from 0 to 1.
EFFECTS = {
    "a peak": (lambda t: np.exp(-(((t - 0.3) / 1e-2) ** 2)), peak(1e-2)),
    "a narrow peak": (lambda t: np.exp(-(((t - 0.3) / 1e-3) ** 2)), peak(1e-3)),
    "a kink": (lambda t: np.abs(t - 0.3217), (0.3217**2 + 0.6783**2) / 2),
    "a jump": (lambda t: 1.0 * (t > 0.3217), 0.6783),
    "oscillations": (lambda t: np.sin(300.0 * t), (1 - np.cos(300.0)) / 300.0),
    "what cancels": (lambda t: np.sin(2 * np.pi * t), 0.0),
}
INTEGRALS = {
    "quad": lambda f: integrate.quad(f, 0.0, 1.0)[0],
    "quad_vec": lambda f: integrate.quad_vec(lambda t: np.stack([f(t), 0.0 * f(t)]), 0.0, 1.0)[0][0],
    "dblquad": lambda f: integrate.dblquad(lambda y, t: f(t) + 0.0 * y, 0.0, 1.0, 0.0, 1.0)[0],
    "tanhsinh": lambda f: integrate.tanhsinh(f, 0.0, 1.0).integral,
    "cubature": lambda f: integrate.cubature(lambda x: f(x[:, 0]), [0.0], [1.0]).estimate,
}


@pytest.mark.filterwarnings("ignore::dualdiff.UndefinedDerivativeWarning")
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("name", INTEGRALS)
def test_an_integrand_whose_derivative_is_irregular(name, effect, mode):
    if name in ("tanhsinh", "cubature") and not hasattr(pytest.importorskip("scipy.integrate"), name):
        pytest.skip("this SciPy lacks it")
    if name == "dblquad" and effect != "what cancels":
        pytest.skip("the same in two variables, which takes longer")
    f, expected = EFFECTS[effect]
    found = gradient(lambda p: INTEGRALS[name](lambda t: p[0] * f(t) + t), np.zeros(1), mode=mode)[0]
    if name != "cubature":
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    else:
        # Its regions are not divided.
        assert np.isnan(found) or found == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_each_parameter_of_an_integral_by_itself():
    f = lambda p: integrate.quad(lambda t: 1e8 * p[0] * t + p[1] * np.abs(t - 0.3217), 0.0, 1.0)[0]
    np.testing.assert_allclose(gradient(f, np.zeros(2)), [5e7, EFFECTS["a kink"][1]], rtol=1e-6)
    np.testing.assert_allclose(jacobian(f, np.zeros(2)), [5e7, EFFECTS["a kink"][1]], rtol=1e-6)


def forced(p, frequency, nodes=11):
    """The middle of y'' + y = p sin(frequency x), y(0) = y(1) = 0, from the solution at p = 0."""
    fun = lambda x, y: np.stack([y[1], -y[0] + p * np.sin(frequency * x)])
    ends = lambda a, b: np.stack([a[0], b[0]])
    return integrate.solve_bvp(fun, ends, np.linspace(0.0, 1.0, nodes), np.zeros((2, nodes))).sol(0.5)[0]


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("frequency", [3.0, 30.0, 100.0])
def test_boundary_values_under_a_force_that_the_mesh_does_not_show(frequency, mode):
    size = 1 / (1 - frequency**2)
    expected = size * (np.sin(frequency / 2) - np.sin(frequency) * np.sin(0.5) / np.sin(1.0))
    found = gradient(lambda p: forced(p[0], frequency), np.zeros(1), mode=mode)[0]
    assert found == pytest.approx(expected, rel=1e-3)
    square = hessian(lambda p: forced(p[0] ** 2, frequency), np.zeros(1))[0, 0]
    assert square == pytest.approx(2 * expected, rel=1e-3)


def test_boundary_values_under_a_force_that_no_mesh_shows():
    with pytest.warns(UndefinedDerivativeWarning, match="too irregularly"):
        assert np.isnan(derivative(lambda p: forced(p, 1e6), 0.0))
