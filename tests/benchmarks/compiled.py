"""Functions compiled by Numba, against derivatives by hand, C++ (Ceres) and JAX."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from .gradient import gradient_by_hand, written_with
from .harness import Call, Peer, Work, jax, optional
from .jacobian import X as COUPLED
from .jacobian import jacobian_by_hand
from .jacobian import written_with as coupled_with
from .large.sparse import ALPHA, brusselator, start

POINTS = np.linspace(-2.0, 2.0, 10**6)

CERES = """
#include <algorithm>
#include <vector>
#include <ceres/jet.h>
using Jet = ceres::Jet<double, 16>;

template <typename T> T rosenbrock(const T* x, int n) {
  T total(0.0);
  for (int i = 0; i < n - 1; ++i) {
    T a = x[i + 1] - x[i] * x[i];
    T b = 1.0 - x[i];
    total += 100.0 * a * a + b * b;
  }
  return total;
}

template <typename T> T ackley(const T* x, int n) {
  T squares(0.0), cosines(0.0);
  for (int i = 0; i < n; ++i) {
    squares += x[i] * x[i];
    cosines += cos(6.283185307179586 * x[i]);
  }
  return -20.0 * exp(-0.2 * sqrt(squares / double(n))) - exp(cosines / double(n)) + 20.0 + 2.718281828459045;
}

template <typename F> void gradient(F f, const double* x, int n, double* g) {
  std::vector<Jet, Eigen::aligned_allocator<Jet>> duals(n);
  for (int start = 0; start < n; start += 16) {
    for (int i = 0; i < n; ++i) {
      if (i >= start && i < start + 16) duals[i] = Jet(x[i], i - start); else duals[i] = Jet(x[i]);
    }
    Jet y = f(duals.data(), n);
    for (int k = 0; k < std::min(16, n - start); ++k) g[start + k] = y.v[k];
  }
}

extern "C" void rosenbrock_gradient(const double* x, int n, double* g) { gradient(rosenbrock<Jet>, x, n, g); }
extern "C" void ackley_gradient(const double* x, int n, double* g) { gradient(ackley<Jet>, x, n, g); }
"""


def curve_with(library: Any) -> Callable[[Any], Any]:
    """A smooth function of one number."""

    def curve(x: Any) -> Any:
        return library.sin(x) * library.exp(-(x**2)) + library.log(1 + x * x) * x**3

    return curve


def slope_by_hand(x: Any) -> Any:
    e, s = np.exp(-(x**2)), 1 + x * x
    return np.cos(x) * e - 2 * x * np.sin(x) * e + 2 * x**4 / s + 3 * x**2 * np.log(s)


def rosenbrock_loop(x: Any) -> Any:
    total = 0.0
    for i in range(x.size - 1):
        total += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def ackley_loop(x: Any) -> Any:
    squares, cosines = 0.0, 0.0
    for i in range(x.size):
        squares += x[i] ** 2
        cosines += np.cos(2 * np.pi * x[i])
    n = x.size
    return -20 * np.exp(-0.2 * np.sqrt(squares / n)) - np.exp(cosines / n) + 20 + np.e


def ackley_with(library: Any) -> Callable[[Any], Any]:
    """Ackley's function, vectorised."""

    def ackley(x: Any) -> Any:
        r = library.sqrt(library.sum(x**2) / x.size)
        return -20 * library.exp(-0.2 * r) - library.exp(library.sum(library.cos(2 * np.pi * x)) / x.size) + 20 + np.e

    return ackley


def ackley_gradient_by_hand(x: Any) -> Any:
    n = x.size
    r = np.sqrt(np.sum(x**2) / n)
    t = np.exp(np.sum(np.cos(2 * np.pi * x)) / n)
    return 4 * np.exp(-0.2 * r) * x / (n * r) + t * 2 * np.pi * np.sin(2 * np.pi * x) / n


def hessian_by_hand(x: Any) -> Any:
    h = np.zeros((x.size, x.size))
    i = np.arange(x.size - 1)
    h[i, i] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    h[i + 1, i + 1] += 200
    h[i, i + 1] = h[i + 1, i] = -400 * x[:-1]
    return h


@cache
def njit(f: Any) -> Any:
    """The compiled function, once for all works."""
    return optional("numba").njit(f)


@cache
def ceres() -> Any:
    """The C++ peer; missing where there is no compiler or no Ceres."""
    folder = Path(tempfile.mkdtemp())
    (folder / "peer.cpp").write_text(CERES)
    command = "g++ -O3 -march=native -std=c++17 -I/usr/include/eigen3 -shared -fPIC peer.cpp -o peer.so"
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ImportError("needs g++ and libceres-dev") from error
    return ctypes.CDLL(str(folder / "peer.so"))


def by_ceres(name: str, x: Any) -> Call:
    function = getattr(ceres(), name)
    source, count = x.ctypes.data_as(ctypes.c_void_p), ctypes.c_int(x.size)

    def call() -> Any:
        g = np.empty(x.size)
        function(source, count, g.ctypes.data_as(ctypes.c_void_p))
        return g

    return call


def operator(name: str, f: Any, *args: Any) -> Call:
    return partial(getattr(optional("dualdiff"), name), njit(f), *args)


def by_jax(transform: str, f: Callable[[Any], Callable[[Any], Any]], x: Any) -> Call:
    module = jax()
    compiled = module.jit(getattr(module, transform)(f(module.numpy)))
    return lambda: np.asarray(compiled(x))


def jax_jvp_at_points() -> Call:
    module = jax()
    f = curve_with(module.numpy)
    compiled = module.jit(lambda x: module.jvp(f, (x,), (module.numpy.ones_like(x),))[1])
    return lambda: np.asarray(compiled(POINTS))


CURVE = curve_with(np)


def loop_over_dualdiff() -> Call:
    dualdiff, curve = optional("dualdiff"), njit(CURVE)
    optional("dualdiff.compiled").init()  # as Numba does by itself where dualdiff is installed

    def total(points: Any) -> Any:
        found = 0.0
        for x in points:
            found += dualdiff.derivative(curve, x)
        return found

    return partial(njit(total), POINTS[:1000])


def loop_by_hand() -> Call:
    slope = njit(slope_by_hand)

    def total(points: Any) -> Any:
        found = 0.0
        for x in points:
            found += slope(x)
        return found

    return partial(njit(total), POINTS[:1000])


def empty_call(x: Any) -> Call:
    return partial(njit(empty), x)


def empty(x: Any) -> Any:
    return np.empty(x.size)


def gradients(name: str, loop: Any, vectorised: Any, by_hand: Any, n: int) -> Work:
    x = np.linspace(0.5, 1.5, n)
    bars = {120: 1.4, 1200: 1.1}
    return Work(
        f"compiled gradient, {name}, n = {n}",
        partial(operator, "gradient", loop, x),
        [
            Peer("C++: Ceres Jet<double, 16>", partial(by_ceres, f"{name.lower()}_gradient", x), at_most=bars.get(n)),
            Peer(
                "an empty compiled call that returns an array",
                partial(empty_call, x),
                at_most=4.0 if n == 12 else None,
                read=None,
            ),
            Peer("jax.jit(grad) (reverse)", partial(by_jax, "grad", vectorised, x)),
        ],
        expected=by_hand(x),
    )


def value_alone(loop: Any, x: Any) -> Call:
    return partial(njit(loop), x)


def gradient_in(mode: str, loop: Any, x: Any) -> Call:
    return partial(optional("dualdiff").gradient, njit(loop), x, mode=mode)


def numpy_reverse(vectorised: Any, x: Any) -> Call:
    return partial(optional("dualdiff").gradient, vectorised(np), x, mode="reverse")


def reverse_gradients(name: str, loop: Any, vectorised: Any, by_hand: Any, n: int) -> Work:
    """Reverse mode, against the value (Ackley), NumPy's reverse mode (Rosenbrock) and forward chunks."""
    x = np.linspace(0.5, 1.5, n)
    is_ackley = name == "Ackley"
    peers = [Peer("the value alone, Numba", partial(value_alone, loop, x), 10.0 if is_ackley else None, read=None)]
    if n > 64:
        bar = 0.6 if n == 1200 and not is_ackley else None
        peers.append(Peer("dualdiff, NumPy, reverse mode", partial(numpy_reverse, vectorised, x), at_most=bar))
    if n < 10**5 or not is_ackley:
        bar = {64: 1.0, 10**5: 0.01}.get(n)
        peers.append(Peer("dualdiff, forward chunks", partial(gradient_in, "forward", loop, x), at_most=bar))
    return Work(
        f"compiled reverse gradient, {name}, n = {n}",
        partial(gradient_in, "reverse", loop, x),
        peers,
        expected=by_hand(x),
        rounds=3 if n == 10**5 and not is_ackley else 15,
    )


def vectorised_gradients(name: str, loop: Any, vectorised: Any, by_hand: Any, n: int) -> Work:
    x = np.linspace(0.5, 1.5, n)
    return Work(
        f"compiled gradient of array expressions, {name}, n = {n}",
        partial(operator, "gradient", vectorised(np), x),
        [Peer("dualdiff, f a loop", partial(operator, "gradient", loop, x), at_most=2.0)],
        expected=by_hand(x),
    )


def hessians(n: int, at_most: float) -> Work:
    x = np.linspace(0.5, 1.5, n)
    return Work(
        f"compiled hessian, Rosenbrock, n = {n}",
        partial(operator, "hessian", rosenbrock_loop, x),
        [Peer("jax.jit(hessian)", partial(by_jax, "hessian", written_with, x), at_most=at_most)],
        expected=hessian_by_hand(x),
    )


def brusselator_loop(t: Any, y: Any) -> Any:
    """The reaction-diffusion equation of `sparse`, on a grid of 32 by 32, as a loop."""
    n = 32
    u, v = y[: n * n].reshape(n, n), y[n * n :].reshape(n, n)
    found = np.empty_like(y)
    du, dv = found[: n * n].reshape(n, n), found[n * n :].reshape(n, n)
    for i in range(n):
        for j in range(n):
            up, down, left, right = (i - 1) % n, (i + 1) % n, (j - 1) % n, (j + 1) % n
            reacted = u[i, j] * u[i, j] * v[i, j]
            spread_u = u[up, j] + u[down, j] + u[i, left] + u[i, right] - 4 * u[i, j]
            spread_v = v[up, j] + v[down, j] + v[i, left] + v[i, right] - 4 * v[i, j]
            du[i, j] = 1 + reacted - 4.4 * u[i, j] + ALPHA * spread_u
            dv[i, j] = 3.4 * u[i, j] - reacted + ALPHA * spread_v
    return found


def integration(by_differences: bool) -> tuple[Any, int, float]:
    """The equation solved by a stiff method: where it ends, the calls of f, and the seconds spent in Jacobians."""
    bdf, solve = optional("scipy.integrate._ivp.bdf"), optional("scipy.integrate").solve_ivp
    f, calls, seconds = njit(brusselator_loop), 0, 0.0

    def counted(t: float, y: Any) -> Any:
        nonlocal calls
        calls += 1
        return f(t, y)

    def timed(jacobian: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal seconds
            begin = time.perf_counter()
            found = jacobian(*args)
            seconds += time.perf_counter() - begin
            return found

        return call

    differences = bdf.num_jac
    bdf.num_jac = timed(differences)  # SciPy's own, by the pattern
    options = {"jac_sparsity": pattern_of_loop()} if by_differences else {"jac": timed(coloured())}
    try:
        solution = solve(counted, (0.0, 10.0), start(32), "BDF", rtol=1e-6, atol=1e-8, **options)
    finally:
        bdf.num_jac = differences
    return solution.y[:, -1], calls, seconds


@cache
def pattern_of_loop() -> Any:
    return optional("dualdiff").jacobian_sparsity(brusselator(32), start(32))


@cache
def coloured() -> Any:
    return optional("dualdiff").jacobian(njit(brusselator_loop), argnum=1, sparse=pattern_of_loop())


def stiff(by_differences: bool) -> Call:
    """The seconds in Jacobians; both ways come to the same end, the exact one with fewer calls of f."""
    (end, few, _), (other_end, many, _) = integration(False), integration(True)
    np.testing.assert_allclose(end, other_end, rtol=1e-4)
    if not few < many:
        raise AssertionError(f"{few} calls of f with exact Jacobians, {many} with differences")
    return lambda: integration(by_differences)[2]


def first_gradient() -> Call:
    dualdiff, numba = optional("dualdiff"), optional("numba")
    dualdiff.gradient(njit(rosenbrock_loop), np.ones(20))  # what the first compilation of all loads

    def call() -> float:
        f = numba.njit(rosenbrock_loop)
        start = time.perf_counter()
        dualdiff.gradient(f, np.ones(20))
        return time.perf_counter() - start

    return call


FIRST = """
import time, numba, numpy as np, dualdiff
dualdiff.gradient(numba.njit(lambda x: x[0] * x[0]), np.ones(4))
x, f = np.array([1.1, 2.2, -0.5, 3.1]), numba.njit(lambda x: {call})
start = time.perf_counter()
dualdiff.gradient(f, x)
print(time.perf_counter() - start)
"""
MATRIX = "(np.diag(x * x) + np.outer(x, x))"
#: The first gradients through array functions, which are compiled for duals, too: a new process for each.
FIRST_CALLS = {
    "std, median, sort and norm": "np.std(x) + np.median(x) + np.sort(x)[1] + np.linalg.norm(x)",
    "cholesky and solve": f"np.linalg.cholesky({MATRIX}).sum() + np.linalg.solve({MATRIX}, x).sum()",
}


def first_gradient_in_a_process(call: str) -> Call:
    optional("numba")
    command = [sys.executable, "-c", FIRST.format(call=call)]
    return lambda: float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def first_jax_gradient() -> Call:
    module = jax()

    def call() -> float:
        compiled = module.jit(module.grad(written_with(module.numpy)))
        start = time.perf_counter()
        compiled(np.ones(20)).block_until_ready()
        return time.perf_counter() - start

    return call


WORKS = [
    Work(
        "compile time: the first gradient of a function",
        first_gradient,
        [Peer("jax.jit(grad)", first_jax_gradient, read=None)],
        self_timed=True,
        rounds=5,
    ),
    *(
        Work(
            f"compile time: the first gradient through {name}",
            partial(first_gradient_in_a_process, call),
            [],
            at_most_seconds=2.0,
            self_timed=True,
            rounds=5,
        )
        for name, call in FIRST_CALLS.items()
    ),
    Work(
        "derivatives inside a compiled loop, 1000 points",
        loop_over_dualdiff,
        [Peer("by hand, Numba", loop_by_hand, at_most=1.1)],
        expected=float(np.sum(slope_by_hand(POINTS[:1000]))),
    ),
    Work(
        "derivative of a compiled function, called from Python",
        partial(operator, "derivative", CURVE, 0.7),
        [
            Peer("the value alone, Numba", lambda: partial(njit(CURVE), 0.7), read=None),
            Peer("jax.jit(grad)", partial(by_jax, "grad", curve_with, 0.7), at_most=1 / 15),
        ],
        expected=float(slope_by_hand(0.7)),
    ),
    Work(
        "derivative of a compiled function at 10^6 points",
        partial(operator, "derivative", CURVE, POINTS),
        [
            Peer("by hand, Numba", lambda: partial(njit(slope_by_hand), POINTS)),
            Peer("jax.jit(jvp), all cores", jax_jvp_at_points),
        ],
        expected=slope_by_hand(POINTS),
        rounds=9,
    ),
    Work(
        "the same with `parallel=True`",
        lambda: partial(optional("dualdiff").derivative, njit(CURVE), POINTS, parallel=True),
        [Peer("jax.jit(jvp), all cores", jax_jvp_at_points, at_most=0.8)],
        expected=slope_by_hand(POINTS),
        rounds=15,
    ),
    *(
        work(*case, n)
        for work in (gradients, vectorised_gradients)
        for case in (
            ("Rosenbrock", rosenbrock_loop, written_with, gradient_by_hand),
            ("Ackley", ackley_loop, ackley_with, ackley_gradient_by_hand),
        )
        for n in (12, 120, 1200)
    ),
    *(
        reverse_gradients(*case, n)
        for case in (
            ("Rosenbrock", rosenbrock_loop, written_with, gradient_by_hand),
            ("Ackley", ackley_loop, ackley_with, ackley_gradient_by_hand),
        )
        for n in (64, 1200, 10**5)
    ),
    hessians(12, at_most=0.25),
    hessians(60, at_most=1.3),
    Work(
        "compiled jacobian, dense 100 → 100",
        partial(operator, "jacobian", coupled_with(np), COUPLED),
        [Peer("jax.jit(jacfwd)", partial(by_jax, "jacfwd", coupled_with, COUPLED), at_most=1.0)],
        expected=jacobian_by_hand(COUPLED),
    ),
    Work(
        "Jacobians of a stiff integration, Brusselator 32 × 32",
        partial(stiff, False),
        [Peer("SciPy's 2-point differences, grouped", partial(stiff, True), at_most=0.5, read=None)],
        self_timed=True,
        rounds=7,
    ),
]
