"""Functions that change another argument in place: each call of f sees it as it was, and the caller one plain call."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import dualdiff as dd

X = np.array([0.3, -1.2, 0.7, 2.0, 1.1])


def scalar(x, other):
    other += 1
    return np.sum(np.sin(x) * other)


def vector(x, other):
    other += 1
    return np.sin(x) * other


def pair(x, other):
    other += 1
    return np.stack([np.sum(x * other), np.sum(x**2 * other)])


def points(x, other):
    other += 1
    return np.sum(np.sin(x) * other[:, None], -1)


PATTERN = np.eye(5, dtype=bool)

#: Each operator that calls f several times: it, f, x, and its options.
CALLS = {
    "gradient": (dd.gradient, scalar, X, {"chunk_size": 2, "mode": "forward"}),
    "gradient of complex x": (dd.gradient, scalar, X + 0.1j, {"chunk_size": 2, "mode": "forward"}),
    "gradient of a batch": (dd.gradient, points, np.ones((5, 3)), {"chunk_size": 1, "batch_dims": 1}),
    "value_and_gradient": (dd.value_and_gradient, scalar, X, {"chunk_size": 2, "mode": "forward"}),
    "jacobian": (dd.jacobian, vector, X, {"chunk_size": 2}),
    "jacobian, reverse after one chunk": (dd.jacobian, pair, X, {"chunk_size": 3}),
    "jacobian along colours": (dd.jacobian, vector, X, {"sparse": PATTERN, "chunk_size": 1}),
    "jacobian, checked": (dd.jacobian, vector, X, {"sparse": PATTERN, "check": True}),
    "jacobian, an entry is infinite": (dd.jacobian, lambda x, o: vector(x**0.5, o), np.zeros(5), {"sparse": PATTERN}),
    "value_and_jacobian": (dd.value_and_jacobian, vector, X, {"chunk_size": 2}),
    "hessian": (dd.hessian, scalar, X, {"chunk_size": 2}),
    "hessian, forward over forward": (dd.hessian, scalar, X, {"chunk_size": 2, "mode": "forward"}),
    "hessian along colours": (dd.hessian, scalar, X, {"sparse": PATTERN, "check": True}),
    "value_gradient_and_hessian": (dd.value_gradient_and_hessian, scalar, X, {"chunk_size": 2}),
    "divergence": (dd.divergence, vector, X, {"chunk_size": 2}),
    "laplacian": (dd.laplacian, scalar, X, {"chunk_size": 2}),
    "biharmonic": (dd.biharmonic, scalar, X, {"chunk_size": 2}),
}


def dense(result):
    """The arrays of a result."""
    parts = result if isinstance(result, tuple) else (result,)
    return [part.toarray() if hasattr(part, "toarray") else part for part in parts]


def unchanging(f):
    """The function on copies of its other argument."""
    return lambda x, other: f(x, copy.deepcopy(other))


@pytest.mark.parametrize("name", CALLS)
def test_each_pass_sees_the_other_arguments_as_they_were(name):
    operator, f, x, options = CALLS[name]
    if "sparse" in options:
        pytest.importorskip("scipy")
    other = np.arange(5.0)
    expected = dense(operator(unchanging(f), x, other.copy(), **options))
    found = dense(operator(f, x, other, **options))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(other, np.arange(5.0) + 1)


def test_hvp_with_a_forward_gradient():
    other = np.arange(5.0)
    found = dd.hvp(scalar, X, np.ones(5), other, chunk_size=2, mode="forward")
    np.testing.assert_allclose(found, -np.sin(X) * np.arange(1.0, 6.0), rtol=1e-14)
    np.testing.assert_array_equal(other, np.arange(1.0, 6.0))


@pytest.mark.parametrize("operator", [dd.derivative, dd.value_and_derivative, dd.nth_derivative])
def test_one_argument_after_the_other(operator):
    def f(a, b, other):
        other += 1
        return a * b**2 * other[0]

    other = np.zeros(1)
    options = {"n": 1} if operator is dd.nth_derivative else {}
    found = operator(f, 2.0, 3.0, other, argnum=(0, 1), **options)
    assert (found[1] if operator is dd.value_and_derivative else found) == (9.0, 12.0)
    assert other[0] == 1


def test_divergence_with_respect_to_one_argument_after_the_other():
    other = np.zeros(3)
    assert dd.divergence(lambda a, b, o: vector(a + b, o), np.zeros(3), np.zeros(3), other, argnum=(0, 1)) == (3, 3)
    np.testing.assert_array_equal(other, 1)


def test_check_derivative_sees_one_function():
    other = np.arange(5.0)
    assert dd.check_derivative(vector, X, other).passed
    np.testing.assert_array_equal(other, np.arange(1.0, 6.0))


@pytest.mark.parametrize(
    "make",
    [
        lambda a: {"deep": [(a, 2.0)]},
        lambda a: [a, a],
        lambda a: (a, a[1:]),
        lambda a: (a[::2], a),
        lambda a: (np.ma.masked_array(a, np.arange(6.0) > 3, copy=False), a),
        lambda a: (a.view(np.matrix), a),
        lambda a: (a.astype(object),),
        lambda a: (np.asfortranarray(a.reshape(2, 3)),),
        lambda a: (a.astype("i2"), a.astype("c8"), np.float32(a)),
        lambda a: (np.zeros(0), np.array(["", "x"]), a),
    ],
    ids=["nested", "twice", "view", "strided", "masked", "matrix", "object", "Fortran", "dtypes", "empty and text"],
)
def test_whatever_holds_the_arrays(make):
    """Also arrays that share memory: what is written through one is read through the other."""

    def arrays(tree):
        if isinstance(tree, np.ndarray):
            return [tree]
        parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else ()
        return [array for part in parts for array in arrays(part)]

    def f(x, tree):
        first, *_, last = [a for a in arrays(tree) if a.dtype.kind != "U" and a.size] * 2
        first += 1
        return x * float(abs(last).sum())

    plain = make(np.arange(6.0))
    value = f(X, plain)
    tree = make(np.arange(6.0))
    found = dd.jacobian(f, X, tree, chunk_size=2, mode="forward")
    np.testing.assert_allclose(found, np.diag(value / X), rtol=1e-14)
    for a, b in zip(arrays(tree), arrays(plain), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_argument_that_is_differentiated_outside():
    """What f adds to a dual of an outer call is added once."""

    def outer(t):
        other = dd.zeros(5, like=X * t) + t
        J = dd.jacobian(vector, X, other, chunk_size=2)
        return np.sum(J) + np.sum(other**2)

    # sum(cos(x)) (t + 1) + 5 (t + 1)**2
    for operator in (dd.derivative, lambda f, t: dd.gradient(f, t, mode="reverse")):
        assert operator(outer, 2.0) == pytest.approx(np.sum(np.cos(X)) + 30.0, rel=1e-14)


def test_an_error_in_a_later_pass_leaves_the_arguments_as_the_first_call_did():
    calls = []

    def f(x, other):
        other += 1
        calls.append(other.copy())
        if len(calls) == 2:
            other[:] = -1.0
            raise RuntimeError("on purpose")
        return x * other

    other = np.zeros(5)
    with pytest.raises(RuntimeError):
        dd.jacobian(f, X, other, chunk_size=2)
    np.testing.assert_array_equal(other, 1)


def test_only_what_the_first_call_changed_is_restored():
    """What f only reads is never written: other threads may use it meanwhile."""
    read, other = np.zeros(5), np.zeros(5)

    def f(x, read, other):
        # From the second call on, as another thread would.
        read += len(calls) == 1
        calls.append(other[0])
        other += 1
        return x * other

    calls = []
    dd.jacobian(f, X, read, other, chunk_size=2, mode="forward")
    assert calls == [0, 0, 0]
    np.testing.assert_array_equal(read, 1)
    np.testing.assert_array_equal(other, 1)
