"""The page on how rules are written: its examples run, and the files and sections that it names exist."""

import doctest
import io
import re
from pathlib import Path

import pytest

pytest.importorskip("scipy")

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "dualdiff" / "rules" / "writing" / "README.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^## ", TEXT, flags=re.M)[1:]


def examples(text):
    """The blocks of Python, joined."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S))


def test_examples_run():
    output, runner = io.StringIO(), doctest.DocTestRunner()
    runner.run(doctest.DocTestParser().get_doctest(examples(TEXT), {}, "README.md", "README.md", 0), out=output.write)
    assert not output.getvalue(), output.getvalue()
    assert runner.tries > 20


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.partition("\n")[0])
def test_every_kind_of_rule_has_an_example(section):
    assert ">>> " in examples(section)


def test_files_and_sections_exist():
    files = re.findall(r"`((?:dualdiff/|rules/)[\w/.]+)`", TEXT)
    assert files
    for file in files:
        assert (ROOT / "dualdiff" / file.removeprefix("dualdiff/")).exists(), file
    headings = {re.sub(r"[^\w\- ]", "", s.partition("\n")[0].lower()).replace(" ", "-") for s in SECTIONS}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= headings
