"""Derivatives in the forms that ``scipy.optimize`` asks for, where the operators' own form does not fit.

Most of them fit as they are: ``minimize(f, x0, jac=gradient(f), hess=hessian(f), hessp=hvp(f))``,
``root(f, x0, jac=jacobian(f))``, ``root_scalar(f, fprime=derivative(f), fprime2=derivative(derivative(f)))``,
``least_squares(f, x0, jac=jacobian(f, sparse=True))``.

The functions here are for the others.  Like the operators they have two forms: with the arguments of f they evaluate,
without them they return a function, which is what SciPy gets.
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
    """The Jacobian in all parameters as one vector; no value, no aux."""
    x, *parameters = args
    if not parameters:
        raise TypeError("fit_jacobian(model, x, p1, p2, ...) needs the parameters after x")
    return None, jacobian(lambda p: model(x, *p), parameters, mode=mode), None


@operator(_fit_jacobian)
def fit_jacobian(model: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The Jacobian :math:`\partial f(x_i; p) / \partial p_j` of a model in its parameters, for ``curve_fit(jac=)``.

    Parameters
    ----------
    model : callable
        ``model(x, p1, p2, ...)``, as ``scipy.optimize.curve_fit`` takes it: an array over the data points.
    *args
        x and the parameters, numbers.
    mode : {"auto", "forward", "reverse"}
        As in `dualdiff.jacobian`.

    Returns
    -------
    array
        Of shape (data points, parameters).  ``fit_jacobian(model)`` is a function of (x, p1, p2, ...).

    Raises
    ------
    TypeError
        If there are no parameters.

    Notes
    -----
    One call of the model, unless there are very many parameters; see `dualdiff.jacobian`.

    Examples
    --------
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
    """The Hessian of the weighted sum; no value, no aux."""
    x, v = args

    def weighted(x: Any) -> Any:
        y = f(x)
        if np.size(y) != np.size(v):
            raise ValueError(f"constraint_hessian: {np.size(v)} multipliers v for {np.size(y)} constraints f(x)")
        return np.sum(np.reshape(v, np.shape(y)) * y)

    return None, hessian(weighted, x, mode=mode, sparse=sparse), None


@operator(_constraint_hessian)
def constraint_hessian(f: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The Hessian :math:`\sum_i v_i \nabla^2 f_i` of constraints with multipliers, for ``NonlinearConstraint(hess=)``.

    Parameters
    ----------
    f : callable
        The constraints as a function of x: a number or an array, as ``scipy.optimize.NonlinearConstraint`` takes it.
    *args
        x, and the multipliers v: as many numbers as f returns.
    mode, sparse
        As in `dualdiff.hessian`.

    Returns
    -------
    array
        Of shape (n, n).  ``constraint_hessian(f)`` is a function of (x, v).

    Raises
    ------
    ValueError
        If there are not as many multipliers as constraints.

    Notes
    -----
    The Hessian of one function, :math:`v \cdot f`, and costs what it costs; see `dualdiff.hessian`.

    Examples
    --------
    >>> from dualdiff.scipy.optimize import constraint_hessian
    >>> constraint_hessian(lambda x: np.array([x[0] * x[1], x[1] ** 2]), np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([[ 0.,  1.],
           [ 1., 20.]])
    """


def _jacobian_operator(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0
) -> tuple[None, Any, None]:
    """The linear map as SciPy takes it; no value, no aux."""
    _, linear = linearize(f, *args, argnum=argnum)
    return None, linear.as_linear_operator(), None


@operator(_jacobian_operator)
def jacobian_operator(f: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The Jacobian as a ``LinearOperator``, never formed, for ``least_squares(jac=, tr_solver="lsmr")``.

    Parameters
    ----------
    f : callable
        A function of an array that returns an array.
    *args
        The arguments of f.
    argnum : int or tuple of int
        Which positional argument is differentiated, or which ones, one after the other.

    Returns
    -------
    scipy.sparse.linalg.LinearOperator
        Of shape (m, n), with J v and J* w.  ``jacobian_operator(f)`` is a function with the signature of f.

    Raises
    ------
    ImportError
        If SciPy is not installed.

    Notes
    -----
    One call of f, recorded; each product costs a small multiple of f's arithmetic.  See `dualdiff.linearize`.

    Examples
    --------
    >>> from scipy.optimize import least_squares
    >>> from dualdiff.scipy.optimize import jacobian_operator
    >>> def residuals(x):
    ...     return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])
    >>> found = least_squares(residuals, np.full(20, 0.5), jac=jacobian_operator(residuals), tr_solver="lsmr")
    >>> found.x.round(5).tolist() == [1.0] * 20
    True
    """
