"""What users do most: fits, loops of scalars, optimisers, likelihoods; against what derivatives replace there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

import dualdiff
from dualdiff.base import native

from .harness import Call, Peer, Work, optional

# -- Jacobians of models -----------------------------------------------------------------------------------------------
PEAKS = np.array([3.0, 2.0, 0.5, 2.0, 5.0, 0.8, 4.0, 8.0, 0.4])


def gaussians(t: Any) -> Callable[[Any], Any]:
    def model(p: Any) -> Any:
        return (
            p[0] * np.exp(-(((t - p[1]) / p[2]) ** 2))
            + p[3] * np.exp(-(((t - p[4]) / p[5]) ** 2))
            + p[6] * np.exp(-(((t - p[7]) / p[8]) ** 2))
        )

    return model


def gaussians_by_hand(t: Any) -> Callable[[Any], Any]:
    def jacobian(p: Any) -> Any:
        columns = np.empty((len(t), 9))
        for i in (0, 3, 6):
            height, centre, width = p[i : i + 3]
            z = (t - centre) / width
            bell = np.exp(-(z**2))
            slope = 2 * height * bell * z / width
            columns[:, i], columns[:, i + 1], columns[:, i + 2] = bell, slope, slope * z
        return columns

    return jacobian


def oscillation(t: Any) -> Callable[[Any], Any]:
    return lambda p: p[0] * np.exp(-p[1] * t) * np.cos(p[2] * t + p[3]) + p[4]


def inhibition(s: Any) -> Callable[[Any], Any]:
    return lambda p: p[0] * s / (p[1] + s + s**2 / p[2])


def differences(f: Callable[[Any], Any], p: Any) -> Call:
    return partial(optional("scipy.optimize._numdiff").approx_derivative, f, p, method="2-point")


def jacobian_work(name: str, f: Callable[[Any], Any], p: Any, by_differences: float, *by_hand: Any) -> Work:
    peers = [Peer("SciPy's 2-point differences", partial(differences, f, p), by_differences, read=None)]
    if by_hand:
        jacobian, bar = by_hand
        peers.append(Peer("by hand", lambda: partial(jacobian, p), bar))
    peers.append(Peer("the value alone", lambda: partial(f, p), read=None))
    expected = by_hand[0](p) if by_hand else dualdiff.jacobian(f, p, mode="reverse")
    return Work(f"Jacobian, {name}", lambda: partial(dualdiff.jacobian, f, p), peers, expected, rounds=15)


def fit_work(points: int, bar: float) -> Work:
    t = np.linspace(0, 10, points)
    y = gaussians(t)(PEAKS) + 0.01 * np.random.default_rng(0).normal(size=points)
    start = PEAKS * 1.05

    def model(t: Any, *p: Any) -> Any:
        return gaussians(t)(p)

    def jacobian(t: Any, *p: Any) -> Any:
        return dualdiff.jacobian(gaussians(t), np.array(p))

    def fit(**options: Any) -> Call:
        return lambda: optional("scipy.optimize").curve_fit(model, t, y, start, method="lm", **options)[0]

    expected = fit(jac=jacobian_by_hand)()
    return Work(
        f"curve_fit, three Gaussians, {points} points",
        lambda: fit(jac=jacobian),
        [Peer("its own differences", fit, bar, read=None)],
        expected,
        rounds=9,
    )


def jacobian_by_hand(t: Any, *p: Any) -> Any:
    return gaussians_by_hand(t)(np.array(p))


# -- loops of scalars --------------------------------------------------------------------------------------------------
def loop(a: Any, b: Any = 1.3) -> Any:
    """500 steps of 8 operations."""
    s = 0.0
    for _ in range(500):
        s = s + a * b - s / (a + 2.0) + s * 0.1 - b
    return s


def loop_of(k: int) -> Callable[[Any], Any]:
    """The loop with parameters from an array, of which the first two are in the loop."""

    def f(p: Any) -> Any:
        s = loop(p[0], p[1] if k > 1 else 1.3)
        for i in range(2, k):
            s = s + p[i]
        return s

    return f


def scalar_loop() -> Work:
    return Work(
        "derivative, a loop of 500 steps of scalars",
        lambda: partial(dualdiff.derivative, loop, 0.7),
        [Peer("the value alone", lambda: partial(loop, 0.7), 16 if native.SCALARS is None else 6, read=None)],
        dualdiff.jvp(loop, 0.7, 1.0)[1],
    )


def vector_loop(k: int) -> Work:
    """Against one derivative: the bar is k times 1.3 of it."""
    f, p = loop_of(k), np.full(k, 0.7)
    return Work(
        f"gradient, the same, {k} parameters",
        lambda: partial(dualdiff.gradient, f, p),
        [Peer("`derivative` of one", lambda: partial(dualdiff.derivative, loop, 0.7), 1.3 * k, read=None)],
        dualdiff.gradient(f, p, mode="reverse"),
    )


# -- likelihoods and optimisers ----------------------------------------------------------------------------------------
def gaussian_process() -> Work:
    n = 500
    x = np.linspace(0, 10, n)
    y = np.sin(x)
    squares = (x[:, None] - x) ** 2

    def likelihood(p: Any) -> Any:
        k = np.exp(p[0]) * np.exp(-squares / np.exp(p[1])) + np.exp(p[2]) * np.eye(n)
        return y @ np.linalg.solve(k, y) + np.linalg.slogdet(k)[1]

    p = np.array([0.1, 0.3, -2.0])
    return Work(
        "gradient, likelihood of a Gaussian process, 500 points, 3 parameters",
        lambda: partial(dualdiff.gradient, likelihood, p),
        [
            Peer("the value alone", lambda: partial(likelihood, p), 5, read=None),
            Peer("SciPy's 2-point differences", partial(differences, likelihood, p), 1, read=None),
        ],
        dualdiff.gradient(likelihood, p, mode="forward"),
        rounds=9,
    )


@cache
def observations() -> tuple[Any, Any, Any]:
    """Features, labels and weights: 80 MB, made when they are first asked for."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(10**5, 100)), rng.integers(0, 2, 10**5) * 2.0 - 1.0, 0.1 * rng.normal(size=100)


def logistic_loss(w: Any) -> Any:
    features, labels, _ = observations()
    return np.sum(np.logaddexp(0.0, -labels * (features @ w))) + 0.5 * w @ w


def logistic_by_hand(w: Any) -> Any:
    features, labels, _ = observations()
    return features.T @ (-labels / (1 + np.exp(labels * (features @ w)))) + w


def logistic() -> Work:
    def checked() -> Call:
        w = observations()[2]
        np.testing.assert_allclose(dualdiff.gradient(logistic_loss, w), logistic_by_hand(w))
        return partial(dualdiff.gradient, logistic_loss, w)

    return Work(
        "gradient, L2 logistic regression, 100000 x 100",
        checked,
        [
            Peer("by hand", lambda: partial(logistic_by_hand, observations()[2]), 1.1, read=None),
            Peer("the value alone", lambda: partial(logistic_loss, observations()[2]), read=None),
        ],
        self_checked=True,
        rounds=9,
    )


def hs71() -> Work:
    """Hock and Schittkowski's problem 71, a small one, by SLSQP."""
    start = np.array([1.0, 5.0, 5.0, 1.0])

    def cost(x: Any) -> Any:
        return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]

    def product(x: Any) -> Any:
        return x[0] * x[1] * x[2] * x[3] - 25

    def sphere(x: Any) -> Any:
        return x[0] ** 2 + x[1] ** 2 + x[2] ** 2 + x[3] ** 2 - 40

    def solve(gradient: Any) -> Call:
        def call() -> Any:
            given = {"jac": gradient(cost)} if gradient else {}
            constraints = [
                {"type": kind, "fun": f, **({"jac": gradient(f)} if gradient else {})}
                for kind, f in (("ineq", product), ("eq", sphere))
            ]
            bounds = [(1, 5)] * 4
            minimize = optional("scipy.optimize").minimize
            return minimize(cost, start, method="SLSQP", bounds=bounds, constraints=constraints, **given).x

        return call

    return Work(
        "SLSQP on problem 71 of Hock and Schittkowski",
        lambda: solve(dualdiff.gradient),
        [Peer("its own differences", lambda: solve(None), 2, read=None)],
        solve(dualdiff.gradient)(),
        rounds=9,
    )


def hierarchical() -> Work:
    """Eight schools: eight effects, their mean and the logarithm of their spread."""
    y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    errors = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])

    def density(p: Any) -> Any:
        effects, mean, spread = p[:8], p[8], np.exp(p[9])
        prior = -0.5 * np.sum(((effects - mean) / spread) ** 2) - 8 * np.log(spread)
        return prior - 0.5 * np.sum(((y - effects) / errors) ** 2) - 0.5 * mean**2 / 25 - spread / 5

    p = np.linspace(-1, 1, 10)
    return Work(
        "gradient, a hierarchical model of 10 parameters",
        lambda: partial(dualdiff.gradient, density, p),
        [Peer("the value alone", lambda: partial(density, p), 12, read=None)],
        dualdiff.gradient(density, p, mode="forward"),
    )


# -- differential equations --------------------------------------------------------------------------------------------
def volterra(t: Any, z: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    x, y = z
    return [a * x - b * x * y, -c * y + d * x * y]


def volterra_in_arrays(t: Any, z: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    x, y = z
    return np.array([a * x - b * x * y, -c * y + d * x * y])


#: The derivatives of the final state in the parameters and the initial state, by the variational equations.
SLOPES = np.array(
    [
        [8.1887625370559, -3.6535158513481, 4.9779134901669, -8.3112986947024, -0.7597547316605, -0.7307031702696],
        [-1.1664031815326, 0.3587869268289, -0.7042811914293, 0.9176468662074, 0.0917646866207, 0.0868389446139],
    ]
)


def sensitivities(method: str, bar: float, compiled: bool = False, tolerance: float = 1e-10) -> Work:
    q = np.array([1.5, 1.0, 3.0, 1.0, 10.0, 5.0])

    def end(module: str) -> Callable[[Any], Any]:
        solve = optional(module).solve_ivp
        f = optional("numba").njit(volterra_in_arrays) if compiled else volterra
        options = {"method": method, "rtol": tolerance, "atol": tolerance / 100}
        return lambda q: solve(f, (0.0, 15.0), q[4:], args=tuple(q[:4]), **options).y[:, -1]

    def ours() -> Call:
        f = end("dualdiff.scipy.integrate")
        np.testing.assert_allclose(np.asarray(dualdiff.jacobian(f, q)), SLOPES, rtol=1e-8 if tolerance < 1e-8 else 1e-5)
        return lambda: dualdiff.jacobian(f, q)

    name = f"sensitivities of Lotka-Volterra, 4 parameters and 2 initial values, {method}"
    peer = Peer("one solution by SciPy", lambda: partial(end("scipy.integrate"), q), bar, read=None)
    return Work(f"{name}, @njit" if compiled else name, ours, [peer], self_checked=True, rounds=9)


WORKS = [
    jacobian_work(
        "three Gaussians, 1000 points", gaussians(t := np.linspace(0, 10, 1000)), PEAKS, 0.5, gaussians_by_hand(t), 3.5
    ),
    jacobian_work(
        "three Gaussians, 100000 points",
        gaussians(t := np.linspace(0, 10, 10**5)),
        PEAKS,
        0.6,
        gaussians_by_hand(t),
        4.5,
    ),
    jacobian_work(
        "a damped oscillation, 400 points", oscillation(np.linspace(0, 5, 400)), np.array([2.0, 0.3, 4.0, 0.5, 0.1]), 1
    ),
    jacobian_work(
        "Michaelis-Menten with inhibition, 400 points",
        inhibition(np.linspace(0.1, 20, 400)),
        np.array([2.0, 1.5, 9.0]),
        1,
    ),
    fit_work(100, 1.3),
    fit_work(1000, 1),
    fit_work(10**5, 1.1),
    scalar_loop(),
    *map(vector_loop, (1, 2, 8)),
    gaussian_process(),
    logistic(),
    hs71(),
    hierarchical(),
    sensitivities("RK45", 8),
    sensitivities("DOP853", 8),
    sensitivities("Radau", 3, tolerance=1e-8),
    sensitivities("BDF", 3, tolerance=1e-8),
    sensitivities("LSODA", 15, tolerance=1e-8),
    sensitivities("RK45", 4, compiled=True),
]
