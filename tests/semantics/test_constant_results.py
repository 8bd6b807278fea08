"""A result that was not computed from x at all: zeros, and one warning at the outermost call of an operator."""

from __future__ import annotations

import math
import pickle
import warnings

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import ConstantResultWarning, derivative, gradient, hessian, jacobian, jvp, nth_derivative
from dualdiff.base import tags

X = np.array([1.0, 2.0, 3.0])


def bisection(a):
    low, high = 0.0, 2.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if middle * middle < a else (low, middle)
    return low


def newton(a):
    x = 1.0
    while abs(x * x - a) > 1e-12:
        x = x - (x * x - a) / (2 * x)
    return x


KEPT = {1.0: 1.0}

#: Where a derivative is lost.
LOST = {
    "bisection": (bisection, 2.0),
    "Newton's method started at the root": (newton, 1.0),
    "a branch": (lambda a: 0.0 if a == 0 else a + a * a, 0.0),
    "a branch to an integer": (lambda a: 0 if a == 0 else a + a * a, 0.0),
    "a value that was kept": (lambda a: KEPT[dd.value(a)], 1.0),
    "the plain value": (lambda a: dd.value(a) ** 2, 1.0),
}


@pytest.mark.parametrize("name", LOST)
def test_where_a_derivative_is_lost_it_is_said(name):
    f, x = LOST[name]
    for operator in (
        derivative,
        gradient,
        jacobian,
        dd.value_and_derivative,
        dd.value_and_gradient,
        dd.vjp,
        dd.linearize,
    ):
        with pytest.warns(ConstantResultWarning, match="not computed from a") as found:
            operator(f, x)
        assert len(found) == 1
        assert found[0].filename == __file__
        assert operator.__name__ in str(found[0].message)


def constant(x):
    return 3.0


#: Every way that an operator of first order takes.
WAYS = {
    "derivative": lambda: derivative(constant, 1.0),
    "derivative as a function": lambda: derivative(constant)(1.0),
    "derivative at a float64": lambda: derivative(constant, np.float64(1.0)),
    "derivative at points": lambda: derivative(lambda x: np.ones(3), X),
    "derivative, keywords": lambda: derivative(lambda x, k: k, argnum=0)(1.0, k=2.0),
    "gradient": lambda: gradient(constant, X),
    "gradient, forward in chunks": lambda: gradient(constant, X, mode="forward", chunk_size=1),
    "gradient, reverse": lambda: gradient(constant, X, mode="reverse"),
    "gradient of a large array": lambda: gradient(constant, np.ones(1000)),
    "gradient in a batch": lambda: gradient(lambda x: np.ones(2), np.ones((2, 3)), batch_dims=1),
    "gradient, aux": lambda: gradient(lambda x: (3.0, x), X, has_aux=True),
    "gradient of a container": lambda: gradient(constant, {"a": 1.0, "b": X}),
    "jacobian": lambda: jacobian(lambda x: np.ones(2), X),
    "jacobian in chunks": lambda: jacobian(lambda x: np.ones(2), X, chunk_size=1),
    "jacobian, reverse": lambda: jacobian(lambda x: np.ones(2), X, mode="reverse"),
    "jacobian of several results": lambda: jacobian(lambda x: (1.0, np.ones(2)), X),
    "jvp": lambda: jvp(constant, X, X),
    "vjp": lambda: dd.vjp(constant, X),
    "linearize": lambda: dd.linearize(constant, X),
    "divergence": lambda: dd.divergence(lambda x: np.ones(3), X),
    "several arguments": lambda: gradient(lambda a, b: 1.0, 1.0, 2.0, argnum=(0, 1)),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_operator_of_first_order_warns_once(way):
    with pytest.warns(ConstantResultWarning) as found:
        result = WAYS[way]()
    assert [w.category for w in found] == [ConstantResultWarning]
    assert found[0].filename == __file__
    assert result is not None


def test_sparse_jacobians_warn():
    pytest.importorskip("scipy")
    for operator in (lambda f: jacobian(f, X, sparse=True), lambda f: dd.jacobian_sparsity(f, X)):
        with pytest.warns(ConstantResultWarning):
            assert operator(lambda x: np.ones(2)).nnz == 0


#: Constant results that are right, or zero derivatives of what was computed from x.
SILENT = {
    "a nested function": lambda: derivative(lambda x: x * derivative(lambda y: 5.0, 1.0), 1.0),
    "an outer x": lambda: derivative(lambda x: x * derivative(lambda y: x, 1.0), 1.0),
    "derivative of a linear function": lambda: derivative(lambda y: derivative(lambda x: 2 * x, y), 1.0),
    "twice": lambda: derivative(derivative(lambda x: 2 * x))(1.0),
    "mixed": lambda: derivative(lambda y: derivative(lambda x: x + y, 1.0), 1.0),
    "mixed, of arguments": lambda: derivative(lambda y: derivative(np.add, 1.0, y), 1.0),
    "nth_derivative": lambda: nth_derivative(lambda x: 2 * x, 1.0, 2),
    "hessian": lambda: hessian(np.sum, X),
    "hessian, reverse": lambda: hessian(np.sum, X, mode="reverse"),
    "hessian of a constant": lambda: hessian(constant, X),
    "jacobian of a gradient": lambda: jacobian(gradient(np.sum), X),
    "hvp": lambda: dd.hvp(np.sum, X, X),
    "laplacian": lambda: dd.laplacian(np.sum, X),
    "laplacian of a constant": lambda: dd.laplacian(constant, X),
    "biharmonic": lambda: dd.biharmonic(np.sum, X),
    "floor": lambda: derivative(np.floor, 1.5),
    "math.floor": lambda: derivative(math.floor, 1.5),
    "round": lambda: derivative(round, 1.5),
    "sign": lambda: gradient(lambda x: np.sum(np.sign(x)), X),
    "argmax": lambda: gradient(np.argmax, X),
    "a count": lambda: gradient(lambda x: np.sum(x > 1), X),
    "a comparison": lambda: derivative(lambda x: x > 0, 1.0),
    "zero times x": lambda: derivative(lambda x: 3.0 + 0 * x, 1.0),
    "zeros_like": lambda: jacobian(np.zeros_like, X),
    "empty x": lambda: gradient(constant, np.zeros(0)),
    "an empty result": lambda: jacobian(lambda x: np.zeros(0), X),
    "one of several results": lambda: jacobian(lambda x: (1.0, x), X),
    "one of several arguments": lambda: gradient(lambda a, b: b * b, 1.0, 2.0, argnum=(0, 1)),
    "one of several leaves": lambda: gradient(lambda p: p["a"], {"a": 1.0, "b": X}),
    "a rule that says so": lambda: derivative(dd.custom_derivative(constant, lambda x: 0.0), 1.0),
    "check_derivative": lambda: dd.check_derivative(constant, 1.0),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_may_well_be_constant_says_nothing(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SILENT[name]()


def test_the_text_says_what_happened_and_what_to_write():
    with pytest.warns(ConstantResultWarning) as found:
        derivative(bisection, 2.0)
    text = str(found[0].message)
    for part in (
        "bisection returned 1.414",
        "from a",
        "dualdiff.value",
        "custom_derivative",
        "0 * a",
        "filterwarnings",
    ):
        assert part in text
    with pytest.warns(ConstantResultWarning, match=r"an array of shape \(2,\), not computed from x"):
        jacobian(lambda x: np.ones(2), X)
    with pytest.warns(ConstantResultWarning, match="not computed from b"):
        gradient(lambda a, b: a, 1.0, 2.0, argnum=1)


def test_what_the_text_says_to_write_works():
    def with_a_last_step(a):
        x = dd.value(bisection(a))
        return x - (x * x - a) / (2 * x)

    assert derivative(with_a_last_step, 2.0) == pytest.approx(math.sqrt(0.125))
    root = dd.custom_derivative(bisection, lambda a: 0.5 / bisection(a))
    assert derivative(root, 2.0) == pytest.approx(math.sqrt(0.125))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=dd.ConstantResultWarning)
        assert derivative(bisection, 2.0) == 0.0


def test_as_an_error_it_leaves_nothing_behind():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for way in WAYS.values():
            with pytest.raises(ConstantResultWarning):
                way()
    assert not tags.live


def test_the_class_is_public():
    assert ConstantResultWarning.__module__ == "dualdiff"
    assert issubclass(ConstantResultWarning, UserWarning)
    assert pickle.loads(pickle.dumps(ConstantResultWarning)) is ConstantResultWarning
