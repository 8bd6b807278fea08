"""The player in a real browser: every cell, every control, both themes, and predictions right and wrong."""

from __future__ import annotations

import math
import random
import re
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
import pytest

import dualdiff
from dualdiff import gradient
from dualdiff.teaching import play
from tests.teaching.browser import CONTRASTS, Window, launched

sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright to drive a browser")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = launched(playwright)
        yield found
        found.close()


@pytest.fixture
def show(browser):
    """A function that opens the page of a player."""
    windows = []

    def opened(player, **options):
        windows.append(Window(browser, getattr(player, "html", player), **options))
        return windows[-1].page

    yield opened
    for window in windows:
        window.close()


# -- programs ----------------------------------------------------------------------------------------------------------
def survey(x1, x2):
    a = np.log(x1)
    b = x1 * x2
    return a + b - np.sin(x2)


def branching(x, y):
    if x * y > 2:
        return np.sqrt(x) * y
    return x * x + y


def babylonian(a, steps=23):
    x = a
    for _ in range(steps):
        x = (x + a / x) / 2
    return x


def layer(w, b, x):
    return np.sum(np.tanh(w @ x + b) ** 2)


def shared(x, y):
    u = x * y
    return u * u + np.exp(x) * y


PLAYERS = {
    "the survey": lambda: play(survey, 2.0, 5.0),
    "a branch": lambda: play(branching, 2.0, 1.5),
    "70 steps": lambda: play(babylonian, 2.0, 23),
    "a layer": lambda: play(layer, np.arange(6.0).reshape(2, 3) / 5, np.ones(2), np.array([1.0, -1.0, 2.0])),
    "one array": lambda: play(lambda x: np.sum(x**2) * x[0], np.array([1.0, 2.0, 3.0])),
    "shared": lambda: play(shared, 0.5, -2.0),
    "no step": lambda: play(lambda x: x, 2.0),
    "float32": lambda: play(shared, np.float32(0.5), np.float32(2.0)),
    "infinite": lambda: play(lambda x: np.sqrt(x) + x, 0.0),
}  # fmt: skip


def figures(page, column):
    """The figures of a column with all their digits, by step; of arrays the text."""
    return page.evaluate(
        """(column) => Object.fromEntries([...document.querySelectorAll("tr[data-step]")].map((row) =>
        [row.querySelector("th").textContent, row.querySelector("." + column).dataset.figure ??
          row.querySelector("." + column).textContent]))""",
        column,
    )


def agrees(shown, expected):
    """Whether a cell shows a figure, to the last bit if it is a scalar."""
    if np.shape(expected) or np.iscomplexobj(expected):
        return shown != ""
    return float(shown) == float(expected) or (math.isnan(float(shown)) and math.isnan(float(expected)))


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


# -- the sweeps --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PLAYERS)
def test_every_cell_after_a_full_sweep(show, name):
    player = PLAYERS[name]()
    page = show(player)
    assert all(text == "" for text in list(figures(page, "value").values())[len(player.trace.inputs) :])
    press(page, "End")
    adjoints = player.trace.adjoints()
    for column, expected in (
        ("value", lambda s: s.value),
        ("tangent", lambda s: s.tangents[0] if s.tangents else None),
        ("adjoint", lambda s: adjoints[s.name]),
    ):
        shown = figures(page, column)
        for step in player.trace.steps:
            if expected(step) is not None:
                assert agrees(shown[step.name], expected(step)), (column, step.name)
    # The page adds up the same products.
    assert page.evaluate("document.body.dataset.unconfirmed") == "0"


def test_the_forward_sweep_goes_step_by_step_and_the_tape_fills_and_empties(show):
    player = play(survey, 2.0, 5.0)
    page = show(player)
    kept = [page.inner_text("#amount")]
    for done in range(1, 6):
        press(page, "ArrowRight")
        assert [text != "" for text in figures(page, "tangent").values()] == [True] * (2 + done) + [False] * (5 - done)
        assert not any(figures(page, "adjoint").values())
        kept.append(page.inner_text("#amount"))
    for _ in range(6):
        press(page, "ArrowRight")
        kept.append(page.inner_text("#amount"))
    assert [int(re.match(r"\d+", words)[0]) for words in kept] == [0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0]
    assert page.locator("#next").is_disabled()
    assert page.inner_text("#sentence").endswith("Done: ∂survey/∂x1 = 5.5, ∂survey/∂x2 = 1.71634.")


def test_the_sentence_is_the_arithmetic_of_the_step(show):
    page = show(play(survey, 2.0, 5.0))
    press(page, "ArrowRight")
    assert page.inner_text("#sentence") == "v1 = log(x1) = 0.693147. Its tangent is 0.5 × 1 (x1) = 0.5."
    press(page, *["ArrowRight"] * 7)
    assert page.inner_text("#sentence") == "v4 has adjoint −1 and passes 0.2837 × (−1) = −0.2837 to x2."
    press(page, *["ArrowRight"] * 2)
    assert page.inner_text("#sentence").endswith("x2 now has −0.2837 + 2 = 1.7163.")


def test_an_adjoint_is_marked_while_more_is_to_arrive(show):
    page = show(play(survey, 2.0, 5.0))
    press(page, *["ArrowRight"] * 8)
    assert page.locator("tr[data-step='1'] .adjoint.coming").count() == 1
    assert float(figures(page, "adjoint")["x2"]) == -np.cos(5.0)
    press(page, "End")
    assert page.locator(".coming").count() == 0


def test_the_running_expression_is_lit(show):
    page = show(play(survey, 2.0, 5.0))
    lit = []
    for _ in range(5):
        press(page, "ArrowRight")
        lit.append((page.inner_text("pre mark"), page.locator("pre .lit").count()))
    assert lit == [("np.log(x1)", 1), ("x1 * x2", 1), ("a + b", 1), ("np.sin(x2)", 1), ("a + b - np.sin(x2)", 1)]


def test_every_dependence_is_an_arc_and_the_current_ones_are_lit(show):
    player = play(survey, 2.0, 5.0)
    page = show(player)
    expected = {f"{player.trace.steps.index(o)}-{i}" for i, s in enumerate(player.trace.steps) for o in s.operands}
    assert set(page.evaluate("[...document.querySelectorAll('#arcs g')].map((g) => g.dataset.arc)")) == expected
    press(page, *["ArrowRight"] * 3)
    lit = "[...document.querySelectorAll('#arcs g.{}')].map((g) => g.dataset.arc)"
    assert set(page.evaluate(lit.format("forward"))) == {"2-4", "3-4"}
    press(page, "End")
    assert set(page.evaluate(lit.format("backward"))) == {"0-2"}


def test_the_button_plays_to_the_end(show):
    page = show(play(survey, 2.0, 5.0))
    page.select_option("#speed", "fast")
    page.click("#play")
    assert page.inner_text("#play") == "Pause"
    page.wait_for_function("document.querySelector('#play').textContent === 'Play'", timeout=20_000)
    assert page.input_value("#bar") == "11"
    # It starts again from the end, and a step stops it.
    page.click("#play")
    press(page, "ArrowRight")
    assert page.inner_text("#play") == "Play"


def test_the_direction_of_the_tangents(show):
    player = play(survey, 2.0, 5.0)
    page = show(player)
    press(page, "End")
    page.select_option("#direction", "1")
    assert float(figures(page, "tangent")["v5"]) == player.trace["v5"].tangents[1]


def test_the_paths_of_a_step(show):
    page = show(play(shared, 0.5, -2.0))
    press(page, "End")
    page.hover("tr[data-step='2']")
    assert page.inner_text("#paths").split("\n") == [
        "1 path from x", "x → v1: (−2)", "1 path from y", "y → v1: 0.5", "1 path to shared", "v1 → v2 → v5: (−2) × 1",
    ]  # fmt: skip
    assert page.locator("tr.above").count() == 2
    page.mouse.move(5, 5)
    assert page.locator("tr.above").count() == 0


# -- random programs ---------------------------------------------------------------------------------------------------
UNARY = (np.sin, np.exp, np.tanh, lambda a: a * a, lambda a: -a, lambda a: np.sqrt(a * a + 1))
BINARY = (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / (b * b + 1), np.hypot)


def random_program(seed):
    """A program of some random steps on three inputs, and a point."""
    draw = random.Random(seed)
    plan = [
        (draw.choice(UNARY), None) if draw.random() < 0.4 else (draw.choice(BINARY), draw.randrange(10**6))
        for _ in range(draw.randint(2, 14))
    ]
    picks = [draw.randrange(10**6) for _ in plan]

    def f(x, y, z):
        values = [x, y, z]
        for (operation, second), first in zip(plan, picks, strict=True):
            a = values[first % len(values)]
            values.append(operation(a) if second is None else operation(a, values[second % len(values)]))
        return values[-1] + 0.5 * values[-2] * values[-3] + 0.1 * x

    return f, [draw.uniform(-1.5, 1.5) for _ in range(3)]


def test_the_adjoints_of_random_programs_are_the_gradient(show):
    for seed in range(25):
        f, point = random_program(seed)
        page = show(play(f, *point))
        press(page, "End")
        shown = figures(page, "adjoint")
        expected = gradient(f, *point, argnum=(0, 1, 2))
        np.testing.assert_allclose([float(shown[name]) for name in "xyz"], expected, rtol=1e-13, atol=1e-15)
        assert page.evaluate("document.body.dataset.unconfirmed") == "0", seed
        page.close()


# -- whatever f does ---------------------------------------------------------------------------------------------------
class Point(NamedTuple):
    x: float
    y: float


def raises_late(x):
    y = x * x
    return math.sqrt(y - 10)


ODD = {
    "complex on the way": lambda: play(lambda x: np.real(np.exp(1j * x) * x), 0.7),
    "a complex result": lambda: play(lambda x: np.exp(1j * x), 0.7),
    "several results": lambda: play(lambda x, y: (x * y, x + y), 2.0, 3.0),
    "an array as result": lambda: play(lambda x: np.array([x, x * x]) * x, 2.0),
    "an exception": lambda: play(raises_late, 2.0),
    "a constant": lambda: play(lambda x: 3.0, 2.0),
    "nan": lambda: play(lambda x: np.log(x) * x + x, -1.0),
    "infinity": lambda: play(lambda x, y: 1 / x + y, 0.0, 1.0),
    "an infinite factor and a zero": lambda: play(lambda x: np.sqrt(x) ** 2, 0.0),
    "a dead end": lambda: play(lambda x, y: (np.sin(x), x * y)[1], 2.0, 3.0),
    "an unused input": lambda: play(lambda x, y: x * x, 2.0, 3.0),
    "beyond the limit": lambda: play(babylonian, 2.0, 23, limit=5),
    "containers": lambda: play(lambda p: p["a"] * p["b"][0] + p["c"].x, {"a": 2.0, "b": [3.0], "c": Point(1.0, 2.0)}),
    "writing into an array": lambda: play(written_into, 2.0),
    "a large matrix": lambda: play(lambda x: np.sum(np.sin(x) @ x), np.eye(20)),
    "integers": lambda: play(lambda x: x * x, 3),
    "a method of NumPy": lambda: play(np.prod, np.array([1.0, 2.0, 3.0])),
    "markup": lambda: play(lambda x: x * len("<b>&amp;</b></script>"), 2.0),
}  # fmt: skip


#: Also where the slider is hidden.
CHECKPOINTS = """(k) => {
  document.getElementById("checkpoints").value = k;
  document.getElementById("checkpoints").dispatchEvent(new Event("input"));
}"""


def written_into(x):
    a = dualdiff.zeros(3, like=x)
    a[0] = x
    a[1] = x * a[0]
    return np.sum(a)


@pytest.mark.parametrize("name", ODD)
def test_whatever_f_does_the_page_goes_through_it(show, name):
    """Every step, row, number of checkpoints and mode: nothing is complained of, and no sum is unconfirmed."""
    with np.errstate(all="ignore"):
        page = show(ODD[name]())
    assert page.evaluate("document.body.dataset.unconfirmed") == "0"
    last = int(page.get_attribute("#bar", "max"))
    for position in range(last + 1):
        assert page.input_value("#bar") == str(position)
        words = page.inner_text("#sentence")
        assert words
        assert not re.search("undefined|null|object", words), words
        press(page, "ArrowRight")
    for _ in range(page.locator("tr[data-step]").count()):
        press(page, "ArrowDown")
        assert not re.search("undefined|null|object", page.inner_text("#detail"))
    for what in ("tangents", "adjoints"):
        if page.locator(f"#mode option[value={what}]").is_enabled():
            page.select_option("#mode", what)
            for _ in range(page.locator("tbody input").count()):
                page.locator("tbody input").first.focus()
                page.click("#reveal")
            assert page.locator("tbody input").count() == 0
    page.select_option("#mode", "")
    for k in range(int(page.get_attribute("#checkpoints", "max")) + 1):
        page.evaluate(CHECKPOINTS, k)


def test_a_figure_that_the_sums_do_not_confirm_is_reported(show):
    player = play(survey, 2.0, 5.0)
    wrong = player.html.replace('"adjoints":[5.5,', '"adjoints":[5.6,')
    assert wrong != player.html
    page = show(wrong)
    assert page.inner_text("#remarks") == "The sums of this page do not confirm the adjoint of x1 of the library."
    assert page.evaluate("document.body.dataset.unconfirmed") == "1"


# -- the slider --------------------------------------------------------------------------------------------------------
def test_what_moves_with_the_slider_and_a_flipped_branch(show):
    player = play(branching, 2.0, 1.5, slide="x", between=(0.5, 3.5), points=31)
    page = show(player)
    assert page.inner_text("#slid") == "x = 2"
    assert page.inner_text("#ways").split() == ["A", "B"]
    press(page, "End")
    ways = []
    for k in range(31):
        page.fill("#slide", str(k))
        x = 0.5 + 0.1 * k
        shown = figures(page, "adjoint")
        expected = gradient(branching, x, 1.5, argnum=(0, 1))
        np.testing.assert_allclose([float(shown["x"]), float(shown["y"])], expected, rtol=1e-12)
        ways.append(page.inner_text("#way"))
    told = [(k, words) for k, words in enumerate(ways) if k == 0 or words != ways[k - 1]]
    line = f"line {branching.__code__.co_firstlineno + 1}"
    # From the way at x = 2 to that at 0.5, and back at x = 1.4.
    assert told == [
        (0, f"Another way through the program (way A): v1 > 2 is false here, {line}. As many steps, but others."),
        (9, f"Another way through the program (way B): v1 > 2 is true here, {line}. As many steps, but others."),
    ]
    assert page.evaluate("document.body.dataset.unconfirmed") == "0"


def test_a_slider_into_an_exception_says_so(show):
    def f(x):
        if x < 0:
            raise ValueError("no negative x")
        return np.sqrt(x) * x

    page = show(play(f, 1.0, slide="x", between=(-1.0, 1.0), points=11))
    page.fill("#slide", "0")
    assert "f raised ValueError" in page.inner_text("#remarks")
    page.fill("#slide", "10")
    assert page.inner_text("#remarks").count("raised") == 0


def test_a_slider_out_of_an_exercise_ends_it(show):
    def f(x):
        return x * x if x > 0 else (x, x)

    page = show(play(f, 1.0, slide="x", between=(-1.0, 1.0), points=5, predict="adjoints"))
    assert page.locator("tbody input").count() == 1
    page.fill("#slide", "0")
    assert page.locator("tbody input").count() == 0
    assert page.locator("th.adjoint").is_hidden()
    assert page.input_value("#mode") == ""
    page.fill("#slide", "4")
    press(page, "End")
    assert figures(page, "adjoint")["x"] == "2"


# -- prediction --------------------------------------------------------------------------------------------------------
def answered(page, step, text):
    """What the page says to an answer."""
    field = page.locator(f"tbody input[data-step='{step}']")
    field.fill(text)
    field.press("Enter")
    return page.inner_text("#sentence")


def test_right_predictions_of_adjoints(show):
    player = play(survey, 2.0, 5.0, predict="adjoints")
    page = show(player)
    adjoints = list(player.trace.adjoints().values())[::-1]
    assert page.locator("tbody input").count() == 6
    assert not page.locator("#time").is_visible()
    for step in (5, 4, 3, 2, 1):
        assert answered(page, step, f"{adjoints[step]:.3g}").startswith("Right: the adjoint of ")
    assert page.inner_text("#points") == "5 of 6 right, 5 at the first try"
    # The next missing field has the focus; its answer may be arithmetic.
    page.keyboard.type("1*0.5 + 5")
    page.keyboard.press("Enter")
    assert page.inner_text("#sentence").endswith(
        "All done: survey(x1, x2) at x1 = 2, x2 = 5: 6 of 6 adjoints right, 6 at the first try, 0 shown."
    )


@pytest.mark.parametrize(
    ("what", "step", "text", "said"),
    [
        ("adjoints", 1, "2", "accumulate, do not overwrite"),
        ("adjoints", 1, "-.2837", "accumulate, do not overwrite"),
        ("adjoints", 2, "-1", "The sign is wrong"),
        ("adjoints", 5, "1", "local derivative"),
        ("adjoints", 0, "6", "A factor is missing"),
        ("adjoints", 0, "2.5", "wrong argument"),
        ("adjoints", 0, "77", "Not 77."),
        ("adjoints", 0, "seven", "is not a number"),
        ("tangents", 3, "2", "wrong argument"),
        ("tangents", 3, "1", "A factor is missing"),
        ("tangents", 4, "0.5", "the part from v1 alone"),
        ("tangents", 2, "0.693", "That is the value of v1"),
    ],
)
def test_the_usual_slips_are_recognized(show, what, step, text, said):
    page = show(play(survey, 2.0, 5.0, predict=what))
    assert said in answered(page, step, text)
    assert page.locator(f"tbody input[data-step='{step}'][aria-invalid=true]").count() == 1
    assert page.inner_text("#points").startswith("0 of")


def test_a_prediction_within_one_per_cent_is_right_and_beyond_is_wrong(show):
    page = show(play(survey, 2.0, 5.0, predict="adjoints"))
    assert "Right" not in answered(page, 0, "5.56")
    assert "Right" in answered(page, 0, "5.54")
    assert page.inner_text("#points") == "1 of 6 right, 0 at the first try"


def test_the_page_gives_no_answer_away(show):
    for what in ("tangents", "adjoints"):
        page = show(play(survey, 2.0, 5.0, predict=what))
        for step in range(2, 5):
            page.focus(f"tbody input[data-step='{step}']")
            assert "not yet known" in page.inner_text("#sentence") or what == "tangents" or step == 4
        page.hover("tr[data-step='0']")
        text = page.inner_text("main")
        assert "5.5" not in text
        assert "1.716" not in text


def test_an_answer_is_shown_and_the_score_copied(show):
    page = show(play(survey, 2.0, 5.0, predict="adjoints"), permissions=["clipboard-write", "clipboard-read"])
    page.focus("tbody input[data-step='5']")
    page.click("#reveal")
    assert page.inner_text("#sentence").startswith("The adjoint of v4 is (−1)") or "−1 × 1" in page.inner_text(
        "#sentence"
    )
    page.click("#copy")
    page.wait_for_function("/^(Copied|To copy): /.test(document.querySelector('#sentence').textContent)")
    assert page.inner_text("#sentence").endswith("0 of 6 adjoints right, 0 at the first try, 1 shown")
    page.click("#again")
    assert page.locator("tbody input").count() == 6


# -- arrays, checkpoints, folding --------------------------------------------------------------------------------------
def test_the_jacobian_of_a_product_is_a_picture(show):
    player = PLAYERS["a layer"]()
    page = show(player)
    press(page, "End")
    page.hover("tr[data-step='3']")
    (of_w, of_x) = page.locator("#pictures canvas").all()
    assert "2 by 6" in of_w.get_attribute("aria-label")
    assert "2 by 3" in of_x.get_attribute("aria-label")
    # The Jacobian of W @ x with respect to x is W, whose first element is zero: white.
    pixels = of_x.evaluate("(c) => [...c.getContext('2d').getImageData(0, 0, 3, 2).data]")
    assert pixels[:3] == [255, 255, 255]
    assert pixels[-4:-1] == [5, 80, 174]
    assert page.locator("tr[data-step='3'] .local canvas").count() == 2


def test_checkpoints_trade_memory_for_repeated_steps(show):
    player = play(babylonian, 2.0, 20)
    page = show(player)
    expected = player.trace.adjoints()
    peaks, repeated = [], []
    for k in range(13):
        page.fill("#checkpoints", str(k))
        page.focus("#table")
        page.fill("#bar", page.get_attribute("#bar", "max"))
        words = page.inner_text("#saved")
        peaks.append(int((re.search(r"at most (\d+)", words) or [0, 60])[1]))
        repeated.append(int((re.search(r"(\d+) computed again", words) or [0, 0])[1]))
        shown = figures(page, "adjoint")
        assert all(agrees(shown[name], adjoint) for name, adjoint in expected.items())
        assert page.inner_text("#amount").startswith("0 of 60")
    assert peaks[0] == 60
    assert min(peaks) < 20
    assert repeated[0] == 0
    assert all(a <= b for a, b in pairwise(repeated))


def test_a_step_of_many_operands_stays_short(show):
    page = show(play(lambda *x: np.prod(np.stack(x)), *np.linspace(1.0, 2.0, 12)))
    press(page, "End")
    row = page.locator("tr[data-step='12']")
    assert row.locator(".local").all_inner_texts()[-1] == "… 9 more"
    assert page.locator("#arcs g").count() == 13
    assert page.locator("tr[data-step='12']").evaluate("(row) => row.offsetHeight") < 120


def test_long_runs_are_folded_and_the_current_step_is_open(show):
    page = show(play(babylonian, 2.0, 40))
    assert page.locator("tr.fold").count() == 6
    assert page.locator("tr[data-step]").count() == 21
    for _ in range(50):
        press(page, "ArrowRight")
    assert page.locator("tr.now").is_visible()
    assert page.inner_text("tr.now th") == "v50"
    page.locator("tr.fold button").nth(4).click()
    assert page.locator("tr[data-step='85']").count() == 1
    # All arcs are drawn, those into folded steps to their group.
    assert page.locator("#arcs g.forward").count() == 2


# -- everybody ---------------------------------------------------------------------------------------------------------
def test_with_the_keyboard_alone(show):
    page = show(play(lambda x, y: branching(x, y) * x + y, 2.0, 1.5, slide="x", between=(0.5, 3.5)))
    press(page, "ArrowRight", "ArrowRight", "ArrowLeft")
    assert page.inner_text("tr.now th") == "v1"
    press(page, " ")
    assert page.inner_text("#play") == "Pause"
    page.focus("#bar")
    press(page, " ")
    page.evaluate("document.activeElement.blur()")
    press(page, "End", "ArrowDown", "ArrowDown", "ArrowDown")
    assert page.inner_text("#about") == "Paths through v1"
    press(page, "Escape", "Home")
    assert page.input_value("#bar") == "0"
    # By tabs to every control, and to a prediction.
    seen = []
    for _ in range(30):
        press(page, "Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"play", "next", "end", "speed", "bar", "mode", "checkpoints", "slide"} <= set(seen)
    page.focus("#slide")
    press(page, *["ArrowLeft"] * 30)
    assert page.inner_text("#way").startswith("Another way through the program")
    page.focus("#mode")
    page.keyboard.type("let me predict adj")
    while page.evaluate("document.activeElement.tagName !== 'INPUT' || document.activeElement.type !== 'text'"):
        press(page, "Tab")
    page.keyboard.type("1")
    press(page, "Enter")
    assert page.inner_text("#sentence")


def test_what_a_screen_reader_finds(show):
    page = show(play(survey, 2.0, 5.0))
    press(page, "End")
    assert page.get_by_role("table").count() == 1
    assert page.get_by_role("rowheader").count() == 7
    assert [h.inner_text() for h in page.get_by_role("columnheader").all()] == [
        "local derivatives", "step", "formula", "value", "→ tangent", "← adjoint",
    ]  # fmt: skip
    assert page.locator("#sentence").get_attribute("aria-live") == "polite"
    assert page.locator("tr[aria-current=step]").count() == 1
    assert "with respect to x1: 5" in page.locator("tr[data-step='3'] .locals").text_content()
    assert (
        page.get_by_role("slider", name="Position in the run").get_attribute("aria-valuetext")
        == "backward, v1, 11 of 11"
    )
    named = "(e) => e.labels?.length || e.ariaLabel || e.textContent"
    assert page.evaluate(f"[...document.querySelectorAll('button, select, input')].every({named})")


@pytest.mark.parametrize(("scheme", "width"), [*product(("light", "dark"), (1280, 400))])
def test_contrast_in_both_themes(show, scheme, width):
    slid = play(branching, 2.0, 1.5, slide="x", between=(0.5, 3.5))
    for player, moves in (
        (slid, lambda page: page.fill("#slide", "3")),
        (play(survey, 2.0, 5.0), lambda page: press(page, *["ArrowRight"] * 8)),
        (play(survey, 2.0, 5.0), lambda page: press(page, *["ArrowRight"] * 3)),
        (play(survey, 2.0, 5.0), lambda page: page.hover("tr[data-step='4']")),
        (play(survey, 2.0, 5.0, predict="adjoints"), lambda page: (answered(page, 1, "2"), answered(page, 5, "-1"))),
        (play(babylonian, 2.0, 20), lambda page: (page.fill("#checkpoints", "3"), page.fill("#bar", "70"))),
    ):
        page = show(player, width=width, scheme=scheme, reduced_motion="reduce")
        page.click("#keys summary")
        moves(page)
        lowest = page.evaluate(CONTRASTS)[0]
        assert lowest[0] >= 4.5, lowest
        background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 29)")


@pytest.mark.parametrize("name", PLAYERS)
def test_at_400_pixels_nothing_is_cut_off(show, name):
    page = show(PLAYERS[name](), width=400)
    press(page, "End")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.evaluate(
        "document.querySelector('#table').offsetWidth <= document.querySelector('#scroll').clientWidth"
    )


def test_reduced_motion(show):
    for motion, expected in (("reduce", "0s"), ("no-preference", "0.15s")):
        page = show(play(survey, 2.0, 5.0), reduced_motion=motion)
        assert page.evaluate("getComputedStyle(document.querySelector('tbody tr')).transitionDuration") == expected


def test_on_paper(show):
    page = show(play(babylonian, 2.0, 40))
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not page.locator("#controls").is_visible()
    assert page.locator("tr[data-step]").count() == 121
    assert float(figures(page, "adjoint")["a"]) > 0


def test_in_a_notebook_the_page_is_in_a_frame(show):
    page = show(f"<!DOCTYPE html><title>notebook</title><p>before</p>{play(survey, 2.0, 5.0)._repr_html_()}")
    frame = page.frame_locator("iframe")
    frame.locator("#end").click()
    assert frame.locator("#sentence").inner_text().endswith("∂survey/∂x2 = 1.71634.")
    assert page.evaluate("document.querySelector('iframe').title") == "survey(x1, x2), step by step"
