"""The chain rule on small arrays in one expression agrees with the chain rule term by term, bit for bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dualdiff import derivative, gradient, jacobian, jvp
from dualdiff.rules import ROWS
from dualdiff.tangents.spaces import dense, single
from tests.rules.numpy.elementwise.test_table import COUNTING, differentiable, points, public

SMOOTH = [
    name
    for name, row in ROWS.items()
    if not row.is_zero and name not in ("sign", *COUNTING) and row.is_pure and len(row.outputs) == 1
]
#: The ways in which the tangents of two arguments may relate.
WAYS = {"different": lambda x: (x, 2.0 * x), "same": lambda x: (x, x), "one": lambda x: (x, None)}


def arguments(name, x, way):
    """The arguments of a row at its points, those that are differentiated moved by x, which is 0."""
    given = points(name)
    moves = itertools.chain(WAYS[way](x), itertools.repeat(None))
    active = differentiable(ROWS[name])
    return [a + m if i in active and (m := next(moves)) is not None else a for i, a in enumerate(given)]


@pytest.fixture
def counted(monkeypatch):
    """How often the expression was evaluated; with ``off`` it is refused."""
    calls = {"count": 0, "off": False}

    def watched(original):
        def fused(*args):
            total = None if calls["off"] else original(*args)
            calls["count"] += total is not None
            return total

        return fused

    for module in (dense, single):
        monkeypatch.setattr(module, "fused", watched(module.fused))
    return calls


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SMOOTH)
def test_fused_chain_rules_equal_those_term_by_term(name, way, counted):
    row = ROWS[name]
    if way == "same" and row.arity == 2:
        given = points(name)[0]

        def f(x):
            y = given + x
            return public(name)(y, y)

    else:

        def f(x):
            return public(name)(*arguments(name, x, way))

    zeros, rng = np.zeros(4), np.random.default_rng(7)
    results = []
    for off in (False, True):
        counted["off"] = off
        results.append((jvp(f, zeros, rng.standard_normal(4)), jacobian(f, zeros, mode="forward")))
        rng = np.random.default_rng(7)
    (one, along), (other, term_by_term) = results
    assert counted["count"] > 0
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(along, term_by_term)


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
def test_zero_times_infinity_is_left_to_the_terms(mode):
    # A constant zero coefficient, an accidental one, and the infinite slope of the square root (law 5).
    x = np.array([0.0, 1.0, 4.0])
    weights = np.array([0.0, 1.0, 1.0])
    np.testing.assert_array_equal(gradient(lambda x: np.sum(weights * np.sqrt(x)), x, mode=mode), [0.0, 0.5, 0.25])
    g = gradient(lambda x: np.sum(np.sqrt(x) * np.sqrt(x)), x, mode=mode)
    assert np.isnan(g[0])
    np.testing.assert_allclose(g[1:], 1.0)


def test_python_scalars_that_raise_are_left_to_the_terms():
    # 0 ** -1 raises for Python's scalars, and is inf for NumPy's.
    with np.errstate(divide="ignore"):
        slope = derivative(lambda x: 0.0 ** (x * np.ones(2)), -1.0)
    assert not np.isfinite(slope).any()


def test_the_same_tangent_is_added_as_coefficients():
    np.testing.assert_array_equal(jvp(lambda x: x - x, np.ones(3), np.full(3, np.inf))[1], np.zeros(3))
