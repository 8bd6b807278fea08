"""Several passes over one array of duals: what f writes into them, and how many directions a pass takes."""

import numpy as np
import pytest

import dualdiff

numba = pytest.importorskip("numba")
njit = numba.njit

from dualdiff.compiled.operators import widths  # noqa: E402  (needs Numba)

X = np.linspace(0.5, 1.5, 2 * widths.WIDTH + 3)


def reading(x):
    return np.cumsum(x * x)


def returning_x(x):
    return x


def returning_a_view(x):
    return x[1:]


def writing_elements(x):
    x[0] = x[0] * x[-1]
    return x * x


def writing_all(x):
    x *= x
    return np.cumsum(x)


def writing_into_a_view(x):
    y = x.reshape(1, -1)
    y[0, 1:] *= 2.0 * y[0, 0]
    return x[::-1] * 2.0


def writing_by_another_function(x):
    halve(x)
    return x * x[0]


@njit
def halve(x):
    for i in range(x.size):
        x[i] /= 2.0


WAYS = [reading, returning_x, returning_a_view, writing_elements, writing_all, writing_into_a_view]


@pytest.mark.parametrize("f", [*WAYS, writing_by_another_function], ids=lambda f: f.__name__)
def test_each_pass_begins_at_x(f):
    """Whether or not only the seeds that change are written: f is run once with all directions as a reference."""
    found = dualdiff.jacobian(njit(f), X.copy())
    np.testing.assert_array_equal(found, dualdiff.jacobian(njit(f), X.copy(), chunk_size=X.size))
    halves = dualdiff.jacobian(njit(f), X.copy(), chunk_size=7)
    np.testing.assert_array_equal(found, halves)
    if f is not writing_by_another_function:
        np.testing.assert_allclose(found, dualdiff.jacobian(f, X.copy()), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("f", [lambda x: x[1:] * x[:-1], writing_elements], ids=["reading", "writing"])
def test_each_pass_of_a_pattern_begins_at_x(f):
    pattern = np.zeros((X.size - (f is not writing_elements), X.size), bool)
    pattern[np.arange(len(pattern)), np.arange(len(pattern))] = True
    pattern[np.arange(X.size - 1), np.arange(1, X.size)] = True
    pattern[0, -1] = True
    expected = dualdiff.jacobian(f, X.copy())
    for chunk_size in None, 1, 2:
        found = dualdiff.jacobian(njit(f), X.copy(), sparse=pattern, chunk_size=chunk_size, check=True)
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-14, atol=1e-14)


def test_few_directions_take_narrow_passes():
    wide = widths.WIDTH
    assert [widths.width_for(n) for n in (0, 1, 4, 5, 1000)] == [4, 4, 4, wide, wide]
    # One pass where that is enough, and never more passes than the widest.
    assert [widths.balanced(n) for n in (1, 4, 5, 8)] == [4, 4, 8, 8]
    for n in range(1, 200):
        width = widths.balanced(n)
        assert width <= wide
        assert -(-n // width) == -(-n // wide)
