"""The table of rounding errors that test_accuracy.py finds."""

from __future__ import annotations

from pathlib import Path

MISSING = float("nan")


def pytest_addoption(parser):
    parser.addoption(
        "--accuracy-table",
        nargs="?",
        const="",
        metavar="FILE",
        help="print the largest rounding error of every partial derivative, and write it to FILE as Markdown",
    )


def pytest_terminal_summary(terminalreporter, config):
    """From the reports of all worker processes."""
    path = config.getoption("--accuracy-table")
    if path is None:
        return
    reports = [r for r in terminalreporter.stats.get("", ()) if getattr(r, "when", None) == "teardown"]
    found = [entry for r in reports for name, entries in r.user_properties if name == "ulps" for entry in entries]
    terminalreporter.section("largest errors of partial derivatives, in units in the last place")
    lines = table({(label, engine): error for label, engine, error in found})
    for line in lines:
        terminalreporter.write_line(line)
    if path:
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def table(errors):
    """The lines of the table, the largest errors first, and what is left out."""
    from test_accuracy import ENGINES, EXCEPTIONS  # what takes SymPy, and only who asks for the table needs it

    rows = {label: [errors.get((label, engine), MISSING) for engine in ENGINES] for label, _ in errors}
    width = max(map(len, rows), default=0)
    lines = [f"| {'partial':{width}} | " + " | ".join(f"{engine:>8}" for engine in ENGINES) + " |"]
    lines.append(f"| {'-' * width} | " + " | ".join("-------:" for _ in ENGINES) + " |")
    for label in sorted(rows, key=lambda label: (-max(e for e in rows[label] if e == e), label)):
        cells = " | ".join(f"{error:8.2f}" if error == error else " " * 8 for error in rows[label])
        lines.append(f"| {label:{width}} | {cells} |")
    lines.append("")
    lines += [f"- {reason}: {', '.join(sorted(names))}" for reason, names in EXCEPTIONS.items()]
    return lines
