"""``python -m dualdiff.rules``: the NumPy functions that are refused, and why."""

from __future__ import annotations

from dualdiff.base.late import load_rules
from dualdiff.core.registry import CREATORS, FUNCTIONS, REFUSED, UFUNCS
from dualdiff.rules.numpy.by_value import PLAIN
from dualdiff.rules.writing.array_rules import VALUE_ONLY


def lines() -> list[str]:
    """The number of functions with rules, and the functions that are refused, by reason."""
    load_rules()
    by_value = len(VALUE_ONLY) + sum(ufunc in PLAIN for ufunc, _ in UFUNCS)
    differentiated = len(FUNCTIONS) + len(CREATORS) + len(UFUNCS) - by_value
    report = [
        f"NumPy's functions and ufunc methods: {differentiated} differentiated, {by_value} use values only.  Refused:"
    ]
    groups: dict[str, list[str]] = {}
    for key, reason in REFUSED.items():
        groups.setdefault(reason, []).append(_named(key))
    for reason, names in groups.items():
        report += ["", f"{reason}:", "  " + ", ".join(sorted(names))]
    return report


def _named(key: object) -> str:
    if isinstance(key, str):
        return f"{key}.*"
    function, method = key if isinstance(key, tuple) else (key, "__call__")
    name: str = function.__name__
    return name if method == "__call__" else f"{name}.{method}"


if __name__ == "__main__":
    print("\n".join(lines()))
