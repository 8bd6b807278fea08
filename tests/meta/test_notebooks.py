"""The course: what a notebook has to have, and its exercises, which know a right answer from a wrong one.

That every notebook runs is a test of its own, by nbmake, which collects the folder (see pyproject.toml); that no
outputs are stored is one of the house.
"""

import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from dualdiff.teaching import find
from tests.conftest import missing_for

plt = pytest.importorskip("matplotlib.pyplot")
for name in "fast_sugiyama", "scipy", "sklearn", "sympy":
    pytest.importorskip(name)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks" / "course"
NOTEBOOKS = sorted(FOLDER.rglob("*.ipynb"))
SOLUTIONS = sorted((FOLDER / "solutions").iterdir())

#: For each exercise an answer that a reader might well give, and that is wrong.
WRONG = {
    "01.1": lambda a: a**0.5,
    "01.2": [1.0, 0.5],
    "01.3": 0,
    "02.1": 1e-8,
    "02.2": lambda f, x: np.imag(f(x + 1e-4j)) / 1e-4,
    "02.3": lambda x: x**3,
    "03.1": lambda x, steps: (x, 1.0),
    "03.2": 4,
    "03.3": 768,
    "04.1": lambda u, v: type(u)(u.value / v.value, u.tangent / v.tangent if v.tangent else u.tangent),
    "04.2": lambda x: type(x)(x.value**0.5, 0.5 / x.value**0.5),
    "04.3": lambda a, b: np.array([[a, b], [b, a]]),
    "05.1": [2.0, np.e, 3 * np.e],
    "05.2": 32,
    "05.3": "v2",
    "06.1": [1.0, np.e],
    "06.2": 2**50,
    "06.3": lambda t: {step.name: 1.0 for step in t.steps},
    "07.1": np.array([1.0, 0.0]),
    "07.2": 1000 // 48,
    "07.3": lambda f, x: 1.0,
    "08.1": (1, 2),
    "08.2": ("forward", 1.2),
    "08.3": lambda f, x: f(x),
    "09.1": 0.25,
    "09.2": -2.0,
    "09.3": np.array([1.0, 2.0]),
    "10.1": 1.0,
    "10.2": lambda network, image: image,
    "10.3": 4,
    "11.1": lambda residual, b: b,
    "11.2": lambda p: p,
    "11.3": lambda residual, b: np.zeros((2, 2)),
    "12.1": 2,
    "12.2": 2,
    "12.3": lambda row, column: (row + column) % 5,
    "13.1": 9,
    "13.2": np.array([0.0, 1.0]),
    "13.3": lambda f, x: x,
    "14.1": 40,
    "14.2": lambda x: x ** (1 / 3),
    "15.1": lambda x: np.cumsum(x),
    "15.2": lambda x: np.maximum(x, 0),
    "15.3": lambda x: abs(x),
    "16.1": 512,
    "16.2": lambda x: np.log(x),
    "16.3": lambda f, x: 1.0,
}


def cells(path, kind):
    """The cells of a kind, as JSON."""
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def sources(path, kind="code"):
    """The texts of the cells of a kind."""
    return ["".join(cell["source"]) for cell in cells(path, kind)]


def executed(path):
    """The names that a notebook defines."""
    namespace = {"__name__": path.stem}
    for number, text in enumerate(sources(path)):
        exec(compile(text, f"{path.name}, code {number}", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_exercises(path, monkeypatch):
    """Not answered, the solution, a wrong answer, and nonsense."""
    for name in missing_for(path):
        pytest.importorskip(name)
    # Figures that other tests have left open: matplotlib 3.9 warns that it closes them.
    plt.close("all")
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    namespace = executed(path)
    solutions = runpy.run_path(str(FOLDER / "solutions" / f"{path.stem}.py"))

    numbers = sorted(name.removeprefix("exercise_") for name in namespace if name.startswith("exercise_"))
    assert numbers in (["1", "2"], ["1", "2", "3"])
    for k in numbers:
        exercise = namespace[f"exercise_{k}"]
        assert exercise is find(f"{path.name[:2]}.{k}")
        assert namespace[f"answer_{k}"] is ...
        assert exercise.check(...).state == "not answered"
        result = exercise.check(solutions[f"answer_{k}"])
        assert result.state == "correct", result
        for answer in WRONG[exercise.name], "a guess", -17, [], lambda: None, lambda *args: 1 / 0, object():
            result = exercise.check(answer)
            assert result.state == "keep working", (result, answer)
            assert result.message


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestFiles:
    """What can be seen without running them."""

    def test_kernel(self, path):
        document = json.loads(path.read_text(encoding="utf-8"))
        assert document["metadata"]["kernelspec"]["name"] == "python3"
        assert document["nbformat"] == 4
        ids = [cell["id"] for cell in document["cells"]]
        assert len(set(ids)) == len(ids)
        assert not document["metadata"].get("execution")

    def test_checkers_are_folded_and_answers_alone(self, path):
        """The cell for an answer shows neither the answer nor pages of data."""
        for cell in cells(path, "code"):
            text = "".join(cell["source"])
            # Of a folded cell the first line is seen.
            is_folded = text.startswith(("# The checker of exercise ", "# Data: "))
            assert is_folded or "Exercise(" not in text
            assert cell["metadata"] == ({"jupyter": {"source_hidden": True}} if is_folded else {})
            if "answer_" in text:
                assert re.fullmatch(r"answer_(\d) = \.\.\.\nexercise_\1\.check\(answer_\1\)", text)
        assert f"(solutions/{path.stem}.py)" in "".join(sources(path, "markdown"))

    def test_figure_assert_and_exercises(self, path):
        code = "\n".join(sources(path))
        assert "plt.show()" in code
        assert "assert" in code
        assert "exercise_2.check(answer_2)" in code
        assert sources(path, "markdown")[0].startswith("# ")

    def test_nothing_is_installed_or_skipped(self, path):
        for cell in cells(path, "code"):
            text = "".join(cell["source"])
            assert not text.lstrip().startswith(("!", "%"))
            assert "pip install" not in text

    def test_links_lead_somewhere(self, path):
        for text in sources(path, "markdown"):
            for part in text.split("](")[1:]:
                target = part.split(")")[0]
                assert target.startswith("http") or (path.parent / target).exists(), target


def test_none_is_left_out():
    """pytest runs the whole folder, and nothing tells it to pass over a file."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert "--nbmake" in options["addopts"]
    assert "notebooks" in options["testpaths"]
    assert not [option for option in options["addopts"] if option.startswith(("--ignore", "--deselect", "-k", "-m"))]
    assert not any("collect_ignore" in path.read_text(encoding="utf-8") for path in ROOT.glob("*/conftest.py"))
    assert len(NOTEBOOKS) >= 14


def test_each_notebook_has_its_solutions():
    assert [path.stem for path in SOLUTIONS if path.suffix == ".py"] == [path.stem for path in NOTEBOOKS]


def test_the_solutions_run_within_their_time():
    """As a reader runs them, each in its own kernel, with a limit for the total time."""
    code = "import runpy, sys; [runpy.run_path(path) for path in sys.argv[1:]]"
    paths = [str(path) for path in SOLUTIONS if path.suffix == ".py"]
    done = subprocess.run([sys.executable, "-W", "error", "-c", code, *paths], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b""


def test_each_exercise_has_a_wrong_answer():
    asked = {
        f"{path.name[:2]}.{k}" for path in NOTEBOOKS for k in (1, 2, 3) if f"exercise_{k} =" in "".join(sources(path))
    }
    assert asked == set(WRONG)
