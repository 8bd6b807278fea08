"""scipy.linalg: pseudoinverses and least-squares solutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.rules.writing.terms import hermitian_part, revalued, rounding


@over_scipy("a")
def pinv(value: Any, a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, **options: Any) -> Any:
    r"""The pseudoinverse, differentiated at constant rank.

    Args:
        a ((..., m, n) array_like): The matrix.
    Returns:
        array, or pair of array and int: The pseudoinverse, with
            :math:`dA^+ = -A^+ dA\,A^+ + A^+ A^{+*} dA^* (1 - A A^+) + (1 - A^+ A)\, dA^* A^{+*} A^+`,
            and with ``return_rank`` the rank, an integer.
    Notes:
        One decomposition for all directions, and a few products per direction.  See G. H. Golub and V. Pereyra, SIAM J.
        Numer. Anal. 10 (1973).
    Examples:
        >>> jacobian(linalg.pinv, [[2.0], [0.0]])[0, 0].round(12)
        array([[-0.25],
               [ 0.  ]])
    """
    outputs = value(*Application(a).values)
    p, rank = outputs if return_rank else (outputs, None)
    p = revalued(lambda v: p, lambda x: np.linalg.pinv(x, rtol=_relative(x, atol, rtol)), a)
    return (p, rank) if return_rank else p


def _relative(a: Any, atol: Any, rtol: Any, largest: Any = None) -> Any:
    """SciPy's cutoff for small singular values, relative to the largest."""
    plain = plain_values(a)
    if rtol is None:
        rtol = max(plain.shape[-2:]) * rounding(plain)
    if not atol:
        return rtol
    largest = np.max(np.linalg.svdvals(plain), axis=-1, initial=0.0)
    return rtol + atol / np.where(largest == 0, 1.0, largest)


@over_scipy("a")
def pinvh(
    value: Any,
    a: Any,
    atol: Any = None,
    rtol: Any = None,
    lower: bool = True,
    return_rank: bool = False,
    **options: Any,
) -> Any:
    r"""The pseudoinverse of a Hermitian matrix, differentiated at constant rank.

    Args:
        a ((..., n, n) array_like): The matrix, of which one triangle is read.
    Returns:
        array, or pair of array and int: The pseudoinverse, and with ``return_rank`` the rank.
    Notes:
        The cost of `pinv`.
    Examples:
        >>> jacobian(linalg.pinvh, [[2.0]])
        array([[[[-0.25]]]])
    """
    outputs = value(*Application(a).values)
    p, rank = outputs if return_rank else (outputs, None)
    composed = lambda x: np.linalg.pinv(hermitian_part(x, not lower), rtol=_relative(x, atol, rtol))  # noqa: E731
    p = revalued(lambda v: p, composed, a)
    return (p, rank) if return_rank else p


@over_scipy("a", "b")
def lstsq(value: Any, a: Any, b: Any, cond: Any = None, **options: Any) -> Any:
    r"""The least-squares solution of :math:`A x = b`, differentiated at constant rank.

    Args:
        a ((..., m, n) array_like): The matrix.
        b ((m,) or (..., m, k) array_like): One right-hand side or several.
    Returns:
        tuple: The solution :math:`x = A^+ b`, the squared residual norms, the rank (an integer) and the
            singular values, which the driver "gelsy" does not return.
    Notes:
        The cost of `pinv`.
    Examples:
        >>> jacobian(lambda b: linalg.lstsq([[1.0], [1.0]], b)[0], [1.0, 3.0])
        array([[0.5, 0.5]])
    """
    x, squares, rank, s = value(*Application(a, b).values)
    cond = rounding(x) if cond is None else cond
    # For a stack, the driver "gelsy" returns None for each matrix.
    has_values = s is not None and plain_values(s).dtype.kind != "O"

    def of_stack(a: Any, b: Any, cond: Any) -> tuple[Any, Any, Any, Any]:
        columns = b[:, None] if len(shape_of(b)) == 1 else b
        x = np.linalg.pinv(a, cond) @ columns
        squares = np.sum(np.abs(columns - a @ x) ** 2, axis=-2)
        if len(shape_of(b)) == 1:
            x, squares = x[..., 0], squares[..., 0]
        return x, squares, rank, np.broadcast_to(np.linalg.svdvals(a), shape_of(s)) if has_values else s

    def part(i: int, plain: Any) -> Any:
        composed = of_stack if np.ndim(rank) else np.linalg.lstsq
        return revalued(lambda a, b: plain, lambda a, b: composed(a, b, cond)[i], a, b)

    return part(0, x), part(1, squares), rank, part(3, s) if has_values else s
