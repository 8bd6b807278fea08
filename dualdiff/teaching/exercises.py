"""Exercises that check themselves: not answered, keep working (with a hint), or correct; never an exception."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

State = Literal["not answered", "keep working", "correct"]

#: Every exercise so far, by name; a new one of the same name replaces the old one, as when a cell is run again.
REGISTRY: dict[str, Exercise] = {}

#: A sign shows the state in addition to the colour, for readers without colour vision.
_SIGNS = {"not answered": ("…", "#6e7781"), "keep working": ("↻", "#bf6a02"), "correct": ("✓", "#1a7f37")}


@dataclass(frozen=True)
class Result:
    """The outcome of a check: ``state`` is ``"not answered"``, ``"keep working"`` or ``"correct"``."""

    name: str
    state: State
    message: str = ""

    def __bool__(self) -> bool:
        """Whether the answer is correct."""
        return self.state == "correct"

    def __repr__(self) -> str:
        return f"{self.name}: {self._text()}"

    def _text(self) -> str:
        if self.state == "correct":
            return f"correct! {self.message}".rstrip()
        words = "not answered yet" if self.state == "not answered" else "keep working"
        return f"{words}. {self.message}".rstrip()

    def _repr_html_(self) -> str:
        sign, colour = _SIGNS[self.state]
        return (
            f'<div style="border-left:4px solid {colour};padding:.3em .8em;margin:.3em 0">'
            f"<b>{sign} {html.escape(self.name)}</b>: {html.escape(self._text())}</div>"
        )


class Exercise:
    """A question with a check of the answer.

    Parameters
    ----------
    name : str
        The name of the exercise, ``"01.1"`` or ``"chain rule"``, by which `find` returns it.
    question : str
        The text of the exercise.
    check : callable, optional
        ``check(answer)`` returns True, False, or a hint (a str) for this particular answer.  An exception counts as a
        wrong answer and appears in the message.
    expected : scalar, array, container or callable, optional
        Instead of ``check``: the correct answer.  Scalars and arrays are compared within ``tolerance``, shapes exactly.
        If it is a function, the answer must be a function too, and both are compared at the points ``at``.
    at : sequence, optional
        The points at which functions are compared; a tuple holds several arguments.
    hints : sequence of str
        Shown one by one, each for another wrong answer; the last one is repeated.
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
            raise ValueError(f"the exercise {name!r} expects a function: pass the points to compare at as at=[...]")
        self.name, self.question, self.hints = name, question, list(hints)
        self._check, self._expected, self._at, self._tolerance = check, expected, list(at), tolerance
        self._wrong = 0
        REGISTRY[name] = self

    def check(self, answer: Any = ...) -> Result:
        """Check an answer.  Never raises.

        Parameters
        ----------
        answer : object
            ``...`` and None count as not answered.

        Returns
        -------
        Result
            Displayed in a terminal and in a notebook; true if the answer is correct.
        """
        if answer is ... or answer is None:
            return Result(self.name, "not answered", self.question)
        try:
            verdict = self._verdict(answer)
        except Exception as error:
            verdict = f"Checking your answer raised {type(error).__name__}: {_first_line(error)}"
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
            return f"The answer must be a function, but yours is {_shown(answer)}."
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
        If there is none; the message lists the existing names.

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
    """Whether two answers agree within the tolerance; a hint if they are of different kinds."""
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
        return _agree_numerically(given, wanted, tolerance)
    for pair in pairs:
        verdict = _agree(*pair, tolerance)
        if verdict is not True:
            return verdict
    return True


def _agree_numerically(given: Any, wanted: Any, tolerance: float) -> bool | str:
    if not _is_numeric(given):
        return f"The answer must be a scalar or an array, but yours is {_shown(given)}."
    given, wanted = np.asarray(given), np.asarray(wanted)
    if given.shape != wanted.shape:
        return f"The answer has shape {wanted.shape}, but yours has shape {given.shape}."
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


def _first_line(error: Exception) -> str:
    """The first line of a message, even if str(error) raises."""
    try:
        return (str(error).splitlines() or [""])[0]
    except Exception:
        return "(without a message)"
