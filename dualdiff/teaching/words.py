"""The text of traces: numbers, formulas, and tables for terminals and notebooks."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dualdiff.teaching.traced_space import Note, notes_in

#: The symbols of operators in a formula, and in the node of a graph.
INFIX = {
    "add": (" + ", "+"),
    "subtract": (" - ", "−"),
    "multiply": ("*", "×"),
    "divide": ("/", "/"),
    "power": ("**", "**"),
    "remainder": (" % ", "%"),
    "floor_divide": ("//", "//"),
    "matmul": (" @ ", "@"),
}
PREFIX = {"negative": ("-", "−"), "positive": ("+", "+")}
SHORT = {"absolute": "abs"}

#: Longer formulas are truncated.
LONGEST = 48
#: Columns of tangents that do not fit this width of a terminal follow below.
WIDTH = 80
#: Arrays with more elements are described by their shape.
FEW = 6


# -- numbers and formulas ------------------------------------------------------------------------------------------


def number(x: Any, digits: int = 6) -> str:
    """A scalar rounded to some digits; a small array by its elements, a large one by its shape."""
    if issubclass(type(x), np.ndarray) and x.shape:
        if x.size > FEW:
            return f"{'×'.join(map(str, x.shape))} array" if x.ndim > 1 else f"array of {x.size}"
        return _listed(x.tolist(), max(digits - 2, 3))
    if issubclass(type(x), np.ndarray):
        x = x[()]
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    if np.iscomplexobj(x):
        return f"{complex(x):.{digits - 2}g}"
    return f"{float(x) + 0.0:.{digits}g}"


def _listed(x: Any, digits: int) -> str:
    if isinstance(x, list):
        return "[" + ", ".join(_listed(e, digits) for e in x) + "]"
    return number(x, digits)


def text(x: Any, names: Mapping[Note, str]) -> str:
    """The text of an argument: the name of a step, a number, or another object."""
    if isinstance(x, Note):
        return names[x]
    if isinstance(x, str):
        return x
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        return str(x)
    if issubclass(type(x), (float, complex, np.number, np.ndarray)):
        return number(x) if np.asarray(x).dtype.kind in "biufc" else "array"
    if isinstance(x, slice):
        parts = ["" if p is None else text(p, names) for p in (x.start, x.stop)]
        return ":".join(parts) + ("" if x.step is None else f":{text(x.step, names)}")
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k!r}: {text(v, names)}" for k, v in x.items()) + "}"
    if isinstance(x, list):
        return "[" + ", ".join(text(e, names) for e in x) + "]"
    if isinstance(x, tuple):
        return "(" + ", ".join(text(e, names) for e in x) + ("," if len(x) == 1 else "") + ")"
    if x is Ellipsis:
        return "..."
    return getattr(x, "__name__", None) or repr(x)


def key(x: Any, names: Mapping[Note, str]) -> str:
    """The text of an index, between the square brackets."""
    if isinstance(x, tuple):
        return ", ".join(key(k, names) for k in x)
    if issubclass(type(x), np.ndarray):
        return str(x.item()) if x.size == 1 and x.dtype != bool else "mask" if x.dtype == bool else text(x, names)
    return text(x, names)


def formula(note: Note, names: Mapping[Note, str]) -> str:
    """The operation, written with the names of its operands: ``v1 + v2``, ``sin(x)``."""
    args = note.arguments
    if note.name == "input":
        return ""
    if note.name == "getitem":
        written = f"{text(args[0], names)}[{key(note.keywords['key'], names)}]"
    elif note.name == "put":
        target = "zeros" if args[0] is None else text(args[0], names)
        written = f"{target}[{key(args[1], names)}] = {text(args[2], names)}"
    elif note.name in INFIX and len(args) == 2 and not note.keywords:
        written = INFIX[note.name][0].join(_bracketed(a, names) for a in args)
    elif note.name in PREFIX and len(args) == 1 and not note.keywords:
        written = PREFIX[note.name][0] + _bracketed(args[0], names)
    else:
        words = [text(a, names) for a in args] + [
            f"{k}={text(v, names)}" for k, v in note.keywords.items() if k != "args"
        ]
        written = f"{SHORT.get(note.name, note.name)}({', '.join(words)})"
    return written if len(written) <= LONGEST else written[: LONGEST - 3] + "..."


def _bracketed(x: Any, names: Mapping[Note, str]) -> str:
    written = text(x, names)
    return f"({written})" if written.startswith("-") else written


def operation(note: Note) -> str:
    """The label of a node of the graph: the function, or an operator with its constant operand."""
    args = note.arguments
    if note.name == "getitem":
        return f"[{key(note.keywords['key'], {})}]"
    if note.name == "put":
        return f"[{key(args[1], {})}] ="
    if note.name in PREFIX:
        return PREFIX[note.name][1]
    if note.name not in INFIX:
        return SHORT.get(note.name, note.name)
    symbol = INFIX[note.name][1]
    if len(args) == 2 and not any(notes_in(args[0])):
        return f"{text(args[0], {})} {symbol}"
    if len(args) == 2 and not any(notes_in(args[1])):
        return f"{symbol} {text(args[1], {})}"
    return symbol


# -- tables --------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table: names and formulas aligned left, numbers aligned at their decimal points.

    Columns that do not fit follow below, with the names repeated.
    """
    columns = []
    for k, (title, *cells) in enumerate(zip(head, *rows, strict=True)):
        cells = cells if k < 2 else _points_aligned(cells)
        width = max(map(len, [title, *cells]))
        columns.append([cell.ljust(width) for cell in (title, *cells)])
    parts = [columns[:3]]
    for column in columns[3:]:
        if len(parts[-1]) > 1 and sum(len(shown[0]) + 2 for shown in parts[-1]) + len(column[0]) > WIDTH:
            parts.append(columns[:1])
        parts[-1] = [*parts[-1], column]
    blocks = [["  ".join(line).rstrip() for line in zip(*part, strict=True)] for part in parts]
    return [line for i, block in enumerate(blocks) for line in ([""] if i else []) + block]


def _points_aligned(numbers: Sequence[str]) -> list[str]:
    """The numbers padded on the left, so that their decimal points are aligned."""
    places = [len(re.split(r"[.e]", n)[0]) if re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", n) else 0 for n in numbers]
    return [" " * (max(places) - place if place else 0) + n for place, n in zip(places, numbers, strict=True)]


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], below: Sequence[str]) -> str:
    """The table for notebooks, in the colours of the page."""
    rule = "border-bottom:1px solid currentColor"
    cell = "padding:.25em .9em .25em 0;text-align:left;background:none;white-space:nowrap"
    figures = f"{cell};font-variant-numeric:tabular-nums"
    faint = "opacity:.75"

    def line(tag: str, words: Sequence[str], style: str) -> str:
        letters = ";font-family:monospace" if tag == "td" else ""
        styles = [f"{cell};font-weight:bold", cell + letters, *[figures] * (len(words) - 2)]
        cells = (f'<{tag} style="{s};{style}">{html.escape(w)}</{tag}>' for s, w in zip(styles, words, strict=True))
        return f"<tr>{''.join(cells)}</tr>"

    body = [line("td", row, "") for row in _in_html(rows)]
    notes = "".join(
        f'<div style="{faint if i else ""};margin:.2em 0">{html.escape(n)}</div>' for i, n in enumerate(below)
    )
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:collapse;margin:.5em 0">'
        f"<thead>{line('th', head, rule)}</thead><tbody>{''.join(body)}</tbody></table>{notes}</div>"
    )


def _in_html(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The rows with decimal points aligned by figure spaces, and with typographic minus signs."""
    columns = [
        cells if k < 2 else [_typeset(cell) for cell in _points_aligned(cells)]
        for k, cells in enumerate(zip(*rows, strict=True))
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _typeset(number: str) -> str:
    digits = number.lstrip(" ")
    return "\u2007" * (len(number) - len(digits)) + re.sub(r"(?<![\w)])-", "−", digits)
