"""The reference pages of the documentation site: complete, and their tables up to date. `.ci/run` builds the site."""

from __future__ import annotations

import re
import sys

import pytest

import dualdiff
from dualdiff.rules import ROWS
from tests.support.pages import NOTEBOOKS, text

pytest.importorskip("scipy")

REFERENCE = NOTEBOOKS / "reference"


@pytest.fixture
def tables(monkeypatch):
    """The module that makes the tables of functions."""
    monkeypatch.syspath_prepend(NOTEBOOKS / "site")
    import function_tables

    yield function_tables
    del sys.modules["function_tables"]


def test_every_public_name_is_documented():
    listed = {
        name.rpartition(":")[2]
        for names in re.findall(r"<!-- api dualdiff\s([^>]*)-->", text(REFERENCE / "names.md"))
        for name in names.split()
    }
    assert listed == {*dualdiff.__all__, "zeros", "ones", "empty", "full"}


def test_every_function_of_numpy_is_in_the_tables(tables):
    from tests.meta.test_totality import SURFACE, UFUNC_SURFACE

    lines = "\n".join(tables.numpy())
    for function in (*SURFACE, *UFUNC_SURFACE):
        module = getattr(function, "__module__", "numpy")
        if not function.__name__.startswith("_") and module not in tables.REFUSED:
            assert f"`{function.__name__}`" in lines, function


def test_every_row_is_in_the_tables(tables):
    lines = "\n".join(tables.rows())
    for name, row in ROWS.items():
        assert f"`{name}`" in lines or row.of or name.startswith("_"), name


@pytest.mark.parametrize("table", ["special", "scipy"])
def test_tables_of_scipy_are_made(tables, table):
    lines = list(getattr(tables, table)())
    assert len(lines) > 20
    assert len({line.count(" | ") for line in lines if line.startswith("| `")}) == 1 or table == "scipy"


def test_the_accuracy_of_every_row_is_on_its_page(tables):
    """``--accuracy-table=FILE`` writes the table of the page."""
    pytest.importorskip("sympy")
    from tests.rules.numpy.elementwise.test_accuracy import NAMES

    measured = {name for name, _ in tables.accuracy()}
    assert set(NAMES) <= measured


def test_no_page_loads_anything_from_another_host(monkeypatch):
    """Formulas are MathML, and what MyST-NB would load for widgets is left out."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    settings = {}
    exec(
        (NOTEBOOKS / "conf.py").read_text(encoding="utf-8"),
        settings | {"__file__": str(NOTEBOOKS / "conf.py")},
        settings,
    )
    assert settings["html_math_renderer"] == "mathml"
    assert settings["nb_ipywidgets_js"] == {}
    assert not [name for name in settings["extensions"] if name in ("sphinx.ext.mathjax", "sphinx.ext.intersphinx")]
