"""Which entries of a Jacobian or Hessian can be other than zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dualdiff.drivers import gradient, sparse
from dualdiff.drivers.engines import uncompiled
from dualdiff.drivers.forms import derived
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.passes import sparse_pass
from dualdiff.tangents.sparse import Rows


def jacobian_sparsity(f: Callable[..., Any], *args: Any, argnum: int = 0) -> Any:
    r"""The pattern of the Jacobian: which results of f depend on which numbers of x.

    Parameters
    ----------
    f : callable
        A function of an array (or nested tuples and dicts) that returns an array (or nested tuples and dicts).
    *args
        The arguments of f.
    argnum : int
        Which positional argument is differentiated.

    Returns
    -------
    scipy.sparse.csr_array
        Boolean, of shape (f(x).size, x.size), arrays being flattened in C order and containers leaf by leaf.  Without
        arguments: a function.

    Raises
    ------
    ImportError
        If SciPy is not installed.

    Notes
    -----
    One call of f.  An entry that is missing is zero for all x for which f takes the same path; the pattern holds there
    whatever the values of x are, also where a derivative happens to be zero.  Where f branches on x the pattern is that
    of the branch taken.  ``np.where``, ``np.max``, ``np.sort`` and their like depend on what they chose;
    ``np.maximum``, ``np.minimum`` and ``np.clip`` on both sides.  Step functions (``np.sign``, ``np.floor``,
    comparisons) depend on nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian_sparsity
    >>> jacobian_sparsity(lambda x: x[1:] * x[:-1], np.zeros(3)).toarray()
    array([[ True,  True, False],
           [False,  True,  True]])
    """
    if not args:
        return derived(jacobian_sparsity, f, argnum=argnum)
    return _pattern(Inputs("jacobian_sparsity", uncompiled(f), args, argnum)).as_array()


def hessian_sparsity(f: Callable[..., Any], *args: Any, argnum: int = 0) -> Any:
    r"""The pattern of the Hessian: which pairs of numbers of x meet in a product (or another nonlinear function).

    Parameters
    ----------
    f : callable
        A function of an array (or nested tuples and dicts) that returns one number.
    *args
        The arguments of f.
    argnum : int
        Which positional argument is differentiated.

    Returns
    -------
    scipy.sparse.csr_array
        Boolean and symmetric, of shape (x.size, x.size).  Without arguments: a function.

    Raises
    ------
    ValueError
        If f returns an array.
    ImportError
        If SciPy is not installed.

    Notes
    -----
    One call of f, in reverse mode: the pattern of the Jacobian of the gradient.  It holds as far as that of
    `jacobian_sparsity` does, except at points where a second derivative of an elementwise function does not exist
    (``np.hypot`` and ``**`` at two zeros), so better not at x = 0.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import hessian_sparsity
    >>> hessian_sparsity(lambda x: x[0] * x[1] + x[2], np.zeros(3)).toarray()
    array([[False,  True, False],
           [ True, False, False],
           [False, False, False]])
    """
    if not args:
        return derived(hessian_sparsity, f, argnum=argnum)

    def slope(*args: Any) -> Any:
        return gradient.evaluate("hessian_sparsity", uncompiled(f), args, argnum, None, "reverse", False, 0)[1]

    pattern = sparse.symmetrised(_pattern(Inputs("hessian_sparsity", slope, args, argnum)).pattern)
    return Rows(pattern, None).as_array()


def _pattern(inputs: Inputs) -> Rows:
    return sparse.rows_of(sparse_pass(inputs, pattern_only=True))
