"""``dualdiff.scipy.integrate``: initial value problems in all that they depend on, against closed forms."""

from __future__ import annotations

import inspect
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import dualdiff
from dualdiff import adapt, derivative, gradient, hessian, jacobian, nth_derivative
from dualdiff.base.errors import UndefinedDerivativeWarning

scipy_integrate = pytest.importorskip("scipy.integrate")

from dualdiff.scipy import integrate  # noqa: E402 - needs SciPy

METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
#: The tolerances, and the error of derivatives of the first and of the second order that these allow.
TOLERANCES = {"rtol": 1e-8, "atol": 1e-10}
FIRST, SECOND = 1e-6, 5e-6

#: Growth rate, capacity, initial state, initial and final time.
LOGISTIC = np.array([0.9, 2.5, 0.4, 0.1, 2.2])


def logistic(p):
    """The solution of y' = r y (1 - y / K)."""
    rate, capacity, start, first, last = p
    return capacity / (1 + (capacity / start - 1) * np.exp(-rate * (last - first)))


def growth(t, y, rate, capacity):
    return rate * y * (1 - y / capacity)


def by_closure(p, **options):
    rate, capacity, start, first, last = p
    return integrate.solve_ivp(lambda t, y: growth(t, y, rate, capacity), (first, last), [start], **options)


def by_args(p, **options):
    return integrate.solve_ivp(growth, [p[3], p[4]], p[2:3], args=(p[0], p[1]), **options)


def by_object(p, **options):
    data = SimpleNamespace(rate=p[0], capacity=p[1])
    return integrate.solve_ivp(
        lambda t, y: [data.rate * y[0] * (1 - y[0] / data.capacity)], np.stack([p[3], p[4]]), (p[2],), **options
    )


def by_vectorized(p, **options):
    def f(t, y):
        assert y.ndim == 2
        return growth(t, y, p[0], p[1])

    return integrate.solve_ivp(f, (p[3], p[4]), p[2:3], vectorized=True, **options)


WAYS = (by_closure, by_args, by_object, by_vectorized)


def last(found):
    return found.y[0, -1]


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("method", METHODS)
def test_parameters_states_and_times(method, mode):
    expected = gradient(logistic, LOGISTIC)
    for way in WAYS:
        found = gradient(lambda p, way=way: last(way(p, method=method, **TOLERANCES)), LOGISTIC, mode=mode)
        np.testing.assert_allclose(found, expected, rtol=FIRST, err_msg=way.__name__)


@pytest.mark.parametrize("method", METHODS)
def test_second_order(method):
    found = hessian(lambda p: last(by_closure(p, method=method, **TOLERANCES)), LOGISTIC)
    np.testing.assert_allclose(found, hessian(logistic, LOGISTIC), rtol=SECOND, atol=SECOND)


@pytest.mark.parametrize("method", METHODS)
def test_backward(method):
    p = LOGISTIC[[0, 1, 2, 4, 3]]
    found = jacobian(lambda p: last(by_closure(p, method=method, **TOLERANCES)), p)
    np.testing.assert_allclose(found, gradient(logistic, p), rtol=FIRST)
    times = [1.9, 1.2, 0.6]
    found = jacobian(lambda p: by_args(p, method=method, t_eval=times, **TOLERANCES).y[0], p)
    expected = [gradient(lambda p, t=t: logistic([*p[:4], t]), p) for t in times]
    np.testing.assert_allclose(found, expected, rtol=FIRST, atol=1e-8)


@pytest.mark.parametrize("order", [3, 4])
def test_higher_orders_in_times(order):
    end = lambda t: last(by_closure([*LOGISTIC[:4], t], method="DOP853", rtol=1e-11, atol=1e-12))
    start = lambda t: last(by_closure([*LOGISTIC[:3], t, 2.2], method="DOP853", rtol=1e-11, atol=1e-12))
    closed = nth_derivative(lambda t: logistic([*LOGISTIC[:4], t]), 2.2, order)
    np.testing.assert_allclose(nested(end, 2.2, order), closed, rtol=1e-8)
    closed = nth_derivative(lambda t: logistic([*LOGISTIC[:3], t, 2.2]), 0.1, order)
    np.testing.assert_allclose(nested(start, 0.1, order), closed, rtol=1e-7)


def nested(f, x, order):
    return f(x) if order == 0 else derivative(lambda x: nested(f, x, order - 1), x)


def test_sparse():
    def chain(p):
        return integrate.solve_ivp(lambda t, y: -p * y, (0.0, 1.0), np.ones(4), **TOLERANCES).y[:, -1]

    p = np.array([0.2, 0.4, 0.6, 0.8])
    found = jacobian(chain, p, sparse=True)
    assert found.nnz == 4
    np.testing.assert_allclose(found.toarray(), -np.diag(np.exp(-p)), rtol=1e-6)
    for method in ("Radau", "BDF", "LSODA"):
        f = lambda p, m=method: integrate.solve_ivp(lambda t, y: -p * y, (0.0, 1.0), np.ones(4), m, **TOLERANCES).y
        found = jacobian(lambda p, f=f: f(p)[:, -1], p, sparse=True)
        np.testing.assert_allclose(found.toarray(), -np.diag(np.exp(-p)), rtol=1e-6, atol=1e-12)


# -- the result --------------------------------------------------------------------------------------------------------
def crossing(t, y, *args):
    return y[0] - 1.0


def half(t, y, *args):
    return y[0] - 0.5


CALLS = (
    {},
    {"t_eval": [0.1, 0.7, 1.9]},
    {"dense_output": True},
    {"dense_output": True, "t_eval": np.linspace(0.1, 2.2, 5)},
    {"events": crossing},
    {"events": [crossing, half], "dense_output": True},
    {"max_step": 0.3, "first_step": 0.05},
)


@pytest.mark.parametrize("method", METHODS)
def test_the_result_is_that_of_scipy(method):
    args = (0.9, 2.5)
    for call in CALLS:
        theirs = scipy_integrate.solve_ivp(growth, (0.1, 2.2), [0.4], method, args=args, **call)
        plain = integrate.solve_ivp(growth, (0.1, 2.2), [0.4], method, args=args, **call)
        results = [plain]

        def f(p, call=call, results=results):
            results.append(by_args(p, method=method, **call))
            return last(results[-1])

        derivative(lambda rate, f=f: f([rate, *LOGISTIC[1:]]), LOGISTIC[0])
        for found in results:
            assert type(found) is type(theirs)
            assert list(found) == list(theirs)
            for key in ("nfev", "njev", "nlu", "status", "message", "success"):
                assert found[key] == theirs[key], (key, call)
            for key in ("t", "y"):
                value = getattr(found[key], "value", found[key])
                assert np.array_equal(value, theirs[key]), (key, call)
            for key in ("t_events", "y_events"):
                assert (found[key] is None) == (theirs[key] is None)
                for ours, expected in zip(found[key] or [], theirs[key] or [], strict=True):
                    assert np.array_equal(getattr(ours, "value", ours), expected), (key, call)
            if theirs.sol is not None:
                assert isinstance(found.sol, type(theirs.sol))
                for t in (0.1, 1.0, theirs.t[1], np.array([0.3, 0.9, 2.2])):
                    value = found.sol(t)
                    assert np.array_equal(getattr(value, "value", value), theirs.sol(t)), (t, call)


def test_signatures():
    for name in ("solve_ivp", "odeint", "solve_bvp"):
        assert inspect.signature(getattr(integrate, name)) == inspect.signature(getattr(scipy_integrate, name))


def test_errors_and_warnings_are_those_of_scipy():
    calls = (
        {"method": "Euler"},
        {"method": int},
        {"t_eval": [0.0, 3.0]},
        {"t_eval": [0.5, 0.2]},
        {"t_eval": [[0.5]]},
        {"args": 2.0},
        {"max_step": -1.0},
        {"first_step": 100.0},
    )
    for call in calls:
        messages = []
        for module in (scipy_integrate, integrate):
            with pytest.raises(Exception) as error:  # noqa: PT011 - whatever SciPy raises
                module.solve_ivp(lambda t, y, *a: -y, (0.0, 1.0), [1.0], **call)
            messages.append((type(error.value), str(error.value)))
        assert messages[0] == messages[1]
    with pytest.warns(UserWarning, match="no effect"):
        derivative(lambda k: last(integrate.solve_ivp(lambda t, y: -k * y, (0, 1), [1.0], colour="red")), 1.0)
    with pytest.raises(ValueError, match="1-dimensional"):
        derivative(lambda k: last(integrate.solve_ivp(lambda t, y: -k * y, (0, 1), [[1.0]])), 1.0)


def test_no_integration_and_no_unknowns():
    found = derivative(lambda t: last(integrate.solve_ivp(lambda s, y: -y, (t, 1.0), [2.0])), 1.0)
    assert found == pytest.approx(2.0)
    found = derivative(lambda t: last(integrate.solve_ivp(lambda s, y: -y, (1.0, t), [2.0])), 1.0)
    assert found == pytest.approx(-2.0)
    assert derivative(lambda a: last(integrate.solve_ivp(lambda s, y: -y, (1.0, 1.0), [a])), 2.0) == 1.0
    empty = integrate.solve_ivp(lambda t, y: y, (0.0, 1.0), [])
    assert empty.y.shape == (0, 2)
    none = derivative(lambda k: np.sum(integrate.solve_ivp(lambda t, y: -k * y, (0, 1), [1.0], t_eval=[]).y) + k, 2.0)
    assert none == 1.0


# -- times -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
def test_times_of_the_result(method):
    times = np.array([0.3, 0.9, 1.7])

    def f(p):
        return by_closure(LOGISTIC, method=method, t_eval=p, **TOLERANCES).y[0]

    slopes = [derivative(lambda t: logistic([*LOGISTIC[:4], t]), t) for t in times]
    np.testing.assert_allclose(jacobian(f, times), np.diag(slopes), rtol=FIRST)
    np.testing.assert_allclose(jacobian(f, times, mode="reverse"), np.diag(slopes), rtol=FIRST)
    found = jacobian(lambda p: by_closure(LOGISTIC, method=method, t_eval=p, **TOLERANCES).t, times)
    np.testing.assert_array_equal(found, np.identity(3))
    # Between, the solution does not depend on where it ends.
    found = derivative(lambda t: by_closure([*LOGISTIC[:4], t], method=method, t_eval=times).y[0] + t, 2.2)
    np.testing.assert_array_equal(found, np.ones(3))
    found = jacobian(lambda p: by_closure([*LOGISTIC[:3], *p], method=method).t[[0, -1]], LOGISTIC[3:])
    np.testing.assert_array_equal(found, np.identity(2))


@pytest.mark.parametrize("method", METHODS)
def test_dense_output(method):
    times = np.array([0.1, 0.35, 1.0, 2.2])

    def f(p):
        solution = by_closure(p, method=method, dense_output=True, **TOLERANCES).sol
        return np.concatenate([solution(times)[0], solution(1.5)])

    expected = [gradient(lambda p, t=t: logistic([*p[:4], t]), LOGISTIC) for t in (*times, 1.5)]
    np.testing.assert_allclose(jacobian(f, LOGISTIC), expected, rtol=FIRST, atol=1e-8)
    solution = by_closure(LOGISTIC, method=method, dense_output=True, **TOLERANCES).sol
    found = derivative(lambda t: derivative(lambda t: solution(t)[0], t), 1.3)
    closed = nth_derivative(lambda t: logistic([*LOGISTIC[:4], t]), 1.3, 2)
    np.testing.assert_allclose(found, closed, rtol=1e-6)

    def mixed(rate, t):
        return by_closure([rate, *LOGISTIC[1:]], method=method, dense_output=True, **TOLERANCES).sol(t)[0]

    found = derivative(lambda rate: derivative(lambda t: mixed(rate, t), 1.3), 0.9)
    closed = derivative(lambda rate: derivative(lambda t: logistic([rate, *LOGISTIC[1:4], t]), 1.3), 0.9)
    np.testing.assert_allclose(found, closed, rtol=1e-6)


# -- complex states ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853", "BDF"])
def test_complex_states(method):
    def turned(p):
        # Not holomorphic in y: the phase turns at a rate that the modulus gives.
        f = lambda t, y: (1j * p[0] * np.abs(y) ** 2 - p[1]) * y
        y = integrate.solve_ivp(f, (0.0, 1.5), [2.0 + 0.0j], method, **TOLERANCES).y[0, -1]
        return np.stack([y.real, y.imag])

    def closed(p):
        phase = p[0] * 4.0 * (1 - np.exp(-2 * p[1] * 1.5)) / (2 * p[1])
        modulus = 2.0 * np.exp(-p[1] * 1.5)
        return np.stack([modulus * np.cos(phase), modulus * np.sin(phase)])

    p = np.array([0.7, 0.4])
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(jacobian(turned, p, mode=mode), jacobian(closed, p), rtol=5e-6, atol=1e-7)


# -- where there is no derivative --------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS[:-1])
def test_a_solver_that_fails(method):
    # LSODA never comes to an end here.
    def explodes(a):
        found = integrate.solve_ivp(lambda t, y: a * y**2, (0.0, 2.0), [1.0], method, dense_output=True)
        assert found.status == -1
        assert not found.success
        return np.stack([found.y[0, -1], found.y[0, 0], found.sol(0.1)[0]])

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", UndefinedDerivativeWarning)
        try:
            explodes(1.0)
        except AssertionError:
            pytest.skip("this method steps over the pole")
        with pytest.raises(UndefinedDerivativeWarning, match="solve_ivp is NaN"):
            derivative(explodes, 1.0)
        warnings.simplefilter("ignore", UndefinedDerivativeWarning)
        assert np.all(np.isnan(derivative(explodes, 1.0)))


@pytest.mark.parametrize("method", METHODS)
def test_a_function_that_does_not_repeat_itself(method):
    def f(k):
        calls = []

        def slope(t, y):
            calls.append(t)
            return -k * y * (1 + len(calls) % 7)

        return last(integrate.solve_ivp(slope, (0.0, 1.0), [1.0], method, max_step=0.2, rtol=0.5, atol=0.5))

    with pytest.warns(UndefinedDerivativeWarning, match="returned other values"):
        assert np.isnan(derivative(f, 0.5))


def test_single_precision_and_duals_made_by_hand():
    end = lambda a: last(integrate.solve_ivp(lambda t, y: -y, (0, 1), np.stack([a]), **TOLERANCES))
    found = derivative(end, np.float32(2.0))
    assert found.dtype == np.float64
    assert found == pytest.approx(np.exp(-1.0), rel=1e-6)
    data = SimpleNamespace(rate=dualdiff.Dual(0.5, 1.0))
    found = last(integrate.solve_ivp(lambda t, y: [-data.rate * y[0]], (0, 1), [1.0], **TOLERANCES))
    assert found.tangent == pytest.approx(-np.exp(-0.5), rel=1e-6)


# -- code as it is -----------------------------------------------------------------------------------------------------
def test_adapt():
    def model(k):
        def f(t, y):
            dy = np.zeros(2)
            dy[0] = y[1]
            dy[1] = -k * y[0]
            return dy

        return scipy_integrate.solve_ivp(f, (0.0, 1.0), [1.0, 0.0], rtol=1e-9, atol=1e-9).y[0, -1]

    assert derivative(adapt(model), 2.0) == pytest.approx(-np.sin(2**0.5) / (2 * 2**0.5), rel=1e-7)
    older = lambda k: scipy_integrate.odeint(lambda y, t: -k * y, [1.0], [0.0, 1.0])[-1, 0]
    assert derivative(adapt(older), 0.5) == pytest.approx(-np.exp(-0.5), rel=1e-6)


def test_a_solver_of_the_users_own():
    class Twice(scipy_integrate.RK45):
        """RK45 with steps of half the size."""

        def __init__(self, *args, **options):
            super().__init__(*args, max_step=0.05, **options)

    class Euler(scipy_integrate.OdeSolver):
        """Euler's method."""

        def __init__(self, fun, t0, y0, t_bound, vectorized=False, **options):
            super().__init__(fun, t0, y0, t_bound, vectorized)

        def _step_impl(self):
            h = min(1e-2, self.t_bound - self.t)
            self.y_old = self.y
            self.slope = self.fun(self.t, self.y)
            self.y, self.t = self.y + h * self.slope, self.t + h
            return True, None

        def _dense_output_impl(self):
            y, slope, start = self.y_old, self.slope, self.t_old
            return lambda t: y[:, None] + slope[:, None] * (t - start)

    for method, rtol in ((Twice, 1e-6), (Euler, 2e-2)):
        found = derivative(lambda k, m=method: last(integrate.solve_ivp(lambda t, y: -k * y, (0, 1), [1.0], m)), 0.5)
        assert found == pytest.approx(-np.exp(-0.5), rel=rtol)
