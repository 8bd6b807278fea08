"""Functions that replace NaN or leave them out: silent where they are data, and not where they were computed from x."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import dualdiff
from dualdiff import SingularPointWarning, derivative, gradient, hessian, jacobian, jvp
from tests.support.against import assert_same

MODES = {
    "dense": lambda f, x: jacobian(f, x, mode="forward"),
    "recorded": lambda f, x: jacobian(f, x, mode="reverse"),
    "sparse": lambda f, x: jacobian(f, x, sparse=True).toarray(),
    "single": lambda f, x: jvp(f, x, np.ones_like(x))[1],
    "nested": lambda f, x: jacobian(lambda y: jvp(f, y, np.ones_like(y))[1], x),
}
#: Every function of NumPy that does so, with what it needs beside the array.
FUNCTIONS = {
    "nan_to_num": {},
    **{f"nan{name}": {} for name in ("sum", "prod", "max", "min", "mean", "var", "std", "median", "cumsum", "cumprod")},
    "nanquantile": {"q": 0.4},
    "nanpercentile": {"q": 40.0},
}


def called(name, a):
    return np.atleast_1d(getattr(np, name)(a, **FUNCTIONS[name]))


def said(run):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with np.errstate(all="ignore"):
            result = run()
    return result, [w for w in found if issubclass(w.category, SingularPointWarning)]


def test_every_function_that_leaves_nan_out_is_here():
    of_places = {"nanargmax", "nanargmin"}
    assert {name for name in dir(np) if name.startswith("nan") and callable(getattr(np, name))} == {
        *FUNCTIONS,
        *of_places,
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_that_was_computed_from_x(name, mode):
    """r / norm(r) at r = 0, as in bundle adjustment, beside numbers."""

    def f(x):
        return called(name, np.concatenate([x[:2] / np.linalg.norm(x[:2]), x[2:]]))

    slopes, found = said(lambda: MODES[mode](f, np.array([0.0, 0.0, 3.0, 5.0, 4.0])))
    assert found
    message = str(found[0].message)
    assert message.startswith(f"numpy.{name} replaces or omits NaN that was computed from x")
    assert found[0].filename == __file__
    if mode not in ("single", "nested"):
        assert not np.any(np.reshape(slopes, (-1, 5))[:, :2])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("data", ["beside", "zero", "in x", "subtracted", "none"])
def test_nan_in_data_says_nothing(name, mode, data):
    def f(x):
        if data in ("none", "in x"):
            return called(name, x)
        if data == "subtracted":
            return called(name, x - np.array([0.0, np.nan, 1.0, 2.0]))
        gap = np.array([np.nan]) if data == "beside" else np.floor(x[:1]) * np.nan
        return called(name, np.concatenate([x, gap]))

    x = np.array([1.5, np.nan if data == "in x" else 3.0, 2.0, 4.0])
    assert said(lambda: MODES[mode](f, x))[1] == []


def test_one_warning_for_a_line_that_is_run_again():
    def f(x):
        return sum(np.sum(np.nan_to_num(x / np.linalg.norm(x))) for _ in range(5))

    with warnings.catch_warnings(record=True) as found, np.errstate(all="ignore"):
        warnings.simplefilter("default")
        assert_same(gradient(f, np.zeros(3)), np.zeros(3))
    assert [w.category for w in found] == [SingularPointWarning]


def test_scalars_and_complex_scalars():
    for f in (lambda x: np.nan_to_num(x / x), lambda x: np.nan_to_num(x / x * 1j).imag):
        slope, found = said(lambda f=f: derivative(f, np.float64(0.0)))
        assert slope == 0
        assert found
    bend, found = said(lambda: hessian(lambda x: np.nansum(x / np.linalg.norm(x)), np.zeros(2)))
    assert not bend.any()
    assert found


def test_the_class_is_public():
    assert issubclass(SingularPointWarning, UserWarning)
    assert SingularPointWarning.__module__ == "dualdiff"
    assert "SingularPointWarning" in dualdiff.__all__
    assert inspect.getdoc(SingularPointWarning)
