"""numpy.linalg: the Cholesky factor."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.rules.numpy.linalg.factorization import Factored, solving
from dualdiff.rules.writing.array_rules import Application, implements
from dualdiff.rules.writing.terms import Term, adjoint, result, terms, triangle


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    r""":math:`L^{-1} dA L^{-*} = L^{-1} dL + (L^{-1} dL)^*`, the sum of a lower triangular matrix and its adjoint."""
    operands = Application(a)
    return cholesky_factor(
        operands, np.linalg.cholesky(operands.values[0], upper=upper), upper, "numpy.linalg.cholesky"
    )


def cholesky_factor(operands: Application, factor: Any, upper: bool, name: str) -> Any:
    """The lower or upper Cholesky factor; ``factor`` is its value."""
    (t,) = terms(operands, name)
    if t is None:
        return result(operands, factor)
    with np.errstate(all="ignore"):
        lower = adjoint(factor) if upper else factor
        by_lower = solving(Factored(lower, "lower"), t.shape)
        both = read_triangle(t, upper).map(by_lower).H.map(by_lower)
        change = (both * triangle(factor)).left(lower)
        return result(operands, factor, change.H if upper else change)


def read_triangle(t: Term, upper: bool = False) -> Term:
    """The tangent of the Hermitian matrix of which LAPACK reads one triangle."""
    n = t.shape[-1]
    half: Term = t * triangle(np.empty((n, n)), upper)
    return half + half.H
