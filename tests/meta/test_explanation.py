"""The pages that explain: their tables are true, and what they name exists. `test_pages` runs their code."""

import ast
import re
import warnings

import numpy as np
import pytest

from tests.support.pages import NOTEBOOKS, ROOT, run

# Sparse Jacobians, functions of matrices, and missing values are shown.
pytest.importorskip("scipy")
pytest.importorskip("pandas")

PAGES = {page.name: page for page in sorted((NOTEBOOKS / "explanation").glob("*.md"))}
TEXTS = {name: page.read_text(encoding="utf-8") for name, page in PAGES.items()}
every_page = pytest.mark.parametrize("name", TEXTS)


# -- tables of programs ------------------------------------------------------------------------------------------------
def lines():
    """The lines of the tables whose first column is headed "program", each with its page."""
    for name, text in TEXTS.items():
        for table in re.findall(r"^\| program \|.*\n\|[-| ]*\n((?:\|.*\n)+)", text, re.M):
            for line in table.splitlines():
                yield name, line


def cells(line):
    """A program, and what it gives; None if the line has another form."""
    return re.fullmatch(r"\| `([^`|]+)` \| `([^`|]+)` \|[^|]*\|", line)


ROWS = [pytest.param(name, *cells(line).groups(), id=cells(line)[1]) for name, line in lines() if cells(line)]


@pytest.fixture(scope="module")
def namespaces():
    """What the blocks of each page define."""
    return {name: run(page)[0] for name, page in PAGES.items()}


def check(found, expected):
    """Equal to rounding, in the same shapes; infinities and NaN in the same places."""
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            check(a, b)
    else:
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "program", "gives"), ROWS)
def test_row_is_true(name, program, gives, namespaces):
    """A known limit that has been overcome belongs in another table."""
    names = namespaces[name]
    expected = eval(gives, names)
    kind = expected if isinstance(expected, type) else ()
    if kind and not issubclass(kind, Warning):
        with pytest.raises(kind) as caught:
            eval(program, names)
        # A class of ours is not meant where one of Python's is named, unless that is all there is.
        assert kind.__module__ == "builtins" or caught.type is kind
        return
    with warnings.catch_warnings(record=True) as emitted:
        warnings.simplefilter("always")
        found = eval(program, names)
    if kind:
        assert [w.category for w in emitted] == [kind]
    else:
        check(found, expected)


def test_every_row_is_run():
    assert [line for _, line in lines() if not cells(line)] == []
    assert len(ROWS) > 100


# -- what the pages name -----------------------------------------------------------------------------------------------
def defined(path):
    """The functions, classes and methods that a file defines, by their unqualified names."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}


@every_page
def test_files_and_tests_exist(name):
    for path, function in re.findall(r"`((?:dualdiff|tests|notebooks)/[^`\s:]*)(?:::(\w+))?`", TEXTS[name]):
        assert (ROOT / path).exists(), path
        assert not function or function in defined(ROOT / path), f"{path}::{function}"


def test_the_laws_and_cases_name_their_tests():
    for name in "laws.md", "semantics.md":
        assert len(re.findall(r"`tests/[^`\s]*`", TEXTS[name])) > 20


@every_page
def test_names_of_the_package_exist(name):
    """`core/array.py` and the like stand for files of the package, `module.Name` in them for what they define."""
    for path, function in re.findall(
        r"`((?:base|core|tangents|rules|drivers|compiled|teaching)/[\w/]+\.py)(?:::(\w+))?`", TEXTS[name]
    ):
        file = ROOT / "dualdiff" / path
        assert file.exists(), path
        assert not function or function in defined(file), f"{path}::{function}"


def test_every_law_that_is_cited_has_a_heading():
    headings = [int(n) for n in re.findall(r"^## Law (\d+): ", TEXTS["laws.md"], re.M)]
    assert headings == list(range(1, 11))
    sources = [p for folder in ("dualdiff", "tests") for p in (ROOT / folder).rglob("*.py")]
    cited = {int(n) for p in sources for n in re.findall(r"\blaws? (\d+)", p.read_text(encoding="utf-8"), re.I)}
    assert cited
    assert cited <= set(headings)
