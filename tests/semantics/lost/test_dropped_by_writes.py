"""Writes of duals into plain arrays raise or keep the derivative; they never drop it."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import derivative, gradient, jacobian, jvp
from tests.semantics.lost.test_dropped_silently import X, refused

# -- buf = np.zeros(n); buf[0] = d -------------------------------------------------------------------------------------
REMEDY = r"collect the elements in a list and np\.stack it, or make the buffer with dualdiff\.zeros\(shape, like=x\)"
BUFFER_WRITES = {
    "buf[0] = d": lambda b, x: operator.setitem(b, 0, x[0]),
    "buf[0, 1] = d": lambda b, x: operator.setitem(b.reshape(1, 3), (0, 1), x[0]),
    "buf[:] = d": lambda b, x: operator.setitem(b, slice(None), x[0]),
    "buf[:] = x": lambda b, x: operator.setitem(b, slice(None), x),
    "buf[1:] = x[1:]": lambda b, x: operator.setitem(b, slice(1, None), x[1:]),
    "buf[...] = x": lambda b, x: operator.setitem(b, ..., x),
    "buf[mask] = x[mask]": lambda b, x: operator.setitem(b, X > 0, x[X > 0]),
    "buf[indices] = x": lambda b, x: operator.setitem(b, [0, 2], x[:2]),
    "buf[:] = list": lambda b, x: operator.setitem(b, slice(None), [x[0], 1.0, x[1]]),
    "buf.fill": lambda b, x: b.fill(x[0]),
    "buf.flat = x": lambda b, x: setattr(b, "flat", x),
    "buf.flat[:] = x": lambda b, x: operator.setitem(b.flat, slice(None), x),
    "buf.put": lambda b, x: b.put([0], x[:1]),
}


@pytest.mark.parametrize("dtype", [float, np.float32, complex, int])
@pytest.mark.parametrize("name", BUFFER_WRITES)
def test_plain_buffer(name, dtype):
    b = np.full(3, 7, dtype)
    refused(TypeError, REMEDY, jacobian, lambda x: BUFFER_WRITES[name](b, x) or b, X)
    refused(TypeError, REMEDY, jvp, lambda x: BUFFER_WRITES[name](b, x) or b, X, X)
    refused(TypeError, REMEDY, jacobian, jacobian(lambda x: BUFFER_WRITES[name](b, x) or b), X)
    np.testing.assert_array_equal(b, 7)


def test_plain_buffer_and_a_scalar():
    b = np.zeros(2)
    refused(TypeError, REMEDY, derivative, lambda t: operator.setitem(b, 0, t) or b, 2.0)
    np.testing.assert_array_equal(b, 0.0)


def test_plain_buffer_and_an_array_where_an_element_belongs():
    # NumPy takes the array for a sequence and answers first; our words are the cause that the traceback shows.
    b = np.zeros(2)
    error = refused(ValueError, "sequence", jacobian, lambda x: operator.setitem(b, 0, x[:1]) or b, X)
    assert "would lose the derivative" in str(error.__cause__)
    refused(ValueError, "setting", jacobian, lambda x: operator.setitem(b.flat, 0, x[0]) or b, X)
    np.testing.assert_array_equal(b, 0.0)


def test_buffer_made_like_x():
    def f(x, make):
        b = make(x)
        b[0] = x[0] ** 2
        b[1:] = x[:2] * x[2]
        return b

    expected = jacobian(lambda x: np.stack([x[0] ** 2, x[0] * x[2], x[1] * x[2]]), X)
    for make in (
        lambda x: dd.zeros(3, like=x),
        lambda x: dd.ones(3, like=x[0]),
        lambda x: dd.empty((3,), like=(1.0, x[0])),
        lambda x: dd.full(3, 7.0, like={"a": [x[0]]}),
        lambda x: dd.full(3, x[0]),
        lambda x: np.zeros(3, like=x),
        lambda x: np.ones(3, like=x),
        lambda x: np.empty(3, like=x),
        lambda x: np.full(3, 1.5, like=x),
        lambda x: np.arange(3.0, like=x),
        lambda x: np.array([1.0, 2.0, 3.0], like=x),
        lambda x: np.zeros_like(x),
        lambda x: np.empty_like(X, shape=3) + np.zeros_like(x),
        lambda x: np.full_like(x, 2.0),
    ):
        np.testing.assert_array_equal(jacobian(f, X, make), expected)
        np.testing.assert_allclose(jvp(lambda x, make=make: f(x, make), X, X)[1], expected @ X)
        second = jacobian(jacobian(lambda x, make=make: f(x, make)), X)
        assert second[0, 0, 0] == 2.0
    for make in (dd.zeros, dd.ones, dd.empty):
        assert type(make(3, like=0.5)) is np.ndarray
        assert make(3, like=X.astype(np.float32)).dtype == np.float32
        assert make(3, like=2).dtype == np.float64


# -- a += d, out=a, np.copyto(a, d), np.full_like(a, d), np.put, np.place with plain a ---------------------------------
PLAIN_TARGETS = {
    "+=": lambda a, x: operator.iadd(a, x),
    "-=": lambda a, x: operator.isub(a, x[0]),
    "*=": lambda a, x: operator.imul(a, x),
    "/=": lambda a, x: operator.itruediv(a, x),
    "**=": lambda a, x: operator.ipow(a, x),
    "%=": lambda a, x: operator.imod(a, x),
    "@=": lambda a, x: operator.imatmul(a.reshape(1, 3), x * np.eye(3)),
    "slice +=": lambda a, x: operator.iadd(a[1:], x[1:]),
    "np.add(out=)": lambda a, x: np.add(x, 1.0, out=a),
    "np.sin(x, a)": lambda a, x: np.sin(x, a),
    "np.sum(out=)": lambda a, x: np.sum(x[:, None] * np.ones(3), axis=0, out=a),
    "np.dot(out=)": lambda a, x: np.dot(np.eye(3), x, out=a),
    "np.copyto": lambda a, x: np.copyto(a, x),
    "np.copyto of a number": lambda a, x: np.copyto(a, x[0], where=[True, False, True]),
    "np.full_like": lambda a, x: np.full_like(a, x),
    "np.full_like of a number": lambda a, x: np.full_like(a, x[0]),
    "np.put": lambda a, x: np.put(a, [0], x[:1]),
    "np.put of a number": lambda a, x: np.put(a, 0, x[0]),
    "np.place": lambda a, x: np.place(a, a > 0, x),
    "np.putmask": lambda a, x: np.putmask(a, a > 0, x),
    "np.put_along_axis": lambda a, x: np.put_along_axis(a, np.array([0]), x[:1], axis=0),
    "np.fill_diagonal": lambda a, x: np.fill_diagonal(a.reshape(1, 3), x),
    "np.add.at": lambda a, x: np.add.at(a, [0, 0], x[:2]),
    "clip(out=)": lambda a, x: np.clip(x, 0.0, 1.0, out=a),
    "np.concatenate(out=)": lambda a, x: np.concatenate([x[:1], x[1:]], out=a),
    "np.einsum(out=)": lambda a, x: np.einsum("i->i", x, out=a),
    "np.take(out=)": lambda a, x: np.take(x, [0, 1, 2], out=a),
}


@pytest.mark.parametrize("name", PLAIN_TARGETS)
def test_plain_target(name):
    a = np.full(3, 7.0)
    alias = a[:]
    use = PLAIN_TARGETS[name]
    refused(TypeError, "holds plain values and cannot store the derivative.*np.stack", jacobian, lambda x: use(a, x), X)
    refused(TypeError, "cannot store the derivative", jacobian, jacobian(lambda x: use(a, x)), X)
    np.testing.assert_array_equal(alias, 7.0)


def test_list_extend_and_sum_keep_the_derivative():
    def f(x):
        found = [1.0]
        found += list(x)
        return sum(found) * math.prod(x)

    np.testing.assert_allclose(gradient(f, X), gradient(lambda x: (1.0 + np.sum(x)) * np.prod(x), X))


def test_a_plain_scalar_in_place_becomes_a_dual():
    def f(t):
        total = 1.0
        total += t
        total *= t
        return total

    assert derivative(f, 3.0) == 7.0


def test_writing_duals_of_an_inner_call_into_an_outer_array():
    def f(x):
        y = np.zeros_like(x)
        return gradient(lambda z: operator.setitem(y, 0, z[0]) or np.sum(y * z), x)

    refused(TypeError, "an array of an outer differentiation holds plain values", jacobian, f, X)
