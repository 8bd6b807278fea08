"""``scipy.integrate.odeint``: solutions of initial value problems, by ODEPACK alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.integrate.right_sides import RightSide, moved
from dualdiff.scipy.integrate.trajectories import Record, Trajectory, recording
from dualdiff.scipy.solving.equations import no_derivative, revalued, unknown
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import Stripped, stripped, values_of

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

#: SciPy's tolerances, where none are given.
TOLERANCE = 1.49012e-8
SUCCESSFUL = "Integration successful"


@signed_as(_scipy.odeint)
def odeint(
    func: Any,
    y0: Any,
    t: Any,
    args: Any = (),
    Dfun: Any = None,
    col_deriv: Any = 0,
    full_output: Any = 0,
    ml: Any = None,
    mu: Any = None,
    rtol: Any = None,
    atol: Any = None,
    tcrit: Any = None,
    h0: Any = 0.0,
    hmax: Any = 0.0,
    hmin: Any = 0.0,
    ixpr: Any = 0,
    mxstep: Any = 0,
    mxhnil: Any = 0,
    mxordn: Any = 12,
    mxords: Any = 5,
    printmessg: Any = 0,
    tfirst: Any = False,
) -> Any:
    r"""The solution of an initial value problem, as ``scipy.integrate.odeint``.

    Parameters
    ----------
    func : callable
        ``func(y, t, *args)``, or with ``tfirst`` ``func(t, y, *args)``; it may depend on duals through ``args`` or
        variables that it closes over.
    y0 : array_like
        The initial state, which may be dual.
    t : array_like
        The times of the result, the initial one first, which may be duals.
    args, Dfun, col_deriv, full_output, rtol, atol, ...
        As in SciPy.  Step sizes and tolerances count as constants.

    Returns
    -------
    y, or y, infodict : arrays
        SciPy's, bit for bit; y with its derivative.

    Raises
    ------
    as SciPy
        For invalid arguments.

    Warns
    -----
    UndefinedDerivativeWarning
        Where the derivative is NaN: the solver failed, or func is not a function of its arguments alone.

    Notes
    -----
    As for the method "LSODA" of `solve_ivp`.  ODEPACK does not tell its steps, so it runs a second time, step by step.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import odeint
    >>> print(round(derivative(lambda k: odeint(lambda y, t: -k * y, 5.0, [0.0, 2.0])[-1, 0], 0.3), 5))
    -5.48812
    """
    function = Stripped(func, args)
    result = _scipy.odeint(
        function.plain,
        values_of(y0),
        values_of(t),
        function.plain_args,
        stripped(Dfun),
        col_deriv,
        1,
        *(ml, mu, values_of(rtol), values_of(atol), values_of(tcrit), *map(values_of, (h0, hmax, hmin))),
        *(ixpr, mxstep, mxhnil, mxordn, mxords, printmessg, tfirst),
    )
    value, info = result
    duals = [*function.duals, *duals_in((y0, t))]
    if duals and value.size:
        sides = function.sides() if tfirst else function.sides(_with_time_first)
        steps = {"min_step": hmin, "max_step": hmax or np.inf, "first_step": h0 or None, "lband": ml, "uband": mu}
        limits = {"rtol": TOLERANCE if rtol is None else rtol, "atol": TOLERANCE if atol is None else atol}
        solution = _derived(
            sides, y0, operand(t), tcrit, {**values_of(steps), **values_of(limits)}, info["message"], duals
        )
        value = unknown(value, *duals) if solution is None else revalued(solution, value)
    return (value, info) if full_output else value


def _with_time_first(f: Callable[..., Any], t: Any, y: Any) -> Any:
    return f(y, t)


def _derived(sides: Any, y0: Any, t: Any, tcrit: Any, options: dict[str, Any], message: str, duals: Any) -> Any:
    """The dual states; None if there are none."""
    if not message.startswith(SUCCESSFUL):
        no_derivative("odeint", message)
        return None
    y = np.ravel(operand(y0))
    y = y.astype(float)
    f = RightSide(sides, y)
    times = np.asarray(plain_values(t), dtype=float).tolist()
    records: list[Record] = []
    message = _recorded(f, times, plain_values(y), tcrit, options, records)
    if message:
        no_derivative("odeint", message)
        return None
    limits = options["rtol"], options["atol"], options["max_step"]
    trajectory = Trajectory(f, _scipy.LSODA, records, t[0], y, *limits, duals=duals)
    states = trajectory.states(times, False)
    rows = [moved(f, time, state, dual - time) for time, state, dual in zip(times, states, t, strict=True)]
    rows[0] = y
    if trajectory.failure:
        no_derivative("odeint", trajectory.failure)
        return None
    return np.stack(rows)


def _recorded(f: RightSide, times: Any, y: Any, tcrit: Any, options: dict[str, Any], records: list[Record]) -> str:
    """Solve once more, step by step, from one critical time to the next; what the solver says if it fails."""
    first, last = times[0], times[-1]
    stops = (
        []
        if tcrit is None
        else [c for c in np.ravel(values_of(tcrit)).tolist() if min(first, last) < c < max(first, last)]
    )
    stops = [first, *sorted(stops, reverse=last < first), last]
    plain = partial(_plain, f.plain)
    for start, stop in pairwise(stops):
        if start != stop:
            result = _scipy.solve_ivp(plain, (start, stop), y, recording(_scipy.LSODA, records), **options)
            if not result.success:
                return str(result.message)
            y = result.y[:, -1]
    return ""


def _plain(f: RightSide, t: Any, y: Any) -> Any:
    return plain_values(f(t, y))
