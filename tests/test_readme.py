"""The README: every block of Python runs, in order, and every command prints what is shown."""

import contextlib
import doctest
import importlib.util
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from dualdiff import derivative, gradient, hvp, jacobian
from dualdiff.__main__ import main

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
OPTIONS = doctest.NORMALIZE_WHITESPACE


def blocks(language):
    """The code blocks in a language: the number of their first line, and the text."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)
    return [(TEXT.count("\n", 0, match.start(1)), match[1]) for match in found]


def commands():
    """What is typed after a dollar sign, and what is printed below it."""
    examples = [example for _, text in blocks("console") for example in re.split(r"^\$ ", text, flags=re.M)[1:]]
    return [tuple(example.split("\n", 1)) for example in examples]


def test_python_blocks():
    """One namespace for all of them, as for a reader who types them in; without Numba those that need none."""
    has_numba = importlib.util.find_spec("numba") is not None
    namespace = {}
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    output = io.StringIO()
    for line, text in blocks("python"):
        if not has_numba and ("numba" in text or "njit" in text):
            continue
        if text.startswith(">>>"):
            example = doctest.DocTestParser().get_doctest(text, namespace, "README.md", "README.md", line)
            runner.run(example, out=output.write, clear_globs=False)
            namespace = example.globs
        else:
            exec(compile("\n" * line + text, "README.md", "exec"), namespace)
    assert not runner.failures, output.getvalue()
    assert runner.tries > 50


def test_comparison():
    """dualdiff's column of the table of special cases."""
    assert derivative(lambda x: np.where(x > 0, np.sqrt(x), 0 * x), 0.0) == 0
    assert derivative(lambda x: np.sqrt(x * x), 0.0) == 0
    np.testing.assert_array_equal(gradient(np.prod, np.array([0.0, 0.0, 3.0])), 0.0)
    assert gradient(lambda x: np.sqrt(x @ x), np.zeros(2)).tolist() == [0.0, 0.0]


def test_scipy_callers():
    """What is said to work with SciPy, beside what is shown."""
    integrate, optimize = pytest.importorskip("scipy.integrate"), pytest.importorskip("scipy.optimize")
    rosen, start = optimize.rosen, np.array([1.3, 0.7])
    found = optimize.minimize(rosen, start, method="Newton-CG", jac=gradient(rosen), hessp=hvp(rosen))
    np.testing.assert_allclose(found.x, 1.0, atol=1e-4)
    f = lambda x: np.stack([x[0] ** 2 - 2, x[0] * x[1] - 1])
    np.testing.assert_allclose(optimize.root(f, start, jac=jacobian(f)).x, [2**0.5, 0.5**0.5])
    np.testing.assert_allclose(optimize.least_squares(f, start, jac=jacobian(f)).x, [2**0.5, 0.5**0.5])
    decay = lambda t, y: -(y**2)
    solution = integrate.solve_ivp(
        decay, (0.0, 1.0), [1.0], method="Radau", jac=jacobian(decay, argnum=1), rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(solution.y[0, -1], 0.5, rtol=1e-6)


@pytest.mark.parametrize(("command", "shown"), commands())
def test_command(command, shown, capsys):
    """The command line prints what the README shows, blank line and all."""
    program, *arguments = shlex.split(command)
    assert program == "dualdiff"
    assert main(arguments) == 0
    assert capsys.readouterr().out.rstrip("\n") == shown.rstrip("\n")


def test_every_block_is_of_a_known_kind():
    """Nothing is shown that is neither run here nor one of the set-up commands."""
    kinds = re.findall(r"^```(\w*)$", TEXT, re.M)
    assert set(kinds[::2]) == {"python", "console", "sh"}
    assert set(kinds[1::2]) == {""}
    assert [text for _, text in blocks("sh")] == [
        "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/dualdiff 'x**3 + 2*x' --at 3\n",
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/pytest\n",
    ]


def test_first_block_needs_numpy_alone():
    """It is run on its own after an installation without extras."""
    _, first = blocks("python")[0]
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()) as output:
        example = doctest.DocTestParser().get_doctest(first, namespace, "README.md", None, 0)
        assert doctest.DocTestRunner().run(example).failed == 0, output.getvalue()
    assert "scipy" not in first
    assert "29.0" in first


def test_links_lead_somewhere():
    """Files exist, and headings that are linked to."""
    headings = re.findall(r"^#+ (.*)$", TEXT, re.M)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("http"):
            assert (ROOT / target).exists(), target
    assert {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")} <= set(
        re.findall(r"\]\(([^)]+)\)", TEXT)
    )
