"""The player without a browser: what it records, what it refuses, and the page as a file."""

from __future__ import annotations

import html
import importlib
import json
import linecache
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import dualdiff
from dualdiff import gradient
from dualdiff.__main__ import main
from dualdiff.teaching import play

PAGE = Path(dualdiff.__file__).parent / "teaching" / "player" / "page"


def survey(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)


def helper(a):
    return a * a


def with_helper(x):
    return helper(x) + np.exp(helper(x - 1))


def babylonian(a, steps=20):
    x = a
    for _ in range(steps):
        x = (x + a / x) / 2
    return x


def branching(x):
    return np.sqrt(x) if x > 1 else x * x


def recorded(player):
    """The data in a page."""
    return json.loads(re.search(r'<script type="application/json" id="lesson">(.*?)</script>', player.html, re.S)[1])


def test_the_figures_are_those_of_the_trace():
    player = play(survey, 2.0, 5.0)
    data = recorded(player)
    (run,), (program,) = data["runs"], data["programs"]
    steps = player.trace.steps
    assert run["values"] == [s.value for s in steps]
    assert run["tangents"] == [[s.tangents[k] for s in steps] for k in range(2)]
    assert run["adjoints"] == [player.trace.adjoints()[s.name] for s in steps]
    assert run["adjoints"][:2] == list(gradient(survey, 2.0, 5.0, argnum=(0, 1)))
    assert [s["formula"] for s in program["steps"]] == [s.formula for s in steps]
    assert program["result"] == 6


def expressions(data, program=0):
    """What every step of a program lights in the source."""
    found = []
    for step in data["programs"][program]["steps"]:
        if step["at"] is not None:
            source, line, column, last, end = step["at"]
            lines = data["sources"][source]["lines"]
            found.append(lines[line][column:end] if line == last else (lines[line][column:], lines[last][:end]))
    return found


def test_every_step_lights_its_expression():
    data = recorded(play(with_helper, 2.0))
    assert [source["name"] for source in data["sources"]] == ["with_helper", "helper"]
    assert data["sources"][1]["lines"] == ["def helper(a):", "    return a * a"]
    assert data["sources"][1]["first"] == helper.__code__.co_firstlineno
    assert expressions(data) == [
        "a * a", "x - 1", "a * a", "np.exp(helper(x - 1))", "helper(x) + np.exp(helper(x - 1))",
    ]  # fmt: skip


def test_a_lambda_a_method_and_a_function_inside_another():
    class Model:
        def loss(self, α):
            def inner(u):
                return u * α  # "ä" α

            return inner(α) + 1

    data = recorded(play(Model().loss, 2.0))
    assert [source["name"] for source in data["sources"]] == ["loss"]
    assert data["sources"][0]["lines"][0] == "def loss(self, α):"
    assert expressions(data) == ["u * α", "inner(α) + 1"]
    # Not within an assertion: older versions of pytest give all of it one position.
    f = lambda x: np.sin(x) * x
    assert expressions(recorded(play(f, 2.0))) == ["np.sin(x)", "np.sin(x) * x"]


def test_expressions_over_several_lines():
    def f(x):
        return np.prod(
            [x, x * x]
        )  # fmt: skip

    assert expressions(recorded(play(f, 2.0))) == ["x * x", ("np.prod(", "    )")]


def test_a_function_without_a_source_is_written_out():
    f = eval("lambda x: np.sin(x) * x", {"np": np})
    for player, lines in (
        (play(f, 2.0), ["def f(x):", "    v1 = sin(x)", "    v2 = v1*x", "    return v2"]),
        (play(np.sin, 2.0), ["def sin(x):", "    v1 = sin(x)", "    return v1"]),
    ):
        data = recorded(player)
        (source,) = data["sources"]
        assert "not available" in source["name"]
        assert source["lines"] == lines
        assert expressions(data) == [line.strip() for line in lines[1:-1]]


def test_a_source_that_has_changed_since_is_not_shown(tmp_path, monkeypatch):
    path = tmp_path / "changing.py"
    path.write_text("def f(x):\n    return x * x\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    f = importlib.import_module("changing").f
    assert expressions(recorded(play(f, 2.0))) == ["x * x"]
    path.write_text("def other(x):\n    return x + x\n", encoding="utf-8")
    linecache.checkcache()
    assert recorded(play(f, 2.0))["sources"][0]["lines"] == ["def f(x):", "    v1 = x*x", "    return v1"]


def test_the_slider():
    player = play(branching, 2.0, slide="x", between=(0.25, 4.0), points=16)
    data = recorded(player)
    values = data["slide"]["values"]
    assert len(data["runs"]) == len(values) == 16
    assert values[data["slide"]["start"]] == 2.0
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0.25, 4.0)
    for x, run in zip(values, data["runs"], strict=True):
        assert run["adjoints"][0] == dualdiff.derivative(branching, x)
        assert data["programs"][run["program"]]["branches"][0]["answer"] is (x > 1)
    assert len(data["programs"]) == 2


def test_the_default_range_of_the_slider_surrounds_the_value():
    for x, low, high in ((3.0, 0.0, 6.0), (0.1, -0.9, 1.1), (-4.0, -8.0, 0.0)):
        values = recorded(play(lambda x: x * x, x, slide="x", points=5))["slide"]["values"]
        np.testing.assert_allclose([values[0], values[-1]], [low, high], rtol=1e-15)
        assert x in values


def test_the_slider_meets_invalid_values_silently():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = recorded(play(lambda x: np.log(x), 1.0, slide="x", between=(-1.0, 1.0), points=5))
    assert data["runs"][0]["values"][1] == "NaN"
    assert data["runs"][2]["values"][1] == "-Infinity"
    assert data["runs"][2]["partials"][1] == ["Infinity"]


def test_arrays_come_with_shapes_texts_and_pictures():
    w, x = np.array([[1.0, 0.0], [-2.0, 4.0]]), np.array([1.0, 3.0])
    data = recorded(play(lambda w, x: np.sum(w @ x), w, x))
    (program,), (run,) = data["programs"], data["runs"]
    assert program["steps"][2]["shape"] == [2]
    assert run["values"][2] == {"shape": [2], "text": "[1, 10]"}
    of_w, of_x = run["pictures"]["2"]
    # The Jacobian of w @ x with respect to x is w: zero is "m", and the largest element is at the end of the scale.
    assert of_x == {"rows": ["pm", "gy"], "largest": 4.0}
    assert of_w == {"rows": ["qymm", "mmqy"], "largest": 3.0}


def test_pictures_follow_the_slider():
    data = recorded(
        play(lambda a, x: np.sum(a * x), 1.0, np.array([1.0, 2.0]), slide="a", between=(-1.0, 1.0), points=3)
    )
    assert [run["pictures"]["2"][1]["rows"] for run in data["runs"]] == [["am", "ma"], ["mm", "mm"], ["ym", "my"]]


def test_a_large_jacobian_is_left_out():
    data = recorded(play(lambda x: np.sum(np.sin(x)), np.linspace(0, 1, 100)))
    assert list(data["runs"][0]["pictures"]) == ["2"]
    assert data["runs"][0]["pictures"]["2"][0]["rows"] == ["y" * 100]


@pytest.mark.parametrize(
    ("f", "remark"),
    [
        (lambda x: np.array([x, x * x]), "returns more: there is no backward sweep"),
        (lambda x: (x + 1, x * x), "returns more: there is no backward sweep"),
        (lambda x: 1j * x, "returns more: there is no backward sweep"),
        (lambda x: x * [][0], "f raised IndexError"),
        (lambda x: 1.0, "does not depend on its inputs"),
    ],
)
def test_without_a_real_scalar_result_there_is_no_backward_sweep(f, remark):
    (run,) = recorded(play(f, 2.0))["runs"]
    assert run["adjoints"] is None
    assert remark in " ".join(run["remarks"])


def test_500_kilobytes_are_enough_for_70_steps_and_32_values():
    player = play(
        lambda a, b: babylonian(a, 22) * b + np.sin(a * b), 2.0, 3.1, slide="a", between=(1.0, 7.0), points=32
    )
    assert len(player.trace.operations) == 70
    assert len(recorded(player)["runs"]) == 32
    assert len(player.html.encode()) <= 500_000


def test_the_page_loads_nothing_and_ends_no_script_early():
    def f(x):
        return x * x + len("</script><!--<b>&amp;") - np.sin(x)

    page = play(f, 2.0).html
    assert not re.search(r"(src|href)=\"(?!data:)|@import|https?://(?!www\.w3\.org/2000/svg)|fetch\(|import ", page)
    assert page.count("</script>") == 2
    assert '"</script><!--<b>&amp;"' in "\n".join(recorded(play(f, 2.0))["sources"][0]["lines"])


def test_the_scripts_are_strict_and_plain():
    page = play(survey, 2.0, 5.0).html
    assert '(() => {\n"use strict";' in page
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", page)


def test_saved_and_displayed(tmp_path):
    player = play(survey, 2.0, 5.0)
    player.save(tmp_path / "lesson.html")
    assert (tmp_path / "lesson.html").read_text(encoding="utf-8") == player.html
    frame = player._repr_html_()
    assert html.unescape(re.search(r'srcdoc="(.*?)"', frame, re.S)[1]) == player.html
    assert repr(player) == "<player of survey(x1, x2), 7 steps: .save('lesson.html') writes the page>"
    with pytest.raises(ValueError, match=r"'lesson\.txt' does not end in \.html"):
        player.save("lesson.txt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slide": "y"}, "slide='y' is not a scalar input; the scalar inputs are x1, x2"),
        ({"slide": "x1", "between": (3.0, 4.0)}, "x1 = 2.0 is not between 3.0 and 4.0"),
        ({"slide": "x1", "between": (3.0, 1.0)}, r"needs a range \(low, high\)"),
        ({"slide": "x1", "between": (0.0, np.inf)}, r"needs a range \(low, high\)"),
        ({"slide": "x1", "points": 1}, "2 or more, not 1"),
        ({"between": (1.0, 3.0)}, "between is the range of a slider: name its input, slide='x'"),
        ({"predict": "values"}, "predict is 'tangents', 'adjoints' or None, not 'values'"),
        ({"argnum": 2}, "play: argnum=2, but f was given 2"),
        ({"directions": [1.0]}, "play: a direction needs an entry for each of the inputs"),
        ({"limit": 0}, "1 or more, not 0"),
    ],
)
def test_invalid_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        play(survey, 2.0, 5.0, **options)


def test_there_must_be_something_to_predict():
    with pytest.raises(ValueError, match=r"no tangents to predict; .* 9 elements: pass directions="):
        play(np.sum, np.ones(9), predict="tangents")
    with pytest.raises(ValueError, match="adjoints are the derivatives of a real scalar"):
        play(np.sin, np.ones(2), predict="adjoints")


def test_invalid_types():
    with pytest.raises(TypeError, match="play takes a function as its first argument, not float"):
        play(2.0)
    with pytest.raises(TypeError, match=r"play needs the arguments of f too: play\(f, 2.0, 5.0\)"):
        play(survey)
    with pytest.raises(ValueError, match="no input is a scalar"):
        play(np.sum, np.ones(3), slide="a")


# -- the command line --------------------------------------------------------------------------------------------------
def test_the_command_line_writes_a_page(tmp_path, capsys):
    path = tmp_path / "lesson.html"
    formula = "log(x) + (x*y)\n - sin(-y)"
    assert main([formula, "--at", "x=2", "y=5", "--play", str(path)]) == 0
    assert "df/dx  5.5" in capsys.readouterr().out
    page = path.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="lesson">(.*?)</script>', page, re.S)[1])
    assert data["sources"][0]["lines"] == [formula.replace("\n", " ")]
    assert expressions(data) == [
        "log(x)", "x*y", "log(x) + (x*y)", "-y", "sin(-y)", "log(x) + (x*y)  - sin(-y)",
    ]  # fmt: skip
    assert data["short"] == "f"
    # The checks of the command line are not comparisons of the formula.
    assert data["programs"][0]["branches"] == data["runs"][0]["remarks"] == []


def test_the_command_line_refuses_other_files(tmp_path, capsys):
    assert main(["x", "--at", "1", "--play", "lesson.pdf"]) == 2
    assert capsys.readouterr().err == "dualdiff: --play writes HTML, and 'lesson.pdf' does not end in .html\n"
    assert main(["x", "--at", "1", "--play", str(tmp_path / "none" / "lesson.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("part", sorted(PAGE.iterdir()), ids=lambda part: part.name)
def test_the_parts_of_the_page_are_as_short_as_all_files(part):
    lines = part.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 600
    assert [line for line in lines if len(line) > 120] == []
