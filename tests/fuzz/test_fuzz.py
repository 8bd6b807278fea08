"""Some random programs, and what the tool makes of a rule that is wrong."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from dualdiff.rules import ROWS
from tests.fuzz.programs import Program, draw, outcome
from tests.fuzz.run import failure_of, numbered
from tests.fuzz.vocabulary import STEPS

#: Programs of the suite, in portions that processes share; `python -m tests.fuzz` tries as many as one likes.
PORTIONS, SIZE = 16, 10


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_all_ways_to_differentiate_a_program_agree(portion):
    for number in range(portion * SIZE, (portion + 1) * SIZE):
        _, failure = failure_of(numbered(0, number), np.random.default_rng([0, number, 1]))
        assert failure is None, failure


def test_every_step_is_taken_by_some_program():
    """A template that always raises on plain arrays would say nothing."""
    rng = np.random.default_rng(0)
    points = [rng.normal(size=shape) for shape in [(3,), (4,), (2, 2), (3, 3), (2, 3), (2, 2, 2)]]
    unused = [
        t for t in STEPS if not any(outcome(Program((step_of(t),), x)) is not None for x in points for _ in range(4))
    ]
    assert unused == []


def step_of(template):
    from tests.fuzz.programs import Step

    return Step(template, (0, 0), "0.3", 2)


def test_a_wrong_rule_is_found_and_shown_as_a_short_program(monkeypatch):
    monkeypatch.setattr(ROWS["tanh"], "coefficient", lambda i, values, result: 1.001 * (1 - result * result))
    rng = np.random.default_rng(3)
    for _ in range(400):
        program = draw(rng)
        if "np.tanh" in program.source() and "arcsin" not in program.source():
            _, failure = failure_of(program, np.random.default_rng(1))
            if failure:
                break
    assert "differences" in failure or "expected" in failure
    code = failure[failure.index("import numpy") :]
    assert len(code.splitlines()) < 20
    # The program is complete.
    exec(code, {})
