"""Power series through the whole surface, against nested derivatives."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from dualdiff import Series, derivative, gradient, hessian, jvp, nth_derivative, taylor
from dualdiff.scipy import linalg
from dualdiff.tangents.spaces import taylor as space
from tests.support.calls import CALLS, METHOD_CALLS, UFUNC_CALLS

ORDER = 3


def nested(f, order):
    """Taylor coefficients at 0 by nested duals."""
    found = []
    for k in range(order + 1):
        found.append(np.asarray(f(0.0)) / math.factorial(k))
        f = derivative(f)
    return found


def assert_series(f, order=ORDER, rtol=1e-9):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = nested(f, order)
        found = taylor(f, 0.0, order)
    size = max(np.max(np.abs(w), initial=0.0, where=np.isfinite(w)) for w in wanted)
    for c, w in zip(found, wanted, strict=True):
        np.testing.assert_allclose(c, w, rtol=rtol, atol=rtol * size)


def along(call, i):
    """The call as a function of the displacement of argument i along a direction."""
    x = np.asarray(call.args[i])
    v = 0.1 * np.cos(np.arange(1.0, 1.0 + x.size)).reshape(x.shape)

    def f(t):
        args = [np.copy(a) if isinstance(a, np.ndarray) else a for a in call.args]
        args[i] = x + t * v if x.shape else x[()] + t * v[()]
        return call(*args)

    return f


def together(call):
    """The call as a function of the displacement of all floating arguments at once."""
    places = [i for i, a in enumerate(call.args) if np.asarray(a).dtype.kind == "f"]

    def f(t):
        args = [np.copy(a) if isinstance(a, np.ndarray) else a for a in call.args]
        for i in places:
            x = np.asarray(args[i])
            args[i] = x + t * (0.1 * np.cos(np.arange(i + 1.0, i + 1.0 + x.size)).reshape(x.shape)[()])
        return call(*args)

    return f


ALL = [
    pytest.param(call, id=f"{getattr(call.function, '__name__', call.function)}-{k}")
    for k, call in enumerate([*CALLS, *UFUNC_CALLS, *METHOD_CALLS])
]


@pytest.mark.parametrize("call", ALL)
def test_every_call_along_all_arguments(call):
    assert_series(together(call))


def expect(name, f, order=4, rtol=1e-9):
    return pytest.param(f, order, rtol, id=name)


A = np.array([[4.3, 0.2, -0.5], [0.7, 3.9, 0.4], [-0.3, 0.6, 5.1]])
B = np.array([[0.3, -1.2, 0.8], [1.1, 0.4, -0.6], [-0.7, 0.5, 0.9]])
S = A @ A.T
R = np.concatenate([A, B[:2]])
b = np.array([0.4, -1.3, 0.8])

MATRICES = [
    expect("solve", lambda t: np.linalg.solve(A + t * B, np.sin(t) * b + b)),
    expect("solve with several right-hand sides", lambda t: np.linalg.solve(A + t * B, B * np.exp(t))),
    expect("solve with a constant matrix", lambda t: np.linalg.solve(A, b * np.exp(t))),
    expect("inv", lambda t: np.linalg.inv(A + t * B)),
    expect("det", lambda t: np.linalg.det(A + t * B)),
    expect("slogdet", lambda t: np.linalg.slogdet(A + t * B)[1]),
    expect("cholesky", lambda t: np.linalg.cholesky(S + t * (B + B.T))),
    expect("qr", lambda t: np.concatenate(np.linalg.qr(R + t * R[::-1]))),
    expect(
        "eigh", lambda t: np.concatenate([v[None] if v.ndim == 1 else v for v in np.linalg.eigh(S + t * (B + B.T))])
    ),
    expect("eigvals", lambda t: np.real(np.linalg.eigvals(S + t * B))),
    expect("svd", lambda t: np.linalg.svd(R + t * R[::-1], full_matrices=False)[0]),
    expect("pinv", lambda t: np.linalg.pinv(R + t * R[::-1])),
    expect("lstsq", lambda t: np.linalg.lstsq(R + t * R[::-1], R[:, 0], None)[0], 3),
    expect("three factors", lambda t: np.einsum("ij,jk,ki->i", A + t * B, S * t + S, B * np.sin(t))),
    expect("convolve", lambda t: np.convolve(b * np.exp(t), b + t)),
    expect("fft", lambda t: np.fft.irfft(np.fft.rfft(b * np.exp(t * b), 4) * np.fft.rfft(b + t, 4))),
    expect("std", lambda t: np.std(np.exp(b * t) + b)),
    expect("norm", lambda t: np.linalg.norm(A + t * B)),
    expect("scipy solve", lambda t: linalg.solve(S + t * (B + B.T), b, assume_a="pos")),
    expect("solve_triangular", lambda t: linalg.solve_triangular(A + t * B, b * (1 + t))),
    expect("cho_solve", lambda t: linalg.cho_solve(linalg.cho_factor(S + t * (B + B.T)), b * np.exp(t))),
    expect("lu", lambda t: linalg.lu(A + t * B)[1]),
    expect("expm", lambda t: linalg.expm(A / 4 + t * B), 3),
    expect("logm", lambda t: linalg.logm(S + t * B), 3),
    expect("sqrtm", lambda t: linalg.sqrtm(S + t * B), 3),
    expect("polar", lambda t: linalg.polar(R + t * R[::-1])[0], 3),
    expect("solve_sylvester", lambda t: linalg.solve_sylvester(A + t * B, S, B * np.exp(t))),
    expect("solve_banded", lambda t: linalg.solve_banded((1, 1), np.abs(A) * np.exp(t) + t * B, b)),
    expect("solve_toeplitz", lambda t: linalg.solve_toeplitz(np.array([4.0, 1, 0.5]) * (1 + t) + t * t, b)),
    expect("solve_continuous_are", lambda t: linalg.solve_continuous_are(A + t * B, B, S, np.eye(3) * (1 + t)), 3),
]


@pytest.mark.parametrize(("f", "order", "rtol"), MATRICES)
def test_linear_algebra(f, order, rtol):
    assert_series(f, order, rtol)


@pytest.mark.parametrize("order", [8, 16])
def test_linear_algebra_at_high_order(order):
    """Identities that hold at every order."""
    eye = [np.eye(3), *np.zeros((order, 3, 3))]
    path = lambda t: S + t * (B + B.T)
    both = taylor(lambda t: np.linalg.inv(path(t)) @ path(t), 0.0, order)
    np.testing.assert_allclose(both, eye, atol=1e-12)
    factor = taylor(lambda t: np.linalg.cholesky(path(t)) @ np.linalg.cholesky(path(t)).T - path(t), 0.0, order)
    np.testing.assert_allclose(factor, np.zeros_like(eye), atol=1e-12)
    logarithm = taylor(lambda t: np.exp(np.linalg.slogdet(path(t))[1]) / np.linalg.det(path(t)), 0.0, order)
    np.testing.assert_allclose(logarithm, [1, *np.zeros(order)], atol=1e-10)
    polynomial = taylor(lambda t: np.linalg.det(path(t)), 0.0, order)
    np.testing.assert_allclose(polynomial[4:], np.zeros(order - 3), atol=1e-10)


#: Functions whose series have different numbers of coefficients, also from place to place.
OF_MANY_POINTS = {
    "a formula": lambda x: np.sin(x) * np.exp(-(x**2)) + np.log(1 + x**2) * x**3,
    "of low degree": lambda x: (1 + x * x) ** 2 * x - x / 4,
    "a step": lambda x: np.floor(x) * x + np.sign(x - 1),
    "two pieces": lambda x: np.maximum(x**3, 1.0) + np.where(x > 1.5, np.sqrt(x), x) + np.abs(x - 1) ** 2,
    "a constant beside": lambda x: np.hypot(3.0, np.arange(x.size) / x.size) * x + 1 / (2 + x),
    "single precision": lambda x: np.tanh(x.astype(np.float32) ** 2),
    "complex": lambda x: np.exp(1j * x) / (x + 2j),
}


@pytest.mark.parametrize("name", OF_MANY_POINTS)
@pytest.mark.filterwarnings("ignore::dualdiff.UndefinedDerivativeWarning")
def test_many_points_in_blocks(name, monkeypatch):
    """As all at once."""
    f, x = OF_MANY_POINTS[name], np.linspace(0.0, 2.0, 501)
    wanted = taylor(f, x, 6)
    monkeypatch.setattr(space, "_BLOCK", 700)
    np.testing.assert_allclose(taylor(f, x, 6), wanted, rtol=1e-14, atol=1e-300)


def test_coefficients_above_the_degree_are_not_kept():
    degrees = []
    taylor(
        lambda x: [degrees.append(y.raw.directions) or y for y in (x**2, x**3, x * (x + 1), (x**2) ** 2)][-1], 2.0, 9
    )
    assert [len(directions) for directions in degrees] == [2, 3, 2, 4]


def test_solvers():
    optimize = pytest.importorskip("dualdiff.scipy.optimize")
    integrate = pytest.importorskip("dualdiff.scipy.integrate")
    assert_series(lambda t: optimize.brentq(lambda x: x**3 + x - 2 - t, 0.0, 3.0, xtol=1e-14), 4, 1e-8)
    f = lambda t: optimize.root(lambda x: np.stack([x[0] ** 2 - 2 - t, x[1] - t * x[0]]), [1.0, 1.0]).x
    assert_series(f, 3, 1e-7)
    assert_series(lambda t: integrate.quad(lambda x: np.exp(-x * (1 + t)), 0.0, 1.0 + t)[0], 4, 1e-8)


def test_a_series_of_lower_order_is_not_taken_for_one_of_higher():
    short, long = Series(np.eye(2)[:, :, None] * [[2.0, 1.0]]), Series(np.ones((4, 2, 2)) + np.eye(2))
    assert np.matmul(short, long).order == np.linalg.solve(long, short).order == 1


def test_nothing_is_left_behind():
    assert jvp(np.sin, 0.3, 1.0) == (np.sin(0.3), np.cos(0.3))
    assert nth_derivative(np.sin, 0.3, 3) == pytest.approx(-np.cos(0.3))
    np.testing.assert_allclose(gradient(np.sum, b), hessian(lambda x: x @ x / 2, b) @ np.ones(3))
