"""The calculus, as tables.  Importing this package puts the rules where the numbers look for them."""

from dualdiff.rules import creation, decompositions, linalg, functions, operators, products, reductions, structural, ufuncs, values
from dualdiff.rules.elementwise import ROWS
from dualdiff.rules.floats import public as elementwise_function

operators.install()
ufuncs.install()

__all__ = ["ROWS", "creation", "elementwise_function", "functions", "operators", "products", "reductions", "structural", "ufuncs", "values"]
