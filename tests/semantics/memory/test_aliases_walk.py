"""Every function and method of arrays: who shares memory with whom, what later writes do, the caller's array.

Each is called in many ways, by keyword and by position, with options that leave it nothing to do.  A call that NumPy
refuses says nothing here, and one that is refused for duals alone is loud; how many are left is asserted.
"""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

from dualdiff import DualArray, jacobian, jvp, taylor, vjp
from dualdiff.base import late
from dualdiff.core.application import Application
from dualdiff.core.registry import FUNCTIONS
from dualdiff.rules.writing.array_rules import VALUE_ONLY, plain_values
from tests.support.against import central

# All rules, many of which are imported when they are first needed.
late.load_rules()

_RNG = np.random.default_rng(7)
SQUARE = np.diag([2.0, 3.0, 4.0]) + 0.1 * _RNG.normal(size=(3, 3))
POINTS = [SQUARE[0], SQUARE, np.asfortranarray(SQUARE), _RNG.normal(size=(2, 3, 2)), np.array([[1.3]]), np.array(1.5)]

#: What options are set to.
OPTIONS = [0, 1, -1, None, False, True, "C", "F", "K", float, (0,), (3,), (3, 3), (), [0, 1]]
#: What a function is called with.
ARGUMENTS = [
    lambda y: (y,),
    lambda y: (y, y),
    lambda y: (1, y),
    lambda y: (True, y),
    lambda y: ("...ij->...ji", y),
    lambda y: ("...->...", y),
    lambda y: ("ii->i", y),
]
#: And of arrays with axes: of others in a list, NumPy makes an object array, and gives one of them back.
LISTS = [lambda y: ([y],), lambda y: ([y, y],), lambda y: ([True], [y])]
#: What some functions need.
SPECIAL = {
    np.apply_along_axis: [lambda y: (lambda row: row, 0, y), lambda y: (np.sort, -1, y)],
    np.apply_over_axes: [lambda y: (lambda a, axis: a, y, 0), lambda y: (np.sum, y, ())],
    np.choose: [lambda y: (0, [y, y]), lambda y: (np.zeros(y.shape, int), [y])],
    np.insert: [lambda y: (y, 0, 2.0), lambda y: (y, [], [])],
    np.piecewise: [lambda y: (y, [np.ones(y.shape, bool)], [lambda a: a])],
    np.moveaxis: [lambda y: (y, 0, -1), lambda y: (y, 0, 0)],
    np.swapaxes: [lambda y: (y, 0, -1), lambda y: (y, 0, 0)],
    np.where: [lambda y: (True, y, y), lambda y: (y > 0, y, 2.0)],
    np.take_along_axis: [lambda y: (y, np.zeros((1,) * y.ndim, int), 0)],
}


def ways(function, ndim):
    """Functions of an array that call the function in one way each, and what is said of them."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        parameters = []
    for arguments in ARGUMENTS + (LISTS if ndim else []) + SPECIAL.get(function, []):
        given = len(arguments(np.zeros(())))
        yield lambda y, arguments=arguments: function(*arguments(y))
        for place, p in enumerate(parameters[given:], given):
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or p.name in ("out", "like", "nan", "posinf", "neginf"):
                continue
            for option in OPTIONS:
                if p.kind is not p.POSITIONAL_ONLY:
                    yield lambda y, a=arguments, name=p.name, option=option: function(*a(y), **{name: option})
                if place == given and p.kind is not p.KEYWORD_ONLY:
                    yield lambda y, a=arguments, option=option: function(*a(y), option)


#: Methods and attributes of arrays; those that give no arrays say nothing.
METHODS = [name for name in dir(np.ndarray) if hasattr(DualArray, name) and not name.startswith("__")]
KEYWORDS = [{}, {"copy": False}, {"order": "F"}, {"axis": 0}, {"axis": -1}, {"axis": None}, {"keepdims": True}]


def ways_of_a_method(name):
    """The same of a method, or of an attribute."""
    if not callable(getattr(np.ndarray, name)):
        return [lambda y: getattr(y, name)]
    positions = [(), *((a,) for a in OPTIONS), *((a, b) for a in OPTIONS[:5] for b in OPTIONS[:5])]
    positions += [(float, "K", "unsafe", True, False), (complex,), (9,), (1, 0), (-1, 1)]
    by_position = [lambda y, args=args: getattr(y, name)(*args) for args in positions]
    by_keyword = [
        lambda y, args=args, k=k: getattr(y, name)(*args, **k) for args in ((), (float,), (0,)) for k in KEYWORDS
    ]
    return by_position + by_keyword


def listed(found):
    """All that is in a result, which may be tuples and lists."""
    return [a for e in found for a in listed(e)] if isinstance(found, (tuple, list)) else [found]


def arrays(found):
    """The arrays in a result that have floating-point numbers."""
    return [a for a in listed(found) if isinstance(a, (np.ndarray, DualArray)) and a.dtype.kind in "fc"]


def answered(x, use):
    """Whether NumPy answers this call, leaving the array as it is, and dual arrays do."""
    y, z = x.copy("K"), DualArray(x, x)
    try:
        expected, found = use(y), use(z)
    except Exception:
        return False
    if any(isinstance(a, np.ndarray) and a.dtype == object for a in listed(found)):
        # NumPy itself made an array of a list of arrays, which is a copy in any case.
        assert not any(np.shares_memory(a, y) for a in arrays(expected))
        return False
    return np.array_equal(y, x) and np.array_equal(z.value, x)


def check_who_shares(use, x, layout=True):
    """The same results are the array itself, share its memory or may be written into as in NumPy."""
    y, z = x.copy("K"), DualArray(x, x)
    for a, b in zip(listed(use(y)), listed(use(z)), strict=True):
        v = plain_values(b)
        assert np.shape(a) == np.shape(v)
        if not arrays(a) or not a.size:
            # NumPy gives a number where we may have an array without axes.
            assert not np.size(a) or not np.shares_memory(v, z.value)
            continue
        assert np.shares_memory(v, z.value) == np.shares_memory(a, y), "memory"
        assert (isinstance(b, DualArray) and b.root() is z) == np.shares_memory(a, y), "declared"
        # NumPy before 2.1 may make a view where later ones give the array itself.
        assert b is z or a is not y
        assert v.flags.writeable == a.flags.writeable
        if layout:
            # How it lies in memory decides what is a view later.
            lengths = zip(a.strides, v.strides, a.shape, strict=True)
            assert all(s == t for s, t, n in lengths if n > 1) or a.dtype != v.dtype


def check_writes(uses, x):
    """What is written into a result and into the array afterwards, in every space, and the caller's array."""

    def f(x):
        seen = []
        for use in uses:
            y = np.copy(x, order="K")
            found = arrays(use(y))
            for a in found:
                if a.flags.writeable and a.size:
                    a[...] = a * a + a.flat[-1]
            y *= 1.5
            y[...] = y + y.flat[0] ** 2
            seen += [np.ravel(y), *(np.ravel(part) for a in found for part in (a.real, a.imag))]
        return np.concatenate(seen)

    def straight(x):
        """Written into the caller's array itself."""
        for use in uses:
            for a in arrays(use(x)):
                if a.flags.writeable:
                    a *= 0.5
        return x * 1.0

    v = np.empty_like(x)
    v[...] = np.cos(1.0 + np.arange(x.size).reshape(x.shape))
    kept, x = x, x.copy("K")
    expected, slope = f(x), central(f, x, v)
    scale = 1 + np.max(np.abs(slope))
    found, single = jvp(f, x, v)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(single, slope, rtol=0, atol=1e-8 * scale)
    series = taylor(f, x, 2, v)
    np.testing.assert_array_equal(series[0], expected)
    np.testing.assert_allclose(series[1], single, rtol=0, atol=1e-12 * scale)
    curvature = jvp(lambda x: jvp(f, x, v)[1], x, v)[1]
    np.testing.assert_allclose(2 * series[2], curvature, rtol=0, atol=1e-12 * (scale + np.max(np.abs(curvature))))
    for dense in jacobian(f, x, mode="forward"), jacobian(f, x, mode="forward", chunk_size=2):
        np.testing.assert_allclose(np.tensordot(dense, v, x.ndim), slope, rtol=0, atol=1e-8 * scale)
    found, pull = vjp(f, x)
    np.testing.assert_array_equal(found, expected)
    w = np.sin(1.0 + np.arange(len(expected)))
    np.testing.assert_allclose(pull(w), np.tensordot(w, dense, 1), rtol=0, atol=1e-9 * scale * len(w))
    if x.ndim:
        sparse = jacobian(f, x, sparse=True)
        np.testing.assert_allclose(sparse @ np.ravel(v), slope, rtol=0, atol=1e-8 * scale)
    for options in ({"mode": "forward"}, {"mode": "forward", "chunk_size": 1}, {"mode": "reverse"}):
        jacobian(straight, x, **options)
    np.testing.assert_array_equal(x, kept)


@pytest.fixture(autouse=True)
def no_undeclared_views(monkeypatch):
    """Whatever wraps a value that shares memory with that of an operand has to say that it is a view."""
    wrapped = Application._wrapped

    def checked(self, value, raw):
        if isinstance(value, np.ndarray) and value.size:
            for x in self.operands:
                if isinstance(x, DualArray) and np.may_share_memory(value, plain_values(x)):
                    raise UndeclaredView(f"an array of shape {value.shape} shares memory with an operand")
        return wrapped(self, value, raw)

    monkeypatch.setattr(Application, "_wrapped", checked)
    with warnings.catch_warnings():
        # Of empty sums, of what NumPy will do in future, and of the conversions that the walk tries.
        warnings.simplefilter("ignore")
        with np.errstate(all="ignore"):
            yield


class UndeclaredView(BaseException):
    """Not caught where calls are tried."""


#: Functions that are no matter of moving elements, and give the array itself where they have nothing to do.
ITSELF = {np.einsum, np.polyder, np.polyint, np.nan_to_num, np.linalg.matrix_power, np.fft.fftn, np.fft.ifft2}

#: Functions that write into an array and return nothing.
WRITING = {np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask}


def moves(function):
    """Whether the results are made of the elements of an array."""
    module = FUNCTIONS[function].__module__.rpartition(".")[2]
    moving = {"shapes", "joining", "indexing", "complex_parts", "sorting", "parts", "array_rules"}
    return (module in moving and function not in WRITING) or function in ITSELF | {np.meshgrid}


def exact(x, use):
    """Whether all results have the full precision, as differences need it."""
    return all(a.dtype in (np.float64, np.complex128) and np.isfinite(a).all() for a in arrays(use(x.copy("K"))))


@pytest.mark.parametrize(
    "function", [f for f in FUNCTIONS if f not in VALUE_ONLY], ids=lambda f: f"{f.__module__}.{f.__name__}"
)
def test_functions_share_memory_as_in_numpy(function):
    count = 0
    for x in POINTS:
        uses = [use for use in ways(function, x.ndim) if answered(x, use)]
        count += len(uses)
        for use in uses:
            check_who_shares(use, x, moves(function))
        uses = [use for use in uses if moves(function) and exact(x, use)]
        if uses:
            check_writes(uses, x)
    assert count or not moves(function)


@pytest.mark.parametrize("name", METHODS)
def test_methods_share_memory_as_in_numpy(name):
    for x in POINTS:
        uses = [use for use in ways_of_a_method(name) if answered(x, use)]
        for use in uses:
            check_who_shares(use, x)
        uses = [use for use in uses if exact(x, use)]
        if uses and name != "round":
            check_writes(uses, x)
