"""Several directions at once in jvp, hvp and linearize, several weights in vjp."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from dualdiff import derivative, gradient, hessian, hvp, jacobian, jvp, linearize, vjp

RNG = np.random.default_rng(3)
X = np.array([0.7, 1.9, -1.1])
V = RNG.normal(size=(5, 3))


def field(x):
    return np.stack([x[0] ** 2 * x[1], np.sin(x[1] * x[2]), np.exp(x[0]) / x[2], x[1]])


def test_the_columns_and_the_rows_of_a_jacobian():
    J = jacobian(field, X)
    value, columns = jvp(field, X, np.eye(3))
    np.testing.assert_array_equal(value, field(X))
    np.testing.assert_allclose(columns, J.T, rtol=1e-14)
    value, pull = vjp(field, X)
    np.testing.assert_array_equal(value, field(X))
    np.testing.assert_allclose(pull(np.eye(4)), J, rtol=1e-14)
    np.testing.assert_allclose(
        hvp(lambda x: np.sum(field(x)), X, np.eye(3)), hessian(lambda x: np.sum(field(x)), X), rtol=1e-13
    )
    _, L = linearize(field, X)
    np.testing.assert_allclose(L(np.eye(3)), J.T, rtol=1e-14)
    np.testing.assert_allclose(L.T(np.eye(4)), J, rtol=1e-14)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_as_one_direction_after_the_other(count):
    W = RNG.normal(size=(count, 4))
    found = jvp(field, X, V[:count])[1]
    assert found.shape == (count, 4)
    for t, v in zip(found, V, strict=False):
        np.testing.assert_allclose(t, jvp(field, X, v)[1], rtol=1e-14)
    pull = vjp(field, X)[1]
    assert pull(W).shape == (count, 3)
    for t, w in zip(pull(W), W, strict=True):
        np.testing.assert_array_equal(t, pull(w))
    f = lambda x: np.sum(field(x) ** 2)
    for mode in ("auto", "forward", "reverse"):
        found = hvp(f, X, V[:count], mode=mode)
        assert found.shape == (count, 3)
        for t, v in zip(found, V, strict=False):
            np.testing.assert_allclose(t, hvp(f, X, v, mode=mode), rtol=1e-12)


def test_many_directions_in_chunks():
    x = np.linspace(0, 1, 400)
    directions = RNG.normal(size=(700, 400))
    calls = []
    found = jvp(lambda x: calls.append(1) or np.sin(x), x, directions)[1]
    np.testing.assert_allclose(found, np.cos(x) * directions, rtol=1e-14)
    assert 1 < len(calls) < 10


SHAPES = [((), ()), ((), (2,)), ((2,), ()), ((2, 3), (3, 2)), ((1,), (1,)), ((0,), (2,)), ((2, 2), (2, 2))]


@pytest.mark.parametrize(("shape", "shape_out"), SHAPES)
def test_the_number_of_axes_tells_how_many_there_are(shape, shape_out):
    x = RNG.normal(size=shape) if shape else 0.7
    f = lambda x: np.sum(x * x) * np.ones(shape_out) if shape_out else np.sum(x * x)
    for several in ((), (1,), (2,), (4,)):
        v, w = RNG.normal(size=several + shape), RNG.normal(size=several + shape_out)
        value, slope = jvp(f, x, v)
        assert np.shape(value) == shape_out
        assert np.shape(slope) == several + shape_out
        assert np.shape(vjp(f, x)[1](w)) == several + shape
        assert np.shape(linearize(f, x)[1](v)) == several + shape_out
    g = lambda x: np.sum(x * x)
    assert np.shape(hvp(g, x, RNG.normal(size=(4, *shape)))) == (4, *shape)
    for wrong in ((4, 4, *shape), (*shape, 7), (9, *shape, 1)):
        with pytest.raises(ValueError, match=r"the direction v has shape .* is needed, or \(k,.*\) for k at once"):
            jvp(f, x, np.ones(wrong) if len(wrong) > 1 else np.ones((2, 2, 2)))


def test_containers_and_several_arguments():
    p = {"a": 2.0, "b": X}
    f = lambda p: (p["a"] ** 2 * p["b"], SimpleNamespace(s=np.sum(p["b"])))
    a, b = RNG.normal(size=4), RNG.normal(size=(4, 3))
    value, slope = jvp(f, p, {"a": a, "b": b})
    np.testing.assert_array_equal(value[0], 4 * X)
    np.testing.assert_allclose(slope[0], 4 * np.outer(a, X) + 4 * b, rtol=1e-14)
    np.testing.assert_allclose(slope[1].s, b.sum(axis=1), rtol=1e-14)
    found = vjp(f, p)[1]((b, SimpleNamespace(s=a)))
    np.testing.assert_allclose(found["a"], 4 * b @ X, rtol=1e-13)
    np.testing.assert_allclose(found["b"], 4 * b + a[:, None], rtol=1e-14)
    found = hvp(lambda p: p["a"] ** 2 * np.sum(p["b"] ** 2), p, {"a": a, "b": b})
    np.testing.assert_allclose(found["a"], 2 * a * np.sum(X**2) + 8 * b @ X, rtol=1e-13)
    value, slope = jvp(lambda x, y: x * y, (X, 2.0), (b, a), argnum=(0, 1))
    np.testing.assert_allclose(slope, 2 * b + np.outer(a, X), rtol=1e-14)
    for wrong in ({"a": 1.0, "b": b}, {"a": a, "b": X}, {"a": a[:3], "b": b}):
        with pytest.raises(ValueError, match=r"the direction v has shapes .*one more axis of the same length in front"):
            jvp(f, p, wrong)
    with pytest.raises(ValueError, match=r"the cotangent w has shapes"):
        vjp(f, p)[1]((b, SimpleNamespace(s=1.0)))


def test_types_of_what_is_given():
    np.testing.assert_array_equal(jvp(lambda x: x**2, [1.0, 2.0], [[1, 0], [0, 1]])[1], [[2, 0], [0, 4]])
    np.testing.assert_array_equal(jvp(lambda x: x**2, X, [X, V[0]])[1], [2 * X * X, 2 * X * V[0]])
    single = jvp(lambda x: x**2, X.astype(np.float32), V)[1]
    assert single.dtype == np.float32
    z = np.array([1 + 2j, 0.5])
    directions = np.array([[1, 0], [1j, 0], [0, 1 - 1j]])
    for t, v in zip(jvp(np.abs, z, directions)[1], directions, strict=True):
        np.testing.assert_allclose(t, jvp(np.abs, z, v)[1])
    pull = vjp(lambda z: np.conj(z) * z[0], z)[1]
    for t, w in zip(pull(directions), directions, strict=True):
        np.testing.assert_array_equal(t, pull(w))
    with pytest.raises(TypeError, match="the direction v is complex"):
        jvp(np.sum, X, 1j * V)
    with pytest.raises(TypeError, match="the direction v has dtype <U1"):
        jvp(np.sum, X, [["a"] * 3])
    *_, aux = jvp(lambda x: (x**2, "aux"), X, V, has_aux=True)
    assert aux == "aux"


def test_directions_and_weights_of_an_outer_call():
    f = lambda t: jvp(field, X, t * V)[1]
    np.testing.assert_allclose(derivative(f, 2.0), jvp(field, X, V)[1], rtol=1e-14)
    g = lambda t: jvp(field, t * X, V)[1]
    expected = np.stack([derivative(lambda t, v=v: jvp(field, t * X, v)[1], 1.0) for v in V])
    np.testing.assert_allclose(derivative(g, 1.0), expected, rtol=1e-13)
    W = RNG.normal(size=(2, 4))
    h = lambda t: vjp(field, t * X)[1](t * W)
    expected = np.stack([derivative(lambda t, w=w: vjp(field, t * X)[1](t * w), 1.0) for w in W])
    np.testing.assert_allclose(derivative(h, 1.0), expected, rtol=1e-13)
    slope = gradient(lambda V: np.sum(jvp(field, X, V)[1]), V, mode="reverse")
    np.testing.assert_allclose(slope, np.tile(jacobian(field, X).sum(axis=0), (5, 1)), rtol=1e-13)


def test_infinite_partials_and_zeros():
    x = np.array([0.0, 4.0])
    for directions in (np.eye(2), np.array([[0.0, 1.0], [0.0, 0.0]])):
        expected = np.stack([jvp(np.sqrt, x, v)[1] for v in directions])
        np.testing.assert_array_equal(jvp(np.sqrt, x, directions)[1], expected)


def test_compiled_functions():
    numba = pytest.importorskip("numba")
    f = numba.njit(lambda x: np.sin(x) * x[0])
    value, slope = jvp(f, X, V)
    np.testing.assert_array_equal(value, f(X))
    np.testing.assert_allclose(slope, jvp(f.py_func, X, V)[1], rtol=1e-13)
    assert jvp(f, X, V[:0])[1].shape == (0, 3)
    g = numba.njit(lambda x: np.sum(np.sin(x) * x[0]))
    np.testing.assert_allclose(hvp(g, X, V), hvp(g.py_func, X, V), rtol=1e-12)
    pair = numba.njit(lambda p: p[0] ** 2 * p[1])
    found = jvp(pair, (2.0, X), (np.ones(5), V))[1]
    np.testing.assert_allclose(found, jvp(pair.py_func, (2.0, X), (np.ones(5), V))[1], rtol=1e-13)
    found = jvp(numba.njit(lambda x, y: x * y), (X, 2.0), (V, np.ones(5)), argnum=(0, 1))[1]
    np.testing.assert_allclose(found, 2 * V + X, rtol=1e-13)
    with pytest.raises(ValueError, match=r"the direction v has shape \(2,\), but shape \(3,\) is needed, or \(k, 3\)"):
        jvp(f, X, V[0, :2])
