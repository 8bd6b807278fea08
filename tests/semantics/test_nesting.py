"""Derivatives of functions that take derivatives themselves: no perturbation is taken for another."""

from __future__ import annotations

import asyncio
import copy
import itertools
import multiprocessing
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import derivative, gradient, hessian, hvp, jacobian, jvp
from dualdiff.base import tags
from dualdiff.core.dual import make
from dualdiff.tangents.spaces.single import Single
from tests.support import far_away

X = np.array([0.7, 1.9, -1.1])

# From Python 3.12 on a fork beside threads warns, and the executors have threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def D(f):
    """The derivative of f as a function."""
    return derivative(f)


def by_gradient(f):
    return lambda x: gradient(f, x)


def by_jacobian(f):
    return lambda x: jacobian(f, x)


def by_jvp(f):
    return lambda x: jvp(f, x, 1.0)[1]


def by_reverse(f):
    return lambda x: gradient(f, x, mode="reverse")


def by_pull(f):
    return lambda x: dd.vjp(f, x)[1](1.0)


def by_linear_map(f):
    return lambda x: dd.linearize(f, x)[1](1.0)


WAYS = [D, by_gradient, by_jacobian, by_jvp, by_reverse, by_pull, by_linear_map]
pairs = pytest.mark.parametrize(("inner", "outer"), list(itertools.product(WAYS, WAYS)), ids=lambda op: op.__name__)


@pairs
def test_x_times_the_slope_of_x_plus_y(inner, outer):
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0


@pairs
def test_x_times_the_slope_of_x_times_y(inner, outer):
    assert outer(lambda x: x * inner(lambda y: x * y)(3.0))(3.0) == 6.0


@pairs
def test_the_slope_of_a_constant_at_x(inner, outer):
    assert outer(lambda x: inner(lambda y: x)(x))(1.0) == 0.0
    assert outer(lambda x: inner(lambda y: x * 1.0)(x))(1.0) == 0.0


@pairs
def test_the_inner_slope_at_the_outer_point(inner, outer):
    assert outer(lambda x: inner(lambda y: x * y**3)(x))(2.0) == 36.0
    assert outer(lambda x: inner(lambda y: y**3)(x**2))(1.5) == pytest.approx(12 * 1.5**3)


@pairs
def test_the_same_callable_nested_in_itself(inner, outer):
    """ForwardDiff.jl #313: f(x) = x D(f)(x) with one function object at both levels."""

    def f(x, depth=[0]):  # noqa: B006 - one object at both levels is the case
        if depth[0]:
            return x * x
        depth[0] += 1
        try:
            return x * inner(f)(1.0)
        finally:
            depth[0] -= 1

    assert outer(f)(1.0) == 2.0
    g = lambda x: x * x
    assert outer(lambda x: g(inner(g)(x)))(1.0) == 8.0
    identity = lambda x: x
    assert outer(lambda x: identity(x) * inner(identity)(identity(x)))(1.0) == 1.0


def test_one_derived_function_at_both_levels():
    d = D(lambda y: y**3)
    assert D(lambda x: x * d(x))(2.0) == 36.0
    assert D(d)(2.0) == 12.0
    assert D(D(d))(2.0) == 6.0
    assert D(lambda x: D(lambda y: d(x) * y)(x))(2.0) == 12.0


def test_three_deep():
    assert D(lambda x: x * D(lambda y: y * D(lambda z: x * y * z)(2.0))(3.0))(5.0) == 60.0
    assert D(D(D(D(D(lambda x: x**5)))))(3.0) == 120.0
    f = lambda x: np.exp(2 * x)
    np.testing.assert_allclose(D(D(D(D(f))))(0.5), 16 * np.exp(1.0))
    third = jacobian(jacobian(jacobian(lambda x: np.prod(x) * x)), X)
    np.testing.assert_allclose(third[0, 0, 1, 2], 2 * X[0])
    np.testing.assert_allclose(third, np.transpose(third, (0, 2, 3, 1)))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_in_x_of_the_gradient_in_y_of_a_bilinear_form(mode):
    A = np.arange(12.0).reshape(3, 4)
    x, y = np.linspace(0, 1, 4), np.linspace(1, 2, 3)
    np.testing.assert_array_equal(jacobian(lambda x: gradient(lambda y: y @ A @ x, y, mode=mode), x, mode=mode), A)
    np.testing.assert_array_equal(jacobian(lambda y: gradient(lambda x: y @ A @ x, x, mode=mode), y, mode=mode), A.T)
    for chunk_size in (1, 2):
        found = jacobian(
            lambda x, c=chunk_size: gradient(lambda y: y @ A @ x, y, chunk_size=c), x, chunk_size=chunk_size
        )
        np.testing.assert_array_equal(found, A)


@pytest.mark.parametrize("chunk_size", [None, 1, 2, 3])
def test_hessian_of_a_quadratic_form_at_0(chunk_size):
    """ForwardDiff.jl #551: zeros in value must not be taken for zero tangents."""
    H = np.arange(1.0, 10.0).reshape(3, 3)
    expected = [[2, 6, 10], [6, 10, 14], [10, 14, 18]]
    for f in (
        lambda x: x @ H @ x,
        lambda x: np.dot(x, np.dot(H, x)),
        lambda x: np.einsum("i,ij,j", x, H, x),
        lambda x: np.sum(x[:, None] * H * x),
        lambda x: sum(x[i] * H[i, j] * x[j] for i in range(3) for j in range(3)),
    ):
        np.testing.assert_array_equal(hessian(f, np.zeros(3), chunk_size=chunk_size), expected)
        np.testing.assert_array_equal(hvp(f, np.zeros(3), np.array([1.0, 0.0, 2.0])), [22, 34, 46])
        for outer, inner in itertools.product(("forward", "reverse"), repeat=2):
            found = jacobian(lambda x, f=f, inner=inner: gradient(f, x, mode=inner), np.zeros(3), mode=outer)
            np.testing.assert_array_equal(found, expected)


def test_powers_nested_three_times():
    """ForwardDiff.jl #331."""
    for x in (0.0, 1.5, -2.0):
        for power, product in ((lambda t: t**2, lambda t: t * t), (lambda t: t**3, lambda t: t * t * t)):
            assert D(D(D(power)))(x) == D(D(D(product)))(x)
            assert D(D(power))(x) == D(D(product))(x)


def test_outer_duals_inside_arrays_of_the_inner_call():
    def f(t):
        def g(y):
            z = np.zeros_like(y)
            z[0] = t * y[1]
            z[1:] = [t, y[0] * t**2]
            z[2] += y[2]
            return np.sum(z * y)

        return gradient(g, X)

    expected = [X[1] + 2 * 2.0 * X[2], X[0] + 1, 2 * 2.0 * X[0]]
    for slope in (derivative(f, 2.0), jacobian(f, 2.0), jvp(f, 2.0, 1.0)[1], jacobian(f, 2.0, mode="reverse")):
        np.testing.assert_allclose(slope, expected)


def test_points_inside_points():
    slope = lambda x: derivative(lambda y: y**3 * 2, x)
    np.testing.assert_allclose(derivative(slope, X), 12 * X)
    np.testing.assert_allclose(jacobian(slope, X), np.diag(12 * X))
    np.testing.assert_allclose(derivative(lambda t: derivative(lambda y: t * y * y, X), 3.0), 2 * X)
    np.testing.assert_allclose(derivative(lambda x: np.array([D(lambda y: y**3)(t) for t in x]), X), 6 * X)


def test_inner_call_differentiates_in_another_argument():
    f = lambda a, x: a * x**2
    assert derivative(lambda a: derivative(f, a, 3.0, argnum=1), 2.0) == 6.0
    assert derivative(lambda x: derivative(f, 2.0, x, argnum=1), 3.0) == 4.0
    assert derivative(derivative(f, argnum=1), 2.0, 3.0, argnum=0) == 6.0
    assert derivative(lambda x: derivative(f, x, x, argnum=1) + derivative(f, x, x), 3.0) == 18.0


def test_value_and_aux_of_an_inner_call_keep_the_outer_tangent():
    def f(x):
        value, slope = dd.value_and_derivative(lambda y: x * y**2, x)
        g, aux = gradient(lambda y: (x * y**3, {"square": y * x, "plain": 2}), x, has_aux=True)
        return value + slope + g + aux["square"] * aux["plain"]

    assert derivative(f, 2.0) == 3 * 4 + 4 * 2 + 9 * 4 + 4 * 2


def test_newton_iteration_inside_a_derivative():
    def root(a):
        x = 1.0
        for _ in range(30):
            r = x * x - a
            x = x - r / derivative(lambda x: x * x - a, x)
        return x

    assert root(2.0) == pytest.approx(2**0.5, rel=1e-15)
    assert derivative(root, 2.0) == pytest.approx(0.5 / 2**0.5, rel=1e-14)
    assert derivative(derivative(root), 2.0) == pytest.approx(-0.25 / 2**1.5, rel=1e-13)


# -- tags --------------------------------------------------------------------------------------------------------------
def test_every_call_has_a_fresh_tag():
    seen = []
    for _ in range(3):
        derivative(lambda x: seen.append(x.space.tag) or derivative(lambda y: seen.append(y.space.tag) or y, x), 1.0)
        jacobian(lambda x: seen.append(x.space.tag) or x, X, chunk_size=1, mode="forward")
    assert len(set(seen)) == len(seen)
    assert not tags.live


def test_tags_are_fresh_among_threads():
    seen = []

    def work():
        for _ in range(200):
            derivative(lambda x: seen.append(x.space.tag) or x, 1.0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(seen)) == 1600
    assert not tags.live


def test_a_received_dual_moves_the_counter_beyond_its_tag():
    tag = tags.start()
    tags.end(tag)
    foreign = tag + 1000 * (1 << 24) + 7 - tag % (1 << 24)
    guest = pickle.loads(pickle.dumps(make(2.0, 1.0, Single(foreign))))
    later = tags.start()
    tags.end(later)
    assert later > foreign
    product = []
    assert derivative(lambda y: product.append(guest * y) or product[0], 3.0).tangent == 1.0
    assert product[0].value.value == 6.0


# -- threads and processes ---------------------------------------------------------------------------------------------
def in_a_thread(work, x):
    found = []
    thread = threading.Thread(target=lambda: found.append(work(x)))
    thread.start()
    thread.join()
    return found[0]


def in_a_thread_pool(work, x):
    with ThreadPoolExecutor(2) as pool:
        return pool.submit(work, x).result()


def through_pickle(work, x):
    return pickle.loads(pickle.dumps(work(pickle.loads(pickle.dumps(x)))))


def through_deepcopy(work, x):
    return copy.deepcopy(work(copy.deepcopy(x)))


def in_an_event_loop(work, x):
    async def run():
        return await asyncio.get_running_loop().run_in_executor(None, work, x)

    return asyncio.run(run())


def test_a_recorded_dual_does_not_travel():
    with pytest.raises(TypeError, match="cannot be sent to another process: use mode='forward'"):
        gradient(lambda x: np.sum(through_pickle(far_away.cube, x)), X, mode="reverse")
    expected = 3 * X * X
    np.testing.assert_allclose(gradient(lambda x: np.sum(in_a_thread(far_away.cube, x)), X, mode="reverse"), expected)
    np.testing.assert_allclose(
        gradient(lambda x: np.sum(through_deepcopy(far_away.cube, x)), X, mode="reverse"), expected
    )


@pytest.fixture(scope="module", params=["fork", "forkserver", "spawn"])
def pool(request):
    if request.param not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {request.param} on this system")
    context = multiprocessing.get_context(request.param)
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        yield executor


def check_elsewhere(run):
    """Derivatives of what is worked out elsewhere, by ``run(work, x)``."""
    assert derivative(lambda x: run(far_away.inner_slope, x), 5.0) == 4.0
    assert derivative(lambda x: run(far_away.twisted, x), 5.0) == 10.0
    assert derivative(lambda x: x * run(far_away.inner_slope, x), 5.0) == 40.0
    assert (
        derivative(lambda x: run(far_away.cube, x) * derivative(lambda y: y * run(far_away.cube, x), x), 2.0) == 192.0
    )
    assert derivative(derivative(lambda x: run(far_away.twisted, x) * x), 2.0) == 12.0
    np.testing.assert_array_equal(jacobian(lambda x: run(far_away.field, x), X[:2]), 2 * np.eye(2))
    np.testing.assert_allclose(gradient(lambda x: np.sum(run(far_away.cube, x)), X), 3 * X * X)
    np.testing.assert_allclose(hessian(lambda x: np.sum(run(far_away.cube, x[:2]) * x[0]), X)[0, 0], 12 * X[0] ** 2)
    np.testing.assert_allclose(derivative(lambda x: run(far_away.cube, x), X), 3 * X * X)
    if run is not in_a_thread:
        with pytest.raises(ZeroDivisionError):
            derivative(lambda x: run(far_away.failing, x), 1.0)
    assert run(far_away.third_slope, 2.0) == 48.0
    assert not tags.live


@pytest.mark.parametrize(
    "run",
    [in_a_thread, in_a_thread_pool, through_pickle, through_deepcopy, in_an_event_loop],
    ids=lambda run: run.__name__,
)
def test_derivative_taken_elsewhere_inside_f(run):
    check_elsewhere(run)


def test_derivative_taken_in_a_process_pool_inside_f(pool):
    """ForwardDiff.jl #320, #573: a counter that started afresh in a new process would confuse the levels."""
    check_elsewhere(lambda work, x: pool.submit(work, x).result())


def test_derivatives_mapped_over_a_process_pool(pool):
    f = lambda x: sum(pool.map(far_away.twisted, [x, 2 * x, x + 1])) + x
    assert derivative(f, 3.0) == 6.0 + 24.0 + 8.0 + 1.0
    assert derivative(derivative(f), 3.0) == 2.0 + 8.0 + 2.0
    slopes = list(pool.map(derivative(far_away.cube), [1.0, 2.0, 3.0]))
    assert slopes == [3.0, 12.0, 27.0]


def test_duals_of_a_worker_are_not_taken_for_those_of_the_caller(pool):
    """Calls here and there at the same time: tags carry a salt drawn for each process."""

    def f(x):
        futures = [pool.submit(far_away.twisted, x) for _ in range(4)]
        here = [derivative(lambda y: x * y, 2.0) for _ in range(5)]
        return sum(future.result() for future in futures) * here[0]

    assert derivative(f, 3.0) == 3 * 4 * 9


def test_many_threads_at_once():
    def work(k):
        f = lambda x: x * derivative(lambda y: x * y**2, float(k))
        return [derivative(f, 3.0), hessian(lambda v: np.sum(v**3) * k, X)[0, 0]]

    with ThreadPoolExecutor(8) as executor:
        for k, (slope, bend) in enumerate(executor.map(work, range(64))):
            assert slope == 12.0 * k
            assert bend == pytest.approx(6 * X[0] * k)
    assert not tags.live


def test_interleaved_generators():
    """Two calls whose bodies run by turns, as coroutines do."""

    async def one(k, log):
        async def body(x):
            await asyncio.sleep(0)
            log.append(k)
            return x * derivative(lambda y: x * y * k, 1.0)

        return await body(dd.Dual(3.0, 1.0))

    async def both():
        log = []
        return await asyncio.gather(*(one(k, log) for k in (1.0, 2.0)))

    a, b = asyncio.run(both())
    assert (a.tangent, b.tangent) == (6.0, 12.0)


# -- exceptions --------------------------------------------------------------------------------------------------------
class Stop(Exception):
    """Raised inside f."""


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, GeneratorExit])
def test_an_exception_inside_f_leaves_no_state_behind(error):
    def f(x):
        if np.ndim(x):
            x[0] = 5.0
        raise error

    def inner(x):
        return gradient(lambda y: f(y * x) if np.ndim(x) == 0 else f(y), X)

    before, errors = X.copy(), np.geterr()
    for call in (
        lambda: derivative(f, 1.0),
        lambda: derivative(f, X),
        lambda: gradient(f, X),
        lambda: gradient(f, X, mode="reverse"),
        lambda: jacobian(f, X, chunk_size=1),
        lambda: hessian(f, X),
        lambda: hvp(f, X, X),
        lambda: jvp(f, X, X),
        lambda: dd.vjp(f, X),
        lambda: dd.linearize(f, X),
        lambda: derivative(inner, 1.0),
        lambda: derivative(derivative(f), 1.0),
    ):
        with pytest.raises(error):
            call()
        assert not tags.live
        np.testing.assert_array_equal(X, before)
        assert np.geterr() == errors
        assert D(lambda x: x * D(lambda y: x * y)(3.0))(3.0) == 6.0


def test_an_exception_of_an_inner_call_that_f_catches():
    def f(x):
        try:
            derivative(lambda y: x * y / 0, 1.0)
        except ZeroDivisionError:
            return x * derivative(lambda y: x * y, 2.0)

    assert derivative(f, 3.0) == 6.0
    assert not tags.live


def test_recursion_without_end():
    def f(x):
        return derivative(f, x)

    with pytest.raises(RecursionError):
        f(1.0)
    assert not tags.live
    assert derivative(lambda t: t**2, 3.0) == 6.0
