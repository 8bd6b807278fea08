"""README.md and the pages under notebooks/: all code runs, all commands print what is shown, and all links work."""

import re
import shlex

import pytest

from dualdiff.__main__ import main
from tests.support.pages import (
    NOTEBOOKS,
    PAGES,
    README,
    WITHOUT_CODE,
    anchors,
    blocks,
    commands,
    contents,
    images,
    is_installed,
    links,
    name,
    run,
    text,
)

for module in "numba", "scipy":
    pytest.importorskip(module)

every_page = pytest.mark.parametrize("page", PAGES, ids=name)


@every_page
def test_python_blocks(page):
    _, tries, failures = run(page)
    assert not failures, failures
    # What is shown without prompts is run, but not counted.
    shown = [block for _, block in blocks(page, "python") if is_installed(block)]
    assert tries >= sum(block.startswith(">>> ") for block in shown)
    assert tries or page.name in WITHOUT_CODE


def test_nothing_is_left_out():
    assert len(PAGES) >= 12
    folders = {"notebooks", "course", "explanation", "how-to", "reference"}
    assert {page.parent.name for page in PAGES if page != README} == folders


@pytest.mark.parametrize(("command", "shown"), [entry for page in PAGES for entry in commands(page)])
def test_command(command, shown, capsys):
    """The command line prints what is shown, including blank lines."""
    program, *arguments = shlex.split(command)
    assert program == "dualdiff"
    assert main(arguments) == 0
    assert capsys.readouterr().out.rstrip("\n") == shown.rstrip("\n")


@every_page
def test_every_block_is_of_a_known_kind(page):
    """Everything shown is either run here, a drawing, or one of the README's installation commands."""
    kinds = re.findall(r"^```(\w*)$", text(page), re.M)
    assert set(kinds[::2]) <= {"python", "console", "sh" if page == README else "text"}
    assert set(kinds[1::2]) <= {""}


@every_page
def test_links_lead_somewhere(page):
    for target in links(page):
        if not target.startswith("http"):
            file, _, anchor = target.partition("#")
            path = page.parent / file if file else page
            assert path.exists(), target
            assert not anchor or anchor in anchors(path), target


@every_page
def test_pictures_exist_and_are_described(page):
    assert all(path.exists() for path in images(page))
    for image in re.findall(r"<img [^>]*>", text(page)):
        assert re.search(r'alt="[^"]{20,}"', image), image


def test_every_page_and_notebook_is_linked_and_stands_in_the_contents():
    """The README links to the lists of pages, and each list to its pages, in the order in which the site has them."""
    lists = [page for page in PAGES if page.name == "index.md"]
    linked = lambda page: [(page.parent / target.partition("#")[0]).resolve() for target in links(page)]
    for page in lists:
        assert page.resolve() in linked(README)
        assert [path for path in linked(page) if path in contents(page)] == contents(page)
    below = {path for page in lists for path in contents(page)} | {NOTEBOOKS / "index.md"}
    assert below == {*PAGES[1:], *NOTEBOOKS.rglob("*.ipynb")}
