"""All NumPy functions that can be overridden are differentiated, value-only or refused; every keyword is known.

A NumPy that adds a function, a ufunc or a keyword makes one test of each kind fail, with their names, and no other: the
other tests are about what is known.
"""

from __future__ import annotations

import inspect

import numpy as np
import numpy.fft
import numpy.lib.recfunctions
import numpy.polynomial
import numpy.strings
import pytest
from numpy.testing.overrides import get_overridable_numpy_array_functions, get_overridable_numpy_ufuncs

import dualdiff.rules
from dualdiff import Dual, DualArray, LostDerivativeError, NoRuleError, jvp
from dualdiff.core.registry import CREATORS, FUNCTIONS, REFUSED, UFUNCS, refusal
from dualdiff.rules.__main__ import lines
from dualdiff.rules.numpy.by_value import PLAIN
from dualdiff.rules.numpy.elementwise.ufuncs import CLIP
from dualdiff.rules.writing.array_rules import VALUE_ONLY
from tests.support.against import assert_near, assert_same
from tests.support.calls import UFUNC_CALLS

dualdiff.base.late.load_rules()


def implementation(function):
    """The registry entry of a function; creation functions are registered by the function behind ``like=``."""
    inner = getattr(function, "_implementation", function)
    return inner if inner in CREATORS else function


SURFACE = sorted(
    {implementation(f) for f in get_overridable_numpy_array_functions()}, key=lambda f: (f.__module__, f.__name__)
)


def named(function):
    return f"{function.__module__}.{function.__name__}"


def sets_of(function):
    """The sets that contain a function."""
    found = []
    if function in FUNCTIONS:
        found.append("value-only" if function in VALUE_ONLY else "differentiated")
    if function in CREATORS:
        found.append("made like")
    if refusal(function):
        found.append("refused")
    return found


KNOWN = [f for f in SURFACE if sets_of(f)]


def test_numpy_has_no_other_function():
    assert sorted(named(f) for f in SURFACE if f not in KNOWN) == []


@pytest.mark.parametrize("function", KNOWN, ids=named)
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


def parameters_of_the_rule(function):
    rule = rule_for(function)
    mine = list(inspect.signature(rule).parameters.values())
    # The first argument of what makes arrays is what was given as like=.
    return mine[1:] if rule is CREATORS.get(function) else mine


def unknown_keywords(function):
    """The keywords of NumPy's function that the rule does not accept."""
    try:
        theirs = inspect.signature(function).parameters.values()
    except ValueError:
        return []
    mine = parameters_of_the_rule(function)
    if inspect.Parameter.VAR_KEYWORD in {p.kind for p in mine}:
        return []
    names = {p.name for p in mine if p.kind in BY_NAME} | UNREAD
    return [p.name for p in theirs if p.kind in BY_NAME and p.name not in names]


WITH_RULES = [f for f in SURFACE if f in FUNCTIONS or f in CREATORS]


def test_numpy_has_no_other_keyword():
    assert {named(f): unknown for f in WITH_RULES if (unknown := unknown_keywords(f))} == {}


@pytest.mark.parametrize("function", WITH_RULES, ids=named)
def test_rules_take_arguments_as_numpy_does(function):
    """In the same places, under the same names and with the same defaults."""
    unknown = unknown_keywords(function)
    theirs = [p for p in signature_of(function).parameters.values() if p.name not in unknown]
    mine = parameters_of_the_rule(function)
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
            if known is not None and parameter.default is not inspect.Parameter.empty:
                assert default_of(known) == default_of(parameter), f"the default of {parameter.name}"


# -- refusals ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("function", [f for f in SURFACE if refusal(f)], ids=named)
def test_refusals_name_the_function_and_the_reason(function):
    x = DualArray([1.0, 2.0], [1.0, 0.0])
    with pytest.raises(NoRuleError) as error:
        x.__array_function__(function, (DualArray,), (x,), {})
    assert function.__name__ in str(error.value)
    assert refusal(function) in str(error.value)


def test_an_unknown_function_is_refused():
    def unheard_of(x):
        """A function of a NumPy to come."""

    x = DualArray([1.0, 2.0], [1.0, 0.0])
    with pytest.raises(NoRuleError, match="unheard_of has no derivative rule"):
        x.__array_function__(unheard_of, (DualArray,), (x,), {})


def test_everything_refused_can_be_listed():
    listed = "\n".join(lines())
    for reason in REFUSED.values():
        assert f"\n{reason}:\n" in listed
    for name in ("savetxt", "gcd", "power.reduce", "equal.at", "numpy.strings.*"):
        assert name in listed


# -- ufuncs ------------------------------------------------------------------------------------------------------------
#: NumPy's ufuncs, except an internal one.
UFUNC_SURFACE = sorted(
    {u for u in get_overridable_numpy_ufuncs() | {CLIP} if u.__name__ != "_ones_like"}, key=lambda u: u.__name__
)


def methods_of(ufunc):
    """What NumPy offers of a ufunc."""
    yield "__call__"
    if ufunc.signature is None and ufunc.nout == 1 and ufunc.nin <= 2:
        yield "at"
    if ufunc.signature is None and ufunc.nin == 2:
        yield "outer"
        if ufunc.nout == 1:
            yield from ("reduce", "accumulate", "reduceat")


def sets_of_method(ufunc, method):
    """The sets that contain a method of a ufunc."""
    found = ["value-only" if ufunc in PLAIN else "differentiated"] if (ufunc, method) in UFUNCS else []
    return found + ["refused"] * bool(refusal(ufunc, method))


KNOWN_UFUNCS = [u for u in UFUNC_SURFACE if any(sets_of_method(u, method) for method in methods_of(u))]
METHODS = [(ufunc, method) for ufunc in KNOWN_UFUNCS for method in methods_of(ufunc)]


def test_numpy_has_no_other_ufunc():
    assert sorted(u.__name__ for u in UFUNC_SURFACE if u not in KNOWN_UFUNCS) == []


def ufunc_named(value):
    return getattr(value, "__name__", value)


@pytest.mark.parametrize(("ufunc", "method"), METHODS, ids=ufunc_named)
def test_every_method_of_every_ufunc_stands_in_exactly_one_set(ufunc, method):
    found = sets_of_method(ufunc, method)
    assert len(found) == 1, f"{ufunc.__name__}.{method} stands in {found or 'no set'}"
    if found == ["refused"]:
        with pytest.raises(NoRuleError) as error:
            Dual(1.0, 1.0).__array_ufunc__(ufunc, method, Dual(1.0, 1.0))
        assert ufunc.__name__ in str(error.value)
        assert refusal(ufunc, method) in str(error.value)


def test_no_other_ufunc_of_numpy_has_a_rule():
    assert {key for key in UFUNCS if key[0] in UFUNC_SURFACE} <= set(METHODS)


#: The keywords of a call, with what the tests below give for each.
KEYWORDS = {"casting": "unsafe", "order": "F", "dtype": None, "subok": False, "signature": None}
KNOWN_KEYWORDS = {*KEYWORDS, "out", "where", "axes", "axis", "keepdims"}


def keywords_of(ufunc):
    """The keywords of a ufunc's call; before NumPy 2.4 it does not tell them, other than in its text."""
    try:
        parameters = inspect.signature(ufunc).parameters.values()
    except ValueError:
        assert " where=" in ufunc.__doc__ or ufunc.signature is not None or ufunc is CLIP
        return set()
    return {p.name for p in parameters if p.kind is p.KEYWORD_ONLY or p.name == "out"}


def test_numpy_has_no_other_keyword_of_ufuncs():
    called = [u for u in UFUNC_SURFACE if (u, "__call__") in UFUNCS]
    assert {u.__name__: other for u in called if (other := keywords_of(u) - KNOWN_KEYWORDS)} == {}


PARTS = [call for call in UFUNC_CALLS if call.function[0].nout == 1 and call.function[0] is not np.ldexp]


def keyworded(call, **options):
    """The ufunc of the example, with keywords."""
    return lambda *args: call.function[0](*args, **options)


@pytest.mark.parametrize("call", PARTS, ids=lambda call: call.function[0].__name__)
def test_every_keyword_of_a_call_is_honoured(call):
    ufunc, args = call.function[0], call.args
    dual = [DualArray(a, np.cos(a)) for a in args]
    plain = ufunc(*args)
    slope = ufunc(*dual).tangent
    is_product = ufunc.signature is not None
    for keyword, given in KEYWORDS.items():
        if given is not None and not (ufunc is CLIP and keyword == "signature"):
            found = ufunc(*dual, **{keyword: given})
            assert_same(found.value, ufunc(*args, **{keyword: given}))
            assert_near(found.tangent, slope, 1e-15)
    if not is_product and any(t.endswith("->f") for t in ufunc.types):
        for option in ({"dtype": np.float32}, {"signature": "f" * ufunc.nin + "->f"}):
            found = ufunc(*dual, casting="same_kind", **option)
            assert found.dtype == found.tangent.dtype == np.float32
            assert_same(found.value, ufunc(*args, casting="same_kind", **option))
            assert_near(found.tangent, slope, 1e-4)
        if np.any(slope):
            with pytest.raises((TypeError, ValueError)), np.errstate(all="ignore"):
                ufunc(*dual, dtype=int, casting="unsafe")
    shape = np.shape(plain)
    if not shape:
        return
    for pack in (lambda out: out, lambda out: (out,)):
        out = DualArray(np.full(shape, 7.0), np.full(shape, 3.0))
        assert ufunc(*dual, out=pack(out)) is out
        assert_same(out.value, plain)
        assert_near(out.tangent, slope, 1e-15)
    if np.any(slope):
        with pytest.raises(LostDerivativeError, match="plain values"):
            ufunc(*dual, out=np.zeros(shape))
    if not is_product:
        mask = np.arange(plain.size).reshape(shape) % 2 == 0
        out = DualArray(np.full(shape, 7.0), np.full(shape, 3.0))
        ufunc(*dual, out=out, where=mask)
        assert_same(out.value, np.where(mask, plain, 7.0))
        assert_near(out.tangent, np.where(mask, slope, 3.0), 1e-15)


A, B = np.linspace(-1.0, 2.0, 24).reshape(2, 3, 4), np.linspace(0.5, 1.5, 24).reshape(2, 3, 4) ** 2
V, W = A[0, :, 0], B[1, :, 1]
PRODUCTS = [
    (np.matmul, A, B, {"axes": [(-2, -1), (-1, -2), (-2, -1)]}),
    (np.matmul, A, B, {"axes": [(0, 2), (2, 0), (0, 1)]}),
    (np.matmul, A, B, {"axes": [(2, 0), (0, 2), (2, 0)]}),
    (np.matmul, V, B, {"axes": [(0,), (1, 2), (0,)]}),
    (np.matmul, A, V, {"axes": [(0, 1), 0, 1]}),
    (np.matmul, V, W, {"axes": [(0,), (0,), ()]}),
    (np.vecdot, A, B, {"axis": 0}),
    (np.vecdot, A, B, {"axis": 1, "keepdims": True}),
    (np.vecdot, A, B, {"keepdims": True}),
    (np.vecdot, A, B, {"axes": [0, 0]}),
    (np.vecdot, A, B, {"axes": [(1,), (1,), ()]}),
    (np.vecdot, A, B.transpose(1, 0, 2), {"axes": [(0,), (1,), ()]}),
    (np.vecdot, A, B, {"axes": [(1,), (1,), (0,)], "keepdims": True}),
]
if hasattr(np, "matvec"):
    PRODUCTS += [
        (np.matvec, A, B[:, 0], {"axes": [(1, 2), (1,), (0,)]}),
        (np.matvec, A, B, {"axes": [(0, 2), (2,), (-1,)]}),
        (np.vecmat, B[:, :, 0], A, {"axes": [(1,), (1, 2), (0,)]}),
    ]


@pytest.mark.parametrize(("ufunc", "a", "b", "options"), PRODUCTS)
def test_products_over_any_axes(ufunc, a, b, options):
    """Bilinear: the derivative is the product with each factor exchanged, by NumPy itself."""
    for unit in (1.0, 1.0 + 0.3j):
        x, y, u, v = a * unit, b * unit, np.sin(a) * unit**2, np.cos(b) / unit
        found, slope = jvp(lambda p: ufunc(p[0], p[1], **options), (x, y), (u, v))
        assert_same(found, ufunc(x, y, **options))
        assert_near(slope, ufunc(u, y, **options) + ufunc(x, v, **options), 1e-13)


def test_products_refuse_what_numpy_refuses():
    x = DualArray(A)
    for ufunc, options in ((np.matmul, {"axis": 0}), (np.matmul, {"keepdims": True})):
        with pytest.raises(TypeError, match="takes neither axis= nor keepdims="):
            ufunc(x, B, **options)
        with pytest.raises((TypeError, ValueError)):
            ufunc(A, B, **options)
