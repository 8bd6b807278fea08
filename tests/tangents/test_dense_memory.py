"""The memory of dense tangents: sums along short axes, and fancy indexing."""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.tangents.spaces import dense


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("length", [1, 3, 32, 33])
def test_sums_along_a_short_last_axis(dtype, length):
    x = (np.arange(length * 100) % 7 - 2).astype(dtype).reshape(100, length)
    _, found = dd.jvp(lambda x: np.sum(x * x, axis=-1), x, np.stack([x, 2 * x, x, x]))
    assert found.dtype == dtype
    np.testing.assert_allclose(found[1], 2 * np.sum(2 * x * x, axis=-1), rtol=1e-2 if dtype == np.float16 else 1e-6)
    kept = dd.jacobian(lambda x: np.sum(x[:20], axis=1, keepdims=True), x)
    assert kept.shape == (20, 1, 100, length)
    assert kept.sum() == 20 * length


def test_infinite_and_undefined_tangents_stay_in_their_sums():
    x = np.ones((600, 3))
    x[0, 0], x[1, 1] = 0.0, -1.0
    with np.errstate(all="raise", invalid="ignore"):
        _, found = dd.jvp(lambda x: np.sum(np.sqrt(x), axis=1), x, np.stack([np.ones_like(x)] * 4))
    assert np.isinf(found[:, 0]).all()
    assert np.isnan(found[:, 1]).all()
    assert (found[:, 2:] == 1.5).all()


@pytest.mark.parametrize(
    "key",
    [
        np.array([3, 0, -1] * 200),
        np.arange(600).reshape(200, 3) % 5,
        np.arange(5) != 2,
        (np.array([1, 2] * 100), slice(None)),
        (slice(1, 4), np.array([0, 2] * 100)),
        (np.array([1, 2] * 100), np.array([0, 1] * 100)),
        (np.array([1, 2] * 100), None, slice(0, 2)),
    ],
    ids=str,
)
def test_fancy_indexing_keeps_the_axis_of_directions_first_in_memory(key):
    x = np.arange(1000.0).reshape(5, 200)
    seen = []

    def f(x):
        y = x[key]
        seen.append(y.raw.array)
        return y

    _, found = dd.jvp(f, x, np.stack([x, 2 * x, 3 * x]))
    assert np.array_equal(found, np.stack([x[key], 2 * x[key], 3 * x[key]]))
    assert seen[0].size <= dense._SMALL or seen[0].flags.c_contiguous


def test_coefficients_of_one_column_beside_short_rows():
    x = np.linspace(0.5, 1.5, 600).reshape(200, 3)
    v = np.stack([np.cos(k * x) for k in range(4)])
    _, found = dd.jvp(lambda x: x * np.arange(1.0, 201.0)[:, None] / (2 + x[:, :1]), x, v)
    for direction, t in zip(v, found, strict=True):
        np.testing.assert_allclose(
            t, dd.jvp(lambda x: x * np.arange(1.0, 201.0)[:, None] / (2 + x[:, :1]), x, direction)[1], rtol=1e-13
        )
