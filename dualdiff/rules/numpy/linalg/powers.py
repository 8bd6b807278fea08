"""numpy.linalg: powers of matrices."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import Application, implements, shape_of
from dualdiff.rules.writing.terms import result


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    """The products that NumPy computes, in the same order."""
    a, n = operand(a), operator.index(n)
    if n == 0 or shape_of(a)[-2:-1] != shape_of(a)[-1:]:
        # NumPy raises for matrices that are not square.
        operands = Application(a)
        return result(operands, np.linalg.matrix_power(operands.values[0], n))
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 1:
        return a
    if n == 3:
        return (a @ a) @ a
    square, product = None, None
    while n:
        square = a if square is None else square @ square
        n, odd = divmod(n, 2)
        if odd:
            product = square if product is None else product @ square
    return product
