"""The Jacobian of a dense function of a hundred variables."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .harness import Call, Peer, Work, jax, optional

N = 100
_random = np.random.default_rng(0)
X = _random.standard_normal(N)
A, B = _random.standard_normal((2, N, N)) / np.sqrt(N)


def written_with(library: Any) -> Callable[[Any], Any]:
    """Two layers, and a sum that couples everything once more."""

    def f(x: Any) -> Any:
        h = library.tanh(A @ x)
        return library.tanh(B @ h) + h * library.sum(h * h)

    return f


def jacobian_by_hand(x: Any) -> Any:
    """The chain rule, written out."""
    h = np.tanh(A @ x)
    dh = (1 - h * h)[:, None] * A
    t = np.tanh(B @ h)
    return (1 - t * t)[:, None] * (B @ dh) + np.sum(h * h) * dh + np.outer(h, 2 * h @ dh)


def dualdiff() -> Call:
    return partial(optional("dualdiff").jacobian, written_with(np), X)


def by_hand() -> Call:
    return partial(jacobian_by_hand, X)


def autograd() -> Call:
    return partial(optional("autograd").jacobian(written_with(optional("autograd.numpy"))), X)


def advect() -> Call:
    return partial(optional("advect").jacobian(written_with(np)), X)


def differences() -> Call:
    return partial(optional("scipy.optimize._numdiff").approx_derivative, written_with(np), X, method="2-point")


def dualpy() -> Call:
    return partial(optional("dualpy").jacobian(written_with(np)), X)


def jax_jacfwd() -> Call:
    module = jax()
    compiled = module.jit(module.jacfwd(written_with(module.numpy)))
    return lambda: np.asarray(compiled(X))


WORKS = [
    Work(
        "jacobian, dense 100 → 100",
        dualdiff,
        [
            Peer("by hand, `np`", by_hand),
            Peer("autograd jacobian", autograd, at_most=1 / 20),
            Peer("advect jacobian", advect),
            Peer("SciPy's 2-point differences", differences, read=None),
            Peer("dualpy", dualpy),
            Peer("jax.jit(jacfwd)", jax_jacfwd, at_most=1.5),
        ],
        expected=jacobian_by_hand(X),
    )
]
