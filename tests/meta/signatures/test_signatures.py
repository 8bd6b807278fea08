"""Public signatures change on purpose: they are compared with the list in ``signatures.txt``."""

import difflib
import importlib
import re

import pytest

from tests.meta.signatures.snapshot import SNAPSHOT, snapshot
from tests.support.versions import SCIPY_1_17

pytest.importorskip("scipy")


def is_in_scipy(line):
    """Whether the installed SciPy has a function that is listed under its name there; True of all other lines."""
    name = re.fullmatch(r"dualdiff\.(scipy(?:\.\w+)+)\.(\w+)", line)
    if name is None or name[2] in getattr(importlib.import_module(f"dualdiff.{name[1]}"), "__all__", ()):
        return True
    return hasattr(importlib.import_module(name[1]), name[2])


def test_every_public_signature_is_the_one_that_is_written_down():
    written = [line for line in SNAPSHOT.read_text(encoding="utf-8").splitlines() if SCIPY_1_17 or is_in_scipy(line)]
    changes = [line for line in difflib.ndiff(written, snapshot().splitlines()) if line[0] in "+-"]
    assert not changes, "changed on purpose? python -m tests.meta.signatures.snapshot writes the list"
