"""Filters of signals and images, as functions of their coefficients, beside the value that SciPy computes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .harness import Call, Peer, Work, optional

_random = np.random.default_rng(0)


# -- a recursive filter, fitted to a signal ----------------------------------------------------------------------------
SIGNAL, WANTED = _random.standard_normal((2, 10**5))
COEFFICIENTS = np.array([0.1, 0.2, 0.2, 0.1, -0.5, 0.2, -0.1, 0.05])


def loss(module: str) -> Callable[[Any], Any]:
    lfilter = optional(module).lfilter

    def f(p: Any) -> Any:
        return np.sum((lfilter(p[:4], np.concatenate([np.ones(1), p[4:]]), SIGNAL) - WANTED) ** 2)

    return f


def checked(call: Call, expected: Any) -> Call:
    """The call, which must return the derivative by hand."""
    np.testing.assert_allclose(call(), expected, rtol=1e-9, atol=1e-9 * np.max(np.abs(expected)))
    return call


def gradient_of_filter(**options: Any) -> Call:
    gradient = partial(optional("dualdiff").gradient, loss("dualdiff.scipy.signal"), COEFFICIENTS, **options)
    return checked(gradient, by_hand()())


def value_of_filter() -> Call:
    return partial(loss("scipy.signal"), COEFFICIENTS)


def by_hand() -> Call:
    """Signal and result filtered by the poles, then products with the error."""
    lfilter = optional("scipy.signal").lfilter

    def f(p: Any) -> Any:
        poles = np.concatenate([np.ones(1), p[4:]])
        result = lfilter(p[:4], poles, SIGNAL)
        error = 2 * (result - WANTED)
        inputs, outputs = lfilter([1.0], poles, SIGNAL), lfilter([1.0], poles, result)
        n = len(SIGNAL)
        zeros = [error[k:] @ inputs[: n - k] for k in range(4)]
        return np.array(zeros + [-error[k:] @ outputs[: n - k] for k in range(1, 5)])

    return partial(f, COEFFICIENTS)


# -- the gradient with respect to an image -----------------------------------------------------------------------------
IMAGE = _random.standard_normal((256, 256))


def sharpness(module: str) -> Callable[[Any], Any]:
    gaussian = optional(module).gaussian_filter
    return lambda x: np.sum(gaussian(x, 1.5) ** 2)


def gradient_of_image() -> Call:
    gradient = partial(optional("dualdiff").gradient, sharpness("dualdiff.scipy.ndimage"), IMAGE)
    return checked(gradient, smoothed_twice()())


def value_of_image() -> Call:
    return partial(sharpness("scipy.ndimage"), IMAGE)


def smoothed_twice() -> Call:
    """The filter is symmetric."""
    gaussian = optional("scipy.ndimage").gaussian_filter
    return lambda: 2 * gaussian(gaussian(IMAGE, 1.5), 1.5)


WORKS = [
    Work(
        "gradient in 8 coefficients of lfilter, 100000 samples",
        gradient_of_filter,
        [
            Peer("the value alone", value_of_filter, at_most=12, read=None),
            Peer("by hand", by_hand, read=None),
            Peer("dualdiff, mode='forward'", partial(gradient_of_filter, mode="forward"), read=None),
        ],
        self_checked=True,
        rounds=15,
    ),
    Work(
        "gradient with respect to an image of 256 x 256, smoothed",
        gradient_of_image,
        [Peer("the value alone", value_of_image, read=None), Peer("by hand", smoothed_twice, read=None)],
        self_checked=True,
        rounds=15,
    ),
]
