"""Every row of the table in compiled code, under every name, compared with the same row in NumPy's engine."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

import dualdiff
from dualdiff.rules.numpy.elementwise.table import ROWS
from dualdiff.rules.python.operators import BINARY, UNARY
from dualdiff.rules.writing.rows import Row

numba = pytest.importorskip("numba")

from dualdiff.compiled.functions.table_rows import names  # noqa: E402  (needs Numba)

SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**", "mod": "%", "floordiv": "//"}
WHOLE = {"ldexp": (1,), "sinc_derivative": (1,), "exprel_derivative": (1,), "i0_derivative": (1,)}

#: Functions that Numba itself cannot compile for floats.
UNKNOWN_TO_NUMBA = {"math.cbrt", "math.fmod", "np.clip", "np.heaviside", "np.i0"}


def callers(row: Row) -> dict[str, str]:
    """How compiled code calls a row: a template of source for the name of each function."""
    found = {}
    arguments = ", ".join(["{}"] * row.arity)
    for function in names(row):
        name = getattr(function, "__name__", str(function))
        if function is getattr(np, row.name, None):
            found[f"np.{row.name}"] = f"np.{row.name}({arguments})"
        elif row.math and function is getattr(math, row.math):
            found[f"math.{row.math}"] = f"math.{row.math}({arguments})"
        elif getattr(function, "__module__", "") == "dualdiff":
            found[f"dualdiff.{row.name}"] = f"dualdiff.{row.name}({arguments})"
        elif function in (abs, pow, math.fabs):
            found[name] = ("math." if function is math.fabs else "") + f"{name}({arguments})"
    for name, (row_name, _) in BINARY.items():
        if row_name == row.name:
            found[SYMBOLS[name]] = f"{{}} {SYMBOLS[name]} {{}}"
    for name, (row_name, _) in UNARY.items():
        if row_name == row.name and name != "abs":
            found[f"unary {name}"] = ("-" if name == "neg" else "+") + "{}"
    return found


def point(row: Row) -> list[float]:
    """A point in the domain of a row."""
    numbers = [a + (b - a) * (0.31 + 0.13 * i) for i, (a, b) in enumerate(row.domain)]
    return [float(round(x)) if i in WHOLE.get(row.name, ()) else x for i, x in enumerate(numbers)]


def expressions(row: Row) -> list[tuple[str, int, str]]:
    """The calls of a row with a dual as each of its arguments, and as all of them: (name, argument, source)."""
    found = []
    numbers = [repr(int(x)) if row.name == "ldexp" and i == 1 else f"{x!r}" for i, x in enumerate(point(row))]
    smooth = [i for i in range(row.arity) if i not in WHOLE.get(row.name, ())]
    for name, template in callers(row).items():
        if name in UNKNOWN_TO_NUMBA:
            continue
        for chosen in ([i] for i in smooth) if len(smooth) < 2 else (*([i] for i in smooth), smooth):
            arguments = [f"(t + {x})" if i in chosen else f"({x})" for i, x in enumerate(numbers)]
            found.append((f"{row.name} as {name} in {chosen}", chosen, template.format(*arguments)))
    return found


def expected(row: Row, chosen: list[int]) -> float:
    numbers = point(row)

    def f(t: object) -> object:
        arguments = [t + x if i in chosen else x for i, x in enumerate(numbers)]
        for i in WHOLE.get(row.name, ()):
            arguments[i] = int(arguments[i])
        return row.ufunc(*arguments)

    return dualdiff.derivative(f, np.float64(0.0))


@pytest.mark.parametrize("part", range(4))
def test_rows(part):
    cases = [(row, *case) for row in list(ROWS.values())[part::4] for case in expressions(row)]
    source = "\n".join(f"    y[{k}] = {text}" for k, (*_, text) in enumerate(cases))
    scope = {"np": np, "math": math, "dualdiff": dualdiff}
    exec(f"def f(t, like):\n    y = dualdiff.empty({len(cases)}, like=t)\n{source}\n    return y", scope)
    f = numba.njit(scope["f"])
    values, slopes = dualdiff.value_and_derivative(f, 0.0, 0.0)
    np.testing.assert_array_equal(values, f(0.0, 0.0))
    for (row, name, chosen, _), slope in zip(cases, slopes, strict=True):
        np.testing.assert_allclose(slope, expected(row, chosen), rtol=1e-12, atol=1e-300, err_msg=name)


def test_the_table_is_read_and_not_copied():
    code = (
        "import math, numpy as np, dualdiff\n"
        "from dualdiff.rules.numpy.elementwise.table import row\n"
        "row(np.sin, '7 * cos(x)', math='sin')\n"
        "from numba import njit\n"
        "f = njit(lambda x: np.sin(x) + math.sin(x))\n"
        "assert abs(dualdiff.derivative(f, 0.5) - 14 * math.cos(0.5)) < 1e-14\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
