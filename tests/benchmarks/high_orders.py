"""Derivatives of high order: Taylor coefficients, against lower orders, values and nested duals."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from .harness import Call, Peer, Work, jax, optional

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


def peer(title: str, make: Any, at_most: float | None = None) -> Peer:
    return Peer(title, make, at_most, read=None)


def checked(call: Call, coefficient: Any, order: int, x: Any = X) -> Call:
    """The call of a peer, whose coefficient of an order must be that of dualdiff."""
    np.testing.assert_allclose(coefficient(call()), optional("dualdiff").taylor(f, x, order)[order], rtol=1e-9)
    return call


def jet(order: int, x: Any = X) -> Call:
    """JAX's series, compiled; its coefficients are derivatives."""
    module, experimental = jax(), optional("jax.experimental.jet")
    np_of_jax = module.numpy

    def formula(x: Any) -> Any:
        return np_of_jax.sin(x) * np_of_jax.exp(-(x**2)) + np_of_jax.log(1 + x**2) * x**3

    def derivatives(x: Any) -> Any:
        zero = np_of_jax.zeros_like(x)
        return experimental.jet(formula, (x,), ([zero + 1.0, *[zero] * (order - 1)],))

    compiled, x = module.jit(derivatives), np_of_jax.asarray(x)
    call = lambda: module.block_until_ready(compiled(x))
    return checked(call, lambda result: np.asarray(result[1][order - 1]) / math.factorial(order), order, x)


def dace(order: int) -> Call:
    """The differential algebra of DACE, by its Python interface, in one variable."""
    da = optional("daceypy").DA
    da.init(order, 1)

    def call() -> Any:
        x = X + da(1)
        return da.sin(x) * da.exp(-(x**2)) + da.log(1 + x**2) * x**3

    return checked(call, lambda result: result.getCoefficient([order]), order)


def heyoka(order: int, points: Any) -> Call:
    """All derivatives as one symbolic expression, compiled by heyoka."""
    hy = optional("heyoka")
    x = hy.make_vars("x")
    formula = hy.sin(x) * hy.exp(-(x**2)) + hy.log(1.0 + x**2) * x**3
    tensors = hy.diff_tensors([formula], [x], diff_order=order)
    compiled = hy.cfunc([tensors.get_derivatives(k)[0][1] for k in range(order + 1)], [x])
    given = np.ascontiguousarray(points[None])
    call = partial(compiled, given)
    return checked(call, lambda result: result[order] / math.factorial(order), order, points)


#: Parameters, and the state at t = 10 by mpmath's odefun at 40 digits.
VOLTERRA = (1.1, 0.4, 0.4, 0.1)
START, END = np.array([10.0, 5.0]), np.array([13.63363924392172118879969, 2.551950971187362577046486])


def volterra(t: float, y: Any) -> list[Any]:
    a, b, c, d = VOLTERRA
    return [a * y[0] - b * y[0] * y[1], d * y[0] * y[1] - c * y[1]]


def accurate(call: Call, state: Any, error: float) -> Call:
    """The call of a solver, whose relative error at the end must not exceed what its title says."""
    np.testing.assert_allclose(state(call()), END, rtol=error)
    return call


def integrated(error: float, **options: Any) -> Call:
    """By SciPy's driver."""
    if options["method"] == "Taylor":
        options["method"] = optional("dualdiff.scipy.integrate").Taylor
    solve = optional("scipy.integrate").solve_ivp
    return accurate(lambda: solve(volterra, (0.0, 10.0), START, **options), lambda result: result.y[:, -1], error)


def by_heyoka(error: float) -> Call:
    """By the compiled Taylor integrator, which is made before; the state is put back for each run."""
    hy = optional("heyoka")
    a, b, c, d = VOLTERRA
    x, y = hy.make_vars("x", "y")
    solver = hy.taylor_adaptive([(x, a * x - b * x * y), (y, d * x * y - c * y)], START)

    def call() -> Any:
        solver.time, solver.state[:] = 0.0, START
        solver.propagate_until(10.0)
        return solver.state

    return accurate(call, np.array, error)


def network(n: int) -> Any:
    """A network of three layers of 64, of n arguments."""
    random = np.random.default_rng(0)
    first, second, third, last = (random.normal(size=(64, m)) / np.sqrt(m) for m in (n, 64, 64, 1))
    return lambda x: last[:, 0] @ np.tanh(third @ np.tanh(second @ np.tanh(first @ x)))


def rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def laplacian(function: Any, n: int) -> Call:
    return partial(optional("dualdiff").laplacian, function, np.linspace(-1, 1, n))


def trace_of_hessian(function: Any, n: int) -> Call:
    hessian, x = optional("dualdiff").hessian, np.linspace(-1, 1, n)
    return lambda: np.trace(hessian(function, x))


def laplacians(title: str, function: Any, n: int, at_most: float) -> Work:
    return Work(
        f"Laplacian of {title} of {n} arguments",
        partial(laplacian, function, n),
        [Peer("the trace of the Hessian", partial(trace_of_hessian, function, n), at_most)],
        expected=trace_of_hessian(function, n)(),
    )


WORKS = [
    Work(
        "order 30 of a formula",
        partial(series, 30),
        [
            peer("order 5", partial(series, 5), 15),
            peer("JAX's jet, compiled", partial(jet, 30)),
            peer("DACE", partial(dace, 30)),
        ],
        at_most_seconds=1e-3,
        self_checked=True,
    ),
    Work("order 80 of a formula", partial(series, 80), [peer("order 20", partial(series, 20), 24)], self_checked=True),
    Work(
        "order 8 at 100,000 points",
        partial(series, 8, POINTS),
        [
            peer("the value alone", lambda: partial(f, POINTS), 25),
            peer("JAX's jet, compiled", partial(jet, 8, POINTS)),
            peer("heyoka, compiled", partial(heyoka, 8, POINTS)),
        ],
        self_checked=True,
    ),
    Work(
        "order 4 of solve and logdet of a 50 x 50 matrix",
        partial(series, 4, 0.3, of_matrix),
        [peer("nested four deep", partial(nested, 4, 0.3, of_matrix), 1 / 5)],
        self_checked=True,
    ),
    Work(
        "Lotka-Volterra to T = 10 by Taylor's method, error below 2e-15",
        partial(integrated, 2e-15, method="Taylor"),
        [
            peer("heyoka, compiled, below 2e-15", partial(by_heyoka, 2e-15)),
            peer(
                "DOP853 at a tolerance of 1e-13, below 2e-13",
                partial(integrated, 2e-13, method="DOP853", rtol=1e-13, atol=1e-13),
            ),
        ],
        self_checked=True,
    ),
    *(laplacians("a network", network(n), n, 1 / 2) for n in (10, 100)),
    laplacians("the Rosenbrock function", rosenbrock, 10, 0.9),
    laplacians("the Rosenbrock function", rosenbrock, 100, 2 / 3),
]
