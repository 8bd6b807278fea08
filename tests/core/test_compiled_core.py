"""The compiled scalar core: what is built, and that it gives what the interpreted one gives."""

from __future__ import annotations

import gc
import importlib.machinery
import inspect
import math
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import dualdiff
from dualdiff import Dual, DualArray, derivative, gradient
from dualdiff.base import native
from dualdiff.core.dual import AnyDual, Float64Dual, FloatDual, scalar_classes
from dualdiff.rules import ROWS
from dualdiff.rules.python import scalar_module
from dualdiff.rules.python.operators import BINARY, COMPARISONS, UNARY, UNARY_UFUNCS

ROOT = Path(__file__).resolve().parents[2]
is_compiled = pytest.mark.skipif(native.SCALARS is None, reason="the scalar core is interpreted")


@pytest.fixture(scope="module")
def source():
    return scalar_module.source()


# -- what is built ---------------------------------------------------------------------------------------------------


def test_the_core_is_compiled_if_that_was_asked_for():
    if "DUALDIFF_COMPILE" in os.environ:
        assert (native.SCALARS is not None) == (os.environ["DUALDIFF_COMPILE"] not in ("", "0"))


@is_compiled
def test_the_compiled_core_is_machine_code_of_this_table(source):
    file = native.SCALARS.__file__
    assert file.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES))
    assert f'DIGEST: Final = "{native.SCALARS.DIGEST}"' in source, f"{file} is of an older table: install again"
    assert all(native.is_compiled(cls) for cls in (FloatDual, Float64Dual, *scalar_classes(1), *scalar_classes(8)))
    assert not any(map(native.is_compiled, scalar_classes(9)))


def test_the_module_has_every_operator_and_every_function_of_the_table(source):
    for name in BINARY:
        assert source.count(f"    def __{name}__(") == source.count(f"    def __r{name}__(") == 1
    assert all(source.count(f"    def __{name}__(") == 1 for name in COMPARISONS)
    assert all(f"    def __{name}__(" in source for name in UNARY)
    assert all(f"def np_{row.name}(" in source for row in UNARY_UFUNCS if ROWS.get(row.name) is row)
    public = [row.name for row in ROWS.values() if row.arity == 1 and row.partials[0] is not None]
    assert all(f"\ndef {name}(" in source for name in public)


def test_the_module_is_readable(source):
    lines = source.splitlines()
    assert "            c = math.cos(x)" in lines or "        c = math.cos(x)" in lines
    compile(source, "scalars.py", "exec")


# -- the same results ------------------------------------------------------------------------------------------------


def results(form, tmp_path):
    """What the operators and functions of duals of floats give, with one form of the core."""
    output = tmp_path / "results.txt"
    with output.open("w", encoding="utf-8") as file:
        command = [sys.executable, "-m", "tests.core.scalar_results", str(form)]
        done = subprocess.run(
            command, stdout=file, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False, timeout=600
        )
    assert done.returncode == 0, done.stderr
    return output.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory):
    return results("none", tmp_path_factory.mktemp("interpreted"))


@pytest.mark.parametrize("form", ["source", pytest.param("compiled", marks=is_compiled)])
def test_results_warnings_and_errors_are_the_same_to_the_last_bit(form, source, interpreted, tmp_path):
    if form == "source":
        form = tmp_path / "scalars.py"
        form.write_text(source, encoding="utf-8")
    found = results(form, tmp_path)
    assert len(found) == len(interpreted) > 40_000
    different = [f"{a}\nbut interpreted {b}" for a, b in zip(found, interpreted, strict=True) if a != b]
    assert not different, "\n".join(different[:5])


# -- the classes -----------------------------------------------------------------------------------------------------


def seen(x):
    """What a float dual is to other code."""
    return {
        "class": type(x).__qualname__,
        "module": type(x).__module__,
        "tests": (isinstance(x, float), isinstance(x, Dual), isinstance(x, AnyDual), isinstance(x, np.floating)),
        "__class__": x.__class__,
        "bases": [base.__name__ for base in type(x).__mro__ if base.__name__ in ("AnyDual", "Dual", "object")],
        "dict": hasattr(x, "__dict__"),
        "shape": (x.shape, x.ndim, x.size, x.dtype),
        "bool": bool(x),
        "text": (repr(x), format(x, ".3f")),
    }


@pytest.mark.parametrize("kind", [float, np.float64])
def test_the_classes_look_as_they_are_written(kind):
    found = []
    derivative(lambda x: found.append(seen(x if kind is float else x + np.float64(0.0))) or x, 2.0)
    assert found == [
        {
            "class": "FloatDual" if kind is float else "Float64Dual",
            "module": "dualdiff.core.dual",
            "tests": (True, True, True, kind is np.float64),
            "__class__": kind,
            "bases": ["Dual", "AnyDual", "object"],
            "dict": False,
            "shape": ((), 0, 1, np.dtype(float)),
            "bool": True,
            "text": ("Dual(2.0, 1.0)", "Dual(2.000, 1.000)"),
        }
    ]


def test_unhashable_and_without_other_attributes():
    def f(x):
        with pytest.raises(TypeError, match="hash"):
            hash(x)
        with pytest.raises(AttributeError):
            x.other = 1
        with pytest.raises(TypeError):
            float(x)
        with pytest.raises(TypeError):
            x < "a"  # noqa: B015
        return x

    assert derivative(f, 2.0) == 1.0


def test_subclasses():
    class Named(Dual):
        __slots__ = ("name",)

    x = Named(3.0, 1.0)
    x.name = "x"
    assert isinstance(x, Dual)
    assert isinstance(x, float)
    y = x * x + np.sin(x)
    assert isinstance(y, Dual)
    assert (y.value, y.raw) == (9 + np.sin(3.0), 6 + np.cos(3.0))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_name_no_class_of_one_form(protocol):
    def f(p):
        s = p[0].item() * p[1]
        text = pickle.dumps([s, p[0], p], protocol)
        assert b"scalars" not in text
        copy = pickle.loads(text)
        assert type(copy[0]) is type(s)
        assert (copy[0].value, copy[0].raw) == (s.value, s.raw)
        return s * copy[0]

    assert gradient(f, np.array([2.0, 3.0]), mode="forward").tolist() == [36.0, 24.0]


def test_lanes_up_to_the_compiled_ones_and_beyond():
    for n in 1, 2, 3, 7, 8, 9, 12, 40:
        x = np.linspace(0.5, 1.5, n)

        def f(p):
            total = 0.0
            for e in p:
                total = total * 0.5 + dualdiff.sin(e.item()) * e / 3 - 2**e
            return total

        weights = 0.5 ** np.arange(n)[::-1]
        expected = weights * (np.cos(x) * x / 3 + np.sin(x) / 3 - np.log(2.0) * 2**x)
        np.testing.assert_allclose(gradient(f, x, mode="forward", chunk_size=n), expected, rtol=1e-13)


def test_the_same_tangent_twice_is_known_to_be_the_same():
    # The partials of x * x are added before they meet an infinite tangent.
    def f(x):
        s = np.sqrt(x)
        assert s.raw is s.raw
        return s * s

    assert math.isnan(derivative(f, 0.0)) or derivative(f, 0.0) == 1.0


def test_threads_do_not_disturb_each_other():
    errors = []

    def work(k):
        def f(x):
            s = x
            for _ in range(200):
                s = s * 0.5 + dualdiff.sin(x) / (1.0 + k)
            return s

        expected = derivative(f, 0.3)
        errors.extend(k for _ in range(50) if derivative(f, 0.3) != expected)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_nested_calls_do_not_confuse_their_tangents():
    f = lambda x: x * derivative(lambda y: x * y, 2.0)
    assert derivative(f, 3.0) == 6.0
    assert derivative(derivative(lambda x: dualdiff.exp(2.0 * x) * x), 0.5) == pytest.approx(6 * math.e)


def test_duals_are_freed():
    def f(x):
        s = 0.0
        for _ in range(1000):
            s = s + x * x
        return s

    derivative(f, 1.0)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        derivative(f, 1.0)
    gc.collect()
    assert len(gc.get_objects()) - before < 50


def test_public_functions_have_their_names_and_texts():
    for name in "sin", "log", "sqrt":
        function = getattr(dualdiff, name)
        assert (function.__name__, function.__module__) == (name, "dualdiff")
        assert "d/dx" in inspect.getdoc(function)
        assert pickle.loads(pickle.dumps(function)) is function


def test_arrays_keep_their_duals():
    x = DualArray(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    assert issubclass(type(x), AnyDual)
    assert (x * 2.0 + 1.0).tangent.tolist() == [2.0, 0.0]
    assert x[0].tangent == 1.0
