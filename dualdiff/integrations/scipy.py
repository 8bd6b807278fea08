"""Derivatives in the forms that SciPy's solvers ask for, where the operators' own form does not fit.

Most of them fit as they are: ``minimize(f, x0, jac=gradient(f), hess=hessian(f), hessp=hvp(f))``,
``root(f, x0, jac=jacobian(f))``, ``root_scalar(f, fprime=derivative(f), fprime2=derivative(derivative(f)))``,
``least_squares(f, x0, jac=jacobian(f, sparse=True))``, ``solve_ivp(f, span, y0, "BDF", jac=jacobian(f, argnum=1))``.

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
from dualdiff.drivers.operators import operator
from dualdiff.drivers.options import Argnum, Mode

__all__ = ["boundary_jacobian", "constraint_hessian", "fit_jacobian", "jacobian_operator", "system_jacobian"]


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
    >>> from dualdiff.integrations.scipy import fit_jacobian
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
    >>> from dualdiff.integrations.scipy import constraint_hessian
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
    >>> from dualdiff.integrations.scipy import jacobian_operator
    >>> def residuals(x):
    ...     return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])
    >>> found = least_squares(residuals, np.full(20, 0.5), jac=jacobian_operator(residuals), tr_solver="lsmr")
    >>> found.x.round(5).tolist() == [1.0] * 20
    True
    """


def _system_jacobian(operator: str, f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[None, Any, None]:
    """The Jacobians at all points; no value, no aux."""
    x, y, *parameters = args

    def at_points(points: Any) -> Any:
        result = f(x, np.transpose(points), *parameters)
        if np.shape(result) != np.shape(y):
            raise ValueError(
                f"system_jacobian: y has the shape {np.shape(y)}, and so must f(x, y), which has {np.shape(result)}"
            )
        return np.transpose(result)

    in_y = np.transpose(jacobian(at_points, np.transpose(y), batch_dims=1), (1, 2, 0))
    if not parameters:
        return None, in_y, None
    in_p = jacobian(f, x, y, *parameters, argnum=2)
    return None, (in_y, np.swapaxes(in_p, 1, 2)), None


@operator(_system_jacobian)
def system_jacobian(f: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The Jacobians of a system :math:`y' = f(x, y, p)` at all points of a mesh, for ``solve_bvp(fun_jac=)``.

    Parameters
    ----------
    f : callable
        ``f(x, y)`` or ``f(x, y, p)``, as ``scipy.integrate.solve_bvp`` takes it: y of shape (n, m) to an array of the
        same shape, each of the m mesh points by itself.
    *args
        x of shape (m,), y of shape (n, m), and the parameters p of shape (k,) if there are any.

    Returns
    -------
    array, or pair of arrays
        :math:`\partial f_i / \partial y_j`, of shape (n, n, m), and with parameters also
        :math:`\partial f_i / \partial p_j`, of shape (n, k, m).  ``system_jacobian(f)`` is a function of (x, y) or
        (x, y, p).

    Raises
    ------
    ValueError
        If f does not return an array of the shape of y.

    Notes
    -----
    One call of f for all points and directions in y, and one for those in p, unless they are very many.

    Examples
    --------
    >>> from dualdiff.integrations.scipy import system_jacobian
    >>> J = system_jacobian(lambda x, y: np.stack([y[1], y[0] ** 2]), np.linspace(0, 1, 5), np.ones((2, 5)))
    >>> J.shape
    (2, 2, 5)
    >>> J[:, :, 0]
    array([[0., 1.],
           [2., 0.]])
    """


def _boundary_jacobian(operator: str, bc: Callable[..., Any], args: tuple[Any, ...]) -> tuple[None, Any, None]:
    """The Jacobians in all arguments; no value, no aux."""
    return None, jacobian(bc, *args, argnum=tuple(range(len(args)))), None


@operator(_boundary_jacobian)
def boundary_jacobian(bc: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The Jacobians of boundary conditions in the values at both ends (and parameters), for ``solve_bvp(bc_jac=)``.

    Parameters
    ----------
    bc : callable
        ``bc(ya, yb)`` or ``bc(ya, yb, p)``, as ``scipy.integrate.solve_bvp`` takes it.
    *args
        ya and yb of shape (n,), and the parameters p of shape (k,) if there are any.

    Returns
    -------
    tuple of arrays
        :math:`\partial bc_i / \partial ya_j` and :math:`\partial bc_i / \partial yb_j`, of shape (n + k, n), and with
        parameters also :math:`\partial bc_i / \partial p_j`, of shape (n + k, k).  ``boundary_jacobian(bc)`` is a
        function of (ya, yb) or (ya, yb, p).

    Notes
    -----
    One call of bc.

    Examples
    --------
    >>> from dualdiff.integrations.scipy import boundary_jacobian
    >>> boundary_jacobian(lambda ya, yb: np.array([ya[0], yb[0] ** 2 - 1]), np.zeros(2), np.ones(2))
    (array([[1., 0.],
           [0., 0.]]), array([[0., 0.],
           [2., 0.]]))
    """
