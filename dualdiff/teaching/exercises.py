"""Exercises that check themselves: not answered, keep working (with a hint), correct; never an exception."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["not answered", "keep working", "correct"]

#: Every exercise made so far, by name; a new one of the same name replaces the old one (a cell was run again).
REGISTRY: dict[str, Exercise] = {}


@dataclass(frozen=True)
class Result:
    """What a checker says: ``state`` is ``"not answered"``, ``"keep working"`` or ``"correct"``."""

    name: str
    state: State
    message: str = ""

    def __bool__(self) -> bool:
        """Whether the answer is correct."""
        return self.state == "correct"


class Exercise:
    """A question with a checker of answers.

    Parameters
    ----------
    name : str
        Names the exercise, ``"01.1"`` or ``"chain rule"``; `find` gets it back.
    question : str
        The text of the exercise.
    check : callable, optional
        ``check(answer)`` returns True, or False, or a hint (a str) for this very answer.  What it raises counts as a
        wrong answer, and is part of the message.
    expected : number, array, container or callable, optional
        Instead of ``check``: the right answer.  Numbers and arrays are compared within ``tolerance``, shapes exactly.
        If it is a function, the answer has to be one, and both are compared at the points ``at``.
    at : sequence, optional
        The points at which functions are compared; a tuple is a list of arguments.
    hints : sequence of str
        Shown one after the other, each to the next wrong answer, the last one again and again.
    tolerance : float, default 1e-9
        Relative and absolute.

    Examples
    --------
    >>> slope = Exercise("slope", question="What is the slope of x**2 at 3?", expected=6.0, hints=["d/dx x**2 = 2 x"])
    >>> slope.check(...)
    slope: not answered yet. What is the slope of x**2 at 3?
    >>> slope.check(9)
    slope: keep working. Hint: d/dx x**2 = 2 x
    >>> slope.check(6)
    slope: correct!
    """

    def __init__(
        self,
        name: str,
        question: str = "",
        check: Callable[[Any], bool | str] | None = None,
        expected: Any = None,
        hints: Sequence[str] = (),
        at: Sequence[Any] = (),
        tolerance: float = 1e-9,
    ) -> None:
        raise NotImplementedError

    def check(self, answer: Any = ...) -> Result:
        """What the checker says of an answer; ``...`` (and None) count as not answered.  Never raises."""
        raise NotImplementedError


def find(name: str) -> Exercise:
    """The exercise of this name.

    Raises
    ------
    KeyError
        If there is none; the message has the names that there are.
    """
    raise NotImplementedError
