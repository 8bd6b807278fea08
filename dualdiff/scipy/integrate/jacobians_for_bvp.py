"""Jacobians in the forms that ``scipy.integrate`` expects, where the operators do not already return them.

``solve_ivp(f, span, y0, "BDF", jac=jacobian(f, argnum=1))`` takes an operator directly; the functions here are for
``solve_bvp``.  Like the operators they have two forms: with the arguments of f they evaluate, and without them they
return a function to pass to SciPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.drivers.jacobian import jacobian
from dualdiff.drivers.run.operator import operator

__all__ = ["boundary_jacobian", "system_jacobian"]


def _system_jacobian(operator: str, f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[None, Any, None]:
    """No value, the Jacobians at all points, no aux."""
    x, y, *parameters = args

    def at_points(points: Any) -> Any:
        result = f(x, np.transpose(points), *parameters)
        if np.shape(result) != np.shape(y):
            raise ValueError(
                f"system_jacobian: f(x, y) must have the shape of y, {np.shape(y)}, but has {np.shape(result)}"
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
        ``f(x, y)`` or ``f(x, y, p)``, as ``scipy.integrate.solve_bvp`` takes it: y and the result have shape (n, m),
        with m independent mesh points.
    *args
        x of shape (m,), y of shape (n, m), and optionally the parameters p of shape (k,).

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
    One call of f with all directions of y at all points, and one with all directions of p; more only if there are very
    many directions.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff.scipy.integrate import system_jacobian
    >>> J = system_jacobian(lambda x, y: np.stack([y[1], y[0] ** 2]), np.linspace(0, 1, 5), np.ones((2, 5)))
    >>> J.shape
    (2, 2, 5)
    >>> J[:, :, 0]
    array([[0., 1.],
           [2., 0.]])
    """


def _boundary_jacobian(operator: str, bc: Callable[..., Any], args: tuple[Any, ...]) -> tuple[None, Any, None]:
    """No value, the Jacobians with respect to all arguments, no aux."""
    return None, jacobian(bc, *args, argnum=tuple(range(len(args)))), None


@operator(_boundary_jacobian)
def boundary_jacobian(bc: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The Jacobians of boundary conditions with respect to both end values and p, for ``solve_bvp(bc_jac=)``.

    Parameters
    ----------
    bc : callable
        ``bc(ya, yb)`` or ``bc(ya, yb, p)``, as ``scipy.integrate.solve_bvp`` takes it.
    *args
        ya and yb of shape (n,), and optionally the parameters p of shape (k,).

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
    >>> import numpy as np
    >>> from dualdiff.scipy.integrate import boundary_jacobian
    >>> boundary_jacobian(lambda ya, yb: np.array([ya[0], yb[0] ** 2 - 1]), np.zeros(2), np.ones(2))
    (array([[1., 0.],
           [0., 0.]]), array([[0., 0.],
           [2., 0.]]))
    """
