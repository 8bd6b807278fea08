"""``scipy.integrate.solve_ivp``: solutions of initial value problems, as functions of all that they depend on."""

from __future__ import annotations

from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.integrate.right_sides import RightSide, moved
from dualdiff.scipy.integrate.trajectories import (
    ALTERNATE,
    METHODS,
    DualSolution,
    Record,
    Trajectory,
    is_explicit,
    recording,
)
from dualdiff.scipy.solving.equations import implicit, no_derivative, revalued, unknown
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import Stripped, stripped, values_of

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

#: SciPy's defaults.
LIMITS = {"rtol": 1e-3, "atol": 1e-6, "max_step": np.inf}


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
    are repeated on duals.  For the others (Radau, BDF, LSODA) the equation is solved once more, by collocation of high
    order from the solver's states, and differentiated there.

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
    control_sensitivities : bool
        Whether the derivatives are those of the equation, with an error within the tolerances, and not of the solver's
        states; see the notes.
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
        Where the derivative is NaN: the solver failed, an event function has a multiple zero, fun is not a function of
        its arguments alone, a parameter acts too irregularly for any step, or with ``control_sensitivities`` the states
        are too far from the solution.

    Notes
    -----
    The solver's control of the step sizes applies to the values alone.  The error of the derivatives is of the order of
    the error of the values, which is the sum of what all steps contribute: often a hundred tolerances.  For an explicit
    method it is larger where the steps are limited by stability.  With ``control_sensitivities`` the equation is solved
    once more, for every method, by collocation on intervals that are joined; each adds less than a hundredth of the
    tolerances to the error of the solution and of its response to the initial state.  The values remain SciPy's, and so
    do the times of events.

    fun runs on plain values, and then on duals: for an explicit method for each stage of the accepted steps; for the
    others at nine points of an interval of about ten steps, twice, since the Jacobian in y is needed as well.  Where a
    parameter acts faster than the solution changes, the steps are too long for the derivative, which their tangents
    show: such steps are divided.  In reverse mode, with sparse Jacobians and in mixed mode the tangents are known along
    one random direction then, which stands for all; set ``max_step`` if one of many parameters has far smaller effects
    than the others.  Reverse mode is the discrete adjoint of the steps: it keeps what fun computes until the gradient
    is known.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import solve_ivp
    >>> def at_two(k):
    ...     return solve_ivp(lambda t, y: -k * y, (0.0, 2.0), [5.0], rtol=1e-9, atol=1e-9).y[0, -1]
    >>> print(round(derivative(at_two, 0.3), 6))
    -5.488116
    """
    control_sensitivities = bool(options.pop("control_sensitivities", False))
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
    is_repeated = isinstance(method, type) and is_explicit(method) and not control_sensitivities
    with_steps = recording(method, records, not is_repeated) if isinstance(method, type) else method
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
    solution = _Solution(result, RightSide(function.sides(), y, vectorized, function), duals)
    if not result.success:
        solution.lose(result.message)
        return result
    start, end = t_span
    limits = [plain_values(options.get(name, default)) for name, default in _limits(method).items()]
    chosen: dict[str, Any] = {"is_repeated": is_repeated, "is_controlled": control_sensitivities, "duals": duals}
    trajectory = Trajectory(solution.f, method, records, start, y, *limits, **chosen)
    solution.follow(trajectory, watched, None if t_eval is None else operand(t_eval), start, end, y)
    if trajectory.failure:
        solution.lose(trajectory.failure)
    return result


def _limits(method: Any) -> dict[str, Any]:
    """The tolerances and the longest step that a method has by default."""
    own = signature(method).parameters
    return {name: own[name].default if name in own else default for name, default in LIMITS.items()}


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
        times = np.asarray(self.t, dtype=float)
        states = trajectory.states(np.concatenate([times, *self.t_events]), result.sol is not None)
        of_events = len(times)
        if result.sol is not None:
            result.sol = DualSolution(self.sol, self.f, trajectory)
        for e, event in enumerate(watched):
            if self.t_events[e].size:
                self._happened(e, event, states[of_events:])
                of_events += self.t_events[e].size
        if not times.size:
            return
        states = states[: len(times)]
        if given is not None:
            if duals_in(given):
                result.t = revalued(given[: len(times)], self.t)
                states = np.stack([self._moved(*at) for at in zip(times.tolist(), states, given, strict=False)])
        else:
            ends = [(start, y)]
            if result.status == 1:
                e = next(e for e, event in enumerate(watched) if self._ends(e, event))
                ends.append((result.t_events[e][-1], result.y_events[e][-1]))
            elif len(times) > 1:
                ends.append((end, self._moved(times[-1], states[-1], end)))
            if duals_in([t for t, _ in ends]):
                inner = [start, *times[1:-1].tolist(), *(t for t, _ in ends[1:])]
                result.t = revalued(np.stack(inner), self.t)
            states = np.concatenate([y[None], states[1:-1], *(state[None] for _, state in ends[1:])])
        result.y = revalued(states.T, self.y)

    def _moved(self, t: float, y: Any, to: Any) -> Any:
        return moved(self.f, t, y, to - t)

    def _ends(self, e: int, event: Stripped) -> bool:
        """Whether an event ended the solution."""
        return bool(
            getattr(event.f, "terminal", False) and self.t_events[e].size and self.t_events[e][-1] == self.t[-1]
        )

    def _happened(self, e: int, event: Stripped, states: Any) -> None:
        """Write when an event happened, and the states then."""
        sides = event.sides()
        times, ys = [], []
        for t, y_plain, state in zip(self.t_events[e], self.y_events[e], states, strict=False):
            y = revalued(state, y_plain)
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
    near = moved(f, t, y, at - t)
    return np.reshape(operand(event(at, y + (at - t) * f(t, y) if near is y else near)), ())
