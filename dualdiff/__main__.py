"""The command line: ``dualdiff 'x**3 + 2*x' --at 3`` prints f(3) and f'(3)."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import textwrap
import unicodedata
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import dualdiff
from dualdiff.base import native
from dualdiff.base.progress import PATIENCE, shown
from dualdiff.drivers.derivative import HIGHEST
from dualdiff.expression import MAX_OPERATIONS, Program, Refusal, Step, Variable, excerpt, functions, read, show

if TYPE_CHECKING:
    from dualdiff.teaching.trace import Trace

# An operation on series of order K takes about K**2 multiplications; this limit takes a few seconds.
MAX_WORK = 10_000_000

# No command-line argument can contain this character.
MARK = "\0"

EXAMPLES = """\
examples:
  dualdiff 'x**3 + 2*x' --at 3
  dualdiff 'x*y + sin(x)' --at x=2 y=-1e-3
  dualdiff 'exp(-t**2)' --at t=pi/4 --order 30
  dualdiff 'sin(x)/(1 + x)' --at 0 --order 8 --taylor
  dualdiff 'sin(x)*exp(x)' --at 1 --trace
  dualdiff 'log(x) + x*y - sin(y)' --at x=2 y=5 --graph out.svg
  dualdiff 'log(x) + x*y - sin(y)' --at x=2 y=5 --play lesson.html
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise a `Refusal`, which prints one line without the usage."""
        raise Refusal(message, hint="see dualdiff --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 after an error message of one line on stderr."""
    try:
        with contextlib.suppress(SystemExit):  # how argparse leaves after --help and --version
            options = _options(sys.argv[1:] if argv is None else argv)
            program = read(options.formula)
            point = _point(program, options.at)
            lines = _report(program, point, options.order, options.trace, options.taylor)
            if options.graph is not None or options.play is not None:
                _write(program, point, options.graph, options.play)
            _print(lines)
        if sys.stdout:
            sys.stdout.flush()
        return 0
    except Refusal as refusal:
        problem = str(refusal)
    except OSError as error:
        # The rest of the buffer must not be written again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader has closed the pipe
            return 1
        problem = f"the output cannot be written: {error.strerror}"
    except KeyboardInterrupt:
        problem = "interrupted"
    print(f"dualdiff: {problem}", file=sys.stderr)
    return 2


# -- arguments -----------------------------------------------------------------------------------------------


def _core() -> str:
    return "interpreted" if native.SCALARS is None else "compiled"


def _options(argv: Sequence[str]) -> argparse.Namespace:
    names = textwrap.fill(", ".join(functions()), 79, initial_indent="  ", subsequent_indent="  ")
    parser = _Parser(
        prog="dualdiff",
        description="Exact derivatives of a formula, by dual numbers.",
        epilog=f"functions:\n{names}\n\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("formula", help="a formula of numbers, variables, + - * / **, pi, e and the functions below")
    add("--at", nargs="+", action="extend", metavar="VALUE", help="the point: 3, or x=3, or x=2 y=pi/4")
    add("--order", default="1", metavar="K", help="derivatives up to order K")
    add("--taylor", action="store_true", help="print the Taylor series up to the order instead of the derivatives")
    add("--trace", action="store_true", help="show every step with its value and tangent")
    add("--graph", metavar="FILE.svg", help="draw the computational graph, with values and partial derivatives")
    add("--play", metavar="FILE.html", help="write a page that plays the derivative, forwards and backwards")
    add("--version", action="version", version=f"dualdiff {dualdiff.__version__} ({_core()} scalar core)")
    # argparse reads an argument that begins with a minus as an option, except for some spellings of negative numbers.
    # A mark before the minus hides it; the only option with a single dash is -h.
    hidden = [MARK + word if re.match(r"-(?!-[a-z]+(=|\Z)|-\Z|h\Z)", word) else word for word in argv]
    options, extra = parser.parse_known_args(hidden)
    for word in extra:
        if word.startswith("--"):
            raise Refusal(f"unknown option {excerpt(word)}", hint="see dualdiff --help")
        word = word.removeprefix(MARK)
        raise Refusal(f"{excerpt(word)} is one argument too many", hint="put the formula in quotes")
    options.formula = options.formula.removeprefix(MARK)
    options.at = [item.removeprefix(MARK) for item in options.at or ()]
    options.graph = _file(options.graph, "--graph", "SVG")
    options.play = _file(options.play, "--play", "HTML")
    options.order = _order(options.order.removeprefix(MARK))
    return options


def _file(path: str | None, option: str, kind: str) -> str | None:
    """The name of a file to write, which must end as its kind does."""
    path = path and path.removeprefix(MARK)
    if path is not None and not path.lower().endswith(f".{kind.lower()}"):
        raise Refusal(f"{option} writes {kind}, and {excerpt(path)} does not end in .{kind.lower()}")
    return path


def _order(text: str) -> int:
    if text.isdecimal() and len(text) < 5 and int(text) >= 1:
        return int(text)
    raise Refusal(f"--order must be an integer, 1 or more, not {excerpt(text)}")


def _point(program: Program, items: Sequence[str]) -> dict[str, float]:
    """The values of the variables, in the order of the formula."""
    formula = excerpt(program.text)
    # A formula without variables is a constant function of x.
    names = list(program.variables) or ["x"]
    point: dict[str, float] = {}
    for item in items:
        name, equals, _ = item.partition("=")
        # Python's parser normalizes the names in the formula in the same way.
        name = unicodedata.normalize("NFKC", name.strip()) if equals else names[0]
        if equals and name not in names:
            raise Refusal(f"{excerpt(item)} after --at: there is no variable {excerpt(name)} in {formula}")
        if not equals and len(names) > 1:
            raise Refusal(f"{excerpt(item)} after --at: of which variable?", hint=f"write '{name}=...'")
        if name in point:
            raise Refusal(f"{excerpt(item)} after --at: a second value for {excerpt(name)}")
        point[name] = _value(item, len(item.partition("=")[0]) + 1 if equals else 0)
    if missing := [name for name in names if name not in point]:
        column = program.variables.get(missing[0], 0)
        hint = f"add --at {' '.join(f'{name}=...' for name in missing)}"
        raise Refusal(f"no value for {', '.join(map(repr, missing))}", program.text, column, hint)
    return {name: point[name] for name in names}


def _value(item: str, start: int) -> float:
    """The value of an item after --at, a formula without variables."""
    constant = read(item, start)
    for name, column in constant.variables.items():
        raise Refusal(f"{excerpt(name)} is not a number", item, column, "a value is written '3' or 'x=3'")
    return float(constant({}))


# -- results -------------------------------------------------------------------------------------------------


def _report(program: Program, point: dict[str, float], order: int, trace: bool, taylor: bool) -> list[str]:
    """The lines of the output."""
    # Plain floats come first: a formula that cannot be evaluated is refused here.
    value = program(point)
    # The user sees that a formula is constant.
    with warnings.catch_warnings(action="ignore", category=dualdiff.ConstantResultWarning):
        lines = [*_trace(program, point), ""] if trace else []
        if len(point) == 1:
            return lines + _derivatives(program, point, value, order, taylor)
        if taylor:
            raise Refusal("--taylor is for one variable")
        return lines + _gradient(program, point, value, order)


def _derivatives(program: Program, point: dict[str, float], value: float, order: int, taylor: bool) -> list[str]:
    ((name, x),) = point.items()
    if len(program.steps) * order**2 > MAX_WORK:
        raise Refusal(f"--order {order} is too high for a formula of {len(program.steps)} operations")
    if order > HIGHEST and not taylor:
        raise Refusal(f"the derivative of order {order} is {order}! times a coefficient, beyond floats; see --taylor")
    f = lambda t: program({name: t})  # noqa: E731
    with warnings.catch_warnings(action="ignore", category=dualdiff.UndefinedDerivativeWarning):
        coefficients = dualdiff.taylor(f, x, order) if taylor or order > 2 else []
    if taylor:
        displacement = name if x == 0 else f"({name} {'-' if x > 0 else '+'} {show(abs(x))})"
        powers = ["1", displacement, *(f"{displacement}^{k}" for k in range(2, order + 1))]
        return _table([[power, show(float(c))] for power, c in zip(powers, coefficients, strict=True)])
    rows, factorial = [["f", show(value)]], 1.0
    for k in range(1, order + 1):
        factorial *= k
        result = dualdiff.nth_derivative(f, x, k) if k < 3 else coefficients[k] * factorial
        rows.append(["f" + "'" * k if k <= 3 else f"f^({k})", show(float(result))])
    return _table(rows)


def _gradient(program: Program, point: dict[str, float], value: float, order: int) -> list[str]:
    names = list(point)
    if order > 2:
        raise Refusal(f"--order {order} is for one variable", hint="with several, 2 is the Hessian")
    gradient = dualdiff.gradient(program, point)
    lines = _table([["f", show(value)], *([f"df/d{name}", show(gradient[name])] for name in names)])
    if order == 2:
        hessian = dualdiff.hessian(program, point, progress=shown("dualdiff", True, after=PATIENCE))
        rows = [[name, *(show(hessian[name][other]) for other in names)] for name in names]
        lines += ["", *_table(rows, ["Hessian", *names])]
    return lines


def _trace(program: Program, point: dict[str, float]) -> list[str]:
    """The evaluation trace: formula, value and tangents of every variable and step."""
    from dualdiff.teaching.words import table  # imported here for a fast start, as in _write

    # All steps are the result of one function, so that one call gives all tangents.
    values, tangents = dualdiff.value_and_jacobian(program.run, point)
    formulas = {step.text: step.formula for step in program.steps}
    header = ["", "formula", "value", *(f"d/d{name}" for name in point)]
    rows = [
        [name, formulas.get(name, ""), show(value), *(show(tangents[name][variable]) for variable in point)]
        for name, value in values.items()
    ]
    return table(["", "formula", "value", "tangent"] if len(point) == 1 else header, rows)


def _write(program: Program, point: dict[str, float], graph: str | None, page: str | None) -> None:
    """Write the computational graph and the page of the player, with the names of the trace."""
    from dualdiff.teaching.player.play import Player  # imported here for a fast start

    trace = _recorded(program, point)
    try:
        if graph is not None:
            trace.graph().save(graph)
        if page is not None:
            Player([trace], program.text.strip()).save(page)
    except ImportError as error:
        raise Refusal(str(error)) from None
    except OSError as error:
        raise Refusal(f"{excerpt(str(error.filename))} cannot be written: {error.strerror}") from None


def _recorded(program: Program, point: dict[str, float]) -> Trace:
    """The trace of teaching, with the names of the steps and their positions in the formula."""
    from dualdiff.teaching.location import Location
    from dualdiff.teaching.trace import traced

    steps: list[Step] = []
    for step in program.steps:
        # A step that depends only on constants is not a node.
        if any(isinstance(operand, Variable) or operand in steps for operand in step.operands):
            steps.append(step)
    units = [[float(name == other) for other in point] for name in point]
    heads = ["tangent"] if len(point) == 1 else [f"d/d{name}" for name in point]
    return traced(
        lambda values: program(dict(zip(point, values, strict=True))),
        list(point.values()),
        list(point),
        (step.text for step in steps),
        heads,
        units,
        [],
        MAX_OPERATIONS,
        {step.text: Location(program.text, 1, 1, step.start, step.end) for step in steps},
    )


def _table(rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> list[str]:
    """Lines of aligned columns: the first column has words, the others numbers."""
    columns = []
    for k, cells in enumerate(zip(*rows, strict=True)):
        column = [*header[k : k + 1], *(_points_aligned(cells) if k else cells)]
        width = max(map(len, column))
        columns.append([cell.ljust(width) for cell in column])
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]


def _points_aligned(numbers: Sequence[str]) -> list[str]:
    """The numbers padded with blanks so that their decimal points are aligned."""
    positions = [len(re.split(r"[.e]", number)[0]) for number in numbers]
    return [" " * (max(positions) - position) + number for position, number in zip(positions, numbers, strict=True)]


def _print(lines: Sequence[str]) -> None:
    text = "\n".join(lines)
    # Names of variables may have letters that the terminal cannot display.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


if __name__ == "__main__":
    sys.exit(main())
