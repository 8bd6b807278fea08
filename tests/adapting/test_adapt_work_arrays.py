"""Work arrays: made before adapted code runs, dual while it is differentiated, and put back."""

from __future__ import annotations

import operator
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dualdiff import LostDerivativeError, adapt, derivative, gradient, jacobian
from dualdiff.base import tags
from tests.support import as_it_is
from tests.support.against import assert_near, assert_same
from tests.support.as_it_is import Worker

X = np.array([0.7, -1.1, 1.9])


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """After every test the arrays are NumPy's."""
    yield
    assert type(as_it_is.WORK) is np.ndarray
    assert not tags.at_end


def test_work_arrays_are_put_back_with_the_values_that_were_written():
    model = Worker()
    before = {name: x for name, x in vars(model).items() if isinstance(x, np.ndarray)}
    identities = {name: id(x) for name, x in before.items()}
    row = id(model.rows[1])
    del before
    for options in {}, {"mode": "reverse"}, {"chunk_size": 1, "mode": "forward"}:
        model.work[:] = 5.0
        assert_near(jacobian(adapt(model.squares), X, **options), np.diag(2 * X), 1e-14)
        assert {name: id(x) for name, x in vars(model).items() if isinstance(x, np.ndarray)} == identities
        assert id(model.rows[1]) == row
        assert_same(model.work, X**2)
        assert_same(model.inner.buffer, X**2 * model.data)


def test_work_arrays_are_put_back_after_an_exception():
    model = Worker()

    def fails(x):
        model.work[0] = x[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        jacobian(adapt(fails), X)
    assert type(model.work) is np.ndarray
    assert model.work[0] == X[0]


def test_they_are_dual_as_long_as_the_differentiation_lasts():
    """Not until the adapted call ends: other code of the same function reads what it wrote."""
    model = Worker()

    def f(x):
        adapt(model.write)(x)
        return model.read() + 0.0

    assert_near(jacobian(f, X), np.diag(2 * X), 1e-15)
    assert type(model.work) is np.ndarray


def test_an_array_with_other_references_is_left_alone():
    """Who reads it there would miss the derivative."""
    for alias in lambda m: m.work, lambda m: m.work[1:], lambda m: memoryview(m.work), lambda m: [m.work]:
        model = Worker()
        held = alias(model)
        with pytest.raises(LostDerivativeError):
            jacobian(adapt(model.squares), X)
        del held
        assert_near(jacobian(adapt(model.squares), X), np.diag(2 * X), 1e-14)


def test_an_array_that_a_weak_reference_leads_to_is_left_alone():
    model = Worker()
    reference = weakref.ref(model.work)
    with pytest.raises(LostDerivativeError):
        jacobian(adapt(lambda x: (model.write(x), reference())[1]), X)


def test_arrays_that_change_places():
    """Two buffers, of which one is read while the other is written."""

    class Steps:
        def __init__(self):
            self.old, self.new = np.ones(3), np.ones(3)

        def run(self, x, n=3):
            self.old[:] = 1.0
            for _ in range(n):
                self.new[:] = self.old * x
                self.old, self.new = self.new, self.old
            return self.old

    model = Steps()
    for options in {}, {"mode": "reverse"}:
        assert_near(jacobian(adapt(model.run), X, **options), np.diag(3 * X**2), 1e-14)
        assert type(model.old) is type(model.new) is np.ndarray
        assert_same(model.old, X * X * X)
        assert_same(model.new, X * X)


def test_data_keep_their_class():
    """Only what the code writes into is exchanged, not what has the name of a local variable."""
    kinds = []

    def f(x):
        kinds.append(type(y))
        kinds.append(type(as_it_is.DATA))
        return x * y * as_it_is.squares(as_it_is.DATA)

    y = np.ones(3)
    jacobian(adapt(f), X)
    jacobian(adapt(as_it_is.times_data), X)
    assert [np.ndarray] == as_it_is.KINDS
    as_it_is.KINDS.clear()


def test_a_block_reaches_work_arrays():
    model = Worker()
    with adapt():
        assert_near(jacobian(model.squares, X), np.diag(2 * X), 1e-14)
        assert type(model.work) is np.ndarray
        assert derivative(lambda t: model.squares(t * X)[0], 2.0) == pytest.approx(4 * X[0] ** 2, rel=1e-14)
    assert type(model.work) is np.ndarray

    @adapt
    def outer(x):
        return derivative(lambda t: model.squares(t * x)[1], 1.0)

    assert_near(gradient(outer, X), np.array([0.0, 4 * X[1], 0.0]), 1e-14)


def test_threads_with_one_work_array():
    """Each has its own object, and the code is the same."""

    def work(k):
        model = Worker()
        for _ in range(10):
            assert_near(jacobian(adapt(model.squares), X + k), np.diag(2 * (X + k)), 1e-14)
        return type(model.work) is np.ndarray

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))


def test_two_names_of_one_array_see_each_other():
    class Two:
        def __init__(self):
            self.a = self.b = np.zeros(3)

        def squares(self, x):
            self.a[:] = x
            self.b *= x
            return self.a

    model = Two()
    assert_near(jacobian(adapt(model.squares), X), np.diag(2 * X), 1e-15)
    assert model.a is model.b
    assert_same(model.a, X**2)


def fill(x, y):
    y[:] = x**2
    return y.sum()


def test_work_arrays_as_arguments():
    for options in {}, {"mode": "forward"}, {"mode": "reverse"}:
        y = np.zeros(3)
        assert_near(gradient(adapt(fill), X, y, **options), 2 * X, 1e-15)
        assert_same(y, X**2)


def test_an_argument_that_the_caller_could_read_is_refused():
    y = np.zeros(3)
    for f in (
        lambda x: (adapt(fill)(x, y), y)[1],
        lambda x: gradient(lambda t: adapt(fill)(t * x, y), 1.0),
    ):
        with pytest.raises(LostDerivativeError, match=r"the argument y of fill|plain values"):
            jacobian(f, X)
    both = adapt(lambda x, y, z: (y.__setitem__(0, x[0]), fill(x, y), z.sum())[2])
    with pytest.raises(LostDerivativeError):
        gradient(both, X, y, y)
    whole = np.zeros(6)
    with pytest.raises(LostDerivativeError, match="the argument y of fill"):
        gradient(adapt(fill), X, whole[:3])


# -- y += x ------------------------------------------------------------------------------------------------------------
def test_y_plus_x_in_place():
    """Right, and only where nobody else sees the plain array."""
    t = np.linspace(0.0, 1.0, 3)

    def alone(x):
        y = np.exp(-t)
        y += x[0]
        y *= x
        z = {"k": t * 1.0}
        z["k"] /= x[2]
        return y + z["k"]

    def other(x):
        return (np.exp(-t) + x[0]) * x + t / x[2]

    for options in {}, {"mode": "reverse"}:
        assert_near(jacobian(adapt(alone), X, **options), jacobian(other, X), 1e-15)
    assert_same(adapt(alone)(X), alone(X))

    def aliased(x):
        y = np.exp(-t)
        z = y
        y += x
        return z

    def by_a_view(x):
        y = np.exp(-t)
        z = y[1:]
        z += x[1:]
        return y

    def by_function(x):
        y = np.exp(-t)
        operator.iadd(y, x)
        return y

    def by_out(x):
        y = np.exp(-t)
        np.add(y, x, out=y)
        return y

    def in_a_helper(x):
        y = np.exp(-t)
        add(y, x)
        return y

    def add(y, x):
        y += x

    def in_a_list(x):
        ys = [np.exp(-t)]
        for y in ys:
            y += x
        return ys[0]

    for f in aliased, by_a_view, by_function, by_out, in_a_helper, in_a_list, alone:
        with pytest.raises(LostDerivativeError):
            jacobian(adapt(f) if f is not alone else f, X)


def test_integers_in_place():
    def f(x):
        y = np.arange(3)
        y += x
        return y

    with pytest.raises((TypeError, LostDerivativeError)):
        jacobian(adapt(f), X)
