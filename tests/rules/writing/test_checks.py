"""Checks of rows: an error, with the name of the row, is raised when it is added to a table."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from dualdiff import derivative, gradient, jacobian
from dualdiff.rules.numpy.elementwise import table as elementwise
from dualdiff.rules.writing.checks import check, check_definition
from dualdiff.rules.writing.rows import NAMES, UNKNOWN, Row, Table


def table():
    return Table({**NAMES, "half": 0.5}, "numbers")


def shipped():
    """The tables of the package, and their rows of several results."""
    tables = [(elementwise.ROWS, elementwise.SEVERAL)]
    try:
        from dualdiff.rules.scipy import special
    except ImportError:
        return tables
    return [*tables, (special.SPECIAL, special.SEVERAL)]


SHIPPED = [
    row for rows, several in shipped() for row in (*rows.values(), *(r for found in several.values() for r in found))
]
DEFINITIONS = [row for rows, _ in shipped() for row in rows.parts.values()]


@pytest.mark.parametrize("row", SHIPPED, ids=lambda row: f"{row.module}.{row.name}")
def test_rows_of_the_package(row):
    check(row)


@pytest.mark.parametrize("row", DEFINITIONS, ids=lambda row: f"{row.module}.{row.name}")
def test_definitions_of_the_package(row):
    check_definition(row, row.arity)


@pytest.mark.parametrize("rows", [rows for rows, _ in shipped()], ids=lambda rows: rows.module)
def test_tables_of_the_package_check_what_is_added_later(rows):
    with pytest.raises(ValueError, match=rf"the row 'added' of {rows.module}: .*the name nothing is unknown"):
        rows.own("added", lambda x: x, "nothing(x)")
    assert "added" not in rows
    assert "added" not in rows.names


#: Wrong partials of a function of x, and the message of the error.
TEXTS = {
    "unknown function": ("nothing(x)", r"in 'nothing\(x\)', the name nothing is unknown: partials name the arguments"),
    "unknown constant": ("2 * tau", r"the name tau is unknown: .*arguments \(x\), the result r"),
    "second argument of one": ("y", r"the name y is unknown"),
    "internal name": ("both(x > 0, x < 1)", r"the name both is unknown"),
    "function as a value": ("2 * cos", r"cos is a function: write cos\(\.\.\.\)"),
    "constant as a function": ("half(x)", r"half is a constant, not a function"),
    "argument as a function": ("x(2)", r"the name x is unknown"),
    "arguments of a ufunc": ("hypot(x)", r"hypot takes 2 arguments, 1 given"),
    "arguments of where": ("where(x > 0, 1)", r"where takes 3 arguments, 2 given"),
    "arguments of itself": ("wrong(x, 1)", r"wrong takes 1 argument, 2 given"),
    "arguments of a definition": ("tanh_slope(x, 1)", r"tanh_slope takes 1 argument, 2 given"),
    "arguments of a row": ("xlogy(x)", r"xlogy takes 2 arguments, 1 given"),
    "keyword": ("cos(x=x)", r"'cos\(x=x\)' has arguments that are not positional"),
    "starred": ("cos(*x)", r"'cos\(\*x\)' has arguments that are not positional"),
    "branch": ("1 if x > 0 else 2", r"write where\(condition, a, b\) instead of a if condition else b"),
    "and": ("where(x > 0 and x < 1, 1, 2)", r"write \(x > 0\) & \(y > 0\) instead of and"),
    "not": ("where(not x > 0, 1, 2)", r"write the opposite comparison instead of not"),
    "complement": ("where(~(x > 0), 1, 2)", r"write the opposite comparison instead of ~"),
    "chain of comparisons": ("where(0 < x < 1, 1, 2)", r"write \(0 < x\) & \(x < 1\) instead of 0 < x < 1"),
    "identity": ("where(x is x, 1, 2)", r"is not in the grammar of partials"),
    "attribute": ("np.cos(x)", r"'np\.cos' is not in the grammar of partials: name the function alone"),
    "remainder": ("x % 2", r"write remainder\(x, y\) instead of x % y"),
    "floor division": ("x // 2", r"write floor_divide\(x, y\) instead of x // y"),
    "shift": ("x << 2", r"'x << 2' has an operator that partials do not have"),
    "text": ("'x'", r"is not in the grammar of partials: partials consist of numbers, names"),
    "index": ("x[0]", r"'x\[0\]' is not in the grammar"),
    "one of several results": ("r[0]", r"'r\[0\]' is not in the grammar"),
    "lambda": ("(lambda y: y)(x)", r"is not in the grammar"),
    "syntax": ("2 x", r"the text '2 x' is not an expression of Python"),
    "empty": ("", r"the text '' is not an expression of Python"),
}


def assert_refused(rows, message, *arguments, **more):
    """Adding this row raises an error with its name, and leaves the table as it was."""
    with pytest.raises(ValueError, match=rf"^the row 'wrong' of numbers: .*({message})"):
        rows.own("wrong", *arguments, **more)
    assert not rows
    assert "wrong" not in rows.names


@pytest.mark.parametrize("case", TEXTS)
def test_what_is_wrong_with_a_text(case):
    text, message = TEXTS[case]
    assert_refused(table(), message, lambda x: x, text)
    assert_refused(table(), message, lambda x: x, "1", complex_partials=(text,))
    assert_refused(table(), message, lambda x: x, "1", conjugates=(text,))


TWO = ((0.0, 1.0), (0.0, 1.0))
COUNTS = {
    "no partial": ((), {}, r"0 partials \(\) given; a row has one for each argument"),
    "too few partials": (
        ("y",),
        {},
        r"its function takes 2 arguments, but 1 partial \('y',\) given: write one for each",
    ),
    "too many partials": (("y", "x", None), {}, r"its function takes 2 arguments, but 3 partials"),
    "complex partials": (
        ("y", "x"),
        {"complex_partials": ("1",)},
        r"complex_partials=.* has 1 entries for 2 arguments",
    ),
    "conjugates": (("y", "x"), {"conjugates": ("1",)}, r"conjugates=.* has 1 entries for 2 arguments"),
    "domain": (("y", "x"), {"domain": (*TWO, *TWO)}, r"domain=.* has 4 entries for 2 arguments"),
    "kind": (("y", "x"), {"kind": "smooth"}, r"its kind is 'smooth', which is none of zero, linear, nonlinear"),
    "step": (("y", None), {"kind": "zero"}, r"its kind is 'zero', but it has the partials \('y', None\)"),
}


@pytest.mark.parametrize("case", COUNTS)
def test_what_is_wrong_with_the_columns(case):
    partials, more, message = COUNTS[case]
    assert_refused(table(), message, lambda x, y: x * y, *partials, **more)


@pytest.mark.parametrize("name", ["x", "r", "where", "lambda", "two words", "<lambda>", "both"])
def test_names_that_partials_cannot_use(name):
    with pytest.raises(ValueError, match=r"the row '.*' of numbers: partials cannot use that name"):
        table().own(name, lambda x: x, "1")


@pytest.mark.parametrize(
    ("arity", "text", "partials", "message"),
    [
        (1, "x * r", (), "the name r is unknown"),
        (1, "x * y", (), "the name y is unknown"),
        (1, "x if x > 0 else 0", (), "write where"),
        (2, "x * y", ("y",), "its function takes 2 arguments, but 1 partial"),
        (2, "x * y", ("y", "nothing"), "the name nothing is unknown"),
    ],
)
def test_what_is_wrong_with_a_definition(arity, text, partials, message):
    rows = table()
    with pytest.raises(ValueError, match=rf"the row 'wrong' of numbers: .*{message}"):
        rows.define("wrong", arity, text, *partials)
    assert "wrong" not in rows.names


def test_rows_of_ufuncs_are_counted():
    with pytest.raises(ValueError, match=r"the row 'hypot' of numbers: its function takes 2 arguments, but 1 partial"):
        table().row(np.hypot, "x / r")
    with pytest.raises(ValueError, match=r"the row 'frexp' of numbers: .*r is 2 results: write r\[0\], r\[1\]"):
        check(Row("frexp", np.frexp, ("r / x",), module="numbers"))


def test_what_is_right():
    rows = table()
    rows.own("first", lambda x, *rest: x, "1", UNKNOWN, None)
    rows.own("ours_derivative", lambda x, k: x, "ours_derivative(x, y + 1)", None)
    rows.define("shared", 2, "where((x > 0) & (y != 0) | (x == y), +x, -y) ** 2.0")
    rows.own(
        "last", lambda x: x, "chosen(r == 0, shared(x, r) / half)", complex_partials=(None,), conjugates=("1j * x",)
    )
    assert list(rows) == ["first", "ours_derivative", "last"]


# -- implementations in plain Python -----------------------------------------------------------------------------------
@pytest.mark.parametrize("implementation", [lambda x: x * x * x, lambda x: np.power(x, 3)], ids=["Python", "NumPy"])
def test_implementations_give_floats_for_floats(implementation):
    rows = table()
    rows.own("cube", implementation, "3 * x * x")
    cube = rows.names["cube"]
    assert cube(2.0) == 8.0
    assert type(cube(2.0)) is float
    assert type(cube(np.float64(2.0))) is np.float64
    assert derivative(cube, 2.0) == 12.0
    assert derivative(lambda x: derivative(cube, x), 2.0) == 12.0
    np.testing.assert_array_equal(jacobian(cube, np.array([1.0, 2.0])), np.diag([3.0, 12.0]))


def test_definitions_without_partials_serve_every_engine():
    rows = table()
    rows.define("twice", 1, "2 * x")
    rows.own("squared", lambda x: x * x, "twice(x)")
    f = rows.names["squared"]
    assert derivative(f, 3.0) == 6.0
    assert derivative(lambda x: derivative(f, x), 3.0) == 2.0
    np.testing.assert_array_equal(gradient(lambda x: f(x).sum(), np.array([1.0, 2.0])), [2.0, 4.0])
    assert math.isnan(derivative(f, math.nan))


#: A program that adds rows to the table of the package, and uses them in the engine of floats and in that of arrays.
ADDED = """
import math, numpy as np, dualdiff as dd
from dualdiff.rules import ROWS
ROWS.own("cube", lambda x: x * x * x, "3 * x * x")
ROWS.define("twice", 1, "2 * x")
ROWS.own("squared", lambda x: x * x, "twice(x)")
ROWS.define("root", 1, "x ** 0.5")
ROWS.own("rooted", lambda x: x, "root(x)")
ROWS.own("times", lambda x, y: x * y, "y", "x")
assert (dd.cube(2.0), dd.derivative(dd.cube, 2.0), dd.nth_derivative(dd.cube, 2.0, 3)) == (8.0, 12.0, 6.0)
assert (dd.squared(3.0), dd.derivative(dd.squared, 3.0), dd.nth_derivative(dd.squared, 3.0, 2)) == (9.0, 6.0, 2.0)
assert dd.gradient(lambda x: np.sum(dd.cube(x) + dd.squared(x)), np.array([1.0, 2.0])).tolist() == [5.0, 16.0]
assert dd.gradient(lambda x: dd.times(x[0], dd.squared(x[1])), [2.0, 3.0]).tolist() == [9.0, 12.0]
assert dd.derivative(dd.rooted, 4.0) == 2.0
assert math.isnan(dd.derivative(dd.rooted, -4.0))
"""


def test_rows_added_to_the_table_of_the_package():
    done = subprocess.run([sys.executable, "-W", "error", "-c", ADDED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_checks_no_row():
    code = "import sys, dualdiff; print('dualdiff.rules.writing.checks' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
