"""scipy.linalg: eigenvalues and eigenvectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.linalg.eigen import eigen, eigenvalues, hermitian_eigen
from dualdiff.rules.numpy.linalg.factorization import Factored
from dualdiff.rules.scipy.linalg.cholesky import cholesky
from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy, refuse
from dualdiff.rules.writing.terms import adjoint, hermitian_part, revalued


@over_scipy("a", "b")
def eigh(
    value: Any,
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    type: int = 1,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    **options: Any,
) -> Any:
    r"""Eigenvalues and eigenvectors of a Hermitian matrix, or of a pencil (a, b).

    Args:
        a ((..., n, n) array_like): A Hermitian matrix, of which one triangle is read.
        b ((..., n, n) array_like, optional): A Hermitian positive definite matrix, of which one triangle is read, for
            the generalized problem.
    Returns:
        pair of arrays, or array: The eigenvalues, with :math:`d\lambda_i = v_i^* (dA - \lambda_i dB)\, v_i`, and unless
            ``eigvals_only`` the eigenvectors.  The derivative of an eigenvector is NaN if its eigenvalue is repeated.
    Notes:
        With b or a subset, the tangents cost a second decomposition.  Functions of a matrix with repeated eigenvalues
        are differentiable through `funmh`.
    Examples:
        >>> derivative(lambda t: linalg.eigh([[1.0]], [[t]], eigvals_only=True), 2.0)
        array([-0.25])
    """
    return _eigh(value, a, b, lower, eigvals_only, type, subset_by_index, subset_by_value, "dualdiff.scipy.linalg.eigh")


@over_scipy("a", "b")
def eigvalsh(
    value: Any,
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    type: int = 1,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    **options: Any,
) -> Any:
    r"""Eigenvalues of a Hermitian matrix, or of a pencil (a, b).

    Args:
        a, b, lower, type, subset_by_index, subset_by_value: As in `eigh`.
    Returns:
        array: The eigenvalues.  Symmetric functions of repeated eigenvalues have exact derivatives.
    Notes:
        The cost of `eigh`.
    Examples:
        >>> derivative(lambda t: linalg.eigvalsh([[t, 0.0], [0.0, 5.0]]), 2.0)
        array([1., 0.])
    """
    return _eigh(value, a, b, lower, True, type, subset_by_index, subset_by_value, "dualdiff.scipy.linalg.eigvalsh")


def _eigh(
    value: Any, a: Any, b: Any, lower: bool, only_values: bool, kind: int, by_index: Any, by_value: Any, name: str
) -> Any:
    outputs = value(*Application(a, b).values[: 1 if b is None else 2])
    if b is None and not only_values and by_index is None and by_value is None:
        return hermitian_eigen(Application(a), outputs[0], outputs[1], not lower, name)
    w, v = (outputs, None) if only_values else outputs
    arrays = (a,) if b is None else (a, b)
    all_values, all_vectors = _standard(operand(a), None if b is None else operand(b), kind, lower)
    start = by_index[0] if by_index is not None else 0
    if by_value is not None:
        start = int(np.searchsorted(plain_values(all_values), by_value[0], side="right"))
    chosen = slice(start, start + shape_of(w)[-1])
    w = revalued(lambda *_: w, lambda *_: all_values[..., chosen], *arrays)
    if only_values:
        return w
    columns = all_vectors[..., chosen]
    # The same vectors up to signs or phases, which are constant.
    plain = plain_values(columns)
    phase = np.sum(np.conj(plain) * plain_values(v), axis=-2, keepdims=True)
    phase = phase / np.where(phase == 0, 1.0, np.abs(phase))
    return w, revalued(lambda *_: v, lambda *_: columns * phase, *arrays)


def _standard(a: Any, b: Any, kind: int, lower: bool) -> tuple[Any, Any]:
    """All eigenvalues and eigenvectors, with the generalized problem reduced to a standard one as in LAPACK."""
    if b is None:
        w, v = np.linalg.eigh(a, "L" if lower else "U")
        return w, v
    a = hermitian_part(a, not lower)
    factor = cholesky(b, lower=True) if lower else adjoint(cholesky(b))
    by_factor = Factored(factor, "lower")
    form = by_factor.solve(adjoint(by_factor.solve(a))) if kind == 1 else adjoint(factor) @ a @ factor
    w, y = np.linalg.eigh(form, "L" if lower else "U")
    return w, factor @ y if kind == 3 else np.linalg.solve(adjoint(factor), y)


@over_scipy("a", "b")
def eig(
    value: Any,
    a: Any,
    b: Any = None,
    left: bool = False,
    right: bool = True,
    homogeneous_eigvals: bool = False,
    **options: Any,
) -> Any:
    r"""Eigenvalues and eigenvectors of a general matrix.

    Args:
        a ((..., n, n) array_like): The matrix.
        b, left, homogeneous_eigvals: Refused for dual arguments.
    Returns:
        pair of arrays, or array: The eigenvalues and, unless ``right=False``, the eigenvectors, whose norm and phase
            stay fixed.  The derivatives of eigenvectors to repeated eigenvalues, and of the eigenvalues of defective
            matrices, are NaN.
    Raises:
        dualdiff.NoRuleError: If b, left or homogeneous_eigvals is given.
    Notes:
        One inverse for all directions, and three products per direction.  See M. B. Giles, Collected matrix derivative
        results for forward and reverse mode algorithmic differentiation (2008).
    Examples:
        >>> derivative(lambda t: linalg.eig([[t, 0.0], [0.0, 5.0]])[0], 2.0)
        array([1.+0.j, 0.+0.j])
    """
    return _eig(value, a, b, left, right, homogeneous_eigvals, "eig")


@over_scipy("a", "b")
def eigvals(value: Any, a: Any, b: Any = None, homogeneous_eigvals: bool = False, **options: Any) -> Any:
    r"""Eigenvalues of a general matrix.

    Args:
        a, b, homogeneous_eigvals: As in `eig`.
    Returns:
        array: The eigenvalues, with :math:`d\lambda_i = u_i^* dA\,v_i / u_i^* v_i`, where u are the left
            eigenvectors.
    Raises:
        dualdiff.NoRuleError: If b or homogeneous_eigvals is given.
    Notes:
        The cost of `eig`.
    Examples:
        >>> derivative(lambda t: linalg.eigvals([[t, 0.0], [0.0, 5.0]]), 2.0)
        array([1.+0.j, 0.+0.j])
    """
    return _eig(value, a, b, False, False, homogeneous_eigvals, "eigvals")


def _eig(value: Any, a: Any, b: Any, left: bool, right: bool, is_homogeneous: bool, name: str) -> Any:
    refuse(
        name,
        b=(b is not None, "write it with solve(b, a)"),
        left=(left, "take the right eigenvectors of the conjugate transpose"),
        homogeneous_eigvals=(is_homogeneous, "the eigenvalues themselves have one"),
    )
    operands = Application(a)
    outputs = value(*operands.values)
    if not right:
        return eigenvalues(operands, outputs)
    w, v = outputs
    return eigen(operands, w, v, f"dualdiff.scipy.linalg.{name}")
