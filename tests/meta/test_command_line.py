"""The command line: what it prints, and what it refuses in one line."""

from __future__ import annotations

import io
import math
import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import dualdiff
from dualdiff.__main__ import main
from dualdiff.base import native
from dualdiff.expression import MAX_BRACKETS, MAX_OPERATIONS, Refusal, function_row, read
from dualdiff.rules.numpy.elementwise.table import ROWS


@pytest.fixture
def run(capsys):
    """Runs a command line: its exit status, the lines on stdout, the lines on stderr."""

    def run(*argv):
        status = main(argv)
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run


@pytest.fixture
def printed(run):
    """The lines of a command that has to succeed without a word on stderr."""

    def printed(*argv):
        status, out, err = run(*argv)
        assert (status, err) == (0, [])
        return out

    return printed


@pytest.fixture
def refused(run):
    """The line of a command that must be refused."""

    def refused(*argv):
        status, out, err = run(*argv)
        assert (status, out, len(err)) == (2, [], 1)
        assert err[0].startswith("dualdiff: ")
        return err[0].removeprefix("dualdiff: ")

    return refused


def numbers(lines):
    """The last word of each line, as a number."""
    return [float(line.split()[-1]) for line in lines]


# -- what is printed ---------------------------------------------------------------------------------------------


def test_value_and_derivative(printed):
    assert printed("x**3 + 2*x", "--at", "3") == ["f   33", "f'  29"]


@pytest.mark.parametrize("name", ["x", "t", "theta_1", "θ", "v1", "f", "j", "E"])
def test_the_variable_may_have_any_name(printed, name):
    formula = f"{name}**3 + 2*{name}"
    assert numbers(printed(formula, "--at", "3")) == [33, 29]
    assert numbers(printed(formula, "--at", f"{name}=3")) == [33, 29]


def test_gradient_by_name(printed):
    lines = printed("x*y + 3*x", "--at", "y=5", "x=2.5")
    assert lines == ["f      20", "df/dx   8", "df/dy   2.5"]


def test_decimal_points_are_aligned(printed):
    lines = printed("1000*exp(x)*y", "--at", "x=0.1", "y=-1e-9")
    assert len({line.find(".") for line in lines}) == 1


def test_order(printed):
    assert printed("x**3 + 2*x", "--at", "3", "--order", "5") == [
        "f      33",
        "f'     29",
        "f''    18",
        "f'''    6",
        "f^(4)   0",
        "f^(5)   0",
    ]


def test_hessian(printed):
    lines = printed("x**2*y + y**3", "--at", "x=3", "y=2", "--order", "2")
    assert lines == [
        "f      26",
        "df/dx  12",
        "df/dy  21",
        "",
        "Hessian  x  y",
        "x        4   6",
        "y        6  12",
    ]


def test_trace(printed):
    assert printed("x**3 + 2*x", "--at", "3", "--trace") == [
        "    formula  value  tangent",
        "x             3      1",
        "v1  x**3     27     27",
        "v2  2*x       6      2",
        "v3  v1 + v2  33     29",
        "",
        "f   33",
        "f'  29",
    ]


def test_trace_of_several_variables(printed):
    assert printed("x*y - atan2(x, -y)*2**-1", "--at", "x=0", "y=-2", "--trace") == [
        "    formula       value  d/dx   d/dy",
        "x                  0      1      0",
        "y                 -2      0      1",
        "v1  x*y            0     -2      0",
        "v2  -y             2      0     -1",
        "v3  atan2(x, v2)   0      0.5    0",
        "v4  2**(-1)        0.5    0      0",
        "v5  v3*v4          0      0.25   0",
        "v6  v1 - v5        0     -2.25   0",
        "",
        "f       0",
        "df/dx  -2.25",
        "df/dy   0",
    ]


def test_a_trace_of_many_variables_is_as_wide_as_a_terminal(printed):
    lines = printed("sin(a*b)/exp(c*d)", "--at", "a=.1", "b=.2", "c=.3", "d=.4", "--trace")
    assert max(map(len, lines)) <= 80
    heads = [line.split() for line in lines if " d/d" in line]
    assert heads == [["formula", "value", "d/da", "d/db"], ["d/dc", "d/dd"]]


def test_names_of_steps_avoid_those_of_variables(printed):
    lines = printed("v1*v2 + 1", "--at", "v1=2", "v2=3", "--trace")
    assert [line.split()[0] for line in lines[1:5]] == ["v1", "v2", "vv1", "vv2"]
    assert lines[4].split() == ["vv2", "vv1", "+", "1", "7", "3", "2"]


def test_a_formula_without_steps(printed):
    assert printed("x", "--at", "3", "--trace") == [
        "   formula  value  tangent",
        "x           3      1",
        "",
        "f   3",
        "f'  1",
    ]
    assert printed("5", "--at", "3", "--order", "2") == ["f    5", "f'   0", "f''  0"]
    assert printed("2*pi", "--at", "x=3")[1] == "f'  0"


@pytest.mark.parametrize(
    "value", ["-1e-3", "-.001", "-1E-03", "x=-1e-3", "x=-0.001", "x = -1e-3", "-1/1000", "-10**-3"]
)
def test_negative_and_exponent_numbers(printed, value):
    expected = ["f   -1e-06", "f'   0.002"]
    for formula in ("-x**2", "-(x**2)", "- x**2", "-x*x"):
        assert printed(formula, "--at", value) == expected
        assert printed("--at", value, "--", formula) == expected
        assert printed(f"--at={value}", formula) == expected
        assert printed("--trace", "--at", value, "--order", "1", formula)[-2:] == expected


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("pi/4", math.pi / 4),
        ("-pi", -math.pi),
        ("e", math.e),
        ("1_000", 1000),
        (".5", 0.5),
        ("5.", 5),
        ("sqrt(2)", math.sqrt(2)),
        ("-2**2", -4),
        ("0.1", 0.1),
        ("12345678901234567890", 12345678901234567890.0),
    ],
)
def test_values_are_constant_formulas(printed, value, number):
    assert numbers(printed("x", "--at", value)) == [number, 1]


def test_every_function_of_the_table(printed):
    known = [name for name in ROWS if function_row(name)]
    assert all(name == "ldexp" or name.endswith("_derivative") for name in set(ROWS) - set(known))
    for name in known:
        row = ROWS[name]
        point = [low + 0.6 * (high - low) for low, high in row.domain]
        names = "xyz"[: row.arity]
        values = [f"{variable}={number}" for variable, number in zip(names, point, strict=True)]
        value, *gradient = numbers(printed(f"{name}({', '.join(names)})", "--at", *values))
        function = getattr(dualdiff, name)
        assert value == function(*point)
        for i, partial in enumerate(gradient):
            assert partial == dualdiff.derivative(function, *point, argnum=i)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("abs", "absolute"),
        ("asin", "arcsin"),
        ("atan2", "arctan2"),
        ("acosh", "arccosh"),
        ("pow", "power"),
        ("ln", "log"),
    ],
)
def test_second_names(name, row):
    assert function_row(name) == row


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("-x**2", -9),
        ("2**-x", 0.125),
        ("2**3**2 + 0*x", 512),
        ("(2**3)**2 + 0*x", 64),
        ("1 - 2 - x", -4),
        ("12/2/x", 2),
        ("+x", 3),
        ("--x**2", 9),
        ("-+-x", 3),
        ("2*-x", -6),
        (" x ", 3),
        ("x\n+\t1\u00a0", 4),
        ("((x))", 3),
        ("maximum(x,\n  4)", 4),
        ("1e2*x", 300),
        ("1.5E+1*x", 45),
        ("9007199254740993*x - 3*9007199254740992", 0),
    ],
)
def test_arithmetic_is_that_of_python_on_floats(printed, formula, value):
    assert numbers(printed(formula, "--at", "3"))[0] == value


def test_functions_give_infinity(printed):
    assert printed("log(x)", "--at", "0") == ["f   -inf", "f'   inf"]
    assert printed("exp(x)", "--at", "1e3") == ["f   inf", "f'  inf"]
    assert printed("sqrt(x)", "--at", "0") == ["f     0", "f'  inf"]


def test_help_and_version(printed):
    core = "interpreted" if native.SCALARS is None else "compiled"
    assert printed("--version") == [f"dualdiff {dualdiff.__version__} ({core} scalar core)"]
    text = "\n".join(printed("--help"))
    assert text == "\n".join(printed("-h"))
    listed = re.search(r"functions:\n(.*?)\n\n", text, re.DOTALL)[1].replace(",", " ").split()
    assert {"sin", "log1p", "hypot", "abs", "ln"} <= set(listed)
    assert all(map(function_row, listed))
    for option in ("--at", "--order", "--trace", "--version", "dualdiff 'x**3 + 2*x' --at 3"):
        assert option in text


def test_the_examples_of_the_help_run(printed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # one of them writes a file
    examples = [line.strip() for line in printed("--help") if line.startswith("  dualdiff ")]
    assert len(examples) == 7
    for example in examples:
        assert printed(*shlex.split(example)[1:])


# -- what is refused ---------------------------------------------------------------------------------------------

FORMULAS = {
    "": "column 1: nothing to read in ''; a formula is needed, such as 'x**3 + 2*x'",
    "  ": "column 1: nothing to read in '  '; a formula is needed, such as 'x**3 + 2*x'",
    "x + sen(x)": "column 5: unknown function 'sen' in 'x + sen(x)'; did you mean 'sin'?",
    "max(x, 1)": "column 1: unknown function 'max' in 'max(x, 1)'; did you mean 'maximum'?",
    "x*cot(x)": "column 3: unknown function 'cot' in 'x*cot(x)'; did you mean '1/tan'?",
    "print(x)": "column 1: unknown function 'print' in 'print(x)'; did you mean 'rint'?",
    "ldexp(x, 2)": "column 1: unknown function 'ldexp' in 'ldexp(x, 2)'; did you mean 'exp'?",
    "__import__(x)": "column 1: unknown function '__import__' in '__import__(x)'; dualdiff --help lists the functions",
    "eval(x)": "column 1: unknown function 'eval' in 'eval(x)'; dualdiff --help lists the functions",
    "erf(x)": "column 1: unknown function 'erf' in 'erf(x)'; dualdiff --help lists the functions",
    "math.sin(x)": "column 5: '.' is not understood in 'math.sin(x)'; functions are written without 'math.'",
    "x^2": "column 2: '^' is not understood in 'x^2'; did you mean '**'?",
    "3×x": "column 2: '×' is not understood in '3×x'; did you mean '*'?",
    "x − 1": "column 3: '−' is not understood in 'x − 1'; did you mean '-'?",
    "1 + x²": "column 6: '²' is not understood in '1 + x²'; did you mean '**2'?",
    "√x": "column 1: '√' is not understood in '√x'; did you mean 'sqrt(x)'?",
    "[x]": "column 1: '[' is not understood in '[x]'; did you mean '('?",
    "|x|": "column 1: '|' is not understood in '|x|'; did you mean 'abs(x)'?",
    "x % 2": "column 3: '%' is not understood in 'x % 2'; did you mean 'remainder(x, y)'?",
    "x // 2": "column 3: '//' is not understood in 'x // 2'; did you mean 'floor_divide(x, y)'?",
    "y = x": "column 3: '=' is not understood in 'y = x'; write only what is to be computed, without '='",
    "x == 2": "column 3: '==' is not understood in 'x == 2'; write only what is to be computed, without '='",
    "x < 2": "column 3: '<' is not understood in 'x < 2'",
    "(x := 2)": "column 4: ':' is not understood in '(x := 2)'",
    "x.real": "column 2: '.' is not understood in 'x.real'",
    "'x'": "column 1: \"'\" is not understood in \"'x'\"",
    "x; x": "column 2: ';' is not understood in 'x; x'",
    "x # 1": "column 3: '#' is not understood in 'x # 1'",
    "x@x": "column 2: '@' is not understood in 'x@x'",
    "~x": "column 1: '~' is not understood in '~x'",
    "x\0": "column 2: '\\x00' is not understood in 'x\\x00'",
    "x\u200b": "column 2: '\\u200b' is not understood in 'x\\u200b'",
    "\udcff": "column 1: '\\udcff' is not understood in '\\udcff'",
    "٣*x": "column 1: '٣' is not understood in '٣*x'",
    "2x": "column 2: an operator is missing before 'x' in '2x'; did you mean '2*x'?",
    "2 sin(x)": "column 3: an operator is missing before 'sin' in '2 sin(x)'; did you mean '2*sin'?",
    "2j*x": "column 2: an operator is missing before 'j' in '2j*x'; did you mean '2*j'?",
    "x y": "column 3: an operator is missing before 'y' in 'x y'; did you mean 'x*y'?",
    "x 2": "column 3: an operator is missing before '2' in 'x 2'; did you mean 'x*2'?",
    "x(x + 1)": "column 2: an operator is missing before '(' in 'x(x + 1)'; did you mean 'x*('?",
    "pi(x)": "column 3: an operator is missing before '(' in 'pi(x)'; did you mean 'pi*('?",
    "(x)(x)": "column 4: an operator is missing before '(' in '(x)(x)'; did you mean ')*('?",
    "sin(x)(x)": "column 7: an operator is missing before '(' in 'sin(x)(x)'; did you mean ')*('?",
    "0x10": "column 2: an operator is missing before 'x10' in '0x10'; did you mean '0*x10'?",
    "1.2.3": "column 4: an operator is missing before '.3' in '1.2.3'; did you mean '1.2*.3'?",
    "sin x": "column 1: 'sin' is a function and needs brackets in 'sin x'; did you mean 'sin(x)'?",
    "2*sin": "column 3: 'sin' is a function and needs brackets in '2*sin'; did you mean 'sin(...)'?",
    "sin()": "column 1: 'sin' takes 1 argument, not 0 in 'sin()'",
    "1 + hypot(x)": "column 5: 'hypot' takes 2 arguments, not 1 in '1 + hypot(x)'",
    "sin(x, x)": "column 1: 'sin' takes 1 argument, not 2 in 'sin(x, x)'",
    "sin(x=2)": "column 6: '=' is not understood in 'sin(x=2)'; write only what is to be computed, without '='",
    "sin(*x)": "column 5: something is missing before '*' in 'sin(*x)'",
    "sin(x,)": "column 7: something is missing before ')' in 'sin(x,)'",
    "hypot(,x)": "column 7: something is missing before ',' in 'hypot(,x)'",
    "(x": "column 1: '(' is never closed in '(x'",
    "(x + (": "column 6: '(' is never closed in '(x + ('",
    "2*sin(x": "column 6: '(' is never closed in '2*sin(x'",
    "x)*(x": "column 2: ')' closes a bracket that was never opened in 'x)*(x'",
    "()": "column 2: something is missing before ')' in '()'",
    "x +": "column 3: something is missing after '+' in 'x +'",
    "(x -)": "column 5: something is missing before ')' in '(x -)'",
    "*x": "column 1: something is missing before '*' in '*x'",
    "x ***2": "column 5: something is missing before '*' in 'x ***2'",
    "3,5*x": "column 2: ',' is out of place in '3,5*x'; it separates arguments; decimals are written with a point",
    "(x, x)": "column 3: ',' is out of place in '(x, x)'; it separates arguments; decimals are written with a point",
    "007*x": "column 1: '007' begins with 0 in '007*x'; did you mean '7'?",
    "1e999*x": "column 1: '1e999' is too large for a float in '1e999*x'",
    "lambda x: x": "column 1: 'lambda' is a word of Python, not a variable in 'lambda x: x'; choose another name",
    "x if x else 1": "column 3: 'if' is a word of Python, not a variable in 'x if x else 1'; a formula has no branches",
    "True": "column 1: 'True' is a word of Python, not a variable in 'True'; choose another name",
    "1/(x - 3)": "column 2: 1/0 is a division by zero in '1/(x - 3)'",
    "x + (3 - x)**-1": "column 12: 0**(-1) is a division by zero in 'x + (3 - x)**-1'",
    "log(-x)": "column 1: log(-3) is not a real number in 'log(-x)'",
    "1 + sqrt(2 - x)": "column 5: sqrt(-1) is not a real number in '1 + sqrt(2 - x)'",
    "exp(x**8) - exp(x**8)": "column 11: inf - inf is not a real number in 'exp(x**8) - exp(x**8)'",
    "(-x)**0.5": "column 5: (-3)**0.5 is not a real number in '(-x)**0.5'",
    "9**9**9**9": "column 5: 9**387420489 is too large for a float in '9**9**9**9'",
    "x**1e9": "column 2: 3**1000000000 is too large for a float in 'x**1e9'",
}  # fmt: skip


@pytest.mark.parametrize("formula", FORMULAS)
def test_refused_formulas(refused, formula):
    assert refused(formula, "--at", "3") == FORMULAS[formula]


COMMANDS = [
    ((), "the following arguments are required: formula; see dualdiff --help"),
    (("--at", "3"), "the following arguments are required: formula; see dualdiff --help"),
    (("x", "--at"), "argument --at: expected at least one argument; see dualdiff --help"),
    (("x**2",), "column 1: no value for 'x' in 'x**2'; add --at x=..."),
    (("5",), "column 1: no value for 'x' in '5'; add --at x=..."),
    (("x*y*z", "--at", "x=3"), "column 3: no value for 'y', 'z' in 'x*y*z'; add --at y=... z=..."),
    (("x**2", "--at", "y=3"), "'y=3' after --at: there is no variable 'y' in 'x**2'"),
    (("x**2", "--at", "x=2", "y=3"), "'y=3' after --at: there is no variable 'y' in 'x**2'"),
    (("x*e", "--at", "x=2", "e=3"), "'e=3' after --at: there is no variable 'e' in 'x*e'"),
    (("x*y", "--at", "2", "5"), "'2' after --at: of which variable?; write 'x=...'"),
    (("x", "--at", "2", "3"), "'3' after --at: a second value for 'x'"),
    (("x*y", "--at", "x=2", "y=3", "x=2"), "'x=2' after --at: a second value for 'x'"),
    (("x", "--at", "t"), "column 1: 't' is not a number in 't'; a value is written '3' or 'x=3'"),
    (("x", "--at", "inf"), "column 1: 'inf' is not a number in 'inf'; a value is written '3' or 'x=3'"),
    (("x", "--at", "x="), "column 3: nothing to read in 'x='; a formula is needed, such as 'x**3 + 2*x'"),
    (("x", "--at", "x=2^3"), "column 4: '^' is not understood in 'x=2^3'; did you mean '**'?"),
    (("x", "--at", "-2^3"), "column 3: '^' is not understood in '-2^3'; did you mean '**'?"),
    (("x", "--at", "x=1/0"), "column 4: 1/0 is a division by zero in 'x=1/0'"),
    (("x", "+", "1", "--at", "3"), "'+' is one argument too many; put the formula in quotes"),
    (("x", "-1", "--at", "3"), "'-1' is one argument too many; put the formula in quotes"),
    (("x", "--tarce", "--at", "3"), "unknown option '--tarce'; see dualdiff --help"),
    (("x", "--at", "3", "--tr"), "unknown option '--tr'; see dualdiff --help"),
    (("x", "--at", "3", "--order", "0"), "--order must be an integer, 1 or more, not '0'"),
    (("x", "--at", "3", "--order", "-1"), "--order must be an integer, 1 or more, not '-1'"),
    (("x", "--at", "3", "--order", "99999"), "--order must be an integer, 1 or more, not '99999'"),
    (("x", "--at", "3", "--order", "two"), "--order must be an integer, 1 or more, not 'two'"),
    (("x", "--at", "3", "--order"), "argument --order: expected one argument; see dualdiff --help"),
    (("x*y", "--at", "x=2", "y=5", "--taylor"), "--taylor is for one variable"),
    (("x*y", "--at", "x=2", "y=5", "--order", "3"), "--order 3 is for one variable; with several, 2 is the Hessian"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "line"), COMMANDS)
def test_refused_commands(refused, argv, line):
    assert refused(*argv) == line


SIZES = {
    "(" * 10_000 + "x" + ")" * 10_000: "column 10001: 20001 characters are too many (10000 at most) in '...(((",
    "(" * 4_000 + "x" + ")" * 4_000: f"column {MAX_BRACKETS + 1}: brackets are more than {MAX_BRACKETS} deep in ",
    "x" * 1_000_000: "column 10001: 1000000 characters are too many (10000 at most) in '...xxx",
    "9" * 9_999: "column 1: '999999999999999999999999999999...' is too large for a float in '9999",
    "9**" * 500 + "9": "is too large for a float in",
    "-" * 9_000 + "x": f"column {MAX_OPERATIONS + 1}: more than {MAX_OPERATIONS} operations in ",
    "x**" * 3_000 + "x": f"more than {MAX_OPERATIONS} operations in ",
    "+".join(f"x{i}" for i in range(101)): "column 391: more than 100 variables in '...",
    "x" * 9_999 + "²": "column 10000: '²' is not understood in '...xxx",
}


@pytest.mark.parametrize("formula", SIZES, ids=lambda formula: formula[:8])
def test_absurd_sizes_are_refused_quickly(refused, formula):
    start = time.process_time()
    line = refused(formula, "--at", "3")
    assert time.process_time() - start < 2
    assert SIZES[formula] in line
    assert len(line) < 300


def test_orders_that_would_take_long_are_refused(refused):
    line = refused("+".join(["sin(x)"] * 500), "--at", "3", "--order", "200")
    assert line == "--order 200 is too high for a formula of 999 operations"


@pytest.mark.parametrize(
    "formula",
    [
        "+".join(["x"] * MAX_OPERATIONS) + "+x",
        "-" * MAX_OPERATIONS + "x",
        "**".join(["x"] * MAX_OPERATIONS) + "**x",
        "sin(" * MAX_BRACKETS + "x" + ")" * MAX_BRACKETS,
        "(" * MAX_BRACKETS + "x" + ")" * MAX_BRACKETS,
    ],
    ids=["sum", "minus", "power", "calls", "brackets"],
)
def test_the_largest_formulas_work(printed, formula):
    assert len(printed(formula, "--at", "1", "--trace")) >= 5


# -- as a process ------------------------------------------------------------------------------------------------


def process(*argv, **options):
    command = [sys.executable, "-m", "dualdiff", *argv]
    return subprocess.run(command, capture_output="stdout" not in options, text=True, timeout=60, **options)


def test_as_a_module():
    done = process("x**3 + 2*x", "--at", "3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "f   33\nf'  29\n", "")


def test_a_refusal_as_a_module():
    done = process("2x", "--at", "3")
    line = "dualdiff: column 2: an operator is missing before 'x' in '2x'; did you mean '2*x'?\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)


def test_letters_that_the_terminal_has_not():
    done = process("α*β", "--at", "α=2", "β=3", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1] == "df/d\\u03b1  3"


@pytest.mark.parametrize("argv", [["x**3", "--at", "3", "--trace"], ["--help"]])
@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipe that refuses a writer")
def test_a_reader_that_has_gone(argv):
    reading, writing = os.pipe()
    os.close(reading)
    done = process(*argv, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert done.stderr == ""
    # argparse itself swallows the error where output is not buffered.
    assert done.returncode == 1 or (done.returncode == 0 and argv == ["--help"])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = process("x**3", "--at", "3", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert re.fullmatch("dualdiff: the output cannot be written: .*\n", done.stderr)


# -- at random ---------------------------------------------------------------------------------------------------

WORDS = ["x", "y", "v1", "sin", "hypot", "clip", "floor", "e", "pi", "1", "0", "2.5", "1e308", "lambda", "max"]
SIGNS = ["+", "-", "*", "/", "**", "(", ")", ",", ".", "_", "=", "^", " ", "\n", "²", "α"]
SOUP = st.lists(st.sampled_from(WORDS + SIGNS), max_size=12).map("".join)
TEXT = st.text(max_size=30) | SOUP


def status_of_any(argv):
    """The exit status, after making sure that there is no traceback, and one line on stderr if it is 2."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = main(argv)
    out, err = out.getvalue(), err.getvalue()
    if status == 0:
        assert out.endswith("\n")
        assert err == ""
    else:
        assert status == 2
        assert out == ""
        assert err.startswith("dualdiff: ")
        assert err.splitlines(keepends=True) == [err]
        assert err.endswith("\n")
    return status


@given(TEXT, TEXT)
def test_any_text_as_formula_and_value(formula, value):
    status_of_any([formula, "--at", value])
    status_of_any([formula, "--at", "3", "--order", value])
    status_of_any(["x", "--at", value])


@given(st.lists(TEXT | st.sampled_from(["--at", "--order", "--trace", "--", "-h", "x", "x=3", "-1"]), max_size=6))
def test_any_command_line(argv):
    status_of_any(argv)


def formulas(atoms, names, operators=("+", "-", "*", "/", "**")):
    """Well-formed formulas."""

    def larger(inner):
        signed = st.builds("{}({})".format, st.sampled_from(["-", "+"]), inner)
        joined = st.builds("({}) {} ({})".format, inner, st.sampled_from(operators), inner)
        by_arity = {n: [name for name in names if ROWS[function_row(name)].arity == n] for n in (1, 2, 3)}
        calls = [
            st.builds(lambda f, a: f"{f}({', '.join(a)})", st.sampled_from(found), st.tuples(*[inner] * n))
            for n, found in by_arity.items()
            if found
        ]
        return st.one_of(signed, joined, *calls)

    return st.recursive(st.sampled_from(atoms), larger, max_leaves=8)


FUNCTIONS = [name for name in (*ROWS, "abs", "ln", "pow") if function_row(name)]
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0])


@pytest.mark.filterwarnings("ignore::dualdiff.ConstantResultWarning")
@given(formulas(["x", "y", "0", "1", "2.5", "1e300", "pi"], FUNCTIONS), NUMBERS, NUMBERS, st.booleans())
def test_any_formula_at_any_point(formula, x, y, second):
    found = read(formula).variables
    argv = [formula, "--trace", "--order", "2" if second else "1", "--at"]
    argv += [f"{name}={value!r}" for name, value in (("x", x), ("y", y)) if name in found] or ["1"]
    try:
        value = read(formula)({"x": x, "y": y})
    except Refusal:
        assert status_of_any(argv) == 2
    else:
        assert status_of_any(argv) == 0
        assert isinstance(value, float)
        # The trace shows what the formula computes, to the last bit.
        plain = read(formula).run({"x": x, "y": y})
        traced, _ = dualdiff.value_and_jacobian(read(formula).run, {"x": x, "y": y})
        assert list(map(repr, map(float, traced.values()))) == list(map(repr, plain.values()))


SYMPY = {"arctan": sympy.atan, "arcsinh": sympy.asinh, "absolute": sympy.Abs, "expm1": lambda t: sympy.exp(t) - 1}


@pytest.mark.filterwarnings("ignore::dualdiff.ConstantResultWarning")
@settings(deadline=None, max_examples=50)
@given(formulas(["x", "y", "2", "0.5", "pi", "1e-1"], ["sin", "cos", "exp", "tanh", "arctan", "arcsinh", "expm1"]))
def test_any_formula_against_sympy(formula):
    x, y = sympy.symbols("x y", real=True)
    point = {"x": 0.75, "y": 1.25}
    program = read(formula)
    try:
        values = program.run(point)
    except Refusal:
        assume(False)
    assume(all(abs(value) < 1e3 for value in values.values()))
    names = {**SYMPY, "x": x, "y": y}
    symbolic = sympy.sympify(formula, locals=names, rational=True)
    gradient = dualdiff.gradient(program, point)
    for variable in (x, y):
        exact = symbolic.diff(variable).subs({x: sympy.Rational(3, 4), y: sympy.Rational(5, 4)}).evalf(30)
        # A negative base has no real derivative in its exponent, though its integer powers are real.
        assume(exact.is_real and exact.is_finite and abs(exact) < 1e6)
        assert gradient[variable.name] == pytest.approx(float(exact), rel=1e-9, abs=1e-9)
