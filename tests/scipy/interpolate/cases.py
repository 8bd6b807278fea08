"""What the tests of interpolation share: derivatives by differences, and a comparison with them."""

from __future__ import annotations

import numpy as np

from dualdiff import gradient, hvp, jacobian, jvp
from dualdiff.rules.writing.array_rules import plain_values


def differences(f, x, h=1e-4):
    """The Jacobian of f at x by central differences of order 6."""
    x = np.asarray(x, float)
    columns = []
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = h
        step = step.reshape(x.shape)
        weights = {1: 45.0, 2: -9.0, 3: 1.0}
        total = sum(w * (np.asarray(f(x + k * step)) - f(x - k * step)) for k, w in weights.items())
        columns.append(total / (60.0 * h))
    return np.moveaxis(np.array(columns), 0, -1).reshape(columns[0].shape + x.shape)


def compare(ours, scipys, *args, tolerance=1e-7, constant=(), second=True, rounding=0.0):
    """Compare value, first derivatives (forward, reverse) and second ones with respect to each argument.

    The values are the same bit for bit, or up to ``rounding``.
    """
    value = scipys(*args)
    rng = np.random.default_rng(0)
    weights = rng.standard_normal(np.shape(value))
    for i, x in enumerate(args):
        if i in constant:
            continue
        x = np.asarray(x, float)

        def at(t, f, i=i):
            return f(*args[:i], t, *args[i + 1 :])

        direction = rng.standard_normal(x.shape)
        np.testing.assert_allclose(jvp(lambda t: at(t, ours), x, direction)[0], value, rtol=rounding, atol=rounding)
        expected = differences(lambda t: at(t, scipys), x)
        scale = tolerance * (1.0 + np.max(np.abs(expected)))
        for mode in "forward", "reverse":
            np.testing.assert_allclose(jacobian(lambda t: at(t, ours), x, mode=mode), expected, rtol=0, atol=scale)
        if not second:
            continue

        def total(t):
            r = at(t, ours)
            return np.sum(weights * (r + r * r))

        def along_line(s, x=x, direction=direction, total=total):
            return gradient(total, x + s[0] * direction, mode="reverse")

        along = differences(along_line, np.zeros(1))[..., 0]
        scale = tolerance * (1.0 + np.max(np.abs(along)))
        np.testing.assert_allclose(hvp(total, x, direction), along, rtol=0, atol=scale)


def checked(revalued):
    """`revalued` that compares the value of the formula, of which the tangents are, with SciPy's."""

    def check(dual, value):
        own = plain_values(dual)
        assert np.shape(own) == np.shape(value)
        known = ~np.isnan(value) & (np.asarray(own) != 0)
        np.testing.assert_allclose(np.asarray(own)[known], np.asarray(value)[known], rtol=1e-8, atol=1e-8)
        return revalued(dual, value)

    return check
