"""Tables of functions in Markdown, from the data that the library itself uses.

Each function returns the lines of a table.
"""

import importlib
import inspect
import re
from collections import defaultdict
from pathlib import Path

from numpy.testing.overrides import get_overridable_numpy_array_functions as array_functions
from numpy.testing.overrides import get_overridable_numpy_ufuncs as ufuncs

from dualdiff.base.late import SCIPY, load_rules
from dualdiff.core.registry import CREATORS, FUNCTIONS, REFUSED, UFUNCS, refusal
from dualdiff.rules import ROWS
from dualdiff.rules.numpy.by_value import PLAIN
from dualdiff.rules.writing.array_rules import VALUE_ONLY
from dualdiff.rules.writing.rows import UNKNOWN

ACCURACY = Path(__file__).parents[1] / "reference" / "accuracy.md"
#: How a function treats duals, in the order of the tables.
RULE, STEP, CREATES = "rule", "value only: derivative zero", "creates: with `like=x`"
VARIABLES = "xyzwabcd"


def lines_of(header, rows):
    """A table of Markdown."""
    yield from (f"| {' | '.join(header)} |", "|" + " --- |" * len(header))
    yield from (f"| {' | '.join(row)} |" for row in rows)


def rounded(error):
    """An error in units in the last place, to two digits."""
    return f"{error:.2g}" if error else "exact"


# -- NumPy -----------------------------------------------------------------------------------------
def status(function):
    """How a NumPy function treats duals."""
    creator = getattr(function, "_implementation", function)
    if creator in CREATORS:
        return CREATES
    if function in FUNCTIONS:
        return STEP if function in VALUE_ONLY else RULE
    if (function, "__call__") in UFUNCS:
        return STEP if function in PLAIN else RULE
    return f"refused: {refusal(function) or 'no rule'}"


def numpy():
    """All functions of NumPy that can be overridden, by module and status."""
    load_rules()
    groups = defaultdict(lambda: defaultdict(set))
    for function in array_functions() | ufuncs():
        module = getattr(function, "__module__", None) or "numpy"
        if module not in REFUSED and not function.__name__.startswith("_"):
            groups[module.removesuffix("._core.umath")][status(function)].add(function.__name__)
    for module in sorted(groups):
        yield from ("", f"### {module}", "")
        found = groups[module]
        kinds = [RULE, CREATES, STEP, *sorted(set(found) - {RULE, CREATES, STEP})]
        rows = [(kind, ", ".join(f"`{n}`" for n in sorted(found[kind]))) for kind in kinds if found[kind]]
        yield from lines_of(("status", "functions"), rows)
    yield from ("", "### Modules that are refused", "")
    modules = [(f"`{key}`", reason) for key, reason in REFUSED.items() if isinstance(key, str)]
    yield from lines_of(("module", "reason"), modules)


# -- the rows of the table -------------------------------------------------------------------------
def accuracy():
    """The largest errors of partial derivatives in units in the last place, by name and variable, for float64."""
    text = ACCURACY.read_text(encoding="utf-8")
    found = re.findall(r"^\| (\S+?)(\[\d\])?(?: in (\w))? +\| +([\d.e+-]+) ", text, re.M)
    errors = defaultdict(float)
    for name, _, variable, error in found:
        errors[name, variable or "x"] = max(errors[name, variable or "x"], float(error))
    return errors


def elementwise():
    """The elementwise functions of the table, with their partial derivatives."""
    errors = accuracy()
    for name, row in ROWS.items():
        if name.startswith("_") or row.of:
            continue
        partials, units = [], []
        for variable, partial in zip(VARIABLES, row.partials, strict=False):
            partials.append(f"`{partial or 0}`".replace("|", r"\|"))
            units.append(rounded(errors.get((name, variable), 0.0)))
        yield name, "<br>".join(partials), "<br>".join(units)


def rows():
    """The table of `elementwise`."""
    header = ("`dualdiff.`", "partial derivatives with respect to x, y, z; r is the result", "largest error (ulp)")
    return lines_of(header, ((f"`{name}`", *rest) for name, *rest in elementwise()))


# -- SciPy -----------------------------------------------------------------------------------------
def special():
    """The ufuncs of scipy.special: which arguments may carry a derivative, and how accurate it is."""
    import scipy.special

    from dualdiff.rules.scipy.special import SEVERAL, SPECIAL

    errors = accuracy()
    several = {ufunc.__name__: rows for ufunc, rows in SEVERAL.items()}
    table = []
    for name in sorted(scipy.special.__all__, key=str.lower):
        ufunc = getattr(scipy.special, name)
        key = getattr(ufunc, "__name__", name)
        found = several.get(key) or ((SPECIAL[key],) if key in SPECIAL else ROWS.get(name) and (ROWS[name],))
        if not found or type(ufunc).__name__ != "ufunc":
            continue
        known = [all(row.partials[i] != UNKNOWN for row in found) for i in range(len(found[0].partials))]
        words = ["yes" if k else "raises" for k in known]
        found = [errors.get((f"special.{name}", v)) or errors.get((name, v)) for v in VARIABLES[: len(known)]]
        table.append((f"`{name}`", ", ".join(words), ", ".join("" if e is None else rounded(e) for e in found)))
    return lines_of(("`scipy.special.`", "derivative with respect to each argument", "largest errors (ulp)"), table)


def scipy():
    """The functions of the other modules: with derivatives, beyond SciPy's, and refused."""
    for module in SCIPY:
        shown, original = (importlib.import_module(f"{p}scipy.{module}") for p in ("dualdiff.", ""))
        mine, theirs = set(shown.__all__), set(original.__all__)
        if module == "special":
            theirs = {n for n in theirs if type(getattr(original, n)).__name__ != "ufunc"}
        refused = {n for n in theirs - mine if inspect.isfunction(getattr(original, n))}
        table = [
            ("with derivatives", mine & theirs),
            ("with derivatives, not in SciPy", mine - theirs),
            ("refuse duals", refused),
        ]
        yield from ("", f"### dualdiff.scipy.{module}", "")
        names = [(kind, ", ".join(f"`{n}`" for n in sorted(group, key=str.lower))) for kind, group in table if group]
        yield from lines_of(("status", "functions"), names)
