"""Reverse mode: values, automatic choice, views and writes, long runs, memory, and no state left behind."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import threading
import tracemalloc
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dualdiff
from dualdiff import (
    NotHolomorphicError,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    value_and_gradient,
    value_and_jacobian,
    value_gradient_and_hessian,
    vjp,
)
from dualdiff.base import tags
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.passes import recorded_pass
from dualdiff.drivers.run.planning import FORWARD_UP_TO
from tests.semantics.memory.test_views import SEEDS, complex_step, point, program

X = np.array([0.3, -1.2, 2.1])


def counted(f):
    """The function with a count of its calls and the spaces of its dual arguments."""

    def g(*args, **kwargs):
        g.calls += 1
        g.spaces.append(type(args[0].space).__name__ if hasattr(args[0], "space") else None)
        return f(*args, **kwargs)

    g.calls, g.spaces = 0, []
    return g


def bent(x):
    """A map of three elements to four."""
    return np.stack([np.sin(x[0]) * x[1], x[2] ** 2, np.exp(x[0] - x[2]), x[1] / x[2]])


# -- modes -------------------------------------------------------------------------------------------------------------
def nonlinear(x):
    return np.sum(np.sin(x) * np.roll(x, 1) ** 2) + np.prod(x[:3])


def test_auto_takes_the_gradient_forwards_up_to_a_number_of_inputs():
    for n, space in ((FORWARD_UP_TO, "Mixed"), (FORWARD_UP_TO + 1, "Recorded")):
        f = counted(nonlinear)
        gradient(f, np.linspace(0.0, 1.0, n))
        assert f.spaces == [space]
        assert f.calls == 1
    f = counted(nonlinear)
    gradient(f, np.linspace(0.0, 1.0, FORWARD_UP_TO, dtype=np.float32))
    assert f.spaces == ["Dense"]
    assert f"up to {FORWARD_UP_TO} elements" in gradient.__doc__


def test_auto_takes_the_jacobian_backwards_where_rows_are_fewer_and_passes_several():
    def spaces(m, n, chunk_size=None):
        f = counted(lambda x: np.outer(np.arange(m), np.sin(x)).sum(axis=1))
        jacobian(f, np.ones(n), chunk_size=chunk_size)
        return f.spaces

    assert spaces(2, 100) == ["Dense"]
    assert spaces(2, 100, chunk_size=10) == ["Dense", "Recorded"]
    assert spaces(100, 20, chunk_size=10) == ["Dense"] * 2
    assert spaces(2, 2000) == ["Dense", "Recorded"]


def test_forward_over_reverse_runs_f_once_for_a_hessian_vector_product():
    f = counted(nonlinear)
    hvp(f, np.linspace(0.0, 1.0, 100), np.ones(100))
    assert f.calls == 1
    f = counted(nonlinear)
    hessian(f, np.linspace(0.0, 1.0, 40), chunk_size=20)
    assert f.calls == 2


def test_an_unknown_mode_is_refused():
    for operator in (gradient, jacobian, hessian):
        with pytest.raises(ValueError, match="mode must be one of 'auto', 'forward', 'reverse', not 'backward'"):
            operator(nonlinear, X, mode="backward")


SCALAR = [gradient, value_and_gradient, hessian, value_gradient_and_hessian]


def compare(found, expected):
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        found, expected = tuple(found.values()), tuple(expected.values())
    if isinstance(expected, tuple):
        assert type(found) is type(expected)
        for a, b in zip(found, expected, strict=True):
            compare(a, b)
        return
    assert type(found) is type(expected)
    assert np.result_type(found) == np.result_type(expected)
    assert np.shape(found) == np.shape(expected)
    tolerance = 1e-6 if np.result_type(found) == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def both_modes(operator, f, *args, **options):
    compare(operator(f, *args, mode="reverse", **options), operator(f, *args, mode="forward", **options))


@pytest.mark.parametrize("operator", [*SCALAR, jacobian, value_and_jacobian], ids=lambda o: o.__name__)
def test_forward_and_reverse_agree(operator):
    is_scalar = operator in SCALAR
    both_modes(operator, nonlinear if is_scalar else bent, X)
    both_modes(operator, nonlinear, X.astype(np.float32))
    both_modes(operator, lambda k, x: nonlinear(k * x), 2.0, X, argnum=1)
    both_modes(operator, lambda x: (nonlinear(x), {"x": x}), X, has_aux=True)
    both_modes(operator, nonlinear, X, chunk_size=2)
    both_modes(operator, lambda x: x * x * np.sin(x), 0.7)
    with warnings.catch_warnings(action="ignore", category=dualdiff.ConstantResultWarning):
        both_modes(operator, lambda x: 2.0, X)
    both_modes(operator, lambda x: np.sum(x**2), np.zeros(0))
    both_modes(operator, lambda p: np.sum(p["a"] ** 3) * np.exp(p["b"][0]), {"a": X, "b": (0.5, X[:2])})
    # A batch of points, each by itself.
    batch = np.linspace(-1.0, 1.0, 12).reshape(2, 2, 3)
    both_modes(operator, lambda x: np.sum(x**3, axis=-1) * x[..., 0], batch, batch_dims=2)
    if not is_scalar:
        both_modes(operator, lambda x: {"y": (np.outer(x, x), x[0])}, X)
        both_modes(operator, lambda p: (p[0] * p[1], np.sum(p[1])), (2.0, X), chunk_size=2)
        both_modes(operator, lambda x: x[..., ::-1] ** 2 * x[..., :1], batch, batch_dims=2)
        both_modes(operator, lambda x: np.exp(1j * x) * np.sum(x), X)
        both_modes(operator, lambda x: (x * 1j, x * 2), X)


@pytest.mark.parametrize("operator", [gradient, value_and_gradient])
def test_forward_and_reverse_agree_for_complex_numbers(operator):
    z = np.array([1 + 2j, 0.5 - 1j])
    both_modes(operator, lambda z: np.sum(np.abs(z) ** 3), z)
    both_modes(operator, lambda z: np.sum(z**3), z)
    both_modes(operator, lambda x: np.sum(np.exp(1j * x)), X)
    both_modes(operator, lambda p: np.sum(p[0] * p[1]), (z, X[:2]))
    both_modes(operator, lambda p: np.sum(np.abs(p[0]) ** 2 * p[1]), (z, X[:2]))
    with pytest.raises(NotHolomorphicError, match="not holomorphic"):
        gradient(lambda z: np.sum(z * np.conj(z) ** 2), z, mode="reverse")


def test_an_array_valued_function_has_no_gradient_in_reverse_either():
    with pytest.raises(ValueError, match=r"returned an array of shape \(3,\): use dualdiff.jacobian"):
        gradient(lambda x: x, X, mode="reverse")
    with pytest.raises(ValueError, match="must start with the batch axes"):
        jacobian(lambda x: x.sum(axis=0), np.ones((2, 3)), mode="reverse", batch_dims=1)


def test_the_modes_nest_in_every_order():
    x = np.linspace(0.2, 1.4, 5)
    expected = hessian(nonlinear, x, mode="forward")
    for outer in ("forward", "reverse"):
        for inner in ("forward", "reverse"):
            found = jacobian(lambda x, m=inner: gradient(nonlinear, x, mode=m), x, mode=outer)
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)

    def slope_of_slopes(x, modes):
        if not modes:
            return nonlinear(x)
        return np.sum(gradient(lambda x: slope_of_slopes(x, modes[1:]), x, mode=modes[0]) ** 2)

    expected = slope_of_slopes(x, ["forward"] * 3)
    for modes in itertools.product(["forward", "reverse"], repeat=3):
        np.testing.assert_allclose(slope_of_slopes(x, modes), expected, rtol=1e-11)


def test_perturbations_are_not_confused():
    def slope(f, x):
        return gradient(f, x, mode="reverse")

    assert slope(lambda x: x * slope(lambda y: x + y, 1.0), 1.0) == 1.0
    assert slope(lambda x: x * slope(lambda y: x * y, 3.0), 3.0) == 6.0
    assert slope(lambda x: slope(lambda y: x, x), 1.0) == 0.0
    A = np.arange(9.0).reshape(3, 3)
    found = jacobian(lambda x: slope(lambda y: y @ (A @ x), X), X, mode="reverse")
    np.testing.assert_array_equal(found, A)


# -- views and writes --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", SEEDS)
def test_random_program_in_reverse(seed):
    f, x = program(seed), point(seed)
    kept = x.copy()
    expected, J = f(x), complex_step(f, x)
    tolerance = 1e-12 * (1 + np.max(np.abs(J)))
    found, found_J = value_and_jacobian(f, x, mode="reverse")
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found_J, J, rtol=0, atol=tolerance)
    _, L = linearize(f, x)
    v, w = (np.random.default_rng(seed + 1).normal(size=s) for s in (x.shape, expected.shape))
    for _ in range(2):
        np.testing.assert_allclose(L(v), np.tensordot(J, v, v.ndim), rtol=0, atol=tolerance)
        np.testing.assert_allclose(L.T(w), np.tensordot(w, J, 1), rtol=0, atol=tolerance * 10)
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("seed", SEEDS[::3])
def test_random_program_nested_in_every_order(seed):
    f, x = program(seed, 7), point(seed)
    weights = np.random.default_rng(seed).normal(size=f(x).size)

    def phi(x):
        return np.sum(weights * np.sin(f(x)))

    expected = hessian(phi, x, mode="forward")
    for outer in ("forward", "reverse"):
        found = jacobian(lambda x: gradient(phi, x, mode="reverse"), x, mode=outer)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * (1 + np.max(np.abs(expected))))


def test_a_place_that_is_written_twice_takes_the_last():
    def f(x):
        y = x * 1.0
        y[[0, 0]] = 3 * x[1:]
        return y

    np.testing.assert_array_equal(jacobian(f, X, mode="reverse"), [[0, 0, 3], [0, 1, 0], [0, 0, 1]])


def test_a_scalar_written_into_an_array_without_axes():
    def f(x):
        y = np.zeros_like(x[0:1].reshape(()))
        y[...] = x[0] ** 3
        return y * x[1]

    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(gradient(f, X, mode=mode), [3 * 0.09 * -1.2, 0.027, 0])
        np.testing.assert_allclose(hessian(f, X, mode=mode)[0], [6 * 0.3 * -1.2, 0.27, 0])


def test_a_recurrence_in_a_buffer():
    def f(x):
        y = dualdiff.zeros(500, like=x)
        y[0] = x[0]
        for i in range(1, 500):
            y[i] = np.cos(y[i - 1]) * x[1]
        return np.sum(y)

    both_modes(gradient, f, X)
    _, L = linearize(f, X)
    np.testing.assert_allclose(L(np.ones(3)), jvp(f, X, np.ones(3))[1], rtol=1e-13)


def test_a_partial_may_be_a_buffer_that_is_refilled():
    buffer = np.empty(3)

    def slope(x):
        buffer[:] = np.cos(x)
        return buffer

    sine = dualdiff.custom_derivative(np.sin, slope)
    both_modes(jacobian, lambda x: sine(x) * sine(2 * x), X)
    np.testing.assert_allclose(
        gradient(lambda x: np.sum(sine(sine(x))), X, mode="reverse"), np.cos(np.sin(X)) * np.cos(X)
    )


# -- zero times infinity -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: np.log(0 * x[0] + x[1]), [1.0, 0.0], [0.0, np.inf]),
        (lambda x: x[0] * np.exp(-x[1]), [1.0, -1000.0], [np.inf, -np.inf]),
        (lambda x: np.sqrt(x[0] * x[0]) + x[1], [0.0, 1.0], [0.0, 1.0]),
        (np.linalg.norm, [0.0, 0.0], [0.0, 0.0]),
        (lambda x: np.sum(np.where(x > 0, np.log(x), 0.0)), [-1.0, 4.0], [0.0, 0.25]),
        (lambda x: 0.0 * np.log(x[0]) + x[1], [0.0, 1.0], [0.0, 1.0]),
        (lambda x: np.sum(np.sqrt(x) * np.array([0.0, 1.0])), [0.0, 4.0], [0.0, 0.25]),
        (lambda x: np.prod(x), [0.0, 3.0], [3.0, 0.0]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_a_zero_cotangent_or_partial_contributes_zero(f, x, expected):
    for mode in ("forward", "reverse"):
        np.testing.assert_array_equal(gradient(f, np.array(x), mode=mode), expected)


def test_the_products_emit_no_warnings():
    _, L = linearize(lambda x: np.sqrt(x), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(L(np.array([1.0, 1.0])), [np.inf, 0.5])
    np.testing.assert_array_equal(L.T(np.array([0.0, 1.0])), [0.0, 0.5])


# -- long runs and memory ----------------------------------------------------------------------------------------------
STEPS = 10**5


def long_run(x):
    for _ in range(STEPS):
        x = x + 1e-5 * np.sin(x)
    return x


def long_slope(x):
    """By the flow of x' = sin x, which the steps follow up to their error."""
    slope = 1.0
    for _ in range(STEPS):
        slope *= 1 + 1e-5 * np.cos(x)
        x = x + 1e-5 * np.sin(x)
    return slope


def in_a_small_stack(work):
    """What work finds, in a thread whose stack holds no recursion over the steps, of frames or of destructors."""
    found = []
    before = threading.stack_size(1 << 18)
    try:
        thread = threading.Thread(target=lambda: found.append(work()))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    return found[0]


def test_a_hundred_thousand_steps_in_a_small_stack():
    def work():
        found = {}
        _, program = recorded_pass(Inputs("linearize", long_run, (0.3,), 0))
        (found["pushed"],), (found["pulled"],) = program.push([1.0]), program.pull([1.0])
        (found["consumed"],) = program.pull([1.0], consume=True)
        kept = recorded_pass(Inputs("linearize", long_run, (0.3,), 0))
        del kept
        gc.collect()
        return found

    expected = long_slope(0.3)
    assert in_a_small_stack(work) == {
        way: pytest.approx(expected, rel=1e-10) for way in ("pushed", "pulled", "consumed")
    }


def test_what_becomes_of_a_long_run_that_is_given_up():
    """f raises half-way, or its result is discarded, or it is a branch that joins another."""

    def raising(x):
        return long_run(x)[7]

    def dropped(x):
        long_run(x)
        return 2 * x

    def braided(x):
        a, b = x, 2 * x
        for _ in range(STEPS // 2):
            a, b = b + 1e-5 * a, a
        return 0 * x + 1.0

    def work():
        with pytest.raises(TypeError):
            gradient(raising, 0.3, mode="reverse")
        gc.collect()
        return gradient(dropped, 0.3, mode="reverse"), gradient(braided, 0.3, mode="reverse")

    assert in_a_small_stack(work) == (2.0, 0.0)


def chain(steps):
    def f(x):
        for _ in range(steps):
            x = np.sin(x) * x
        return np.sum(x)

    return f


N, CHAIN = 20000, 100


def test_memory_is_freed_as_the_backward_pass_goes():
    inputs = Inputs("gradient", chain(CHAIN), (np.linspace(0.5, 1.5, N),), 0)
    tracemalloc.start()
    try:
        outputs, program = recorded_pass(inputs)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        (found,) = program.pull([1.0], consume=True)
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    array = 8 * N
    assert held > 2 * CHAIN * array  # cos x, sin x and x of each step
    assert peak < held + 6 * array
    # The outputs are still there; what they hold of the run is gone.
    assert outputs.tangents[0] is not None
    assert left < 6 * array
    assert not program.nodes
    np.testing.assert_array_equal(found, linearize(chain(CHAIN), np.linspace(0.5, 1.5, N))[1].T(1.0))


def test_the_rows_of_a_jacobian_are_taken_few_at_a_time_where_intermediates_are_large():
    def f(x):
        y = np.sin(np.outer(x, np.linspace(0.0, 1.0, N)))
        return np.sum(np.reshape(y, (40, -1)), axis=1)

    x = np.ones(2)
    expected = jacobian(f, x, mode="forward")
    tracemalloc.start()
    try:
        found = jacobian(f, x, mode="reverse")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # All 40 rows at once would take 40 times the largest intermediate, for each of several steps.
    assert peak < 20 * 2 * 8 * N


def test_a_forward_product_keeps_few_tangents_at_a_time():
    _, L = linearize(chain(CHAIN), np.linspace(0.5, 1.5, N))
    v = np.ones(N)
    tracemalloc.start()
    try:
        L(v)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 8 * N


def test_the_record_dies_with_the_linear_map():
    buffers = []

    def f(x):
        y = np.sin(x)
        buffers.append(weakref.ref(y.value))
        return np.sum(y * y)

    for operator in (lambda: gradient(f, X, mode="reverse"), lambda: linearize(f, X), lambda: vjp(f, X)):
        operator()
        gc.collect()
    assert [ref() for ref in buffers] == [None] * 3


def test_what_was_used_in_a_loop_is_kept_once():
    A = np.ones((200, 200)) / 200

    def f(x):
        for _ in range(50):
            x = A @ np.sin(x)
        return np.sum(x)

    tracemalloc.start()
    try:
        linear = linearize(f, np.ones(200))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert linear
    assert held < 3 * A.nbytes


# -- state -------------------------------------------------------------------------------------------------------------
def test_an_exception_in_f_leaves_no_state():
    def fails(x):
        gradient(nonlinear, x, mode="reverse")
        raise KeyError("mine")

    live = set(tags.live)
    for operator in (lambda: gradient(fails, X, mode="reverse"), lambda: linearize(fails, X), lambda: vjp(fails, X)):
        with pytest.raises(KeyError, match="mine"):
            operator()
    assert set(tags.live) == live
    np.testing.assert_allclose(gradient(nonlinear, X, mode="reverse"), gradient(nonlinear, X, mode="forward"))


def test_duals_of_a_recorded_run_do_not_leave_the_process():
    def f(x):
        with pytest.raises(TypeError, match="use mode='forward', or take the derivative inside the process"):
            pickle.dumps(x)
        with pytest.raises(TypeError, match="mode='forward'"):
            pickle.dumps(x[0])
        return np.sum(copy.deepcopy(x) * copy.copy(x))

    np.testing.assert_array_equal(gradient(f, X, mode="reverse"), 2 * X)


def test_duals_of_a_recorded_run_can_be_printed():
    seen = []

    def f(x):
        seen.append(f"{x} {x[0]!r}")
        return np.sum(x)

    gradient(f, X, mode="reverse")
    assert "step 0 of a record: seed" in seen[0]
    assert "gather" in seen[0]


def test_duals_do_not_outlive_their_run():
    kept = []
    gradient(lambda x: kept.append(x) or np.sum(x), X, mode="reverse")
    with pytest.raises(dualdiff.ExpiredDualError, match="has_aux=True"):
        gradient(lambda x: np.sum(x * kept[0]), X, mode="reverse")


def test_threads():
    _, L = linearize(chain(20), np.linspace(0.5, 1.5, 50))
    expected = L.T(1.0)

    def work(k):
        x = np.linspace(0.5, 1.5, 50)
        assert np.array_equal(L.T(float(k)), k * expected) or np.allclose(L.T(float(k)), k * expected, rtol=1e-14)
        inner = gradient(lambda x: np.sum(gradient(chain(5), x, mode="reverse") * k), x, mode="reverse")
        return gradient(chain(20), x, mode="reverse"), inner / k

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(1, 33)))
    second = hessian(chain(5), np.linspace(0.5, 1.5, 50), mode="forward").sum(axis=0)
    for first, inner in results:
        np.testing.assert_array_equal(first, expected)
        np.testing.assert_allclose(inner, second, rtol=1e-10)


def test_a_derivative_taken_in_another_thread_inside_f():
    def f(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: np.sum(gradient(nonlinear, x, mode="reverse") * x)).result()

    np.testing.assert_allclose(
        gradient(f, X, mode="reverse"), hessian(nonlinear, X) @ X + gradient(nonlinear, X), rtol=1e-12
    )


# -- precision ---------------------------------------------------------------------------------------------------------
WIDENING = {
    "stays": lambda x: np.sin(x) * x,
    "wide": lambda x: x * np.array([1.0, 2.0, 3.0]),
    "wide inside": lambda x: (x * np.array([1.0, 2.0, 3.0])).astype(np.float32),
    "complex": lambda x: x * np.array([1.0, 2.0j, 3.0]),
    "a wide number": lambda x: (x * np.float64(2.0)).astype(x.dtype),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", WIDENING)
def test_the_precision_of_derivatives_does_not_depend_on_the_mode(name, dtype):
    f, x = WIDENING[name], np.array([0.5, -1.0, 2.0], dtype)
    forward, reverse = (jacobian(f, x, mode=mode) for mode in ("forward", "reverse"))
    assert reverse.dtype == forward.dtype == f(x).dtype
    np.testing.assert_allclose(reverse, forward, rtol=1e-2 if dtype == np.float16 else 1e-6)
    forward, reverse = (gradient(lambda x: np.sum(np.abs(f(x))), x, mode=mode) for mode in ("forward", "reverse"))
    assert reverse.dtype == forward.dtype == dtype


def test_an_array_without_axes_has_a_gradient_without_axes():
    for x in (np.array(3.0), np.array(3.0, np.float32)):
        for mode in ("forward", "reverse"):
            for found in (gradient(lambda t: t * t, x, mode=mode), jacobian(lambda t: t * t, x, mode=mode)):
                assert isinstance(found, np.ndarray)
                assert found.dtype == x.dtype
                assert found == 6.0
    assert isinstance(gradient(lambda t: t * t, np.float64(3.0), mode="reverse"), np.float64)
    for x in (2.0, np.float64(2.0), np.array(2.0)):
        assert gradient(lambda t: t * t * 1j, x, mode="reverse") == gradient(lambda t: t * t * 1j, x) == 4j


def test_pull_through_an_array_without_elements():
    f = lambda x: x + np.sum(np.tile(x[:0], 2)) + np.prod(np.repeat(x[:0], 2))
    value, pull = vjp(f, X)
    np.testing.assert_array_equal(value, X + 1)
    np.testing.assert_array_equal(pull(np.ones_like(X)), np.ones_like(X))
