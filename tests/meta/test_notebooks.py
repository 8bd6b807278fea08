"""The course: what a notebook has to have, and its exercises, which know a right answer from a wrong one.

That every notebook runs is a test of its own, by nbmake, which collects the folder (see pyproject.toml); that no
outputs are stored is one of the house.
"""

import json
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from dualdiff.teaching import course
from tests.conftest import missing_for
from tests.support.course_answers import SHORTCUT, WRONG, Anything

plt = pytest.importorskip("matplotlib.pyplot")
for name in "fast_sugiyama", "scipy", "sklearn", "sympy":
    pytest.importorskip(name)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks" / "course"
NOTEBOOKS = sorted(FOLDER.rglob("*.ipynb"))
SOLUTIONS = sorted((FOLDER / "solutions").iterdir())

#: The cell for an answer: its number, the name of the exercise, and what else the check is given.
ANSWER = re.compile(r"answer_(\d+) = \.\.\.\ncourse\.check\(\"(\d\d\.\d+)\", answer_\1(?:, ([\w, ]+))?\)")


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


def asked(path):
    """The exercises of a notebook: number, name, and the names of what the check is given."""
    matches = [match for text in sources(path) if (match := ANSWER.fullmatch(text))]
    return [(match[1], match[2], match[3].split(", ") if match[3] else []) for match in matches]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_exercises(path, monkeypatch):
    """Not answered, the solution, a wrong answer, a shortcut, and nonsense."""
    for name in missing_for(path):
        pytest.importorskip(name)
    # Figures that other tests have left open: matplotlib 3.9 warns that it closes them.
    plt.close("all")
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    namespace = executed(path)
    solutions = runpy.run_path(str(FOLDER / "solutions" / f"{path.stem}.py"))

    for number, name, given in asked(path):
        given = [namespace[what] for what in given]
        assert namespace[f"answer_{number}"] is ...
        assert course.check(name, ..., *given).state == "not answered"
        result = course.check(name, solutions[f"answer_{number}"], *given)
        assert result.state == "correct", result
        assert result.message, "a correct answer gets an explanation"
        wrong, word = WRONG[name]
        assert word in course.check(name, wrong, *given).message
        for answer in wrong, SHORTCUT[name], *NONSENSE:
            result = course.check(name, answer, *given)
            assert result.state == "keep working", (result, answer)
            assert result.message
            assert not re.search(r"Error|Exception|Traceback| at 0x", result.message)


NONSENSE = ("a guess", -17, [], {}, np.nan, lambda: None, lambda *args: 1 / 0, lambda *args: None, object(), Anything())


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

    def test_answers_stand_alone_and_no_check_is_shown(self, path):
        """The cell for an answer shows neither the answer nor pages of data."""
        for cell in cells(path, "code"):
            text = "".join(cell["source"])
            # Of a folded cell the first line is seen.
            is_folded = text.startswith(("# Data: ", "# Figure: ", "# Check."))
            assert "Exercise(" not in text
            folded = {"jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
            plain = {key: x for key, x in cell["metadata"].items() if key != "slideshow"}
            assert plain == (folded if is_folded else {})
            if "answer_" in text:
                assert ANSWER.fullmatch(text), text
        numbers = [(number, name) for number, name, _ in asked(path)]
        assert numbers == [(str(k), f"{path.name[:2]}.{k}") for k in range(1, len(numbers) + 1)]
        assert f"(solutions/{path.stem}.py)" in "".join(sources(path, "markdown"))

    def test_figure_assert_and_exercises(self, path):
        code = "\n".join(sources(path))
        assert "plt.show()" not in code
        assert "show(" in code
        assert "assert" in code
        assert len(asked(path)) >= 3
        assert sources(path, "markdown")[0].startswith("# ")

    def test_slides(self, path):
        """A heading begins a slide; exercises, checks and data are left out."""
        document = json.loads(path.read_text(encoding="utf-8"))
        kinds = [cell["metadata"]["slideshow"]["slide_type"] for cell in document["cells"]]
        assert set(kinds) <= {"slide", "subslide", "-", "skip"}
        assert kinds.count("slide") >= 3
        for cell, kind in zip(document["cells"], kinds, strict=True):
            text = "".join(cell["source"])
            if text.startswith(("# Check.", "# Data: ", "answer_")):
                assert kind == "skip"
            elif cell["cell_type"] == "markdown" and text.startswith("#") and path.stem != "21_problems":
                assert kind == ("skip" if text.startswith("## Exercises") else "slide")

    def test_the_next_notebook_is_linked(self, path):
        last = sources(path, "markdown")[-1]
        assert last.startswith("**Next:** ")
        assert "(index.md)" in last
        following = NOTEBOOKS[NOTEBOOKS.index(path) + 1 :]
        assert not following or f"({following[0].name})" in last

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


def test_each_exercise_has_a_check_a_wrong_answer_and_a_shortcut():
    names = [name for path in NOTEBOOKS for _, name, _ in asked(path)]
    assert names == course.names() == list(WRONG)
    assert set(SHORTCUT) == set(WRONG)


def test_slides_are_made_by_the_documented_command(tmp_path):
    """The command of the page for lecturers, for the first notebook."""
    pytest.importorskip("nbconvert")
    page = (ROOT / "notebooks" / "how-to" / "teach.md").read_text(encoding="utf-8")
    command = re.search(r"^jupyter nbconvert --to slides .*?\n(?=```)", page, re.M | re.S)[0]
    words = shlex.split(command.replace("\\\n", " "))[2:]
    assert words[-1] == "notebooks/course/01_babylonian_root.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", *words, "--output-dir", str(tmp_path)],
        capture_output=True, cwd=ROOT, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    slides = (tmp_path / "01_babylonian_root.slides.html").read_text(encoding="utf-8")
    assert slides.count("<section>") >= 8
    assert slides.count('role="img"') == 2
    assert 'aria-label="Two panels' in slides
    assert "axis.loglog(" not in slides, "the code of figures is hidden"
    assert "answer_1" not in slides
