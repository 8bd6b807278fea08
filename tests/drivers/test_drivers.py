"""The operators: what they compute, how often they call f, how much they hold, their two forms and their options."""

from __future__ import annotations

import functools
import gc
import inspect
import math
import pickle

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

import dualdiff as dd
from dualdiff import (
    curl,
    derivative,
    divergence,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    laplacian,
    nth_derivative,
    value_and_derivative,
    value_and_gradient,
    value_and_jacobian,
    value_gradient_and_hessian,
)
from dualdiff.drivers.run import planning
from dualdiff.tangents.spaces.dense import Active, Dense
from tests.support import far_away
from tests.support.against import assert_near, difference_jacobian

X = np.array([0.7, 1.9, -1.1])
A = np.arange(12.0).reshape(4, 3) / 7


def energy(x):
    """A scalar function with a full Hessian."""
    return np.sum(np.sin(x) * x[::-1] ** 2) + np.prod(x)


def flow(x):
    """A vector field."""
    return np.stack([x[1] * x[2], np.sin(x[0]) + x[2] ** 2, x[0] * x[1]])


# -- what they compute -------------------------------------------------------------------------------------------------
def test_derivative_of_a_scalar():
    assert derivative(lambda x: x**3 + 2 * x, 3) == 29.0
    assert derivative(dd.exp, 0.0) == 1.0
    assert value_and_derivative(lambda x: x**3, 2.0) == (8.0, 12.0)
    np.testing.assert_allclose(derivative(lambda t: np.stack([np.sin(t), t**2]), 0.5), [math.cos(0.5), 1.0])
    np.testing.assert_allclose(derivative(lambda t: t * A, 0.5), A)
    found = derivative(lambda t: {"a": t**2, "b": (t, [t, 3.0])}, 1.5)
    assert found["a"] == 3.0
    assert found["b"][0] == 1.0
    np.testing.assert_array_equal(found["b"][1], [1.0, 0.0])


def test_derivative_over_points():
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    f = lambda t: np.where(t > 0, np.sin(t), t**3) * np.exp(-(t**2))
    expected = [derivative(f, t) for t in x.ravel()]
    np.testing.assert_allclose(derivative(f, x).ravel(), expected, rtol=1e-15)
    np.testing.assert_allclose(derivative(derivative(f), x).ravel(), [derivative(derivative(f), t) for t in x.ravel()])
    value, slope = value_and_derivative(f, x)
    np.testing.assert_array_equal(value, f(x))
    np.testing.assert_allclose(slope.ravel(), expected)
    np.testing.assert_allclose(derivative(lambda t: np.stack([t, t**2]), X), [np.ones(3), 2 * X])
    np.testing.assert_allclose(derivative(lambda t: t[..., None] * A[0], X), np.broadcast_to(A[0], (3, 3)))
    np.testing.assert_allclose(derivative(lambda t: (t**2, 3.0 * t), X)[1], [3.0, 3.0, 3.0])

    def loop(t):
        out = np.empty_like(t)
        for i in range(len(t)):
            out[i] = t[i] if t[i] > 0 else t[i] ** 2
        return out

    np.testing.assert_allclose(derivative(loop, X), [1.0, 1.0, 2 * X[2]])
    np.testing.assert_allclose(derivative(np.vectorize(lambda t: t**2), X), 2 * X)
    np.testing.assert_allclose(derivative(lambda t: [s**2 for s in t], X), 2 * X)
    # Each point at its own index of the result, and independent of the others, on any path.
    np.testing.assert_allclose(derivative(lambda t: (t.reshape(3, 1) * [[1.0, 2.0]]).sum(axis=1), X), [3.0] * 3)
    np.testing.assert_allclose(derivative(lambda t: np.sort(t)[[1, 2, 0]], X), [1.0] * 3)
    np.testing.assert_allclose(derivative(lambda t: np.roll(np.roll(t, 1) ** 2, -1), X), 2 * X)
    np.testing.assert_allclose(derivative(lambda t: np.stack([t, 2 * t]).sum(axis=0), X), [3.0] * 3)


def test_gradient_jacobian_and_hessian_against_differences():
    J, g = difference_jacobian(flow, X), difference_jacobian(energy, X)
    H = difference_jacobian(lambda x: gradient(energy, x), X)
    for options in (
        {},
        {"chunk_size": 1},
        {"chunk_size": 2},
        {"mode": "reverse"},
        {"mode": "forward", "chunk_size": 2},
    ):
        assert_near(jacobian(flow, X, **options), J)
        assert_near(gradient(energy, X, **options), g)
        assert_near(hessian(energy, X, **options), H)
        value, found = value_and_gradient(energy, X, **options)
        assert value == energy(X)
        assert_near(found, g)
        value, found = value_and_jacobian(flow, X, **options)
        np.testing.assert_array_equal(value, flow(X))
        assert_near(found, J)
        value, slope, found = value_gradient_and_hessian(energy, X, **options)
        assert value == energy(X)
        assert_near(slope, g)
        assert_near(found, H)
        assert_near(hvp(energy, X, X[::-1], **options), H @ X[::-1])
    np.testing.assert_array_equal(jvp(flow, X, X)[0], flow(X))
    assert_near(jvp(flow, X, X)[1], J @ X)


def test_shapes_of_results():
    x = np.ones((2, 3))
    assert gradient(np.sum, x).shape == (2, 3)
    assert jacobian(lambda x: x @ A.T, x).shape == (2, 4, 2, 3)
    assert jacobian(np.sum, x).shape == (2, 3)
    assert jacobian(lambda t: t * A, 2.0).shape == (4, 3)
    assert hessian(lambda x: np.sum(x**3), x).shape == (2, 3, 2, 3)
    assert np.shape(hessian(lambda t: t**3, 2.0)) == ()
    assert np.shape(gradient(lambda t: t**3, 2.0)) == ()
    assert gradient(lambda x: x**2, np.array(2.0)).shape == ()
    assert gradient(lambda x: x**2, np.array([2.0])).shape == (1,)
    assert jacobian(lambda x: x, np.array([2.0])).shape == (1, 1)
    np.testing.assert_array_equal(gradient(lambda x: x[0] * x[1], [3, 4]), [4.0, 3.0])


def test_nth_derivative():
    for n, expected in enumerate([16.0, 32.0, 48.0, 48.0, 24.0, 0.0]):
        assert nth_derivative(lambda x: x**4, 2.0, n) == expected
    np.testing.assert_allclose(nth_derivative(np.sin, X, 3), -np.cos(X))
    assert nth_derivative(lambda a, x: a * x**3, 2.0, 3.0, 2, argnum=1) == 36.0
    assert nth_derivative(lambda x, a: a * x**3, 3.0, 2.0, np.int64(2)) == 36.0
    for wrong in (-1, 1.5, True, "2", None):
        with pytest.raises(ValueError, match=r"needs an order n of 0, 1, 2, ... as its last argument"):
            nth_derivative(np.sin, 0.5, wrong)
    with pytest.raises(ValueError, match="needs an order n"):
        nth_derivative(np.sin, 3)
    with pytest.raises(ValueError, match="needs an order n"):
        nth_derivative(np.sin)(0.5)
    assert nth_derivative(lambda x: x**4)(2.0, 3) == 48.0
    third = nth_derivative(lambda x, a: a * x**4, n=3)
    assert third(2.0, 0.5) == third(2.0, a=0.5) == 24.0
    assert nth_derivative(lambda x: x**4, 2.0, n=3) == 48.0
    with pytest.raises(ValueError, match="needs an order n of 0, 1, 2"):
        nth_derivative(np.sin, n=-1)


def test_divergence_curl_and_laplacian():
    J = jacobian(flow, X)
    assert divergence(flow, X) == np.trace(J)
    np.testing.assert_array_equal(curl(flow, X), [J[2, 1] - J[1, 2], J[0, 2] - J[2, 0], J[1, 0] - J[0, 1]])
    assert curl(lambda x: [-x[1] * x[0], x[0] ** 2], [1.0, 2.0]) == 3.0
    np.testing.assert_allclose(laplacian(energy, X), np.trace(hessian(energy, X)))
    np.testing.assert_allclose(curl(gradient(energy), X), 0, atol=1e-14)
    np.testing.assert_allclose(divergence(curl(flow), X), 0, atol=1e-14)
    np.testing.assert_allclose(divergence(gradient(energy), X), laplacian(energy, X))
    assert divergence(lambda t: t**2, 3.0) == 6.0
    assert laplacian(lambda t: t**3, 3.0) == 18.0
    assert laplacian(lambda x: np.sum(x**3), np.ones((2, 2))) == 24.0
    assert divergence(lambda x: x**2, np.ones((2, 2)), chunk_size=3) == 8.0
    points = np.linspace(0, 1, 15).reshape(5, 3)
    f = lambda x: np.stack([x[..., 1] * x[..., 2], np.sin(x[..., 0]) + x[..., 2] ** 2, x[..., 0] * x[..., 1]], axis=-1)
    np.testing.assert_allclose(curl(f, points, batch_dims=1), [curl(flow, p) for p in points])
    np.testing.assert_allclose(divergence(f, points, batch_dims=1), [divergence(flow, p) for p in points])
    g = lambda x: np.sum(np.sin(x) * x**2, axis=-1)
    np.testing.assert_allclose(laplacian(g, points, batch_dims=1), [laplacian(g, p) for p in points])
    for wrong in (lambda x: x[:2], lambda x: x[0], lambda x: (x, x), lambda x: {"a": x}):
        with pytest.raises(ValueError, match=r"divergence needs f\(x\) shaped like x"):
            divergence(wrong, X)
        with pytest.raises(ValueError, match="curl needs a field with 3"):
            curl(wrong, X)
    with pytest.raises(ValueError, match=r"laplacian needs one array x"):
        laplacian(lambda x: (x, x), X)
    with pytest.raises(ValueError, match="one array"):
        divergence(lambda p: p, (1.0, 2.0))


# -- calls of f --------------------------------------------------------------------------------------------------------
def counted(f):
    """f, and the list of its calls."""
    calls = []

    @functools.wraps(f)
    def g(*args):
        calls.append(args)
        return f(*args)

    return g, calls


@pytest.mark.parametrize("n", [1, 2, 7, 12])
@pytest.mark.parametrize("chunk_size", [1, 2, 3, 5, 12, 100])
def test_calls_of_f(n, chunk_size):
    x, passes = np.linspace(0.1, 1, n), math.ceil(n / chunk_size)
    options = {"chunk_size": chunk_size, "mode": "forward"}
    for op, expected in ((jacobian, passes), (gradient, passes), (hessian, passes**2), (value_and_gradient, passes)):
        f, calls = counted(lambda x: np.sum(x**3))
        op(f, x, **options)
        assert len(calls) == expected
    f, calls = counted(lambda x: np.sum(x**3))
    hvp(f, x, x, **options)
    assert len(calls) == passes
    f, calls = counted(lambda x: x**3)
    divergence(f, x, chunk_size=chunk_size)
    assert len(calls) <= passes
    f, calls = counted(lambda x: np.sum(x**3))
    jacobian(jacobian(f, chunk_size=1, mode="forward"), x, **options)
    assert len(calls) == n * passes


def test_one_call_of_f():
    for run in (
        lambda f: derivative(f, 1.0),
        lambda f: derivative(f, X),
        lambda f: value_and_derivative(f, 1.0),
        lambda f: derivative(derivative(derivative(f)), 1.0),
        lambda f: jvp(f, X, X),
        lambda f: jacobian(f, X),
        lambda f: hessian(lambda x: np.sum(f(x)), X),
        lambda f: gradient(lambda x: np.sum(f(x)), X, mode="reverse"),
        lambda f: dd.vjp(f, X),
        lambda f: dd.linearize(f, X),
        lambda f: curl(f, X),
        lambda f: jacobian(f, 1.0),
        lambda f: jacobian(f, np.zeros(0)),
        lambda f: hessian(lambda x: np.sum(f(x)), np.zeros((3, 0))),
    ):
        f, calls = counted(lambda x: x * x)
        run(f)
        assert len(calls) == 1


def test_a_gradient_with_many_elements_takes_one_call():
    f, calls = counted(lambda x: np.sum(x**2))
    np.testing.assert_array_equal(gradient(f, np.arange(1000.0)), 2 * np.arange(1000.0))
    assert len(calls) == 1


# -- memory ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def tangents(monkeypatch):
    """The shapes of all dense tangents that are made, with their numbers of directions and the shapes of the values."""
    seen = []

    def spied(verb):
        method = getattr(Dense, verb)

        @functools.wraps(method)
        def spy(self, *args, **kwargs):
            result = method(self, *args, **kwargs)
            array = result.array if isinstance(result, Active) else result
            if isinstance(array, np.ndarray):
                seen.append((verb, self.directions, array.shape, array.size))
            return result

        monkeypatch.setattr(Dense, verb, spy)

    for verb in (
        "combine",
        "scale",
        "add",
        "gather",
        "scatter",
        "put",
        "sum",
        "contract",
        "conj",
        "cast",
        "own",
        "element",
        "read",
    ):
        spied(verb)
    return seen


def busy(x):
    """A function whose largest intermediate has 9 times as many elements as x."""
    y = np.outer(x, np.ones(9)) * 2.0
    y[1:, ::2] *= np.sin(x[:-1, None])
    z = np.concatenate([y.T, y.T[:0]]).T @ np.ones((9, 4)) + x[:, None]
    np.add.at(z, [0, 0], x[:4])
    return np.cumsum(z, axis=0)[:, 0] * np.max(y, axis=1) + np.linalg.norm(z) + np.sort(x)[0]


@pytest.mark.parametrize("chunk_size", [1, 3, 8, 20])
def test_a_dense_tangent_never_exceeds_chunk_size_times_the_value(tangents, chunk_size):
    n = 20
    jacobian(busy, np.linspace(0.1, 1, n), chunk_size=chunk_size, mode="forward")
    assert tangents
    for verb, directions, shape, size in tangents:
        assert shape[0] <= directions <= chunk_size, verb
        assert size <= chunk_size * 9 * n, verb
    assert max(size for *_, size in tangents) == chunk_size * 9 * n


def test_default_chunk_keeps_a_tangent_to_a_megabyte(tangents):
    for n in (10, 300, 1000):
        tangents.clear()
        jacobian(lambda x: x * np.sin(x), np.linspace(0, 1, n), mode="forward")
        assert max(size for *_, size in tangents) <= planning.CHUNK_ELEMENTS
        assert {shape[0] for _, _, shape, _ in tangents} <= set(range(1, n + 1))
    tangents.clear()
    f, calls = counted(lambda x: x[:3] * 2.0)
    jacobian(f, np.ones(400), mode="forward")
    # Passes of equal size: 400 = 2 x 200 (at most 327 directions of 400 elements are a megabyte).
    assert len(calls) == 2
    assert {directions for _, directions, *_ in tangents} == {200}


def test_memory_does_not_grow_with_the_passes(tangents):
    x = np.linspace(0, 1, 64)
    jacobian(lambda x: x**2, x, chunk_size=4, mode="forward")
    assert max(size for *_, size in tangents) == 4 * 64


# -- two forms ---------------------------------------------------------------------------------------------------------
FORMS = {
    derivative: (np.sin, 0.5),
    value_and_derivative: (np.sin, 0.5),
    gradient: (energy, X),
    value_and_gradient: (energy, X),
    jacobian: (flow, X),
    value_and_jacobian: (flow, X),
    hessian: (energy, X),
    dd.hessian_diagonal: (energy, X),
    value_gradient_and_hessian: (energy, X),
    divergence: (flow, X),
    curl: (flow, X),
    laplacian: (energy, X),
    dd.biharmonic: (energy, X),
    jvp: (flow, X, X),
    hvp: (energy, X, X),
    dd.vjp: (energy, X),
    dd.linearize: (flow, X),
}


@pytest.mark.parametrize("op", FORMS, ids=lambda op: op.__name__)
def test_both_forms(op):
    f, *args = FORMS[op]
    form = op(f)
    assert callable(form)
    name = getattr(f, "__qualname__", None) or f.__name__
    assert repr(form) == f"<{op.__name__} of {name} with respect to argument 0>"
    direct, later = op(f, *args), form(*args)
    if op in (dd.vjp, dd.linearize):
        direct, later = (result[0] for result in (direct, later))
    for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in (direct, later)), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(TypeError, match=rf"<{op.__name__} of .*> needs the arguments of f"):
        form()
    with pytest.raises(TypeError, match=f"{op.__name__} takes a function as its first argument, not float"):
        op(3.0)
    with pytest.raises(TypeError, match=r"takes a function|not callable"):
        op(3.0, *args)


@pytest.mark.parametrize("op", [*FORMS, nth_derivative], ids=lambda op: op.__name__)
def test_an_unknown_option_raises(op):
    f, *args = FORMS.get(op, (np.sin, 0.5, 2))
    for call in (lambda: op(f, *args, chunksize=3), lambda: op(f, wrong=True), lambda: op(f, *args, x=1.0)):
        with pytest.raises(TypeError, match=r"unexpected keyword argument|multiple values for argument 'x'"):
            call()


def test_the_function_form_has_the_signature_of_f():
    def f(x, a, *, scale=1.0):
        """What f is."""
        return scale * a * np.sum(x**2)

    g = gradient(f)
    assert inspect.signature(g) == inspect.signature(f)
    assert g.__doc__ == "What f is."
    assert g.__name__ == "gradient_of_f"
    assert g.__wrapped__ is f
    np.testing.assert_array_equal(g(X, 2.0), 4 * X)
    np.testing.assert_array_equal(g(X, 2.0, scale=0.5), 2 * X)
    np.testing.assert_array_equal(g(X, a=2.0, scale=0.5), 2 * X)
    np.testing.assert_array_equal(gradient(f, argnum=1)(X, 2.0), np.sum(X**2))
    assert repr(gradient(f, argnum=1, chunk_size=2)).endswith("f with respect to argument 1, chunk_size=2>")
    assert repr(gradient(f, argnum=(1, 0))).endswith("f with respect to arguments (1, 0)>")
    with pytest.raises(
        TypeError,
        match=r"gradient of .*f with respect to argument 0> needs the arguments of f, the differentiated one",
    ):
        g(x=X, a=2.0)
    with pytest.raises(TypeError):
        g(X, 2.0, wrong=3.0)


def test_a_forgotten_x_is_seen_at_once():
    with pytest.raises(TypeError, match=r"unsupported operand|not 'DerivedFunction'"):
        gradient(energy) + 1.0


def test_forms_of_forms():
    assert derivative(derivative(lambda x: x**3))(2.0) == 12.0
    np.testing.assert_allclose(jacobian(gradient(energy))(X), hessian(energy, X))
    np.testing.assert_allclose(hessian(energy)(X), hessian(energy, X))
    inner = "derivative of sin with respect to argument 0"
    assert repr(derivative(derivative(np.sin))) == f"<derivative of ({inner}) with respect to argument 0>"
    assert repr(jacobian(gradient(np.sum, chunk_size=2))).startswith(
        "<jacobian of (gradient of sum with respect to argument 0, chunk_size=2) with"
    )


def test_forms_of_partials_methods_and_objects():
    class Model:
        """A callable with parameters."""

        def __init__(self, a):
            self.a = a

        def __call__(self, x):
            return self.a * np.sum(x**2)

        def loss(self, x):
            return self(x) + 1.0

    model = Model(3.0)
    for f in (model, model.loss, functools.partial(lambda a, x: a * np.sum(x**2), 3.0), lambda x: 3 * np.sum(x**2)):
        np.testing.assert_array_equal(gradient(f)(X), 6 * X)
        np.testing.assert_array_equal(gradient(f, X), 6 * X)
        assert "gradient" in repr(gradient(f))


@pytest.mark.parametrize("op", [derivative, value_and_derivative, gradient, jacobian, hessian, laplacian])
def test_pickling_of_the_function_form(op):
    form = op(far_away.cube, argnum=0)
    again = pickle.loads(pickle.dumps(form))
    assert repr(again) == repr(form)
    assert np.all(np.asarray(again(2.0)) == np.asarray(form(2.0)))
    chunked = pickle.loads(pickle.dumps(jacobian(far_away.cube, chunk_size=2)))
    np.testing.assert_array_equal(chunked(X), np.diag(3 * X**2))
    nested = pickle.loads(pickle.dumps(derivative(derivative(far_away.cube))))
    assert nested(2.0) == 12.0
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pickle.dumps(op(lambda x: x))


# -- results belong to the caller --------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore::dualdiff.ConstantResultWarning")
def test_results_may_be_written_into():
    for result in (
        gradient(np.sum, X),
        jacobian(lambda x: x, X),
        jacobian(lambda x: np.ones(3), X),
        jvp(lambda x: x, X, X)[1],
        derivative(lambda t: t * np.ones(3), 1.0),
        derivative(lambda t: t, X),
        derivative(lambda t: np.broadcast_to(t, (3,)), 1.0),
        hvp(energy, X, X),
        gradient(np.sum, X, mode="reverse"),
        dd.vjp(lambda x: x, X)[1](X),
        dd.linearize(lambda x: x, X)[1](X),
        gradient(lambda p: np.sum(p[0]) + p[1], (X, 1.0))[0],
    ):
        kept = X.copy()
        result[...] = 7.0
        np.testing.assert_array_equal(X, kept)


def test_the_direction_is_not_written_into():
    v = np.ones(3)
    jvp(lambda x: x.__imul__(2.0), X, v)
    jvp(lambda x: x.__setitem__(0, 1.0) or x, X, v)
    np.testing.assert_array_equal(v, 1.0)
    _, slope = jvp(lambda x: x, X, v)
    slope[0] = 9.0
    np.testing.assert_array_equal(v, 1.0)


def test_results_are_plain():
    for result in (
        derivative(lambda t: t**2, 2.0),
        gradient(energy, X),
        jacobian(flow, X),
        jvp(flow, X, X)[0],
        value_and_gradient(energy, X)[0],
        hessian(energy, X),
    ):
        assert not isinstance(result, (dd.Dual, dd.DualArray))


def test_nothing_of_a_call_stays_alive():
    def f(x):
        y = x * 2
        v = y[1:]
        v[0] = x[0] ** 2
        y += np.linalg.norm(v) * np.max(y)
        return np.sum(np.sin(y) * y[::-1])

    def alive():
        return sum(issubclass(type(thing), (dd.Dual, dd.DualArray)) for thing in gc.get_objects())

    calls = (
        lambda: gradient(f, X, mode="forward"),
        lambda: gradient(f, X, mode="reverse"),
        lambda: hessian(f, X),
        lambda: derivative(lambda t: f(t * X), 1.0),
        lambda: derivative(lambda x: np.sin(x[:]) * 2, X),
    )
    for call in calls:
        call()
    gc.collect()
    before = alive()
    gc.disable()
    try:
        # Without the garbage collector's help: there are no cycles.
        for call in calls:
            call()
            assert alive() == before
    finally:
        gc.enable()


# -- in SciPy's hands --------------------------------------------------------------------------------------------------
def test_minimize_with_gradient_and_hvp():
    x0 = np.array([-1.2, 1.0, 0.5])
    rosen = lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    for method, options in (
        ("BFGS", {"jac": gradient(rosen)}),
        ("Newton-CG", {"jac": gradient(rosen), "hessp": hvp(rosen)}),
        ("trust-exact", {"jac": gradient(rosen), "hess": hessian(rosen)}),
        ("trust-krylov", {"jac": gradient(rosen), "hessp": hvp(rosen)}),
        ("L-BFGS-B", {"jac": gradient(rosen)}),
        ("SLSQP", {"jac": gradient(rosen), "constraints": {"type": "ineq", "fun": flow, "jac": jacobian(flow)}}),
    ):
        found = scipy.optimize.minimize(rosen, x0, method=method, tol=1e-10, **options)
        if method != "SLSQP":
            np.testing.assert_allclose(found.x, 1.0, atol=1e-5)
    with_value = lambda x: value_and_gradient(rosen, x)
    assert scipy.optimize.minimize(with_value, x0, jac=True).success
    shifted = lambda x, a: rosen(x - a)
    found = scipy.optimize.minimize(shifted, x0, args=(2.0,), jac=gradient(shifted), method="BFGS")
    np.testing.assert_allclose(found.x, 3.0, atol=1e-4)
    found = scipy.optimize.minimize(
        shifted, x0, args=(2.0,), jac=gradient(shifted), hessp=hvp(shifted), method="Newton-CG", tol=1e-10
    )
    np.testing.assert_allclose(found.x, 3.0, atol=1e-4)


def test_solve_ivp_with_jacobian():
    def robertson(t, y):
        return [-0.04 * y[0] + 1e4 * y[1] * y[2], 0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1] ** 2, 3e7 * y[1] ** 2]

    J = jacobian(robertson, argnum=1)
    np.testing.assert_allclose(
        J(0.0, [1.0, 2.0, 3.0]), [[-0.04, 3e4, 2e4], [0.04, -3e4 - 1.2e8, -2e4], [0.0, 1.2e8, 0.0]]
    )
    found = scipy.integrate.solve_ivp(robertson, (0, 40), [1.0, 0.0, 0.0], method="BDF", jac=J, rtol=1e-8, atol=1e-10)
    assert found.success
    np.testing.assert_allclose(found.y[:, -1], [0.7158270688, 9.185534764e-6, 0.2841637457], rtol=1e-5)


def test_roots_and_least_squares():
    f = lambda x: [x[0] + 2 * x[1] - 2, x[0] ** 2 + 4 * x[1] ** 2 - 4]
    found = scipy.optimize.root(f, [1.0, 0.5], jac=jacobian(f))
    np.testing.assert_allclose(f(found.x), 0, atol=1e-10)
    t = np.linspace(0, 1, 20)
    model = lambda t, a, b: a * np.exp(-b * t)
    data = model(t, 2.0, 3.0)
    residual = lambda p: model(t, *p) - data
    found = scipy.optimize.least_squares(residual, [1.0, 1.0], jac=jacobian(residual))
    np.testing.assert_allclose(found.x, [2.0, 3.0])
    found, _ = scipy.optimize.curve_fit(
        model, t, data, p0=[1.0, 1.0], jac=lambda t, *p: jacobian(lambda p: model(t, *p), np.array(p))
    )
    np.testing.assert_allclose(found, [2.0, 3.0])
    g = lambda x: x**3 - 2
    assert scipy.optimize.newton(g, 1.0, fprime=derivative(g), fprime2=derivative(derivative(g))) == pytest.approx(
        2 ** (1 / 3)
    )
    found = scipy.optimize.root_scalar(lambda x: value_and_derivative(g, x), x0=1.0, fprime=True, method="newton")
    assert found.root == pytest.approx(2 ** (1 / 3))
    np.testing.assert_allclose(scipy.optimize.newton(g, np.array([1.0, 2.0]), fprime=derivative(g)), 2 ** (1 / 3))
    assert scipy.optimize.check_grad(energy, gradient(energy), X) < 1e-5
