"""numpy.linalg: determinants."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.rules.numpy.linalg.factorization import adjugate, factored, solving
from dualdiff.rules.writing.array_rules import Application, implements, plain_values
from dualdiff.rules.writing.terms import result, terms


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """The partial derivatives are the cofactors, of singular matrices too."""
    operands = Application(a)
    return determinant(operands, np.linalg.det(operands.values[0]))


def determinant(operands: Application, value: Any) -> Any:
    """The determinant, whose value is given."""
    (t,) = terms(operands, "det")
    if t is None:
        return result(operands, value)
    with np.errstate(all="ignore"):
        return result(operands, value, t.einsum("ij,ji->", adjugate(operands.values[0], operands.space)))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """The tangent of the logarithm is Re tr(inv(a) da); the phase of the sign changes by Im tr(inv(a) da)."""
    operands = Application(a)
    values = np.linalg.slogdet(operands.values[0])
    (t,) = terms(operands, "numpy.linalg.slogdet")
    if t is None:
        return type(values)(*(result(operands, value) for value in values))
    with np.errstate(all="ignore"):
        matrix = factored(operands.values[0], operands.space)
        inverse = matrix.inverse
        if np.all(np.isfinite(plain_values(inverse))):
            ratio = t.einsum("ij,ji->", inverse)
        else:
            # Singular: solving keeps a zero tangent zero.
            ratio = t.map(solving(matrix, t.shape)).diagonal().sum(-1)
        turn = ratio.imag * (1j * values[0]) if ratio.is_complex else None
        return type(values)(result(operands, values[0], turn), result(operands, values[1], ratio.real))
