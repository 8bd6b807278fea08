"""Every function that NumPy hands to other libraries is differentiated, value-only or refused; every keyword is known.

A NumPy that adds a function or a keyword makes these tests fail.
"""

from __future__ import annotations

import inspect

import numpy as np
import numpy.fft
import numpy.lib.recfunctions
import numpy.polynomial
import numpy.strings
import pytest
from numpy.testing.overrides import get_overridable_numpy_array_functions

import dualdiff.rules
from dualdiff import DualArray, NoRuleError
from dualdiff.core.registry import CREATORS, FUNCTIONS, REFUSED
from dualdiff.rules.support import VALUE_ONLY

dualdiff.rules.load()


def implementation(function):
    """What stands in the registry for a function: creation functions are known by what lies behind ``like=``."""
    inner = getattr(function, "_implementation", function)
    return inner if inner in CREATORS else function


SURFACE = sorted(
    {implementation(f) for f in get_overridable_numpy_array_functions()}, key=lambda f: (f.__module__, f.__name__)
)


def named(function):
    return f"{function.__module__}.{function.__name__}"


def sets_of(function):
    """The sets that a function stands in."""
    found = []
    if function in FUNCTIONS:
        found.append("value-only" if function in VALUE_ONLY else "differentiated")
    if function in CREATORS:
        found.append("made like")
    if function in REFUSED or function.__module__ in REFUSED:
        found.append("refused")
    return found


@pytest.mark.parametrize("function", SURFACE, ids=named)
def test_every_function_stands_in_exactly_one_set(function):
    found = sets_of(function)
    assert len(found) == 1, f"{named(function)} stands in {found or 'no set'}"


def test_nothing_else_has_a_rule():
    assert set(FUNCTIONS) <= set(SURFACE)


# -- keywords ----------------------------------------------------------------------------------------------------------
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

#: Names that NumPy has changed.
RENAMED = {"newshape": "shape"}

#: Parameters that the rules let pass unread, since they change nothing: duals are neither matrices nor masked, and
#: there is one device.
UNREAD = {"subok", "device", "like"}


def signature_of(function):
    try:
        return inspect.signature(function)
    except ValueError:
        pytest.skip("NumPy does not tell the signature")


def default_of(parameter):
    return None if parameter.default is np._NoValue else parameter.default


def rule_for(function):
    return FUNCTIONS.get(function) or CREATORS[function]


WITH_RULES = [f for f in SURFACE if f in FUNCTIONS or f in CREATORS]


@pytest.mark.parametrize("function", WITH_RULES, ids=named)
def test_rules_take_every_keyword_of_numpy(function):
    theirs = list(signature_of(function).parameters.values())
    rule = rule_for(function)
    mine = list(inspect.signature(rule).parameters.values())
    if rule is CREATORS.get(function):
        # The first argument is what was given as like=.
        mine = mine[1:]
    takes_all = {p.kind for p in mine} & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    places = [p for p in mine if p.kind in POSITIONAL]
    names = {p.name: p for p in mine if p.kind in BY_NAME}
    for i, parameter in enumerate(p for p in theirs if p.kind in POSITIONAL):
        if i < len(places):
            assert (
                places[i].name == RENAMED.get(parameter.name, parameter.name)
                or parameter.kind is inspect.Parameter.POSITIONAL_ONLY
            )
        else:
            assert inspect.Parameter.VAR_POSITIONAL in takes_all, f"{parameter.name} is not taken by position"
    for parameter in theirs:
        if parameter.kind in BY_NAME and parameter.name not in UNREAD:
            known = names.get(parameter.name)
            assert known or inspect.Parameter.VAR_KEYWORD in takes_all, f"{parameter.name} is not known"
            if known is not None and parameter.default is not inspect.Parameter.empty:
                assert default_of(known) == default_of(parameter), f"the default of {parameter.name}"


# -- refusals ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("function", [f for f in SURFACE if f not in FUNCTIONS and f not in CREATORS], ids=named)
def test_refusals_name_the_function_and_the_reason(function):
    x = DualArray([1.0, 2.0], [1.0, 0.0])
    with pytest.raises(NoRuleError) as error:
        x.__array_function__(function, (DualArray,), (x,), {})
    assert function.__name__ in str(error.value)
    assert (REFUSED.get(function) or REFUSED[function.__module__]) in str(error.value)


def test_a_function_that_nobody_knows_is_refused():
    def unheard_of(x):
        """A function of a NumPy to come."""

    x = DualArray([1.0, 2.0], [1.0, 0.0])
    with pytest.raises(NoRuleError, match="unheard_of has no derivative rule"):
        x.__array_function__(unheard_of, (DualArray,), (x,), {})
