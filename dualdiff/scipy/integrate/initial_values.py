"""``scipy.integrate.solve_ivp``: solutions of initial value problems, as functions of all that they depend on."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.equations import implicit, no_derivative, revalued, unknown
from dualdiff.scipy.integrate.right_sides import RightSide, moved
from dualdiff.scipy.integrate.trajectories import (
    ALTERNATE,
    METHODS,
    UNLIKE,
    DualSolution,
    Record,
    Trajectory,
    recording,
)
from dualdiff.scipy.signatures import signed_as
from dualdiff.scipy.stripped import Stripped, stripped, values_of

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")


@signed_as(_scipy.solve_ivp)
def solve_ivp(
    fun: Any,
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: Any = False,
    events: Any = None,
    vectorized: Any = False,
    args: Any = None,
    **options: Any,
) -> Any:
    r"""The solution of an initial value problem, as ``scipy.integrate.solve_ivp``.

    The solution of :math:`y' = f(t, y)` changes with the initial state, the times, and all that f depends on.  The
    explicit methods (RK23, RK45, DOP853) are differentiated as the sums that they are: the stages of the accepted steps
    are repeated on duals.  For the others (Radau, BDF, LSODA) the differential equation at Radau points of the accepted
    steps is differentiated at the solution.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args)``; it may depend on duals through ``args`` or variables that it closes over.  A function
        compiled by Numba may get duals in y0 and args.
    t_span : pair of float
        The initial and the final time, which may be duals.
    y0 : array_like
        The initial state, which may be dual.
    method : str or class of solvers
        As in SciPy.
    t_eval : array_like, optional
        Times of the result, which may be duals.
    dense_output : bool
        Whether ``sol`` is returned, a function of time that carries derivatives, also with respect to time.
    events : callable, or list of callables, optional
        As in SciPy; an event that depends on duals, or happens on a path that does, has a time that does.
    vectorized : bool
        As in SciPy.
    args : tuple, optional
        Further arguments of fun, of the events and of ``jac``, which may be duals.
    **options
        As in SciPy.  Step sizes and tolerances count as constants.

    Returns
    -------
    OdeResult
        SciPy's, bit for bit, with derivatives in ``y``, ``sol``, ``t_events`` and ``y_events``, and in ``t`` where
        times are duals, or where an event ends the solution.

    Raises
    ------
    as SciPy
        For invalid arguments.

    Warns
    -----
    UndefinedDerivativeWarning
        Where the derivative is NaN: the solver failed, an event function has a multiple zero, or fun is not a function
        of its arguments alone.

    Notes
    -----
    The error of the derivatives is of the order of the tolerances, which SciPy's control of the step sizes applies to
    the values alone; it is larger for an explicit method whose steps are limited by stability.  fun runs on plain
    values, and then once on duals for each stage of the accepted steps; for the implicit methods also for the Jacobian
    in y.  Reverse mode is the discrete adjoint of these steps: it keeps what fun computes in all of their stages until
    the gradient is known.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import solve_ivp
    >>> def at_two(k):
    ...     return solve_ivp(lambda t, y: -k * y, (0.0, 2.0), [5.0], rtol=1e-9, atol=1e-9).y[0, -1]
    >>> print(round(derivative(at_two, 0.3), 6))
    -5.488116
    """
    method = METHODS.get(method, method) if isinstance(method, str) else method
    args = tuple(args) if np.iterable(args) else args
    function = Stripped(fun, () if args is None else args)
    several = isinstance(events, (list, tuple))
    watched = [Stripped(event, function.args) for event in (events if several else [events])] if events else []
    marked = [_marked(event) for event in watched]
    solve = partial(
        _scipy.solve_ivp,
        function.plain,
        values_of(t_span),
        values_of(y0),
        t_eval=values_of(t_eval),
        dense_output=dense_output,
        events=marked if several else marked[0] if marked else events,
        vectorized=vectorized,
        args=function.plain_args if isinstance(args, tuple) else values_of(args),
        **{name: stripped(x) if callable(x) else values_of(x) for name, x in options.items()},
    )
    records: list[Record] = []
    with_steps = recording(method, records) if isinstance(method, type) else method
    given = duals_in((t_span, y0, t_eval))
    is_watched = bool(given or function.duals or tags.spaces())
    result = solve(method=with_steps if is_watched else method)
    duals = [*function.duals, *(d for event in watched for d in event.duals), *given]
    if duals and not is_watched:
        # There are duals that the user made, where only calling the functions shows them.
        result = solve(method=with_steps)
    y = operand(y0) if duals else np.asarray(y0)
    y = y.astype(np.result_type(y.dtype, np.float64))
    if result.sol is not None and method in ALTERNATE:
        result.sol = _scipy.OdeSolution(result.sol.ts, result.sol.interpolants, alt_segment=True)
    if not (duals and y.size):
        if result.sol is not None and y.size:
            result.sol = DualSolution(result.sol, RightSide(function.sides(), y, vectorized, function))
        return result
    tolerances = options.get("rtol", 1e-3), options.get("atol", 1e-6)
    solution = _Solution(result, RightSide(function.sides(), y, vectorized, function), duals)
    if not result.success:
        solution.lose(result.message)
        return result
    start, end = t_span
    trajectory = Trajectory(solution.f, method, records, start, y, *map(plain_values, tolerances))
    solution.follow(trajectory, watched, None if t_eval is None else operand(t_eval), start, end, y)
    if not trajectory.is_same:
        solution.lose(UNLIKE)
    return result


def _marked(event: Stripped) -> Any:
    """The event on plain values, with what SciPy reads off it."""
    for name in ("terminal", "direction"):
        if hasattr(event.f, name):
            setattr(event.plain, name, getattr(event.f, name))
    return event.plain


class _Solution:
    """SciPy's result, into which derivatives are written."""

    def __init__(self, result: Any, f: RightSide, duals: list[Any]) -> None:
        self.result, self.f, self.duals = result, f, duals
        self.t, self.y, self.sol = result.t, result.y, result.sol
        self.t_events, self.y_events = result.t_events or [], result.y_events or []

    def lose(self, reason: str) -> None:
        """Say that there is no derivative."""
        no_derivative("solve_ivp", reason)
        result = self.result
        result.t, result.y = self.t, unknown(self.y, *self.duals)
        if result.t_events is not None:
            result.t_events, result.y_events = (
                [unknown(x, *self.duals) if x.size else x for x in xs] for xs in (self.t_events, self.y_events)
            )
        if result.sol is not None:
            result.sol = DualSolution(self.sol, self.f, None, self.duals)

    def follow(self, trajectory: Trajectory, watched: list[Stripped], given: Any, start: Any, end: Any, y: Any) -> None:
        """Write the derivatives into the result; ``given`` are the times of t_eval, y is the state at the start."""
        result = self.result
        times = np.asarray(self.t).tolist()
        states = trajectory.states([*times, *(t for ts in self.t_events for t in ts.tolist())], result.sol is not None)
        if result.sol is not None:
            result.sol = DualSolution(self.sol, self.f, trajectory)
        for e, event in enumerate(watched):
            if self.t_events[e].size:
                self._happened(e, event, states)
        if not times:
            return
        duals = [*(times if given is None else given[: len(times)])]
        columns = [self._moved(t, states[t], dual) for t, dual in zip(times, duals, strict=True)]
        if given is None:
            duals[0], columns[0] = start, y
            if result.status == 1:
                ends = [e for e, event in enumerate(watched) if self._ends(e, event)]
                duals[-1], columns[-1] = result.t_events[ends[0]][-1], result.y_events[ends[0]][-1]
            elif len(times) > 1:
                duals[-1], columns[-1] = end, self._moved(times[-1], states[times[-1]], end)
        result.y = revalued(np.stack(columns, axis=1), self.y)
        if duals_in(duals):
            result.t = revalued(np.stack(duals), self.t)

    def _moved(self, t: float, y: Any, to: Any) -> Any:
        return moved(self.f, t, y, to - t)

    def _ends(self, e: int, event: Stripped) -> bool:
        """Whether an event ended the solution."""
        return bool(
            getattr(event.f, "terminal", False) and self.t_events[e].size and self.t_events[e][-1] == self.t[-1]
        )

    def _happened(self, e: int, event: Stripped, states: dict[float, Any]) -> None:
        """Write when an event happened, and the states then."""
        sides = event.sides()
        times, ys = [], []
        for t, y_plain in zip(self.t_events[e], self.y_events[e], strict=True):
            y = revalued(states[float(t)], y_plain)
            if any(isinstance(x, AnyDual) for x in (y, operand(sides[0](t, y)))):
                at = implicit(
                    "the time of an event of solve_ivp",
                    partial(_on_path, sides[0], self.f, t, y),
                    partial(_on_path, sides[1], self.f.plain, t, y_plain),
                    t,
                    True,
                    self.duals,
                )
                y = self._moved(t, y, at)
                t = at
            times.append(t)
            ys.append(y)
        self.result.t_events[e] = revalued(np.stack(times), self.t_events[e])
        self.result.y_events[e] = revalued(np.stack(ys), self.y_events[e])


def _on_path(event: Any, f: Any, t: float, y: Any, at: Any) -> Any:
    """The event along the solution through (t, y)."""
    return np.reshape(operand(event(at, moved(f, t, y, at - t))), ())
