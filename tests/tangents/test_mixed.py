"""Gradients with respect to few inputs: small arrays in forward mode, large ones recorded, and mixtures of the two."""

import copy
import pickle
import warnings
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dualdiff
from dualdiff import gradient, hessian, jvp, value_and_gradient
from dualdiff.tangents.spaces import mixed
from dualdiff.tangents.spaces.dense import LANES
from dualdiff.tangents.spaces.mixed import Mixed

X = np.array([0.7, -1.3, 2.1])


@pytest.fixture(autouse=True, params=[mixed.SMALL, 2, 0], ids=["dense", "both", "recorded"], scope="module")
def small(request):
    """The size above which arrays are recorded."""
    with mock.patch.object(mixed, "SMALL", request.param):
        yield


def along_units(f, x):
    """The gradient, along one direction at a time."""
    return np.array([jvp(f, x, v)[1] for v in np.eye(len(x))])


def same(f, x=X, **tolerance):
    """Assert that the gradient equals that along single directions, and the value that of f."""
    value, found = value_and_gradient(f, x)
    assert value == f(x)
    assert type(value) is type(f(x))
    np.testing.assert_allclose(found, along_units(f, x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient(f, x, mode="reverse"), found, rtol=1e-12, atol=1e-12)
    return found


SCALAR_STEPS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / (b * b + 1.5),
    "**": lambda a, b: (a * a + 1) ** b,
    "%": lambda a, b: a % (b * b + 1.1),
    "//": lambda a, b: a // (b * b + 1.1) + a,
    "reflected": lambda a, b: 2.0 - 3 / (a * a + 1) + 2**b,
    "abs": lambda a, b: abs(a) - b,
    "neg": lambda a, b: -a,
    "np.sin": lambda a, b: np.sin(a) * b,
    "dualdiff.sin": lambda a, b: dualdiff.sin(a) * b,
    "np.hypot": lambda a, b: np.hypot(a, b + 9),
    "np.maximum": lambda a, b: np.maximum(a, b - 0.01),
    "branch": lambda a, b: a * b if a > b else a - 2 * b,
    "item": lambda a, b: (a.item() if hasattr(a, "item") else a) * b,
    "array and back": lambda a, b: np.stack([a, b, a * b]).sum(),
    "array of floats": lambda a, b: np.sum(a * np.array([1.0, 2.0]) + b),
    "divmod": lambda a, b: divmod(a, b * b + 1.1)[1],
    "square": lambda a, b: a * a + b**2,
    "float": lambda a, b: a * 1.5 + np.float64(0.5) * b,
}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(SCALAR_STEPS)), st.integers(0, 9), st.integers(0, 9)), max_size=8),
    st.integers(1, 4),
    st.booleans(),
    st.integers(0, 99),
)
def test_programs_of_scalars(program, n, python_floats, seed):
    x = np.random.default_rng(seed).normal(size=n)

    def f(x):
        values = [e.item() if python_floats else e for e in x]
        for name, i, j in program:
            values.append(SCALAR_STEPS[name](values[i % len(values)], values[j % len(values)]))
        return values[-1]

    with np.errstate(all="ignore"):
        if not abs(f(x)) < 1e6:
            return
    value, found = value_and_gradient(f, x)
    assert value == f(x)
    assert type(value) is type(f(x))
    expected = along_units(f, x)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * (1 + np.max(np.abs(expected))))


def test_scalars_of_every_number_of_directions():
    for n in (1, 2, 3, 7, LANES, LANES + 1):
        x = np.linspace(0.5, 1.5, n)

        def f(x):
            s = 0.0
            for e in x:
                s = s + e * e / (1.0 + s * s)
            return s

        same(f, x)


def test_scalars_meet_arrays():
    t = np.linspace(0, 1, 7)
    same(lambda p: np.sum(p[0] * np.exp(-p[1] * t) + p[2]))
    same(lambda p: np.sum(p[0] * np.exp(-p[1] * t)) * p[2] + p[0])
    same(lambda p: (p[0] * t) @ (p[1] * t) + p @ p)


def test_elements_of_views_of_x():
    same(lambda x: x[1:][0] * x[::-1][0] + x[1:][1] ** 2)
    found = gradient(lambda p: p[0, 1] * p[1, 0] + p[1][2], np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(found, [[0, 3, 0], [1, 0, 1]])


def test_writes_into_x_and_into_buffers():
    def into_x(x):
        x[0] = x[1] * x[2]
        x *= 2
        return x[0] * x[1] + np.sum(x)

    before = X.copy()
    value, found = value_and_gradient(into_x, X)
    np.testing.assert_array_equal(before, X)
    assert value == into_x(X.copy())
    np.testing.assert_allclose(found, gradient(into_x, X, mode="forward"))

    def buffer(x):
        u = dualdiff.zeros(4, like=x)
        u[0] = x[0] * x[1]
        u[1:] = x**2
        v = u[1:]
        v += x[2]
        return u[0] * u[3] + np.sum(u)

    same(buffer)


def test_containers_and_aux():
    def f(p):
        return p["a"] * np.sum(p["b"] ** 2) + p["a"] ** 2, p["a"]

    g, aux = gradient(f, {"a": 2.0, "b": np.array([1.0, 3.0])}, has_aux=True)
    assert g["a"] == 14
    np.testing.assert_array_equal(g["b"], [4.0, 12.0])
    assert aux == 2.0
    assert gradient(lambda p: p[0] * p[1], (2.0, 3.0)) == (3.0, 2.0)


def test_nesting():
    def f(x):
        s = x[0]
        for _ in range(3):
            s = s * x[1] + np.sin(x[2]) + np.sum(x * s)
        return s

    H = hessian(f, X)
    np.testing.assert_allclose(gradient(lambda x: gradient(f, x) @ np.array([1.0, 2.0, 3.0]), X), H @ [1, 2, 3])
    np.testing.assert_allclose(H, H.T, rtol=1e-12)
    np.testing.assert_allclose(gradient(lambda x: gradient(f, x)[1], X), H[1])


def test_through_complex_numbers():
    same(lambda x: ((x[0] + 1j * x[1]) * (x[2] - 2j)).real + abs(x[0] + 1j * x[1]))
    same(lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2) * x[0])


def test_zero_times_infinity():
    np.testing.assert_array_equal(gradient(lambda x: np.sqrt(x[0] * x[0]) + x[1], np.array([0.0, 2.0])), [0, 1])
    np.testing.assert_array_equal(gradient(lambda x: np.sqrt(x @ x), np.zeros(3)), [0, 0, 0])
    assert gradient(lambda x: np.sqrt(x[0]) + x[1], np.array([0.0, 2.0])).tolist() == [np.inf, 1.0]


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("n", [3, 40])
def test_norm_at_zero_by_products(mode, n):
    for norm in (lambda x: np.sqrt(x @ x), lambda x: np.sqrt(np.dot(x, x)), lambda x: np.sqrt(np.einsum("i,i", x, x))):
        np.testing.assert_array_equal(gradient(norm, np.zeros(n), mode=mode), np.zeros(n))


def test_copies_and_pickles():
    def f(x):
        y = pickle.loads(pickle.dumps(x))
        z = copy.deepcopy(x * 2)
        s = pickle.loads(pickle.dumps(x[0] * x[1]))
        return np.sum(y * z) + s

    same_as = gradient(lambda x: np.sum(x * x * 2) + x[0] * x[1], X)
    np.testing.assert_allclose(gradient(f, X), same_as)


@pytest.mark.filterwarnings("ignore::dualdiff.ConstantResultWarning")
def test_what_the_result_may_be():
    assert gradient(lambda x: 3.0, X).tolist() == [0, 0, 0]
    np.testing.assert_array_equal(gradient(lambda x: x[:1], X), [1, 0, 0])
    np.testing.assert_array_equal(gradient(lambda x: np.stack([x[1] * 2]), X), [0, 2, 0])
    np.testing.assert_array_equal(gradient(lambda x: [x[1] * 2], X), [0, 2, 0])


def test_a_loop_of_scalars_makes_no_nodes():
    spaces = []

    def f(x):
        spaces.append(x.space)
        s = 0.0
        for _ in range(5):
            s = s + x[0] * x[1] - np.exp(x[2])
        return s

    gradient(f, X)
    assert type(spaces[0]) is Mixed
    assert not spaces[0]._leaves
    assert next(spaces[0]._serials) == 0


def test_a_gradient_whose_square_overflows_is_found_without_a_warning():
    points = np.linspace(0.0, 1.0, 10**5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = gradient(lambda p: np.sum(1e200 * (p[0] * points + p[1])), np.ones(4))
    np.testing.assert_allclose(found, [5e204, 1e205, 0.0, 0.0])
