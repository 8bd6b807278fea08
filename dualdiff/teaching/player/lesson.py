"""What the page plays: the steps of one or more runs of f, with values, local derivatives, tangents and adjoints.

Runs that take the same way through the program share its steps: names, formulas, dependences and places in the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.teaching.player.listing import Listings, written
from dualdiff.teaching.trace import Trace, has_adjoints, jacobians, single_result, swept
from dualdiff.teaching.words import number

#: Jacobians with more elements are not drawn: in a single run, and in each of many.
ELEMENTS = (4096, 256)
#: The shades of a picture of a Jacobian, from the most negative to the most positive; the middle is zero.
SHADES = "abcdefghijklmnopqrstuvwxy"


def lesson(function: Any, name: str, traces: Sequence[Trace], slide: dict[str, Any] | None = None) -> dict[str, Any]:
    """The data of a page, to be written as JSON.

    Parameters
    ----------
    function : callable or None
        What was traced; its source comes first.  None if it is a formula, which has no name.
    name : str
        The title of the page: ``f(x, y)``, or the formula.
    traces : sequence of Trace
        The runs.
    slide : dict, optional
        The name of the input that differs between the runs, its values, and the index of the run shown first.
    """
    short = "f" if function is None else name.partition("(")[0]
    listings = Listings(function, traces)
    sources = listings.shown
    programs: dict[Any, int] = {}
    shown: list[dict[str, Any]] = []
    runs = []
    for trace in traces:
        way = _way(trace)
        if way not in programs:
            programs[way] = len(shown)
            program = _program(trace, listings)
            if not sources or all(step["at"] is None for step in program["steps"]):
                _written_out(program, trace, short, sources)
            shown.append(program)
        runs.append(_run(trace, programs[way], ELEMENTS[len(traces) > 1]))
    single = any(
        np.result_type(step.value).itemsize < (16 if np.iscomplexobj(step.value) else 8)
        for trace in traces
        for step in trace.steps
        if np.result_type(step.value).kind in "fc"
    )
    return {
        "name": name,
        "short": short,
        "sources": sources,
        "directions": traces[0].directions,
        "programs": shown,
        "runs": runs,
        "slide": slide,
        # To which the sums of the page and those of the library agree, relative to their terms.
        "tolerance": 1e-3 if single else 1e-9,
    }


def _way(trace: Trace) -> Any:
    """What two runs have in common that take the same way through the program."""
    index = {step: i for i, step in enumerate(trace.steps)}
    steps = tuple((s.formula, tuple(index[o] for o in s.operands), s.location, np.shape(s.value)) for s in trace.steps)
    branches = tuple((b.comparison, b.answer) for b in trace.branches)
    return steps, branches, tuple(index[r] for r in trace.results), str(trace.error)


def _program(trace: Trace, listings: Listings) -> dict[str, Any]:
    index = {step: i for i, step in enumerate(trace.steps)}
    result = single_result(trace)
    return {
        "inputs": len(trace.inputs),
        "steps": [
            {
                "name": step.name,
                "formula": step.formula,
                "operands": [index[operand] for operand in step.operands],
                "shape": list(np.shape(step.value)),
                "at": listings.find(step.location),
            }
            for step in trace.steps
        ],
        "result": None if result is None else index[result],
        "branches": [
            {"comparison": b.comparison, "answer": b.answer, "at": listings.find(b.location)} for b in trace.branches
        ],
    }


def _written_out(program: dict[str, Any], trace: Trace, name: str, sources: list[dict[str, Any]]) -> None:
    """Show the steps as a program in place of a source that is not available."""
    lines = written(trace, name)
    for line, step in enumerate(program["steps"][program["inputs"] :], 1):
        step["at"] = [len(sources), line, 4, line, len(lines[line])]
    sources.append({"name": f"{name}, whose source is not available", "first": 1, "lines": lines})


def _run(trace: Trace, program: int, elements: int) -> dict[str, Any]:
    """The figures of a run."""
    remarks = list(trace.remarks)
    if trace.error is None and trace.results and not has_adjoints(trace):
        remarks.append("adjoints are the derivatives of a real scalar, and f returns more: there is no backward sweep")
    return {
        "program": program,
        "values": [_figure(step.value) for step in trace.steps],
        "partials": [[None if p is None else _figure(p) for p in step.partials] for step in trace.steps],
        "tangents": [[_figure(step.tangents[k]) for step in trace.steps] for k in range(len(trace.directions))],
        "adjoints": [_figure(w) for w in swept(trace)] if has_adjoints(trace) else None,
        "pictures": _pictures(trace, elements),
        "remarks": remarks,
    }


def _figure(x: Any) -> Any:
    """A real scalar as JSON has it, what JSON lacks as text; anything else as a shape and a text."""
    if np.shape(x) or np.iscomplexobj(x):
        return {"shape": list(np.shape(x)), "text": number(x, 5)}
    value = float(x)
    return value if np.isfinite(value) else "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _pictures(trace: Trace, elements: int) -> dict[int, list[Any]]:
    """For the steps with arrays, by index, and each operand the Jacobian in shades; None if it is large."""
    pictures = {i: [_picture(j) for j in jacobians(trace, step, elements)] for i, step in enumerate(trace.steps)}
    return {i: drawn for i, drawn in pictures.items() if any(drawn)}


def _picture(jacobian: Any) -> dict[str, Any] | None:
    """A matrix as rows of letters, relative to its largest element."""
    if jacobian is None:
        return None
    largest = float(np.max(np.abs(jacobian), initial=0.0))
    if not np.isfinite(largest):
        return None
    half = len(SHADES) // 2
    scaled = jacobian / (largest or 1.0) * half
    # What is not zero is never drawn as zero.
    levels = np.where(jacobian == 0, 0, np.sign(scaled) * np.maximum(np.rint(np.abs(scaled)), 1)).astype(int)
    return {"rows": ["".join(SHADES[half + level] for level in row) for row in levels], "largest": largest}
