"""Plots: they draw what the library computes, on labelled axes, and refuse invalid arguments."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import dualdiff
from dualdiff import teaching
from tests.support.versions import docstring

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def cubic(x):
    return x**3 - 2 * x - 5


def valley(x):
    return (1 - x[0]) ** 2 + 8 * (x[1] - x[0] ** 2) ** 2


def ring(x):
    return x**2 * np.roll(x, 1) + np.roll(x, -1)


PLOTS = {
    "derivatives": lambda **ax: teaching.plot_derivatives(np.sin, 0, 6, 4, **ax),
    "step size": lambda **ax: teaching.plot_step_size(np.exp, 1.0, **ax),
    "sparsity": lambda **ax: teaching.plot_sparsity(np.eye(4), **ax),
    "colours": lambda **ax: teaching.plot_sparsity(np.eye(4), [0, 0, 1, 1], **ax),
    "newton": lambda **ax: teaching.plot_newton(cubic, 3.6, 4, **ax),
    "descent": lambda **ax: teaching.plot_descent(valley, [-1.2, 1.4], 0.01, 5, **ax),
}


def overlapping(ax):
    """The texts on the Axes that overlap."""
    ax.figure.canvas.draw()
    texts = [t for t in [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label] if t.get_text()]
    extents = [t.get_window_extent() for t in texts]
    return [
        (a.get_text(), b.get_text())
        for i, (a, p) in enumerate(zip(texts, extents, strict=True))
        for b, q in zip(texts[:i], extents[:i], strict=True)
        if p.overlaps(q)
    ]


@pytest.mark.parametrize("name", PLOTS)
def test_axes_are_labelled_and_returned(name):
    axes = np.ravel(PLOTS[name]())
    assert axes[-1].get_xlabel()
    for ax in axes:
        assert ax.get_ylabel()
        assert overlapping(ax) == []
    _, given = pyplot.subplots(len(axes), squeeze=False)
    assert list(np.ravel(PLOTS[name](ax=given if len(axes) > 1 else given[0, 0]))) == list(given[:, 0])


def line(ax, label):
    (found,) = [drawn for drawn in ax.lines if drawn.get_label() == label]
    return found


def test_derivatives_are_those_of_the_library():
    axes = teaching.plot_derivatives(np.sin, 0.0, 6.0, 2)
    for ax, expected in zip(axes, (np.sin, np.cos, lambda x: -np.sin(x)), strict=True):
        x, y = ax.lines[1].get_data()
        np.testing.assert_allclose(y, expected(x), atol=1e-15)
    with pytest.raises(ValueError, match="plot_derivatives to order 2 needs 3 Axes, not 1"):
        teaching.plot_derivatives(np.sin, 0.0, 6.0, 2, ax=axes[0])


def test_functions_with_branches_are_drawn_point_by_point():
    teaching.plot_derivatives(lambda x: x**2 if x > 1 else -x, 0.0, 2.0)


def test_finite_differences_are_a_v_above_the_dual_number():
    ax = teaching.plot_step_size(np.exp, 1.0, exact=float(np.exp(1.0)))
    floor = line(ax, "dual number (no step size)").get_ydata()[0]
    for label, best in (("forward difference", 1e-8), ("central difference", 1e-10)):
        error = line(ax, label).get_ydata()
        assert error.min() > floor
        assert error.min() < 10 * best
        assert error[0] > 1e-3 < error[-1]


def test_the_colouring_of_a_pattern():
    pattern = dualdiff.jacobian_sparsity(ring, np.ones(12))
    assert teaching.plot_sparsity(pattern).get_title() == "36 of 144 entries are nonzero"
    assert teaching.plot_sparsity(pattern, True).get_title() == "3 colours: 3 directions instead of 12"
    many = teaching.plot_sparsity(np.ones((12, 12)), np.arange(12))
    assert many.get_title() == "12 colours: 12 directions instead of 12"
    with pytest.raises(ValueError, match=r"12 columns need 12 colours, but colours has shape \(3,\)"):
        teaching.plot_sparsity(pattern, [1, 2, 3])
    with pytest.raises(ValueError, match=r"a pattern has rows and columns"):
        teaching.plot_sparsity(np.ones(3))


def test_newton():
    title = teaching.plot_newton(cubic, 3.6, 6).get_title()
    assert title.startswith("after 6 steps: x = 2.09455148154")
    with pytest.raises(ValueError, match="the tangent at x = 0 is horizontal"):
        teaching.plot_newton(lambda x: x**2 + 1, 0.0, 3)
    with pytest.raises(ValueError, match="steps must be a positive integer, not 0"):
        teaching.plot_newton(cubic, 3.6, 0)


def test_descent():
    ax = teaching.plot_descent(valley, [-1.2, 1.4], 0.012, 20)
    path = np.array(ax.lines[0].get_data()).T
    assert len(path) == 21
    np.testing.assert_allclose(np.ravel(line(ax, "minimum").get_data()), [1.0, 1.0], rtol=1e-6)
    first = np.array([-1.2, 1.4])
    np.testing.assert_allclose(path[1], first - 0.012 * dualdiff.gradient(valley, first))
    with pytest.raises(ValueError, match=r"functions of two variables, but x0 has shape \(3,\)"):
        teaching.plot_descent(valley, [1.0, 2.0, 3.0], 0.1)


@pytest.mark.parametrize(
    "f", [lambda x: x[0] ** 2 - x[1] ** 2, lambda x: x[0] + x[1], lambda x: (x[0] / 99 - 1) ** 2 + x[1] ** 2]
)
def test_descent_without_a_minimum_nearby_marks_none(f):
    ax = teaching.plot_descent(f, [1.0, 0.1], 0.05, 5)
    assert "minimum" not in [drawn.get_label() for drawn in ax.lines]


def test_descent_that_diverges_says_so():
    with np.errstate(all="ignore"):
        assert "(diverges)" in teaching.plot_descent(lambda x: x @ x, [1.0, 1.0], 1.5, 100).get_title()


def test_intervals():
    with pytest.raises(ValueError, match=r"plot_derivatives needs an interval with a < b, not \[2, 1\]"):
        teaching.plot_derivatives(np.sin, 2, 1)


@pytest.mark.parametrize("name", ["derivatives", "step size", "sparsity", "newton", "descent"])
def test_without_matplotlib_the_error_names_the_package(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install matplotlib"):
        PLOTS[name]()


def test_nothing_is_loaded_before_it_is_needed():
    code = (
        "import sys; from dualdiff.teaching import trace; import numpy as np;"
        "repr(trace(np.sin, 1.0)); trace(np.sin, 1.0)._repr_html_();"
        "assert not {'matplotlib', 'fast_sugiyama', 'scipy', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_is_shown_at_work():
    for name in teaching.__all__:
        thing = getattr(teaching, name)
        assert thing.__doc__
        if not isinstance(thing, type):
            assert "\nExamples\n--------\n>>> " in docstring(thing), name
