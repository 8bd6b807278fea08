"""The sparse Jacobian of a reaction-diffusion equation, the Brusselator on a periodic grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..harness import Call, Peer, Work, jax, optional

ALPHA = 0.1


def brusselator(n: int) -> Callable[[Any], Any]:
    """The time derivative of two species on an n by n grid, one after the other in a flat array."""

    def diffused(w: Any) -> Any:
        return np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1) - 4 * w

    def f(y: Any) -> Any:
        u, v = y.reshape(2, n, n)
        reacted = u * u * v
        du = 1 + reacted - 4.4 * u + ALPHA * diffused(u)
        dv = 3.4 * u - reacted + ALPHA * diffused(v)
        return np.stack([du, dv]).reshape(-1)

    return f


def brusselator_loop(y: Any) -> Any:
    """The same as a loop, to be compiled by Numba."""
    n = round(math.sqrt(y.size / 2))
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


def start(n: int) -> Any:
    """Concentrations that vary over the grid."""
    x = np.linspace(0, 1, n, endpoint=False)
    u = 22 * (x * (1 - x))[:, None] ** 1.5 + np.zeros(n)
    v = 27 * (x * (1 - x))[None, :] ** 1.5 + np.zeros((n, 1))
    return np.concatenate([u.ravel(), v.ravel()])


def jacobian_by_hand(n: int) -> Any:
    """The entries row by row, those of a row by columns."""
    u, v = start(n).reshape(2, -1)
    here = np.arange(n * n).reshape(n, n)
    neighbours = np.stack([np.roll(here, shift, axis).ravel() for axis in (0, 1) for shift in (1, -1)])
    one = np.full((4, n * n), ALPHA)
    columns = [here.reshape(1, -1), here.reshape(1, -1) + n * n]
    of_u = np.concatenate([neighbours, *columns]), np.stack([*one, 2 * u * v - 4.4 - 4 * ALPHA, u * u])
    of_v = np.concatenate([neighbours + n * n, *columns]), np.stack([*one, 3.4 - 2 * u * v, -u * u - 4 * ALPHA])
    return np.concatenate([np.take_along_axis(a, np.argsort(c, axis=0), axis=0).T.ravel() for c, a in (of_u, of_v)])


def pattern(n: int) -> Any:
    return optional("dualdiff").jacobian_sparsity(brusselator(n), start(n))


def dualdiff_prepared(n: int) -> Call:
    jacobian, y = optional("dualdiff").jacobian(brusselator(n), sparse=pattern(n)), start(n)
    return lambda: jacobian(y).data


def dualdiff_without_pattern(n: int) -> Call:
    jacobian, y = optional("dualdiff").jacobian(brusselator(n), sparse=True), start(n)
    return lambda: jacobian(y).data


def compiled_prepared(n: int) -> Call:
    f = optional("numba").njit(brusselator_loop)
    jacobian, y = optional("dualdiff").jacobian(f, sparse=pattern(n)), start(n)
    return lambda: jacobian(y).data


def compiled_without_pattern(n: int) -> Call:
    dualdiff, f, y = optional("dualdiff"), optional("numba").njit(brusselator_loop), start(n)
    return lambda: dualdiff.jacobian(f, y, sparse=True).data


def compiled_pattern(n: int) -> Call:
    dualdiff, f, y = optional("dualdiff"), optional("numba").njit(brusselator_loop), start(n)
    return lambda: dualdiff.jacobian_sparsity(f, y).nnz


def dualdiff_pattern(n: int) -> Call:
    return lambda: pattern(n).nnz


def plain_numpy(n: int, times: int = 1) -> Call:
    f, y = brusselator(n), start(n)

    def values() -> None:
        for _ in range(times):
            f(y)

    return values


def as_many_values_as_colours(n: int) -> Call:
    """One value of f for each colour of the Jacobian, and one more."""
    coloured = optional("dualdiff").jacobian(brusselator(n), sparse=pattern(n)).options["sparse"]
    return plain_numpy(n, coloured.count + 1)


def finite_differences(n: int) -> Call:
    numdiff = optional("scipy.optimize._numdiff")
    f, y, found = brusselator(n), start(n), optional("scipy.sparse").csr_matrix(pattern(n))
    sparsity = found, numdiff.group_columns(found)
    return partial(numdiff.approx_derivative, f, y, method="2-point", sparsity=sparsity)


def asdex_jacobian(n: int) -> tuple[Any, Any]:
    """asdex's Jacobian of the same function in JAX, and y; pattern and colours are found at the first call."""
    module, asdex = jax(), optional("asdex")
    np_ = module.numpy

    def diffused(w: Any) -> Any:
        return np_.roll(w, 1, 0) + np_.roll(w, -1, 0) + np_.roll(w, 1, 1) + np_.roll(w, -1, 1) - 4 * w

    def f(y: Any) -> Any:
        u, v = y.reshape(2, n, n)
        reacted = u * u * v
        du = 1 + reacted - 4.4 * u + ALPHA * diffused(u)
        dv = 3.4 * u - reacted + ALPHA * diffused(v)
        return np_.stack([du, dv]).reshape(-1)

    y = np_.asarray(start(n))
    return asdex.jacobian(f, y), y


def asdex_prepared(n: int) -> Call:
    jacobian, y = asdex_jacobian(n)
    compiled = jax().jit(jacobian)
    return lambda: entries_of(compiled(y))


def asdex_first(n: int) -> Call:
    def call() -> Any:
        jacobian, y = asdex_jacobian(n)
        return entries_of(jax().jit(jacobian)(y))

    return call


def entries_of(matrix: Any) -> Any:
    """The entries of a matrix of JAX."""
    return matrix.data.block_until_ready()


def casadi_jacobian(n: int) -> Any:
    """CasADi's Jacobian of the same function, as a function."""
    casadi = optional("casadi")
    y = casadi.SX.sym("y", 2 * n * n)
    u, v = (casadi.reshape(part, n, n).T for part in (y[: n * n], y[n * n :]))

    def diffused(w: Any) -> Any:
        below, above = casadi.vertcat(w[-1, :], w[:-1, :]), casadi.vertcat(w[1:, :], w[0, :])
        left, right = casadi.horzcat(w[:, -1], w[:, :-1]), casadi.horzcat(w[:, 1:], w[:, 0])
        return below + above + left + right - 4 * w

    reacted = u * u * v
    du = 1 + reacted - 4.4 * u + ALPHA * diffused(u)
    dv = 3.4 * u - reacted + ALPHA * diffused(v)
    f = casadi.vertcat(casadi.vec(du.T), casadi.vec(dv.T))
    return casadi.Function("jacobian", [y], [casadi.jacobian(f, y)])


def casadi_prepared(n: int) -> Call:
    jacobian, y = casadi_jacobian(n), start(n)
    return lambda: jacobian(y)


def casadi_first(n: int) -> Call:
    return lambda: casadi_jacobian(n)(start(n))


def rows_of_casadi(matrix: Any) -> Any:
    return matrix.T.nonzeros()


def dualdiff_first(n: int) -> Call:
    f, y = brusselator(n), start(n)
    return lambda: optional("dualdiff").jacobian(f, y, sparse=True).data


def first(n: int) -> Work:
    return Work(
        f"first sparse jacobian, Brusselator {n} × {n}, from f alone",
        partial(dualdiff_first, n),
        [
            Peer("asdex 0.5, JAX compiles", partial(asdex_first, n), 0.1, read=None),
            Peer("CasADi 3.8, SX", partial(casadi_first, n), 0.5, read=rows_of_casadi),
        ],
        expected=jacobian_by_hand(n),
        rounds=5,
    )


def prepared(n: int) -> Work:
    return Work(
        f"sparse jacobian, Brusselator {n} × {n}, pattern given",
        partial(dualdiff_prepared, n),
        [
            Peer("a value for each colour, and one", partial(as_many_values_as_colours, n), 3.0, read=None),
            Peer("SciPy's 2-point differences, grouped", partial(finite_differences, n), 0.3, read=None),
            Peer("dualdiff with `sparse=True`, again", partial(dualdiff_without_pattern, n), 1.1),
            Peer("asdex 0.5, `jit`", partial(asdex_prepared, n), 4.0 if n == 100 else None, read=None),
            Peer("CasADi 3.8, SX", partial(casadi_prepared, n), read=rows_of_casadi),
        ],
        expected=jacobian_by_hand(n),
        rounds=15,
    )


def compiled(n: int) -> Work:
    return Work(
        f"compiled sparse jacobian, Brusselator {n} × {n}, pattern given",
        partial(compiled_prepared, n),
        [
            Peer("asdex 0.5, `jit`", partial(asdex_prepared, n), 1.2, read=None),
            Peer("CasADi 3.8, SX", partial(casadi_prepared, n), read=rows_of_casadi),
            Peer("dualdiff compiled, with `sparse=True`", partial(compiled_without_pattern, n)),
        ],
        expected=jacobian_by_hand(n),
        rounds=15,
    )


def detected_compiled(n: int) -> Work:
    return Work(
        f"pattern of a compiled jacobian, Brusselator {n} × {n}",
        partial(compiled_pattern, n),
        [Peer("the pattern, `np`", partial(dualdiff_pattern, n))],
        expected=12 * n * n,
        at_most_seconds=0.05 if n == 100 else None,
        rounds=15,
    )


def detected(n: int) -> Work:
    return Work(
        f"pattern of a jacobian, Brusselator {n} × {n}",
        partial(dualdiff_pattern, n),
        [Peer("the value alone, `np`", partial(plain_numpy, n), 60.0 if n == 100 else None, read=None)],
        expected=12 * n * n,
        rounds=15,
    )


WORKS = [
    *map(prepared, (32, 100, 316)),
    first(100),
    compiled(100),
    *map(detected, (32, 100, 316)),
    *map(detected_compiled, (32, 100, 316)),
]
