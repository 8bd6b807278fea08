"""One thread for each process of the tests, short runs, and the table of the rounding errors that are found."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest

# So that their assertions hold under ``python -O`` too.
pytest.register_assert_rewrite("tests.support.against", "tests.support.ulps")

# The tests are spread over the cores already, and for their small matrices threads of BLAS do nothing but wait.
for library in ("OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

MISSING = float("nan")
#: What ``--quick`` leaves of the tests that take longest.
ONE_IN = 8


def pytest_addoption(parser):
    parser.addoption(
        "--quick",
        action="store_true",
        help=f"of the tests of compiled code and of the notebooks, which take longest, run one in {ONE_IN}",
    )
    parser.addoption(
        "--share",
        type=lambda text: tuple(map(int, text.split("/"))),
        default=(1, 1),
        metavar="I/N",
        help="run every N-th test from the I-th on, so that N runs with other I share the tests",
    )
    parser.addoption(
        "--accuracy-table",
        nargs="?",
        const="",
        metavar="FILE",
        help="print the largest rounding error of every partial derivative, and write it to FILE as Markdown",
    )


def pytest_collection_modifyitems(config, items):
    """Leave notebooks out whose packages are missing, with ``--quick`` most of what takes long, and others' shares."""
    for item in items:
        if item.path.suffix == ".ipynb" and (missing := missing_for(item.path)):
            item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(missing)}"))
    left_out = set()
    if config.getoption("--quick"):
        long = [item for item in items if takes_long(item)]
        left_out = set(long) - set(long[::ONE_IN])
    i, n = config.getoption("--share")
    rest = [item for item in items if item not in left_out]
    left_out |= set(rest) - set(rest[i - 1 :: n])
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def takes_long(item):
    """Whether a test compiles, or runs a notebook."""
    path = item.path
    return (
        "compiled" in (path.parent.name, path.parent.parent.name)
        or path.suffix == ".ipynb"
        or item.name.startswith("test_exercises[")
    )


def missing_for(notebook):
    """The packages that a notebook imports and that are not installed."""
    text = notebook.read_text(encoding="utf-8")
    return [
        name
        for name in ("matplotlib", "mpmath", "numba", "scipy", "sklearn", "sympy")
        if re.search(rf"\b(from|import) {name}\b", text) and importlib.util.find_spec(name) is None
    ]


@pytest.fixture
def judged(record_property):
    """To be called with the label of a partial, the engine, its largest error, and why that may be above the bound."""
    entries = []
    yield lambda label, engine, error, reason="": entries.append((label, engine, error, reason))
    record_property("ulps", entries)


def pytest_terminal_summary(terminalreporter, config):
    """From the reports of all worker processes."""
    path = config.getoption("--accuracy-table")
    if path is None:
        return
    reports = [r for r in terminalreporter.stats.get("", ()) if getattr(r, "when", None) == "teardown"]
    found = [entry for r in reports for name, entries in r.user_properties if name == "ulps" for entry in entries]
    terminalreporter.section("largest errors of partial derivatives, in units in the last place")
    lines = table(found)
    for line in lines:
        terminalreporter.write_line(line)
    if path:
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def table(entries):
    """The lines of the table, the largest errors first, and what is left out."""
    # What takes SymPy, and only who asks for the table needs it.
    from tests.rules.numpy.elementwise.test_accuracy import ENGINES, EXCEPTIONS

    errors = {(label, engine): error for label, engine, error, _ in entries}
    reasons = {label: reason for label, _, _, reason in entries}
    rows = {label: [errors.get((label, engine), MISSING) for engine in ENGINES] for label in reasons}
    width, wide = max(map(len, rows), default=0), max(map(len, reasons.values()), default=0)
    lines = [f"| {'partial':{width}} | " + " | ".join(f"{engine:>9}" for engine in ENGINES) + f" | {'reason':{wide}} |"]
    lines.append(f"| {'-' * width} | " + " | ".join("--------:" for _ in ENGINES) + f" | {'-' * max(wide, 6)} |")
    for label in sorted(rows, key=lambda label: (-max(e for e in rows[label] if e == e), label)):
        cells = " | ".join(f"{error:9.4g}" if error == error else " " * 9 for error in rows[label])
        lines.append(f"| {label:{width}} | {cells} | {reasons[label]:{wide}} |")
    lines.append("")
    lines += [f"- {reason}: {', '.join(sorted(names))}" for reason, names in EXCEPTIONS.items()]
    return lines
