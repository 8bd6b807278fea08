"""Compiled functions called from Python with duals: in every tangent space, with every kind of argument."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections import namedtuple

import numpy as np
import pytest

import dualdiff
from dualdiff import LostDerivativeError, NoRuleError, adapt, derivative, gradient, hessian, jacobian

numba = pytest.importorskip("numba")
njit = numba.njit

X = np.array([0.3, 1.2, -0.7, 2.0])
Spring = namedtuple("Spring", "stiffness rest")


@njit
def scalars(a, b):
    return a * np.sin(b) + b


@njit
def stencil(u, k):
    out = np.zeros_like(u)
    for i in range(1, len(u) - 1):
        out[i] = k * (u[i + 1] - 2 * u[i] + u[i - 1]) * u[i]
    return out


@njit
def adding_into(out, u, k):
    for i in range(len(u)):
        out[i] = out[i] + k * u[i] ** 2


@njit
def returning_its_buffer(out, u):
    out[0] = u[1] ** 2
    return out


@njit
def of_a_tuple(spring, lengths, scale=2.0):
    return spring.stiffness * np.sin(lengths - spring.rest), spring.stiffness**2 * scale, 3


@njit
def of_a_list(values, k):
    values[0] = values[1] * k
    values.append(k)
    return values[0] + values[1] ** 2


@njit
def with_rest(x, *rest):
    return x * rest[0] + rest[1]


@njit
def of_a_matrix(a, b):
    return np.dot(a, b) * b[0]


def through_a_buffer(kernel):
    def f(x):
        out = np.ones_like(x)
        kernel(out, np.sin(x), x[0])
        kernel(out, x, 2.0)
        return np.sum(out * out)

    return f


def through_its_buffer(kernel):
    def f(x):
        out = np.zeros_like(x)
        y = kernel(out, x)
        assert y is out
        y[1] = x[2]
        return np.sum(out**2) + x[0]

    return f


def through_a_tuple(kernel):
    def f(x):
        forces, energy, count = kernel(Spring(x[0], x[1]), x[2:])
        assert type(count) is int
        return np.sum(forces) * energy * count

    return f


def through_a_list(kernel):
    def f(x):
        values = [x[0], x[1] * x[2], 1.5]
        y = kernel(values, x[3])
        assert len(values) == 4
        return y * values[0] + values[1] * values[3]

    return f


#: Functions of a vector, made from a kernel or from what it was compiled from.
MODELS = {
    "scalars": (scalars, lambda kernel: lambda x: kernel(x[0], 2.0) + kernel(x[1], x[2]) + kernel(0.5, x[3])),
    "arrays": (stencil, lambda kernel: lambda x: np.sum(kernel(x * x, x[1]) ** 2)),
    "buffer": (adding_into, through_a_buffer),
    "own buffer": (returning_its_buffer, through_its_buffer),
    "tuple": (of_a_tuple, through_a_tuple),
    "list": (of_a_list, through_a_list),
    "rest": (with_rest, lambda kernel: lambda x: np.sum(kernel(x, x[0], 2.0))),
    "matrix": (of_a_matrix, lambda kernel: lambda x: np.sum(kernel(np.reshape(x * x[1], (2, 2)), x[2:]))),
}


@pytest.mark.parametrize("model", MODELS)
def test_gradients_and_hessians_are_those_of_the_python_function(model):
    kernel, made = MODELS[model]
    f, g = made(kernel), made(kernel.py_func)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", numba.NumbaPendingDeprecationWarning)
        value, slope = dualdiff.value_and_gradient(f, X)
        assert value == f(X)
        for mode in "forward", "reverse":
            np.testing.assert_allclose(gradient(f, X, mode=mode), gradient(adapt(g), X), rtol=1e-12)
        np.testing.assert_allclose(hessian(f, X), hessian(adapt(g), X), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(slope, gradient(adapt(g), X), rtol=1e-12)


def test_in_every_space():
    def f(x):
        return stencil(x * x, x[1])

    expected = jacobian(adapt(lambda x: stencil.py_func(x * x, x[1])), X)
    for options in {}, {"mode": "reverse"}, {"chunk_size": 1}, {"chunk_size": 3}:
        np.testing.assert_allclose(jacobian(f, X, **options), expected, rtol=1e-13)
    sparse = jacobian(f, X, sparse=True)
    np.testing.assert_allclose(sparse.toarray(), expected, rtol=1e-13)
    np.testing.assert_array_equal(dualdiff.jacobian_sparsity(f, X).toarray(), expected != 0)
    value, push = dualdiff.linearize(f, X)
    np.testing.assert_array_equal(value, f(X))
    np.testing.assert_allclose(push(X), expected @ X, rtol=1e-13)
    np.testing.assert_allclose(dualdiff.vjp(f, X)[1](X), X @ expected, rtol=1e-13)


def test_third_order_and_operators_nested_in_f():
    f, g = (lambda t: scalars(t, t * t) * t), (lambda t: scalars.py_func(t, t * t) * t)
    assert dualdiff.nth_derivative(f, 0.7, n=3) == pytest.approx(dualdiff.nth_derivative(g, 0.7, n=3), rel=1e-12)
    assert derivative(lambda a: a * derivative(lambda b: scalars(a, b), a), 0.7) == pytest.approx(
        derivative(lambda a: a * derivative(lambda b: scalars.py_func(a, b), a), 0.7), rel=1e-13
    )


NESTED = {
    "derivative": (lambda f, a: derivative(f, a, 1.3), scalars, 2.0),
    "derivative in another argument": (lambda f, a: derivative(f, 1.3, a), scalars, 2.0),
    "nth_derivative": (lambda f, a: dualdiff.nth_derivative(f, a, 1.3, n=2), scalars, 2.0),
    "gradient": (lambda f, x: gradient(f, x, 2.0), njit(lambda x, k: np.sum(x**3) * k * x[0]), X),
    "gradient in another argument": (lambda f, k: gradient(f, X, k), njit(lambda x, k: np.sum(x**3) * k * x[0]), 2.0),
    "jacobian": (lambda f, x: jacobian(f, x, 2.0), stencil, X),
    "hvp": (lambda f, x: dualdiff.hvp(f, x, X), njit(lambda x: np.sum(x**3) * x[0]), X),
}


@pytest.mark.parametrize("case", NESTED)
def test_operators_of_compiled_functions_in_f(case):
    operator, f, x = NESTED[case]
    for _ in range(2):
        # The second call takes the fast path.
        np.testing.assert_allclose(
            jacobian(lambda x: operator(f, x), x), jacobian(lambda x: operator(adapt(f.py_func), x), x), rtol=1e-12
        )
        operator(f, x)


def test_complex_arguments():
    assert derivative(lambda t: scalars(1j * t + 0.3, t), 0.5) == pytest.approx(
        derivative(lambda t: scalars.py_func(1j * t + 0.3, t), 0.5), rel=1e-13
    )


def test_plain_arguments_are_as_the_kernel_leaves_them():
    @njit
    def counting(u, counts, k):
        counts[0] += 1
        return u[0] * k * counts[0]

    counts = np.zeros(1)
    u = np.array([3.0])
    assert derivative(lambda k: counting(u, counts, k) + counting(u, counts, k), 2.0) == 3 + 6
    assert counts[0] == 2


def test_a_plain_argument_that_the_kernel_returns_is_returned():
    u = np.array([1.0, 2.0, 3.0])
    kernel = njit(lambda u, k: (u, u[1:], k * u))

    def f(k):
        same, view, product = kernel(u, k)
        assert same is u
        assert np.shares_memory(view, u)
        return np.sum(product * same) + np.sum(view)

    assert derivative(f, 2.0) == 14


def test_functions_that_are_compiled_with_options():
    for options in {"parallel": True}, {"fastmath": True}, {"cache": False, "nogil": True}:

        def total(x):
            return np.sum(x**3)

        kernel = njit(**options)(total)
        value, slope = dualdiff.value_and_gradient(lambda x, kernel=kernel: kernel(2 * x), X)
        assert value == kernel(2 * X)
        np.testing.assert_allclose(slope, 24 * X**2, rtol=1e-14)
    in_objects = numba.jit(forceobj=True)(lambda x: x**2)
    assert derivative(lambda x: in_objects(x), 3.0) == 6


def test_by_custom_derivative():
    f = dualdiff.custom_derivative(njit(lambda x: x * x), njit(lambda x: 2 * x))
    assert derivative(derivative(f), 3.0) == 2


def test_zero_times_infinity_is_zero():
    root = njit(lambda x, y: np.sqrt(x[0] * x[0] + y))
    np.testing.assert_array_equal(gradient(lambda x: root(x, 0.0), np.zeros(2)), np.zeros(2))


def test_the_first_call_in_a_process():
    text = (
        "import numba, dualdiff\n@numba.njit\ndef f(x):\n    return x[0] * x[0]\n"
        "print(dualdiff.gradient(lambda x: f(x), [3.0])[0])"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "6.0"


# -- refusals ----------------------------------------------------------------------------------------------------------
@njit
def storing(out, k):
    out[0] = k
    return out


@njit
def storing_silently(out, k):
    out[0] = k


@njit
def viewing(u):
    return u[1:]


@njit
def eigenvalues(u):
    a = u.reshape(2, 2)
    return np.linalg.eigvals(np.dot(a, a.T))


@njit("float64(float64)")
def signed(x):
    return 2 * x


@njit
def drawing(x):
    return x * np.random.normal()  # noqa: NPY002  (as compiled code may have it)


@njit
def drawing_further_down(x):
    return 2 * drawing(x)


def with_a_generator(x):
    kernel = njit(lambda rng, x: x * rng.normal())
    return kernel(np.random.default_rng(0), x[0])


def with_a_typed_list(x):
    values = numba.typed.List([1.0, 2.0])
    values.append(x[0])
    return values[2]


def closing_over(x):
    a = x[0]

    @njit
    def kernel(b):
        return a * b

    return kernel(2.0)


REFUSED = {
    "plain buffer": (lambda x: np.sum(storing(np.zeros(1), x[0])), LostDerivativeError, "np.zeros_like"),
    "plain buffer, no result": (
        lambda x: x[0] if storing_silently(np.zeros(1), x[0]) is None else x[1],
        LostDerivativeError,
        "np.zeros_like",
    ),
    "view": (lambda x: np.sum(viewing(x)), NoRuleError, "it returns a view of an argument; let it return a copy"),
    "no rule": (lambda x: eigenvalues(x)[0].real, NoRuleError, r"no compiled rule for eigvals\(array\(Dual, 2d\)\)"),
    "signature": (lambda x: signed(x[0]), NoRuleError, "write @njit without signatures"),
    "typed list": (with_a_typed_list, NoRuleError, r"List holds plain values .* takes an array: np.stack"),
    "closure": (closing_over, TypeError, "uses a dual number of the function around it, .*: pass it as an argument"),
    "draws": (lambda x: drawing(x[0]), NoRuleError, "pass it the draws as an argument"),
    "draws further down": (lambda x: np.sum(drawing_further_down(x)), NoRuleError, "it draws random numbers"),
    "generator": (with_a_generator, NoRuleError, "a random generator, .* pass it the draws, as an array"),
    "shared memory": (
        lambda x: adding_into(x, x[:2], 1.0),
        NoRuleError,
        "it writes into an array that shares memory with another argument",
    ),
    "list of arrays": (lambda x: with_rest([x, x], 1.0, 2.0), NoRuleError, "lists of scalars, but not of arrays"),
    "object array": (lambda x: stencil(np.array([x[0], x[1]], object), 1.0), TypeError, "make an array with np.stack"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_differentiated_is_refused(case):
    f, kind, words = REFUSED[case]
    with pytest.raises(kind, match=words):
        gradient(f, X)


# -- arguments that cannot be copied, and what is advised in their place -----------------------------------------------
@njit
def total(items, k):
    s = 0.0
    for item in items:
        s += k * item**2
    return s


@njit
def entry(table, x):
    return table["a"] * x


@njit
def attribute(given, x):
    return given.k * x**2


class Linear:
    """A jitclass, once it is compiled."""

    def __init__(self, k):
        self.k = k

    def energy(self, x):
        return self.k * x * x


Parameters = namedtuple("Parameters", ["k"])


def spring():
    return numba.experimental.jitclass([("k", numba.float64)])(Linear)(2.0)


def table():
    made = numba.typed.Dict.empty(numba.types.unicode_type, numba.float64)
    made["a"] = 3.0
    return made


#: What is refused, the words, and the same as the words advise.
ADVISED = {
    "typed list": (
        lambda x: total(numba.typed.List([1.0, 2.0]), x),
        "takes a numba.typed.List, which it may change: pass it an array",
        lambda x: total(np.stack([1.0, 2.0]), x),
    ),
    "typed list of duals": (
        lambda x: total(numba.typed.List([x, 2 * x]), 1.0),
        "a numba.typed.List holds plain values and takes no dual numbers: write a kernel that takes an array",
        lambda x: total(np.stack([x, 2 * x]), 1.0),
    ),
    "typed dict": (
        lambda x: entry(table(), x),
        "takes a numba.typed.Dict, which it may change: pass it its values, as arguments or in a named tuple",
        lambda x: attribute(Parameters(table()["a"]), x) / x,
    ),
    "typed dict of duals": (
        lambda x: (made := table(), made.__setitem__("a", x), entry(made, 1.0))[2],
        "a numba.typed.Dict holds plain values and takes no dual numbers",
        lambda x: attribute(Parameters(x), 1.0),
    ),
    "set": (
        lambda x: total({1.0, 2.0}, x),
        "takes a set, which it may change: pass it a tuple or an array",
        lambda x: total((1.0, 2.0), x),
    ),
    "jitclass": (
        lambda x: attribute(spring(), x),
        "takes an instance of a jitclass, which it may change: pass it its attributes, as arguments",
        lambda x: attribute(Parameters(2.0), x),
    ),
    "method of a jitclass": (
        lambda x: spring().energy(x),
        "an instance of a jitclass holds plain values and takes no dual numbers: .* takes its attributes",
        lambda x: attribute(Parameters(2.0), x),
    ),
    "attribute of a jitclass": (
        lambda x: (made := spring(), setattr(made, "k", x), made.energy(1.0))[2],
        "an instance of a jitclass holds plain values and takes no dual numbers",
        lambda x: attribute(Parameters(x), 1.0),
    ),
    "generator": (
        lambda x: njit(lambda rng, x: x * rng.normal())(np.random.default_rng(0), x),
        "takes a random generator, which it may change: pass it the draws, as an array",
        lambda x: total(np.random.default_rng(0).normal(size=2), x),
    ),
    "draws": (
        lambda x: drawing(x),
        "it draws random numbers, .* pass it the draws as an argument",
        lambda x: total(np.random.default_rng(0).normal(size=2), x),
    ),
}


@pytest.mark.parametrize("case", ADVISED)
def test_what_is_advised_works(case):
    refused, words, advised = ADVISED[case]
    with pytest.raises(NoRuleError, match=words):
        derivative(refused, 1.5)
    slope = (advised(1.5 + 1e-6) - advised(1.5 - 1e-6)) / 2e-6
    assert derivative(advised, 1.5) == pytest.approx(slope, rel=1e-8)
