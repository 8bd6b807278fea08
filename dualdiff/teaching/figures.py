"""Figures for notebooks: described for those who do not see them, and in the colours of the reader's theme."""

from __future__ import annotations

import html
import io
import re
import sys
from itertools import count
from typing import Any

from dualdiff.base.extras import load
from dualdiff.teaching.themes import themed

#: For a colour of matplotlib: what it becomes on a light and on a dark page.  Labels in them have a contrast of
#: at least 4.5 to 1 with either page.
THEMES = {
    "#000000": ("#1b1f24", "#e8edf2"),
    "#ffffff": ("#ffffff", "#14181d"),
    # matplotlib's cycle
    "#1f77b4": ("#1a6ca6", "#6db8f0"),
    "#ff7f0e": ("#a85400", "#ff9f4a"),
    "#2ca02c": ("#1b7a1b", "#62d162"),
    "#d62728": ("#c62021", "#ff8a86"),
    "#9467bd": ("#7a4aa8", "#c6a5ea"),
    "#8c564b": ("#7c4a40", "#d3a398"),
    # Okabe and Ito's, of the plots of this package
    "#0072b2": ("#0068a3", "#5fb4ec"),
    "#d55e00": ("#b04d00", "#ff9750"),
    "#009e73": ("#007a58", "#3ad1a5"),
    "#cc79a7": ("#a3447a", "#e8a3c8"),
    "#e69f00": ("#8a5f00", "#f0b429"),
    "#56b4e9": ("#1c74a6", "#7cc8f2"),
    # greys
    "#4c4c4c": ("#4c4c4c", "#b9c0c8"),
    "#595959": ("#595959", "#aeb6bf"),
    "#666666": ("#606060", "#aeb6bf"),
    "#6b7280": ("#656c79", "#a3abb6"),
    "#737373": ("#656565", "#a8b0b9"),
    "#808080": ("#666666", "#a8b0b9"),
    "#8c8c8c": ("#666666", "#a8b0b9"),
    "#999999": ("#707070", "#8b949e"),
    "#b2b2b2": ("#b2b2b2", "#4a525b"),
    "#b0b0b0": ("#b0b0b0", "#4a525b"),
    "#bfbfbf": ("#bfbfbf", "#4a525b"),
    "#cccccc": ("#cccccc", "#4a525b"),
    "#ededed": ("#ededed", "#232a31"),
}

_NUMBERS = count(1)


def _name(colour: str) -> str:
    return f"--dd-{colour[1:]}"


def _styles() -> str:
    """The colours of both themes."""
    light, dark = (
        ".dd-figure{" + ";".join(f"{_name(c)}:{pair[i]}" for c, pair in THEMES.items()) + "}" for i in (0, 1)
    )
    return themed(light, dark) + ".dd-figure svg{max-width:100%;height:auto}"


class Figure:
    """A drawing of matplotlib as part of a notebook's page, as `show` displays it.

    Attributes
    ----------
    svg : str
        The drawing; its colours are variables of the style sheet.
    alt : str
        What it shows, in words.
    """

    def __init__(self, svg: str, alt: str) -> None:
        self.svg, self.alt = svg, alt

    def __repr__(self) -> str:
        return f"<figure: {self.alt}>"

    def _repr_html_(self) -> str:
        return f'<div class="dd-figure"><style>{_styles()}</style>{self.svg}</div>'


def drawn(figure: Any, alt: str) -> Figure:
    """A figure of matplotlib as SVG without a background, described, with the colours of both themes."""
    matplotlib = load("matplotlib", "matplotlib", "dualdiff.teaching.show")
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "dualdiff"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    for colour in THEMES:
        text = re.sub(rf"((?:fill|stroke|stop-color): ?){colour}\b", rf"\1var({_name(colour)})", text)
    # Names differ from those of the other drawings on the page.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>dd{next(_NUMBERS)}-", text)
    title = f'role="img" aria-label="{html.escape(alt)}" style="fill:var({_name("#000000")})"'
    return Figure(text.replace("<svg ", f"<svg {title} ", 1), alt)


def show(alt: str, figure: Any = None) -> None:
    """Show a figure of matplotlib, described by a text, in the colours of the reader's theme.

    In a notebook the figure becomes part of the page: it has no background, its black and its colours follow the light
    or dark theme, labels are legible on both, and screen readers read ``alt``.  Elsewhere it is shown as by
    ``plt.show()``.

    Parameters
    ----------
    alt : str
        What the figure shows, for those who do not see it: what is drawn, and what there is to notice.
    figure : matplotlib Figure, optional
        By default the current one.  It is closed.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If ``alt`` is too short to say anything.

    Examples
    --------
    >>> show("a parabola")
    Traceback (most recent call last):
        ...
    ValueError: alt describes the figure to readers who do not see it: 'a parabola' is too short
    """
    if len(alt) < 20:
        raise ValueError(f"alt describes the figure to readers who do not see it: {alt!r} is too short")
    pyplot = load("matplotlib.pyplot", "matplotlib", "dualdiff.teaching.show")
    display = sys.modules.get("IPython.display")
    shell = sys.modules.get("IPython")
    if display is None or shell is None or shell.get_ipython() is None:
        pyplot.show()
        return
    figure = pyplot.gcf() if figure is None else figure
    display.display(drawn(figure, alt))
    pyplot.close(figure)
