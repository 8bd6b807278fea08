"""The figures of README.md and the pages are what their script draws, and each is shown."""

from __future__ import annotations

import re
import runpy
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests.support.pages import NOTEBOOKS, PAGES, README, images

for module in "matplotlib", "fast_sugiyama", "scipy":
    pytest.importorskip(module)

FOLDER = NOTEBOOKS / "figures"
FIGURES = sorted(path.name for path in FOLDER.glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["make.py", str(folder)])
        runpy.run_path(str(FOLDER / "make.py"), run_name="__main__")
    return folder


def content(path):
    """The words of a picture, and the places of its curves, marks and words."""
    nodes = list(ET.parse(path).iter())
    words = ["".join("".join(node.itertext()).split()) for node in nodes if node.tag == f"{SVG}text"]
    places = [(node.tag, re.findall(r"-?\d+\.?\d*", " ".join(map(node.get, names)))) for node, names in _placed(nodes)]
    return words, [tag for tag, _ in places], np.array([float(x) for _, numbers in places for x in numbers])


def _placed(nodes):
    shapes = {
        f"{SVG}path": ("d",),
        f"{SVG}use": ("x", "y"),
        f"{SVG}rect": ("width", "height"),
        f"{SVG}text": ("x", "y"),
    }
    for node in nodes:
        names = shapes.get(node.tag, ())
        if names and all(map(node.get, names)):
            yield node, names


def test_the_script_draws_all_of_them(drawn):
    assert sorted(path.name for path in drawn.iterdir()) == FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_what_the_script_draws(name, drawn):
    # Another matplotlib may leave other margins and write other bytes: hence by what is seen, within 4 points.
    words, shapes, numbers = content(FOLDER / name)
    new_words, new_shapes, new_numbers = content(drawn / name)
    stale = f"{name} is out of date: python notebooks/figures/make.py"
    assert (words, shapes) == (new_words, new_shapes), stale
    assert len(numbers) > 100
    np.testing.assert_allclose(numbers, new_numbers, rtol=0, atol=4, err_msg=stale)


@pytest.mark.parametrize("name", FIGURES)
def test_a_page_shows_it(name):
    assert FOLDER / name in [path.resolve() for page in PAGES for path in images(page)]
    assert (FOLDER / name).stat().st_size < 100_000


def test_the_readme_shows_one():
    assert len(images(README)) >= 1
