"""Plots of what the library computes, with matplotlib (``pip install matplotlib``).

Each function takes the Axes to draw on as ``ax``, creates new ones if none are given, and returns them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.drivers.derivative import nth_derivative, value_and_derivative
from dualdiff.drivers.gradient import gradient
from dualdiff.drivers.hessian import hessian
from dualdiff.drivers.sparse.colouring import column_colours
from dualdiff.tangents.pattern import Pattern

#: Colours that are distinguishable with colour vision deficiency (Okabe and Ito, 2008), light ones last.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
GREY = "#6b7280"
EPS = float(np.finfo(float).eps)


def _axes(ax: Any, function: str, size: tuple[float, float] = (6.4, 4.2)) -> Any:
    """The Axes to draw on; new ones if none were given."""
    if ax is None:
        pyplot = load("matplotlib.pyplot", "matplotlib", f"dualdiff.teaching.{function}")
        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _interval(a: float, b: float, function: str) -> None:
    if not (np.isfinite(a) and np.isfinite(b) and a < b):
        raise ValueError(f"{function} needs an interval with a < b, not [{a}, {b}]")


def _count(name: str, n: int, function: str) -> None:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"{function}: {name} must be a positive integer, not {n!r}")


def plot_derivatives(f: Callable[[Any], Any], a: float, b: float, order: int = 2, ax: Any = None) -> Any:
    """A function on [a, b] with some of its tangents, and below it its derivatives, each on axes of its own.

    Parameters
    ----------
    f : callable
        A function of one variable.
    a, b : float
        The interval.
    order : int, default 2
        The highest derivative.
    ax : sequence of matplotlib Axes, optional
        ``order + 1`` of them, for the function and each derivative.

    Returns
    -------
    array of matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed and no Axes are given.
    ValueError
        If not a < b, the order is not a positive integer, or there are not ``order + 1`` Axes.

    Examples
    --------
    >>> axes = plot_derivatives(lambda x: x**3 - x, -1.5, 1.5)
    >>> [ax.get_ylabel() for ax in axes]
    ['$f$', "$f'$", "$f''$"]
    """
    _interval(a, b, "plot_derivatives")
    _count("order", order, "plot_derivatives")
    if ax is None:
        pyplot = load("matplotlib.pyplot", "matplotlib", "dualdiff.teaching.plot_derivatives")
        size = (6.4, 1.4 + 1.4 * (order + 1))
        ratios = [1.6] + [1.0] * order
        _, ax = pyplot.subplots(order + 1, 1, figsize=size, sharex=True, layout="constrained", height_ratios=ratios)
    axes = np.asarray(ax, object).reshape(-1)
    if len(axes) != order + 1:
        raise ValueError(f"plot_derivatives to order {order} needs {order + 1} Axes, not {len(axes)}")
    x = np.linspace(a, b, 301)
    colours = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)
    for k, axis in enumerate(axes):
        _axes(axis, "plot_derivatives").axhline(0, color=GREY, linewidth=0.8)
        values = [f(float(u)) if k == 0 else nth_derivative(f, float(u), k) for u in x]
        axis.plot(x, values, color=colours[k % len(colours)], linewidth=2.0)
        axis.set_ylabel("$f" + "'" * k + "$" if k <= 3 else f"$f^{{({k})}}$")
    reach = (b - a) / 14
    for i, u in enumerate(np.linspace(a, b, 9)[1::2]):
        value, slope = value_and_derivative(f, float(u))
        ends = np.array([u - reach, u + reach])
        label = "" if i else "tangents, whose slopes are below"
        axes[0].plot(ends, value + slope * (ends - u), color=GREY, linewidth=1.6, zorder=4, label=label)
        axes[0].plot([u], [value], "o", color=BLUE, markersize=5, zorder=5)
        axes[1].plot([u], [slope], "o", color=VERMILION, markersize=5, zorder=5)
    axes[0].legend(frameon=False)
    axes[-1].set_xlabel("x")
    return axes


def plot_step_size(f: Callable[[Any], Any], x: float, ax: Any = None, *, exact: float | None = None) -> Any:
    """The error of finite differences as a function of the step size, compared with the dual number: the V-curve.

    As h decreases, truncation errors fall like h (central differences: h**2) and rounding errors grow like 1/h.

    Parameters
    ----------
    f : callable
        A function of one variable.
    x : float
        The point at which to differentiate.
    ax : matplotlib Axes, optional
    exact : float, optional
        The derivative to compare with, for instance from mpmath.  By default the dual number is the reference, and its
        line is drawn at the rounding error of one float.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed and no Axes are given.

    Notes
    -----
    The dotted lines are the theory: truncation errors by Taylor's theorem, and half a unit in the last place of f as
    the rounding error.

    Examples
    --------
    >>> ax = plot_step_size(lambda x: x**3 + 2 * x, 3.0)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('step size h, relative to x', 'relative error')
    """
    ax = _axes(ax, "plot_step_size")
    x = float(x)
    value, dual = value_and_derivative(f, x)
    right = dual if exact is None else exact
    scale = abs(right) or 1.0
    h = np.logspace(-16, 0, 161)
    steps = h * max(1.0, abs(x))
    forward = np.array([(f(x + s) - value) / s for s in steps])
    central = np.array([(f(x + s) - f(x - s)) / (2 * s) for s in steps])
    for estimate, name, colour, mark in (
        (forward, "forward difference", VERMILION, "o"),
        (central, "central difference", BLUE, "^"),
    ):
        error = np.maximum(np.abs(estimate - right) / scale, EPS / 4)
        ax.loglog(h, error, mark, color=colour, markersize=3.4, label=name)
    bend, twist = (abs(nth_derivative(f, x, k)) for k in (2, 3))
    for line, words, at, colour, offset, side in (
        (bend / 2 * steps / scale, "truncation ~ h", 0.76, VERMILION, (-12, 8), "right"),
        (twist / 6 * steps**2 / scale, "truncation ~ h²", 0.8, BLUE, (8, -14), "left"),
        (EPS / 2 * abs(value) / steps / scale, "rounding ~ 1/h", 0.34, GREY, (-14, -30), "right"),
    ):
        shown = (line > EPS) & (line < 1)
        ax.loglog(h[shown], line[shown], ":", color=colour, linewidth=1.4)
        place = int(at * (len(h) - 1))
        if shown[place]:
            ax.annotate(words, (h[place], line[place]), offset, textcoords="offset points", color=colour, ha=side)
    floor = max(abs(dual - right) / scale, EPS / 2)
    ax.axhline(floor, color=GREEN, linewidth=2.4, label="dual number (no step size)")
    ax.set_ylim(EPS / 10, 10)
    ax.set_xticks(10.0 ** np.arange(-16, 1, 4))
    ax.set_yticks(10.0 ** np.arange(-16, 1, 4))
    ax.minorticks_off()
    ax.set_xlabel("step size h" if abs(x) <= 1 else "step size h, relative to x")
    ax.set_ylabel("relative error" if right else "error")
    ax.legend(
        frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3, columnspacing=1.2, handletextpad=0.4
    )
    return ax


def plot_sparsity(pattern: Any, colours: Any = None, ax: Any = None) -> Any:
    """The nonzeros of a Jacobian or Hessian; with colours, which columns share a direction.

    Parameters
    ----------
    pattern : (m, n) array or scipy.sparse array
        A sparsity pattern, for instance from `dualdiff.jacobian_sparsity`.
    colours : (n,) array of int or True, optional
        A colour for each column; with True, the library's own column colouring.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed and no Axes are given.
    ValueError
        If there is not one colour for each column.

    Examples
    --------
    >>> import numpy as np
    >>> tridiagonal = np.eye(9) + np.eye(9, k=1) + np.eye(9, k=-1)
    >>> plot_sparsity(tridiagonal, True).get_title()
    '3 colours: 3 directions instead of 9'
    """
    dense = np.asarray(pattern.toarray() if hasattr(pattern, "toarray") else pattern) != 0
    if dense.ndim != 2:
        raise ValueError(f"a pattern has rows and columns, but this one has shape {dense.shape}")
    rows, columns = dense.shape
    if colours is True:
        colours = column_colours(_pattern(dense))
    ax = _axes(ax, "plot_sparsity", (5.2, 5.2))
    many = np.zeros(columns, int) if colours is None else np.asarray(colours)
    if many.shape != (columns,):
        raise ValueError(f"{columns} columns need {columns} colours, but colours has shape {many.shape}")
    count = len(np.unique(many))
    shades = load("matplotlib.colors", "matplotlib", "dualdiff.teaching.plot_sparsity")
    palette = [BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, "#F0E442", "#000000"]
    shown = np.where(dense, np.searchsorted(np.unique(many), many), -1)
    table = shades.ListedColormap(palette[: max(count, 1)]) if count <= len(palette) else "cividis"
    ax.imshow(np.ma.masked_less(shown, 0), cmap=table, vmin=-0.5, vmax=count - 0.5, interpolation="nearest")
    ax.spines[:].set_visible(True)
    if max(rows, columns) <= 40:
        ax.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
        ax.grid(which="minor", color="white", linewidth=1.2)
        ax.tick_params(which="minor", length=0)
    if colours is not None and max(rows, columns) <= 30:
        # The numbers make the colours distinguishable without colour vision.
        for i, j in np.argwhere(dense):
            colour = palette[shown[i, j]] if count <= len(palette) else "#000000"
            # Not quite white and black, which `show` would exchange on a dark page; the cells stay as they are.
            ink = "#fefefe" if colour in (BLUE, "#000000", VERMILION) else "#010101"
            ax.text(j, i, str(shown[i, j] + 1), ha="center", va="center", fontsize=8, color=ink)
    ax.set_xlabel(f"{columns} inputs")
    ax.set_ylabel(f"{rows} results")
    ax.set_title(
        f"{int(dense.sum())} of {dense.size} entries are nonzero"
        if colours is None
        else f"{count} colours: {count} directions instead of {columns}",
        fontsize=11,
    )
    return ax


def _pattern(dense: Any) -> Pattern:
    """The pattern of a boolean matrix."""
    i, j = np.nonzero(dense)
    return Pattern.of_entries(i, j, dense.shape)[0]


def plot_newton(f: Callable[[Any], Any], x0: float, steps: int = 5, ax: Any = None) -> Any:
    """Newton's method for a function of one variable: the tangents that lead from iterate to iterate.

    Parameters
    ----------
    f : callable
        A function of one variable.
    x0 : float
        The starting point.
    steps : int, default 5
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed and no Axes are given.
    ValueError
        If a tangent is horizontal, so that there is no next iterate.

    Examples
    --------
    >>> plot_newton(lambda x: x**2 - 2, 1.0, steps=2).get_title()
    'after 2 steps: x = 1.41666666667, |f(x)| = 6.9e-03'
    """
    _count("steps", steps, "plot_newton")
    path = [float(x0)]
    corners: list[tuple[float, float]] = []
    for _ in range(steps):
        value, slope = value_and_derivative(f, path[-1])
        if slope == 0 or not np.isfinite(value / slope):
            raise ValueError(f"the tangent at x = {path[-1]:.6g} is horizontal: Newton's method stops there")
        corners.append((path[-1], value))
        path.append(path[-1] - value / slope)
    ax = _axes(ax, "plot_newton")
    low, high = min(path), max(path)
    width = (high - low) or 1.0
    x = np.linspace(low - 0.12 * width, high + 0.12 * width, 301)
    ax.axhline(0, color=GREY, linewidth=1)
    ax.plot(x, [f(float(u)) for u in x], color=BLUE, linewidth=2.4, label="f", zorder=3)
    labelled: list[float] = []
    for k, ((u, value), reached) in enumerate(zip(corners, path[1:], strict=True)):
        ax.plot([u, u], [0, value], ":", color=GREY, linewidth=1.2)
        ax.plot([u, reached], [value, 0], "--", color=VERMILION, linewidth=1.6, label="" if k else "tangents")
        ax.plot([u], [value], "o", color=BLUE, markersize=5, zorder=4)
    for k, u in enumerate(path):
        ax.plot([u], [0], "|", color="black", markersize=9, markeredgewidth=1.4, zorder=4)
        if all(abs(u - other) > 0.07 * width for other in labelled):
            labelled.append(u)
            below = k == len(path) - 1 or corners[k][1] > 0
            ax.annotate(
                f"$x_{{{k}}}$",
                (u, 0),
                (0, -7 if below else 7),
                textcoords="offset points",
                ha="center",
                va="top" if below else "bottom",
                fontsize=12,
            )
    ax.set_xlabel("x")
    ax.set_ylabel("f(x)")
    ax.set_title(f"after {steps} steps: x = {path[-1]:.12g}, |f(x)| = {abs(f(path[-1])):.1e}", fontsize=11)
    ax.legend(frameon=False)
    return ax


def plot_descent(f: Callable[[Any], Any], x0: Sequence[float], rate: float, steps: int = 50, ax: Any = None) -> Any:
    """Gradient descent on a function of two variables: its contours, and the iterates ``x - rate * gradient``.

    Parameters
    ----------
    f : callable
        A function of an array with two elements.
    x0 : (2,) array_like
        The starting point.
    rate : float
        The learning rate.
    steps : int, default 50
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed and no Axes are given.
    ValueError
        If x0 does not have two elements.

    Notes
    -----
    Costs ``steps`` gradients, 3600 values of f for the contours, and a few Hessians for the minimum, which Newton's
    method finds from the lowest iterate; it is marked unless it lies far from the path.  A path that diverges is drawn
    until an element overflows or exceeds a thousand times one plus the largest element of x0.

    Examples
    --------
    >>> plot_descent(lambda x: x[0] ** 2 + 4 * x[1] ** 2, [2.0, 1.0], rate=0.1, steps=20).get_title()
    'rate 0.1: f = 0.000532 after 20 steps'
    """
    _count("steps", steps, "plot_descent")
    x = np.asarray(x0, float)
    if x.shape != (2,):
        raise ValueError(f"plot_descent draws functions of two variables, but x0 has shape {x.shape}")
    far = 1e3 * (1 + np.abs(x).max())
    path = [x]
    for _ in range(steps):
        x = x - rate * gradient(f, x)
        if not np.all(np.abs(x) < far):
            break
        path.append(x)
    ax = _axes(ax, "plot_descent")
    way = np.array(path)
    lowest = _minimum(f, min(path, key=lambda x: float(f(x))))
    seen = way if lowest is None or _is_far(lowest, way) else np.vstack([way, lowest])
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = 0.2 * max((high - low).max(), 1e-9)
    u, v = (np.linspace(low[i] - margin, high[i] + margin, 60) for i in (0, 1))
    heights = np.array([[float(f(np.array([a, b]))) for a in u] for b in v])
    levels = np.unique(np.quantile(heights[np.isfinite(heights)], np.linspace(0, 1, 16)))
    ax.contourf(u, v, heights, levels, cmap="Blues", alpha=0.75)
    ax.contour(u, v, heights, levels, colors=GREY, linewidths=0.6)
    ax.plot(*way.T, "-", color=VERMILION, linewidth=1.6, zorder=3)
    ax.plot(*way.T, "o", color=VERMILION, markersize=3.5, zorder=3)
    if len(seen) > len(way):
        ax.plot(*seen[-1], "P", color=GREEN, markeredgecolor="black", markersize=10, label="minimum", zorder=5)
    ax.plot(*way[0], "s", color="black", markersize=7, label="start", zorder=4)
    ax.plot(*way[-1], "*", color="black", markersize=12, label=f"after {len(way) - 1} steps", zorder=4)
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    stopped = "" if len(way) == steps + 1 else " (diverges)"
    ax.set_title(f"rate {rate:g}: f = {float(f(way[-1])):.3g} after {len(way) - 1} steps{stopped}", fontsize=11)
    ax.legend(loc="best")
    return ax


def _minimum(f: Callable[[Any], Any], x: Any) -> Any:
    """The minimum that Newton's method finds from a point, by steps that decrease f; None if there is none."""
    for _ in range(100):
        g, H = gradient(f, x), hessian(f, x)
        try:
            np.linalg.cholesky(H)
            step = np.linalg.solve(H, g)
        except np.linalg.LinAlgError:
            step = g  # not convex here: downhill
        while float(f(x - step)) > float(f(x)) and np.linalg.norm(step) > 1e-12:
            step = step / 2
        x = x - step
        if not np.all(np.isfinite(x)):
            return None
        if np.linalg.norm(step) < 1e-9 * (1 + np.linalg.norm(x)):
            return x if np.all(np.linalg.eigvalsh(hessian(f, x)) > 0) else None
    return None


def _is_far(point: Any, way: Any) -> bool:
    """Whether a point lies so far from a path that the path could hardly be seen in a picture of both."""
    low, high = way.min(axis=0), way.max(axis=0)
    return bool(np.max(np.maximum(low - point, point - high)) > 10 * (high - low).max())
