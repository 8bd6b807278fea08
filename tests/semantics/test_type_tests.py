"""Tests of type answer for a dual as they answer for its value, so that f takes the branch that it takes for floats."""

from __future__ import annotations

import ast
import collections.abc
import contextlib
import copy
import functools
import numbers
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import Dual, DualArray, derivative, gradient, hessian, jacobian, jvp, nth_derivative
from dualdiff.core.dual import SCALARS, AnyDual

PACKAGE = Path(dd.__file__).parent

#: What stands for what may be differentiated: scalars and arrays of every kind.
POINTS = {
    "float": 2.0,
    "float64": np.float64(2.0),
    "float32": np.float32(2.0),
    "float16": np.float16(2.0),
    "complex": 2.0 + 1.0j,
    "complex128": np.complex128(2.0 + 1.0j),
    "complex64": np.complex64(2.0 + 1.0j),
    "array": np.array([1.0, 2.0, 3.0]),
    "matrix of two axes": np.ones((2, 3)),
    "array without axes": np.array(2.0),
    "array of float32": np.ones(2, np.float32),
    "array of complex": np.ones(2, complex),
    "empty array": np.ones(0),
}

#: The types that functions ask for.
TYPES = (
    *(float, int, complex, bool, str, list, tuple, dict),
    *(np.ndarray, np.generic, np.number, np.inexact, np.floating, np.complexfloating, np.integer),
    *(
        np.float64,
        np.float32,
        np.float16,
        np.complex128,
        np.complex64,
        np.int64,
        np.bool_,
        np.matrix,
        np.ma.MaskedArray,
    ),
    *(numbers.Number, numbers.Complex, numbers.Real, numbers.Rational, numbers.Integral),
    *(collections.abc.Sequence, collections.abc.Mapping, collections.abc.Sized, collections.abc.Iterable),
    *(float | int, np.ndarray | np.generic, (int, float), (list, tuple, np.ndarray)),
)


@functools.singledispatch
def dispatched(x):
    return "object"


for _kind in (float, complex, np.ndarray, np.generic, np.floating, np.float64, numbers.Real, list):
    dispatched.register(_kind, lambda x, _kind=_kind: _kind.__name__)


def matched(x):
    match x:
        case np.float64():
            return "np.float64"
        case float(y):
            return "float", y is x
        case complex():
            return "complex"
        case np.ndarray(shape=(n,)):
            return "ndarray of one axis", n
        case np.ndarray():
            return "ndarray"
        case np.generic():
            return "generic"
        case [*_]:
            return "sequence"
        case _:
            return "anything"


#: What functions ask about x.
QUESTIONS = {
    **{f"isinstance(x, {kind})": lambda x, kind=kind: isinstance(x, kind) for kind in TYPES},
    "x.__class__": lambda x: x.__class__,
    "issubclass(x.__class__, float)": lambda x: issubclass(x.__class__, float),
    "singledispatch": dispatched,
    "match": matched,
    "np.issubdtype(np.result_type(x), np.floating)": lambda x: np.issubdtype(np.result_type(x), np.floating),
    "np.isscalar": np.isscalar,
    "np.isrealobj": np.isrealobj,
    "np.iscomplexobj": np.iscomplexobj,
    "np.ndim": np.ndim,
    "np.shape": np.shape,
    "hasattr(x, '__len__')": lambda x: hasattr(x, "__len__"),
    "hasattr(x, '__iter__')": lambda x: hasattr(x, "__iter__"),
    "callable": callable,
}


def sees(f, x):
    """What f answers inside each kind of differentiation, one and two calls deep."""
    found = []

    def ask(z):
        found.append(f(z))
        return np.sum(z * z)

    along = np.ones_like(x)[()]
    jvp(ask, x, along)
    dd.vjp(ask, x)
    dd.linearize(ask, x)
    gradient(ask, x, mode="forward")
    gradient(ask, x, mode="reverse")
    jacobian(ask, x, mode="forward", chunk_size=1)
    if not np.iscomplexobj(x):
        dd.jacobian_sparsity(ask, x)
        hessian(ask, x)
        hessian(ask, x, mode="reverse")
        jvp(lambda y: jvp(ask, y, along)[1], x, along)
        if not np.ndim(x):
            derivative(ask, x)
            nth_derivative(ask, x, 3)
    return found


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("point", POINTS)
def test_the_answer_is_the_one_for_the_value(point, question):
    x, f = POINTS[point], QUESTIONS[question]
    found = sees(f, x)
    assert len(found) >= 6
    assert set(map(str, found)) == {str(f(x))}, found


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_element_answers_as_the_element_does(question):
    f, x = QUESTIONS[question], np.array([1.0, 2.0])
    for mode in "forward", "reverse":
        found = []
        gradient(lambda z, found=found: found.append(f(z[0])) or z[0] * z[1], x, mode=mode)
        assert set(map(str, found)) == {str(f(x[0]))}


@pytest.mark.parametrize("x", [Dual(2.0, 1.0), Dual(np.float64(2.0), 1.0), Dual(2j, 1.0), DualArray([1.0], [1.0])])
def test_a_dual_is_a_dual_as_well(x):
    kind = DualArray if np.ndim(x) else Dual
    assert isinstance(x, kind)
    assert isinstance(x, AnyDual)
    assert not isinstance(x, Dual if np.ndim(x) else DualArray)
    assert isinstance(x, kind | None)
    for same in (copy.copy(x), copy.deepcopy(x), *(pickle.loads(pickle.dumps(x, p)) for p in range(6))):
        assert isinstance(same, kind)
        assert same.__class__ is x.__class__
        np.testing.assert_array_equal(same.tangent, x.tangent)


def test_duals_are_told_from_values_by_their_types():
    """type(x) is what cannot answer for the value."""
    assert derivative(lambda x: x**2 if type(x) is float else x**3, 2.0) == 12.0
    assert all(issubclass(kind, AnyDual) for kind in SCALARS)
    assert all(kind.__name__.endswith(("Dual", "Series", "UFloat")) for kind in SCALARS)


def branching(test):
    return lambda x: x**2 if test(x) else x**3


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (branching(lambda x: isinstance(x[0], float)), [2.0], [4.0]),
        (branching(lambda x: isinstance(x, np.ndarray)), np.array([2.0]), [4.0]),
        (branching(lambda x: isinstance(x[0], (float, np.floating))), np.array([2.0]), [4.0]),
        (branching(lambda x: x.dtype.kind == "f"), np.array([2.0]), [4.0]),
    ],
)
def test_both_engines_take_the_branch_of_the_value(f, x, expected):
    for options in ({"mode": "forward"}, {"mode": "reverse"}):
        np.testing.assert_array_equal(np.ravel(jacobian(f, x, **options)), expected)
        np.testing.assert_array_equal(gradient(lambda x: np.sum(f(x)), x, **options), expected)
    np.testing.assert_array_equal(hessian(lambda x: np.sum(f(x)), x), [[2.0]])


def test_functions_of_scalars_and_arrays_as_users_write_them():
    def area(r):
        if isinstance(r, (int, float)):
            return np.pi * r**2
        return np.sum(np.pi * np.asarray(r) ** 2)

    def wrapped(x):
        if not isinstance(x, np.ndarray):
            return wrapped(np.stack([x]))[0]
        return x**2

    def of_parameters(p):
        if isinstance(p["a"], float):
            return p["a"] ** 2
        if isinstance(p["a"], np.ndarray):
            return np.sum(p["a"] ** 2)
        raise TypeError

    assert derivative(area, 2.0) == 4 * np.pi
    assert derivative(wrapped, 2.0) == 4.0
    np.testing.assert_array_equal(jacobian(wrapped, np.array([2.0])), [[4.0]])
    assert gradient(of_parameters, {"a": 2.0})["a"] == 4.0
    np.testing.assert_array_equal(gradient(of_parameters, {"a": np.array([2.0])})["a"], [4.0])


def test_what_takes_floats_and_arrays_apart_still_raises():
    """The methods that floats and arrays have, and that would give plain values."""
    with pytest.raises(dd.LostDerivativeError, match="as_integer_ratio"):
        derivative(lambda x: x.as_integer_ratio()[0], 2.0)
    for name in ("hex", "fromhex"):
        with pytest.raises(AttributeError, match=name):
            derivative(lambda x, name=name: getattr(x, name), 2.0)
    for name in ("tobytes", "tofile", "data", "ctypes", "dump", "setflags", "__array_interface__", "__array_struct__"):
        with pytest.raises(AttributeError, match=name):
            gradient(lambda x, name=name: getattr(x, name), np.ones(2))
    for convert in (float.__add__, float.__float__, float.hex, complex.__abs__, np.ndarray.sum, np.ndarray.copy):
        with pytest.raises(TypeError):
            jacobian(lambda x, convert=convert: convert(x), np.ones(2))


def test_packages_that_take_floats_apart_get_none():
    """mpmath makes NaN of a float that it cannot convert."""
    mpmath, sympy = pytest.importorskip("mpmath"), pytest.importorskip("sympy")
    for x in 2.0, np.float64(2.0), 2j:
        for f in (mpmath.mpf, mpmath.mpmathify, sympy.sympify, sympy.Float, lambda t: mpmath.sin(t), sympy.sin):
            with pytest.raises((TypeError, ValueError, AttributeError, sympy.SympifyError)):
                derivative(f, x)
        for number in mpmath.mpf(2), mpmath.mpc(2), sympy.Float(2), sympy.Integer(2):
            with contextlib.suppress(TypeError, AttributeError):
                assert derivative(lambda t, number=number: number * t, x) == 2.0


@pytest.mark.parametrize("dtype", [None, float, np.ndarray])
def test_a_view_as_an_array_is_a_view(dtype):
    def f(x):
        y = 2.0 * x
        view = y.view() if dtype is None else y.view(dtype)
        view[0] = x[1] ** 2
        return y

    np.testing.assert_array_equal(jacobian(f, np.array([1.0, 3.0])), [[0.0, 6.0], [0.0, 2.0]])


def asked(path):
    """The tests of type in a file of the package that take duals in by their values, though they name no dual."""
    of_values = r"\b(np\.(ndarray|generic|number|inexact|\w*floating|float\d+|complex\d+)|float|complex|numbers\.\w+)\b"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            kinds = ast.unparse(node.args[1])
            if re.search(of_values, kinds) and "Dual" not in kinds:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}: {ast.unparse(node)}"


def test_the_package_itself_asks_types():
    """isinstance(x, np.ndarray) is true of a dual: plain arrays are those for which issubclass(type(x), ...) is."""
    assert [line for path in sorted(PACKAGE.rglob("*.py")) for line in asked(path)] == []
