"""The calculus, as tables.  Importing this package puts the rules where the numbers look for them."""

from dualdiff.rules import (
    creation,
    decompositions,
    functions,
    linalg,
    operators,
    products,
    reductions,
    structural,
    ufuncs,
    values,
)
from dualdiff.rules.elementwise import ROWS
from dualdiff.rules.floats import public as elementwise_function

operators.install()
ufuncs.install()

__all__ = [
    "ROWS",
    "creation",
    "decompositions",
    "elementwise_function",
    "functions",
    "linalg",
    "operators",
    "products",
    "reductions",
    "structural",
    "ufuncs",
    "values",
]
