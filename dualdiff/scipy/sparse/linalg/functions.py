"""Functions of sparse matrices: least squares, eigenvalues, the exponential, norms."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from dualdiff.base.errors import lost, no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.scipy.linalg.matrix_functions import expm
from dualdiff.rules.scipy.sparse_solving import of_plain
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.solving.equations import (
    IRREGULAR,
    is_regular,
    levels,
    no_derivative,
    revalued,
    unknown,
)
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import values_of
from dualdiff.scipy.sparse.dual_matrices import DualSparse, canonical, data_of, dense, is_sparse, product
from dualdiff.scipy.sparse.linalg.solvers import plain_of, square

_scipy = load("scipy.sparse.linalg", "scipy", "dualdiff.scipy.sparse.linalg")
_sparse = load("scipy.sparse", "scipy", "dualdiff.scipy.sparse.linalg")


def refuse_others(name: str, given: dict[str, Any], allowed: tuple[str, ...]) -> None:
    """Refuse duals in arguments other than those allowed."""
    for option, x in given.items():
        if option not in allowed and duals_in([x]):
            raise lost(f"a dual number as {option}= of dualdiff.scipy.sparse.linalg.{name}", "a plain value there")


def _times(a: Any, x: Any) -> Any:
    return product(a, x) if type(a) is DualSparse else a @ x


def _newton(residual: Any, solve: Any, x: Any) -> Any:
    """The dual solution of equations from their plain solution, by one step for each order of derivatives."""
    result, r = x, residual(x)
    for left in reversed(range(levels(r))):
        result = revalued(result - solve(r - plain_values(r)), x)
        r = residual(result) if left else None
    return result


# -- least squares -----------------------------------------------------------------------------------------------------
_LEAST_SQUARES = """Least squares with a sparse matrix, as ``scipy.sparse.linalg.{name}``.

    The x for which :math:`|A x - b|^2 + d^2 |x|^2` is least, for a damping d.

    Parameters
    ----------
    A : sparse matrix or array
        Its elements may be duals.
    b : array_like
        The right-hand side, which may be duals.
    damp : float
        May be a dual.
    others
        As in SciPy.

    Returns
    -------
    tuple
        As in SciPy.  x and the norms of the residual and of x have derivatives; the estimates of other norms are plain.

    Notes
    -----
    Derivatives are those of the exact minimum, from the normal equations, which are factored once.  Where they are
    singular, so that the minimum is not unique, the derivative is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy.sparse import csr_array
    >>> from dualdiff.scipy.sparse.linalg import {name}
    >>> a = csr_array([[1.0], [1.0]])
    >>> jacobian(lambda b: {name}(a, b)[0], np.array([1.0, 3.0])).round(6)
    array([[0.5, 0.5]])
    """


def _least_squares(name: str, norms: dict[int, str]) -> Any:
    scipys = getattr(_scipy, name)

    def function(A: Any, b: Any, damp: Any = 0.0, *args: Any, **options: Any) -> Any:
        if not duals_in([A, b, damp, list(args), options]):
            return scipys(A, b, damp, *args, **options)
        given = inspect.signature(scipys).bind(A, b, damp, *args, **options).arguments
        refuse_others(name, given, ("A", "b", "damp"))
        b = operand(b)
        results = list(scipys(plain_of(A), plain_values(b), values_of(damp), *args, **options))
        if hasattr(A, "matvec"):
            raise no_rule(f"scipy.sparse.linalg.{name} of duals with a LinearOperator", " (a matrix has one)")
        a = canonical(A) if is_sparse(A) else operand(A)
        plain = _sparse.csc_array(plain_of(a))
        weight = values_of(damp) ** 2
        normal = _sparse.csc_array(plain.T @ plain + weight * _sparse.eye_array(plain.shape[1]))
        x = results[0]
        if not is_regular(normal.toarray() if normal.shape[0] <= 64 else np.eye(1)):
            no_derivative(f"scipy.sparse.linalg.{name}", IRREGULAR)
            x = unknown(x, data_of(a) if is_sparse(a) else a, b, damp)
        else:
            transposed = a.T

            def residual(x: Any) -> Any:
                return _times(transposed, _times(a, x) - np.ravel(b)) + damp**2 * x

            x = _newton(residual, lambda r: of_plain(normal, r), x)
        results[0] = x
        r = np.ravel(b) - _times(a, x)
        for place, kind in norms.items():
            squares = {"residual": np.sum(r * r), "solution": np.sum(x * x)}
            squares["both"] = squares["residual"] + damp**2 * squares["solution"]
            results[place] = revalued(np.sqrt(squares[kind]), results[place])
        return tuple(results)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _LEAST_SQUARES.format(name=name)
    return signed_as(scipys)(function)


lsqr = _least_squares("lsqr", {3: "residual", 4: "both", 8: "solution"})
lsmr = _least_squares("lsmr", {3: "both", 7: "solution"})


# -- eigenvalues -------------------------------------------------------------------------------------------------------
@signed_as(_scipy.eigsh)
def eigsh(A: Any, k: int = 6, *args: Any, **options: Any) -> Any:
    r"""Some eigenvalues of a real symmetric sparse matrix, as ``scipy.sparse.linalg.eigsh``.

    Parameters
    ----------
    A : sparse matrix or array
        Its elements may be duals.
    k, others
        As in SciPy; a generalized problem is refused.

    Returns
    -------
    w : array
        The eigenvalues.
    v : array
        The eigenvectors, with the signs that SciPy found.

    Raises
    ------
    dualdiff.NoRuleError
        For a complex matrix, or with M.

    Notes
    -----
    :math:`dw = v^T dA\,v`, and dv from the bordered system, which is factored once for each pair.  At a repeated
    eigenvalue it is singular, and the derivatives are NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.sparse import diags
    >>> from dualdiff.scipy.sparse.linalg import eigsh
    >>> abs(gradient(lambda d: eigsh(diags(d), 1)[0][0], np.array([1.0, 3.0, 2.0]))).round(6)
    array([0., 1., 0.])
    """
    if not duals_in([A, list(args), options]):
        return _scipy.eigsh(A, k, *args, **options)
    given = inspect.signature(_scipy.eigsh).bind(A, k, *args, **options).arguments
    refuse_others("eigsh", given, ("A",))
    a = square(A)
    plain = plain_of(a)
    if given.get("M") is not None or plain.dtype.kind == "c":
        raise no_rule("scipy.sparse.linalg.eigsh of duals with M or a complex matrix", " (scipy.linalg.eigh has one)")
    given["A"] = plain
    only_values = not given.get("return_eigenvectors", True)
    w, v = _scipy.eigsh(**{**given, "return_eigenvectors": True})
    n = plain.shape[0]
    pairs = [_pair(a, plain, w[i], v[:, i]) for i in range(len(w))]
    values = revalued(np.stack([p[n] for p in pairs]), _scipy.eigsh(**given) if only_values else w)
    return values if only_values else (values, revalued(np.stack([p[:n] for p in pairs], axis=1), v))


def _pair(a: Any, plain: Any, w: Any, v: Any) -> Any:
    """An eigenvector and its eigenvalue, joined."""
    joined = np.append(v, w)
    shifted = plain - w * _sparse.eye_array(len(v))
    column = _sparse.coo_array(v[:, None])
    bordered = _sparse.csc_array(_sparse.bmat([[shifted, -column], [column.T, None]]))

    def residual(y: Any) -> Any:
        x = y[:-1]
        return np.concatenate([_times(a, x) - y[-1] * x, np.stack([0.5 * (np.sum(x * x) - 1.0)])])

    regular = True
    try:
        lu = _scipy.splu(bordered)
        pivots = np.abs(lu.U.diagonal())
        regular = bool(np.min(pivots) > 1e-11 * np.max(pivots))
    except RuntimeError:
        regular = False
    if not regular:
        no_derivative("scipy.sparse.linalg.eigsh", "the eigenvalue is repeated")
        return unknown(joined, data_of(a))
    return _newton(residual, lambda r: of_plain(bordered, r), joined)


# -- the exponential ---------------------------------------------------------------------------------------------------
@signed_as(_scipy.expm_multiply)
def expm_multiply(A: Any, B: Any, *args: Any, **options: Any) -> Any:
    r"""The product :math:`e^A B`, as ``scipy.sparse.linalg.expm_multiply``; A and B may be duals.

    Parameters
    ----------
    A : sparse matrix or array
        Its elements may be duals.
    B : array_like
        A vector or columns, which may be duals.
    start, stop, num, endpoint, traceA
        As in SciPy, for a plain A: plain values.

    Returns
    -------
    array
        SciPy's value.

    Raises
    ------
    dualdiff.NoRuleError
        For an A of duals with time points.

    Notes
    -----
    With a plain A it is linear in B, and its transpose is the same function of the transposed A.  With an A of duals
    the derivative is that of the dense exponential, which costs the cube of its size.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.sparse import diags
    >>> from dualdiff.scipy.sparse.linalg import expm_multiply
    >>> gradient(lambda d: np.sum(expm_multiply(diags(d), np.ones(2))), np.array([0.0, 1.0])).round(3)
    array([1.   , 2.718])
    """
    if not duals_in([A, B, list(args), options]):
        return _scipy.expm_multiply(A, B, *args, **options)
    given = inspect.signature(_scipy.expm_multiply).bind(A, B, *args, **options).arguments
    refuse_others("expm_multiply", given, ("A", "B"))
    points = [given.get(name) for name in ("start", "stop", "num")]
    if any(p is not None for p in points):
        raise no_rule("scipy.sparse.linalg.expm_multiply of duals with start, stop and num", " (one time has one)")
    value = _scipy.expm_multiply(plain_of(A), plain_values(operand(B)), *args, **options)
    if duals_in([A]) or not is_sparse(A):
        return revalued(expm(dense(A)) @ operand(B), value)
    # A complex cotangent of a real B keeps its real part.
    b = operand(B) + 0j if A.dtype.kind == "c" else operand(B)
    return revalued(_exponential_product(A, b), value)


def _exponential_product(a: Any, b: Any) -> Any:
    """The product for a plain A."""
    from dualdiff.rules.writing.array_rules import Application
    from dualdiff.tangents.linear import NamedMap

    def along(matrix: Any) -> Any:
        def apply(t: Any) -> Any:
            axis = np.ndim(t) - np.ndim(b)
            columns = np.moveaxis(t, axis, 0)
            flat = np.reshape(columns, (columns.shape[0], -1))
            result = _scipy.expm_multiply(matrix, flat) if not duals_in(flat) else _exponential_product(matrix, flat)
            return np.moveaxis(np.reshape(result, columns.shape), 0, axis)

        return apply

    operands = Application(b, linear=True)
    (inner,), (t,) = operands.values, operands.tangents
    value = _exponential_product(a, inner) if duals_in(inner) else _scipy.expm_multiply(a, inner)
    shape = np.shape(plain_values(b))
    linear = NamedMap("expm_multiply", along(a), along(a.T), shape, shape, (-len(shape),))
    return operands.result(value, [] if t is None else [operands.space.contract(t, linear, shape, shape)])


# -- norms -------------------------------------------------------------------------------------------------------------
@signed_as(_scipy.norm)
def norm(x: Any, ord: Any = None, axis: Any = None) -> Any:
    """The norm of a sparse matrix, as ``scipy.sparse.linalg.norm``; elements may be duals.

    Parameters
    ----------
    x : sparse matrix
        Its elements may be duals.
    ord, axis
        As in SciPy; with duals Frobenius' norm, or 1, -1, inf, -inf, of a matrix or of its rows or columns.

    Returns
    -------
    float or array
        SciPy's value.

    Notes
    -----
    That of the dense matrix, except Frobenius' norm, which costs one sum over the stored elements.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.sparse import diags
    >>> from dualdiff.scipy.sparse.linalg import norm
    >>> gradient(lambda d: norm(diags(d)), np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    if not duals_in([x, ord, axis]):
        return _scipy.norm(x, ord, axis)
    value = _scipy.norm(plain_of(x), ord, axis)
    if ord in (None, "fro", "f") and axis is None:
        a = canonical(x if x.format in ("csr", "csc", "coo") else x.tocoo())
        return revalued(np.linalg.norm(a.data), value)
    return revalued(np.linalg.norm(dense(x), ord, axis), value)
