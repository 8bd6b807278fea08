"""All public names with their signatures: ``python -m tests.meta.signatures.snapshot`` writes ``signatures.txt``."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import dualdiff
from dualdiff.base.late import SCIPY
from dualdiff.rules import ROWS

SNAPSHOT = Path(__file__).with_name("signatures.txt")
#: Modules whose signatures are SciPy's, and their names partly: those of its distributions.
LIKE_SCIPY = [f"dualdiff.scipy.{name}" for name in SCIPY if name != "stats"]


def signature(thing):
    """Parameters with kinds and defaults; the types have tests of their own."""
    try:
        declared = inspect.signature(thing)
    except (TypeError, ValueError):
        return "(...)"
    plain = [p.replace(annotation=p.empty) for p in declared.parameters.values()]
    return str(declared.replace(parameters=plain, return_annotation=declared.empty))


def described(name, thing):
    """The lines of a name: its signature, and for a class those of its public attributes."""
    if not isinstance(thing, type):
        return [name + signature(thing)]
    if issubclass(thing, BaseException):
        return [f"{name}({', '.join(base.__name__ for base in thing.__bases__)})"]
    lines = [name + signature(thing)]
    for attribute in sorted(n for n in dir(thing) if not n.startswith("_")):
        x = inspect.getattr_static(thing, attribute)
        x = x.__func__ if isinstance(x, (classmethod, staticmethod)) else x
        lines.append(f"{name}.{attribute}" + (signature(x) if inspect.isfunction(x) else ""))
    return lines


def of_adapters():
    """The functions and classes of adapters, from their source: the libraries need not be installed."""
    for path in sorted(Path(dualdiff.__file__).parent.glob("adapters/[a-z]*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                makers = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
                maker = node if isinstance(node, ast.FunctionDef) else (makers or [None])[0]
                names = ", ".join(a.arg for a in [*maker.args.args, *maker.args.kwonlyargs]) if maker else ""
                yield f"dualdiff.adapters.{path.stem}.{node.name}({names})"


def snapshot():
    """The text of the file."""
    lines = []
    for name in sorted({*dualdiff.__all__, "zeros", "ones", "empty", "full"}):
        lines += described(f"dualdiff.{name}", getattr(dualdiff, name))
    lines += [f"dualdiff.{name}({', '.join('xyzwabcd'[: len(row.partials)])})" for name, row in sorted(ROWS.items())]
    for module in LIKE_SCIPY:
        lines += [f"{module}.{name}" for name in importlib.import_module(module).__all__]
    for name in ("fit_covariance", "fit_information"):
        lines += described(f"dualdiff.scipy.stats.{name}", getattr(dualdiff.scipy.stats, name))
    for path in ("dualdiff.teaching", "dualdiff.teaching.course", "dualdiff.uncertain"):
        module = importlib.import_module(path)
        for name in module.__all__:
            lines += described(f"{path}.{name}", getattr(module, name))
    return "\n".join([*lines, *of_adapters()]) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot(), encoding="utf-8")
