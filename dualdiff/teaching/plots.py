"""Plots of what the library computes, by matplotlib (``pip install 'dualdiff[plot]'``).

Each takes the Axes to draw on as ``ax``, makes new ones if there are none, and returns them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def plot_derivatives(f: Callable[[Any], Any], a: float, b: float, order: int = 2, ax: Any = None) -> Any:
    """A function on [a, b], some of its tangents, and its derivatives up to ``order``.

    Parameters
    ----------
    f : callable
        A function of one number, which works on arrays of points too.
    a, b : float
        The interval.
    order : int, default 2
        The highest derivative.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """


def plot_step_size(f: Callable[[Any], Any], x: float, ax: Any = None, *, exact: float | None = None) -> Any:
    """The error of finite differences over the step size, against that of the dual number: the V-curve.

    Forward differences lose truncation error of order h and gain rounding error of order 1/h; central ones h**2.

    Parameters
    ----------
    f : callable
        A function of one number.
    x : float
        Where to differentiate.
    ax : matplotlib Axes, optional
    exact : float, optional
        The derivative to compare with, such as one from mpmath.  If it is left out, the dual number is the reference, and its
        line is drawn at the rounding error of one float.

    Returns
    -------
    matplotlib Axes
    """


def plot_sparsity(pattern: Any, colours: Any = None, ax: Any = None) -> Any:
    """Where a Jacobian or Hessian is not zero; with colours, which columns share a direction.

    Parameters
    ----------
    pattern : (m, n) array or scipy.sparse array
        As from `dualdiff.jacobian_sparsity`.
    colours : (n,) array of int or True, optional
        A colour for each column; with True, the library's own column colouring.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """


def plot_newton(f: Callable[[Any], Any], x0: float, steps: int = 5, ax: Any = None) -> Any:
    """Newton's method on a function of one number: the tangents that lead from iterate to iterate.

    Parameters
    ----------
    f : callable
        A function of one number.
    x0 : float
        Where to start.
    steps : int, default 5
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """


def plot_descent(f: Callable[[Any], Any], x0: Sequence[float], rate: float, steps: int = 50, ax: Any = None) -> Any:
    """Gradient descent on a function of two numbers: its contours, and the path ``x - rate * gradient``.

    Parameters
    ----------
    f : callable
        A function of an array of two numbers.
    x0 : (2,) array_like
        Where to start.
    rate : float
        The learning rate.
    steps : int, default 50
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
