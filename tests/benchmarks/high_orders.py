"""Derivatives of high order: Taylor coefficients, against lower orders, values and nested duals."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .harness import Call, Peer, Work, optional

X = 0.7
POINTS = np.linspace(0.1, 2.0, 100_000)
_n = np.arange(50)
MATRIX = np.exp(-((_n[:, None] - _n) ** 2) / 9.0) + 3 * np.eye(50)
CHANGE = np.sin(_n[:, None] + _n) / 10


def f(x: Any) -> Any:
    return np.sin(x) * np.exp(-(x**2)) + np.log(1 + x**2) * x**3


def of_matrix(t: Any) -> Any:
    a = MATRIX + t * CHANGE
    return np.sum(np.linalg.solve(a, np.ones(50))) + np.linalg.slogdet(a)[1]


def series(order: int, x: Any = X, function: Any = f) -> Call:
    return partial(optional("dualdiff").taylor, function, x, order)


def nested(order: int, x: Any, function: Any) -> Call:
    derivative = optional("dualdiff").derivative
    for _ in range(order):
        function = derivative(function)
    return partial(function, x)


def peer(title: str, make: Any, at_most: float | None) -> Peer:
    return Peer(title, make, at_most, read=None)


WORKS = [
    Work(
        "order 30 of a formula",
        partial(series, 30),
        [peer("order 5", partial(series, 5), 15)],
        at_most_seconds=1e-3,
        self_checked=True,
    ),
    Work("order 80 of a formula", partial(series, 80), [peer("order 20", partial(series, 20), 24)], self_checked=True),
    Work(
        "order 8 at 100,000 points",
        partial(series, 8, POINTS),
        [peer("the value alone", lambda: partial(f, POINTS), 25)],
        self_checked=True,
    ),
    Work(
        "order 4 of solve and logdet of a 50 x 50 matrix",
        partial(series, 4, 0.3, of_matrix),
        [peer("nested four deep", partial(nested, 4, 0.3, of_matrix), 1 / 5)],
        self_checked=True,
    ),
]
