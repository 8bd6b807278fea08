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
