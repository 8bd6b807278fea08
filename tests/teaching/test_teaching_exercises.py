"""Exercises: three states, hints one by one, and never an exception."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import derivative
from dualdiff.teaching import Exercise, exercises, find


@pytest.fixture(autouse=True)
def fresh_registry(monkeypatch):
    monkeypatch.setattr(exercises, "REGISTRY", {})


class Hostile:
    """An answer for which every operation raises."""

    def __getattr__(self, name):
        raise RuntimeError("hands off")

    def __eq__(self, other):
        raise RuntimeError("hands off")

    __hash__ = None

    def __repr__(self):
        raise RuntimeError("hands off")

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("hands off")


ANSWERS = {
    "number": ({"expected": 6.0}, 6, 7),
    "array": ({"expected": np.array([1.0, 2.0])}, [1.0, 2.0], [1.0, 3.0]),
    "tuple": ({"expected": (1.0, np.eye(2))}, [1, np.eye(2)], (1.0, np.ones((2, 2)))),
    "dict": ({"expected": {"w": [1.0], "b": 2.0}}, {"b": 2, "w": np.ones(1)}, {"w": [1.0]}),
    "text": ({"expected": "reverse"}, "reverse", "forward"),
    "truth": ({"expected": True}, True, 1),
    "complex": ({"expected": 1j}, 1j, 1.0),
    "function": ({"expected": np.cos, "at": [0.0, 1.0]}, lambda x: derivative(np.sin, x), np.sin),
    "two arguments": ({"expected": lambda x, y: x * y, "at": [(2.0, 3.0)]}, lambda x, y: y * x, lambda x, y: x + y),
    "check": ({"check": lambda a: a > 3}, 4, 2),
    "check of arrays": ({"check": lambda a: np.all(a == 1)}, np.ones(3), np.zeros(3)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_three_states(kind):
    options, right, wrong = ANSWERS[kind]
    exercise = Exercise("e", question="What?", hints=["Think."], **options)
    assert exercise.check(...).state == exercise.check().state == exercise.check(None).state == "not answered"
    assert exercise.check(wrong).state == "keep working"
    assert exercise.check(right).state == "correct"
    assert exercise.check(right)
    assert not exercise.check(wrong)


WRONG = {
    "hostile": Hostile(), "text": "text", "list": [], "empty": {}, "tuple": (), "mixed": [1, "a"],
    "ragged": [[1.0], [1.0, 2.0]],
    "nan": float("nan"), "matrix": np.zeros((2, 3)), "class": object, "no argument": lambda: 1,
    "returns None": lambda *a: None, "raises": lambda *a: 1 / 0, "exercise": Exercise,
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("answer", WRONG)
def test_no_answer_raises(kind, answer):
    answer = WRONG[answer]
    result = Exercise("e", **ANSWERS[kind][0]).check(answer)
    assert result.state == "keep working"
    assert result._repr_html_()
    assert repr(result)


def test_hints_come_one_by_one():
    exercise = Exercise("e", expected=1.0, hints=["First.", "Second."])
    said = [exercise.check(0).message for _ in range(3)]
    assert said == ["Hint: First.", "Hint: Second.", "Hint: Second."]


def test_a_check_may_return_its_own_hint():
    exercise = Exercise("e", check=lambda a: "The sign is wrong." if a == -6 else a == 6, hints=["Think."])
    assert repr(exercise.check(-6)) == "e: keep working. The sign is wrong."
    assert repr(exercise.check(5)) == "e: keep working. Hint: Think."


def test_messages_say_what_is_wrong():
    assert "has shape (2,), but yours has shape (3,)" in Exercise("e", expected=np.ones(2)).check(np.ones(3)).message
    assert "a function, but yours is 3" in Exercise("e", expected=np.sin, at=[1.0]).check(3).message
    assert "is a return statement missing?" in Exercise("e", expected=np.sin, at=[1.0]).check(print).message
    message = Exercise("e", expected=np.sin, at=[1.0], hints=["h"]).check(lambda x: x).message
    assert message == "At 1.0 your function gave 1.0. Hint: h"
    message = Exercise("e", expected=np.sin, at=[1.0]).check(lambda x: 1 / 0).message
    assert message.startswith("Your function stops in line 1, at `message = ")
    assert message.endswith(": it divides by zero.")


def divided(x):
    helper = lambda y: y / 0
    return helper(x)


def test_an_error_is_told_in_words_and_with_its_line():
    exercise = Exercise("e", check=lambda f: f(1.0) > 0, takes="x")
    assert (
        exercise.check(divided).message
        == "Your function stops in line 1, at `helper = lambda y: y / 0`: it divides by zero."
    )
    assert "is not defined" in exercise.check(lambda x: undefined).message  # noqa: F821 - the case
    assert "cannot be called" in Exercise("e", check=lambda f: f(1.0) > 0).check(lambda: 1).message
    for answer in (divided, lambda x: [][x], lambda x: "a" + x, Hostile(), 3):
        assert "Error" not in exercise.check(answer).message


def test_a_function_must_take_what_the_exercise_says():
    exercise = Exercise("e", check=lambda f: True, takes="f, x")
    assert exercise.check(lambda f, x: 0)
    assert exercise.check(np.add)
    assert exercise.check(3).message == "The answer must be a function of f and x, but yours is 3."
    assert exercise.check(lambda a: a).message == "Your function must take 2 arguments, (f, x), but it takes (a)."


def test_known_mistakes_have_names_and_right_answers_an_explanation():
    exercise = Exercise("e", expected=6.0, mistakes=[(9.0, "That is the value.")], explanation="2 x", hints=["h"])
    assert repr(exercise.check(9)) == "e: keep working. That is the value."
    assert repr(exercise.check(8)) == "e: keep working. Hint: h"
    assert repr(exercise.check(6)) == "e: correct! 2 x"
    exercise = Exercise("e", expected=np.cos, at=[0.5, 1.0], mistakes=[(lambda x: -np.cos(x), "The sign.")])
    assert exercise.check(lambda x: -np.cos(x)).message == "The sign."
    assert exercise.check(np.cos)
    assert exercise.check(np.tan).message.startswith("At 0.5 your function gave")


def test_a_check_is_given_what_the_page_defined():
    exercise = Exercise("e", check=lambda answer, scale: answer == 2 * scale)
    assert exercise.check(6, 3)
    assert not exercise.check(5, 3)


def test_tolerance():
    assert Exercise("e", expected=np.pi, tolerance=1e-3).check(3.1415)
    assert not Exercise("e", expected=np.pi).check(3.1415)


def test_html_shows_the_state_by_a_sign_and_escapes():
    pages = [Exercise("<e>", question="<?>", expected=1.0).check(a)._repr_html_() for a in (..., 0, 1)]
    assert [next(c for c in "…↻✓" if c in page) for page in pages] == list("…↻✓")
    assert "&lt;e&gt;" in pages[0]
    assert "&lt;?&gt;" in pages[0]


def test_the_registry():
    first, second = Exercise("a", expected=1.0), Exercise("b", expected=2.0)
    assert find("a") is first
    again = Exercise("b", expected=3.0)
    assert find("b") is again is not second
    with pytest.raises(KeyError, match="there is no exercise 'c'; there are: a, b"):
        find("c")


def test_an_exercise_has_one_way_to_check():
    with pytest.raises(ValueError, match="'e' needs either check= or expected="):
        Exercise("e")
    with pytest.raises(ValueError, match=r"'e' expects a function: pass the points .* at="):
        Exercise("e", expected=np.sin)
