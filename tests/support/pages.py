"""The prose: README.md and the pages under notebooks/, with the code that they show."""

from __future__ import annotations

import doctest
import functools
import importlib.util
import io
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
README = ROOT / "README.md"
PAGES = [README, *sorted(NOTEBOOKS.rglob("*.md"))]
#: Lists of pages, and reference pages that are generated: they need not show code.
WITHOUT_CODE = {
    *("accuracy.md", "functions.md", "index.md", "names.md", "scipy-names.md", "teaching-and-adapters.md"),
    *("ten-minutes.md", "uncertain-names.md"),
}


def name(page: Path) -> str:
    """The path in the repository."""
    return page.relative_to(ROOT).as_posix()


@functools.cache
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page, language):
    """The code blocks in a language: the number of their first line, and the text."""
    matches = re.finditer(rf"^```{language}\n(.*?)^```$", text(page), re.M | re.S)
    return [(text(page).count("\n", 0, match.start(1)), match[1]) for match in matches]


def commands(page):
    """What is typed after a dollar sign, and what is printed below it."""
    examples = [part for _, block in blocks(page, "console") for part in re.split(r"^\$ ", block, flags=re.M)[1:]]
    return [tuple(example.split("\n", 1)) for example in examples]


def is_installed(block):
    """Whether all packages are there that a block imports."""
    names = re.findall(r"^(?:>>> )?(?:import|from) (\w+)", block, re.M)
    return all(importlib.util.find_spec(name) is not None for name in names)


def run(page):
    """Run all blocks of Python in one namespace, as a reader who types them in would.

    Returns the names they leave, the number of examples, and a report of failures.
    """
    namespace = {}
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    output = io.StringIO()
    for line, block in blocks(page, "python"):
        if not is_installed(block):
            continue
        if block.startswith(">>>"):
            example = doctest.DocTestParser().get_doctest(block, namespace, name(page), name(page), line)
            runner.run(example, out=output.write, clear_globs=False)
            namespace = example.globs
        else:
            exec(compile("\n" * line + block, name(page), "exec"), namespace)
    return namespace, runner.tries, output.getvalue()


def anchors(page):
    """The headings of a page, as GitHub spells links to them."""
    headings = re.findall(r"^#+ (.*)$", text(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page):
    """The targets of all links, those in code left out."""
    return re.findall(r"\]\(([^)]+)\)", re.sub(r"`[^`\n]*`", "code", text(page)))


def contents(page):
    """The pages of the site that stand below a page."""
    listed = [match.split() for match in re.findall(r"<!-- toctree\s([^>]*)-->", text(page))]
    found = [next((page.parent / name).parent.glob(f"{Path(name).name}.*")) for names in listed for name in names]
    return [path.resolve() for path in found]


def images(page):
    """The files of all pictures."""
    return [page.parent / path for path in re.findall(r'(?:src|srcset)="([^"]*)"', text(page))]
