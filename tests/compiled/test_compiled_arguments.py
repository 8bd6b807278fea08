"""Compiled duals: the memory layout of x, other arguments that f writes into, and the order of summation of f."""

from __future__ import annotations

import sys
from collections import namedtuple

import numpy as np
import pytest

import dualdiff

numba = pytest.importorskip("numba")
njit = numba.njit

MATRIX = np.random.default_rng(0).normal(size=(7, 9))
LAYOUTS = {
    "C": np.copy,
    "F": np.asfortranarray,
    "strided": lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
    "reversed": lambda a: np.copy(a[:, ::-1])[:, ::-1],
}


@njit
def total(x):
    return x.sum()


@njit
def writing_into_ravel(x):
    y = x.ravel()
    y[0] = 0.0
    return (x * x).sum()


@njit
def products(x):
    return (np.dot(x, x.T) * 1.5).sum()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_loops_and_views_follow_the_memory_layout(layout):
    x = LAYOUTS[layout](MATRIX)
    value, slope = dualdiff.value_and_gradient(total, x)
    assert value == total(x)
    np.testing.assert_array_equal(slope, np.ones(x.shape))
    value, slope = dualdiff.value_and_gradient(writing_into_ravel, x)
    expected = 2 * x
    if layout == "C":
        expected[0, 0] = 0.0
    assert value == writing_into_ravel(LAYOUTS[layout](MATRIX))
    np.testing.assert_array_equal(slope, expected)


def test_products_of_a_matrix_in_fortran_order_have_the_same_bits():
    x = np.asfortranarray(MATRIX)
    assert dualdiff.value_and_gradient(products, x)[0] == products(x)


def test_a_matrix_in_fortran_order_in_a_tuple():
    Pair = namedtuple("Pair", "a b")
    f = njit(lambda p: p.a.sum() * p.b.sum())
    p = Pair(np.asfortranarray(MATRIX), MATRIX[0])
    value, slope = dualdiff.value_and_gradient(f, p)
    assert value == f(p)
    np.testing.assert_allclose(slope.a, np.full((7, 9), p.b.sum()), rtol=1e-14)


@pytest.mark.parametrize("options", [{"fastmath": True}, {"parallel": True}], ids=["fastmath", "parallel"])
def test_the_value_is_that_of_f_which_may_sum_in_another_order(options):
    f = njit(**options)(lambda x: (x * x).sum() + np.sqrt(x[0] * x[0]))
    x = np.random.default_rng(1).normal(size=1000)
    x[0] = 0.0
    value, slope = dualdiff.value_and_gradient(f, x)
    assert value == f(x)
    np.testing.assert_array_equal(slope, 2 * x)


# -- other arguments ---------------------------------------------------------------------------------------------------
@njit
def counting(x, counter):
    counter[0] += 1.0
    return (x * x).sum() * counter[0]


@njit
def counting_at_a_scalar(x, counter):
    counter[0] += 1.0
    return x * x * counter[0]


@njit
def slope_inside(x):
    counter = np.ones(1)
    return dualdiff.gradient(counting, x, counter) + 0.0 * counter[0]


X = np.random.default_rng(2).normal(size=40)


@pytest.mark.parametrize("options", [{}, {"chunk_size": 4}, {"parallel": True}], ids=str)
def test_each_pass_sees_other_arguments_as_they_were(options):
    for _ in range(2):
        counter = np.ones(1)
        value, slope = dualdiff.value_and_gradient(counting, X, counter, **options)
        assert value == counting(X, np.ones(1))
        np.testing.assert_array_equal(slope, 4 * X)
        # As after one call of f.
        np.testing.assert_array_equal(counter, [2.0])


def test_each_pass_sees_other_arguments_as_they_were_for_every_operator():
    counter = np.ones(1)
    np.testing.assert_array_equal(dualdiff.jacobian(counting, X, counter), 4 * X)
    counter = np.ones(1)
    np.testing.assert_array_equal(dualdiff.hessian(counting, X, counter), 4 * np.eye(40))
    counter = np.ones(1)
    np.testing.assert_array_equal(dualdiff.hvp(counting, X, X, counter), 4 * X)
    np.testing.assert_array_equal(counter, [2.0])
    counter = np.ones(1)
    for i in range(3):
        assert dualdiff.derivative(counting_at_a_scalar, 3.0, counter) == 6.0 * (i + 2)
    np.testing.assert_array_equal(slope_inside(X), 4 * X)


def test_arguments_that_are_only_read_keep_their_references():
    f = njit(lambda x, data: (x[:2] * data[0]).sum())
    data = np.arange(6.0).reshape(3, 2).copy()
    before = sys.getrefcount(data)
    for _ in range(20):
        np.testing.assert_array_equal(dualdiff.gradient(f, X, data)[:3], [0.0, 1.0, 0.0])
    assert sys.getrefcount(data) == before
    np.testing.assert_array_equal(data, np.arange(6.0).reshape(3, 2))
