"""Exercises that check themselves: not answered, keep working (with a hint), correct; never an exception."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

State = Literal["not answered", "keep working", "correct"]

#: Every exercise made so far, by name; a new one of the same name replaces the old one (a cell was run again).
REGISTRY: dict[str, Exercise] = {}

#: The state is told by a sign, too: not by colour alone.
_SIGNS = {"not answered": ("…", "#6e7781"), "keep working": ("↻", "#bf6a02"), "correct": ("✓", "#1a7f37")}


@dataclass(frozen=True)
class Result:
    """What a checker says: ``state`` is ``"not answered"``, ``"keep working"`` or ``"correct"``."""

    name: str
    state: State
    message: str = ""

    def __bool__(self) -> bool:
        """Whether the answer is correct."""
        return self.state == "correct"

    def __repr__(self) -> str:
        return f"{self.name}: {self._told()}"

    def _told(self) -> str:
        if self.state == "correct":
            return f"correct! {self.message}".rstrip()
        words = "not answered yet" if self.state == "not answered" else "keep working"
        return f"{words}. {self.message}".rstrip()

    def _repr_html_(self) -> str:
        sign, colour = _SIGNS[self.state]
        return (
            f'<div style="border-left:4px solid {colour};padding:.3em .8em;margin:.3em 0">'
            f"<b>{sign} {html.escape(self.name)}</b>: {html.escape(self._told())}</div>"
        )


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
        if (check is None) == (expected is None):
            raise ValueError(f"the exercise {name!r} needs either check= or expected=")
        if callable(expected) and not at:
            raise ValueError(f"the exercise {name!r} expects a function: at= has the points to compare at")
        self.name, self.question, self.hints = name, question, list(hints)
        self._check, self._expected, self._at, self._tolerance = check, expected, list(at), tolerance
        self._wrong = 0
        REGISTRY[name] = self

    def check(self, answer: Any = ...) -> Result:
        """What the checker says of an answer.  Never raises.

        Parameters
        ----------
        answer : object
            ``...`` and None count as not answered.

        Returns
        -------
        Result
            It shows itself in a terminal and in a notebook, and is true if the answer is correct.
        """
        if answer is ... or answer is None:
            return Result(self.name, "not answered", self.question)
        try:
            verdict = self._verdict(answer)
        except Exception as error:
            verdict = f"Checking your answer raised {type(error).__name__}: {_said(error)}"
        if isinstance(verdict, str):
            return Result(self.name, "keep working", verdict)
        if verdict:
            return Result(self.name, "correct")
        return Result(self.name, "keep working", self._next_hint())

    def _verdict(self, answer: Any) -> bool | str:
        """True, False, or a hint."""
        if self._check is not None:
            verdict = self._check(answer)
            return verdict if isinstance(verdict, str) else bool(verdict)
        if not callable(self._expected):
            return _agree(answer, self._expected, self._tolerance)
        if not callable(answer):
            return f"The answer has to be a function, and yours is {_shown(answer)}."
        for point in self._at:
            args = point if isinstance(point, tuple) else (point,)
            wanted, given = self._expected(*args), answer(*args)
            if given is None or given is ...:
                return f"Your function returned {_shown(given)}: is a return statement missing?"
            verdict = _agree(given, wanted, self._tolerance)
            if verdict is not True:
                place = ", ".join(map(_shown, args))
                return verdict or f"At {place} your function gave {_shown(given)}. {self._next_hint()}".rstrip()
        return True

    def _next_hint(self) -> str:
        self._wrong += 1
        return f"Hint: {self.hints[min(self._wrong, len(self.hints)) - 1]}" if self.hints else ""

    def __repr__(self) -> str:
        return f"<exercise {self.name!r}: {self.question}>" if self.question else f"<exercise {self.name!r}>"


def find(name: str) -> Exercise:
    """The exercise of this name.

    Parameters
    ----------
    name : str

    Returns
    -------
    Exercise

    Raises
    ------
    KeyError
        If there is none; the message has the names that there are.

    Examples
    --------
    >>> slope = Exercise("slope of a square", expected=6.0)
    >>> find("slope of a square") is slope
    True
    """
    if name not in REGISTRY:
        raise KeyError(f"there is no exercise {name!r}; there are: {', '.join(REGISTRY) or 'none'}")
    return REGISTRY[name]


def _agree(given: Any, wanted: Any, tolerance: float) -> bool | str:
    """Whether two answers are the same within the tolerance; a hint if they are not even of one kind."""
    if isinstance(wanted, (str, bool)):
        return type(given) is type(wanted) and given == wanted
    if isinstance(wanted, dict):
        if not isinstance(given, dict) or given.keys() != wanted.keys():
            return f"The answer is a dict with the keys {', '.join(map(repr, wanted))}."
        pairs = [(given[k], wanted[k]) for k in wanted]
    elif isinstance(wanted, (tuple, list)) and not _is_numeric(wanted):
        if not isinstance(given, (tuple, list)) or len(given) != len(wanted):
            return f"The answer has {len(wanted)} parts."
        pairs = list(zip(given, wanted, strict=True))
    else:
        return _agree_numbers(given, wanted, tolerance)
    for pair in pairs:
        verdict = _agree(*pair, tolerance)
        if verdict is not True:
            return verdict
    return True


def _agree_numbers(given: Any, wanted: Any, tolerance: float) -> bool | str:
    if not _is_numeric(given):
        return f"The answer is a number or an array, and yours is {_shown(given)}."
    given, wanted = np.asarray(given), np.asarray(wanted)
    if given.shape != wanted.shape:
        return f"The answer has the shape {wanted.shape}, and yours {given.shape}."
    return bool(np.allclose(given, wanted, rtol=tolerance, atol=tolerance, equal_nan=True))


def _is_numeric(x: Any) -> bool:
    try:
        return bool(np.asarray(x).dtype.kind in "iufc")
    except (TypeError, ValueError):
        return False


def _shown(x: Any) -> str:
    """An answer in a few words."""
    words = "..." if x is ... else repr(x)
    return words if len(words) <= 60 else words[:57] + "..."


def _said(error: Exception) -> str:
    """The first line of a message, even of one that cannot be had."""
    try:
        return (str(error).splitlines() or [""])[0]
    except Exception:
        return "(without a message)"
