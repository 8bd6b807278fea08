"""`checkpoint` and `checkpoint_loop`: in every operator as the function and the loop themselves."""

from __future__ import annotations

import copy
import functools
import pickle
import tracemalloc
from dataclasses import dataclass
from math import comb, inf

import numpy as np
import pytest

import dualdiff
from dualdiff import (
    ExpiredDualError,
    checkpoint,
    checkpoint_loop,
    derivative,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    laplacian,
    linearize,
    taylor,
    vjp,
)
from dualdiff.base import tags
from dualdiff.drivers.custom.checkpoint import repetitions, split

X = np.array([0.3, -0.7, 1.2])


def identity(f):
    return f


def plain_loop(step, state, n, **options):
    for item in range(n) if isinstance(n, int) else n:
        state = step(state) if isinstance(n, int) else step(state, item)
    return state


def through_containers(x, part, loop):
    """Several arguments, keywords, containers in and out, an integer, a string, and a variable that is closed over."""
    rate = np.tanh(x)

    def inner(pair, *, weight, name):
        a, b = pair["a"], pair["b"]
        return {"a": np.sin(a) * weight, "b": [b[0] + np.sum(a), b[1] * rate[0]], "count": pair["count"] + 1}, name

    state = {"a": x * 2, "b": [x[0], x[1] * 1.0], "count": 0}
    for _ in range(3):
        state, name = part(inner)(state, weight=x + 1, name="sum")
    assert (state["count"], name) == (3, "sum")
    assert type(state["b"]) is list
    return np.stack([np.sum(state["a"]), state["b"][0] * state["b"][1]])


def through_a_loop(x, part, loop):
    """A state of two arrays, and parameters that the step closes over."""
    h = 0.1 * x[2]

    def step(state):
        y, v = state
        return y + h * v, v - h * np.sin(y) * x[0]

    y, v = loop(step, (np.ones(4) * x[1], np.arange(4.0)), 13)
    return np.stack([np.sum(y * v), y[0]])


def through_items(x, part, loop):
    """Items for the steps, of which one is a dual."""
    return loop(lambda y, c: np.tanh(y) + c * x, x, [0.1, x[0], np.ones(3)])[:2]


def through_nested_parts(x, part, loop):
    @part
    def outer(y):
        y = part(lambda y: np.exp(-y) * x)(y)
        return loop(lambda y: y - 0.1 * part(np.sin)(y) * x, y, 7)

    return outer(outer(x))[:2]


def through_values_that_are_constant(x, part, loop):
    f = part(lambda a, b: (a * 2, np.floor(b), 3.0, np.argmax(b), a))
    a, b, c, i, d = f(x, x)
    return np.stack([np.sum(a) * c, d[i] + b[0]])


PROGRAMS = [
    through_containers,
    through_a_loop,
    through_items,
    through_nested_parts,
    through_values_that_are_constant,
]
OPERATORS = {
    "jacobian": lambda f: jacobian(f, X),
    "reverse": lambda f: jacobian(f, X, mode="reverse"),
    "sparse": lambda f: jacobian(f, X, sparse=True).toarray(),
    "gradient": lambda f: gradient(lambda x: f(x)[0], X, mode="reverse"),
    "forward": lambda f: gradient(lambda x: f(x)[0], X, mode="forward"),
    "pull": lambda f: linearize(f, X)[1].T(np.array([1.0, 2.0])),
    "vjp": lambda f: vjp(f, X)[1](np.array([1.0, 2.0])),
    "push": lambda f: linearize(f, X)[1](X),
    "several": lambda f: linearize(f, X)[1].T(np.eye(2)),
    "jvp": lambda f: jvp(f, X, X)[1],
    "value": lambda f: vjp(f, X)[0],
    "series": lambda f: np.stack(taylor(lambda s: f(X * s), 1.1, 3)),
    "laplacian": lambda f: laplacian(lambda x: f(x)[0], X),
    "hessian": lambda f: hessian(lambda x: f(x)[0], X, mode="reverse"),
    "hvp": lambda f: hvp(lambda x: f(x)[0], X, X, mode="reverse"),
    "gradient of a jvp": lambda f: gradient(lambda x: jvp(f, x, X)[1][0], X, mode="reverse"),
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", OPERATORS)
def test_the_same_bits_in_every_operator(name, program):
    found, expected = (
        OPERATORS[name](lambda x, ways=ways: program(x, *ways))
        for ways in ((checkpoint, lambda *args: checkpoint_loop(*args, snapshots=2)), (identity, plain_loop))
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("program", PROGRAMS)
def test_reverse_over_reverse_and_third_order(program):
    def of(*ways):
        f = lambda x: program(x, *ways)[1]
        second = jacobian(lambda x: gradient(f, x, mode="reverse"), X, mode="reverse")
        return second, derivative(lambda s: hessian(lambda x: f(s * x), X, mode="reverse"), 1.1)

    for ours, theirs in zip(of(checkpoint, checkpoint_loop), of(identity, plain_loop), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-14)


# -- the schedule ------------------------------------------------------------------------------------------------------
def fewest(count, s, known={}):  # noqa: B006
    """The fewest steps without a record that any schedule takes (Griewank and Walther's recursion)."""
    if count <= 1:
        return 0
    if s == 0:
        return inf
    if (count, s) not in known:
        known[count, s] = min(m + fewest(m, s) + fewest(count - m, s - 1) for m in range(1, count))
    return known[count, s]


@pytest.mark.parametrize("s", [1, 2, 3, 5])
def test_the_split_is_optimal(s):
    def taken(count, s):
        m = split(count, s) if count > 1 else 0
        return m + taken(m, s) + taken(count - m, s - 1) if m else 0

    for count in range(1, 40):
        r = repetitions(count, s)
        assert taken(count, s) == fewest(count, s) == r * count - comb(s + r, s + 1)


@pytest.mark.parametrize(("count", "s"), [(1, 1), (2, 1), (10, 1), (10, 3), (35, 4), (120, 3), (100, None)])
def test_the_number_of_steps_is_that_of_revolve(count, s):
    calls = []

    def step(y):
        calls.append(y)
        return np.sin(y) + 0.1

    gradient(lambda y: np.sum(checkpoint_loop(step, y, count, snapshots=s)), np.ones(40), mode="reverse")
    s = 7 if s is None else s
    r = repetitions(count, s)
    assert len(calls) == count + r * count - comb(s + r, s + 1)
    assert r <= 3 or s < 7


def test_the_peak_of_memory_is_that_of_the_snapshots():
    size = 20_000
    peaks = {}
    for count, s in [(1, 1), (60, 5), (60, 10), (60, 20), (240, 20)]:
        run = lambda y, count=count, s=s: np.sum(checkpoint_loop(lambda y: y * y, y, count, snapshots=s))
        tracemalloc.start()
        gradient(run, np.linspace(0, 1, size), mode="reverse")
        peaks[count, s] = tracemalloc.get_traced_memory()[1] / (8 * size)
        tracemalloc.stop()
    for (count, s), peak in peaks.items():
        assert peak < s + 5.5, (count, s)
    assert abs(peaks[240, 20] - peaks[60, 20]) < 1.0


def test_a_part_holds_its_arguments_and_its_result():
    x = np.linspace(0, 1, 10_000)

    def loss(x, part):
        def segment(y):
            for _ in range(10):
                y = np.sin(y) * y
            return y

        for _ in range(4):
            x = part(segment)(x)
        return np.sum(x)

    held = []
    for part in (checkpoint, identity):
        pull = vjp(lambda x, part=part: loss(x, part), x)[1]
        pull(1.0)
        held.append(pull.nbytes)
        assert f"holds {pull.nbytes / 1000:.3g} kB" in repr(pull) or "MB" in repr(pull)
    assert held[0] < 5 * x.nbytes + 10_000 < held[1] / 10


def test_a_second_pull_computes_the_freed_states_once_more():
    calls = []

    def step(y):
        calls.append(y)
        return np.sin(y) * y

    def counted(pull):
        calls.clear()
        return pull(X), len(calls)

    pull, plain = (vjp(lambda y, loop=loop: loop(step, y, 100), X)[1] for loop in (checkpoint_loop, plain_loop))
    counts = []
    for _ in range(3):
        found, count = counted(pull)
        counts.append(count)
        np.testing.assert_array_equal(found, plain(X))
    assert counts[1] == counts[2] <= counts[0] + 100


def test_zero_times_infinity_and_nan():
    weights = np.array([0.0, 1.0, 1.0])
    step = lambda y: y * np.sqrt(y)

    def f(x, loop):
        return np.sum(weights * loop(step, x, 9, snapshots=2))

    x = np.array([0.0, 1.0, 1.2])
    found, expected = (
        gradient(lambda x, loop=loop: f(x, loop), x, mode="reverse") for loop in (checkpoint_loop, plain_loop)
    )
    np.testing.assert_array_equal(found, expected)
    assert found[0] == 0.0
    bad = lambda x, part: np.sum(part(lambda x: np.sqrt(x) ** 2)(x))
    for part in (checkpoint, identity):
        assert np.isnan(gradient(lambda x, part=part: bad(x, part), x, mode="reverse")[0])


def test_complex_inside_only():
    def f(x, part):
        return np.sum(part(lambda x: np.abs(np.exp(1j * x) + x) ** 2)(x))

    found, expected = (gradient(lambda x, p=p: f(x, p), X, mode="reverse") for p in (checkpoint, identity))
    np.testing.assert_array_equal(found, expected)


# -- what may go wrong -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [3, 40, 100])
def test_every_mode_that_auto_takes(n):
    """Few elements in small and in large arrays, and many."""
    x = np.linspace(0.1, 1.0, n)
    f = lambda x: np.sum(checkpoint(lambda y: np.sin(np.outer(y, np.ones(n))))(x)) / n
    for options in {}, {"mode": "reverse"}, {"mode": "forward"}:
        np.testing.assert_allclose(gradient(f, x, **options), np.cos(x), rtol=1e-14)


def test_writes_into_an_argument_are_refused_and_into_a_copy_are_not():
    def into(y):
        y[0] = y[1] * y[2]
        return y

    with pytest.raises(ValueError, match="writes into its argument"):
        gradient(lambda x: np.sum(checkpoint(into)(x * 1.0)), X, mode="reverse")
    found = gradient(lambda x: np.sum(checkpoint(lambda y: into(y.copy()))(x)), X, mode="reverse")
    np.testing.assert_array_equal(found, [0.0, 1.0 + X[2], 1.0 + X[1]])


def test_what_a_part_stores_elsewhere_is_refused_not_lost():
    stored, buffer = [], {}

    def storing(x):
        stored.append(np.sum(x))
        buffer["y"] = x * 2
        return np.sum(x)

    for use in (
        lambda x: checkpoint(storing)(x) * stored[-1],
        lambda x: checkpoint(storing)(x) + np.sum(buffer["y"]),
        lambda x: (checkpoint(storing)(x), stored[-1])[1],
        lambda x: checkpoint(lambda y: storing(y) * stored[-2])(x) if stored else checkpoint(storing)(x),
        lambda x: checkpoint_loop(lambda y: y * (storing(y) if len(stored) < 3 else stored[-1]), x, 5)[0],
    ):
        stored[:] = [1.0, 1.0]
        np.testing.assert_array_equal(gradient(checkpoint(storing), X, mode="reverse"), 1.0)
        with pytest.raises((ExpiredDualError, RuntimeError)):
            gradient(use, X, mode="reverse")
    np.testing.assert_array_equal(gradient(lambda x: checkpoint(storing)(x), X, mode="reverse"), 1.0)


def test_writes_into_an_array_that_a_part_closes_over_are_refused():
    def f(x):
        work = dualdiff.zeros(3, like=x)
        work[0] = x[0]

        def part(y):
            work[1] = y[1] ** 2
            return y[0]

        return checkpoint(part)(x) + np.sum(work)

    with pytest.raises(TypeError, match="outer differentiation"):
        gradient(f, X, mode="reverse")


def test_later_writes_do_not_change_what_a_part_was_given():
    def f(x, part):
        y, c = x * 2, np.array([1.0, 2.0, 3.0])
        z = part(lambda y, c: np.sin(y) * c)(y, c)
        y[0], c[1] = 5.0, 7.0
        return np.sum(z * y * c)

    found, expected = (gradient(lambda x, p=p: f(x, p), X, mode="reverse") for p in (checkpoint, identity))
    np.testing.assert_array_equal(found, expected)


def inside(scale):
    """A function whose inner one closes over what changes."""
    return lambda y: (lambda y: scale() * y)(y)


def recursive(scale):
    def f(y, depth=2):
        return f(y, depth - 1) if depth else scale() * y

    return f


FORMS = {
    "function": lambda part, scale: part(lambda y: scale() * y),
    "function inside": lambda part, scale: part(inside(scale)),
    "recursive function": lambda part, scale: part(recursive(scale)),
    "partial": lambda part, scale: part(functools.partial(lambda scale, y: scale() * y, scale)),
    "part of a part": lambda part, scale: part(part(lambda y: scale() * y)),
    "loop": lambda part, scale: (
        lambda y: checkpoint_loop(lambda y: scale() * y, y, 3) if part is checkpoint else scale() ** 3 * y
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("x", [X, 0 * X])
def test_variables_that_change_later_are_as_they_were(form, x):
    """Also where the value, zero, does not show it."""

    def f(x, part):
        total, calls = 0.0, 0
        for k in range(1, 4):

            def scale():
                nonlocal calls
                calls += 1
                return k  # noqa: B023

            total = total + FORMS[form](part, scale)(x)
        assert calls >= 3
        return np.sum(total)

    found, expected = (gradient(lambda x, p=p: f(x, p), x, mode="reverse") for p in (checkpoint, identity))
    np.testing.assert_array_equal(found, expected)


def test_random_numbers_and_permutations_are_refused():
    rng = np.random.default_rng(0)
    for f in (lambda y: y * rng.random(), lambda y: y[rng.permutation(y.size)]):
        with pytest.raises(RuntimeError, match="did not return the same values"):
            gradient(lambda x, f=f: np.sum(checkpoint(f)(x) * x), np.linspace(0, 1, 5000), mode="reverse")


def test_a_variable_that_appears_the_second_time_is_refused():
    calls = []

    def f(x):
        def part(y):
            calls.append(y)
            return y * (2.0 if len(calls) == 1 else 0.0 * x + 2.0)

        return np.sum(checkpoint(part)(np.sin(x * 1.0)))

    with pytest.raises(RuntimeError, match="uses a variable that it did not use the first time"):
        gradient(f, X, mode="reverse")


def test_bad_arguments():
    with pytest.raises(TypeError, match="checkpoint takes a function"):
        checkpoint(3)
    with pytest.raises(TypeError, match="checkpoint_loop takes a function"):
        checkpoint_loop(3, X, 2)
    for n in ("abc", 2.0, None):
        with pytest.raises(TypeError, match="number of steps, or a sequence"):
            checkpoint_loop(np.sin, X, n)
    for options in ({"n": -1}, {"n": 5, "snapshots": 0}, {"n": 5, "snapshots": True}, {"n": 5, "snapshots": 1.5}):
        with pytest.raises(ValueError, match="must"):
            checkpoint_loop(np.sin, X, **options)
    with pytest.raises(ValueError, match="at least snapshots=2"):
        checkpoint_loop(np.sin, X, 1000, snapshots=1)
    assert checkpoint_loop(np.sin, X, 0) is X


def test_exceptions_leave_no_state_behind():
    calls = []

    def once(y):
        calls.append(y)
        if len(calls) > 1:
            raise ZeroDivisionError
        return y * y

    before = dict(tags.live)
    with pytest.raises(ZeroDivisionError):
        gradient(lambda x: np.sum(checkpoint(once)(x)), X, mode="reverse")
    assert tags.live == before


# -- the object --------------------------------------------------------------------------------------------------------
@dataclass
class Model:
    rate: float

    @checkpoint
    def value(self, x):
        """Of x."""
        return np.sum(np.sin(x) * self.rate)


def test_methods_names_and_pickles():
    model = Model(2.0)
    np.testing.assert_array_equal(gradient(model.value, X, mode="reverse"), np.cos(X) * 2.0)
    assert gradient(lambda r: Model(r).value(X), 2.0, mode="reverse") == np.sum(np.sin(X))
    assert Model.value.__doc__ == "Of x."
    assert repr(Model.value) == "<checkpoint of Model.value>"
    f = checkpoint(np.sin)
    for other in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f)):
        assert other.f is np.sin
    assert f(0.5) == np.sin(0.5)
