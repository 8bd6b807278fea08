"""The calculus, as tables.

Importing this package puts the rules of everyday functions where the numbers look for them; the others are imported
when a function is first met that has no rule yet.
"""

import sys
from importlib import import_module

from dualdiff.core import registry
from dualdiff.rules import creation, operators, products, reductions, structural, values
from dualdiff.rules.elementwise import ROWS
from dualdiff.rules.floats import public as elementwise_function

#: The modules that wait until they are needed.
LATER = (
    *("decompositions", "functions", "linalg", "ufuncs"),
    *("convolutions", "differences", "fft", "histograms", "interpolation", "padding", "places"),
    *("polynomials", "quantiles", "ranges", "refused", "series", "sets", "statistics"),
)


def load() -> None:
    """Import the rules that wait; those of SciPy only if there is a function of SciPy that they could be asked for."""
    for name in (*LATER, *(["special"] if "scipy.special" in sys.modules else [])):
        import_module(f"dualdiff.rules.{name}")


operators.install()
registry.LATER.append(load)

__all__ = [
    "LATER",
    "ROWS",
    "creation",
    "elementwise_function",
    "load",
    "operators",
    "products",
    "reductions",
    "structural",
    "values",
]
