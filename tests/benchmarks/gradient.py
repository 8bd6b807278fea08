"""The gradient of Rosenbrock's function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from .harness import Call, Peer, Work, jax, optional, second_of_pair


def written_with(library: Any) -> Callable[[Any], Any]:
    """Vectorised, for a library of arrays."""

    def rosenbrock(x: Any) -> Any:
        return library.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    return rosenbrock


def rosenbrock_loop(x: Any) -> Any:
    """For num_dual, which has numbers but no arrays."""
    total = 0.0
    for a, b in pairwise(x):
        total = total + 100 * (b - a**2) ** 2 + (1 - a) ** 2
    return total


def gradient_by_hand(x: Any) -> Any:
    g = np.zeros_like(x)
    slope = 200 * (x[1:] - x[:-1] ** 2)
    g[1:] = slope
    g[:-1] -= 2 * x[:-1] * slope + 2 * (1 - x[:-1])
    return g


def dualdiff(x: Any) -> Call:
    return partial(optional("dualdiff").gradient, written_with(np), x)


def plain_numpy(x: Any) -> Call:
    return partial(written_with(np), x)


def by_hand(x: Any) -> Call:
    return partial(gradient_by_hand, x)


def num_dual(x: Any) -> Call:
    return partial(optional("num_dual").gradient, rosenbrock_loop, x.tolist())


def autograd(x: Any) -> Call:
    return partial(optional("autograd").grad(written_with(optional("autograd.numpy"))), x)


def advect(x: Any) -> Call:
    return partial(optional("advect").grad(written_with(np)), x)


def differences(x: Any) -> Call:
    return partial(optional("scipy.optimize._numdiff").approx_derivative, written_with(np), x, method="2-point")


def dualpy(x: Any) -> Call:
    return partial(optional("dualpy").gradient(written_with(np)), x)


def jax_grad(x: Any) -> Call:
    module = jax()
    compiled = module.jit(module.grad(written_with(module.numpy)))
    return lambda: np.asarray(compiled(x))


def work(n: int, rounds: int) -> Work:
    x = np.linspace(0.5, 1.5, n)
    return Work(
        f"gradient, Rosenbrock, n = {n}",
        partial(dualdiff, x),
        [
            Peer("the value alone, `np`", partial(plain_numpy, x), read=None),
            Peer("by hand, `np`", partial(by_hand, x)),
            Peer("num_dual (Rust), a loop", partial(num_dual, x), read=second_of_pair),
            Peer("autograd grad (reverse)", partial(autograd, x)),
            Peer("advect grad (reverse)", partial(advect, x)),
            Peer("SciPy's 2-point differences", partial(differences, x), read=None),
            Peer("dualpy", partial(dualpy, x)),
            Peer("jax.jit(grad) (reverse)", partial(jax_grad, x)),
        ],
        expected=gradient_by_hand(x),
        rounds=rounds,
    )


def adapted_rosen(x: Any) -> Call:
    library = optional("dualdiff")
    return partial(library.gradient, library.adapt(optional("scipy.optimize").rosen), x)


def work_of_scipy(n: int, rounds: int) -> Work:
    x = np.linspace(0.5, 1.5, n)
    return Work(
        f"gradient, adapt(scipy.optimize.rosen), n = {n}",
        partial(adapted_rosen, x),
        [Peer("the formula written in NumPy", partial(dualdiff, x))],
        expected=gradient_by_hand(x),
        rounds=rounds,
    )


WORKS = [work(12, rounds=31), work(120, rounds=31), work(1200, rounds=15), work_of_scipy(1000, rounds=31)]
