"""The calculus, as tables.  Importing this package puts the rules where the numbers look for them."""

from dualdiff.rules import creation, operators, products, reductions, structural, values
from dualdiff.rules.elementwise import ROWS
from dualdiff.rules.operators import elementwise_function

operators.install()

__all__ = ["ROWS", "creation", "elementwise_function", "products", "reductions", "structural", "values"]
