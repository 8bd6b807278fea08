"""Public signatures change on purpose: they are compared with the list in ``signatures.txt``."""

import difflib

import pytest

from tests.meta.signatures.snapshot import SNAPSHOT, snapshot

pytest.importorskip("scipy")


def test_every_public_signature_is_the_one_that_is_written_down():
    written = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    changes = [line for line in difflib.ndiff(written, snapshot().splitlines()) if line[0] in "+-"]
    assert not changes, "changed on purpose? python -m tests.meta.signatures.snapshot writes the list"
