"""The derivative at a million points, in one call of f; and that f, which scalars are measured with too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .harness import Call, Peer, Work, jax, optional, second_of_pair

N = 1_000_000
ONES = np.ones(N)


def written_with(library: Any) -> Callable[[Any], Any]:
    """f, in the words of a library that has sin, exp and log."""

    def f(x: Any) -> Any:
        return library.sin(x) * library.exp(-(x * x)) + library.log(1 + x * x) * x**3

    return f


def written_with_methods(x: Any) -> Any:
    """f in the words of num_dual, whose numbers carry their functions as methods."""
    return x.sin() * (-(x * x)).exp() + (1 + x * x).log() * x.powi(3)


def derivative_by_hand(x: Any) -> Any:
    """f', as one would write it out."""
    square = x * x
    bell = np.exp(-square)
    logarithm = np.log(1 + square)
    first = (np.cos(x) - 2 * x * np.sin(x)) * bell
    second = 2 * square * square / (1 + square) + 3 * square * logarithm
    return first + second


def dualdiff(x: Any) -> Call:
    return partial(optional("dualdiff").derivative, written_with(np), x)


def plain_numpy(x: Any) -> Call:
    return partial(written_with(np), x)


def by_hand(x: Any) -> Call:
    return partial(derivative_by_hand, x)


def autograd(x: Any) -> Call:
    make_jvp = optional("autograd").make_jvp
    f = written_with(optional("autograd.numpy"))
    return lambda: make_jvp(f)(x)(ONES)


def advect(x: Any) -> Call:
    push = optional("advect").jvp(written_with(np))
    return lambda: push(x, tangents=ONES)


def dualpy(x: Any) -> Call:
    return partial(optional("dualpy").jvp, written_with(np), x, ONES)


def jax_jvp(x: Any) -> Call:
    module = jax()
    f = written_with(module.numpy)
    compiled = module.jit(lambda x, v: module.jvp(f, (x,), (v,))[1])
    return lambda: np.asarray(compiled(x, ONES))


def work(low: float, high: float) -> Work:
    x = np.linspace(low, high, N)
    return Work(
        f"derivative at 10^6 points from {low:g} to {high:g}",
        partial(dualdiff, x),
        [
            Peer("the value alone, `np`", partial(plain_numpy, x), at_most=2.5, read=None),
            Peer("by hand, `np`", partial(by_hand, x)),
            Peer("autograd make_jvp", partial(autograd, x), 1.0, second_of_pair),
            Peer("advect jvp", partial(advect, x), read=second_of_pair),
            Peer("dualpy", partial(dualpy, x), read=second_of_pair),
            Peer("jax.jit(jvp)", partial(jax_jvp, x)),
        ],
        expected=derivative_by_hand(x),
        rounds=15,
    )


# With and without negative points: NumPy's power takes thirty times as long where a base is negative (on
# processors with AVX-512), and the value alone then five times.
WORKS = [work(-2, 2), work(0.1, 2)]
