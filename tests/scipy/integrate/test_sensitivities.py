"""The error of the derivatives of initial value problems, and what they cost."""

from __future__ import annotations

import tracemalloc
from functools import cache

import numpy as np
import pytest

from dualdiff import derivative, gradient, hessian, jacobian, linearize, value_and_jacobian
from dualdiff.base.errors import UndefinedDerivativeWarning

scipy_integrate = pytest.importorskip("scipy.integrate")

from dualdiff.scipy.integrate import Taylor, solve_ivp  # noqa: E402 - needs SciPy
from dualdiff.scipy.integrate.steps import collocation, runge_kutta  # noqa: E402

METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
IMPLICIT = METHODS[3:]
#: The bar for derivatives whose error is controlled, at tolerances of 1e-10.
BAR = 1e-8

#: Four parameters and two initial values.
VOLTERRA = np.array([1.5, 1.0, 3.0, 1.0, 10.0, 5.0])
TIMES = np.array([0.7, 3.0, 9.1, 15.0])


def volterra(t, z, a, b, c, d):
    x, y = z
    return [a * x - b * x * y, -c * y + d * x * y]


def of_volterra(q, method, **options):
    options = {"rtol": 1e-10, "atol": 1e-10, **options}
    return solve_ivp(volterra, (0.0, 15.0), q[4:], method, args=tuple(q[:4]), **options)


@cache
def variational(times=tuple(TIMES)):
    """The derivatives of the states of `VOLTERRA` at times, by Taylor's method on the variational equations."""
    a, b, c, d = VOLTERRA[:4]

    def both(t, z):
        x, y, s = z[0], z[1], z[2:].reshape(2, 6)
        first = (a - b * y) * s[0] - b * x * s[1]
        second = d * y * s[0] + (d * x - c) * s[1]
        zero = 0 * x
        forced = [np.stack([x, -x * y, zero, zero, zero, zero]), np.stack([zero, zero, -y, x * y, zero, zero])]
        return np.concatenate([np.stack(volterra(t, (x, y), a, b, c, d)), first + forced[0], second + forced[1]])

    start = np.concatenate([VOLTERRA[4:], np.eye(2, 6, 4).ravel()])
    found = scipy_integrate.solve_ivp(both, (0.0, times[-1]), start, Taylor, t_eval=times)
    return found.y[2:].reshape(2, 6, len(times)).transpose(0, 2, 1)


# -- controlled --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS[1:])
def test_sensitivities_agree_with_a_taylor_integrator(method):
    for options in ({"t_eval": TIMES}, {"dense_output": True}):

        def states(q, options=options):
            found = of_volterra(q, method, control_sensitivities=True, **options)
            return found.y if "t_eval" in options else found.sol(TIMES)

        value, found = value_and_jacobian(states, VOLTERRA)
        np.testing.assert_allclose(found, variational(), rtol=BAR, err_msg=str(options))
        theirs = scipy_integrate.solve_ivp(
            volterra, (0.0, 15.0), VOLTERRA[4:], method, args=tuple(VOLTERRA[:4]), rtol=1e-10, atol=1e-10, **options
        )
        np.testing.assert_array_equal(value, theirs.y if "t_eval" in options else theirs.sol(TIMES))


@pytest.mark.parametrize("method", ["DOP853", "LSODA"])
def test_controlled_in_reverse_mode_and_for_events(method):
    end = lambda q: of_volterra(q, method, control_sensitivities=True).y[0, -1]
    np.testing.assert_allclose(gradient(end, VOLTERRA, mode="reverse"), variational()[0, -1], rtol=BAR)

    # The event happens on SciPy's solution, and so at a time with the error of that.
    bar = BAR if method == "DOP853" else 1e-7

    def event(q, **options):
        return of_volterra(q, method, events=lambda t, z, *p: z[0] - 2.0, **options).t_events[0][3]

    found = gradient(lambda q: event(q, control_sensitivities=True), VOLTERRA)
    time = event(VOLTERRA)
    x, y = scipy_integrate.solve_ivp(
        volterra, (0.0, time), VOLTERRA[4:], "DOP853", args=tuple(VOLTERRA[:4]), rtol=1e-13, atol=1e-13
    ).y[:, -1]
    expected = -variational((time,))[0, 0] / (VOLTERRA[0] * x - VOLTERRA[1] * x * y)
    np.testing.assert_allclose(found, expected, rtol=bar)


@pytest.mark.parametrize("method", METHODS)
def test_controlled_at_second_order_backward_and_complex(method):
    options = {"rtol": 1e-8, "atol": 1e-10, "control_sensitivities": True}

    def logistic(p, span=(0.1, 2.2)):
        f = lambda t, y: p[0] * y * (1 - y / p[1])
        return solve_ivp(f, span, p[2:3], method, **options).y[0, -1]

    closed = lambda p, time=2.1: p[1] / (1 + (p[1] / p[2] - 1) * np.exp(-p[0] * time))
    p = np.array([0.9, 2.5, 0.4])
    np.testing.assert_allclose(gradient(logistic, p), gradient(closed, p), rtol=1e-10)
    np.testing.assert_allclose(hessian(logistic, p), hessian(closed, p), rtol=1e-9, atol=1e-11)
    back = lambda p: logistic(p, (2.2, 0.1))
    np.testing.assert_allclose(gradient(back, p), gradient(lambda p: closed(p, -2.1), p), rtol=1e-10)
    if method not in ("Radau", "LSODA"):
        # SciPy solves no complex equations by these.
        turn = lambda w: solve_ivp(lambda t, y: 1j * w * y, (0.0, 2.0), [1.0 + 0.0j], method, **options).y[0, -1]
        assert derivative(turn, 1.5) == pytest.approx(2j * np.exp(3j), rel=1e-10)


def test_controlled_where_the_solver_is_too_far_off():
    # Chaotic: at these tolerances nothing is left of the solution after so long a time.
    def lorenz(t, y, s, r, b):
        return [s * (y[1] - y[0]), y[0] * (r - y[2]) - y[1], y[0] * y[1] - b * y[2]]

    def end(r, **options):
        return solve_ivp(lorenz, (0.0, 40.0), [1.0, 1.0, 1.0], "RK45", args=(10.0, r, 8 / 3), **options).y[:, -1]

    with pytest.warns(UndefinedDerivativeWarning, match="smaller tolerances"):
        assert np.all(np.isnan(derivative(lambda r: end(r, control_sensitivities=True), 28.0)))


@pytest.mark.parametrize("method", IMPLICIT)
def test_a_response_that_is_faster_than_the_solution(method):
    """At rest the steps grow without bound, but a change of the state decays as it does everywhere."""
    for rate in (1.0, 30.0):
        f = lambda t, y, rate=rate: -rate * (y - 1.0) * (1.0 + y**2)
        end = lambda a, f=f, t=2.0 / rate: solve_ivp(f, (0.0, t), [a], method, rtol=1e-8, atol=1e-8).y[0, -1]
        assert derivative(end, 1.0) == pytest.approx(np.exp(-4.0), rel=1e-6)


@pytest.mark.parametrize("method", METHODS[1:])
def test_by_default_derivatives_are_as_exact_as_the_states(method):
    """They belong to SciPy's states, whose error is often far larger than the tolerances."""
    value, found = value_and_jacobian(lambda q: of_volterra(q, method, t_eval=TIMES).y, VOLTERRA)
    exact = scipy_integrate.solve_ivp(
        volterra, (0.0, 15.0), VOLTERRA[4:], Taylor, args=tuple(VOLTERRA[:4]), t_eval=TIMES
    ).y
    error = np.max(np.abs(found / variational() - 1))
    assert error < 30 * np.max(np.abs(value / exact - 1))


# -- what it costs -----------------------------------------------------------------------------------------------------
def counted(f):
    def call(*args):
        call.count += 1
        return f(*args)

    call.count = 0
    return call


@pytest.mark.parametrize("method", IMPLICIT)
def test_f_is_called_less_often_on_duals_than_by_the_solver(method):
    f = counted(volterra)
    options = {"rtol": 1e-8, "atol": 1e-10, "args": tuple(VOLTERRA[:4])}
    plain = scipy_integrate.solve_ivp(volterra, (0.0, 15.0), VOLTERRA[4:], method, **options).nfev
    end = lambda q: solve_ivp(f, (0.0, 15.0), q[4:], method, args=tuple(q[:4]), rtol=1e-8, atol=1e-10).y[:, -1]
    jacobian(end, VOLTERRA)
    # Newton's method needs it on plain values as well, up to three times at each point.
    assert f.count - plain < 2.5 * plain


@pytest.mark.parametrize("method", METHODS)
def test_reverse_mode_in_parts(method, monkeypatch):
    monkeypatch.setattr(runge_kutta, "SHORT", 0)
    monkeypatch.setattr(collocation, "TOGETHER", 2)
    f = lambda t, y, q: q[0] * np.sin(q[1] * y) + q[2] * t
    for span in ((0.0, 5.0), (5.0, 0.0)):

        def states(q, span=span, **options):
            options = {
                "t_eval": np.sort([0.0, 2.2, 2.3, 5.0])[:: 1 if span[1] else -1],
                "rtol": 1e-8,
                "atol": 1e-10,
                **options,
            }
            found = solve_ivp(f, span, q[2:4], method, args=(q,), events=lambda t, y, q: y[0] - 0.4, **options)
            return np.concatenate([np.ravel(found.y), found.t_events[0]])

        q = np.array([0.3, 1.2, 0.1, 0.6])
        expected = jacobian(states, q)
        np.testing.assert_allclose(jacobian(states, q, mode="reverse"), expected, rtol=1e-6, atol=1e-8)
        _, linear = linearize(states, q)
        np.testing.assert_allclose(linear.T(np.eye(len(expected))), expected, rtol=1e-6, atol=1e-8)
        end = lambda q, states=states: states(q, t_eval=None)[-1]
        second = jacobian(lambda q, end=end: gradient(end, q, mode="reverse"), q)
        np.testing.assert_allclose(second, hessian(end, q), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("method", "steps"), [("RK23", 800), ("BDF", 400)])
def test_the_memory_of_reverse_mode_is_bounded(method, steps, monkeypatch):
    def loss(w):
        f = lambda t, y: np.tanh(w.reshape(6, 6) @ y) - 0.5 * y
        return np.sum(solve_ivp(f, (0.0, 0.05 * steps), np.ones(6), method, max_step=0.05, t_eval=[0.05 * steps]).y)

    w = 0.3 * np.random.default_rng(0).normal(size=36)
    peaks = []
    for is_whole in (False, True):
        monkeypatch.setattr(runge_kutta, "SHORT", 1 << 40 if is_whole else 0)
        monkeypatch.setattr(collocation, "TOGETHER", 1 << 40 if is_whole else 16)
        monkeypatch.setattr(collocation, "HELD", 1 << 40 if is_whole else 1 << 16)
        gradient(loss, w, mode="reverse")
        tracemalloc.start()
        gradient(loss, w, mode="reverse")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < peaks[1] / 3
