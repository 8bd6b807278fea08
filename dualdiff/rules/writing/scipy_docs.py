"""Docstrings of the functions in ``dualdiff.scipy``, completed from those of their rules.

A rule's docstring is in Google style, and says only what SciPy's does not:

    The determinant: :math:`d\\det A = \\mathrm{tr}(\\mathrm{adj}(A)\\,dA)`.

    Args:
        a ((..., n, n) array_like): The matrix; it may be singular.
    Returns:
        float or array: The determinant.
    Notes:
        One inverse.
    Examples:
        (doctests, without imports)

Users read it in NumPy style, like that of every other public function, with the name of SciPy's function, the
parameters that mean what they mean in SciPy, and the imports of the examples.
"""

from __future__ import annotations

import inspect
import re
import textwrap

#: The sections of a rule's docstring in the order of NumPy style, and their titles there.
_TITLES = {"Args": "Parameters", "Returns": "Returns", "Raises": "Raises", "Notes": "Notes", "Examples": "Examples"}
#: ``names (type): description``, and ``type: description``.
_PARAMETER = re.compile(r"([\w*, ]+?)(?: \((.+?)\))?: (.*)", re.DOTALL)
_RESULT = re.compile(r"([^:]+)(): (.*)", re.DOTALL)
_OPERATOR = re.compile(r"\b(derivative|gradient|hessian|jacobian|jvp|vjp)\(")
_OPTIONS = "The other options of ``{}``, which do not change the derivative.  ``overwrite_*`` is ignored for duals."


def completed(doc: str, module: str, name: str, signature: inspect.Signature) -> str:
    """The docstring of the function for duals, from that of the rule for SciPy's function of this module and name."""
    summary, sections = _sections(doc)
    head, _, rest = summary.partition("\n\n")
    origin = f"``{module}.{name}`` for duals: the same value bit for bit, and derivatives of every order."
    sections["Args"] = _parameters(sections.get("Args", ""), f"{module}.{name}", signature)
    for title in sections.keys() & {"Returns", "Raises"}:
        sections[title] = "\n".join(_entries(sections[title], _RESULT).values())
    if "Examples" in sections:
        sections["Examples"] = _imports(sections["Examples"], module) + sections["Examples"]
    parts = [
        f"{printed}\n{'-' * len(printed)}\n{sections[title]}" for title, printed in _TITLES.items() if title in sections
    ]
    return "\n\n".join(filter(None, [head, origin, rest, *parts])) + "\n"


def _sections(doc: str) -> tuple[str, dict[str, str]]:
    """The text before the first section, and the sections by title."""
    summary, *rest = re.split(r"^(\w+):$", inspect.cleandoc(doc), flags=re.MULTILINE)
    return summary.strip(), {
        title: textwrap.dedent(body.strip("\n")) for title, body in zip(rest[::2], rest[1::2], strict=True)
    }


def _entries(text: str, pattern: re.Pattern[str]) -> dict[str, str]:
    """The entries of a section in NumPy style, by what they describe."""
    result = {}
    for entry in re.split(r"\n(?! )", text) if text else ():
        match = pattern.fullmatch(entry)
        assert match, f"not an entry of a docstring: {entry}"
        names, kind, description = match.groups()
        result[names] = _entry(f"{names} : {kind}" if kind else names, description)
    return result


def _entry(head: str, description: str) -> str:
    filled = textwrap.fill(" ".join(description.split()), 108, break_on_hyphens=False, break_long_words=False)
    return head + "\n" + textwrap.indent(filled, "    ")


def _parameters(text: str, origin: str, signature: inspect.Signature) -> str:
    """The parameters that the rule describes, and those that are as in SciPy."""
    described = _entries(text, _PARAMETER)
    known = {name.strip("* ") for names in described for name in names.split(",")}
    others = [p for p in signature.parameters.values() if p.name not in known]
    named = ", ".join(p.name for p in others if p.kind is not p.VAR_KEYWORD)
    result = list(described.values())
    if named:
        result.append(_entry(named, f"As in ``{origin}``."))
    if any(p.kind is p.VAR_KEYWORD for p in others):
        result.append(_entry("**options", _OPTIONS.format(origin)))
    return "\n".join(result)


def _imports(examples: str, module: str) -> str:
    """The imports of what the examples use."""
    package, _, last = f"dualdiff.{module}".rpartition(".")
    lines = ["import numpy as np"] if "np." in examples else []
    if operators := ", ".join(sorted(set(_OPERATOR.findall(examples)))):
        lines.append(f"from dualdiff import {operators}")
    return "".join(f">>> {line}\n" for line in [*lines, f"from {package} import {last}"])
