"""All exercises of the course by their names, and what has been answered so far."""

from __future__ import annotations

import hashlib
import inspect
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualdiff.teaching.course import (
    first_lessons,
    further_lessons,
    graph_lessons,
    last_lessons,
    method_lessons,
    problems,
)
from dualdiff.teaching.exercises import Exercise, Result


@dataclass
class Attempts:
    """What has been answered to an exercise: whether correctly, how often, and the last answer's fingerprint."""

    is_correct: bool = False
    count: int = 0
    fingerprint: str = ""


#: The attempts of this session, by the name of the exercise.
LEDGER: dict[str, Attempts] = {}
_LESSONS = (first_lessons, graph_lessons, method_lessons, further_lessons, last_lessons, problems)
_TABLE: dict[str, Exercise] = {exercise.name: exercise for lessons in _LESSONS for exercise in lessons.EXERCISES}


def names() -> list[str]:
    """The names of all exercises, in the order of the course.

    Returns
    -------
    list of str

    Examples
    --------
    >>> names()[:3]
    ['01.1', '01.2', '01.3']
    """
    return list(_TABLE)


def check(name: str, answer: Any = ..., *given: Any) -> Result:
    """Check an answer to an exercise of the course, and count the attempt.

    Parameters
    ----------
    name : str
        The name of the exercise: notebook and number, ``"01.2"``.
    answer : object
        ``...`` and None count as not answered.
    *given : object
        What the notebook defined and the check needs; the cell for the answer passes it.

    Returns
    -------
    Result
        Displayed in a terminal and in a notebook; true if the answer is correct.  A wrong answer never raises.

    Raises
    ------
    KeyError
        If there is no such exercise.

    Examples
    --------
    >>> check("01.2", [1.0, 0.5]).state
    'keep working'
    >>> check("01.2", [0.0, 0.5]).state
    'correct'
    """
    if name not in _TABLE:
        near = [other for other in _TABLE if other.partition(".")[0] == name.partition(".")[0]]
        words = f"its notebook has {', '.join(near)}" if near else "a name is that of notebook and exercise, '01.2'"
        raise KeyError(f"the course has no exercise {name!r}: {words}")
    result = _TABLE[name].check(answer, *given)
    if result.state != "not answered":
        entry = LEDGER.setdefault(name, Attempts())
        # What was correct once remains so, with the answer that was.
        if not entry.is_correct:
            entry.is_correct, entry.fingerprint = bool(result), fingerprint(answer)
            entry.count += 1
    return result


def fingerprint(answer: Any) -> str:
    """The first twelve hexadecimal digits of the SHA-256 of an answer: of a function's source, or of a value's text."""
    try:
        text = textwrap.dedent(inspect.getsource(getattr(answer, "py_func", answer))).strip()
    except (TypeError, OSError):
        try:
            text = np.array2string(answer) if issubclass(type(answer), np.ndarray) else repr(answer)
        except Exception:
            text = type(answer).__name__
    return hashlib.sha256(text.encode()).hexdigest()[:12]
