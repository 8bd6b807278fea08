"""The sparsity patterns of Jacobians and Hessians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Unpack, overload

from dualdiff.drivers import gradient
from dualdiff.drivers.run.engines import uncompiled
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.operator import DerivedFunction, P, operator
from dualdiff.drivers.run.options import Argnum, OfPattern
from dualdiff.drivers.run.passes import sparse_pass
from dualdiff.drivers.sparse.coloured_pattern import symmetrised
from dualdiff.drivers.sparse.compression import column_blocks, row_blocks, rows_of
from dualdiff.drivers.sparse.everywhere import Everywhere
from dualdiff.tangents.spaces.sparse import Rows, Sparse


def evaluate_jacobian(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0, everywhere: bool = False
) -> tuple[None, Any, None]:
    """The pattern of the Jacobian, without value and aux."""
    inputs = Inputs(operator, uncompiled(f), args, argnum)
    return None, column_blocks(inputs, _pattern(inputs, everywhere).as_array()), None


@overload
def jacobian_sparsity(f: Callable[P, Any], /, **options: Unpack[OfPattern]) -> DerivedFunction[P, Any]: ...
@overload
def jacobian_sparsity(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfPattern]) -> Any: ...
@overload
def jacobian_sparsity(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate_jacobian, compiled="jacobian_sparsity")
def jacobian_sparsity(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The sparsity pattern of the Jacobian: which elements of f(x) depend on which elements of x.

    Parameters
    ----------
    f : callable
        A function of an array (or nested containers) that returns an array (or nested containers).
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple, in the same order.
    everywhere : bool
        Only accept patterns that hold for every x: raise if f decides by values, as ``if x[0] > 0:`` does.

    Returns
    -------
    scipy.sparse.csr_array
        Boolean, of shape (f(x).size, x.size), with arrays flattened in C order and containers leaf by leaf.  Without
        arguments, the pattern as a function.

    Raises
    ------
    ImportError
        If SciPy is not installed.
    TypeError
        With ``everywhere=True``, if f decides by the values of x; the error names the line.

    Notes
    -----
    One call of f.  The pattern is valid for all x for which f takes the same path: outside of it the derivative is zero
    for all of them, inside it may happen to be zero.  If f branches on x, or selects elements by a mask, the pattern is
    that of the branch taken.  ``np.where``, ``np.select``, ``np.choose``, ``np.piecewise``, ``np.maximum``,
    ``np.minimum`` and ``np.clip`` depend on all their branches, ``np.interp`` on the current interval and on both ends,
    ``np.max``, ``np.sort`` and their relatives on the selected elements.  Step functions (``np.sign``, ``np.floor``,
    comparisons) depend on nothing.

    With ``everywhere=True`` the pattern is valid for all x.  ``np.max`` and ``np.min`` then depend on all elements;
    what f decides by values is refused: ``if`` and ``while``, masks as indices, ``np.sort``, ``np.argmax`` and others
    whose result is selected by value.  Only what f computes from `dualdiff.value` is not seen.

    A function compiled by ``numba.njit`` is followed in compiled code, and as f.py_func where that is not possible and
    with ``everywhere=True``.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian_sparsity
    >>> jacobian_sparsity(lambda x: x[1:] * x[:-1], np.zeros(3)).toarray()
    array([[ True,  True, False],
           [False,  True,  True]])
    """


def evaluate_hessian(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0, everywhere: bool = False
) -> tuple[None, Any, None]:
    """The pattern of the Hessian, without value and aux."""
    if everywhere:
        # What f decides by values, it decides for the gradient, too.
        _pattern(Inputs(operator, uncompiled(f), args, argnum), True)

    def slope(*args: Any) -> Any:
        return gradient.evaluate(operator, uncompiled(f), args, argnum=argnum, mode="reverse")[1]

    inputs = Inputs(operator, slope, args, argnum)
    pattern = Rows(symmetrised(_pattern(inputs).pattern), None).as_array()
    return None, row_blocks(column_blocks(inputs, pattern)), None


@overload
def hessian_sparsity(f: Callable[P, Any], /, **options: Unpack[OfPattern]) -> DerivedFunction[P, Any]: ...
@overload
def hessian_sparsity(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfPattern]) -> Any: ...
@overload
def hessian_sparsity(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate_hessian)
def hessian_sparsity(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The sparsity pattern of the Hessian: which pairs of elements of x interact in a product or nonlinear function.

    Parameters
    ----------
    f : callable
        A function of an array (or nested containers) that returns a scalar.
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple of tuples of patterns, one for each pair, in the same order.
    everywhere : bool
        Only accept patterns that hold for every x, as in `jacobian_sparsity`.

    Returns
    -------
    scipy.sparse.csr_array
        Boolean and symmetric, of shape (x.size, x.size).  Without arguments, the pattern as a function.

    Raises
    ------
    ValueError
        If f returns an array.
    ImportError
        If SciPy is not installed.
    TypeError
        With ``everywhere=True``, if f decides by the values of x.

    Notes
    -----
    One call of f, in reverse mode: the pattern of the Jacobian of the gradient.  It is valid for the same x as that of
    `jacobian_sparsity`, including points where f has no second derivative, such as equal elements for ``np.std``.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import hessian_sparsity
    >>> hessian_sparsity(lambda x: x[0] * x[1] + x[2], np.zeros(3)).toarray()
    array([[False,  True, False],
           [ True, False, False],
           [False, False, False]])
    """


def _pattern(inputs: Inputs, everywhere: bool = False) -> Rows:
    return rows_of(sparse_pass(inputs, pattern_only=True, kind=Everywhere if everywhere else Sparse))
