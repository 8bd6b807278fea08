"""The page of the player: every cell, random programs, the slider, checkpoints, arrays."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import numpy as np
import pytest

from dualdiff import gradient
from dualdiff.teaching import play
from tests.teaching.pages_in_a_browser import (
    PLAYERS,
    agrees,
    babylonian,
    branching,
    figures,
    press,
    shared,
    survey,
)


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
