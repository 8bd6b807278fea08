"""The Hessian as a linear operator, from one recorded gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from dualdiff.base.public import shown_in
from dualdiff.drivers.gradient import gradient
from dualdiff.drivers.linearize import linearize
from dualdiff.drivers.run.options import Argnum, Mode


@shown_in("dualdiff")
def hessian_operator(
    f: Callable[..., Any], x: Any, /, *args: Any, argnum: Argnum = 0, mode: Mode = "auto", **keywords: Any
) -> Any:
    r"""The Hessian of a scalar function as a ``scipy.sparse.linalg.LinearOperator``, for conjugate gradients.

    Parameters
    ----------
    f : callable
        As in `gradient`.
    x, *args
        The arguments of f; further keywords go to f as well.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.
    mode : {"auto", "forward", "reverse"}
        The mode of the gradient.

    Returns
    -------
    LinearOperator
        Its products are :math:`v \mapsto H v`, on flat arrays; containers are flattened leaf by leaf.

    Raises
    ------
    ImportError
        If SciPy is not installed.
    ValueError
        If f does not return a scalar.

    Notes
    -----
    One call of f, of which the gradient is recorded; each product runs the record and does not call f again, in about a
    fourth of the time of `hvp`.  The intermediate values of f and of its gradient stay in memory.  In a new point, make
    a new operator.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse.linalg import cg
    >>> from dualdiff import gradient, hessian_operator
    >>> f = lambda x: np.sum(np.cosh(x - 1.0))
    >>> x = np.array([0.9, 1.2])
    >>> step, info = cg(hessian_operator(f, x), -gradient(f, x))
    >>> (x + step).round(2)
    array([1., 1.])
    """
    if keywords:
        f = partial(f, **keywords)
    _, linear = linearize(gradient(f, argnum=argnum, mode=mode), x, *args, argnum=argnum)
    return linear.as_linear_operator()
