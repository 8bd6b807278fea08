"""numpy.linalg: solving and inverses.

NumPy computes the values.  Derivatives are formulas of matrix calculus, or those of a composition of functions.  See
M. B. Giles, Collected matrix derivative results for forward and reverse mode algorithmic differentiation (2008).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.linalg.factorization import factored, solution, solution_of_series
from dualdiff.rules.writing.array_rules import Application, axes_of, implements, shape_of
from dualdiff.rules.writing.terms import result, terms


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """a x = b gives a dx = db - da x; the matrix is factored once for all tangents."""
    operands = Application(a, b, linear=True)
    return solved(operands, np.linalg.solve(*operands.values))


def solved(operands: Application, x: Any, transposed: bool = False, triangle: str | None = None) -> Any:
    """The solution of ``a @ x = b`` for the operands a and b; x is its value."""
    of_a, of_b = terms(operands, "solve")
    if of_a is None and of_b is None:
        return result(operands, x)
    if operands.space.order and of_a is not None:
        return _solved_series(operands, x, transposed, triangle)
    columns = x
    if len(operands.shape(1)) == 1:
        columns = x[..., None]
        of_b = of_b and of_b.reshape((*of_b.shape, 1))
    with np.errstate(all="ignore"):
        a = factored(operands.values[0], operands.space, triangle)
        change = solution(a, columns, of_a, of_b, transposed)
        return result(operands, x, change and change.reshape(shape_of(x)))


def _solved_series(operands: Application, x: Any, transposed: bool, triangle: str | None) -> Any:
    a, b = operands.operands
    if len(operands.shape(1)) == 1:
        columns = Application(a, np.reshape(b, (-1, 1)), linear=True)
        return np.reshape(_solved_series(columns, x[..., None], transposed, triangle), shape_of(x))
    with np.errstate(all="ignore"):
        plain = factored(operands.values[0], operands.space, triangle)
        return operands.result(x, [solution_of_series(operands, plain, x, transposed)])


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """a x = I gives dx = -x da x."""
    operands = Application(a)
    return inverted(operands, np.linalg.inv(operands.values[0]))


def inverted(operands: Application, x: Any) -> Any:
    """The inverse; x is its value."""
    (t,) = terms(operands, "inv")
    with np.errstate(all="ignore"):
        return result(operands, x, t and t.left(x).right(-x))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = operand(a), operand(b)
    if axes is not None:
        last = axes_of(tuple(axes), a.ndim)
        a = np.transpose(a, [i for i in range(a.ndim) if i not in last] + list(last))
    shape = a.shape[-(a.ndim - b.ndim) :]
    size = math.prod(shape)
    if a.size != size**2:
        raise np.linalg.LinAlgError(
            f"tensorsolve of shapes {a.shape} and {b.shape}: a must have as many equations as unknowns (the product of "
            "the axes of b must equal that of the other axes of a)"
        )
    return np.reshape(np.linalg.solve(np.reshape(a, (size, size)), np.ravel(b)), shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    a = operand(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = a.shape[ind:] + a.shape[:ind]
    return np.reshape(np.linalg.inv(np.reshape(a, (math.prod(a.shape[ind:]), -1))), shape)
