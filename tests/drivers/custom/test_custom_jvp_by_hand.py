"""Rules of `custom_derivative` that duals cannot pass through, or that are wrong."""

import math

import numpy as np
import pytest

import dualdiff
from dualdiff import custom_derivative, jacobian, jvp, vjp
from tests.support.against import assert_near
from tests.tangents.test_spaces import in_every_space

X = np.array([0.7, -1.3, 0.4, 2.1])


@pytest.mark.parametrize("start", [
    lambda f: vjp(f, X), lambda f: jacobian(f, X, mode="forward"), lambda f: jacobian(f, X, sparse=True),
    lambda f: jvp(f, X, X),
])  # fmt: skip
def test_errors_of_the_rule_are_its_own(start):
    """They come at once, backwards too, and not beneath one that duals gave rise to."""

    def rule(primals, tangents):
        return np.array([math.cos(x) for x in primals[0]]) * np.array([float(t) for t in tangents[0]]) * tangent  # noqa: F821

    with pytest.raises(NameError, match="tangent") as found:
        start(custom_derivative(np.sin, jvp=rule))
    assert found.value.__context__ is None
    assert found.traceback[-1].name == "rule"


def test_rules_by_hand_of_complex_arguments_in_every_space():
    """A part that is linear in the conjugate alone, between real steps."""

    def by_hand(primals, tangents):
        (z, x), (t, u) = (tuple(map(np.array, map(dualdiff.value, pair))) for pair in (primals, tangents))
        return np.conj(t) * x + np.conj(z) * u, 2 * np.real(np.conj(z) * t)

    def f(z, x):
        return np.conj(z) * x, np.abs(z) ** 2

    def used(f):
        def g(x):
            a, b = f(x * (1 + 0.5j), np.sin(x))
            return a.imag + b * a.real

        return g

    for space, y, J in in_every_space(used(custom_derivative(f, jvp=by_hand)), X):
        np.testing.assert_array_equal(y, used(f)(X), err_msg=space)
        assert_near(J, jacobian(used(f), X), 1e-13)
