"""Creation of arrays like duals, and assignment by every kind of index."""

from __future__ import annotations

import io
import operator

import numpy as np
import pytest

from dualdiff import DualArray, jacobian, jvp, value_and_jacobian
from tests.support.against import assert_near, assert_same, check

X = np.array([[0.3, -1.2, 2.1, 0.8], [1.7, 0.9, -0.4, -2.0], [-0.6, 1.3, 0.1, -1.5]])
MASK = np.array([[True, False, True, False], [False, True, True, False], [False, False, False, True]])

# -- assignments -------------------------------------------------------------------------------------------------------
KEYS = {
    "an element": (1, 2),
    "a negative element": (-1, -2),
    "a NumPy integer": (np.int64(1), np.intp(0)),
    "a row": 1,
    "a slice": slice(1, None),
    "a step": (slice(None), slice(None, None, 2)),
    "backwards": (slice(None, None, -1), 0),
    "nothing": (slice(2, 2),),
    "everything": Ellipsis,
    "the last axis": (..., 1),
    "a new axis": (None, slice(0, 2), 1),
    "a mask": MASK,
    "a mask of rows": np.array([True, False, True]),
    "a list mask": [True, False, True],
    "a mask of nothing": np.zeros((3, 4), bool),
    "a mask and a slice": (np.array([True, False, True]), slice(1, 3)),
    "a list": [2, 0],
    "an array": np.array([2, 0]),
    "an array of two axes": np.array([[2, 0], [1, 1]]),
    "repeated places": [1, 1, 0],
    "two arrays": ([0, 2], [3, 1]),
    "two arrays that broadcast": (np.array([[0], [2]]), [3, 1]),
    "an array and a number": ([0, 2], 1),
    "an array and a slice": ([0, 2], slice(1, 3)),
    "a slice and an array": (slice(None), [3, 1]),
    "arrays apart": ([0, 1], None, [1, 2]),
    "an open grid": np.ix_([0, 2], [1, 3]),
    "a grid by masks": np.ix_([True, False, True], [0, 1]),
    "an empty list": [],
    "a boolean": True,
}


def sources(x, shape, masked):
    """Values that can be assigned to a selection of this shape."""
    n = int(np.prod(shape))
    flat = np.resize(np.sin(x), n + 1)[:n]
    yield "a dual array", np.reshape(flat, shape)
    yield "a dual number", x[0, 1] ** 2
    yield "a number", 2.5
    yield "numbers", np.linspace(0, 1, max(n, 1))[:n].reshape(shape)
    if shape and n:
        yield "a row", np.resize(np.cos(x), shape[-1])
    # Values assigned through a mask have at most one axis.
    if shape and not masked:
        yield "more axes", np.reshape(flat, (1, *shape))
    if len(shape) == 1 and n:
        yield "a list of duals", [x[0, 0] * k for k in range(n)]


@pytest.mark.parametrize("name", KEYS)
def test_assignment(name):
    key = KEYS[name]
    shape = np.empty((3, 4))[key].shape
    for source, _ in sources(X, shape, name.startswith("a mask") and "slice" not in name):

        def f(x, source=source):
            y = x * x
            y[key] = dict(sources(x, shape, False))[source]
            return y * x

        check(f, X, second=False)
        assert_near(jacobian(f, X, sparse=True).toarray(), jacobian(f, X).reshape(12, 12), 1e-14)


@pytest.mark.parametrize("name", [n for n in KEYS if n not in ("an empty list", "nothing", "a mask of nothing")])
@pytest.mark.parametrize("in_place", [operator.iadd, operator.isub, operator.imul, operator.itruediv])
def test_in_place_operators(name, in_place):
    key = KEYS[name]

    def f(x):
        y = x * x + 1.0
        y[key] = in_place(y[key], x[0, 3])
        return y

    check(f, X, second=False)


def test_an_assignment_through_views_of_views():
    def f(x):
        y = x * 1.0
        v = y[1:].T[::-1]
        v[0, 1] = x[0, 0] ** 2
        w = v.reshape(-1) if v.flags.c_contiguous else v[1:3]
        w[0] = x[0, 1]
        y.flat[[0, 5]] = x[2, :2] ** 2
        v += y[0, 0]
        return y * v[0, 0]

    check(f, X)


def test_assignments_that_overlap_their_source():
    keys = [slice(1, None), slice(None, None, -1), [2, 0, 1]]
    plain = np.arange(3)
    plain[keys[-1]] = plain[:3]
    if plain.tolist() != [1, 2, 0]:
        # NumPy 2.0 overwrites elements that it has yet to read.
        keys.pop()
    for key in keys:

        def f(x, key=key):
            y = x * 1.0
            y[key] = y[: len(np.empty(3)[key])]
            return y * x

        check(f, X)


WRONG = [
    lambda y, x: y.__setitem__((3, 0), x[0, 0]),
    lambda y, x: y.__setitem__(slice(0, 2), x[:, :2]),
    lambda y, x: y.__setitem__(np.ones(5, bool), 1.0),
    lambda y, x: y.__setitem__(1.5, x[0, 0]),
    lambda y, x: np.put(y, 99, x[0, 0]),
    lambda y, x: np.put_along_axis(y, np.array([[9]]), x[:1, :1], 0),
    lambda y, x: np.fill_diagonal(y[0], x[0, 0]),
    lambda y, x: np.copyto(y, x[:, :3]),
]


@pytest.mark.parametrize("write", WRONG)
def test_refuses_what_numpy_refuses(write):
    with pytest.raises((IndexError, ValueError)) as expected:
        write(X.copy(), X)

    def f(x):
        y = x * 1.0
        write(y, x)
        return y

    with pytest.raises(expected.type):
        jacobian(f, X)


# -- made like duals ---------------------------------------------------------------------------------------------------
LIKE = {
    "zeros": lambda x: np.zeros((2, 3), like=x),
    "zeros, order": lambda x: np.zeros((2, 3), np.float32, "F", like=x),
    "ones": lambda x: np.ones(shape=4, dtype=complex, order="C", like=x),
    "empty": lambda x: np.empty((2, 0), like=x),
    "full": lambda x: np.full((2, 3), 1.5, like=x),
    "full, order": lambda x: np.full(shape=(2, 3), fill_value=1.5, dtype=np.float32, order="F", like=x),
    "eye": lambda x: np.eye(3, 4, 1, like=x),
    "eye, order": lambda x: np.eye(N=2, M=3, k=-1, dtype=float, order="F", like=x),
    "identity": lambda x: np.identity(3, like=x),
    "arange": lambda x: np.arange(0.0, 2.0, 0.5, like=x),
    "tri": lambda x: np.tri(3, 2, k=1, like=x),
    "from a function": lambda x: np.fromfunction(lambda i, j: i * 0.5 + j, (2, 3), like=x),
    "array": lambda x: np.array([[1.0, 2.0]], like=x),
    "array, more axes": lambda x: np.array([1.0, 2.0], ndmin=3, like=x),
    "array, dtype": lambda x: np.array([1, 2], np.float32, copy=True, order="F", like=x),
    "asarray": lambda x: np.asarray([[1, 2.5]], like=x),
    "asarray, order": lambda x: np.asarray([[1.0], [2.5]], np.float64, "F", like=x),
    "asanyarray": lambda x: np.asanyarray(a=[1.5, 2.5], dtype=float, like=x),
    "ascontiguousarray": lambda x: np.ascontiguousarray(np.arange(6.0).reshape(2, 3).T, like=x),
    "asfortranarray": lambda x: np.asfortranarray(np.arange(6.0).reshape(2, 3), like=x),
    "require": lambda x: np.require([1.0, 2.0], np.float32, ["C", "W"], like=x),
    "from a buffer": lambda x: np.frombuffer(np.arange(4.0).tobytes(), count=3, offset=8, like=x),
    "from an iterator": lambda x: np.fromiter(iter([1.0, 2.0, 3.0]), float, count=2, like=x),
    "from a text": lambda x: np.fromstring("1 2 3.5", sep=" ", like=x),
    "from lines": lambda x: np.loadtxt(io.StringIO("1,2\n3,4.5"), delimiter=",", like=x),
    "from lines with holes": lambda x: np.genfromtxt(io.StringIO("1,2\n3,4.5"), delimiter=",", like=x),
}


@pytest.mark.parametrize("name", LIKE)
def test_made_like_a_dual_array_it_accepts_duals(name):
    make = LIKE[name]
    expected, seen = make(X), []

    def f(x):
        y = make(x)
        seen.append(y)
        if y.flags.writeable:
            y[..., -1:] = x[0, 1]
        return y

    for mode in ("forward", "reverse"):
        J = jacobian(lambda x: np.real(f(x)), X, mode=mode)
        written = np.zeros(expected.shape)
        written[..., -1:] = expected.flags.writeable
        assert_near(J[..., 0, 1], written)
    for made in seen:
        assert isinstance(made, DualArray)
        assert made.dtype == expected.dtype
        assert made.shape == expected.shape
        assert made.flags.f_contiguous == expected.flags.f_contiguous
    untouched = []
    jvp(lambda x: untouched.append(make(x)) or x, X, X)
    assert_same(untouched[0].value, expected)


@pytest.mark.parametrize("name", ["array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "require"])
def test_made_of_duals(name):
    make = getattr(np, name)
    check(lambda x: make(x * x, like=x) * x, X)
    check(lambda x: make([x[0, 0], 2.0, x[1, 1] ** 2], like=x) ** 2, X)
    seen = []

    def f(x):
        y = x * 1.0
        z = make(y, like=x)
        z[0] = 5.0
        seen.append(y[0] * 1.0)
        assert make(x, np.float32, like=x).dtype == np.float32
        return z * y

    jacobian(f, X)
    shares = name not in ("array", "asfortranarray")
    assert_same(seen[0].value, np.full(4, 5.0) if shares else X[0])


def test_more_axes_for_duals():
    check(lambda x: np.array(x[0], ndmin=3, like=x) * x[0], X)
    assert jacobian(lambda x: np.array(x[0], copy=None, like=x), X).shape == (4, 3, 4)


def test_made_like_duals_of_integers_they_stay_plain():
    made = []
    jacobian(lambda x: made.append(np.zeros(3, int, like=x)) or made.append(np.arange(3, like=x)) or x, X)
    assert all(type(m) is np.ndarray for m in made)


RANGES = {
    "from to by": lambda x: np.arange(x[0, 0], x[0, 0] + 3.05 * np.abs(x[1, 1]), np.abs(x[1, 1]), like=x),
    "from to": lambda x: np.arange(x[0, 1], x[0, 1] + 3.5, like=x),
    "by name": lambda x: np.arange(start=x[0, 1] ** 2, stop=30.0, step=4.0, dtype=np.float32, like=x),
    "the end alone": lambda x: np.arange(2.5 + 0 * x[0, 0], like=x) * x[0, 0],
    "of an iterator": lambda x: np.fromiter((e * e for e in x[0]), float, like=x),
    "of some of it": lambda x: np.fromiter((e * e for e in x[0]), np.float32, 2, like=x),
    "of places": lambda x: np.fromfunction(lambda i: x[0, 0] * i + x[0, i.astype(int)], (3,), like=x),
    "of places, a number": lambda x: np.fromfunction(lambda i: 2.0, (3,), like=x) * x[0, 0],
}


@pytest.mark.parametrize("name", RANGES)
def test_ranges_and_iterators_of_duals(name):
    f = RANGES[name]
    value, J = value_and_jacobian(f, X)
    assert_same(value, f(X))
    tolerance = 1e-9 if value.dtype == float else 1e-5
    assert_near(J, jacobian(lambda x: f(x), X, mode="reverse"), tolerance)
    if value.dtype == float:
        check(f, X)


def test_too_few_for_an_iterator():
    with pytest.raises(ValueError, match="iterator too short"):
        jacobian(lambda x: np.fromiter(x[0], float, 99, like=x), X)


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "empty_like", "full_like"])
def test_made_with_the_form_of_a_dual(name):
    make = getattr(np, name)
    fill = (1.5,) if name == "full_like" else ()
    for x in (X, X.T, X[:, ::2], X.astype(np.float32)):
        for options in ({}, {"dtype": np.float32}, {"order": "F"}, {"shape": (2, 5)}, {"subok": False}, {"dtype": int}):
            expected, seen = make(x, *fill, **options), []
            jvp(lambda x, options=options, seen=seen: seen.append(make(x, *fill, **options)) or x, x, x)
            assert seen[0].dtype == expected.dtype
            assert seen[0].shape == expected.shape
            assert seen[0].strides == expected.strides
            assert isinstance(seen[0], DualArray) == (expected.dtype.kind == "f")


def test_filled_with_a_complex_number():
    """The dtype is that of the number, as NumPy has it."""
    _, slope = jvp(lambda t: np.full(2, 0.5j, like=t) * t, 0.3, 1.0)
    assert slope.tolist() == [0.5j, 0.5j]
