"""What a tangent space keeps of the values must not change when f overwrites its arrays later."""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff as dd


def own_argument(x):
    y = x * x
    x[0] = 0.0
    return y


def in_place(x):
    y = x * x
    x *= 2.0
    return y


def result_as_coefficient(x):
    y = np.exp(x)
    z = y * 1.0
    y[:] = 0.0
    return z + y


def plain_factor(x):
    a = np.array([1.0, 2.0, 3.0])
    y = x * a
    a[:] = 0.0
    return y


def reused_buffer(x):
    total = 0.0
    buffer = np.empty(3)
    for k in range(1, 4):
        buffer[:] = k
        total = total + np.sin(x) * buffer
    return total


def plain_matrix(x):
    a = np.arange(9.0).reshape(3, 3)
    y = a @ x
    a[:] = 0.0
    return y


def dual_matrix(x):
    y = np.outer(x, x)
    z = y @ x
    y[0] = 0.0
    return z


def view_of_argument(x):
    v = x[1:]
    y = v * v
    x[:] = 1.0
    return y


def write_through_view(x):
    v = x[::-1]
    y = x * v
    v[0] = 5.0
    return y * x


def plain_index(x):
    places = np.array([2, 0])
    y = x[places] * 1.0
    places[:] = 1
    return y


def plain_condition(x):
    mask = np.array([True, False, True])
    y = np.where(mask, x, 0.0) * 1.0
    mask[:] = False
    return y


def plain_key_of_assignment(x):
    y = x * 1.0
    places = np.array([2, 0])
    y[places] = x[:2] ** 2
    places[:] = 1
    return y


FUNCTIONS = [
    own_argument,
    in_place,
    result_as_coefficient,
    plain_factor,
    reused_buffer,
    plain_matrix,
    dual_matrix,
    view_of_argument,
    write_through_view,
    plain_index,
    plain_condition,
    plain_key_of_assignment,
]


def finite_differences(f, x, h=1e-6):
    columns = [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(x.size)]
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_later_writes_do_not_reach_the_jacobian(f, mode):
    x = np.array([0.5, -1.5, 2.0])
    expected = finite_differences(f, x)
    np.testing.assert_allclose(dd.jacobian(f, x, mode=mode), expected, atol=1e-8)
    np.testing.assert_array_equal(x, [0.5, -1.5, 2.0])


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_later_writes_do_not_reach_a_single_direction(f):
    x, v = np.array([0.5, -1.5, 2.0]), np.array([1.0, 2.0, -1.0])
    np.testing.assert_allclose(dd.jvp(f, x, v)[1], finite_differences(f, x) @ v, atol=1e-8)
    np.testing.assert_allclose(dd.jvp(f, x, np.ones(3))[1], finite_differences(f, x) @ np.ones(3), atol=1e-8)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_later_writes_do_not_reach_the_hessian(f, mode):
    x = np.array([0.5, -1.5, 2.0])

    def g(x):
        return np.sum(np.sin(f(x * 1.0)))

    expected = finite_differences(lambda x: dd.gradient(g, x, mode="forward"), x)
    np.testing.assert_allclose(dd.hessian(g, x, mode=mode), expected, atol=1e-7)


def test_a_seed_of_ones_is_not_the_factor_itself():
    xs = np.array([1.0, 2.0])
    a = np.array([3.0, 4.0])

    def f(x):
        y = x * a
        a[:] = 7.0
        return y

    np.testing.assert_array_equal(dd.derivative(f, xs), [3.0, 4.0])


def test_a_large_matrix_that_is_overwritten_counts_as_it_was():
    a = np.ones((300, 300))

    def f(x):
        y = a @ x
        a[17, 5] += 1.0
        return np.sum(y)

    np.testing.assert_array_equal(dd.gradient(f, np.ones(300), mode="reverse"), np.full(300, 300.0))


def test_linearize_keeps_its_own_copy_of_what_may_be_overwritten():
    a = np.array([1.0, 2.0])
    _, linear = dd.linearize(lambda x: x * a, np.ones(2))
    a[:] = 0.0
    np.testing.assert_array_equal(linear(np.ones(2)), [1.0, 2.0])


#: One number of an array.
NUMBERS = {
    "y[1]": lambda y: y[1],
    "iteration": lambda y: next(iter(y)),
    "flat": lambda y: y.flat[1],
    "item": lambda y: y.item(1),
    "tolist": lambda y: y.tolist()[1],
    "take": lambda y: np.take(y, 1),
    "max": np.max,
    "min": np.min,
    "min of one": lambda y: np.min(y[:1]),
    "nanmin": np.nanmin,
    "maximum.reduce": np.maximum.reduce,
    "ptp": np.ptp,
    "median": np.median,
    "quantile": lambda y: np.quantile(y, 0.4),
    "sum of one": lambda y: np.sum(y[1:2]),
    "einsum": lambda y: np.einsum("i->", y[:1]),
    "trace": lambda y: np.trace(y[None, :1]),
    "diagonal": lambda y: np.diagonal(y[None])[0],
    "unstack": lambda y: np.array_split(y, 3)[1][0],
    "where": lambda y: np.where(True, y[0], 1.0),
    "interp": lambda y: np.interp(0.5, [0.0, 1.0, 2.0], y),
    "real": lambda y: y[1].real,
    "copy of a squeezed view": lambda y: y[:1].squeeze().copy(),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_scalar_taken_from_an_array_stays_as_it_was(name):
    def f(x):
        y = x * 1.0
        y[0] = y[0] * 2  # from here on its tangent is written in place
        number = NUMBERS[name](y)
        y *= 3.0
        y[1:] = y[:-1]
        return np.stack([number, y[0]])

    x = np.array([0.3, -0.5, 0.9])
    expected = finite_differences(f, x)
    for options in ({"mode": "forward"}, {"mode": "forward", "chunk_size": 2}, {"mode": "reverse"}):
        np.testing.assert_allclose(dd.jacobian(f, x, **options), expected, atol=1e-8)
    np.testing.assert_allclose(dd.jacobian(f, x, sparse=True).toarray(), expected, atol=1e-8)
    np.testing.assert_allclose(dd.jvp(f, x, x)[1], expected @ x, atol=1e-8)


def test_a_large_array_of_duals_without_tangent():
    x = np.linspace(0.0, 1.0, 1 << 17)
    np.testing.assert_array_equal(dd.derivative(lambda x: x * np.exp(np.zeros_like(x)), x), np.ones_like(x))


def test_large_rows_pulled_together():
    def f(x):
        y = np.sin(x)
        return np.stack([np.sum(y[1:] * x[1:]), np.sum(y[:-1])])

    x = np.linspace(0.0, 1.0, 1 << 15)
    expected = np.stack([np.cos(x) * x + np.sin(x), np.cos(x)])
    expected[0, 0] = expected[1, -1] = 0.0
    np.testing.assert_allclose(dd.jacobian(f, x), expected, rtol=1e-14)
