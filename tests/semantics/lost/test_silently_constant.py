"""No argument of a NumPy function drops a derivative: a dual in its place gives the right one, or an error.

Every argument of every example call is tried: arrays, entries of lists, numbers that count or choose, and the options
that the example does not give, beside plain arrays and beside duals.
"""

from __future__ import annotations

import inspect
import warnings
from collections import OrderedDict

import numpy as np
import pytest

import dualdiff.rules
from dualdiff import Dual, DualArray, value
from dualdiff.core.dual import AnyDual
from dualdiff.core.registry import FUNCTIONS
from tests.support.calls import BY_VALUE, CALLS

dualdiff.base.late.load_rules()

STEP = 1e-5

#: What options of these names may be given, where an example leaves them out.
OPTIONS = {
    **dict.fromkeys(("left", "neginf", "prepend", "a_min", "min"), -0.6),
    **dict.fromkeys(("right", "posinf", "append", "a_max", "max", "fill_value", "default", "initial"), 0.8),
    **dict.fromkeys(("dx", "nan", "to_begin", "to_end", "constant_values", "end_values", "base"), 1.3),
    **dict.fromkeys(("period", "discont"), 5.1),
    **dict.fromkeys(("rcond", "rtol", "tol", "atol"), 1e-9),
    **dict.fromkeys(("ddof", "correction"), 1.0),
    "range": (-2.5, 2.5),
}
#: And those that are shaped as the first argument.
WEIGHTS = ("weights", "aweights", "w")


#: An empty array has no values to compare.
EXAMPLES = [call for call in (*CALLS, *BY_VALUE) if call.function in FUNCTIONS and call.function is not np.empty_like]


def plain(x):
    """The call without duals."""
    if isinstance(x, AnyDual):
        return value(x)
    return type(x)(map(plain, x)) if isinstance(x, (list, tuple)) else x


def recorded(call):
    """The arguments with which NumPy's function is called in an example."""
    function, seen = call.function, []
    rule = FUNCTIONS[function]

    def spy(*args, **kwargs):
        seen.append((args, kwargs))
        return rule(*args, **kwargs)

    FUNCTIONS[function] = spy
    try:
        call.call(*(DualArray(a, np.ones(np.shape(a))) for a in call.args))
    finally:
        FUNCTIONS[function] = rule
    args, kwargs = seen[0]
    return plain(args), {name: plain(x) for name, x in kwargs.items()}


def places(function, arguments):
    """Every place where a number or an array of numbers stands, or may stand, and what stands there."""
    for name, parameter in inspect.signature(function).parameters.items():
        given = arguments.get(name, inspect.Parameter.empty)
        if given is inspect.Parameter.empty:
            if name in OPTIONS:
                yield name, None, OPTIONS[name]
            elif name in WEIGHTS:
                yield name, None, 0.5 + np.abs(next(iter(arguments.values())))
        elif parameter.kind is parameter.VAR_POSITIONAL or (
            isinstance(given, (list, tuple)) and any(isinstance(e, np.ndarray) for e in given)
        ):
            yield from ((name, i, e) for i, e in enumerate(given))
        elif parameter.kind is not parameter.VAR_KEYWORD:
            yield name, None, given


def numbers(x):
    """The numbers in an argument, None if it is something else."""
    if isinstance(x, (bool, str, type, np.dtype)) or x is None:
        return None
    try:
        array = np.asarray(x)
    except ValueError:
        return None
    return array.astype(float) if array.dtype.kind in "iuf" and array.size else None


def floats(result, part):
    """All floating-point numbers in a result, one after the other; or their tangents."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return np.concatenate([np.zeros(0), *(floats(r, part) for r in result)])
    if part == "tangent" and isinstance(result, AnyDual):
        return np.ravel(result.tangent)
    found = np.asarray(plain(result))
    if found.dtype.kind not in "fc":
        return np.zeros(0)
    return np.zeros(found.size) if part == "tangent" else np.ravel(found)


@pytest.mark.parametrize("around", ["plain", "dual"])
@pytest.mark.parametrize("call", EXAMPLES, ids=lambda call: call.function.__name__)
def test_a_dual_in_any_place_is_differentiated_or_refused(call, around):
    function = call.function
    try:
        signature = inspect.signature(function)
    except ValueError:
        pytest.skip("NumPy does not tell the signature")
    args, kwargs = recorded(call)
    arguments = dict(signature.bind(*args, **kwargs).arguments)

    def called(name, index, x, wrap=lambda a: a):
        given = {n: wrap(a) for n, a in arguments.items()}
        if index is None:
            given[name] = x
        else:
            given[name] = type(given[name])([*given[name][:index], x, *given[name][index + 1 :]])
        ordered = OrderedDict((n, given[n]) for n in signature.parameters if n in given)
        bound = inspect.BoundArguments(signature, ordered)
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            return function(*bound.args, **bound.kwargs)

    def constant(a):
        return DualArray(a) if around == "dual" and isinstance(a, np.ndarray) and a.dtype.kind == "f" else a

    for name, index, given in places(function, arguments):
        x = numbers(given)
        if x is None:
            continue
        v = np.linspace(0.5, 1.5, x.size).reshape(x.shape)
        dual = DualArray(x, v) if x.shape else Dual(float(x), float(v))
        try:
            result = called(name, index, dual, constant)
        except (TypeError, ValueError, RuntimeError, IndexError):
            continue
        number = (lambda a: a) if x.shape else float
        try:
            ends = [floats(called(name, index, number(x + h * v)), "value") for h in (STEP, -STEP)]
        except (TypeError, ValueError, RuntimeError, IndexError):
            # NumPy itself takes only some numbers there, of which each is by itself.
            assert not np.any(floats(result, "tangent")), f"{name} counts, and has a tangent"
            continue
        if call.writes and name == next(iter(arguments)):
            continue
        tangents = floats(result, "tangent")
        if len(ends[0]) == len(ends[1]) == len(tangents):
            expected = (ends[0] - ends[1]) / (2 * STEP)
            ok = np.isclose(tangents, expected, 1e-5, 1e-5) | np.isnan(expected)
            assert np.all(ok), f"{name}: {tangents} for {expected}"


def takes_out(call):
    try:
        return "out" in inspect.signature(call.function).parameters
    except ValueError:
        return False


@pytest.mark.parametrize("call", [c for c in CALLS if takes_out(c)], ids=lambda call: call.function.__name__)
def test_a_result_without_tangent_takes_that_of_out_away(call):
    """Plain arguments and a dual ``out``, by name and by position: the values are stored, with tangent zero."""
    signature = inspect.signature(call.function)
    args, kwargs = recorded(call)
    bound = signature.bind(*args, **kwargs)
    bound.arguments.pop("out", None)
    expected = np.asarray(call.function(*bound.args, **bound.kwargs))
    # An argument after others by position goes by position itself.
    for positional in (False, signature.parameters["out"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD):
        out = DualArray(np.full(expected.shape, 9.0, expected.dtype), np.full(expected.shape, 5.0, expected.dtype))
        if positional:
            bound.apply_defaults()
        bound.arguments["out"] = out
        ordered = OrderedDict((n, bound.arguments[n]) for n in signature.parameters if n in bound.arguments)
        call_with = inspect.BoundArguments(signature, ordered)
        kwargs = {n: x for n, x in call_with.kwargs.items() if x is not np._NoValue}
        assert call.function(*call_with.args, **kwargs) is out
        np.testing.assert_array_equal(out.value, expected)
        assert not np.any(out.tangent)
