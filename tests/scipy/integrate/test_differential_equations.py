"""Differential equations: events, systems with variational equations, compiled right-hand sides, odeint, solve_bvp."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from dualdiff import derivative, gradient, hessian, jacobian
from dualdiff.base.errors import UndefinedDerivativeWarning

scipy_integrate = pytest.importorskip("scipy.integrate")

from dualdiff.scipy.integrate import odeint, solve_bvp, solve_ivp  # noqa: E402 - needs SciPy

METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def sensitivities(f, state_slopes, parameter_slopes, p, y0, end):
    """The derivatives of y(end) in the parameters and in y0, by the variational equations at tight tolerances."""
    n, k = len(y0), len(p)

    def both(t, z):
        y, s = z[:n], z[n:].reshape(n, k + n)
        change = state_slopes(y, p) @ s
        change[:, :k] += parameter_slopes(y, p)
        return np.concatenate([f(t, y, *p), change.ravel()])

    start = np.concatenate([y0, np.hstack([np.zeros((n, k)), np.identity(n)]).ravel()])
    method = "Radau" if k == 3 else "DOP853"
    found = scipy_integrate.solve_ivp(both, (0.0, end), start, method, rtol=1e-12, atol=1e-14)
    return found.y[n:, -1].reshape(n, k + n)


# -- systems -----------------------------------------------------------------------------------------------------------
def volterra(t, z, a, b, c, d):
    x, y = z
    return [a * x - b * x * y, -c * y + d * x * y]


VOLTERRA = np.array([1.5, 1.0, 3.0, 1.0, 10.0, 5.0])


def volterra_slopes():
    def in_state(z, p):
        (x, y), (a, b, c, d) = z, p
        return np.array([[a - b * y, -b * x], [d * y, -c + d * x]])

    def in_parameters(z, p):
        x, y = z
        return np.array([[x, -x * y, 0, 0], [0, 0, -y, x * y]])

    return sensitivities(volterra, in_state, in_parameters, VOLTERRA[:4], VOLTERRA[4:], 15.0)


def of_volterra(f, method, **options):
    return lambda q: solve_ivp(f, (0.0, 15.0), q[4:], method, args=tuple(q[:4]), **options).y[:, -1]


@pytest.mark.parametrize("method", ["RK45", "DOP853", "LSODA"])
def test_lotka_volterra(method):
    expected = volterra_slopes()
    options = {"rtol": 1e-10, "atol": 1e-12}
    exact = 1e-7 if method == "LSODA" else 1e-8
    for mode in ("forward", "reverse"):
        found = jacobian(of_volterra(volterra, method, **options), VOLTERRA, mode=mode)
        np.testing.assert_allclose(found, expected, rtol=exact)


def robertson(t, y, a, b, c):
    first, second = a * y[0], b * y[1] * y[2]
    third = c * y[1] ** 2
    return np.stack([second - first, first - second - third, third])


@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
def test_stiff_rates(method):
    p, y0 = np.array([0.04, 1e4, 3e7]), np.array([1.0, 0.0, 0.0])

    def in_state(y, p):
        a, b, c = p
        second = [a, -b * y[2] - 2 * c * y[1], -b * y[1]]
        return np.array([[-a, b * y[2], b * y[1]], second, [0, 2 * c * y[1], 0]])

    def in_parameters(y, p):
        return np.array([[-y[0], y[1] * y[2], 0], [y[0], -y[1] * y[2], -(y[1] ** 2)], [0, 0, y[1] ** 2]])

    expected = sensitivities(lambda t, y, *p: np.array(robertson(t, y, *p)), in_state, in_parameters, p, y0, 40.0)

    def f(q):
        options = {"rtol": 1e-8, "atol": [1e-10, 1e-14, 1e-10]}
        return solve_ivp(robertson, (0.0, 40.0), q[3:], method, args=tuple(q[:3]), **options).y[:, -1]

    q = np.concatenate([p, y0])
    scale = np.abs(expected).max(axis=1, keepdims=True)
    units = np.abs(q) + (q == 0)
    found = jacobian(f, q)
    np.testing.assert_allclose(found * units / scale, expected * units / scale, rtol=2e-5, atol=1e-6)
    # The second state is slaved to the others, so that this one is small.
    np.testing.assert_allclose(found[:, :3], expected[:, :3], rtol=1e-4)


def test_a_large_system():
    n = 30

    def heat(t, u, k):
        inner = u[:-2] - 2 * u[1:-1] + u[2:]
        return np.concatenate([[0.0], k * n**2 * inner, [0.0]])

    u0 = np.sin(np.pi * np.linspace(0, 1, n))
    rate = -4 * n**2 * np.sin(np.pi / (2 * (n - 1))) ** 2
    for method in ("Radau", "BDF", "LSODA"):
        f = lambda k, m=method: solve_ivp(heat, (0.0, 0.05), u0, m, args=(k,), rtol=1e-7, atol=1e-9).y[:, -1]
        found = derivative(f, 1.0)
        np.testing.assert_allclose(found, u0 * 0.05 * rate * np.exp(0.05 * rate), rtol=1e-6, atol=1e-7)


# -- events ------------------------------------------------------------------------------------------------------------
def flight(t, y, g, *others):
    return [y[1], -g + 0.0 * y[0]]


def thrown(p, method="RK45", **options):
    """A ball thrown upwards: gravity, height and speed at the start, and the height that ends the flight."""
    hit = lambda t, y, g, ground: y[0] - ground
    hit.terminal, hit.direction = True, -1
    apex = lambda t, y, *args: y[1]
    return solve_ivp(flight, (0.0, 100.0), p[1:3], method, events=(hit, apex), args=(p[0], p[3]), **TIGHT, **options)


BALL = np.array([9.8, 2.0, 14.0, 0.5])


def landing(p):
    g, height, speed, ground = p
    return (speed + np.sqrt(speed**2 + 2 * g * (height - ground))) / g


@pytest.mark.parametrize("method", METHODS)
def test_times_of_events(method):
    closed = {
        "landing": (landing, lambda p: thrown(p, method).t_events[0][0]),
        "end": (landing, lambda p: thrown(p, method).t[-1]),
        "end, dense": (landing, lambda p: thrown(p, method, dense_output=True).t[-1]),
        "apex": (lambda p: p[2] / p[0], lambda p: thrown(p, method).t_events[1][0]),
        "height": (lambda p: p[1] + p[2] ** 2 / (2 * p[0]), lambda p: thrown(p, method).y_events[1][0, 0]),
        "speed": (
            lambda p: -np.sqrt(p[2] ** 2 + 2 * p[0] * (p[1] - p[3])),
            lambda p: thrown(p, method, t_eval=[0.1]).y_events[0][0, 1],
        ),
        "ground": (lambda p: p[3] + 0 * p[0], lambda p: thrown(p, method).y[0, -1]),
    }
    for name, (expected, found) in closed.items():
        exact = gradient(expected, BALL)
        np.testing.assert_allclose(gradient(found, BALL), exact, rtol=1e-7, atol=1e-8, err_msg=name)
        np.testing.assert_allclose(gradient(found, BALL, mode="reverse"), exact, rtol=1e-7, atol=1e-8, err_msg=name)
    for name in ("landing", "apex", "speed"):
        expected, found = closed[name]
        np.testing.assert_allclose(hessian(found, BALL), hessian(expected, BALL), rtol=1e-6, atol=1e-8, err_msg=name)


def test_an_event_by_its_closure_and_by_time():
    level = lambda k: solve_ivp(lambda t, y: [1.0], (0, 5), [0.0], events=lambda t, y: y[0] - k * t**2 - 0.1, **TIGHT)
    # The smaller and the larger root of t - k t^2 = 0.1.
    for i, sign in enumerate((-1, 1)):
        root = lambda k, sign=sign: (1 + sign * np.sqrt(1 - 0.4 * k)) / (2 * k)
        assert derivative(lambda k, i=i: level(k).t_events[0][i], 0.5) == pytest.approx(derivative(root, 0.5))
    assert level(0.5).t_events[0].size == 2
    alarm = lambda t, y: t - 0.7
    found = solve_ivp(lambda t, y: -y, (0, 1), [1.0], events=alarm)
    assert found.t_events[0] == pytest.approx([0.7])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = derivative(
            lambda k: solve_ivp(lambda t, y: -k * y, (0, 1), [1.0], events=alarm, **TIGHT).y_events[0][0, 0], 1.0
        )
    assert state == pytest.approx(-0.7 * np.exp(-0.7), rel=1e-7)


def test_an_event_that_is_only_touched():
    # y' = -2 (t - 1) with y(0) = -1 touches zero at t = 1.
    touching = lambda a: solve_ivp(
        lambda t, y: [-2 * (t - 1)], (0, 2), [a - 1.0], events=lambda t, y: y[0] ** 3, **TIGHT
    )
    found = touching(1e-13)
    if found.t_events[0].size:
        with pytest.warns(UndefinedDerivativeWarning, match="event"):
            assert np.all(np.isnan(derivative(lambda a: touching(a).t_events[0], 1e-13)))


# -- compiled right-hand sides -----------------------------------------------------------------------------------------
def compiled_volterra():
    numba = pytest.importorskip("numba")

    @numba.njit
    def f(t, z, a, b, c, d):
        x, y = z
        return np.array([a * x - b * x * y, -c * y + d * x * y])

    return f


@pytest.mark.parametrize("method", ["RK45", "DOP853", "BDF"])
def test_compiled_functions(method):
    f = compiled_volterra()
    options = {"rtol": 1e-6, "atol": 1e-8, "t_eval": [0.0, 0.3, 0.9, 1.0]}

    def states(f):
        return lambda q: solve_ivp(f, (0.0, 1.0), q[4:], method, args=tuple(q[:4]), **options).y

    expected = jacobian(states(volterra), VOLTERRA)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(jacobian(states(f), VOLTERRA, mode=mode), expected, rtol=1e-8, atol=1e-9)
    end = lambda f: lambda q: solve_ivp(f, (q[0], q[1]), q[2:4], method, args=(*q[4:], 1.0)).y[0, -1]
    q = np.array([0.0, 1.0, 10.0, 5.0, 1.5, 1.0, 3.0])
    np.testing.assert_allclose(gradient(end(f), q), gradient(end(volterra), q), rtol=1e-8)
    fall = lambda t, z, *args: z[0] - 5.0
    event = lambda f: lambda q: solve_ivp(f, (0, 1), q[4:], method, args=tuple(q[:4]), events=fall).t_events[0][0]
    np.testing.assert_allclose(gradient(event(f), VOLTERRA), gradient(event(volterra), VOLTERRA), rtol=1e-8)
    dense = lambda f: lambda q: solve_ivp(f, (0, 1), q[4:], method, args=tuple(q[:4]), dense_output=True).sol(0.4)
    np.testing.assert_allclose(jacobian(dense(f), VOLTERRA), jacobian(dense(volterra), VOLTERRA), rtol=1e-7)


def test_compiled_functions_of_arrays_and_of_second_order():
    numba = pytest.importorskip("numba")

    @numba.njit
    def f(t, y, rates, scale):
        return scale * (rates @ y)

    def end(p):
        rates = np.reshape(p[:4], (2, 2))
        return solve_ivp(f, (0.0, 1.0), [1.0, 2.0], args=(rates, p[4]), rtol=1e-9, atol=1e-9).y[:, -1]

    def written(p):
        rates = np.reshape(p[:4], (2, 2))
        g = lambda t, y: p[4] * (rates @ y)
        return solve_ivp(g, (0.0, 1.0), [1.0, 2.0], rtol=1e-9, atol=1e-9).y[:, -1]

    p = np.array([-0.5, 0.3, 0.2, -0.8, 1.1])
    np.testing.assert_allclose(jacobian(end, p), jacobian(written, p), rtol=1e-9)
    second = jacobian(lambda p: jacobian(end, p), p)
    np.testing.assert_allclose(second, jacobian(lambda p: jacobian(written, p), p), rtol=1e-8, atol=1e-9)


# -- odeint ------------------------------------------------------------------------------------------------------------
def test_odeint():
    t = np.array([0.2, 0.5, 1.0, 1.0, 2.0])

    def decays(p, **options):
        rate, start = p[0], p[1:3]
        return odeint(lambda y, t, k: -k * t * y, start, p[3:], args=(rate,), **options)

    def closed(p):
        p = np.stack([*p])
        t = p[3:]
        return p[1:3] * np.exp(-p[0] * (t**2 - t[0] ** 2) / 2)[:, None]

    p = np.array([0.7, 2.0, 3.0, *t])
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(jacobian(decays, p, mode=mode), jacobian(closed, p), rtol=1e-6, atol=1e-6)
    found = jacobian(lambda q: decays(np.concatenate([q, p[3:]]), rtol=1e-10, atol=1e-10), p[:3])
    np.testing.assert_allclose(found, jacobian(lambda q: closed(np.concatenate([q, p[3:]])), p[:3]), rtol=1e-7)
    found = derivative(lambda k: derivative(lambda k: decays([k, *p[1:]])[-1, 0], k), 0.7)
    assert found == pytest.approx(
        derivative(lambda k: derivative(lambda k: closed([k, *p[1:]])[-1, 0], k), 0.7), rel=1e-6
    )


def test_odeint_is_that_of_scipy():
    calls = (
        {},
        {"tfirst": True},
        {"rtol": 1e-4, "atol": [1e-6, 1e-3]},
        {"tcrit": [5.0]},
        {"hmax": 0.1, "h0": 0.01, "hmin": 1e-6},
        {"Dfun": lambda *args: [[-0.5, 0.0], [0.0, -0.5]]},
    )
    t = [0.0, 0.4, 1.5]
    for call in calls:
        f = (lambda t, y, k: -k * y) if call.get("tfirst") else (lambda y, t, k: -k * y)
        theirs, info = scipy_integrate.odeint(f, [1.0, 2.0], t, (0.5,), full_output=True, **call)
        results = []

        def end(k, f=f, call=call, results=results):
            results.append(odeint(f, [1.0, 2.0], t, (k,), full_output=True, **call))
            return results[-1][0][-1, 0]

        assert derivative(end, 0.5) == pytest.approx(-1.5 * np.exp(-0.75), rel=1e-3)
        found, ours = results[0]
        assert np.array_equal(found.value, theirs)
        assert ours.keys() == info.keys()
        assert ours["nfe"].tolist() == info["nfe"].tolist()
    backward = lambda k: odeint(lambda y, t: -k * y, 1.0, [1.0, 0.5, 0.0])[-1, 0]
    assert derivative(backward, 0.5) == pytest.approx(np.exp(0.5), rel=1e-6)
    with pytest.raises(ValueError, match="monotonically"):
        derivative(lambda k: odeint(lambda y, t: -k * y, 1.0, [0.0, 1.0, 0.5])[-1, 0], 0.5)


def test_odeint_that_fails():
    f = lambda k: odeint(lambda y, t: -k * np.sin(1e4 * t) * y, 1.0, [0.0, 10.0], mxstep=5)[-1, 0]
    with pytest.warns(scipy_integrate.ODEintWarning, match="Excess work"):
        value = f(1.0)
    warning = pytest.warns(UndefinedDerivativeWarning, match="odeint is NaN: Excess work")
    with pytest.warns(scipy_integrate.ODEintWarning, match="Excess work"), warning:
        assert np.isnan(derivative(f, 1.0))
    assert np.isfinite(value)


# -- boundary values ---------------------------------------------------------------------------------------------------
def oscillation(p, **options):
    """y'' + k y = 0 between y(0) = a and y(1) = b."""
    k, a, b = p
    f = lambda x, y: np.stack([y[1], -k * y[0]])
    bc = lambda ya, yb: np.stack([ya[0] - a, yb[0] - b])
    return solve_bvp(f, bc, np.linspace(0, 1, 9), np.zeros((2, 9)), tol=1e-9, **options)


def oscillation_at(p, x):
    w = np.sqrt(p[0])
    return p[1] * np.cos(w * x) + (p[2] - p[1] * np.cos(w)) / np.sin(w) * np.sin(w * x)


def test_boundary_values():
    p, x = np.array([1.3, 0.2, 1.1]), np.array([0.0, 0.3, 0.77, 1.0])
    expected = jacobian(lambda p: oscillation_at(p, x), p)
    for mode in ("forward", "reverse"):
        found = jacobian(lambda p: oscillation(p).sol(x)[0], p, mode=mode)
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
    f = lambda p: oscillation(p).sol(0.4)[0]
    np.testing.assert_allclose(hessian(f, p), hessian(lambda p: oscillation_at(p, 0.4), p), rtol=1e-7, atol=1e-8)
    found = oscillation(p)
    slopes = jacobian(lambda p: oscillation(p).y[1], p)
    assert slopes.shape == (found.x.size, 3)
    expected = jacobian(lambda p: derivative(lambda x: oscillation_at(p, x), found.x), p)
    np.testing.assert_allclose(slopes, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(jacobian(lambda p: oscillation(p).yp[0], p), slopes, rtol=1e-12)
    nu = derivative(lambda k: oscillation([k, 0.2, 1.1]).sol(0.4, 1)[0], 1.3)
    assert nu == pytest.approx(
        derivative(lambda k: derivative(lambda x: oscillation_at([k, 0.2, 1.1], x), 0.4), 1.3), rel=1e-6
    )


def test_boundary_values_are_those_of_scipy():
    p = [1.3, 0.2, 1.1]
    theirs = scipy_integrate.solve_bvp(
        lambda x, y: np.stack([y[1], -1.3 * y[0]]),
        lambda ya, yb: np.stack([ya[0] - 0.2, yb[0] - 1.1]),
        np.linspace(0, 1, 9),
        np.zeros((2, 9)),
        tol=1e-9,
    )
    results = [oscillation(p)]

    def f(k):
        results.append(oscillation([k, 0.2, 1.1]))
        return results[-1].y[0, 1]

    derivative(f, 1.3)
    for found in results:
        assert type(found) is type(theirs)
        for key in ("x", "y", "yp", "rms_residuals"):
            assert np.array_equal(getattr(found[key], "value", found[key]), theirs[key])
        assert (found.niter, found.status, found.message) == (theirs.niter, theirs.status, theirs.message)
        value = found.sol(np.array([0.2, 0.5]))
        assert np.array_equal(getattr(value, "value", value), theirs.sol(np.array([0.2, 0.5])))


def test_an_eigenvalue_and_a_moving_end():
    def lowest(a, length):
        """p with y'' + a p^2 y = 0, y = 0 at both ends: pi / (sqrt(a) length)."""
        f = lambda x, y, p: np.stack([y[1], -a * p[0] ** 2 * y[0]])
        bc = lambda ya, yb, p: np.stack([ya[0], yb[0], ya[1] - p[0]])
        x = np.linspace(0, 1, 9) * length
        guess = np.stack([np.sin(3 * np.linspace(0, 1, 9)), np.ones(9)])
        found = solve_bvp(f, bc, x, guess, p=[3.0], tol=1e-8)
        return found.p[0]

    closed = lambda p: np.pi / (np.sqrt(p[0]) * p[1])
    p = np.array([1.0, 1.0])
    np.testing.assert_allclose(gradient(lambda p: lowest(*p), p), gradient(closed, p), rtol=1e-8)
    np.testing.assert_allclose(hessian(lambda p: lowest(*p), p), hessian(closed, p), rtol=1e-7)


def test_a_singular_term():
    # y'' + (2 / x) y' + k y = 0 with y'(0) = 0, y(1) = 1: y = sin(w x) / (x sin(w)).
    def inside(k):
        f = lambda x, y: np.stack([y[1], -k * y[0]])
        bc = lambda ya, yb: np.stack([ya[1], yb[0] - 1.0])
        singular = np.array([[0.0, 0.0], [0.0, -2.0]])
        found = solve_bvp(f, bc, np.linspace(0, 1, 11), np.ones((2, 11)), S=singular, tol=1e-8)
        return found.sol(0.5)[0]

    closed = lambda k: np.sin(0.5 * np.sqrt(k)) / (0.5 * np.sin(np.sqrt(k)))
    assert derivative(inside, 1.3) == pytest.approx(derivative(closed, 1.3), rel=1e-6)


def test_boundary_values_that_are_not_found():
    # For k = pi^2 there is no solution, or there are many.
    def f(b):
        slopes = lambda x, y: np.stack([y[1], -np.exp(b * y[0]) * 10])
        bc = lambda ya, yb: np.stack([ya[0], yb[0]])
        found = solve_bvp(slopes, bc, np.linspace(0, 1, 5), np.zeros((2, 5)), max_nodes=50)
        assert not found.success
        return found.y[0, 2]

    with np.errstate(all="ignore"), pytest.warns(UndefinedDerivativeWarning, match="solve_bvp is NaN"):
        assert np.isnan(derivative(f, 1.0))
