"""Inputs and results of f: scalars, arrays, and nested dicts and tuples of them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from typing import NamedTuple

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import derivative, gradient, hessian, hvp, jacobian, jvp, value_and_gradient, value_and_jacobian

X = np.array([0.7, 1.9, -1.1])


class Layer(NamedTuple):
    """A named tuple of arrays."""

    weights: np.ndarray
    bias: np.ndarray


Point = namedtuple("Point", "x y")


def parameters():
    return {
        "layers": (Layer(np.arange(6.0).reshape(2, 3) / 5, np.array([0.1, -0.2])), Layer(np.ones((1, 2)), np.zeros(1))),
        "scale": 1.5,
        "nested": {"a": (2.0, {"b": X[:2]})},
    }


def loss(p):
    y = X
    for layer in p["layers"]:
        y = np.tanh(layer.weights @ y + layer.bias)
    return p["scale"] * np.sum(y**2) + p["nested"]["a"][0] ** 2 * np.sum(p["nested"]["a"][1]["b"])


def numbers(tree):
    """All elements of a tree in one vector."""
    if isinstance(tree, dict):
        return np.concatenate([numbers(v) for v in tree.values()])
    if isinstance(tree, tuple):
        return np.concatenate([numbers(v) for v in tree])
    return np.ravel(tree).astype(float)


def same_nesting(a, b):
    """Whether two trees have the same types, keys and shapes."""
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and all(same_nesting(a[k], b[k]) for k in a)
    if isinstance(a, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same_nesting, a, b))
    return np.shape(a) == np.shape(b)


def flat_loss(v):
    """The loss of a vector of all parameters."""
    return loss(
        {
            "layers": (Layer(v[:6].reshape(2, 3), v[6:8]), Layer(v[8:10].reshape(1, 2), v[10:11])),
            "scale": v[11],
            "nested": {"a": (v[12], {"b": v[13:]})},
        }
    )


@pytest.mark.parametrize("options", [{}, {"chunk_size": 1, "mode": "forward"}, {"chunk_size": 4}, {"mode": "reverse"}])
def test_nested_containers(options):
    p = parameters()
    v = numbers(p)
    expected = gradient(flat_loss, v)
    found = gradient(loss, p, **options)
    assert same_nesting(found, p)
    assert type(found["layers"][0]) is Layer
    np.testing.assert_allclose(numbers(found), expected, rtol=1e-13)
    value, found = value_and_gradient(loss, p, **options)
    assert value == loss(p)
    second = hessian(loss, p, **options)
    expected = hessian(flat_loss, v)
    np.testing.assert_allclose(second["scale"]["scale"], expected[11, 11], atol=1e-14)
    block = second["layers"][0].weights["nested"]["a"][1]["b"]
    assert block.shape == (2, 3, 2)
    np.testing.assert_allclose(block, expected[:6, 13:].reshape(2, 3, 2), atol=1e-14)
    block = second["layers"][0].weights["layers"][1].weights
    np.testing.assert_allclose(block, expected[:6, 8:10].reshape(2, 3, 1, 2), rtol=1e-12)
    product = hvp(loss, p, p, **options)
    assert same_nesting(product, p)
    np.testing.assert_allclose(numbers(product), expected @ v, rtol=1e-12, atol=1e-14)


def test_directions_have_the_nesting_of_x():
    p = parameters()
    value, slope = jvp(loss, p, p)
    assert value == loss(p)
    np.testing.assert_allclose(slope, gradient(flat_loss, numbers(p)) @ numbers(p))
    f = lambda p: 10 * p["a"] + p["b"]
    x = {"a": 1.0, "b": 2.0}
    # Matched by key, in any order.
    assert jvp(f, x, {"b": 1.0, "a": 0.0}) == (12.0, 1.0)
    assert dd.linearize(f, x)[1]({"b": 1.0, "a": 0.0}) == 1.0
    _, pull = dd.vjp(lambda t: {"a": 10 * t, "b": t}, 1.0)
    assert pull({"b": 1.0, "a": 0.0}) == 1.0
    assert hvp(lambda p: p["a"] ** 2 + p["b"] ** 3, x, {"b": 1.0, "a": 0.0}) == {"a": 0.0, "b": 12.0}
    for wrong in ({"a": 1.0}, {"a": 1.0, "c": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0}, (1.0, 1.0), 1.0, [1.0, 1.0]):
        with pytest.raises(ValueError, match=r"the direction v must be a dict with the keys \['a', 'b'\], not"):
            jvp(f, x, wrong)
        with pytest.raises(ValueError, match="the direction v must be a dict"):
            dd.linearize(f, x)[1](wrong)
    for wrong in ((1.0,), (1.0, 2.0, 3.0), {"a": 1.0, "b": 1.0}, [1.0, 2.0]):
        with pytest.raises(ValueError, match="the direction v must be a tuple of 2, not"):
            jvp(lambda p: p[0] * p[1], (1.0, 2.0), wrong)
    with pytest.raises(
        ValueError, match=r"the direction v has shape \(2,\), but shape \(3,\) is needed, or \(k, 3\) for k"
    ):
        jvp(lambda p: np.sum(p["a"]), {"a": X}, {"a": X[:2]})
    with pytest.raises(ValueError, match="must be a scalar or an array, not a tuple of 3"):
        jvp(np.sum, X, (1.0, 2.0, 3.0))


def test_results_in_containers():
    f = lambda x: {"a": x**2, "b": (x[0], Point(x[1] * X, [x[2], 1.0])), "c": 3}
    for options in ({}, {"chunk_size": 2, "mode": "forward"}, {"mode": "reverse"}):
        J = jacobian(f, X, **options)
        np.testing.assert_array_equal(J["a"], np.diag(2 * X))
        np.testing.assert_array_equal(J["b"][0], [1.0, 0.0, 0.0])
        assert type(J["b"][1]) is Point
        np.testing.assert_array_equal(J["b"][1].x, np.outer(X, [0, 1, 0]))
        np.testing.assert_array_equal(J["b"][1].y, [[0, 0, 1], [0, 0, 0]])
        np.testing.assert_array_equal(J["c"], np.zeros(3))
        value, J = value_and_jacobian(f, X, **options)
        np.testing.assert_array_equal(value["b"][1].x, X[1] * X)
    value, slope = jvp(f, X, X)
    np.testing.assert_array_equal(slope["a"], 2 * X * X)
    slope = derivative(lambda t: Point(t**2, {"a": t * X}), 3.0)
    assert type(slope) is Point
    np.testing.assert_array_equal(slope.y["a"], X)


def test_containers_in_and_out():
    J = jacobian(lambda p: {"s": p[0] * p[1], "t": p[1]}, (X, 2.0))
    np.testing.assert_array_equal(J["s"][0], 2 * np.eye(3))
    np.testing.assert_array_equal(J["s"][1], X)
    np.testing.assert_array_equal(J["t"][0], np.zeros(3))
    assert J["t"][1] == 1.0
    J = jacobian(lambda p: p[0] ** 2 * p[1], (2.0, 3.0))
    assert J == (12.0, 4.0)


def test_kinds_of_containers():
    f = lambda p: p["a"] * p["b"]
    for kind in (dict, OrderedDict):
        found = gradient(f, kind(a=2.0, b=5.0))
        assert type(found) is kind
        assert found == kind(a=5.0, b=2.0)
    found = gradient(f, defaultdict(float, a=2.0, b=5.0))
    assert isinstance(found, defaultdict)
    assert found == {"a": 5.0, "b": 2.0}
    assert gradient(lambda p: p[3] * p["x"], {"x": 2.0, 3: 4.0}) == {"x": 4.0, 3: 2.0}
    assert gradient(lambda p: p.x * p.y**2, Point(2.0, 3.0)) == Point(9.0, 12.0)
    assert gradient(lambda p: 1.0, {}) == {}
    assert jacobian(lambda p: 1.0, ()) == ()
    assert gradient(lambda p: p[0], (2.0, ())) == (1.0, ())


def test_a_list_is_an_array():
    np.testing.assert_array_equal(gradient(lambda x: np.sum(x**2), [1.0, 2.0]), [2.0, 4.0])
    np.testing.assert_array_equal(gradient(lambda x: np.sum(x**2), [[1, 2], [3, 4]]), [[2.0, 4.0], [6.0, 8.0]])
    np.testing.assert_array_equal(gradient(lambda p: np.sum(p["a"] ** 2), {"a": [1.0, 2.0]})["a"], [2.0, 4.0])
    np.testing.assert_array_equal(jacobian(lambda x: [x[0] * x[1], x[0]], [2.0, 3.0]), [[3.0, 2.0], [1.0, 0.0]])
    np.testing.assert_array_equal(jvp(lambda x: x**2, [1.0, 2.0], [1, 0])[1], [2.0, 0.0])
    np.testing.assert_array_equal(gradient(lambda x: np.sum(x**2), range(3)), [0.0, 2.0, 4.0])
    seen = []
    gradient(lambda x: seen.append(type(x)) or x[0], [1.0, 2.0])
    assert seen == [dd.DualArray]


def test_duals_in_lists_of_an_inner_call():
    f = lambda t: gradient(lambda x: x[0] ** 2 * x[1], [t, 2.0])
    np.testing.assert_array_equal(derivative(f, 3.0), [4.0, 6.0])
    g = lambda t: gradient(lambda p: p["a"] ** 2 * p["b"], {"a": t, "b": t * t})["a"]
    assert derivative(g, 3.0) == 6 * 9.0


def test_value_and_tangent_of_containers():
    x = dd.Dual(3.0, 1.0)
    assert dd.value({"a": x, "b": (x * 2, [x, 1.0], 7)})["b"][0] == 6.0
    np.testing.assert_array_equal(dd.value([x, 1.0]), [3.0, 1.0])
    np.testing.assert_array_equal(dd.tangent((x**2, [x, 1.0]))[1], [1.0, 0.0])
    assert dd.tangent({"a": x**2, "b": 5.0}) == {"a": 6.0, "b": 0.0}
    assert dd.value(5.0) == 5.0
    assert dd.value("a") == "a"
    assert dd.value(None) is None
    assert derivative(lambda t: derivative(lambda s: dd.value(s * t) + s, t), 2.0) == 0.0
    array = np.arange(3.0)
    dd.value(array)[0] = 7.0
    assert array[0] == 0.0
    seen = []
    derivative(derivative(lambda t: seen.append(dd.value(t)) or t), 2.0)
    assert seen == [2.0]
    assert type(seen[0]) is float


def test_mixed_precision_and_complex_leaves():
    x = (np.ones(2, np.float32), 2.0, np.array([1 + 2j]))
    f = lambda p: np.sum(p[0]) * p[1] * np.sum(np.abs(p[2]) ** 2)
    found = gradient(f, x)
    assert found[0].dtype in (np.float32, np.float64)
    np.testing.assert_allclose(found[0], [10.0, 10.0])
    assert found[1] == pytest.approx(10.0)
    assert not np.iscomplexobj(found[1])
    np.testing.assert_allclose(found[2], [8 - 16j])
    np.testing.assert_allclose(jvp(f, x, (np.ones(2), 0.0, np.array([1j])))[1], 20 + 16.0)
    J = jacobian(lambda p: p[0] ** 2 * p[1], (1 + 2j, 3.0))
    assert J == (6 + 12j, -3 + 4j)
