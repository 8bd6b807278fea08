"""The page of the player for its readers: predictions, the keyboard, both themes, narrow pages, odd functions."""

from __future__ import annotations

import math
import re
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest

import dualdiff
from dualdiff.teaching import play
from tests.teaching.pages_in_a_browser import (
    CONTRASTS,
    PLAYERS,
    answered,
    babylonian,
    branching,
    figures,
    press,
    survey,
)


# -- prediction --------------------------------------------------------------------------------------------------------
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
