"""Reverse mode: gradients in many variables, and a linearization that serves many products."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .. import gradient
from ..harness import Call, Peer, Work, jax, optional

Written = Callable[[Any], Callable[[Any], Any]]


def autograd(written: Written, x: Any) -> Call:
    return partial(optional("autograd").grad(written(optional("autograd.numpy"))), x)


def jax_grad(written: Written, x: Any) -> Call:
    module = jax()
    compiled = module.jit(module.grad(written(module.numpy)))
    return lambda: np.asarray(compiled(x))


def dualdiff(written: Written, x: Any) -> Call:
    return partial(optional("dualdiff").gradient, written(np), x)


def gradient_work(
    name: str,
    written: Written,
    by_hand: Callable[[Any], Any],
    x: Any,
    of_value: float | None = None,
    rounds: int = 31,
) -> Work:
    """The gradient of one function at one point; its cost in values of f has to stay below ``of_value``."""
    return Work(
        f"gradient, {name}",
        partial(dualdiff, written, x),
        [
            Peer("the value alone, `np`", lambda: partial(written(np), x), at_most=of_value, read=None),
            Peer("by hand, `np`", lambda: partial(by_hand, x)),
            Peer("autograd grad", partial(autograd, written, x), at_most=1.0),
            Peer("jax.jit(grad)", partial(jax_grad, written, x)),
        ],
        expected=by_hand(x),
        rounds=rounds,
    )


def ackley(library: Any) -> Callable[[Any], Any]:
    """Vectorised, for a library of arrays."""

    def f(x: Any) -> Any:
        root = library.sqrt(library.mean(x**2))
        return 20 + np.e - 20 * library.exp(-0.2 * root) - library.exp(library.mean(library.cos(2 * np.pi * x)))

    return f


def ackley_by_hand(x: Any) -> Any:
    root = np.sqrt(np.mean(x**2))
    bell = np.exp(np.mean(np.cos(2 * np.pi * x)))
    return (4 * np.exp(-0.2 * root) / root * x + 2 * np.pi * bell * np.sin(2 * np.pi * x)) / len(x)


# -- a network ---------------------------------------------------------------------------------------------------------
BATCH, FEATURES, HIDDEN, CLASSES = 256, 784, 126, 10
#: The parameters of both layers, one behind the other, and where each array of them ends.
SHAPES = [(FEATURES, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,)]
ENDS = np.cumsum([np.prod(shape) for shape in SHAPES]).tolist()
_random = np.random.default_rng(0)
PARAMETERS = 0.05 * _random.standard_normal(ENDS[-1])
IMAGES = _random.standard_normal((BATCH, FEATURES))
LABELS = np.eye(CLASSES)[_random.integers(0, CLASSES, BATCH)]


def layers(parameters: Any) -> list[Any]:
    """The flat parameters as the arrays of the layers."""
    starts = [0, *ENDS[:-1]]
    return [parameters[i:j].reshape(shape) for i, j, shape in zip(starts, ENDS, SHAPES, strict=True)]


def network(library: Any) -> Callable[[Any], Any]:
    """The mean cross entropy of a two-layer network, for a library of arrays."""

    def loss(parameters: Any) -> Any:
        w1, b1, w2, b2 = layers(parameters)
        scores = library.tanh(IMAGES @ w1 + b1) @ w2 + b2
        normalizers = library.log(library.sum(library.exp(scores), axis=1))
        return library.mean(normalizers - library.sum(LABELS * scores, axis=1))

    return loss


def network_by_hand(parameters: Any) -> Any:
    w1, b1, w2, b2 = layers(parameters)
    hidden = np.tanh(IMAGES @ w1 + b1)
    exponentials = np.exp(hidden @ w2 + b2)
    of_scores = (exponentials / exponentials.sum(axis=1, keepdims=True) - LABELS) / BATCH
    of_hidden = (of_scores @ w2.T) * (1 - hidden**2)
    slopes = IMAGES.T @ of_hidden, of_hidden.sum(axis=0), hidden.T @ of_scores, of_scores.sum(axis=0)
    return np.concatenate([slope.ravel() for slope in slopes])


# -- one linearization, many products ----------------------------------------------------------------------------------
PRODUCTS = 100
POINT = np.linspace(0.5, 1.5, 10**4)
DIRECTIONS = _random.standard_normal((PRODUCTS, len(POINT)))


def terms(x: Any) -> Any:
    """The terms of Rosenbrock's function, each by itself."""
    return 100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2


def linearized() -> Call:
    linearize = optional("dualdiff").linearize

    def products() -> list[Any]:
        _, linear = linearize(terms, POINT)
        return [linear(v) for v in DIRECTIONS]

    return products


def directional() -> Call:
    jvp = optional("dualdiff").jvp
    return lambda: [jvp(terms, POINT, v)[1] for v in DIRECTIONS]


def products_by_hand() -> list[Any]:
    x, v = POINT, DIRECTIONS
    residual = x[1:] - x[:-1] ** 2
    change = v[:, 1:] - 2 * x[:-1] * v[:, :-1]
    return list(200 * residual * change - 2 * (1 - x[:-1]) * v[:, :-1])


def rosenbrock_work(n: int, rounds: int) -> Work:
    x = np.linspace(0.5, 1.5, n)
    bar = 6.0 if n >= 10**4 else None
    return gradient_work(
        f"Rosenbrock, n = {n}", gradient.written_with, gradient.gradient_by_hand, x, bar, rounds=rounds
    )


def ackley_work(n: int, rounds: int) -> Work:
    x = np.linspace(-1.5, 2.0, n)
    return gradient_work(f"Ackley, n = {n}", ackley, ackley_by_hand, x, 6.0 if n >= 10**4 else None, rounds=rounds)


SIZES = [(10, 31), (100, 31), (1000, 31), (10**4, 31), (10**5, 15), (10**6, 7)]

WORKS = [
    *(rosenbrock_work(*size) for size in SIZES),
    *(ackley_work(*size) for size in SIZES),
    gradient_work(f"two-layer network, {ENDS[-1]} parameters, batch {BATCH}", network, network_by_hand, PARAMETERS),
    Work(
        f"linearize Rosenbrock's terms, n = {len(POINT)}, {PRODUCTS} products",
        linearized,
        [Peer(f"{PRODUCTS} calls of jvp", directional, at_most=1 / 1.6)],
        expected=products_by_hand(),
        rounds=15,
    ),
]
