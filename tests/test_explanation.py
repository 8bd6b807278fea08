"""The pages that explain: their examples run, their rows are true, and what they name exists."""

import ast
import doctest
import io
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

# Sparse Jacobians and functions of matrices are shown.
pytest.importorskip("scipy")

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks" / "explanation"
PAGES = sorted(FOLDER.glob("*.md"))
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
every_page = pytest.mark.parametrize("name", TEXTS)


def blocks(text, language):
    """The code blocks in a language: the number of their first line, and the text."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


def run(name):
    """Run all blocks of a page in one namespace: the names they leave, the number of examples, and what failed."""
    namespace = {}
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    output = io.StringIO()
    for line, text in blocks(TEXTS[name], "python"):
        example = doctest.DocTestParser().get_doctest(text, namespace, name, name, line)
        runner.run(example, out=output.write, clear_globs=False)
        namespace = example.globs
    return namespace, runner.tries, output.getvalue()


@every_page
def test_python_blocks(name):
    _, tries, failed = run(name)
    assert not failed, failed
    assert tries >= len(blocks(TEXTS[name], "python")) > 0


@every_page
def test_every_block_is_of_a_known_kind(name):
    """Nothing is shown as Python that is not run here."""
    kinds = re.findall(r"^```(\w*)$", TEXTS[name], re.M)
    assert set(kinds[::2]) <= {"python", "text"}
    assert set(kinds[1::2]) <= {""}
    assert all(text.startswith(">>> ") for _, text in blocks(TEXTS[name], "python"))


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
    return {name: run(name)[0] for name in TEXTS}


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
    """A row of the known limits that is no more belongs into another table."""
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
    """The functions and classes that a file defines, methods by their own name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}


@every_page
def test_files_and_tests_exist(name):
    named = re.findall(r"`((?:dualdiff|tests|notebooks)/[^`\s:]*)(?:::(\w+))?`", TEXTS[name])
    assert named
    for path, function in named:
        assert (ROOT / path).exists(), path
        assert not function or function in defined(ROOT / path), f"{path}::{function}"


@every_page
def test_names_of_the_package_exist(name):
    """`core/array.py` and the like stand for files of the package, `module.Name` in them for what they define."""
    for path, function in re.findall(r"`((?:core|tangents|rules|drivers|compiled)/\w+\.py)(?:::(\w+))?`", TEXTS[name]):
        file = ROOT / "dualdiff" / path
        assert file.exists(), path
        assert not function or function in defined(file), f"{path}::{function}"


@every_page
def test_links_lead_somewhere(name):
    text = re.sub(r"`[^`\n]*`", "", TEXTS[name])
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        page = FOLDER / (file or name)
        assert page.exists(), target
        headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, target


def test_every_page_is_linked_from_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page for page in PAGES if f"](notebooks/explanation/{page.name})" not in text] == []


def test_every_law_that_is_cited_has_a_heading():
    headings = [int(n) for n in re.findall(r"^## Law (\d+): ", TEXTS["laws.md"], re.M)]
    assert headings == list(range(1, 11))
    sources = [p for folder in ("dualdiff", "tests") for p in (ROOT / folder).rglob("*.py")]
    cited = {int(n) for p in sources for n in re.findall(r"\blaws? (\d+)", p.read_text(encoding="utf-8"), re.I)}
    assert cited
    assert cited <= set(headings)
