"""scipy.linalg: eigenvalues and eigenvectors, with SciPy's values."""

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
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Any:
    r"""Eigenvalues and eigenvectors of a Hermitian matrix, or of a pair of them, as ``scipy.linalg.eigh``.

    Parameters
    ----------
    a : (..., n, n) array_like
        The Hermitian matrix, of which one triangle is read.
    b : (..., n, n) array_like, optional
        A positive definite matrix, of which one triangle is read, for the generalized problem.
    lower, eigvals_only, type, check_finite, subset_by_index, subset_by_value, driver
        As in SciPy.
    overwrite_a, overwrite_b
        Not made use of for duals.

    Returns
    -------
    pair of arrays, or array
        Eigenvalues, :math:`d\lambda_i = v_i^* (dA - \lambda_i dB)\, v_i`, and unless ``eigvals_only`` the eigenvectors,
        whose derivatives are NaN where a value repeats.

    Notes
    -----
    With b, or a subset, the decomposition is done a second time for the tangents.  `funmh` is right where values
    repeat.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
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
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Any:
    r"""Eigenvalues of a Hermitian matrix, or of a pair of them, as ``scipy.linalg.eigvalsh``.

    Parameters
    ----------
    a, b, lower, overwrite_a, overwrite_b, type, check_finite, subset_by_index, subset_by_value, driver
        As in `eigh`.

    Returns
    -------
    array
        The eigenvalues, also where they repeat: what is symmetric in those that do is exact.

    Notes
    -----
    As `eigh`.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.eigvalsh([[t, 0.0], [0.0, 5.0]]), 2.0)
    array([1., 0.])
    """
    return _eigh(value, a, b, lower, True, type, subset_by_index, subset_by_value, "dualdiff.scipy.linalg.eigvalsh")


def _eigh(
    value: Any, a: Any, b: Any, lower: bool, only_values: bool, kind: int, by_index: Any, by_value: Any, name: str
) -> Any:
    found = value(*Application(a, b).values[: 1 if b is None else 2])
    if b is None and not only_values and by_index is None and by_value is None:
        return hermitian_eigen(Application(a), found[0], found[1], not lower, name)
    w, v = (found, None) if only_values else found
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
    # The same vectors up to signs, or phases, which do not change.
    plain = plain_values(columns)
    phase = np.sum(np.conj(plain) * plain_values(v), axis=-2, keepdims=True)
    phase = phase / np.where(phase == 0, 1.0, np.abs(phase))
    return w, revalued(lambda *_: v, lambda *_: columns * phase, *arrays)


def _standard(a: Any, b: Any, kind: int, lower: bool) -> tuple[Any, Any]:
    """All eigenvalues and eigenvectors, by LAPACK's way from the generalized problem to the standard one."""
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
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    r"""Eigenvalues and eigenvectors of a general matrix, as ``scipy.linalg.eig``.

    Parameters
    ----------
    a : (..., n, n) array_like
        The matrix.
    right, check_finite
        As in SciPy.
    b, left, homogeneous_eigvals
        Refused for duals, if given.
    overwrite_a, overwrite_b
        Not made use of for duals.

    Returns
    -------
    pair of arrays, or array
        Eigenvalues and, unless ``right=False``, the eigenvectors, which keep their length and their phase.  Vectors of
        repeated values have derivative NaN, and so have the values of defective matrices.

    Raises
    ------
    dualdiff.NoRuleError
        If b, left or homogeneous_eigvals is given.

    Notes
    -----
    One inverse for all directions, and three products for each.  See M. B. Giles (2008).

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.eig([[t, 0.0], [0.0, 5.0]])[0], 2.0)
    array([1.+0.j, 0.+0.j])
    """
    return _eig(value, a, b, left, right, homogeneous_eigvals, "eig")


@over_scipy("a", "b")
def eigvals(
    value: Any,
    a: Any,
    b: Any = None,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    r"""Eigenvalues of a general matrix, as ``scipy.linalg.eigvals``.

    Parameters
    ----------
    a, b, overwrite_a, overwrite_b, check_finite, homogeneous_eigvals
        As in `eig`.

    Returns
    -------
    array
        The eigenvalues: :math:`d\lambda_i = u_i^* dA\,v_i / u_i^* v_i` with the left eigenvectors u.

    Raises
    ------
    dualdiff.NoRuleError
        If b or homogeneous_eigvals is given.

    Notes
    -----
    As `eig`.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.eigvals([[t, 0.0], [0.0, 5.0]]), 2.0)
    array([1.+0.j, 0.+0.j])
    """
    return _eig(value, a, b, False, False, homogeneous_eigvals, "eigvals")


def _eig(value: Any, a: Any, b: Any, left: bool, right: bool, is_homogeneous: bool, name: str) -> Any:
    refuse(
        name,
        b=(b is not None, "write it with solve(b, a)"),
        left=(left, "take those of the conjugate transposed matrix"),
        homogeneous_eigvals=(is_homogeneous, "the eigenvalues alone have one"),
    )
    operands = Application(a)
    found = value(*operands.values)
    if not right:
        return eigenvalues(operands, found)
    w, v = found
    return eigen(operands, w, v, f"dualdiff.scipy.linalg.{name}")
