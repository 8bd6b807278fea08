"""Nothing is dropped silently: where a derivative would be lost, an error says so and what to write instead."""

from __future__ import annotations

import fractions
import functools
import math
import operator
import re
import warnings

import numpy as np
import pytest
import scipy.special
from numpy.testing.overrides import get_overridable_numpy_array_functions, get_overridable_numpy_ufuncs

import dualdiff as dd
from dualdiff import derivative, gradient, hessian, jacobian, jvp, nth_derivative, value_and_derivative
from dualdiff.base import tags
from dualdiff.core.registry import CREATORS, FUNCTIONS, UFUNCS

X = np.array([0.7, 1.9, -1.1])

# All rules, many of which are imported when they are first needed.
dd.base.late.load_rules()


def refused(error, match, call, *args, **options):
    """The call raises, in our words, and leaves no trace: no call still counts as running, arrays are as they were."""
    kept = [np.copy(a) if isinstance(a, np.ndarray) else a for a in args]
    running = set(tags.live)
    with pytest.raises(error, match=match) as found:
        call(*args, **options)
    assert set(tags.live) == running
    for a, b in zip(args, kept, strict=True):
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
    assert derivative(lambda t: t**3, 2.0) == 12.0
    np.testing.assert_array_equal(gradient(lambda t: np.sum(t * t), X), 2 * X)
    return found.value


# -- float(d), int(d), complex(d), math.sin(d), table[d], range(d) -----------------------------------------------------
CONVERSIONS = {
    "float": (float, r"float\(x\).*np\.sin\(x\) or dualdiff\.sin\(x\).*dualdiff\.value\(x\)"),
    "int": (int, r"int\(x\).*np\.floor.*dualdiff\.value\(x\)"),
    "complex": (complex, r"complex\(x\).*x \+ 0j.*dualdiff\.value\(x\)"),
    "math.sin": (math.sin, r"math module.*would lose the derivative.*np\.sin\(x\) or dualdiff\.sin\(x\)"),
    "math.hypot": (lambda d: math.hypot(d, 1.0), "would lose the derivative"),
    "math.fsum": (lambda d: math.fsum([d, d]), "would lose the derivative"),
    "table[d]": (lambda d: [1.0, 2.0][d], r"as an index or a count would lose.*dualdiff\.value\(x\)"),
    "range": (range, "as an index or a count would lose"),
    "operator.index": (operator.index, "as an index or a count would lose"),
    "%d": (lambda d: "%d" % d, r"would lose the derivative|%d format"),  # noqa: UP031 - the case
    "%g": (lambda d: "%g" % d, "would lose the derivative|must be real number"),  # noqa: UP031 - the case
    "np.float64": (np.float64, "an array of dtype float64 holds plain values"),
    "np.int64": (np.int64, "an array of dtype int64 holds plain values"),
    "np.zeros(d)": (np.zeros, "as an index or a count would lose|expected a sequence of integers or a single integer"),
    "np.eye(d)": (
        np.eye,
        "as an index or a count would lose|expected a sequence of integers|as an index or a count would lose",
    ),
    "np.arange(d)": (lambda d: np.arange(0.0, d), "would lose the derivative|has no derivative rule"),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversion_of_a_scalar(name):
    convert, match = CONVERSIONS[name]
    refused(TypeError, match, derivative, convert, 1.0)
    refused(TypeError, match, gradient, lambda x: convert(x[1]), X)
    refused(TypeError, match, derivative, derivative(convert), 1.0)
    refused(TypeError, match, hessian, lambda x: convert(x[1]), X)


@pytest.mark.parametrize("convert", [float, int, complex, math.sin, operator.index, range])
def test_conversion_of_an_array_of_one(convert):
    refused(TypeError, "would lose the derivative", jacobian, lambda x: convert(x[:1]), X)
    refused(TypeError, "would lose the derivative", jacobian, lambda x: convert(x[:1].reshape(())), X)


def test_rounding_to_an_integer_loses_nothing():
    for step in (round, math.floor, math.ceil, math.trunc, lambda d: round(d, 1), lambda d: d // 1):
        for x in (1.3, -2.6, np.float64(0.75)):
            assert step(dd.Dual(x, 1.0)) == step(x)
            assert derivative(step, x) == 0.0
    assert type(round(dd.Dual(2.6, 1.0))) is int
    quotient, rest = derivative(lambda d: divmod(7.5, d), 2.0)
    assert (quotient, rest) == (0.0, -3.0)
    assert derivative(lambda d: divmod(d, 2.0), 7.5) == (0.0, 1.0)


def test_index_of_an_array_by_a_dual():
    for use in (lambda x: X[x], lambda x: x[x], lambda x: X[x[0]], lambda x: x[x[0]], lambda x: np.take(X, x)):
        with pytest.raises((TypeError, IndexError)):
            jacobian(use, X)
    assert derivative(lambda t: t * 2, 1.0) == 2.0


# -- np.asarray(x) on line one -----------------------------------------------------------------------------------------
def test_asarray_gives_an_object_array_that_keeps_the_derivative():
    def f(x):
        x = np.asarray(x)
        assert x.dtype == object
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)

    def plain(x):
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)

    np.testing.assert_allclose(gradient(f, X), gradient(plain, X), rtol=1e-14)
    np.testing.assert_allclose(hessian(f, X), hessian(plain, X), rtol=1e-14)
    np.testing.assert_allclose(jvp(f, X, X), jvp(plain, X, X), rtol=1e-14)


@pytest.mark.parametrize("convert", [np.asarray, np.array, np.asanyarray, np.ascontiguousarray, np.asarray_chkfinite])
def test_other_conversions_to_an_array(convert):
    if convert is np.asarray_chkfinite:
        convert = lambda x: np.asarray_chkfinite(x, dtype=object)
    np.testing.assert_array_equal(jacobian(lambda x: convert(x) ** 2, X), np.diag(2 * X))
    assert derivative(lambda x: convert(x) ** 2, 3.0) == 6.0


def test_asarray_of_many_elements_warns_once_per_place():
    def f(x):
        return np.sum(np.asarray(x) ** 2) + np.sum(np.asarray(x[:3]))

    with warnings.catch_warnings(record=True) as found:
        warnings.resetwarnings()
        warnings.simplefilter("default")
        for _ in range(3):
            gradient(f, np.arange(17.0))
            gradient(f, np.arange(16.0))
    (warning,) = found
    assert issubclass(warning.category, dd.ObjectArrayWarning)
    assert warning.filename == __file__
    assert "17 duals" in str(warning.message)
    assert "slowly" in str(warning.message)


def late_writes(y):
    """What an array of objects shows after its array has been written into."""
    whole, part, turned = np.asarray(y), np.asarray(y[1:]), np.asarray(y[::-1])
    view, copy = whole[:2], np.array(y)
    assert not any(a.flags.writeable for a in (whole, part, turned) if a.dtype == object)
    y[0] = y[1] * y[2]
    y[1:] *= 2.0
    y.flat[2] = 5.0 * y[0]
    np.sin(y[:2], out=y[:2])
    return np.stack([*whole, *part, *turned, *view, *copy, *y])


def test_asarray_sees_what_is_written_into_x():
    f = lambda x: late_writes(x * x)
    plain = lambda x: np.stack([*(z := late_writes_plain(x * x)), *z[1:], *z[::-1], *z[:2], *(x * x), *z])

    def late_writes_plain(y):
        y[0] = y[1] * y[2]
        y[1:] *= 2.0
        y[2] = 5.0 * y[0]
        y[:2] = np.sin(y[:2])
        return y

    for g, h in ((f, plain), (lambda x: jvp(f, x, x * x)[1], lambda x: jvp(plain, x, x * x)[1])):
        for options in ({"mode": "forward"}, {"mode": "forward", "chunk_size": 1}, {"mode": "reverse"}):
            for found, expected in zip(*(dd.value_and_jacobian(k, X, **options) for k in (g, h)), strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(jacobian(g, X, sparse=True).toarray(), jacobian(h, X), rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(f(X), plain(X))
    np.testing.assert_array_equal(jacobian(late_writes, X), jacobian(lambda x: late_writes(x * 1.0), X))


def test_asarray_sees_duals_of_an_outer_call_that_are_written_into_x():
    def inner(y, x):
        a = np.asarray(y)
        y[0] = x[1] * y[1]
        return a[0] * a[1]

    f = lambda x: gradient(lambda y: inner(y * 1.0, x), np.sin(x))
    np.testing.assert_allclose(
        jacobian(f, X), jacobian(lambda x: np.stack([0 * x[0], 2 * x[1] * np.sin(x[1]), 0 * x[0]]), X)
    )


def test_shuffling_rows_as_those_of_a_list_raises():
    Z = np.arange(8.0).reshape(4, 2)
    for rng in (np.random.default_rng, np.random.RandomState):

        def shuffled(x, rng=rng):
            y = x * 1.0
            rng(0).shuffle(y)
            return y

        with pytest.raises(UserWarning, match="may contain duplicates after shuffling") as error:
            jacobian(shuffled, Z)
        assert "y[...] = y[rng.permutation(len(y))]" in error.value.__notes__[0]

        def remedy(x, rng=rng):
            y = x * 1.0
            y[...] = y[rng(0).permutation(len(y))]
            return y

        np.testing.assert_array_equal(dd.value_and_jacobian(remedy, Z)[0], shuffled(Z))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            v, J = dd.value_and_jacobian(shuffled, Z[:, 0])
        np.testing.assert_array_equal(v, shuffled(Z[:, 0]))
        np.testing.assert_array_equal(J @ Z[:, 0], v)


@pytest.mark.parametrize("dtype", [float, "d", np.float32, complex, int, bool])
def test_asarray_with_a_dtype(dtype):
    match = r"an array of dtype \w+ holds plain values.*np\.stack.*dualdiff\.zeros\(shape, like=x\)"
    refused(TypeError, match, jacobian, lambda x: np.asarray(x, dtype), X)
    refused(TypeError, match, jacobian, lambda x: np.array(x, dtype=dtype), X)
    refused(TypeError, match, jacobian, lambda x: np.asarray(x[0], dtype), X)
    refused(TypeError, match, jacobian, lambda x: np.array([x[0], 1.0], dtype), X)
    refused(TypeError, match, derivative, lambda x: np.asarray(x, dtype), 1.0)


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: np.asfortranarray(y.T),
        lambda y: np.asarray(y.T, order="F"),
        lambda y: np.require(y.T, requirements="F"),
        lambda y: np.require(y),
        np.ascontiguousarray,
        np.asanyarray,
        lambda y: np.array(y, copy=None),
    ],
)
def test_a_conversion_that_copies_nothing_in_numpy_is_not_writeable(convert):
    Z = np.outer(X, X)
    assert np.shares_memory(convert(Z), Z)
    refused(ValueError, "read-only", jacobian, lambda x: operator.setitem(convert(x * 1.0), 0, 5.0), Z)


def test_require_writeable():
    match = r"np\.require\(x, requirements='W'\).*np\.require\(x, requirements='W', like=x\)"
    for letters in ("W", ["C", "writeable"]):
        refused(TypeError, match, jacobian, lambda x, letters=letters: np.require(x, requirements=letters), X)

    def f(x):
        y = x * x
        np.require(y, requirements="W", like=x)[0] = y[1]
        return y

    np.testing.assert_array_equal(jacobian(f, X), jacobian(lambda x: np.stack([x[1], x[1], x[2]]) ** 2, X))


def test_writing_into_asarray_of_x_is_refused_as_x_would_not_see_it():
    def f(x):
        y = np.asarray(x)
        y[0] = 5.0
        return np.sum(x)

    refused(ValueError, "read-only", gradient, f, X)

    def g(x):
        y = np.array(x)
        y[0] = 5.0
        return np.sum(y) * x[0]

    np.testing.assert_allclose(gradient(g, X), [5 + X[1] + X[2], X[0], X[0]])


def test_strides_around_an_object_array_are_refused():
    # NumPy would take the memory of the object array for that of the values, and read outside of it.
    as_strided = np.lib.stride_tricks.as_strided
    for mode in "forward", "reverse":
        for f in (lambda x: as_strided(x, (2, 2), (8, 8)), lambda x: as_strided(x[0], (2,), (0,))):
            refused(TypeError, "as_strided has no derivative rule.*sliding_window_view", jacobian, f, X, mode=mode)


COMPLEX = {
    "a list of numbers": lambda x: np.array([1j * x[0], x[1]])[0],
    "asarray": lambda x: np.asarray(1j * x)[1],
    "a number": lambda x: np.asarray(1j * x[0])[()],
    "nested lists": lambda x: np.array([[0, 1j * x[0]], [1, 2]])[0, 1],
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_object_arrays_warn_that_numpy_finds_no_imaginary_part_in_them(name):
    with pytest.warns(dd.ObjectArrayWarning, match=r"\.imag and np\.angle are zero: use np\.stack") as found:
        J = jacobian(lambda x: COMPLEX[name](x), X)
    assert found[0].filename == __file__
    assert 1j in J
    assert np.imag(jacobian(lambda x: np.stack([1j * x[0], x[1]]), X))[0, 0] == 1.0


OWN_ARITHMETIC = {
    "matrix * x": lambda x: np.matrix(np.eye(3)) * x,
    "x * matrix": lambda x: x * np.matrix(np.eye(3)),
    "matrix @ x": lambda x: np.matrix(np.eye(3)) @ x,
    "matrix of x": lambda x: np.matrix(x),
    "masked * x": lambda x: np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]) * x,
    "x + masked": lambda x: x + np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]),
    "masked x": lambda x: np.ma.array(x, mask=[0, 1, 0]) * 2,
    "a number times masked": lambda x: x[0] * np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]),
    "sum of masked": lambda x: np.where(x > 0, np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]), x),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("name", OWN_ARITHMETIC)
def test_arrays_with_rules_of_their_own(name):
    for options in ({"mode": "forward"}, {"mode": "reverse"}, {"sparse": True}):
        match = r"a (matrix|MaskedArray) was combined with dual numbers.*np\.asarray\(x\)"
        refused(TypeError, match, jacobian, lambda x: OWN_ARITHMETIC[name](x), X, **options)


def test_mapped_memory_is_an_array_like_others(tmp_path):
    constant = np.memmap(tmp_path / "numbers", float, "w+", shape=3)
    constant[:] = [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(jacobian(lambda x: x * constant, X), np.diag(constant))


def test_fractions_are_scalars():
    half = fractions.Fraction(1, 2)
    for options in ({"mode": "forward"}, {"mode": "reverse"}):
        np.testing.assert_array_equal(jacobian(lambda x: x * half, X, **options), np.diag([0.5] * 3))
        np.testing.assert_array_equal(jacobian(lambda x: half - x[0], X, **options), [-1.0, 0.0, 0.0])
    assert derivative(lambda t: half * t**half, 4.0) == 0.125


def test_a_scalar_beside_a_list_is_what_it_is_without_differentiation():
    for f in (lambda t: t - [1.0], lambda t: [1.0] * t, lambda t: t / (1.0, 2.0)):
        with pytest.raises(TypeError) as expected:
            f(2.0)
        refused(TypeError, re.escape(str(expected.value)), derivative, f, 2.0)
    np.testing.assert_array_equal(derivative(lambda t: t**2 + [1.0, 2.0], np.float64(2.0)), [4.0, 4.0])
    refused(TypeError, "can't multiply sequence", derivative, lambda t: [1.0] * t, np.float64(2.0))


def test_astype_to_integers():
    refused(TypeError, "dtype int64 holds plain values", jacobian, lambda x: x.astype(np.int64), X)
    np.testing.assert_array_equal(jacobian(lambda x: x.astype(bool) * x, X), np.eye(3))
    np.testing.assert_array_equal(jacobian(lambda x: x.astype(object) ** 2, X), np.diag(2 * X))
    refused(TypeError, "cannot be viewed as int64: use astype", jacobian, lambda x: x.view(np.int64), X)
    for name in ("tobytes", "tofile", "ctypes", "data"):
        refused(AttributeError, name, jacobian, lambda x, name=name: getattr(x, name), X)


# -- a function with no rule -------------------------------------------------------------------------------------------
NAMED = r"has no derivative rule.*dualdiff\.custom_derivative.*dualdiff\.value\(x\)"


def test_numpy_function_with_no_rule_names_itself():
    x = dd.DualArray(X, X)
    for function in get_overridable_numpy_array_functions():
        if function not in FUNCTIONS and function not in CREATORS:
            name = f"{function.__module__}.{function.__name__}"
            with pytest.raises(TypeError, match=NAMED) as found:
                x.__array_function__(function, (dd.DualArray,), (x,), {})
            assert str(found.value).startswith(name)


def test_ufunc_with_no_rule_names_itself():
    x = dd.DualArray(X, X)
    for ufunc in get_overridable_numpy_ufuncs():
        for method in ("__call__", "reduce", "accumulate", "reduceat", "outer", "at"):
            if (ufunc, method) not in UFUNCS:
                name = f"numpy.{ufunc.__name__}"
                name += "" if method == "__call__" else f".{method}"
                with pytest.raises(TypeError, match=NAMED) as found:
                    x.__array_ufunc__(ufunc, method, x)
                assert str(found.value).startswith(name)


def test_functions_of_others_with_no_rule():
    refused(TypeError, "scipy.special.zetac " + NAMED, derivative, scipy.special.zetac, 2.0)
    refused(TypeError, NAMED, jacobian, lambda x: np.frompyfunc(lambda t: t, 1, 1)(x), X)
    refused(TypeError, "holds plain values", jacobian, lambda x: np.random.default_rng(0).normal(x), X)
    refused(TypeError, "holds plain values|would lose", jacobian, lambda x: np.fromiter(x, float), X)
    refused(TypeError, "numpy.save " + NAMED, jacobian, lambda x: np.save("nowhere", x), X)
    for convert in (fractions.Fraction, "{:.3}".format and (lambda d: float(str(d)))):
        with pytest.raises((TypeError, ValueError)):
            derivative(convert, 2.0)


# -- the operator does not fit -----------------------------------------------------------------------------------------
def softmax(x):
    e = np.exp(x)
    return e / e.sum()


def test_gradient_of_an_array():
    refused(ValueError, r"gradient needs.*shape \(3,\): use dualdiff.jacobian", gradient, lambda x: x, X)
    refused(ValueError, r"hvp needs.*shape \(3,\)", dd.hvp, lambda x: x, X, X)
    refused(ValueError, "container of 2 results", gradient, lambda x: (x[0], x[1]), X)
    for one in (lambda x: x[:1] ** 2, lambda x: [x[0] ** 2], lambda x: x[:1, None] ** 2, lambda x: np.array(x[0] ** 2)):
        np.testing.assert_array_equal(gradient(one, X), [2 * X[0], 0.0, 0.0])


MIXING = {
    "softmax": softmax,
    "x / x.sum()": lambda x: x / x.sum(),
    "x.sum()": lambda x: x.sum(),
    "x - x.mean()": lambda x: x - np.mean(x),
    "x[0]": lambda x: x[0],
    "x * x[0]": lambda x: x * x[0],
    "x[::-1]": lambda x: x[::-1],
    "roll": lambda x: x * np.roll(x, 1),
    "cumsum": np.cumsum,
    "A @ x": lambda x: np.ones((3, 3)) @ x,
    "max": lambda x: x - np.max(x),
    "outer": lambda x: x[:, None] * x,
    "diff": np.diff,
    "prod": np.prod,
    "var": np.var,
    "norm": lambda x: x / np.linalg.norm(x),
    "in place": lambda x: operator.setitem(x, slice(1, None), x[:-1]) or x,
    "loop": lambda x: [t * x[0] for t in x],
    "tuple": lambda x: (x**2, x.sum()),
    "flat buffer": lambda x: np.concatenate([x[1:], x[:1]]),
    "einsum": lambda x: np.einsum("i,j->i", x, x),
    "matmul": lambda x: x @ x,
}


@pytest.mark.parametrize("name", MIXING)
def test_derivative_over_points_that_f_mixes(name):
    match = (
        r"array of points \(3,\) needs an f that (works on|treats) each point.*dualdiff\.gradient.*dualdiff\.jacobian"
    )
    refused(dd.MixedPointsError, match, derivative, MIXING[name], X)
    refused(ValueError, match, derivative, derivative(MIXING[name]), X)


def test_derivative_of_a_container():
    refused(TypeError, "x is a tuple: use gradient or jacobian", derivative, lambda p: p[0], (1.0, 2.0))
    refused(TypeError, "x is a dict: use gradient or jacobian", derivative, lambda p: p["a"], {"a": 1.0})


def test_wrong_argnum():
    f = lambda x, y: x * y
    for op in (derivative, gradient, jacobian, hessian):
        refused(ValueError, "argnum=2, but f was given 2 positional arguments", op, f, 1.0, 2.0, argnum=2)
        refused(ValueError, "argnum=-3, but f was given 2", op, f, 1.0, 2.0, argnum=-3)
        match = "argnum must be an integer or a tuple of integers, not 'x'; give the position of"
        refused(TypeError, match, op, f, 1.0, 2.0, argnum="x")
        refused(TypeError, "argnum must be an integer or a tuple of integers, not True", op, f, 1.0, 2.0, argnum=True)
        refused(TypeError, r"tuple of integers, not \[0, 1\]; write argnum=\(0, 1\)", op, f, 1.0, 2.0, argnum=[0, 1])
        refused(TypeError, r"tuple of integers, not \(0, 1.0\)", op, f, 1.0, 2.0, argnum=(0, 1.0))
        refused(ValueError, r"argnum=\(0, 2\), but f was given 2", op, f, 1.0, 2.0, argnum=(0, 2))
        refused(ValueError, r"argnum=\(0, -2\) selects an argument twice", op, f, 1.0, 2.0, argnum=(0, -2))
        refused(ValueError, r"argnum=\(\) selects no argument", op, f, 1.0, 2.0, argnum=())
    refused(ValueError, "argnum=2, but f was given 2 positional arguments", jvp, f, 1.0, 1.0, 2.0, argnum=2)


NOT_NUMBERS = {
    "None": None,
    "text": "1.0",
    "set": {1.0},
    "function": math.sin,
    "object": object(),
    "texts": ["a", "b"],
    "an array of objects": np.array([1.0, None]),
    "dates": np.array(["2020-01-01"], dtype="M8[D]"),
    "a time span": np.timedelta64(3, "s"),
    "a fraction": fractions.Fraction(1, 3),
    "records": np.zeros(2, dtype=[("a", float)]),
    "a generator": (t for t in (1.0, 2.0)),
    "a masked array": np.ma.array([1.0, 2.0], mask=[False, True]),
    "True": True,
    "an array of booleans": np.array([True, False]),
    "a list of booleans": [True, False],
}


#: Those that a container may hold beside numbers.
CONSTANTS = {"None", "text", "function", "object", "texts", "dates", "a time span"}


@pytest.mark.parametrize("name", NOT_NUMBERS)
def test_x_is_not_numeric(name):
    x = NOT_NUMBERS[name]
    for op in (derivative, gradient, jacobian, hessian):
        refused(TypeError, f"{op.__name__}: x (has|is)", op, lambda x: x, x)
    f = lambda p: p["a"] ** 2
    if name in CONSTANTS:
        found = gradient(f, {"a": 3.0, "b": x})
        assert found["a"] == 6.0
        assert found["b"] is x or found["b"] == x
    else:
        refused(TypeError, r": x (has|is)", gradient, f, {"a": 1.0, "b": x})


def test_fractions():
    refused(TypeError, r"x has the type Fraction; use float\(x\)", derivative, np.sin, fractions.Fraction(1, 3))


@pytest.mark.parametrize("op", [derivative, value_and_derivative, gradient, jacobian, hessian])
def test_f_is_no_function(op):
    refused(TypeError, f"^{op.__name__} takes a function as its first argument, not float", op, 3.0, 2.0)
    refused(TypeError, f"^{op.__name__} takes a function as its first argument, not float", op, 3.0)
    refused(TypeError, "^nth_derivative takes a function as its first argument", nth_derivative, 3.0, 2.0, 1)


def test_integers_in_a_container():
    refused(TypeError, r"x contains the integer 3,.*write 3\.0", gradient, lambda p: p[0], (1.0, 3))
    refused(TypeError, r"x contains an integer array of shape \(2,\)", gradient, lambda p: p["a"], {"a": [1, 2]})
    assert gradient(lambda x: x**2, 3) == 6.0
    np.testing.assert_array_equal(gradient(lambda x: np.sum(x**2), [1, 2]), [2.0, 4.0])


def test_result_that_is_not_numeric():
    refused(TypeError, "f returned None.*return statement missing", gradient, lambda x: None, X)
    refused(TypeError, "f returned an object of type str", jacobian, lambda x: "a", X)
    refused(TypeError, "f returned an object of type set", jacobian, lambda x: {1.0}, X)


# -- a ragged list -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("x", [[[1.0, 2.0], [3.0]], [[[1.0], [2.0]], [[3.0]]], [1.0, [2.0]]])
def test_ragged_list(x):
    for op in (gradient, jacobian, hessian):
        refused(ValueError, r"x is a list of lists of different lengths.*write arrays", op, lambda x: 1.0, x)
    # What the error advises.
    np.testing.assert_array_equal(gradient(lambda x: np.sum(x[1]), [np.array([1.0, 2.0]), np.array([3.0])])[1], [1.0])
    np.testing.assert_array_equal(gradient(lambda x: np.sum(x[1]), ([1.0, 2.0], [3.0]))[1], [1.0])


# -- a dual used after its call has ended ------------------------------------------------------------------------------
def kept_dual(x):
    """A dual of a call that has ended."""
    kept = []
    gradient(lambda t: kept.append(t) or 0.0 * np.sum(t), x)
    return kept[0]


LATE_USES = {
    "product": lambda t, old: t * old,
    "reflected": lambda t, old: old - t,
    "power": lambda t, old: t**old,
    "ufunc": lambda t, old: np.arctan2(t, old),
    "returned": lambda t, old: old,
    "in a list": lambda t, old: [t, old],
    "stack": lambda t, old: np.stack([t, old]),
    "where": lambda t, old: np.where(True, t, old),
    "a buffer": lambda t, old: operator.setitem(dd.zeros(2, like=t), 0, old),
    "nested": lambda t, old: derivative(lambda s: s * old, t),
    "differentiated": lambda t, old: derivative(lambda s: s * t, old),
    "direction": lambda t, old: jvp(lambda s: s * t, t, old)[1],
}


@pytest.mark.parametrize("name", LATE_USES)
def test_dual_used_after_its_call_has_ended(name):
    old = kept_dual(2.0)
    refused(dd.ExpiredDualError, "do not store duals outside.*has_aux", derivative, LATE_USES[name], 3.0, old)
    refused(dd.ExpiredDualError, "do not store duals outside", gradient, LATE_USES[name], 3.0, old)


def test_array_of_duals_used_after_its_call_has_ended():
    old = kept_dual(X)
    for use in (
        lambda x: np.sum(x * old),
        lambda x: x @ old,
        lambda x: operator.setitem(x, slice(None), old) or np.sum(x),
        lambda x: operator.iadd(x, old) @ x,
        lambda x: np.concatenate([x, old]),
        lambda x: np.array([x[0], old[0]]),
        lambda x: (x, old),
    ):
        refused(dd.ExpiredDualError, "do not store duals outside", jacobian, use, X)
    refused(dd.ExpiredDualError, "do not store duals outside", gradient, lambda x: (np.sum(x), old), X, has_aux=True)


def test_dual_of_an_outer_call_still_running_is_a_constant_of_the_inner_one():
    assert derivative(lambda x: derivative(lambda y: x * y, 2.0), 3.0) == 1.0
    assert derivative(lambda x: derivative(lambda y: x, 2.0), 3.0) == 0.0


# -- hash(d) -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "use",
    [hash, lambda d: {d}, lambda d: d in {1.0}, lambda d: {d: 1}, functools.lru_cache(lambda d: d), frozenset],
    ids=["hash", "set", "in a set", "key", "lru_cache", "frozenset"],
)
def test_duals_are_unhashable(use):
    if use is frozenset:
        use = lambda d: frozenset([d])
    match = r"dual numbers are unhashable.*stale derivatives.*dualdiff\.value\(x\)"
    refused(TypeError, match, derivative, use, 1.0)
    refused(TypeError, match, gradient, lambda x: use(x[0]), X)
    refused(TypeError, match, gradient, use, X)


def test_in_a_list_and_index_compare_values():
    assert derivative(lambda d: d * (d in [1.0, 3.0]), 3.0) == 1.0
    assert derivative(lambda d: d * [1.0, 3.0].index(d), 3.0) == 1.0
    assert derivative(lambda d: d * [1.0, 3.0, 3.0].count(d), 3.0) == 2.0
    assert derivative(lambda d: d if d in (1.0, 2.0) else d * d, 3.0) == 6.0
    np.testing.assert_array_equal(gradient(lambda x: x[0] if 1.9 in x else x[1], X), [1.0, 0.0, 0.0])
