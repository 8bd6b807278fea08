"""Power series made by hand."""

import copy
import pickle

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import Series, taylor

T = Series([0.0, 1.0], order=4)


def test_arithmetic_and_functions():
    np.testing.assert_allclose((1 / (1 - T)).coefficients, np.ones(5))
    np.testing.assert_allclose((np.exp(T) * np.exp(-T)).coefficients, [1, 0, 0, 0, 0], atol=1e-15)
    np.testing.assert_allclose(dd.exprel(T).coefficients, [1, 1 / 2, 1 / 6, 1 / 24, 1 / 120], rtol=1e-14)
    system = np.stack([np.stack([1 + T, T]), np.stack([T, 2 + T])])
    x = np.linalg.solve(system, np.array([1.0, 2.0]))
    np.testing.assert_allclose((system @ x).coefficients, [[1, 2], *np.zeros((4, 2))], atol=1e-15)


def test_the_classes_are_one_for_the_user():
    vector = Series([[1.0, 2.0], [3.0, 4.0]])
    assert isinstance(T, Series)
    assert isinstance(vector[0], Series)
    assert isinstance(np.sin(vector), Series)
    assert isinstance(T, float)
    assert type(T).__name__ == type(vector).__name__ == "Series"
    assert vector.order == 1
    assert vector.shape == (2,)
    assert T < 1


def test_evaluation_and_composition():
    series = np.exp(T)
    assert series.at(0.1) == pytest.approx(np.exp(0.1), abs=1e-7)
    np.testing.assert_allclose(series.at(np.array([0.0, 0.1])), np.exp([0.0, 0.1]), atol=1e-7)
    np.testing.assert_allclose(series.at(np.sin(T)).coefficients, taylor(lambda t: np.exp(np.sin(t)), 0.0, 4))
    with pytest.raises(ValueError, match="coefficient 0 is zero"):
        series.at(1 + T)


def test_calculus():
    np.testing.assert_allclose(np.sin(T).derivative().coefficients, np.cos(T).coefficients[:4])
    np.testing.assert_allclose(np.cos(T).antiderivative().coefficients[:5], np.sin(T).coefficients)
    assert T.antiderivative(2.0).coefficients[0] == 2.0


def test_writing():
    vector = Series([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
    tail = vector[1:]
    tail *= 2
    vector[0] = vector[1] ** 2
    np.testing.assert_array_equal(vector.coefficients, [[16.0, 4.0], [64.0, 8.0], [64.0, 0.0]])
    with pytest.raises(ValueError, match="order 1 cannot be stored in an array of order 2"):
        vector[0] = Series([1.0, 1.0])


def test_the_lower_order_is_known():
    assert (T * Series([1.0, 1.0])).order == 1
    assert (Series([1.0, 1.0]) + T).order == 1


def test_shown():
    assert repr(Series([1.0, 2.0])) == "Series([1., 2.])"
    assert str(np.log(1 + T)) == "t - 0.5 t^2 + 0.333333 t^3 - 0.25 t^4 + O(t^5)"
    assert str(-T) == "-t + O(t^5)"
    assert str(0 * T) == "O(t^5)"


def test_copies_and_pickles():
    vector = Series([[1.0, 2.0], [3.0, 4.0]])
    for x in (T, vector):
        for same in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
            assert isinstance(same, Series)
            np.testing.assert_array_equal(same.coefficients, x.coefficients)


@pytest.mark.parametrize("order", [0, -1, 2.5, True])
def test_bad_orders(order):
    with pytest.raises(ValueError, match="an order of 1, 2, 3"):
        Series([1.0, 2.0], order)


def test_bad_coefficients():
    with pytest.raises(TypeError, match="numeric coefficients"):
        Series(["a", "b"])
    with pytest.raises(dd.LostDerivativeError):
        float(T)
