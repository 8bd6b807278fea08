"""The derivative at a float."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from dualdiff.base import native

from .harness import Call, Peer, Work, jax, optional, second_of_pair
from .points import derivative_by_hand, written_with, written_with_methods

X = 0.7


def dualdiff_on_numpy() -> Call:
    return partial(optional("dualdiff").derivative, written_with(np), X)


def dualdiff_on_its_own() -> Call:
    dualdiff = optional("dualdiff")
    return partial(dualdiff.derivative, written_with(dualdiff), X)


def plain_math() -> Call:
    return partial(written_with(math), X)


def plain_numpy() -> Call:
    return partial(written_with(np), X)


def num_dual() -> Call:
    return partial(optional("num_dual").first_derivative, written_with_methods, X)


def autograd() -> Call:
    make_jvp = optional("autograd").make_jvp
    f = written_with(optional("autograd.numpy"))
    return lambda: make_jvp(f)(X)(1.0)


def advect() -> Call:
    push = optional("advect").jvp(written_with(np))
    return lambda: push(X, tangents=1.0)


def differences() -> Call:
    return partial(optional("scipy.optimize._numdiff").approx_derivative, written_with(np), X, method="2-point")


def dualpy() -> Call:
    # The derivative is made once and called often, which is how dualpy is meant to be used.
    return partial(optional("dualpy").derivative(written_with(np)), X)


def jax_grad() -> Call:
    module = jax()
    compiled = module.jit(module.grad(written_with(module.numpy)))
    return lambda: float(compiled(X))


def peers(num_dual_at_most: float) -> list[Peer]:
    return [
        Peer("the value alone, `math`", plain_math, read=None),
        Peer("the value alone, `np`", plain_numpy, read=None),
        Peer("num_dual (Rust), its own methods", num_dual, num_dual_at_most, second_of_pair),
        Peer("autograd make_jvp", autograd, 1 / 25, second_of_pair),
        Peer("advect jvp", advect, read=second_of_pair),
        Peer("SciPy's 2-point differences", differences, read=None),
        Peer("dualpy", dualpy),
        Peer("jax.jit(grad)", jax_grad),
    ]


#: With the compiled scalar core, faster than Rust called from Python.
OWN_AT_MOST = 1.6 if native.SCALARS is None else 0.8

WORKS = [
    Work("derivative at a float, f with `np.`", dualdiff_on_numpy, peers(2.2), derivative_by_hand(X)),
    Work("derivative at a float, f with `dualdiff.`", dualdiff_on_its_own, peers(OWN_AT_MOST), derivative_by_hand(X)),
]
