"""Derivatives in the forms that ``scipy.optimize`` expects, where the operators do not already return them.

Most solvers take the operators directly: ``minimize(f, x0, jac=gradient(f), hess=hessian(f), hessp=hvp(f))``,
``root(f, x0, jac=jacobian(f))``, ``root_scalar(f, fprime=derivative(f), fprime2=derivative(derivative(f)))``,
``least_squares(f, x0, jac=jacobian(f, sparse=True))``.

The functions here are for the others.  Like the operators they have two forms: with the arguments of f they evaluate,
and without them they return a function to pass to SciPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.drivers.hessian import hessian
from dualdiff.drivers.jacobian import jacobian
from dualdiff.drivers.linearize import linearize
from dualdiff.drivers.run.operator import operator
from dualdiff.drivers.run.options import Argnum, Mode

__all__ = ["constraint_hessian", "fit_jacobian", "jacobian_operator"]


def _fit_jacobian(
    operator: str, model: Callable[..., Any], args: tuple[Any, ...], *, mode: Mode = "auto"
) -> tuple[None, Any, None]:
    """No value, the Jacobian with respect to the vector of all parameters, no aux."""
    x, *parameters = args
    if not parameters:
        raise TypeError("fit_jacobian(model, x, p1, p2, ...) needs the parameters after x")
    return None, jacobian(lambda p: model(x, *p), parameters, mode=mode), None


@operator(_fit_jacobian)
def fit_jacobian(model: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The Jacobian :math:`\partial f(x_i; p) / \partial p_j` of a model, for ``curve_fit(jac=)``.

    Parameters
    ----------
    model : callable
        ``model(x, p1, p2, ...)``, as ``scipy.optimize.curve_fit`` takes it, which returns one element per data point.
    *args
        x and the parameters, which are scalars.
    mode : {"auto", "forward", "reverse"}
        As in `dualdiff.jacobian`.

    Returns
    -------
    array
        Of shape (m, n), for m data points and n parameters.  ``fit_jacobian(model)`` is a function of (x, p1, p2, ...).

    Raises
    ------
    TypeError
        If there are no parameters.

    Notes
    -----
    One call of the model; more only if there are very many parameters, see `dualdiff.jacobian`.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.optimize import curve_fit
    >>> from dualdiff.scipy.optimize import fit_jacobian
    >>> def decay(t, a, k):
    ...     return a * np.exp(-k * t)
    >>> t = np.linspace(0, 4, 9)
    >>> popt, _ = curve_fit(decay, t, decay(t, 3.0, 0.5), p0=[1.0, 1.0], jac=fit_jacobian(decay))
    >>> popt.round(9)
    array([3. , 0.5])
    """


def _constraint_hessian(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, mode: Mode = "auto", sparse: Any = False
) -> tuple[None, Any, None]:
    """No value, the Hessian of the weighted sum, no aux."""
    x, v = args

    def weighted(x: Any) -> Any:
        y = f(x)
        if np.size(y) != np.size(v):
            raise ValueError(f"constraint_hessian: got {np.size(v)} multipliers v for {np.size(y)} constraints f(x)")
        return np.sum(np.reshape(v, np.shape(y)) * y)

    return None, hessian(weighted, x, mode=mode, sparse=sparse), None


@operator(_constraint_hessian)
def constraint_hessian(f: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The Hessian :math:`\sum_i v_i \nabla^2 f_i` of constraints with multipliers, for ``NonlinearConstraint(hess=)``.

    Parameters
    ----------
    f : callable
        The constraints as a function of x, as ``scipy.optimize.NonlinearConstraint`` takes it, which returns a scalar
        or an array.
    *args
        x, and the multipliers v, one per constraint.
    mode, sparse
        As in `dualdiff.hessian`.

    Returns
    -------
    array
        Of shape (n, n).  ``constraint_hessian(f)`` is a function of (x, v).

    Raises
    ------
    ValueError
        If the numbers of multipliers and constraints differ.

    Notes
    -----
    The cost of the Hessian of the scalar function :math:`v \cdot f`; see `dualdiff.hessian`.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff.scipy.optimize import constraint_hessian
    >>> constraint_hessian(lambda x: np.array([x[0] * x[1], x[1] ** 2]), np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([[ 0.,  1.],
           [ 1., 20.]])
    """


def _jacobian_operator(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0
) -> tuple[None, Any, None]:
    """No value, the linear map as a LinearOperator, no aux."""
    _, linear = linearize(f, *args, argnum=argnum)
    return None, linear.as_linear_operator(), None


@operator(_jacobian_operator)
def jacobian_operator(f: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The Jacobian as a matrix-free ``LinearOperator``, for ``least_squares(jac=, tr_solver="lsmr")``.

    Parameters
    ----------
    f : callable
        A function of an array that returns an array.
    *args
        The arguments of f.
    argnum : int or tuple of int
        The position of the argument to differentiate with respect to, or several, whose columns are concatenated.

    Returns
    -------
    scipy.sparse.linalg.LinearOperator
        Of shape (m, n), with the products J v and J* w.  ``jacobian_operator(f)`` is a function with f's signature.

    Raises
    ------
    ImportError
        If SciPy is not installed.

    Notes
    -----
    One recorded call of f; each product costs a small multiple of the arithmetic of f.  See `dualdiff.linearize`.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.optimize import least_squares
    >>> from dualdiff.scipy.optimize import jacobian_operator
    >>> def residuals(x):
    ...     return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])
    >>> solution = least_squares(residuals, np.full(20, 0.5), jac=jacobian_operator(residuals), tr_solver="lsmr")
    >>> solution.x.round(5).tolist() == [1.0] * 20
    True
    """
