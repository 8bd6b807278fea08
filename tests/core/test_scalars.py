"""Dtypes, constants, mutated arguments, copies and pickles of dual scalars and arrays."""

from __future__ import annotations

import copy
import math
import operator
import pickle
import warnings

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import (
    Dual,
    DualArray,
    derivative,
    gradient,
    hessian,
    jacobian,
    jvp,
    value_and_derivative,
    value_and_jacobian,
)
from tests.support.versions import NUMPY_2_5, SPARSE_TEXT

X = np.array([0.7, 1.9, -1.1])
Z = np.array([1 + 2j, 3 - 1j])
FLOATS = [np.float16, np.float32, np.float64, np.longdouble]
COMPLEX = [np.complex64, np.complex128]


# -- int and bool ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("x", [3, np.int32(3), np.uint8(3), 2**70])
def test_int_x_is_taken_as_float64(x):
    value, slope = value_and_derivative(lambda t: t**3 // 1 + t / 2, x)
    assert value == float(x) ** 3 // 1 + float(x) / 2
    assert type(value) is float
    assert slope == 0.5
    seen = []
    gradient(lambda t: seen.append(type(dd.value(t))) or t, x)
    assert seen == [float]


def test_int_arrays_are_taken_as_float64():
    for x in ([1, 2, 3], np.arange(1, 4), np.arange(1, 4, dtype=np.uint8), range(1, 4)):
        value, J = value_and_jacobian(lambda t: t / 2, x)
        np.testing.assert_array_equal(value, [0.5, 1.0, 1.5])
        assert J.dtype == np.float64
    kept = np.arange(1, 4)
    gradient(lambda t: np.sum(t * t), kept)
    assert kept.dtype.kind == "i"


@pytest.mark.parametrize("x", [True, np.True_, np.array([True]), [True, False], (1.0, True), {"a": np.array(True)}])
def test_bool_x(x):
    for op in (gradient, jacobian, hessian):
        with pytest.raises(TypeError, match="x is boolean; pass floats"):
            op(lambda t: 1.0, x)


# -- float32, float16, complex64 under NEP 50 --------------------------------------------------------------------------
DTYPE_USES = {
    "python numbers": lambda x: 2.0 * x + x / 3 - x**2 + (1 - x) + x**0.5 + 2**x,
    "ufuncs": lambda x: np.sin(x) * np.exp(-x) + np.sqrt(x) + np.log1p(x) + np.arctan(x) + np.square(x),
    "float64 array": lambda x: x * np.array([1.0, 2.0]),
    "float64 scalar": lambda x: x * np.float64(2.0) + np.float64(1.0) / x,
    "float32 array": lambda x: x * np.array([1.0, 2.0], np.float32),
    "float32 scalar": lambda x: np.float32(2.0) * x,
    "int array": lambda x: x * np.arange(2) + x**2,
    "int8 array": lambda x: x * np.arange(2, dtype=np.int8),
    "complex64 array": lambda x: x * np.array([1j, 2.0], np.complex64),
    "python complex": lambda x: x * 1j + 2.0,
    "bool array": lambda x: x * np.array([True, False]),
    "sum": lambda x: np.sum(x * x),
    "mean": lambda x: np.mean(x) + np.var(x) + np.std(x),
    "prod": lambda x: np.prod(x) + np.cumprod(x),
    "extremes": lambda x: np.max(x.real) * x + np.sort(x.real),
    "matmul": lambda x: x @ np.ones((2, 2), np.float32),
    "dot": lambda x: np.dot(x, x) * np.inner(x, x),
    "einsum": lambda x: np.einsum("i,j->ij", x, x),
    "stack": lambda x: np.stack([x, 2 * x]),
    "stack with a float": lambda x: np.stack([x[0], 1.5]),
    "concatenate": lambda x: np.concatenate([x, np.ones(1, np.float64)]),
    "where": lambda x: np.where(np.array([True, False]), x, 0.0),
    "element": lambda x: x[0] * x[1] + 1.5,
    "item": lambda x: x[0].item() * 1.5,
    "buffer": lambda x: np.zeros_like(x) + x,
    "astype": lambda x: x.astype(np.complex128) * 2,
    "reshape": lambda x: x.reshape(2, 1) * x,
    "abs": lambda x: abs(x),
    "power of itself": lambda x: x**x,
    "in place": lambda x: x.__iadd__(1.5),
    "clip": lambda x: np.clip(x.real, 0.6, 2.0),
    "maximum": lambda x: np.maximum(x.real, 0.6),
    "hypot": lambda x: np.hypot(x.real, 1.0),
}


def value_type(x):
    """The dtype of an array or scalar."""
    return np.asarray(x).dtype


@pytest.mark.parametrize("dtype", FLOATS + COMPLEX)
@pytest.mark.parametrize("name", DTYPE_USES)
def test_value_and_tangent_have_the_dtype_that_numpy_gives(name, dtype):
    f, x = DTYPE_USES[name], np.array([0.5, 1.5], dtype)
    expected = f(x.copy())
    for v in (np.ones(2), np.ones(2, dtype)):
        value, slope = jvp(f, x, v)
        assert value_type(value) == value_type(slope) == value_type(expected)
        np.testing.assert_array_equal(value, expected)
    if np.iscomplexobj(x):
        return
    for chunk_size in (None, 1):
        value, J = value_and_jacobian(f, x, chunk_size=chunk_size, mode="forward")
        assert value_type(value) == value_type(J) == value_type(expected)
    assert value_type(jacobian(jacobian(f), x)) == value_type(expected)
    assert value_type(jvp(lambda x: jvp(f, x, x)[1], x, x)[1]) == value_type(expected)


@pytest.mark.parametrize("dtype", FLOATS + COMPLEX)
def test_numpy_scalars_keep_their_dtype(dtype):
    x = dtype(0.5)
    for f in (lambda t: 2.0 * t**2 + 1, np.sin, lambda t: np.sqrt(t) / 3, lambda t: t * t - 1):
        value, slope = value_and_derivative(f, x)
        assert type(value) is type(slope) is type(f(x)) is dtype
        assert type(derivative(derivative(f), x)) is dtype
        assert gradient(f, x).dtype == dtype
    wide = lambda t: t * np.float64(2.0)
    assert derivative(wide, x).dtype == wide(x).dtype


def test_a_python_float_is_weak_in_value_and_tangent():
    for dtype in FLOATS:
        a = np.ones(2, dtype)
        value, slope = value_and_derivative(lambda t, a=a: t * a, 2.0)
        assert value.dtype == slope.dtype == dtype
        assert gradient(lambda t, a=a: np.sum(t * a), 2.0).dtype == np.float64
    assert type(derivative(lambda t: t * t, 2.0)) is float
    assert type(value_and_derivative(lambda t: t * 1j, 2.0)[1]) is complex
    assert type(derivative(lambda z: z * z, 2j)) is complex
    assert type(derivative(lambda t: t * np.float64(3.0), 2.0)) is np.float64


# -- errors for duals where floats raise -------------------------------------------------------------------------------
RAISING = {
    "0.0**-0.5": (lambda t: t**-0.5, 0.0),
    "1/0.0": (lambda t: 1 / t, 0.0),
    "t/0": (lambda t: t / 0, 1.0),
    "t % 0": (lambda t: t % 0.0, 1.0),
    "t // 0": (lambda t: t // 0.0, 1.0),
    "overflow": (lambda t: t**400, 10.0),
    "divmod": (lambda t: divmod(t, 0.0), 1.0),
}


@pytest.mark.parametrize("name", RAISING)
def test_operators_raise_exactly_when_they_raise_on_the_value(name):
    f, x = RAISING[name]
    with pytest.raises(ArithmeticError) as expected:
        f(x)
    for op in (derivative, gradient, lambda f, x: derivative(derivative(f), x)):
        with pytest.raises(type(expected.value)) as found:
            op(f, x)
        assert str(found.value) == str(expected.value)


def test_operators_do_not_raise_when_only_the_partial_is_infinite():
    assert derivative(lambda t: t**0.5, 0.0) == math.inf
    assert derivative(lambda t: 0.0**t, 0.0) == -math.inf
    assert derivative(lambda t: t ** (1 / 3), 0.0) == math.inf
    assert derivative(lambda t: (t - t) ** 0.5, 0.0) == 0.0


def test_functions_of_floats_give_inf_and_nan_quietly():
    for f, x, value, slope in (
        (dd.log, 0.0, -math.inf, math.inf),
        (dd.log, -1.0, math.nan, -1.0),
        (dd.sqrt, 0.0, 0.0, math.inf),
        (dd.sqrt, -1.0, math.nan, math.nan),
        (dd.exp, 1000.0, math.inf, math.inf),
        (dd.arcsin, 2.0, math.nan, math.nan),
        (dd.cosh, 1000.0, math.inf, math.inf),
    ):
        found = value_and_derivative(f, x)
        np.testing.assert_array_equal(found, (value, slope))
        np.testing.assert_array_equal(f(x), value)


# -- warnings ----------------------------------------------------------------------------------------------------------
def warned(call, *args):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call(*args)
    return sorted(str(w.message) for w in found)


NOISY = {
    "log(0)": lambda x: np.log(x * 0),
    "1/0": lambda x: 1 / (x - x),
    "sqrt(-1)": lambda x: np.sqrt(-np.abs(x)),
    "exp(1000)": lambda x: np.exp(1000 + x),
    "0/0": lambda x: (x - x) / (x - x),
    "overflow": lambda x: x * 1e308 * 1e10,
    "power": lambda x: (x * 0) ** -1.5,
    "mean of none": lambda x: np.mean(x[:0]),
    "arccosh": lambda x: np.arccosh(x * 0),
}


@pytest.mark.parametrize("name", NOISY)
def test_no_warning_beyond_those_of_f(name):
    f = NOISY[name]
    expected = warned(f, X)
    assert expected
    assert set(warned(jvp, f, X, X)) == set(expected)
    assert set(warned(jacobian, f, X)) == set(expected)
    assert set(warned(jacobian, jacobian(f), X)) == set(expected)
    with np.errstate(all="ignore"):
        assert warned(jacobian, f, X) == [] or "mean" in name
    for call in (f, jacobian(f)):
        with np.errstate(all="raise"), pytest.raises((FloatingPointError, RuntimeWarning)):
            call(X)


QUIET = {
    "sqrt at 0": lambda x: np.sqrt(x * 0),
    "log1p": lambda x: np.log1p(x * 0 - 1 + 1e-16),
    "power at 0": lambda x: (x * 0) ** 0.5,
    "abs at 0": lambda x: np.abs(x * 0),
    "norm at 0": lambda x: np.sqrt(np.sum((x * 0) ** 2)),
    "tanh far out": lambda x: np.tanh(x * 1e3),
    "exp underflow": lambda x: np.exp(-1e3 - x),
    "hypot at 0": lambda x: np.hypot(x * 0, x * 0),
    "std of equals": lambda x: np.std(x * 0),
    "prod with zeros": lambda x: np.prod(x * np.array([0.0, 1.0, 0.0])),
    "where": lambda x: np.where(x > 0, np.sqrt(np.abs(x)), 0.0),
    "cbrt at 0": lambda x: np.cbrt(x * 0),
    "arctan2 at 0": lambda x: np.arctan2(x * 0, x * 0),
    "zero to the zero": lambda x: (x * 0) ** (x * 0),
}


@pytest.mark.parametrize("name", QUIET)
def test_partials_make_no_noise(name):
    f = QUIET[name]
    with np.errstate(all="raise", under="ignore"):
        f(X)
        for op in (lambda: jvp(f, X, X), lambda: jacobian(f, X), lambda: jacobian(jacobian(f), X)):
            op()
    g = lambda t: np.sum(f(np.array([1.0, 2.0, -1.0]) * t))
    with np.errstate(all="raise", under="ignore"):
        derivative(g, 1.0)
        derivative(derivative(g), 1.0)


def test_errstate_is_left_as_it_was():
    before = np.geterr()
    gradient(lambda x: np.sum(np.sqrt(x * 0)), X)
    with pytest.raises(ZeroDivisionError):
        gradient(lambda x: x / 0, 1.0)
    assert np.geterr() == before


# -- constants and empty arrays ----------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore::dualdiff.ConstantResultWarning")
def test_constant_results_give_zeros_of_the_right_shape_and_dtype():
    for constant in (3, 3.0, np.int64(3), np.float64(3.0), True):
        assert derivative(lambda x, c=constant: c, 2.0) == 0.0
        np.testing.assert_array_equal(gradient(lambda x, c=constant: c, X), np.zeros(3))
    for constant in (np.ones((2, 2)), np.arange(4).reshape(2, 2), [[1, 2], [3, 4]], np.ones((2, 2)) > 0):
        J = jacobian(lambda x, c=constant: c, X)
        assert J.shape == (2, 2, 3)
        assert J.dtype == np.float64
        assert not J.any()
    assert jacobian(lambda x: np.ones(2, np.float32), X).dtype == np.float32
    assert jacobian(lambda x: 1j, X).dtype == np.complex128
    assert jvp(lambda x: np.ones(2, np.float32), X, X)[1].dtype == np.float32
    np.testing.assert_array_equal(hessian(lambda x: np.sum(x), X), np.zeros((3, 3)))
    np.testing.assert_array_equal(hessian(lambda x: 1.0, X), np.zeros((3, 3)))
    np.testing.assert_array_equal(derivative(lambda x: 7.0 * np.ones(3), X), np.zeros(3))
    assert jvp(lambda x: (x[0], 3, {"a": [1, 2]}), X, X)[1][1] == 0.0


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_empty_x_gives_an_empty_result_and_calls_f_once(shape):
    calls = []

    def f(x):
        calls.append(x.shape)
        return np.ones(4) * np.sum(x)

    x = np.zeros(shape)
    assert jacobian(f, x).shape == (4, *shape)
    assert gradient(lambda x: f(x)[0], x).shape == shape
    assert hessian(lambda x: f(x)[0], x).shape == shape + shape
    assert calls == [shape] * 3
    assert derivative(lambda x: x**2, x).shape == shape
    assert jvp(f, x, x)[1].shape == (4,)


# -- functions that depend on the value only ---------------------------------------------------------------------------
def test_comparisons_and_bool_go_by_value():
    x = Dual(2.0, 1.0)
    assert x == 2.0
    assert x == Dual(2.0, -5.0)
    assert x != 3
    assert 1 < x <= 2.0 < Dual(3.0, 0.0)
    assert max(x, 1.0) is x
    assert sorted([x, 1.0, Dual(-1.0, 0.0)])[0] == -1.0
    assert bool(x)
    assert not Dual(0.0, 1.0)
    assert (x == "a") is False
    assert (x is None) is (x == None) is False  # noqa: E711 - the case
    with pytest.raises(TypeError):
        x < "a"  # noqa: B015 - the case
    y = DualArray([1.0, 3.0], [1.0, 1.0])
    assert (y > 2).tolist() == [False, True]
    assert type(y > 2) is np.ndarray
    with pytest.raises(ValueError, match="truth value"):
        bool(y)
    assert derivative(lambda t: t if t > 1 else -t, 0.5) == -1.0


STEPS = (
    np.floor,
    np.ceil,
    np.rint,
    np.trunc,
    np.sign,
    np.round,
    np.fix,
    lambda x: x // 0.3,
    lambda x: np.heaviside(x, 0.5),
)


@pytest.mark.parametrize("step", STEPS)
def test_step_functions_have_zero_tangent(step):
    np.testing.assert_array_equal(jacobian(step, X), np.zeros((3, 3)))
    np.testing.assert_array_equal(jvp(step, X, X)[0], step(X))
    assert derivative(step, 0.7) == 0.0
    np.testing.assert_array_equal(jacobian(lambda x: x * step(x), X), np.diag(step(X)))


@pytest.mark.skipif(not NUMPY_2_5, reason="an older NumPy does not warn")
def test_fix_is_deprecated_for_duals_as_for_arrays():
    for x in (X, DualArray(X), Dual(0.7, 1.0)):
        with pytest.warns(DeprecationWarning, match=r"^numpy\.fix is deprecated\. Use numpy\.trunc"):
            np.fix(x)


def test_isnan_argmax_and_other_questions():
    def f(x):
        i = np.argmax(x)
        assert type(i) is np.intp
        assert not np.isnan(x).any()
        assert np.isfinite(x).all()
        assert np.allclose(x, X)
        assert np.signbit(x).tolist() == [False, False, True]
        return x[i] ** 2

    np.testing.assert_array_equal(gradient(f, X), [0.0, 2 * X[1], 0.0])
    assert gradient(lambda x: x[0] if np.isscalar(x[0]) and np.ndim(x[0]) == 0 else 0.0, X)[0] == 1.0


# -- x mutated inside f ------------------------------------------------------------------------------------------------
MUTATIONS = {
    "x[0] = 0": (lambda x: x.__setitem__(0, 0.0), lambda x: np.stack([0 * x[0], x[1], x[2]])),
    "x *= 2": (lambda x: x.__imul__(2), lambda x: 2 * x),
    "x[:] = x[::-1]": (lambda x: x.__setitem__(slice(None), x[::-1]), lambda x: x[::-1]),
    "x -= x[0]": (lambda x: x.__isub__(x[0] * x[1]), lambda x: x - x[0] * x[1]),
    "x[1:] += x[:-1]": (lambda x: x[1:].__iadd__(x[:-1]), lambda x: np.stack([x[0], x[0] + x[1], x[1] + x[2]])),
    "x.sort()": (lambda x: x.sort(), np.sort),
    "x.fill": (lambda x: x.fill(x[1]), lambda x: np.stack([x[1]] * 3)),
    "np.exp(out=x)": (lambda x: np.exp(x, out=x), np.exp),
    "np.negative(x, x)": (lambda x: np.negative(x, x), lambda x: -x),
    "x.flat": (lambda x: setattr(x, "flat", [1.0, x[0], 2.0]), lambda x: np.stack([1.0, x[0], 2.0])),
    "x.real": (lambda x: setattr(x, "real", 3 * x), lambda x: 3 * x),
    "x **= 2": (lambda x: x.__ipow__(2), lambda x: x**2),
    "x /= x.sum()": (lambda x: x.__itruediv__(x.sum()), lambda x: x / np.sum(x)),
    "x.put": (lambda x: x.put([0, 2], x[1]), lambda x: np.stack([x[1]] * 3)),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_x_mutated_inside_f(name):
    mutate, plain = MUTATIONS[name]

    def f(x):
        mutate(x)
        return x * x

    g = lambda x: plain(x) ** 2
    x = X.copy()
    for op in (
        lambda f: jacobian(f, x),
        lambda f: jacobian(f, x, chunk_size=1),
        lambda f: jacobian(jacobian(f), x),
        lambda f: jvp(f, x, x)[1],
        lambda f: jvp(f, x, x)[0],
        lambda f: hessian(lambda x: np.sum(f(x)), x),
        lambda f: dd.vjp(f, x)[1](x),
    ):
        np.testing.assert_allclose(op(f), op(g), rtol=1e-13)
        np.testing.assert_array_equal(x, X)


def test_containers_mutated_inside_f():
    x = {"a": X.copy(), "b": (X[:2].copy(), 1.5)}

    def f(p):
        p["a"] *= 2
        p["b"][0][0] = p["b"][1]
        total = np.sum(p["a"] ** 2) + np.sum(p["b"][0] ** 2)
        p["a"] = None
        return total

    g = gradient(f, x)
    np.testing.assert_allclose(g["a"], 8 * X)
    np.testing.assert_allclose(g["b"][0], [0.0, 2 * X[1]])
    assert g["b"][1] == 3.0
    np.testing.assert_array_equal(x["a"], X)
    np.testing.assert_array_equal(x["b"][0], X[:2])


def test_other_arguments_are_passed_unchanged():
    a, log = X.copy(), []

    def f(x, a, log):
        log.append(a)
        return np.sum(x * a)

    gradient(f, X, a, log)
    assert log[0] is a


# -- pickle, copy, repr, format ----------------------------------------------------------------------------------------
def handmade():
    x = DualArray([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.5, -1.0]])
    return [Dual(3.0, 1.0), Dual(1 + 2j, 1j), Dual(np.float32(1.5), 2.0), x, x[0], x.T, x[0, 1], DualArray(3.0)]


@pytest.mark.parametrize("i", range(8))
def test_pickle_and_copies(i):
    x = handmade()[i]
    for again in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x), copy.deepcopy([x, x])[1]):
        assert isinstance(again, type(x))
        np.testing.assert_array_equal(dd.value(again), dd.value(x))
        np.testing.assert_array_equal(dd.tangent(again), dd.tangent(x))
        assert again.dtype == x.dtype
        product = again * x
        np.testing.assert_array_equal(dd.tangent(product), dd.tangent(x * x))


def test_a_copy_is_independent_of_its_original():
    for duplicate in (copy.copy, copy.deepcopy, np.copy, lambda x: x.copy(), lambda x: pickle.loads(pickle.dumps(x))):

        def f(x, duplicate=duplicate):
            y = x * x
            z = duplicate(y)
            y[0] = x[2]
            z[1] = 5.0
            return np.stack([y, z])

        J = jacobian(f, X)
        np.testing.assert_array_equal(J[0], [[0, 0, 1], [0, 2 * X[1], 0], [0, 0, 2 * X[2]]])
        np.testing.assert_array_equal(J[1], [[2 * X[0], 0, 0], [0, 0, 0], [0, 0, 2 * X[2]]])


def test_pickle_inside_a_call():
    again = lambda x: pickle.loads(pickle.dumps(x))
    f = lambda x: np.sum(again(x) ** 2 * x)
    np.testing.assert_allclose(gradient(f, X), 3 * X**2)
    np.testing.assert_allclose(hessian(f, X), np.diag(6 * X))
    np.testing.assert_allclose(derivative(lambda x: again(x) ** 2 * x, X), 3 * X**2)
    np.testing.assert_allclose(jvp(f, X, X)[1], np.sum(3 * X**3))
    assert derivative(lambda t: again(t) * t, 3.0) == 6.0
    assert derivative(derivative(lambda t: again(t) ** 2 * t), 3.0) == 18.0
    view = lambda x: again(x[1:])
    np.testing.assert_array_equal(jacobian(lambda x: view(x) * x[1:], X), np.diag(2 * X)[1:])


@pytest.mark.filterwarnings("ignore::dualdiff.ConstantResultWarning")
def test_repr_and_format():
    assert repr(Dual(3.0, 1.0)) == "Dual(3.0, 1.0)"
    assert str(Dual(3, 1)) == "Dual(3.0, 1.0)"
    assert repr(Dual(np.float64(0.5), 1.0)) == "Dual(0.5, 1.0)"
    assert f"{Dual(1 / 3, 2.0):.3f}" == "Dual(0.333, 2.000)"
    assert f"{Dual(1 / 3, 2.0)!r:>20}" == f"{'Dual(0.3333333333333333, 2.0)':>20}"
    assert "%s" % Dual(1.0, 2.0) == "Dual(1.0, 2.0)"  # noqa: UP031 - the case
    x = DualArray([1 / 3, 2.0], [1.0, 0.0])
    with np.printoptions(precision=3):
        assert repr(x) == "DualArray([0.333, 2.   ], tangent=[1., 0.])"
        assert f"{x}" == str(x) == repr(x)
    assert repr(DualArray([1.0])) == "DualArray([1.], tangent=0)"
    assert "\n" in repr(DualArray(np.ones((2, 2)), np.ones((2, 2))))
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{x:.2f}"
    with pytest.raises(ValueError, match="Unknown format code"):
        f"{Dual(1.0, 2.0):zz}"
    seen = []
    gradient(lambda t: seen.append((repr(t), f"{t[0]:.1f}")) or 0.0, X)
    assert seen[0][0].startswith("DualArray([ 0.7,  1.9, -1.1],\n          tangent=[[1., 0., 0.],")
    assert seen[0][1] == "Dual(0.7, [1.0, 0.0, 0.0])"
    derivative(derivative(lambda t: seen.append(repr(t)) or t), 3.0)
    assert seen[1] == "Dual(Dual(3.0, 1.0), 1.0)"


def test_format_in_every_space():
    seen = []
    f = lambda x: seen.append((f"{x[0]:.2f}", repr(x), str(x[0]))) or np.sum(x)
    gradient(f, X, mode="reverse")
    jacobian(f, X, sparse=True)
    derivative(lambda t: seen.append((f"{t[0]:.2f}", repr(t), str(t[0]))) or t, X)
    assert seen[0] == ("Dual(0.70, <step 1 of a record: gather>)", *seen[0][1:])
    assert seen[1][0].startswith(f"Dual(0.70, {SPARSE_TEXT}")
    assert seen[2][0] == "Dual(0.70, 1.00)"


def test_duals_built_by_hand():
    x = Dual(3, 1)
    assert (x.value, x.tangent, x.dtype, x.shape, x.ndim, x.size) == (3.0, 1.0, np.float64, (), 0, 1)
    assert dd.tangent(x**2 + np.sin(x)) == 6.0 + math.cos(3.0)
    y = DualArray([1, 2], [1, 0])
    assert (y.dtype, y.shape, len(y), y.nbytes, y.itemsize) == (np.float64, (2,), 2, 16, 8)
    np.testing.assert_array_equal((x * y).tangent, [4.0, 2.0])
    assert DualArray([1.0]).tangent.tolist() == [0.0]
    for wrong, match in (
        (lambda: Dual("a"), "takes scalars"),
        (lambda: Dual(True), "takes scalars"),
        (lambda: Dual([1.0]), "use DualArray"),
        (lambda: Dual(1.0, [1.0]), "use DualArray"),
        (lambda: Dual(1.0, 1j), "cannot be complex"),
        (lambda: Dual(Dual(1.0)), "nest dualdiff.derivative"),
        (lambda: DualArray(["a"]), "takes numeric values"),
        (lambda: DualArray([True]), "takes numeric values"),
        (lambda: DualArray([1.0], [1j]), "cannot be complex"),
        (lambda: DualArray([x]), "takes numeric values"),
    ):
        with pytest.raises(TypeError, match=match):
            wrong()
    with pytest.raises(ValueError, match=r"the tangent has shape \(1,\), but the value has shape \(2,\)"):
        DualArray([1.0, 2.0], [1.0])
    given = np.array([1.0, 2.0])
    array = DualArray(given, given)
    array[0] = 5.0
    np.testing.assert_array_equal(given, [1.0, 2.0])


@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv])
@pytest.mark.parametrize("c", [2.0, -0.0, 1e308, 5e-324, math.inf, math.nan])
def test_a_float64_on_the_left_is_an_operand_like_others(op, c):
    # NumPy calls a ufunc for it, which took sixty times as long as a float.
    for x in 0.0, 0.7, -1e10:
        for kind in float, np.float64:
            with np.errstate(all="ignore"):
                found = jvp(lambda x: op(np.float64(c), x), kind(x), 1.0)
                expected = jvp(lambda x: op(np.full(1, c), x)[0], kind(x), 1.0)
            assert [type(v) for v in found] == [np.float64, np.float64]
            np.testing.assert_array_equal(found, expected)
