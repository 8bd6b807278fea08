"""Code as it is: what `adapt` reaches, however the code is organised."""

from __future__ import annotations

import inspect
import math
import pickle
import types
from dataclasses import dataclass
from functools import partial

import numpy
import numpy as np
import pytest
import scipy.interpolate
import scipy.linalg
import scipy.optimize
import scipy.special
from numpy import zeros

import dualdiff
from dualdiff import (
    DualArray,
    LostDerivativeError,
    adapt,
    derivative,
    gradient,
    hessian,
    jacobian,
    jacobian_sparsity,
    jvp,
)
from tests.support import as_it_is
from tests.support.against import assert_near, assert_same
from tests.support.as_it_is import Caller, Kalman, Record, Reservoirs, Squares, Worker

X = np.array([0.7, -1.1, 1.9])


def factorial_powers(x, n=3):
    """Calls itself."""
    y = np.ones(3)
    y[:] = x if n == 1 else x * factorial_powers(x, n - 1)
    return y


def squares_in_a_block(x):
    with adapt():
        return as_it_is.squares(x)


@adapt
class AdaptedSquares(Squares):
    """A decorated class."""


@adapt
@dataclass
class AdaptedPair:
    """A decorated dataclass."""

    scale: float

    def squares(self, x):
        y = zeros(3)
        y[:] = self.scale * x**2
        return y / self.scale


CODE = {
    "np.zeros": adapt(as_it_is.squares),
    "zeros": adapt(as_it_is.squares_by_name),
    "the default of a parameter": adapt(as_it_is.squares_with_a_default),
    "the default of a keyword": adapt(as_it_is.squares_with_a_keyword),
    "the default of a parameter of a helper": adapt(lambda x: as_it_is.squares_with_a_default(x)),
    "helpers of its module": adapt(as_it_is.squares_with_a_helper),
    "helpers of other modules": adapt(lambda x: as_it_is.squares_by_name(x)),
    "a closure": adapt((lambda make: lambda x: (y := make(3), y.__setitem__(..., x**2), y)[2])(np.zeros)),
    "a closure over numpy": adapt((lambda lib: lambda x: (y := lib.zeros(3), y.__setitem__(..., x**2), y)[2])(numpy)),
    "an inner function": adapt(lambda x: (lambda: (y := np.zeros(3), y.__setitem__(..., x**2), y)[2])()),
    "a generator": adapt(lambda x: np.stack(list(as_it_is.each_square(x)))),
    "an adapted generator": lambda x: np.stack(list(adapt(as_it_is.each_square)(x))),
    "np.array(..., dtype=float)": adapt(as_it_is.states),
    "a method": adapt(Squares().by_property),
    "a method of a new object": adapt(lambda x: Squares().by_buffer(x)),
    "a property": adapt(lambda x: Squares().by_property(x)),
    "a cached property": adapt(lambda x: Squares().by_cached_property(x)),
    "a static method": adapt(Squares.static),
    "a class method": adapt(Squares.of_class),
    "an operator": adapt(lambda x: Squares() @ x),
    "an object that can be called": adapt(Squares()),
    "partial": adapt(partial(as_it_is.squares_with_a_default, make=np.ones)),
    "a work array of partial": adapt(partial(lambda model, x: model.squares(x), Worker())),
    "a work array of a method of partial": adapt(partial(Worker().squares)),
    "default factories": adapt(lambda x: Record(2.0).squares(x)),
    "a method of a dataclass": adapt(Record(2.0).squares),
    "a class, adapted": lambda x: adapt(Squares)().by_buffer(x),
    "a class with a decorator": lambda x: AdaptedSquares().by_cached_property(x),
    "a class method of a decorated class": AdaptedSquares.of_class,
    "a static method of a decorated class": AdaptedSquares.static,
    "a decorated dataclass": lambda x: AdaptedPair(2.0).squares(x),
    "a decorator with parentheses": adapt()(as_it_is.squares),
    "a block": squares_in_a_block,
    "adapted twice": adapt(adapt(as_it_is.squares_by_name)),
    "through map": adapt(lambda x: np.stack(list(map(as_it_is.square, x)))),
    "a work array of an object that can be called": adapt(Caller()),
    "a work array": adapt(Worker().squares),
    "a work array that a ufunc writes": adapt(Worker().in_parts),
    "a work array in a global name": adapt(as_it_is.squares_in_a_global),
    "a work array that a helper writes": adapt(as_it_is.squares_by_a_writer),
    "a work array of a class": adapt(lambda x: (Squares.shared.__setitem__(0, 0.0), Squares.static(x))[1]),
}


@pytest.mark.parametrize("name", CODE)
def test_derivatives_of_code_as_it_is(name):
    f = CODE[name]
    assert_same(f(X), X**2)
    for options in {}, {"mode": "forward"}, {"mode": "reverse"}, {"chunk_size": 1, "mode": "forward"}:
        assert_near(jacobian(f, X, **options), np.diag(2 * X), 1e-14)
    assert_near(gradient(lambda x: np.sum(f(x)), X), 2 * X, 1e-14)
    assert_near(hessian(lambda x: np.sum(f(x)), X), 2 * np.eye(3), 1e-13)
    assert_near(jacobian(jacobian(f), X), np.einsum("ij,jk->ijk", 2 * np.eye(3), np.eye(3)), 1e-13)
    assert_near(derivative(lambda t: f(t * X), 2.0), 4 * X**2, 1e-13)
    assert_near(derivative(derivative(lambda t: f(t * X)), 2.0), 2 * X**2, 1e-13)
    assert_near(jvp(f, X, X)[1], 2 * X**2, 1e-14)
    assert_near(jacobian(f, X, sparse=True).toarray(), np.diag(2 * X), 1e-14)
    assert np.array_equal(jacobian_sparsity(f, X).toarray(), np.eye(3, dtype=bool))
    assert_same(f(X), X**2)


def test_duals_are_found_wherever_they_are():
    """No argument of the adapted code has a derivative."""

    def in_self(t):
        return adapt(Record(t).squares)(X)[0] * adapt(Record(t).product)()

    def in_a_closure(t):
        @adapt
        def inner():
            y = np.zeros(2)
            y[:] = t, t**2
            return y[0] * y[1]

        return inner()

    def in_an_object_of_an_object(t):
        class Outer:
            inner = ({"a": Record(t)},)

        return adapt(lambda: Outer().inner[0]["a"].product())() * t

    def in_a_global(t):
        global PARAMETER
        PARAMETER = t
        try:
            return adapt(cube_of_the_parameter)()
        finally:
            PARAMETER = None

    for f in in_a_closure, in_an_object_of_an_object, in_a_global:
        assert f(2.0) == 8.0
        assert derivative(f, 2.0) == pytest.approx(12.0, rel=1e-15)
        assert derivative(derivative(f), 2.0) == pytest.approx(12.0, rel=1e-15)
        assert gradient(lambda x, f=f: f(x[0]), np.array([2.0]), mode="reverse") == pytest.approx(12.0)
    assert derivative(in_self, 2.0) == pytest.approx(X[0] ** 2 * 4.0, rel=1e-14)


PARAMETER = None


def cube_of_the_parameter():
    y = np.zeros(1)
    y[0] = PARAMETER
    return y[0] ** 3


@pytest.mark.parametrize(
    "f",
    [as_it_is.squares, as_it_is.squares_by_name, Squares().by_property, Worker().squares, as_it_is.squares_in_a_global],
)
def test_without_it_the_error_names_it(f):
    with pytest.raises(LostDerivativeError, match=r"or differentiate adapt\(f\) if f cannot be edited"):
        jacobian(f, X)


def test_a_function_that_calls_itself():
    assert_near(jacobian(adapt(factorial_powers), X), np.diag(3 * X**2), 1e-14)


# -- models ------------------------------------------------------------------------------------------------------------
def five_point(f, p, h=1e-3):
    """Differences of fourth order."""
    steps = h * np.maximum(np.abs(p), 0.1) * np.eye(len(p))
    slopes = [(8 * (f(p + s) - f(p - s)) - f(p + 2 * s) + f(p - 2 * s)) / (12 * s.sum()) for s in steps]
    return np.array(slopes)


RAIN = np.array([0.0, 12.0, 30.0, 4.0, 0.0, 0.0, 18.0, 2.0, 0.0, 0.0])
SEEN = np.array([0.1, 1, 4, 5, 3, 2, 3, 3, 2, 1.0])


def rmse(p):
    return np.sqrt(np.mean((Reservoirs(*p).run(RAIN, np.full(10, 2.5)) - SEEN) ** 2))


def efficiency(p):
    flow = Reservoirs(*p).run(RAIN, np.full(10, 2.5))
    r = np.corrcoef(flow, SEEN)[0, 1]
    return 1 - np.sqrt((r - 1) ** 2 + (np.std(flow) / np.std(SEEN) - 1) ** 2)


@pytest.mark.parametrize("options", [{}, {"mode": "forward"}, {"mode": "reverse"}])
@pytest.mark.parametrize("f", [rmse, efficiency])
def test_a_reservoir_model(f, options):
    p = np.array([80.0, 0.6, 0.7, 0.05, 0.5])
    found = gradient(adapt(f), p, **options)
    np.testing.assert_allclose(found, five_point(f, p), rtol=1e-7)
    assert adapt(f)(p) == f(p)


def likelihood(p, data):
    return Kalman(p[0], p[1]).run(data)


def likelihood_of_one_filter(p, data, model):
    model.x[:], model.P[...], model.loglik = 0.0, np.eye(2), 0.0
    model.q, model.r = p
    return model.run(data)


@pytest.mark.parametrize("options", [{}, {"mode": "forward"}, {"mode": "reverse"}])
def test_a_kalman_filter(options):
    data, p = np.array([0.9, 2.1, 2.8, 4.2, 5.1]), np.array([0.2, 0.5])
    expected = five_point(lambda p: likelihood(p, data), p)
    np.testing.assert_allclose(gradient(adapt(likelihood), p, data, **options), expected, rtol=1e-9)
    model = Kalman(1.0, 1.0)
    f = adapt(likelihood_of_one_filter)
    np.testing.assert_allclose(gradient(f, p, data, model, **options), expected, rtol=1e-9)
    assert type(model.x) is type(model.P) is np.ndarray
    # The transition matrix and the like are no work arrays.
    assert_near(hessian(adapt(likelihood), p, data), jacobian(gradient(adapt(likelihood)), p, data), 1e-9)
    del model.loglik


# -- NumPy's functions -------------------------------------------------------------------------------------------------
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
    "array of a plain array": lambda x: np.array(np.arange(3.0)),
    "asarray": lambda x: np.asarray([1.0, 2.0, 3.0], dtype=float),
    "asarray of duals": lambda x: np.asarray(x * 1.0),
    "asarray of duals as floats": lambda x: np.asarray([x[0], x[1], 1], float),
    "asanyarray": lambda x: np.asanyarray([x[0], 1.0, 2.0]),
    "ascontiguousarray": lambda x: np.ascontiguousarray(x * 1.0),
    "asfortranarray": lambda x: np.asfortranarray([1.0, 2.0, 3.0]),
    "require": lambda x: np.require(x * 1.0, float, "W"),
    "fromiter": lambda x: np.fromiter((e for e in x), float),
    "zeros like": lambda x: np.zeros(3, like=x),
    "single precision": lambda x: np.zeros(3, np.float32),
    "tri": lambda x: np.tri(1, 3)[0],
    "copy": lambda x: np.copy([1.0, 2.0, 3.0]),
    "a sum with a buffer": lambda x: np.zeros(3) + 1.0,
}
#: Of which number in x the first element is; otherwise it is a constant.
FIRST = {
    "full of a dual": 1,
    **dict.fromkeys(("full_like", "array of duals", "array of an array", "asarray of duals", "asanyarray"), 0),
    **dict.fromkeys(("asarray of duals as floats", "ascontiguousarray", "require", "fromiter"), 0),
}


@pytest.mark.parametrize("name", MADE)
def test_what_is_made(name):
    make, seen = adapt(MADE[name]), []

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


T = np.linspace(-1.0, 1.0, 5)
vectorized = np.vectorize(lambda t, a: -a * t if t < 0 else a**2 * t, otypes=[float])
BY_FUNCTION = {
    "np.vectorize(otypes=[float])": (lambda a: np.sum(vectorized(T, a)), 7.5),
    "np.vectorize of two results": (
        lambda a: sum(map(np.sum, np.vectorize(lambda t: (a * t, a), otypes=[float, float])(T))),
        5.0,
    ),
    "np.vectorize with a signature": (
        lambda a: np.sum(np.vectorize(lambda t: a * t**2, otypes=[float], signature="(n)->(n)")(T)),
        2.5,
    ),
    "np.piecewise": (lambda a: np.sum(np.piecewise(T, [T < 0, T >= 0], [lambda t: -a * t, lambda t: a**2 * t])), 7.5),
    "np.piecewise with a parameter": (
        lambda a: np.sum(np.piecewise(T, [T < 0], [lambda t, a: -a * t, lambda t, a: a**2 * t], a)),
        7.5,
    ),
    "np.piecewise with constants": (lambda a: np.sum(np.piecewise(T, [T < 0], [a, 1.0])), 2.0),
    "np.interp": (lambda a: np.sum(np.interp(T, [-1.0, 0.0, 1.0], [0.0, a, 1.0])), 2.0),
    "np.full_like": (lambda a: np.sum(np.full_like(T, a)), 5.0),
    "exp(-t) then +=": (lambda a: added(a), 5.0),
    "t.copy() then a write": (lambda a: copied(a), 1.0),
}


def added(a):
    y = np.exp(-T)
    y += a
    return y.sum()


def copied(a):
    t = T_OF_OTHERS
    y = t.copy()
    y[0] = a
    return y.sum()


T_OF_OTHERS = np.linspace(-1.0, 1.0, 5)


@pytest.mark.parametrize("name", BY_FUNCTION)
def test_functions_of_numpy_with_plain_points_and_dual_parameters(name):
    f, slope = BY_FUNCTION[name]
    g = adapt(f)
    assert g(2.0) == f(2.0)
    assert derivative(g, 2.0) == pytest.approx(slope, rel=1e-14)
    for options in {}, {"mode": "forward"}, {"mode": "reverse"}:
        assert_near(gradient(lambda a: g(a[0]), np.array([2.0]), **options), np.array([slope]), 1e-14)
    second = derivative(derivative(g), 2.0)
    assert second == pytest.approx({7.5: 3.0}.get(slope, 0.0), abs=1e-14)


def test_grids_integers_and_what_asarray_hands_through_stay_plain():
    table, found = np.arange(3.0), []

    def f(x):
        n, mask = np.zeros(3, int), np.ones(3, dtype=bool)
        found.extend([n, mask, np.arange(3.0), np.linspace(0.0, 1.0, 3), np.array([1, 2, 3])])
        assert np.asarray(table) is table
        assert np.asarray(x) is x
        n[0] = 2
        return x[n] * np.asarray(table)

    assert_near(jacobian(adapt(f), X), np.array([[0, 0, 0], [1.0, 0, 0], [2.0, 0, 0]]))
    assert {type(x) for x in found} == {np.ndarray}


def test_constant_buffers_pass_for_plain_values():
    """What takes floats alone takes a buffer that no dual was written into, as without derivatives."""

    def f(x):
        A = 2 * np.eye(3)
        A[0, 1] = 0.5
        b = np.ones(3)
        spline = scipy.interpolate.CubicSpline(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 4.0]))
        y = np.zeros(3)
        y[:] = x * math.exp(b[0]) + spline(0.5) + scipy.linalg.lu_solve(scipy.linalg.lu_factor(A), b)
        return y * range(4)[int(b[1])]

    assert_same(adapt(f)(X), f(X))
    for mode in ("forward", "reverse"):
        assert_near(jacobian(adapt(f), X, mode=mode), np.e * np.eye(3), 1e-15)


def test_who_took_a_constant_for_plain_values_does_not_miss_a_dual():
    library = {"__name__": "scipy.somewhere", "np": np}
    exec("def take(b): return np.asarray(b)", library)

    def f(x):
        b = np.zeros(3)
        seen = library["take"](b)
        b[0] = 2.0
        assert seen[0] == 2.0
        b[1] = x[0]
        return seen

    with pytest.raises(LostDerivativeError, match="given away as plain values"):
        jacobian(adapt(f), X)


def test_elements_with_a_derivative_do_not_pass():
    def f(x):
        b = np.zeros(3)
        b[0] = x[0]
        return np.full(3, math.exp(b[1])) * math.exp(b[0])

    with pytest.raises(LostDerivativeError, match=r"np\.sin"):
        jacobian(adapt(f), X)


class Fitted:
    """SciPy in a class."""

    def solve(self, x):
        A = np.zeros((3, 3))
        A[np.diag_indices(3)] = x
        return scipy.linalg.solve(A, np.ones(3)) + scipy.special.softmax(x)


def test_functions_of_scipy_for_duals_take_the_place_of_scipys():
    f = adapt(Fitted().solve)
    s = scipy.special.softmax(X)
    assert_same(f(X), Fitted().solve(X))
    for mode in ("forward", "reverse"):
        assert_near(jacobian(f, X, mode=mode), np.diag(-1 / X**2) + np.diag(s) - np.outer(s, s), 1e-14)
    assert scipy.linalg.solve is not dualdiff.scipy.linalg.solve


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_what_is_python_in_scipy_runs_on_arrays_of_duals(mode):
    """With the advice of the warning that an object array gives, and none of it afterwards."""
    if not hasattr(scipy.optimize._optimize, "xp_promote"):
        pytest.skip("rosen of this SciPy converts by NumPy's asarray")
    rosen, x = scipy.optimize.rosen, np.linspace(0.5, 1.5, 100)
    with pytest.warns(dualdiff.ObjectArrayWarning, match=r"differentiate adapt\(f\) if f cannot be edited"):
        slow = gradient(rosen, x, mode=mode)
    f = adapt(rosen)
    assert_same(f(x), rosen(x))
    assert_near(gradient(f, x, mode=mode), slow, 1e-13)
    assert_near(gradient(f, x, mode=mode), scipy.optimize.rosen_der(x), 1e-13)
    assert_near(dualdiff.hessian(f, x, mode=mode), scipy.optimize.rosen_hess(x), 1e-13)


# -- its form ----------------------------------------------------------------------------------------------------------
def test_its_form():
    f = adapt(as_it_is.squares_with_a_keyword)
    assert f.__name__ == "squares_with_a_keyword"
    assert inspect.signature(f) == inspect.signature(as_it_is.squares_with_a_keyword)
    assert_near(jacobian(lambda x: f(x, make=np.ones), X), np.diag(2 * X), 1e-14)

    async def generate():
        yield 1

    for wrong in (3, "f", None, np.zeros(3), generate):
        with pytest.raises(TypeError, match=r"a function, a method or a class|with"):
            adapt(wrong)(X) if wrong is None else adapt(wrong)


def test_an_adapted_class():
    cls = adapt(Squares)
    assert cls is not Squares
    assert issubclass(cls, Squares)
    assert (cls.__name__, cls.__qualname__, cls.__module__) == ("Squares", "Squares", Squares.__module__)
    assert isinstance(cls().by_buffer(X), np.ndarray)
    assert_same(pickle.loads(pickle.dumps(AdaptedSquares(2))).buffer, np.zeros(2))
    assert AdaptedPair(2.0) == AdaptedPair(2.0)
    with pytest.raises(LostDerivativeError):
        jacobian(lambda x: Squares().by_buffer(x), X)

    class Slotted:
        __slots__ = ("y",)

        def __init__(self):
            self.y = np.zeros(3)

        def squares(self, x):
            self.y[:] = x**2
            return self.y

    slotted = adapt(Slotted)()
    assert not hasattr(slotted, "__dict__")
    assert_near(jacobian(slotted.squares, X), np.diag(2 * X), 1e-15)


def test_adapted_methods_bind():
    class Model:
        power = 2

        @adapt
        def squares(self, x):
            y = np.zeros(3)
            y[:] = x**self.power
            return y

    assert_near(jacobian(Model().squares, X), np.diag(2 * X), 1e-15)
    assert isinstance(Model().squares, types.MethodType)


def test_duals_that_are_built_by_hand():
    y = adapt(as_it_is.squares)(DualArray(X, np.ones(3)))
    assert_near(y.tangent, 2 * X, 1e-15)


def test_it_is_public():
    assert "adapt" in dualdiff.__all__
    assert not hasattr(dualdiff, "dual_" + "buffers")


def test_a_namespace_that_holds_itself():
    namespace = {"__builtins__": {}, "np": np}
    namespace["itself"] = namespace

    def f(x):
        assert namespace["itself"] is namespace
        y = np.zeros(2)
        y[0] = x[0] ** 2
        return y

    np.testing.assert_array_equal(jacobian(adapt(f), X[:2]), [[2 * X[0], 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(adapt(adapt(f))(X[:2]), f(X[:2]))
