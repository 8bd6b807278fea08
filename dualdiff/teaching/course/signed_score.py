"""The score of a session as a signed text."""

from __future__ import annotations

import hashlib
import hmac
import html
import re
from dataclasses import dataclass

from dualdiff.teaching.course.roster import LEDGER, names

#: Not a secret: see `score`.
_KEY = b"the score of the course of dualdiff"
_TITLE = "Score of the dualdiff course"


@dataclass(frozen=True)
class Score:
    """Who answered what: the text of a score, and what it says.

    Attributes
    ----------
    text : str
        What to hand in: a line for each exercise that was tried, and the signature.
    student : str
    correct : tuple of str
        The names of the exercises that were answered correctly.
    attempts : dict of str to int
        How many answers were given to each exercise, up to the correct one.
    fingerprints : dict of str to str
        The first digits of the SHA-256 of each last answer: of a function's source, or of a value's text.
    """

    text: str
    student: str
    correct: tuple[str, ...]
    attempts: dict[str, int]
    fingerprints: dict[str, str]

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.text)}</pre>"


def score(student: str) -> Score:
    """The score of this session, signed, to be handed in.

    Parameters
    ----------
    student : str
        The name, which is signed with the rest.

    Returns
    -------
    Score

    Raises
    ------
    ValueError
        If the name is empty or longer than a line.

    Notes
    -----
    The signature is an HMAC with SHA-256, and its key stands in the source of this package.  So it protects against
    slips: a line lost while copying, a digit changed in an editor, a text handed in under another name.  It does not
    protect against somebody who reads the source and signs a text of his own, or who copies an answer.  Where marks
    depend on it, collect the notebooks too, and run them: the fingerprints tell whether the answers are those that
    were scored, and which two students gave the same source.

    Examples
    --------
    >>> score("Ada Lovelace").student
    'Ada Lovelace'
    """
    student = student.strip()
    if len(student.splitlines()) != 1:
        raise ValueError(f"the score needs a name of one line, not {student!r}")
    lines = [_TITLE, f"student: {student}"]
    for name in names():
        if name in LEDGER:
            entry = LEDGER[name]
            verdict = "correct" if entry.is_correct else "open"
            lines.append(f"{name} {verdict} after {entry.count}, {entry.fingerprint}")
    lines.append(f"correct: {sum(entry.is_correct for entry in LEDGER.values())} of {len(names())}")
    return verify("\n".join([*lines, f"signature: {_signature(lines)}"]))


def verify(text: str) -> Score:
    """Read a score that was handed in, and check its signature.

    Parameters
    ----------
    text : str
        The text of a `Score`.

    Returns
    -------
    Score

    Raises
    ------
    ValueError
        If the text is no score, or has been changed since it was signed.

    Examples
    --------
    >>> verify(score("Ada Lovelace").text).student
    'Ada Lovelace'
    >>> verify(score("Ada Lovelace").text.replace("Ada", "Eve"))
    Traceback (most recent call last):
        ...
    ValueError: this score was changed after it was signed
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 4 or lines[0] != _TITLE or not lines[-1].startswith("signature: "):
        raise ValueError(f"a score begins with {_TITLE!r} and ends with its signature")
    if not hmac.compare_digest(lines[-1].removeprefix("signature: "), _signature(lines[:-1])):
        raise ValueError("this score was changed after it was signed")
    entries = [
        match for line in lines[2:-2] if (match := re.fullmatch(r"(\S+) (correct|open) after (\d+), (\w+)", line))
    ]
    return Score(
        text="\n".join(lines),
        student=lines[1].removeprefix("student: "),
        correct=tuple(match[1] for match in entries if match[2] == "correct"),
        attempts={match[1]: int(match[3]) for match in entries},
        fingerprints={match[1]: match[4] for match in entries},
    )


def _signature(lines: list[str]) -> str:
    return hmac.new(_KEY, "\n".join(lines).encode(), hashlib.sha256).hexdigest()
