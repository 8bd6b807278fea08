"""Explicit Runge-Kutta steps of a compiled right-hand side, all of them in compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.drivers.run.engines import engine_of
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.rules.writing.multilinear import multilinear
from dualdiff.scipy.integrate.steps.runge_kutta import (
    SAME,
    Explicit,
    error_weights,
    extra_stages,
    one_estimate,
    weights_at,
)
from dualdiff.scipy.solving.compiled_functions import Joined, is_joinable

#: For more unknowns and parameters than these, Jacobians are not multiplied with each other.
FEW = 64


def compiled_states(solution: Explicit, times: Any) -> Any:
    """The dual states at times, by their Jacobian in the first state and the arguments.

    None if the function is not compiled, or where other ways are right: also where steps are too long for tangents.
    """
    f, method, records, start, y = solution.f, solution.method, solution.records, solution.start, solution.y
    if f.function is None or engine_of[type(f.function.f)] is None or f.vectorized or not records:
        return None
    function, args = f.function.f, [start, y, *map(operand, f.function.args)]
    if not is_joinable(args):
        return None
    joined = Joined(function, args, 1)
    n, vector = y.size, joined.vector
    if vector.size > FEW:
        return None
    mesh = np.array([start, *(record.until for record in records)])
    states = np.array([plain_values(y), *(record.y for record in records)])
    sign = np.sign(mesh[1] - mesh[0])
    inside, order = np.unique(sign * times[times != start], return_inverse=True)
    inside *= sign
    places = np.searchsorted(sign * mesh, sign * inside) - 1
    steps = mesh[places + 1] - mesh[places]
    weights = np.array([weights_at(method, x) for x in (inside - mesh[places]) / steps])
    extra = extra_stages(method)
    coefficients = [np.ascontiguousarray(x, np.float64) for x in (method.A, method.B, method.C, *extra)]
    limits = solution.judge.allowed
    allowed = [np.broadcast_to(x, n).astype(float) for x in (limits.rtol, limits.atol, limits.size)]
    parts = engine_of[type(function)].joined_arguments
    try:
        run = parts.steps_of(joined.f)
        of_error = np.array(error_weights(method, limits.resolved), np.float64)
        ends, values, slopes, excess = run(
            *(plain_values(vector), n, joined.layout, mesh, states, *coefficients, of_error, *allowed, places, weights),
            *joined.others[1:],
        )
    except Exception as error:
        if not parts.is_of_compiler(error):
            raise
        return None
    reached = states[1 : places[-1] + 2] if places.size else states[:0]
    again = ends[1 : len(reached) + 1]
    fits = np.abs(again - reached) <= SAME * np.max(np.abs(reached), axis=0, initial=0.0)
    is_exact = not np.any(one_estimate(*excess) > 1.0)
    if not (is_exact and np.all(fits) and np.all(np.isfinite(slopes))):
        return None
    result = multilinear(lambda *_: values, [slopes, vector], ["ijk", "k"], "ij")
    where = np.where(times == start, 0, 1)
    where[times != start] += order
    return np.concatenate([y[None], result])[where]
