"""Spelling, by codespell, and phrases that have an idiomatic equivalent in the field."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.support.pages import ROOT

#: What is spelled correctly.
SPELLED = ("README.md", "CHANGELOG.md", "notebooks", "dualdiff", "tests")
#: Where phrases are checked.
PHRASED = ("README.md", "CHANGELOG.md", "notebooks", "dualdiff")
SUFFIXES = {".md", ".py", ".ipynb"}

#: Regular expressions, in which a space stands for any white space, and what to write instead.
PHRASES = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(has|have) to be content\b": "must pass",
    r"\btheorem of implicit functions\b": "implicit function theorem",
    r"\bGauss's elimination\b": "LU factorization",
    r"\btriangle of Cholesky\b": "Cholesky factor",
    r"\b(Toeplitz|Hankel|Hilbert|Jacobi)'s matri": "Toeplitz matrix, and so on",
    r"\b(Gauss and Newton|Levenberg and Marquardt)\b": "Gauss-Newton, Levenberg-Marquardt",
    r"\bmethod of (Gauss|Newton|Levenberg)\b": "Newton's method, the Gauss-Newton method",
    r"\bRosenbrock's function\b": "the Rosenbrock function",
    r"\b(not|nor|never) made use of\b": "ignored",
    r"\bnobody else's\b": "owned exclusively",
    r"\bown affair\b": "is not traced",
    r"\bis no (pattern|array|list|number|dual|scalar|subclass|function|matrix)\b": "is not a ...",
    r"\bhand(s|ed)? (it )?over\b": "pass",
    r"\bby (its|their) place\b": "positionally",
    r"\bin its turn\b": "in turn",
    r"\b[Ss]o many (leading|axes|times|steps)\b": "the number of ...",
    r"\b(array|vector|matrix) of (two|three|\d+) numbers\b": "an array, a vector of n elements",
    r"\bnumbers? of (x|the array|the result)\b": "element of x",
    r"\bwith respect to (its|the) \w+ number\b": "component",
    r"\b(derivative|gradient|slope|differentiated?) in (x|y|a|each|one|its|all)\b": "with respect to",
    r"\bas it does by itself\b": "as it does without differentiation",
    r"\band its (like|kin)\b": "and its relatives",
    r"\b[Hh]eld by `": "Tested in",
    r"\b[Hh]eld against\b": "compared with",
    r"\b(a|the) place in (f|the function)\b": "call site",
    r"\bpieces? that NumPy took\b": "the piece that NumPy evaluated",
    r"\bplain numbers?\b": "plain values, plain floats",
    r"\bwithout a word\b": "silently",
    r"\bnobody (asks|tried)\b": "not implemented",
    r"\btakes? apart\b": "unpacks",
    r"\banew\b": "again, rebuilt",
    r"\b(has|have) to be\b": "must be",
    r"\bby chance\b(?=: to one side)": "weakly active",
    r"\bare all there\b": "of every order",
    r"\bduals or not\b": "may be duals",
    r"\bmakes no difference to (it|the derivative)\b": "does not depend on the starting point",
    r"\bFor wrong arguments\b": "For invalid arguments",
    r"\bby what (it|fun|f) closes over\b": "through variables that it closes over",
    r"\btheir kin\b": "their relatives",
    r"\b(with|has) a multiplier of zero\b": "with multiplier zero",
    r"\bconditions of Karush\b": "KKT conditions",
    r"\bwhole numbers?\b": "integers",
    r"\b(Forwards|Backwards),": "In forward mode, in reverse mode",
}


def files(roots):
    """The files under the roots."""
    paths = [path for root in roots for path in (ROOT / root, *sorted((ROOT / root).rglob("*")))]
    return [path for path in paths if path.suffix in SUFFIXES]


def prose(file):
    """The text of a file; of a notebook, that of its cells."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


@pytest.mark.parametrize("file", files(PHRASED), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_phrase_that_has_an_idiomatic_equivalent(file):
    # In comments, a new line begins with a number sign.
    text = re.sub(r"\s+(#:? )?", " ", prose(file))
    hits = {match[0]: better for phrase, better in PHRASES.items() for match in re.finditer(phrase, text)}
    assert hits == {}


def test_spelling():
    """The words that codespell does not know are in pyproject.toml."""
    pytest.importorskip("codespell_lib")
    done = subprocess.run([sys.executable, "-m", "codespell_lib", *SPELLED], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
