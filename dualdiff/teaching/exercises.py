"""Exercises that check themselves: not answered, keep working (with a hint), or correct; never an exception."""

from __future__ import annotations

import html
import inspect
import linecache
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dualdiff.base.internals import position, steps

State = Literal["not answered", "keep working", "correct"]

#: Every exercise so far, by name; a new one of the same name replaces the old one, as when a cell is run again.
REGISTRY: dict[str, Exercise] = {}

#: A sign shows the state in addition to the colour, for readers without colour vision.
_SIGNS = {"not answered": ("…", "#6e7781"), "keep working": ("↻", "#bf6a02"), "correct": ("✓", "#1a7f37")}


#: What is said of an error in a reader's function, in words; the name of Python's class would not help.
_IN_WORDS = (
    (ZeroDivisionError, "it divides by zero"),
    (RecursionError, "it calls itself without end"),
    (NameError, "it uses a name that is not defined"),
    (IndexError, "it reads an element that does not exist"),
    (KeyError, "it reads an entry that does not exist"),
)


class Wrong(Exception):
    """Raised by a check to say what is wrong with an answer."""


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
        ``check(answer, *given)`` returns True, False, or a hint (a str) for this particular answer.  An exception
        counts as a wrong answer; the message says in words where the reader's function stopped.
    expected : scalar, array, container or callable, optional
        Instead of ``check``: the correct answer.  Scalars and arrays are compared within ``tolerance``, shapes exactly.
        If it is a function, the answer must be a function too, and both are compared at the points ``at``.
    at : sequence, optional
        The points at which functions are compared; a tuple holds several arguments.
    hints : sequence of str
        Shown one by one, each for another wrong answer; the last one is repeated.
    tolerance : float, default 1e-9
        Relative and absolute.
    mistakes : sequence of pairs
        Answers that readers give for a known reason, each with what to say to it.  Where ``expected`` is a function, so
        are these, and an answer makes a mistake if it agrees with it at all points ``at``.
    explanation : str
        Shown to a correct answer: why it is correct, or what follows.
    takes : str
        The parameters of an answer that is a function, ``"f, x"``.  Anything else is refused before it is checked.

    Examples
    --------
    >>> slope = Exercise("slope", question="What is the slope of x**2 at 3?", expected=6.0, hints=["d/dx x**2 = 2 x"])
    >>> slope.check(...)
    slope: not answered yet. What is the slope of x**2 at 3?
    >>> slope.check(9)
    slope: keep working. Hint: d/dx x**2 = 2 x
    >>> slope.check(6)
    slope: correct!

    >>> slope = Exercise(
    ...     "slope of a power", expected=12.0, mistakes=[(4.0, "That is the value: differentiate.")],
    ...     explanation="The slope of x**3 is 3 x**2.")
    >>> slope.check(4)
    slope of a power: keep working. That is the value: differentiate.
    >>> slope.check(12)
    slope of a power: correct! The slope of x**3 is 3 x**2.
    """

    def __init__(
        self,
        name: str,
        question: str = "",
        check: Callable[..., bool | str] | None = None,
        expected: Any = None,
        hints: Sequence[str] = (),
        at: Sequence[Any] = (),
        tolerance: float = 1e-9,
        mistakes: Sequence[tuple[Any, str]] = (),
        explanation: str = "",
        takes: str = "",
    ) -> None:
        if (check is None) == (expected is None):
            raise ValueError(f"the exercise {name!r} needs either check= or expected=")
        if callable(expected) and not at:
            raise ValueError(f"the exercise {name!r} expects a function: pass the points to compare at as at=[...]")
        self.name: str = name
        self.question: str = question
        self.hints: list[str] = list(hints)
        self._check, self._expected, self._at, self._tolerance = check, expected, list(at), tolerance
        self._mistakes, self._explanation, self._takes = list(mistakes), explanation, takes
        self._wrong = 0
        REGISTRY[name] = self

    def check(self, answer: Any = ..., *given: Any) -> Result:
        """Check an answer.  Never raises.

        Parameters
        ----------
        answer : object
            ``...`` and None count as not answered.
        *given : object
            Passed on to ``check``: what the page defined and the check needs.

        Returns
        -------
        Result
            Displayed in a terminal and in a notebook; true if the answer is correct.
        """
        if answer is ... or answer is None:
            return Result(self.name, "not answered", self.question)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                verdict = self._verdict(answer, given)
        except Wrong as wrong:
            verdict = str(wrong)
        except Exception as error:
            verdict = _in_words(answer, error)
        if isinstance(verdict, str):
            return Result(self.name, "keep working", verdict)
        if verdict:
            return Result(self.name, "correct", self._explanation)
        return Result(self.name, "keep working", self._next_hint())

    def _verdict(self, answer: Any, given: tuple[Any, ...]) -> bool | str:
        """True, False, or a hint."""
        if self._takes:
            _refuse_other_signatures(answer, self._takes)
        verdict = self._against(answer) if self._check is None else self._check(answer, *given)
        if verdict is True or self._check is not None:
            return verdict if isinstance(verdict, str) else bool(verdict)
        for wrong, diagnosis in self._mistakes:
            if self._against(answer, wrong) is True:
                return diagnosis
        return verdict

    def _against(self, answer: Any, expected: Any = None) -> bool | str:
        """Whether an answer is as expected; a hint if it is of another kind."""
        right = self._expected if expected is None else expected
        if not callable(right):
            return _agree(answer, right, self._tolerance)
        if not callable(answer):
            return f"The answer must be a function, but yours is {_shown(answer)}."
        for point in self._at:
            args = point if isinstance(point, tuple) else (point,)
            wanted, given = right(*args), answer(*args)
            if given is None or given is ...:
                return f"Your function returned {_shown(given)}: is a return statement missing?"
            verdict = _agree(given, wanted, self._tolerance)
            if verdict is not True:
                place = ", ".join(map(_shown, args))
                if verdict or expected is not None:
                    return verdict
                return f"At {place} your function gave {_shown(given)}. {self._next_hint()}".rstrip()
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
    """An answer in a few words, even if its repr raises; addresses tell nobody anything."""
    try:
        words = "..." if x is ... else repr(x)
    except Exception:
        words = " at 0x"
    if " at 0x" in words:
        words = "a function" if inspect.isroutine(x) else f"an object of the class {type(x).__name__}"
    return words if len(words) <= 60 else words[:57] + "..."


def _refuse_other_signatures(answer: Any, takes: str) -> None:
    """Raise unless an answer is a function that takes these parameters."""
    names = takes.split(", ")
    if not callable(answer):
        raise Wrong(f"The answer must be a function of {' and '.join(names)}, but yours is {_shown(answer)}.")
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return  # a function written in C shows none
    try:
        signature.bind(*names)
    except TypeError:
        wanted = f"{len(names)} argument{'s' * (len(names) > 1)}, ({takes})"
        raise Wrong(f"Your function must take {wanted}, but it takes {signature}.") from None


def _in_words(answer: Any, error: Exception) -> str:
    """Where a reader's function stopped and why, without Python's error."""
    if not callable(answer):
        return f"The exercise asks for something else than {_shown(answer)}."
    why = next((words for kind, words in _IN_WORDS if isinstance(error, kind)), "it cannot do what is written there")
    code = getattr(getattr(answer, "py_func", answer), "__code__", None)
    frames = list(steps(error))
    starts = [i for i, (frame, _) in enumerate(frames) if frame.f_code is code]
    if not starts:
        return "Your function cannot be called as the exercise says, or returns something else than asked for."
    # The innermost line that the reader wrote: in the same file as the answer.
    file = frames[starts[0]][0].f_code.co_filename
    frame, place = [entry for entry in frames[starts[0] :] if entry[0].f_code.co_filename == file][-1]
    number = (position(frame, place) or (frame.f_lineno,))[0]
    source = linecache.getline(file, number, frame.f_globals).strip()
    where = f", at `{source}`" if source else ""
    return f"Your function stops in line {number - frame.f_code.co_firstlineno + 1}{where}: {why}."
