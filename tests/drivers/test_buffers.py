"""Buffers in code that cannot be edited: `dual_buffers`, and what stays as it is."""

from __future__ import annotations

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps

import numpy
import numpy as np
import pytest
from numpy import empty, zeros

import dualdiff
from dualdiff import DualArray, LostDerivativeError, derivative, dual_buffers, gradient, hessian, jacobian
from tests.support.against import assert_near, assert_same

X = np.array([0.7, -1.1, 1.9])


# -- code as it is found -----------------------------------------------------------------------------------------------
def squares(x):
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = x[i] ** 2
    return y


def squares_by_name(x):
    y = zeros(3)
    z = empty((3,))
    z[:] = x
    y[:] = x * z
    return y


def squares_by_full_name(x, *, power=2):
    y = numpy.ones_like([1.0, 1.0, 1.0])
    y[:] = x**power
    return y


def helper(x):
    y = np.zeros(3)
    y[:] = x
    return y


def squares_with_a_helper(x):
    return helper(x) * helper(x)


def factorial_powers(x, n=3):
    """Calls itself."""
    y = np.ones(3)
    y[:] = x if n == 1 else x * factorial_powers(x, n - 1)
    return y


class Model:
    """A method that fills a buffer."""

    def __init__(self, a):
        self.a = a

    def squares(self, x):
        y = np.zeros(3)
        y[:] = self.a * x**2
        return y


def decorated(f):
    @wraps(f)
    def wrapper(*args):
        return f(*args)

    return wrapper


@decorated
def squares_decorated(x):
    return squares(x)


def dual_buffers_of_another(f):
    """A decorator from elsewhere."""
    return np.errstate()(f)


count = 0


def counting(x):
    global count
    count += 1
    y = np.zeros(3)
    y[:] = x
    return y


def squares_with_a_default(x, make=np.zeros):
    y = make(len(x))
    y[...] = x**2
    return y


def squares_with_a_default_keyword(x, *, make=zeros):
    y = make(len(x))
    y[...] = x**2
    return y


CODE = {
    "np.zeros": dual_buffers(squares),
    "zeros": dual_buffers(squares_by_name),
    "numpy.ones_like": dual_buffers(squares_by_full_name),
    "a method": dual_buffers(Model(1.0).squares),
    "a closure": dual_buffers((lambda make: lambda x: (y := make(3), y.__setitem__(..., x**2), y)[2])(np.zeros)),
    "a closure over numpy": dual_buffers(
        (lambda lib: lambda x: (y := lib.zeros(3), y.__setitem__(..., x**2), y)[2])(np)
    ),
    "an inner function": dual_buffers(lambda x: (lambda: (y := np.zeros(3), y.__setitem__(..., x**2), y)[2])()),
    "helpers of its module": dual_buffers(squares_with_a_helper, module=True),
    "a decorator": dual_buffers(module=False)(squares),
    "the default of a parameter": dual_buffers(squares_with_a_default),
    "the default of a keyword": dual_buffers(squares_with_a_default_keyword),
}


@pytest.mark.parametrize("name", CODE)
def test_buffers_accept_duals(name):
    f = CODE[name]
    assert_same(f(X), X**2)
    for mode in ("forward", "reverse"):
        assert_near(jacobian(f, X, mode=mode), np.diag(2 * X), 1e-15)
    assert_near(hessian(lambda x: np.sum(f(x)), X), 2 * np.eye(3), 1e-15)
    assert_near(derivative(lambda t: f(t * X), 2.0), 4 * X**2, 1e-14)


@pytest.mark.parametrize(
    "f", [squares, squares_by_name, squares_by_full_name, squares_with_a_helper, Model(1.0).squares, squares_decorated]
)
def test_without_it_they_do_not(f):
    with pytest.raises(LostDerivativeError):
        jacobian(f, X)


def test_its_reach():
    with pytest.raises(LostDerivativeError):
        jacobian(dual_buffers(squares_with_a_helper), X)
    with pytest.raises(LostDerivativeError):
        jacobian(dual_buffers(squares_decorated), X)
    assert_near(jacobian(dual_buffers(squares_decorated, module=True), X), np.diag(2 * X))
    # What this decorator returns is a function of another module.
    with pytest.raises(LostDerivativeError):
        jacobian(dual_buffers(dual_buffers_of_another(squares), module=True), X)
    found = []
    dual_buffers(lambda x: found.append(np))(X)
    jacobian(dual_buffers(lambda x: found.append(np) or x), X)
    plain, other = found
    assert plain is np
    assert other is not np
    assert other.sin is np.sin
    assert other.linalg is np.linalg
    assert inspect.ismodule(other)
    assert np.zeros is zeros


def test_a_function_that_calls_itself():
    assert_near(jacobian(dual_buffers(factorial_powers), X), np.diag(3 * X**2), 1e-14)
    assert_near(jacobian(dual_buffers(factorial_powers, module=True), X, 2), np.diag(2 * X), 1e-15)


MADE = {
    "zeros": lambda x: np.zeros(3),
    "ones": lambda x: np.ones((3,), dtype=float),
    "empty": lambda x: np.empty(shape=3),
    "full": lambda x: np.full(3, 1.5),
    "full of a dual": lambda x: np.full(3, x[1]),
    "eye": lambda x: np.eye(3)[0],
    "identity": lambda x: np.identity(3)[1],
    "zeros_like": lambda x: np.zeros_like(np.arange(3.0)),
    "ones_like": lambda x: np.ones_like(x),
    "empty_like": lambda x: np.empty_like([1.0, 2.0, 3.0]),
    "full_like": lambda x: np.full_like(np.arange(3.0), x[0]),
    "array": lambda x: np.array([1.0, 2.0, 3.0]),
    "array of duals": lambda x: np.array([x[0], 2.0, x[1]]),
    "array of an array": lambda x: np.array(x),
    "asarray": lambda x: np.asarray([1.0, 2.0, 3.0], dtype=float),
    "asarray of duals": lambda x: np.asarray(x * 1.0),
    "asarray of duals as floats": lambda x: np.asarray([x[0], x[1], 1], float),
    "asanyarray": lambda x: np.asanyarray([x[0], 1.0, 2.0]),
    "ascontiguousarray": lambda x: np.ascontiguousarray(x * 1.0),
    "asfortranarray": lambda x: np.asfortranarray([1.0, 2.0, 3.0]),
    "zeros like": lambda x: np.zeros(3, like=x),
    "single precision": lambda x: np.zeros(3, np.float32),
    "tri": lambda x: np.tri(1, 3)[0],
    "copy": lambda x: np.copy([1.0, 2.0, 3.0]),
}


#: Of which number in x the first element is; otherwise it is a constant.
FIRST = {
    "full of a dual": 1,
    **dict.fromkeys(("full_like", "array of duals", "array of an array", "asarray of duals", "asanyarray"), 0),
    **dict.fromkeys(("asarray of duals as floats", "ascontiguousarray"), 0),
}


@pytest.mark.parametrize("name", MADE)
def test_what_is_made(name):
    make, seen = dual_buffers(MADE[name]), []

    def f(x):
        y = make(x)
        seen.append(y)
        first = 0.0 if "empty" in name else y[0]
        y[1] = x[2]
        return y[1:2] * x[0] + first

    expected = np.array([[X[2], 0.0, X[0]]])
    if name in FIRST:
        expected[0, FIRST[name]] += 1.0
    for mode in ("forward", "reverse"):
        assert_near(jacobian(f, X, mode=mode), expected, 1e-6 if "single" in name else 1e-15)
    assert all(isinstance(y, DualArray) for y in seen)
    assert {y.dtype for y in seen} == {np.dtype(np.float32 if "single" in name else float)}


def test_grids_stay_plain():
    """They are read, often by ``math``, which takes no duals."""
    grids = []
    f = dual_buffers(lambda x: grids.extend([np.arange(3.0), np.linspace(0.0, 1.0, 3)]) or x)
    jacobian(f, X)
    assert [type(grid) for grid in grids] == [np.ndarray, np.ndarray]


def test_integers_and_what_asarray_hands_through_stay_plain():
    table = np.arange(3.0)

    def f(x):
        n = np.zeros(3, int)
        mask = np.ones(3, dtype=bool)
        assert type(n) is type(mask) is np.ndarray
        assert np.asarray(table) is table
        assert np.asarray(x) is x
        assert np.array([1, 2, 3]).dtype.kind == "i"
        n[0] = 2
        return x[n] * np.asarray(table)

    assert_near(jacobian(dual_buffers(f), X), np.array([[0, 0, 0], [1.0, 0, 0], [2.0, 0, 0]]))


def test_buffers_take_duals_of_every_call_around():
    """The outer variable is captured, the inner one is the argument."""

    def product(t, y):
        buf = np.zeros(2)
        buf[0] = t
        buf[1] = y
        return buf[0] * buf[0] * buf[1] * buf[1]

    f = dual_buffers(product)
    found = derivative(lambda t: derivative(lambda y: f(t, y), 3.0), 2.0)
    assert_near(found, 2 * 2.0 * 2 * 3.0)

    def outer(t):
        inner = dual_buffers(lambda: (b := np.zeros(1), b.__setitem__(0, t**3), b)[2][0])
        return inner()

    assert_near(derivative(outer, 2.0), 12.0)


def test_arguments_in_containers_are_found():
    def f(p, scale=None):
        y = np.zeros(3)
        y[:] = p["a"] * scale["x"][0]
        return np.sum(y)

    g = dual_buffers(f)
    slopes = gradient(lambda p: g(p, scale={"x": (2.0,)}), {"a": X})
    assert_near(slopes["a"], np.full(3, 2.0))
    assert_near(derivative(lambda s: g({"a": X}, scale={"x": (s, 1)}), 1.0), np.sum(X))


def test_its_form():
    f = dual_buffers(squares_by_full_name)
    assert f.__name__ == "squares_by_full_name"
    assert inspect.signature(f) == inspect.signature(squares_by_full_name)
    assert_near(jacobian(lambda x: f(x, power=3), X), np.diag(3 * X**2), 1e-14)
    for wrong in (np.zeros, partial(squares), 3, "f"):
        with pytest.raises(TypeError, match="written in Python"):
            dual_buffers(wrong)


def test_nothing_is_left_behind():
    before = dict(globals())
    for f in (squares, squares_with_a_helper):
        jacobian(dual_buffers(f, module=True), X)
    assert globals() == before
    with pytest.raises(ZeroDivisionError):
        jacobian(dual_buffers(lambda x: np.zeros(3)[0] + 1 / 0), X)
    assert globals() == before


def test_global_names_that_it_assigns_stay_in_the_copy():
    f = dual_buffers(counting)
    before = count
    f(X)
    assert count == before + 1
    jacobian(f, X)
    assert count == before + 1


def test_threads_do_not_see_each_other():
    f = dual_buffers(squares)
    together = threading.Barrier(4)

    def work(k):
        together.wait()
        for _ in range(20):
            x = X + k
            if k % 2:
                assert type(f(x)) is np.ndarray
                assert type(np.zeros(3)) is np.ndarray
            else:
                assert_near(jacobian(f, x), np.diag(2 * x), 1e-14)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_it_is_public():
    assert "dual_buffers" in dualdiff.__all__
