"""Linear algebra, each beside what one would write by hand, and the ways that a structural function can take.

In the first work the matrix A(p) and its derivative, 20 matrices, are made by the same means on both sides of the bar:
what it holds is that of the rule for `solve`.  Beside it stands the solution by hand that is spared A's derivative.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .harness import Call, Peer, Work, jax, optional, second_of_pair

_random = np.random.default_rng(0)


# -- a linear system that depends on parameters ------------------------------------------------------------------------
N, PARAMETERS = 500, 20
DISTANCES = _random.random((PARAMETERS, N, N)) / PARAMETERS
RIDGE = N * np.eye(N)
P = _random.random(PARAMETERS)
B = _random.standard_normal(N)


def matrix(p: Any) -> Any:
    """A kernel with a scale for each of its distances."""
    return np.exp(-np.tensordot(p, DISTANCES, 1)) + RIDGE


def solution(p: Any) -> Any:
    return np.linalg.solve(matrix(p), B)


def solution_jacobian() -> Call:
    return partial(optional("dualdiff").jacobian, solution, P)


def by_hand(p: Any, slopes: Callable[[Any], Any] | None) -> Any:
    """The value, and the Jacobian from one factorization; without A's derivative with some right-hand sides."""
    linalg = optional("scipy.linalg")
    a = matrix(p)
    x = np.linalg.solve(a, B)
    right = DISTANCES[:, :, 0].T if slopes is None else -np.moveaxis(slopes(p), -1, 0) @ x
    return x, linalg.lu_solve(linalg.lu_factor(a), right if slopes is None else right.T)


def with_slopes() -> Call:
    return partial(by_hand, P, partial(optional("dualdiff").jacobian, matrix))


def without_slopes() -> Call:
    optional("scipy.linalg")
    return partial(by_hand, P, None)


def expected_jacobian() -> Any:
    kernel = np.exp(-np.tensordot(P, DISTANCES, 1))
    a = kernel + RIDGE
    return np.linalg.solve(a, ((DISTANCES * kernel) @ np.linalg.solve(a, B)).T)


# -- the likelihood of a Gaussian process ------------------------------------------------------------------------------
POINTS = np.linspace(0.0, 10.0, 200)
DATA = np.sin(POINTS) + 0.1 * _random.standard_normal(len(POINTS))
HYPER = np.array([0.2, 0.1, -2.0])
SQUARES = (POINTS[:, None] - POINTS) ** 2
UNIT = np.eye(len(POINTS))


def likelihood(library: Any, solve_triangular: Any) -> Callable[[Any], Any]:
    """The negative logarithm, by Cholesky's factor, for a library of arrays."""

    def f(p: Any) -> Any:
        covariance = library.exp(p[0] - SQUARES * library.exp(p[1])) + library.exp(p[2]) * UNIT
        factor = library.linalg.cholesky(covariance)
        white = solve_triangular(factor, DATA, lower=True)
        return 0.5 * white @ white + library.sum(library.log(library.diag(factor)))

    return f


def likelihood_gradient() -> Call:
    dualdiff = optional("dualdiff")
    return partial(dualdiff.gradient, likelihood(np, dualdiff.scipy.linalg.solve_triangular), HYPER)


def likelihood_backwards() -> Call:
    dualdiff = optional("dualdiff")
    return partial(dualdiff.gradient, likelihood(np, dualdiff.scipy.linalg.solve_triangular), HYPER, mode="reverse")


def likelihood_by_autograd() -> Call:
    written = likelihood(optional("autograd.numpy"), optional("autograd.scipy.linalg").solve_triangular)
    return partial(optional("autograd").grad(written), HYPER)


def value_of_likelihood() -> Call:
    return partial(likelihood(np, optional("scipy.linalg").solve_triangular), HYPER)


def likelihood_by_hand(p: Any) -> Any:
    kernel = np.exp(p[0] - SQUARES * np.exp(p[1]))
    inverse = np.linalg.inv(kernel + np.exp(p[2]) * UNIT)
    weights = inverse @ DATA
    slope = 0.5 * (inverse - np.outer(weights, weights))
    return np.array(
        [np.sum(slope * kernel), -np.sum(slope * kernel * SQUARES) * np.exp(p[1]), np.trace(slope) * np.exp(p[2])]
    )


# -- the exponential of a matrix ---------------------------------------------------------------------------------------
RATES = _random.random((50, 50)) / 10
START, END = _random.random((2, 50))


def exponential_gradient() -> Call:
    dualdiff = optional("dualdiff")
    optional("scipy.linalg")
    return partial(dualdiff.gradient, lambda a: END @ dualdiff.scipy.linalg.expm(a) @ START, RATES)


def exponential_by_frechet() -> Call:
    linalg = optional("scipy.linalg")
    backwards = np.outer(END, START)
    return lambda: (END @ linalg.expm(RATES) @ START, linalg.expm_frechet(RATES.T, backwards, compute_expm=False))


def exponential_by_eigenvectors() -> Any:
    """The gradient by divided differences."""
    w, v = np.linalg.eig(RATES.T)
    gaps = w[:, None] - w
    np.fill_diagonal(gaps, 1.0)
    differences = (np.exp(w)[:, None] - np.exp(w)) / gaps
    np.fill_diagonal(differences, np.exp(w))
    inverse = np.linalg.inv(v)
    return (v @ (differences * (inverse @ np.outer(END, START) @ v)) @ inverse).real


def exponential_by_jax() -> Call:
    module = jax()
    expm = optional("jax.scipy.linalg").expm
    compiled = module.jit(module.grad(lambda a: END @ expm(a) @ START))
    return lambda: np.asarray(compiled(RATES))


def value_of_exponential() -> Call:
    return partial(optional("scipy.linalg").expm, RATES)


# -- the ways of a structural function ---------------------------------------------------------------------------------
X = np.linspace(0.0, 3.0, 1000)
EVERY_OTHER = np.arange(0, len(X), 2)


def along_ways(way: Callable[[Any], Any]) -> Callable[[], Call]:
    """The directional derivative of a sum of sines over every other element."""

    def prepare() -> Call:
        jvp = optional("dualdiff").jvp
        return lambda: jvp(lambda x: np.sum(np.sin(way(x))), X, X)[1]

    return prepare


def as_objects(x: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(x)[::2]


WORKS = [
    Work(
        f"Jacobian of solve(A(p), b), n = {N}, {PARAMETERS} parameters",
        solution_jacobian,
        [
            Peer("A's by dualdiff, value, lu_factor, lu_solve by hand", with_slopes, at_most=1.2, read=second_of_pair),
            Peer("value, lu_factor, lu_solve by hand, no derivative of A", without_slopes, read=None),
            Peer("the value alone", lambda: partial(solution, P), read=None),
        ],
        expected=expected_jacobian(),
        rounds=15,
    ),
    Work(
        f"gradient of the likelihood of a Gaussian process, {len(POINTS)} points, by Cholesky's factor",
        likelihood_gradient,
        [
            Peer("autograd grad", likelihood_by_autograd, at_most=1.0),
            Peer("dualdiff, mode='reverse'", likelihood_backwards),
            Peer("by hand, `np`", lambda: partial(likelihood_by_hand, HYPER)),
            Peer("the value alone", value_of_likelihood, read=None),
        ],
        expected=likelihood_by_hand(HYPER),
        rounds=15,
    ),
    Work(
        "gradient through the exponential of a matrix of 50 x 50",
        exponential_gradient,
        [
            Peer("expm and expm_frechet by hand", exponential_by_frechet, at_most=1.5, read=second_of_pair),
            Peer("jax.jit(grad)", exponential_by_jax),
            Peer("the value alone, scipy.linalg.expm", value_of_exponential, read=None),
        ],
        expected=exponential_by_eigenvectors(),
        rounds=15,
    ),
    Work(
        "every other of 1000 elements, as a view",
        along_ways(lambda x: x[::2]),
        [
            Peer("as an index array", along_ways(lambda x: x[EVERY_OTHER])),
            Peer("as objects, after np.asarray", along_ways(as_objects)),
        ],
        expected=np.sum(np.cos(X[::2]) * X[::2]),
    ),
]
