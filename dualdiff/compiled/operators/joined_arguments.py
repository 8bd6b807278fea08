"""Compiled functions as functions of some of their arguments, joined in one array; their Runge-Kutta steps.

The functions of `dualdiff.scipy` that take a user's function, such as ``solve_ivp``, call it by these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from dualdiff.compiled.caching import compiled_beside
from dualdiff.compiled.operators.drivers import evaluated, memoized, with_first
from dualdiff.compiled.operators.in_compiled_code import WIDTH, jacobian_core
from dualdiff.compiled.operators.known import FunctionConstant
from dualdiff.compiled.patches import is_of_compiler

__all__ = ["is_of_compiler", "of_parts", "steps_of", "value_and_partials"]

#: The number of steps whose errors are compared with what is allowed at a time.
JUDGED = 16
#: Where an argument is found in the array: from, to, shape; of a scalar, (from,).
Layout = tuple[tuple[Any, ...], ...]


@memoized
def of_parts(f: Any, places: tuple[int, ...], scalars: tuple[bool, ...], count: int) -> Any:
    """f as a function of an array that holds the arguments at ``places``, the layout, and the other arguments."""
    part = iter(range(len(places)))
    names = [f"a{i}" for i in range(count) if i not in places]
    arguments = []
    for i in range(count):
        if i not in places:
            arguments.append(f"a{i}")
            continue
        k = next(part)
        at = f"layout[{k}]"
        arguments.append(f"z[{at}[0]]" if scalars[k] else f"z[{at}[0] : {at}[1]].reshape({at}[2])")
    text = ", ".join(["z", "layout", *names])
    return compiled_beside(with_first(f, 0), text, f"return f({', '.join(arguments)})")


def value_and_partials(f: Any, z: Any, layout: Layout, others: tuple[Any, ...]) -> tuple[Any, Any]:
    """The value of such a function, and its Jacobian in z."""
    result: tuple[Any, Any] = evaluated(f, "jacobian", 0, 8 if z.size <= 8 else WIDTH, (z, layout, *others))
    return result


@memoized
def steps_of(f: Any) -> Any:
    """The Runge-Kutta steps of such a function of (z, layout, t, ...), whose z begins with the state; see `_steps`."""
    text = "z, n, layout, times, states, a, b, c, extra_a, extra_c, errors, rtol, atol, size, places, weights, *others"
    body = "return jacobian_core(f, z, (layout, t) + others, 8, False, None, 0, z.size)"
    partials = compiled_beside(f, "z, layout, t, *others", body, {"jacobian_core": jacobian_core})
    names = {"steps": _steps, "partials": FunctionConstant(partials)}
    return compiled_beside(f, text, f"return steps(partials, {text.replace('*', '')})", names)


@register_jitable  # type: ignore[untyped-decorator]
def _judge(recent, largest, rtol, atol, scale, excess):  # type: ignore[no-untyped-def]
    """Write the largest of recent errors relative to what is allowed."""
    kinds, count, n, size = recent.shape
    for column in range(size):
        unit = 0.0
        for row in range(n):
            unit = max(unit, largest[row, column] / scale[row])
        for row in range(n):
            allowed = max(rtol[row] * largest[row, column] + atol[row] * unit, 1e-300)
            for kind in range(kinds):
                for i in range(count):
                    excess[kind, i] = max(excess[kind, i], recent[kind, i, row, column] / allowed)


@register_jitable  # type: ignore[untyped-decorator]
def _steps(  # type: ignore[no-untyped-def]
    f, z, n, layout, times, states, a, b, c, extra_a, extra_c, errors, rtol, atol, scale, places, weights, others
):
    """The ends of the steps, and the states that are asked for with their Jacobians in z at the start.

    What is asked for is a sum of the stages of the step at ``places``, in order, with ``weights``.  Sums of the stages
    with ``errors`` estimate the error of the Jacobians at the end of a step; the last result is their largest elements,
    relative to what is allowed: ``rtol`` of the largest so far, and ``atol`` for a state as large as ``scale``.
    """
    size, stages = z.size, b.size
    largest, excess = np.zeros((n, size)), np.zeros((len(errors), times.size - 1))
    recent, count, judged = np.zeros((len(errors), JUDGED, n, size)), 0, 0
    total = stages + 1 + extra_c.size
    k = np.zeros((total, n))
    slopes = np.zeros((total, n, size))
    change = np.zeros((n, size))
    for i in range(n):
        change[i, i] = 1.0
    ends = np.zeros_like(states)
    asked_states, result = np.zeros((places.size, n)), np.zeros((places.size, n, size))
    done = 0
    within = np.zeros((n, size))
    for i in range(times.size - 1):
        h = times[i + 1] - times[i]
        asked = done < places.size and places[done] == i
        if not asked and done == places.size:
            break
        new_change = change
        for s in range(total if asked else stages + 1):
            if s == 0 and i > 0:
                k[0], slopes[0] = k[stages], slopes[stages]
                continue
            t = times[i] + (c[s] if s < stages else 1.0 if s == stages else extra_c[s - stages - 1]) * h
            z[:n] = states[i]
            within[:] = change
            for j in range(min(s, stages) if s <= stages else s):
                w = h * (a[s, j] if s < stages else b[j] if s == stages else extra_a[s - stages - 1, j])
                if w != 0.0:
                    for row in range(n):
                        z[row] += w * k[j, row]
                        for column in range(size):
                            within[row, column] += w * slopes[j, row, column]
            if s == stages:
                ends[i + 1] = z[:n]
                z[:n] = states[i + 1]
                t = times[i + 1]
                new_change = within.copy()
            value, partials = f(z, layout, t, *others)
            for row in range(n):
                k[s, row] = value[row]
                for column in range(size):
                    slope = partials[row, column] if column >= n else 0.0
                    for j in range(n):
                        slope += partials[row, j] * within[j, column]
                    slopes[s, row, column] = slope
        while done < places.size and places[done] == i:
            for row in range(n):
                w = states[i, row]
                for s in range(total):
                    w += h * weights[done, s] * k[s, row]
                asked_states[done, row] = w
                for column in range(size):
                    w = change[row, column]
                    for s in range(total):
                        w += h * weights[done, s] * slopes[s, row, column]
                    result[done, row, column] = w
            done += 1
        for row in range(n):
            for column in range(size):
                largest[row, column] = max(largest[row, column], abs(change[row, column]), abs(new_change[row, column]))
                for kind in range(len(errors)):
                    error = 0.0
                    for s in range(stages + 1):
                        error += errors[kind, s] * slopes[s, row, column]
                    recent[kind, count, row, column] = abs(h * error)
        count += 1
        if count == JUDGED:
            _judge(recent, largest, rtol, atol, scale, excess[:, judged : judged + count])
            judged, count = judged + count, 0
        change = new_change
    _judge(recent[:, :count], largest, rtol, atol, scale, excess[:, judged : judged + count])
    return ends, asked_states, result, excess
