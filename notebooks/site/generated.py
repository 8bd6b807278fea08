"""What is generated on a page stands there as a comment, which other readers of Markdown do not show.

``<!-- toctree A B -->`` is the list of pages below this one; ``<!-- api MODULE A B -->`` the documentation of names of
a module; ``<!-- module NAME -->`` that of all public names of a module; ``<!-- table NAME -->`` one of the tables of
`function_tables`.
"""

import importlib
import re
from types import FunctionType

import function_tables


def toctree(*pages):
    return "\n".join([":::{toctree}", ":hidden:", "", *pages, ":::"])


def api(module, *names):
    lines = ["```{eval-rst}", f".. currentmodule:: {module}", ""]
    for name in names:
        kind, _, name = name.rpartition(":")
        lines.append(f".. auto{kind or 'function'}:: {name}")
        lines += ["   :members:", ""] if kind in ("class", "exception") else [""]
    return "\n".join([*lines, "```"])


def module(name):
    """The functions and classes of a module, and the names of the rest, which SciPy documents: distributions."""
    shown = importlib.import_module(name)
    things = {n: getattr(shown, n) for n in shown.__all__}
    kinds = {n: "class:" * isinstance(x, type) for n, x in things.items() if isinstance(x, FunctionType | type)}
    others = ", ".join(f"`{n}`" for n in shown.__all__ if n not in kinds)
    return f"{others}\n\n" * bool(others) + api(name, *(kind + n for n, kind in kinds.items()))


def table(name):
    return "\n".join(getattr(function_tables, name)())


def _fill(app, docname, text):
    for kind in toctree, api, module, table:
        pattern = rf"<!-- {kind.__name__}\s([^>]*)-->"
        text[0] = re.sub(pattern, lambda match, kind=kind: kind(*match[1].split()), text[0])


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
