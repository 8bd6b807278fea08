"""The score of the course: what it counts, that it is signed, and what a check does with a name."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff.teaching import course, find
from dualdiff.teaching.course import roster, signed_score


@pytest.fixture(autouse=True)
def fresh_ledger(monkeypatch):
    monkeypatch.setattr(roster, "LEDGER", fresh := {})
    monkeypatch.setattr(signed_score, "LEDGER", fresh)


def halved(x):
    return x / 2


def test_it_counts_the_attempts_up_to_the_correct_one():
    for answer in (..., None, 0, 2, 1, 5):
        course.check("01.3", answer)
    course.check("13.1", 9)
    score = course.score("Ada Lovelace")
    assert score.correct == ("01.3",)
    assert score.attempts == {"01.3": 3, "13.1": 1}
    assert score.fingerprints["01.3"] == roster.fingerprint(1) != roster.fingerprint(2)
    assert f"correct: 1 of {len(course.names())}" in score.text
    assert repr(score) == score.text
    assert "<pre>" in score._repr_html_()


def test_a_score_can_be_verified_and_not_be_changed():
    course.check("01.3", 1)
    text = course.score("Ada Lovelace").text
    assert course.verify(f"\n  {text}\n") == course.score("Ada Lovelace")
    for old, new in (("Ada", "Eve"), ("after 1", "after 2"), ("correct: 1", "correct: 3"), ("01.3", "01.2")):
        with pytest.raises(ValueError, match="changed after it was signed"):
            course.verify(text.replace(old, new))
    for other in ("", "hello", "\n".join(text.splitlines()[:-1])):
        with pytest.raises(ValueError, match=r"begins with .* and ends with its signature"):
            course.verify(other)


@pytest.mark.parametrize("student", ["", "  ", "two\nlines", "two\rlines", "two\u2028lines"])
def test_a_score_has_a_name(student):
    with pytest.raises(ValueError, match="needs a name of one line"):
        course.score(student)


def test_fingerprints():
    assert roster.fingerprint(halved) == roster.fingerprint(halved) != roster.fingerprint(np.sin)
    assert len(roster.fingerprint(np.arange(3.0))) == 12


def test_a_name_that_does_not_exist():
    with pytest.raises(KeyError, match=r"the course has no exercise '01.4': its notebook has 01.1, 01.2, 01.3"):
        course.check("01.4", 1)
    with pytest.raises(KeyError, match=r"no exercise 'slope': a name is that of notebook and exercise, '01.2'"):
        course.check("slope", 1)
    assert course.names() == sorted(course.names(), key=lambda name: tuple(map(int, name.split("."))))


@pytest.mark.parametrize("name", course.names())
def test_every_known_mistake_gets_its_own_diagnosis(name):
    exercise = find(name)
    assert exercise.question
    assert exercise._explanation
    for wrong, diagnosis in exercise._mistakes:
        assert exercise.check(wrong).message == diagnosis
