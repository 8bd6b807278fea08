"""The README: what it claims beside the code that it shows, which `test_pages` runs."""

import contextlib
import doctest
import importlib.util
import io
import re

import numpy as np
import pytest

from dualdiff import derivative, gradient, hvp, jacobian
from tests.support.pages import README, blocks, text


def test_addresses_on_other_sites():
    """What a release shows: figures by their addresses, and no link that is relative."""
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("build_hook", README.parent / ".ci" / "build_hook.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    there = hook.with_absolute_addresses(text(README), "https://example.org/it", "v1")
    assert '<img src="https://example.org/it/raw/v1/notebooks/figures/step_size.svg"' in there
    assert "](https://example.org/it/blob/v1/notebooks/index.md)" in there
    assert not re.findall(r"\]\((?!\w+:|#)|src=\"(?!https:)", there)
    assert hook.with_absolute_addresses(there, "https://example.org/it", "v1") == there


def test_comparison():
    """dualdiff's column of the table."""
    assert derivative(lambda x: np.where(x > 0, np.sqrt(x), 0 * x), 0.0) == 0
    assert derivative(lambda x: np.sqrt(x * x), 0.0) == 0
    np.testing.assert_array_equal(gradient(np.prod, np.array([0.0, 0.0, 3.0])), 0.0)
    assert gradient(lambda x: np.sqrt(x @ x), np.zeros(2)).tolist() == [0.0, 0.0]
    assigned = lambda x: [y := 1.0 * x, y.__setitem__(0, x[1]), np.sum(y)][-1]
    assert gradient(assigned, np.array([1.0, 2.0])).tolist() == [0.0, 2.0]
    halved = lambda x: x if x <= 1 else halved(x / 2)
    assert derivative(halved, 3.0) == 0.25


def test_comparison_with_scipy():
    """Functions of SciPy that are differentiated unchanged."""
    optimize, special = pytest.importorskip("scipy.optimize"), pytest.importorskip("scipy.special")
    x = np.array([1.3, 0.7, 0.8])
    np.testing.assert_allclose(gradient(optimize.rosen, x), optimize.rosen_der(x))
    np.testing.assert_allclose(derivative(special.gammaln, 2.5), special.digamma(2.5))


def test_scipy_callers():
    """The claims about SciPy, tested at points other than those shown."""
    integrate, optimize = pytest.importorskip("scipy.integrate"), pytest.importorskip("scipy.optimize")
    rosen, start = optimize.rosen, np.array([1.3, 0.7])
    solution = optimize.minimize(rosen, start, method="Newton-CG", jac=gradient(rosen), hessp=hvp(rosen))
    np.testing.assert_allclose(solution.x, 1.0, atol=1e-4)
    f = lambda x: np.stack([x[0] ** 2 - 2, x[0] * x[1] - 1])
    np.testing.assert_allclose(optimize.root(f, start, jac=jacobian(f)).x, [2**0.5, 0.5**0.5])
    np.testing.assert_allclose(optimize.least_squares(f, start, jac=jacobian(f)).x, [2**0.5, 0.5**0.5])
    decay = lambda t, y: -(y**2)
    solution = integrate.solve_ivp(
        decay, (0.0, 1.0), [1.0], method="Radau", jac=jacobian(decay, argnum=1), rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(solution.y[0, -1], 0.5, rtol=1e-6)


def test_installation():
    """The commands, of which `.ci/run` runs the first two in fresh clones."""
    assert [text for _, text in blocks(README, "sh")] == [
        "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/dualdiff 'x**3 + 2*x' --at 3\n",
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/pytest\n",
        ".venv/bin/pip install -q -e '.[docs]' && .venv/bin/sphinx-build -W notebooks build/site\n",
    ]


def test_first_block_needs_numpy_alone():
    """It is run by itself after an installation without extras."""
    _, first = blocks(README, "python")[0]
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()) as output:
        example = doctest.DocTestParser().get_doctest(first, namespace, "README.md", None, 0)
        assert doctest.DocTestRunner().run(example).failed == 0, output.getvalue()
    assert "scipy" not in first
    assert "29.0" in first


def test_it_stays_short():
    """It is read in ten minutes; the rest belongs on the pages under notebooks/."""
    assert text(README).count("\n") <= 250
