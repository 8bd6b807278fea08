"""Every ufunc has a rule or a reason; several results; the methods reduce, accumulate, outer, reduceat and at."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import dualdiff
from dualdiff import DualArray, LostDerivativeError, NoRuleError, derivative, gradient, hessian, jacobian, jvp, vjp
from dualdiff.rules import ROWS
from dualdiff.rules.numpy.elementwise.ufuncs import CLIP
from tests.support.against import assert_same, check, check_float32
from tests.support.versions import NUMPY_2_1

BINARY = [row for row in ROWS.values() if isinstance(row.ufunc, np.ufunc) and row.arity == 2]
#: The second argument of ldexp is an integer: nothing can be folded.
FOLDING = [row for row in BINARY if row.name != "ldexp"]
BROKEN = ("power", "arctan2")
FOLDED = [row for row in FOLDING if row.name not in BROKEN]

# No quotient of two of them is near an integer, where divisions with remainder are discontinuous.
X = np.array([[0.713, 1.337, 2.259, 0.947], [1.689, 0.621, 1.113, 2.371], [0.817, 1.931, 1.453, 1.279]])
MASK = np.array([[True, False, True, True], [True, True, False, True], [False, True, True, True]])


@pytest.mark.parametrize("row", FOLDED, ids=lambda row: row.name)
def test_reduce(row):
    ufunc = row.ufunc
    check(lambda x: ufunc.reduce(x), X)
    check(lambda x: ufunc.reduce(x, axis=-1, keepdims=True), X)
    check(lambda x: ufunc.reduce(x, axis=1, initial=1.6), X, second=False)
    check(lambda x: ufunc.reduce(x, axis=0, initial=1.6, where=MASK), X, second=False)
    check(lambda x: ufunc.reduce(x[:1]), X, second=False)
    check(lambda x: ufunc.reduce(x[0, 1]), X, second=False)
    check_float32(lambda x: ufunc.reduce(x, axis=1), X)


@pytest.mark.parametrize("row", [row for row in FOLDED if row.associative], ids=lambda row: row.name)
def test_reduce_over_several_axes(row):
    ufunc = row.ufunc
    check(lambda x: ufunc.reduce(x, axis=None), X)
    check(lambda x: ufunc.reduce(x, axis=(0, 1), keepdims=True), X, second=False)
    check(lambda x: ufunc.reduce(x.reshape(2, 3, 2), axis=(0, 2)), X, second=False)
    if ufunc.identity is not None:
        check(lambda x: ufunc.reduce(x, axis=1, where=MASK), X, second=False)
        assert_same(jacobian(lambda x: ufunc.reduce(x[:0]), X), np.zeros((4, 3, 4)))


def test_reduce_that_numpy_refuses_is_refused_in_its_words():
    with pytest.raises(ValueError, match="at most one axis"):
        gradient(lambda x: np.subtract.reduce(x, axis=(0, 1)), X)
    with pytest.raises(ValueError, match="has no identity"):
        jacobian(lambda x: np.divide.reduce(x[:0]), X)
    with pytest.raises(ValueError, match="does not have an identity"):
        jacobian(lambda x: np.fmax.reduce(x, where=MASK), X)


@pytest.mark.parametrize("row", FOLDED, ids=lambda row: row.name)
def test_initial_may_be_a_dual(row):
    check(lambda x: row.ufunc.reduce(x[:, 1:], axis=1, initial=x[0, 0]), X, second=False)


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("method", ["reduce", "reduceat"])
def test_methods_that_numpy_itself_gets_wrong_are_refused(name, method):
    with pytest.raises(NoRuleError, match=rf"numpy\.{name}\.{method} .*AVX-512"):
        getattr(getattr(np, name), method)(DualArray(X), *([[0, 1]] if method == "reduceat" else []))


@pytest.mark.parametrize("row", FOLDING, ids=lambda row: row.name)
def test_accumulate(row):
    ufunc = row.ufunc
    check(lambda x: ufunc.accumulate(x), X)
    check(lambda x: ufunc.accumulate(x, axis=-1), X, second=False)
    check_float32(lambda x: ufunc.accumulate(x, axis=1), X)


@pytest.mark.parametrize("row", FOLDED, ids=lambda row: row.name)
def test_reduceat(row):
    ufunc = row.ufunc
    check(lambda x: ufunc.reduceat(x, [0, 2, 1, 1]), X)
    check(lambda x: ufunc.reduceat(x, np.array([1, 0]), axis=-1), X, second=False)


@pytest.mark.parametrize("row", BINARY, ids=lambda row: row.name)
def test_outer(row):
    ufunc = row.ufunc
    if row.name == "ldexp":
        check(lambda x: ufunc.outer(x, [1, -2]), X)
        return
    check(lambda x: ufunc.outer(x[:2], x[2]), X)
    check(lambda x: ufunc.outer(x[0, 0], x[1]), X, second=False)
    check(lambda x: ufunc.outer(1.6, x), X, second=False)
    check(lambda x: ufunc.outer([1.6, 0.4], x), X, second=False)


@pytest.mark.parametrize("row", [r for r in ROWS.values() if isinstance(r.ufunc, np.ufunc)], ids=lambda row: row.name)
def test_at(row):
    ufunc = row.ufunc
    x = X / 3 + (row.name == "arccosh")

    def at(x):
        y = np.copy(x)
        if row.name == "ldexp":
            ufunc.at(y, ([0, 0], [1, 2]), [3, -2])
        elif row.arity == 1:
            ufunc.at(y, ([0, 0], [1, 2]))
        else:
            # The second index occurs three times.
            ufunc.at(y, ([0, 1, 1, 2, 1], [0, 1, 1, 3, 1]), x[[0, 1, 0, 1, 2], 2])
            ufunc.at(y, [2, 0], 1.6)
        return y

    check(at, x, second=False)


def test_at_writes_through_views_and_in_every_mode():
    def f(x):
        y = np.copy(x)
        np.multiply.at(y[1:].T, [0, 0, 2], x[0, :2])
        np.add.at(y[0], [3, 1, 3, 3], x[1])
        np.subtract.at(y, (slice(None), [0, 0]), x[:, 1:3])
        return y

    check(f, X)
    _, pull = vjp(f, X)
    w = np.cos(X)
    np.testing.assert_allclose(pull(w), np.tensordot(w, jacobian(f, X), 2), rtol=1e-14)


def test_add_at_inside_another_differentiation():
    def f(x, a):
        y = dualdiff.zeros(4, like=x)
        np.add.at(y, np.array([[0, 1], [1, 3]]), x * a)
        return np.sum(y**2)

    a = np.array([[0.5, 1.5], [2.0, 1.0]])
    found = jacobian(lambda a: gradient(f, X[:2, :2], a), a)
    step = 1e-6
    for i in np.ndindex(2, 2):
        e = np.zeros((2, 2))
        e[i] = step
        difference = gradient(f, X[:2, :2], a + e) - gradient(f, X[:2, :2], a - e)
        np.testing.assert_allclose(found[(..., *i)], difference / (2 * step), atol=1e-7)


def test_add_at_broadcasts_to_places_of_two_axes():
    # NumPy's own add.at reads out of bounds here.
    places = np.array([[0, 1], [1, 3]])

    def f(x):
        y = dualdiff.zeros(4, like=x)
        np.add.at(y, places, x)
        return y

    found, slope = jvp(f, np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    assert_same(found, np.array([1.0, 3.0, 0.0, 2.0]))
    assert_same(slope, np.array([1.0, 11.0, 0.0, 10.0]))


def test_at_of_a_plain_array_is_refused():
    buffer = np.zeros(3)
    with pytest.raises(LostDerivativeError, match=r"numpy\.add\.at holds plain values"):
        gradient(lambda x: np.add.at(buffer, [0], x), 1.0)
    with pytest.raises(LostDerivativeError, match=r"numpy\.multiply\.at"):
        gradient(lambda x: np.multiply.at(buffer, [0], x), 1.0)
    assert_same(buffer, np.zeros(3))


def test_folds_of_one_element_start_from_the_identity_as_numpy_does():
    check(lambda x: np.hypot.reduce(x, axis=1), np.array([[-3.0], [2.0]]))
    check(lambda x: np.hypot.accumulate(x, axis=1), np.array([[-3.0], [2.0]]))
    assert gradient(np.logaddexp.reduce, np.array([-np.inf])) == 1.0


def test_logaddexp_reduce_of_many():
    x = np.linspace(-800.0, 800.0, 1001)
    expected = np.exp(x - 800) / np.sum(np.exp(x - 800))
    np.testing.assert_allclose(gradient(np.logaddexp.reduce, x), expected, rtol=1e-13, atol=1e-307)
    x = np.array([-np.inf, 0.0, -np.inf, 1.0])
    np.testing.assert_allclose(gradient(np.logaddexp.reduce, x), np.exp(x) / np.sum(np.exp(x)), rtol=1e-15)


def test_first_of_equals_wins_in_folds():
    x = np.array([1.0, 3.0, 3.0, np.nan, 3.0])
    assert_same(gradient(np.fmax.reduce, x), np.array([0.0, 1, 0, 0, 0]))
    assert_same(np.diag(jacobian(np.fmax.accumulate, x)), np.array([1.0, 1, 0, 0, 0]))
    assert_same(jacobian(np.fmax.accumulate, x)[-1], np.array([0.0, 1, 0, 0, 0]))


@pytest.mark.parametrize("method", ["reduce", "accumulate", "outer"])
def test_out_of_methods(method):
    call = getattr(np.hypot, method)
    more = (X[0],) if method == "outer" else ()
    expected = call(X, *more)

    def f(x):
        out = dualdiff.zeros(expected.shape, like=x)
        assert call(x, *more, out=out) is out
        return out

    check(f, X)
    with pytest.raises(LostDerivativeError, match="out"):
        jacobian(lambda x: call(x, *more, out=np.zeros(expected.shape)), X)


def test_integer_dtypes_would_lose_the_derivative():
    with pytest.raises(LostDerivativeError, match=r"dtype=int64 in add"):
        derivative(lambda x: np.add(x, 1, dtype=np.int64, casting="unsafe"), 1.5)
    with pytest.raises(LostDerivativeError, match="integer dtype"):
        jacobian(lambda x: np.subtract.reduce(x, dtype=np.int64), X)
    assert jacobian(lambda x: np.subtract.reduce(x, dtype=np.float32), X).dtype == np.float32


# -- several results -------------------------------------------------------------------------------------------------
SIGNED = np.array([[-7.3, 2.5, 0.0], [5.0, -0.25, 1e3]])


@pytest.mark.parametrize("which", [0, 1])
def test_divmod(which):
    y = np.array([2.1, -1.7, 0.9])
    for call in (np.divmod, divmod):
        check(lambda x, call=call: call(x, y)[which], X[:, 1:])
        check(lambda x, call=call: call(x, x[:1] + 0.11)[which], X)
        check(lambda x, call=call: call(7.7, x)[which], X)
        check(lambda x, call=call: call(y, x)[which], X[:, 1:])
    check(lambda x: np.divmod.outer(x, x[0] + 0.3)[which], X)


def test_divmod_of_python_floats_is_pythons():
    for x, y in [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (1e300, 3.0), (-0.0, 2.0), (5.0, 2)]:
        for f, a, expected in [
            (lambda d, y=y: divmod(d, y), x, (0.0, 1.0)),
            (lambda d, x=x: divmod(x, d), float(y), (0.0, -(x // y))),
        ]:
            found, slope = jvp(f, a, 1.0)
            assert found == divmod(x, y)
            assert all(type(v) is float for v in found)
            assert slope == expected
    with pytest.raises(ZeroDivisionError):
        derivative(lambda x: divmod(x, 0.0), 1.0)
    with pytest.raises(ZeroDivisionError):
        derivative(lambda x: divmod(1.0, x), 0.0)


def test_modf():
    check(lambda x: np.modf(x)[0], X)
    check(lambda x: np.modf(x)[1], X)
    _, (fraction, whole) = jvp(np.modf, SIGNED, np.ones_like(SIGNED))
    assert_same(fraction, np.ones_like(SIGNED))
    assert_same(whole, np.zeros_like(SIGNED))


def test_frexp():
    def mantissa(x):
        m, exponent = np.frexp(x)
        assert exponent.dtype == np.int32
        assert isinstance(exponent, (np.ndarray, np.int32))
        return m

    check(mantissa, X)
    _, slope = jvp(mantissa, SIGNED, np.ones_like(SIGNED))
    assert_same(slope, np.ldexp(1.0, -np.frexp(SIGNED)[1]))
    check(lambda x: np.ldexp(*np.frexp(x)), X)


def test_out_of_several_results():
    def f(x):
        quotient, rest = dualdiff.zeros(4, like=x), dualdiff.zeros(4, like=x)
        found = np.divmod(x[0], x[1], out=(quotient, rest), where=np.array([True, False, True, True]))
        assert found[0] is quotient
        assert found[1] is rest
        return quotient + rest

    check(f, X)
    with pytest.raises(LostDerivativeError, match="out"):
        jacobian(lambda x: np.modf(x, out=(np.zeros(X.shape), None))[0], X)


def test_masked_calls_touch_only_what_the_mask_allows():
    x = np.array([-1.0, 2.0, 0.0])

    def f(x):
        out = dualdiff.full(3, 7.0, like=x)
        np.log(x, out=out, where=x > 0)
        return out

    assert_same(f(x), np.array([7.0, np.log(2.0), 7.0]))
    found, J = dualdiff.value_and_jacobian(f, x)
    assert_same(found, f(x))
    assert_same(J, np.diag([0.0, 0.5, 0.0]))
    H = hessian(lambda x: np.sum(f(x) * x), x)
    assert_same(H, np.diag([0.0, 0.5, 0.0]))
    plain = np.full(3, 7.0)
    np.floor(DualArray(x), out=plain, where=x > 0)
    assert_same(plain, np.array([7.0, 2.0, 7.0]))


# -- elementwise functions that are not ufuncs -----------------------------------------------------------------------
def test_clip_in_all_its_forms():
    check(lambda x: np.clip(x, 0.85, 1.8), X)
    check(lambda x: x.clip(0.85, 1.8), X)
    check(lambda x: np.clip(x, None, 1.8), X)
    check(lambda x: np.clip(x, 0.85, None), X)
    check(lambda x: np.clip(x, x[0] - 0.1, x[1:2]), X)
    check(lambda x: np.linspace(0.5, 2.5, 4).clip(x[0], x[1]), X)
    check(lambda x: CLIP(x, 0.85, 1.8), X)
    if NUMPY_2_1:
        check(lambda x: np.clip(x, max=1.8), X)
        check(lambda x: np.clip(x, min=0.85), X)
        check(lambda x: np.clip(x), X)

    def stored(x):
        out = dualdiff.zeros(x.shape, like=x)
        return np.clip(x, 0.85, 1.8, out=out)

    check(stored, X)


def test_nan_to_num():
    check(np.nan_to_num, X)
    x = np.array([np.nan, 1.5, np.inf, -np.inf])
    found, slope = jvp(np.nan_to_num, x, np.array([1.0, 2.0, 3.0, 4.0]))
    assert_same(found, np.nan_to_num(x))
    assert_same(slope, np.array([0.0, 2.0, 0.0, 0.0]))
    found, slope = jvp(lambda x: np.nan_to_num(x, nan=3 * x[1], posinf=2.0, neginf=-x[1]), x, np.ones(4))
    assert_same(found, np.array([4.5, 1.5, 2.0, -1.5]))
    assert_same(slope, np.array([3.0, 1.0, 0.0, -1.0]))

    def in_place(x):
        y = np.copy(x)
        assert np.nan_to_num(y, copy=False) is y
        return y

    found, slope = jvp(in_place, x, np.ones(4))
    assert_same(found, np.nan_to_num(x))
    assert_same(slope, np.array([0.0, 1.0, 0.0, 0.0]))
    z = np.array([complex(a, b) for a, b in zip(x, x[::-1], strict=True)])
    found, slope = jvp(np.nan_to_num, z, np.full(4, 1 + 2j))
    assert_same(found, np.nan_to_num(z))
    assert_same(slope, np.array([0, 1, 2j, 0]))


def test_unwrap():
    x = np.array([0.0, 3.0, 6.5, 13.1, -2.4])
    check(np.unwrap, x)
    check(lambda x: np.unwrap(np.stack([x, 2 * x]), axis=0, period=4.0), x)
    with pytest.raises(LostDerivativeError, match="period"):
        derivative(lambda p: np.unwrap(x * p, period=p), 1.0)


def test_sinc_and_i0_by_numpys_names():
    check(np.sinc, X)
    check(np.i0, X)
    assert derivative(np.sinc, 0.0) == 0.0
    assert type(derivative(np.sinc, np.float32(0.5))) is np.float32


@pytest.mark.parametrize("name", ["arccos", "arcsin", "arctanh", "log", "log2", "log10", "sqrt"])
def test_emath_leaves_the_reals_as_numpy_does(name):
    function = getattr(np.emath, name)
    check(function, X / 3)
    x = np.array([-2.0, 0.5, 3.0])
    found, slope = jvp(function, x, np.ones(3))
    assert_same(found, function(x))
    step = 1e-5
    np.testing.assert_allclose(slope, (function(x + step) - function(x - step)) / (2 * step), atol=1e-8)


def test_emath_power_and_logn():
    x = np.array([-2.0, 0.5, 3.0])
    for function in (lambda x: np.emath.power(x, 1.5), lambda x: np.emath.logn(x + 4.5, x)):
        found, slope = jvp(function, x, np.ones(3))
        assert_same(found, function(x))
        step = 1e-5
        np.testing.assert_allclose(slope, (function(x + step) - function(x - step)) / (2 * step), atol=1e-8)


def test_where_is_quiet_about_what_it_leaves_out_and_keeps_the_dtype():
    x = np.array([-1.0, 0.5, 2.0])

    def f(x):
        return np.log(x, out=np.zeros_like(x), where=x > 0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(jacobian(f, x), np.diag([0, 2, 0.5]))
        np.testing.assert_array_equal(jacobian(f, x, mode="reverse"), np.diag([0, 2, 0.5]))
    half = derivative(lambda x: np.multiply(x, 1.5, out=np.zeros_like(x), where=x > 0), x.astype(np.float32))
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half, [0, 1.5, 1.5])
