"""Parts of a function that reverse mode records a second time: in every operator as if they were kept."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from dualdiff import derivative, gradient, hessian, hvp, jacobian, jvp, linearize, vjp
from dualdiff.drivers.custom.replayed import replayed

X = np.array([0.3, -0.7, 1.2])


def plain(x, part=lambda run: run(), count=5):
    """A loop whose iterations depend on a state, on x and on what was computed from x before."""
    weights, y = np.tanh(x), x
    for _ in range(count):
        y = part(lambda y=y: np.sin(y) * weights + 0.1 * x * np.sum(y**2))
    return np.stack([np.sum(y), y[0] * y[1]])


def in_parts(x):
    return plain(x, replayed)


OPERATORS = {
    "jacobian": lambda f: jacobian(f, X),
    "reverse": lambda f: jacobian(f, X, mode="reverse"),
    "sparse": lambda f: jacobian(f, X, sparse=True).toarray(),
    "gradient": lambda f: gradient(lambda x: f(x)[0], X, mode="reverse"),
    "pull": lambda f: linearize(f, X)[1].T(np.array([1.0, 2.0])),
    "vjp": lambda f: vjp(f, X)[1](np.array([1.0, 2.0])),
    "push": lambda f: linearize(f, X)[1](X),
    "several": lambda f: linearize(f, X)[1].T(np.eye(2)),
    "jvp": lambda f: jvp(f, X, X),
    "hessian": lambda f: hessian(lambda x: f(x)[0], X),
    "hvp": lambda f: hvp(lambda x: f(x)[0], X, X),
    "reverse over reverse": lambda f: jacobian(
        lambda x: gradient(lambda x: f(x)[1], x, mode="reverse"), X, mode="reverse"
    ),
    "forward over reverse": lambda f: jacobian(lambda x: gradient(lambda x: f(x)[1], x, mode="reverse"), X),
    "third": lambda f: derivative(lambda s: hessian(lambda x: f(s * x)[0], X), 1.1),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator(name):
    found, expected = (OPERATORS[name](f) for f in (in_parts, plain))
    for ours, theirs in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_a_part_that_depends_on_nothing_and_one_that_returns_what_it_got():
    assert replayed(lambda: 3.0) == 3.0
    found = gradient(lambda x: np.sum(replayed(lambda: x) * replayed(lambda: 2.0)), X, mode="reverse")
    np.testing.assert_array_equal(found, np.full(3, 2.0))


def test_zero_times_infinity_in_a_part():
    def f(x, part):
        return np.sum(part(lambda: np.array([0.0, 1.0]) * np.sqrt(x)))

    found = gradient(lambda x: f(x, replayed), np.array([0.0, 1.0]), mode="reverse")
    np.testing.assert_array_equal(found, [0.0, 0.5])
    at_zero = gradient(lambda x: replayed(lambda: np.sqrt(x[0]) ** 2), np.zeros(1), mode="reverse")
    assert np.isnan(at_zero)


def test_complex_parts():
    f = lambda z, part: np.abs(part(lambda: np.exp(1j * z) * np.conj(z))) ** 2
    z = np.array([0.3 + 0.4j, 1.1 - 0.2j])
    found, expected = (
        gradient(lambda z, part=part: np.sum(f(z, part)), z, mode="reverse") for part in (replayed, lambda run: run())
    )
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_an_exception_in_a_part_leaves_no_state_behind():
    from dualdiff.base import tags

    def broken():
        raise ZeroDivisionError

    before = dict(tags.live)
    with pytest.raises(ZeroDivisionError):
        gradient(lambda x: np.sum(x) + replayed(broken), X, mode="reverse")
    calls = []

    def once(x):
        calls.append(x)
        if len(calls) > 1:
            raise ZeroDivisionError
        return x * x

    with pytest.raises(ZeroDivisionError):
        gradient(lambda x: np.sum(replayed(lambda: once(x))), X, mode="reverse")
    assert tags.live == before


def test_a_part_that_does_not_compute_the_same_is_refused():
    calls = []

    def part(x):
        calls.append(x)
        return np.sin(x) * len(calls)

    with pytest.raises(RuntimeError, match="did not return the same values"):
        gradient(lambda x: np.sum(replayed(lambda: part(x))), X, mode="reverse")


def test_memory():
    def loss(x, part):
        y = x
        for _ in range(40):

            def steps(y=y):
                for _ in range(10):
                    y = np.sin(y) + x
                return y

            y = part(steps)
        return np.sum(y)

    x, peaks = np.linspace(0, 1, 1000), []
    for part in (replayed, lambda run: run()):
        gradient(lambda x, part=part: loss(x, part), x, mode="reverse")
        tracemalloc.start()
        gradient(lambda x, part=part: loss(x, part), x, mode="reverse")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < peaks[1] / 4
