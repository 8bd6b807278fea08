"""A function of dualdiff.scipy compared with SciPy's: its values, and its derivatives with differences of those."""

from __future__ import annotations

import warnings

import numpy as np

from dualdiff import derivative, gradient, jvp, nth_derivative
from tests.support.against import assert_near, assert_same

#: Of the differences: short, so that no kink or knot lies within.
STEP = 3e-4


def found(module, name):
    """What a module has under a name, which may have dots; None if nothing."""
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


def leaves(result):
    """The arrays of a result, flat."""
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in leaves(part)]
    return [result]


def direction(x):
    """A direction that keeps what the functions ask for: conjugate pairs, and leading coefficients of sections."""
    if isinstance(x, tuple):
        return tuple(map(direction, x))
    x = np.asarray(x)
    if x.ndim == 2 and x.shape[1] == 6:
        return np.where(np.arange(6) == 3, 0.0, np.cos(np.arange(x.size)).reshape(x.shape))
    if x.dtype.kind == "c" and x.ndim == 1:
        return np.where(np.abs(x.imag) > 1e-9, 0.3 + 0.2j * np.sign(x.imag), 0.5)
    return np.cos(np.arange(x.size)).reshape(x.shape)


def moved(x, t, along):
    if isinstance(x, tuple):
        return tuple(moved(a, t, b) for a, b in zip(x, along, strict=True))
    return x + t * along if np.ndim(x) else x + t * along[()]


def stencil(f, h):
    """A derivative at zero by differences of order six."""
    weights = {1: 0.75, 2: -0.15, 3: 1 / 60}
    return [
        sum(w * (f_plus - f_minus) for w, f_plus, f_minus in zip(weights.values(), plus, minus, strict=True)) / h
        for plus, minus in zip(
            zip(*(f(k * h) for k in weights), strict=True), zip(*(f(-k * h) for k in weights), strict=True), strict=True
        )
    ]


def check(ours, theirs, name, call, parameter):
    """Values, first and second derivatives with respect to a parameter along a direction, forward, nested and back."""
    x = call[parameter]
    x = np.asarray(x, float) if isinstance(x, list) else x
    along = direction(x)

    def results(module, t):
        return leaves(found(module, name)(**{**call, parameter: moved(x, t, along)}))

    def dual(t):
        # Results that do not depend on the parameter, such as frequencies, are plain.
        return tuple(a + 0 * t for a in results(ours, t))

    def plain(t):
        return [np.asarray(a) for a in results(theirs, t)]

    def energy(t):
        return sum(np.sum(np.real(a * np.conjugate(a))) for a in dual(t))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values, slopes = jvp(dual, 0.0, 1.0)
        for value, slope, expected, rate in zip(values, slopes, plain(0.0), stencil(plain, STEP), strict=True):
            assert_same(np.asarray(value) + 0.0, expected + 0.0)
            assert_near(slope, rate, 1e-7 * max(1.0, np.max(np.abs(rate), initial=0.0)))
        first = derivative(energy, 0.0)
        assert_near(gradient(energy, 0.0, mode="reverse"), first, 1e-10 * max(1.0, abs(first)))
        expected = stencil(lambda t: [derivative(energy, t)], STEP)[0]
        for second in (derivative(derivative(energy))(0.0), nth_derivative(energy, 0.0, 2)):
            assert_near(second, expected, 1e-6 * max(1.0, abs(expected)))
