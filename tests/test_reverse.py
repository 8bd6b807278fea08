"""Reverse mode: the recorded run, applied forwards (linearize) and transposed (vjp, mode="reverse")."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
from test_views import SEEDS, complex_step, point, program

import dualdiff
from dualdiff import (
    NotHolomorphicError,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    value_and_gradient,
    value_and_jacobian,
    value_gradient_and_hessian,
    vjp,
)
from dualdiff.core import tags
from dualdiff.drivers.passes import Inputs, recorded_pass
from dualdiff.drivers.reverse import FORWARD_UP_TO

X = np.array([0.3, -1.2, 2.1])


def counted(f):
    """The function with the number of its calls, and the spaces of the duals that it was called with."""

    def g(*args, **kwargs):
        g.calls += 1
        g.spaces.append(type(args[0].space).__name__ if hasattr(args[0], "space") else None)
        return f(*args, **kwargs)

    g.calls, g.spaces = 0, []
    return g


def bent(x):
    """Three numbers to four."""
    return np.stack([np.sin(x[0]) * x[1], x[2] ** 2, np.exp(x[0] - x[2]), x[1] / x[2]])


def bent_jacobian(x):
    a, b, c = x
    e = np.exp(a - c)
    return np.array([[np.cos(a) * b, np.sin(a), 0], [0, 0, 2 * c], [e, 0, -e], [0, 1 / c, -b / c**2]])


# -- linearize ---------------------------------------------------------------------------------------------------------
def test_linearize_runs_f_once_and_serves_many_products():
    f = counted(bent)
    y, L = linearize(f, X)
    np.testing.assert_array_equal(y, bent(X))
    J, rng = bent_jacobian(X), np.random.default_rng(0)
    for _ in range(5):
        v, w = rng.normal(size=3), rng.normal(size=4)
        np.testing.assert_allclose(L(v), J @ v, rtol=1e-14)
        np.testing.assert_allclose(L.T(w), w @ J, rtol=1e-14)
        np.testing.assert_allclose(w @ L(v), L.T(w) @ v, rtol=1e-13)
    assert f.calls == 1


def test_transposed_and_transposed_again():
    _, L = linearize(bent, X)
    assert L.shape == (4, 3)
    assert L.T.shape == (3, 4)
    np.testing.assert_array_equal(L.T.T(X), L(X))
    assert repr(L).startswith("<linear map of shape (4, 3), recorded in ")


class Pair(NamedTuple):
    first: object
    second: object


def test_linearize_of_containers():
    A = np.arange(6.0).reshape(2, 3)

    def f(p):
        return {"sum": p["scale"] * np.sum(p["pair"].first), "product": (A @ p["pair"].second,)}

    x = {"scale": 2.0, "pair": Pair(np.ones((2, 2)), X)}
    y, L = linearize(f, x)
    assert y["sum"] == 8.0
    v = {"scale": 1.0, "pair": Pair(np.zeros((2, 2)), np.array([0.0, 1.0, 0.0]))}
    slope = L(v)
    assert slope["sum"] == 4.0
    np.testing.assert_array_equal(slope["product"][0], A[:, 1])
    pulled = L.T({"sum": 1.0, "product": (np.array([0.0, 1.0]),)})
    assert pulled["scale"] == 4.0
    assert type(pulled["pair"]) is Pair
    np.testing.assert_array_equal(pulled["pair"].first, np.full((2, 2), 2.0))
    np.testing.assert_array_equal(pulled["pair"].second, A[1])
    assert L.shape == (3, 8)
    operator = L.as_linear_operator()
    np.testing.assert_array_equal(operator @ np.arange(8.0), [2 * 10 + 0, *(A @ [5.0, 6.0, 7.0])])
    np.testing.assert_array_equal(operator.T @ [1.0, 0.0, 1.0], [4, 2, 2, 2, 2, *A[1]])


def test_linearize_of_numbers():
    y, L = linearize(lambda x: x**3, 2.0)
    assert (y, L(2.0), L.T(3.0)) == (8.0, 24.0, 36.0)
    _, L = linearize(lambda x: x * X, 2.0)
    np.testing.assert_array_equal(L(1.0), X)
    assert L.T(X) == np.sum(X * X)


def test_linearize_in_single_precision():
    x = X.astype(np.float32)
    y, L = linearize(bent, x)
    assert y.dtype == L(X).dtype == L.T(np.ones(4)).dtype == np.float32
    np.testing.assert_allclose(L(X), bent_jacobian(X) @ X, rtol=1e-6, atol=1e-6)


def test_linearize_of_a_holomorphic_function():
    z, v = np.array([1 + 2j, 0.5 - 1j]), np.array([1j, 2.0])
    _, L = linearize(lambda z: z**3 * np.sum(z), z)
    J = np.diag(3 * z**2 * np.sum(z)) + (z**3)[:, None]
    np.testing.assert_allclose(L(v), J @ v, rtol=1e-14)
    np.testing.assert_allclose(L.T(v), v @ J, rtol=1e-14)
    with pytest.raises(NotHolomorphicError, match=r"dualdiff\.jvp or dualdiff\.vjp"):
        linearize(np.abs, z)


def test_linearize_with_aux_and_as_a_function():
    y, L, aux = linearize(lambda x, k: (k * x, {"seen": x}), X, 2.0, has_aux=True)
    np.testing.assert_array_equal(aux["seen"], X)
    np.testing.assert_array_equal(L(X), 2 * X)
    y, L = linearize(lambda k, x: k * x, argnum=1)(3.0, X)
    np.testing.assert_array_equal(y, 3 * X)
    np.testing.assert_array_equal(L.T(X), 3 * X)


def test_what_the_products_return_is_the_callers_own():
    v = np.ones(3)
    _, L = linearize(lambda x: x, X)
    for linear in (L, L.T):
        linear(v)[0] = 7.0
        np.testing.assert_array_equal(linear(v), np.ones(3))
    np.testing.assert_array_equal(v, np.ones(3))


def test_wrong_directions_are_refused():
    _, L = linearize(bent, X)
    with pytest.raises(ValueError, match=r"direction v has the shape \(4,\), and \(3,\) is needed"):
        L(np.ones(4))
    with pytest.raises(ValueError, match=r"weight w has the shape \(3,\), and \(4,\) is needed"):
        L.T(np.ones(3))
    with pytest.raises(TypeError, match="complex, and real numbers are needed"):
        L(1j * X)
    with pytest.raises(TypeError, match="not numeric"):
        L(np.array(["a", "b", "c"]))
    with pytest.raises((TypeError, ValueError), match="direction v"):
        L((X,))


def test_a_constant_function_has_zero_products():
    _, L = linearize(lambda x: np.array([1.0, 2.0]), X)
    np.testing.assert_array_equal(L(X), np.zeros(2))
    np.testing.assert_array_equal(L.T(np.ones(2)), np.zeros(3))
    assert linearize(lambda x: 3.0, X)[1](X) == 0.0


def test_linearize_inside_another_differentiation():
    def norm_of_product(x, v):
        _, L = linearize(bent, x)
        return np.sum(L(v) ** 2)

    expected = jacobian(lambda x: np.sum(jvp(bent, x, X)[1] ** 2), X)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(gradient(norm_of_product, X, X, mode=mode), expected, rtol=1e-13)
        along = gradient(norm_of_product, X, X, argnum=1, mode=mode)
        np.testing.assert_allclose(along, 2 * bent_jacobian(X).T @ bent_jacobian(X) @ X, rtol=1e-13)


def test_a_linear_map_cannot_be_pickled():
    with pytest.raises(TypeError, match="linearize inside the process"):
        pickle.dumps(linearize(bent, X)[1])


# -- the linear operator in SciPy's solvers ----------------------------------------------------------------------------
def test_linear_operator_solves():
    linalg = pytest.importorskip("scipy.sparse.linalg")
    rng = np.random.default_rng(1)
    A, b = rng.normal(size=(6, 6)) / 6 + np.eye(6), rng.normal(size=6)

    def f(x):
        return A @ x + 0.1 * x**3

    x = rng.normal(size=6)
    J = A + np.diag(0.3 * x**2)
    operator = linearize(f, x)[1].as_linear_operator()
    assert operator.dtype == np.float64
    np.testing.assert_allclose(linalg.gmres(operator, b, rtol=1e-12)[0], np.linalg.solve(J, b), rtol=1e-9)
    np.testing.assert_allclose(linalg.lsqr(operator, b, atol=1e-13, btol=1e-13)[0], np.linalg.solve(J, b), rtol=1e-8)
    found = linalg.eigs(operator, k=2, v0=b, return_eigenvectors=False)
    largest = sorted(np.linalg.eigvals(J), key=abs)[-2:]
    np.testing.assert_allclose(sorted(abs(found)), sorted(map(abs, largest)), rtol=1e-9)
    np.testing.assert_allclose(linalg.svds(operator, k=1, v0=b)[1], np.linalg.svdvals(J)[:1], rtol=1e-9)


C = np.array([[1 + 1j, 2.0], [0.5j, -1.0], [2.0, 1 - 1j]])
R = np.array([[1.0, -2.0]])
OPERATORS = {
    "real": (lambda x: R @ x, X[:2], R),
    "complex": (lambda x: C @ x, X[:2] + 1j, C),
    "real to complex": (lambda x: C @ x, X[:2], C),
    "real to both": (lambda x: (C @ x, R @ x), X[:2], np.concatenate([C, R])),
    "both to complex": (lambda p: C @ p[0] + C @ p[1], (X[:2], 1j * X[:2]), np.concatenate([C, C], axis=1)),
    "both to both": (lambda p: (C @ p[1], R @ p[0]), (X[:2], 1j * X[:2]), np.block([[0 * C, C], [R, 0 * R]])),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_linear_operator_is_the_matrix(name):
    pytest.importorskip("scipy.sparse.linalg")
    f, x, J = OPERATORS[name]
    _, L = linearize(f, x)
    rng = np.random.default_rng(2)
    for operator, matrix in ((L.as_linear_operator(), J), (L.T.as_linear_operator(), J.T)):
        assert operator.shape == matrix.shape
        assert operator.dtype == matrix.dtype
        m, n = matrix.shape
        v, w = rng.normal(size=(2, n)), rng.normal(size=(2, m))
        v, w = (v[0] + 1j * v[1], w[0] + 1j * w[1]) if matrix.dtype.kind == "c" else (v[0], w[0])
        np.testing.assert_allclose(operator @ v, matrix @ v, rtol=1e-13)
        np.testing.assert_allclose(operator.T @ w, matrix.T @ w, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(operator.H @ w, matrix.conj().T @ w, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(operator @ np.eye(n), matrix, rtol=1e-13)


# -- vjp ---------------------------------------------------------------------------------------------------------------
def test_vjp():
    f = counted(bent)
    y, pull = vjp(f, X)
    np.testing.assert_array_equal(y, bent(X))
    for w in np.eye(4):
        np.testing.assert_allclose(pull(w), w @ bent_jacobian(X), rtol=1e-14)
    assert f.calls == 1
    y, pull, aux = vjp(lambda x: (x[0], x), X, has_aux=True)
    np.testing.assert_array_equal(aux, X)
    np.testing.assert_array_equal(pull(2.0), [2.0, 0.0, 0.0])


def test_vjp_of_a_function_that_is_not_holomorphic():
    z = np.array([1 + 2j, 0.5 - 1j])
    w, v = np.array([0.3 - 1j, 2j]), np.array([1 - 1j, 0.2])

    def f(z):
        return np.conj(z) * np.abs(z) + np.real(z) * np.imag(z[::-1]) + 1j * z.real**2

    _, pull = vjp(f, z)
    np.testing.assert_allclose(np.sum(pull(w) * v).real, np.sum(w * jvp(f, z, v)[1]).real, rtol=1e-13)


def test_real_cotangents_of_a_complex_number_add_up_with_complex_ones():
    # The first two contributions to the cotangent of z are real, the third is not.
    def f(x):
        z = x * (1 + 1j)
        return np.sum(np.imag(z * z) + np.real(z) + 3 * np.real(z))

    np.testing.assert_allclose(gradient(f, X, mode="reverse"), gradient(f, X, mode="forward"), rtol=1e-14)


# -- modes -------------------------------------------------------------------------------------------------------------
def nonlinear(x):
    return np.sum(np.sin(x) * np.roll(x, 1) ** 2) + np.prod(x[:3])


def test_auto_takes_the_gradient_forwards_up_to_a_number_of_inputs():
    for n, space in ((FORWARD_UP_TO, "Dense"), (FORWARD_UP_TO + 1, "Recorded")):
        f = counted(nonlinear)
        gradient(f, np.linspace(0.0, 1.0, n))
        assert f.spaces == [space]
    assert f"up to {FORWARD_UP_TO} numbers" in gradient.__doc__


def test_auto_takes_the_jacobian_backwards_where_rows_are_fewer_and_passes_several():
    def spaces(m, n, chunk_size=None):
        f = counted(lambda x: np.outer(np.arange(m), np.sin(x)).sum(axis=1))
        jacobian(f, np.ones(n), chunk_size=chunk_size)
        return f.spaces

    assert spaces(2, 100) == ["Dense"]
    assert spaces(2, 100, chunk_size=10) == ["Dense", "Recorded"]
    assert spaces(100, 20, chunk_size=10) == ["Dense"] * 2
    assert spaces(2, 2000) == ["Dense", "Recorded"]


def test_forward_over_reverse_runs_f_once_for_a_hessian_vector_product():
    f = counted(nonlinear)
    hvp(f, np.linspace(0.0, 1.0, 100), np.ones(100))
    assert f.calls == 1
    f = counted(nonlinear)
    hessian(f, np.linspace(0.0, 1.0, 40), chunk_size=20)
    assert f.calls == 2


def test_an_unknown_mode_is_refused():
    for operator in (gradient, jacobian, hessian):
        with pytest.raises(ValueError, match="mode must be one of 'auto', 'forward', 'reverse', not 'backward'"):
            operator(nonlinear, X, mode="backward")


SCALAR = [gradient, value_and_gradient, hessian, value_gradient_and_hessian]


def compare(found, expected):
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        found, expected = tuple(found.values()), tuple(expected.values())
    if isinstance(expected, tuple):
        assert type(found) is type(expected)
        for a, b in zip(found, expected, strict=True):
            compare(a, b)
        return
    assert type(found) is type(expected)
    assert np.result_type(found) == np.result_type(expected)
    assert np.shape(found) == np.shape(expected)
    tolerance = 1e-6 if np.result_type(found) == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def both_modes(operator, f, *args, **options):
    compare(operator(f, *args, mode="reverse", **options), operator(f, *args, mode="forward", **options))


@pytest.mark.parametrize("operator", [*SCALAR, jacobian, value_and_jacobian], ids=lambda o: o.__name__)
def test_forward_and_reverse_agree(operator):
    is_scalar = operator in SCALAR
    both_modes(operator, nonlinear if is_scalar else bent, X)
    both_modes(operator, nonlinear, X.astype(np.float32))
    both_modes(operator, lambda k, x: nonlinear(k * x), 2.0, X, argnum=1)
    both_modes(operator, lambda x: (nonlinear(x), {"x": x}), X, has_aux=True)
    both_modes(operator, nonlinear, X, chunk_size=2)
    both_modes(operator, lambda x: x * x * np.sin(x), 0.7)
    both_modes(operator, lambda x: 2.0, X)
    both_modes(operator, lambda x: np.sum(x**2), np.zeros(0))
    both_modes(operator, lambda p: np.sum(p["a"] ** 3) * np.exp(p["b"][0]), {"a": X, "b": (0.5, X[:2])})
    # A batch of points, each by itself.
    batch = np.linspace(-1.0, 1.0, 12).reshape(2, 2, 3)
    both_modes(operator, lambda x: np.sum(x**3, axis=-1) * x[..., 0], batch, batch_dims=2)
    if not is_scalar:
        both_modes(operator, lambda x: {"y": (np.outer(x, x), x[0])}, X)
        both_modes(operator, lambda p: (p[0] * p[1], np.sum(p[1])), (2.0, X), chunk_size=2)
        both_modes(operator, lambda x: x[..., ::-1] ** 2 * x[..., :1], batch, batch_dims=2)
        both_modes(operator, lambda x: np.exp(1j * x) * np.sum(x), X)
        both_modes(operator, lambda x: (x * 1j, x * 2), X)


@pytest.mark.parametrize("operator", [gradient, value_and_gradient])
def test_forward_and_reverse_agree_for_complex_numbers(operator):
    z = np.array([1 + 2j, 0.5 - 1j])
    both_modes(operator, lambda z: np.sum(np.abs(z) ** 3), z)
    both_modes(operator, lambda z: np.sum(z**3), z)
    both_modes(operator, lambda x: np.sum(np.exp(1j * x)), X)
    both_modes(operator, lambda p: np.sum(p[0] * p[1]), (z, X[:2]))
    both_modes(operator, lambda p: np.sum(np.abs(p[0]) ** 2 * p[1]), (z, X[:2]))
    with pytest.raises(NotHolomorphicError, match="not holomorphic"):
        gradient(lambda z: np.sum(z * np.conj(z) ** 2), z, mode="reverse")


def test_an_array_valued_function_has_no_gradient_in_reverse_either():
    with pytest.raises(ValueError, match=r"returned an array of shape \(3,\): use dualdiff.jacobian"):
        gradient(lambda x: x, X, mode="reverse")
    with pytest.raises(ValueError, match="so must f"):
        jacobian(lambda x: x.sum(axis=0), np.ones((2, 3)), mode="reverse", batch_dims=1)


def test_the_modes_nest_in_every_order():
    x = np.linspace(0.2, 1.4, 5)
    expected = hessian(nonlinear, x, mode="forward")
    for outer in ("forward", "reverse"):
        for inner in ("forward", "reverse"):
            found = jacobian(lambda x, m=inner: gradient(nonlinear, x, mode=m), x, mode=outer)
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)

    def slope_of_slopes(x, modes):
        if not modes:
            return nonlinear(x)
        return np.sum(gradient(lambda x: slope_of_slopes(x, modes[1:]), x, mode=modes[0]) ** 2)

    expected = slope_of_slopes(x, ["forward"] * 3)
    for modes in itertools.product(["forward", "reverse"], repeat=3):
        np.testing.assert_allclose(slope_of_slopes(x, modes), expected, rtol=1e-11)


def test_perturbations_are_not_confused():
    def slope(f, x):
        return gradient(f, x, mode="reverse")

    assert slope(lambda x: x * slope(lambda y: x + y, 1.0), 1.0) == 1.0
    assert slope(lambda x: x * slope(lambda y: x * y, 3.0), 3.0) == 6.0
    assert slope(lambda x: slope(lambda y: x, x), 1.0) == 0.0
    A = np.arange(9.0).reshape(3, 3)
    found = jacobian(lambda x: slope(lambda y: y @ (A @ x), X), X, mode="reverse")
    np.testing.assert_array_equal(found, A)


# -- views and writes --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", SEEDS)
def test_random_program_in_reverse(seed):
    f, x = program(seed), point(seed)
    kept = x.copy()
    expected, J = f(x), complex_step(f, x)
    tolerance = 1e-12 * (1 + np.max(np.abs(J)))
    found, found_J = value_and_jacobian(f, x, mode="reverse")
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found_J, J, rtol=0, atol=tolerance)
    _, L = linearize(f, x)
    v, w = (np.random.default_rng(seed + 1).normal(size=s) for s in (x.shape, expected.shape))
    for _ in range(2):
        np.testing.assert_allclose(L(v), np.tensordot(J, v, v.ndim), rtol=0, atol=tolerance)
        np.testing.assert_allclose(L.T(w), np.tensordot(w, J, 1), rtol=0, atol=tolerance * 10)
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("seed", SEEDS[::3])
def test_random_program_nested_in_every_order(seed):
    f, x = program(seed, 7), point(seed)
    weights = np.random.default_rng(seed).normal(size=f(x).size)

    def phi(x):
        return np.sum(weights * np.sin(f(x)))

    expected = hessian(phi, x, mode="forward")
    for outer in ("forward", "reverse"):
        found = jacobian(lambda x: gradient(phi, x, mode="reverse"), x, mode=outer)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * (1 + np.max(np.abs(expected))))


def test_a_place_that_is_written_twice_takes_the_last():
    def f(x):
        y = x * 1.0
        y[[0, 0]] = 3 * x[1:]
        return y

    np.testing.assert_array_equal(jacobian(f, X, mode="reverse"), [[0, 0, 3], [0, 1, 0], [0, 0, 1]])


def test_a_number_written_into_an_array_without_axes():
    def f(x):
        y = np.zeros_like(x[0:1].reshape(()))
        y[...] = x[0] ** 3
        return y * x[1]

    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(gradient(f, X, mode=mode), [3 * 0.09 * -1.2, 0.027, 0])
        np.testing.assert_allclose(hessian(f, X, mode=mode)[0], [6 * 0.3 * -1.2, 0.27, 0])


def test_a_recurrence_in_a_buffer():
    def f(x):
        y = dualdiff.zeros(500, like=x)
        y[0] = x[0]
        for i in range(1, 500):
            y[i] = np.cos(y[i - 1]) * x[1]
        return np.sum(y)

    both_modes(gradient, f, X)
    _, L = linearize(f, X)
    np.testing.assert_allclose(L(np.ones(3)), jvp(f, X, np.ones(3))[1], rtol=1e-13)


# -- zero times infinity -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: np.log(0 * x[0] + x[1]), [1.0, 0.0], [0.0, np.inf]),
        (lambda x: x[0] * np.exp(-x[1]), [1.0, -1000.0], [np.inf, -np.inf]),
        (lambda x: np.sqrt(x[0] * x[0]) + x[1], [0.0, 1.0], [0.0, 1.0]),
        (np.linalg.norm, [0.0, 0.0], [0.0, 0.0]),
        (lambda x: np.sum(np.where(x > 0, np.log(x), 0.0)), [-1.0, 4.0], [0.0, 0.25]),
        (lambda x: 0.0 * np.log(x[0]) + x[1], [0.0, 1.0], [0.0, 1.0]),
        (lambda x: np.sum(np.sqrt(x) * np.array([0.0, 1.0])), [0.0, 4.0], [0.0, 0.25]),
        (lambda x: np.prod(x), [0.0, 3.0], [3.0, 0.0]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_a_zero_cotangent_or_partial_contributes_zero(f, x, expected):
    for mode in ("forward", "reverse"):
        np.testing.assert_array_equal(gradient(f, np.array(x), mode=mode), expected)


def test_the_products_emit_no_warnings():
    _, L = linearize(lambda x: np.sqrt(x), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(L(np.array([1.0, 1.0])), [np.inf, 0.5])
    np.testing.assert_array_equal(L.T(np.array([0.0, 1.0])), [0.0, 0.5])


# -- long runs and memory ----------------------------------------------------------------------------------------------
STEPS = 10**5


def long_run(x):
    for _ in range(STEPS):
        x = x + 1e-5 * np.sin(x)
    return x


def long_slope(x):
    """By the flow of x' = sin x, which the steps follow up to their error."""
    slope = 1.0
    for _ in range(STEPS):
        slope *= 1 + 1e-5 * np.cos(x)
        x = x + 1e-5 * np.sin(x)
    return slope


def test_a_hundred_thousand_steps_in_a_small_stack():
    # All the frames and destructors that a recursion over the steps would take do not fit.
    found = {}

    def work():
        _, program = recorded_pass(Inputs("linearize", long_run, (0.3,), 0))
        (found["pushed"],), (found["pulled"],) = program.push([1.0]), program.pull([1.0])
        (found["consumed"],) = program.pull([1.0], consume=True)
        kept = recorded_pass(Inputs("linearize", long_run, (0.3,), 0))
        del kept
        gc.collect()

    before = threading.stack_size(1 << 18)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    expected = long_slope(0.3)
    assert found == {way: pytest.approx(expected, rel=1e-10) for way in ("pushed", "pulled", "consumed")}


def chain(steps):
    def f(x):
        for _ in range(steps):
            x = np.sin(x) * x
        return np.sum(x)

    return f


N, CHAIN = 20000, 100


def test_memory_is_freed_as_the_backward_pass_goes():
    inputs = Inputs("gradient", chain(CHAIN), (np.linspace(0.5, 1.5, N),), 0)
    tracemalloc.start()
    try:
        outputs, program = recorded_pass(inputs)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        (found,) = program.pull([1.0], consume=True)
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    array = 8 * N
    assert held > 2 * CHAIN * array  # cos x, sin x and x of each step
    assert peak < held + 6 * array
    # The outputs are still there; what they hold of the run is gone.
    assert outputs.tangents[0] is not None
    assert left < 6 * array
    assert not program.nodes
    np.testing.assert_array_equal(found, linearize(chain(CHAIN), np.linspace(0.5, 1.5, N))[1].T(1.0))


def test_a_forward_product_keeps_few_tangents_at_a_time():
    _, L = linearize(chain(CHAIN), np.linspace(0.5, 1.5, N))
    v = np.ones(N)
    tracemalloc.start()
    try:
        L(v)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 8 * N


def test_the_record_dies_with_the_linear_map():
    buffers = []

    def f(x):
        y = np.sin(x)
        buffers.append(weakref.ref(y.value))
        return np.sum(y * y)

    for operator in (lambda: gradient(f, X, mode="reverse"), lambda: linearize(f, X), lambda: vjp(f, X)):
        operator()
        gc.collect()
    assert [ref() for ref in buffers] == [None] * 3


def test_what_was_used_in_a_loop_is_kept_once():
    A = np.ones((200, 200)) / 200

    def f(x):
        for _ in range(50):
            x = A @ np.sin(x)
        return np.sum(x)

    tracemalloc.start()
    try:
        linear = linearize(f, np.ones(200))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert linear
    assert held < 3 * A.nbytes


# -- state -------------------------------------------------------------------------------------------------------------
def test_an_exception_in_f_leaves_no_state():
    def fails(x):
        gradient(nonlinear, x, mode="reverse")
        raise KeyError("mine")

    live = set(tags._live)
    for operator in (lambda: gradient(fails, X, mode="reverse"), lambda: linearize(fails, X), lambda: vjp(fails, X)):
        with pytest.raises(KeyError, match="mine"):
            operator()
    assert tags._live == live
    np.testing.assert_allclose(gradient(nonlinear, X, mode="reverse"), gradient(nonlinear, X, mode="forward"))


def test_duals_of_a_recorded_run_do_not_leave_the_process():
    def f(x):
        with pytest.raises(TypeError, match="use mode='forward', or take the derivative inside the process"):
            pickle.dumps(x)
        with pytest.raises(TypeError, match="mode='forward'"):
            pickle.dumps(x[0])
        return np.sum(copy.deepcopy(x) * copy.copy(x))

    np.testing.assert_array_equal(gradient(f, X, mode="reverse"), 2 * X)


def test_duals_of_a_recorded_run_can_be_printed():
    seen = []

    def f(x):
        seen.append(f"{x} {x[0]!r}")
        return np.sum(x)

    gradient(f, X, mode="reverse")
    assert "step 0 of a record: seed" in seen[0]
    assert "gather" in seen[0]


def test_duals_do_not_outlive_their_run():
    kept = []
    gradient(lambda x: kept.append(x) or np.sum(x), X, mode="reverse")
    with pytest.raises(dualdiff.ExpiredDualError, match="has_aux=True"):
        gradient(lambda x: np.sum(x * kept[0]), X, mode="reverse")


def test_threads():
    _, L = linearize(chain(20), np.linspace(0.5, 1.5, 50))
    expected = L.T(1.0)

    def work(k):
        x = np.linspace(0.5, 1.5, 50)
        assert np.array_equal(L.T(float(k)), k * expected) or np.allclose(L.T(float(k)), k * expected, rtol=1e-14)
        inner = gradient(lambda x: np.sum(gradient(chain(5), x, mode="reverse") * k), x, mode="reverse")
        return gradient(chain(20), x, mode="reverse"), inner / k

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(1, 33)))
    second = hessian(chain(5), np.linspace(0.5, 1.5, 50), mode="forward").sum(axis=0)
    for first, inner in results:
        np.testing.assert_array_equal(first, expected)
        np.testing.assert_allclose(inner, second, rtol=1e-10)


def test_a_derivative_taken_in_another_thread_inside_f():
    def f(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: np.sum(gradient(nonlinear, x, mode="reverse") * x)).result()

    np.testing.assert_allclose(
        gradient(f, X, mode="reverse"), hessian(nonlinear, X) @ X + gradient(nonlinear, X), rtol=1e-12
    )
