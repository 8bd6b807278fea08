"""Every rule in every tangent space: all give the same derivative, equal to that by finite differences.

A rule is written once and is evaluated by the spaces in different ways: along one direction or several at a time,
recorded and run forward, recorded and transposed, sparse.  If two of them disagree, a rule or a space is wrong.
"""

from __future__ import annotations

import inspect
import warnings
from unittest import mock

import numpy as np
import pytest
from numpy.testing.overrides import get_overridable_numpy_ufuncs

from dualdiff import ConstantResultWarning, gradient, jacobian, jvp, linearize, value_and_jacobian, vjp
from dualdiff.core.registry import FUNCTIONS, UFUNCS
from dualdiff.rules.numpy.by_value import PLAIN
from dualdiff.tangents.spaces import mixed
from dualdiff.tangents.spaces.dense import LANES
from dualdiff.tangents.spaces.recorded import same_bits
from tests.support.against import assert_near, assert_same
from tests.support.calls import BY_VALUE, CALLS, METHOD_CALLS, UFUNC_CALLS

STEP = 2e-3
HAS_SPARSE = "sparse" in inspect.signature(jacobian).parameters


def central(f, x, v):
    """The derivative of f along v by finite differences of sixth order."""
    ahead, behind = ([np.asarray(f(x + k * STEP * v)) for k in ks] for ks in ((1, 2, 3), (-1, -2, -3)))
    one, two, three = (a - b for a, b in zip(ahead, behind, strict=True))
    return (45 * one - 9 * two + three) / (60 * STEP)


def difference_jacobian(f, x):
    """The Jacobian of f by finite differences, of shape f(x).shape + x.shape."""
    columns = [central(f, x, v.reshape(x.shape)) for v in np.eye(x.size)]
    return np.stack(columns, axis=-1).reshape((*columns[0].shape, *x.shape))


def named(call):
    function = call.function if isinstance(call.function, tuple) else (call.function,)
    return ".".join(getattr(part, "__name__", part) for part in function)


def of_one_array(call, args):
    """The call as a function of one flat array of all its arguments, and that array."""
    ends = np.cumsum([np.size(a) for a in args])

    def f(x):
        return call(*(np.reshape(x[end - np.size(a) : end], np.shape(a)) for end, a in zip(ends, args, strict=True)))

    return f, np.concatenate([np.ravel(a) for a in args])


def alone(call, i):
    """The call as a function of argument i, with the others constant, and that argument."""

    def f(x):
        return call(*call.args[:i], x, *call.args[i + 1 :])

    return f, call.args[i]


def active(call):
    """The arguments that may be the only one with a tangent."""
    return range(1 if call.writes else len(call.args))


def functions_of(call):
    """The call as functions of one array: of all its arguments together, and of each argument."""
    yield of_one_array(call, call.args)
    if len(call.args) > 1:
        yield from (alone(call, i) for i in active(call))


def in_every_space(f, x):
    """The name of each way to compute a Jacobian, with the value and the matrix."""
    n = np.size(x)
    y, J = value_and_jacobian(f, x, mode="forward")
    m = np.size(y)
    yield "dense", y, J.reshape(m, n)
    y, J = value_and_jacobian(f, x, mode="forward", chunk_size=2)
    yield "dense, two directions at a time", y, J.reshape(m, n)
    y, J = value_and_jacobian(f, x, mode="reverse")
    yield "recorded and transposed, all rows together", y, J.reshape(m, n)
    units = np.eye(n).reshape((n, *np.shape(x)))
    yield "single", y, np.stack([np.ravel(jvp(f, x, v)[1]) for v in units], axis=-1)
    y, L = linearize(f, x)
    yield "recorded", y, np.stack([np.ravel(L(v)) for v in units], axis=-1)
    if not np.iscomplexobj(y):
        yield "recorded and transposed", y, np.stack([np.ravel(L.T(w)) for w in np.eye(m).reshape((m, *np.shape(y)))])
    if HAS_SPARSE:
        y, J = value_and_jacobian(f, x, sparse=True)
        yield "sparse", y, J.toarray()
    if n <= LANES and np.result_type(x) == np.float64 and np.result_type(y) == np.float64:
        for small in (mixed.SMALL, 0):
            # Some elements of the result may be constant.
            silent = warnings.catch_warnings(action="ignore", category=ConstantResultWarning)
            with mock.patch.object(mixed, "SMALL", small), silent:
                rows = [np.ravel(gradient(lambda x, i=i: np.ravel(f(x))[i], x)) for i in range(m)]
            yield f"mixed, arrays recorded above {small}", y, np.reshape(rows, (m, n)).astype(float)


@pytest.mark.parametrize("call", [*CALLS, *UFUNC_CALLS, *METHOD_CALLS], ids=named)
def test_all_spaces_and_differences_give_one_jacobian(call):
    for f, x in functions_of(call):
        expected = f(np.array(x))
        expected_J = difference_jacobian(f, x).reshape(np.size(expected), -1)
        for space, y, J in in_every_space(f, x):
            try:
                assert_same(y, expected)
                assert J.dtype == np.asarray(expected).dtype
                assert_near(J, expected_J, 1e-8)
            except AssertionError as error:
                raise AssertionError(f"{space}: {error}") from error


def numbers_like(a, rng):
    a = np.asarray(a)
    parts = rng.normal(size=(2, *a.shape))
    return parts[0] + 1j * parts[1] if a.dtype.kind == "c" else parts[0]


def check_dot_product(f, x, rng):
    """Assert that Re sum(w J v) = Re sum(pull(w) v), and that J v agrees with finite differences."""
    v = numbers_like(x, rng)
    y, slope = jvp(f, x, v)
    assert_near(slope, central(f, x, v), 1e-8)
    found, pull = vjp(f, x)
    assert_same(found, y)
    w = numbers_like(y, rng)
    pulled = pull(w)
    assert pulled.dtype == x.dtype
    assert_near(np.sum(pulled * v).real, np.sum(w * slope).real, 1e-11)


@pytest.mark.parametrize("call", [*CALLS, *UFUNC_CALLS, *METHOD_CALLS], ids=named)
def test_dot_product(call):
    check_dot_product(*of_one_array(call, call.args), np.random.default_rng(3))


@pytest.mark.parametrize("call", [c for c in (*CALLS, *UFUNC_CALLS, *METHOD_CALLS) if not c.real], ids=named)
def test_dot_product_of_complex_numbers(call):
    rng = np.random.default_rng(3)
    args = [a + 1j * rng.uniform(-0.3, 0.3, np.shape(a)) for a in call.args]
    check_dot_product(*of_one_array(call, args), rng)


SLOPES = {
    "single": lambda f, x, v: jvp(f, x, v)[1],
    "dense": lambda f, x, v: np.sum(gradient(f, x, mode="forward") * v),
    "recorded": lambda f, x, v: np.sum(gradient(f, x, mode="reverse") * v),
}


# In phi, a NaN of f may be computed from x.
@pytest.mark.filterwarnings("ignore::dualdiff.SingularPointWarning")
@pytest.mark.parametrize("call", [*CALLS, *UFUNC_CALLS], ids=named)
def test_second_derivatives_in_each_space_over_each(call):
    f, x = of_one_array(call, call.args)
    rng = np.random.default_rng(4)
    v, w = rng.normal(size=(2, *x.shape))
    weights = rng.normal(size=np.shape(f(x)))

    def phi(u):
        # With a quadratic term, so that linear functions have a second derivative too.
        y = f(u + 0.1 * (u - x) ** 2)
        y = y.real + 2 * y.imag if np.iscomplexobj(y) else y
        return np.sum(weights * y)

    expected = central(lambda u: jvp(phi, u, v)[1], x, w)
    for outer, outer_slope in SLOPES.items():
        for inner, inner_slope in SLOPES.items():
            found = outer_slope(lambda u, of=inner_slope: of(phi, u, v), x, w)
            try:
                assert_near(found, expected, 1e-7)
            except AssertionError as error:
                raise AssertionError(f"{outer} over {inner}: {error}") from error


@pytest.mark.parametrize("call", [*CALLS, *UFUNC_CALLS], ids=named)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_what_is_written_into_arguments_later_changes_nothing(call, mode):
    for f, x in functions_of(call):

        def g(x, f=f):
            u = x * 1.0
            y = f(u) * 1.0
            u[...] = 0.5
            return y

        assert_near(jacobian(g, x, mode=mode), difference_jacobian(f, x), 1e-8)
    for i in active(call):

        def g(x, i=i):
            args = [a.copy() for a in call.args]
            args[i] = x
            y = call(*args) * 1.0
            for j, a in enumerate(args):
                if j != i:
                    a[...] = 0.5
            return y

        f, x = alone(call, i)
        assert_near(jacobian(g, x, mode=mode), jacobian(f, x, mode="forward"), 1e-10)


@pytest.mark.parametrize("call", BY_VALUE, ids=named)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_by_value(call, mode):
    seen = []

    def f(*args):
        seen.append(call.call(*args))
        return np.sum(args[0] ** 2)

    f, x = of_one_array(f, call.args)
    f(x)
    gradient(f, x, mode=mode)
    plain, dual = seen
    assert type(dual) is type(plain)
    assert repr(dual) == repr(plain)


def test_every_rule_has_an_example():
    known = {call.function for call in (*CALLS, *BY_VALUE, *UFUNC_CALLS, *METHOD_CALLS)}
    missing = [f"{f.__module__}.{f.__name__}" for f in FUNCTIONS if f not in known]
    known |= {(ufunc, method) for ufunc, method in UFUNCS if ufunc in PLAIN}
    # The ufuncs of scipy.special, whose rules are loaded with it, have their own tests.
    of_numpy = get_overridable_numpy_ufuncs()
    missing += [
        f"numpy.{ufunc.__name__}.{method}"
        for ufunc, method in UFUNCS
        if ufunc in of_numpy and (ufunc, method) not in known
    ]
    assert not missing


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "c8", "c16", "G", "i1", "?"])
def test_arrays_of_any_layout_are_compared_by_their_bits(dtype):
    """A record keeps copies of plain operands, and compares them where an array is used a second time."""
    a = (np.arange(48).reshape(4, 6, 2) % 2 == 0).astype(dtype)
    for x in (a, a[:, ::2], a[..., 0], a.T, a[1, :, 0], a[::-1, 0, 0], a[0, 0, :1], a[:0]):
        assert same_bits(x, x.copy())
        if x.size:
            other = x.copy()
            other.flat[-1] = not other.flat[-1]
            assert not same_bits(x, other)
    zero, nan = np.zeros(3)[::2], np.full(4, np.nan)[::2]
    assert same_bits(nan, nan.copy())
    assert not same_bits(zero, -zero)
