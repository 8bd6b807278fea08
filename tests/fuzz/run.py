"""One program: drawn by its number, checked, and shrunk if it fails."""

from __future__ import annotations

import copy

import numpy as np

from tests.fuzz.checks import Disagreement, check
from tests.fuzz.programs import draw, outcome, shrunk


def numbered(seed, number):
    """The program of a number under a seed."""
    return draw(np.random.default_rng([seed, number]))


def failure_of(program, rng):
    """Why a program was left out (None: it was compared), and the report of its failure, a program itself, or None."""
    y = outcome(program)
    if y is None:
        return "not moderate", None
    try:
        return check(program, y, copy.deepcopy(rng)), None
    except Exception as raised:
        small, error = smallest(program, raised, rng)
    expressions = ["f(x)", "jacobian(f, x, mode='forward')"]
    return None, "\n".join(f"# {line}" for line in explained(error).splitlines()) + "\n" + small.written(expressions)


def smallest(program, error, rng):
    """The program shrunk so that the same kind of failure stays, and its error."""
    found = [error]

    def fails(candidate):
        try:
            check(candidate, outcome(candidate), copy.deepcopy(rng))
        except Exception as other:
            if kind(other) == kind(error):
                found.append(other)
                return True
        return False

    small = shrunk(program, fails)
    return small, found[-1]


def kind(error):
    """What stays the same while a program is shrunk."""
    cause = error.__cause__
    return (type(error), getattr(error, "name", None), type(cause))


def explained(error):
    return str(error) if isinstance(error, Disagreement) else f"{type(error).__name__}: {error}"
