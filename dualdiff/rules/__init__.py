"""The derivative rules.

Importing this package registers the rules of everyday functions.  The others are imported when duals first meet a
function that has no rule yet (`dualdiff.base.late`).
"""

from dualdiff.rules.numpy import by_value, creation, indexing, products, reductions
from dualdiff.rules.numpy.elementwise import complex_parts
from dualdiff.rules.numpy.elementwise.table import ROWS
from dualdiff.rules.numpy.manipulation import joining, shapes, sorting
from dualdiff.rules.python import operators
from dualdiff.rules.python.floats import public as elementwise_function

operators.install()

__all__ = [
    "ROWS",
    "by_value",
    "complex_parts",
    "creation",
    "elementwise_function",
    "indexing",
    "joining",
    "operators",
    "products",
    "reductions",
    "shapes",
    "sorting",
]
