"""Figures of notebooks: described, without a background, legible on light and dark pages."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dualdiff import teaching
from dualdiff.teaching import figures
from dualdiff.teaching.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
pyplot = pytest.importorskip("matplotlib.pyplot")

ALT = 'a "sine" & its <tangents>, over one period'


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


@pytest.fixture
def figure():
    figure, axis = pyplot.subplots()
    axis.plot(np.sin(np.arange(5.0)), "o-", mfc="white", label="sine")
    axis.text(0, 0, "a label", color="C1")
    axis.legend()
    return figure


def contrast(a, b):
    """The ratio of relative luminances, as the Web Content Accessibility Guidelines define it."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [*figures.THEMES, *[f"C{k}" for k in range(6)], *["BLUE", "GREEN"]])
def test_labels_are_legible_on_both_pages(colour):
    colour = {"BLUE": BLUE, "GREEN": GREEN}.get(colour, colour)
    key = matplotlib.colors.to_hex(colour)
    fills = {"#ffffff", "#b2b2b2", "#b0b0b0", "#bfbfbf", "#cccccc", "#ededed"}
    light, dark = figures.THEMES[key]
    if key not in fills:
        assert contrast(light, "#ffffff") >= 4.5
        assert contrast(dark, "#14181d") >= 4.5
        assert contrast(dark, "#212121") >= 4.5


def test_the_colours_of_the_plots_have_themes():
    for colour in (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY, *(f"C{k}" for k in range(5))):
        assert matplotlib.colors.to_hex(colour) in figures.THEMES


def test_a_figure_is_described_and_has_no_background(figure):
    shown = figures.drawn(figure, ALT)
    assert 'role="img" aria-label="a &quot;sine&quot; &amp; its &lt;tangents&gt;, over one period"' in shown.svg
    assert shown.alt in repr(shown)
    assert "<metadata" not in shown.svg
    # What is white is the inside of markers and the legend; nothing as large as the page.
    first = re.search(r"<path[^>]*style=\"([^\"]*)\"", shown.svg)
    assert "fill: none" in first[1]


def test_every_colour_of_a_figure_follows_the_theme(figure):
    page = figures.drawn(figure, ALT)._repr_html_()
    left = set(re.findall(r"(?:fill|stroke): ?(#\w{6})", page))
    assert left == set()
    for selector in ("prefers-color-scheme:dark", 'data-jp-theme-light="false"', 'data-theme="dark"'):
        assert selector in page


def test_two_figures_on_a_page_do_not_share_names(figure):
    drawings = [figures.drawn(figure, ALT).svg for _ in range(2)]
    names = [set(re.findall(r'\bid="([^"]+)"', drawing)) for drawing in drawings]
    assert names[0].isdisjoint(names[1])
    for drawing, own in zip(drawings, names, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawing)) <= own


def test_show_outside_a_notebook_shows_the_window(monkeypatch, figure):
    calls = []
    monkeypatch.setattr(pyplot, "show", lambda: calls.append(1))
    teaching.show(ALT)
    assert calls == [1]
    with pytest.raises(ValueError, match="'sine' is too short"):
        teaching.show("sine")


def test_show_in_a_notebook_displays_and_closes(monkeypatch, figure):
    ipython = pytest.importorskip("IPython")
    display = pytest.importorskip("IPython.display")
    shown = []
    monkeypatch.setattr(ipython, "get_ipython", lambda: object())
    monkeypatch.setattr(display, "display", shown.append)
    teaching.show(ALT)
    assert [type(x) for x in shown] == [figures.Figure]
    assert not pyplot.fignum_exists(figure.number)


@pytest.mark.parametrize(
    ("page", "system", "is_dark"),
    [
        ("<body>{}</body>", "light", False),
        ("<body>{}</body>", "dark", True),
        ('<body data-jp-theme-light="true">{}</body>', "dark", False),
        ('<body data-jp-theme-light="false">{}</body>', "light", True),
        ('<html data-theme="light"><body>{}</body></html>', "dark", False),
        ('<html data-theme="dark"><body>{}</body></html>', "light", True),
        ('<body class="vscode-dark">{}</body>', "light", True),
        ('<body class="vscode-light">{}</body>', "dark", False),
    ],
)
def test_in_a_browser_the_page_chooses_the_theme_or_else_the_system(show, figure, page, system, is_dark):
    pytest.importorskip("fast_sugiyama")
    parts = figures.drawn(figure, ALT)._repr_html_() + teaching.trace(np.sin, 2.0).graph()._repr_html_()
    window = show(page.replace("{}", parts), scheme=system)
    ink = "getComputedStyle(document.querySelector('.dd-figure')).getPropertyValue('--dd-000000')"
    assert window.evaluate(ink).strip() == figures.THEMES["#000000"][is_dark]
    displays = window.evaluate("[...document.querySelectorAll('.dd-graph img')].map(i => getComputedStyle(i).display)")
    assert displays == (["none", "inline"] if is_dark else ["inline", "none"])
